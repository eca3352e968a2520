package format

import (
	"bytes"
	"encoding/binary"
	"io"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
	"golang.org/x/text/transform"
)

// Encoding is how an input's characters are written.
type Encoding uint8

// The encodings that are told apart by content.
const (
	// Binary is no text at all.
	Binary Encoding = iota
	// ASCII may still turn out to be any of those that contain it, after the
	// part that was looked at.
	ASCII
	UTF8
	UTF16LE
	UTF16BE
	GB18030
	// Latin1 is ISO 8859-1 with the additions of Windows-1252.
	Latin1
)

var utf8Mark = []byte("\ufeff")

// detectEncoding tells an encoding from the beginning of an input; whole says
// that it is all of it.
func detectEncoding(b []byte, whole bool) Encoding {
	switch {
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}):
		return UTF16LE
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}):
		return UTF16BE
	case bytes.HasPrefix(b, utf8Mark):
		return UTF8
	}
	if bytes.IndexByte(b, 0) >= 0 {
		return utf16OrBinary(b)
	}
	control, high := 0, 0
	for _, c := range b {
		switch {
		case c >= 0x80:
			high++
		case c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1a && c != 0x1b && c > 4:
			control++ // below 5 are frames that banks put around SWIFT messages
		}
	}
	if control*50 > len(b) {
		return Binary
	}
	if high == 0 {
		return ASCII
	}
	if validUTF8(b, whole) {
		return UTF8
	}
	return chineseOrLatin(b, whole)
}

// validUTF8 allows a character cut at the end of what was read.
func validUTF8(b []byte, whole bool) bool {
	if utf8.Valid(b) {
		return true
	}
	if whole {
		return false
	}
	for cut := 1; cut < utf8.UTFMax && cut < len(b); cut++ {
		if end := b[len(b)-cut:]; utf8.RuneStart(end[0]) {
			return !utf8.FullRune(end) && utf8.Valid(b[:len(b)-cut])
		}
	}
	return false
}

// utf16OrBinary tells UTF-16 without a mark by its zero bytes, which stand on
// one side of nearly every character of a payment file.
func utf16OrBinary(b []byte) Encoding {
	var zeros [2]int
	for i, c := range b {
		if c == 0 {
			zeros[i&1]++
		}
	}
	pairs := len(b) / 2
	switch {
	case pairs > 4 && zeros[1]*10 > pairs*4 && zeros[0]*50 < pairs:
		return UTF16LE
	case pairs > 4 && zeros[0]*10 > pairs*4 && zeros[1]*50 < pairs:
		return UTF16BE
	}
	return Binary
}

// chineseOrLatin decides what bytes beyond ASCII are that are no UTF-8. Chinese
// stands in pairs of high bytes; in Latin text high bytes stand alone among
// letters.
func chineseOrLatin(b []byte, whole bool) Encoding {
	high, paired, bad := 0, 0, 0
	for i := 0; i < len(b); {
		c := b[i]
		if c < 0x80 {
			i++
			continue
		}
		high++
		if i+1 == len(b) {
			if whole {
				bad++
			}
			break
		}
		d := b[i+1]
		switch {
		case c == 0x80 || c == 0xff:
			bad++
			i++
		case d >= 0xa1 && d < 0xff && c >= 0xa1:
			high++
			paired += 2
			i += 2
		case d >= 0x40 && d != 0x7f && d < 0xff:
			if d >= 0x80 {
				high++
				paired += 2 // the further characters of GBK
			}
			i += 2
		case d >= '0' && d <= '9' && i+3 < len(b) && b[i+2] >= 0x81 && b[i+3] >= '0' && b[i+3] <= '9':
			high++
			paired += 2 // four bytes of GB18030
			i += 4
		default:
			bad++
			i++
		}
	}
	if bad*20 <= high && paired*10 >= high*7 {
		return GB18030
	}
	return Latin1
}

func (e Encoding) decoder() *encoding.Decoder {
	switch e {
	case UTF16LE:
		return unicode.UTF16(unicode.LittleEndian, unicode.UseBOM).NewDecoder()
	case UTF16BE:
		return unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder()
	case GB18030:
		return simplifiedchinese.GB18030.NewDecoder()
	case Latin1:
		return charmap.Windows1252.NewDecoder()
	}
	return nil
}

// String names the encoding for a person.
func (e Encoding) String() string {
	return [...]string{"binary", "ASCII", "UTF-8", "UTF-16", "UTF-16", "GB18030", "Latin-1"}[e]
}

