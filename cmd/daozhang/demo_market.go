package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"daozhang/internal/backoffice"
	"daozhang/internal/fault"
	"daozhang/internal/world/bank/custody"
	"daozhang/internal/world/journal"
)

// market is what happens on a stage without anybody at a till: the network and the
// bank that pays the shops read and write their files, and the platform's back
// office does what waits. Each says when it wants to be called next, and is called
// in the order of the story's time.
type market struct {
	s      *stage
	payer  *custody.Bank
	office *backoffice.Office
	// told hears of each turn of the office, once it is done.
	told func(ctx context.Context, at time.Time) error

	hostNext, payerNext, officeNext time.Time
	files                           int // that were in the payer's folders when last looked
}

// Pauses of the market.
const (
	payerLooks  = 30 * time.Minute // the payer looks into its folder at least so often
	officeLooks = time.Hour        // the office looks for work at least so often
	soon        = time.Minute      // what one has written the other sees after this
	again       = 10 * time.Minute // what could not be done is tried again after this
)

func (s *stage) openMarket(ctx context.Context) (*market, error) {
	m := &market{s: s}
	behaviour := s.script.Payer
	var err error
	m.payer, err = custody.Open(custody.Config{Dir: s.folder("bank"), Journal: s.folder("bank", "book.ndjson"), Sync: journal.Never, Scenario: &behaviour})
	if err != nil {
		return nil, err
	}
	if m.office, err = s.openOffice(ctx); err != nil {
		return nil, errors.Join(err, m.payer.Close())
	}
	s.p.intake.Office, s.p.intake.Zone = m.office, s.script.Zone
	now := s.clock.now()
	m.hostNext, m.payerNext, m.officeNext = now, now, now
	return m, nil
}

// folder is a folder of the stage.
func (s *stage) folder(parts ...string) string {
	return filepath.Join(append([]string{s.dir}, parts...)...)
}

// openOffice makes the platform's back office as `serve` does, and takes the shops
// on. The market does its work at the story's time, in place of the jobs that
// `serve` has for it.
func (s *stage) openOffice(ctx context.Context) (*backoffice.Office, error) {
	c, own := s.p.c, s.script.Safeguarded
	c.BackOffice.Advice = s.folder("advice")
	c.Networks = []networkConfig{{Name: s.script.Network.Network, Currency: yuan.String(), Clearing: s.folder("network", "clearing")}}
	payer := payerConfig{Name: own.Bank, Currency: yuan.String(), Folder: s.folder("bank"), Payees: s.folder("bank", "payees")}
	payer.Account.Name, payer.Account.Number, payer.Account.Agent = own.Holder, own.Number, own.Agent
	c.Banks = []payerConfig{payer}
	for i := range s.script.Shops {
		c.Merchants[i].Terms = map[string]any{"valid_from": "2026-01-01", "cycle": "T1", "calendar": "CN",
			"fees": []map[string]any{{"bps": 50, "cap": 1800, "card_type": "debit"}, {"bps": 60}}}
		a := &s.script.Shops[i].Account
		c.Merchants[i].Account = accountConfig{Number: a.Number, Holder: a.Holder, Bank: a.Bank, Agent: a.Agent}
	}
	work, err := s.p.backOffice()
	if err != nil {
		return nil, err
	}
	return work, (&office{p: s.p, work: work}).takeOn(ctx, c)
}

// pass lets the market work until a moment of the story.
func (m *market) pass(ctx context.Context, to time.Time) error {
	for {
		at := m.hostNext
		for _, t := range []time.Time{m.payerNext, m.officeNext} {
			if t.Before(at) {
				at = t
			}
		}
		if at.After(to) {
			m.s.clock.set(to)
			return nil
		}
		m.s.clock.set(at)
		if err := m.turn(ctx, at); err != nil {
			return err
		}
	}
}

// turn does what is due at a moment.
func (m *market) turn(ctx context.Context, at time.Time) error {
	if !m.hostNext.After(at) {
		next, err := m.s.host.Tick(at)
		if err != nil {
			return err
		}
		m.hostNext = onMinute(next, at)
		m.payerNext, m.officeNext = at, sooner(m.officeNext, at.Add(soon))
	}
	if !m.payerNext.After(at) {
		next, err := m.payer.Tick(at)
		if err != nil {
			return err
		}
		m.payerNext = at.Add(payerLooks)
		if !next.IsZero() {
			m.payerNext = sooner(m.payerNext, onMinute(next, at))
		}
		n, err := m.count()
		if err != nil {
			return err
		}
		if n != m.files {
			m.files, m.officeNext = n, sooner(m.officeNext, at.Add(soon))
		}
	}
	if err := m.s.announced(ctx); err != nil {
		return err
	}
	if !m.officeNext.After(at) {
		if err := m.work(ctx, at); err != nil {
			return err
		}
		if _, err := m.s.p.intake.Watch(ctx); err != nil {
			return err
		}
		return m.told(ctx, at)
	}
	return nil
}

// work does all that waits in the back office.
func (m *market) work(ctx context.Context, at time.Time) error {
	m.officeNext = at.Add(officeLooks)
	tried := map[string]bool{}
	for did := true; did; {
		did = false
		tasks, err := m.office.Sweep(ctx)
		if err != nil {
			return err
		}
		for i := range tasks {
			t := &tasks[i]
			switch {
			case t.Due.After(m.s.clock.now()):
				m.officeNext = sooner(m.officeNext, onMinute(t.Due, at))
				continue
			case tried[t.Key()]:
				m.officeNext = sooner(m.officeNext, at.Add(again))
				continue
			}
			did, tried[t.Key()] = true, true
			if err := m.do(ctx, t); err != nil {
				return err
			}
			if t.Kind == backoffice.Dispatching || t.Kind == backoffice.Inquiry {
				m.payerNext = sooner(m.payerNext, at.Add(soon))
			}
		}
	}
	return nil
}

// do does one task. What has to wait, or needs a person, is noted and stays.
func (m *market) do(ctx context.Context, t *backoffice.Task) error {
	err := m.office.Do(ctx, *t)
	switch fault.KindOf(err) {
	case fault.Conflict, fault.NotAllowed:
		m.s.p.log.Warn("work waits", "task", t.Key(), "why", err)
		return nil
	}
	return err
}

// count counts the files that the payer has written.
func (m *market) count() (int, error) {
	n := 0
	for _, f := range []string{"replies", "statements", "payees"} {
		found, err := os.ReadDir(m.s.folder("bank", f))
		if err != nil {
			return 0, openError(f, err)
		}
		n += len(found)
	}
	return n, nil
}

// officeBy has the office look for work at a moment at the latest.
func (m *market) officeBy(at time.Time) { m.officeNext = sooner(m.officeNext, at) }

func sooner(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// onMinute gives the first whole minute not before t, and after at: what falls due
// within a minute is done together, and however fast the machine is, at the same
// moment of the story.
func onMinute(t, at time.Time) time.Time {
	if m := t.Truncate(time.Minute); m.Before(t) {
		t = m.Add(time.Minute)
	}
	if !t.After(at) {
		t = at.Truncate(time.Minute).Add(time.Minute)
	}
	return t
}
