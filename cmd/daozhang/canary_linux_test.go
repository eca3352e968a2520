package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
	"daozhang/internal/world/bank"
	"daozhang/internal/world/pos"
)

// canaryRig is a server as a process of its own and a terminal at which one card is
// used in every way. What the card, its PIN and its tracks are, and what they are
// under each key in use, the test knows; the server must have left none of it.
type canaryRig struct {
	*crashRig
	secrets  secrets
	ring     *keyring.Software
	owner    keyring.Owner
	card     *pos.Card
	terminal *pos.Terminal
	said     bytes.Buffer // by the processes that have ended
	heard    bytes.Buffer // HTTP answers
}

func newCanaryRig(t *testing.T, database string) *canaryRig {
	t.Helper()
	// As bad as it can be: stacks of all threads, and core files without a limit.
	t.Setenv("GOTRACEBACK", "crash")
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_CORE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{Cur: was.Max, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Setrlimit(syscall.RLIMIT_CORE, &was) })
	r := &canaryRig{secrets: cardSecrets(), crashRig: newCrashRig(t, database, &bank.Scenario{Rules: []bank.Rule{
		{When: bank.When{Endings: []string{"13"}}, Do: bank.DoSilent},
		{When: bank.When{Endings: []string{"51"}}, Do: bank.DoDecline, Code: "51"},
		{When: bank.When{Endings: []string{"77"}}, Do: bank.DoGarbage},
	}})}
	var err error
	if r.ring, err = keyring.Open(keyring.Options{Transport: crashTransport}); err != nil {
		t.Fatal(err)
	}
	if r.card, err = pos.NewCard(canary); err != nil {
		t.Fatal(err)
	}
	r.card.PIN = canaryPIN
	clear := []byte{0x06, 0x13, 0x57, 0x92, 0xff, 0xff, 0xff, 0xff} // ISO 9564-1 format 0, before the number is added
	number := canary[len(canary)-13 : len(canary)-1]
	packed, err := hex.DecodeString("0000" + number)
	if err != nil {
		t.Fatal(err)
	}
	for i := range clear {
		clear[i] ^= packed[i]
	}
	r.secrets.add("the clear PIN block", clear)
	return r
}

// begin starts the server and the terminal, and learns what the PIN is under the
// keys of both sides.
func (r *canaryRig) begin() {
	t := r.t
	t.Helper()
	r.server.start("")
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", r.server.cmd.Process.Pid))
	if err != nil || !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), "Max core file size 0 0 bytes") {
		t.Errorf("the server may write core files: %v\n%s", err, limits)
	}
	d := r.devices[0]
	r.owner = keyring.Terminal(d.MID, d.TID)
	if r.terminal == nil {
		if r.terminal, err = pos.New(pos.Config{Address: r.server.terminals, TID: d.TID, MID: d.MID, Master: d.Master, Keys: r.ring, Timeout: 2 * time.Second}); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the link is up", func() bool {
		v, err := r.server.metric(`daozhang_link_state{link="` + crashLink + `",state="up"}`)
		return err == nil && v == "1"
	})
	// The server takes its merchants over once the database has let go of the one that was killed.
	await(t, "the terminal signs on", func() bool { return r.terminal.SignOn(t.Context()) == nil })
	learn := func(name string, ring *keyring.Software, owner keyring.Owner) {
		block, err := ring.EncryptPIN(owner, canaryPIN, canary)
		if err != nil {
			t.Fatal(err)
		}
		r.secrets.add(fmt.Sprintf("the PIN block under %s, %d", name, len(r.secrets)), block[:])
	}
	learn("the terminal's key", r.ring, r.owner)
	known := len(r.secrets)
	for n := range 64 { // the bank keeps the keys of each sign-on for itself
		if owner := keyring.Link(fmt.Sprintf("%s/%d", crashLink, n)); r.vault.HasWorking(owner) {
			learn("a key of the link", r.vault, owner)
		}
	}
	if len(r.secrets) == known {
		t.Fatal("no key of the link is known")
	}
}

// use runs one transaction; how it ends is not the question here.
func (r *canaryRig) use(op iso8583.Operation, amount int64, entry string, of pos.Ref) pos.Ref {
	r.t.Helper()
	o, err := r.terminal.Do(r.t.Context(), pos.Request{Operation: op, Amount: amount, Card: r.card, Entry: entry, Original: of})
	if err != nil {
		r.t.Logf("%s %d: %v", op, amount, err)
	}
	return pos.Ref{Batch: o.Batch, STAN: o.STAN, RRN: o.RRN, AuthCode: o.AuthCode, Date: time.Now().Format("0102")}
}

