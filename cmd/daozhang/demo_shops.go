package main

import (
	"context"
	"time"

	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/world/demo"
)

// Who has set the shops up before the story begins.
const (
	demoMaker   = "operations"
	demoChecker = "risk"
)

// onboard takes the shops on, some months before the story: agreed terms, an
// account that was verified.
func (s *stage) onboard(ctx context.Context) error {
	from := calendar.MustYMD(2026, 1, 5)
	now := from.In(s.script.Zone).Add(10 * time.Hour)
	pol := &s.market.office.Merchants
	for i := range s.script.Shops {
		shop := &s.script.Shops[i]
		m := merchant.Merchant{}
		take := func(c merchant.Change, err error) error {
			if err != nil {
				return err
			}
			m = c.Merchant
			now = now.Add(time.Minute)
			return s.p.db.CommitMerchant(ctx, &c)
		}
		if err := take(merchant.Onboard(now, demoMaker, merchant.Details{MID: shop.MID, Name: shop.Name.In(s.m.lang), MCC: shop.MCC, Currency: yuan, Onboarded: from})); err != nil {
			return err
		}
		terms := merchant.Terms{ValidFrom: from, Cycle: "T1", Cutoff: "24:00", Timezone: s.script.Zone.String(), Calendar: "CN",
			Fees: []merchant.Fee{{Rate: 50 * money.BasisPoint, Cap: 1800, CardType: evidence.Debit.String()}, {Rate: 60 * money.BasisPoint}}}
		if err := take(m.ProposeTerms(now, demoMaker, terms, "first terms", pol, merchant.Trade{})); err != nil {
			return err
		}
		if err := take(m.Approve(now, demoChecker, m.Proposed, pol, merchant.Trade{})); err != nil {
			return err
		}
		account, err := s.account(shop.MID, shop.Account)
		if err != nil {
			return err
		}
		if err := take(m.ProposeAccount(now, demoMaker, account, "first account", pol)); err != nil {
			return err
		}
		if err := take(m.Approve(now, demoChecker, m.Proposed, pol, merchant.Trade{})); err != nil {
			return err
		}
		if err := take(m.VerifyAccount(now, demoChecker, account.Token, "penny_test")); err != nil {
			return err
		}
	}
	return nil
}

// account seals an account's number, which is kept in no other way.
func (s *stage) account(mid string, a demo.Account) (merchant.Account, error) {
	sealed, err := s.p.keys.Seal(a.Number, backoffice.AccountContext(mid))
	if err != nil {
		return merchant.Account{}, err
	}
	return merchant.NewAccount(a.Number, sealed, a.Holder, a.Bank, a.Agent), nil
}

// decide does what people at the platform decide about a shop.
func (s *stage) decide(ctx context.Context, e *demo.Event) error {
	m, err := s.p.db.MerchantRecord(ctx, e.Shop)
	if err != nil {
		return err
	}
	now, pol := s.clock.now(), &s.market.office.Merchants
	var c merchant.Change
	switch e.Deed {
	case demo.Propose:
		account, err := s.account(e.Shop, *e.Account)
		if err != nil {
			return err
		}
		c, err = m.ProposeAccount(now, e.By, account, "the old account was closed", pol)
		if err != nil {
			return err
		}
	case demo.Freeze:
		c, err = m.ProposeStatus(now, e.By, merchant.Frozen, merchant.Judicial, "case 2026-118", "order of a court", pol)
	case demo.Approve, demo.Frozen:
		c, err = m.Approve(now, e.By, m.Proposed, pol, merchant.Trade{})
	case demo.Verify:
		c, err = m.VerifyAccount(now, e.By, m.Accounts[len(m.Accounts)-1].Token, "penny_test")
	default:
		return fault.New(fault.Internal, "decide", string(e.Deed), nil, "")
	}
	if err != nil {
		return err
	}
	s.market.officeNext = now
	return s.p.db.CommitMerchant(ctx, &c)
}
