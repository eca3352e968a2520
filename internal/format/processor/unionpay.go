package processor

import (
	"bytes"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// unionpayZMName begins the source of its facts.
const unionpayZMName = "unionpay.zm"

// unionpayZM is the clearing file that UnionPay gives a merchant (INN…ZM): 40
// fields of fixed width parted by spaces, 607 bytes a row, amounts in fen, the
// merchant's own text in GBK, neither header nor totals. It is the network's
// word and the merchant's settlement in one: each row has the amount, the fee
// and what is settled, so that a row is a settlement line, which implies its
// clearing. The clearing date, which the rows do not have, is that of the
// business day (from 23:00 to 23:00) that most of the rows at its head are of.
var unionpayZM = &format.Table{
	Name: unionpayZMName, Title: fault.Say("UnionPay merchant clearing file (INN…ZM)", "银联商户清算文件（INN…ZM）"),
	Type: evidence.SettlementLine, Zone: "Asia/Shanghai", Currency: "CNY", Fixed: true,
	Const: map[evidence.Field]string{evidence.Network: "UnionPay"},
	Columns: []format.Column{
		{Field: evidence.STAN, Headers: []string{"系统跟踪号"}, At: 28, Width: 6},
		{Name: "txnTime", Headers: []string{"交易传输时间"}, At: 35, Width: 10},
		{Field: evidence.PAN, Headers: []string{"账号"}, At: 46, Width: 19, As: format.AsPAN},
		{Name: "txnAmt", Headers: []string{"交易金额"}, At: 66, Width: 12, As: format.AsMinor},
		{Name: "queryId", Headers: []string{"查询流水号"}, At: 87, Width: 21},
		{Field: evidence.OrderID, Headers: []string{"商户订单号"}, At: 112, Width: 32},
		{Name: "payCardType", Headers: []string{"支付卡类型"}, At: 145, Width: 2},
		{Field: evidence.OriginalSTAN, Headers: []string{"原始交易的系统跟踪号"}, At: 148, Width: 6},
		{Name: "merCharge", Headers: []string{"商户手续费"}, At: 166, Width: 13},
		{Name: "settleAmt", Headers: []string{"结算金额"}, At: 180, Width: 13},
		{Name: "txnType", Headers: []string{"交易类型"}, At: 215, Width: 2},
		{Name: "origQryId", Headers: []string{"原交易查询流水号"}, At: 271, Width: 21},
		{Field: evidence.MID, Headers: []string{"商户代码"}, At: 293, Width: 15},
		{Name: "settleNetAmt", Headers: []string{"清算净额"}, At: 374, Width: 13},
		{Field: evidence.TID, Headers: []string{"终端号"}, At: 388, Width: 8},
		{Field: evidence.Text, Headers: []string{"商户自定义域"}, At: 397, Width: 32},
	},
	Recognise: func(h *format.Head) bool {
		line, _, _ := bytes.Cut(h.Raw, []byte{'\n'})
		return isZM(bytes.TrimSuffix(line, []byte{'\r'}))
	},
	Open:   openZM,
	Source: func(row *format.Row) string { return row.Text("mid") + "/" + row.Doc.State.(*zmFile).day.String() },
	Row:    zmRow,
	Close:  func(doc *format.Doc, out *format.Out) { doc.State.(*zmFile).state(doc, out) },
}

// zmWidth is the width of a row.
const zmWidth = 607

// zmGaps are some of the places between fields, where a space stands.
var zmGaps = [...]int{3, 15, 27, 34, 45, 65, 78, 83, 86, 108, 144, 147, 154, 165, 179, 193, 214, 292, 308, 373, 387}

// isZM reports whether a line is a row of the file: spaces between the fields,
// digits where amounts are, and the letter D or C before signed ones.
func isZM(line []byte) bool {
	if len(line) != zmWidth {
		return false
	}
	for _, at := range zmGaps {
		if line[at] != ' ' {
			return false
		}
	}
	return allDigits(line[35:45]) && allDigits(line[66:78]) && isSide(line[166]) && allDigits(line[167:179]) && isSide(line[180]) && allDigits(line[181:193])
}

func isSide(c byte) bool { return c == 'C' || c == 'D' || c == ' ' }

func allDigits(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}

// zmFile is what the rows come to.
type zmFile struct {
	document
	day   calendar.Date // clearing date
	year  string        // of the rows' times, which have none
	known dated
}

var errZMDay = error(fault.Say("no row at its head has a query number (流水号), which alone tells the year; get the file whole from UnionPay", "文件开头没有一行带流水号，无从得知年份，请向银联索取完整文件"))

// openZM finds the clearing date.
func openZM(doc *format.Doc, _ *format.Out) error {
	f := &zmFile{document: *newDocument(), day: calendar.None}
	doc.State = f
	days := map[calendar.Date]int{}
	for _, line := range bytes.Split(doc.In.Head.Raw, []byte{'\n'}) {
		if len(line) < 108 || !allDigits(line[87:101]) {
			continue
		}
		d, err := calendar.ParseCompact(line[87:95])
		if err != nil {
			continue
		}
		if string(line[95:97]) >= "23" {
			d = d.Add(1)
		}
		if days[d]++; f.day == calendar.None || days[d] > days[f.day] || days[d] == days[f.day] && d < f.day {
			f.day = d
		}
		if f.year == "" {
			f.year = string(line[87:91])
		}
	}
	if f.day == calendar.None {
		return errZMDay
	}
	return nil
}

// zmKinds says what UnionPay's transaction types are: consumption, completion
// of a preauthorization, refund, and the undoing of the first two.
var zmKinds = map[string]evidence.Kind{
	"01": evidence.Sale, "03": evidence.Completion, "04": evidence.Refund, "31": evidence.Void, "33": evidence.Void, "99": evidence.Reversal,
}

// zmCards are UnionPay's types of cards.
var zmCards = map[string]string{"01": "debit", "02": "credit", "03": "credit", "05": "prepaid"}

func zmRow(row *format.Row, out *format.Out) {
	if !isZM(row.Raw) {
		if len(row.Raw) != zmWidth {
			out.Reject(row.Line, fault.Say("has %d bytes where a row has %d: the file was cut or changed; get it whole from UnionPay", "该行 %d 字节，应为 %d 字节：文件被截断或改动，请向银联索取完整文件", len(row.Raw), zmWidth))
		} else {
			out.Reject(row.Line, fault.Say("its fields do not stand at their places; get the file anew from UnionPay", "各字段不在规定的位置，请向银联重新索取文件"))
		}
		return
	}
	f := row.Doc.State.(*zmFile)
	d := out.Begin(evidence.SettlementLine)
	a, p, known, err := f.line(row, d)
	if err != nil {
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	if !out.Commit(d, row.Line) {
		return
	}
	f.note(row.Line, a)
	f.of(p).add(a.net)
	f.known = known
}

func (f *zmFile) line(row *format.Row, d *evidence.Draft) (a amounts, p part, known dated, err error) {
	kind, ok := zmKinds[row.Text("txnType")]
	if !ok {
		return a, p, known, fault.Say("the transaction type is none of 01, 03, 04, 31, 33, 99", "交易类型不是 01、03、04、31、33、99 之一")
	}
	c := row.Currency()
	gross, _, err := row.Amount("txnAmt", c)
	if err != nil {
		return a, p, known, err
	}
	fee, err := sided(row.Bytes("merCharge"))
	if err != nil {
		return a, p, known, in("merCharge (商户手续费)", err)
	}
	net, err := sided(row.Bytes("settleAmt"))
	if err != nil {
		return a, p, known, in("settleAmt (结算金额)", err)
	}
	a = amounts{kind: kind, gross: gross, fee: -fee, net: net}
	text := row.Text("queryId")
	if len(text) < 14 || !allDigits([]byte(text[:14])) {
		text = f.year + row.Text("txnTime")
	}
	at, offset, err := format.ParseTime([]byte(text[:14]), row.Doc.In.ZoneOr("Asia/Shanghai"))
	if err != nil {
		return a, p, known, in("txnTime (交易传输时间)", err)
	}
	if err = row.Put(d, ""); err != nil {
		return a, p, known, err
	}
	p = part{row.Text("mid"), 0, c}
	p.due, known = dayAfter(row, f.day)
	d.SetTime(known.at, known.offset)
	d.PutInstant(evidence.TransactionTime, at, offset)
	// What undoes a payment carries the payment's number, so that it finds it.
	ref := row.Text("origQryId")
	if strings.Trim(ref, "0 ") == "" {
		ref = row.Text("queryId")
	}
	return a, p, known, firstError(
		a.put(d),
		putWord(d, evidence.Ref, ref),
		putWord(d, evidence.CardTypeField, zmCards[row.Text("payCardType")]),
		d.PutDate(evidence.ClearingDate, f.day),
		d.PutDate(evidence.SettlementDate, p.due),
	)
}

// sided reads an amount in fen after the letter C, which the merchant gets, or
// D, which the merchant gives.
func sided(text []byte) (int64, error) {
	if len(text) == 0 {
		return 0, nil
	}
	side := text[0]
	if side == 'C' || side == 'D' {
		text = text[1:]
	}
	n, err := money.ParseMinor(text)
	if side == 'D' {
		n = -n
	}
	return n, err
}

// state declares the day of each merchant in the file: it is whole by its kind.
func (f *zmFile) state(doc *format.Doc, out *format.Out) {
	f.tellUneven(out)
	f.declare(out, doc.Line,
		func(p part) string { return unionpayZMName + "/" + p.mid + "/" + f.day.String() },
		func(part) dated { return f.known })
}
