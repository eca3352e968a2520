package evidence

import (
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSortByTime(t *testing.T) {
	type item struct {
		at Instant
		id int
	}
	compare := func(a, b item) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.id, b.id)) }
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]Instant{1, 1e9, 3600e9, 86400e9}).Draw(t, "unit")
		most := rapid.SampledFrom([]int64{0, 3, 1000, 1 << 20}).Draw(t, "most")
		items := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) item {
			return item{1.7e18 + unit*Instant(rapid.Int64Range(0, most).Draw(t, "at")), rapid.IntRange(0, 5).Draw(t, "id")}
		}), 0, 300).Draw(t, "items")
		want := slices.Clone(items)
		slices.SortFunc(want, compare)
		got := SortByTime(items, make([]item, 0, rapid.IntRange(0, 400).Draw(t, "room")), func(i *item) Instant { return i.at }, compare)
		if !slices.Equal(got, want) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
	})
}

func TestDigitsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(0, 99_999_999).Draw(t, "n")
		if got, want := string(appendLast(nil, digitsText(n), 8)), fmt.Sprintf("%08d", n); got != want {
			t.Fatalf("digits of %d: %q", n, got)
		}
		h := rapid.Uint32().Draw(t, "h")
		if got, want := string(appendLast(nil, hexText(h), 8)), fmt.Sprintf("%08x", h); got != want {
			t.Fatalf("hex of %#x: %q, want %q", h, got, want)
		}
	})
}
