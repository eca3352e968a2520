package backoffice

import (
	"context"
	"regexp"
	"slices"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/settlement"
)

// Fund books what a corrected clearing file of a day changed after the network
// had paid. What the network pays is booked by Hear, from our bank's statement.
func (o *Office) Fund(ctx context.Context, network string, date calendar.Date) error {
	return o.fund(ctx, Funding, network, date, nil)
}

// fund books what a network paid for one of its days.
func (o *Office) fund(ctx context.Context, k Kind, network string, date calendar.Date, f *settlement.Funding) error {
	n, err := o.network(network)
	if err != nil {
		return err
	}
	return o.again(fault.Say("book network funding", "登记清算资金"), network+" "+date.String(), func() error {
		day, err := o.day(ctx, n, date)
		if err != nil {
			return err
		}
		o.reach(k, AfterRead)
		for step, err := range settlement.Fund(o.Now(), day, f, o.Keeper.Shares(ctx, network, date), zoneOr(n.Zone)) {
			if err != nil {
				return err
			}
			if err := o.commit(ctx, k, step); err != nil {
				return err
			}
		}
		return nil
	})
}

// Close ends a network's day that was paid as its file says: it takes no other
// file. fault.Conflict where money is still missing.
func (o *Office) Close(ctx context.Context, network string, date calendar.Date) error {
	n, err := o.network(network)
	if err != nil {
		return err
	}
	return o.again(fault.Say("close clearing day", "关闭清算日"), network+" "+date.String(), func() error {
		day, err := o.day(ctx, n, date)
		if err != nil || day.State == settlement.DayClosed {
			return err
		}
		step, err := day.Close(o.Now())
		if err != nil {
			return err
		}
		return o.commit(ctx, Closing, step)
	})
}

// unfunded reports a day of which a corrected file changed what the network's
// money stands for: what was booked of it is what it paid less what is House's.
func unfunded(d *settlement.Day) bool {
	return len(d.Entries) > 0 && d.State != settlement.DayClosed && d.Received-d.House != d.Total
}

// awaitedHasCome reports whether the file for which money waits is booked, or
// will be no more.
func (o *Office) awaitedHasCome(ctx context.Context, network string, date calendar.Date) (bool, error) {
	n, err := o.network(network)
	if err != nil {
		return true, nil // it is read again, and told
	}
	day, err := o.day(ctx, n, date)
	return day.State != settlement.Awaited, err
}

// fundingDates finds the business days that an entry on the safeguarded account
// pays for: the network's name, followed by the days, in a reference or in the
// text, as in "UnionPay-20260302" or "UnionPay 2026-03-02 2026-03-03".
func (n *Network) fundingDates(references []string, text string) []calendar.Date {
	var dates []calendar.Date
	for _, s := range append(slices.Clone(references), text) {
		at := strings.Index(strings.ToLower(s), strings.ToLower(n.Name))
		if at < 0 {
			continue
		}
		for _, m := range dayInText.FindAllString(s[at+len(n.Name):], 31) {
			if d, err := calendar.ParseCompact(strings.ReplaceAll(m, "-", "")); err == nil && !slices.Contains(dates, d) {
				dates = append(dates, d)
			}
		}
	}
	slices.Sort(dates)
	return dates
}

// names reports whether an entry names the network at all.
func (n *Network) names(references []string, text string) bool {
	name := strings.ToLower(n.Name)
	return strings.Contains(strings.ToLower(text), name) ||
		slices.ContainsFunc(references, func(s string) bool { return strings.Contains(strings.ToLower(s), name) })
}

var dayInText = regexp.MustCompile(`\b20\d{2}-?[01]\d-?[0-3]\d\b`)

// parts divides what an entry pays among the days that it names: each gets what
// its file says, and what the entry has more or less falls on the last. missing is
// the first day without a file.
func (o *Office) parts(ctx context.Context, n *Network, dates []calendar.Date, amount int64) (parts []int64, missing calendar.Date, err error) {
	left := amount
	for i, d := range dates {
		day, err := o.day(ctx, n, d)
		switch {
		case err != nil:
			return nil, d, err
		case day.State == settlement.Awaited:
			return nil, d, nil
		}
		part := day.Total
		if i == len(dates)-1 {
			part = left
		}
		left -= part
		parts = append(parts, part)
	}
	return parts, calendar.None, nil
}
