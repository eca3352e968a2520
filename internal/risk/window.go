package risk

import (
	"time"

	"daozhang/internal/calendar"
)

// Outcome is what became of an attempt.
type Outcome uint8

// The outcomes a Window is told of.
const (
	// Started has been sent to the network, or was approved at once.
	Started Outcome = iota
	// Refused was started and declined.
	Refused
	// Undone was started and voided or reversed: it no longer counts.
	Undone
)

// Event is one thing that happened to one payment. Started carries all fields;
// the others repeat what Started had, At being when it was started.
type Event struct {
	Outcome   Outcome
	At        time.Time
	Date      calendar.Date // the merchant's business date
	Local     int           // hour of the merchant's day
	MID, TID  string
	Card      string // token, "" for none
	Credit    bool   // a credit card
	Operation string
	Amount    int64
	NearLimit bool
}

// refund reports whether the event gives money back.
func (e *Event) refund() bool { return e.Operation == "refund" }

// counted reports whether the operation counts towards velocity and limits.
func counted(operation string) bool {
	switch operation {
	case "sale", "preauth", "offline", "refund":
		return true
	}
	return false
}

// use is an Event as a Window keeps it.
type use struct {
	at        time.Time
	mid, tid  string
	amount    int64
	refund    bool
	credit    bool
	night     bool
	nearLimit bool
}

// span is how far back rules can look.
const span = 24 * time.Hour

// deep is how many uses are kept per terminal, deepCard per card: beyond, counts
// of the last 24 hours say "at least".
const (
	deep     = 1024
	deepCard = 128
)

// track is the recent uses of one card or terminal, oldest first.
type track struct {
	uses     []use
	declines []time.Time
}

func (t *track) add(u use, most int) {
	t.trim(u.at)
	if len(t.uses) >= most {
		t.uses = append(t.uses[:0], t.uses[most/8:]...)
	}
	t.uses = append(t.uses, u)
}

// trim drops what is older than the span, in bulk, so that it costs little.
func (t *track) trim(now time.Time) {
	edge := now.Add(-span)
	n := 0
	for n < len(t.uses) && t.uses[n].at.Before(edge) {
		n++
	}
	if n > 16 || n == len(t.uses) {
		t.uses = append(t.uses[:0], t.uses[n:]...)
	}
}

func (t *track) remove(at time.Time, mid, tid string, amount int64) bool {
	for i := len(t.uses) - 1; i >= 0; i-- {
		u := &t.uses[i]
		if u.at.Equal(at) && u.amount == amount && u.tid == tid && u.mid == mid {
			t.uses = append(t.uses[:i], t.uses[i+1:]...)
			return true
		}
	}
	return false
}

func (t *track) last() time.Time {
	var at time.Time
	if n := len(t.uses); n > 0 {
		at = t.uses[n-1].at
	}
	if n := len(t.declines); n > 0 && t.declines[n-1].After(at) {
		at = t.declines[n-1]
	}
	return at
}

// day is what one subject did on one business date, for daily limits.
type day struct {
	date   calendar.Date
	count  int64
	amount int64
}

// dayKey names a daily counter: a limit, by its place in the set, and the
// subject that it counts for.
type dayKey struct {
	limit   int
	subject string
}

// Window is what happened lately, in memory: the sum of the events it was told.
// It is not safe for concurrent use. The same events in the same order give the
// same window.
type Window struct {
	cards     map[string]*track
	terminals map[string]*track
	days      map[dayKey]*day
	swept     time.Time
}

// NewWindow returns an empty one.
func NewWindow() *Window {
	return &Window{cards: map[string]*track{}, terminals: map[string]*track{}, days: map[dayKey]*day{}}
}

