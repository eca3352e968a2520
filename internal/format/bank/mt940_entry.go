package bank

import (
	"bytes"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// startOffset is an offset of so many minutes as a span of time.
func startOffset(minutes int16) evidence.Instant { return evidence.Instant(minutes) * 60 * 1e9 }

// entry reads a statement line (:61:) and keeps it until its details have come.
func (m *mtReader) entry(lines [][]byte) {
	m.begin()
	e := &m.e
	e.reset(m.tagLine)
	m.pending, m.problem = true, fault.Text{}
	m.details, m.extra = m.details[:0], m.extra[:0]
	l, why := parseLine(lines[0], m.stmt.currency)
	if !why.None() && len(lines) > 1 { // cut within the line
		joined := append(bytes.Clone(lines[0]), lines[1]...)
		if again, w := parseLine(joined, m.stmt.currency); w.None() {
			l, why, lines = again, fault.Text{}, lines[1:]
		}
	}
	if !why.None() {
		m.problem = why
		return
	}
	if !l.odd.None() {
		m.out.Warn(e.line, l.odd)
	}
	e.amount, e.rounded, e.currency = l.amount, l.rounded, m.stmt.currency
	e.credit, e.reversal, e.pending, e.charge = l.credit, l.reversal, l.expected, l.charge
	e.booking, e.value = l.booking, l.value
	e.ref = l.bankRef
	e.refer(l.customerRef)
	e.refer(l.bankRef)
	m.extra = append(m.extra, l.rest...)
	for _, more := range lines[1:] {
		more = bytes.TrimSpace(more)
		if len(more) >= 6 && bytes.IndexByte(more, ' ') < 0 && bytes.ContainsAny(more, "0123456789") && more[0] != '/' {
			e.refer(string(more))
		}
		m.extra = append(append(m.extra, ' '), more...)
	}
}

// endEntry makes the entry that is open a fact.
func (m *mtReader) endEntry() {
	if !m.pending {
		return
	}
	m.pending = false
	e := &m.e
	t := &m.debits
	if e.credit {
		t = &m.credits
	}
	if !m.problem.None() {
		m.stmt.entries++
		m.stmt.reject(m.out, e.line, m.problem)
		return
	}
	t.read++
	t.total += e.amount
	describe(e, m.details, bytes.TrimSpace(m.extra))
	m.stmt.put(m.out, e)
}

// line61 is what a statement line says.
type line61 struct {
	value, booking calendar.Date
	credit         bool
	reversal       bool
	expected       bool // announced, not booked
	charge         bool
	amount         int64
	rounded        bool
	customerRef    string
	bankRef        string
	rest           []byte     // what stands behind the references
	odd            fault.Text // what was read in spite of being wrong
}

// parseLine reads field 61: value date, entry date, mark, funds code, amount,
// type of transaction, the customer's reference, and after "//" the bank's.
// why says what is wrong with it.
func parseLine(v []byte, cur money.Currency) (l line61, why fault.Text) {
	l.value, l.booking = calendar.None, calendar.None
	v = bytes.TrimSpace(v)
	if len(v) < 8 {
		return l, fault.Say("the statement line (:61:) is too short; a line has been lost", "流水行（:61:）过短，有一行丢失")
	}
	if cur == (money.Currency{}) {
		return l, fault.Say("the statement line (:61:) stands before any currency: there is no opening balance (:60F:) or floor limit (:34F:)", "流水行（:61:）之前没有币种：缺少期初余额（:60F:）或下限（:34F:）")
	}
	value, err := mtDate(v[:6])
	if err != nil && !digitsOnly(v[:6]) {
		return l, fault.Say("the statement line (:61:) does not begin with a date (YYMMDD)", "流水行（:61:）不是以日期（YYMMDD）开头")
	}
	badValue := err != nil
	year, _ := number(v[:2])
	month, _ := number(v[2:4])
	l.value = value
	v = v[6:]
	if len(v) > 4 && digitsOnly(v[:4]) {
		var ok bool
		if l.booking, ok = entryDate(v[:4], year, month); !ok && badValue {
			return l, fault.Say("neither value date nor entry date of the statement line (:61:) exists", "流水行（:61:）的起息日和记账日都不存在")
		} else if !ok {
			l.odd = fault.Say("the entry date does not exist; the value date is taken for it", "记账日不存在，按起息日计")
		}
		v = v[4:]
	} else if badValue {
		return l, fault.Say("the value date of the statement line (:61:) does not exist", "流水行（:61:）的起息日不存在")
	}
	if badValue {
		// Interest is reckoned in months of 30 days, and some banks write it so.
		l.odd = fault.Say("the value date does not exist; the entry keeps its booking date %s", "起息日不存在，按记账日 %s 计", l.booking)
	}

	switch {
	case len(v) > 1 && v[0] == 'R' && (v[1] == 'C' || v[1] == 'D'): // reversal of a credit is a debit
		l.reversal, l.credit = true, v[1] == 'D'
		v = v[2:]
	case len(v) > 1 && v[0] == 'E' && (v[1] == 'C' || v[1] == 'D'):
		l.expected, l.credit = true, v[1] == 'C'
		v = v[2:]
	case len(v) > 0 && (v[0] == 'C' || v[0] == 'D'):
		l.credit = v[0] == 'C'
		v = v[1:]
	default:
		return l, fault.Say("the statement line (:61:) does not say whether it is a credit or a debit (C, D, RC, RD)", "流水行（:61:）没有写明收入还是支出（C、D、RC、RD）")
	}
	if len(v) > 0 && (v[0]-'A' <= 25 || v[0]-'a' <= 25) { // funds code
		v = v[1:]
	}
	v = bytes.TrimLeft(v, " ")
	if len(v) == 0 || v[0]-'0' > 9 {
		return l, fault.Say("the statement line (:61:) has no amount", "流水行（:61:）没有金额")
	}
	var amountErr error
	l.amount, l.rounded, v, amountErr = mtAmount(v, cur)
	if amountErr != nil {
		return l, fault.Say("the amount of the statement line (:61:) is %s", "流水行（:61:）的金额有误：%s", amountErr)
	}
	v = bytes.TrimLeft(v, " ")
	kind := v[:min(4, len(v))] // of transaction: how it came, and what it is
	l.charge = len(kind) == 4 && (string(kind[1:]) == "CHG" || string(kind[1:]) == "COM")
	v = v[len(kind):]
	customer, bank, found := bytes.Cut(v, []byte("//"))
	if found {
		l.bankRef = string(bytes.TrimSpace(bank))
	}
	customer = bytes.TrimSpace(customer)
	if i := bytes.Index(customer, []byte("  ")); i >= 0 { // a name in the place that is left
		l.rest = bytes.TrimSpace(customer[i:])
		customer = customer[:i]
	}
	l.customerRef = string(customer)
	if noReference[l.bankRef] || len(l.bankRef) < 6 || isZeros(l.bankRef) {
		l.bankRef = "" // a number of the day's work, not of the entry
	}
	if see86[l.customerRef] {
		l.customerRef = ""
	}
	return l, fault.Text{}
}

// see86 are the words that stand for a reference which the details give.
var see86 = map[string]bool{"EREF": true, "MARF": true, "PREF": true, "KREF": true, "KREF+": true, "EREF+": true,
	"CREF": true, "CRED": true}

func digitsOnly(b []byte) bool {
	for _, c := range b {
		if c-'0' > 9 {
			return false
		}
	}
	return true
}

// entryDate gives the year to an entry date (MMDD): that of the value date,
// unless the turn of the year lies between them.
func entryDate(v []byte, year, valueMonth int) (calendar.Date, bool) {
	month, _ := number(v[:2])
	day, _ := number(v[2:4])
	switch {
	case month >= 11 && valueMonth <= 2:
		year--
	case month <= 2 && valueMonth >= 11:
		year++
	}
	if year += 2000; year >= 2080 {
		year -= 100
	}
	date, err := calendar.FromYMD(year, month, day)
	return date, err == nil
}
