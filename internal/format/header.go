package format

import (
	"bytes"
	"strings"
)

func cutLine(s string) (line, rest string) {
	line, rest, _ = strings.Cut(s, "\n")
	return strings.TrimSuffix(line, "\r"), rest
}

// headerLines is how far down a header is looked for.
const headerLines = 64

// delimiters are what parts cells where the table does not say it.
var delimiters = [...]byte{',', '\t', ';', '|'}

// headRow is one record of a Head, cut at a delimiter.
type headRow struct {
	line, next int // first line, and first line after it
	raw        string
	cells      []string
	names      []string // cells as headers are compared
}

// grid gives the first records of the head, cut at a delimiter.
func (h *Head) grid(delim byte) []headRow {
	if rows, ok := h.grids[delim]; ok {
		return rows
	}
	data := []byte(h.Text)
	b := &block{data: data, line: 1, quotes: bytes.IndexByte(data, '"') >= 0, final: true}
	var r records
	r.begin(b, delim)
	var rows []headRow
	for len(rows) < headerLines {
		more, _ := r.scan()
		if !more {
			break
		}
		row := headRow{line: r.line, next: r.next, raw: string(r.raw)}
		if len(r.cells) <= 4096 {
			for _, c := range r.cells {
				s := string(clean(c))
				row.cells = append(row.cells, s)
				row.names = append(row.names, normal(s))
			}
		}
		rows = append(rows, row)
	}
	if h.grids == nil {
		h.grids = map[byte][]headRow{}
	}
	h.grids[delim] = rows
	return rows
}

// normal gives a header as headers are compared: lower case, half width, and
// without space and the signs that people put around words.
func normal(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r >= '！' && r <= '～' { // full-width form of ASCII
			r -= '！' - '!'
		}
		switch {
		case r <= ' ', r == '_', r == '-', r == '"', r == '\'', r == '`', r == '.', r == ':', r == '#', r == '*',
			r == '\u00a0', r == '\u3000', r == '\ufeff':
			continue
		case r >= 'A' && r <= 'Z':
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

// layout is where a table's columns stand in one input.
type layout struct {
	delim  byte
	header *headRow
	at     []int // by column: its cell, or -1
	with   []int // by column: the cell that follows it, or -1
	width  int   // cells of the header
}

// names gives the table's headers as they are compared.
func (t *Table) names() (headers, with [][]string) {
	t.once.Do(func() {
		for _, c := range t.Columns {
			t.headers = append(t.headers, normalAll(c.Headers))
			t.withs = append(t.withs, normalAll(c.With))
		}
	})
	return t.headers, t.withs
}

func normalAll(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = normal(s)
	}
	return out
}

func (t *Table) delims() []byte {
	if t.Delimiter != 0 {
		return []byte{t.Delimiter}
	}
	return delimiters[:]
}

// find looks for the table's header; nil where it is not there.
func (t *Table) find(h *Head) *layout {
	if t.Fixed || t.NoHeader {
		return t.placed()
	}
	for _, delim := range t.delims() {
		rows := h.grid(delim)
		for i := range rows {
			if l, missing := t.match(&rows[i]); len(missing) == 0 {
				l.delim = delim
				return l
			}
		}
	}
	return nil
}

// placed is the layout of a table whose columns stand at known places.
func (t *Table) placed() *layout {
	l := &layout{delim: t.Delimiter, at: make([]int, len(t.Columns)), with: make([]int, len(t.Columns))}
	if l.delim == 0 {
		l.delim = ','
	}
	for i, c := range t.Columns {
		l.at[i], l.with[i] = c.At, -1
		if c.WithWidth > 0 || c.WithAt > 0 {
			l.with[i] = c.WithAt
		}
		if !t.Fixed {
			l.width = max(l.width, c.At+1, c.WithAt+1)
		}
	}
	return l
}

// match finds the columns in a header line, and says which required ones are
// missing. A cell serves one column; of the names of a column the first that
// is there counts.
func (t *Table) match(row *headRow) (*layout, []string) {
	headers, with := t.names()
	place := make(map[string][]int, len(row.names))
	for i, n := range row.names {
		if n != "" {
			place[n] = append(place[n], i)
		}
	}
	taken := make(map[int]bool, len(row.names))
	take := func(names []string, share bool) int {
		for _, n := range names {
			for _, i := range place[n] {
				if share || !taken[i] {
					taken[i] = true
					return i
				}
			}
		}
		return -1
	}
	l := &layout{header: row, width: len(row.cells), at: make([]int, len(t.Columns)), with: make([]int, len(t.Columns))}
	var missing []string
	for i, c := range t.Columns {
		l.at[i], l.with[i] = take(headers[i], false), -1
		if len(c.With) > 0 {
			if l.at[i] >= 0 {
				l.with[i] = take(with[i], true)
			}
			if l.with[i] == l.at[i] {
				l.with[i] = -1
			}
		}
		if l.at[i] < 0 && !c.Optional {
			missing = append(missing, inScriptOf(row.raw, c.Headers))
		}
	}
	return l, missing
}

// inScriptOf gives the first of the names that is written as the line is: in
// Chinese or not.
func inScriptOf(line string, names []string) string {
	chinese := func(s string) bool { return strings.ContainsFunc(s, func(r rune) bool { return r >= 0x3000 }) }
	for _, n := range names {
		if chinese(n) == chinese(line) {
			return n
		}
	}
	return names[0]
}

// Near says how many of the table's required columns a header line of the
// head has at most, out of how many, and which are missing.
func (t *Table) Near(h *Head) (have, want int, missing []string) {
	if t.Fixed || t.NoHeader {
		return 0, 0, nil
	}
	for _, c := range t.Columns {
		if !c.Optional {
			want++
		}
	}
	for _, delim := range t.delims() {
		rows := h.grid(delim)
		for i := range rows {
			if len(rows[i].cells) < 2 {
				continue
			}
			if _, miss := t.match(&rows[i]); missing == nil || want-len(miss) > have {
				have, missing = want-len(miss), miss
			}
		}
	}
	return have, want, missing
}
