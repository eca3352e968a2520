package processor_test

import (
	"bytes"
	"encoding/csv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/format/processor"
)

// fixtures gives every file under testdata by its name.
func fixtures(t testing.TB) map[string]string {
	t.Helper()
	names, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range names {
		if !strings.HasSuffix(name, ".want") {
			all[name] = fixture(t, name)
		}
	}
	return all
}

// TestFormatsAreToldApart reads each fixture by one format alone: no other one
// may claim it, so that the order of detection matters to none of them.
func TestFormatsAreToldApart(t *testing.T) {
	for name, content := range fixtures(t) {
		in := format.NewInput(name, []byte(content), format.Hints{})
		var claims []string
		for _, f := range processor.Formats() {
			if f.Detect(&in.Head) {
				claims = append(claims, f.Name)
			}
		}
		if len(claims) != 1 {
			t.Errorf("%s is claimed by %v", name, claims)
		}
	}
}

// TestEveryFormatHasAFixture keeps the tests whole when a format is added.
func TestEveryFormatHasAFixture(t *testing.T) {
	seen := map[string]bool{}
	for name, content := range fixtures(t) {
		seen[readContent(t, content, hintsOf(name)).format] = true
	}
	for _, f := range processor.Formats() {
		if !seen[f.Name] {
			t.Errorf("%s has no fixture under testdata", f.Name)
		}
	}
}

