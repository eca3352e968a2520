package iso8583

import (
	"encoding/hex"
	"errors"
	"fmt"

	"golang.org/x/text/encoding/charmap"
)

// maxMessage bounds what Decode takes: no field is longer than 9999 bytes and no
// real message comes near.
const maxMessage = 1 << 16

func fromHex(s string) ([]byte, error) { return hex.DecodeString(s) }

// toASCII and toEBCDIC are IBM code page 037; what has no counterpart is
// kept apart so that every byte comes back as it was.
var toASCII, toEBCDIC = func() (a, e [256]byte) {
	for i := range 256 {
		r := charmap.CodePage037.DecodeByte(byte(i))
		a[i] = byte(r) // code page 037 is a permutation of Latin-1
		e[byte(r)] = byte(i)
	}
	return
}()

// Decode reads one message, header included, without the length before it. The
// bytes are copied. The *Error says at which byte what is wrong.
func (d *Dialect) Decode(frame []byte) (*Message, error) { return d.decodeAfter(frame, d.headerSize) }

// decodeAfter decodes a message whose header has another size than the dialect's.
func (d *Dialect) decodeAfter(frame []byte, header int) (*Message, error) {
	if len(frame) > maxMessage {
		return nil, &Error{Offset: 0, What: fmt.Sprintf("a message of %d bytes", len(frame)), Err: ErrTooLong}
	}
	if len(frame) < header {
		return nil, &Error{Offset: len(frame), What: fmt.Sprintf("the header is %d bytes, here are %d", header, len(frame)), Err: ErrFormat}
	}
	m := &Message{dialect: d, wire: len(frame) - header}
	// One piece of memory for header, message and what is unpacked of it.
	all := make([]byte, len(frame), 2*len(frame)+32)
	copy(all, frame)
	m.header, m.buf = all[:header:header], all[header:]
	if err := m.decode(); err != nil {
		err.Offset += header
		m.Wipe()
		return nil, err
	}
	return m, nil
}

// decode walks the bytes in m.buf[:m.wire].
func (m *Message) decode() *Error {
	d, b := m.dialect, m.buf[:m.wire]
	at := 0
	// Message type.
	if d.mtiAs == asBCD {
		if len(b) < 2 {
			return &Error{Offset: len(b), What: "it ends within the message type", Err: ErrFormat}
		}
		for i := range 4 {
			m.mti[i] = nibble(b, i) + '0'
		}
		at = 2
	} else {
		if len(b) < 4 {
			return &Error{Offset: len(b), What: "it ends within the message type", Err: ErrFormat}
		}
		copy(m.mti[:], b)
		if d.mtiAs == asEBCDIC {
			for i, c := range m.mti {
				m.mti[i] = toASCII[c]
			}
		}
		at = 4
	}
	for _, c := range m.mti {
		if c-'0' > 9 {
			return &Error{Offset: 0, What: "the message type is not four digits", Err: ErrFormat}
		}
	}
	// Bitmaps.
	size := 8
	if d.bitmapAs == asHex {
		size = 16
	}
	for w := range m.present {
		if len(b)-at < size {
			return &Error{Offset: len(b), What: "it ends within the bitmap", Err: ErrFormat}
		}
		var set uint64
		for i, c := range b[at : at+size] {
			if size == 8 {
				set = set<<8 | uint64(c)
				continue
			}
			v, ok := hexDigit(c)
			if !ok {
				return &Error{Offset: at + i, What: "the bitmap is not hexadecimal", Err: ErrFormat}
			}
			set = set<<4 | uint64(v)
		}
		m.present[w] = set
		at += size
		if w == 0 && set>>63 == 0 && !d.twoBitmaps {
			break
		}
		m.second = w == 1
	}
	m.present[0] &^= 1 << 63
	if m.present[1]>>63 == 1 {
		return &Error{Offset: at - size, Field: 65, What: "a third bitmap is not supported", Err: ErrFormat}
	}
	for n := range m.Fields() {
		f := d.fields[n]
		if f == nil {
			return &Error{Offset: at, Field: n, What: "the dialect has no such field", Err: ErrFormat}
		}
		if n == MAC || n == MAC2 {
			m.macAt = at
		}
		next, err := m.decodeField(f, b, at)
		if err != nil {
			err.Field = n
			return err
		}
		at = next
	}
	if at != len(b) {
		return &Error{Offset: at, What: fmt.Sprintf("%d bytes follow the last field", len(b)-at), Err: ErrFormat}
	}
	return nil
}

