package main

import (
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// moment is the moment of a question as --as-of gives it.
type moment struct {
	at     evidence.Instant
	offset int16         // of at, minutes east of UTC
	date   calendar.Date // the end of this day, where only a date is given
	now    bool
}

// parseMoment reads RFC 3339, a date (its end), or "now" (also "").
func parseMoment(s string) (moment, error) {
	if s == "" || s == "now" {
		return moment{now: true, date: calendar.None}, nil
	}
	if at, offset, err := evidence.ParseInstant([]byte(s)); err == nil {
		return moment{at: at, offset: offset, date: calendar.None}, nil
	}
	if d, err := calendar.ParseDate(s); err == nil {
		if y, _, _ := d.YMD(); y >= 1980 && y < 2080 {
			return moment{date: d}, nil
		}
		return moment{}, fault.Say("the year must lie between 1980 and 2079", "年份须在 1980 至 2079 之间")
	}
	return moment{}, fault.Say("is neither a time with an offset, such as 2026-03-09T10:00:00+08:00, nor a date, nor now", "既不是带时差的时间（如 2026-03-09T10:00:00+08:00），也不是日期或 now")
}

// in settles the moment in the zone of the evidence.
func (w moment) in(offset int16, now time.Time) (evidence.Instant, int16) {
	switch {
	case w.now:
		return evidence.InstantOf(now.Truncate(time.Second)), offset
	case w.date != calendar.None:
		return evidence.Instant((w.date.Add(1).Unix(int(offset)*60) - 1) * 1e9), offset
	}
	return w.at, w.offset
}

// zoneOf gives the offset, in minutes east of UTC, in which most of the
// evidence is written: a date of the question means a day there.
func zoneOf(set *evidence.Set, otherwise int16) int16 {
	const enough = 100_000
	counts := map[int16]int{}
	n := 0
	for _, f := range set.All {
		if counts[f.Offset]++; n == enough {
			break
		}
		n++
	}
	best, most := otherwise, 0
	for offset, count := range counts {
		if count > most || count == most && offset > best {
			best, most = offset, count
		}
	}
	return best
}

// asOfFlag reads --as-of.
func asOfFlag(s string) (moment, error) {
	w, err := parseMoment(s)
	if err != nil {
		return w, fault.New(fault.Usage, opRead, "--as-of", err,
			fault.Say("write --as-of 2026-03-09T10:00:00+08:00, or --as-of 2026-03-09 for the end of that day", "请写 --as-of 2026-03-09T10:00:00+08:00，或 --as-of 2026-03-09（表示当天终了）"))
	}
	return w, nil
}
