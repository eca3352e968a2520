package bank

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// entry is one movement of an account, as a bank tells it.
type entry struct {
	line     int
	amount   int64 // minor units, never negative
	currency money.Currency
	credit   bool
	pending  bool // announced or reserved, not yet booked
	reversal bool // takes back an earlier movement; credit says which way this one goes
	// booking is the day on which it was booked, value the day from which it
	// bears interest; calendar.None where the bank does not say.
	booking, value calendar.Date
	// at is when it was booked to the second; 0 where only the day is told.
	at       evidence.Instant
	atOffset int16
	// ref is the bank's own reference of the entry: the same in every message
	// that repeats it.
	ref        string
	references []string
	text       []byte
	returned   string // the code of the reason for which a payment came back
	charge     bool   // the bank takes it for its work
	rounded    bool   // the amount was finer than the currency's minor unit
}

// reset empties the entry and keeps its memory.
func (e *entry) reset(line int) {
	*e = entry{line: line, booking: calendar.None, value: calendar.None, references: e.references[:0], text: e.text[:0]}
}

// noReference are the words that stand where there is no reference.
var noReference = map[string]bool{
	"NOTPROVIDED": true, "NOT PROVIDED": true, "NOTAVAILABLE": true, "NONREF": true, "NOREF": true,
	"NONE": true, "N/A": true, "NA": true, "-": true,
}

// refer adds a reference of the payment, once.
func (e *entry) refer(ref string) {
	ref = strings.ToValidUTF8(strings.TrimSpace(ref), "\uFFFD")
	if ref == "" || noReference[strings.ToUpper(ref)] || isZeros(ref) {
		return
	}
	// A batch repeats its references side by side: looking back a little finds
	// nearly all copies, and the rest do no harm.
	for _, r := range e.references[max(0, len(e.references)-16):] {
		if r == ref {
			return
		}
	}
	e.references = append(e.references, ref)
}

func isZeros(s string) bool { return strings.Trim(s, "0") == "" }

// tell adds a piece of text. Pieces that fill the line of the message to its
// end continue without a space: there the bank has cut mid-word.
func (e *entry) tell(piece []byte, width int, last *int) {
	e.text = appendWrapped(e.text, piece, width, last)
}

// appendWrapped joins the lines of a text that was cut at width characters.
// last holds the length of the piece before, 0 for none.
func appendWrapped(dst, piece []byte, width int, last *int) []byte {
	piece = bytes.TrimRight(piece, " \t\r\n")
	if len(bytes.TrimSpace(piece)) == 0 || len(dst) >= maxText {
		return dst
	}
	if *last < width {
		piece = bytes.TrimLeft(piece, " \t\r\n")
		if len(dst) > 0 {
			dst = append(dst, ' ')
		}
	}
	*last = len(piece)
	return append(dst, piece...)
}

// balance is what an account held at the end or the beginning of a day.
type balance struct {
	given    bool
	amount   int64 // minor units, negative when overdrawn
	currency money.Currency
	date     calendar.Date
}

// statement is what a bank tells about one account in one document, or in one
// part of a document. Its entries become facts one by one as they are read; it
// holds no more than their sum.
type statement struct {
	format   string // begins the source of the facts
	line     int
	account  string
	currency money.Currency
	number   string // the document's own, with that of the page
	whole    string // without the page: the same in all parts of one statement
	zone     *time.Location
	// created is when the bank made the document; 0 where it does not say.
	created evidence.Instant
	offset  int16
	// complete says that this kind of document has all booked entries of its
	// days, if it adds up.
	complete bool
	// from and to are the first and the last day it speaks of; calendar.None
	// where only the balances tell.
	from, to         calendar.Date
	opening, closing balance
	// sequence counts the statements of an account; 0 where the bank does not.
	sequence int
	// after is the last day of the statement before, if this one surely
	// follows it; else calendar.None.
	after calendar.Date

	entries    int
	sum        int64 // of the booked entries, credits less debits
	overflow   bool
	foreign    int  // booked entries in another currency than the balances
	lost       int  // entries that had to be refused
	openingDay bool // an entry was booked on the day of the opening balance
	source     evidence.Word
	refs       map[uint64]uint32
	row        []byte
}

