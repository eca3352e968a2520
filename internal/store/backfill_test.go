package store_test

import (
	"testing"

	"daozhang/internal/calendar"
	"daozhang/internal/money"
	"daozhang/internal/payment"
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
