package main

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/notify"
	"daozhang/internal/notify/courier"
)

// The demo's receivers of webhooks: the institution's own system, which checks each
// signature, and the till system of the first shop, which is away at first and is
// told again until it is back.

// demoAway is how many webhooks the till system does not answer well.
const demoAway = 2

// listeners are those that listen.
type listeners struct {
	house, shop *courier.Ear
	secret      atomic.Pointer[string]
	away        atomic.Int64
}

// openListeners registers the receivers of the story.
func (s *stage) openListeners(ctx context.Context) (err error) {
	e := &listeners{}
	s.listeners = e
	e.house, err = courier.Listen("127.0.0.1:0", func(h courier.Heard) int {
		secret := e.secret.Load()
		if secret == nil || notify.Verify(*secret, h.Headers, h.Body, time.Now()) != nil {
			return 401
		}
		return 204
	})
	if err != nil {
		return err
	}
	e.shop, err = courier.Listen("127.0.0.1:0", func(courier.Heard) int {
		if e.away.Add(1) <= demoAway {
			return 503
		}
		return 200
	})
	if err != nil {
		return err
	}
	shop := s.script.Shops[0]
	say := func(t fault.Text) string { return t.In(s.m.lang) }
	for _, r := range []notify.Receiver{
		{URL: "http://" + e.house.Addr() + "/events", Description: say(fault.Say("our own case system", "机构自有差错系统"))},
		{URL: "http://" + e.shop.Addr() + "/money", MID: shop.MID, Types: []string{"payment.*", "payout.*", "promise.missed"},
			Description: say(fault.Say("the till system of %s, away at first", "%s的收银系统（起初不在线）", shop.Name.In(s.m.lang)))},
	} {
		r.Kind = notify.Webhook
		_, secret, err := s.p.teller.Add(ctx, "demo", r)
		if err != nil {
			return err
		}
		if r.MID == "" {
			e.secret.Store(&secret)
		}
	}
	return nil
}

func (s *stage) closeListeners() error {
	if s.listeners == nil {
		return nil
	}
	var errs []error
	for _, ear := range []*courier.Ear{s.listeners.house, s.listeners.shop} {
		if ear != nil {
			errs = append(errs, ear.Close())
		}
	}
	return errors.Join(errs...)
}
