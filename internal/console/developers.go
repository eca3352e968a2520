package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/fault"
	"daozhang/internal/notify"
)

// Developers is what the pages of developers show and change.
type Developers struct {
	Notifier *notify.Notifier
	Keys     access.Keys
	// Calls gives the last requests of a key, or with "" of all, the newest first.
	Calls CallLog
}

// CallLog is the log of what programs asked.
type CallLog interface {
	RecentCalls(ctx context.Context, key string, most int) ([]access.Call, error)
}

// developerRoutes are the pages of developers: keys, who is told, events, and the
// logs. They are for the platform's own people; a merchant has none.
func (c *Console) developerRoutes() []route {
	read, change := access.ReadDevelopers, access.ChangeDevelopers
	return []route{
		{"GET", "/developers", read, c.keys},
		{"POST", "/developers/keys", change, c.makeKey},
		{"POST", "/developers/keys/{id}/rotate", change, c.rotateKey},
		{"POST", "/developers/keys/{id}/revoke", change, c.revokeKey},
		{"GET", "/developers/webhooks", read, c.receiversOf(notify.Webhook)},
		{"POST", "/developers/webhooks", change, c.addReceiver(notify.Webhook)},
		{"GET", "/developers/mail", read, c.receiversOf(notify.Mailbox)},
		{"POST", "/developers/mail", change, c.addReceiver(notify.Mailbox)},
		{"GET", "/developers/receivers/{id}", read, c.receiver},
		{"POST", "/developers/receivers/{id}", change, c.amendReceiver},
		{"POST", "/developers/receivers/{id}/enable", change, c.switchReceiver(false)},
		{"POST", "/developers/receivers/{id}/disable", change, c.switchReceiver(true)},
		{"POST", "/developers/receivers/{id}/rotate", change, c.rotateReceiver},
		{"POST", "/developers/receivers/{id}/test", change, c.testReceiver},
		{"POST", "/developers/receivers/{id}/replay", change, c.replayReceiver},
		{"POST", "/developers/receivers/{id}/remove", change, c.removeReceiver},
		{"GET", "/developers/events", read, c.events},
		{"GET", "/developers/events/{id}", read, c.oneEvent},
		{"GET", "/developers/log", read, c.calls},
		{"GET", "/developers/audit", access.ReadAudit, c.audit},
	}
}

// sessionShown is a secret that the next page shows, once.
const sessionShown = "shown_secret"

// showOnce leads to a page that shows a secret, this once. Where there are no
// sessions the page is the answer itself.
func (v *visit) showOnce(to, secret string, page func(secret string) error) error {
	e := v.console.entrance
	if e == nil {
		return page(secret)
	}
	if err := e.keep(v.Context(), sessionShown, to+"\n"+secret); err != nil {
		return err
	}
	http.Redirect(v.w, v.Request, to, http.StatusSeeOther)
	return nil
}

// shownOnce takes the secret that this page is to show; "" for none.
func (v *visit) shownOnce() string {
	e := v.console.entrance
	if e == nil {
		return ""
	}
	to, secret, ok := strings.Cut(e.kept(v.Context(), sessionShown), "\n")
	if !ok || to != v.URL.Path {
		return ""
	}
	e.sessions.Remove(v.Context(), sessionShown)
	return secret
}

// told reports whether an error is one for the person who filled in a form.
func told(err error) bool {
	k := fault.KindOf(err)
	return err != nil && (k == fault.Invalid || k == fault.Conflict || k == fault.NotAllowed)
}

// back leads to a page after something was done.
func (v *visit) back(path string) error {
	http.Redirect(v.w, v.Request, path, http.StatusSeeOther)
	return nil
}

// form gives a field of a form without spaces around it.
func (v *visit) form(name string) string { return strings.TrimSpace(v.PostFormValue(name)) }

// keysPage lists keys and takes one more.
type keysPage struct {
	Rows   []access.Key
	Roles  []string
	Now    time.Time
	Secret string // shown this once
	// Form is what was typed for a key that was refused.
	Form        access.Key
	Wrong, Hint string
}

func (c *Console) keys(v *visit) error {
	return c.showKeys(v, http.StatusOK, &keysPage{Secret: v.shownOnce()})
}

func (c *Console) showKeys(v *visit, status int, p *keysPage) (err error) {
	if p.Rows, err = c.o.Developers.Keys.Keys(v.Context()); err != nil {
		return err
	}
	slices.Reverse(p.Rows)
	p.Roles, p.Now = c.o.Developers.Keys.Roles(), c.o.Now()
	slices.SortStableFunc(p.Rows, func(a, b access.Key) int { // those in force first
		if x, y := a.Ended(p.Now), b.Ended(p.Now); x != y {
			if x {
				return 1
			}
			return -1
		}
		return 0
	})
	return v.render(status, keysView(v, p))
}