func (m *Message) decodeField(f *Field, b []byte, at int) (next int, bad *Error) {
	n := f.max
	if f.prefix > 0 {
		var err error
		if n, at, err = m.dialect.decodePrefix(f, b, at); err != nil {
			return 0, &Error{Offset: at, What: err.Error(), Err: ErrFormat}
		}
		if n > f.max {
			return 0, &Error{Offset: at, What: fmt.Sprintf("its length is %d, at most %d are allowed", n, f.max), Err: ErrFormat}
		}
	}
	size := n
	switch f.as {
	case asBCD:
		size = (n + 1) / 2
	case asHex:
		size = 2 * n
	}
	if len(b)-at < size {
		return 0, &Error{Offset: at, What: fmt.Sprintf("it should have %d bytes, %d are left", size, len(b)-at), Err: ErrFormat}
	}
	raw := b[at : at+size]
	s := span{uint32(at), uint32(at + size)}
	switch f.as {
	case asBCD:
		s.from = uint32(len(m.buf))
		limit := byte(9)
		if f.class == classZ {
			limit = 15
		}
		skip := 0
		if n%2 == 1 {
			pad := raw[size-1] & 15
			if f.left {
				skip, pad = 1, raw[0]>>4
			}
			if pad != 0 { // some terminals fill up with F, or with what was there
				m.setPad(f.Number, pad)
			}
		}
		for i := range n {
			v := nibble(raw, i+skip)
			if v > limit {
				return 0, &Error{Offset: at + (i+skip)/2, What: "it holds something else than digits", Err: ErrFormat}
			}
			m.buf = append(m.buf, digits[v])
		}
		s.to = uint32(len(m.buf))
	case asHex:
		s.from = uint32(len(m.buf))
		for i := 0; i < size; i += 2 {
			hi, ok1 := hexDigit(raw[i])
			lo, ok2 := hexDigit(raw[i+1])
			if !ok1 || !ok2 {
				return 0, &Error{Offset: at + i, What: "it is not hexadecimal", Err: ErrFormat}
			}
			m.buf = append(m.buf, hi<<4|lo)
		}
		s.to = uint32(len(m.buf))
	case asEBCDIC:
		s.from = uint32(len(m.buf))
		for i, c := range raw {
			c = toASCII[c]
			if f.class == classN && c-'0' > 9 {
				return 0, &Error{Offset: at + i, What: "it holds something else than digits", Err: ErrFormat}
			}
			m.buf = append(m.buf, c)
		}
		s.to = uint32(len(m.buf))
	case asASCII:
		if i := f.misfit(raw); i >= 0 {
			return 0, &Error{Offset: at + i, What: f.misfitText(), Err: ErrFormat}
		}
	}
	m.at[f.Number] = s
	return at + size, nil
}

// misfit gives the index of the first byte that the field's class does not allow,
// or -1.
func (f *Field) misfit(value []byte) int {
	switch f.class {
	case classN:
		for i, c := range value {
			if c-'0' > 9 {
				return i
			}
		}
	case classAN:
		for i, c := range value {
			if c < ' ' || c > '~' {
				return i
			}
		}
	case classZ:
		for i, c := range value {
			if c-'0' > 9 && (c < 'A' || c > 'F') && c != '=' {
				return i
			}
		}
	}
	return -1
}

func (f *Field) misfitText() string {
	switch f.class {
	case classN:
		return "it holds something else than digits"
	case classZ:
		return "it is no track"
	}
	return "it holds a byte that is no printable character"
}

// decodePrefix reads the length of a variable field.
func (d *Dialect) decodePrefix(f *Field, b []byte, at int) (n, next int, err error) {
	size := f.prefix
	switch d.prefixAs {
	case asBCD:
		size = (f.prefix + 1) / 2
	case asBinary:
		size = 1
		if f.prefix > 2 {
			size = 2
		}
	}
	if len(b)-at < size {
		return 0, at, errors.New("it ends within the length")
	}
	for i := range size {
		c := b[at+i]
		switch d.prefixAs {
		case asBinary:
			n = n<<8 | int(c)
		case asBCD:
			if c>>4 > 9 || c&15 > 9 {
				return 0, at + i, errors.New("the length is not written in digits")
			}
			n = n*100 + int(c>>4)*10 + int(c&15)
		default:
			if d.prefixAs == asEBCDIC {
				c = toASCII[c]
			}
			if c-'0' > 9 {
				return 0, at + i, errors.New("the length is not written in digits")
			}
			n = n*10 + int(c-'0')
		}
	}
	return n, at + size, nil
}

// Encode gives the message as bytes, header included, without the length before
// it. The *Error names the field whose value does not fit.
func (m *Message) Encode() ([]byte, error) { return m.Append(make([]byte, 0, m.guess())) }

func (m *Message) guess() int { return len(m.header) + 64 + len(m.buf) }

// Append is Encode to the end of a slice; on an error dst comes back as it was.
func (m *Message) Append(dst []byte) ([]byte, error) {
	out, _, err := m.append(dst)
	if err != nil {
		clear(out[len(dst):])
		return dst, err
	}
	return out, nil
}

