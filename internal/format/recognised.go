package format

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// Recognised is the format of tables that no other format knows but whose
// headers are known names. What type of fact the rows are is told by the
// columns, or by the person.
func Recognised() Format {
	return Format{Name: "table", Title: fault.Say("table of payments, settlement lines or payouts", "交易、结算明细或出款的表格"),
		Detect: func(h *Head) bool { return recognise(h, h.hint) != nil },
		Read: func(in *Input, out *Out) error {
			t := recognise(&in.Head, in.Type)
			if t == nil {
				return errNoHeader
			}
			return t.Read(in, out)
		},
		Table: &Table{Name: "table", Title: fault.Say("POS journal", "POS 流水"), Columns: []Column{
			Must(Known(When)), Must(Known(evidence.TID)), Must(Known(evidence.STAN)), Must(Known(evidence.Amount)),
		}},
	}
}

// recognise makes a Table of an input by its headers; nil where they say too
// little.
func recognise(h *Head, hint evidence.Type) *Table {
	if h.Text == "" || foreignName(h) != "" {
		return nil
	}
	loose := looseTable()
	var best *Table
	most := 3 // fewer known columns are chance
	for _, delim := range delimiters {
		rows := h.grid(delim)
		for i := range rows {
			if len(rows[i].cells) < most {
				continue
			}
			l, _ := loose.match(&rows[i])
			n := 0
			for _, at := range l.at {
				if at >= 0 {
					n++
				}
			}
			if n < most || n*3 < len(rows[i].cells) {
				continue
			}
			if t := recogniseAs(l, rows[i+1:], delim, hint); t != nil {
				best, most = t, n+1
			}
		}
	}
	return best
}

// looseTable has every known column, none of them required.
var looseTable = sync.OnceValue(func() *Table {
	t := &Table{Columns: slices.Clone(known)}
	for i := range t.Columns {
		t.Columns[i].Optional = true
	}
	return t
})

// recogniseAs chooses the type and the columns of a header.
func recogniseAs(l *layout, rows []headRow, delim byte, hint evidence.Type) *Table {
	at := map[evidence.Field]int{}
	for i, c := range known {
		if l.at[i] >= 0 {
			at[c.Field] = i
		}
	}
	has := func(fields ...evidence.Field) bool {
		for _, f := range fields {
			if _, ok := at[f]; ok {
				return true
			}
		}
		return false
	}
	if !has(When, evidence.SettlementDate, evidence.BookingDate) || !has(evidence.Amount, evidence.Gross, evidence.Net) {
		return nil
	}
	t := &Table{Type: hint, Delimiter: delim, totals: true}
	if t.Type == evidence.UnknownType {
		switch {
		case has(evidence.Payout) && !has(evidence.Gross, evidence.Fee, evidence.TID, evidence.STAN, evidence.RRN, evidence.AuthCode,
			evidence.OrderID, evidence.PAN, evidence.Batch):
			t.Type = evidence.PayoutStatus
		case has(evidence.Fee, evidence.Gross, evidence.Net, evidence.SettlementDate) && !has(evidence.ResultField, evidence.ResponseCode):
			t.Type = evidence.SettlementLine
		case has(evidence.BookingDate, evidence.Direction, evidence.EntryRef) && has(evidence.Account):
			t.Type = evidence.BankEntry
		case has(evidence.TID, evidence.STAN, evidence.Batch, evidence.RRN, evidence.AuthCode, evidence.EntryField, evidence.ResponseCode):
			t.Type = evidence.TerminalTransaction
		case has(evidence.OrderID):
			t.Type = evidence.SaleOrder
		default:
			return nil
		}
	}
	t.Name = "table." + t.Type.String()
	t.Title = fault.Say("table of %s", "%s 表格", t.Type)
	fields := fieldsOfType[t.Type]
	for i, c := range known {
		if l.at[i] < 0 || fields != nil && !fields[c.Field] {
			continue
		}
		// Only the very columns of this header count.
		c.Headers = []string{l.header.cells[l.at[i]]}
		if l.with[i] >= 0 {
			c.With = []string{l.header.cells[l.with[i]]}
		} else {
			c.With = nil
		}
		if t.Type == evidence.SettlementLine {
			switch c.Field {
			case evidence.Amount:
				if has(evidence.Gross) {
					continue
				}
				c.Field, c.Name = evidence.Gross, "gross"
			case When:
				if has(evidence.SettlementDate) {
					c.Field, c.Name = evidence.TransactionTime, "transaction_time"
				}
			case evidence.KindField:
				c.Words = LineWords
			}
		}
		if t.Type == evidence.PayoutStatus {
			switch c.Field {
			case evidence.ResultField, evidence.StateField:
				c = Column{Field: evidence.StateField, Headers: c.Headers, As: AsWord, Words: payoutWords}
			case evidence.SettlementDate:
				if has(When) {
					continue
				}
				c.Field, c.As = When, AsTime
			case evidence.Net:
				if has(evidence.Amount) {
					continue
				}
				c.Field = evidence.Amount
			}
		}
		t.Columns = append(t.Columns, c)
	}
	settleAmounts(t, rows, l.header)
	settleDates(t, rows, l.header)
	t.Fill = fillOf(t.Type)
	return t
}