// decodeHead gives an input's encoding and its beginning in UTF-8.
func decodeHead(raw []byte, whole bool) (Encoding, string) {
	e := detectEncoding(raw, whole)
	var text []byte
	switch e {
	case Binary:
		return e, ""
	case ASCII, UTF8:
		text = bytes.TrimPrefix(raw, utf8Mark)
	default:
		text, _ = e.decoder().Bytes(raw) // what cannot be read becomes U+FFFD
		text = bytes.TrimPrefix(text, utf8Mark)
	}
	if oldLineEnds(raw, e) {
		text = bytes.ReplaceAll(text, []byte{'\r'}, []byte{'\n'})
	}
	return e, string(text)
}

// oldLineEnds reports a text whose lines end in CR alone.
func oldLineEnds(head []byte, e Encoding) bool {
	return e != Binary && bytes.IndexByte(head, '\r') >= 0 && bytes.IndexByte(head, '\n') < 0
}

// decodeBytes gives a few bytes in UTF-8.
func decodeBytes(b []byte, e Encoding) []byte {
	if e == ASCII {
		e = detectEncoding(b, true)
	}
	d := e.decoder()
	if d == nil {
		return b
	}
	out, err := d.Bytes(b)
	if err != nil {
		return b
	}
	return out
}

// newDecoder gives a text in UTF-8 without byte order mark, with its lines
// ending in LF or CRLF.
func newDecoder(r io.Reader, e Encoding, head []byte) io.Reader {
	var out io.Reader
	switch e {
	case ASCII:
		out = &undecided{r: r}
	case UTF8:
		out = &unmarked{r: r}
	case Binary:
		out = r
	default:
		out = &unmarked{r: transform.NewReader(r, e.decoder())}
	}
	if oldLineEnds(head, e) {
		out = lineEnds{out}
	}
	return out
}

// unmarked leaves out a byte order mark at the beginning.
type unmarked struct {
	r     io.Reader
	begun bool
}

func (u *unmarked) Read(p []byte) (int, error) {
	if u.begun {
		return u.r.Read(p)
	}
	u.begun = true
	var mark [3]byte
	n, err := io.ReadFull(u.r, mark[:])
	if n == 3 && bytes.Equal(mark[:], utf8Mark) {
		n = 0
	}
	if err == io.ErrUnexpectedEOF || err == io.EOF {
		u.r = bytes.NewReader(mark[:n:n])
	} else if err != nil {
		u.r = io.MultiReader(bytes.NewReader(mark[:n:n]), errorReader{err})
	} else {
		u.r = io.MultiReader(bytes.NewReader(mark[:n:n]), u.r)
	}
	return u.r.Read(p)
}

// undecided passes ASCII through until the first other byte, and then decides
// by what follows.
type undecided struct {
	r       io.Reader
	decided io.Reader
}

func (u *undecided) Read(p []byte) (int, error) {
	if u.decided != nil {
		return u.decided.Read(p)
	}
	n, err := u.r.Read(p)
	i := firstHigh(p[:n])
	if i == n {
		return n, err
	}
	ahead := append(make([]byte, 0, n-i+headSize), p[i:n]...)
	whole := err != nil
	for !whole && len(ahead) < cap(ahead) {
		var m int
		m, err = u.r.Read(ahead[len(ahead):cap(ahead)])
		ahead = ahead[:len(ahead)+m]
		whole = err != nil
	}
	rest := io.Reader(bytes.NewReader(ahead))
	if !whole {
		rest = io.MultiReader(rest, u.r)
	} else if err != io.EOF {
		rest = io.MultiReader(rest, errorReader{err})
	}
	e := detectEncoding(ahead, whole)
	if e == UTF8 || e.decoder() == nil {
		u.decided = rest
	} else {
		u.decided = transform.NewReader(rest, e.decoder())
	}
	if i == 0 {
		return u.decided.Read(p)
	}
	return i, nil
}

func firstHigh(b []byte) int {
	i := 0
	for ; i+8 <= len(b); i += 8 {
		if binary.LittleEndian.Uint64(b[i:])&(every<<7) != 0 {
			break
		}
	}
	for ; i < len(b); i++ {
		if b[i] >= 0x80 {
			return i
		}
	}
	return len(b)
}

// lineEnds makes a line feed of each CR of a text that has no line feeds.
type lineEnds struct{ r io.Reader }

func (l lineEnds) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	for i, c := range p[:n] {
		if c == '\r' {
			p[i] = '\n'
		}
	}
	return n, err
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }
