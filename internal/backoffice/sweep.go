package backoffice

import (
	"context"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/merchant"
	"daozhang/internal/settlement"
)

// mostInquiries is how many payouts a sweep asks about at once; the rest follow in the next.
const mostInquiries = 1000

// lookBack is for how many days a network's days are looked at, and declaredBack
// for how many days an office that was not there declares afterwards.
const (
	lookBack     = 90
	declaredBack = 7
)

// Sweep tells what waits, in an order in which it can be done: what is due, and of
// settlements and inquiries that are still to come today when they will be. It
// changes nothing, and finds by itself what a lost or interrupted task left.
func (o *Office) Sweep(ctx context.Context) ([]Task, error) {
	s := &sweeper{o: o, ctx: ctx, now: o.Now()}
	for _, step := range [...]func() error{s.networks, s.banks, s.merchants, s.payouts} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	return s.tasks, nil
}

type sweeper struct {
	o     *Office
	ctx   context.Context
	now   time.Time
	tasks []Task
}

func (s *sweeper) add(t Task) { s.tasks = append(s.tasks, t) }

// waits reports whether something waits in a folder. One that cannot be looked into
// waits too: its task says what is wrong, and all other work goes on.
func (s *sweeper) waits(name string, f Folder) bool {
	fresh, err := s.o.fresh(s.ctx, name, f)
	return fresh || err != nil
}

func (s *sweeper) networks() error {
	for i := range s.o.Networks {
		n := &s.o.Networks[i]
		if s.waits(n.folder(), n.Clearing) {
			s.add(Task{Kind: Import, Network: n.Name, Date: calendar.None, Due: s.now})
		}
		today := calendar.DateIn(s.now, zoneOr(n.Zone))
		closeAfter := s.o.Times.closeAfter()
		days, err := s.o.Keeper.Days(s.ctx, n.Name, today.Add(-closeAfter-lookBack), today)
		if err != nil {
			return err
		}
		for i := range days {
			d := &days[i]
			if unfunded(d) {
				s.add(Task{Kind: Funding, Network: n.Name, Date: d.Date, Due: s.now})
			}
			if d.State == settlement.Funded && d.Date.Add(closeAfter) < today {
				s.add(Task{Kind: Closing, Network: n.Name, Date: d.Date, Due: s.now})
			}
		}
	}
	return nil
}

func (s *sweeper) banks() error {
	for i := range s.o.Banks {
		b := &s.o.Banks[i]
		for _, box := range b.inboxes() {
			if s.waits(box.name, box.Folder) {
				s.add(Task{Kind: Hearing, Bank: b.Name, Date: calendar.None, Due: s.now})
				break
			}
		}
	}
	return nil
}

// merchants finds settlements, what follows a merchant's state, settlement files,
// and the days that can be declared.
func (s *sweeper) merchants() error {
	o := s.o
	today := calendar.DateIn(s.now, o.zone())
	behind := map[calendar.Date]bool{} // days of which a merchant is not settled
	for m, err := range o.Keeper.MerchantRecords(s.ctx) {
		if err != nil {
			return err
		}
		if err := s.follow(&m); err != nil {
			return err
		}
		if len(m.Terms) == 0 {
			continue
		}
		if err := s.settle(&m, today, behind); err != nil {
			return err
		}
		closed, err := o.closedDay(s.ctx, &m, calendar.None)
		if err != nil {
			return err
		}
		due, err := o.adviceDue(s.ctx, m.MID, closed)
		if err != nil {
			return err
		}
		if due {
			s.add(Task{Kind: Advising, Merchant: m.MID, Date: closed, Due: s.now})
		}
	}
	o.seen.forget(today.Add(-2 * declaredBack))
	for d := today.Add(-declaredBack); d < today; d++ {
		due := d.Add(1).In(o.zone()).Add(o.Times.declareAfter())
		if done, _ := get(&o.seen, &o.seen.declared, d); !done && !behind[d] && !s.now.Before(due) {
			s.add(Task{Kind: Declaration, Date: d, Due: due})
		}
	}
	return nil
}

