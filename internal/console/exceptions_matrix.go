package console

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"daozhang/internal/desk"
	"daozhang/internal/money"
)

// matrix is age × cause.
type matrix struct {
	Open   bool
	Ages   []choice // Value is the address that filters
	Rows   []matrixRow
	Totals []cell // one an age and one of all
}

type matrixRow struct {
	Head  choice
	Cells []cell
	Total cell
}

// cell is one figure that leads to its rows. Name says all of it for who does not
// see where it stands.
type cell struct {
	Count, Amount, Name string
	Link                templ.SafeURL
	Shade               string // a class; "" for none
	Now                 bool   // the list is narrowed to it
}

// fillMatrix makes the picture of an inbox. It is of all that the other filters
// leave: what it narrows to stands among what it narrows from. The causes that there
// are make the choices of the filter.
func (c *Console) fillMatrix(v *visit, p *exceptionsPage, q url.Values, b *desk.Board, f desk.Filter) {
	f.Causes, f.Ages = nil, nil
	m := b.Matrix(f)
	for i := range m.Rows {
		p.Causes = append(p.Causes, choice{m.Rows[i].Cause, c.causeTitle(v, m.Rows[i].Cause)})
	}
	if m.Total.All.Count == 0 {
		return
	}
	p.Matrix = c.matrixOf(v, q, m)
	slices.SortFunc(p.Causes, func(a, b choice) int { return strings.Compare(a.Word, b.Word) })
}

// allAges is the band of the column that adds them up.
const allAges = desk.Bands

func (c *Console) matrixOf(v *visit, q url.Values, m *desk.Matrix) *matrix {
	g := grid{v: v, q: q, cause: q.Get("cause"), age: q.Get("age"), most: mostAtRisk(m)}
	out := &matrix{Open: true}
	for b := range desk.Bands {
		out.Ages = append(out.Ages, choice{string(exceptionsLink(with(q, "age", b.String()))), desk.BandText(b).In(v.lang)})
	}
	for i := range m.Rows {
		r := &m.Rows[i]
		title := c.causeTitle(v, r.Cause)
		row := matrixRow{Head: choice{string(exceptionsLink(with(with(q, "age", ""), "cause", r.Cause))), title}, Total: g.cell(r.Cause, title, allAges, &r.All, false)}
		for b := range desk.Bands {
			row.Cells = append(row.Cells, g.cell(r.Cause, title, b, &r.Cells[b], true))
		}
		out.Rows = append(out.Rows, row)
	}
	every := v.say("all causes", "全部原因")
	for b := range desk.Bands {
		out.Totals = append(out.Totals, g.cell("", every, b, &m.Total.Cells[b], false))
	}
	out.Totals = append(out.Totals, g.cell("", every, allAges, &m.Total.All, false))
	return out
}

// grid makes cells under one query.
type grid struct {
	v          *visit
	q          url.Values
	cause, age string
	most       map[money.Currency]int64
}

func (g *grid) cell(cause, title string, b desk.Band, of *desk.Cell, shade bool) cell {
	if of.Count == 0 {
		return cell{}
	}
	age, word := "", g.v.say("all ages", "全部账龄")
	if b != allAges {
		age, word = b.String(), desk.BandText(b).In(g.v.lang)
	}
	out := cell{Count: strconv.Itoa(of.Count), Amount: amounts(of.Sums), Link: exceptionsLink(with(with(g.q, "age", age), "cause", cause)),
		Now: (age != "" || cause != "") && age == g.age && cause == g.cause}
	out.Name = title + ", " + word + ": " + out.Count
	if out.Amount != "" {
		out.Name += ", " + out.Amount
	}
	if shade {
		out.Shade = g.shade(of)
	}
	return out
}

// shade is how dark a cell is: by its share of the greatest of its currency.
func (g *grid) shade(of *desk.Cell) string {
	level := int64(0)
	for currency, n := range of.Sums {
		if most := g.most[currency]; most > 0 {
			level = max(level, 1+3*n/most)
		}
	}
	if level == 0 {
		return ""
	}
	return "heat-" + strconv.FormatInt(min(level, 4), 10)
}

func mostAtRisk(m *desk.Matrix) map[money.Currency]int64 {
	most := map[money.Currency]int64{}
	for i := range m.Rows {
		for b := range m.Rows[i].Cells {
			for currency, n := range m.Rows[i].Cells[b].Sums {
				most[currency] = max(most[currency], n)
			}
		}
	}
	return most
}
