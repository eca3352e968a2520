package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/text"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// FuzzForeignText puts any text where files and keys of others stand and looks
// that no output lets it out of its cell.
func FuzzForeignText(f *testing.F) {
	for _, s := range []string{
		"=1+1", "@SUM(A1)", "-2+3", "<script>alert(1)</script>", `a"b,c`, "|x|", "`rm -rf`", "\x1b[2Jred", "\u202eexe", "订单号一二三四五六七八九十订单号一二三四五六七八九十",
		strings.Repeat("long", 60), "é\u0301\u200d👩‍👩‍👧", "\xff\xfe", "a\r\nb", "</style><svg onload=x>", "{{.}}", "%d%s", "=cmd|' /C calc'!A0",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted, err := json.Marshal(s)
		if err != nil {
			t.Skip()
		}
		line := `{"specversion":"1.0","id":"1","source":"pos/M1","type":"daozhang.terminal.transaction","time":"2026-03-03T10:05:00+08:00","data":{"mid":"M1","tid":"T1","stan":"000126","order_id":` +
			string(quoted) + `,"kind":"sale","amount":50000,"currency":"CNY","result":"approved"}}` + "\n"
		set := evidence.NewSet()
		refused := false
		if err := evidence.ReadNDJSON(strings.NewReader(line), set.Writer(set.AddFile(s)), func(int, fault.Text) { refused = true }); err != nil || refused {
			t.Skip()
		}
		a, err := investigation.Investigate(set, evidence.InstantOf(asked), 480, investigation.Options{Catalogue: causes(t)})
		if err != nil {
			t.Fatal(err)
		}
		a.Rejected = []investigation.Rejection{{File: s, Line: 3, Why: fault.Same(s)}}
		a.Warnings = append(a.Warnings, investigation.Warning{File: s, Why: fault.Same(s)})
		a.Sources = []investigation.Source{{File: s, Format: s}}
		table := write(t, "table", a, report.Options{Lang: "zh", Width: 80})
		for _, l := range strings.Split(string(table), "\n") {
			if w := text.StringWidthWithoutEscSequences(l); w > 80 {
				t.Errorf("%d columns: %q", w, l)
			}
		}
		var card bytes.Buffer
		a.Each(func(p *investigation.Payment) bool {
			if err := report.Card(&card, a, p, report.Options{Lang: "en"}); err != nil {
				t.Fatal(err)
			}
			return true
		})
		page := write(t, "html", a, report.Options{Lang: "en"})
		for _, out := range [][]byte{table, card.Bytes(), page, write(t, "md", a, report.Options{Lang: "en"})} {
			if !utf8.Valid(out) {
				t.Error("the output is no UTF-8")
			}
			for _, r := range string(out) {
				if r != '\n' && unicode.IsControl(r) {
					t.Fatalf("control character %q comes through", r)
				}
			}
		}
		for _, tag := range []string{"<script", "<svg onload", "</style>"} {
			if n := bytes.Count(page, []byte(tag)); n > 1 || n == 1 && tag != "</style>" {
				t.Errorf("the page has %d %s", n, tag)
			}
		}
		rows, err := csv.NewReader(bytes.NewReader(write(t, "csv", a, report.Options{Lang: "en"}))).ReadAll()
		if err != nil || len(rows) != 2 || len(rows[1]) != len(rows[0]) {
			t.Fatalf("the CSV is broken: %v %q", err, rows)
		}
		for _, cell := range rows[1] {
			if cell != "" && strings.ContainsRune("=+-@|%", rune(cell[0])) {
				t.Errorf("%q may be taken for a formula", cell)
			}
		}
	})
}
