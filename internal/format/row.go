package format

import (
	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/money"
)

// Doc is the document being read by a Table, for what its functions need
// beyond a row.
type Doc struct {
	// Preamble are the lines before the header.
	Preamble []string
	// Header are the cells of the header line, as written.
	Header []string
	// Source is the document's own part of its facts' source: the account or
	// merchant and the number of the statement or bill. It never holds the
	// file's name.
	Source string
	// Rows counts the rows read, refused ones included.
	Rows int
	// Line is the last line read.
	Line int
	// In is the input, for its hints.
	In *Input
	// State is whatever the table's functions keep between rows.
	State any
}

// Row is one row of a Table. It is valid until the next.
type Row struct {
	// Line is the row's first line in the input, from 1.
	Line int
	// Raw is the whole line as it stands.
	Raw []byte
	// Cells are the texts between the delimiters, unquoted, without back-ticks
	// and padding.
	Cells [][]byte
	Doc   *Doc
}

// Text gives the text of a column by its name, "" where the row has none.
func (r *Row) Text(name string) string { return "" }

// Bytes is Text without a copy; valid until the next row.
func (r *Row) Bytes(name string) []byte { return nil }

// Amount gives an amount as the column's As says, in minor units of c; ok is
// false where the cell is empty.
func (r *Row) Amount(name string, c money.Currency) (minor int64, ok bool, err error) {
	return 0, false, nil
}

// Currency gives the row's currency: of its column, else of the person's hint,
// else of the table.
func (r *Row) Currency() money.Currency { return money.Currency{} }

// Time gives a moment by the column's layouts; 0 where the cell is empty.
func (r *Row) Time(name string) (at evidence.Instant, offset int16, err error) { return 0, 0, nil }

// Date gives a date by the column's layouts; calendar.None where the cell is
// empty.
func (r *Row) Date(name string) (calendar.Date, error) { return calendar.None, nil }

// Word gives the translation of a cell by the column's Words, and whether
// there is one.
func (r *Row) Word(name string) (string, bool) { return "", false }

// Put fills a fact from the row: its source, its id (the row's hash), its time
// and every column with a Field, except the named ones. Row functions call it
// after Out.Begin; where a row is several facts, part tells them apart ("" for
// the first).
func (r *Row) Put(d *evidence.Draft, part string, except ...string) error { return nil }
