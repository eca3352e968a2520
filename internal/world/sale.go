package world

import (
	"fmt"
	"strconv"
)

// noIssuer stands where a wallet pays.
var noIssuer = &issuer{}

// draft draws a payment: card, amount, order; nothing is stated yet.
func (s *sim) draft(m *merchant, t *terminal, at int64) *payment {
	if at < t.busy {
		at = t.busy
	}
	if noonish(at, s) {
		at -= 240
	}
	t.busy = at + int64(s.n(40, 90))
	t.stan++
	if t.stan > 999999 {
		t.stan = 1
	}
	p := &payment{m: m, t: t, kind: "sale", tender: at, is: pick(s, m.reg.issuers), nw: m.reg.networks[0], entry: pick(s, []string{"chip", "chip", "contactless", "contactless", "contactless", "magstripe"})}
	if s.permille(250) {
		p.nw = m.reg.networks[1]
	}
	p.credit = s.permille(400)
	if len(m.reg.networks) > 2 && !m.byTerminal && !m.tr.hotel && s.permille(180) {
		p.nw = m.reg.networks[2+s.rng.IntN(2)]
		p.is, p.credit, p.entry = noIssuer, false, "qr"
	}
	p.stan = fmt.Sprintf("%06d", t.stan)
	if p.nw.wallet == "" {
		p.pan = fmt.Sprintf("%s%02d******%04d", p.nw.bin, 10+s.rng.IntN(60), s.rng.IntN(10000))
	}
	p.amount = int64(pick(s, m.tr.amounts)) * 100
	if !m.tr.fixed {
		p.amount += int64(s.n(-20, 60)) * p.amount / 100
		if m.tr.mcc == "5411" {
			p.amount += int64(s.rng.IntN(100))
		}
	}
	s.rrn++
	d, _ := m.local(at)
	_, mo, day := d.YMD()
	p.rrn = fmt.Sprintf("%02d%02d%08d", mo, day, s.rrn)
	if p.nw.wallet != "" {
		p.ref = fmt.Sprintf("%s%02d%02d%017d", p.nw.wallet, mo, day, 7000000+s.rrn)
	}
	if m.byTerminal {
		if t.batch == nil {
			s.openBatch(t, at)
		}
		p.batchNo = t.batch.no
	} else if m.batches {
		p.batchNo = fmt.Sprintf("%06d", t.batchNo+int(d-s.cfg.From))
	}
	s.stats.Payments++
	return p
}

// noonish keeps the middle of the day free, so that no conversation is cut in
// two by the question.
func noonish(t int64, s *sim) bool {
	for _, a := range s.cfg.Ask {
		_, sec := localIn(t, s.zone)
		if d := sec - a*60; d > -180 && d < 60 {
			return true
		}
	}
	return false
}

func (p *payment) keys(f *fact, rrn bool) *fact {
	f.str("mid", p.m.mid).str("tid", p.t.tid).str("batch", p.batchNo).str("stan", p.stan)
	if rrn {
		f.str("rrn", p.rrn).str("ref", p.ref)
	}
	return f.str("pan", p.pan).str("network", p.nw.name).str("card_type", p.cardType()).str("issuer", p.is.name)
}

func (p *payment) cardType() string {
	if p.nw.wallet != "" {
		return ""
	}
	if p.credit {
		return "credit"
	}
	return "debit"
}

func (s *sim) money(p *payment, f *fact, amount int64) *fact {
	return f.num("amount", amount).str("currency", p.m.reg.currency)
}

// order states what the customer was to pay.
func (s *sim) order(p *payment, amount int64) {
	p.order, p.billed = "O"+strconv.Itoa(100000+s.rrn), amount
	p.orderRef = s.money(p, s.fact("sale.order", "till/"+p.m.mid, p.tender-int64(s.n(5, 25)), p.m.reg.zone).str("mid", p.m.mid).str("order_id", p.order), amount).mayLose().emit()
}

func (s *sim) request(p *payment) {
	f := s.money(p, p.keys(s.fact("gateway.request", "gateway/main", p.tender+1, p.m.reg.zone), true).str("kind", p.kind), p.amount)
	p.req = f.str("order_id", p.order).mayLose().emit()
}

