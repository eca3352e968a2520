package bank

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
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
	status, from, to, opening, closing                  string
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

// balanceStep is a row's amount and the balance after it.
type balanceStep struct{ net, balance int64 }

// chain follows the running balance in one order of rows.
type chain struct {
	links, broken int
	brokenAt      int // line of the first break
}

func (c *chain) link(ok bool, line int) {
	c.links++
	if !ok {
		c.broken++
		if c.brokenAt == 0 {
			c.brokenAt = line
		}
	}
}

var errCardStatement = errors.New("a statement of a payment card: it lists what was bought with the card, and does not say which sign is money in; hand in the statement of the account that payouts go to")

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

var (
	preambleAccount  = regexp.MustCompile(`(?i)(?:账号|帐号|账户|卡号|account(?:\s*(?:number|no\.?))?|iban|kontonummer|konto|rekening(?:nummer)?|compte|cuenta)\s*["']?\s*[:：,;\t]\s*["']?\s*([A-Za-z]{0,2}[0-9*][A-Za-z0-9* \-]{3,40})`)
	preambleCurrency = regexp.MustCompile(`(?:^|[:：,;\t ])\s*"?([A-Z]{3})"?\s*(?:[,;\t]|$)`)
	preambleDates    = regexp.MustCompile(`[0-9]{4}[-/.年][0-9]{1,2}[-/.月][0-9]{1,2}日?|[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}|\b20[0-9]{6}\b`)
	preamblePeriod   = regexp.MustCompile(`(?i)起|止|至|期间|范围|start|period|from|between|zeitraum|von |periode|du `)
	labelOpening     = regexp.MustCompile(`(?i)期初余额|上期余额|承前余额|opening balance|beginning balance|balance at (?:the )?start|start(?:ing)? balance|anfangssaldo|beginsaldo|solde initial|saldo inicial`)
	labelClosing     = regexp.MustCompile(`(?i)期末余额|本期余额|closing balance|ending balance|balance at (?:the )?end|end balance|endsaldo|schlusssaldo|eindsaldo|solde final|saldo final`)
	labelTotal       = regexp.MustCompile(`(?i)合计|总计|小计|^\W*(?:grand )?totals?\b|^\W*summe|^\W*totaal`)
	labelAmount      = regexp.MustCompile(`[-+]?\s?[0-9][0-9.,' ]*[0-9]|[0-9]`)
)

// preamble takes what a line above the header tells.
func (c *csvDoc) preamble(line string) {
	if m := preambleAccount.FindStringSubmatch(line); m != nil && c.account == "" {
		c.account, _ = cleanAccount(m[1])
	}
	if m := preambleCurrency.FindStringSubmatch(line); m != nil && c.currency == (money.Currency{}) {
		c.currency, _ = money.ParseCurrency(m[1])
	}
	if strings.Contains(line, "人民币") && c.currency == (money.Currency{}) {
		c.currency = money.Currency{'C', 'N', 'Y'}
	}
	if d := preambleDates.FindAllString(line, -1); len(d) == 2 && preamblePeriod.MatchString(line) {
		c.from, c.to = d[0], d[1]
	}
	c.balanceLine(line, 0)
}

// balanceLine takes a stated opening or closing balance.
func (c *csvDoc) balanceLine(line string, n int) bool {
	i := labelOpening.FindStringIndex(line)
	j := labelClosing.FindStringIndex(line)
	if i != nil {
		if m := lastAmount(line[i[1]:]); m != "" {
			c.opening = m
		}
	}
	if j != nil {
		if m := lastAmount(line[j[1]:]); m != "" {
			c.closing = m
			c.lines.closing = n
		}
	}
	return i != nil || j != nil
}

