// Package processor reads what the companies that settle card and wallet
// payments tell their merchants: Adyen, Stripe, WeChat Pay, Alipay, UnionPay
// and ChinaUMS. Each file is a [format.Table]: its columns, how a row becomes
// a settlement line, and what its footer or payout must sum to. A further
// processor (PayPal, Worldpay) is a file here with one more table, and its
// place in [Formats].
//
// What all of them share:
//
//   - A row is one settlement.line; its net is what the file says it adds to
//     the payout, signed. Gross, fee and net are compared, and a row or a
//     footer that does not foot is told as a warning: the net stands.
//   - settlement_date is the due day. Files that speak of a payout carry its
//     day. Bills by the day of sale (WeChat Pay, Alipay, UnionPay, ChinaUMS)
//     do not say it: their lines are due the day after the bill's, which is
//     when these processors settle at the earliest.
//   - time is when the line is known at the earliest: a day's bill closes at
//     the midnight that follows.
//   - A settlement.file declares that all lines due on a day are here. It is
//     stated only for a merchant the file names, where the file is whole by
//     its kind, no row was refused, and its own totals agree with its rows.
package processor

import (
	"strconv"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// Formats gives the processors' formats in order of detection: personal bills
// that look alike first, tables without a header last.
func Formats() []format.Format {
	formats := personalBills()
	for _, t := range []*format.Table{
		adyenSettlement, adyenAccounting, stripeItemized, stripeBalance,
		wechatTradeBill, wechatFundFlow, alipayDetail, alipaySummary, alipayAccountBill,
		unionpayZM, chinaumsExport, chinaumsLedger, chinaumsWap, merchantList,
	} {
		formats = append(formats, t.Format())
	}
	return formats
}

// amounts are the figures of a settlement line.
type amounts struct {
	kind  evidence.Kind
	gross int64 // not negative
	fee   int64 // negative where it is given back
	net   int64 // what the line adds to the payout
}

// foots reports whether gross and fee give the net: added for money that
// comes, taken away for money that goes.
func (a amounts) foots() bool {
	want, ok := money.Sub(a.gross, a.fee)
	if a.net < 0 || a.takes() {
		want, ok = money.Sub(-a.gross, a.fee)
	}
	return ok && want == a.net
}

// takes reports whether the kind takes money away whatever its sign in the
// file.
func (a amounts) takes() bool {
	return a.kind == evidence.Refund || a.kind == evidence.Void || a.kind == evidence.Reversal || a.kind == evidence.Chargeback
}

// put sets the figures of a line.
func (a amounts) put(d *evidence.Draft) error {
	if err := d.PutString(evidence.KindField, a.kind.String()); err != nil {
		return err
	}
	if err := d.PutInt(evidence.Gross, a.gross); err != nil {
		return err
	}
	if err := d.PutInt(evidence.Fee, a.fee); err != nil {
		return err
	}
	return d.PutInt(evidence.Net, a.net)
}

// signed gives the net of a row of a bill that writes refunds now with a sign
// and now without: by its kind.
func signed(kind evidence.Kind, gross, fee int64) amounts {
	a := amounts{kind: kind, gross: magnitude(gross), fee: fee}
	if a.takes() {
		a.net = -a.gross - a.fee
	} else {
		a.net = a.gross - a.fee
	}
	return a
}

func magnitude(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}

// kindOf gives the kind a word stands for; NoKind for none.
func kindOf(word string) evidence.Kind {
	for k := evidence.Sale; k <= evidence.ReserveRelease; k++ {
		if k.String() == word {
			return k
		}
	}
	return evidence.NoKind
}

// dated is a moment with the zone it is written in.
type dated struct {
	at     evidence.Instant
	offset int16
}

func (t dated) date() calendar.Date {
	return calendar.DateOf(t.at.Unix(), int(t.offset)*60)
}

// dayAfter is the due day of a sale in a Chinese bill by the day of sale, and
// when that bill is known at the earliest. The bills do not state the due day;
// it is the business day after, the usual T1, so that what is sold from Friday
// to Sunday is due together on Monday.
func dayAfter(row *format.Row, day calendar.Date) (calendar.Date, dated) {
	at, offset := row.Moment(day.Add(1))
	return dueAfter(day), dated{at, offset}
}

// dueAfter is the business day after a day, in China.
func dueAfter(day calendar.Date) calendar.Date { return china.AddBusinessDays(day, 1) }

var china = func() *calendar.Calendar {
	c, _ := calendar.Builtin("CN")
	return c
}()

// schemes are the names that files give to card networks and wallets.
var schemes = map[string]string{
	"visa": "Visa", "mc": "Mastercard", "mastercard": "Mastercard", "maestro": "Maestro",
	"amex": "American Express", "americanexpress": "American Express", "jcb": "JCB",
	"diners": "Diners Club", "dinersclub": "Diners Club", "discover": "Discover",
	"cup": "UnionPay", "unionpay": "UnionPay", "chinaunionpay": "UnionPay", "mir": "Mir", "rupay": "RuPay",
	"alipay": "Alipay", "alipayhk": "Alipay", "wechatpay": "WeChat Pay", "wechatpayqr": "WeChat Pay",
}

// scheme gives the network of a payment method such as mc_applepay; "" where
// it names none.
func scheme(method string) string {
	method = strings.ToLower(method)
	if name, ok := schemes[strings.NewReplacer(" ", "", "_", "", "-", "").Replace(method)]; ok {
		return name
	}
	head, _, _ := strings.Cut(method, "_")
	return schemes[head]
}

// putWord sets a field where the text is not empty.
func putWord(d *evidence.Draft, f evidence.Field, text string) error {
	if text == "" {
		return nil
	}
	return d.PutString(f, text)
}

// firstOf gives the first of the named columns that has a text.
func firstOf(row *format.Row, names ...string) string {
	for _, name := range names {
		if s := row.Text(name); s != "" {
			return s
		}
	}
	return ""
}

// unfilled says that a column which every row needs is empty.
func unfilled(column string) error {
	return fault.Say("column %q: is empty", "列 %q：为空", column)
}

// in names the column or field in which something is wrong.
func in(name string, err error) error {
	return fault.Say("%s: %s", "%s：%s", name, fault.Reason(err))
}

// noCurrency says that a column holds no currency.
func noCurrency(column string) error {
	return fault.Say("column %q: not an ISO 4217 currency such as EUR", "列 %q：不是 ISO 4217 币种，如 EUR", column)
}

// cutShort says that a bill lacks its totals.
var cutShort = fault.Say("the bill's totals are missing at its end: it is cut short; download it again", "账单末尾缺少合计：文件不完整，请重新下载")

// midnight is the first moment of a day in a zone.
func midnight(day calendar.Date, loc *time.Location) dated {
	t := day.In(loc)
	_, seconds := t.Zone()
	return dated{evidence.InstantOf(t), int16(seconds / 60)}
}

// quoted gives a word of a file for a message: short, and without what may be a
// card number in the wrong column.
func quoted(word string) string {
	word, _ = card.MaskText(word)
	if r := []rune(word); len(r) > 40 {
		word = string(r[:40]) + "…"
	}
	return strconv.Quote(word)
}
