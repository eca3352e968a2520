package format

import (
	"bufio"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/xuri/excelize/v2"

	"daozhang/internal/fault"
)

// A spreadsheet is read as text: each sheet as tab-separated lines, row by row,
// so that every table is recognised in it as it is in a CSV. Numbers come as
// they are kept, not as they are shown; dates as 2006-01-02 15:04:05.

// sheetMost bounds what the parts of a spreadsheet expand to.
const sheetMost = 2 << 30

func (ld *loader) spreadsheet(name string, at io.ReaderAt, size int64) {
	f, err := excelize.OpenReader(io.NewSectionReader(at, 0, size),
		excelize.Options{UnzipSizeLimit: sheetMost, UnzipXMLSizeLimit: 64 << 20})
	if err != nil {
		why := fault.Say("a spreadsheet that cannot be opened: it is damaged or protected; save it again as .xlsx or .csv", "电子表格打不开：已损坏或有密码保护，请重新另存为 .xlsx 或 .csv")
		if strings.Contains(err.Error(), "limit") {
			why = fault.Say("a spreadsheet that expands beyond 2 GiB; export it as .csv", "电子表格展开后超过 2 GiB，请导出为 .csv")
		}
		ld.refuse(name, why)
		return
	}
	defer f.Close()
	props, _ := f.GetWorkbookProps()
	use1904 := props.Date1904 != nil && *props.Date1904
	var unread []*Input
	read := 0
	sheets := f.GetSheetList()
	for _, sheet := range sheets {
		full := name
		if len(sheets) > 1 {
			full += "#" + sheet
		}
		r := sheetText(f, sheet, use1904)
		in, err := newInput(full, r, ld.opts.Hints)
		switch {
		case err != nil && len(in.Head.Raw) == 0:
			ld.refuse(full, readError(err))
		case strings.TrimSpace(in.Head.Text) == "":
		default:
			if format := ld.detect(in); format != nil {
				ld.readAs(format, in)
				read++
			} else {
				unread = append(unread, in)
			}
		}
		r.Close()
	}
	if read == 0 && len(unread) == 0 {
		ld.refuse(name, fault.Say("the spreadsheet is empty", "电子表格是空的"))
	}
	for i, in := range unread {
		why := explain(&in.Head, ld.formats)
		switch {
		case read > 0:
			ld.warn(in.Name, fault.Say("this sheet was left out: %s", "该工作表未采用：%s", why))
		case i == 0:
			ld.refuse(name, why)
		}
	}
}

// sheetText gives a sheet as tab-separated text, made while it is read.
func sheetText(f *excelize.File, sheet string, use1904 bool) io.ReadCloser {
	r, w := io.Pipe()
	go func() { w.CloseWithError(writeSheet(w, f, sheet, use1904)) }()
	return r
}

func writeSheet(w io.Writer, f *excelize.File, sheet string, use1904 bool) error {
	out := bufio.NewWriterSize(w, 64<<10)
	// Raw values keep every digit of a long number; how a cell is shown tells
	// a date from a number.
	raws, err := f.Rows(sheet)
	if err != nil {
		return errSheet
	}
	defer raws.Close()
	shown, err := f.Rows(sheet)
	if err != nil {
		return errSheet
	}
	defer shown.Close()
	for raws.Next() && shown.Next() {
		raw, err := raws.Columns(excelize.Options{RawCellValue: true})
		if err != nil {
			return errSheet
		}
		show, err := shown.Columns()
		if err != nil {
			return errSheet
		}
		for i, v := range raw {
			if i > 0 {
				out.WriteByte('\t')
			}
			as := v
			if i < len(show) {
				as = show[i]
			}
			writeCell(out, cellText(v, as, use1904))
		}
		out.WriteByte('\n')
		if out.Buffered() > 32<<10 {
			if err := out.Flush(); err != nil {
				return err
			}
		}
	}
	if raws.Error() != nil {
		return errSheet
	}
	return out.Flush()
}

var errSheet = error(fault.Say("the sheet is damaged from here on; save the spreadsheet again or export it as .csv", "工作表从此处起已损坏，请重新保存或导出为 .csv"))

// cellText gives a cell's text from its kept value and from what is shown.
func cellText(raw, shown string, use1904 bool) string {
	if raw == shown || raw == "" {
		return raw
	}
	n, err := strconv.ParseFloat(raw, 64)
	if err != nil {
		return shown
	}
	if isDateText(shown) && n > -1 && n < 80000 {
		t, err := excelize.ExcelDateToTime(n, use1904)
		if err == nil {
			t = t.Round(time.Second)
			switch {
			case n < 1:
				return t.Format(time.TimeOnly)
			case n == float64(int64(n)):
				return t.Format(time.DateOnly)
			}
			return t.Format(time.DateTime)
		}
	}
	if strings.ContainsAny(raw, "eE.") {
		// Binary fractions are kept with digits that nobody wrote.
		return strconv.FormatFloat(mustFloat(strconv.FormatFloat(n, 'g', 15, 64)), 'f', -1, 64)
	}
	return raw
}

func mustFloat(s string) float64 {
	n, _ := strconv.ParseFloat(s, 64) // what FormatFloat wrote can be read
	return n
}

// isDateText reports a shown value with the signs of a date or a time of day.
func isDateText(s string) bool {
	marks := strings.Count(s, "-") + strings.Count(s, "/") + strings.Count(s, ":") + strings.Count(s, "年") + strings.Count(s, "月")
	if strings.HasPrefix(s, "-") {
		marks--
	}
	return marks > 0 && strings.ContainsAny(s, "0123456789")
}

func writeCell(w *bufio.Writer, s string) {
	if strings.ContainsAny(s, "\t\r\n") {
		s = strings.NewReplacer("\t", " ", "\r\n", " ", "\n", " ", "\r", " ").Replace(s)
	}
	if strings.Contains(s, `"`) {
		s = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	w.WriteString(s)
}
