package console

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"daozhang/internal/access"
	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/intake"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// circumstanceRoutes are the pages of what answers rest on and no machine reports.
func (c *Console) circumstanceRoutes() []route {
	return []route{
		{"GET", "/circumstances", access.ReadOverview, c.circumstances},
		{"POST", "/circumstances/notices", access.StateCircumstances, c.stateNotice},
		{"POST", "/circumstances/notices/{id}/end", access.StateCircumstances, c.endNotice},
		{"POST", "/circumstances/links", access.StateCircumstances, c.stateLink},
		{"POST", "/circumstances/holidays", access.StateCircumstances, c.stateHoliday},
	}
}

// circumstancesPage is what is in force, with a form for each kind.
type circumstancesPage struct {
	intake.Circumstances
	Notice  noticeForm
	Link    linkForm
	Holiday holidayForm
	// Known are links and issuers that evidence has named, for the forms.
	KnownLinks, KnownIssuers []string
	Done                     string
}

// preview is what an entry would concern, asked for before it is made.
type preview struct {
	Asked    bool
	Payments int
	Sums     []string
}

type noticeForm struct {
	Issuer, What, From, To, Title, Links string
	Legs                                 []string
	Flaws                                map[string]string
	preview
}

type linkForm struct {
	Link, State, Since string
	Flaws              map[string]string
	preview
}

type holidayForm struct {
	Calendar, Date, What string
	Flaws                map[string]string
	preview
}

// localTime is how a browser writes a moment without a zone.
const localTime = "2006-01-02T15:04"

func (c *Console) circumstances(v *visit) error {
	p := circumstancesPage{Done: v.URL.Query().Get("done")}
	now := c.o.Now().In(v.console.o.Zone)
	p.Notice = noticeForm{What: "maintenance", From: now.Format(localTime)}
	p.Link = linkForm{State: "down", Since: now.Format(localTime)}
	p.Holiday = holidayForm{Calendar: "CN", What: "holiday"}
	return c.showCircumstances(v, http.StatusOK, &p)
}

func (c *Console) showCircumstances(v *visit, status int, p *circumstancesPage) error {
	c.o.Live.Read(func(now *investigation.Current) {
		p.Circumstances = intake.InForce(now.Around().View, c.o.Now())
		p.KnownLinks, p.KnownIssuers = intake.KnownLinks(now.Around().View)
	})
	if p.Holiday.Calendar == "" {
		p.Holiday = holidayForm{Calendar: "CN", What: "holiday"}
	}
	if p.Notice.What == "" {
		p.Notice.What = "maintenance"
	}
	if p.Link.State == "" {
		p.Link.State = "down"
	}
	return v.render(status, circumstancesView(v, p))
}

// asked reports whether a form was sent to be previewed.
func (v *visit) asked() bool { return v.PostFormValue("preview") != "" }

// previewed shows what an entry would concern.
func previewed(x intake.Concern) preview {
	p := preview{Asked: true, Payments: x.Payments}
	for c, sum := range x.Sums {
		p.Sums = append(p.Sums, report.Amount(sum, c))
	}
	slices.Sort(p.Sums)
	return p
}

// momentField reads a moment as a browser sends it, in the institution's zone.
func (v *visit) momentField(field string) time.Time {
	t, err := time.ParseInLocation(localTime, v.PostFormValue(field), v.console.o.Zone)
	if err != nil {
		return time.Time{}
	}
	return t
}

func (c *Console) stateNotice(v *visit) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, 16<<10)
	if err := v.ParseForm(); err != nil {
		return fault.New(fault.Usage, fault.Say("read form", "读取表单"), "", err, fault.Text{})
	}
	f := noticeForm{Issuer: strings.TrimSpace(v.PostFormValue("issuer")), What: v.PostFormValue("what"), From: v.PostFormValue("from"), To: v.PostFormValue("to"),
		Title: v.PostFormValue("title"), Links: v.PostFormValue("links"), Legs: v.PostForm["leg"]}
	n := intake.Notice{Issuer: f.Issuer, What: f.What, From: v.momentField("from"), To: v.momentField("to"), Title: f.Title,
		Affects: slices.Concat(f.Legs, strings.FieldsFunc(f.Links, func(r rune) bool { return r == ' ' || r == ',' || r == '，' || r == '\n' || r == '\r' }))}
	if v.asked() {
		c.o.Live.Read(func(now *investigation.Current) { f.preview = previewed(intake.NoticeConcerns(now, &n)) })
		return c.showCircumstances(v, http.StatusOK, &circumstancesPage{Notice: f})
	}
	_, err := c.o.Intake.StateNotice(v.Context(), v.actor(), n)
	if f.Flaws = v.flaws(err); f.Flaws != nil {
		return c.showCircumstances(v, http.StatusBadRequest, &circumstancesPage{Notice: f})
	}
	return v.doneWith(err, "notice")
}

