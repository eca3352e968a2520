package calendar_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"daozhang/internal/calendar"

	"pgregory.net/rapid"
)

func date(t testing.TB, s string) calendar.Date {
	t.Helper()
	d, err := calendar.ParseDate(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return d
}

func builtin(t testing.TB, name string) *calendar.Calendar {
	t.Helper()
	c, ok := calendar.Builtin(name)
	if !ok {
		t.Fatalf("no calendar %s", name)
	}
	return c
}

func TestIsBusinessDay(t *testing.T) {
	for _, tc := range []struct {
		calendar, date string
		want           bool
	}{
		{"WEEKEND", "2026-03-02", true},
		{"WEEKEND", "2026-03-07", false},
		{"WEEKEND", "2026-01-01", true},
		{"WEEKEND", "1999-12-31", true},
		{"WEEKEND", "2100-01-02", false},
		{"CN", "2026-01-01", false},
		{"CN", "2026-01-04", true},  // Sunday worked
		{"CN", "2026-02-14", true},  // Saturday worked
		{"CN", "2026-02-16", false}, // Monday, Spring Festival
		{"CN", "2026-02-23", false},
		{"CN", "2026-02-24", true},
		{"CN", "2026-02-28", true}, // Saturday worked
		{"CN", "2026-03-01", false},
		{"CN", "2026-10-07", false},
		{"CN", "2026-10-08", true},
		{"CN", "2025-10-08", false},
		{"CN", "2025-10-11", true},
		{"CN", "2024-02-09", true}, // New Year's Eve 2024 was no day off
		{"CN", "2024-02-18", true},
		{"CN", "2027-01-01", false},
		{"CN", "2027-02-08", false},
		{"CN", "2023-10-02", true}, // before the notices known: weekends only
		{"CN", "2031-10-01", true},
		{"TARGET2", "2026-04-03", false}, // Good Friday
		{"TARGET2", "2026-04-06", false}, // Easter Monday
		{"TARGET2", "2026-05-01", false},
		{"TARGET2", "2026-12-25", false},
		{"TARGET2", "2026-12-28", true},
		{"T2", "2027-01-01", false},
		{"US", "2026-07-03", true}, // the Fourth on a Saturday
		{"US", "2027-07-05", false},
		{"GB", "2026-12-28", false},
		{"GB", "2022-05-30", true},
		{"GB", "2022-06-02", false},
	} {
		if got := builtin(t, tc.calendar).IsBusinessDay(date(t, tc.date)); got != tc.want {
			t.Errorf("%s %s: business day %v", tc.calendar, tc.date, got)
		}
	}
}

func TestBuiltin(t *testing.T) {
	for name, want := range map[string]string{"CN": "CN", "cn": "CN", "T2": "TARGET2", "target2": "TARGET2", "Weekend": "WEEKEND", "US": "US", "GB": "GB"} {
		if c, ok := calendar.Builtin(name); !ok || c.Name() != want {
			t.Errorf("Builtin(%q) = %v, %v", name, c, ok)
		}
	}
	for _, name := range []string{"", "XX", "CN2"} {
		if _, ok := calendar.Builtin(name); ok {
			t.Errorf("there is a calendar %q", name)
		}
	}
}

func TestProvisional(t *testing.T) {
	cn := builtin(t, "CN")
	for s, want := range map[string]bool{
		"2023-12-31": true, "2024-01-01": false, "2026-12-31": false, "2027-01-01": true, "2027-06-01": true, "2099-01-01": true,
	} {
		if got := cn.Provisional(date(t, s)); got != want {
			t.Errorf("CN %s: provisional %v", s, got)
		}
		if builtin(t, "TARGET2").Provisional(date(t, s)) || builtin(t, "WEEKEND").Provisional(date(t, s)) {
			t.Errorf("%s is provisional where rules decide", s)
		}
	}
}

func TestAddBusinessDays(t *testing.T) {
	for _, tc := range []struct {
		calendar, from string
		n              int
		want           string
	}{
		{"CN", "2026-03-02", 1, "2026-03-03"},
		{"CN", "2026-03-06", 1, "2026-03-09"}, // Friday to Monday
		{"CN", "2026-03-07", 1, "2026-03-09"},
		{"CN", "2026-03-02", 0, "2026-03-02"},
		{"CN", "2026-03-01", 0, "2026-03-01"},
		{"CN", "2026-02-13", 1, "2026-02-14"}, // the Saturday is worked
		{"CN", "2026-02-14", 1, "2026-02-24"},
		{"CN", "2026-09-30", 2, "2026-10-09"},
		{"CN", "2026-02-24", -1, "2026-02-14"},
		{"CN", "2026-03-09", -2, "2026-03-05"},
		{"TARGET2", "2026-04-02", 1, "2026-04-07"},
		{"WEEKEND", "2099-12-31", 3, "2100-01-05"},
		{"WEEKEND", "1999-12-30", 2, "2000-01-03"},
	} {
		if got := builtin(t, tc.calendar).AddBusinessDays(date(t, tc.from), tc.n); got.String() != tc.want {
			t.Errorf("%s: %s + %d = %s, want %s", tc.calendar, tc.from, tc.n, got, tc.want)
		}
	}
}

func TestNextAndBetween(t *testing.T) {
	cn := builtin(t, "CN")
	for in, want := range map[string]string{"2026-02-14": "2026-02-14", "2026-02-15": "2026-02-24", "2026-03-07": "2026-03-09"} {
		if got := cn.NextOnOrAfter(date(t, in)); got.String() != want {
			t.Errorf("on or after %s: %s, want %s", in, got, want)
		}
	}
	for _, tc := range []struct {
		a, b    string
		n       int
		between bool
	}{
		{"2026-03-02", "2026-03-02", 0, false},
		{"2026-03-02", "2026-03-03", 1, false},
		{"2026-03-06", "2026-03-09", 1, true},
		{"2026-03-06", "2026-03-07", 0, false},
		{"2026-03-06", "2026-03-08", 0, true},
		{"2026-02-13", "2026-02-15", 1, false}, // the Saturday between is worked
		{"2026-02-14", "2026-02-24", 1, true},
		{"2026-01-01", "2026-12-31", 248, true},
		{"2026-03-09", "2026-03-06", -1, false},
	} {
		a, b := date(t, tc.a), date(t, tc.b)
		if got := cn.BusinessDaysBetween(a, b); got != tc.n {
			t.Errorf("business days from %s to %s: %d, want %d", tc.a, tc.b, got, tc.n)
		}
		if got := cn.OffDayStrictlyBetween(a, b); got != tc.between {
			t.Errorf("day off between %s and %s: %v", tc.a, tc.b, got)
		}
	}
}

func TestWith(t *testing.T) {
	cn := builtin(t, "CN")
	overrides := map[calendar.Date]bool{}
	for s, workday := range map[string]bool{"2026-03-03": false, "2026-03-07": true, "2027-02-11": false, "2101-01-05": false, "1995-01-01": true} {
		overrides[date(t, s)] = workday
	}
	c := cn.With(overrides)
	for d, workday := range overrides {
		if c.IsBusinessDay(d) != workday || c.Provisional(d) {
			t.Errorf("%v: business day %v, provisional %v", d, c.IsBusinessDay(d), c.Provisional(d))
		}
		if cn.IsBusinessDay(d) == workday {
			t.Errorf("%v changed in the calendar it came from", d)
		}
	}
	if got := c.AddBusinessDays(date(t, "2026-03-02"), 1); got != date(t, "2026-03-04") {
		t.Errorf("T+1 over a stated holiday: %v", got)
	}
	if c.Name() != "CN" || !c.Provisional(date(t, "2027-02-12")) {
		t.Error("overrides touched more than their dates")
	}
	twice := c.With(map[calendar.Date]bool{date(t, "2026-03-03"): true, date(t, "2101-01-05"): true})
	if !twice.IsBusinessDay(date(t, "2026-03-03")) || !twice.IsBusinessDay(date(t, "2101-01-05")) ||
		c.IsBusinessDay(date(t, "2026-03-03")) || c.IsBusinessDay(date(t, "2101-01-05")) {
		t.Error("calendars share their overrides")
	}
	if got := c.BusinessDaysBetween(date(t, "2101-01-03"), date(t, "2101-01-07")); got != 3 {
		t.Errorf("%d business days around a far override, want 3", got)
	}
	// A calendar with no business day left ends the search instead of turning for ever.
	none := map[calendar.Date]bool{}
	for d := date(t, "2026-01-01"); d < date(t, "2060-01-01"); d++ {
		none[d] = false
	}
	cn.With(none).AddBusinessDays(date(t, "2026-01-01"), 3)
}

// Counting and walking agree, inside and outside of the table.
func TestCountProperty(t *testing.T) {
	cals := []*calendar.Calendar{builtin(t, "CN"), builtin(t, "TARGET2"), builtin(t, "WEEKEND"),
		builtin(t, "CN").With(map[calendar.Date]bool{date(t, "1999-12-29"): false, date(t, "2100-01-02"): true, date(t, "2050-01-01"): true})}
	lo, hi := date(t, "1999-06-01"), date(t, "2100-06-01")
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(cals).Draw(t, "calendar")
		a := calendar.Date(rapid.OneOf(
			rapid.IntRange(int(lo), int(hi)), rapid.IntRange(int(lo), int(lo)+400), rapid.IntRange(int(hi)-400, int(hi)),
		).Draw(t, "a"))
		b := a.Add(rapid.IntRange(0, 500).Draw(t, "days"))
		want, off := 0, false
		for d := a + 1; d <= b; d++ {
			if c.IsBusinessDay(d) {
				want++
			} else if d < b {
				off = true
			}
		}
		if got := c.BusinessDaysBetween(a, b); got != want {
			t.Fatalf("%s: %v to %v: %d, want %d", c.Name(), a, b, got, want)
		}
		if got := c.OffDayStrictlyBetween(a, b); got != off {
			t.Fatalf("%s: day off between %v and %v: %v", c.Name(), a, b, got)
		}
		if n := want; n > 0 {
			end := c.AddBusinessDays(a, n)
			if end > b || !c.IsBusinessDay(end) || c.BusinessDaysBetween(a, end) != n {
				t.Fatalf("%s: %v + %d = %v", c.Name(), a, n, end)
			}
			if back := c.AddBusinessDays(end, -n); c.BusinessDaysBetween(back, end) != n {
				t.Fatalf("%s: %v - %d = %v", c.Name(), end, n, back)
			}
		}
	})
	// Far spans take no time.
	w := builtin(t, "WEEKEND")
	if got, want := w.BusinessDaysBetween(date(t, "0001-01-01"), date(t, "9999-12-31")), 2608614; got != want {
		t.Errorf("business days of all years: %d, want %d", got, want)
	}
}

