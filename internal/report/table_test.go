package report_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"daozhang/internal/report"
)

func TestTable(t *testing.T) {
	a := shop(t)
	for name, o := range map[string]report.Options{
		"table.en.80.txt":  {Lang: "en", Width: 80},
		"table.zh.80.txt":  {Lang: "zh", Width: 80},
		"table.en.140.txt": {Lang: "en", Width: 140},
		"table.zh.140.txt": {Lang: "zh", Width: 140},
		"table.color.txt":  {Lang: "en", Width: 80, Color: true},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := report.Table(&out, a, o); err != nil {
				t.Fatal(err)
			}
			for i, l := range strings.Split(out.String(), "\n") {
				if w := text.StringWidthWithoutEscSequences(l); w > o.Width {
					t.Errorf("line %d is %d columns wide: %s", i+1, w, l)
				}
			}
			if !o.Color && strings.Contains(out.String(), "\x1b") {
				t.Error("colours although none are wanted")
			}
			golden(t, name, out.Bytes())
		})
	}
}

func TestTableOfNothing(t *testing.T) {
	var out bytes.Buffer
	if err := report.Table(&out, answerTo(t, "-", "", time.Date(2026, 3, 5, 9, 0, 0, 0, time.UTC)), report.Options{Lang: "en"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "No payment was found") {
		t.Error("an empty answer does not say what to do:", out.String())
	}
}
