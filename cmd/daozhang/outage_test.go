//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"daozhang/internal/store/storetest"
	"daozhang/internal/world/bank"
)

// TestPostgresKilled kills the database under the running server, twice, and lets
// it come back: payments go on by themselves, and nothing is lost.
func TestPostgresKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a database to come back")
	}
	c := storetest.Postgres(t)
	r := newCrashRig(t, c.Database(t), crashScenario())
	r.server.start("")
	stop := r.load(context.Background())
	for range 2 {
		before := r.done.Load()
		r.away(func() {
			c.Kill(t)
			time.Sleep(700 * time.Millisecond) // under load, without a database
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
		})
		r.goOn(before)
	}
	sum := stop()
	r.settle(20 * time.Second)
	r.server.stop()
	t.Logf("%d transactions, results %v, codes %v", sum.Transactions, sum.Results, sum.Codes)
	r.judge()
}

// TestDiskFull lets the disk of the embedded database fill up under load, then
// gives it room: while it is full terminals are told to try later, afterwards
// payments go on, and nothing is lost.
func TestDiskFull(t *testing.T) {
	if testing.Short() {
		t.Skip("it fills a disk")
	}
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=256m"); err != nil {
		t.Skipf("SKIPPED: a disk of limited size needs the right to mount: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(disk, 0); err != nil {
			t.Error(err)
		}
	})
	database := filepath.Join(disk, "data")
	r := newCrashRig(t, database, &bank.Scenario{Seed: *crashSeed})
	r.server.start("")
	t.Cleanup(func() { _ = r.server.cmd.Process.Kill(); _, _ = r.server.cmd.Process.Wait() })
	stop := r.load(context.Background())
	// The terminals are going: now little room is left beside what is there.
	var room syscall.Statfs_t
	if err := syscall.Statfs(disk, &room); err != nil {
		t.Fatal(err)
	}
	used := int64(room.Blocks-room.Bfree) * room.Bsize
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", used+1<<20)); err != nil {
		t.Fatal(err)
	}
	full := time.Now()
	await(t, "the disk is full", func() bool {
		v, err := r.server.metric(`daozhang_payments_total{outcome="not_written"}`)
		return err == nil && v != "" && v != "0"
	})
	time.Sleep(300 * time.Millisecond) // under load, without room
	if err := syscall.Mount("tmpfs", disk, "tmpfs", syscall.MS_REMOUNT, "size=256m"); err != nil {
		t.Fatal(err)
	}
	r.idle = append(r.idle, span{full, time.Now()})
	before := r.done.Load()
	r.goOn(before)
	sum := stop()
	r.settle(20 * time.Second)
	r.server.stop()
	t.Logf("%d transactions, results %v, codes %v", sum.Transactions, sum.Results, sum.Codes)
	if !strings.Contains(r.server.log.String(), "not written") {
		t.Error("nobody was told that the disk is full")
	}
	if b, err := os.ReadDir(database); err != nil || len(b) == 0 {
		t.Fatal("the database lies elsewhere", err)
	}
	r.judge()
}

// goOn waits until terminals have run payments since there were so many.
func (r *crashRig) goOn(before int64) {
	r.t.Helper()
	for until := time.Now().Add(4 * time.Minute); r.done.Load() <= before+100; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			r.t.Fatalf("payments do not go on: %d since\n%s", r.done.Load()-before, &r.server.log)
		}
	}
}