func newStatement(formatName string, line int) *statement {
	return &statement{format: formatName, line: line, from: calendar.None, to: calendar.None, after: calendar.None,
		opening: balance{date: calendar.None}, closing: balance{date: calendar.None}}
}

// reject tells that an entry was refused. The statement is then no longer
// complete.
func (s *statement) reject(out *format.Out, line int, why fault.Text) {
	s.lost++
	out.Reject(line, why)
}

// put makes the entry a fact.
func (s *statement) put(out *format.Out, e *entry) {
	s.entries++
	if s.account == "" {
		s.reject(out, e.line, fault.Say("entry without an account: the file names none before it; add the account's line or number as the bank sends it", "流水没有账号：文件在它之前未写账号，请补上银行原样提供的账号"))
		return
	}
	if e.booking == calendar.None && !e.pending {
		e.booking = e.value
	} else if e.booking != calendar.None && e.booking == s.opening.date && !e.pending {
		s.openingDay = true
	}
	when, offset := e.at, e.atOffset
	switch {
	case when != 0:
	case e.booking != calendar.None:
		when, offset = startOf(e.booking, s.zone)
	case s.created != 0:
		when, offset = s.created, s.offset
	case e.value != calendar.None:
		when, offset = startOf(e.value, s.zone)
	default:
		s.reject(out, e.line, fault.Say("entry without a date: neither booking date nor value date is given", "流水没有日期：记账日和起息日都没有写"))
		return
	}
	ref := s.unique(strings.ToValidUTF8(e.ref, "\uFFFD"))
	if !utf8.Valid(e.text) {
		e.text = bytes.ToValidUTF8(e.text, []byte("\uFFFD"))
	}

	d := out.Begin(evidence.BankEntry)
	s.setSource(d)
	d.HashID(s.rowOf(e, ref))
	d.SetTime(when, offset)
	d.PutString(evidence.Account, s.account)
	d.PutInt(evidence.Amount, e.amount)
	putCurrency(d, e.currency)
	d.PutString(evidence.Direction, direction(e.credit))
	if e.pending {
		d.PutString(evidence.StatusField, "pending")
	} else {
		d.PutString(evidence.StatusField, "booked")
	}
	if e.booking != calendar.None {
		d.PutDate(evidence.BookingDate, e.booking)
	}
	if e.value != calendar.None {
		d.PutDate(evidence.ValueDate, e.value)
	}
	d.PutString(evidence.EntryRef, ref)
	d.Put(evidence.Text, e.text)
	for _, r := range e.references {
		d.PutItem(evidence.References, r)
	}
	if e.reversal {
		d.PutUnknown("reversal", []byte("true"))
	}
	putUnknown(d, "return_reason", e.returned)
	if e.charge {
		d.PutUnknown("charge", []byte("true"))
	}
	if !out.Commit(d, e.line) {
		s.lost++
		return
	}
	if e.rounded {
		out.Warn(e.line, fault.Say("amount finer than the minor unit of %s: rounded half up to %s", "金额比 %s 的最小单位更细，四舍五入为 %s", e.currency, money.Format(e.amount, e.currency)))
	}
	if !e.pending {
		s.add(e)
	}
}

// add counts a booked entry towards the closing balance.
func (s *statement) add(e *entry) {
	if s.opening.given && e.currency != s.opening.currency {
		s.foreign++
		return
	}
	sum, ok := money.Add(s.sum, signedAmount(e.amount, e.credit))
	if !ok {
		s.overflow = true
		return
	}
	s.sum = sum
}

func signedAmount(amount int64, credit bool) int64 {
	if credit {
		return amount
	}
	return -amount
}

func direction(credit bool) string {
	if credit {
		return "credit"
	}
	return "debit"
}

func putCurrency(d *evidence.Draft, c money.Currency) {
	var b [3]byte
	text, _ := c.AppendText(b[:0])
	d.Put(evidence.CurrencyField, text)
}

