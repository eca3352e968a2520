package notify

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/fault"
)

// Keeper is what is kept; the store is one. Errors are those of package store.
type Keeper interface {
	// NotifyMarks gives what was told of all subjects.
	NotifyMarks(ctx context.Context) ([]Mark, error)
	// ToldEvents gives which of some events, by merchant and id, are on record.
	ToldEvents(ctx context.Context, events []Event) (map[string]bool, error)
	// PublishEvents puts a step on record, whole or not at all. An event that is on
	// record stays as it is. A mark of another version than the step rests on is
	// fault.Conflict: somebody else has told it.
	PublishEvents(ctx context.Context, s *Step) error
	// UnpostedEvents gives up to n events that have no place in the log, in the order
	// of their writing.
	UnpostedEvents(ctx context.Context, n int) ([]Event, error)
	// LastPosted is the last place of the log that is taken.
	LastPosted(ctx context.Context) (int64, error)
	// PostEvents gives events their places, after last, and puts their deliveries on
	// record, whole or not at all. fault.Conflict where last is not the last any more.
	PostEvents(ctx context.Context, last int64, events []Event, deliveries []Delivery) error
	// Events gives a page of the log, and EventOf one by its id; fault.NotFound.
	Events(ctx context.Context, q EventQuery) ([]Event, error)
	EventOf(ctx context.Context, id string) (Event, error)
	// ForgetEvents removes events that were written before a moment, and their
	// deliveries: up to n. It gives how many.
	ForgetEvents(ctx context.Context, before time.Time, n int) (int, error)

	// Receivers gives all, in the order of their making.
	Receivers(ctx context.Context) ([]Receiver, error)
	// CommitReceiver writes one in its version, which for a new one is 1; another
	// version than the one before is fault.Conflict. RemoveReceiver drops it with its
	// deliveries.
	CommitReceiver(ctx context.Context, r *Receiver) error
	RemoveReceiver(ctx context.Context, id string) error

	// DueReceivers gives the ids of receivers of which a delivery is due.
	DueReceivers(ctx context.Context, at time.Time) ([]string, error)
	// Backlog gives up to n deliveries of a receiver that are Due, in the order of the
	// log, also those whose time has not come.
	Backlog(ctx context.Context, receiver string, n int) ([]Delivery, error)
	// Deliveries gives a page, the newest first.
	Deliveries(ctx context.Context, q DeliveryQuery) ([]Delivery, error)
	// CommitDeliveries writes deliveries in their versions, whole or not at all;
	// fault.Conflict where somebody else has written one.
	CommitDeliveries(ctx context.Context, list []Delivery) error
}

// EventQuery chooses events of the log.
type EventQuery struct {
	// After and Before bound their places, both excluded; 0 for no bound.
	After, Before int64
	// Newest begins with the newest.
	Newest bool
	Types  []Type // none: all
	// Only is the merchant whose events alone may be seen; "" for those of all. MID
	// is the merchant that is asked for; "" for all that may be seen.
	Only, MID string
	Subject   string
	// From and To bound the time, half open.
	From, To time.Time
	Most     int
}

// DeliveryQuery chooses deliveries.
type DeliveryQuery struct {
	Receiver string
	Event    string
	State    State // "": all
	Before   int64 // place in the log, excluded; 0: from the newest
	Most     int
}

// Courier carries. Both give up within a bounded time, and may be called at once.
type Courier interface {
	// Post sends a webhook.
	Post(ctx context.Context, url string, h Headers, body []byte) Answer
	// Mail sends a letter to the mail server.
	Mail(ctx context.Context, l Letter) error
}

// Options are what a Notifier is made with.
type Options struct {
	Keeper Keeper
	// Sealer seals the secrets of webhooks.
	Sealer access.Sealer
	// Courier carries; nil: deliveries wait.
	Courier Courier
	Guard   Guard
	Policy  Policy
	// Mails reports that there is a mail server.
	Mails bool
	// Site is how browsers reach the pages, for links in mail; "" for none.
	Site string
	Zone *time.Location // of times in mail; default UTC
	// Now is the clock of the business, Clock that of the machine, by which is
	// delivered. Default time.Now.
	Now, Clock func() time.Time
	// Keep is how long events are kept. Default 90 days.
	Keep time.Duration
	// Patience is for how long a receiver may fail before it is disabled. Default
	// 5 days.
	Patience time.Duration
	Log      *slog.Logger
}

