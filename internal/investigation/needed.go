package investigation

import (
	"daozhang/internal/calendar"
	"daozhang/internal/card"
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
// (see NeedsSomeone), in no order; mid "" means those of all merchants, of whose
// other payments it looks at none. n is used again, and good until use returns.
func (c *Current) EachNeeded(mid string, use func(n *Needed)) {
	if mid == "" {
		for _, id := range c.l.acting.list {
			c.needed(id, use)
		}
		return
	}
	word, ok := c.l.view.Words.Find(mid)
	if m := c.l.merchants[word]; ok && m != nil {
		for _, id := range m.cells {
			c.needed(id, use)
		}
	}
}

func (c *Current) needed(id cellID, use func(n *Needed)) {
	cell := &c.l.cells[id]
	if cell.into != 0 {
		return
	}
	for i := range cell.tallies {
		t := &cell.tallies[i]
		if !t.list.acts {
			continue
		}
		p := &c.l.res.Merchants[id].Payments[i]
		use(&Needed{ID: t.list.id, MID: t.row.mid, TID: t.list.tid, Currency: t.row.currency, Amount: t.amount, Missing: max(t.net-t.arrived, 0),
			Time: t.list.time, Due: t.list.due, Status: t.status, Cause: t.cause, Party: t.list.party, Incident: t.incident,
			Terms: c.l.book.At(t.row.mid, p.Time, p.Offset)})
	}
}

// Entry is a booked entry on an account that proves nothing yet.
type Entry struct {
	Name     string // of its fact: source#id
	Account  string // as it is shown: ****6789
	Currency money.Currency
	Amount   int64 // minor units, negative for a debit
	Date     calendar.Date
	// Text is what the bank wrote with it, References what it refers to.
	Text, References string
}

// EachOpenEntry calls use for every booked entry that no payout and no business date
// explains, in no order.
func (c *Current) EachOpenEntry(use func(e Entry)) {
	for e := range c.l.open {
		if !e.Booked || e.Placed {
			continue
		}
		use(Entry{Name: c.l.set.Name(e.Fact), Account: card.AccountTail(e.Account), Currency: e.Currency, Amount: e.Amount, Date: e.Date,
			Text: c.l.set.Text(e.Fact, evidence.Text), References: c.l.set.Text(e.Fact, evidence.References)})
	}
}
