package report

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/xuri/excelize/v2"

	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/money"
)

const (
	// sheetRows is how many rows a sheet of a spreadsheet holds.
	sheetRows = 1 << 20
	// xlsxNeeds is how many payments the sheet of those that need someone
	// lists; all stand in the sheet of payments.
	xlsxNeeds = 20_000
	// exactDigits is the greatest number of minor units that a cell, a binary
	// floating-point number, holds without loss.
	exactDigits = 1 << 53
)

// XLSX writes a workbook: a summary, every payment, those that need someone,
// incidents, the money map, accounts, what fits nowhere or several ways, and
// the inputs. Amounts are numbers in major units with their currency's decimals,
// times are the merchant's local times. More payments than a sheet holds go on
// in further sheets.
func XLSX(w io.Writer, a *investigation.Answer, o Options) error {
	f := excelize.NewFile()
	// The archive goes straight to w, not through the library's own buffer.
	f.SetZipWriter(func(io.Writer) excelize.ZipWriter { return newOrderedZip(w) })
	defer func() { _ = f.Close() }()
	// The workbook is as old as the moment it speaks of, so that the same answer
	// is the same file.
	at := a.AsOf.In(time.UTC).Format(time.RFC3339)
	if err := f.SetDocProps(&excelize.DocProperties{Creator: "daozhang", LastModifiedBy: "daozhang", Created: at, Modified: at}); err != nil {
		return err
	}
	b := &book{f: f, lang: o.Lang, styles: map[string]int{}}
	d := digestOf(a, limits{needs: xlsxNeeds})
	b.summary(d)
	b.payments(a)
	b.needs(d)
	b.incidents(d)
	b.moneyMap(d)
	b.accounts(d)
	b.loose(d)
	b.input(d)
	if b.err != nil {
		return b.err
	}
	return f.Write(io.Discard)
}

// book writes sheets; the first error stays in err and stops the rest.
type book struct {
	f      *excelize.File
	lang   string
	styles map[string]int
	// figures are the styles of amounts by exponent, plain and bold; 0: not made.
	figures [2][8]int
	sheets  int
	err     error
}

// column is a column of a sheet; width is in characters.
type column struct {
	name  Text
	width float64
}

// sheet is a sheet that rows are appended to.
type sheet struct {
	b    *book
	sw   *excelize.StreamWriter
	name string
	cols []column
	row  int
	head int // row of the header
}

// figure is a cell of an amount; moment and day are cells of times and dates.
type (
	figure struct {
		minor    int64
		currency money.Currency
	}
	moment struct {
		at     evidence.Instant
		offset int16
	}
	day calendar.Date
)

func (b *book) style(key string, make func() *excelize.Style) int {
	if id, ok := b.styles[key]; ok || b.err != nil {
		return id
	}
	id, err := b.f.NewStyle(make())
	if err != nil {
		b.err = err
		return 0
	}
	b.styles[key] = id
	return id
}

func (b *book) numberStyle(exponent int, bold bool) int {
	weight := 0
	if bold {
		weight = 1
	}
	if id := b.figures[weight][exponent]; id != 0 {
		return id
	}
	b.figures[weight][exponent] = b.style(fmt.Sprint("number", exponent, bold), func() *excelize.Style {
		format := "#,##0"
		if exponent > 0 {
			format += "." + "0000000000"[:exponent]
		}
		return &excelize.Style{CustomNumFmt: &format, Font: &excelize.Font{Bold: bold, Family: sheetFont, Size: 10}}
	})
	return b.figures[weight][exponent]
}

func (b *book) formatStyle(format string) int {
	return b.style(format, func() *excelize.Style {
		return &excelize.Style{CustomNumFmt: &format, Font: &excelize.Font{Family: sheetFont, Size: 10}, Alignment: &excelize.Alignment{Horizontal: "left"}}
	})
}

const sheetFont = "Calibri"

func (b *book) headStyle() int {
	return b.style("head", func() *excelize.Style {
		return &excelize.Style{
			Font:      &excelize.Font{Bold: true, Color: "FFFFFF", Family: sheetFont, Size: 10},
			Fill:      excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{"0F5C63"}},
			Alignment: &excelize.Alignment{Vertical: "center", WrapText: true},
		}
	})
}

func (b *book) boldStyle() int {
	return b.style("bold", func() *excelize.Style {
		return &excelize.Style{Font: &excelize.Font{Bold: true, Family: sheetFont, Size: 11}}
	})
}

