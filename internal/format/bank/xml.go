package bank

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/htmlindex"
	"golang.org/x/text/transform"

	"daozhang/internal/fault"
	"daozhang/internal/format"
)

// Limits of what is kept of a document; real messages stay far below them.
const (
	maxTag   = 64 << 10 // one tag with its attributes
	maxText  = 64 << 10 // the text of one element; what is beyond is left out
	maxDepth = 128
)

// xmlKind is what an xmlReader has met.
type xmlKind uint8

const (
	xmlEOF   xmlKind = iota
	xmlStart         // an element begins: Name, and attributes by attr
	xmlEnd           // an element ends: Name, its own text in text
)

// xmlReader reads XML as a row of beginnings and ends of elements. It knows
// what messages of banks need and no more: local names without their prefix,
// text with the predefined entities and CDATA. Document types are passed over
// and never resolved. It holds one tag and one text at a time, whatever the
// size of the document, and is several times as fast as encoding/xml.
type xmlReader struct {
	r     *bufio.Reader
	line  int
	depth int
	names [maxDepth][]byte // the open elements
	text  []byte           // of the element last begun
	tag   []byte
	empty bool // the last tag was <a/>: its end is still to be told
}

func newXMLReader(r io.Reader) *xmlReader {
	return &xmlReader{r: bufio.NewReaderSize(r, 64<<10), line: 1}
}

var errCutOff = error(fault.Say("the file is cut off: it ends before its last element is closed", "文件被截断：最后的元素没有结束"))

// next goes to the next beginning or end of an element. name is valid until
// the next call. After an end, text is the element's own text if it had no
// element within.
func (x *xmlReader) next() (kind xmlKind, name []byte, err error) {
	if x.empty {
		x.empty = false
		x.depth--
		return xmlEnd, x.names[x.depth], nil
	}
	for {
		if err := x.readText(); err != nil {
			if err == io.EOF && x.depth == 0 {
				return xmlEOF, nil, nil
			}
			if err == io.EOF {
				err = errCutOff
			}
			return 0, nil, err
		}
		c, err := x.r.ReadByte()
		if err != nil {
			return 0, nil, x.short(err)
		}
		switch c {
		case '?':
			err = x.skipTo("?>", nil)
		case '!':
			err = x.skipMarkup()
		case '/':
			return x.readEnd()
		default:
			if err := x.r.UnreadByte(); err != nil {
				return 0, nil, err
			}
			return x.readStart()
		}
		if err != nil {
			return 0, nil, x.short(err)
		}
	}
}

func (x *xmlReader) short(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errCutOff
	}
	return err
}

func (x *xmlReader) malformed(why fault.Text) error {
	return fault.Say("not well-formed XML in line %d: %s", "第 %d 行的 XML 格式有误：%s", x.line, why)
}

// readText takes the text up to the next tag and the tag's "<".
func (x *xmlReader) readText() error {
	for {
		part, err := x.r.ReadSlice('<')
		x.line += bytes.Count(part, newline)
		if err == nil {
			part = part[:len(part)-1]
		}
		if x.depth > 0 && len(x.text) < maxText {
			x.text = appendUnescaped(x.text, part)
		}
		switch err {
		case nil:
			return nil
		case bufio.ErrBufferFull:
			continue
		}
		return err
	}
}

var newline = []byte{'\n'}

// appendUnescaped appends text with its entities resolved; unknown ones, and a
// plain "&" that should have been escaped, stay as they are.
func appendUnescaped(dst, text []byte) []byte {
	for {
		i := bytes.IndexByte(text, '&')
		if i < 0 {
			return append(dst, text...)
		}
		dst = append(dst, text[:i]...)
		text = text[i:]
		j := bytes.IndexByte(text[:min(len(text), 12)], ';')
		if j < 0 {
			dst = append(dst, '&')
			text = text[1:]
			continue
		}
		switch string(text[1:j]) {
		case "lt":
			dst = append(dst, '<')
		case "gt":
			dst = append(dst, '>')
		case "amp":
			dst = append(dst, '&')
		case "quot":
			dst = append(dst, '"')
		case "apos":
			dst = append(dst, '\'')
		default:
			if r, ok := charRef(text[1:j]); ok {
				dst = utf8.AppendRune(dst, r)
			} else {
				dst = append(dst, text[:j+1]...)
			}
		}
		text = text[j+1:]
	}
}

func charRef(b []byte) (rune, bool) {
	if len(b) < 2 || b[0] != '#' {
		return 0, false
	}
	base, digits := 10, string(b[1:])
	if b[1] == 'x' || b[1] == 'X' {
		base, digits = 16, digits[1:]
	}
	n, err := strconv.ParseUint(digits, base, 32)
	return rune(n), err == nil && n > 0 && n <= utf8.MaxRune
}

// skipTo passes over everything up to and including the end mark; what was
// passed is handed to keep.
func (x *xmlReader) skipTo(end string, keep func([]byte)) error {
	last := end[len(end)-1]
	var tail []byte
	for {
		part, err := x.r.ReadSlice(last)
		x.line += bytes.Count(part, newline)
		tail = append(tail, part...)
		if err != nil && err != bufio.ErrBufferFull {
			return err
		}
		if bytes.HasSuffix(tail, []byte(end)) {
			if keep != nil {
				keep(tail[:len(tail)-len(end)])
			}
			return nil
		}
		if n := len(tail) - len(end); n > 0 {
			if keep != nil {
				keep(tail[:n])
			}
			tail = append(tail[:0], tail[n:]...)
		}
	}
}