func lastAmount(s string) string {
	if all := labelAmount.FindAllString(s, -1); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// footerCSV tells the rows that sum up the entries.
func footerCSV(row *format.Row) bool {
	if _, _, ok := parseDate(row.Text("date"), dayFirst); ok {
		return false
	}
	raw := string(row.Raw)
	return labelTotal.MatchString(raw) || labelOpening.MatchString(raw) || labelClosing.MatchString(raw)
}

func footCSV(row *format.Row, out *format.Out) {
	c := row.Doc.State.(*csvDoc)
	if _, _, ok := parseDate(row.Text("date"), dayFirst); ok { // entries go on after a sum
		rowCSV(row, out)
		return
	}
	raw := string(row.Raw)
	if c.balanceLine(raw, row.Line) || !labelTotal.MatchString(raw) || !c.split {
		return
	}
	// Sums stand in the columns they sum, or one column off where the label
	// takes more or less room than it should.
	var sums []string
	for i := range row.Cells {
		if cell := row.Clean(i); labelAmount.MatchString(cell) && !labelTotal.MatchString(cell) {
			sums = append(sums, cell)
		}
	}
	switch len(sums) {
	case 2:
		c.total = [2]string{sums[0], sums[1]}
	case 4: // of the transaction's currency and of the account's
		c.total = [2]string{sums[2], sums[3]}
	}
	c.lines.total = row.Line
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

func (c *csvDoc) infer() {
	var dates []string
	c.useMark = true
	marks, positive, negativeDebits := 0, 0, 0
	points, commas := 0, 0
	for i := range c.rows {
		r := &c.rows[i]
		dates = append(dates, r.date)
		if r.mark != "" {
			marks++
			if _, ok := markOf(r.mark); !ok {
				c.useMark = false
			}
		}
		if r.debit != "" && strings.ContainsAny(r.debit, "123456789") {
			if strings.HasPrefix(r.debit, "-") {
				negativeDebits++
			} else {
				positive++
			}
		}
		for _, a := range []string{r.credit, r.debit, r.amount, r.balance} {
			switch decimalSign(a) {
			case '.':
				points++
			case ',':
				commas++
			}
		}
		if c.currency == (money.Currency{}) && r.currency == "" {
			c.currency = symbolCurrency(r.amount + r.credit + r.debit)
		}
	}
	c.useMark = c.useMark && marks > 0
	c.negative = negativeDebits > 0 && positive == 0
	switch {
	case commas > 0 && points == 0:
		c.style = money.Comma
	case points > 0 && commas == 0:
		c.style = money.Point
	}
	c.order = orderOf(dates)
}

// decimalSign is the sign before one or two last digits; 0 where the amount
// has none.
func decimalSign(a string) byte {
	a = strings.TrimRight(a, " \t€$£¥")
	for _, n := range []int{3, 2} {
		if i := len(a) - n; i > 0 && (a[i] == '.' || a[i] == ',') && digitsOnly([]byte(a[i+1:])) {
			return a[i]
		}
	}
	return 0
}

func symbolCurrency(s string) money.Currency {
	code := ""
	switch {
	case strings.Contains(s, "€"):
		code = "EUR"
	case strings.Contains(s, "£"):
		code = "GBP"
	case strings.ContainsAny(s, "¥￥元"):
		code = "CNY"
	case strings.Contains(s, "₹"):
		code = "INR"
	case strings.Contains(s, "$"):
		code = "USD"
	}
	cur, _ := money.ParseCurrency(code)
	return cur
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
			out.Reject(r.line, "an amount without a date: write the day of booking in the row")
		}
		return
	}
	if unbooked(r.status) {
		return
	}
	cur, why := c.currencyOf(r, in, out)
	if why != "" {
		out.Reject(r.line, why)
		return
	}
	var e entry
	e.reset(r.line)
	date, second, ok := parseDate(r.date, c.order)
	if !ok {
		c.part(r, cur, in).s.reject(out, r.line, "the date is none that exists; write it as YYYY-MM-DD")
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
	if why != "" {
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
func (c *csvDoc) currencyOf(r *csvRow, in *format.Input, out *format.Out) (money.Currency, string) {
	if r.currency != "" && strings.Trim(r.currency, "-") != "" {
		cur, ok := format.ParseCurrency([]byte(r.currency))
		if !ok {
			return cur, "the currency is no ISO 4217 code"
		}
		return cur, ""
	}
	if c.currency != (money.Currency{}) {
		return c.currency, ""
	}
	cur := in.CurrencyOr(c.own)
	if !c.assumed && !c.chinese && in.Currency == (money.Currency{}) {
		c.assumed = true
		out.Warn(0, "the file names no currency: its amounts are taken as "+cur.String()+"; say which it is with --currency")
	}
	return cur, ""
}

// amountOf gives what a row adds to the account.
func (c *csvDoc) amountOf(r *csvRow, cur money.Currency, e *entry) (net int64, why string) {
	parse := func(s, column string) int64 {
		if s == "" || why != "" {
			return 0
		}
		v, rounded, err := money.ParseDecimalRound(s, cur.Exponent(), c.style)
		if err != nil {
			why = "column " + column + ": " + err.Error()
		}
		e.rounded = e.rounded || rounded
		return v
	}
	if c.split {
		if r.credit == "" && r.debit == "" {
			return 0, "neither a credit nor a debit"
		}
		credit, debit := parse(r.credit, "credit"), parse(r.debit, "debit")
		if why != "" {
			return 0, why
		}
		if c.negative {
			debit = -debit
		}
		net, ok := money.Sub(credit, debit)
		if !ok {
			return 0, "the amount is too large"
		}
		return net, ""
	}
	if r.amount == "" {
		return 0, "no amount"
	}
	net = parse(r.amount, "amount")
	if why != "" {
		return 0, why
	}
	if c.useMark && r.mark != "" {
		if net < 0 {
			net = -net
		}
		credit, ok := markOf(r.mark)
		if !ok {
			return 0, "the mark says neither credit nor debit"
		}
		net = signedAmount(net, credit)
	}
	return net, ""
}

// part gives the account and currency a row belongs to.
func (c *csvDoc) part(r *csvRow, cur money.Currency, in *format.Input) *csvPart {
	account, _ := cleanAccount(strings.Trim(r.account, "'\""))
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

// follow checks that the balance of the row before leads to this one's.
func (p *csvPart) follow(c *csvDoc, r *csvRow, e *entry, net int64, cur money.Currency, out *format.Out) {
	if p.firstDay == calendar.None {
		p.firstDay = e.booking
	} else {
		p.rising = p.rising && e.booking >= p.lastDay
		p.falling = p.falling && e.booking <= p.lastDay
	}
	p.lastDay = e.booking
	if e.pending {
		return
	}
	if net >= 0 {
		p.credits += net
	} else {
		p.debits -= net
	}
	if r.balance == "" {
		return
	}
	b, _, err := money.ParseDecimalRound(r.balance, cur.Exponent(), c.style)
	if err != nil {
		if p.unread++; p.unread == 1 {
			out.Warn(r.line, "the balance cannot be read; running balances are not checked from here")
		}
		return
	}
	step := balanceStep{net, b}
	if p.balances++; p.balances == 1 {
		p.first = step
	} else {
		up, ok := money.Add(p.last.balance, step.net)
		p.older.link(ok && up == step.balance, r.line)
		down, ok := money.Add(step.balance, p.last.net)
		p.newer.link(ok && down == p.last.balance, r.line)
	}
	p.last = step
}

func closeCSV(doc *format.Doc, out *format.Out) {
	c, ok := doc.State.(*csvDoc)
	if !ok {
		return
	}
	c.flush(doc.In, out)
	sort.Strings(c.keys)
	for _, key := range c.keys {
		c.closePart(c.parts[key], out)
	}
	for _, key := range c.keys {
		if p := c.parts[key]; p.s.account == unknownAccount {
			out.Warn(p.s.line, "the file names no account here: its entries stand on the account \"unknown\", and only references join them to payouts")
			break
		}
	}
}

// closePart checks what a file says about one account as a whole.
func (c *csvDoc) closePart(p *csvPart, out *format.Out) {
	s := p.s
	single := len(c.keys) == 1
	s.complete = p.unread == 0
	if single && c.lines.total > 0 && c.total[0] != "" {
		for i, v := range []int64{p.credits, p.debits} {
			stated, _, err := money.ParseDecimalRound(c.total[i], s.currency.Exponent(), c.style)
			if err != nil || stated != v && stated != -v {
				out.Warn(c.lines.total, fmt.Sprintf("the file sums its %s to %s, but they make %s", []string{"credits", "debits"}[i],
					strings.TrimSpace(c.total[i]), money.Format(v, s.currency)))
				s.complete = false
			}
		}
	}
	s.from, s.to = c.period(p)
	best, newest := &p.older, false
	if p.newer.broken < p.older.broken || p.newer.broken == p.older.broken && p.falling && !p.rising {
		best, newest = &p.newer, true
	}
	if best.broken > 0 {
		out.Warn(best.brokenAt, fmt.Sprintf("the running balance of account %s does not lead from row to row: %d of %d steps do not fit, the first one here; nothing is taken as complete",
			s.account, best.broken, best.links))
		s.complete = false
	}
	stated := func(text string, to *balance) {
		if v, _, err := money.ParseDecimalRound(text, s.currency.Exponent(), c.style); err == nil && text != "" {
			*to = balance{given: true, amount: v, currency: s.currency, date: calendar.None}
		}
	}
	if single {
		stated(c.opening, &s.opening)
		stated(c.closing, &s.closing)
	}
	if p.balances > 0 && p.unread == 0 && best.broken == 0 && !s.opening.given && !s.closing.given {
		begin, end := p.first, p.last
		if newest {
			begin, end = end, begin
		}
		if opening, ok := money.Sub(begin.balance, begin.net); ok {
			s.opening = balance{given: true, amount: opening, currency: s.currency, date: calendar.None}
			s.closing = balance{given: true, amount: end.balance, currency: s.currency, date: calendar.None}
		}
	}
	if s.opening.given != s.closing.given {
		s.complete = false
	}
	if !s.opening.given || !s.closing.given {
		return // most such files have no balances; nothing is missing
	}
	s.finish(out)
}

// period gives the days that are surely complete: those the file names, else
// those between its first and its last row, whose days may be cut.
func (c *csvDoc) period(p *csvPart) (from, to calendar.Date) {
	a, _, ok1 := parseDate(c.from, c.order)
	b, _, ok2 := parseDate(c.to, c.order)
	if ok1 && ok2 && a <= b {
		return a, b
	}
	if p.firstDay == calendar.None || !p.rising && !p.falling {
		return calendar.None, calendar.None
	}
	return min(p.firstDay, p.lastDay).Add(1), max(p.firstDay, p.lastDay).Add(-1)
}

func secondsInstant(s int) evidence.Instant { return evidence.Instant(s) * 1e9 }

// dateOrder says how day and month stand before the year.
type dateOrder uint8

const (
	dayFirst dateOrder = iota
	monthFirst
)

// orderOf tells the order from all dates of a file: what exists decides, else
// the order in which they lie closer together.
func orderOf(dates []string) dateOrder {
	var span [2]int
	for _, order := range []dateOrder{dayFirst, monthFirst} {
		first, last := calendar.None, calendar.None
		for _, s := range dates {
			d, _, ok := parseDate(s, order)
			if !ok {
				if _, _, other := parseDate(s, 1-order); other {
					return 1 - order
				}
				continue
			}
			if first == calendar.None || d < first {
				first = d
			}
			last = max(last, d)
		}
		span[order] = int(last) - int(first)
	}
	if span[monthFirst] < span[dayFirst] {
		return monthFirst
	}
	return dayFirst
}

var months = map[string]int{
	"jan": 1, "feb": 2, "mar": 3, "mär": 3, "mrt": 3, "apr": 4, "avr": 4, "may": 5, "mai": 5, "mei": 5, "jun": 6, "jul": 7, "aug": 8,
	"sep": 9, "oct": 10, "okt": 10, "nov": 11, "dec": 12, "dez": 12, "déc": 12, "fév": 2,
}

// parseDate reads a date as banks write it, with or without the time of day;
// second is -1 where there is none.
func parseDate(s string, order dateOrder) (date calendar.Date, second int, ok bool) {
	s = strings.TrimSpace(strings.Trim(s, "'\"`\t "))
	if len(s) < 6 || len(s) > 48 || !utf8.ValidString(s) {
		return calendar.None, -1, false
	}
	day, rest := s, ""
	if i := strings.IndexAny(s, "T"); i >= 8 && i+1 < len(s) && s[i+1]-'0' <= 9 {
		day, rest = s[:i], s[i+1:]
	} else if i := strings.LastIndexByte(s, ' '); i >= 6 && strings.IndexByte(s[i:], ':') > 0 {
		day, rest = strings.TrimSpace(s[:i]), s[i+1:]
	}
	second = clockOf(rest)
	if len(day) == 8 && digitsOnly([]byte(day)) {
		d, err := calendar.ParseCompact(day)
		return d, second, err == nil
	}
	parts := strings.FieldsFunc(day, func(r rune) bool { return strings.ContainsRune("-/. 年月日,", r) })
	if len(parts) != 3 {
		return calendar.None, -1, false
	}
	var n [3]int
	for i, p := range parts {
		v, err := strconv.Atoi(p)
		if err != nil {
			key := strings.ToLower(p)
			if r := []rune(key); len(r) >= 3 {
				v = months[string(r[:3])]
			}
			if v == 0 || i == 2 {
				return calendar.None, -1, false
			}
			if i == 0 { // Jan 2 2025
				order = monthFirst
			} else {
				order = dayFirst
			}
		}
		n[i] = v
	}
	y, m, d := n[2], n[1], n[0]
	switch {
	case len(parts[0]) == 4:
		y, m, d = n[0], n[1], n[2]
	case order == monthFirst && !strings.Contains(day, "."):
		m, d = n[0], n[1]
	}
	if y < 100 {
		if y += 2000; y >= 2080 {
			y -= 100
		}
	}
	got, err := calendar.FromYMD(y, m, d)
	return got, second, err == nil
}

// clockOf gives the second of the day of HH:MM[:SS]; -1 where there is none.
func clockOf(s string) int {
	s = strings.TrimSpace(s)
	if i := strings.LastIndexByte(s, ' '); i >= 0 {
		s = s[i+1:]
	}
	c, ok := parseClock([]byte(s))
	if !ok {
		return -1
	}
	return c.second
}
