package payment

import (
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

var errClear = fault.New(fault.NotAllowed, "marshal", "card data", nil, "keep the masked number, the token or the sealed number")

// Problem is what the reader of a message found wrong with it. Such a message
// has no effect; it gets a response code, a counter and evidence.
type Problem uint8

// The problems a runtime can tell of.
const (
	// NoProblem is a message as it should be.
	NoProblem Problem = iota
	// BadFormat: the frame is whole and its content breaks the dialect.
	BadFormat
	// BadMAC: field 64 does not hold.
	BadMAC
	// BadVersion: a dialect, header or software that is not served any more.
	BadVersion
	// BadPIN: the PIN block cannot be translated.
	BadPIN
	// NoKeys: the terminal has no working keys with us; it has to sign on.
	NoKeys

	problems
)

// Reference names an earlier transaction as a terminal can: any of its parts may
// be missing.
type Reference struct {
	Batch, STAN string        // field 61, of the same terminal
	RRN         string        // field 37
	AuthCode    string        // field 38 or 61
	Date        calendar.Date // of the original, field 61 or 13; calendar.None if not said
}

// Request is one decoded message of a terminal.
type Request struct {
	Operation Operation
	Key
	MID      string // field 42
	Amount   int64  // minor units, field 4; of a reversal that of the request taken back
	Currency money.Currency
	// Local is the terminal's own clock, fields 12 and 13; zero if not said. It
	// decides nothing: it is for evidence.
	Local time.Time
	Entry evidence.Entry // field 22
	// PAN masked, CardToken keyed and SealedPAN sealed, all from the keyring.
	// Empty where the message carries no card.
	PAN       string
	CardToken string
	SealedPAN []byte
	CardType  evidence.CardType // of the card range; NoCardType if not known
	// Prefix is the first digits of the card number, at most eight: routing by
	// card range needs no more.
	Prefix string
	// Card is the clear data for the one message onwards; nil where there is none.
	// The exchange hands it on in the Message and forgets it.
	Card *Card
	// Original is what the request acts on. A Reversal names its request by
	// Original.Batch and Original.STAN.
	Original Reference
	// Reason is why a Reversal was sent (field 39): 98 no answer, 96 could not be
	// completed, A0 wrong MAC, 06 other.
	Reason evidence.Code
	// Reverses is what a Reversal takes back, as its processing code says;
	// NoOperation if it does not.
	Reverses Operation
	// Totals are what a Settlement claims for its batch.
	Totals Totals
	// Items are the lines of a BatchUpload; Last marks its final message.
	Items []Item
	Last  bool
	// Problem is set where the message could be read only in part; then only the
	// fields that name the terminal are to be trusted.
	Problem Problem
	// Operator is the cashier's number, field 60 or 63; "" if not said.
	Operator string
	// Location is where the terminal says it stands, as risk.Attempt.Location has
	// it; "" if it does not say.
	Location string
	// OrderID is the merchant's own reference, where the till passes one on.
	OrderID string
}

// Totals are the sums of one batch as a terminal keeps them. Debits are sales,
// completions and offline sales; credits are refunds, voids of sales and voids of
// completions (a voided sale stands in both). What was declined, reversed or
// had no answer stands in neither; preauthorizations and their voids do not count.
type Totals struct {
	DebitCount   int
	DebitAmount  int64 // minor units
	CreditCount  int
	CreditAmount int64 // minor units
}

// Item is one line of a terminal's batch upload. It does not say whether it is a
// debit or a credit: the trace number does, of which the batch has one.
type Item struct {
	STAN   string
	Amount int64
	PAN    string // masked
}

// Answer is what a terminal is told.
type Answer struct {
	Operation Operation
	Key
	MID      string
	Payment  ID // none for what makes no transaction
	Code     evidence.Code
	RRN      string
	AuthCode string
	Amount   int64
	Currency money.Currency
	Time     time.Time     // ours, fields 12 and 13
	Date     calendar.Date // business date, field 15
	PAN      string        // masked; the runtime echoes the number that it holds
	// EMV is the issuer's chip data for the card, field 55. It is passed through,
	// never kept: a repeated answer does not have it.
	EMV []byte
	// Balance is the answer to a Balance request, in minor units; HasBalance says
	// that there is one.
	Balance    int64
	HasBalance bool
	// Totals are ours, in the answer to a Settlement; Balanced says that the
	// terminal's were equal. If not, the terminal uploads its batch.
	Totals   Totals
	Balanced bool
	// Batch for the next transactions, in the answers to SignOn, and to a
	// Settlement or an upload that closed the batch; else "".
	NextBatch string
}

// Approved reports whether the answer tells the terminal that it has the money.
func (a *Answer) Approved() bool { return a.Operation.MovesMoney() && evidence.IsApproval(a.Code) }

// Profile is what the acquirer knows of a terminal: who it belongs to and what
// it may do.
type Profile struct {
	TID, MID string
	Name     string // of the merchant, for slips
	MCC      string
	Currency money.Currency
	Zone     *time.Location // of the merchant; nil: UTC
	// Cutoff is the end of the merchant's business date in minutes after midnight,
	// 1440 for midnight itself; 0 means 1440.
	Cutoff int
	// Barred terminals or merchants get code 58.
	Barred bool
	// Operations that this terminal may ask for; empty means all.
	Operations []Operation
	// Location is where the terminal was installed, as risk.Attempt.Installed has
	// it; "" if not known.
	Location string
	// PreauthDays is how long a preauthorization holds; 0 means 30.
	PreauthDays int
}

// Directory finds terminals by their number. The profile is not changed after.
type Directory interface {
	// Terminal returns nil for a terminal that is not registered.
	Terminal(tid string) *Profile
}

// BusinessDate is the date to which a capture at a moment belongs: the
// merchant's local date, or the next one after the cut-off.
func (p *Profile) BusinessDate(at time.Time) calendar.Date {
	zone := p.Zone
	if zone == nil {
		zone = time.UTC
	}
	local := at.In(zone)
	date := calendar.DateIn(local, zone)
	cutoff := p.Cutoff
	if cutoff == 0 {
		cutoff = 24 * 60
	}
	h, m, s := local.Clock()
	if minute := h*60 + m; minute > cutoff || minute == cutoff && (s > 0 || local.Nanosecond() > 0) {
		return date.Add(1)
	}
	return date
}

// Profiles is a Directory in memory, by terminal number.
type Profiles map[string]*Profile

// Terminal returns the profile of a number, nil where there is none.
func (p Profiles) Terminal(tid string) *Profile { return p[tid] }
