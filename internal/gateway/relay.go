package gateway

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"sync/atomic"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/payment"
)

// Neighbours are the other gateways on the same store: what a Gateway needs of
// them where each decides for some parts of the merchants (Config.Division). A
// terminal may connect to any; its messages are passed on to the one that decides.
type Neighbours struct {
	// Address is where messages that others pass on are taken, host:port.
	Address string
	// TLS is that of this door, DialTLS that towards the others'; nil for plain TCP.
	TLS, DialTLS *tls.Config
	// Holder gives the Address of the gateway that decides for a part, "" where none
	// is known at the moment. It must be quick.
	Holder func(payment.Part) string
	// Reserve gives the first of count numbers that no other gateway gets, none of
	// them below least.
	Reserve func(ctx context.Context, least, count int64) (from int64, err error)
	// Patience bounds the wait for somebody who decides; default 5 s. Then the
	// terminal's connection is closed: it tries again, perhaps elsewhere.
	Patience time.Duration
}

const (
	// recheck is how often it is seen whether somebody decides.
	recheck = 10 * time.Millisecond
	// returnAfter is how long a message that another gateway passed on waits for its
	// part to come here. Then it goes back as it came: it was passed on by what was
	// known a moment ago, and nothing was done with it.
	returnAfter = 100 * time.Millisecond
)

// relay is a connection to another gateway for the messages of one peer, so that
// a peer's end and its own are one.
type relay struct {
	peer    *peer
	conn    net.Conn
	waiting atomic.Int64 // messages without an answer
}

// NodesAddr gives the address of the door for other gateways, "" where there is
// none.
func (g *Gateway) NodesAddr() string {
	if g.nodes == nil {
		return ""
	}
	return g.nodes.Addr().String()
}

// passes reports whether the message of a peer is not ours to decide.
func (g *Gateway) passes(m *iso8583.Message) (payment.Part, bool) {
	if g.o.Neighbours == nil {
		return 0, false
	}
	p := g.o.Directory.Terminal(m.Get(iso8583.TID))
	if p == nil {
		return 0, false // refused here as anywhere
	}
	part := payment.PartOf(p.MID)
	return part, !payment.PartSet(g.serves.Load()).Has(part)
}

// pass finds out who decides for a part and hands it the message; if that is this
// gateway by now, it takes it. w is not waiting for the exchange.
func (g *Gateway) pass(w *pending, part payment.Part) {
	p := w.peer
	if w.until.IsZero() {
		w.until = time.Now().Add(g.o.Neighbours.Patience)
		if p.passed {
			w.until = time.Now().Add(returnAfter)
		}
	}
	patience := time.NewTimer(time.Until(w.until))
	defer patience.Stop()
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	for {
		if payment.PartSet(g.serves.Load()).Has(part) {
			g.take(w)
			return
		}
		// What was passed on to us goes no further, so that nothing runs in circles:
		// the other has seen that the part is ours before we have it.
		if address := g.o.Neighbours.Holder(part); address != "" && !p.passed && address != g.NodesAddr() {
			if p.relayTo(address, w.frame) {
				g.count.relayed.Add(1)
				w.message.Wipe()
				w.forget()
				return // waiting goes down with the answer
			}
		}
		select {
		case <-tick.C:
		case <-p.closed:
			w.drop()
			return
		case <-g.closing.Done():
			w.drop()
			return
		case <-patience.C:
			if p.passed {
				p.unwritten.Add(1)
				p.send(delivery{frame: bytes.Clone(w.frame)})
				w.drop()
				return
			}
			w.drop()
			g.count.undecided.Add(1)
			p.shut() // 96 would end it for a terminal that may find another door
			return
		}
	}
}

// take reads the message anew, with the keys that are known now, and gives it to
// the exchange.
func (g *Gateway) take(w *pending) {
	m, err := g.o.Door.Dialect.Decode(w.frame)
	if err != nil { // it was read once
		w.drop()
		return
	}
	w.message.Wipe()
	w.message = m
	var bad error
	w.kind, bad = m.Validate("")
	w.signed = false
	request := g.request(w, bad)
	g.waiting.Store(w.ticket, w)
	g.post(func(x *Exchange, now time.Time) { x.Request(now, w.ticket, request) })
}

// relayTo hands a frame to another gateway; false where it cannot be reached, so
// that nothing was sent.
func (p *peer) relayTo(address string, frame []byte) bool {
	p.relaying.Lock()
	defer p.relaying.Unlock()
	r := p.relays[address]
	if r == nil {
		g := p.gateway
		dialer := net.Dialer{Timeout: time.Second}
		conn, err := dialer.DialContext(g.closing, "tcp", address)
		if err != nil {
			return false
		}
		if config := g.o.Neighbours.DialTLS; config != nil {
			conn = tls.Client(conn, config)
		}
		r = &relay{peer: p, conn: conn}
		if p.relays == nil {
			p.relays = map[string]*relay{}
		}
		p.relays[address] = r
		g.doors.Go(func() { r.read(address) })
	}
	r.waiting.Add(1)
	_ = r.conn.SetWriteDeadline(time.Now().Add(p.gateway.o.Door.WriteWithin))
	if err := iso8583.WriteFrame(r.conn, p.gateway.o.Door.Dialect.Framing, frame); err != nil {
		// Part of it may have arrived: the terminal is to find out.
		p.shut()
	}
	return true
}

