package hours_test

import (
	"testing"
	"time"

	"daozhang/internal/world/bank/hours"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]time.Duration{"00:00": 0, "8:05": 8*time.Hour + 5*time.Minute, " 23:50 ": 23*time.Hour + 50*time.Minute, "24:00": hours.Day} {
		if got, err := hours.Parse(text); err != nil || got != want {
			t.Errorf("%q is read as %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "7", "7:60", "24:01", "25:00", "-1:00", "ab:cd", "7:00:00"} {
		if got, err := hours.Parse(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestSpan(t *testing.T) {
	night, err := hours.ParseSpan("23:50-00:10")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Duration {
		d, err := hours.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for text, left := range map[string]time.Duration{"23:50": 20 * time.Minute, "23:59": 11 * time.Minute, "00:00": 10 * time.Minute, "00:09": time.Minute} {
		if !night.Has(at(text)) || night.Left(at(text)) != left {
			t.Errorf("%s: in it %v, left %v, want %v", text, night.Has(at(text)), night.Left(at(text)), left)
		}
	}
	for _, text := range []string{"23:49", "00:10", "12:00"} {
		if night.Has(at(text)) {
			t.Errorf("%s lies in it", text)
		}
	}
	if _, err := hours.ParseSpan("08:30"); err == nil {
		t.Error("a span without an end was read")
	}
}
