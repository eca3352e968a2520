package report_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"daozhang/internal/report"
)

// BenchmarkWrite writes 20,000 payments in each format.
func BenchmarkWrite(b *testing.B) {
	var facts strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&facts, `2026-03-0%dT10:%02d:%02d+08:00 terminal/T1 terminal.transaction {"mid":"898310058120001","tid":"T1","stan":"%06d","rrn":"%012d","kind":"sale","amount":%d,"currency":"CNY","result":"approved","response_code":"00"}`+"\n",
			2+i%3, i/60%60, i%60, i, i+1, 100+i)
	}
	a := answerTo(b, "-", facts.String(), asked)
	for _, format := range report.Formats() {
		b.Run(format, func(b *testing.B) {
			for b.Loop() {
				if err := report.Write(io.Discard, format, a, report.Options{Lang: "en"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