// payoutWords translate how far a platform says a payout is.
var payoutWords = map[string]string{
	"created": "created", "pending": "created", "scheduled": "created", "processing": "created", "待打款": "created", "待出款": "created", "处理中": "created",
	"sent": "sent", "paid": "sent", "in_transit": "sent", "in transit": "sent", "success": "sent", "completed": "sent",
	"已打款": "sent", "打款成功": "sent", "出款成功": "sent", "划账成功": "sent", "已出款": "sent", "成功": "sent",
	"accepted": "accepted", "credited": "credited", "已到账": "credited", "到账": "credited",
	"rejected": "rejected", "failed": "rejected", "打款失败": "rejected", "出款失败": "rejected", "失败": "rejected",
	"returned": "returned", "退票": "returned", "已退回": "returned", "held": "held", "冻结": "held", "暂缓": "held",
}

// fieldsOfType are the columns that mean something for a type; nil is all.
var fieldsOfType = map[evidence.Type]map[evidence.Field]bool{
	evidence.SaleOrder: fieldSet(When, Recorded, evidence.MID, evidence.TID, evidence.OrderID, evidence.Ref, evidence.Amount,
		evidence.CurrencyField, evidence.Operator),
	evidence.TerminalTransaction: fieldSet(When, Recorded, evidence.MID, evidence.TID, evidence.Batch, evidence.STAN, evidence.RRN,
		evidence.AuthCode, evidence.OrderID, evidence.Ref, evidence.PAN, evidence.Network, evidence.Issuer, evidence.CardTypeField,
		evidence.KindField, evidence.EntryField, evidence.ResultField, evidence.ResponseCode, evidence.Operator,
		evidence.OriginalRRN, evidence.OriginalSTAN, evidence.Amount, evidence.CurrencyField),
	evidence.SettlementLine: fieldSet(When, Recorded, evidence.MID, evidence.TID, evidence.Batch, evidence.STAN, evidence.RRN,
		evidence.AuthCode, evidence.OrderID, evidence.Ref, evidence.PAN, evidence.Network, evidence.Issuer, evidence.CardTypeField,
		evidence.KindField, evidence.OriginalRRN, evidence.OriginalSTAN, evidence.Amount, evidence.Gross, evidence.Fee,
		evidence.Net, evidence.CurrencyField, evidence.SettlementDate, evidence.Payout),
	evidence.PayoutStatus: fieldSet(When, Recorded, evidence.MID, evidence.Payout, evidence.Amount, evidence.Net, evidence.CurrencyField,
		evidence.Account, evidence.SettlementDate, evidence.ResultField, evidence.StateField),
	evidence.BankEntry: fieldSet(When, Recorded, evidence.Account, evidence.Amount, evidence.CurrencyField, evidence.Direction,
		evidence.EntryRef, evidence.BookingDate, evidence.ValueDate, evidence.Text),
}

