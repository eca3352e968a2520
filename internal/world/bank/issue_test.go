package bank_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/format/registry"
	"daozhang/internal/iso8583"
	"daozhang/internal/world/bank"
	"daozhang/internal/world/bank/custody"
	"daozhang/internal/world/journal"
)

// clock is moved by the test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) set(day, hour, minute int) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = time.Date(2026, 3, day, hour, minute, 0, 0, monday.Location())
	return c.now
}

// clearingFile tells a clearing file in a line: kinds and amounts, then the
// trailer.
func clearingFile(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil || len(rows) == 0 {
		return fmt.Sprintf("%s unreadable", filepath.Base(path))
	}
	col := func(row []string, name string) string {
		if i := slices.Index(rows[0], name); i < len(row) {
			return row[i]
		}
		return "?"
	}
	out := filepath.Base(path)
	for _, row := range rows[1:] {
		if col(row, "type") == "clearing.file" {
			out += fmt.Sprintf(" = %s lines %s v%s", col(row, "count"), col(row, "total"), col(row, "version"))
			continue
		}
		out += " " + col(row, "kind") + ":" + col(row, "amount")
		if id := col(row, "id"); strings.ContainsAny(id, "-") {
			out += "(" + id[strings.Index(id, "-"):] + ")"
		}
	}
	return out
}

