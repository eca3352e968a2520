package gateway

import (
	"fmt"
	"strings"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

var toWire = map[payment.Operation]iso8583.Operation{
	payment.Sale: iso8583.Sale, payment.Void: iso8583.SaleVoid, payment.Refund: iso8583.Refund, payment.Preauth: iso8583.Preauth,
	payment.PreauthVoid: iso8583.PreauthVoid, payment.Completion: iso8583.Completion, payment.CompletionVoid: iso8583.CompletionVoid,
	payment.Offline: iso8583.OfflineSale, payment.Balance: iso8583.Balance,
}

// acted is the message type of what an operation acts on, for field 90.
var acted = map[payment.Operation]string{payment.Void: "0200", payment.Refund: "0200", payment.PreauthVoid: "0100", payment.Completion: "0100",
	payment.CompletionVoid: "0200"}

var entryModes = map[string]string{"manual": "01", "magstripe": "02", "qr": "03", "chip": "05", "contactless": "07"}

// numeric gives a currency as field 49 has it.
var numeric = map[money.Currency]string{}

func init() {
	for n := range 1000 {
		s := fmt.Sprintf("%03d", n)
		if c, ok := money.FromNumeric(s); ok {
			numeric[c] = s
		}
	}
}

// transmission is field 7, and how field 90 names the original.
func transmission(at time.Time) string { return at.UTC().Format("0102150405") }

// encode writes a message for the line; its card is not wiped. What it cannot
// write has certainly not been sent.
func (w *wire) encode(m *payment.Message) ([]byte, error) {
	g := w.gateway
	op := toWire[m.Operation]
	out, err := w.dialect.Build(iso8583.Kind{Operation: op, Reversal: m.Kind == payment.Undo, Repeat: m.Attempt > 1})
	if err != nil {
		return nil, err
	}
	defer out.Wipe()
	if op != iso8583.Balance {
		if err := out.SetAmount(m.Amount); err != nil {
			return nil, err
		}
	}
	local := m.At
	if p := g.o.Directory.Terminal(m.TID); p != nil && p.Zone != nil {
		local = m.At.In(p.Zone)
	}
	out.Set(iso8583.TransmissionTime, transmission(m.At))
	out.Set(iso8583.STAN, m.STAN)
	out.Set(iso8583.LocalTime, local.Format("150405"))
	out.Set(iso8583.LocalDate, local.Format("0102"))
	if m.MCC != "" {
		out.Set(iso8583.MerchantType, m.MCC)
	}
	if g.o.Acquirer != "" {
		out.Set(iso8583.AcquirerID, g.o.Acquirer)
	}
	out.Set(iso8583.RRN, m.RRN)
	out.Set(iso8583.TID, m.TID)
	out.Set(iso8583.MID, m.MID)
	if m.Name != "" {
		out.Set(iso8583.MerchantName, fixed(m.Name, 40))
	}
	if c := numeric[m.Currency]; c != "" {
		out.Set(iso8583.Currency, c)
	}
	if err := out.SetUUID(m.Payment.String()); err != nil {
		return nil, err
	}
	pin := false
	switch {
	case m.Card != nil && m.Kind == payment.Ask:
		if pin, err = w.setCard(out, m); err != nil {
			return nil, err
		}
	case len(m.SealedPAN) > 0:
		pan, err := g.o.Keys.Open(keyring.Sealed(m.SealedPAN), sealContext(m.MID))
		if err != nil {
			return nil, err
		}
		out.Set(iso8583.PAN, pan)
	}
	if mode := entryModes[m.Entry.String()]; mode != "" {
		has := "2"
		if pin {
			has = "1"
		}
		out.Set(iso8583.EntryMode, mode+has)
	}
	if o := m.Original; o.STAN != "" {
		mti := acted[m.Operation]
		if m.Kind == payment.Undo {
			request, err := w.dialect.Build(iso8583.Kind{Operation: op})
			if err != nil {
				return nil, err
			}
			mti = request.MTI()
		}
		out.SetOriginal(iso8583.Original{MTI: mti, STAN: o.STAN, Sent: transmission(o.At), Acquirer: g.o.Acquirer})
		if o.AuthCode != "" {
			out.Set(iso8583.AuthCode, fixed(o.AuthCode, 6))
		}
		if m.Kind != payment.Undo && o.RRN != "" {
			out.Set(iso8583.RRN, o.RRN) // the original's: by it the network finds it
		}
	}
	if m.Kind == payment.Undo && m.Reason != (evidence.Code{}) {
		out.Set(iso8583.ResponseCode, m.Reason.String())
	}
	if g.o.Keys.HasWorking(w.owner) && w.dialect.Algorithm != 0 {
		return out.Sign(g.o.Keys, w.owner)
	}
	return out.Encode()
}

// setCard passes the card on; the PIN block goes from the terminal's key to the
// line's inside the keyring.
func (w *wire) setCard(out *iso8583.Message, m *payment.Message) (pin bool, err error) {
	c, keys := m.Card, w.gateway.o.Keys
	if len(c.PAN) == 0 {
		return false, fault.New(fault.Internal, "encode", m.Payment.String(), nil, "the card data are gone already")
	}
	out.SetBytes(iso8583.PAN, c.PAN)
	for _, f := range [...]struct {
		field int
		value string
	}{{iso8583.ExpiryDate, c.Expiry}, {iso8583.CardSequence, c.Sequence}} {
		if f.value != "" {
			out.Set(f.field, f.value)
		}
	}
	for _, f := range [...]struct {
		field int
		value []byte
	}{{iso8583.Track2, c.Track2}, {iso8583.Track3, c.Track3}, {iso8583.ICCData, c.EMV}} {
		if len(f.value) > 0 {
			v := append([]byte(nil), f.value...)
			if f.field != iso8583.ICCData { // the separator is D in BCD and = in text
				for i := range v {
					if v[i] == 'D' {
						v[i] = '='
					}
				}
			}
			out.SetBytes(f.field, v)
			clear(v)
		}
	}
	if len(c.PINBlock) != 8 {
		return false, nil
	}
	if !keys.HasWorking(w.owner) {
		return false, keyring.ErrNoKey
	}
	block, err := keys.TranslatePIN(keyring.Terminal(m.MID, m.TID), w.owner, keyring.PINBlock(c.PINBlock), string(c.PAN))
	if err != nil {
		return false, err
	}
	out.SetBytes(iso8583.PINData, block[:])
	return true, nil
}

// fixed fits ASCII text into n positions.
func fixed(s string, n int) string {
	b := []byte(strings.Repeat(" ", n))
	i := 0
	for _, r := range s {
		if i == n {
			break
		}
		if r < ' ' || r > '~' {
			r = '?'
		}
		b[i] = byte(r)
		i++
	}
	return string(b)
}

// response reads a network's answer.
func (w *wire) response(m *iso8583.Message, kind iso8583.Kind) *payment.Response {
	r := &payment.Response{STAN: m.Get(iso8583.STAN)}
	switch {
	case kind.Reversal:
		r.Kind = payment.Undo
	case kind.Operation == iso8583.OfflineSale:
		r.Kind = payment.Advise
	}
	if id, err := parseID(m.UUID()); err == nil {
		r.Payment = id
	}
	keys := w.gateway.o.Keys
	if keys.HasWorking(w.owner) && w.dialect.Algorithm != 0 {
		if err := m.Verify(keys, w.owner); err != nil {
			r.Malformed = payment.BadMAC
			return r
		}
	}
	code := m.Bytes(iso8583.ResponseCode)
	if len(code) != 2 {
		r.Malformed = payment.BadFormat
		return r
	}
	r.Code = evidence.Code(code)
	r.AuthCode = strings.TrimSpace(m.Get(iso8583.AuthCode))
	amount, err := m.AmountMinor()
	if err != nil {
		r.Malformed = payment.BadFormat
		return r
	}
	if r.Kind == payment.Ask {
		r.Amount = amount
	}
	if n, _, err := m.Balance(); err == nil {
		r.Balance, r.HasBalance = n, true
	}
	if emv := m.Bytes(iso8583.ICCData); len(emv) > 0 {
		r.EMV = append([]byte(nil), emv...)
	}
	return r
}
