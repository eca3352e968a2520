package world

import (
	"fmt"

	"daozhang/internal/calendar"
)

type calendarDate = calendar.Date

// plan spreads the faults that hit many payments over the days: each kind once,
// more often in larger worlds; in very small ones some are left out, so that
// most payments are well everywhere.
func (s *sim) plan() {
	start := clockAt(s.cfg.From, 0, s.zone)
	kinds := s.faultKinds()
	shopDays := s.cfg.Merchants * s.cfg.Days
	size := max(1, min(shopDays/400, 40)*s.cfg.Trouble/100)
	for _, k := range kinds {
		if !s.wants(k.code) {
			continue
		}
		if len(s.cfg.Only) == 0 && s.cfg.Trouble <= 100 && !s.permille(max(50, min(1000, shopDays*s.cfg.Trouble/300*10))) {
			continue
		}
		for range size {
			do := k.do
			day := s.rng.IntN(s.cfg.Days)
			minute := k.from + s.rng.IntN(k.to-k.from)
			at := start + int64(day)*86400 + int64(minute)*60
			for noonish(at, s) {
				at += 60
			}
			s.at(at, func() { do() })
		}
	}
}

type faultKind struct {
	code     string
	from, to int // minutes after midnight in which it begins
	do       func()
}

// forced is how many attempts are made while a fault at one terminal lasts, so
// that it is seen at all.
func (s *sim) attempts(t *terminal, from, to int64, n int) {
	for i := range n {
		at := from + (to-from)*int64(i+1)/int64(n+1)
		s.at(at, func() { s.sell(t.m, t, s.now) })
	}
}

// freeTerminal finds a terminal that has no fault; nil if there is none.
func (s *sim) freeTerminal(ok func(*terminal) bool) *terminal {
	for range 200 {
		m := pick(s, s.merchants)
		t := pick(s, m.terms)
		if t.reader == nil && t.fault == nil && t.line == nil && t.sync == nil && m.net == nil && (t.batch == nil || t.batch.until == 0) && ok(t) {
			return t
		}
	}
	return nil
}

func host(t *terminal) bool      { return !t.m.byTerminal }
func upload(t *terminal) bool    { return t.m.byTerminal }
func anyTerminal(*terminal) bool { return true }

func (s *sim) health(t *terminal, component, state string, at int64, lost bool) ref {
	return s.fact("terminal.health", "terminal/"+t.tid, at, t.m.reg.zone).str("mid", t.m.mid).str("tid", t.tid).str("component", component).str("state", state).lose(lost).emit()
}

func (s *sim) software(t *terminal, what string, pending int64, version, detail string, lost bool) ref {
	f := s.fact("terminal.software", "terminal/"+t.tid, s.now, t.m.reg.zone).str("mid", t.m.mid).str("tid", t.tid).str("what", what).str("version", version).str("detail", detail)
	if pending > 0 {
		f.num("pending", pending)
	}
	return f.lose(lost).emit()
}

func (s *sim) prompt(t *terminal, prompt string) ref {
	f := s.fact("operator.action", "terminal/"+t.tid, s.now, t.m.reg.zone).str("mid", t.m.mid).str("tid", t.tid).str("operator", "02").str("what", "prompt_ignored").str("prompt", prompt)
	if t.batch != nil {
		f.str("batch", t.batch.no)
	}
	return f.emit()
}

func (s *sim) link(name, state string, latency int64, lost bool) ref {
	f := s.fact("link.status", "monitor/main", s.now, s.zone).str("link", name).str("state", state)
	if latency > 0 {
		f.num("latency_ms", latency)
	}
	return f.lose(lost).emit()
}

func (s *sim) notice(issuer, what, affects, title string, from, to int64, lost bool) ref {
	s.noticeNo++
	f := s.fact("notice", "notices/"+issuer, s.now, s.zone).str("notice", fmt.Sprintf("N%04d", s.noticeNo)).str("issuer", issuer).str("what", what).
		when("from", from)
	if to > 0 {
		f.when("to", to)
	}
	return f.list("affects", affects).str("title", title).lose(lost).emit()
}