// read gives the answers of the other gateway to the peer. Where it is lost with
// answers outstanding, so is the peer: it learns that it has no answer.
func (r *relay) read(address string) {
	p := r.peer
	g := p.gateway
	defer r.conn.Close()
	in := iso8583.NewReader(r.conn, g.o.Door.Dialect.Framing, 0)
	defer in.Wipe()
	for {
		frame, err := in.Next()
		if err != nil {
			p.relaying.Lock()
			delete(p.relays, address)
			p.relaying.Unlock()
			if r.waiting.Load() > 0 {
				p.shut()
			}
			return
		}
		r.waiting.Add(-1)
		if g.returned(p, frame) {
			continue
		}
		p.unwritten.Add(1)
		p.waiting.Add(-1)
		if !p.send(delivery{frame: bytes.Clone(frame)}) {
			return
		}
	}
}

// returned takes back a message that the other gateway does not decide; false for
// an answer.
func (g *Gateway) returned(p *peer, frame []byte) bool {
	m, err := g.o.Door.Dialect.Decode(frame)
	if err != nil {
		return false
	}
	kind, _ := m.Validate("")
	profile := g.o.Directory.Terminal(m.Get(iso8583.TID))
	if kind.Response || profile == nil {
		m.Wipe()
		return false
	}
	g.count.returned.Add(1)
	w := &pending{peer: p, ticket: Conn(g.tickets.Add(1)), message: m, kind: kind, frame: bytes.Clone(frame), until: time.Now().Add(g.o.Neighbours.Patience)}
	g.doors.Go(func() {
		time.Sleep(recheck) // what is known of the holder is old
		g.pass(w, payment.PartOf(profile.MID))
	})
	return true
}

// send hands a frame, counted as unwritten, to the writer; false where the peer is
// gone.
func (p *peer) send(d delivery) bool {
	select {
	case p.out <- d:
		return true
	case <-p.closed:
	default:
		p.gateway.count.slow.Add(1)
		p.shut()
	}
	p.unwritten.Add(-1)
	return false
}

// hangUp ends the relays of a peer.
func (p *peer) hangUp() {
	p.relaying.Lock()
	defer p.relaying.Unlock()
	for _, r := range p.relays {
		r.conn.Close()
	}
}

// Adopt takes parts over, with what the store holds of their merchants; from then
// on their requests are decided here. The error is that of ctx, or ErrHalted.
func (g *Gateway) Adopt(ctx context.Context, parts payment.PartSet, rows *payment.Step) error {
	return g.within(ctx, func(x *Exchange, now time.Time) {
		x.Adopt(now, parts, rows)
		g.show(x)
	})
}

// Yield gives up those of some parts of which nothing is under way within a time,
// and says which; meanwhile new requests about them wait. Nothing of them will be
// written any more.
func (g *Gateway) Yield(ctx context.Context, parts payment.PartSet, within time.Duration) (payment.PartSet, error) {
	until := time.Now().Add(within)
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	for {
		var quiet payment.PartSet
		last := !time.Now().Before(until)
		err := g.within(ctx, func(x *Exchange, now time.Time) {
			quiet = x.Leave(parts)
			if quiet == parts&x.Holds() || last {
				x.Abandon(now, quiet)
				x.Stay(parts)
			} else {
				quiet = 0
			}
			g.show(x)
		})
		if err != nil || quiet != 0 || last {
			return quiet, err
		}
		<-tick.C
	}
}

// Abandon forgets parts at once, whatever is under way: another gateway decides
// for them.
func (g *Gateway) Abandon(ctx context.Context, parts payment.PartSet) error {
	return g.within(ctx, func(x *Exchange, now time.Time) {
		x.Abandon(now, parts)
		g.show(x)
	})
}

// CloseDoor closes the door for terminals: those that come go elsewhere. Those that
// are there are let go when they have their answers.
func (g *Gateway) CloseDoor() {
	g.listener.Close()
	g.leaving.Store(true)
	g.peers.Lock()
	defer g.peers.Unlock()
	for p := range g.peers.all {
		if g.letsGo(p) {
			p.shut()
		}
	}
}

// letsGo reports whether a terminal that waits for nothing is to look for another
// door. It sees the end of its connection before it sends the next message.
func (g *Gateway) letsGo(p *peer) bool {
	return g.leaving.Load() && !p.passed && p.waiting.Load() == 0 && p.unwritten.Load() == 0
}

// show lets the readers of connections see what the exchange decides for.
func (g *Gateway) show(x *Exchange) { g.serves.Store(uint64(x.held &^ x.leaving)) }

// within has the loop do something and waits for it.
func (g *Gateway) within(ctx context.Context, do func(x *Exchange, now time.Time)) error {
	done := make(chan struct{})
	g.post(func(x *Exchange, now time.Time) {
		do(x, now)
		close(done)
	})
	select {
	case <-done:
		return nil
	case <-g.done:
		return ErrHalted
	case <-ctx.Done():
		return ctx.Err()
	}
}

// numbers has a range of numbers reserved for the exchange.
func (g *Gateway) numbers(least, count int64) {
	g.writes.Go(func() {
		from, err := g.o.Neighbours.Reserve(g.closing, least, count)
		if err != nil {
			g.o.Log.Error("no numbers reserved", "error", err)
			count = 0
			select { // asked again at once it would be refused again
			case <-time.After(200 * time.Millisecond):
			case <-g.closing.Done():
			}
		}
		g.post(func(x *Exchange, now time.Time) {
			x.Reserved(now, from, count)
			x.reserve(now)
		})
	})
}

// openNodes opens the door for other gateways.
func (g *Gateway) openNodes() (err error) {
	n := g.o.Neighbours
	if n == nil {
		return nil
	}
	if g.nodes, err = net.Listen("tcp", n.Address); err != nil {
		return fault.New(fault.Internal, "listen for other nodes", n.Address, err, "choose a free port, or :0 for any")
	}
	g.doors.Go(func() { g.accept(g.nodes, n.TLS, true) })
	return nil
}
