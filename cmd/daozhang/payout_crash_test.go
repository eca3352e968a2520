//go:build linux

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
	"daozhang/internal/world/bank"
	"daozhang/internal/world/bank/custody"
	"daozhang/internal/world/journal"
	"daozhang/internal/world/pos"
)

var payoutKills = flag.Int("crash.payouts", 24, "how often the crash test of payouts kills the server, shared by both databases")

// payoutPoints are the places at which the server is killed while it leads money to
// the merchant; "" is any moment, from outside.
func payoutPoints() []backoffice.Point {
	out := []backoffice.Point{""}
	for _, k := range []backoffice.Kind{backoffice.Import, backoffice.Settlement, backoffice.Dispatching, backoffice.Hearing, backoffice.Inquiry, backoffice.Remedying} {
		out = append(out, backoffice.Points(k)...)
	}
	return out
}

// payoutRig is a server with its counterparties, which live on while it dies: the
// terminals, the network that clears, and the bank that pays, whose book is the
// oracle.
type payoutRig struct {
	t       *testing.T
	dir     string
	folder  string // of the payout bank
	server  *server
	host    *bank.Bank
	payer   *custody.Bank
	devices []pos.Device
	keys    []string // components of the transport key
	zone    *time.Location
	files   int // clearing files so far
	sold    atomic.Int64
}

const payoutMID = "898310058120001"

func newPayoutRig(t *testing.T, database string) *payoutRig {
	t.Helper()
	r := &payoutRig{t: t, dir: t.TempDir(), zone: time.FixedZone("", 8*3600)}
	r.folder = filepath.Join(r.dir, "bank")
	data := filepath.Join(r.dir, "data")
	if database == "" {
		database = data
	}
	addresses := freeAddresses(t, 2)
	config := filepath.Join(r.dir, "serve.yaml")
	r.configure(config, database, data, addresses[0], addresses[1])
	r.prepare(config)
	var link *pos.Device
	var err error
	if r.devices, r.keys, link, err = readDevices(filepath.Join(data, "dev-keys.json")); err != nil {
		t.Fatal(err)
	}
	r.host, err = bank.Start(context.Background(), bank.Config{Listen: addresses[1], Link: crashLink, Journal: r.journal(), Sync: journal.Never, Transport: r.keys, Master: link.Master})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.host.Close() })
	if r.payer, err = custody.Open(custody.Config{Dir: r.folder, Journal: r.book(), Sync: journal.Never, Scenario: &custody.Scenario{}}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.payer.Run(ctx, time.Now, 50*time.Millisecond) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		r.payer.Close()
	})
	r.server = &server{t: t, binary: buildServer(t), dir: r.dir, database: database, terminals: addresses[0], config: config}
	return r
}

// freeAddresses are addresses at which nobody listens.
func freeAddresses(t *testing.T, n int) []string {
	t.Helper()
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		out = append(out, l.Addr().String())
	}
	return out
}

func (r *payoutRig) journal() string { return filepath.Join(r.dir, "host", "journal.ndjson") }
func (r *payoutRig) book() string    { return filepath.Join(r.dir, "book.ndjson") }

