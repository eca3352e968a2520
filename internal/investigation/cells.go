package investigation

import (
	"slices"

	"daozhang/internal/evidence"
	"daozhang/internal/journey"
	"daozhang/internal/match"
	"daozhang/internal/terms"
)

// cell is facts of one merchant that some key joins, directly or through others:
// mostly one payment. No key joins them to facts of another cell, so that each is
// matched by itself and the result is that of matching all.
type cell struct {
	m     *merchant
	facts []evidence.FactRef
	into  cellID // the cell it was joined to; 0 while it stands
	next  evidence.Instant
	// rematch and rejudge tell what is to be done, and that it is in its queue.
	rematch, rejudge bool
	flags            cellFlags
	network          evidence.Word // of the payments on their way
	watch            uint64        // of what they are watched under
	tallies          []tally
	memos            []memo
}

// cellID is the place of a cell, and of what was matched in it among the
// merchants of the Result; 0 is none.
type cellID uint32

// merchant is what is known of one merchant besides its payments.
type merchant struct {
	mid   evidence.Word
	lines *match.Lines
	cells []cellID // some of them may have been joined to others
	gone  int      // of these
	refs  int      // facts of payments
	// first is the earliest fact of its payments, whose zone holds where no terms
	// name one; assumed is the zone for which the book is prepared.
	first evidence.FactRef
	lost  bool // first is to be found again
	// sealed is the time of an earlier first that was sealed, and the zone of it.
	sealed       evidence.Instant
	sealedOffset int16
	assumed      int16
	prepared     bool
	terms        []evidence.FactRef
	restate      bool
	statuses     []evidence.FactRef
	general      []evidence.FactRef
	bank         *bank
	stirred      bool
	// whole tells that its terms are inferred from its history: then all of its
	// payments are one cell.
	whole    bool
	moved    bool // matched again under the inferred terms
	asFound  match.Part
	inferred *terms.Terms
	days     map[journey.DayKey]*dayTally
}

func (l *Live) merchant(mid evidence.Word) *merchant {
	m := l.merchants[mid]
	if m == nil {
		m = &merchant{mid: mid, lines: match.NewLines(mid), days: map[journey.DayKey]*dayTally{}}
		m.bank = &bank{merchants: []*merchant{m}}
		l.merchants[mid] = m
		l.stir(m)
	}
	return m
}

// stir has the merchant looked at when answers are next asked for.
func (l *Live) stir(m *merchant) {
	if !m.stirred {
		m.stirred = true
		l.stirred = append(l.stirred, m)
	}
}

// begin keeps the merchant's earliest fact.
func (m *merchant) begin(l *Live, r evidence.FactRef, on bool) {
	if !on {
		m.refs--
		if m.first == r || m.refs == 0 {
			m.lost = true
			l.stir(m)
		}
		return
	}
	if m.refs++; m.refs == 1 {
		l.stir(m)
	}
	if f := l.set.At(r); m.first == 0 && (m.sealed == 0 || f.Time < m.sealed) || m.first != 0 && l.set.CompareTime(r, m.first) < 0 {
		m.first = r
		if !m.prepared || l.set.At(r).Offset != m.assumed {
			l.stir(m)
		}
	}
}

// inferable reports whether terms are inferred from the merchant's history.
func (l *Live) inferable(m *merchant) bool {
	return m.mid != 0 && len(m.lines.Settlement) > 0 && len(l.book.All(m.mid)) == 0
}

// nowhere is what cells are joined to that have been taken apart.
const nowhere cellID = 1

// standing gives the cell that a cell has become; 0 for none.
func (l *Live) standing(id cellID) cellID {
	for l.cells[id].into != 0 {
		if next := l.cells[l.cells[id].into].into; next != 0 {
			l.cells[id].into = next
		}
		id = l.cells[id].into
	}
	if id == nowhere {
		return 0
	}
	return id
}

