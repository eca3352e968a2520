// Package advice writes a merchant's settlement file and reads it back: what
// was settled for one merchant, currency and settlement date, line by line, with
// the payout that pays each line. It comes in two forms that say the same:
//
// As CSV it is the contract's own form (header with type, time, source, id and
// names of fields, amounts in minor units): a row of type settlement.line for
// each line and at the end one of type settlement.file with the count of all
// lines and the sum of their net. The reader of evidence as CSV reads it.
//
// As XML it is a camt.054.001.08, a notification of credits and debits on the
// merchant's account with the platform, which goes by the merchant number: an
// entry for each payout and in it a TxDtls for each line, with the payout as
// EndToEndId, gross as InstdAmt, fee as charge and the kind as proprietary bank
// transaction code. What camt.054 has no element for (the keys of the payment)
// stands in the supplementary data of each line under the namespace
// [Namespace], and at the end of the message the totals again. Software of
// merchants reads it as a camt.054; here it is told by that namespace and
// becomes settlement lines. It is no bank's word: its entries never prove that
// money arrived.
//
// Facts keep their identity: a line read from either form is the fact that the
// platform emitted itself, so whoever has both has it once.
package advice

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// Namespace is that of the supplementary data in the XML form.
const Namespace = "urn:daozhang:settlement:1"

// Formats gives the formats that only this package reads; they stand before
// those of banks.
func Formats() []format.Format { return []format.Format{notification} }

// File is a merchant's settlement of one date and currency, whole.
type File struct {
	MID      string
	Name     string // of the merchant; "" for none
	Currency money.Currency
	// Date is the settlement date of all lines.
	Date calendar.Date
	// At is when the file was declared whole; Zone that of its times (nil: UTC).
	At   time.Time
	Zone *time.Location
	// Count and Total are the number of lines and the sum of their net as the
	// books have them. A file whose Lines do not foot to them is not written.
	Count, Total int64
	Lines        []Line
}

// Line is one line of a settlement. Amounts are in minor units of the file's
// currency.
type Line struct {
	// ID is the line's identity as evidence, unique within the merchant.
	ID string
	// At is when the line was settled; zero: as the file.
	At    time.Time
	Kind  evidence.Kind
	Gross int64 // not negative
	Fee   int64 // negative where it is given back
	Net   int64 // signed: what it adds to the payout
	// Time is when the payment happened; zero where there is none.
	Time time.Time
	// Payout pays the line; "" while none does.
	Payout string
	// Payment is the platform's own name of the payment.
	Payment                                  string
	TID, Batch, STAN, RRN, AuthCode, OrderID string
	PAN                                      string // first six, stars, last four
	CardType                                 evidence.CardType
	Network, Issuer                          string
	OriginalRRN, OriginalSTAN                string
}

// key is a field of a line that is text, by its name in the contract.
type key struct {
	name  string
	value func(*Line) string
}

// keys are the fields that name the payment, in the order of the columns.
var keys = []key{
	{"tid", func(l *Line) string { return l.TID }},
	{"batch", func(l *Line) string { return l.Batch }},
	{"stan", func(l *Line) string { return l.STAN }},
	{"rrn", func(l *Line) string { return l.RRN }},
	{"auth_code", func(l *Line) string { return l.AuthCode }},
	{"order_id", func(l *Line) string { return l.OrderID }},
	{"pan", func(l *Line) string { return l.PAN }},
	{"card_type", func(l *Line) string { return l.CardType.String() }},
	{"network", func(l *Line) string { return l.Network }},
	{"issuer", func(l *Line) string { return l.Issuer }},
	{"original_rrn", func(l *Line) string { return l.OriginalRRN }},
	{"original_stan", func(l *Line) string { return l.OriginalSTAN }},
	{"payment", func(l *Line) string { return l.Payment }},
}

// kinds are the words of the contract for what a line may be.
var kinds = func() map[string]bool {
	m := map[string]bool{}
	for _, k := range []evidence.Kind{evidence.Sale, evidence.Void, evidence.Refund, evidence.Completion, evidence.Reversal,
		evidence.FeeKind, evidence.Chargeback, evidence.Adjustment, evidence.Reserve, evidence.ReserveRelease} {
		m[k.String()] = true
	}
	return m
}()

// source is the witness of a merchant's settlement.
func source(mid string) string { return "settlement/" + mid }

