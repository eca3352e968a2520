package processor

import (
	"fmt"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
)

// chinaumsLedger is the acquirer's ledger of a clearing date, in the words of
// the network's messages (bit11, bit32, bit37): what was cleared of each card,
// and what the acquirer earned of it. It does not say what is settled to the
// merchant, so that a row is a line of clearing. Amounts are in yuan without
// the zeros at their end (365, 1999.8, .72).
var chinaumsLedger = &format.Table{
	Name: "chinaums.ledger", Title: fault.Say("ChinaUMS acquirer ledger", "银联商务收单明细"),
	Type: evidence.ClearingLine, Zone: "Asia/Shanghai", Currency: "CNY",
	Columns: []format.Column{
		{Field: evidence.ClearingDate, Name: "day", Headers: []string{"清算日期"}, As: format.AsDate},
		{Name: "time", Headers: []string{"交易时间"}},
		{Field: evidence.MID, Name: "mid", Headers: []string{"结算商户编号"}},
		{Field: evidence.TID, Headers: []string{"交易终端号"}, Optional: true},
		{Field: evidence.Amount, Headers: []string{"交易金额"}, As: format.AsMagnitude},
		{Field: evidence.Fee, Headers: []string{"商户手续费"}, As: format.AsRounded},
		{Field: evidence.KindField, Headers: []string{"交易类型"}, As: format.AsWord, Words: map[string]string{
			"000000": "sale", "020000": "void", "200000": "refund", "220000": "refund", "030000": "preauth",
		}},
		{Field: evidence.PAN, Headers: []string{"卡号"}, As: format.AsPAN},
		{Field: evidence.Issuer, Headers: []string{"发卡机构"}, Optional: true},
		{Field: evidence.STAN, Headers: []string{"终端流水号bit11", "银联系统跟踪号"}},
		{Field: evidence.RRN, Headers: []string{"参考号bit37"}},
		{Field: evidence.AuthCode, Headers: []string{"授权号"}, Optional: true},
		{Field: evidence.OriginalSTAN, Headers: []string{"原终端流水号bit11"}, Optional: true},
		{Field: evidence.OriginalRRN, Headers: []string{"原bit37"}, Optional: true},
		{Field: evidence.OrderID, Headers: []string{"订单号"}, Optional: true},
	},
	Source: umsSource,
	Fill:   fillLedger,
}

var errLedgerTime = error(fault.Say(`column "交易时间": must be month, day and time such as 0702200726`, `列 "交易时间"：须为月日和时分秒，如 0702200726`))

// fillLedger sets the times: those of the rows have no year, which is that of
// the clearing date, or the one before at the turn of the year.
func fillLedger(row *format.Row, d *evidence.Draft) error {
	day, err := row.Date("day")
	if err != nil {
		return err
	}
	if day == calendar.None {
		return unfilled("清算日期")
	}
	text := row.Text("time")
	if len(text) != 10 || !allDigits([]byte(text)) {
		return errLedgerTime
	}
	year, _, _ := day.YMD()
	loc := row.Doc.In.ZoneOr("Asia/Shanghai")
	at, offset, err := format.ParseTime([]byte(fmt.Sprintf("%04d", year)+text), loc)
	if err != nil {
		return errLedgerTime
	}
	when := dated{at, offset}
	if when.date() > day.Add(180) {
		if when.at, when.offset, err = format.ParseTime([]byte(fmt.Sprintf("%04d", year-1)+text), loc); err != nil {
			return errLedgerTime
		}
	}
	_, known := dayAfter(row, day)
	d.SetTime(known.at, known.offset)
	d.PutInstant(evidence.TransactionTime, when.at, when.offset)
	return nil
}

// merchantList is the list that a merchant's own system writes for comparison
// with ChinaUMS: clearing date, date, time, amount and trace number, without a
// header. It names neither merchant nor terminal: --mid says whose it is.
var merchantList = &format.Table{
	Name: "chinaums.merchant", Title: fault.Say("merchant's list for ChinaUMS", "商户报银联商务的交易清单"),
	Type: evidence.TerminalTransaction, Zone: "Asia/Shanghai", Currency: "CNY", Delimiter: ',', NoHeader: true,
	Const: map[evidence.Field]string{evidence.KindField: "sale", evidence.ResultField: "approved"},
	Columns: []format.Column{
		{Field: evidence.ClearingDate, Name: "day", Headers: []string{"清算日期"}, At: 0, As: format.AsDate},
		{Field: format.When, Name: "time", Headers: []string{"交易日期"}, At: 1, WithAt: 2, As: format.AsTime},
		{Field: evidence.Amount, Headers: []string{"交易金额"}, At: 3, As: format.AsDecimal},
		{Field: evidence.STAN, Headers: []string{"流水号"}, At: 4},
	},
	Recognise: func(h *format.Head) bool {
		return firstRow(h, ",", func(c []string) bool {
			return len(c) == 5 && isDay(c[0]) && isISODate(c[1]) && isClock(c[2]) && isAmount(c[3]) && isTrace(c[4])
		})
	},
	Source: func(row *format.Row) string {
		mid := row.Doc.In.MID
		if mid == "" {
			mid = "-"
		}
		day, err := row.Date("day")
		if err != nil || day == calendar.None {
			return mid
		}
		return mid + "/" + day.String()
	},
}
