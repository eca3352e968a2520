package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"daozhang/internal/access"
	"daozhang/internal/calendar"
	"daozhang/internal/desk"
	"daozhang/internal/investigation"
	"daozhang/internal/money"
	"daozhang/internal/report"
	"daozhang/internal/settlement"
)

// exceptionsPage is the work that needs somebody.
type exceptionsPage struct {
	Query    url.Values
	Inboxes  []inbox
	Report   *bulkReport
	Matrix   *matrix
	Causes   []choice
	Kinds    []choice
	AgeWord  string
	Narrowed bool
	Wide     templ.SafeURL // the inbox without filters
	Rows     []exceptionRow
	Count    int
	Sums     string
	Next     templ.SafeURL
	Bulk     *bulkForm // nil for who may not
	// Nothing and NothingHint are said where no row fits.
	Nothing, NothingHint string
}

// inbox is a tab with its count; Count is "" where it is not counted.
type inbox struct {
	Word, Count string
	Link        templ.SafeURL
	Now         bool
}

// exceptionRow is one matter.
type exceptionRow struct {
	ID          string
	Link        templ.SafeURL
	Tone        report.Tone
	Sign, Cause string
	// Mark is what was done with it: snoozed until, waiting for, escalated.
	Mark        string
	About, Kind string
	Merchant    string
	Amount      string
	Age         string
	Late        bool
	Due         report.Moment
	Owner       string
}

// itemKinds are what an item can be about.
var itemKinds = []desk.Kind{desk.OnPayment, desk.OnException, desk.OnPayout}

// deskRoutes are the pages of exceptions, cases and approvals.
func (c *Console) deskRoutes() []route {
	pages := []route{
		{"GET", "/exceptions", access.ReadExceptions, c.exceptions},
		{"POST", "/exceptions/bulk", access.WorkOnExceptions, c.bulk},
		{"GET", "/cases/{id}", access.ReadExceptions, c.showCase},
		{"POST", "/cases/{id}/files", access.WorkOnExceptions, c.attach},
		{"GET", "/cases/{id}/files/{hash}", access.ReadExceptions, c.caseFile},
		{"GET", "/approvals", access.ReadApprovals, c.approvals},
		{"GET", "/approvals/{id}", access.ReadApprovals, c.approval},
		{"POST", "/approvals/{id}/approve", access.Decide, c.approve},
		{"POST", "/approvals/{id}/decline", access.Decide, c.decline("decline", "declined")},
		{"POST", "/approvals/{id}/withdraw", access.Propose, c.decline("withdraw", "withdrawn")},
	}
	for _, a := range desk.Acts {
		pages = append(pages, route{"POST", "/cases/{id}/" + string(a), actAction(a), c.actOn(a)})
	}
	return pages
}

// works reports whether there are exceptions that the reader may look at.
func (v *visit) works() bool { return v.console.o.Desk != nil && v.may(access.ReadExceptions) }

// worker is the reader as the desk knows people.
func (v *visit) worker() desk.Actor { return desk.Actor{Actor: v.actor(), MID: v.who.MID} }

// narrows are the parameters of the list that take rows away.
var narrows = []string{"cause", "kind", "age", "merchant", "owner", "party", "incident", "escalated"}

// exceptions is the list of what needs somebody.
func (c *Console) exceptions(v *visit) error {
	p, err := c.exceptionList(v, v.URL.Query())
	if err != nil {
		return err
	}
	if v.Header.Get("HX-Request") == "true" && v.URL.Query().Has("after") {
		return v.render(http.StatusOK, exceptionRows(v, p))
	}
	return v.render(http.StatusOK, exceptionsView(v, p))
}