// lostFault says whether what tells of a fault never reaches the observer.
func (s *sim) lostFault() bool { return s.permille(s.cfg.Loss * 12) }

// until keeps a short fault from being in force when the question is asked.
func (s *sim) until(minutes int) int64 {
	end := s.now + int64(minutes)*60
	for t := s.now; t <= end; t += 60 {
		if noonish(t, s) {
			return t - 60
		}
	}
	return end
}

func (s *sim) faultKinds() []faultKind {
	kinds := []faultKind{
		{"hardware.card_reader", 560, 1180, s.breakReader},
		{"hardware.mainboard", 560, 1180, func() { s.breakTerminal("hardware.mainboard", "merchant") }},
		{"software.crash", 560, 1180, func() { s.breakTerminal("software.crash", "platform") }},
		{"software.interface_incompatible", 560, 1100, s.badUpdate},
		{"terminal.keys", 560, 1180, func() { s.lostKeys(false) }},
		{"human.prompt_ignored", 560, 1180, func() { s.lostKeys(true) }},
		{"network.merchant", 560, 1180, s.cutLine},
		{"bank.network_latency", 740, 1200, func() { s.issuerFault("latency") }},
		{"bank.outage", 740, 1200, func() { s.issuerFault("down") }},
		{"bank.outage", 740, 1200, func() { s.issuerFault("notice") }},
		{"platform.outage", 740, 1200, func() { s.platformFault("platform.outage", false) }},
		{"platform.outage", 740, 1200, func() { s.platformFault("platform.outage", true) }},
		{"platform.interface_unstable", 740, 1200, func() { s.platformFault("platform.interface_unstable", false) }},
		{"channel.congestion", 740, 1200, func() { s.networkFault("channel.congestion") }},
		{"channel.fault", 740, 1200, func() { s.networkFault("channel.fault") }},
		{"platform.limit", 600, 1100, s.amountPolicy},

		{"hardware.printer", 600, 1250, func() { s.holdBatch("hardware.printer", "merchant") }},
		{"hardware.mainboard", 600, 1250, func() { s.holdBatch("hardware.mainboard", "merchant") }},
		{"software.crash", 600, 1250, func() { s.holdBatch("software.crash", "platform") }},
		{"software.sync_delay", 600, 1250, func() { s.holdBatch("software.sync_delay", "platform") }},
		{"software.interface_incompatible", 1250, 1300, func() { s.holdBatch("software.interface_incompatible", "platform") }},
		{"human.misoperation", 1250, 1300, func() { s.holdBatch("human.misoperation", "operator") }},
		{"human.prompt_ignored", 1250, 1300, func() { s.holdBatch("human.prompt_ignored", "operator") }},
		{"human.prompt_ignored", 600, 1250, func() { s.holdBatch("reprint", "operator") }},
		{"batch.out_of_balance", 1250, 1300, func() { s.holdBatch("batch.out_of_balance", "platform") }},

		{"channel.fault", 60, 200, func() { s.clearingFault("channel.fault") }},
		{"channel.congestion", 60, 200, func() { s.clearingFault("channel.congestion") }},
		{"platform.outage", 300, 450, s.settlementOutage},
		{"platform.interface_unstable", 300, 450, func() { s.fateful("short", "platform.interface_unstable", "platform", settlement) }},
		{"platform.account_frozen", 300, 1200, func() { s.holdMerchant("platform.account_frozen", "frozen", "judicial") }},
		{"platform.violation", 300, 1200, func() { s.holdMerchant("platform.violation", "suspended", "violation") }},
		{"platform.verification", 300, 1200, func() {
			s.holdMerchant("platform.verification", "suspended", pick(s, []string{"verification", "dormant", "risk"}))
		}},
		{"fraud.hold", 300, 1200, func() { s.holdMerchant("fraud.hold", "", "") }},
		{"bank.outage", 500, 620, func() { s.bankOutage(false) }},
		{"bank.outage", 900, 1000, func() { s.bankOutage(true) }},
		{"bank.limit", 300, 450, func() { s.fateful("limit_bank", "bank.limit", "platform", payoutLeg) }},
		{"platform.limit", 300, 450, func() { s.fateful("limit", "platform.limit", "merchant", payoutLeg) }},
		{"payout.not_sent", 300, 450, func() { s.fateful("not_sent", "payout.not_sent", "platform", payoutLeg) }},
		{"payout.not_sent", 300, 450, func() { s.fateful("held", "payout.not_sent", "platform", payoutLeg) }},
		{"payout.returned", 300, 450, func() { s.fateful("returned", "payout.returned", "merchant", credit) }},
		{"payout.returned", 300, 450, func() { s.fateful("rejected", "payout.returned", "merchant", payoutLeg) }},
		{"payout.negative_balance", 300, 450, s.bigRefund},
		{"bank.slow_processing", 300, 450, func() { s.fateful("slow", "bank.slow_processing", "bank", credit) }},
		{"record.statement_missing", 1, 60, s.loseStatement},
		{"record.ambiguous", 300, 450, s.makeTwins},
	}
	// Distractors need no cause of their own.
	kinds = append(kinds, faultKind{"timing.not_due", 600, 1200, s.emptyThreat}, faultKind{"timing.not_due", 600, 1200, s.harmless})
	return kinds
}

