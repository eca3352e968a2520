package pos

import (
	"math/bits"
	"time"
)

// Latency are quantiles in milliseconds, each within two percent.
type Latency struct {
	Mean float64 `json:"mean"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99_9"`
	Max  float64 `json:"max"`
}

// histogram counts durations in buckets of microseconds, 64 to each power of two.
type histogram struct {
	counts [64 * 40]int64
	n      int64
	sum    time.Duration
	max    time.Duration
}

func bucket(us uint64) int {
	if us < 64 {
		return int(us)
	}
	shift := bits.Len64(us) - 7
	return min((shift+1)*64+int(us>>shift)-64, 64*40-1)
}

// value is the middle of a bucket.
func value(i int) float64 {
	if i < 64 {
		return float64(i)
	}
	shift := i/64 - 1
	return (float64(i%64+64) + 0.5) * float64(uint64(1)<<shift)
}

func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.counts[bucket(uint64(d.Microseconds()))]++
	h.n++
	h.sum += d
	h.max = max(h.max, d)
}

func (h *histogram) merge(o *histogram) {
	for i, n := range o.counts {
		h.counts[i] += n
	}
	h.n += o.n
	h.sum += o.sum
	h.max = max(h.max, o.max)
}

func (h *histogram) latency() Latency {
	if h.n == 0 {
		return Latency{}
	}
	ms := func(us float64) float64 { return float64(int64(us+0.5)) / 1000 }
	quantile := func(permille int64) float64 {
		rank := max((h.n*permille+999)/1000, 1)
		for i, n := range h.counts {
			if rank -= n; rank <= 0 {
				return min(ms(value(i)), ms(float64(h.max.Microseconds())))
			}
		}
		return ms(float64(h.max.Microseconds()))
	}
	return Latency{Mean: ms(float64(h.sum.Microseconds()) / float64(h.n)), P50: quantile(500), P90: quantile(900), P95: quantile(950),
		P99: quantile(990), P999: quantile(999), Max: ms(float64(h.max.Microseconds()))}
}
