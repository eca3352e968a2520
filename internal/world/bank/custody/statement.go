package custody

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"daozhang/internal/calendar"
	"daozhang/internal/money"
)

// state states the next day of an account: a record of the book, and the files that
// tell of it, as the scenario wants them.
func (t *turn) state(a *standing) {
	day := a.stated.Add(1)
	st := Statement{Account: a.Number, Day: day, Number: a.number + 1, Opening: a.closing, Closing: a.closing}
	fault := t.statementFault(a.Number, day)
	begin, end := day.In(t.s.zone), day.Add(1).In(t.s.zone)
	own := 0 // entries of the day itself; the others were left out the day before
	for _, seq := range a.unstated {
		if at := t.b.book.movement(seq).Time; at.Before(end) {
			st.Entries = append(st.Entries, seq)
			if !at.Before(begin) {
				own++
			}
		}
	}
	st.Entries = st.Entries[:len(st.Entries)-min(fault.Omit, own)]
	for _, seq := range st.Entries {
		st.Closing += t.b.book.movement(seq).on(a.Number)
	}
	t.step.Statements = append(t.step.Statements, st)

	due := t.at.Add(fault.Late)
	files := t.render(a, &st, due, 1)
	if fault.Wrong != "" {
		t.deliver(a, day, "", due, t.wrong(a, &st, due, fault.Wrong))
		if fault.Correct == 0 {
			return
		}
		due = due.Add(fault.Correct)
		t.deliver(a, day, "", due, t.render(a, &st, due, 2)) // as banks send a file again: under its name
	} else {
		t.deliver(a, day, "", due, files)
	}
	if fault.Twice > 0 {
		t.deliver(a, day, ".again", due.Add(fault.Twice), files)
	}
}

// statementFault gives what goes wrong with an account's day.
func (t *turn) statementFault(account string, day calendar.Date) StatementFault {
	dice := t.b.dice("statement", account+"/"+day.String())
	for _, f := range t.s.Statements.Faults {
		if f.fits(account, day) && (f.Chance == 0 || dice.Float64() < f.Chance) {
			return f
		}
	}
	return StatementFault{}
}

// deliver owes the files of a statement.
func (t *turn) deliver(a *standing, day calendar.Date, mark string, due time.Time, files []string) {
	dir := payeesDir
	if a.Customer {
		dir = statementsDir
	}
	h := fnv.New32a()
	h.Write([]byte(a.Number))
	form := t.s.form(a.Number, a.Customer)
	extension := ".camt.053.xml"
	if form == MT940 {
		extension = ".mt940"
	}
	for i, content := range files {
		page := ""
		if len(files) > 1 {
			page = ".p" + strconv.Itoa(i+1)
		}
		name := fmt.Sprintf("%s%s-%s-%08x%s%s%s", dir, compact(day), tail(a.Number), h.Sum32(), page, mark, extension)
		t.step.Documents = append(t.step.Documents, Document{Name: name, Due: due, Content: content})
	}
}

// wrong gives the files of a first issue that has to be corrected.
func (t *turn) wrong(a *standing, st *Statement, at time.Time, how string) []string {
	w := *st
	w.Entries = slices.Clone(st.Entries)
	var changed *Movement
	switch n := len(w.Entries); {
	case how == "balance", n == 0 && how != "truncate":
		w.Closing++
	case how == "drop":
		w.Entries = w.Entries[:n-1]
	case how == "amount":
		m := *t.b.book.movement(w.Entries[n-1])
		m.Amount++
		changed = &m
	}
	files := t.renderWith(a, &w, at, 1, changed)
	if how == "truncate" {
		last := &files[len(files)-1]
		*last = strings.ToValidUTF8((*last)[:len(*last)*2/3], "")
	}
	return files
}

// page is one part of a statement.
type page struct {
	number           int
	first, last      bool
	opening, closing int64
	entries          []*Movement
}

func (t *turn) render(a *standing, st *Statement, at time.Time, issue int) []string {
	return t.renderWith(a, st, at, issue, nil)
}

// renderWith writes a statement, with one movement changed.
func (t *turn) renderWith(a *standing, st *Statement, at time.Time, issue int, changed *Movement) []string {
	size := t.s.Statements.Page
	if size == 0 || size > len(st.Entries) {
		size = max(len(st.Entries), 1)
	}
	var pages []page
	balance := st.Opening
	for from := 0; from == 0 || from < len(st.Entries); from += size {
		p := page{number: len(pages) + 1, first: from == 0, opening: balance}
		for _, seq := range st.Entries[from:min(from+size, len(st.Entries))] {
			m := t.b.book.movement(seq)
			balance += m.on(a.Number)
			if changed != nil && changed.Seq == seq {
				m = changed
			}
			p.entries = append(p.entries, m)
		}
		p.closing = balance
		pages = append(pages, p)
	}
	pages[len(pages)-1].last, pages[len(pages)-1].closing = true, st.Closing

	write := t.camt053
	if t.s.form(a.Number, a.Customer) == MT940 {
		write = t.mt940
	}
	if !t.s.Statements.Apart {
		return []string{write(a, st, at, issue, pages)}
	}
	var files []string
	for i := range pages {
		files = append(files, write(a, st, at, issue, pages[i:i+1]))
	}
	return files
}

