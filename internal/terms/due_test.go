package terms_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/terms"
)

// of gives the terms that a fact states, and the instant of a time.
func of(t fataler, data string) *terms.Terms {
	t.Helper()
	b, set := book(t, data)
	if len(b.Problems) > 0 {
		t.Fatal(b.Problems[0].Why)
	}
	mid, _ := set.Words.Find("M1")
	return b.All(mid)[0]
}

func instant(t fataler, text string) evidence.Instant {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return evidence.InstantOf(at)
}

func TestDue(t *testing.T) {
	const cn = `"mid":"M1","timezone":"Asia/Shanghai","calendar":"CN"`
	for name, tc := range map[string]struct {
		terms, captured                                     string
		date, capture, clearing, settlement, payout, credit string
		afterCutoff, overHoliday, immediate                 bool
		open                                                bool
	}{
		"T1 on a Monday": {
			terms: cn + `,"cycle":"T1"`, captured: "2026-03-02T10:00:00+08:00",
			date: "2026-03-02", clearing: "2026-03-03T12:00:00+08:00", payout: "2026-03-03T18:00:00+08:00", credit: "2026-03-03T23:59:59+08:00",
		},
		"T1 at the very cut-off": {
			terms: cn + `,"cycle":"T1","cutoff":"23:00"`, captured: "2026-03-02T23:00:00+08:00",
			date: "2026-03-02", clearing: "2026-03-03T12:00:00+08:00", payout: "2026-03-03T18:00:00+08:00", credit: "2026-03-03T23:59:59+08:00",
		},
		"T1 a second after the cut-off": {
			terms: cn + `,"cycle":"T1","cutoff":"23:00"`, captured: "2026-03-02T23:00:01+08:00", afterCutoff: true,
			date: "2026-03-03", clearing: "2026-03-04T12:00:00+08:00", payout: "2026-03-04T18:00:00+08:00", credit: "2026-03-04T23:59:59+08:00",
		},
		"T1 on a Friday goes over the weekend": {
			terms: cn + `,"cycle":"T1"`, captured: "2026-03-06T10:00:00+08:00", overHoliday: true,
			date: "2026-03-06", clearing: "2026-03-09T12:00:00+08:00", payout: "2026-03-09T18:00:00+08:00", credit: "2026-03-09T23:59:59+08:00",
		},
		"T1 after the cut-off of a Friday belongs to Saturday": {
			terms: cn + `,"cycle":"T1","cutoff":"23:00"`, captured: "2026-03-06T23:30:00+08:00", afterCutoff: true, overHoliday: true,
			date: "2026-03-07", clearing: "2026-03-09T12:00:00+08:00", payout: "2026-03-09T18:00:00+08:00", credit: "2026-03-09T23:59:59+08:00",
		},
		"T1 before the national holiday of China": {
			terms: cn + `,"cycle":"T1"`, captured: "2026-09-30T10:00:00+08:00", overHoliday: true,
			date: "2026-09-30", clearing: "2026-10-08T12:00:00+08:00", payout: "2026-10-08T18:00:00+08:00", credit: "2026-10-08T23:59:59+08:00",
		},
		"T1 to a Sunday on which China works": {
			terms: cn + `,"cycle":"T1"`, captured: "2026-09-19T10:00:00+08:00",
			date: "2026-09-19", clearing: "2026-09-20T12:00:00+08:00", payout: "2026-09-20T18:00:00+08:00", credit: "2026-09-20T23:59:59+08:00",
		},
		"D1 knows no weekend": {
			terms: cn + `,"cycle":"D1"`, captured: "2026-03-06T10:00:00+08:00",
			date: "2026-03-06", clearing: "2026-03-07T18:00:00+08:00", payout: "2026-03-07T18:00:00+08:00", credit: "2026-03-07T23:59:59+08:00",
		},
		"credit a business day after the payout": {
			terms: cn + `,"cycle":"D1","credit_days":1,"payout_by":"09:30"`, captured: "2026-03-05T10:00:00+08:00",
			date: "2026-03-05", clearing: "2026-03-06T09:30:00+08:00", payout: "2026-03-06T09:30:00+08:00", credit: "2026-03-09T23:59:59+08:00",
		},
		"T0 within minutes": {
			terms: cn + `,"cycle":"T0"`, captured: "2026-03-02T10:00:00+08:00", immediate: true,
			date: "2026-03-02", clearing: "2026-03-02T10:30:00+08:00", payout: "2026-03-02T10:30:00+08:00", credit: "2026-03-02T23:59:59+08:00",
		},
		"T0 after the cut-off is T1 of the sale's own date": {
			terms: cn + `,"cycle":"T0","cutoff":"22:00","t0_minutes":10`, captured: "2026-03-02T22:30:00+08:00", afterCutoff: true,
			date: "2026-03-03", clearing: "2026-03-03T18:00:00+08:00", payout: "2026-03-03T18:00:00+08:00", credit: "2026-03-03T23:59:59+08:00",
		},
		"T0 on a Saturday is T1": {
			terms: cn + `,"cycle":"T0"`, captured: "2026-03-07T10:00:00+08:00", overHoliday: true,
			date: "2026-03-07", clearing: "2026-03-09T12:00:00+08:00", payout: "2026-03-09T18:00:00+08:00", credit: "2026-03-09T23:59:59+08:00",
		},
		"D0 on a Saturday": {
			terms: cn + `,"cycle":"D0"`, captured: "2026-03-07T10:00:00+08:00", immediate: true,
			date: "2026-03-07", clearing: "2026-03-07T10:30:00+08:00", payout: "2026-03-07T10:30:00+08:00", credit: "2026-03-07T23:59:59+08:00",
		},
		"D0 after the cut-off of a Saturday": {
			terms: cn + `,"cycle":"D0","cutoff":"22:00"`, captured: "2026-03-07T22:30:00+08:00", afterCutoff: true,
			date: "2026-03-08", clearing: "2026-03-08T18:00:00+08:00", payout: "2026-03-08T18:00:00+08:00", credit: "2026-03-08T23:59:59+08:00",
		},
		"D0 just before midnight is credited that day": {
			terms: cn + `,"cycle":"D0"`, captured: "2026-03-02T23:45:00+08:00", immediate: true,
			date: "2026-03-02", clearing: "2026-03-02T23:59:59+08:00", payout: "2026-03-02T23:59:59+08:00", credit: "2026-03-02T23:59:59+08:00",
		},
		"a batch not uploaded is due at the cut-off": {
			terms: cn + `,"cycle":"T1","cutoff":"23:00","capture":"terminal"`, captured: "2026-03-02T10:00:00+08:00", open: true,
			date: "2026-03-02", capture: "2026-03-02T23:00:00+08:00", clearing: "2026-03-03T12:00:00+08:00", payout: "2026-03-03T18:00:00+08:00", credit: "2026-03-03T23:59:59+08:00",
		},
		"Easter and summer time": {
			terms: `"mid":"M1","timezone":"Europe/Berlin","calendar":"TARGET2","cycle":"T1"`, captured: "2026-04-02T23:30:00+02:00", overHoliday: true,
			date: "2026-04-02", clearing: "2026-04-07T12:00:00+02:00", payout: "2026-04-07T18:00:00+02:00", credit: "2026-04-07T23:59:59+02:00",
		},
		"the clocks change before the due day": {
			terms: `"mid":"M1","timezone":"Europe/Berlin","calendar":"WEEKEND","cycle":"T1"`, captured: "2026-03-27T10:00:00+01:00", overHoliday: true,
			date: "2026-03-27", clearing: "2026-03-30T12:00:00+02:00", payout: "2026-03-30T18:00:00+02:00", credit: "2026-03-30T23:59:59+02:00",
		},
	} {
		t.Run(name, func(t *testing.T) {
			agreed := of(t, "{"+tc.terms+"}")
			at := instant(t, tc.captured)
			date := agreed.BusinessDate(at)
			d := agreed.Due(at, at, date, tc.open)
			if date.String() != tc.date {
				t.Errorf("business date %s, want %s", date, tc.date)
			}
			if tc.capture == "" {
				tc.capture = tc.captured
			}
			for _, leg := range []struct {
				name string
				got  evidence.Instant
				want string
			}{
				{"capture", d.Capture, tc.capture}, {"clearing", d.Clearing, tc.clearing}, {"settlement", d.Settlement, tc.payout},
				{"payout", d.Payout, tc.payout}, {"credit", d.Credit, tc.credit},
			} {
				if want := instant(t, leg.want); leg.got != want {
					t.Errorf("%s due %s, want %s", leg.name, leg.got.In(agreed.Zone).Format(time.RFC3339), leg.want)
				}
			}
			if d.AfterCutoff != tc.afterCutoff || d.OverHoliday != tc.overHoliday || d.Immediate != tc.immediate {
				t.Errorf("after cut-off %v, over holiday %v, immediate %v", d.AfterCutoff, d.OverHoliday, d.Immediate)
			}
		})
	}
}