// send writes a message as no good terminal would, and does not care for the answer.
func (r *canaryRig) send(change func(*iso8583.Message), signed bool) {
	r.t.Helper()
	m, err := iso8583.POS().Build(iso8583.Kind{Operation: iso8583.Sale})
	if err != nil {
		r.t.Fatal(err)
	}
	for field, v := range map[int]string{iso8583.STAN: "900001", iso8583.TID: r.devices[0].TID, iso8583.MID: crashMID, iso8583.PAN: canary, iso8583.ExpiryDate: "3012",
		iso8583.Track2: canary + "D" + canaryRest, iso8583.EntryMode: "022", iso8583.Currency: "156", 47: canaryCVN, 62: canaryCVN + canary} {
		m.Set(field, v)
	}
	if err := m.SetBatch("000009"); err != nil {
		r.t.Fatal(err)
	}
	if err := m.SetAmount(1000); err != nil {
		r.t.Fatal(err)
	}
	change(m)
	out, err := m.Encode()
	if signed {
		out, err = m.Sign(r.ring, r.owner)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.throw(out)
}

func (r *canaryRig) throw(frame []byte) {
	r.t.Helper()
	conn, err := net.Dial("tcp", r.server.terminals)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	if err := iso8583.WriteFrame(conn, iso8583.Length2, frame); err != nil {
		r.t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	_, _ = conn.Read(make([]byte, 1)) // an answer, or the end
}

// ask makes a request over HTTP and keeps what is answered.
func (r *canaryRig) ask(method, path, key, body string) {
	r.t.Helper()
	req, err := http.NewRequest(method, "http://"+r.server.http+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/x-ndjson")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	fmt.Fprintln(&r.heard, res.Status)
	if _, err := io.Copy(&r.heard, res.Body); err != nil {
		r.t.Fatal(err)
	}
}

// run uses the card in every way, ends the server twice as it should not end, and
// gives what the server has written in all.
func (r *canaryRig) run() {
	t := r.t
	r.begin()
	none := pos.Ref{}
	for _, entry := range []string{"chip", "contactless", "magstripe", "manual", "qr"} {
		r.use(iso8583.Sale, 12800, entry, none)
	}
	sold := r.use(iso8583.Sale, 8800, "chip", none)
	r.use(iso8583.SaleVoid, 8800, "", sold)
	r.use(iso8583.Refund, 1000, "chip", r.use(iso8583.Sale, 9000, "magstripe", none))
	r.use(iso8583.Completion, 4000, "chip", r.use(iso8583.Preauth, 5000, "chip", none))
	r.use(iso8583.Balance, 0, "chip", none)
	r.use(iso8583.OfflineSale, 700, "chip", none)
	r.use(iso8583.Sale, 10051, "chip", none)                                              // declined
	r.use(iso8583.Sale, 10077, "chip", none)                                              // the bank answers garbage
	r.use(iso8583.Sale, 10013, "chip", none)                                              // no answer: reversed
	r.send(func(m *iso8583.Message) { m.Set(iso8583.Private63, "01 "+canary) }, true)     // as an order
	r.send(func(m *iso8583.Message) { m.Set(iso8583.MID, canary[:15]) }, true)            // as a merchant
	r.send(func(m *iso8583.Message) { m.Set(iso8583.TID, canary[:8]) }, false)            // as a terminal
	r.send(func(m *iso8583.Message) { m.Set(iso8583.EntryMode, "999") }, false)           // without its MAC
	r.send(func(m *iso8583.Message) { m.Set(59, "1720"+canary+canary[:1]) }, true)        // as a place
	r.throw([]byte("no message " + canary + "=" + canaryRest))                            // as garbage
	r.throw(append([]byte{0x60, 0, 0, 0, 0, 0x60, 0x31, 0, 0x31, 0, 0, 2, 0}, canary...)) // cut short
	if _, err := r.terminal.Settle(t.Context()); err != nil {
		t.Logf("settle: %v", err)
	}
	code, key, stderr := runMain(t, nil, "keys", "add", "--role", "platform", "--source", "platform*", "--database", r.server.database)
	if code != 0 {
		t.Fatalf("keys add: %s", stderr)
	}
	key = strings.TrimSpace(key)
	for _, path := range []string{"/v1/payments/" + canary + "/whereabouts", "/v1/payments/" + sold.RRN + "/whereabouts", "/" + canary, "/v1/payments/" + canary + "/release"} {
		r.ask("GET", path, key, "")
		r.ask("POST", path, canary, `{"maker":"`+canary+`"}`)
		r.ask("POST", path, key, `{"maker":"`+canary+`"}`)
	}
	fact := `{"specversion":"1.0","id":"1","source":"platform","type":"daozhang.risk.decision","time":"2026-03-02T10:15:04+08:00","data":{"mid":"` + crashMID + `",%s}}`
	for _, data := range []string{`"pan":"` + canary + `"`, `"pan":` + canary, `"track2":"` + canary + "=" + canaryRest + `"`, `"rule":"of card ` + canary + `"`, `"pan":"` + canary} {
		r.ask("POST", "/v1/evidence", key, fmt.Sprintf(fact, data))
	}
	r.ask("GET", "/metrics", "", "")

	// Killed while a card is on its way.
	go func() {
		_, _ = r.terminal.Do(context.Background(), pos.Request{Operation: iso8583.Sale, Amount: 20013, Card: r.card, Entry: "chip"})
	}()
	await(t, "it is on its way", func() bool {
		v, err := r.server.metric(`daozhang_payments_under_way{stage="flights"}`)
		return err == nil && v != "0"
	})
	_ = r.server.cmd.Process.Kill()
	_ = r.server.cmd.Wait()
	r.said.Write(r.server.log.Bytes())
	r.begin()
	r.use(iso8583.Sale, 12800, "chip", none)
	// Ended as by a panic, with the stacks of all threads, again with a card on its way.
	go func() {
		_, _ = r.terminal.Do(context.Background(), pos.Request{Operation: iso8583.Sale, Amount: 30013, Card: r.card, Entry: "chip"})
	}()
	await(t, "it is on its way", func() bool {
		v, err := r.server.metric(`daozhang_payments_under_way{stage="flights"}`)
		return err == nil && v != "0"
	})
	r.ask("GET", "/metrics", "", "")
	_ = r.server.cmd.Process.Signal(syscall.SIGQUIT)
	_ = r.server.cmd.Wait()
	if !strings.Contains(r.server.log.String(), "goroutine ") {
		t.Errorf("it ended without stacks:\n%s", &r.server.log)
	}
	r.said.Write(r.server.log.Bytes())
	if left, err := filepath.Glob("core*"); err != nil || len(left) > 0 {
		t.Errorf("core files are left: %v %v", left, err)
	}
}

// judge searches everything that was written but what the counterparties keep of
// their own.
func (r *canaryRig) judge() {
	t := r.t
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{Database: r.server.database, Node: "reader", Registers: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var facts bytes.Buffer
	if _, err := db.WriteEvidence(t.Context(), &facts, ""); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"the evidence": facts.Bytes(), "what was logged": r.said.Bytes(), "what HTTP answered": r.heard.Bytes()} {
		if len(text) < 1000 {
			t.Errorf("%s is too little to tell anything: %q", name, text)
		}
		r.secrets.look(t, name, text)
	}
	if !bytes.Contains(facts.Bytes(), []byte(`"pan":"`+canary[:6]+`*********`+canary[15:])) {
		t.Error("the card was not used")
	}
	t.Logf("%d forms in %d bytes of files", len(r.secrets), r.secrets.below(t, r.dir))
}

// TestCanary: no form of a card's data, nor of its PIN, is in any file, log, metric,
// error or piece of evidence, whichever way the card was used and the server ended.
func TestCanary(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and kills a server")
	}
	r := newCanaryRig(t, "")
	r.run()
	r.judge()
}

// TestCanaryPostgres is TestCanary over PostgreSQL, whose own files are searched
// after a checkpoint, its log of writes among them.
func TestCanaryPostgres(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds and kills a server")
	}
	c := storetest.Postgres(t)
	r := newCanaryRig(t, c.Database(t))
	r.run()
	r.judge()
	conn, err := pgx.Connect(t.Context(), r.server.database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var dir string
	if err := conn.QueryRow(t.Context(), "SHOW data_directory").Scan(&dir); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CHECKPOINT"); err != nil {
		t.Fatal(err)
	}
	seen := r.secrets.below(t, dir)
	t.Logf("%d bytes of PostgreSQL's files", seen)
	if seen < 16<<20 {
		t.Errorf("%d bytes are too little to be a cluster", seen)
	}
}
