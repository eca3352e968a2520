package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/payment"
	"daozhang/internal/store"
)

// TestRegistersBeside: keys are made and ended by another process while payments
// are written; it can write nothing else, and neither keeps the other out.
func TestRegistersBeside(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Options{Database: dir, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := store.Open(t.Context(), store.Options{Database: dir, Node: "keys", Registers: true})
	if err != nil {
		t.Fatalf("beside the writer: %v", err)
	}
	defer r.Close()
	var work sync.WaitGroup
	const n = 100
	work.Go(func() {
		for i := range n {
			if err := s.Commit(t.Context(), sale(i).Requested()); err != nil {
				t.Errorf("a payment: %v", err)
			}
		}
	})
	work.Go(func() {
		for i := range n {
			k := store.APIKey{ID: fmt.Sprint("k", i), Name: "beside", Role: "bank", Created: time.Now()}
			err := r.CreateKey(t.Context(), k, store.HashKey(k.ID))
			if err == nil && i%2 == 0 {
				err = r.RevokeKey(t.Context(), k.ID, time.Now())
			}
			if err != nil {
				t.Errorf("a key: %v", err)
			}
		}
	})
	work.Wait()
	revoked := 0
	for i := range n {
		k, err := s.Key(t.Context(), store.HashKey(fmt.Sprint("k", i)))
		if err != nil {
			t.Fatal(err)
		}
		if !k.Revoked.IsZero() {
			revoked++
		}
	}
	if revoked != n/2 {
		t.Errorf("the writer sees %d keys revoked, want %d", revoked, n/2)
	}
	if err := r.Commit(t.Context(), sale(n).Requested()); fault.KindOf(err) != fault.NotAllowed || !errors.Is(err, payment.ErrRefused) {
		t.Errorf("a payment by the second process: %v", err)
	}
	if _, err := r.Append(t.Context(), sale(n).Requested().Evidence); fault.KindOf(err) != fault.NotAllowed {
		t.Errorf("evidence by the second process: %v", err)
	}
	if _, err := store.Open(t.Context(), store.Options{Database: dir, Node: "other"}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a second writer: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if rep, err := store.Doctor(t.Context(), dir, nil); err != nil || len(rep.Findings) > 0 {
		t.Errorf("doctor: %v %+v", err, rep.Findings)
	}
}
