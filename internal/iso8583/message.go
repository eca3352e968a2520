// Package iso8583 is the wire's vocabulary: messages of ISO 8583 in dialects that
// are data. A Dialect says how fields are written and which codes stand for which
// operation; a Message holds fields by number, the same in every dialect; Reader
// and Writer frame messages on a connection.
//
// Values are logical: digits of a BCD field as text, binary fields as bytes, text
// as the bytes on the wire. Field values of cards and PINs are in Message's memory
// only; Wipe clears it, and String, Format and Describe mask.
package iso8583

import (
	"fmt"
	"iter"
	"log/slog"
	"math/bits"
	"slices"
)

// The fields by their numbers in ISO 8583:1987, the same in every dialect.
const (
	PAN                = 2
	ProcessingCode     = 3
	Amount             = 4
	TransmissionTime   = 7 // MMDDhhmmss, UTC
	STAN               = 11
	LocalTime          = 12 // hhmmss
	LocalDate          = 13 // MMDD
	ExpiryDate         = 14 // YYMM
	SettlementDate     = 15 // MMDD
	MerchantType       = 18
	EntryMode          = 22
	CardSequence       = 23
	ConditionCode      = 25
	PINCaptureCode     = 26
	AcquirerID         = 32
	ForwarderID        = 33
	Track2             = 35
	Track3             = 36
	RRN                = 37
	AuthCode           = 38
	ResponseCode       = 39
	TID                = 41
	MID                = 42
	MerchantName       = 43
	AdditionalResponse = 44
	Track1             = 45
	AdditionalData     = 48
	Currency           = 49
	PINData            = 52
	SecurityControl    = 53
	AdditionalAmounts  = 54
	ICCData            = 55
	Private60          = 60
	Private61          = 61
	Private62          = 62
	Private63          = 63
	MAC                = 64
	NetworkCode        = 70
	OriginalData       = 90
	MAC2               = 128
)

const maxField = 128

// Message is one message of a dialect. The zero value is not usable: take one
// from Dialect.New or Dialect.Decode. A Message belongs to one goroutine.
type Message struct {
	dialect *Dialect
	header  []byte
	mti     [4]byte
	present [2]uint64 // bit 63 of the first word is field 1, always 0
	second  bool      // the second bitmap was there, whether or not it has fields
	at      [maxField + 1]span
	buf     []byte
	wire    int // how much of buf is the message as received, from the MTI on
	macAt   int // where in it the MAC field begins; 0 without one
	// pads are the half bytes, other than 0, that filled up an odd number of
	// digits when the message was received: encoding gives the same bytes.
	pads []pad
}

type pad struct{ field, value byte }

type span struct{ from, to uint32 }

// Dialect gives the dialect that the message is written in.
func (m *Message) Dialect() *Dialect { return m.dialect }

// MTI gives the message type, four digits.
func (m *Message) MTI() string { return string(m.mti[:]) }

// SetMTI sets the message type; Encode refuses one that is not four digits.
func (m *Message) SetMTI(mti string) {
	m.mti = [4]byte{}
	if len(mti) == len(m.mti) {
		copy(m.mti[:], mti)
	}
}

// Header gives what stands before the message type: TPDU and header of a
// terminal's message, nothing in a dialect without. The caller does not change it.
func (m *Message) Header() []byte { return m.header }

// SetHeader replaces it; Encode refuses one of the wrong length.
func (m *Message) SetHeader(h []byte) { m.header = append([]byte(nil), h...) }

// Has reports whether a field is present.
func (m *Message) Has(field int) bool {
	return field > 1 && field <= maxField && m.present[(field-1)>>6]&(1<<(63-uint(field-1)&63)) != 0
}

// Bytes gives a field's value without copying; nil if it is absent. It is valid
// until the next change of the message.
func (m *Message) Bytes(field int) []byte {
	if !m.Has(field) {
		return nil
	}
	s := m.at[field]
	return m.buf[s.from:s.to:s.to]
}