// fileID is the identity of the fact that the file is whole.
func (f *File) fileID() string { return "file/" + f.Currency.String() + "/" + f.Date.String() }

// clock writes when a fact happened, as the platform's own facts have it.
func (f *File) clock(at time.Time) string {
	if at.IsZero() {
		at = f.At
	}
	return f.in(at).Format("2006-01-02T15:04:05.000000Z07:00")
}

func (f *File) in(at time.Time) time.Time {
	if f.Zone == nil {
		return at.UTC()
	}
	return at.In(f.Zone)
}

// moment writes when a payment happened; "" for none.
func (f *File) moment(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return f.in(at).Format(time.RFC3339)
}

// maxKey bounds every text of a file.
const maxKey = 140

// check says why a file cannot be written: nothing is written of one that does
// not foot, and none that its reader would refuse. Kind Invalid.
func (f *File) check() error {
	refuse := func(subject string, why fault.Text) error {
		return fault.New(fault.Invalid, fault.Say("write settlement file", "写结算文件"), subject, why,
			fault.Say("nothing was written; compare the lines with the books", "未写出任何内容；请将明细与账簿核对"))
	}
	switch {
	case !fits(f.MID) || len(f.MID) > 35:
		return refuse("", fault.Say("the merchant number is missing or no merchant number", "商户号缺失或不合规"))
	case f.Name != "" && !fits(f.Name):
		return refuse(f.MID, fault.Say("the name is too long or has characters that no file carries", "商户名过长或含有文件不能承载的字符"))
	case f.Currency == (money.Currency{}):
		return refuse(f.MID, fault.Say("the currency is missing", "缺少币种"))
	case f.Date == calendar.None:
		return refuse(f.MID, fault.Say("the settlement date is missing", "缺少结算日期"))
	case f.At.IsZero():
		return refuse(f.MID, fault.Say("the time of the file is missing", "缺少文件时间"))
	}
	var sum, all int64 // all: of both directions, as camt.054 sums entries
	seen := make(map[string]bool, len(f.Lines))
	for i := range f.Lines {
		l := &f.Lines[i]
		where := f.MID + " #" + strconv.Itoa(i+1)
		switch {
		case !fits(l.ID):
			return refuse(where, fault.Say("the line has no identity that can be written", "该行没有可写的标识"))
		case seen[l.ID]:
			return refuse(where, fault.Say("the line has the identity of another: one payment would stand twice", "该行与另一行标识相同，同一笔会出现两次"))
		case !kinds[l.Kind.String()]:
			return refuse(where, fault.Say("no settlement line is of this kind", "结算明细没有这种类型"))
		case l.Gross < 0:
			return refuse(where, fault.Say("the gross is negative; the sign is in kind and net", "交易金额为负；正负由类型和净额表示"))
		case l.PAN != "" && !card.IsMasked(l.PAN):
			return refuse(where, fault.Say("the card number is not masked", "卡号未脱敏"))
		case l.Payout != "" && (!fits(l.Payout) || utf8.RuneCountInString(l.Payout) > 35):
			return refuse(where, fault.Say("the payout's id is longer than 35 characters or cannot be written", "出款编号超过 35 个字符或无法写出"))
		}
		for _, k := range keys {
			if v := k.value(l); v != "" && !fits(v) {
				return refuse(where, fault.Say("%s is too long or has characters that no file carries", "%s 过长或含有文件不能承载的字符", k.name))
			}
		}
		seen[l.ID] = true
		var ok, fits bool
		sum, ok = money.Add(sum, l.Net)
		all, fits = money.Add(all, max(l.Net, -l.Net))
		if !ok || !fits || all < 0 {
			return refuse(where, fault.Say("the sum is too large", "合计过大"))
		}
	}
	if n := int64(len(f.Lines)); n != f.Count || sum != f.Total {
		return refuse(f.MID, fault.Say("totals differ: the books have %d lines and %s, but the lines are %d and make %s", "合计不符：账簿为 %d 笔、%s，明细为 %d 笔、%s",
			f.Count, money.Format(f.Total, f.Currency), n, money.Format(sum, f.Currency)))
	}
	return nil
}

// fits reports whether a text comes back from either form as it was.
func fits(s string) bool {
	if s == "" || utf8.RuneCountInString(s) > maxKey || strings.TrimSpace(s) != s || !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || r == 0xFEFF || r == 0xFFFE || r == 0xFFFF {
			return false
		}
	}
	return true
}
