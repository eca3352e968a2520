package api

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/money"
)

// MapRow is a row of the money map: a merchant's business date in one currency. The
// places add up to gross; amounts are in minor units.
type MapRow struct {
	MID         string           `json:"mid,omitempty" doc:"merchant (ISO 8583 field 42)"`
	Currency    string           `json:"currency" doc:"ISO 4217"`
	Date        string           `json:"date" format:"date" doc:"business date"`
	Gross       int64            `json:"gross" doc:"approved"`
	Arrived     int64            `json:"arrived" doc:"proved by booked bank entries"`
	Confirmed   int64            `json:"confirmed" doc:"the paying bank says credited"`
	Fees        int64            `json:"fees"`
	Refunded    int64            `json:"refunded"`
	Chargebacks int64            `json:"chargebacks"`
	Reserves    int64            `json:"reserves"`
	Adjustments int64            `json:"adjustments"`
	Held        int64            `json:"held"`
	InTransit   map[string]int64 `json:"in_transit" doc:"by stage"`
	Overdue     map[string]int64 `json:"overdue" doc:"by stage"`
	Unproven    int64            `json:"unproven" doc:"due, and no statement shows it"`
	Short       int64            `json:"short"`
	Unknown     int64            `json:"unknown" doc:"whether it was charged is open"`
	NotCharged  int64            `json:"not_charged" doc:"a memo, no place"`
	Deductions  int64            `json:"deductions" doc:"that name no payment; a memo, no place"`
}

// MoneyMap is where all money is.
type MoneyMap struct {
	AsOf  time.Time `json:"as_of" doc:"the moment of the answer"`
	Items []MapRow  `json:"items" doc:"in order of merchant, currency and date"`
}

// Incident is one fault and the payments that it stops.
type Incident struct {
	ID       string    `json:"id" doc:"for GET /v1/incidents/{id}"`
	Cause    string    `json:"cause" doc:"code of the catalogue"`
	Title    Words     `json:"title"`
	Scope    string    `json:"scope" doc:"what is faulty: a link, a terminal, a payout, …"`
	From     time.Time `json:"from,omitzero"`
	To       time.Time `json:"to,omitzero" doc:"absent while it lasts"`
	Count    int       `json:"count" doc:"payments"`
	Amount   int64     `json:"amount" doc:"in minor units"`
	Currency string    `json:"currency" doc:"ISO 4217"`
	Party    string    `json:"party" doc:"who acts next"`
	Expected time.Time `json:"expected,omitzero" doc:"latest likely arrival"`
}

// IncidentList is all incidents.
type IncidentList struct {
	AsOf  time.Time  `json:"as_of" doc:"the moment of the answer"`
	Items []Incident `json:"items" doc:"in order of their beginning"`
}

// Overview is all money in a few figures.
type Overview struct {
	AsOf      time.Time       `json:"as_of" doc:"the moment of the answer"`
	Statuses  []StatusSum     `json:"statuses" doc:"payments by currency and status"`
	Overdue   []OverdueSum    `json:"overdue" doc:"overdue payments by currency and cause"`
	Arrivals  []Arrival       `json:"arrivals" doc:"what is expected on the next days"`
	Incidents []Incident      `json:"incidents" doc:"the faults that stop payments, in order of their beginning"`
	Sources   []SourceReached `json:"sources" doc:"how far each source has told"`
}

// StatusSum is the payments of one status.
type StatusSum struct {
	Status string `json:"status" enum:"not_charged,refunded,unknown,arrived,held,short,confirmed,in_transit,unproven,overdue"`
	Sum
}

// OverdueSum is the overdue payments of one cause.
type OverdueSum struct {
	Cause  string    `json:"cause,omitempty" doc:"code of the catalogue; absent where nothing tells"`
	Oldest time.Time `json:"oldest_due" doc:"the earliest due time of a leg that is late"`
	Sum
}

// Arrival is what is expected on one day.
type Arrival struct {
	Date string `json:"date" format:"date"`
	Sum
}

// SourceReached is how far a source has told of one type of fact.
type SourceReached struct {
	Source string    `json:"source"`
	Type   string    `json:"type" doc:"of its facts"`
	Last   time.Time `json:"last" doc:"time of its latest fact"`
	Facts  int       `json:"facts"`
}

