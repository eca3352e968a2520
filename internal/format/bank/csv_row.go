package bank

import (
	"cmp"
	"regexp"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/money"
)

// inferRows is from how many rows a file's habits are told: the order of day
// and month, the decimal sign, the sign of debits.
const inferRows = 256

// unknownAccount is the account of files that name none.
const unknownAccount = "unknown"

// csvRow is a row as text.
type csvRow struct {
	line                                                int
	date, value, clock, credit, debit, amount, mark     string
	balance, currency, account, text, text2, other, ref string
	payrefs                                             [2]string
	status, from, to, opening, closing, eitherAccount   string
}

// csvDoc is a file being read.
type csvDoc struct {
	split    bool // credit and debit have columns of their own
	account  string
	currency money.Currency // of the preamble or the header
	chinese  bool
	own      string // the format's own currency
	from, to string // of the preamble
	opening  string
	closing  string

	rows     []csvRow // held back until the file's habits are known
	inferred bool
	order    dateOrder
	style    money.Style
	useMark  bool
	negative bool // debits are written as negative numbers in their column
	assumed  bool // the currency is a guess, told once
	either   bool // the column that may name the account does
	parties  bool // there is a column for the other party

	parts map[string]*csvPart
	keys  []string
	total [2]string // stated sums of credits and debits
	lines struct{ total, closing int }
}

// csvPart is one account and currency of a file.
type csvPart struct {
	s                 *statement
	credits, debits   int64
	older, newer      chain
	firstDay, lastDay calendar.Date
	rising, falling   bool // the dates go up, or down
	unread            int  // balances that could not be read
	last              balanceStep
	first             balanceStep
	balances          int
}

var errCardStatement = error(fault.Say("a statement of a payment card: it lists what was bought with the card, and does not say which sign is money in; hand in the statement of the account that payouts go to", "银行卡消费账单：列的是刷卡支出，也没有说明哪种正负号是入账；请提供收款账户的对账单"))

func openCSV(doc *format.Doc, out *format.Out) error {
	c := &csvDoc{parts: map[string]*csvPart{}}
	doc.State = c
	header := strings.Join(doc.Header, "|")
	roles := headerRoles(doc.Header)
	c.split = roles["credit"] && roles["debit"]
	if !c.split && !roles["mark"] && !roles["balance"] && (roles["card"] || roles["otheramount"] && !roles["counterparty"] && isChinese(header)) {
		return errCardStatement
	}
	c.chinese = isChinese(header)
	c.parties = roles["counterparty"]
	if m := headerCurrency.FindStringSubmatch(header); m != nil {
		c.currency, _ = money.ParseCurrency(m[1] + m[2])
	}
	if strings.Contains(header, "人民币") {
		c.currency = money.Currency{'C', 'N', 'Y'}
	}
	c.own = languageCurrency(header)
	for _, line := range doc.Preamble {
		c.preamble(line)
	}
	return nil
}

var headerCurrency = regexp.MustCompile(`(?:\(([A-Z]{3})\)| in ([A-Z]{3})\b)`)

// headerRoles tells which columns a header has.
func headerRoles(header []string) map[string]bool {
	has := map[string]bool{}
	for _, h := range header {
		has[plain(h)] = true
	}
	roles := map[string]bool{}
	for _, r := range csvHeaders {
		for _, h := range strings.Split(r.headers, "|") {
			if has[plain(h)] {
				roles[r.name] = true
			}
		}
	}
	return roles
}

// plain is a header for comparison: lower case, without space and signs.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '_', '-', '.', ':', '#', '*', '"', '\'', '`', '\u3000', '\u00a0':
			return -1
		case '（':
			return '('
		case '）':
			return ')'
		}
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func isChinese(s string) bool {
	for _, r := range s {
		if r >= 0x4e00 && r <= 0x9fff {
			return true
		}
	}
	return false
}

// languageCurrency is the currency that goes without saying in a language.
func languageCurrency(header string) string {
	switch h := strings.ToLower(header); {
	case isChinese(h):
		return "CNY"
	case strings.Contains(h, "buchung"), strings.Contains(h, "betrag"), strings.Contains(h, "bedrag"),
		strings.Contains(h, "montant"), strings.Contains(h, "libell"), strings.Contains(h, "importe"), strings.Contains(h, "importo"):
		return "EUR"
	case strings.Contains(h, "first bank card"): // Bank of Montreal
		return "CAD"
	}
	return ""
}

