package match

import (
	"cmp"
	"math/bits"
	"slices"
)

// exactSets finds the sets of two to setSize members of a pool whose amounts
// sum to a target: the only set, or, where there are several, their union. A
// pool above setPool members is not searched: a sum found among so many proves
// nothing. Amounts are positive.
//
// It meets in the middle: the sums of one half, sorted, are looked up for each
// sum of the other, so that 28 members cost two lists of 16,384 sums.
func exactSets[T any](pool []T, amount func(T) int64, target int64) (only, several []T) {
	fit := pool[:0:0]
	total := int64(0)
	for _, x := range pool {
		if a := amount(x); a > 0 && a < target {
			fit = append(fit, x)
			total += a
		}
	}
	if len(fit) < 2 || len(fit) > setPool || total < target {
		return nil, nil
	}
	half := len(fit) / 2
	left := subsetSums(fit[:half], amount)
	right := subsetSums(fit[half:], amount)
	slices.SortFunc(right, func(a, b subset) int { return cmp.Or(cmp.Compare(a.sum, b.sum), cmp.Compare(a.mask, b.mask)) })
	var first, union uint32
	found := 0
	for _, l := range left {
		need := target - l.sum
		at, _ := slices.BinarySearchFunc(right, need, func(s subset, n int64) int { return cmp.Compare(s.sum, n) })
		for ; at < len(right) && right[at].sum == need; at++ {
			mask := l.mask | right[at].mask<<half
			if n := bits.OnesCount32(mask); n < 2 || n > setSize {
				continue
			}
			if found == 0 {
				first = mask
			}
			found++
			union |= mask
		}
	}
	members := func(mask uint32) []T {
		var out []T
		for i, x := range fit {
			if mask>>i&1 != 0 {
				out = append(out, x)
			}
		}
		return out
	}
	switch {
	case found == 1:
		return members(first), nil
	case found > 1:
		return nil, members(union)
	}
	return nil, nil
}

type subset struct {
	sum  int64
	mask uint32
}

func subsetSums[T any](list []T, amount func(T) int64) []subset {
	sums := make([]subset, 1, 1<<len(list))
	for i, x := range list {
		for _, s := range sums[:len(sums):len(sums)] {
			sums = append(sums, subset{s.sum + amount(x), s.mask | 1<<i})
		}
	}
	return sums
}
