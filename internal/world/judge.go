package world

import "slices"

// verdict is what a perfect observer of the evidence would conclude about one
// payment at one moment.
type verdict struct {
	asOf                             int64
	stage, status, cardholder, party string
	cause                            string
	leg                              string
	incident                         string
	// fault is the shared fault that stops the payment, also where the evidence
	// does not tell of it and there is no incident to name.
	fault     string
	suffices  bool
	announced bool
	tell      []ref
	ok        accepts
}

// accepts are other answers that the contract's words allow as well.
type accepts struct{ stage, status, cardholder, cause, party []string }

// stages in order; a stage's number counts from 0.
var stages = []string{"tendered", "authorized", "captured", "cleared", "settled", "paid_out", "credited"}

var legNames = map[leg]string{authorization: "authorization", capture: "capture", clearing: "clearing", settlement: "settlement", payoutLeg: "payout", credit: "credit"}

// nextLeg follows a stage.
var nextLeg = []leg{authorization, capture, clearing, settlement, payoutLeg, credit, credit}

// visible says whether any witness's word of the payment is known.
func (p *payment) visible(asOf int64) bool {
	return p.term.seen(asOf) || p.req.seen(asOf) || p.resp.seen(asOf) || p.clr.seen(asOf) || p.stl.seen(asOf) ||
		p.tmo.seen(asOf) || p.revQueued.seen(asOf) || p.gerr.seen(asOf)
}

// stage is the furthest that is proved.
func (p *payment) stage(asOf int64) int {
	if p.stl.seen(asOf) {
		switch credited, out := p.payout.proof(asOf); {
		case credited:
			return 6
		case out:
			return 5
		}
		return 4
	}
	if p.clr.seen(asOf) {
		return 3
	}
	approved := p.approvalSeen(asOf)
	switch {
	case p.captured != 0 && p.captured <= asOf && p.capRef != p.resp && p.capRef.seen(asOf):
		return 2
	case approved && p.kind == "sale" && !p.m.byTerminal && !p.offline:
		return 2
	case approved:
		return 1
	}
	return 0
}

func (p *payment) approvalSeen(asOf int64) bool {
	return p.approved && (p.resp.seen(asOf) || p.term.seen(asOf) && (p.result == "approved" || p.result == "offline_approved"))
}

// entrySeen says whether an entry that proves the payout is known: of twins
// only both together prove, one might be of either.
func (po *payout) entrySeen(asOf int64) bool {
	return po.entry.seen(asOf) && (po.twin == nil || po.twin.entry.seen(asOf))
}

// proof says what is proved of a payout or of what was sent instead.
func (po *payout) proof(asOf int64) (credited, out bool) {
	credited = po.entrySeen(asOf) || po.credited.seen(asOf)
	out = po.sent.seen(asOf)
	for _, a := range po.again {
		c, o := a.proof(asOf)
		credited, out = credited || c, out || o
	}
	return credited, out
}

// booked says whether entries prove all of the payout.
func (po *payout) proved(asOf int64) bool {
	if po.entrySeen(asOf) {
		return true
	}
	for _, a := range po.again {
		if !a.proved(asOf) {
			return false
		}
	}
	return len(po.again) > 0
}

// confirmed says whether the bank says credited of all of it.
func (po *payout) confirmed(asOf int64) bool {
	if po.credited.seen(asOf) {
		return true
	}
	for _, a := range po.again {
		if !a.confirmed(asOf) {
			return false
		}
	}
	return len(po.again) > 0
}

