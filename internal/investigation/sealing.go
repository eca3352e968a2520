package investigation

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/match"
)

// Payments that are over leave memory once a day: those that have arrived, were
// refunded or never charged, of which no fact has come for the time that
// LiveOptions.Keep sets. What they add to others stays: the counts of files, the
// sums of payouts until these are over too, what they show of terminals and count
// to daily limits, and what their payouts teach of delays. Of each payment its
// keys stay for a while, so that a late fact about it is known as such.

// sealing remembers what has left memory.
type sealing struct {
	at      evidence.Instant // of the last time
	keys    map[uint64]uint32
	records map[uint32]sealedRecord
	// payouts are the statuses and entries of the payouts that have left memory too.
	payouts map[match.PayoutKey]sealedPayout
	oldest  uint32
	next    uint32
}

type sealedRecord struct {
	id, mid  evidence.Word
	time     evidence.Instant
	from, to evidence.Instant // of its facts
	at       evidence.Instant
	keys     []uint64
	facts    []factName
	payouts  []match.PayoutKey
}

// factName is the identity of a fact.
type factName struct{ source, id evidence.Word }

func (l *Live) nameOf(r evidence.FactRef) factName {
	f := l.set.At(r)
	return factName{f.Source, f.ID}
}

type sealedPayout struct {
	at       evidence.Instant
	from, to evidence.Instant
	facts    []factName
	sum      match.PayoutSum
}

// remembered is how long the keys of a sealed payment stay: no line, refund or
// chargeback names a payment by its reference for longer.
const remembered = 200 * 24 * time.Hour

func newSealing() sealing {
	return sealing{keys: map[uint64]uint32{}, records: map[uint32]sealedRecord{}, payouts: map[match.PayoutKey]sealedPayout{}}
}

func (s *sealing) any() bool { return len(s.keys) > 0 }

// Sealed names a payment that has left memory, or several that were matched
// together, by the first of them.
type Sealed struct {
	ID  string
	MID string
	// Time is the payment's own.
	Time evidence.Instant
	// Facts are what has to come back, all of it, in any order: the facts of the
	// payment and of those matched together with it, and of payouts that have left
	// memory too the payout.status and bank.entry facts. Their times lie from From
	// to To. What comes besides is passed over.
	Facts    []FactName
	From, To evidence.Instant
}

// FactName is the identity of a fact.
type FactName struct{ Source, ID string }

// sealOver seals what is over, once a day.
func (l *Live) sealOver() {
	if l.opts.Keep < 0 || l.asOf < l.sealed.at.Add(24*time.Hour) {
		return
	}
	l.sealed.at = l.asOf
	bound := l.asOf.Add(-l.opts.Keep)
	sealed := 0
	for id := range l.cells {
		if id := cellID(id); id > nowhere && l.sealable(id, bound) {
			l.seal(id)
			sealed++
		}
	}
	if sealed == 0 {
		return
	}
	for b := range l.eachBank {
		if b.found != nil {
			l.sealPayouts(b, bound)
		}
	}
	l.sweep()
	// Taking facts out of a bank has it joined again; nothing else has changed.
	l.clean = false
	l.settle()
}

// sealable reports whether all payments of a cell are over, and nothing has come
// of them lately.
func (l *Live) sealable(id cellID, bound evidence.Instant) bool {
	c := &l.cells[id]
	// Without payouts, a business date's net proves it: all of the date has to stay.
	if c.into != 0 || c.m == nil || c.m.whole || !c.m.lines.HasPayouts || len(l.res.Merchants[id].Payments) == 0 || l.ambiguous[id] != nil || l.unplaced[id] != nil {
		return false
	}
	for i := range c.tallies {
		if !c.tallies[i].over {
			return false
		}
	}
	for _, r := range c.facts {
		if f := l.set.At(r); f.KnownAt() >= bound || f.MID == 0 || l.several[l.first(r, f)] != nil {
			return false
		}
	}
	return true
}

