package risk_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/money"
	"daozhang/internal/risk"

	"pgregory.net/rapid"
)

var (
	cny, _   = money.ParseCurrency("CNY")
	shanghai = time.FixedZone("", 8*3600)
	noon     = time.Date(2026, 3, 2, 12, 0, 0, 0, shanghai)
)

func door(t testing.TB, set string) *risk.Door {
	t.Helper()
	rs, err := risk.Compile([]byte(set))
	if err != nil {
		t.Fatal(err)
	}
	return risk.NewDoor(rs)
}

// try is an attempt with the usual values.
func try(change func(*risk.Attempt)) *risk.Attempt {
	a := &risk.Attempt{At: noon, Date: calendar.MustYMD(2026, 3, 2), Zone: shanghai, MID: "M1", TID: "T1", MCC: "5411", Operation: "sale",
		Card: "c1", Prefix: "62220212", CardType: "debit", Entry: "chip", Amount: 12850, Currency: cny}
	if change != nil {
		change(a)
	}
	return a
}

// went tells the door that an attempt was started.
func went(d *risk.Door, a *risk.Attempt) {
	d.Observe(event(a, risk.Started))
}

func event(a *risk.Attempt, o risk.Outcome) *risk.Event {
	return &risk.Event{Outcome: o, At: a.At, Date: a.Date, Local: a.At.In(a.Zone).Hour(), MID: a.MID, TID: a.TID, Card: a.Card,
		Credit: a.CardType == "credit", Operation: a.Operation, Amount: a.Amount}
}

const limits = `
version: test
limits:
  - {name: single, card_type: credit, max_amount: 5000000}
`

// times plays n attempts a minute apart before the last, which is returned.
func times(n int, gap time.Duration, change func(i int, a *risk.Attempt)) []*risk.Attempt {
	var all []*risk.Attempt
	for i := range n {
		a := try(func(a *risk.Attempt) { a.At = noon.Add(-gap * time.Duration(n-1-i)) })
		change(i, a)
		all = append(all, a)
	}
	return all
}

