package match

import (
	"slices"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/terms"
)

// class says what a group of facts tells of: the charge, or an act on it. An
// act has keys of its own, so facts are only grouped within a class.
type class uint8

const (
	charge class = iota
	voidAct
	refundAct
	reversalAct
	completionAct
	chargebackAct
	deduction // fee, adjustment, reserve and release lines
	kindless  // gateway facts that do not say: they follow whom their keys name
)

func classOf(f *evidence.Fact) class {
	if f.Type == evidence.GatewayReversal {
		return reversalAct
	}
	switch f.Kind {
	case evidence.Void:
		return voidAct
	case evidence.Refund:
		return refundAct
	case evidence.Reversal:
		return reversalAct
	case evidence.Completion:
		return completionAct
	case evidence.Chargeback:
		return chargebackAct
	case evidence.FeeKind, evidence.Adjustment, evidence.Reserve, evidence.ReserveRelease:
		return deduction
	case evidence.NoKind:
		if f.Type == evidence.TerminalTransaction || f.Type == evidence.ClearingLine || f.Type == evidence.SettlementLine {
			return charge
		}
		return kindless
	}
	return charge
}

// witness marks who has spoken in a group.
type witness uint8

const (
	byTerminal witness = 1 << iota
	byRequest
	byResponse
	byGateway // time-outs, errors
	byClearing
	bySettlement
)

func witnessOf(f *evidence.Fact) witness {
	switch f.Type {
	case evidence.TerminalTransaction:
		return byTerminal
	case evidence.GatewayRequest:
		return byRequest
	case evidence.GatewayResponse:
		return byResponse
	case evidence.ClearingLine:
		return byClearing
	case evidence.SettlementLine:
		return bySettlement
	default:
		return byGateway
	}
}

const lines = byClearing | bySettlement

// group is a set of facts that tell of one transaction, with all the keys that
// any of them knows.
type group struct {
	at         int32 // place in matcher.groups
	parent     int32 // itself while it stands, else the group it was joined to
	head, tail int32 // its facts, chained through matcher.next
	class      class
	seen       witness
	failed     bool // declined or aborted by everyone who spoke
	approved   bool
	duplicate  bool // second presentment
	doubtful   bool // fits several payments equally, and is told of none
	founded    bool // by a line
	hasAmount  bool
	offset     int16 // zone of its first fact
	id         evidence.Word
	time       evidence.Instant
	date       calendar.Date // business date of time, once asked
	dated      bool
	amount     int64

	ref, order, rrn, tid, batch, stan, auth, pan evidence.Word

	of       int32 // the charge an act belongs to, -1 for none
	nextDup  int32 // next presentment of the same sale, -1 for none
	firstDup int32 // the first presentment of it, itself for the first
}

// matcher groups the facts of one merchant.
type matcher struct {
	v     *evidence.View
	words *evidence.Words
	book  *terms.Book
	// What stands for no retrieval reference, and for no trace number or
	// approval code.
	noReference, noTrace evidence.Word
	mid                  evidence.Word
	facts                []evidence.FactRef // in order of time
	types                []evidence.Type    // of the facts
	next                 []int32
	// groups of all classes. Joined ones stay in place and point to the other.
	groups    []group
	attached  map[int32][]int32 // group → facts that name it without being its keys
	orders    []int32           // facts that are sale.orders
	deduct    []int32           // lines that take something away
	out       *Merchant
	ambiguous []Ambiguity
	pending   []pendingAmbiguity
	unplaced  []Unplaced
	room      *workroom
}

// pendingAmbiguity waits until payments have their place.
type pendingAmbiguity struct {
	fact   evidence.FactRef
	group  int32 // of a swipe's fact: the group that may yet find its place, else -1
	groups []int32
	why    fault.Text
}

// fitsSeveral says by which key a fact fits several payments.
func fitsSeveral(l level) fault.Text {
	return fault.Say("fits several payments equally: %s", "与多笔交易同样相符，所凭关键字段：%s", l)
}

// workroom is memory that one worker uses for merchant after merchant.
type workroom struct {
	groups []group
	next   []int32
	facts  []evidence.FactRef
	types  []evidence.Type
	order  []timed
	sorted []timed
	refs   []evidence.FactRef
	text   []byte
	own    []int32
	byRRN  map[evidence.Word][]int32
	lent   bool // byRRN is in use for the merchant at hand
}

