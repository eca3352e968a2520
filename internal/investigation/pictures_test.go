package investigation_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/match"
	"daozhang/internal/money"
)

// samePictures holds what pictures are made of against the whole answer.
func samePictures(t failer, c *investigation.Current, whole *investigation.Answer) {
	v := whole.View
	late, expected := map[string]int{}, map[string]int64{}
	before := c.AsOf().Add(5 * 24 * 3600e9)
	for p := range whole.Each {
		if p.Status == journey.Overdue {
			code := ""
			if p.Verdict.Cause != nil {
				code = p.Verdict.Cause.Code
			}
			late[fmt.Sprint(code, p.LegDue, p.Currency, p.Missing)]++
		}
		if at := p.Verdict.Expected.Likely; at != 0 && at < before && p.Missing > 0 {
			expected[fmt.Sprint(at, p.Currency)] += p.Missing
		}
	}
	gotLate, gotExpected := map[string]int{}, map[string]int64{}
	c.EachLate(func(l investigation.Late) {
		code := ""
		if l.Cause != nil {
			code = l.Cause.Code
		}
		gotLate[fmt.Sprint(code, l.Due, l.Currency, l.Missing)]++
	})
	c.EachExpected(before, func(at evidence.Instant, m money.Currency, missing int64) { gotExpected[fmt.Sprint(at, m)] += missing })
	if !maps.Equal(late, gotLate) {
		t.Fatal(fmt.Sprintf("late: got %v, want %v", gotLate, late))
	}
	if !maps.Equal(expected, gotExpected) {
		t.Fatal(fmt.Sprintf("expected: got %v, want %v", gotExpected, expected))
	}
	samePayouts(t, c, whole)
	credits := map[string]int{}
	for _, p := range whole.Match.Payouts {
		if len(p.Entries) > 0 && p.Sent != 0 {
			credits[p.Bank]++
		}
	}
	c.EachCredit(func(bank string, days int) {
		if credits[bank]--; days < 0 {
			t.Fatal(fmt.Sprintf("%s took %d days", bank, days))
		}
	})
	for bank, n := range credits {
		if n < 0 {
			t.Fatal(fmt.Sprintf("%s: %d credits too many", bank, -n))
		}
	}
	told := map[string]int{}
	for _, f := range v.Facts {
		told[v.Words.Text(f.Source)+" "+f.Type.String()]++
	}
	for _, s := range c.Sources() {
		key := s.Name + " " + s.What.String()
		if s.Facts < told[key] || s.Last > c.AsOf() {
			t.Fatal(fmt.Sprintf("%s: %d facts until %d, of %d", key, s.Facts, s.Last, told[key]))
		}
		delete(told, key)
	}
	if len(told) > 0 {
		t.Fatal(fmt.Sprintf("not heard of: %v", told))
	}
}

// samePayouts follows the pages of the list of payouts, and each payout's lines.
func samePayouts(t failer, c *investigation.Current, whole *investigation.Answer) {
	v := whole.View
	name := func(v *evidence.View, p *match.Payout) string {
		return v.Words.Text(p.MID) + " " + investigation.PayoutID(v, p) + " " + p.Currency.String()
	}
	want := slices.Clone(whole.Match.Payouts)
	slices.SortFunc(want, func(a, b *match.Payout) int {
		if a.Date != b.Date {
			return int(b.Date) - int(a.Date)
		}
		return strings.Compare(name(v, a), name(v, b))
	})
	var names, got []string
	sums := map[money.Currency]investigation.Sum{}
	for _, p := range want {
		names = append(names, name(v, p))
		s := sums[p.Currency]
		sums[p.Currency] = investigation.Sum{Count: s.Count + 1, Amount: s.Amount + p.Amount}
	}
	around := c.Around().View
	for after := (investigation.PayoutMark{}); ; {
		page := c.Payouts(&investigation.PayoutFilter{}, after, 2)
		if fmt.Sprint(page.Sums) != fmt.Sprint(sums) {
			t.Fatal(fmt.Sprintf("payouts add up to %v, want %v", page.Sums, sums))
		}
		for _, p := range page.Payouts {
			got = append(got, name(around, p))
			payoutLines(t, c, p)
		}
		if after = page.Next; !page.More {
			break
		}
	}
	if !slices.Equal(got, names) {
		t.Fatal(fmt.Sprintf("payouts:\n got %v\nwant %v", got, names))
	}
	var all []string
	for _, p := range c.Payouts(&investigation.PayoutFilter{}, investigation.PayoutMark{}, 0).Payouts {
		all = append(all, name(around, p))
	}
	if !slices.Equal(all, names) {
		t.Fatal(fmt.Sprintf("all payouts at once: %v, want %v", all, names))
	}
	for _, p := range want {
		f := investigation.PayoutFilter{MID: v.Words.Text(p.MID), ID: investigation.PayoutID(v, p), States: []investigation.PayoutState{investigation.StateOf(v, p)},
			Amounts: investigation.Bounds{Set: true, Least: p.Amount, Most: p.Amount}}
		if p.Date != calendar.None {
			f.From, f.To = p.Date, p.Date
		}
		if page := c.Payouts(&f, investigation.PayoutMark{}, 5); page.Count() == 0 {
			t.Fatal(fmt.Sprintf("%+v finds nothing", f))
		}
		if _, ok := c.Payout(f.MID, f.ID); !ok {
			t.Fatal(fmt.Sprintf("no payout %s", name(v, p)))
		}
	}
}

// payoutLines: the lines of a payout in memory add up to its net, unless some of
// them have left.
func payoutLines(t failer, c *investigation.Current, p *match.Payout) {
	v := c.Around().View
	lines := c.PayoutLines(p)
	var net int64
	for _, l := range lines {
		net += match.LineNet(v.At(l.Fact))
		if x, ok := c.Payment(l.Payment); l.Payment != "" && (!ok || x.Merchant.MID != p.MID) {
			t.Fatal(fmt.Sprintf("a line's payment %s is not the merchant's", l.Payment))
		}
	}
	if len(lines) > p.Lines || len(lines) == p.Lines && net != p.Net {
		t.Fatal(fmt.Sprintf("%d lines of %d add up to %d, want %d", len(lines), p.Lines, net, p.Net))
	}
}

// TestChanged: whoever waits is told of facts and of time, and of nothing else.
func TestChanged(t *testing.T) {
	l, err := investigation.NewLive(investigation.LiveOptions{AsOf: 1000})
	if err != nil {
		t.Fatal(err)
	}
	fired := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	one, two := l.Changed(), l.Changed()
	l.Read(func(*investigation.Current) {})
	if fired(one) {
		t.Error("reading is told as a change")
	}
	if err := l.Advance(1000); err != nil || fired(one) {
		t.Errorf("%v, or no time has passed and it is told", err)
	}
	if err := l.Advance(2000); err != nil || !fired(one) || !fired(two) {
		t.Errorf("%v, or time is not told", err)
	}
	three := l.Changed()
	if fired(three) {
		t.Error("an old change is told again")
	}
	if _, err := l.AddNDJSON(strings.NewReader(""), nil); err != nil || !fired(three) {
		t.Errorf("%v, or facts are not told", err)
	}
}
