package console

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/report"
)

// listPage is a list of payments with what narrows it.
type listPage struct {
	Query  url.Values
	Rows   []report.Row
	Count  int
	Sums   []string // of all that fit, a currency each
	Next   templ.SafeURL
	Causes []choice
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
	q := v.URL.Query()
	f, err := filterOf(q)
	if err != nil {
		return err
	}
	if v.only != "" {
		f.MID = v.only
	}
	order, ok := orders[q.Get("sort")]
	after, good := parseMark(q.Get("after"))
	if !ok || !good {
		return badFilter("sort", q.Get("sort"))
	}
	p := listPage{Query: q}
	c.o.Live.Read(func(now *investigation.Current) {
		page := now.List(f, order, after, pageSize)
		p.Count = page.Count()
		for currency, s := range page.Sums {
			p.Sums = append(p.Sums, report.Amount(s.Amount, currency))
		}
		for _, x := range page.Payments {
			p.Rows = append(p.Rows, report.RowOf(now.Around(), x))
		}
		if page.More {
			next := url.Values{}
			for k, list := range q {
				next[k] = list
			}
			next.Set("after", formatMark(page.Next))
			p.Next = templ.SafeURL("/payments?" + next.Encode())
		}
		for code := range now.Causes() {
			if cause := c.o.Catalogue.Cause(code); cause != nil {
				p.Causes = append(p.Causes, choice{code, v.text(cause.Title)})
			}
		}
	})
	slices.Sort(p.Sums)
	slices.SortFunc(p.Causes, func(a, b choice) int { return strings.Compare(a.Word, b.Word) })
	if v.Header.Get("HX-Request") == "true" && q.Has("after") {
		return v.render(http.StatusOK, paymentRows(v, &p))
	}
	return v.render(http.StatusOK, paymentsPage(v, &p))
}

func badFilter(name, value string) error {
	value, _ = card.MaskText(value)
	return fault.New(fault.Invalid, fault.Say("filter payments", "筛选交易"), name+"="+value, nil, fault.Say("take the filters away one by one", "请逐个去掉筛选条件"))
}

// filterOf reads the filters of an address: merchant, terminal, tail, day,
// status, stage, party, cause, incident, payout, needs.
func filterOf(q url.Values) (*investigation.Filter, error) {
	f := &investigation.Filter{MID: q.Get("merchant"), TID: q.Get("terminal"), Tail: q.Get("tail"), Incident: q.Get("incident"), Payout: q.Get("payout"),
		Needs: q.Get("needs") == "1"}
	var errs [4]error
	if d := q.Get("day"); d != "" {
		if f.Day, errs[0] = calendar.ParseDate(d); errs[0] != nil {
			errs[0] = badFilter("day", d)
		}
	}
	f.Statuses, errs[1] = chosen(q, "status", journey.Statuses())
	f.Stages, errs[2] = chosen(q, "stage", stages)
	f.Parties, errs[3] = chosen(q, "party", parties)
	f.Causes = slices.DeleteFunc(slices.Clone(q["cause"]), func(s string) bool { return s == "" })
	return f, errors.Join(errs[:]...)
}

// chosen gives those of a list that an address names; an empty name is no choice.
func chosen[T fmt.Stringer](q url.Values, name string, list []T) (out []T, err error) {
	for _, s := range q[name] {
		if s == "" {
			continue
		}
		i := slices.IndexFunc(list, func(x T) bool { return x.String() == s })
		if i < 0 {
			return nil, badFilter(name, s)
		}
		out = append(out, list[i])
	}
	return out, nil
}

var (
	stages  = []journey.Stage{journey.Tendered, journey.Authorized, journey.Captured, journey.Cleared, journey.Settled, journey.PaidOut, journey.Credited}
	parties = []diagnosis.Party{diagnosis.Nobody, diagnosis.Cardholder, diagnosis.Merchant, diagnosis.Operator, diagnosis.Platform, diagnosis.Issuer, diagnosis.Network, diagnosis.Bank}
)

// Marks travel in addresses as base64 of value, time and id.
func formatMark(m investigation.Mark) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(m.Value, 36) + " " + strconv.FormatInt(int64(m.Time), 36) + " " + m.ID))
}

func parseMark(s string) (m investigation.Mark, ok bool) {
	if s == "" {
		return m, true
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	parts := strings.SplitN(string(b), " ", 3)
	if err != nil || len(parts) != 3 {
		return m, false
	}
	value, err1 := strconv.ParseInt(parts[0], 36, 64)
	at, err2 := strconv.ParseInt(parts[1], 36, 64)
	return investigation.Mark{Value: value, Time: evidence.Instant(at), ID: parts[2]}, err1 == nil && err2 == nil
}

// statusChoices are what the filter by status offers.
func statusChoices(v *visit) (list []choice) {
	for _, s := range journey.Statuses() {
		list = append(list, choice{s.String(), v.text(report.StatusWord(s))})
	}
	return list
}

// partyChoices are what the filter by who acts offers.
func partyChoices(v *visit) (list []choice) {
	for _, p := range parties {
		list = append(list, choice{p.String(), v.text(report.PartyWord(p.String()))})
	}
	return list
}