// startOf gives the moment at which a day begins in a zone.
func startOf(date calendar.Date, zone *time.Location) (evidence.Instant, int16) {
	t := date.In(zone)
	_, offset := t.Zone()
	return evidence.InstantOf(t), int16(offset / 60)
}

func (s *statement) setSource(d *evidence.Draft) {
	if s.source == 0 {
		s.source = d.Words().OfString(strings.ToValidUTF8(s.format+"/"+accountInSource(s.account)+"/"+s.number, "\uFFFD"))
	}
	d.SetSourceWord(s.source)
}

// accountInSource is the account as the source of its facts has it. An account
// that is itself a card number is shown masked, with a token.
func accountInSource(account string) string {
	if masked, found := card.MaskText(account); found {
		return masked + "~" + card.AccountToken(account)
	}
	return account
}

// unique gives an entry's reference within the statement. A bank reference
// that stands at several entries of one statement (of a batch, of the day)
// names none of them alone: from the second on a counter tells them apart.
func (s *statement) unique(ref string) string {
	if ref == "" {
		return ""
	}
	if s.refs == nil {
		s.refs = map[uint64]uint32{}
	}
	h := xxhash.Sum64String(ref)
	s.refs[h]++
	if n := s.refs[h]; n > 1 {
		return ref + "#" + strconv.Itoa(int(n))
	}
	return ref
}

// rowOf writes what an entry says as one row, of which its identity is the hash.
func (s *statement) rowOf(e *entry, ref string) []byte {
	b := s.row[:0]
	b = strconv.AppendInt(b, e.amount, 10)
	b, _ = e.currency.AppendText(b)
	b = append(b, direction(e.credit)...)
	if e.pending {
		b = append(b, " pending"...)
	}
	for _, date := range [...]calendar.Date{e.booking, e.value} {
		b = append(b, '|')
		b, _ = date.AppendText(b)
	}
	b = append(b, '|')
	b = strconv.AppendInt(b, int64(e.at), 10)
	b = append(b, '|')
	b = append(b, ref...)
	for _, r := range e.references {
		b = append(b, '|')
		b = append(b, r...)
	}
	b = append(b, '|')
	b = append(b, e.text...)
	s.row = b
	return b
}

// longestSilence is for how many days without a statement the next one speaks.
// Many banks send none for days without entries.
const longestSilence = 31

// days gives the first and the last day of which the statement has all booked
// entries; ok is false where it does not say.
func (s *statement) days() (from, to calendar.Date, ok bool) {
	from, to = s.from, s.to
	if closed := s.closing.date; closed != calendar.None && from != calendar.None && to != calendar.None &&
		(closed < from.Add(-1) || closed > to.Add(1)) {
		// A period that does not hold the day of the closing balance is that
		// of the request or of a template; the balances are right.
		from, to = calendar.None, calendar.None
	}
	if to == calendar.None {
		to = s.closing.date
	}
	if from == calendar.None {
		from = s.opening.date
		// The opening balance carries the day on which the statement before
		// closed, or the first day of this one: only an entry of that day shows
		// the latter. The narrower is always true.
		if from != calendar.None && from < to && !s.openingDay {
			from = from.Add(1)
		}
	}
	if s.after != calendar.None && s.after < from && int(from)-int(s.after) <= longestSilence {
		from = s.after.Add(1)
	}
	if s.created != 0 && to != calendar.None {
		if made := calendar.DateOf(s.created.Unix(), int(s.offset)*60); made < to {
			to = made // the days after it were still to come
		}
	}
	return from, to, from != calendar.None && to != calendar.None && from <= to
}

