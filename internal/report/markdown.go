package report

import (
	"bufio"
	"io"
	"strings"

	"daozhang/internal/investigation"
)

const (
	markdownNeeds    = 200
	markdownProblems = 20
)

// Markdown writes the answer as the table does, for a wiki, a ticket or a
// document.
func Markdown(w io.Writer, a *investigation.Answer, o Options) error {
	m := &markdown{w: bufio.NewWriter(w), lang: o.Lang}
	d := digestOf(a, limits{needs: markdownNeeds})
	m.line("# " + escapeMarkdown(lead(d).In(o.Lang)))
	if d.count == 0 {
		m.line("\n" + escapeMarkdown(emptyAnswer(d).In(o.Lang)))
	}
	for _, s := range d.currencies {
		if d.count > 0 {
			m.line("\n**" + escapeMarkdown(headline(s).In(o.Lang)) + "**")
		}
	}
	for _, s := range d.currencies {
		if s.Count > 0 {
			m.block(moneyBlock(d, s))
		}
	}
	m.block(capped(incidentBlock(d, false), markdownNeeds))
	m.block(needsBlock(d, false))
	m.block(capped(accountBlock(d), markdownNeeds))
	m.block(problemBlock(d, markdownProblems))
	m.block(termsBlock(d, markdownProblems))
	return m.w.Flush()
}

type markdown struct {
	w    *bufio.Writer
	lang string
}

func (m *markdown) line(s string) { _, _ = m.w.WriteString(s + "\n") }

func (m *markdown) block(b block) {
	if len(b.Rows) == 0 {
		return
	}
	m.line("\n## " + escapeMarkdown(b.Title.In(m.lang)) + "\n")
	m.row(b.Head, "")
	rule := "|"
	for _, right := range b.Right {
		if right {
			rule += " ---: |"
		} else {
			rule += " --- |"
		}
	}
	m.line(rule)
	for _, r := range b.Rows {
		m.row(r, "")
	}
	for _, r := range b.Foot {
		m.row(r, "**")
	}
	for _, t := range b.After {
		m.line("\n" + escapeMarkdown(t.In(m.lang)))
	}
}

func (m *markdown) row(cells []Text, mark string) {
	line := "|"
	for _, c := range cells {
		s := escapeMarkdown(strings.TrimSpace(c.In(m.lang)))
		if s != "" {
			s = mark + s + mark
		}
		line += " " + s + " |"
	}
	m.line(line)
}

// markdownEscapes keep a text from being read as markup or as HTML.
var markdownEscapes = strings.NewReplacer(
	`\`, `\\`, "|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;", ">", "&gt;", "&", "&amp;", "[", `\[`, "]", `\]`, "~", `\~`, "#", `\#`, "!", `\!`, "\n", "<br>",
)

func escapeMarkdown(s string) string { return markdownEscapes.Replace(plainLines(s)) }
