package backoffice

import (
	"context"

	"daozhang/internal/fault"
	"daozhang/internal/merchant"
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
