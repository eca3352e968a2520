package investigation

import (
	"cmp"
	"slices"

	"daozhang/internal/calendar"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/journey"
	"daozhang/internal/money"
)

// heardOf is how far each source has told, by what it tells. A fact that does not
// count any more, or has left memory, was told all the same.
type heardOf map[sourceKey]heardUntil

type sourceKey struct {
	source evidence.Word
	what   evidence.Type
}

type heardUntil struct {
	last   evidence.Instant
	offset int16
	facts  int
}

func (h heardOf) hear(f *evidence.Fact) {
	k := sourceKey{f.Source, f.Type}
	u := h[k]
	if u.facts++; f.Time > u.last {
		u.last, u.offset = f.Time, f.Offset
	}
	h[k] = u
}

// Told is one witness and one kind of fact that it tells.
type Told struct {
	Name   string
	What   evidence.Type
	Last   evidence.Instant // the time of its latest fact
	Offset int16            // zone of that, minutes east of UTC
	Facts  int
}

// Sources gives how far each source has told, by type, the latest first.
func (c *Current) Sources() []Told {
	list := make([]Told, 0, len(c.l.sources))
	for k, u := range c.l.sources {
		list = append(list, Told{c.l.view.Words.Text(k.source), k.what, u.last, u.offset, u.facts})
	}
	slices.SortFunc(list, func(a, b Told) int {
		return cmp.Or(cmp.Compare(a.What, b.What), cmp.Compare(b.Last, a.Last), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// Late is one overdue payment as far as a picture needs it.
type Late struct {
	Cause    *diagnosis.Cause // nil where nothing tells
	Due      evidence.Instant // of the leg that is late
	Currency money.Currency
	Missing  int64 // what has not arrived of what was to, minor units
}

// EachLate calls use for every overdue payment in memory, in no order. It works
// none out.
func (c *Current) EachLate(use func(Late)) {
	for i := range c.l.outlooks { // what is overdue needs somebody
		if o := &c.l.outlooks[i]; o.status == journey.Overdue {
			use(Late{o.cause, o.due, o.currency, o.missing})
		}
	}
}

func (l *Live) tally(at place) *tally { return &l.cells[at.merchant].tallies[at.payment] }

// EachCredit calls use for every payout that booked entries prove: the bank of the
// account, and how many business days after sending it was booked, in no order.
func (c *Current) EachCredit(use func(bank string, days int)) {
	for p := range c.eachPayout {
		if len(p.Entries) == 0 || p.Sent == 0 {
			continue
		}
		booked := p.Entries[0].Date
		for _, e := range p.Entries {
			booked = max(booked, e.Date)
		}
		offset := int16(0)
		if len(p.Statuses) > 0 {
			offset = c.l.view.At(p.Statuses[0]).Offset
		}
		t := c.l.book.At(p.MID, p.Sent, offset)
		sent := t.LocalDate(p.Sent)
		if booked == calendar.None || booked < sent {
			continue
		}
		use(p.Bank, t.Calendar.BusinessDaysBetween(sent, booked))
	}
}