// TestIssues lets a week of business days end, with everything that can happen to
// clearing files, and the network's money for them.
func TestIssues(t *testing.T) {
	dir := t.TempDir()
	c := &clock{now: monday}
	cfg := bank.Config{Journal: filepath.Join(dir, "j"), Sync: journal.Never, Clearing: filepath.Join(dir, "clearing"), Incoming: filepath.Join(dir, "payouts", "incoming"),
		Now: c.Now, Scenario: scenario(t, `
cutoff: "23:00"
clearing:
  - {when: {amount_endings: ["11"]}, do: omit}
  - {when: {amount_endings: ["22"], first: 1}, do: twice}
  - {when: {amount_endings: ["33"]}, do: amount, by: -3}
  - {when: {amount_endings: ["44"]}, do: stray, by: 8800}
  - {when: {amount_endings: ["55"]}, dates: [2026-03-04], do: next_day}
  - {when: {amount_endings: ["66"]}, do: chargeback, after: 2}
issues:
  - {dates: [2026-03-02], correct: 12h}
  - {dates: [2026-03-03], late: 30h, broken: truncate, again: 1h, correct: 2h}
  - {dates: [2026-03-05], withhold: true}
  - {dates: [2026-03-06], pay_by: -100, pay_late: 1}
`)}
	b := start(t, cfg)
	a := dial(t, b)
	sell := func(amount int64) *iso8583.Message {
		return a.want("00", ask{op: iso8583.Sale, amount: amount, rrn: fmt.Sprintf("6061%08d", amount)})
	}
	late := sell(1000)
	for _, amount := range []int64{111, 222, 1222, 333, 444, 666} {
		sell(amount)
	}
	c.set(3, 12, 0)
	sell(777)
	c.set(4, 12, 0)
	// What was sold two days before is reversed long after its day has ended.
	a.want("00", ask{op: iso8583.Sale, reversal: true, amount: 1000, rrn: "606100001000", of: late})
	sell(4055)
	if err := b.Close(); err != nil { // the file of the open day is written, and replaced later
		t.Fatal(err)
	}
	if got := clearingFile(t, filepath.Join(cfg.Clearing, "UnionPay-20260304.clearing.csv")); !strings.HasSuffix(got, " v") {
		t.Errorf("the open day's file is %s", got)
	}
	c.set(5, 12, 0)
	b = start(t, cfg)
	stan := a.stan
	a = dial(t, b)
	a.stan = stan
	sell(5000)
	c.set(6, 12, 0)
	sell(6000)
	next, err := b.Tick(c.set(6, 22, 0))
	if err != nil || !next.Equal(time.Date(2026, 3, 6, 23, 5, 0, 0, monday.Location())) {
		t.Errorf("next at %v, %v", next, err)
	}
	if _, err := b.Tick(c.set(9, 12, 0)); err != nil {
		t.Fatal(err)
	}
	var got []string
	files, _ := filepath.Glob(filepath.Join(cfg.Clearing, "*.csv"))
	for _, f := range files {
		got = append(got, clearingFile(t, f))
	}
	want := []string{
		"UnionPay-20260302.clearing.csv sale:1000 sale:222 sale:222(-2) sale:1222 sale:330 sale:444 sale:8800(-stray) sale:666 = 8 lines 12906 v1",
		"UnionPay-20260302.v2.clearing.csv sale:1000 sale:111 sale:222 sale:1222 sale:333(-v2) sale:444 sale:666 = 7 lines 3998 v2",
		"UnionPay-20260303.again.clearing.csv unreadable",
		"UnionPay-20260303.clearing.csv unreadable",
		"UnionPay-20260303.v2.clearing.csv sale:777 = 1 lines 777 v2",
		"UnionPay-20260304.clearing.csv reversal:1000 chargeback:666(-chargeback) = 2 lines -1666 v1",
		"UnionPay-20260306.clearing.csv sale:6000 = 1 lines 6000 v1",
		"UnionPay-20260307.clearing.csv = 0 lines 0 v1",
		"UnionPay-20260308.clearing.csv = 0 lines 0 v1",
	}
	for i := range got { // a cut file is what the reader makes of it
		if strings.HasPrefix(got[i], "UnionPay-20260303.") && !strings.Contains(got[i], ".v2.") {
			name, _, _ := strings.Cut(got[i], " ")
			if strings.Contains(got[i], " lines ") {
				t.Errorf("%s has a trailer", got[i])
			}
			got[i] = name + " unreadable"
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	payer, err := custody.Open(custody.Config{Dir: filepath.Join(dir, "payouts"), Scenario: &custody.Scenario{
		Customers: []custody.Customer{{Account: "110900000000001234", Balance: 1_000_000}}, Calendar: "CN"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []time.Time{c.set(2, 12, 0), c.set(12, 12, 0)} {
		if _, err := payer.Tick(at); err != nil {
			t.Fatal(err)
		}
	}
	var paid []string
	payer.View(func(b *custody.Book) {
		for _, m := range b.Movements() {
			sign := map[bool]string{true: "", false: "-"}[m.From == custody.Nostro]
			paid = append(paid, fmt.Sprintf("%s %s %s%d %s", m.Value, m.EndToEnd, sign, m.Amount, m.Text))
		}
	})
	wantPaid := []string{
		"2026-03-03 UNIONPAY-20260302 12906 UnionPay clearing 2026-03-02",
		"2026-03-04 UNIONPAY-20260302-2 -8908 UnionPay clearing 2026-03-02 correction",
		"2026-03-04 UNIONPAY-20260303 777 UnionPay clearing 2026-03-03",
		"2026-03-05 UNIONPAY-20260304 -1666 UnionPay clearing 2026-03-04",
		"2026-03-06 UNIONPAY-20260305 9055 UnionPay clearing 2026-03-05",
		"2026-03-10 UNIONPAY-20260306 5900 UnionPay clearing 2026-03-06",
	}
	if !slices.Equal(paid, wantPaid) {
		t.Errorf("paid\n%s\nwant\n%s", strings.Join(paid, "\n"), strings.Join(wantPaid, "\n"))
	}
}

// TestClearingIsRead reads what is written by the product's reader: every line a
// fact, the trailer agrees, and what an issue repeats is the same fact.
func TestClearingIsRead(t *testing.T) {
	dir := t.TempDir()
	c := &clock{now: monday}
	b := start(t, bank.Config{Clearing: dir, Now: c.Now, Scenario: scenario(t, `
clearing: [{when: {amount_endings: ["33"]}, do: amount, by: 5}]
issues: [{correct: 1h}]
`)})
	a := dial(t, b)
	sale := a.want("00", ask{op: iso8583.Sale, amount: 1000, rrn: "606112000001", uuid: uuidA})
	a.want("00", ask{op: iso8583.Refund, amount: 400, rrn: "606112000002", uuid: uuidB, of: sale})
	a.want("00", ask{op: iso8583.Sale, amount: 333, rrn: "606112000003"})
	if _, err := b.Tick(c.set(3, 12, 0)); err != nil {
		t.Fatal(err)
	}
	set := evidence.NewSet()
	for i, name := range []string{"UnionPay-20260302.clearing.csv", "UnionPay-20260302.v2.clearing.csv"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		in := format.NewInput(name, content, format.Hints{})
		f := registry.All()[slices.IndexFunc(registry.All(), func(f format.Format) bool { return f.Detect(&in.Head) })]
		out := format.NewOut(name, set)
		if err := f.Read(in, out); err != nil || len(out.Rejected())+len(out.Warnings()) > 0 {
			t.Fatalf("%s: %v %v %v", name, err, out.Rejected(), out.Warnings())
		}
		if set.Len() != 4*(i+1) {
			t.Errorf("%d facts after %s", set.Len(), name)
		}
	}
	set.Unify()
	if n := len(set.Conflicts()); n > 0 {
		t.Errorf("%d facts of the two issues contradict each other", n)
	}
	var lines, sum, totals int64
	for ref, f := range set.All {
		switch f.Type {
		case evidence.ClearingLine:
			lines++
			amount, _ := f.Amount()
			sum += amount
		case evidence.ClearingFile:
			n, _ := set.Num(ref, evidence.Total)
			totals += n
		}
	}
	if lines != 6 || sum != 2*(1000+400)+338+333 || totals != (1000-400+338)+(1000-400+333) {
		t.Errorf("%d lines of %d, totals of %d", lines, sum, totals)
	}
}
