//go:build linux

package console_test

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"daozhang/internal/store/storetest"
)

var (
	payments = flag.Int("payments", 0, "how many payments; 0 skips the measurement")
	visits   = flag.Int("visits", 60, "how often each page is asked for")
	keep     = flag.String("keep", "", "a folder for the world and the SQLite store, used again by the next run")
	built    = flag.String("binary", "", "a daozhang to measure instead of building one")
	table    = flag.String("table", "", "a Markdown file in which the figures go between their marks")
)

// What is required, in milliseconds and bytes.
const (
	pageWithin   = 100.0
	searchWithin = 20.0
	firstLoad    = 150_000
)

// figure is what was measured of one kind of page.
type figure struct {
	what          string
	within        float64 // required of p95, in milliseconds
	p50, p95, max float64
	bytes         int // of the largest answer, as it was sent
}

func (f *figure) met() bool { return f.p95 < f.within }

// TestConsole fills a store, starts `daozhang serve` on it as a process of its own,
// signs in as a person does, and asks for each page and list in turn over one
// connection. The time is from the request's sending to the last byte of the answer,
// so it has the loopback in it.
func TestConsole(t *testing.T) {
	if *payments <= 0 {
		t.Skip("a measurement; run bench/console.sh")
	}
	dir := *keep
	if dir == "" {
		dir = t.TempDir()
	}
	binary := *built
	if binary == "" {
		binary = filepath.Join(t.TempDir(), "daozhang")
		if out, err := exec.Command("go", "build", "-o", binary, "daozhang/cmd/daozhang").CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	}
	w := openWorld(t, binary, dir, *payments)
	measured := map[string][]figure{}
	var order []string
	for _, d := range []struct {
		name     string
		database func(t *testing.T) string
	}{
		{"SQLite", func(*testing.T) string { return filepath.Join(dir, fmt.Sprintf("store-%d", *payments)) }},
		{"PostgreSQL", func(t *testing.T) string { return storetest.Durable(t).Database(t) }},
	} {
		t.Run(d.name, func(t *testing.T) {
			begun := time.Now()
			database := d.database(t)
			n := w.load(t, database)
			t.Logf("%d facts in the store after %.0f s", n, time.Since(begun).Seconds())
			if d.name == "PostgreSQL" { // as a database that has been in use: it would be busy with that for minutes
				if _, err := storetest.Raw(t, database).Exec("VACUUM (ANALYZE)"); err != nil {
					t.Fatal(err)
				}
			}
			s := start(t, binary, database)
			defer s.stop()
			s.follow(n)
			t.Logf("%d facts investigated after %.0f s, %.0f MB resident", n, time.Since(begun).Seconds(), s.resident())
			all := measure(t, s)
			measured[d.name], order = all, append(order, d.name)
			for _, f := range all {
				verdict := "ok"
				if !f.met() {
					verdict = "MISSED"
					t.Errorf("%s: p95 %.1f ms, required %.0f ms", f.what, f.p95, f.within)
				}
				fmt.Printf("%-10s %-52s p50 %6.1f  p95 %6.1f  max %6.1f ms (%3.0f)  %7d bytes  %s\n", d.name, f.what, f.p50, f.p95, f.max, f.within, f.bytes, verdict)
			}
			first := s.firstLoad("/overview")
			fmt.Printf("%-10s first load of /overview with its assets: %d bytes (%d)\n", d.name, first, firstLoad)
			if first > firstLoad {
				t.Errorf("first load: %d bytes, required %d", first, firstLoad)
			}
		})
	}
	if *table != "" && len(order) > 0 {
		if err := write(*table, order, measured); err != nil {
			t.Error(err)
		}
	}
}

// measure asks for everything in turn, so that what the machine does meanwhile hits
// all alike.
func measure(t *testing.T, s *served) []figure {
	all := s.pages()
	took := make([][]float64, len(all))
	bytes := make([]int, len(all))
	for round := range *visits + 2 {
		for i := range all {
			path := all[i].path(round)
			if path == "" {
				continue
			}
			ms, n := s.ask(path, all[i].key)
			if round < 2 {
				continue // to warm up
			}
			took[i] = append(took[i], ms)
			bytes[i] = max(bytes[i], n)
		}
	}
	var out []figure
	for i, p := range all {
		if len(took[i]) == 0 {
			t.Errorf("%s: there was nothing to ask for", p.what)
			continue
		}
		slices.Sort(took[i])
		at := func(q float64) float64 { return took[i][min(int(q*float64(len(took[i]))), len(took[i])-1)] }
		out = append(out, figure{what: p.what, within: cmp.Or(p.within, pageWithin), p50: at(0.5), p95: at(0.95), max: at(1), bytes: bytes[i]})
	}
	return out
}

// The marks between which write puts the figures.
const begins, ends = "<!-- figures: bench/console.sh -w -->\n", "<!-- end of the figures -->"

// write puts the figures of all databases into a file.
func write(name string, order []string, measured map[string][]figure) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(text), begins)
	_, after, ok2 := strings.Cut(rest, ends)
	if !ok || !ok2 {
		return fmt.Errorf("%s: the place of the figures is not marked", name)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d payments, %d visits of each; milliseconds.\n\n| | required p95 |", *payments, *visits)
	for _, d := range order {
		fmt.Fprintf(&b, " %s p50 | p95 | most |", d)
	}
	b.WriteString(" bytes |\n|---|---|" + strings.Repeat("---|---|---|", len(order)) + "---|\n")
	for i, f := range measured[order[0]] {
		fmt.Fprintf(&b, "| %s | %.0f |", f.what, f.within)
		for _, d := range order {
			f := measured[d][i]
			missed := ""
			if !f.met() {
				missed = " **missed**"
			}
			fmt.Fprintf(&b, " %.1f | %.1f%s | %.1f |", f.p50, f.p95, missed, f.max)
		}
		fmt.Fprintf(&b, " %d |\n", f.bytes)
	}
	return os.WriteFile(name, []byte(before+begins+b.String()+ends+after), 0o644)
}

// decode reads JSON that a test may rely on.
func decode(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("%v: %.200s", err, raw)
	}
}
