package investigation

import (
	"slices"

	"daozhang/internal/calendar"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/journey"
	"daozhang/internal/match"
	"daozhang/internal/money"
)

// tally is what one payment adds to the sums over all, so that it can be taken
// back when the payment is judged again.
type tally struct {
	row      rowKey
	amount   int64 // minor units, as the others
	net      int64
	arrived  int64
	refunded int64
	feeKept  int64
	taken    *journey.Deduction // nil for nothing
	cause    *diagnosis.Cause
	incident string
	kind     evidence.Kind
	status   journey.Status
	stage    journey.Stage
	leg      journey.Leg // judged
	late     bool        // that leg's due time has passed
	over     bool        // nothing more is to come or to be done
	// counts tells that it is part of its business date's net, which an entry may
	// prove directly.
	counts bool
	day    journey.DayKey
	due    calendar.Date
	legDue evidence.Instant
	usage  *diagnosis.Usage // nil while no daily limit is on record
	list   listed
	// outlook is the place of its outlook, and one more; 0 for none.
	outlook uint32
}

// coming tells that money is still to come.
func (t *tally) coming() bool { return !t.over && t.net > t.arrived }

type rowKey struct {
	mid      evidence.Word
	currency money.Currency
	date     calendar.Date
}

// memo is a deduction that names no payment.
type memo struct {
	row    rowKey
	amount int64
}

func memoOf(v *evidence.View, mid evidence.Word, r evidence.FactRef) memo {
	f := v.At(r)
	date := f.Date
	if date == 0 {
		date = calendar.DateOf(f.Time.Unix(), int(f.Offset)*60)
	}
	return memo{rowKey{mid, f.Currency, date}, -match.LineNet(f)}
}

// sums are the sums over all payments, kept by what each adds.
type sums struct {
	rows      map[rowKey]*liveRow
	summary   map[money.Currency]map[journey.Status]Sum
	causes    map[string]Sum
	incidents map[string]map[cellID]int
	payments  int
}

type liveRow struct {
	journey.Row
	n int // payments and memos in it
}

func newSums() sums {
	return sums{rows: map[rowKey]*liveRow{}, summary: map[money.Currency]map[journey.Status]Sum{}, causes: map[string]Sum{}, incidents: map[string]map[cellID]int{}}
}

func (s *sums) row(k rowKey, n int) *liveRow {
	r := s.rows[k]
	if r == nil {
		r = &liveRow{Row: journey.Row{MID: k.mid, Currency: k.currency, Date: k.date}}
		s.rows[k] = r
	}
	if r.n += n; r.n == 0 {
		delete(s.rows, k)
	}
	return r
}

func (s *sums) memo(m memo, sign int) { s.row(m.row, sign).Memo += int64(sign) * m.amount }

func sumMore[K comparable](m map[K]Sum, k K, sign int, amount int64) {
	t := m[k]
	t.Count += sign
	t.Amount += int64(sign) * amount
	if t.Count == 0 {
		delete(m, k)
	} else {
		m[k] = t
	}
}

// put adds what the payment is worth to a row of the money map, or with sign -1
// takes it back.
func (t *tally) put(r *journey.Row, sign int) {
	j := journey.Journey{Kind: t.kind, Status: t.status, Stage: t.stage, Amount: t.amount, Net: t.net, Arrived: t.arrived, Refunded: t.refunded, FeeKept: t.feeKept}
	if t.taken != nil {
		j.Deductions = *t.taken
	}
	if sign > 0 {
		r.Put(&j)
	} else {
		r.Take(&j)
	}
}

// add adds a tally of a cell, or with sign -1 takes it back.
func (s *sums) add(t *tally, id cellID, sign int) {
	t.put(&s.row(t.row, sign).Row, sign)
	s.payments += sign
	by := s.summary[t.row.currency]
	if by == nil {
		by = map[journey.Status]Sum{}
		s.summary[t.row.currency] = by
	}
	if sumMore(by, t.status, sign, t.amount); len(by) == 0 {
		delete(s.summary, t.row.currency)
	}
	if t.cause != nil {
		sumMore(s.causes, t.cause.Code, sign, t.amount)
	}
	if t.incident == "" {
		return
	}
	in := s.incidents[t.incident]
	if in == nil {
		in = map[cellID]int{}
		s.incidents[t.incident] = in
	}
	if in[id] += sign; in[id] == 0 {
		if delete(in, id); len(in) == 0 {
			delete(s.incidents, t.incident)
		}
	}
}

// judge has a cell's payments judged again.
func (l *Live) judge(id cellID) {
	if c := &l.cells[id]; !c.rejudge {
		c.rejudge = true
		l.rejudge = append(l.rejudge, id)
	}
}

func (l *Live) judgeMerchant(m *merchant) {
	l.each(m, l.judge)
	l.touchStrays(m.mid)
}

// judgePayout has the payments judged again whose lines a payout carries.
func (l *Live) judgePayout(k match.PayoutKey) {
	m := l.merchants[k.Of()]
	if m == nil {
		return
	}
	for _, r := range m.lines.Of(k) {
		if id := l.standing(l.cellOf.at(r)); id != 0 {
			l.judge(id)
		}
	}
}

// untally takes back what a cell adds to the sums.
func (l *Live) untally(c *cell, id cellID) {
	for i := range c.tallies {
		t := &c.tallies[i]
		l.sums.add(t, id, -1)
		l.lookAway(t)
		if t.counts {
			l.countDay(c.m, t, -1)
		}
		if t.usage != nil {
			l.engine.Use(*t.usage, -1)
		}
	}
	c.tallies = c.tallies[:0]
}

