package diagnosis

import (
	"cmp"
	"math"
	"slices"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/match"
	"daozhang/internal/terms"
)

// What the past says of how long money takes, leg by leg: when in the day a
// merchant's payouts go out, how long a bank takes to credit them, and how often
// it comes later than agreed. It is learnt from payouts alone and frozen for each
// business day: what became known before the merchant's day began counts, so
// that one late entry does not move every forecast of the day.

// delays is the table.
type delays struct {
	runs  map[evidence.Word]spread // from midnight of the settlement date to the sending, by merchant
	banks map[bankKey]*crediting
	all   crediting // of all banks
	// Payments settled in payouts whose day was over, of all merchants, and those
	// of them that went out later or have not gone out.
	paid    share
	payouts int // those payouts
}

// bankKey is a bank and how many business days it is given.
type bankKey struct {
	bank string
	days int
}

// crediting is how a bank credits payouts.
type crediting struct {
	// From the sending to the entry; with credit days, from midnight of the day.
	took spread
	// Payouts whose credit was due, counted from the sending, and those of them
	// that came later, came back or have not come; what is paid within minutes
	// of the sale goes another way than a day's payout.
	slow, slowAtOnce share
}

func (c *crediting) slowOf(immediate bool) *share {
	if immediate {
		return &c.slowAtOnce
	}
	return &c.slow
}

// share is how many of how many.
type share struct{ part, of int }

func (s *share) count(n int, in bool) {
	s.of += n
	if in {
		s.part += n
	}
}

func (s *share) add(o share) { s.part, s.of = s.part+o.part, s.of+o.of }

// expect estimates the share of those to come: as in the past, the less of it
// there is the more as it commonly is, which weighs as much as so many.
func (s share) expect(common, weight float64) float64 {
	return (float64(s.part) + weight*common) / (float64(s.of) + weight)
}

// What is commonly late before anything is known: payouts that go out later
// than their day, and credits that come later than theirs.
const (
	commonlyUnpaid = 0.025
	commonlySlow   = 0.025
)

// slowShare estimates how often a payout is credited late by a bank once it is
// sent.
func (d *delays) slowShare(b *crediting, immediate bool) float64 {
	return b.slowOf(immediate).expect(d.all.slowOf(immediate).expect(commonlySlow, 100), 60)
}

// lateShare estimates how often money that is still to be paid out by a bank
// comes later than its day.
func (d *delays) lateShare(b *crediting) float64 {
	// Payments of one payout share its fate: it is payouts that weigh.
	lines := float64(d.paid.of) / float64(max(1, d.payouts))
	return 1 - (1-d.paid.expect(commonlyUnpaid, 100*max(1, lines)))*(1-d.slowShare(b, false))
}

// spread is a sample of delays, in order.
type spread []time.Duration

// enough is of how many delays a spread has to be to say anything.
const enough = 4

// within gives the stretch in which nearly all lie. The next may well be the
// least or the most so far: the fewer there are, the wider it is made beyond
// them, so that of delays spread evenly one of a hundred lies outside on either
// side.
func (s spread) within() (least, middle, most time.Duration) {
	out := len(s) / 200
	least, middle, most = s[out], s[len(s)/2], s[len(s)-1-out]
	n := float64(len(s))
	beyond := time.Duration(float64(most-least) * min(2, max(0, math.Pow(100/(n+1), 1/(n-1))-1)))
	return max(0, least-beyond), middle, most + beyond
}

// bank gives what is known of a bank; where that is too little, of all of them.
func (d *delays) bank(name string, days int) *crediting {
	if b := d.banks[bankKey{name, days}]; b != nil && len(b.took) >= enough {
		return b
	}
	if days == 0 {
		return &d.all
	}
	return &crediting{}
}

// Learn makes the table of delays from payouts, as frozen for the day of the
// context's moment. An Engine made by NewEngine does so by itself when first
// asked; the owner of a live one calls it when a merchant's day has turned, or
// when a payout, a status or an entry of a day before has come to be known.
func (e *Engine) Learn(payouts []*match.Payout) {
	d := &delays{runs: map[evidence.Word]spread{}, banks: map[bankKey]*crediting{}}
	for _, p := range payouts {
		e.learn(d, p)
	}
	for _, s := range d.runs {
		slices.Sort(s)
	}
	for k, b := range d.banks {
		slices.Sort(b.took)
		d.all.slow.add(b.slow)
		d.all.slowAtOnce.add(b.slowAtOnce)
		if k.days == 0 {
			d.all.took = append(d.all.took, b.took...)
		}
	}
	slices.Sort(d.all.took)
	e.delays.Store(d)
}

