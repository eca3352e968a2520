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
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/intake"
	"daozhang/internal/investigation"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/report"
	"daozhang/internal/terms"
)

// termsRoutes are the pages of terms and calendars.
func (c *Console) termsRoutes() []route {
	return []route{
		{"GET", "/terms", access.ReadTerms, c.allTerms},
		{"GET", "/terms/{mid}", access.ReadTerms, c.termsOf},
	}
}

// termsPage lists what was agreed with merchants, beside a calendar's month.
type termsPage struct {
	Rows []termsRow
	Next templ.SafeURL
	Month
}

// termsRow is a merchant with the terms in force.
type termsRow struct {
	MID, Name string
	Now       termsLine
	Waiting   bool // a proposal waits for its checker
}

// termsLine is one set of terms for people.
type termsLine struct {
	From, Cycle, Cutoff, PayoutBy, Zone, Calendar string
	Fees                                          []string
	Minimum, Credit, Capture, Reserve             string
	Maker, Checker                                string
	Stated                                        bool
	// Standing says whether they hold now, held before, or will.
	Standing stateMark
}

// Month is the days of one month of a calendar.
type Month struct {
	Calendar      string
	Name          string // as people say it
	Weeks         [][]monthDay
	Before, After templ.SafeURL
	Notices       []noticeSource
	Provisional   bool
	Stated        bool
	business      int
}

// monthDay is one day of a month's picture; Day is 0 for those of other months.
type monthDay struct {
	Day    int
	Date   calendar.Date
	Today  bool
	Class  string
	Word   string
	Title  string
	Stated bool
}

// noticeSource is an official notice with where it stands.
type noticeSource struct{ Name, Address string }

func (c *Console) allTerms(v *visit) error {
	if v.only != "" {
		http.Redirect(v.w, v.Request, "/terms/"+url.PathEscape(v.only), http.StatusSeeOther)
		return nil
	}
	q := v.URL.Query()
	p := termsPage{}
	name := cmp.Or(strings.ToUpper(q.Get("calendar")), "CN")
	var ok bool
	if p.Month, ok = c.month(v, name, q.Get("month"), "/terms"); !ok {
		return badMonth(q.Get("month"))
	}
	more, last, err := c.termsRows(v, &p, q.Get("after"))
	if err != nil {
		return err
	}
	if more {
		p.Next = templ.SafeURL("/terms?" + url.Values{"after": {last}}.Encode())
	}
	return v.render(http.StatusOK, termsView(v, &p))
}

func badMonth(month string) error {
	return fault.New(fault.Invalid, fault.Say("show month", "查看月份"), "", nil, fault.Say("write the month as 2026-06, and a calendar that there is", "月份写作 2026-06，并选择已有的日历"))
}

// termsRows fills in the merchants after a number.
func (c *Console) termsRows(v *visit, p *termsPage, after string) (more bool, last string, err error) {
	if c.o.Intake.Office == nil {
		c.evidenceTerms(v, p)
		return false, "", nil
	}
	list, more, err := c.o.Intake.Merchants(v.Context(), after, false, pageSize)
	if err != nil {
		return false, "", err
	}
	for i := range list {
		m := &list[i]
		row := termsRow{MID: m.MID, Name: m.Name, Waiting: slices.ContainsFunc(m.Proposals, func(q merchant.Proposal) bool { return q.Subject == merchant.OnTerms })}
		if t, ok := m.TermsOn(v.today()); ok {
			row.Now = v.agreed(m, t)
		}
		p.Rows = append(p.Rows, row)
		last = m.MID
	}
	return more, last, nil
}

// evidenceTerms lists the merchants whose terms are known by evidence alone.
func (c *Console) evidenceTerms(v *visit, p *termsPage) {
	c.o.Live.Read(func(now *investigation.Current) {
		a := now.Around()
		for _, word := range a.Context.Book.Merchants() {
			t := a.Context.Book.At(word, a.AsOf, a.Offset)
			p.Rows = append(p.Rows, termsRow{MID: a.View.Words.Text(word), Name: t.Name, Now: v.known(t)})
		}
	})
	slices.SortFunc(p.Rows, func(a, b termsRow) int { return strings.Compare(a.MID, b.MID) })
}

