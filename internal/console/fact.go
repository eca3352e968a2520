package console

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/a-h/templ"

	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// factPage is one piece of evidence, and the payment that it tells of.
type factPage struct {
	*report.FactPage
	Payment string // id; "" where it tells of none
	Key     string // by which people know that payment
}

// fact is the page of one fact. A merchant sees what names it, or tells of one of
// its payments.
func (c *Console) fact(v *visit) error {
	var p *factPage
	c.o.Live.Read(func(now *investigation.Current) {
		r, ok := now.Fact(v.PathValue("source"), v.PathValue("id"))
		if !ok {
			return
		}
		a := now.Around()
		mid := a.View.Words.Text(a.View.At(r).MID)
		q := &factPage{Payment: now.PaymentOf(r)}
		if x, ok := now.Payment(q.Payment); ok {
			q.Key = report.RowOf(a, x).Key
			mid = a.View.Words.Text(x.Keys.MID)
		}
		if v.only == "" || v.only == mid {
			q.FactPage = report.FactOf(a, r)
			p = q
		}
	})
	if p == nil {
		return fault.New(fault.NotFound, fault.Say("find evidence", "查找凭据"), "", nil,
			fault.Say("of payments that have been over for a long time the evidence is in the store: daozhang export", "结束已久的交易，其凭据在数据库中：daozhang export"))
	}
	return v.render(http.StatusOK, factView(v, p))
}

// factLink is the page of a fact by its name, "source#id"; "" for none.
func factLink(name string) templ.SafeURL {
	i := strings.LastIndexByte(name, '#')
	if i <= 0 || i == len(name)-1 {
		return ""
	}
	return templ.SafeURL("/evidence/" + url.PathEscape(name[:i]) + "/" + url.PathEscape(name[i+1:]))
}

// zone is that in which payments and what is known of them are shown: that of the
// answers.
func (v *visit) zone() *time.Location { return time.FixedZone("", int(v.offset())*60) }

// now is the moment of the answers as people read it.
func (v *visit) now() (at string) {
	v.console.o.Live.Read(func(now *investigation.Current) {
		at = now.AsOf().In(time.FixedZone("", int(now.Around().Offset)*60)).Format("2006-01-02 15:04")
	})
	return at
}
