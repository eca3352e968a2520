// Package calendar knows dates, business days and time zones: the official
// holidays by which payouts fall due, with a mark on what no notice has
// confirmed yet. It reads no clock.
package calendar

import (
	"math"
	"time"

	"daozhang/internal/fault"
)

// Date is a calendar date of the Gregorian calendar as days since 1970-01-01.
// The zero value is 1970-01-01; None stands for no date.
type Date int32

// None is no date. It is before every date.
const None Date = math.MinInt32

// ErrDate is text or numbers that name no date of the years 1 to 9999.
var ErrDate error = fault.New(fault.Invalid, fault.Say("not a date", "不是日期"), "", nil,
	fault.Say("write an existing date as YYYY-MM-DD, such as 2026-03-02", "请写作 YYYY-MM-DD 且存在的日期，如 2026-03-02"))

// FromYMD returns the date of a year (1 to 9999), month and day.
func FromYMD(year, month, day int) (Date, error) {
	if year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) {
		return None, ErrDate
	}
	return civil(year, month, day), nil
}

// MustYMD is FromYMD for dates written in code; it panics if there is no such
// date.
func MustYMD(year, month, day int) Date {
	d, err := FromYMD(year, month, day)
	if err != nil {
		panic(err)
	}
	return d
}

func leap(y int) bool { return y%4 == 0 && (y%100 != 0 || y%400 == 0) }

func daysIn(y, m int) int {
	switch m {
	case 2:
		if leap(y) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// A year is counted from March, so that the leap day is its last, and years
// come in eras of 400, which all have 146,097 days.
const (
	eraDays   = 146097
	epochDays = 719468 // from 0000-03-01 to 1970-01-01
)

func civil(y, m, d int) Date {
	if m <= 2 {
		y--
		m += 12
	}
	era := floorDiv(y, 400)
	yoe := y - era*400
	doy := (153*(m-3)+2)/5 + d - 1
	return Date(era*eraDays + yoe*365 + yoe/4 - yoe/100 + doy - epochDays)
}

// YMD returns the date's year, month and day.
func (d Date) YMD() (year, month, day int) {
	z := int(d) + epochDays
	era := floorDiv(z, eraDays)
	doe := z - era*eraDays
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	day = doy - (153*mp+2)/5 + 1
	month = mp + 3
	year = yoe + era*400
	if month > 12 {
		month -= 12
		year++
	}
	return year, month, day
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// ParseDate reads YYYY-MM-DD.
func ParseDate[T ~string | ~[]byte](s T) (Date, error) {
	if len(s) != 10 || s[4] != '-' || s[7] != '-' {
		return None, ErrDate
	}
	return compact(s[0], s[1], s[2], s[3], s[5], s[6], s[8], s[9])
}

// ParseCompact reads YYYYMMDD.
func ParseCompact[T ~string | ~[]byte](s T) (Date, error) {
	if len(s) != 8 {
		return None, ErrDate
	}
	return compact(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7])
}

func compact(y0, y1, y2, y3, m0, m1, d0, d1 byte) (Date, error) {
	if max(y0-'0', y1-'0', y2-'0', y3-'0', m0-'0', m1-'0', d0-'0', d1-'0') > 9 {
		return None, ErrDate
	}
	y := int(y0-'0')*1000 + int(y1-'0')*100 + int(y2-'0')*10 + int(y3-'0')
	return FromYMD(y, int(m0-'0')*10+int(m1-'0'), int(d0-'0')*10+int(d1-'0'))
}

// String returns YYYY-MM-DD, or "" for None.
func (d Date) String() string {
	if d == None {
		return ""
	}
	var b [10]byte
	return string(d.append(b[:0]))
}

// AppendText appends YYYY-MM-DD to dst; nothing for None. It never fails.
func (d Date) AppendText(dst []byte) ([]byte, error) {
	if d == None {
		return dst, nil
	}
	return d.append(dst), nil
}

func (d Date) append(dst []byte) []byte {
	y, m, day := d.YMD()
	if y < 0 || y > 9999 {
		// Beyond what can be parsed; only computed dates get here.
		return time.Date(y, time.Month(m), day, 0, 0, 0, 0, time.UTC).AppendFormat(dst, time.DateOnly)
	}
	return append(dst, byte('0'+y/1000), byte('0'+y/100%10), byte('0'+y/10%10), byte('0'+y%10), '-',
		byte('0'+m/10), byte('0'+m%10), '-', byte('0'+day/10), byte('0'+day%10))
}

// MarshalText returns YYYY-MM-DD, empty for None.
func (d Date) MarshalText() ([]byte, error) { return d.AppendText(nil) }

// UnmarshalText reads YYYY-MM-DD; empty text is None.
func (d *Date) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*d = None
		return nil
	}
	v, err := ParseDate(b)
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday {
	w := (int(d) + 4) % 7 // 1970-01-01 was a Thursday
	if w < 0 {
		w += 7
	}
	return time.Weekday(w)
}

// Add returns the date n calendar days later (earlier if negative). None stays
// None, and the result stays within what Date holds.
func (d Date) Add(n int) Date {
	if d == None {
		return None
	}
	return Date(min(max(int64(d)+int64(n), int64(None)+1), math.MaxInt32))
}

// In returns the moment at which the date begins in loc. Where a change of the
// clocks skips midnight, time.Date's choice holds.
func (d Date) In(loc *time.Location) time.Time {
	y, m, day := d.YMD()
	return time.Date(y, time.Month(m), day, 0, 0, 0, 0, loc)
}

// Unix returns the second since 1970 UTC at which the date begins at an offset
// of so many seconds east of UTC.
func (d Date) Unix(offsetSec int) int64 { return int64(d)*86400 - int64(offsetSec) }

// DateOf returns the date at a second since 1970 UTC, seen at an offset of so
// many seconds east of UTC.
func DateOf(unixSec int64, offsetSec int) Date {
	s := unixSec + int64(offsetSec)
	q := s / 86400
	if s%86400 < 0 {
		q--
	}
	return Date(min(max(q, int64(None)+1), math.MaxInt32))
}

// DateIn returns the date of t in loc.
func DateIn(t time.Time, loc *time.Location) Date {
	_, offset := t.In(loc).Zone()
	return DateOf(t.Unix(), offset)
}
