package diagnosis

import (
	"slices"
	"strings"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/journey"
	"daozhang/internal/match"
)

// An Engine that is kept current: its owner tells it of each circumstance and of
// what payments show of terminals and limits as they come and go. Settle then
// makes the timelines of it, and tells which have changed.

// NewLiveEngine begins with nothing known.
func NewLiveEngine(c *journey.Context, cat *Catalogue) *Engine {
	return &Engine{ctx: c, view: c.View, cat: cat, faults: emptyFaults(c), live: newLive()}
}

// live is what an Engine that is kept current notes besides.
type live struct {
	links   map[string]bool // to be made again
	parts   map[partKey]bool
	notices bool
	bursts  int // errors that addBursts has seen; -1: all anew
	works   map[partKey][]evidence.Instant
	slips   map[batchKey][]slip // not printed, in order of their payments
	slipped []Slip              // of which something has changed
}

type slip struct {
	payment evidence.Instant
	ref     evidence.FactRef
}

func newLive() *live {
	return &live{links: map[string]bool{}, parts: map[partKey]bool{}, works: map[partKey][]evidence.Instant{}, slips: map[batchKey][]slip{}}
}

// board names in works the parts that every answered transaction shows to work.
const board = "board"

// worksName gives the name under which works has a part.
func worksName(part string) string {
	if slices.Contains(boardParts, part) {
		return board
	}
	return part
}

// Hear takes a circumstance that has come, in whatever order of time.
func (e *Engine) Hear(r evidence.FactRef) {
	f, l := e.faults, e.live
	errors := len(f.errorTimes)
	f.hear(r)
	switch fact := e.view.At(r); fact.Type {
	case evidence.LinkStatus:
		l.links[e.view.Text(r, evidence.Link)] = true
	case evidence.Notice:
		l.notices = true
	case evidence.TerminalHealth:
		l.parts[partKey{fact.TID, e.view.Text(r, evidence.Component)}] = true
	case evidence.TerminalSoftware:
		if fact.State == evidence.Crashed || fact.State == evidence.Started {
			l.parts[partKey{fact.TID, softwarePart}] = true
		}
	case evidence.OperatorAction:
		if k := (partKey{fact.TID, keysPart}); f.byPart[k] != nil {
			l.parts[k] = true
		}
	case evidence.GatewayError:
		if n := len(f.errorTimes); n > errors && f.errorTimes[n-1] != r {
			l.bursts = -1 // it came late
		}
	}
}

// Reread forgets what was heard and takes these circumstances instead.
func (e *Engine) Reread(circumstances []evidence.FactRef) {
	fresh := emptyFaults(e.ctx)
	fresh.usage, fresh.unprinted = e.faults.usage, e.faults.unprinted
	for link := range e.faults.links {
		e.live.links[link] = true
	}
	e.faults, e.live.bursts, e.live.notices = fresh, -1, true
	for _, r := range circumstances {
		e.Hear(r)
	}
}

// Worked takes what the payments of a part show of their terminals, or with
// sign -1 takes it back.
func (e *Engine) Worked(m *match.Merchant, sign int) {
	for i := range m.Payments {
		p := &m.Payments[i]
		for _, r := range m.Facts(p) {
			fact := e.view.At(r)
			if fact.Type != evidence.TerminalTransaction {
				continue
			}
			printer, reader, ok := worked(fact)
			if printer {
				e.note(partKey{fact.TID, "printer"}, fact.Time, sign)
			}
			if name := readerOf(fact.Entry); reader && name != "" {
				e.note(partKey{fact.TID, name}, fact.Time, sign)
			}
			if ok {
				e.note(partKey{fact.TID, board}, fact.Time, sign)
			}
			if fact.Result == evidence.Approved {
				e.note(partKey{fact.TID, keysPart}, fact.Time, sign)
			}
			if isUnprinted(fact) {
				e.noteSlip(batchKey{m.MID, fact.TID, fact.Batch}, slip{p.Time, r}, sign)
			}
		}
	}
}

func (e *Engine) note(k partKey, at evidence.Instant, sign int) {
	list := e.live.works[k]
	n := len(list)
	i := n
	if n > 0 && (sign < 0 || list[n-1] > at) {
		i, _ = slices.BinarySearch(list, at)
	}
	if sign > 0 {
		list = slices.Insert(list, i, at)
	} else if i < n && list[i] == at {
		list = slices.Delete(list, i, i+1)
	}
	e.live.works[k] = list
	if k.part != board {
		if e.faults.byPart[k] != nil {
			e.live.parts[k] = true
		}
		return
	}
	for _, part := range boardParts {
		if k := (partKey{k.tid, part}); e.faults.byPart[k] != nil {
			e.live.parts[k] = true
		}
	}
}