// TestSameFileTwice loads each fixture under two names: the facts are those of
// one, and every fact of a file is one of its own, equal rows too.
func TestSameFileTwice(t *testing.T) {
	for name, content := range fixtures(t) {
		dir := t.TempDir()
		for _, copied := range []string{"first.txt", "second.txt"} {
			if err := os.WriteFile(filepath.Join(dir, copied), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		one, _ := load(t, filepath.Join(dir, "first.txt"), hintsOf(name))
		two, _ := load(t, dir, hintsOf(name))
		if a, b := distinct(one), distinct(two); a != one.Len() || a != b {
			t.Errorf("%s: %d facts are %d; read twice they are %d", name, one.Len(), a, b)
		}
		if two.Unify(); len(two.Conflicts()) > 0 {
			t.Errorf("%s: read twice it contradicts itself", name)
		}
	}
}

func distinct(set *evidence.Set) int {
	names := map[string]bool{}
	for r := range set.All {
		names[set.Name(r)] = true
	}
	return len(names)
}

// TestLineEndsAndEncodings reads each delimited fixture with the other line
// end, and the Chinese ones in UTF-8 with a byte order mark.
func TestLineEndsAndEncodings(t *testing.T) {
	for name, content := range fixtures(t) {
		if strings.Contains(name, "unionpay") {
			continue // whose rows have a width in bytes
		}
		want := readContent(t, content, hintsOf(name))
		other := strings.ReplaceAll(content, "\n", "\r\n")
		if strings.Contains(content, "\r\n") {
			other = strings.ReplaceAll(content, "\r\n", "\n")
		}
		if got := readContent(t, other, hintsOf(name)); got.String() != want.String() {
			t.Errorf("%s with the other line end:\n%s\nwant\n%s", name, got, want)
		}
		plain, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := readContent(t, "\ufeff"+string(plain), hintsOf(name)); got.String() != want.String() {
			t.Errorf("%s in UTF-8 with a mark:\n%s\nwant\n%s", name, got, want)
		}
	}
}

// TestColumnsInAnyOrder shuffles the columns of the reports whose header
// names them.
func TestColumnsInAnyOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range []string{"testdata/adyen_settlement.csv", "testdata/adyen_accounting.csv", "testdata/stripe_reconciliation.csv", "testdata/chinaums_ledger.csv"} {
		content := fixture(t, name)
		rows, err := csv.NewReader(strings.NewReader(content)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		want := readContent(t, content, format.Hints{})
		for range 5 {
			order := rng.Perm(len(rows[0]))
			var b bytes.Buffer
			w := csv.NewWriter(&b)
			for _, row := range rows {
				moved := make([]string, len(row))
				for i, at := range order {
					moved[i] = row[at]
				}
				if err := w.Write(moved); err != nil {
					t.Fatal(err)
				}
			}
			w.Flush()
			if got := readContent(t, b.String(), format.Hints{}); got.String() != want.String() {
				t.Fatalf("%s in order %v:\n%s\nwant\n%s", name, order, got, want)
			}
		}
	}
}

// TestAdyenSpreadsheet reads the settlement report from a spreadsheet with its
// dates and amounts as numbers.
func TestAdyenSpreadsheet(t *testing.T) {
	content := fixture(t, "testdata/adyen_settlement.csv")
	rows, err := csv.NewReader(strings.NewReader(content)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	book := excelize.NewFile()
	defer book.Close()
	for i, row := range rows {
		cells := make([]any, len(row))
		for j, cell := range row {
			cells[j] = cell
		}
		at, _ := excelize.CoordinatesToCellName(1, i+2)
		if err := book.SetSheetRow("Sheet1", at, &cells); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "report.xlsx")
	if err := book.SaveAs(path); err != nil {
		t.Fatal(err)
	}
	set, loaded := load(t, path, format.Hints{})
	if len(loaded.Rejected)+len(loaded.Warnings) > 0 {
		t.Errorf("rejected %v, warnings %v", loaded.Rejected, loaded.Warnings)
	}
	var got []string
	for r := range set.All {
		got = append(got, strings.Replace(idAttribute.ReplaceAllString(string(set.AppendJSON(nil, r)), ""), "daozhang.", "", 1))
	}
	if want := readContent(t, content, format.Hints{}).facts; !slices.Equal(got, want) {
		t.Errorf("facts\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestCut cuts each fixture short at many places: what is left is read or
// refused, and a file that is cut never declares more to be whole than the
// whole one does. UnionPay's file has no totals by which a cut between two rows
// could be seen.
func TestCut(t *testing.T) {
	for name, content := range fixtures(t) {
		whole := readContent(t, content, hintsOf(name))
		step := 1 + len(content)/40
		for cut := len(content) - 1; cut > 0; cut -= step {
			r := readContent(t, content[:cut], hintsOf(name))
			if len(r.facts) > len(whole.facts) {
				t.Errorf("%s cut at %d gives %d facts, the whole %d", name, cut, len(r.facts), len(whole.facts))
			}
			for _, fact := range r.facts {
				if declares(fact) && !slices.Contains(whole.facts, fact) && !strings.Contains(name, "unionpay") {
					t.Errorf("%s cut at %d declares %s", name, cut, fact)
				}
			}
		}
	}
}

func declares(fact string) bool {
	return strings.Contains(fact, `"type":"settlement.file"`) || strings.Contains(fact, `"type":"bank.statement"`)
}

// FuzzRows reads arbitrary rows under the header of each format.
func FuzzRows(f *testing.F) {
	var heads []string
	all := fixtures(f)
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		lines := strings.SplitAfter(all[name], "\n")
		at := min(header(lines)+1, len(lines))
		heads = append(heads, strings.Join(lines[:at], ""))
		f.Add(uint8(i), strings.Join(lines[at:], ""))
	}
	f.Add(uint8(0), "")
	f.Fuzz(func(t *testing.T, which uint8, rows string) {
		content := heads[int(which)%len(heads)] + rows
		r := readContent(t, content, format.Hints{MID: "898310058120001"})
		if again := readContent(t, content, format.Hints{MID: "898310058120001"}); again.String() != r.String() {
			t.Error("the same content is read differently")
		}
	})
}

// header finds the line with the most cells among the first ones.
func header(lines []string) int {
	best, cells := 0, 0
	for i, line := range lines[:min(len(lines), 12)] {
		if n := strings.Count(line, ",") + strings.Count(line, "\t"); n > cells {
			best, cells = i, n
		}
	}
	return best
}

// FuzzDetect gives arbitrary content to every format: detection and reading
// end, and nothing is read beyond what is there.
func FuzzDetect(f *testing.F) {
	for _, content := range fixtures(f) {
		f.Add([]byte(content))
	}
	f.Add([]byte{0x50, 0x4b, 3, 4})
	f.Fuzz(func(t *testing.T, content []byte) {
		for _, fm := range processor.Formats() {
			in := format.NewInput("fuzz", content, format.Hints{})
			if !fm.Detect(&in.Head) {
				continue
			}
			out := format.NewOut("fuzz", evidence.NewSet())
			_ = fm.Read(in, out)
		}
	})
}
