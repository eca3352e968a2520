package desk

import (
	"time"

	"github.com/google/uuid"

	"daozhang/internal/ledger"
	"daozhang/internal/money"
)

// ProposalState is where a proposal stands.
//
//	waiting → approved → done
//	   ↓          ↘ failed
//	declined, withdrawn, expired
type ProposalState string

// The states. Approved is between the last checker's word and the effect: what
// waits there is carried out after a crash, once. Failed is one whose effect was no
// longer possible; nothing was booked.
const (
	ProposalWaiting   ProposalState = "waiting"
	ProposalApproved  ProposalState = "approved"
	ProposalDone      ProposalState = "done"
	ProposalFailed    ProposalState = "failed"
	ProposalDeclined  ProposalState = "declined"
	ProposalWithdrawn ProposalState = "withdrawn"
	ProposalExpired   ProposalState = "expired"
)

// Over reports whether nothing more will become of it.
func (s ProposalState) Over() bool { return s != ProposalWaiting && s != ProposalApproved }

// Motion is what a proposal would do.
type Motion string

// The motions of the desk. Those of merchants are terms, account and status, as
// package merchant has them.
const (
	MoveWriteOff Motion = "write_off"    // our loss or gain, against the network or the bank
	MoveAdjust   Motion = "adjustment"   // to or from the merchant, with its next settlement
	MoveHold     Motion = "hold"         // of an amount of the merchant's money
	MoveFree     Motion = "hold_release" // of such a hold
	MoveRelease  Motion = "risk_release" // of one payment
	MoveResend   Motion = "resend"       // of a payout that came back

	MoveTerms   Motion = "terms"
	MoveAccount Motion = "account"
	MoveStatus  Motion = "status"
)

// Motions are all of them.
var Motions = []Motion{MoveWriteOff, MoveAdjust, MoveHold, MoveFree, MoveRelease, MoveResend, MoveTerms, MoveAccount, MoveStatus}

// Proposal is what one person asks for and others check, as a row: every change
// carries it whole with Version one higher.
type Proposal struct {
	MID string // merchant's number, or settlement.House
	// ID is a UUID, in order of time. It names the effect in the books: what has this
	// name is booked once.
	ID      string
	Version uint32
	Motion  Motion
	State   ProposalState
	// Case is the case that it came from; the zero Key for none. Part is the part of
	// it that is meant.
	Case Key
	Part int
	// Amount is in minor units of Currency. Of an adjustment it is what the merchant
	// gets, negative where it gives; of the others it is not negative.
	Amount   int64
	Currency money.Currency
	// Keep tells a write-off that is ours to keep from one that we bear.
	Keep bool
	// Against is the other account of a write-off or an adjustment.
	Against ledger.Name
	// Hold is the number of a hold that is made or ended, Payout that of a payout,
	// Payment the transaction that risk holds, RRN the payment that it is about.
	Hold    string
	Payout  string
	Payment uuid.UUID
	RRN     string
	// Most bounds the payouts of a resend, in minor units; 0: no limit.
	Most int64
	// Reason is the maker's, in a sentence: the checkers decide by it.
	Reason   string
	Document string
	// Links are what it rests on: keys of items, and facts as "source#id".
	Links   []string
	Maker   string
	Made    time.Time
	Expires time.Time
	// Needs is how many people have to check it, Checks who has.
	Needs  int
	Checks []Check
	// Ended is when it was declined, withdrawn, done or failed; By by whom, Why in
	// whose words.
	Ended time.Time
	By    string
	Why   string
}

// Check is one person's agreement.
type Check struct {
	By string
	At time.Time
}

// ProposalFilter narrows a list of proposals; the zero value asks for all that are
// not over.
type ProposalFilter struct {
	MID string
	// Over asks for those that are over instead.
	Over  bool
	Maker string
	Case  Key
	// After is the place after which the list goes on; the zero value is its beginning.
	After SettledMark
}

// Approval is what waits for a second person, whoever keeps it: a proposal of the
// desk, or one about a merchant's terms, account or state.
type Approval struct {
	// ID names it in addresses: MID.REF, REF being a UUID or the number of a
	// merchant's proposal.
	ID       string
	Motion   Motion
	State    ProposalState
	MID      string
	Merchant string // its name; "" where it is not known
	Case     Key
	Part     int
	Amount   int64 // minor units, as in Proposal; 0 for none
	Currency money.Currency
	Maker    string
	Made     time.Time
	Expires  time.Time
	Reason   string
	Document string
	Links    []string
	Needs    int
	Checks   []Check
	Ended    time.Time
	By       string
	Why      string
	// Postings are the transfers that it books, Balances what they make of the
	// accounts, Changes what it changes besides. Of one that is done they are what was
	// meant to be booked. They are made by Desk.Approval, not for lists.
	Postings []Posting
	Balances []Balance
	Changes  []Change
	// Obstacle is why it cannot be carried out as things are now; nil where it can.
	Obstacle error
}

// Posting is one transfer of money in the books.
type Posting struct {
	Debit, Credit ledger.Name
	Amount        int64 // minor units
	Currency      money.Currency
	// Later is true where the merchant's next settlement books it, not the approval.
	Later bool
}

// Balance is an account before and after a proposal, on its own side, in minor
// units.
type Balance struct {
	Account       ledger.Name
	Currency      money.Currency
	Before, After int64
}

// Change is something else that a proposal changes: a field of terms, an account,
// a state. Before is "" for what was not there.
type Change struct {
	Field         string // snake case: "cycle", "account", "state"
	Before, After string
}
