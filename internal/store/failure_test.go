package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"daozhang/internal/fault"
	"daozhang/internal/payment"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

func openAt(t *testing.T, address string, settle time.Duration) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Database: address, Migrate: true, Settle: settle})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func sale(n int) storetest.Sale { return storetest.Sale{MID: storetest.MID, TID: "T1000001", N: n} }

// TestDiskFull: a database that may not grow refuses what does not fit, saying
// why; nothing of it stays; and it goes on by itself once there is room.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, time.Second)
	if err := s.Commit(t.Context(), sale(0).Requested()); err != nil {
		t.Fatal(err)
	}
	if err := store.LimitPages(s); err != nil {
		t.Fatal(err)
	}
	n, refused := 1, 0
	var err error
	for ; n < 500; n++ {
		step := sale(n).Requested()
		step.Evidence[0].Line = append(step.Evidence[0].Line[:len(step.Evidence[0].Line)-1], `,"note":"`+strings.Repeat("x", 5000)+`"}`...)
		if err = s.Commit(t.Context(), step); err != nil {
			refused++
			break
		}
	}
	if !errors.Is(err, payment.ErrRefused) || fault.KindOf(err) != fault.Internal || !strings.Contains(fault.HintOf(err), "disk is full") {
		t.Fatalf("%d steps, then %v; hint %q", n, err, fault.HintOf(err))
	}
	if _, err := s.Transaction(t.Context(), sale(n).ID()); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a part of the refused step stayed: %v", err)
	}
	for i := range 5 {
		if err := s.Commit(t.Context(), sale(n+i).Requested()); err != nil {
			t.Errorf("with room again: %v", err)
		}
	}
	storetest.Healthy(t, dir)
}

// TestPostgreSQLKilled: while the server is gone, steps are refused or their
// outcome is open, and say so; once it is back, writing goes on by itself; what
// was acknowledged is there, what was refused is not.
func TestPostgreSQLKilled(t *testing.T) {
	c := storetest.Postgres(t)
	address := c.Database(t)
	s := openAt(t, address, 15*time.Second)
	var mu sync.Mutex
	kept, refused, unknown := []storetest.Sale{}, []storetest.Sale{}, 0
	var acked atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for w := range 12 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				x := storetest.Sale{MID: storetest.MID, TID: fmt.Sprintf("T%07d", w), N: n}
				err := s.Commit(context.Background(), x.Requested())
				mu.Lock()
				switch {
				case err == nil:
					kept = append(kept, x)
					acked.Add(1)
				case errors.Is(err, payment.ErrRefused):
					refused = append(refused, x)
					if hint := fault.HintOf(err); !strings.Contains(hint, "does not answer") {
						t.Errorf("%v; hint %q", err, hint)
					}
				default:
					unknown++
				}
				mu.Unlock()
				if err != nil {
					select {
					case <-stop:
						return
					case <-time.After(20 * time.Millisecond):
					}
				}
			}
		})
	}
	wait := func(n int64) {
		t.Helper()
		for end := time.Now().Add(4 * time.Minute); acked.Load() < n; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%d steps acknowledged", acked.Load())
			}
		}
	}
	for range 3 {
		wait(acked.Load() + 200)
		lost := s.Stats().Lost
		c.Kill(t)
		if err := s.Ping(t.Context()); err == nil {
			t.Error("a database that is gone answers")
		}
		for end := time.Now().Add(60 * time.Second); s.Stats().Lost == lost && time.Now().Before(end); {
			time.Sleep(time.Millisecond) // until the committer has met the loss
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		wait(acked.Load() + 200)
	}
	close(stop)
	wg.Wait()
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
	if s.Stats().Lost == 0 {
		t.Error("no connection was lost: the test tested nothing")
	}
	t.Logf("%d kept, %d refused, %d left open, %d connections lost", len(kept), len(refused), unknown, s.Stats().Lost)
	storetest.Healthy(t, address)
}

// TestOpening: what cannot be opened says why and what to do.
func TestOpening(t *testing.T) {
	for _, c := range []struct {
		o    store.Options
		kind fault.Kind
	}{
		{store.Options{}, fault.Usage},
		{store.Options{Database: "mysql://x"}, fault.Usage},
		{store.Options{Database: "postgres://%zz"}, fault.Usage},
		{store.Options{Database: t.TempDir(), Node: "a b"}, fault.Usage},
		{store.Options{Database: t.TempDir()}, fault.NotFound}, // there is none, and Migrate is not set
		{store.Options{Database: "postgres://u:secretword@127.0.0.1:1/none"}, fault.Internal},
	} {
		s, err := store.Open(t.Context(), c.o)
		if err == nil {
			s.Close()
		}
		if err == nil || fault.KindOf(err) != c.kind || fault.HintOf(err) == "" && c.o.Node == "" || strings.Contains(err.Error(), "secretword") {
			t.Errorf("%+v: %v, hint %q", c.o, err, fault.HintOf(err))
		}
	}
}

// TestClassify: what an error of PostgreSQL means for the commit.
func TestClassify(t *testing.T) {
	for code, want := range map[string]string{"53100": "full", "57P01": "gone", "08006": "gone", "23505": "constraint", "40001": "busy", "40P01": "busy", "25006": "gone",
		"58030": "damaged", "42501": "denied", "42601": "other", "22021": "other"} {
		if got := store.ClassifyPostgres(fmt.Errorf("x: %w", &pgconn.PgError{Code: code})); got != want {
			t.Errorf("%s is %s, want %s", code, got, want)
		}
	}
	if got := store.ClassifyPostgres(errors.New("write: broken pipe")); got != "gone" {
		t.Errorf("a broken connection is %s", got)
	}
	if got := store.ClassifyPostgres(store.ErrStale); got != "other" {
		t.Errorf("a stale row is %s", got)
	}
}

// TestAnswerLost: a commit whose answer is an error is looked into. It happened,
// or it did not and is done again; either way it is there once.
func TestAnswerLost(t *testing.T) {
	for _, before := range []bool{true, false} {
		t.Run(fmt.Sprintf("before the database: %v", before), func(t *testing.T) {
			dir := t.TempDir()
			s := openAt(t, dir, 2*time.Second)
			store.FailCommits(s, func(n int64) (bool, error) {
				if n == 1 {
					return before, errConnection
				}
				return false, nil
			})
			if err := s.Commit(t.Context(), sale(1).Requested()); err != nil {
				t.Fatal(err)
			}
			if err := s.Commit(t.Context(), sale(1).Approved()); err != nil {
				t.Fatal(err)
			}
			r := storetest.Healthy(t, dir)
			if r.Steps != 2 || r.Entries != 1 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// errConnection stands for a lost connection.
var errConnection = errors.New("connection lost")
