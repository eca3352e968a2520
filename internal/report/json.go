package report

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"io"
	"slices"
	"strconv"
	"sync"
	"unicode/utf8"

	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/money"
)

// NDJSON writes one payment per line, in order of time then id.
func NDJSON(w io.Writer, a *investigation.Answer, o Options) error {
	e := newEncoder(a, o)
	return a.Render(w, func(dst []byte, p *investigation.Payment) []byte {
		return append(e.payment(dst, p), '\n')
	})
}

// Payment writes one payment of an answer as NDJSON does.
func Payment(w io.Writer, a *investigation.Answer, p *investigation.Payment, o Options) error {
	_, err := w.Write(append(newEncoder(a, o).payment(nil, p), '\n'))
	return err
}

// JSON writes the whole answer as one object.
func JSON(w io.Writer, a *investigation.Answer, o Options) error {
	totals := a.Totals()
	e := newEncoder(a, o)
	e.tellApart()
	out := bufio.NewWriterSize(w, 1<<16)
	b := append([]byte(nil), `{"as_of":`...)
	b = appendTime(b, a.AsOf, a.Offset)
	b = append(b, `,"summary":`...)
	b = e.summary(b, totals)
	b = append(b, `,"payments":[`...)
	if _, err := out.Write(b); err != nil {
		return err
	}
	first := true
	commas := &separated{w: out, first: &first}
	if err := a.Render(commas, func(dst []byte, p *investigation.Payment) []byte {
		return e.payment(append(dst, ",\n"...), p)
	}); err != nil {
		return err
	}
	b = append(b[:0], `],"incidents":[`...)
	b = list(b, totals.Incidents, e.incident)
	b = append(b, `],"money_map":[`...)
	b = list(b, totals.Rows, e.row)
	b = append(b, `],"accounts":[`...)
	b = list(b, totals.Accounts, e.accountTotals)
	b = append(b, `],"unplaced":[`...)
	b = list(b, a.Unplaced(), e.unplaced)
	b = append(b, `],"ambiguous":[`...)
	b = e.ambiguous(b)
	b = append(b, `],"rejected":[`...)
	b = list(b, a.Rejected, e.rejected)
	b = append(b, `],"warnings":[`...)
	b = list(b, a.Warnings, e.warning)
	b = append(b, `],"sources":[`...)
	b = list(b, a.Sources, e.source)
	b = append(b, "]}\n"...)
	if _, err := out.Write(b); err != nil {
		return err
	}
	return out.Flush()
}

// separated drops the comma before the first element.
type separated struct {
	w     io.Writer
	first *bool
}

func (s *separated) Write(b []byte) (int, error) {
	n := len(b)
	if *s.first && n > 0 {
		*s.first = false
		b = b[1:]
	}
	_, err := s.w.Write(b)
	return n, err
}

func list[T any](b []byte, items []T, one func([]byte, T) []byte) []byte {
	for i, item := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = one(b, item)
	}
	return b
}

// encoder writes the parts of an answer. It is safe for several goroutines.
type encoder struct {
	a     *investigation.Answer
	words *evidence.Words
	o     Options
	// alike are account tails that several accounts share: they get a token.
	alike  map[string]bool
	stands *standings
}

func newEncoder(a *investigation.Answer, o Options) *encoder {
	return &encoder{a: a, words: a.View.Words, o: o, stands: allStandings()}
}

// tellApart finds the accounts that end alike; payments name none, so that one of
// them costs nothing by it.
func (e *encoder) tellApart() {
	e.alike = map[string]bool{}
	seen := map[string]string{}
	for _, entry := range e.a.Match.Entries {
		tail := card.AccountTail(entry.Account)
		if other, ok := seen[tail]; ok && other != entry.Account {
			e.alike[tail] = true
		}
		seen[tail] = entry.Account
	}
}

