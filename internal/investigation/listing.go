package investigation

import (
	"cmp"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"daozhang/internal/calendar"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/journey"
	"daozhang/internal/money"
)

// Filter narrows a list of payments. What is zero does not narrow.
type Filter struct {
	// MID, TID and RRN are numbers of a merchant, a terminal and a payment, Head the
	// first six and Tail the last four digits of the card.
	MID, TID, RRN, Head, Tail string
	// Keys are numbers that a payment has, all of them: RRN, trace number, approval
	// code, order, reference, payout, its id. With one the few payments that have it
	// are looked at, and no other.
	Keys []string
	// From and To bound the payment's own time, half open; Day is its business date.
	From, To evidence.Instant
	Day      calendar.Date
	Currency money.Currency
	// Least and Most bound the approved amount in minor units, both included, where
	// Amounts is set.
	Amounts     bool
	Least, Most int64
	// Fee and Net bound the fee, agreed or charged, and what is to arrive.
	Fee, Net Bounds
	// Statuses, Stages, Parties and Causes are any of.
	Statuses []journey.Status
	Stages   []journey.Stage
	Parties  []diagnosis.Party
	Causes   []string
	Incident string
	// Payout is the number of a payout that carries it.
	Payout string
	// ExpectedFrom and ExpectedTo bound the likely arrival, half open.
	ExpectedFrom, ExpectedTo evidence.Instant
	// DueFrom and DueTo bound, half open, when the leg that is judged was or is due.
	// What has no due time passes no such bound.
	DueFrom, DueTo evidence.Instant
	// Needs keeps what somebody has to do something about.
	Needs bool
}

// Bounds are a least and a greatest amount in minor units, both included, where Set.
type Bounds struct {
	Set         bool
	Least, Most int64
}

func (b *Bounds) exclude(n int64) bool { return b.Set && (n < b.Least || n > b.Most) }

// Order is the order of a list.
type Order uint8

// The orders; what is equal stands by time, the newest first, and then by id.
const (
	ByTime   Order = iota // the newest first
	ByDue                 // what was due first, then what is due first; without a due time last
	ByAmount              // the greatest first, whatever the currency
)

// Mark is a place in a list, after which the next page begins; the zero value is
// the beginning. It stays good when payments come or go in between: none that was
// there and stays is passed over or shown twice.
type Mark struct {
	Value int64 // what the order goes by
	Time  evidence.Instant
	ID    string
}

// Page is a part of a list, and what the whole list adds up to.
type Page struct {
	Payments []*Payment
	// Next is the mark for the next page; More tells that there is one.
	Next Mark
	More bool
	// Sums are count and amount of all that pass the filter, per currency.
	Sums map[money.Currency]Sum
}

// Count counts all that pass the filter.
func (p *Page) Count() (n int) {
	for _, s := range p.Sums {
		n += s.Count
	}
	return n
}

// listed is what lists go by beyond the sums: it stands beside the tally, so that
// a list looks at every payment without working any of them out.
type listed struct {
	time     evidence.Instant
	due      evidence.Instant // of the leg that is judged, 0 for none
	id       evidence.Word
	tid, pan evidence.Word
	rrn      evidence.Word
	payout   evidence.Word
	fee      int64 // agreed, else charged
	party    diagnosis.Party
	acts     bool // somebody has to
}

func listedOf(j *journey.Journey, v *diagnosis.Verdict) listed {
	l := listed{time: j.Time, due: j.LegDue, id: j.Payment.ID, tid: j.Keys.TID, pan: j.Keys.PAN, rrn: j.Keys.RRN, fee: j.Fee, party: v.Party, acts: NeedsSomeone(j, v)}
	if j.Payout != nil {
		l.payout = j.Payout.ID
	}
	return l
}

// NeedsSomeone reports whether somebody has to do something about a payment: what
// is late, held, short or open, and whatever else has a cause and a party.
func NeedsSomeone(j *journey.Journey, v *diagnosis.Verdict) bool {
	switch j.Status {
	case journey.Overdue, journey.Held, journey.Short, journey.Unknown, journey.Unproven:
		return true
	case journey.NotCharged:
		return false
	}
	return v.Cause != nil && v.Party > diagnosis.Nobody
}

// List gives up to n payments that pass a filter, in an order, after a mark. It
// looks at all payments in memory: some 30 ms for 500,000.
func (c *Current) List(f *Filter, o Order, after Mark, n int) *Page {
	s := scan{l: c.l, f: f, order: o, after: after, most: n + 1, sums: map[money.Currency]Sum{}}
	s.run()
	return s.page(n)
}