// timed is a fact with what its place in the order depends on, so that sorting
// need not look the fact up.
type timed struct {
	at  evidence.Instant
	id  evidence.Word
	ref evidence.FactRef
	typ evidence.Type
}

// compare is Set.CompareTime.
func (a timed) compare(b timed, v *evidence.View) int {
	switch {
	case a.at != b.at:
		if a.at < b.at {
			return -1
		}
		return 1
	case a.id != b.id:
		return v.Words.Compare(a.id, b.id)
	default:
		return v.CompareTime(a.ref, b.ref)
	}
}

func newMatcher(v *evidence.View, book *terms.Book, s *share, room *workroom) *matcher {
	m := &matcher{
		v: v, words: v.Words, book: book, mid: s.mid, room: room,
		attached: map[int32][]int32{},
		out: &Merchant{
			MID: s.mid, General: s.general, HasPayouts: len(s.payouts) > 0,
			Clearing: map[FileKey]LineCount{}, Settlement: map[calendar.Date]LineCount{}, payouts: map[payoutKey]*payoutSum{},
		},
	}
	m.noReference, _ = m.words.Find("000000000000")
	m.noTrace, _ = m.words.Find("000000")
	room.lent = false
	m.sortFacts(s.refs)
	room.next = slices.Grow(room.next[:0], len(m.facts))[:len(m.facts)]
	m.next = room.next
	room.groups = slices.Grow(room.groups[:0], len(m.facts)+len(m.facts)/4)
	m.groups = room.groups
	return m
}

// sortFacts puts the facts in order of time.
func (m *matcher) sortFacts(facts []evidence.FactRef) {
	order := m.room.order[:0]
	for i, r := range facts {
		if i%ahead == 0 {
			m.v.Touch(facts[i:min(i+ahead, len(facts))])
		}
		f := m.v.At(r)
		order = append(order, timed{f.Time, f.ID, r, f.Type})
	}
	m.room.order = order
	sorted := evidence.SortByTime(order, m.room.sorted, func(t *timed) evidence.Instant { return t.at },
		func(a, b timed) int { return a.compare(b, m.v) })
	if len(sorted) > 0 && &sorted[0] != &order[0] {
		m.room.sorted = sorted
	}
	m.facts, m.types = m.room.facts[:0], m.room.types[:0]
	for _, t := range sorted {
		m.facts = append(m.facts, t.ref)
		m.types = append(m.types, t.typ)
	}
	m.room.facts, m.room.types = m.facts, m.types
}

func (m *matcher) fact(i int32) *evidence.Fact { return m.v.At(m.facts[i]) }

// root follows joins to the group that stands.
func (m *matcher) root(g int32) *group {
	for m.groups[g].parent != g {
		m.groups[g].parent = m.groups[m.groups[g].parent].parent
		g = m.groups[g].parent
	}
	return &m.groups[g]
}

// told gives a reference, trace number or approval code; 0 for one of only zeros,
// which many systems write where they have none.
func (m *matcher) told(w evidence.Word) evidence.Word {
	if w == m.noReference || w == m.noTrace {
		return 0
	}
	return w
}

// found makes a group of one fact.
func (m *matcher) found(i int32, c class) *group {
	f := m.fact(i)
	at := int32(len(m.groups))
	m.next[i] = -1
	g := group{
		at: at, parent: at, head: i, tail: i, class: c, seen: witnessOf(f), time: f.Time,
		ref: f.Ref, order: f.OrderID, rrn: m.told(f.RRN), tid: f.TID, batch: f.Batch, stan: m.told(f.STAN), auth: m.told(f.AuthCode), pan: f.PAN,
		of: -1, nextDup: -1, firstDup: at, founded: witnessOf(f)&lines != 0,
	}
	g.amount, g.hasAmount = f.Amount()
	if g.founded && f.TransactionTime != 0 {
		g.time = f.TransactionTime
	}
	g.offset, g.id = f.Offset, m.idOf(f)
	outcome(&g, f)
	m.groups = append(m.groups, g)
	return &m.groups[at]
}