// exceptionList makes the list that a query asks for.
func (c *Console) exceptionList(v *visit, q url.Values) (*exceptionsPage, error) {
	f, err := exceptionFilter(q)
	if err != nil {
		return nil, err
	}
	board, err := c.o.Desk.Board(v.Context(), v.worker(), f.MID)
	if err != nil {
		return nil, err
	}
	defer board.Release()
	page, err := board.List(v.Context(), f, q.Get("after"), pageSize)
	if err != nil {
		return nil, err
	}
	p := &exceptionsPage{Query: q, Count: page.Count, Wide: exceptionsLink(url.Values{"inbox": q["inbox"]})}
	p.Narrowed = slices.ContainsFunc(narrows, q.Has)
	p.Inboxes = inboxTabs(v, q, f.Inbox, page)
	p.Rows = c.exceptionLines(v, page.Items)
	if page.Count > 0 {
		p.Sums = v.say("At risk: ", "风险金额：") + cmp.Or(amounts(page.Sums), v.say("no money", "无"))
	}
	if page.Next != "" {
		p.Next = exceptionsLink(with(q, "after", page.Next))
	}
	if len(f.Ages) == 1 {
		p.AgeWord = desk.BandText(f.Ages[0]).In(v.lang)
	}
	for _, k := range itemKinds {
		p.Kinds = append(p.Kinds, choice{string(k), k.Text().In(v.lang)})
	}
	p.Report = c.reports.of(v.actor().Name, q.Get("report"))
	c.fillMatrix(v, p, q, board, f)
	if v.only == "" && v.may(access.WorkOnExceptions) && len(p.Rows) > 0 && f.Inbox != desk.Done {
		p.Bulk = newBulkForm(v, q, page)
	}
	p.Nothing, p.NothingHint = nothingThere(v, p.Narrowed, f.Inbox)
	return p, nil
}

// nothingThere says why a list is empty and what to do next.
func nothingThere(v *visit, narrowed bool, in desk.Inbox) (what, hint string) {
	switch {
	case narrowed:
		return v.say("Nothing here passes these filters.", "没有符合筛选条件的事项。"), v.say("Take a filter away, or look into another inbox.", "可去掉一个条件，或查看其他收件箱。")
	case in == desk.Mine:
		return v.say("Nothing is yours to do.", "您没有待办事项。"), v.say("Take something from the unassigned ones.", "可从未分配的事项中领取。")
	case in == desk.Unassigned || in == "" || in == desk.Team:
		return v.say("Nothing needs anybody.", "没有需要处理的事项。"), v.say("What is late, short or open comes here by itself.", "逾期、短款或待证实的事项会自动出现在这里。")
	}
	return v.say("This inbox is empty.", "该收件箱为空。"), v.say("All that is open is under its own tab.", "全部待办在相应的标签下。")
}

func exceptionsLink(q url.Values) templ.SafeURL {
	u := url.URL{Path: "/exceptions", RawQuery: q.Encode()}
	return templ.SafeURL(u.String())
}

// with is a query with one parameter set; "" removes it. Another list begins at its
// beginning.
func with(q url.Values, name, value string) url.Values {
	out := url.Values{}
	for k, list := range q {
		if k != "after" && k != "report" && list != nil {
			out[k] = list
		}
	}
	if value == "" {
		out.Del(name)
	} else {
		out.Set(name, value)
	}
	return out
}

// exceptionFilter reads the filters of an address: inbox, cause, kind, age, merchant,
// owner, party, incident, escalated.
func exceptionFilter(q url.Values) (f desk.Filter, err error) {
	f = desk.Filter{Inbox: desk.Inbox(q.Get("inbox")), MID: q.Get("merchant"), Owner: q.Get("owner"), Party: q.Get("party"), Incident: q.Get("incident"),
		Escalated: q.Get("escalated") == "1"}
	if f.Inbox == "" {
		f.Inbox = desk.Team
	}
	if !slices.Contains(desk.Inboxes, f.Inbox) {
		return f, badFilter("inbox", q.Get("inbox"))
	}
	for _, s := range q["age"] {
		b, ok := desk.ParseBand(s)
		if s != "" && !ok {
			return f, badFilter("age", s)
		}
		if ok {
			f.Ages = append(f.Ages, b)
		}
	}
	for _, s := range q["kind"] {
		if s != "" && !slices.Contains(itemKinds, desk.Kind(s)) {
			return f, badFilter("kind", s)
		}
		if s != "" {
			f.Kinds = append(f.Kinds, desk.Kind(s))
		}
	}
	f.Causes = slices.DeleteFunc(slices.Clone(q["cause"]), func(s string) bool { return s == "" })
	return f, nil
}

// inboxTabs are the inboxes that somebody has. Only who can own a matter has Mine.
func inboxTabs(v *visit, q url.Values, now desk.Inbox, page *desk.Page) (tabs []inbox) {
	for _, in := range desk.Inboxes {
		if v.only != "" && (in == desk.Unassigned || in == desk.Mine || in == desk.Snoozed) || in == desk.Mine && !v.may(access.WorkOnExceptions) {
			continue
		}
		t := inbox{Word: in.Text().In(v.lang), Link: exceptionsLink(with(q, "inbox", string(in))), Now: in == now}
		if in != desk.Done {
			t.Count = strconv.Itoa(page.Inboxes[in])
		}
		tabs = append(tabs, t)
	}
	return tabs
}

