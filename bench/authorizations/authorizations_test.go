//go:build linux

package authorizations_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite"

	"daozhang/internal/keyring"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
	"daozhang/internal/world/bank"
	"daozhang/internal/world/pos"
)

var (
	forTime   = flag.Duration("for", 0, "how long each load runs; 0 skips the measurement")
	terminals = flag.Int("terminals", 64, "how many terminals")
	rounds    = flag.Int("rounds", 3, "rounds; the figures are medians")
)

const (
	link   = "icbc"
	secret = "a secret of the measurement"
)

var transport = []string{"0123456789ABCDEFFEDCBA9876543210", "11112222333344445555666677778888"}

// TestAuthorizations measures `daozhang serve` as a process of its own, with load
// generator and bank in this one and the database where it lies, all on the same
// cores; then a bare loop that writes the same rows durably, in groups of the same
// size, for the same number of callers, and does nothing else.
//
// Required: at least 30 % of the bare loop's authorizations a second, and a p99 of
// at most 4 times the bare loop's.
func TestAuthorizations(t *testing.T) {
	if *forTime <= 0 {
		t.Skip("a measurement; run bench/authorizations.sh")
	}
	binary := filepath.Join(t.TempDir(), "daozhang")
	if out, err := exec.Command("go", "build", "-o", binary, "daozhang/cmd/daozhang").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	t.Run("SQLite", func(t *testing.T) {
		measure(t, binary, func() string { return filepath.Join(t.TempDir(), "data") })
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		c := storetest.Durable(t)
		measure(t, binary, func() string { return c.Database(t) })
	})
}

// figures are those of one round.
type figures struct {
	rate, bareRate     float64 // authorizations a second
	p50, p99, bareP99  float64 // milliseconds
	group              float64 // steps a commit
	approved, declined int64
}

func measure(t *testing.T, binary string, fresh func() string) {
	var all []figures
	for range *rounds {
		f := round(t, binary, fresh(), fresh())
		t.Logf("%.0f/s, bare %.0f/s: %.0f %%; p50 %.1f ms, p99 %.1f ms, bare %.1f ms: %.1f ×; %.1f steps a commit; %d approved, %d declined",
			f.rate, f.bareRate, 100*f.rate/f.bareRate, f.p50, f.p99, f.bareP99, f.p99/f.bareP99, f.group, f.approved, f.declined)
		all = append(all, f)
	}
	middle := func(of func(figures) float64) float64 {
		v := make([]float64, len(all))
		for i := range all {
			v[i] = of(all[i])
		}
		slices.Sort(v)
		return v[len(v)/2]
	}
	share := middle(func(f figures) float64 { return f.rate / f.bareRate })
	tail := middle(func(f figures) float64 { return f.p99 / f.bareP99 })
	verdict := "ok"
	if share < 0.3 || tail > 4 {
		verdict = "MISSED"
	}
	fmt.Printf("%s: %.0f authorizations/s, %.0f %% of the bare loop (required: 30), p99 %.1f times its p99 (at most 4): %s\n",
		t.Name(), middle(func(f figures) float64 { return f.rate }), 100*share, tail, verdict)
	if verdict != "ok" {
		t.Errorf("missed")
	}
}