// camt053 writes pages of a statement as one message.
func (t *turn) camt053(a *standing, st *Statement, at time.Time, issue int, pages []page) string {
	id := t.s.statementID(a, st)
	message := id
	if issue > 1 {
		message += "-" + strconv.Itoa(issue)
	}
	kids := []node{el("GrpHdr", leaf("MsgId", message), leaf("CreDtTm", moment(at, t.s.zone)))}
	day := st.Day.In(t.s.zone)
	for _, p := range pages {
		opening, closing := "OPBD", "CLBD"
		if !p.first {
			opening = "ITBD"
		}
		if !p.last {
			closing = "ITBD"
		}
		stmt := []node{leaf("Id", id)}
		if !p.first || !p.last {
			stmt = append(stmt, el("StmtPgntn", leaf("PgNb", strconv.Itoa(p.number)), leaf("LastPgInd", strconv.FormatBool(p.last))))
		}
		stmt = append(stmt, leaf("ElctrncSeqNb", strconv.Itoa(st.Number)), leaf("CreDtTm", moment(at, t.s.zone)),
			el("FrToDt", leaf("FrDtTm", moment(day, t.s.zone)), leaf("ToDtTm", moment(day.AddDate(0, 0, 1).Add(-time.Second), t.s.zone))),
			t.s.accountOf(&a.Account), balanceOf(opening, p.opening, a.Currency, st.Day), balanceOf(closing, p.closing, a.Currency, st.Day), summary(a, p.entries))
		for _, m := range p.entries {
			stmt = append(stmt, m.entry(a.Number, st.Day))
		}
		kids = append(kids, el("Stmt", stmt...))
	}
	return document("camt.053.001.08", el("BkToCstmrStmt", kids...))
}

// statementID names a statement: the same in all its issues.
func (s *Scenario) statementID(a *standing, st *Statement) string {
	return fmt.Sprintf("%s-%s-%05d", tail(a.Number), compact(st.Day), st.Number)
}

// tail is by which people know an account: its last four characters.
func tail(account string) string { return account[max(0, len(account)-4):] }

// compact writes a date as YYYYMMDD.
func compact(d calendar.Date) string { return strings.ReplaceAll(d.String(), "-", "") }

// accountOf is the account of a statement or notification.
func (s *Scenario) accountOf(a *Account) node {
	acct := accountNode("Acct", a.Number)
	acct.kids = append(acct.kids, leaf("Ccy", a.Currency))
	if a.Name != "" {
		acct.kids = append(acct.kids, leaf("Nm", a.Name))
	}
	acct.kids = append(acct.kids, el("Svcr", el("FinInstnId", leaf("BICFI", s.BIC), leaf("Nm", s.Name))))
	return acct
}

func side(amount int64) string {
	if amount < 0 {
		return "DBIT"
	}
	return "CRDT"
}

func balanceOf(kind string, amount int64, currency string, day calendar.Date) node {
	return el("Bal", el("Tp", el("CdOrPrtry", leaf("Cd", kind))), amountOf("Amt", max(amount, -amount), currency), leaf("CdtDbtInd", side(amount)),
		el("Dt", leaf("Dt", day.String())))
}

// summary states the number and the sum of a page's entries.
func summary(a *standing, entries []*Movement) node {
	c, _ := money.ParseCurrency(a.Currency)
	var count [2]int
	var sum [2]int64
	for _, m := range entries {
		i := 0
		if m.on(a.Number) < 0 {
			i = 1
		}
		count[i]++
		sum[i] += m.Amount
	}
	total := func(name string, i int) node {
		return el(name, leaf("NbOfNtries", strconv.Itoa(count[i])), leaf("Sum", money.Format(sum[i], c)))
	}
	net := sum[0] - sum[1]
	return el("TxsSummry", el("TtlNtries", leaf("NbOfNtries", strconv.Itoa(count[0]+count[1])), leaf("Sum", money.Format(sum[0]+sum[1], c)),
		el("TtlNetNtry", leaf("Amt", money.Format(max(net, -net), c)), leaf("CdtDbtInd", side(net)))),
		total("TtlCdtNtries", 0), total("TtlDbtNtries", 1))
}

