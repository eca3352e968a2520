package gateway

import (
	"cmp"
	"slices"
	"time"

	"daozhang/internal/payment"
)

// send hands a message to its link and waits for its answer.
func (x *Exchange) send(now time.Time, m *payment.Message, j *job) {
	l := x.links[m.Link]
	if l == nil {
		return // the link is no longer configured: the time-out or the next attempt finds another
	}
	if m.Kind == payment.Ask {
		t := x.Book.Find(m.Payment)
		f := &flight{id: m.Payment, link: l, issuer: x.issuer(t.Issuer), stan: m.STAN, sent: now, deadline: t.Deadline, job: j}
		if j != nil {
			j.id = m.Payment
		}
		x.depart(f)
	} else {
		k := owed{m.Payment, m.Kind}
		x.settle(k)
		x.owing[k] = pendingAttempt{l, now}
		l.owing++
		x.timers.push(timer{at: now.Add(x.Book.Policy.AnswerWithin), kind: timeSlot, id: m.Payment, message: m.Kind})
		if _, used := l.taken[m.STAN]; !used {
			l.taken[m.STAN] = m.Payment
			l.release(m.STAN, m.Payment, now.Add(stanRest))
		}
	}
	x.do(Action{Kind: Send, Message: m})
}

func (x *Exchange) depart(f *flight) {
	x.flights[f.id] = f
	f.link.flying++
	f.link.taken[f.stan] = f.id
	x.timers.push(timer{at: f.deadline, kind: timeDeadline, id: f.id})
}

// arrive ends a flight. The STAN stays taken for a while: the answer may come
// again.
func (x *Exchange) arrive(now time.Time, f *flight, answered bool) {
	delete(x.flights, f.id)
	f.link.flying--
	if answered {
		f.link.release(f.stan, f.id, now.Add(stanRest))
	} else {
		f.link.release(f.stan, f.id, now.Add(x.Book.Policy.LastArrival))
	}
}

// pendingAttempt is an attempt that takes a place in its link's UndoWindow until
// it is answered, or until an answer is no longer to be expected: so a silent
// issuer does not keep the reversals of others back.
type pendingAttempt struct {
	link  *link
	since time.Time
}

// settle ends the wait for the answer to an attempt.
func (x *Exchange) settle(k owed) {
	if a, ok := x.owing[k]; ok {
		a.link.owing--
		delete(x.owing, k)
	}
}

// Response takes a decoded answer of a network.
func (x *Exchange) Response(now time.Time, name string, r *payment.Response) {
	now = x.at(now)
	if x.halted {
		return
	}
	l := x.links[name]
	if l == nil {
		x.Count[CountStray]++
		return
	}
	id := r.Payment
	if id == (payment.ID{}) {
		id = l.taken[r.STAN]
	}
	f := x.flights[id]
	if r.Kind == payment.Ask && f != nil {
		l.answered(now, now.Sub(f.sent))
		f.issuer.answer(now, now.Sub(f.sent), issuerFailed(r.Code))
		x.report(now, l, f.issuer)
	} else if r.Kind != payment.Ask {
		l.heard = now
		x.settle(owed{id, r.Kind})
	}
	if f != nil && f.balance != nil && r.Kind == payment.Ask {
		x.told(now, f, r)
		return
	}
	t := x.Book.Find(id)
	if t == nil || t.Link != "" && t.NetworkSTAN != "" && r.STAN != "" && r.STAN != t.NetworkSTAN && t.Link == name {
		x.Count[CountStray]++
		return
	}
	x.respond(now, id, r)
}

func (x *Exchange) respond(now time.Time, id payment.ID, r *payment.Response) {
	x.when(now, x.Book.Find(id), func(now time.Time) {
		d := x.Book.Respond(now, id, r)
		if d.Step == nil {
			x.Count[d.Outcome]++
			return
		}
		f := x.flights[id]
		var j *job
		if r.Kind == payment.Ask && f != nil {
			x.arrive(now, f, true)
			j = f.job
		}
		x.commit(now, d, j, func(now time.Time) { x.retry(now, id, r, j) })
	})
}

// retry decides again about an answer that could not be written. The issuer has
// said its word; the terminal hears it once it is durable.
func (x *Exchange) retry(now time.Time, id payment.ID, r *payment.Response, j *job) {
	x.when(now, x.Book.Find(id), func(now time.Time) {
		d := x.Book.Respond(now, id, r)
		if d.Step == nil {
			x.Count[d.Outcome]++
			if j != nil {
				x.finish(now, j)
			}
			return
		}
		x.commit(now, d, j, func(now time.Time) { x.retry(now, id, r, j) })
	})
}

// expire decides that nobody answered in time.
func (x *Exchange) expire(now time.Time, id payment.ID) {
	f := x.flights[id]
	if f != nil && f.balance != nil {
		x.arrive(now, f, false)
		x.lost(now, f)
		x.answer(now, f.job, codeNoAnswer)
		return
	}
	x.when(now, x.Book.Find(id), func(now time.Time) {
		t := x.Book.Find(id)
		if t == nil || t.State != payment.Sent {
			return
		}
		f := x.flights[id]
		var j *job
		where := "platform-network/" + t.Network
		if f != nil {
			where = x.stuckAt(f, t)
			x.arrive(now, f, false)
			x.lost(now, f)
			j = f.job
		}
		x.expireAt(now, id, where, j)
	})
}