func fieldSet(fields ...evidence.Field) map[evidence.Field]bool {
	m := map[evidence.Field]bool{}
	for _, f := range fields {
		m[f] = true
	}
	return m
}

// sample gives the cells of a column in the rows that were looked at.
func sample(rows []headRow, header *headRow, name string) []string {
	at := -1
	for i, c := range header.cells {
		if c == name {
			at = i
			break
		}
	}
	var out []string
	for _, r := range rows {
		if at >= 0 && at < len(r.cells) && r.cells[at] != "" {
			out = append(out, r.cells[at])
		}
	}
	return out
}

// settleAmounts decides for the whole table whether amounts are in minor or
// major units and which decimal sign they have. Under the contract's names,
// written exactly so, whole numbers are minor units; under 分 too; all else is
// in major units.
func settleAmounts(t *Table, rows []headRow, header *headRow) {
	minor, comma, point := true, false, false
	for _, c := range t.Columns {
		if c.As != AsDecimal && c.As != AsMagnitude && c.As != AsRounded {
			continue
		}
		name := c.Headers[0]
		if name != c.Field.String() && name != evidence.Amount.String() && !saysMinor(name) {
			minor = false
		}
		for _, s := range sample(rows, header, name) {
			switch i := strings.LastIndexAny(s, ".,"); {
			case i < 0:
			case s[i] == ',' && len(s)-i-1 != 3:
				comma, minor = true, false
			default:
				point = point || s[i] == '.'
				minor = false
			}
		}
	}
	t.Comma = comma && !point
	for i := range t.Columns {
		switch c := &t.Columns[i]; c.As {
		case AsDecimal, AsRounded, AsMagnitude:
			switch {
			case minor && (c.Field == evidence.Amount || c.Field == evidence.Gross):
				c.As = asMinorMagnitude
			case minor:
				c.As = AsMinor
			case c.Field == evidence.Amount || c.Field == evidence.Gross:
				c.As = AsMagnitude
			}
		}
	}
}

// saysMinor reports a header that names the minor unit.
func saysMinor(name string) bool {
	name = normal(name)
	for _, unit := range [...]string{"分", "minor", "cents", "(fen)"} {
		if strings.Contains(name, unit) {
			return true
		}
	}
	return false
}

// settleDates finds the layout of dates that need one: day and month parted by
// slashes, of which only the values show which is which.
func settleDates(t *Table, rows []headRow, header *headRow) {
	for i := range t.Columns {
		c := &t.Columns[i]
		if c.As == AsDate || c.As == AsTime {
			cells := sample(rows, header, c.Headers[0])
			if c.Layouts = slashLayouts(cells); c.Layouts == nil && eitherWay(cells) {
				t.unclear = c.Headers[0]
			}
		}
	}
}

// slashLayouts gives the layouts of dates such as 13/02/2026; none where dates
// are written otherwise, or where every date can be read two ways.
func slashLayouts(cells []string) []string {
	first, second := false, false
	year := "2006"
	for _, s := range cells {
		date, _, _ := strings.Cut(s, " ")
		p := strings.FieldsFunc(date, func(r rune) bool { return r == '/' || r == '-' || r == '.' })
		if len(p) != 3 || len(p[0]) > 2 || len(p[1]) > 2 {
			return nil
		}
		if len(p[2]) == 2 {
			year = "06"
		}
		a, _ := number([]byte(p[0]), 2)
		b, _ := number([]byte(p[1]), 2)
		first = first || a > 12
		second = second || b > 12
	}
	var day string
	switch {
	case first && !second:
		day = "2/1/" + year
	case second && !first:
		day = "1/2/" + year
	default:
		return nil
	}
	sep := "/"
	if strings.Contains(cells[0], "-") && !strings.Contains(cells[0], "/") {
		sep = "-"
	} else if strings.Contains(cells[0], ".") && !strings.Contains(cells[0], "/") {
		sep = "."
	}
	day = strings.ReplaceAll(day, "/", sep)
	return []string{day, day + " 15:04:05", day + " 15:04", day + " 3:04:05 PM", day + " 3:04 PM", day + " 15:04:05.999999999"}
}

