package settlement

import (
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

// File is one clearing file of a network, as read: its own totals and those of
// the lines that were in it.
type File struct {
	Network  string
	Date     calendar.Date // business date
	Currency money.Currency
	// Version is the network's own number of the issue, 0 where it has none: then
	// the later received counts as the later issue.
	Version int
	Name    string // as it came
	// Count and Total are what the trailer declares; Declared is false where the
	// trailer is missing.
	Count, Total int64
	Declared     bool
	// Lines and Sum are what was read, Broken the lines that could not be.
	Lines, Sum, Broken int64
	// Digest is of the set of lines, whatever their order; see Digester.
	Digest Digest
}

// NetworkLine is one line of a clearing file.
type NetworkLine struct {
	Line int // in the file, for people
	MID  string
	Keys
	Kind evidence.Kind
	// Amount in minor units, not negative; its sign follows from Kind.
	Amount   int64
	Negative bool // an adjustment that takes away
	Currency money.Currency
	Time     time.Time // of the transaction; zero where the file does not say
}

// Standing is what we have of a transaction that a network may clear.
type Standing uint8

const (
	// Captured stands in the ledger.
	Captured Standing = iota
	// ClearedBefore was captured, and a file of another day had it.
	ClearedBefore
	// OutOfState is known and not captured: declined, unknown, reversing, reversed
	// or voided. A network that clears it has it one-sided.
	OutOfState
)

// Ours is one of our transactions that a network may clear.
type Ours struct {
	Payment  payment.ID
	Kind     evidence.Kind // Sale, Completion or Refund
	Standing Standing
	State    payment.State
	Amount   int64
	Currency money.Currency
	Business calendar.Date
	Time     time.Time // of capture, or of the request
	Keys
}

// Outcome is what became of a clearing line.
type Outcome string

// The outcomes of clearing lines. Matched and Paired are no breaks.
const (
	// Matched is a captured transaction of the same amount.
	Matched Outcome = "matched"
	// Paired is a sale and its void in one file.
	Paired Outcome = "paired"
	// Differs is a captured transaction of another amount.
	Differs Outcome = "clearing_amount_differs"
	// Long (长款) is a line of which we know no transaction.
	Long Outcome = "clearing_long"
	// OneSided (单边账) is a line of a transaction that we know and did not capture.
	OneSided Outcome = "clearing_one_sided"
	// Doubled is a second line of a transaction.
	Doubled Outcome = "clearing_duplicate_line"
	// Charged is a chargeback: it goes into the next settlement.
	Charged Outcome = "chargeback"
	// Withdrawn was in an earlier issue of the file and is in this one no more: it
	// counts nothing, and is remembered because it was told as a fact.
	Withdrawn Outcome = "withdrawn"
	// Short (短款) is a captured transaction without a line in a whole file.
	Short Outcome = "clearing_short"
)

// Cleared is one line of a day's clearing as booked, as a row. All rows of one
// merchant, network and date are replaced together.
type Cleared struct {
	MID     string
	Network string
	Date    calendar.Date
	Key     string // names the line within merchant, network and date
	Payment payment.ID
	Kind    evidence.Kind
	Signed  int64 // what the network pays for it; negative takes back
	Outcome Outcome
}

// Clears reports whether the line clears its transaction, so that no other file has to.
func (c *Cleared) Clears() bool { return c.Outcome == Matched || c.Outcome == Differs }

// Share is a merchant's part of a network's day, as a row.
type Share struct {
	MID      string
	Network  string
	Date     calendar.Date
	Currency money.Currency
	Version  uint32
	// Issue is the number, from 1, of the booked issue that changed it last.
	Issue int
	// Cleared is what the day's file came to for the merchant, Funded how much of it
	// has been booked as paid by the network.
	Cleared, Funded int64
}

// DayState is how far a network's business day has come.
type DayState uint8

// The states of a day.
const (
	// Awaited has no file yet.
	Awaited DayState = iota
	// FileIn has a whole file, which is booked.
	FileIn
	// Funded has been paid by the network as the file says.
	Funded
	// DayClosed takes nothing more.
	DayClosed
)

// Day is one business day of a network, as a row. It belongs to House.
type Day struct {
	Network  string
	Date     calendar.Date
	Currency money.Currency
	Version  uint32
	State    DayState
	Digest   Digest
	Issue    int // File.Version of the issue that is booked
	Issues   int // how many were booked
	Count    int64
	Total    int64 // signed
	// Broken is when a file of the day that was not whole first came; zero once a
	// whole one has.
	Broken time.Time
	// Received is what the network paid for it, Entries the bank entries of that.
	Received int64
	Entries  []string
	// House is the part of the money that is booked under House: received less cleared.
	House int64
	// Excepted is true while an exception about the difference is open.
	Excepted bool
}

// Signed is what the network pays for the line: negative takes back.
func (l *NetworkLine) Signed() int64 { return signed(l.Kind, l.Amount, l.Negative) }

func signed(k evidence.Kind, amount int64, negative bool) int64 {
	switch k {
	case evidence.Void, evidence.Refund, evidence.Reversal, evidence.Chargeback, evidence.FeeKind:
		return -amount
	}
	if negative {
		return -amount
	}
	return amount
}
