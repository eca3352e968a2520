package bank

import (
	"bytes"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
)

// moment is a date, or a date and time, as XML writes them.
type moment struct {
	date   calendar.Date
	timed  bool // a time of day is given
	second int  // of the day, as written
	zoned  bool // an offset is written
	offset int16
	at     evidence.Instant // where timed
}

// parseMoment reads xs:date and xs:dateTime: 2026-03-02, 2026-03-02+01:00,
// 2026-03-02T10:15:04.123Z, 2026-03-02T10:15:04 (then in zone, or UTC if it is
// nil).
func parseMoment(b []byte, zone *time.Location) (moment, bool) {
	m := moment{date: calendar.None}
	if len(b) < 10 {
		return m, false
	}
	date, err := calendar.ParseDate(b[:10])
	if err != nil {
		return m, false
	}
	m.date = date
	rest := b[10:]
	nanos := int64(0)
	if len(rest) >= 6 && (rest[0] == 'T' || rest[0] == ' ') {
		clock, ok := parseClock(rest[1:])
		if !ok {
			return m, false
		}
		m.timed, m.second = true, clock.second
		nanos = clock.nanos
		rest = rest[1+clock.length:]
	}
	switch {
	case len(rest) == 0:
	case rest[0] == 'Z' || rest[0] == 'z':
		m.zoned = true
	case len(rest) >= 5 && (rest[0] == '+' || rest[0] == '-'):
		h, ok1 := number(rest[1:3])
		minutes, ok2 := number(bytes.TrimPrefix(rest[3:], []byte{':'}))
		if !ok1 || !ok2 || h > 18 || minutes > 59 {
			return m, false
		}
		m.zoned = true
		m.offset = int16(h*60 + minutes)
		if rest[0] == '-' {
			m.offset = -m.offset
		}
	default:
		return m, false
	}
	if !m.timed {
		return m, true
	}
	if m.zoned {
		m.at = evidence.Instant((date.Unix(int(m.offset)*60)+int64(m.second))*1e9 + nanos)
		return m, true
	}
	if zone == nil {
		zone = time.UTC
	}
	y, mo, d := date.YMD()
	t := time.Date(y, time.Month(mo), d, 0, 0, m.second, int(nanos), zone)
	_, offset := t.Zone()
	m.at, m.offset = evidence.Instant(t.UnixNano()), int16(offset/60)
	return m, true
}

type clock struct {
	second, length int
	nanos          int64
}

// parseClock reads HH:MM[:SS[.fraction]] at the beginning of b.
func parseClock(b []byte) (clock, bool) {
	var c clock
	if len(b) < 5 || b[2] != ':' {
		return c, false
	}
	h, ok1 := number(b[:2])
	m, ok2 := number(b[3:5])
	if !ok1 || !ok2 || h > 24 || m > 59 {
		return c, false
	}
	c.second, c.length = h*3600+m*60, 5
	if len(b) >= 8 && b[5] == ':' {
		s, ok := number(b[6:8])
		if !ok || s > 60 {
			return c, false
		}
		c.second += s
		c.length = 8
		if len(b) > 9 && b[8] == '.' {
			unit := int64(1e8)
			for c.length = 9; c.length < len(b) && b[c.length]-'0' <= 9; c.length++ {
				c.nanos += int64(b[c.length]-'0') * unit
				unit /= 10
			}
		}
	}
	return c, c.second <= 24*3600
}

// number reads one or two digits or more, all of b.
func number(b []byte) (int, bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	n := 0
	for _, c := range b {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, true
}
