package format_test

import (
	"fmt"
	"strings"
	"testing"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
)

var shopTable = &format.Table{
	Name: "shop", Title: fault.Same("shop list"), Type: evidence.TerminalTransaction,
	Columns: []format.Column{
		{Field: format.When, Headers: []string{"交易日期"}, With: []string{"交易时间"}, As: format.AsTime},
		{Field: evidence.TID, Headers: []string{"终端号"}, Optional: true},
		{Field: evidence.Amount, Headers: []string{"金额(元)", "交易金额"}, As: format.AsDecimal},
		{Field: evidence.PAN, Headers: []string{"卡号"}, As: format.AsPAN, Optional: true},
		{Field: evidence.KindField, Headers: []string{"交易类型"}, As: format.AsWord, Words: map[string]string{"消费": "sale", "退货": "refund"}},
	},
}

// read reads a text by a table and gives its facts, one a line.
func read(t *testing.T, table *format.Table, text string, hints format.Hints) ([]string, *format.Out) {
	t.Helper()
	set := evidence.NewSet()
	in := format.NewInput("test.csv", []byte(text), hints)
	if !table.Detect(&in.Head) {
		t.Fatalf("not detected: %q", text)
	}
	out := format.NewOut("test.csv", set)
	if err := table.Read(in, out); err != nil {
		t.Fatal(err)
	}
	var facts []string
	for _, f := range set.All {
		amount, _ := f.Amount()
		facts = append(facts, fmt.Sprintf("%d %s %d %s %s %s %s", f.Line, evidence.AppendInstant(nil, f.Time, f.Offset),
			amount, f.Currency, f.Kind, set.Words.Text(f.PAN), set.Words.Text(f.Source)))
	}
	return facts, out
}

func TestTableReadsRows(t *testing.T) {
	text := "门店流水\r\n\r\n交易日期,交易时间,终端号,金额（元）,卡号,交易类型\r\n" +
		"2026-03-02,10:15:04,T1,\"1,234.50\",622202******1234,消费\r\n" +
		"`20260302\t,`101505,`T1,`12.3,`6222 02** **** 1234,退货\r\n"
	facts, out := read(t, shopTable, text, format.Hints{})
	want := []string{
		"4 2026-03-02T10:15:04+08:00 123450 CNY sale 622202******1234 shop/T1",
		"5 2026-03-02T10:15:05+08:00 1230 CNY refund 622202******1234 shop/T1",
	}
	if strings.Join(facts, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nrejected %v", strings.Join(facts, "\n"), out.Rejected())
	}
}
