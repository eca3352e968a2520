package format

import (
	"sync"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// Pseudo fields: what a column can fill besides the fields of the contract.
const (
	// When is the fact's time.
	When evidence.Field = 255 - iota
	// Recorded is its recordedtime.
	Recorded
	// SourceField and IDField are its source and id as the witness gave them.
	SourceField
	IDField
)

// As says how the text of a cell is read.
type As uint8

const (
	// AsIs is the text as evidence reads it: amounts in minor units, dates as
	// 2006-01-02. It is right for keys and texts.
	AsIs As = iota
	// AsDecimal is an amount in major units, brought to minor units of the
	// row's currency: "1,234.50", "12,5", "¥3.00". The sign is kept.
	AsDecimal
	// AsMagnitude is AsDecimal without its sign, where another column or the
	// kind says which way the money goes.
	AsMagnitude
	// AsRounded is AsDecimal of a source that computes finer than the minor
	// unit, rounded half up.
	AsRounded
	// AsMinor is a whole number of minor units, with zeros before it as fixed
	// layouts pad it.
	AsMinor
	// AsDate is a date in one of the column's layouts.
	AsDate
	// AsTime is a date and time of day in one of the column's layouts, in the
	// table's zone unless an offset is written.
	AsTime
	// AsWord is one of the column's Words.
	AsWord
	// AsPAN is a card number that must be masked; the forms files use are
	// brought to first six, stars, last four. A full number is refused, and
	// what shows less than six and four is left out.
	AsPAN
	// AsCurrency is an ISO 4217 code, letters or digits, or a name such as
	// 人民币.
	AsCurrency

	// asMinorMagnitude is AsMinor without its sign.
	asMinorMagnitude
)

// Column is one column of a Table.
type Column struct {
	// Field is what the column fills; evidence.NoField where only functions
	// of the table read it.
	Field evidence.Field
	// Name is the name by which functions of the table ask for it; absent: the
	// field's name, or the first header.
	Name string
	// Headers are the names the column goes by. They are compared without
	// regard to case, spaces, quotes, width of brackets and letters.
	Headers []string
	// With are headers of a second column whose text follows this one's after
	// a space, as a time of day follows its date.
	With []string
	// At is the place of the column in a table without header, from 0; in a
	// fixed layout the offset in bytes. WithAt is that of the second column.
	At, WithAt int
	// Width is the width in bytes in a fixed layout; WithWidth the second's.
	Width, WithWidth int
	// Optional columns may be missing.
	Optional bool
	As       As
	// Words translate what the file writes, for AsWord; "" as the translation
	// leaves the field absent. The word "*" stands for all others.
	Words map[string]string
	// Layouts are the forms of AsDate and AsTime, as Go writes them; absent:
	// the usual ones (see ParseDate, ParseTime).
	Layouts []string
}

// Table describes a format that is a table: delimited or of fixed width.
type Table struct {
	Name  string
	Title fault.Text
	// Type is the type of the fact that a row is.
	Type evidence.Type
	// Zone is the zone of local times, by default Asia/Shanghai; Currency that
	// of amounts, by default CNY. What the person says goes before both.
	Zone     string
	Currency string
	// Comma says that the decimal sign is a comma; else point or what the text
	// shows.
	Comma bool
	// Delimiter parts the cells; 0: found among comma, semicolon, tab and bar.
	Delimiter byte
	Columns   []Column
	// NoHeader says that columns stand at their places (At).
	NoHeader bool
	// Fixed says that columns stand at byte offsets of the raw line.
	Fixed bool
	// Recognise tells a table without header (and is asked besides the header
	// otherwise).
	Recognise func(*Head) bool
	// Const are fields that every fact of the table has.
	Const map[evidence.Field]string

	// Open is called when the header has been found, before the rows: it sets
	// Doc.Source from the preamble, or refuses the file by an error.
	Open func(doc *Doc, out *Out) error
	// Skip reports rows that say nothing, such as ruled lines. Blank rows are
	// skipped anyway.
	Skip func(row *Row) bool
	// Footer reports the row with which the footer begins. That row and those
	// after it go to Foot.
	Footer func(row *Row) bool
	Foot   func(row *Row, out *Out)
	// Source gives the source of the row's fact after Table.Name and a slash;
	// absent: Doc.Source, else the row's merchant, terminal or account.
	Source func(row *Row) string
	// Fill completes the fact of a row with what the columns do not say by
	// themselves; an error rejects the row.
	Fill func(row *Row, d *evidence.Draft) error
	// Row makes the facts of a row where it is not exactly one. It commits
	// them itself.
	Row func(row *Row, out *Out)
	// Close is called after the last row: checks sums, commits the fact that
	// speaks of the whole document.
	Close func(doc *Doc, out *Out)

	once           sync.Once
	headers, withs [][]string // as headers are compared
	unclear        string     // a column whose dates can be read in two ways
	totals         bool       // rows that begin with a word such as 合计 are sums
}
