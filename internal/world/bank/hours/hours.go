// Package hours reads the times of day by which the simulated banks work: when
// a business day ends, and daily spans such as 23:50-00:10.
package hours

import (
	"strconv"
	"strings"
	"time"

	"daozhang/internal/fault"
)

// Day is one calendar day, as a time of day that ends it.
const Day = 24 * time.Hour

// Parse reads a time of day such as 23:50; 24:00 is the end of the day.
func Parse(s string) (time.Duration, error) {
	h, m, ok := strings.Cut(strings.TrimSpace(s), ":")
	hours, err1 := strconv.Atoi(h)
	minutes, err2 := strconv.Atoi(m)
	if !ok || err1 != nil || err2 != nil || hours < 0 || hours > 24 || minutes < 0 || minutes > 59 || hours == 24 && minutes > 0 {
		return 0, fault.Say("%q is no time of day such as 23:50", "%q 不是时刻，如 23:50", s)
	}
	return time.Duration(hours)*time.Hour + time.Duration(minutes)*time.Minute, nil
}

// Of gives the time of day of a moment in a zone.
func Of(at time.Time, zone *time.Location) time.Duration {
	h, m, s := at.In(zone).Clock()
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
}

// Span is a part of every day. One that ends before it begins lasts over
// midnight.
type Span struct{ Begin, End time.Duration }

// ParseSpan reads a span such as 23:50-00:10.
func ParseSpan(s string) (Span, error) {
	from, to, _ := strings.Cut(s, "-")
	begin, err := Parse(from)
	if err != nil {
		return Span{}, err
	}
	end, err := Parse(to)
	return Span{begin, end}, err
}

// Has reports whether a time of day lies in the span; its end does not.
func (s Span) Has(at time.Duration) bool {
	if s.Begin <= s.End {
		return at >= s.Begin && at < s.End
	}
	return at >= s.Begin || at < s.End
}

// Left gives how long the span still lasts at a time of day that it has.
func (s Span) Left(at time.Duration) time.Duration {
	if s.End > at {
		return s.End - at
	}
	return s.End + Day - at
}
