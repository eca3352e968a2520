package intake

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/fault"
)

// Expectation is when the file of a source has to be there for each day.
type Expectation struct {
	// Source is a folder of the back office ("clearing/UnionPay") or the stream of a
	// file that people bring ("wechat.tradebill/1900000109").
	Source string
	Origin Origin
	// Business says that a file comes for business days of Calendar only, and that Lag
	// counts those; else for every day.
	Business bool
	Calendar string
	// Zone is that of By, an IANA name; "" is the institution's.
	Zone string
	// Lag is how many days after its day a file is due, By the minute of that day.
	Lag int
	By  int
	// From is the first day for which one is expected; calendar.None for as long as
	// there is anything.
	From calendar.Date
	// Off says that none is expected although the configuration, or what was learnt,
	// would have it.
	Off bool
	// OnTrade says that one is expected only for a day of which something is captured
	// and not cleared: Network names whose.
	OnTrade bool
	Network string
	// Owner is who has to send it: "network/UnionPay".
	Owner string
	// By whom and when it was set; empty for one that nobody set.
	Set   time.Time
	SetBy string
}

// Origin is whence an expectation is known.
type Origin string

// The origins.
const (
	// Configured follows from the configuration's networks and banks.
	Configured Origin = "configured"
	// Stated was set by a person.
	Stated Origin = "stated"
	// Learnt follows from when the files came so far. Its absence is shown and opens
	// no exception: a habit is no promise.
	Learnt Origin = "learnt"
)

// usualBy is when a file is due on the day after, where nobody has said otherwise.
const usualBy = 10 * 60

// flaws is what is wrong with an expectation that a person sets.
func (e *Expectation) flaws(calendars func(string) (*calendar.Calendar, bool)) Flaws {
	var f Flaws
	f.need(e.Source != "" && len(e.Source) <= 128, "source", fault.Say("name the source, such as clearing/UnionPay", "请填写来源，如 clearing/UnionPay"))
	f.need(e.By >= 0 && e.By <= 24*60, "by", fault.Say("give a time of day from 00:00 to 24:00", "请填写 00:00 至 24:00 的时刻"))
	f.need(e.Lag >= 0 && e.Lag <= 31, "lag", fault.Say("a file is due 0 to 31 days after its day", "文件应在其日期后 0 至 31 天内到达"))
	if e.Business {
		_, ok := calendars(e.Calendar)
		f.need(ok, "calendar", fault.Say("choose one of CN, TARGET2, US, GB and WEEKEND", "请选择 CN、TARGET2、US、GB 或 WEEKEND"))
	}
	if e.Zone != "" {
		_, err := calendar.Location(e.Zone)
		f.need(err == nil, "zone", fault.Say("name the time zone, such as Asia/Shanghai", "请填写时区，如 Asia/Shanghai"))
	}
	return f
}

// describe is an expectation in a line of the audit log.
func (e *Expectation) describe() string {
	if e.Off {
		return "not expected"
	}
	days := "every day"
	if e.Business {
		days = "business days of " + e.Calendar
	}
	return fmt.Sprintf("%s, %d days after, by %02d:%02d", days, e.Lag, e.By/60, e.By%60)
}

// fits reports whether a file is expected for a day at all.
func (e *Expectation) fits(day calendar.Date, c *calendar.Calendar) bool {
	return !e.Off && day >= e.From && (!e.Business || c == nil || c.IsBusinessDay(day))
}

// due is when the file of a day has to be there.
func (e *Expectation) due(day calendar.Date, c *calendar.Calendar, zone *time.Location) time.Time {
	d := day.Add(e.Lag)
	if e.Business && c != nil {
		d = c.AddBusinessDays(day, e.Lag)
	}
	y, m, n := d.YMD()
	return time.Date(y, time.Month(m), n, 0, e.By, 0, 0, zone)
}

