//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"daozhang/internal/keyring"
	"daozhang/internal/payment"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
	"daozhang/internal/world/bank"
	"daozhang/internal/world/pos"
)

var (
	crashKills = flag.Int("crash.kills", 18, "how often the crash test kills the server")
	crashSeed  = flag.Uint64("crash.seed", 1, "seed of the crash test")
)

// crashPoints are the places at which the server is killed; "" is any moment,
// from outside.
var crashPoints = []string{"request_received", "commit_before", "commit_after", "send_before", "send_after", "response_received", "reply_before", "reply_after", ""}

const (
	crashMID       = "898310058120001"
	crashTerminals = 16
	crashLink      = "icbc"
	crashSecret    = "a secret of the crash test"
)

var crashTransport = []string{"0123456789ABCDEFFEDCBA9876543210", "11112222333344445555666677778888"}

// server is `daozhang serve` as a process of its own.
type server struct {
	t         *testing.T
	binary    string
	dir       string
	database  string
	terminals string
	config    string
	cmd       *exec.Cmd
	log       bytes.Buffer
	http      string
}

// buildServer builds the binary with the points at which it kills itself.
func buildServer(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "daozhang")
	cmd := exec.Command("go", "build", "-tags", "failpoint", "-o", out, ".")
	if b, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, b)
	}
	return out
}

// start begins the process; killAt is "" or a point and a count.
func (s *server) start(killAt string) {
	s.t.Helper()
	ready := filepath.Join(s.dir, "ready.json")
	_ = os.Remove(ready)
	s.log.Reset()
	s.cmd = exec.Command(s.binary, "serve", "--config", s.config, "--ready-file", ready)
	s.cmd.Env = append(os.Environ(), "DAOZHANG_FAILPOINT="+killAt, "DAOZHANG_KEYRING_SECRET="+crashSecret)
	s.cmd.Stderr, s.cmd.Stdout = &s.log, io.Discard
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	if killAt != "" {
		return // it may be dead before it is ready
	}
	for until := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		b, err := os.ReadFile(ready)
		if err == nil {
			var a map[string]string
			if json.Unmarshal(b, &a) == nil {
				s.http = a["http"]
				return
			}
		}
		if time.Now().After(until) {
			_ = s.cmd.Process.Kill()
			s.t.Fatalf("the server is not ready: %s", &s.log)
		}
	}
}

// die waits until the process has killed itself, or kills it after a time.
func (s *server) die(within time.Duration) {
	s.t.Helper()
	timer := time.AfterFunc(within, func() { _ = s.cmd.Process.Kill() })
	err := s.cmd.Wait()
	timer.Stop()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		s.t.Fatalf("the server ended by itself: %v\n%s", err, &s.log)
	}
}

// stop drains the process and wants a clean end.
func (s *server) stop() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatalf("drain: %v\n%s", err, &s.log)
	}
}

func (s *server) metric(name string) (string, error) {
	found, err := s.metrics(name)
	return found[0], err
}

