package investigation_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/money"
)

// sameLists holds lists against the whole answer, filtered and ordered the simple
// way. The filters are made of what is there, so that they find something.
func sameLists(t failer, c *investigation.Current, whole *investigation.Answer) {
	var all []investigation.Payment
	for p := range whole.Each {
		all = append(all, *p)
	}
	text := whole.View.Words.Text
	filters := []investigation.Filter{{}, {Needs: true}, {MID: "nobody"}, {Statuses: []journey.Status{journey.Arrived, journey.InTransit}},
		{Parties: []diagnosis.Party{diagnosis.Nobody}}, {Stages: []journey.Stage{journey.Captured, journey.Settled}}}
	for i := 0; i < len(all); i += 1 + len(all)/7 {
		p := &all[i]
		filters = append(filters, investigation.Filter{MID: text(p.Keys.MID), From: p.Time}, investigation.Filter{Day: p.BusinessDate, To: p.Time + 1, Needs: true},
			investigation.Filter{Currency: p.Currency, Amounts: true, Least: p.Amount, Most: p.Amount}, investigation.Filter{TID: text(p.Keys.TID), Incident: p.Incident})
		if pan := text(p.Keys.PAN); len(pan) > 4 {
			filters = append(filters, investigation.Filter{Tail: pan[len(pan)-4:]}, investigation.Filter{Head: pan[:4], Tail: pan[len(pan)-2:]})
		}
		if rrn := text(p.Keys.RRN); rrn != "" {
			filters = append(filters, investigation.Filter{RRN: rrn}, investigation.Filter{Keys: []string{rrn}}, investigation.Filter{Keys: []string{text(p.ID), rrn}, Amounts: true, Most: p.Amount},
				investigation.Filter{Keys: []string{rrn, "nobody"}})
			if auth := text(p.Keys.AuthCode); auth != "" {
				filters = append(filters, investigation.Filter{Keys: []string{auth, rrn}, Statuses: []journey.Status{p.Status}})
			}
		}
		filters = append(filters, investigation.Filter{Fee: investigation.Bounds{Set: true, Least: p.Fee, Most: p.Fee + 100}},
			investigation.Filter{Net: investigation.Bounds{Set: true, Least: p.Net, Most: p.Net}})
		if p.LegDue != 0 {
			filters = append(filters, investigation.Filter{DueFrom: p.LegDue}, investigation.Filter{DueTo: p.LegDue, Statuses: []journey.Status{p.Status}})
		}
		if v := p.Verdict.Cause; v != nil {
			filters = append(filters, investigation.Filter{Causes: []string{v.Code}})
		}
		if p.Payout != nil {
			filters = append(filters, investigation.Filter{Payout: text(p.Payout.ID)})
		}
		if at := p.Verdict.Expected.Likely; at != 0 {
			filters = append(filters, investigation.Filter{ExpectedFrom: at, ExpectedTo: at + 1}, investigation.Filter{ExpectedTo: at})
		}
	}
	for i := range filters {
		for _, order := range []investigation.Order{investigation.ByTime, investigation.ByDue, investigation.ByAmount} {
			sameList(t, c, whole, all, &filters[i], order)
		}
	}
}

func sameList(t failer, c *investigation.Current, whole *investigation.Answer, all []investigation.Payment, f *investigation.Filter, order investigation.Order) {
	text := whole.View.Words.Text
	var want []*investigation.Payment
	sums := map[money.Currency]investigation.Sum{}
	for i := range all {
		if p := &all[i]; passes(text, f, p) && named(whole, f.Keys, p) {
			want = append(want, p)
			s := sums[p.Currency]
			sums[p.Currency] = investigation.Sum{Count: s.Count + 1, Amount: s.Amount + p.Amount}
		}
	}
	due := func(p *investigation.Payment) uint64 { return uint64(p.LegDue) - 1 } // none is the last
	slices.SortFunc(want, func(a, b *investigation.Payment) int {
		first := 0
		switch order {
		case investigation.ByDue:
			first = cmp.Compare(due(a), due(b))
		case investigation.ByAmount:
			first = cmp.Compare(b.Amount, a.Amount)
		}
		return cmp.Or(first, cmp.Compare(b.Time, a.Time), strings.Compare(text(a.ID), text(b.ID)))
	})
	var ids []string
	for _, p := range want {
		ids = append(ids, text(p.ID))
	}
	var got []string
	for after, pages := (investigation.Mark{}), 0; ; pages++ {
		page := c.List(f, order, after, 3)
		if fmt.Sprint(page.Sums) != fmt.Sprint(sums) {
			t.Fatal(fmt.Sprintf("%+v: sums %v, want %v", *f, page.Sums, sums))
		}
		var last investigation.Mark
		for _, p := range page.Payments {
			got = append(got, c.Around().View.Words.Text(p.ID))
			if m := c.MarkOf(p, order); m.Compare(last) <= 0 && last != (investigation.Mark{}) {
				t.Fatal(fmt.Sprintf("%+v in order %d: %+v does not come after %+v", *f, order, m, last))
			} else {
				last = m
			}
		}
		if last != page.Next {
			t.Fatal(fmt.Sprintf("%+v in order %d: the page ends at %+v, its last payment is at %+v", *f, order, page.Next, last))
		}
		if !page.More || pages > len(ids) {
			break
		}
		after = page.Next
		if pages == 20 { // the rest at once
			for _, p := range c.List(f, order, after, len(ids)).Payments {
				got = append(got, c.Around().View.Words.Text(p.ID))
			}
			break
		}
	}
	chosen := c.Select(f, order)
	var selected []string
	for at := 0; at < chosen.Len(); {
		at = c.Chosen(chosen, at, 3, func(p *investigation.Payment) { selected = append(selected, text(p.ID)) })
	}
	if !slices.Equal(selected, ids) {
		t.Fatal(fmt.Sprintf("%+v in order %d:\nselected %v\n    want %v", *f, order, selected, ids))
	}
	if !slices.Equal(got, ids) {
		t.Fatal(fmt.Sprintf("%+v in order %d:\n got %v\nwant %v", *f, order, got, ids))
	}
}