// skipMarkup passes over a comment or a document type and reads CDATA.
func (x *xmlReader) skipMarkup() error {
	switch b, _ := x.r.Peek(7); {
	case bytes.HasPrefix(b, []byte("--")):
		_, err := x.r.Discard(2)
		if err == nil {
			err = x.skipTo("-->", nil)
		}
		return err
	case string(b) == "[CDATA[":
		_, err := x.r.Discard(7)
		if err == nil {
			err = x.skipTo("]]>", func(part []byte) {
				if len(x.text) < maxText {
					x.text = append(x.text, part...)
				}
			})
		}
		return err
	}
	for open := 1; open > 0; { // <!DOCTYPE …>, with declarations within
		c, err := x.r.ReadByte()
		if err != nil {
			return err
		}
		switch c {
		case '<':
			open++
		case '>':
			open--
		case '\n':
			x.line++
		}
	}
	return nil
}

// readTag reads up to the tag's ">", which may also stand within quotes.
func (x *xmlReader) readTag() error {
	x.tag = x.tag[:0]
	for {
		part, err := x.r.ReadSlice('>')
		if err == nil && len(x.tag) == 0 && len(part) < 64 && bytes.IndexByte(part, '=') < 0 {
			x.tag = append(x.tag, part[:len(part)-1]...) // a bare name, as most are
			x.line += bytes.Count(part, newline)
			return nil
		}
		x.line += bytes.Count(part, newline)
		x.tag = append(x.tag, part...)
		if len(x.tag) > maxTag {
			return x.malformed(fault.Say("a tag without end", "标签没有结束"))
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		if err != nil {
			return err
		}
		if !inQuotes(x.tag) {
			x.tag = x.tag[:len(x.tag)-1]
			return nil
		}
	}
}

// inQuotes reports whether a tag ends within an attribute's value.
func inQuotes(tag []byte) bool {
	var quote byte
	for _, c := range tag {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		}
	}
	return quote != 0
}

func (x *xmlReader) readStart() (xmlKind, []byte, error) {
	if err := x.readTag(); err != nil {
		return 0, nil, x.short(err)
	}
	if n := len(x.tag); n > 0 && x.tag[n-1] == '/' {
		x.tag = x.tag[:n-1]
		x.empty = true
	}
	name := localName(x.tag)
	if len(name) == 0 {
		return 0, nil, x.malformed(fault.Say("a tag without name", "标签没有名称"))
	}
	if x.depth == maxDepth {
		return 0, nil, x.malformed(fault.Say("elements nested too deep", "元素嵌套过深"))
	}
	x.names[x.depth] = append(x.names[x.depth][:0], name...)
	x.depth++
	x.text = x.text[:0]
	return xmlStart, x.names[x.depth-1], nil
}

func (x *xmlReader) readEnd() (xmlKind, []byte, error) {
	if err := x.readTag(); err != nil {
		return 0, nil, x.short(err)
	}
	if x.depth == 0 || !bytes.Equal(x.tag, x.names[x.depth-1]) && !bytes.Equal(localName(x.tag), x.names[x.depth-1]) {
		return 0, nil, x.malformed(fault.Say("an element is closed that is not open", "结束了并未开始的元素"))
	}
	x.depth--
	return xmlEnd, x.names[x.depth], nil
}

func localName(tag []byte) []byte {
	from := 0
	for i, c := range tag {
		switch {
		case c == ':':
			from = i + 1
		case c <= ' ':
			return tag[from:i]
		}
	}
	return tag[from:]
}

// attr gives the value of an attribute of the element last begun, by its local
// name; nil where it has none.
func (x *xmlReader) attr(name string) []byte {
	rest := x.tag
	for {
		i := bytes.IndexByte(rest, '=')
		if i < 0 {
			return nil
		}
		key := bytes.TrimSpace(rest[:i])
		if j := bytes.LastIndexAny(key, " \t\r\n:"); j >= 0 {
			key = key[j+1:]
		}
		rest = bytes.TrimLeft(rest[i+1:], " \t\r\n")
		if len(rest) == 0 || rest[0] != '"' && rest[0] != '\'' {
			return nil
		}
		end := bytes.IndexByte(rest[1:], rest[0])
		if end < 0 {
			return nil
		}
		if string(key) == name {
			return rest[1 : end+1]
		}
		rest = rest[end+2:]
	}
}

// xmlText gives an XML input in UTF-8: as its byte order mark or its
// declaration says, else as its content shows.
func xmlText(in *format.Input) io.Reader {
	raw := in.Head.Raw
	switch in.Head.Encoding {
	case format.UTF16LE, format.UTF16BE:
		return in.Text()
	}
	if e := declaredEncoding(raw); e != nil {
		return transform.NewReader(in.Reader(), e.NewDecoder())
	}
	if in.Head.Encoding == format.UTF8 || in.Head.Encoding == format.ASCII {
		// A byte order mark stands before the first tag, where text means
		// nothing; what is no UTF-8 further on is mended as it is taken.
		return in.Reader()
	}
	return in.Text()
}

// declaredEncoding gives the encoding of an XML declaration; nil where there
// is none, or where it is UTF-8, which the content then has to show.
func declaredEncoding(raw []byte) encoding.Encoding {
	raw = raw[:min(len(raw), 256)]
	_, after, ok := bytes.Cut(raw, []byte("<?xml"))
	if !ok {
		return nil
	}
	declaration, _, ok := bytes.Cut(after, []byte("?>"))
	if !ok {
		return nil
	}
	x := xmlReader{tag: declaration}
	name := strings.ToLower(string(x.attr("encoding")))
	if name == "" || name == "utf-8" || name == "utf8" || strings.HasPrefix(name, "utf-16") {
		return nil
	}
	e, err := htmlindex.Get(name)
	if err != nil {
		return nil
	}
	return e
}