func (s *sim) breakReader() {
	t := s.freeTerminal(anyTerminal)
	if t == nil {
		return
	}
	tr := s.newTrouble("hardware.card_reader", "merchant", authorization, s.now)
	t.readerOf = pick(s, []string{"chip", "contactless", "magstripe"})
	lost := s.lostFault()
	tr.tell = []ref{s.health(t, t.readerOf+"_reader", "failed", s.now, lost)}
	t.reader = tr
	end := s.until(s.n(60, 300))
	tr.end = end
	s.attempts(t, s.now+30, end, 14)
	s.at(end, func() { tr.to = s.now; t.reader = nil; s.health(t, t.readerOf+"_reader", "ok", s.now, lost) })
}

// breakTerminal takes a terminal down in the middle of a sale.
func (s *sim) breakTerminal(code, party string) {
	t := s.freeTerminal(host)
	if t == nil {
		return
	}
	tr := s.newTrouble(code, party, authorization, s.now)
	tr.to = s.now + int64(s.n(180, 1500))
	tr.shared = false
	lost := s.lostFault()
	part := pick(s, []string{"mainboard", "battery", "sim"})
	t.fault, t.mode = tr, "dead"
	s.sell(t.m, t, s.now)
	s.at(s.now+2, func() {
		if code == "hardware.mainboard" {
			tr.tell = []ref{s.health(t, part, "failed", s.now, lost)}
		} else {
			tr.tell = []ref{s.software(t, "crashed", 0, "3.2.1", "watchdog", lost)}
		}
	})
	t.busy = tr.to + 60
	s.at(tr.to, func() {
		if code == "hardware.mainboard" {
			s.health(t, part, "ok", s.now, lost)
		} else {
			s.software(t, "started", 0, "3.2.1", "", lost)
		}
	})
	s.at(tr.to+1, func() { t.fault = nil })
}

func (s *sim) badUpdate() {
	t := s.freeTerminal(anyTerminal)
	if t == nil {
		return
	}
	tr := s.newTrouble("software.interface_incompatible", "platform", authorization, s.now)
	tr.tell = []ref{s.software(t, "updated", 0, "4.0.0", "", false)}
	t.fault, t.mode = tr, "format"
	end := s.until(s.n(40, 180))
	tr.end = end
	s.attempts(t, s.now+30, end, 6)
	s.at(end, func() { tr.to = s.now; t.fault = nil; s.software(t, "updated", 0, "4.0.1", "", false) })
}

