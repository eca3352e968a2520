package backoffice_test

import (
	"testing"

	"daozhang/internal/ledger"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// TestWeek leads payments of three merchants to their accounts.
func TestWeek(t *testing.T) {
	w := newTown(t, "")
	for day := 2; day <= 6; day++ {
		w.until(on(day, 12, 0))
		for i, mid := range mids {
			s := w.sell(mid, int64(10000*(i+1)+day))
			if day == 3 {
				w.take(mid, payment.Refund, s.amount/2, s)
			}
		}
		w.until(on(day+1, 8, 0))
		w.clear(date(day))
	}
	w.until(on(10, 12, 0))
	w.audit()
	for _, mid := range mids {
		for _, p := range w.payouts(mid) {
			if p.State != settlement.Credited {
				t.Errorf("payout %s is %s", p.ID, p.State)
			}
		}
		for _, n := range []ledger.Name{ledger.NetworkReceivable, ledger.NetworkCleared, ledger.MerchantPending, ledger.MerchantPayable, ledger.PayoutInTransit} {
			if got := w.balance(mid, n); got != 0 {
				t.Errorf("merchant %s has %d in %s", mid, got, n)
			}
		}
		if got := w.exceptions(mid); len(got) > 0 {
			t.Errorf("merchant %s: %v", mid, got)
		}
	}
	if got := w.exceptions(settlement.House); len(got) > 0 {
		t.Errorf("the house: %v", got)
	}
}
