package bank

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"daozhang/internal/card"
	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
)

// conn is one connection of the acquirer.
type conn struct {
	net.Conn
	bank   *Bank
	once   sync.Once
	closed chan struct{}

	mu       sync.Mutex // one answer at a time
	signedOn bool
	stalled  bool
	owner    keyring.Owner // under whose working keys it last spoke
}

const (
	// atOnce is how many messages of one connection are worked on at a time;
	// further ones wait in the socket.
	atOnce = 4096
	// writeTime is how long a peer may take to read an answer.
	writeTime = 10 * time.Second
)

func (b *Bank) accept(ctx context.Context) {
	for {
		nc, err := b.listener.Accept()
		if err != nil {
			if ctx.Err() == nil && !errors.Is(err, net.ErrClosed) {
				b.fail(fault.New(fault.Internal, "accept", b.cfg.Listen, err, ""))
			}
			return
		}
		c := &conn{Conn: nc, bank: b, closed: make(chan struct{})}
		if State(b.state.Load()) == Refusing {
			nc.Close()
			continue
		}
		b.stats.connections.Add(1)
		b.mu.Lock()
		b.conns[c] = true
		b.mu.Unlock()
		if ctx.Err() != nil {
			c.shut() // it came while the bank was stopping
		}
		b.work.Go(func() { b.serve(ctx, c) })
	}
}

// shut closes the connection, once.
func (c *conn) shut() {
	c.once.Do(func() {
		close(c.closed)
		c.Close()
	})
}

// serve reads messages and answers each in its own time.
func (b *Bank) serve(ctx context.Context, c *conn) {
	var work sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	defer func() {
		c.shut()
		work.Wait()
		b.mu.Lock()
		delete(b.conns, c)
		b.mu.Unlock()
	}()
	r := iso8583.NewReader(c, b.dialect.Framing, 0)
	defer r.Wipe()
	for {
		frame, err := r.Next()
		if err != nil {
			if c.isStalled() {
				<-c.closed
				return
			}
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && ctx.Err() == nil {
				b.cfg.Log.Info("connection ended", "peer", c.RemoteAddr().String(), "error", err)
			}
			return
		}
		b.stats.messages.Add(1)
		if State(b.state.Load()) == Silent {
			b.stats.unanswered.Add(1)
			continue
		}
		m, err := b.dialect.Decode(frame)
		if err != nil {
			// Without a message type and trace number there is nobody to answer.
			b.stats.malformed.Add(1)
			b.cfg.Log.Warn("malformed message", "peer", c.RemoteAddr().String(), "error", err)
			return
		}
		select {
		case slots <- struct{}{}:
		case <-c.closed:
			return
		}
		work.Go(func() {
			defer func() { <-slots }()
			defer m.Wipe()
			b.handle(ctx, c, m)
		})
	}
}

func (c *conn) isStalled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stalled
}

// handle answers one message.
func (b *Bank) handle(ctx context.Context, c *conn, m *iso8583.Message) {
	kind, err := m.Validate("")
	if kind.Response {
		b.stats.malformed.Add(1) // the acquirer answers nothing that we asked
		return
	}
	owner, bad := b.speaks(c, m)
	if m.Has(iso8583.MAC) || m.Has(iso8583.MAC2) {
		if bad != nil {
			b.stats.wrongMAC.Add(1)
			b.refuse(c, m, iso8583.ResponseCodeOf(bad))
			return
		}
	} else if b.book.setting().MAC && kind.Operation.Financial() {
		b.stats.wrongMAC.Add(1)
		b.refuse(c, m, "A0")
		return
	}
	if err != nil {
		b.stats.malformed.Add(1)
		b.refuse(c, m, iso8583.ResponseCodeOf(err))
		return
	}
	if kind.Operation.Financial() || kind.Operation == iso8583.Balance {
		if b.book.setting().SignOn && !c.isSignedOn() {
			b.refuse(c, m, "91")
			return
		}
		b.transact(ctx, c, m, kind, owner)
		return
	}
	b.manage(c, m, kind)
}

func (c *conn) isSignedOn() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.signedOn
}

// manage answers sign-on, sign-off and echo.
func (b *Bank) manage(c *conn, m *iso8583.Message, kind iso8583.Kind) {
	a := m.Answer("00")
	switch kind.Operation {
	case iso8583.SignOn:
		if b.keys.HasMaster(b.owner) {
			w, err := b.newWorking(c)
			if err == nil {
				err = a.SetWorkingKeys(w)
			}
			if err != nil {
				b.cfg.Log.Error("no working keys", "error", err)
				a.Set(iso8583.ResponseCode, "96")
			}
		}
		c.mu.Lock()
		c.signedOn = true
		c.mu.Unlock()
	case iso8583.SignOff:
		c.mu.Lock()
		c.signedOn = false
		c.mu.Unlock()
	case iso8583.Echo:
	default:
		a.Set(iso8583.ResponseCode, "40")
	}
	out, err := a.Encode()
	if err != nil {
		b.cfg.Log.Error("answer not encoded", "error", err)
		return
	}
	c.send(out)
}