// transactionCodes are those of ISO 20022 for the kinds of movements: domain,
// family, sub-family; then SWIFT's type of transaction.
var transactionCodes = map[string][4]string{
	"payout": {"PMNT", "ICDT", "DMCT", "NTRF"}, "credit": {"PMNT", "RCDT", "DMCT", "NTRF"}, "return": {"PMNT", "ICDT", "RRTN", "NRTI"},
	"recall": {"PMNT", "ICDT", "RRTN", "NRTI"}, "funding": {"PMNT", "RCDT", "FICT", "NTRF"}, "charge": {"ACMT", "MDOP", "CHRG", "NCHG"},
}

// entry is a movement as one account sees it, in a statement or notification.
func (m *Movement) entry(account string, booked calendar.Date) node {
	code := transactionCodes[m.Kind]
	var parties node
	if m.Party != "" {
		other := "Cdtr"
		if m.on(account) > 0 && m.Kind != "return" && m.Kind != "recall" {
			other = "Dbtr"
		}
		parties = el("RltdPties", el(other, el("Pty", leaf("Nm", m.Party))))
	}
	var reason node
	if m.Reason != "" {
		reason = el("RtrInf", el("Rsn", leaf("Cd", m.Reason)), leaf("AddtlInf", reasons[m.Reason]))
	}
	details := el("NtryDtls", el("TxDtls", el("Refs", leaf("AcctSvcrRef", m.Ref()), leaf("EndToEndId", or(m.EndToEnd, "NOTPROVIDED"))),
		amountOf("Amt", m.Amount, m.Currency), leaf("CdtDbtInd", side(m.on(account))), parties, el("RmtInf", leaf("Ustrd", m.Text)), reason))
	return el("Ntry", amountOf("Amt", m.Amount, m.Currency), leaf("CdtDbtInd", side(m.on(account))),
		el("Sts", leaf("Cd", "BOOK")), el("BookgDt", leaf("Dt", booked.String())), el("ValDt", leaf("Dt", m.Value.String())), leaf("AcctSvcrRef", m.Ref()),
		el("BkTxCd", el("Domn", leaf("Cd", code[0]), el("Fmly", leaf("Cd", code[1]), leaf("SubFmlyCd", code[2])))), details)
}

// mt940 writes pages of a statement as SWIFT messages, one a page.
func (t *turn) mt940(a *standing, st *Statement, _ time.Time, issue int, pages []page) string {
	c, _ := money.ParseCurrency(a.Currency)
	comma := func(n int64) string { return strings.Replace(money.Format(max(n, -n), c), ".", ",", 1) }
	short := func(d calendar.Date) string { return compact(d)[2:] }
	mark := func(n int64) string { return map[bool]string{true: "D", false: "C"}[n < 0] }
	balance := func(tag string, n int64, day calendar.Date) string {
		return fmt.Sprintf(":%s:%s%s%s%s\r\n", tag, mark(n), short(day), a.Currency, comma(n))
	}
	var b strings.Builder
	for _, p := range pages {
		opening, closing := "60F", "62F"
		if !p.first {
			opening = "60M"
		}
		if !p.last {
			closing = "62M"
		}
		fmt.Fprintf(&b, ":20:ST%s-%d-%d\r\n:25:%s\r\n:28C:%d/%d\r\n", short(st.Day), issue, p.number, a.Number, st.Number%100000, p.number)
		b.WriteString(balance(opening, p.opening, st.Day))
		for _, m := range p.entries {
			code := transactionCodes[m.Kind][3]
			date := short(st.Day)
			fmt.Fprintf(&b, ":61:%s%s%s%s%sNONREF//%s\r\n", short(m.Value), date[2:], mark(m.on(a.Number)), comma(m.Amount), code, m.Ref())
			writeDetails(&b, m)
		}
		b.WriteString(balance(closing, p.closing, st.Day))
		b.WriteString("-\r\n")
	}
	return b.String()
}

// The width of a line of field 86 and how many there are.
const (
	detailWidth = 65
	detailLines = 6
)

// writeDetails writes field 86 as /KEY/value/ pairs.
func writeDetails(b *strings.Builder, m *Movement) {
	text := ""
	for _, kv := range [][2]string{{"EREF", m.EndToEnd}, {"RTRN", m.Reason}, {"NAME", m.Party}, {"REMI", m.Text}} {
		if kv[1] != "" {
			text += "/" + kv[0] + "/" + kv[1]
		}
	}
	b.WriteString(":86:")
	for n := 0; n < detailLines && text != ""; n++ {
		line, width := text, detailWidth
		if utf8.RuneCountInString(text) > width {
			line = string([]rune(text)[:width])
		}
		text = text[len(line):]
		b.WriteString(line + "\r\n")
	}
	if text == "" && m.EndToEnd+m.Reason+m.Party+m.Text == "" {
		b.WriteString("\r\n")
	}
}
