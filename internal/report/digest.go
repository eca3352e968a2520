package report

import (
	"cmp"
	"io"
	"slices"
	"strings"
	"sync"

	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

// digest is what an overview shows, gathered in one pass over the payments. It
// does not depend on the order in which they come.
type digest struct {
	a      *investigation.Answer
	totals *investigation.Totals
	// currencies holds the sums of each currency, in order of its code.
	currencies []*currencySum
	count      int
	// server is where more can be asked; "" where the answer comes from files.
	server string
	// command is how the reader calls the program; over: nothing can be asked any more.
	command string
	over    bool

	needs ranked // someone must look at them: latest first, then largest
	way   ranked // on their way or confirmed: newest first
	done  ranked // arrived, refunded or not charged: newest first

	assumed   map[*terms.Terms]assumedSum // payments under each set of terms that nobody stated
	merchants map[evidence.Word]int

	mu sync.Mutex
}

// assumedSum counts the payments under assumed terms; currency is the first of
// theirs by its code.
type assumedSum struct {
	Count    int
	currency money.Currency
}

// currencySum is where the money of one currency is.
type currencySum struct {
	Currency   money.Currency
	Count      int // payments, not charged ones aside
	NotCharged investigation.Sum
	Gross      int64
	Memo       int64 // deductions that name no payment
	Places     [placeCount]placeSum
	Status     [journey.Overdue + 1]investigation.Sum
}

// placeSum is the money in one place.
type placeSum struct {
	investigation.Sum
	Oldest evidence.Instant
	Offset int16 // zone of the oldest, minutes east of UTC
}

func (s *currencySum) sum() int64 {
	var sum int64
	for i := range s.Places {
		sum += s.Places[i].Amount
	}
	return sum
}

// total gives the sum of the places of a status.
func (s *currencySum) total(status journey.Status) int64 {
	var sum int64
	for p := range placeCount {
		if p.status() == status {
			sum += s.Places[p].Amount
		}
	}
	return sum
}

// limits says how many payments of each list a digest keeps.
type limits struct{ needs, way, done int }

// digestOf gathers an answer.
func digestOf(a *investigation.Answer, keep limits) *digest {
	d := &digest{a: a, command: "daozhang", assumed: map[*terms.Terms]assumedSum{}, merchants: map[evidence.Word]int{}}
	id := func(x, y *investigation.Payment) int {
		return cmp.Or(cmp.Compare(x.Time, y.Time), a.View.Words.Compare(x.ID, y.ID))
	}
	d.needs = ranked{keep: keep.needs, before: func(x, y *investigation.Payment) int {
		return cmp.Or(cmp.Compare(y.OverdueBy, x.OverdueBy), cmp.Compare(y.Amount, x.Amount), id(x, y))
	}}
	newest := func(x, y *investigation.Payment) int { return id(y, x) }
	d.way = ranked{keep: keep.way, before: newest}
	d.done = ranked{keep: keep.done, before: newest}
	sums := map[money.Currency]*currencySum{}
	// Writing to Discard cannot fail.
	_ = a.Render(io.Discard, func(dst []byte, p *investigation.Payment) []byte {
		d.mu.Lock()
		defer d.mu.Unlock()
		s := sums[p.Currency]
		if s == nil {
			s = &currencySum{Currency: p.Currency}
			sums[p.Currency] = s
		}
		s.add(p)
		d.add(p)
		return dst
	})
	d.totals = a.Totals()
	for _, r := range d.totals.Rows {
		s := sums[r.Currency]
		if s == nil {
			s = &currencySum{Currency: r.Currency}
			sums[r.Currency] = s
		}
		s.Memo += r.Memo
	}
	for _, s := range sums {
		d.currencies = append(d.currencies, s)
	}
	slices.SortFunc(d.currencies, func(x, y *currencySum) int {
		return strings.Compare(x.Currency.String(), y.Currency.String())
	})
	for _, r := range []*ranked{&d.needs, &d.way, &d.done} {
		r.settle()
	}
	return d
}

func (d *digest) add(p *investigation.Payment) {
	d.count++
	d.merchants[p.Keys.MID]++
	if !p.Terms.Stated {
		s := d.assumed[p.Terms]
		s.Count++
		if s.currency == (money.Currency{}) || p.Currency.String() < s.currency.String() {
			s.currency = p.Currency
		}
		d.assumed[p.Terms] = s
	}
	switch {
	case investigation.NeedsSomeone(&p.Journey, &p.Verdict):
		d.needs.add(p)
	case p.Status == journey.InTransit || p.Status == journey.Confirmed:
		d.way.add(p)
	default:
		d.done.add(p)
	}
}

func (s *currencySum) add(p *investigation.Payment) {
	var r journey.Row
	r.Put(&p.Journey)
	s.put(&r, p.Status, p.Time, zone(p, p.Time))
}

// put adds a payment by its own row of the money map, its status, and its time in
// a zone.
func (s *currencySum) put(r *journey.Row, status journey.Status, at evidence.Instant, offset int16) {
	by := &s.Status[status]
	by.Count++
	by.Amount += r.Gross + r.NotCharged
	if status == journey.NotCharged {
		s.NotCharged.Count++
		s.NotCharged.Amount += r.NotCharged
		return
	}
	s.Count++
	s.Gross += r.Gross
	put := func(in place, amount int64) {
		if amount == 0 {
			return
		}
		to := &s.Places[in]
		to.Count++
		to.Amount += amount
		if to.Oldest == 0 || at < to.Oldest || at == to.Oldest && offset < to.Offset {
			to.Oldest, to.Offset = at, offset
		}
	}
	put(inArrived, r.Arrived)
	put(inConfirmed, r.Confirmed)
	put(inHeld, r.Held)
	put(inShort, r.Short)
	put(inUnproven, r.Unproven)
	put(inUnknown, r.Unknown)
	put(inFees, r.Fees)
	put(inRefunded, r.Refunded)
	put(inChargebacks, r.Chargebacks)
	put(inReserves, r.Reserves)
	put(inAdjustments, r.Adjustments)
	for stage := range stageCount {
		put(inTransit+place(stage), r.InTransit[stage])
		put(inOverdue+place(stage), r.Overdue[stage])
	}
}

// ranked keeps the first payments of an order.
type ranked struct {
	before func(x, y *investigation.Payment) int
	keep   int
	count  int // all, the dropped ones too
	list   []*investigation.Payment
	full   bool // the last of list bounds what is taken
	// spare are dropped payments, used again.
	spare []*investigation.Payment
}

func (r *ranked) add(p *investigation.Payment) {
	r.count++
	if r.keep == 0 || r.full && r.before(p, r.list[r.keep-1]) > 0 {
		return
	}
	c := new(investigation.Payment)
	if n := len(r.spare); n > 0 {
		c, r.spare = r.spare[n-1], r.spare[:n-1]
	}
	keepPayment(c, p)
	r.list = append(r.list, c)
	if len(r.list) >= 2*r.keep {
		r.settle()
	}
}

func (r *ranked) settle() {
	slices.SortFunc(r.list, r.before)
	if len(r.list) >= r.keep {
		r.spare = append(r.spare, r.list[r.keep:]...)
		r.list = r.list[:r.keep]
		r.full = r.keep > 0
	}
}

// rest counts the payments that are not in the list.
func (r *ranked) rest() int { return r.count - len(r.list) }

// keepPayment copies a payment out of the reused one, into the memory of c.
func keepPayment(c, p *investigation.Payment) {
	refunds, facts, told, others := c.Refunds, c.Deductions.Facts, c.Verdict.Evidence, c.Verdict.Alternatives
	*c = *p
	c.Refunds = append(refunds[:0], p.Refunds...)
	c.Deductions.Facts = append(facts[:0], p.Deductions.Facts...)
	c.Verdict.Evidence = append(told[:0], p.Verdict.Evidence...)
	c.Verdict.Alternatives = append(others[:0], p.Verdict.Alternatives...)
}
