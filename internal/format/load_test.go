package format_test

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding/simplifiedchinese"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
)

// general are the formats of this package alone.
var general = []format.Format{format.NDJSON(), format.Contract(), format.TermsFile(), format.Recognised()}

const journal = "time,mid,tid,stan,kind,result,amount,currency\n" +
	"2026-03-02T10:15:04+08:00,M1,T1,000001,sale,approved,1250,CNY\n" +
	"2026-03-02T10:16:04+08:00,M1,T1,000002,sale,approved,900,CNY\n"

// folder writes files into a new folder and gives its path.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// load reads paths below dir and gives the result with dir taken off its names.
func load(t *testing.T, dir string, opts format.Options, paths ...string) (*format.Loaded, *evidence.Set) {
	t.Helper()
	for i, p := range paths {
		if p != "-" {
			paths[i] = filepath.Join(dir, p)
		}
	}
	set := evidence.NewSet()
	l, err := format.Load(context.Background(), paths, opts, general, set, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range l.Sources {
		l.Sources[i].File = short(dir, l.Sources[i].File)
	}
	for i := range l.Rejected {
		l.Rejected[i].File = short(dir, l.Rejected[i].File)
	}
	return l, set
}

func short(dir, name string) string { return strings.TrimPrefix(strings.TrimPrefix(name, dir), "/") }

func gz(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

type entry struct{ name, content string }

func zipped(t *testing.T, raw bool, entries ...entry) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		f, err := w.CreateHeader(&zip.FileHeader{Name: e.name, Method: zip.Deflate, NonUTF8: raw})
		if err == nil {
			_, err = io.WriteString(f, e.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func files(l *format.Loaded) string {
	var out []string
	for _, s := range l.Sources {
		out = append(out, fmt.Sprintf("%s %s %d", s.File, s.Format, s.Facts))
	}
	return strings.Join(out, "; ")
}

func TestLoadOpensWhatIsThere(t *testing.T) {
	gbkName, err := simplifiedchinese.GB18030.NewEncoder().String("流水.csv")
	if err != nil {
		t.Fatal(err)
	}
	dir := folder(t, map[string]string{
		"b/journal.csv":    journal,
		"a.csv":            journal,
		".hidden":          journal,
		"b/.git/x":         journal,
		"c.csv.gz":         gz(t, journal),
		"d.zip":            zipped(t, true, entry{gbkName, journal}, entry{"__MACOSX/._x", "\x00\x05"}, entry{"in/e.csv.gz", gz(t, journal)}),
		"empty/readme.txt": "",
	})
	l, _ := load(t, dir, format.Options{}, "a.csv", "*.gz", "d.zip", "b", "a.csv")
	want := "a.csv csv:terminal.transaction 2; c.csv csv:terminal.transaction 2; d.zip:流水.csv csv:terminal.transaction 2; " +
		"d.zip:in/e.csv csv:terminal.transaction 2; b/journal.csv csv:terminal.transaction 2"
	if files(l) != want || len(l.Rejected) > 0 {
		t.Errorf("got  %s\nwant %s\nrejected %v", files(l), want, l.Rejected)
	}
	l, _ = load(t, dir, format.Options{Stdin: strings.NewReader(gz(t, journal))}, "-")
	if files(l) != "- csv:terminal.transaction 2" {
		t.Errorf("standard input: %s %v", files(l), l.Rejected)
	}
}

func TestSameFileTwiceIsOneSetOfFacts(t *testing.T) {
	twice := journal + "2026-03-02T10:16:04+08:00,M1,T1,000002,sale,approved,900,CNY\n"
	dir := folder(t, map[string]string{"a.csv": twice, "b.txt": strings.ReplaceAll(twice, "\n", "\r\n"), "c.csv.gz": gz(t, "\ufeff"+twice)})
	_, set := load(t, dir, format.Options{}, "a.csv", "b.txt", "c.csv.gz")
	ids := map[string]int{}
	for r := range set.All {
		ids[set.Name(r)]++
	}
	if set.Len() != 9 || len(ids) != 3 {
		t.Errorf("%d facts with %d identities, want 9 with 3 (two equal rows are two facts): %v", set.Len(), len(ids), ids)
	}
}

func TestLoadTellsWhatIsWrong(t *testing.T) {
	var bomb bytes.Buffer
	w, _ := gzip.NewWriterLevel(&bomb, gzip.BestCompression)
	fmt.Fprint(w, journal)
	rows := bytes.Repeat([]byte(strings.Repeat(" ", 4095)+"\n"), 256)
	for range 70 {
		w.Write(rows)
	}
	w.Close()
	many := make([]entry, 10_001)
	for i := range many {
		many[i].name = fmt.Sprintf("%d.csv", i)
	}
	sealed := []byte(zipped(t, false, entry{"x.csv", journal}))
	i := bytes.Index(sealed, []byte("PK\x01\x02"))
	sealed[i+8] |= 1
	random := strings.Repeat("\x00\x01\x02\x9f\xff\x80abc", 100)
	cases := []struct{ name, content, file, why string }{
		{"empty.csv", "", "", "empty"},
		{"blank.csv", " \r\n\r\n", "", "nothing but blanks"},
		{"binary.dat", random, "", "binary content"},
		{"report.pdf", "%PDF-1.7\n…", "", "a PDF"},
		{"old.xls", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + random, "", "save it as .xlsx or .csv"},
		{"word.zip", zipped(t, false, entry{"word/document.xml", "<w/>"}), "", "a document (docx)"},
		{"x.7z", "7z\xbc\xaf\x27\x1c" + random, "", "7-Zip"},
		{"nothing.zip", zipped(t, false), "", "holds no files"},
		{"many.zip", zipped(t, false, many...), "", "more than 10000"},
		{"sealed.zip", string(sealed), "sealed.zip:x.csv", "encrypted"},
		{"torn.zip", zipped(t, false, entry{"x.csv", journal})[:60], "", "cut short"},
		{"torn.gz", gz(t, strings.Repeat(journal, 4000))[:2500], "torn", "ends early"},
		{"bad.gz", "\x1f\x8bxxxx", "", "damaged"},
		{"bomb.gz", bomb.String(), "bomb", "bomb"},
		{"deep.gz", gz(t, gz(t, gz(t, journal))), "deep", "within an archive"},
		{"page.csv", "<!DOCTYPE html><html><body>Sign in", "", "a web page"},
		{"pain.xml", `<?xml version="1.0"?><Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.03"/>`, "", "proves no money"},
		{"some.xml", `<?xml version="1.0"?><!-- x --><Books/>`, "", "<Books>"},
		{"some.json", `{"a":1}`, "", "not evidence"},
		{"table.csv", "colour,shape,weight\nred,round,3\n", "", `"colour", "shape", "weight"`},
		{"timeless.csv", "订单编号,终端号,金额,支付方式\nA1,T1,3.00,微信\n", "", "without their time"},
		{"paypal.csv", "CH,Transaction ID,PayPal Reference ID,Gross\n", "", "PayPal"},
		{"prose.txt", "Dear all,\nplease find attached", "", "text that no format knows"},
	}
	set := map[string]string{"good.csv": journal}
	for _, c := range cases {
		set[c.name] = c.content
	}
	dir := folder(t, set)
	if err := os.Mkdir(filepath.Join(dir, "nobody"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			l, _ := load(t, dir, format.Options{}, c.name, "good.csv")
			file := c.file
			if file == "" {
				file = c.name
			}
			if len(l.Rejected) != 1 || l.Rejected[0].File != file || l.Rejected[0].Line != 0 || !strings.Contains(l.Rejected[0].Why.EN, c.why) {
				t.Errorf("rejected %v, want %s:0: …%s…", l.Rejected, file, c.why)
			}
			if n := len(l.Sources); n == 0 || l.Sources[n-1].Facts != 2 {
				t.Errorf("the good file was not read: %s", files(l))
			}
		})
	}
	for path, why := range map[string]string{"gone.csv": "no such file", "*.nothing": "no file matches", "nobody": "holds no files"} {
		l, _ := load(t, dir, format.Options{}, path, "good.csv")
		if len(l.Rejected) != 1 || !strings.Contains(l.Rejected[0].Why.EN, why) || len(l.Sources) != 1 {
			t.Errorf("%s: %v, want …%s…", path, l.Rejected, why)
		}
	}
}

func TestBadRowsAreToldAndTheRestIsRead(t *testing.T) {
	const pan = "6222020000000000" // filled up below so that it passes Luhn
	full := luhn(pan)
	good := "2026-03-02T10:15:04+08:00,M1,T1,000001,622202******1234,sale,approved,1250,CNY"
	head := "time,mid,tid,stan,pan,kind,result,amount,currency\n"
	cases := []struct{ name, row, why string }{
		{"full card number", "2026-03-02T10:15:04+08:00,M1,T1,000001," + full + ",sale,approved,1250,CNY", "pan"},
		{"year 0", "0000-03-02T10:15:04+08:00,M1,T1,000001,,sale,approved,1250,CNY", `"time"`},
		{"year 2099", "2099-03-02T10:15:04+08:00,M1,T1,000001,,sale,approved,1250,CNY", "between 1980 and 2079"},
		{"beyond int64", "2026-03-02T10:15:04+08:00,M1,T1,000001,,sale,approved,9223372036854775808,CNY", `"amount"`},
		{"negative", "2026-03-02T10:15:04+08:00,M1,T1,000001,,sale,approved,-5,CNY", "never negative"},
		{"unknown kind", "2026-03-02T10:15:04+08:00,M1,T1,000001,,gift,approved,5,CNY", `"kind"`},
		{"no currency", "2026-03-02T10:15:04+08:00,M1,T1,000001,,sale,approved,5,", "currency"},
		{"too many cells", good + ",1,2", "has 11 cells where the header has 9"},
		{"open quote", `"2026-03-02T10:15:04+08:00,M1,T1,000001,,sale,approved,5,CNY`, "quote"},
		{"latin byte", "2026-03-02T10:15:04+08:00,M\xe9,T1,000001,,sale,approved,5,CNY", "not UTF-8"},
		{"no time", ",M1,T1,000001,,sale,approved,5,CNY", "time"},
		{"long line", "2026-03-02T10:15:04+08:00,M1," + strings.Repeat("x", 3<<20) + ",000001,,sale,approved,5,CNY", "longer than 1 MiB"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			text := "\ufeff" + head + good + "\n" + c.row + "\n" + strings.Replace(good, "000001", "000003", 1) + "\n"
			dir := folder(t, map[string]string{"x.csv": text})
			l, set := load(t, dir, format.Options{}, "x.csv")
			if len(l.Rejected) != 1 || l.Rejected[0].Line != 3 || !strings.Contains(l.Rejected[0].Why.EN, c.why) {
				t.Errorf("rejected %.300v, want line 3: …%s…", l.Rejected, c.why)
			}
			if set.Len() != 2 {
				t.Fatalf("%d facts, want the 2 good rows; rejected %.300v", set.Len(), l.Rejected)
			}
			for _, r := range l.Rejected {
				if strings.Contains(r.Why.EN, full) {
					t.Error("the card number is repeated")
				}
			}
			var lines uint32
			for _, f := range set.All {
				lines += f.Line
			}
			if lines != 2+4 {
				t.Errorf("the good rows are not on lines 2 and 4")
			}
		})
	}
	t.Run("cut short", func(t *testing.T) {
		dir := folder(t, map[string]string{"x.csv": head + good + "\n" + good[:40]})
		l, set := load(t, dir, format.Options{}, "x.csv")
		if len(l.Rejected) != 1 || !strings.Contains(l.Rejected[0].Why.EN, "ends within this line") || set.Len() != 1 {
			t.Errorf("rejected %v, %d facts", l.Rejected, set.Len())
		}
	})
}

// luhn puts the check digit at the end of a number.
func luhn(s string) string {
	sum := 0
	for i := len(s) - 2; i >= 0; i-- {
		d := int(s[i] - '0')
		if (len(s)-2-i)%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return s[:len(s)-1] + string(rune('0'+(10-sum%10)%10))
}

// TestBlocksAreReadAsOne reads a file of several blocks, with equal rows far
// apart and in different encodings, and compares it with the same rows in
// pieces.
func TestBlocksAreReadAsOne(t *testing.T) {
	var b strings.Builder
	b.WriteString("time,mid,tid,stan,kind,result,amount,currency,operator\n")
	const rows = 20_000
	for i := range rows {
		op := "plain"
		if i == rows-1 {
			op = "张三" // the encoding shows only at the end
		}
		fmt.Fprintf(&b, "2026-03-02T10:15:04+08:00,M1,T%d,%06d,sale,approved,%d,CNY,%s\n", i%7, i%9000, i%9000, op)
	}
	text := b.String()
	gbk, err := simplifiedchinese.GB18030.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	quoted := strings.Replace(text, ",plain\n", ",\"plain \"\"x\"\"\"\n", 1)
	for name, content := range map[string]string{"utf8": text, "gbk": gbk, "quoted": quoted} {
		t.Run(name, func(t *testing.T) {
			dir := folder(t, map[string]string{"big.csv": content})
			l, set := load(t, dir, format.Options{}, "big.csv")
			if set.Len() != rows || len(l.Rejected) > 0 || l.Sources[0].Facts != rows {
				t.Fatalf("%d facts, rejected %.200v", set.Len(), l.Rejected)
			}
			ids := map[string]uint32{}
			lines := map[uint32]bool{}
			for r, f := range set.All {
				if line, dup := ids[set.Name(r)]; dup {
					t.Fatalf("lines %d and %d have one identity", line, f.Line)
				}
				ids[set.Name(r)] = f.Line
				lines[f.Line] = true
				if f.Line == rows+1 && set.Text(r, evidence.Operator) != "张三" {
					t.Errorf("operator %q", set.Text(r, evidence.Operator))
				}
			}
			if !lines[2] || !lines[rows+1] || len(lines) != rows {
				t.Errorf("%d lines from 2 to %d", len(lines), rows+1)
			}
			_, again := load(t, dir, format.Options{}, "big.csv")
			for r, f := range again.All {
				if ids[again.Name(r)] != f.Line {
					t.Fatalf("line %d has another identity when read again", f.Line)
				}
			}
		})
	}
}

func TestSpreadsheet(t *testing.T) {
	f := excelize.NewFile()
	defer f.Close()
	style, err := f.NewStyle(&excelize.Style{NumFmt: 22})
	if err != nil {
		t.Fatal(err)
	}
	for cell, v := range map[string]any{
		"A1": "某某商户交易明细", "A3": "交易时间", "B3": "终端号", "C3": "流水号", "D3": "参考号", "E3": "交易金额", "F3": "交易类型",
		"A4": 46083.4271875, "B4": "T0000001", "C4": 17, "D4": 512645316965, "E4": 1234.1, "F4": "消费",
		"A5": "2026-03-02 10:16:05", "B5": "T0000001", "C5": "000018", "D5": "512645316966", "E5": "-12.30", "F5": "退货",
	} {
		if err := f.SetCellValue("Sheet1", cell, v); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.SetCellStyle("Sheet1", "A4", "A4", style); err != nil {
		t.Fatal(err)
	}
	if _, err := f.NewSheet("说明"); err != nil {
		t.Fatal(err)
	}
	if err := f.SetCellValue("说明", "A1", "本表由系统生成"); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := f.SaveAs(filepath.Join(dir, "x.xlsx")); err != nil {
		t.Fatal(err)
	}
	l, set := load(t, dir, format.Options{}, "x.xlsx")
	if len(l.Rejected) > 0 || set.Len() != 2 {
		t.Fatalf("rejected %v, %d facts", l.Rejected, set.Len())
	}
	var got []string
	for _, f := range set.All {
		amount, _ := f.Amount()
		got = append(got, fmt.Sprintf("%d %s %s %s %d %s", f.Line, evidence.AppendInstant(nil, f.Time, f.Offset), set.Words.Text(f.STAN),
			set.Words.Text(f.RRN), amount, f.Kind))
	}
	want := "4 2026-03-02T10:15:09+08:00 000017 512645316965 123410 sale\n5 2026-03-02T10:16:05+08:00 000018 512645316966 1230 refund"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

// A shop's own list names neither merchant nor terminal; where the rest of the
// evidence knows one of each, the rows are theirs, and it is said.
func TestAdopt(t *testing.T) {
	const own = "交易日期,交易时间,交易金额,流水号\n2026-03-02,10:15:04,12.50,000001\n2026-03-02,10:16:04,9.00,000002\n"
	for _, c := range []struct {
		name, other, mid, tid string
		warnings              int
	}{
		{"one merchant, one terminal", journal, "M1", "T1", 1},
		{"one merchant, two terminals", journal + "2026-03-02T11:16:04+08:00,M1,T2,000002,sale,approved,900,CNY\n", "M1", "", 1},
		{"two merchants", journal + "2026-03-02T11:16:04+08:00,M2,T2,000002,sale,approved,900,CNY\n", "", "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := folder(t, map[string]string{"own.csv": own, "journal.csv": c.other})
			l, set := load(t, dir, format.Options{}, "own.csv", "journal.csv")
			rows := 0
			for _, f := range set.All {
				if !strings.HasSuffix(set.FileName(f.File), "own.csv") {
					continue
				}
				rows++
				if mid, tid := set.Words.Text(f.MID), set.Words.Text(f.TID); mid != c.mid || tid != c.tid {
					t.Errorf("row of merchant %q, terminal %q; want %q, %q", mid, tid, c.mid, c.tid)
				}
			}
			if rows != 2 || len(l.Warnings) != c.warnings {
				t.Errorf("%d rows, warnings %v, rejected %v", rows, l.Warnings, l.Rejected)
			}
		})
	}
}
