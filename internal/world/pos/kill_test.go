//go:build unix

package pos_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/world/acquirertest"
	"daozhang/internal/world/pos"
)

var kills = flag.Int("pos.kills", 12, "how often TestKilled kills a terminal")

// TestMain lets the test binary be the terminal that is killed.
func TestMain(m *testing.M) {
	if os.Getenv("POS_CHILD") != "" {
		child()
		os.Exit(3) // it was to be killed
	}
	os.Exit(m.Run())
}

// child sells until it kills itself: at the n-th passing of a point.
func child() {
	left, _ := strconv.Atoi(os.Getenv("POS_LEFT"))
	key, err := pos.ParseKey(os.Getenv("POS_TMK"), os.Getenv("POS_KCV"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	cfg := pos.Config{Address: os.Getenv("POS_ADDRESS"), TID: tid, MID: mid, Dir: os.Getenv("POS_DIR"), Transport: transport, Master: key,
		Timeout: 10 * time.Second, Probe: func(p pos.Point) {
			if string(p) != os.Getenv("POS_POINT") {
				return
			}
			if left--; left < 0 {
				_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
				select {}
			}
		}}
	t, err := pos.New(cfg)
	if err == nil {
		err = t.Recover(context.Background())
	}
	for i := 0; err == nil && i < 1000; i++ {
		c, _ := pos.NamedCard("icbc-debit")
		q := pos.Request{Operation: iso8583.Sale, Amount: int64(100 + i), Card: c, Entry: "contactless"}
		if i%4 == 3 {
			q.Operation = iso8583.OfflineSale
		}
		_, err = t.Do(context.Background(), q)
	}
	fmt.Fprintln(os.Stderr, err)
}

// TestKilled kills a terminal of its own process with -9 at every point, over and
// over on one folder. In the end, what the acquirer has approved is what the
// terminal's journal has, no more and no less.
func TestKilled(t *testing.T) {
	host := openKeys(t)
	master, err := host.NewMaster(keyring.Terminal(mid, tid))
	if err != nil {
		t.Fatal(err)
	}
	a, err := acquirertest.Start(host, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	dir := t.TempDir()
	for i := range *kills {
		point := pos.Points[i%len(pos.Points)]
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), "POS_CHILD=1", "POS_ADDRESS="+a.Addr(), "POS_DIR="+dir, "POS_POINT="+string(point),
			fmt.Sprintf("POS_LEFT=%d", i*7%5), fmt.Sprintf("POS_TMK=%x", master.Cipher), fmt.Sprintf("POS_KCV=%x", master.KCV))
		out, err := cmd.CombinedOutput()
		status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
		if !ok || !status.Signaled() || status.Signal() != syscall.SIGKILL {
			t.Fatalf("kill %d at %s: the terminal ended by itself: %v\n%s", i, point, err, out)
		}
	}
	terminal, err := pos.New(pos.Config{Address: a.Addr(), TID: tid, MID: mid, Dir: dir, Transport: transport, Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	if err := terminal.Recover(context.Background()); err != nil {
		t.Fatal(err)
	}
	if st := terminal.Status(); st.Reversals != 0 || st.Offline != 0 {
		t.Errorf("%+v", st)
	}
	all, err := pos.ReadJournal(dir)
	if err != nil {
		t.Fatal(err)
	}
	standing := a.Standing()
	reversed := 0
	for _, x := range all {
		key := tid + "/" + x.Batch + "/" + x.STAN
		stands := (x.Result == "approved" || x.Result == "offline_approved") && x.Reversal == ""
		if amount, ok := standing[key]; ok != stands || ok && amount != x.Amount {
			t.Errorf("%s: the terminal says %s %d %s, the acquirer has it: %v", key, x.Result, x.Amount, x.Reversal, ok)
		}
		if x.Reversal != "" {
			reversed++
		}
		delete(standing, key)
	}
	if len(standing) > 0 {
		t.Errorf("only the acquirer has %v", standing)
	}
	t.Logf("%d kills, %d transactions, %d reversed", *kills, len(all), reversed)
	if s, err := terminal.Settle(context.Background()); err != nil || !s.Balanced {
		t.Errorf("%+v %v", s, err)
	}
}
