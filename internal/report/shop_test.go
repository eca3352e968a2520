package report_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
)

var update = flag.Bool("update", false, "write the golden files anew")

// asked is the moment of the question about the shop.
var asked = time.Date(2026, 3, 5, 9, 0, 0, 0, time.FixedZone("", 8*3600))

var loaded = sync.OnceValues(diagnosis.Load)

// causes gives the catalogue, compiled once for all tests.
func causes(t testing.TB) *diagnosis.Catalogue {
	t.Helper()
	c, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// shop answers for testdata/shop.facts.
func shop(t testing.TB) *investigation.Answer {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "shop.facts"))
	if err != nil {
		t.Fatal(err)
	}
	a := answerTo(t, "shop.facts", string(raw), asked)
	a.Rejected = []investigation.Rejection{
		{File: "pos/journal.csv", Line: 7, Why: fault.Say("amount: not a number; write 128.00", "金额：不是数字，请写作 128.00")},
		{File: "statement.xml", Line: 0, Why: fault.Say("ends in the middle of an element; fetch the file again", "文件在一个元素中间断开，请重新获取")},
	}
	a.Sources = []investigation.Source{
		{File: "pos/journal.csv", Format: "POS journal CSV", Facts: 14, Rejected: 1, From: evidence.InstantOf(asked.Add(-72 * time.Hour)), To: evidence.InstantOf(asked)},
		{File: "statement.xml", Format: "camt.053.001.08", Facts: 4, Rejected: 1, From: evidence.InstantOf(asked.Add(-48 * time.Hour)), To: evidence.InstantOf(asked)},
	}
	return a
}

// answerTo answers for facts written as TIME SOURCE TYPE {data}, one a line.
func answerTo(t testing.TB, name, facts string, asOf time.Time) *investigation.Answer {
	t.Helper()
	var ndjson bytes.Buffer
	n := 0
	for line := range strings.Lines(facts) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			ndjson.WriteByte('\n')
			continue
		}
		n++
		cell := strings.SplitN(line, " ", 4)
		fmt.Fprintf(&ndjson, `{"specversion":"1.0","id":"e%d","source":%q,"type":"daozhang.%s","time":%q,"data":%s}`+"\n", n, cell[1], cell[2], cell[0], cell[3])
	}
	set := evidence.NewSet()
	err := evidence.ReadNDJSON(&ndjson, set.Writer(set.AddFile(name)), func(line int, why fault.Text) {
		t.Fatalf("%s:%d: %s", name, line, why)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, offset := asOf.Zone()
	a, err := investigation.Investigate(set, evidence.InstantOf(asOf), int16(offset/60), investigation.Options{Catalogue: causes(t)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// golden compares with a file under testdata/golden.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
		for i := range gotLines {
			if i >= len(wantLines) || gotLines[i] != wantLines[i] {
				w := "(nothing)"
				if i < len(wantLines) {
					w = wantLines[i]
				}
				t.Fatalf("%s differs at line %d (go test -update writes it anew):\n got %s\nwant %s", name, i+1, gotLines[i], w)
			}
		}
		t.Fatalf("%s differs (go test -update writes it anew): %d lines, want %d", name, len(gotLines), len(wantLines))
	}
}
