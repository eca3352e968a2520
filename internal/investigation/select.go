package investigation

import (
	"slices"

	"daozhang/internal/evidence"
)

// Selection is payments that were chosen at one moment, in the order of a list, to
// be read one after another later: an export, or what is done with all that fit.
// It holds nothing but their ids, so that it stays small and nobody has to wait
// while it is read.
type Selection struct{ ids []evidence.Word }

// Len counts the payments.
func (s *Selection) Len() int { return len(s.ids) }

// Select chooses all payments that pass a filter, in an order. It looks at all
// payments in memory.
func (c *Current) Select(f *Filter, o Order) *Selection {
	s := scan{l: c.l, f: f, order: o, all: true}
	s.run()
	slices.SortFunc(s.kept, func(a, b found) int { return s.compare(&a, &b) })
	chosen := &Selection{ids: make([]evidence.Word, len(s.kept))}
	for i := range s.kept {
		chosen.ids[i] = s.kept[i].id
	}
	return chosen
}

// Chosen calls use for up to n payments of a selection from one on, as they are
// now; it gives how far it came, which is where the next call goes on. A payment
// that has left memory since is passed over.
func (c *Current) Chosen(s *Selection, from, n int, use func(*Payment)) int {
	to := min(from+n, len(s.ids))
	var p Payment
	for _, id := range s.ids[min(from, to):to] {
		if c.payment(id, &p) {
			use(&p)
		}
	}
	return to
}

// payment works out the payment with an id; false where none in memory has it.
func (c *Current) payment(id evidence.Word, p *Payment) bool {
	at := c.l.byID[id]
	if at == 0 {
		return false
	}
	list := c.l.res.Merchants[at].Payments
	for i := range list {
		if list[i].ID == id {
			c.l.brief.compute(place{merchant: uint32(at), payment: uint32(i)}, p)
			return true
		}
	}
	return false
}
