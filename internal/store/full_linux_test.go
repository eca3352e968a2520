package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/payment"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

// TestDiskReallyFull: on a file system without room every step is refused for
// certain, with a hint, and reading goes on; with room again writing goes on by
// itself; what was acknowledged is there, what was refused is not.
func TestDiskReallyFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m"); err != nil {
		t.Skipf("a full disk is NOT tested: a small file system cannot be mounted here (%v)", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	s, err := store.Open(t.Context(), store.Options{Database: dir, Migrate: true, Settle: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	note := strings.Repeat("x", 2000)
	step := func(x storetest.Sale) *payment.Step {
		p := x.Requested()
		e := &p.Evidence[0]
		e.Line = append(e.Line[:len(e.Line)-1:len(e.Line)-1], `,"note":"`+note+`"}`...)
		return p
	}
	filler := func(round int) string { return filepath.Join(dir, "filler"+string(rune('0'+round))) }
	for round := range 3 {
		if err := os.WriteFile(filler(round), make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var kept, refused []storetest.Sale
	var mu sync.Mutex
	for round := range 3 {
		var wg sync.WaitGroup
		for c := range 4 {
			wg.Go(func() {
				for n := range 5000 {
					x := storetest.Sale{MID: storetest.MID, TID: "T" + string(rune('A'+round)) + string(rune('A'+c)), N: n}
					err := s.Commit(t.Context(), step(x))
					mu.Lock()
					if err == nil {
						kept = append(kept, x)
						mu.Unlock()
						continue
					}
					refused = append(refused, x)
					mu.Unlock()
					if !errors.Is(err, payment.ErrRefused) || fault.KindOf(err) != fault.Internal || !strings.Contains(fault.HintOf(err), "disk is full") {
						t.Errorf("%v; hint %q", err, fault.HintOf(err))
					}
					return
				}
				t.Error("the disk was never full")
			})
		}
		wg.Wait()
		if _, err := s.Payments(t.Context(), storetest.MID, [16]byte{}, 10); err != nil {
			t.Errorf("reading on a full disk: %v", err)
		}
		if err := os.Remove(filler(round)); err != nil {
			t.Fatal(err)
		}
		x := storetest.Sale{MID: storetest.MID, TID: "T9" + string(rune('A'+round)), N: 1}
		if err := s.Commit(t.Context(), x.Requested()); err != nil {
			t.Errorf("with room again: %v", err)
		}
		kept = append(kept, x)
	}
	for _, x := range kept {
		if _, err := s.Transaction(t.Context(), x.ID()); err != nil {
			t.Errorf("acknowledged and lost: %v", err)
		}
	}
	for _, x := range refused {
		if _, err := s.Transaction(t.Context(), x.ID()); fault.KindOf(err) != fault.NotFound {
			t.Errorf("refused and kept: %v", err)
		}
	}
	t.Logf("%d kept, %d refused", len(kept), len(refused))
	storetest.Healthy(t, dir)
}