func (e *Engine) noteSlip(k batchKey, s slip, sign int) {
	list := e.live.slips[k]
	if sign < 0 {
		list = slices.DeleteFunc(list, func(o slip) bool { return o.ref == s.ref })
	} else {
		i, _ := slices.BinarySearchFunc(list, s, func(a, b slip) int {
			if a.payment != b.payment {
				return int(max(min(a.payment-b.payment, 1), -1))
			}
			return e.view.CompareTime(a.ref, b.ref)
		})
		list = slices.Insert(list, i, s)
	}
	e.live.slipped = append(e.live.slipped, Slip{k.tid, k.batch})
	if e.live.slips[k] = list; len(list) > 0 {
		e.faults.unprinted[k] = list[0].ref
		return
	}
	delete(e.live.slips, k)
	delete(e.faults.unprinted, k)
}

// Changed is what Settle found changed.
type Changed struct {
	// Links of which the faults in force have changed, and the moments at which
	// they will, by time alone.
	Links []string
	// Terminals of which the health has changed.
	Terminals []evidence.Word
	// Slips are the batches of which slips were not printed, or were after all.
	Slips []Slip
	// Networks tells that other links to networks are on record.
	Networks bool
	// Bursts is the stretch in which bursts of errors have changed; 0 for none.
	BurstFrom, BurstTo evidence.Instant
	// Edges are the moments to come at which faults begin or end, by link; by
	// terminal under "terminal/".
	Edges []Edge
}

// Slip names the batch of a slip.
type Slip struct{ TID, Batch evidence.Word }

// Edge is a moment at which a fault begins or ends.
type Edge struct {
	At   evidence.Instant
	Link string        // "" for a terminal's
	TID  evidence.Word // 0 for a link's
}

// Settle makes the timelines of what has been heard.
func (e *Engine) Settle() Changed {
	f, l := e.faults, e.live
	var c Changed
	networks := len(f.networks)
	if l.notices {
		before := f.noticed
		f.noticed = f.readNotices(f.notices)
		for link, t := range f.noticed {
			if !slices.Equal(t, before[link]) {
				l.links[link] = true
			}
		}
		for link := range before {
			if f.noticed[link] == nil {
				l.links[link] = true
			}
		}
		l.notices = false
	}
	for link := range l.links {
		if f.byLink[link] == nil && f.noticed[link] == nil {
			delete(f.links, link)
			if strings.HasPrefix(link, "platform-network/") {
				f.networks = slices.DeleteFunc(f.networks, func(n string) bool { return n == link })
				c.Networks = true
			}
			c.Links = append(c.Links, link)
			continue
		}
		before := f.links[link]
		f.relink(link)
		if !slices.Equal(before, f.links[link]) {
			c.Links = append(c.Links, link)
		}
		for _, i := range f.links[link] {
			c.edges(e.ctx.AsOf, &i, Edge{Link: link})
		}
	}
	clear(l.links)
	c.Networks = c.Networks || len(f.networks) != networks
	for k := range l.parts {
		health, reported := f.health[k], f.reported[k]
		if f.byPart[k] == nil {
			continue
		}
		f.judgePart(k, f.byPart[k], l.works[partKey{k.tid, worksName(k.part)}])
		if !slices.Equal(health, f.health[k]) || !slices.Equal(reported, f.reported[k]) {
			c.Terminals = append(c.Terminals, k.tid)
			for _, list := range []timeline{f.health[k], f.reported[k]} {
				for _, i := range list {
					c.edges(e.ctx.AsOf, &i, Edge{TID: k.tid})
				}
			}
		}
	}
	clear(l.parts)
	c.Slips, l.slipped = l.slipped, nil
	e.settleBursts(&c)
	return c
}

func (c *Changed) edges(now evidence.Instant, i *interval, at Edge) {
	for _, moment := range [2]evidence.Instant{i.from, i.to} {
		if moment > now {
			at.At = moment
			c.Edges = append(c.Edges, at)
		}
	}
}

func (e *Engine) settleBursts(c *Changed) {
	f, l := e.faults, e.live
	if l.bursts == len(f.errorTimes) {
		return
	}
	before := slices.Clone(f.bursts)
	if l.bursts < 0 {
		f.bursts = nil
		f.addBursts(f.errorTimes)
	} else {
		for i := max(0, l.bursts-burstErrors+1); i+burstErrors <= len(f.errorTimes); i++ {
			f.addBurst(f.errorTimes[i : i+burstErrors])
		}
	}
	l.bursts = len(f.errorTimes)
	note := func(from, to evidence.Instant) {
		if c.BurstTo == 0 || from < c.BurstFrom {
			c.BurstFrom = from
		}
		c.BurstTo = max(c.BurstTo, to)
	}
	for i := range max(len(before), len(f.bursts)) {
		switch {
		case i >= len(f.bursts):
			note(before[i].from, before[i].to)
		case i >= len(before):
			note(f.bursts[i].from, f.bursts[i].to)
		case before[i] == f.bursts[i]:
		case before[i].from == f.bursts[i].from && before[i].ref == f.bursts[i].ref: // longer or shorter
			note(min(before[i].to, f.bursts[i].to), max(before[i].to, f.bursts[i].to))
		default:
			note(min(before[i].from, f.bursts[i].from), max(before[i].to, f.bursts[i].to))
		}
	}
}

