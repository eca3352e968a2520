package match

import (
	"math/bits"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// exactSets finds what trying every set finds.
func TestExactSetsAgainstTryingAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pool := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) int64 {
			if rapid.Bool().Draw(t, "small") {
				return rapid.Int64Range(-2, 12).Draw(t, "amount")
			}
			return rapid.Int64Range(1, 1000).Draw(t, "amount")
		}), 0, 15).Draw(t, "pool")
		target := rapid.Int64Range(-1, 3000).Draw(t, "target")
		if len(pool) > 1 && rapid.Bool().Draw(t, "a sum") {
			target = 0
			for i, a := range pool {
				if i%2 == 0 {
					target += a
				}
			}
		}
		// Members are told apart by their place, not their amount.
		places := make([]int, len(pool))
		for i := range places {
			places[i] = i
		}
		var sets [][]int
		for mask := range uint32(1) << len(pool) {
			n := bits.OnesCount32(mask)
			if n < 2 || n > setSize {
				continue
			}
			sum := int64(0)
			var set []int
			usable := true
			for i, a := range pool {
				if mask>>i&1 != 0 {
					sum += a
					set = append(set, i)
					usable = usable && a > 0
				}
			}
			if usable && sum == target {
				sets = append(sets, set)
			}
		}
		only, several := exactSets(places, func(i int) int64 { return pool[i] }, target)
		switch {
		case len(sets) == 0 && (only != nil || several != nil):
			t.Fatalf("%v of %v: found %v %v, there is none", target, pool, only, several)
		case len(sets) == 1 && (!slices.Equal(only, sets[0]) || several != nil):
			t.Fatalf("%v of %v: found %v %v, want %v alone", target, pool, only, several, sets[0])
		case len(sets) > 1:
			var union []int
			for _, set := range sets {
				union = append(union, set...)
			}
			slices.Sort(union)
			if union = slices.Compact(union); only != nil || !slices.Equal(several, union) {
				t.Fatalf("%v of %v: found %v %v, want several: %v", target, pool, only, several, union)
			}
		}
	})
}

// A pool larger than the bound is not searched, one at the bound is.
func TestExactSetsBounds(t *testing.T) {
	pool := make([]int64, setPool)
	for i := range pool {
		pool[i] = 1 << i
	}
	self := func(a int64) int64 { return a }
	if only, several := exactSets(pool, self, 3<<20); !slices.Equal(only, []int64{1 << 20, 2 << 20}) || several != nil {
		t.Errorf("found %v %v", only, several)
	}
	if only, several := exactSets(pool, self, 1<<(setSize+1)-1-1); len(only) != setSize || several != nil {
		t.Errorf("a set of %d: found %v %v", setSize, only, several)
	}
	if only, several := exactSets(pool, self, 1<<(setSize+1)-1); only != nil || several != nil {
		t.Errorf("a set of %d: found %v %v", setSize+1, only, several)
	}
	if only, several := exactSets(append(pool, 1<<setPool), self, 3<<(setPool-1)); only != nil || several != nil {
		t.Errorf("a pool of %d: found %v %v", setPool+1, only, several)
	}
}

func BenchmarkExactSets(b *testing.B) {
	pool := make([]int64, setPool)
	for i := range pool {
		pool[i] = int64(i*i*7919+104729) % 1000003
	}
	for b.Loop() {
		exactSets(pool, func(a int64) int64 { return a }, 2999999)
	}
}
