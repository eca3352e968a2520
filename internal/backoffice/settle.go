package backoffice

import (
	"cmp"
	"context"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/merchant"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// Settle runs a merchant's settlement of a day, from where an interrupted run
// left off; the run of another day that was interrupted goes first. Final is the
// day's last run. A day whose last run is done is left as it is.
//
// Errors are those of settlement.Settle, and fault.NotFound for an unknown
// merchant.
func (o *Office) Settle(ctx context.Context, mid string, day calendar.Date, final bool) error {
	return o.again(fault.Say("settle", "结算"), mid+" "+day.String(), func() error {
		m, err := o.Keeper.MerchantRecord(ctx, mid)
		if err != nil {
			return err
		}
		open, err := o.Keeper.OpenBatch(ctx, mid, m.Currency)
		if err != nil {
			return err
		}
		if open != nil && open.Day != day {
			if err := o.settle(ctx, &m, open.Day, open.Final, open); err != nil {
				return err
			}
			open = nil
		}
		return o.settle(ctx, &m, day, final || open != nil && open.Final, open)
	})
}

func (o *Office) settle(ctx context.Context, m *merchant.Merchant, day calendar.Date, final bool, open *settlement.Batch) error {
	in := settlement.Input{Policy: &o.Policy, Now: o.Now(), Merchant: m, Calendars: o.Calendars, Day: day, Final: final, Batch: open}
	var err error
	if in.Position, err = o.Keeper.Position(ctx, m.MID, m.Currency); err != nil {
		return err
	}
	if in.Extras, err = o.Keeper.Extras(ctx, m.MID, m.Currency); err != nil {
		return err
	}
	if in.Reserves, err = o.Keeper.Reserves(ctx, m.MID, m.Currency); err != nil {
		return err
	}
	after := payment.ID{}
	if open != nil {
		after = open.Cursor
	}
	o.reach(Settlement, AfterRead)
	for step, err := range settlement.Settle(in, o.Keeper.Items(ctx, m.MID, m.Currency, after)) {
		if err != nil {
			return err
		}
		if err := o.commit(ctx, Settlement, step); err != nil {
			return err
		}
	}
	return nil
}

// Follow brings settlement in line with a merchant's state: what is payable is
// held or given free, payouts that were not sent are stopped or go on.
func (o *Office) Follow(ctx context.Context, mid string) error {
	return o.again(fault.Say("follow merchant's state", "跟随商户状态"), mid, func() error {
		m, err := o.Keeper.MerchantRecord(ctx, mid)
		if err != nil {
			return err
		}
		pos, err := o.Keeper.Position(ctx, mid, m.Currency)
		if err != nil {
			return err
		}
		var hold *settlement.Hold
		if pos.Hold != "" {
			h, err := o.Keeper.Hold(ctx, mid, pos.Hold)
			if err != nil {
				return err
			}
			hold = &h
		}
		waiting, err := o.Keeper.PayoutsOf(ctx, mid, settlement.Created, settlement.Stopped)
		if err != nil {
			return err
		}
		now := o.Now()
		o.reach(Following, AfterRead)
		step, err := settlement.Follow(&o.Policy, now, &m, pos, calendar.DateIn(now, o.zoneOf(&m)), hold, waiting)
		if err != nil {
			return err
		}
		return o.commit(ctx, Following, step)
	})
}

// Declare says that all settlement lines and payouts of a day are on record: only
// then does the absence of one prove something. It returns fault.Conflict while
// the day lasts, or a merchant's run of it is not done.
func (o *Office) Declare(ctx context.Context, day calendar.Date) error {
	op := fault.Say("declare day whole", "申报当日完整")
	from, to := day.In(o.zone()), day.Add(1).In(o.zone())
	if o.Now().Before(to) {
		return fault.New(fault.Conflict, op, day.String(), fault.Say("the day is not over", "当日尚未结束"), fault.Say("declare it tomorrow", "请次日再申报"))
	}
	for m, err := range o.Keeper.MerchantRecords(ctx) {
		if err != nil {
			return err
		}
		due, ok := o.lastRun(&m, day)
		if !ok || due.After(to) {
			continue
		}
		closed, err := o.closedDay(ctx, &m, day)
		if err != nil {
			return err
		}
		if closed < day {
			return fault.New(fault.Conflict, op, day.String(), fault.Say("merchant %s is not settled", "商户 %s 尚未结算", m.MID),
				fault.Say("its settlement goes first", "请先完成其结算"))
		}
	}
	o.reach(Declaration, AfterRead)
	// The fact is of the day's end whenever it is written, so that it is one fact.
	err := o.commit(ctx, Declaration, settlement.Declare(to, from, to, o.zone()))
	if err == nil {
		set(&o.seen, &o.seen.declared, day, true)
	}
	return err
}

// agreed is the terms in force on a day, with the calendar that they name; false
// where the merchant is not settled on it.
func (o *Office) agreed(m *merchant.Merchant, day calendar.Date) (*merchant.Terms, *calendar.Calendar, bool) {
	t, ok := m.TermsOn(day)
	if !ok || day < m.Onboarded {
		return nil, nil, false
	}
	cal, ok := o.calendarOf(t)
	if !ok || t.Cycle[:1] == "T" && !cal.IsBusinessDay(day) {
		return nil, nil, false
	}
	return t, cal, true
}

// calendarOf is the calendar of terms, which is that of weekends where they name none.
func (o *Office) calendarOf(t *merchant.Terms) (*calendar.Calendar, bool) {
	return o.Calendars(cmp.Or(t.Calendar, "WEEKEND"))
}

// lastRun is when a merchant's last run of a day is due; false where it has none.
// Whoever is paid on the day of the sale has it when the card day is over.
func (o *Office) lastRun(m *merchant.Merchant, day calendar.Date) (time.Time, bool) {
	t, _, ok := o.agreed(m, day)
	if !ok {
		return time.Time{}, false
	}
	after := o.Times.settleAt()
	if t.SameDay() {
		after = cutoff(t) + 2*o.Times.sameDayEvery()
	}
	return clock(day, after, o.zoneOf(m)), true
}

// cutoff is the end of the card day after midnight.
func cutoff(t *merchant.Terms) time.Duration {
	if at, err := time.Parse("15:04", t.Cutoff); err == nil {
		return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
	}
	return 24 * time.Hour // "24:00", or none
}

// closedDay is the latest day of a merchant whose last run is done. The record is
// asked only where what was seen is before the day in question.
func (o *Office) closedDay(ctx context.Context, m *merchant.Merchant, day calendar.Date) (calendar.Date, error) {
	if d, ok := get(&o.seen, &o.seen.closed, m.MID); ok && d >= day {
		return d, nil
	}
	pos, err := o.Keeper.Position(ctx, m.MID, m.Currency)
	if err != nil {
		return calendar.None, err
	}
	set(&o.seen, &o.seen.closed, m.MID, pos.Closed)
	return pos.Closed, nil
}