func (x *Exchange) expireAt(now time.Time, id payment.ID, where string, j *job) {
	d := x.Book.Expire(now, id, where)
	if d.Step == nil {
		x.Count[d.Outcome]++
		if j != nil {
			x.finish(now, j)
		}
		return
	}
	x.commit(now, d, j, func(now time.Time) {
		x.when(now, x.Book.Find(id), func(now time.Time) { x.expireAt(now, id, where, j) })
	})
}

// lost counts a message that nobody answered.
func (x *Exchange) lost(now time.Time, f *flight) {
	f.link.silent(now)
	f.issuer.answer(now, now.Sub(f.sent), true)
	x.report(now, f.link, f.issuer)
}

// stuckAt is where an unanswered message got stuck, for evidence: the issuer, if
// its link has answered something that was sent no earlier; else the network.
func (x *Exchange) stuckAt(f *flight, t *payment.Transaction) string {
	if t.Issuer != "" && f.link.up && f.link.heardSent.After(f.sent) {
		return "network-issuer/" + t.Issuer
	}
	return "platform-network/" + t.Network
}

// repeat makes the next attempt of what is owed, if there is room on a link.
func (x *Exchange) repeat(now time.Time, tm timer) {
	o := x.Book.Owed(tm.id, tm.message)
	if o == nil {
		x.settle(owed{tm.id, tm.message})
		return
	}
	if x.locks[tm.id] > 0 {
		x.when(now, x.Book.Find(tm.id), func(now time.Time) { x.repeat(now, tm) })
		return
	}
	if tm.at.Before(o.Next) && now.Before(o.Next) && o.Next.Sub(now) <= x.Book.Policy.RepeatMost {
		return // a later timer stands for it
	}
	k := owed{tm.id, tm.message}
	x.settle(k)
	l := x.relay(o)
	if l != nil && l.owing >= x.cfg.UndoWindow || len(x.writes) >= x.cfg.MaxCommits {
		x.timers.push(timer{at: now.Add(crowded), kind: timeRepeat, id: tm.id, message: tm.message})
		return
	}
	name, stan := o.Link, ""
	if l != nil {
		name, stan = l.name, l.stan()
	}
	d := x.Book.Repeat(now, tm.id, tm.message, name, stan, l != nil)
	if d.Step == nil {
		return
	}
	x.commit(now, d, nil, func(now time.Time) { x.repeat(now, tm) })
}

// crowded is how soon an attempt for which there was no room is tried again.
const crowded = 250 * time.Millisecond

// relay chooses the link for what is owed: the one the original went by, else any
// of the same network.
func (x *Exchange) relay(o *payment.Outgoing) *link {
	if l := x.links[o.Link]; l != nil && l.up {
		return l
	}
	if n := x.networks[o.Network]; n != nil {
		for _, l := range n.links {
			if l.up {
				return l
			}
		}
	}
	return nil
}

// inquire passes a balance inquiry on. It has no record: what is not answered is
// simply not known.
func (x *Exchange) inquire(now time.Time, j *job) {
	r := j.request
	route := x.Route(r, nil)
	if route.Link == "" {
		x.answer(now, j, route.Refusal)
		return
	}
	id := x.NewID(now)
	f := &flight{id: id, link: x.links[route.Link], issuer: x.issuer(route.Issuer), stan: route.STAN, sent: now,
		deadline: now.Add(x.Book.Policy.AnswerWithin), job: j, balance: r}
	x.depart(f)
	m := &payment.Message{Kind: payment.Ask, Payment: id, Operation: payment.Balance, Link: route.Link, STAN: route.STAN, RRN: x.NextRRN(now),
		TID: r.TID, MID: r.MID, Name: j.profile.Name, MCC: j.profile.MCC, Currency: r.Currency, Entry: r.Entry, At: now, Attempt: 1, Card: r.Card}
	x.do(Action{Kind: Send, Message: m})
}

func (x *Exchange) told(now time.Time, f *flight, r *payment.Response) {
	x.arrive(now, f, true)
	j := f.job
	a := x.plainAnswer(now, j, r.Code)
	a.Balance, a.HasBalance, a.EMV = r.Balance, r.HasBalance, r.EMV
	d := payment.Decision{Outcome: payment.OutcomeServed, Effects: []payment.Effect{{Kind: payment.Reply, Answer: a}}}
	x.Count[d.Outcome]++
	x.effects(now, &d, j)
	x.finish(now, j)
}

func (x *Exchange) plainAnswer(now time.Time, j *job, code [2]byte) *payment.Answer {
	r := j.request
	return &payment.Answer{Operation: r.Operation, Key: r.Key, MID: r.MID, Code: code, Currency: r.Currency, Time: now,
		Date: j.profile.BusinessDate(now), PAN: r.PAN}
}

// answer ends a request that has no record.
func (x *Exchange) answer(now time.Time, j *job, code [2]byte) {
	d := payment.Decision{Outcome: payment.OutcomeServed, Effects: []payment.Effect{{Kind: payment.Reply, Answer: x.plainAnswer(now, j, code)}}}
	x.Count[d.Outcome]++
	x.effects(now, &d, j)
	x.finish(now, j)
}

// sorted gives the book's transactions in order of their ids, so that a start is
// the same every time.
func (x *Exchange) sorted() []*payment.Transaction {
	var all []*payment.Transaction
	for t := range x.Book.Transactions {
		all = append(all, t)
	}
	slices.SortFunc(all, func(a, b *payment.Transaction) int {
		return cmp.Compare(string(a.ID[:]), string(b.ID[:]))
	})
	return all
}