// usages gives what a cell's payments count to daily limits.
func (c *cell) usages() (list []diagnosis.Usage) {
	for i := range c.tallies {
		if u := c.tallies[i].usage; u != nil {
			list = append(list, *u)
		}
	}
	return list
}

func (l *Live) countDay(m *merchant, t *tally, sign int) {
	d := m.days[t.day]
	if d == nil {
		d = &dayTally{dues: map[calendar.Date]int{}}
		m.days[t.day] = d
	}
	d.n += sign
	d.net += int64(sign) * t.net
	if d.dues[t.due] += sign; d.dues[t.due] == 0 {
		delete(d.dues, t.due)
	}
	if d.n == 0 {
		delete(m.days, t.day)
	}
	if !m.lines.HasPayouts {
		l.directly = true
	}
}

// judgeAll judges again the payments of which something has changed.
func (l *Live) judgeAll() {
	var j journey.Journey
	var v diagnosis.Verdict
	for len(l.rejudge) > 0 {
		round := l.rejudge
		l.rejudge = nil
		daily := l.engine.Daily()
		// What payments tell of each other comes first: sums of orders, and what
		// counts to daily limits.
		for _, id := range round {
			c := &l.cells[id]
			if c.into != 0 {
				continue
			}
			used := c.usages()
			l.untally(c, id)
			found := l.res.Merchants[id]
			l.ctx.SumOrders(found, found)
			if !daily {
				continue
			}
			c.tallies = make([]tally, len(found.Payments))
			for i := range found.Payments {
				l.ctx.Compute(found, &found.Payments[i], &j)
				u := l.engine.Usage(&j)
				c.tallies[i].usage = &u
				l.engine.Use(u, 1)
			}
			if uses := c.usages(); !slices.Equal(used, uses) {
				l.usageChanged(append(used, uses...))
			}
		}
		for _, id := range round {
			c := &l.cells[id]
			c.rejudge = false
			if c.into != 0 {
				continue
			}
			l.judgeCell(id, c, &j, &v)
		}
	}
}

func (l *Live) judgeCell(id cellID, c *cell, j *journey.Journey, v *diagnosis.Verdict) {
	found := l.res.Merchants[id]
	if cap(c.tallies) < len(found.Payments) || len(c.tallies) != 0 && len(c.tallies) != len(found.Payments) {
		c.tallies = make([]tally, len(found.Payments))
	}
	c.tallies = c.tallies[:len(found.Payments)]
	c.next, c.flags, c.network = 0, 0, 0
	l.judging, l.watching = id, l.watching[:0]
	for i := range found.Payments {
		l.ctx.Compute(found, &found.Payments[i], j)
		l.engine.Judge(j, v)
		l.work.Judged++
		t := &c.tallies[i]
		usage := t.usage
		if !l.engine.Daily() {
			usage = nil
		}
		*t = tally{
			row: rowKey{j.Keys.MID, j.Currency, j.BusinessDate}, amount: j.Amount, net: j.Net, arrived: j.Arrived, refunded: j.Refunded, feeKept: j.FeeKept,
			kind: j.Kind, status: j.Status, stage: j.Stage, cause: v.Cause, usage: usage, legDue: j.LegDue,
			leg: diagnosis.Judged(j), late: j.LegDue != 0 && j.AsOf > j.LegDue, list: listedOf(j, v),
		}
		switch j.Status {
		case journey.Arrived, journey.NotCharged:
			t.over = !j.Payment.Contested && (!j.HasOrder || j.OrderDifference == 0)
		case journey.Refunded:
			t.over = !j.Payment.Contested && j.Cardholder == journey.CardRefunded
		}
		if d := &j.Deductions; d.Total() != 0 {
			t.taken = &journey.Deduction{Chargeback: d.Chargeback, Reserve: d.Reserve, Adjustment: d.Adjustment, ExcessFee: d.ExcessFee}
		}
		if k := &v.Incident; k.Cause != "" {
			t.incident = incidentID(k, j.Currency)
		}
		var day journey.Day
		if day, t.counts = l.ctx.DirectDay(j); true {
			t.day, t.due = journey.DayKey{MID: c.m.mid, Date: day.Date, Currency: day.Currency}, day.Due
		}
		if !t.over || t.incident != "" || t.list.acts {
			p := &found.Payments[i]
			l.lookOut(t, outlook{time: p.Time, due: t.list.due, id: t.list.id, mid: t.row.mid, tid: t.list.tid, amount: t.amount, missing: t.net - t.arrived,
				forecast: v.Foresight(), learned: l.work.Learned, cause: t.cause, incident: t.incident, cell: id, payment: uint32(i), offset: p.Offset,
				currency: t.row.currency, party: t.list.party, status: t.status, coming: t.coming(), acts: t.list.acts})
		}
		if next := l.ctx.Changes(j); next != 0 && (c.next == 0 || next < c.next) {
			c.next = next
		}
		l.watch(c, t, j)
		l.sums.add(t, id, 1)
		if t.counts {
			l.countDay(c.m, t, 1)
		}
	}
	l.watched(id, c)
	if c.next != 0 {
		l.dues.add(c.next, id)
	}
}

// fallDue has the payments judged again whose answers change by time alone.
func (l *Live) fallDue() {
	for {
		id, ok := l.dues.next(l.asOf)
		if !ok {
			return
		}
		if c := &l.cells[id]; c.into == 0 && c.next != 0 && c.next <= l.asOf {
			l.judge(id)
		}
	}
}
