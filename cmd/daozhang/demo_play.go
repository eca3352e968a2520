package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/gateway"
	"daozhang/internal/iso8583"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/world/bank"
	"daozhang/internal/world/demo"
	"daozhang/internal/world/pos"
)

// play carries out the events of a script on a stage, one after the other.
type play struct {
	s *stage
	t *teller
	// sold are the sales that events have names for.
	sold map[string]sold
	// muted is the issuer that decides and does not answer, "" for none.
	muted string
	// unmuted is what there was to do when it came back.
	unmuted gateway.Snapshot
	// payouts are the states in which the reader was told that they are.
	payouts map[string]settlement.PayoutState
	// passed counts how many payouts came to each state, excepted are the
	// exceptions that were looked at.
	passed   map[settlement.PayoutState]int
	excepted map[payment.ID]bool
}

// sold is a sale as its till knows it.
type sold struct {
	tid string
	pos.Transaction
}

// do carries out one event.
func (p *play) do(ctx context.Context, e *demo.Event) error {
	if err := p.quiet(ctx); err != nil {
		return err
	}
	if e.Deed == demo.Unmute {
		// Before the clock is set: what is repeated at that very moment is heard.
		if err := p.unmute(ctx); err != nil {
			return err
		}
	}
	if err := p.at(ctx, e.At); err != nil {
		return err
	}
	err := p.deed(ctx, e)
	if err != nil {
		err = fmt.Errorf("%s %s: %w", e.At.Format("2 January 15:04:05"), e.Deed, err)
	}
	return err
}

// quiet waits until the platform has done what the last event brought about, what
// it owes to the network included: the clock is set on only then.
func (p *play) quiet(ctx context.Context) error {
	return p.s.until(ctx, "the last event is over", func() bool {
		n, ok := p.s.snapshot(ctx)
		return ok && n.Requests+n.Flights+n.Commits == 0 && (n.Owed == 0 || p.muted != "")
	})
}

// at brings the story to a moment: the clock is set, and what was waiting for it
// wakes up.
func (p *play) at(ctx context.Context, to time.Time) error {
	if err := p.s.market.pass(ctx, to); err != nil {
		return err
	}
	return p.s.wake(ctx)
}

// wake lets the exchange look at the clock: it sleeps until its next time-out in
// real time.
func (s *stage) wake(ctx context.Context) error {
	g := s.p.gateway.Load()
	if g == nil {
		return fault.New(fault.Internal, "wake", "the gateway", errors.New("it is not running"), "see "+s.log.Name())
	}
	_, err := g.Snapshot(ctx)
	return err
}

func (p *play) deed(ctx context.Context, e *demo.Event) error {
	s := p.s
	var t *till
	if e.TID != "" {
		t = s.tills[e.TID]
	}
	switch e.Deed {
	case demo.Nothing:
		return nil
	case demo.Sale, demo.Refund, demo.Void:
		return p.transaction(ctx, t, e)
	case demo.Break:
		f, err := pos.ParseFault(e.Part)
		if err != nil {
			return err
		}
		return t.t.Break(f)
	case demo.Mend:
		return t.t.Mend(e.Part)
	case demo.Restart:
		if err := t.t.Close(); err != nil {
			return err
		}
		var err error
		if t.t, err = pos.New(t.cfg); err != nil {
			return err
		}
		return t.t.Recover(ctx)
	case demo.Close:
		_, err := t.t.Settle(ctx)
		return err
	case demo.Mute:
		p.muted = e.Issuer
		return s.behave(func(b *bank.Scenario) {
			// A reversal names no card; others than the issuer's are not under way.
			b.Rules = append(b.Rules, bank.Rule{When: bank.When{Ranges: s.ranges(e.Issuer)}, Do: bank.DoSilent},
				bank.Rule{When: bank.When{Operations: []string{"reversal"}}, Do: bank.DoSilent})
		})
	case demo.Unmute:
		return p.reversed(ctx)
	case demo.Notice:
		return s.notice(ctx, e)
	case demo.Propose, demo.Approve, demo.Verify, demo.Freeze, demo.Frozen:
		return s.decide(ctx, e)
	}
	return nil
}

// unmute lets the muted issuer answer again.
func (p *play) unmute(ctx context.Context) error {
	p.muted = ""
	err := p.s.behave(func(b *bank.Scenario) { b.Rules = nil })
	if err != nil {
		return err
	}
	return p.s.until(ctx, "the gateway says what it owes", func() bool {
		n, ok := p.s.snapshot(ctx)
		p.unmuted = n
		return ok
	})
}

// behave changes how the network's host behaves.
func (s *stage) behave(change func(b *bank.Scenario)) error {
	change(&s.behaviour)
	now := s.behaviour
	now.Rules, now.Clearing = slices.Clone(now.Rules), slices.Clone(now.Clearing)
	return s.host.SetScenario(&now)
}

// ranges are the first digits of an issuer's cards.
func (s *stage) ranges(issuer string) []string {
	var all []string
	for _, i := range s.script.Issuers {
		if i.Name == issuer {
			all = append(all, i.Range)
		}
	}
	return all
}

// operations are those of deeds at a till.
var operations = map[demo.Deed]iso8583.Operation{demo.Sale: iso8583.Sale, demo.Refund: iso8583.Refund, demo.Void: iso8583.SaleVoid}