// outcome notes whether a fact tells of success or failure: a line of a file
// goes to the attempt that succeeded.
func outcome(g *group, f *evidence.Fact) {
	switch f.Type {
	case evidence.TerminalTransaction:
		switch f.Result {
		case evidence.Approved, evidence.OfflineApproved:
			g.approved = true
		case evidence.Declined, evidence.Aborted:
			g.failed = true
		}
	case evidence.GatewayResponse:
		if f.Code != (evidence.Code{}) {
			if evidence.IsApproval(f.Code) {
				g.approved = true
			} else if !evidence.IsOpen(f.Code) {
				g.failed = true
			}
		}
	case evidence.ClearingLine, evidence.SettlementLine:
		g.approved = true
	}
}

// lost reports whether all who spoke say that the attempt failed.
func (g *group) lost() bool { return g.failed && !g.approved }

// addTo appends a fact to a group and takes over the keys it knows.
func (m *matcher) addTo(g *group, i int32) {
	f := m.fact(i)
	m.next[i] = -1
	m.next[g.tail] = i
	g.tail = i
	fill(&g.ref, f.Ref)
	fill(&g.order, f.OrderID)
	fill(&g.rrn, m.told(f.RRN))
	fill(&g.tid, f.TID)
	fill(&g.batch, f.Batch)
	fill(&g.stan, m.told(f.STAN))
	fill(&g.auth, m.told(f.AuthCode))
	fill(&g.pan, f.PAN)
	if !g.hasAmount {
		g.amount, g.hasAmount = f.Amount()
	}
	g.seen |= witnessOf(f)
	outcome(g, f)
}

func fill(key *evidence.Word, w evidence.Word) {
	if *key == 0 {
		*key = w
	}
}

// join makes two groups one; the earlier stands.
func (m *matcher) join(a, b *group) *group {
	if a == b {
		return a
	}
	if compareGroups(b, a) < 0 {
		a, b = b, a
	}
	b.parent = a.at
	a.doubtful = false // of several, one was found
	m.next[a.tail] = b.head
	a.tail = b.tail
	fill(&a.ref, b.ref)
	fill(&a.order, b.order)
	fill(&a.rrn, b.rrn)
	fill(&a.tid, b.tid)
	fill(&a.batch, b.batch)
	fill(&a.stan, b.stan)
	fill(&a.auth, b.auth)
	fill(&a.pan, b.pan)
	if !a.hasAmount {
		a.amount, a.hasAmount = b.amount, b.hasAmount
	}
	if a.class == kindless {
		a.class = b.class
	}
	a.seen |= b.seen
	a.approved = a.approved || b.approved
	a.failed = a.failed || b.failed
	return a
}

// businessDate gives the business date of a group's time.
func (m *matcher) businessDate(g *group) calendar.Date {
	if !g.dated {
		g.date = m.book.At(m.mid, g.time, m.fact(g.head).Offset).BusinessDate(g.time)
		g.dated, m.out.Dated = true, true
	}
	return g.date
}

// level is the strength of a key, strongest first.
type level uint8

const (
	byRef level = iota
	byOrder
	byRRN
	byBatch  // tid + batch + stan
	byTrace  // tid + stan + amount, same business date
	byAuth   // auth code + last four + amount, same business date
	byMinute // tid + amount + last four, within ten minutes
)

// agree reports that no key stronger than the level disagrees: where both know
// one, it is the same. Keys and amounts compare as words and minor units.
func agree(a, b *group, l level) bool {
	if l > byRef && differ(a.ref, b.ref) || l > byOrder && differ(a.order, b.order) || l > byRRN && differ(a.rrn, b.rrn) {
		return false
	}
	if l > byBatch {
		if a.tid != 0 && b.tid != 0 && (a.tid != b.tid || differ(a.stan, b.stan) || differ(a.batch, b.batch)) {
			return false
		}
		if a.hasAmount && b.hasAmount && a.amount != b.amount {
			return false
		}
	}
	if l > byTrace && differ(a.auth, b.auth) {
		return false
	}
	return !differ(a.pan, b.pan) || sameLastFour(a.pan, b.pan)
}

func differ(a, b evidence.Word) bool { return a != 0 && b != 0 && a != b }

func sameLastFour(a, b evidence.Word) bool {
	x, ok1 := evidence.LastFour(a)
	y, ok2 := evidence.LastFour(b)
	return !ok1 || !ok2 || x == y
}