// judge concludes; ok is false where nothing is known of the payment.
func (s *sim) judge(p *payment, asOf int64) (v verdict, ok bool) {
	if !p.visible(asOf) {
		return v, false
	}
	v = verdict{asOf: asOf, suffices: true, cardholder: "charged", party: "nobody"}
	st := p.stage(asOf)
	v.stage = stages[st]
	v.leg = legNames[nextLeg[st]]
	switch {
	case s.notCharged(p, asOf, &v), s.takenBack(p, asOf, &v), s.openQuestion(p, asOf, &v):
		if v.cause == "" {
			v.suffices = false
		}
	default:
		s.underWay(p, st, asOf, &v)
	}
	if p.revQueued.exists() && p.approved && v.stage == "captured" {
		// An approval that never reached the terminal: whether it counts as
		// captured at the host before it is reversed is left open.
		v.ok.stage = append(v.ok.stage, "authorized")
	}
	if p.undo == "void" && v.stage == "authorized" {
		v.ok.stage = append(v.ok.stage, "captured") // with its void in the batch
	}
	return v, true
}

// blame names the trouble of the authorization.
func (v *verdict) blame(t *trouble, asOf int64) {
	if t == nil {
		v.cause, v.suffices = "unknown", false
		return
	}
	v.cause, v.party = t.code, t.party
	if t.shared {
		v.incident, v.fault = t.id, t.id
	}
	v.tell = nil
	v.suffices = t.silent || len(t.tell) == 0
	for _, r := range t.tell {
		if r.seen(asOf) {
			v.tell, v.suffices = append(v.tell, r), true
		}
	}
	v.tell = v.tell[:min(4, len(v.tell)):min(4, len(v.tell))]
	if !v.suffices {
		v.incident = "" // whatever the payment's own facts say, none names the fault
	}
}

func (s *sim) notCharged(p *payment, asOf int64, v *verdict) bool {
	code := ""
	if p.resp.seen(asOf) || p.term.seen(asOf) && p.result == "declined" || p.gerr.seen(asOf) && p.result == "declined" {
		code = p.code
	}
	declined := p.why != nil && !p.approved && !p.open && (code != "" && p.result == "declined" || p.result == "declined" && p.term.seen(asOf))
	aborted := p.result == "aborted" && p.term.seen(asOf)
	// A time-out without a request is over once the gateway has declared that
	// hour complete.
	_, sec := localIn(p.tender, s.zone)
	covered := p.tender - int64(sec%3600) + 3600 + 300
	timeout := p.noRequest && p.result == "timeout" && p.term.seen(asOf) && asOf >= covered
	switch {
	case p.revAcked.seen(asOf):
		v.status, v.cardholder = "not_charged", "not_charged"
		s.root(p, asOf, v)
		if !v.suffices || v.cause == "reversal.unresolved" {
			v.cause, v.suffices = "transaction.reversed", true
		}
		v.party = "nobody"
	case p.undo == "expired" && asOf >= p.undoAt:
		v.status, v.cardholder = "not_charged", "not_charged"
		v.cause, v.party = "authorization.expired", "merchant"
	case declined, aborted, timeout:
		v.status, v.cardholder = "not_charged", "not_charged"
		s.root(p, asOf, v)
	default:
		return false
	}
	return true
}

// root is the cause of an authorization that came to nothing.
func (s *sim) root(p *payment, asOf int64, v *verdict) {
	v.blame(p.why, asOf)
	if p.why == nil {
		return
	}
	// An answer about the card stands whatever else is in force; a bare code or
	// silence may come of any of them.
	also := p.also
	if len(p.code) == 2 && !slices.Contains([]string{"90", "91", "92", "96", "98", "68"}, p.code) && !p.revQueued.exists() {
		also = nil
	}
	for _, t := range also {
		v.ok.cause = append(v.ok.cause, t.code)
		v.ok.party = append(v.ok.party, t.party)
	}
	switch {
	case p.code == "91" || p.code == "92" || p.code == "90" || p.code == "96" || p.code == "98" || p.code == "68":
		// A bare code says bank.outage by itself.
		if v.cause == "bank.outage" {
			v.suffices = true
		}
	case p.code == "30" || p.code == "77" || p.code == "99" || p.code == "A0" || p.code == "A7":
		if v.cause != "human.prompt_ignored" {
			v.suffices = true
		}
	}
	if p.gerr.seen(asOf) && (p.why.code == "terminal.keys" || p.why.code == "software.interface_incompatible") {
		v.suffices = true
	}
}

