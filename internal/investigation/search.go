package investigation

import (
	"strings"

	"daozhang/internal/card"
	"daozhang/internal/money"
)

// TermKind is what a word of a search is taken for.
type TermKind uint8

// The kinds of terms.
const (
	TermReference TermKind = iota // an order, a processor's reference, a payout, a terminal, an id
	TermRRN
	TermNumber // an approval code or a trace number
	TermTail   // the last four digits of a card
	TermAmount
)

var termKinds = [...]string{"reference", "rrn", "number", "last4", "amount"}

// String gives the kind's word for programs.
func (k TermKind) String() string { return termKinds[k] }

// Term is one word of a search and what it is taken for.
type Term struct {
	Kind  TermKind
	Text  string
	Minor int64 // of an amount, in units of two decimals
}

const (
	mostTerms   = 6
	longestTerm = 64
)

// Guess takes a search apart: 12 digits are a retrieval reference number, 6 an
// approval code or a trace number, 4 the end of a card number, a decimal an amount.
// Whole card numbers are shortened at once.
func Guess(search string) (terms []Term) {
	for _, w := range strings.Fields(search) {
		w, _ = card.MaskText(w)
		if len(w) > longestTerm {
			w = w[:longestTerm]
		}
		terms = append(terms, guess(w))
	}
	return terms[:min(len(terms), mostTerms)]
}

var currencySigns = strings.NewReplacer("¥", "", "￥", "", "元", "", ",", "", "CNY", "")

func guess(w string) Term {
	bare := currencySigns.Replace(w)
	digits := strings.Trim(w, "0123456789") == ""
	switch {
	case digits && len(w) == 12:
		return Term{Kind: TermRRN, Text: w}
	case digits && len(w) == 6:
		return Term{Kind: TermNumber, Text: w}
	case digits && len(w) == 4:
		return Term{Kind: TermTail, Text: w}
	case bare != w || strings.ContainsRune(bare, '.'):
		if minor, err := money.ParseDecimal(bare, 2, money.Point); err == nil {
			return Term{Kind: TermAmount, Text: w, Minor: minor}
		}
	}
	return Term{Kind: TermReference, Text: w}
}

// Narrow narrows a filter by the terms of a search: all of them have to hold.
func (c *Current) Narrow(f *Filter, terms []Term) {
	for _, t := range terms {
		switch {
		case t.Kind == TermTail && (f.Tail == "" || f.Tail == t.Text):
			f.Tail = t.Text
		case t.Kind == TermAmount && !f.Amounts:
			f.Amounts, f.Least, f.Most = true, t.Minor, t.Minor
		case t.Kind == TermAmount:
			f.Least, f.Most = max(f.Least, t.Minor), min(f.Most, t.Minor)
		case t.Kind == TermReference && (f.MID == "" || f.MID == t.Text) && c.merchantOf(t.Text):
			f.MID = t.Text
		case t.Kind == TermReference && (f.TID == "" || f.TID == t.Text) && len(c.l.placesOf(t.Text)) == 0:
			f.TID = t.Text // a terminal has too many payments to be a key
		default:
			f.Keys = append(f.Keys, t.Text)
		}
	}
}

// merchantOf reports whether a word is a merchant's number.
func (c *Current) merchantOf(word string) bool {
	w, ok := c.l.view.Words.Find(word)
	return ok && c.l.merchants[w] != nil
}
