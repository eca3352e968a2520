package calendar_test

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"

	"pgregory.net/rapid"
)

func TestParseDate(t *testing.T) {
	for s, want := range map[string]calendar.Date{
		"1970-01-01": 0, "1970-01-02": 1, "1969-12-31": -1, "2026-03-02": 20514, "2024-02-29": 19782, "2000-02-29": 11016,
	} {
		got, err := calendar.ParseDate(s)
		if got != want || err != nil || got.String() != s {
			t.Errorf("ParseDate(%q) = %d, %v, written %q", s, got, err, got)
		}
		c := s[:4] + s[5:7] + s[8:]
		if got, err := calendar.ParseCompact([]byte(c)); got != want || err != nil {
			t.Errorf("ParseCompact(%q) = %d, %v", c, got, err)
		}
	}
	for _, s := range []string{
		"", "2026-02-29", "1900-02-29", "2026-00-01", "2026-13-01", "2026-04-31", "2026-01-00", "0000-01-01",
		"2026-3-2", "2026/03/02", "20260302", "2026-03-02T", "2O26-03-02", "2026-03-0:", "-026-03-02", "２０２６",
	} {
		if got, err := calendar.ParseDate(s); !errors.Is(err, calendar.ErrDate) || got != calendar.None {
			t.Errorf("ParseDate(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "2026-03-02", "20260229", "2026030", "2026030a", "00000101"} {
		if got, err := calendar.ParseCompact(s); !errors.Is(err, calendar.ErrDate) || got != calendar.None {
			t.Errorf("ParseCompact(%q) = %v, %v", s, got, err)
		}
	}
	if fault.HintOf(calendar.ErrDate) == "" {
		t.Error("no hint")
	}
}

func TestFromYMD(t *testing.T) {
	if d := calendar.MustYMD(2026, 3, 2); d.String() != "2026-03-02" {
		t.Error(d)
	}
	for _, bad := range [][3]int{{0, 1, 1}, {10000, 1, 1}, {2026, 2, 29}, {2026, 13, 1}, {2026, 1, 32}, {-1, 1, 1}} {
		if _, err := calendar.FromYMD(bad[0], bad[1], bad[2]); !errors.Is(err, calendar.ErrDate) {
			t.Errorf("%v: %v", bad, err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("MustYMD took a date that does not exist")
		}
	}()
	calendar.MustYMD(2026, 2, 30)
}

// The arithmetic agrees with the time package over all years.
func TestDateAgreesWithTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(-719162, 2932896).Draw(t, "day") // 0001-01-01 to 9999-12-31
		want := time.Unix(int64(n)*86400, 0).UTC()
		d := calendar.Date(n)
		if d.String() != want.Format(time.DateOnly) || d.Weekday() != want.Weekday() || !d.In(time.UTC).Equal(want) {
			t.Fatalf("%d: %v %v, want %v", n, d, d.Weekday(), want)
		}
		y, m, day := d.YMD()
		if back, err := calendar.FromYMD(y, m, day); back != d || err != nil {
			t.Fatalf("%v → %v, %v", d, back, err)
		}
		if back, err := calendar.ParseDate(d.String()); back != d || err != nil {
			t.Fatalf("%v → %v, %v", d, back, err)
		}
		offset := rapid.IntRange(-14*3600, 14*3600).Draw(t, "offset")
		sec := rapid.Int64Range(0, 86399).Draw(t, "second")
		if got := calendar.DateOf(d.Unix(offset)+sec, offset); got != d {
			t.Fatalf("second %d of %v at %d is on %v", sec, d, offset, got)
		}
	})
}