// mapAsked narrows the money map.
type mapAsked struct {
	MID      string `query:"mid" maxLength:"64" doc:"merchant (ISO 8583 field 42)"`
	Currency string `query:"currency" pattern:"^[A-Z]{3}$" doc:"ISO 4217"`
	From     string `query:"from" format:"date" doc:"business date, from"`
	To       string `query:"to" format:"date" doc:"business date, up to"`
}

// incidentAsked names an incident.
type incidentAsked struct {
	ID string `path:"id" maxLength:"128"`
}

func (s *Server) overviewOperations() {
	register(s, operation{Method: "GET", Path: "/v1/overview", ID: "getOverview", Tag: "overview", Summary: "All money in a few figures.",
		Action: access.ReadOverview}, s.getOverview)
	register(s, operation{Method: "GET", Path: "/v1/money-map", ID: "getMoneyMap", Tag: "overview", Summary: "Where all money is, to the last minor unit.",
		Action: access.ReadPayments, Narrows: true}, s.getMoneyMap)
	register(s, operation{Method: "GET", Path: "/v1/incidents", ID: "listIncidents", Tag: "overview", Summary: "The faults that stop payments.",
		Action: access.ReadOverview}, s.listIncidents)
	stream(s, operation{Method: "GET", Path: "/v1/incidents/{id}", ID: "getIncident", Tag: "overview", Summary: "One fault; GET /v1/payments?incident= lists what it stops.",
		Action: access.ReadOverview, Answer: s.jsonOf(Incident{})}, s.getIncident)
}

// getMoneyMap gives the map of all nodes: a row is of one merchant, and so of one
// node.
func (s *Server) getMoneyMap(c *call, in *mapAsked) (*MoneyMap, error) {
	mid, err := c.narrowed(in.MID)
	if err != nil {
		return nil, err
	}
	from, err1 := dateOf("query.from", in.From)
	to, err2 := dateOf("query.to", in.To)
	if err := unacceptable(err1, err2); err != nil {
		return nil, err
	}
	m := MoneyMap{Items: []MapRow{}}
	s.o.Live.Read(func(now *investigation.Current) {
		m.AsOf = momentOf(now.AsOf(), now.Around().Offset)
		text := now.Around().View.Words.Text
		rows := now.Map()
		m.Items = slices.Grow(m.Items, len(rows))
		for _, r := range rows {
			if mid == "" || text(r.MID) == mid {
				m.Items = append(m.Items, rowOf(r, text(r.MID)))
			}
		}
	})
	others, err := gather[MoneyMap](c)
	if err != nil {
		return nil, err
	}
	for _, o := range others {
		m.Items = append(m.Items, o.Items...)
	}
	m.Items = slices.DeleteFunc(m.Items, func(r MapRow) bool {
		return in.Currency != "" && r.Currency != in.Currency || from != 0 && r.Date < from.String() || to != 0 && r.Date > to.String()
	})
	if len(others) > 0 { // each node's are in order
		slices.SortStableFunc(m.Items, func(a, b MapRow) int {
			return cmp.Or(strings.Compare(a.MID, b.MID), strings.Compare(a.Currency, b.Currency), strings.Compare(a.Date, b.Date))
		})
	}
	return &m, nil
}

func rowOf(r *journey.Row, mid string) MapRow {
	return MapRow{MID: mid, Currency: r.Currency.String(), Date: r.Date.String(), Gross: r.Gross, Arrived: r.Arrived, Confirmed: r.Confirmed, Fees: r.Fees, Refunded: r.Refunded,
		Chargebacks: r.Chargebacks, Reserves: r.Reserves, Adjustments: r.Adjustments, Held: r.Held, InTransit: byStage(&r.InTransit), Overdue: byStage(&r.Overdue),
		Unproven: r.Unproven, Short: r.Short, Unknown: r.Unknown, NotCharged: r.NotCharged, Deductions: r.Memo}
}

func byStage(by *[journey.Credited + 1]int64) map[string]int64 {
	out := map[string]int64{}
	for stage, n := range by {
		if n != 0 {
			out[journey.Stage(stage).String()] = n
		}
	}
	return out
}

