package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/fault"
	"daozhang/internal/notify"
	"daozhang/internal/store"
)

func event(mid, id, subject string) notify.Event {
	return notify.Event{ID: id, Type: notify.PaymentOverdue, Time: Begin, MID: mid, Subject: subject, Said: fault.Say("late", "逾期"), Data: json.RawMessage(`{"payment":{"id":"p"}}`)}
}

// notifyEvents: what is told is kept once, gets its place once, and is read by
// whoever may see it.
func notifyEvents(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	mark := notify.Mark{MID: MID, Subject: "payment/p", Version: 1, Leg: "credit", Amount: 5, Currency: "CNY", Name: fault.Say("shop", "店"), Told: Begin, Promise: Begin.Add(time.Hour)}
	share := event(MID, "e2", "incident/i")
	share.Share = true
	house := event("", "e3", "incident/i")
	house.Type = notify.IncidentOpened
	for _, step := range []*notify.Step{
		{MID: MID, Marks: []notify.Mark{mark}, Events: []notify.Event{event(MID, "e1", "payment/p"), share}}, {Events: []notify.Event{house}},
		{MID: "other", Events: []notify.Event{event("other", "e4", "payment/q")}},
	} {
		if err := s.PublishEvents(ctx, step); err != nil {
			t.Fatal(err)
		}
	}
	if got := must[[]notify.Mark](t)(s.NotifyMarks(ctx)); !reflect.DeepEqual(got, []notify.Mark{mark}) {
		t.Errorf("marks %+v, want %+v", got, mark)
	}
	// Somebody else told it meanwhile: the step is refused whole.
	rival := mark
	rival.Leg = "settlement"
	if err := s.PublishEvents(ctx, &notify.Step{MID: MID, Marks: []notify.Mark{rival}, Events: []notify.Event{event(MID, "e9", "payment/p")}}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a rival's mark: %v", err)
	}
	told := must[map[string]bool](t)(s.ToldEvents(ctx, []notify.Event{{ID: "e1", MID: MID}, {ID: "e9", MID: MID}, {ID: "e3"}, {ID: "e4", MID: MID}}))
	if !reflect.DeepEqual(told, map[string]bool{"e1": true, "e3": true}) {
		t.Errorf("told %v", told)
	}
	// The same id says the same: it stays as it is.
	again := event(MID, "e1", "payment/other")
	mark.Version, mark.Missed = 2, mark.Promise
	if err := s.PublishEvents(ctx, &notify.Step{MID: MID, Marks: []notify.Mark{mark}, Events: []notify.Event{again}}); err != nil {
		t.Fatal(err)
	}
	waiting := must[[]notify.Event](t)(s.UnpostedEvents(ctx, 10))
	if len(waiting) != 4 || waiting[0].Subject == "payment/other" {
		t.Fatalf("%+v", waiting)
	}
	if page := must[[]notify.Event](t)(s.Events(ctx, notify.EventQuery{Most: 10})); len(page) != 0 {
		t.Errorf("in the log without a place: %+v", page)
	}
	d := notify.Delivery{Receiver: "wh_1", Event: "e1", MID: MID, Seq: 1, Type: notify.PaymentOverdue, Subject: "payment/p", State: notify.Due, Next: Begin, Created: Begin, Version: 1}
	slices.SortFunc(waiting, func(a, b notify.Event) int { return int(a.ID[1]) - int(b.ID[1]) })
	for i := range waiting {
		waiting[i].Seq = int64(i) + 1
	}
	if err := s.PostEvents(ctx, 0, waiting, []notify.Delivery{d}); err != nil {
		t.Fatal(err)
	}
	other := slices.Clone(waiting[1:])
	if err := s.PostEvents(ctx, 0, other, nil); fault.KindOf(err) != fault.Conflict {
		t.Errorf("places given by a rival: %v", err)
	}
	if last := must[int64](t)(s.LastPosted(ctx)); last != 4 {
		t.Errorf("the last place is %d", last)
	}
	for name, c := range map[string]struct {
		q    notify.EventQuery
		want string
	}{
		"all":     {notify.EventQuery{}, "e1 e3 e4 "},
		"own":     {notify.EventQuery{Only: MID}, "e1 e2 "},
		"of one":  {notify.EventQuery{MID: MID}, "e1 "},
		"after":   {notify.EventQuery{After: 1}, "e3 e4 "},
		"before":  {notify.EventQuery{Before: 4, Newest: true}, "e3 e1 "},
		"types":   {notify.EventQuery{Types: []notify.Type{notify.IncidentOpened, notify.CaseOpened}}, "e3 "},
		"subject": {notify.EventQuery{Subject: "payment/q"}, "e4 "},
		"within":  {notify.EventQuery{From: Begin, To: Begin.Add(time.Second)}, "e1 e3 e4 "},
		"later":   {notify.EventQuery{From: Begin.Add(time.Second)}, ""},
		"a page":  {notify.EventQuery{Most: 1}, "e1 "},
	} {
		if c.q.Most == 0 {
			c.q.Most = 10
		}
		got := ""
		for _, e := range must[[]notify.Event](t)(s.Events(ctx, c.q)) {
			got += e.ID + " "
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	e := must[notify.Event](t)(s.EventOf(ctx, "e2"))
	if want := waiting[1]; !reflect.DeepEqual(e, want) || !e.Share {
		t.Errorf("%+v, want %+v", e, want)
	}
	if _, err := s.EventOf(ctx, "none"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an event that is not there: %v", err)
	}
	if err := s.PublishEvents(ctx, &notify.Step{MID: MID, Closed: []notify.Mark{mark}}); err != nil {
		t.Fatal(err)
	}
	if got := must[[]notify.Mark](t)(s.NotifyMarks(ctx)); len(got) != 0 {
		t.Errorf("marks that were closed: %+v", got)
	}
	if n := must[int](t)(s.ForgetEvents(ctx, time.Now().Add(-time.Hour), 10)); n != 1 { // the delivery was made long ago
		t.Errorf("%d forgotten too early", n)
	}
	for must[int](t)(s.ForgetEvents(ctx, time.Now().Add(time.Hour), 3)) > 0 {
	}
	if page := must[[]notify.Event](t)(s.Events(ctx, notify.EventQuery{Most: 10})); len(page) != 0 {
		t.Errorf("not forgotten: %+v", page)
	}
	if last := must[int64](t)(s.LastPosted(ctx)); last != 4 {
		t.Errorf("the last place is %d after forgetting", last)
	}
	Healthy(t, address)
}

// notifyDeliveries: receivers, and what is on its way to them.
func notifyDeliveries(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	r := notify.Receiver{ID: "wh_1", Kind: notify.Webhook, URL: "https://shop.example/", Types: []string{"payment.*"}, MID: MID, Created: Begin,
		Secrets: []notify.Secret{{Sealed: []byte{1, 2, 3}, Created: Begin, Until: Begin.Add(time.Hour)}}, Why: fault.Say("gone", "已停用"), Version: 1}
	first := notify.Receiver{ID: "wh_2", Kind: notify.Mailbox, Address: "a@shop.example", Every: time.Hour, Created: Begin.Add(-time.Hour), Version: 1}
	for _, x := range []*notify.Receiver{&r, &first} {
		if err := s.CommitReceiver(ctx, x); err != nil {
			t.Fatal(err)
		}
	}
	r.Version, r.Description = 2, "till"
	if err := s.CommitReceiver(ctx, &r); err != nil {
		t.Fatal(err)
	}
	stale := r
	stale.Description = "another"
	if err := s.CommitReceiver(ctx, &stale); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a receiver that was changed meanwhile: %v", err)
	}
	if got := must[[]notify.Receiver](t)(s.Receivers(ctx)); !reflect.DeepEqual(got, []notify.Receiver{first, r}) {
		t.Errorf("receivers:\n%+v, want\n%+v", got, []notify.Receiver{first, r})
	}
	var list []notify.Delivery
	for i := range 5 {
		list = append(list, notify.Delivery{Receiver: "wh_1", Event: fmt.Sprint("e", i), MID: MID, Seq: int64(i) + 1, Type: notify.PaymentOverdue, Subject: fmt.Sprint("payment/", i%2),
			State: notify.Due, Next: Begin.Truncate(time.Microsecond).Add(time.Duration(i) * time.Minute), Created: Begin, Version: 1})
	}
	if err := s.CommitDeliveries(ctx, list); err != nil {
		t.Fatal(err)
	}
	if got := must[[]string](t)(s.DueReceivers(ctx, Begin.Add(-time.Second))); len(got) != 0 {
		t.Errorf("due too early: %v", got)
	}
	if got := must[[]string](t)(s.DueReceivers(ctx, Begin)); !slices.Equal(got, []string{"wh_1"}) {
		t.Errorf("due: %v", got)
	}
	done := list[1]
	done.State, done.Next, done.Tries, done.Version = notify.Delivered, time.Time{}, 1, 2
	done.Attempts = []notify.Attempt{{At: Begin, Took: time.Second, Status: 204, Said: fault.Say("ok", "好"), Good: true}}
	if err := s.CommitDeliveries(ctx, []notify.Delivery{done}); err != nil {
		t.Fatal(err)
	}
	rival := list[1]
	rival.Version, rival.State = 2, notify.Failed
	if err := s.CommitDeliveries(ctx, []notify.Delivery{list[2], rival}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("written by somebody else meanwhile: %v", err)
	}
	if got := must[[]notify.Delivery](t)(s.Backlog(ctx, "wh_1", 10)); len(got) != 4 || !reflect.DeepEqual(got[0], list[0]) || got[1].Event != "e2" {
		t.Errorf("backlog: %+v", got)
	}
	if got := must[[]notify.Delivery](t)(s.Deliveries(ctx, notify.DeliveryQuery{Receiver: "wh_1", Before: 4, Most: 2})); len(got) != 2 || got[0].Event != "e2" || !reflect.DeepEqual(got[1], done) {
		t.Errorf("page: %+v", got)
	}
	if got := must[[]notify.Delivery](t)(s.Deliveries(ctx, notify.DeliveryQuery{Receiver: "wh_1", State: notify.Delivered, Event: "e1", Most: 2})); len(got) != 1 {
		t.Errorf("delivered: %+v", got)
	}
	if err := s.RemoveReceiver(ctx, "wh_1"); err != nil {
		t.Fatal(err)
	}
	left := must[[]notify.Delivery](t)(s.Deliveries(ctx, notify.DeliveryQuery{Receiver: "wh_1", Most: 10}))
	if all := must[[]notify.Receiver](t)(s.Receivers(ctx)); len(all) != 1 || len(left) != 0 {
		t.Errorf("removed, and there are %+v, %+v", all, left)
	}
	for name, err := range map[string]error{"no id": s.CommitReceiver(ctx, &notify.Receiver{Version: 1}), "no event": s.CommitDeliveries(ctx, []notify.Delivery{{Receiver: "x", Version: 1}}),
		"no type": s.PublishEvents(ctx, &notify.Step{Events: []notify.Event{{ID: "x"}}})} {
		if fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// apiLog: of each key the last requests stay, also over a start.
func apiLog(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	log := s.CallLog()
	at := Begin
	call := func(key string, n int) (list []access.Call) {
		for range n {
			at = at.Add(time.Second)
			list = append(list, access.Call{Key: key, At: at, Method: "GET", Route: "/v1/events", Status: 200, Took: 3 * time.Millisecond, Request: "r" + at.Format("150405"), From: "192.0.2.1"})
		}
		return list
	}
	quiet := call("k2", 3)
	for _, list := range [][]access.Call{call("k1", 10), quiet, call("k1", 2*store.CallsKept+7), nil} {
		if err := log.Keep(ctx, list); err != nil {
			t.Fatal(err)
		}
	}
	last := call("k1", 1)
	if err := s.CallLog().Keep(ctx, last); err != nil { // a process that begins
		t.Fatal(err)
	}
	got := must[[]access.Call](t)(s.RecentCalls(ctx, "k1", 1000))
	if len(got) != store.CallsKept || !reflect.DeepEqual(got[0], last[0]) {
		t.Errorf("%d calls, the last %+v", len(got), got[0])
	}
	for i := 1; i < len(got); i++ {
		if got[i-1].At.Sub(got[i].At) != time.Second {
			t.Fatalf("call %d is of %v, after it %v", i, got[i].At, got[i-1].At)
		}
	}
	if all := must[[]access.Call](t)(s.RecentCalls(ctx, "", store.CallsKept+3)); len(all) != store.CallsKept+3 || all[len(all)-1].Key != "k2" {
		t.Errorf("%d of all keys", len(all))
	}
}

// lead: of two processes one leads, and the other after it.
func lead(t *testing.T, address string) {
	s := open(t, address)
	a := s.Lead("notify")
	defer a.Close()
	if held, err := a.Held(t.Context()); err != nil || !held {
		t.Fatalf("nobody else is there: %v, %v", held, err)
	}
	if held, err := a.Held(t.Context()); err != nil || !held {
		t.Fatalf("still: %v, %v", held, err)
	}
	if !Several(address) {
		return
	}
	s2 := open(t, address, func(o *store.Options) { o.Node = "second" })
	b := s2.Lead("notify")
	defer b.Close()
	if held, err := b.Held(t.Context()); err != nil || held {
		t.Errorf("two lead: %v, %v", held, err)
	}
	if held, err := s2.Lead("something else").Held(t.Context()); err != nil || !held {
		t.Errorf("something else: %v, %v", held, err)
	}
	a.Close()
	for end := time.Now().Add(10 * time.Second); ; {
		held, err := b.Held(t.Context())
		if held {
			return
		}
		if time.Now().After(end) {
			t.Fatal(errors.Join(err, errors.New("nobody leads after the first has gone")))
		}
	}
}
