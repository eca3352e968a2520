package world

import (
	"fmt"
	"strings"

	"daozhang/internal/calendar"
)

// clear makes the day's clearing file of a network: all that was captured with
// a business date up to d, and not cleared yet.
func (s *sim) clear(reg *region, nw *network, d calendar.Date) {
	if nw.clearOff > s.now {
		s.at(nw.clearOff+1200, func() { s.clear(reg, nw, d) })
		for _, m := range reg.merchants {
			s.at(nw.clearOff+6000, func() { s.settle(m, m.date(s.now)) })
			s.at(nw.clearOff+12000, func() { s.payDay(m) })
		}
		return
	}
	var count, total int64
	src := "clearing/" + nw.name
	var left []ref
	for _, m := range reg.merchants {
		keep := m.awaitClear[:0]
		for _, p := range m.awaitClear {
			if p.nw != nw || m.clearingDate(p.captured) > d || p.clearAfter > s.now {
				keep = append(keep, p)
				continue
			}
			if p.undo == "void" {
				continue
			}
			if p.lacking == nil && s.permille(s.cfg.Trouble*2/100) && s.wants("record.not_in_clearing") {
				t := s.newTrouble("record.not_in_clearing", "network", clearing, s.now+2400)
				t.soft, t.shared = true, false
				p.lacking = t
				p.troubles = append(p.troubles, t)
				p.clearAfter = s.now + int64(s.n(1, 2))*86400 - 600
				keep = append(keep, p)
				continue
			}
			at := s.now + int64(s.n(0, 1800))
			kind := "sale"
			if p.kind == "preauth" {
				kind = "completion"
			}
			f := s.fact("clearing.line", src, at, reg.zone).str("mid", m.mid).str("tid", p.t.tid).str("stan", p.stan)
			p.lineKeys(f)
			f.str("kind", kind).date("clearing_date", d).when("transaction_time", p.tender)
			p.clr = s.money(p, f, p.amount).mayLose().emit()
			if p.lacking != nil && p.lacking.code == "record.not_in_clearing" && p.lacking.to == never {
				p.lacking.to = at
			}
			if p.clr.lost {
				left = append(left, p.clr)
			}
			count++
			total += p.amount
			if !p.stl.exists() {
				m.awaitPay = append(m.awaitPay, p)
			}
		}
		m.awaitClear = keep
	}
	file := s.fact("clearing.file", src, s.now+2400, reg.zone).str("network", nw.name).date("date", d).
		num("count", count).num("total", total).str("currency", reg.currency).emit()
	for _, m := range reg.merchants {
		for _, p := range m.awaitClear {
			if p.nw == nw && p.lacking != nil && len(p.lacking.tell) == 0 {
				// Lines of this file that were lost make it prove nothing.
				file := file
				file.lost = len(left) > 0
				p.lacking.tell = append(p.lacking.tell, file)
			}
		}
	}
}

// clearingDate is the date with whose file a capture clears: the business date;
// where settlement is due at once, the day's own, since that of a sale after the
// cut-off would come too late.
func (m *merchant) clearingDate(t int64) calendar.Date {
	if m.days == 0 {
		return m.date(t)
	}
	return m.businessDate(t)
}

// lineKeys are the keys that the lines of files carry.
func (p *payment) lineKeys(f *fact) *fact {
	if p.kind == "preauth" {
		f.str("rrn", p.actRRN).str("original_rrn", p.rrn)
	} else {
		f.str("rrn", p.rrn)
	}
	f.str("ref", p.ref)
	return f.str("auth_code", p.auth).str("pan", p.pan).str("network", p.nw.name).str("card_type", p.cardType())
}

// extraLine is a settlement line beside the sales.
type extraLine struct {
	kind string
	p    *payment
	net  int64
	rrn  string
}

// payout is one sum on its way to a merchant.
type payout struct {
	id       string
	m        *merchant
	day      calendar.Date // when it is to go out
	amount   int64
	pays     []*payment
	extras   []extraLine
	t0       bool
	sent     ref
	credited ref
	entry    ref
	went     int64
	booked   int64
	again    []*payout // sent instead
	of       *payout
	troubles []*trouble
	tried    bool
	// notBefore is when a payout over its merchant's limit may go.
	notBefore int64
	twin      *payout // another of the same sum that nothing tells from this one
}