// round runs the load over serve and then the bare loop.
func round(t *testing.T, binary, database, other string) figures {
	t.Helper()
	dir := t.TempDir()
	ring := filepath.Join(dir, "keyring")
	keys, err := keyring.Open(keyring.Options{Path: ring, Secret: []byte(secret), Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	var devices []pos.Device
	for i := 0; i < *terminals; i += 2 { // two to a merchant
		d, err := pos.NewDevices(keys, fmt.Sprintf("89831005812%04d", i/2), fmt.Sprintf("%08d", 10000001+i), min(2, *terminals-i))
		if err != nil {
			t.Fatal(err)
		}
		devices = append(devices, d...)
	}
	zone, err := keys.NewMaster(keyring.Link(link))
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Close(); err != nil {
		t.Fatal(err)
	}
	host, err := bank.Start(context.Background(), bank.Config{Link: link, Transport: transport, Master: zone})
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	s := start(t, binary, dir, database, ring, host.Addr(), devices)
	sum, err := pos.Load(context.Background(), pos.LoadConfig{Address: s.terminals, Devices: devices, For: *forTime, Seed: 1, Cards: 1_000_000,
		From: 1001, To: 9999, Transport: transport, Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	steps, groups := s.metric(`daozhang_store_steps_total{result="committed"}`), s.metric("daozhang_store_groups_total")
	s.stop()
	approved, declined := sum.Results["approved"], sum.Results["declined"]
	if n := sum.Transactions - approved - declined; n > 0 {
		t.Errorf("%d transactions without an answer: %v %v", n, sum.Results, sum.Errors)
	}
	if approved < sum.Transactions*9/10 {
		t.Fatalf("only %d of %d were approved: %v", approved, sum.Transactions, sum.Codes)
	}
	f := figures{rate: sum.PerSecond, p50: sum.Latency.P50, p99: sum.Latency.P99, group: steps / groups, approved: approved, declined: declined}
	bare := bareLoop(t, database, other, max(1, int(f.group+0.5)))
	f.bareRate, f.bareP99 = bare.rate, bare.p99
	return f
}

type served struct {
	t               *testing.T
	cmd             *exec.Cmd
	log             strings.Builder
	terminals, http string
}

func start(t *testing.T, binary, dir, database, ring, bankAt string, devices []pos.Device) *served {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	var c strings.Builder
	fmt.Fprintf(&c, "database: %q\nlisten: {terminals: %q, http: \"127.0.0.1:0\"}\nacquirer: \"48270000\"\nkeyring: {file: %q, transport: [%q, %q]}\nmerchants:\n",
		database, address, ring, transport[0], transport[1])
	seen := map[string]bool{}
	for _, d := range devices {
		if !seen[d.MID] {
			seen[d.MID] = true
			fmt.Fprintf(&c, "  - {mid: %q, name: Shop, mcc: \"5411\", currency: CNY, zone: Asia/Shanghai}\n", d.MID)
		}
	}
	c.WriteString("terminals:\n")
	for _, d := range devices {
		fmt.Fprintf(&c, "  - {tid: %q, mid: %q}\n", d.TID, d.MID)
	}
	fmt.Fprintf(&c, "links:\n  - {name: %s, network: UnionPay, address: %q}\nroutes:\n  - {links: [%s]}\n", link, bankAt, link)
	// Rules that ask for the type of card have something to work on.
	c.WriteString("ranges:\n  - {from: \"625\", to: \"625\", type: credit}\n  - {from: \"622575\", to: \"622582\", type: credit}\n  - {from: \"62\", to: \"62\", type: debit}\n")
	config, ready := filepath.Join(dir, "serve.yaml"), filepath.Join(dir, "ready.json")
	if err := os.WriteFile(config, []byte(c.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	s := &served{t: t, terminals: address}
	s.cmd = exec.Command(binary, "serve", "--config", config, "--ready-file", ready)
	s.cmd.Env = append(os.Environ(), "DAOZHANG_KEYRING_SECRET="+secret)
	s.cmd.Stderr = &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var at map[string]string
		if b, err := os.ReadFile(ready); err == nil && json.Unmarshal(b, &at) == nil {
			s.http = at["http"]
			if s.metric(`daozhang_link_state{link="`+link+`",state="up"}`) == 1 {
				return s
			}
		}
		if time.Now().After(until) {
			_ = s.cmd.Process.Kill()
			t.Fatalf("the server is not ready: %s", s.log.String())
		}
	}
}

func (s *served) metric(name string) float64 {
	res, err := http.Get("http://" + s.http + "/metrics")
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			f, _ := strconv.ParseFloat(strings.TrimSpace(v), 64)
			return f
		}
	}
	return 0
}

func (s *served) stop() {
	s.t.Helper()
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	if err := s.cmd.Wait(); err != nil {
		s.t.Fatalf("serve: %v\n%s", err, s.log.String())
	}
}

// authorization is the rows of one payment, as serve left them.
type authorization struct {
	payment, transfer []any
	journal, evidence [2][][]any // of the request and of the approval
}

// tables are those that an authorization writes, with their columns.
var tables = map[string][]string{
	"payment": {"merchant", "id", "version", "operation", "state", "open", "tid", "batch", "stan", "rrn", "original", "received", "business_date",
		"currency", "amount", "body"},
	"journal":         {"merchant", "node", "pos", "at", "step"},
	"evidence":        {"merchant", "id", "source", "hash", "node", "pos", "type", "at", "line"},
	"ledger_transfer": {"merchant", "seq", "id", "key", "currency", "debit", "credit", "amount", "phase", "of_id", "at", "date", "payment", "reason", "hash"},
}

func insert(table string) string {
	marks := make([]string, len(tables[table]))
	for i := range marks {
		marks[i] = "$" + strconv.Itoa(i+1)
	}
	return "INSERT INTO " + table + " (" + strings.Join(tables[table], ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")"
}

const (
	update  = "UPDATE payment SET version = $3, state = $4, open = $5, body = $6 WHERE merchant = $1 AND id = $2"
	head    = "INSERT INTO ledger_head (merchant, seq, hash) VALUES ($1, $2, $3) ON CONFLICT (merchant) DO UPDATE SET seq = excluded.seq, hash = excluded.hash"
	balance = "INSERT INTO ledger_balance (merchant, currency, account, debits, credits, pending_debits, pending_credits) VALUES ($1, 'CNY', $2, $3, $4, 0, 0) " +
		"ON CONFLICT (merchant, currency, account) DO UPDATE SET debits = excluded.debits, credits = excluded.credits"
)

// writer commits statements together.
type writer interface {
	begin() error
	exec(query string, args ...any) error
	commit() error
}

type sqliteWriter struct {
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
}

func (w *sqliteWriter) begin() error { return w.plain("BEGIN IMMEDIATE") }

func (w *sqliteWriter) plain(query string) error {
	_, err := w.conn.ExecContext(context.Background(), query)
	return err
}

func (w *sqliteWriter) exec(query string, args ...any) error {
	s := w.prepared[query]
	if s == nil {
		var err error
		if s, err = w.conn.PrepareContext(context.Background(), query); err != nil {
			return err
		}
		w.prepared[query] = s
	}
	_, err := s.Exec(args...)
	return err
}

func (w *sqliteWriter) commit() error { return w.plain("COMMIT") }

type postgresWriter struct {
	conn  *pgx.Conn
	batch *pgx.Batch
}

func (w *postgresWriter) begin() error { w.batch = &pgx.Batch{}; return nil }
func (w *postgresWriter) exec(query string, args ...any) error {
	w.batch.Queue(query, args...)
	return nil
}
func (w *postgresWriter) commit() error {
	tx, err := w.conn.Begin(context.Background())
	if err != nil {
		return err
	}
	if err := tx.SendBatch(context.Background(), w.batch).Close(); err != nil {
		return err
	}
	return tx.Commit(context.Background())
}

// bare are the figures of the bare loop.
type bare struct{ rate, p99 float64 }

// bareLoop writes what serve wrote into another database: so many callers as there
// were terminals, each with the rows of its request and then of its approval, taken
// from a queue in groups of the same size.
func bareLoop(t *testing.T, from, to string, group int) bare {
	t.Helper()
	ctx := context.Background()
	list := readAuthorizations(t, from)
	if _, err := store.Migrate(ctx, to, false); err != nil {
		t.Fatal(err)
	}
	var w writer
	if strings.Contains(to, "://") {
		conn, err := pgx.Connect(ctx, to)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		w = &postgresWriter{conn: conn}
	} else {
		db, err := sql.Open("sqlite", sqliteFile(to)+"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-65536)&_pragma=wal_autocheckpoint(8192)&_pragma=temp_store(MEMORY)")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		conn, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		w = &sqliteWriter{conn: conn, prepared: map[string]*sql.Stmt{}}
	}
	type caller struct {
		a     *authorization
		step  int
		since time.Time
	}
	begun := time.Now()
	var queue []*caller
	next := 0
	give := func() *caller {
		if next == len(list) {
			return nil
		}
		next++
		return &caller{a: list[next-1], since: time.Now()}
	}
	for range *terminals {
		if c := give(); c != nil {
			queue = append(queue, c)
		}
	}
	var latencies []time.Duration
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	sums := map[any]int64{}
	for len(queue) > 0 {
		n := min(group, len(queue))
		members := slices.Clone(queue[:n])
		queue = append(queue[:0], queue[n:]...)
		must(w.begin())
		touched := map[any]bool{}
		for _, c := range members {
			p := c.a.payment
			if c.step == 0 {
				must(w.exec(insert("payment"), p...))
			} else {
				must(w.exec(update, p[0], p[1], p[2], p[4], p[5], p[15]))
				must(w.exec(insert("ledger_transfer"), c.a.transfer...))
				sums[p[0]] += 1
				touched[p[0]] = true
			}
			for _, r := range c.a.journal[c.step] {
				must(w.exec(insert("journal"), r...))
			}
			for _, r := range c.a.evidence[c.step] {
				must(w.exec(insert("evidence"), r...))
			}
		}
		for m := range touched {
			must(w.exec(head, m, sums[m], []byte("0123456789abcdef0123456789abcdef")))
			must(w.exec(balance, m, "network_receivable", sums[m], 0))
			must(w.exec(balance, m, "merchant_pending", 0, sums[m]))
		}
		must(w.commit())
		now := time.Now()
		for _, c := range members {
			if c.step++; c.step == 1 {
				queue = append(queue, c)
				continue
			}
			latencies = append(latencies, now.Sub(c.since))
			if c := give(); c != nil {
				queue = append(queue, c)
			}
		}
	}
	took := time.Since(begun)
	slices.Sort(latencies)
	return bare{rate: float64(len(latencies)) / took.Seconds(), p99: float64(latencies[len(latencies)*99/100]) / 1e6}
}

func sqliteFile(dir string) string { return filepath.Join(dir, "daozhang.db") }

// readAuthorizations takes the rows of the approved payments out of a database.
func readAuthorizations(t *testing.T, address string) []*authorization {
	t.Helper()
	rows := func(table, order string) (out [][]any) {
		q := "SELECT " + strings.Join(tables[table], ", ") + " FROM " + table + " ORDER BY " + order
		if strings.Contains(address, "://") {
			conn, err := pgx.Connect(context.Background(), address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.Background())
			r, err := conn.Query(context.Background(), q)
			for err == nil && r.Next() {
				var v []any
				if v, err = r.Values(); err == nil {
					out = append(out, v)
				}
			}
			if err != nil || r.Err() != nil {
				t.Fatal(err, r.Err())
			}
			return out
		}
		db, err := sql.Open("sqlite", sqliteFile(address))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		r, err := db.Query(q)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		for r.Next() {
			v := make([]any, len(tables[table]))
			at := make([]any, len(v))
			for i := range v {
				at[i] = &v[i]
			}
			if err := r.Scan(at...); err != nil {
				t.Fatal(err)
			}
			out = append(out, v)
		}
		if r.Err() != nil {
			t.Fatal(r.Err())
		}
		return out
	}
	id := func(v any) string {
		switch b := v.(type) {
		case []byte:
			return string(b)
		case [16]byte:
			return string(b[:])
		}
		return ""
	}
	transfers := map[string][]any{}
	for _, r := range rows("ledger_transfer", "merchant, seq") {
		transfers[id(r[12])] = r
	}
	journal, evidence := rows("journal", "node, pos"), rows("evidence", "node, pos")
	var list []*authorization
	for _, p := range rows("payment", "id") {
		if transfer := transfers[id(p[1])]; transfer != nil {
			list = append(list, &authorization{payment: p, transfer: transfer})
		}
	}
	if len(list) == 0 {
		t.Fatal("the load left nothing in the database")
	}
	// Journal and evidence are shared out in their order: which row goes with which
	// payment makes no difference to the database.
	share := func(all [][]any, put func(a *authorization, step int, row []any)) {
		for i, row := range all {
			at := i * 2 * len(list) / len(all)
			put(list[at/2], at%2, row)
		}
	}
	share(journal, func(a *authorization, step int, row []any) { a.journal[step] = append(a.journal[step], row) })
	share(evidence, func(a *authorization, step int, row []any) { a.evidence[step] = append(a.evidence[step], row) })
	return list
}