// settle finds the runs of a merchant: the last run of yesterday where it was
// missed, and today's.
func (s *sweeper) settle(m *merchant.Merchant, today calendar.Date, behind map[calendar.Date]bool) error {
	o := s.o
	here := calendar.DateIn(s.now, o.zoneOf(m))
	for day := min(here, today).Add(-declaredBack); day <= here; day++ {
		due, ok := o.lastRun(m, day)
		if !ok {
			continue
		}
		closed, err := o.closedDay(s.ctx, m, day)
		if err != nil {
			return err
		}
		if closed >= day {
			continue
		}
		if !s.now.Before(due) {
			behind[day] = true
		}
		if day < here-1 { // what was due then goes into the next run
			continue
		}
		s.add(Task{Kind: Settlement, Merchant: m.MID, Date: day, Final: true, Due: due})
		if t, _, _ := o.agreed(m, day); t.SameDay() && day == here && s.now.Before(due) {
			s.sameDay(m, day)
		}
	}
	return nil
}

// sameDay finds the next run of a merchant that is paid on the day of the sale.
func (s *sweeper) sameDay(m *merchant.Merchant, day calendar.Date) {
	every := s.o.Times.sameDayEvery()
	turn := s.now.UnixNano() / int64(every)
	if last, ok := get(&s.o.seen, &s.o.seen.ran, m.MID); !ok || last < turn {
		set(&s.o.seen, &s.o.seen.ran, m.MID, turn)
		s.add(Task{Kind: Settlement, Merchant: m.MID, Date: day, Due: s.now})
	}
}

// follow finds merchants whose state changed since settlement followed it.
func (s *sweeper) follow(m *merchant.Merchant) error {
	o := s.o
	if v, ok := get(&o.seen, &o.seen.followed, m.MID); ok && v == m.Version {
		return nil
	}
	pos, err := o.Keeper.Position(s.ctx, m.MID, m.Currency)
	if err != nil {
		return err
	}
	if settlement.Behind(m, &pos) {
		s.add(Task{Kind: Following, Merchant: m.MID, Date: calendar.None, Due: s.now})
		return nil
	}
	set(&o.seen, &o.seen.followed, m.MID, m.Version)
	return nil
}

// payouts finds what has to be handed to banks, asked about, or sent again.
func (s *sweeper) payouts() error {
	o := s.o
	for p, err := range o.Keeper.PayoutsIn(s.ctx, settlement.Created, settlement.Sent, settlement.Unknown, settlement.Accepted,
		settlement.Rejected, settlement.Returned) {
		if err != nil {
			return err
		}
		if err := s.payout(&p); err != nil {
			return fault.New(fault.KindOf(err), fault.Say("look what a payout waits for", "查看出款待办"), p.ID, err, "")
		}
	}
	due, err := o.Keeper.PayoutsDue(s.ctx, s.now, mostInquiries)
	if err != nil {
		return err
	}
	for i := range due {
		s.add(Task{Kind: Inquiry, Merchant: due[i].MID, Payout: due[i].ID, Date: calendar.None, Due: due[i].Next})
	}
	return nil
}

func (s *sweeper) payout(p *settlement.Payout) error {
	o := s.o
	switch p.State {
	case settlement.Created:
		m, err := o.Keeper.MerchantRecord(s.ctx, p.MID)
		if err != nil {
			return err
		}
		if m.Status.State != merchant.Active {
			return nil // it is stopped first
		}
		s.add(Task{Kind: Dispatching, Merchant: p.MID, Payout: p.ID, Date: calendar.None, Due: p.Made})
	case settlement.Sent, settlement.Unknown:
		b, err := o.payer(p.Currency)
		if err != nil {
			return err
		}
		missing, err := o.unwritten(s.ctx, b, p)
		if err != nil {
			return err
		}
		if missing {
			s.add(Task{Kind: Dispatching, Merchant: p.MID, Payout: p.ID, Date: calendar.None, Due: p.Sent})
		}
	case settlement.Accepted:
		by, err := o.creditMissed(s.ctx, p)
		if err != nil {
			return err
		}
		if !by.IsZero() {
			s.add(Task{Kind: Inquiry, Merchant: p.MID, Payout: p.ID, Date: calendar.None, Due: by})
		}
	default:
		m, err := o.Keeper.MerchantRecord(s.ctx, p.MID)
		if err != nil {
			return err
		}
		c, err := o.block(&m, p)
		if err != nil {
			return err
		}
		due, _, err := o.remedy(s.ctx, &m, p)
		if err != nil {
			return err
		}
		if c != nil {
			due = s.now
		}
		if !due.IsZero() {
			s.add(Task{Kind: Remedying, Merchant: p.MID, Payout: p.ID, Date: calendar.None, Due: due})
		}
	}
	return nil
}