// finish checks that the statement adds up, and declares it complete if it is.
// It reports whether it did, and the last day that is then complete.
func (s *statement) finish(out *format.Out) (to calendar.Date, declared bool) {
	if !s.opening.given || !s.closing.given {
		if s.complete && s.entries > 0 {
			out.Doubt(s.line, fault.Say("%s has no opening or no closing balance: its entries are read, but it is not taken as complete", "%s缺少期初或期末余额：流水已读取，但不视为完整账单", s.describe()))
		}
		return calendar.None, false
	}
	if s.opening.currency != s.closing.currency {
		out.Doubt(s.line, fault.Say("%s opens and closes in different currencies; it is not taken as complete", "%s的期初与期末币种不同，不视为完整账单", s.describe()))
		return calendar.None, false
	}
	c := s.opening.currency
	reached, ok := money.Add(s.opening.amount, s.sum)
	switch {
	case s.overflow || !ok:
		out.Doubt(s.line, fault.Say("%s sums to more than can be counted; it is not taken as complete", "%s的合计超出可计算范围，不视为完整账单", s.describe()))
		return calendar.None, false
	case s.lost > 0:
		out.Doubt(s.line, fault.Say("%s: %d of its %d entries were refused; it is not taken as complete", "%s：有 %d 笔流水（共 %d 笔）未能采用，不视为完整账单",
			s.describe(), s.lost, s.entries))
		return calendar.None, false
	case reached != s.closing.amount:
		why := fault.Say("%s does not add up: opening %s and booked entries of %s make %s, but it closes with %s; its entries are read, but it is not taken as complete",
			"%s对不平：期初 %s 加已记账流水 %s 得 %s，期末却是 %s；流水已读取，但不视为完整账单",
			s.describe(), money.Format(s.opening.amount, c), money.Format(s.sum, c), money.Format(reached, c), money.Format(s.closing.amount, c))
		if s.foreign > 0 {
			why = fault.Say("%s (%d entries are in another currency)", "%s（另有 %d 笔为其他币种）", why, s.foreign)
		}
		out.Doubt(s.line, why)
		return calendar.None, false
	}
	var from calendar.Date
	from, to, ok = s.days()
	if !s.complete || s.account == "" {
		return calendar.None, false
	}
	if !ok {
		if s.closing.date != calendar.None && s.closing.date < s.opening.date {
			out.Doubt(s.line, fault.Say("%s closes on a day before it opens; it is not taken as complete", "%s的期末日早于期初日，不视为完整账单", s.describe()))
		}
		return calendar.None, false
	}
	// It is known when the bank made it, or once its last day is over: whoever
	// fetches a statement of last month today could have had it then.
	when, offset := startOf(to.Add(1), s.zone)
	if begun, _ := startOf(to, s.zone); s.created >= begun && s.created < when {
		when, offset = s.created, s.offset
	}
	row := fmt.Appendf(nil, "statement %s %s %d %d", from, to, s.opening.amount, s.closing.amount)
	d := out.Begin(evidence.BankStatement)
	s.setSource(d)
	d.HashID(row)
	d.SetTime(when, offset)
	d.PutString(evidence.Account, s.account)
	d.PutString(evidence.From, from.String())
	d.PutString(evidence.To, to.String())
	d.PutInt(evidence.Opening, s.opening.amount)
	d.PutInt(evidence.Closing, s.closing.amount)
	putCurrency(d, c)
	return to, out.Commit(d, s.line)
}

// pages joins the parts of a statement that came in several messages of one
// file: together they may be complete, each alone is not.
type pages struct {
	begun *statement // its first parts; nil between statements
	// closed are the last complete statements of each account.
	closed map[string]closed
}

// closed is how a statement ended.
type closed struct {
	balance  balance
	day      calendar.Date
	sequence int
}

// finish closes a statement. One that opens with what the last one closed with
// follows it without a gap: the days between had no entries.
func (p *pages) finish(out *format.Out, s *statement) {
	key := s.account
	if last, ok := p.closed[key]; ok && s.opening.given && last.balance.amount == s.opening.amount &&
		last.balance.currency == s.opening.currency && (last.sequence == 0 || s.sequence == 0 || s.sequence == last.sequence+1) {
		s.after = last.day
	}
	day, ok := s.finish(out)
	if !ok {
		delete(p.closed, key)
		return
	}
	if p.closed == nil {
		p.closed = map[string]closed{}
	}
	p.closed[key] = closed{s.closing, day, s.sequence}
}

