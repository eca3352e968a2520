package evidence

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"daozhang/internal/fault"
)

// isDocument reports whether an input is not one event per line but a JSON
// array of events, or objects spread over lines: whether it begins with a
// bracket before an object, or its first line is the opening brace of one alone.
// A broken first line before events line by line looks like neither.
func isDocument(text []byte) bool {
	const space = " \t\r\n"
	text = bytes.TrimLeft(text, space)
	if len(text) == 0 {
		return false
	}
	next := bytes.TrimLeft(text[1:], space)
	switch text[0] {
	case '[':
		return len(next) == 0 || next[0] == '{' || next[0] == ']'
	case '{':
		line, _, _ := bytes.Cut(text[1:], []byte{'\n'})
		return len(bytes.TrimRight(line, space)) == 0 && (len(next) == 0 || next[0] == '"' || next[0] == '}')
	}
	return false
}

// document takes a JSON array of events, or a sequence of objects, apart.
type document struct {
	in   *bufio.Reader
	line int // being read
	text []byte
}

var errTooLong = errors.New("event too long") // seen by nobody

func (doc *document) read(w *Writer, reject func(line int, why fault.Text)) error {
	if mark, _ := doc.in.Peek(len(utf8Mark)); bytes.Equal(mark, utf8Mark) {
		doc.in.Discard(len(utf8Mark))
	}
	rd := &eventReader{w: w}
	within, comma := false, true // an array; a comma or nothing stands before
	for {
		c, err := doc.skipSpace()
		if err == io.EOF {
			if within {
				reject(doc.line, fault.Say("not valid JSON: the array is not closed; the input was cut off", "不是有效的 JSON：数组没有结束，输入被截断，请重新获取完整文件"))
			}
			return nil
		}
		if err != nil {
			return err
		}
		switch {
		case c == '[' && !within:
			within, comma = true, true
			continue
		case c == ',' && within && !comma:
			comma = true
			continue
		case c == ']' && within:
			within = false
			continue
		}
		line := doc.line
		if within && !comma || !within && c != '{' {
			reject(line, fault.Say("not valid JSON: a comma or the end of the array is expected; what follows was not read", "不是有效的 JSON：此处应为逗号或数组结尾；其后内容未读取"))
			return nil
		}
		comma = false
		n, err := doc.element(c)
		switch {
		case err == errTooLong:
			reject(line, fault.Say("the event is longer than 1 MiB", "该事件超过 1 MiB"))
			continue
		case err != nil && err != io.EOF:
			return err
		}
		doc.text = append(doc.text, make([]byte, scanPad+1)...)
		doc.text[n] = '\n'
		rd.reset(doc.text, 0, n)
		if why := rd.event(line); !why.None() {
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
