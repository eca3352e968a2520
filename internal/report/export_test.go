package report_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/money"
	"daozhang/internal/report"
)

// TestExport writes the same rows in both forms and languages and reads them back.
func TestExport(t *testing.T) {
	cny, _ := money.ParseCurrency("CNY")
	day, _ := calendar.ParseDate("2026-03-09")
	write := func(format, lang string) string {
		t.Helper()
		var b bytes.Buffer
		e, err := report.NewExport(&b, format, lang, report.Text{EN: "Things", ZH: "东西"}, []report.Column{{Name: report.Text{EN: "Name", ZH: "名称"}, Width: 10}, {Name: report.Text{EN: "Amount", ZH: "金额"}, Width: 10},
			{Name: report.Text{EN: "Day", ZH: "日"}, Width: 10}, {Name: report.Text{EN: "At", ZH: "时间"}, Width: 20}, {Name: report.Text{EN: "Count", ZH: "笔数"}, Width: 5}})
		if err != nil {
			t.Fatal(err)
		}
		e.Put(report.Text{EN: "one, \"two\"", ZH: "一"}, report.FigureCell(-123456, cny), report.DayCell(day), report.MomentCell(1772416800e9, 480), 7)
		e.Put("=cmd()", nil, report.DayCell(0), report.MomentCell(0, 0), nil)
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	rows, err := csv.NewReader(strings.NewReader(write("csv", "en"))).ReadAll()
	want := [][]string{{"Name", "Amount", "Day", "At", "Count"}, {`one, "two"`, "-1234.56", "2026-03-09", "2026-03-02T10:00:00+08:00", "7"}, {"'=cmd()", "", "", "", ""}}
	if err != nil || fmt.Sprint(rows) != fmt.Sprint(want) {
		t.Errorf("%v\n got %q\nwant %q", err, rows, want)
	}
	if zh := write("csv", "zh"); !strings.HasPrefix(zh, "\ufeff名称,金额") {
		t.Errorf("%q", zh)
	}
	f, err := excelize.OpenReader(strings.NewReader(write("xlsx", "zh")))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err = f.GetRows("东西")
	if err != nil || len(rows) != 3 || rows[0][0] != "名称" || rows[1][1] != "-1,234.56" || rows[1][2] != "2026-03-09" || rows[2][0] != "=cmd()" {
		t.Errorf("%v %q", err, rows)
	}
	if formula, err := f.GetCellFormula("东西", "A3"); err != nil || formula != "" {
		t.Errorf("a text became the formula %q (%v)", formula, err)
	}
	if _, err := report.NewExport(nil, "doc", "en", report.Text{}, nil); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
}

// TestExportFails: a reader that has gone is told, whatever the form, and ends the
// work.
func TestExportFails(t *testing.T) {
	for _, format := range report.Exports() {
		e, err := report.NewExport(failing{}, format, "en", report.Text{EN: "Things"}, []report.Column{{Name: report.Text{EN: "Name"}, Width: 10}})
		if err != nil {
			t.Fatal(err)
		}
		for range 10_000 {
			e.Put("a row of some length")
		}
		if err := e.Close(); !errors.Is(err, errFull) {
			t.Errorf("%s: %v", format, err)
		}
	}
}