// open begins a sheet. lines stand above the header, which is frozen and gets
// filters.
func (b *book) open(name Text, cols []column, lines ...Text) *sheet {
	s := &sheet{b: b, name: name.In(b.lang), cols: cols}
	if b.err != nil {
		return s
	}
	if b.sheets == 0 {
		b.err = b.f.SetSheetName("Sheet1", s.name)
	} else {
		_, b.err = b.f.NewSheet(s.name)
	}
	b.sheets++
	if b.err != nil {
		return s
	}
	if s.sw, b.err = b.f.NewStreamWriter(s.name); b.err != nil {
		return s
	}
	for i, c := range cols {
		if b.err = s.sw.SetColWidth(i+1, i+1, c.width); b.err != nil {
			return s
		}
	}
	s.head = len(lines) + 1
	top, err := excelize.CoordinatesToCellName(1, s.head+1)
	if err != nil {
		b.err = err
		return s
	}
	if b.err = s.sw.SetPanes(&excelize.Panes{Freeze: true, YSplit: s.head, TopLeftCell: top, ActivePane: "bottomLeft"}); b.err != nil {
		return s
	}
	for _, l := range lines {
		s.put(excelize.Cell{StyleID: b.boldStyle(), Value: plain(l.In(b.lang))})
	}
	head := make([]any, len(cols))
	for i, c := range cols {
		head[i] = excelize.Cell{StyleID: b.headStyle(), Value: c.name.In(b.lang)}
	}
	s.put(head...)
	return s
}

// put appends a row.
func (s *sheet) put(cells ...any) {
	b := s.b
	if b.err != nil {
		return
	}
	s.row++
	for i, c := range cells {
		switch v := c.(type) {
		case Text:
			cells[i] = plain(v.In(b.lang))
		case string:
			cells[i] = plain(v)
		case figure:
			cells[i] = b.number(v, false)
		case moment:
			cells[i] = nil
			if v.at != 0 {
				// A spreadsheet counts days from 1899-12-30.
				local := v.at.Unix() + int64(v.offset)*60
				cells[i] = excelize.Cell{StyleID: b.formatStyle("yyyy-mm-dd hh:mm:ss"), Value: float64(local)/86400 + 25569}
			}
		case day:
			cells[i] = nil
			if calendar.Date(v) != calendar.None && v != 0 {
				cells[i] = excelize.Cell{StyleID: b.formatStyle("yyyy-mm-dd"), Value: float64(v) + 25569}
			}
		}
	}
	b.err = s.sw.SetRow("A"+strconv.Itoa(s.row), cells)
}

// number gives an amount as a number, or as text where a number would lose
// minor units.
func (b *book) number(v figure, bold bool) excelize.Cell {
	text := money.Format(v.minor, v.currency)
	if v.minor > exactDigits || v.minor < -exactDigits {
		return excelize.Cell{Value: text}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return excelize.Cell{Value: text}
	}
	return excelize.Cell{StyleID: b.numberStyle(v.currency.Exponent(), bold), Value: n}
}

func (s *sheet) full() bool { return s.row >= sheetRows }

// close ends a sheet.
func (s *sheet) close() {
	b := s.b
	if b.err != nil {
		return
	}
	if s.row > s.head {
		from, err1 := excelize.CoordinatesToCellName(1, s.head)
		to, err2 := excelize.CoordinatesToCellName(len(s.cols), s.row)
		if err1 == nil && err2 == nil {
			b.err = b.f.AutoFilter(s.name, from+":"+to, nil)
		}
	}
	if b.err == nil {
		b.err = s.sw.Flush()
	}
}

func (b *book) summary(d *digest) {
	lines := []Text{lead(d)}
	if d.count == 0 {
		lines = append(lines, emptyAnswer(d))
	} else {
		for _, c := range d.currencies {
			lines = append(lines, headline(c))
		}
	}
	s := b.open(tx("Summary", "概览"), []column{
		{tx("Where", "位置"), 30}, {tx("Currency", "币种"), 10}, {tx("Payments", "笔数"), 10}, {tx("Amount", "金额"), 18}, {tx("Oldest", "最早一笔"), 20}, {tx("Meaning", "说明"), 70},
	}, lines...)
	for _, c := range d.currencies {
		for _, p := range placeOrder {
			if at := c.Places[p]; at.Count > 0 {
				s.put(p.word(), c.Currency.String(), at.Count, figure{at.Amount, c.Currency}, moment{at.Oldest, at.Offset}, statusMeaning(p.status()))
			}
		}
		if c.Count > 0 {
			s.put(tx("Approved in all", "合计（成功金额）"), c.Currency.String(), c.Count, b.number(figure{c.Gross, c.Currency}, true))
		}
		if n := c.NotCharged; n.Count > 0 {
			s.put(tx("Beside it: not charged", "另：未扣款"), c.Currency.String(), n.Count, figure{n.Amount, c.Currency})
		}
		if c.Memo != 0 {
			s.put(tx("Beside it: deductions that name no payment", "另：未指明交易的扣款"), c.Currency.String(), nil, figure{c.Memo, c.Currency})
		}
	}
	s.close()
}