func (s *sim) lostKeys(ignored bool) {
	t := s.freeTerminal(anyTerminal)
	if t == nil {
		return
	}
	tr := s.newTrouble("terminal.keys", "operator", authorization, s.now)
	tr.shared = false // bare answers tell of no interval
	if ignored {
		tr.code = "human.prompt_ignored"
		tr.tell = []ref{s.prompt(t, "sign_on")}
	}
	t.fault, t.mode = tr, "keys"
	end := s.until(s.n(15, 60))
	tr.end = end
	s.attempts(t, s.now+30, end, 4)
	s.at(end, func() { tr.to = s.now; t.fault = nil })
}

func (s *sim) cutLine() {
	t := s.freeTerminal(anyTerminal)
	if t == nil {
		return
	}
	tr := s.newTrouble("network.merchant", "merchant", authorization, s.now)
	lost := s.lostFault()
	name := "terminal-platform/" + t.tid
	whole := s.permille(500)
	state := pick(s, []string{"down", "degraded"})
	if whole {
		name = "merchant-network/" + t.m.mid
		t.m.net = tr
	} else {
		t.line = tr
	}
	tr.tell = []ref{s.link(name, state, 0, lost)}
	end := s.until(s.n(20, 150))
	tr.end = end
	s.attempts(t, s.now+70, end-60, 5)
	s.at(end, func() {
		tr.to = s.now
		t.line = nil
		t.m.net = nil
		s.link(name, "up", 0, lost)
	})
}

func (s *sim) issuerFault(mode string) {
	reg := pick(s, s.regions)
	is := pick(s, reg.issuers)
	if is.fault != nil {
		return
	}
	lost := s.lostFault()
	name := "network-issuer/" + is.name
	code, party := "bank.outage", "issuer"
	end := s.until(s.n(30, 120))
	is.mode = pick(s, []string{"decline", "open", "silent"})
	if mode == "latency" {
		code, is.mode = "bank.network_latency", "latency"
	}
	tr := s.newTrouble(code, party, authorization, s.now)
	switch mode {
	case "latency":
		tr.tell = []ref{s.link(name, "degraded", int64(s.n(9000, 25000)), lost)}
	case "down":
		tr.tell = []ref{s.link(name, "down", 0, lost)}
	default:
		tr.tell = []ref{s.notice("bank/"+is.name, "incident", name, "Card authorizations unavailable", s.now, end, lost)}
	}
	is.fault, tr.end = tr, end
	s.at(end, func() {
		tr.to, is.fault = s.now, nil
		if mode != "notice" {
			s.link(name, "up", 0, lost)
		}
	})
}

func (s *sim) platformFault(code string, notice bool) {
	if s.outage != nil {
		return
	}
	tr := s.newTrouble(code, "platform", authorization, s.now)
	end := s.until(s.n(15, 50))
	lost := s.lostFault()
	switch {
	case code == "platform.interface_unstable":
		// Whoever else uses the interface meets it too, as long as it lasts.
		for at, step := s.now, int64(30); at < end; at += step {
			if at > s.now+90 {
				step = 80
			}
			tr.add(s.fact("gateway.error", "gateway/main", at, s.zone).str("link", "platform").str("detail", "5xx").lose(lost).emit())
		}
	case notice:
		tr.tell = []ref{s.notice("platform", pick(s, []string{"maintenance", "incident"}), "authorization", "Gateway not available", s.now, end, lost)}
	default:
		tr.tell = []ref{s.link("platform", "down", 0, lost)}
		s.downs = append(s.downs, tr)
	}
	s.outage, tr.end = tr, end
	s.at(end, func() {
		tr.to, s.outage = s.now, nil
		if code == "platform.outage" && !notice {
			s.link("platform", "up", 0, lost)
		}
	})
}

