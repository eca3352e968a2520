package processor

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/cespare/xxhash/v2"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// adyenSettlementName begins the source of its facts.
const adyenSettlementName = "adyen.settlement"

// adyenSettlement is Adyen's settlement details report, CSV or spreadsheet,
// its columns in any order: the lines of a batch, and at its end the payout
// that they sum to, or the transfer of the balance to the next batch. Only the
// end says on which day the batch is paid and under which reference, so that a
// batch is gathered first and stated then.
var adyenSettlement = &format.Table{
	Name: adyenSettlementName, Title: fault.Say("Adyen settlement details report", "Adyen 结算明细报表"),
	Type: evidence.SettlementLine, Zone: "UTC", Currency: "EUR",
	Columns: []format.Column{
		{Field: evidence.MID, Name: "mid", Headers: []string{"Merchant Account"}},
		{Name: "ref", Headers: []string{"Psp Reference"}},
		{Name: "order_id", Headers: []string{"Merchant Reference"}},
		{Name: "Payment Method", Headers: []string{"Payment Method"}, Optional: true},
		{Name: "Payment Method Variant", Headers: []string{"Payment Method Variant"}, Optional: true},
		{Name: "Creation Date", Headers: []string{"Creation Date"}},
		{Name: "zone", Headers: []string{"TimeZone"}},
		{Name: "Booking Date", Headers: []string{"Booking Date"}, Optional: true},
		{Name: "Booking Date TimeZone", Headers: []string{"Booking Date TimeZone"}, Optional: true},
		{Name: "Type", Headers: []string{"Type"}},
		{Name: "modification", Headers: []string{"Modification Reference"}, Optional: true},
		{Name: "Gross Currency", Headers: []string{"Gross Currency"}},
		{Name: "Gross Debit", Headers: []string{"Gross Debit (GC)"}, As: format.AsDecimal},
		{Name: "Gross Credit", Headers: []string{"Gross Credit (GC)"}, As: format.AsDecimal},
		{Name: "Exchange Rate", Headers: []string{"Exchange Rate"}, Optional: true},
		{Name: "Net Currency", Headers: []string{"Net Currency"}},
		{Name: "Net Debit", Headers: []string{"Net Debit (NC)"}, As: format.AsDecimal},
		{Name: "Net Credit", Headers: []string{"Net Credit (NC)"}, As: format.AsDecimal},
		{Name: "Commission", Headers: []string{"Commission (NC)"}, As: format.AsDecimal, Optional: true},
		{Name: "Markup", Headers: []string{"Markup (NC)"}, As: format.AsDecimal, Optional: true},
		{Name: "Scheme Fees", Headers: []string{"Scheme Fees (NC)"}, As: format.AsDecimal, Optional: true},
		{Name: "Interchange", Headers: []string{"Interchange (NC)"}, As: format.AsDecimal, Optional: true},
		{Name: "Payment Fees", Headers: []string{"Payment Fees (NC)"}, As: format.AsDecimal, Optional: true},
		{Name: "Batch", Headers: []string{"Batch Number"}},
	},
	Open:  func(doc *format.Doc, _ *format.Out) error { doc.State = &adyenReport{}; return nil },
	Row:   adyenRow,
	Close: func(doc *format.Doc, out *format.Out) { doc.State.(*adyenReport).state(doc, out) },
}

// adyenLine is one row, kept until its batch is known.
type adyenLine struct {
	amounts
	line                        int
	hash                        uint64
	ref, order, modification    string
	typeName, network, cardType string
	remark                      string // of a row that is no payment
	created, booked             dated
	gross                       money.Currency // of the gross; zero where there is none
	currency                    money.Currency // of fee and net
	rate                        string
}

// adyenBatch is one batch of a merchant account.
type adyenBatch struct {
	mid, number string
	lines       []adyenLine
	payouts     []adyenLine
	// closing is when the batch ended; zero where the report does not show it.
	closing dated
}

// adyenReport is what has been read of a report.
type adyenReport struct {
	batches []*adyenBatch
	last    *adyenBatch
	unknown map[string]int // types that the table does not have, with their first line
}