func paymentColumns() []column {
	return []column{
		{tx("Time", "时间"), 19}, {tx("RRN", "参考号"), 14}, {tx("Merchant", "商户"), 17}, {tx("Terminal", "终端"), 11}, {tx("Batch", "批次"), 9},
		{tx("Trace no.", "流水号"), 9}, {tx("Approval code", "授权码"), 9}, {tx("Order", "订单"), 16}, {tx("Reference", "平台单号"), 16}, {tx("Card", "卡号"), 19},
		{tx("Kind", "类型"), 10}, {tx("Business date", "交易日"), 11}, {tx("Currency", "币种"), 7}, {tx("Amount", "金额"), 13}, {tx("Fee", "手续费"), 10},
		{tx("Fee charged", "实收手续费"), 10}, {tx("Refunded", "退款"), 11}, {tx("Net", "应到"), 13}, {tx("Arrived", "已到"), 13}, {tx("Missing", "未到"), 13},
		{tx("Order difference", "与订单相差"), 11}, {tx("Status", "状态"), 13}, {tx("Where", "位置"), 28}, {tx("Late by", "逾期"), 12},
		{tx("Why", "原因"), 28}, {tx("Confidence", "置信度"), 8}, {tx("Who acts", "处理方"), 16}, {tx("Due", "应到时间"), 19}, {tx("Expected", "预计到账"), 19},
		{tx("Latest", "最晚"), 19}, {tx("Cardholder", "持卡人"), 13}, {tx("Terms", "约定"), 9}, {tx("Payout", "出款"), 16}, {tx("Bank entry", "银行流水"), 22},
		{tx("Incident", "事件"), 10}, {tx("Cause", "原因代码"), 24}, {tx("Evidence", "凭据"), 40}, {tx("Id", "编号"), 19},
	}
}

func paymentRow(a *investigation.Answer, p *investigation.Payment) []any {
	words, k, c := a.View.Words, &p.Keys, p.Currency
	v := &p.Verdict
	known := func(n int64, yes bool) any {
		if yes {
			return figure{n, c}
		}
		return nil
	}
	charged := p.Status != journey.NotCharged
	stated := tx("agreed", "约定")
	if !p.Terms.Stated {
		stated = tx("assumed", "假设")
	}
	code, told := "", ""
	var confidence any
	if v.Cause != nil {
		code, confidence = v.Cause.Code, v.Confidence
		for i, f := range v.Evidence {
			if i > 0 {
				told += "; "
			}
			told += a.View.Name(f)
		}
	}
	payout, entry := "", ""
	if p.Payout != nil {
		payout = words.Text(p.Payout.ID)
	}
	if p.Entry != 0 {
		entry = a.View.Name(p.Entry)
	}
	at := func(i evidence.Instant) moment { return moment{i, zone(p, i)} }
	return []any{
		at(p.Time), words.Text(k.RRN), words.Text(k.MID), words.Text(k.TID), words.Text(k.Batch), words.Text(k.STAN), words.Text(k.AuthCode),
		words.Text(k.OrderID), words.Text(k.Ref), words.Text(k.PAN), kindWord(p.Kind), day(p.BusinessDate), c.String(), figure{p.Amount, c},
		known(p.Fee, p.HasFee && charged), known(p.FeeCharged, p.TookFee && charged), known(p.Refunded, p.Refunded != 0), known(p.Net, charged),
		figure{p.Arrived, c}, figure{p.Missing, c}, known(p.OrderDifference, p.HasOrder), statusWord(p.Status), whereNow(p), lateBy(p), why(p),
		confidence, partyWord(v.Party), at(p.Due), at(v.Expected.Likely), at(v.Expected.Latest), CardholderWord(p.Cardholder), stated, payout, entry,
		p.Incident, code, told, words.Text(p.ID),
	}
}

func (b *book) payments(a *investigation.Answer) {
	name, n := tx("Payments", "交易明细"), 1
	s := b.open(name, paymentColumns())
	a.Each(func(p *investigation.Payment) bool {
		if s.full() {
			s.close()
			n++
			s = b.open(join(name, same(" "+strconv.Itoa(n))), paymentColumns())
		}
		s.put(paymentRow(a, p)...)
		return b.err == nil
	})
	s.close()
}

