package investigation

import (
	"slices"

	"daozhang/internal/evidence"
	"daozhang/internal/match"
)

// arrivals decides which facts count: of copies one, of conflicting versions the
// one that stands, and none before it is known.
type arrivals struct {
	known   map[uint64]evidence.FactRef // by the hash of source and id: the first that came
	several map[evidence.FactRef][]evidence.FactRef
	counts  byFact[bool]
	waiting moments[evidence.FactRef]
	// contradicted are, by first fact, the versions that stand though others
	// differ; clocks the facts of wrong clocks.
	contradicted map[evidence.FactRef]evidence.FactRef
	clocks       map[evidence.FactRef]bool
	shown        map[evidence.FactRef]evidence.FactRef // by first fact: another that counts instead
}

func newArrivals() arrivals {
	return arrivals{
		known: map[uint64]evidence.FactRef{}, several: map[evidence.FactRef][]evidence.FactRef{},
		contradicted: map[evidence.FactRef]evidence.FactRef{}, clocks: map[evidence.FactRef]bool{},
		shown: map[evidence.FactRef]evidence.FactRef{},
	}
}

// first gives the fact of the same source and id that came first: itself, where
// none did.
func (l *Live) first(r evidence.FactRef, f *evidence.Fact) evidence.FactRef {
	for h := mix(f.Source.Hash64(), uint64(f.ID)); ; h++ {
		o, ok := l.known[h]
		if !ok {
			l.known[h] = r
			return r
		}
		if g := l.set.At(o); g.Source == f.Source && g.ID == f.ID {
			return o
		}
	}
}

// arrive takes a fact that has been added to the set.
func (l *Live) arrive(r evidence.FactRef, f *evidence.Fact, added *Added) {
	added.Facts++
	first := l.first(r, f)
	if first == r {
		if at := f.KnownAt(); at > l.asOf {
			added.Waiting++
			l.waiting.add(at, r)
			return
		}
		l.show(r)
		return
	}
	group := l.several[first]
	if group == nil {
		group = []evidence.FactRef{first}
	}
	before := len(group)
	group = l.set.Versions(append(slices.Clone(group), r))
	l.several[first] = group
	l.view.Hide(r, true)
	switch {
	case len(group) == before:
		added.Copies++
	default:
		added.Conflicts++
	}
	l.stand(first)
}

// stand lets the version of a fact count that stands at the present moment.
func (l *Live) stand(first evidence.FactRef) {
	group := l.several[first]
	if group == nil {
		group = []evidence.FactRef{first}
	}
	var stands evidence.FactRef
	for _, r := range group {
		if at := l.set.At(r).KnownAt(); at > l.asOf {
			l.waiting.add(at, first)
		} else if stands == 0 {
			stands = r
		}
	}
	// A copy that came first may have been replaced by one known earlier.
	for _, r := range append(slices.Clone(group), first, l.contradicted[first], l.shown[first]) {
		if r != 0 && r != stands && l.counts.at(r) {
			l.hide(r)
		}
	}
	if stands != 0 && !l.counts.at(stands) {
		l.show(stands)
	}
	delete(l.shown, first)
	if stands != 0 && stands != first {
		l.shown[first] = stands
	}
	delete(l.contradicted, first)
	if len(group) > 1 && stands != 0 {
		l.contradicted[first] = stands
	}
}

// reach lets facts count that have waited for the present moment.
func (l *Live) reach() {
	for {
		first, ok := l.waiting.next(l.asOf)
		if !ok {
			return
		}
		l.stand(first)
	}
}

func (l *Live) show(r evidence.FactRef) {
	f := l.set.At(r)
	if l.sealed.any() && !l.unseal(r, f) {
		l.view.Hide(r, true)
		return
	}
	l.counts.set(r, true)
	l.view.Hide(r, false)
	l.sources.hear(f)
	if f.WrongClock() {
		l.clocks[r] = true
	}
	l.own(f, 1)
	l.route(r, f, true)
}

func (l *Live) hide(r evidence.FactRef) {
	f := l.set.At(r)
	l.counts.set(r, false)
	l.view.Hide(r, true)
	delete(l.clocks, r)
	l.route(r, f, false)
	l.own(f, -1)
}