// EachPlaced calls use for every payment with where its money is, as a row of the
// money map of its own, its time and whether the card was charged; mid "" means
// those of all merchants. It looks at all payments in memory and works none out;
// row is used again.
func (c *Current) EachPlaced(mid string, use func(row *journey.Row, at evidence.Instant, status journey.Status)) {
	only := evidence.Word(0)
	if mid != "" {
		word, ok := c.l.view.Words.Find(mid)
		if !ok {
			return
		}
		only = word
	}
	var row journey.Row
	for id := range c.l.cells {
		cell := &c.l.cells[id]
		if cell.into != 0 {
			continue
		}
		for i := range cell.tallies {
			t := &cell.tallies[i]
			if only != 0 && t.row.mid != only {
				continue
			}
			row = journey.Row{MID: t.row.mid, Currency: t.row.currency, Date: t.row.date}
			t.put(&row, 1)
			use(&row, t.list.time, t.status)
		}
	}
}

// scan is one pass over all payments for a list. It keeps the first of them in
// the list's order.
type scan struct {
	l     *Live
	f     *Filter
	order Order
	after Mark
	most  int
	all   bool // all that pass are kept, in no order, and nothing is summed
	sums  map[money.Currency]Sum

	mid, tid, rrn, payout evidence.Word
	kept                  []found
	seen                  map[evidence.Word]bool // whether a card is one of those asked for
	doubtful              []place                // pass but for what has to be worked out
}

type found struct {
	value int64
	time  evidence.Instant
	id    evidence.Word
	place place
}

// prepare looks up the words of the filter; false where one is not known to any
// fact, so that nothing passes.
func (s *scan) prepare() bool {
	for _, w := range []struct {
		text string
		word *evidence.Word
	}{{s.f.MID, &s.mid}, {s.f.TID, &s.tid}, {s.f.RRN, &s.rrn}, {s.f.Payout, &s.payout}} {
		if w.text == "" {
			continue
		}
		word, ok := s.l.view.Words.Find(w.text)
		if !ok {
			return false
		}
		*w.word = word
	}
	s.seen = map[evidence.Word]bool{}
	return true
}

// run looks at every payment that may pass.
func (s *scan) run() {
	if !s.prepare() {
		return
	}
	if len(s.f.Keys) > 0 {
		s.keyed()
		s.weigh()
		return
	}
	s.lookAtAll()
	s.weigh()
}

// lookAtAll looks at every payment in memory, on all processors.
func (s *scan) lookAtAll() {
	const block = 1024 // cells
	l := s.l
	if len(l.cells) <= block {
		s.lookAt(l.cells, 0)
		return
	}
	parts := make([]scan, runtime.GOMAXPROCS(0))
	var next atomic.Int64
	var workers sync.WaitGroup
	for n := range parts {
		part := &parts[n]
		*part = *s
		part.sums, part.seen = map[money.Currency]Sum{}, map[evidence.Word]bool{}
		workers.Go(func() {
			for {
				to := int(next.Add(block))
				if to-block >= len(l.cells) {
					return
				}
				part.lookAt(l.cells[to-block:min(to, len(l.cells))], to-block)
			}
		})
	}
	workers.Wait()
	for n := range parts {
		s.join(&parts[n])
	}
}

// lookAt looks at the payments of cells, of which the first has a number.
func (s *scan) lookAt(cells []cell, first int) {
	for n := range cells {
		if c := &cells[n]; c.into == 0 {
			for i := range c.tallies {
				s.look(cellID(first+n), c, i)
			}
		}
	}
}

// join adds what another part of the same scan has found.
func (s *scan) join(o *scan) {
	s.doubtful = append(s.doubtful, o.doubtful...)
	for currency, sum := range o.sums {
		mine := s.sums[currency]
		s.sums[currency] = Sum{mine.Count + sum.Count, mine.Amount + sum.Amount}
	}
	if s.all {
		s.kept = append(s.kept, o.kept...)
		return
	}
	for i := range o.kept {
		s.keep(o.kept[i])
	}
}

// keyed looks at the payments that have all the keys asked for.
func (s *scan) keyed() {
	have := map[place]int{}
	for _, key := range s.f.Keys {
		for _, at := range s.l.placesOf(key) {
			have[at]++
		}
	}
	for at, n := range have {
		if n == len(s.f.Keys) {
			s.look(cellID(at.merchant), &s.l.cells[at.merchant], int(at.payment))
		}
	}
}

func (s *scan) look(id cellID, c *cell, i int) {
	t := &c.tallies[i]
	if !s.passes(t) {
		return
	}
	at := place{merchant: uint32(id), payment: uint32(i)}
	if s.f.ExpectedFrom != 0 || s.f.ExpectedTo != 0 {
		if !t.over {
			s.doubtful = append(s.doubtful, at)
		}
		return
	}
	s.take(t, at)
}

