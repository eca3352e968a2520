package investigation

import (
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/journey"
	"daozhang/internal/money"
)

// outlook is a payment that is not over, that is in an incident, or about which
// somebody has to do something: what sums and lists of such payments go by. All stand
// side by side, so that who goes through them reads memory in its order and touches
// no payment. Its forecast is read, and brought up to date, under Live.foreseeing.
type outlook struct {
	time     evidence.Instant // of the payment
	due      evidence.Instant // of the leg that is judged, 0 for none
	id       evidence.Word
	mid, tid evidence.Word
	amount   int64 // minor units, as missing
	missing  int64 // of the net; negative where more arrived
	forecast diagnosis.Foresight
	learned  int // the table of delays that the forecast rests on
	cause    *diagnosis.Cause
	incident string
	cell     cellID
	payment  uint32 // its place among the cell's
	offset   int16
	currency money.Currency
	party    diagnosis.Party
	status   journey.Status
	coming   bool // money is still to come
	acts     bool // somebody has to
}

func (o *outlook) place() place { return place{o.time, uint32(o.cell), o.payment} }

// lookOut gives a tally its outlook.
func (l *Live) lookOut(t *tally, o outlook) {
	l.outlooks = append(l.outlooks, o)
	t.outlook = uint32(len(l.outlooks))
}

// lookAway takes a tally's outlook out: the last one comes into its place.
func (l *Live) lookAway(t *tally) {
	if t.outlook == 0 {
		return
	}
	last := len(l.outlooks) - 1
	moved := l.outlooks[last]
	l.outlooks[t.outlook-1] = moved
	l.cells[moved.cell].tallies[moved.payment].outlook = t.outlook
	l.outlooks = l.outlooks[:last]
	t.outlook = 0
}

// foresee brings forecasts up to date, of the outlooks that each yields. What was
// worked out before and stays good is not worked out again; the rest is, on all
// processors. The caller holds foreseeing.
func (l *Live) foresee(each func(yield func(*outlook))) {
	const block = 512
	var stale []*outlook
	each(func(o *outlook) {
		if _, ok := o.forecast.At(l.asOf); !ok || o.learned != l.work.Learned {
			stale = append(stale, o)
		}
	})
	eachOf((len(stale)+block-1)/block, func(n int) {
		var p Payment
		for _, o := range stale[n*block : min((n+1)*block, len(stale))] {
			l.brief.compute(o.place(), &p)
			o.forecast, o.learned = p.Verdict.Foresight(), l.work.Learned
		}
	})
}

// likely gives when the money is likely to arrive, 0 where nothing tells; the
// forecast is up to date.
func (l *Live) likely(o *outlook) evidence.Instant {
	at, _ := o.forecast.At(l.asOf)
	return at
}

// expected gives for payments that are not over when their money is likely to
// arrive, 0 where nothing tells.
func (l *Live) expected(list []place) []evidence.Instant {
	out := make([]evidence.Instant, len(list))
	of := func(at place) *outlook { return &l.outlooks[l.tally(at).outlook-1] }
	l.foreseeing.Lock()
	defer l.foreseeing.Unlock()
	l.foresee(func(yield func(*outlook)) {
		for _, at := range list {
			yield(of(at))
		}
	})
	for i, at := range list {
		out[i] = l.likely(of(at))
	}
	return out
}

// EachExpected calls use for every payment in memory whose money is still to come
// and expected before a moment, in no order: when, and how much. use must not ask for
// what is expected.
func (c *Current) EachExpected(before evidence.Instant, use func(at evidence.Instant, currency money.Currency, missing int64)) {
	l := c.l
	l.foreseeing.Lock()
	defer l.foreseeing.Unlock()
	coming := func(yield func(*outlook)) {
		for i := range l.outlooks {
			if o := &l.outlooks[i]; o.coming {
				yield(o)
			}
		}
	}
	l.foresee(coming)
	coming(func(o *outlook) {
		if at := l.likely(o); at != 0 && at < before {
			use(at, o.currency, o.missing)
		}
	})
}

// Incidents gives the faults that stop payments, in order of their begin.
func (c *Current) Incidents() []*Incident {
	type counted struct {
		Incident
		first place
	}
	l := c.l
	found := map[string]*counted{}
	stopped := func(yield func(*outlook)) {
		for i := range l.outlooks {
			if o := &l.outlooks[i]; o.incident != "" {
				yield(o)
			}
		}
	}
	l.foreseeing.Lock()
	defer l.foreseeing.Unlock()
	l.foresee(stopped)
	stopped(func(o *outlook) {
		i, likely := found[o.incident], l.likely(o)
		one := Incident{Party: o.party, Offset: o.offset, Sum: Sum{1, o.amount}, Expected: likely, open: likely == 0}
		if i == nil {
			found[o.incident] = &counted{one, o.place()}
			return
		}
		i.take(&one)
		if i.first.time >= o.time && l.brief.comparePlaces(o.place(), i.first) < 0 {
			i.first = o.place()
		}
	})
	t := newTotals()
	var first Payment
	for _, i := range found {
		l.brief.compute(i.first, &first) // the first of its payments tells what it is
		whole := incidentOf(&first)
		whole.take(&i.Incident)
		t.incidents[whole.ID] = whole
	}
	t.sortIncidents()
	return t.Incidents
}
