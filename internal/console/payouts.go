package console

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/match"
	"daozhang/internal/report"
	"daozhang/internal/settlement"
)

// PayoutBook is the back office's own record of payouts: what the console needs of
// the store beside the evidence.
type PayoutBook interface {
	// Payout gives a merchant's payout by its number; fault.NotFound where there is none.
	Payout(ctx context.Context, mid, id string) (settlement.Payout, error)
}

// payoutsPage is the list of payouts.
type payoutsPage struct {
	*filters
	Rows   []report.PayoutRow
	Count  int
	Sums   []string
	Next   templ.SafeURL
	Views  savedViews
	States []choice
}

// payoutFilters reads the filters of a list of payouts; the error is of kind
// fault.Invalid for what only an address can hold.
func (v *visit) payoutFilters() (*filters, *investigation.PayoutFilter, investigation.PayoutMark, error) {
	q := v.URL.Query()
	f := &filters{Query: q, Wrong: map[string]string{}}
	p := &investigation.PayoutFilter{MID: q.Get("merchant"), ID: q.Get("payout"), Bank: strings.TrimSpace(q.Get("bank"))}
	if v.only != "" {
		p.MID = v.only
	}
	for name, to := range map[string]*calendar.Date{"from": &p.From, "to": &p.To} {
		if s := q.Get(name); s != "" {
			d, err := calendar.ParseDate(s)
			if err != nil {
				f.Wrong[name] = v.say("write it as 2026-03-09", "请写作 2026-03-09")
				continue
			}
			*to = d
		}
	}
	f.bounds(v, "amount", &p.Amounts)
	var err error
	p.States, err = chosen(q, "state", investigation.PayoutStates())
	after, ok := parsePayoutMark(q.Get("after"))
	if err == nil && !ok {
		err = badFilter("after", "")
	}
	return f, p, after, err
}

// payouts is the list of payouts.
func (c *Console) payouts(v *visit) error {
	if v.hideCards() {
		return nil
	}
	f, narrow, after, err := v.payoutFilters()
	if err != nil {
		return err
	}
	p := payoutsPage{filters: f}
	for _, s := range investigation.PayoutStates() {
		p.States = append(p.States, choice{s.String(), v.text(report.PayoutStateWord(s))})
	}
	status := http.StatusOK
	if len(f.Wrong) > 0 {
		status = http.StatusBadRequest
	} else {
		c.o.Live.Read(func(now *investigation.Current) {
			page := now.Payouts(narrow, after, pageSize)
			p.Count = page.Count()
			for currency, s := range page.Sums {
				p.Sums = append(p.Sums, report.Amount(s.Amount, currency))
			}
			for _, x := range page.Payouts {
				p.Rows = append(p.Rows, report.PayoutRowOf(now.Around(), x))
			}
			if page.More {
				p.Next = listAddress("/payouts", f.Query, "after", formatPayoutMark(page.Next))
			}
		})
	}
	slices.Sort(p.Sums)
	if v.Header.Get("HX-Request") == "true" && f.Query.Has("after") {
		return v.render(status, payoutRows(v, &p))
	}
	if p.Views, err = c.viewsOf(v, "/payouts"); err != nil {
		return err
	}
	return v.render(status, payoutsView(v, &p))
}

// exportPayouts gives every payout that passes the filters as a file.
func (c *Console) exportPayouts(v *visit) error {
	if v.hideCards() {
		return nil
	}
	f, narrow, _, err := v.payoutFilters()
	switch {
	case err != nil:
		return err
	case len(f.Wrong) > 0:
		return badFilter("", "")
	}
	x, err := v.export("payouts", f.Query.Get("format"))
	if err != nil {
		return err
	}
	out, err := report.NewExport(x, x.format, v.lang, report.Text{EN: "Payouts", ZH: "出款"}, report.PayoutColumns())
	if err != nil {
		return err
	}
	for after, more := (investigation.PayoutMark{}), true; more; {
		c.o.Live.Read(func(now *investigation.Current) {
			page := now.Payouts(narrow, after, 20*exportBlock)
			for _, p := range page.Payouts {
				out.Put(report.PayoutCells(now.Around(), p)...)
			}
			after, more = page.Next, page.More
		})
		x.pass()
	}
	x.finish(out.Close)
	return nil
}

// payoutPage is one payout.
type payoutPage struct {
	*report.PayoutTrail
	// Rows are the first of its payments, Count all of them.
	Rows  []report.Row
	Count int
	// Book is what the back office has of it; nil where it has nothing.
	Book *settlement.Payout
}

// payout is the page of one payout.
func (c *Console) payout(v *visit) error {
	p, err := c.payoutOf(v)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, payoutView(v, p))
}

// payoutReceipt is what a merchant files of one payout.
func (c *Console) payoutReceipt(v *visit) error {
	p, err := c.payoutOf(v)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, payoutReceiptView(v, p))
}

