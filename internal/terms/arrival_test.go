package terms_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/terms"
)

// inShanghai are terms in Shanghai.
func inShanghai(t testing.TB, change func(*terms.Terms)) *terms.Terms {
	t.Helper()
	zone, err := calendar.Location("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	a := terms.Assumed(0, zone)
	a.Calendar, _ = calendar.Builtin("CN")
	change(a)
	return a
}

// TestArrival tells the way of a sale's money in sentences.
func TestArrival(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*terms.Terms)
		at     string
		credit string
		en, zh []string
	}{
		{"before a holiday, after the cut-off", func(a *terms.Terms) { a.Cutoff = 23 * 60 }, "2026-06-18T23:30:00+08:00", "2026-06-22",
			[]string{"after the cut-off at 23:00", "business days of calendar CN from 2026-06-19", "2026-06-20 to 2026-06-21 are days off (Dragon Boat Festival)", "by 18:00 of that day"},
			[]string{"日切 23:00 之后", "自 2026-06-19 起按 CN 日历的工作日计", "端午节", "18:00 前出款"}},
		{"paid at once", func(a *terms.Terms) { a.Days = 0 }, "2026-06-17T10:00:00+08:00", "2026-06-17", []string{"T0 settles at once", "within 30 minutes"}, []string{"即时结算", "30 分钟内"}},
		{"calendar days", func(a *terms.Terms) { a.CalendarDays = true }, "2026-06-18T10:00:00+08:00", "2026-06-19", []string{"D1 counts calendar days from 2026-06-18"}, []string{"按自然日计"}},
		{"credit later", func(a *terms.Terms) { a.CreditDays = 1 }, "2026-06-17T10:00:00+08:00", "2026-06-22", []string{"1 business days after the payout", "Dragon Boat"}, []string{"出款后 1 个工作日"}},
		{"T0 after the cut-off", func(a *terms.Terms) { a.Days, a.Cutoff = 0, 20*60 }, "2026-06-17T21:00:00+08:00", "2026-06-18", []string{"only before the cut-off"}, []string{"仅日切前"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			at, _, err := evidence.ParseInstant([]byte(tc.at))
			if err != nil {
				t.Fatal(err)
			}
			a := inShanghai(t, tc.change).Arrival(at)
			if a.Due.CreditDay.String() != tc.credit {
				t.Errorf("credited on %s, want %s", a.Due.CreditDay, tc.credit)
			}
			var en, zh strings.Builder
			for _, s := range a.Steps {
				for _, w := range s.Why {
					en.WriteString(w.EN + "\n")
					zh.WriteString(w.ZH + "\n")
				}
			}
			for _, want := range tc.en {
				if !strings.Contains(en.String(), want) {
					t.Errorf("nothing says %q in:\n%s", want, en.String())
				}
			}
			for _, want := range tc.zh {
				if !strings.Contains(zh.String(), want) {
					t.Errorf("nothing says %q in:\n%s", want, zh.String())
				}
			}
		})
	}
}

// The steps are those of Due, in order, whatever the terms.
func TestArrivalProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := inShanghai(staticTB{}, func(a *terms.Terms) {
			a.Days, a.CalendarDays = rapid.IntRange(0, 5).Draw(t, "days"), rapid.Bool().Draw(t, "calendar days")
			a.Cutoff, a.CreditDays = rapid.IntRange(1, 1440).Draw(t, "cutoff"), rapid.IntRange(0, 3).Draw(t, "credit")
		})
		at := evidence.InstantOf(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 365*24*60).Draw(t, "minute")) * time.Minute))
		got := a.Arrival(at)
		due := a.Due(at, at, a.BusinessDate(at), false)
		if got.Due != due {
			t.Fatalf("%+v, want %+v", got.Due, due)
		}
		last := evidence.Instant(0)
		for _, s := range got.Steps {
			if s.At != 0 && s.At < last {
				t.Fatalf("%s comes before the step before it", s.Name)
			}
			last = max(last, s.At)
		}
		if last != due.Credit {
			t.Fatalf("it ends at %d, want the credit at %d", last, due.Credit)
		}
	})
}

// staticTB is for what cannot fail.
type staticTB struct{ testing.TB }

func (staticTB) Helper() {}