func (s *sim) openPayout(m *merchant, day calendar.Date) *payout {
	m.payoutSeq++
	po := &payout{id: fmt.Sprintf("P%s-%04d-%d", strings.ReplaceAll(day.String(), "-", ""), m.index+1, m.payoutSeq), m: m, day: day}
	return po
}

// settle writes the settlement lines of a merchant's day.
func (s *sim) settle(m *merchant, day calendar.Date) {
	if s.settleOff > s.now {
		s.at(s.settleOff+int64(s.n(300, 900)), func() { s.settle(m, day) })
		if at := s.settleOff + 2400; at > clockAt(day, m.payoutAt, m.reg.zone) {
			s.at(at, func() { s.payDay(m) })
		}
		return
	}
	if !m.calDays && !m.reg.cal.IsBusinessDay(day) || m.hold != nil && m.holdStage == settlement {
		return
	}
	var now []*payment
	keep := m.awaitPay[:0]
	short := m.fate["short"]
	delete(m.fate, "short")
	var lacking []*payment
	for _, p := range m.awaitPay {
		switch {
		case m.dueFrom(p.captured).day > day || p.heldUntil > s.now || p.settleAfter > s.now:
			keep = append(keep, p)
		case short != nil && s.permille(400):
			p.troubles = append(p.troubles, short)
			lacking = append(lacking, p)
			keep = append(keep, p)
		case p.lacking == nil && p.undo == "" && s.permille(s.cfg.Trouble*2/100) && s.wants("record.not_in_settlement"):
			t := s.newTrouble("record.not_in_settlement", "platform", settlement, s.now+3000)
			t.soft, t.shared = true, false
			p.lacking = t
			p.troubles = append(p.troubles, t)
			p.settleAfter = s.now + int64(s.n(1, 3))*86400 - 7200
			lacking = append(lacking, p)
			keep = append(keep, p)
		default:
			now = append(now, p)
		}
	}
	m.awaitPay = keep
	if len(now) == 0 && len(m.lines) == 0 && len(lacking) == 0 {
		return
	}
	var po *payout
	for _, o := range m.payouts {
		if o.twin == nil && (!o.tried || o.went == 0 && o.carry()) {
			po = o
		}
	}
	if po == nil {
		po = s.openPayout(m, day)
		m.payouts = append(m.payouts, po)
	}
	var count, total int64
	if t := m.fate["limit"]; t != nil && len(now) > 3 && po.amount == 0 {
		delete(m.fate, "limit")
		for _, p := range now {
			total += s.settleOne(p, po, day)
			count++
		}
		whole := total
		for _, e := range m.lines {
			whole += e.net
		}
		limit := max(whole, 100) * int64(s.n(50, 80)) / 100
		kind := pick(s, []string{"max_amount", "daily_amount"})
		say := func(at, limit int64) ref {
			return s.fact("limit.policy", "platform/limits", at, m.reg.zone).str("scope", "mid/"+m.mid).str("kind", "payout").num(kind, limit).str("currency", m.reg.currency).emit()
		}
		t.tell, t.from = []ref{say(s.now-3600, limit)}, s.now
		m.limits = append(m.limits, t)
		po.troubles = append(po.troubles, t)
		// The merchant has it raised in time for the next day's run.
		run := clockAt(m.nextPayDay(day), m.payoutAt, m.reg.zone)
		po.notBefore = run
		s.at(run-300, func() { t.to = s.now; say(s.now, limit*50) })
	} else if t := m.fate["twins"]; t != nil && len(now) > 3 && po.amount == 0 && len(m.lines) == 0 {
		delete(m.fate, "twins")
		second := s.openPayout(m, day)
		m.payouts = append(m.payouts, second)
		po.twin, second.twin = second, po
		po.troubles, second.troubles = append(po.troubles, t), append(second.troubles, t)
		for i, p := range now {
			total += s.settleOne(p, [2]*payout{po, second}[i%2], day)
			count++
		}
		// A line that names no payment makes the sums equal.
		more, less := po, second
		if more.amount < less.amount {
			more, less = less, more
		}
		if d := more.amount - less.amount; d > 0 {
			s.fact("settlement.line", "settlement/"+m.mid, s.now+60, m.reg.zone).str("mid", m.mid).str("kind", "adjustment").str("currency", m.reg.currency).
				num("gross", d).num("fee", 0).num("net", -d).date("settlement_date", day).str("payout", more.id).emit()
			more.amount -= d
			total -= d
			count++
		}
	} else {
		for _, p := range now {
			total += s.settleOne(p, po, day)
			count++
		}
	}
	for _, e := range m.lines {
		total += s.extra(e, po, day)
		count++
	}
	m.lines = m.lines[:0]
	if short != nil {
		count += int64(len(lacking))
		for i := range 4 {
			at := s.now - int64(3000-40*i)
			r := s.fact("gateway.error", "gateway/main", at, m.reg.zone).str("link", "platform").str("detail", "5xx").emit()
			short.tell = append(short.tell, r)
		}
		short.from = s.now + 2400
	}
	s.rest(po)
	file := s.fact("settlement.file", "settlement/"+m.mid, s.now+2400, m.reg.zone).str("mid", m.mid).date("date", day).
		num("count", count).num("total", total).str("currency", m.reg.currency).emit()
	for _, p := range lacking {
		t := p.troubles[len(p.troubles)-1]
		t.tell = append(t.tell, file)
	}
	if short != nil {
		for _, p := range lacking {
			p.settleAfter = s.now + 3600
		}
		next := clockAt(m.nextPayDay(day), m.settleAt, m.reg.zone)
		s.at(next, func() { short.to = s.now })
	}
}

