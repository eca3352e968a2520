package custody_test

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/world/bank/custody"
	"daozhang/internal/world/journal"
)

// busy is a scenario in which much happens.
const busy = `
customers: [{account: "110900000000001234", name: Example Acquiring, balance: 1000000}]
calendar: CN
hours: 08:30-17:00
accept: {fixed: 1m}
credit: {fixed: 30m, spread: 2h}
charge: 5
limits: {daily: 400000}
payees:
  - {account: "6000001", closed: 2026-03-01, found_after: 20h}
  - {account: "6000002", blocked: {from: 2026-03-03T00:00:00+08:00}}
outages:
  - {from: 2026-03-02T15:00:00+08:00, to: 2026-03-02T16:00:00+08:00, notice: true}
rules:
  - {when: {payouts: [P3]}, do: return, code: AC06, after: 26h}
  - {when: {payouts: [P4]}, do: recall, code: AC04, after: 5h}
  - {when: {amount_endings: ["7"], every: 2}, do: pend, after: 90m}
  - {when: {chance: 0.2}, tell: nothing}
statements:
  page: 3
  faults: [{dates: [2026-03-02], omit: 1, twice: 1h}, {dates: [2026-03-03], wrong: drop, correct: 2h}]
`

// days are what happens: files that come, and ticks.
type happening struct {
	at    time.Time
	name  string
	order []pay
	fund  int64
}

func happenings() []happening {
	at := func(day, hour, minute int) time.Time { return time.Date(2026, 3, day, hour, minute, 0, 0, china) }
	return []happening{
		{at(2, 10, 0), "M1", []pay{{id: "P1", amount: 10017}, {id: "P2", amount: 20000, account: "6000001"}, {id: "P3", amount: 30000}}, 0},
		{at(2, 14, 40), "M2", []pay{{id: "P4", amount: 4007, account: bakery}, {id: "P5", amount: 5000, account: "6000002"}}, 0},
		{at(2, 15, 30), "M3", []pay{{id: "P6", amount: 600007}, {id: "P1", amount: 10017}}, 0},
		{at(2, 16, 5), "UNIONPAY-20260301", nil, 70000},
		{at(3, 9, 0), "M4", []pay{{id: "P7", amount: 7, account: "6000002"}, {id: "P8", amount: 8}}, 0},
		{at(3, 18, 0), "M5", []pay{{id: "P9", amount: 900}}, 0},
		{at(4, 7, 0), "", nil, 0},
		{at(4, 12, 0), "", nil, 0},
		{at(5, 7, 0), "", nil, 0},
	}
}

// bring puts the files of a happening into the folder.
func (r *rig) bring(h happening) {
	r.Helper()
	r.now = h.at
	switch {
	case h.fund != 0:
		r.fund(h.name, h.fund, calendar.DateIn(h.at, china))
	case h.order != nil:
		r.order(h.name, h.order...)
	}
}

