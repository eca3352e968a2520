package processor

import (
	"regexp"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// alipaySummaryName begins the source of its facts.
const alipaySummaryName = "alipay.summary"

// alipayDetailName begins the source of its facts.
const alipayDetailName = "alipay.detail"

// alipayDetail is the bill of a day's business (业务明细) that Alipay gives a
// merchant: lines with # name the account and the days before the columns and
// state the totals after the rows.
var alipayDetail = &format.Table{
	Name: alipayDetailName, Title: fault.Say("Alipay business detail bill (业务明细)", "支付宝业务明细账单"),
	Type: evidence.SettlementLine, Zone: "Asia/Shanghai", Currency: "CNY",
	Const: map[evidence.Field]string{evidence.Network: "Alipay"},
	Columns: []format.Column{
		{Field: evidence.Ref, Headers: []string{"支付宝交易号"}},
		{Field: evidence.OrderID, Headers: []string{"商户订单号"}},
		{Name: "kind", Headers: []string{"业务类型"}},
		{Name: "created", Headers: []string{"创建时间"}, As: format.AsTime, Optional: true},
		{Name: "time", Headers: []string{"完成时间"}, As: format.AsTime},
		{Name: "terminal", Headers: []string{"终端号"}, Optional: true},
		{Name: "order", Headers: []string{"订单金额(元)", "订单金额"}, As: format.AsDecimal},
		{Name: "received", Headers: []string{"商家实收(元)", "商家实收"}, As: format.AsDecimal},
		{Name: "discount", Headers: []string{"商家优惠(元)", "商家优惠"}, As: format.AsDecimal, Optional: true},
		{Name: "refund", Headers: []string{"退款批次号/请求号", "退款批次号"}, Optional: true},
		{Name: "fee", Headers: []string{"服务费(元)", "服务费"}, As: format.AsDecimal},
		{Name: "share", Headers: []string{"分润(元)", "分润"}, As: format.AsDecimal, Optional: true},
	},
	Open:   openAlipay,
	Footer: func(row *format.Row) bool { return strings.HasPrefix(row.Clean(0), "#") },
	Foot:   func(row *format.Row, out *format.Out) { row.Doc.State.(*alipayBill).foot(row, out) },
	Row:    alipayRow,
	Close:  func(doc *format.Doc, out *format.Out) { doc.State.(*alipayBill).state(doc, out) },
}

// alipaySummary is the summary of a day by store (业务汇总). It has no
// payments in it: its total says how many lines the day has and what they come
// to.
var alipaySummary = &format.Table{
	Name: alipaySummaryName, Title: fault.Say("Alipay business summary (业务汇总)", "支付宝业务汇总"),
	Type: evidence.SettlementFile, Zone: "Asia/Shanghai", Currency: "CNY",
	Columns: []format.Column{
		{Name: "store", Headers: []string{"门店编号"}},
		{Name: "sales", Headers: []string{"交易订单总笔数"}, As: format.AsMinor},
		{Name: "refunds", Headers: []string{"退款订单总笔数"}, As: format.AsMinor},
		{Name: "net", Headers: []string{"实收净额(元)", "实收净额"}, As: format.AsDecimal},
	},
	Open:   openAlipay,
	Footer: func(row *format.Row) bool { return strings.HasPrefix(row.Clean(0), "#") },
	Foot: func(row *format.Row, _ *format.Out) {
		bill := row.Doc.State.(*alipayBill)
		bill.ended = bill.ended || strings.Contains(string(row.Raw), "列表结束")
	},
	Row:   alipayStore,
	Close: func(doc *format.Doc, out *format.Out) { doc.State.(*alipayBill).stateSummary(doc, out) },
}

var alipayTotal = regexp.MustCompile(`^#(交易|退款)合计：(\d+)笔，商家实收(?:退款)?共(-?[\d.,]+)元`)

// alipayBill is what a bill says of itself and what its rows come to.
type alipayBill struct {
	document
	alipayHeading
	sales   sum // 商家实收, signs as written
	refunds sum
	stated  []alipayStated
	total   *alipayStores // of a summary: its last row
	ended   bool          // of a summary: the line after its rows is there
	stores  alipayStores
	known   map[calendar.Date]dated // by due day
}

// alipayStated is one line of the totals.
type alipayStated struct {
	line   int
	refund bool
	count  string
	amount int64
}

// alipayStores are the figures of a summary's row.
type alipayStores struct{ sales, refunds, net int64 }

// openAlipay reads the lines above the columns.
func openAlipay(doc *format.Doc, _ *format.Out) error {
	head, err := alipayHead(doc)
	doc.State = &alipayBill{document: *newDocument(), alipayHeading: head, known: map[calendar.Date]dated{}}
	return err
}

// alipayRow states a line. The service fee and the share of profit are written
// as what they add to the merchant's money: negative where they are taken.
// What is settled is 商家实收, the order less the merchant's own discounts.
func alipayRow(row *format.Row, out *format.Out) {
	bill := row.Doc.State.(*alipayBill)
	c := row.Currency()
	when, err := momentOf(row, "time")
	order, _, err2 := row.Amount("order", c)
	received, has, err3 := row.Amount("received", c)
	service, _, err4 := row.Amount("fee", c)
	share, _, err5 := row.Amount("share", c)
	kind := map[string]evidence.Kind{"交易": evidence.Sale, "退款": evidence.Refund}[row.Text("kind")]
	if err = firstError(err, err2, err3, err4, err5); err == nil {
		switch {
		case kind == evidence.NoKind:
			err = fault.Say("column %q: is none of the words known there: 交易, 退款", "列 %q：不是该列认识的词：交易、退款", "业务类型")
		case when.at == 0:
			err = unfilled("完成时间")
		case !has:
			err = unfilled("商家实收（元）")
		}
	}
	if err != nil {
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	// A share of the profit that goes to others is taken as the fee is.
	fee, ok := money.Add(magnitude(service), magnitude(share))
	if !ok {
		out.Reject(row.Line, fault.Reason(money.ErrOverflow))
		return
	}
	if kind == evidence.Refund {
		fee = -fee // given back
	}
	a := signed(kind, received, fee)
	due, known := dayAfter(row, when.date())
	d := out.Begin(evidence.SettlementLine)
	err = row.Put(d, "")
	d.SetTime(known.at, known.offset)
	d.PutInstant(evidence.TransactionTime, when.at, when.offset)
	err = firstError(err, putWord(d, evidence.MID, bill.mid), a.put(d), d.PutDate(evidence.SettlementDate, due),
		putUnknown(d, "refund_id", row.Text("refund")))
	if kind == evidence.Sale && order != received {
		err = firstError(err, d.PutInt(evidence.Amount, magnitude(order)))
	}
	if tid := row.Text("terminal"); tid != "" {
		err = firstError(err, d.PutString(evidence.TID, tid))
	}
	if err != nil {
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	if !out.Commit(d, row.Line) {
		return
	}
	if kind == evidence.Sale {
		bill.sales.add(received)
	} else {
		bill.refunds.add(received)
	}
	p := part{bill.mid, due, c}
	bill.of(p).add(a.net)
	bill.known[due] = known
}

// foot reads the lines after the rows.
func (bill *alipayBill) foot(row *format.Row, out *format.Out) {
	m := alipayTotal.FindStringSubmatch(strings.TrimSpace(string(row.Raw)))
	if m == nil {
		return
	}
	amount, err := money.ParseDecimal(m[3], row.Currency().Exponent(), money.Point)
	if err != nil {
		out.Warn(row.Line, fault.Say("the total cannot be read", "合计无法读取"))
		bill.torn = true
		return
	}
	bill.stated = append(bill.stated, alipayStated{row.Line, m[1] == "退款", m[2], amount})
}

// check compares the totals. Where none is of refunds, that of trades is of
// all rows.
func (bill *alipayBill) check(doc *format.Doc, out *format.Out) {
	c := doc.In.CurrencyOr("CNY")
	if len(bill.stated) == 0 {
		if doc.Rows > 0 {
			out.Warn(doc.Line, cutShort)
		}
		bill.torn = true
		return
	}
	parted := false
	for _, s := range bill.stated {
		parted = parted || s.refund
	}
	for _, s := range bill.stated {
		have, what := bill.sales, "交易合计"
		switch {
		case s.refund:
			have, what = bill.refunds, "退款合计"
		case !parted:
			have.count += bill.refunds.count
			have.total, _ = money.Add(have.total, bill.refunds.total)
		}
		var t totals
		t.count(fault.Same(what+"笔数"), s.count, have.count)
		t.compare(fault.Same(what), money.Format(s.amount, c), money.Format(have.total, c))
		bill.torn = !t.agree(out, s.line) || bill.torn
	}
}

// longestBill bounds the days that a bill declares; Alipay's are of a day or a
// month.
const longestBill = 62

// state compares the totals and declares each of the bill's days, those
// without a row too.
func (bill *alipayBill) state(doc *format.Doc, out *format.Out) {
	bill.check(doc, out)
	c := doc.In.CurrencyOr("CNY")
	zone := doc.In.ZoneOr("Asia/Shanghai")
	if bill.from != calendar.None && bill.to-bill.from < longestBill {
		for day := bill.from; day <= bill.to; day++ {
			p := part{bill.mid, dueAfter(day), c}
			bill.of(p)
			bill.known[p.due] = midnight(day.Add(1), zone)
		}
	}
	source := alipayDetailName + "/" + doc.Source
	bill.declare(out, doc.Line, func(part) string { return source }, func(p part) dated { return bill.known[p.due] })
}

// alipayStore reads a row of a summary; the last is the total.
func alipayStore(row *format.Row, out *format.Out) {
	bill := row.Doc.State.(*alipayBill)
	c := row.Currency()
	sales, _, err := row.Amount("sales", c)
	refunds, _, err2 := row.Amount("refunds", c)
	net, _, err3 := row.Amount("net", c)
	if err = firstError(err, err2, err3); err != nil {
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	if row.Text("store") == "合计" {
		bill.total = &alipayStores{sales, refunds, net}
		return
	}
	bill.stores.sales += sales
	bill.stores.refunds += refunds
	bill.stores.net += net
}

// stateSummary declares what the total of a summary says of its day. Trades
// without a store stand in the total alone, so that the stores may come to less.
func (bill *alipayBill) stateSummary(doc *format.Doc, out *format.Out) {
	c := doc.In.CurrencyOr("CNY")
	t := bill.total
	if t == nil || !bill.ended {
		out.Warn(doc.Line, fault.Say("the total (合计) or the line after it is missing: the summary is cut short; download it again", "缺少合计行或其后一行：汇总不完整，请重新下载"))
		return
	}
	if bill.stores.sales > t.sales || bill.stores.refunds > t.refunds {
		out.Warn(doc.Line, fault.Say("the stores have %d trades and %d refunds, more than the total of %d and %d",
			"各门店共 %d 笔交易、%d 笔退款，多于合计的 %d 笔和 %d 笔",
			bill.stores.sales, bill.stores.refunds, t.sales, t.refunds))
		return
	}
	if bill.mid == "" || bill.from == calendar.None || bill.from != bill.to || out.Source().Rejected > 0 || t.sales < 0 || t.refunds < 0 {
		return
	}
	count, ok := money.Add(t.sales, t.refunds)
	if !ok {
		out.Warn(doc.Line, fault.Say("the total's numbers of trades cannot be right", "合计的交易笔数有误"))
		return
	}
	p := part{bill.mid, dueAfter(bill.from), c}
	declareFile(out, doc.Line, alipaySummaryName+"/"+doc.Source, p, &sum{count: count, total: t.net}, midnight(bill.from.Add(1), doc.In.ZoneOr("Asia/Shanghai")))
}
