package format

import "io"

// Encoding is how an input's characters are written.
type Encoding uint8

// The encodings that are told apart by content.
const (
	// Binary is no text at all.
	Binary Encoding = iota
	ASCII
	UTF8
	UTF16LE
	UTF16BE
	GB18030
	// Latin1 is ISO 8859-1 with the additions of Windows-1252.
	Latin1
)

func decodeHead(raw []byte, whole bool) (Encoding, string) { return UTF8, string(raw) }

func newDecoder(r io.Reader, e Encoding) io.Reader { return r }

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }
