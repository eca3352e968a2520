package world

import (
	"fmt"
	"strings"
)

// payDay sends what a merchant's payouts of the day come to.
func (s *sim) payDay(m *merchant) {
	day := m.date(s.now)
	if !m.calDays && !m.reg.cal.IsBusinessDay(day) {
		return
	}
	for _, po := range m.payouts {
		po.tried = true
		s.send(po)
	}
	keep := m.payouts[:0]
	for _, po := range m.payouts {
		if po.went == 0 && po.carry() {
			keep = append(keep, po)
		}
	}
	m.payouts = keep
}

func (s *sim) payoutFact(po *payout, state, reason string, at int64) ref {
	f := s.fact("payout.status", "payouts/core", at, po.m.reg.zone).str("payout", po.id).str("mid", po.m.mid).num("amount", po.amount).
		str("currency", po.m.reg.currency).str("account", po.m.account).str("bank", po.m.bank.name).str("state", state).str("reason", reason)
	if po.of != nil && state == "created" {
		f.str("replaces", po.of.id)
	}
	if state == "created" || state == "sent" || state == "held" {
		f.str("by", "platform")
	}
	return f.emit()
}

// send lets a payout go to the bank, unless something is in the way.
func (s *sim) send(po *payout) {
	m := po.m
	if po.went != 0 {
		return
	}
	own := func(code, party string, l leg) *trouble {
		t := s.newTrouble(code, party, l, s.now)
		po.troubles = append(po.troubles, t)
		return t
	}
	take := func(k string) bool {
		if t := m.fate[k]; t != nil && !po.t0 && len(po.pays) > 0 && po.of == nil {
			delete(m.fate, k)
			return true
		}
		return false
	}
	switch {
	case po.carry() && !po.t0:
		s.rest(po)
		return
	case m.hold != nil && m.holdStage == payoutLeg:
		s.at(m.hold.to+600, func() { s.send(po) })
		m.waiting = append(m.waiting, po)
		return
	case po.notBefore > s.now:
		s.at(po.notBefore, func() { s.send(po) })
		return
	case m.bank.off > s.now:
		s.at(m.bank.off+int64(s.n(60, 900)), func() { s.send(po) })
		return
	case take("not_sent"):
		t := own("payout.not_sent", "platform", payoutLeg)
		t.from = s.now
		t.soft, t.silent = true, true
		s.at(s.dayAfter(po), func() { s.send(po) })
		return
	case take("held"):
		t := own("payout.not_sent", "platform", payoutLeg)
		t.held = true
		s.payoutFact(po, "created", "", s.now)
		t.tell = []ref{s.payoutFact(po, "held", "", s.now+60)}
		t.from = t.tell[0].at
		s.at(s.dayAfter(po), func() { s.send(po) })
		return
	case take("limit_bank"):
		t := own("bank.limit", "platform", payoutLeg)
		s.payoutFact(po, "created", "", s.now)
		t.tell = []ref{s.payoutFact(po, "rejected", pick(s, []string{"AM02", "AM14", "AM21"}), s.now+300)}
		t.from = t.tell[0].at
		s.at(s.dayAfter(po), func() { s.split(po) })
		po.went = s.now
		return
	case take("rejected"):
		t := own("payout.returned", "merchant", payoutLeg)
		s.payoutFact(po, "created", "", s.now)
		t.tell = []ref{s.payoutFact(po, "rejected", pick(s, []string{"AC01", "BE01"}), s.now+300)}
		t.from = t.tell[0].at
		s.at(s.dayAfter(po), func() { s.replace(po, po.amount, "b") })
		po.went = s.now
		return
	}
	// What kept it, or made it necessary to send it again, is over.
	for o := po; o != nil; o = o.of {
		for _, t := range o.troubles {
			if t.to == never && (t.leg == payoutLeg || o != po) {
				t.to = s.now
			}
		}
	}
	po.went = s.now
	s.payoutFact(po, "created", "", s.now)
	po.sent = s.payoutFact(po, "sent", "", s.now+30)
	s.payoutFact(po, "accepted", "", s.now+90)
	if take("returned") {
		t := own("payout.returned", "merchant", credit)
		back := s.now + int64(s.n(2, 18))*3600
		t.from = back
		s.at(back, func() {
			t.tell = []ref{s.payoutFact(po, "returned", pick(s, []string{"AC04", "AC06", "RC01"}), s.now)}
			t.from = s.now
		})
		s.at(s.dayAfter(po)+86400, func() { s.replace(po, po.amount, "b") })
		return
	}
	book := s.now + 120 + int64(s.n(1, m.bank.lag))*60
	if m.creditDays > 0 {
		book = clockAt(m.reg.cal.AddBusinessDays(m.date(s.now), m.creditDays), s.n(60, 400), m.reg.zone)
	}
	if noonish(book, s) {
		book += 600
	}
	if m.bank.creditOff > book {
		book = m.bank.creditOff + int64(s.n(60, 2400))
	}
	if po.twin != nil && po.twin.went != 0 && po.twin.went != s.now || po.twin != nil && po.twin.id < po.id {
		book += int64(s.n(1, 2)) * 86400
		po.troubles[0].to = book
		t := own("bank.slow_processing", "bank", credit)
		t.soft, t.silent, t.shared = true, true, false
		t.to = book
	}
	if take("slow") {
		t := own("bank.slow_processing", "bank", credit)
		t.soft, t.silent = true, true
		book += int64(s.n(1, 3)) * 86400
		t.to = book
	}
	if m.bank.lag > 100 && s.permille(8*s.cfg.Trouble/100) && s.wants("bank.slow_processing") && !po.t0 {
		book += int64(s.n(16, 40)) * 3600
		t := own("bank.slow_processing", "bank", credit)
		t.soft, t.silent = true, true
		t.to = book
	}
	if late := s.creditBy(po); book > late && po.of == nil && m.bank.creditOff <= book-2400 && len(po.troubles) == 0 {
		// The bank takes its usual time, and that is past the end of the day.
		t := own("bank.slow_processing", "bank", credit)
		t.soft, t.silent = true, true
		t.to = book
	}
	s.at(book, func() { s.book(po) })
}