// append also gives where the MAC field begins, 0 without one.
func (m *Message) append(dst []byte) (out []byte, macAt int, err error) {
	d := m.dialect
	if len(m.header) != d.headerSize {
		return dst, 0, &Error{Offset: -1, What: fmt.Sprintf("the header has %d bytes, not %d", len(m.header), d.headerSize), Err: ErrFormat}
	}
	dst = append(dst, m.header...)
	for _, c := range m.mti {
		if c-'0' > 9 {
			return dst, 0, &Error{Offset: -1, What: "the message type is not four digits", Err: ErrFormat}
		}
	}
	switch d.mtiAs {
	case asBCD:
		dst = append(dst, (m.mti[0]-'0')<<4|(m.mti[1]-'0'), (m.mti[2]-'0')<<4|(m.mti[3]-'0'))
	case asEBCDIC:
		for _, c := range m.mti {
			dst = append(dst, toEBCDIC[c])
		}
	default:
		dst = append(dst, m.mti[:]...)
	}
	words := 1
	first := m.present[0]
	if m.present[1] != 0 || m.second || d.twoBitmaps {
		words = 2
		if !d.twoBitmaps {
			first |= 1 << 63
		}
	}
	for w := range words {
		set := m.present[w]
		if w == 0 {
			set = first
		}
		for shift := 56; shift >= 0; shift -= 8 {
			c := byte(set >> uint(shift))
			if d.bitmapAs == asHex {
				dst = append(dst, digits[c>>4], digits[c&15])
			} else {
				dst = append(dst, c)
			}
		}
	}
	for n := range m.Fields() {
		f := d.fields[n]
		if f == nil {
			return dst, 0, &Error{Offset: -1, Field: n, What: "the dialect has no such field", Err: ErrFormat}
		}
		if n == MAC || n == MAC2 {
			macAt = len(dst)
		}
		var bad *Error
		if dst, bad = d.appendField(dst, f, m.Bytes(n), m.pad(n)); bad != nil {
			bad.Offset, bad.Field = -1, n
			return dst, 0, bad
		}
	}
	return dst, macAt, nil
}

// appendField writes a field; pad is the half byte that fills up an odd number of
// digits.
func (d *Dialect) appendField(dst []byte, f *Field, value []byte, pad byte) ([]byte, *Error) {
	n := len(value)
	if n > f.max {
		return dst, &Error{What: fmt.Sprintf("the value has %d, at most %d are allowed", n, f.max), Err: ErrTooLong}
	}
	if f.prefix > 0 {
		dst = d.appendPrefix(dst, f, n)
	} else if n < f.max && (f.class == classB || f.class == classZ) {
		return dst, &Error{What: fmt.Sprintf("the value has %d, not %d", n, f.max), Err: ErrFormat}
	}
	if i := f.misfit(value); i >= 0 {
		return dst, &Error{What: f.misfitText(), Err: ErrFormat}
	}
	fill := 0
	if f.prefix == 0 {
		fill = f.max - n
	}
	switch f.as {
	case asBCD:
		total := n + fill
		half := pad
		odd := total%2 == 1 && f.left // whether half a byte is pending
		put := func(v byte) {
			if odd {
				dst = append(dst, half<<4|v)
			} else {
				half = v
			}
			odd = !odd
		}
		for range fill {
			put(0)
		}
		for _, c := range value {
			v, ok := hexDigit(c)
			if c == '=' {
				v, ok = 13, true
			}
			if !ok {
				return dst, &Error{What: f.misfitText(), Err: ErrFormat}
			}
			put(v)
		}
		if odd {
			dst = append(dst, half<<4|pad)
		}
	case asHex:
		for _, c := range value {
			dst = append(dst, digits[c>>4], digits[c&15])
		}
	case asEBCDIC:
		for range fill {
			if f.numeric {
				dst = append(dst, toEBCDIC['0'])
			}
		}
		for _, c := range value {
			dst = append(dst, toEBCDIC[c])
		}
		for range fill {
			if !f.numeric {
				dst = append(dst, toEBCDIC[' '])
			}
		}
	default:
		for range fill {
			if f.numeric {
				dst = append(dst, '0')
			}
		}
		dst = append(dst, value...)
		for range fill {
			if !f.numeric {
				dst = append(dst, ' ')
			}
		}
	}
	return dst, nil
}

func (d *Dialect) appendPrefix(dst []byte, f *Field, n int) []byte {
	width := f.prefix
	switch d.prefixAs {
	case asBinary:
		if f.prefix > 2 {
			dst = append(dst, byte(n>>8))
		}
		return append(dst, byte(n))
	case asBCD:
		if width > 2 {
			dst = append(dst, byte(n/1000)<<4|byte(n/100%10))
		}
		return append(dst, byte(n/10%10)<<4|byte(n%10))
	}
	var b [4]byte
	for i := width - 1; i >= 0; i-- {
		b[i] = '0' + byte(n%10)
		if d.prefixAs == asEBCDIC {
			b[i] = toEBCDIC[b[i]]
		}
		n /= 10
	}
	return append(dst, b[:width]...)
}

const digits = "0123456789ABCDEF"

func nibble(b []byte, i int) byte {
	if i%2 == 0 {
		return b[i/2] >> 4
	}
	return b[i/2] & 15
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c-'0' <= 9:
		return c - '0', true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}
