package calendar

import (
	"sync"
	"time"
)

// Calendars that follow from standing rules are computed for these years.
const firstYear, lastYear = 2000, 2099

var weekend = sync.OnceValue(func() *Calendar { return newCalendar("WEEKEND") })

// target2 is the calendar of the euro's large-value payment system, by the
// European Central Bank's long-term calendar, in force since 2002.
var target2 = sync.OnceValue(func() *Calendar {
	c := newCalendar("TARGET2")
	for y := firstYear; y <= lastYear; y++ {
		sunday := easter(y)
		for _, d := range []Date{
			civil(y, 1, 1), sunday - 2, sunday + 1, civil(y, 5, 1), civil(y, 12, 25), civil(y, 12, 26),
		} {
			c.set(d, false)
		}
	}
	return c
})

// federal is the calendar of the Federal Reserve Banks: the federal holidays
// of 5 U.S.C. 6103. One that falls on a Sunday is kept on the Monday; for one
// on a Saturday the banks are open on the Friday before.
var federal = sync.OnceValue(func() *Calendar {
	c := newCalendar("US")
	for y := firstYear; y <= lastYear; y++ {
		for _, d := range []Date{
			civil(y, 1, 1), civil(y, 7, 4), civil(y, 11, 11), civil(y, 12, 25),
		} {
			c.set(nextIfSunday(d), false)
		}
		if y >= 2022 { // Juneteenth became law in June 2021
			c.set(nextIfSunday(civil(y, 6, 19)), false)
		}
		c.set(nth(y, 1, 3, time.Monday), false)    // Birthday of Martin Luther King, Jr.
		c.set(nth(y, 2, 3, time.Monday), false)    // Washington's Birthday
		c.set(nth(y, 5, -1, time.Monday), false)   // Memorial Day
		c.set(nth(y, 9, 1, time.Monday), false)    // Labor Day
		c.set(nth(y, 10, 2, time.Monday), false)   // Columbus Day
		c.set(nth(y, 11, 4, time.Thursday), false) // Thanksgiving Day
	}
	return c
})

func nextIfSunday(d Date) Date {
	if d.Weekday() == time.Sunday {
		return d + 1
	}
	return d
}

// moved are the bank holidays of England and Wales that proclamations moved (the
// date a rule would give, and the one kept instead) or added (no rule's date).
var moved = []struct{ rule, kept Date }{
	{civil(2002, 5, 27), civil(2002, 6, 4)},
	{None, civil(2002, 6, 3)},
	{None, civil(2011, 4, 29)},
	{civil(2012, 5, 28), civil(2012, 6, 4)},
	{None, civil(2012, 6, 5)},
	{civil(2020, 5, 4), civil(2020, 5, 8)},
	{civil(2022, 5, 30), civil(2022, 6, 2)},
	{None, civil(2022, 6, 3)},
	{None, civil(2022, 9, 19)},
	{None, civil(2023, 5, 8)},
}

// england is the calendar of bank holidays in England and Wales, by the Banking
// and Financial Dealings Act 1971; a holiday on a weekend is kept on the next
// weekday that is none itself.
var england = sync.OnceValue(func() *Calendar {
	c := newCalendar("GB")
	for y := firstYear; y <= lastYear; y++ {
		sunday := easter(y)
		for _, d := range []Date{
			civil(y, 1, 1), sunday - 2, sunday + 1,
			nth(y, 5, 1, time.Monday), nth(y, 5, -1, time.Monday), nth(y, 8, -1, time.Monday),
			civil(y, 12, 25), civil(y, 12, 26),
		} {
			c.set(c.NextOnOrAfter(d), false)
		}
	}
	for _, m := range moved {
		if m.rule != None {
			c.set(m.rule, true)
		}
		c.set(m.kept, false)
	}
	return c
})

// nth returns the n-th such weekday of a month, the last for n = -1.
func nth(y, m, n int, w time.Weekday) Date {
	if n < 0 {
		d := civil(y, m, daysIn(y, m))
		return d - Date((7+d.Weekday()-w)%7)
	}
	d := civil(y, m, 1)
	return d + Date((7+w-d.Weekday())%7) + Date(7*(n-1))
}

// easter returns Easter Sunday of the Gregorian calendar, by the method that
// Nature printed anonymously in 1876 (Meeus, Jones and Butcher).
func easter(y int) Date {
	a := y % 19
	b, c := y/100, y%100
	d, e := b/4, b%4
	f := (b + 8) / 25
	g := (b - f + 1) / 3
	h := (19*a + b - d - g + 15) % 30
	i, k := c/4, c%4
	l := (32 + 2*e + 2*i - h - k) % 7
	m := (a + 11*h + 22*l) / 451
	n := h + l - 7*m + 114
	return civil(y, n/31, n%31+1)
}
