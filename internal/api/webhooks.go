package api

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daozhang/internal/access"
	"daozhang/internal/fault"
	"daozhang/internal/notify"
)

// Webhook is where events are posted to.
type Webhook struct {
	ID          string    `json:"id"`
	URL         string    `json:"url"`
	Types       []string  `json:"types" doc:"types that it wants; none for all"`
	MID         string    `json:"mid,omitempty" doc:"the only merchant that it is told of; absent for all"`
	Description string    `json:"description,omitempty"`
	Enabled     bool      `json:"enabled"`
	Why         *Words    `json:"why,omitempty" doc:"why it was disabled, where nobody did it"`
	Created     time.Time `json:"created"`
	By          string    `json:"by,omitempty" doc:"who made it"`
	Failing     time.Time `json:"failing_since,omitzero" doc:"since when every attempt has failed; absent where the last did not"`
	Former      time.Time `json:"former_secret_until,omitzero" doc:"until when the former secret signs beside the present one"`
}

// WebhookList are all of them.
type WebhookList struct {
	Items []Webhook `json:"items"`
}

// WebhookMade is a webhook with its secret.
type WebhookMade struct {
	Webhook
	Secret string `json:"secret" doc:"whsec_ and a key in base64, which signs what is sent (Standard Webhooks); shown this once"`
}

// Delivery is an event on its way to a webhook.
type Delivery struct {
	Event    string    `json:"event" doc:"id of the event"`
	Type     string    `json:"type"`
	Subject  string    `json:"subject"`
	State    string    `json:"state" enum:"due,delivered,failed" doc:"due: it is tried, again; failed: it is tried no more, and can be replayed"`
	Next     time.Time `json:"next,omitzero" doc:"when it is tried next"`
	Attempts []Attempt `json:"attempts" doc:"the newest first"`
}

// Attempt is one try to deliver an event.
type Attempt struct {
	At     time.Time `json:"at"`
	Millis int64     `json:"duration_ms"`
	Status int       `json:"status,omitempty" doc:"HTTP status of the answer; absent where there was none"`
	Said   string    `json:"said,omitempty" doc:"how the answer begins, or why there was none"`
}

// DeliveryList is a page of deliveries.
type DeliveryList struct {
	Items      []Delivery `json:"items"`
	NextCursor string     `json:"next_cursor,omitempty" doc:"cursor of the next page; absent on the last"`
}

// Replayed says how many events are sent again.
type Replayed struct {
	Events int `json:"events"`
}

func (s *Server) webhookOperations() {
	absent := s.o.Developers == nil
	add := func(o operation) operation {
		o.Tag, o.Narrows, o.Absent = "webhooks", true, absent
		if o.Action == "" {
			o.Action = access.ChangeDevelopers
		}
		return o
	}
	register(s, add(operation{Method: "GET", Path: "/v1/webhooks", ID: "listWebhooks", Summary: "Webhooks.", Action: access.ReadDevelopers}), s.listWebhooks)
	register(s, add(operation{Method: "POST", Path: "/v1/webhooks", ID: "postWebhook", Summary: "Make a webhook.", Secret: true, Status: http.StatusCreated,
		Description: "What is sent is signed as Standard Webhooks says: webhook-id, webhook-timestamp, webhook-signature. An answer other than 2xx within 15 s is tried again, ten times over three days; " +
			"a redirection is not followed. Addresses within the platform's own network are not reached."}), s.postWebhook)
	register(s, add(operation{Method: "GET", Path: "/v1/webhooks/{id}", ID: "getWebhook", Summary: "A webhook.", Action: access.ReadDevelopers}), s.getWebhook)
	register(s, add(operation{Method: "PATCH", Path: "/v1/webhooks/{id}", ID: "patchWebhook", Summary: "Change, enable or disable a webhook."}), s.patchWebhook)
	register(s, add(operation{Method: "DELETE", Path: "/v1/webhooks/{id}", ID: "deleteWebhook", Summary: "Remove a webhook with its deliveries."}), s.deleteWebhook)
	register(s, add(operation{Method: "POST", Path: "/v1/webhooks/{id}/rotate", ID: "rotateWebhook", Summary: "Give a webhook a new secret.", Secret: true,
		Description: "For 24 hours the former secret signs beside it."}), s.rotateWebhook)
	register(s, add(operation{Method: "POST", Path: "/v1/webhooks/{id}/test", ID: "testWebhook", Summary: "Send an event of type test.", Status: http.StatusAccepted}), s.testWebhook)
	register(s, add(operation{Method: "POST", Path: "/v1/webhooks/{id}/replay", ID: "replayWebhook", Summary: "Send one event again, or those of a time.", Status: http.StatusAccepted,
		Description: "Of a time, half open, it sends what the webhook wants now: at most " + strconv.Itoa(notify.MostReplayed) + " events, in the order of the log."}), s.replayWebhook)
	register(s, add(operation{Method: "GET", Path: "/v1/webhooks/{id}/deliveries", ID: "listDeliveries", Summary: "What was sent to a webhook, the newest first.", Action: access.ReadDevelopers}), s.listDeliveries)
}

