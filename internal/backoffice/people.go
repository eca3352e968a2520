package backoffice

import (
	"context"

	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/settlement"
)

// Change takes a decision of people about a merchant on its row as it is on
// record, commits it, and brings settlement in line with the merchant's state:
// what they decide about money that must not leave holds from then on. decide may
// be called again where others changed the row meanwhile. Errors are those of
// decide, and fault.NotFound for an unknown merchant.
func (o *Office) Change(ctx context.Context, mid string, decide func(*merchant.Merchant, *merchant.Policy) (merchant.Change, error)) (merchant.Change, error) {
	var made merchant.Change
	err := o.again(fault.Say("change merchant", "变更商户"), mid, func() error {
		m, err := o.Keeper.MerchantRecord(ctx, mid)
		if err != nil {
			return err
		}
		if made, err = decide(&m, &o.Merchants); err != nil {
			return err
		}
		return o.commitMerchant(ctx, Following, &made)
	})
	if err != nil {
		return made, err
	}
	return made, o.Follow(ctx, mid)
}

// Retain holds an amount of a merchant's money by decision of two people; see
// settlement.Retain. A hold of the same number is fault.Conflict.
func (o *Office) Retain(ctx context.Context, mid string, r settlement.Ruling) error {
	_, err := o.Keeper.Hold(ctx, mid, r.ID)
	if err == nil {
		return fault.New(fault.Conflict, fault.Say("hold an amount", "冻结部分资金"), mid+" "+r.ID, fault.Say("a hold of that number is there", "该编号的冻结已存在"),
			fault.Say("give the number of the case or the order; each has one", "请填写案件或指令的编号，每个编号只对应一笔"))
	}
	if fault.KindOf(err) != fault.NotFound {
		return err
	}
	return o.rule(ctx, mid, func(p *settlement.Position) (*settlement.Step, error) { return settlement.Retain(o.Now(), p, r) })
}

// Release ends a hold of an amount by decision of two people; the next run pays
// it.
func (o *Office) Release(ctx context.Context, mid, hold, maker, checker string) error {
	return o.rule(ctx, mid, func(*settlement.Position) (*settlement.Step, error) {
		h, err := o.Keeper.Hold(ctx, mid, hold)
		if err != nil {
			return nil, err
		}
		return settlement.Release(o.Now(), h, maker, checker)
	})
}

// Adjust gives or takes an amount by decision of two people; see
// settlement.Adjust.
func (o *Office) Adjust(ctx context.Context, mid string, r settlement.Ruling, amount int64, against ledger.Name, k settlement.Keys) error {
	return o.rule(ctx, mid, func(p *settlement.Position) (*settlement.Step, error) {
		return settlement.Adjust(o.Now(), p, r, amount, against, k)
	})
}

// rule commits what people decide about a merchant's money.
func (o *Office) rule(ctx context.Context, mid string, decide func(*settlement.Position) (*settlement.Step, error)) error {
	return o.again(fault.Say("rule on a merchant's money", "处置商户资金"), mid, func() error {
		m, err := o.Keeper.MerchantRecord(ctx, mid)
		if err != nil {
			return err
		}
		p, err := o.Keeper.Position(ctx, mid, m.Currency)
		if err != nil {
			return err
		}
		step, err := decide(&p)
		if err != nil {
			return err
		}
		return o.commit(ctx, Remedying, step)
	})
}