// Notifier is what people and programs do about notifications, and, by its rounds,
// what happens by itself. It is safe for concurrent use.
type Notifier struct {
	o Options

	mu sync.Mutex
	// told are events that are on record, as far as this process knows.
	told map[string]bool
	// busy are receivers that are being delivered to; resting those that failed a
	// moment ago, with how often in a row.
	busy    map[string]bool
	resting map[string]rest
	seen    *Picture // the clock and the words of the last Watch; nil before
	forgot  time.Time
}

type rest struct {
	until time.Time
	times int
}

// New makes a Notifier.
func New(o Options) *Notifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Keep <= 0 {
		o.Keep = 90 * 24 * time.Hour
	}
	if o.Patience <= 0 {
		o.Patience = 5 * 24 * time.Hour
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Notifier{o: o, told: map[string]bool{}, busy: map[string]bool{}, resting: map[string]rest{}}
}

// Mails reports whether mail can be sent.
func (n *Notifier) Mails() bool { return n.o.Mails }

// Events gives a page of the log. Most is bounded by 1000.
func (n *Notifier) Events(ctx context.Context, q EventQuery) ([]Event, error) {
	q.Most = bounded(q.Most, 50, 1000)
	if q.Only != "" && q.MID != "" && q.MID != q.Only {
		return nil, nil
	}
	return n.o.Keeper.Events(ctx, q)
}

func bounded(n, usual, most int) int {
	if n <= 0 {
		return usual
	}
	return min(n, most)
}

// Event gives one by its id. fault.NotFound also where only, the single merchant
// that may be seen, is another's.
func (n *Notifier) Event(ctx context.Context, only, id string) (Event, error) {
	e, err := n.o.Keeper.EventOf(ctx, id)
	if err == nil && !e.SeenBy(only) {
		err = noEvent()
	}
	return e, err
}

func noEvent() error {
	return fault.New(fault.NotFound, fault.Say("find event", "查找事件"), "", fault.Say("there is none of this id", "没有此编号的事件"), fault.Text{})
}

func noReceiver() error {
	return fault.New(fault.NotFound, fault.Say("find receiver", "查找接收方"), "", fault.Say("there is none of this id", "没有此编号的接收方"), fault.Text{})
}

// Publish puts an event of another part of the platform on record: of a case, say.
// Its type, time, subject, sentence and data are the caller's, its id is made of
// type, subject and key: the same again is told once.
func (n *Notifier) Publish(ctx context.Context, e Event, key string) error {
	if e.Time.IsZero() {
		e.Time = n.o.Now()
	}
	e.ID = idOf(string(e.Type), e.MID, e.Subject, key)
	return n.o.Keeper.PublishEvents(ctx, &Step{MID: e.MID, Events: []Event{e}})
}

// Receivers gives those of a kind, in the order of their making; only is the single
// merchant that may be seen.
func (n *Notifier) Receivers(ctx context.Context, only string, kind Kind) ([]Receiver, error) {
	all, err := n.o.Keeper.Receivers(ctx)
	return slices.DeleteFunc(all, func(r Receiver) bool { return r.Kind != kind || only != "" && r.MID != only }), err
}

// Receiver gives one by its id; fault.NotFound also where only may not see it.
func (n *Notifier) Receiver(ctx context.Context, only, id string) (Receiver, error) {
	all, err := n.o.Keeper.Receivers(ctx)
	if err != nil {
		return Receiver{}, err
	}
	for _, r := range all {
		if r.ID == id && (only == "" || r.MID == only) {
			return r, nil
		}
	}
	return Receiver{}, noReceiver()
}

