package evidence

import "strings"

// vocabulary is a closed list of words, each with a small number. The zero
// number is always "not said".
type vocabulary struct {
	words  []string
	number map[string]uint8
	table  *nameTable
}

func newVocabulary(words ...string) *vocabulary {
	v := &vocabulary{words: append([]string{""}, words...), number: make(map[string]uint8, len(words))}
	for i, w := range v.words {
		v.number[w] = uint8(i)
	}
	v.table = newNameTable(v.number)
	return v
}

// vocabularyOf gives the vocabulary of the fields that have one for all types.
var vocabularyOf = [fieldCount]*vocabulary{
	KindField: kinds, ResultField: results, EntryField: entries, CardTypeField: cardTypes, Direction: directions,
}

// of gives the number of a word, 0 for one that is not in the vocabulary.
func (v *vocabulary) of(word []byte) uint8 { return v.table.find(word) }

// Type is the type of a fact, as the contract names it after "daozhang.".
type Type uint8

// The types of the contract. UnknownType marks a fact whose type this version
// does not know: it is kept and counted, and nothing is concluded from it.
const (
	UnknownType Type = iota
	MerchantTerms
	CalendarHoliday
	SaleOrder
	TerminalTransaction
	TerminalHealth
	TerminalSoftware
	TerminalBatch
	OperatorAction
	GatewayRequest
	GatewayResponse
	GatewayTimeout
	GatewayReversal
	GatewayError
	ClearingLine
	ClearingFile
	NetworkFunding
	SettlementLine
	SettlementFile
	PayoutStatus
	BankEntry
	BankStatement
	Coverage
	LinkStatus
	Notice
	AccountStatus
	LimitPolicy
	RiskDecision
	CaseOpened
	CaseClosed
	typeCount
)

var types = newVocabulary(
	"merchant.terms", "calendar.holiday", "sale.order", "terminal.transaction", "terminal.health",
	"terminal.software", "terminal.batch", "operator.action", "gateway.request", "gateway.response",
	"gateway.timeout", "gateway.reversal", "gateway.error", "clearing.line", "clearing.file",
	"network.funding", "settlement.line", "settlement.file", "payout.status", "bank.entry",
	"bank.statement", "coverage", "link.status", "notice", "account.status", "limit.policy",
	"risk.decision", "case.opened", "case.closed",
)

// TypePrefix stands before every type in the interchange form.
const TypePrefix = "daozhang."

// ParseType gives the Type of a name, with or without the prefix.
func ParseType(name string) (Type, bool) {
	n, ok := types.number[strings.TrimPrefix(name, TypePrefix)]
	return Type(n), ok && n != 0
}

// String gives the type's name without the prefix; "" for an unknown type.
func (t Type) String() string { return types.words[t] }

// Kind says what a transaction or a line does.
type Kind uint8

// The kinds of transactions, and of settlement lines and limits beside them.
const (
	NoKind Kind = iota
	Sale
	Void
	Refund
	Preauth
	Completion
	Reversal
	FeeKind
	Chargeback
	Adjustment
	Reserve
	ReserveRelease
	PayoutKind
)

var kinds = newVocabulary("sale", "void", "refund", "preauth", "completion", "reversal",
	"fee", "chargeback", "adjustment", "reserve", "reserve_release", "payout")

func (k Kind) String() string { return kinds.words[k] }

// Result is how a transaction ended for the terminal.
type Result uint8

// The results a terminal can write in its journal.
const (
	NoResult Result = iota
	Approved
	Declined
	Timeout
	Aborted
	UnknownResult
	OfflineApproved
)

var results = newVocabulary("approved", "declined", "timeout", "aborted", "unknown", "offline_approved")

func (r Result) String() string { return results.words[r] }

// Entry is how the card was read.
type Entry uint8

// The ways to read a card.
const (
	NoEntry Entry = iota
	Chip
	Contactless
	Magstripe
	Manual
	QR
)

var entries = newVocabulary("chip", "contactless", "magstripe", "manual", "qr")

func (e Entry) String() string { return entries.words[e] }

// CardType is what kind of card was used; fees depend on it.
type CardType uint8

// The types of cards.
const (
	NoCardType CardType = iota
	Debit
	Credit
	Prepaid
)

var cardTypes = newVocabulary("debit", "credit", "prepaid")

// ParseCardType gives the CardType of a word.
func ParseCardType(name string) (CardType, bool) {
	n, ok := cardTypes.number[name]
	return CardType(n), ok && n != 0
}

func (c CardType) String() string { return cardTypes.words[c] }

var directions = newVocabulary("credit", "debit")

// State is the word that says what happened to the subject of a fact: its
// `state`, `what`, `action` or `status`, whichever the type has. Which words a
// type may use stands in the field table.
type State uint8

// The words of `state`, `what`, `action` and `status`.
const (
	NoState State = iota
	OK
	Degraded
	Failed
	Started
	Crashed
	Updated
	SyncLag
	SyncDone
	ProtocolError
	Opened
	Closed
	Uploaded
	OutOfBalance
	PromptIgnored
	WrongFunction
	Cancelled
	AmountCorrected
	Queued
	Acknowledged
	Abandoned
	Created
	Sent
	Accepted
	Credited
	Rejected
	Returned
	Held
	Booked
	Pending
	Up
	Down
	Maintenance
	IncidentState
	Resolved
	Policy
	Active
	Frozen
	Suspended
	Approve
	Review
	Hold
	Decline
	Release
	Holiday
	Workday
	Complaint
	RefundRequest
	ChargebackCase
)

var states = newVocabulary("ok", "degraded", "failed", "started", "crashed", "updated", "sync_lag", "sync_done",
	"protocol_error", "opened", "closed", "uploaded", "out_of_balance", "prompt_ignored", "wrong_function",
	"cancelled", "amount_corrected", "queued", "acknowledged", "abandoned", "created", "sent", "accepted",
	"credited", "rejected", "returned", "held", "booked", "pending", "up", "down", "maintenance", "incident",
	"resolved", "policy", "active", "frozen", "suspended", "approve", "review", "hold", "decline", "release",
	"holiday", "workday", "complaint", "refund_request", "chargeback")

func (s State) String() string { return states.words[s] }

// statesOf lists the words a type may use, and the name of the field that
// carries them. A type without an entry has no such field.
var statesOf = [typeCount]struct {
	field Field
	words []State
}{
	CalendarHoliday:  {What, []State{Holiday, Workday}},
	TerminalHealth:   {StateField, []State{OK, Degraded, Failed}},
	TerminalSoftware: {What, []State{Started, Crashed, Updated, SyncLag, SyncDone, ProtocolError}},
	TerminalBatch:    {What, []State{Opened, Closed, Uploaded, OutOfBalance}},
	OperatorAction:   {What, []State{PromptIgnored, WrongFunction, Cancelled, AmountCorrected}},
	GatewayReversal:  {StateField, []State{Queued, Acknowledged, Abandoned}},
	PayoutStatus:     {StateField, []State{Created, Sent, Accepted, Credited, Rejected, Returned, Held}},
	BankEntry:        {StatusField, []State{Booked, Pending}},
	LinkStatus:       {StateField, []State{Up, Degraded, Down}},
	Notice:           {What, []State{Maintenance, IncidentState, Resolved, Cancelled, Policy}},
	AccountStatus:    {StateField, []State{Active, Frozen, Suspended}},
	RiskDecision:     {Action, []State{Approve, Review, Hold, Decline, Release}},
	CaseOpened:       {What, []State{Complaint, RefundRequest, ChargebackCase}},
	CaseClosed:       {What, []State{Complaint, RefundRequest, ChargebackCase}},
}