// agreed shows terms of a merchant's record.
func (v *visit) agreed(m *merchant.Merchant, t *merchant.Terms) termsLine {
	l := termsLine{From: t.ValidFrom.String(), Cycle: t.Cycle, Cutoff: t.Cutoff, PayoutBy: cmp.Or(t.PayoutBy, "18:00"), Zone: t.Timezone, Calendar: t.Calendar,
		Maker: t.Maker, Checker: t.Checker, Stated: true, Credit: strconv.Itoa(t.CreditDays), Capture: cmp.Or(t.Capture, "host")}
	for _, f := range t.Fees {
		l.Fees = append(l.Fees, v.fee(f.CardType, f.Network, f.Rate, f.Fixed, f.Cap, m.Currency))
	}
	if t.MinimumPayout > 0 {
		l.Minimum = report.Amount(t.MinimumPayout, m.Currency)
	}
	if t.Reserve.Rate > 0 {
		l.Reserve = v.say(t.Reserve.Rate.String()+" bp for "+strconv.Itoa(t.Reserve.Days)+" days", t.Reserve.Rate.String()+" 基点，留存 "+strconv.Itoa(t.Reserve.Days)+" 天")
	}
	in, _ := m.TermsOn(v.today())
	switch {
	case t.ValidFrom > v.today():
		l.Standing = stateMark{"wait", "→", v.say("to come", "待生效")}
	case in == nil || in.ValidFrom == t.ValidFrom:
		l.Standing = stateMark{"good", "✓", v.say("in force", "生效中")}
	default:
		l.Standing = stateMark{"calm", "·", v.say("before", "已失效")}
	}
	return l
}

// known shows terms that evidence tells.
func (v *visit) known(t *terms.Terms) termsLine {
	cycle := "T"
	if t.CalendarDays {
		cycle = "D"
	}
	l := termsLine{Cycle: cycle + strconv.Itoa(t.Days), Cutoff: clock(t.Cutoff), PayoutBy: clock(t.PayoutBy), Zone: t.Zone.String(), Calendar: t.Calendar.Name(), Stated: t.Stated,
		Credit: strconv.Itoa(t.CreditDays), Capture: "host", Standing: stateMark{"good", "✓", v.say("in force", "生效中")}}
	if t.ValidFrom != calendar.None {
		l.From = t.ValidFrom.String()
	}
	if t.TerminalCapture {
		l.Capture = "terminal"
	}
	if !t.Stated {
		l.Standing = stateMark{"calm", "?", v.say("assumed", "推断")}
	}
	cny, _ := money.ParseCurrency("CNY")
	for _, f := range t.Fees {
		l.Fees = append(l.Fees, v.fee(f.CardType.String(), f.Network, f.Rate, f.Fixed, f.Cap, cny))
	}
	return l
}

// fee writes one rule of a fee table: debit 0.50 %, at most CNY 18.00.
func (v *visit) fee(card, network string, rate money.Rate, fixed, limit int64, c money.Currency) string {
	words := map[string]string{"debit": v.say("debit", "借记卡"), "credit": v.say("credit", "信用卡"), "prepaid": v.say("prepaid", "预付卡"), "": ""}
	s := strings.TrimSpace(words[card] + " " + network)
	if s == "" {
		s = v.say("all other cards", "其他卡")
	}
	s += " " + rate.String() + v.say(" bp", " 基点")
	if fixed > 0 {
		s += " + " + report.Amount(fixed, c)
	}
	if limit > 0 {
		s += v.say(", at most ", "，封顶 ") + report.Amount(limit, c)
	}
	return s
}

