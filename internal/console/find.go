package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/a-h/templ"

	"daozhang/internal/card"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// term is one word of a search and what it is taken for; As names what it is of the
// payments that were found, where they agree.
type term struct {
	investigation.Term
	As report.Text
}

// name says what a term was taken for.
func (t term) name(v *visit) string {
	if t.As.EN != "" {
		return v.text(t.As)
	}
	switch t.Kind {
	case investigation.TermRRN:
		return v.say("RRN", "参考号")
	case investigation.TermNumber:
		return v.say("approval or trace number", "授权码或流水号")
	case investigation.TermTail:
		return v.say("card ends in", "卡号后四位")
	case investigation.TermAmount:
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
	// Payouts are those whose number is among the terms.
	Payouts []report.PayoutRow
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
	terms := investigation.Guess(f.Query)
	for _, t := range terms {
		f.Terms = append(f.Terms, term{Term: t})
	}
	if len(f.Terms) > 0 {
		c.o.Live.Read(func(now *investigation.Current) {
			narrow := investigation.Filter{MID: v.only}
			now.Narrow(&narrow, terms)
			page := now.List(&narrow, investigation.ByTime, investigation.Mark{}, shownHits)
			f.Count = page.Count()
			for _, p := range page.Payments {
				f.Rows = append(f.Rows, report.RowOf(now.Around(), p))
			}
			for i := range f.Terms {
				f.Terms[i].As = report.KeyName(now.Around(), page.Payments, f.Terms[i].Text)
			}
			f.payouts(now, v.only)
		})
		if f.Count == 1 && len(f.Payouts) == 0 {
			http.Redirect(v.w, v.Request, "/payments/"+url.PathEscape(f.Rows[0].ID), http.StatusSeeOther)
			return nil
		}
	}
	return v.render(http.StatusOK, findPage(v, &f))
}

// payouts finds those whose number is among the terms.
func (f *finding) payouts(now *investigation.Current, only string) {
	for i := range f.Terms {
		if f.Terms[i].Kind != investigation.TermReference {
			continue
		}
		list := now.Payouts(&investigation.PayoutFilter{MID: only, ID: f.Terms[i].Text}, investigation.PayoutMark{}, 5).Payouts
		for _, p := range list {
			f.Payouts = append(f.Payouts, report.PayoutRowOf(now.Around(), p))
			f.Terms[i].As = report.Text{EN: "payout", ZH: "出款"}
		}
	}
}