func (c *Console) refuseKey(v *visit, form access.Key, err error) error {
	if !told(err) {
		return err
	}
	p := keysPage{Form: form}
	p.Wrong, p.Hint = messageOf(err, v.lang)
	return c.showKeys(v, http.StatusBadRequest, &p)
}

func (c *Console) makeKey(v *visit) error {
	v.limitForm()
	k := access.Key{Name: v.form("name"), Role: v.form("role"), MID: v.form("merchant"), Sources: strings.FieldsFunc(v.form("sources"), separates)}
	made, secret, err := c.o.Developers.Keys.MakeKey(v.Context(), k)
	if err != nil {
		return c.refuseKey(v, k, err)
	}
	if err := v.record("made", "key/"+made.ID, func(e *access.Event) { e.MID, e.After = made.MID, made.Role+" "+made.Name }); err != nil {
		return err
	}
	return v.showOnce("/developers", secret, func(s string) error { return c.showKeys(v, http.StatusOK, &keysPage{Secret: s}) })
}

// separates reports what stands between the parts of a list that is typed.
func separates(r rune) bool {
	return r == ',' || r == ' ' || r == '\n' || r == '\r' || r == '，' || r == '、'
}

func (c *Console) rotateKey(v *visit) error {
	id := v.PathValue("id")
	made, secret, err := c.o.Developers.Keys.RotateKey(v.Context(), id, access.KeyGrace)
	if err != nil {
		return c.refuseKey(v, access.Key{}, err)
	}
	if err := v.record("rotated", "key/"+id, func(e *access.Event) { e.MID, e.Before, e.After = made.MID, id, made.ID }); err != nil {
		return err
	}
	return v.showOnce("/developers", secret, func(s string) error { return c.showKeys(v, http.StatusOK, &keysPage{Secret: s}) })
}

func (c *Console) revokeKey(v *visit) error {
	id := v.PathValue("id")
	if err := c.o.Developers.Keys.RevokeKey(v.Context(), id); err != nil {
		return c.refuseKey(v, access.Key{}, err)
	}
	if err := v.record("revoked", "key/"+id, nil); err != nil {
		return err
	}
	return v.back("/developers")
}

// receiversPage lists who is told, and takes one more.
type receiversPage struct {
	Kind  notify.Kind
	Rows  []notify.Receiver
	Mails bool
	// Form is what was typed for one that was refused.
	Form        notify.Receiver
	Wrong, Hint string
}

func (p *receiversPage) path() string {
	if p.Kind == notify.Mailbox {
		return "/developers/mail"
	}
	return "/developers/webhooks"
}

func (c *Console) receiversOf(kind notify.Kind) func(*visit) error {
	return func(v *visit) error { return c.showReceivers(v, http.StatusOK, &receiversPage{Kind: kind}) }
}

func (c *Console) showReceivers(v *visit, status int, p *receiversPage) (err error) {
	p.Mails = c.o.Developers.Notifier.Mails()
	if p.Rows, err = c.o.Developers.Notifier.Receivers(v.Context(), v.only, p.Kind); err != nil {
		return err
	}
	return v.render(status, receiversView(v, p))
}

