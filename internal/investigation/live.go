package investigation

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/journey"
	"daozhang/internal/money"
)

// Live is an investigation that stays current: evidence is added as it comes,
// time is moved on, and at every moment it gives what Investigate would give for
// the same evidence at the same moment. It is safe for use by several
// goroutines: many may read at the same time, one changes it at a time.
//
// It reads no clock and no store. Whoever owns it calls Advance as time passes,
// keeps the evidence itself, and rebuilds a Live after a restart by adding the
// evidence again.
type Live struct {
	mu    sync.RWMutex
	opts  LiveOptions
	asOf  evidence.Instant
	set   *evidence.Set
	file  uint16
	fresh *Answer // nil where something has changed since it was computed
}

// LiveOptions are what the owner of a Live sets.
type LiveOptions struct {
	Options
	// AsOf is the moment to begin with. Facts later than the present moment wait
	// until Advance reaches them.
	AsOf evidence.Instant
	// Offset is the zone in which moments are shown, minutes east of UTC.
	Offset int16
	// Keep is how long a payment that is over stays in memory after its last
	// change: arrived, refunded, not charged, and nothing open about it. 0 means
	// DefaultKeep, below 0 for ever.
	Keep time.Duration
	// Load gives the facts of a sealed payment back, as NDJSON, when a fact comes
	// that speaks of it; nil where nobody keeps them. It is called while Live is
	// locked and must not call it.
	Load func(Sealed) (io.ReadCloser, error)
}

// DefaultKeep is the Keep of a Live that sets none: longer than clearing,
// settlement and a corrected payout take, so that late facts are the exception.
const DefaultKeep = 45 * 24 * time.Hour

// Sealed names a payment that has left memory, by what a later fact about it
// shares with it.
type Sealed struct {
	ID  string // of the payment
	MID string
	// Time is the payment's own; Facts lie from it on.
	Time evidence.Instant
}

// Added tells what became of the facts of one call of Add.
type Added struct {
	Facts     int // taken, copies and what waits for its time included
	Copies    int // known already with the same content
	Conflicts int // known already with different content
	Waiting   int // later than the present moment
	// Late are facts that speak of sealed payments and could not be joined to
	// them, since nobody loads these: each with why, none is lost from the store.
	Late []Warning
}

// NewLive begins with no evidence. The error is that of the catalogue.
func NewLive(o LiveOptions) (*Live, error) {
	if o.Catalogue == nil {
		c, err := diagnosis.Load()
		if err != nil {
			return nil, err
		}
		o.Catalogue = c
	}
	if o.Keep == 0 {
		o.Keep = DefaultKeep
	}
	l := &Live{opts: o, asOf: o.AsOf, set: evidence.NewSet()}
	l.file = l.set.AddFile("live")
	return l, nil
}

// Add takes facts: read writes them into w, as a format, ReadNDJSON or the owner
// itself does. Facts that were added before read failed stay added; the error is
// that of read. Adding a fact again changes nothing.
func (l *Live) Add(read func(w *evidence.Writer) error) (Added, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.set.Len()
	err := read(l.set.Writer(l.file))
	l.fresh = nil
	return Added{Facts: l.set.Len() - before}, err
}

// AddNDJSON is Add for events in the interchange form. reject, which may be nil,
// is told of each line that was refused; else the error counts them.
func (l *Live) AddNDJSON(r io.Reader, reject func(line int, why string)) (Added, error) {
	refused := 0
	first := ""
	note := reject
	if note == nil {
		note = func(line int, why string) {
			if refused++; refused == 1 {
				first = fmt.Sprintf("line %d: %s", line, why)
			}
		}
	}
	added, err := l.Add(func(w *evidence.Writer) error { return evidence.ReadNDJSON(r, w, note) })
	if err == nil && refused > 0 {
		err = fault.New(fault.Invalid, "add evidence", first, fmt.Errorf("%d events refused", refused), "correct them at their source and send them again")
	}
	return added, err
}

// ErrBackwards is given by Advance for a moment that has passed.
var ErrBackwards = errors.New("time does not go backwards")

// Advance moves the present moment on to t: facts that waited for it count, and
// what falls due is due. A moment before the present one is ErrBackwards and
// changes nothing.
func (l *Live) Advance(t evidence.Instant) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case t < l.asOf:
		return ErrBackwards
	case t > l.asOf:
		l.asOf, l.fresh = t, nil
	}
	return nil
}

// AsOf gives the present moment.
func (l *Live) AsOf() evidence.Instant {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.asOf
}

// Read calls use with the answers of the present moment. What use is given, and
// all that is reached from it, is valid until use returns; use must not call
// Add, Advance or Read.
func (l *Live) Read(use func(c *Current)) {
	l.mu.RLock()
	if l.fresh == nil {
		l.mu.RUnlock()
		l.mu.Lock()
		l.refresh()
		use(&Current{l: l})
		l.mu.Unlock()
		return
	}
	defer l.mu.RUnlock()
	use(&Current{l: l})
}

// refresh computes what has changed. The catalogue is loaded, so that it cannot
// fail.
func (l *Live) refresh() {
	if l.fresh == nil {
		l.fresh, _ = Investigate(l.set, l.asOf, l.opts.Offset, l.opts.Options)
		l.fresh.Totals()
	}
}

// Current is what a Live knows at the present moment, see Live.Read.
type Current struct{ l *Live }

// AsOf gives the moment of the answers.
func (c *Current) AsOf() evidence.Instant { return c.l.asOf }

// Answer gives the whole answer, for package report and for what asks of all
// payments. Reading single payments costs no more than these; Each, Render and
// Totals cost all of them.
func (c *Current) Answer() *Answer { return c.l.fresh }

// Payment gives the answer for a payment by its id; false where no payment in
// memory has it.
func (c *Current) Payment(id string) (*Payment, bool) {
	for _, p := range c.l.fresh.Find(id) {
		if c.l.fresh.View.Words.Text(p.ID) == id {
			return p, true
		}
	}
	return nil, false
}

// Find gives the payments one of whose keys or the id is ref, as Answer.Find.
func (c *Current) Find(ref string) []*Payment { return c.l.fresh.Find(ref) }

// Map gives the money map of the payments in memory, in order of merchant,
// currency and business date.
func (c *Current) Map() []*journey.Row { return c.l.fresh.Totals().Rows }

// Incidents gives the faults that stop payments, in order of their begin.
func (c *Current) Incidents() []*Incident { return c.l.fresh.Totals().Incidents }

// Summary gives count and amount per currency and status.
func (c *Current) Summary() map[money.Currency]map[journey.Status]Sum {
	return c.l.fresh.Totals().Summary
}

// Causes gives count and amount of the open payments per cause.
func (c *Current) Causes() map[string]Sum { return c.l.fresh.Totals().ByCause }

// Unplaced lists the facts that belong nowhere, see Answer.Unplaced.
func (c *Current) Unplaced() []Unplaced { return slices.Clone(c.l.fresh.Unplaced()) }

// Payment gives the answer for a payment by its id. It is for callers that need
// no more than the numbers of it: what the Payment points to may change when
// evidence is added; render it within Read.
func (l *Live) Payment(id string) (p Payment, ok bool) {
	l.Read(func(c *Current) {
		var at *Payment
		if at, ok = c.Payment(id); ok {
			p = *at
		}
	})
	return p, ok
}
