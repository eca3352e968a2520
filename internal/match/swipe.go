package match

import (
	"slices"
	"time"

	"daozhang/internal/evidence"
)

// Windows of the contract within which a key names one payment.
const (
	rrnWindow    = 3 * 24 * time.Hour   // of terminal and gateway facts
	lineWindow   = 180 * 24 * time.Hour // of lines, refunds and chargebacks
	batchWindow  = 7 * 24 * time.Hour
	minuteWindow = 10 * time.Minute
	// lineSpread is how far lines of two files may lie apart where no terminal
	// or gateway saw the payment itself.
	lineSpread = 30 * 24 * time.Hour
	// bucketBound is how many groups may share a weak key before it says
	// nothing any more.
	bucketBound = 64
)

// ahead is how many facts are brought near at a time before they are worked on.
const ahead = 64

// near brings the facts of a list near that are worked on next; it is called with
// every place of the list in turn.
func (m *matcher) near(list []int32, at int) {
	if at%ahead != 0 {
		return
	}
	refs := m.room.refs[:0]
	for _, i := range list[at:min(at+ahead, len(list))] {
		refs = append(refs, m.facts[i])
	}
	m.room.refs = refs
	m.v.Touch(refs)
}

func (m *matcher) run() {
	swipes, files := m.divide()
	m.groupSwipes(swipes)
	m.placeLines(files)
	m.placeActs()
	m.placeDeductions()
	m.attachRest()
	m.collect()
	m.room.groups = m.groups[:0]
}

// divide parts the facts of swipes, which found payments, from the lines of
// files, which find them; what only names a payment waits in m.orders and
// m.attached.
func (m *matcher) divide() (swipes, files []int32) {
	swipes = make([]int32, 0, len(m.facts))
	for i, typ := range m.types {
		switch typ {
		case evidence.ClearingLine, evidence.SettlementLine:
			files = append(files, int32(i))
		case evidence.SaleOrder, evidence.OperatorAction, evidence.CaseOpened, evidence.CaseClosed, evidence.RiskDecision:
			m.orders = append(m.orders, int32(i))
		default:
			swipes = append(swipes, int32(i))
		}
	}
	return swipes, files
}

// classedKey is a key within a class.
type classedKey struct {
	class class
	a, b  evidence.Word
	c     evidence.Word
	n     int64
	d     int32
}

// groupSwipes groups terminal and gateway facts, strongest key first.
func (m *matcher) groupSwipes(swipes []int32) {
	for n, i := range swipes {
		m.near(swipes, n)
		m.found(i, classOf(m.fact(i)))
	}
	made := len(m.groups)
	if m.anyKnows(made, func(g *group) bool { return g.ref != 0 }) {
		m.joinStrong(made, byRef, func(g *group) evidence.Word { return g.ref }, 0)
	}
	m.joinStrong(made, byRRN, func(g *group) evidence.Word { return g.rrn }, rrnWindow)
	if m.anyKnows(made, func(g *group) bool { return g.order != 0 }) {
		m.joinOrders(made)
	}
	// Two groups that both know a retrieval reference are joined by it or not
	// at all: the weaker keys serve those that do not know one.
	if m.anyKnows(made, func(g *group) bool { return g.parent == g.at && g.rrn == 0 }) {
		m.joinWeak(made, byBatch)
		m.joinWeak(made, byTrace)
		m.joinWeak(made, byAuth)
		m.joinWeak(made, byMinute)
	}
	for i := range made { // gateway facts whose kind nobody told
		if g := &m.groups[i]; g.parent == g.at && g.class == kindless {
			g.class = charge
		}
	}
}

func (m *matcher) anyKnows(made int, what func(*group) bool) bool {
	for i := range made {
		if what(&m.groups[i]) {
			return true
		}
	}
	return false
}

