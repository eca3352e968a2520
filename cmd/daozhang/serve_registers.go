package main

import (
	"context"
	"os"
	"os/signal"
	"reflect"
	"sync/atomic"
	"syscall"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/gateway"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/store"
)

// registersEvery is how often the registers are looked at for changes by others.
var registersEvery = 20 * time.Second

// registers are the merchants' and terminals' profiles and the routes in force. The
// gateway looks terminals up in them while they are replaced.
type registers struct {
	profiles atomic.Pointer[payment.Profiles]
	routes   atomic.Pointer[[]gateway.Route]
}

// Terminal gives the profile of a terminal; part of payment.Directory.
func (r *registers) Terminal(tid string) *payment.Profile {
	if p := r.profiles.Load(); p != nil {
		return (*p)[tid]
	}
	return nil
}

func (r *registers) ways() []gateway.Route {
	if w := r.routes.Load(); w != nil {
		return *w
	}
	return nil
}

// enter brings the merchants and terminals of a configuration into the store.
func (p *platform) enter(ctx context.Context, c *serveConfig) error {
	var facts []payment.Evidence
	for i := range c.Merchants {
		x := &c.Merchants[i]
		currency, err := money.ParseCurrency(x.Currency)
		if err != nil {
			return err
		}
		cutoff, err := minutes(x.Cutoff)
		if err != nil {
			return err
		}
		if err := p.db.PutMerchant(ctx, store.Merchant{MID: x.MID, Name: x.Name, MCC: x.MCC, Currency: currency, Zone: x.Zone, Cutoff: cutoff,
			Barred: x.Barred, PreauthDays: x.PreauthDays}); err != nil {
			return err
		}
		if len(x.Terms) > 0 {
			f, err := termsFact(x, p.m.Now())
			if err != nil {
				return err
			}
			facts = append(facts, f)
		}
	}
	for _, x := range c.Terminals {
		if err := p.db.PutTerminal(ctx, store.Terminal{TID: x.TID, MID: x.MID, Model: x.Model, Location: x.Location, Barred: x.Barred, Operations: x.Operations}); err != nil {
			return err
		}
	}
	if len(facts) > 0 {
		if _, err := p.db.Append(ctx, facts); err != nil {
			return err
		}
	}
	return p.lookUp(ctx)
}

// lookUp reads the profiles of the registers and puts them in force where they
// have changed. A profile itself never changes: who holds one keeps it.
func (p *platform) lookUp(ctx context.Context) error {
	read, err := p.db.Profiles(ctx)
	if err != nil {
		return err
	}
	profiles := payment.Profiles(read)
	if was := p.registers.profiles.Load(); was == nil || !reflect.DeepEqual(*was, profiles) {
		p.registers.profiles.Store(&profiles)
		if was != nil {
			p.log.Info("registers read anew", "terminals", len(profiles))
		}
	}
	return nil
}

// readRoutes gives the routes of a configuration.
func readRoutes(list []routeConfig) ([]gateway.Route, error) {
	var routes []gateway.Route
	for _, x := range list {
		r := gateway.Route{From: x.From, To: x.To, Min: x.Min, Max: x.Max, Issuer: x.Issuer, Links: x.Links}
		if x.Currency != "" {
			c, err := money.ParseCurrency(x.Currency)
			if err != nil {
				return nil, fault.New(fault.Usage, fault.Say("read", "读取"), "routes", err, fault.Say("write a currency, for example CNY", "请写币种，例如 CNY"))
			}
			r.Currency = c
		}
		routes = append(routes, r)
	}
	return routes, nil
}

// readRanges gives the card ranges of a configuration.
func readRanges(list []rangeConfig) ([]gateway.CardRange, error) {
	var ranges []gateway.CardRange
	for _, x := range list {
		t, ok := evidence.ParseCardType(x.Type)
		if !ok || len(x.From) != len(x.To) || x.From == "" || len(x.From) > 8 {
			return nil, fault.New(fault.Usage, fault.Say("read", "读取"), "ranges "+x.From, nil,
				fault.Say("from and to are first digits of equal length up to 8; the type is debit, credit or prepaid", "from 与 to 为等长的卡号前若干位（最多 8 位），type 为 debit、credit 或 prepaid"))
		}
		ranges = append(ranges, gateway.CardRange{From: x.From, To: x.To, Type: t})
	}
	return ranges, nil
}

// keepRegisters gives what follows changes until ctx ends: of the registers by
// others, and of the configuration file when SIGHUP asks for it. From its call on
// that signal no longer ends the process.
func (p *platform) keepRegisters(ctx context.Context) func() {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	return func() {
		defer signal.Stop(hangup)
		tick := time.NewTicker(registersEvery)
		defer tick.Stop()
		for {
			var err error
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				err = p.lookUp(ctx)
			case <-hangup:
				err = p.reread(ctx)
			}
			if err != nil && ctx.Err() == nil {
				p.log.Error("registers not read anew; those before stay in force", "error", err)
			}
		}
	}
}

// reread puts in force what the configuration now says of merchants, terminals and
// routes. What is wrong anywhere in it changes nothing. What a file no longer
// names stays registered: it is barred, not forgotten.
func (p *platform) reread(ctx context.Context) error {
	c, err := p.again()
	if err != nil {
		return err
	}
	routes, err := readRoutes(c.Routes)
	if err != nil {
		return err
	}
	if g := p.gateway.Load(); g != nil {
		if err := g.Reroute(ctx, routes); err != nil {
			return err
		}
	}
	p.registers.routes.Store(&routes)
	if err := p.enter(ctx, c); err != nil {
		return err
	}
	if p.office != nil {
		if err := p.office.takeOn(ctx, c); err != nil {
			return err
		}
	}
	if p.dev {
		if err := p.handOutKeys(ctx, c); err != nil {
			return err
		}
	}
	p.log.Info("configuration read anew", "merchants", len(c.Merchants), "terminals", len(c.Terminals), "routes", len(routes))
	return nil
}