func (s *sim) networkFault(code string) {
	reg := pick(s, s.regions)
	nw := pick(s, reg.networks)
	if nw.fault != nil {
		return
	}
	tr := s.newTrouble(code, "network", authorization, s.now)
	lost := s.lostFault()
	name := "platform-network/" + nw.name
	end := s.until(s.n(20, 80))
	if code == "channel.congestion" {
		tr.tell = []ref{s.link(name, "degraded", int64(s.n(4000, 15000)), lost)}
	} else {
		tr.tell = []ref{s.link(name, "down", 0, lost)}
	}
	nw.fault, tr.end = tr, end
	s.at(end, func() { tr.to, nw.fault = s.now, nil; s.link(name, "up", 0, lost) })
}

// amountPolicy limits the amount of a sale at a merchant for some hours.
func (s *sim) amountPolicy() {
	t := s.freeTerminal(func(t *terminal) bool { return !t.m.tr.hotel && t.m.limit == nil })
	if t == nil {
		return
	}
	code, scope, party := "platform.limit", "mid/"+t.m.mid, "merchant"
	limit := int64(t.m.tr.amounts[0]) * 60
	tr := s.newTrouble(code, party, authorization, s.now)
	tr.shared = false
	tr.tell = []ref{s.fact("limit.policy", "platform/limits", s.now, t.m.reg.zone).str("scope", scope).str("kind", "sale").num("max_amount", limit).str("currency", t.m.reg.currency).emit()}
	t.m.limit, t.m.limitAt = tr, limit
	for i := range 2 {
		s.at(s.now+int64(120+200*i), func() {
			p := s.draft(t.m, t, s.now)
			s.open = append(s.open, p)
			p.amount = max(p.amount, limit+int64(s.n(100, 90000)))
			if !s.overLimit(p) {
				s.decline(p, "61")
			}
		})
	}
	s.at(s.now+900, func() {
		tr.to, t.m.limit = s.now, nil
		s.fact("limit.policy", "platform/limits", s.now, t.m.reg.zone).str("scope", scope).str("kind", "sale").num("max_amount", 1e9).str("currency", t.m.reg.currency).emit()
	})
}

// holdBatch keeps the batch of a terminal from being uploaded for a day or two.
func (s *sim) holdBatch(code, party string) {
	t := s.freeTerminal(upload)
	if t == nil {
		return
	}
	s.sell(t.m, t, s.now)
	b := t.batch
	if b == nil || len(b.pays) == 0 {
		return
	}
	mode := code
	if code == "reprint" {
		code = "human.prompt_ignored"
	}
	if mode == "hardware.printer" || mode == "reprint" {
		s.unprinted(t)
	}
	b.until = never
	s.at(s.now+90, func() { s.keepBatch(t, b, mode, code, party) })
}