func (b *book) needs(d *digest) {
	var lines []Text
	if n := d.needs.rest(); n > 0 {
		lines = append(lines, tx(grouped(n)+" more stand in the sheet Payments.", "另有"+grouped(n)+"笔，见“交易明细”。"))
	}
	s := b.open(tx("Overdue", "逾期及待处理"), []column{
		{tx("Late by", "逾期"), 13}, {tx("Time", "时间"), 19}, {tx("RRN / order", "参考号/订单"), 18}, {tx("Merchant", "商户"), 17}, {tx("Currency", "币种"), 8},
		{tx("Amount", "金额"), 14}, {tx("Missing", "未到"), 14}, {tx("Where", "位置"), 30}, {tx("Why", "原因"), 28}, {tx("Who acts", "处理方"), 16},
		{tx("Due", "应到时间"), 19}, {tx("Expected", "预计到账"), 19}, {tx("What the merchant does", "商户怎么办"), 80}, {tx("What the institution does", "收单机构怎么办"), 80},
	}, lines...)
	for _, p := range d.needs.list {
		_, key := reference(d.a, p)
		row := []any{
			lateBy(p), moment{p.Time, zone(p, p.Time)}, key, merchantName(d.a, p.Keys.MID), p.Currency.String(), figure{p.Amount, p.Currency},
			figure{p.Missing, p.Currency}, whereNow(p), why(p), partyWord(p.Verdict.Party), moment{p.Due, zone(p, p.Due)},
			moment{p.Verdict.Expected.Likely, zone(p, p.Verdict.Expected.Likely)},
		}
		if c := p.Verdict.Cause; c != nil {
			advice := c.AdviceFor(p.Verdict.Leg, p.Cardholder)
			row = append(row, advice.Merchant, advice.Institution)
		}
		s.put(row...)
	}
	s.close()
}

func (b *book) incidents(d *digest) {
	s := b.open(tx("Incidents", "事件"), []column{
		{tx("Id", "编号"), 10}, {tx("What", "原因"), 32}, {tx("Cause", "原因代码"), 26}, {tx("Scope", "范围"), 28}, {tx("Since", "起"), 19}, {tx("Until", "止"), 19},
		{tx("Payments", "笔数"), 10}, {tx("Currency", "币种"), 8}, {tx("Amount", "金额"), 14}, {tx("Who acts", "处理方"), 16}, {tx("Expected", "预计"), 19},
	})
	for _, i := range d.totals.Incidents {
		title := Text{}
		if i.Cause != nil {
			title = i.Cause.Title
		}
		s.put(i.ID, title, i.Key.Cause, scopeName(i.Key.Scope), moment{i.Key.From, i.Offset}, moment{i.Key.To, i.Offset}, i.Count,
			i.Currency.String(), figure{i.Amount, i.Currency}, partyWord(i.Party), moment{i.Expected, i.Offset})
	}
	s.close()
}

func (b *book) moneyMap(d *digest) {
	cols := []column{{tx("Merchant", "商户"), 18}, {tx("Currency", "币种"), 8}, {tx("Business date", "交易日"), 12}, {tx("Approved in all", "成功金额"), 15}}
	// Stages at which nothing ever stands still are left out.
	var shown []place
	for _, p := range placeOrder {
		used := p.stage() == journey.NoStage
		for _, c := range d.currencies {
			used = used || c.Places[p].Amount != 0
		}
		if used {
			shown = append(shown, p)
			cols = append(cols, column{p.word(), 15})
		}
	}
	cols = append(cols, column{tx("Beside it: not charged", "另：未扣款"), 15}, column{tx("Beside it: deductions", "另：扣款"), 15})
	s := b.open(tx("Money map", "款项分布"), cols)
	for _, r := range d.totals.Rows {
		if s.full() {
			break
		}
		row := []any{merchantName(d.a, r.MID), r.Currency.String(), day(r.Date), figure{r.Gross, r.Currency}}
		for _, p := range shown {
			row = append(row, figure{amountAt(r, p), r.Currency})
		}
		s.put(append(row, figure{r.NotCharged, r.Currency}, figure{r.Memo, r.Currency})...)
	}
	s.close()
}

