package access

import (
	"sync"
	"time"
)

// Limiter holds back who asks too often: a token bucket for each name, such as an
// address or a key. It is safe for concurrent use, and its memory is bounded.
type Limiter struct {
	rate, burst float64
	mu          sync.Mutex
	buckets     map[string]*bucket
	swept       time.Time
}

type bucket struct {
	tokens float64
	at     time.Time
}

// mostNames bounds the buckets. Who comes when all are taken shares one with the
// others that do: somebody with many addresses does not get round the limit.
const mostNames = 10000

// everybody is the name of the shared bucket; no address and no key has it.
const everybody = "\x00"

// NewLimiter makes a Limiter that lets each name do burst things at once, and rate
// of them a second in the long run; both are above 0.
func NewLimiter(rate float64, burst int) *Limiter {
	return &Limiter{rate: rate, burst: float64(burst), buckets: map[string]*bucket{}}
}

// PerMinute makes a Limiter of n a minute, all of them at once if need be.
func PerMinute(n int) *Limiter { return NewLimiter(float64(n)/60, n) }

// Take takes one token of a name. Where there is none it takes nothing and gives
// the wait until there is one. A clock that goes backwards gives nothing back.
func (l *Limiter) Take(name string, now time.Time) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.bucket(name, now)
	if d := now.Sub(b.at); d > 0 {
		b.tokens, b.at = min(l.burst, b.tokens+d.Seconds()*l.rate), now
	}
	if b.tokens < 1 {
		return time.Duration((1 - b.tokens) / l.rate * float64(time.Second))
	}
	b.tokens--
	return 0
}

// bucket gives a name's bucket, a full one where it has none.
func (l *Limiter) bucket(name string, now time.Time) *bucket {
	if b := l.buckets[name]; b != nil {
		return b
	}
	if len(l.buckets) >= mostNames {
		l.sweep(now)
	}
	if len(l.buckets) >= mostNames {
		if b := l.buckets[everybody]; b != nil {
			return b
		}
		name = everybody
	}
	b := &bucket{tokens: l.burst, at: now}
	l.buckets[name] = b
	return b
}

// sweep drops full buckets, which say nothing. It looks at all of them, so once a
// second has to do.
func (l *Limiter) sweep(now time.Time) {
	if d := now.Sub(l.swept); d >= 0 && d < time.Second {
		return
	}
	l.swept = now
	for n, b := range l.buckets {
		if b.tokens+now.Sub(b.at).Seconds()*l.rate >= l.burst {
			delete(l.buckets, n)
		}
	}
}
