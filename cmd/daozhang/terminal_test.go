package main

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

// onTerminal says that a stream is a terminal of so many columns.
func onTerminal(width int) func(any) (int, bool) {
	return func(any) (int, bool) { return width, true }
}

func TestColour(t *testing.T) {
	for name, tc := range map[string]struct {
		env      map[string]string
		terminal func(any) (int, bool)
		colour   bool
	}{
		"terminal":      {nil, onTerminal(120), true},
		"NO_COLOR":      {map[string]string{"NO_COLOR": "1"}, onTerminal(120), false},
		"dumb terminal": {map[string]string{"TERM": "dumb"}, onTerminal(120), false},
		"pipe":          {nil, nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			out, _, code := run(t, &Main{Terminal: tc.terminal, Getenv: func(k string) string { return tc.env[k] }}, "check", "examples/corner-shop")
			if code != 0 {
				t.Fatalf("exit code %d", code)
			}
			if got := strings.Contains(out, "\x1b["); got != tc.colour {
				t.Errorf("coloured is %v, want %v", got, tc.colour)
			}
		})
	}
}

func TestSpreadsheetNeedsFile(t *testing.T) {
	_, stderr, code := run(t, &Main{Terminal: onTerminal(80)}, "check", "examples/corner-shop", "-o", "xlsx")
	if code != 2 || !strings.Contains(stderr, "--out answer.xlsx") {
		t.Errorf("exit code %d, stderr %q", code, stderr)
	}
}

// Progress is a line every five seconds where there is no terminal, and nothing
// for work that is shorter.
func TestProgressLines(t *testing.T) {
	var stderr strings.Builder
	at := now
	m := &Main{Stderr: &stderr, Now: func() time.Time { return at }, Terminal: func(any) (int, bool) { return 0, false }}
	tell, stop := m.progress()
	for s := range 13 {
		at = now.Add(time.Duration(s) * time.Second)
		tell(int64(s)<<20, 100<<20)
	}
	stop()
	if got, want := stderr.String(), "reading: 5 of 100 MB\nreading: 10 of 100 MB\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestProgressBar(t *testing.T) {
	var stderr strings.Builder
	at := now
	m := &Main{Stderr: &stderr, Now: func() time.Time { return at }, Terminal: onTerminal(80)}
	tell, stop := m.progress()
	tell(1, 100)
	if stderr.Len() != 0 {
		t.Errorf("short work draws %q", stderr.String())
	}
	at = now.Add(time.Second)
	tell(50, 100)
	stop()
	if !strings.Contains(stderr.String(), "reading") || !strings.Contains(stderr.String(), "\r") {
		t.Errorf("no bar: %q", stderr.String())
	}
}

func TestLanguage(t *testing.T) {
	for _, tc := range []struct {
		args []string
		env  map[string]string
		want string
	}{
		{nil, nil, "en"},
		{nil, map[string]string{"LANG": "zh_CN.UTF-8"}, "zh"},
		{nil, map[string]string{"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"},
		{nil, map[string]string{"LANG": "de_DE", "LC_MESSAGES": "zh_TW"}, "zh"},
		{[]string{"check", "--lang", "zh"}, nil, "zh"},
		{[]string{"check", "--lang=en"}, map[string]string{"LANG": "zh_CN"}, "en"},
		{[]string{"check", "--", "--lang=zh"}, nil, "en"},
		{[]string{"check", "--lang"}, nil, "en"},
	} {
		m := &Main{Getenv: func(k string) string { return tc.env[k] }}
		if got := m.language(tc.args); got != tc.want {
			t.Errorf("%v %v: %s, want %s", tc.args, tc.env, got, tc.want)
		}
	}
}

// Every command says in both languages what it does, and shows an example.
func TestEveryCommandIsExplained(t *testing.T) {
	for _, lang := range []string{"en", "zh"} {
		m := &Main{lang: lang}
		var look func(c *cobra.Command)
		look = func(c *cobra.Command) {
			if c.Short == "" || c.Example == "" && c.Parent().Name() != "completion" && c.Name() != "help" {
				t.Errorf("%s (%s): no short text or no example", c.CommandPath(), lang)
			}
			if chinese := strings.ContainsFunc(c.Short, func(r rune) bool { return r >= 0x4e00 }); chinese != (lang == "zh") && c.Parent().Name() != "completion" {
				t.Errorf("%s (%s): its text is in another language: %s", c.CommandPath(), lang, c.Short)
			}
			for _, sub := range c.Commands() {
				look(sub)
			}
		}
		for _, c := range m.root().Commands() {
			look(c)
		}
	}
}
