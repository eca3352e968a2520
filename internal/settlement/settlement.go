// Package settlement takes captured payments to the merchant's bank account:
// cut-off, fees, netting, reserves, holds and payouts on the side of what we owe
// merchants; the network's clearing file and its funding on the side of what the
// networks owe us. See DESIGN.md beside this file for what it promises.
//
// The parts: Settle makes the lines of one merchant and day out of a stream of
// items and decides on a payout; Dispatch, Hear, Tick and Resend are the payout's
// state machine; Reconcile holds a network's clearing file against what was
// captured; Fund books what the network paid. Each gives Steps: all that one
// decision writes, committed together or not at all. Position is what we owe one
// merchant beyond what is pending, as a row that every step about it carries
// whole with its version one higher: two decisions taken at the same time cannot
// both be committed, and a decision taken twice is committed once.
//
// It is pure: no clock, no database, no bank. The moment is an argument.
package settlement

import (
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

// House stands in the ledger where a merchant's number stands, for what belongs
// to no merchant: what a network paid too much or too little.
const House = "HOUSE"

// Step is everything that one decision writes, committed together or not at all.
// All of it belongs to one merchant (or to House), so that it lies on one shard.
// Rows with a Version are written only where the version before is the one on
// record; else the whole step is refused and the decision has to be taken anew.
type Step struct {
	// Step holds the merchant, the moment, transfers, evidence and exceptions.
	payment.Step
	Positions []Position
	Batches   []Batch
	// Lines are inserted. Payment and Turn, or Extra, are unique within the merchant.
	Lines    []Line
	Extras   []Extra   // upserted by ID
	Reserves []Reserve // upserted by Batch
	Holds    []Hold    // upserted by ID
	Payouts  []Payout
	// Orders are handed to the payout bank once the step is durable, not before.
	// They are repeated by nobody: what became of one is asked.
	Orders []Order
	Shares []Share
	// Cleared replaces all rows of the same merchant, network and date where Recleared.
	Cleared   []Cleared
	Recleared bool
	// Reopened were cleared by an earlier issue of the same file and are not by this
	// one: they wait for a file again.
	Reopened []payment.ID
	Days     []Day
}

// Position is what we owe one merchant in one currency beyond what is pending,
// as a row. Amounts are minor units.
type Position struct {
	MID      string
	Currency money.Currency
	Version  uint32
	// Payable is the balance of merchant_payable; negative where refunds and
	// chargebacks exceeded sales.
	Payable int64
	// Frozen, Reserved and Retained are parts of merchant_held: by the merchant's
	// state, by the rolling reserve, by holds of an amount.
	Frozen, Reserved, Retained int64
	// InTransit is the balance of payout_in_transit, or of held payouts kept back.
	InTransit int64
	// Stopped is the part of merchant_held in payouts that were not sent because
	// the merchant was frozen.
	Stopped int64
	// Paid is the balance of merchant_paid, Fees of fee_income.
	Paid, Fees int64
	// Returned is the part of Payable and Frozen that came back and goes out again
	// under a new payout of its own, not with the next run.
	Returned int64
	// Open is the payout that lines go into until it is created.
	Open Open
	// Hold is the ID of the hold by the merchant's state; "" for none.
	Hold string
	// Day and Seq are those of the latest batch; Closed is the latest day whose
	// last run is done.
	Day    calendar.Date
	Seq    int
	Closed calendar.Date
	// Lines and Total count the lines of Day so far: what its file declares.
	Lines, Total int64
}

// Open is a payout before it is created. Its lines name it from the first: one
// line, one payout.
type Open struct {
	ID    string
	Day   calendar.Date
	Net   int64 // sum of its lines
	Lines int64
}

// Start is the position of a merchant before its first settlement.
func Start(mid string, c money.Currency) Position {
	return Position{MID: mid, Currency: c, Day: calendar.None, Closed: calendar.None, Open: Open{Day: calendar.None}}
}

// Held is the balance of merchant_held.
func (p *Position) Held() int64 { return p.Frozen + p.Reserved + p.Retained + p.Stopped }

// Keys name a payment in files and evidence.
type Keys struct {
	TID, Batch, STAN, RRN, AuthCode, OrderID string
	PAN                                      string // first six, stars, last four
	CardType                                 evidence.CardType
	Network, Issuer                          string
	// OriginalRRN and OriginalSTAN name the payment acted on; "" for none.
	OriginalRRN, OriginalSTAN string
}

// Line is one line of a merchant's settlement.
type Line struct {
	MID   string
	Batch string // Batch.ID
	Seq   int64  // within the batch, from 1
	// Payment is the transaction, none for what is of no payment, and Turn counts
	// its lines from 1: a sale that is undone after it was settled has a second.
	Payment payment.ID
	Turn    int
	Extra   string // Extra.ID, or the batch of a reserve; "" for a payment's line
	Kind    evidence.Kind
	Gross   int64 // not negative
	Fee     int64 // negative where it is given back
	Net     int64 // what it adds to the payout
	// Invoiced is the fee that is charged apart.
	Invoiced int64
	Currency money.Currency
	Date     calendar.Date // of settlement
	Business calendar.Date // of the payment; calendar.None for none
	Time     time.Time     // of the payment; zero for none
	At       time.Time     // when it was settled
	Payout   string
	Keys
}

// BatchState is how far a settlement batch has come.
type BatchState uint8

// The states of a batch.
const (
	// Settling takes lines; a run that was interrupted goes on with it.
	Settling BatchState = iota
	// Settled is complete.
	Settled
)

// Batch is one settlement run of one merchant, currency and day.
type Batch struct {
	ID       string
	MID      string
	Currency money.Currency
	Day      calendar.Date
	Seq      int // of the day, from 1
	Version  uint32
	State    BatchState
	Opened   time.Time
	Closed   time.Time // zero while open
	// Cursor is the last payment that was looked at: a run goes on after it.
	Cursor payment.ID
	Chunks int
	Lines  int64
	// Sales and Back are the gross sums of what adds and of what takes away, Fee
	// what was taken in fees, Invoiced what is charged apart, Extra what lines of no
	// payment add, Net all together.
	Sales, Back, Fee, Invoiced, Extra, Net int64
	// Waiting counts items that are not due, Held those that risk keeps back, with
	// their amount.
	Waiting, Held, HeldAmount int64
	// Payout is the payout that the lines belong to, Why why it was not created;
	// WhyNot is PaidOut where it was.
	Payout string
	Why    WhyNot
	Final  bool // the day's last run
}

// WhyNot is why a run made no payout.
type WhyNot string

// The reasons why there is no payout.
const (
	PaidOut         WhyNot = ""
	NothingToPay    WhyNot = "nothing_to_pay"
	NegativeBalance WhyNot = "negative_balance"
	BelowMinimum    WhyNot = "below_minimum"
	MerchantFrozen  WhyNot = "frozen"
	MerchantSuspend WhyNot = "suspended"
	// Others are the obstacles of merchant.PayoutAccount: no_account,
	// account_unverified, account_cooling, account_blocked.
)

// Extra is a line of no sale: a chargeback, an adjustment, a fee, an amount held
// or released. It goes into the next run.
type Extra struct {
	ID  string // unique within the merchant: the case's or the order's number
	MID string
	// Kind is Chargeback, Adjustment, FeeKind, Reserve or ReserveRelease.
	Kind     evidence.Kind
	Net      int64 // what it adds to the payout: negative takes away
	Currency money.Currency
	// Against is where the money comes from or goes to: network_receivable for
	// chargebacks and what a network corrects, fee_income for what the platform
	// gives or takes, merchant_held for holds.
	Against ledger.Name
	// Payment and Keys name the payment that it is about, if any.
	Payment payment.ID
	Keys
	Reason         string // one word
	Maker, Checker string // both, unless a file or a rule is the cause
	At             time.Time
	Batch          string // that settled it; "" while it waits
}

// Reserve is what one batch put into the rolling reserve.
type Reserve struct {
	Batch    string
	MID      string
	Currency money.Currency
	Amount   int64
	Taken    calendar.Date
	Release  calendar.Date // business day on which it is released
	Released string        // the batch that released it; "" while held
}

// Hold is money kept back by a decision of people.
type Hold struct {
	ID       string
	MID      string
	Currency money.Currency
	// Whole is a hold by the merchant's state: all there is, and all that comes.
	Whole    bool
	Amount   int64 // held now
	Reason   string
	Document string
	// Maker and Checker decided it, Releaser and ReleaseChecker ended it.
	Maker, Checker           string
	Releaser, ReleaseChecker string
	Opened, Released         time.Time // Released is zero while it lasts
}

// Policy is what the institution has decided once for all settlements.
type Policy struct {
	// Source names us in evidence.
	Source string
	// Chunk is how many lines one step holds at most.
	Chunk int
	// AnswerWithin is how long the payout bank may be silent about an order; then
	// its outcome is unknown and is asked about.
	AnswerWithin time.Duration
	// AskFirst is the pause before the second inquiry; each is twice the one
	// before, up to AskMost. After ExceptionAfter inquiries an exception is opened;
	// the inquiries go on.
	AskFirst, AskMost time.Duration
	ExceptionAfter    int
	// LastArrival is how long after it was sent an order may still reach the bank.
	// Until then "no original received" is no answer.
	LastArrival time.Duration
	// CreditWithin is how many bank days after the bank accepted a payout its credit may
	// be unknown; then a person has to ask.
	CreditWithin int
	// Grace is how long before the cut-off a capture may be cleared with the next
	// day's file: its clock is not the network's.
	Grace time.Duration
}

// DefaultPolicy returns the usual values: 500 lines a step, 30 min for the bank's
// first word, inquiries from 5 min to 2 h, an exception after 6, 24 h for an
// order's last arrival, 3 bank days for the credit, 30 min of grace around the cut-off.
func DefaultPolicy() Policy {
	return Policy{Source: "settlement/main", Chunk: 500, AnswerWithin: 30 * time.Minute, AskFirst: 5 * time.Minute, AskMost: 2 * time.Hour,
		ExceptionAfter: 6, LastArrival: 24 * time.Hour, CreditWithin: 3, Grace: 30 * time.Minute}
}