// transaction runs one at a till.
func (p *play) transaction(ctx context.Context, t *till, e *demo.Event) error {
	s := p.s
	q := pos.Request{Operation: operations[e.Deed], Amount: e.Amount, OrderID: e.Order}
	var card *pos.Card
	if e.Card != "" {
		var err error
		if card, err = pos.NamedCard(e.Card); err != nil {
			return err
		}
		q.Card = card
	}
	if e.Of != "" {
		of, ok := p.sold[e.Of]
		if !ok {
			return fault.New(fault.NotFound, "find", e.Of, errors.New("no sale has this name"), "")
		}
		q.Original = pos.Ref{Batch: of.Batch, STAN: of.STAN, RRN: of.RRN, AuthCode: of.AuthCode, Date: of.Time.Format("0102")}
	}
	before := s.host.Stats().Approved
	do := func() (pos.Outcome, error) { return t.t.Do(ctx, q) }
	var o pos.Outcome
	var err error
	if p.muted != "" && card != nil && card.Issuer == p.muted {
		o, err = p.unheard(ctx, do)
	} else {
		o, err = do()
	}
	if errors.Is(err, pos.ErrDead) {
		all := t.t.Journal()
		o.Transaction = all[len(all)-1]
		o.Result = demo.Unended
		// What it sent goes on without it, and has to be done before the clock is set on.
		err = s.until(ctx, "the dead till's sale is decided", func() bool {
			if s.host.Stats().Approved == before {
				return false
			}
			n, ok := s.snapshot(ctx)
			return ok && n.Requests+n.Flights+n.Commits == 0
		})
	}
	if err != nil {
		return err
	}
	if want := cmp.Or(e.Result, "approved"); o.Result != want {
		return fault.New(fault.Internal, "play", e.TID, fmt.Errorf("the till says %s (code %q), and the story %s", o.Result, o.Code, want), "see "+s.log.Name())
	}
	if e.Mark != "" {
		p.sold[e.Mark] = sold{e.TID, o.Transaction}
	}
	return nil
}

// unheard runs a transaction of which the issuer will not be heard: once it has
// decided in silence, the clock is set past the time that the platform gives it.
func (p *play) unheard(ctx context.Context, do func() (pos.Outcome, error)) (pos.Outcome, error) {
	s := p.s
	type result struct {
		o   pos.Outcome
		err error
	}
	before := s.host.Stats().Unanswered
	done := make(chan result, 1)
	go func() {
		o, err := do()
		done <- result{o, err}
	}()
	var r result
	ended := func() bool {
		select {
		case r = <-done:
			return true
		default:
			return false
		}
	}
	over := false
	heard := func() bool {
		if over = ended(); over {
			return true
		}
		// Repeated reversals stay unanswered too: the sale has to be under way itself.
		n, ok := s.snapshot(ctx)
		return ok && n.Flights > 0 && s.host.Stats().Unanswered > before
	}
	if err := s.until(ctx, "the issuer has decided", heard); err != nil || over {
		return r.o, errors.Join(err, r.err)
	}
	if err := p.at(ctx, s.clock.now().Add(s.p.c.Payment.AnswerWithin+time.Second)); err != nil {
		return r.o, err
	}
	err := s.until(ctx, "the till has its answer", func() bool { return ended() })
	return r.o, errors.Join(err, r.err)
}

// reversed waits until the network has confirmed all that is to be taken back; what
// is repeated only after a pause is repeated now.
func (p *play) reversed(ctx context.Context) error {
	s := p.s
	// By then each has been repeated at least once.
	for end := s.clock.now().Add(s.p.c.Payment.RepeatMost + time.Minute); s.clock.now().Before(end); {
		owed := 0
		settled := func() bool {
			n, ok := s.snapshot(ctx)
			owed = n.Owed
			// All that was repeated since is heard, so each attempt ends a debt.
			since := int(n.Counters[payment.OutcomeRepeated] - p.unmuted.Counters[payment.OutcomeRepeated])
			return ok && n.Commits == 0 && n.Flights == 0 && owed <= p.unmuted.Owed-since
		}
		if err := s.until(ctx, "reversals are answered", settled); err != nil || owed == 0 {
			return err
		}
		if err := p.at(ctx, s.clock.now().Add(5*time.Second)); err != nil {
			return err
		}
	}
	return fault.New(fault.Internal, "wait until", "reversals are confirmed", errors.New("the network does not confirm them"), "see "+s.log.Name())
}

// notice brings what an issuing bank announces.
func (s *stage) notice(ctx context.Context, e *demo.Event) error {
	line, err := json.Marshal(map[string]any{"specversion": "1.0", "source": "bank/" + e.Issuer, "id": "notice-1", "type": evidence.TypePrefix + "notice",
		"time": e.At.Format(time.RFC3339), "data": map[string]any{"notice": "N1", "issuer": "bank/" + e.Issuer, "what": "incident",
			"from": e.From.Format(time.RFC3339), "to": e.Until.Format(time.RFC3339), "affects": []string{"network-issuer/" + e.Issuer}, "title": e.Title.In(s.m.lang)}})
	if err != nil {
		return err
	}
	return s.bring(ctx, "issuer", line)
}
