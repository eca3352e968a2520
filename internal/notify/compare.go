package notify

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/fault"
)

// Mark is the watermark of one subject: what was told of it last. It is there as
// long as there may be more to tell.
type Mark struct {
	MID     string `json:"mid,omitempty"`
	Subject string `json:"subject"`
	Version int64  `json:"-"`
	// Leg is the leg that a payment was told to be overdue on, Amount, Currency,
	// Name and Cause what stands in what is said next.
	Leg      string     `json:"leg,omitempty"`
	Amount   int64      `json:"amount"`
	Currency string     `json:"currency"`
	Name     fault.Text `json:"name,omitzero"`
	Cause    fault.Text `json:"cause,omitzero"`
	// Of an incident: how many payments it stops for the merchant, since and until
	// when the fault lasts as far as that is known, its cause's code, what it struck
	// and who acts.
	Count int       `json:"count,omitempty"`
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	Code  string    `json:"code,omitempty"`
	Scope string    `json:"scope,omitempty"`
	Party string    `json:"party,omitempty"`
	// Promise is until when the money was said to come; zero for no such word.
	// Missed is the last promise that was told to have been missed.
	Promise time.Time `json:"promise,omitzero"`
	Missed  time.Time `json:"missed,omitzero"`
	Told    time.Time `json:"told"`
}

// Late is an overdue payment that no incident explains.
type Late struct {
	MID string
	ID  string
	// Leg is the leg that is late, Due when it was to be done.
	Leg string
	Due time.Time
	// Promise is the latest time at which the money is to be expected; zero where
	// nobody can say.
	Promise  time.Time
	Amount   int64 // minor units
	Currency string
	// Name is how people know the payment, Why its cause in few words, By how late
	// it is.
	Name, Why, By fault.Text
	// Data renders the payment as the API does.
	Data func() json.RawMessage
}

// Standing is where a payment that was told of is now.
type Standing uint8

// The standings.
const (
	Gone    Standing = iota // not known any more
	Waiting                 // neither late nor arrived
	Arrived
	// Over: nothing is to come, as it was reversed or refunded.
	Over
)

// Known is a payment that was told of and is not among the late ones now.
type Known struct {
	Standing Standing
	Promise  time.Time
	At       time.Time // when it arrived; zero where nobody says
	Data     func() json.RawMessage
}

// Share is what one fault stops of one merchant's payments.
type Share struct {
	MID      string
	Incident string
	Code     string
	Scope    string
	Party    string
	Cause    fault.Text
	Since    time.Time
	Until    time.Time // when the fault ended; zero while it lasts
	Count    int
	Amount   int64
	Currency string
	// Promise is the latest time at which one of its payments is to be expected; zero
	// where one has none.
	Promise time.Time
}

// Paid is a payout of which a bank has said something.
type Paid struct {
	MID, ID  string
	Returned bool // it came back, or the bank would not carry it out; else credited
	Rejected bool // of one that came back: it never left
	At       time.Time
	Amount   int64
	Currency string
	Reason   string // why it came back, as the bank says
	Shown    string // the amount for people
	Merchant string // its name, else its number
	Payments int
	Account  string // masked
}

// Picture is what an investigation says at a moment, as far as there may be
// something to tell of it.
type Picture struct {
	AsOf time.Time
	// Holds reports whether the investigation knows all of a merchant; what was told
	// of others stays as it is.
	Holds  func(mid string) bool
	Late   []Late
	Known  map[string]Known // by the payment's subject
	Shares []Share
	Paid   []Paid
	// Amount shows an amount of minor units.
	Amount func(minor int64, currency string) string
	// Clock shows a moment in a merchant's zone.
	Clock func(at time.Time) string
}

// ahead is a time that can be named as one by which something comes: zero where it
// has passed.
func (p *Picture) ahead(at time.Time) time.Time {
	if !at.After(p.AsOf) {
		return time.Time{}
	}
	return at
}