func (s *sim) response(p *payment, at int64, code string) {
	p.code = code
	f := p.keys(s.fact("gateway.response", "gateway/main", at, p.m.reg.zone), true).str("kind", p.kind).str("response_code", code)
	if code == "00" {
		p.approved = true
		p.auth = fmt.Sprintf("%06d", s.rng.IntN(1000000))
		f.str("auth_code", p.auth)
	}
	p.resp = s.money(p, f, p.amount).mayLose().emit()
}

// journal writes the terminal's own record.
func (s *sim) journal(p *payment, at int64, result, code string, printed bool, late int64) {
	p.result, p.hasTerm = result, true
	f := p.keys(s.fact("terminal.transaction", "terminal/"+p.t.tid, at, p.m.reg.zone), code != "").str("kind", p.kind).str("entry", p.entry)
	f.str("result", result).str("response_code", code)
	if code == "00" {
		f.str("auth_code", p.auth).flag("printed", printed)
	}
	f.str("order_id", p.order)
	p.term = s.money(p, f, p.amount).late(late).mayLose().emit()
}

// reverse queues a reversal and has it acknowledged at a time, or never (0).
func (s *sim) reverse(p *payment, at, ack int64, abandon bool) {
	say := func(state string, at int64) ref {
		return s.money(p, p.keys(s.fact("gateway.reversal", "gateway/main", at, p.m.reg.zone), true).str("state", state), p.amount).emit()
	}
	p.revQueued = say("queued", at)
	p.doneAt = at + staysOpen // nobody asks for ever
	switch {
	case ack != 0:
		s.at(ack, func() { p.revAcked = say("acknowledged", s.now); p.doneAt = s.now })
	case abandon:
		s.at(at+7200, func() { p.revAbandoned = say("abandoned", s.now) })
	}
}

// staysOpen is for how long the truth is told of an attempt whose outcome nobody
// finds out, in seconds.
const staysOpen = 10 * 86400

// ackTime draws when a reversal is acknowledged: mostly within minutes, some
// the next day.
func (s *sim) ackTime(at int64) int64 {
	if s.permille(350) {
		return at + int64(s.n(20, 30))*3600
	}
	return at + int64(s.n(10, 900))
}

// own is a trouble of this payment alone.
func (s *sim) own(p *payment, code, party string) *trouble {
	t := s.newTrouble(code, party, authorization, p.tender)
	t.shared = false
	p.why = t
	return t
}

// sell is one sale from the tender on.
func (s *sim) sell(m *merchant, t *terminal, at int64) {
	p := s.draft(m, t, at)
	if m.tr.hotel && s.permille(400) {
		s.preauthorize(p)
		return
	}
	if m.orders {
		amount := p.amount
		if s.permille(3*s.cfg.Trouble/100) && s.wants("human.input_error") {
			amount = amount * 10
			if s.permille(500) {
				amount = p.amount - p.amount/10
			}
		}
		s.order(p, amount)
	}
	s.open = append(s.open, p)
	if s.blocked(p) || s.refused(p) {
		return
	}
	if t.sync != nil || s.permille(4) && m.byTerminal {
		s.offline(p)
		return
	}
	s.request(p)
	s.response(p, p.tender+2, "00")
	s.journal(p, p.tender+3, "approved", "00", true, 0)
	s.capture(p)
	s.afterwards(p)
}

