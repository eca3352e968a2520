package notify

import (
	"encoding/json"
	"strings"
	"time"
)

// CompareHouse gives what is new for those who see all merchants: each fault once,
// with what it stops of all merchants together. It goes by the marks of all of
// them, since several nodes may have written them; the step has no merchant.
func CompareHouse(marks []Mark, now *Picture) Step {
	var s Step
	whole, before := map[string]*Mark{}, map[string]Mark{}
	for i := range marks {
		m := &marks[i]
		switch {
		case !strings.HasPrefix(m.Subject, "incident/"):
		case m.MID == "":
			before[m.Subject] = *m
		default:
			whole[m.Subject] = add(whole[m.Subject], m)
		}
	}
	for subject, w := range whole {
		m, was := before[subject]
		w.MID, w.Version, w.Told, w.Missed = "", m.Version+1, now.AsOf, m.Missed
		again := w.Promise
		w.Promise = now.ahead(again)
		if was && !m.Promise.IsZero() {
			w.Promise = m.Promise
		}
		// What it stopped at most is what is told at its end.
		w.Count, w.Amount = max(w.Count, m.Count), max(w.Amount, m.Amount)
		switch {
		case !was:
			s.Marks = append(s.Marks, *w)
			s.Events = append(s.Events, house(IncidentOpened, w, now))
		case m.missed(now.AsOf):
			event, next := m.miss(w, again, incidentData(w), w.Cause, now)
			s.Marks, s.Events = append(s.Marks, next), append(s.Events, event)
		case w.Count > m.Count || w.Amount > m.Amount || !w.Until.Equal(m.Until) || !w.Promise.Equal(m.Promise):
			s.Marks = append(s.Marks, *w)
		}
	}
	for subject, m := range before {
		if whole[subject] == nil {
			s.Closed = append(s.Closed, m)
			s.Events = append(s.Events, house(IncidentResolved, &m, now))
		}
	}
	s.sort()
	return s
}

// add adds a merchant's part to the whole of a fault.
func add(w, m *Mark) *Mark {
	if w == nil {
		one := *m
		return &one
	}
	w.Count += m.Count
	w.Amount += m.Amount
	if w.Since.IsZero() || !m.Since.IsZero() && m.Since.Before(w.Since) {
		w.Since = m.Since
	}
	if m.Until.After(w.Until) {
		w.Until = m.Until
	}
	if m.Promise.After(w.Promise) {
		w.Promise = m.Promise
	}
	return w
}

func house(t Type, m *Mark, now *Picture) Event {
	e := Event{ID: idOf(string(t), "", m.Subject), Type: t, Time: now.AsOf, Subject: m.Subject, Data: incidentData(m)}
	if t == IncidentOpened {
		e.Said = openedText(m, now)
	} else {
		e.Said = resolvedText(m, now)
	}
	return e
}

// incidentOf is an incident in the words of the API.
type incidentOf struct {
	ID       string     `json:"id"`
	Cause    string     `json:"cause"`
	Scope    string     `json:"scope,omitempty"`
	From     *time.Time `json:"from,omitempty"`
	To       *time.Time `json:"to,omitempty"`
	Count    int        `json:"count"`
	Amount   int64      `json:"amount"`
	Currency string     `json:"currency"`
	Party    string     `json:"party,omitempty"`
	Expected *time.Time `json:"expected,omitempty"`
}

func incidentData(m *Mark) json.RawMessage {
	b, _ := json.Marshal(map[string]any{"incident": incidentOf{ID: strings.TrimPrefix(m.Subject, "incident/"), Cause: m.Code, Scope: m.Scope, From: moment(m.Since), To: moment(m.Until),
		Count: m.Count, Amount: m.Amount, Currency: m.Currency, Party: m.Party, Expected: moment(m.Promise)}})
	return b
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	u := t.UTC()
	return &u
}

// payoutOf is a payout in the words of the API.
type payoutOf struct {
	ID       string    `json:"id"`
	MID      string    `json:"mid"`
	State    string    `json:"state"`
	At       time.Time `json:"at"`
	Amount   int64     `json:"amount"`
	Currency string    `json:"currency"`
	Payments int       `json:"payments,omitempty"`
	Account  string    `json:"account,omitempty"`
	Reason   string    `json:"reason,omitempty"`
}

func payoutData(x *Paid) json.RawMessage {
	state := "credited"
	switch {
	case x.Rejected:
		state = "rejected"
	case x.Returned:
		state = "returned"
	}
	b, _ := json.Marshal(map[string]any{"payout": payoutOf{x.ID, x.MID, state, x.At.UTC(), x.Amount, x.Currency, x.Payments, x.Account, x.Reason}})
	return b
}