// Step is what is to be put on record of one merchant, whole or not at all.
type Step struct {
	MID    string
	Events []Event
	// Marks are written; one of version 1 must not be there yet, one of a later
	// version stands in the version before. Closed are removed.
	Marks  []Mark
	Closed []Mark
}

// None reports whether there is nothing to do.
func (s *Step) None() bool { return len(s.Events)+len(s.Marks)+len(s.Closed) == 0 }

// Policy are the limits of what is told.
type Policy struct {
	// Most is how many payments of one merchant are told one by one when they fall
	// overdue, or arrive, at the same look; more are one event. Default 20.
	Most int
	// Listed is how many of them that event names. Default 100.
	Listed int
	// Forget is when what was told of a payment that nobody knows any more is
	// forgotten. Default 90 days.
	Forget time.Duration
	// Fresh is how old a payout's news may be to be told. Default 7 days.
	Fresh time.Duration
}

func (p Policy) withDefaults() Policy {
	p.Most, p.Listed = cmp.Or(p.Most, 20), cmp.Or(p.Listed, 100)
	p.Forget, p.Fresh = cmp.Or(p.Forget, 90*24*time.Hour), cmp.Or(p.Fresh, 7*24*time.Hour)
	return p
}

// comparison is one look being worked out.
type comparison struct {
	Policy
	now   *Picture
	marks map[[2]string]Mark // by merchant and subject
	steps map[string]*Step
	// late and came are what is told one by one or together, by merchant.
	late map[string][]told
	came map[string][]told
}

// told is a payment to be told of, with its mark.
type told struct {
	event Event
	mark  Mark
}

// Compare gives what is new in a picture against what was told: events, and the
// marks of having told them, a step per merchant in the order of their numbers. It
// depends on nothing else.
func Compare(policy Policy, marks []Mark, now *Picture) []Step {
	c := comparison{Policy: policy.withDefaults(), now: now, marks: map[[2]string]Mark{}, steps: map[string]*Step{}, late: map[string][]told{}, came: map[string][]told{}}
	for _, m := range marks {
		if m.MID != "" && now.Holds(m.MID) {
			c.marks[[2]string{m.MID, m.Subject}] = m
		}
	}
	seen := map[[2]string]bool{}
	for i := range now.Late {
		x := &now.Late[i]
		seen[[2]string{x.MID, "payment/" + x.ID}] = true
		c.overdue(x)
	}
	for i := range now.Shares {
		x := &now.Shares[i]
		seen[[2]string{x.MID, "incident/" + x.Incident}] = true
		c.stopped(x)
	}
	for key, m := range c.marks {
		if !seen[key] {
			c.gone(m)
		}
	}
	for i := range now.Paid {
		c.paid(&now.Paid[i])
	}
	c.gather(c.late, PaymentOverdue)
	c.gather(c.came, PaymentArrived)
	return c.sorted()
}

func (c *comparison) step(mid string) *Step {
	s := c.steps[mid]
	if s == nil {
		s = &Step{MID: mid}
		c.steps[mid] = s
	}
	return s
}

// sorted gives the steps in an order that depends on what they say alone.
func (c *comparison) sorted() []Step {
	var out []Step
	for _, s := range c.steps {
		if !s.None() {
			s.sort()
			out = append(out, *s)
		}
	}
	slices.SortFunc(out, func(a, b Step) int { return strings.Compare(a.MID, b.MID) })
	return out
}

func (s *Step) sort() {
	slices.SortFunc(s.Events, func(a, b Event) int {
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.Subject, b.Subject), strings.Compare(a.ID, b.ID))
	})
	for _, marks := range [][]Mark{s.Marks, s.Closed} {
		slices.SortFunc(marks, func(a, b Mark) int { return strings.Compare(a.Subject, b.Subject) })
	}
}

