package api

import (
	"time"

	"daozhang/internal/access"
	"daozhang/internal/calendar"
	"daozhang/internal/intake"
	"daozhang/internal/investigation"
	"daozhang/internal/money"
)

// Circumstances are what answers rest on now, whoever stated it.
type Circumstances struct {
	Notices  []Notice    `json:"notices" doc:"that hold or are announced"`
	Links    []LinkState `json:"links" doc:"latest states, each for seven days"`
	Holidays []Holiday   `json:"holidays" doc:"days from today on that differ from the built-in calendars"`
}

// Notice is what a counterparty announced.
type Notice struct {
	Notice  string    `json:"notice" doc:"its number"`
	Issuer  string    `json:"issuer"`
	What    string    `json:"what" enum:"maintenance,incident,policy,resolved,cancelled"`
	From    time.Time `json:"from"`
	To      time.Time `json:"to,omitzero" doc:"absent where not known"`
	Affects []string  `json:"affects,omitempty" doc:"links, or authorization, clearing, settlement, payout; none: all of its issuer's"`
	Title   string    `json:"title"`
	Source  string    `json:"source,omitempty" doc:"who told it"`
	// Concerns is what an entry touches now.
	Concerns *Concerns `json:"concerns,omitempty" doc:"what an entry touches now"`
}

// LinkState is the state of a link.
type LinkState struct {
	Link     string    `json:"link"`
	State    string    `json:"state" enum:"up,degraded,down"`
	Since    time.Time `json:"since"`
	Source   string    `json:"source,omitempty" doc:"who told it"`
	Concerns *Concerns `json:"concerns,omitempty" doc:"what an entry touches now"`
}

// Holiday is a stated day of a calendar.
type Holiday struct {
	Calendar string    `json:"calendar"`
	Date     string    `json:"date" format:"date"`
	What     string    `json:"what" enum:"holiday,workday"`
	Source   string    `json:"source,omitempty" doc:"who told it"`
	Concerns *Concerns `json:"concerns,omitempty" doc:"what an entry touches now"`
}

// Concerns counts the payments that wait for what a circumstance is about.
type Concerns struct {
	Payments int   `json:"payments"`
	Sums     []Sum `json:"sums" doc:"of what waits"`
}

func concernsOf(c intake.Concern) *Concerns {
	by := map[money.Currency]investigation.Sum{}
	for currency, v := range c.Sums {
		by[currency] = investigation.Sum{Amount: v}
	}
	return &Concerns{c.Payments, sumsOf(by)}
}

func (s *Server) circumstanceOperations() {
	absent := s.o.Intake == nil
	op := func(o operation) operation {
		o.Tag, o.Absent = "circumstances", absent
		if o.Action == "" {
			o.Action = access.StateCircumstances
		}
		return o
	}
	register(s, op(operation{Method: "GET", Path: "/v1/circumstances", ID: "getCircumstances", Summary: "Notices, states of links and stated days that are in force.",
		Action: access.ReadOverview}), s.getCircumstances)
	register(s, op(operation{Method: "POST", Path: "/v1/notices", ID: "postNotice", Summary: "Enter a notice: it becomes evidence, and the answers change at once.",
		Description: "With dry_run nothing is kept, and concerns says what it would touch."}), s.postNotice)
	register(s, op(operation{Method: "POST", Path: "/v1/notices/{notice}/end", ID: "postNoticeEnd", Summary: "End a notice that is in force."}), s.postNoticeEnd)
	register(s, op(operation{Method: "POST", Path: "/v1/links", ID: "postLinkState", Summary: "State a link up, degraded or down."}), s.postLinkState)
	register(s, op(operation{Method: "POST", Path: "/v1/holidays", ID: "postHoliday", Summary: "State that a day of a calendar is off, or worked."}), s.postHoliday)
}

func noticeOf(n *intake.Notice) Notice {
	return Notice{Notice: n.ID, Issuer: n.Issuer, What: n.What, From: n.From, To: n.To, Affects: n.Affects, Title: n.Title}
}

func (s *Server) inForce() (in intake.Circumstances) {
	s.o.Live.Read(func(now *investigation.Current) { in = intake.InForce(now.Around().View, s.o.Now()) })
	return in
}

