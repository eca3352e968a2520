// Package payment is the state machine of a card payment: a message, an answer
// or a timer comes in; a decision, what must be written down and what is to be
// done comes out. It is pure: no clock, no link, no database, no randomness of
// its own. What happens is in its arguments, and all it concludes is in the Step
// it returns.
//
// The parts: Request is what a terminal asks, Answer what it is told; Message is
// what goes to a network, Response what comes back. Transaction is one request
// that moves or reserves money, in its State. Step is everything that one
// decision commits together, Journal whoever keeps it, Effect what is done once
// it is kept. Book is the state: the sum of the steps applied to it. Its methods
// decide and change nothing; only Apply changes it, so replaying the journal
// gives the same state.
//
// Clear card data is in Card alone, which refuses to be printed or marshalled.
package payment

import (
	"fmt"

	"github.com/google/uuid"

	"daozhang/internal/evidence"
)

// ID names a transaction everywhere: in rows, ledger transfers, evidence and the
// network's private field, as a UETR does in payments between banks. It is a UUID
// of version 7, so ids sort by time. The zero value is none.
type ID = uuid.UUID

// Operation is what a terminal asks for.
type Operation uint8

// The operations. Those up to Offline move or reserve money and make a
// Transaction; the others do not.
const (
	// NoOperation is the zero value: a message that could not be read.
	NoOperation Operation = iota
	// Sale takes money and captures it at once (0200, processing code 00).
	Sale
	// Void takes back a sale of the same open batch, whole (0200, 20).
	Void
	// Refund returns all or part of an earlier sale (0220, 20).
	Refund
	// Preauth reserves (0100, 03).
	Preauth
	// PreauthVoid releases a reservation (0100, 20).
	PreauthVoid
	// Completion takes what was reserved, up to 115 % of it (0200 or 0220, 00).
	Completion
	// CompletionVoid takes back a completion of the same open batch (0200, 20).
	CompletionVoid
	// Offline is a sale that the terminal approved itself and brings later
	// (0200 or 0220 upload). It has happened; it can be doubted, not declined.
	Offline

	// Balance asks for the available balance (0200, 31). Nothing is recorded.
	Balance
	// Reversal takes back a request to which the terminal saw no usable answer
	// (0400). It names the request by its own terminal, batch and STAN.
	Reversal
	// Settlement compares the totals of a batch and closes it (0500).
	Settlement
	// BatchUpload brings the terminal's own list of a batch whose totals differ
	// (0320).
	BatchUpload
	// SignOn fetches working keys and opens a batch (0800).
	SignOn
	// SignOff ends the terminal's day (0820).
	SignOff
	// Echo only asks whether we are there (0820, 301).
	Echo
	// Parameters fetches parameters or public keys (0800, 3xx).
	Parameters
	// MasterKey fetches the terminal's master key under the transport key (0800, 380).
	MasterKey

	operations
)

var operationNames = [operations]string{"", "sale", "void", "refund", "preauth", "preauth_void", "completion", "completion_void",
	"offline", "balance", "reversal", "settlement", "batch_upload", "sign_on", "sign_off", "echo", "parameters", "master_key"}

// String returns the operation's name in snake case.
func (o Operation) String() string { return name(operationNames[:], int(o)) }

// ParseOperation is the reverse of String.
func ParseOperation(s string) (Operation, bool) {
	i, ok := parse(operationNames[:], s)
	return Operation(i), ok
}

// MovesMoney reports whether the operation makes a Transaction.
func (o Operation) MovesMoney() bool { return o >= Sale && o <= Offline }

// ActsOnOriginal reports whether the operation names an earlier transaction and
// changes what stands of it.
func (o Operation) ActsOnOriginal() bool {
	return o == Void || o == Refund || o == PreauthVoid || o == Completion || o == CompletionVoid
}

// Kind is the operation in the vocabulary of evidence; NoKind for what is no
// payment there. A void of any kind is a void, an offline sale a sale.
func (o Operation) Kind() evidence.Kind {
	switch o {
	case Sale, Offline:
		return evidence.Sale
	case Void, PreauthVoid, CompletionVoid:
		return evidence.Void
	case Refund:
		return evidence.Refund
	case Preauth:
		return evidence.Preauth
	case Completion:
		return evidence.Completion
	case Reversal:
		return evidence.Reversal
	}
	return evidence.NoKind
}

// State is where a transaction stands.
//
//	received → sent → approved → voided | completed | reversing
//	        ↘ declined ↙  ↓
//	                    unknown → reversed
type State uint8

// The states. Final are Declined and Reversed; the others can still change.
const (
	// NoState is the zero value.
	NoState State = iota
	// Received has come in and nothing is decided. No row is ever kept in it: the
	// first step of a transaction already decides to send, approve or decline.
	Received
	// Sent has been handed to a link, or is about to be: whether the issuer saw
	// it is open until it answers. After a restart it counts as unanswered.
	Sent
	// Approved stands in the ledger (a preauthorization as a memo).
	Approved
	// Declined has no effect; nothing is owed.
	Declined
	// Unknown had no usable answer in time. A reversal is recorded and repeated;
	// nothing is in the ledger. It never becomes a failure by itself.
	Unknown
	// Reversing was approved, or may have been, and the terminal took it back: a
	// reversal is recorded and repeated. What was in the ledger stays there until
	// the network acknowledges, and is no longer payable.
	Reversing
	// Reversed is taken back and acknowledged by the network.
	Reversed
	// Voided was approved, and a void of it was.
	Voided
	// Completed is a preauthorization whose completion was approved.
	Completed
	// Expired is a preauthorization that nobody completed in time.
	Expired

	states
)

var stateNames = [states]string{"", "received", "sent", "approved", "declined", "unknown", "reversing", "reversed", "voided", "completed", "expired"}

// String returns the state's name in snake case.
func (s State) String() string { return name(stateNames[:], int(s)) }

// ParseState is the reverse of String.
func ParseState(s string) (State, bool) {
	i, ok := parse(stateNames[:], s)
	return State(i), ok
}

// Open reports whether the state will change without the terminal asking: these
// transactions are loaded at start.
func (s State) Open() bool { return s == Received || s == Sent || s == Unknown || s == Reversing }

func name(names []string, i int) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("unknown(%d)", i)
	}
	return names[i]
}

func parse(names []string, s string) (int, bool) {
	for i, n := range names {
		if n == s && s != "" {
			return i, true
		}
	}
	return 0, false
}
