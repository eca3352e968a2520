package evidence

import (
	"strconv"
	"time"

	"daozhang/internal/calendar"
)

// LineWriter writes facts as lines of the contract, for those who are witnesses
// themselves and know their facts to be right: nothing is checked. All lines
// share one buffer. The zero value is ready.
type LineWriter struct {
	// Buffer holds the lines so far; it may be given with room in it, and taken
	// back to be used again.
	Buffer []byte
	// Zone is that in which times are written; nil is UTC.
	Zone  *time.Location
	start int
	some  bool // the fact at hand has a field
}

// lineRoom is usual for the facts of one step.
const lineRoom = 1 << 10

// Begin starts a fact. It tells recorded, when it became known, where that is
// later than at.
func (w *LineWriter) Begin(source, id string, t Type, at, recorded time.Time) {
	if w.Buffer == nil {
		w.Buffer = make([]byte, 0, lineRoom)
	}
	w.start, w.some = len(w.Buffer), false
	b := append(w.Buffer, `{"specversion":"1.0","id":`...)
	b = appendString(b, id)
	b = append(b, `,"source":`...)
	b = appendString(b, source)
	b = append(b, `,"type":"`...)
	b = append(append(b, TypePrefix...), t.String()...)
	const micros = "2006-01-02T15:04:05.000000Z07:00"
	b = append(b, `","time":"`...)
	b = w.in(at).AppendFormat(b, micros)
	if recorded.After(at) {
		b = append(b, `","recordedtime":"`...)
		b = w.in(recorded).AppendFormat(b, micros)
	}
	w.Buffer = append(b, `","data":{`...)
}

func (w *LineWriter) in(t time.Time) time.Time {
	if w.Zone == nil {
		return t.UTC()
	}
	return t.In(w.Zone)
}

func (w *LineWriter) name(name string) {
	if w.some {
		w.Buffer = append(w.Buffer, ',')
	}
	w.some = true
	w.Buffer = append(append(append(w.Buffer, '"'), name...), '"', ':')
}

// Str writes a field, nothing where it is empty.
func (w *LineWriter) Str(name, value string) {
	if value != "" {
		w.name(name)
		w.Buffer = appendString(w.Buffer, value)
	}
}

// Num writes a number, also zero.
func (w *LineWriter) Num(name string, v int64) {
	w.name(name)
	w.Buffer = strconv.AppendInt(w.Buffer, v, 10)
}

// Raw writes a field whose JSON is given, nothing where it is empty.
func (w *LineWriter) Raw(name string, json []byte) {
	if len(json) > 0 {
		w.name(name)
		w.Buffer = append(w.Buffer, json...)
	}
}

// Date writes a date, nothing for calendar.None.
func (w *LineWriter) Date(name string, d calendar.Date) {
	if d != calendar.None {
		w.name(name)
		w.Buffer, _ = d.AppendText(append(w.Buffer, '"'))
		w.Buffer = append(w.Buffer, '"')
	}
}

// Moment writes a time to the second, nothing for the zero time.
func (w *LineWriter) Moment(name string, at time.Time) {
	if !at.IsZero() {
		w.name(name)
		w.Buffer = w.in(at).AppendFormat(append(w.Buffer, '"'), time.RFC3339)
		w.Buffer = append(w.Buffer, '"')
	}
}

// End ends the fact and gives its line, without a line feed.
func (w *LineWriter) End() []byte {
	w.Buffer = append(w.Buffer, '}', '}')
	return w.Buffer[w.start:len(w.Buffer):len(w.Buffer)]
}
