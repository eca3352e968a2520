package payment

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/ledger"
)

// Respond decides about a network's answer to what was sent for a transaction.
// accepts an answer at any time: late, repeated, or after the reversal.
func (b *Book) Respond(now time.Time, id ID, r *Response) Decision {
	t := b.txs[id]
	if t == nil {
		return Decision{Outcome: OutcomeIgnored}
	}
	switch r.Kind {
	case Undo:
		return b.undone(now, t, r)
	case Advise:
		return b.advised(now, t, r)
	}
	approved := r.Malformed == NoProblem && evidence.IsApproval(r.Code) && r.Amount >= 0 && r.Amount <= t.Amount
	// An answer that cannot be trusted, or leaves it open, decides nothing: the
	// issuer may hold the money.
	open := r.Malformed != NoProblem || evidence.IsOpen(r.Code) || evidence.IsApproval(r.Code) && !approved || r.Code == (evidence.Code{})
	switch t.State {
	case Sent:
		switch {
		case open:
			return b.unknown(now, t, r.Code, codeMalfunction, "", r.Malformed)
		case approved:
			return b.approve(now, t, r)
		default:
			return b.decline(now, t, r)
		}
	case Unknown, Reversing, Reversed, Declined:
		switch {
		case approved:
			return b.lateApproval(now, t, r)
		case !open && t.State == Unknown && t.AuthCode == "":
			return b.lateDecline(now, t, r)
		}
	}
	return Decision{Outcome: OutcomeIgnored}
}

// rows gives copies of a transaction and of what it acts on, for a step.
func (b *Book) rows(t *Transaction) (row Transaction, original, behind *Transaction) {
	row = t.next()
	if o := b.txs[t.Original]; o != nil && t.Original != (ID{}) {
		original = new(o.next())
		if row.Operation == CompletionVoid {
			if g := b.txs[o.Original]; g != nil {
				behind = new(g.next())
			}
		}
	}
	return row, original, behind
}

// keep writes the rows into the step; behind only where it was changed.
func (s *Step) keep(t *Transaction, original, behind *Transaction) {
	s.Transactions = append(s.Transactions, *t)
	if original != nil {
		s.Transactions = append(s.Transactions, *original)
	}
	if behind != nil {
		s.Transactions = append(s.Transactions, *behind)
	}
}

func (b *Book) start(t *Transaction, now time.Time) (*facts, *Profile) {
	p := b.directory.Terminal(t.TID)
	return b.facts(&Step{MID: t.MID, At: now}, p), p
}

func (b *Book) date(t *Transaction, p *Profile, now time.Time) {
	if p != nil {
		t.BusinessDate = p.BusinessDate(now)
	}
}

func (b *Book) approve(now time.Time, t *Transaction, r *Response) Decision {
	f, p := b.start(t, now)
	row, original, behind := b.rows(t)
	row.State, row.Code, row.AuthCode, row.Answered = Approved, r.Code, r.AuthCode, now
	row.Approved = r.Amount
	if row.Approved == 0 {
		row.Approved = row.Amount
	}
	b.date(&row, p, now)
	if original != nil {
		original.Claimed -= row.Amount
	}
	f.step.book(&row, original, behind, now)
	f.response(&row, original, r.Code, r.AuthCode, row.Approved, now)
	f.step.keep(&row, original, behind)
	a := row.Answer()
	a.EMV = r.EMV
	return Decision{Step: f.step, Outcome: OutcomeApproved, Urgent: true, Effects: []Effect{{Kind: Reply, Answer: &a}}}
}

func (b *Book) decline(now time.Time, t *Transaction, r *Response) Decision {
	f, _ := b.start(t, now)
	row, original, _ := b.rows(t)
	row.State, row.Code, row.Answered = Declined, r.Code, now
	if original != nil {
		original.Claimed -= row.Amount
	}
	f.response(&row, original, r.Code, "", 0, now)
	f.step.keep(&row, original, nil)
	a := row.Answer()
	a.EMV = r.EMV
	return Decision{Step: f.step, Outcome: OutcomeDeclined, Urgent: true, Effects: []Effect{{Kind: Reply, Answer: &a}}}
}

