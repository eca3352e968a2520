package match

import (
	"slices"

	"github.com/cespare/xxhash/v2"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// placeActs gives each void, refund, reversal and completion to the payment it
// acts on: the latest earlier one that its original_rrn, original_stan,
// approval code, reference or order names and that fits with card and amount,
// however old. Where that payment is not on record the act stands alone.
func (m *matcher) placeActs() {
	var acts []*group
	for i := range m.groups {
		if g := &m.groups[i]; g.parent == g.at && g.class != charge && g.of < 0 && g.class != chargebackAct {
			acts = append(acts, g)
		}
	}
	if len(acts) == 0 {
		return
	}
	charges := m.newHosts(charge)
	completions := m.newHosts(completionAct)
	slices.SortFunc(acts, compareGroups)
	// Completions first: a void may name the completion it undoes.
	slices.SortStableFunc(acts, func(a, b *group) int {
		return int(b2i(a.class != completionAct)) - int(b2i(b.class != completionAct))
	})
	for _, g := range acts {
		if target := m.original(charges, g); target != nil {
			g.of = target.at
			continue
		}
		if g.class != completionAct {
			if c := m.original(completions, g); c != nil && c.of >= 0 {
				g.of = c.of
			}
		}
	}
}

func b2i(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

// original finds the payment an act acts on.
func (m *matcher) original(h *hosts, act *group) *group {
	var rrn, stan, batch evidence.Word
	stated := false
	for i := act.head; i >= 0; i = m.next[i] {
		r := m.facts[i]
		if t := m.v.Text(r, evidence.OriginalRRN); t != "" {
			stated = true
			rrn, _ = m.words.Find(t)
		}
		if t := m.v.Text(r, evidence.OriginalSTAN); t != "" {
			stated = true
			stan, _ = m.words.Find(t)
			fill(&batch, m.fact(i).Batch)
		}
	}
	if rrn != 0 {
		if g := m.latestFor(h.byRRN[rrn], act); g != nil {
			return g
		}
	}
	if stan != 0 {
		var same, any []int32
		for _, at := range h.traced(m, stan) {
			g := m.root(at)
			if differ(g.tid, act.tid) {
				continue
			}
			any = append(any, g.at)
			if batch != 0 && g.batch == batch {
				same = append(same, g.at)
			}
		}
		if g := m.latestFor(same, act); g != nil {
			return g
		}
		if g := m.latestFor(any, act); g != nil {
			return g
		}
	}
	if act.ref != 0 {
		if g := m.latestFor(h.byRef[act.ref], act); g != nil {
			return g
		}
	}
	if stated && act.class != reversalAct {
		return nil
	}
	if act.auth != 0 {
		if g := m.latestFor(h.approved(m, act.auth), act); g != nil {
			return g
		}
	}
	if act.order != 0 {
		list := h.byOrder[act.order]
		if g := m.latestFor(slices.DeleteFunc(slices.Clone(list), func(at int32) bool { return m.root(at).lost() }), act); g != nil {
			return g
		}
	}
	// Files and reversals often carry the keys of the payment itself.
	if act.rrn != 0 {
		if g := m.latestFor(h.byRRN[act.rrn], act); g != nil {
			return g
		}
	}
	if act.class == reversalAct && act.tid != 0 && act.stan != 0 {
		k := lineKeys{group: *act, bound: act.time, fact: m.fact(act.head)}
		k.class = charge
		k.seen = 0
		return m.findCharge(h, &k, false)
	}
	if act.class == reversalAct && act.pan != 0 && act.tid != 0 && act.hasAmount {
		var list []int32
		for i := range m.groups {
			if g := &m.groups[i]; g.parent == g.at && g.class == charge && g.tid == act.tid && g.amount == act.amount &&
				g.pan != 0 && act.time.Sub(g.time) <= minuteWindow {
				list = append(list, g.at)
			}
		}
		m.byTime(list)
		return m.latestFor(list, act)
	}
	return nil
}

func (m *matcher) byTime(list []int32) {
	slices.SortFunc(list, func(a, b int32) int { return compareGroups(&m.groups[a], &m.groups[b]) })
}

// latestFor gives the latest payment before an act that fits it with card and
// amount: a refund or void takes no more than was paid (a tip included), a
// reversal or completion may differ.
func (m *matcher) latestFor(list []int32, act *group) *group {
	for n := len(list) - 1; n >= 0; n-- {
		g := m.root(list[n])
		early := g.time <= act.time
		if g.founded && !act.founded { // the line may be dated after the act
			early = g.time.Sub(act.time) <= lineSpread
		}
		if g == act || !early || differ(g.pan, act.pan) && !sameLastFour(g.pan, act.pan) {
			continue
		}
		if (act.class == refundAct || act.class == voidAct) && g.hasAmount && act.hasAmount && act.amount > g.amount+g.amount/5 {
			continue
		}
		return m.root(g.firstDup)
	}
	return nil
}

// attachRest gives orders, operator actions, cases and risk decisions to the
// payments they name.
func (m *matcher) attachRest() {
	if len(m.orders) == 0 {
		return
	}
	h := m.newHosts(charge)
	for _, i := range m.orders {
		f := m.fact(i)
		if f.Type == evidence.SaleOrder {
			m.out.Ordered = true
			placed := false
			for _, at := range h.byOrder[f.OrderID] {
				if g := m.root(at); !m.phantom(g) {
					m.attached[g.at] = append(m.attached[g.at], i)
					placed = true
				}
			}
			if !placed {
				m.unplaced = append(m.unplaced, Unplaced{m.facts[i], orderWhy(f)})
			}
			continue
		}
		k := m.keysOf(i)
		k.seen = 0
		// A decision may come before the payment's own record of the moment.
		k.bound = k.bound.Add(minuteWindow)
		if g := m.findCharge(h, &k, true); g != nil && !m.phantom(g) {
			m.attached[g.at] = append(m.attached[g.at], i)
			continue
		}
		if f.Type != evidence.OperatorAction {
			m.unplaced = append(m.unplaced, Unplaced{m.facts[i], fault.Say("no payment with its keys is on record", "记录中没有与其关键字段相符的交易")})
		}
	}
}

func orderWhy(f *evidence.Fact) fault.Text {
	if f.OrderID == 0 {
		return fault.Say("the order has no order_id", "订单没有订单号（order_id）")
	}
	return fault.Say("no payment with this order_id is on record", "记录中没有该订单号的交易")
}

// collect writes what was found into the Merchant.
func (m *matcher) collect() {
	var standing []*group
	actsOf := map[int32][]*group{}
	acts := 0
	for i := range m.groups {
		g := &m.groups[i]
		if g.parent != g.at {
			continue
		}
		if g.of >= 0 && !m.phantom(m.root(g.of)) {
			host := m.root(g.of)
			actsOf[host.at] = append(actsOf[host.at], g)
			acts++
			continue
		}
		if m.doubted(g) {
			continue
		}
		if m.phantom(g) {
			for i := g.head; i >= 0; i = m.next[i] {
				m.unplaced = append(m.unplaced, Unplaced{m.facts[i], fault.Say("no payment with its keys is on record", "记录中没有与其关键字段相符的交易")})
			}
			continue
		}
		standing = append(standing, g)
	}
	for _, g := range standing {
		if g.founded || g.seen&lines != 0 && g.class != charge {
			g.time = m.timeOf(g)
		}
	}
	slices.SortFunc(standing, func(a, b *group) int {
		if a.time != b.time {
			if a.time < b.time {
				return -1
			}
			return 1
		}
		return int(a.head) - int(b.head)
	})
	out := m.out
	out.Payments = make([]Payment, 0, len(standing))
	out.facts = make([]evidence.FactRef, 0, len(m.facts))
	out.acts = make([]Act, 0, acts)
	m.pending = slices.DeleteFunc(m.pending, func(p pendingAmbiguity) bool {
		return p.group >= 0 && !m.doubted(&m.groups[p.group])
	})
	place := make(map[int32]*Payment, len(m.pending))
	for _, p := range m.pending {
		for _, at := range p.groups {
			place[m.root(at).at] = nil
		}
	}
	for _, g := range standing {
		p := Payment{ID: g.id, MID: m.mid, Time: g.time, Offset: g.offset, Duplicate: g.duplicate, first: uint32(len(out.facts)), actFirst: uint32(len(out.acts))}
		out.facts = m.appendFacts(out.facts, g, m.attached[g.at])
		p.n = uint32(len(out.facts)) - p.first
		for _, a := range sortedActs(actsOf[g.at]) {
			act := Act{Kind: kindOf(a.class), Time: a.time, first: uint32(len(out.facts))}
			out.facts = m.appendFacts(out.facts, a, nil)
			act.n = uint32(len(out.facts)) - act.first
			out.acts = append(out.acts, act)
			p.actCount++
		}
		_, p.Contested = place[g.at]
		out.Payments = append(out.Payments, p)
		if p.Contested {
			place[g.at] = &out.Payments[len(out.Payments)-1]
		}
	}
	for _, p := range m.pending {
		a := Ambiguity{Fact: p.fact, Why: p.why, Merchant: out}
		for _, at := range p.groups {
			if payment := place[m.root(at).at]; payment != nil && !slices.Contains(a.Payments, payment) {
				a.Payments = append(a.Payments, payment)
			}
		}
		m.ambiguous = append(m.ambiguous, a)
	}
}

// phantom reports whether a group is no payment: time-outs, errors and reversals
// that nobody else speaks of and that do not say for how much. A reversal that
// says what it takes back stands alone where all else of its payment is lost.
func (m *matcher) phantom(g *group) bool {
	alone := g.class == charge || g.class == reversalAct && (g.rrn != 0 || g.stan != 0)
	return g.seen == byGateway && !(g.hasAmount && alone) || m.doubted(g)
}

// doubted reports whether a group fits several payments equally, and no file shows
// that it is one of its own.
func (m *matcher) doubted(g *group) bool {
	return g.doubtful && g.parent == g.at && g.seen&lines == 0
}

// idOf gives the id of a payment that a fact founds.
func (m *matcher) idOf(f *evidence.Fact) evidence.Word {
	b := m.words.Append(m.room.text[:0], f.Source)
	b = append(b, '#')
	m.room.text = m.words.Append(b, f.ID)
	return evidence.HashWord(xxhash.Sum64(m.room.text))
}

// timeOf gives a payment's time: of its first terminal or gateway fact, else
// what its first line says.
func (m *matcher) timeOf(g *group) evidence.Instant {
	first, line := evidence.Instant(0), evidence.Instant(0)
	for i := g.head; i >= 0; i = m.next[i] {
		f := m.fact(i)
		at, into := f.Time, &first
		if witnessOf(f)&lines != 0 {
			into = &line
			if f.TransactionTime != 0 {
				at = f.TransactionTime
			}
		}
		if *into == 0 || at < *into {
			*into = at
		}
	}
	if first != 0 {
		return first
	}
	return line
}

func kindOf(c class) evidence.Kind {
	switch c {
	case voidAct:
		return evidence.Void
	case refundAct:
		return evidence.Refund
	case completionAct:
		return evidence.Completion
	case chargebackAct:
		return evidence.Chargeback
	default:
		return evidence.Reversal
	}
}

func sortedActs(acts []*group) []*group {
	slices.SortFunc(acts, compareGroups)
	return acts
}

func (m *matcher) appendFacts(to []evidence.FactRef, g *group, extra []int32) []evidence.FactRef {
	own := m.room.own[:0]
	for i := g.head; i >= 0; i = m.next[i] {
		own = append(own, i)
	}
	own = append(own, extra...)
	if !slices.IsSorted(own) {
		slices.Sort(own) // facts are numbered in order of time
	}
	for _, i := range own {
		to = append(to, m.facts[i])
	}
	m.room.own = own
	return to
}
