package main

import (
	"context"

	"daozhang/internal/backoffice"
	"daozhang/internal/merchant"
	"daozhang/internal/world/demo"
)

// account seals an account's number, which is kept in no other way.
func (s *stage) account(mid string, a demo.Account) (merchant.Account, error) {
	sealed, err := accountVault{s.p.keys}.Seal(a.Number, backoffice.AccountContext(mid))
	if err != nil {
		return merchant.Account{}, err
	}
	return merchant.NewAccount(a.Number, sealed, a.Holder, a.Bank, a.Agent), nil
}

// decide does what people at the platform decide about a shop.
func (s *stage) decide(ctx context.Context, e *demo.Event) error {
	now := s.clock.now()
	s.market.officeBy(now)
	_, err := s.market.office.Change(ctx, e.Shop, func(m *merchant.Merchant, pol *merchant.Policy) (merchant.Change, error) {
		switch e.Deed {
		case demo.Propose:
			account, err := s.account(e.Shop, *e.Account)
			if err != nil {
				return merchant.Change{}, err
			}
			return m.ProposeAccount(now, e.By, account, "the old account was closed", pol)
		case demo.Freeze:
			return m.ProposeStatus(now, e.By, merchant.Frozen, merchant.Judicial, "case 2026-118", "order of a court", pol)
		case demo.Verify:
			return m.VerifyAccount(now, e.By, m.Accounts[len(m.Accounts)-1].Token, "penny_test")
		}
		return m.Approve(now, e.By, m.Proposed, pol, merchant.Trade{})
	})
	return err
}
