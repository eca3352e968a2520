package api

import (
	"time"

	"daozhang/internal/access"
	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/intake"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// SaleArrival is when the money of a sale arrives under a merchant's terms, and why.
type SaleArrival struct {
	MID          string    `json:"mid"`
	At           time.Time `json:"at" doc:"of the sale"`
	BusinessDate string    `json:"business_date" format:"date"`
	Payout       time.Time `json:"payout_by"`
	Credit       time.Time `json:"credit_by"`
	Provisional  bool      `json:"provisional,omitempty" doc:"it rests on days that no official notice confirms yet"`
	Terms        string    `json:"terms" enum:"stated,assumed" doc:"whether terms were agreed for that date"`
	Steps        []Step    `json:"steps"`
}

// Step is one step of the money's way.
type Step struct {
	Name string    `json:"name" enum:"sale,business_date,clearing,settlement,payout,credit"`
	Day  string    `json:"day" format:"date" doc:"in the merchant's zone"`
	At   time.Time `json:"at,omitzero" doc:"absent for a step that is a date alone"`
	Why  []Words   `json:"why,omitempty"`
}

// Month is the days of one month of a calendar.
type Month struct {
	Calendar string `json:"calendar"`
	Days     []Day  `json:"days"`
}

// Day is why a day is a business day or not.
type Day struct {
	Date        string `json:"date" format:"date"`
	Business    bool   `json:"business_day"`
	Festival    *Words `json:"festival,omitempty"`
	Notice      string `json:"notice,omitempty" doc:"the official notice, with its address"`
	Stated      bool   `json:"stated,omitempty" doc:"somebody stated it, see POST /v1/holidays"`
	Provisional bool   `json:"provisional,omitempty" doc:"no official notice confirms it yet"`
}

func (s *Server) calendarOperations() {
	absent := s.o.Intake == nil
	register(s, operation{Method: "GET", Path: "/v1/calendar/arrival", ID: "getArrival", Tag: "calendar", Summary: "When the money of a sale made at a moment arrives, step by step, and why.",
		Action: access.ReadTerms, Narrows: true, Absent: absent}, s.getArrival)
	register(s, operation{Method: "GET", Path: "/v1/calendars/{calendar}", ID: "getCalendar", Tag: "calendar", Summary: "The days of a month, with the notice behind each.",
		Action: access.ReadTerms, Narrows: true, Absent: absent}, s.getCalendar)
}

type arrivalAsked struct {
	MID string `query:"mid" maxLength:"64" doc:"the merchant; a key of a single merchant need not say it"`
	At  string `query:"at" required:"true" format:"date-time" doc:"when the card is swiped"`
}

func (s *Server) getArrival(c *call, in *arrivalAsked) (*SaleArrival, error) {
	mid := in.MID
	if c.only != "" && mid == "" {
		mid = c.only
	}
	at, err := time.Parse(time.RFC3339, in.At)
	if err != nil {
		return nil, unacceptable(invalid("query.at", fault.Say("write a moment with its offset, such as 2026-06-12T23:30:00+08:00", "请写带时区的时间，如 2026-06-12T23:30:00+08:00")))
	}
	var out *SaleArrival
	if c.only == "" || c.only == mid {
		s.o.Live.Read(func(now *investigation.Current) {
			_, offset := at.Zone()
			instant := evidence.InstantOf(at)
			t, ok := intake.TermsAt(now, mid, instant, int16(offset/60))
			if !ok {
				return
			}
			a := t.Arrival(instant)
			out = &SaleArrival{MID: mid, At: at, BusinessDate: t.BusinessDate(instant).String(), Payout: a.Due.Payout.In(t.Zone), Credit: a.Due.Credit.In(t.Zone),
				Provisional: a.Provisional, Terms: "stated"}
			if !t.Stated {
				out.Terms = "assumed"
			}
			for _, x := range a.Steps {
				step := Step{Name: string(x.Name), Day: x.Day.String()}
				if x.At != 0 {
					step.At = x.At.In(t.Zone)
				}
				for _, w := range x.Why {
					step.Why = append(step.Why, wordsOf(report.Text(w)))
				}
				out.Steps = append(out.Steps, step)
			}
		})
	}
	if out == nil {
		return nil, fault.New(fault.NotFound, fault.Say("find merchant", "查找商户"), mid, nil, fault.Say("no fact and no terms name it", "没有任何事实或条款提到该商户"))
	}
	return out, nil
}

type monthAsked struct {
	Calendar string `path:"calendar" maxLength:"32" doc:"CN, TARGET2, US, GB or WEEKEND"`
	Month    string `query:"month" pattern:"^[0-9]{4}-[0-9]{2}$" doc:"such as 2026-06; default the present"`
}

func (s *Server) getCalendar(_ *call, in *monthAsked) (*Month, error) {
	month := in.Month
	if month == "" {
		month = s.o.Now().Format("2006-01")
	}
	first, err := calendar.ParseDate(month + "-01")
	if err != nil {
		return nil, unacceptable(invalid("query.month", fault.Say("write a month, such as 2026-06", "请写月份，如 2026-06")))
	}
	var days *calendar.Calendar
	s.o.Live.Read(func(now *investigation.Current) { days, _ = intake.CalendarOf(now, in.Calendar) })
	if days == nil {
		return nil, fault.New(fault.NotFound, fault.Say("find calendar", "查找日历"), "", nil, fault.Say("there are CN, TARGET2, US, GB and WEEKEND", "可用的有 CN、TARGET2、US、GB、WEEKEND"))
	}
	out := &Month{Calendar: days.Name(), Days: []Day{}}
	for d := first; d.String()[:7] == month; d++ {
		g := days.Ground(d)
		day := Day{Date: d.String(), Business: g.Business, Notice: g.Notice, Stated: g.Stated, Provisional: g.Provisional}
		if !g.Festival.None() {
			day.Festival = new(wordsOf(report.Text(g.Festival)))
		}
		out.Days = append(out.Days, day)
	}
	return out, nil
}
