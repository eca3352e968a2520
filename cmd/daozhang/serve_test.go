package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"daozhang/internal/fault"
)

// buffer is written by a command and read by the test.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// running is a command that runs beside the test.
type running struct {
	out, err buffer
	cancel   context.CancelFunc
	code     chan int
}

func mainFor(env map[string]string, out, err io.Writer) *Main {
	return &Main{Stdin: strings.NewReader(""), Stdout: out, Stderr: err, Now: time.Now, Zone: time.UTC, Terminal: terminal,
		Getenv: func(k string) string { return env[k] }}
}

func begin(t *testing.T, env map[string]string, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{cancel: cancel, code: make(chan int, 1)}
	m := mainFor(env, &r.out, &r.err)
	go func() { r.code <- m.Run(ctx, args) }()
	t.Cleanup(func() { r.end(t) })
	return r
}

// end stops the command and gives its exit code.
func (r *running) end(t *testing.T) int {
	t.Helper()
	r.cancel()
	select {
	case c := <-r.code:
		r.code <- c
		return c
	case <-time.After(30 * time.Second):
		t.Fatalf("it does not end:\n%s", r.err.String())
		return -1
	}
}

// runMain runs a command to its end.
func runMain(t *testing.T, env map[string]string, args ...string) (code int, out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	code = mainFor(env, &o, &e).Run(t.Context(), args)
	return code, o.String(), e.String()
}