// metrics gives values of one moment, "" for those that are not there.
func (s *server) metrics(names ...string) ([]string, error) {
	found := make([]string, len(names))
	res, err := http.Get("http://" + s.http + "/metrics")
	if err != nil {
		return found, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	for line := range strings.Lines(string(b)) {
		for i, name := range names {
			if v, ok := strings.CutPrefix(line, name+" "); ok {
				found[i] = strings.TrimSpace(v)
			}
		}
	}
	return found, err
}

// crashRig is a server with its counterparties: the bank and the terminals live on
// while it dies, and what they saw is the truth.
type crashRig struct {
	t       *testing.T
	dir     string
	server  *server
	bank    *bank.Bank
	vault   *keyring.Software // the bank's keys
	mids    []string          // of the terminals
	devices []pos.Device
	done    atomic.Int64 // transactions that terminals have run
	// idle are the times in which nothing could be resolved: the server, or the
	// database under it, was not there.
	idle []span
}

type span struct{ from, to time.Time }

// away notes the time until fn returns as one in which nothing could be resolved.
func (r *crashRig) away(fn func()) {
	from := time.Now()
	fn()
	r.idle = append(r.idle, span{from, time.Now()})
}

// Each unknown is resolved within resolveWithin of the time in which that can be
// done: an attempt that the bank leaves unanswered is repeated after a second at
// most. Each start in between costs resolveStart more, for the link to be made and
// the attempt to be due.
const (
	resolveWithin = 6 * time.Second
	resolveStart  = 1500 * time.Millisecond
)

func newCrashRig(t *testing.T, database string, scenario *bank.Scenario) *crashRig {
	t.Helper()
	r := &crashRig{t: t, dir: t.TempDir(), mids: []string{crashMID}}
	data := filepath.Join(r.dir, "data")
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	if database == "" {
		database = data
	}
	ring, err := keyring.Open(keyring.Options{Path: filepath.Join(data, "keyring"), Secret: []byte(crashSecret), Transport: crashTransport})
	if err != nil {
		t.Fatal(err)
	}
	if r.devices, err = pos.NewDevices(ring, crashMID, "00000001", crashTerminals); err != nil {
		t.Fatal(err)
	}
	zone, err := ring.NewMaster(keyring.Link(crashLink))
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Close(); err != nil {
		t.Fatal(err)
	}
	if r.vault, err = keyring.Open(keyring.Options{Transport: crashTransport}); err != nil {
		t.Fatal(err)
	}
	r.bank, err = bank.Start(context.Background(), bank.Config{Link: crashLink, Scenario: scenario, Keys: r.vault, Master: zone})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.bank.Close() })
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := port.Addr().String()
	port.Close()
	var c strings.Builder
	fmt.Fprintf(&c, "database: %q\nlisten: {terminals: %q, http: \"127.0.0.1:0\"}\nacquirer: \"48270000\"\n", database, address)
	fmt.Fprintf(&c, "keyring: {file: %q, transport: [%q, %q]}\n", filepath.Join(data, "keyring"), crashTransport[0], crashTransport[1])
	fmt.Fprintf(&c, "payment: {answer_within: 400ms, repeat_first: 100ms, repeat_most: 1s, last_arrival: 1s}\ndrain: 3s\n")
	fmt.Fprintf(&c, "merchants:\n  - {mid: %q, name: Corner Shop, mcc: \"5411\", currency: CNY, zone: Asia/Shanghai}\nterminals:\n", crashMID)
	for _, d := range r.devices {
		fmt.Fprintf(&c, "  - {tid: %q, mid: %q}\n", d.TID, d.MID)
	}
	fmt.Fprintf(&c, "links:\n  - {name: %s, network: UnionPay, address: %q, retry_most: 100ms}\nroutes:\n  - {links: [%s]}\nranges:\n", crashLink, r.bank.Addr(), crashLink)
	for _, x := range devRanges {
		fmt.Fprintf(&c, "  - {from: %q, to: %q, type: %s}\n", x.From, x.To, x.Type)
	}
	config := filepath.Join(r.dir, "serve.yaml")
	if err := os.WriteFile(config, []byte(c.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	r.server = &server{t: t, binary: buildServer(t), dir: r.dir, database: database, terminals: address, config: config}
	return r
}

// load runs the terminals until stop; then what is due is sent.
func (r *crashRig) load(ctx context.Context, faults ...pos.Fault) func() pos.Summary {
	ctx, cancel := context.WithCancel(ctx)
	var sum pos.Summary
	var err error
	var done sync.WaitGroup
	done.Go(func() {
		sum, err = pos.Load(ctx, pos.LoadConfig{Address: r.server.terminals, Devices: r.devices, For: 24 * time.Hour, Seed: *crashSeed,
			Mix: map[string]int{"sale": 8, "void": 1, "refund": 1}, Dir: filepath.Join(r.dir, "terminals"), Transport: crashTransport,
			Timeout: 2 * time.Second, Drain: 20 * time.Second, SettleEvery: 900, Faults: faults,
			Observe: func(string, pos.Outcome) { r.done.Add(1) }})
	})
	for until := time.Now().Add(4 * time.Minute); r.done.Load() < 50; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			r.t.Fatalf("the terminals do not get going\n%s", &r.server.log)
		}
	}
	return func() pos.Summary {
		cancel()
		done.Wait()
		if err != nil {
			r.t.Fatal(err)
		}
		return sum
	}
}

// settle waits until nothing is under way or owed to the bank any more: what is
// on its way without an answer is owed only once its time is over. Each unknown
// has to be resolved by then: within is the deadline.
func (r *crashRig) settle(within time.Duration) {
	r.t.Helper()
	const way = "daozhang_payments_under_way"
	for until := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		left, err := r.server.metrics("daozhang_owed_to_networks", way+`{stage="requests"}`, way+`{stage="flights"}`, way+`{stage="commits"}`)
		if err == nil && !slices.ContainsFunc(left, func(v string) bool { return v != "0" }) {
			return
		}
		if time.Now().After(until) {
			r.t.Fatalf("after %s still owed to the bank, requests, on their way, being written: %q %v\n%s", within, left, err, &r.server.log)
		}
	}
}

// killsServer skips a test that kills a server many times: in the short form, and
// where DAOZHANG_KILLS says that such tests run apart from the others.
func killsServer(t *testing.T) {
	t.Helper()
	if testing.Short() || os.Getenv("DAOZHANG_KILLS") == "apart" {
		t.Skip("it kills a server many times")
	}
}

