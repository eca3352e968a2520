package processor

import (
	"bytes"
	"regexp"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
)

// wechatTradeBillName begins the source of its facts.
const wechatTradeBillName = "wechat.tradebill"

// wechatTradeBill is WeChat Pay's trade bill (交易账单) in all its forms: all
// trades, successful ones, refunds; the 24 columns of before 2018 and the 27
// since. Every cell begins with a back-tick; two lines of totals close it.
var wechatTradeBill = &format.Table{
	Name: wechatTradeBillName, Title: fault.Say("WeChat Pay trade bill", "微信支付交易账单"),
	Type: evidence.SettlementLine, Zone: "Asia/Shanghai", Currency: "CNY",
	Const: map[evidence.Field]string{evidence.Network: "WeChat Pay"},
	Columns: []format.Column{
		{Name: "time", Headers: []string{"交易时间"}, As: format.AsTime},
		{Name: "owner", Headers: []string{"商户号"}},
		{Name: "sub", Headers: []string{"特约商户号", "子商户号"}, Optional: true},
		{Name: "device", Headers: []string{"设备号"}, Optional: true},
		{Name: "ref", Headers: []string{"微信订单号"}},
		{Field: evidence.OrderID, Headers: []string{"商户订单号"}},
		{Name: "state", Headers: []string{"交易状态"}},
		{Name: "issuer", Headers: []string{"付款银行"}, Optional: true},
		{Field: evidence.CurrencyField, Headers: []string{"货币种类"}, As: format.AsCurrency},
		{Name: "gross", Headers: []string{"应结订单金额", "总金额"}, As: format.AsDecimal},
		{Name: "requested", Headers: []string{"退款申请时间"}, Optional: true},
		{Name: "refund id", Headers: []string{"微信退款单号"}, Optional: true},
		{Name: "refund order", Headers: []string{"商户退款单号"}, Optional: true},
		{Name: "refund", Headers: []string{"退款金额"}, As: format.AsDecimal, Optional: true},
		{Name: "coupon refund", Headers: []string{"充值券退款金额", "代金券或立减优惠退款金额", "企业红包退款金额"}, As: format.AsDecimal, Optional: true},
		{Name: "refund state", Headers: []string{"退款状态"}, Optional: true},
		{Name: "fee", Headers: []string{"手续费"}, As: format.AsRounded},
		{Name: "order", Headers: []string{"订单金额"}, As: format.AsDecimal, Optional: true},
		{Name: "applied", Headers: []string{"申请退款金额"}, As: format.AsDecimal, Optional: true},
	},
	Open:   func(doc *format.Doc, _ *format.Out) error { doc.State = newWechatBill(); return nil },
	Skip:   splitAtTicks,
	Footer: func(row *format.Row) bool { return row.Clean(0) == "总交易单数" },
	Foot:   func(row *format.Row, out *format.Out) { row.Doc.State.(*wechatBill).foot(row, out) },
	Source: func(row *format.Row) string {
		at, offset, err := row.Time("time")
		if err != nil || at == 0 {
			return wechatMID(row)
		}
		return wechatMID(row) + "/" + dated{at, offset}.date().String()
	},
	Row:   wechatTradeRow,
	Close: func(doc *format.Doc, out *format.Out) { doc.State.(*wechatBill).state(doc, out) },
}

// splitAtTicks cuts a line anew where a comma and a back-tick meet: names of
// goods hold commas, and the bill does not quote them. It skips nothing.
func splitAtTicks(row *format.Row) bool {
	if len(row.Raw) > 0 && row.Raw[0] == '`' {
		cells := row.Cells[:0]
		rest := row.Raw
		for {
			i := bytes.Index(rest, []byte(",`"))
			if i < 0 {
				break
			}
			cells = append(cells, rest[:i])
			rest = rest[i+1:]
		}
		row.Cells = append(cells, rest)
	}
	return false
}