// configured are the expectations that follow from the back office's networks and
// banks: each network clears every day of which something was captured, each bank
// states the safeguarded account every business day.
func configured(o *backoffice.Office) []Expectation {
	if o == nil {
		return nil
	}
	zoneName := func(z *time.Location) string {
		if z == nil {
			return ""
		}
		return z.String()
	}
	var all []Expectation
	for i := range o.Networks {
		n := &o.Networks[i]
		all = append(all, Expectation{Source: "clearing/" + n.Name, Origin: Configured, Zone: zoneName(n.Zone), Lag: 1, By: usualBy, From: calendar.None,
			OnTrade: true, Network: n.Name, Owner: "network/" + n.Name})
	}
	for i := range o.Banks {
		b := &o.Banks[i]
		all = append(all, Expectation{Source: "statements/" + b.Name, Origin: Configured, Business: true, Calendar: usualCalendar(b.Currency.String()), Zone: zoneName(b.Zone),
			Lag: 1, By: usualBy, From: calendar.None, Owner: "bank/" + b.Name})
	}
	return all
}

// usualCalendar is that of a currency's banks.
func usualCalendar(currency string) string {
	switch currency {
	case "CNY":
		return "CN"
	case "EUR":
		return "TARGET2"
	case "USD":
		return "US"
	case "GBP":
		return "GB"
	}
	return "WEEKEND"
}

// Arrival is a file that came for a day.
type Arrival struct {
	Source string
	Day    calendar.Date
	At     time.Time
	// Folder and ID name the file, see File.
	Folder, ID string
	// Spoilt says that it was refused: nothing of it is on record.
	Spoilt bool
}

// dateInName finds the day in the name of a file: 20260603, 2026-06-03, 260603.
var dateInName = regexp.MustCompile(`(?:^|\D)(20\d\d)[-_.]?(\d\d)[-_.]?(\d\d)(?:\D|$)`)

// dayInName is the day of which a file's name speaks; calendar.None for none.
func dayInName(name string) calendar.Date {
	m := dateInName.FindStringSubmatch(name)
	if m == nil {
		return calendar.None
	}
	n := [3]int{}
	for i := range n {
		n[i], _ = strconv.Atoi(m[i+1])
	}
	d, err := calendar.FromYMD(n[0], n[1], n[2])
	if err != nil {
		return calendar.None
	}
	return d
}

// arrivals are the files that came since a day, of the folders and of people.
func (i *Intake) arrivals(ctx context.Context, since calendar.Date) ([]Arrival, error) {
	from := since.In(i.zone())
	var all []Arrival
	if i.Office != nil {
		for folder := range i.Office.Boxes() {
			for f, err := range i.Keeper.Filings(ctx, folder) {
				if err != nil {
					return nil, err
				}
				if f.Received.Before(from) {
					break
				}
				all = append(all, Arrival{Source: folder, Day: i.filingDay(&f), At: f.Received, Folder: folder, ID: f.Hash, Spoilt: f.State == backoffice.Refused})
			}
		}
	}
	for f, err := range i.Keeper.FilesSince(ctx, from) {
		if err != nil {
			return nil, err
		}
		for _, s := range f.Streams {
			for _, d := range s.Days {
				all = append(all, Arrival{Source: s.Name, Day: d, At: f.At, ID: f.ID, Spoilt: f.State == Refused})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Arrival) int { return a.At.Compare(b.At) })
	return all, nil
}

// filingDay is the day for which a file of a folder came: that which it says, or
// that in its name, or the day before it came.
func (i *Intake) filingDay(f *backoffice.Filing) calendar.Date {
	if f.Date != calendar.None && f.State != backoffice.Waiting {
		return f.Date
	}
	if d := dayInName(f.Name); d != calendar.None {
		return d
	}
	return calendar.DateIn(f.Received, i.zone()).Add(-1)
}

// SourceTitle is a source for people, with an account by its last four.
func SourceTitle(source string) fault.Text {
	head, party, _ := strings.Cut(source, "/")
	if masked, found := card.MaskText(party); found {
		party = masked
	}
	switch head {
	case "clearing":
		return fault.Say("Clearing of %s", "%s 清算文件", party)
	case "statements":
		return fault.Say("Statements of %s", "%s 备付金账户对账单", party)
	case "replies":
		return fault.Say("Replies of %s", "%s 出款回执", party)
	case "payees":
		return fault.Say("Merchants' statements by %s", "%s 商户账户对账单", party)
	}
	return fault.Same(head + " " + party)
}
