package investigation_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"
	"time"

	"daozhang/internal/investigation"
)

// shopping makes the facts of payments of many shops, each with terms, terminals
// and an account, one after the other. They tell of the third day and are open
// on it.
type shopping struct {
	perShop int // payments
	made    int
	buf     bytes.Buffer
}

func (s *shopping) fact(source, typ string, at time.Time, id, format string, args ...any) {
	fmt.Fprintf(&s.buf, `{"specversion":"1.0","id":%q,"source":%q,"type":"daozhang.%s","time":%q,"data":{`, id, source, typ, at.Format(time.RFC3339))
	fmt.Fprintf(&s.buf, format, args...)
	s.buf.WriteString("}}\n")
}

var tradingDay = firstDay.AddDate(0, 0, 2).Add(9 * time.Hour)

// keys gives the keys of the n-th payment. Terminals number their payments, and
// amounts, cards and approval codes repeat as they do.
func (s *shopping) keys(n int) string {
	shop := n / s.perShop
	return fmt.Sprintf(`"mid":"8983100581%05d","tid":"T%07d","stan":"%06d","batch":"000007","rrn":"6063%08d","auth_code":"%06d","pan":"622202******%04d","network":"UnionPay","issuer":"ICBC","amount":%d,"currency":"CNY","kind":"sale"`,
		shop, n/500, n%500+1, n, n*7919%1000000, n*31%10000, 100+n*37%5000)
}

func (s *shopping) terms(shop int) {
	s.fact("core", "merchant.terms", firstDay.AddDate(0, 0, -30), fmt.Sprintf("terms-%d", shop),
		`"mid":"8983100581%05d","cycle":"T1","timezone":"Asia/Shanghai","calendar":"CN","account":"62000000%08d","fees":[{"bps":60}]`, shop, shop)
}

// payment adds the facts of one payment more.
func (s *shopping) payment() {
	n := s.made
	if n%s.perShop == 0 {
		s.terms(n / s.perShop)
	}
	s.made++
	at := tradingDay.Add(time.Duration(n%36000) * time.Second)
	s.fact("gateway", "gateway.response", at, fmt.Sprintf("r%d", n), `%s,"response_code":"00"`, s.keys(n))
}

func (s *shopping) take() *bytes.Buffer {
	b := bytes.NewBuffer(bytes.Clone(s.buf.Bytes()))
	s.buf.Reset()
	return b
}

func openShops(t testing.TB, perShop, payments int) (*investigation.Live, *shopping) {
	l := newLive(t, tradingDay.Add(11*time.Hour))
	s := &shopping{perShop: perShop}
	// All legs are spoken of from the start: the first word on a leg changes what
	// is next for all payments.
	for i, of := range []string{"clearing/UnionPay", "settlement", "payouts"} {
		s.fact("core", "coverage", firstDay, fmt.Sprintf("v%d", i), `"of":%q,"from":"2026-03-01T00:00:00+08:00","to":"2026-03-02T00:00:00+08:00"`, of)
	}
	for s.made < payments {
		for i := 0; i < 10000 && s.made < payments; i++ {
			s.payment()
		}
		if _, err := l.AddNDJSON(s.take(), nil); err != nil {
			t.Fatal(err)
		}
	}
	l.Read(func(c *investigation.Current) {
		if c.Len() != payments {
			t.Fatalf("%d payments in memory, want %d", c.Len(), payments)
		}
	})
	return l, s
}

// steps are the facts that come for a payment and its shop, each by itself.
var steps = []struct {
	name  string
	write func(s *shopping, n int)
}{
	{"sale at the terminal", func(s *shopping, n int) {
		s.fact("terminal", "terminal.transaction", tradingDay.Add(time.Duration(n%36000)*time.Second), fmt.Sprintf("t%d", n), `%s,"result":"approved","entry":"chip"`, s.keys(n))
	}},
	{"clearing line", func(s *shopping, n int) {
		s.fact("network", "clearing.line", tradingDay.Add(11*time.Hour), fmt.Sprintf("c%d", n), `%s,"clearing_date":"2026-03-04"`, s.keys(n))
	}},
	{"settlement line", func(s *shopping, n int) {
		s.fact("core", "settlement.line", tradingDay.Add(11*time.Hour), fmt.Sprintf("s%d", n),
			`"mid":"8983100581%05d","rrn":"6063%08d","kind":"sale","gross":%d,"fee":0,"net":%d,"currency":"CNY","settlement_date":"2026-03-05","payout":"P%d"`, n/s.perShop, n, 100+n*37%5000, 100+n*37%5000, n/s.perShop)
	}},
	{"refund", func(s *shopping, n int) {
		s.fact("gateway", "gateway.response", tradingDay.Add(11*time.Hour), fmt.Sprintf("f%d", n),
			`"mid":"8983100581%05d","tid":"T%07d","stan":"9%05d","rrn":"6064%08d","original_rrn":"6063%08d","amount":50,"currency":"CNY","kind":"refund","response_code":"00"`, n/s.perShop, n/500, n%100000, n, n)
	}},
	{"payout sent", func(s *shopping, n int) {
		s.fact("core", "payout.status", tradingDay.Add(11*time.Hour), fmt.Sprintf("p%d", n), `"mid":"8983100581%05d","payout":"P%d","state":"sent","account":"62000000%08d"`, n/s.perShop, n/s.perShop, n/s.perShop)
	}},
	{"bank entry", func(s *shopping, n int) {
		s.fact("bank", "bank.entry", tradingDay.Add(11*time.Hour), fmt.Sprintf("e%d", n),
			`"account":"62000000%08d","amount":%d,"currency":"CNY","direction":"credit","status":"booked","booking_date":"2026-03-04","references":["P%d"]`, n/s.perShop, 100+n*37%5000, n/s.perShop)
	}},
	{"issuer's link", func(s *shopping, n int) {
		s.fact("platform", "link.status", tradingDay.Add(11*time.Hour), fmt.Sprintf("l%d", n), `"link":"network-issuer/B%d","state":"down"`, n)
	}},
	{"terminal's health", func(s *shopping, n int) {
		s.fact("terminal", "terminal.health", tradingDay.Add(11*time.Hour), fmt.Sprintf("h%d", n), `"tid":"T%07d","component":"printer","state":"failed"`, n/500)
	}},
}