// stands is standing for readers, of whom there may be several: it shortens no way.
func (l *Live) stands(id cellID) cellID {
	for l.cells[id].into != 0 {
		id = l.cells[id].into
	}
	if id == nowhere {
		return 0
	}
	return id
}

func (l *Live) newCell(m *merchant) cellID {
	var id cellID
	if n := len(l.free); n > 0 {
		id, l.free = l.free[n-1], l.free[:n-1]
		l.cells[id] = cell{m: m}
	} else {
		id = cellID(len(l.cells))
		l.cells = append(l.cells, cell{m: m})
		l.res.Merchants = append(l.res.Merchants, nil)
	}
	l.res.Merchants[id] = &match.Merchant{MID: m.mid}
	m.cells = append(m.cells, id)
	return id
}

// each calls use for every cell of a merchant.
func (l *Live) each(m *merchant, use func(cellID)) {
	if m.gone > 16 && m.gone > len(m.cells)/2 {
		m.cells = slices.DeleteFunc(m.cells, func(id cellID) bool { return l.cells[id].into != 0 })
		m.gone = 0
	}
	for _, id := range m.cells {
		if l.cells[id].into == 0 {
			use(id)
		}
	}
}

// join puts a fact into the cell whose keys it shares.
func (l *Live) join(m *merchant, r evidence.FactRef) {
	var into cellID
	if m.whole {
		into = l.wholeCell(m)
	} else {
		l.keys.reset()
		l.keys.take(l.view, r)
		l.keys.each(m.mid, func(key uint64) {
			id := l.standing(l.links[key])
			switch {
			case id == 0:
			case into == 0:
				into = id
			case id != into:
				into = l.merge(id, into)
			}
		})
		if into == 0 {
			into = l.newCell(m)
		}
		l.keys.each(m.mid, func(key uint64) { l.links[key] = into })
	}
	c := &l.cells[into]
	c.facts = append(c.facts, r)
	l.cellOf.set(r, into)
	l.match(into)
}

func (l *Live) wholeCell(m *merchant) cellID {
	for _, id := range m.cells {
		if l.cells[id].into == 0 {
			return id
		}
	}
	return l.newCell(m)
}

// part takes a fact out of its cell. What it joined stays together, which does no
// harm.
func (l *Live) part(m *merchant, r evidence.FactRef) {
	id := l.standing(l.cellOf.at(r))
	c := &l.cells[id]
	c.facts = slices.DeleteFunc(c.facts, func(o evidence.FactRef) bool { return o == r })
	l.match(id)
}

// merge makes two cells one and gives which stands.
func (l *Live) merge(a, b cellID) cellID {
	if a == b {
		return a
	}
	if len(l.cells[a].facts) < len(l.cells[b].facts) {
		a, b = b, a
	}
	l.retire(b)
	into, from := &l.cells[a], &l.cells[b]
	into.facts = append(into.facts, from.facts...)
	for _, r := range from.facts {
		l.cellOf.set(r, a)
	}
	*from = cell{m: from.m, into: a, rematch: from.rematch, rejudge: from.rejudge}
	from.m.gone++
	l.match(a)
	return a
}

// retire takes back all that was found in a cell.
func (l *Live) retire(id cellID) {
	c := &l.cells[id]
	if used := c.usages(); len(used) > 0 {
		l.usageChanged(used)
	}
	l.untally(c, id)
	for _, m := range c.memos {
		l.sums.memo(m, -1)
	}
	c.memos = nil
	old := l.res.Merchants[id]
	l.engine.Worked(old, -1)
	l.ctx.SumOrders(old, nil)
	l.res.Merchants[id] = &match.Merchant{MID: c.m.mid}
	if l.ambiguous[id] != nil {
		delete(l.ambiguous, id)
		l.doubts = true
	}
	delete(l.unplaced, id)
	for i := range old.Payments {
		if w := old.Payments[i].ID; l.byID[w] == id {
			delete(l.byID, w)
		}
	}
}

// match has a cell matched again.
func (l *Live) match(id cellID) {
	if c := &l.cells[id]; !c.rematch {
		c.rematch = true
		l.rematch = append(l.rematch, id)
	}
}