// overdue tells of a payment on each leg that is late, and of a promise missed.
func (c *comparison) overdue(x *Late) {
	subject := "payment/" + x.ID
	m, before := c.marks[[2]string{x.MID, subject}]
	next := m
	next.MID, next.Subject, next.Amount, next.Currency, next.Name, next.Cause = x.MID, subject, x.Amount, x.Currency, x.Name, x.Why
	switch {
	case !before || m.Leg != x.Leg:
		next.Leg, next.Promise, next.Told, next.Version = x.Leg, c.now.ahead(x.Promise), c.now.AsOf, m.Version+1
		e := Event{ID: idOf(string(PaymentOverdue), x.MID, x.ID, x.Leg), Type: PaymentOverdue, Time: c.now.AsOf, MID: x.MID, Subject: subject,
			Said: overdueText(x, c.now), Data: x.Data()}
		c.late[x.MID] = append(c.late[x.MID], told{e, next})
	case m.missed(c.now.AsOf):
		c.promise(m, next, x.Promise, x.Data(), x.Why)
	case m.Promise.IsZero() && !c.now.ahead(x.Promise).IsZero():
		next.Promise, next.Version = x.Promise, m.Version+1
		c.step(x.MID).Marks = append(c.step(x.MID).Marks, next)
	}
}

// missed reports whether a time that was named has passed and was not told of.
func (m *Mark) missed(now time.Time) bool {
	return !m.Promise.IsZero() && now.After(m.Promise) && !m.Missed.Equal(m.Promise)
}

// miss tells that the time of a mark has passed, and names the next.
func (m *Mark) miss(next *Mark, again time.Time, data json.RawMessage, why fault.Text, now *Picture) (Event, Mark) {
	again = now.ahead(again)
	n := *next
	n.Missed, n.Promise, n.Told, n.Version = m.Promise, again, now.AsOf, m.Version+1
	return Event{ID: idOf(string(PromiseMissed), m.MID, m.Subject, m.Promise.UTC().Format(time.RFC3339)), Type: PromiseMissed, Time: now.AsOf, MID: m.MID,
		Subject: m.Subject, Share: m.MID != "" && strings.HasPrefix(m.Subject, "incident/"), Said: missedText(m, again, why, now), Data: promised(data, m.Promise)}, n
}

func (c *comparison) promise(m, next Mark, again time.Time, data json.RawMessage, why fault.Text) {
	event, n := m.miss(&next, again, data, why, c.now)
	s := c.step(m.MID)
	s.Marks, s.Events = append(s.Marks, n), append(s.Events, event)
}

// promised adds the time that was named to an event's data.
func promised(data json.RawMessage, at time.Time) json.RawMessage {
	members := map[string]json.RawMessage{}
	if json.Unmarshal(data, &members) != nil {
		members = map[string]json.RawMessage{}
	}
	members["promised"], _ = json.Marshal(at.UTC())
	out, _ := json.Marshal(members)
	return out
}

// gone is what was told of and is not in trouble any more, or not in this one.
func (c *comparison) gone(m Mark) {
	s := c.step(m.MID)
	if strings.HasPrefix(m.Subject, "incident/") {
		s.Closed = append(s.Closed, m)
		s.Events = append(s.Events, Event{ID: idOf(string(IncidentResolved), m.MID, m.Subject), Type: IncidentResolved, Time: c.now.AsOf, MID: m.MID, Subject: m.Subject,
			Share: true, Said: resolvedText(&m, c.now), Data: incidentData(&m)})
		return
	}
	k := c.now.Known[m.Subject]
	switch k.Standing {
	case Gone:
		if c.now.AsOf.Sub(m.Told) > c.Forget {
			s.Closed = append(s.Closed, m)
		}
	case Over:
		s.Closed = append(s.Closed, m)
	case Arrived:
		at := k.At
		if at.IsZero() {
			at = c.now.AsOf
		}
		e := Event{ID: idOf(string(PaymentArrived), m.MID, m.Subject, m.Leg), Type: PaymentArrived, Time: at, MID: m.MID, Subject: m.Subject,
			Said: arrivedText(&m, c.now), Data: k.Data()}
		c.came[m.MID] = append(c.came[m.MID], told{e, m})
	case Waiting:
		if m.missed(c.now.AsOf) {
			c.promise(m, m, k.Promise, k.Data(), m.Cause)
		}
	}
}

