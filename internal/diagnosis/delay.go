package diagnosis

import (
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
	// Payouts whose credit was due, and those of them that came later or have
	// not come. late counts against the day under the terms, slow against the
	// day that follows from the sending.
	due, late, slow int
}

// spread is a sample of delays, in order.
type spread []time.Duration

// enough is of how many delays a spread has to be to say anything.
const enough = 4

// within gives the stretch in which nearly all lie: a fiftieth of them may be
// earlier, a fiftieth later. The fewer there are, the wider it is made beyond
// them: the next may well be the least or the most so far.
func (s spread) within() (least, middle, most time.Duration) {
	out := len(s) / 50
	least, middle, most = s[out], s[len(s)/2], s[len(s)-1-out]
	beyond := (most - least) * 2 / time.Duration(len(s))
	return max(0, least-beyond), middle, most + beyond
}

// lateShare estimates how often a payout of a bank is credited late: as often
// as in the past, the less of it there is the more as all banks, and at first
// as one of fifty.
func (d *delays) lateShare(b *crediting, count func(*crediting) int) float64 {
	common := (float64(count(&d.all)) + 2) / (float64(d.all.due) + 100)
	return (float64(count(b)) + 60*common) / (float64(b.due) + 60)
}

func lateCount(c *crediting) int { return c.late }
func slowCount(c *crediting) int { return c.slow }

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
		d.all.due += b.due
		d.all.late += b.late
		d.all.slow += b.slow
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
	if p.Sent == 0 || p.Replaces != nil || p.Merchant == nil {
		return
	}
	t := e.ctx.Book.At(p.MID, p.Sent, e.view.At(p.Statuses[0]).Offset)
	if t == nil || t.MinimumPayout > 0 { // what waits to be enough says nothing of delays
		return
	}
	seal := t.StartOf(t.LocalDate(e.ctx.AsOf))
	if p.Sent >= seal {
		return
	}
	bank := p.Bank
	if bank == "" {
		bank = t.Bank
	}
	k := bankKey{bank, t.CreditDays}
	b := d.banks[k]
	if b == nil {
		b = &crediting{}
		d.banks[k] = b
	}
	agreed := t.Calendar.AddBusinessDays(p.Date, t.CreditDays)
	if from := p.Sent.Sub(t.StartOf(p.Date)); t.Days > 0 && p.Lines > 0 && from >= 0 && from < 24*time.Hour {
		d.runs[p.MID] = append(d.runs[p.MID], from)
	}
	day, due := t.CreditAfter(p.Sent)
	at, dateOnly := e.arrivalOf(p, seal)
	if at == 0 {
		// Not there proves something only where a statement covers the day.
		if r, covered := e.ctx.Statement(account(p, t), day); due < seal && covered && e.view.At(r).KnownAt() < seal {
			b.due++
			b.late++
			b.slow++
		}
		return
	}
	came := t.LocalDate(at)
	b.due++
	if p.Lines > 0 && came > agreed && t.Days > 0 {
		b.late++
	}
	if came > day {
		b.slow++
	}
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