// rest lets the payout wait while its lines come to too little.
func (s *sim) rest(po *payout) {
	for _, t := range po.troubles {
		if t.to == never && (t.code == "payout.below_minimum" || t.code == "payout.negative_balance") {
			if t.code == "payout.negative_balance" == (po.amount <= 0) && po.carry() {
				return
			}
			t.to = s.now
		}
	}
	if !po.carry() {
		return
	}
	code, party := "payout.below_minimum", "nobody"
	if po.amount <= 0 {
		code, party = "payout.negative_balance", "merchant"
	}
	t := s.newTrouble(code, party, payoutLeg, s.now)
	t.shared = false
	po.troubles = append(po.troubles, t)
	for _, p := range po.pays {
		t.tell = append(t.tell, p.stl)
	}
	t.tell = t.tell[:min(3, len(t.tell))]
}

func (po *payout) carry() bool { return po.amount < po.m.minimum || po.amount <= 0 }

func (m *merchant) nextPayDay(d calendar.Date) calendar.Date {
	if m.calDays {
		return d.Add(1)
	}
	return m.reg.cal.AddBusinessDays(d, 1)
}

// settleOne writes the settlement line of one payment and gives its net.
func (s *sim) settleOne(p *payment, po *payout, day calendar.Date) int64 {
	m := p.m
	gross, fee := p.amount, m.fee(p.amount, p.credit)
	if m.feeMode == "invoiced" {
		fee = 0
	}
	own := func(code, party string, l leg) *trouble {
		t := s.newTrouble(code, party, l, s.now)
		t.shared = false
		return t
	}
	r := s.rng.IntN(1000) * 100 / max(1, s.cfg.Trouble)
	reserve := int64(0)
	if p.undo == "" && p.refunded == 0 && !p.second {
		switch {
		case r < 2 && m.feeMode == "net" && s.wants("deduction.fee"):
			extra := min(int64(s.n(50, 400)), gross-fee)
			if extra > 1 {
				fee += extra
				p.short, p.taken = own("deduction.fee", "platform", credit), extra
			}
		case r < 4 && s.wants("record.amount_mismatch"):
			d := gross / 10
			gross -= d
			fee = m.fee(gross, p.credit)
			if m.feeMode == "invoiced" {
				fee = 0
			}
			p.short, p.taken = own("record.amount_mismatch", "platform", 0), d
		case r < 6 && s.wants("deduction.reserve"):
			reserve = gross / 10
			p.short, p.taken = own("deduction.reserve", "merchant", credit), reserve
			p.short.held = true
		case r < 8 && s.wants("deduction.adjustment"):
			reserve = gross / 20
			p.short, p.taken = own("deduction.adjustment", "merchant", credit), reserve
		}
	}
	net := gross - fee
	at := s.now + int64(s.n(0, 1200))
	if po.t0 {
		at = s.now
	}
	line := func(kind string) *fact {
		f := s.fact("settlement.line", "settlement/"+m.mid, at, m.reg.zone).str("mid", m.mid).str("tid", p.t.tid)
		p.lineKeys(f)
		if kind == "sale" && p.nw.name == "UnionPay" {
			f.str("stan", p.stan)
		}
		if m.orders && kind == "sale" {
			f.str("order_id", p.order)
		}
		return f.str("kind", kind).str("currency", m.reg.currency).date("settlement_date", day).when("transaction_time", p.tender).str("payout", po.id)
	}
	kind := "sale"
	if p.kind == "preauth" {
		kind = "completion"
	}
	p.stl = line(kind).num("gross", gross).num("fee", fee).num("net", net).emit()
	p.payout = po
	po.pays = append(po.pays, p)
	po.amount += net
	total := net
	if p.short != nil {
		p.short.tell = []ref{p.stl}
		p.short.from = at
	}
	if reserve > 0 {
		kind := strings.TrimPrefix(p.short.code, "deduction.")
		r := line(kind).num("gross", reserve).num("fee", 0).num("net", -reserve).emit()
		p.short.tell = []ref{r}
		p.tookAt = r
		po.amount -= reserve
		total -= reserve
	}
	return total
}

