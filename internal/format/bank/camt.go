package bank

import (
	"bytes"
	"cmp"
	"strconv"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// camtFormat reads the three messages by which banks report accounts in ISO
// 20022, of every version: camt.053 the statement of whole days, camt.052 the
// report within the day, camt.054 the notification of single entries. Only a
// camt.053 is complete.
var camtFormat = format.Format{
	Name:   "camt",
	Title:  fault.Say("ISO 20022 bank report, statement or notification (camt.052, camt.053, camt.054)", "ISO 20022 银行账户报告、对账单或入账通知（camt.052、camt.053、camt.054）"),
	Detect: func(h *format.Head) bool { return strings.Contains(h.Text, "<") && camtKind([]byte(h.Text)) != "" },
	Read: func(in *format.Input, out *format.Out) error {
		c := &camtReader{in: in, out: out, x: newXMLReader(xmlText(in))}
		return c.read()
	},
}

// camtRoots are the elements that hold a message, without the version that the
// first of them carry ("BkToCstmrStmtV01").
var camtRoots = []struct{ element, message string }{
	{"BkToCstmrAcctRpt", "camt.052"},
	{"BkToCstmrStmt", "camt.053"},
	{"BkToCstmrDbtCdtNtfctn", "camt.054"},
}

// camtKind gives the message whose element begins somewhere in text.
func camtKind(text []byte) string {
	for _, r := range camtRoots {
		if i := bytes.Index(text, []byte(r.element)); i > 0 && (text[i-1] == '<' || text[i-1] == ':') {
			return r.message
		}
	}
	return ""
}

func camtMessage(element []byte) string {
	for _, r := range camtRoots {
		if rest, ok := bytes.CutPrefix(element, []byte(r.element)); ok && (len(rest) == 0 || rest[0] == 'V') {
			return r.message
		}
	}
	return ""
}

// camtReader walks through one file of messages. It knows where it is by the
// path of element names, and keeps one statement and one entry at a time.
type camtReader struct {
	in   *format.Input
	out  *format.Out
	x    *xmlReader
	path []byte // "/Document/BkToCstmrStmt/Stmt/Acct/Id"
	leaf bool   // the open element has no element within so far

	message string // camt.053; "" outside of a message
	begun   bool   // the statement's head has been read
	created []byte // of the message's header

	// Where in path the names of the innermost statement, entry and
	// transaction end; 0 outside.
	stmtAt, entryAt, txAt int

	stmt  *statement
	head  camtHead
	pages pages
	bal   camtBalance
	total camtSummary // as stated
	count camtSummary // as read

	e       entry
	amount  camtAmount
	hasSign bool
	status  []byte
	info    []byte     // AddtlNtryInf
	entRef  string     // NtryRef
	txRef   string     // AcctSvcrRef of the transaction
	txs     int        // TxDtls of the entry
	last    int        // length of the last piece of text
	problem fault.Text // why the entry cannot be kept
	tooMany bool       // references were left out
}

// camtHead is what stands in a statement before its entries.
type camtHead struct {
	id, sequence, legal, account, bic string
	currency                          money.Currency
	created, from, to                 []byte
	page                              int
	lastPage                          bool
	opening, closing                  camtBalances
}

// camtBalances are the balances by their worth as proof: booked, interim
// booked, available.
type camtBalances struct{ booked, interim, available balance }

// camtBalance is the Bal being read.
type camtBalance struct {
	kind   string
	amount camtAmount
	credit bool
	date   calendar.Date
}

type camtAmount struct {
	text     []byte
	currency []byte
}

func (a *camtAmount) set(text, currency []byte) {
	a.text = append(a.text[:0], text...)
	a.currency = append(a.currency[:0], currency...)
}

// camtSummary are the totals of a statement's entries, whatever their status.
type camtSummary struct {
	all, credits, debits camtTotal
	net                  camtTotal
	mixed                bool // entries in several currencies
}

type camtTotal struct {
	count    int64
	sum      int64
	hasCount bool
	text     string // the sum as written
	credit   bool
}

func (c *camtReader) read() error {
	c.out.SetFormat(cmp.Or(camtKind([]byte(c.in.Head.Text)), "camt"))
	for {
		kind, name, err := c.x.next()
		if err != nil {
			return c.broken(err)
		}
		switch kind {
		case xmlEOF:
			c.pages.end(c.out)
			return nil
		case xmlStart:
			c.start(name)
		case xmlEnd:
			c.end()
		}
	}
}

// broken ends a file that cannot be read further. What was read stays; the
// statement it breaks off in is not complete.
func (c *camtReader) broken(err error) error {
	c.pages.end(c.out)
	return fault.New(fault.Invalid, fault.Say("read line %d", "读取第 %d 行", c.x.line), "", err,
		fault.Say("what stood before was read; fetch the file again from the bank", "之前的内容已采用，请向银行重新获取完整文件"))
}

func (c *camtReader) start(name []byte) {
	c.path = append(c.path, '/')
	c.path = append(c.path, name...)
	c.leaf = true
	switch {
	case c.entryAt > 0:
		switch {
		case c.txAt == 0 && string(name) == "TxDtls":
			c.txAt = len(c.path)
			c.txs++
			c.txRef = ""
			c.last = 0
		case string(name) == "Amt" && string(c.path[c.entryAt:]) == "/Amt":
			c.amount.currency = append(c.amount.currency[:0], c.x.attr("Ccy")...)
		}
	case c.stmtAt > 0:
		switch string(name) {
		case "Ntry":
			if string(c.path[c.stmtAt:]) == "/Ntry" {
				c.startEntry()
			}
		case "Bal":
			c.bal = camtBalance{date: calendar.None, amount: c.bal.amount}
		case "Amt":
			if string(c.path[c.stmtAt:]) == "/Bal/Amt" {
				c.bal.amount.currency = append(c.bal.amount.currency[:0], c.x.attr("Ccy")...)
			}
		}
	case c.message != "":
		switch string(name) {
		case "Stmt", "Rpt", "Ntfctn":
			c.startStatement()
		}
	default:
		if m := camtMessage(name); m != "" {
			c.message = m
			c.created = c.created[:0]
			return
		}
		if i := bytes.Index(c.x.tag, []byte("camt.05")); i >= 0 && len(c.x.tag) >= i+len("camt.053.001.08") {
			c.out.SetFormat(string(c.x.tag[i : i+len("camt.053.001.08")]))
		}
	}
}

func (c *camtReader) end() {
	if c.leaf {
		c.leaf = false
		if text := bytes.TrimSpace(c.x.text); len(text) > 0 {
			c.take(text)
		}
	}
	switch len(c.path) {
	case c.txAt:
		c.txAt = 0
	case c.entryAt:
		c.endEntry()
		c.entryAt = 0
	case c.stmtAt:
		c.endStatement()
		c.stmtAt = 0
	default:
		if c.stmtAt > 0 && c.entryAt == 0 && string(c.path[c.stmtAt:]) == "/Bal" {
			c.endBalance()
		}
	}
	i := bytes.LastIndexByte(c.path, '/')
	if c.message != "" && c.stmtAt == 0 && camtMessage(c.path[i+1:]) == c.message {
		c.message = ""
	}
	c.path = c.path[:i]
}

// take takes the text of an element.
func (c *camtReader) take(text []byte) {
	switch {
	case c.txAt > 0:
		c.takeTransaction(c.path[c.txAt:], text)
	case c.entryAt > 0:
		c.takeEntry(c.path[c.entryAt:], text)
	case c.stmtAt > 0:
		c.takeStatement(c.path[c.stmtAt:], text)
	case c.message != "" && bytes.HasSuffix(c.path, []byte("/GrpHdr/CreDtTm")):
		c.created = append(c.created[:0], text...)
	}
}

func (c *camtReader) startStatement() {
	c.stmtAt = len(c.path)
	c.begun = false
	c.stmt = newStatement(c.message, c.x.line)
	c.head = camtHead{page: 1, lastPage: true}
	c.total, c.count = camtSummary{}, camtSummary{}
}

// takeStatement takes what stands in a statement outside of its entries.
func (c *camtReader) takeStatement(path, text []byte) {
	h := &c.head
	switch string(path) {
	case "/Id":
		h.id = string(text)
	case "/ElctrncSeqNb":
		h.sequence = string(text)
	case "/LglSeqNb":
		h.legal = string(text)
	case "/CreDtTm":
		h.created = bytes.Clone(text)
	case "/FrToDt/FrDtTm", "/FrToDt/FrDt":
		h.from = bytes.Clone(text)
	case "/FrToDt/ToDtTm", "/FrToDt/ToDt":
		h.to = bytes.Clone(text)
	case "/StmtPgntn/PgNb", "/RptPgntn/PgNb", "/NtfctnPgntn/PgNb":
		if n, err := strconv.Atoi(string(text)); err == nil {
			h.page = n
		}
	case "/StmtPgntn/LastPgInd", "/RptPgntn/LastPgInd", "/NtfctnPgntn/LastPgInd":
		h.lastPage = isTrue(text)
	case "/Acct/Id/IBAN", "/Acct/Id/BBAN", "/Acct/Id/Othr/Id", "/Acct/Id/PrtryAcct/Id", "/Acct/Id/UPIC":
		if h.account == "" {
			h.account = string(text)
		}
	case "/Acct/Ccy":
		if cur, ok := money.ParseCurrencyBytes(text); ok {
			h.currency = cur
		}
	case "/Acct/Svcr/FinInstnId/BIC", "/Acct/Svcr/FinInstnId/BICFI":
		h.bic = string(text)

	case "/Bal/Tp/Cd", "/Bal/Tp/CdOrPrtry/Cd", "/Bal/Tp/CdOrPrtry/Prtry", "/Bal/Tp/Prtry":
		c.bal.kind = string(text)
	case "/Bal/Amt":
		c.bal.amount.text = append(c.bal.amount.text[:0], text...)
	case "/Bal/CdtDbtInd":
		c.bal.credit = string(text) == "CRDT"
	case "/Bal/Dt/Dt", "/Bal/Dt/DtTm", "/Bal/Dt":
		if m, ok := parseMoment(text, nil); ok {
			c.bal.date = m.date
		}

	case "/TxsSummry/TtlNtries/NbOfNtries":
		c.total.all.setCount(text)
	case "/TxsSummry/TtlNtries/Sum":
		c.total.all.setSum(text)
	case "/TxsSummry/TtlNtries/TtlNetNtryAmt", "/TxsSummry/TtlNtries/TtlNetNtry/Amt":
		c.total.net.setSum(text)
	case "/TxsSummry/TtlNtries/CdtDbtInd", "/TxsSummry/TtlNtries/TtlNetNtry/CdtDbtInd":
		c.total.net.credit = string(text) == "CRDT"
	case "/TxsSummry/TtlCdtNtries/NbOfNtries":
		c.total.credits.setCount(text)
	case "/TxsSummry/TtlCdtNtries/Sum":
		c.total.credits.setSum(text)
	case "/TxsSummry/TtlDbtNtries/NbOfNtries":
		c.total.debits.setCount(text)
	case "/TxsSummry/TtlDbtNtries/Sum":
		c.total.debits.setSum(text)
	}
}

func (t *camtTotal) setCount(text []byte) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	t.count, t.hasCount = n, err == nil
}

