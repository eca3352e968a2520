package format

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
)

const (
	blockSize = 1 << 20
	// longestLine bounds a line; no real row comes near it.
	longestLine = blockSize
)

// block is a run of whole lines.
type block struct {
	index int
	line  int // number of its first line
	data  []byte
	// quotes says that the block has a quote somewhere.
	quotes bool
	// final says that nothing follows.
	final bool
}

// blocks cuts a text into runs of whole records. A record is a line, or
// several where a quoted cell holds line ends.
type blocks struct {
	r       io.Reader
	quoting bool // quotes mean something
	delim   byte
	carry   []byte
	index   int
	line    int
	done    bool
	tooLong func(line int) // told of lines that were skipped
}

func newBlocks(r io.Reader, delim byte, quoting bool) *blocks {
	return &blocks{r: r, delim: delim, quoting: quoting, line: 1}
}

// next fills b, reusing its memory; false at the end. An error of reading ends
// the text there: what came before is given first.
func (s *blocks) next(b *block) (bool, error) {
	buf := b.data[:0]
	if cap(buf) < 2*blockSize {
		buf = make([]byte, 0, 2*blockSize)
	}
	buf = append(buf, s.carry...)
	s.carry = s.carry[:0]
	var failed error
	for !s.done {
		for len(buf) < cap(buf) && !s.done {
			n, err := s.r.Read(buf[len(buf):cap(buf)])
			buf = buf[:len(buf)+n]
			if err != nil {
				s.done = true
				if !errors.Is(err, io.EOF) {
					failed = err
				}
			}
			if len(buf) >= blockSize {
				break
			}
		}
		if s.done || bytes.IndexByte(buf, '\n') >= 0 {
			break
		}
		if len(buf) >= longestLine {
			if buf, failed = s.skipLine(buf); s.done {
				break
			}
		}
	}
	quotes := s.quoting && bytes.IndexByte(buf, '"') >= 0
	cut := len(buf)
	if failed != nil {
		cut = bytes.LastIndexByte(buf, '\n') + 1 // what was being read is lost
	} else if !s.done {
		cut = s.lastEnd(buf, quotes)
		s.carry = append(s.carry, buf[cut:]...)
	}
	*b = block{index: s.index, line: s.line, data: buf[:cut], quotes: quotes, final: s.done}
	s.index++
	s.line += bytes.Count(b.data, []byte{'\n'})
	return cut > 0, failed
}

// lastEnd gives the end of the last whole record in buf.
func (s *blocks) lastEnd(buf []byte, quotes bool) int {
	if !quotes {
		return bytes.LastIndexByte(buf, '\n') + 1
	}
	end := 0
	for {
		n, _, ok := recordEnd(buf[end:], s.delim)
		if !ok || n == 0 {
			break
		}
		end += n
	}
	if end == 0 || len(buf)-end >= blockSize {
		// A quote that does not close: lines are whole again after it.
		return bytes.LastIndexByte(buf, '\n') + 1
	}
	return end
}

// skipLine leaves out a line that no reader should hold, and gives what
// follows it.
func (s *blocks) skipLine(buf []byte) ([]byte, error) {
	if s.tooLong != nil {
		s.tooLong(s.line)
	}
	for {
		if i := bytes.IndexByte(buf, '\n'); i >= 0 {
			s.line++
			return append(buf[:0], buf[i+1:]...), nil
		}
		n, err := s.r.Read(buf[:cap(buf)])
		buf = buf[:n]
		if err != nil && n == 0 {
			s.done = true
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return buf[:0], err
		}
	}
}

// recordEnd gives the length of the first record of b with its line end. ok is
// false where b ends within it; open says that it ends within quotes.
func recordEnd(b []byte, delim byte) (n int, open, ok bool) {
	start := true // at the start of a cell
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '\n':
			return i + 1, false, true
		case c == '"' && start:
			j := i + 1
			for {
				k := bytes.IndexByte(b[j:], '"')
				if k < 0 {
					return 0, true, false
				}
				j += k + 1
				if j < len(b) && b[j] == '"' {
					j++
					continue
				}
				break
			}
			i = j
			start = false
		case c == delim:
			start = true
			i++
		case c == ' ' || c == '\t' || c == '=':
			i++ // padding before a quote
		default:
			start = false
			i++
		}
	}
	return 0, false, false
}

const (
	lows  = 0x7f7f7f7f7f7f7f7f
	every = 0x0101010101010101
)

