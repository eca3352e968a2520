// Package acquirertest stands in for an acquirer where a terminal is tested or
// shown alone: it answers terminals on a TCP socket by itself, without network,
// bank or books. It keeps what it approved, so that a test can hold it against
// what terminals saw, and can be told how to treat single messages.
package acquirertest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
)

// Event is one request that came, and the answer to it. It holds no card data.
type Event struct {
	Kind   iso8583.Kind
	TID    string
	Batch  string
	STAN   string
	Amount int64
	Reason string // of a reversal
	Entry  string
	Fields []int
	Code   string // "" where it was not answered
	Header string
	Clock  string // fields 13 and 12
}

// Deed is what is done with one message.
type Deed struct {
	// Code to answer with; where empty, what the stand-in finds itself.
	Code string
	// Ignore drops the message before it has an effect; Silent after.
	Ignore, Silent bool
	// Close closes the connection instead of an answer, after the effect.
	Close bool
	// BadMAC spoils the MAC of the answer; NoMAC leaves it out.
	BadMAC, NoMAC bool
	// Garbage answers with a frame that is no message.
	Garbage bool
	// Approved is another amount than asked.
	Approved int64
	// Delay before the answer.
	Delay time.Duration
}

// Acquirer is a running stand-in.
type Acquirer struct {
	treat    func(Event) Deed // nil: as they are
	keys     keyring.Keyring
	listener net.Listener
	mu       sync.Mutex
	events   []Event
	standing map[string]*approval // by terminal, batch and trace number
	unseen   map[string]bool      // reversed before they came
	batch    map[string]int
	serial   int
	conns    map[net.Conn]bool
	work     sync.WaitGroup
}

type approval struct {
	kind     iso8583.Operation
	amount   int64
	rrn      string
	auth     string
	reversed bool
}

// Start listens on a port of the loopback and answers until Close. The master keys
// of the terminals are in keys.
func Start(keys keyring.Keyring, treat func(Event) Deed) (*Acquirer, error) {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	a := &Acquirer{treat: treat, keys: keys, listener: l, standing: map[string]*approval{}, unseen: map[string]bool{}, batch: map[string]int{}, conns: map[net.Conn]bool{}}
	a.work.Go(a.accept)
	return a, nil
}

// Addr gives the address, host:port.
func (a *Acquirer) Addr() string { return a.listener.Addr().String() }

// Close stops it.
func (a *Acquirer) Close() {
	a.listener.Close()
	a.Drop()
	a.work.Wait()
}

// Drop closes all connections.
func (a *Acquirer) Drop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for c := range a.conns {
		c.Close()
	}
}

// Do changes how messages are treated.
func (a *Acquirer) Do(treat func(Event) Deed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.treat = treat
}

// Events gives what has come so far.
func (a *Acquirer) Events() []Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.events)
}

// Standing gives the amounts of what is approved and not reversed, by terminal,
// batch and trace number joined with slashes.
func (a *Acquirer) Standing() map[string]int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := map[string]int64{}
	for k, x := range a.standing {
		if !x.reversed {
			all[k] = x.amount
		}
	}
	return all
}

func (a *Acquirer) accept() {
	for {
		c, err := a.listener.Accept()
		if err != nil {
			return
		}
		a.mu.Lock()
		a.conns[c] = true
		a.mu.Unlock()
		a.work.Go(func() {
			a.serve(c)
			a.mu.Lock()
			delete(a.conns, c)
			a.mu.Unlock()
		})
	}
}

func (a *Acquirer) serve(c net.Conn) {
	defer c.Close()
	d := iso8583.POS()
	r := iso8583.NewReader(c, d.Framing, 0)
	for {
		frame, err := r.Next()
		if err != nil {
			return
		}
		m, err := d.Decode(frame)
		if err != nil {
			return
		}
		out, deed := a.answer(m)
		if deed.Delay > 0 {
			<-time.After(deed.Delay)
		}
		switch {
		case deed.Close:
			return
		case out == nil:
			continue
		case deed.Garbage:
			for i := range out {
				out[i] ^= 0x5a
			}
		}
		if iso8583.WriteFrame(c, d.Framing, out) != nil {
			return
		}
	}
}

