package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/settlement"
)

// TestPayoutSum: what a payout is made up of adds up to it, line by line.
func TestPayoutSum(t *testing.T) {
	cny, _ := money.ParseCurrency("CNY")
	day := calendar.MustYMD(2026, 3, 3)
	var s payoutSum
	for _, l := range []settlement.Line{
		{Date: day - 1, Kind: evidence.Sale, Gross: 300, Fee: 2, Net: 298}, // carried: it was below the minimum
		{Date: day, Kind: evidence.Sale, Gross: 10000, Fee: 60, Net: 9940},
		{Date: day, Kind: evidence.Completion, Gross: 5000, Fee: 30, Net: 4970},
		{Date: day, Kind: evidence.Refund, Gross: 2000, Net: -2000},
		{Date: day, Kind: evidence.Void, Gross: 1000, Fee: -6, Net: -994},
		{Date: day, Kind: evidence.Chargeback, Gross: 700, Net: -700},
		{Date: day, Kind: evidence.Adjustment, Gross: 50, Net: 50},
		{Date: day, Kind: evidence.Reserve, Gross: 500, Net: -500},
		{Date: day, Kind: evidence.ReserveRelease, Gross: 400, Net: 400},
		{Date: day, Kind: evidence.FeeKind, Gross: 20, Net: -20},
	} {
		s.add(&l, day)
	}
	want := payoutSum{Opening: 298, Sales: 15000, Refunds: -3000, Fees: -104, Chargebacks: -700, Adjustments: 50, Reserves: -500, Released: 400, Net: 11444}
	if s != want {
		t.Errorf("%+v, want %+v", s, want)
	}
	if got := s.Opening + s.Sales + s.Refunds + s.Fees + s.Chargebacks + s.Adjustments + s.Reserves + s.Released; got != s.Net {
		t.Errorf("the parts make %d of %d", got, s.Net)
	}
	m := &Main{lang: "en", Zone: time.UTC}
	var out bytes.Buffer
	p := settlement.Payout{ID: "P20260303-M3MTLXGBIV3WX", MID: "898310058120001", Currency: cny, Amount: s.Net, Day: day, State: settlement.Returned, Reason: "AC04",
		Account: merchant.Account{Tail: "****6789", Holder: "Noodle House", Bank: "ICBC"}}
	if err := m.payoutCard(&out, &p, &s); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"returned AC04", "the merchant brings another account", "+  opening, from earlier runs", "+  sales", "150.00", "-  fees", "1.04", "=  net", "114.44"} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("%q is not in\n%s", line, out.String())
		}
	}
}
