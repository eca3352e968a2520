package store_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"daozhang/internal/payment"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

const (
	benchCallers = 64
	benchEach    = 60 // authorizations of a caller in one round
)

// BenchmarkDurable measures durable authorizations from 64 callers, each of two
// commits (the request before it is sent, the approval before the terminal is
// told), against a bare loop that writes the same rows in the same groups and
// does nothing else. A round is one run of each; the figures are medians over
// the rounds.
func BenchmarkDurable(b *testing.B) {
	each(b, func(b *testing.B, fresh func(testing.TB) string) {
		var rate, bare, ratio, p50, p99, tail, size []float64
		for b.Loop() {
			recording, took, latencies := authorize(b, fresh(b))
			var groups []time.Duration
			if err := recording.Repeat(b.Context(), fresh(b), func(d time.Duration) { groups = append(groups, d) }); err != nil {
				b.Fatal(err)
			}
			var alone time.Duration
			for _, d := range groups {
				alone += d
			}
			n := float64(benchCallers * benchEach)
			count, rows := recording.Groups()
			rate = append(rate, n/took.Seconds())
			bare = append(bare, n/alone.Seconds())
			ratio = append(ratio, alone.Seconds()/took.Seconds())
			size = append(size, 2*n/float64(count))
			p50 = append(p50, float64(at(latencies, 50))/1e6)
			p99 = append(p99, float64(at(latencies, 99))/1e6)
			tail = append(tail, float64(at(latencies, 99))/float64(at(groups, 99)))
			if rows < 5*int(n) {
				b.Fatalf("%d rows of %d authorizations", rows, int(n))
			}
		}
		b.ReportMetric(middle(rate), "auth/s")
		b.ReportMetric(middle(bare), "bare-auth/s")
		b.ReportMetric(middle(ratio), "of-bare")
		b.ReportMetric(middle(size), "steps/group")
		b.ReportMetric(middle(p50), "p50-ms")
		b.ReportMetric(middle(p99), "p99-ms")
		b.ReportMetric(middle(tail), "p99-to-bare")
		b.ReportMetric(0, "ns/op")
	})
}

// BenchmarkForms measures what decision 0015 rests on: the groups of one run
// written in the form that the database is given, and in the form that the other
// is given (SQLite: row by row).
func BenchmarkForms(b *testing.B) {
	each(b, func(b *testing.B, fresh func(testing.TB) string) {
		var ratio []float64
		for b.Loop() {
			recording, _, _ := authorize(b, fresh(b))
			var own, other time.Duration
			if err := recording.Repeat(b.Context(), fresh(b), func(d time.Duration) { own += d }); err != nil {
				b.Fatal(err)
			}
			if err := recording.Otherwise(b.Context(), fresh(b), func(d time.Duration) { other += d }); err != nil {
				b.Fatal(err)
			}
			ratio = append(ratio, other.Seconds()/own.Seconds())
		}
		b.ReportMetric(middle(ratio), "other-to-own")
		b.ReportMetric(0, "ns/op")
	})
}

func each(b *testing.B, run func(*testing.B, func(testing.TB) string)) {
	b.Run("SQLite", func(b *testing.B) { run(b, func(tb testing.TB) string { return tb.TempDir() }) })
	b.Run("PostgreSQL", func(b *testing.B) {
		c := storetest.Durable(b)
		run(b, c.Database)
	})
}

// authorize runs one round over the store.
func authorize(b *testing.B, address string) (*store.Recording, time.Duration, []time.Duration) {
	s, err := store.Open(b.Context(), store.Options{Database: address, Node: "bench", Migrate: true})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	recording := store.Record(s)
	steps := make([][]*payment.Step, benchCallers)
	for c := range steps {
		for n := range benchEach {
			sale := storetest.Sale{MID: fmt.Sprintf("89831005812%04d", c/2), TID: fmt.Sprintf("T%07d", c), N: n}
			steps[c] = append(steps[c], sale.Requested(), sale.Approved())
		}
	}
	latencies := make([][]time.Duration, benchCallers)
	var wg sync.WaitGroup
	begun := time.Now()
	for c := range benchCallers {
		wg.Go(func() {
			for _, step := range steps[c] {
				before := time.Now()
				if err := s.Commit(b.Context(), step); err != nil {
					b.Error(err)
					return
				}
				latencies[c] = append(latencies[c], time.Since(before))
			}
		})
	}
	wg.Wait()
	return recording, time.Since(begun), slices.Concat(latencies...)
}

// at returns a percentile.
func at(all []time.Duration, percent int) time.Duration {
	slices.Sort(all)
	return all[min(len(all)*percent/100, len(all)-1)]
}

func middle(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
