package calendar

import (
	"maps"
	"math/bits"
	"strings"
	"time"
)

// first and last bound the years for which a calendar keeps a bit per day;
// outside only weekends and overrides count.
var (
	first = civil(2000, 1, 1)
	last  = civil(2099, 12, 31)
)

const (
	tableDays  = 36525 // 2000-01-01 to 2099-12-31
	tableWords = (tableDays + 63) / 64
)

// Calendar tells business days from days off. It is immutable and safe for
// concurrent use. The business days are those on which payouts fall due; they
// need not be those on which shops trade.
type Calendar struct {
	name string
	// business has a bit for each business day from first to last.
	business [tableWords]uint64
	// far holds overrides outside the table; true is a workday.
	far map[Date]bool
	// confirmed bounds the dates that official notices or fixed rules cover;
	// others are provisional.
	confirmedFrom, confirmedTo Date
	// stated are dates that overrides confirmed outside those bounds.
	stated map[Date]bool
}

// newCalendar returns a calendar with Saturdays and Sundays off.
func newCalendar(name string) *Calendar {
	c := &Calendar{name: name, confirmedFrom: None, confirmedTo: 1<<31 - 1}
	for d := first; d <= last; d++ {
		if weekday(d) {
			c.set(d, true)
		}
	}
	return c
}

func weekday(d Date) bool {
	w := d.Weekday()
	return w != time.Saturday && w != time.Sunday
}

func (c *Calendar) set(d Date, business bool) {
	if d < first || d > last {
		if c.far == nil {
			c.far = map[Date]bool{}
		}
		c.far[d] = business
		return
	}
	i := uint(d - first)
	if business {
		c.business[i/64] |= 1 << (i % 64)
	} else {
		c.business[i/64] &^= 1 << (i % 64)
	}
}

// Name returns the calendar's name, such as CN.
func (c *Calendar) Name() string { return c.name }

// IsBusinessDay reports whether d is a business day.
func (c *Calendar) IsBusinessDay(d Date) bool {
	// Dates before first wrap to huge values.
	if i := uint32(d - first); i < tableDays {
		return c.business[i/64]>>(i%64)&1 != 0
	}
	if v, ok := c.far[d]; ok {
		return v
	}
	return weekday(d)
}

// Provisional reports whether d's being a business day rests on no official
// notice yet, so that a promise for it may move.
func (c *Calendar) Provisional(d Date) bool {
	return (d < c.confirmedFrom || d > c.confirmedTo) && !c.stated[d]
}

// horizon is a number of days in which every calendar has a business day,
// unless overrides took them all; then searching ends there.
const horizon = 4000

// AddBusinessDays returns the n-th business day strictly after d; d itself for
// n = 0, whatever day it is; the n-th strictly before it for negative n.
func (c *Calendar) AddBusinessDays(d Date, n int) Date {
	step := 1
	if n < 0 {
		n, step = -n, -1
	}
	for ; n > 0; n-- {
		d = c.seek(d.Add(step), step)
	}
	return d
}

// NextOnOrAfter returns the first business day not before d.
func (c *Calendar) NextOnOrAfter(d Date) Date { return c.seek(d, 1) }

func (c *Calendar) seek(d Date, step int) Date {
	for range horizon {
		if c.IsBusinessDay(d) {
			break
		}
		d = d.Add(step)
	}
	return d
}

// BusinessDaysBetween returns the number of business days after a up to and
// including b, so that AddBusinessDays(a, n) is n days from a; negative, the
// same from b to a, when b is before a.
func (c *Calendar) BusinessDaysBetween(a, b Date) int {
	if b < a {
		return -c.BusinessDaysBetween(b, a)
	}
	return c.count(a.Add(1), b.Add(1))
}

// OffDayStrictlyBetween reports whether any day after a and before b is not a
// business day.
func (c *Calendar) OffDayStrictlyBetween(a, b Date) bool {
	for d := a.Add(1); d < b; d++ {
		if !c.IsBusinessDay(d) {
			return true
		}
	}
	return false
}

// count returns the business days from a up to, not including, b.
func (c *Calendar) count(a, b Date) int {
	if a >= b {
		return 0
	}
	lo, hi := min(max(a, first), b), max(min(b, last+1), a)
	if lo >= hi {
		return c.countFar(a, b)
	}
	n := c.countFar(a, lo) + c.countFar(hi, b)
	for d := lo; d < hi; {
		i := uint32(d - first)
		if i%64 == 0 && hi-d >= 64 {
			n += bits.OnesCount64(c.business[i/64])
			d += 64
			continue
		}
		n += int(c.business[i/64] >> (i % 64) & 1)
		d++
	}
	return n
}

// countFar is count for dates outside the table.
func (c *Calendar) countFar(a, b Date) int {
	weeks := (int64(b) - int64(a)) / 7
	n := int(weeks) * 5
	for d := a + Date(weeks*7); d < b; d++ {
		if weekday(d) {
			n++
		}
	}
	for d, workday := range c.far {
		if a <= d && d < b && workday != weekday(d) {
			if workday {
				n++
			} else {
				n--
			}
		}
	}
	return n
}

// With returns the calendar with the given dates overridden, true for a
// workday, false for a day off, as calendar.holiday facts state them. Such
// dates are no longer provisional. The receiver is unchanged.
func (c *Calendar) With(overrides map[Date]bool) *Calendar {
	n := *c
	n.far = maps.Clone(c.far)
	n.stated = maps.Clone(c.stated)
	if n.stated == nil && len(overrides) > 0 {
		n.stated = make(map[Date]bool, len(overrides))
	}
	for d, workday := range overrides {
		n.set(d, workday)
		n.stated[d] = true
	}
	return &n
}

// Builtin returns the built-in calendar of that name, whatever its case:
//
//	CN        China, official notices for 2024 to 2026; 2027 and all other
//	          years provisional
//	TARGET2   the euro's payment system, also T2
//	WEEKEND   Saturdays and Sundays off, nothing else
//	US        the Federal Reserve Banks, by their standing rules
//	GB        the banks of England and Wales, by their standing rules and the
//	          proclamations up to 2023
func Builtin(name string) (*Calendar, bool) {
	switch strings.ToUpper(name) {
	case "CN":
		return china(), true
	case "TARGET2", "T2", "TARGET":
		return target2(), true
	case "WEEKEND":
		return weekend(), true
	case "US":
		return federal(), true
	case "GB":
		return england(), true
	}
	return nil, false
}