// Observe takes an event; what the limits of rs count is counted for its day.
func (w *Window) Observe(e *Event, rs *Rules) {
	if !counted(e.Operation) {
		return
	}
	w.sweep(e.At)
	terminal := w.trackOf(w.terminals, e.TID)
	var card *track
	if e.Card != "" {
		card = w.trackOf(w.cards, e.Card)
	}
	sign := int64(1)
	if e.Outcome == Started {
		u := use{at: e.At, mid: e.MID, tid: e.TID, amount: e.Amount, refund: e.refund(), credit: e.Credit, night: e.Local < nightEnds, nearLimit: e.NearLimit}
		terminal.add(u, deep)
		if card != nil {
			card.add(u, deepCard)
		}
	} else {
		sign = -1
		terminal.remove(e.At, e.MID, e.TID, e.Amount)
		if card != nil {
			card.remove(e.At, e.MID, e.TID, e.Amount)
			if e.Outcome == Refused {
				card.declines = append(card.declines, e.At)
				if len(card.declines) > 32 {
					card.declines = append(card.declines[:0], card.declines[1:]...)
				}
			}
		}
	}
	if rs == nil {
		return
	}
	for i := range rs.limits {
		l := &rs.limits[i]
		if !l.daily() || !l.covers(e.MID, e.TID, e.Operation, creditWord(e.Credit)) {
			continue
		}
		k := dayKey{i, l.subject(e.MID, e.TID, e.Card)}
		d := w.days[k]
		if d == nil {
			d = &day{date: e.Date}
			w.days[k] = d
		}
		if d.date < e.Date {
			*d = day{date: e.Date}
		}
		if d.date == e.Date {
			d.count += sign
			d.amount += sign * e.Amount
		}
	}
}

func creditWord(credit bool) string {
	if credit {
		return "credit"
	}
	return ""
}

// today gives what counts for a limit and a subject on a date.
func (w *Window) today(limit int, subject string, date calendar.Date) day {
	if d := w.days[dayKey{limit, subject}]; d != nil && d.date == date {
		return *d
	}
	return day{date: date}
}

func (w *Window) trackOf(m map[string]*track, name string) *track {
	t := m[name]
	if t == nil {
		t = &track{}
		m[name] = t
	}
	return t
}

// sweep forgets, once an hour, whom nobody has seen for the span.
func (w *Window) sweep(now time.Time) {
	if now.Sub(w.swept) < time.Hour && !now.Before(w.swept) {
		return
	}
	w.swept = now
	for _, m := range []map[string]*track{w.cards, w.terminals} {
		for name, t := range m {
			if now.Sub(t.last()) > span {
				delete(m, name)
			}
		}
	}
	today := calendar.DateOf(now.Unix(), 0)
	for k, d := range w.days {
		if d.date < today.Add(-2) {
			delete(w.days, k)
		}
	}
}

const nightEnds = 6 // o'clock

// manyTerminals is how far different terminals of a card are counted.
const manyTerminals = 16

// fill sets what the window knows of an attempt.
func (w *Window) fill(s *Signals, a *Attempt) {
	hour, ten := a.At.Add(-time.Hour), a.At.Add(-10*time.Minute)
	edge := a.At.Add(-span)
	if t := w.cards[a.Card]; t != nil && a.Card != "" {
		var seen [manyTerminals]string
		terminals := seen[:0]
		for i := range t.uses {
			u := &t.uses[i]
			if u.at.Before(edge) || u.refund {
				continue
			}
			late := u.at.After(hour)
			s.Card24h++
			if late {
				s.Card1h++
			}
			known := false
			for _, name := range terminals {
				known = known || name == u.tid
			}
			if !known && len(terminals) < manyTerminals {
				terminals = append(terminals, u.tid)
			}
			if u.tid == a.TID {
				s.CardTerminal24h++
				s.CardTerminalAmount24h += u.amount
				if late {
					s.CardTerminal1h++
				}
			}
			if u.mid == a.MID {
				if u.amount == a.Amount {
					s.CardSame24h++
				}
				if u.at.After(ten) {
					s.CardMerchant10m++
					s.CardMerchantAmount10m += u.amount
				}
			}
		}
		s.CardTerminals24h = len(terminals)
		for _, at := range t.declines {
			if at.After(hour) {
				s.CardDeclines1h++
			}
		}
	}
	if t := w.terminals[a.TID]; t != nil {
		for i := range t.uses {
			u := &t.uses[i]
			if u.at.Before(edge) {
				continue
			}
			if u.refund {
				s.TerminalRefunds24h++
				continue
			}
			s.Terminal24h++
			s.TerminalAmount24h += u.amount
			if u.at.After(hour) {
				s.Terminal1h++
			}
			if u.credit {
				s.TerminalCredit24h++
			}
			if u.night {
				s.TerminalNight24h++
			}
			if u.nearLimit {
				s.NearLimit24h++
			}
			if u.amount == a.Amount {
				s.SameAmount24h++
			}
		}
	}
}