// Get gives a field's value, "" if it is absent. Digits are text whatever their
// encoding; a binary field is its bytes.
func (m *Message) Get(field int) string { return string(m.Bytes(field)) }

// Set sets a field. Whether the value fits the dialect is found by Encode, whose
// error names the field. A number outside 2 to 128 panics.
func (m *Message) Set(field int, value string) {
	from, old := m.grow(field, len(value))
	copy(m.buf[from:], value)
	clear(old)
}

// SetBytes is Set with bytes, which are copied; they may be those of another field
// of the same message.
func (m *Message) SetBytes(field int, value []byte) {
	from, old := m.grow(field, len(value))
	copy(m.buf[from:], value)
	clear(old)
}

// grow gives the place for a new value of a field, and the memory that was left
// for it: the caller clears that once the value is copied, so that no card number
// stays behind.
func (m *Message) grow(field, n int) (from int, old []byte) {
	if field < 2 || field > maxField {
		panic(fmt.Sprintf("iso8583: there is no field %d", field))
	}
	s := m.at[field]
	if !m.Has(field) || int(s.to-s.from) < n || int(s.from) < m.wire {
		s.from = uint32(len(m.buf))
		if cap(m.buf)-len(m.buf) < n {
			bigger := make([]byte, len(m.buf), 2*cap(m.buf)+n+64)
			copy(bigger, m.buf)
			old, m.buf = m.buf, bigger
		}
		m.buf = m.buf[:len(m.buf)+n]
	}
	s.to = s.from + uint32(n)
	m.at[field] = s
	m.present[(field-1)>>6] |= 1 << (63 - uint(field-1)&63)
	if len(m.pads) > 0 {
		m.pads = slices.DeleteFunc(m.pads, func(p pad) bool { return int(p.field) == field })
	}
	return int(s.from), old
}

func (m *Message) pad(field int) byte {
	for _, p := range m.pads {
		if int(p.field) == field {
			return p.value
		}
	}
	return 0
}

func (m *Message) setPad(field int, value byte) {
	m.pads = append(m.pads, pad{byte(field), value})
}

// Unset removes fields; the memory of their values is cleared.
func (m *Message) Unset(fields ...int) {
	for _, f := range fields {
		if m.Has(f) {
			clear(m.Bytes(f))
			m.present[(f-1)>>6] &^= 1 << (63 - uint(f-1)&63)
		}
	}
}

// Fields gives the numbers of the fields that are present, in order.
func (m *Message) Fields() iter.Seq[int] {
	return func(yield func(int) bool) {
		for w, set := range m.present {
			for set != 0 {
				bit := bits.LeadingZeros64(set)
				set &^= 1 << (63 - uint(bit))
				if f := w*64 + bit + 1; f > 1 && !yield(f) {
					return
				}
			}
		}
	}
}

// Wipe clears the memory of all values. The message is empty afterwards.
func (m *Message) Wipe() {
	clear(m.buf[:cap(m.buf)])
	m.buf, m.present, m.pads, m.wire, m.macAt = m.buf[:0], [2]uint64{}, nil, 0, 0
}

// Clone copies the message as if it had been built, without the bytes it was
// received as.
func (m *Message) Clone() *Message {
	c := &Message{dialect: m.dialect, second: m.second, header: append([]byte(nil), m.header...), mti: m.mti}
	for f := range m.Fields() {
		c.SetBytes(f, m.Bytes(f))
	}
	c.pads = slices.Clone(m.pads)
	return c
}

// String gives message type and fields present, no values.
func (m *Message) String() string {
	var fields []int
	for f := range m.Fields() {
		fields = append(fields, f)
	}
	return fmt.Sprintf("%s %v", m.MTI(), fields)
}

// Format makes every verb that of String, so that no value gets into a log.
func (m *Message) Format(s fmt.State, _ rune) { _, _ = s.Write([]byte(m.String())) }

// LogValue is String for the structured log.
func (m *Message) LogValue() slog.Value { return slog.StringValue(m.String()) }
