package main

import (
	"context"
	"maps"
	"sync"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/format/registry"
	"daozhang/internal/intake"
	"daozhang/internal/investigation"
)

// watchFilesEvery is how often is looked whether a file that is due has not come.
const watchFilesEvery = time.Minute

// openIntake makes what takes files and circumstances from people.
func (p *platform) openIntake() *intake.Intake {
	i := &intake.Intake{Keeper: p.db, Formats: registry.All(), Calendars: p.calendars.get, Zone: p.m.Zone, Now: p.m.Now,
		Seal:  accountVault{p.keys}.Seal,
		Trade: (&decider{db: p.db}).trade, Log: p.db}
	if p.office != nil {
		i.Office = p.office.work
		i.Office.Calendars = p.calendars.get
		i.Zone = i.Office.Zone
	}
	p.calendars.live = &p.live
	return i
}

// watchFiles looks for absent files until ctx ends, and tells the log. Without a back
// office of its own this process leaves that to whoever has one.
func (p *platform) watchFiles(ctx context.Context) {
	if p.office == nil {
		return
	}
	tick := time.NewTicker(watchFilesEvery)
	defer tick.Stop()
	for {
		done, err := p.intake.Watch(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			p.log.Error("expected files not looked for; it is tried again", "error", err)
		case done.Opened+done.Resolved > 0:
			p.log.Info("expected files", "absent", done.Opened, "came", done.Resolved)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// statedCalendars are the built-in calendars with the days that evidence states: what
// is settled and what is answered go by the same days.
type statedCalendars struct {
	live *inquiry

	mu    sync.Mutex
	asOf  evidence.Instant
	known map[string]*calendar.Calendar
}

// calendarsHold is for how long what was read of the evidence is not read again.
const calendarsHold = time.Second

// get gives a calendar by name; see intake.Intake.Calendars.
func (s *statedCalendars) get(name string) (*calendar.Calendar, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live == nil || s.live.now.Load() == nil { // nothing is known yet
		return calendar.Builtin(name)
	}
	s.live.Read(func(c *investigation.Current) {
		if s.known == nil || c.AsOf().Sub(s.asOf) >= calendarsHold || c.AsOf() < s.asOf {
			s.asOf = c.AsOf()
			next := map[string]*calendar.Calendar{}
			for known := range maps.Keys(s.known) {
				if days, ok := intake.CalendarOf(c, known); ok {
					next[known] = days
				}
			}
			s.known = next
		}
		if s.known[name] == nil {
			if days, ok := intake.CalendarOf(c, name); ok {
				s.known[name] = days
			}
		}
	})
	days := s.known[name]
	return days, days != nil
}
