package iso8583

import (
	"fmt"
	"slices"
)

// Build gives a message of a kind with its codes set: message type, processing
// code, condition, and what else the dialect's table says. ErrOperation where the
// dialect has no such operation.
func (d *Dialect) Build(k Kind) (*Message, error) {
	c := d.codesOf(k.Operation)
	if c == nil || k.Reversal && !k.Operation.Financial() {
		return nil, &Error{Offset: -1, What: fmt.Sprintf("dialect %s has no %s", d.Name, k), Err: ErrOperation}
	}
	m := d.New(c.messageType(k))
	if c.Processing != "" {
		m.Set(ProcessingCode, c.Processing)
	}
	if c.Condition != "" {
		m.Set(ConditionCode, c.Condition)
	}
	for _, p := range [...]struct{ role, value string }{
		{roleCode, c.Code}, {roleBatch, "000000"}, {roleNetwork, c.Network}, {roleOperation, c.Name},
	} {
		// The batch's zeros only hold the place until SetBatch.
		if p.value == "" || p.role == roleBatch && c.Code == "" {
			continue
		}
		if err := m.setRole(p.role, p.value); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Supports reports whether the dialect has codes for an operation.
func (d *Dialect) Supports(o Operation) bool { return d.codesOf(o) != nil }

func (d *Dialect) codesOf(o Operation) *codes {
	i := slices.IndexFunc(d.operations, func(c codes) bool { return c.operation == o })
	if i < 0 {
		return nil
	}
	return &d.operations[i]
}

func (c *codes) messageType(k Kind) string {
	t := []byte(c.Request)
	if k.Response {
		t = []byte(c.Response)
	}
	if k.Reversal {
		t[1], t[2] = '4', '0'
		if k.Response {
			t[2] = '1'
		}
	}
	if k.Repeat && !k.Response {
		t[3]++
	}
	return string(t)
}

// Kind tells what the message is, by its type and codes. ErrOperation where they
// stand for nothing in the dialect; the Kind returned then still tells request
// from response and a reversal from others.
func (m *Message) Kind() (Kind, error) {
	k := Kind{Reversal: m.mti[1] == '4', Response: (m.mti[2]-'0')&1 == 1, Repeat: (m.mti[3]-'0')&1 == 1}
	// Our own private field names the operation; that of another network may hold
	// anything, which is then no operation's name.
	if o, ok := ParseOperation(m.role(roleOperation)); ok {
		if c := m.dialect.codesOf(o); c != nil && c.fitsType(m.mti, k) {
			k.Operation = o
			return k, nil
		}
		return k, &Error{Offset: -1, Field: m.dialect.roles[roleOperation].field, What: "operation and message type contradict each other", Err: ErrOperation}
	}
	processing, condition := m.Bytes(ProcessingCode), m.Bytes(ConditionCode)
	code, network := m.roleBytes(roleCode), m.roleBytes(roleNetwork)
	for i := range m.dialect.operations {
		c := &m.dialect.operations[i]
		if k.Reversal && !c.operation.Financial() || !c.fitsType(m.mti, k) {
			continue
		}
		if k.Reversal {
			if o := m.Bytes(OriginalData); len(o) >= 4 && string(o[:3]) != c.Request[:3] {
				continue
			}
		}
		if fitsCode(processing, c.Processing, 2, k) && fitsCode(condition, c.Condition, 2, k) &&
			fitsCode(code, c.Code, 2, k) && fitsCode(network, c.Network, 3, k) {
			k.Operation = c.operation
			return k, nil
		}
	}
	return k, &Error{Offset: -1, What: "message type " + m.MTI() + " with these codes is no operation of " + m.dialect.Name, Err: ErrOperation}
}

// fitsType compares message types without the last digit (repeat, origin).
func (c *codes) fitsType(mti [4]byte, k Kind) bool {
	if k.Reversal {
		return mti[0] == c.Request[0]
	}
	t := c.Request
	if k.Response {
		t = c.Response
	}
	return string(mti[:3]) == t[:3]
}

// fitsCode compares the first n digits of a code. An answer may leave a code out,
// a request may not.
func fitsCode(have []byte, want string, n int, k Kind) bool {
	if want == "" || len(have) == 0 && k.Response {
		return true
	}
	return len(have) >= n && len(want) >= n && string(have[:n]) == want[:n]
}

// Validate classifies a request and holds it against what its operation needs:
// ErrOperation, ErrMissing with the field's number, ErrAmount for an amount of
// zero, ErrCurrency for another currency than the numeric one given ("156"; "" for
// any).
func (m *Message) Validate(currency string) (Kind, error) {
	k, err := m.Kind()
	if err != nil {
		return k, err
	}
	for _, f := range m.dialect.required[k.Operation] {
		if m.Has(f) || k.Reversal && (f == PAN || !slices.Contains(m.dialect.reversal, f)) {
			continue // a reversal names its original by the trace number
		}
		if f == PAN && m.CardNumber() != "" {
			continue
		}
		return k, &Error{Offset: -1, Field: f, What: fmt.Sprintf("a %s needs it", k), Err: ErrMissing}
	}
	if k.Operation.Financial() && m.Has(Amount) {
		if n, err := m.AmountMinor(); err != nil {
			return k, err
		} else if n == 0 {
			return k, &Error{Offset: -1, Field: Amount, What: "the amount is zero", Err: ErrAmount}
		}
	}
	if c := m.Get(Currency); currency != "" && c != "" && c != currency {
		return k, &Error{Offset: -1, Field: Currency, Err: ErrCurrency}
	}
	return k, nil
}

// Answer gives the response to a request: its message type and codes, the fields
// that the dialect's answers repeat, the TPDU turned round, and the response code.
// The caller adds what is new: times, reference, authorization code, MAC.
func (m *Message) Answer(code string) *Message {
	d := m.dialect
	t := m.mti
	t[2]++
	t[3] = '0' + (t[3]-'0')&^1
	a := d.New(string(t[:]))
	a.header = turnRound(m.header)
	for _, f := range d.echo {
		if m.Has(f) {
			a.SetBytes(f, m.Bytes(f))
		}
	}
	a.Set(ResponseCode, code)
	return a
}

// turnRound exchanges the TPDU's destination and source, so that an answer finds
// its way back through the terminal network.
func turnRound(header []byte) []byte {
	h := slices.Clone(header)
	if len(h) >= 5 && h[0] == 0x60 {
		h[1], h[2], h[3], h[4] = header[3], header[4], header[1], header[2]
	}
	return h
}

// Reasons for a reversal, as field 39 of a terminal's 0400 tells them.
const (
	ReasonTimeout = "98" // no answer in time
	ReasonMAC     = "A0" // the answer's MAC is wrong
	ReasonOther   = "06"
)

// NewReversal gives the reversal of a request for which no valid answer came: the
// fields that the dialect's reversals take over (never tracks, PIN or verification
// values), the original named, the reason in field 39.
func (m *Message) NewReversal(reason string) (*Message, error) {
	k, err := m.Kind()
	if err != nil {
		return nil, err
	}
	if k.Response || k.Reversal || !k.Operation.Financial() {
		return nil, &Error{Offset: -1, What: "only a request that moves money is reversed, not a " + k.String(), Err: ErrOperation}
	}
	r := m.dialect.New(m.dialect.codesOf(k.Operation).messageType(Kind{Operation: k.Operation, Reversal: true}))
	r.header = slices.Clone(m.header)
	for _, f := range m.dialect.reversal {
		if m.Has(f) {
			r.SetBytes(f, m.Bytes(f))
		}
	}
	if pan := m.CardNumber(); pan != "" && slices.Contains(m.dialect.reversal, PAN) {
		r.Set(PAN, pan)
	}
	if m.dialect.Field(OriginalData) != nil && m.Has(TransmissionTime) {
		r.SetOriginal(Original{MTI: m.MTI(), STAN: m.Get(STAN), Sent: m.Get(TransmissionTime), Acquirer: m.Get(AcquirerID), Forwarder: m.Get(ForwarderID)})
	}
	if reason != "" {
		r.Set(ResponseCode, reason)
	}
	return r, nil
}