// TestFloorRules has for each rule of the floor a story in which it fires and the
// nearest one in which it does not.
func TestFloorRules(t *testing.T) {
	credit := func(amount int64) func(int, *risk.Attempt) {
		return func(i int, a *risk.Attempt) { a.CardType, a.Amount, a.Card = "credit", amount, fmt.Sprint("c", i) }
	}
	type story []*risk.Attempt
	cases := map[string]struct{ fires, not story }{
		"cashout.round_repeated": {times(4, time.Hour, credit(500000)), times(4, time.Hour, credit(512350))},
		"cashout.near_limit": {
			times(3, time.Hour, func(i int, a *risk.Attempt) {
				a.CardType, a.Amount, a.Card = "credit", 4990000-int64(i)*137, fmt.Sprint("c", i)
			}),
			times(3, time.Hour, func(i int, a *risk.Attempt) {
				a.CardType, a.Amount, a.Card = "credit", 4200000-int64(i)*137, fmt.Sprint("c", i)
			}),
		},
		"cashout.card_returns": {
			times(5, time.Hour, func(i int, a *risk.Attempt) { a.CardType, a.Amount = "credit", 210011+int64(i) }),
			times(5, time.Hour, func(i int, a *risk.Attempt) { a.CardType, a.Amount = "debit", 210011+int64(i) }),
		},
		"cashout.night": {
			story{try(func(a *risk.Attempt) { a.CardType, a.Amount, a.At = "credit", 880000, noon.Add(-9*time.Hour) })},
			story{try(func(a *risk.Attempt) {
				a.CardType, a.Amount, a.At, a.MCC = "credit", 880000, noon.Add(-9*time.Hour), "8062"
			})},
		},
		"cashout.split": {
			times(3, 2*time.Minute, func(i int, a *risk.Attempt) { a.Amount = 190011 + int64(i) }),
			times(3, 11*time.Minute, func(i int, a *risk.Attempt) { a.Amount = 190011 + int64(i) }),
		},
		"cashout.swipe_then_refund": {
			story{try(func(a *risk.Attempt) {
				a.Operation, a.OriginalAt, a.OriginalCard = "refund", noon.Add(-time.Minute), "c9"
			})},
			story{try(func(a *risk.Attempt) {
				a.Operation, a.OriginalAt, a.OriginalCard = "refund", noon.Add(-time.Minute), "c1"
			})},
		},
		"cashout.credit_only": {
			times(21, 30*time.Minute, func(i int, a *risk.Attempt) {
				a.CardType, a.Amount, a.Card = "credit", 510023+int64(i), fmt.Sprint("c", i)
			}),
			times(21, 30*time.Minute, func(i int, a *risk.Attempt) {
				a.CardType, a.Amount, a.Card = "credit", 510023+int64(i), fmt.Sprint("c", i)
				if i%4 == 0 {
					a.CardType = "debit"
				}
				if i == 20 {
					a.CardType = "credit"
				}
			}),
		},
		"terminal.moved": {
			story{try(func(a *risk.Attempt) { a.Location, a.Installed = "460-00-1", "460-00-2" })},
			story{try(func(a *risk.Attempt) { a.Location, a.Installed = "460-00-2", "460-00-2" })},
		},
		"fraud.card_everywhere": {
			times(9, time.Hour, func(i int, a *risk.Attempt) { a.TID, a.Amount = fmt.Sprint("T", i%7), 2011+int64(i) }),
			times(9, time.Hour, func(i int, a *risk.Attempt) { a.TID, a.Amount = fmt.Sprint("T", i%3), 2011+int64(i) }),
		},
		"fraud.same_again": {
			times(4, time.Hour, func(_ int, a *risk.Attempt) { a.Amount = 58812 }),
			times(4, time.Hour, func(i int, a *risk.Attempt) { a.Amount = 58812 + int64(i) }),
		},
		"fraud.manual_large": {
			story{try(func(a *risk.Attempt) { a.Entry, a.Amount = "manual", 612345 })},
			story{try(func(a *risk.Attempt) { a.Amount = 612345 })},
		},
	}
	for name, c := range cases {
		for i, s := range []story{c.fires, c.not} {
			d := door(t, limits)
			var last risk.Decision
			for _, a := range s {
				last = d.Decide(a)
				e := event(a, risk.Started)
				e.NearLimit = last.NearLimit
				d.Observe(e)
			}
			fired := slices.ContainsFunc(last.Fired, func(f risk.Finding) bool { return f.Rule == name })
			if fired != (i == 0) {
				t.Errorf("%s, story %d: fired %v: %+v\n%s", name, i, fired, last.Fired, last.Trace)
			}
			if fired && last.Action == risk.Approve {
				t.Errorf("%s fired and nothing came of it", name)
			}
		}
	}
	// Declines are told by outcome, not by attempts.
	for n, want := range map[int]bool{5: true, 4: false} {
		d := door(t, "")
		for i := range n {
			a := try(func(a *risk.Attempt) { a.At = noon.Add(-time.Duration(i+1) * time.Minute) })
			went(d, a)
			d.Observe(event(a, risk.Refused))
		}
		got := d.Decide(try(nil))
		if fired := got.Rule == "fraud.card_testing" && got.Action == risk.Decline && got.Code.String() == "59"; fired != want {
			t.Errorf("after %d declines: %+v", n, got)
		}
	}
	for _, r := range risk.Floor().All() {
		if _, ok := cases[r.Name]; !ok && r.Name != "fraud.card_testing" {
			t.Errorf("rule %s has no story", r.Name)
		}
	}
}