// seal lets a cell's payments leave memory.
func (l *Live) seal(id cellID) {
	c := &l.cells[id]
	m := c.m
	found := l.res.Merchants[id]
	if len(found.Payments) > 0 {
		l.remember(m, c, found)
	}
	for i := range c.tallies {
		c.tallies[i].usage = nil // it still counts
	}
	l.untally(c, id)
	for _, memo := range c.memos {
		l.sums.memo(memo, -1)
	}
	l.ctx.SumOrders(found, nil)
	for i := range found.Payments {
		delete(l.byID, found.Payments[i].ID)
	}
	for _, r := range c.facts {
		f := l.set.At(r)
		if f.Type == evidence.SettlementLine {
			m.lines.Forget(match.KeyOf(l.view, r, m.mid), r)
		}
		if m.first == r {
			if m.sealed == 0 || f.Time < m.sealed {
				m.sealed, m.sealedOffset = f.Time, f.Offset
			}
			m.first = 0
		}
		m.refs--
		l.forgetFact(r, f)
		if o := l.owners[ownerKey{false, f.Ref}]; f.Ref != 0 && o != nil {
			if o.count(f.MID, -1); o.n == 0 {
				delete(l.owners, ownerKey{false, f.Ref})
			}
		}
	}
	l.res.Merchants[id] = &match.Merchant{MID: m.mid}
	l.cells[id] = cell{m: m, into: nowhere, rematch: c.rematch, rejudge: c.rejudge}
	m.gone++
	l.work.Sealed += len(found.Payments)
}

// remember keeps by what a late fact would name the payments of a cell, and what
// would have to come back for it.
func (l *Live) remember(m *merchant, c *cell, found *match.Merchant) {
	rec := sealedRecord{id: found.Payments[0].ID, mid: m.mid, time: found.Payments[0].Time, at: l.asOf}
	for i := range found.Payments {
		p := &found.Payments[i]
		l.keys.reset()
		for _, r := range found.Facts(p) {
			l.keys.take(l.view, r)
		}
		acts := found.Acts(p)
		for n := range acts {
			for _, r := range found.ActFacts(&acts[n]) {
				l.keys.take(l.view, r)
			}
		}
		rec.keys = append(rec.keys, l.keys.strong(m.mid)...)
	}
	for _, r := range c.facts {
		rec.facts = append(rec.facts, l.nameOf(r))
		f := l.set.At(r)
		if rec.from == 0 || f.Time < rec.from {
			rec.from = f.Time
		}
		rec.to = max(rec.to, f.Time)
		if f.Type == evidence.SettlementLine {
			if k := match.KeyOf(l.view, r, m.mid); !slices.Contains(rec.payouts, k) {
				rec.payouts = append(rec.payouts, k)
			}
		}
	}
	for _, k := range rec.keys {
		l.sealed.keys[k] = l.sealed.next
	}
	l.sealed.records[l.sealed.next] = rec
	l.sealed.next++
}

// forgetFact lets a fact go that is not needed any more.
func (l *Live) forgetFact(r evidence.FactRef, f *evidence.Fact) {
	for h := mix(f.Source.Hash64(), uint64(f.ID)); ; h++ {
		o, ok := l.known[h]
		if o == r {
			delete(l.known, h)
		}
		if !ok || o == r {
			break
		}
	}
	delete(l.clocks, r)
	l.counts.set(r, false)
	l.gone.set(r, true)
}

// strong gives the keys by which a later fact would name the payments: reference,
// order and retrieval reference, or where there is none of these what else there
// is.
func (k *keySet) strong(mid evidence.Word) (keys []uint64) {
	for _, w := range k.refs {
		keys = append(keys, linkKey(mid, linkRef, uint64(w), 0, 0))
	}
	for _, w := range k.orders {
		keys = append(keys, linkKey(mid, linkOrder, uint64(w), 0, 0))
	}
	for _, w := range k.rrns {
		keys = append(keys, linkKey(mid, linkRRN, uint64(w), 0, 0))
	}
	if len(keys) == 0 {
		k.each(mid, func(key uint64) { keys = append(keys, key) })
	}
	return keys
}

