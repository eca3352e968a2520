package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"daozhang/internal/payment"
	"daozhang/internal/store"
)

// shop is `serve --dev` with its bank beside the test, and what it takes to stand at
// one of its terminals.
type shop struct {
	t     *testing.T
	dir   string
	data  string
	at    map[string]string // terminals and http
	keys  string
	serve *running
}

func openShop(t *testing.T, flags ...string) *shop {
	t.Helper()
	return openShopAt(t, freePort(t), flags...)
}

// openShopAt is openShop where the address of the bank is known beforehand.
func openShopAt(t *testing.T, bankAt string, flags ...string) *shop {
	t.Helper()
	dir := t.TempDir()
	s := &shop{t: t, dir: dir, data: filepath.Join(dir, "data")}
	s.keys = filepath.Join(s.data, "dev-keys.json")
	ready := filepath.Join(dir, "ready")
	s.serve = begin(t, nil, append([]string{"serve", "--dev", "--database", s.data, "--terminals", "127.0.0.1:0", "--http", "127.0.0.1:0", "--bank", bankAt, "--ready-file", ready}, flags...)...)
	await(t, "serve is ready", func() bool {
		b, err := os.ReadFile(ready)
		return err == nil && json.Unmarshal(b, &s.at) == nil
	})
	begin(t, nil, "bank", "--listen", bankAt, "--keys", s.keys)
	await(t, "the link is up", func() bool {
		return strings.Contains(s.get("/metrics"), `daozhang_link_state{link="bank",state="up"} 1`)
	})
	return s
}

func (s *shop) get(path string) string {
	res, err := http.Get("http://" + s.at["http"] + path)
	if err != nil {
		return ""
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return string(b)
}

// pos stands at a terminal and gives its exit code and what it printed.
func (s *shop) pos(tid string, args ...string) (int, string) {
	s.t.Helper()
	code, out, stderr := runMain(s.t, nil, append([]string{"pos", "--connect", s.at["terminals"], "--devices", s.keys, "--tid", tid,
		"--dir", filepath.Join(s.dir, "till-"+tid), "--slip", "en"}, args...)...)
	return code, out + stderr
}

// fact is the data of one fact, with its type.
type fact struct {
	Type string
	Data map[string]any
}

// facts ends the server and gives what it left as evidence, by type.
func (s *shop) facts() map[string][]map[string]any {
	s.t.Helper()
	if code := s.serve.end(s.t); code != 0 {
		s.t.Fatalf("serve ends with %d\n%s", code, s.serve.err.String())
	}
	db, err := store.Open(s.t.Context(), store.Options{Database: s.data, Node: "reader"})
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	var b strings.Builder
	if _, err := db.WriteEvidence(s.t.Context(), &b, ""); err != nil {
		s.t.Fatal(err)
	}
	all := map[string][]map[string]any{}
	for line := range strings.Lines(b.String()) {
		var f fact
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			s.t.Fatal(err)
		}
		kind := strings.TrimPrefix(f.Type, "daozhang.")
		all[kind] = append(all[kind], f.Data)
	}
	return all
}

// TestServeRisk: what a terminal says of its place, and what a card number tells of
// its type, reach the rules; and its clock and the till's order reach the evidence.
func TestServeRisk(t *testing.T) {
	s := openShop(t)
	for _, c := range [][]string{
		{"T0000001", "--location", devLocation, "sale 88.00 order=TAB-17"},
		{"T0000002", "--location", "39.904200,116.407396", "sale 66.00"},
		{"T0000003", "sale 1000.00 card=icbc-credit:1;sale 1000.00 card=cmb-credit:2;sale 1000.00 card=icbc-credit:3;sale 1000.00 card=cmb-credit:4"},
		{"T0000004", "sale 1000.00 card=icbc-debit:1;sale 1000.00 card=icbc-debit:2;sale 1000.00 card=icbc-debit:3;sale 1000.00 card=icbc-debit:4"},
	} {
		if code, out := s.pos(c[0], c[1:]...); code != 0 {
			t.Fatalf("%v: exit code %d\n%s", c, code, out)
		}
	}
	if code, out := s.pos("T0000005", "--location", "the harbour", "sale 1.00"); code != 2 || !strings.Contains(out, "31.230416,121.473701") {
		t.Errorf("a place that is none: %d %s", code, out)
	}
	if log := s.serve.err.String(); strings.Contains(log, "card ranges") {
		t.Errorf("it misses card ranges that it has:\n%s", log)
	}
	all := s.facts()
	var fired []string
	for _, d := range all["risk.decision"] {
		fired = append(fired, fmt.Sprint(d["tid"], " ", d["action"], " ", d["rule"]))
	}
	if got, want := strings.Join(fired, "; "), "T0000002 hold terminal.moved; T0000003 hold cashout.round_repeated"; got != want {
		t.Errorf("the door says %q, want %q", got, want)
	}
	if trace := fmt.Sprint(all["risk.decision"]); !regexp.MustCompile(`moved_by:1\.06\d+e\+06`).MatchString(trace) {
		t.Errorf("the trace does not say how far it moved: %s", trace)
	}
	for _, d := range all["gateway.request"] {
		at, err := time.Parse(time.RFC3339, fmt.Sprint(d["terminal_time"]))
		if err != nil || time.Since(at).Abs() > 5*time.Minute {
			t.Errorf("the terminal's clock in evidence: %v %v", d["terminal_time"], err)
		}
		if want := map[any]any{"T0000001": "TAB-17"}[d["tid"]]; d["order_id"] != want {
			t.Errorf("the order of %v is %v, want %v", d["tid"], d["order_id"], want)
		}
	}
}

