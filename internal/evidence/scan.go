package evidence

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"

	"daozhang/internal/fault"
)

// scanner reads the tokens of one JSON text (RFC 8259), strictly and in one
// pass. The text ends with a line feed at buf[end], behind which lie at least
// scanPad bytes of any content: a line feed cannot stand inside a token, so
// nothing reads past the end and nothing has to ask where it is.
type scanner struct {
	buf   []byte
	start int // of the text, for positions in messages
	pos   int
	end   int
	// scratch holds strings that had escapes, until the next reset.
	scratch []byte
	why     fault.Text // the first error, for people; it repeats nothing of the text
}

const (
	scanPad  = 24
	maxDepth = 64 // of objects and arrays within each other

	ones   = 0x0101010101010101
	highs  = 0x80 * ones
	quotes = '"' * ones
	slants = '\\' * ones
	spaces = ' ' * ones
	zeros  = '0' * ones
)

var (
	whyUTF8   = fault.Say("not valid UTF-8; save the input as UTF-8", "不是有效的 UTF-8，请将输入另存为 UTF-8")
	needValue = fault.Say("a value is expected: string, number, true, false, object or array", "此处应为值：字符串、数字、true、false、对象或数组")
	needName  = fault.Say("a name in double quotes is expected", "此处应为带双引号的名称")
)

// reset starts the text buf[start:end].
func (s *scanner) reset(buf []byte, start, end int) {
	s.buf, s.start, s.pos, s.end = buf, start, start, end
	s.scratch = s.scratch[:0]
	s.why = fault.Text{}
}

// fail notes what is wrong at the position reached.
func (s *scanner) fail(what fault.Text) bool {
	if s.why.None() {
		if s.pos >= s.end {
			what = fault.Say("the text ends in the middle; %s", "内容中途断开；%s", what)
		}
		s.why = fault.Say("not valid JSON at byte %d: %s", "第 %d 字节起不是有效的 JSON：%s", s.pos-s.start+1, what)
	}
	return false
}

// refuse notes what is wrong with the content.
func (s *scanner) refuse(why fault.Text) bool {
	if s.why.None() {
		s.why = why
	}
	return false
}

// next passes over white space and gives the byte that follows.
func (s *scanner) next() byte {
	for {
		c := s.buf[s.pos]
		if c > ' ' || c != ' ' && c != '\t' && c != '\r' {
			return c
		}
		s.pos++
	}
}

// str reads a string and gives its bytes, which are valid until the next reset
// and lie in the text itself where nothing is escaped.
func (s *scanner) str() ([]byte, bool) {
	buf := s.buf
	i := s.pos + 1
	from := i
	high := uint64(0)
	for {
		x := binary.LittleEndian.Uint64(buf[i:])
		q, b := x^quotes, x^slants
		m := ((q-ones)&^q | (b-ones)&^b | (x-spaces)&^x) & highs
		if m != 0 {
			n := bits.TrailingZeros64(m) &^ 7
			high |= x & (1<<n - 1)
			i += n >> 3
			break
		}
		high |= x
		i += 8
	}
	if buf[i] != '"' {
		return s.escaped(from, i)
	}
	s.pos = i + 1
	if high&highs != 0 && !utf8.Valid(buf[from:i]) {
		return nil, s.refuse(whyUTF8)
	}
	return buf[from:i:i], true
}

// escaped reads on in a string at its first escape.
func (s *scanner) escaped(from, i int) ([]byte, bool) {
	out := len(s.scratch)
	for {
		c := s.buf[i]
		switch {
		case c == '"':
			s.scratch = append(s.scratch, s.buf[from:i]...)
			s.pos = i + 1
			b := s.scratch[out:len(s.scratch):len(s.scratch)]
			if !utf8.Valid(b) {
				return nil, s.refuse(whyUTF8)
			}
			return b, true
		case c < ' ':
			s.pos = i
			return nil, s.fail(fault.Say("a string is not closed, or holds a control character that is not escaped", "字符串没有结束，或含有未转义的控制字符"))
		case c != '\\':
			i++
			continue
		}
		s.scratch = append(s.scratch, s.buf[from:i]...)
		c = s.buf[i+1]
		i += 2
		switch c {
		case '"', '\\', '/':
			s.scratch = append(s.scratch, c)
		case 'b':
			s.scratch = append(s.scratch, '\b')
		case 'f':
			s.scratch = append(s.scratch, '\f')
		case 'n':
			s.scratch = append(s.scratch, '\n')
		case 'r':
			s.scratch = append(s.scratch, '\r')
		case 't':
			s.scratch = append(s.scratch, '\t')
		case 'u':
			r, ok := hex4(s.buf[i:])
			if ok {
				i += 4
			}
			if ok && utf16.IsSurrogate(r) {
				low, lowOK := rune(0), s.buf[i] == '\\' && s.buf[i+1] == 'u'
				if lowOK {
					low, lowOK = hex4(s.buf[i+2:])
				}
				if r = utf16.DecodeRune(r, low); !lowOK || r == utf8.RuneError {
					s.pos = i
					return nil, s.fail(fault.Say("half of a surrogate pair stands alone", "代理对缺少一半"))
				}
				i += 6
			}
			if !ok {
				s.pos = i - 2
				return nil, s.fail(fault.Say("\\u needs four hexadecimal digits", "\\u 后须为四位十六进制数字"))
			}
			s.scratch = utf8.AppendRune(s.scratch, r)
		default:
			s.pos = i - 2
			return nil, s.fail(fault.Say("an unknown escape in a string", "字符串中有未知的转义"))
		}
		from = i
	}
}

