package processor

import (
	"fmt"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// wechatFundFlowName begins the source of its facts.
const wechatFundFlowName = "wechat.fundflow"

// wechatFundFlow is WeChat Pay's fund-flow bill (资金账单): each movement of
// the merchant's account at WeChat Pay with the balance after it, as a bank's
// statement tells it. A withdrawal (提现) is besides a payout to the bank.
var wechatFundFlow = &format.Table{
	Name: wechatFundFlowName, Title: "WeChat Pay fund-flow bill",
	Type: evidence.BankEntry, Zone: "Asia/Shanghai", Currency: "CNY",
	Columns: []format.Column{
		{Field: format.When, Name: "time", Headers: []string{"记账时间"}, As: format.AsTime},
		{Name: "business", Headers: []string{"微信支付业务单号"}},
		{Name: "flow", Headers: []string{"资金流水单号"}},
		{Name: "name", Headers: []string{"业务名称"}, Optional: true},
		{Name: "type", Headers: []string{"业务类型"}},
		{Name: "direction", Headers: []string{"收支类型"}},
		{Name: "amount", Headers: []string{"收支金额(元)", "收支金额"}, As: format.AsMagnitude},
		{Name: "balance", Headers: []string{"账户结余(元)", "账户结余"}, As: format.AsDecimal},
		{Name: "remark", Headers: []string{"备注"}, Optional: true},
		{Name: "voucher", Headers: []string{"业务凭证号"}, Optional: true},
	},
	Open:   func(doc *format.Doc, _ *format.Out) error { doc.State = &wechatFlow{}; return nil },
	Skip:   splitAtTicks,
	Footer: func(row *format.Row) bool { return row.Clean(0) == "资金流水总笔数" },
	Foot:   func(row *format.Row, out *format.Out) { row.Doc.State.(*wechatFlow).foot(row, out) },
	Source: func(row *format.Row) string {
		at, offset, err := row.Time("time")
		if err != nil || at == 0 {
			return wechatAccount(row.Doc.In)
		}
		return wechatAccount(row.Doc.In) + "/" + dated{at, offset}.date().String()
	},
	Row:   wechatFlowRow,
	Close: func(doc *format.Doc, out *format.Out) { doc.State.(*wechatFlow).state(doc, out) },
}

// wechatAccount names the account, which the bill does not: the merchant that
// the person says.
func wechatAccount(in *format.Input) string {
	if in.MID == "" {
		return "wechatpay"
	}
	return "wechatpay/" + in.MID
}

// wechatFlow is what the movements of a bill come to.
type wechatFlow struct {
	rows, in, out      sum
	footer             []string
	footed, torn       bool
	from, to           calendar.Date
	opening, closing   int64
	broken, brokenLine int // movements after which the balance does not follow
	last               dated
}

func wechatFlowRow(row *format.Row, out *format.Out) {
	flow := row.Doc.State.(*wechatFlow)
	c := row.Currency()
	when, err := momentOf(row, "time")
	amount, has, err2 := row.Amount("amount", c)
	balance, hasBalance, err3 := row.Amount("balance", c)
	direction := map[string]string{"收入": "credit", "支出": "debit"}[row.Text("direction")]
	if err = firstError(err, err2, err3); err == nil {
		switch {
		case when.at == 0:
			err = fmt.Errorf("column %q: is empty", "记账时间")
		case !has:
			err = fmt.Errorf("column %q: is empty", "收支金额(元)")
		case direction == "":
			err = fmt.Errorf("column %q: must be 收入 or 支出", "收支类型")
		}
	}
	if err != nil {
		out.Reject(row.Line, sentence(err))
		return
	}
	d := out.Begin(evidence.BankEntry)
	business, number := row.Text("business"), row.Text("flow")
	err = row.Put(d, "")
	for _, ref := range []string{business, number, row.Text("voucher")} {
		if ref != "" {
			d.PutItem(evidence.References, ref)
		}
	}
	if err = firstError(err,
		d.PutString(evidence.Account, wechatAccount(row.Doc.In)),
		d.PutString(evidence.Bank, "WeChat Pay"),
		d.PutInt(evidence.Amount, amount),
		d.PutString(evidence.Direction, direction),
		d.PutString(evidence.StatusField, "booked"),
		// A trade and its fee share a number, so that the type belongs to it.
		d.PutString(evidence.EntryRef, strings.Trim(number+"/"+business+"/"+row.Text("type"), "/")),
		d.PutDate(evidence.BookingDate, when.date()),
		putWord(d, evidence.Text, strings.TrimSpace(row.Text("name")+" "+row.Text("remark"))),
	); err != nil {
		out.Reject(row.Line, sentence(err))
		return
	}
	if !out.Commit(d, row.Line) {
		return
	}
	flow.add(row.Line, direction == "credit", amount, balance, hasBalance, when)
	if strings.Contains(row.Text("type"), "提现") && direction == "debit" && row.Doc.In.MID != "" {
		wechatWithdrawal(row, out, amount, when)
	}
}

// wechatWithdrawal states the payout that a withdrawal is.
func wechatWithdrawal(row *format.Row, out *format.Out, amount int64, when dated) {
	d := out.Begin(evidence.PayoutStatus)
	err := row.Put(d, "payout")
	d.SetTime(when.at, when.offset)
	if err = firstError(err,
		putWord(d, evidence.Payout, firstOf(row, "business", "flow")),
		d.PutInt(evidence.Amount, amount),
		d.PutString(evidence.By, "platform"),
		d.PutString(evidence.StateField, "sent"),
	); err != nil {
		out.Reject(row.Line, sentence(err))
		return
	}
	out.Commit(d, row.Line)
}

func (flow *wechatFlow) add(line int, credit bool, amount, balance int64, hasBalance bool, when dated) {
	day := when.date()
	delta := amount
	if !credit {
		delta = -amount
	}
	before, ok := money.Sub(balance, delta)
	switch {
	case !hasBalance || !ok:
		flow.torn = true
	case flow.rows.count == 0:
		flow.opening = before
	case before != flow.closing:
		if flow.broken == 0 {
			flow.brokenLine = line
		}
		flow.broken++
	}
	flow.closing = balance
	if flow.rows.count == 0 || day < flow.from {
		flow.from = day
	}
	flow.to = max(flow.to, day)
	if when.at > flow.last.at {
		flow.last = when
	}
	flow.rows.add(delta)
	if credit {
		flow.in.add(amount)
	} else {
		flow.out.add(amount)
	}
}

// foot reads the line of names, then the line of totals, and compares.
func (flow *wechatFlow) foot(row *format.Row, out *format.Out) {
	if flow.footer == nil {
		for i := range row.Cells {
			flow.footer = append(flow.footer, row.Clean(i))
		}
		return
	}
	if flow.footed {
		return
	}
	flow.footed = true
	c := row.Currency()
	var t totals
	for i, name := range flow.footer {
		text := row.Clean(i)
		switch name {
		case "资金流水总笔数":
			t.count(name, text, flow.rows.count)
		case "收入笔数":
			t.count(name, text, flow.in.count)
		case "支出笔数":
			t.count(name, text, flow.out.count)
		case "收入金额":
			t.amount(name, text, c, flow.in.total)
		case "支出金额":
			t.amount(name, text, c, flow.out.total)
		}
	}
	flow.torn = !t.agree(out, row.Line) || flow.torn
}

// state declares a whole bill as a statement of its days.
func (flow *wechatFlow) state(doc *format.Doc, out *format.Out) {
	if flow.broken > 0 {
		out.Warn(flow.brokenLine, fmt.Sprintf("the balance does not follow from the one before and the amount on %d rows, first here", flow.broken))
	}
	if !flow.footed || flow.torn || flow.broken > 0 || flow.rows.count == 0 || out.Source().Rejected > 0 {
		return
	}
	account := wechatAccount(doc.In)
	currency := doc.In.CurrencyOr("CNY")
	d := out.Begin(evidence.BankStatement)
	d.SetSource(wechatFundFlowName + "/" + account + "/" + flow.from.String())
	d.SetTime(flow.last.at, flow.last.offset)
	if err := firstError(
		d.PutString(evidence.Account, account),
		d.PutString(evidence.From, flow.from.String()),
		d.PutString(evidence.To, flow.to.String()),
		d.PutInt(evidence.Opening, flow.opening),
		d.PutInt(evidence.Closing, flow.closing),
		d.PutString(evidence.CurrencyField, currency.String()),
	); err != nil {
		out.Reject(doc.Line, sentence(err))
		return
	}
	d.HashID([]byte("bank.statement " + flow.from.String() + " " + flow.to.String()))
	out.Commit(d, doc.Line)
}
