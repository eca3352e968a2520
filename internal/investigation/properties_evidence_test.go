package investigation_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// Random evidence for the properties. Every key comes from a pool so small that
// facts collide: references used again, cards that share their last four digits,
// amounts that sum to each other, payouts and orders that several payments name.

// shanghai is the zone of most random facts.
var shanghai = time.FixedZone("", 8*3600)

// firstDay is a Monday; the fourth day of the week after is made a holiday by some
// random facts.
var firstDay = time.Date(2026, 3, 2, 0, 0, 0, 0, shanghai)

// event is one random fact before it is written.
type event struct {
	source, id, typ string
	at, recorded    time.Time
	data            map[string]any
}

func (e event) line() []byte {
	m := map[string]any{
		"specversion": "1.0", "id": e.id, "source": e.source, "type": "daozhang." + e.typ,
		"time": e.at.Format(time.RFC3339), "data": e.data,
	}
	if !e.recorded.IsZero() {
		m["recordedtime"] = e.recorded.Format(time.RFC3339)
	}
	line, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return line
}

// String writes the fact as a case file would.
func (e event) String() string {
	data, _ := json.Marshal(e.data)
	recorded := ""
	if !e.recorded.IsZero() {
		recorded = "recorded=" + e.recorded.Format(time.RFC3339) + " "
	}
	return fmt.Sprintf("%s %s %s %sid=%s %s", e.at.Format(time.RFC3339), e.source, e.typ, recorded, e.id, data)
}

func story2text(events []event) string {
	var b strings.Builder
	for _, e := range events {
		b.WriteString(e.String())
		b.WriteByte('\n')
	}
	return b.String()
}