// keepBatch lets what happened to a terminal after its last sale keep its batch.
func (s *sim) keepBatch(t *terminal, b *batch, mode, code, party string) {
	tr := s.newTrouble(code, party, capture, s.now)
	b.troubles = append(b.troubles, tr)
	day := t.m.date(s.now).Add(s.n(1, 2))
	end := clockAt(day, s.n(790, 1000), t.m.reg.zone)
	lost := s.lostFault()
	lift := func() {}
	switch mode {
	case "hardware.printer":
		tr.tell = []ref{s.health(t, "printer", "failed", s.now, lost)}
		lift = func() { s.health(t, "printer", "ok", s.now, lost) }
	case "hardware.mainboard":
		tr.tell = []ref{s.health(t, "mainboard", "failed", s.now, lost)}
		t.fault, t.mode = tr, "off"
		lift = func() { s.health(t, "mainboard", "ok", s.now, lost); t.fault = nil }
	case "software.crash":
		tr.tell = []ref{s.software(t, "crashed", 0, "3.2.1", "watchdog", lost)}
		t.fault, t.mode = tr, "off"
		lift = func() { s.software(t, "started", 0, "3.2.1", "", lost); t.fault = nil }
	case "software.sync_delay":
		tr.tell = []ref{s.software(t, "sync_lag", int64(len(b.pays)), "", "", lost)}
		t.sync = tr
		lift = func() { s.software(t, "sync_done", 0, "", "", lost); t.sync = nil }
	case "software.interface_incompatible":
		tr.tell = []ref{s.software(t, "protocol_error", 0, "4.0.0", "batch upload refused", lost)}
		s.fact("gateway.error", "gateway/main", s.now+1, t.m.reg.zone).str("mid", t.m.mid).str("tid", t.tid).str("batch", b.no).str("detail", "version").lose(lost).emit()
		lift = func() { s.software(t, "updated", 0, "4.0.1", "", lost) }
	case "human.misoperation":
		tr.soft, tr.silent = true, true
	case "human.prompt_ignored":
		tr.tell = []ref{s.prompt(t, "settle_batch")}
		tr.soft = true
	case "reprint":
		tr.tell = []ref{s.prompt(t, "reprint")}
		tr.soft = true
	case "batch.out_of_balance":
		tr.tell = []ref{s.batchFact(b, "out_of_balance", s.now)}
		t.batch = nil // the next sale opens another
	}
	s.at(end, func() { lift(); tr.to = s.now; b.until = 0 })
	s.at(end+60, func() { s.uploadBatch(b) })
}

// unprinted is a sale whose slip is missing.
func (s *sim) unprinted(t *terminal) {
	p := s.draft(t.m, t, s.now+5)
	s.open = append(s.open, p)
	s.request(p)
	s.response(p, p.tender+2, "00")
	s.journal(p, p.tender+3, "approved", "00", false, 0)
	s.capture(p)
}

// clearingFault delays the clearing file of a network.
func (s *sim) clearingFault(code string) {
	reg := pick(s, s.regions)
	nw := pick(s, reg.networks)
	if s.permille(700) {
		nw = reg.networks[1+s.rng.IntN(len(reg.networks)-1)] // seldom the one that most cards go by
	}
	if nw.clearOff > s.now || s.now-clockAt(s.cfg.From, 0, s.zone) < 2*86400 {
		return
	}
	tr := s.newTrouble(code, "network", clearing, s.now)
	// A busy link delays the file by hours; one that is down, or a file that
	// does not come, by a day and more.
	end := clockAt(s.dateIn(reg, s.now), s.n(780, 900), reg.zone)
	if code == "channel.fault" && s.permille(250) || end < s.now+3600 {
		end = clockAt(s.dateIn(reg, s.now).Add(1), s.n(780, 900), reg.zone)
	}
	name := "platform-network/" + nw.name
	nw.clearOff = end
	switch {
	case code == "channel.congestion":
		tr.tell = []ref{s.link(name, "degraded", 9000, false)}
		s.at(end, func() { s.link(name, "up", 0, false) })
	case s.permille(400):
		tr.tell = []ref{s.link(name, "down", 0, false)}
		s.at(end, func() { s.link(name, "up", 0, false) })
	case s.permille(500):
		tr.announced = end
		tr.tell = []ref{s.notice("network/"+nw.name, "incident", "clearing", "Clearing files delayed", s.now, end, false)}
	default:
		tr.silent, tr.soft = true, true
	}
	nw.troubles = append(nw.troubles, tr)
	s.at(end, func() { tr.to = s.now + 4000 })
}

func (s *sim) dateIn(reg *region, t int64) calendarDate {
	d, _ := localIn(t, reg.zone)
	return d
}

