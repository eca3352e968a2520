package match

import (
	"cmp"
	"slices"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/money"
)

// hosts finds charges, or acts of one class, by key. Buckets are in order of
// time; groups founded by lines are added as they come.
type hosts struct {
	byRef, byOrder, byRRN map[evidence.Word][]int32
	// weak holds the tables of the weak levels: of all groups, and of those
	// that do not know their retrieval reference, which are all that a line
	// with one can mean.
	weak map[weakTable]map[classedKey][]int32
	// byTrace and byCode find charges by trace number and by approval code;
	// made when first asked for.
	byTrace, byCode map[evidence.Word][]int32
}

// traced gives the charges with a trace number, in order of time but for those
// that lines have founded.
func (h *hosts) traced(m *matcher, stan evidence.Word) []int32 {
	if h.byTrace == nil {
		h.byTrace, h.byCode = map[evidence.Word][]int32{}, map[evidence.Word][]int32{}
		var standing []int32
		for i := range m.groups {
			if g := &m.groups[i]; g.parent == g.at && g.class == charge && (g.stan != 0 || g.auth != 0) {
				standing = append(standing, g.at)
			}
		}
		m.byTime(standing)
		for _, at := range standing {
			h.trace(&m.groups[at])
		}
	}
	return h.byTrace[stan]
}

// approved gives the charges with an approval code.
func (h *hosts) approved(m *matcher, code evidence.Word) []int32 {
	h.traced(m, 0)
	return h.byCode[code]
}

// trace makes a charge findable by its trace number and approval code.
func (h *hosts) trace(g *group) {
	for _, k := range []struct {
		to  map[evidence.Word][]int32
		key evidence.Word
	}{{h.byTrace, g.stan}, {h.byCode, g.auth}} {
		if list := k.to[k.key]; k.key != 0 && (len(list) == 0 || list[len(list)-1] != g.at) {
			k.to[k.key] = append(list, g.at)
		}
	}
}

type weakTable struct {
	level level
	bare  bool
}

func (m *matcher) newHosts(c class) *hosts {
	h := &hosts{byRef: map[evidence.Word][]int32{}, byOrder: map[evidence.Word][]int32{}}
	if c == charge && m.room.byRRN == nil {
		m.room.byRRN = make(map[evidence.Word][]int32, len(m.groups))
	}
	if h.byRRN = map[evidence.Word][]int32{}; c == charge && !m.room.lent {
		h.byRRN, m.room.lent = m.room.byRRN, true
		clear(h.byRRN)
	}
	one := make([]int32, 0, len(m.groups)) // most keys have one group: cut their lists from one piece
	standing := make([]*group, 0, len(m.groups))
	for i := range m.groups {
		if g := &m.groups[i]; g.parent == g.at && g.class == c {
			standing = append(standing, g)
		}
	}
	slices.SortFunc(standing, compareGroups)
	add := func(to map[evidence.Word][]int32, key evidence.Word, at int32) {
		if key == 0 {
			return
		}
		if list := to[key]; list != nil {
			to[key] = append(list, at)
			return
		}
		one = append(one, at)
		n := len(one)
		to[key] = one[n-1 : n : n]
	}
	for _, g := range standing {
		add(h.byRef, g.ref, g.at)
		add(h.byOrder, g.order, g.at)
		add(h.byRRN, g.rrn, g.at)
	}
	return h
}

// add makes a group that a line has founded findable.
func (h *hosts) add(m *matcher, g *group) {
	note := func(to map[evidence.Word][]int32, key evidence.Word) {
		if list := to[key]; key != 0 && !recently(list, g.at) {
			to[key] = append(list, g.at)
		}
	}
	note(h.byRef, g.ref)
	note(h.byOrder, g.order)
	note(h.byRRN, g.rrn)
	if h.byTrace != nil && g.class == charge {
		h.trace(g)
	}
	for l, table := range h.weak {
		if l.bare && g.rrn != 0 {
			continue
		}
		if k, ok := m.weakKey(g, l.level); ok && !recently(table[k], g.at) {
			table[k] = append(table[k], g.at)
		}
	}
}

// recently reports whether a group is among the last of a list. One that stands
// in it twice does no harm, but looking through all that share a key would.
func recently(list []int32, at int32) bool {
	return slices.Contains(list[max(0, len(list)-bucketBound):], at)
}