func (r *adyenReport) batch(mid, number string) *adyenBatch {
	if b := r.last; b != nil && b.mid == mid && b.number == number {
		return b
	}
	for _, b := range r.batches {
		if b.mid == mid && b.number == number {
			r.last = b
			return b
		}
	}
	r.last = &adyenBatch{mid: mid, number: number}
	r.batches = append(r.batches, r.last)
	return r.last
}

func adyenRow(row *format.Row, out *format.Out) {
	l, err := readAdyenLine(row)
	if err != nil {
		out.Reject(row.Line, fault.Reason(err))
		return
	}
	r := row.Doc.State.(*adyenReport)
	mid := row.Text("mid")
	if mid == "" {
		mid = row.Doc.In.MID
	}
	b := r.batch(mid, row.Text("Batch"))
	when := l.booked
	if when.at == 0 {
		when = l.created
	}
	switch strings.ToLower(l.typeName) {
	case "merchantpayout":
		b.payouts = append(b.payouts, l)
		b.closing = when
		return
	case "balancetransfer":
		if l.net < 0 { // to the next batch
			b.closing = when
		}
	}
	var known bool
	if l.kind, known = adyenKind(l.typeName, l.net); !known {
		if r.unknown == nil {
			r.unknown = map[string]int{}
		}
		if _, told := r.unknown[l.typeName]; !told {
			r.unknown[l.typeName] = l.line
			out.Warn(l.line, fault.Say("the type %s is not known; such rows count as adjustments with the sign of their net", "类型 %s 未知，这类行按净额的正负计为调账", quoted(l.typeName)))
		}
	}
	b.lines = append(b.lines, l)
}

func readAdyenLine(row *format.Row) (l adyenLine, err error) {
	l.line, l.hash = row.Line, xxhash.Sum64(row.Raw)
	l.typeName = row.Text("Type")
	l.ref, l.order, l.modification = row.Text("ref"), row.Text("order_id"), row.Text("modification")
	l.network, l.cardType = adyenCard(row)
	var ok bool
	if l.currency, ok = format.ParseCurrency(row.Bytes("Net Currency")); !ok {
		return l, noCurrency("Net Currency")
	}
	if l.created, err = adyenMoment(row, "Creation Date", "zone"); err != nil {
		return l, err
	}
	if l.booked, err = adyenMoment(row, "Booking Date", "Booking Date TimeZone"); err != nil {
		return l, err
	}
	if l.created.at == 0 && l.booked.at == 0 {
		return l, fault.Say("column %q: is empty; it says when the row was made", "列 %q：为空，应为该行的生成时间", "Creation Date")
	}
	if l.net, err = creditLessDebit(row, "Net Credit", "Net Debit", l.currency); err != nil {
		return l, err
	}
	if l.fee, err = adyenFees(row, l.currency, "Commission", "Markup", "Scheme Fees", "Interchange"); err != nil {
		return l, err
	}
	grossCurrency := row.Bytes("Gross Currency")
	hasGross := len(row.Bytes("Gross Debit")) > 0 || len(row.Bytes("Gross Credit")) > 0
	if !hasGross { // a fee, a correction: all of it is net
		l.remark = remark(l.typeName, l.modification, row.Text("Payment Method Variant"))
		l.amounts.gross = magnitude(l.net)
		l.fee = 0
		return l, nil
	}
	if l.gross, ok = format.ParseCurrency(grossCurrency); !ok {
		return l, noCurrency("Gross Currency")
	}
	gross, err := creditLessDebit(row, "Gross Credit", "Gross Debit", l.gross)
	if err != nil {
		return l, err
	}
	l.amounts.gross = magnitude(gross)
	if l.gross != l.currency {
		l.rate = row.Text("Exchange Rate")
		return l, nil
	}
	// Newer reports have fees of the payment in a column of their own, which is
	// at times in the net and at times booked apart.
	extra, _, err := row.Amount("Payment Fees", l.currency)
	if err != nil {
		return l, err
	}
	with := l.amounts
	l.kind, _ = adyenKind(l.typeName, l.net)
	with.kind = l.kind
	if with.fee, ok = money.Add(l.fee, extra); ok && extra != 0 && with.foots() && !l.foots() {
		l.fee = with.fee
	}
	return l, nil
}

