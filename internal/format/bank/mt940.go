package bank

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// mtFormat reads the statements of SWIFT: MT940 of whole days, MT942 within
// the day. Entries of an MT942 are booked ("entries debited or credited since
// the last statement"), but for the expected ones marked EC and ED; only an
// MT940 is complete.
var mtFormat = format.Format{
	Name:   "mt940",
	Title:  fault.Say("SWIFT customer statement or interim report (MT940, MT942)", "SWIFT 客户对账单或中间报告（MT940、MT942）"),
	Detect: detectMT,
	Read: func(in *format.Input, out *format.Out) error {
		m := &mtReader{in: in, out: out}
		return m.read()
	},
}

// mtTags are the fields of MT940 and MT942. Anything else in colons at the
// beginning of a line is text that was cut there, such as a time of day.
var mtTags = map[string]bool{
	"13": true, "13D": true, "20": true, "21": true, "25": true, "25P": true, "28": true, "28C": true, "34F": true,
	"60F": true, "60M": true, "61": true, "62F": true, "62M": true, "64": true, "65": true, "65F": true, "86": true,
	"90C": true, "90D": true,
	"NS":  true,              // details of an entry in statements of some Hungarian banks
	"940": true, "942": true, // headings of some Dutch banks
}

// mtTag splits a line that begins a field.
func mtTag(line []byte) (tag string, value []byte, ok bool) {
	if len(line) < 4 || line[0] != ':' {
		return "", nil, false
	}
	i := bytes.IndexByte(line[1:min(len(line), 6)], ':')
	if i < 0 {
		return "", nil, false
	}
	tag = string(line[1 : i+1])
	return tag, line[i+2:], mtTags[tag]
}

func detectMT(h *format.Head) bool {
	text := []byte(h.Text)
	if len(text) == 0 { // control characters of a transmission make it binary
		text = h.Raw
	}
	seen := map[string]bool{}
	for n := 0; n < 400 && len(text) > 0; n++ {
		var line []byte
		line, text, _ = bytes.Cut(text, newline)
		if tag, _, ok := mtTag(trimControl(line)); ok {
			seen[tag] = true
		}
	}
	statement := seen["25"] || seen["25P"] || seen["60F"] || seen["60M"] || seen["62F"] || seen["61"] || seen["34F"]
	return statement || seen["20"] && (seen["28"] || seen["28C"]) || seen["86"]
}

// trimControl takes off line ends and the control characters that frame a
// transmission (SOH, ETX, the end-of-file mark of old systems).
func trimControl(line []byte) []byte {
	for len(line) > 0 && line[0] < ' ' && line[0] != '\t' {
		line = line[1:]
	}
	for len(line) > 0 && line[len(line)-1] < ' ' && line[len(line)-1] != '\t' {
		line = line[:len(line)-1]
	}
	return line
}

// mtReader reads one file of messages, field by field.
type mtReader struct {
	in   *format.Input
	out  *format.Out
	line int

	// The field being read, with the lines that continue it.
	tag     string
	tagLine int
	value   [][]byte
	free    bool // between messages: lines are headings of the transmission

	bic     string
	heading bool // the message's frame says that it is an MT942
	interim bool // MT942
	found   bool // there was a statement
	stmt    *statement
	begun   bool // its entries have begun: account and number are settled
	pages   pages
	first   bool // it opens with a final balance (60F)
	last    bool // it closes with one (62F)
	ref     string
	created moment
	debits  mtTotal
	credits mtTotal

	e       entry
	pending bool // e waits for its :86:
	problem fault.Text
	details [][]byte
	extra   []byte // supplementary details and :NS:
}

// mtTotal is the number and sum of debits or credits an MT942 states, and what
// was read.
type mtTotal struct {
	stated      bool
	count, sum  int64
	read, total int64
}