// slow is the due day of the contract, counted day by day on the clock of the zone.
type slow struct {
	zone                               *time.Location
	calendar                           *calendar.Calendar
	calendarDays                       bool
	days, cutoff, payoutBy, t0, credit int
}

func (s slow) business(day time.Time) bool {
	return s.calendar.IsBusinessDay(calendar.DateIn(day, s.zone))
}

func (s slow) after(day time.Time, n int) time.Time {
	for n > 0 {
		day = day.AddDate(0, 0, 1)
		if s.business(day) {
			n--
		}
	}
	return day
}

func at(day time.Time, minutes int) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), 0, minutes, 0, 0, day.Location())
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// due gives business date and the due times of clearing, payout and credit of what
// was captured at once.
func (s slow) due(captured time.Time) (date, clearing, payout, credit time.Time) {
	captured = captured.In(s.zone)
	own := at(captured, 0)
	date = own
	late := captured.After(at(own, s.cutoff)) && s.cutoff < 24*60
	if late {
		date = own.AddDate(0, 0, 1)
	}
	from, n := date, s.days
	day := own
	immediate := s.days == 0 && !late && (s.calendarDays || s.business(own))
	if s.days == 0 {
		from, n = own, 1
	}
	if !immediate {
		if s.calendarDays {
			day = from.AddDate(0, 0, n)
		} else {
			day = s.after(from, n)
		}
	}
	payout = at(day, s.payoutBy)
	if immediate {
		payout = captured.Add(time.Duration(s.t0) * time.Minute)
	}
	credit = at(s.after(day, s.credit), 24*60).Add(-time.Second)
	payout = earlier(payout, credit)
	clearing = earlier(at(s.after(date, 1), 12*60), payout)
	return date, clearing, payout, credit
}

