package gateway_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/gateway"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/payment"
	host "daozhang/internal/world/bank"
)

// TestSocketSale takes a sale over real sockets, from the terminal through the gateway
// to the bank and back, and finds it in the books.
func TestSocketSale(t *testing.T) {
	r := newRig(t, setup{})
	te := r.terminal(0)
	te.signOn()
	m := te.sale(12800)
	block, err := te.keys.EncryptPIN(te.owner, "123456", pan)
	if err != nil {
		t.Fatal(err)
	}
	m.SetBytes(iso8583.PINData, block[:])
	m.Set(iso8583.EntryMode, "051")
	m.Set(iso8583.SecurityControl, "2600000000000000")
	a := te.code(m, "00")
	if a.Get(iso8583.PAN) != pan || !a.Has(iso8583.MAC) || len(a.Get(iso8583.RRN)) != 12 || a.Get(iso8583.AuthCode) == "" {
		t.Errorf("answer %s rrn %q auth %q", a, a.Get(iso8583.RRN), a.Get(iso8583.AuthCode))
	}
	entries := r.bank.Entries()
	if len(entries) != 1 || entries[0].What != host.Approved || entries[0].Amount != 12800 || entries[0].Payment == "" {
		t.Fatalf("the bank has %v", entries)
	}
	id := uuid.MustParse(entries[0].Payment)
	tx, err := r.store.Transaction(context.Background(), id)
	if err != nil || tx.State != payment.Approved || tx.Approved != 12800 || tx.RRN != a.Get(iso8583.RRN) {
		t.Errorf("the store has %+v, %v", tx, err)
	}
	te.code(te.build(iso8583.Kind{Operation: iso8583.Echo}), "00")
}

// TestSocketConversation runs the operations of a terminal's day: sale, void, refund,
// preauthorization, completion, balance, reversal, settlement.
func TestSocketConversation(t *testing.T) {
	r := newRig(t, setup{})
	te := r.terminal(0)
	te.signOn()
	act := func(op iso8583.Operation, amount int64, of *iso8583.Message, ofSTAN string) *iso8583.Message {
		m := te.sale(max(amount, 1))
		n := te.build(iso8583.Kind{Operation: op})
		n.Take(m, iso8583.PAN, iso8583.Amount, iso8583.EntryMode, iso8583.Currency, iso8583.ExpiryDate)
		if of != nil {
			n.Set(iso8583.RRN, of.Get(iso8583.RRN))
			n.Set(iso8583.AuthCode, of.Get(iso8583.AuthCode))
			n.SetOriginal(iso8583.Original{Batch: te.batch, STAN: ofSTAN, Date: of.Get(iso8583.LocalDate)})
		}
		return n
	}
	s1 := te.sale(1000)
	a1 := te.code(s1, "00")
	te.code(act(iso8583.SaleVoid, 1000, a1, s1.Get(iso8583.STAN)), "00")
	s2 := te.sale(5000)
	a2 := te.code(s2, "00")
	te.code(act(iso8583.Refund, 2000, a2, s2.Get(iso8583.STAN)), "00")
	te.code(act(iso8583.Refund, 4000, a2, s2.Get(iso8583.STAN)), "64")
	p := act(iso8583.Preauth, 30000, nil, "")
	ap := te.code(p, "00")
	c := act(iso8583.Completion, 28000, ap, p.Get(iso8583.STAN))
	te.code(c, "00")
	b := te.build(iso8583.Kind{Operation: iso8583.Balance})
	b.Take(s1, iso8583.PAN, iso8583.EntryMode, iso8583.Currency)
	if a := te.code(b, "00"); !a.Has(iso8583.AdditionalAmounts) {
		t.Error("no balance in the answer")
	}
	s3 := te.sale(700)
	te.code(s3, "00")
	rev, err := s3.NewReversal(iso8583.ReasonTimeout)
	if err != nil {
		t.Fatal(err)
	}
	te.code(rev, "00")
	r.await("the reversal is acknowledged", func(s gateway.Snapshot) bool { return s.Owed == 0 })
	settle := te.build(iso8583.Kind{Operation: iso8583.Settlement})
	// Sales 1000 and 5000, completion 28000; void 1000 and refund 2000.
	if err := settle.SetReconciliation(iso8583.Reconciliation{Domestic: iso8583.Totals{DebitAmount: 34000, DebitCount: 3, CreditAmount: 3000, CreditCount: 2}}); err != nil {
		t.Fatal(err)
	}
	a := te.code(settle, "00")
	if rec, err := a.Reconciliation(); err != nil || !rec.Balanced() {
		t.Errorf("totals %+v, %v", rec, err)
	}
}

