package advice

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// WriteCSV writes a settlement file in the contract's CSV form. The same file
// gives the same bytes. Nothing is written of one that does not foot.
func WriteCSV(w io.Writer, f *File) error {
	if err := f.check(); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	row := []string{"type", "time", "source", "id", "mid"}
	for _, k := range keys {
		row = append(row, k.name)
	}
	row = append(row, "kind", "gross", "fee", "net", "currency", "settlement_date", "transaction_time", "payout", "date", "count", "total")
	width := len(row)
	c.Write(row)
	num := func(n int64) string { return strconv.FormatInt(n, 10) }
	for i := range f.Lines {
		l := &f.Lines[i]
		row = append(row[:0], evidence.SettlementLine.String(), f.clock(l.At), source(f.MID), cell(l.ID), f.MID)
		for _, k := range keys {
			row = append(row, cell(k.value(l)))
		}
		row = append(row, l.Kind.String(), num(l.Gross), num(l.Fee), num(l.Net), f.Currency.String(), f.Date.String(), f.moment(l.Time), cell(l.Payout), "", "", "")
		c.Write(row)
	}
	row = append(row[:0], evidence.SettlementFile.String(), f.clock(f.At), source(f.MID), f.fileID(), f.MID)
	for len(row) < width {
		row = append(row, "")
	}
	row[width-7], row[width-3], row[width-2], row[width-1] = f.Currency.String(), f.Date.String(), num(f.Count), num(f.Total)
	c.Write(row)
	c.Flush()
	return unwritten(f, c.Error())
}

// cell protects a text that a spreadsheet would take for a formula, or a reader
// for a quoted one: a back-tick before it is taken off again.
func cell(s string) string {
	if s != "" && strings.IndexByte("=+-@'\"`", s[0]) >= 0 {
		return "`" + s
	}
	return s
}

// unwritten tells that a file could not be written to its end.
func unwritten(f *File, err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Internal, fault.Say("write settlement file", "写结算文件"), f.MID, err,
		fault.Say("look at the disk, then write the same file again", "请检查磁盘，然后重新写同一份文件"))
}