func TestLimits(t *testing.T) {
	const set = `
version: test
limits:
  - {name: credit-single, card_type: credit, max_amount: 100000}
  - {name: least, min_amount: 100}
  - {name: shop-day, mid: M1, operation: sale, per: merchant, daily_amount: 300000}
  - {name: terminal-count, tid: T2, per: terminal, daily_count: 2}
  - {name: card-day, per: card, daily_count: 3}
`
	for name, c := range map[string]struct {
		before []*risk.Attempt
		a      *risk.Attempt
		rule   string
		code   string
	}{
		"within":                {nil, try(nil), "", ""},
		"single, credit":        {nil, try(func(a *risk.Attempt) { a.CardType, a.Amount = "credit", 100001 }), "limit.credit-single", "61"},
		"single, at the bound":  {nil, try(func(a *risk.Attempt) { a.CardType, a.Amount = "credit", 100000 }), "", ""},
		"single, debit is free": {nil, try(func(a *risk.Attempt) { a.Amount = 100001 }), "", ""},
		"too little":            {nil, try(func(a *risk.Attempt) { a.Amount = 99 }), "limit.least", "13"},
		"day of a merchant": {times(2, 3*time.Hour, func(i int, a *risk.Attempt) { a.Amount, a.Card, a.TID = 140000, fmt.Sprint(i), fmt.Sprint(i) }),
			try(func(a *risk.Attempt) { a.Amount = 20001 }), "limit.shop-day", "61"},
		"day of a merchant, just": {times(2, 3*time.Hour, func(i int, a *risk.Attempt) { a.Amount, a.Card, a.TID = 140000, fmt.Sprint(i), fmt.Sprint(i) }),
			try(func(a *risk.Attempt) { a.Amount = 20000 }), "", ""},
		"the next day is new": {times(2, 3*time.Hour, func(i int, a *risk.Attempt) { a.Amount, a.Card = 140000, fmt.Sprint(i) }),
			try(func(a *risk.Attempt) { a.Amount, a.Date = 20001, a.Date.Add(1) }), "", ""},
		"count of a terminal": {times(2, time.Hour, func(i int, a *risk.Attempt) { a.TID, a.Card = "T2", fmt.Sprint(i) }),
			try(func(a *risk.Attempt) { a.TID = "T2" }), "limit.terminal-count", "65"},
		"count of a card": {times(3, time.Hour, func(i int, a *risk.Attempt) { a.TID = fmt.Sprint(i) }), try(nil), "limit.card-day", "65"},
	} {
		d := door(t, set)
		for _, b := range c.before {
			went(d, b)
		}
		got := d.Decide(c.a)
		if c.rule != got.Rule && !(c.rule == "" && got.Action != risk.Decline) {
			t.Errorf("%s: %+v", name, got)
		}
		if c.rule != "" && (got.Action != risk.Decline || got.Code.String() != c.code) {
			t.Errorf("%s: %s %s, want a decline with %s", name, got.Action, got.Code, c.code)
		}
	}
	// What was undone is given back.
	d := door(t, set)
	for _, b := range times(3, time.Hour, func(i int, a *risk.Attempt) { a.TID = fmt.Sprint(i) }) {
		went(d, b)
		d.Observe(event(b, risk.Undone))
	}
	if got := d.Decide(try(nil)); got.Action == risk.Decline {
		t.Errorf("undone payments still count: %+v", got)
	}
}