// matchAll matches again the cells in which something has changed, and joins
// those that turn out to share keys.
func (l *Live) matchAll() {
	for len(l.rematch) > 0 {
		id := l.rematch[len(l.rematch)-1]
		l.rematch = l.rematch[:len(l.rematch)-1]
		c := &l.cells[id]
		c.rematch = false
		if c.into != 0 {
			continue
		}
		if c.m.whole {
			l.wholes[c.m] = true
			continue
		}
		l.retire(id)
		l.install(id, l.worker.Part(l.view, l.book, c.m.mid, c.facts))
		l.work.Matched++
		l.relink(id)
	}
}

// install puts what was found in a cell in its place.
func (l *Live) install(id cellID, part match.Part) {
	c := &l.cells[id]
	part.Clearing, part.Settlement = nil, nil
	l.res.Merchants[id] = part.Merchant
	if len(part.Ambiguous) > 0 {
		l.ambiguous[id] = part.Ambiguous
		l.doubts = true
	}
	if len(part.Unplaced) > 0 {
		l.unplaced[id] = part.Unplaced
	}
	for _, r := range part.Deductions {
		m := memoOf(l.view, c.m.mid, r)
		c.memos = append(c.memos, m)
		l.sums.memo(m, 1)
	}
	l.engine.Worked(part.Merchant, 1)
	for i := range part.Payments {
		l.byID[part.Payments[i].ID] = id
	}
	for _, r := range c.facts {
		f := l.view.At(r)
		for _, w := range [6]evidence.Word{f.RRN, f.STAN, f.OrderID, f.Ref, f.AuthCode, f.Payout} {
			l.words.add(w, id)
		}
		if f.Batch != 0 {
			l.batches.add(mix(uint64(f.TID), uint64(f.Batch)), id)
		}
	}
	l.judge(id)
}

// relink registers the keys of what was found in a cell, and joins it to the cells
// that share one.
func (l *Live) relink(id cellID) {
	c := &l.cells[id]
	m, facts := c.m, c.facts
	found := l.res.Merchants[id]
	share := func(key uint64) {
		self, other := l.standing(id), l.standing(l.links[key])
		if other != 0 && other != self {
			self = l.merge(self, other)
		}
		l.links[key] = self
	}
	group := func(facts []evidence.FactRef, amounts []evidence.FactRef, act bool) {
		l.keys.reset()
		for _, r := range facts {
			l.grouped[r] = true
			l.keys.take(l.view, r)
		}
		for _, r := range amounts {
			l.keys.takeAmounts(l.view, r)
		}
		l.keys.each(m.mid, share)
		l.offer(m, id, facts, act)
	}
	for i := range found.Payments {
		p := &found.Payments[i]
		var amounts []evidence.FactRef
		acts := found.Acts(p)
		for n := range acts {
			amounts = append(amounts, found.ActFacts(&acts[n])...)
			group(found.ActFacts(&acts[n]), nil, true)
		}
		facts := found.Facts(p)
		group(facts, amounts, slices.ContainsFunc(facts, func(r evidence.FactRef) bool { return match.Seeks(l.view.At(r)) }))
	}
	for _, r := range found.Deductions {
		group([]evidence.FactRef{r}, nil, true)
	}
	// What belongs to no payment, told of or not, may yet find one.
	var loose []evidence.FactRef
	for _, r := range facts {
		if !l.grouped[r] {
			loose = append(loose, r)
		}
	}
	if len(loose) > 0 {
		group(loose, nil, slices.ContainsFunc(loose, func(r evidence.FactRef) bool { return match.Seeks(l.view.At(r)) }))
	}
	clear(l.grouped)
}

// keySet gathers what facts of one transaction know, all of them together.
type keySet struct {
	refs, orders, rrns, tids, batches, stans, auths, pans []evidence.Word
	amounts                                               []int64
}

