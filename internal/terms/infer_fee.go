package terms

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"daozhang/internal/evidence"
	"daozhang/internal/money"
)

// charge is what was taken from a sale, in minor units.
type charge struct{ amount, fee int64 }

// inferFees finds the fee table that meets nearly all of the fees taken to the
// minor unit: one rule for all, else one per type of card, per network, or per
// both. Where none does, nothing is expected.
func (t *Terms) inferFees(history []Settled, currency money.Currency) {
	var known []*Settled
	for i := range history {
		if s := &history[i]; s.HasFee && s.Currency == currency && s.Amount > 0 && s.Fee >= 0 {
			known = append(known, s)
		}
	}
	if len(known) < fewestSettled || !slices.ContainsFunc(known, func(s *Settled) bool { return s.Fee > 0 }) {
		return
	}
	type by struct {
		card    evidence.CardType
		network string
	}
	for _, part := range []func(*Settled) by{
		func(*Settled) by { return by{} },
		func(s *Settled) by { return by{card: s.CardType} },
		func(s *Settled) by { return by{network: s.Network} },
		func(s *Settled) by { return by{s.CardType, s.Network} },
	} {
		groups := map[by][]charge{}
		for _, s := range known {
			groups[part(s)] = append(groups[part(s)], charge{s.Amount, s.Fee})
		}
		try := Terms{FeeMode: FeeNet}
		for k, charges := range groups {
			if f, ok := fitFee(charges); ok {
				f.CardType, f.Network = k.card, k.network
				try.Fees = append(try.Fees, f)
			}
		}
		slices.SortFunc(try.Fees, func(a, b Fee) int {
			return cmp.Or(cmp.Compare(a.Network, b.Network), cmp.Compare(a.CardType, b.CardType))
		})
		met := 0
		for _, s := range known {
			if fee, _ := try.Fee(s.Amount, s.CardType, s.Network); fee == s.Fee {
				met++
			}
		}
		if met*feeOf >= len(known)*feeShare {
			t.FeeMode, t.Fees = FeeNet, try.Fees
			return
		}
	}
}

// fitFee finds the rate, fixed part and cap that meet the most of some fees, the
// roundest of those that meet as many. It needs fees that differ enough to tell.
func fitFee(charges []charge) (best Fee, ok bool) {
	slices.SortFunc(charges, func(a, b charge) int { return cmp.Or(cmp.Compare(a.amount, b.amount), cmp.Compare(a.fee, b.fee)) })
	if !telling(charges) {
		return Fee{}, false
	}
	most := 0
	for _, limit := range caps(charges) {
		free := charges
		if limit > 0 {
			free = slices.DeleteFunc(slices.Clone(charges), func(c charge) bool { return c.fee >= limit })
		}
		for _, fixed := range fixedParts(free) {
			rate, found := fitRate(free, fixed)
			if !found {
				continue
			}
			try := Terms{Fees: []Fee{{Rate: rate, Fixed: fixed, Cap: limit}}}
			met := 0
			for _, c := range charges {
				if fee, _ := try.Fee(c.amount, evidence.NoCardType, ""); fee == c.fee {
					met++
				}
			}
			if met > most {
				best, most = try.Fees[0], met
			}
		}
	}
	return best, most*feeOf >= len(charges)*feeShare
}

// telling reports whether fees can be told apart: of three different amounts at
// least, the largest twice the smallest.
func telling(charges []charge) bool {
	amounts := 1
	for i := range charges[1:] {
		if charges[i].amount != charges[i+1].amount {
			amounts++
		}
	}
	return amounts >= 3 && charges[len(charges)-1].amount >= 2*charges[0].amount
}

// caps gives the caps worth trying: none, and the largest fee where it was taken
// from several different amounts.
func caps(charges []charge) []int64 {
	largest := slices.MaxFunc(charges, func(a, b charge) int { return cmp.Compare(a.fee, b.fee) }).fee
	amounts := map[int64]bool{}
	for _, c := range charges {
		if c.fee == largest {
			amounts[c.amount] = true
		}
	}
	if len(amounts) < 2 {
		return []int64{0}
	}
	return []int64{0, largest}
}

// fixedParts gives the fixed parts worth trying: none, and what is left where a
// line through the fees meets an amount of nothing.
func fixedParts(charges []charge) []int64 {
	fixed := []int64{0}
	if len(charges) < 2 {
		return fixed
	}
	// The median of the slopes between a sale and one half the history further.
	half := len(charges) / 2
	var slopes []float64
	for i := 0; i+half < len(charges); i++ {
		if a, b := charges[i], charges[i+half]; b.amount > a.amount {
			slopes = append(slopes, float64(b.fee-a.fee)/float64(b.amount-a.amount))
		}
	}
	if len(slopes) == 0 {
		return fixed
	}
	slices.Sort(slopes)
	slope := slopes[len(slopes)/2]
	rests := make([]float64, len(charges))
	for i, c := range charges {
		rests[i] = float64(c.fee) - slope*float64(c.amount)
	}
	slices.Sort(rests)
	middle := int64(rests[len(rests)/2] + 0.5)
	for _, f := range []int64{middle, middle / 5 * 5, (middle + 4) / 5 * 5, middle - 1, middle + 1, middle - 2, middle + 2} {
		if f > 0 && !slices.Contains(fixed, f) {
			fixed = append(fixed, f)
		}
	}
	return fixed
}

// fitRate finds the rate that meets the most fees beside a fixed part, the
// roundest in basis points. Each fee is met by the rates of a stretch: their part
// rounds half up to the fee.
func fitRate(charges []charge, fixed int64) (money.Rate, bool) {
	if len(charges) == 0 {
		return 0, false
	}
	const whole = 1e4 * int64(money.BasisPoint)
	type edge struct {
		at   int64
		open bool
	}
	edges := make([]edge, 0, 2*len(charges))
	for _, c := range charges {
		part := c.fee - fixed
		if part < 0 || c.amount > 1<<52 || part > c.amount {
			continue
		}
		// rate*amount + whole/2 lies in [part*whole, (part+1)*whole)
		from, ok1 := ceilDiv(max(2*part-1, 0), whole, 2*c.amount)
		to, ok2 := ceilDiv(2*part+1, whole, 2*c.amount)
		if ok1 && ok2 && from < to {
			edges = append(edges, edge{from, true}, edge{to, false})
		}
	}
	slices.SortFunc(edges, func(a, b edge) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		switch { // what ends here ends first
		case a.open == b.open:
			return 0
		case b.open:
			return -1
		}
		return 1
	})
	depth, most := 0, 0
	var from, to int64
	for i, e := range edges {
		if e.open {
			if depth++; depth > most {
				most, from, to = depth, e.at, edges[len(edges)-1].at
				for _, next := range edges[i+1:] {
					if !next.open {
						to = next.at
						break
					}
				}
			}
		} else {
			depth--
		}
	}
	if most == 0 {
		return 0, false
	}
	for _, step := range []int64{100e4, 50e4, 10e4, 5e4, 1e4, 5e3, 1e3, 500, 100, 10} {
		if round := (from + step - 1) / step * step; round < to {
			return money.Rate(round), true
		}
	}
	return money.Rate(from), true
}

// ceilDiv gives a·b/c rounded up, for a that is not negative; false where it does
// not fit.
func ceilDiv(a, b, c int64) (int64, bool) {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi >= uint64(c) {
		return 0, false
	}
	q, rest := bits.Div64(hi, lo, uint64(c))
	if rest > 0 {
		q++
	}
	return int64(q), q <= math.MaxInt64
}