func (m *mtReader) read() error {
	m.out.SetFormat("mt940")
	m.free = true
	var text io.Reader
	if m.in.Head.Encoding == format.Binary {
		text = m.in.Reader()
	} else {
		text = m.in.Text()
	}
	lines := newLineReader(text)
	colon := false
	for {
		line, n, err := lines.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			m.endField()
			m.endStatement(false)
			m.pages.end(m.out)
			return err
		}
		m.line = n
		line = trimControl(line)
		if colon { // a tag that was cut after its first colon
			line = append([]byte{':'}, line...)
			colon = false
		}
		if string(line) == ":" {
			colon = true
			continue
		}
		m.take(line)
	}
	m.endField()
	m.endStatement(true)
	m.pages.end(m.out)
	if !m.found {
		m.out.Reject(0, fault.Say("no statement in this file: it has fields of an MT940, but no account, balance or entry; hand in the whole file", "文件中没有对账单：有 MT940 的字段，却没有账号、余额或流水，请提供完整文件"))
	}
	return nil
}

// take takes one line: the beginning of a field, its continuation, or the
// frame of a message.
func (m *mtReader) take(line []byte) {
	if bytes.HasPrefix(line, []byte("{1:")) || bytes.HasPrefix(line, []byte("-}{1:")) {
		m.endField()
		m.endStatement(true)
		m.free = true
		m.envelope(line)
		// The first field may follow on the same line.
		if _, after, ok := bytes.Cut(line, []byte("{4:")); ok && len(after) > 0 {
			m.take(after)
		}
		return
	}
	if m.free && len(line) > 0 && line[0] == '{' {
		m.envelope(line)
		return
	}
	if tag, value, ok := mtTag(line); ok {
		m.endField()
		m.free = false
		m.tag, m.tagLine = tag, m.line
		m.value = append(m.value[:0], bytes.Clone(value))
		return
	}
	if len(line) > 0 && line[0] == '-' && (len(line) == 1 || line[1] == '}' || m.tag != "86") {
		// The end of the message; a text may also have a line of its own for a
		// dash, so that fields of the same message can still follow.
		if i := bytes.Index(line, []byte("{1:")); i > 0 {
			m.take(line[i:])
			return
		}
		m.endField()
		m.free = true
		return
	}
	if m.free || m.tag == "" || len(m.value) >= 1024 {
		return
	}
	m.value = append(m.value, bytes.Clone(line))
}

// envelope takes the bank and the kind of message from the frame that SWIFT
// puts around it.
func (m *mtReader) envelope(line []byte) {
	if _, b, ok := bytes.Cut(line, []byte("{1:F01")); ok && len(b) >= 8 {
		m.bic = string(b[:8])
	}
	if bytes.Contains(line, []byte("{2:I942")) || bytes.Contains(line, []byte("{2:O942")) {
		m.heading = true
	} else if bytes.Contains(line, []byte("{2:")) {
		m.heading = false
	}
}

// endField hands the field that has been read to its function.
func (m *mtReader) endField() {
	tag, lines := m.tag, m.value
	m.tag = ""
	if tag == "" || len(lines) == 0 {
		return
	}
	switch tag {
	case "20":
		m.endStatement(true)
		m.open()
		m.ref = string(bytes.TrimSpace(lines[0]))
	case "940", "942":
		m.endStatement(true)
		m.heading = tag == "942"
	case "25", "25P":
		m.account(lines)
	case "28", "28C":
		m.open()
		if !m.begun {
			m.stmt.number = string(bytes.TrimSpace(bytes.Join(lines, nil)))
		}
	case "60F", "60M":
		m.open()
		m.first = tag == "60F"
		m.balance(&m.stmt.opening, lines[0], fault.Say("opening balance (:%s:)", "期初余额（:%s:）", tag))
	case "62F", "62M":
		m.open()
		m.endEntry()
		m.last = tag == "62F"
		m.balance(&m.stmt.closing, lines[0], fault.Say("closing balance (:%s:)", "期末余额（:%s:）", tag))
	case "64", "65", "65F":
		m.endEntry()
	case "34F":
		m.open()
		m.interim = true
		if v := bytes.TrimSpace(lines[0]); len(v) >= 3 && m.stmt.currency == (money.Currency{}) {
			m.stmt.currency, _ = money.ParseCurrencyBytes(v[:3])
		}
	case "13", "13D":
		m.open()
		m.created = mtCreated(bytes.TrimSpace(lines[0]))
	case "61":
		m.open()
		m.endEntry()
		m.entry(lines)
	case "86":
		if m.pending && len(m.details) < 4096 {
			for _, l := range lines {
				m.details = append(m.details, bytes.Clone(l))
			}
		}
	case "NS":
		if m.pending {
			for _, l := range lines {
				m.extra = append(append(m.extra, ' '), bytes.TrimSpace(l)...)
			}
		}
	case "90D":
		m.endEntry()
		m.total(&m.debits, lines[0])
	case "90C":
		m.endEntry()
		m.total(&m.credits, lines[0])
	}
}