func TestNone(t *testing.T) {
	n := calendar.None
	if n.String() != "" || n.Add(5) != n || n >= -719162 {
		t.Errorf("None is %q, %d", n, n)
	}
	type doc struct {
		D calendar.Date `json:"d"`
	}
	var v doc
	for in, want := range map[string]calendar.Date{`{"d":"2026-03-02"}`: 20514, `{"d":""}`: n} {
		if err := json.Unmarshal([]byte(in), &v); err != nil || v.D != want {
			t.Errorf("%s: %v, %v", in, v, err)
		}
		if b, err := json.Marshal(v); err != nil || string(b) != in {
			t.Errorf("%s: %s, %v", in, b, err)
		}
	}
	if err := json.Unmarshal([]byte(`{"d":"2026-02-30"}`), &v); err == nil {
		t.Error("a date that does not exist")
	}
}

func TestDateLimits(t *testing.T) {
	if got := calendar.Date(math.MaxInt32).Add(1); got != math.MaxInt32 {
		t.Errorf("past the last date: %d", got)
	}
	if got := calendar.Date(5).Add(math.MinInt32); got == calendar.None {
		t.Error("a date became none")
	}
	for _, sec := range []int64{math.MaxInt64 - 86400, math.MinInt64 + 86400} {
		if d := calendar.DateOf(sec, 0); d == calendar.None {
			t.Errorf("second %d has no date", sec)
		}
	}
	// Beyond four-digit years nothing panics.
	_ = calendar.Date(math.MaxInt32).String()
	_ = calendar.Date(math.MinInt32 + 1).String()
	for _, name := range []string{"CN", "WEEKEND"} {
		c := builtin(t, name)
		for _, d := range []calendar.Date{calendar.None, math.MinInt32 + 1, math.MaxInt32} {
			c.IsBusinessDay(d)
			c.AddBusinessDays(d, 3)
			c.AddBusinessDays(d, -3)
		}
		if c.BusinessDaysBetween(math.MinInt32+1, math.MaxInt32-1) <= 0 {
			t.Error("no business days in all time")
		}
		c.OffDayStrictlyBetween(calendar.None, math.MaxInt32)
	}
}

func TestLocation(t *testing.T) {
	at := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for name, hours := range map[string]float64{
		"Asia/Shanghai": 8, "Europe/Berlin": 2, "America/New_York": -4, "Asia/Kolkata": 5.5,
		"UTC": 0, "Z": 0, "+08:00": 8, "+0800": 8, "+08": 8, "+8": 8, "UTC+8": 8, "GMT-03:30": -3.5, "-00:00": 0,
	} {
		loc, err := calendar.Location(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if _, off := at.In(loc).Zone(); float64(off) != hours*3600 {
			t.Errorf("%s is %d s east", name, off)
		}
		if again, _ := calendar.Location(name); again != loc {
			t.Errorf("%s is not kept", name)
		}
	}
	for _, bad := range []string{"", "Local", "Mars/Olympus", "../etc/passwd", "+25:00", "+08:60", "+", "+8:0", "+080000", "++8", "UTC+", "08:00", "+0a"} {
		if loc, err := calendar.Location(bad); err == nil || fault.KindOf(err) != fault.Invalid {
			t.Errorf("Location(%q) = %v, %v", bad, loc, err)
		}
	}
	// A zone whose offset is fixed prints as one.
	loc, _ := calendar.Location("+08:00")
	if got := at.In(loc).Format(time.RFC3339); got != "2026-07-01T20:00:00+08:00" {
		t.Error(got)
	}
	berlin, _ := calendar.Location("Europe/Berlin")
	if got := calendar.DateIn(time.Date(2026, 6, 30, 22, 30, 0, 0, time.UTC), berlin); got.String() != "2026-07-01" {
		t.Error(got)
	}
}

func FuzzParseDate(f *testing.F) {
	f.Add("2026-03-02")
	f.Add("0000-00-00")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := calendar.ParseDate(s)
		want, terr := time.Parse(time.DateOnly, s)
		if (err == nil) != (terr == nil && want.Year() > 0) {
			t.Fatalf("%q: %v, time says %v", s, err, terr)
		}
		if err == nil && d.String() != s {
			t.Fatalf("%q → %v", s, d)
		}
		calendar.Location(s)
	})
}