// amounts writes sums of several currencies.
func amounts(sums map[money.Currency]int64) string {
	var list []string
	for currency, n := range sums {
		list = append(list, report.Amount(n, currency))
	}
	slices.Sort(list)
	return strings.Join(list, " + ")
}

// exceptionLines are items as rows. What a payment is called is looked up in what is
// known of it.
func (c *Console) exceptionLines(v *visit, items []desk.Item) []exceptionRow {
	rows := make([]exceptionRow, len(items))
	for i := range items {
		rows[i] = c.exceptionLine(v, &items[i])
	}
	c.o.Live.Read(func(now *investigation.Current) {
		for i := range items {
			if items[i].Key.Kind != desk.OnPayment {
				continue
			}
			x, ok := now.Payment(items[i].Key.Ref)
			if !ok {
				continue
			}
			p := report.RowOf(now.Around(), x)
			rows[i].About, rows[i].Merchant = p.Key, p.Merchant
			if len(items[i].Exceptions) == 0 {
				rows[i].Tone, rows[i].Sign = p.Tone, p.Sign
			}
		}
	})
	return rows
}

func (c *Console) exceptionLine(v *visit, i *desk.Item) exceptionRow {
	r := exceptionRow{ID: i.Key.String(), Link: caseLink(i.Key), Tone: bad, Sign: "!", Cause: c.causeTitle(v, i.Cause), Kind: i.Key.Kind.Text().In(v.lang),
		About: i.Key.Ref, Merchant: merchantWord(v, i.Key.MID), Late: i.Age > 0, Age: strconv.Itoa(i.Age), Due: c.moment(i.Due), Owner: i.Owner(), Mark: c.progress(v, i)}
	if i.Currency != (money.Currency{}) {
		r.Amount = report.Amount(i.Amount, i.Currency)
	}
	if i.Promised.IsZero() {
		r.Age = ""
	}
	if i.Key.Kind == desk.OnException && len(i.Exceptions) > 0 {
		r.About = i.Exceptions[0].Detail
	}
	return r
}

func (c *Console) causeTitle(v *visit, code string) string {
	return desk.CauseTitle(c.o.Catalogue, code).In(v.lang)
}

// progress says what people made of a matter, in few words; "" while it just lies
// there.
func (c *Console) progress(v *visit, i *desk.Item) string {
	x := i.Case
	if x == nil {
		return ""
	}
	var parts []string
	if i.Again {
		parts = append(parts, v.say("resolved before, and come up again", "曾解决，再次出现"))
	}
	if !x.Escalated.IsZero() {
		parts = append(parts, v.say("escalated", "已升级"))
	}
	if len(x.Proposals) > 0 {
		parts = append(parts, v.say("a proposal waits for its checker", "有提交待复核"))
	}
	switch x.StateAt(c.o.Now()) {
	case desk.Asleep:
		parts = append(parts, v.say("snoozed until ", "暂缓至 ")+c.moment(x.Until).Brief)
	case desk.Awaiting:
		parts = append(parts, v.say("waits for ", "等待答复：")+c.partyName(v, x.AwaitedFrom))
	case desk.Resolved:
		if !i.Again {
			parts = append(parts, x.Outcome.Text().In(v.lang))
		}
	}
	return strings.Join(parts, " · ")
}

// partyName is who has to act: a party, or a party with its name as in bank/ICBC.
func (c *Console) partyName(v *visit, s string) string {
	party, name, _ := strings.Cut(s, "/")
	word := v.text(report.PartyWord(party))
	if name != "" {
		return word + " " + name
	}
	return word
}

// merchantWord names who a matter belongs to.
func merchantWord(v *visit, mid string) string {
	if mid == settlement.House {
		return v.say("the institution", "本机构")
	}
	return mid
}

func caseLink(k desk.Key) templ.SafeURL { return templ.SafeURL("/cases/" + url.PathEscape(k.String())) }

// dateOf reads a date of a form as the end of that day in the institution's zone.
func (c *Console) dateOf(s string) (time.Time, error) {
	d, err := calendar.ParseDate(s)
	if err != nil {
		return time.Time{}, err
	}
	y, m, day := d.YMD()
	return time.Date(y, time.Month(m), day, 23, 59, 59, 0, c.o.Zone), nil
}