// stopped tells a merchant of a fault that stops its payments.
func (c *comparison) stopped(x *Share) {
	subject := "incident/" + x.Incident
	m, before := c.marks[[2]string{x.MID, subject}]
	next := m
	next.MID, next.Subject, next.Count, next.Amount, next.Currency, next.Cause, next.Code, next.Scope, next.Party = x.MID, subject, x.Count, x.Amount, x.Currency, x.Cause, x.Code, x.Scope, x.Party
	next.Since, next.Until = x.Since, x.Until
	s := c.step(x.MID)
	switch {
	case !before:
		next.Promise, next.Told, next.Version = c.now.ahead(x.Promise), c.now.AsOf, 1
		s.Marks = append(s.Marks, next)
		s.Events = append(s.Events, Event{ID: idOf(string(IncidentOpened), x.MID, subject), Type: IncidentOpened, Time: c.now.AsOf, MID: x.MID, Subject: subject,
			Share: true, Said: openedText(&next, c.now), Data: incidentData(&next)})
	case m.missed(c.now.AsOf):
		c.promise(m, next, x.Promise, incidentData(&next), x.Cause)
	case m.Count != next.Count || m.Amount != next.Amount || !m.Until.Equal(next.Until) || m.Party != next.Party || m.Promise.IsZero() && !c.now.ahead(x.Promise).IsZero():
		if m.Promise.IsZero() {
			next.Promise = c.now.ahead(x.Promise)
		}
		next.Version++
		s.Marks = append(s.Marks, next)
	}
}

// paid tells of a payout. What is on record already is found out when it is put on
// record.
func (c *comparison) paid(x *Paid) {
	if c.now.AsOf.Sub(x.At) > c.Fresh || !c.now.Holds(x.MID) {
		return
	}
	e := Event{Type: PayoutCredited, Time: x.At, MID: x.MID, Subject: "payout/" + x.ID}
	if x.Returned {
		e.Type = PayoutReturned
	}
	e.ID, e.Said, e.Data = idOf(string(e.Type), x.MID, x.ID), payoutText(x), payoutData(x)
	c.step(x.MID).Events = append(c.step(x.MID).Events, e)
}

// gather tells payments one by one, or as one event where they are many.
func (c *comparison) gather(by map[string][]told, t Type) {
	for mid, list := range by {
		s := c.step(mid)
		slices.SortFunc(list, func(a, b told) int { return strings.Compare(a.event.Subject, b.event.Subject) })
		for _, x := range list {
			if t == PaymentOverdue {
				s.Marks = append(s.Marks, x.mark)
			} else {
				s.Closed = append(s.Closed, x.mark)
			}
		}
		if len(list) <= c.Most {
			for _, x := range list {
				s.Events = append(s.Events, x.event)
			}
			continue
		}
		s.Events = append(s.Events, c.together(mid, t, list))
	}
}

// many is the data of an event about many payments: how many, what they add up to
// in each currency, and the ids of the first.
type many struct {
	Count    int              `json:"count"`
	Amounts  map[string]int64 `json:"amounts"`
	Payments []string         `json:"payments"`
}

// together makes one event of many payments.
func (c *comparison) together(mid string, t Type, list []told) Event {
	d := many{Count: len(list), Amounts: map[string]int64{}}
	id := []string{string(t), mid}
	var sums []string
	for _, x := range list {
		d.Amounts[x.mark.Currency] += x.mark.Amount
		id = append(id, x.event.ID)
		if len(d.Payments) < c.Listed {
			d.Payments = append(d.Payments, strings.TrimPrefix(x.event.Subject, "payment/"))
		}
	}
	for currency, sum := range d.Amounts {
		sums = append(sums, c.now.Amount(sum, currency))
	}
	slices.Sort(sums)
	data, _ := json.Marshal(d)
	return Event{ID: idOf(id...), Type: t, Time: c.now.AsOf, MID: mid, Subject: "merchant/" + mid, Said: togetherText(t, strconv.Itoa(len(list)), strings.Join(sums, " + ")), Data: data}
}