// creditLessDebit gives the signed amount of two columns.
func creditLessDebit(row *format.Row, credit, debit string, c money.Currency) (int64, error) {
	plus, _, err := row.Amount(credit, c)
	if err != nil {
		return 0, err
	}
	minus, _, err := row.Amount(debit, c)
	if err != nil {
		return 0, err
	}
	n, ok := money.Sub(plus, minus)
	if !ok {
		return 0, money.ErrOverflow
	}
	return n, nil
}

// payoutReference is the reference that Adyen gives a payout and that stands on
// the merchant's bank statement: TX635094301XT.
var payoutReference = regexp.MustCompile(`\bTX[0-9A-Z]{4,32}XT\b`)

// payoutID gives the id of the batch's payout in a currency: Adyen's reference
// where a row names it, else the words that Adyen writes on the bank statement.
func (b *adyenBatch) payoutID(c money.Currency) string {
	several := false
	for i := range b.lines {
		several = several || b.lines[i].currency != b.lines[0].currency
	}
	for i := range b.payouts {
		p := &b.payouts[i]
		if p.currency == c {
			if id := payoutReference.FindString(p.modification); id != "" {
				return id
			}
		}
		several = several || p.currency != c
	}
	if b.number == "" {
		return ""
	}
	id := "batch " + b.number + ", " + b.mid
	if several {
		id += " " + c.String()
	}
	return id
}

// state commits the facts of all batches.
func (r *adyenReport) state(doc *format.Doc, out *format.Out) {
	for _, b := range r.batches {
		b.state(doc, out)
	}
}

func (b *adyenBatch) state(doc *format.Doc, out *format.Out) {
	source := adyenSettlementName + "/" + b.mid + "/" + b.number
	b.dropRoundedReferences(out)
	sums := newDocument()
	ids := map[money.Currency]string{}
	equal := map[uint64]uint32{}
	id := func(hash uint64) evidence.Word {
		n := equal[hash]
		equal[hash] = n + 1
		return evidence.RowID(hash, n)
	}
	for i := range b.lines {
		l := &b.lines[i]
		if _, ok := ids[l.currency]; !ok {
			ids[l.currency] = b.payoutID(l.currency)
		}
		due := l.due(b.closing)
		d := out.Begin(evidence.SettlementLine)
		d.SetSource(source)
		d.SetIDWord(id(l.hash))
		if err := l.put(d, b, due, ids[l.currency]); err != nil {
			out.Reject(l.line, fault.Reason(err))
			continue
		}
		if !out.Commit(d, l.line) {
			continue
		}
		if l.gross == l.currency {
			sums.note(l.line, l.amounts)
		}
		sums.of(part{b.mid, due, l.currency}).add(l.net)
	}
	sums.tellUneven(out)
	for i := range b.payouts {
		p := &b.payouts[i]
		d := out.Begin(evidence.PayoutStatus)
		d.SetSource(source)
		d.SetIDWord(id(p.hash))
		if err := p.putPayout(d, b); err != nil {
			out.Reject(p.line, fault.Reason(err))
			continue
		}
		out.Commit(d, p.line)
	}
	b.check(out, sums)
	if b.closing.at != 0 {
		sums.declare(out, doc.Line, func(part) string { return source }, func(part) dated { return b.closing })
	}
}

// due is the day on which a line is paid: that of its batch, and of a batch
// whose end is not shown the day on which it was booked.
func (l *adyenLine) due(closing dated) calendar.Date {
	switch {
	case closing.at != 0:
		return closing.date()
	case l.booked.at != 0:
		return l.booked.date()
	}
	return l.created.date()
}

// put fills a settlement line.
func (l *adyenLine) put(d *evidence.Draft, b *adyenBatch, due calendar.Date, payout string) error {
	when := l.booked
	if when.at == 0 {
		when = l.created
	}
	d.SetTime(when.at, when.offset)
	if l.created.at != 0 {
		d.PutInstant(evidence.TransactionTime, l.created.at, l.created.offset)
	}
	currency := l.currency
	if l.gross != (money.Currency{}) && l.gross != l.currency {
		currency = l.gross
		if err := firstError(d.PutString(evidence.NetCurrency, l.currency.String()), putWord(d, evidence.Rate, l.rate)); err != nil {
			return err
		}
	}
	if err := firstError(
		putWord(d, evidence.MID, b.mid),
		putWord(d, evidence.Ref, l.ref),
		putWord(d, evidence.OrderID, l.order),
		putWord(d, evidence.Network, l.network),
		putWord(d, evidence.CardTypeField, l.cardType),
		d.PutString(evidence.CurrencyField, currency.String()),
		putWord(d, evidence.Payout, payout),
		d.PutDate(evidence.SettlementDate, due),
		l.amounts.put(d),
	); err != nil {
		return err
	}
	return putWord(d, evidence.Text, l.remark)
}

