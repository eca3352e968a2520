package journey_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/journey"
	"daozhang/internal/match"
	"daozhang/internal/terms"
)

// facts are lines of "TIME TYPE DATA"; days of March 2026 in Shanghai as
// "02 10:00", of which the 2nd is a Monday.
func context(t *testing.T, asOf string, facts ...string) *journey.Context {
	t.Helper()
	var in bytes.Buffer
	for i, line := range facts {
		day, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		clock, rest, _ := strings.Cut(rest, " ")
		typ, data, _ := strings.Cut(rest, " ")
		source, _, _ := strings.Cut(typ, ".")
		fmt.Fprintf(&in, `{"specversion":"1.0","id":"e%d","source":%q,"type":"daozhang.%s","time":"2026-03-%sT%s:00+08:00","data":{%s}}`+"\n", i+1, source, typ, day, clock, data)
	}
	set := evidence.NewSet()
	err := evidence.ReadNDJSON(&in, set.Writer(set.AddFile("test")), func(line int, why fault.Text) { t.Errorf("fact %d: %s", line, why.EN) })
	if err != nil {
		t.Fatal(err)
	}
	set.Unify()
	view := set.Known(at(t, asOf))
	return journey.NewContext(match.Run(view, terms.Read(view), nil))
}

func at(t *testing.T, text string) evidence.Instant {
	t.Helper()
	if text == "" {
		return 0
	}
	m, err := time.Parse("2006-01-02 15:04:05 -07:00", "2026-03-"+text+" +08:00")
	if err != nil {
		if m, err = time.Parse("2006-01-02 15:04 -07:00", "2026-03-"+text+" +08:00"); err != nil {
			t.Fatal(err)
		}
	}
	return evidence.InstantOf(m)
}

func journeys(c *journey.Context) (list []*journey.Journey) {
	for _, m := range c.Match.Merchants {
		for i := range m.Payments {
			j := new(journey.Journey)
			c.Compute(m, &m.Payments[i], j)
			list = append(list, j)
		}
	}
	return list
}

const (
	t1       = `01 00:00 merchant.terms "mid":"M1","cycle":"T1","timezone":"Asia/Shanghai","calendar":"CN","account":"62170001","fees":[{"bps":60}]`
	batched  = `01 00:00 merchant.terms "mid":"M1","cycle":"T1","timezone":"Asia/Shanghai","calendar":"CN","account":"62170001","capture":"terminal","cutoff":"23:00"`
	keys     = `"mid":"M1","tid":"T1","batch":"000001","stan":"000001","rrn":"606110000001","amount":10000,"currency":"CNY"`
	asked    = `02 10:00 gateway.request ` + keys + `,"kind":"sale"`
	approved = `02 10:00 gateway.response ` + keys + `,"kind":"sale","response_code":"00"`
	declined = `02 10:00 gateway.response ` + keys + `,"kind":"sale","response_code":"51"`
	cleared  = `03 11:00 clearing.line ` + keys + `,"kind":"sale","clearing_date":"2026-03-02","network":"UnionPay"`
	settled  = `03 12:00 settlement.line "mid":"M1","rrn":"606110000001","kind":"sale","gross":10000,"fee":60,"net":9940,"currency":"CNY","settlement_date":"2026-03-03","payout":"P1"`
	sent     = `03 15:00 payout.status "mid":"M1","payout":"P1","state":"sent","amount":9940,"currency":"CNY","account":"62170001"`
	entry    = `03 17:00 bank.entry "account":"62170001","amount":9940,"currency":"CNY","direction":"credit","status":"booked","booking_date":"2026-03-03","references":["P1"]`
	covered  = `04 06:00 bank.statement "account":"62170001","from":"2026-03-03","to":"2026-03-03"`
	all      = `01 00:00 coverage "of":"%s","from":"2026-03-01T00:00:00+08:00","to":"2026-03-02T00:00:00+08:00"`
)

// speaks declares that somebody speaks of legs.
func speaks(of ...string) (facts []string) {
	for _, o := range of {
		facts = append(facts, fmt.Sprintf(all, o))
	}
	return facts
}

func with(list []string, more ...string) []string {
	return append(append([]string(nil), list...), more...)
}