// extra writes a refund or a chargeback into the day's lines.
func (s *sim) extra(e extraLine, po *payout, day calendar.Date) int64 {
	p, m := e.p, e.p.m
	at := s.now + int64(s.n(0, 1200))
	f := s.fact("settlement.line", "settlement/"+m.mid, at, m.reg.zone).str("mid", m.mid)
	if e.kind == "refund" {
		f.str("rrn", e.rrn).str("original_rrn", p.rrn)
	} else {
		f.str("tid", p.t.tid).str("rrn", p.rrn).str("auth_code", p.auth)
	}
	f.str("pan", p.pan).str("network", p.nw.name).str("kind", e.kind).str("currency", m.reg.currency).
		num("gross", -e.net).num("fee", 0).num("net", e.net).date("settlement_date", day).str("payout", po.id)
	r := f.emit()
	po.amount += e.net
	po.extras = append(po.extras, e)
	p.pending--
	if e.kind == "refund" {
		p.undoneBack = r
		if p.undo == "refund" && p.pending == 0 {
			p.doneAt = at
		}
	} else {
		t := s.newTrouble("deduction.chargeback", "merchant", credit, at)
		t.shared, t.tell = false, []ref{r}
		p.short, p.taken, p.tookAt = t, -e.net, r
		p.after = true
		p.doneAt = at
	}
	return e.net
}

// settleNow settles and pays a T0 or D0 sale within minutes.
func (s *sim) settleNow(p *payment) {
	m := p.m
	if p.undo == "void" || p.stl.exists() {
		return
	}
	if s.settleOff > s.now {
		s.at(s.settleOff+int64(s.n(60, 900)), func() { s.settleNow(p) })
		return
	}
	if m.hold != nil && m.holdStage == settlement || p.heldUntil > s.now {
		// With the next run.
		if p.clr.exists() {
			m.awaitPay = append(m.awaitPay, p)
		}
		return
	}
	po := s.openPayout(m, m.date(s.now))
	po.t0 = true
	s.settleOne(p, po, po.day)
	s.at(s.now+60, func() { s.send(po) })
}