func pick[T any](t *rapid.T, label string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

func chance(t *rapid.T, label string, outOf int) bool {
	return rapid.IntRange(0, outOf-1).Draw(t, label) == outOf-1
}

var (
	someAmounts = []int{100, 100, 200, 300, 500, 800, 1000}
	somePANs    = []string{"622202******1234", "622202******5678", "400000******1234"}
	someRRNs    = []string{"606110000001", "606110000002", "606110000003"}
	someSTANs   = []string{"000001", "000002", "000003"}
)

// moment gives a time on one of the first twelve days, often the same few minutes.
func moment(t *rapid.T) time.Time {
	day := rapid.IntRange(0, 11).Draw(t, "day")
	minute := pick(t, "minute", 600, 601, 605, 720, 1380, 1381, 1439)
	return firstDay.AddDate(0, 0, day).Add(time.Duration(minute) * time.Minute)
}

func date(t *rapid.T, label string) string {
	return firstDay.AddDate(0, 0, rapid.IntRange(0, 11).Draw(t, label)).Format(time.DateOnly)
}

// maybe sets a field to one of the values, or leaves it out.
func maybe[T any](t *rapid.T, data map[string]any, field string, values ...T) {
	if n := rapid.IntRange(-1, len(values)-1).Draw(t, field); n >= 0 {
		data[field] = values[n]
	}
}

// keys sets some keys of a payment.
func someKeys(t *rapid.T, data map[string]any) {
	if !chance(t, "no mid", 10) {
		data["mid"] = pick(t, "mid", "M1", "M1", "M1", "M2")
	}
	maybe(t, data, "tid", "T1", "T2")
	maybe(t, data, "batch", "000001", "000002")
	maybe(t, data, "stan", someSTANs...)
	maybe(t, data, "rrn", someRRNs...)
	maybe(t, data, "auth_code", "A00001", "A00002")
	if chance(t, "has order", 3) {
		maybe(t, data, "order_id", "O1", "O2")
	}
	if chance(t, "has ref", 4) {
		maybe(t, data, "ref", "R1", "R2")
	}
	maybe(t, data, "pan", somePANs...)
	maybe(t, data, "card_type", "debit", "credit")
	maybe(t, data, "network", "UnionPay", "Visa")
	maybe(t, data, "issuer", "ICBC", "CCB")
}

func someAmount(t *rapid.T, data map[string]any, field string) {
	data[field] = pick(t, field, someAmounts...)
	data["currency"] = pick(t, "currency", "CNY", "CNY", "CNY", "CNY", "EUR")
}

// anyFact draws one fact of any type.
func anyFact(t *rapid.T, typ string) event {
	e := event{typ: typ, at: moment(t), data: map[string]any{}}
	d := e.data
	e.source = pick(t, "source", "s1", "s2", "s3")
	switch typ {
	case "merchant.terms":
		e.at = firstDay.AddDate(0, 0, -30)
		d["mid"] = pick(t, "mid", "M1", "M2")
		d["cycle"] = pick(t, "cycle", "T0", "T1", "T1", "T2", "D0", "D1", "D3")
		maybe(t, d, "valid_from", "2026-01-01", "2026-03-05")
		maybe(t, d, "cutoff", "23:00", "12:00")
		maybe(t, d, "timezone", "Asia/Shanghai", "Europe/Paris")
		maybe(t, d, "calendar", "CN", "TARGET2")
		maybe(t, d, "capture", "host", "terminal")
		maybe(t, d, "fee_mode", "net", "invoiced", "passthrough")
		maybe(t, d, "credit_days", 0, 1)
		maybe(t, d, "account", "1111222233336789", "1111222233339999")
		maybe(t, d, "minimum_payout", 300)
		maybe(t, d, "preauth_days", 3)
		if chance(t, "fees", 2) {
			d["fees"] = []map[string]any{{"bps": 100}, {"bps": 50, "cap": 2, "card_type": "debit"}, {"bps": 60, "fixed": 1, "network": "Visa"}}
		}
	case "calendar.holiday":
		e.at = firstDay.AddDate(0, 0, -30)
		d["calendar"], d["date"], d["what"] = pick(t, "calendar", "CN", "WEEKEND"), date(t, "date"), pick(t, "what", "holiday", "workday")
	case "sale.order":
		d["mid"] = pick(t, "mid", "M1", "M2")
		d["order_id"] = pick(t, "order_id", "O1", "O2")
		someAmount(t, d, "amount")
	case "terminal.transaction":
		someKeys(t, d)
		someAmount(t, d, "amount")
		d["kind"] = pick(t, "kind", "sale", "sale", "sale", "sale", "void", "refund", "preauth", "completion", "reversal")
		d["result"] = pick(t, "result", "approved", "approved", "approved", "declined", "timeout", "aborted", "unknown", "offline_approved")
		maybe(t, d, "response_code", "00", "51", "96")
		maybe(t, d, "printed", true, false)
		maybe(t, d, "original_rrn", someRRNs...)
		maybe(t, d, "original_stan", someSTANs...)
	case "terminal.health":
		d["tid"], d["component"], d["state"] = pick(t, "tid", "T1", "T2"), pick(t, "component", "printer", "chip_reader", "mainboard"), pick(t, "state", "ok", "degraded", "failed")
	case "terminal.software":
		d["tid"], d["what"] = pick(t, "tid", "T1", "T2"), pick(t, "what", "started", "crashed", "updated", "sync_lag", "sync_done")
		maybe(t, d, "mid", "M1", "M2")
		maybe(t, d, "pending", 1, 2)
	case "terminal.batch":
		maybe(t, d, "mid", "M1", "M2")
		d["tid"], d["batch"], d["what"] = pick(t, "tid", "T1", "T2"), pick(t, "batch", "000001", "000002"), pick(t, "what", "opened", "closed", "uploaded", "out_of_balance")
	case "operator.action":
		d["tid"], d["what"] = pick(t, "tid", "T1", "T2"), pick(t, "what", "prompt_ignored", "wrong_function", "cancelled", "amount_corrected")
		maybe(t, d, "mid", "M1", "M2")
		maybe(t, d, "stan", someSTANs...)
		maybe(t, d, "prompt", "settle_batch", "reprint", "sign_on")
	case "gateway.request", "gateway.response", "gateway.timeout", "gateway.error", "gateway.reversal":
		someKeys(t, d)
		if !chance(t, "no amount", 3) {
			someAmount(t, d, "amount")
		}
		maybe(t, d, "kind", "sale", "sale", "refund", "preauth")
		switch typ {
		case "gateway.response":
			maybe(t, d, "response_code", "00", "00", "00", "51", "91", "96", "10")
			if d["response_code"] == "10" {
				d["approved_amount"] = 100
			}
		case "gateway.timeout":
			maybe(t, d, "link", "network-issuer/ICBC", "platform-network/UnionPay")
		case "gateway.error":
			maybe(t, d, "link", "platform-network/UnionPay")
			maybe(t, d, "detail", "format", "mac", "5xx", "connection")
			maybe(t, d, "response_code", "30", "96")
		case "gateway.reversal":
			d["state"] = pick(t, "state", "queued", "acknowledged", "abandoned")
		}
	case "clearing.line":
		someKeys(t, d)
		someAmount(t, d, "amount")
		d["kind"] = pick(t, "kind", "sale", "sale", "sale", "refund", "void")
		d["clearing_date"] = date(t, "clearing_date")
		someTransaction(t, d)
	case "clearing.file":
		d["network"], d["date"] = pick(t, "network", "UnionPay", "Visa"), date(t, "date")
		maybe(t, d, "count", 1, 2, 3)
		maybe(t, d, "total", 100, 300)
		d["currency"] = "CNY"
	case "settlement.line":
		someKeys(t, d)
		d["kind"] = pick(t, "kind", "sale", "sale", "sale", "sale", "refund", "chargeback", "fee", "adjustment", "reserve", "reserve_release")
		someLine(t, d)
		someTransaction(t, d)
	case "settlement.file":
		maybe(t, d, "mid", "M1", "M2")
		d["date"] = date(t, "date")
		maybe(t, d, "count", 1, 2, 3)
		maybe(t, d, "total", 100, 300)
		d["currency"] = "CNY"
	case "payout.status":
		maybe(t, d, "mid", "M1", "M1", "M1", "M2")
		d["payout"] = pick(t, "payout", "PAY1", "PAY2", "PAY3", "PAY4")
		d["state"] = pick(t, "state", "created", "sent", "sent", "accepted", "credited", "rejected", "returned", "held")
		if !chance(t, "no amount", 3) {
			someAmount(t, d, "amount")
		}
		maybe(t, d, "by", "bank", "platform")
		maybe(t, d, "account", "1111222233336789", "1111222233339999")
		maybe(t, d, "reason", "AC01", "AM02")
		if chance(t, "replaces", 3) {
			d["replaces"] = pick(t, "replaced", "PAY1", "PAY2", "PAY3", "PAY4")
		}
	case "bank.entry":
		d["account"] = pick(t, "account", "1111222233336789", "1111222233336789", "1111222233339999")
		d["amount"], d["currency"] = pick(t, "amount", 99, 100, 100, 200, 300, 400, 500, 600, 800, 1000, 1300), pick(t, "currency", "CNY", "CNY", "CNY", "EUR")
		d["direction"] = pick(t, "direction", "credit", "credit", "credit", "credit", "debit")
		d["status"] = pick(t, "status", "booked", "booked", "booked", "pending")
		d["booking_date"] = date(t, "booking_date")
		maybe(t, d, "entry_ref", "E1", "E2", "E3")
		maybe(t, d, "text", "salary", "payout PAY1 of shop", "PAY2/PAY3")
		if chance(t, "references", 5) {
			d["references"] = pick(t, "refs", []string{"PAY1"}, []string{"PAY2", "PAY3"}, []string{"PAY9"})
		}
	case "bank.statement":
		d["account"] = pick(t, "account", "1111222233336789", "1111222233339999")
		from := rapid.IntRange(0, 11).Draw(t, "from")
		d["from"] = firstDay.AddDate(0, 0, from).Format(time.DateOnly)
		d["to"] = firstDay.AddDate(0, 0, from+rapid.IntRange(0, 5).Draw(t, "days")).Format(time.DateOnly)
	case "coverage":
		d["of"] = pick(t, "of", "gateway", "clearing/UnionPay", "settlement", "payouts", "terminal/T1", "orders")
		maybe(t, d, "mid", "M1")
		from := rapid.IntRange(0, 11).Draw(t, "from")
		d["from"] = firstDay.AddDate(0, 0, from).Format(time.RFC3339)
		d["to"] = firstDay.AddDate(0, 0, from+rapid.IntRange(1, 5).Draw(t, "days")).Format(time.RFC3339)
	case "link.status":
		d["link"] = pick(t, "link", "platform", "platform-network/UnionPay", "network-issuer/ICBC", "platform-bank/ICBC", "merchant-network/M1", "terminal-platform/T1")
		d["state"] = pick(t, "state", "up", "degraded", "down")
	case "notice":
		d["notice"], d["issuer"] = pick(t, "notice", "N1", "N2"), pick(t, "issuer", "bank/ICBC", "platform", "network/UnionPay")
		d["what"] = pick(t, "what", "maintenance", "incident", "resolved", "cancelled")
		from := rapid.IntRange(0, 11).Draw(t, "from")
		d["from"] = firstDay.AddDate(0, 0, from).Format(time.RFC3339)
		maybe(t, d, "to", firstDay.AddDate(0, 0, from+1).Format(time.RFC3339))
		maybe(t, d, "affects", []string{"settlement"}, []string{"payout"}, []string{"authorization", "clearing"})
	case "account.status":
		d["mid"], d["state"] = pick(t, "mid", "M1", "M2"), pick(t, "state", "active", "frozen", "suspended")
		maybe(t, d, "reason", "judicial", "violation", "risk")
	case "limit.policy":
		d["scope"], d["kind"] = pick(t, "scope", "mid/M1", "issuer/ICBC", "tid/T1"), pick(t, "kind", "sale", "payout")
		maybe(t, d, "max_amount", 100, 500)
		maybe(t, d, "daily_amount", 300)
		d["currency"] = "CNY"
	case "risk.decision":
		d["mid"], d["action"] = pick(t, "mid", "M1", "M2"), pick(t, "action", "approve", "hold", "release", "decline")
		maybe(t, d, "rrn", someRRNs...)
		maybe(t, d, "order_id", "O1")
	case "case.opened", "case.closed":
		d["case"], d["what"] = "C1", pick(t, "what", "complaint", "chargeback")
		d["mid"] = "M1"
		maybe(t, d, "rrn", someRRNs...)
	}
	return e
}

func someTransaction(t *rapid.T, d map[string]any) {
	if chance(t, "transaction_time", 3) {
		d["transaction_time"] = moment(t).Format(time.RFC3339)
	}
	maybe(t, d, "original_rrn", someRRNs...)
	maybe(t, d, "original_stan", someSTANs...)
}

// someLine sets the money of a settlement line.
func someLine(t *rapid.T, d map[string]any) {
	someAmount(t, d, "gross")
	gross := d["gross"].(int)
	if d["kind"] != "sale" && d["kind"] != "reserve_release" {
		gross = -gross
	}
	fee := pick(t, "fee", 0, 1, 2, 5)
	if chance(t, "has fee", 2) {
		d["fee"] = fee
	}
	if !chance(t, "no net", 4) {
		d["net"] = gross - fee
	}
	d["settlement_date"] = date(t, "settlement_date")
	maybe(t, d, "payout", "PAY1", "PAY2", "PAY3")
}

var factTypes = []string{
	"terminal.transaction", "terminal.transaction", "terminal.transaction", "gateway.request", "gateway.response", "gateway.response",
	"clearing.line", "clearing.line", "settlement.line", "settlement.line", "settlement.line", "payout.status", "payout.status", "bank.entry", "bank.entry", "bank.entry",
	"gateway.timeout", "gateway.error", "gateway.reversal", "merchant.terms", "calendar.holiday", "sale.order", "bank.statement", "coverage",
	"terminal.health", "terminal.software", "terminal.batch", "operator.action", "clearing.file", "settlement.file", "link.status",
	"notice", "account.status", "limit.policy", "risk.decision", "case.opened", "case.closed",
}

// chaos draws facts that know nothing of each other.
func chaos(t *rapid.T) []event {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
		return anyFact(t, rapid.SampledFrom(factTypes).Draw(t, "type"))
	}), 1, 24).Draw(t, "facts")
}

