package payment

import (
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/risk"
)

// Policy is what the acquirer has decided once for all payments.
type Policy struct {
	// Node names this gateway in evidence: source is "gateway/" and the node.
	Node string
	// AnswerWithin is how long a network may take; then the outcome is unknown.
	AnswerWithin time.Duration
	// LastArrival is how long after it was sent a request may still reach the
	// issuer. Until then "original not found" (25) does not acknowledge a
	// reversal: the reversal may have overtaken its request.
	LastArrival time.Duration
	// RepeatFirst is the pause before the second attempt of what is owed to a
	// network; each pause is twice the one before, up to RepeatMost.
	RepeatFirst, RepeatMost time.Duration
	// ExceptionAfter is the number of attempts after which an exception is opened.
	ExceptionAfter int
	// MaxAmount is the largest amount that is no mistake, in minor units.
	MaxAmount int64
	// BatchMaxAge is how long a batch may stay open; then it has to be settled
	// before it takes anything more (code 77).
	BatchMaxAge time.Duration
}

// DefaultPolicy returns the usual values: 30 s for an answer, 5 min for the last
// arrival, repeats from 5 s to 10 min, an exception after 8 attempts, at most
// 99,999,999.99, a batch for 31 days.
func DefaultPolicy(node string) Policy {
	return Policy{Node: node, AnswerWithin: 30 * time.Second, LastArrival: 5 * time.Minute, RepeatFirst: 5 * time.Second,
		RepeatMost: 10 * time.Minute, ExceptionAfter: 8, MaxAmount: 9_999_999_999, BatchMaxAge: 31 * 24 * time.Hour}
}

// pause is how long to wait after an attempt, from 1.
func (p *Policy) pause(attempt int) time.Duration {
	d := p.RepeatFirst
	for i := 1; i < attempt && d < p.RepeatMost; i++ {
		d *= 2
	}
	return min(d, p.RepeatMost)
}

// Env is what a decision takes from outside. The same book, input and answers of
// Env give the same decision.
type Env interface {
	// NewID returns a UUID of version 7 that was never returned before.
	NewID(at time.Time) ID
	// NextRRN returns the next retrieval reference number.
	NextRRN(at time.Time) string
	// Route chooses a link for a request and takes a STAN on it. What acts on an
	// original goes to the original's network.
	Route(r *Request, original *Transaction) Route
}

// Route is where a request goes.
type Route struct {
	Link, Network, Issuer string
	STAN                  string
	// Refusal is the response code where no link can be used: 15 no route for the
	// card, 91 links down or full. Zero where there is one.
	Refusal evidence.Code
}

// Outcome is a decision in one word, for counters.
type Outcome string

// The outcomes.
const (
	OutcomeSent          Outcome = "sent"
	OutcomeApproved      Outcome = "approved"
	OutcomeDeclined      Outcome = "declined"
	OutcomeUnknown       Outcome = "unknown"
	OutcomeLate          Outcome = "late_answer"
	OutcomeIgnored       Outcome = "ignored"
	OutcomeDuplicate     Outcome = "duplicate"
	OutcomeInFlight      Outcome = "duplicate_in_flight"
	OutcomeSTANReused    Outcome = "stan_reused"
	OutcomeRiskDeclined  Outcome = "risk_declined"
	OutcomeNoRoute       Outcome = "no_route"
	OutcomeOutOfState    Outcome = "out_of_state"
	OutcomeNotFound      Outcome = "original_not_found"
	OutcomeBadFormat     Outcome = "bad_format"
	OutcomeBadMAC        Outcome = "bad_mac"
	OutcomeBadVersion    Outcome = "bad_version"
	OutcomeBadPIN        Outcome = "bad_pin"
	OutcomeNoKeys        Outcome = "no_keys"
	OutcomeUnreadable    Outcome = "link_format" // a network's, not a terminal's
	OutcomeUnregistered  Outcome = "unregistered_terminal"
	OutcomeBarred        Outcome = "barred"
	OutcomeForbidden     Outcome = "operation_not_permitted"
	OutcomeBadAmount     Outcome = "bad_amount"
	OutcomeBadCurrency   Outcome = "bad_currency"
	OutcomeBatchMismatch Outcome = "batch_mismatch"
	OutcomeReversing     Outcome = "reversing"
	OutcomeReversed      Outcome = "reversed"
	OutcomeRepeated      Outcome = "repeated"
	OutcomeSettled       Outcome = "settled"
	OutcomeDiffers       Outcome = "totals_differ"
	OutcomeUploaded      Outcome = "uploaded"
	OutcomeServed        Outcome = "served"
)

