package notify

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/match"
	"daozhang/internal/money"
	"daozhang/internal/report"
)

// Look reads a Picture from an investigation. marks are what was told: of their
// payments it says where they are now. holds reports of which merchants the
// investigation knows all. The picture is good within the Read that gave now.
func Look(now *investigation.Current, marks []Mark, holds func(mid string) bool) *Picture {
	l := looking{now: now, around: now.Around(), p: &Picture{Holds: holds, Known: map[string]Known{}, Amount: amountOf}}
	l.p.AsOf = now.AsOf().In(time.UTC)
	zone := time.FixedZone("", int(l.around.Offset)*60)
	l.p.Clock = func(at time.Time) string { return at.In(zone).Format("2006-01-02 15:04") }
	l.late()
	l.shares()
	l.known(marks)
	now.EachPayout(l.payout)
	return l.p
}

func amountOf(minor int64, currency string) string {
	c, err := money.ParseCurrency(currency)
	if err != nil {
		return currency
	}
	return report.Amount(minor, c)
}

type looking struct {
	now    *investigation.Current
	around *investigation.Answer
	p      *Picture
}

func (l *looking) word(w evidence.Word) string { return l.around.View.Words.Text(w) }

// data renders a payment when it is asked for.
func (l *looking) data(p *investigation.Payment) func() json.RawMessage {
	return func() json.RawMessage {
		var b bytes.Buffer
		if report.Payment(&b, l.around, p, report.Options{Lang: "en"}) != nil {
			return nil
		}
		return json.RawMessage(`{"payment":` + string(bytes.TrimSpace(b.Bytes())) + `}`)
	}
}

// everything is more than any list has.
const everything = 1 << 30

// late are the overdue payments that no incident explains.
func (l *looking) late() {
	page := l.now.List(&investigation.Filter{Statuses: []journey.Status{journey.Overdue}}, investigation.ByDue, investigation.Mark{}, everything)
	for _, p := range page.Payments {
		mid := l.word(p.Keys.MID)
		if p.Incident != "" || !l.p.Holds(mid) {
			continue
		}
		r := report.RowOf(l.around, p)
		l.p.Late = append(l.p.Late, Late{MID: mid, ID: r.ID, Leg: p.Next.String(), Due: p.LegDue.In(time.UTC), Promise: instant(p.Verdict.Expected.Latest),
			Amount: p.Amount, Currency: p.Currency.String(), Name: nameOf(&r), Why: textOf(r.Why), By: textOf(r.Late), Data: l.data(p)})
	}
}

func textOf(t report.Text) fault.Text { return fault.Text{EN: t.EN, ZH: t.ZH} }

func instant(at evidence.Instant) time.Time {
	if at == 0 {
		return time.Time{}
	}
	return at.In(time.UTC)
}

// nameOf is how people know a payment. A mail carries it: no digits of the card.
func nameOf(r *report.Row) fault.Text {
	key, _ := card.MaskText(r.Key)
	return fault.Say("%s, reference %s", "%s，参考号 %s", r.Merchant, key)
}

// shares are what each fault stops, by merchant.
func (l *looking) shares() {
	for _, i := range l.now.Incidents() {
		by := map[string]*Share{}
		for _, p := range l.now.Stopped(i.ID) {
			mid := l.word(p.Keys.MID)
			if !l.p.Holds(mid) {
				continue
			}
			s := by[mid]
			if s == nil {
				s = &Share{MID: mid, Incident: i.ID, Code: i.Key.Cause, Scope: i.Key.Scope, Party: i.Party.String(), Cause: causeOf(i), Since: instant(i.Key.From),
					Until: instant(i.Key.To), Currency: p.Currency.String(), Promise: instant(p.Verdict.Expected.Latest)}
				by[mid] = s
			}
			s.Count++
			s.Amount += p.Amount
			switch latest := instant(p.Verdict.Expected.Latest); {
			case latest.IsZero() || s.Promise.IsZero():
				s.Promise = time.Time{}
			case latest.After(s.Promise):
				s.Promise = latest
			}
		}
		for _, s := range by {
			l.p.Shares = append(l.p.Shares, *s)
		}
	}
}

func causeOf(i *investigation.Incident) fault.Text {
	if i.Cause == nil {
		return fault.Same(i.Key.Cause)
	}
	return textOf(i.Cause.Title)
}

// known says of the payments that were told of where they are.
func (l *looking) known(marks []Mark) {
	for i := range marks {
		m := &marks[i]
		id, payment := strings.CutPrefix(m.Subject, "payment/")
		if !payment || !l.p.Holds(m.MID) {
			continue
		}
		p, ok := l.now.Payment(id)
		if !ok {
			continue // Gone
		}
		k := Known{Standing: Waiting, Promise: instant(p.Verdict.Expected.Latest), Data: l.data(p)}
		switch p.Status {
		case journey.Arrived:
			k.Standing, k.At = Arrived, instant(p.CreditedAt)
		case journey.NotCharged, journey.Refunded:
			k.Standing = Over
		}
		l.p.Known[m.Subject] = k
	}
}

// payout is told where a bank has said something final about it, or its money is
// booked.
func (l *looking) payout(p *match.Payout) {
	mid := l.word(p.MID)
	if p.ID == 0 || !l.p.Holds(mid) {
		return
	}
	x := Paid{MID: mid, ID: l.word(p.ID), Amount: p.Amount, Currency: p.Currency.String(), Shown: report.Amount(p.Amount, p.Currency), Merchant: mid, Payments: p.Lines,
		Account: card.AccountTail(p.Account)}
	state, said := p.State(l.around.View)
	switch {
	case (state == evidence.Returned || state == evidence.Rejected) && len(p.Entries) == 0:
		x.Returned, x.Rejected, x.At = true, state == evidence.Rejected, instant(l.around.View.At(said).Time)
		x.Reason, _ = card.MaskText(l.around.View.Text(said, evidence.Reason))
	case state == evidence.Credited:
		x.At = instant(l.around.View.At(said).Time)
	case p.Proved >= p.Amount && p.Amount > 0:
		x.At = instant(l.booked(p))
	default:
		return
	}
	if t := l.around.Match.Book.At(p.MID, evidence.InstantOf(x.At), l.around.Offset); t != nil && t.Name != "" {
		x.Merchant = t.Name
	}
	l.p.Paid = append(l.p.Paid, x)
}

// booked is when the last of a payout's entries became known.
func (l *looking) booked(p *match.Payout) (at evidence.Instant) {
	for _, e := range p.Entries {
		at = max(at, l.around.View.At(e.Fact).Time)
	}
	return at
}