func (e *Engine) learned() *delays {
	if d := e.delays.Load(); d != nil {
		return d
	}
	e.learning.Lock()
	defer e.learning.Unlock()
	if e.delays.Load() == nil {
		e.Learn(e.ctx.Match.Payouts)
	}
	return e.delays.Load()
}

func (e *Engine) learn(d *delays, p *match.Payout) {
	if p.Replaces != nil || p.Merchant == nil {
		return
	}
	t := e.termsOf(p)
	if t == nil || t.MinimumPayout > 0 { // what waits to be enough says nothing of delays
		return
	}
	seal := t.StartOf(t.LocalDate(e.ctx.AsOf))
	gone := p.Sent != 0 && p.Sent < seal
	if p.Lines > 0 && p.Net > 0 && t.Days > 0 && t.StartOf(p.Last) < seal {
		d.paid.count(p.Lines, !gone || t.LocalDate(p.Sent) > p.Last)
		d.payouts++
	}
	if gone {
		e.learnCredit(d, p, t, seal)
	}
}

// termsOf gives what holds for a payout's merchant when it was sent, or is to be.
func (e *Engine) termsOf(p *match.Payout) *terms.Terms {
	at, offset := p.Sent, int16(0)
	if at == 0 {
		at = evidence.Instant(p.Date.Unix(0) * 1e9)
	}
	if len(p.Statuses) > 0 {
		offset = e.view.At(p.Statuses[0]).Offset
	}
	return e.ctx.Book.At(p.MID, at, offset)
}

// learnCredit takes what a payout that has gone out tells of its merchant's runs
// and its bank, as known before the seal.
func (e *Engine) learnCredit(d *delays, p *match.Payout, t *terms.Terms, seal evidence.Instant) {
	k := bankKey{cmp.Or(p.Bank, t.Bank), t.CreditDays}
	b := d.banks[k]
	if b == nil {
		b = &crediting{}
		d.banks[k] = b
	}
	slow := b.slowOf(t.Days == 0)
	if from := p.Sent.Sub(t.StartOf(p.Date)); t.Days > 0 && p.Lines > 0 && from >= 0 && from < 24*time.Hour {
		d.runs[p.MID] = append(d.runs[p.MID], from)
	}
	day, due := t.CreditAfter(p.Sent)
	at, dateOnly := e.arrivalOf(p, seal)
	if at == 0 {
		// Not there proves something only where a statement covers the day.
		if r, covered := e.ctx.Statement(account(p, t), day); due < seal && covered && e.view.At(r).KnownAt() < seal {
			slow.count(1, true)
		}
		return
	}
	came := t.LocalDate(at)
	slow.count(1, came > day)
	from := p.Sent
	if t.CreditDays > 0 {
		from = t.StartOf(day)
	}
	// Late ones are counted above; here it is how long the bank takes in time.
	if took := at.Sub(from); !dateOnly && took >= 0 && came <= day {
		b.took = append(b.took, took)
	}
}

func account(p *match.Payout, t *terms.Terms) string {
	if p.Account != "" {
		return p.Account
	}
	return t.Account
}

// arrivalOf gives when a payout reached the account, by its bank's word or by an
// entry that was known before a moment; 0 where neither was. dateOnly: the entry
// tells the day alone.
func (e *Engine) arrivalOf(p *match.Payout, before evidence.Instant) (at evidence.Instant, dateOnly bool) {
	for _, entry := range p.Entries {
		f := e.view.At(entry.Fact)
		if f.KnownAt() >= before {
			return 0, false
		}
		local := f.Time.Unix() + int64(f.Offset)*60
		at, dateOnly = max(at, f.Time), local%86400 == 0
	}
	if at != 0 {
		return at, dateOnly
	}
	for _, r := range p.Statuses {
		f := e.view.At(r)
		if f.State == evidence.Credited && f.KnownAt() < before && e.view.Text(r, evidence.By) != "platform" {
			return f.Time, false
		}
	}
	return 0, false
}
