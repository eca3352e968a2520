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
	"time"

	"github.com/a-h/templ"

	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/money"
	"daozhang/internal/report"
)

// filters is what an address narrows a list of payments by.
type filters struct {
	investigation.Filter
	Query url.Values
	// Wrong says by the name of a field why what was typed into it was not
	// understood; what was typed stays in Query.
	Wrong map[string]string
}

// visitOffset is the zone in which dates and times without one are meant, minutes
// east of UTC: that of the installation.
func (v *visit) offset() (offset int16) {
	v.console.o.Live.Read(func(now *investigation.Current) { offset = now.Around().Offset })
	return offset
}

const clockLayout = "2006-01-02T15:04"

// span puts a stretch of time into an address as name_from and name_to.
func (v *visit) span(q url.Values, name string, s report.Span) {
	zone := v.zone()
	if s.From != 0 {
		q.Set(name+"_from", s.From.In(zone).Format(clockLayout))
	}
	if s.To != 0 {
		q.Set(name+"_to", s.To.In(zone).Format(clockLayout))
	}
}

// filters reads the filters of the visit's address. The error is of kind
// fault.Invalid for what only an address can hold; what a person has typed wrong is
// in Wrong.
func (v *visit) filters() (*filters, error) {
	q := v.URL.Query()
	f := &filters{Query: q, Wrong: map[string]string{}}
	f.Filter = investigation.Filter{MID: q.Get("merchant"), TID: q.Get("terminal"), RRN: q.Get("rrn"), Incident: q.Get("incident"), Payout: q.Get("payout"), Needs: q.Get("needs") == "1"}
	if v.only != "" {
		f.MID = v.only
	}
	f.digits(v, "head", 6, &f.Head)
	f.digits(v, "tail", 4, &f.Tail)
	if d := q.Get("day"); d != "" {
		var err error
		if f.Day, err = calendar.ParseDate(d); err != nil {
			return nil, badFilter("day", d)
		}
	}
	zone := v.zone()
	for _, t := range []struct {
		name string
		at   *evidence.Instant
	}{{"from", &f.From}, {"to", &f.To}, {"expected_from", &f.ExpectedFrom}, {"expected_to", &f.ExpectedTo}, {"due_from", &f.DueFrom}, {"due_to", &f.DueTo}} {
		if s := q.Get(t.name); s != "" {
			at, err := time.ParseInLocation(clockLayout, s, zone)
			if err != nil {
				f.Wrong[t.name] = v.say("write it as 2026-03-09T18:00", "请写作 2026-03-09T18:00")
				continue
			}
			*t.at = evidence.InstantOf(at)
		}
	}
	amounts := investigation.Bounds{}
	f.bounds(v, "amount", &amounts)
	f.Amounts, f.Least, f.Most = amounts.Set, amounts.Least, amounts.Most
	f.bounds(v, "fee", &f.Fee)
	f.bounds(v, "net", &f.Net)
	var errs [3]error
	f.Statuses, errs[0] = chosen(q, "status", journey.Statuses())
	f.Stages, errs[1] = chosen(q, "stage", stages)
	f.Parties, errs[2] = chosen(q, "party", parties)
	f.Causes = slices.DeleteFunc(slices.Clone(q["cause"]), func(s string) bool { return s == "" })
	return f, errors.Join(errs[:]...)
}

// digits takes the first or last digits of a card; anything else is not looked for.
func (f *filters) digits(v *visit, name string, n int, to *string) {
	s := strings.TrimSpace(f.Query.Get(name))
	switch {
	case s == "":
	case len(s) != n || strings.Trim(s, "0123456789") != "":
		f.Wrong[name] = fmt.Sprintf(v.say("%d digits", "%d位数字"), n)
	default:
		*to = s
	}
}

// bounds takes amounts as they are written in lists, with two decimals.
func (f *filters) bounds(v *visit, name string, to *investigation.Bounds) {
	to.Least, to.Most = -1<<62, 1<<62
	for suffix, bound := range map[string]*int64{"_from": &to.Least, "_to": &to.Most} {
		s := strings.TrimSpace(strings.ReplaceAll(f.Query.Get(name+suffix), ",", ""))
		if s == "" {
			continue
		}
		minor, err := money.ParseDecimal(s, 2, money.Point)
		if err != nil {
			f.Wrong[name+suffix] = v.say("an amount, such as 88.00", "金额，如 88.00")
			continue
		}
		*bound, to.Set = minor, true
	}
}

