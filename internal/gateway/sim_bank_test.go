package gateway_test

import (
	"fmt"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/gateway"
	"daozhang/internal/payment"
)

// bank is the issuer behind the links, with its own book.
type bank struct {
	s      *stage
	known  map[payment.ID]*charge
	silent func(m *payment.Message) bool
	slow   func() time.Duration
	auth   int
}

type charge struct {
	tid      string
	op       payment.Operation
	amount   int64
	code     evidence.Code
	auth     string
	approved bool
	reversed bool
}

func (b *bank) receive(m *payment.Message) {
	s := b.s
	if b.silent != nil && b.silent(m) {
		return
	}
	r := &payment.Response{Kind: m.Kind, Payment: m.Payment, STAN: m.STAN}
	if s.permille(100) {
		r.Payment = payment.ID{} // a network that loses private fields
	}
	if m.Operation == payment.Balance {
		r.Code, r.Balance, r.HasBalance = evidence.Code{'0', '0'}, 12345, true
	} else {
		b.decide(m, r)
	}
	delay := time.Duration(20+s.rng.IntN(200)) * time.Millisecond
	if b.slow != nil {
		delay = b.slow()
	}
	link := m.Link
	s.after(delay, func() {
		s.wire(func() {
			s.feed(func(x *gateway.Exchange, now time.Time) { x.Response(now, link, r) })
		})
	})
}

func (b *bank) decide(m *payment.Message, r *payment.Response) {
	s := b.s
	c := b.known[m.Payment]
	switch {
	case m.Kind == payment.Undo && c == nil:
		r.Code = evidence.Code{'2', '5'}
	case m.Kind == payment.Undo:
		c.reversed = true
		r.Code = evidence.Code{'0', '0'}
		s.say("bank: reversed %s %d", c.op, c.amount)
	case c != nil:
		r.Code, r.AuthCode = c.code, c.auth
	default:
		b.auth++
		c = &charge{tid: m.TID, op: m.Operation, amount: m.Amount, approved: true, code: evidence.Code{'0', '0'}, auth: fmt.Sprintf("%06d", b.auth)}
		b.known[m.Payment] = c
		if m.Kind == payment.Ask && !s.healed {
			switch n := s.rng.IntN(100); {
			case n < 8:
				c.approved, c.code, c.auth = false, evidence.Code{'5', '1'}, ""
			case n < 11: // leaves it open, with effect
				c.code = evidence.Code{'9', '6'}
			case n < 14: // and without
				c.approved, c.code = false, evidence.Code{'9', '6'}
			}
		}
		r.Code, r.AuthCode = c.code, c.auth
		s.say("bank: %s %d → %s", c.op, c.amount, c.code)
	}
}
