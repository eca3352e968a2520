package main

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

// TestExceptionsCommand works on a break from the list to the write-off, as people
// type it, over a database.
func TestExceptionsCommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	now := time.Date(2026, 3, 4, 1, 0, 0, 0, time.UTC)
	id := withBreak(t, dir, now)
	run := func(want int, args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		m := &Main{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Now: func() time.Time { return now }, Zone: time.UTC,
			Getenv: func(string) string { return "" }, Terminal: func(any) (int, bool) { return 0, false }}
		if got := m.Run(context.Background(), append(args, "--database", dir)); got != want {
			t.Fatalf("%q: exit code %d, want %d:\n%s", args, got, want, errs.String())
		}
		return out.String() + errs.String()
	}
	see := func(text string, in ...string) {
		t.Helper()
		for _, s := range in {
			if !strings.Contains(text, s) {
				t.Errorf("%q is not in\n%s", s, text)
			}
		}
	}
	see(run(0, "exceptions", "list"), id, "Captured, not cleared (short)", "¥50.00", "Unassigned")
	see(run(0, "exceptions", "list", "--lang", "zh", "-o", "csv"), "短款", "未分配")
	see(run(0, "exceptions", "assign", id, "--to", "anne", "--text", "hers", "--by", "bert"), "is open")
	run(5, "exceptions", "assign", id, "--to", "anne", "--text", "hers", "--by", "bert")
	see(run(0, "exceptions", "list", "--inbox", "owned"), "anne")
	run(1, "exceptions", "resolve", id, "--outcome", "forgotten", "--text", "x", "--by", "anne")
	told := run(0, "exceptions", "write-off", id, "--amount", "20.00", "--text", "the network's own fee", "--by", "anne")
	see(told, "daozhang approvals approve "+storetest.MID+".")
	approval := strings.Fields(told[strings.Index(told, "approvals approve ")+len("approvals approve "):])[0]
	see(run(0, "approvals", "show", approval), "fee_income → network_receivable", "the network's own fee", "Write-off")
	run(4, "approvals", "approve", approval, "--by", "anne")
	see(run(0, "approvals", "approve", approval, "--by", "bert"), "done")
	see(run(0, "approvals", "list", "--over"), "Write-off", "1/1", "done")
	see(run(0, "exceptions", "show", id), "anne", "Assigned", "the network's own fee", "carried out")
	see(run(0, "exceptions", "resolve", id, "--outcome", "corrected", "--text", "the rest came", "--by", "anne"), "resolved")
	if out := run(0, "exceptions", "list", "-o", "ndjson"); strings.Contains(out, id) {
		t.Errorf("still to be done: %s", out)
	}
	storetest.Healthy(t, dir)
}

// withBreak makes a database with a merchant and one break, and gives its item.
func withBreak(t *testing.T, dir string, now time.Time) string {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Database: dir, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := storetest.OpenShop(t.Context(), db, storetest.MID); err != nil {
		t.Fatal(err)
	}
	cny, err := money.ParseCurrency("CNY")
	if err != nil {
		t.Fatal(err)
	}
	x := payment.Exception{ID: uuid.New(), MID: storetest.MID, Kind: string(settlement.Short), Owner: "network/UnionPay", Amount: 5000, Currency: cny, Opened: now.Add(-time.Hour),
		Detail: "captured RRN 606212000107 has no line in the network's file"}
	s := &settlement.Step{}
	s.MID, s.At, s.Exceptions = x.MID, now, []payment.Exception{x}
	if err := db.CommitSettlement(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return storetest.MID + ".exception." + x.ID.String()
}