// TestSocketUnanswered: no answer in time is told as 98, and the reversal is repeated
// until the bank takes it.
func TestSocketUnanswered(t *testing.T) {
	r := newRig(t, setup{
		scenario: &host.Scenario{Rules: []host.Rule{{When: host.When{Endings: []string{"13"}}, Do: host.DoSilent}}},
		policy:   func(p *payment.Policy) { p.AnswerWithin = 200 * time.Millisecond },
	})
	te := r.terminal(0)
	te.signOn()
	te.code(te.sale(1013), "98")
	r.await("the reversal is acknowledged", func(s gateway.Snapshot) bool { return s.Owed == 0 })
	var kinds []string
	for _, e := range r.bank.Entries() {
		kinds = append(kinds, string(e.What))
	}
	if got := strings.Join(kinds, " "); got != "approved reversed" {
		t.Errorf("the bank has %s", got)
	}
	te.code(te.sale(1000), "00")
}

// TestSocketLateAnswer: an approval that comes after the time-out is reversed all the
// same, for the terminal was told no.
func TestSocketLateAnswer(t *testing.T) {
	r := newRig(t, setup{
		scenario: &host.Scenario{Rules: []host.Rule{{When: host.When{Endings: []string{"17"}}, Do: host.DoAnswer, Delay: 500 * time.Millisecond}}},
		policy:   func(p *payment.Policy) { p.AnswerWithin = 150 * time.Millisecond },
	})
	te := r.terminal(0)
	te.signOn()
	te.code(te.sale(1017), "98")
	r.await("late and reversed", func(s gateway.Snapshot) bool {
		return s.Counters[payment.OutcomeLate]+s.Counters[payment.OutcomeIgnored] > 0 && s.Owed == 0
	})
	if e := r.bank.Entries(); len(e) < 2 || e[len(e)-1].What != host.Reversed {
		t.Errorf("the bank has %v", e)
	}
}

// TestSocketHalfOpen: a link whose peer has gone silent is found by its echoes, and made
// anew.
func TestSocketHalfOpen(t *testing.T) {
	r := newRig(t, setup{line: gateway.Line{Echo: 40 * time.Millisecond, EchoWithin: 80 * time.Millisecond},
		policy: func(p *payment.Policy) { p.AnswerWithin = 300 * time.Millisecond }})
	te := r.terminal(0)
	te.signOn()
	te.code(te.sale(1000), "00")
	r.bank.SetState(host.Silent)
	r.await("the link is down", func(s gateway.Snapshot) bool { return s.Links[0].State.String() == "down" })
	te.code(te.sale(1000), "91")
	r.bank.SetState(host.Serving)
	r.await("the link is up", func(s gateway.Snapshot) bool { return s.Links[0].State.String() == "up" })
	te.code(te.sale(1000), "00")
	if e := r.evidence(); !strings.Contains(e, `"link":"platform-network/UnionPay","state":"down"`) || strings.Count(e, `"state":"up"`) < 2 {
		t.Errorf("the link's way is not in evidence:\n%s", e)
	}
}

