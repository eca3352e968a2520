package evidence

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"daozhang/internal/card"
	"daozhang/internal/fault"
)

var (
	whyForbidden = fault.Say("card data that must not be stored (track, card verification value or PIN); remove the field at its source",
		"含不得保存的卡片数据（磁道、安全码或 PIN），请在源头删除该字段")
	whyPAN = fault.Say("must be the first six digits, stars and the last four; the full number is never accepted",
		"须为前六位、星号和后四位；任何情况下都不接收完整卡号")
	whyDeep = fault.Say("nested more than 64 levels deep", "嵌套超过 64 层")
)

// appendRaw reads a value that the contract does not name and appends it as
// compact JSON, at whatever depth free of card data: a field for track data, a
// CVV or a PIN block refuses it, a `pan` must be masked, and card numbers in
// names, strings and numbers are masked in place. Numbers stay as written.
func (s *scanner) appendRaw(dst []byte, depth int) ([]byte, bool) {
	if depth > maxDepth {
		return dst, s.refuse(whyDeep)
	}
	switch c := s.next(); c {
	case '{':
		s.pos++
		dst = append(dst, '{')
		if s.next() == '}' {
			s.pos++
			return append(dst, '}'), true
		}
		for seen := (nameSet{}); ; {
			name, ok := s.name()
			if !ok || !s.allowName(name) {
				return dst, false
			}
			if !seen.add(name) {
				return dst, s.refuse(ofField(showName(name), fault.Say("given twice in one object", "在同一对象中出现两次")))
			}
			dst = appendMaskedString(dst, name)
			dst = append(dst, ':')
			if dst, ok = s.appendNamed(dst, name, depth+1); !ok {
				return dst, false
			}
			again, ok := s.more('}')
			if !again {
				return append(dst, '}'), ok
			}
			dst = append(dst, ',')
		}
	case '[':
		s.pos++
		dst = append(dst, '[')
		if s.next() == ']' {
			s.pos++
			return append(dst, ']'), true
		}
		for ok := true; ; {
			if dst, ok = s.appendRaw(dst, depth+1); !ok {
				return dst, false
			}
			again, ok := s.more(']')
			if !again {
				return append(dst, ']'), ok
			}
			dst = append(dst, ',')
		}
	case '"':
		b, ok := s.str()
		if !ok {
			return dst, false
		}
		return appendMaskedString(dst, b), true
	case 't':
		return append(dst, "true"...), s.literal("true")
	case 'f':
		return append(dst, "false"...), s.literal("false")
	case 'n':
		return append(dst, "null"...), s.literal("null")
	default:
		b, _, ok := s.number()
		if !ok {
			return dst, false
		}
		if masked, found := card.MaskBytes(b); found {
			return appendString(dst, masked), true
		}
		return append(dst, b...), true
	}
}

// appendNamed is appendRaw for the value of a member.
func (s *scanner) appendNamed(dst, name []byte, depth int) ([]byte, bool) {
	if string(name) != "pan" {
		return s.appendRaw(dst, depth)
	}
	if s.next() == '"' {
		b, ok := s.str()
		if !ok {
			return dst, false
		}
		if card.IsMasked(string(b)) {
			return appendString(dst, b), true
		}
	}
	if depth == 0 {
		return dst, s.refuse(whyPAN)
	}
	return dst, s.refuse(ofField("pan", whyPAN))
}

// allowName refuses names of fields that hold card data.
func (s *scanner) allowName(name []byte) bool {
	if card.Forbidden(string(name)) {
		return s.refuse(ofField(showName(name), whyForbidden))
	}
	return true
}

// nameSet notices names that repeat in one object.
type nameSet struct {
	few  [][]byte
	many map[string]struct{}
}

func (n *nameSet) reset() { n.few, n.many = n.few[:0], nil }

// add reports whether the name is new. The names are kept by reference.
func (n *nameSet) add(name []byte) bool {
	const few = 16
	if n.many == nil {
		for _, other := range n.few {
			if bytes.Equal(other, name) {
				return false
			}
		}
		if n.few = append(n.few, name); len(n.few) < few {
			return true
		}
		n.many = make(map[string]struct{}, 4*few)
		for _, other := range n.few {
			n.many[string(other)] = struct{}{}
		}
		return true
	}
	if _, ok := n.many[string(name)]; ok {
		return false
	}
	n.many[string(name)] = struct{}{}
	return true
}

// showName gives a name that somebody else chose, fit to stand in a message:
// card numbers masked, not longer than 64 characters, nothing unprintable.
func showName(name []byte) string {
	b, _ := card.MaskBytes(name)
	const longest = 64
	if utf8.RuneCount(b) > longest {
		b = append([]byte(string([]rune(string(b))[:longest])), "…"...)
	}
	for _, r := range string(b) {
		if !strconv.IsPrint(r) || r == '"' {
			return strconv.Quote(string(b))
		}
	}
	if len(b) == 0 {
		return `""`
	}
	return string(b)
}

func appendMaskedString(dst, b []byte) []byte {
	b, _ = card.MaskBytes(b)
	return appendString(dst, b)
}

// appendString appends a JSON string as RFC 8785 writes it: no escapes but the
// needed ones, in their short form where there is one. Bytes that are not UTF-8
// become U+FFFD.
func appendString[T ~string | ~[]byte](dst []byte, text T) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, text[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, text[from:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
		i++
		from = i
	}
	return append(append(dst, text[from:]...), '"')
}

// compactJSON gives the value of a member as appendRaw keeps it, or what is
// wrong with it.
func compactJSON(name string, raw []byte) (text []byte, why fault.Text) {
	var s scanner
	buf := make([]byte, 0, len(raw)+1+scanPad)
	buf = append(append(buf, raw...), '\n')
	for i, c := range buf[:len(raw)] {
		if c == '\n' { // white space, or an error wherever else it stands
			buf[i] = '\r'
		}
	}
	s.reset(buf[:cap(buf)], 0, len(raw))
	out, ok := s.appendNamed(make([]byte, 0, len(raw)), []byte(name), 0)
	if ok && s.next() != '\n' {
		ok = s.fail(fault.Say("more follows the value", "值的后面还有内容"))
	}
	if !ok {
		return nil, s.why
	}
	return out, fault.Text{}
}