// Expire decides that no answer came in time. link is where the message got
// stuck, for evidence: "platform-network/…" or "network-issuer/…".
func (b *Book) Expire(now time.Time, id ID, link string) Decision {
	t := b.txs[id]
	if t == nil || t.State != Sent {
		return Decision{Outcome: OutcomeIgnored}
	}
	return b.unknown(now, t, codeNoAnswer, codeNoAnswer, link, NoProblem)
}

// unknown records that the outcome is open, and the reversal that is owed for
// it. The reversal goes out once this is durable.
func (b *Book) unknown(now time.Time, t *Transaction, told, reason evidence.Code, link string, malformed Problem) Decision {
	f, p := b.start(t, now)
	row := t.next()
	if told == (evidence.Code{}) || evidence.IsApproval(told) {
		told = codeMalfunction
	}
	row.State, row.Code, row.Answered = Unknown, told, now
	switch {
	case link != "":
		f.timeout(&row, link, now)
	case malformed != NoProblem && malformed < problems:
		f.garbled(&row, problemCodes[malformed].detail, now)
	default:
		f.response(&row, nil, told, "", 0, now)
	}
	f.reversal(&row, evidence.Queued, evidence.Code{}, now)
	f.step.Transactions = append(f.step.Transactions, row)
	d := Decision{Step: f.step, Outcome: OutcomeUnknown, Urgent: true}
	b.owe(&d, &row, p, reason, false, now)
	a := row.Answer()
	d.Effects = append(d.Effects, Effect{Kind: Reply, Answer: &a})
	return d
}

// owe records a reversal with its first attempt.
func (b *Book) owe(d *Decision, t *Transaction, p *Profile, reason evidence.Code, commanded bool, now time.Time) {
	o := Outgoing{Payment: t.ID, MID: t.MID, Kind: Undo, Reason: reason, Network: t.Network, Link: t.Link, Since: now, Attempts: 1,
		Next: now.Add(b.Policy.pause(1)), Commanded: commanded}
	d.Step.Outgoing = append(d.Step.Outgoing, o)
	m := b.message(Undo, t, nil, p, now)
	m.Reason = reason
	d.Effects = append(d.Effects, Effect{Kind: SendMessage, Message: m})
}

// lateApproval: the issuer holds the money of what the terminal was told failed,
// or took back. The reversal is owed, again if it was acknowledged before: that
// one had overtaken the request.
func (b *Book) lateApproval(now time.Time, t *Transaction, r *Response) Decision {
	owed := b.Owed(t.ID, Undo)
	if owed != nil && t.AuthCode == r.AuthCode && t.AuthCode != "" {
		return Decision{Outcome: OutcomeIgnored} // the same answer once more
	}
	f, p := b.start(t, now)
	row := t.next()
	row.AuthCode = r.AuthCode
	d := Decision{Step: f.step, Outcome: OutcomeLate, Urgent: true}
	f.response(&row, nil, r.Code, r.AuthCode, r.Amount, now)
	if owed == nil {
		if row.State != Unknown {
			row.State = Reversing
		}
		f.reversal(&row, evidence.Queued, evidence.Code{}, now)
		b.owe(&d, &row, p, codeLate, false, now)
	}
	f.step.Transactions = append(f.step.Transactions, row)
	return d
}

// lateDecline: the issuer did not take the money. Nothing is left to reverse.
func (b *Book) lateDecline(now time.Time, t *Transaction, r *Response) Decision {
	f, _ := b.start(t, now)
	row, original, _ := b.rows(t)
	row.State = Declined
	if original != nil {
		original.Claimed -= row.Amount
	}
	f.response(&row, original, r.Code, "", 0, now)
	f.step.keep(&row, original, nil)
	if o := b.Owed(t.ID, Undo); o != nil {
		done := *o
		done.State, done.Code = Cancelled, r.Code
		f.step.Outgoing = append(f.step.Outgoing, done)
	}
	b.resolve(f.step, t, ExceptionReversal, now)
	return Decision{Step: f.step, Outcome: OutcomeLate, Urgent: true}
}

