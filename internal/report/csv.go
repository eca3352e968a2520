package report

import (
	"bufio"
	"io"
	"strconv"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/money"
)

// csvColumns are the columns of the CSV, named as in the JSON. Amounts are in
// major units with the currency's decimals, as spreadsheets want them; words
// and sentences are in the reader's language, codes are not translated.
var csvColumns = []string{
	"id", "mid", "tid", "batch", "stan", "rrn", "auth_code", "order_id", "ref", "pan", "kind", "time", "business_date",
	"currency", "amount", "fee", "fee_charged", "net", "arrived", "missing", "order_difference", "refunded",
	"stage", "status", "cardholder", "terms", "cause", "confidence", "alternatives", "party", "due", "overdue_by",
	"expected_earliest", "expected_likely", "expected_latest", "payout", "bank_entry", "incident", "evidence",
	"where", "why", "who_acts", "late_by", "advice",
}

// byteOrderMark tells spreadsheets that the text is UTF-8.
const byteOrderMark = "\ufeff"

// CSV writes one payment per row, in order of time then id. Cells that a
// spreadsheet would take for a formula get an apostrophe before them. In
// Chinese a byte-order mark stands before the header, because spreadsheets
// need it.
func CSV(w io.Writer, a *investigation.Answer, o Options) error {
	out := bufio.NewWriter(w)
	if o.Lang == "zh" {
		_, _ = out.WriteString(byteOrderMark)
	}
	_, _ = out.WriteString(strings.Join(csvColumns, ",") + "\n")
	if err := a.Render(out, func(dst []byte, p *investigation.Payment) []byte {
		return appendCSV(dst, a, p, o)
	}); err != nil {
		return err
	}
	return out.Flush()
}

// csvRow appends cells to one row.
type csvRow struct {
	b     []byte
	first bool
}

func (r *csvRow) next() {
	if !r.first {
		r.b = append(r.b, ',')
	}
	r.first = false
}

// text adds a cell of text, guarded against being taken for a formula.
func (r *csvRow) text(s string) {
	r.next()
	if s = plainLines(s); s == "" {
		return
	}
	switch s[0] {
	case '=', '+', '-', '@', '|', '%':
		s = "'" + s
	}
	if !strings.ContainsAny(s, ",\"\r\n") && s[0] != ' ' && s[len(s)-1] != ' ' {
		r.b = append(r.b, s...)
		return
	}
	r.b = append(r.b, '"')
	r.b = append(r.b, strings.ReplaceAll(s, `"`, `""`)...)
	r.b = append(r.b, '"')
}

func (r *csvRow) amount(n int64, c money.Currency, known bool) {
	r.next()
	if known {
		r.b = money.AppendFormat(r.b, n, c)
	}
}

func (r *csvRow) time(at evidence.Instant, offset int16) {
	r.next()
	if at != 0 {
		r.b = evidence.AppendInstant(r.b, at, offset)
	}
}

func (r *csvRow) date(d calendar.Date) {
	r.next()
	if d != calendar.None {
		r.b, _ = d.AppendText(r.b)
	}
}

func appendCSV(dst []byte, a *investigation.Answer, p *investigation.Payment, o Options) []byte {
	r := csvRow{b: dst, first: true}
	words, k, c := a.View.Words, &p.Keys, p.Currency
	offset := zone(p, p.Time)
	for _, w := range []evidence.Word{p.ID, k.MID, k.TID, k.Batch, k.STAN, k.RRN, k.AuthCode, k.OrderID, k.Ref, k.PAN} {
		r.text(words.Text(w))
	}
	r.text(p.Kind.String())
	r.time(p.Time, offset)
	r.date(p.BusinessDate)
	r.text(c.String())
	charged := p.Status != journey.NotCharged
	r.amount(p.Amount, c, true)
	r.amount(p.Fee, c, p.HasFee && charged)
	r.amount(p.FeeCharged, c, p.TookFee && charged)
	r.amount(p.Net, c, charged)
	r.amount(p.Arrived, c, true)
	r.amount(p.Missing, c, true)
	r.amount(p.OrderDifference, c, p.HasOrder)
	r.amount(p.Refunded, c, p.Refunded != 0)
	r.text(p.Stage.String())
	r.text(p.Status.String())
	r.text(p.Cardholder.String())
	if p.Terms.Stated {
		r.text("stated")
	} else {
		r.text("assumed")
	}
	v := &p.Verdict
	code, confidence := "", ""
	var others, told []string
	if v.Cause != nil {
		code, confidence = v.Cause.Code, strconv.FormatFloat(v.Confidence, 'g', -1, 64)
		for _, alt := range v.Alternatives {
			others = append(others, alt.Cause.Code+" "+strconv.FormatFloat(alt.Confidence, 'g', -1, 64))
		}
		for _, f := range v.Evidence {
			told = append(told, a.View.Name(f))
		}
	}
	r.text(code)
	r.text(confidence)
	r.text(strings.Join(others, "; "))
	r.text(v.Party.String())
	r.time(p.Due, offset)
	r.next()
	r.b = strconv.AppendInt(r.b, p.OverdueBy, 10)
	r.time(v.Expected.Earliest, offset)
	r.time(v.Expected.Likely, offset)
	r.time(v.Expected.Latest, offset)
	payout, entry := "", ""
	if p.Payout != nil {
		payout = words.Text(p.Payout.ID)
	}
	if p.Entry != 0 {
		entry = a.View.Name(p.Entry)
	}
	r.text(payout)
	r.text(entry)
	r.text(p.Incident)
	r.text(strings.Join(told, "; "))
	r.text(whereNow(p).In(o.Lang))
	r.text(why(p).In(o.Lang))
	r.text(partyWord(v.Party).In(o.Lang))
	r.text(lateBy(p).In(o.Lang))
	advice := ""
	if v.Cause != nil && !o.AdviceCode {
		advice = v.Cause.AdviceFor(v.Leg, p.Cardholder).Merchant.In(o.Lang)
	}
	r.text(advice)
	return append(r.b, '\n')
}