func (t *camtTotal) setSum(text []byte) { t.text = string(text) }

func isTrue(text []byte) bool { return string(text) == "true" || string(text) == "1" }

// endBalance sorts a balance by its type: opening and closing booked balances
// are the statement's frame, the interim ones that of a page, the available
// ones stand in where a bank gives no other.
func (c *camtReader) endBalance() {
	b := &c.bal
	cur := c.head.currency
	if got, ok := money.ParseCurrencyBytes(b.amount.currency); ok {
		cur = got
	}
	v, _, err := money.ParseDecimalRound(b.amount.text, cur.Exponent(), money.Point)
	if err != nil {
		c.out.Warn(c.x.line, fault.Say("balance %s is %s; it is left out", "余额 %s 有误（%s），未采用", b.kind, err))
		return
	}
	got := balance{given: true, amount: signedAmount(v, b.credit), currency: cur, date: b.date}
	earlier := func(to *balance) {
		if !to.given || got.date < to.date {
			*to = got
		}
	}
	later := func(to *balance) {
		if !to.given || got.date >= to.date {
			*to = got
		}
	}
	h := &c.head
	switch b.kind {
	case "OPBD":
		earlier(&h.opening.booked)
	case "PRCD": // the closing balance of the statement before
		if !h.opening.booked.given {
			h.opening.booked = got
			// Its day is over: the opening day is not it.
		}
	case "CLBD":
		later(&h.closing.booked)
	case "ITBD":
		if !h.opening.interim.given {
			h.opening.interim = got
		}
		h.closing.interim = got
	case "OPAV":
		earlier(&h.opening.available)
	case "CLAV":
		later(&h.closing.available)
	}
}

