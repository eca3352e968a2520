package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/payment"
)

// Store keeps steps, and finds transactions that have left the memory.
type Store interface {
	payment.Journal
	// ByRRN returns the transactions of a merchant with a retrieval reference
	// number, the latest first; none is no error.
	ByRRN(ctx context.Context, mid, rrn string) ([]payment.Transaction, error)
	// Now returns the rows that a step writes as they stand, those of its
	// transactions also by their keys; what is not there is left out.
	Now(ctx context.Context, s *payment.Step) (*payment.Step, error)
}

// CardRange says what cards that begin so are.
type CardRange struct {
	From, To string // first digits of equal length, at most eight, inclusive
	Type     evidence.CardType
}

// Door is where terminals connect.
type Door struct {
	// Address is host:port.
	Address string
	// TLS is nil for plain TCP.
	TLS *tls.Config
	// Dialect is that of the terminals; nil means iso8583.POS.
	Dialect *iso8583.Dialect
	// MaxConnections bounds those at one time; default 10000. Beyond, the newest is
	// closed at once.
	MaxConnections int
	// Idle is how long a connection may be silent between messages; default 10
	// minutes. FrameWithin is how long a message may take from its first byte to
	// its last, WriteWithin how long a terminal may take to read an answer; both
	// default to 10 seconds.
	Idle, FrameWithin, WriteWithin time.Duration
	// MaxWaiting bounds the requests of one connection without an answer; default
	// 64. Beyond, the connection is closed.
	MaxWaiting int
	// Unsigned lets terminals without keys in, whose messages carry no MAC. For
	// trying only.
	Unsigned bool
	// LeastVersion is the oldest software that is served, the six digits at the end
	// of a message's header; messages of an older one are refused with 78, and the
	// terminal has to be updated. Empty serves all.
	LeastVersion string
}

// Options are what a Gateway is started with.
type Options struct {
	Exchange  Config
	Book      *payment.Book // restored
	Directory payment.Directory
	Store     Store
	Keys      keyring.Keyring
	Door      Door
	// Neighbours are set together with Exchange.Division; nil: this gateway has the
	// store to itself.
	Neighbours *Neighbours
	Lines      []Line
	Ranges     []CardRange
	// Acquirer is our institution's code, field 32; up to eleven digits.
	Acquirer string
	// DrainWithin bounds the wait for what is under way when stopping; default
	// 40 s, longer than an answer may take.
	DrainWithin time.Duration
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Log tells what an operator has to know; nobody is told where nil.
	Log *slog.Logger
}

func (o *Options) defaults() {
	d := &o.Door
	if d.Dialect == nil {
		d.Dialect = iso8583.POS()
	}
	if d.MaxConnections <= 0 {
		d.MaxConnections = 10000
	}
	if d.MaxWaiting <= 0 {
		d.MaxWaiting = 64
	}
	span := func(p *time.Duration, v time.Duration) {
		if *p <= 0 {
			*p = v
		}
	}
	span(&d.Idle, 10*time.Minute)
	span(&d.FrameWithin, 10*time.Second)
	span(&d.WriteWithin, 10*time.Second)
	span(&o.DrainWithin, 40*time.Second)
	if o.Neighbours != nil {
		span(&o.Neighbours.Patience, 5*time.Second)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for i := range o.Lines {
		o.Lines[i].defaults()
		o.Exchange.Links = append(o.Exchange.Links, LinkConfig{Name: o.Lines[i].Name, Network: o.Lines[i].Network, MaxInFlight: o.Lines[i].MaxInFlight})
	}
}

// ErrHalted is what Wait returns where the gateway had to stop because what is
// durable was no longer known: start another over the journal.
var ErrHalted = errors.New("the gateway has halted: what is durable is no longer known")

// Gateway is an Exchange at work: terminals on sockets, links to networks, the
// journal and the clock. One goroutine feeds the exchange; reading, encoding,
// writing and committing go on beside it.
type Gateway struct {
	o        Options
	exchange *Exchange // of the loop alone
	listener net.Listener
	nodes    net.Listener  // for other gateways; nil where there are none
	serves   atomic.Uint64 // a payment.PartSet: what the exchange decides for
	leaving  atomic.Bool   // the door is closed, and other gateways go on
	lines    map[string]*wire

	mu      sync.Mutex
	inbox   []func(x *Exchange, now time.Time)
	wake    chan struct{}
	stop    chan struct{} // closed when a drain is asked for
	stopped sync.Once
	done    chan struct{} // closed when all is over
	err     error
	halt    error // of the loop alone

	doors   sync.WaitGroup // accept and its connections
	wires   sync.WaitGroup // links
	writes  sync.WaitGroup // commits and finds
	closing context.Context
	close   context.CancelFunc

	tickets atomic.Uint64
	waiting sync.Map // Conn → *pending
	people  sync.Map // token → chan error of one who waits
	peers   struct {
		sync.Mutex
		all map[*peer]bool
	}
	count struct {
		connections, refused, garbage, slow, unsent, unencoded, frames, relayed, returned, undecided atomic.Uint64
	}
}

// Start opens the door and the links and begins to serve. It ends by Stop, or by
// itself when it halts; Wait tells why. The error is of kind fault.Invalid for
// settings and fault.Internal where the address cannot be had.
func Start(o Options) (*Gateway, error) {
	o.defaults()
	x, err := New(o.Exchange, o.Book)
	if err != nil {
		return nil, err
	}
	g := &Gateway{o: o, exchange: x, lines: map[string]*wire{}, wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{})}
	g.closing, g.close = context.WithCancel(context.Background())
	g.peers.all = map[*peer]bool{}
	for i := range o.Lines {
		w, err := g.newWire(&o.Lines[i])
		if err != nil {
			return nil, err
		}
		g.lines[o.Lines[i].Name] = w
	}
	if g.listener, err = net.Listen("tcp", o.Door.Address); err != nil {
		return nil, fault.New(fault.Internal, "listen for terminals", o.Door.Address, err, "choose a free port, or :0 for any")
	}
	if err := g.openNodes(); err != nil {
		g.listener.Close()
		return nil, err
	}
	x.Start(o.Now())
	for _, w := range g.lines {
		w.start()
	}
	g.doors.Go(func() { g.accept(g.listener, g.o.Door.TLS, false) })
	go g.loop()
	return g, nil
}

