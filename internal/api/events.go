package api

import (
	"encoding/json"
	"net"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daozhang/internal/access"
	"daozhang/internal/fault"
	"daozhang/internal/notify"
)

// Developers is what programs and their owners do beside asking about payments:
// events, webhooks, keys, the audit log.
type Developers struct {
	Notifier *notify.Notifier
	// Keys makes and ends API keys.
	Keys access.Keys
	// Audit keeps what is changed here, and is read.
	Audit access.AuditLog
	// Seen is told of every request with a key; nil: nobody is.
	Seen func(access.Call)
}

// Event is something that happened, as webhooks bring it too.
type Event struct {
	ID        string          `json:"id" doc:"made of what it says: the same is never told under two ids"`
	Type      string          `json:"type" doc:"such as payment.overdue"`
	Timestamp time.Time       `json:"timestamp" doc:"when it happened"`
	MID       string          `json:"mid,omitempty" doc:"merchant (ISO 8583 field 42); absent for what is about the platform"`
	Subject   string          `json:"subject,omitempty" doc:"what it is about, such as payment/ID; events of one subject come in order"`
	Text      Words           `json:"text" doc:"a sentence for people"`
	Data      json.RawMessage `json:"data" doc:"an object in the words of this API, by type: payment, payout, incident, or count, amounts and payments where many were told as one"`
}

// EventList is a page of events.
type EventList struct {
	Items      []Event `json:"items"`
	NextCursor string  `json:"next_cursor" doc:"cursor of what comes after: ask with it again for what is new, also where items is empty"`
}

func (s *Server) eventOperations() {
	absent := s.o.Developers == nil
	register(s, operation{Method: "GET", Path: "/v1/events", ID: "listEvents", Tag: "events", Summary: "What happened, in the order of the log.",
		Description: "The oldest first: keep next_cursor and ask again for what is new. Nothing is passed over and nothing comes twice. What webhooks bring is the same.",
		Action:      access.ReadPayments, Narrows: true, Absent: absent}, s.listEvents)
	register(s, operation{Method: "GET", Path: "/v1/events/{id}", ID: "getEvent", Tag: "events", Summary: "One event.",
		Action: access.ReadPayments, Narrows: true, Absent: absent}, s.getEvent)
}

type eventsAsked struct {
	Cursor  string    `query:"cursor" maxLength:"200" doc:"next_cursor of the page before"`
	Limit   int       `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Types   []string  `query:"types" maxItems:"50" doc:"types, or the first word of some with a star, as payment.*; separated by commas"`
	MID     string    `query:"mid" maxLength:"64" doc:"merchant (ISO 8583 field 42)"`
	Subject string    `query:"subject" maxLength:"200" doc:"what they are about, such as payment/ID"`
	From    time.Time `query:"from" doc:"the first moment that counts"`
	To      time.Time `query:"to" doc:"the first moment that does not any more"`
}

// Resolve checks what tags cannot say.
func (in *eventsAsked) Resolve(huma.Context) []error {
	if _, err := notify.ParseTypes(in.Types); err != nil {
		return []error{invalid("query.types", fault.Say("there is no such type", "没有这种事件类型"))}
	}
	if _, err := markOf[int64](in.Cursor); err != nil {
		return []error{err}
	}
	return nil
}

func (s *Server) listEvents(c *call, in *eventsAsked) (*EventList, error) {
	after, err := markOf[int64](in.Cursor)
	if err != nil {
		return nil, err
	}
	types, err := notify.ParseTypes(in.Types)
	if err != nil {
		return nil, err
	}
	page, err := s.o.Developers.Notifier.Events(c.Context(), notify.EventQuery{After: after, Types: notify.Matching(types), Only: c.only, MID: in.MID, Subject: in.Subject,
		From: in.From, To: in.To, Most: in.Limit})
	if err != nil {
		return nil, err
	}
	out := &EventList{Items: []Event{}, NextCursor: cursorOf(after)}
	for i := range page {
		out.Items = append(out.Items, eventOf(&page[i]))
		out.NextCursor = cursorOf(page[i].Seq)
	}
	return out, nil
}

func eventOf(e *notify.Event) Event {
	data := e.Data
	if len(data) == 0 {
		data = json.RawMessage("{}")
	}
	return Event{e.ID, string(e.Type), e.Time.UTC(), e.MID, e.Subject, Words{e.Said.EN, e.Said.In("zh")}, data}
}

type eventAsked struct {
	ID string `path:"id" maxLength:"64" doc:"id of the event"`
}

func (s *Server) getEvent(c *call, in *eventAsked) (*Event, error) {
	e, err := s.o.Developers.Notifier.Event(c.Context(), c.only, in.ID)
	if err != nil {
		return nil, err
	}
	out := eventOf(&e)
	return &out, nil
}

// actor is who calls, for the audit log.
func (c *call) actor() access.Actor {
	address, _, err := net.SplitHostPort(c.RemoteAddr)
	if err != nil {
		address = c.RemoteAddr
	}
	return access.Actor{Name: "key/" + c.key.ID, Role: rights[c.key.Role].as, Origin: access.Origin{Request: c.id, From: address}}
}

// did records what a call has changed.
func (c *call) did(what, subject, mid, before, after string) error {
	e := c.actor().Did(c.server.o.Now(), what, subject)
	e.MID, e.Before, e.After = mid, before, after
	return c.server.o.Developers.Audit.Record(c.Context(), e)
}

// seen tells who keeps the log of requests.
func (s *Server) seen(c *call, o *operation, begun time.Time) {
	d := s.o.Developers
	if d == nil || d.Seen == nil || c.key.ID == "" || c.Header.Get(handedOn) != "" {
		return
	}
	d.Seen(access.Call{Key: c.key.ID, At: begun, Method: o.Method, Route: o.Path, Status: c.w.status, Took: s.o.Now().Sub(begun), Request: c.id, From: c.actor().From})
}
