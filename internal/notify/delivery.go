package notify

import (
	"hash/fnv"
	"strings"
	"time"

	"daozhang/internal/card"
	"daozhang/internal/fault"
)

// State is how far a delivery has come.
type State string

// The states of a delivery.
const (
	Due       State = "due"       // to be tried at Next
	Delivered State = "delivered" // the receiver has taken it
	Failed    State = "failed"    // tried as often as it is; a person can replay it
)

// States lists them.
var States = []State{Due, Delivered, Failed}

// Delivery is one event on its way to one receiver.
type Delivery struct {
	Receiver string    `json:"receiver"`
	Event    string    `json:"event"`
	MID      string    `json:"mid,omitempty"` // of the event
	Seq      int64     `json:"seq"`
	Type     Type      `json:"type"`
	Subject  string    `json:"subject"`
	State    State     `json:"-"`
	Next     time.Time `json:"-"`
	// Tries counts attempts since it was made or replayed; Attempts are the last of
	// all of them, the newest first.
	Tries    int       `json:"tries"`
	Attempts []Attempt `json:"attempts,omitempty"`
	Created  time.Time `json:"created"`
	Replayed time.Time `json:"replayed,omitzero"`
	// Version is that of its row, from 1.
	Version int64 `json:"-"`
}

// Attempt is one try.
type Attempt struct {
	At   time.Time     `json:"at"`
	Took time.Duration `json:"took"`
	// Status is the receiver's answer; 0 where there was none.
	Status int `json:"status,omitempty"`
	// Said is how the answer begins, or why there was none.
	Said fault.Text `json:"said,omitzero"`
	Good bool       `json:"good,omitempty"`
}

// Bounds of what is kept of a delivery.
const (
	mostAttempts = 20
	MostSaid     = 200 // bytes of an answer
)

// schedule is how long after each attempt that failed the next comes. It is the one
// that Standard Webhooks proposes: quick at first, for a receiver that restarts,
// then over three days, for one whose owner is away over the weekend.
var schedule = []time.Duration{5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour}

// jitter is how much later than the schedule an attempt may come, as a part of the
// wait: receivers that failed together are not all tried together.
const jitter = 0.2

// Wait gives how long after its tries-th attempt a delivery is tried again; ok is
// false where it is not. The same delivery always waits the same.
func Wait(id string, tries int) (wait time.Duration, ok bool) {
	if tries < 1 || tries > len(schedule) {
		return 0, false
	}
	h := fnv.New32a()
	h.Write([]byte(id))
	h.Write([]byte{byte(tries)})
	d := schedule[tries-1]
	return d + time.Duration(float64(d)*jitter*float64(h.Sum32()%1000)/1000), true
}

// tried puts an attempt on record. again is the least wait that the receiver asked
// for.
func (d *Delivery) tried(a Attempt, again time.Duration) {
	d.Tries++
	d.Attempts = append([]Attempt{a}, d.Attempts...)
	d.Attempts = d.Attempts[:min(len(d.Attempts), mostAttempts)]
	wait, more := Wait(d.Receiver+d.Event, d.Tries)
	switch {
	case a.Good:
		d.State, d.Next = Delivered, time.Time{}
	case more:
		d.State, d.Next = Due, a.At.Add(a.Took).Add(max(wait, min(again, 24*time.Hour)))
	default:
		d.State, d.Next = Failed, time.Time{}
	}
}

// Answer is what came back from a receiver.
type Answer struct {
	Status int // 0: none
	Body   string
	// Again is how long the receiver asks to be left alone.
	Again time.Duration
	// Err is why there is no answer.
	Err error
}

// good: the receiver has taken it. A redirection is no answer: it is not followed.
func (a *Answer) good() bool { return a.Err == nil && a.Status >= 200 && a.Status < 300 }

// said is how the answer begins, or why there is none, without card data and
// without what could move a cursor.
func (a *Answer) said() fault.Text {
	if a.Err != nil {
		t := fault.TextOf(a.Err)
		return fault.Text{EN: shown(t.EN), ZH: shown(t.In("zh"))}
	}
	return fault.Same(shown(a.Body))
}

func shown(s string) string {
	s, _ = card.MaskText(strings.ToValidUTF8(s, ""))
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	for len(s) > MostSaid {
		s = strings.ToValidUTF8(s[:MostSaid], "")
	}
	return s
}
