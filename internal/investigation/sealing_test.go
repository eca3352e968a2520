package investigation_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// shopLife is the evidence of a shop over days: most of its payments arrive, each
// tenth stays without a settlement line.
type shopLife struct {
	all  []event
	days int
}

const perDay = 20

func (s *shopLife) note(source, typ string, at time.Time, id string, data map[string]any) {
	s.all = append(s.all, event{source: source, id: id, typ: typ, at: at, data: data})
}

// day adds the evidence that comes on the next day, and gives it.
func (s *shopLife) day() []event {
	from := len(s.all)
	if s.days == 0 {
		s.note("core", "merchant.terms", firstDay.AddDate(0, 0, -30), "terms", map[string]any{
			"mid": "M1", "cycle": "D1", "timezone": "Asia/Shanghai", "account": "62000000001234567", "fees": []map[string]any{{"bps": 0}},
		})
	}
	day := firstDay.AddDate(0, 0, s.days)
	sum := 0
	for i := range perDay {
		n := s.days*perDay + i
		keys := map[string]any{
			"mid": "M1", "tid": fmt.Sprintf("T%d", i%3), "stan": fmt.Sprintf("%06d", n), "batch": fmt.Sprintf("%06d", s.days),
			"rrn": fmt.Sprintf("6062%08d", n), "auth_code": fmt.Sprintf("%06d", n*7919%1000000), "pan": fmt.Sprintf("622202******%04d", n*31%10000),
			"network": "UnionPay", "issuer": "ICBC", "amount": 1000 + n, "currency": "CNY", "kind": "sale",
		}
		at := day.Add(9*time.Hour + time.Duration(i)*20*time.Minute)
		request, response := mapsClone(keys), mapsClone(keys)
		response["response_code"] = "00"
		if n%perDay == 7 {
			response["response_code"] = "51"
		}
		s.note("gateway", "gateway.request", at, fmt.Sprintf("q%d", n), request)
		s.note("gateway", "gateway.response", at.Add(time.Second), fmt.Sprintf("r%d", n), response)
		if n%10 == 3 || n%perDay == 7 {
			continue
		}
		sum += 1000 + n
		s.note("core", "settlement.line", day.AddDate(0, 0, 1).Add(8*time.Hour), fmt.Sprintf("s%d", n), map[string]any{
			"mid": "M1", "rrn": keys["rrn"], "kind": "sale", "gross": 1000 + n, "net": 1000 + n, "currency": "CNY",
			"settlement_date": day.AddDate(0, 0, 1).Format(time.DateOnly), "payout": fmt.Sprintf("PAYOUT%04d", s.days),
		})
	}
	next := day.AddDate(0, 0, 1)
	status := map[string]any{"mid": "M1", "payout": fmt.Sprintf("PAYOUT%04d", s.days), "state": "sent", "account": "62000000001234567"}
	entry := map[string]any{
		"account": "62000000001234567", "amount": sum, "currency": "CNY", "direction": "credit", "status": "booked", "booking_date": next.Format(time.DateOnly),
	}
	if s.days%2 == 0 { // else it is joined by the sum of its lines
		status["amount"], status["currency"] = sum, "CNY"
		entry["references"] = []string{fmt.Sprintf("PAYOUT%04d", s.days)}
	}
	s.note("core", "payout.status", next.Add(10*time.Hour), fmt.Sprintf("p%d", s.days), status)
	s.note("bank", "bank.entry", next.Add(15*time.Hour), fmt.Sprintf("e%d", s.days), entry)
	s.days++
	return s.all[from:]
}