// answer decides about a message and gives the bytes of the answer, nil for none.
func (a *Acquirer) answer(m *iso8583.Message) ([]byte, Deed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	kind, invalid := m.Validate("156")
	e := Event{Kind: kind, TID: m.Get(iso8583.TID), Batch: m.Batch(), STAN: m.Get(iso8583.STAN), Header: fmt.Sprintf("%x", m.Header()),
		Clock: m.Get(iso8583.LocalDate) + m.Get(iso8583.LocalTime), Fields: slices.Collect(m.Fields())}
	e.Amount, _ = m.AmountMinor()
	e.Entry, _ = m.Entry()
	if kind.Reversal {
		e.Reason = m.Get(iso8583.ResponseCode)
	}
	var deed Deed
	if a.treat != nil {
		deed = a.treat(e)
	}
	if deed.Ignore {
		a.events = append(a.events, e)
		return nil, deed
	}
	owner := keyring.Terminal(m.Get(iso8583.MID), e.TID)
	code := deed.Code
	if code == "" && invalid != nil {
		code = iso8583.ResponseCodeOf(invalid)
	}
	if m.Has(iso8583.MAC) && code == "" {
		code = iso8583.ResponseCodeOf(m.Verify(a.keys, owner))
	}
	r := m.Answer("00")
	r.Unset(iso8583.AdditionalData)
	a.serial++
	r.Set(iso8583.LocalTime, "120000")
	r.Set(iso8583.LocalDate, "0302")
	if code == "" {
		code = a.decide(m, r, &e, deed, owner)
	}
	r.Set(iso8583.ResponseCode, code)
	if !deed.Silent && !deed.Close {
		e.Code = code
	}
	a.events = append(a.events, e)
	if deed.Silent {
		return nil, deed
	}
	out, err := r.Encode()
	if r.MTI()[1] != '8' && !deed.NoMAC && a.keys.HasWorking(owner) {
		out, err = r.Sign(a.keys, owner)
	}
	if err != nil {
		return nil, deed
	}
	if deed.BadMAC {
		out[len(out)-1] ^= 1
	}
	return out, deed
}

func (a *Acquirer) decide(m, r *iso8583.Message, e *Event, deed Deed, owner keyring.Owner) string {
	key := e.TID + "/" + e.Batch + "/" + e.STAN
	switch op := e.Kind.Operation; {
	case op == iso8583.SignOn:
		w, err := a.keys.NewWorking(owner)
		if err == nil {
			err = r.SetWorkingKeys(w)
		}
		if err != nil {
			return iso8583.ResponseCodeOf(err)
		}
		if n := a.batch[e.TID]; n > 0 {
			_ = r.SetBatch(fmt.Sprintf("%06d", n))
		}
	case op == iso8583.Balance:
		if r.SetBalance(123456, "156") != nil {
			return "96"
		}
	case e.Kind.Reversal:
		x := a.standing[key]
		if x == nil {
			// It may have overtaken its request on another connection.
			a.unseen[key] = true
			return "25"
		}
		x.reversed = true
	case op.Financial():
		if x := a.standing[key]; x != nil { // a repeated message
			r.Set(iso8583.RRN, x.rrn)
			r.Set(iso8583.AuthCode, x.auth)
			return "00"
		}
		if a.unseen[key] {
			return "22"
		}
		x := &approval{kind: op, amount: e.Amount, rrn: fmt.Sprintf("6061%08d", a.serial), auth: fmt.Sprintf("%06d", a.serial)}
		if deed.Approved > 0 {
			x.amount = deed.Approved
			_ = r.SetAmount(deed.Approved)
		}
		a.standing[key] = x
		r.Set(iso8583.RRN, x.rrn)
		r.Set(iso8583.AuthCode, x.auth)
		r.Set(iso8583.AdditionalResponse, "ICBC       ACQUIRER   ")
		if deed.Approved > 0 {
			return "10"
		}
	case op == iso8583.Settlement:
		claimed, err := m.Reconciliation()
		if err != nil {
			return iso8583.ResponseCodeOf(err)
		}
		ours := a.totals(e.TID, e.Batch)
		if err := r.SetReconciliation(claimed.Compare(ours, iso8583.Totals{})); err != nil {
			return "96"
		}
		if claimed.Domestic != ours {
			return "95"
		}
		a.open(r, e)
	case op == iso8583.UploadEnd:
		a.open(r, e)
	}
	return "00"
}

func (a *Acquirer) open(r *iso8583.Message, e *Event) {
	n := 0
	_, _ = fmt.Sscanf(e.Batch, "%d", &n)
	a.batch[e.TID] = n%999999 + 1
	_ = r.SetBatch(fmt.Sprintf("%06d", a.batch[e.TID]))
}

func (a *Acquirer) totals(tid, batch string) iso8583.Totals {
	var t iso8583.Totals
	for k, x := range a.standing {
		if len(k) < 15 || k[:15] != tid+"/"+batch || x.reversed {
			continue
		}
		switch x.kind {
		case iso8583.Sale, iso8583.Completion, iso8583.CompletionAdvice, iso8583.OfflineSale:
			t.DebitAmount, t.DebitCount = t.DebitAmount+x.amount, t.DebitCount+1
		case iso8583.Refund, iso8583.SaleVoid, iso8583.CompletionVoid:
			t.CreditAmount, t.CreditCount = t.CreditAmount+x.amount, t.CreditCount+1
		}
	}
	return t
}
