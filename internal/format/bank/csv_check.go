package bank

import (
	"sort"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// balanceStep is a row's amount and the balance after it.
type balanceStep struct{ net, balance int64 }

// chain follows the running balance in one order of rows.
type chain struct {
	links, broken int
	brokenAt      int // line of the first break
}

func (c *chain) link(ok bool, line int) {
	c.links++
	if !ok {
		c.broken++
		if c.brokenAt == 0 {
			c.brokenAt = line
		}
	}
}

// follow checks that the balance of the row before leads to this one's.
func (p *csvPart) follow(c *csvDoc, r *csvRow, e *entry, net int64, cur money.Currency, out *format.Out) {
	if p.firstDay == calendar.None {
		p.firstDay = e.booking
	} else {
		p.rising = p.rising && e.booking >= p.lastDay
		p.falling = p.falling && e.booking <= p.lastDay
	}
	p.lastDay = e.booking
	if e.pending {
		return
	}
	if net >= 0 {
		p.credits += net
	} else {
		p.debits -= net
	}
	if r.balance == "" {
		return
	}
	b, _, err := money.ParseDecimalRound(r.balance, cur.Exponent(), c.style)
	if err != nil {
		if p.unread++; p.unread == 1 {
			out.Warn(r.line, fault.Say("the balance cannot be read; running balances are not checked from here", "余额无法读取，此行以下不再核对余额"))
		}
		return
	}
	step := balanceStep{net, b}
	if p.balances++; p.balances == 1 {
		p.first = step
	} else {
		up, ok := money.Add(p.last.balance, step.net)
		p.older.link(ok && up == step.balance, r.line)
		down, ok := money.Add(step.balance, p.last.net)
		p.newer.link(ok && down == p.last.balance, r.line)
	}
	p.last = step
}

func closeCSV(doc *format.Doc, out *format.Out) {
	c, ok := doc.State.(*csvDoc)
	if !ok {
		return
	}
	c.flush(doc.In, out)
	sort.Strings(c.keys)
	for _, key := range c.keys {
		c.closePart(c.parts[key], out)
	}
	for _, key := range c.keys {
		if p := c.parts[key]; p.s.account == unknownAccount {
			out.Warn(p.s.line, fault.Say("the file names no account here: its entries stand on the account \"unknown\", and only references join them to payouts", "文件未写账号：这些流水记在账号 unknown 下，只能凭参考号与出款对上"))
			break
		}
	}
}

// closePart checks what a file says about one account as a whole.
func (c *csvDoc) closePart(p *csvPart, out *format.Out) {
	s := p.s
	single := len(c.keys) == 1
	s.complete = p.unread == 0
	if single && c.lines.total > 0 && c.total[0] != "" {
		for i, v := range []int64{p.credits, p.debits} {
			stated, _, err := money.ParseDecimalRound(c.total[i], s.currency.Exponent(), c.style)
			if err != nil || stated != v && stated != -v {
				out.Warn(c.lines.total, fault.Say("the file sums its %s to %s, but they make %s", "文件的%s合计写 %s，明细之和为 %s", sides[i],
					strings.TrimSpace(c.total[i]), money.Format(v, s.currency)))
				s.complete = false
			}
		}
	}
	s.from, s.to = c.period(p)
	best, newest := &p.older, false
	if p.newer.broken < p.older.broken || p.newer.broken == p.older.broken && p.falling && !p.rising {
		best, newest = &p.newer, true
	}
	if best.broken > 0 {
		out.Warn(best.brokenAt, fault.Say("%s: its running balance does not lead from row to row: %d of %d steps do not fit, the first one here; nothing is taken as complete",
			"%s：余额逐行对不上，%d 处不符（共 %d 处），首处在此；不视为完整账单",
			s.describe(), best.broken, best.links))
		s.complete = false
	}
	if p.balances > 0 && p.unread == 0 && best.broken == 0 {
		begin, end := p.first, p.last
		if newest {
			begin, end = end, begin
		}
		if opening, ok := money.Sub(begin.balance, begin.net); ok {
			s.opening = balance{given: true, amount: opening, currency: s.currency, date: calendar.None}
			s.closing = balance{given: true, amount: end.balance, currency: s.currency, date: calendar.None}
		}
	}
	stated := func(text string, to *balance) {
		if v, _, err := money.ParseDecimalRound(text, s.currency.Exponent(), c.style); err == nil && text != "" {
			*to = balance{given: true, amount: v, currency: s.currency, date: calendar.None}
		}
	}
	if single {
		stated(c.opening, &s.opening)
		stated(c.closing, &s.closing)
	}
	if s.opening.given != s.closing.given {
		s.complete = false
	}
	if !s.opening.given || !s.closing.given {
		return // most such files have no balances; nothing is missing
	}
	s.finish(out)
}

// period gives the days that are surely complete: those the file names, else
// those between its first and its last row, whose days may be cut.
func (c *csvDoc) period(p *csvPart) (from, to calendar.Date) {
	a, _, ok1 := parseDate(c.from, c.order)
	b, _, ok2 := parseDate(c.to, c.order)
	if ok1 && ok2 && a <= b {
		return a, b
	}
	if p.firstDay == calendar.None || !p.rising && !p.falling {
		return calendar.None, calendar.None
	}
	return min(p.firstDay, p.lastDay).Add(1), max(p.firstDay, p.lastDay).Add(-1)
}