// refuse answers with a code and no effect.
func (b *Bank) refuse(c *conn, m *iso8583.Message, code string) {
	b.stats.declined.Add(1)
	c.mu.Lock()
	owner := c.owner
	c.mu.Unlock()
	if owner == "" {
		owner = b.owner
	}
	if out, err := b.sign(m.Answer(code), owner); err == nil {
		c.send(out)
	}
}

// sign encodes an answer, with a MAC where keys were exchanged.
func (b *Bank) sign(a *iso8583.Message, owner keyring.Owner) ([]byte, error) {
	if b.keys.HasWorking(owner) {
		return a.Sign(b.keys, owner)
	}
	return a.Encode()
}

// keptKeys is how many sets of working keys stay in force: each node of an acquirer
// signs on for itself, and what one of them got must not end another's.
const keptKeys = 8

// newWorking makes working keys for the acquirer's side of a connection.
func (b *Bank) newWorking(c *conn) (keyring.Working, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	owner := b.owner
	if len(b.cfg.Master.Cipher) > 0 {
		b.signOns++
		owner = keyring.Link(fmt.Sprintf("%s/%d", b.cfg.Link, b.signOns))
		if err := b.keys.InstallMaster(owner, b.cfg.Master); err != nil {
			return keyring.Working{}, err
		}
	}
	w, err := b.keys.NewWorking(owner)
	if err != nil {
		return w, err
	}
	if len(b.owners) == 0 || b.owners[0] != owner {
		b.owners = append([]keyring.Owner{owner}, b.owners...)
	}
	if len(b.owners) > keptKeys {
		if err := b.keys.Forget(b.owners[keptKeys]); err != nil {
			return w, err
		}
		b.owners = b.owners[:keptKeys]
	}
	c.mu.Lock()
	c.owner = owner
	c.mu.Unlock()
	return w, nil
}

// speaks gives the owner of the keys under which a message was signed, and why its
// MAC holds under none.
func (b *Bank) speaks(c *conn, m *iso8583.Message) (keyring.Owner, error) {
	c.mu.Lock()
	owner := c.owner
	c.mu.Unlock()
	if owner == "" {
		owner = b.owner
	}
	if !m.Has(iso8583.MAC) && !m.Has(iso8583.MAC2) {
		return owner, nil
	}
	b.mu.Lock()
	owners := slices.Clone(b.owners)
	b.mu.Unlock()
	bad := error(nil)
	for i, o := range append([]keyring.Owner{owner}, owners...) {
		if !b.keys.HasWorking(o) {
			continue
		}
		err := m.Verify(b.keys, o)
		if err == nil {
			c.mu.Lock()
			c.owner = o
			c.mu.Unlock()
			return o, nil
		}
		if i == 0 || bad == nil {
			bad = err
		}
	}
	return owner, bad
}

// transact decides on money and answers in the way the scenario says.
func (b *Bank) transact(ctx context.Context, c *conn, m *iso8583.Message, kind iso8583.Kind, owner keyring.Owner) {
	r := b.read(m, kind, owner)
	v := b.book.decide(r)
	if v.undecided {
		b.stats.unanswered.Add(1)
		switch {
		case v.rule.Do == DoClose || v.closeAfter:
			c.shut()
		case v.rule.Do == DoStall:
			c.stall()
		}
		return
	}
	if v.ticket != nil {
		if err := v.ticket.Wait(); err != nil {
			b.fail(err)
			return
		}
	}
	switch {
	case v.duplicate:
		b.stats.duplicates.Add(1)
	case v.what == Approved:
		b.stats.approved.Add(1)
	case v.what == Reversed:
		b.stats.reversed.Add(1)
	default:
		b.stats.declined.Add(1)
	}
	if !c.pause(ctx, b.book.setting().Delay.draw(&v)+v.rule.Delay) {
		b.stats.unanswered.Add(1)
		return
	}
	switch v.rule.Do {
	case DoSilent:
		b.stats.unanswered.Add(1)
		return
	case DoCloseAfter:
		b.stats.unanswered.Add(1)
		c.shut()
		return
	}
	out, err := b.answer(m, r, &v)
	if err != nil {
		b.cfg.Log.Error("answer not encoded", "error", err)
		b.stats.unanswered.Add(1)
		return
	}
	switch v.rule.Do {
	case DoGarbage:
		for i := range out {
			out[i] = byte(v.dice.Uint32())
		}
		c.send(out)
	case DoTruncate:
		c.sendHalf(out)
		c.shut()
	case DoTwice:
		c.send(bytes.Clone(out))
		c.send(out)
	default:
		c.send(out)
	}
}

