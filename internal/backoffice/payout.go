package backoffice

import (
	"bytes"
	"context"
	"io"
	"strconv"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/format/bank"
	"daozhang/internal/merchant"
	"daozhang/internal/settlement"
)

// Dispatch hands a payout to its bank: it makes the payout sent, and then writes
// the order.
//
// If the process ends in between, the order may be missing. It is written by the
// next Dispatch or Inquire, and only because the folder proves that it never
// left: a file gets its name whole and durably or not at all, nobody takes files
// out of it (Bank.TakesAway is false), and what is written is the same file with
// the same message and end-to-end identification, which the bank would refuse a
// second time. No order is written later than half of Policy.LastArrival after it
// was sent, and until all of LastArrival has passed, "no original received" is
// not believed: so no order can arrive after its payout was given up and its
// money went out again. Where files are taken away nothing is proved, and what is
// sent is only asked about.
//
// A payout that is under way or done is left as it is. Errors: fault.NotAllowed
// while the merchant is frozen, fault.Invalid where no order can be made of it.
func (o *Office) Dispatch(ctx context.Context, mid, payout string) error {
	return o.again(fault.Say("send payout", "发出出款"), payout, func() error {
		p, b, err := o.ordered(ctx, mid, payout)
		if err != nil {
			return err
		}
		o.reach(Dispatching, AfterRead)
		switch p.State {
		case settlement.Sent, settlement.Unknown:
			return o.resume(ctx, b, &p)
		case settlement.Created:
		default:
			return nil
		}
		m, err := o.Keeper.MerchantRecord(ctx, mid)
		if err != nil {
			return err
		}
		step, err := settlement.Dispatch(&o.Policy, o.Now(), &m, p)
		if err != nil {
			return err
		}
		// What no order can be made of is not sent.
		p = step.Payouts[0]
		if _, err := o.order(b, &p); err != nil {
			return err
		}
		if err := o.commit(ctx, Dispatching, step); err != nil {
			return err
		}
		return o.writeOrder(ctx, Dispatching, b, &p)
	})
}

// orderName is the name of a payout's order.
func orderName(payout string) string { return payout + ".xml" }

// unwritten reports a payout whose order did not leave, and still may.
func (o *Office) unwritten(ctx context.Context, b *Bank, p *settlement.Payout) (bool, error) {
	if b.TakesAway || p.State != settlement.Sent && p.State != settlement.Unknown || !o.Now().Before(o.lastWriting(p)) {
		return false, nil
	}
	there, err := b.Orders.Has(ctx, orderName(p.ID))
	return !there, err
}

// lastWriting is the moment from which a payout's order is not written any more.
func (o *Office) lastWriting(p *settlement.Payout) time.Time {
	return p.Sent.Add(o.Policy.LastArrival / 2)
}

// resume writes the order of a payout whose process ended before it could.
func (o *Office) resume(ctx context.Context, b *Bank, p *settlement.Payout) error {
	missing, err := o.unwritten(ctx, b, p)
	if err != nil || !missing {
		return err
	}
	return o.writeOrder(ctx, Dispatching, b, p)
}

// order is a payout's order, the same whenever it is made from the row.
func (o *Office) order(b *Bank, p *settlement.Payout) ([]byte, error) {
	number, err := o.Vault.Open(p.Account.Sealed, AccountContext(p.MID))
	if err != nil {
		return nil, err
	}
	created := p.Sent.In(zoneOr(b.Zone))
	order := bank.PaymentOrder{ID: p.ID, Created: created, Execution: calendar.DateIn(created, created.Location()), Debtor: b.Account,
		Payments: []bank.Payment{{EndToEnd: p.ID, Amount: p.Amount, Currency: p.Currency, Text: p.ID,
			Creditor: bank.Party{Name: p.Account.Holder, ID: p.MID, Account: number, Agent: bank.AgentOf(p.Account.Agent, p.Account.Bank)}}}}
	var text bytes.Buffer
	if err := bank.WriteOrder(&text, &order); err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

// writeOrder writes the order of a payout that is sent, in its time or not at all.
func (o *Office) writeOrder(ctx context.Context, k Kind, b *Bank, p *settlement.Payout) error {
	text, err := o.order(b, p)
	if err != nil {
		return err
	}
	return o.put(ctx, k, b.Orders, orderName(p.ID), text, func() error {
		if o.Now().Before(o.lastWriting(p)) {
			return nil
		}
		return fault.New(fault.Conflict, fault.Say("write payment order", "写付款指令"), p.ID, fault.Say("its time is over", "已超过可写出的时间"),
			fault.Say("the bank is asked; after its answer the money goes out again", "将向银行查询，得到答复后再重新出款"))
	})
}

// put writes a file; still, where not nil, says whether it is still to be written.
func (o *Office) put(ctx context.Context, k Kind, f Folder, name string, text []byte, still func() error) error {
	err := f.Put(ctx, name, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	}, func() error {
		o.reach(k, BeforeRename)
		if still != nil {
			return still()
		}
		return nil
	})
	if err == nil {
		o.reach(k, AfterRename)
	}
	return err
}