// blocked lets the faults in force act on the attempt, in the order in which
// the message would meet them.
func (s *sim) blocked(p *payment) bool {
	t, m := p.t, p.m
	// Where the terminal was taken the attempt comes later, around the question
	// earlier: the fault may be over, or not there yet.
	live := func(o *trouble) bool { return o != nil && o.from <= p.tender && (o.end == 0 || p.tender < o.end) }
	defer func() {
		for _, o := range []*trouble{t.line, m.net, t.fault, s.outage, p.nw.fault, p.is.fault} {
			if live(o) && o != p.why {
				p.also = append(p.also, o)
			}
		}
		for _, o := range p.nw.troubles { // the link that clearing goes by is the same
			if !o.silent && o.from <= p.tender && p.tender < o.to {
				p.also = append(p.also, o)
			}
		}
	}()
	switch {
	case live(t.reader) && t.readerOf == p.entry:
		if s.permille(600) { // the next way to read the card works
			for p.entry == t.readerOf && p.nw.wallet == "" {
				p.entry = pick(s, []string{"chip", "contactless", "magstripe"})
			}
			return false
		}
		p.why, p.noRequest = t.reader, true
		s.journal(p, p.tender+5, "aborted", "", false, 0)
		p.doneAt = p.term.at
	case live(t.line) || live(m.net):
		p.why = t.line
		if !live(t.line) {
			p.why = m.net
		}
		if s.permille(600) {
			p.noRequest = true
			s.journal(p, p.tender+60, "timeout", "", false, 0)
			p.doneAt = p.tender + 7200
		} else {
			s.request(p)
			s.response(p, p.tender+2, "00")
			s.journal(p, p.tender+60, "timeout", "", false, 0)
			s.reverse(p, p.tender+70, s.ackTime(p.tender+75), false)
		}
	case live(t.fault):
		p.why = t.fault
		s.terminalFault(p)
	case live(s.outage):
		p.why = s.outage
		switch {
		case s.outage.code == "platform.outage":
			p.noRequest = true
			s.journal(p, p.tender+60, "timeout", "", false, 0)
			p.doneAt = p.tender + 7200
		case s.permille(500):
			s.request(p)
			p.gerr = p.keys(s.fact("gateway.error", "gateway/main", p.tender+2, m.reg.zone), true).str("link", "platform").str("detail", "5xx").emit()
			p.why.add(p.gerr)
			s.journal(p, p.tender+60, "unknown", "", false, 0)
			s.reverse(p, p.tender+65, s.ackTime(p.tender+70), false)
			p.open = true
		default:
			p.noRequest = true
			p.gerr = s.money(p, p.keys(s.fact("gateway.error", "gateway/main", p.tender+1, m.reg.zone), false), p.amount).str("link", "platform").str("detail", "connection").emit()
			p.why.add(p.gerr)
			s.journal(p, p.tender+4, "aborted", "", false, 0)
			p.doneAt = p.term.at
		}
	case live(p.nw.fault):
		p.why = p.nw.fault
		if p.why.code == "channel.congestion" && s.permille(500) {
			p.why = nil
			return false // slow, but it got through
		}
		s.silent(p, "platform-network/"+p.nw.name)
	case live(p.is.fault):
		p.why = p.is.fault
		switch p.is.mode {
		case "latency":
			if s.permille(400) {
				p.why = nil
				return false
			}
			s.silent(p, "network-issuer/"+p.is.name)
		case "silent":
			s.silent(p, "network-issuer/"+p.is.name)
		case "open":
			s.openAnswer(p, pick(s, []string{"96", "98", "68"}))
		default:
			s.decline(p, pick(s, []string{"91", "91", "92", "90"}))
		}
	default:
		return false
	}
	return true
}

// silent is a request that nobody answers: the platform reverses it.
func (s *sim) silent(p *payment, link string) {
	s.request(p)
	p.tmo = p.keys(s.fact("gateway.timeout", "gateway/main", p.tender+31, p.m.reg.zone), true).str("link", link).emit()
	s.journal(p, p.tender+45, "timeout", "", false, 0)
	s.reverse(p, p.tender+50, s.ackTime(p.tender+55), false)
	p.open = true
}

// openAnswer is an answer whose code leaves it open whether money was taken.
func (s *sim) openAnswer(p *payment, code string) {
	s.request(p)
	s.response(p, p.tender+3, code)
	p.open = true
	s.journal(p, p.tender+4, "unknown", code, false, 0)
	s.reverse(p, p.tender+30, s.ackTime(p.tender+40), false)
}

func (s *sim) decline(p *payment, code string) {
	s.request(p)
	s.response(p, p.tender+2, code)
	s.journal(p, p.tender+3, "declined", code, false, 0)
	p.doneAt = max(p.resp.at, p.term.at)
}

