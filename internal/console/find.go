package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"daozhang/internal/card"
	"daozhang/internal/investigation"
	"daozhang/internal/money"
	"daozhang/internal/report"
)

// termKind is what a word in the search box is taken for.
type termKind uint8

const (
	aReference termKind = iota // an order, a processor's reference, a payout, a terminal, an id
	anRRN
	aNumber // an approval code or a trace number
	aTail   // the last four digits of a card
	anAmount
)

// term is one word of a search and what it is taken for.
type term struct {
	Kind  termKind
	Text  string
	Minor int64 // of an amount, in units of two decimals
}

// guess takes a search apart: 12 digits are a retrieval reference number, 6 an
// approval code or a trace number, 4 the end of a card number, a decimal an
// amount. Whole card numbers are shortened at once.
func guess(q string) (terms []term) {
	for _, w := range strings.Fields(q) {
		w, _ = card.MaskText(w)
		if len(w) > 64 {
			w = w[:64]
		}
		bare := strings.NewReplacer("¥", "", "￥", "", "元", "", ",", "", "CNY", "").Replace(w)
		digits := strings.Trim(w, "0123456789") == ""
		switch {
		case digits && len(w) == 12:
			terms = append(terms, term{Kind: anRRN, Text: w})
		case digits && len(w) == 6:
			terms = append(terms, term{Kind: aNumber, Text: w})
		case digits && len(w) == 4:
			terms = append(terms, term{Kind: aTail, Text: w})
		case bare != w || strings.ContainsRune(bare, '.'):
			if minor, err := money.ParseDecimal(bare, 2, money.Point); err == nil {
				terms = append(terms, term{Kind: anAmount, Text: w, Minor: minor})
				continue
			}
			terms = append(terms, term{Kind: aReference, Text: w})
		default:
			terms = append(terms, term{Kind: aReference, Text: w})
		}
	}
	return terms[:min(len(terms), 6)]
}

// name says what a term was taken for.
func (t term) name(v *visit) string {
	switch t.Kind {
	case anRRN:
		return v.say("RRN", "参考号")
	case aNumber:
		return v.say("approval or trace number", "授权码或流水号")
	case aTail:
		return v.say("card ends in", "卡号后四位")
	case anAmount:
		return v.say("amount", "金额")
	}
	return v.say("reference", "编号")
}

// finding is the search page.
type finding struct {
	Query string
	Terms []term
	Rows  []report.Row
	// Count is how many there are, Rows being the first of them.
	Count int
}

// without is the search with one term removed.
func (f *finding) without(i int) templ.SafeURL {
	var words []string
	for j, t := range f.Terms {
		if j != i {
			words = append(words, t.Text)
		}
	}
	return templ.SafeURL("/?" + url.Values{"q": {strings.Join(words, " ")}}.Encode())
}

const shownHits = 50

// find is the search page; a search with one hit leads to its trail.
func (c *Console) find(v *visit) error {
	q := v.URL.Query().Get("q")
	if masked, found := card.MaskText(q); found {
		// A whole card number does not stay in the address.
		http.Redirect(v.w, v.Request, "/?"+url.Values{"q": {masked}}.Encode(), http.StatusSeeOther)
		return nil
	}
	f := finding{Query: strings.TrimSpace(q)}
	f.Terms = guess(f.Query)
	if len(f.Terms) > 0 {
		c.o.Live.Read(func(now *investigation.Current) {
			hits, count := search(now, f.Terms, v.only)
			f.Count = count
			for _, p := range hits {
				f.Rows = append(f.Rows, report.RowOf(now.Around(), p))
			}
		})
		if f.Count == 1 {
			http.Redirect(v.w, v.Request, "/payments/"+url.PathEscape(f.Rows[0].ID), http.StatusSeeOther)
			return nil
		}
	}
	return v.render(http.StatusOK, findPage(v, &f))
}

// search gives the payments for which all terms hold, the newest first. Where a
// key is among the terms the few payments that bear it are looked at, else all.
func search(now *investigation.Current, terms []term, only string) (hits []*investigation.Payment, count int) {
	text := now.Around().View.Words.Text
	var found []*investigation.Payment
	keyed := false
	f := investigation.Filter{MID: only}
	for _, t := range terms {
		switch t.Kind {
		case aTail:
			f.Tail = t.Text
		case anAmount:
			f.Amounts, f.Least, f.Most = true, t.Minor, t.Minor
		default:
			these := now.Find(t.Text)
			if t.Kind == aReference && len(these) == 0 {
				// A terminal has too many payments to be a key.
				g := investigation.Filter{MID: only, TID: t.Text}
				these = now.List(&g, investigation.ByTime, investigation.Mark{}, shownHits).Payments
			}
			if keyed {
				these = slices.DeleteFunc(these, func(p *investigation.Payment) bool {
					return !slices.ContainsFunc(found, func(o *investigation.Payment) bool { return o.ID == p.ID })
				})
			}
			keyed, found = true, these
		}
	}
	if !keyed {
		page := now.List(&f, investigation.ByTime, investigation.Mark{}, shownHits)
		return page.Payments, page.Count()
	}
	for _, p := range slices.Backward(found) {
		if (only == "" || text(p.Keys.MID) == only) && (f.Tail == "" || strings.HasSuffix(text(p.Keys.PAN), f.Tail)) && (!f.Amounts || p.Amount == f.Least) {
			hits = append(hits, p)
		}
	}
	return hits[:min(len(hits), shownHits)], len(hits)
}