func rowCSV(row *format.Row, out *format.Out) {
	c := row.Doc.State.(*csvDoc)
	r := csvRow{
		line: row.Line, date: row.Text("date"), value: row.Text("value"), clock: row.Text("clock"),
		credit: amountText(row.Text("credit")), debit: amountText(row.Text("debit")), amount: amountText(row.Text("amount")),
		mark: cmp.Or(row.Text("mark"), row.Text("weakmark")), balance: amountText(row.Text("balance")), currency: row.Text("currency"),
		account: row.Text("account"), text: row.Text("text"), text2: row.Text("text2"), other: row.Text("counterparty"),
		ref: row.Text("ref"), payrefs: [2]string{row.Text("payref"), row.Text("payref2")}, status: row.Text("status"),
		from: row.Text("from"), to: row.Text("to"), opening: row.Text("opening"), closing: row.Text("closing"),
		eitherAccount: row.Text("eitheraccount"),
	}
	if c.inferred {
		c.read(&r, row.Doc.In, out)
		return
	}
	c.rows = append(c.rows, r)
	if len(c.rows) == inferRows {
		c.flush(row.Doc.In, out)
	}
}

// amountText is a cell's amount without what stands for none.
func amountText(s string) string {
	s = strings.TrimSpace(s)
	if strings.Trim(s, "-— ") == "" {
		return ""
	}
	return s
}

// flush tells the file's habits from the rows held back, and reads them.
func (c *csvDoc) flush(in *format.Input, out *format.Out) {
	c.inferred = true
	c.infer()
	for i := range c.rows {
		c.read(&c.rows[i], in, out)
	}
	c.rows = nil
}

// marks are the words for the direction of money. 借 and 贷 are those of the
// bank's books: 贷 is what it owes the customer.
var marks = map[string]bool{
	"c": true, "cr": true, "credit": true, "crdt": true, "贷": true, "贷方": true, "收": true, "收入": true, "转入": true, "存入": true,
	"bij": true, "h": true, "haben": true, "+": true, "入账": true, "进": true, "in": true,
	"d": false, "dr": false, "debit": false, "dbit": false, "借": false, "借方": false, "支": false, "支出": false, "转出": false, "支取": false,
	"af": false, "s": false, "soll": false, "-": false, "出账": false, "往": false, "出": false, "来": true, "out": false,
}

func markOf(s string) (credit, ok bool) {
	credit, ok = marks[strings.ToLower(strings.TrimSpace(s))]
	return credit, ok
}

// read makes one row an entry.
func (c *csvDoc) read(r *csvRow, in *format.Input, out *format.Out) {
	if r.opening != "" {
		c.opening = r.opening
	}
	if r.closing != "" {
		c.closing, c.lines.closing = r.closing, r.line
	}
	if r.from != "" && r.to != "" {
		c.from, c.to = r.from, r.to
	}
	if r.date == "" {
		if r.account != "" && c.account == "" {
			c.account, _ = cleanAccount(r.account)
		}
		if r.credit != "" || r.debit != "" || r.amount != "" {
			out.Reject(r.line, fault.Say("an amount without a date: write the day of booking in the row", "有金额而无日期，请在该行填写记账日"))
		}
		return
	}
	if unbooked(r.status) {
		return
	}
	if r.credit == "" && r.debit == "" && r.amount == "" && r.balance != "" {
		// A balance brought forward stands as a row of its own.
		switch {
		case labelOpening.MatchString(r.text):
			c.opening = r.balance
			return
		case labelClosing.MatchString(r.text):
			c.closing, c.lines.closing = r.balance, r.line
			return
		}
	}
	cur, why := c.currencyOf(r, in, out)
	if !why.None() {
		out.Reject(r.line, why)
		return
	}
	var e entry
	e.reset(r.line)
	date, second, ok := parseDate(r.date, c.order)
	if !ok {
		c.part(r, cur, in).s.reject(out, r.line, fault.Say("the date is none that exists; write it as YYYY-MM-DD", "日期不存在，请写作 YYYY-MM-DD"))
		return
	}
	e.booking = date
	if v, _, ok := parseDate(r.value, c.order); ok {
		e.value = v
	}
	e.pending = isPending(r.status)
	e.currency = cur
	net, why := c.amountOf(r, cur, &e)
	p := c.part(r, cur, in)
	if !why.None() {
		p.s.entries++
		p.s.reject(out, r.line, why)
		return
	}
	e.credit = net >= 0
	if e.amount = net; net < 0 {
		e.amount = -net
	}
	if second < 0 {
		second = clockOf(r.clock)
	}
	if second >= 0 {
		t, offset := startOf(date, p.s.zone)
		e.at, e.atOffset = t+secondsInstant(second), offset
	}
	e.tell([]byte(r.text), len(r.text)+1, new(int))
	for _, t := range []string{r.text2, r.other} {
		if strings.Trim(t, "- ") != "" && t != r.text {
			e.tell([]byte(t), len(t)+1, new(int))
		}
	}
	if len(r.ref) >= 6 {
		e.ref = r.ref
	}
	e.refer(r.ref)
	e.refer(r.payrefs[0])
	e.refer(r.payrefs[1])
	p.s.put(out, &e)
	p.follow(c, r, &e, net, cur, out)
}

