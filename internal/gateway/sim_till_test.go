package gateway_test

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/gateway"
	"daozhang/internal/payment"
)

// entry is one line of a terminal's journal.
type entry struct {
	op       payment.Operation
	stan     string
	batch    string
	amount   int64
	rrn      string
	auth     string
	approved bool
	undoing  bool // a reversal is owed
	of       *entry
	used     bool // voided, refunded or completed
	card     int
}

// till is a terminal: one request at a time, a journal, a batch.
type till struct {
	s         *stage
	tid, mid  string
	batch     int
	stan      int
	journal   []*entry
	waiting   *payment.Request
	current   *entry
	attempt   int
	left      int
	settled   int
	stopped   bool
	settling  bool     // a settlement has had no answer yet
	uploading []*entry // offline sales not yet brought
}

const clearMark = "6222021234567890"

func (s *stage) addTill(n, left int) {
	tid, mid := fmt.Sprintf("T%07d", n), fmt.Sprintf("8983100581200%02d", n/3)
	s.dir[tid] = &payment.Profile{TID: tid, MID: mid, Name: "Shop", MCC: "5812", Currency: cny}
	s.shops = append(s.shops, &till{s: s, tid: tid, mid: mid, batch: 1, left: left})
}

// next does the terminal's next thing after a pause.
func (k *till) next(pause time.Duration) {
	k.s.after(pause, func() {
		if k.waiting == nil && !k.s.staged {
			k.act()
		}
	})
}

func (k *till) pause() time.Duration {
	return time.Duration(500+k.s.rng.IntN(20000)) * time.Millisecond
}

func (k *till) number() string {
	if k.stan++; k.stan > 999999 {
		k.stan = 1
	}
	return fmt.Sprintf("%06d", k.stan)
}

func (k *till) batchNo() string { return fmt.Sprintf("%06d", k.batch) }

// find picks a journal entry that an operation can act on.
func (k *till) find(ok func(*entry) bool) *entry {
	var fit []*entry
	for _, e := range k.journal {
		if e.approved && !e.used && !e.undoing && ok(e) {
			fit = append(fit, e)
		}
	}
	if len(fit) == 0 {
		return nil
	}
	return fit[k.s.rng.IntN(len(fit))]
}

func (k *till) act() {
	for _, e := range k.journal {
		if e.undoing {
			k.undo(e)
			return
		}
	}
	if k.settling {
		k.settle()
		return
	}
	if len(k.uploading) > 0 && k.s.permille(600) {
		k.bring(k.uploading[0])
		return
	}
	if k.left <= 0 {
		switch {
		case len(k.uploading) > 0:
			k.bring(k.uploading[0])
		case k.settled == 0:
			k.settle()
		default:
			k.stopped = true
		}
		return
	}
	k.left--
	rng := k.s.rng
	k.s.seq++
	// Amounts are different from each other, so that they name what was charged.
	amount := int64(1000+rng.IntN(20000))*1000 + int64(k.stan)
	amount %= 90_000
	amount = amount*1000 + 1 + int64(k.stan%1000)
	e := &entry{op: payment.Sale, amount: amount, card: rng.IntN(40), batch: k.batchNo()}
	today := func(op payment.Operation) func(*entry) bool {
		return func(o *entry) bool { return o.op == op && o.batch == k.batchNo() }
	}
	is := func(op payment.Operation) func(*entry) bool { return func(o *entry) bool { return o.op == op } }
	switch n := rng.IntN(100); {
	case n < 12:
		e.op, e.of = payment.Void, k.find(today(payment.Sale))
	case n < 18:
		e.op, e.of = payment.Refund, k.find(is(payment.Sale))
	case n < 28:
		e.op = payment.Preauth
	case n < 36:
		e.op, e.of = payment.Completion, k.find(is(payment.Preauth))
	case n < 40:
		e.op, e.of = payment.PreauthVoid, k.find(is(payment.Preauth))
	case n < 45:
		e.op, e.of = payment.CompletionVoid, k.find(today(payment.Completion))
	case n < 52:
		e.op = payment.Offline
	case n < 56:
		e.op = payment.Balance
	case n < 60 && len(k.uploading) == 0:
		k.settle()
		return
	}
	if e.op.ActsOnOriginal() {
		if e.of == nil {
			e.op = payment.Sale
		} else {
			e.amount, e.card = e.of.amount, e.of.card
			if e.op == payment.Refund && e.amount > 2000 {
				e.amount -= int64(rng.IntN(1000)) + 1
			}
		}
	}
	e.stan = k.number()
	if e.op == payment.Offline {
		e.approved = true
		k.journal = append(k.journal, e)
		k.uploading = append(k.uploading, e)
		k.bring(e)
		return
	}
	r := k.request(e)
	if e.op != payment.Balance {
		k.journal = append(k.journal, e)
	}
	k.ask(r, e)
}

func (k *till) request(e *entry) *payment.Request {
	prefix := []string{"622202", "622848"}[e.card%2]
	r := &payment.Request{Operation: e.op, Key: payment.Key{TID: k.tid, Batch: e.batch, STAN: e.stan}, MID: k.mid, Amount: e.amount, Currency: cny,
		Entry: evidence.Chip, PAN: prefix + "******7890", CardToken: fmt.Sprintf("card-%s-%d", k.tid, e.card), Prefix: prefix, CardType: evidence.Debit,
		Card: &payment.Card{PAN: []byte(clearMark), Track2: []byte(clearMark + "=2912"), PINBlock: []byte("12345678")}}
	if e.of != nil {
		r.Original = payment.Reference{RRN: e.of.rrn}
		if e.op == payment.Void || e.op == payment.CompletionVoid {
			r.Original = payment.Reference{Batch: e.of.batch, STAN: e.of.stan}
		}
	}
	return r
}

