package risk_test

import (
	"testing"

	"daozhang/internal/risk"
)

// TestMoved: what a terminal says of its place is held against what the register
// says, each by its own measure, and only where they can be compared.
func TestMoved(t *testing.T) {
	const shop = "31.230416,121.473701"
	for name, c := range map[string]struct {
		said, installed string
		want            risk.Action
	}{
		"nothing said":               {"", shop, risk.Approve},
		"nothing registered":         {shop, "", risk.Approve},
		"the same coordinates":       {shop, shop, risk.Approve},
		"another grid of the map":    {"31.236242,121.480245", shop, risk.Approve},
		"the next district":          {"31.250416,121.473701", shop, risk.Hold},
		"another city":               {"30.621555,114.361954", shop, risk.Hold},
		"west of the date line":      {"10.0,-179.999", "10.0,179.999", risk.Approve},
		"no degrees":                 {"NaN,NaN", shop, risk.Approve},
		"the same cell":              {"460-00-28688-43222849", "460-00-28688-43222849", risk.Approve},
		"another cell of the area":   {"460-00-28688-1", "460-00-28688", risk.Approve},
		"another area":               {"460-00-28689-43222849", "460-00-28688-43222849", risk.Hold},
		"a cell against coordinates": {"460-00-28688-1", shop, risk.Approve},
		"one of two places":          {"460-00-28688-1", shop + "; 460-00-28688", risk.Approve},
		"none of two places":         {"460-01-1-1", "460-00-28688; 460-00-28700", risk.Hold},
		"the nearer of two shops":    {"31.2305,121.4738", "39.9,116.4; " + shop, risk.Approve},
		"another word":               {"market hall", "harbour", risk.Hold},
	} {
		got := risk.NewDoor(nil).Decide(try(func(a *risk.Attempt) { a.Location, a.Installed = c.said, c.installed }))
		if got.Action != c.want || c.want == risk.Hold && got.Rule != "terminal.moved" {
			t.Errorf("%s: %v by %q, want %v", name, got.Action, got.Rule, c.want)
		}
	}
}

// FuzzCompile: whatever stands in a rule file, it is refused or it decides.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{"", "version: x\n", "limits:\n- {name: a, max_amount: 1}\n",
		"version: t\nrules:\n- {name: a.b, title: {en: A, zh: 甲}, when: amount / (amount - 1) > 3, action: decline, score: 9}\n",
		"lists:\n- {kind: prefix, value: \"62\", allow: true, until: 2026-01-01T00:00:00Z}\nescalate:\n- {score: 1, action: hold}\n", "rules: [*a]", "&a [*a]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rs, err := risk.Compile(text)
		if err != nil {
			return
		}
		d := risk.NewDoor(rs)
		a := try(func(*risk.Attempt) {})
		before := d.Decide(a)
		for i := range 4 {
			d.Observe(&risk.Event{Outcome: risk.Outcome(i % 3), At: a.At, Date: a.Date, MID: a.MID, TID: a.TID, Card: a.Card, Operation: a.Operation, Amount: a.Amount})
		}
		if after := risk.NewDoor(rs).Decide(a); string(after.Trace) != string(before.Trace) {
			t.Errorf("one attempt, two decisions:\n%s\n%s", before.Trace, after.Trace)
		}
	})
}