// shared is where samples lie beside a checkout; tests over them are skipped
// where they are absent.
func shared(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "..", "shared", "data", "holidays", filepath.FromSlash(name)))
	if err != nil {
		t.Skip("no published holidays here")
	}
	return b
}

func TestChinaAgainstNotices(t *testing.T) {
	cn, weekend := builtin(t, "CN"), builtin(t, "WEEKEND")
	for year := 2024; year <= 2026; year++ {
		var doc struct {
			Days []struct {
				Date     string `json:"date"`
				IsOffDay bool   `json:"isOffDay"`
			} `json:"days"`
		}
		if err := json.Unmarshal(shared(t, fmt.Sprintf("cn/%d.json", year)), &doc); err != nil {
			t.Fatal(err)
		}
		stated := map[calendar.Date]bool{}
		for _, d := range doc.Days {
			stated[date(t, d.Date)] = !d.IsOffDay
		}
		for d := date(t, fmt.Sprintf("%d-01-01", year)); d <= date(t, fmt.Sprintf("%d-12-31", year)); d++ {
			want, ok := stated[d]
			if !ok {
				want = weekend.IsBusinessDay(d)
			}
			if got := cn.IsBusinessDay(d); got != want {
				t.Errorf("%v %v: business day %v", d, d.Weekday(), got)
			}
		}
	}
}