// Add registers a receiver of r's kind, address, types, merchant, language and
// description, and gives the secret of a webhook, this once. fault.Invalid says what
// is wrong with it.
func (n *Notifier) Add(ctx context.Context, by string, r Receiver) (Receiver, string, error) {
	now := n.o.Clock()
	r = Receiver{Kind: r.Kind, URL: r.URL, Address: r.Address, Lang: r.Lang, Every: r.Every, Types: r.Types, MID: r.MID, Description: r.Description,
		ID: newID(prefixes[r.Kind]), Created: now, By: by, Version: 1}
	if err := r.check(n.o.Guard); err != nil {
		return r, "", err
	}
	all, err := n.o.Keeper.Receivers(ctx)
	if err != nil {
		return r, "", err
	}
	same := 0
	for _, other := range all {
		if other.MID == r.MID {
			same++
		}
	}
	if same >= MostReceivers {
		return r, "", fault.New(fault.Conflict, fault.Say("register receiver", "登记接收方"), "", fault.Say("there are %d already", "已有 %d 个", same), fault.Say("remove one that is not used", "请先删除不再使用的"))
	}
	shown := ""
	if r.Kind == Webhook {
		var s Secret
		if s, shown, err = newSecret(now, n.o.Sealer); err != nil {
			return r, "", err
		}
		r.Secrets = []Secret{s}
	}
	return r, shown, n.o.Keeper.CommitReceiver(ctx, &r)
}

// change reads a receiver, changes it, and writes it; what somebody else changed in
// between is read again.
func (n *Notifier) change(ctx context.Context, only, id string, do func(r *Receiver) error) (Receiver, error) {
	for tries := 0; ; tries++ {
		r, err := n.Receiver(ctx, only, id)
		if err != nil {
			return r, err
		}
		r.ended(n.o.Clock())
		if err := do(&r); err != nil {
			return r, err
		}
		r.Version++
		if err = n.o.Keeper.CommitReceiver(ctx, &r); err == nil || fault.KindOf(err) != fault.Conflict || tries == 3 {
			return r, err
		}
	}
}

// Amendment is what of a receiver is changed; nil leaves it as it is.
type Amendment struct {
	URL, Address, Lang, Description *string
	Every                           *time.Duration
	Types                           *[]string
	Disabled                        *bool
}

// Amend changes a receiver. One that is enabled again is told what waits for it, and
// begins with a clean record.
func (n *Notifier) Amend(ctx context.Context, only, id string, a Amendment) (Receiver, error) {
	return n.change(ctx, only, id, func(r *Receiver) error {
		set(&r.URL, a.URL)
		set(&r.Address, a.Address)
		set(&r.Lang, a.Lang)
		set(&r.Description, a.Description)
		set(&r.Every, a.Every)
		set(&r.Types, a.Types)
		if a.Disabled != nil && *a.Disabled != r.Disabled {
			r.Disabled, r.Why, r.Failing = *a.Disabled, fault.Text{}, time.Time{}
			n.wake(id)
		}
		return r.check(n.o.Guard)
	})
}

func set[T any](to *T, v *T) {
	if v != nil {
		*to = *v
	}
}

// wake forgets that a receiver failed a moment ago.
func (n *Notifier) wake(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.resting, id)
}

// Rotate gives a webhook a new secret, this once; the former one signs beside it
// for Grace.
func (n *Notifier) Rotate(ctx context.Context, only, id string) (r Receiver, shown string, err error) {
	r, err = n.change(ctx, only, id, func(r *Receiver) error {
		if r.Kind != Webhook {
			return noReceiver()
		}
		now := n.o.Clock()
		s, secret, err := newSecret(now, n.o.Sealer)
		if err != nil {
			return err
		}
		for i := range r.Secrets {
			if r.Secrets[i].Until.IsZero() {
				r.Secrets[i].Until = now.Add(Grace)
			}
		}
		// Of many in a row the last two sign: each is one more to be guessed.
		r.Secrets, shown = append([]Secret{s}, r.Secrets[:min(len(r.Secrets), 1)]...), secret
		return nil
	})
	return r, shown, err
}

// Remove drops a receiver with its deliveries.
func (n *Notifier) Remove(ctx context.Context, only, id string) error {
	if _, err := n.Receiver(ctx, only, id); err != nil {
		return err
	}
	return n.o.Keeper.RemoveReceiver(ctx, id)
}