// monthNames are those of the twelve months.
func (v *visit) monthName(year, month int) string {
	return v.say(time.Month(month).String()+" "+strconv.Itoa(year), strconv.Itoa(year)+" 年 "+strconv.Itoa(month)+" 月")
}

// month is a month of a calendar as the answers see it; false for one that there is
// not.
func (c *Console) month(v *visit, name, month, path string) (Month, bool) {
	if month == "" {
		month = v.today().String()[:7]
	}
	first, err := calendar.ParseDate(month + "-01")
	if err != nil {
		return Month{}, false
	}
	var days *calendar.Calendar
	c.o.Live.Read(func(now *investigation.Current) { days, _ = intake.CalendarOf(now, name) })
	if days == nil {
		return Month{}, false
	}
	year, number, _ := first.YMD()
	m := Month{Calendar: days.Name(), Name: v.monthName(year, number)}
	link := func(d calendar.Date) templ.SafeURL {
		return templ.SafeURL(path + "?" + url.Values{"calendar": {name}, "month": {d.String()[:7]}}.Encode() + "#month")
	}
	m.Before, m.After = link(first.Add(-1)), link(first.Add(31))
	seen := map[string]bool{}
	// Weeks begin on Monday.
	start := first.Add(-(int(first.Weekday()) + 6) % 7)
	for d := start; ; d++ {
		_, now, day := d.YMD()
		if d.Weekday() == time.Monday {
			if d > first && now != number {
				break
			}
			m.Weeks = append(m.Weeks, nil)
		}
		cell := monthDay{}
		if now == number {
			cell = v.monthDay(days, d, day)
			g := days.Ground(d)
			m.Provisional, m.Stated = m.Provisional || g.Provisional, m.Stated || g.Stated
			if g.Business {
				m.business++
			}
			if g.Notice != "" && !seen[g.Notice] {
				seen[g.Notice] = true
				m.Notices = append(m.Notices, noticeOf(g.Notice))
			}
		}
		w := len(m.Weeks) - 1
		m.Weeks[w] = append(m.Weeks[w], cell)
	}
	return m, true
}

// noticeOf parts a notice's number from its address.
func noticeOf(s string) noticeSource {
	at := strings.Index(s, "http")
	if at < 0 {
		return noticeSource{Name: s}
	}
	n := noticeSource{Name: strings.TrimSpace(s[:at]), Address: s[at:]}
	if n.Name == "" {
		n.Name = n.Address
	}
	return n
}

func (v *visit) monthDay(days *calendar.Calendar, d calendar.Date, day int) monthDay {
	g := days.Ground(d)
	cell := monthDay{Day: day, Date: d, Today: d == v.today(), Class: "off", Stated: g.Stated}
	if g.Business {
		cell.Class = ""
	}
	switch {
	case g.Stated && g.Business:
		cell.Word = v.say("stated: worked", "登记：上班")
	case g.Stated:
		cell.Word = v.say("stated: off", "登记：休息")
	case g.Business && !g.Weekend:
	default:
		cell.Word = v.both(g.Word())
	}
	cell.Title = d.String() + ": " + v.both(g.Word())
	if g.Notice != "" {
		cell.Title += " — " + g.Notice
	}
	return cell
}

// merchantTermsPage is what was agreed with one merchant, with the tester.
type merchantTermsPage struct {
	MID, Name string
	Lines     []termsLine // the latest first
	Proposed  []proposalLine
	Month
	At      string // asked of the tester
	Arrival *arrivalView
	Wrong   string
}

// arrivalView is the way of a sale's money.
type arrivalView struct {
	Sentence    string
	Steps       []stepView
	Provisional bool
	Assumed     bool
}

// stepView is one step.
type stepView struct {
	Name string
	When string
	ISO  string
	Why  []string
}