// doneWith leads back to the page after an entry.
func (v *visit) doneWith(err error, what string) error {
	if err != nil {
		return err
	}
	http.Redirect(v.w, v.Request, "/circumstances?"+url.Values{"done": {what}}.Encode(), http.StatusSeeOther)
	return nil
}

func (c *Console) endNotice(v *visit) error {
	var err error
	// The evidence is looked at in the investigation's hand, the end is written after.
	var view intake.Circumstances
	c.o.Live.Read(func(now *investigation.Current) { view = intake.InForce(now.Around().View, c.o.Now()) })
	_, err = c.o.Intake.EndNotice(v.Context(), v.actor(), &view, v.PathValue("id"))
	return v.doneWith(err, "end")
}

func (c *Console) stateLink(v *visit) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, 8192)
	f := linkForm{Link: strings.TrimSpace(v.PostFormValue("link")), State: v.PostFormValue("state"), Since: v.PostFormValue("since")}
	if v.asked() {
		c.o.Live.Read(func(now *investigation.Current) { f.preview = previewed(intake.LinkConcerns(now, f.Link)) })
		return c.showCircumstances(v, http.StatusOK, &circumstancesPage{Link: f})
	}
	_, err := c.o.Intake.StateLink(v.Context(), v.actor(), intake.LinkState{Link: f.Link, State: f.State, Since: v.momentField("since")})
	if f.Flaws = v.flaws(err); f.Flaws != nil {
		return c.showCircumstances(v, http.StatusBadRequest, &circumstancesPage{Link: f})
	}
	return v.doneWith(err, "link")
}

func (c *Console) stateHoliday(v *visit) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, 8192)
	f := holidayForm{Calendar: v.PostFormValue("calendar"), Date: v.PostFormValue("date"), What: v.PostFormValue("what")}
	if v.asked() {
		c.o.Live.Read(func(now *investigation.Current) { f.preview = previewed(intake.HolidayConcerns(now, f.Calendar)) })
		return c.showCircumstances(v, http.StatusOK, &circumstancesPage{Holiday: f})
	}
	h := intake.Holiday{Calendar: f.Calendar, Date: calendar.None, Workday: f.What == "workday"}
	if d, err := calendar.ParseDate(f.Date); err == nil {
		h.Date = d
	}
	err := c.o.Intake.StateHoliday(v.Context(), v.actor(), h)
	if f.Flaws = v.flaws(err); f.Flaws != nil {
		return c.showCircumstances(v, http.StatusBadRequest, &circumstancesPage{Holiday: f})
	}
	return v.doneWith(err, "holiday")
}

// noticeWords and linkWords are what notices and states of links are for people.
func (v *visit) noticeWord(what string) string {
	switch what {
	case "maintenance":
		return v.say("maintenance", "维护")
	case "incident":
		return v.say("incident", "故障")
	case "policy":
		return v.say("policy", "政策")
	}
	return what
}

func (v *visit) linkMark(state string) stateMark {
	switch state {
	case "up":
		return stateMark{"good", "✓", v.say("up", "正常")}
	case "degraded":
		return stateMark{"bad", "!", v.say("degraded", "降级")}
	case "down":
		return stateMark{"bad", "✕", v.say("down", "中断")}
	}
	return stateMark{"calm", "·", state}
}

// legWord is a leg of a notice for people.
func (v *visit) legWord(leg string) string {
	switch leg {
	case "authorization":
		return v.say("authorization", "授权")
	case "clearing":
		return v.say("clearing", "清算")
	case "settlement":
		return v.say("settlement", "结算")
	case "payout":
		return v.say("payout", "出款")
	}
	return leg
}

// affected lists what a notice is about.
func (v *visit) affected(list []string) string {
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = v.legWord(a)
	}
	return strings.Join(words, v.say(", ", "、"))
}

// concerned says what an entry would touch.
func (v *visit) concerned(p preview) string {
	if p.Payments == 0 {
		return v.say("No payment waits for this now.", "目前没有交易受此影响。")
	}
	return v.say("It would concern "+strconv.Itoa(p.Payments)+" payments that wait now, ", "将影响目前等待中的 "+strconv.Itoa(p.Payments)+" 笔交易，") + strings.Join(p.Sums, " + ") + v.say(".", "。")
}

// noticeEnd leads to the form that ends a notice.
func noticeEnd(id string) templ.SafeURL {
	return templ.SafeURL("/circumstances/notices/" + url.PathEscape(id) + "/end")
}

// calendarPage leads to the month of a stated day.
func calendarPage(name string, d calendar.Date) templ.SafeURL {
	return templ.SafeURL("/terms?" + url.Values{"calendar": {name}, "month": {d.String()[:7]}}.Encode())
}