// sealPayouts lets the payouts of a bank leave memory whose payments have, with
// all statuses and entries of theirs.
func (l *Live) sealPayouts(b *bank, bound evidence.Instant) {
	over := map[*match.Payout]match.PayoutKey{}
	for k, p := range b.found.Keys {
		m := l.merchants[p.MID]
		if k.ID() != p.ID || len(m.lines.Of(k)) > 0 || len(p.Entries) == 0 || p.Contested || l.seen(p.Statuses, bound) {
			continue
		}
		over[p] = k
	}
	// What belongs together leaves together.
	for again := true; again; {
		again = false
		for p := range over {
			stays := p.Replaces != nil && !has(over, p.Replaces)
			for _, o := range p.ReplacedBy {
				stays = stays || !has(over, o)
			}
			for _, e := range p.Entries {
				stays = stays || l.seen(e.Facts, bound) || slices.ContainsFunc(e.Payouts, func(o *match.Payout) bool { return !has(over, o) })
			}
			if stays {
				delete(over, p)
				again = true
			}
		}
	}
	if len(over) == 0 {
		return
	}
	gone := map[evidence.FactRef]bool{}
	for p, k := range over {
		kept := sealedPayout{at: l.asOf}
		leaves := func(facts []evidence.FactRef) {
			for _, r := range facts {
				gone[r] = true
				kept.facts = append(kept.facts, l.nameOf(r))
				if at := l.set.At(r).Time; kept.from == 0 || at < kept.from {
					kept.from = at
				}
				kept.to = max(kept.to, l.set.At(r).Time)
			}
		}
		leaves(p.Statuses)
		for _, e := range p.Entries {
			leaves(e.Facts)
		}
		l.lessons = append(l.lessons, l.engine.Lesson(p))
		kept.sum = l.merchants[p.MID].lines.Drop(k)
		l.sealed.payouts[k] = kept
	}
	leave := func(r evidence.FactRef) bool { return gone[r] }
	for _, m := range b.merchants {
		m.statuses = slices.DeleteFunc(m.statuses, leave)
	}
	b.entries = slices.DeleteFunc(b.entries, leave)
	for r := range gone {
		l.forgetFact(r, l.set.At(r))
	}
	b.touch(l)
}

func has(set map[*match.Payout]match.PayoutKey, p *match.Payout) bool {
	_, ok := set[p]
	return ok
}

// seen reports whether one of some facts came to be known at a moment or later,
// or has other versions.
func (l *Live) seen(facts []evidence.FactRef, bound evidence.Instant) bool {
	return slices.ContainsFunc(facts, func(r evidence.FactRef) bool {
		f := l.set.At(r)
		return f.KnownAt() >= bound || l.several[l.first(r, f)] != nil
	})
}

