package intake

import (
	"context"
	"slices"

	"daozhang/internal/fault"
	"daozhang/internal/merchant"
)

// Merchant gives a merchant's record with its history, the oldest event first.
// fault.NotFound where there is none.
func (i *Intake) Merchant(ctx context.Context, mid string) (merchant.Merchant, []merchant.Event, error) {
	if err := i.hasMerchants(); err != nil {
		return merchant.Merchant{}, nil, err
	}
	m, err := i.Office.Keeper.MerchantRecord(ctx, mid)
	if err != nil {
		return m, nil, err
	}
	events, err := i.Keeper.MerchantEvents(ctx, mid)
	return m, events, err
}

// Merchants gives up to limit merchants after a number, in order of numbers, and
// whether there are more. waiting keeps those with a proposal that waits.
func (i *Intake) Merchants(ctx context.Context, after string, waiting bool, limit int) ([]merchant.Merchant, bool, error) {
	if err := i.hasMerchants(); err != nil {
		return nil, false, err
	}
	var out []merchant.Merchant
	now := i.Now()
	for {
		page, err := i.Keeper.RecordsAfter(ctx, after, 200)
		if err != nil {
			return nil, false, err
		}
		for _, m := range page {
			after = m.MID
			if waiting && !slices.ContainsFunc(m.Proposals, func(p merchant.Proposal) bool { return now.Before(p.Expires) }) {
				continue
			}
			if out = append(out, m); len(out) > limit {
				return out[:limit], true, nil
			}
		}
		if len(page) < 200 {
			return out, false, nil
		}
	}
}

// Terminals gives up to limit registered terminals after a number, of a merchant or
// with "" of all, in order of numbers, and whether there are more.
func (i *Intake) Terminals(ctx context.Context, mid, after string, limit int) ([]Terminal, bool, error) {
	all, err := i.Keeper.RegisteredTerminals(ctx)
	if err != nil {
		return nil, false, err
	}
	all = slices.DeleteFunc(all, func(t Terminal) bool { return t.TID <= after || mid != "" && t.MID != mid })
	return all[:min(len(all), limit)], len(all) > limit, nil
}

// Terminal gives a registered terminal. fault.NotFound where there is none, or where
// it is not of the merchant only ("" for any).
func (i *Intake) Terminal(ctx context.Context, tid, only string) (Terminal, error) {
	all, err := i.Keeper.RegisteredTerminals(ctx)
	if err != nil {
		return Terminal{}, err
	}
	for _, t := range all {
		if t.TID == tid && (only == "" || t.MID == only) {
			return t, nil
		}
	}
	return Terminal{}, fault.New(fault.NotFound, fault.Say("find terminal", "查找终端"), tid, fault.Say("there is no such terminal", "没有这台终端"), fault.Say("list the terminals", "请查看终端列表"))
}