func (s *Server) getCircumstances(*call, *nothing) (*Circumstances, error) {
	in := s.inForce()
	out := &Circumstances{Notices: []Notice{}, Links: []LinkState{}, Holidays: []Holiday{}}
	for i := range in.Notices {
		n := noticeOf(&in.Notices[i].Notice)
		n.Source = in.Notices[i].Source
		out.Notices = append(out.Notices, n)
	}
	for _, l := range in.Links {
		out.Links = append(out.Links, LinkState{Link: l.Link, State: l.State, Since: l.Since, Source: l.Source})
	}
	for _, h := range in.Holidays {
		out.Holidays = append(out.Holidays, Holiday{Calendar: h.Calendar, Date: h.Date.String(), What: dayWord(h.Workday), Source: h.Source})
	}
	return out, nil
}

func dayWord(worked bool) string {
	if worked {
		return "workday"
	}
	return "holiday"
}

type noticeEntered struct {
	Dry  bool `query:"dry_run" doc:"say what it would concern and keep nothing"`
	Body struct {
		Notice  string    `json:"notice,omitempty" maxLength:"64" doc:"its number; made where absent"`
		Issuer  string    `json:"issuer" doc:"bank/NAME, issuer/NAME, network/NAME, vendor/NAME or platform"`
		What    string    `json:"what" enum:"maintenance,incident,policy"`
		From    time.Time `json:"from"`
		To      time.Time `json:"to,omitempty"`
		Affects []string  `json:"affects,omitempty" maxItems:"50" doc:"links, or authorization, clearing, settlement, payout; none: all of its issuer's"`
		Title   string    `json:"title" maxLength:"400"`
	}
}

func (s *Server) postNotice(c *call, in *noticeEntered) (*Notice, error) {
	b := &in.Body
	n := intake.Notice{ID: b.Notice, Issuer: b.Issuer, What: b.What, From: b.From, To: b.To, Affects: b.Affects, Title: b.Title}
	var touches intake.Concern
	s.o.Live.Read(func(now *investigation.Current) { touches = intake.NoticeConcerns(now, &n) })
	if !in.Dry {
		var err error
		if n, err = s.o.Intake.StateNotice(c.Context(), c.actor(), n); err != nil {
			return nil, flawed(err)
		}
	}
	out := noticeOf(&n)
	out.Concerns = concernsOf(touches)
	return &out, nil
}

type noticeMeant struct {
	Notice string `path:"notice" maxLength:"64" doc:"its number"`
}

func (s *Server) postNoticeEnd(c *call, in *noticeMeant) (*Notice, error) {
	force := s.inForce()
	n, err := s.o.Intake.EndNotice(c.Context(), c.actor(), &force, in.Notice)
	if err != nil {
		return nil, err
	}
	out := noticeOf(&n)
	return &out, nil
}

type linkStated struct {
	Dry  bool `query:"dry_run" doc:"say what it would concern and keep nothing"`
	Body struct {
		Link  string    `json:"link" doc:"such as platform-bank/ICBC"`
		State string    `json:"state" enum:"up,degraded,down"`
		Since time.Time `json:"since,omitempty" doc:"default now"`
	}
}

func (s *Server) postLinkState(c *call, in *linkStated) (*LinkState, error) {
	l := intake.LinkState{Link: in.Body.Link, State: in.Body.State, Since: in.Body.Since}
	var touches intake.Concern
	s.o.Live.Read(func(now *investigation.Current) { touches = intake.LinkConcerns(now, l.Link) })
	if !in.Dry {
		var err error
		if l, err = s.o.Intake.StateLink(c.Context(), c.actor(), l); err != nil {
			return nil, flawed(err)
		}
	}
	return &LinkState{Link: l.Link, State: l.State, Since: l.Since, Concerns: concernsOf(touches)}, nil
}

type holidayStated struct {
	Dry  bool `query:"dry_run" doc:"say what it would concern and keep nothing"`
	Body struct {
		Calendar string `json:"calendar" maxLength:"32" doc:"CN, TARGET2, US, GB or WEEKEND"`
		Date     string `json:"date" format:"date"`
		What     string `json:"what" enum:"holiday,workday"`
	}
}

func (s *Server) postHoliday(c *call, in *holidayStated) (*Holiday, error) {
	b := &in.Body
	h := intake.Holiday{Calendar: b.Calendar, Date: calendar.None, Workday: b.What == "workday"}
	if d, err := calendar.ParseDate(b.Date); err == nil {
		h.Date = d
	}
	var touches intake.Concern
	s.o.Live.Read(func(now *investigation.Current) { touches = intake.HolidayConcerns(now, h.Calendar) })
	if !in.Dry {
		if err := s.o.Intake.StateHoliday(c.Context(), c.actor(), h); err != nil {
			return nil, flawed(err)
		}
	}
	return &Holiday{Calendar: h.Calendar, Date: h.Date.String(), What: b.What, Concerns: concernsOf(touches)}, nil
}
