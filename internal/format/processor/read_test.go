package processor_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/format/processor"
)

// read is what one content was read as.
type read struct {
	format   string
	facts    []string // as JSON without their ids, in the order of the file
	ids      []string // source#id
	rejected []format.Note
	warnings []format.Note
}

var idAttribute = regexp.MustCompile(`"specversion":"1.0","id":"[^"]*",`)

// readContent reads a content by the first format that detects it.
func readContent(t testing.TB, content string, hints format.Hints) read {
	t.Helper()
	set := evidence.NewSet()
	in := format.NewInput("input", []byte(content), hints)
	for _, f := range processor.Formats() {
		if !f.Detect(&in.Head) {
			continue
		}
		out := format.NewOut("input", set)
		r := read{format: f.Name}
		if err := f.Read(in, out); err != nil {
			out.Reject(0, fault.TextOf(err))
		}
		r.rejected, r.warnings = out.Rejected(), out.Warnings()
		for ref := range set.All {
			r.facts = append(r.facts, strings.Replace(idAttribute.ReplaceAllString(string(set.AppendJSON(nil, ref)), ""), "daozhang.", "", 1))
			r.ids = append(r.ids, set.Name(ref))
		}
		return r
	}
	return read{}
}

// rewrite writes what was read as what is wanted.
var rewrite = flag.Bool("rewrite", false, "rewrite the .want files under testdata")

// TestFixtures reads each file under testdata and compares format, facts,
// rejections and warnings with the .want file beside it. Files with .gbk in
// their name are kept in UTF-8 and read in GBK with CRLF, as they are written
// in the field (a fixed layout with LF).
func TestFixtures(t *testing.T) {
	names, err := filepath.Glob("testdata/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".want") {
			continue
		}
		t.Run(filepath.Base(name), func(t *testing.T) {
			r := readContent(t, fixture(t, name), hintsOf(name))
			have := r.String()
			if *rewrite {
				if err := os.WriteFile(name+".want", []byte(have), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name + ".want")
			if err != nil {
				t.Fatal(err)
			}
			if have != string(want) {
				t.Errorf("read as\n%s\nwant\n%s", have, want)
			}
		})
	}
}

// hintsOf gives the merchant of files that name none.
func hintsOf(name string) format.Hints {
	if strings.Contains(name, "chinaums_merchant") || strings.Contains(name, "fundflow") {
		return format.Hints{MID: "898310058120001"}
	}
	return format.Hints{}
}

// fixture gives the content of a file under testdata as it is in the field.
func fixture(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	content := string(b)
	if !strings.Contains(name, ".gbk.") {
		return content
	}
	if strings.HasSuffix(name, ".csv") {
		content = strings.ReplaceAll(content, "\n", "\r\n")
	}
	return gbk(t, content)
}

// String is what was read, as the .want files have it.
func (r read) String() string {
	var b strings.Builder
	fmt.Fprintln(&b, r.format)
	for _, f := range r.facts {
		fmt.Fprintln(&b, f)
	}
	for _, n := range r.rejected {
		fmt.Fprintf(&b, "rejected %d: %s\n", n.Line, n.Why)
	}
	for _, n := range r.warnings {
		fmt.Fprintf(&b, "warning %d: %s\n", n.Line, n.Why)
	}
	return b.String()
}

// gbk encodes a text as Chinese systems write it.
func gbk(t testing.TB, text string) string {
	t.Helper()
	s, err := simplifiedchinese.GBK.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// load reads a file or folder as the program does.
func load(t testing.TB, path string, hints format.Hints) (*evidence.Set, *format.Loaded) {
	t.Helper()
	set := evidence.NewSet()
	l, err := format.Load(context.Background(), []string{path}, format.Options{Hints: hints}, processor.Formats(), set, nil)
	if err != nil {
		t.Fatal(err)
	}
	return set, l
}

// samples gives the folder of real sample files, which is not part of the
// project; tests that need it are skipped without it.
func samples(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if info, err := os.Stat(filepath.Join(dir, "shared", "data")); err == nil && info.IsDir() {
			return filepath.Join(dir, "shared", "data")
		}
		dir = filepath.Dir(dir)
	}
	t.Skip("no sample files here")
	return ""
}
