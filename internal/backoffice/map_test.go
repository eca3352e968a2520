package backoffice_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"daozhang/internal/backoffice"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/payment"
	"daozhang/internal/report"
)

// places are the columns of the money map of one merchant, added up.
type places struct {
	MID                                                                           string
	Gross, Arrived, Confirmed, Fees, Refunded, Chargebacks, Reserves, Adjustments int64
	Held, Unproven, Short, Unknown, Deductions                                    int64
	InTransit, Overdue                                                            map[string]int64
	transit, overdue                                                              int64
}

// where asks the investigation, which knows nothing but the evidence on record.
func (w *town) where() map[string]*places {
	w.Helper()
	var facts, out bytes.Buffer
	if _, err := w.db.WriteEvidence(context.Background(), &facts, ""); err != nil {
		w.Fatal(err)
	}
	set := evidence.NewSet()
	err := evidence.ReadNDJSON(&facts, set.Writer(set.AddFile("-")), func(line int, why fault.Text) { w.Errorf("fact %d is refused: %s", line, why.EN) })
	if err != nil {
		w.Fatal(err)
	}
	a, err := investigation.Investigate(set, evidence.InstantOf(w.now), 8*60, investigation.Options{})
	if err != nil {
		w.Fatal(err)
	}
	if err := report.JSON(&out, a, report.Options{Lang: "en"}); err != nil {
		w.Fatal(err)
	}
	var answer struct {
		MoneyMap []*places `json:"money_map"`
		Unplaced []any     `json:"unplaced"`
		Warnings []struct{ Why string }
	}
	if err := json.Unmarshal(bytes.ReplaceAll(out.Bytes(), []byte(`"in_transit"`), []byte(`"InTransit"`)), &answer); err != nil {
		w.Fatal(err)
	}
	for _, x := range answer.Warnings {
		w.Errorf("warning: %s", x.Why)
	}
	all := map[string]*places{}
	for _, p := range answer.MoneyMap {
		sum := all[p.MID]
		if sum == nil {
			sum = &places{MID: p.MID}
			all[p.MID] = sum
		}
		sum.Gross += p.Gross
		sum.Arrived += p.Arrived
		sum.Confirmed += p.Confirmed
		sum.Fees += p.Fees
		sum.Refunded += p.Refunded
		for _, v := range p.InTransit {
			sum.transit += v
		}
		for _, v := range p.Overdue {
			sum.overdue += v
		}
		sum.Held += p.Held + p.Unproven + p.Short + p.Unknown + p.Chargebacks + p.Reserves + p.Adjustments
	}
	return all
}

// TestMoneyMap holds the money map, worked out of the evidence that was written,
// against the ledger, through a week with a bank in trouble and a process that ends
// anywhere: what cardholders paid and did not get back is where the books say it
// is, and what has arrived is what the books say was paid.
func TestMoneyMap(t *testing.T) {
	if testing.Short() {
		t.Skip("it plays weeks; two offices at once are raced in their own test")
	}
	w := newTown(t, fmt.Sprintf(trouble, 5, "camt.053"))
	r, dice := rand.New(rand.NewPCG(5, 1)), rand.New(rand.NewPCG(5, 2))
	w.die = func(backoffice.Point) bool { return dice.IntN(60) == 0 }
	compared := 0
	compare := func() {
		t.Helper()
		where := w.where()
		for _, mid := range mids {
			p := where[mid]
			if p == nil {
				continue
			}
			sum := int64(0)
			for _, n := range []ledger.Name{ledger.MerchantPending, ledger.MerchantPayable, ledger.MerchantHeld, ledger.PayoutInTransit, ledger.MerchantPaid, ledger.FeeIncome} {
				sum += w.balance(mid, n)
			}
			if got := p.Gross - p.Refunded; got != sum {
				t.Errorf("%s, merchant %s: the money map has %d, the ledger %d", w.now, mid, got, sum)
			}
			if got, want := p.Arrived+p.Confirmed, w.balance(mid, ledger.MerchantPaid); got != want {
				t.Errorf("%s, merchant %s: %d have arrived by the map, %d were paid by the ledger", w.now, mid, got, want)
			}
			if got := p.Arrived + p.Confirmed + p.Fees + p.Refunded + p.Held + p.transit + p.overdue; got != p.Gross {
				t.Errorf("%s, merchant %s: the places make %d of %d", w.now, mid, got, p.Gross)
			}
			compared++
		}
	}
	for day := 2; day <= 8; day++ {
		w.until(on(day, 10, 0))
		for _, mid := range mids {
			s := w.sell(mid, int64(1000+r.IntN(90000)))
			if r.IntN(3) == 0 {
				w.take(mid, payment.Refund, s.amount/4+1, s)
			}
		}
		compare()
		if day == 3 {
			w.state(books, merchant.Frozen, merchant.Judicial)
		}
		if day == 5 {
			w.state(books, merchant.Active, "")
		}
		w.until(on(day, 21, 0))
		compare()
		w.until(on(day+1, 7, 0))
		w.clear(date(day))
		w.until(on(day+1, 9, 30))
		compare()
	}
	w.until(on(16, 12, 0))
	compare()
	w.rest()
	if compared < 50 {
		t.Errorf("only %d comparisons", compared)
	}
}