// settlementOutage stops all settlement for a day.
func (s *sim) settlementOutage() {
	if s.settleOff > s.now {
		return
	}
	tr := s.newTrouble("platform.outage", "platform", settlement, s.now)
	end := clockAt(s.dateIn(s.regions[0], s.now), s.n(780, 800), s.zone)
	tr.announced = end
	tr.tell = []ref{s.notice("platform", "incident", "settlement", "Settlement delayed", s.now, end, false)}
	s.settleOff = end
	s.troubles = append(s.troubles, tr)
	s.at(end, func() { tr.to = s.now })
}

// fateful marks what is to befall a merchant's next settlement or payout. On
// days without any it befalls the few that have one.
func (s *sim) fateful(what, code, party string, l leg) {
	for range 100 {
		m := s.someMerchant()
		if day := m.date(s.now); !m.calDays && !m.reg.cal.IsBusinessDay(day) {
			continue
		}
		if m.t0 == 0 && len(m.fate) == 0 && m.hold == nil && m.minimum == 0 && m.weight > 6 {
			m.fate[what] = s.newTrouble(code, party, l, s.now)
			m.fate[what].silent = true
			if what == "short" {
				m.fate[what].soft, m.fate[what].silent = true, false
			}
			if what == "limit" {
				m.fate[what].silent = false
			}
			if m.fate[what].leg == payoutLeg && what == "limit" {
				m.fate[what].soft = false
			}
			return
		}
	}
}

// someMerchant draws one, large ones seldom: they are watched better.
func (s *sim) someMerchant() *merchant {
	m := pick(s, s.merchants)
	for range 2 {
		if other := pick(s, s.merchants); other.weight < m.weight {
			m = other
		}
	}
	return m
}

// holdMerchant keeps all of a merchant's money for some days.
func (s *sim) holdMerchant(code, state, reason string) {
	var m *merchant
	for range 100 {
		c := s.someMerchant()
		if c.hold == nil && len(c.fate) == 0 && c.minimum == 0 {
			m = c
			break
		}
	}
	if m == nil {
		return
	}
	party := "merchant"
	if code == "fraud.hold" {
		party = "platform"
	}
	tr := s.newTrouble(code, party, settlement|payoutLeg, s.now)
	tr.held = true
	say := func(on bool) ref {
		if code == "fraud.hold" {
			action := "release"
			if on {
				action = "hold"
			}
			return s.fact("risk.decision", "risk/main", s.now, m.reg.zone).str("mid", m.mid).str("action", action).str("rule", "turnover_spike").emit()
		}
		st, re := "active", ""
		if on {
			st, re = state, reason
		}
		return s.fact("account.status", "platform/accounts", s.now, m.reg.zone).str("mid", m.mid).str("state", st).str("reason", re).emit()
	}
	tr.tell = []ref{say(true)}
	m.hold = tr
	m.holdStage = settlement
	if s.permille(500) {
		m.holdStage = payoutLeg
	}
	m.troubles = append(m.troubles, tr)
	end := clockAt(m.date(s.now).Add(s.n(1, 4)), s.n(790, 1000), m.reg.zone)
	s.at(end, func() {
		say(false)
		tr.to, m.hold = s.now, nil
		for _, po := range m.waiting {
			s.at(s.now+600, func() { s.send(po) })
		}
		m.waiting = nil
		day := m.date(s.now)
		s.at(s.now+300, func() { s.settle(m, day) })
		s.at(s.now+4800, func() { s.payDay(m) })
	})
}

