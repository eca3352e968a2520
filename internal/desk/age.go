package desk

import (
	"strconv"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
)

// Band is a range of ages in bank days past the promise.
type Band uint8

// The bands.
const (
	OnTime   Band = iota // not past the promise, or on its day
	OneDay               // 1
	ThreeDay             // 2 to 3
	Week                 // 4 to 5: a week of bank days
	TwoWeek              // 6 to 10
	Older                // more

	// Bands is how many there are.
	Bands
)

var bandNames = [Bands]string{"0", "1", "2-3", "4-5", "6-10", "11+"}

// String gives the band as addresses and tables have it: "2-3".
func (b Band) String() string {
	if b >= Bands {
		return "?"
	}
	return bandNames[b]
}

// ParseBand is the reverse of String.
func ParseBand(s string) (Band, bool) {
	for i, n := range bandNames {
		if n == s {
			return Band(i), true
		}
	}
	return 0, false
}

// BandOf is the band of an age in bank days.
func BandOf(age int) Band {
	switch {
	case age <= 0:
		return OnTime
	case age == 1:
		return OneDay
	case age <= 3:
		return ThreeDay
	case age <= 5:
		return Week
	case age <= 10:
		return TwoWeek
	}
	return Older
}

// Age is how many bank days have begun since the day of a promise: 0 on that day
// and before, 1 on the next business day. Days on which no bank works make nothing
// older.
func Age(promised, now time.Time, c *calendar.Calendar, zone *time.Location) int {
	if promised.IsZero() || !now.After(promised) {
		return 0
	}
	day, today := calendar.DateIn(promised, zone), calendar.DateIn(now, zone)
	if today <= day {
		return 0
	}
	return c.BusinessDaysBetween(day, today)
}

// promiseOf is the end of the n-th bank day after an exception was opened.
func promiseOf(opened time.Time, n int, c *calendar.Calendar, zone *time.Location) time.Time {
	day := calendar.DateIn(opened, zone)
	if n > 0 {
		day = c.AddBusinessDays(day, n)
	}
	y, m, d := day.YMD()
	return time.Date(y, time.Month(m), d, 23, 59, 59, 0, zone)
}

// AgeText says an age in words.
func AgeText(age int) fault.Text {
	switch age {
	case 0:
		return fault.Say("on time", "未逾期")
	case 1:
		return fault.Say("1 bank day", "1 个银行工作日")
	}
	return fault.Say("%d bank days", "%d 个银行工作日", age)
}

// BandText says a band in words.
func BandText(b Band) fault.Text {
	switch b {
	case OnTime:
		return fault.Say("on time", "未逾期")
	case OneDay:
		return fault.Say("1 bank day", "1 个银行工作日")
	case Older:
		return fault.Say("more than 10", "10 个以上")
	}
	from, to, _ := strings.Cut(b.String(), "-")
	_, err := strconv.Atoi(to)
	if err != nil {
		return fault.Same(from)
	}
	return fault.Say("%s to %s", "%s–%s 个", from, to)
}