func webhookOf(r *notify.Receiver, now time.Time) Webhook {
	w := Webhook{ID: r.ID, URL: r.URL, Types: r.Types, MID: r.MID, Description: r.Description, Enabled: !r.Disabled, Created: r.Created.UTC(), By: r.By, Failing: r.Failing, Former: r.Signs(now)}
	if w.Types == nil {
		w.Types = []string{}
	}
	if !r.Why.None() {
		w.Why = &Words{r.Why.EN, r.Why.In("zh")}
	}
	return w
}

type webhookAsked struct {
	ID string `path:"id" maxLength:"64" doc:"id of the webhook"`
}

// webhook gives one that the caller may see; receivers of mail are none.
func (c *call) webhook(id string) (notify.Receiver, error) {
	r, err := c.server.o.Developers.Notifier.Receiver(c.Context(), c.only, id)
	if err == nil && r.Kind != notify.Webhook {
		return r, errNothing
	}
	return r, err
}

func (s *Server) listWebhooks(c *call, _ *nothing) (*WebhookList, error) {
	all, err := s.o.Developers.Notifier.Receivers(c.Context(), c.only, notify.Webhook)
	out := &WebhookList{Items: []Webhook{}}
	for i := range all {
		out.Items = append(out.Items, webhookOf(&all[i], s.o.Now()))
	}
	return out, err
}

type webhookMaking struct {
	Body struct {
		URL         string   `json:"url" maxLength:"2000" doc:"https, of a host of the internet"`
		Types       []string `json:"types,omitempty" maxItems:"50" doc:"types that it wants, or payment.*; none for all"`
		MID         string   `json:"mid,omitempty" maxLength:"64" doc:"the only merchant that it is told of (ISO 8583 field 42)"`
		Description string   `json:"description,omitempty" maxLength:"200"`
	}
}

// fields names the fields of a receiver that a message of package notify is about.
func fieldsOf(err error, field string) error {
	f, ok := err.(*fault.Error)
	if !ok || f.Kind != fault.Invalid {
		return err
	}
	return unacceptable(invalid(field, fault.TextOf(f.Err).And(f.Hint)))
}

func (s *Server) postWebhook(c *call, in *webhookMaking) (*WebhookMade, error) {
	b := &in.Body
	if c.only != "" && b.MID != "" && b.MID != c.only {
		return nil, errNoMerchant
	}
	if c.only != "" {
		b.MID = c.only
	}
	r, secret, err := s.o.Developers.Notifier.Add(c.Context(), "key/"+c.key.ID, notify.Receiver{Kind: notify.Webhook, URL: b.URL, Types: b.Types, MID: b.MID, Description: b.Description})
	if err != nil {
		field := "body.url"
		if strings.Contains(err.Error(), "choose events") {
			field = "body.types"
		}
		return nil, fieldsOf(err, field)
	}
	return &WebhookMade{webhookOf(&r, s.o.Now()), secret}, c.did("made", "receiver/"+r.ID, r.MID, "", r.URL)
}

func (s *Server) getWebhook(c *call, in *webhookAsked) (*Webhook, error) {
	r, err := c.webhook(in.ID)
	if err != nil {
		return nil, err
	}
	out := webhookOf(&r, s.o.Now())
	return &out, nil
}

type webhookChange struct {
	ID   string `path:"id" maxLength:"64" doc:"id of the webhook"`
	Body struct {
		URL         *string   `json:"url,omitempty" maxLength:"2000"`
		Types       *[]string `json:"types,omitempty" maxItems:"50"`
		Description *string   `json:"description,omitempty" maxLength:"200"`
		Enabled     *bool     `json:"enabled,omitempty" doc:"one that is enabled again is sent what waits for it"`
	}
}

func (s *Server) patchWebhook(c *call, in *webhookChange) (*Webhook, error) {
	before, err := c.webhook(in.ID)
	if err != nil {
		return nil, err
	}
	a := notify.Amendment{URL: in.Body.URL, Types: in.Body.Types, Description: in.Body.Description}
	if in.Body.Enabled != nil {
		a.Disabled = new(!*in.Body.Enabled)
	}
	r, err := s.o.Developers.Notifier.Amend(c.Context(), c.only, in.ID, a)
	if err != nil {
		field := "body.url"
		if strings.Contains(err.Error(), "choose events") {
			field = "body.types"
		}
		return nil, fieldsOf(err, field)
	}
	out := webhookOf(&r, s.o.Now())
	return &out, c.did("changed", "receiver/"+r.ID, r.MID, before.Sketch(), r.Sketch())
}

