package bank

import (
	"bufio"
	"bytes"
	"io"
)

// maxLine bounds what is kept of one line; what is beyond is left out.
const maxLine = 64 << 10

// lineReader reads lines that end with LF, CR LF or CR, and keeps no more of a
// line than maxLine.
type lineReader struct {
	r    *bufio.Reader
	buf  []byte
	rest []byte // further lines of buf, parted by CR
	more bool
	line int
}

func newLineReader(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReaderSize(r, maxLine)}
}

// next gives the next line without its end, and its number. The line is valid
// until the next call.
func (l *lineReader) next() ([]byte, int, error) {
	if !l.more {
		l.buf = l.buf[:0]
		any := false
		for {
			part, err := l.r.ReadSlice('\n')
			any = any || len(part) > 0
			if len(l.buf) < maxLine {
				l.buf = append(l.buf, part...)
			}
			if err == bufio.ErrBufferFull {
				continue
			}
			if err == io.EOF && any {
				break
			}
			if err != nil {
				return nil, l.line, err
			}
			break
		}
		l.rest = bytes.TrimSuffix(bytes.TrimSuffix(l.buf, []byte{'\n'}), []byte{'\r'})
	}
	l.line++
	line, rest, more := bytes.Cut(l.rest, []byte{'\r'})
	l.rest, l.more = rest, more
	return line, l.line, nil
}