// creditBy is by when a payout that goes out now is to be on the account.
func (s *sim) creditBy(po *payout) int64 {
	m := po.m
	if po.t0 {
		return m.dueFrom(po.pays[0].captured).cred
	}
	day := m.reg.cal.AddBusinessDays(m.date(s.now), m.creditDays)
	return clockAt(day.Add(1), 0, m.reg.zone) - 1
}

// dayAfter is the payout time of the next payout day, in the evening so that a
// noon lies before it.
func (s *sim) dayAfter(po *payout) int64 {
	m := po.m
	return clockAt(m.nextPayDay(m.date(s.now)), max(m.payoutAt, 840)+s.n(1, 20), m.reg.zone)
}

// replace sends a sum again.
func (s *sim) replace(po *payout, amount int64, suffix string) {
	again := &payout{id: po.id + suffix, m: po.m, day: po.m.date(s.now), amount: amount, of: po, tried: true}
	po.again = append(po.again, again)
	s.send(again)
}

func (s *sim) split(po *payout) {
	half := po.amount / 2
	s.replace(po, half, "a")
	s.replace(po, po.amount-half, "b")
}

// book credits the account.
func (s *sim) book(po *payout) {
	m := po.m
	po.booked = s.now
	day := m.date(s.now)
	known := s.now
	if !m.early {
		known = clockAt(day.Add(1), 390, m.reg.zone)
	}
	if m.bank.credits {
		po.credited = s.payoutFact(po, "credited", "", s.now)
	}
	if m.statements {
		late := m.missing[day]
		if late != nil {
			known = max(known, late.to)
		}
		f := s.fact("bank.entry", "bank/"+m.bank.name, s.now, m.reg.zone).str("account", m.account).num("amount", po.amount).str("currency", m.reg.currency).
			str("direction", "credit").str("status", "booked").str("entry_ref", fmt.Sprintf("%s%s%06d", m.bank.name, strings.ReplaceAll(day.String(), "-", ""), s.factSeq)).
			date("booking_date", day).date("value_date", day)
		if m.references {
			f.list("references", po.id)
		} else {
			f.str("text", "merchant settlement "+m.mid[8:])
		}
		po.entry = f.late(known).emit()
		m.visible++
	}
	root := po
	for root.of != nil {
		root = root.of
	}
	if !root.whole() {
		return
	}
	for _, p := range root.pays {
		p.arrival = s.now
		if p.pending == 0 && p.undo != "refund" {
			p.doneAt = max(known, s.now, p.doneAt)
			if p.undo == "" && m.statements && po.entry.at > p.doneAt {
				p.doneAt = po.entry.at
			}
		}
	}
	root.pays = nil // so that one payment still open does not keep all of its day
}

// whole says whether all of a payout, or what was sent instead, is booked.
func (po *payout) whole() bool {
	if po.booked != 0 {
		return true
	}
	for _, a := range po.again {
		if !a.whole() {
			return false
		}
	}
	return len(po.again) > 0
}

// statement delivers the account's statement of a day, the next morning.
func (s *sim) statement(m *merchant) {
	if !m.statements {
		return
	}
	day := m.date(s.now).Add(-1)
	if t := m.missing[day]; t != nil && t.to > s.now {
		s.at(t.to, func() { s.stateStatement(m, day) })
		return
	}
	s.stateStatement(m, day)
}

func (s *sim) stateStatement(m *merchant, day calendarDate) {
	s.fact("bank.statement", "bank/"+m.bank.name, s.now, m.reg.zone).str("account", m.account).date("from", day).date("to", day).emit()
}