// begin settles the statement's head before its first entry.
func (c *camtReader) begin() {
	if c.begun {
		return
	}
	c.begun = true
	h, s := &c.head, c.stmt
	var cur money.Currency
	s.account, cur = cleanAccount(h.account)
	s.currency = h.currency
	if s.currency == (money.Currency{}) {
		s.currency = cur
	}
	s.number = cmp.Or(h.id, cmp.Or(h.sequence, h.legal))
	s.whole = s.number
	s.sequence, _ = strconv.Atoi(cmp.Or(h.sequence, h.legal))
	if h.page != 1 {
		s.number += "/" + strconv.Itoa(h.page)
	}
	created := h.created
	if len(created) == 0 {
		created = c.created
	}
	m, _ := parseMoment(created, nil)
	s.zone = zoneOf(c.in, s.account, h.bic, s.currency, m)
	if m, ok := parseMoment(created, s.zone); ok && m.timed {
		s.created, s.offset = m.at, m.offset
	}
	s.complete = c.message == "camt.053"
	from, okFrom := parseMoment(h.from, s.zone)
	to, okTo := parseMoment(h.to, s.zone)
	if okFrom && okTo && from.date <= to.date {
		s.from, s.to = from.date, to.date
		// A period that begins in the evening or ends in the morning has only
		// the smaller part of that day.
		if s.from < s.to && from.timed && from.second >= 12*3600 {
			s.from = s.from.Add(1)
		}
		if s.from < s.to && to.timed && to.second < 12*3600 {
			s.to = s.to.Add(-1)
		}
	}
	single := h.page == 1 && h.lastPage
	s.opening, s.closing = h.opening.booked, h.closing.booked
	switch {
	case !s.opening.given && !s.closing.given && single:
		s.opening, s.closing = h.opening.available, h.closing.available
	case !single:
		if !s.opening.given {
			s.opening = h.opening.interim
		}
		if !s.closing.given {
			s.closing = h.closing.interim
		}
	}
}