// remark joins the words of a row that is no payment, each once.
func remark(words ...string) string {
	var said []string
	for _, w := range words {
		if w = strings.Join(strings.Fields(w), " "); w == "" {
			continue
		}
		if n := len(said); n > 0 && strings.HasPrefix(w, said[n-1]) {
			said = said[:n-1] // the longer text has the shorter in it
		}
		said = append(said, w)
	}
	return strings.Join(said, " ")
}

// putPayout fills the status of a payout: Adyen has sent it.
func (l *adyenLine) putPayout(d *evidence.Draft, b *adyenBatch) error {
	when := l.booked
	if when.at == 0 {
		when = l.created
	}
	d.SetTime(when.at, when.offset)
	return firstError(
		putWord(d, evidence.MID, b.mid),
		putWord(d, evidence.Payout, b.payoutID(l.currency)),
		d.PutInt(evidence.Amount, magnitude(l.net)),
		d.PutString(evidence.CurrencyField, l.currency.String()),
		d.PutString(evidence.By, "platform"),
		d.PutString(evidence.StateField, "sent"),
		putWord(d, evidence.Text, l.modification),
	)
}

// check compares the lines of a batch with its payout in each currency. A batch
// whose balance goes to the next one sums to nothing.
func (b *adyenBatch) check(out *format.Out, sums *document) {
	if b.closing.at == 0 {
		sums.torn = true
		return
	}
	paid := map[money.Currency]int64{}
	line := map[money.Currency]int{}
	for i := range b.payouts {
		p := &b.payouts[i]
		paid[p.currency] += magnitude(p.net)
		line[p.currency] = p.line
	}
	have := map[money.Currency]int64{}
	for _, p := range sums.order {
		have[p.currency] += sums.parts[p].total
	}
	for c := range paid {
		if _, ok := have[c]; !ok {
			have[c] = 0
		}
	}
	for _, c := range currencies(have) {
		at := line[c]
		if at == 0 {
			at = b.lines[len(b.lines)-1].line
		}
		var t totals
		t.compare(fault.Say("payout of batch %s in %s", "批次 %s 的出款（%s）", b.number, c), money.Format(paid[c], c), money.Format(have[c], c))
		sums.torn = !t.agree(out, at) || sums.torn
	}
}

// currencies gives the keys of a map in order.
func currencies(m map[money.Currency]int64) []money.Currency {
	out := make([]money.Currency, 0, len(m))
	for c := range m {
		i := 0
		for i < len(out) && bytes.Compare(out[i][:], c[:]) < 0 {
			i++
		}
		out = append(out[:i], append([]money.Currency{c}, out[i:]...)...)
	}
	return out
}

// dropRoundedReferences takes away references that several sales of different
// orders share. Adyen's references are unique; a spreadsheet that took their 16
// digits for numbers has rounded them, and they would join what is apart.
func (b *adyenBatch) dropRoundedReferences(out *format.Out) {
	orderOf := map[string]string{}
	rounded := map[string]bool{}
	for i := range b.lines {
		l := &b.lines[i]
		if l.kind != evidence.Sale || l.ref == "" || l.order == "" {
			continue
		}
		if order, ok := orderOf[l.ref]; ok && order != l.order {
			rounded[l.ref] = true
		}
		orderOf[l.ref] = l.order
	}
	told := false
	for i := range b.lines {
		l := &b.lines[i]
		if !rounded[l.ref] || l.ref == "" {
			continue
		}
		if !told {
			told = true
			out.Warn(l.line, fault.Say("sales of different orders carry one Psp Reference: a spreadsheet has rounded its digits; such references are left out, export the report as CSV", "不同订单的消费带同一个 Psp Reference：末位数字被电子表格取整，这些参考号未采用，请把报表导出为 CSV"))
		}
		l.ref = ""
	}
}
