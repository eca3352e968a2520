//go:build unix

package store_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/payment"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

var (
	settlePayments  = flag.Int("settle-payments", 0, "how many payments to settle; 0 skips the measurement")
	settleMerchants = flag.Int("settle-merchants", 1000, "of how many merchants")
	settleAtOnce    = flag.Int("settle-at-once", 8, "how many merchants are settled at the same time")
)

// settlementLeaves are the tables in which a settlement leaves rows, and which of
// them are its own: not those of the captures.
var settlementLeaves = map[string]string{"settlement_position": "1 = 1", "settlement_batch": "1 = 1", "settlement_line": "1 = 1", "payout": "1 = 1",
	"ledger_transfer": "payment IS NULL", "evidence": "source NOT LIKE 'institution/%'", "journal": `step LIKE '%"settlement_batch"%'`}

// TestSettlementSpeed measures the settlement of many payments of many merchants
// by settlement.Settle over the store, from the captured payment to the created
// payout, against a bare insert of the rows that it left, in the same number of
// transactions into the same kind of store, in one run. What was there before,
// the captures, counts on neither side.
//
// Required: at most twice the time of the bare insert.
func TestSettlementSpeed(t *testing.T) {
	if *settlePayments <= 0 {
		t.Skip("a measurement; run bench/settlement.sh")
	}
	t.Run("SQLite", func(t *testing.T) { settlementSpeed(t, func() string { return t.TempDir() }) })
	t.Run("PostgreSQL", func(t *testing.T) {
		c := storetest.Durable(t)
		settlementSpeed(t, func() string { return c.Database(t) })
	})
}

func settlementSpeed(t *testing.T, fresh func() string) {
	ctx := t.Context()
	address := fresh()
	s, err := store.Open(ctx, store.Options{Database: address, Node: "bench", Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	each := *settlePayments / *settleMerchants
	shops := make([]*storetest.Shop, *settleMerchants)
	begun := time.Now()
	inParallel(t, len(shops), func(i int) (err error) {
		if shops[i], err = storetest.OpenShop(ctx, s, fmt.Sprintf("89831005%07d", i)); err == nil {
			err = captured(ctx, s, shops[i].MID, each)
		}
		return err
	})
	t.Logf("%d payments of %d merchants captured in %.1f s", each*len(shops), len(shops), time.Since(begun).Seconds())
	before := s.Stats()
	restPeak()
	worked := processorTime()
	begun = time.Now()
	inParallel(t, len(shops), func(i int) error { return shops[i].Settle(ctx, storetest.Day, true, nil) })
	took := time.Since(begun)
	worked = processorTime() - worked
	peak := peakMemory()
	after := s.Stats()
	groups := int(after.Groups - before.Groups)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	alone, rows, err := store.Inserted(ctx, address, fresh(), settlementLeaves, groups)
	if err != nil {
		t.Fatal(err)
	}
	if rows < 2*each*len(shops) {
		t.Fatalf("%d rows of %d payments", rows, each*len(shops))
	}
	ratio := took.Seconds() / alone.Seconds()
	verdict := "ok"
	if ratio > 2 {
		verdict = "MISSED"
		t.Error("missed")
	}
	fmt.Printf("%s: %d payments of %d merchants settled in %.1f s (%.0f/s, %d steps in %d commits); %d rows inserted alone in %.1f s: %.2f times (at most 2): %s; %.1f s of this process's processors; peak memory %d MB\n",
		strings.TrimPrefix(t.Name(), "TestSettlementSpeed/"), each*len(shops), len(shops), took.Seconds(), float64(each*len(shops))/took.Seconds(),
		after.Steps-before.Steps, groups, rows, alone.Seconds(), ratio, verdict, worked.Seconds(), peak>>20)
}

func inParallel(t *testing.T, n int, f func(int) error) {
	t.Helper()
	next := make(chan int)
	var wg sync.WaitGroup
	for range *settleAtOnce {
		wg.Go(func() {
			for i := range next {
				if err := f(i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// captured commits approved sales of one merchant, many a step: what a day has
// left when it is over.
func captured(ctx context.Context, s *store.Store, mid string, n int) error {
	const most = 250
	step := &payment.Step{MID: mid, At: storetest.Begin}
	for i := range n {
		sale := storetest.Sale{MID: mid, TID: "T" + mid[len(mid)-7:], N: i}
		one := sale.Approved()
		x := one.Transactions[0]
		x.Version, x.CardType = 1, evidence.Debit
		step.Transactions = append(step.Transactions, x)
		step.Transfers = append(step.Transfers, one.Transfers...)
		if len(step.Transactions) == most || i == n-1 {
			if err := s.Commit(ctx, step); err != nil {
				return err
			}
			step.Reset()
			step.MID, step.At = mid, storetest.Begin
		}
	}
	return nil
}

// processorTime is what this process has used of the processors.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// restPeak lets the system forget how much memory the process once had.
func restPeak() {
	debug.FreeOSMemory()
	os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // where there is none, the peak is that of the whole run
}

// peakMemory is the most memory that the process had, in bytes; 0 where the
// system does not say.
func peakMemory() (bytes int64) {
	raw, _ := os.ReadFile(filepath.Join("/proc/self", "status"))
	for line := range strings.Lines(string(raw)) {
		if n, err := fmt.Sscanf(line, "VmHWM: %d kB", &bytes); err == nil && n == 1 {
			return bytes << 10
		}
	}
	return 0
}
