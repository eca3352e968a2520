package terms

import (
	"cmp"
	"slices"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/money"
)

// Settled is what one settled sale shows of the terms it was settled under.
type Settled struct {
	Captured evidence.Instant
	Offset   int16         // zone in which its own fact was written, minutes east of UTC
	Date     calendar.Date // settlement date of its line
	Currency money.Currency
	Amount   int64 // minor units
	Fee      int64 // taken by its line, minor units
	HasFee   bool
	CardType evidence.CardType
	Network  string
}

// How much history it takes to infer terms from, and how well terms have to fit it.
const (
	fewestSettled = 5
	// longestCycle bounds the days between business date and settlement that are
	// told apart.
	longestCycle = 31
	// A cycle explains at least four fifths of the history: the rest came late.
	cycleShare, cycleOf = 4, 5
	// Fees are inferred when nineteen of twenty are met to the minor unit.
	feeShare, feeOf = 19, 20
	// A cut-off parts the day when nineteen of twenty sales that tell the two
	// sides apart lie on theirs, and two at least after it.
	cutoffShare, cutoffOf = 19, 20
	fewestLate            = 2
	// Cut-offs are looked for at full and half hours.
	slotMinutes = 30
	slots       = 24 * 60 / slotMinutes
)

// Infer gives the terms that a merchant's settled history shows: cycle, cut-off,
// calendar, time zone and fees; nil for fewer than five settled sales. What the
// history does not show keeps the contract's default. The result does not depend
// on the order of the history.
func (b *Book) Infer(mid evidence.Word, history []Settled) *Terms {
	if len(history) < fewestSettled {
		return nil
	}
	currency := mostCommon(history, func(s *Settled) money.Currency { return s.Currency },
		func(x, y money.Currency) int { return cmp.Compare(x.String(), y.String()) })
	t := Assumed(mid, inferZone(history, currency))
	name := weekends
	switch currency.String() {
	case "CNY":
		name = "CN"
	case "EUR":
		name = "TARGET2"
	}
	t.Calendar, _ = b.Calendar(name)
	t.settle()
	t.inferCycle(history)
	t.inferFees(history, currency)
	return t
}

// mostCommon gives the value that most of a history has; of several the first.
func mostCommon[T comparable](history []Settled, of func(*Settled) T, compare func(T, T) int) T {
	counts := map[T]int{}
	for i := range history {
		counts[of(&history[i])]++
	}
	var best T
	most := 0
	for v, n := range counts {
		if n > most || n == most && compare(v, best) < 0 {
			best, most = v, n
		}
	}
	return best
}

// homeZones are the zones where a currency's merchants are.
var homeZones = map[string]string{
	"CNY": "Asia/Shanghai", "HKD": "Asia/Hong_Kong", "SGD": "Asia/Singapore", "JPY": "Asia/Tokyo",
	"EUR": "Europe/Berlin", "GBP": "Europe/London",
}

// inferZone gives the zone in which the facts were written: by its name where the
// currency's home has these offsets, or all are those of China, else the offset
// that most have.
func inferZone(history []Settled, currency money.Currency) *time.Location {
	for _, name := range []string{homeZones[currency.String()], "Asia/Shanghai"} {
		zone, err := calendar.Location(name)
		if err != nil {
			continue
		}
		if !slices.ContainsFunc(history, func(s Settled) bool {
			_, offset := s.Captured.In(zone).Zone()
			return offset != int(s.Offset)*60
		}) {
			return zone
		}
	}
	return zoneOf(mostCommon(history, func(s *Settled) int16 { return s.Offset }, cmp.Compare))
}

// cycle is a way to count days from the business date to the due day.
type cycle struct {
	calendarDays bool
	days         int
}

// fits counts, for each half hour of the day, the sales that a cycle explains.
type fits [slots]struct{ early, late, onlyEarly, onlyLate int }

// inferCycle finds the cycle and the cut-off that explain the most of the history:
// T before D and the shorter before the longer where several do as well, a cut-off
// only where it parts the sales of the day cleanly.
func (t *Terms) inferCycle(history []Settled) {
	var best, parted cycle
	bestFits, partedFits, cutoff := -1, 0, midnight
	for _, calendarDays := range [2]bool{false, true} {
		for days := 0; days <= longestCycle; days++ {
			c := cycle{calendarDays, days}
			var f fits
			all := 0
			for i := range history {
				all += t.count(&history[i], c, &f)
			}
			if all > bestFits {
				best, bestFits = c, all
			}
			if minute, n := f.cutoff(); n > partedFits {
				parted, partedFits, cutoff = c, n, minute
			}
		}
	}
	if partedFits >= bestFits+fewestLate {
		best, bestFits = parted, partedFits
	} else {
		cutoff = midnight
	}
	if bestFits*cycleOf >= len(history)*cycleShare {
		t.CalendarDays, t.Days, t.Cutoff = best.calendarDays, best.days, cutoff
		return
	}
	// No cycle: nothing is late before nearly all of the history had come.
	distances := make([]int, len(history))
	for i := range history {
		distances[i] = t.Calendar.BusinessDaysBetween(t.LocalDate(history[i].Captured), history[i].Date)
	}
	slices.Sort(distances)
	t.CalendarDays, t.Days, t.Cutoff = false, min(max(distances[(len(distances)*feeShare-1)/feeOf], 1), 366), midnight
}

// count notes whether a cycle explains a sale as one before the cut-off (1) or
// after it.
func (t *Terms) count(s *Settled, c cycle, f *fits) (early int) {
	date, minute, past := t.local(s.Captured)
	slot := minute / slotMinutes
	if minute%slotMinutes == 0 && !past && slot > 0 {
		slot-- // at the very cut-off a sale is not later than it
	}
	isEarly, isLate := false, false
	if c.days == 0 {
		isEarly = s.Date == date
		if !c.calendarDays && !t.Calendar.IsBusinessDay(date) {
			isEarly = s.Date == t.Calendar.AddBusinessDays(date, 1)
		}
		isLate = s.Date == date.Add(1)
		if !c.calendarDays {
			isLate = s.Date == t.Calendar.AddBusinessDays(date, 1)
		}
	} else {
		isEarly = t.dueDay(date, c) == s.Date
		isLate = t.dueDay(date.Add(1), c) == s.Date
	}
	n := &f[min(slot, slots-1)]
	if isLate {
		n.late++
		if !isEarly {
			n.onlyLate++
		}
	}
	if isEarly {
		n.early++
		if !isLate {
			n.onlyEarly++
		}
		return 1
	}
	return 0
}

func (t *Terms) dueDay(date calendar.Date, c cycle) calendar.Date {
	if c.calendarDays {
		return date.Add(c.days)
	}
	return t.Calendar.AddBusinessDays(date, c.days)
}

// cutoff gives the earliest half hour that explains the most sales, and how many
// it explains; 0 where none parts them cleanly.
func (f *fits) cutoff() (minute, explained int) {
	best := -1
	for at := 1; at < slots; at++ {
		sum, right, wrong, late := 0, 0, 0, 0
		for i, n := range f {
			if i < at {
				sum += n.early
				right += n.onlyEarly
				wrong += n.onlyLate
			} else {
				sum += n.late
				late += n.onlyLate
				wrong += n.onlyEarly
			}
		}
		if late < fewestLate || right < fewestLate || (right+late)*cutoffOf < (right+late+wrong)*cutoffShare || sum <= explained {
			continue
		}
		best, explained = at, sum
	}
	if best < 0 {
		return midnight, 0
	}
	return best * slotMinutes, explained
}