// route gives a fact to those who work with it, as matching does with all of
// them; on is false for one that does not count any more.
func (l *Live) route(r evidence.FactRef, f *evidence.Fact, on bool) {
	switch f.Type {
	case evidence.TerminalTransaction, evidence.GatewayRequest, evidence.GatewayResponse, evidence.ClearingLine,
		evidence.SettlementLine, evidence.SaleOrder:
		l.payment(r, f, on)
	case evidence.GatewayTimeout, evidence.GatewayReversal, evidence.GatewayError, evidence.OperatorAction,
		evidence.CaseOpened, evidence.CaseClosed, evidence.RiskDecision:
		if f.Type == evidence.GatewayError || f.Type == evidence.GatewayTimeout || f.Type == evidence.OperatorAction {
			l.circumstance(r, f, on)
		}
		switch {
		case match.NamesPayment(f), f.Type == evidence.GatewayReversal:
			l.payment(r, f, on)
		case f.MID != 0 && f.Type == evidence.RiskDecision:
			l.general(r, f, on)
		}
	case evidence.PayoutStatus:
		l.status(r, f, on)
	case evidence.AccountStatus:
		l.general(r, f, on)
	case evidence.BankEntry:
		l.entry(r, on)
	case evidence.MerchantTerms:
		m := l.merchant(f.MID)
		m.terms = toggle(m.terms, r, on)
		m.restate = true
		l.stir(m)
	case evidence.CalendarHoliday:
		l.holidays = toggle(l.holidays, r, on)
		l.rebook = true
	case evidence.UnknownType:
	default:
		l.circumstance(r, f, on)
	}
}

// toggle adds a fact to a list, or takes it out.
func toggle(list []evidence.FactRef, r evidence.FactRef, on bool) []evidence.FactRef {
	if on {
		return append(list, r)
	}
	return slices.DeleteFunc(list, func(o evidence.FactRef) bool { return o == r })
}

// owner counts the facts by which a terminal, or a processor's reference, belongs
// to merchants.
type owner struct {
	mid  evidence.Word
	n    int32
	more map[evidence.Word]int32 // the other merchants
}

// of gives the only merchant; 0 for none or several.
func (o *owner) of() evidence.Word {
	if o == nil || len(o.more) > 0 {
		return 0
	}
	return o.mid
}

func (o *owner) count(mid evidence.Word, n int32) {
	if o.n == 0 && n > 0 && len(o.more) == 0 {
		o.mid = mid
	}
	if o.mid == mid {
		if o.n += n; o.n > 0 {
			return
		}
		o.mid = 0
		for other, k := range o.more { // of several any may stand first
			o.mid, o.n = other, k
			delete(o.more, other)
			break
		}
		return
	}
	if o.more == nil {
		o.more = map[evidence.Word]int32{}
	}
	if o.more[mid] += n; o.more[mid] <= 0 {
		delete(o.more, mid)
	}
}

// own notes to whom terminal and reference of a fact belong, and moves the facts
// without a merchant that follow them.
func (l *Live) own(f *evidence.Fact, n int32) {
	if f.MID == 0 {
		return
	}
	for _, k := range [2]ownerKey{{false, f.Ref}, {true, f.TID}} {
		if k.word == 0 {
			continue
		}
		o := l.owners[k]
		if o == nil {
			o = &owner{}
			l.owners[k] = o
		}
		before := o.of()
		o.count(f.MID, n)
		if o.of() != before {
			for _, r := range slices.Clone(l.homeless[k]) {
				l.rehome(r)
			}
		}
	}
}

type ownerKey struct {
	terminal bool
	word     evidence.Word
}

// home gives the merchant of a fact that names none: whom its reference, or else
// its terminal, belongs to.
func (l *Live) home(f *evidence.Fact) evidence.Word {
	if f.Ref != 0 {
		if mid := l.owners[ownerKey{false, f.Ref}].of(); mid != 0 {
			return mid
		}
	}
	if f.TID != 0 {
		return l.owners[ownerKey{true, f.TID}].of()
	}
	return 0
}

func (l *Live) rehome(r evidence.FactRef) {
	f := l.set.At(r)
	if mid := l.home(f); mid != l.homes[r] {
		l.place(r, f, l.homes[r], false)
		l.homes[r] = mid
		l.place(r, f, mid, true)
	}
}

// payment takes a fact that tells of a payment.
func (l *Live) payment(r evidence.FactRef, f *evidence.Fact, on bool) {
	mid := f.MID
	if mid == 0 {
		if on {
			mid = l.home(f)
			l.homes[r] = mid
		} else {
			mid = l.homes[r]
			delete(l.homes, r)
		}
		for _, k := range [2]ownerKey{{false, f.Ref}, {true, f.TID}} {
			if k.word != 0 {
				l.homeless[k] = toggle(l.homeless[k], r, on)
			}
		}
	}
	l.place(r, f, mid, on)
}

// place gives a fact of a payment to a merchant.
func (l *Live) place(r evidence.FactRef, f *evidence.Fact, mid evidence.Word, on bool) {
	m := l.merchant(mid)
	m.begin(l, r, on)
	if f.Type == evidence.ClearingLine || f.Type == evidence.SettlementLine {
		l.line(m, r, f, on)
	}
	if on {
		l.join(m, r)
	} else {
		l.part(m, r)
	}
}
