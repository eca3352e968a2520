package investigation_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
	"daozhang/internal/world"
)

// In small worlds with much trouble, facts come in the order in which they become
// known and a little mixed, and the answers of the days are those of the whole.
func TestLiveEqualsWholeInWorlds(t *testing.T) {
	if testing.Short() {
		t.Skip("it asks after every fact of many cases")
	}
	for seed := range uint64(3) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			var out bytes.Buffer
			cfg := world.Config{Seed: seed, Days: 3, Merchants: 9, Payments: 300, Trouble: 500, Loss: 5}
			if _, err := world.Run(context.Background(), cfg, &out, nil); err != nil {
				t.Fatal(err)
			}
			lines := bytes.SplitAfter(out.Bytes(), []byte("\n"))
			lines = lines[:len(lines)-1] // what follows the last line feed
			rng := rand.New(rand.NewPCG(seed, 17))
			const block = 20
			for from := 0; from < len(lines); from += block {
				part := lines[from:min(from+block, len(lines))]
				rng.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
			}
			now := knownAt(t, lines[0]).Add(-time.Hour)
			l := newLive(t, now)
			asked := 0
			for from := 0; from < len(lines); from += block {
				to := min(from+block, len(lines))
				var in bytes.Buffer
				for _, line := range lines[from:to] {
					in.Write(line)
					if at := knownAt(t, line); at.After(now) {
						now = at
					}
				}
				if _, err := l.AddNDJSON(&in, nil); err != nil {
					t.Fatal(err)
				}
				if err := l.Advance(evidence.InstantOf(now)); err != nil {
					t.Fatal(err)
				}
				if from/block%3 == int(seed) || to == len(lines) {
					asked++
					sameAsWholeLines(t, l, lines[:to], now)
				}
			}
			for range 3 {
				now = now.Add(40 * time.Hour)
				if err := l.Advance(evidence.InstantOf(now)); err != nil {
					t.Fatal(err)
				}
				sameAsWholeLines(t, l, lines, now)
			}
			if asked < 3 {
				t.Errorf("only %d questions were asked of %d facts", asked, len(lines))
			}
		})
	}
}

func knownAt(t *testing.T, line []byte) time.Time {
	t.Helper()
	var e struct {
		Time     time.Time
		Recorded time.Time `json:"recordedtime"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		t.Fatal(err)
	}
	if e.Recorded.After(e.Time) {
		return e.Recorded
	}
	return e.Time
}

func sameAsWholeLines(t *testing.T, l *investigation.Live, lines [][]byte, now time.Time) {
	t.Helper()
	causes, err := catalogue()
	if err != nil {
		t.Fatal(err)
	}
	set := evidence.NewSet()
	err = evidence.ReadNDJSON(bytes.NewReader(bytes.Join(lines, nil)), set.Writer(set.AddFile("world")), func(line int, why fault.Text) {
		t.Fatalf("line %d: %s", line, why.EN)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, offset := now.Zone()
	whole, err := investigation.Investigate(set, evidence.InstantOf(now), int16(offset/60), investigation.Options{Catalogue: causes})
	if err != nil {
		t.Fatal(err)
	}
	json := func(a *investigation.Answer) []byte {
		var out bytes.Buffer
		a.Offset = int16(offset / 60)
		if err := report.JSON(&out, a, report.Options{Lang: "en"}); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	want := json(whole)
	l.Read(func(c *investigation.Current) {
		a := *c.Answer()
		if got := json(&a); !bytes.Equal(got, want) {
			t.Fatalf("at %s: %s", now.Format(time.RFC3339), firstDifference(want, got))
		}
		totals := whole.Totals()
		for _, pair := range [][2]any{
			{c.Summary(), totals.Summary}, {c.Causes(), totals.ByCause}, {readableRows(c.Map(), c.Answer()), readableRows(totals.Rows, whole)},
			{readableIncidents(c.Incidents()), readableIncidents(totals.Incidents)},
		} {
			if got, want := fmt.Sprint(pair[0]), fmt.Sprint(pair[1]); got != want {
				t.Fatalf("at %s:\n got %s\nwant %s", now.Format(time.RFC3339), got, want)
			}
		}
		sameLists(t, c, whole)
		samePictures(t, c, whole)
	})
}

// The cases of support, told one fact after the other.
func TestLiveEqualsWholeInCases(t *testing.T) {
	if testing.Short() {
		t.Skip("it asks after every fact of many cases")
	}
	files, err := filepath.Glob(filepath.Join("testdata", "cases", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c, err := parseStory(txtar.Parse(raw))
			if err != nil {
				t.Fatal(err)
			}
			slices.SortStableFunc(c.asks, func(a, b ask) int { return a.asOf.Compare(b.asOf) })
			l := newLive(t, c.asks[0].asOf)
			var lines [][]byte
			refused := 0
			for _, f := range c.facts {
				line := append(slices.Clone(f.line), '\n')
				if _, err := l.AddNDJSON(bytes.NewReader(line), func(int, fault.Text) { refused++ }); err != nil {
					t.Fatal(err)
				}
				if refused == 0 {
					lines = append(lines, line)
				}
				refused = 0
				l.Read(func(c *investigation.Current) { c.Incidents() })
			}
			for _, a := range c.asks {
				if err := l.Advance(evidence.InstantOf(a.asOf)); err != nil {
					t.Fatal(err)
				}
				sameAsWholeLines(t, l, lines, a.asOf)
			}
		})
	}
}