// ordered gives a payout and the bank that pays it.
func (o *Office) ordered(ctx context.Context, mid, payout string) (settlement.Payout, *Bank, error) {
	p, err := o.Keeper.Payout(ctx, mid, payout)
	if err != nil {
		return p, nil, err
	}
	b, err := o.payer(p.Currency)
	return p, b, err
}

// Inquire asks the bank what became of a payout on which its word is missing. An
// order that did not leave leaves first. Nothing happens before an answer is due. One
// that the bank accepted is not asked about: where no credit is known in time, it
// becomes an exception.
func (o *Office) Inquire(ctx context.Context, mid, payout string) error {
	return o.again(fault.Say("ask about payout", "查询出款"), payout, func() error {
		p, b, err := o.ordered(ctx, mid, payout)
		if err != nil {
			return err
		}
		o.reach(Inquiry, AfterRead)
		if err := o.resume(ctx, b, &p); err != nil {
			return err
		}
		step, err := settlement.Tick(&o.Policy, o.Now(), p)
		if err == nil && step == nil {
			step, err = o.uncredited(ctx, &p)
		}
		if err != nil || step == nil {
			return err
		}
		if err := o.commit(ctx, Inquiry, step); err != nil {
			return err
		}
		for i := range step.Orders {
			if err := o.writeInquiry(ctx, b, &step.Orders[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// uncredited is the step for a payout of which no credit is known in time.
func (o *Office) uncredited(ctx context.Context, p *settlement.Payout) (*settlement.Step, error) {
	by, err := o.creditMissed(ctx, p)
	if err != nil || by.IsZero() {
		return nil, err
	}
	return settlement.Uncredited(o.Now(), by, *p)
}

// creditMissed is when the credit of an accepted payout had to be known, by the bank
// days of its merchant's terms; zero where that is still to come or an exception tells
// of it.
func (o *Office) creditMissed(ctx context.Context, p *settlement.Payout) (time.Time, error) {
	least := time.Duration(o.Policy.CreditWithin) * 24 * time.Hour // bank days are not shorter
	if p.State != settlement.Accepted || !p.Escalated.IsZero() || o.Now().Sub(p.Word) < least {
		return time.Time{}, nil
	}
	m, err := o.Keeper.MerchantRecord(ctx, p.MID)
	if err != nil {
		return time.Time{}, err
	}
	t, ok := m.TermsOn(p.Day)
	if !ok {
		t = &merchant.Terms{}
	}
	days, ok := o.calendarOf(t)
	if !ok {
		return time.Time{}, nil // settling with these terms says so
	}
	if by := p.CreditBy(&o.Policy, days, o.zoneOf(&m)); !o.Now().Before(by) {
		return by, nil
	}
	return time.Time{}, nil
}

// writeInquiry asks. One that is lost with the process is not missed: the next is
// due soon.
func (o *Office) writeInquiry(ctx context.Context, b *Bank, q *settlement.Order) error {
	name := q.Payout.ID + "-" + strconv.Itoa(q.Attempt)
	var text bytes.Buffer
	err := bank.WriteInquiry(&text, &bank.Inquiry{ID: name, Created: q.At.In(zoneOr(b.Zone)), Asker: b.Account, Order: q.Payout.ID, EndToEnd: q.Payout.ID,
		Amount: q.Payout.Amount, Currency: q.Payout.Currency})
	if err != nil {
		return err
	}
	return o.put(ctx, Inquiry, b.Orders, name+".inquiry.xml", text.Bytes(), nil)
}

// Remedy does what a rejected or returned payout asks for as far as a machine may:
// it blocks an account that was at fault, and sends the money again once there is
// a good one, in smaller payouts where a limit was met, or after a pause where the
// trouble was the bank's. What needs a person is left.
func (o *Office) Remedy(ctx context.Context, mid, payout string) error {
	return o.again(fault.Say("send payout again", "重新出款"), payout, func() error {
		p, err := o.Keeper.Payout(ctx, mid, payout)
		if err != nil {
			return err
		}
		m, err := o.Keeper.MerchantRecord(ctx, mid)
		if err != nil {
			return err
		}
		o.reach(Remedying, AfterRead)
		if c, err := o.block(&m, &p); err != nil || c != nil {
			if err != nil {
				return err
			}
			if err := o.commitMerchant(ctx, Remedying, c); err != nil {
				return err
			}
			m = c.Merchant
		}
		due, most, err := o.remedy(ctx, &m, &p)
		if err != nil || due.IsZero() || o.Now().Before(due) {
			return err
		}
		return o.resend(ctx, Remedying, &m, &p, most)
	})
}

// block is the change that blocks the account that a bank refused; nil where
// there is none to block.
func (o *Office) block(m *merchant.Merchant, p *settlement.Payout) (*merchant.Change, error) {
	if !cameBack(p) || settlement.RemedyOf(p.Reason) != settlement.MendAccount {
		return nil, nil
	}
	for i := len(m.Accounts) - 1; i >= 0; i-- {
		a := &m.Accounts[i]
		if a.Token != p.Account.Token {
			continue
		}
		// The same account, mended and approved again, is not the one that was refused.
		if a.Blocked != "" || a.Approved.After(p.Made) {
			return nil, nil
		}
		c, err := m.BlockAccount(o.Now(), "platform", a.Token, p.Reason)
		return &c, err
	}
	return nil, nil
}

// cameBack reports a payout whose money has not all gone out again.
func cameBack(p *settlement.Payout) bool {
	return (p.State == settlement.Rejected || p.State == settlement.Returned) && p.Resent < p.Amount
}

// remedy says when a payout's money may go out again without a person, and in
// payouts of at most how much; the zero time where it may not.
func (o *Office) remedy(ctx context.Context, m *merchant.Merchant, p *settlement.Payout) (due time.Time, most int64, err error) {
	if !cameBack(p) || m.Status.State != merchant.Active {
		return due, 0, nil
	}
	if _, obstacle := m.PayoutAccount(o.Now()); obstacle != merchant.NoObstacle {
		return due, 0, nil
	}
	switch settlement.RemedyOf(p.Reason) {
	case settlement.MendAccount:
		return p.Back, 0, nil
	case settlement.SplitAmount:
		b, err := o.payer(p.Currency)
		if err != nil || b.MostPerPayout <= 0 || b.MostPerPayout >= p.Amount {
			return due, 0, err
		}
		return p.Back, b.MostPerPayout, nil
	case settlement.TryAgain:
		tries, err := o.tries(ctx, p)
		if err != nil || tries > o.Times.retryMost() {
			return due, 0, err
		}
		return p.Back.Add(o.Times.retryAfter()), 0, nil
	}
	return due, 0, nil
}

// tries is how many payouts were made for the same money, this one included.
func (o *Office) tries(ctx context.Context, p *settlement.Payout) (int, error) {
	n := 1
	for before := p.Replaces; before != ""; n++ {
		old, err := o.Keeper.Payout(ctx, p.MID, before)
		if err != nil {
			return n, err
		}
		before = old.Replaces
	}
	return n, nil
}

// Resend sends the money of a rejected or returned payout again because a person
// decided so, in payouts of at most most minor units; 0: in one. Errors are those
// of settlement.Resend.
func (o *Office) Resend(ctx context.Context, mid, payout string, most int64) error {
	return o.again(fault.Say("send payout again", "重新出款"), payout, func() error {
		p, err := o.Keeper.Payout(ctx, mid, payout)
		if err != nil {
			return err
		}
		m, err := o.Keeper.MerchantRecord(ctx, mid)
		if err != nil {
			return err
		}
		return o.resend(ctx, Remedying, &m, &p, most)
	})
}

func (o *Office) resend(ctx context.Context, k Kind, m *merchant.Merchant, p *settlement.Payout, most int64) error {
	pos, err := o.Keeper.Position(ctx, p.MID, p.Currency)
	if err != nil {
		return err
	}
	now := o.Now()
	step, err := settlement.Resend(&o.Policy, now, m, pos, *p, most, calendar.DateIn(now, o.zoneOf(m)))
	if err != nil {
		return err
	}
	return o.commit(ctx, k, step)
}