// apiKey makes a key of a role while the server runs.
func (s *shop) apiKey(role string) map[string]string {
	s.t.Helper()
	code, secret, stderr := runMain(s.t, nil, "keys", "add", "--role", role, "--database", s.data)
	if code != 0 {
		s.t.Fatalf("keys add: %d %s", code, stderr)
	}
	return map[string]string{apiKeyVariable: strings.TrimSpace(secret)}
}

// TestServeRelease: a payment that risk holds goes on when two people say so, and
// they stand in the evidence.
func TestServeRelease(t *testing.T) {
	s := openShop(t)
	if code, out := s.pos("T0000002", "--location", "39.904200,116.407396", "sale 66.00"); code != 0 {
		t.Fatalf("pos: %d\n%s", code, out)
	}
	platform, institution := s.apiKey("platform"), s.apiKey("institution")
	web := "http://" + s.at["http"]
	var held struct{ ID, Status, Payment string }
	status := func() string {
		code, out, _ := runMain(t, platform, "trace", "T0000002", "--server", web, "-o", "ndjson")
		if code != 0 || json.Unmarshal([]byte(out), &held) != nil {
			return ""
		}
		return held.Status
	}
	db, err := store.Open(t.Context(), store.Options{Database: s.data, Node: "reader", Registers: true})
	if err != nil {
		t.Fatal(err)
	}
	page, err := db.Payments(t.Context(), devMID, payment.ID{}, 10)
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err != nil || len(page) != 1 || !page[0].Held {
		t.Fatalf("the store has %+v, %v", page, err)
	}
	id := page[0].ID.String()
	status()
	for _, bad := range []struct {
		env  map[string]string
		args []string
		code int
	}{
		{nil, []string{id, "--by", "anne", "--check", "bert"}, 4},
		{institution, []string{id, "--by", "anne", "--check", "bert"}, 4},
		{platform, []string{id, "--by", "anne", "--check", "Anne"}, 2},
		{platform, []string{id, "--by", "anne"}, 2},
		{platform, []string{"0198c0de-0000-7000-8000-000000000001", "--by", "anne", "--check", "bert"}, 3},
		{platform, []string{"66.00", "--by", "anne", "--check", "bert"}, 3},
	} {
		if code, _, e := runMain(t, bad.env, append([]string{"payments", "release", "--server", web}, bad.args...)...); code != bad.code {
			t.Errorf("%v: exit code %d, want %d: %s", bad.args, code, bad.code, e)
		}
	}
	release := func() (int, string) {
		code, _, e := runMain(t, platform, "payments", "release", id, "--by", "anne", "--check", "bert", "--server", web)
		return code, e
	}
	if code, e := release(); code != 0 {
		t.Fatalf("release: %d %s", code, e)
	}
	if code, e := release(); code != 5 {
		t.Errorf("released twice: %d %s", code, e)
	}
	decisions := fmt.Sprint(s.facts()["risk.decision"])
	if strings.Count(decisions, "action:release") != 1 || !strings.Contains(decisions, "released by anne, checked by bert") {
		t.Errorf("the evidence says %s", decisions)
	}
}

// TestServeWithoutRanges: without card ranges the rules against cash-out are blind,
// and the log says which.
func TestServeWithoutRanges(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "serve.yaml")
	if err := os.WriteFile(file, []byte("keyring: {transport: [\"0123456789ABCDEFFEDCBA9876543210\"]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ready := filepath.Join(dir, "ready")
	serve := begin(t, nil, "serve", "--config", file, "--database", filepath.Join(dir, "data"), "--terminals", "127.0.0.1:0", "--http", "127.0.0.1:0", "--ready-file", ready)
	await(t, "serve is ready", func() bool { _, err := os.Stat(ready); return err == nil })
	if log := serve.err.String(); !strings.Contains(log, "no card ranges") || !strings.Contains(log, "cashout.round_repeated") || strings.Contains(log, "terminal.moved") {
		t.Errorf("the log says:\n%s", log)
	}
}