// TerminalEdges gives the moments to come at which states of a terminal's
// software end.
func (e *Engine) TerminalEdges(tid evidence.Word) []evidence.Instant {
	var out []evidence.Instant
	for _, t := range []timeline{e.faults.crashes(tid), e.faults.lags(tid)} {
		for _, i := range t {
			if i.to > e.ctx.AsOf {
				out = append(out, i.to)
			}
		}
	}
	return out
}

// Daily reports whether a daily limit is on record, so that payments count to it.
func (e *Engine) Daily() bool { return e.faults.daily() }

// Usage is what payments count to a daily limit.
type Usage struct {
	keys   [3]usageKey
	use    use
	counts bool
}

// Usage gives what a payment counts to daily limits.
func (e *Engine) Usage(j *journey.Journey) Usage {
	return Usage{usageKeys(j), use{j.Time, j.Amount}, j.Swipe.Outcome == journey.WasApproved}
}

// Hashes gives the limits that a payment counts to, or is held against, as hashes.
func (u *Usage) Hashes() (out [3]uint64) {
	for i, k := range u.keys {
		out[i] = (k.of.Hash64()*31+uint64(k.kind))*1099511628211 ^ uint64(uint32(k.date))
	}
	return out
}

// Counts reports whether the payment counts: whether it was approved.
func (u *Usage) Counts() bool { return u.counts }

// Use takes what a payment counts to daily limits, or with sign -1 takes it back.
func (e *Engine) Use(u Usage, sign int) {
	if !u.counts {
		return
	}
	for _, k := range u.keys {
		if k.of == 0 {
			continue
		}
		list := e.faults.usage[k]
		if sign > 0 {
			e.faults.usage[k] = append(list, u.use)
		} else if i := slices.Index(list, u.use); i >= 0 {
			list[i] = list[len(list)-1]
			e.faults.usage[k] = list[:len(list)-1]
		}
	}
}

// Judged gives the leg that a cause has to explain.
func Judged(j *journey.Journey) journey.Leg { return judgedLeg(j) }

// Lesson is what a payout adds to the table of delays, which Learn makes; two of
// them that are equal add the same.
type Lesson struct {
	run, took       time.Duration
	hasRun, hasTook bool
	bank            bankKey
	slow, atOnce    share
	paid            share
	payouts         int
	mid             evidence.Word
}

// Lesson gives what a payout teaches at the moment of the question.
func (e *Engine) Lesson(p *match.Payout) (l Lesson) {
	d := &delays{runs: map[evidence.Word]spread{}, banks: map[bankKey]*crediting{}}
	e.learn(d, p)
	l.paid, l.payouts = d.paid, d.payouts
	for mid, run := range d.runs {
		l.mid, l.run, l.hasRun = mid, run[0], true
	}
	for k, b := range d.banks {
		l.bank, l.slow, l.atOnce = k, b.slow, b.slowAtOnce
		if len(b.took) > 0 {
			l.took, l.hasTook = b.took[0], true
		}
	}
	return l
}

// DayEnds gives when the day ends for a payout's merchant, so that what became
// known on it counts to the table of delays.
func (e *Engine) DayEnds(p *match.Payout) evidence.Instant {
	at, offset := p.Sent, int16(0)
	if len(p.Statuses) > 0 {
		offset = e.view.At(p.Statuses[0]).Offset
	}
	t := e.ctx.Book.At(p.MID, at, offset)
	return t.StartOf(t.LocalDate(e.ctx.AsOf).Add(1))
}

// Recall adds to the table that Learn has made what payouts have taught that are
// not in memory any more.
func (e *Engine) Recall(lessons []Lesson) {
	d := e.delays.Load()
	if d == nil || len(lessons) == 0 {
		return
	}
	for _, l := range lessons {
		if l.hasRun {
			d.runs[l.mid] = append(d.runs[l.mid], l.run)
		}
		d.paid.add(l.paid)
		d.payouts += l.payouts
		if l.slow.of+l.atOnce.of == 0 && !l.hasTook {
			continue
		}
		b := d.banks[l.bank]
		if b == nil {
			b = &crediting{}
			d.banks[l.bank] = b
		}
		b.slow.add(l.slow)
		d.all.slow.add(l.slow)
		b.slowAtOnce.add(l.atOnce)
		d.all.slowAtOnce.add(l.atOnce)
		if l.hasTook {
			b.took = append(b.took, l.took)
			if l.bank.days == 0 {
				d.all.took = append(d.all.took, l.took)
			}
		}
	}
	for _, s := range d.runs {
		slices.Sort(s)
	}
	for _, b := range d.banks {
		slices.Sort(b.took)
	}
	slices.Sort(d.all.took)
}