// TestCrash kills the server with SIGKILL between any two effects, under load,
// and holds what terminals and bank saw against its books.
func TestCrash(t *testing.T) {
	killsServer(t)
	r := newCrashRig(t, "", crashScenario())
	r.kill(*crashKills)
}

// TestCrashPostgres is TestCrash over PostgreSQL.
func TestCrashPostgres(t *testing.T) {
	killsServer(t)
	c := storetest.Postgres(t)
	r := newCrashRig(t, c.Database(t), crashScenario())
	r.kill(max(1, *crashKills/2))
}

// crashScenario is a bank that now and then does not answer, answers late, or
// loses the connection.
func crashScenario() *bank.Scenario {
	return &bank.Scenario{Seed: *crashSeed, Rules: []bank.Rule{
		{When: bank.When{Chance: 0.01}, Do: bank.DoSilent},
		{When: bank.When{Chance: 0.01}, Do: bank.DoAnswer, Delay: 600 * time.Millisecond},
		{When: bank.When{Chance: 0.02}, Do: bank.DoDecline, Code: "51"},
		{When: bank.When{Chance: 0.003}, Do: bank.DoCloseAfter},
		{When: bank.When{Operations: []string{"reversal"}, Chance: 0.1, Repeats: 1}, Do: bank.DoSilent},
	}}
}

func (r *crashRig) kill(kills int) {
	t := r.t
	dice := rand.New(rand.NewPCG(*crashSeed, 0))
	r.server.start("") // terminals sign on at the start
	stop := r.load(context.Background())
	died := map[string]int{}
	var down time.Time
	for i := range kills {
		begun, before := time.Now(), r.done.Load()
		point := crashPoints[i%len(crashPoints)]
		if i > 0 {
			at := pointAt(point, dice)
			r.server.start(at)
			if at == "" { // it was waited for
				r.idle = append(r.idle, span{down, time.Now()})
			} else {
				r.idle = append(r.idle, span{down, begun.Add(resolveStart)})
			}
		}
		if point == "" || i == 0 {
			r.server.die(time.Duration(50+dice.IntN(400)) * time.Millisecond)
		} else {
			r.server.die(5 * time.Second)
		}
		down = time.Now()
		died[point]++
		if testing.Verbose() {
			t.Logf("killed at %q after %s and %d transactions", point, time.Since(begun).Round(time.Millisecond), r.done.Load()-before)
		}
	}
	r.server.start("")
	r.idle = append(r.idle, span{down, time.Now()})
	time.Sleep(300 * time.Millisecond) // some more under load
	sum := stop()
	r.settle(20 * time.Second)
	r.server.stop()
	t.Logf("%d kills %v; %d transactions, results %v, codes %v, errors %v, %d reversals", kills, died, sum.Transactions, sum.Results, sum.Codes, sum.Errors, sum.Reversed)
	if sum.Results["approved"] == 0 {
		t.Fatal("no approvals: nothing was tested")
	}
	r.judge()
}

// pointAt gives a point and how often it is passed before; "" is killed from
// outside.
func pointAt(point string, dice *rand.Rand) string {
	if point == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", point, 1+dice.IntN(40))
}

