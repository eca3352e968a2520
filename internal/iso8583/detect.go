package iso8583

import (
	"errors"
)

// Detected is what Detect found.
type Detected struct {
	Message *Message
	// Length is what the length before the message says, -1 where none stands
	// there; LengthWrong, whether that is not the message's length.
	Length      int
	LengthWrong bool
	// HeaderMissing: the message begins later than its dialect's do, with the
	// message type or after the TPDU alone.
	HeaderMissing bool
	// Start is the offset of the message, after the length.
	Start int
}

// Detect reads a message of unknown dialect, with or without the length before it,
// with or without TPDU and header: the first dialect and beginning by which every
// byte has its place. Where there is none, the error is that of the attempt that
// came furthest, its offset counted from the beginning of b.
func Detect(b []byte, dialects ...*Dialect) (*Detected, error) {
	if len(dialects) == 0 {
		dialects = builtin()
	}
	var best *Error
	attempt := func(d *Dialect, start, header int) *Message {
		if start+header > len(b) {
			return nil
		}
		m, err := d.decodeAfter(b[start:], header)
		if err == nil {
			return m
		}
		var e *Error
		if errors.As(err, &e) {
			e.Offset += start
			if best == nil || e.Offset > best.Offset {
				best = e
			}
		}
		return nil
	}
	plausible := func(d *Dialect, start int) bool { // a TPDU, or a header that says its own length
		return d.headerSize == 0 || start < len(b) && b[start] == d.initial[0]
	}
	// A right length, then no length, then a length that is wrong.
	for _, how := range [...]int{0, 1, 2} {
		for _, d := range dialects {
			if d.variant && len(dialects) > 1 {
				continue
			}
			size, n := d.Framing.lengthOf(b)
			start := size
			switch {
			case how == 0 && n != len(b)-size, how == 2 && (size == 0 || n == len(b)-size || n == -1):
				continue
			case how == 1:
				start, n = 0, -1
			}
			if plausible(d, start) {
				if m := attempt(d, start, d.headerSize); m != nil {
					return &Detected{Message: m, Length: n, LengthWrong: how == 2, Start: start}, nil
				}
			}
			if how == 2 || d.headerSize == 0 {
				continue
			}
			for _, header := range [...]int{0, tpduSize} {
				if header > 0 && (header >= d.headerSize || !plausible(d, start)) {
					continue
				}
				if m := attempt(d, start, header); m != nil {
					return &Detected{Message: m, Length: n, HeaderMissing: true, Start: start}, nil
				}
			}
		}
	}
	if best == nil {
		best = &Error{Offset: 0, What: "it is too short for a message", Err: ErrFormat}
	}
	return nil, best
}

const tpduSize = 5

// lengthOf reads the length before a message: how many bytes it takes and what it
// says; -1 where there can be none.
func (f Framing) lengthOf(b []byte) (size, n int) {
	if f == Digits4 {
		if len(b) < 4 {
			return 4, -1
		}
		for _, c := range b[:4] {
			if c-'0' > 9 {
				return 4, -1
			}
			n = n*10 + int(c-'0')
		}
		return 4, n
	}
	if len(b) < 2 {
		return 2, -1
	}
	return 2, int(b[0])<<8 | int(b[1])
}