// configure writes the settings: times of seconds where those of practice are hours.
func (r *payoutRig) configure(file, database, data, terminals, host string) {
	var c strings.Builder
	fmt.Fprintf(&c, "database: %q\nlisten: {terminals: %q, http: \"127.0.0.1:0\"}\nacquirer: \"48270000\"\ndrain: 5s\n", database, terminals)
	fmt.Fprintf(&c, "door: {least_version: \"300000\"}\nkeyring: {file: %q}\n", filepath.Join(data, "keyring"))
	fmt.Fprintf(&c, "payment: {answer_within: 400ms, repeat_first: 100ms, repeat_most: 1s, last_arrival: 1s}\n")
	fmt.Fprintf(&c, "merchants:\n  - mid: %q\n    name: Corner Shop\n    mcc: \"5411\"\n    currency: CNY\n    zone: Asia/Shanghai\n    cutoff: \"24:00\"\n", payoutMID)
	fmt.Fprintf(&c, "    terms: {valid_from: \"2020-01-01\", cycle: D0, calendar: CN, fees: [{bps: 38}]}\n")
	fmt.Fprintf(&c, "    account: {number: \"31050000000067890\", holder: Corner Shop, bank: ICBC, agent: ICBKCNBJ}\n")
	fmt.Fprintf(&c, "terminals: [{tid: T0000001, mid: %q}, {tid: T0000002, mid: %q}]\n", payoutMID, payoutMID)
	fmt.Fprintf(&c, "links: [{name: %s, network: UnionPay, address: %q, retry_most: 100ms}]\nroutes: [{links: [%s]}]\n", crashLink, host, crashLink)
	fmt.Fprintf(&c, "networks: [{name: UnionPay, currency: CNY, clearing: %q}]\n", filepath.Join(r.folder, "clearing"))
	fmt.Fprintf(&c, "banks: [{name: CUSTODY, currency: CNY, folder: %q, account: {name: Example Acquiring, number: \"110900000000001234\", agent: CSTDCNBJ}}]\n", r.folder)
	fmt.Fprintf(&c, "backoffice: {sweep: 100ms, same_day_every: 300ms, answer_within: 700ms, ask_first: 300ms, ask_most: 1s, retry_after: 200ms, t0_days: 0, t0_trading_days: 0, workers: 2}\n")
	if err := os.WriteFile(file, []byte(c.String()), 0o644); err != nil {
		r.t.Fatal(err)
	}
}

// prepare takes the merchant on, with terms and account approved, and hands out keys.
func (r *payoutRig) prepare(config string) {
	r.t.Helper()
	m := &Main{Stdin: strings.NewReader(""), Stdout: io.Discard, Stderr: io.Discard, Now: time.Now, Zone: time.UTC, Getenv: func(name string) string {
		if name == "DAOZHANG_KEYRING_SECRET" {
			return crashSecret
		}
		return ""
	}}
	c, err := m.readServeConfig(config, nil)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(c.Keyring.File), 0o700)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	p, err := m.openPlatform(context.Background(), c, true)
	if err != nil {
		r.t.Fatal(err)
	}
	p.close()
}

// sell lets the terminals sell until stop.
func (r *payoutRig) sell() (stop func() pos.Summary) {
	ctx, cancel := context.WithCancel(context.Background())
	type result struct {
		sum pos.Summary
		err error
	}
	done := make(chan result, 1)
	go func() {
		sum, err := pos.Load(ctx, pos.LoadConfig{Address: r.server.terminals, Devices: r.devices, For: 24 * time.Hour, Seed: *crashSeed, Rate: 12,
			Mix: map[string]int{"sale": 8, "void": 1, "refund": 1}, Dir: filepath.Join(r.dir, "terminals"), Transport: r.keys, Timeout: 2 * time.Second, Drain: 20 * time.Second,
			Observe: func(string, pos.Outcome) { r.sold.Add(1) }})
		done <- result{sum, err}
	}()
	for end := time.Now().Add(2 * time.Minute); r.sold.Load() < 5; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("the terminals do not get going\n%s", &r.server.log)
		}
	}
	return func() pos.Summary {
		cancel()
		res := <-done
		if res.err != nil {
			r.t.Fatal(res.err)
		}
		return res.sum
	}
}

// clear has the network write the clearing file of the day as it stands: again and
// again, each an issue of its own.
func (r *payoutRig) clear() {
	r.t.Helper()
	r.files++
	now := time.Now()
	name, err := bank.WriteClearing(r.journal(), filepath.Join(r.dir, fmt.Sprintf("issue-%d", r.files)), calendar.DateIn(now, r.zone), &bank.Scenario{}, now)
	if err != nil {
		r.t.Fatal(err)
	}
	dir := filepath.Join(r.folder, "clearing")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(name, filepath.Join(dir, fmt.Sprintf("%04d-%s", r.files, filepath.Base(name)))); err != nil {
		r.t.Fatal(err)
	}
}

