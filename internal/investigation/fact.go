package investigation

import "daozhang/internal/evidence"

// Fact finds a fact by its source and id: of several versions the one that counts.
// False where none in memory has them, or none counts.
func (c *Current) Fact(source, id string) (evidence.FactRef, bool) {
	l := c.l
	s, ok := l.view.Words.Find(source)
	if !ok {
		return 0, false
	}
	w, ok := l.view.Words.Find(id)
	if !ok {
		return 0, false
	}
	for h := mix(s.Hash64(), uint64(w)); ; h++ {
		r, ok := l.known[h]
		if !ok {
			return 0, false
		}
		chunk, at := evidence.PlaceOf(r)
		if at >= l.set.ChunkLen(chunk) {
			continue // let go, with the others around it
		}
		if f := l.set.At(r); f.Source != s || f.ID != w {
			continue
		}
		if other := l.shown[r]; other != 0 {
			r = other
		}
		return r, l.counts.at(r)
	}
}

// PaymentOf gives the id of the payment to which a fact belongs; "" for none.
func (c *Current) PaymentOf(r evidence.FactRef) string { return c.paymentOf(r) }