// weakly gives the table of a weak level, made when it is first asked for.
func (h *hosts) weakly(m *matcher, c class, l weakTable) map[classedKey][]int32 {
	if h.weak == nil {
		h.weak = map[weakTable]map[classedKey][]int32{}
	}
	if t, ok := h.weak[l]; ok {
		return t
	}
	t := map[classedKey][]int32{}
	standing := make([]*group, 0, len(m.groups))
	for i := range m.groups {
		if g := &m.groups[i]; g.parent == g.at && g.class == c && !(l.bare && g.rrn != 0) {
			standing = append(standing, g)
		}
	}
	slices.SortFunc(standing, compareGroups)
	for _, g := range standing {
		if k, ok := m.weakKey(g, l.level); ok {
			t[k] = append(t[k], g.at)
		}
	}
	h.weak[l] = t
	return t
}

// lineKeys is what a line knows, as a group to compare with, and the business
// dates it may belong to.
type lineKeys struct {
	group
	bound evidence.Instant // no payment after it can be meant
	fact  *evidence.Fact
}

func (m *matcher) keysOf(i int32) lineKeys {
	f := m.fact(i)
	k := lineKeys{fact: f, bound: f.Time}
	k.at, k.parent = -1, -1
	k.time, k.seen = f.Time, witnessOf(f)
	if f.TransactionTime != 0 {
		k.time = f.TransactionTime
		k.bound = max(k.bound, f.TransactionTime.Add(minuteWindow))
	}
	if f.Date != 0 { // a line with only a date is about all of that date
		k.bound = max(k.bound, m.book.At(m.mid, f.Time, f.Offset).EndOf(f.Date))
	}
	k.ref, k.order, k.rrn, k.tid, k.batch, k.stan, k.auth, k.pan = f.Ref, f.OrderID, m.told(f.RRN), f.TID, f.Batch, m.told(f.STAN), m.told(f.AuthCode), f.PAN
	k.amount, k.hasAmount = f.Amount()
	return k
}

// closes reports whether the file of a line closes a business date: the date of
// clearing, the date whose due day is the settlement date, or the date of the
// transaction time.
func (m *matcher) closes(k *lineKeys, g *group) bool {
	t := m.book.At(m.mid, g.time, m.fact(g.head).Offset)
	date := m.businessDate(g)
	if k.fact.TransactionTime != 0 && t.BusinessDate(k.fact.TransactionTime) == date {
		return true
	}
	switch {
	case k.fact.Date == 0:
		return k.fact.TransactionTime == 0 && t.BusinessDate(k.fact.Time) == date
	case k.fact.Type == evidence.ClearingLine:
		return k.fact.Date == date || t.Calendar.NextOnOrAfter(date) == k.fact.Date
	default:
		return t.Due(g.time, g.time, date, false).Day == k.fact.Date
	}
}

// placeLines gives each line of a clearing or settlement file to the payment or
// act it speaks of, and founds one where there is none.
func (m *matcher) placeLines(files []int32) {
	if len(files) == 0 {
		return
	}
	tables := map[class]*hosts{}
	table := func(c class) *hosts {
		h := tables[c]
		if h == nil {
			h = m.newHosts(c)
			tables[c] = h
		}
		return h
	}
	// Lines that found nothing by a strong key wait for those that did.
	var waiting []int32
	for n, i := range files {
		m.near(files, n)
		c := classOf(m.fact(i))
		m.count(m.facts[i])
		if c == chargebackAct || c == deduction {
			m.deduct = append(m.deduct, i)
			continue
		}
		h := table(c)
		k := m.keysOf(i)
		k.class = c
		if !m.placeStrong(h, i, &k) {
			waiting = append(waiting, i)
		}
	}
	waiting = m.placeWeakly(table, waiting)
	for _, i := range waiting {
		c := classOf(m.fact(i))
		k := m.keysOf(i)
		k.class = c
		// A line founded meanwhile may be of the same payment.
		if h := table(c); !m.placeStrong(h, i, &k) && !m.placeBeside(h, i, &k) {
			h.add(m, m.found(i, c))
		}
	}
}

// placeDeductions gives the lines that take something away to the payments they
// name, once acts have found theirs: a line may name a payment's completion.
func (m *matcher) placeDeductions() {
	var h, completions *hosts
	for _, i := range m.deduct {
		c := classOf(m.fact(i))
		if h == nil {
			h, completions = m.newHosts(charge), m.newHosts(completionAct)
		}
		m.placeDeduction(h, completions, i, c)
	}
}