// await waits for what has to happen. Its end is against hanging, not a bar: what
// takes seconds takes a minute where other tests run beside.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(4 * time.Minute); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("it does not happen that %s", what)
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestServeDev is what the README shows: serve, bank and pos in three commands,
// then where the money is, asked over HTTP and by trace.
func TestServeDev(t *testing.T) {
	dir := t.TempDir()
	data, ready, bankAt := filepath.Join(dir, "data"), filepath.Join(dir, "ready"), freePort(t)
	serve := begin(t, nil, "serve", "--dev", "--database", data, "--terminals", "127.0.0.1:0", "--http", "127.0.0.1:0", "--bank", bankAt, "--ready-file", ready)
	var at map[string]string
	await(t, "serve is ready", func() bool {
		b, err := os.ReadFile(ready)
		return err == nil && json.Unmarshal(b, &at) == nil
	})
	keys := filepath.Join(data, "dev-keys.json")
	begin(t, nil, "bank", "--listen", bankAt, "--keys", keys)
	web := "http://" + at["http"]
	get := func(path string) (int, string) {
		res, err := http.Get(web + path)
		if err != nil {
			return 0, err.Error()
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	await(t, "the link is up", func() bool {
		_, b := get("/metrics")
		return strings.Contains(b, `daozhang_link_state{link="bank",state="up"} 1`)
	})
	code, slip, stderr := runMain(t, nil, "pos", "--connect", at["terminals"], "--devices", keys, "--tid", "T0000001", "--dir", filepath.Join(dir, "till"), "--slip", "en", "sale 88.00")
	if code != 0 {
		t.Fatalf("pos: %d\n%s\n%s\n%s", code, slip, stderr, serve.err.String())
	}
	rrn := regexp.MustCompile(`\d{12}`).FindString(strings.ReplaceAll(slip, "898310058120001", ""))
	if rrn == "" {
		t.Fatalf("no RRN on the slip:\n%s", slip)
	}
	var dev devKeys
	b, err := os.ReadFile(keys)
	if err != nil || json.Unmarshal(b, &dev) != nil {
		t.Fatal(err)
	}
	env := map[string]string{apiKeyVariable: dev.APIKey}
	var card string
	await(t, "the investigation knows the payment", func() bool {
		code, card, stderr = runMain(t, env, "trace", rrn, "--server", web)
		return code == 0
	})
	if !strings.Contains(card, "88.00") || !strings.Contains(card, rrn) {
		t.Errorf("the card:\n%s", card)
	}
	code, line, _ := runMain(t, env, "trace", rrn, "--server", web, "-o", "ndjson")
	var p struct {
		ID, Status, Stage, RRN string
		Amount                 int64
		Fee                    int64
	}
	if code != 0 || json.Unmarshal([]byte(line), &p) != nil || p.Status != "in_transit" || p.Stage != "captured" || p.Amount != 8800 || p.Fee != 33 || p.RRN != rrn {
		t.Errorf("the answer: %d %s", code, line)
	}
	if code, _, _ := runMain(t, env, "trace", "999999999999", "--server", web); code != fault.ExitCode(fault.New(fault.NotFound, "", "", nil, "")) {
		t.Errorf("an unknown reference: exit code %d", code)
	}
	if code, _, e := runMain(t, nil, "trace", rrn, "--server", web); code != fault.ExitCode(fault.New(fault.NotAllowed, "", "", nil, "")) {
		t.Errorf("without a key: exit code %d %s", code, e)
	}
	for _, path := range []string{"/livez", "/readyz", "/version", "/v1/openapi.json"} {
		if status, b := get(path); status != 200 {
			t.Errorf("%s: %d %s", path, status, b)
		}
	}
	if code, out, e := runMain(t, nil, "pos", "--connect", at["terminals"], "--devices", keys, "--tid", "T0000001", "--dir", filepath.Join(dir, "till"), "void 2; settle"); code != 0 {
		t.Errorf("void and settle: %d\n%s\n%s", code, out, e)
	}
	if code := serve.end(t); code != 0 {
		t.Errorf("serve ends with %d\n%s", code, serve.err.String())
	}
	if code, out, e := runMain(t, nil, "doctor", data); code != 0 {
		t.Errorf("doctor: %d\n%s%s", code, out, e)
	}
	// No full card number is in any file of the server, in what it said or measured.
	full := regexp.MustCompile(`622202\d{10,13}`)
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if m := full.Find(b); m != nil {
			t.Errorf("%s holds a card number", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if full.MatchString(serve.err.String() + serve.out.String() + slip + card) {
		t.Error("a card number was printed")
	}
}

// TestServeConfig: flags before the environment before the file before the
// defaults; what is misspelt is refused.
func TestServeConfig(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "serve.yaml")
	text := "node: from-file\nlisten: {http: \"127.0.0.1:1\", terminals: \"127.0.0.1:2\"}\npayment: {answer_within: 3s}\nkeyring: {transport: [aa, bb]}\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"DAOZHANG_NODE": "from-env", "DAOZHANG_LISTEN_HTTP": "127.0.0.1:3", "DAOZHANG_PAYMENT_ANSWER_WITHIN": "4s"}
	c, err := mainFor(env, io.Discard, io.Discard).readServeConfig(file, map[string]any{"node": "from-flag"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Node != "from-flag" || c.Listen.HTTP != "127.0.0.1:3" || c.Listen.Terminals != "127.0.0.1:2" || c.Payment.AnswerWithin != 4*time.Second ||
		c.Payment.LastArrival != 5*time.Minute || len(c.Keyring.Transport) != 2 {
		t.Errorf("%+v", c)
	}
	c.develop("127.0.0.1:9")
	if len(c.Links) != 1 || c.Links[0].RetryMost != 2*time.Second || len(c.Ranges) == 0 {
		t.Errorf("for trying: links %+v, %d ranges", c.Links, len(c.Ranges))
	}
	for name, bad := range map[string]string{"a misspelt name": "lisen: {http: x}\n", "no YAML": "a: [", "a bad duration": "drain: soon\n"} {
		if err := os.WriteFile(file, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := mainFor(nil, io.Discard, io.Discard).readServeConfig(file, nil); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestServeProduction: keys in software do not serve production.
func TestServeProduction(t *testing.T) {
	dir := t.TempDir()
	code, _, stderr := runMain(t, nil, "serve", "--production", "--database", filepath.Join(dir, "data"))
	if code != 4 || !strings.Contains(stderr, "software keyring does not serve production") {
		t.Errorf("%d %s", code, stderr)
	}
	if code, _, _ := runMain(t, nil, "serve", "--production", "--dev"); code != 2 {
		t.Errorf("--dev in production: %d", code)
	}
}

// TestKeys: a key is shown once and kept as a hash.
func TestKeys(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	code, secret, stderr := runMain(t, nil, "keys", "add", "--role", "bank", "--name", "icbc", "--source", "bank/ICBC*", "--database", data)
	secret = strings.TrimSpace(secret)
	if code != 0 || !strings.HasPrefix(secret, "dz_") || len(secret) < 40 {
		t.Fatalf("%d %q %s", code, secret, stderr)
	}
	_, list, _ := runMain(t, nil, "keys", "list", "--database", data)
	if !strings.Contains(list, "icbc") || !strings.Contains(list, "bank/ICBC*") || strings.Contains(list, secret) {
		t.Error(list)
	}
	id := regexp.MustCompile(`k[0-9a-f]{8}`).FindString(list)
	if code, _, e := runMain(t, nil, "keys", "revoke", id, "--database", data); code != 0 {
		t.Errorf("revoke: %d %s", code, e)
	}
	for _, bad := range [][]string{{"--role", "god"}, {"--role", "merchant"}, {"--role", "platform", "--source", "gateway/node-1"}, {"--role", "bank", "--source", "*"}} {
		if code, _, _ := runMain(t, nil, append([]string{"keys", "add", "--database", data}, bad...)...); code != 2 {
			t.Errorf("%v: exit code %d", bad, code)
		}
	}
	if code, _, _ := runMain(t, nil, "keys", "revoke", "k00000000", "--database", data); code != 3 {
		t.Errorf("revoking what is not there: %d", code)
	}
	err := filepath.WalkDir(data, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(secret)) {
			t.Errorf("%s holds the key itself", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
