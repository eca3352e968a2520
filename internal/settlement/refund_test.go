package settlement_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// TestRefundUnderTheOriginalsReference: networks clear a refund under the retrieval
// reference with which it was sent, that of the payment it gives back. Two refunds
// of one payment are told apart by their amounts, and a third is nobody's.
func TestRefundUnderTheOriginalsReference(t *testing.T) {
	const mid, sale = "898310054990003", "616909000002"
	date := calendar.MustYMD(2026, 6, 20)
	now := date.Add(1).In(time.UTC)
	pol := settlement.DefaultPolicy()
	keys := func(rrn, stan string) settlement.Keys {
		return settlement.Keys{TID: "T3000001", STAN: stan, RRN: rrn, PAN: "622202******1234", Network: "UnionPay"}
	}
	var ours []settlement.Ours
	for i, amount := range []int64{32000, 1000} {
		ours = append(ours, settlement.Ours{Payment: uuid.New(), Kind: evidence.Refund, State: payment.Approved, Amount: amount, Currency: cny, Business: date,
			Time: now.Add(-time.Hour), Keys: keys([]string{"617102000003", "617102000009"}[i], "00000"+string(rune('1'+i)))})
	}
	var lines []settlement.NetworkLine
	for _, amount := range []int64{1000, 32000, 777} {
		k := keys(sale, "")
		k.OriginalRRN = sale
		lines = append(lines, settlement.NetworkLine{Keys: k, Kind: evidence.Refund, Amount: amount, Currency: cny})
	}
	_, got, err := settlement.Reconcile(settlement.Clearing{Policy: &pol, Now: now, Zone: time.UTC, DayEnds: now, Issue: 1,
		File:  &settlement.File{Network: "UnionPay", Date: date, Currency: cny},
		Share: settlement.Share{MID: mid, Network: "UnionPay", Date: date, Currency: cny}, Lines: lines, Ours: ours})
	if err != nil {
		t.Fatal(err)
	}
	if got.Outcomes[settlement.Matched] != 2 || got.Outcomes[settlement.Long] != 1 || got.Outcomes[settlement.Short] != 0 {
		t.Errorf("outcomes %v, want 2 matched and 1 long", got.Outcomes)
	}
}
