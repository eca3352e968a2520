package processor

import (
	"strings"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
)

// wechatFundFlowName begins the source of its facts.
const wechatFundFlowName = "wechat.fundflow"

// wechatFundFlow is WeChat Pay's fund-flow bill (资金账单): each movement of
// the merchant's account at WeChat Pay with the balance after it, as a bank's
// statement tells it. A withdrawal (提现) is besides a payout to the bank. The
// bill does not name the merchant; --mid does.
var wechatFundFlow = &format.Table{
	Name: wechatFundFlowName, Title: fault.Say("WeChat Pay fund-flow bill", "微信支付资金账单"),
	Type: evidence.BankEntry, Zone: "Asia/Shanghai", Currency: "CNY",
	Columns: []format.Column{
		{Name: "time", Headers: []string{"记账时间"}, As: format.AsTime},
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
	Open: func(doc *format.Doc, _ *format.Out) error {
		doc.State = &accountBill{table: wechatFundFlowName, bank: "WeChat Pay", account: wechatAccount(doc.In), mid: doc.In.MID}
		return nil
	},
	Skip:   splitAtTicks,
	Footer: func(row *format.Row) bool { return row.Clean(0) == "资金流水总笔数" },
	Foot:   wechatFlowFoot,
	Source: func(row *format.Row) string {
		at, offset, err := row.Time("time")
		if err != nil || at == 0 {
			return wechatAccount(row.Doc.In)
		}
		return wechatAccount(row.Doc.In) + "/" + dated{at, offset}.date().String()
	},
	Row:   wechatFlowRow,
	Close: func(doc *format.Doc, out *format.Out) { doc.State.(*accountBill).state(doc, out) },
}

// wechatAccount names the account, which the bill does not.
func wechatAccount(in *format.Input) string {
	if in.MID == "" {
		return "wechatpay"
	}
	return "wechatpay/" + in.MID
}

func wechatFlowRow(row *format.Row, out *format.Out) {
	bill := row.Doc.State.(*accountBill)
	c := row.Currency()
	when, err := momentOf(row, "time")
	amount, has, err2 := row.Amount("amount", c)
	balance, hasBalance, err3 := row.Amount("balance", c)
	direction := row.Text("direction")
	if err = firstError(err, err2, err3); err == nil {
		switch {
		case when.at == 0:
			err = unfilled("记账时间")
		case !has:
			err = unfilled("收支金额(元)")
		case direction != "收入" && direction != "支出":
			err = fault.Say("column %q: must be 收入 or 支出", "列 %q：须为收入或支出", "收支类型")
		}
	}
	if err != nil {
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	kind, business, flow := row.Text("type"), row.Text("business"), row.Text("flow")
	m := movement{
		when: when, credit: direction == "收入", amount: amount, balance: balance, hasBalance: hasBalance,
		// A trade and its fee share a number, so that the type belongs to it.
		ref:        flow + "/" + business + "/" + kind,
		references: []string{business, flow, row.Text("voucher")},
		text:       row.Text("name") + " " + row.Text("remark"),
	}
	if bill.book(row, out, m) && strings.Contains(kind, "提现") && !m.credit {
		bill.payOut(row, out, firstOf(row, "business", "flow"), m)
	}
}

// wechatFlowFoot reads the line of names, then the line of totals, and
// compares.
func wechatFlowFoot(row *format.Row, out *format.Out) {
	bill := row.Doc.State.(*accountBill)
	if bill.footer == nil {
		for i := range row.Cells {
			bill.footer = append(bill.footer, row.Clean(i))
		}
		return
	}
	if bill.footed {
		return
	}
	bill.footed = true
	c := row.Currency()
	var t totals
	for i, name := range bill.footer {
		text := row.Clean(i)
		switch name {
		case "资金流水总笔数":
			t.count(fault.Same(name), text, bill.rows.count)
		case "收入笔数":
			t.count(fault.Same(name), text, bill.in.count)
		case "支出笔数":
			t.count(fault.Same(name), text, bill.out.count)
		case "收入金额":
			t.amount(fault.Same(name), text, c, bill.in.total)
		case "支出金额":
			t.amount(fault.Same(name), text, c, bill.out.total)
		}
	}
	bill.torn = !t.agree(out, row.Line) || bill.torn
}
