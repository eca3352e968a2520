package store

import (
	"context"
	"iter"
	"strconv"

	"daozhang/internal/merchant"
	"daozhang/internal/store/body"
)

// MerchantRecord returns what was agreed with a merchant. fault.NotFound where
// there is none.
func (s *Store) MerchantRecord(ctx context.Context, mid string) (merchant.Merchant, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeMerchant, "SELECT body FROM merchant_record WHERE merchant = $1", mid)
	return first(s, "read merchant", mid, all, err)
}

// MerchantRecords streams all merchants by number. A failure is the last pair.
func (s *Store) MerchantRecords(ctx context.Context) iter.Seq2[merchant.Merchant, error] {
	return func(yield func(merchant.Merchant, error) bool) {
		mid := ""
		for {
			page, err := collect(ctx, s.read.QueryContext, body.DecodeMerchant,
				"SELECT body FROM merchant_record WHERE merchant > $1 ORDER BY merchant LIMIT "+strconv.Itoa(pageRows), mid)
			if err != nil {
				yield(merchant.Merchant{}, s.failed("read merchants from", err))
				return
			}
			for _, m := range page {
				if mid = m.MID; !yield(m, nil) {
					return
				}
			}
			if len(page) < pageRows {
				return
			}
		}
	}
}

// MerchantEvents returns a merchant's audit trail, the oldest first.
func (s *Store) MerchantEvents(ctx context.Context, mid string) ([]merchant.Event, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeEvent, "SELECT body FROM merchant_event WHERE merchant = $1 ORDER BY version", mid)
	return all, s.failed("read merchant's events from", err)
}