// behave makes the bank act so that a kind of work comes up.
func (r *payoutRig) behave(k backoffice.Kind) {
	r.t.Helper()
	s := &custody.Scenario{Seed: *crashSeed}
	switch k {
	case backoffice.Inquiry:
		s.Rules = []custody.Rule{{Tell: custody.TellNothing}}
	case backoffice.Remedying:
		s.Rules = []custody.Rule{{When: custody.When{First: 3}, Do: custody.DoReject, Code: "AM04"},
			{When: custody.When{First: 2}, Do: custody.DoReturn, Code: "AB05", After: 100 * time.Millisecond}}
	case backoffice.Import:
		r.clear()
	}
	if err := r.payer.SetScenario(s); err != nil {
		r.t.Fatal(err)
	}
}

// TestPayoutCrash kills the server between any two effects on the way from a sale
// to the merchant's account, and holds the bank's book against ours.
func TestPayoutCrash(t *testing.T) {
	killsServer(t)
	t.Parallel() // mostly it waits
	newPayoutRig(t, "").kill(*payoutKills * 2 / 3)
}

// TestPayoutCrashPostgres is TestPayoutCrash over PostgreSQL.
func TestPayoutCrashPostgres(t *testing.T) {
	killsServer(t)
	t.Parallel()
	newPayoutRig(t, storetest.Postgres(t).Database(t)).kill(*payoutKills - *payoutKills*2/3)
}

func (r *payoutRig) kill(kills int) {
	t := r.t
	dice := rand.New(rand.NewPCG(*crashSeed, 1))
	points := payoutPoints()
	r.server.start("")
	stop := r.sell()
	aimed, reached := map[backoffice.Point]int{}, map[backoffice.Point]int{}
	for i := range kills {
		p := points[i%len(points)]
		kind, _, _ := strings.Cut(string(p), "/")
		r.behave(backoffice.Kind(kind))
		if i > 0 {
			r.server.start(r.at(p, dice))
		}
		aimed[p]++
		within := 8 * time.Second
		if p == "" || i == 0 {
			within = time.Duration(200+dice.IntN(800)) * time.Millisecond
		}
		began := time.Now()
		r.server.die(within)
		if time.Since(began) < within {
			reached[p]++
		}
	}
	r.behave("")
	r.server.start("")
	sum := stop()
	r.atRest()
	r.server.stop()
	for _, p := range slices.Sorted(maps.Keys(aimed)) {
		if p != "" && reached[p] == 0 && aimed[p] > 3 {
			t.Errorf("%s was aimed at %d times and never reached", p, aimed[p])
		}
	}
	t.Logf("%d kills, points aimed at %v, reached %v; %d transactions, %v", kills, aimed, reached, sum.Transactions, sum.Results)
	r.judge()
}

// at gives a point and how often it is passed before.
func (r *payoutRig) at(p backoffice.Point, dice *rand.Rand) string {
	if p == "" {
		return "never" // so that start does not wait until the server is ready
	}
	return fmt.Sprintf("%s:%d", p, 1+dice.IntN(2))
}

// atRest waits until the terminals' work is done and every payout is at an end.
func (r *payoutRig) atRest() {
	r.t.Helper()
	busy := []string{"daozhang_owed_to_networks", `daozhang_payments_under_way{stage="requests"}`, `daozhang_payments_under_way{stage="flights"}`}
	for _, s := range []settlement.PayoutState{settlement.Created, settlement.Sent, settlement.Unknown, settlement.Accepted} {
		busy = append(busy, fmt.Sprintf("daozhang_payouts{state=%q}", s.String()))
	}
	// A run has to come after the last sale: so for longer than the pause between runs.
	quiet := 0
	for end := time.Now().Add(3 * time.Minute); quiet < 10; time.Sleep(300 * time.Millisecond) {
		left, err := r.server.metrics(busy...)
		if err == nil && !slices.ContainsFunc(left, func(v string) bool { return v != "0" }) {
			quiet++
		} else {
			quiet = 0
		}
		if time.Now().After(end) {
			r.t.Fatalf("not at rest: %q is %q, %v\n%s", busy, left, err, &r.server.log)
		}
	}
}