func (e *encoder) payment(b []byte, p *investigation.Payment) []byte {
	k := &p.Keys
	b = append(b, `{"id":"`...)
	b = e.words.Append(b, p.ID)
	b = append(b, '"')
	b = e.word(b, `,"mid":`, k.MID)
	b = e.word(b, `,"tid":`, k.TID)
	b = e.word(b, `,"batch":`, k.Batch)
	b = e.word(b, `,"stan":`, k.STAN)
	b = e.word(b, `,"rrn":`, k.RRN)
	b = e.word(b, `,"auth_code":`, k.AuthCode)
	b = e.word(b, `,"order_id":`, k.OrderID)
	b = e.word(b, `,"ref":`, k.Ref)
	b = e.word(b, `,"pan":`, k.PAN)
	b = append(b, `,"kind":"`...)
	b = append(b, p.Kind.String()...)
	b = append(b, `","time":`...)
	offset := e.offset(p)
	b = appendTime(b, p.Time, offset)
	b = append(b, `,"business_date":"`...)
	b = appendDate(b, p.BusinessDate)
	b = append(b, `","amount":`...)
	b = strconv.AppendInt(b, p.Amount, 10)
	if p.Currency != (money.Currency{}) {
		b = append(b, `,"currency":"`...)
		b = append(b, p.Currency[:]...)
		b = append(b, '"')
	}
	charged := p.Status != journey.NotCharged
	if p.HasFee && charged {
		b = append(b, `,"fee":`...)
		b = strconv.AppendInt(b, p.Fee, 10)
	}
	if p.TookFee && charged {
		b = append(b, `,"fee_charged":`...)
		b = strconv.AppendInt(b, p.FeeCharged, 10)
	}
	if charged {
		b = append(b, `,"net":`...)
		b = strconv.AppendInt(b, p.Net, 10)
	}
	b = append(b, `,"arrived":`...)
	b = strconv.AppendInt(b, p.Arrived, 10)
	b = append(b, `,"missing":`...)
	b = strconv.AppendInt(b, p.Missing, 10)
	if p.HasOrder {
		b = append(b, `,"order_difference":`...)
		b = strconv.AppendInt(b, p.OrderDifference, 10)
	}
	b = append(b, e.standing(p)...)
	v := &p.Verdict
	if v.Cause != nil {
		b = e.cause(b, v)
	}
	b = append(b, `,"party":"`...)
	b = append(b, v.Party.String()...)
	b = append(b, '"')
	if p.Due != 0 {
		b = append(b, `,"due":`...)
		b = appendTime(b, p.Due, offset)
	}
	b = append(b, `,"overdue_by":`...)
	b = strconv.AppendInt(b, p.OverdueBy, 10)
	if v.Expected.Latest != 0 {
		b = append(b, `,"expected":{"earliest":`...)
		b = appendTime(b, v.Expected.Earliest, offset)
		b = append(b, `,"likely":`...)
		b = appendTime(b, v.Expected.Likely, offset)
		b = append(b, `,"latest":`...)
		b = appendTime(b, v.Expected.Latest, offset)
		b = append(b, '}')
	}
	if len(p.Refunds) > 0 {
		b = append(b, `,"refunds":[`...)
		b = list(b, p.Refunds, func(b []byte, r journey.Refund) []byte {
			b = append(b, `{"amount":`...)
			b = strconv.AppendInt(b, r.Amount, 10)
			b = append(b, `,"time":`...)
			return append(appendTime(b, r.Time, offset), '}')
		})
		b = append(b, ']')
	}
	if p.Payout != nil {
		b = e.word(b, `,"payout":`, p.Payout.ID)
	}
	if p.Entry != 0 {
		b = append(b, `,"bank_entry":`...)
		b = e.name(b, p.Entry)
	}
	if p.Incident != "" {
		b = append(b, `,"incident":"`...)
		b = append(b, p.Incident...)
		b = append(b, '"')
	}
	if v.Cause != nil && !e.o.AdviceCode {
		b = append(b, `,"advice":`...)
		b = appendAdvice(b, v.Cause.AdviceFor(v.Leg, p.Cardholder))
	}
	return append(b, '}')
}

// standing gives the fields that say where a payment stands. There are few of
// them and millions of payments, so that each is put together once.
func (e *encoder) standing(p *investigation.Payment) string {
	said := &e.stands[p.Stage][p.Status][p.Cardholder]
	if p.Terms.Stated {
		return said.stated
	}
	return said.assumed
}