// eitherWay reports dates whose day and month cannot be told apart.
func eitherWay(cells []string) bool {
	if len(cells) == 0 {
		return false
	}
	date, _, _ := strings.Cut(cells[0], " ")
	p := strings.FieldsFunc(date, func(r rune) bool { return r == '/' || r == '-' })
	if len(p) != 3 || len(p[0]) > 2 || len(p[1]) > 2 {
		return false
	}
	_, err := ParseDate([]byte(cells[0]))
	return err != nil
}

// fillOf gives what rows of a type need besides their columns.
func fillOf(t evidence.Type) func(*Row, *evidence.Draft) error {
	switch t {
	case evidence.TerminalTransaction:
		return FillJournal
	case evidence.SettlementLine:
		return FillSettlement
	case evidence.BankEntry:
		return fillEntry
	case evidence.PayoutStatus:
		return fillPayout
	}
	return nil
}

// FillJournal completes a row of a terminal's journal: without a kind it is a
// sale, with a negative amount a refund; without a result it is what the
// response code says, and where the journal has neither, it lists what was
// approved.
func FillJournal(row *Row, d *evidence.Draft) error {
	if len(row.Bytes("kind")) == 0 {
		kind := "sale"
		if negative(row.Bytes("amount")) {
			kind = "refund"
		}
		if err := d.PutString(evidence.KindField, kind); err != nil {
			return err
		}
	}
	if len(row.Bytes("result")) > 0 {
		return nil
	}
	code := row.Bytes("response_code")
	result := ""
	switch {
	case len(code) == 2 && evidence.IsApproval(evidence.Code{code[0], code[1]}):
		result = "approved"
	case len(code) == 2 && evidence.IsOpen(evidence.Code{code[0], code[1]}):
		result = "unknown"
	case len(code) > 0:
		result = "declined"
	case !row.Has("result") && !row.Has("response_code"):
		result = "approved"
	default:
		return nil
	}
	return d.PutString(evidence.ResultField, result)
}

func negative(b []byte) bool {
	return bytes.HasPrefix(b, []byte("-")) || bytes.HasSuffix(b, []byte("-")) || bytes.HasPrefix(b, []byte("(")) ||
		bytes.HasPrefix(b, []byte("−"))
}

// FillSettlement completes a settlement line: without a kind it is a sale, with
// a negative amount a refund. Files write fee and net with either sign; the
// signs are settled so that net is what the line adds to the payout, and a fee
// is positive where it is taken from the merchant.
func FillSettlement(row *Row, d *evidence.Draft) error {
	kind, _ := row.Word("kind")
	c := row.Currency()
	grossText := row.Bytes("gross")
	minus := negative(grossText)
	gross, hasGross, err := row.Amount("gross", c)
	if err != nil {
		return err
	}
	if gross < 0 {
		gross = -gross
	}
	fee, hasFee, err := row.Amount("fee", c)
	if err != nil {
		return err
	}
	net, hasNet, err := row.Amount("net", c)
	if err != nil {
		return err
	}
	if kind == "" {
		kind = "sale"
		if minus || !hasGross && hasNet && net < 0 {
			kind = "refund"
		}
		if err := d.PutString(evidence.KindField, kind); err != nil {
			return err
		}
	}
	signed := gross
	switch kind {
	case "sale", "completion", "reserve_release":
	case "adjustment", "preauth":
		if minus {
			signed = -gross
		}
	default:
		signed = -gross
		if hasNet && net > 0 {
			net = -net
		}
	}
	if hasFee {
		sum, ok1 := money.Sub(signed, fee)
		other, ok2 := money.Add(signed, fee)
		switch {
		case hasNet && ok1 && sum == net:
		case hasNet && ok2 && other == net, !hasNet && kind == "sale" && fee < 0:
			fee = -fee
		}
		if err := d.PutInt(evidence.Fee, fee); err != nil {
			return err
		}
		if !hasNet && hasGross {
			if sum, ok := money.Sub(signed, fee); ok {
				net, hasNet = sum, true
			}
		}
	}
	if hasGross {
		if err := d.PutInt(evidence.Gross, gross); err != nil {
			return err
		}
	}
	if hasNet {
		if err := d.PutInt(evidence.Net, net); err != nil {
			return err
		}
	}
	if d.Time() == 0 {
		date, err := row.Date("settlement_date")
		if err != nil {
			return err
		}
		if at, offset := row.Moment(date); at != 0 {
			d.SetTime(at, offset)
		}
	}
	return nil
}