// terminalFault is what a broken terminal does to an attempt.
func (s *sim) terminalFault(p *payment) {
	t := p.t
	switch t.mode {
	case "keys":
		if p.why.code == "human.prompt_ignored" || s.permille(700) {
			code := "77"
			if p.why.code == "terminal.keys" {
				code = pick(s, []string{"77", "99", "A0", "A7"})
			}
			s.decline(p, code)
		} else {
			s.request(p)
			p.gerr = p.keys(s.fact("gateway.error", "gateway/main", p.tender+2, p.m.reg.zone), true).str("detail", "mac").str("response_code", "A0").emit()
			s.journal(p, p.tender+3, "declined", "A0", false, 0)
			p.doneAt = p.term.at
		}
	case "format":
		if s.permille(500) {
			s.decline(p, "30")
		} else {
			s.request(p)
			p.gerr = p.keys(s.fact("gateway.error", "gateway/main", p.tender+2, p.m.reg.zone), true).str("detail", pick(s, []string{"format", "version"})).str("response_code", "30").emit()
			s.journal(p, p.tender+3, "declined", "30", false, 0)
			p.doneAt = p.term.at
		}
	case "dead": // went down in the middle: approved, then reversed after restart
		s.request(p)
		s.response(p, p.tender+2, "00")
		restart := t.fault.to
		s.journal(p, restart, pick(s, []string{"unknown", "timeout"}), "", false, 0)
		s.reverse(p, restart+5, restart+int64(s.n(20, 600)), false)
		t.mode = "off"
	default: // already off: nothing is tried
		p.why, p.noRequest = nil, true
		p.doneAt = p.tender
	}
}

var declines = []struct {
	code, cause, party string
	weight             int
}{
	{"51", "transaction.declined", "cardholder", 60}, {"55", "transaction.declined", "cardholder", 40},
	{"54", "transaction.declined", "cardholder", 12}, {"14", "transaction.declined", "cardholder", 8},
	{"13", "transaction.declined", "merchant", 4}, {"05", "transaction.declined", "cardholder", 20},
	{"62", "transaction.declined", "cardholder", 6}, {"75", "transaction.declined", "cardholder", 5},
	{"41", "transaction.declined", "merchant", 2}, {"01", "transaction.declined", "cardholder", 3},
	{"61", "bank.limit", "cardholder", 12}, {"65", "bank.limit", "cardholder", 6}, {"57", "bank.limit", "cardholder", 5},
	{"N2", "bank.limit", "cardholder", 2}, {"58", "platform.limit", "merchant", 5},
	{"59", "fraud.declined", "issuer", 6}, {"34", "fraud.declined", "issuer", 3}, {"43", "fraud.declined", "issuer", 2},
	{"77", "terminal.keys", "operator", 3}, {"30", "software.interface_incompatible", "platform", 3},
	{"91", "bank.outage", "issuer", 4},
}

// refused is what ends a payment by itself, without a fault around it.
func (s *sim) refused(p *payment) bool {
	r := s.rng.IntN(1000)
	scale := s.cfg.Trouble
	if s.overLimit(p) {
		return true
	}
	switch {
	case r < 22*scale/100:
		all := 0
		for _, d := range declines {
			if s.wants(d.cause) {
				all += d.weight
			}
		}
		if all == 0 {
			return false
		}
		k := s.rng.IntN(all)
		for _, d := range declines {
			if !s.wants(d.cause) {
				continue
			}
			if k -= d.weight; k < 0 {
				t := s.own(p, d.cause, d.party)
				s.decline(p, d.code)
				t.tell = []ref{p.resp, p.term}
				break
			}
		}
	case r < 23*scale/100 && s.wants("fraud.declined"): // the platform's own decision
		t := s.own(p, "fraud.declined", "platform")
		s.request(p)
		dec := p.keys(s.fact("risk.decision", "risk/main", p.tender+1, p.m.reg.zone), true).str("action", "decline").str("rule", "velocity").num("score", 930).emit()
		s.response(p, p.tender+2, "59")
		s.journal(p, p.tender+3, "declined", "59", false, 0)
		p.doneAt = max(p.resp.at, p.term.at)
		t.tell = []ref{dec}
	case r < 24*scale/100 && s.wants("transaction.reversed"):
		// No answer though all is well; reversed.
		t := s.own(p, "transaction.reversed", "nobody")
		s.request(p)
		s.journal(p, p.tender+45, "timeout", "", false, 0)
		s.reverse(p, p.tender+50, p.tender+int64(s.n(60, 600)), false)
		p.open = true
		t.tell = []ref{p.revQueued}
	case r < 25*scale/100 && s.wants("reversal.unresolved"):
		t := s.own(p, "reversal.unresolved", "platform")
		s.request(p)
		if s.permille(500) {
			s.response(p, p.tender+2, "00")
		}
		s.journal(p, p.tender+45, "timeout", "", false, 0)
		s.reverse(p, p.tender+50, 0, s.permille(500))
		p.open = true
		t.tell = []ref{p.revQueued}
	case r < 26*scale/100 && s.wants("human.prompt_ignored"):
		t := s.own(p, "human.prompt_ignored", "operator")
		s.request(p)
		s.journal(p, p.tender+45, "unknown", "", false, 0)
		p.ignored = s.fact("operator.action", "terminal/"+p.t.tid, p.tender+70, p.m.reg.zone).str("mid", p.m.mid).str("tid", p.t.tid).str("stan", p.stan).str("batch", p.batchNo).
			str("operator", "07").str("what", "prompt_ignored").str("prompt", "query_result").emit()
		p.open, p.doneAt = true, p.tender+staysOpen
		t.tell = []ref{p.ignored}
	default:
		return false
	}
	return true
}