// digests are how long mail may be gathered.
var digests = []time.Duration{0, time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

// typed reads a receiver from a form.
func (v *visit) typed(kind notify.Kind) notify.Receiver {
	v.limitForm()
	every, _ := time.ParseDuration(v.form("every"))
	r := notify.Receiver{Kind: kind, URL: v.form("url"), Address: v.form("address"), Lang: v.form("language"), Every: every, MID: v.form("merchant"), Description: v.form("description")}
	r.Types = append(r.Types, v.PostForm["type"]...)
	return r
}

func (c *Console) addReceiver(kind notify.Kind) func(*visit) error {
	return func(v *visit) error {
		form := v.typed(kind)
		if v.only != "" {
			form.MID = v.only
		}
		r, secret, err := c.o.Developers.Notifier.Add(v.Context(), v.actor().Name, form)
		if told(err) {
			p := receiversPage{Kind: kind, Form: form}
			p.Wrong, p.Hint = messageOf(err, v.lang)
			return c.showReceivers(v, http.StatusBadRequest, &p)
		}
		if err != nil {
			return err
		}
		if err := v.record("made", "receiver/"+r.ID, func(e *access.Event) { e.MID, e.After = r.MID, r.Sketch() }); err != nil {
			return err
		}
		if secret == "" {
			return v.back(receiverPath(r.ID))
		}
		return v.showOnce(receiverPath(r.ID), secret, func(s string) error { return c.showReceiver(v, http.StatusOK, &receiverPage{Receiver: r, Secret: s}) })
	}
}

func receiverPath(id string) string { return "/developers/receivers/" + url.PathEscape(id) }

// receiverPage is one receiver with what was sent to it.
type receiverPage struct {
	notify.Receiver
	Secret      string // shown this once
	Rows        []notify.Delivery
	State       notify.State
	Next        templ.SafeURL
	Wrong, Hint string
}

const deliveryRows = 50

func (c *Console) receiver(v *visit) error {
	r, err := c.o.Developers.Notifier.Receiver(v.Context(), v.only, v.PathValue("id"))
	if err != nil {
		return err
	}
	return c.showReceiver(v, http.StatusOK, &receiverPage{Receiver: r, Secret: v.shownOnce()})
}

func (c *Console) showReceiver(v *visit, status int, p *receiverPage) error {
	q := v.URL.Query()
	before, _ := strconv.ParseInt(q.Get("after"), 10, 64)
	p.State = notify.State(q.Get("state"))
	list, err := c.o.Developers.Notifier.Deliveries(v.Context(), v.only, notify.DeliveryQuery{Receiver: p.ID, State: p.State, Before: before, Most: deliveryRows + 1})
	if err != nil {
		return err
	}
	if len(list) > deliveryRows {
		list = list[:deliveryRows]
		q.Set("after", strconv.FormatInt(list[deliveryRows-1].Seq, 10))
		p.Next = templ.SafeURL(receiverPath(p.ID) + "?" + q.Encode())
	}
	p.Rows = list
	return v.render(status, receiverView(v, p))
}

// changeReceiver does something to a receiver, records it, and leads back to it.
func (c *Console) changeReceiver(v *visit, what string, do func(r *notify.Receiver) (after string, err error)) error {
	id := v.PathValue("id")
	r, err := c.o.Developers.Notifier.Receiver(v.Context(), v.only, id)
	if err != nil {
		return err
	}
	before := r.Sketch()
	after, err := do(&r)
	if told(err) {
		p := receiverPage{Receiver: r}
		p.Wrong, p.Hint = messageOf(err, v.lang)
		return c.showReceiver(v, http.StatusBadRequest, &p)
	}
	if err != nil {
		return err
	}
	if what != "" {
		if err := v.record(what, "receiver/"+id, func(e *access.Event) { e.MID, e.Before, e.After = r.MID, before, after }); err != nil {
			return err
		}
	}
	return v.back(receiverPath(id))
}

func (c *Console) amendReceiver(v *visit) error {
	return c.changeReceiver(v, "changed", func(r *notify.Receiver) (string, error) {
		form := v.typed(r.Kind)
		a := notify.Amendment{Types: &form.Types, Description: &form.Description}
		if r.Kind == notify.Webhook {
			a.URL = &form.URL
		} else {
			a.Address, a.Lang, a.Every = &form.Address, &form.Lang, &form.Every
		}
		changed, err := c.o.Developers.Notifier.Amend(v.Context(), v.only, r.ID, a)
		return changed.Sketch(), err
	})
}

func (c *Console) switchReceiver(off bool) func(*visit) error {
	return func(v *visit) error {
		what := "enabled"
		if off {
			what = "disabled"
		}
		return c.changeReceiver(v, what, func(r *notify.Receiver) (string, error) {
			changed, err := c.o.Developers.Notifier.Amend(v.Context(), v.only, r.ID, notify.Amendment{Disabled: &off})
			return changed.Sketch(), err
		})
	}
}

func (c *Console) rotateReceiver(v *visit) error {
	id := v.PathValue("id")
	r, secret, err := c.o.Developers.Notifier.Rotate(v.Context(), v.only, id)
	if err != nil {
		return err
	}
	if err := v.record("rotated", "receiver/"+id, func(e *access.Event) { e.MID = r.MID }); err != nil {
		return err
	}
	return v.showOnce(receiverPath(id), secret, func(s string) error { return c.showReceiver(v, http.StatusOK, &receiverPage{Receiver: r, Secret: s}) })
}

func (c *Console) testReceiver(v *visit) error {
	return c.changeReceiver(v, "", func(r *notify.Receiver) (string, error) {
		_, err := c.o.Developers.Notifier.Test(v.Context(), v.only, r.ID)
		return "", err
	})
}

// replayReceiver sends one event again, or those of some days.
func (c *Console) replayReceiver(v *visit) error {
	v.limitForm()
	return c.changeReceiver(v, "replayed", func(r *notify.Receiver) (string, error) {
		if id := v.form("event"); id != "" {
			return id, c.o.Developers.Notifier.Replay(v.Context(), v.only, r.ID, id)
		}
		from, err := time.ParseInLocation(time.DateOnly, v.form("from"), c.o.Zone)
		to, err2 := time.ParseInLocation(time.DateOnly, v.form("to"), c.o.Zone)
		if err != nil || err2 != nil {
			return "", fault.New(fault.Invalid, fault.Say("send again", "重新发送"), "", fault.Say("a day is missing", "缺少日期"), fault.Say("name the first and the last day", "请写明起止日期"))
		}
		n, err := c.o.Developers.Notifier.ReplayRange(v.Context(), v.only, r.ID, from, to.AddDate(0, 0, 1), v.form("failed") != "")
		return strconv.Itoa(n), err
	})
}

func (c *Console) removeReceiver(v *visit) error {
	r, err := c.o.Developers.Notifier.Receiver(v.Context(), v.only, v.PathValue("id"))
	if err == nil {
		err = c.o.Developers.Notifier.Remove(v.Context(), v.only, r.ID)
	}
	if err != nil {
		return err
	}
	if err := v.record("removed", "receiver/"+r.ID, func(e *access.Event) { e.MID, e.Before = r.MID, r.Sketch() }); err != nil {
		return err
	}
	return v.back((&receiversPage{Kind: r.Kind}).path())
}

// eventsPage is a page of the log of events, the newest first.
type eventsPage struct {
	Type, MID, Subject string
	Rows               []notify.Event
	Next               templ.SafeURL
}

const eventRows = 50

func (c *Console) events(v *visit) error {
	q := v.URL.Query()
	p := eventsPage{Type: q.Get("type"), MID: strings.TrimSpace(q.Get("merchant")), Subject: strings.TrimSpace(q.Get("subject"))}
	types, err := notify.ParseTypes([]string{p.Type})
	if err != nil {
		return badFilter("type", p.Type)
	}
	before, _ := strconv.ParseInt(q.Get("after"), 10, 64)
	list, err := c.o.Developers.Notifier.Events(v.Context(), notify.EventQuery{Newest: true, Before: before, Types: notify.Matching(types), Only: v.only, MID: p.MID, Subject: p.Subject, Most: eventRows + 1})
	if err != nil {
		return err
	}
	if len(list) > eventRows {
		list = list[:eventRows]
		q.Set("after", strconv.FormatInt(list[eventRows-1].Seq, 10))
		p.Next = templ.SafeURL("/developers/events?" + q.Encode())
	}
	p.Rows = list
	return v.render(http.StatusOK, eventsView(v, &p))
}

func (c *Console) oneEvent(v *visit) error {
	e, err := c.o.Developers.Notifier.Event(v.Context(), v.only, v.PathValue("id"))
	if err != nil {
		return err
	}
	receivers, err := c.o.Developers.Notifier.Receivers(v.Context(), v.only, notify.Webhook)
	if err != nil {
		return err
	}
	body, err := e.MarshalJSON()
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, eventView(v, &e, receivers, indented(body)))
}

