package backoffice

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// attempts is how often a decision that lost against another is taken anew
// before the work is left to its next turn.
const attempts = 12

// errBusy ends work that lost too often.
var errBusy = fault.Say("others kept changing the same records", "相关记录持续被其他任务更改")

// again takes a decision until it is neither refused nor overtaken. decide reads
// what is on record, decides and commits; it is called with nothing kept of its
// attempt before.
func (o *Office) again(op fault.Text, subject string, decide func() error) error {
	var err error
	for range attempts {
		if err = decide(); !overtaken(err) {
			return err
		}
	}
	if settlement.Violated(err) { // it is so however often it is read
		return err
	}
	return fault.New(fault.Conflict, op, subject, errors.Join(errBusy, err), fault.Say("it is tried again by itself", "系统会自动重试"))
}

// overtaken reports that the record has moved on under a decision: its commit was
// refused, or it was made of rows some of which are from before another's step and
// some from after it.
func overtaken(err error) bool {
	return errors.Is(err, payment.ErrRefused) && fault.KindOf(err) == fault.Conflict || settlement.Violated(err)
}

// reach tells whoever listens that a point of the work is passed.
func (o *Office) reach(k Kind, p Point) {
	if o.Reached != nil {
		o.Reached(Point(k) + "/" + p)
	}
}

// commit makes a step durable; nil is nothing to write.
func (o *Office) commit(ctx context.Context, k Kind, s *settlement.Step) error {
	if s == nil {
		return nil
	}
	o.reach(k, BeforeCommit)
	if err := o.Keeper.CommitSettlement(ctx, s); err != nil {
		return err
	}
	o.reach(k, AfterCommit)
	return nil
}

func (o *Office) commitMerchant(ctx context.Context, k Kind, c *merchant.Change) error {
	o.reach(k, BeforeCommit)
	if err := o.Keeper.CommitMerchant(ctx, c); err != nil {
		return err
	}
	o.reach(k, AfterCommit)
	return nil
}

func (o *Office) zone() *time.Location { return zoneOr(o.Zone) }

func zoneOr(z *time.Location) *time.Location {
	if z == nil {
		return time.UTC
	}
	return z
}

// zoneOf is the zone of a merchant's terms on a moment, else the institution's.
func (o *Office) zoneOf(m *merchant.Merchant) *time.Location {
	if n := len(m.Terms); n > 0 {
		if z, err := calendar.Location(m.Terms[n-1].Timezone); err == nil {
			return z
		}
	}
	return o.zone()
}

func (o *Office) network(name string) (*Network, error) {
	for i := range o.Networks {
		if o.Networks[i].Name == name {
			return &o.Networks[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, fault.Say("find network", "查找卡组织"), name, nil,
		fault.Say("the configuration names no network of that name", "配置中没有该卡组织"))
}

func (o *Office) bank(name string) (*Bank, error) {
	for i := range o.Banks {
		if o.Banks[i].Name == name {
			return &o.Banks[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, fault.Say("find payout bank", "查找出款银行"), name, nil,
		fault.Say("the configuration names no payout bank of that name", "配置中没有该出款银行"))
}

// payer is the bank out of which a currency is paid.
func (o *Office) payer(c money.Currency) (*Bank, error) {
	for i := range o.Banks {
		if o.Banks[i].Currency == c {
			return &o.Banks[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, fault.Say("find payout bank", "查找出款银行"), c.String(), nil,
		fault.Say("configure a bank that pays %s", "请配置支付 %s 的银行", c))
}

// dayEnds is when the card day of a date ends for a network.
func (n *Network) dayEnds(d calendar.Date) time.Time {
	cutoff := n.Cutoff
	if cutoff == 0 {
		cutoff = 24 * time.Hour
	}
	return clock(d, cutoff, zoneOr(n.Zone))
}

// clock is the moment of a day at which the clocks of a zone show a time, whatever
// they were changed by on that day.
func clock(d calendar.Date, after time.Duration, z *time.Location) time.Time {
	y, m, day := d.YMD()
	return time.Date(y, time.Month(m), day, 0, 0, 0, int(after), z)
}

func (t *Times) settleAt() time.Duration     { return orDefault(t.SettleAt, 9*time.Hour) }
func (t *Times) sameDayEvery() time.Duration { return orDefault(t.SameDayEvery, 5*time.Minute) }
func (t *Times) retryAfter() time.Duration   { return orDefault(t.RetryAfter, time.Hour) }
func (t *Times) retryMost() int              { return orDefault(t.RetryMost, 3) }
func (t *Times) closeAfter() int             { return orDefault(t.CloseAfter, 60) }
func (t *Times) declareAfter() time.Duration { return orDefault(t.DeclareAfter, 10*time.Minute) }

func orDefault[T comparable](v, usual T) T {
	var zero T
	if v == zero {
		return usual
	}
	return v
}

// Kinds of exceptions about files and entries, beside those of settlement.
const (
	// ExceptionFile is a file that cannot be read, is not as it was written, or is
	// about nothing of ours. Nothing of it was taken; its sender has to act.
	ExceptionFile = "file_refused"
	// ExceptionEntry is an entry on the safeguarded account that is neither a payout
	// nor a network's money.
	ExceptionEntry = "bank_entry_unplaced"
	// ExceptionCharge is what a bank charged on the safeguarded account on a day.
	ExceptionCharge = "bank_charge"
	// ExceptionAccount is a statement of an account that is neither ours nor a
	// merchant's.
	ExceptionAccount = "statement_not_ours"
)

// exceptionSpace is the name space of the identities of such exceptions.
var exceptionSpace = uuid.MustParse("6f0c0b62-8f0e-5c56-9d57-3f0b6a0c1d11")

// except makes an exception of the platform as a whole. The same kind about the
// same thing is the same exception.
func except(kind, about, owner string, now time.Time, amount int64, c money.Currency, detail string) payment.Exception {
	return payment.Exception{ID: uuid.NewSHA1(exceptionSpace, []byte(kind+"\x00"+about)), MID: settlement.House, Kind: kind, Owner: owner,
		Amount: max(amount, -amount), Currency: c, Opened: now, Detail: detail}
}

// note commits exceptions.
func (o *Office) note(ctx context.Context, k Kind, now time.Time, list ...payment.Exception) error {
	if len(list) == 0 {
		return nil
	}
	s := &settlement.Step{}
	s.MID, s.At = settlement.House, now
	s.Exceptions = list
	return o.commit(ctx, k, s)
}

// settled resolves exceptions of some things that are open.
func (o *Office) settled(ctx context.Context, k Kind, now time.Time, kind, detail string, abouts ...string) error {
	open, err := o.Keeper.OpenExceptions(ctx, settlement.House)
	if err != nil {
		return err
	}
	var list []payment.Exception
	for _, about := range abouts {
		id := except(kind, about, "", now, 0, money.Currency{}, "").ID
		for _, x := range open {
			if x.ID == id {
				x.State, x.Closed, x.Detail = payment.ExceptionResolved, now, detail
				list = append(list, x)
			}
		}
	}
	return o.note(ctx, k, now, list...)
}
