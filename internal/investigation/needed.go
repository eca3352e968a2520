package investigation

import (
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/journey"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

// Needed is a payment about which somebody has to do something, in brief: what a
// list of work goes by. None of it is worked out anew.
type Needed struct {
	ID, MID, TID evidence.Word
	Currency     money.Currency
	// Amount was approved, Missing of it has not arrived; both in minor units.
	Amount, Missing int64
	Time            evidence.Instant // of the payment
	// Due is when the judged leg was promised; 0 for no promise.
	Due    evidence.Instant
	Status journey.Status
	Cause  *diagnosis.Cause // nil for none
	Party  diagnosis.Party
	// Incident is the id of the incident it belongs to; "" for none.
	Incident string
	// Terms are those of the payment: calendar and zone of the promise.
	Terms *terms.Terms
}

// EachNeeded calls use for every payment about which somebody has to do something
// (see NeedsSomeone), in no order; mid "" means those of all merchants. It looks at
// all payments in memory; n is used again, and good until use returns.
func (c *Current) EachNeeded(mid string, use func(n *Needed)) {
	only := evidence.Word(0)
	if mid != "" {
		word, ok := c.l.view.Words.Find(mid)
		if !ok {
			return
		}
		only = word
	}
	var n Needed
	for id := range c.l.cells {
		cell := &c.l.cells[id]
		if cell.into != 0 || cell.m == nil || only != 0 && cell.m.mid != only {
			continue
		}
		for i := range cell.tallies {
			t := &cell.tallies[i]
			if !t.list.acts {
				continue
			}
			p := &c.l.res.Merchants[id].Payments[i]
			n = Needed{ID: t.list.id, MID: t.row.mid, TID: t.list.tid, Currency: t.row.currency, Amount: t.amount, Missing: max(t.net-t.arrived, 0),
				Time: t.list.time, Due: t.list.due, Status: t.status, Cause: t.cause, Party: t.list.party, Incident: t.incident,
				Terms: c.l.book.At(t.row.mid, p.Time, p.Offset)}
			use(&n)
		}
	}
}