func (s *sim) takenBack(p *payment, asOf int64, v *verdict) bool {
	if p.undo != "void" && p.undo != "refund" || !p.undone.seen(asOf) {
		return false
	}
	v.status = "refunded"
	v.cardholder = "refunded"
	v.blame(p.why, asOf)
	if p.why.code == "human.misoperation" && !v.suffices {
		v.cause, v.party, v.suffices = "transaction.voided", "nobody", true
	}
	if p.undo == "refund" && !p.undoneBack.seen(asOf) {
		v.cardholder = "refunding"
	}
	return true
}

func (s *sim) openQuestion(p *payment, asOf int64, v *verdict) bool {
	queued := p.revQueued.seen(asOf)
	switch {
	case queued:
		v.status, v.cardholder = "unknown", "reversing"
		s.root(p, asOf, v)
		if !v.suffices || v.cause == "transaction.reversed" {
			v.cause, v.party, v.suffices = "reversal.unresolved", "platform", true
			v.incident = ""
		}
		if p.revAbandoned.seen(asOf) || asOf-p.revQueued.at > 86400 {
			v.cardholder = "unknown"
			v.cause, v.party, v.suffices, v.incident = "reversal.unresolved", "platform", true, ""
			v.tell = []ref{p.revQueued}
		}
	case p.open && !p.approved:
		v.status, v.cardholder = "unknown", "unknown"
		s.root(p, asOf, v)
	case p.noRequest && p.result == "timeout": // not yet covered
		v.status, v.cardholder = "unknown", "unknown"
		s.root(p, asOf, v)
		v.ok.status = []string{"not_charged", "in_transit"}
		v.ok.cardholder = []string{"not_charged"}
	case !p.approvalSeen(asOf) && !p.clr.seen(asOf) && !p.stl.seen(asOf) && !(p.kind == "preauth" && p.captured != 0 && p.capRef.seen(asOf)):
		// The approval was lost on the way to the observer: a request that
		// nobody answered. An error that names it tells why.
		v.status, v.cardholder = "unknown", "unknown"
		v.cause, v.suffices = "unknown", false
		if p.gerr.seen(asOf) {
			s.root(p, asOf, v)
		}
	default:
		return false
	}
	return true
}

