package gateway

import (
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/payment"
)

func parseID(s string) (payment.ID, error) { return uuid.Parse(s) }

// Line is how one link of the exchange is reached: its name in routes, and a pool
// of connections to one address.
type Line struct {
	Name    string
	Network string // UnionPay, …
	Address string // host:port
	// TLS is nil for plain TCP.
	TLS *tls.Config
	// Dialect; nil means iso8583.Network.
	Dialect *iso8583.Dialect
	// Connections that are held; default 1.
	Connections int
	// MaxInFlight bounds the requests without an answer; 0 means 512.
	MaxInFlight int
	// NoSignOn is for peers that know no sign-on: a connection is up at once.
	NoSignOn bool
	// Echo is how often an idle or busy connection is tested; default 30 s. EchoWithin
	// is how long the answer to it, or to a sign-on, may take; default 10 s. Two
	// missing answers in a row end the connection.
	Echo, EchoWithin time.Duration
	// DialWithin bounds connecting; default 10 s. RetryFirst is the pause before a
	// lost connection is made again, twice as long each time up to RetryMost;
	// defaults 200 ms and 30 s.
	DialWithin, RetryFirst, RetryMost time.Duration
}

func (l *Line) defaults() {
	span := func(p *time.Duration, v time.Duration) {
		if *p <= 0 {
			*p = v
		}
	}
	span(&l.Echo, 30*time.Second)
	span(&l.EchoWithin, 10*time.Second)
	span(&l.DialWithin, 10*time.Second)
	span(&l.RetryFirst, 200*time.Millisecond)
	span(&l.RetryMost, 30*time.Second)
	if l.Connections <= 0 {
		l.Connections = 1
	}
	if l.Dialect == nil {
		l.Dialect = iso8583.Network()
	}
}

// wire is a Line at work.
type wire struct {
	Line
	gateway *Gateway
	dialect *iso8583.Dialect
	owner   keyring.Owner

	mu    sync.Mutex
	up    []*strand
	turn  int
	trace atomic.Uint32 // STANs of our own management messages
}

// strand is one connection of a wire.
type strand struct {
	wire   *wire
	conn   net.Conn
	out    chan *payment.Message
	closed chan struct{}
	once   sync.Once

	mu      sync.Mutex // of writing, and of what follows
	asked   map[string]chan *iso8583.Message
	replies chan []byte // answers to what the network asks of us
}

func (g *Gateway) newWire(l *Line) (*wire, error) {
	if l.Address == "" {
		return nil, fault.New(fault.Invalid, "configure link", l.Name, nil, "give the address of the network, host:port")
	}
	return &wire{Line: *l, gateway: g, dialect: l.Dialect, owner: keyring.Link(l.Name)}, nil
}

func (w *wire) start() {
	for range w.Connections {
		w.gateway.wires.Go(w.keep)
	}
}

// send hands a message to the next connection that is up; false where none has
// room. The card is copied, so that the exchange may wipe its own.
func (w *wire) send(m *payment.Message) bool {
	own := *m
	if m.Card != nil {
		c := *m.Card
		for _, b := range [...]*[]byte{&c.PAN, &c.Track2, &c.Track3, &c.PINBlock, &c.EMV} {
			*b = append([]byte(nil), *b...)
		}
		own.Card = &c
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for range w.up {
		w.turn++
		s := w.up[w.turn%len(w.up)]
		select {
		case s.out <- &own:
			return true
		default:
		}
	}
	own.Card.Wipe()
	return false
}

// keep holds one connection: made, signed on, served, and made again with growing
// pauses.
func (w *wire) keep() {
	closing := w.gateway.closing
	pause := w.RetryFirst
	for closing.Err() == nil {
		s, err := w.connect()
		if err == nil {
			pause = w.RetryFirst
			s.serve()
			err = errors.New("the connection has ended")
		}
		if closing.Err() != nil {
			return
		}
		w.gateway.o.Log.Warn("link down", "link", w.Name, "error", err, "again_in", pause)
		// A share of chance, so that many do not come back at the same moment.
		timer := time.NewTimer(pause/2 + rand.N(pause/2+1))
		select {
		case <-timer.C:
		case <-closing.Done():
			timer.Stop()
			return
		}
		pause = min(2*pause, w.RetryMost)
	}
}

// connect makes a connection and signs on. The reader of the strand is running
// when it returns.
func (w *wire) connect() (*strand, error) {
	dialer := net.Dialer{Timeout: w.DialWithin, KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}
	conn, err := dialer.DialContext(w.gateway.closing, "tcp", w.Address)
	if err != nil {
		w.gateway.post(func(x *Exchange, now time.Time) {
			if !w.any() {
				x.LinkDown(now, w.Name)
			}
		})
		return nil, err
	}
	if w.TLS != nil {
		conn = tls.Client(conn, w.TLS)
	}
	s := &strand{wire: w, conn: conn, out: make(chan *payment.Message, 1024), closed: make(chan struct{}), asked: map[string]chan *iso8583.Message{},
		replies: make(chan []byte, 16)}
	w.gateway.wires.Go(s.read)
	if w.NoSignOn {
		return s, nil
	}
	answer, err := s.ask(iso8583.SignOn)
	if err == nil {
		err = w.install(answer)
	}
	if err != nil {
		s.shut()
		return nil, err
	}
	return s, nil
}

// install takes the working keys that a sign-on brought.
func (w *wire) install(answer *iso8583.Message) error {
	if code := answer.Get(iso8583.ResponseCode); code != "00" {
		return fault.New(fault.NotAllowed, "sign on", w.Name, errors.New("the network answers "+code), "")
	}
	keys := w.gateway.o.Keys
	if !keys.HasMaster(w.owner) {
		return nil
	}
	working, err := answer.WorkingKeys()
	if err == nil {
		err = keys.InstallWorking(w.owner, working)
	}
	if err != nil {
		return fault.New(fault.KindOf(err), "take over working keys", w.Name, err, "compare the zone master key's check value with the network's")
	}
	return nil
}

func (w *wire) any() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.up) > 0
}

