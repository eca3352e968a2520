package bank

import (
	"regexp"
	"strings"

	"daozhang/internal/format"
	"daozhang/internal/money"
)

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
		if m := firstAmount(line[i[1]:]); m != "" {
			c.opening = m
		}
	}
	if j != nil {
		if m := firstAmount(line[j[1]:]); m != "" {
			c.closing = m
			c.lines.closing = n
		}
	}
	return i != nil || j != nil
}

// firstAmount gives the first number of a text that is no date.
func firstAmount(s string) string {
	return labelAmount.FindString(preambleDates.ReplaceAllString(s, " "))
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
