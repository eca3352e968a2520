//go:build linux

package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/bits"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"daozhang/internal/keyring"
	"daozhang/internal/payment"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
	"daozhang/internal/world/bank"
	"daozhang/internal/world/pos"
)

var nodesLoad = flag.Duration("nodes.load", 0, "how long TestNodesLoad loads one node and then two, each of three times")

// resumeWithin is how soon every terminal is served again after its node has died.
const resumeWithin = 5 * time.Second

// nodesRig is a crashRig of two nodes on one database with one keyring. Half of the
// terminals try the one first, half the other.
type nodesRig struct {
	*crashRig
	nodes []*server
	key   string // of the HTTP surface
	parts payment.PartSet

	mu       sync.Mutex
	approved map[string]time.Time // by terminal: when it last saw an approval
	codes    map[string]int
	seen     []string // RRNs of approved payments, some of them
}

const nodesMerchants = 12

func newNodesRig(t *testing.T, cluster func(testing.TB) *storetest.Cluster, scenario *bank.Scenario) *nodesRig {
	t.Helper()
	if testing.Short() {
		t.Skip("it runs two servers under load")
	}
	database := cluster(t).Database(t)
	r := &nodesRig{crashRig: &crashRig{t: t, dir: t.TempDir()}, approved: map[string]time.Time{}, codes: map[string]int{}}
	db, err := store.Open(t.Context(), store.Options{Database: database, Node: "set-up", Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	zone := r.share(db)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if r.vault, err = keyring.Open(keyring.Options{Transport: crashTransport}); err != nil {
		t.Fatal(err)
	}
	if r.bank, err = bank.Start(context.Background(), bank.Config{Link: crashLink, Scenario: scenario, Keys: r.vault, Master: zone}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.bank.Close() })
	binary := buildServer(t)
	for i := range 2 {
		dir := filepath.Join(r.dir, fmt.Sprintf("node-%d", i+1))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		s := &server{t: t, binary: binary, dir: dir, database: database, terminals: freePort(t), config: filepath.Join(dir, "serve.yaml")}
		if err := os.WriteFile(s.config, []byte(r.config(s, i+1)), 0o644); err != nil {
			t.Fatal(err)
		}
		r.nodes = append(r.nodes, s)
	}
	r.server = r.nodes[0]
	return r
}

// share makes the keys in the keyring that the nodes share, and a key of the HTTP
// surface.
func (r *nodesRig) share(db *store.Store) keyring.Wrapped {
	t := r.t
	t.Helper()
	cabinet, err := db.Cabinet(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer cabinet.Close()
	ring, err := keyring.Open(keyring.Options{Shared: cabinet, Secret: []byte(crashSecret), Transport: crashTransport})
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	for i := range nodesMerchants {
		mid := fmt.Sprintf("89831005812%04d", i+1)
		r.mids = append(r.mids, mid)
		r.parts |= payment.PartsOf(payment.PartOf(mid))
		devices, err := pos.NewDevices(ring, mid, fmt.Sprintf("%08d", 100*(i+1)), 2)
		if err != nil {
			t.Fatal(err)
		}
		r.devices = append(r.devices, devices...)
	}
	zone, err := ring.NewMaster(keyring.Link(crashLink))
	if err != nil {
		t.Fatal(err)
	}
	id, secret, err := newAPIKey()
	if err == nil {
		r.key = secret
		err = db.CreateKey(t.Context(), store.APIKey{ID: id, Name: "test", Role: "institution", Created: time.Now()}, store.HashKey(secret))
	}
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func (r *nodesRig) config(s *server, number int) string {
	var c strings.Builder
	fmt.Fprintf(&c, "node: node-%d\ndatabase: %q\nlisten: {terminals: %q, http: \"127.0.0.1:0\"}\nacquirer: \"48270000\"\n", number, s.database, s.terminals)
	fmt.Fprintf(&c, "keyring: {shared: true, transport: [%q, %q]}\n", crashTransport[0], crashTransport[1])
	fmt.Fprintf(&c, "payment: {answer_within: 1s, repeat_first: 200ms, repeat_most: 1s, last_arrival: 2s}\ndrain: 8s\nmerchants:\n")
	for _, mid := range r.mids {
		fmt.Fprintf(&c, "  - {mid: %q, name: Corner Shop, mcc: \"5411\", currency: CNY, zone: Asia/Shanghai}\n", mid)
	}
	c.WriteString("terminals:\n")
	for _, d := range r.devices {
		fmt.Fprintf(&c, "  - {tid: %q, mid: %q}\n", d.TID, d.MID)
	}
	fmt.Fprintf(&c, "links:\n  - {name: %s, network: UnionPay, address: %q, retry_most: 100ms}\nroutes:\n  - {links: [%s]}\n", crashLink, r.bank.Addr(), crashLink)
	return c.String()
}

// held gives how many parts a node decides for, -1 where it does not say.
func (r *nodesRig) held(s *server) int {
	v, err := s.metric("daozhang_parts_held")
	n, bad := strconv.Atoi(v)
	if err != nil || bad != nil {
		return -1
	}
	return n
}

func (r *nodesRig) awaitHeld(s *server, parts int) {
	r.t.Helper()
	await(r.t, fmt.Sprintf("%s holds %d parts", filepath.Base(s.dir), parts), func() bool { return r.held(s) == parts })
}

// run lets the terminals trade until the returned function is called.
func (r *nodesRig) run() (stop func() []pos.Summary) {
	keys, err := keyring.Open(keyring.Options{Transport: crashTransport}) // of all terminals
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	sums, errs := make([]pos.Summary, 2), make([]error, 2)
	var done sync.WaitGroup
	for i := range 2 {
		address := r.nodes[i].terminals + "," + r.nodes[1-i].terminals
		var devices []pos.Device
		for n, d := range r.devices {
			if n%2 == i {
				devices = append(devices, d)
			}
		}
		done.Go(func() {
			sums[i], errs[i] = pos.Load(ctx, pos.LoadConfig{Address: address, Devices: devices, For: 24 * time.Hour, Seed: *crashSeed + uint64(i),
				Mix: map[string]int{"sale": 8, "void": 1, "refund": 1}, Dir: filepath.Join(r.dir, "terminals"), Keys: keys,
				Timeout: 3 * time.Second, Drain: 20 * time.Second, SettleEvery: 60, Observe: r.observe})
		})
	}
	await(r.t, "the terminals get going", func() bool { return r.done.Load() >= 100 })
	return func() []pos.Summary {
		cancel()
		done.Wait()
		for _, err := range errs {
			if err != nil {
				r.t.Fatal(err)
			}
		}
		return sums
	}
}

func (r *nodesRig) observe(tid string, o pos.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.codes[o.Code]++
	if o.Result == "approved" {
		r.approved[tid] = time.Now()
		if o.Operation == "sale" && len(r.seen) < 400 {
			r.seen = append(r.seen, o.RRN)
		}
	}
	r.done.Add(1)
}

// served waits until every terminal has seen an approval after a moment, and gives
// how long the slowest had to wait for it.
func (r *nodesRig) served(since time.Time) (slowest time.Duration) {
	r.t.Helper()
	first := map[string]time.Time{}
	r.t.Cleanup(func() {
		if len(first) < len(r.devices) {
			r.t.Logf("served are %v; the servers say\n%s\n%s", first, &r.nodes[0].log, &r.nodes[1].log)
		}
	})
	await(r.t, "every terminal is served again", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		for tid, at := range r.approved {
			if _, known := first[tid]; !known && at.After(since) {
				first[tid] = at
			}
		}
		return len(first) == len(r.devices)
	})
	for _, at := range first {
		slowest = max(slowest, at.Sub(since))
	}
	return slowest
}

// ask asks a node where the money of a payment is.
func (r *nodesRig) ask(s *server, ref string) (status int, body string) {
	r.t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+s.http+"/v1/payments/"+ref+"/whereabouts", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+r.key)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

// answers holds that each node answers about any payment, alike.
func (r *nodesRig) answers(nodes ...*server) {
	r.t.Helper()
	r.mu.Lock()
	seen := slices.Clone(r.seen)
	r.mu.Unlock()
	for i := 0; i < len(seen); i += max(1, len(seen)/20) {
		rrn := seen[i]
		var ids []string
		for _, s := range nodes {
			var status int
			var body string
			await(r.t, filepath.Base(s.dir)+" knows payment "+rrn, func() bool {
				status, body = r.ask(s, rrn)
				return status == http.StatusOK
			})
			var p struct{ ID, RRN string }
			if err := json.Unmarshal([]byte(body), &p); err != nil || p.RRN != rrn {
				r.t.Errorf("%s about %s: %s", filepath.Base(s.dir), rrn, body)
			}
			ids = append(ids, p.ID)
		}
		if len(ids) > 1 && ids[0] != ids[1] {
			r.t.Errorf("payment %s is %s at one node and %s at the other", rrn, ids[0], ids[1])
		}
	}
	if status, _ := r.ask(nodes[0], "999999999999"); status != http.StatusNotFound {
		r.t.Errorf("a payment that nobody knows: %d", status)
	}
}

// ended settles what is under way at all nodes, stops them and judges.
func (r *nodesRig) ended(sums []pos.Summary) {
	for _, s := range r.nodes {
		r.server = s
		r.settle(30 * time.Second)
	}
	for _, s := range r.nodes {
		s.stop()
	}
	for _, sum := range sums {
		r.t.Logf("%d transactions, results %v, codes %v, errors %v, %d reversals, %d batches settled, %d out of balance", sum.Transactions, sum.Results, sum.Codes,
			sum.Errors, sum.Reversed, sum.BatchesSettled, sum.OutOfBalance)
		if sum.Results["approved"] == 0 {
			r.t.Error("no approvals: nothing was tested")
		}
		if sum.OutOfBalance > 0 {
			r.t.Errorf("%d batches do not balance", sum.OutOfBalance)
		}
	}
	r.judge()
}

// TestNodeKilled kills one of two nodes under load: the other takes over what it
// held and owed, every terminal is served again in time, and nothing is lost or
// done twice. Then it comes back and takes its share.
func TestNodeKilled(t *testing.T) {
	r := newNodesRig(t, storetest.Postgres, crashScenario())
	a, b := r.nodes[0], r.nodes[1]
	a.start("")
	r.awaitHeld(a, payment.Parts)
	b.start("")
	r.awaitHeld(a, payment.Parts/2)
	r.awaitHeld(b, payment.Parts/2)
	stop := r.run()
	r.answers(a, b)
	if v, err := a.metric(`daozhang_messages_passed_on_total{result="passed_on"}`); err != nil || v == "0" {
		t.Errorf("no message was passed on: %q %v", v, err)
	}
	before := r.done.Load()
	await(t, "it is under load", func() bool { return r.done.Load() > before+100 })
	killed := time.Now()
	_ = a.cmd.Process.Kill()
	a.die(time.Second)
	slowest := r.served(killed)
	r.idle = append(r.idle, span{killed, killed.Add(slowest)})
	if slowest > resumeWithin {
		t.Errorf("a terminal had to wait for %s", slowest)
	}
	r.awaitHeld(b, payment.Parts)
	r.answers(b)
	t.Logf("after the node was killed every terminal was served within %s; %d parts in use", slowest.Round(time.Millisecond), bits.OnesCount64(uint64(r.parts)))
	a.start("")
	r.awaitHeld(a, payment.Parts/2)
	before = r.done.Load()
	await(t, "payments go on", func() bool { return r.done.Load() > before+200 })
	r.answers(a, b)
	r.ended(stop())
}

// TestNodesRestarted restarts both nodes, one after the other, under load: what a
// node holds goes to the other before it ends, so that nobody is turned away.
func TestNodesRestarted(t *testing.T) {
	r := newNodesRig(t, storetest.Postgres, &bank.Scenario{Seed: *crashSeed})
	for _, s := range r.nodes {
		s.start("")
	}
	for _, s := range r.nodes {
		r.awaitHeld(s, payment.Parts/2)
	}
	stop := r.run()
	for i, s := range r.nodes {
		stopped := time.Now()
		s.stop()
		took := time.Since(stopped)
		slowest := r.served(time.Now())
		r.awaitHeld(r.nodes[1-i], payment.Parts)
		t.Logf("stopped in %s, then every terminal was served within %s", took.Round(time.Millisecond), slowest.Round(time.Millisecond))
		if slowest > resumeWithin {
			t.Errorf("a terminal had to wait for %s", slowest)
		}
		s.start("")
		r.awaitHeld(s, payment.Parts/2)
		before := r.done.Load()
		await(t, "payments go on", func() bool { return r.done.Load() > before+100 })
	}
	r.answers(r.nodes...)
	sums := stop()
	for _, code := range []string{"91", "96"} {
		if n := r.codes[code]; n > 0 {
			t.Errorf("%d requests were turned away with %s", n, code)
		}
	}
	r.ended(sums)
}

// TestNodesLoad measures what two nodes carry against one, on the same machine and
// database, which syncs: docs/scaling.md says what that means.
func TestNodesLoad(t *testing.T) {
	if *nodesLoad == 0 {
		t.Skip("it measures; ask for it by -nodes.load 20s")
	}
	r := newNodesRig(t, storetest.Durable, &bank.Scenario{Seed: *crashSeed})
	a, b := r.nodes[0], r.nodes[1]
	a.start("")
	r.awaitHeld(a, payment.Parts)
	measure := func() (perSecond float64) {
		before, begun := r.done.Load(), time.Now()
		time.Sleep(*nodesLoad)
		return float64(r.done.Load()-before) / time.Since(begun).Seconds()
	}
	stop := r.run()
	for range 3 {
		one := measure()
		b.start("")
		r.awaitHeld(a, payment.Parts/2)
		r.awaitHeld(b, payment.Parts/2)
		two := measure()
		t.Logf("one node %.0f/s, two %.0f/s: %.2f", one, two, two/one)
		b.stop()
		r.awaitHeld(a, payment.Parts)
	}
	b.start("")
	r.awaitHeld(b, payment.Parts/2)
	r.ended(stop())
}
