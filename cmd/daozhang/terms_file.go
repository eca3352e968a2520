package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/investigation"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

// writeTerms writes the terms that were inferred as a terms file, which is read
// again with --terms once a person has corrected it.
func writeTerms(w io.Writer, a *investigation.Answer) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "# What was inferred from the settled history. Correct what is wrong, remove what you")
	fmt.Fprintln(out, "# do not know, and hand this file in with --terms: then the answer calls it stated.")
	fmt.Fprintln(out, "# 以下内容由已结算记录推断而来。请更正后用 --terms 交回，结果即以此为准。")
	if len(a.Inferred) == 0 {
		fmt.Fprintln(out, "# Nothing had to be inferred: every merchant has terms, or there was no settled history.")
		fmt.Fprintln(out, "terms: []")
		return out.Flush()
	}
	fmt.Fprintln(out, "terms:")
	for _, t := range a.Inferred {
		writeTerm(out, a.View.Words.Text(t.MID), t)
	}
	return out.Flush()
}

func writeTerm(w io.Writer, mid string, t *terms.Terms) {
	key := func(name, value string) { fmt.Fprintf(w, "    %s: %s\n", name, value) }
	fmt.Fprintf(w, "  - mid: %s\n", strconv.Quote(mid))
	if t.Name != "" {
		key("name", strconv.Quote(t.Name))
	}
	if t.ValidFrom != calendar.None {
		key("valid_from", t.ValidFrom.String())
	}
	cycle := "T"
	if t.CalendarDays {
		cycle = "D"
	}
	key("cycle", cycle+strconv.Itoa(t.Days)+"        # T: business days, D: calendar days 工作日 / 自然日")
	key("cutoff", strconv.Quote(clock(t.Cutoff))+"   # later sales belong to the next day 日切时间")
	key("timezone", zoneName(t.Zone))
	key("calendar", t.Calendar.Name())
	if t.TerminalCapture {
		key("capture", "terminal")
	}
	key("payout_by", strconv.Quote(clock(t.PayoutBy)))
	if t.CreditDays > 0 {
		key("credit_days", strconv.Itoa(t.CreditDays))
	}
	switch t.FeeMode {
	case terms.FeeInvoiced:
		key("fee_mode", "invoiced")
	case terms.FeePassthrough:
		key("fee_mode", "passthrough   # no fee is expected; set net and fees if you know them 未约定费率")
	}
	if len(t.Fees) > 0 {
		fmt.Fprintln(w, "    fees:")
		for _, f := range t.Fees {
			writeFee(w, f)
		}
	}
	if t.Account != "" {
		key("account", strconv.Quote(t.Account))
	}
	if t.Bank != "" {
		key("bank", strconv.Quote(t.Bank))
	}
}

func writeFee(w io.Writer, f terms.Fee) {
	cny, _ := money.ParseCurrency("CNY")
	fmt.Fprintf(w, "      - {bps: %s", f.Rate)
	if f.Fixed > 0 {
		fmt.Fprintf(w, ", fixed: %s", money.Format(f.Fixed, cny))
	}
	if f.Cap > 0 {
		fmt.Fprintf(w, ", cap: %s", money.Format(f.Cap, cny))
	}
	if f.CardType != 0 {
		fmt.Fprintf(w, ", card_type: %s", f.CardType)
	}
	if f.Network != "" {
		fmt.Fprintf(w, ", network: %s", strconv.Quote(f.Network))
	}
	fmt.Fprintln(w, "}")
}

// clock writes minutes after midnight; 24:00 is the end of the day.
func clock(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }

// zoneName names a zone so that it can be read again, also one that is but an
// offset.
func zoneName(z *time.Location) string {
	if name := z.String(); name != "" {
		return name
	}
	_, seconds := time.Unix(0, 0).In(z).Zone()
	sign := '+'
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	return fmt.Sprintf("%q", fmt.Sprintf("%c%02d:%02d", sign, seconds/3600, seconds/60%60))
}
