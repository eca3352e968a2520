package gateway

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"daozhang/internal/iso8583"
	"daozhang/internal/payment"
)

// peer is one connection from the terminal side: a terminal, or a concentrator
// with many behind it. One goroutine reads, one writes.
type peer struct {
	gateway *Gateway
	conn    net.Conn
	out     chan delivery
	closed  chan struct{}
	once    sync.Once
	waiting atomic.Int64 // requests without an answer
	// unwritten counts answers that were handed over and are not on the wire.
	unwritten atomic.Int64
	passed    bool // another gateway: what it sends has been passed on already
	relaying  sync.Mutex
	relays    map[string]*relay // by address
}

// pending is a request that waits for its answer. Each request has a Conn of its
// own towards the exchange, so that several may be open on one connection.
type pending struct {
	peer    *peer
	ticket  Conn
	message *iso8583.Message // echoed in the answer; it holds card data
	kind    iso8583.Kind
	signed  bool
	frame   []byte    // as it came, where it may have to be passed on; it holds card data
	until   time.Time // when the search for who decides ends; zero before it began
}

type delivery struct {
	pending *pending
	answer  *payment.Answer
	frame   []byte // an answer of another gateway, instead of the two
}

func (p *pending) drop() {
	p.peer.waiting.Add(-1)
	p.message.Wipe()
	p.forget()
}

func (p *pending) forget() {
	clear(p.frame)
	p.frame = nil
}

// collect takes a request out of those that wait; nil where it is gone.
func (g *Gateway) collect(c Conn) *pending {
	v, ok := g.waiting.LoadAndDelete(c)
	if !ok {
		return nil
	}
	return v.(*pending)
}

// accept takes connections of terminals, or of other gateways (passed).
func (g *Gateway) accept(listener net.Listener, config *tls.Config, passed bool) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			// Out of descriptors, or a connection that died in the queue: the others
			// go on.
			g.o.Log.Warn("connection not accepted", "error", err)
			select {
			case <-time.After(50 * time.Millisecond):
				continue
			case <-g.closing.Done():
				return
			}
		}
		g.peers.Lock()
		full := len(g.peers.all) >= g.o.Door.MaxConnections
		g.peers.Unlock()
		if full {
			g.count.refused.Add(1)
			conn.Close()
			continue
		}
		g.count.connections.Add(1)
		if tcp, ok := conn.(*net.TCPConn); ok {
			// A terminal that lost its power says nothing; the system finds out.
			_ = tcp.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 4})
		}
		if config != nil {
			conn = tls.Server(conn, config)
		}
		p := &peer{gateway: g, passed: passed, conn: conn, out: make(chan delivery, g.o.Door.MaxWaiting), closed: make(chan struct{})}
		g.peers.Lock()
		g.peers.all[p] = true
		g.peers.Unlock()
		if g.closing.Err() != nil {
			p.shut()
		}
		g.doors.Go(p.write)
		g.doors.Go(p.read)
	}
}

// shut ends the connection, once.
func (p *peer) shut() {
	p.once.Do(func() {
		close(p.closed)
		p.conn.Close()
	})
}

// patience gives each message its time: Idle until its first byte, then
// FrameWithin until its last.
type patience struct {
	conn  net.Conn
	door  *Door
	began bool
	until time.Time
}

func (r *patience) Read(b []byte) (int, error) {
	if !r.began {
		if err := r.conn.SetReadDeadline(time.Now().Add(r.door.Idle)); err != nil {
			return 0, err
		}
	} else {
		if r.until.IsZero() {
			r.until = time.Now().Add(r.door.FrameWithin)
		}
		if err := r.conn.SetReadDeadline(r.until); err != nil {
			return 0, err
		}
	}
	n, err := r.conn.Read(b)
	r.began = r.began || n > 0
	return n, err
}

func (r *patience) next() { r.began, r.until = false, time.Time{} }

