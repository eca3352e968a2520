package store_test

import (
	"fmt"
	"reflect"
	"testing"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

// TestCapturedBeforeSettlement: a database from before there was settlement knows
// after its migration what waits to be settled and cleared.
func TestCapturedBeforeSettlement(t *testing.T) {
	for name, fresh := range map[string]func(testing.TB) string{"SQLite": func(tb testing.TB) string { return tb.TempDir() }, "PostgreSQL": storetest.Database} {
		t.Run(name, func(t *testing.T) {
			address := fresh(t)
			s := openAt(t, address, 0)
			for n := range 3 {
				sale := storetest.Sale{MID: storetest.MID, TID: "T1000001", N: n}
				for _, step := range []*payment.Step{sale.Requested(), sale.Approved()} {
					if err := s.Commit(t.Context(), step); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := s.Commit(t.Context(), storetest.Sale{MID: storetest.MID, TID: "T1000001", N: 9}.Requested()); err != nil {
				t.Fatal(err)
			}
			s.Close()
			db := storetest.Raw(t, address)
			for _, q := range []string{"DELETE FROM settlement_due", "DELETE FROM clearing_due", "DELETE FROM goose_db_version WHERE version_id = 4"} {
				if _, err := db.Exec(q); err != nil {
					t.Fatal(err)
				}
			}
			all, err := store.Migrate(t.Context(), address, false)
			if err != nil || all[3].Applied || all[3].Name != "00004_captured_before.go" {
				t.Fatalf("%+v, %v", all, err)
			}
			s = openAt(t, address, 0)
			items := 0
			for it, err := range s.Items(t.Context(), storetest.MID, money.Currency{'C', 'N', 'Y'}, payment.ID{}) {
				if err != nil || it.Effect != 100+int64(items) {
					t.Fatalf("%+v, %v", it, err)
				}
				items++
			}
			merchants := 0
			for _, err := range s.Uncleared(t.Context(), "UnionPay", calendar.MustYMD(2026, 3, 2)) {
				if err != nil {
					t.Fatal(err)
				}
				merchants++
			}
			if items != 3 || merchants != 1 {
				t.Errorf("%d items, %d merchants", items, merchants)
			}
		})
	}
}

// TestLinesBeforePacked: the lines of clearing files that lay in rows of their own are
// the same after the migration that puts them together.
func TestLinesBeforePacked(t *testing.T) {
	for name, fresh := range map[string]func(testing.TB) string{"SQLite": func(tb testing.TB) string { return tb.TempDir() }, "PostgreSQL": storetest.Database} {
		t.Run(name, func(t *testing.T) {
			address := fresh(t)
			openAt(t, address, 0).Close()
			db := storetest.Raw(t, address)
			for _, q := range []string{"DELETE FROM goose_db_version WHERE version_id = 12",
				`CREATE TABLE clearing_line (merchant TEXT NOT NULL, network TEXT NOT NULL, date TEXT NOT NULL, key TEXT NOT NULL, payment BYTEA, kind TEXT NOT NULL,
					signed BIGINT NOT NULL, outcome TEXT NOT NULL, PRIMARY KEY (merchant, network, date, key))`} {
				if _, err := db.Exec(q); err != nil {
					t.Fatal(err)
				}
			}
			want := map[[2]string][]settlement.Cleared{}
			for _, x := range []struct {
				mid, date string
				lines     int
			}{{"M1", "2026-03-01", 3}, {"M1", "2026-03-02", 1}, {"M2", "2026-03-01", 2100}} {
				date, err := calendar.ParseDate(x.date)
				if err != nil {
					t.Fatal(err)
				}
				for n := range x.lines {
					c := settlement.Cleared{MID: x.mid, Network: "UnionPay", Date: date, Key: fmt.Sprintf("sale/%06d", n), Kind: evidence.Sale, Signed: int64(n + 1), Outcome: settlement.Long}
					var id any
					if n%3 > 0 {
						c.Payment, c.Outcome = payment.ID{15: byte(n), 14: byte(n >> 8)}, settlement.Matched
						id = c.Payment[:]
					}
					if _, err := db.Exec("INSERT INTO clearing_line VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", c.MID, c.Network, x.date, c.Key, id, c.Kind.String(), c.Signed, string(c.Outcome)); err != nil {
						t.Fatal(err)
					}
					k := [2]string{x.mid, x.date}
					want[k] = append(want[k], c)
				}
			}
			if all, err := store.Migrate(t.Context(), address, false); err != nil || all[11].Applied || all[11].Name != "00012_pack_lines.go" {
				t.Fatalf("%+v, %v", all, err)
			}
			s := openAt(t, address, 0)
			for k, lines := range want {
				got, err := s.Cleared(t.Context(), k[0], "UnionPay", lines[0].Date)
				if err != nil || !reflect.DeepEqual(got, lines) {
					t.Errorf("%v: %d lines of %d, %v", k, len(got), len(lines), err)
				}
			}
		})
	}
}