// splitPlain cuts a line without quotes at the delimiter, eight bytes at a
// time.
func splitPlain(line []byte, delim byte, cells [][]byte) [][]byte {
	start, i := 0, 0
	pattern := uint64(delim) * every
	for ; i+8 <= len(line); i += 8 {
		w := binary.LittleEndian.Uint64(line[i:]) ^ pattern
		// The high bit of each byte that is the delimiter.
		for hit := ^((w&lows + lows) | w | lows); hit != 0; hit &= hit - 1 {
			at := i + bits.TrailingZeros64(hit)>>3
			cells = append(cells, line[start:at:at])
			start = at + 1
		}
	}
	for ; i < len(line); i++ {
		if line[i] == delim {
			cells = append(cells, line[start:i:i])
			start = i + 1
		}
	}
	return append(cells, line[start:])
}

// splitQuoted cuts a record with quotes; doubled quotes are written into
// scratch. ok is false where a quote does not close, or text follows it.
func splitQuoted(rec []byte, delim byte, cells [][]byte, scratch []byte) (_ [][]byte, _ []byte, ok bool) {
	ok = true
	for {
		i := 0
		for i < len(rec) && rec[i] != delim && (rec[i] == ' ' || rec[i] == '\t' || rec[i] == '=') {
			i++
		}
		if i == len(rec) || rec[i] != '"' {
			end := bytes.IndexByte(rec, delim)
			if end < 0 {
				return append(cells, rec), scratch, ok
			}
			cells = append(cells, rec[:end])
			rec = rec[end+1:]
			continue
		}
		body := rec[i+1:]
		from := len(scratch)
		doubled := false
		end := 0
		for {
			k := bytes.IndexByte(body[end:], '"')
			if k < 0 {
				return append(cells, body), scratch, false
			}
			end += k
			if end+1 < len(body) && body[end+1] == '"' {
				doubled = true
				end += 2
				continue
			}
			break
		}
		cell := body[:end]
		if doubled {
			for k := 0; k < len(cell); k++ {
				scratch = append(scratch, cell[k])
				if cell[k] == '"' {
					k++
				}
			}
			cell = scratch[from:len(scratch):len(scratch)]
		}
		rest := body[end+1:]
		next := bytes.IndexByte(rest, delim)
		after := rest
		if next >= 0 {
			after = rest[:next]
		}
		if len(trim(after)) > 0 {
			ok = false
		}
		cells = append(cells, cell)
		if next < 0 {
			return cells, scratch, ok
		}
		rec = rest[next+1:]
	}
}

// records gives the records of a block one after the other.
type records struct {
	b       *block
	delim   byte
	pos     int
	line    int // of the record last given
	next    int // of the record to come
	cells   [][]byte
	scratch []byte
	raw     []byte
}

func (r *records) begin(b *block, delim byte) {
	r.b, r.delim, r.pos, r.next = b, delim, 0, b.line
}

// scan moves to the next record; cells are cut unless plain lines are wanted
// (delim 0). broken tells that the record's quotes do not fit: it is given as
// one line, and the next begins after it.
func (r *records) scan() (more, broken bool) {
	data := r.b.data[r.pos:]
	if len(data) == 0 {
		return false, false
	}
	r.line = r.next
	end := bytes.IndexByte(data, '\n')
	line := data
	if end >= 0 {
		line = data[:end]
		end++
	} else {
		end = len(data)
	}
	r.next++
	r.cells = r.cells[:0]
	r.scratch = r.scratch[:0]
	if r.delim == 0 {
		r.pos += end
		r.raw = trimCR(line)
		return true, false
	}
	if !r.b.quotes || bytes.IndexByte(line, '"') < 0 {
		r.pos += end
		r.raw = trimCR(line)
		r.cells = splitPlain(r.raw, r.delim, r.cells)
		return true, false
	}
	n, open, ok := recordEnd(data, r.delim)
	if !ok && !open { // the text ends without a line end
		n, ok = len(data), true
	}
	if ok && n > end {
		r.cells, r.scratch, ok = splitQuoted(trimEnd(data[:n]), r.delim, r.cells, r.scratch)
		if ok {
			r.next += bytes.Count(data[end:n], []byte{'\n'})
			r.pos += n
			r.raw = trimEnd(data[:n])
			return true, false
		}
	}
	r.pos += end
	r.raw = trimCR(line)
	r.cells, r.scratch, ok = splitQuoted(r.raw, r.delim, r.cells[:0], r.scratch[:0])
	return true, !ok
}

func trimCR(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\r' {
		return b[:n-1]
	}
	return b
}

func trimEnd(b []byte) []byte {
	if n := len(b); n > 0 && b[n-1] == '\n' {
		b = b[:n-1]
	}
	return trimCR(b)
}