func unbooked(status string) bool {
	s := strings.ToLower(status)
	return strings.Contains(s, "fail") || strings.Contains(s, "declin") || strings.Contains(s, "cancel") || strings.Contains(s, "失败") || strings.Contains(s, "撤销")
}

func isPending(status string) bool {
	s := strings.ToLower(status)
	return strings.Contains(s, "pend") || strings.Contains(s, "vorgemerkt") || strings.Contains(s, "处理中") || strings.Contains(s, "未入账")
}

// currencyOf gives a row's currency: of its column, the header, the preamble,
// the person, at last what goes without saying.
func (c *csvDoc) currencyOf(r *csvRow, in *format.Input, out *format.Out) (money.Currency, fault.Text) {
	if r.currency != "" && strings.Trim(r.currency, "-") != "" {
		cur, ok := format.ParseCurrency([]byte(r.currency))
		if !ok {
			return cur, fault.Say("the currency is no ISO 4217 code", "币种不是 ISO 4217 代码")
		}
		return cur, fault.Text{}
	}
	if c.currency != (money.Currency{}) {
		return c.currency, fault.Text{}
	}
	cur := in.CurrencyOr(c.own)
	if !c.assumed && !c.chinese && in.Currency == (money.Currency{}) {
		c.assumed = true
		out.Warn(0, fault.Say("the file names no currency: its amounts are taken as %s; say which it is with --currency", "文件未写币种，金额按 %s 计；如不是，请用 --currency 指明", cur))
	}
	return cur, fault.Text{}
}

// amountOf gives what a row adds to the account.
func (c *csvDoc) amountOf(r *csvRow, cur money.Currency, e *entry) (net int64, why fault.Text) {
	parse := func(s string, column fault.Text) int64 {
		if s == "" || !why.None() {
			return 0
		}
		v, rounded, err := money.ParseDecimalRound(s, cur.Exponent(), c.style)
		if err != nil {
			why = fault.Say("column %s: %s", "%s列：%s", column, err)
		}
		e.rounded = e.rounded || rounded
		return v
	}
	if c.split {
		if r.credit == "" && r.debit == "" {
			return 0, fault.Say("neither a credit nor a debit", "收入和支出都没有填写")
		}
		credit, debit := parse(r.credit, fault.Say("credit", "收入")), parse(r.debit, fault.Say("debit", "支出"))
		if !why.None() {
			return 0, why
		}
		if c.negative {
			debit = -debit
		}
		net, ok := money.Sub(credit, debit)
		if !ok {
			return 0, fault.Say("the amount is too large", "金额过大")
		}
		return net, fault.Text{}
	}
	if r.amount == "" {
		return 0, fault.Say("no amount", "没有金额")
	}
	net = parse(r.amount, fault.Say("amount", "金额"))
	if !why.None() {
		return 0, why
	}
	if c.useMark && r.mark != "" {
		if net < 0 {
			net = -net
		}
		credit, ok := markOf(r.mark)
		if !ok {
			return 0, fault.Say("the mark says neither credit nor debit", "借贷标志既非收入也非支出")
		}
		net = signedAmount(net, credit)
	}
	return net, fault.Text{}
}

// part gives the account and currency a row belongs to.
func (c *csvDoc) part(r *csvRow, cur money.Currency, in *format.Input) *csvPart {
	account, _ := cleanAccount(strings.Trim(r.account, "'\""))
	if account == "" && c.either {
		account, _ = cleanAccount(strings.Trim(r.eitherAccount, "'\""))
	}
	if account == "" {
		account = c.account
	}
	switch {
	case account == "":
		account = unknownAccount
	case len(account) == 4 && digitsOnly([]byte(account)):
		account = "****" + account
	}
	key := account + "/" + cur.String()
	if p := c.parts[key]; p != nil {
		return p
	}
	s := newStatement("bank.csv", r.line)
	s.account, s.currency = account, cur
	s.zone = zoneOf(in, account, "", cur, moment{})
	s.opening.currency = cur
	p := &csvPart{s: s, firstDay: calendar.None, lastDay: calendar.None, rising: true, falling: true}
	c.parts[key] = p
	c.keys = append(c.keys, key)
	return p
}

func secondsInstant(s int) evidence.Instant { return evidence.Instant(s) * 1e9 }
