package main

import (
	"context"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/desk"
	"daozhang/internal/diagnosis"
	"daozhang/internal/fault"
	"daozhang/internal/merchant"
	"daozhang/internal/store"
)

// deskConfig is what the institution has decided about cases and approvals.
type deskConfig struct {
	// OneCheckerUpTo is the greatest amount, in minor units, that one person may
	// check; above it Checkers do.
	OneCheckerUpTo int64 `koanf:"one_checker_up_to"`
	Checkers       int   `koanf:"checkers"`
	// Expiry is how long a proposal may wait.
	Expiry time.Duration `koanf:"expiry"`
	// Calendar names the bank days by which ages are counted where no merchant's terms
	// say: CN, TARGET2, ….
	Calendar string `koanf:"calendar"`
	// Sweep is the time between looks for what an interruption left behind.
	Sweep time.Duration `koanf:"sweep"`
}

// deskSettings are its values with their defaults.
var deskSettings = []setting{{"desk.one_checker_up_to", 10_000_000}, {"desk.checkers", 2}, {"desk.expiry", "168h"}, {"desk.calendar", "CN"}, {"desk.sweep", "1m"}}

// check finds what cannot be meant.
func (c *deskConfig) check() error {
	op := fault.Say("read the configuration", "读取配置")
	if _, ok := calendar.Builtin(c.Calendar); !ok {
		return fault.New(fault.Usage, op, "desk.calendar", fault.Say("there is no calendar %q", "没有日历 %q", c.Calendar), fault.Say("CN, TARGET2, US, GB or WEEKEND", "CN、TARGET2、US、GB 或 WEEKEND"))
	}
	if c.OneCheckerUpTo < 0 || c.Checkers < 1 || c.Checkers > 5 || c.Expiry <= 0 || c.Sweep <= 0 {
		return fault.New(fault.Usage, op, "desk", fault.Say("a limit, 1 to 5 checkers and times of more than 0 are needed", "须有限额、1 到 5 名复核人，以及大于 0 的时间"),
			fault.Say("for example one_checker_up_to: 10000000, checkers: 2, expiry: 168h", "例如 one_checker_up_to: 10000000, checkers: 2, expiry: 168h"))
	}
	return nil
}

// deskOf is the desk of the institution over a database: what both the server and
// the command line have of it.
func deskOf(db *store.Store, c *deskConfig, catalogue *diagnosis.Catalogue, zone *time.Location, now func() time.Time) *desk.Desk {
	policy := desk.DefaultPolicy()
	policy.Limits = []desk.Limit{{UpTo: c.OneCheckerUpTo, Checkers: 1}}
	policy.MostCheckers, policy.Expiry = c.Checkers, c.Expiry
	days, _ := calendar.Builtin(c.Calendar)
	return &desk.Desk{Keeper: db, Catalogue: catalogue, Policy: policy, Calendar: days, Zone: zone, Now: now,
		Office: officeOver(db, zone, now),
		Trade:  func(ctx context.Context, mid string) (merchant.Trade, error) { return tradeOf(ctx, db, mid) }}
}

// openDesk is the platform's desk: over the investigation that it keeps current,
// the back office that it runs, and its gateway.
func (p *platform) openDesk() error {
	catalogue, err := diagnosis.Load()
	if err != nil {
		return err
	}
	if err := p.c.Desk.check(); err != nil {
		return err
	}
	zone, err := calendar.Location(p.c.BackOffice.Zone)
	if err != nil {
		return wrongOffice("backoffice.zone", err)
	}
	d := deskOf(p.db, &p.c.Desk, catalogue, zone, p.m.Now)
	d.Live, d.Release = &p.live, p.release
	if p.office != nil {
		d.Office = p.office.work
	}
	p.desk = d
	return nil
}

// keepDesk goes on with what an interruption left behind: at the start, and then
// from time to time.
func (p *platform) keepDesk(ctx context.Context) {
	tick := time.NewTicker(p.c.Desk.Sweep)
	defer tick.Stop()
	for {
		if p.caughtUp.Load() {
			if err := p.desk.Resume(ctx); err != nil && ctx.Err() == nil {
				p.log.Warn("desk not tidied up", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