// bankOutage stops a bank: payouts do not go out, or are not credited.
func (s *sim) bankOutage(credits bool) {
	reg := pick(s, s.regions)
	bk := pick(s, reg.banks)
	if other := pick(s, reg.banks); other.weight < bk.weight {
		bk = other // a large one is seldom out
	}
	if bk.off > s.now || bk.creditOff > s.now {
		return
	}
	// Most are over the same day, some only on the next.
	end := clockAt(s.dateIn(reg, s.now), s.n(780, 1000), reg.zone)
	if s.permille(300) {
		end = clockAt(s.dateIn(reg, s.now).Add(1), s.n(780, 1200), reg.zone)
	}
	if credits {
		end = clockAt(s.dateIn(reg, s.now).Add(1), s.n(780, 900), reg.zone)
		bk.creditOff = end
	} else {
		bk.off = end
	}
	tr := s.newTrouble("bank.outage", "bank", payoutLeg|credit, s.now)
	name := "platform-bank/" + bk.name
	if s.permille(500) && !credits {
		tr.tell = []ref{s.link(name, "down", 0, false)}
		s.at(end, func() { s.link(name, "up", 0, false) })
	} else {
		tr.announced = end
		tr.tell = []ref{s.notice("bank/"+bk.name, "incident", name, "Incoming payments delayed", s.now, end, false)}
	}
	bk.troubles = append(bk.troubles, tr)
	s.at(end, func() { tr.to = s.now })
}

// bigRefund gives back more than a merchant's day brings in.
func (s *sim) bigRefund() {
	for _, p := range s.open {
		if p.m.t0 == 0 && p.m.weight < 8 && p.stl.exists() && p.payout.booked != 0 && p.undo == "" && p.pending == 0 {
			for _, q := range s.open {
				if q.m == p.m && q.stl.exists() && q.undo == "" && q.pending == 0 && q.payout.booked != 0 && q.short == nil {
					s.refund(q, q.amount)
				}
			}
			return
		}
	}
}

// loseStatement lets a day's statement come late by some days.
func (s *sim) loseStatement() {
	for range 50 {
		m := pick(s, s.merchants)
		if !m.statements || m.bank.credits || m.t0 > 0 {
			continue
		}
		day := m.date(s.now).Add(1)
		t := s.newTrouble("record.statement_missing", "merchant", credit, s.now)
		t.silent = true
		t.to = clockAt(day.Add(s.n(2, 4)), 780, m.reg.zone)
		m.missing[day] = t
		return
	}
}

// makeTwins lets a merchant get two payouts of one sum on its next day, without
// anything on the bank's side that tells them apart.
func (s *sim) makeTwins() {
	for range 200 {
		m := pick(s, s.merchants)
		if m.t0 == 0 && len(m.fate) == 0 && m.hold == nil && m.minimum == 0 && m.statements && !m.references && !m.bank.credits && m.weight > 6 {
			m.fate["twins"] = s.newTrouble("record.ambiguous", "platform", credit, s.now)
			m.fate["twins"].shared = false
			return
		}
	}
}

// emptyThreat is a notice that does not come true.
func (s *sim) emptyThreat() {
	reg := pick(s, s.regions)
	bk := pick(s, reg.banks)
	from := clockAt(s.dateIn(reg, s.now).Add(1), 60, reg.zone)
	s.notice("bank/"+bk.name, "maintenance", "platform-bank/"+bk.name, "Night maintenance", from, from+3*3600, false)
	if s.permille(500) {
		// Announced for the day and called off in time.
		from = clockAt(s.dateIn(reg, s.now).Add(1), 540, reg.zone)
		s.notice("bank/"+bk.name, "maintenance", "platform-bank/"+bk.name, "Maintenance", from, from+30*3600, false)
		id := s.noticeNo
		s.at(from-7200, func() {
			s.fact("notice", "notices/bank/"+bk.name, s.now, s.zone).str("notice", fmt.Sprintf("N%04d", id)).str("issuer", "bank/"+bk.name).str("what", "cancelled").
				list("affects", "platform-bank/"+bk.name).str("title", "Maintenance called off").emit()
		})
	}
}

// harmless is a fault that stops nothing: a degraded printer at a shop that
// captures at the host, a reader that fails and is mended while nobody pays.
func (s *sim) harmless() {
	t := s.freeTerminal(host)
	if t == nil {
		return
	}
	s.health(t, "printer", pick(s, []string{"failed", "degraded"}), s.now, false)
	s.at(s.now+7200, func() { s.health(t, "printer", "ok", s.now, false) })
}
