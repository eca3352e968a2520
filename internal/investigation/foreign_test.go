package investigation_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// A second small world, by nobody who knows internal/world: shops in other zones,
// currencies and calendars, witnesses under other names that stamp their facts in
// UTC, sparse keys, no coverage, payouts that nobody reports, entries of several
// payouts at once, notices in another language. What became of each payment is
// known, so that the answers can be held against it.

// foreigner is a shop and what its witnesses are used to.
type foreigner struct {
	mid, zone, calendar, currency, account, bank string
	// key is what settlement lines know a payment by: ref, rrn, order or approval.
	key string
	// reports tells that payout.status facts exist; else lines name no payout.
	reports bool
	// fate befalls the payout of its only day.
	fate string
}

// fates of a day's payout, and what is true of its sales a week later.
var foreignFates = map[string]foreignTruth{
	"paid":      {"credited", "arrived", "", "nobody"},
	"together":  {"credited", "arrived", "", "nobody"},
	"frozen":    {"settled", "held", "platform.account_frozen", "merchant"},
	"returned":  {"paid_out", "overdue", "payout.returned", "merchant"},
	"bank out":  {"paid_out", "overdue", "bank.outage", "bank"},
	"no papers": {"paid_out", "unproven", "record.statement_missing", "merchant"},
}

type foreignTruth struct{ stage, status, cause, party string }

// foreignWorld writes the evidence and keeps what is true, by trace number.
type foreignWorld struct {
	rng    *rand.Rand
	lines  []string
	truth  map[string]foreignTruth
	trace  int
	number int
}

func (w *foreignWorld) say(source, typ string, at time.Time, data map[string]any) {
	w.number++
	raw, _ := json.Marshal(map[string]any{"specversion": "1.0", "id": fmt.Sprint("x", w.number), "source": source,
		"type": "daozhang." + typ, "time": at.UTC().Format(time.RFC3339), "data": data})
	w.lines = append(w.lines, string(raw))
}

// with gives a fact's data with more in it.
func with(data map[string]any, more ...any) map[string]any {
	out := map[string]any{}
	for k, v := range data {
		out[k] = v
	}
	for i := 0; i < len(more); i += 2 {
		out[more[i].(string)] = more[i+1]
	}
	return out
}

// sale tells of one sale and gives its settlement line; nil where there is none.
func (w *foreignWorld) sale(f foreigner, at time.Time) map[string]any {
	w.trace++
	stan, rrn := fmt.Sprintf("%06d", w.trace), fmt.Sprintf("7%011d", w.trace)
	amount := 1000 + w.rng.Int64N(90000)
	card := map[string]any{"mid": f.mid, "tid": "K" + f.mid, "stan": stan, "rrn": rrn, "pan": fmt.Sprintf("454617******%04d", w.trace),
		"network": "Visa", "issuer": "OMNI" + f.mid, "amount": amount, "currency": f.currency, "order_id": "W-" + stan, "ref": "psp_" + stan}
	sold := with(card, "kind", "sale")
	w.say("switch-2", "gateway.request", at, sold)
	switch w.rng.IntN(8) {
	case 0: // the card has no money
		w.say("switch-2", "gateway.response", at.Add(time.Second), with(sold, "response_code", "51"))
		w.truth[stan] = foreignTruth{"tendered", "not_charged", "transaction.declined", "cardholder"}
		return nil
	case 1: // no answer, reversed
		w.say("switch-2", "gateway.timeout", at.Add(30*time.Second), with(card, "link", "network-issuer/OMNI"+f.mid))
		w.say("switch-2", "gateway.reversal", at.Add(40*time.Second), with(card, "state", "queued"))
		w.say("switch-2", "gateway.reversal", at.Add(2*time.Minute), with(card, "state", "acknowledged"))
		w.truth[stan] = foreignTruth{"tendered", "not_charged", "bank.outage", "nobody"}
		return nil
	}
	approval := fmt.Sprintf("Q%05d", w.trace)
	w.say("switch-2", "gateway.response", at.Add(time.Second), with(sold, "response_code", "00", "auth_code", approval))
	w.truth[stan] = foreignFates[f.fate]
	line := map[string]any{"mid": f.mid, "kind": "sale", "gross": amount, "fee": 0, "net": amount, "currency": f.currency, "transaction_time": at.UTC().Format(time.RFC3339)}
	switch f.key {
	case "ref":
		return with(line, "ref", card["ref"])
	case "rrn":
		return with(line, "rrn", rrn)
	case "order":
		return with(line, "order_id", card["order_id"])
	}
	return with(line, "auth_code", approval, "pan", card["pan"])
}