// sweep takes what has left memory out of all indexes, lets the facts go, and
// forgets the oldest sealed keys.
func (l *Live) sweep() {
	dead := func(id cellID) bool { return l.standing(id) == 0 }
	maps.DeleteFunc(l.links, func(_ uint64, id cellID) bool { return dead(id) })
	for _, index := range []map[uint64][]offered{l.offers, l.seeks} {
		for k, list := range index {
			if list = slices.DeleteFunc(list, func(o offered) bool { return dead(o.cell) }); len(list) == 0 {
				delete(index, k)
			} else {
				index[k] = list
			}
		}
	}
	for k, list := range l.watchers {
		if list = slices.DeleteFunc(list, dead); len(list) == 0 {
			delete(l.watchers, k)
		} else {
			l.watchers[k] = list
		}
	}
	for _, c := range []*chains{&l.words.chains, &l.near, &l.batches} {
		c.sweep(l.standing)
	}
	for _, m := range l.merchants {
		m.cells = slices.DeleteFunc(m.cells, func(id cellID) bool { return l.cells[id].into != 0 })
		m.gone = 0
	}
	// Nobody names these places any more, but for the queues of what falls due,
	// which look first.
	l.free = l.free[:0]
	for id := int(nowhere) + 1; id < len(l.cells); id++ {
		if c := &l.cells[id]; c.into != 0 && dead(cellID(id)) && !c.rematch && !c.rejudge {
			l.free = append(l.free, cellID(id))
		}
	}
	for n := range l.set.Chunks() {
		size := l.set.ChunkLen(n)
		if size == 0 || n >= len(l.gone.pieces) || l.gone.pieces[n] == nil {
			continue
		}
		left := 0
		for _, gone := range l.gone.pieces[n][:size] {
			if !gone {
				left++
			}
		}
		if left == 0 && l.writer.Release(n) {
			l.gone.pieces[n] = nil
			if n < len(l.counts.pieces) {
				l.counts.pieces[n] = nil
			}
			if n < len(l.cellOf.pieces) {
				l.cellOf.pieces[n] = nil
			}
		}
	}
	for l.sealed.oldest < l.sealed.next {
		rec, ok := l.sealed.records[l.sealed.oldest]
		if ok && rec.at > l.asOf.Add(-remembered) {
			break
		}
		l.forgetRecord(l.sealed.oldest)
		l.sealed.oldest++
	}
	maps.DeleteFunc(l.sealed.payouts, func(_ match.PayoutKey, p sealedPayout) bool { return p.at <= l.asOf.Add(-remembered) })
}

// forgetRecord forgets a sealed payment, whether it is back or too long ago.
func (l *Live) forgetRecord(n uint32) {
	for _, k := range l.sealed.records[n].keys {
		if l.sealed.keys[k] == n {
			delete(l.sealed.keys, k)
		}
	}
	delete(l.sealed.records, n)
}

// sweep keeps the cells that stand, each once.
func (c *chains) sweep(standing func(cellID) cellID) {
	fresh := chains{make(map[uint64]uint32, len(c.heads)), make([]chained, 1, len(c.links))}
	for key := range c.heads {
		var kept []cellID
		c.of(key, func(id cellID) {
			if id = standing(id); id != 0 && !slices.Contains(kept[max(0, len(kept)-8):], id) {
				kept = append(kept, id)
			}
		})
		for _, id := range slices.Backward(kept) {
			fresh.links = append(fresh.links, chained{id, fresh.heads[key]})
			fresh.heads[key] = uint32(len(fresh.links) - 1)
		}
	}
	*c = fresh
}

// unseal looks whether a fact speaks of a sealed payment, and brings that back;
// false where nobody keeps it, and the fact is late.
func (l *Live) unseal(r evidence.FactRef, f *evidence.Fact) bool {
	if l.reloading || !match.NamesPayment(f) && f.Type != evidence.SettlementLine && f.Type != evidence.ClearingLine {
		return true
	}
	switch f.Type {
	case evidence.TerminalTransaction, evidence.GatewayRequest, evidence.GatewayResponse, evidence.GatewayTimeout, evidence.GatewayReversal,
		evidence.GatewayError, evidence.ClearingLine, evidence.SettlementLine, evidence.SaleOrder, evidence.OperatorAction,
		evidence.CaseOpened, evidence.CaseClosed, evidence.RiskDecision:
	default:
		return true
	}
	mid := f.MID
	if mid == 0 {
		mid = l.home(f)
	}
	l.keys.reset()
	l.keys.take(l.view, r)
	var hit []uint32
	l.keys.each(mid, func(key uint64) {
		if n, ok := l.sealed.keys[key]; ok && !slices.Contains(hit, n) {
			hit = append(hit, n)
		}
	})
	for _, n := range hit {
		if why := l.reload(n); why != (fault.Text{}) {
			l.late = append(l.late, Warning{Fact: r, Why: why})
			return false
		}
	}
	return true
}