// Addr gives the address at which terminals connect, as host:port.
func (g *Gateway) Addr() string { return g.listener.Addr().String() }

// Stop drains: no new connections, 96 to new requests for money, and what is under way is
// brought to its end, for DrainWithin at most. It returns at once; Wait waits.
func (g *Gateway) Stop() { g.stopped.Do(func() { close(g.stop) }) }

// Wait returns when the gateway has ended: nil after Stop, an error that wraps
// ErrHalted, and its cause, where it gave up.
func (g *Gateway) Wait() error {
	<-g.done
	return g.err
}

// Done is closed when the gateway has ended.
func (g *Gateway) Done() <-chan struct{} { return g.done }

// post gives the loop something to do. It never blocks: what comes in is bounded
// by connections and what each may have open.
func (g *Gateway) post(do func(x *Exchange, now time.Time)) {
	g.mu.Lock()
	g.inbox = append(g.inbox, do)
	g.mu.Unlock()
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// loop is the only user of the exchange.
func (g *Gateway) loop() {
	x := g.exchange
	var batch []func(*Exchange, time.Time)
	var actions []Action
	timer := time.NewTimer(0)
	defer timer.Stop()
	stop, deadline := g.stop, time.Time{}
	drain := func() {
		stop, deadline = nil, g.o.Now().Add(g.o.DrainWithin)
		g.listener.Close()
		if g.nodes != nil {
			g.nodes.Close()
		}
		x.Drain(g.o.Now())
	}
	for {
		select {
		case <-stop: // also when there is never a moment's rest
			drain()
		default:
		}
		g.mu.Lock()
		batch, g.inbox = g.inbox, batch[:0]
		g.mu.Unlock()
		now := g.o.Now()
		for i, do := range batch {
			do(x, now)
			batch[i] = nil
		}
		x.Tick(now)
		actions = x.Take(actions[:0])
		for i := range actions {
			g.act(&actions[i])
		}
		clear(actions)
		if g.halt != nil || !deadline.IsZero() && (x.Drained() && g.delivered() || !now.Before(deadline)) {
			g.finish()
			return
		}
		if len(batch) > 0 || len(actions) > 0 {
			continue // what it brought about may be there already
		}
		wait := time.Hour
		if at, ok := x.Next(); ok {
			wait = at.Sub(now)
		}
		if !deadline.IsZero() {
			wait = min(wait, 20*time.Millisecond)
		}
		timer.Reset(max(wait, 0))
		select {
		case <-g.wake:
		case <-timer.C:
		case <-stop:
			drain()
		}
	}
}

// act carries out one action of the exchange.
func (g *Gateway) act(a *Action) {
	switch a.Kind {
	case Commit:
		token, step := a.Token, a.Step
		g.writes.Go(func() {
			reached(commitBefore)
			err := g.o.Store.Commit(context.Background(), step)
			reached(commitAfter)
			if err != nil {
				g.o.Log.Error("step not written", "merchant", step.MID, "error", err)
			}
			g.post(func(x *Exchange, now time.Time) { x.Committed(now, token, err) })
		})
	case Find:
		token, mid, rrn := a.Token, a.MID, a.RRN
		g.writes.Go(func() {
			found, err := g.o.Store.ByRRN(g.closing, mid, rrn)
			if err != nil {
				g.o.Log.Error("transaction not looked up", "merchant", mid, "error", err)
			}
			g.post(func(x *Exchange, now time.Time) {
				if len(found) == 0 {
					x.Found(now, token, nil)
					return
				}
				x.Found(now, token, &found[0])
			})
		})
	case Send:
		if w := g.lines[a.Message.Link]; w == nil || !w.send(a.Message) {
			g.count.unsent.Add(1)
			g.o.Log.Warn("message not sent", "link", a.Message.Link, "payment", a.Message.Payment)
		}
	case Reply:
		if p := g.collect(a.Conn); p != nil {
			p.peer.answer(p, a.Answer)
		}
	case Close:
		if p := g.collect(a.Conn); p != nil {
			p.drop()
			if p.peer.waiting.Load() == 0 {
				p.peer.shut()
			}
		}
	case Reread:
		token, step := a.Token, a.Step
		g.writes.Go(func() {
			rows, err := g.o.Store.Now(g.closing, step)
			if err != nil {
				rows = nil
				g.o.Log.Error("rows not read again", "merchant", step.MID, "error", err)
			}
			g.post(func(x *Exchange, now time.Time) { x.Rereads(now, token, rows) })
		})
	case Pass:
		if p := g.collect(a.Conn); p != nil {
			profile := g.o.Directory.Terminal(p.message.Get(iso8583.TID))
			g.doors.Go(func() { g.pass(p, payment.PartOf(profile.MID)) })
		}
	case Reserve:
		g.numbers(a.From, a.Count)
	case Tell:
		g.tell(a.Token, a.Err)
	case Halt:
		g.halt = errors.Join(ErrHalted, a.Err)
		g.o.Log.Error("gateway halts", "error", a.Err)
	}
}

// delivered reports whether all answers have left. Where other gateways go on,
// terminals that wait for nothing are let go one by one, so that none loses an
// answer: they connect to another.
func (g *Gateway) delivered() bool {
	g.peers.Lock()
	defer g.peers.Unlock()
	all := true
	for p := range g.peers.all {
		switch {
		case p.unwritten.Load() > 0 || g.nodes != nil && p.waiting.Load() > 0:
			all = false
		case g.nodes != nil:
			p.shut()
		}
	}
	return all
}

// finish ends everything, in the order in which nothing is lost: terminals
// first, then what is being written, then the links.
func (g *Gateway) finish() {
	g.listener.Close()
	if g.nodes != nil {
		g.nodes.Close()
	}
	g.close()
	g.peers.Lock()
	for p := range g.peers.all {
		p.shut()
	}
	g.peers.Unlock()
	g.writes.Wait()
	g.doors.Wait()
	g.wires.Wait()
	g.err = g.halt
	close(g.done)
}

// Snapshot is the state of a gateway for metrics and readiness.
type Snapshot struct {
	Counters Counters
	Links    []LinkState
	// Requests are being decided or wait for an answer, Flights of them wait for a
	// network, Commits are being written, Owed are reversals and advices that no
	// network has acknowledged.
	Requests, Flights, Commits, Owed int
	Transactions                     int // in memory
	// Connections of terminals now, and since the start: taken, refused for want
	// of room, and closed for frames that are none or that took too long.
	Connections                    int
	Accepted, Refused, Garbage     uint64
	Slow, Frames, Unsent, Unstated uint64
	// Held are the parts of the merchants that are decided here, where several
	// gateways share a store. Relayed are messages that were passed on to another,
	// Undecided those for which none was found in time.
	Held               payment.PartSet
	Relayed, Undecided uint64
}

// Snapshot asks the loop for its state. The error is that of ctx, or ErrHalted
// where the gateway has ended.
func (g *Gateway) Snapshot(ctx context.Context) (Snapshot, error) {
	got := make(chan Snapshot, 1)
	g.post(func(x *Exchange, _ time.Time) {
		s := Snapshot{Counters: Counters{}, Links: x.Links(), Transactions: x.Book.Len(), Held: x.Holds()}
		for k, v := range x.Count {
			s.Counters[k] = v
		}
		s.Requests, s.Flights, s.Commits, s.Owed = x.Load()
		got <- s
	})
	select {
	case s := <-got:
		g.peers.Lock()
		s.Connections = len(g.peers.all)
		g.peers.Unlock()
		c := &g.count
		s.Accepted, s.Refused, s.Garbage = c.connections.Load(), c.refused.Load(), c.garbage.Load()
		s.Slow, s.Frames, s.Unsent, s.Unstated = c.slow.Load(), c.frames.Load(), c.unsent.Load(), c.unencoded.Load()
		s.Relayed, s.Undecided = c.relayed.Load(), c.undecided.Load()
		return s, nil
	case <-g.done:
		return Snapshot{}, ErrHalted
	case <-ctx.Done():
		return Snapshot{}, ctx.Err()
	}
}
