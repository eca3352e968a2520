package report

import (
	"bufio"
	"fmt"
	"io"
	"strconv"

	"github.com/xuri/excelize/v2"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/money"
)

// Column is one column of an Export: its name, and its width in a workbook in
// characters.
type Column struct {
	Name  Text
	Width float64
}

// Export writes one table row by row, as CSV or as a workbook, in memory that does
// not grow with its rows. CSV leaves as it is written; a workbook can only leave at
// Close. More rows than a sheet holds go on in further sheets. The first error
// stays and is what Close gives.
type Export struct {
	name Text
	cols []Column
	lang string

	text *bufio.Writer // nil for a workbook
	row  csvRow

	out    io.Writer
	book   *book
	sheet  *sheet
	sheets int
	err    error
}

// Exports are the formats that NewExport takes.
func Exports() []string { return []string{"csv", "xlsx"} }

// NewExport begins a table. The error is of kind fault.Invalid for a format that is
// none of Exports.
func NewExport(w io.Writer, format, lang string, name Text, cols []Column) (*Export, error) {
	e := &Export{name: name, cols: cols, lang: lang, out: w}
	switch format {
	case "csv":
		e.text = bufio.NewWriterSize(w, 32<<10)
		if lang == "zh" {
			_, e.err = e.text.WriteString(byteOrderMark)
		}
		head := make([]any, len(cols))
		for i, c := range cols {
			head[i] = c.Name
		}
		e.Put(head...)
	case "xlsx":
		f := excelize.NewFile()
		f.SetZipWriter(func(io.Writer) excelize.ZipWriter { return newOrderedZip(w) })
		e.book = &book{f: f, lang: lang, styles: map[string]int{}}
		e.turn()
	default:
		return nil, fault.New(fault.Invalid, fault.Say("export", "导出"), format, fault.Say("no such format", "没有这种格式"), fault.Say("csv or xlsx", "csv 或 xlsx"))
	}
	return e, nil
}

// turn begins the next sheet of a workbook.
func (e *Export) turn() {
	name := e.name
	if e.sheets++; e.sheets > 1 {
		name = join(name, same(" "+strconv.Itoa(e.sheets)))
	}
	cols := make([]column, len(e.cols))
	for i, c := range e.cols {
		cols[i] = column{c.Name, c.Width}
	}
	e.sheet = e.book.open(name, cols)
}

// The cells of an Export beside Text, string and numbers; nil is an empty one.

// FigureCell is an amount in minor units, shown in major units with the currency's
// decimals.
func FigureCell(minor int64, c money.Currency) any { return figure{minor, c} }

// MomentCell is a moment in a zone, minutes east of UTC; empty for 0.
func MomentCell(at evidence.Instant, offset int16) any { return moment{at, offset} }

// DayCell is a date; empty for none.
func DayCell(d calendar.Date) any { return day(d) }

// Put appends a row.
func (e *Export) Put(cells ...any) {
	switch {
	case e.err != nil:
	case e.text != nil:
		e.row = csvRow{b: e.row.b[:0], first: true}
		for _, c := range cells {
			e.row.cell(c, e.lang)
		}
		_, e.err = e.text.Write(append(e.row.b, '\r', '\n'))
	default:
		if e.sheet.full() {
			e.sheet.close()
			e.turn()
		}
		e.sheet.put(cells...)
		e.err = e.book.err
	}
}

// Close ends the table and writes what has not been written.
func (e *Export) Close() error {
	if e.text != nil {
		if e.err == nil {
			e.err = e.text.Flush()
		}
		return e.err
	}
	defer func() { _ = e.book.f.Close() }() // its temporary files
	if e.err == nil {
		e.sheet.close()
		e.err = e.book.err
	}
	if e.err == nil {
		e.err = e.book.f.Write(io.Discard) // the archive goes to out, see NewExport
	}
	return e.err
}

// cell adds a cell of a kind that Put takes.
func (r *csvRow) cell(c any, lang string) {
	switch v := c.(type) {
	case nil:
		r.next()
	case Text:
		r.text(v.In(lang))
	case string:
		r.text(v)
	case figure:
		r.amount(v.minor, v.currency, true)
	case moment:
		r.time(v.at, v.offset)
	case day:
		if v == 0 {
			r.next()
			return
		}
		r.date(calendar.Date(v))
	default: // numbers
		r.text(fmt.Sprint(v))
	}
}

// PaymentExport is an Export of payments, one a row, with all that the workbook of
// an answer says of each.
type PaymentExport struct{ *Export }

// NewPaymentExport begins one; see NewExport.
func NewPaymentExport(w io.Writer, format, lang string) (*PaymentExport, error) {
	var cols []Column
	for _, c := range paymentColumns() {
		cols = append(cols, Column{c.name, c.width})
	}
	e, err := NewExport(w, format, lang, tx("Payments", "交易明细"), cols)
	return &PaymentExport{e}, err
}

// Add appends a payment. It keeps nothing of it.
func (e *PaymentExport) Add(a *investigation.Answer, p *investigation.Payment) {
	e.Put(paymentRow(a, p)...)
}
