package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	textalign "github.com/jedib0t/go-pretty/v6/text"

	"daozhang/internal/report"
)

// tableForms are the outputs of a list.
var tableForms = []string{"table", "json", "ndjson", "csv", "md", "xlsx", "html"}

// column is one column of a list for people and for spreadsheets.
type column struct {
	name  text
	right bool
}

// writeList writes a list in one of tableForms; rows are its cells, each a string or
// a report cell for spreadsheets, values what programs read; nothing is what a table
// without rows says.
func writeList[T any](m *Main, w io.Writer, form string, title, nothing text, columns []column, values []T, cells func(*T) []any) error {
	switch form {
	case "json":
		return writeJSON(w, values)
	case "ndjson":
		e := json.NewEncoder(w)
		for i := range values {
			if err := e.Encode(values[i]); err != nil {
				return err
			}
		}
		return nil
	case "csv", "xlsx":
		var cols []report.Column
		for _, c := range columns {
			cols = append(cols, report.Column{Name: report.Text{EN: c.name.en, ZH: c.name.zh}, Width: 20})
		}
		x, err := report.NewExport(w, form, m.lang, report.Text{EN: title.en, ZH: title.zh}, cols)
		if err != nil {
			return err
		}
		for i := range values {
			x.Put(cells(&values[i])...)
		}
		return x.Close()
	}
	if form == "table" && len(values) == 0 {
		_, err := fmt.Fprintln(w, m.say(nothing))
		return err
	}
	t := plainTable()
	var head table.Row
	var config []table.ColumnConfig
	for i, c := range columns {
		head = append(head, m.say(c.name))
		if c.right {
			config = append(config, table.ColumnConfig{Number: i + 1, Align: textalign.AlignRight, AlignHeader: textalign.AlignRight})
		}
	}
	t.AppendHeader(head)
	t.SetColumnConfigs(config)
	for i := range values {
		var row table.Row
		for _, c := range cells(&values[i]) {
			row = append(row, fmt.Sprint(c))
		}
		t.AppendRow(row)
	}
	switch form {
	case "md":
		_, err := fmt.Fprintln(w, t.RenderMarkdown())
		return err
	case "html":
		_, err := fmt.Fprintln(w, t.RenderHTML())
		return err
	}
	return writeTable(w, t)
}
