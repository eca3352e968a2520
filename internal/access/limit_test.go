package access

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestLimiter holds any sequence of requests against what a token bucket allows: in
// no stretch of time more than the burst and what the rate adds, and a wait that is
// kept to is enough.
func TestLimiter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate, burst := rapid.Float64Range(.01, 50).Draw(t, "rate"), rapid.IntRange(1, 30).Draw(t, "burst")
		l := NewLimiter(rate, burst)
		now := start
		var taken []time.Time
		for range rapid.IntRange(1, 80).Draw(t, "requests") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(3*time.Second)).Draw(t, "later")))
			wait := l.Take("a", now)
			if wait > 0 {
				if wait > time.Duration(float64(time.Second)/rate)+time.Microsecond {
					t.Fatalf("a wait of %v at %v a second", wait, rate)
				}
				if early := l.Take("a", now.Add(wait/2)); early == 0 && wait > time.Microsecond {
					t.Fatal("half of the wait was enough")
				}
				now = now.Add(wait + time.Microsecond)
				if l.Take("a", now) > 0 {
					t.Fatal("the wait was not enough")
				}
			}
			taken = append(taken, now)
			for i, first := range taken {
				if most := float64(burst) + now.Sub(first).Seconds()*rate + 1e-3; float64(len(taken)-i) > most {
					t.Fatalf("%d in %v, at most %v", len(taken)-i, now.Sub(first), most)
				}
			}
		}
	})
}

func TestLimiterKeepsNamesApart(t *testing.T) {
	l := PerMinute(2)
	for range 2 {
		if l.Take("a", start) > 0 {
			t.Fatal("held back too early")
		}
	}
	if wait := l.Take("a", start); wait <= 0 || wait > 30*time.Second {
		t.Errorf("after two in a minute: wait %v", wait)
	}
	if l.Take("b", start) > 0 {
		t.Error("one name pays for another")
	}
	if l.Take("a", start.Add(-time.Hour)) == 0 {
		t.Error("a clock set back gives tokens")
	}
}

// TestLimiterIsBounded: somebody with any number of addresses neither fills the
// memory nor gets more than one of them would; who was known before is not touched.
func TestLimiterIsBounded(t *testing.T) {
	l := PerMinute(5)
	l.Take("known", start)
	let := 0
	for n := range 3 * mostNames {
		if l.Take(fmt.Sprint("address ", n), start) == 0 {
			let++
		}
	}
	if len(l.buckets) > mostNames+1 || let > mostNames+5 {
		t.Errorf("%d buckets, %d let through", len(l.buckets), let)
	}
	if l.Take("known", start) > 0 {
		t.Error("a known address is held back by strangers")
	}
	later := start.Add(time.Hour)
	if l.Take("new", later) > 0 || len(l.buckets) > 2 {
		t.Errorf("an hour later %d buckets are left", len(l.buckets))
	}
}
