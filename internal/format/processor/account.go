package processor

import (
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
)

// accountBill is a bill of the movements of a merchant's account at a wallet,
// with the balance after each: it is read as a bank's statement is.
type accountBill struct {
	table, bank  string
	account, mid string
	rows         sum // signed
	in, out      sum // not negative
	from, to     calendar.Date
	last         dated
	torn, footed bool
	footer       []string // names of the totals, where a line has them
	// Rows stand from the first to the last movement or the other way round;
	// the balances tell which.
	first, latest chained
	up, down      brokenChain
}

// chained is the balance before and after a movement.
type chained struct{ before, after int64 }

// brokenChain counts the rows whose balance does not follow.
type brokenChain struct{ rows, line int }

func (c *brokenChain) note(broken bool, line int) {
	if !broken {
		return
	}
	if c.rows == 0 {
		c.line = line
	}
	c.rows++
}

// movement is one row of such a bill.
type movement struct {
	when       dated
	credit     bool
	amount     int64
	balance    int64
	hasBalance bool
	ref        string // the account's own number of the movement
	references []string
	text       string
}

// book commits a movement as a bank entry; it reports whether it did.
func (b *accountBill) book(row *format.Row, out *format.Out, m movement) bool {
	d := out.Begin(evidence.BankEntry)
	err := row.Put(d, "")
	d.SetTime(m.when.at, m.when.offset)
	seen := map[string]bool{"": true}
	for _, ref := range m.references {
		if !seen[ref] {
			d.PutItem(evidence.References, ref)
		}
		seen[ref] = true
	}
	direction := "debit"
	if m.credit {
		direction = "credit"
	}
	if err = firstError(err,
		putWord(d, evidence.MID, b.mid),
		d.PutString(evidence.Account, b.account),
		d.PutString(evidence.Bank, b.bank),
		d.PutInt(evidence.Amount, m.amount),
		d.PutString(evidence.Direction, direction),
		d.PutString(evidence.StatusField, "booked"),
		d.PutString(evidence.EntryRef, strings.Trim(m.ref, "/")),
		d.PutDate(evidence.BookingDate, m.when.date()),
		putWord(d, evidence.Text, strings.Join(strings.Fields(m.text), " ")),
	); err != nil {
		out.Reject(row.Line, fault.Reason(err))
		return false
	}
	if !out.Commit(d, row.Line) {
		return false
	}
	b.add(row.Line, m)
	return true
}

func (b *accountBill) add(line int, m movement) {
	delta := m.amount
	if m.credit {
		b.in.add(m.amount)
	} else {
		delta = -delta
		b.out.add(m.amount)
	}
	b.torn = b.torn || !m.hasBalance
	now := chained{m.balance - delta, m.balance}
	day := m.when.date()
	if b.rows.count == 0 {
		b.first, b.from, b.to = now, day, day
	} else {
		b.up.note(now.before != b.latest.after, line)
		b.down.note(now.after != b.latest.before, line)
		b.from, b.to = min(b.from, day), max(b.to, day)
	}
	b.latest = now
	if m.when.at > b.last.at {
		b.last = m.when
	}
	b.rows.add(delta)
}

// payOut states the payout to the bank that a withdrawal is. Without the
// merchant's number nobody could tell whose it is.
func (b *accountBill) payOut(row *format.Row, out *format.Out, id string, m movement) {
	if b.mid == "" || id == "" {
		return
	}
	d := out.Begin(evidence.PayoutStatus)
	err := row.Put(d, "payout")
	d.SetTime(m.when.at, m.when.offset)
	if err = firstError(err,
		d.PutString(evidence.MID, b.mid),
		d.PutString(evidence.Payout, id),
		d.PutInt(evidence.Amount, m.amount),
		d.PutString(evidence.By, "platform"),
		d.PutString(evidence.StateField, "sent"),
	); err != nil {
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	out.Commit(d, row.Line)
}

// state declares a whole bill as a statement of its days.
func (b *accountBill) state(doc *format.Doc, out *format.Out) {
	opening, closing, broken := b.first.before, b.latest.after, b.up
	if b.down.rows < b.up.rows {
		opening, closing, broken = b.latest.before, b.first.after, b.down
	}
	if broken.rows > 0 {
		out.Warn(broken.line, fault.Say("the balance does not follow from the one beside it and the amount on %d rows, first here: rows are missing or the file was changed", "有 %d 行的余额与相邻余额和金额对不上，首处在此：有行缺失或文件被改动，请重新下载", broken.rows))
	}
	if !b.footed || b.torn || broken.rows > 0 || b.rows.count == 0 || b.rows.overflow || out.Source().Rejected > 0 {
		return
	}
	d := out.Begin(evidence.BankStatement)
	source := doc.Source
	if source == "" {
		source = b.account + "/" + b.from.String()
	}
	d.SetSource(b.table + "/" + source)
	d.SetTime(b.last.at, b.last.offset)
	if err := firstError(
		putWord(d, evidence.MID, b.mid),
		d.PutString(evidence.Account, b.account),
		d.PutString(evidence.From, b.from.String()),
		d.PutString(evidence.To, b.to.String()),
		d.PutInt(evidence.Opening, opening),
		d.PutInt(evidence.Closing, closing),
		d.PutString(evidence.CurrencyField, doc.In.CurrencyOr("CNY").String()),
	); err != nil {
		out.Reject(doc.Line, fault.Reason(err))
		return
	}
	d.HashID([]byte("bank.statement " + b.from.String() + " " + b.to.String()))
	out.Commit(d, doc.Line)
}