func (k *till) bring(e *entry) { k.ask(k.request(e), e) }

func (k *till) undo(e *entry) {
	r := &payment.Request{Operation: payment.Reversal, Reverses: e.op, Key: payment.Key{TID: k.tid, Batch: e.batch, STAN: e.stan}, MID: k.mid,
		Amount: e.amount, Currency: cny, Reason: evidence.Code{'9', '8'}}
	k.ask(r, e)
}

func (k *till) settle() {
	k.settling = true
	var sum payment.Totals
	for _, e := range k.journal {
		if !e.approved || e.batch != k.batchNo() {
			continue
		}
		switch e.op {
		case payment.Sale, payment.Completion, payment.Offline:
			sum.DebitCount++
			sum.DebitAmount += e.amount
		case payment.Refund, payment.Void, payment.CompletionVoid:
			sum.CreditCount++
			sum.CreditAmount += e.amount
		}
	}
	k.ask(&payment.Request{Operation: payment.Settlement, Key: payment.Key{TID: k.tid, Batch: k.batchNo(), STAN: k.number()}, MID: k.mid, Totals: sum}, nil)
}

// patience is how long a terminal waits for an answer.
const patience = 60 * time.Second

func (k *till) ask(r *payment.Request, e *entry) {
	s := k.s
	k.waiting, k.current = r, e
	k.attempt++
	attempt := k.attempt
	s.say("%s asks %s %s amount %d", k.tid, r.Operation, r.STAN, r.Amount)
	s.conn++
	conn := s.conn
	s.wire(func() {
		if s.up {
			s.conns[conn] = k
			q := *r
			if r.Card != nil {
				q.Card = &payment.Card{PAN: bytes.Clone(r.Card.PAN), Track2: bytes.Clone(r.Card.Track2)}
			}
			s.feed(func(x *gateway.Exchange, now time.Time) { x.Request(now, conn, &q) })
		}
	})
	s.after(patience, func() {
		if k.waiting == r && k.attempt == attempt {
			k.timeout()
		}
	})
}

// timeout: the terminal saw no answer, so it takes back what it asked.
func (k *till) timeout() {
	k.s.say("%s has no answer", k.tid)
	r, e := k.waiting, k.current
	k.waiting, k.current = nil, nil
	if r.Operation.MovesMoney() && r.Operation != payment.Offline {
		e.undoing = true
	}
	k.next(k.pause())
}

func open(c evidence.Code) bool { return evidence.IsOpen(c) }

// hear takes an answer, if it is the one that the terminal waits for.
func (k *till) hear(a *payment.Answer) {
	r, e := k.waiting, k.current
	if r == nil || a.Operation != r.Operation || a.STAN != r.STAN || a.Batch != r.Batch {
		return
	}
	s := k.s
	s.say("%s hears %s %s: %s", k.tid, a.Operation, a.STAN, a.Code)
	k.waiting, k.current = nil, nil
	fail := func(what string) {
		s.t.Errorf("seed %d: %s: %s %s of %d got %s: %s", s.seed, k.tid, r.Operation, r.STAN, r.Amount, a.Code, what)
	}
	switch {
	case r.Operation == payment.Settlement:
		switch {
		case a.Code == evidence.Code{'0', '0'} && a.Balanced:
			s.sums.Settled++
			k.settling = false
			k.settled++
			k.batch++
			if a.NextBatch != k.batchNo() {
				fail("the next batch is " + a.NextBatch)
			}
		case a.Code == evidence.Code{'9', '5'}:
			fail(fmt.Sprintf("totals differ: ours %+v, theirs %+v", a.Totals, r.Totals))
			k.settled++
		}
	case r.Operation == payment.Reversal:
		switch a.Code {
		case evidence.Code{'0', '0'}, evidence.Code{'2', '5'}:
			if a.Code != (evidence.Code{'0', '0'}) {
				s.sums.Tombstones++
			}
			s.sums.Reversals++
			e.undoing, e.approved = false, false
			if e.of != nil {
				e.of.used = false
			}
		case evidence.Code{'9', '1'}:
		default:
			fail("a reversal was refused")
			e.undoing = false
		}
	case r.Operation == payment.Offline:
		if a.Approved() {
			k.uploading = slices.DeleteFunc(k.uploading, func(o *entry) bool { return o == e })
			e.rrn = a.RRN
		} else if a.Code != (evidence.Code{'9', '1'}) {
			fail("an offline sale was refused")
			k.uploading = nil
		}
	case r.Operation == payment.Balance:
	case a.Approved():
		s.sums.Approvals++
		e.approved, e.rrn, e.auth = true, a.RRN, a.AuthCode
		if a.Amount != r.Amount {
			fail("another amount was approved")
		}
		if e.of != nil {
			e.of.used = true
		}
		if e.op == payment.CompletionVoid && e.of != nil && e.of.of != nil {
			e.of.of.used = false // the preauthorization stands again
		}
	case open(a.Code):
		e.undoing = true
	}
	k.next(k.pause())
}
