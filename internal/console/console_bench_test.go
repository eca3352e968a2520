package console

import (
	"bytes"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
)

var benchPayments = flag.Int("console.payments", 500_000, "payments in memory for BenchmarkPages")

// BenchmarkPages is what the server takes for a page with 500,000 payments in memory,
// most of them arrived, the last day's on their way and a bank's late: p95 beside the
// mean.
func BenchmarkPages(b *testing.B) {
	live := manyPayments(b, *benchPayments)
	catalogue, err := diagnosis.Load()
	if err != nil {
		b.Fatal(err)
	}
	c := New(Options{Live: live, Catalogue: catalogue, Who: func(*http.Request) (Person, bool) { return *staff, true }})
	for _, p := range []struct{ name, path string }{
		{"rrn", "/?q=606300000777"}, {"tail", "/?q=0777"}, {"amount", "/?q=17.77"}, {"overview", "/overview"}, {"payments", "/payments"}, {"late", "/payments?status=overdue&sort=due"},
		{"expected", "/payments?expected_from=2026-03-13T00:00"}, {"payouts", "/payouts"}, {"payout", "/payouts/898310058100007/P7-3"},
	} {
		b.Run(p.name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				b.StopTimer()
				if err := live.Advance(live.AsOf() + 1e6); err != nil { // nothing made before stands
					b.Fatal(err)
				}
				b.StartTimer()
				w := httptest.NewRecorder()
				begun := time.Now()
				c.ServeHTTP(w, httptest.NewRequest("GET", p.path, nil))
				took = append(took, time.Since(begun))
				if w.Code != http.StatusOK && w.Code != http.StatusSeeOther {
					b.Fatalf("%s: %d", p.path, w.Code)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}

// manyPayments are ten days of a thousand merchants.
func manyPayments(b *testing.B, payments int) *investigation.Live {
	b.Helper()
	const merchants, days = 1000, 10
	first := time.Date(2026, 3, 2, 11, 0, 0, 0, monday.Location())
	live, err := investigation.NewLive(investigation.LiveOptions{AsOf: evidence.InstantOf(first.AddDate(0, 0, days).Add(9 * time.Hour)), Offset: 480, Keep: -1})
	if err != nil {
		b.Fatal(err)
	}
	perDay := max(payments/merchants/days, 1)
	n := 0
	for m := range merchants {
		var s bytes.Buffer
		fact := func(id, source, kind string, at time.Time, data string, args ...any) {
			fmt.Fprintf(&s, `{"specversion":"1.0","id":%q,"source":%q,"type":"daozhang.%s","time":%q,"data":{`, id, source, kind, at.Format(time.RFC3339))
			fmt.Fprintf(&s, data, args...)
			s.WriteString("}}\n")
		}
		mid := fmt.Sprintf("8983100581%05d", m)
		account := fmt.Sprintf("62000000%08d", m)
		fact(mid, "terms/"+mid, "merchant.terms", first.AddDate(0, 0, -30), `"mid":%q,"account":%q,"bank":"BANK%d","name":"Shop %d","valid_from":"2026-01-01","cycle":"T1","cutoff":"23:00","timezone":"Asia/Shanghai","calendar":"CN","payout_by":"18:00","fees":[{"bps":50}]`, mid, account, m%8, m)
		for day := range days {
			at := first.AddDate(0, 0, day)
			var net int64
			for range perDay {
				amount := int64(1000 + n*37%5000)
				fee := (amount*50 + 5000) / 10000
				net += amount - fee
				keys := fmt.Sprintf(`"mid":%q,"tid":"T%07d","stan":"%06d","batch":"%06d","rrn":"6063%08d","pan":"621700******%04d","network":"UnionPay","currency":"CNY","kind":"sale"`, mid, m, n%1_000_000, day, n, n%10000)
				fact(fmt.Sprintf("g%d", n), "gateway/1", "gateway.response", at.Add(time.Duration(n%30000)*time.Second), `%s,"auth_code":"%06d","amount":%d,"response_code":"00"`, keys, n%1_000_000, amount)
				if day < days-1 {
					fact(fmt.Sprintf("s%d", n), "settlement/1", "settlement.line", at.Add(22*time.Hour), `%s,"gross":%d,"fee":%d,"net":%d,"settlement_date":%q,"payout":"P%d-%d"`, keys, amount, fee, amount-fee, at.AddDate(0, 0, 1).Format(time.DateOnly), m, day)
				}
				n++
			}
			if day == days-1 {
				continue
			}
			sent := at.Add(23 * time.Hour)
			fact(fmt.Sprintf("P%d-%d", m, day), "payouts/1", "payout.status", sent, `"mid":%q,"amount":%d,"currency":"CNY","payout":"P%d-%d","account":%q,"bank":"BANK%d","state":"sent","by":"platform"`, mid, net, m, day, account, m%8)
			if m%50 != 7 || day < 3 { // one bank in fifty has not booked since the third day
				fact(fmt.Sprintf("e%d-%d", m, day), "camt.053/"+account, "bank.entry", sent.Add(time.Hour), `"amount":%d,"currency":"CNY","account":%q,"status":"booked","direction":"credit","entry_ref":"%d-%d","booking_date":%q,"references":["P%d-%d"]`, net, account, m, day, sent.Format(time.DateOnly), m, day)
			}
		}
		if _, err := live.AddNDJSON(&s, func(line int, why fault.Text) { b.Fatalf("line %d: %s", line, why.EN) }); err != nil {
			b.Fatal(err)
		}
	}
	live.Read(func(now *investigation.Current) { b.Logf("%d payments: %v", now.Len(), now.Summary()) })
	return live
}
