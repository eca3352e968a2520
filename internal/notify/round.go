package notify

import (
	"context"
	"slices"
	"sync"
	"time"

	"daozhang/internal/fault"
)

// Watch holds what an investigation says now against what was told and puts what is
// new on record. look is given what was told and makes the picture, see Look. Each
// node does this for the merchants that it holds; where two did the same, one of
// them finds it told.
func (n *Notifier) Watch(ctx context.Context, look func(marks []Mark) *Picture) error {
	marks, err := n.o.Keeper.NotifyMarks(ctx)
	if err != nil {
		return err
	}
	p := look(marks)
	if p == nil {
		return nil
	}
	n.mu.Lock()
	n.seen = &Picture{AsOf: p.AsOf, Amount: p.Amount, Clock: p.Clock}
	n.mu.Unlock()
	steps := Compare(n.o.Policy, marks, p)
	if err := n.untold(ctx, steps); err != nil {
		return err
	}
	for i := range steps {
		if err := n.put(ctx, &steps[i]); err != nil {
			return err
		}
	}
	return nil
}

// WatchHouse does the same for those who see all merchants, as of the last Watch.
// The leader does it.
func (n *Notifier) WatchHouse(ctx context.Context) error {
	n.mu.Lock()
	now := n.seen
	n.mu.Unlock()
	if now == nil {
		return nil
	}
	marks, err := n.o.Keeper.NotifyMarks(ctx)
	if err != nil {
		return err
	}
	s := CompareHouse(marks, now)
	return n.put(ctx, &s)
}

// put puts a step on record. Where somebody else was quicker it is dropped: the next
// look sees what they did.
func (n *Notifier) put(ctx context.Context, s *Step) error {
	if s.None() {
		return nil
	}
	err := n.o.Keeper.PublishEvents(ctx, s)
	if err != nil && fault.KindOf(err) == fault.Conflict {
		return nil
	}
	if err == nil {
		n.remember(s.Events)
	}
	return err
}

// mostTold bounds the memory of what is on record.
const mostTold = 200_000

func (n *Notifier) remember(events []Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.told) > mostTold {
		clear(n.told)
	}
	for i := range events {
		n.told[events[i].ID] = true
	}
}

// untold takes out of steps the events that are on record already: what a payout has
// come to is seen at every look.
func (n *Notifier) untold(ctx context.Context, steps []Step) error {
	var ask []Event
	n.mu.Lock()
	for i := range steps {
		for _, e := range steps[i].Events {
			if !n.told[e.ID] {
				ask = append(ask, e)
			}
		}
	}
	n.mu.Unlock()
	for page := range slices.Chunk(ask, 200) {
		told, err := n.o.Keeper.ToldEvents(ctx, page)
		if err != nil {
			return err
		}
		n.remember(slices.DeleteFunc(slices.Clone(page), func(e Event) bool { return !told[e.ID] }))
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for i := range steps {
		steps[i].Events = slices.DeleteFunc(steps[i].Events, func(e Event) bool { return n.told[e.ID] })
	}
	return nil
}

// postedAtOnce is how many events are posted in one transaction.
const postedAtOnce = 200

// Post gives events their places in the log, and to each receiver that wants them a
// delivery. The leader does it; it gives how many.
func (n *Notifier) Post(ctx context.Context) (int, error) {
	for count := 0; ; {
		last, err := n.o.Keeper.LastPosted(ctx)
		if err != nil {
			return count, err
		}
		events, err := n.o.Keeper.UnpostedEvents(ctx, postedAtOnce)
		if err != nil || len(events) == 0 {
			return count, err
		}
		receivers, err := n.o.Keeper.Receivers(ctx)
		if err != nil {
			return count, err
		}
		now := n.o.Clock()
		var deliveries []Delivery
		for i := range events {
			e := &events[i]
			e.Seq = last + int64(i) + 1
			for j := range receivers {
				if r := &receivers[j]; r.wants(e) && (r.Kind == Webhook || n.o.Mails) {
					d := deliveryOf(r, e, now)
					d.Version = 1
					deliveries = append(deliveries, d)
				}
			}
		}
		if err := n.o.Keeper.PostEvents(ctx, last, events, deliveries); err != nil {
			return count, err
		}
		count += len(events)
	}
}

// deliveredAtOnce is how many receivers are told at the same time, backlogged how
// many deliveries of one are looked at.
const (
	deliveredAtOnce = 16
	backlogged      = 200
)

// Deliver tries what is due, until it has been tried once. The leader does it. Of
// one receiver one delivery is on its way at a time, in the order of the log; a
// receiver that fails rests, and the others do not wait for it.
func (n *Notifier) Deliver(ctx context.Context) error {
	if n.o.Courier == nil {
		return nil
	}
	due, err := n.o.Keeper.DueReceivers(ctx, n.o.Clock())
	if err != nil || len(due) == 0 {
		return err
	}
	receivers, err := n.o.Keeper.Receivers(ctx)
	if err != nil {
		return err
	}
	var work sync.WaitGroup
	room := make(chan struct{}, deliveredAtOnce)
	for i := range receivers {
		r := &receivers[i]
		if r.Disabled || !slices.Contains(due, r.ID) || !n.begin(r.ID) {
			continue
		}
		work.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			defer n.end(r.ID)
			if err := n.serve(ctx, r); err != nil && ctx.Err() == nil {
				n.o.Log.Error("receiver not told; it is tried again", "receiver", r.ID, "error", err)
			}
		})
	}
	work.Wait()
	return nil
}