// amountAt gives a place's amount in a row of the money map.
func amountAt(r *journey.Row, p place) int64 {
	switch {
	case p.status() == journey.InTransit:
		return r.InTransit[p.stage()]
	case p.status() == journey.Overdue:
		return r.Overdue[p.stage()]
	}
	switch p {
	case inArrived:
		return r.Arrived
	case inConfirmed:
		return r.Confirmed
	case inHeld:
		return r.Held
	case inShort:
		return r.Short
	case inUnproven:
		return r.Unproven
	case inUnknown:
		return r.Unknown
	case inFees:
		return r.Fees
	case inRefunded:
		return r.Refunded
	case inChargebacks:
		return r.Chargebacks
	case inReserves:
		return r.Reserves
	}
	return r.Adjustments
}

func (b *book) accounts(d *digest) {
	s := b.open(tx("Accounts", "账户"), []column{
		{tx("Account", "账户"), 16}, {tx("Token", "区分码"), 16}, {tx("Currency", "币种"), 8}, {tx("Booked", "已入账"), 16}, {tx("Placed", "已对应"), 16}, {tx("Unplaced", "未对应"), 16},
	})
	for _, acc := range d.totals.Accounts {
		s.put(accountTail(acc.Name), card.AccountToken(acc.Name), acc.Currency.String(), figure{acc.Booked, acc.Currency}, figure{acc.Placed, acc.Currency}, figure{acc.Unplaced, acc.Currency})
	}
	s.close()
}

func (b *book) loose(d *digest) {
	a := d.a
	s := b.open(tx("Unplaced, ambiguous", "未对应与多种对应"), []column{
		{tx("State", "情况"), 18}, {tx("What", "类型"), 18}, {tx("Time", "时间"), 19}, {tx("Currency", "币种"), 8}, {tx("Amount", "金额"), 14},
		{tx("Why", "原因"), 60}, {tx("Candidates", "候选"), 40}, {tx("Evidence", "凭据"), 30}, {tx("Read from", "出处"), 30},
	})
	row := func(state Text, r evidence.FactRef, why fault.Text, candidates string) {
		if s.full() {
			return
		}
		f := a.View.At(r)
		var sum any
		if n, ok := f.Amount(); ok {
			if f.Debit() {
				n = -n
			}
			sum = figure{n, f.Currency}
		}
		s.put(state, factWord(f.Type), moment{f.Time, f.Offset}, f.Currency.String(), sum, reason(why), candidates, a.View.Name(r), placeOf(a, r))
	}
	for _, amb := range a.Match.Ambiguous {
		list := ""
		for i, p := range amb.Payments {
			if i > 0 {
				list += "; "
			}
			if i == 20 {
				list += "…"
				break
			}
			list += a.IDOf(p)
		}
		for i, p := range amb.Payouts {
			if i > 0 || list != "" {
				list += "; "
			}
			if i == 20 {
				list += "…"
				break
			}
			list += a.View.Words.Text(p.ID)
		}
		row(tx("fits several ways", "多种对应"), amb.Fact, amb.Why, list)
	}
	for _, u := range a.Unplaced() {
		row(tx("belongs nowhere", "无处对应"), u.Fact, u.Why, "")
	}
	s.close()
}

func (b *book) input(d *digest) {
	a := d.a
	s := b.open(tx("Input", "输入"), []column{
		{tx("What", "类别"), 18}, {tx("File", "文件"), 44}, {tx("Line", "行"), 9}, {tx("Format", "格式"), 24}, {tx("Facts", "数据条数"), 10}, {tx("Not taken", "未采用"), 10},
		{tx("From", "起"), 19}, {tx("To", "止"), 19}, {tx("Remark", "说明"), 90},
	})
	for _, x := range a.Sources {
		s.put(tx("input", "输入"), x.File, nil, x.Format, x.Facts, x.Rejected, moment{x.From, a.Offset}, moment{x.To, a.Offset})
	}
	line := func(n int) any {
		if n == 0 {
			return nil
		}
		return n
	}
	for _, x := range a.Rejected {
		if s.full() {
			break
		}
		s.put(tx("not taken", "未采用"), x.File, line(x.Line), nil, nil, nil, nil, nil, reason(x.Why))
	}
	for _, x := range a.Warnings {
		if s.full() {
			break
		}
		file, at := x.File, x.Line
		if x.Fact != 0 {
			f := a.View.At(x.Fact)
			file, at = a.View.FileName(f.File), int(f.Line)
		}
		s.put(tx("warning", "警告"), file, line(at), nil, nil, nil, nil, nil, reason(x.Why))
	}
	for _, t := range d.assumedTerms() {
		if s.full() {
			break
		}
		n := d.assumed[t]
		s.put(tx("terms assumed", "假设条款"), merchantName(a, t.MID), nil, nil, n.Count, nil, nil, nil, describeTerms(t, n.currency))
	}
	s.close()
}
