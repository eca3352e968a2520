package report_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/money"
	"daozhang/internal/report"
)

func write(t testing.TB, format string, a *investigation.Answer, o report.Options) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := report.Write(&out, format, a, o); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestWrite(t *testing.T) {
	a := shop(t)
	for _, format := range report.Formats() {
		for _, lang := range []string{"en", "zh"} {
			o := report.Options{Lang: lang}
			first, again := write(t, format, a, o), write(t, format, shop(t), o)
			if len(first) == 0 {
				t.Errorf("%s writes nothing", format)
			}
			if !bytes.Equal(first, again) {
				t.Errorf("%s in %s differs from one time to the next", format, lang)
			}
		}
		if err := report.Write(failing{}, format, a, report.Options{}); !errors.Is(err, errFull) {
			t.Errorf("%s: a writer that fails gives %v", format, err)
		}
	}
	if err := report.Write(io.Discard, "pdf", a, report.Options{}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("an unknown format gives %v", err)
	}
}

var errFull = errors.New("disk full")

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errFull }

func TestMarkdown(t *testing.T) {
	a := shop(t)
	for _, lang := range []string{"en", "zh"} {
		golden(t, "answer."+lang+".md", write(t, "md", a, report.Options{Lang: lang}))
	}
}

func TestCSV(t *testing.T) {
	a := shop(t)
	for _, lang := range []string{"en", "zh"} {
		got := write(t, "csv", a, report.Options{Lang: lang})
		golden(t, "payments."+lang+".csv", got)
		rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(got, []byte("\ufeff")))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != a.Len()+1 {
			t.Fatalf("%d rows for %d payments", len(rows), a.Len())
		}
		head := rows[0]
		gross := map[string]int64{}
		for _, row := range rows[1:] {
			for i, cell := range row {
				// Amounts below zero are numbers, everything else is text.
				if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
					if _, err := strconv.ParseFloat(cell, 64); err != nil {
						t.Errorf("%s: %q may be taken for a formula", head[i], cell)
					}
				}
			}
			cell := func(name string) string { return row[slices.Index(head, name)] }
			c, err := money.ParseCurrency(cell("currency"))
			if err != nil {
				t.Fatal(err)
			}
			n, err := money.ParseDecimal(cell("amount"), c.Exponent(), money.Point)
			if err != nil {
				t.Fatal(err)
			}
			if cell("status") != "not_charged" {
				gross[c.String()] += n
			}
		}
		for _, r := range a.Totals().Rows {
			gross[r.Currency.String()] -= r.Gross
		}
		for c, n := range gross {
			if n != 0 {
				t.Errorf("the rows' amounts in %s differ from the money map's by %d", c, n)
			}
		}
	}
}

func TestXLSX(t *testing.T) {
	a := shop(t)
	for lang, sheets := range map[string][]string{
		"en": {"Summary", "Payments", "Overdue", "Incidents", "Money map", "Accounts", "Unplaced, ambiguous", "Input"},
		"zh": {"概览", "交易明细", "逾期及待处理", "事件", "款项分布", "账户", "未对应与多种对应", "输入"},
	} {
		f, err := excelize.OpenReader(bytes.NewReader(write(t, "xlsx", a, report.Options{Lang: lang})))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.GetSheetList(); !slices.Equal(got, sheets) {
			t.Errorf("sheets are %q, want %q", got, sheets)
		}
		rows, err := f.GetRows(sheets[1])
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != a.Len()+1 {
			t.Errorf("%d rows for %d payments", len(rows), a.Len())
		}
		// A sum over the amounts as a spreadsheet has them: numbers, in yen whole.
		types := map[string]excelize.CellType{}
		for i := range rows {
			cell := "N" + strconv.Itoa(i+1)
			kind, err := f.GetCellType(sheets[1], cell)
			if err != nil {
				t.Fatal(err)
			}
			types[cell] = kind
			formula, err := f.GetCellFormula(sheets[1], "H"+strconv.Itoa(i+1))
			if err != nil || formula != "" {
				t.Errorf("H%d holds a formula %q (%v)", i+1, formula, err)
			}
		}
		raw, err := f.GetCellValue(sheets[1], "N2", excelize.Options{RawCellValue: true})
		if err != nil || raw != "128" {
			t.Errorf("the first amount is kept as %q (%v)", raw, err)
		}
		if shown, _ := f.GetCellValue(sheets[1], "N2"); shown != "128.00" {
			t.Errorf("the first amount is shown as %q", shown)
		}
		if types["N2"] == excelize.CellTypeSharedString || types["N2"] == excelize.CellTypeInlineString {
			t.Error("the first amount is text")
		}
		if shown, _ := f.GetCellValue(sheets[1], "A2"); shown != "2026-03-02 10:15:04" {
			t.Errorf("the first time is shown as %q", shown)
		}
		panes, err := f.GetPanes(sheets[1])
		if err != nil || !panes.Freeze || panes.YSplit != 1 {
			t.Errorf("the header is not frozen: %+v (%v)", panes, err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