// Test sends an event of type Test to a receiver, whatever types it wants.
func (n *Notifier) Test(ctx context.Context, only, id string) (Event, error) {
	r, err := n.Receiver(ctx, only, id)
	if err != nil {
		return Event{}, err
	}
	if r.Disabled {
		return Event{}, disabled()
	}
	now := n.o.Clock()
	e := Event{ID: newID("evt_"), Type: Test, Time: n.o.Now(), MID: r.MID, Subject: "receiver/" + r.ID, To: r.ID, Share: true,
		Said: fault.Say("A test for %s", "发往 %s 的测试", r.Name()), Data: []byte(`{"sent_at":"` + now.UTC().Format(time.RFC3339) + `"}`)}
	n.wake(id)
	return e, n.o.Keeper.PublishEvents(ctx, &Step{MID: e.MID, Events: []Event{e}})
}

func disabled() error {
	return fault.New(fault.Conflict, fault.Say("send to receiver", "发送给接收方"), "", fault.Say("it is disabled", "该接收方已停用"), fault.Say("enable it first", "请先启用"))
}

// Deliveries gives a page of what was sent to a receiver, the newest first.
func (n *Notifier) Deliveries(ctx context.Context, only string, q DeliveryQuery) ([]Delivery, error) {
	if _, err := n.Receiver(ctx, only, q.Receiver); err != nil {
		return nil, err
	}
	q.Most = bounded(q.Most, 50, 501)
	return n.o.Keeper.Deliveries(ctx, q)
}

// Replay sends an event to a receiver again, or for the first time, whatever types
// it wants now.
func (n *Notifier) Replay(ctx context.Context, only, id, event string) error {
	r, err := n.Receiver(ctx, only, id)
	if err != nil {
		return err
	}
	e, err := n.o.Keeper.EventOf(ctx, event)
	if err == nil && (e.Seq == 0 || !e.SeenBy(r.MID) && e.To != r.ID) {
		err = noEvent()
	}
	if err != nil {
		return err
	}
	_, err = n.replay(ctx, &r, []Event{e}, false)
	return err
}

// MostReplayed is how many events ReplayRange sends again at most.
const MostReplayed = 10000

// ReplayRange sends a receiver again what it wants of the events that happened
// within a time, half open; failed leaves out what it has taken. It gives how many;
// they come in the order of the log.
func (n *Notifier) ReplayRange(ctx context.Context, only, id string, from, to time.Time, failed bool) (count int, err error) {
	r, err := n.Receiver(ctx, only, id)
	if err != nil {
		return 0, err
	}
	if !from.Before(to) {
		return 0, fault.New(fault.Invalid, fault.Say("send again", "重新发送"), "", fault.Say("the time begins after it ends", "起始时间晚于结束时间"), fault.Text{})
	}
	q := EventQuery{Types: Matching(r.Types), Only: r.MID, From: from, To: to, Most: 200}
	for count < MostReplayed {
		page, err := n.o.Keeper.Events(ctx, q)
		if err != nil || len(page) == 0 {
			return count, err
		}
		q.After = page[len(page)-1].Seq
		page = slices.DeleteFunc(page, func(e Event) bool { return e.To != "" && e.To != r.ID })
		sent, err := n.replay(ctx, &r, page, failed)
		count += sent
		if err != nil {
			return count, err
		}
	}
	return count, nil
}

// replay makes deliveries due that are there, and those that are not.
func (n *Notifier) replay(ctx context.Context, r *Receiver, events []Event, failed bool) (int, error) {
	if r.Disabled {
		return 0, disabled()
	}
	now := n.o.Clock()
	var list []Delivery
	for i := range events {
		e := &events[i]
		there, err := n.o.Keeper.Deliveries(ctx, DeliveryQuery{Receiver: r.ID, Event: e.ID, Most: 1})
		if err != nil {
			return 0, err
		}
		d := deliveryOf(r, e, now)
		if len(there) > 0 {
			d = there[0]
			if failed && d.State == Delivered {
				continue
			}
		}
		d.State, d.Next, d.Tries, d.Replayed = Due, now, 0, now
		d.Version++
		list = append(list, d)
	}
	if len(list) == 0 {
		return 0, nil
	}
	n.wake(r.ID)
	return len(list), n.o.Keeper.CommitDeliveries(ctx, list)
}

func deliveryOf(r *Receiver, e *Event, now time.Time) Delivery {
	return Delivery{Receiver: r.ID, Event: e.ID, MID: e.MID, Seq: e.Seq, Type: e.Type, Subject: e.Subject, State: Due, Next: now, Created: now}
}