// join and leave keep the list of strands that are up; the exchange hears of the
// first and of the last.
func (w *wire) join(s *strand) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.up = append(w.up, s)
	if len(w.up) == 1 {
		w.gateway.o.Log.Info("link up", "link", w.Name)
		w.gateway.post(func(x *Exchange, now time.Time) { x.LinkUp(now, w.Name) })
	}
}

func (w *wire) leave(s *strand) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.up {
		if w.up[i] == s {
			w.up = append(w.up[:i], w.up[i+1:]...)
			break
		}
	}
	if len(w.up) == 0 {
		w.gateway.post(func(x *Exchange, now time.Time) { x.LinkDown(now, w.Name) })
	}
}

func (s *strand) shut() {
	s.once.Do(func() {
		close(s.closed)
		s.conn.Close()
	})
}

// serve writes what is to be sent, and tests the connection, until it ends.
func (s *strand) serve() {
	w, g := s.wire, s.wire.gateway
	w.join(s)
	defer func() {
		w.leave(s)
		s.shut()
		for { // what was handed over and not sent: its time-outs decide
			select {
			case m := <-s.out:
				m.Card.Wipe()
				g.count.unsent.Add(1)
			default:
				return
			}
		}
	}()
	g.wires.Go(s.test)
	for {
		select {
		case m := <-s.out:
			if !s.transmit(m) {
				return
			}
		case frame := <-s.replies:
			if s.writeFrame(frame) != nil {
				return
			}
		case <-s.closed:
			return
		case <-g.closing.Done():
			if !w.NoSignOn {
				_ = s.write(s.management(iso8583.SignOff))
			}
			return
		}
	}
}

// transmit sends one message; false ends the connection.
func (s *strand) transmit(m *payment.Message) bool {
	w, g := s.wire, s.wire.gateway
	defer m.Card.Wipe()
	frame, err := w.encode(m)
	if err != nil {
		g.count.unencoded.Add(1)
		g.o.Log.Error("message not encoded", "link", w.Name, "payment", m.Payment, "error", err)
		if m.Kind == payment.Ask {
			// It was certainly not sent: a refusal of our own, not an open outcome.
			code := codeFormat
			if errors.Is(err, keyring.ErrPINBlock) {
				code = evidence.Code{'9', '9'}
			}
			g.post(func(x *Exchange, now time.Time) {
				x.Response(now, w.Name, &payment.Response{Kind: payment.Ask, Payment: m.Payment, STAN: m.STAN, Code: code})
			})
		}
		return true
	}
	reached(sendBefore)
	err = s.writeFrame(frame)
	clear(frame)
	if err != nil {
		g.o.Log.Warn("link not writable", "link", w.Name, "error", err)
		return false
	}
	reached(sendAfter)
	return true
}

func (s *strand) writeFrame(frame []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.wire.EchoWithin)); err != nil {
		return err
	}
	return iso8583.WriteFrame(s.conn, s.wire.dialect.Framing, frame)
}