func (c *Console) payoutOf(v *visit) (*payoutPage, error) {
	mid, id := v.PathValue("mid"), v.PathValue("id")
	var p *payoutPage
	if v.only == "" || v.only == mid {
		c.o.Live.Read(func(now *investigation.Current) {
			x, ok := now.Payout(mid, id)
			if !ok {
				return
			}
			p = &payoutPage{PayoutTrail: report.PayoutTrailOf(now, x)}
			if x.ID == 0 {
				return
			}
			list := now.List(&investigation.Filter{MID: mid, Payout: id}, investigation.ByTime, investigation.Mark{}, pageSize)
			p.Count = list.Count()
			for _, y := range list.Payments {
				p.Rows = append(p.Rows, report.RowOf(now.Around(), y))
			}
		})
	}
	if p == nil {
		return nil, fault.New(fault.NotFound, fault.Say("find payout", "查找出款"), "", nil,
			fault.Say("look for it in the list of payouts; one that arrived long ago may have left the pages", "请在出款列表中查找；到账已久的出款可能已不在页面中"))
	}
	if c.o.Payouts != nil {
		book, err := c.o.Payouts.Payout(v.Context(), mid, id)
		switch {
		case err == nil:
			p.Book = &book
		case fault.KindOf(err) != fault.NotFound:
			return nil, err
		}
	}
	return p, nil
}

// onePayout leads from a payout's number to its page; where several merchants have
// one of that number, to all of them.
func (c *Console) onePayout(v *visit) error {
	id := v.PathValue("id")
	var hits []*match.Payout
	var mid string
	c.o.Live.Read(func(now *investigation.Current) {
		page := now.Payouts(&investigation.PayoutFilter{MID: v.only, ID: id}, investigation.PayoutMark{}, 2)
		if hits = page.Payouts; len(hits) == 1 {
			mid = now.Around().View.Words.Text(hits[0].MID)
		}
	})
	to := "/payouts?" + url.Values{"payout": {id}}.Encode()
	if len(hits) == 1 {
		to = string(payoutLink(mid, id))
	}
	http.Redirect(v.w, v.Request, to, http.StatusSeeOther)
	return nil
}

// payoutLink is the address of a payout's page.
func payoutLink(mid, id string) templ.SafeURL {
	return templ.SafeURL("/payouts/" + url.PathEscape(mid) + "/" + url.PathEscape(id))
}

func payoutsOfBank(bank string) templ.SafeURL {
	return templ.SafeURL("/payouts?" + url.Values{"bank": {bank}}.Encode())
}

// remedy says what a refused or returned payout waits for, and what happens next with
// the others; "" where nothing does.
func (p *payoutPage) remedy(v *visit) string {
	b := p.Book
	if b == nil {
		return ""
	}
	switch b.State {
	case settlement.Rejected, settlement.Returned:
		if b.Resent >= b.Amount {
			return ""
		}
		switch settlement.RemedyOf(b.Reason) {
		case settlement.MendAccount:
			return v.say("The merchant has to bring another account; then it is sent again.", "待商户更换账户后重发。")
		case settlement.SplitAmount:
			return v.say("It goes again in smaller payouts.", "将拆分后重发。")
		case settlement.TryAgain:
			return v.say("It is tried again.", "稍后自动重试。")
		}
		return v.say("A person of the institution decides.", "待机构人工处理。")
	case settlement.Sent, settlement.Unknown:
		if !b.Next.IsZero() {
			return v.say("The bank is asked again at ", "将再次向银行查询：") + b.Next.In(v.zone()).Format("01-02 15:04")
		}
	case settlement.Stopped:
		return v.say("It goes when the hold ends.", "解除留置后发出。")
	}
	return ""
}

// exportPayoutsAs is the address at which the listed payouts are had as a file.
func exportPayoutsAs(f *filters, format string) templ.SafeURL {
	return listAddress("/payouts/export", f.Query, "format", format)
}

func formatPayoutMark(m investigation.PayoutMark) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(int(m.Date)) + " " + m.MID + " " + m.Currency + " " + m.ID))
}

func parsePayoutMark(s string) (m investigation.PayoutMark, ok bool) {
	if s == "" {
		return m, true
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	parts := strings.SplitN(string(b), " ", 4)
	if err != nil || len(parts) != 4 {
		return m, false
	}
	date, err := strconv.Atoi(parts[0])
	return investigation.PayoutMark{Date: calendar.Date(date), MID: parts[1], Currency: parts[2], ID: parts[3]}, err == nil
}

// figure writes a line of arithmetic.
func (p *payoutPage) figure(s report.SumLine) string {
	if s.Signed {
		return report.Signed(s.Amount, p.Currency)
	}
	return report.Amount(s.Amount, p.Currency)
}

// payoutPayments is the address of all payments of a payout: the list, or a file of it.
func payoutPayments(p *payoutPage, path, format string) templ.SafeURL {
	q := url.Values{"payout": {p.Row.ID}, "merchant": {p.Row.MID}}
	if format != "" {
		q.Set("format", format)
	}
	return templ.SafeURL(path + "?" + q.Encode())
}
