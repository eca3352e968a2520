package storetest

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite"

	"daozhang/internal/evidence"
	"daozhang/internal/merchant"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
)

// childVariable tells a process of the test binary that it is a crash test's
// child, and which database it writes to.
const childVariable = "DAOZHANG_STORETEST_CHILD"

// Main runs a test binary: as the child of a crash test where the environment
// says so, else its tests. It gives the exit code.
func Main(m *testing.M) int {
	if address := os.Getenv(childVariable); address != "" {
		return child(address)
	}
	defer Shutdown()
	return m.Run()
}

const crashCallers = 16

// child commits sales without end, from several callers, and tells after each
// acknowledged step which it was. It is killed in the middle of it.
func child(address string) int {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Options{Database: address, Node: "test"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	round := os.Getenv(childVariable + "_ROUND")
	if round == settling {
		return settlingChild(s)
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for c := range crashCallers {
		wg.Go(func() {
			for n := 0; ; n++ {
				sale := Sale{fmt.Sprint("M", c%5), fmt.Sprintf("T%s%04d", round, c), n}
				for i, step := range []*payment.Step{sale.Requested(), sale.Approved()} {
					if err := s.Commit(ctx, step); err != nil {
						fmt.Fprintln(os.Stderr, err)
						return
					}
					mu.Lock()
					fmt.Printf("%s %s %d %d\n", sale.MID, sale.TID, n, i)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	return 1
}

// crash kills a process in the middle of its work, several times. What was
// acknowledged is there; what was not is there whole or not at all; the books
// hold; and the next process goes on where it ended.
func crash(t *testing.T, address string) {
	open(t, address).Close()
	rounds := 4
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		type ack struct {
			sale Sale
			step int
		}
		var acked []ack
		want := 50 + 170*round
		for _, line := range killAfter(t, address, fmt.Sprint(round), want) {
			var a ack
			if _, err := fmt.Sscanf(line, "%s %s %d %d", &a.sale.MID, &a.sale.TID, &a.sale.N, &a.step); err == nil {
				acked = append(acked, a) // the last line may be torn
			}
		}
		if len(acked) < want {
			t.Fatalf("round %d: the child ended after %d steps", round, len(acked))
		}
		s := open(t, address)
		for _, a := range acked {
			x, err := s.Transaction(t.Context(), a.sale.ID())
			if err != nil || int(x.Version) <= a.step {
				t.Errorf("round %d: an acknowledged step is lost: %+v, version %d, %v", round, a, x.Version, err)
			}
		}
		whole(t, s)
		s.Close()
		Healthy(t, address)
	}
}

// killAfter starts a child and kills it after it has said some lines; it gives all
// that the child said.
func killAfter(t *testing.T, address, round string, want int) (said []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+address, childVariable+"_ROUND="+round)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	watchdog := time.AfterFunc(60*time.Second, func() { cmd.Process.Kill() })
	defer watchdog.Stop()
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if said = append(said, lines.Text()); len(said) == want {
			cmd.Process.Kill() // SIGKILL; lines that are in the pipe are read to their end
		}
	}
	cmd.Wait()
	return said
}

// settling is the round of a child that settles and pays.
const settling = "settling"

const (
	settlingShops = 3
	settlingSales = 40
)

// settlingChild settles the day of several merchants, a few lines a step, and
// hands out their payouts. It tells of each step that is durable.
func settlingChild(s *store.Store) int {
	ctx := context.Background()
	var mu sync.Mutex
	say := func(mid, what string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Println(mid, what)
	}
	var wg sync.WaitGroup
	for m := range settlingShops {
		wg.Go(func() {
			h := shopOf(s, fmt.Sprint(MID, m))
			h.Policy.Chunk = 2
			err := h.Settle(ctx, Day, true, func(*settlement.Step) bool { say(h.MID, "step"); return true })
			var all []settlement.Payout
			if err == nil {
				all, err = s.PayoutsOf(ctx, h.MID, settlement.Created)
			}
			for _, p := range all {
				var record merchant.Merchant
				var step *settlement.Step
				if record, err = s.MerchantRecord(ctx, h.MID); err == nil {
					step, err = settlement.Dispatch(&h.Policy, h.Now, &record, p)
				}
				if err == nil {
					err = s.CommitSettlement(ctx, step)
				}
				if err == nil {
					say(h.MID, "order")
				}
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		})
	}
	wg.Wait()
	return 0
}

// settlementCrash kills a process that settles and pays, again and again, until
// another one has nothing left to do. No step that was told of is lost, every
// sale has one line, every merchant one payout, and no order left twice.
func settlementCrash(t *testing.T, address string) {
	s := open(t, address)
	for m := range settlingShops {
		ok(t, shop(t, s, fmt.Sprint(MID, m)).Sell(t.Context(), 0, settlingSales))
	}
	ok(t, s.Close())
	steps, orders := map[string]int{}, map[string]int{}
	for round := 0; ; round++ {
		said := killAfter(t, address, settling, 5+4*round)
		for _, line := range said {
			switch mid, what, _ := strings.Cut(line, " "); what {
			case "step":
				steps[mid]++
			case "order":
				orders[mid]++
			}
		}
		s := open(t, address)
		for m := range settlingShops {
			mid := fmt.Sprint(MID, m)
			done := 0
			for _, b := range must[[]settlement.Batch](t)(s.Batches(t.Context(), mid, cny, Day)) {
				done += b.Chunks
			}
			if done < steps[mid] || orders[mid] > 1 {
				t.Errorf("round %d, merchant %s: %d steps told of, %d kept; %d orders", round, mid, steps[mid], done, orders[mid])
			}
		}
		ok(t, s.Close())
		Healthy(t, address)
		if len(said) == 0 {
			break
		}
		if round == 60 {
			t.Fatal("it does not come to an end")
		}
	}
	s = open(t, address)
	for m := range settlingShops {
		h := shopOf(s, fmt.Sprint(MID, m))
		if p := h.Payout(t); p.Lines != settlingSales || p.State != settlement.Sent {
			t.Errorf("%+v", p)
		}
		if lines := all(t, s.Lines(t.Context(), h.MID, cny, Day)); len(lines) != settlingSales {
			t.Errorf("%d lines", len(lines))
		}
	}
}

// whole checks that of every sale what belongs together is there together.
func whole(t *testing.T, s *store.Store) {
	t.Helper()
	facts := map[string]bool{}
	for cursor := store.Cursor(""); ; {
		lines, next, err := s.Evidence(t.Context(), cursor, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			facts[l.ID] = true
		}
		if cursor = next; len(lines) < 1000 {
			break
		}
	}
	n := 0
	for c := range 5 {
		mid := fmt.Sprint("M", c)
		captured := map[string]bool{}
		for e, err := range s.Entries(t.Context(), mid) {
			if err != nil {
				t.Fatal(err)
			}
			captured[e.Payment.String()] = true
		}
		for _, p := range must[[]payment.Transaction](t)(s.Payments(t.Context(), mid, [16]byte{}, 100000)) {
			n++
			id := p.ID.String()
			approved := p.State == payment.Approved
			if !facts[id+"/request"] || facts[id+"/response"] != approved || captured[id] != approved {
				t.Errorf("payment %s is %s, request %v, response %v, captured %v", id, p.State, facts[id+"/request"], facts[id+"/response"], captured[id])
			}
			delete(facts, id+"/request")
			delete(facts, id+"/response")
			delete(captured, id)
		}
		if len(captured) > 0 {
			t.Errorf("%d transfers of no payment", len(captured))
		}
	}
	if n == 0 || len(facts) > 0 {
		t.Errorf("%d payments, %d facts of none", n, len(facts))
	}
}

// Raw opens the database beside the store, as a vandal or a defect would.
func Raw(t testing.TB, address string) *sql.DB {
	t.Helper()
	driver, dsn := "pgx", address
	if !Several(address) {
		driver, dsn = "sqlite", "file:"+filepath.Join(address, "daozhang.db")+"?_pragma=busy_timeout(5000)"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// tampering: what is changed behind the store's back is found and named.
func tampering(t *testing.T, address string) {
	s := open(t, address)
	for n := range 5 {
		sale := Sale{MID, "T1000001", n}
		commit(t, s, sale.Requested(), sale.Approved())
	}
	lost := Sale{MID, "T1000001", 9}
	commit(t, s, lost.Requested(), lost.Unanswered(), &payment.Step{MID: MID, At: Begin, Evidence: []payment.Evidence{
		Fact("gateway/test", "link", evidence.LinkStatus, "", Begin, map[string]any{"link": "l", "state": "up"})}})
	s.Close()
	Healthy(t, address)
	db := Raw(t, address)
	for _, c := range []struct{ do, undo, what, why string }{
		{"UPDATE ledger_transfer SET amount = amount + 1 WHERE seq = 3", "UPDATE ledger_transfer SET amount = amount - 1 WHERE seq = 3", "chain", "entry 3: "},
		{"UPDATE ledger_transfer SET credit = 'fee_income' WHERE seq = 1", "UPDATE ledger_transfer SET credit = 'merchant_pending' WHERE seq = 1", "chain", "entry 1: "},
		{"UPDATE ledger_transfer SET debit = 'cash' WHERE seq = 2", "UPDATE ledger_transfer SET debit = 'network_receivable' WHERE seq = 2", "chain", "debit account"},
		{"UPDATE ledger_transfer SET seq = 12 WHERE seq = 2", "UPDATE ledger_transfer SET seq = 2 WHERE seq = 12", "chain", "entry 2: the entry is missing"},
		{"UPDATE ledger_transfer SET merchant = 'X' WHERE seq = 5", "UPDATE ledger_transfer SET merchant = '" + MID + "' WHERE seq = 5", "chain", "entry 5: "},
		{"UPDATE ledger_head SET seq = 4", "UPDATE ledger_head SET seq = 5", "chain", "entry 5: the entry lies beyond"},
		{"UPDATE ledger_balance SET credits = credits + 1 WHERE account = 'merchant_pending'", "UPDATE ledger_balance SET credits = credits - 1 WHERE account = 'merchant_pending'",
			"balance", "debits and credits differ"},
		{"UPDATE payment SET body = REPLACE(body, '\"stan\":\"000002\"', '\"stan\":\"000012\"')", "UPDATE payment SET body = REPLACE(body, '\"stan\":\"000012\"', '\"stan\":\"000002\"')",
			"journal", "is not as the journal left it"},
		{"UPDATE outgoing SET merchant = 'X'", "UPDATE outgoing SET merchant = '" + MID + "'", "journal", "outgoing"},
	} {
		if _, err := db.Exec(c.do); err != nil {
			if strings.Contains(err.Error(), "partition value") {
				continue // a distributed database does not let a row change its merchant
			}
			t.Fatal(c.do, err)
		}
		r, err := store.Doctor(t.Context(), address, nil)
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, f := range r.Findings {
			found = found || f.What == c.what && strings.Contains(f.Why, c.why)
		}
		if !found {
			t.Errorf("%s: found %+v", c.do, r.Findings)
		}
		if _, err := db.Exec(c.undo); err != nil {
			t.Fatal(c.undo, err)
		}
	}
	Healthy(t, address)
}