// read takes from a message what the book needs.
func (b *Bank) read(m *iso8583.Message, kind iso8583.Kind, owner keyring.Owner) *request {
	amount, _ := m.AmountMinor() // Validate has looked
	entry, _ := m.Entry()
	pan := m.CardNumber()
	r := &request{
		operation: kind.Operation, reversal: kind.Reversal, repeat: kind.Repeat, pan: pan, owner: owner, at: b.cfg.Now(),
		original: m.Original(), authCode: m.Get(iso8583.AuthCode),
		entry: Entry{
			Operation: kind.Operation.String(), Payment: m.UUID(),
			STAN: m.Get(iso8583.STAN), Sent: m.Get(iso8583.TransmissionTime), Acquirer: trimZeros(m.Get(iso8583.AcquirerID)),
			RRN: m.Get(iso8583.RRN), TID: m.Get(iso8583.TID), MID: m.Get(iso8583.MID), MCC: m.Get(iso8583.MerchantType),
			Entry: entry, Amount: amount, Currency: m.Get(iso8583.Currency),
		},
	}
	if pan != "" {
		r.entry.Card = b.keys.Token(pan)
		r.entry.PAN = masked(pan)
	}
	if block := m.Bytes(iso8583.PINData); len(block) == 8 && b.keys.HasWorking(owner) {
		p := keyring.PINBlock(block)
		r.pin = &p
	}
	return r
}

// masked shows a number as first six, stars, last four, whether or not it passes
// the check digit.
func masked(pan string) string {
	if len(pan) < 11 {
		return ""
	}
	stars := make([]byte, len(pan)-10)
	for i := range stars {
		stars[i] = '*'
	}
	n, _ := card.Normalize(pan[:6] + string(stars) + pan[len(pan)-4:])
	return n
}

func trimZeros(s string) string {
	for len(s) > 0 && s[0] == '0' {
		s = s[1:]
	}
	return s
}

// answer builds the response and encodes it.
func (b *Bank) answer(m *iso8583.Message, r *request, v *verdict) ([]byte, error) {
	a := m.Answer(v.code)
	_, month, day := v.date.YMD()
	a.Set(iso8583.SettlementDate, string([]byte{byte('0' + month/10), byte('0' + month%10), byte('0' + day/10), byte('0' + day%10)}))
	if v.auth != "" {
		a.Set(iso8583.AuthCode, v.auth)
	}
	if v.approved > 0 && v.approved != r.entry.Amount {
		if err := a.SetAmount(v.approved); err != nil {
			return nil, err
		}
	}
	if v.balance != nil {
		if err := a.SetBalance(*v.balance, r.entry.Currency); err != nil {
			return nil, err
		}
	}
	if v.what == Approved && m.Has(iso8583.ICCData) && r.operation == iso8583.Sale {
		a.SetBytes(iso8583.ICCData, issuerData(v))
	}
	if v.rule.Do == DoWrongTrace {
		a.Set(iso8583.STAN, "999999")
	}
	out, err := b.sign(a, r.owner)
	if err == nil && v.rule.Do == DoWrongMAC {
		if b.keys.HasWorking(r.owner) {
			// The last bytes are the MAC in hexadecimal digits.
			last := &out[len(out)-1]
			*last = "0123456789ABCDEF0"[1+indexHex(*last)]
		}
	}
	return out, err
}

func indexHex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	}
	return 0
}

// issuerData is the issuer's answer to a chip: tag 91, a cryptogram of eight
// bytes and the response code for the card.
func issuerData(v *verdict) []byte {
	d := []byte{0x91, 10}
	for range 8 {
		d = append(d, byte(v.dice.Uint32()))
	}
	return append(d, '0', '0')
}

// draw gives how long this answer takes.
func (d Delay) draw(v *verdict) time.Duration {
	t := d.Fixed
	if d.Spread > 0 {
		t += time.Duration(v.dice.Int64N(int64(d.Spread) + 1))
	}
	if d.Tail > 0 && v.dice.Float64() < d.Tail {
		t += d.TailDelay
	}
	return t
}

// pause waits; false where the bank stops or the peer is gone meanwhile.
func (c *conn) pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-c.closed:
	}
	return false
}

// stall leaves the connection half-open until the bank stops.
func (c *conn) stall() {
	c.mu.Lock()
	c.stalled = true
	c.mu.Unlock()
	// The reader is waiting in a read: wake it, it will not read again.
	_ = c.SetReadDeadline(time.Unix(1, 0))
}

// send sends a message and clears its memory.
func (c *conn) send(message []byte) {
	defer clear(message)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stalled {
		return
	}
	_ = c.SetWriteDeadline(time.Now().Add(writeTime))
	if err := iso8583.WriteFrame(c, c.bank.dialect.Framing, message); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			c.bank.cfg.Log.Warn("the peer does not read", "peer", c.RemoteAddr().String())
		}
		c.shut()
	}
}

// sendHalf announces a whole message and sends half of it.
func (c *conn) sendHalf(message []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	frame, err := iso8583.AppendFrame(nil, c.bank.dialect.Framing, message)
	if err == nil {
		_ = c.SetWriteDeadline(time.Now().Add(writeTime))
		_, _ = c.Write(frame[:len(frame)/2])
	}
}