// incidents are those of all nodes: one that stops payments of several is one.
func (s *Server) incidents(c *call) (*IncidentList, error) {
	var list *IncidentList
	s.o.Live.Read(func(now *investigation.Current) { list = incidentsOf(now) })
	others, err := gather[IncidentList](c)
	if err != nil {
		return nil, err
	}
	for _, o := range others {
		list.merge(o.Items)
	}
	return list, nil
}

func incidentsOf(now *investigation.Current) *IncidentList {
	list := IncidentList{AsOf: momentOf(now.AsOf(), now.Around().Offset), Items: []Incident{}}
	for _, i := range now.Incidents() {
		list.Items = append(list.Items, incidentOf(i))
	}
	return &list
}

// merge adds the incidents of another node.
func (l *IncidentList) merge(others []Incident) {
	for _, i := range others {
		at := slices.IndexFunc(l.Items, func(o Incident) bool { return o.ID == i.ID && o.Currency == i.Currency })
		if at < 0 {
			l.Items = append(l.Items, i)
			continue
		}
		o := &l.Items[at]
		o.Count, o.Amount = o.Count+i.Count, o.Amount+i.Amount
		if i.Expected.After(o.Expected) {
			o.Expected = i.Expected
		}
	}
	slices.SortStableFunc(l.Items, func(a, b Incident) int { return cmp.Or(a.From.Compare(b.From), strings.Compare(a.ID, b.ID)) })
}

func (s *Server) listIncidents(c *call, _ *nothing) (*IncidentList, error) { return s.incidents(c) }

func (s *Server) getIncident(c *call, in *incidentAsked) error {
	list, err := s.incidents(c)
	if err != nil {
		return err
	}
	if c.Header.Get(gathered) != "" { // another node asks for all that this one has
		return c.json(http.StatusOK, list)
	}
	for _, i := range list.Items {
		if i.ID == in.ID {
			return c.json(http.StatusOK, i)
		}
	}
	return fault.New(fault.NotFound, fault.Say("find incident", "查找事件"), masked(in.ID), nil, fault.Say("GET /v1/incidents lists those there are", "GET /v1/incidents 列出全部事件"))
}

func incidentOf(i *investigation.Incident) Incident {
	out := Incident{ID: i.ID, Cause: i.Key.Cause, Scope: i.Key.Scope, From: momentOf(i.Key.From, i.Offset), To: momentOf(i.Key.To, i.Offset), Count: i.Count, Amount: i.Amount,
		Currency: i.Currency.String(), Party: i.Party.String(), Expected: momentOf(i.Expected, i.Offset)}
	if i.Cause != nil {
		out.Title = wordsOf(i.Cause.Title)
	}
	return out
}

// arrivalDays is how far the overview looks ahead: five bank days lie in it, weekends
// and short holidays among them.
const arrivalDays = 10

func (s *Server) getOverview(c *call, _ *nothing) (*Overview, error) {
	o := Overview{Statuses: []StatusSum{}, Incidents: []Incident{}, Overdue: []OverdueSum{}, Arrivals: []Arrival{}, Sources: []SourceReached{}}
	s.o.Live.Read(func(now *investigation.Current) {
		o.AsOf = momentOf(now.AsOf(), now.Around().Offset)
		o.statuses(now)
		o.overdue(now)
		o.arrivals(now)
		o.Incidents = incidentsOf(now).Items
		for _, t := range now.Sources() {
			o.Sources = append(o.Sources, SourceReached{t.Name, t.What.String(), momentOf(t.Last, t.Offset), t.Facts})
		}
	})
	others, err := gather[Overview](c)
	if err != nil {
		return nil, err
	}
	for i := range others {
		o.merge(&others[i])
	}
	o.order()
	return &o, nil
}

func (o *Overview) statuses(now *investigation.Current) {
	for currency, by := range now.Summary() {
		for status, s := range by {
			o.Statuses = append(o.Statuses, StatusSum{status.String(), Sum{currency.String(), s.Count, s.Amount}})
		}
	}
}