// underWay judges what is to reach the merchant.
func (s *sim) underWay(p *payment, st int, asOf int64, v *verdict) {
	m := p.m
	base := p.tender + 2
	if p.captured != 0 && p.captured <= asOf && (st >= 2) {
		base = p.captured
	}
	d := m.dueFrom(base)
	if p.offline && !p.capRef.seen(asOf) && st < 3 {
		v.cardholder = "unknown"
	}
	if p.kind == "preauth" && st < 2 {
		s.openPreauth(p, asOf, v)
		return
	}
	if m.byTerminal && st < 2 {
		cut := clockAt(m.businessDate(p.tender), m.cutoff, m.reg.zone)
		d.captured = cut
	}
	// Arrived, short and confirmed.
	if st >= 5 && p.payout.proved(asOf) {
		v.status = "arrived"
		if p.short != nil && (!p.after || p.tookAt.seen(asOf)) {
			v.status = "short"
			if p.short.held {
				v.status = "held"
			}
			v.blame(p.short, asOf)
			if p.after {
				// It arrived; whether it is short from the line on or from
				// the payout that bears it is left open.
				v.ok.status = []string{"arrived"}
			}
			return
		}
		s.arrivedCause(p, asOf, v)
		if p.payout.twin != nil {
			// Two entries for two equal payouts: every assignment gives the
			// same answer; strictly, each fits both.
			v.ok.status, v.ok.stage = []string{"unproven"}, []string{"paid_out"}
			v.ok.cause, v.ok.party = append(v.ok.cause, "record.ambiguous"), append(v.ok.party, "platform")
		}
		return
	}
	next := nextLeg[st]
	if next == credit && !m.statements && !m.bank.credits && m.visible == 0 {
		next = credit
	}
	if d.instant && next == clearing {
		if t := s.keeper(p, settlement, asOf); t != nil {
			// Whether a payment that is settled before it is cleared is held
			// on the clearing leg is left open.
			v.ok.status = []string{"held", "in_transit"}
			v.ok.cause = []string{"timing.not_due"}
			v.ok.party = []string{"nobody"}
			v.status = "overdue"
			v.blame(t, asOf)
			return
		}
	}
	if t := s.keeper(p, next, asOf); t != nil {
		v.status = "held"
		v.blame(t, asOf)
		if t.code == "payout.not_sent" {
			// Held without a reason of its own: that of the account may be it.
			for _, o := range m.troubles {
				if o.held && o.from <= asOf && asOf < o.to {
					v.ok.cause, v.ok.party, v.incident = append(v.ok.cause, o.code), append(v.ok.party, o.party), ""
				}
			}
		}
		return
	}
	if st >= 5 && p.payout.confirmed(asOf) {
		v.status = "confirmed"
		s.arrivedCause(p, asOf, v)
		return
	}
	if p.short != nil && p.short.held && p.short.tell[0].seen(asOf) && next == payoutLeg {
		// A reserve on record while the rest is under way.
		v.ok.status = append(v.ok.status, "held")
		v.ok.cause = append(v.ok.cause, p.short.code)
		v.ok.party = append(v.ok.party, "merchant")
	}
	legDue := map[leg]int64{capture: d.captured, clearing: d.cleared, settlement: d.settled, payoutLeg: d.paid, credit: d.cred}[next]
	if next == credit {
		legDue = s.creditDue(p, d, asOf)
	}
	if next == payoutLeg && p.payout.of == nil && s.suspended(p, asOf) {
		v.status = "in_transit"
	} else if legDue > asOf {
		v.status = "in_transit"
	} else {
		v.status = "overdue"
		if legDue == asOf {
			v.ok.status = append(v.ok.status, "in_transit")
		}
		if next == credit && !s.covered(p, d, asOf) {
			v.status = "unproven"
		}
		if tw := p.payout; next == credit && tw.twin != nil && (tw.entry.seen(asOf) || tw.twin.entry.seen(asOf)) {
			v.status = "unproven"
			v.cause, v.party = "record.ambiguous", "platform"
			for _, r := range []ref{tw.entry, tw.twin.entry} {
				if r.seen(asOf) {
					v.tell = append(v.tell, r)
				}
			}
			return
		}
	}
	s.transitCause(p, next, legDue, d, base, asOf, v)
	if p.payout == nil || next != credit {
		return
	}
	if v.cause == "payout.returned" && v.status == "in_transit" {
		v.ok.status = append(v.ok.status, "overdue") // whether the payout's leg is judged again is left open
	}
	if v.cause == "payout.returned" {
		// It has to be sent again, and the merchant's money is kept meanwhile.
		for _, o := range m.troubles {
			if o.held && o.from <= asOf && asOf < o.to {
				v.ok.status = append(v.ok.status, "held")
				v.ok.cause, v.ok.party = append(v.ok.cause, o.code), append(v.ok.party, o.party)
			}
		}
	}
	some := false
	for _, a := range p.payout.again {
		some = some || a.entry.seen(asOf)
	}
	if some {
		// A part of what was sent instead has come; where the parts are equal
		// and nothing tells them apart, it may be of either.
		v.ok.status = append(v.ok.status, "short", "unproven", "overdue")
		v.ok.stage = append(v.ok.stage, "paid_out")
		v.ok.cause = append(v.ok.cause, "unknown", "record.ambiguous")
		v.ok.party = append(v.ok.party, "platform", "bank")
	}
}

