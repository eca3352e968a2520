package processor

import (
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// chinaumsExportName begins the source of its facts.
const chinaumsExportName = "chinaums.export"

// chinaumsKinds says what ChinaUMS calls its transactions.
var chinaumsKinds = map[string]string{
	"消费": "sale", "撤销": "void", "消费撤销": "void", "退货": "refund", "退款": "refund", "联机退货": "refund",
	"冲正": "reversal", "消费冲正": "reversal", "预授权完成": "completion", "预授权完成撤销": "void", "预授权": "preauth",
}

// chinaumsCards says what it calls the types of cards.
var chinaumsCards = map[string]string{"借记卡": "debit", "贷记卡": "credit", "准贷记卡": "credit", "信用卡": "credit", "预付费卡": "prepaid", "预付卡": "prepaid", "*": ""}

// chinaumsExport is the reconciliation export of the ChinaUMS merchant portal
// (对账明细): three lines on what was asked, the columns, and a line of totals.
// What was asked may leave transactions out, and the portal shows 1,000 rows at
// most, so that it never declares a day whole unless it says neither.
var chinaumsExport = &format.Table{
	Name: chinaumsExportName, Title: fault.Say("ChinaUMS reconciliation export (对账明细)", "银联商务对账明细"),
	Type: evidence.SettlementLine, Zone: "Asia/Shanghai", Currency: "CNY",
	Columns: []format.Column{
		{Name: "day", Headers: []string{"清算日期"}, As: format.AsDate},
		{Name: "time", Headers: []string{"交易日期"}, With: []string{"交易时间"}, As: format.AsTime},
		{Field: evidence.TID, Headers: []string{"终端号"}},
		{Name: "gross", Headers: []string{"交易金额"}, As: format.AsDecimal},
		{Name: "net", Headers: []string{"清算金额", "结算金额"}, As: format.AsDecimal},
		{Name: "fee", Headers: []string{"手续费"}, As: format.AsDecimal},
		{Field: evidence.STAN, Headers: []string{"流水号"}},
		{Name: "kind", Headers: []string{"交易类型"}, As: format.AsWord, Words: chinaumsKinds},
		{Field: evidence.RRN, Headers: []string{"参考号"}},
		{Field: evidence.PAN, Headers: []string{"卡号"}, As: format.AsPAN, Optional: true},
		{Field: evidence.MID, Headers: []string{"商户号"}},
		{Field: evidence.Issuer, Headers: []string{"发卡行"}, Optional: true},
		{Field: evidence.CardTypeField, Headers: []string{"卡类型"}, As: format.AsWord, Words: chinaumsCards, Optional: true},
		{Field: evidence.OrderID, Headers: []string{"商户订单号"}, Optional: true},
		{Field: evidence.Ref, Headers: []string{"银商订单号"}, Optional: true},
	},
	Open: openUMS,
	Footer: func(row *format.Row) bool {
		return strings.HasPrefix(row.Clean(0), "总笔数") || strings.HasPrefix(row.Clean(0), "对账明细查询结果")
	},
	Foot:   func(row *format.Row, out *format.Out) { row.Doc.State.(*umsExport).foot(row, out) },
	Source: umsSource,
	Row:    umsRow,
	Close:  func(doc *format.Doc, out *format.Out) { doc.State.(*umsExport).state(doc, out) },
}

// chinaumsWap is the same export from the mobile portal: lines of tabs instead
// of the columns' names, and last the note that not all may be shown.
var chinaumsWap = &format.Table{
	Name: "chinaums.wap", Title: fault.Say("ChinaUMS reconciliation export without header", "银联商务对账明细（无表头）"),
	Type: evidence.SettlementLine, Zone: "Asia/Shanghai", Currency: "CNY", Delimiter: '\t', NoHeader: true,
	Columns: []format.Column{
		{Name: "day", Headers: []string{"清算日期"}, At: 0, As: format.AsDate},
		{Name: "time", Headers: []string{"交易日期"}, At: 1, WithAt: 2, As: format.AsTime},
		{Name: "gross", Headers: []string{"交易金额"}, At: 3, As: format.AsDecimal},
		{Field: evidence.TID, Headers: []string{"终端号"}, At: 4},
		{Name: "net", Headers: []string{"清算金额"}, At: 5, As: format.AsDecimal},
		{Name: "fee", Headers: []string{"手续费"}, At: 6, As: format.AsDecimal},
		{Field: evidence.STAN, Headers: []string{"流水号"}, At: 7},
		{Name: "kind", Headers: []string{"交易类型"}, At: 8, As: format.AsWord, Words: chinaumsKinds},
		{Field: evidence.RRN, Headers: []string{"参考号"}, At: 9},
		{Field: evidence.PAN, Headers: []string{"卡号"}, At: 10, As: format.AsPAN},
		{Field: evidence.MID, Headers: []string{"商户号"}, At: 11},
		{Field: evidence.Issuer, Headers: []string{"发卡行"}, At: 12, Optional: true},
		{Field: evidence.CardTypeField, Headers: []string{"卡类型"}, At: 13, As: format.AsWord, Words: chinaumsCards, Optional: true},
	},
	Recognise: func(h *format.Head) bool { return firstRow(h, "\t", isWapRow) },
	Open:      openUMS,
	Footer:    func(row *format.Row) bool { return strings.HasPrefix(row.Clean(0), "对账明细查询结果") },
	Foot:      func(row *format.Row, out *format.Out) { row.Doc.State.(*umsExport).foot(row, out) },
	Source:    umsSource,
	Row:       umsRow,
	Close:     func(doc *format.Doc, out *format.Out) { doc.State.(*umsExport).state(doc, out) },
}

// firstRow gives the cells of the head's first line that is not empty to a
// test.
func firstRow(h *format.Head, delim string, is func([]string) bool) bool {
	for _, line := range h.Lines(16) {
		if strings.Trim(line, delim+" \t,;") == "" {
			continue
		}
		cells := strings.Split(line, delim)
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		return is(cells)
	}
	return false
}

func isWapRow(c []string) bool {
	return len(c) >= 14 && isDay(c[0]) && isISODate(c[1]) && isClock(c[2]) && isAmount(c[3]) && isAmount(c[5]) && isAmount(c[6]) &&
		isTrace(c[7]) && len(c[9]) == 12 && allDigits([]byte(c[9])) && len(c[11]) == 15 && allDigits([]byte(c[11]))
}

func isDay(s string) bool {
	_, err := calendar.ParseCompact(s)
	return err == nil && len(s) == 8
}

func isISODate(s string) bool {
	_, err := calendar.ParseDate(s)
	return err == nil && len(s) == 10
}

func isClock(s string) bool {
	return len(s) == 8 && s[2] == ':' && s[5] == ':' && allDigits([]byte(s[:2]+s[3:5]+s[6:]))
}

func isAmount(s string) bool {
	_, err := money.ParseDecimal(s, 2, money.Point)
	return err == nil && strings.Contains(s, ".")
}

func isTrace(s string) bool { return len(s) == 6 && allDigits([]byte(s)) }

// umsExport is what an export's rows come to.
type umsExport struct {
	document
	gross, net, fee sum
	footed          bool
	known           map[calendar.Date]dated // by due day
}

// openUMS reads what was asked.
func openUMS(doc *format.Doc, _ *format.Out) error {
	e := &umsExport{document: *newDocument(), known: map[calendar.Date]dated{}}
	doc.State = e
	for _, line := range doc.Preamble {
		if strings.Contains(line, "仅显示") || strings.Contains(line, "业务类型") && !strings.Contains(line, "全部") {
			e.torn = true
		}
	}
	return nil
}

// umsSource names the merchant and the clearing date of a row.
func umsSource(row *format.Row) string {
	day, err := row.Date("day")
	if err != nil || day == calendar.None {
		return row.Text("mid")
	}
	return row.Text("mid") + "/" + day.String()
}

func umsRow(row *format.Row, out *format.Out) {
	e := row.Doc.State.(*umsExport)
	c := row.Currency()
	day, err := row.Date("day")
	when, err2 := momentOf(row, "time")
	gross, _, err3 := row.Amount("gross", c)
	net, hasNet, err4 := row.Amount("net", c)
	fee, _, err5 := row.Amount("fee", c)
	word, ok := row.Word("kind")
	kind := kindOf(word)
	if err = firstError(err, err2, err3, err4, err5); err == nil {
		switch {
		case day == calendar.None:
			err = unfilled("清算日期")
		case !ok || kind == evidence.NoKind:
			err = fault.Say("column %q: is none of the words known there, such as 消费, 消费撤销, 退货", "列 %q：不是该列认识的词，如消费、消费撤销、退货", "交易类型")
		}
	}
	if err != nil {
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	a := signed(kind, gross, fee)
	if hasNet {
		a.net = net
		if a.takes() && net > 0 { // written without its sign
			a.net = -net
		}
	}
	due, known := dayAfter(row, day)
	d := out.Begin(evidence.SettlementLine)
	err = row.Put(d, "")
	d.SetTime(known.at, known.offset)
	if when.at != 0 {
		d.PutInstant(evidence.TransactionTime, when.at, when.offset)
	}
	if err = firstError(err, a.put(d), d.PutDate(evidence.ClearingDate, day), d.PutDate(evidence.SettlementDate, due)); err != nil {
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	if !out.Commit(d, row.Line) {
		return
	}
	e.note(row.Line, a)
	e.gross.add(gross)
	e.net.add(net)
	e.fee.add(fee)
	p := part{row.Text("mid"), due, c}
	e.of(p).add(a.net)
	e.known[due] = known
}

// foot compares the line of totals: names and figures in turn.
func (e *umsExport) foot(row *format.Row, out *format.Out) {
	if strings.Contains(string(row.Raw), "仅显示") {
		e.torn = true
	}
	if !strings.HasPrefix(row.Clean(0), "总笔数") || e.footed {
		return
	}
	e.footed = true
	c := row.Currency()
	var t totals
	for i := 0; i+1 < len(row.Cells); i += 2 {
		name, text := strings.TrimRight(row.Clean(i), "：:"), row.Clean(i+1)
		switch name {
		case "总笔数":
			t.count(fault.Same(name), text, e.gross.count)
		case "交易金额":
			t.amount(fault.Same(name), text, c, e.gross.total)
		case "结算金额", "清算金额":
			t.amount(fault.Same(name), text, c, e.net.total)
		case "手续费":
			t.amount(fault.Same(name), text, c, e.fee.total)
		}
	}
	e.torn = !t.agree(out, row.Line) || e.torn
}

// state declares the days of an export that says it shows all.
func (e *umsExport) state(doc *format.Doc, out *format.Out) {
	e.tellUneven(out)
	e.torn = e.torn || !e.footed
	e.declare(out, doc.Line,
		func(p part) string { return chinaumsExportName + "/" + p.mid + "/" + p.due.Add(-1).String() },
		func(p part) dated { return e.known[p.due] })
}