// acknowledges reports whether a code ends a reversal: done, done before, or
// never seen, once the request cannot arrive any more.
func (b *Book) acknowledges(code evidence.Code, t *Transaction, now time.Time) bool {
	switch {
	case evidence.IsApproval(code), code == codeDuplicate:
		return true
	case code == codeNotFound:
		return now.Sub(t.Received) > b.Policy.LastArrival && !t.Booked && t.AuthCode == ""
	}
	return false
}

// undone decides about the answer to a reversal.
func (b *Book) undone(now time.Time, t *Transaction, r *Response) Decision {
	owed := b.Owed(t.ID, Undo)
	if owed == nil || r.Malformed != NoProblem || !b.acknowledges(r.Code, t, now) {
		return Decision{Outcome: OutcomeIgnored}
	}
	f, p := b.start(t, now)
	row, original, behind := b.rows(t)
	row.State = Reversed
	date := row.BusinessDate
	if p != nil {
		date = p.BusinessDate(now)
	}
	switch {
	case t.Booked:
		f.step.unbook(&row, original, behind, date, now)
	case t.State == Unknown && original != nil:
		original.Claimed -= row.Amount
		behind = nil
	default:
		original, behind = nil, nil // it claimed nothing of its original any more
	}
	done := *owed
	done.State, done.Code = Acknowledged, r.Code
	f.step.Outgoing = append(f.step.Outgoing, done)
	f.reversal(&row, evidence.Acknowledged, r.Code, now)
	f.step.keep(&row, original, behind)
	b.resolve(f.step, t, ExceptionReversal, now)
	return Decision{Step: f.step, Outcome: OutcomeReversed, Urgent: true}
}

// advised decides about the answer to an advice: what has happened cannot be
// declined, so a refusal is somebody's to settle.
func (b *Book) advised(now time.Time, t *Transaction, r *Response) Decision {
	owed := b.Owed(t.ID, Advise)
	if owed == nil || r.Malformed != NoProblem || evidence.IsOpen(r.Code) && r.Code != codeDuplicate || r.Code == (evidence.Code{}) || transient(r.Code) {
		return Decision{Outcome: OutcomeIgnored}
	}
	f, _ := b.start(t, now)
	row := t.next()
	done := *owed
	done.Code = r.Code
	if evidence.IsApproval(r.Code) || r.Code == codeDuplicate {
		done.State = Acknowledged
		row.AuthCode = r.AuthCode
		b.resolve(f.step, t, ExceptionAdvice, now)
	} else {
		done.State = Cancelled
		f.step.Exceptions = append(f.step.Exceptions, b.exception(t, ExceptionAdvice, "network/"+t.Network, now,
			fmt.Sprintf("the network refused an offline sale with code %s", r.Code)))
	}
	f.step.Outgoing = append(f.step.Outgoing, done)
	f.step.Transactions = append(f.step.Transactions, row)
	return Decision{Step: f.step, Outcome: OutcomeServed, Urgent: true}
}

// transient reports whether a refusal may pass by itself.
func transient(c evidence.Code) bool {
	info, ok := evidence.LookupCode(c)
	return ok && info.Category == "SYSTEM"
}

// exception opens one for a transaction; its id is derived, so that it is one
// however often it is opened.
func (b *Book) exception(t *Transaction, kind, owner string, now time.Time, detail string) Exception {
	return Exception{ID: derive(t.ID, kind), MID: t.MID, Payment: t.ID, Kind: kind, Owner: owner, Amount: t.told(), Currency: t.Currency,
		Opened: now, Detail: detail}
}

func (b *Book) resolve(s *Step, t *Transaction, kind string, now time.Time) {
	if x := b.exceptions[derive(t.ID, kind)]; x != nil && x.State == ExceptionOpen {
		c := *x
		c.State, c.Closed = ExceptionResolved, now
		s.Exceptions = append(s.Exceptions, c)
	}
}

