package desk

import (
	"time"

	"daozhang/internal/ledger"
)

// Act is what can be done with a case.
type Act string

// The acts. Those from WriteOff on move money: they make a Proposal that another
// person has to check.
const (
	Assign   Act = "assign"   // To: the owner; "" gives it back to all
	Comment  Act = "comment"  // Text
	Snooze   Act = "snooze"   // Until, Text
	Wake     Act = "wake"     //
	SetDue   Act = "due"      // Until
	Escalate Act = "escalate" // To, Text
	Ask      Act = "ask"      // To, Text: waits for the answer
	Answer   Act = "answer"   // Text
	Attach   Act = "attach"   // a file; see Desk.Attach
	Declare  Act = "declare"  // What: complaint, refund_request or chargeback
	Pair     Act = "match"    // With, Text
	Unpair   Act = "unmatch"  // Match, Text
	Split    Act = "split"    // Parts
	Resolve  Act = "resolve"  // Outcome, Text
	Reopen   Act = "reopen"   // Text

	WriteOff Act = "write_off" // Amount (0: what is left), Keep, Text
	Adjust   Act = "adjust"    // Amount (negative takes), Against, Text
	Hold     Act = "hold"      // Amount, Document, Text
	Resend   Act = "resend"    // of a payout: Amount is the most of one, 0: no limit
	LetGo    Act = "release"   // of a payment that risk holds

	// Proposed, Approved, Declined, Executed and Failed are events only: what became
	// of a proposal of the case.
	Proposed Act = "proposed"
	Approved Act = "approved"
	Declined Act = "declined"
	Executed Act = "executed"
	Failed   Act = "failed"
	Found    Act = "matched_from" // another case was matched with this one
)

// Acts are those that a person may ask for, in the order in which they are offered.
var Acts = []Act{Assign, Comment, Snooze, Wake, SetDue, Escalate, Ask, Answer, Declare, Pair, Unpair, Split, Resolve, Reopen, WriteOff, Adjust, Hold, Resend, LetGo}

// Command is one act with what it needs; the acts say which fields they read.
type Command struct {
	Do Act
	// Version is the case's as whoever acts saw it, so that two people do not undo
	// each other's work unseen: another one is fault.Conflict. -1: whatever it is.
	Version int64
	To      string
	Text    string
	Until   time.Time
	Outcome Outcome
	What    string
	// With names the other sides of a match by Counter.Ref; what they are worth is
	// looked up.
	With  []string
	Match int // the number of the match that is undone; 0: all
	Parts []Part
	// Part is the part of a split case that is meant; 0: the whole.
	Part   int
	Amount int64 // minor units
	// Keep is true where what is written off is ours to keep, false where we bear it.
	Keep bool
	// Against is where an adjustment's money comes from or goes to: fee_income (the
	// zero value stands for it) or network_receivable.
	Against  ledger.Name
	Document string // number of the paper behind a hold
}

// AnyVersion is the Version of a command that takes a case as it is.
const AnyVersion = -1