func (p *peer) read() {
	g := p.gateway
	var tickets []Conn // that may still wait; for Gone
	defer func() {
		p.shut()
		p.hangUp()
		g.peers.Lock()
		delete(g.peers.all, p)
		g.peers.Unlock()
		for _, t := range tickets {
			if w := g.collect(t); w != nil {
				w.drop()
				g.post(func(x *Exchange, now time.Time) { x.Gone(now, t) })
			}
		}
	}()
	if secure, ok := p.conn.(*tls.Conn); ok {
		_ = p.conn.SetDeadline(time.Now().Add(g.o.Door.FrameWithin))
		if err := secure.HandshakeContext(g.closing); err != nil {
			g.count.slow.Add(1)
			g.o.Log.Info("TLS not agreed", "error", err)
			return
		}
		_ = p.conn.SetDeadline(time.Time{})
	}
	in := &patience{conn: p.conn, door: &g.o.Door}
	r := iso8583.NewReader(in, g.o.Door.Dialect.Framing, 0)
	defer r.Wipe()
	for {
		in.next()
		frame, err := r.Next()
		if err != nil {
			p.ended(err, in.began)
			return
		}
		reached(requestReceived)
		g.count.frames.Add(1)
		m, err := g.o.Door.Dialect.Decode(frame)
		if err != nil {
			// Nobody can be answered: what is no message names no terminal.
			g.count.garbage.Add(1)
			g.garbage("format")
			return
		}
		kind, bad := m.Validate("")
		if kind.Response {
			m.Wipe()
			g.count.garbage.Add(1)
			g.garbage("format")
			return
		}
		if p.waiting.Add(1) > int64(g.o.Door.MaxWaiting) {
			p.waiting.Add(-1)
			m.Wipe()
			g.count.refused.Add(1)
			return
		}
		w := &pending{peer: p, ticket: Conn(g.tickets.Add(1)), message: m, kind: kind}
		if g.o.Neighbours != nil {
			w.frame = bytes.Clone(frame)
			if part, elsewhere := g.passes(m); elsewhere {
				g.doors.Go(func() { g.pass(w, part) })
				continue
			}
		}
		if len(tickets) >= 2*g.o.Door.MaxWaiting {
			tickets = stillWaiting(g, tickets)
		}
		tickets = append(tickets, w.ticket)
		request := g.request(w, bad)
		g.waiting.Store(w.ticket, w)
		g.post(func(x *Exchange, now time.Time) { x.Request(now, w.ticket, request) })
	}
}

func stillWaiting(g *Gateway, tickets []Conn) []Conn {
	keep := tickets[:0]
	for _, t := range tickets {
		if _, ok := g.waiting.Load(t); ok {
			keep = append(keep, t)
		}
	}
	return keep
}

// ended counts why a connection ended.
func (p *peer) ended(err error, midway bool) {
	g := p.gateway
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed):
	case errors.Is(err, os.ErrDeadlineExceeded):
		if midway {
			g.count.slow.Add(1)
			g.garbage("incomplete")
		}
	case errors.Is(err, iso8583.ErrTooLong), errors.Is(err, iso8583.ErrFormat):
		g.count.garbage.Add(1)
		g.garbage("format")
	case errors.Is(err, io.ErrUnexpectedEOF):
		g.count.slow.Add(1)
		g.garbage("incomplete")
	default:
		g.o.Log.Info("terminal connection ended", "error", err)
	}
}

// garbage writes the evidence of bytes that are no message. They name nobody, so
// neither does it.
func (g *Gateway) garbage(detail string) {
	g.post(func(x *Exchange, now time.Time) {
		if !x.Halted() {
			x.refusal(now, 0, x.Book.Refuse(now, &payment.Request{}, codeFormat, payment.OutcomeBadFormat, detail, x))
		}
	})
}

// answer hands an answer to the writer. A terminal that does not read its answers
// loses its connection.
func (p *peer) answer(w *pending, a *payment.Answer) {
	p.unwritten.Add(1)
	select {
	case p.out <- delivery{pending: w, answer: a}:
	case <-p.closed:
		p.undelivered(w)
	default:
		p.undelivered(w)
		p.gateway.count.slow.Add(1)
		p.shut()
	}
}

func (p *peer) undelivered(w *pending) {
	w.drop()
	p.unwritten.Add(-1)
	p.gateway.post(func(x *Exchange, _ time.Time) { x.Count[CountUndelivered]++ })
}

func (p *peer) write() {
	g := p.gateway
	for {
		select {
		case d := <-p.out:
			reached(replyBefore)
			out, err := d.frame, error(nil)
			if out == nil {
				out, err = g.encodeAnswer(d.pending, d.answer)
				d.pending.drop()
			}
			if err == nil {
				_ = p.conn.SetWriteDeadline(time.Now().Add(g.o.Door.WriteWithin))
				err = iso8583.WriteFrame(p.conn, g.o.Door.Dialect.Framing, out)
				clear(out)
			} else {
				g.count.unencoded.Add(1)
				g.o.Log.Error("answer not encoded", "terminal", d.answer.TID, "error", err)
			}
			p.unwritten.Add(-1)
			if err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					g.count.slow.Add(1)
				}
				p.shut()
				continue
			}
			reached(replyAfter)
			if g.letsGo(p) {
				p.shut()
			}
		case <-p.closed:
			for {
				select {
				case d := <-p.out:
					if d.pending == nil {
						p.unwritten.Add(-1)
						continue
					}
					p.undelivered(d.pending)
				default:
					return
				}
			}
		}
	}
}