// callsPage is the log of requests.
type callsPage struct {
	Key  string
	Keys []choice
	Rows []access.Call
}

const callRows = 200

func (c *Console) calls(v *visit) error {
	p := callsPage{Key: v.URL.Query().Get("key")}
	all, err := c.o.Developers.Keys.Keys(v.Context())
	if err != nil {
		return err
	}
	for _, k := range all {
		p.Keys = append(p.Keys, choice{k.ID, k.Name + " (" + k.ID + ")"})
	}
	if p.Rows, err = c.o.Developers.Calls.RecentCalls(v.Context(), p.Key, callRows); err != nil {
		return err
	}
	return v.render(http.StatusOK, callsView(v, &p))
}

// auditPage is the audit log, the newest first.
type auditPage struct {
	Filter access.AuditFilter
	Rows   []access.Event
	Next   templ.SafeURL
}

const auditRows = 100

func (c *Console) audit(v *visit) error {
	if c.o.Audit == nil {
		return errNoPage
	}
	q := v.URL.Query()
	p := auditPage{Filter: access.AuditFilter{Who: strings.TrimSpace(q.Get("who")), Subject: strings.TrimSpace(q.Get("subject")), MID: strings.TrimSpace(q.Get("merchant"))}}
	before, _ := uuid.Parse(q.Get("after"))
	list, err := c.o.Audit.Audit(v.Context(), p.Filter, before, auditRows+1)
	if err != nil {
		return err
	}
	if len(list) > auditRows {
		list = list[:auditRows]
		q.Set("after", list[auditRows-1].ID.String())
		p.Next = templ.SafeURL("/developers/audit?" + q.Encode())
	}
	p.Rows = list
	return v.render(http.StatusOK, auditView(v, &p))
}