// standings are the texts of encoder.standing.
type standings [journey.Credited + 1][journey.Overdue + 1][journey.CardUnknown + 1]struct{ stated, assumed string }

var allStandings = sync.OnceValue(func() *standings {
	var t standings
	for stage := range t {
		for status := range t[stage] {
			for holder := range t[stage][status] {
				text := `,"stage":"` + journey.Stage(stage).String() + `","status":"` + journey.Status(status).String() +
					`","cardholder":"` + journey.Cardholder(holder).String() + `","terms":`
				t[stage][status][holder].stated = text + `"stated"`
				t[stage][status][holder].assumed = text + `"assumed"`
			}
		}
	}
	return &t
})

// offset gives the merchant's zone at a payment, in minutes.
func (e *encoder) offset(p *investigation.Payment) int16 {
	return int16(p.Terms.OffsetAt(p.Time) / 60)
}

func (e *encoder) cause(b []byte, v *diagnosis.Verdict) []byte {
	b = append(b, `,"cause":{"code":"`...)
	b = append(b, v.Cause.Code...)
	b = append(b, `","confidence":`...)
	b = strconv.AppendFloat(b, v.Confidence, 'g', -1, 64)
	b = append(b, `,"evidence":[`...)
	b = list(b, v.Evidence, e.name)
	b = append(b, ']')
	if len(v.Alternatives) > 0 {
		b = append(b, `,"alternatives":[`...)
		b = list(b, v.Alternatives, func(b []byte, alt diagnosis.Alternative) []byte {
			b = append(b, `{"code":"`...)
			b = append(b, alt.Cause.Code...)
			b = append(b, `","confidence":`...)
			return append(strconv.AppendFloat(b, alt.Confidence, 'g', -1, 64), '}')
		})
		b = append(b, ']')
	}
	return append(b, '}')
}

func appendAdvice(b []byte, a diagnosis.Advice) []byte {
	text := func(b []byte, key string, t diagnosis.Text) []byte {
		b = append(b, key...)
		b = append(b, `:{"en":`...)
		b = appendString(b, t.EN)
		b = append(b, `,"zh":`...)
		return append(appendString(b, t.ZH), '}')
	}
	b = text(b, `{"cardholder"`, a.Cardholder)
	b = text(b, `,"merchant"`, a.Merchant)
	return append(text(b, `,"institution"`, a.Institution), '}')
}

func (e *encoder) summary(b []byte, t *investigation.Totals) []byte {
	currencies := make([]money.Currency, 0, len(t.Summary))
	for c := range t.Summary {
		currencies = append(currencies, c)
	}
	slices.SortFunc(currencies, func(x, y money.Currency) int { return cmp.Compare(x.String(), y.String()) })
	b = append(b, '{')
	b = list(b, currencies, func(b []byte, c money.Currency) []byte {
		b = append(appendString(b, c.String()), ":{"...)
		first := true
		for _, status := range journey.Statuses() {
			s, ok := t.Summary[c][status]
			if !ok {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(appendString(b, status.String()), `:{"count":`...)
			b = strconv.AppendInt(b, int64(s.Count), 10)
			b = append(b, `,"amount":`...)
			b = append(strconv.AppendInt(b, s.Amount, 10), '}')
		}
		return append(b, '}')
	})
	return append(b, '}')
}

func (e *encoder) incident(b []byte, i *investigation.Incident) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, i.ID...)
	b = append(b, `","cause":"`...)
	b = append(b, i.Key.Cause...)
	b = append(b, `","scope":`...)
	b = appendString(b, i.Key.Scope)
	if i.Key.From != 0 {
		b = append(b, `,"from":`...)
		b = appendTime(b, i.Key.From, i.Offset)
	}
	if i.Key.To != 0 {
		b = append(b, `,"to":`...)
		b = appendTime(b, i.Key.To, i.Offset)
	}
	b = append(b, `,"count":`...)
	b = strconv.AppendInt(b, int64(i.Count), 10)
	b = append(b, `,"amount":`...)
	b = strconv.AppendInt(b, i.Amount, 10)
	b = append(b, `,"currency":"`...)
	b = append(b, i.Currency.String()...)
	b = append(b, `","party":"`...)
	b = append(b, i.Party.String()...)
	b = append(b, '"')
	if i.Expected != 0 {
		b = append(b, `,"expected":`...)
		b = appendTime(b, i.Expected, i.Offset)
	}
	return append(b, '}')
}

