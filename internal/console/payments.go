package console

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"daozhang/internal/access"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// listPage is a list of payments with what narrows it.
type listPage struct {
	*filters
	Rows   []report.Row
	Count  int
	Sums   []string // of all that fit, a currency each
	Next   templ.SafeURL
	Causes []choice
	Views  savedViews
}

// choice is one value that a filter can have.
type choice struct {
	Value, Word string
}

const pageSize = 50

// orders are the orders of the list by their names in the address.
var orders = map[string]investigation.Order{"": investigation.ByTime, "time": investigation.ByTime, "due": investigation.ByDue, "amount": investigation.ByAmount}

// payments is the list of payments.
func (c *Console) payments(v *visit) error {
	if v.hideCards() {
		return nil
	}
	f, err := v.filters()
	if err != nil {
		return err
	}
	order, ok := orders[f.Query.Get("sort")]
	after, good := parseMark(f.Query.Get("after"))
	if !ok || !good {
		return badFilter("sort", f.Query.Get("sort"))
	}
	p := listPage{filters: f}
	status := http.StatusOK
	if len(f.Wrong) > 0 {
		status = http.StatusBadRequest
	}
	c.o.Live.Read(func(now *investigation.Current) {
		for code := range now.Causes() {
			if cause := c.o.Catalogue.Cause(code); cause != nil {
				p.Causes = append(p.Causes, choice{code, v.text(cause.Title)})
			}
		}
		if len(f.Wrong) > 0 {
			return
		}
		page := now.List(&f.Filter, order, after, pageSize)
		p.Count = page.Count()
		for currency, s := range page.Sums {
			p.Sums = append(p.Sums, report.Amount(s.Amount, currency))
		}
		for _, x := range page.Payments {
			p.Rows = append(p.Rows, report.RowOf(now.Around(), x))
		}
		if page.More {
			p.Next = listAddress("/payments", f.Query, "after", formatMark(page.Next))
		}
	})
	slices.Sort(p.Sums)
	slices.SortFunc(p.Causes, func(a, b choice) int { return strings.Compare(a.Word, b.Word) })
	if v.Header.Get("HX-Request") == "true" && f.Query.Has("after") {
		return v.render(status, paymentRows(v, &p))
	}
	if p.Views, err = c.viewsOf(v, "/payments"); err != nil {
		return err
	}
	return v.render(status, paymentsPage(v, &p))
}

// exportPayments gives every payment that passes the filters, or those of the page
// alone, as a file: as many as there are, read a few at a time.
func (c *Console) exportPayments(v *visit) error {
	if v.hideCards() {
		return nil
	}
	f, err := v.filters()
	if err != nil {
		return err
	}
	order, ok := orders[f.Query.Get("sort")]
	after, good := parseMark(f.Query.Get("after"))
	switch {
	case len(f.Wrong) > 0:
		return badFilter("", "")
	case !ok || !good:
		return badFilter("sort", f.Query.Get("sort"))
	}
	x, err := v.export("payments", f.Query.Get("format"))
	if err != nil {
		return err
	}
	out, err := report.NewPaymentExport(x, x.format, v.lang)
	if err != nil {
		return err
	}
	if f.Query.Get("only") == "page" {
		c.o.Live.Read(func(now *investigation.Current) {
			for _, p := range now.List(&f.Filter, order, after, pageSize).Payments {
				out.Add(now.Around(), p)
			}
		})
		x.finish(out.Close)
		return nil
	}
	var chosen *investigation.Selection
	c.o.Live.Read(func(now *investigation.Current) { chosen = now.Select(&f.Filter, order) })
	for at := 0; at < chosen.Len(); {
		c.o.Live.Read(func(now *investigation.Current) {
			at = now.Chosen(chosen, at, exportBlock, func(p *investigation.Payment) { out.Add(now.Around(), p) })
		})
		x.pass()
	}
	x.finish(out.Close)
	return nil
}

// listAddress is a list's address with one parameter more.
func listAddress(path string, q url.Values, name, value string) templ.SafeURL {
	next := url.Values{}
	for k, list := range q {
		next[k] = list
	}
	next.Set(name, value)
	return templ.SafeURL(path + "?" + next.Encode())
}

// paymentsAs is the address at which the listed payments are had as a file.
func paymentsAs(f *filters, format, only string) templ.SafeURL {
	next := url.Values{}
	for k, list := range f.Query {
		if k != "view" && (k != "after" || only == "page") {
			next[k] = list
		}
	}
	next.Set("format", format)
	if only != "" {
		next.Set("only", only)
	}
	return templ.SafeURL("/payments/export?" + next.Encode())
}

// sorted is the address of the list in another order.
func (v *visit) sorted(order string) templ.SafeURL { return v.link("sort", order) }

// ariaSort says how a column is sorted; "" where it is not.
func ariaSort(q url.Values, order, how string) string {
	now := q.Get("sort")
	if now == "" {
		now = "time"
	}
	if now == order {
		return how
	}
	return ""
}

// shortCard shows a masked card by its six and four digits alone.
func shortCard(masked string) string {
	if first, last := strings.IndexByte(masked, '*'), strings.LastIndexByte(masked, '*'); first >= 0 && last > first {
		return masked[:first] + "…" + masked[last+1:]
	}
	return masked
}

// moneyRoutes are the pages about where money is.
func (c *Console) moneyRoutes() []route {
	return []route{
		{"GET", "/{$}", access.ReadPayments, c.find},
		{"GET", "/overview", access.ReadOverview, c.overview},
		{"GET", "/overview/{table}", access.ReadOverview, c.exportOverview},
		{"GET", "/payments", access.ReadPayments, c.payments},
		{"GET", "/payments/export", access.ReadPayments, c.exportPayments},
		{"GET", "/payments/{id}", access.ReadPayments, c.trail},
		{"GET", "/evidence/{source}/{id}", access.ReadPayments, c.fact},
		{"GET", "/live", access.ReadPayments, c.live},
		{"GET", "/payouts", access.ReadPayouts, c.payouts},
		{"GET", "/payouts/export", access.ReadPayouts, c.exportPayouts},
		{"GET", "/payouts/{id}", access.ReadPayouts, c.onePayout},
		{"GET", "/payouts/{mid}/{id}", access.ReadPayouts, c.payout},
		{"GET", "/payouts/{mid}/{id}/receipt", access.ReadPayouts, c.payoutReceipt},
		{"POST", "/views", access.OwnAccount, c.saveView},
	}
}
