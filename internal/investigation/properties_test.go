package investigation_test

import (
	"bytes"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/match"
	"daozhang/internal/money"
	"daozhang/internal/report"
)

// catalogue is compiled once for all properties.
var catalogue = sync.OnceValues(diagnosis.Load)

// investigate answers from random facts that come through several readers at once.
func investigate(t failer, readers [][]event, asOf time.Time) *investigation.Answer {
	causes, err := catalogue()
	if err != nil {
		t.Fatal(err)
	}
	set := evidence.NewSet()
	var wg sync.WaitGroup
	for i, events := range readers {
		var lines bytes.Buffer
		for _, e := range events {
			lines.Write(e.line())
			lines.WriteByte('\n')
		}
		w := set.Writer(set.AddFile(fmt.Sprintf("reader%d", i)))
		wg.Go(func() {
			if err := evidence.ReadNDJSON(&lines, w, func(int, fault.Text) {}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	_, offset := asOf.Zone()
	a, err := investigation.Investigate(set, evidence.InstantOf(asOf), int16(offset/60), investigation.Options{Catalogue: causes})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func asJSON(t failer, a *investigation.Answer) []byte {
	var out bytes.Buffer
	if err := report.JSON(&out, a, report.Options{Lang: "en", AdviceCode: true}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// The answer does not depend on the order in which the facts came, nor on which
// reader brought them.
func TestAnswerIndependentOfArrival(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := someEvidence(t)
		asOf := someQuestion(t)
		want := asJSON(t, investigate(t, [][]event{events}, asOf))
		for range 2 {
			shuffled := rapid.Permutation(events).Draw(t, "order")
			readers := make([][]event, rapid.IntRange(1, 3).Draw(t, "readers"))
			for i, e := range shuffled {
				n := i % len(readers)
				readers[n] = append(readers[n], e)
			}
			if got := asJSON(t, investigate(t, readers, asOf)); !bytes.Equal(got, want) {
				t.Fatalf("the answer depends on the order:\n%s\n%s", firstDifference(want, got), story2text(events))
			}
		}
	})
}

// Every minor unit is in one place, every entry is consumed once, every fact is
// told of one payment.
func TestMoneyAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := someEvidence(t)
		a := investigate(t, [][]event{events}, someQuestion(t))
		fail := func(format string, args ...any) {
			t.Helper()
			t.Fatalf(format+"\n%s", append(args, story2text(events))...)
		}
		totals := a.Totals()
		for _, r := range totals.Rows {
			if r.Sum() != r.Gross {
				fail("row %s %s %s: gross %d, places %d: %+v", a.View.Words.Text(r.MID), r.Currency, r.Date, r.Gross, r.Sum(), *r)
			}
			for _, n := range append([]int64{r.Gross, r.Arrived, r.Confirmed, r.Fees, r.Refunded, r.Chargebacks, r.Reserves, r.Adjustments, r.Held, r.Unproven, r.Short, r.Unknown, r.NotCharged}, append(r.InTransit[:], r.Overdue[:]...)...) {
				if n < 0 {
					fail("row with a negative place: %+v", *r)
				}
			}
		}
		for _, acc := range totals.Accounts {
			if acc.Booked != acc.Placed+acc.Unplaced {
				fail("account %+v does not add up", acc)
			}
		}
		checkConsumption(a, fail)
		checkArrived(a, fail)
	})
}

// checkConsumption checks that facts and entries are used once.
func checkConsumption(a *investigation.Answer, fail func(string, ...any)) {
	owner := map[evidence.FactRef]string{}
	take := func(r evidence.FactRef, by string) {
		if owner[r] != "" && a.View.At(r).Type != evidence.SaleOrder {
			fail("%s belongs to %s and %s", a.View.Name(r), owner[r], by)
		}
		owner[r] = by
	}
	seen := map[string]bool{}
	for _, m := range a.Match.Merchants {
		for i := range m.Payments {
			p := &m.Payments[i]
			id := a.IDOf(p)
			if seen[id] {
				fail("payment %s is listed twice", id)
			}
			seen[id] = true
			for _, r := range m.Facts(p) {
				take(r, id)
			}
			for n := range m.Acts(p) {
				for _, r := range m.ActFacts(&m.Acts(p)[n]) {
					take(r, id)
				}
			}
		}
		for _, r := range m.Deductions {
			take(r, "deductions")
		}
	}
	for _, u := range a.Match.Unplaced {
		if owner[u.Fact] != "" {
			fail("%s is unplaced and belongs to %s", a.View.Name(u.Fact), owner[u.Fact])
		}
	}
	for _, amb := range a.Match.Ambiguous {
		if owner[amb.Fact] != "" {
			fail("%s is ambiguous and belongs to %s", a.View.Name(amb.Fact), owner[amb.Fact])
		}
	}
	// No fact of a payment is lost: it belongs to one, is ambiguous or unplaced.
	lost := map[evidence.FactRef]bool{}
	for _, amb := range a.Match.Ambiguous {
		lost[amb.Fact] = true
	}
	for _, u := range a.Match.Unplaced {
		lost[u.Fact] = true
	}
	for r, f := range a.View.Facts {
		switch f.Type {
		case evidence.TerminalTransaction, evidence.GatewayRequest, evidence.GatewayResponse, evidence.ClearingLine, evidence.SettlementLine,
			evidence.GatewayReversal, evidence.SaleOrder:
			if owner[r] == "" && !lost[r] {
				fail("%s is nowhere", a.View.Name(r))
			}
		}
	}
	entryOf := map[evidence.FactRef]bool{}
	for _, e := range a.Match.Entries {
		for _, r := range e.Facts {
			if entryOf[r] {
				fail("%s is told of two entries", a.View.Name(r))
			}
			entryOf[r] = true
		}
		if len(e.Payouts) > 0 && (!e.Placed || !e.Booked || e.Ambiguous) {
			fail("entry %s proves payouts, but placed %v, booked %v, ambiguous %v", a.View.Name(e.Fact), e.Placed, e.Booked, e.Ambiguous)
		}
		if e.Placed && e.Ambiguous {
			fail("entry %s is placed and ambiguous", a.View.Name(e.Fact))
		}
		if len(e.Payouts) > 0 && a.Context.DirectEntry(e) {
			fail("entry %s proves payouts and business dates", a.View.Name(e.Fact))
		}
		for _, p := range e.Payouts {
			if !slices.Contains(p.Entries, e) {
				fail("entry %s proves a payout that does not know it", a.View.Name(e.Fact))
			}
		}
	}
	sum := int64(0)
	converted := func(p *match.Payout) bool {
		return slices.ContainsFunc(p.Entries, func(e *match.Entry) bool { return e.Currency != p.Currency })
	}
	for _, p := range a.Match.Payouts {
		if !converted(p) {
			sum += p.Proved
		}
	}
	placed := int64(0)
	for _, e := range a.Match.Entries {
		if len(e.Payouts) > 0 && !slices.ContainsFunc(e.Payouts, converted) {
			placed += e.Amount
		}
	}
	if sum != placed {
		fail("payouts are proved by %d, their entries are %d", sum, placed)
	}
}

// checkArrived checks that what arrived is not more than what booked entries
// brought: besides them only what refunds and deductions kept back in a payout pays
// for a sale.
func checkArrived(a *investigation.Answer, fail func(string, ...any)) {
	arrived, brought := map[money.Currency]int64{}, map[money.Currency]int64{}
	for _, e := range a.Match.Entries {
		if e.Booked && e.Placed && e.Amount > 0 {
			brought[e.Currency] += e.Amount
		}
	}
	kept := map[money.Currency]int64{}
	for _, f := range a.View.Facts {
		if f.Type == evidence.SettlementLine {
			kept[f.Currency] += max(-match.LineNet(f), 0)
		}
	}
	for p := range a.Each {
		if p.Payout == nil || !slices.ContainsFunc(p.Payout.Entries, func(e *match.Entry) bool { return e.Currency != p.Currency }) {
			arrived[p.Currency] += p.Arrived
		}
		if p.Arrived > 0 && p.Entry == 0 {
			fail("payment %s: %d arrived without an entry", a.View.Words.Text(p.ID), p.Arrived)
		}
		if p.Arrived > p.Net || p.Arrived < 0 || p.Missing != p.Net-p.Arrived {
			fail("payment %s: net %d, arrived %d, missing %d", a.View.Words.Text(p.ID), p.Net, p.Arrived, p.Missing)
		}
		if p.Status == journey.Arrived && p.Arrived != p.Net {
			fail("payment %s has arrived with %d of %d", a.View.Words.Text(p.ID), p.Arrived, p.Net)
		}
	}
	for currency, sum := range arrived {
		if sum > brought[currency]+kept[currency] {
			fail("%s: %d arrived, entries brought %d, %d was kept back", currency, sum, brought[currency], kept[currency])
		}
	}
}

// Time alone proves nothing: without new facts no money comes, nothing that is open
// becomes a failure, and what is late stays late.
func TestTimeAloneProvesNothing(t *testing.T) {
	allowed := map[journey.Status][]journey.Status{
		journey.NotCharged: {journey.NotCharged},
		journey.Refunded:   {journey.Refunded},
		journey.Unknown:    {journey.Unknown},
		journey.Arrived:    {journey.Arrived},
		journey.Held:       {journey.Held},
		journey.Short:      {journey.Short},
		journey.Confirmed:  {journey.Confirmed},
		journey.InTransit:  {journey.InTransit, journey.Overdue, journey.Unproven, journey.NotCharged},
		journey.Unproven:   {journey.Unproven},
		journey.Overdue:    {journey.Overdue, journey.NotCharged},
	}
	rapid.Check(t, func(t *rapid.T) {
		events := someEvidence(t)
		from := firstDay.AddDate(0, 0, 30) // all facts are known
		times := []time.Time{from, from.Add(time.Hour), from.AddDate(0, 0, 3), from.AddDate(0, 0, 40), from.AddDate(1, 0, 0)}
		if chance(t, "from the last fact on", 2) {
			last := events[0].at
			for _, e := range events {
				if e.at.After(last) {
					last = e.at
				}
				if e.recorded.After(last) {
					last = e.recorded
				}
			}
			times = append([]time.Time{last, last.Add(12 * time.Hour)}, times...)
			slices.SortFunc(times, time.Time.Compare)
			times = times[slices.Index(times, last):]
		}
		type state struct {
			status  journey.Status
			stage   journey.Stage
			arrived int64
			due     evidence.Instant
			late    int64
		}
		var before map[string]state
		for i, at := range times {
			a := investigate(t, [][]event{events}, at)
			now := map[string]state{}
			for p := range a.Each {
				id := a.View.Words.Text(p.ID)
				s := state{p.Status, p.Stage, p.Arrived, p.Due, p.OverdueBy}
				now[id] = s
				if i == 0 {
					continue
				}
				old, ok := before[id]
				if !ok {
					t.Fatalf("payment %s appears by time alone\n%s", id, story2text(events))
				}
				if !slices.Contains(allowed[old.status], s.status) || s.status == journey.NotCharged && s.status != old.status && !p.OpenPreauth {
					t.Fatalf("payment %s: %s becomes %s by time alone\n%s", id, old.status, s.status, story2text(events))
				}
				if s.arrived != old.arrived || s.stage != old.stage || s.due != old.due && s.status == old.status || s.status == old.status && s.late < old.late {
					t.Fatalf("payment %s: %+v becomes %+v by time alone\n%s", id, old, s, story2text(events))
				}
			}
			if i > 0 && len(now) != len(before) {
				t.Fatalf("payments vanish by time alone\n%s", story2text(events))
			}
			before = now
		}
	})
}

// Answering on one processor and on several gives the same bytes.
func TestAnswerOnSeveralProcessors(t *testing.T) {
	evidenceOf := rapid.Custom(func(t *rapid.T) question { return question{someEvidence(t), someQuestion(t)} })
	for seed := range 4 {
		q := evidenceOf.Example(seed)
		// Enough payments for several blocks, of several merchants.
		var events []event
		for n := range 5000/len(q.events) + 1 {
			for _, e := range q.events {
				e.id = fmt.Sprintf("%s-%d", e.id, n)
				if mid, ok := e.data["mid"].(string); ok && n > 0 {
					e.data = maps.Clone(e.data)
					e.data["mid"] = fmt.Sprintf("%s-%d", mid, n%7)
				}
				e.at = e.at.Add(time.Duration(n) * time.Second)
				events = append(events, e)
			}
		}
		var want []byte
		for _, n := range []int{1, 2, 4} {
			before := runtime.GOMAXPROCS(n)
			got := asJSON(t, investigate(t, [][]event{events}, q.asOf))
			runtime.GOMAXPROCS(before)
			if want == nil {
				want = got
			} else if !bytes.Equal(got, want) {
				t.Errorf("seed %d, %d processors: %s", seed, n, firstDifference(want, got))
			}
		}
	}
}

type question struct {
	events []event
	asOf   time.Time
}

// failer is a *testing.T or a *rapid.T.
type failer interface {
	Fatal(...any)
	Error(...any)
}
