package store_test

import (
	"fmt"
	"testing"

	"daozhang/internal/payment"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

// TestEvidenceOfNone: facts that belong to no merchant, such as a link's state, are
// read as a merchant's are, and neither stand among the other's.
func TestEvidenceOfNone(t *testing.T) {
	for name, address := range map[string]func(*testing.T) string{
		"SQLite":     func(t *testing.T) string { return t.TempDir() },
		"PostgreSQL": func(t *testing.T) string { return storetest.Postgres(t).Database(t) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := store.Open(t.Context(), store.Options{Database: address(t), Migrate: true})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if err := s.Commit(t.Context(), sale(1).Requested()); err != nil {
				t.Fatal(err)
			}
			var facts []payment.Evidence
			for i := range 5 {
				id := fmt.Sprintf("up/%d", i)
				facts = append(facts, payment.Evidence{Source: "gateway/x", ID: id,
					Line: fmt.Appendf(nil, `{"specversion":"1.0","id":%q,"source":"gateway/x","type":"daozhang.link.status","time":"2026-03-02T10:00:0%dZ","data":{"link":"platform","state":"up"}}`, id, i)})
			}
			if _, err := s.Append(t.Context(), facts); err != nil {
				t.Fatal(err)
			}
			var got []string
			for l, err := range s.EvidenceOf(t.Context(), "") {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, l.ID)
				if l.MID != "" {
					t.Errorf("%s belongs to %q", l.ID, l.MID)
				}
			}
			if want := "[up/0 up/1 up/2 up/3 up/4]"; fmt.Sprint(got) != want {
				t.Errorf("facts of no merchant are %v, want %s", got, want)
			}
			of := 0
			for _, err := range s.EvidenceOf(t.Context(), storetest.MID) {
				if err != nil {
					t.Fatal(err)
				}
				of++
			}
			if of != len(sale(1).Requested().Evidence) {
				t.Errorf("the merchant has %d facts", of)
			}
		})
	}
}