// overLimit lets the platform decline what is over its merchant's limit.
func (s *sim) overLimit(p *payment) bool {
	m := p.m
	if m.limit == nil || p.tender < m.limit.from || p.kind != "sale" || p.amount <= m.limitAt {
		return false
	}
	p.why = m.limit
	s.decline(p, "61")
	return true
}

// preauthorize holds an amount on the card; the completion comes with the
// guest's departure.
func (s *sim) preauthorize(p *payment) {
	p.kind = "preauth"
	s.open = append(s.open, p)
	if s.blocked(p) {
		return
	}
	m := p.m
	meant := s.permille(60) && s.wants("human.misoperation")
	if meant && s.permille(500) {
		s.order(p, p.amount)
		p.wrong, p.wrongAt = p.orderRef, p.tender
	}
	s.request(p)
	s.response(p, p.tender+2, "00")
	s.journal(p, p.tender+3, "approved", "00", true, 0)
	switch {
	case meant:
		if !p.wrong.exists() {
			p.wrongAt = p.tender + int64(s.n(60, 1200))
			p.wrong = s.fact("operator.action", "terminal/"+p.t.tid, p.wrongAt, m.reg.zone).str("mid", m.mid).str("tid", p.t.tid).str("batch", p.batchNo).str("stan", p.stan).
				str("operator", "03").str("what", "wrong_function").emit()
		}
		t := s.newTrouble("human.misoperation", "operator", capture, p.tender+86400+2)
		t.shared, t.tell = false, []ref{p.wrong}
		p.troubles = append(p.troubles, t)
		s.at(p.tender+int64(s.n(26, 44))*3600, func() { t.to = s.now; s.complete(p) })
	case s.permille(150) && s.wants("authorization.expired"):
		// The guest never came; after preauth_days it is void.
		if exp := p.tender + int64(m.preauthDays)*86400; exp < s.last {
			t := s.own(p, "authorization.expired", "merchant")
			t.tell = nil
			p.undoAt = exp
			p.undo = "expired"
			p.doneAt = exp
		}
	default:
		at := p.tender + int64(s.n(16, 64))*3600
		s.at(at, func() { s.complete(p) })
	}
}

// complete turns a preauthorization into a charge.
func (s *sim) complete(p *payment) {
	at := s.now
	if noonish(at, s) {
		at += 600
	}
	t := p.t
	t.stan++
	stan := fmt.Sprintf("%06d", t.stan)
	s.rrn++
	_, mo, day := p.m.date(at).YMD()
	rrn := fmt.Sprintf("%02d%02d%08d", mo, day, s.rrn)
	p.actRRN = rrn
	if s.permille(300) && !p.wrong.exists() {
		p.amount -= p.amount / 10
	}
	write := func(typ, src string, at int64) *fact {
		f := s.fact(typ, src, at, p.m.reg.zone).str("mid", p.m.mid).str("tid", t.tid).str("stan", stan).str("rrn", rrn).
			str("original_rrn", p.rrn).str("auth_code", p.auth).str("pan", p.pan).str("network", p.nw.name).str("card_type", p.cardType()).str("kind", "completion")
		return s.money(p, f, p.amount)
	}
	write("gateway.request", "gateway/main", at).emit()
	p.capRef = write("gateway.response", "gateway/main", at+2).str("response_code", "00").emit()
	write("terminal.transaction", "terminal/"+t.tid, at+3).str("result", "approved").str("response_code", "00").emit()
	p.captured = at + 2
	s.route(p)
}
