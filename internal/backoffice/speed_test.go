//go:build unix

package backoffice_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

var (
	speedLines     = flag.Int("clearing.lines", 0, "lines of the clearing file of TestClearingSpeed; 0 skips the measurement")
	speedMerchants = flag.Int("clearing.merchants", 1000, "of how many merchants")
	speedRounds    = flag.Int("clearing.rounds", 3, "how often each side is measured")
	speedCheck     = flag.String("clearing.check", "", "the daozhang binary whose check is the yardstick")
)

// TestClearingSpeed measures how long it takes to hold a clearing file against the
// ledger and to book it, with its evidence, durably, against `daozhang check` of the
// same files, which are the clearing file and the journal of the terminals. Both run
// in turn. See bench/clearing.sh.
//
// Required: at most twice the time of check.
func TestClearingSpeed(t *testing.T) {
	if *speedLines <= 0 || *speedCheck == "" {
		t.Skip("a measurement; run bench/clearing.sh")
	}
	dir := t.TempDir()
	each := *speedLines / *speedMerchants
	clearing, journal := filepath.Join(dir, "clearing", "UnionPay-20260302.csv"), filepath.Join(dir, "journal.csv")
	if err := writeSpeedFiles(clearing, journal, each); err != nil {
		t.Fatal(err)
	}
	var took, yard []time.Duration
	var work, yardWork time.Duration // processor time
	for round := range *speedRounds {
		d, spent, err := importOnce(t, filepath.Join(dir, fmt.Sprint("data-", round)), filepath.Dir(clearing), each)
		if err != nil {
			t.Fatal(err)
		}
		took, work = append(took, d), work+spent
		begun := time.Now()
		cmd := exec.Command(*speedCheck, "check", clearing, journal, "--as-of", "2026-03-03T20:00:00+08:00", "-o", "ndjson", "--advice", "code")
		out, err := os.Create(filepath.Join(dir, "answer.ndjson"))
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdout, cmd.Stderr = out, os.Stderr
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		yard, yardWork = append(yard, time.Since(begun)), yardWork+cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
		out.Close()
	}
	slices.Sort(took)
	slices.Sort(yard)
	a, b := took[len(took)/2], yard[len(yard)/2]
	verdict := "ok"
	if a > 2*b {
		verdict = "MISSED"
		t.Error("missed")
	}
	fmt.Printf("%d lines of %d merchants reconciled and booked in %.1f s (%.0f/s), check of the same files in %.1f s: %.2f times (at most 2): %s; processor time %.1f s against %.1f s\n",
		each**speedMerchants, *speedMerchants, a.Seconds(), float64(each**speedMerchants)/a.Seconds(), b.Seconds(), a.Seconds()/b.Seconds(), verdict, work.Seconds()/float64(len(took)), yardWork.Seconds()/float64(len(took)))
}

// speedSale is a sale of the measurement.
func speedSale(merchant, n int) storetest.Sale {
	mid := fmt.Sprintf("89831005%07d", merchant)
	return storetest.Sale{MID: mid, TID: "T" + mid[len(mid)-7:], N: n}
}

// writeSpeedFiles writes the network's file and the terminals' journal of the same
// sales, the lines of the merchants mixed.
func writeSpeedFiles(clearing, journal string, each int) error {
	if err := os.MkdirAll(filepath.Dir(clearing), 0o755); err != nil {
		return err
	}
	var files [2]*bufio.Writer
	for i, name := range []string{clearing, journal} {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		defer f.Close()
		files[i] = bufio.NewWriterSize(f, 1<<20)
	}
	fmt.Fprintln(files[0], "type,source,id,time,network,kind,clearing_date,date,count,total,currency,mid,tid,stan,rrn,auth_code,pan,amount,transaction_time")
	fmt.Fprintln(files[1], "type,source,id,time,kind,mid,tid,batch,stan,rrn,auth_code,pan,card_type,network,amount,currency,result,response_code")
	count, total := 0, int64(0)
	for n := range each {
		for m := range *speedMerchants {
			x := speedSale(m, n).Transaction()
			at := x.Received.Add(time.Second).In(china).Format(time.RFC3339)
			count++
			total += x.Amount
			fmt.Fprintf(files[0], "clearing.line,network/UnionPay/2026-03-02,%d,2026-03-02T23:00:00+08:00,UnionPay,sale,2026-03-02,,,,CNY,%s,%s,%s,%s,123456,%s,%d,%s\n",
				count, x.MID, x.TID, x.STAN, x.RRN, x.PAN, x.Amount, at)
			fmt.Fprintf(files[1], "terminal.transaction,terminal/%s,%s-%s,%s,sale,%s,%s,%s,%s,%s,123456,%s,debit,UnionPay,%d,CNY,approved,00\n",
				x.TID, x.Batch, x.STAN, at, x.MID, x.TID, x.Batch, x.STAN, x.RRN, x.PAN, x.Amount)
		}
	}
	fmt.Fprintf(files[0], "clearing.file,network/UnionPay/2026-03-02,file,2026-03-02T23:00:00+08:00,UnionPay,,,2026-03-02,%d,%d,CNY,,,,,,,,\n", count, total)
	for _, f := range files {
		if err := f.Flush(); err != nil {
			return err
		}
	}
	return nil
}

// importOnce fills a store with the captures and measures the import.
func importOnce(t *testing.T, database, folder string, each int) (took, spent time.Duration, err error) {
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{Database: database, Migrate: true})
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	for m := range *speedMerchants {
		shop, err := storetest.OpenShop(ctx, db, speedSale(m, 0).MID)
		if err == nil {
			err = shop.SellMany(ctx, 0, each)
		}
		if err != nil {
			return 0, 0, err
		}
	}
	office := &backoffice.Office{Keeper: db, Now: func() time.Time { return storetest.Begin.Add(24 * time.Hour) }, Policy: settlement.DefaultPolicy(), Calendars: calendar.Builtin,
		Zone: china, Networks: []backoffice.Network{{Name: "UnionPay", Currency: cny, Zone: china, Cutoff: 24 * time.Hour, Clearing: backoffice.Dir(folder)}}}
	begun, before := time.Now(), processorTime()
	tally, err := office.ImportClearing(ctx, "UnionPay")
	took, spent = time.Since(begun), processorTime()-before
	if err != nil || tally.Taken != 1 {
		return 0, 0, fmt.Errorf("%+v: %w", tally, err)
	}
	exceptions, err := db.Exceptions(ctx, store.ExceptionFilter{Open: true})
	if err == nil && len(exceptions) > 0 {
		err = fmt.Errorf("%d breaks, the first: %s", len(exceptions), exceptions[0].Detail)
	}
	return took, spent, err
}

// processorTime is what this process has spent so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
