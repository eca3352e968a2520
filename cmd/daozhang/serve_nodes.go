package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/bits"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"daozhang/internal/api"
	"daozhang/internal/gateway"
	"daozhang/internal/payment"
	"daozhang/internal/store"
)

// division is this node's part in what several nodes on one database divide among
// themselves: merchants, in parts. Whoever holds a part decides about its payments
// and investigates them. nil, as over an embedded database, is a node that has
// everything; all methods may be called on it.
type division struct {
	p     *platform
	nodes *store.Nodes

	mu      sync.Mutex // of what follows, held for a turn
	gateway *gateway.Gateway
	held    payment.PartSet
	leaving bool

	shown   atomic.Uint64 // held, for those who only look
	survey  atomic.Pointer[store.Survey]
	start   chan struct{} // closed after the first turn
	started sync.Once
	changed chan struct{}
}

var errForeignNode = errors.New("the other side is no node of ours: it shows another certificate")

const (
	// turnEvery is how often a node looks who lives and what is free.
	turnEvery = 250 * time.Millisecond
	// yieldAtOnce bounds the parts that are given up in one turn, yieldWithin how
	// long what is under way of them is waited for while new requests stand still.
	yieldAtOnce = 8
	yieldWithin = 500 * time.Millisecond
)

// join makes this process one of the nodes on its database, where that can have
// several.
func (p *platform) join(ctx context.Context) error {
	if !strings.Contains(p.c.Database, "://") {
		return nil
	}
	nodes, err := p.db.Join(ctx)
	if err != nil {
		return err
	}
	p.division = &division{p: p, nodes: nodes, start: make(chan struct{}), changed: make(chan struct{}, 1)}
	p.division.survey.Store(&store.Survey{})
	return nil
}

func (d *division) close() error {
	if d == nil {
		return nil
	}
	return d.nodes.Close()
}

// share is what an exchange needs to know of the division.
func (d *division) share() *gateway.Division {
	if d == nil {
		return nil
	}
	return &gateway.Division{Slot: d.nodes.Slot(), Slots: store.Slots}
}

// gateways is what a gateway needs of the others. Between nodes messages are
// encrypted where they are on the way from the terminals.
func (d *division) gateways(door *tls.Config) *gateway.Neighbours {
	if d == nil {
		return nil
	}
	n := &gateway.Neighbours{Address: d.p.c.Listen.Nodes, Holder: d.holder,
		Reserve: func(ctx context.Context, least, count int64) (int64, error) {
			return d.nodes.Reserve(ctx, "rrn", least, count)
		}}
	if door == nil {
		return n
	}
	// Each shows the others the certificate that it shows to terminals.
	n.TLS = door.Clone()
	n.TLS.ClientAuth = tls.RequireAnyClientCert
	n.TLS.VerifyPeerCertificate = sameCertificate(door.Certificates)
	n.DialTLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: door.Certificates, InsecureSkipVerify: true, VerifyPeerCertificate: n.TLS.VerifyPeerCertificate}
	return n
}

// sameCertificate accepts who shows our own certificate and so has its key: all
// nodes behind one list of addresses have the same.
func sameCertificate(own []tls.Certificate) func([][]byte, [][]*x509.Certificate) error {
	return func(raw [][]byte, _ [][]*x509.Certificate) error {
		for _, c := range own {
			if len(raw) > 0 && len(c.Certificate) > 0 && slices.Equal(raw[0], c.Certificate[0]) {
				return nil
			}
		}
		return errForeignNode
	}
}

// holder gives where the gateway that decides for a part takes messages.
func (d *division) holder(part payment.Part) string {
	if h := d.survey.Load().Holder[part]; h != nil {
		return h.Relay
	}
	return ""
}

// holds gives the parts that this node holds.
func (d *division) holds() payment.PartSet {
	if d == nil {
		return payment.AllParts
	}
	return payment.PartSet(d.shown.Load())
}

// changes gives a value when that has changed; never where there is no division.
func (d *division) changes() <-chan struct{} {
	if d == nil {
		return nil
	}
	return d.changed
}

// begun waits for the first turn; false where ctx ended first.
func (d *division) begun(ctx context.Context) bool {
	if d == nil {
		return true
	}
	select {
	case <-d.start:
		return true
	case <-ctx.Done():
		return false
	}
}

// begin makes a gateway that has just started the one that decides: it takes over
// what the node holds, and the others learn where it is.
func (d *division) begin(ctx context.Context, g *gateway.Gateway, web string) error {
	if d == nil {
		return nil
	}
	d.p.c.Listen.Nodes = g.NodesAddr() // the same port when it starts again
	if err := d.nodes.Announce(ctx, d.reachable(g.NodesAddr()), "http://"+d.reachable(web)); err != nil {
		return err
	}
	d.mu.Lock()
	d.gateway = g
	held := d.held
	d.mu.Unlock()
	if held != 0 {
		if err := d.adopt(ctx, g, held); err != nil {
			return err
		}
	}
	d.turn(ctx)
	return nil
}

// ended tells that the gateway has ended; another will begin.
func (d *division) ended() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gateway = nil
}

// reachable is an address under which others reach this node.
func (d *division) reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if own := d.p.c.Nodes.Host; own != "" {
		host = own
	} else if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		if host, err = os.Hostname(); err != nil {
			return address
		}
	}
	return net.JoinHostPort(host, port)
}

// keep takes turns until ctx ends.
func (d *division) keep(ctx context.Context) {
	if d == nil {
		return
	}
	tick := time.NewTicker(turnEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-d.nodes.Lost():
		}
		d.turn(ctx)
	}
}

