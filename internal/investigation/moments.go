package investigation

import "daozhang/internal/evidence"

// moments is a queue of what falls due, the earliest first.
type moments[T any] struct{ heap []moment[T] }

type moment[T any] struct {
	at   evidence.Instant
	what T
}

func (q *moments[T]) add(at evidence.Instant, what T) {
	q.heap = append(q.heap, moment[T]{at, what})
	for i := len(q.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if q.heap[up].at <= q.heap[i].at {
			break
		}
		q.heap[up], q.heap[i] = q.heap[i], q.heap[up]
		i = up
	}
}

// next takes out what is due at a moment; false where nothing is.
func (q *moments[T]) next(now evidence.Instant) (what T, ok bool) {
	if len(q.heap) == 0 || q.heap[0].at > now {
		return what, false
	}
	what = q.heap[0].what
	last := len(q.heap) - 1
	q.heap[0] = q.heap[last]
	q.heap = q.heap[:last]
	for i := 0; ; {
		least := i
		for _, down := range [2]int{2*i + 1, 2*i + 2} {
			if down < last && q.heap[down].at < q.heap[least].at {
				least = down
			}
		}
		if least == i {
			return what, true
		}
		q.heap[least], q.heap[i] = q.heap[i], q.heap[least]
		i = least
	}
}

func mix(a, b uint64) uint64 {
	h := (a ^ b*0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
	h ^= h >> 29
	h *= 0x94d049bb133111eb
	return h ^ h>>32
}

// byFact holds something for each fact, in pieces that can be let go when the
// facts are.
type byFact[T any] struct{ pieces [][]T }

func (b *byFact[T]) at(r evidence.FactRef) (v T) {
	n, i := evidence.PlaceOf(r)
	if n < len(b.pieces) && b.pieces[n] != nil {
		v = b.pieces[n][i]
	}
	return v
}

func (b *byFact[T]) set(r evidence.FactRef, v T) {
	n, i := evidence.PlaceOf(r)
	for n >= len(b.pieces) {
		b.pieces = append(b.pieces, nil)
	}
	if b.pieces[n] == nil {
		b.pieces[n] = make([]T, evidence.ChunkSize)
	}
	b.pieces[n][i] = v
}
