package main

import (
	"context"
	"slices"
	"time"

	"daozhang/internal/diagnosis"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/report"
)

// nightfall is how long after midnight a day is over for the story: its clearing
// file and its statements have come.
const nightfall = 30 * time.Minute

// night ends a day: tills hand in what they have to tell, and the reader is told
// where the money is, and why some of it is late or held.
func (p *play) night(ctx context.Context, midnight time.Time) error {
	if err := p.s.handIn(ctx); err != nil {
		return err
	}
	if err := p.quiet(ctx); err != nil {
		return err
	}
	if err := p.at(ctx, midnight.Add(nightfall)); err != nil {
		return err
	}
	if err := p.s.caughtUp(ctx); err != nil {
		return err
	}
	var now standing
	var why []stopped
	p.s.p.live.Read(func(c *investigation.Current) {
		now = standingOf(c)
		if now.late+now.held+now.unknown > 0 {
			why = stoppedOf(c.Answer())
		}
	})
	p.t.close(now)
	for _, x := range why {
		p.t.hangAt("        ", fault.Say("%s: %s (%s). %s.", "%s：%s（属%s），%s。", fault.Text(report.StatusWord(x.status)), yuans(x.amount),
			p.shopsNamed(x.mids), fault.Text(x.cause.Title)).In(p.t.lang), "")
	}
	return nil
}

// stopped is money that is late, held or unknown for one reason.
type stopped struct {
	status journey.Status
	cause  *diagnosis.Cause
	mids   []string // whose it is
	amount int64
}

// stoppedOf adds up what is stopped, in order of the payments.
func stoppedOf(a *investigation.Answer) []stopped {
	var list []stopped
	a.Each(func(p *investigation.Payment) bool {
		switch p.Status {
		case journey.Overdue, journey.Unproven, journey.Held, journey.Unknown:
		default:
			return true
		}
		if p.Verdict.Cause == nil {
			return true
		}
		i := slices.IndexFunc(list, func(x stopped) bool { return x.status == p.Status && x.cause == p.Verdict.Cause })
		if i < 0 {
			i = len(list)
			list = append(list, stopped{status: p.Status, cause: p.Verdict.Cause})
		}
		x := &list[i]
		if mid := a.View.Words.Text(p.Keys.MID); !slices.Contains(x.mids, mid) {
			x.mids = append(x.mids, mid)
		}
		x.amount += p.Missing
		return true
	})
	return list
}