func mapsClone(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

func rendered(t *testing.T, a *investigation.Answer, p *investigation.Payment) string {
	t.Helper()
	var out bytes.Buffer
	if err := report.Payment(&out, a, p, report.Options{Lang: "en"}); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Payments that are over leave memory, those that stay are answered as before, and
// a late fact brings back what it speaks of, or is told of.
func TestSealedPaymentsLeaveMemory(t *testing.T) {
	const days = 50
	for _, load := range []bool{true, false} {
		t.Run(fmt.Sprintf("load=%v", load), func(t *testing.T) {
			causes, err := catalogue()
			if err != nil {
				t.Fatal(err)
			}
			life := &shopLife{}
			loaded := []string{}
			o := investigation.LiveOptions{
				Options: investigation.Options{Catalogue: causes}, AsOf: evidence.InstantOf(firstDay), Offset: 480, Keep: 10 * 24 * time.Hour,
			}
			now := firstDay
			if load {
				o.Load = func(s investigation.Sealed) (io.ReadCloser, error) {
					loaded = append(loaded, s.ID)
					var lines bytes.Buffer
					for _, e := range life.all { // more than is asked for
						if at := evidence.InstantOf(e.at); at >= s.From && at <= s.To {
							lines.Write(append(e.line(), '\n'))
						}
					}
					return io.NopCloser(&lines), nil
				}
			}
			l, err := investigation.NewLive(o)
			if err != nil {
				t.Fatal(err)
			}
			var work investigation.Work
			for range days {
				addEvents(t, l, life.day())
				now = now.AddDate(0, 0, 1)
				if err := l.Advance(evidence.InstantOf(now)); err != nil {
					t.Fatal(err)
				}
				l.Read(func(c *investigation.Current) { work = c.Work() })
			}
			unsettled := days * perDay / 10
			if work.Sealed == 0 {
				t.Fatal("nothing was sealed")
			}
			same := func() {
				t.Helper()
				whole := investigate(t, [][]event{life.all}, now)
				inMemory := 0
				l.Read(func(c *investigation.Current) {
					for p := range whole.Each {
						got, ok := c.Payment(whole.View.Words.Text(p.ID))
						if !ok {
							continue
						}
						inMemory++
						if got, want := rendered(t, c.Around(), got), rendered(t, whole, p); got != want {
							t.Fatalf("a payment in memory changed by sealing others:\n got %s\nwant %s", got, want)
						}
					}
					if c.Len() != inMemory {
						t.Errorf("%d payments in memory, %d of them known to the whole", c.Len(), inMemory)
					}
				})
				if most := unsettled + 14*perDay; inMemory > most || inMemory < unsettled {
					t.Errorf("%d payments in memory, want the %d open ones and those of about twelve days", inMemory, unsettled)
				}
			}
			same()

			// A refund of a payment of the second day, long sealed.
			n := perDay + 5
			refund := event{source: "gateway", id: "refund", typ: "gateway.response", at: now.Add(-time.Hour), data: map[string]any{
				"mid": "M1", "tid": "T1", "stan": "900001", "rrn": "606399990001", "original_rrn": fmt.Sprintf("6062%08d", n),
				"amount": 500, "currency": "CNY", "kind": "refund", "response_code": "00",
			}}
			again := life.all[1] // the first payment's request, sent again
			added := addEvents(t, l, []event{refund, again})
			life.all = append(life.all, refund)
			if !load {
				if len(added.Late) != 2 || !strings.Contains(added.Late[0].Why.EN, "sealed") {
					t.Fatalf("late facts are told of as %+v", added.Late)
				}
				return
			}
			if len(added.Late) != 0 || len(loaded) != 2 {
				t.Fatalf("late: %v, loaded: %v", added.Late, loaded)
			}
			whole := investigate(t, [][]event{life.all}, now)
			refunded := 0
			l.Read(func(c *investigation.Current) {
				for p := range whole.Each {
					if p.Refunded == 0 {
						continue
					}
					refunded++
					got, ok := c.Payment(whole.View.Words.Text(p.ID))
					if !ok {
						t.Fatal("the refunded payment is not back in memory")
					}
					if got, want := rendered(t, c.Around(), got), rendered(t, whole, p); got != want {
						t.Errorf("a payment that came back:\n got %s\nwant %s", got, want)
					}
				}
			})
			if refunded != 1 {
				t.Errorf("%d payments are refunded, want 1", refunded)
			}
			now = now.AddDate(0, 0, 1)
			if err := l.Advance(evidence.InstantOf(now)); err != nil {
				t.Fatal(err)
			}
			same()

			// A restart from what is still needed.
			var since evidence.Instant
			l.Read(func(c *investigation.Current) { since = c.Since() })
			fresh := newLive(t, now)
			var rest []event
			for _, e := range life.all {
				if evidence.InstantOf(e.at) >= since || e.typ == "merchant.terms" {
					rest = append(rest, e)
				}
			}
			addEvents(t, fresh, rest)
			l.Read(func(c *investigation.Current) {
				for p := range whole.Each {
					id := whole.View.Words.Text(p.ID)
					before, ok := c.Payment(id)
					if !ok {
						continue
					}
					fresh.Read(func(f *investigation.Current) {
						after, ok := f.Payment(id)
						if !ok || rendered(t, f.Around(), after) != rendered(t, c.Around(), before) {
							t.Errorf("payment %s is not the same after a restart", id)
						}
					})
				}
			})
		})
	}
}
