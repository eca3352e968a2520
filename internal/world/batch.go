package world

import "fmt"

func (s *sim) openBatch(t *terminal, at int64) {
	t.batchNo++
	t.batch = &batch{t: t, no: fmt.Sprintf("%06d", t.batchNo)}
	s.batchFact(t.batch, "opened", at)
}

func (s *sim) batchFact(b *batch, what string, at int64) ref {
	f := s.fact("terminal.batch", "terminal/"+b.t.tid, at, b.t.m.reg.zone).str("mid", b.t.m.mid).str("tid", b.t.tid).str("batch", b.no).str("what", what)
	if what == "closed" || what == "uploaded" {
		f.num("count", b.count).num("total", b.total).str("currency", b.t.m.reg.currency)
	}
	return f.emit()
}

// capture takes an approved sale: at the host at once, else with its batch.
func (s *sim) capture(p *payment) {
	if p.m.byTerminal || p.offline {
		b := p.t.batch
		p.inBatch = b
		b.pays = append(b.pays, p)
		b.count++
		b.total += p.amount
		return
	}
	p.captured, p.capRef = p.tender+2, p.resp
	s.route(p)
}

// offline is a sale that the terminal approved by itself.
func (s *sim) offline(p *payment) {
	p.offline, p.approved = true, true
	s.journal(p, p.tender+3, "offline_approved", "Y1", true, 0)
	s.capture(p)
}

// closeBatch closes and uploads what a terminal has collected, unless
// something keeps it open.
func (s *sim) closeBatch(t *terminal) {
	if t.batch != nil {
		s.uploadBatch(t.batch)
	}
}

func (s *sim) uploadBatch(b *batch) {
	if b.until > s.now || len(b.pays) == 0 || b.uploaded.exists() {
		return
	}
	s.batchFact(b, "closed", s.now)
	b.uploaded = s.batchFact(b, "uploaded", s.now+20)
	for _, p := range b.pays {
		if p.undo == "void" {
			continue
		}
		p.captured, p.capRef = s.now+20, b.uploaded
		s.route(p)
	}
	b.pays = nil
	if b.t.batch == b {
		b.t.batch = nil
	}
}

// route sends what was captured on its way to clearing, and in a T0 or D0
// cycle to the payout at once.
func (s *sim) route(p *payment) {
	p.m.awaitClear = append(p.m.awaitClear, p)
	if p.m.dueFrom(p.captured).instant {
		s.at(p.captured+int64(s.n(120, 900)), func() { s.settleNow(p) })
	}
}

// afterwards draws what happens to an approved sale later: voids, refunds,
// holds, second presentments.
func (s *sim) afterwards(p *payment) {
	r := s.rng.IntN(1000) * 100 / max(1, s.cfg.Trouble)
	m := p.m
	switch {
	case r < 5 && s.wants("transaction.voided"):
		s.at(p.tender+int64(s.n(200, 1500)), func() { s.void(p) })
	case r < 9 && s.wants("transaction.refunded"):
		s.at(p.tender+int64(s.n(2, 60))*3600, func() { s.refund(p, p.amount) })
	case r < 12 && s.wants("transaction.refunded"):
		s.at(p.tender+int64(s.n(2, 60))*3600, func() { s.refund(p, p.amount/100*40) })
	case r < 14 && p.order != "" && p.pan != "" && p.billed == p.amount && s.wants("record.duplicate"):
		s.at(p.tender+int64(s.n(50, 140)), func() { s.again(p) })
	case r < 17 && s.wants("fraud.hold"):
		s.holdOne(p)
	case r < 19 && s.wants("deduction.chargeback"):
		s.at(p.tender+int64(s.n(40, 110))*3600, func() {
			if p.stl.exists() && p.undo == "" {
				m.lines = append(m.lines, extraLine{kind: "chargeback", p: p, net: -p.amount})
				p.pending++
			}
		})
	}
}