func (k *keySet) reset() {
	k.refs, k.orders, k.rrns, k.tids, k.batches = k.refs[:0], k.orders[:0], k.rrns[:0], k.tids[:0], k.batches[:0]
	k.stans, k.auths, k.pans, k.amounts = k.stans[:0], k.auths[:0], k.pans[:0], k.amounts[:0]
}

func note[T comparable](list []T, v T) []T {
	var none T
	if v == none || slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

func (k *keySet) take(v *evidence.View, r evidence.FactRef) {
	f := v.At(r)
	k.refs = note(k.refs, f.Ref)
	k.orders = note(k.orders, f.OrderID)
	k.rrns = note(k.rrns, match.Told(v.Words, f.RRN))
	k.tids = note(k.tids, f.TID)
	k.batches = note(k.batches, f.Batch)
	k.stans = note(k.stans, match.Told(v.Words, f.STAN))
	k.auths = note(k.auths, match.Told(v.Words, f.AuthCode))
	if four, ok := evidence.LastFour(f.PAN); ok {
		k.pans = note(k.pans, evidence.Word(four)+1)
	} else {
		k.pans = note(k.pans, f.PAN)
	}
	if t := v.Text(r, evidence.OriginalRRN); t != "" {
		k.rrns = note(k.rrns, v.Words.OfString(t))
	}
	k.takeAmounts(v, r)
}

func (k *keySet) takeAmounts(v *evidence.View, r evidence.FactRef) {
	if amount, ok := v.At(r).Amount(); ok {
		k.amounts = note(k.amounts, amount+1)
	}
	if amount, ok := v.Num(r, evidence.ApprovedAmount); ok {
		k.amounts = note(k.amounts, amount+1)
	}
}

// The levels of match by which facts of one payment find each other.
const (
	linkRef = iota + 1
	linkOrder
	linkRRN
	linkBatch
	linkTrace
	linkAuth
	linkMinute
	linkStan // offered and sought
	linkCode
)

func linkKey(mid evidence.Word, kind int, a, b, c uint64) uint64 {
	return mix(mix(mix(uint64(mid), uint64(kind)), a), mix(b, c))
}

// each calls use with every key by which the facts may be joined to others,
// whichever of them knows its parts. Windows of time and business dates are left
// out: cells may be larger than they need to be, never smaller.
func (k *keySet) each(mid evidence.Word, use func(uint64)) {
	for _, w := range k.refs {
		use(linkKey(mid, linkRef, uint64(w), 0, 0))
	}
	for _, w := range k.orders {
		use(linkKey(mid, linkOrder, uint64(w), 0, 0))
	}
	for _, w := range k.rrns {
		use(linkKey(mid, linkRRN, uint64(w), 0, 0))
	}
	for _, tid := range k.tids {
		for _, stan := range k.stans {
			for _, batch := range k.batches {
				use(linkKey(mid, linkBatch, uint64(tid), uint64(stan), uint64(batch)))
			}
			for _, amount := range k.amounts {
				use(linkKey(mid, linkTrace, uint64(tid), uint64(stan), uint64(amount)))
			}
		}
		for _, pan := range k.pans {
			for _, amount := range k.amounts {
				use(linkKey(mid, linkMinute, uint64(tid), uint64(pan), uint64(amount)))
			}
		}
	}
	for _, auth := range k.auths {
		for _, pan := range k.pans {
			for _, amount := range k.amounts {
				use(linkKey(mid, linkAuth, uint64(auth), uint64(pan), uint64(amount)))
			}
		}
	}
}

// offer makes a transaction findable by its trace numbers and approval codes, for
// what acts on a payment without knowing more; a transaction that is such an act
// is joined to those that offer what it seeks.
func (l *Live) offer(m *merchant, id cellID, facts []evidence.FactRef, act bool) {
	var tids, stans, auths, sought []evidence.Word
	stated := false
	for _, r := range facts {
		f := l.view.At(r)
		tids = note(tids, f.TID)
		stans = note(stans, match.Told(l.view.Words, f.STAN))
		auths = note(auths, match.Told(l.view.Words, f.AuthCode))
		if act {
			if t := l.view.Text(r, evidence.OriginalSTAN); t != "" {
				sought = note(sought, l.view.Words.OfString(t))
				stated = true
			}
			stated = stated || l.view.Text(r, evidence.OriginalRRN) != ""
		}
	}
	if len(tids) == 0 {
		tids = append(tids, 0)
	}
	meet := func(index map[uint64][]offered, key uint64, tid evidence.Word) {
		for _, o := range index[key] {
			other, self := l.standing(o.cell), l.standing(id)
			if other != 0 && other != self && (o.tid == tid || o.tid == 0 || tid == 0) {
				l.merge(self, other)
			}
		}
	}
	put := func(index map[uint64][]offered, key uint64, tid evidence.Word) {
		list := index[key]
		self := l.standing(id)
		for i := len(list) - 1; i >= max(0, len(list)-4); i-- {
			if list[i].tid == tid && l.standing(list[i].cell) == self {
				return
			}
		}
		index[key] = append(list, offered{self, tid})
	}
	for _, stan := range stans {
		key := linkKey(m.mid, linkStan, uint64(stan), 0, 0)
		for _, tid := range tids {
			meet(l.seeks, key, tid)
			put(l.offers, key, tid)
		}
	}
	for _, auth := range auths {
		key := linkKey(m.mid, linkCode, uint64(auth), 0, 0)
		meet(l.seeks, key, 0)
		put(l.offers, key, 0)
	}
	if !act {
		return
	}
	for _, stan := range append(sought, stans...) {
		key := linkKey(m.mid, linkStan, uint64(stan), 0, 0)
		for _, tid := range tids {
			meet(l.offers, key, tid)
			put(l.seeks, key, tid)
		}
	}
	if stated && !slices.ContainsFunc(facts, func(r evidence.FactRef) bool {
		f := l.view.At(r)
		return f.Type == evidence.GatewayReversal || f.Kind == evidence.Reversal
	}) {
		return // it says whom it acts on
	}
	for _, auth := range auths {
		key := linkKey(m.mid, linkCode, uint64(auth), 0, 0)
		meet(l.offers, key, 0)
		put(l.seeks, key, 0)
	}
}

type offered struct {
	cell cellID
	tid  evidence.Word
}

// chains maps keys to the cells that have had them.
type chains struct {
	heads map[uint64]uint32
	links []chained
}

type chained struct {
	cell cellID
	next uint32
}

func newChains() chains { return chains{map[uint64]uint32{}, make([]chained, 1)} }

func (c *chains) add(key uint64, id cellID) {
	head := c.heads[key]
	for n, at := 0, head; at != 0 && n < 4; n, at = n+1, c.links[at].next {
		if c.links[at].cell == id {
			return
		}
	}
	c.heads[key] = uint32(len(c.links))
	c.links = append(c.links, chained{id, head})
}

// of calls use for the cells that have had a key, some of them more than once.
func (c *chains) of(key uint64, use func(cellID)) {
	for at := c.heads[key]; at != 0; at = c.links[at].next {
		use(c.links[at].cell)
	}
}

type wordChains struct{ chains }

func (w *wordChains) add(word evidence.Word, id cellID) {
	if word != 0 {
		w.chains.add(uint64(word), id)
	}
}

// nearKey names an hour of a terminal.
func nearKey(tid evidence.Word, at evidence.Instant) uint64 {
	return mix(uint64(tid), uint64(at.Unix()/3600))
}

// settleMerchants brings terms, and what is assumed where there are none, up to
// date, for merchants of which something has changed.
func (l *Live) settleMerchants() {
	if l.rebook {
		l.unlearned = true
		var all []evidence.FactRef
		for _, m := range l.merchants {
			all = append(all, m.terms...)
			m.prepared, m.restate = false, false
			l.stir(m)
		}
		l.book = terms.ReadFacts(l.view, all, slices.Clone(l.holidays))
		l.rebook = false
		l.res.Book = l.book
	}
	for i := 0; i < len(l.stirred); i++ {
		m := l.stirred[i]
		m.stirred = false
		again := false // match everything of it
		if m.restate {
			l.unlearned = true
			l.book.Restate(l.view, m.mid, m.terms)
			m.restate, m.prepared = false, false
		}
		if m.lost {
			m.lost, m.first = false, 0
			l.each(m, func(id cellID) {
				for _, r := range l.cells[id].facts {
					if m.first == 0 || l.set.CompareTime(r, m.first) < 0 {
						m.first = r
					}
				}
			})
		}
		offset := m.sealedOffset
		if m.first != 0 && (m.sealed == 0 || l.set.At(m.first).Time < m.sealed) {
			offset = l.set.At(m.first).Offset
		}
		if known := m.refs > 0 || m.sealed != 0 || len(m.general) > 0 || len(m.statuses) > 0; known != m.prepared || offset != m.assumed {
			again = m.refs > 0
			l.book.Forget(m.mid)
			if known {
				l.book.Prepare(m.mid, offset)
			}
			m.prepared, m.assumed = known, offset
			l.touchStrays(m.mid)
			l.bankOf(m).touch(l)
			l.directly = true
		}
		l.knowTerms(m)
		if whole := l.inferable(m); whole != m.whole {
			l.regroup(m, whole)
		}
		if again {
			l.each(m, l.match)
		}
	}
	l.stirred = l.stirred[:0]
}

// knowTerms notes where the payouts of a merchant are to come by its terms.
func (l *Live) knowTerms(m *merchant) {
	list := l.book.All(m.mid)
	for _, t := range list {
		l.know(m.mid, t.Account, t.Bank)
	}
	if len(list) == 0 {
		l.know(m.mid, "", "")
	}
}

// regroup makes the payments of a merchant one cell, or cells of their own.
func (l *Live) regroup(m *merchant, whole bool) {
	var facts []evidence.FactRef
	l.each(m, func(id cellID) {
		facts = append(facts, l.cells[id].facts...)
		l.retire(id)
		c := &l.cells[id]
		*c = cell{m: m, into: nowhere, rematch: c.rematch, rejudge: c.rejudge}
	})
	m.cells, m.gone, m.whole = nil, 0, whole
	if !whole {
		if m.inferred != nil {
			l.book.Forget(m.mid)
			m.prepared = false
			l.stir(m)
		}
		m.inferred, m.asFound = nil, match.Part{}
		if m.moved {
			m.moved = false
			l.moved--
		}
		delete(l.wholes, m)
	}
	for _, r := range facts {
		l.join(m, r)
	}
}

// matchWholes matches merchants whose terms are inferred, as Investigate does: by
// what is usual first, then, where business dates have moved by what the history
// of any of them shows, once more.
func (l *Live) matchWholes() {
	if len(l.wholes) == 0 {
		return
	}
	anyMoved := l.moved > 0
	for m := range l.wholes {
		l.book.Forget(m.mid)
		l.book.Prepare(m.mid, m.assumed)
		id := l.wholeCell(m)
		part := l.worker.Part(l.view, l.book, m.mid, l.cells[id].facts)
		l.work.Matched++
		t, moved := inferFrom(l.book, part.Merchant, history(l.view, part.Merchant))
		m.inferred, m.asFound = t, part
		if moved != m.moved {
			m.moved = moved
			if moved {
				l.moved++
			} else {
				l.moved--
			}
		}
	}
	if l.moved > 0 != anyMoved {
		for _, m := range l.merchants {
			if m.whole {
				l.wholes[m] = true
			}
		}
	}
	for m := range l.wholes {
		id := l.wholeCell(m)
		l.retire(id)
		part := m.asFound
		if l.moved > 0 {
			part = l.worker.Part(l.view, l.book, m.mid, l.cells[id].facts)
		}
		l.install(id, part)
		l.bankOf(m).touch(l)
	}
	clear(l.wholes)
}