func TestStageStatusAndDue(t *testing.T) {
	legs := with(speaks("clearing/UnionPay", "settlement", "payouts"), t1)
	for name, tc := range map[string]struct {
		facts      []string
		asOf       string
		stage      journey.Stage
		status     journey.Status
		cardholder journey.Cardholder
		next       journey.Leg
		due        string // of the next leg
		late       int64  // seconds
		net        int64
		arrived    int64
	}{
		"asked, not answered": {with(legs, asked), "02 10:30", journey.Tendered, journey.Unknown, journey.CardUnknown, journey.Authorization, "02 10:01", 0, 9940, 0},
		"declined":            {with(legs, asked, declined), "02 10:30", journey.Tendered, journey.NotCharged, journey.CardNotCharged, journey.Authorization, "", 0, 0, 0},
		"approved, clearing is next": {
			with(legs, asked, approved), "02 11:00", journey.Captured, journey.InTransit, journey.Charged, journey.Clearing, "03 12:00", 0, 9940, 0},
		"at its due time it is not late": {
			with(legs, asked, approved), "03 12:00", journey.Captured, journey.InTransit, journey.Charged, journey.Clearing, "03 12:00", 0, 9940, 0},
		"a second later it is": {
			with(legs, asked, approved), "03 12:00:01", journey.Captured, journey.Overdue, journey.Charged, journey.Clearing, "03 12:00", 1, 9940, 0},
		"where nobody speaks of clearing settlement is next": {
			with(speaks("settlement"), t1, asked, approved), "02 11:00", journey.Captured, journey.InTransit, journey.Charged, journey.Settlement, "03 18:00", 0, 9940, 0},
		"where nobody speaks of anything the credit is": {
			[]string{t1, asked, approved}, "03 12:00", journey.Captured, journey.InTransit, journey.Charged, journey.Credit, "03 23:59:59", 0, 9940, 0},
		"cleared":  {with(legs, asked, approved, cleared), "03 12:30", journey.Cleared, journey.InTransit, journey.Charged, journey.Settlement, "03 18:00", 0, 9940, 0},
		"settled":  {with(legs, asked, approved, cleared, settled), "03 14:00", journey.Settled, journey.InTransit, journey.Charged, journey.Payout, "03 18:00", 0, 9940, 0},
		"paid out": {with(legs, asked, approved, cleared, settled, sent), "03 16:00", journey.PaidOut, journey.InTransit, journey.Charged, journey.Credit, "03 23:59:59", 0, 9940, 0},
		"no entry, and no statement that would show it": {
			with(legs, asked, approved, cleared, settled, sent), "04 08:00", journey.PaidOut, journey.Unproven, journey.Charged, journey.Credit, "03 23:59:59", 0, 9940, 0},
		"no entry in the whole statement": {
			with(legs, asked, approved, cleared, settled, sent, covered), "04 08:00", journey.PaidOut, journey.Overdue, journey.Charged, journey.Credit, "03 23:59:59", 8*3600 + 1, 9940, 0},
		"arrived": {with(legs, asked, approved, cleared, settled, sent, entry), "03 18:00", journey.Credited, journey.Arrived, journey.Charged, journey.NoLeg, "", 0, 9940, 9940},
		"an entry of less leaves it short": {
			with(legs, asked, approved, cleared, settled, sent, strings.Replace(entry, "9940", "9000", 1)), "03 18:00",
			journey.Credited, journey.Short, journey.Charged, journey.Credit, "", 0, 9940, 9000},
		"the bank's word alone confirms": {
			with(legs, asked, approved, settled, sent, `03 16:00 payout.status "mid":"M1","payout":"P1","state":"credited","by":"bank"`), "03 18:00",
			journey.Credited, journey.Confirmed, journey.Charged, journey.NoLeg, "03 23:59:59", 0, 9940, 0},
		"the platform's own word does not": {
			with(legs, asked, approved, settled, sent, `03 16:00 payout.status "mid":"M1","payout":"P1","state":"credited","by":"platform"`), "03 18:00",
			journey.PaidOut, journey.InTransit, journey.Charged, journey.Credit, "03 23:59:59", 0, 9940, 0},
		"a frozen account holds it": {
			with(legs, asked, approved, cleared, settled, `03 13:00 account.status "mid":"M1","state":"frozen","reason":"judicial"`), "05 12:00",
			journey.Settled, journey.Held, journey.Charged, journey.Payout, "03 18:00", 0, 9940, 0},
		"active again, it is late": {
			with(legs, asked, approved, cleared, settled, `03 13:00 account.status "mid":"M1","state":"frozen"`, `04 12:00 account.status "mid":"M1","state":"active"`), "05 18:00",
			journey.Settled, journey.Overdue, journey.Charged, journey.Payout, "03 18:00", 2 * 86400, 9940, 0},
		"a returned payout has to be sent again": {
			with(legs, asked, approved, settled, sent, `04 10:00 payout.status "mid":"M1","payout":"P1","state":"returned","reason":"AC01"`), "04 11:00",
			journey.PaidOut, journey.Overdue, journey.Charged, journey.Payout, "03 18:00", 17 * 3600, 9940, 0},
		"refunded whole": {
			with(legs, asked, approved, `04 10:00 gateway.response "mid":"M1","rrn":"606110000009","original_rrn":"606110000001","amount":10000,"currency":"CNY","kind":"refund","response_code":"00"`), "04 11:00",
			journey.Captured, journey.Refunded, journey.Refunding, journey.NoLeg, "", 0, 0, 0},
		"reversed": {
			with(legs, asked, `02 10:01 gateway.reversal `+keys+`,"state":"acknowledged"`), "02 11:00",
			journey.Tendered, journey.NotCharged, journey.CardNotCharged, journey.Authorization, "", 0, 0, 0},
		"a reversal is on its way for a day": {
			with(legs, asked, `02 10:01 gateway.reversal `+keys+`,"state":"queued"`), "03 10:01",
			journey.Tendered, journey.Unknown, journey.Reversing, journey.Authorization, "02 10:01", 0, 9940, 0},
		"then nobody knows": {
			with(legs, asked, `02 10:01 gateway.reversal `+keys+`,"state":"queued"`), "03 10:01:01",
			journey.Tendered, journey.Unknown, journey.CardUnknown, journey.Authorization, "02 10:01", 0, 9940, 0},
		"where only the reversal is on record it stands for its payment": {
			with(legs, `02 10:01 gateway.reversal `+keys+`,"state":"queued"`, `02 10:05 gateway.reversal `+keys+`,"state":"acknowledged"`), "02 11:00",
			journey.Tendered, journey.NotCharged, journey.CardNotCharged, journey.Authorization, "", 0, 0, 0},
		"a preauthorization whose answer is lost was approved if it was completed": {
			with(legs, strings.ReplaceAll(asked, "sale", "preauth"),
				`02 18:00 gateway.response "mid":"M1","tid":"T1","stan":"000009","rrn":"000000000009","original_rrn":"606110000001","kind":"completion","amount":10000,"currency":"CNY","response_code":"00","auth_code":"A1"`), "02 19:00",
			journey.Captured, journey.InTransit, journey.Charged, journey.Clearing, "03 12:00", 0, 9940, 0},
		"where batches capture it waits for its upload": {
			with(speaks("terminal/T1"), batched, asked, approved), "02 22:00", journey.Authorized, journey.InTransit, journey.Charged, journey.Capture, "02 23:00", 0, 10000, 0},
		"uploaded it is captured": {
			with(speaks("terminal/T1"), batched, asked, approved, `02 22:30 terminal.batch "mid":"M1","tid":"T1","batch":"000001","what":"uploaded"`), "02 22:45",
			journey.Captured, journey.InTransit, journey.Charged, journey.Credit, "03 23:59:59", 0, 10000, 0},
		"a preauthorization only reserves": {
			with(legs, strings.ReplaceAll(asked, "sale", "preauth"), strings.ReplaceAll(approved, "sale", "preauth")), "20 10:00",
			journey.Authorized, journey.InTransit, journey.Reserved, journey.Capture, "", 0, 9940, 0},
	} {
		t.Run(name, func(t *testing.T) {
			list := journeys(context(t, tc.asOf, tc.facts...))
			if len(list) != 1 {
				t.Fatalf("%d payments, want one", len(list))
			}
			j := list[0]
			if j.Stage != tc.stage || j.Status != tc.status || j.Cardholder != tc.cardholder || j.Next != tc.next {
				t.Errorf("%s, %s, card %s, next %s; want %s, %s, card %s, next %s",
					j.Stage, j.Status, j.Cardholder, j.Next, tc.stage, tc.status, tc.cardholder, tc.next)
			}
			if want := at(t, tc.due); tc.next != journey.NoLeg && j.LegDue != want {
				t.Errorf("next leg due %v, want %v", j.LegDue.In(time.UTC), want.In(time.UTC))
			}
			if j.OverdueBy != tc.late || j.Net != tc.net || j.Arrived != tc.arrived || j.Missing != max(j.Net-j.Arrived, 0) {
				t.Errorf("late by %d, net %d, arrived %d, missing %d; want %d, %d, %d", j.OverdueBy, j.Net, j.Arrived, j.Missing, tc.late, tc.net, tc.arrived)
			}
		})
	}
}

