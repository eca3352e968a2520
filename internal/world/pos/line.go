package pos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
)

// line is the connection to the acquirer, opened when it is needed and kept.
type line struct {
	conn   net.Conn
	reader *iso8583.Reader
}

func (l *line) close() {
	if l.conn != nil {
		l.conn.Close()
		l.reader.Wipe()
	}
	*l = line{}
}

// What can become of a message, as far as the terminal can know.
var (
	// errNotSent: not one byte of it left.
	errNotSent = errors.New("no connection to the acquirer")
	// errNoAnswer: it may have arrived.
	errNoAnswer = errors.New("no answer from the acquirer")
)

func (t *Terminal) connect(ctx context.Context) error {
	if t.line.conn != nil {
		return nil
	}
	if broken, err := t.broken(NoNetwork); err != nil || broken {
		return errors.Join(errNotSent, err)
	}
	var failed error
	for range t.addresses {
		conn, err := t.dial(ctx, t.addresses[t.address])
		if err == nil {
			t.line = line{conn, iso8583.NewReader(conn, t.dialect.Framing, 0)}
			return nil
		}
		failed = errors.Join(failed, err)
		t.elsewhere()
	}
	return fmt.Errorf("%w: %w", errNotSent, failed)
}

// elsewhere has the next connection made to the next of the addresses: this one
// cannot be reached, or does not answer.
func (t *Terminal) elsewhere() { t.address = (t.address + 1) % len(t.addresses) }

func (t *Terminal) dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, t.cfg.Connect)
	defer cancel()
	return t.cfg.Dial(ctx, address)
}

// unanswered ends a connection over which nothing usable came back.
func (t *Terminal) unanswered(err error) error {
	t.line.close()
	t.elsewhere()
	return fmt.Errorf("%w: %w", errNoAnswer, err)
}

// exchange sends a message and gives its answer. Its error is errNotSent,
// errNoAnswer, or that of a terminal that died. An answer with a wrong MAC, or an
// approval without one, comes with iso8583.ErrMAC.
func (t *Terminal) exchange(ctx context.Context, m *iso8583.Message) (*iso8583.Message, error) {
	out, err := t.encode(m)
	if err != nil {
		return nil, err
	}
	defer clear(out)
	// A connection that was kept may have been closed by the peer meanwhile.
	if _, cut := t.faults.on[NoNetwork]; t.line.conn != nil && (cut || gone(t.line.conn)) {
		t.line.close()
	}
	if err := t.connect(ctx); err != nil {
		return nil, err
	}
	conn := t.line.conn
	deadline := time.Now().Add(t.cfg.Timeout)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	_ = conn.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	frame, err := iso8583.AppendFrame(nil, t.dialect.Framing, out)
	if err != nil {
		return nil, err
	}
	defer clear(frame)
	if err := t.transmit(conn, frame); err != nil {
		return nil, t.unanswered(err)
	}
	if err := t.at(Sent); err != nil {
		return nil, err
	}
	if t.faults.strikes(LostAnswer) {
		<-wait(ctx, deadline)
		t.line.close()
		return nil, errNoAnswer
	}
	for {
		in, err := t.line.reader.Next()
		if err != nil {
			return nil, t.unanswered(err)
		}
		a, err := t.dialect.Decode(in)
		if err != nil {
			return nil, t.unanswered(err)
		}
		if !answers(a, m) {
			t.cfg.Log.Info("an answer to another message is dropped", "tid", t.cfg.TID, "message", a)
			continue
		}
		if err := t.at(Received); err != nil {
			return nil, err
		}
		if a.Has(iso8583.MAC) {
			return a, a.Verify(t.keys, t.owner)
		}
		if k, _ := m.Kind(); (k.Operation.Financial() || k.Operation == iso8583.Balance) && approvalOf(a.Get(iso8583.ResponseCode)) {
			return a, fmt.Errorf("%w: an approval without one", iso8583.ErrMAC)
		}
		return a, nil
	}
}

func wait(ctx context.Context, until time.Time) <-chan struct{} {
	c, cancel := context.WithDeadline(ctx, until)
	context.AfterFunc(c, cancel)
	return c.Done()
}

// encode gives the bytes of a message, with its MAC where it needs one.
func (t *Terminal) encode(m *iso8583.Message) ([]byte, error) {
	if mti := m.MTI(); mti[1] == '8' {
		return m.Encode()
	}
	out, err := m.Sign(t.keys, t.owner)
	if err == nil && t.faults.strikes(BadMAC) {
		out[len(out)-1] ^= 1
	}
	return out, err
}

// transmit writes a frame as the line's faults let it.
func (t *Terminal) transmit(conn net.Conn, frame []byte) error {
	switch {
	case t.faults.strikes(HalfFrame):
		_, err := conn.Write(frame[:len(frame)/2])
		return err
	case t.faults.strikes(Dribble):
		for len(frame) > 0 {
			n := min(len(frame), 7)
			if _, err := conn.Write(frame[:n]); err != nil {
				return err
			}
			frame = frame[n:]
			if len(frame) > 0 {
				time.Sleep(3 * time.Millisecond)
			}
		}
		return nil
	}
	if t.faults.strikes(SentTwice) {
		if _, err := conn.Write(frame); err != nil {
			return err
		}
	}
	_, err := conn.Write(frame)
	return err
}

// answers reports whether a is the answer to m: the response's type, the same
// terminal and trace number.
func answers(a, m *iso8583.Message) bool {
	want := []byte(m.MTI())
	want[2]++
	mti := a.MTI()
	if mti[:3] != string(want[:3]) {
		return false
	}
	for _, f := range []int{iso8583.STAN, iso8583.TID} {
		if a.Has(f) && m.Has(f) && a.Get(f) != m.Get(f) {
			return false
		}
	}
	return a.Has(iso8583.ResponseCode)
}

// lost explains to a person why there is no answer.
func (t *Terminal) lost(op string, err error) error {
	return fault.New(fault.Internal, op, t.cfg.Address, err, "see whether the acquirer is running at this address")
}
