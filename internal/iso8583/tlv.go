package iso8583

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// TLV is one data element of field 55, BER-coded as EMV Book 3 annex B has it.
type TLV struct {
	Tag   string // hexadecimal, upper case: "9F26"
	Value []byte
}

// ParseTLV reads the elements of field 55. Constructed ones (scripts) are not
// taken apart. The values share the memory of b. ErrFormat with the offset in b.
func ParseTLV(b []byte) ([]TLV, error) {
	var list []TLV
	for at := 0; at < len(b); {
		if b[at] == 0 { // filler between elements
			at++
			continue
		}
		bad := func(what string) error { return &Error{Offset: at, Field: ICCData, What: what, Err: ErrFormat} }
		start := at
		more := b[at]&0x1f == 0x1f
		at++
		for more {
			if at >= len(b) || at-start > 3 {
				return list, bad("a tag does not end")
			}
			more = b[at]&0x80 != 0
			at++
		}
		tag := strings.ToUpper(fmt.Sprintf("%x", b[start:at]))
		if at >= len(b) {
			return list, bad("an element ends within its length")
		}
		n := int(b[at])
		at++
		if n&0x80 != 0 {
			size := n & 0x7f
			if size == 0 || size > 2 || at+size > len(b) {
				return list, bad("the length of an element cannot be read")
			}
			n = 0
			for range size {
				n = n<<8 | int(b[at])
				at++
			}
		}
		if n > len(b)-at {
			return list, bad(fmt.Sprintf("element %s should have %d bytes, %d are left", tag, n, len(b)-at))
		}
		list = append(list, TLV{tag, b[at : at+n : at+n]})
		at += n
	}
	return list, nil
}

// AppendTLV appends elements; a tag that is no even number of hexadecimal digits,
// or a value over 65535 bytes, is an error.
func AppendTLV(dst []byte, list ...TLV) ([]byte, error) {
	for _, e := range list {
		tag, err := fromHex(e.Tag)
		if err != nil || len(tag) == 0 || len(e.Value) >= 1<<16 {
			return dst, &Error{Offset: -1, Field: ICCData, What: "an element cannot be written", Err: ErrFormat}
		}
		dst = append(dst, tag...)
		switch n := len(e.Value); {
		case n < 0x80:
			dst = append(dst, byte(n))
		case n < 0x100:
			dst = append(dst, 0x81, byte(n))
		default:
			dst = binary.BigEndian.AppendUint16(append(dst, 0x82), uint16(n))
		}
		dst = append(dst, e.Value...)
	}
	return dst, nil
}

// Tag gives the value of an element of field 55; nil where field or element is
// absent or the field cannot be read.
func (m *Message) Tag(tag string) []byte {
	list, err := ParseTLV(m.Bytes(ICCData))
	if err != nil {
		return nil
	}
	for _, e := range list {
		if e.Tag == tag {
			return e.Value
		}
	}
	return nil
}