// Decision is what follows from one input.
type Decision struct {
	// Step is to be committed before the effects; nil where nothing is written.
	Step *Step
	// Effects follow once the step is durable.
	Effects []Effect
	Outcome Outcome
	// Wait is true where the request repeats one that is being decided: its answer
	// will serve both.
	Wait bool
	// Older asks for a transaction that may lie outside the book, by merchant and
	// retrieval reference; decide again once it was given by Recall.
	Older bool
	// Urgent is false where the effects need not wait for the step: it holds
	// evidence of a refused message only.
	Urgent bool
}

type rrnKey struct{ mid, rrn string }

type authKey struct{ mid, auth string }

type outKey struct {
	id   ID
	kind MessageKind
}

type batchKey struct{ tid, number string }

// batch is a Batch with its transactions in the order of their first step.
type batch struct {
	Batch
	txs []*Transaction
}

// Book is the state of the payments of one gateway: the sum of the steps applied
// to it. It is not safe for concurrent use.
type Book struct {
	Policy Policy
	// Door decides about risk; nil lets everything pass.
	Door       *risk.Door
	directory  Directory
	txs        map[ID]*Transaction
	byKey      map[Key]*Transaction
	byRRN      map[rrnKey]*Transaction
	byAuth     map[authKey]*Transaction // the latest preauthorization with a code
	batches    map[batchKey]*batch
	current    map[string]*batch // by terminal: the last that was opened
	outgoing   map[outKey]*Outgoing
	exceptions map[ID]*Exception
	forgotten  bool // some transactions were forgotten: an unknown one may be older
	missing    map[rrnKey]bool
}

// NewBook returns an empty one. Load it by Apply (steps) or Restore (rows).
func NewBook(p Policy, d Directory, door *risk.Door) *Book {
	return &Book{Policy: p, Door: door, directory: d, txs: map[ID]*Transaction{}, byKey: map[Key]*Transaction{}, byRRN: map[rrnKey]*Transaction{},
		byAuth: map[authKey]*Transaction{}, batches: map[batchKey]*batch{}, current: map[string]*batch{},
		outgoing: map[outKey]*Outgoing{}, exceptions: map[ID]*Exception{}, missing: map[rrnKey]bool{}}
}

// Apply makes a durable step part of the state. Steps of one transaction come in
// the order in which they were decided; others in any. Applying a step again
// changes nothing.
func (b *Book) Apply(s *Step) {
	for i := range s.Batches {
		b.putBatch(&s.Batches[i])
	}
	for i := range s.Transactions {
		b.put(&s.Transactions[i])
	}
	for i := range s.Outgoing {
		o := s.Outgoing[i]
		b.putOutgoing(&o)
	}
	for i := range s.Exceptions {
		x := s.Exceptions[i]
		b.exceptions[x.ID] = &x
	}
}

// Restore is Apply for rows as they were read back, open batches and their
// transactions at least. more says that older transactions exist outside.
func (b *Book) Restore(rows *Step, more bool) {
	b.Apply(rows)
	b.forgotten = b.forgotten || more
}

// Recall gives an older transaction that a Decision asked for, or nil where there
// is none.
func (b *Book) Recall(mid, rrn string, t *Transaction) {
	if t == nil {
		b.missing[rrnKey{mid, rrn}] = true
		return
	}
	b.put(t)
}

func (b *Book) putBatch(row *Batch) {
	k := batchKey{row.TID, row.Number}
	bt := b.batches[k]
	if bt == nil {
		bt = &batch{}
		b.batches[k] = bt
	}
	bt.Batch = *row
	// The current batch is the end of the row of numbers; the time of opening only
	// decides between rows of which one is broken, since the clock may have been
	// set meanwhile.
	c := b.current[row.TID]
	if c == nil || row.Number == nextBatch(c.Number) || c != bt && nextBatch(row.Number) != c.Number && row.Opened.After(c.Opened) {
		c = bt
	}
	for next := b.batches[batchKey{row.TID, nextBatch(c.Number)}]; next != nil; next = b.batches[batchKey{row.TID, nextBatch(c.Number)}] {
		c = next
	}
	b.current[row.TID] = c
}

func (b *Book) put(row *Transaction) {
	t := b.txs[row.ID]
	switch {
	case t == nil:
		t = new(*row)
		b.txs[t.ID] = t
		b.byKey[t.Key] = t
		if bt := b.batches[batchKey{t.TID, t.Batch}]; bt != nil {
			bt.txs = append(bt.txs, t)
		}
		b.observe(nil, t)
	case row.Version <= t.Version:
		return
	default:
		b.observe(t, row)
		*t = *row
	}
	if t.RRN != "" {
		b.byRRN[rrnKey{t.MID, t.RRN}] = t
	}
	if t.Operation == Preauth && t.AuthCode != "" {
		b.byAuth[authKey{t.MID, t.AuthCode}] = t
	}
}