// One fact costs the same whatever is in memory: shown by counts of what is done,
// with shops of one size and with one shop that has everything.
func TestAFactCostsWhatItTouches(t *testing.T) {
	counts := func(perShop, payments int) map[string]investigation.Work {
		l, s := openShops(t, perShop, payments)
		done := map[string]investigation.Work{}
		before := workOf(l)
		for k, step := range steps {
			for i := range 5 {
				step.write(s, (payments-1-i*97-k)%payments)
				if _, err := l.AddNDJSON(s.take(), nil); err != nil {
					t.Fatal(err)
				}
				now := workOf(l)
				d := done[step.name]
				done[step.name] = investigation.Work{
					Matched: max(d.Matched, now.Matched-before.Matched), Judged: max(d.Judged, now.Judged-before.Judged), Joined: max(d.Joined, now.Joined-before.Joined),
				}
				before = now
			}
		}
		return done
	}
	few, many := counts(100, 2000), counts(100, 20000)
	for name, w := range many {
		if w != few[name] {
			t.Errorf("%s: %+v with 20,000 open payments, %+v with 2,000", name, w, few[name])
		}
		if w.Judged > 4 || w.Matched > 4 || w.Joined > 4 {
			t.Errorf("%s: %+v for one fact that concerns one payment", name, w)
		}
	}
	one := counts(20000, 20000)
	for name, w := range one {
		if w.Judged > 10 || w.Matched > 10 || w.Joined > 4 {
			t.Errorf("%s: %+v for one fact of a shop with 20,000 open payments", name, w)
		}
	}
}

func workOf(l *investigation.Live) (w investigation.Work) {
	l.Read(func(c *investigation.Current) { w = c.Work() })
	return w
}

// BenchmarkLiveFact adds facts one by one, reading an answer after each, with 10,000
// and with 1,000,000 open payments in turn, so that both run under the same load, and
// prints what a fact costs with each, their ratio, and the memory of a payment.
func BenchmarkLiveFact(b *testing.B) {
	sizes := [2]int{10_000, 1_000_000}
	var lives [2]*investigation.Live
	var shops [2]*shopping
	var before, after runtime.MemStats
	for k, open := range sizes {
		runtime.GC()
		runtime.ReadMemStats(&before)
		lives[k], shops[k] = openShops(b, 100, open)
		runtime.GC()
		runtime.ReadMemStats(&after)
	}
	var spent [2]time.Duration
	fact := func(k, i int) {
		n := (i/len(steps)*7919 + 13) % sizes[k]
		steps[i%len(steps)].write(shops[k], n)
		in, rrn, found := shops[k].take(), fmt.Sprintf("6063%08d", n), 0
		begun := time.Now()
		if _, err := lives[k].AddNDJSON(in, nil); err != nil {
			b.Fatal(err)
		}
		lives[k].Read(func(c *investigation.Current) { found = len(c.Find(rrn)) })
		spent[k] += time.Since(begun)
		if found == 0 {
			b.Fatalf("payment %d is not found", n)
		}
	}
	for i := range 200 {
		fact(0, i)
		fact(1, i)
	}
	spent = [2]time.Duration{}
	b.ResetTimer()
	for i := range b.N {
		fact(0, 200+i)
		fact(1, 200+i)
	}
	few, many := float64(spent[0].Nanoseconds())/float64(b.N), float64(spent[1].Nanoseconds())/float64(b.N)
	b.ReportMetric(few, "ns/fact-of-10k")
	b.ReportMetric(many, "ns/fact-of-1M")
	b.ReportMetric(many/few, "ratio")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(sizes[1]), "heap-B/payment")
}
