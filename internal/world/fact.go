package world

import (
	"bytes"
	"strconv"
	"time"

	"daozhang/internal/calendar"
)

// ref is one fact as an observer may come to know it.
type ref struct {
	at   int64 // when it became known
	seq  uint32
	src  uint32
	lost bool
}

// seen says whether the fact is known at a moment.
func (r ref) seen(asOf int64) bool { return r.seq != 0 && !r.lost && r.at <= asOf }

// exists says whether the fact was ever stated, known or lost.
func (r ref) exists() bool { return r.seq != 0 }

func (s *sim) appendID(b []byte, r ref) []byte {
	b = append(b, s.names[r.src]...)
	return strconv.AppendUint(append(b, '#', 'e'), uint64(r.seq), 36)
}

// fact is being written; the world writes one at a time.
type fact struct {
	s        *sim
	typ, src string
	at       int64
	known    int64
	zone     *time.Location
	lost     bool
}

// fact begins a fact of a type, seen by a witness at a time.
func (s *sim) fact(typ, src string, at int64, zone *time.Location) *fact {
	s.buf = s.buf[:0]
	return &fact{s: s, typ: typ, src: src, at: at, known: at, zone: zone}
}

func (f *fact) key(k string) {
	b := f.s.buf
	if len(b) > 0 {
		b = append(b, ',')
	}
	f.s.buf = append(append(append(b, '"'), k...), '"', ':')
}

// str adds a text; an empty one is left out.
func (f *fact) str(k, v string) *fact {
	if v != "" {
		f.key(k)
		f.s.buf = strconv.AppendQuote(f.s.buf, v)
	}
	return f
}

func (f *fact) num(k string, v int64) *fact {
	f.key(k)
	f.s.buf = strconv.AppendInt(f.s.buf, v, 10)
	return f
}

func (f *fact) flag(k string, v bool) *fact {
	f.key(k)
	f.s.buf = strconv.AppendBool(f.s.buf, v)
	return f
}

func (f *fact) raw(k, json string) *fact {
	f.key(k)
	f.s.buf = append(f.s.buf, json...)
	return f
}

func (f *fact) list(k string, v ...string) *fact {
	f.key(k)
	b := append(f.s.buf, '[')
	for i, e := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendQuote(b, e)
	}
	f.s.buf = append(b, ']')
	return f
}

func (f *fact) date(k string, d calendar.Date) *fact { return f.str(k, d.String()) }

func (f *fact) when(k string, t int64) *fact {
	f.key(k)
	f.s.buf = append(time.Unix(t, 0).In(f.zone).AppendFormat(append(f.s.buf, '"'), time.RFC3339), '"')
	return f
}

// late lets the fact become known only at a later time.
func (f *fact) late(known int64) *fact {
	f.known = max(f.known, known)
	return f
}

// mayLose lets chance lose the fact.
func (f *fact) mayLose() *fact {
	f.lost = f.lost || f.s.cfg.Loss > 0 && f.s.permille(f.s.cfg.Loss)
	return f
}

// lose loses the fact if so told.
func (f *fact) lose(lost bool) *fact {
	f.lost = f.lost || lost
	return f
}

// emit writes the fact, unless it is lost. Some come late, some twice, some in
// another order.
func (f *fact) emit() ref {
	s := f.s
	src, ok := s.sources[f.src]
	if !ok {
		src = uint32(len(s.names))
		s.sources[f.src] = src
		s.names = append(s.names, f.src)
	}
	s.factSeq++
	r := ref{at: f.known, seq: s.factSeq, src: src, lost: f.lost}
	if f.lost {
		s.stats.Lost++
		return r
	}
	s.stats.Facts++
	b := append(s.line[:0], `{"specversion":"1.0","id":"e`...)
	b = strconv.AppendUint(b, uint64(r.seq), 36)
	b = append(append(append(b, `","source":"`...), f.src...), `","type":"daozhang.`...)
	b = append(append(b, f.typ...), `","time":"`...)
	b = time.Unix(f.at, 0).In(f.zone).AppendFormat(b, time.RFC3339)
	if f.known > f.at {
		b = time.Unix(f.known, 0).In(f.zone).AppendFormat(append(b, `","recordedtime":"`...), time.RFC3339)
	}
	b = append(append(append(b, `","data":{`...), s.buf...), "}}\n"...)
	s.line = b
	switch x := s.rng.IntN(1000); {
	case f.known > s.now+120:
		line := bytes.Clone(b)
		s.at(f.known, func() { s.write(line) })
	case x < 2: // told twice
		line := bytes.Clone(b)
		s.write(b)
		s.at(s.now+int64(s.n(60, 90000)), func() { s.write(line) })
	case x < 20: // held up behind others
		s.held = append(s.held, bytes.Clone(b))
		if len(s.held) > 24 {
			s.flushHeld()
		}
	default:
		s.write(b)
	}
	return r
}

func (s *sim) flushHeld() {
	for i := len(s.held) - 1; i >= 0; i-- {
		s.write(s.held[i])
	}
	s.held = s.held[:0]
}

func (s *sim) write(line []byte) {
	if _, err := s.out.Write(line); err != nil && s.err == nil {
		s.err = err
	}
}
