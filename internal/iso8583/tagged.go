package iso8583

import (
	"fmt"
	"strconv"
	"strings"
)

// tagging is how a private field writes elements that carry their own tag. UnionPay
// leaves these fields to acquirers; both forms are what terminals in the field send.
type tagging uint8

const (
	untagged tagging = iota
	// tagsText: a tag of two characters, the length in two digits, the value.
	tagsText
	// tagsPacked: a tag of two bytes, the length in one byte of BCD, the value.
	tagsPacked
)

var taggings = map[string]tagging{"": untagged, "text": tagsText, "packed": tagsPacked}

// head reads the tag and length at the beginning of b; ok is false where there is
// no whole element.
func (t tagging) head(b []byte) (tag string, from, to int, ok bool) {
	switch {
	case t == tagsText && len(b) >= 4:
		n, err := strconv.ParseUint(string(b[2:4]), 10, 8)
		if err != nil {
			return "", 0, 0, false
		}
		tag, from, to = string(b[:2]), 4, 4+int(n)
	case t == tagsPacked && len(b) >= 3:
		high, low := int(b[2]>>4), int(b[2]&0x0f)
		if high > 9 || low > 9 {
			return "", 0, 0, false
		}
		tag, from, to = fmt.Sprintf("%02X%02X", b[0], b[1]), 3, 3+10*high+low
	}
	return tag, from, to, to > 0 && to <= len(b)
}

// find gives the value of a tag; nil where there is none before the field ends or
// stops making sense.
func (t tagging) find(b []byte, want string) []byte {
	for {
		tag, from, to, ok := t.head(b)
		switch {
		case !ok:
			return nil
		case tag == want:
			return b[from:to]
		}
		b = b[to:]
	}
}

// append writes an element; tag is as a dialect has it. A value that is longer than
// two digits can say is ErrTooLong.
func (t tagging) append(b []byte, tag, value string) ([]byte, error) {
	if len(value) > 99 {
		return b, ErrTooLong
	}
	if t == tagsText {
		return fmt.Appendf(b, "%s%02d%s", tag, len(value), value), nil
	}
	raw, err := fromHex(tag)
	if err != nil {
		return b, err
	}
	b = append(b, raw...)
	return append(append(b, byte(len(value)/10<<4|len(value)%10)), value...), nil
}

// Location is where the terminal says it stands: "30.621555,114.361954", degrees
// north and east, else the cell of the mobile network as
// "460-00-28688-43222849"; "" where it says neither.
func (m *Message) Location() string {
	if at := strings.TrimLeft(m.role(roleLocation), "ABCDEFGHIJKLMNOPQRSTUVWXYZ"); at != "" { // the map's grid, such as BD
		at = strings.Map(func(r rune) rune { // +32.10520/+118.80593 is written too
			switch {
			case r == '+':
				return -1
			case r == '/':
				return ','
			}
			return r
		}, at)
		lat, lon, _ := strings.Cut(at, ",")
		if degrees(lat, 90) && degrees(lon, 180) {
			return at
		}
	}
	part := strings.Split(m.role(roleCell), "|")
	if len(part) != 4 {
		return ""
	}
	for _, p := range part {
		if p == "" || len(p) > 10 || strings.Trim(p, "0123456789") != "" {
			return ""
		}
	}
	if len(part[1]) == 1 { // networks have two digits or three
		part[1] = "0" + part[1]
	}
	return strings.Join(part, "-")
}

func degrees(s string, most float64) bool {
	v, err := strconv.ParseFloat(s, 64)
	return err == nil && len(s) <= 12 && v >= -most && v <= most
}

// SetLocation writes what Location reads; a dialect without a place for it leaves
// it out. ErrFormat for what is neither coordinates nor a cell.
func (m *Message) SetLocation(at string) error {
	if lat, lon, ok := strings.Cut(at, ","); ok && degrees(lat, 90) && degrees(lon, 180) {
		return m.setRole(roleLocation, at)
	}
	if part := strings.Split(at, "-"); len(part) == 4 && strings.Trim(at, "-0123456789") == "" {
		return m.setRole(roleCell, strings.Join(part, "|"))
	}
	return &Error{Offset: -1, Field: m.dialect.roles[roleLocation].field, What: "a place is written 31.230416,121.473701 or 460-00-28688-43222849", Err: ErrFormat}
}

// OrderID gives the merchant's own reference where a till passed one on: 1 to 40
// letters, digits and -_.:/; "" without one, or where the field holds anything
// else, as remarks do.
func (m *Message) OrderID() string {
	v := m.role(roleOrder)
	if len(v) > 40 {
		return ""
	}
	for i := range len(v) {
		switch c := v[i]; {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', strings.IndexByte("-_.:/", c) >= 0:
		default:
			return ""
		}
	}
	return v
}

// SetOrderID sets it; a dialect without a place for it leaves it out.
func (m *Message) SetOrderID(id string) error { return m.setRole(roleOrder, id) }