// count notes a line for its file and its payout.
func (m *matcher) count(r evidence.FactRef) {
	f := m.v.At(r)
	if f.Type == evidence.ClearingLine {
		k := FileKey{f.Network, f.Date}
		m.out.Clearing[k] = m.out.Clearing[k].With(signed(f))
		return
	}
	m.out.HasPayouts = true
	net := LineNet(f)
	m.out.Settlement[f.Date] = m.out.Settlement[f.Date].With(net)
	k := payoutOfLine(m.v, r, m.mid)
	p := m.out.payouts[k]
	if p == nil {
		p = &payoutSum{date: calendar.None, last: calendar.None, currency: netCurrency(m.v, r, f)}
		m.out.payouts[k] = p
	}
	p.lines++
	if sum, ok := money.Add(p.net, net); ok {
		p.net = sum
	}
	p.dated(f.Date)
}

// signed gives what a clearing line adds to its file's total.
func signed(f *evidence.Fact) int64 {
	amount, _ := f.Amount()
	switch f.Kind {
	case evidence.Void, evidence.Refund, evidence.Reversal, evidence.Chargeback:
		return -amount
	}
	return amount
}

// placeStrong gives a line to the payment its reference, order or retrieval
// reference names.
func (m *matcher) placeStrong(h *hosts, i int32, k *lineKeys) bool {
	slot := k.seen
	if k.ref != 0 {
		if g := m.pick(h.byRef[k.ref], k, byRef); g != nil {
			m.give(h, g, i, slot)
			return true
		}
	}
	if k.order != 0 {
		if g := m.pickByOrder(h.byOrder[k.order], k, slot); g != nil {
			m.give(h, g, i, slot)
			return true
		}
	}
	if k.rrn != 0 {
		if g := m.pick(h.byRRN[k.rrn], k, byRRN); g != nil {
			m.give(h, g, i, slot)
			return true
		}
	}
	return false
}

// before reports whether a payment can be the one a line speaks of.
func before(g *group, k *lineKeys) bool {
	if g.founded {
		gap := g.time.Sub(k.time)
		return gap <= lineSpread && -gap <= lineWindow
	}
	return g.time <= k.bound && k.bound.Sub(g.time) <= lineWindow
}

// pick gives the latest payment before a line among those with its key.
func (m *matcher) pick(list []int32, k *lineKeys, l level) *group {
	for n := len(list) - 1; n >= 0; n-- {
		if g := m.root(list[n]); before(g, k) && agree(g, &k.group, l) {
			return m.root(g.firstDup)
		}
	}
	return nil
}

// pickByOrder gives the payment of an order, where one order has one payment;
// of several, the only one that has not failed, has the amount and has no such
// line yet.
func (m *matcher) pickByOrder(list []int32, k *lineKeys, slot witness) *group {
	if len(list) > bucketBound { // a placeholder that every payment carries
		return nil
	}
	var fit []*group
	for _, at := range list {
		if g := m.root(at); before(g, k) && agree(g, &k.group, byOrder) && !slices.Contains(fit, g) {
			fit = append(fit, g)
		}
	}
	narrow := func(keep func(*group) bool) {
		var kept []*group
		for _, g := range fit {
			if keep(g) {
				kept = append(kept, g)
			}
		}
		if len(kept) > 0 {
			fit = kept
		}
	}
	if len(fit) > 1 {
		narrow(func(g *group) bool { return agree(g, &k.group, byMinute) })
		narrow(func(g *group) bool { return !g.lost() })
		narrow(func(g *group) bool { return g.hasAmount && k.hasAmount && g.amount == k.amount })
		narrow(func(g *group) bool { return g.seen&slot == 0 })
	}
	if len(fit) == 1 {
		return fit[0]
	}
	return nil
}

// give adds a line to a payment. A payment has one line of each kind of file:
// another is a second presentment of the same sale, a payment of its own.
func (m *matcher) give(h *hosts, g *group, i int32, slot witness) {
	for g.seen&slot != 0 {
		if g.nextDup < 0 {
			first := g.firstDup
			before := g.at
			dup := m.found(i, g.class)
			dup.duplicate, dup.firstDup = g.class == charge, first
			m.groups[before].nextDup = dup.at
			return
		}
		g = m.root(g.nextDup)
	}
	m.addTo(g, i)
	h.add(m, g)
}

// placeWeakly gives lines without a strong key to the payments they fit, level
// by level, and returns those that found none.
func (m *matcher) placeWeakly(table func(class) *hosts, waiting []int32) []int32 {
	for _, l := range []level{byBatch, byTrace, byAuth, byMinute} {
		if len(waiting) == 0 {
			return nil
		}
		waiting = m.placeLevel(table, waiting, l)
	}
	return waiting
}