// add closes a statement, or keeps it until its last part has come.
func (p *pages) add(out *format.Out, s *statement, first, last bool) {
	if p.begun != nil && (first || !p.begun.continues(s)) {
		p.end(out)
	}
	switch {
	case p.begun != nil:
		p.begun.join(s)
		if last {
			p.finish(out, p.begun)
			p.begun = nil
		}
	case first && last:
		p.finish(out, s)
	case first:
		p.begun = s
	default:
		s.foot(out)
		out.Warn(s.line, fault.Say("%s is a later part of a longer one: its entries are read, but it is not taken as complete; put all parts into one file, in order", "%s是较长账单的后续部分：流水已读取，但不视为完整账单；请把各部分按顺序放入同一文件", s.describe()))
	}
}

// end gives up waiting for further parts.
func (p *pages) end(out *format.Out) {
	if p.begun != nil {
		p.begun.foot(out)
		out.Warn(p.begun.line, fault.Say("%s has further parts that do not follow in this file: its entries are read, but it is not taken as complete", "%s还有后续部分，不在本文件中：流水已读取，但不视为完整账单", p.begun.describe()))
		p.begun = nil
	}
}

// foot checks that a part which stays alone leads from the balance it opens with
// to the one it closes with.
func (s *statement) foot(out *format.Out) {
	reached, ok := money.Add(s.opening.amount, s.sum)
	if s.opening.given && s.closing.given && s.foreign == 0 && (!ok || s.overflow || s.lost > 0 || reached != s.closing.amount) {
		out.Doubt(s.line, fault.Say("%s does not lead from the balance it opens with to the one it closes with", "%s的期初余额加流水与期末余额不符", s.describe()))
	}
}

// continues reports whether next is the following part of the statement.
func (s *statement) continues(next *statement) bool {
	return s.account == next.account && s.whole == next.whole &&
		(!s.closing.given || !next.opening.given || s.closing.amount == next.opening.amount)
}

// join adds a further part: its entries, and the balance it closes with.
func (s *statement) join(part *statement) {
	sum, ok := money.Add(s.sum, part.sum)
	s.sum = sum
	s.overflow = s.overflow || part.overflow || !ok
	s.entries += part.entries
	s.foreign += part.foreign
	s.lost += part.lost
	s.openingDay = s.openingDay || part.openingDay
	s.closing = part.closing
	if s.to != calendar.None && part.to != calendar.None {
		s.to = max(s.to, part.to)
	}
}

// describe names the statement in messages.
func (s *statement) describe() fault.Text {
	name := fault.Say("statement", "对账单")
	if s.number != "" {
		name = fault.Say("%s %s", "%s %s", name, s.number)
	}
	if s.account != "" {
		name = fault.Say("%s of account %s", "%s（账号 %s）", name, card.AccountTail(s.account))
	}
	return name
}

// sides name the entries of a statement: money in, money out.
var sides = [2]fault.Text{fault.Say("credits", "收入"), fault.Say("debits", "支出")}

// cleanAccount gives an account number as payouts name it: without spaces,
// IBANs in capitals, without the currency that some banks write behind it.
// That currency is given too.
func cleanAccount(s string) (account string, currency money.Currency) {
	s = strings.ToValidUTF8(strings.Join(strings.Fields(s), ""), "\uFFFD")
	if n := len(s); n > 6 {
		c, err := money.ParseCurrency(s[n-3:])
		before := s[n-4]
		if err == nil && (before-'0' <= 9 || before == '/' || before == '.' || before == '-') {
			s, currency = strings.TrimRight(s[:n-3], "/.-"), c
		}
	}
	if up := strings.ToUpper(s); isIBAN(up) {
		s = up
	}
	return s, currency
}

// isIBAN reports whether s has the form of an IBAN; its check digits are not
// asked, since they change nothing about which account is meant.
func isIBAN(s string) bool {
	if len(s) < 15 || len(s) > 34 || s[0]-'A' > 25 || s[1]-'A' > 25 || s[2]-'0' > 9 || s[3]-'0' > 9 {
		return false
	}
	for i := 4; i < len(s); i++ {
		if s[i]-'0' > 9 && s[i]-'A' > 25 {
			return false
		}
	}
	return true
}