// open begins a statement where none is open.
func (m *mtReader) open() {
	if m.stmt != nil {
		return
	}
	m.found = true
	m.interim = m.heading
	m.stmt = newStatement("mt940", m.tagLine)
	m.begun, m.first, m.last = false, false, false
	m.created = moment{}
	m.debits, m.credits = mtTotal{}, mtTotal{}
}

func (m *mtReader) account(lines [][]byte) {
	m.open()
	if m.pending && m.stmt.account != "" {
		m.details = append(m.details, lines...) // an :86: under a wrong number
		return
	}
	if m.begun {
		return
	}
	account, cur := cleanAccount(string(lines[0]))
	m.stmt.account = account
	if m.stmt.currency == (money.Currency{}) {
		m.stmt.currency = cur
	}
}

// balance reads D or C, the date, the currency and the amount.
func (m *mtReader) balance(to *balance, v []byte, what fault.Text) {
	v = bytes.TrimSpace(v)
	if len(v) < 11 || v[0] != 'C' && v[0] != 'D' {
		m.out.Warn(m.tagLine, fault.Say("%s cannot be read; it is left out", "%s无法读取，未采用", what))
		return
	}
	cur, ok := money.ParseCurrencyBytes(v[7:10])
	if !ok {
		m.out.Warn(m.tagLine, fault.Say("%s is in no known currency; it is left out", "%s的币种未知，未采用", what))
		return
	}
	amount, _, rest, err := mtAmount(v[10:], cur)
	if err != nil || len(bytes.TrimSpace(rest)) > 0 {
		m.out.Warn(m.tagLine, fault.Say("%s has no amount that can be read; it is left out", "%s的金额无法读取，未采用", what))
		return
	}
	date, err := mtDate(v[1:7])
	if err != nil {
		m.out.Warn(m.tagLine, fault.Say("%s has no existing date; its amount is used", "%s的日期不存在，金额照用", what))
	}
	*to = balance{given: true, amount: signedAmount(amount, v[0] == 'C'), currency: cur, date: date}
	if m.stmt.currency == (money.Currency{}) {
		m.stmt.currency = cur
	}
}

// mtAmount reads digits with a decimal comma at the beginning of v and gives
// what follows.
func mtAmount(v []byte, c money.Currency) (minor int64, rounded bool, rest []byte, err error) {
	n := 0
	for n < len(v) && (v[n]-'0' <= 9 || v[n] == ',' || v[n] == '.') {
		n++
	}
	digits := bytes.TrimRight(v[:n], ",.")
	if bytes.IndexByte(digits, '.') >= 0 && bytes.IndexByte(digits, ',') < 0 {
		minor, rounded, err = money.ParseDecimalRound(digits, c.Exponent(), money.Point)
	} else {
		minor, rounded, err = money.ParseDecimalRound(digits, c.Exponent(), money.Comma)
	}
	return minor, rounded, v[n:], err
}

// mtDate reads YYMMDD of the years 1980 to 2079.
func mtDate(v []byte) (calendar.Date, error) {
	y, ok1 := number(v[:2])
	mo, ok2 := number(v[2:4])
	d, ok3 := number(v[4:6])
	if !ok1 || !ok2 || !ok3 {
		return calendar.None, calendar.ErrDate
	}
	if y += 2000; y >= 2080 {
		y -= 100
	}
	return calendar.FromYMD(y, mo, d)
}

