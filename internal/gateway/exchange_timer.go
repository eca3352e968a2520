package gateway

import (
	"time"

	"daozhang/internal/payment"
)

type timerKind uint8

const (
	timeDeadline timerKind = iota // of an answer
	timeRepeat                    // of what is owed to a network
	timeCall                      // of a step that was refused
	timeHealth                    // of links
	timeSlot                      // of an attempt that nobody answered
)

type timer struct {
	at      time.Time
	kind    timerKind
	message payment.MessageKind
	seq     uint64 // equal times fire in the order in which they were set
	id      payment.ID
	call    func(time.Time)
}

// timers is a binary heap. What has become pointless is not removed: it finds
// nothing to do when its time comes.
type timers struct {
	heap []timer
	seq  uint64
}

func (h *timers) less(i, j int) bool {
	a, b := &h.heap[i], &h.heap[j]
	if a.at.Equal(b.at) {
		return a.seq < b.seq
	}
	return a.at.Before(b.at)
}

func (h *timers) push(t timer) {
	h.seq++
	t.seq = h.seq
	h.heap = append(h.heap, t)
	for i := len(h.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !h.less(i, up) {
			break
		}
		h.heap[i], h.heap[up] = h.heap[up], h.heap[i]
		i = up
	}
}

func (h *timers) pop() timer {
	t := h.heap[0]
	n := len(h.heap) - 1
	h.heap[0] = h.heap[n]
	h.heap[n] = timer{}
	h.heap = h.heap[:n]
	for i := 0; ; {
		least := i
		for _, c := range [...]int{2*i + 1, 2*i + 2} {
			if c < n && h.less(c, least) {
				least = c
			}
		}
		if least == i {
			return t
		}
		h.heap[i], h.heap[least] = h.heap[least], h.heap[i]
		i = least
	}
}

// Next is when Tick is due; ok is false where nothing is.
func (x *Exchange) Next() (at time.Time, ok bool) {
	if len(x.timers.heap) == 0 || x.halted {
		return time.Time{}, false
	}
	return x.timers.heap[0].at, true
}

// Tick does what falls due by now.
func (x *Exchange) Tick(now time.Time) {
	now = x.at(now)
	for len(x.timers.heap) > 0 && !x.timers.heap[0].at.After(now) && !x.halted {
		switch t := x.timers.pop(); t.kind {
		case timeDeadline:
			if x.flights[t.id] != nil {
				x.expire(now, t.id)
			}
		case timeRepeat:
			x.repeat(now, t)
		case timeSlot:
			if a, ok := x.owing[owed{t.id, t.message}]; ok && !a.since.Add(x.Book.Policy.AnswerWithin).After(now) {
				x.settle(owed{t.id, t.message})
			}
		case timeCall:
			t.call(now)
		case timeHealth:
			x.checkup(now)
			x.reserve(now)
			x.timers.push(timer{at: now.Add(healthEvery), kind: timeHealth})
		}
	}
}

// NewID returns the next transaction id; part of payment.Env.
func (x *Exchange) NewID(at time.Time) payment.ID { return x.cfg.NewID(at) }

// NextRRN returns the next retrieval reference number: the last digit of the year,
// the day of the year, the hour, and six digits of a counter. It never goes back,
// also when the clock does; part of payment.Env.
func (x *Exchange) NextRRN(at time.Time) string {
	if x.cfg.Division != nil && len(x.ranges) > 0 {
		hour, count := x.nextOfRange()
		x.reserve(x.now)
		return rrn(hour, count)
	}
	if h := at.Unix() / 3600; h > x.rrnHour {
		x.rrnHour, x.rrnCount = h, 0
	}
	if x.rrnCount++; x.rrnCount > 999999 {
		x.rrnHour, x.rrnCount = x.rrnHour+1, 0
	}
	return rrn(x.rrnHour, x.rrnCount)
}

func rrn(hour int64, count int) string {
	t := time.Unix(hour*3600, 0).UTC()
	var b [12]byte
	b[0] = '0' + byte(t.Year()%10)
	put(b[1:4], t.YearDay())
	put(b[4:6], t.Hour())
	put(b[6:], count)
	return string(b[:])
}

func put(b []byte, n int) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = '0' + byte(n%10)
		n /= 10
	}
}

func number(s string) int {
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i]-'0' > 9 {
			return 0
		}
		n = n*10 + int(s[i]-'0')
	}
	return n
}

// restoreRRN goes on after the highest number that is on record. What was given
// out and never recorded was never sent. The counter also starts no lower than
// 277 for each second of the hour: so it cannot meet numbers of transactions that
// were settled and forgotten, unless an hour saw more than a million.
func (x *Exchange) restoreRRN(now time.Time) {
	x.rrnHour = now.Unix() / 3600
	x.rrnCount = int(now.Unix()%3600) * 277
	for t := range x.Book.Transactions {
		if len(t.RRN) != 12 {
			continue
		}
		// The hour of a number is that of its transaction, or a little later where
		// the clock had gone back.
		h := t.Received.Unix() / 3600
		for h < x.rrnHour+1000 && rrn(h, 0)[:6] != t.RRN[:6] {
			h++
		}
		if n := number(t.RRN[6:]); h > x.rrnHour || h == x.rrnHour && n > x.rrnCount {
			x.rrnHour, x.rrnCount = h, n
		}
	}
}
