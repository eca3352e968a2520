package payment

import (
	"context"
	"errors"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
)

// Step is everything that one decision writes, committed together or not at all.
// All of it belongs to one merchant (MID), so that it lies on one shard. A step
// is not changed once it was handed to a Journal.
type Step struct {
	MID string
	At  time.Time
	// Transactions are rows to write whole: Version 1 is an insert, a higher one
	// replaces the version before and fails if that is not what is there.
	Transactions []Transaction
	// Transfers are posted in order; each balances by itself and is idempotent by
	// its key.
	Transfers []ledger.Transfer
	// Evidence is appended; source and id make it idempotent.
	Evidence []Evidence
	// Outgoing are messages owed to networks, upserted by Payment and Kind.
	Outgoing []Outgoing
	// Exceptions are upserted by ID.
	Exceptions []Exception
	// Batches are upserted by terminal and number.
	Batches []Batch
}

// Reset empties the step and keeps its room.
func (s *Step) Reset() {
	*s = Step{Transactions: s.Transactions[:0], Transfers: s.Transfers[:0], Evidence: s.Evidence[:0],
		Outgoing: s.Outgoing[:0], Exceptions: s.Exceptions[:0], Batches: s.Batches[:0]}
}

// Journal keeps steps durably.
type Journal interface {
	// Commit writes the step whole, durably, before it returns nil; the
	// implementation may group the commits of several callers into one. An error
	// for which errors.Is(err, ErrRefused) holds promises that nothing was written
	// and will not be (disk full, constraint): the step can be offered again. Any
	// other error leaves open whether the step is kept, and the caller stops and
	// starts again from the journal. A step that is kept already and offered again
	// is accepted without effect. Safe for concurrent use; steps that touch the
	// same transaction are never offered at the same time.
	Commit(ctx context.Context, s *Step) error
}

// ErrRefused marks a commit that certainly did not happen; see Journal.
var ErrRefused = errors.New("the step was not written")

// Evidence is one fact as the contract's interchange form has it.
type Evidence struct {
	Source string // "gateway/NODE"
	ID     string // unique within the source, derived from the payment: the same step gives the same ids
	Type   evidence.Type
	Time   time.Time
	MID    string // "" where it is about no merchant, such as a link
	// Line is the CloudEvents JSON object, without a line feed.
	Line []byte
}

// OutgoingState is how far a message owed to a network has come.
type OutgoingState uint8

// The states of Outgoing.
const (
	// Due waits for its next attempt, or for the answer to the last.
	Due OutgoingState = iota
	// Acknowledged is done: the network has confirmed.
	Acknowledged
	// Cancelled is no longer owed: the issuer's own answer was a decline.
	Cancelled
)

var outgoingNames = [...]string{"due", "acknowledged", "cancelled"}

// String returns the state's name.
func (s OutgoingState) String() string { return name(outgoingNames[:], int(s)) }

// Outgoing is a message owed to a network and repeated until acknowledged: a
// reversal, or the advice of an offline sale. It is recorded before it is first
// sent. It holds no track data and no PIN; what the message needs besides is in
// its transaction's row.
type Outgoing struct {
	Payment  ID
	MID      string
	Kind     MessageKind // Undo or Advise
	State    OutgoingState
	Reason   evidence.Code // see Message.Reason
	Network  string
	Link     string // preferred: the one the original went by
	Attempts int
	Since    time.Time     // when it was first owed
	Next     time.Time     // when it is sent next; meaningless unless Due
	Code     evidence.Code // of the network's last answer; zero for none
	// Commanded is true where the terminal asked for the reversal: a repeated 0400
	// is then answered as the first.
	Commanded bool
}

// ExceptionState is whether an exception still needs somebody.
type ExceptionState uint8

// The states of Exception.
const (
	// ExceptionOpen needs its owner.
	ExceptionOpen ExceptionState = iota
	// ExceptionResolved has been settled, by a person or by what came later.
	ExceptionResolved
)

// Exception is something that the machine cannot settle alone and a person has
// to own. It is not a log line: it stays open until resolved.
type Exception struct {
	ID       ID
	MID      string
	Payment  ID     // none for a whole batch
	Kind     string // one of the Exception… words
	State    ExceptionState
	Owner    string // who acts: "platform", "network/UnionPay", "merchant"
	Amount   int64  // at risk, minor units
	Currency money.Currency
	Opened   time.Time
	Closed   time.Time // zero while open
	Detail   string    // one sentence, no card data
}

// Kinds of exceptions.
const (
	// ExceptionReversal is a reversal that was not acknowledged after several
	// attempts. The attempts go on.
	ExceptionReversal = "reversal_unacknowledged"
	// ExceptionAdvice is an offline sale that the network refused or never
	// acknowledged.
	ExceptionAdvice = "offline_refused"
	// ExceptionBatch is a batch whose totals differ after the upload.
	ExceptionBatch = "batch_out_of_balance"
	// ExceptionTerminalOnly is a line of a terminal's upload that we never approved.
	ExceptionTerminalOnly = "terminal_only"
	// ExceptionHostOnly is an approval of ours that the terminal's upload does not have.
	ExceptionHostOnly = "host_only"
)

// BatchState is where a terminal's batch stands.
type BatchState uint8

// The states of Batch.
const (
	// BatchOpen takes transactions.
	BatchOpen BatchState = iota
	// BatchUploading had other totals than ours; the terminal uploads its list.
	BatchUploading
	// BatchClosed takes nothing more; requests in it get code 77.
	BatchClosed
)

var batchNames = [...]string{"open", "uploading", "closed"}

// String returns the state's name.
func (s BatchState) String() string { return name(batchNames[:], int(s)) }

// Batch is one batch of a terminal. Its totals are not kept: they follow from
// the transactions.
type Batch struct {
	TID, MID string
	Number   string // six digits
	State    BatchState
	Opened   time.Time
	Closed   time.Time
	// Settlement is the STAN of the 0500 that was answered, Code what it was told
	// and Claimed what the terminal claimed: a repeated 0500 is answered alike.
	Settlement string
	Code       evidence.Code
	Claimed    Totals
	Ours       Totals
	// Uploaded lists the STANs of the upload so far.
	Uploaded []string
	Date     calendar.Date
}

// EffectKind is what is to be done.
type EffectKind uint8

// The kinds of effects.
const (
	// SendMessage hands Message to its link.
	SendMessage EffectKind = iota
	// Reply gives Answer to the terminal that asked.
	Reply
	// Close ends the terminal's connection without an answer.
	Close
)

// Effect is something to do after the step that decided it is durable, and only
// then.
type Effect struct {
	Kind    EffectKind
	Message *Message
	Answer  *Answer
}