// trade draws what really happens: payments that several witnesses tell of, each
// with some of the keys, their lines, payouts that carry the lines and entries that
// prove the payouts, each of them missing at times.
func trade(t *rapid.T) []event {
	var events []event
	note := func(source, typ string, at time.Time, data map[string]any) {
		events = append(events, event{source: source, typ: typ, at: at, data: data})
	}
	if chance(t, "terms", 2) {
		events = append(events, anyFact(t, "merchant.terms"))
	}
	terminal := !chance(t, "no terminal", 3)
	gateway := !chance(t, "no gateway", 3)
	clearing := chance(t, "clearing", 2)
	settles := !chance(t, "no settlement", 3)
	strong := chance(t, "strong keys", 2)
	type due struct {
		payout  string
		net     int
		day     int
		account string
	}
	payouts := map[string]*due{}
	var order []string
	for n := range rapid.IntRange(1, 7).Draw(t, "payments") {
		day := rapid.IntRange(0, 4).Draw(t, "day")
		at := firstDay.AddDate(0, 0, day).Add(time.Duration(pick(t, "minute", 600, 600, 601, 604, 720, 1380, 1410)) * time.Minute)
		amount := pick(t, "amount", someAmounts...)
		keys := map[string]any{
			"mid": pick(t, "mid", "M1", "M1", "M1", "M2"), "tid": pick(t, "tid", "T1", "T1", "T2"), "batch": fmt.Sprintf("%06d", day/3),
			"stan": pick(t, "stan", someSTANs...), "rrn": pick(t, "rrn", someRRNs...), "auth_code": pick(t, "auth", "A00001", "A00002"),
			"pan": pick(t, "pan", somePANs...), "order_id": pick(t, "order", "O1", "O2", "O3"), "currency": "CNY",
		}
		if strong {
			keys["rrn"], keys["stan"] = fmt.Sprintf("60611000%04d", n), fmt.Sprintf("%06d", n)
		}
		data := func(field string, amount int, add map[string]any, drop ...string) map[string]any {
			d := map[string]any{field: amount}
			for _, k := range slices.Sorted(maps.Keys(keys)) {
				if k == "mid" || k == "currency" || !chance(t, "without "+k, 3) {
					d[k] = keys[k]
				}
			}
			for k, v := range add {
				d[k] = v
			}
			for _, k := range drop {
				delete(d, k)
			}
			return d
		}
		charged := true
		if terminal && !chance(t, "unseen at the terminal", 5) {
			result := pick(t, "result", "approved", "approved", "approved", "approved", "declined", "timeout")
			charged = result == "approved"
			note("terminal", "terminal.transaction", at, data("amount", amount, map[string]any{"kind": "sale", "result": result}))
		}
		if gateway && !chance(t, "unseen at the gateway", 5) {
			note("gateway", "gateway.request", at.Add(time.Second), data("amount", amount, map[string]any{"kind": "sale"}, "auth_code"))
			code := pick(t, "code", "00", "00", "00", "00", "51", "96")
			charged = code == "00"
			note("gateway", "gateway.response", at.Add(2*time.Second), data("amount", amount, map[string]any{"kind": "sale", "response_code": code}))
		}
		if chance(t, "order", 4) {
			note("till", "sale.order", at.Add(-time.Minute), map[string]any{"mid": keys["mid"], "order_id": keys["order_id"], "amount": pick(t, "ordered", someAmounts...), "currency": "CNY"})
		}
		if !charged && !chance(t, "settled all the same", 8) {
			continue
		}
		night := firstDay.AddDate(0, 0, day+1).Add(2 * time.Hour)
		if clearing && !chance(t, "not cleared", 5) {
			d := data("amount", amount, map[string]any{"kind": "sale", "clearing_date": firstDay.AddDate(0, 0, day).Format(time.DateOnly)})
			if chance(t, "transaction_time", 2) {
				d["transaction_time"] = at.Format(time.RFC3339)
			}
			note("clearing", "clearing.line", night, d)
		}
		if settles && !chance(t, "not settled", 5) {
			presented := amount
			if chance(t, "other amount", 12) {
				presented = pick(t, "presented", someAmounts...)
			}
			fee := pick(t, "fee", 0, 1, 1, 2)
			sent := day + 1 + rapid.IntRange(0, 1).Draw(t, "late")
			id := fmt.Sprintf("PAY%s%d", keys["mid"], sent)
			d := data("gross", presented, map[string]any{"kind": "sale", "fee": fee, "net": presented - fee, "settlement_date": firstDay.AddDate(0, 0, sent).Format(time.DateOnly)})
			if !chance(t, "no payout id", 4) {
				d["payout"] = id
			}
			if chance(t, "transaction_time", 2) {
				d["transaction_time"] = at.Format(time.RFC3339)
			}
			note("settlement", "settlement.line", firstDay.AddDate(0, 0, sent).Add(9*time.Hour), d)
			add := func(net int) {
				if payouts[id] == nil {
					payouts[id] = &due{payout: id, day: sent, account: pick(t, "account", "1111222233336789", "1111222233339999")}
					order = append(order, id)
				}
				payouts[id].net += net
			}
			add(presented - fee)
			if chance(t, "undone", 4) {
				kind := pick(t, "undo", "refund", "chargeback", "adjustment", "reserve", "fee")
				part := pick(t, "part", presented, presented/2, 7)
				d := data("gross", part, map[string]any{"kind": kind, "net": -part, "settlement_date": firstDay.AddDate(0, 0, sent).Format(time.DateOnly)})
				if !chance(t, "no payout id", 4) {
					d["payout"] = id
				}
				if chance(t, "names the original", 2) {
					d["original_rrn"] = keys["rrn"]
				}
				note("settlement", "settlement.line", firstDay.AddDate(0, 0, sent).Add(9*time.Hour+time.Minute), d)
				add(-part)
			}
		}
		if chance(t, "void", 8) {
			note("terminal", "terminal.transaction", at.Add(5*time.Minute), data("amount", amount, map[string]any{"kind": pick(t, "undone by", "void", "refund", "reversal"), "result": "approved", "original_rrn": keys["rrn"], "original_stan": keys["stan"]}, "rrn", "stan"))
		}
	}
	spoken := chance(t, "payouts are told", 2)
	credit := 0
	for _, id := range order {
		p := payouts[id]
		sent := firstDay.AddDate(0, 0, p.day).Add(15 * time.Hour)
		if spoken && !chance(t, "untold", 5) {
			d := map[string]any{"mid": id[3:5], "payout": id, "amount": max(p.net, 0), "currency": "CNY", "account": p.account, "state": pick(t, "state", "sent", "sent", "accepted", "credited", "returned", "held")}
			note("payout", "payout.status", sent, d)
			if d["state"] == "returned" && chance(t, "sent again", 2) {
				again := map[string]any{"mid": id[3:5], "payout": id + "R", "replaces": id, "amount": max(p.net, 0), "currency": "CNY", "account": p.account, "state": "sent"}
				note("payout", "payout.status", sent.AddDate(0, 0, 1), again)
			}
		}
		if p.net <= 0 || chance(t, "no entry", 4) {
			continue
		}
		// An entry for this payout, or together with the next.
		credit += p.net
		if chance(t, "together with the next", 4) {
			continue
		}
		amount := credit
		if chance(t, "less came", 8) {
			amount--
		}
		credit = 0
		d := map[string]any{"account": p.account, "amount": amount, "currency": "CNY", "direction": "credit", "status": "booked", "booking_date": firstDay.AddDate(0, 0, p.day+rapid.IntRange(0, 2).Draw(t, "booked after")).Format(time.DateOnly)}
		if chance(t, "by reference", 3) {
			d["references"] = []string{id}
		}
		if chance(t, "entry_ref", 2) {
			d["entry_ref"] = "E" + id
		}
		note("bank", "bank.entry", sent.AddDate(0, 0, 1), d)
		if chance(t, "told twice", 4) {
			note("bank2", "bank.entry", sent.AddDate(0, 0, 1), d)
		}
	}
	if chance(t, "statement", 2) {
		note("bank", "bank.statement", firstDay.AddDate(0, 0, 12), map[string]any{"account": "1111222233336789", "from": "2026-03-02", "to": "2026-03-12"})
	}
	for range rapid.IntRange(0, 4).Draw(t, "strays") {
		events = append(events, anyFact(t, rapid.SampledFrom(factTypes).Draw(t, "type")))
	}
	return events
}

