package bank

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"daozhang/internal/calendar"
	"daozhang/internal/money"
)

// infer tells from the first rows how the file writes dates and amounts.
func (c *csvDoc) infer() {
	var dates []string
	c.useMark = true
	marks, positive, negativeDebits := 0, 0, 0
	points, commas := 0, 0
	owner, rows := "", 0
	c.either = true
	for i := range c.rows {
		r := &c.rows[i]
		if r.date != "" {
			if rows++; rows > 1 && r.eitherAccount != owner {
				c.either = false
			}
			owner = r.eitherAccount
		}
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
	// One row tells nothing where the file has a column for the other party.
	c.either = c.either && (rows >= 3 || !c.parties)
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