// hex4 reads four hexadecimal digits. It stops at the first byte that is none,
// so that it never looks past the end of the text.
func hex4(b []byte) (rune, bool) {
	r := rune(0)
	for i := range 4 {
		c := b[i]
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20-'a' <= 5:
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number reads a number and gives its text, and whether it is written as an
// integer: without fraction and exponent.
func (s *scanner) number() (text []byte, integer, ok bool) {
	buf, i := s.buf, s.pos
	from := i
	if buf[i] == '-' {
		i++
	}
	switch {
	case buf[i] == '0':
		i++
	case buf[i]-'1' <= 8:
		for i++; buf[i]-'0' <= 9; i++ {
		}
	default:
		s.pos = i
		return nil, false, s.fail(needValue)
	}
	integer = true
	if buf[i] == '.' {
		integer = false
		i++
		if buf[i]-'0' > 9 {
			s.pos = i
			return nil, false, s.fail(fault.Say("a digit is expected after the decimal point", "小数点后须为数字"))
		}
		for ; buf[i]-'0' <= 9; i++ {
		}
	}
	if buf[i]|0x20 == 'e' {
		integer = false
		i++
		if buf[i] == '+' || buf[i] == '-' {
			i++
		}
		if buf[i]-'0' > 9 {
			s.pos = i
			return nil, false, s.fail(fault.Say("a digit is expected in the exponent", "指数须为数字"))
		}
		for ; buf[i]-'0' <= 9; i++ {
		}
	}
	s.pos = i
	if c := buf[i]; c-'0' <= 9 || c|0x20-'a' <= 25 || c == '.' || c == '"' {
		return nil, false, s.fail(fault.Say("a number is malformed (a leading zero?)", "数字写法有误（多了前导零？）"))
	}
	return buf[from:i:i], integer, true
}

// literal reads true, false or null.
func (s *scanner) literal(word string) bool {
	for i := 0; i < len(word); i++ {
		if s.buf[s.pos+i] != word[i] {
			return s.fail(needValue)
		}
	}
	s.pos += len(word)
	return true
}

// colon reads the colon after a name.
func (s *scanner) colon() bool {
	if s.buf[s.pos] != ':' && s.next() != ':' {
		return s.fail(fault.Say("a colon is expected after the name", "名称后须为冒号"))
	}
	s.pos++
	return true
}

// more reads what follows a member or an item: a comma (true), or the closing
// bracket (false). ok is false where it is neither.
func (s *scanner) more(closing byte) (again, ok bool) {
	switch s.next() {
	case ',':
		s.pos++
		return true, true
	case closing:
		s.pos++
		return false, true
	}
	return false, s.fail(fault.Say("a comma or %c is expected", "此处应为逗号或 %c", closing))
}

// name reads the name of a member, with its colon.
func (s *scanner) name() ([]byte, bool) {
	if s.next() != '"' {
		return nil, s.fail(needName)
	}
	b, ok := s.str()
	return b, ok && s.colon()
}

// skip passes over a value, checking its form.
func (s *scanner) skip(depth int) bool {
	if depth > maxDepth {
		return s.refuse(whyDeep)
	}
	switch c := s.next(); c {
	case '{':
		s.pos++
		if s.next() == '}' {
			s.pos++
			return true
		}
		for {
			if _, ok := s.name(); !ok || !s.skip(depth+1) {
				return false
			}
			if again, ok := s.more('}'); !again {
				return ok
			}
		}
	case '[':
		s.pos++
		if s.next() == ']' {
			s.pos++
			return true
		}
		for {
			if !s.skip(depth + 1) {
				return false
			}
			if again, ok := s.more(']'); !again {
				return ok
			}
		}
	case '"':
		_, ok := s.str()
		return ok
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		_, _, ok := s.number()
		return ok
	}
}