// begin reports whether a receiver can be told now, and takes it.
func (n *Notifier) begin(id string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.busy[id] || n.o.Clock().Before(n.resting[id].until) {
		return false
	}
	n.busy[id] = true
	return true
}

func (n *Notifier) end(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.busy, id)
}

// tire lets a receiver that failed rest: five seconds first, five minutes at most.
func (n *Notifier) tire(id string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.resting[id]
	r.times++
	r.until = n.o.Clock().Add(min(5*time.Second<<min(r.times-1, 10), 5*time.Minute))
	n.resting[id] = r
}

// serve tells one receiver what is due, until something fails.
func (n *Notifier) serve(ctx context.Context, r *Receiver) error {
	list, err := n.o.Keeper.Backlog(ctx, r.ID, backlogged)
	if err != nil {
		return err
	}
	ready := inOrder(list, n.o.Clock())
	if r.Kind == Mailbox {
		return n.write(ctx, r, ready)
	}
	for i := range ready {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		good, err := n.post(ctx, r, &ready[i])
		if err != nil || !good {
			return err
		}
	}
	return nil
}

// inOrder gives those of a backlog that may be tried: of each subject none before
// the one ahead of it has been taken or given up.
func inOrder(list []Delivery, now time.Time) []Delivery {
	held := map[string]bool{}
	var out []Delivery
	for _, d := range list {
		switch {
		case held[d.Subject]:
		case d.Next.After(now):
			held[d.Subject] = true
		default:
			out = append(out, d)
		}
	}
	return out
}

// post tries one delivery of a webhook and puts on record what came of it.
func (n *Notifier) post(ctx context.Context, r *Receiver, d *Delivery) (good bool, err error) {
	e, err := n.o.Keeper.EventOf(ctx, d.Event)
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return true, n.lost(ctx, d) // forgotten before it could be sent
	}
	if err != nil {
		return false, err
	}
	body, err := e.MarshalJSON()
	if err != nil {
		return false, err
	}
	at := n.o.Clock()
	h, err := sign(e.ID, at, body, r.Secrets, n.o.Sealer)
	answer := Answer{Err: err}
	if err == nil {
		answer = n.o.Courier.Post(ctx, r.URL, h, body)
	}
	if answer.Err != nil && ctx.Err() != nil {
		return false, ctx.Err() // this process ends: that is no fault of the receiver
	}
	return answer.good(), n.attempted(ctx, r, []Delivery{*d}, Attempt{At: at, Took: n.o.Clock().Sub(at), Status: answer.Status, Said: answer.said(), Good: answer.good()}, answer)
}

// lost ends a delivery of an event that is not kept any more.
func (n *Notifier) lost(ctx context.Context, d *Delivery) error {
	d.State, d.Next = Failed, time.Time{}
	d.Version++
	return n.o.Keeper.CommitDeliveries(ctx, []Delivery{*d})
}

// write sends a person what is ready as one letter, once the first of it has waited
// as long as the receiver gathers.
func (n *Notifier) write(ctx context.Context, r *Receiver, ready []Delivery) error {
	now := n.o.Clock()
	if len(ready) == 0 || !slices.ContainsFunc(ready, func(d Delivery) bool { return d.Tries > 0 || !now.Before(d.Created.Add(r.Every)) }) {
		return nil
	}
	var events []Event
	all := ready
	ready = nil
	for i := range all {
		e, err := n.o.Keeper.EventOf(ctx, all[i].Event)
		switch {
		case err == nil:
			ready, events = append(ready, all[i]), append(events, e)
		case fault.KindOf(err) != fault.NotFound:
			return err
		default:
			if err := n.lost(ctx, &all[i]); err != nil {
				return err
			}
		}
	}
	if len(events) == 0 {
		return nil
	}
	letter, err := Compose(r, events, n.o.Site, n.o.Zone, now)
	if err != nil {
		return err
	}
	answer := Answer{Err: n.o.Courier.Mail(ctx, letter), Status: 250}
	if answer.Err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		answer.Status = 0
	}
	return n.attempted(ctx, r, ready, Attempt{At: now, Took: n.o.Clock().Sub(now), Status: answer.Status, Said: answer.said(), Good: answer.good()}, answer)
}

