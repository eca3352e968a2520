package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values            []float64
		low, middle, high float64
	}{
		{[]float64{2}, 2, 2, 2},
		{[]float64{3, 1}, 1, 2, 3},
		{[]float64{5, 1, 2}, 1, 2, 5},
	} {
		if low, middle, high := spread(c.values); low != c.low || middle != c.middle || high != c.high {
			t.Errorf("spread(%v) = %v, %v, %v", c.values, low, middle, high)
		}
	}
}

func TestMeasureKeepsOutputAndExitCode(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	r, err := measure([]string{"sh", "-c", "echo done; exit 6"}, out)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(out); string(got) != "done\n" || r.Exit != 6 || r.Wall <= 0 || r.MaxRSS <= 0 {
		t.Errorf("output %q, run %+v", got, r)
	}
	if _, err := measure([]string{filepath.Join(t.TempDir(), "absent")}, ""); err == nil {
		t.Error("a command that cannot start gives no error")
	}
}

func TestSummaryPairsRunsInOrder(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	for _, r := range []run{{Label: "a", Wall: 2}, {Label: "b, bare", Wall: 1}, {Label: "a", Wall: 9}, {Label: "b, bare", Wall: 3}, {Label: "a", Wall: 8}, {Label: "b, bare", Wall: 2}} {
		if err := note(r, log); err != nil {
			t.Fatal(err)
		}
	}
	var w strings.Builder
	if err := summarise(&w, log, "a/b, bare;a/c"); err != nil {
		t.Fatal(err)
	}
	if want := "a : b, bare, pair by pair: median 3.00 (2.00 to 4.00)\n"; !strings.HasSuffix(w.String(), want) {
		t.Errorf("got %q, want it to end with %q", w.String(), want)
	}
}