func (c *Console) termsOf(v *visit) error {
	mid := v.PathValue("mid")
	if v.only != "" && mid != v.only {
		return errNoPage
	}
	p := merchantTermsPage{MID: mid}
	name, found, err := c.linesOf(v, &p)
	if err != nil {
		return err
	}
	if !found {
		return errNoPage
	}
	q := v.URL.Query()
	var ok bool
	if p.Month, ok = c.month(v, cmp.Or(strings.ToUpper(q.Get("calendar")), name), q.Get("month"), "/terms/"+url.PathEscape(mid)); !ok {
		return badMonth(q.Get("month"))
	}
	c.test(v, &p, q.Get("at"))
	return v.render(http.StatusOK, merchantTermsView(v, &p))
}

// linesOf fills in what is known of a merchant's terms, and gives its calendar.
func (c *Console) linesOf(v *visit, p *merchantTermsPage) (name string, found bool, err error) {
	name = "CN"
	if c.o.Intake.Office != nil {
		m, _, err := c.o.Intake.Merchant(v.Context(), p.MID)
		switch {
		case err == nil:
			p.Name = m.Name
			for i := range slices.Backward(m.Terms) {
				p.Lines = append(p.Lines, v.agreed(&m, &m.Terms[i]))
			}
			p.Proposed = v.proposals(&m, merchant.OnTerms)
			if t, ok := m.TermsOn(v.today()); ok {
				name = t.Calendar
			}
			return name, true, nil
		case fault.KindOf(err) != fault.NotFound:
			return name, false, err
		}
	}
	c.o.Live.Read(func(now *investigation.Current) {
		a := now.Around()
		word, ok := a.View.Words.Find(p.MID)
		if !ok {
			return
		}
		all := a.Context.Book.All(word)
		found = len(all) > 0
		for _, t := range slices.Backward(all) {
			p.Name = cmp.Or(p.Name, t.Name)
			p.Lines = append(p.Lines, v.known(t))
			name = t.Calendar.Name()
		}
	})
	return name, found, nil
}

// test answers the tester: when the money of a sale at a moment arrives, and why.
func (c *Console) test(v *visit, p *merchantTermsPage, at string) {
	moment := c.o.Now().In(v.console.o.Zone)
	if at != "" {
		t, err := time.ParseInLocation(localTime, at, v.console.o.Zone)
		if err != nil {
			p.Wrong = v.say("write the moment as 2026-06-12T23:30", "时间写作 2026-06-12T23:30")
			p.At = at
			return
		}
		moment = t
	}
	p.At = moment.Format(localTime)
	c.o.Live.Read(func(now *investigation.Current) {
		_, offset := moment.Zone()
		instant := evidence.InstantOf(moment)
		t, ok := intake.TermsAt(now, p.MID, instant, int16(offset/60))
		if !ok {
			return
		}
		a := t.Arrival(instant)
		view := &arrivalView{Provisional: a.Provisional, Assumed: !t.Stated}
		for _, s := range a.Steps {
			step := stepView{Name: v.both(s.Name.Word()), When: v.dated(s.Day)}
			if s.At != 0 {
				local := s.At.In(t.Zone)
				step.When = v.dated(s.Day) + " " + local.Format("15:04")
				step.ISO = local.Format(time.RFC3339)
			}
			for _, w := range s.Why {
				step.Why = append(step.Why, v.both(w))
			}
			view.Steps = append(view.Steps, step)
		}
		credit := v.dated(a.Due.CreditDay)
		view.Sentence = v.say("The money is on the account by the end of "+credit+".", "款项最迟于 "+credit+" 日终到账。")
		p.Arrival = view
	})
}

// dated writes a date with its weekday.
func (v *visit) dated(d calendar.Date) string {
	zh := [...]string{"日", "一", "二", "三", "四", "五", "六"}
	return v.say(d.Weekday().String()[:3]+" "+d.String(), d.String()+" 周"+zh[d.Weekday()])
}

// weekdayNames are the heads of a month's picture, Monday first.
func weekdayNames(v *visit) []string {
	if v.lang == "zh" {
		return []string{"一", "二", "三", "四", "五", "六", "日"}
	}
	return []string{"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"}
}