// Due times agree with counting days one by one.
func TestDueAgainstCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := slow{
			calendarDays: rapid.Bool().Draw(t, "calendar days"), days: rapid.IntRange(0, 9).Draw(t, "days"),
			cutoff: rapid.SampledFrom([]int{24 * 60, 23 * 60, 12 * 60, 22*60 + 30, 30}).Draw(t, "cutoff"), payoutBy: rapid.SampledFrom([]int{18 * 60, 9 * 60, 24 * 60, 23*60 + 59}).Draw(t, "payout by"),
			t0: rapid.SampledFrom([]int{30, 5, 600}).Draw(t, "t0"), credit: rapid.IntRange(0, 2).Draw(t, "credit days"),
		}
		zone := rapid.SampledFrom([]string{"Asia/Shanghai", "Europe/Berlin", "America/New_York", "UTC", "Asia/Kolkata"}).Draw(t, "zone")
		name := rapid.SampledFrom([]string{"CN", "TARGET2", "WEEKEND"}).Draw(t, "calendar")
		kind := map[bool]string{true: "D", false: "T"}[s.calendarDays]
		clock := func(m int) string { return fmt.Sprintf("%02d:%02d", m/60, m%60) }
		agreed := of(t, fmt.Sprintf(`{"mid":"M1","timezone":%q,"calendar":%q,"cycle":"%s%d","cutoff":%q,"payout_by":%q,"t0_minutes":%d,"credit_days":%d}`,
			zone, name, kind, s.days, clock(s.cutoff), clock(s.payoutBy), s.t0, s.credit))
		s.zone, s.calendar = agreed.Zone, agreed.Calendar
		base := time.Date(2026, 1, 1, 0, 0, 0, 0, s.zone)
		captured := base.AddDate(0, 0, rapid.IntRange(0, 364).Draw(t, "day")).Add(time.Duration(rapid.IntRange(0, 86399).Draw(t, "second")) * time.Second)
		if rapid.Bool().Draw(t, "near the cut-off") {
			captured = at(captured, s.cutoff).Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "by")) * time.Second)
		}
		date, clearing, payout, credit := s.due(captured)
		i := evidence.InstantOf(captured)
		got := agreed.BusinessDate(i)
		if want := calendar.DateIn(date, s.zone); got != want {
			t.Fatalf("%s: business date %s, want %s", captured, got, want)
		}
		d := agreed.Due(i, i, got, false)
		if d.Clearing != evidence.InstantOf(clearing) || d.Payout != evidence.InstantOf(payout) || d.Credit != evidence.InstantOf(credit) {
			t.Fatalf("%s: due %s, %s, %s, want %s, %s, %s", captured, d.Clearing.In(s.zone), d.Payout.In(s.zone), d.Credit.In(s.zone), clearing, payout, credit)
		}
		// No leg is due after the one that follows.
		legs := []evidence.Instant{d.Capture, d.Clearing, d.Settlement, d.Payout, d.Credit}
		for n := range legs[1:] {
			if legs[n] > legs[n+1] {
				t.Fatalf("%s: leg %d is due after the next", captured, n)
			}
		}
		if d.AfterCutoff != (date.After(at(captured, 0))) {
			t.Fatalf("%s: after cut-off is %v, business date %s", captured, d.AfterCutoff, date)
		}
	})
}
