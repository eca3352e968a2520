package pos_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/format/registry"
	"daozhang/internal/iso8583"
	"daozhang/internal/world/acquirertest"
	"daozhang/internal/world/pos"
)

func devices(t testing.TB, n int, treat func(acquirertest.Event) acquirertest.Deed) ([]pos.Device, *acquirertest.Acquirer) {
	t.Helper()
	host := openKeys(t)
	list, err := pos.NewDevices(host, mid, "90010001", n)
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := pos.WriteDevices(&file, list); err != nil {
		t.Fatal(err)
	}
	if list, err = pos.ReadDevices(&file); err != nil || len(list) != n {
		t.Fatal(err)
	}
	a, err := acquirertest.Start(host, treat)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return list, a
}

// TestLoad: what the terminals add up is what the acquirer has, with every kind of
// transaction, lost answers, crashes and batches settled on the way.
func TestLoad(t *testing.T) {
	var mu sync.Mutex
	n := 0
	list, a := devices(t, 4, func(e acquirertest.Event) acquirertest.Deed {
		mu.Lock()
		defer mu.Unlock()
		if n++; n%23 == 0 && (e.Kind.Operation.Financial()) {
			return acquirertest.Deed{Silent: n%2 == 0, Close: n%2 != 0}
		}
		return acquirertest.Deed{}
	})
	dir := t.TempDir()
	seen := map[string]int{}
	sum, err := pos.Load(context.Background(), pos.LoadConfig{
		Address: a.Addr(), Devices: list, Count: 400, Seed: 7, Timeout: 150 * time.Millisecond, Dir: dir, Keys: openKeys(t),
		Mix:         map[string]int{"sale": 10, "void": 1, "refund": 1, "preauth": 2, "completion": 1, "balance": 1, "offline_sale": 1},
		SettleEvery: 40, Settle: true, Faults: []pos.Fault{{What: pos.Crash, Chance: 0.02}, {What: pos.Crash, At: pos.Recorded, Chance: 0.01}},
		Observe: func(tid string, o pos.Outcome) { mu.Lock(); defer mu.Unlock(); seen[o.Result]++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Transactions < 300 || sum.ReversalsDue != 0 || sum.OfflineStored != 0 || sum.Reversed == 0 || sum.BatchesSettled < 4 || sum.Restarts == 0 || sum.OutOfBalance != 0 {
		t.Errorf("%+v", sum)
	}
	if int64(seen["approved"]) != sum.Results["approved"] || seen["timeout"] == 0 {
		t.Errorf("observed %v, summed %v", seen, sum.Results)
	}
	// The acquirer's own sum: what stands, by what it was.
	var standing int64
	kinds := map[string]iso8583.Operation{}
	for _, e := range a.Events() {
		if e.Kind.Operation.Financial() && !e.Kind.Reversal {
			kinds[e.TID+"/"+e.Batch+"/"+e.STAN] = e.Kind.Operation
		}
	}
	for key, amount := range a.Standing() {
		switch kinds[key] {
		case iso8583.Sale, iso8583.Completion, iso8583.OfflineSale:
			standing += amount
		case iso8583.Refund, iso8583.SaleVoid, iso8583.CompletionVoid:
			standing -= amount
		}
	}
	if standing != sum.ApprovedAmount {
		t.Errorf("the acquirer has %d, the terminals saw %d", standing, sum.ApprovedAmount)
	}
	// The journals say the same.
	stood := map[string]int64{}
	for _, d := range list {
		all, err := pos.ReadJournal(filepath.Join(dir, d.TID))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range all {
			if (x.Result == "approved" || x.Result == "offline_approved") && x.Reversal == "" {
				stood[d.TID+"/"+x.Batch+"/"+x.STAN] = x.Amount
			}
		}
	}
	for key, amount := range a.Standing() {
		if stood[key] != amount {
			t.Errorf("%s: the acquirer has %d, the terminal %d", key, amount, stood[key])
		}
		delete(stood, key)
	}
	if len(stood) > 0 {
		t.Errorf("only terminals have %v", stood)
	}
	out, err := json.Marshal(sum)
	if err != nil || !strings.Contains(string(out), `"p99":`) {
		t.Errorf("%s %v", out, err)
	}
}

func TestLoadOnSchedule(t *testing.T) {
	list, a := devices(t, 3, nil)
	sum, err := pos.Load(context.Background(), pos.LoadConfig{Address: a.Addr(), Devices: list, Rate: 200, Count: 60, Seed: 1, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Results["approved"] != 60 || sum.Seconds < 0.25 || sum.Latency.Max <= 0 || sum.Latency.P50 > sum.Latency.P99 || sum.Latency.P99 > sum.Latency.Max {
		t.Errorf("%+v", sum)
	}
	for _, cfg := range []pos.LoadConfig{{}, {Devices: list}, {Devices: list, Count: 1, Mix: map[string]int{"theft": 1}}, {Devices: list, Count: 1, From: 5, To: 4}} {
		if _, err := pos.Load(context.Background(), cfg); fault.KindOf(err) != fault.Usage {
			t.Errorf("%v", err)
		}
	}
	a.Close()
	if _, err := pos.Load(context.Background(), pos.LoadConfig{Address: a.Addr(), Devices: list, Count: 1, Transport: transport}); err == nil {
		t.Error("a load without an acquirer ran")
	}
}

func TestDeviceFileErrors(t *testing.T) {
	for _, text := range []string{"a,b\n", "mid,tid,tmk,kcv\nM,T,00,00\n", "M,T,0123456789ABCDEFFEDCBA9876543210,zz\n"} {
		if _, err := pos.ReadDevices(strings.NewReader(text)); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := pos.NewDevices(openKeys(t), mid, "99999999", 2); fault.KindOf(err) != fault.Usage {
		t.Errorf("%v", err)
	}
}

// TestPapersAreEvidence reads what a terminal writes as `daozhang check` does: every
// row and fact is taken, and pos.csv has what the journal has.
func TestPapersAreEvidence(t *testing.T) {
	var seconds atomic.Int64
	b := newBench(t, func(c *pos.Config) {
		c.Timeout = 100 * time.Millisecond
		c.Now = func() time.Time { return monday.Add(time.Duration(seconds.Add(1)) * time.Second) }
	})
	b.sale(1234, "chip")
	b.do(pos.Request{Operation: iso8583.Sale, Amount: 500, Card: b.card(), Entry: "contactless", OrderID: "A-1"})
	b.do(pos.Request{Operation: iso8583.SaleVoid, Original: pos.Ref{STAN: b.terminal.Journal()[0].STAN}})
	if err := b.terminal.Break(pos.Fault{What: pos.NoPaper}); err != nil {
		t.Fatal(err)
	}
	b.acquirer.Do(func(e acquirertest.Event) acquirertest.Deed { return acquirertest.Deed{Silent: !e.Kind.Reversal} })
	b.sale(777, "magstripe")
	if err := b.terminal.Close(); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range []string{"pos.csv", "evidence.ndjson"} {
		text, err := os.ReadFile(filepath.Join(b.cfg.Dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = text
	}
	b.start() // written anew from the journal, they are the same but for the start
	b.terminal.Close()
	for name, was := range files {
		text, err := os.ReadFile(filepath.Join(b.cfg.Dir, name))
		if err != nil || !bytes.HasPrefix(text, was) {
			t.Errorf("%s written anew differs: %v\n%s\nwas\n%s", name, err, text, was)
		}
	}
	set := evidence.NewSet()
	read, err := format.Load(context.Background(), []string{b.cfg.Dir}, format.Options{}, registry.All(), set, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(read.Rejected) > 0 {
		t.Errorf("refused: %v", read.Rejected)
	}
	if len(set.UnknownTypes()) > 0 {
		t.Errorf("unknown types: %v", set.UnknownTypes())
	}
	count := map[string]int{}
	for _, f := range set.All {
		count[f.Type.String()+" "+f.Kind.String()+" "+f.Result.String()]++
	}
	for what, n := range map[string]int{
		"terminal.transaction sale approved": 4, "terminal.transaction void approved": 2, "terminal.transaction sale timeout": 2,
		"terminal.transaction reversal approved": 1, "sale.order  ": 1, "coverage  ": 2,
	} {
		if count[what] != n {
			t.Errorf("%s: %d, want %d (once in each file); all %v", what, count[what], n, count)
		}
	}
	b.noCard()
}

// BenchmarkLoad is what the load generator itself can do: terminals in memory
// against a stand-in that answers at once.
func BenchmarkLoad(b *testing.B) {
	list, a := devices(b, 64, nil)
	b.ResetTimer()
	sum, err := pos.Load(context.Background(), pos.LoadConfig{Address: a.Addr(), Devices: list, Count: int64(b.N), Seed: 1, Transport: transport})
	if err != nil || sum.Results["approved"] != int64(b.N) {
		b.Fatalf("%+v %v", sum, err)
	}
	b.ReportMetric(sum.PerSecond, "tx/s")
	b.ReportMetric(sum.Latency.P99, "p99-ms")
}