// attempted puts an attempt on record for all that it carried. A receiver that says
// it is gone, or that has failed for days, is disabled.
func (n *Notifier) attempted(ctx context.Context, r *Receiver, list []Delivery, a Attempt, answer Answer) error {
	for i := range list {
		list[i].tried(a, answer.Again)
		list[i].Version++
	}
	err := n.o.Keeper.CommitDeliveries(ctx, list)
	if err != nil && fault.KindOf(err) != fault.Conflict {
		return err
	} // where somebody replayed it meanwhile it is sent once more
	if a.Good {
		n.wake(r.ID)
		if r.Failing.IsZero() {
			return nil
		}
		r.Failing = time.Time{}
		_, err := n.change(ctx, "", r.ID, func(r *Receiver) error { r.Failing = time.Time{}; return nil })
		return err
	}
	n.tire(r.ID)
	gone := answer.Status == 410
	if !r.Failing.IsZero() && a.At.Sub(r.Failing) < n.o.Patience && !gone {
		return nil
	}
	off := gone || !r.Failing.IsZero()
	changed, err := n.change(ctx, "", r.ID, func(r *Receiver) error {
		if r.Failing.IsZero() {
			r.Failing = a.At
		}
		if off && !r.Disabled {
			r.Disabled, r.Why = true, disabledWhy(gone, a.At.Sub(r.Failing))
		}
		return nil
	})
	if err != nil || !off {
		r.Failing = changed.Failing
		return err
	}
	return n.Publish(ctx, Event{Type: ReceiverDisabled, Subject: "receiver/" + r.ID, Said: fault.Say("%s is not told any more: %s", "%s 已停用：%s", r.Name(), changed.Why)}, a.At.UTC().Format(time.RFC3339))
}

func disabledWhy(gone bool, failing time.Duration) fault.Text {
	if gone {
		return fault.Say("it answered 410 Gone", "对方返回 410 Gone")
	}
	return fault.Say("it has failed for %d days", "已连续失败 %d 天", int(failing.Hours()/24))
}

// Forget removes what has been kept long enough, once an hour at most. The leader
// does it.
func (n *Notifier) Forget(ctx context.Context) error {
	now := n.o.Clock()
	if now.Sub(n.forgot) < time.Hour {
		return nil
	}
	for {
		count, err := n.o.Keeper.ForgetEvents(ctx, now.Add(-n.o.Keep), 500)
		if err != nil {
			return err
		}
		if count == 0 {
			n.forgot = now
			return nil
		}
	}
}

// Rounds are what a Run needs from outside.
type Rounds struct {
	// Every is the time between looks. Default 5 s. A look that takes long makes the
	// next wait longer: it never takes more than a twentieth of a processor.
	Every time.Duration
	// Read makes the picture of what this node's investigation says now; nil where it
	// does not know all yet.
	Read func(marks []Mark) *Picture
	// Lead reports whether this process posts and delivers for all nodes.
	Lead func(ctx context.Context) (bool, error)
}

// deliverAtOnce is how many rounds of delivery may run beside each other: a slow
// receiver holds its own round, and no other.
const deliverAtOnce = 4

// Run looks, posts and delivers until ctx ends. What fails is logged and tried
// again at the next round.
func (n *Notifier) Run(ctx context.Context, r Rounds) {
	if r.Every <= 0 {
		r.Every = 5 * time.Second
	}
	var work sync.WaitGroup
	defer work.Wait()
	rounds := make(chan struct{}, deliverAtOnce)
	var looked time.Time
	for tick := time.NewTicker(min(r.Every, time.Second)); ; {
		lead, err := r.Lead(ctx)
		n.note(ctx, "leader not found", err)
		if now := time.Now(); !now.Before(looked) {
			n.note(ctx, "nothing told", n.Watch(ctx, r.Read))
			if lead {
				n.note(ctx, "nothing told", n.WatchHouse(ctx))
			}
			looked = time.Now().Add(max(r.Every, 20*time.Since(now)))
		}
		if lead {
			_, err := n.Post(ctx)
			n.note(ctx, "nothing posted", err)
			n.note(ctx, "nothing forgotten", n.Forget(ctx))
			select {
			case rounds <- struct{}{}:
				work.Go(func() {
					defer func() { <-rounds }()
					n.note(ctx, "nothing delivered", n.Deliver(ctx))
				})
			default:
			}
		}
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
	}
}

func (n *Notifier) note(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		n.o.Log.Error(what+"; it is tried again", "error", err)
	}
}