func (s *strand) write(m *iso8583.Message) error {
	frame, err := m.Encode()
	if err != nil {
		return err
	}
	return s.writeFrame(frame)
}

// management builds a message about the link itself.
func (s *strand) management(op iso8583.Operation) *iso8583.Message {
	w := s.wire
	m, err := w.dialect.Build(iso8583.Kind{Operation: op})
	if err != nil {
		return w.dialect.New("0800") // the dialect lacks it; encoding will say so
	}
	var stan [6]byte
	put(stan[:], int(w.trace.Add(1)%1000000))
	m.Set(iso8583.TransmissionTime, transmission(w.gateway.o.Now()))
	m.Set(iso8583.STAN, string(stan[:]))
	if a := w.gateway.o.Acquirer; a != "" && w.dialect.Field(iso8583.AcquirerID) != nil {
		m.Set(iso8583.AcquirerID, a)
	}
	return m
}

var errNoAnswer = errors.New("no answer in time")

// ask sends a management message and waits for its answer.
func (s *strand) ask(op iso8583.Operation) (*iso8583.Message, error) {
	m := s.management(op)
	stan := m.Get(iso8583.STAN)
	got := make(chan *iso8583.Message, 1)
	s.mu.Lock()
	s.asked[stan] = got
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		delete(s.asked, stan)
		s.mu.Unlock()
	}()
	if err := s.write(m); err != nil {
		return nil, err
	}
	timer := time.NewTimer(s.wire.EchoWithin)
	defer timer.Stop()
	select {
	case a := <-got:
		return a, nil
	case <-timer.C:
		return nil, errNoAnswer
	case <-s.closed:
		return nil, io.ErrUnexpectedEOF
	}
}

// test sends echoes. A connection that is half open shows itself here.
func (s *strand) test() {
	w, g := s.wire, s.wire.gateway
	ticker := time.NewTicker(w.Echo)
	defer ticker.Stop()
	missing := 0
	for {
		select {
		case <-s.closed:
			return
		case <-ticker.C:
		}
		begun := time.Now()
		_, err := s.ask(iso8583.Echo)
		took := time.Since(begun)
		select {
		case <-s.closed:
			return
		default:
		}
		g.post(func(x *Exchange, now time.Time) { x.Echoed(now, w.Name, took, err == nil) })
		if err == nil {
			missing = 0
			continue
		}
		if missing++; missing >= 2 {
			g.o.Log.Warn("link does not echo", "link", w.Name)
			s.shut()
			return
		}
	}
}

func (s *strand) read() {
	defer s.shut()
	w, g := s.wire, s.wire.gateway
	r := iso8583.NewReader(s.conn, w.dialect.Framing, 0)
	defer r.Wipe()
	for {
		frame, err := r.Next()
		if err != nil {
			return
		}
		reached(responseReceived)
		m, err := w.dialect.Decode(frame)
		if err != nil {
			// The stream may be out of step: what is in flight is decided by time-outs.
			g.linkError(w, "format")
			return
		}
		s.take(m)
	}
}

// take sorts a message that came over a link.
func (s *strand) take(m *iso8583.Message) {
	w, g := s.wire, s.wire.gateway
	defer m.Wipe()
	kind, err := m.Kind()
	switch {
	case !kind.Response:
		if code := "00"; kind.Operation == iso8583.Echo || kind.Operation == iso8583.SignOn || kind.Operation == iso8583.SignOff || err != nil {
			if err != nil {
				code = "40"
			}
			if frame, err := m.Answer(code).Encode(); err == nil {
				select {
				case s.replies <- frame:
				default: // it asks faster than it reads
				}
			}
		}
	case err == nil && (kind.Operation.Financial() || kind.Operation == iso8583.Balance):
		r := w.response(m, kind)
		g.post(func(x *Exchange, now time.Time) { x.Response(now, w.Name, r) })
	case err == nil:
		s.mu.Lock()
		got := s.asked[m.Get(iso8583.STAN)]
		s.mu.Unlock()
		if got != nil {
			select {
			case got <- m.Clone():
			default:
			}
		}
	default:
		g.linkError(w, "format")
	}
}

// linkError counts, logs and puts on record what a network sent and nobody can
// read; the records are as few as those of refused messages.
func (g *Gateway) linkError(w *wire, detail string) {
	g.count.garbage.Add(1)
	g.o.Log.Warn("network message not understood", "link", w.Name, "detail", detail)
	g.post(func(x *Exchange, now time.Time) {
		if !x.Halted() {
			x.refusal(now, 0, x.Book.Unreadable(now, w.Network, w.Name, detail, x))
		}
	})
}