// fillEntry completes a bank entry: its time is its booking date where it has
// no other, its direction the sign of its amount where no column says it.
func fillEntry(row *Row, d *evidence.Draft) error {
	if len(row.Bytes("direction")) == 0 {
		way := "credit"
		if negative(row.Bytes("amount")) {
			way = "debit"
		}
		if err := d.PutString(evidence.Direction, way); err != nil {
			return err
		}
	}
	if err := d.PutString(evidence.StatusField, "booked"); err != nil {
		return err
	}
	if d.Time() != 0 {
		if row.Has("booking_date") {
			return nil
		}
		date, err := row.Date("time")
		if err != nil {
			return err
		}
		return d.PutDate(evidence.BookingDate, date)
	}
	date, err := row.Date("booking_date")
	if err != nil {
		return err
	}
	if at, offset := row.Moment(date); at != 0 {
		d.SetTime(at, offset)
	}
	return nil
}

// TypeByHeaders gives the type of the rows of a table by its headers alone;
// evidence.UnknownType where they do not tell it.
func TypeByHeaders(h *Head) evidence.Type {
	if t := recognise(h, evidence.UnknownType); t != nil {
		return t.Type
	}
	return evidence.UnknownType
}

// Adapt gives the table fitted to one input: amounts in minor units, the
// decimal sign and the layout of dates as the first rows show them. The table
// itself where the input does not have its columns.
func (t *Table) Adapt(h *Head) *Table {
	l := t.find(h)
	if l == nil || l.header == nil {
		return t
	}
	fitted := &Table{Name: t.Name, Title: t.Title, Type: t.Type, Zone: t.Zone, Currency: t.Currency, Delimiter: l.delim,
		Const: t.Const, Open: t.Open, Skip: t.Skip, Footer: t.Footer, Foot: t.Foot, Source: t.Source, Fill: t.Fill,
		Row: t.Row, Close: t.Close, totals: true}
	for i, c := range t.Columns {
		if l.at[i] < 0 {
			continue
		}
		c.Headers, c.With = []string{l.header.cells[l.at[i]]}, nil
		if l.with[i] >= 0 {
			c.With = []string{l.header.cells[l.with[i]]}
		}
		fitted.Columns = append(fitted.Columns, c)
	}
	rows := h.grid(l.delim)
	for i := range rows {
		if rows[i].line > l.header.line {
			rows = rows[i:]
			break
		}
	}
	settleAmounts(fitted, rows, l.header)
	settleDates(fitted, rows, l.header)
	return fitted
}

// fillPayout completes what a platform says of its payouts: without a state it
// lists what it has sent.
func fillPayout(row *Row, d *evidence.Draft) error {
	if len(row.Bytes("state")) == 0 {
		if err := d.PutString(evidence.StateField, "sent"); err != nil {
			return err
		}
	}
	return d.PutString(evidence.By, "platform")
}