// TestSocketBadInput sends what no terminal should: the right code or a closed
// connection, a counter, evidence, and no effect.
func TestSocketBadInput(t *testing.T) {
	r := newRig(t, setup{door: gateway.Door{FrameWithin: 200 * time.Millisecond, MaxWaiting: 8, LeastVersion: "300000"}})
	te := r.terminal(0)

	before := te.sale(1000)
	if a := te.ask(before, false); a.Get(iso8583.ResponseCode) != "A9" {
		t.Errorf("before sign-on: %s", a.Get(iso8583.ResponseCode))
	}
	te.signOn()
	te.code(te.sale(1000), "00")
	old := te.sale(1000)
	header := old.Header()
	copy(header[len(header)-3:], []byte{0x20, 0, 0})
	old.SetHeader(header)
	te.code(old, "78")

	gone := func(what string) {
		t.Helper()
		if a, err := te.receive(); err == nil {
			t.Errorf("%s: answered %s", what, a)
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: the connection stays open", what)
		}
		te.connect()
	}
	raw := func(b ...byte) {
		if _, err := te.conn.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	raw(append([]byte{0, 20}, []byte("this is no message..")...)...)
	gone("garbage in a frame")
	raw([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")...)
	gone("another protocol")
	raw(0xFF, 0xFF, 0x60)
	gone("a frame longer than allowed")
	raw(0, 60, 0x60, 0, 0)
	gone("a frame that never ends")
	out, err := te.sale(1000).Sign(te.keys, te.owner)
	if err != nil {
		t.Fatal(err)
	}
	raw(append([]byte{byte((len(out) - 5) >> 8), byte(len(out) - 5)}, out...)...)
	gone("a length that is not the message's")

	tampered := te.sale(1000)
	out, err = tampered.Sign(te.keys, te.owner)
	if err != nil {
		t.Fatal(err)
	}
	out[len(out)-1] ^= 1
	if err := iso8583.WriteFrame(te.conn, iso8583.Length2, out); err != nil {
		t.Fatal(err)
	}
	if a, err := te.receive(); err != nil || a.Get(iso8583.ResponseCode) != "A0" {
		t.Errorf("a wrong MAC: %v %v", a, err)
	}
	if a := te.ask(te.sale(1000), false); a.Get(iso8583.ResponseCode) != "A0" {
		t.Errorf("no MAC from a terminal with keys: %s", a.Get(iso8583.ResponseCode))
	}

	change := func(f func(*iso8583.Message)) *iso8583.Message {
		m := te.sale(1000)
		f(m)
		return m
	}
	te.code(change(func(m *iso8583.Message) { m.Set(iso8583.Amount, "000000000000") }), "13")
	te.code(change(func(m *iso8583.Message) { m.Set(iso8583.Amount, "999999999999") }), "13")
	te.code(change(func(m *iso8583.Message) { m.Set(iso8583.Currency, "840") }), "A1")
	te.code(change(func(m *iso8583.Message) { m.Set(iso8583.Currency, "999") }), "A1")
	te.code(change(func(m *iso8583.Message) { m.Unset(iso8583.EntryMode) }), "30")
	te.code(change(func(m *iso8583.Message) { m.Set(iso8583.ProcessingCode, "990000") }), "40")

	stranger := te.build(iso8583.Kind{Operation: iso8583.Echo})
	stranger.Set(iso8583.TID, "X9999999")
	if a := te.ask(stranger, false); a.Get(iso8583.ResponseCode) != "97" {
		t.Errorf("an unknown terminal: %s", a.Get(iso8583.ResponseCode))
	}

	first := te.sale(2000)
	a1 := te.code(first, "00")
	a2 := te.code(first, "00")
	if a1.Get(iso8583.RRN) != a2.Get(iso8583.RRN) || a1.Get(iso8583.AuthCode) != a2.Get(iso8583.AuthCode) {
		t.Error("a replayed message got another answer")
	}
	reused := te.sale(3000)
	reused.Set(iso8583.STAN, first.Get(iso8583.STAN))
	te.code(reused, "94")

	void := te.build(iso8583.Kind{Operation: iso8583.SaleVoid})
	void.Take(first, iso8583.PAN, iso8583.EntryMode, iso8583.Currency)
	void.Set(iso8583.Amount, "000000002000")
	void.Set(iso8583.RRN, a1.Get(iso8583.RRN))
	void.SetOriginal(iso8583.Original{Batch: te.batch, STAN: first.Get(iso8583.STAN)})
	te.code(void, "00")
	again := void.Clone()
	again.Set(iso8583.STAN, te.sale(1).Get(iso8583.STAN))
	te.code(again, "12") // it is voided already
	lost := again.Clone()
	lost.Set(iso8583.STAN, te.sale(1).Get(iso8583.STAN))
	lost.Set(iso8583.RRN, "999999999999")
	te.code(lost, "25")

	s := r.await("all is counted", func(s gateway.Snapshot) bool { return s.Requests == 0 && s.Commits == 0 })
	for _, o := range []payment.Outcome{payment.OutcomeNoKeys, payment.OutcomeBadMAC, payment.OutcomeBadAmount, payment.OutcomeBadCurrency,
		payment.OutcomeBadFormat, payment.OutcomeForbidden, payment.OutcomeUnregistered, payment.OutcomeDuplicate, payment.OutcomeSTANReused,
		payment.OutcomeOutOfState, payment.OutcomeNotFound, payment.OutcomeBadVersion} {
		if s.Counters[o] == 0 {
			t.Errorf("nothing is counted as %s: %v", o, s.Counters)
		}
	}
	if s.Garbage < 4 || s.Slow == 0 {
		t.Errorf("garbage %d, slow %d", s.Garbage, s.Slow)
	}
	e := r.evidence()
	for _, detail := range []string{"mac", "version", "keys", "format", "amount", "currency", "unregistered", "duplicate", "stan_reused"} {
		if !strings.Contains(e, `"detail":"`+detail+`"`) {
			t.Errorf("no evidence of %s", detail)
		}
	}
	approved := 0
	for _, b := range r.bank.Entries() {
		if b.What == host.Approved {
			approved++
		}
	}
	if approved != 3 { // two sales and the void
		t.Errorf("the bank approved %d: %v", approved, r.bank.Entries())
	}
	// Nothing of the card is on disk.
	err = filepath.WalkDir(r.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), pan) || strings.Contains(string(b), "D3012201") {
			t.Errorf("%s holds card data", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSocketSlowReader: a terminal that sends and never reads loses its connection, and
// the others are served.
func TestSocketSlowReader(t *testing.T) {
	r := newRig(t, setup{door: gateway.Door{MaxWaiting: 4, WriteWithin: 200 * time.Millisecond}})
	greedy := r.terminal(0)
	echo, err := greedy.build(iso8583.Kind{Operation: iso8583.Echo}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	frame, err := iso8583.AppendFrame(nil, iso8583.Length2, echo)
	if err != nil {
		t.Fatal(err)
	}
	_ = greedy.conn.SetWriteDeadline(time.Now().Add(20 * time.Second))
	for err == nil { // until the gateway has had enough
		_, err = greedy.conn.Write(frame)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the gateway puts up with a terminal that never reads")
	}
	te := r.terminal(1)
	te.signOn()
	te.code(te.sale(100), "00")
}

// TestSocketManyConnections: beyond the limit the newest is closed at once.
func TestSocketManyConnections(t *testing.T) {
	r := newRig(t, setup{door: gateway.Door{MaxConnections: 2}})
	a, b := r.terminal(0), r.terminal(1)
	a.signOn()
	b.signOn()
	c := r.terminal(2)
	_ = c.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	if _, err := c.conn.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the third connection: %v", err)
	}
	a.code(a.sale(100), "00")
}

// TestSocketMasterKey: a terminal without a master key downloads one, under the
// transport key, and works with it; nobody gets another for it afterwards.
func TestSocketMasterKey(t *testing.T) {
	r := newRig(t, setup{})
	te := &terminal{rig: r, id: tid(3), owner: keyring.Terminal(mid, tid(3)), batch: "000001"}
	var err error
	if te.keys, err = keyring.Open(keyring.Options{Transport: transport}); err != nil {
		t.Fatal(err)
	}
	te.connect()
	ask := func() *iso8583.Message { return te.ask(te.build(iso8583.Kind{Operation: iso8583.MasterKey}), false) }
	a := ask()
	key, err := a.MasterKey()
	if err != nil || a.Get(iso8583.ResponseCode) != "00" {
		t.Fatalf("download: %s %v", a, err)
	}
	if err := te.keys.InstallMaster(te.owner, key); err != nil {
		t.Fatal(err)
	}
	te.signOn()
	te.code(te.sale(100), "00")
	if a := ask(); a.Get(iso8583.ResponseCode) != "58" || a.Has(iso8583.Private62) {
		t.Errorf("a second download: %s", a)
	}
	te.code(te.sale(200), "00")
	stranger := te.build(iso8583.Kind{Operation: iso8583.MasterKey})
	stranger.Set(iso8583.TID, "T9999999")
	if a := te.ask(stranger, false); a.Get(iso8583.ResponseCode) != "97" || a.Has(iso8583.Private62) {
		t.Errorf("a download by who is not registered: %s", a)
	}
}

// TestSocketDrain: what is under way when the gateway is told to stop is answered;
// what comes after is turned away and leaves no trace, so that it can be asked again;
// and another start goes on where the first left off.
func TestSocketDrain(t *testing.T) {
	set := setup{scenario: &host.Scenario{Delay: host.Delay{Fixed: time.Second}}}
	r := newRig(t, set)
	te, late := r.terminal(0), r.terminal(1)
	te.signOn()
	late.signOn()
	first, second := te.sale(4200), late.sale(100)
	te.send(first, true)
	r.await("it is at the bank", func(s gateway.Snapshot) bool { return s.Flights == 1 })
	r.gateway.Stop()
	for { // until the door is closed: then the drain has begun
		conn, err := net.Dial("tcp", r.gateway.Addr())
		if err != nil {
			break
		}
		conn.Close()
	}
	late.code(second, "96") // nothing is on record, so it is left open
	late.code(late.build(iso8583.Kind{Operation: iso8583.Echo}), "91")
	if s, err := r.gateway.Snapshot(t.Context()); err != nil || s.Counters[gateway.CountDraining] != 2 || s.Flights != 1 {
		t.Errorf("while draining: %+v %v", s, err)
	}
	a, err := te.receive()
	if err != nil || a.Get(iso8583.ResponseCode) != "00" {
		t.Fatalf("the one under way: %v %v", a, err)
	}
	if err := r.gateway.Wait(); err != nil {
		t.Fatal(err)
	}
	if _, err := te.receive(); !errors.Is(err, io.EOF) {
		t.Errorf("after the end the connection gives %v, want its end", err)
	}
	if page, err := r.store.Payments(t.Context(), mid, payment.ID{}, 10); err != nil || len(page) != 1 || page[0].Amount != 4200 || page[0].State != payment.Approved {
		t.Errorf("on record is %+v, %v", page, err)
	}
	r.start(set)
	te.connect()
	if again := te.code(first, "00"); again.Get(iso8583.RRN) != a.Get(iso8583.RRN) {
		t.Errorf("asked again it is %s, before it was %s", again.Get(iso8583.RRN), a.Get(iso8583.RRN))
	}
	late.connect()
	late.code(second, "00")
	te.code(te.sale(300), "00")
	var sums []int64
	for _, e := range r.bank.Entries() {
		sums = append(sums, e.Amount)
	}
	if !slices.Equal(sums, []int64{4200, 100, 300}) {
		t.Errorf("the bank has %v", sums)
	}
}

// TestSocketGarbageFromNetwork: what a network sends and nobody can read has no
// effect, is counted whole, and is evidence of which there is a bounded amount.
func TestSocketGarbageFromNetwork(t *testing.T) {
	const flood = 2000
	network, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { network.Close() })
	strange := iso8583.Network().New("0930")
	strange.Set(iso8583.STAN, "000001")
	raw, err := strange.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var frames []byte
	for range flood {
		if frames, err = iso8583.AppendFrame(frames, iso8583.Network().Framing, raw); err != nil {
			t.Fatal(err)
		}
	}
	if frames, err = iso8583.AppendFrame(frames, iso8583.Network().Framing, []byte("no message at all "+pan)); err != nil {
		t.Fatal(err)
	}
	go func() { // once; later connections are held and silent
		for first := true; ; first = false {
			conn, err := network.Accept()
			if err != nil {
				return
			}
			if first {
				_, _ = conn.Write(frames)
			}
			t.Cleanup(func() { conn.Close() })
		}
	}()
	r := newRig(t, setup{network: network.Addr().String(), line: gateway.Line{NoSignOn: true}})
	s := r.await("all is counted", func(s gateway.Snapshot) bool {
		return s.Garbage == flood+1 && s.Commits == 0 && s.Counters[payment.OutcomeUnreadable] >= flood+1
	})
	if n := s.Counters[payment.OutcomeUnreadable]; n != flood+1 {
		t.Errorf("counted are %d, want %d", n, flood+1)
	}
	e := r.evidence()
	facts := strings.Count(e, `"link":"platform-network/UnionPay","line":"icbc","detail":"format"`)
	// One second may have ended within the flood, or two on a slow machine.
	if facts < 50 || facts > 250 || facts+int(s.Counters[gateway.CountSuppressed]) != flood+1 {
		t.Errorf("%d facts, %d only counted", facts, s.Counters[gateway.CountSuppressed])
	}
	if strings.Contains(e, pan) {
		t.Error("what was garbage is repeated in evidence")
	}
}