// hideCards leads to the same page without the card numbers that its address holds;
// false where it holds none. A whole card number does not stay in the address.
func (v *visit) hideCards() bool {
	q, found := v.URL.Query(), false
	for _, values := range q {
		for i, s := range values {
			if masked, is := card.MaskText(s); is {
				values[i], found = masked, true
			}
		}
	}
	if found {
		to := url.URL{Path: v.URL.Path, RawQuery: q.Encode()}
		http.Redirect(v.w, v.Request, to.String(), http.StatusSeeOther)
	}
	return found
}

func badFilter(name, value string) error {
	value, _ = card.MaskText(value)
	return fault.New(fault.Invalid, fault.Say("filter payments", "筛选交易"), name+"="+value, fault.Say("a filter in the address is not understood", "地址中的筛选条件无法识别"), fault.Say("take the filters away one by one", "请逐个去掉筛选条件"))
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

// chip is one filter that is in force, and the list without it.
type chip struct {
	Name, Value string
	Without     templ.SafeURL
}

// filterNames are the filters in the order in which they are shown.
var filterNames = []struct{ param, en, zh string }{
	{"needs", "needs somebody", "需处理"}, {"status", "where", "位置"}, {"stage", "stage", "环节"}, {"party", "who acts", "处理方"}, {"cause", "why", "原因"}, {"incident", "incident", "事件"},
	{"payout", "payout", "出款"}, {"day", "business date", "交易日"}, {"from", "time from", "时间自"}, {"to", "time before", "时间至"}, {"merchant", "merchant", "商户"}, {"terminal", "terminal", "终端"},
	{"rrn", "RRN", "参考号"}, {"head", "card begins", "卡号前六位"}, {"tail", "card ends", "卡号后四位"}, {"amount_from", "amount from", "金额自"}, {"amount_to", "amount to", "金额至"},
	{"fee_from", "fee from", "手续费自"}, {"fee_to", "fee to", "手续费至"}, {"net_from", "net from", "净额自"}, {"net_to", "net to", "净额至"},
	{"expected_from", "expected from", "预计自"}, {"expected_to", "expected before", "预计至"}, {"due_from", "due from", "应到自"}, {"due_to", "due before", "应到至"},
}

// chips are the filters in force.
func (p *listPage) chips(v *visit) (list []chip) {
	for _, f := range filterNames {
		for _, value := range p.Query[f.param] {
			if value == "" || f.param == "merchant" && v.only != "" {
				continue
			}
			q := url.Values{}
			for k, all := range p.Query {
				if k != "after" && k != "view" {
					q[k] = slices.Clone(all)
				}
			}
			q[f.param] = slices.DeleteFunc(q[f.param], func(s string) bool { return s == value })
			list = append(list, chip{v.say(f.en, f.zh), p.word(v, f.param, value), templ.SafeURL("/payments?" + q.Encode())})
		}
	}
	return list
}

// word says a filter's value as the reader knows it.
func (p *listPage) word(v *visit, param, value string) string {
	var from []choice
	switch param {
	case "needs":
		return v.say("yes", "是")
	case "status":
		from = statusChoices(v)
	case "stage":
		from = stageChoices(v)
	case "party":
		from = partyChoices(v)
	case "cause":
		from = p.Causes
	}
	for _, c := range from {
		if c.Value == value {
			return c.Word
		}
	}
	return strings.Replace(value, "T", " ", 1)
}

// more reports whether one of the filters is in force that are not always shown.
func (f *filters) more() bool {
	for _, name := range []string{"stage", "from", "to", "head", "amount_from", "amount_to", "fee_from", "fee_to", "net_from", "net_to", "expected_from", "expected_to", "due_from", "due_to", "needs"} {
		if f.Query.Get(name) != "" {
			return true
		}
	}
	return false
}

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

// stageChoices are what the filter by stage offers.
func stageChoices(v *visit) (list []choice) {
	for _, s := range stages {
		list = append(list, choice{s.String(), v.text(report.StageWord(s))})
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