// mtCreated reads :13D:, YYMMDDHHMM and the offset.
func mtCreated(v []byte) moment {
	if len(v) < 10 {
		return moment{}
	}
	text := fmt.Sprintf("20%s-%s-%sT%s:%s", v[:2], v[2:4], v[4:6], v[6:8], v[8:10])
	if len(v) >= 15 {
		text += string(v[10:15])
	}
	m, ok := parseMoment([]byte(text), nil)
	if !ok {
		return moment{}
	}
	return m
}

// total reads the number and the sum of debits or credits of an MT942.
func (m *mtReader) total(t *mtTotal, v []byte) {
	m.open()
	m.interim = true
	v = bytes.TrimSpace(v)
	n := 0
	for n < len(v) && v[n]-'0' <= 9 {
		n++
	}
	count, err := strconv.ParseInt(string(v[:n]), 10, 64)
	if err != nil || len(v) < n+4 {
		return
	}
	cur, ok := money.ParseCurrencyBytes(v[n : n+3])
	if !ok {
		return
	}
	sum, _, _, err := mtAmount(v[n+3:], cur)
	if err == nil {
		t.stated, t.count, t.sum = true, count, sum
	}
}

// begin settles what the source and the times of the entries are made of.
func (m *mtReader) begin() {
	if m.begun {
		return
	}
	m.begun = true
	s := m.stmt
	s.complete = !m.interim
	if m.interim {
		s.format = "mt942"
		m.out.SetFormat("mt942")
	}
	number := cmp.Or(s.number, m.ref)
	part := number
	number, _, _ = strings.Cut(number, "/")
	s.whole = number
	if s.sequence, _ = strconv.Atoi(strings.TrimSpace(number)); s.number == "" {
		s.sequence = 0 // that was :20:, which counts nothing
	}
	s.number = part
	// Many banks count from 1 every year, or leave the number at 0.
	switch {
	case s.opening.date != calendar.None:
		s.number += "/" + s.opening.date.String()
	case m.created.timed:
		s.number += "/" + m.created.date.String() + "T" + strconv.Itoa(m.created.second)
	}
	s.zone = zoneOf(m.in, s.account, m.bic, s.currency, m.created)
	if m.created.timed {
		c := m.created
		if !c.zoned {
			_, offset := startOf(c.date, s.zone)
			c.at -= startOffset(offset)
			c.offset = offset
		}
		s.created, s.offset = c.at, c.offset
	}
}

// endStatement checks the statement that is open and closes it. whole is false
// where the file broke off.
func (m *mtReader) endStatement(whole bool) {
	s := m.stmt
	if s == nil {
		return
	}
	m.endEntry()
	m.begin()
	m.stmt, m.ref = nil, ""
	for _, t := range []struct {
		*mtTotal
		what fault.Text
	}{{&m.debits, sides[1]}, {&m.credits, sides[0]}} {
		if t.stated && (t.count != t.read || t.sum != t.total) {
			m.out.Doubt(s.line, fault.Say("%[1]s: the bank states %[2]d %[3]s of %[4]s, but there are %[5]d of %[6]s",
				"%[1]s：银行写%[3]s %[2]d 笔 %[4]s，实有 %[5]d 笔 %[6]s，请向银行核实", s.describe(),
				t.count, t.what, money.Format(t.sum, s.currency), t.read, money.Format(t.total, s.currency)))
		}
	}
	if s.account == "" && s.entries == 0 {
		if s.opening.given || s.closing.given {
			m.out.Reject(s.line, fault.Say("a balance without an account (:25:): nothing says whose it is; hand in the whole statement", "有余额而无账号（:25:），不知属于哪个账户，请提供完整对账单"))
		}
		return
	}
	if m.interim {
		s.finish(m.out)
		return
	}
	if !s.closing.given {
		if s.entries > 0 || whole {
			m.out.Doubt(s.line, fault.Say("%s has no closing balance (:62F:): its entries are read, but it is not taken as complete", "%s没有期末余额（:62F:）：流水已读取，但不视为完整账单", s.describe()))
		}
		return
	}
	m.pages.add(m.out, s, m.first, m.last)
}