// weigh takes those of the doubtful whose money is expected when the filter says.
func (s *scan) weigh() {
	for i, e := range s.l.expected(s.doubtful) {
		if e != 0 && e >= s.f.ExpectedFrom && (s.f.ExpectedTo == 0 || e < s.f.ExpectedTo) {
			s.take(s.l.tally(s.doubtful[i]), s.doubtful[i])
		}
	}
}

// take adds a payment that passes.
func (s *scan) take(t *tally, at place) {
	x := found{value: s.value(t), time: t.list.time, id: t.list.id, place: at}
	if s.all {
		s.kept = append(s.kept, x)
		return
	}
	sum := s.sums[t.row.currency]
	sum.Count++
	sum.Amount += t.amount
	s.sums[t.row.currency] = sum
	if s.after != (Mark{}) && s.compareMark(&x) <= 0 {
		return
	}
	s.keep(x)
}

// keep keeps x if it is among the first; kept is in order.
func (s *scan) keep(x found) {
	if len(s.kept) == s.most {
		if s.compare(&x, &s.kept[s.most-1]) >= 0 {
			return
		}
		s.kept = s.kept[:s.most-1]
	}
	at := sort.Search(len(s.kept), func(i int) bool { return s.compare(&x, &s.kept[i]) < 0 })
	s.kept = slices.Insert(s.kept, at, x)
}

func (s *scan) value(t *tally) int64 {
	switch {
	case s.order == ByAmount:
		return -t.amount
	case s.order == ByDue && t.list.due == 0:
		return 1<<63 - 1
	case s.order == ByDue:
		return int64(t.list.due)
	}
	return 0
}

// compare orders two that pass. Identities, which cost most, are looked at last.
func (s *scan) compare(a, b *found) int {
	if c := cmp.Or(cmp.Compare(a.value, b.value), cmp.Compare(b.time, a.time)); c != 0 {
		return c
	}
	return s.l.view.Words.Compare(a.id, b.id)
}

func (s *scan) compareMark(x *found) int {
	if c := cmp.Or(cmp.Compare(x.value, s.after.Value), cmp.Compare(s.after.Time, x.time)); c != 0 {
		return c
	}
	return strings.Compare(s.l.view.Words.Text(x.id), s.after.ID)
}

func (s *scan) passes(t *tally) bool {
	f, x := s.f, &t.list
	switch {
	case s.mid != 0 && t.row.mid != s.mid,
		s.tid != 0 && x.tid != s.tid,
		s.rrn != 0 && x.rrn != s.rrn,
		s.payout != 0 && x.payout != s.payout,
		f.From != 0 && x.time < f.From,
		f.To != 0 && x.time >= f.To,
		f.Day != 0 && t.row.date != f.Day,
		f.Currency != money.Currency{} && t.row.currency != f.Currency,
		f.Amounts && (t.amount < f.Least || t.amount > f.Most),
		f.Fee.exclude(x.fee),
		f.Net.exclude(t.net),
		f.DueFrom != 0 && x.due < f.DueFrom,
		f.DueTo != 0 && (x.due == 0 || x.due >= f.DueTo),
		f.Needs && !x.acts,
		f.Incident != "" && t.incident != f.Incident,
		len(f.Statuses) > 0 && !slices.Contains(f.Statuses, t.status),
		len(f.Stages) > 0 && !slices.Contains(f.Stages, t.stage),
		len(f.Parties) > 0 && !slices.Contains(f.Parties, x.party),
		len(f.Causes) > 0 && (t.cause == nil || !slices.Contains(f.Causes, t.cause.Code)),
		(f.Head != "" || f.Tail != "") && !s.ofCard(x.pan):
		return false
	}
	return true
}

// ofCard reports whether a card begins and ends in the digits asked for. Few
// different cards have the same payments, so each is looked at once.
func (s *scan) ofCard(pan evidence.Word) bool {
	if pan == 0 {
		return false
	}
	is, ok := s.seen[pan]
	if !ok {
		text := s.l.view.Words.Text(pan)
		is = strings.HasPrefix(text, s.f.Head) && strings.HasSuffix(text, s.f.Tail)
		s.seen[pan] = is
	}
	return is
}

func (s *scan) page(n int) *Page {
	p := &Page{Sums: s.sums, More: len(s.kept) > n}
	if p.More {
		s.kept = s.kept[:n]
	}
	for i := range s.kept {
		p.Payments = append(p.Payments, s.l.compute(cellID(s.kept[i].place.merchant), int(s.kept[i].place.payment)))
	}
	if last := len(s.kept) - 1; last >= 0 {
		x := &s.kept[last]
		p.Next = Mark{x.value, x.time, s.l.view.Words.Text(x.id)}
	}
	return p
}