// wechatBill is what a bill's rows come to, to be compared with its totals.
type wechatBill struct {
	document
	totals map[string]int64 // by column, as the totals name them
	rows   int64
	footer []string                        // names of the totals
	footed bool                            // totals were there and agree
	known  map[calendar.Date]dated         // by due day
	days   map[calendar.Date]calendar.Date // the bill's day, by due day
	told   bool                            // of rounded numbers
}

func newWechatBill() *wechatBill {
	return &wechatBill{document: *newDocument(), totals: map[string]int64{}, known: map[calendar.Date]dated{}, days: map[calendar.Date]calendar.Date{}}
}

// wechatMID gives the merchant: of a service provider's bill the one it serves.
func wechatMID(row *format.Row) string {
	if sub := row.Text("sub"); sub != "" && sub != "0" {
		return sub
	}
	return row.Text("owner")
}

// wechatStates says what the states of a trade are: a sale, its refund, or its
// reversal by the cashier.
var wechatStates = map[string]evidence.Kind{"SUCCESS": evidence.Sale, "REFUND": evidence.Refund, "REVOKED": evidence.Void}

// spreadsheetNumber is what a spreadsheet makes of a long number.
var spreadsheetNumber = regexp.MustCompile(`^\d(?:\.\d+)?E\+\d+$`)

