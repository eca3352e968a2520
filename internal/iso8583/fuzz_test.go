package iso8583

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
)

func seeds(f *testing.F) {
	for _, d := range []*Dialect{POS(), Network()} {
		for _, b := range goldenMessages(f, d) {
			f.Add(b)
		}
		f.Add(typicalSale(f, d))
	}
	ebcdic, _ := hex.DecodeString("F0F8F0F00020000000C00010")
	f.Add(ebcdic)
	f.Add([]byte{})
}

// FuzzDecode: no bytes bring a dialect to panic or to use memory without bound;
// what is read is written to the same bytes, and described without a card number.
func FuzzDecode(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, d := range Dialects() {
			m, err := d.Decode(b)
			if err != nil {
				var e *Error
				if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(b) {
					t.Fatalf("%s: %v of %d bytes", d, err, len(b))
				}
				continue
			}
			if len(m.buf) > 4*len(b)+64 {
				t.Fatalf("%s: %d bytes became %d", d, len(b), len(m.buf))
			}
			back, err := m.Encode()
			if err != nil {
				t.Fatalf("%s: what was decoded is not encoded: %v", d, err)
			}
			again, err := d.Decode(back)
			if err != nil {
				t.Fatalf("%s: what was encoded is not decoded: %v", d, err)
			}
			// Hexadecimal digits may have been of lower case; nothing else differs.
			if d.bitmapAs == asBinary && !hasHex(m) && !bytes.Equal(back, b) {
				t.Fatalf("%s: encoded again it differs:\n%x\n%x", d, b, back)
			}
			for n := range m.Fields() {
				if !bytes.Equal(m.Bytes(n), again.Bytes(n)) {
					t.Fatalf("%s: field %d differs after a round trip", d, n)
				}
			}
			for _, it := range m.Describe("zh").Fields {
				if f := d.fields[it.Field]; f.Secrecy != Public && (!it.Masked || len(m.Bytes(it.Field)) > 10 && strings.Contains(it.Value, m.Get(it.Field))) {
					t.Fatalf("%s: the description shows field %d", d, it.Field)
				}
			}
			_, _ = m.Kind()
			_, _ = m.Validate("156")
			_, _ = m.Reconciliation()
			_, _ = m.Uploads()
			_, _ = m.WorkingKeys()
			_, _, _ = m.Balance()
			_ = m.Original()
			_ = m.CardNumber()
			if _, err := m.Answer("00").Encode(); err != nil {
				t.Fatalf("%s: the answer cannot be encoded: %v", d, err)
			}
			if r, err := m.NewReversal(ReasonTimeout); err == nil {
				if _, err := r.Encode(); err != nil {
					t.Fatalf("%s: the reversal cannot be encoded: %v", d, err)
				}
			}
			if d == POS() {
				_, _ = m.Convert(Network())
			}
		}
	})
}

func hasHex(m *Message) bool {
	for n := range m.Fields() {
		if m.dialect.fields[n].as == asHex {
			return true
		}
	}
	return false
}

// FuzzDetect: whatever it is, a message or an error that says where.
func FuzzDetect(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		found, err := Detect(b)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) || e.Offset < 0 || e.Offset > len(b) {
				t.Fatalf("%v of %d bytes", err, len(b))
			}
			return
		}
		found.Message.Describe("en")
	})
}

// FuzzFrames: a stream of any bytes ends, and no frame is over the limit.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x05first\x00\x00\x00\x01x"))
	f.Add([]byte("0005first00000001x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, framing := range []Framing{Length2, Digits4} {
			r := NewReader(bytes.NewReader(b), framing, 256)
			total := 0
			for {
				frame, err := r.Next()
				if err != nil {
					if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrTooLong) && !errors.Is(err, ErrFormat) {
						t.Fatal(err)
					}
					break
				}
				if len(frame) == 0 || len(frame) > 256 {
					t.Fatalf("a frame of %d bytes", len(frame))
				}
				if total += len(frame); total > len(b) {
					t.Fatal("more came out than went in")
				}
			}
		}
	})
}

// FuzzTLV: what is read is written to elements that are read alike.
func FuzzTLV(f *testing.F) {
	b, _ := hex.DecodeString("9F260895BBE372271DDA7C9F2701808200950500000000009F8101820003010203")
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := ParseTLV(b)
		if err != nil {
			return
		}
		back, err := AppendTLV(nil, list...)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseTLV(back)
		if err != nil || len(again) != len(list) {
			t.Fatalf("%d elements became %d: %v", len(list), len(again), err)
		}
		for i := range list {
			if list[i].Tag != again[i].Tag || !bytes.Equal(list[i].Value, again[i].Value) {
				t.Fatalf("element %d differs", i)
			}
		}
	})
}