func (o *Overview) overdue(now *investigation.Current) {
	type key struct {
		cause    string
		currency money.Currency
	}
	by := map[key]*OverdueSum{}
	offset := now.Around().Offset
	now.EachLate(func(l investigation.Late) {
		k := key{currency: l.Currency}
		if l.Cause != nil {
			k.cause = l.Cause.Code
		}
		s := by[k]
		if s == nil {
			s = &OverdueSum{Cause: k.cause, Sum: Sum{Currency: l.Currency.String()}}
			by[k] = s
		}
		s.Count++
		s.Amount += l.Missing
		if due := momentOf(l.Due, offset); l.Due != 0 && (s.Oldest.IsZero() || due.Before(s.Oldest)) {
			s.Oldest = due
		}
	})
	for _, s := range by {
		o.Overdue = append(o.Overdue, *s)
	}
}

func (o *Overview) arrivals(now *investigation.Current) {
	type key struct {
		date     calendar.Date
		currency money.Currency
	}
	by := map[key]investigation.Sum{}
	zone := int(now.Around().Offset) * 60
	until := now.AsOf() + evidence.Instant(arrivalDays*24*time.Hour)
	now.EachExpected(until, func(at evidence.Instant, currency money.Currency, missing int64) {
		k := key{calendar.DateOf(max(at, now.AsOf()).Unix(), zone), currency}
		s := by[k]
		by[k] = investigation.Sum{Count: s.Count + 1, Amount: s.Amount + missing}
	})
	for k, s := range by {
		o.Arrivals = append(o.Arrivals, Arrival{k.date.String(), Sum{k.currency.String(), s.Count, s.Amount}})
	}
}

// merge adds what another node knows.
func (o *Overview) merge(other *Overview) {
	o.Statuses = mergeSums(o.Statuses, other.Statuses, func(s *StatusSum) (string, *Sum) { return s.Status, &s.Sum })
	o.Arrivals = mergeSums(o.Arrivals, other.Arrivals, func(s *Arrival) (string, *Sum) { return s.Date, &s.Sum })
	for _, s := range other.Overdue {
		for i := range o.Overdue {
			if mine := &o.Overdue[i]; mine.Cause == s.Cause && mine.Currency == s.Currency && s.Oldest.Before(mine.Oldest) {
				mine.Oldest = s.Oldest
			}
		}
	}
	o.Overdue = mergeSums(o.Overdue, other.Overdue, func(s *OverdueSum) (string, *Sum) { return s.Cause, &s.Sum })
	incidents := IncidentList{Items: o.Incidents}
	incidents.merge(other.Incidents)
	o.Incidents = incidents.Items
	for _, s := range other.Sources {
		i := slices.IndexFunc(o.Sources, func(m SourceReached) bool { return m.Source == s.Source && m.Type == s.Type })
		switch {
		case i < 0:
			o.Sources = append(o.Sources, s)
		default:
			o.Sources[i].Facts += s.Facts
			if s.Last.After(o.Sources[i].Last) {
				o.Sources[i].Last = s.Last
			}
		}
	}
}

// mergeSums adds up sums of the same name and currency.
func mergeSums[T any](a, b []T, of func(*T) (string, *Sum)) []T {
	for i := range b {
		name, sum := of(&b[i])
		at := slices.IndexFunc(a, func(x T) bool {
			n, s := of(&x)
			return n == name && s.Currency == sum.Currency
		})
		if at < 0 {
			a = append(a, b[i])
			continue
		}
		_, mine := of(&a[at])
		mine.Count += sum.Count
		mine.Amount += sum.Amount
	}
	return a
}

func (o *Overview) order() {
	slices.SortFunc(o.Statuses, func(a, b StatusSum) int {
		return cmp.Or(strings.Compare(a.Currency, b.Currency), strings.Compare(a.Status, b.Status))
	})
	slices.SortFunc(o.Overdue, func(a, b OverdueSum) int {
		return cmp.Or(strings.Compare(a.Currency, b.Currency), cmp.Compare(b.Amount, a.Amount), strings.Compare(a.Cause, b.Cause))
	})
	slices.SortFunc(o.Arrivals, func(a, b Arrival) int {
		return cmp.Or(strings.Compare(a.Date, b.Date), strings.Compare(a.Currency, b.Currency))
	})
	slices.SortFunc(o.Sources, func(a, b SourceReached) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), b.Last.Compare(a.Last), strings.Compare(a.Source, b.Source))
	})
}