// judge holds the bank's book, which no code of the server touches, against the
// store, read by another process than the one that wrote it.
func (r *payoutRig) judge() {
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
	book, err := custody.ReadBook(r.book())
	if err != nil {
		t.Fatal(err)
	}
	credited, states := r.hold(ctx, db, book)
	currency, _ := money.ParseCurrency("CNY")
	pos, err := db.Position(ctx, payoutMID, currency)
	if err != nil {
		t.Fatal(err)
	}
	if pos.Paid != credited {
		t.Errorf("the bank credited %d, on record %d are paid", credited, pos.Paid)
	}
	if credited == 0 {
		t.Errorf("%d payouts and none credited: nothing was tested", len(book.Payments()))
	}
	r.settledOnce(ctx, db)
	filings := map[backoffice.FilingState]int{}
	for f, err := range db.Filings(ctx, "clearing/UnionPay") {
		if err != nil {
			t.Fatal(err)
		}
		filings[f.State]++
	}
	t.Logf("held against the bank's book of %d payouts: %v; %d clearing files, %v", len(book.Payments()), states, r.files, filings)
}

// hold compares payout by payout and gives what the bank credited for good.
func (r *payoutRig) hold(ctx context.Context, db *store.Store, book *custody.Book) (credited int64, states map[string]int) {
	t := r.t
	ours := map[string]settlement.Payout{}
	states = map[string]int{}
	for p, err := range db.PayoutsIn(ctx, settlement.Created, settlement.Stopped, settlement.Sent, settlement.Unknown, settlement.Accepted, settlement.Credited,
		settlement.Rejected, settlement.Returned) {
		if err != nil {
			t.Fatal(err)
		}
		ours[p.ID] = p
	}
	for _, b := range book.Payments() {
		if b.Debits > 1 || b.Credits > 1 || book.Paid(b.EndToEnd) > 1 {
			t.Errorf("payout %s was debited %d times and credited %d times", b.EndToEnd, b.Debits, b.Credits)
		}
		stands := b.Credits == 1 && b.Returns == 0
		if stands {
			credited += b.Amount
		}
		p, known := ours[b.EndToEnd]
		if !known {
			// Streams leave out what came back and has all gone out again.
			var err error
			if p, err = db.PayoutByID(ctx, b.EndToEnd); err != nil {
				t.Errorf("the bank has payout %s of %d, and it is not on record: %v", b.EndToEnd, b.Amount, err)
				continue
			}
		}
		delete(ours, b.EndToEnd)
		states[p.State.String()]++
		if (p.State == settlement.Credited) != stands || p.Amount != b.Amount {
			t.Errorf("payout %s is %s with %d on record; the bank has it %s with %d", p.ID, p.State, p.Amount, b.State, b.Amount)
		}
	}
	for id, p := range ours {
		t.Errorf("payout %s of %d is %s, and the bank has never heard of it", id, p.Amount, p.State)
	}
	return credited, states
}

// settledOnce holds the lines of settlement against the transactions: each that
// stands for money has exactly one line for what it stands for, and each line
// stands in one payout of the right sum.
func (r *payoutRig) settledOnce(ctx context.Context, db *store.Store) {
	t := r.t
	lines := map[payment.ID]int64{}
	sums := map[string]int64{}
	currency, _ := money.ParseCurrency("CNY")
	today := calendar.DateIn(time.Now(), r.zone)
	for day := today.Add(-2); day <= today.Add(1); day++ {
		for l, err := range db.Lines(ctx, payoutMID, currency, day) {
			if err != nil {
				t.Fatal(err)
			}
			lines[l.Payment] += l.Net + l.Fee
			sums[l.Payout] += l.Net
		}
	}
	var after payment.ID
	for {
		page, err := db.Payments(ctx, payoutMID, after, 1000)
		if err != nil {
			t.Fatal(err)
		}
		for i := range page {
			x := &page[i]
			after = x.ID
			want := int64(0)
			switch {
			case x.State == payment.Approved && x.Operation == payment.Sale:
				want = x.Approved
			case x.State == payment.Approved && x.Operation == payment.Refund:
				want = -x.Approved
			}
			if got := lines[x.ID]; got != want {
				t.Errorf("%s %s (%s, %d) stands for %d and was settled with %d", x.Operation, x.ID, x.State, x.Approved, want, got)
			}
		}
		if len(page) < 1000 {
			break
		}
	}
	for p, err := range db.PayoutsIn(ctx, settlement.Credited) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Replaces == "" && sums[p.ID] != p.Amount {
			t.Errorf("payout %s is of %d, its lines add up to %d", p.ID, p.Amount, sums[p.ID])
		}
	}
}
