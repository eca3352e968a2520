package world

import (
	"strconv"
	"time"
)

// ask judges every open payment at this moment.
func (s *sim) ask() {
	s.stats.Peak = max(s.stats.Peak, len(s.open))
	keep := s.open[:0]
	for _, p := range s.open {
		if p.tender >= s.now {
			keep = append(keep, p)
			continue
		}
		if v, ok := s.judge(p, s.now); ok {
			p.verdicts = append(p.verdicts, s.keep(&v))
		}
		if p.doneAt != 0 && p.doneAt <= s.now {
			s.tell(p)
			continue
		}
		keep = append(keep, p)
	}
	clear(s.open[len(keep):])
	s.open = keep
}

// kept is a verdict in little memory: many wait until it is known when the
// money really arrived.
type kept struct {
	asOf                int64
	words               [6]uint8
	suffices, announced bool
	incident, fault     string
	tell                []ref
	ok                  *accepts
}

func (s *sim) keep(v *verdict) kept {
	k := kept{asOf: v.asOf, suffices: v.suffices, announced: v.announced, incident: v.incident, fault: v.fault, tell: v.tell}
	for i, w := range [...]string{v.stage, v.status, v.cardholder, v.party, v.cause, v.leg} {
		k.words[i] = s.word(w)
	}
	if o := &v.ok; o.stage != nil || o.status != nil || o.cardholder != nil || o.cause != nil || o.party != nil {
		k.ok = &accepts{o.stage, o.status, o.cardholder, o.cause, o.party}
	}
	return k
}

func (s *sim) unpack(k *kept) verdict {
	w := func(i int) string { return s.words[k.words[i]] }
	v := verdict{asOf: k.asOf, stage: w(0), status: w(1), cardholder: w(2), party: w(3), cause: w(4), leg: w(5),
		suffices: k.suffices, announced: k.announced, incident: k.incident, fault: k.fault, tell: k.tell}
	if k.ok != nil {
		v.ok = *k.ok
	}
	return v
}

// word gives the number of one of the few words of truths.
func (s *sim) word(w string) uint8 {
	n, ok := s.wordOf[w]
	if !ok {
		n = uint8(len(s.words))
		s.words = append(s.words, w)
		s.wordOf[w] = n
	}
	return n
}

// end tells the truth of what is still open.
func (s *sim) end() {
	for _, p := range s.open {
		s.tell(p)
	}
}

// tell writes the truth lines of a payment; when its money really arrived is
// known only now.
func (s *sim) tell(p *payment) {
	if s.truth == nil {
		return
	}
	for i := range p.verdicts {
		v := s.unpack(&p.verdicts[i])
		s.tellOne(p, &v)
	}
	p.verdicts = nil
}

func (s *sim) tellOne(p *payment, v *verdict) {
	s.stats.Truths++
	s.stats.Causes[v.cause]++
	b := s.line[:0]
	str := func(k, val string) {
		if val != "" {
			b = strconv.AppendQuote(append(append(append(b, '"'), k...), '"', ':'), val)
			b = append(b, ',')
		}
	}
	at := func(k string, t int64) {
		if t != 0 {
			b = append(append(append(b, '"'), k...), `":"`...)
			b = append(time.Unix(t, 0).In(p.m.reg.zone).AppendFormat(b, time.RFC3339), `",`...)
		}
	}
	list := func(k string, vals []string) {
		b = append(append(append(b, '"'), k...), `":[`...)
		for i, x := range vals {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendQuote(b, x)
		}
		b = append(b, `],`...)
	}
	b = append(b, `{"as_of":"`...)
	b = append(time.Unix(v.asOf, 0).In(s.zone).AppendFormat(b, time.RFC3339), `",`...)
	str("mid", p.m.mid)
	str("tid", p.t.tid)
	str("batch", p.batchNo)
	str("stan", p.stan)
	str("rrn", p.rrn)
	str("auth_code", p.auth)
	if !p.second {
		str("order_id", p.order)
	}
	str("ref", p.ref)
	str("pan", p.pan)
	str("kind", p.kind)
	b = append(strconv.AppendInt(append(b, `"amount":`...), p.amount, 10), ',')
	str("currency", p.m.reg.currency)
	at("time", p.tender)
	str("stage", v.stage)
	str("status", v.status)
	str("cardholder", v.cardholder)
	str("cause", v.cause)
	str("party", v.party)
	str("leg", v.leg)
	at("arrival", p.arrival)
	str("incident", v.incident)
	if v.fault != v.incident {
		str("fault", v.fault)
	}
	if v.announced {
		b = append(b, `"announced":true,`...)
	}
	b = append(strconv.AppendBool(append(b, `"suffices":`...), v.suffices), ',')
	if o := &v.ok; o.stage != nil || o.status != nil || o.cardholder != nil || o.cause != nil || o.party != nil {
		b = append(b, `"accept":{`...)
		for _, a := range []struct {
			k string
			v []string
		}{{"stage", o.stage}, {"status", o.status}, {"cardholder", o.cardholder}, {"cause", o.cause}, {"party", o.party}} {
			if a.v != nil {
				list(a.k, a.v)
			}
		}
		b = append(b[:len(b)-1], `},`...)
	}
	b = append(b, `"evidence":[`...)
	for i, r := range v.tell {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(s.appendID(b, r), '"')
	}
	b = append(b, "]}\n"...)
	s.line = b
	if _, err := s.truth.Write(b); err != nil && s.err == nil {
		s.err = err
	}
}