// Removed says what is not there any more.
type Removed struct {
	ID string `json:"id"`
}

func (s *Server) deleteWebhook(c *call, in *webhookAsked) (*Removed, error) {
	r, err := c.webhook(in.ID)
	if err == nil {
		err = s.o.Developers.Notifier.Remove(c.Context(), c.only, in.ID)
	}
	if err != nil {
		return nil, err
	}
	return &Removed{in.ID}, c.did("removed", "receiver/"+r.ID, r.MID, r.URL, "")
}

func (s *Server) rotateWebhook(c *call, in *webhookAsked) (*WebhookMade, error) {
	if _, err := c.webhook(in.ID); err != nil {
		return nil, err
	}
	r, secret, err := s.o.Developers.Notifier.Rotate(c.Context(), c.only, in.ID)
	if err != nil {
		return nil, err
	}
	return &WebhookMade{webhookOf(&r, s.o.Now()), secret}, c.did("rotated", "receiver/"+r.ID, r.MID, "", "")
}

func (s *Server) testWebhook(c *call, in *webhookAsked) (*Event, error) {
	if _, err := c.webhook(in.ID); err != nil {
		return nil, err
	}
	e, err := s.o.Developers.Notifier.Test(c.Context(), c.only, in.ID)
	if err != nil {
		return nil, err
	}
	out := eventOf(&e)
	return &out, nil
}

type replayAsked struct {
	ID   string `path:"id" maxLength:"64" doc:"id of the webhook"`
	Body struct {
		Event  string    `json:"event,omitempty" maxLength:"64" doc:"id of the one event; or else a time"`
		From   time.Time `json:"from,omitzero" doc:"the first moment"`
		To     time.Time `json:"to,omitzero" doc:"the first moment that does not count any more"`
		Failed bool      `json:"failed,omitempty" doc:"leave out what was delivered"`
	}
}

// Resolve checks that either is given.
func (in *replayAsked) Resolve(huma.Context) []error {
	timed := !in.Body.From.IsZero() && !in.Body.To.IsZero()
	if (in.Body.Event != "") == timed || in.Body.Event == "" && !in.Body.From.Before(in.Body.To) {
		return []error{invalid("body", fault.Say("name one event, or a time by from and to", "请写明一个事件，或用 from 和 to 写明时间段"))}
	}
	return nil
}

func (s *Server) replayWebhook(c *call, in *replayAsked) (*Replayed, error) {
	r, err := c.webhook(in.ID)
	if err != nil {
		return nil, err
	}
	n, out := s.o.Developers.Notifier, &Replayed{1}
	if in.Body.Event != "" {
		err = n.Replay(c.Context(), c.only, in.ID, in.Body.Event)
	} else {
		out.Events, err = n.ReplayRange(c.Context(), c.only, in.ID, in.Body.From, in.Body.To, in.Body.Failed)
	}
	if err != nil {
		return nil, err
	}
	return out, c.did("replayed", "receiver/"+r.ID, r.MID, "", strconv.Itoa(out.Events))
}

type deliveriesAsked struct {
	ID     string `path:"id" maxLength:"64" doc:"id of the webhook"`
	State  string `query:"state" enum:"due,delivered,failed"`
	Event  string `query:"event" maxLength:"64" doc:"id of an event"`
	Cursor string `query:"cursor" maxLength:"200" doc:"next_cursor of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"50"`
}

func (s *Server) listDeliveries(c *call, in *deliveriesAsked) (*DeliveryList, error) {
	before, err := markOf[int64](in.Cursor)
	if err != nil {
		return nil, unacceptable(err)
	}
	if _, err := c.webhook(in.ID); err != nil {
		return nil, err
	}
	list, err := s.o.Developers.Notifier.Deliveries(c.Context(), c.only, notify.DeliveryQuery{Receiver: in.ID, State: notify.State(in.State), Event: in.Event, Before: before, Most: in.Limit + 1})
	if err != nil {
		return nil, err
	}
	out := &DeliveryList{Items: []Delivery{}}
	if len(list) > in.Limit {
		list = list[:in.Limit]
		out.NextCursor = cursorOf(list[in.Limit-1].Seq)
	}
	for i := range list {
		d := &list[i]
		x := Delivery{Event: d.Event, Type: string(d.Type), Subject: d.Subject, State: string(d.State), Next: d.Next, Attempts: []Attempt{}}
		for _, a := range d.Attempts {
			x.Attempts = append(x.Attempts, Attempt{a.At.UTC(), a.Took.Milliseconds(), a.Status, a.Said.In(c.lang)})
		}
		out.Items = append(out.Items, x)
	}
	return out, nil
}
