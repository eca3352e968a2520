package report

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/money"
)

// Span is a stretch of time, half open, 0 where it has no end; in addresses it
// bounds a list.
type Span struct{ From, To evidence.Instant }

// ArrivalDay is what is expected to arrive by the end of a bank day, and after the
// end of the one before it.
type ArrivalDay struct {
	Date   calendar.Date
	Name   Text // weekday and date
	Count  int
	Amount string // "" where nothing is expected
	Span   Span
	// Provisional tells that no official notice says yet that it is a bank day.
	Provisional bool

	minor int64
}

// Arrivals is what the next bank days bring in one currency.
type Arrivals struct {
	Days    []ArrivalDay
	Total   string
	Count   int
	Picture template.HTML
}

// AgeMatrix is the overdue payments by cause and by how many bank days their leg is
// past its promise.
type AgeMatrix struct {
	Ages  []AgeColumn
	Rows  []AgeRow
	Total []AgeCell // of each column; the last of all
}

// AgeColumn is one stretch of ages; Span bounds the due times that belong to it.
type AgeColumn struct {
	Name Text
	Span Span
}

// AgeRow is one cause. Code is "" where nothing tells why.
type AgeRow struct {
	Code  string
	Cause Text
	Cells []AgeCell // one for each column, then that of the row
}

// AgeCell is what one cause has kept for so long: Heat says from 0 to 4 how much that is
// beside the others.
type AgeCell struct {
	Count  int
	Amount string
	Heat   int

	sums map[money.Currency]int64
}

// BankDelay is how long one bank has taken from our sending to its booking.
type BankDelay struct {
	Bank    string // "" where no account's bank is known
	Count   int
	Usual   Text // the middle one, in bank days
	Slowest Text // nine of ten were no slower
	Picture template.HTML
	// Shares are how many took 0, 1, 2, 3, 4 and more bank days.
	Shares []int
}

// Freshness is how far one kind of fact has been told.
type Freshness struct {
	What    Text
	Sources int
	Facts   int
	Last    Moment
	// Lag is how long ago that was, at the moment of the page.
	Lag Text
	// Quiet names the source that has told nothing for the longest time, where there
	// are several.
	Quiet     string
	QuietLast Moment
}

// clerk is who makes the pictures of one moment: the bank days that hold, and the
// zone in which dates are meant.
type clerk struct {
	c      *investigation.Current
	now    evidence.Instant
	offset int16
	days   *calendar.Calendar
	today  calendar.Date
}

func clerkOf(c *investigation.Current) clerk {
	a := c.Around()
	k := clerk{c: c, now: c.AsOf(), offset: a.Offset}
	if days, ok := a.Match.Book.Calendar("CN"); ok {
		k.days = days
	} else {
		k.days, _ = calendar.Builtin("CN")
	}
	k.today = calendar.DateOf(k.now.Unix(), int(k.offset)*60)
	return k
}

// begin is the moment at which a date begins.
func (k *clerk) begin(d calendar.Date) evidence.Instant {
	return evidence.InstantOf(time.Unix(d.Unix(int(k.offset)*60), 0))
}

var weekdays = [...]Text{tx("Sun", "周日"), tx("Mon", "周一"), tx("Tue", "周二"), tx("Wed", "周三"), tx("Thu", "周四"), tx("Fri", "周五"), tx("Sat", "周六")}

func dayName(d calendar.Date) Text {
	return join(weekdays[d.Weekday()], same(" "+d.String()[5:]))
}

// shownDays is how many bank days ahead the overview looks.
const shownDays = 5

// arrivals gives the next bank days by currency.
func (k *clerk) arrivals() map[money.Currency]*Arrivals {
	dates := make([]calendar.Date, shownDays)
	spans := make([]Span, shownDays)
	from, d := k.now, k.days.NextOnOrAfter(k.today)
	for i := range dates {
		dates[i] = d
		spans[i] = Span{from, k.begin(d.Add(1))}
		from, d = spans[i].To, k.days.AddBusinessDays(d, 1)
	}
	all := map[money.Currency]*Arrivals{}
	k.c.EachExpected(spans[shownDays-1].To, func(at evidence.Instant, currency money.Currency, missing int64) {
		i := slices.IndexFunc(spans, func(s Span) bool { return at < s.To })
		a := all[currency]
		if a == nil {
			a = &Arrivals{Days: make([]ArrivalDay, shownDays)}
			all[currency] = a
		}
		a.Days[i].Count++
		a.Days[i].minor += missing
	})
	for currency, a := range all {
		var total int64
		for i := range a.Days {
			day := &a.Days[i]
			day.Date, day.Name, day.Span, day.Provisional = dates[i], dayName(dates[i]), spans[i], k.days.Provisional(dates[i])
			if day.Count > 0 {
				day.Amount = amount(day.minor, currency)
			}
			a.Count += day.Count
			total += day.minor
		}
		a.Days[0].Span.From = 0 // what was expected before and has not come is expected now
		a.Total = amount(total, currency)
		a.Picture = bars(a.Days)
	}
	return all
}