func (s *sim) arrivedCause(p *payment, asOf int64, v *verdict) {
	if p.twice != nil && p.orderRef.seen(asOf) {
		v.cause, v.tell = "record.duplicate", p.twice.tell
		// The order differs by it; which of the two names is meant is open.
		v.ok.cause, v.ok.party = []string{"human.input_error"}, []string{"merchant"}
		return
	}
	if p.orderRef.seen(asOf) && p.billed != p.amount && !p.second && p.wrong != p.orderRef {
		v.cause, v.party, v.tell = "human.input_error", "merchant", []ref{p.orderRef}
	}
}

func (s *sim) openPreauth(p *payment, asOf int64, v *verdict) {
	v.status, v.cardholder = "in_transit", "reserved"
	v.cause = "timing.not_due"
	if p.wrong.seen(asOf) {
		due := p.tender + 2 + 86400
		if asOf >= due {
			v.status = "overdue"
			v.blame(p.troubles[0], asOf)
			v.suffices = true
		} else {
			v.ok.cause = []string{"human.misoperation"}
			v.ok.party = []string{"operator"}
		}
	}
}

// creditDue is the due time of the credit: that of the terms, or counted from
// a payout that went out later than due.
func (s *sim) creditDue(p *payment, d due, asOf int64) int64 {
	went := p.payout.went
	for _, a := range p.payout.again {
		if a.went != 0 && a.went <= asOf {
			went = max(went, a.went)
		}
	}
	m := p.m
	if went > d.paid {
		day := m.reg.cal.AddBusinessDays(m.date(went), m.creditDays)
		return max(d.cred, clockAt(day.Add(1), 0, m.reg.zone)-1)
	}
	return d.cred
}

// covered says whether a statement of the credit's due day is on record.
func (s *sim) covered(p *payment, d due, asOf int64) bool {
	m := p.m
	if !m.statements {
		return false
	}
	day := m.date(s.creditDue(p, d, asOf))
	known := clockAt(day.Add(1), 390, m.reg.zone)
	if t := m.missing[day]; t != nil {
		known = max(known, t.to)
	}
	return known <= asOf
}

// suspended says whether the due time of the payout rests: below the minimum,
// a negative balance, over the merchant's limit.
func (s *sim) suspended(p *payment, asOf int64) bool {
	for _, t := range p.payout.troubles {
		if t.from <= asOf && (t.code == "payout.below_minimum" || t.code == "payout.negative_balance" || t.code == "platform.limit") && asOf < t.to {
			return true
		}
	}
	return false
}

// keeper is the trouble that keeps the money on purpose.
func (s *sim) keeper(p *payment, next leg, asOf int64) *trouble {
	for _, t := range p.all(next) {
		if t.held && t.leg&next != 0 && t.from <= asOf && asOf < t.to && len(t.tell) > 0 && t.tell[0].seen(asOf) {
			return t
		}
	}
	return nil
}

// all lists the troubles that concern the payment on a leg, its own first.
func (p *payment) all(next leg) []*trouble {
	list := slices.Clone(p.troubles)
	if p.payout != nil && next >= payoutLeg {
		list = append(list, p.payout.troubles...)
		for _, a := range p.payout.again {
			list = append(list, a.troubles...)
		}
	}
	if p.inBatch != nil {
		list = append(list, p.inBatch.troubles...)
	}
	return append(list, p.m.troubles...)
}

