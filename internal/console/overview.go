package console

import (
	"net/http"
	"net/url"

	"github.com/a-h/templ"

	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// overview is where all money is.
func (c *Console) overview(v *visit) error {
	var o *report.Overview
	c.o.Live.Read(func(now *investigation.Current) { o = report.OverviewOf(now, v.only) })
	return v.render(http.StatusOK, overviewPage(v, o))
}

// placeLink leads to the payments of a place.
func placeLink(p *report.PlaceLine) templ.SafeURL {
	q := url.Values{"status": {p.Status}}
	if p.Stage != "" {
		q.Set("stage", p.Stage)
	}
	return templ.SafeURL("/payments?" + q.Encode())
}