// bars draws the days as columns.
func bars(days []ArrivalDay) template.HTML {
	const width, tall, top, foot = 560.0, 120.0, 24.0, 40.0
	var most int64
	for i := range days {
		most = max(most, days[i].minor)
	}
	if most == 0 {
		return ""
	}
	step := width / float64(len(days))
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="arrivals" viewBox="0 0 %.0f %.0f" aria-hidden="true" focusable="false">`, width, top+tall+foot)
	fmt.Fprintf(&b, `<line class="axis" x1="0" x2="%.0f" y1="%.1f" y2="%.1f"/>`, width, top+tall, top+tall)
	for i := range days {
		d := &days[i]
		middle := step * (float64(i) + 0.5)
		h := float64(d.minor) / float64(most) * tall
		if d.Count > 0 {
			h = max(h, 1.5)
			fmt.Fprintf(&b, `<rect class="s-way" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="2"/>`, middle-step*0.3, top+tall-h, step*0.6, h)
			svgText(&b, "name", middle, top+tall-h-7, 13, "middle", same(d.Amount))
		}
		svgText(&b, "name", middle, top+tall+17, 12.5, "middle", d.Name)
		svgText(&b, "figure", middle, top+tall+33, 11.5, "middle", payments(d.Count))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// ageBounds are the greatest ages of the columns, in bank days; the last column has
// none.
var ageBounds = []struct {
	most int
	name Text
}{{0, tx("today", "当日")}, {1, tx("1 bank day", "1个工作日")}, {3, tx("2–3", "2–3个")}, {5, tx("4–5", "4–5个")}, {10, tx("6–10", "6–10个")}, {-1, tx("over 10", "10个以上")}}

// ages gives the matrix of what is overdue; nil where nothing is.
func (k *clerk) ages() *AgeMatrix {
	m := &AgeMatrix{}
	var to evidence.Instant
	for _, b := range ageBounds {
		col := AgeColumn{Name: b.name, Span: Span{To: to}}
		if b.most >= 0 {
			first := k.today
			for k.days.BusinessDaysBetween(first.Add(-1), k.today) <= b.most {
				first = first.Add(-1)
			}
			col.Span.From = k.begin(first)
			to = col.Span.From
		}
		m.Ages = append(m.Ages, col)
	}
	rows := map[string]*AgeRow{}
	width := len(m.Ages) + 1
	k.c.EachLate(func(l investigation.Late) {
		code, name := "", tx("nothing on record tells", "记录不能说明")
		if l.Cause != nil {
			code, name = l.Cause.Code, l.Cause.Title
		}
		r := rows[code]
		if r == nil {
			r = &AgeRow{Code: code, Cause: name, Cells: make([]AgeCell, width)}
			rows[code] = r
		}
		at := slices.IndexFunc(m.Ages, func(c AgeColumn) bool { return l.Due >= c.Span.From })
		r.Cells[at].add(l)
		r.Cells[width-1].add(l)
	})
	if len(rows) == 0 {
		return nil
	}
	m.Total = make([]AgeCell, width)
	most := 0
	for _, r := range rows {
		for i := range r.Cells {
			m.Total[i].take(&r.Cells[i])
			if i < width-1 {
				most = max(most, r.Cells[i].Count)
			}
		}
		m.Rows = append(m.Rows, *r)
	}
	slices.SortFunc(m.Rows, func(a, b AgeRow) int {
		return cmp.Or(cmp.Compare(b.Cells[width-1].Count, a.Cells[width-1].Count), strings.Compare(a.Code, b.Code))
	})
	for i := range m.Rows {
		for j := range m.Rows[i].Cells {
			c := &m.Rows[i].Cells[j]
			c.settle()
			if j < width-1 && c.Count > 0 {
				c.Heat = 1 + 3*c.Count/most
			}
		}
	}
	for i := range m.Total {
		m.Total[i].settle()
	}
	return m
}

func (c *AgeCell) add(l investigation.Late) {
	if c.sums == nil {
		c.sums = map[money.Currency]int64{}
	}
	c.Count++
	c.sums[l.Currency] += l.Missing
}

func (c *AgeCell) take(o *AgeCell) {
	if c.sums == nil {
		c.sums = map[money.Currency]int64{}
	}
	c.Count += o.Count
	for currency, n := range o.sums {
		c.sums[currency] += n
	}
}

func (c *AgeCell) settle() {
	var parts []string
	for currency, n := range c.sums {
		parts = append(parts, amount(n, currency))
	}
	slices.Sort(parts)
	c.Amount = strings.Join(parts, " + ")
}

// slowDays is from how many bank days on a credit is counted in the last bar.
const slowDays = 4

// delays gives how long banks have taken, those with the most payouts first.
func (k *clerk) delays() []BankDelay {
	took := map[string][]int{}
	k.c.EachCredit(func(bank string, days int) { took[bank] = append(took[bank], days) })
	var list []BankDelay
	for bank, days := range took {
		slices.Sort(days)
		d := BankDelay{Bank: bank, Count: len(days), Usual: bankDays(days[len(days)/2]), Slowest: bankDays(days[(len(days)*9-1)/10]), Shares: make([]int, slowDays+1)}
		for _, n := range days {
			d.Shares[min(n, slowDays)]++
		}
		d.Picture = shareBars(d.Shares, d.Count)
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b BankDelay) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Bank, b.Bank))
	})
	return list
}

func bankDays(n int) Text {
	if n == 0 {
		return tx("the same day", "当日")
	}
	return tx(fmt.Sprintf("%d bank %s", n, plural(n, "day", "days")), fmt.Sprintf("%d个工作日", n))
}

// shareBars draws how many payouts took 0, 1, 2, 3, 4 and more bank days, all banks
// to one scale: the share of the bank's own.
func shareBars(shares []int, whole int) template.HTML {
	const width, tall, top, foot = 200.0, 48.0, 14.0, 16.0
	step := width / float64(len(shares))
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %.0f %.0f" aria-hidden="true" focusable="false"><line class="axis" x1="0" x2="%.0f" y1="%.1f" y2="%.1f"/>`, width, top+tall+foot, width, top+tall, top+tall)
	for i, n := range shares {
		middle := step * (float64(i) + 0.5)
		h := float64(n) / float64(whole) * tall
		if n > 0 {
			h = max(h, 1.5)
			class := "s-come"
			if i >= 2 {
				class = "s-late"
			}
			fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="1.5"/>`, class, middle-step*0.32, top+tall-h, step*0.64, h)
			svgText(&b, "figure", middle, top+tall-h-3, 10, "middle", same(grouped(n)))
		}
		name := fmt.Sprint(i)
		if i == len(shares)-1 {
			name = "≥ " + name
		}
		svgText(&b, "figure", middle, top+tall+12, 10, "middle", same(name))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// freshness gives how far each kind of fact has been told, in the order of the
// contract.
func (k *clerk) freshness() []Freshness {
	var list []Freshness
	var what evidence.Type
	var quietest investigation.Told
	settle := func() {
		if n := len(list) - 1; n >= 0 && list[n].Sources > 1 {
			list[n].Quiet, list[n].QuietLast = plain(quietest.Name), momentIn(quietest.Last, k.now, quietest.Offset)
		}
	}
	for _, s := range k.c.Sources() {
		if len(list) == 0 || s.What != what {
			settle()
			what = s.What
			list = append(list, Freshness{What: factWord(s.What), Last: momentIn(s.Last, k.now, s.Offset), Lag: lag(k.now.Sub(s.Last))})
		}
		l := &list[len(list)-1]
		l.Sources++
		l.Facts += s.Facts
		quietest = s // the latest stand first
	}
	settle()
	return list
}

// lag says how long something is ago.
func lag(d time.Duration) Text {
	switch n := int(d / time.Minute); {
	case n < 1:
		return tx("just now", "刚刚")
	case n < 120:
		return tx(fmt.Sprintf("%d min ago", n), fmt.Sprintf("%d分钟前", n))
	case n < 48*60:
		return tx(fmt.Sprintf("%d hours ago", n/60), fmt.Sprintf("%d小时前", n/60))
	default:
		return tx(fmt.Sprintf("%d days ago", n/1440), fmt.Sprintf("%d天前", n/1440))
	}
}