func (e *encoder) row(b []byte, r *journey.Row) []byte {
	b = append(b, '{')
	if r.MID != 0 {
		b = e.word(b, `"mid":`, r.MID)
		b = append(b, ',')
	}
	b = append(b, `"currency":"`...)
	b = append(b, r.Currency.String()...)
	b = append(b, `","date":"`...)
	b = appendDate(b, r.Date)
	b = append(b, '"')
	number := func(key string, n int64) {
		b = append(b, key...)
		b = strconv.AppendInt(b, n, 10)
	}
	stages := func(key string, by *[journey.Credited + 1]int64) {
		b = append(b, key...)
		b = append(b, '{')
		first := true
		for s, n := range by {
			if n == 0 {
				continue
			}
			if !first {
				b = append(b, ',')
			}
			first = false
			b = append(appendString(b, journey.Stage(s).String()), ':')
			b = strconv.AppendInt(b, n, 10)
		}
		b = append(b, '}')
	}
	number(`,"gross":`, r.Gross)
	number(`,"arrived":`, r.Arrived)
	number(`,"confirmed":`, r.Confirmed)
	number(`,"fees":`, r.Fees)
	number(`,"refunded":`, r.Refunded)
	number(`,"chargebacks":`, r.Chargebacks)
	number(`,"reserves":`, r.Reserves)
	number(`,"adjustments":`, r.Adjustments)
	number(`,"held":`, r.Held)
	stages(`,"in_transit":`, &r.InTransit)
	stages(`,"overdue":`, &r.Overdue)
	number(`,"unproven":`, r.Unproven)
	number(`,"short":`, r.Short)
	number(`,"unknown":`, r.Unknown)
	number(`,"not_charged":`, r.NotCharged)
	number(`,"deductions":`, r.Memo)
	return append(b, '}')
}

func (e *encoder) accountTotals(b []byte, t investigation.Account) []byte {
	tail := card.AccountTail(t.Name)
	b = append(b, `{"account":`...)
	b = appendString(b, tail)
	if e.alike[tail] {
		b = append(b, `,"account_token":`...)
		b = appendString(b, card.AccountToken(t.Name))
	}
	b = append(b, `,"currency":"`...)
	b = append(b, t.Currency.String()...)
	b = append(b, `","booked":`...)
	b = strconv.AppendInt(b, t.Booked, 10)
	b = append(b, `,"placed":`...)
	b = strconv.AppendInt(b, t.Placed, 10)
	b = append(b, `,"unplaced":`...)
	return append(strconv.AppendInt(b, t.Unplaced, 10), '}')
}

func (e *encoder) unplaced(b []byte, u investigation.Unplaced) []byte {
	b = append(b, `{"evidence":`...)
	b = e.name(b, u.Fact)
	b = append(b, `,"type":"`...)
	b = append(b, e.a.View.At(u.Fact).Type.String()...)
	b = append(b, '"')
	if u.HasAmount {
		b = append(b, `,"amount":`...)
		b = strconv.AppendInt(b, u.Amount, 10)
	}
	b = append(b, `,"why":`...)
	return append(appendString(b, u.Why.EN), '}')
}