func TestRulesAgainstPublishedDates(t *testing.T) {
	for _, tc := range []struct {
		calendar, file string
		observed       bool // the file lists days on which a holiday is kept
	}{
		{"TARGET2", "target2_ecb.csv", true},
		{"GB", "public_gb.csv", true},
		{"US", "us_federal.csv", true},
	} {
		c := builtin(t, tc.calendar)
		rows, err := csv.NewReader(bytes.NewReader(shared(t, tc.file))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		listed := map[calendar.Date]bool{}
		for _, r := range rows[1:] {
			listed[date(t, r[0])] = true
		}
		for d := date(t, "2015-01-01"); d <= date(t, "2029-12-31"); d++ {
			if w := d.Weekday(); w == time.Saturday || w == time.Sunday {
				continue
			}
			off := !c.IsBusinessDay(d)
			if off == listed[d] {
				continue
			}
			_, m, day := d.YMD()
			switch {
			case tc.calendar == "US" && listed[d] && d.Weekday() == time.Friday:
				// The Reserve Banks are open on the Friday before a Saturday's holiday.
			case tc.calendar == "US" && d == date(t, "2021-06-18"):
			case tc.calendar == "GB" && off && (d.Weekday() == time.Monday && (m == 3 || m == 4 || m == 8)):
				// Easter Monday and the summer holiday are not kept in all of the kingdom.
			case tc.calendar == "GB" && off && m == 12 && day <= 28, tc.calendar == "GB" && off && d == date(t, "2023-05-08"):
			default:
				t.Errorf("%s %v %v: off %v, listed %v", tc.calendar, d, d.Weekday(), off, listed[d])
			}
		}
	}
}

func BenchmarkIsBusinessDay(b *testing.B) {
	c, d := builtin(b, "CN"), date(b, "2026-03-02")
	for b.Loop() {
		c.IsBusinessDay(d)
	}
}

func BenchmarkAddBusinessDays(b *testing.B) {
	c, d := builtin(b, "CN"), date(b, "2026-03-06")
	for b.Loop() {
		c.AddBusinessDays(d, 1)
	}
}