func TestLists(t *testing.T) {
	const set = `
version: test
lists:
  - {kind: card, value: c1, reason: stolen}
  - {kind: prefix, value: "622848", until: 2026-03-02T05:00:00Z}
  - {kind: tid, value: T7, allow: true}
rules:
  - name: shop.manual
    title: {en: By hand, zh: 手输}
    when: entry == "manual"
    action: decline
    code: "57"
    score: 10
`
	for name, c := range map[string]struct {
		change func(*risk.Attempt)
		rule   string
		action risk.Action
	}{
		"blocked card":            {nil, "list.block", risk.Decline},
		"another card":            {func(a *risk.Attempt) { a.Card = "c2" }, "", risk.Approve},
		"blocked range":           {func(a *risk.Attempt) { a.Card, a.Prefix = "c2", "62284801" }, "list.block", risk.Decline},
		"its time is over":        {func(a *risk.Attempt) { a.Card, a.Prefix, a.At = "c2", "62284801", noon.Add(2*time.Hour) }, "", risk.Approve},
		"a rule of the shop":      {func(a *risk.Attempt) { a.Card, a.Entry = "c2", "manual" }, "shop.manual", risk.Decline},
		"allowed past the rule":   {func(a *risk.Attempt) { a.Card, a.Entry, a.TID = "c2", "manual", "T7" }, "", risk.Approve},
		"not past the floor":      {func(a *risk.Attempt) { a.Card, a.TID, a.Location, a.Installed = "c2", "T7", "x", "y" }, "terminal.moved", risk.Hold},
		"not past a block either": {func(a *risk.Attempt) { a.TID = "T7" }, "list.block", risk.Decline},
	} {
		got := door(t, set).Decide(try(c.change))
		if got.Rule != c.rule || got.Action != c.action {
			t.Errorf("%s: %s by %q, want %s by %q", name, got.Action, got.Rule, c.action, c.rule)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	rule := func(when, rest string) string {
		return "version: v\nrules:\n  - {name: a.b, title: {en: x, zh: x}, when: '" + when + "', action: review" + rest + "}\n"
	}
	for name, set := range map[string]string{
		"no version":              "rules: []",
		"an unknown key":          "version: v\nrule: []",
		"an unknown signal":       rule("amuont > 3", ""),
		"a comparison of kinds":   rule(`amount > "3"`, ""),
		"not a predicate":         rule("amount + 1", ""),
		"an unknown action":       strings.Replace(rule("true", ""), "review", "laugh", 1),
		"a code that approves":    rule("true", `, code: "00"`),
		"an open code":            rule("true", `, code: "96"`),
		"a floor of one's own":    rule("true", ", floor: true"),
		"a rule of the floor":     strings.Replace(rule("false", ""), "a.b", "cashout.night", 1),
		"an unknown operation":    rule("true", ", operations: [gamble]"),
		"no title":                "version: v\nrules:\n  - {name: a.b, when: 'true', action: review}\n",
		"an unknown scope":        "version: v\nlimits:\n  - {name: x, per: planet, daily_count: 1}\n",
		"a negative limit":        "version: v\nlimits:\n  - {name: x, max_amount: -1}\n",
		"an entry without value":  "version: v\nlists:\n  - {kind: card}\n",
		"an entry of what":        "version: v\nlists:\n  - {kind: shoe, value: x}\n",
		"escalation to what":      "version: v\nescalate:\n  - {score: 1, action: panic}\n",
		"an approval with points": strings.Replace(rule("true", ", score: 5"), "review", "approve", 1),
	} {
		_, err := risk.Compile([]byte(set))
		if err == nil || fault.KindOf(err) != fault.Invalid || fault.HintOf(err) == "" && !strings.Contains(err.Error(), "yaml") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestTrace: the trace is JSON, names the set, and has every value that the rules
// saw, and no card.
func TestTrace(t *testing.T) {
	d := door(t, limits)
	got := d.Decide(try(func(a *risk.Attempt) {
		a.CardType, a.Amount, a.Card, a.Location, a.Installed = "credit", 880000, "secret", "x", "y"
	}))
	var trace struct {
		Set    string
		Action string
		Score  int
		Fired  []string
		Saw    map[string]any
	}
	if err := json.Unmarshal(got.Trace, &trace); err != nil {
		t.Fatalf("%v in %s", err, got.Trace)
	}
	if trace.Set != "floor-2+test" || trace.Action != "hold" || trace.Score != 50 || !slices.Equal(trace.Fired, []string{"terminal.moved"}) {
		t.Errorf("%+v", trace)
	}
	if trace.Saw["moved"] != true || trace.Saw["amount"] != 880000.0 || trace.Saw["limit"] != 5000000.0 {
		t.Errorf("saw %v", trace.Saw)
	}
	if strings.Contains(string(got.Trace), "secret") {
		t.Error("the card's token is in the trace")
	}
}

// TestScoresAddUp: several light findings weigh as much as a heavy one.
func TestScoresAddUp(t *testing.T) {
	d := door(t, "version: t")
	got := d.Decide(try(func(a *risk.Attempt) {
		a.CardType, a.Entry, a.Amount, a.At = "credit", "manual", 880000, noon.Add(-9*time.Hour)
	}))
	if got.Action != risk.Hold || got.Rule != "score" || got.Score != 60 {
		t.Errorf("%+v", got)
	}
}

// TestWindowAgainstModel holds the counters against a plain recount.
func TestWindowAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rs, err := risk.Compile([]byte(`
version: count
rules:
  - {name: all.seen, title: {en: x, zh: x}, operations: [sale], when: "card_24h + card_1h + card_terminal_24h + terminal_24h + terminal_1h + same_amount_24h + card_terminals_24h + card_merchant_10m >= 0 and card_merchant_amount_10m >= 0 and terminal_amount_24h >= 0", action: approve}
`))
		if err != nil {
			t.Fatal(err)
		}
		d := risk.NewDoor(rs)
		var live []*risk.Attempt
		at := noon
		for range rapid.IntRange(0, 60).Draw(t, "n") {
			at = at.Add(time.Duration(rapid.IntRange(1, 5000).Draw(t, "gap")) * time.Second)
			if len(live) > 0 && rapid.IntRange(0, 4).Draw(t, "undo") == 0 {
				i := rapid.IntRange(0, len(live)-1).Draw(t, "which")
				d.Observe(event(live[i], risk.Undone))
				live = slices.Delete(live, i, i+1)
				continue
			}
			a := try(func(a *risk.Attempt) {
				a.At, a.Date = at, calendar.DateIn(at, shanghai)
				a.Card = rapid.SampledFrom([]string{"c1", "c2"}).Draw(t, "card")
				a.TID = rapid.SampledFrom([]string{"T1", "T2"}).Draw(t, "tid")
				a.Amount = rapid.SampledFrom([]int64{100, 200}).Draw(t, "amount")
			})
			went(d, a)
			live = append(live, a)
		}
		now := try(func(a *risk.Attempt) { a.At, a.Amount = at.Add(time.Second), 100 })
		var want struct{ card24, card1, cardTerminal, terminal24, terminal1, same, ten int }
		var tenAmount, terminalAmount int64
		for _, a := range live {
			age := now.At.Sub(a.At)
			if age > 24*time.Hour {
				continue
			}
			if a.Card == "c1" {
				want.card24++
				if age < time.Hour {
					want.card1++
				}
				if a.TID == "T1" {
					want.cardTerminal++
				}
				if age < 10*time.Minute {
					want.ten++
					tenAmount += a.Amount
				}
			}
			if a.TID == "T1" {
				want.terminal24++
				terminalAmount += a.Amount
				if age < time.Hour {
					want.terminal1++
				}
				if a.Amount == 100 {
					want.same++
				}
			}
		}
		var trace struct{ Saw map[string]any }
		if err := json.Unmarshal(d.Decide(now).Trace, &trace); err != nil {
			t.Fatal(err)
		}
		for name, n := range map[string]int64{"card_24h": int64(want.card24), "card_1h": int64(want.card1), "card_terminal_24h": int64(want.cardTerminal),
			"terminal_24h": int64(want.terminal24), "terminal_1h": int64(want.terminal1), "same_amount_24h": int64(want.same),
			"card_merchant_10m": int64(want.ten), "card_merchant_amount_10m": tenAmount, "terminal_amount_24h": terminalAmount} {
			if trace.Saw[name] != float64(n) {
				t.Fatalf("%s is %v, want %d", name, trace.Saw[name], n)
			}
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	d := door(b, limits)
	a := try(nil)
	b.ReportAllocs()
	for b.Loop() {
		d.Decide(a)
	}
}