// joinStrong joins the groups of one class that share a key, each with the
// latest before it within the window (0: however far apart). Groups that do not
// say their kind follow afterwards whom the key names.
func (m *matcher) joinStrong(made int, l level, key func(*group) evidence.Word, window time.Duration) {
	type strongKey struct {
		key   evidence.Word
		class class
	}
	latest := make(map[strongKey]int32, made)
	for i := range made {
		g := &m.groups[i]
		k := key(g)
		if k == 0 || g.class == kindless || g.parent != g.at {
			continue
		}
		ck := strongKey{k, g.class}
		if at, ok := latest[ck]; ok {
			if h := m.root(at); h != g && (window == 0 || g.time.Sub(h.time) <= window) && agree(h, g, l) {
				m.join(h, g)
				continue
			}
		}
		latest[ck] = g.at
	}
	for i := range made {
		g := &m.groups[i]
		k := key(g)
		if k == 0 || g.class != kindless || g.parent != g.at {
			continue
		}
		joined := false
		for c := charge; c <= completionAct && !joined; c++ {
			if c == reversalAct && g.seen == byGateway {
				continue // a time-out or an error is of what was reversed
			}
			at, ok := latest[strongKey{k, c}]
			if !ok {
				continue
			}
			h := m.root(at)
			if d := g.time.Sub(h.time); h != g && (window == 0 || d <= window && d >= -window) && agree(h, g, l) {
				m.join(h, g)
				joined = true
			}
		}
		if joined {
			continue
		}
		ck := strongKey{k, kindless}
		if at, ok := latest[ck]; ok {
			if h := m.root(at); h != g && (window == 0 || g.time.Sub(h.time) <= window) && agree(h, g, l) {
				m.join(h, g)
				continue
			}
		}
		latest[ck] = g.at
	}
}

// joinOrders joins swipes by the merchant's order, where one order has one
// payment: where two swipes of an order both know a trace number, a reference
// or what the terminal saw, the order has several payments and joins nothing.
func (m *matcher) joinOrders(made int) {
	byOrderID := map[evidence.Word][]int32{}
	for i := range made {
		g := &m.groups[i]
		if g.parent == g.at && g.order != 0 && (g.class == charge || g.class == kindless) {
			byOrderID[g.order] = append(byOrderID[g.order], g.at)
		}
	}
	for i := range made {
		g := &m.groups[i]
		bucket := byOrderID[g.order]
		if g.order == 0 || len(bucket) < 2 || len(bucket) > bucketBound || bucket[0] != g.at {
			continue
		}
		one := true
		for x := range bucket {
			for y := range x {
				a, b := &m.groups[bucket[x]], &m.groups[bucket[y]]
				if !agree(a, b, byMinute) || a.seen&b.seen&(byTerminal|byRequest|byResponse) != 0 {
					one = false
				}
			}
		}
		if one {
			for _, at := range bucket[1:] {
				m.join(m.root(bucket[0]), m.root(at))
			}
		}
	}
}

// weakKey gives a group's key of a weak level; false where it does not know
// all of it.
func (m *matcher) weakKey(g *group, l level) (classedKey, bool) {
	k := classedKey{class: g.class}
	switch l {
	case byBatch:
		k.a, k.b, k.c = g.tid, g.batch, g.stan
		return k, g.tid != 0 && g.batch != 0 && g.stan != 0
	case byTrace:
		k.a, k.b, k.n = g.tid, g.stan, g.amount
		if g.tid == 0 || g.stan == 0 || !g.hasAmount {
			return k, false
		}
		k.d = int32(m.businessDate(g))
		return k, true
	case byAuth:
		four, ok := evidence.LastFour(g.pan)
		if !ok || g.auth == 0 || !g.hasAmount {
			return k, false
		}
		k.a, k.b, k.n, k.d = g.auth, evidence.Word(four), g.amount, int32(m.businessDate(g))
		return k, true
	default:
		four, ok := evidence.LastFour(g.pan)
		k.a, k.b, k.n = g.tid, evidence.Word(four), g.amount
		return k, ok && g.tid != 0 && g.hasAmount
	}
}

// joinWeak joins groups by a key that is not unique: two that only fit each
// other are joined; as many of one witness as of the other, all alike, in order
// of time; anything else is ambiguous.
func (m *matcher) joinWeak(made int, l level) {
	buckets := map[classedKey][]int32{}
	var order []classedKey
	classes := []class{charge, voidAct, refundAct, reversalAct, completionAct}
	for i := range made {
		g := &m.groups[i]
		if g.parent != g.at {
			continue
		}
		k, ok := m.weakKey(g, l)
		if !ok {
			continue
		}
		if buckets[k] == nil {
			order = append(order, k)
		}
		buckets[k] = append(buckets[k], g.at)
	}
	for _, k := range order {
		if k.class == kindless {
			continue
		}
		m.pairBucket(buckets[k], l)
	}
	for _, k := range order {
		if k.class != kindless {
			continue
		}
		bucket := buckets[k]
		for _, c := range classes {
			ck := k
			ck.class = c
			if len(buckets[ck]) > 0 {
				bucket = append(slices.Clone(buckets[ck]), bucket...)
				break
			}
		}
		m.pairBucket(bucket, l)
	}
}

