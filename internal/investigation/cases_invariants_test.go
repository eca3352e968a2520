package investigation_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"time"
)

// invariants checks what the contract promises of every answer, whatever the facts.
func (c story) invariants(doc map[string]any, asOf time.Time) []string {
	var wrong []string
	fail := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }

	// What is not known is absent; a null is never written.
	if path := nullAt(doc, "$"); path != "" {
		fail("null at %s", path)
	}

	known := map[string]bool{}
	booked := false
	for _, f := range c.facts {
		if f.knownAt(asOf) {
			known[f.ref] = true
			booked = booked || f.booked
		}
	}

	payments := objects(doc["payments"])
	counts := map[string]map[string]int64{}
	var before time.Time
	var beforeID string
	seen := map[string]bool{}
	for _, p := range payments {
		id, _ := p["id"].(string)
		if id == "" || seen[id] {
			fail("payment id %q is empty or listed twice", id)
		}
		seen[id] = true
		for _, field := range []string{"arrived", "missing", "overdue_by"} {
			if n, ok := p[field].(json.Number); !ok {
				fail("payment %s: %s is not there", id, field)
			} else if number(n).Sign() < 0 {
				fail("payment %s: %s is %s", id, field, n)
			}
		}

		// Money has only arrived when a booked entry on the merchant's account says so.
		if number(p["arrived"]).Sign() > 0 && !booked {
			fail("payment %s: arrived is %v and no booked entry is known", id, p["arrived"])
		}

		// A leg is late exactly when it is called so.
		late := number(p["overdue_by"]).Sign() > 0
		if p["status"] == "overdue" && !late || p["status"] == "in_transit" && late {
			fail("payment %s: status %v with overdue_by %v", id, p["status"], p["overdue_by"])
		}

		// A cause rests on facts that are known at the moment.
		for _, ref := range flatten(lookup(p, []string{"cause", "evidence"})) {
			if s, _ := ref.(string); !known[s] {
				fail("payment %s: its cause rests on %v, which is not known at %s", id, ref, asOf.Format(time.RFC3339))
			}
		}
		for _, confidence := range append(lookup(p, []string{"cause", "confidence"}), lookup(p, []string{"cause", "alternatives[]", "confidence"})...) {
			if n := number(confidence); n.Sign() < 0 || n.Cmp(big.NewRat(1, 1)) > 0 {
				fail("payment %s: confidence %v", id, confidence)
			}
		}

		// Each payment once, in order of time, then id.
		when, err := time.Parse(time.RFC3339, fmt.Sprint(p["time"]))
		if err != nil {
			fail("payment %s: time: %v", id, err)
		}
		if when.Before(before) || when.Equal(before) && id < beforeID {
			fail("payment %s stands after %s", id, beforeID)
		}
		before, beforeID = when, id

		currency, status := fmt.Sprint(p["currency"]), fmt.Sprint(p["status"])
		if counts[currency] == nil {
			counts[currency] = map[string]int64{}
		}
		counts[currency][status]++
	}

	// The summary counts each payment once under its status.
	summary, _ := doc["summary"].(map[string]any)
	for currency, statuses := range counts {
		for status, n := range statuses {
			if got := lookup(summary, []string{currency, status, "count"}); len(got) != 1 || number(got[0]).Cmp(big.NewRat(n, 1)) != 0 {
				fail("summary: %s %s counts %v, want %d", currency, status, got, n)
			}
		}
	}

	// The money map adds up to the last minor unit.
	columns := []string{"arrived", "confirmed", "fees", "refunded", "chargebacks", "reserves", "adjustments", "held", "in_transit", "overdue", "unproven", "short", "unknown"}
	for _, row := range objects(doc["money_map"]) {
		sum := new(big.Rat)
		for _, column := range columns {
			if byStage, ok := row[column].(map[string]any); ok {
				for _, amount := range byStage {
					sum.Add(sum, number(amount))
				}
			} else {
				sum.Add(sum, number(row[column]))
			}
		}
		if gross := number(row["gross"]); gross.Cmp(sum) != 0 {
			fail("money map: gross %v, but its places add up to %s: %s", row["gross"], sum.RatString(), compact(row))
		}
	}
	for _, account := range objects(doc["accounts"]) {
		sum := new(big.Rat).Add(number(account["placed"]), number(account["unplaced"]))
		if number(account["booked"]).Cmp(sum) != 0 {
			fail("account: booked is not placed + unplaced: %s", compact(account))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// number reads a JSON number; what is absent counts as nothing.
func number(v any) *big.Rat {
	if n, ok := v.(json.Number); ok {
		if r, ok := new(big.Rat).SetString(n.String()); ok {
			return r
		}
	}
	return new(big.Rat)
}

// nullAt finds the path of a null.
func nullAt(v any, path string) string {
	switch v := v.(type) {
	case nil:
		return path
	case map[string]any:
		for name, item := range v {
			if at := nullAt(item, path+"."+name); at != "" {
				return at
			}
		}
	case []any:
		for i, item := range v {
			if at := nullAt(item, fmt.Sprintf("%s[%d]", path, i)); at != "" {
				return at
			}
		}
	}
	return ""
}
