package evidence

import (
	"bufio"
	"bytes"
	"io"
	"runtime"
	"sync"

	"daozhang/internal/fault"
)

const (
	maxLine   = 1 << 20 // bytes of one event
	blockSize = 2 << 20
)

var (
	whyTooLong = fault.Say("the line is longer than 1 MiB; one line holds one event", "该行超过 1 MiB；一行只写一个事件")
	whyUTF16   = fault.Say("the input is UTF-16; save it as UTF-8", "输入为 UTF-16 编码，请另存为 UTF-8")
)

// ReadNDJSON reads evidence in the interchange form, one CloudEvents 1.0 JSON
// object per line, into the input of w. Blank lines, CRLF and a byte order mark
// are no error, and a whole input may be one JSON array of events, or objects
// spread over several lines.
//
// Every line that is malformed or refused is given to reject with its number,
// from 1, and the reason, in order and from the calling goroutine; the rest is
// read all the same. Reasons repeat nothing of the line but names of fields.
// The error is that of reading r; the facts read until then are kept.
//
// Large inputs are parsed by as many goroutines as GOMAXPROCS allows, with a
// few blocks of 2 MiB in memory whatever the input holds.
func ReadNDJSON(r io.Reader, w *Writer, reject func(line int, why fault.Text)) error {
	var head [512]byte
	n, _ := io.ReadFull(r, head[:]) // an error comes again
	r = io.MultiReader(bytes.NewReader(head[:n]), r)
	switch {
	case isUTF16(head[:n]):
		reject(1, whyUTF16)
		return nil
	case isDocument(bytes.TrimPrefix(head[:n], utf8Mark)):
		doc := &document{in: bufio.NewReaderSize(r, 64<<10), line: 1}
		return doc.read(w, reject)
	}
	src := &lineSource{r: r, line: 1}
	first := newBlock()
	err := src.fill(first)
	workers := runtime.GOMAXPROCS(0)
	if src.done || workers == 1 {
		return src.inline(first, err, w, reject)
	}
	return src.parallel(first, err, workers, w, reject)
}

// block is a stretch of whole lines.
type block struct {
	buf      []byte // blockSize, and room for a line feed and the scanner's look ahead
	from, n  int    // the lines are buf[from:n], each with its line feed
	line     int    // number of the first
	rejected []rejection
	parsed   chan struct{}
}

type rejection struct {
	line int
	why  fault.Text
}

var blocks = sync.Pool{New: func() any {
	return &block{buf: make([]byte, blockSize+1+scanPad), parsed: make(chan struct{}, 1)}
}}

func newBlock() *block {
	b := blocks.Get().(*block)
	b.from, b.n, b.rejected = 0, 0, b.rejected[:0]
	return b
}

// deliver gives the block's rejections to reject.
func (b *block) deliver(reject func(int, fault.Text)) {
	for _, r := range b.rejected {
		reject(r.line, r.why)
	}
	clear(b.rejected)
}

// parse reads the block's lines.
func (b *block) parse(rd *eventReader) {
	line := b.line
	for from := b.from; from < b.n; line++ {
		end := from + bytes.IndexByte(b.buf[from:b.n], '\n')
		var why fault.Text
		switch rd.reset(b.buf, from, end); {
		case end-from > maxLine:
			why = whyTooLong
		case rd.next() != '\n' || rd.pos != end:
			why = rd.event(line)
		}
		if !why.None() {
			b.rejected = append(b.rejected, rejection{line, why})
		}
		from = end + 1
	}
}

// lineSource cuts an input into blocks of whole lines.
type lineSource struct {
	r     io.Reader
	line  int // number of the next line
	carry []byte
	begun bool
	done  bool
}

// fill reads the next lines into b. A line that does not fit into a block is
// passed over, and noted in b. After the last lines done is true.
func (src *lineSource) fill(b *block) error {
	b.line = src.line
	n := copy(b.buf, src.carry)
	src.carry = src.carry[:0]
	m, err := io.ReadFull(src.r, b.buf[n:blockSize])
	n += m
	src.done = err != nil
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	if !src.begun {
		src.begun = true
		if bytes.HasPrefix(b.buf[:n], utf8Mark) {
			b.from = len(utf8Mark)
		}
	}
	b.n = n
	switch last := bytes.LastIndexByte(b.buf[:n], '\n'); {
	case src.done:
		if n > b.from && last != n-1 {
			b.buf[n] = '\n'
			b.n++
		}
	case last < 0:
		b.rejected = append(b.rejected, rejection{src.line, whyTooLong})
		src.line++
		b.n = b.from
		return src.passOver(b.buf[:blockSize])
	default:
		src.carry = append(src.carry, b.buf[last+1:n]...)
		b.n = last + 1
	}
	src.line += bytes.Count(b.buf[b.from:b.n], []byte{'\n'})
	return err
}

// passOver reads to the end of a line, in pieces.
func (src *lineSource) passOver(buf []byte) error {
	for {
		n, err := io.ReadFull(src.r, buf)
		if i := bytes.IndexByte(buf[:n], '\n'); i >= 0 {
			src.carry = append(src.carry, buf[i+1:n]...)
			return nil
		}
		if err != nil {
			src.done = true
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				return nil
			}
			return err
		}
	}
}

func (src *lineSource) inline(b *block, err error, w *Writer, reject func(int, fault.Text)) error {
	rd := &eventReader{w: w}
	for {
		b.parse(rd)
		b.deliver(reject)
		if src.done || err != nil {
			blocks.Put(b)
			return err
		}
		b.from, b.n, b.rejected = 0, 0, b.rejected[:0]
		err = src.fill(b)
	}
}

// parallel reads with several goroutines. Blocks go out and come back in their
// order; one more than there are goroutines is being filled meanwhile.
func (src *lineSource) parallel(b *block, err error, workers int, w *Writer, reject func(int, fault.Text)) error {
	jobs := make(chan *block, workers)
	defer close(jobs)
	for n := range workers {
		if n > 0 {
			w = w.set.Writer(w.file)
		}
		rd := &eventReader{w: w}
		go func() {
			for b := range jobs {
				b.parse(rd)
				b.parsed <- struct{}{}
			}
		}()
	}
	var out []*block
	wait := func() {
		b := out[0]
		out = out[1:]
		<-b.parsed
		b.deliver(reject)
		blocks.Put(b)
	}
	for {
		jobs <- b
		out = append(out, b)
		if src.done || err != nil {
			break
		}
		if len(out) > workers {
			wait()
		}
		b = newBlock()
		err = src.fill(b)
	}
	for len(out) > 0 {
		wait()
	}
	return err
}

var utf8Mark = []byte("\xef\xbb\xbf")

func isUTF16(b []byte) bool {
	return bytes.HasPrefix(b, []byte{0xff, 0xfe}) || bytes.HasPrefix(b, []byte{0xfe, 0xff})
}
