package evidence

import (
	"cmp"
	"crypto/sha256"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"
)

// ContentHash is the SHA-256 of the canonical JSON (RFC 8785) of a fact's
// content: its type, time and data with the values as they were given, card
// numbers masked. Of conflicting versions the smallest stands.
func (s *Set) ContentHash(r FactRef) [32]byte { return sha256.Sum256(s.canonical(nil, r)) }

// canonical appends the canonical JSON of a fact's content.
func (s *Set) canonical(dst []byte, r FactRef) []byte {
	text := append([]byte(nil), `{"data":`...)
	text = s.appendData(text, r)
	text = append(text, `,"time":`...)
	text = s.appendTime(text, r)
	text = append(text, `,"type":`...)
	text = s.appendType(text, r)
	text = append(text, '}', '\n')
	n := len(text) - 1
	var c scanner
	c.reset(append(text, make([]byte, scanPad)...), 0, n)
	return c.appendCanonical(dst)
}

// appendCanonical reads a value and appends its canonical form. The value is
// well formed: it was checked when it was read.
func (s *scanner) appendCanonical(dst []byte) []byte {
	switch c := s.next(); c {
	case '{':
		s.pos++
		type member struct{ name, value []byte }
		var members []member
		if s.next() != '}' {
			for again := true; again; again, _ = s.more('}') {
				name, ok := s.name()
				if !ok {
					break
				}
				members = append(members, member{slices.Clone(name), s.appendCanonical(nil)})
			}
		} else {
			s.pos++
		}
		slices.SortStableFunc(members, func(a, b member) int { return compareUTF16(a.name, b.name) })
		dst = append(dst, '{')
		for i, m := range members {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendString(dst, m.name), ':')
			dst = append(dst, m.value...)
		}
		return append(dst, '}')
	case '[':
		s.pos++
		dst = append(dst, '[')
		if s.next() == ']' {
			s.pos++
			return append(dst, ']')
		}
		for {
			dst = s.appendCanonical(dst)
			if again, _ := s.more(']'); !again {
				return append(dst, ']')
			}
			dst = append(dst, ',')
		}
	case '"':
		b, _ := s.str()
		return appendString(dst, b)
	case 't':
		s.literal("true")
		return append(dst, "true"...)
	case 'f':
		s.literal("false")
		return append(dst, "false"...)
	case 'n':
		s.literal("null")
		return append(dst, "null"...)
	default:
		b, _, _ := s.number()
		v, err := strconv.ParseFloat(string(b), 64)
		if err != nil { // beyond what RFC 8785 can write: as it was given
			return append(dst, b...)
		}
		return appendNumber(dst, v)
	}
}

// appendNumber writes a number as ECMAScript does, and so RFC 8785.
func appendNumber(dst []byte, v float64) []byte {
	if v == 0 {
		return append(dst, '0') // minus zero too
	}
	if a := math.Abs(v); a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(dst, v, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, v, 'e', -1, 64)
	// Exponents have no leading zero: 1e-7, not 1e-07.
	if n := len(dst); n >= 4 && dst[n-2] == '0' && (dst[n-3] == '-' || dst[n-3] == '+') {
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

// compareUTF16 orders names by their UTF-16 code units: as by bytes, but for
// characters beyond the basic plane, which come before U+E000 to U+FFFF.
func compareUTF16(a, b []byte) int {
	for len(a) > 0 && len(b) > 0 {
		p, n := utf8.DecodeRune(a)
		q, m := utf8.DecodeRune(b)
		if p != q {
			if (p > 0xffff) != (q > 0xffff) {
				return cmp.Compare(unit(p), unit(q))
			}
			return cmp.Compare(p, q)
		}
		a, b = a[n:], b[m:]
	}
	return cmp.Compare(len(a), len(b))
}

// unit gives the first UTF-16 code unit of a character.
func unit(r rune) rune {
	if r > 0xffff {
		return 0xd800 + (r-0x10000)>>10
	}
	return r
}
