package iso8583

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Framing is what stands before each message on a connection, so that messages
// can be told apart.
type Framing uint8

const (
	// Length2 is a length of two bytes, the high one first.
	Length2 Framing = iota + 1
	// Digits4 is a length of four decimal digits.
	Digits4
)

var framings = map[string]Framing{"length2": Length2, "digits4": Digits4}

// MaxFrame is the limit where none is set. The largest message of a terminal (a
// signature, 999 bytes) stays far below.
const MaxFrame = 4096

// Reader reads messages off a connection. Bytes may come split in any way. It
// holds one frame in memory.
type Reader struct {
	r       *bufio.Reader
	framing Framing
	limit   int
	buf     []byte
}

// NewReader gives a Reader that refuses frames longer than limit bytes, MaxFrame
// for 0.
func NewReader(r io.Reader, f Framing, limit int) *Reader {
	if limit <= 0 {
		limit = MaxFrame
	}
	return &Reader{r: bufio.NewReaderSize(r, 2048), framing: f, limit: limit}
}

// Next gives the next frame without its length; it is valid until the next call.
// io.EOF comes only between frames, io.ErrUnexpectedEOF within one. ErrTooLong and
// ErrFormat mean that the stream's order is lost: the connection has to be closed.
// A length of zero is a peer's idle sign; it is passed over.
func (r *Reader) Next() ([]byte, error) {
	for {
		n, err := r.length()
		if err != nil {
			return nil, err
		}
		if n == 0 {
			continue
		}
		if n > r.limit {
			return nil, &Error{Offset: 0, What: fmt.Sprintf("a frame of %d bytes is announced, %d are allowed", n, r.limit), Err: ErrTooLong}
		}
		if cap(r.buf) < n {
			r.buf = make([]byte, n, max(n, min(r.limit, 512)))
		}
		r.buf = r.buf[:n]
		if _, err := io.ReadFull(r.r, r.buf); err != nil {
			clear(r.buf)
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		return r.buf, nil
	}
}

// Wipe clears the memory of the last frame.
func (r *Reader) Wipe() { clear(r.buf[:cap(r.buf)]) }

func (r *Reader) length() (int, error) {
	var b [4]byte
	size := 2
	if r.framing == Digits4 {
		size = 4
	}
	if _, err := io.ReadFull(r.r, b[:size]); err != nil {
		return 0, err
	}
	if r.framing != Digits4 {
		return int(binary.BigEndian.Uint16(b[:])), nil
	}
	n := 0
	for _, c := range b {
		if c-'0' > 9 {
			return 0, &Error{Offset: 0, What: "the length before a frame is not four digits", Err: ErrFormat}
		}
		n = n*10 + int(c-'0')
	}
	return n, nil
}

// AppendFrame appends a message with its length before it. It is written to a
// connection by one Write, so that frames of several goroutines do not mix where
// the connection's own Write is whole.
func AppendFrame(dst []byte, f Framing, message []byte) ([]byte, error) {
	n := len(message)
	if f == Digits4 {
		if n > 9999 {
			return dst, &Error{Offset: -1, What: fmt.Sprintf("a message of %d bytes does not fit a length of four digits", n), Err: ErrTooLong}
		}
		dst = append(dst, byte('0'+n/1000), byte('0'+n/100%10), byte('0'+n/10%10), byte('0'+n%10))
	} else {
		if n > 1<<16-1 {
			return dst, &Error{Offset: -1, What: fmt.Sprintf("a message of %d bytes does not fit a length of two bytes", n), Err: ErrTooLong}
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(n))
	}
	return append(dst, message...), nil
}

// WriteFrame writes a message with its length before it, in one Write.
func WriteFrame(w io.Writer, f Framing, message []byte) error {
	b, err := AppendFrame(make([]byte, 0, len(message)+4), f, message)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	clear(b)
	return err
}