// picture is everything that a bank has decided and shown.
func (r *rig) picture() string {
	r.Helper()
	book, err := custody.ReadBook(r.cfg.Journal)
	if err != nil {
		r.Fatal(err)
	}
	var b strings.Builder
	for _, v := range []any{book.Payments(), book.Movements(), book.Accounts()} {
		line, err := json.Marshal(v)
		if err != nil {
			r.Fatal(err)
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	for _, name := range r.files() {
		fmt.Fprintf(&b, "%s\n%s\n", name, r.read(name))
	}
	return b.String()
}

// TestCrash ends the bank at every point of its work, forgetting all that is in
// memory, and lets it go on from its book: in the end the book and every file are
// what they are without a crash.
func TestCrash(t *testing.T) {
	calm := newRig(t, t.TempDir(), busy)
	points := 0
	calm.bank.StopAt(func(string) { points++ })
	for _, h := range happenings() {
		calm.bring(h)
		calm.tick()
	}
	audit(calm)
	if err := calm.bank.Close(); err != nil {
		t.Fatal(err)
	}
	want := calm.picture()
	if points < 60 || !strings.Contains(want, `"recall"`) {
		t.Fatalf("only %d points: too little happens", points)
	}
	t.Logf("%d points", points)
	every := 1
	if testing.Short() {
		every = 7
	}
	for n := 0; n < points; n += every {
		r := newRig(t, t.TempDir(), busy)
		left := n
		for _, h := range happenings() {
			r.bring(h)
			for r.crashes(&left) {
				r.restart()
			}
		}
		if err := r.bank.Close(); err != nil {
			t.Fatal(err)
		}
		if got := r.picture(); got != want {
			t.Fatalf("ended at point %d, book or files differ:\n%s", n, firstDifference(want, got))
		}
	}
}

type crash struct{ point string }

// crashes ticks and reports whether the bank ended in it: at the point at which
// left has counted down, once.
func (r *rig) crashes(left *int) (ended bool) {
	r.Helper()
	defer func() {
		if v := recover(); v != nil {
			if _, ok := v.(crash); !ok {
				panic(v)
			}
			ended = true
		}
	}()
	r.bank.StopAt(func(point string) {
		if *left--; *left == -1 {
			panic(crash{point})
		}
	})
	r.tick()
	return false
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range w {
		if i >= len(g) || w[i] != g[i] {
			was := "(nothing)"
			if i < len(g) {
				was = g[i]
			}
			return fmt.Sprintf("line %d\nwant %.2000s\ngot  %.2000s", i+1, w[i], was)
		}
	}
	return fmt.Sprintf("%d more lines", len(g)-len(w))
}

var kills = flag.Int("custody.kills", 6, "how often TestKilled kills a bank")

// TestMain lets the test binary be the bank that is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("CUSTODY_DIR"); dir != "" {
		serveForKill(dir)
		return
	}
	os.Exit(m.Run())
}

// serveForKill lets the bank's time pass, half an hour a tick, from the first
// tick that its book does not have.
func serveForKill(dir string) {
	s, err := custody.ParseScenario(strings.NewReader(busy))
	if err != nil {
		panic(err)
	}
	b, err := custody.Open(custody.Config{Dir: dir, Journal: filepath.Join(dir, "book"), Sync: journal.Always, Scenario: s})
	if err != nil {
		panic(err)
	}
	fmt.Println("open")
	for at := monday; at.Before(monday.AddDate(0, 0, 5)); at = at.Add(30 * time.Minute) {
		if _, err := b.Tick(at); err != nil {
			panic(err)
		}
		fmt.Println(at.Format(time.RFC3339))
	}
	os.Exit(0)
}

// TestKilled kills a bank of its own process with -9 in the midst of its work:
// after the last start every payout was paid at most once, the accounts are in
// balance, and all that was decided is in the folder.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	r := &rig{tb: t, dir: dir, now: monday, cfg: custody.Config{Dir: dir, Journal: filepath.Join(dir, "book")}}
	if err := os.MkdirAll(filepath.Join(dir, "orders"), 0o755); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		r.order(fmt.Sprintf("M%02d", i), pay{id: fmt.Sprintf("K%02d", i), amount: int64(100 + i)}, pay{id: fmt.Sprintf("K%02d", (i+7)%40), amount: int64(100 + (i+7)%40)})
	}
	dice := rand.New(rand.NewPCG(1, 2))
	for n := range *kills + 1 {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), "CUSTODY_DIR="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for count, until := 0, dice.IntN(40); lines.Scan(); count++ {
			if n < *kills && count == until {
				_ = cmd.Process.Kill()
			}
		}
		if err := cmd.Wait(); err != nil && n == *kills {
			t.Fatal(err)
		}
	}
	book, err := custody.ReadBook(r.cfg.Journal)
	if err != nil {
		t.Fatal(err)
	}
	if len(book.Payments()) != 40 || book.Imbalance() != 0 {
		t.Errorf("%d payouts, imbalance %d", len(book.Payments()), book.Imbalance())
	}
	told := ""
	for _, name := range r.files() {
		told += r.read(name)
	}
	for _, p := range book.Payments() {
		if book.Paid(p.EndToEnd) != 1 {
			t.Errorf("%s was paid %d times", p.EndToEnd, book.Paid(p.EndToEnd))
		}
	}
	for _, m := range book.Movements() {
		if (m.From == safe || m.To == safe) && m.Time.Before(monday.AddDate(0, 0, 3)) && !strings.Contains(told, m.Ref()) {
			t.Errorf("no file tells of %s", m.Ref())
		}
	}
	if n := len(slices.Collect(strings.Lines(told))); n < 1000 {
		t.Errorf("only %d lines were written", n)
	}
}