func (e *encoder) ambiguous(b []byte) []byte {
	for i, amb := range e.a.Match.Ambiguous {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"evidence":`...)
		b = e.name(b, amb.Fact)
		b = append(b, `,"candidates":[`...)
		first := true
		add := func(id string) {
			if !first {
				b = append(b, ',')
			}
			first = false
			b = appendString(b, id)
		}
		for _, p := range amb.Payments {
			add(e.a.IDOf(p))
		}
		for _, id := range e.a.PaymentsOf(amb.Payouts) {
			add(id)
		}
		b = append(b, `],"why":`...)
		b = append(appendString(b, amb.Why.EN), '}')
	}
	return b
}

func (e *encoder) rejected(b []byte, r investigation.Rejection) []byte {
	b = append(b, `{"file":`...)
	b = appendString(b, r.File)
	b = append(b, `,"line":`...)
	b = strconv.AppendInt(b, int64(r.Line), 10)
	b = append(b, `,"why":`...)
	return append(appendString(b, r.Why.EN), '}')
}

func (e *encoder) warning(b []byte, w investigation.Warning) []byte {
	b = append(b, '{')
	if w.Fact != 0 {
		b = append(b, `"evidence":`...)
		b = e.name(b, w.Fact)
		b = append(b, ',')
	}
	if w.File != "" {
		b = append(b, `"file":`...)
		b = appendString(b, w.File)
		b = append(b, `,"line":`...)
		b = strconv.AppendInt(b, int64(w.Line), 10)
		b = append(b, ',')
	}
	b = append(b, `"why":`...)
	return append(appendString(b, w.Why.EN), '}')
}

func (e *encoder) source(b []byte, s investigation.Source) []byte {
	b = append(b, `{"file":`...)
	b = appendString(b, s.File)
	b = append(b, `,"format":`...)
	b = appendString(b, s.Format)
	b = append(b, `,"facts":`...)
	b = strconv.AppendInt(b, int64(s.Facts), 10)
	b = append(b, `,"rejected":`...)
	b = strconv.AppendInt(b, int64(s.Rejected), 10)
	if s.From != 0 {
		b = append(b, `,"from":`...)
		b = appendTime(b, s.From, e.a.Offset)
		b = append(b, `,"to":`...)
		b = appendTime(b, s.To, e.a.Offset)
	}
	return append(b, '}')
}

// word writes a key where it is known.
func (e *encoder) word(b []byte, key string, w evidence.Word) []byte {
	if w == 0 {
		return b
	}
	b = append(append(b, key...), '"')
	if w.Plain() {
		return append(e.words.Append(b, w), '"')
	}
	start := len(b)
	return quoted(e.words.Append(b, w), start)
}

// name writes a fact's "source#id".
func (e *encoder) name(b []byte, r evidence.FactRef) []byte {
	f := e.a.View.At(r)
	b = append(b, '"')
	start := len(b)
	b = append(e.words.Append(b, f.Source), '#')
	return quoted(e.words.Append(b, f.ID), start)
}

// quoted ends a JSON string whose text has been appended from start on, and
// escapes it where it needs to be.
func quoted(b []byte, start int) []byte {
	text := b[start:]
	for ; len(text) >= 8; text = text[8:] {
		if special(binary.LittleEndian.Uint64(text)) {
			return appendString(b[:start-1], string(b[start:]))
		}
	}
	for _, c := range text {
		if special(plainBytes | uint64(c)) {
			return appendString(b[:start-1], string(b[start:]))
		}
	}
	return append(b, '"')
}

// plainBytes are seven bytes that need no escaping, above one that may.
const plainBytes = 0x2020202020202000

// special reports whether one of eight bytes is a control character, a quote, a
// backslash or beyond ASCII.
func special(x uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, slash := x^'"'*ones, x^'\\'*ones
	return ((x-' '*ones)|(quote-ones)&^quote|(slash-ones)&^slash|x)&highs != 0
}

func appendTime(b []byte, at evidence.Instant, offset int16) []byte {
	b = append(b, '"')
	b = evidence.AppendInstant(b, at, offset)
	return append(b, '"')
}

func appendDate(b []byte, d calendar.Date) []byte {
	b, _ = d.AppendText(b)
	return b
}

// appendString writes a JSON string.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				b = append(append(b, s[start:i]...), `\ufffd`...)
				start = i + 1
			}
			i += n
			continue
		}
		b = append(b, s[start:i]...)
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, `\u00`...)
			b = append(b, "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		}
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}