func (c *camtReader) endStatement() {
	c.begin()
	s := c.stmt
	c.checkSummary()
	if c.message == "camt.053" {
		c.pages.add(c.out, s, c.head.page == 1, c.head.lastPage)
	} else {
		s.finish(c.out)
	}
	c.stmt = nil
}

// checkSummary compares the totals the bank states with what was read.
func (c *camtReader) checkSummary() {
	if c.count.all.count == 0 && c.message != "camt.053" {
		return // a report of totals alone
	}
	exponent := c.stmt.currency.Exponent()
	if c.stmt.opening.given {
		exponent = c.stmt.opening.currency.Exponent()
	}
	check := func(what fault.Text, stated, read *camtTotal, signed bool) {
		if stated.hasCount && stated.count != read.count {
			c.out.Doubt(c.stmt.line, fault.Say("%[1]s: the bank states %[2]d %[3]s, but there are %[4]d", "%[1]s：银行写%[3]s %[2]d 笔，实有 %[4]d 笔，请向银行核实",
				c.stmt.describe(), stated.count, what, read.count))
		}
		if stated.text == "" || c.count.mixed {
			return
		}
		sum, _, err := money.ParseDecimalRound(stated.text, exponent, money.Point)
		if signed && !stated.credit {
			sum = -sum
		}
		if err != nil || sum != read.sum {
			c.out.Doubt(c.stmt.line, fault.Say("%[1]s: the bank states a sum of %[2]s for %[3]s, but it is %[4]s", "%[1]s：银行写%[3]s合计 %[2]s，实为 %[4]s，请向银行核实",
				c.stmt.describe(), strings.TrimSpace(stated.text), what, money.Format(read.sum, c.stmt.currencyOfSums())))
		}
	}
	check(fault.Say("entries", "流水"), &c.total.all, &c.count.all, false)
	check(sides[0], &c.total.credits, &c.count.credits, false)
	check(sides[1], &c.total.debits, &c.count.debits, false)
	if c.total.net.text != "" {
		check(fault.Say("all entries together", "全部流水"), &c.total.net, &c.count.net, true)
	}
}

func (s *statement) currencyOfSums() money.Currency {
	if s.opening.given {
		return s.opening.currency
	}
	return s.currency
}

// setTime gives an entry the moment of its booking, if it is told.
func (e *entry) setTime(m moment) {
	if m.timed {
		e.at, e.atOffset = m.at, m.offset
	}
}
