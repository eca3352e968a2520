package format

import (
	"bytes"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
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
	// Cells are the texts between the delimiters, without quotes; of a fixed
	// layout the columns' bytes. Clean takes padding off.
	Cells [][]byte
	Doc   *Doc

	sheet  *sheet
	zone   zone
	joined []byte
}

// Has reports whether the input has a column of that name.
func (r *Row) Has(name string) bool {
	i, ok := r.sheet.byName[name]
	return ok && r.sheet.at[i] >= 0
}

// Bytes gives the text of a column by its name without quotes, padding and
// back-ticks; empty where the row has none. It is valid until the next call.
func (r *Row) Bytes(name string) []byte {
	i, ok := r.sheet.byName[name]
	if !ok {
		return nil
	}
	return r.cell(i)
}

// Text is Bytes as a string.
func (r *Row) Text(name string) string { return string(r.Bytes(name)) }

// Clean gives the text of the cell at a place, from 0, without padding and
// back-ticks; "" beyond the row's end.
func (r *Row) Clean(at int) string {
	if at < 0 || at >= len(r.Cells) {
		return ""
	}
	return string(clean(r.Cells[at]))
}

// cell gives the text of the i-th column, joined with its second where it has
// one.
func (r *Row) cell(i int) []byte {
	if r.sheet.t.Fixed {
		return r.fixedCell(i)
	}
	at, with := r.sheet.at[i], r.sheet.with[i]
	var b []byte
	if at >= 0 && at < len(r.Cells) {
		b = clean(r.Cells[at])
	}
	if with >= 0 && with < len(r.Cells) && len(b) > 0 && !hasClock(b) {
		second := clean(r.Cells[with])
		if len(second) > 13 && hasClock(second) && r.sheet.t.Columns[i].As == AsTime {
			return second // a date and time by itself
		}
		r.joined = append(append(append(r.joined[:0], b...), ' '), second...)
		return trim(r.joined)
	}
	return b
}

// hasClock reports a text with a time of day in it.
func hasClock(b []byte) bool {
	return bytes.IndexByte(b, ':') > 0 || bytes.Contains(b, []byte("：")) || len(b) == 14
}

func (r *Row) column(name string) (int, *Column) {
	i, ok := r.sheet.byName[name]
	if !ok {
		return -1, nil
	}
	return i, &r.sheet.t.Columns[i]
}

// Amount gives an amount as the column's As says, in minor units of c; ok is
// false where the cell is empty.
func (r *Row) Amount(name string, c money.Currency) (minor int64, ok bool, err error) {
	i, col := r.column(name)
	if i < 0 {
		return 0, false, nil
	}
	b := r.cell(i)
	if len(b) == 0 {
		return 0, false, nil
	}
	minor, err = r.sheet.amount(b, col.As, c)
	if err != nil {
		return 0, false, r.wrong(i, err)
	}
	return minor, true, nil
}

// Currency gives the row's currency: of its column, else what the person says,
// else that of the table.
func (r *Row) Currency() money.Currency {
	if i := r.sheet.currencyCol; i >= 0 {
		if c, ok := ParseCurrency(r.cell(i)); ok {
			return c
		}
	}
	return r.sheet.currency
}

// Time gives a moment by the column's layouts; 0 where the cell is empty.
func (r *Row) Time(name string) (at evidence.Instant, offset int16, err error) {
	i, col := r.column(name)
	if i < 0 {
		return 0, 0, nil
	}
	b := r.cell(i)
	if len(b) == 0 {
		return 0, 0, nil
	}
	if at, offset, err = r.zone.parse(b, col.Layouts); err != nil {
		err = r.wrong(i, err)
	}
	return at, offset, err
}

// Date gives a date by the column's layouts; calendar.None where the cell is
// empty.
func (r *Row) Date(name string) (calendar.Date, error) {
	i, col := r.column(name)
	if i < 0 {
		return calendar.None, nil
	}
	b := r.cell(i)
	if len(b) == 0 {
		return calendar.None, nil
	}
	d, err := ParseDate(b, col.Layouts...)
	if err != nil {
		err = r.wrong(i, err)
	}
	return d, err
}

// Moment gives the first moment of a date in the table's zone, and the offset
// there.
func (r *Row) Moment(d calendar.Date) (evidence.Instant, int16) {
	at, offset, err := r.zone.moment(clock{date: d})
	if err != nil {
		return 0, 0
	}
	return at, offset
}

// Word gives the translation of a cell by the column's Words, and whether
// there is one.
func (r *Row) Word(name string) (string, bool) {
	i, col := r.column(name)
	if i < 0 {
		return "", false
	}
	return col.word(r.cell(i))
}

// word translates a cell. Words are compared without regard to case.
func (c *Column) word(b []byte) (string, bool) {
	w, ok := c.Words[string(b)]
	if !ok {
		w, ok = c.Words[strings.ToLower(string(b))]
	}
	if !ok && c.Field == evidence.KindField {
		w, ok = kindWithin(string(b))
	}
	if !ok {
		w, ok = c.Words["*"]
	}
	if w == "*" {
		w = string(b)
	}
	return w, ok
}

// kindWithin finds the kind in a longer Chinese name, such as 微信消费撤销.
func kindWithin(s string) (string, bool) {
	for _, k := range [...]struct{ part, kind string }{
		{"冲正", "reversal"}, {"撤销", "void"}, {"撤消", "void"}, {"退货", "refund"}, {"退款", "refund"},
		{"预授权完成", "completion"}, {"预授权", "preauth"}, {"消费", "sale"}, {"支付", "sale"}, {"收款", "sale"},
	} {
		if strings.Contains(s, k.part) {
			return k.kind, true
		}
	}
	return "", false
}

// wrong names the column in which something is wrong.
func (r *Row) wrong(i int, err error) error {
	return fault.Say("column %s: %s", "列 %s：%s", r.sheet.label(i), fault.Reason(err))
}

// Put fills a fact from the row: its source, its id (of the row's hash), its
// time and every column with a Field, except the named ones. Row functions
// call it after Out.Begin; where a row is several facts, part tells them apart
// ("" for the first).
func (r *Row) Put(d *evidence.Draft, part string, except ...string) error {
	return r.sheet.put(r, d, part, except)
}
