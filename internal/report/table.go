package report

import (
	"bufio"
	"cmp"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"daozhang/internal/investigation"
)

// ruleEnd ends a line of a rule that spans the gap after the last column.
var ruleEnd = strings.Repeat("─", gap) + "\n"

const (
	narrowest = 60
	usual     = 80 // where no terminal tells its width
	widest    = 160
	// unfolded is the width from which each fact of a payment has its own column.
	unfolded = 118
	// shownNeeds is how many payments that need someone the terminal shows.
	shownNeeds     = 20
	shownIncidents = 10
	shownAccounts  = 20
	gap            = 2 // columns between columns
)

// Table writes the answer for someone at a terminal: the headline, the money by
// place, incidents, the payments that need someone, and what was wrong with the
// input. It fits o.Width columns, 80 where that is 0.
func Table(w io.Writer, a *investigation.Answer, o Options) error {
	width := usual
	if o.Width > 0 {
		width = min(max(o.Width, narrowest), widest)
	}
	p := &pen{w: bufio.NewWriter(w), lang: o.Lang, color: o.Color, width: width}
	d := digestOf(a, limits{needs: cmp.Or(o.Needs, shownNeeds)})
	d.server, d.command, d.over = o.Server, cmp.Or(o.Command, d.command), o.Over
	p.say(lead(d), strong)
	p.line("")
	if d.count == 0 {
		p.say(emptyAnswer(d), "")
	}
	for _, s := range d.currencies {
		if d.count > 0 {
			p.say(headline(s), "")
		}
	}
	for _, s := range d.currencies {
		if s.Count > 0 {
			p.block(moneyBlock(d, s))
		}
	}
	p.block(capped(incidentBlock(d, width < unfolded), shownIncidents))
	p.block(needsBlock(d, width < unfolded))
	p.block(capped(accountBlock(d), shownAccounts))
	p.block(problemBlock(d, shownProblems))
	p.block(termsBlock(d, shownProblems))
	return p.w.Flush()
}

// Sequences that colour a terminal.
const (
	strong = "\x1b[1m"
	dim    = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	blue   = "\x1b[36m"
	reset  = "\x1b[0m"
)

func (t Tone) sequence() string {
	switch t {
	case good:
		return green
	case waiting:
		return blue
	case bad:
		return red
	}
	return ""
}

// pen writes text for one reader's terminal. Errors stay in w until Flush.
type pen struct {
	w     *bufio.Writer
	lang  string
	color bool
	width int
}

func (p *pen) line(s string) {
	_, _ = p.w.WriteString(s)
	_ = p.w.WriteByte('\n')
}

// paint colours a text where the reader wants that.
func (p *pen) paint(s, sequence string) string {
	if !p.color || sequence == "" || s == "" {
		return s
	}
	return sequence + s + reset
}

// say writes a text in as many lines as it needs.
func (p *pen) say(t Text, sequence string) {
	for _, l := range wrap(plain(t.In(p.lang)), p.width) {
		p.line(p.paint(l, sequence))
	}
}

// block writes a block that has rows.
func (p *pen) block(b block) {
	if len(b.Rows) == 0 {
		return
	}
	p.line("")
	p.say(b.Title, strong)
	for _, t := range b.Before {
		p.say(t, "")
	}
	p.table(b)
	for _, t := range b.After {
		p.say(t, dim)
	}
}

func (p *pen) table(b block) {
	all := append([][]Text{b.Head}, b.Rows...)
	all = append(all, b.Foot...)
	widths := p.fit(all, b.Wide)
	t := table.NewWriter()
	t.SetStyle(table.Style{
		Box:     table.BoxStyle{MiddleHorizontal: "─", MiddleSeparator: "─", MiddleVertical: " ", PaddingRight: strings.Repeat(" ", gap), UnfinishedRow: "~"},
		Options: table.Options{SeparateHeader: true, SeparateFooter: true},
	})
	config := make([]table.ColumnConfig, len(b.Head))
	for i := range config {
		align := text.AlignLeft
		if b.Right[i] {
			align = text.AlignRight
		}
		config[i] = table.ColumnConfig{Number: i + 1, Align: align, AlignHeader: align, AlignFooter: align, WidthMin: widths[i]}
	}
	t.SetColumnConfigs(config)
	row := func(cells []Text, paint func(i int, s string) string) table.Row {
		out := make(table.Row, len(cells))
		for i, c := range cells {
			lines := wrapCell(c.In(p.lang), widths[i])
			for n, l := range lines {
				lines[n] = paint(i, l)
			}
			out[i] = strings.Join(lines, "\n")
		}
		return out
	}
	same := func(sequence string) func(int, string) string {
		return func(_ int, s string) string { return p.paint(s, sequence) }
	}
	t.AppendHeader(row(b.Head, same(dim)))
	for n, cells := range b.Rows {
		sequence := ""
		if n < len(b.Tones) {
			sequence = b.Tones[n].sequence()
		}
		t.AppendRow(row(cells, func(i int, s string) string {
			if i == 0 || i == p.toned(b) {
				return p.paint(s, sequence)
			}
			return s
		}))
	}
	for _, cells := range b.Foot {
		t.AppendFooter(row(cells, same(strong)))
	}
	for l := range strings.Lines(t.Render() + "\n") {
		// The last column has no gap after it.
		p.line(strings.TrimRight(strings.Replace(l, ruleEnd, "\n", 1), " \n"))
	}
}

// toned is the column besides the first that shows a row's tone.
func (p *pen) toned(b block) int {
	if len(b.Head) >= 7 {
		return 4
	}
	return 2
}

// wrapCell keeps the indent of a cell in its further lines.
func wrapCell(s string, width int) []string {
	indent := len(s) - len(strings.TrimLeft(s, " "))
	if indent == 0 || indent >= width {
		return wrap(plainLines(s), width)
	}
	lines := wrap(plainLines(s[indent:]), width-indent)
	for i := range lines {
		lines[i] = s[:indent] + lines[i]
	}
	return lines
}

// plainLines is plain for a cell of several lines.
func plainLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = plain(lines[i])
	}
	return strings.Join(lines, "\n")
}

// fit gives each column its width: what it needs, or, where that is too much,
// less for those that may be broken, the widest first.
func (p *pen) fit(rows [][]Text, wide []bool) []int {
	widths := make([]int, len(wide))
	for _, r := range rows {
		for i, c := range r {
			for _, l := range strings.Split(c.In(p.lang), "\n") {
				widths[i] = max(widths[i], columns(l))
			}
		}
	}
	total := gap * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for total > p.width {
		at := -1
		for i, w := range widths {
			if wide[i] && w > 8 && (at < 0 || w > widths[at]) {
				at = i
			}
		}
		if at < 0 {
			break
		}
		widths[at]--
		total--
	}
	return widths
}
