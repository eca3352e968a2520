package storetest

import (
	"context"
	"testing"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
)

// Shop is a merchant who is settled on a store, as a back office would do it.
type Shop struct {
	S      *store.Store
	MID    string
	Policy settlement.Policy
	Now    time.Time
}

// Day is the business day on which the sales of a Shop are settled.
var Day = calendar.MustYMD(2026, 3, 3)

// agreed is when what is agreed with a Shop was agreed.
var agreed = Begin.AddDate(0, -6, 0)

// OpenShop onboards a merchant with terms of a day after the sale, a fee, and a
// verified account.
func OpenShop(ctx context.Context, s *store.Store, mid string) (*Shop, error) {
	h := shopOf(s, mid)
	p := merchant.DefaultPolicy()
	account := merchant.NewAccount("6217 0012 3456 6789", []byte("sealed"), "Noodle shop", "ICBC", "ICBKCNBJ")
	terms := merchant.Terms{ValidFrom: calendar.MustYMD(2025, 9, 1), Cycle: "T1", Cutoff: "23:00", Timezone: "Asia/Shanghai", Calendar: "CN",
		Fees: []merchant.Fee{{Rate: 60 * money.BasisPoint}, {Rate: 50 * money.BasisPoint, Cap: 1800, CardType: "debit"}}}
	var m merchant.Merchant
	for _, command := range []func() (merchant.Change, error){
		func() (merchant.Change, error) {
			return merchant.Onboard(agreed, "anne", merchant.Details{MID: mid, Name: "顺香面馆", MCC: "5812", Currency: cny, Onboarded: terms.ValidFrom})
		},
		func() (merchant.Change, error) {
			return m.ProposeTerms(agreed, "anne", terms, "contract", &p, merchant.Trade{})
		},
		func() (merchant.Change, error) { return m.Approve(agreed, "bert", 1, &p, merchant.Trade{}) },
		func() (merchant.Change, error) { return m.ProposeAccount(agreed, "anne", account, "contract", &p) },
		func() (merchant.Change, error) { return m.Approve(agreed, "bert", 2, &p, merchant.Trade{}) },
		func() (merchant.Change, error) { return m.VerifyAccount(agreed, "carl", account.Token, "penny_test") },
	} {
		c, err := command()
		if err == nil {
			err = s.CommitMerchant(ctx, &c)
		}
		if err != nil {
			return nil, err
		}
		m = c.Merchant
	}
	return h, nil
}

// shopOf is the shop of a merchant who is onboarded.
func shopOf(s *store.Store, mid string) *Shop {
	return &Shop{S: s, MID: mid, Policy: settlement.DefaultPolicy(), Now: Begin.Add(16 * time.Hour)}
}

// Sell commits approved sales with numbers from one up to another.
func (h *Shop) Sell(ctx context.Context, from, to int) error {
	for n := from; n < to; n++ {
		sale := h.sale(n)
		for _, step := range []*payment.Step{sale.Requested(), sale.Approved()} {
			if err := h.S.Commit(ctx, step); err != nil {
				return err
			}
		}
	}
	return nil
}

// SellMany sells as Sell does, by debit card, some hundred sales a step.
func (h *Shop) SellMany(ctx context.Context, from, to int) error {
	const most = 500
	for ; from < to; from += most {
		step := &payment.Step{MID: h.MID, At: Begin}
		for n := from; n < min(from+most, to); n++ {
			one := h.sale(n).Approved()
			x := one.Transactions[0]
			x.Version, x.CardType = 1, evidence.Debit
			step.Transactions = append(step.Transactions, x)
			step.Transfers = append(step.Transfers, one.Transfers...)
		}
		if err := h.S.Commit(ctx, step); err != nil {
			return err
		}
	}
	return nil
}

func (h *Shop) sale(n int) Sale { return Sale{h.MID, "T" + h.MID[len(h.MID)-7:], n} }