// Repeat decides about the next attempt of what is owed to a network; a message
// is only sent again once the attempt is recorded. reach is false where no link
// of the network can be used now: then only the time of the next attempt moves.
func (b *Book) Repeat(now time.Time, id ID, kind MessageKind, link, stan string, reach bool) Decision {
	t, owed := b.txs[id], b.Owed(id, kind)
	if t == nil || owed == nil {
		return Decision{Outcome: OutcomeIgnored}
	}
	f, p := b.start(t, now)
	o := *owed
	d := Decision{Step: f.step, Outcome: OutcomeRepeated, Urgent: true}
	o.Attempts++
	o.Next = now.Add(b.Policy.pause(o.Attempts))
	if o.Attempts > b.Policy.ExceptionAfter {
		word, what := ExceptionReversal, "reversal"
		if kind == Advise {
			word, what = ExceptionAdvice, "advice"
		}
		if b.exceptions[derive(id, word)] == nil {
			owner := "network/" + o.Network
			if !reach || o.Network == "" {
				owner = "platform"
			}
			f.step.Exceptions = append(f.step.Exceptions, b.exception(t, word, owner, now,
				fmt.Sprintf("the %s was not acknowledged after %d attempts; it is repeated", what, o.Attempts-1)))
		}
	}
	if reach {
		m := b.message(kind, t, nil, p, now)
		m.Link, m.Reason, m.Attempt = link, o.Reason, o.Attempts
		if m.STAN == "" {
			m.STAN = stan
		}
		d.Effects = append(d.Effects, Effect{Kind: SendMessage, Message: m})
	}
	f.step.Outgoing = append(f.step.Outgoing, o)
	return d
}

// Release ends a hold: the money can be settled. Two people decide: the maker
// asks for it, the checker agrees; the caller knows that they are two.
func (b *Book) Release(now time.Time, id ID, maker, checker string) Decision {
	t := b.txs[id]
	if t == nil || !t.Held || t.State != Approved || maker == "" || checker == "" || maker == checker {
		return Decision{Outcome: OutcomeIgnored}
	}
	f, _ := b.start(t, now)
	row := t.next()
	row.Held = false
	f.risk(&row, evidence.Release, "released by "+maker+", checked by "+checker, 0, now)
	f.step.Transactions = append(f.step.Transactions, row)
	return Decision{Step: f.step, Outcome: OutcomeServed, Urgent: true}
}

// LapsedPreauths lists, in order, the preauthorizations that nobody completed in
// their time.
func (b *Book) LapsedPreauths(now time.Time) []ID {
	var ids []ID
	for id, t := range b.txs {
		if t.Operation == Preauth && t.State == Approved && t.Claimed == 0 && !now.Before(b.lapses(t)) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(x, y ID) int { return bytes.Compare(x[:], y[:]) })
	return ids
}

func (b *Book) lapses(t *Transaction) time.Time {
	days := 30
	if p := b.directory.Terminal(t.TID); p != nil && p.PreauthDays > 0 {
		days = p.PreauthDays
	}
	return t.Received.AddDate(0, 0, days)
}

// Lapse ends a preauthorization that nobody completed: the memo is released. The
// issuer lets its reservation lapse by itself.
func (b *Book) Lapse(now time.Time, id ID) Decision {
	t := b.txs[id]
	if t == nil || t.Operation != Preauth || t.State != Approved || t.Claimed != 0 || now.Before(b.lapses(t)) {
		return Decision{Outcome: OutcomeIgnored}
	}
	f, _ := b.start(t, now)
	row := t.next()
	row.State, row.Booked = Expired, false
	if row.Memo > 0 {
		f.step.Transfers = append(f.step.Transfers, closeMemo(&row, ledger.ReasonExpiry, now))
	}
	f.step.Transactions = append(f.step.Transactions, row)
	return Decision{Step: f.step, Outcome: OutcomeServed, Urgent: true}
}