// sealedOf tells what of a sealed payment has to come back.
func (l *Live) sealedOf(rec sealedRecord) Sealed {
	words := l.view.Words
	s := Sealed{ID: words.Text(rec.id), MID: words.Text(rec.mid), Time: rec.time, From: rec.from, To: rec.to}
	name := func(list []factName) {
		for _, f := range list {
			if n := (FactName{words.Text(f.source), words.Text(f.id)}); !slices.Contains(s.Facts, n) {
				s.Facts = append(s.Facts, n)
			}
		}
	}
	name(rec.facts)
	for _, k := range rec.payouts {
		if p, ok := l.sealed.payouts[k]; ok {
			name(p.facts)
			s.From, s.To = min(s.From, p.from), max(s.To, p.to)
		}
	}
	return s
}

// reload brings a sealed payment back, whole or not at all; why says what stands
// against it.
func (l *Live) reload(n uint32) (why fault.Text) {
	rec, ok := l.sealed.records[n]
	if !ok {
		return why // it came back with another
	}
	who := l.sealedOf(rec)
	if l.opts.Load == nil {
		return fault.Say("it speaks of payment %s, which is over and sealed; ask again with the whole evidence",
			"它涉及已了结并封存的交易 %s；请用全部证据重新查询", who.ID)
	}
	in, err := l.opts.Load(who)
	if err != nil {
		return fault.Say("it speaks of payment %s, which is sealed and could not be loaded: %v; add it again later",
			"它涉及已封存的交易 %s，未能取回：%v；请稍后重新提交", who.ID, err)
	}
	defer in.Close()
	back := evidence.NewSet()
	if err := evidence.ReadNDJSON(in, back.Writer(back.AddFile("sealed")), func(int, fault.Text) {}); err != nil {
		return fault.Say("it speaks of payment %s, which is sealed and could not be read whole: %v; add it again later",
			"它涉及已封存的交易 %s，未能完整读取：%v；请稍后重新提交", who.ID, err)
	}
	missing := map[FactName]bool{}
	for _, f := range who.Facts {
		missing[f] = true
	}
	var lines bytes.Buffer
	for r, f := range back.All {
		if name := (FactName{back.Words.Text(f.Source), back.Words.Text(f.ID)}); missing[name] {
			delete(missing, name)
			lines.Write(append(back.AppendJSON(nil, r), '\n'))
		}
	}
	if len(missing) > 0 {
		return fault.Say("it speaks of payment %s, which is sealed and came back without %d of its %d facts; look at the store",
			"它涉及已封存的交易 %s，取回时缺 %d 条（共 %d 条）证据；请检查存储", who.ID, len(missing), len(who.Facts))
	}
	l.forgetRecord(n)
	for _, k := range rec.payouts {
		if p, ok := l.sealed.payouts[k]; ok {
			l.merchants[rec.mid].lines.Restore(k, p.sum)
			delete(l.sealed.payouts, k)
		}
	}
	mark := l.writer.Mark()
	_ = evidence.ReadNDJSON(&lines, l.writer, func(int, fault.Text) {}) // it was read once
	var come []evidence.FactRef
	for r := range l.writer.Since(mark) {
		come = append(come, r)
	}
	l.reloading = true
	var added Added
	for _, r := range come {
		l.arrive(r, l.set.At(r), &added)
	}
	l.reloading = false
	return why
}

// Since gives the moment from which on a store has to give all facts of payments,
// payouts and accounts for the answers of the payments in memory, after a restart:
// the earliest of their facts. Of merchant.terms, calendar.holiday, account.status,
// risk.decision, limit.policy and the circumstances it has to give all.
func (c *Current) Since() (first evidence.Instant) {
	l := c.l
	note := func(r evidence.FactRef) {
		if at := l.set.At(r).Time; first == 0 || at < first {
			first = at
		}
	}
	for id := range l.cells {
		for _, r := range l.cells[id].facts {
			note(r)
		}
	}
	for b := range l.eachBank {
		for _, r := range b.entries {
			note(r)
		}
		for _, m := range b.merchants {
			for _, r := range m.statuses {
				note(r)
			}
		}
	}
	return first
}
