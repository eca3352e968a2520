package bank_test

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daozhang/internal/iso8583"
	"daozhang/internal/world/bank"
)

var kills = flag.Int("bank.kills", 4, "how often TestKilled kills a bank")

// TestMain lets the test binary be the bank that is killed.
func TestMain(m *testing.M) {
	if path := os.Getenv("BANK_JOURNAL"); path != "" {
		b, err := bank.Start(context.Background(), bank.Config{Journal: path, Now: func() time.Time { return monday }})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(b.Addr())
		<-b.Done()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestKilled kills a bank of its own process with -9 while it answers: every answer
// that left stands in the journal, each once.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "j")
	var stan, answered atomic.Int64
	approved := sync.Map{} // STAN to authorization code
	for range *kills {
		cmd := exec.Command(os.Args[0], "-test.run=^$")
		cmd.Env = append(os.Environ(), "BANK_JOURNAL="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		address, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		enough := answered.Load() + 60
		var wg sync.WaitGroup
		for range 4 {
			conn, err := net.Dial("tcp", strings.TrimSpace(address))
			if err != nil {
				t.Fatal(err)
			}
			a := &acquirer{t: t, conn: conn, r: iso8583.NewReader(conn, iso8583.Network().Framing, 0)}
			wg.Go(func() {
				defer conn.Close()
				for {
					m := a.message(ask{op: iso8583.Sale, stan: fmt.Sprintf("%06d", stan.Add(1)), uuid: uuidA})
					b, err := m.Encode()
					if err != nil || iso8583.WriteFrame(conn, iso8583.Network().Framing, b) != nil {
						return
					}
					r, err := a.receive(10 * time.Second)
					if err != nil {
						return
					}
					approved.Store(r.Get(iso8583.STAN), r.Get(iso8583.AuthCode))
					if answered.Add(1) == enough {
						_ = cmd.Process.Kill()
					}
				}
			})
		}
		wg.Wait()
		_ = cmd.Wait()
	}
	entries, err := bank.ReadJournal(path)
	if err != nil {
		t.Fatal(err)
	}
	kept := map[string]string{}
	for _, e := range entries {
		if _, twice := kept[e.STAN]; twice {
			t.Errorf("trace number %s was approved twice", e.STAN)
		}
		kept[e.STAN] = e.AuthCode
	}
	n := 0
	for k, v := range approved.Range {
		n++
		if kept[k.(string)] != v.(string) {
			t.Errorf("the approval of %v was answered and is not on record", k)
		}
	}
	if n < 60**kills {
		t.Errorf("only %d answers", n)
	}
	t.Logf("%d kills, %d answers, %d entries", *kills, n, len(entries))
}