// turn looks who lives, takes what is free up to the node's share, and gives up
// what is above it.
func (d *division) turn(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	g := d.gateway
	if lost := d.nodes.TakeLost() & d.held; lost != 0 {
		d.p.log.Warn("another node has taken merchants over", "parts", bits.OnesCount64(uint64(lost)))
		d.hold(d.held &^ lost)
		if g != nil {
			_ = g.Abandon(ctx, lost) // a gateway that has ended knows nothing of them
		}
	}
	s, err := d.nodes.Survey(ctx)
	if err != nil {
		if ctx.Err() == nil {
			d.p.log.Error("nodes not seen", "error", err)
		}
		return
	}
	d.survey.Store(s)
	if g == nil || d.leaving {
		return
	}
	share := (payment.Parts + len(s.Taking()) - 1) / max(len(s.Taking()), 1)
	count := bits.OnesCount64(uint64(d.held))
	free := s.Free() &^ d.held
	switch {
	case count > share:
		d.yield(ctx, g, first(d.held, min(count-share, yieldAtOnce)), yieldWithin)
	case count < share && free != 0:
		if err := d.take(ctx, g, first(free, share-count)); err != nil && ctx.Err() == nil {
			d.p.log.Error("merchants not taken over", "error", err)
			return
		}
	}
	d.started.Do(func() { close(d.start) })
}

// first gives the first n of some parts.
func first(of payment.PartSet, n int) payment.PartSet {
	list := of.List()
	return payment.PartsOf(list[:min(n, len(list))]...)
}

func (d *division) hold(parts payment.PartSet) {
	d.held = parts
	d.shown.Store(uint64(parts))
	select {
	case d.changed <- struct{}{}:
	default:
	}
}

// take takes parts over: from then on this node decides.
func (d *division) take(ctx context.Context, g *gateway.Gateway, want payment.PartSet) error {
	got, err := d.nodes.Take(ctx, want)
	if err != nil || got == 0 {
		return err
	}
	if err := d.adopt(ctx, g, got); err != nil {
		// Somebody else may manage.
		_ = d.nodes.Release(context.WithoutCancel(ctx), got)
		return err
	}
	d.hold(d.held | got)
	d.p.log.Info("merchants taken over", "parts", bits.OnesCount64(uint64(got)), "held", bits.OnesCount64(uint64(d.held)))
	return nil
}

// adopt gives the gateway the state of parts that the node holds. The keys of their
// terminals may have been made by another node.
func (d *division) adopt(ctx context.Context, g *gateway.Gateway, parts payment.PartSet) error {
	if k, ok := d.p.keys.(interface{ Refresh() error }); ok {
		if err := k.Refresh(); err != nil {
			return err
		}
	}
	state, err := d.nodes.Load(ctx, parts)
	if err != nil {
		return err
	}
	return g.Adopt(ctx, parts, &payment.Step{Transactions: state.Transactions, Outgoing: state.Outgoing, Batches: state.Batches, Exceptions: state.Exceptions})
}

// yield gives up those of some parts of which nothing is under way within a time.
func (d *division) yield(ctx context.Context, g *gateway.Gateway, parts payment.PartSet, within time.Duration) {
	given, err := g.Yield(ctx, parts, within)
	if err != nil || given == 0 {
		return
	}
	d.hold(d.held &^ given)
	if err := d.nodes.Release(context.WithoutCancel(ctx), given); err != nil {
		d.p.log.Error("merchants not given up", "error", err)
		return
	}
	d.p.log.Info("merchants given up", "parts", bits.OnesCount64(uint64(given)), "held", bits.OnesCount64(uint64(d.held)))
}

// leave hands all merchants over to the nodes that go on, as far as there are any
// and what is under way ends in time. Terminals that are connected are served
// until the gateway stops.
func (d *division) leave(g *gateway.Gateway) {
	if d == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), d.p.c.Drain)
	defer cancel()
	d.mu.Lock()
	d.leaving = true
	d.mu.Unlock()
	if err := d.nodes.Leave(ctx); err != nil {
		d.p.log.Error("leaving not announced", "error", err)
		return
	}
	s, err := d.nodes.Survey(ctx)
	if err != nil || len(s.Taking()) == 0 {
		return
	}
	g.CloseDoor()
	for d.holds() != 0 && ctx.Err() == nil {
		d.mu.Lock()
		d.yield(ctx, g, first(d.held, yieldAtOnce), yieldWithin)
		d.mu.Unlock()
	}
	// Until the others have them, what comes in here waits for them.
	for ctx.Err() == nil {
		if s, err := d.nodes.Survey(ctx); err != nil || s.Free() == 0 {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// neighbours is what the HTTP surface needs of the other nodes.
func (d *division) neighbours() api.Nodes {
	if d == nil {
		return nil
	}
	return d
}

// Name implements api.Nodes.
func (d *division) Name() string { return d.nodes.Name() }

// Holder implements api.Nodes.
func (d *division) Holder(mid string) (url string, here bool) {
	part := payment.PartOf(mid)
	if payment.PartSet(d.p.answers.Load()).Has(part) && d.holds().Has(part) {
		return "", true
	}
	if h := d.survey.Load().Holder[part]; h != nil && h.Node != d.Name() {
		return h.Web, false
	}
	return "", false
}

// Others implements api.Nodes.
func (d *division) Others() []string {
	var urls []string
	for _, n := range d.survey.Load().Living {
		if n.Node != d.Name() && n.Web != "" {
			urls = append(urls, n.Web)
		}
	}
	return urls
}
