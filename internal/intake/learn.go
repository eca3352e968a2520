package intake

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"daozhang/internal/calendar"
)

// How expectations are learnt: from the files of the last weeks, where enough days
// came one after the other.
const (
	learnFrom  = 28 // days before the grid's first
	learnSpare = 60 // minutes beyond the latest so far
)

// leastDays is how many days of a source have to have come before it is expected.
const leastDays = 5

// longestLag is the most days after its own that a file may have come to be taken
// for a habit; later ones were brought by hand.
const longestLag = 3

// learn works out what is expected of sources whose files have come day after day.
// A source learnt is expected from the day after the fifth on.
func learn(arrivals []Arrival, calendars func(string) (*calendar.Calendar, bool), zone *time.Location) []Expectation {
	days, ok := calendars("CN")
	if !ok {
		days, _ = calendar.Builtin("WEEKEND")
	}
	type habit struct {
		first map[calendar.Date]time.Time
	}
	found := map[string]*habit{}
	for _, a := range arrivals {
		lag := int(calendar.DateIn(a.At, zone)) - int(a.Day)
		if a.Spoilt || lag < 0 || lag > longestLag || strings.HasPrefix(a.Source, "replies/") { // they answer orders, not days
			continue
		}
		h := found[a.Source]
		if h == nil {
			h = &habit{map[calendar.Date]time.Time{}}
			found[a.Source] = h
		}
		if was, ok := h.first[a.Day]; !ok || a.At.Before(was) {
			h.first[a.Day] = a.At
		}
	}
	var all []Expectation
	for source, h := range found {
		if e, ok := habitOf(source, h.first, days, zone); ok {
			all = append(all, e)
		}
	}
	slices.SortFunc(all, func(a, b Expectation) int { return cmp.Compare(a.Source, b.Source) })
	return all
}

// habitOf is the habit of one source by the days that came and when.
func habitOf(source string, first map[calendar.Date]time.Time, days *calendar.Calendar, zone *time.Location) (Expectation, bool) {
	if len(first) < leastDays {
		return Expectation{}, false
	}
	list := slices.Sorted(maps.Keys(first))
	e := Expectation{Source: source, Origin: Learnt, Business: true, Calendar: days.Name()}
	off := 0
	for _, d := range list {
		if !days.IsBusinessDay(d) {
			off++
		}
	}
	e.Business = off == 0
	// Unbroken: of the days between the first and the last, four of five came.
	span := int(list[len(list)-1]-list[0]) + 1
	if e.Business {
		span = days.BusinessDaysBetween(list[0].Add(-1), list[len(list)-1])
	}
	if len(list)*5 < span*4 {
		return Expectation{}, false
	}
	for d, at := range first {
		came := calendar.DateIn(at, zone)
		lag := int(came - d)
		if e.Business {
			lag = days.BusinessDaysBetween(d, came)
		}
		local := at.In(zone)
		minute := local.Hour()*60 + local.Minute()
		switch {
		case lag > e.Lag:
			e.Lag, e.By = lag, minute
		case lag == e.Lag:
			e.By = max(e.By, minute)
		}
	}
	// On the hour, with an hour to spare.
	e.By = min((e.By+learnSpare+59)/60*60, 24*60)
	e.From = list[leastDays-1].Add(1)
	return e, true
}
