package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

// kept makes a database with a few sales.
func kept(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{Database: dir, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := range 3 {
		sale := storetest.Sale{MID: storetest.MID, TID: "T1000001", N: n}
		if err := s.Commit(t.Context(), sale.Requested()); err != nil {
			t.Fatal(err)
		}
		if err := s.Commit(t.Context(), sale.Approved()); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func examine(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	m := &Main{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Now: time.Now, Getenv: func(string) string { return "" },
		Terminal: func(any) (int, bool) { return 0, false }, Zone: time.UTC}
	code = m.Run(t.Context(), append([]string{"doctor"}, args...))
	return code, stdout.String(), stderr.String()
}

func TestDoctorNamesTheBrokenLink(t *testing.T) {
	dir := kept(t)
	code, out, errs := examine(t, dir)
	if code != 0 || !strings.Contains(out, "3 entries in 1 chains") || !strings.Contains(out, "all is well") || !strings.Contains(out, "CNY") {
		t.Fatalf("code %d\n%s%s", code, out, errs)
	}
	if _, err := storetest.Raw(t, dir).Exec("UPDATE ledger_transfer SET amount = amount + 100 WHERE seq = 2"); err != nil {
		t.Fatal(err)
	}
	code, out, errs = examine(t, dir)
	if code != 1 || !strings.Contains(out, "WRONG      hash chain, merchant "+storetest.MID+": entry 2: ") || !strings.Contains(errs, "backup") {
		t.Errorf("code %d\n%s%s", code, out, errs)
	}
	if code, out, _ := examine(t, dir, "--lang", "zh"); code != 1 || !strings.Contains(out, "异常      哈希链，merchant ") {
		t.Errorf("code %d\n%s", code, out)
	}
	code, out, _ = examine(t, dir, "-o", "json")
	var r store.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 1 || len(r.Findings) != 1 || r.Findings[0].What != "chain" {
		t.Errorf("code %d, %v\n%s", code, err, out)
	}
}

func TestDoctorWantsTheSchemaOfThisProgram(t *testing.T) {
	dir := kept(t)
	db := storetest.Raw(t, dir)
	if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, TRUE)"); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := examine(t, dir); code != 1 || !strings.Contains(out, "version 999") {
		t.Errorf("a newer schema: code %d\n%s", code, out)
	}
	if _, err := db.Exec("DELETE FROM goose_db_version WHERE version_id > 0"); err != nil {
		t.Fatal(err)
	}
	if code, out, _ := examine(t, dir); code != 1 || !strings.Contains(out, "daozhang migrate") {
		t.Errorf("no schema: code %d\n%s", code, out)
	}
}
