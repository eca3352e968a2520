package gateway_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"daozhang/internal/gateway"
	"daozhang/internal/iso8583"
	"daozhang/internal/payment"
)

// neighbour starts a further gateway over the rig's store. It decides for nothing
// yet; holder says who does.
func (r *rig) neighbour(slot int, series *atomic.Int64, holder func(payment.Part) string) *gateway.Gateway {
	r.t.Helper()
	profiles, err := r.store.Profiles(context.Background())
	if err != nil {
		r.t.Fatal(err)
	}
	directory := payment.Profiles(profiles)
	g, err := gateway.Start(gateway.Options{
		Exchange:  gateway.Config{Routes: []gateway.Route{{Links: []string{"icbc"}}}, Division: &gateway.Division{Slot: slot, Slots: 8}},
		Book:      payment.NewBook(payment.DefaultPolicy("test"), directory, nil),
		Directory: directory, Store: r.store, Keys: r.keys, Door: gateway.Door{Address: "127.0.0.1:0"}, Acquirer: "48270000", DrainWithin: 5 * time.Second,
		Lines: []gateway.Line{{Name: "icbc", Network: "UnionPay", Address: r.bank.Addr(), RetryFirst: 10 * time.Millisecond}},
		Neighbours: &gateway.Neighbours{Address: "127.0.0.1:0", Holder: holder, Patience: 10 * time.Second,
			Reserve: func(_ context.Context, least, count int64) (int64, error) { return least + series.Add(count), nil }}})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		g.Stop()
		g.Wait()
	})
	r.gateway = g
	r.await("the link is up", func(s gateway.Snapshot) bool { return s.Links[0].State.String() == "up" })
	return g
}

// TestSocketRelay: a terminal stays at one gateway while its merchant goes from
// none to another, to this one, and back: each message is decided by the one that
// has the merchant, once.
func TestSocketRelay(t *testing.T) {
	r := newRig(t, setup{unkeyed: true})
	r.gateway.Stop() // the rig's own has the store to itself
	if err := r.gateway.Wait(); err != nil {
		t.Fatal(err)
	}
	var series atomic.Int64
	var at atomic.Value // address of the one that decides
	at.Store("")
	holder := func(payment.Part) string { return at.Load().(string) }
	far := r.neighbour(0, &series, holder)
	near := r.neighbour(1, &series, holder)
	ctx := t.Context()
	adopt := func(g *gateway.Gateway) {
		t.Helper()
		state, err := r.store.Load(ctx)
		if err == nil {
			err = g.Adopt(ctx, payment.AllParts, &payment.Step{Transactions: state.Transactions, Outgoing: state.Outgoing, Batches: state.Batches, Exceptions: state.Exceptions})
		}
		if err != nil {
			t.Fatal(err)
		}
		at.Store(g.NodesAddr())
	}
	yield := func(g *gateway.Gateway) {
		t.Helper()
		at.Store("")
		for given := payment.PartSet(0); given != payment.AllParts; {
			var err error
			if given, err = g.Yield(ctx, payment.AllParts, 5*time.Second); err != nil {
				t.Fatal(err)
			}
		}
	}
	relayed := func() uint64 {
		s, err := near.Snapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return s.Relayed
	}
	r.dial = func() (net.Conn, error) { return net.Dial("tcp", near.Addr()) }
	te := r.terminal(0)
	time.AfterFunc(50*time.Millisecond, func() { adopt(far) }) // until then the message waits
	te.signOn()
	first := te.sale(8800)
	approved := te.code(first, "00")
	if n := relayed(); n != 2 {
		t.Errorf("%d messages were passed on", n)
	}
	yield(far)
	at.Store(far.NodesAddr()) // what is known is old: it comes back
	time.AfterFunc(150*time.Millisecond, func() { adopt(near) })
	again := te.code(first, "00")
	if again.Get(iso8583.RRN) != approved.Get(iso8583.RRN) {
		t.Errorf("the repeated request got %s, the first %s", again.Get(iso8583.RRN), approved.Get(iso8583.RRN))
	}
	before := relayed()
	te.code(te.sale(100), "00")
	if n := relayed(); n != before {
		t.Error("what is decided here was passed on")
	}
	yield(near)
	adopt(far)
	te.code(te.sale(200), "00")
	// The other ends; what is asked before somebody takes the merchant waits.
	far.Stop()
	if err := far.Wait(); err != nil {
		t.Fatal(err)
	}
	at.Store("")
	te.send(te.sale(300), true)
	adopt(near)
	if a, err := te.receive(); err != nil || a.Get(iso8583.ResponseCode) != "00" {
		t.Errorf("after the take-over: %v %v", a, err)
	}
}