// fits reports whether two groups of a bucket may be one transaction.
func (m *matcher) fits(a, b *group, l level) bool {
	if !agree(a, b, l) || a.rrn != 0 && b.rrn != 0 {
		return false
	}
	gap := b.time.Sub(a.time)
	if gap < 0 {
		gap = -gap
	}
	switch l {
	case byBatch:
		return gap <= batchWindow
	case byMinute:
		if gap > minuteWindow {
			return false
		}
	}
	// Without a trace number or reference in common, two records of the same
	// witness are two transactions.
	return l <= byTrace || a.seen&b.seen&(byTerminal|byRequest|byResponse) == 0
}

func (m *matcher) pairBucket(bucket []int32, l level) {
	live := make([]*group, 0, len(bucket))
	for _, at := range bucket {
		if g := m.root(at); !slices.Contains(live, g) {
			live = append(live, g)
		}
		if len(live) > bucketBound {
			return
		}
	}
	slices.SortFunc(live, compareGroups)
	done := make([]bool, len(live))
	for i := range live {
		if done[i] {
			continue
		}
		// The connected part of the bucket that i belongs to.
		part := []int{i}
		done[i] = true
		for n := 0; n < len(part); n++ {
			for j := range live {
				if !done[j] && m.fits(live[part[n]], live[j], l) {
					done[j] = true
					part = append(part, j)
				}
			}
		}
		if len(part) > 1 {
			slices.Sort(part)
			m.joinPart(live, part, l)
		}
	}
}

func (m *matcher) joinPart(live []*group, part []int, l level) {
	clique := true
	for x := range part {
		for y := range x {
			clique = clique && m.fits(live[part[x]], live[part[y]], l)
		}
	}
	if clique {
		for _, j := range part[1:] {
			m.join(m.root(live[part[0]].at), m.root(live[j].at))
		}
		return
	}
	// The records of each witness, the terminal's first: as many of one as of
	// the others, all alike, are the same payments in order of time.
	byWitness := map[witness][]*group{}
	var witnesses []witness
	for _, j := range part {
		w := live[j].seen
		if w&byTerminal != 0 {
			w = byTerminal
		}
		if byWitness[w] == nil {
			witnesses = append(witnesses, w)
		}
		byWitness[w] = append(byWitness[w], live[j])
	}
	slices.Sort(witnesses)
	base := byWitness[witnesses[0]]
	for _, w := range witnesses[1:] {
		others := byWitness[w]
		if m.pairInOrder(base, others, l) {
			continue
		}
		for _, g := range others {
			var candidates []int32
			for _, j := range part {
				if h := m.root(live[j].at); h != g && live[j] != g && m.fits(live[j], g, l) && !slices.Contains(candidates, h.at) {
					candidates = append(candidates, h.at)
				}
			}
			if len(candidates) < 2 {
				continue
			}
			g.doubtful = true
			for i := g.head; i >= 0; i = m.next[i] {
				m.pending = append(m.pending, pendingAmbiguity{m.facts[i], g.at, candidates, fitsSeveral(l)})
			}
		}
	}
}

// pairInOrder joins the records of two witnesses in order of time, where there are
// as many of each and it makes no difference which is joined to which.
func (m *matcher) pairInOrder(base, others []*group, l level) bool {
	if len(base) != len(others) || !m.alike(base) || !m.alike(others) {
		return false
	}
	for k := range base {
		if !m.fits(base[k], others[k], l) {
			return false
		}
	}
	for k := range base {
		m.join(m.root(base[k].at), m.root(others[k].at))
	}
	return true
}

// alike reports whether it makes no difference to any answer which of the
// groups is taken.
func (m *matcher) alike(list []*group) bool {
	for _, g := range list[min(1, len(list)):] {
		if g.amount != list[0].amount || g.lost() != list[0].lost() || g.approved != list[0].approved ||
			m.businessDate(g) != m.businessDate(list[0]) {
			return false
		}
	}
	return true
}

func (l level) String() string {
	switch l {
	case byRef:
		return "processor's reference"
	case byOrder:
		return "order"
	case byRRN:
		return "retrieval reference"
	case byBatch:
		return "terminal, batch and trace number"
	case byTrace:
		return "terminal, trace number and amount on one business date"
	case byAuth:
		return "approval code, last four and amount on one business date"
	default:
		return "terminal, amount and last four within ten minutes"
	}
}
