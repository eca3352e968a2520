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
	var n Needed
	tell := func(o *outlook) {
		n = Needed{ID: o.id, MID: o.mid, TID: o.tid, Currency: o.currency, Amount: o.amount, Missing: max(o.missing, 0), Time: o.time, Due: o.due, Status: o.status,
			Cause: o.cause, Party: o.party, Incident: o.incident, Terms: c.l.book.At(o.mid, o.time, o.offset)}
		use(&n)
	}
	if mid == "" {
		for i := range c.l.outlooks {
			if o := &c.l.outlooks[i]; o.acts {
				tell(o)
			}
		}
		return
	}
	word, ok := c.l.view.Words.Find(mid)
	m := c.l.merchants[word]
	if !ok || m == nil {
		return
	}
	for _, id := range m.cells {
		cell := &c.l.cells[id]
		if cell.into != 0 {
			continue
		}
		for i := range cell.tallies {
			if t := &cell.tallies[i]; t.list.acts {
				tell(&c.l.outlooks[t.outlook-1])
			}
		}
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
