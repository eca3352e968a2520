package custody_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daozhang/internal/calendar"
)

// TestDocuments compares one of each kind of file byte by byte with what is kept
// in testdata/documents.
func TestDocuments(t *testing.T) {
	for _, form := range []string{"camt.053", "mt940"} {
		r := newRig(t, t.TempDir(), `
name: ICBC
customers: [{account: "110900000000001234", name: "Example & Acquiring", balance: -50}]
limits: {single: 500000}
rules: [{when: {payouts: [P2]}, do: return, code: AC04, after: 1h}]
outages: [{from: 2026-03-02T20:00:00+08:00, to: 2026-03-02T21:00:00+08:00, notice: true}]
statements: {form: `+form+`, payees: `+form+`}`)
		r.tick()
		r.fund("UNIONPAY-20260301", 20000, calendar.DateIn(r.now, china))
		r.fund("UNIONPAY-20260228-2", -30, calendar.DateIn(r.now, china))
		r.tick()
		r.order("M1", pay{id: "P1", amount: 12300}, pay{id: "P2", amount: 5, account: bakery, name: "Bakery <Café>"}, pay{id: "P3", amount: 500001})
		r.until(monday.AddDate(0, 0, 1))
		names := r.files()
		for _, dir := range []string{"incoming"} {
			found, err := os.ReadDir(filepath.Join(r.cfg.Dir, dir))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range found {
				names = append(names, dir+"/"+f.Name())
			}
		}
		for _, name := range names {
			if strings.HasPrefix(name, "statements/") == (form == "camt.053") && !strings.Contains(name, form) || form == "mt940" && !strings.Contains(name, "mt940") {
				continue
			}
			golden := filepath.Join("testdata", "documents", strings.ReplaceAll(name, "/", "_"))
			got := []byte(r.read(name))
			if *update {
				if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			want, err := os.ReadFile(golden)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s differs from %s (%v); look at the difference and run with -update\n%s", name, golden, err, got)
			}
		}
		if err := r.bank.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
