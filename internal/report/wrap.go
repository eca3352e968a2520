package report

import (
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

func init() {
	// Signs whose width East Asian settings leave open are one column wide, so
	// that a table is the same under every locale.
	text.OverrideRuneWidthEastAsianWidth(false)
}

// columns gives the width of a text on a terminal.
func columns(s string) int { return text.StringWidthWithoutEscSequences(s) }

// Wrap breaks a text into lines of at most width columns of a terminal: at spaces,
// between Chinese characters, else within a word that is too long.
func Wrap(s string, width int) []string { return wrap(s, width) }

// A line does not begin with the first nor end with the second of these.
const (
	noStart = "，。；：、！？）」』】》…,.;:!?)]%"
	noEnd   = "（「『【《(["
)

// wrap breaks a text into lines of at most width columns: at spaces, between
// Chinese characters, else within a word that is too long.
func wrap(s string, width int) []string {
	var lines []string
	for _, part := range strings.Split(s, "\n") {
		lines = append(lines, wrapLine(part, max(width, 4))...)
	}
	return lines
}

func wrapLine(s string, width int) []string {
	var lines []string
	runes := []rune(s)
	start := 0
	for start < len(runes) {
		used, end, at := 0, start, -1 // at: the last place to break
		for end < len(runes) {
			w := text.RuneWidth(runes[end])
			if used+w > width {
				break
			}
			used += w
			end++
			if end < len(runes) && mayBreak(runes[end-1], runes[end]) {
				at = end
			}
		}
		if end < len(runes) {
			switch {
			case runes[end] == ' ':
			case at > start:
				end = at
			case end == start:
				end++
			}
		}
		lines = append(lines, strings.TrimRight(string(runes[start:end]), " "))
		for start = end; start < len(runes) && runes[start] == ' '; start++ {
		}
	}
	if lines == nil {
		lines = []string{""}
	}
	return lines
}

// mayBreak reports whether a line may end after a and begin with b.
func mayBreak(a, b rune) bool {
	if strings.ContainsRune(noStart, b) || strings.ContainsRune(noEnd, a) {
		return false
	}
	return a == ' ' || text.RuneWidth(a) == 2 || text.RuneWidth(b) == 2 || a == '/' || a == '-'
}
