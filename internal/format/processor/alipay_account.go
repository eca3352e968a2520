package processor

import (
	"regexp"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
)

// alipayAccountName begins the source of its facts.
const alipayAccountName = "alipay.account"

// alipayAccountBill is Alipay's bill of the merchant's account (账务明细): each
// movement with the balance after it, as a bank's statement tells it. A
// withdrawal (提现) is besides a payout to the bank.
var alipayAccountBill = &format.Table{
	Name: alipayAccountName, Title: fault.Say("Alipay account bill (账务明细)", "支付宝账务明细账单"),
	Type: evidence.BankEntry, Zone: "Asia/Shanghai", Currency: "CNY",
	Columns: []format.Column{
		{Name: "flow", Headers: []string{"账务流水号"}},
		{Name: "business", Headers: []string{"业务流水号"}},
		{Name: "order", Headers: []string{"商户订单号"}, Optional: true},
		{Name: "goods", Headers: []string{"商品名称"}, Optional: true},
		{Name: "time", Headers: []string{"发生时间"}, As: format.AsTime},
		{Name: "in", Headers: []string{"收入金额(+元)", "收入金额"}, As: format.AsMagnitude},
		{Name: "out", Headers: []string{"支出金额(-元)", "支出金额"}, As: format.AsMagnitude},
		{Name: "balance", Headers: []string{"账户余额(元)", "账户余额"}, As: format.AsDecimal},
		{Name: "type", Headers: []string{"业务类型"}},
		{Name: "remark", Headers: []string{"备注"}, Optional: true},
	},
	Open: func(doc *format.Doc, _ *format.Out) error {
		head, err := alipayHead(doc)
		doc.State = &accountBill{table: alipayAccountName, bank: "Alipay", account: strings.TrimSuffix("alipay/"+head.mid, "/"), mid: head.mid}
		return err
	},
	Footer: func(row *format.Row) bool { return strings.HasPrefix(row.Clean(0), "#") },
	Foot:   alipayAccountFoot,
	Row:    alipayAccountRow,
	Close: func(doc *format.Doc, out *format.Out) {
		bill := doc.State.(*accountBill)
		bill.torn = bill.torn || len(bill.footer) < 2
		bill.state(doc, out)
	},
}

func alipayAccountRow(row *format.Row, out *format.Out) {
	bill := row.Doc.State.(*accountBill)
	c := row.Currency()
	when, err := momentOf(row, "time")
	in, _, err2 := row.Amount("in", c)
	gone, _, err3 := row.Amount("out", c)
	balance, hasBalance, err4 := row.Amount("balance", c)
	if err = firstError(err, err2, err3, err4); err == nil {
		switch {
		case when.at == 0:
			err = unfilled("发生时间")
		case (in == 0) == (gone == 0):
			err = fault.Say("columns %q and %q: one of them must hold the amount", "列 %q 和 %q：须有一列填写金额", "收入金额（+元）", "支出金额（-元）")
		}
	}
	if err != nil {
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	flow, business := row.Text("flow"), row.Text("business")
	m := movement{
		when: when, credit: in != 0, amount: in + gone, balance: balance, hasBalance: hasBalance, ref: flow,
		references: []string{business, flow, row.Text("order")},
		text:       row.Text("type") + " " + row.Text("goods") + " " + row.Text("remark"),
	}
	if bill.book(row, out, m) && strings.Contains(row.Text("type"), "提现") && !m.credit {
		bill.payOut(row, out, firstOf(row, "business", "flow"), m)
	}
}

var alipayAccountTotal = regexp.MustCompile(`^#(支出|收入)合计：(\d+)笔，共(-?[\d.,]+)元`)

// alipayAccountFoot compares the two lines of totals.
func alipayAccountFoot(row *format.Row, out *format.Out) {
	bill := row.Doc.State.(*accountBill)
	m := alipayAccountTotal.FindStringSubmatch(strings.TrimSpace(string(row.Raw)))
	if m == nil {
		return
	}
	bill.footed = true
	bill.footer = append(bill.footer, m[1])
	have := bill.in
	if m[1] == "支出" {
		have = bill.out
	}
	var t totals
	t.count(fault.Same(m[1]+"合计笔数"), m[2], have.count)
	t.amount(fault.Same(m[1]+"合计"), strings.TrimPrefix(m[3], "-"), row.Currency(), have.total)
	bill.torn = !t.agree(out, row.Line) || bill.torn
}

// alipayHeading is what the lines above the columns of Alipay's bills say.
type alipayHeading struct {
	mid      string
	from, to calendar.Date // the days of the bill, to included; None where they are not there
}

var (
	alipayAccountLine = regexp.MustCompile(`账号：\[(\d+)\]`)
	alipayDates       = regexp.MustCompile(`(起始|终止)日期：\[(\d{4}年\d{1,2}月\d{1,2}日)`)
)

// alipayHead reads them, and sets the document's part of its facts' source:
// account and days.
func alipayHead(doc *format.Doc) (alipayHeading, error) {
	h := alipayHeading{mid: doc.In.MID, from: calendar.None, to: calendar.None}
	for _, line := range doc.Preamble {
		if m := alipayAccountLine.FindStringSubmatch(line); m != nil {
			h.mid = m[1]
		}
		for _, m := range alipayDates.FindAllStringSubmatch(line, -1) {
			day, err := format.ParseDate([]byte(m[2]))
			if err != nil {
				return h, fault.Say("the %s日期 above the columns: %s", "表头上方的%s日期：%s", m[1], fault.Reason(err))
			}
			if m[1] == "起始" {
				h.from = day
			} else {
				h.to = day.Add(-1) // the bill ends at the midnight it names
			}
		}
	}
	if h.from == calendar.None {
		h.to = calendar.None
	} else if h.to < h.from {
		h.to = h.from
	}
	doc.Source = h.mid
	if doc.Source == "" {
		doc.Source = "-"
	}
	if h.from != calendar.None {
		doc.Source += "/" + h.from.String()
		if h.to != h.from {
			doc.Source += ".." + h.to.String()
		}
	}
	return h, nil
}