// week lets a shop sell on a Tuesday and be paid, or not, on Wednesday.
func (w *foreignWorld) week(f foreigner) {
	zone, err := time.LoadLocation(f.zone)
	if err != nil {
		panic(err)
	}
	local := func(day, hour, minute int) time.Time { return time.Date(2026, 3, day, hour, minute, 0, 0, zone) }
	w.say("contracts", "merchant.terms", local(1, 0, 0), map[string]any{"mid": f.mid, "valid_from": "2026-01-01", "cycle": "T1", "timezone": f.zone,
		"calendar": f.calendar, "account": f.account, "bank": f.bank, "fees": []any{map[string]any{"bps": 0}}})
	var sums [2]int64 // of its payouts
	parts := 1
	if f.fate == "together" && f.reports {
		parts = 2
	}
	w.say("noc", "link.status", local(3, 8, 0), map[string]any{"link": "network-issuer/OMNI" + f.mid, "state": "down"})
	w.say("noc", "link.status", local(3, 22, 0), map[string]any{"link": "network-issuer/OMNI" + f.mid, "state": "up"})
	for n := range 6 {
		line := w.sale(f, local(3, 9+n, n))
		if line == nil {
			continue
		}
		part := n % parts
		if f.reports {
			line["payout"] = fmt.Sprint("TR", f.mid, "/", part)
		}
		sums[part] += line["net"].(int64)
		w.say("psp-back-office", "settlement.line", local(4, 6, 30), with(line, "settlement_date", "2026-03-04"))
	}
	w.pay(f, sums[:parts], local)
}

// pay tells of a day's payouts and of the account.
func (w *foreignWorld) pay(f foreigner, sums []int64, local func(day, hour, minute int) time.Time) {
	if f.fate == "frozen" {
		w.say("compliance", "account.status", local(3, 18, 0), map[string]any{"mid": f.mid, "state": "frozen", "reason": "judicial"})
	}
	var all int64
	for part, sum := range sums {
		if all += sum; sum == 0 || !f.reports || f.fate == "frozen" {
			continue
		}
		status := map[string]any{"payout": fmt.Sprint("TR", f.mid, "/", part), "mid": f.mid, "amount": sum, "currency": f.currency, "account": f.account, "bank": f.bank}
		w.say("treasury", "payout.status", local(4, 13, 0), with(status, "state", "sent", "by", "platform"))
		if f.fate == "returned" {
			w.say("treasury", "payout.status", local(4, 16, 0), with(status, "state", "returned", "reason", "AC04"))
		}
	}
	if f.fate == "bank out" {
		w.say("bulletins", "notice", local(4, 12, 0), map[string]any{"notice": "B-" + f.mid, "issuer": "bank/" + f.bank, "what": "incident",
			"from": local(4, 12, 0).UTC().Format(time.RFC3339), "title": "Störung im Zahlungsverkehr"})
	}
	if f.fate == "no papers" {
		return
	}
	if f.fate == "paid" || f.fate == "together" {
		w.say("ebics", "bank.entry", local(4, 15, 0), map[string]any{"account": f.account, "amount": all, "currency": f.currency, "direction": "credit",
			"status": "booked", "booking_date": "2026-03-04", "entry_ref": "N" + f.mid, "text": "Sammelgutschrift"})
	}
	for day := 2; day <= 9; day++ {
		date := fmt.Sprintf("2026-03-%02d", day)
		w.say("ebics", "bank.statement", local(day+1, 5, 0), map[string]any{"account": f.account, "from": date, "to": date})
	}
}

func TestForeignWorld(t *testing.T) {
	if testing.Short() {
		t.Skip("it asks about several worlds")
	}
	places := []foreigner{
		{zone: "America/New_York", calendar: "WEEKEND", currency: "USD"}, {zone: "Asia/Tokyo", calendar: "WEEKEND", currency: "JPY"},
		{zone: "Europe/Berlin", calendar: "TARGET2", currency: "EUR"}, {zone: "Asia/Hong_Kong", calendar: "CN", currency: "HKD"},
	}
	keys := []string{"ref", "rrn", "order", "approval"}
	for seed := range uint64(4) {
		w := &foreignWorld{rng: rand.New(rand.NewPCG(seed, 77)), truth: map[string]foreignTruth{}}
		n := 0
		for _, fate := range []string{"paid", "together", "frozen", "returned", "bank out", "no papers"} {
			for i, f := range places {
				n++
				f.mid, f.fate, f.key = fmt.Sprintf("S%04d", n), fate, keys[(i+n)%len(keys)]
				f.account, f.bank = fmt.Sprintf("XK%012d", n), fmt.Sprint("BANK", n)
				// What is sent, comes back or waits in the bank somebody has to report.
				f.reports = fate != "paid" || i%2 == 0
				w.week(f)
			}
		}
		w.rng.Shuffle(len(w.lines), func(i, k int) { w.lines[i], w.lines[k] = w.lines[k], w.lines[i] })
		w.check(t, seed, time.Date(2026, 3, 10, 18, 0, 0, 0, time.UTC))
	}
}

// check asks once and holds every answer against what is true.
func (w *foreignWorld) check(t *testing.T, seed uint64, asOf time.Time) {
	var doc struct {
		Payments []struct {
			MID, STAN, Stage, Status, Party string
			Cause                           struct{ Code string }
		}
	}
	if err := json.Unmarshal(answer(t, []byte(strings.Join(w.lines, "\n")+"\n"), asOf), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Payments) != len(w.truth) {
		t.Errorf("seed %d: %d payments answered, want %d", seed, len(doc.Payments), len(w.truth))
	}
	for _, p := range doc.Payments {
		got := foreignTruth{p.Stage, p.Status, p.Cause.Code, p.Party}
		if want := w.truth[p.STAN]; got != want {
			t.Errorf("seed %d: payment %s of %s is %v, want %v", seed, p.STAN, p.MID, got, want)
		}
	}
}
