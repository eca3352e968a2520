package evidence

import (
	"slices"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// closedWords lists the words of text fields that the contract closes. A word
// outside them is a typing error, never a new meaning: a `capture` or a
// `fee_mode` misread would move every due date and every fee.
var closedWords = [fieldCount][]string{
	CVM:       {"pin", "signature", "biometric", "none"},
	Component: {"printer", "magstripe_reader", "chip_reader", "contactless_reader", "mainboard", "battery", "sim", "clock"},
	Prompt:    {"settle_batch", "reprint", "query_result", "update_required", "sign_on"},
	By:        {"bank", "platform"},
	Capture:   {"host", "terminal"},
	FeeMode:   {"net", "invoiced", "passthrough"},
}

// What is said of several fields.
var (
	whyCurrency = fault.Say("not an ISO 4217 currency code", "不是 ISO 4217 币种代码，如 CNY")
	mustString  = fault.Say("must be a string", "须为字符串")
)

// oneOf says which words a field takes.
func oneOf(words []string) fault.Text {
	list := strings.Join(words, ", ")
	return fault.Say("must be one of %s", "须为下列之一：%s", list)
}

// checkText says what is wrong with the text of a field that has a form.
func checkText(f Field, text []byte) (why fault.Text) {
	switch f {
	case CVM, Component, Prompt, By, Capture, FeeMode:
		for _, w := range closedWords[f] {
			if w == string(text) {
				return fault.Text{}
			}
		}
		return oneOf(closedWords[f])
	case Cycle:
		if len(text) < 2 || len(text) > 4 || text[0] != 'T' && text[0] != 'D' || !IsDigits(string(text[1:])) {
			return fault.Say("must be T and a number of business days, or D and a number of calendar days, such as T1 or D0", "须为 T 加工作日数或 D 加自然日数，如 T1、D0")
		}
	case Cutoff, PayoutBy:
		if !isClock(text) {
			return fault.Say("must be a time of day such as 23:00", "须为时刻，如 23:00")
		}
	case Timezone:
		if _, err := calendar.Location(string(text)); err != nil {
			return fault.Say("not a time zone; write an IANA name such as Asia/Shanghai, or an offset such as +08:00", "不是时区；请写 Asia/Shanghai 这样的时区名，或 +08:00 这样的时差")
		}
	case NetCurrency:
		if _, ok := money.ParseCurrencyBytes(text); !ok {
			return whyCurrency
		}
	}
	return fault.Text{}
}

// isClock reports whether text is a time of day as HH:MM, up to 24:00.
func isClock(text []byte) bool {
	if len(text) != 5 || text[2] != ':' {
		return false
	}
	h, ok1 := twoDigits(text)
	m, ok2 := twoDigits(text[3:])
	return ok1 && ok2 && m < 60 && (h < 24 || h == 24 && m == 0)
}

// checkFees says what is wrong with the `fees` of a merchant's terms, and where:
// they are a list of rules of basis points, a fixed amount and a cap, each for a
// type of card, a network, both or all.
func checkFees(raw []byte) *FieldError {
	var s scanner
	buf := append(append(make([]byte, 0, len(raw)+1+scanPad), raw...), '\n')
	s.reset(buf[:cap(buf)], 0, len(raw))
	if s.next() != '[' {
		return &FieldError{"fees", fault.Say(`must be a list of rules such as {"bps":38,"cap":1800,"card_type":"debit"}`, `须为费率规则的列表，如 {"bps":38,"cap":1800,"card_type":"debit"}`)}
	}
	s.pos++
	if s.next() == ']' {
		return nil
	}
	for n := 0; ; n++ {
		if s.next() != '{' {
			return &FieldError{showItem("fees", n), fault.Say("must be an object with bps, fixed, cap, card_type, network", "须为含 bps、fixed、cap、card_type、network 的对象")}
		}
		s.pos++
		if s.next() == '}' {
			s.pos++
		} else {
			for again := true; again; again, _ = s.more('}') {
				name, _ := s.name()
				if why := s.checkFee(string(name)); !why.None() {
					return &FieldError{showItem("fees", n) + "." + showName(name), why}
				}
			}
		}
		if again, _ := s.more(']'); !again {
			return nil
		}
	}
}

func (s *scanner) checkFee(name string) (why fault.Text) {
	switch name {
	case "bps":
		if s.next() == '"' {
			return fault.Say("must be a number of basis points, such as 38", "须为万分数，如 38 表示 0.38%")
		}
		b, _, ok := s.number()
		if _, err := money.ParseRate(string(b)); !ok || err != nil || b[0] == '-' {
			return fault.Say("must be a number of basis points with at most four decimals, such as 38", "须为最多四位小数的万分数，如 38 表示 0.38%")
		}
	case "fixed", "cap":
		if s.next() != '"' {
			b, integer, ok := s.number()
			if n, fits := parseInt(b); ok && integer && fits && n >= 0 {
				return fault.Text{}
			}
		}
		return fault.Say("must be an integer in minor units, not negative", "须为非负整数，以最小货币单位计（如分）")
	case "card_type":
		if s.next() == '"' {
			if b, _ := s.str(); slices.Contains(cardTypes.words[1:], string(b)) {
				return fault.Text{}
			}
		}
		return oneOf(cardTypes.words[1:])
	case "network":
		if s.next() == '"' {
			s.str()
			return fault.Text{}
		}
		return mustString
	default:
		s.skip(0)
	}
	return fault.Text{}
}