// placeLevel places the lines that fit one payment at a level; lines that fit
// several equally are assigned in order of time where every assignment gives
// the same answer, and are ambiguous otherwise.
func (m *matcher) placeLevel(table func(class) *hosts, waiting []int32, l level) (left []int32) {
	type seeker struct {
		line int32
		keys lineKeys
		fit  []*group
	}
	var seekers []seeker
	for _, i := range waiting {
		k := m.keysOf(i)
		k.class = classOf(m.fact(i))
		fit := m.fitting(table(k.class), &k, l)
		if len(fit) == 0 {
			left = append(left, i)
			continue
		}
		seekers = append(seekers, seeker{i, k, fit})
	}
	// Lines of one witness compete for a payment: those that share candidates
	// are looked at together.
	type rivalry struct {
		seen witness
		at   int32
	}
	rivals := make(map[rivalry][]int, len(seekers))
	for n := range seekers {
		for _, g := range seekers[n].fit {
			k := rivalry{seekers[n].keys.seen, g.at}
			rivals[k] = append(rivals[k], n)
		}
	}
	// inOrder puts lines in order of time, and reports whether each fits the
	// payment in its place.
	inOrder := func(part []int, members []*group) bool {
		slices.SortStableFunc(part, func(a, b int) int { return cmp.Compare(seekers[a].keys.time, seekers[b].keys.time) })
		for x, p := range part {
			if !slices.Contains(seekers[p].fit, members[x]) {
				return false
			}
		}
		return true
	}
	taken := make([]bool, len(seekers))
	reached := make(map[rivalry]bool, len(seekers))
	for n := range seekers {
		if taken[n] {
			continue
		}
		taken[n] = true
		part := []int{n}
		var members []*group
		for next := 0; next < len(part); next++ {
			for _, g := range seekers[part[next]].fit {
				k := rivalry{seekers[n].keys.seen, g.at}
				if reached[k] {
					continue
				}
				reached[k] = true
				members = append(members, g)
				for _, o := range rivals[k] {
					if !taken[o] {
						taken[o] = true
						part = append(part, o)
					}
				}
			}
		}
		slices.Sort(part)
		slices.SortFunc(members, compareGroups)
		slot := seekers[n].keys.seen
		h := table(seekers[n].keys.class)
		switch {
		case len(part) == 1 && len(members) == 1:
			m.give(h, members[0], seekers[n].line, slot)
		case len(part) == len(members) && m.alike(members) && inOrder(part, members):
			for x, p := range part {
				m.give(h, members[x], seekers[p].line, slot)
			}
		case len(part) > len(members) && len(members) == 1:
			// One payment, several lines: the first is its, the others are
			// presented again only if a strong key said so; here they stand alone.
			m.give(h, members[0], seekers[part[0]].line, slot)
			for _, p := range part[1:] {
				left = append(left, seekers[p].line)
			}
		default:
			for _, p := range part {
				at := make([]int32, len(seekers[p].fit))
				for x, g := range seekers[p].fit {
					at[x] = g.at
				}
				m.pending = append(m.pending, pendingAmbiguity{m.facts[seekers[p].line], -1, at, fitsSeveral(l)})
			}
		}
	}
	slices.Sort(left)
	return left
}

// fitting gives the payments without such a line that a line fits at a level.
func (m *matcher) fitting(h *hosts, k *lineKeys, l level) []*group {
	probe := k.group
	key, ok := m.lineKey(&probe, l)
	if !ok {
		return nil
	}
	var fit []*group
	for _, date := range m.datesFor(k, l) {
		key.d = int32(date)
		for _, at := range h.weakly(m, k.class, weakTable{l, k.rrn != 0})[key] {
			g := m.root(at)
			if !before(g, k) || !agree(g, &k.group, l) || g.seen&k.seen != 0 || slices.Contains(fit, g) || k.rrn != 0 && g.rrn != 0 {
				continue
			}
			if gap := k.time.Sub(g.time); l == byMinute && (k.fact.TransactionTime == 0 || gap > minuteWindow || -gap > minuteWindow) ||
				l == byBatch && (gap > batchWindow || -gap > batchWindow) || (l == byTrace || l == byAuth) && !m.closes(k, g) {
				continue
			}
			fit = append(fit, g)
		}
	}
	if len(fit) > 1 {
		if won := slices.DeleteFunc(slices.Clone(fit), (*group).lost); len(won) > 0 {
			fit = won
		}
	}
	if len(fit) > 1 && k.fact.TransactionTime != 0 { // the very second is more than the day
		exact := slices.DeleteFunc(slices.Clone(fit), func(g *group) bool { return g.time.Unix() != k.time.Unix() })
		if len(exact) == 1 {
			fit = exact
		}
	}
	return fit
}

