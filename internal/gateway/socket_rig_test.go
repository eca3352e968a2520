package gateway_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"daozhang/internal/gateway"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/store"
	host "daozhang/internal/world/bank"
)

const (
	mid = "898310058120001"
	pan = "6222021234567890128"
)

var transport = []string{"0123456789ABCDEFFEDCBA9876543210", "11112222333344445555666677778888"}

// rig is a gateway over a real store between a real bank and terminals that the
// tests make.
type rig struct {
	t       *testing.T
	store   *store.Store
	keys    *keyring.Software
	bank    *host.Bank
	gateway *gateway.Gateway
	dir     string
	dial    func() (net.Conn, error) // nil: plain TCP
}

type setup struct {
	scenario *host.Scenario
	policy   func(*payment.Policy)
	door     gateway.Door
	line     gateway.Line
	config   gateway.Config
	unkeyed  bool // no zone keys
	database string
	network  string // address of another than the bank
}

func newRig(t *testing.T, s setup) *rig {
	t.Helper()
	ctx := context.Background()
	r := &rig{t: t, dir: t.TempDir()}
	database := s.database
	if database == "" {
		database = r.dir
	}
	var err error
	if r.store, err = store.Open(ctx, store.Options{Database: database, Migrate: true, Linger: -1}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.store.Close() })
	if err := r.store.PutMerchant(ctx, store.Merchant{MID: mid, Name: "Corner Shop", MCC: "5411", Currency: money.Currency{'C', 'N', 'Y'}, Zone: "Asia/Shanghai"}); err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		if err := r.store.PutTerminal(ctx, store.Terminal{TID: tid(i), MID: mid}); err != nil {
			t.Fatal(err)
		}
	}
	if r.keys, err = keyring.Open(keyring.Options{Transport: transport}); err != nil {
		t.Fatal(err)
	}
	bankKeys, err := keyring.Open(keyring.Options{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	cfg := host.Config{Keys: bankKeys, Scenario: s.scenario, Link: "icbc"}
	if !s.unkeyed {
		if cfg.Master, err = r.keys.NewMaster(keyring.Link("icbc")); err != nil {
			t.Fatal(err)
		}
	}
	if r.bank, err = host.Start(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.bank.Close() })
	r.start(s)
	t.Cleanup(func() {
		r.gateway.Stop()
		r.gateway.Wait()
		if rep, err := store.Doctor(ctx, database, nil); err != nil || len(rep.Findings) > 0 {
			t.Errorf("doctor: %v %+v", err, rep)
		}
	})
	return r
}

func tid(i int) string { return fmt.Sprintf("T%07d", i) }

func (r *rig) start(s setup) {
	r.t.Helper()
	ctx := context.Background()
	profiles, err := r.store.Profiles(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	state, err := r.store.Load(ctx)
	if err != nil {
		r.t.Fatal(err)
	}
	policy := payment.DefaultPolicy("test")
	policy.RepeatFirst = 50 * time.Millisecond
	if s.policy != nil {
		s.policy(&policy)
	}
	book := payment.NewBook(policy, payment.Profiles(profiles), nil)
	book.Restore(&payment.Step{Transactions: state.Transactions, Outgoing: state.Outgoing, Batches: state.Batches, Exceptions: state.Exceptions}, state.More)
	s.door.Address = "127.0.0.1:0"
	line := s.line
	line.Name, line.Network, line.Address, line.RetryFirst = "icbc", "UnionPay", r.bank.Addr(), 10*time.Millisecond
	if s.network != "" {
		line.Address = s.network
	}
	s.config.Routes = []gateway.Route{{Issuer: "ICBC", Links: []string{"icbc"}}}
	r.gateway, err = gateway.Start(gateway.Options{Exchange: s.config, Book: book, Directory: payment.Profiles(profiles), Store: r.store, Keys: r.keys,
		Door: s.door, Lines: []gateway.Line{line}, Acquirer: "48270000", DrainWithin: 5 * time.Second})
	if err != nil {
		r.t.Fatal(err)
	}
	r.await("the link is up", func(s gateway.Snapshot) bool { return s.Links[0].State.String() == "up" })
}

// await waits until the gateway says so.
func (r *rig) await(what string, ok func(gateway.Snapshot) bool) gateway.Snapshot {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := r.gateway.Snapshot(ctx)
		if err != nil {
			r.t.Fatalf("waiting until %s: %v; %+v", what, err, s)
		}
		if ok(s) {
			return s
		}
		<-tick.C
	}
}

// terminal is a terminal by hand: it sends what the tests want.
type terminal struct {
	rig   *rig
	id    string
	keys  *keyring.Software
	owner keyring.Owner
	conn  net.Conn
	in    *iso8583.Reader
	batch string
}

