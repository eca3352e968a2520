package world_test

import (
	"bytes"
	"context"
	"io"
	"maps"
	"runtime"
	"slices"
	"testing"

	"daozhang/internal/world"
)

func run(t testing.TB, cfg world.Config) (evidence, truth []byte, stats world.Stats) {
	t.Helper()
	var e, w bytes.Buffer
	stats, err := world.Run(context.Background(), cfg, &e, &w)
	if err != nil {
		t.Fatal(err)
	}
	return e.Bytes(), w.Bytes(), stats
}

func TestSameSeedSameBytes(t *testing.T) {
	cfg := world.Config{Seed: 5, Days: 4, Merchants: 20, Payments: 1500, Trouble: 100, Loss: 3}
	e1, t1, _ := run(t, cfg)
	e2, t2, _ := run(t, cfg)
	if !bytes.Equal(e1, e2) || !bytes.Equal(t1, t2) {
		t.Error("two runs of one seed differ")
	}
	cfg.Seed = 6
	if e3, _, _ := run(t, cfg); bytes.Equal(e1, e3) {
		t.Error("another seed gives the same world")
	}
}

// TestEveryCauseOccurs: a few worlds together show all of the catalogue.
func TestEveryCauseOccurs(t *testing.T) {
	seen := map[string]int{}
	for seed := range uint64(4) {
		_, _, stats := run(t, world.Config{Seed: seed, Days: 10, Merchants: 40, Payments: 8000, Trouble: 150, Loss: 2})
		for c, n := range stats.Causes {
			seen[c] += n
		}
	}
	for _, c := range world.Causes() {
		if seen[c] == 0 {
			t.Errorf("%s never occurs", c)
		}
	}
	for c := range seen {
		if c != "" && !slices.Contains(world.Causes(), c) {
			t.Errorf("%s occurs and is not listed among %v", c, slices.Sorted(maps.Keys(seen)))
		}
	}
}

// TestOneWorldHasThemAll: one world of a reasonable size shows all causes.
func TestOneWorldHasThemAll(t *testing.T) {
	stats, err := world.Run(context.Background(), world.Config{Seed: 12, Days: 20, Merchants: 120, Payments: 30000, Trouble: 150, Loss: 2}, io.Discard, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range world.Causes() {
		if stats.Causes[c] == 0 {
			t.Errorf("%s does not occur among %d truths", c, stats.Truths)
		}
	}
}

// TestEveryCauseAlone: each cause can be injected without the others.
func TestEveryCauseAlone(t *testing.T) {
	for _, c := range world.Causes() {
		if c == "unknown" { // what is left where evidence is lost
			continue
		}
		found := 0
		for seed := uint64(0); seed < 6 && found == 0; seed++ {
			stats, err := world.Run(context.Background(), world.Config{Seed: seed, Days: 10, Merchants: 26, Payments: 2500, Trouble: 300, Loss: 1, Only: []string{c}}, io.Discard, io.Discard)
			if err != nil {
				t.Fatal(err)
			}
			found += stats.Causes[c]
		}
		if found == 0 {
			t.Errorf("%s alone never occurs", c)
		}
	}
}

// TestOnly: what is not asked for is not injected.
func TestOnly(t *testing.T) {
	_, _, stats := run(t, world.Config{Seed: 3, Days: 6, Merchants: 20, Payments: 3000, Trouble: 100, Only: []string{"payout.returned"}})
	if stats.Causes["payout.returned"] == 0 {
		t.Error("payout.returned never occurs")
	}
	for c, n := range stats.Causes {
		switch c {
		case "", "payout.returned", "timing.not_due", "timing.holiday", "timing.after_cutoff", "payout.below_minimum", "record.statement_missing":
		default:
			t.Errorf("%s occurs %d times", c, n)
		}
	}
}

// TestMemoryIsBounded: what is open at once depends on the payments of a few
// days, not on how long the world goes on.
func TestMemoryIsBounded(t *testing.T) {
	peak := func(days int) int {
		stats, err := world.Run(context.Background(), world.Config{Seed: 2, Days: days, Merchants: 20, Payments: 400 * days, Trouble: 100}, io.Discard, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		return stats.Peak
	}
	if short, long := peak(10), peak(60); long > 3*short {
		t.Errorf("open at once: %d in ten days, %d in sixty", short, long)
	}
	// Nor does what is over stay reachable.
	var heap []uint64
	if _, err := world.Run(context.Background(), world.Config{Seed: 2, Days: 60, Merchants: 20, Payments: 60000, Trouble: 100, Progress: func(done, total int) {
		if done >= (len(heap)+1)*total/6 {
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			heap = append(heap, m.HeapAlloc)
		}
	}}, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	if n := len(heap); n < 5 || heap[n-1] > 2*heap[0] {
		t.Errorf("the heap grows with time: %d", heap)
	}
}

func TestBadSettings(t *testing.T) {
	for name, cfg := range map[string]world.Config{
		"no days":       {Merchants: 1, Payments: 1},
		"no merchants":  {Days: 1, Payments: 1},
		"unknown cause": {Days: 1, Merchants: 1, Payments: 1, Only: []string{"no.such"}},
	} {
		if _, err := world.Run(context.Background(), cfg, io.Discard, io.Discard); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func BenchmarkWorld(b *testing.B) {
	for b.Loop() {
		if _, err := world.Run(context.Background(), world.Config{Seed: 1, Days: 10, Merchants: 40, Payments: 20000, Trouble: 100, Loss: 2}, io.Discard, io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}