// The money map puts every minor unit of a payment in one place.
func TestMoneyMap(t *testing.T) {
	legs := with(speaks("clearing/UnionPay", "settlement", "payouts"), t1)
	refund := `02 18:00 gateway.response "mid":"M1","rrn":"606110000009","original_rrn":"606110000001","amount":4000,"currency":"CNY","kind":"refund","response_code":"00"`
	reserve := `03 12:00 settlement.line "mid":"M1","rrn":"606110000001","kind":"reserve","gross":500,"net":-500,"currency":"CNY","settlement_date":"2026-03-03","payout":"P1"`
	for name, tc := range map[string]struct {
		facts []string
		asOf  string
		want  journey.Row
	}{
		"on its way":  {with(legs, asked, approved, cleared), "03 12:30", journey.Row{Gross: 10000, Fees: 60, InTransit: stages(journey.Cleared, 9940)}},
		"overdue":     {with(legs, asked, approved), "05 12:30", journey.Row{Gross: 10000, Fees: 60, Overdue: stages(journey.Captured, 9940)}},
		"arrived":     {with(legs, asked, approved, settled, sent, entry), "03 18:00", journey.Row{Gross: 10000, Fees: 60, Arrived: 9940}},
		"declined":    {with(legs, asked, declined), "03 18:00", journey.Row{NotCharged: 10000}},
		"unknown":     {with(legs, asked), "03 18:00", journey.Row{Gross: 10000, Unknown: 10000}},
		"part refund": {with(legs, asked, approved, refund), "02 19:00", journey.Row{Gross: 10000, Refunded: 4000, Fees: 60, InTransit: stages(journey.Captured, 5940)}},
		"held":        {with(legs, asked, approved, settled, `03 13:00 account.status "mid":"M1","state":"frozen"`), "03 14:00", journey.Row{Gross: 10000, Fees: 60, Held: 9940}},
		"unproven":    {with(legs, asked, approved, settled, sent), "04 14:00", journey.Row{Gross: 10000, Fees: 60, Unproven: 9940}},
		"a reserve is kept back from what arrived": {
			with(legs, asked, approved, settled, reserve, strings.Replace(sent, "9940", "9440", 1), strings.Replace(entry, "9940", "9440", 1)), "03 18:00",
			journey.Row{Gross: 10000, Fees: 60, Arrived: 9440, Reserves: 500}},
	} {
		t.Run(name, func(t *testing.T) {
			c := context(t, tc.asOf, tc.facts...)
			m := journey.NewMap()
			list := journeys(c)
			for _, j := range list {
				m.Add(j)
			}
			rows := m.Rows(c.View.Words)
			if len(rows) != 1 {
				t.Fatalf("%d rows, want one", len(rows))
			}
			got := *rows[0]
			if got.Date != calendar.Date(20514) || got.Currency.String() != "CNY" || got.Sum() != got.Gross {
				t.Errorf("row of %s in %s, gross %d, sum %d", got.Date, got.Currency, got.Gross, got.Sum())
			}
			tc.want.MID, tc.want.Date, tc.want.Currency = got.MID, got.Date, got.Currency
			if got != tc.want {
				t.Errorf("got  %+v\nwant %+v", got, tc.want)
			}
			for _, j := range list {
				got.Take(j)
			}
			if got != (journey.Row{MID: got.MID, Date: got.Date, Currency: got.Currency}) {
				t.Errorf("what was put in cannot be taken out: %+v", got)
			}
		})
	}
}

func stages(s journey.Stage, amount int64) (by [journey.Credited + 1]int64) {
	by[s] = amount
	return by
}

// Of several payments of one order each counts to it; the last shows the difference.
func TestOrderDifference(t *testing.T) {
	second := strings.NewReplacer("000001", "000002", "10000,", "2500,", "606110000002", "606110000002").Replace(approved)
	order := `02 09:00 sale.order "mid":"M1","order_id":"O1","amount":15000,"currency":"CNY"`
	name := func(s string) string { return strings.Replace(s, `"kind"`, `"order_id":"O1","kind"`, 1) }
	list := journeys(context(t, "02 12:00", t1, order, name(approved), name(strings.Replace(second, "10:00", "10:05", 1))))
	if len(list) != 2 {
		t.Fatalf("%d payments, want two", len(list))
	}
	if list[0].HasOrder || !list[1].HasOrder || list[1].OrderDifference != 2500 {
		t.Errorf("the order differs by %v %d and %v %d, want 2500 on the second", list[0].HasOrder, list[0].OrderDifference, list[1].HasOrder, list[1].OrderDifference)
	}
}