// lineKey is weakKey without the date, which datesFor gives.
func (m *matcher) lineKey(g *group, l level) (classedKey, bool) {
	g.dated, g.date = true, 0
	return m.weakKey(g, l)
}

// datesFor gives the business dates under which a line's payment may stand.
func (m *matcher) datesFor(k *lineKeys, l level) []calendar.Date {
	if l != byTrace && l != byAuth {
		return []calendar.Date{0}
	}
	var dates []calendar.Date
	f := k.fact
	t := m.book.At(m.mid, k.time, f.Offset)
	if f.TransactionTime != 0 {
		dates = append(dates, t.BusinessDate(f.TransactionTime))
	}
	if f.Date == 0 {
		return append(dates, t.BusinessDate(f.Time))
	}
	// A file closes the dates since the one before: at most a long holiday.
	for d := f.Date; d > f.Date-16; d-- {
		if !slices.Contains(dates, d) {
			dates = append(dates, d)
		}
	}
	return dates
}

// placeBeside gives a line to a payment that only another file knows, by the
// keys the two files share.
func (m *matcher) placeBeside(h *hosts, i int32, k *lineKeys) bool {
	for _, l := range []level{byBatch, byTrace, byAuth, byMinute} {
		fit := slices.DeleteFunc(m.fitting(h, k, l), func(g *group) bool { return !g.founded })
		if len(fit) == 1 {
			m.give(h, fit[0], i, k.seen)
			return true
		}
	}
	return false
}

// placeDeduction gives a chargeback, fee, reserve or adjustment to the payment
// its keys name; without keys, or without that payment, it is the merchant's.
func (m *matcher) placeDeduction(h, completions *hosts, i int32, c class) {
	k := m.keysOf(i)
	k.hasAmount = false // it takes a part, or all
	if t := m.v.Text(m.facts[i], evidence.OriginalRRN); t != "" {
		k.rrn, _ = m.words.Find(t)
	}
	if t := m.v.Text(m.facts[i], evidence.OriginalSTAN); t != "" {
		k.stan, _ = m.words.Find(t)
	}
	g := m.findCharge(h, &k, true)
	if g == nil && k.rrn != 0 {
		if act := m.pick(completions.byRRN[k.rrn], &k, byRRN); act != nil && act.of >= 0 {
			g = m.root(act.of)
		}
	}
	if g != nil && c != chargebackAct && m.phantom(g) {
		g = nil
	}
	switch {
	case g != nil && c == chargebackAct:
		act := m.found(i, c)
		act.of = g.at
	case g != nil:
		m.attached[g.at] = append(m.attached[g.at], i)
	case c == chargebackAct && (k.ref != 0 || k.rrn != 0 || k.order != 0 || k.stan != 0):
		m.found(i, c)
	default:
		m.out.Deductions = append(m.out.Deductions, m.facts[i])
	}
}

// findCharge gives the only charge that a fact's keys name; nil for none or
// several.
func (m *matcher) findCharge(h *hosts, k *lineKeys, inFile bool) *group {
	if k.ref != 0 {
		if g := m.pick(h.byRef[k.ref], k, byRef); g != nil {
			return g
		}
	}
	if k.rrn != 0 {
		if g := m.pick(h.byRRN[k.rrn], k, byRRN); g != nil {
			return g
		}
	}
	if k.order != 0 {
		if g := m.pickByOrder(h.byOrder[k.order], k, 0); g != nil {
			return g
		}
	}
	if !inFile && (k.tid == 0 || k.stan == 0) {
		return nil
	}
	free := *k
	free.seen = 0
	for _, l := range []level{byBatch, byTrace, byAuth} {
		if fit := m.fitting(h, &free, l); len(fit) == 1 {
			return fit[0]
		}
	}
	// Terminal and trace number alone, the latest within the batch's window.
	if k.tid != 0 && k.stan != 0 {
		var latest *group
		for _, at := range h.traced(m, k.stan) {
			g := m.root(at)
			if g.tid == k.tid && before(g, k) &&
				k.bound.Sub(g.time) <= batchWindow && agree(g, &k.group, byBatch) && (latest == nil || compareGroups(latest, g) < 0) {
				latest = g
			}
		}
		return latest
	}
	return nil
}
