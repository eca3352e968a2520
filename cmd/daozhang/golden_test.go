package main

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files and the READMEs' samples anew")

// run runs a command line from the root of the repository, where the README's
// commands are typed.
func run(t *testing.T, m *Main, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	t.Chdir(filepath.Join("..", ".."))
	var out, err bytes.Buffer
	m.Stdin, m.Stdout, m.Stderr = strings.NewReader(""), &out, &err
	if m.Now == nil {
		m.Now = func() time.Time { return now }
	}
	if m.Getenv == nil {
		m.Getenv = func(string) string { return "" }
	}
	if m.Terminal == nil {
		m.Terminal = func(any) (int, bool) { return 0, false }
	}
	m.Zone = now.Location()
	code = m.Run(context.Background(), args)
	return out.String(), err.String(), code
}

// TestExample holds the example's answer in every output. Its figures were
// worked out by hand, see examples/README.md.
func TestExample(t *testing.T) {
	const asOf = "2026-03-09T10:00:00+08:00"
	for name, args := range map[string][]string{
		"check.en.txt": {"check", "examples/corner-shop", "--as-of", asOf},
		"check.zh.txt": {"check", "examples/corner-shop", "--as-of", asOf, "--lang", "zh"},
		"check.json":   {"check", "examples/corner-shop", "--as-of", asOf, "-o", "json"},
		"check.ndjson": {"check", "examples/corner-shop", "--as-of", asOf, "-o", "ndjson", "--advice", "code"},
		"check.csv":    {"check", "examples/corner-shop", "--as-of", asOf, "-o", "csv"},
		"check.md":     {"check", "examples/corner-shop", "--as-of", asOf, "-o", "md"},
		"trace.en.txt": {"trace", "000114", "examples/corner-shop", "--as-of", asOf},
		"trace.zh.txt": {"trace", "000114", "examples/corner-shop", "--as-of", asOf, "--lang", "zh"},
	} {
		t.Run(name, func(t *testing.T) {
			golden, err := filepath.Abs(filepath.Join("testdata", "example", name))
			if err != nil {
				t.Fatal(err)
			}
			got, stderr, code := run(t, &Main{}, args...)
			if code != 0 || stderr != "" {
				t.Fatalf("exit code %d, stderr %q", code, stderr)
			}
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the answer differs from %s; look at it, and if it is right run go test ./cmd/daozhang -update\n%s", golden, firstDifference(got, string(want)))
			}
		})
	}
}

// TestExamplePage holds what the page shows, and that it is one file that needs
// neither script nor network.
func TestExamplePage(t *testing.T) {
	for lang, words := range map[string][]string{
		"en": {"¥1,189.06 of ¥10,947.00 has arrived", "Payout returned"},
		"zh": {"已到账 ¥1,189.06", "出款被退回"},
	} {
		page, stderr, code := run(t, &Main{}, "check", "examples/corner-shop", "-o", "html", "--lang", lang)
		t.Chdir(filepath.Join("cmd", "daozhang"))
		if code != 0 || stderr != "" {
			t.Fatalf("exit code %d, stderr %q", code, stderr)
		}
		for _, w := range append(words, "<svg", "¥6,759.20", "¥1,316.35", "606212000107", "606809000124") {
			if !strings.Contains(page, w) {
				t.Errorf("%s: the page lacks %q", lang, w)
			}
		}
		for _, w := range []string{"<script", "src=\"http", "<link", "@import", "url(http"} {
			if strings.Contains(page, w) {
				t.Errorf("%s: the page has %q", lang, w)
			}
		}
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got:  " + g[i] + "\nwant: " + w[i]
		}
	}
	return "one ends before the other"
}

// The samples in the READMEs are what the command prints.
const (
	sampleBegin = "<!-- the example's answer: go test ./cmd/daozhang -update -->\n```\n"
	sampleEnd   = "```\n<!-- end -->\n"
)

func TestReadmeSamples(t *testing.T) {
	for readme, golden := range map[string]string{"README.md": "check.en.txt", "README.zh-CN.md": "check.zh.txt"} {
		t.Run(readme, func(t *testing.T) {
			want, err := os.ReadFile(filepath.Join("testdata", "example", golden))
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Join("..", "..", readme)
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			before, rest, ok := strings.Cut(string(text), sampleBegin)
			got, after, ok2 := strings.Cut(rest, sampleEnd)
			if !ok || !ok2 {
				t.Fatal("the sample is not marked")
			}
			if got == string(want) {
				return
			}
			if !*update {
				t.Fatal("the sample is not what the command prints; run go test ./cmd/daozhang -update")
			}
			if err := os.WriteFile(name, []byte(before+sampleBegin+string(want)+sampleEnd+after), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}