var stans atomic.Uint32

func (r *rig) terminal(i int) *terminal {
	r.t.Helper()
	te := &terminal{rig: r, id: tid(i), owner: keyring.Terminal(mid, tid(i)), batch: "000001"}
	var err error
	if te.keys, err = keyring.Open(keyring.Options{Transport: transport}); err != nil {
		r.t.Fatal(err)
	}
	w, err := r.keys.NewMaster(te.owner)
	if err == nil {
		err = te.keys.InstallMaster(te.owner, w)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	te.connect()
	return te
}

func (te *terminal) connect() {
	te.rig.t.Helper()
	if te.conn != nil {
		te.conn.Close()
	}
	dial := te.rig.dial
	if dial == nil {
		dial = func() (net.Conn, error) { return net.Dial("tcp", te.rig.gateway.Addr()) }
	}
	conn, err := dial()
	if err != nil {
		te.rig.t.Fatal(err)
	}
	te.rig.t.Cleanup(func() { conn.Close() })
	te.conn, te.in = conn, iso8583.NewReader(conn, iso8583.Length2, 0)
}

func (te *terminal) build(k iso8583.Kind) *iso8583.Message {
	te.rig.t.Helper()
	m, err := iso8583.POS().Build(k)
	if err != nil {
		te.rig.t.Fatal(err)
	}
	m.Set(iso8583.STAN, fmt.Sprintf("%06d", stans.Add(1)))
	m.Set(iso8583.TID, te.id)
	m.Set(iso8583.MID, mid)
	if err := m.SetBatch(te.batch); err != nil {
		te.rig.t.Fatal(err)
	}
	return m
}

func (te *terminal) signOn() {
	te.rig.t.Helper()
	a := te.ask(te.build(iso8583.Kind{Operation: iso8583.SignOn}), false)
	if a.Get(iso8583.ResponseCode) != "00" {
		te.rig.t.Fatalf("sign-on: %s", a.Get(iso8583.ResponseCode))
	}
	w, err := a.WorkingKeys()
	if err == nil {
		err = te.keys.InstallWorking(te.owner, w)
	}
	if err != nil {
		te.rig.t.Fatal(err)
	}
}

func (te *terminal) sale(amount int64) *iso8583.Message {
	m := te.build(iso8583.Kind{Operation: iso8583.Sale})
	m.Set(iso8583.PAN, pan)
	if err := m.SetAmount(amount); err != nil {
		te.rig.t.Fatal(err)
	}
	m.Set(iso8583.EntryMode, "052")
	m.Set(iso8583.ExpiryDate, "3012")
	m.Set(iso8583.Track2, pan+"D30122010000000000"[:18])
	m.Set(iso8583.Currency, "156")
	return m
}

// send writes a message; signed says with MAC.
func (te *terminal) send(m *iso8583.Message, signed bool) {
	te.rig.t.Helper()
	out, err := m.Encode()
	if signed {
		out, err = m.Sign(te.keys, te.owner)
	}
	if err == nil {
		err = iso8583.WriteFrame(te.conn, iso8583.Length2, out)
	}
	if err != nil {
		te.rig.t.Fatal(err)
	}
}

func (te *terminal) receive() (*iso8583.Message, error) {
	_ = te.conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	frame, err := te.in.Next()
	if err != nil {
		return nil, err
	}
	m, err := iso8583.POS().Decode(frame)
	if err == nil && m.Has(iso8583.MAC) {
		if bad := m.Verify(te.keys, te.owner); bad != nil {
			return m, bad
		}
	}
	return m, err
}

func (te *terminal) ask(m *iso8583.Message, signed bool) *iso8583.Message {
	te.rig.t.Helper()
	te.send(m, signed)
	a, err := te.receive()
	if err != nil {
		te.rig.t.Fatalf("%s: %v", m, err)
	}
	if a.Get(iso8583.STAN) != m.Get(iso8583.STAN) {
		te.rig.t.Fatalf("answer to STAN %s, asked %s", a.Get(iso8583.STAN), m.Get(iso8583.STAN))
	}
	return a
}

func (te *terminal) code(m *iso8583.Message, want string) *iso8583.Message {
	te.rig.t.Helper()
	a := te.ask(m, true)
	if got := a.Get(iso8583.ResponseCode); got != want {
		te.rig.t.Errorf("%s: code %s, want %s", m, got, want)
	}
	return a
}

// evidence gives all facts that the store holds.
func (r *rig) evidence() string {
	r.t.Helper()
	var b strings.Builder
	if _, err := r.store.WriteEvidence(context.Background(), &b, ""); err != nil {
		r.t.Fatal(err)
	}
	return b.String()
}