// deadlines holds each unknown against its own deadline, by the evidence: from the
// first word that its outcome is open to the last that closes it.
func (r *crashRig) deadlines(db *store.Store) {
	t := r.t
	t.Helper()
	var facts bytes.Buffer
	if _, err := db.WriteEvidence(context.Background(), &facts, ""); err != nil {
		t.Fatal(err)
	}
	open, closed := map[string]time.Time{}, map[string]time.Time{}
	for line := range bytes.Lines(facts.Bytes()) {
		var f struct {
			Type string
			Time time.Time
			Data struct{ Payment, State string }
		}
		if err := json.Unmarshal(line, &f); err != nil {
			t.Fatal(err)
		}
		id := f.Data.Payment
		switch {
		case f.Type == "daozhang.gateway.timeout", f.Type == "daozhang.gateway.reversal" && f.Data.State == "queued":
			if was, known := open[id]; !known || f.Time.Before(was) {
				open[id] = f.Time
			}
		case f.Type == "daozhang.gateway.reversal", f.Type == "daozhang.gateway.response":
			if f.Time.After(closed[id]) {
				closed[id] = f.Time
			}
		}
	}
	slowest := time.Duration(0)
	for id, from := range open {
		to, known := closed[id]
		if !known || to.Before(from) {
			t.Errorf("%s is unknown since %s and was never resolved", id, from.Format(time.RFC3339Nano))
			continue
		}
		took, allowed := to.Sub(from), resolveWithin
		for _, s := range r.idle {
			if a, b := later(s.from, from), earlier(s.to, to); a.Before(b) {
				took -= b.Sub(a)
				allowed += resolveStart
			}
		}
		slowest = max(slowest, took)
		if took > allowed {
			t.Errorf("%s was unknown from %s to %s: %s of time to resolve it, its deadline is %s", id, from.Format("15:04:05.000"), to.Format("15:04:05.000"), took, allowed)
		}
	}
	t.Logf("%d unknown outcomes, the slowest resolved in %s", len(open), slowest.Round(time.Millisecond))
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// judge is the oracle outside: the terminals' journals, the bank's journal, and
// the store read by another process than the one that wrote it.
func (r *crashRig) judge() {
	t := r.t
	ctx := context.Background()
	report, err := store.Doctor(ctx, r.server.database, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		t.Errorf("doctor: %s %s: %s", f.What, f.Subject, f.Why)
	}
	db, err := store.Open(ctx, store.Options{Database: r.server.database, Node: "oracle"})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r.deadlines(db)
	// What stands with the bank: approved and not reversed.
	standing := map[string]bank.Entry{} // by UUID
	seq := map[int64]string{}
	for _, e := range r.bank.Entries() {
		switch e.What {
		case bank.Approved:
			if e.Payment == "" {
				t.Errorf("the bank approved something without a UUID: %v", &e)
			}
			if _, twice := standing[e.Payment]; twice {
				t.Errorf("the bank approved %s twice", e.Payment)
			}
			standing[e.Payment], seq[e.Seq] = e, e.Payment
		case bank.Reversed:
			delete(standing, seq[e.Of])
		}
	}
	// What stands in the books.
	ours := map[payment.Key]payment.Transaction{}
	for _, mid := range r.mids {
		r.books(db, mid, standing, ours)
	}
	for id, e := range standing {
		t.Errorf("the bank approved %s %d, and the store does not know it", id, e.Amount)
	}
	// What the terminals saw.
	approved, unanswered := 0, 0
	for _, d := range r.devices {
		journal, err := pos.ReadJournal(filepath.Join(r.dir, "terminals", d.TID))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range journal {
			key := payment.Key{TID: d.TID, Batch: x.Batch, STAN: x.STAN}
			o, known := ours[key]
			stands := known && (o.State == payment.Approved || o.State == payment.Voided)
			switch {
			case x.Result == "approved" && x.Reversal == "":
				approved++
				if !stands || o.Approved != x.Amount || o.RRN != x.RRN {
					t.Errorf("the terminal saw %s %v approved (%d, %s); the store has %s %d %s", x.Operation, key, x.Amount, x.RRN, o.State, o.Approved, o.RRN)
				}
			case x.Reversal == "due":
				t.Errorf("the terminal's reversal of %v is not acknowledged", key)
			case stands:
				t.Errorf("the terminal saw %s %v as %s (%s, reversal %q), and the store has it approved", x.Operation, key, x.Result, x.Code, x.Reversal)
			}
			if x.Result == "timeout" || x.Result == "unknown" {
				unanswered++
			}
		}
	}
	t.Logf("held against %d approvals that terminals saw, %d unanswered, %d transactions in the store", approved, unanswered, len(ours))
}

// books holds a merchant's transactions and balance against what stands with the
// bank, takes them out of that and adds them to ours.
func (r *crashRig) books(db *store.Store, mid string, standing map[string]bank.Entry, ours map[payment.Key]payment.Transaction) {
	t := r.t
	t.Helper()
	ctx := context.Background()
	var after payment.ID
	var pending int64
	for {
		page, err := db.Payments(ctx, mid, after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range page {
			after = x.ID
			if _, twice := ours[x.Key]; twice {
				t.Errorf("the store has %v twice", x.Key)
			}
			ours[x.Key] = x
			if x.State.Open() {
				t.Errorf("%s of %v is still %s", x.Operation, x.Key, x.State)
			}
			_, stands := standing[x.ID.String()]
			if want := x.State == payment.Approved || x.State == payment.Voided; want != stands {
				t.Errorf("%s %v (%s) is %s with code %s; with the bank it stands: %v", x.Operation, x.Key, x.ID, x.State, x.Code, stands)
			}
			if e := standing[x.ID.String()]; stands && e.Amount != x.Approved {
				t.Errorf("%v: the bank approved %d, the store has %d", x.Key, e.Amount, x.Approved)
			}
			delete(standing, x.ID.String())
			if x.State == payment.Approved || x.State == payment.Voided {
				switch x.Operation {
				case payment.Sale:
					pending += x.Approved
				case payment.Void, payment.Refund:
					pending -= x.Approved
				}
			}
		}
		if len(page) < 1000 {
			break
		}
	}
	lines, err := db.BalancesAsOf(ctx, mid, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, l := range lines {
		if l.Name.String() == "merchant_pending" {
			found = true
			if got := l.Credits - l.Debits; got != pending {
				t.Errorf("merchant_pending is %d, the approved transactions sum to %d", got, pending)
			}
		}
	}
	if !found && pending != 0 {
		t.Error("the ledger has no merchant_pending")
	}
}