func passes(text func(evidence.Word) string, f *investigation.Filter, p *investigation.Payment) bool {
	code := ""
	if p.Verdict.Cause != nil {
		code = p.Verdict.Cause.Code
	}
	payout := ""
	if p.Payout != nil {
		payout = text(p.Payout.ID)
	}
	e := p.Verdict.Expected.Likely
	over := p.Status == journey.Arrived || p.Status == journey.NotCharged || p.Status == journey.Refunded && p.Cardholder == journey.CardRefunded
	return (f.MID == "" || text(p.Keys.MID) == f.MID) && (f.TID == "" || text(p.Keys.TID) == f.TID) && (f.Tail == "" || strings.HasSuffix(text(p.Keys.PAN), f.Tail)) &&
		(f.From == 0 || p.Time >= f.From) && (f.To == 0 || p.Time < f.To) && (f.Day == 0 || p.BusinessDate == f.Day) &&
		(f.Currency == money.Currency{} || p.Currency == f.Currency) && (!f.Amounts || p.Amount >= f.Least && p.Amount <= f.Most) &&
		(len(f.Statuses) == 0 || slices.Contains(f.Statuses, p.Status)) && (len(f.Stages) == 0 || slices.Contains(f.Stages, p.Stage)) &&
		(len(f.Parties) == 0 || slices.Contains(f.Parties, p.Verdict.Party)) && (len(f.Causes) == 0 || slices.Contains(f.Causes, code)) &&
		(f.Incident == "" || p.Incident == f.Incident) && (f.Payout == "" || payout == f.Payout) &&
		(f.ExpectedFrom == 0 || e != 0 && e >= f.ExpectedFrom && !over) && (f.ExpectedTo == 0 || e != 0 && e < f.ExpectedTo && !over) &&
		(f.RRN == "" || text(p.Keys.RRN) == f.RRN) && (f.Head == "" || strings.HasPrefix(text(p.Keys.PAN), f.Head)) &&
		within(f.Fee, p.Fee) && within(f.Net, p.Net) && (f.DueFrom == 0 || p.LegDue >= f.DueFrom) && (f.DueTo == 0 || p.LegDue != 0 && p.LegDue < f.DueTo) &&
		(!f.Needs || investigation.NeedsSomeone(&p.Journey, &p.Verdict))
}

// named reports whether a payment has all the numbers: its own facts', and those of what
// was done to it.
func named(whole *investigation.Answer, keys []string, p *investigation.Payment) bool {
	return !slices.ContainsFunc(keys, func(key string) bool {
		return !slices.ContainsFunc(whole.Find(key), func(x *investigation.Payment) bool { return x.ID == p.ID })
	})
}

func within(b investigation.Bounds, n int64) bool { return !b.Set || n >= b.Least && n <= b.Most }

// What a list costs with 500,000 payments in memory.
func BenchmarkList(b *testing.B) {
	l, _ := openShops(b, 1000, 500_000)
	for name, f := range map[string]investigation.Filter{"all": {}, "needs": {Needs: true}, "merchant": {MID: "898310058100007"}, "tail": {Tail: "0031"},
		"amount": {Amounts: true, Least: 137, Most: 137}} {
		b.Run(name, func(b *testing.B) {
			l.Read(func(c *investigation.Current) {
				for b.Loop() {
					c.List(&f, investigation.ByTime, investigation.Mark{}, 50)
				}
			})
		})
	}
}