// someEvidence draws the facts of one question: ids of their own, some facts
// repeated, some contradicted by another of the same source and id, some recorded
// late.
func someEvidence(t *rapid.T) []event {
	var events []event
	if rapid.Bool().Draw(t, "chaos") {
		events = chaos(t)
	} else {
		events = trade(t)
	}
	if len(events) == 0 {
		events = []event{anyFact(t, "settlement.line")}
	}
	for i := range events {
		events[i].id = fmt.Sprintf("e%d", i+1)
		if chance(t, "recorded late", 8) {
			events[i].recorded = events[i].at.Add(pick(t, "by", -time.Hour, time.Hour, 48*time.Hour))
		}
	}
	for range rapid.IntRange(0, 2).Draw(t, "repeated") {
		e := events[rapid.IntRange(0, len(events)-1).Draw(t, "which")]
		if chance(t, "recorded otherwise", 2) {
			e.recorded = e.at.Add(pick(t, "by", time.Hour, 48*time.Hour))
		}
		events = append(events, e)
	}
	for range rapid.IntRange(0, 1).Draw(t, "contradicted") {
		old := events[rapid.IntRange(0, len(events)-1).Draw(t, "which")]
		e := anyFact(t, old.typ)
		e.source, e.id = old.source, old.id
		events = append(events, e)
	}
	return events
}

// someQuestion draws the moment of the question, at times in the midst of the facts.
func someQuestion(t *rapid.T) time.Time {
	return firstDay.Add(time.Duration(pick(t, "as of hour", 24*40, 24*14+12, 24*8+9, 24*4+20, 24*2+15)) * time.Hour)
}
