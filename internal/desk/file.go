package desk

import "time"

// File is something attached to a case: a slip, a letter, a page of a statement.
type File struct {
	Key  Key
	Hash string // SHA-256 of the content in hexadecimal digits; the same content is attached once
	Name string // without a folder; it holds no card data
	// Type is what the content shows it to be, whatever the name says: text/plain,
	// text/csv, application/pdf, image/png, ….
	Type    string
	Size    int64
	By      string
	At      time.Time
	Content []byte // nil in lists
	// Masked is true where card numbers in its text were hidden before it was kept.
	Masked bool
}