// act writes a transaction on an earlier one.
func (s *sim) act(p *payment, kind string, amount int64, at int64) ref {
	t := p.t
	t.stan++
	stan := fmt.Sprintf("%06d", t.stan)
	s.rrn++
	_, mo, day := p.m.date(at).YMD()
	rrn := fmt.Sprintf("%02d%02d%08d", mo, day, s.rrn)
	write := func(typ, src string, at int64) *fact {
		f := s.fact(typ, src, at, p.m.reg.zone).str("mid", p.m.mid).str("tid", t.tid).str("batch", p.batchNo).str("stan", stan).str("rrn", rrn).
			str("original_rrn", p.rrn).str("original_stan", p.stan).str("pan", p.pan).str("network", p.nw.name).str("kind", kind)
		return s.money(p, f, amount)
	}
	write("gateway.request", "gateway/main", at).emit()
	r := write("gateway.response", "gateway/main", at+2).str("response_code", "00").emit()
	write("terminal.transaction", "terminal/"+t.tid, at+3).str("result", "approved").str("response_code", "00").emit()
	p.actRRN = rrn
	return r
}

func (s *sim) void(p *payment) {
	if p.clr.exists() || p.stl.exists() || noonish(s.now, s) || p.inBatch != nil && p.inBatch.uploaded.exists() || p.m.t0 > 0 {
		return
	}
	p.undo = "void"
	p.undone = s.act(p, "void", p.amount, s.now)
	t := s.newTrouble("transaction.voided", "nobody", 0, s.now)
	t.tell = []ref{p.undone}
	p.why = t
	if s.permille(150) && s.wants("human.misoperation") {
		at := s.now + int64(s.n(30, 400))
		w := s.fact("operator.action", "terminal/"+p.t.tid, at, p.m.reg.zone).str("mid", p.m.mid).str("tid", p.t.tid).str("batch", p.batchNo).str("stan", fmt.Sprintf("%06d", p.t.stan)).
			str("operator", "05").str("what", "wrong_function").emit()
		p.why.code, p.why.party, p.why.tell = "human.misoperation", "operator", []ref{w}
	}
	p.why.shared = false
	p.doneAt = s.now + 600
}

func (s *sim) refund(p *payment, amount int64) {
	if p.undo != "" || p.captured == 0 || noonish(s.now, s) || p.revQueued.exists() {
		return
	}
	r := s.act(p, "refund", amount, s.now)
	e := extraLine{kind: "refund", p: p, net: -amount, rrn: p.actRRN}
	if amount == p.amount {
		p.undo, p.undone = "refund", r
		t := s.newTrouble("transaction.refunded", "nobody", 0, s.now)
		t.shared, t.tell = false, []ref{r}
		p.why = t
	} else {
		p.refunded += amount
		p.refundRef = r
	}
	p.pending++
	p.m.lines = append(p.m.lines, e)
}

// again is the same sale presented a second time.
func (s *sim) again(first *payment) {
	if noonish(s.now, s) || first.t.busy > first.tender+170 {
		return // not at once, so it is no second try
	}
	p := s.draft(first.m, first.t, s.now)
	p.is, p.nw, p.pan, p.credit, p.amount, p.entry = first.is, first.nw, first.pan, first.credit, first.amount, first.entry
	p.order, p.billed, p.orderRef = first.order, first.billed, first.orderRef
	p.second = true
	s.open = append(s.open, p)
	s.request(p)
	s.response(p, p.tender+2, "00")
	s.journal(p, p.tender+3, "approved", "00", true, 0)
	t := s.newTrouble("record.duplicate", "platform", 0, p.tender)
	t.shared, t.tell = false, []ref{p.resp, p.term}
	p.twice = t
	s.capture(p)
}

// holdOne keeps one payment for review.
func (s *sim) holdOne(p *payment) {
	say := func(action string, at int64) ref {
		return p.keys(s.fact("risk.decision", "risk/main", at, p.m.reg.zone), true).str("action", action).str("rule", "amount_spike").num("score", 780).emit()
	}
	t := s.newTrouble("fraud.hold", "platform", settlement|payoutLeg, p.tender+4)
	t.shared, t.held = false, true
	t.tell = []ref{say("hold", p.tender+4)}
	p.troubles = append(p.troubles, t)
	p.heldUntil = never
	s.at(p.tender+int64(s.n(30, 80))*3600, func() {
		say("release", s.now)
		t.to, p.heldUntil = s.now, 0
	})
}
