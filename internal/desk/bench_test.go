package desk_test

import (
	"os"
	"strconv"
	"testing"

	"daozhang/internal/desk"
)

// BenchmarkList gives a page of the list of work while DAOZHANG_BENCH_NEEDED payments
// (default 5,000) need somebody, one in twenty of them with a case:
//
//	DAOZHANG_BENCH_NEEDED=25000 go test -run - -bench List ./internal/desk
func BenchmarkList(b *testing.B) {
	n, err := strconv.Atoi(os.Getenv("DAOZHANG_BENCH_NEEDED"))
	if err != nil {
		n = 5000
	}
	r := newRig(b, n)
	var keys []desk.Key
	for after := ""; len(keys) < n/20; {
		p, err := r.List(b.Context(), anne, desk.Filter{}, after, 500)
		if err != nil {
			b.Fatal(err)
		}
		for i := range p.Items {
			keys = append(keys, p.Items[i].Key)
		}
		if after = p.Next; after == "" {
			break
		}
	}
	if _, err := r.Bulk(b.Context(), anne, desk.Bulk{Keys: keys[:n/20], Command: desk.Command{Do: desk.Assign, To: "anne", Text: "x"}}); err != nil {
		b.Fatal(err)
	}
	b.Run("page", func(b *testing.B) {
		for b.Loop() {
			if p, err := r.List(b.Context(), anne, desk.Filter{}, "", 50); err != nil || p.Count != n {
				b.Fatal(p, err)
			}
		}
	})
	b.Run("matrix", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Matrix(b.Context(), anne, desk.Filter{}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("item", func(b *testing.B) {
		for b.Loop() {
			if _, err := r.Item(b.Context(), anne, keys[0]); err != nil {
				b.Fatal(err)
			}
		}
	})
}
