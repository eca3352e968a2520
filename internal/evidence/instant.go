package evidence

import (
	"encoding/binary"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
)

// Dates outside these years are typing errors or placeholders, never payments.
const (
	earliestDate = calendar.Date(3652)  // 1980-01-01
	latestDate   = calendar.Date(40176) // 2079-12-31
)

const (
	nanosPerSecond = 1_000_000_000
	secondsPerDay  = 86_400
)

var (
	errNotInstant = error(fault.Say("not an RFC 3339 time with an offset, such as 2026-03-02T10:15:04+08:00", "不是带时差的 RFC 3339 时间，如 2026-03-02T10:15:04+08:00"))
	errNotDate    = error(fault.Say("not a date such as 2026-03-02", "不是日期，如 2026-03-02"))
	errYear       = error(whyYear)

	whyYear = fault.Say("the year must lie between 1980 and 2079", "年份须在 1980 至 2079 之间")
)

func twoDigits(b []byte) (int, bool) {
	hi, lo := b[0]-'0', b[1]-'0'
	return int(hi)*10 + int(lo), hi <= 9 && lo <= 9
}

func parseDate(b []byte) (calendar.Date, error) {
	if len(b) != 10 || b[4] != '-' || b[7] != '-' {
		return 0, errNotDate
	}
	century, ok1 := twoDigits(b)
	year, ok2 := twoDigits(b[2:])
	month, ok3 := twoDigits(b[5:])
	day, ok4 := twoDigits(b[8:])
	if !ok1 || !ok2 || !ok3 || !ok4 {
		return 0, errNotDate
	}
	date, err := calendar.FromYMD(century*100+year, month, day)
	if err != nil {
		return 0, errNotDate
	}
	if date < earliestDate || date > latestDate {
		return 0, errYear
	}
	return date, nil
}

// ParseInstant reads an RFC 3339 time with an offset: the moment, and the zone
// in minutes east of UTC. Years outside 1980 to 2079 are refused.
func ParseInstant(b []byte) (Instant, int16, error) {
	if len(b) < 20 || b[10] != 'T' && b[10] != 't' && b[10] != ' ' || b[13] != ':' || b[16] != ':' {
		return 0, 0, errNotInstant
	}
	date, err := parseDate(b[:10])
	if err != nil {
		if err == errNotDate {
			err = errNotInstant
		}
		return 0, 0, err
	}
	h, ok1 := twoDigits(b[11:])
	m, ok2 := twoDigits(b[14:])
	s, ok3 := twoDigits(b[17:])
	if !ok1 || !ok2 || !ok3 || h > 23 || m > 59 || s > 60 {
		return 0, 0, errNotInstant
	}
	rest := b[19:]
	nanos := int64(0)
	if rest[0] == '.' || rest[0] == ',' {
		i, unit := 1, int64(nanosPerSecond/10)
		for ; i < len(rest) && rest[i]-'0' <= 9; i++ {
			nanos += int64(rest[i]-'0') * unit
			unit /= 10
		}
		if i == 1 || i == len(rest) {
			return 0, 0, errNotInstant
		}
		rest = rest[i:]
	}
	offset := 0
	switch {
	case len(rest) == 1 && (rest[0] == 'Z' || rest[0] == 'z'):
	case len(rest) == 6 && (rest[0] == '+' || rest[0] == '-') && rest[3] == ':':
		oh, ok1 := twoDigits(rest[1:])
		om, ok2 := twoDigits(rest[4:])
		if !ok1 || !ok2 || oh > 18 || om > 59 {
			return 0, 0, errNotInstant
		}
		offset = oh*60 + om
		if rest[0] == '-' {
			offset = -offset
		}
	default:
		return 0, 0, errNotInstant
	}
	seconds := int64(date)*secondsPerDay + int64(h*3600+m*60+s) - int64(offset)*60
	return Instant(seconds*nanosPerSecond + nanos), int16(offset), nil
}

// AppendInstant writes a moment in RFC 3339, in a zone in minutes east of UTC,
// with as much of a second as there is.
func AppendInstant(dst []byte, at Instant, offset int16) []byte {
	local := at.Unix() + int64(offset)*60
	date := calendar.DateOf(at.Unix(), int(offset)*60)
	second := int(local - int64(date)*secondsPerDay)
	dst, _ = date.AppendText(dst)
	hms := digitsText(uint64(second/3600)*1e6 + uint64(second/60%60)*1e3 + uint64(second%60))
	dst = binary.LittleEndian.AppendUint64(append(dst, 'T'), hms&0xffff00ffff00ffff|':'<<16|':'<<40)
	if nanos := int64(at) - at.Unix()*nanosPerSecond; nanos != 0 {
		dst = append(dst, '.')
		for unit := int64(nanosPerSecond / 10); nanos > 0; unit /= 10 {
			dst = append(dst, byte('0'+nanos/unit))
			nanos %= unit
		}
	}
	if offset == 0 {
		return append(dst, 'Z')
	}
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	dst = append(dst, sign)
	dst = appendTwo(dst, int(offset)/60)
	dst = append(dst, ':')
	return appendTwo(dst, int(offset)%60)
}

func appendTwo(dst []byte, n int) []byte {
	return append(dst, byte('0'+n/10), byte('0'+n%10))
}

// usualForm reports whether AppendInstant writes the text again byte for byte.
func usualForm(text []byte, at Instant, offset int16) bool {
	n := len(text)
	if n == 25 && text[10] == 'T' && text[19] != '.' && offset != 0 && text[17] != '6' {
		return true
	}
	var buf [48]byte
	return string(AppendInstant(buf[:0], at, offset)) == string(text)
}
