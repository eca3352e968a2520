package match

import (
	"runtime"
	"slices"
	"sync"

	"daozhang/internal/evidence"
)

// share is the evidence of one merchant.
type share struct {
	mid     evidence.Word
	refs    []evidence.FactRef // facts of payments
	general []evidence.FactRef
	payouts []evidence.FactRef // payout.status
	first   timed              // the first of refs
}

// add takes a fact of a payment.
func (s *share) add(r evidence.FactRef, f *evidence.Fact, v *evidence.View) {
	s.refs = append(s.refs, r)
	s.begin(timed{f.Time, f.ID, r, f.Type}, v)
}

// begin notes a fact that may be the first.
func (s *share) begin(t timed, v *evidence.View) {
	if s.first.ref == 0 || t.compare(s.first, v) < 0 {
		s.first = t
	}
}

// sorter gives each merchant its facts, and the Result the rest. One sorter
// takes one part of the evidence.
type sorter struct {
	v             *evidence.View
	byMID         map[evidence.Word]*share
	last          *share
	homeless      []evidence.FactRef // facts of payments that do not name their merchant
	circumstances []evidence.FactRef
}

func (s *sorter) of(mid evidence.Word) *share {
	if s.last != nil && s.last.mid == mid {
		return s.last
	}
	sh := s.byMID[mid]
	if sh == nil {
		sh = &share{mid: mid}
		s.byMID[mid] = sh
	}
	s.last = sh
	return sh
}

func (s *sorter) take(r evidence.FactRef, f *evidence.Fact) {
	switch f.Type {
	case evidence.TerminalTransaction, evidence.GatewayRequest, evidence.GatewayResponse, evidence.ClearingLine,
		evidence.SettlementLine, evidence.SaleOrder:
		s.payment(r, f)
	case evidence.GatewayTimeout, evidence.GatewayReversal, evidence.GatewayError, evidence.OperatorAction,
		evidence.CaseOpened, evidence.CaseClosed, evidence.RiskDecision:
		if f.Type == evidence.GatewayError || f.Type == evidence.GatewayTimeout || f.Type == evidence.OperatorAction {
			s.circumstances = append(s.circumstances, r)
		}
		switch {
		case namesPayment(f), f.Type == evidence.GatewayReversal:
			s.payment(r, f)
		case f.MID != 0 && f.Type == evidence.RiskDecision:
			sh := s.of(f.MID)
			sh.general = append(sh.general, r)
		}
	case evidence.PayoutStatus:
		sh := s.of(f.MID)
		sh.payouts = append(sh.payouts, r)
	case evidence.AccountStatus:
		sh := s.of(f.MID)
		sh.general = append(sh.general, r)
	case evidence.BankEntry, evidence.MerchantTerms, evidence.CalendarHoliday, evidence.UnknownType:
	default:
		s.circumstances = append(s.circumstances, r)
	}
}

func (s *sorter) payment(r evidence.FactRef, f *evidence.Fact) {
	if f.MID == 0 {
		s.homeless = append(s.homeless, r)
		return
	}
	s.of(f.MID).add(r, f, s.v)
}

// join takes over what another sorter found.
func (s *sorter) join(o *sorter) {
	for mid, sh := range o.byMID {
		have := s.byMID[mid]
		if have == nil {
			s.byMID[mid] = sh
			continue
		}
		have.refs = append(have.refs, sh.refs...)
		if sh.first.ref != 0 {
			have.begin(sh.first, s.v)
		}
		have.general = append(have.general, sh.general...)
		have.payouts = append(have.payouts, sh.payouts...)
	}
	s.homeless = append(s.homeless, o.homeless...)
	s.circumstances = append(s.circumstances, o.circumstances...)
}

// sortByMerchant gives each merchant its facts, and the Result the rest.
func sortByMerchant(res *Result) []*share {
	v := res.View
	sorters := make([]*sorter, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for n := range sorters {
		s := &sorter{v: v, byMID: map[evidence.Word]*share{}}
		sorters[n] = s
		wg.Go(func() {
			for r, f := range v.Part(n, len(sorters)) {
				s.take(r, f)
			}
		})
	}
	wg.Wait()
	all := sorters[0]
	for _, o := range sorters[1:] {
		all.join(o)
	}
	res.Circumstances = all.circumstances
	res.settleHomeless(all.homeless, all.of)
	slices.SortFunc(res.Circumstances, v.CompareTime)
	shares := make([]*share, 0, len(all.byMID))
	for _, s := range all.byMID {
		slices.SortFunc(s.general, v.CompareTime)
		shares = append(shares, s)
	}
	slices.SortFunc(shares, func(a, b *share) int { return v.Words.Compare(a.mid, b.mid) })
	for _, s := range shares {
		offset := int16(0)
		if s.first.ref != 0 {
			offset = v.At(s.first.ref).Offset
		}
		res.Book.Prepare(s.mid, offset)
	}
	return shares
}

// namesPayment reports whether a fact carries a key of one payment.
func namesPayment(f *evidence.Fact) bool {
	_, amount := f.Amount()
	return f.Ref != 0 || f.OrderID != 0 || f.RRN != 0 || f.TID != 0 && (f.STAN != 0 || f.PAN != 0 && amount) || f.AuthCode != 0
}

// settleHomeless gives facts without a merchant to the merchant that the same
// processor reference, or the same terminal, belongs to.
func (res *Result) settleHomeless(homeless []evidence.FactRef, of func(evidence.Word) *share) {
	if len(homeless) == 0 {
		return
	}
	v := res.View
	byRef, byTID := map[evidence.Word]evidence.Word{}, map[evidence.Word]evidence.Word{}
	const several = ^evidence.Word(0)
	note := func(m map[evidence.Word]evidence.Word, key, mid evidence.Word) {
		if key == 0 {
			return
		}
		if known, ok := m[key]; ok && known != mid {
			mid = several
		}
		m[key] = mid
	}
	for _, f := range v.Facts {
		if f.MID != 0 {
			note(byRef, f.Ref, f.MID)
			note(byTID, f.TID, f.MID)
		}
	}
	for _, r := range homeless {
		f := v.At(r)
		mid, ok := byRef[f.Ref]
		if !ok || mid == several {
			mid, ok = byTID[f.TID]
		}
		if !ok || mid == several {
			mid = 0
		}
		of(mid).add(r, f, v)
	}
}