func wechatTradeRow(row *format.Row, out *format.Out) {
	bill := row.Doc.State.(*wechatBill)
	bill.rows++
	d := out.Begin(evidence.SettlementLine)
	if want := len(row.Doc.Header); len(row.Cells) != want {
		out.Reject(row.Line, fault.Say("has %d cells where the header has %d: the line was changed after the bill was written; download the bill again",
			"有 %d 个单元格，表头有 %d 个：账单生成后该行被改动过，请重新下载账单", len(row.Cells), want))
		return
	}
	a, day, known, err := wechatLine(row, d, bill)
	if err != nil {
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	if ref := row.Text("ref"); spreadsheetNumber.MatchString(ref) {
		if !bill.told {
			bill.told = true
			out.Warn(row.Line, fault.Say("a spreadsheet has cut the numbers of 微信订单号 short (as in 4.0E+27); they are left out, download the bill again and do not save it from a spreadsheet", "微信订单号被电子表格截短（如 4.0E+27），这些单号未采用；请重新下载账单，不要用电子表格另存"))
		}
	} else if err := putWord(d, evidence.Ref, ref); err != nil {
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	if !out.Commit(d, row.Line) {
		return
	}
	p := part{wechatMID(row), dueAfter(day), row.Currency()}
	bill.of(p).add(a.net)
	bill.known[p.due], bill.days[p.due] = known, day
}

// wechatLine fills the line of a row. What is settled is 应结订单金额, the
// order less the coupons that the merchant gave, less refund and fee; the fee of
// a refund is negative, it is given back.
func wechatLine(row *format.Row, d *evidence.Draft, bill *wechatBill) (a amounts, day calendar.Date, known dated, err error) {
	kind, ok := wechatStates[row.Text("state")]
	if !ok {
		return a, 0, known, fault.Say("column %q: is none of the states known there: SUCCESS, REFUND, REVOKED", "列 %q：不是该列认识的状态 SUCCESS、REFUND、REVOKED", "交易状态")
	}
	when, err := momentOf(row, "time")
	if err != nil {
		return a, 0, known, err
	}
	if when.at == 0 {
		return a, 0, known, unfilled("交易时间")
	}
	c := row.Currency()
	var gross, refund, order, fee int64
	for _, col := range []struct {
		name string
		to   *int64
	}{{"gross", &gross}, {"refund", &refund}, {"order", &order}, {"fee", &fee}, {"coupon refund", nil}, {"applied", nil}} {
		n, _, err := row.Amount(col.name, c)
		if err != nil {
			return a, 0, known, err
		}
		if col.to != nil {
			*col.to = n
		}
		bill.totals[col.name] += n
	}
	if kind == evidence.Sale {
		a = signed(kind, gross, fee)
	} else {
		a = signed(kind, refund, fee)
	}
	day = when.date()
	var due calendar.Date
	due, known = dayAfter(row, day)
	if err = row.Put(d, ""); err != nil {
		return a, 0, known, err
	}
	d.SetTime(known.at, known.offset)
	d.PutInstant(evidence.TransactionTime, when.at, when.offset)
	issuer, cardType := wechatBank(row.Text("issuer"))
	err = firstError(
		a.put(d),
		putWord(d, evidence.MID, wechatMID(row)),
		putWord(d, evidence.Issuer, issuer),
		putWord(d, evidence.CardTypeField, cardType),
		d.PutDate(evidence.SettlementDate, due),
	)
	if kind == evidence.Sale && order != 0 && order != gross {
		err = firstError(err, d.PutInt(evidence.Amount, magnitude(order)))
	}
	if kind != evidence.Sale {
		err = firstError(err, putUnknown(d, "refund_id", row.Text("refund id")),
			putUnknown(d, "refund_order_id", row.Text("refund order")), putUnknown(d, "refund_status", row.Text("refund state")))
	}
	return a, day, known, err
}

// putUnknown keeps a text beside the contract's fields, unless it says nothing or
// a spreadsheet has cut it.
func putUnknown(d *evidence.Draft, name, text string) error {
	if text == "" || text == "0" || spreadsheetNumber.MatchString(text) {
		return nil
	}
	return d.PutUnknownText(name, []byte(text))
}

// wechatBank reads a bank such as ICBC_DEBIT; CFT is the balance in the wallet.
func wechatBank(text string) (issuer, cardType string) {
	name, kind, ok := strings.Cut(text, "_")
	if text == "OTHERS" || text == "CFT" {
		return "", ""
	}
	if ok {
		if t, known := evidence.ParseCardType(strings.ToLower(kind)); known {
			return name, t.String()
		}
	}
	return name, ""
}

// wechatTotals names the totals by the column they sum.
var wechatTotals = map[string]string{
	"应结订单总金额": "gross", "总交易额": "gross",
	"退款总金额": "refund", "总退款金额": "refund",
	"充值券退款总金额": "coupon refund", "总代金券或立减优惠退款金额": "coupon refund", "总企业红包退款金额": "coupon refund",
	"手续费总金额": "fee", "订单总金额": "order", "申请退款总金额": "applied",
}

// foot reads the line of names, then the line of totals, and compares.
func (bill *wechatBill) foot(row *format.Row, out *format.Out) {
	if bill.footer == nil {
		for i := range row.Cells {
			bill.footer = append(bill.footer, row.Clean(i))
		}
		return
	}
	if bill.footed || bill.torn {
		return
	}
	bill.footed = true
	c := row.Currency()
	var t totals
	for i, name := range bill.footer {
		text := row.Clean(i)
		if name == "总交易单数" {
			t.count(fault.Same(name), text, bill.rows)
		} else if column, ok := wechatTotals[name]; ok && text != "" {
			t.amount(fault.Same(name), text, c, bill.totals[column])
		}
	}
	bill.torn = !t.agree(out, row.Line)
}

// state declares the days of a whole bill. A bill of successful trades or of
// refunds alone says nothing of the rest, and one without totals may be cut.
func (bill *wechatBill) state(doc *format.Doc, out *format.Out) {
	if !bill.footed {
		if bill.footer == nil && bill.rows > 0 {
			out.Warn(doc.Line, cutShort)
		}
		bill.torn = true
	}
	all := false
	for _, h := range doc.Header {
		all = all || h == "微信退款单号"
		if h == "退款申请时间" {
			bill.torn = true
		}
	}
	bill.torn = bill.torn || !all
	bill.declare(out, doc.Line,
		func(p part) string { return wechatTradeBillName + "/" + p.mid + "/" + bill.days[p.due].String() },
		func(p part) dated { return bill.known[p.due] })
}