// transitCause explains why the next leg has not happened.
func (s *sim) transitCause(p *payment, next leg, legDue int64, d due, base, asOf int64, v *verdict) {
	m := p.m
	list := p.all(next)
	if d.instant && next == clearing {
		// Settled and paid at once: what stops the settlement stops it here.
		next = clearing | settlement
	}
	switch next {
	case clearing | settlement:
		list = append(list, s.troubles...)
	case clearing:
		list = append(append(list, p.nw.troubles...), s.troubles...)
	case settlement:
		list = append(list, s.troubles...)
	case payoutLeg, credit:
		list = append(list, m.bank.troubles...)
	}
	var found *trouble
	run := clockAt(d.day, m.settleAt, m.reg.zone)
	for _, t := range list {
		if t.leg&next == 0 || t.from > asOf || t.code == "record.ambiguous" {
			continue
		}
		inForce := asOf < t.to
		atDue := v.status != "in_transit" && t.from <= legDue && legDue < t.to
		// A hold that lasted past the day's run kept the payment out of it, also
		// where it was released before the leg was due.
		atRun := next == settlement && t.held && !d.instant && t.from <= run && run < t.to && run <= asOf
		if !inForce && !atDue && !atRun {
			continue
		}
		if v.status != "in_transit" && t.from > legDue && (t.silent || next == clearing) && t != p.lacking {
			continue // it was late before
		}
		if atRun && !inForce {
			v.ok.cause = append(v.ok.cause, "record.not_in_settlement", "timing.not_due", "timing.after_cutoff", "timing.holiday")
			v.ok.party = append(v.ok.party, "platform", "nobody")
		}
		if v.status == "in_transit" && t.announced != 0 && t.announced <= legDue {
			continue
		}
		if found != nil {
			v.ok.cause = append(v.ok.cause, t.code)
			v.ok.party = append(v.ok.party, t.party)
			continue
		}
		found = t
	}
	record := func() bool {
		switch {
		case p.short != nil && p.short.code == "record.amount_mismatch" && p.stl.seen(asOf):
			v.blame(p.short, asOf)
		case p.twice != nil && p.orderRef.seen(asOf):
			v.blame(p.twice, asOf)
		case p.orderRef.seen(asOf) && p.billed != p.amount && !p.second && p.kind == "sale":
			v.cause, v.party, v.tell = "human.input_error", "merchant", []ref{p.orderRef}
		default:
			return false
		}
		return true
	}
	timing := func() {
		if record() {
			return
		}
		v.cause = "timing.not_due"
		_, sec := m.local(base)
		dueDate := d.creditDay
		off := m.reg.cal.OffDayStrictlyBetween(d.date, dueDate)
		switch {
		case sec > m.cutoff*60:
			v.cause = "timing.after_cutoff"
		case !m.calDays && off:
			v.cause = "timing.holiday"
			if !m.reg.cal.OffDayStrictlyBetween(d.date, d.day) {
				v.ok.cause = append(v.ok.cause, "timing.not_due")
			}
		}
		if _, own := m.local(p.tender); own > m.cutoff*60 && p.captured != p.tender+2 {
			v.ok.cause = append(v.ok.cause, "timing.after_cutoff")
		}
	}
	switch {
	case found != nil && found.soft && v.status == "in_transit":
		timing()
		v.ok.cause = append(v.ok.cause, found.code)
		v.ok.party = append(v.ok.party, found.party)
	case found != nil && v.status == "unproven" && found.code == "bank.slow_processing":
		v.cause, v.party = "record.statement_missing", "merchant"
	case found != nil:
		if found.code == "bank.outage" && next == payoutLeg && found.from > legDue {
			// Was it late before the bank was out?
			v.ok.cause = append(v.ok.cause, "payout.not_sent", "unknown")
			v.ok.party = append(v.ok.party, "platform")
		}
		if next == clearing|settlement {
			// For what is settled at once it is open on which leg it waits.
			v.ok.cause = append(v.ok.cause, "timing.not_due")
			v.ok.party = append(v.ok.party, "nobody")
		}
		if v.status == "unproven" {
			v.ok.cause = append(v.ok.cause, "record.statement_missing")
			v.ok.party = append(v.ok.party, "merchant")
			if found.code == "payout.returned" {
				v.ok.status = append(v.ok.status, "overdue") // the return itself proves that it is not there
			}
		}
		v.blame(found, asOf)
		if v.status == "unproven" {
			v.incident = ""
		}
		v.announced = found.announced != 0
		if found.silent {
			v.suffices = true
			if found.code == "channel.fault" {
				v.incident += "/" + d.date.String() // each file that is missing is seen by itself
			}
		}
		if !v.suffices {
			v.cause, v.party, v.incident = "unknown", "nobody", ""
			if v.status == "in_transit" {
				// Nothing is known of the fault: to an observer it is not due yet.
				timing()
				v.suffices, v.announced = false, false
				v.ok.cause, v.ok.party = append(v.ok.cause, found.code), append(v.ok.party, found.party)
			} else {
				v.lostTo(found)
			}
		}
	case v.status == "in_transit":
		timing()
	case v.status == "unproven":
		v.cause, v.party = "record.statement_missing", "merchant"
	default:
		v.cause, v.suffices = "unknown", false
		// An earlier leg was late, and so is this one: the former fault is the
		// root, though nothing stops the money now.
		for _, t := range slices.Concat(list, p.nw.troubles, s.troubles) {
			at := func(moment int64) bool { return t.from <= moment && moment < t.to }
			if !(t.leg&clearing != 0 && next > clearing && at(d.cleared) || t.leg&settlement != 0 && next > settlement && (at(d.settled) || t.held && at(run))) {
				continue
			}
			if v.cause == "unknown" {
				v.cause, v.party = t.code, t.party
			}
			v.ok.cause, v.ok.party = append(v.ok.cause, t.code, "unknown"), append(v.ok.party, t.party, "platform")
		}
	}
	if v.status == "overdue" {
		for _, t := range s.downs {
			if t.from <= legDue && legDue < t.to && t.tell[0].seen(asOf) {
				v.ok.cause, v.ok.party = append(v.ok.cause, t.code), append(v.ok.party, t.party)
			}
		}
		// What made an earlier leg late is a cause as well.
		for _, t := range slices.Concat(p.all(settlement), p.nw.troubles, s.troubles) {
			if t.leg&clearing != 0 && next > clearing && t.from <= d.cleared && d.cleared < t.to || t.leg&settlement != 0 && next > settlement && t.from <= d.settled && d.settled < t.to {
				v.ok.cause, v.ok.party = append(v.ok.cause, t.code), append(v.ok.party, t.party)
			}
		}
	}
	if legDue == asOf {
		v.ok.cause = append(v.ok.cause, "timing.not_due", "timing.after_cutoff", "timing.holiday", "human.input_error", "record.duplicate")
		v.ok.party = append(v.ok.party, "nobody", "merchant", "platform")
		v.incident = ""
	}
	if next == payoutLeg && v.cause == "platform.limit" && v.status == "in_transit" && legDue <= asOf {
		// Over the limit on the day that was due, within it today: whether the
		// due rests until today's run is left open.
		v.ok.status = append(v.ok.status, "overdue")
		v.ok.cause = append(v.ok.cause, "payout.not_sent")
		v.ok.party = append(v.ok.party, "platform")
	}
	if next == payoutLeg && p.payout.reached(asOf) {
		// The minimum has been reached since: the next run pays.
		v.ok.status = append(v.ok.status, "in_transit", "overdue")
		v.ok.cause = append(v.ok.cause, "timing.not_due", "timing.holiday", "timing.after_cutoff", "payout.not_sent", "payout.below_minimum", "unknown")
		v.ok.party = append(v.ok.party, "nobody", "platform")
	}
	if next == payoutLeg && slices.ContainsFunc(m.limits, func(t *trouble) bool { return t.from <= asOf && asOf < t.to }) {
		v.ok.status = append(v.ok.status, "in_transit")
		// The day's whole is over the limit: which part is, is left open.
		v.ok.cause = append(v.ok.cause, "platform.limit")
		v.ok.party = append(v.ok.party, "merchant")
	}
}

// reached says whether a payout that rested may go again.
func (po *payout) reached(asOf int64) bool {
	for _, t := range po.troubles {
		if (t.code == "payout.below_minimum" || t.code == "payout.negative_balance") && t.to <= asOf {
			return true
		}
	}
	return false
}

// lostTo keeps the right cause where its evidence was lost: the answer may
// name it, none can be sure.
func (v *verdict) lostTo(t *trouble) {
	v.cause, v.party, v.suffices = t.code, t.party, false
}
