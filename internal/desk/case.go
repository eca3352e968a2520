package desk

import (
	"slices"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// State is how far somebody has come with a case.
type State string

// The states. A case that is snoozed is open again by itself once its time has
// come; see Case.StateAt.
const (
	Open     State = "open"
	Awaiting State = "waiting" // for the counterparty
	Asleep   State = "snoozed"
	Resolved State = "resolved"
)

// Outcome is how a case was resolved.
type Outcome string

// The outcomes.
const (
	Matched    Outcome = "matched"     // both sides were found
	WrittenOff Outcome = "written_off" // booked as our loss or gain
	Adjusted   Outcome = "adjusted"    // given to or taken from the merchant
	Corrected  Outcome = "corrected"   // the counterparty put it right
	Explained  Outcome = "explained"   // nothing was wrong
	Duplicate  Outcome = "duplicate"   // another case is about the same
)

// Outcomes are those that a person may give; the others follow from what is done.
var Outcomes = []Outcome{Corrected, Explained, Duplicate}

// Case is what people have made of an item, as a row: every change carries it whole
// with Version one higher.
type Case struct {
	Key     Key
	Version uint32
	State   State
	Owner   string // sign-in name; "" for nobody
	// Due is by when the owner means to be done; zero: the promise of the item.
	Due time.Time
	// Until is when a snoozed case wakes.
	Until time.Time
	// Escalated is when it was escalated, to whom EscalatedTo says; zero for never.
	Escalated   time.Time
	EscalatedTo string
	// AwaitedFrom is who was asked and has not answered: "merchant", "bank/ICBC".
	AwaitedFrom string
	Asked       time.Time
	// Cause, Amount and Currency are those of the item when it was last touched: one
	// that was resolved comes back where its cause or its amount is another.
	Cause    string
	Amount   int64
	Currency money.Currency
	Outcome  Outcome
	// Matches are the decisions that stand, Parts what it was split into.
	Matches []Match
	Parts   []Part
	// Proposals are those that wait for their checkers.
	Proposals []string
	// Settled are the exceptions that were closed with it.
	Settled []uuid.UUID
	// Declared is what the case is in the evidence: complaint, refund_request,
	// chargeback; "" for nothing. Number is the fact's.
	Declared string
	// Comments and Files count.
	Comments, Files int
	Opened, Changed time.Time
	// Over is true once it is resolved and what it was about needs nobody any more:
	// lists of work need not look at it.
	Over bool
}

// Match is a person's decision that two sides are one and the same.
type Match struct {
	Number int // from 1, within the case
	Part   int // of the case; 0 for the whole
	With   []Counter
	By     string
	At     time.Time
	Why    string
}

// Counter is the other side of a match.
type Counter struct {
	// Ref is the key of another item ("MID.exception.UUID"), or the name of a fact
	// ("source#id").
	Ref    string
	Amount int64 // minor units
	// Text says in short what it is; it holds no card data.
	Text string
}

// Part is a share of a case that was split, each settled by itself.
type Part struct {
	Number  int // from 1
	Amount  int64
	Note    string
	Outcome Outcome // "" while it is open
}

// StateAt is the state at a moment: a snooze ends by itself.
func (c *Case) StateAt(now time.Time) State {
	if c.State == Asleep && !now.Before(c.Until) {
		return Open
	}
	return c.State
}

// Left is the amount that no part, match or booking has settled, in minor units.
func (c *Case) Left(amount int64) int64 {
	if len(c.Parts) == 0 {
		return amount
	}
	left := int64(0)
	for _, p := range c.Parts {
		if p.Outcome == "" {
			left += p.Amount
		}
	}
	return left
}

// part is the place of a part by its number, or -1.
func (c *Case) part(number int) int {
	return slices.IndexFunc(c.Parts, func(p Part) bool { return p.Number == number })
}

// next is the case as a change leaves it: nothing in it is shared.
func (c *Case) next(now time.Time) Case {
	n := *c
	n.Version++
	n.Changed = now
	if n.Opened.IsZero() {
		n.Opened = now
	}
	n.Matches, n.Parts = slices.Clone(c.Matches), slices.Clone(c.Parts)
	n.Proposals, n.Settled = slices.Clone(c.Proposals), slices.Clone(c.Settled)
	return n
}

// Event is one line of a case's history. It is never changed.
type Event struct {
	Key     Key
	Version uint32 // that the case has after it; unique with Key
	At      time.Time
	By      string
	Role    access.Role
	What    Act
	// Text is the comment, the reason, the question or the answer.
	Text string
	// To is the owner, who was asked or to whom it was escalated.
	To string
	// Until is the end of a snooze, or the due time that was set.
	Until   time.Time
	Outcome Outcome
	// Amount is in minor units of Currency; Part is the part of the case that is
	// meant, 0 for the whole.
	Amount   int64
	Currency money.Currency
	Part     int
	With     []Counter
	Parts    []Part
	Proposal string // its ID
	File     string // its name
	Request  string // by which it was done; "" for none
}

func (k Key) wrong(kind fault.Kind, op fault.Text, why, hint fault.Text) error {
	return fault.New(kind, op, k.String(), why, hint)
}