func (b *Book) putOutgoing(o *Outgoing) {
	k := outKey{o.Payment, o.Kind}
	if o.State == Due {
		b.outgoing[k] = o
	} else {
		delete(b.outgoing, k)
	}
}

// counts reports whether a transaction in a state counts towards velocity.
func (s State) counts() bool {
	switch s {
	case Sent, Approved, Unknown, Completed, Expired:
		return true
	}
	return false
}

// observe tells the door of a change.
func (b *Book) observe(from, to *Transaction) {
	if b.Door == nil {
		return
	}
	was := from != nil && from.State.counts()
	is := to.State.counts()
	e := risk.Event{At: to.Received, MID: to.MID, TID: to.TID, Card: to.CardToken, Credit: to.CardType == evidence.Credit,
		Operation: to.Operation.String(), Amount: to.Amount, Date: to.BusinessDate}
	if p := b.directory.Terminal(to.TID); p != nil {
		e.Date = p.BusinessDate(to.Received)
		e.Local = to.Received.In(p.zone()).Hour()
	}
	e.NearLimit = b.Door.Rules.Near(e.MID, e.TID, e.Operation, to.CardType.String(), e.Amount)
	switch {
	case !was && is:
		e.Outcome = risk.Started
	case was && !is && to.State == Declined:
		e.Outcome = risk.Refused
	case was && !is:
		e.Outcome = risk.Undone
	default:
		return
	}
	b.Door.Observe(&e)
}

// Find returns a transaction by its id, or nil. It must not be changed.
func (b *Book) Find(id ID) *Transaction { return b.txs[id] }

// FindKey returns a transaction by what its terminal called it, or nil.
func (b *Book) FindKey(k Key) *Transaction { return b.byKey[k] }

// Owed returns what is owed to a network about a transaction, or nil.
func (b *Book) Owed(id ID, kind MessageKind) *Outgoing { return b.outgoing[outKey{id, kind}] }

// Current returns the terminal's batch, or nil where none was opened yet.
func (b *Book) Current(tid string) *Batch {
	if bt := b.current[tid]; bt != nil {
		return &bt.Batch
	}
	return nil
}

// Transactions calls yield with every transaction in the book, in no order.
func (b *Book) Transactions(yield func(*Transaction) bool) {
	for _, t := range b.txs {
		if !yield(t) {
			return
		}
	}
}

// AllOwed calls yield with everything that is owed to networks, in no order.
func (b *Book) AllOwed(yield func(*Outgoing) bool) {
	for _, o := range b.outgoing {
		if !yield(o) {
			return
		}
	}
}

// Exceptions calls yield with every exception in the book, in no order.
func (b *Book) Exceptions(yield func(*Exception) bool) {
	for _, x := range b.exceptions {
		if !yield(x) {
			return
		}
	}
}

// Len is how many transactions the book holds.
func (b *Book) Len() int { return len(b.txs) }

// Forget drops settled transactions that were decided before a moment, whose
// batch is closed and to which nothing is owed. They are found again by Recall.
func (b *Book) Forget(before time.Time) {
	for k, bt := range b.batches {
		if bt.State != BatchClosed || !bt.Closed.Before(before) || b.current[bt.TID] == bt {
			continue
		}
		keep := bt.txs[:0]
		for _, t := range bt.txs {
			if t.State.Open() || t.Claimed != 0 || !t.Answered.Before(before) || b.Owed(t.ID, Undo) != nil || b.Owed(t.ID, Advise) != nil ||
				t.Operation == Preauth && t.State == Approved {
				keep = append(keep, t)
				continue
			}
			delete(b.txs, t.ID)
			delete(b.byKey, t.Key)
			delete(b.byRRN, rrnKey{t.MID, t.RRN})
			if b.byAuth[authKey{t.MID, t.AuthCode}] == t {
				delete(b.byAuth, authKey{t.MID, t.AuthCode})
			}
			b.forgotten = true
		}
		if bt.txs = keep; len(keep) == 0 {
			delete(b.batches, k)
		}
	}
	clear(b.missing)
	for id, x := range b.exceptions {
		if x.State == ExceptionResolved && x.Closed.Before(before) {
			delete(b.exceptions, id)
		}
	}
}

func (p *Profile) zone() *time.Location {
	if p == nil || p.Zone == nil {
		return time.UTC
	}
	return p.Zone
}
