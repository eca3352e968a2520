package evidence

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// isDocument reports whether an input is not one event per line but a JSON
// array, or objects spread over lines: whether it begins with a bracket, or
// its first line is an opening brace alone.
func isDocument(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	if len(text) == 0 || text[0] == '[' {
		return len(text) > 0
	}
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	return string(bytes.TrimRight(line, " \t\r")) == "{"
}

// document takes a JSON array of events, or a sequence of objects, apart.
type document struct {
	in   *bufio.Reader
	line int // being read
	text []byte
}

var errTooLong = errors.New("event longer than 1 MiB")

func (doc *document) read(w *Writer, reject func(line int, why string)) error {
	if mark, _ := doc.in.Peek(len(utf8Mark)); bytes.Equal(mark, utf8Mark) {
		doc.in.Discard(len(utf8Mark))
	}
	rd := &eventReader{w: w}
	const before, within, after = 0, 1, 2
	array, comma := before, true
	for {
		c, err := doc.skipSpace()
		if err == io.EOF {
			if array == within {
				reject(doc.line, "not valid JSON: the array is not closed; the input was cut off")
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case c == '[' && array == before:
			array = within
			continue
		case c == ',' && array == within && !comma:
			comma = true
			continue
		case c == ']' && array == within:
			array = after
			continue
		}
		line := doc.line
		if array == after || array == within && !comma {
			reject(line, "not valid JSON: a comma or the end of the array is expected; what follows was not read")
			return nil
		}
		comma = false
		if array == before {
			comma = true
		}
		n, err := doc.element(c)
		switch {
		case err == errTooLong:
			reject(line, "the event is longer than 1 MiB")
			continue
		case err != nil && err != io.EOF:
			return err
		}
		doc.text = append(doc.text, make([]byte, scanPad+1)...)
		doc.text[n] = '\n'
		rd.reset(doc.text, 0, n)
		if why := rd.event(line); why != "" {
			reject(line, why)
		}
	}
}

func (doc *document) skipSpace() (byte, error) {
	for {
		c, err := doc.in.ReadByte()
		if err != nil {
			return 0, err
		}
		switch c {
		case '\n':
			doc.line++
		case ' ', '\t', '\r':
		default:
			return c, nil
		}
	}
}

// element reads into text what begins with c: an object or array with all that
// is in it, else what stands before the next comma, bracket or line feed.
func (doc *document) element(c byte) (n int, err error) {
	doc.text = doc.text[:0]
	depth, quoted, long := 0, false, false
	for {
		if len(doc.text) <= maxLine {
			doc.text = append(doc.text, c)
		} else {
			long = true
		}
		switch {
		case quoted:
			switch c {
			case '"':
				quoted = false
			case '\\':
				if c, err = doc.in.ReadByte(); err == nil {
					doc.text = append(doc.text, c)
				}
			case '\n':
				quoted = false // it can only have been left open
				doc.line++
			}
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		case c == '\n':
			doc.text[len(doc.text)-1] = ' '
			doc.line++
		}
		if depth <= 0 && !quoted {
			next, peekErr := doc.in.Peek(1)
			if c == '}' || c == ']' || peekErr != nil || next[0] == ',' || next[0] == ']' || next[0] == '\n' {
				break
			}
		}
		if c, err = doc.in.ReadByte(); err != nil {
			break
		}
	}
	if long {
		return 0, errTooLong
	}
	return len(doc.text), err
}
