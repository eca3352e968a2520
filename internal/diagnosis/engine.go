package diagnosis

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/expr-lang/expr/vm"

	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/journey"
	"daozhang/internal/match"
)

// Engine judges payments. It is safe for several goroutines.
type Engine struct {
	ctx    *journey.Context
	view   *evidence.View
	faults *faults
	cat    *Catalogue
	memo   sync.Map // Signals → *verdictShape
	live   *live    // nil for an Engine that is made once

	delays   atomic.Pointer[delays] // see Learn
	learning sync.Mutex
}

// NewEngine indexes the circumstances of a context for a catalogue.
func NewEngine(c *journey.Context, cat *Catalogue) *Engine {
	return &Engine{ctx: c, view: c.View, cat: cat, faults: newFaults(c)}
}

// verdictShape is what the signals alone decide: the causes that fit, the best
// first.
type verdictShape struct {
	fits []fit
}

type fit struct {
	cause *Cause
	rule  *Rule
}

// maxAlternatives is how many other causes an answer names.
const maxAlternatives = 6

// Judge finds cause, party and expected arrival of a payment.
func (e *Engine) Judge(j *journey.Journey, v *Verdict) {
	*v = Verdict{Party: Nobody}
	if (j.Status == journey.Arrived || j.Status == journey.Confirmed) && (!j.HasOrder || j.OrderDifference == 0) {
		return
	}
	var s Signals
	var f findings
	e.read(j, &s, &f)
	shape := e.shape(&s)
	if len(shape.fits) == 0 {
		return
	}
	best := e.nearest(shape, &f)
	leg := judgedLeg(j)
	v.Cause, v.Confidence = best.cause, best.rule.Confidence
	v.Leg = leg
	if name := best.rule.Fault; name != "" && j.Status == journey.Overdue && isLink(findingByName[name]) && f[findingByName[name]].from > j.LegDue {
		// It was late before the fault began, which explains only that it still is.
		v.Confidence = min(v.Confidence, begunLate)
	}
	if j.Status == journey.Refunded {
		v.Leg = journey.NoLeg
	}
	for _, name := range best.rule.Cites {
		for _, r := range f[findingByName[name]].refs {
			if !slices.Contains(v.Evidence, r) {
				v.Evidence = append(v.Evidence, r)
			}
		}
	}
	slices.SortFunc(v.Evidence, e.view.CompareTime)
	for _, other := range shape.fits {
		if other.cause == best.cause || len(v.Alternatives) == maxAlternatives ||
			slices.ContainsFunc(v.Alternatives, func(a Alternative) bool { return a.Cause == other.cause }) {
			continue
		}
		v.Alternatives = append(v.Alternatives, Alternative{other.cause, min(other.rule.Confidence, alternativeShare(v.Confidence))})
	}
	v.Party = e.party(j, best, leg)
	switch j.Status {
	case journey.Arrived, journey.Confirmed, journey.NotCharged, journey.Refunded:
	default:
		v.Expected, v.hold = e.expected(j, best, &f)
	}
	v.Incident = e.incident(best, &f)
}

// begunLate is how sure a fault can be the cause that began only when its leg was
// late already: circumstance speaks for it.
const begunLate = 0.72

func isLink(at int) bool {
	return at == fPlatform || at == fNetworkLink || at == fBankLink
}

// alternativeShare keeps confidences honest: what an alternative may have
// beside the cause that goes before it.
func alternativeShare(of float64) float64 {
	rest := 1 - of
	switch {
	case of < 0.5:
		return 0.45
	case rest < 0.02:
		return 0.02
	}
	return float64(int(rest*100+0.5)) / 100
}

// shape gives the causes that fit the signals.
func (e *Engine) shape(s *Signals) *verdictShape {
	if known, ok := e.memo.Load(*s); ok {
		return known.(*verdictShape)
	}
	shape := &verdictShape{}
	leg, _ := legOf(s.Leg)
	var machine vm.VM
	for _, c := range e.cat.causes {
		for i := range c.Rules {
			r := &c.Rules[i]
			if !r.legs[leg] {
				continue
			}
			if out, err := machine.Run(r.program, *s); err == nil && out.(bool) {
				shape.fits = append(shape.fits, fit{c, r})
				break
			}
		}
	}
	slices.SortStableFunc(shape.fits, func(a, b fit) int {
		// A cause below one half is an alternative, whatever its rank.
		return cmp.Or(cmp.Compare(b2i(b.rule.Confidence >= 0.5), b2i(a.rule.Confidence >= 0.5)), cmp.Compare(b.rule.Rank, a.rule.Rank),
			cmp.Compare(b.rule.Confidence, a.rule.Confidence), cmp.Compare(a.cause.place, b.cause.place))
	})
	kept, _ := e.memo.LoadOrStore(*s, shape)
	return kept.(*verdictShape)
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// nearest gives the best cause: the first, or of those with its rank and
// confidence the one whose fault began last before the payment's moment.
func (e *Engine) nearest(shape *verdictShape, f *findings) fit {
	best := shape.fits[0]
	from := func(x fit) evidence.Instant {
		if x.rule.Fault == "" {
			return 0
		}
		return f[findingByName[x.rule.Fault]].from
	}
	for _, other := range shape.fits[1:] {
		if other.rule.Rank == best.rule.Rank && other.rule.Confidence == best.rule.Confidence && from(other) > from(best) {
			best = other
		}
	}
	return best
}

// party says who must act next.
func (e *Engine) party(j *journey.Journey, best fit, leg journey.Leg) Party {
	if best.cause.Code == "human.input_error" {
		return Merchant
	}
	if j.Status == journey.Arrived || j.Status == journey.Confirmed || j.Swipe.Outcome == journey.WasReversed {
		return Nobody
	}
	name := best.rule.Party
	if name == "" {
		name = best.cause.PartyByLeg[leg.String()]
	}
	if name == "" {
		name = best.cause.Party
	}
	if best.cause.Code == "transaction.declined" {
		if info, ok := evidence.LookupCode(j.Swipe.Code); ok && info.Who != "" {
			switch info.Who[0] {
			case 'C':
				return Cardholder
			case 'I':
				return Issuer
			case 'M':
				return Merchant
			case 'T':
				return Operator
			case 'A', 'R', 'S':
				return Platform
			}
		}
	}
	p, _ := partyOf(name)
	return p
}

// incident names what a payment shares with others stopped by the same fault.
func (e *Engine) incident(best fit, f *findings) IncidentKey {
	if best.cause.Incident == "" || best.rule.Fault == "" || best.rule.Confidence < 0.5 {
		return IncidentKey{}
	}
	found := &f[findingByName[best.rule.Fault]]
	if found.subject == "" || found.subject == "settlement/" {
		return IncidentKey{}
	}
	k := IncidentKey{Cause: best.cause.Code, Scope: scopeName(best.cause.Incident, found.subject), From: found.from}
	if found.known {
		k.To = found.to
	}
	return k
}

// scopeName writes the object of an incident: a link as it is named, others
// with their kind before it.
func scopeName(kind, subject string) string {
	switch kind {
	case "link", "platform", "file":
		return subject
	case "merchant":
		return "mid/" + subject
	case "account":
		return "account/" + card.AccountTail(subject)
	}
	return kind + "/" + subject
}

// indexOf gives the place of a payment among its merchant's, which are in order
// of time.
func indexOf(list []match.Payment, p *match.Payment) int {
	at, _ := slices.BinarySearchFunc(list, p.Time, func(q match.Payment, t evidence.Instant) int { return cmp.Compare(q.Time, t) })
	for ; at < len(list) && &list[at] != p; at++ {
	}
	return at
}
