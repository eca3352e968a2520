package terms

import (
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
)

// BusinessDate gives the date a payment captured at a moment belongs to: its
// date in the merchant's zone, or the next calendar date when it came later
// than the cut-off. It need not be a business day.
func (t *Terms) BusinessDate(captured evidence.Instant) calendar.Date {
	date, minute, past := t.local(captured)
	if minute > t.Cutoff || minute == t.Cutoff && past {
		return date.Add(1)
	}
	return date
}

// LocalDate gives the date of a moment in the merchant's zone.
func (t *Terms) LocalDate(at evidence.Instant) calendar.Date {
	date, _, _ := t.local(at)
	return date
}

// local gives the date, the minute of the day, and whether that minute has
// begun (a payment at 23:00:00 is not later than 23:00, one at 23:00:01 is).
func (t *Terms) local(at evidence.Instant) (date calendar.Date, minute int, past bool) {
	offset := t.OffsetAt(at)
	date = calendar.DateOf(at.Unix(), offset)
	second := at.Unix() + int64(offset) - int64(date)*86400
	return date, int(second / 60), second%60 > 0
}

// OffsetAt gives the merchant's offset from UTC at a moment, in seconds.
func (t *Terms) OffsetAt(at evidence.Instant) int {
	if t.fixed != nil {
		return *t.fixed
	}
	_, offset := at.In(t.Zone).Zone()
	return offset
}

// moment gives the instant of a date and a minute of the day in the zone.
func (t *Terms) moment(date calendar.Date, minute int) evidence.Instant {
	guess := date.Unix(0) + int64(minute)*60
	if t.fixed != nil {
		return evidence.Instant((guess - int64(*t.fixed)) * 1e9)
	}
	y, m, d := date.YMD()
	return evidence.InstantOf(time.Date(y, time.Month(m), d, 0, minute, 0, 0, t.Zone))
}

// EndOf gives 23:59:59 of a date, the last moment at which something that
// carries only a date is on time.
func (t *Terms) EndOf(date calendar.Date) evidence.Instant {
	return t.moment(date, midnight) - 1e9
}

// StartOf gives midnight at the beginning of a date.
func (t *Terms) StartOf(date calendar.Date) evidence.Instant { return t.moment(date, 0) }

// PayoutAt gives the time by which a day's payouts are sent.
func (t *Terms) PayoutAt(date calendar.Date) evidence.Instant { return t.moment(date, t.PayoutBy) }

// SameUntil gives the last moment at which the terms say what they say at a moment of
// what is done then: until the day, the cut-off or the time of payouts passes.
func (t *Terms) SameUntil(at evidence.Instant) evidence.Instant {
	day := t.LocalDate(at)
	until := t.StartOf(day.Add(1)) - 1
	// What comes in the second of the cut-off is not later than it.
	for _, turn := range [...]evidence.Instant{t.moment(day, t.Cutoff) + 1e9 - 1, t.PayoutAt(day) - 1} {
		if at <= turn {
			until = min(until, turn)
		}
	}
	return until
}

// Due holds when each leg of a payment's way is due.
type Due struct {
	Day                                                  calendar.Date // of settlement and payout
	CreditDay                                            calendar.Date
	Authorization, Capture, Clearing, Settlement, Payout evidence.Instant
	Credit                                               evidence.Instant
	// ClearingFile is when the network's file is due, whatever the terms say of
	// the legs after it.
	ClearingFile evidence.Instant
	AfterCutoff  bool // the sale came after the cut-off
	OverHoliday  bool // a T cycle spans a weekend day or holiday
	Immediate    bool // T0 or D0, settled within minutes
}

// Due gives the due times of a payment tendered and captured at those moments;
// businessDate is BusinessDate(captured). openCapture: not captured yet, and
// the batch it waits for is due at the cut-off.
func (t *Terms) Due(tendered, captured evidence.Instant, businessDate calendar.Date, openCapture bool) Due {
	d := Due{Authorization: tendered.Add(60 * time.Second), Capture: captured}
	naturalDate, minute, past := t.local(captured)
	d.AfterCutoff = businessDate != naturalDate || minute > t.Cutoff || minute == t.Cutoff && past
	if openCapture {
		d.Capture = t.moment(businessDate, t.Cutoff)
	}
	from, days := businessDate, t.Days
	if t.Days == 0 {
		if !d.AfterCutoff && (t.CalendarDays || t.Calendar.IsBusinessDay(naturalDate)) {
			d.Immediate = true
			d.Day = naturalDate
		} else {
			from, days = naturalDate, 1
		}
	}
	if !d.Immediate {
		if t.CalendarDays {
			d.Day = from.Add(days)
		} else {
			d.Day = t.Calendar.AddBusinessDays(from, days)
			d.OverHoliday = t.Calendar.OffDayStrictlyBetween(from, d.Day)
		}
	}
	d.CreditDay = d.Day
	if t.CreditDays > 0 {
		d.CreditDay = t.Calendar.AddBusinessDays(d.Day, t.CreditDays)
	}
	d.Payout = t.moment(d.Day, t.PayoutBy)
	if d.Immediate {
		d.Payout = captured.Add(t.T0)
	}
	d.Settlement = d.Payout
	d.Credit = t.EndOf(d.CreditDay)
	d.Clearing = t.moment(t.Calendar.AddBusinessDays(businessDate, 1), 12*60)
	d.ClearingFile = d.Clearing
	// A leg is due no later than the legs after it.
	d.Payout = min(d.Payout, d.Credit)
	d.Settlement = min(d.Settlement, d.Payout)
	d.Clearing = min(d.Clearing, d.Settlement)
	d.Capture = min(d.Capture, d.Clearing)
	d.Authorization = min(d.Authorization, max(d.Capture, tendered))
	return d
}

// CreditAfter gives when a payout sent at a moment is due to be credited, where
// it was sent later than due: the end of the credit_days-th business day after.
func (t *Terms) CreditAfter(sent evidence.Instant) (calendar.Date, evidence.Instant) {
	day := t.LocalDate(sent)
	if t.CreditDays > 0 {
		day = t.Calendar.AddBusinessDays(day, t.CreditDays)
	}
	return day, t.EndOf(day)
}

// NextCycle gives when something captured at a moment is paid out and credited
// under the terms: used for what happens once a step is taken now.
func (t *Terms) NextCycle(at evidence.Instant) Due {
	return t.Due(at, at, t.BusinessDate(at), false)
}