// Void is the step that undoes a sale: what stood in the ledger is given back.
func (h *Shop) Void(n int, version uint32) *payment.Step {
	sale := h.sale(n)
	at := sale.at().Add(time.Hour)
	t := sale.Approved().Transactions[0]
	t.State, t.Version, t.Booked, t.Taken = payment.Voided, version, false, t.Approved
	v := h.sale(n + 500000).Transaction()
	v.Operation, v.Original, v.State, v.Amount, v.Approved, v.Answered, v.Booked = payment.Void, t.ID, payment.Approved, t.Amount, t.Approved, at, true
	back := sale.Capture(at)
	back.Debit, back.Credit = back.Credit, back.Debit
	back.Key, back.Payment, back.Reason = v.ID.String()+"/void", v.ID, ledger.ReasonVoid
	back.ID = ledger.IDFor(v.ID, back.Key)
	return &payment.Step{MID: h.MID, At: at, Transactions: []payment.Transaction{t, v}, Transfers: []ledger.Transfer{back}}
}

// Refund is the step that gives a part of a sale back.
func (h *Shop) Refund(n int, amount int64) *payment.Step {
	sale := h.sale(n)
	at := sale.at().Add(2 * time.Hour)
	r := h.sale(n + 600000).Transaction()
	r.Operation, r.Original, r.State, r.Amount, r.Approved, r.Answered, r.Booked = payment.Refund, sale.ID(), payment.Approved, amount, amount, at, true
	back := sale.Capture(at)
	back.Debit, back.Credit, back.Amount = back.Credit, back.Debit, amount
	back.Key, back.Payment, back.Reason = r.ID.String()+"/refund", r.ID, ledger.ReasonRefund
	back.ID = ledger.IDFor(r.ID, back.Key)
	return &payment.Step{MID: h.MID, At: at, Transactions: []payment.Transaction{r}, Transfers: []ledger.Transfer{back}}
}

// Settle runs the day, from where an interrupted run ended, and commits each step;
// see, if not nil, is shown each that is durable and may end the run.
func (h *Shop) Settle(ctx context.Context, day calendar.Date, final bool, see func(*settlement.Step) bool) error {
	in := settlement.Input{Policy: &h.Policy, Now: h.Now, Calendars: calendar.Builtin, Day: day, Final: final}
	m, err := h.S.MerchantRecord(ctx, h.MID)
	if err != nil {
		return err
	}
	in.Merchant = &m
	if in.Position, err = h.S.Position(ctx, h.MID, cny); err != nil {
		return err
	}
	if in.Batch, err = h.S.OpenBatch(ctx, h.MID, cny); err != nil {
		return err
	}
	if in.Extras, err = h.S.Extras(ctx, h.MID, cny); err != nil {
		return err
	}
	if in.Reserves, err = h.S.Reserves(ctx, h.MID, cny); err != nil {
		return err
	}
	after := payment.ID{}
	if in.Batch != nil {
		after = in.Batch.Cursor
	}
	for step, err := range settlement.Settle(in, h.S.Items(ctx, h.MID, cny, after)) {
		if err != nil {
			return err
		}
		if err := h.S.CommitSettlement(ctx, step); err != nil {
			return err
		}
		if see != nil && !see(step) {
			return nil
		}
	}
	return nil
}

// Payout is the merchant's only payout.
func (h *Shop) Payout(t testing.TB) settlement.Payout {
	t.Helper()
	all := must[[]settlement.Payout](t)(h.S.PayoutsOf(t.Context(), h.MID))
	if len(all) != 1 {
		t.Fatalf("%d payouts", len(all))
	}
	return all[0]
}

// Merchant is the merchant's record.
func (h *Shop) Merchant(t testing.TB) *merchant.Merchant {
	t.Helper()
	m := must[merchant.Merchant](t)(h.S.MerchantRecord(t.Context(), h.MID))
	return &m
}

// chargeback is a line of a clearing file that takes a sale back.
func chargeback(s Sale) settlement.NetworkLine {
	l := cleared(s)
	l.Kind = evidence.Chargeback
	return l
}

// cleared is a sale's line in the network's clearing file.
func cleared(s Sale) settlement.NetworkLine {
	return settlement.NetworkLine{MID: s.MID, Kind: evidence.Sale, Amount: s.Amount(), Currency: cny, Keys: settlement.Keys{RRN: s.RRN(), TID: s.TID, Network: "UnionPay"}}
}
