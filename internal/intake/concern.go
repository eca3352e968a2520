package intake

import (
	"slices"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

// Concern is what a circumstance would touch if it were entered now.
type Concern struct {
	Payments int
	// Sums are the amounts still under way, by currency.
	Sums map[money.Currency]int64
}

// legStages are the stages at which money waits for a leg.
var legStages = map[string][]journey.Stage{
	"authorization": {journey.Tendered}, "clearing": {journey.Authorized, journey.Captured}, "settlement": {journey.Cleared}, "payout": {journey.Settled, journey.PaidOut},
}

// linkLegs are the legs that go over a kind of link.
var linkLegs = map[string][]string{
	"platform": Legs, "merchant-network": {"authorization"}, "terminal-platform": {"authorization"}, "platform-network": {"authorization", "clearing", "settlement"},
	"network-issuer": {"authorization"}, "platform-bank": {"payout"},
}

// NoticeConcerns counts the payments whose money waits for what a notice is about:
// by the leg, and where it is about a bank's payouts, of merchants with that bank.
func NoticeConcerns(c *investigation.Current, n *Notice) Concern {
	affects := n.Affects
	if len(affects) == 0 {
		affects = Legs
	}
	kind, name, _ := strings.Cut(n.Issuer, "/")
	bank := ""
	if kind == "bank" {
		bank = name
	}
	return concerns(c, affects, bank)
}

// LinkConcerns counts the payments whose money waits for a leg that goes over a link.
func LinkConcerns(c *investigation.Current, link string) Concern {
	return concerns(c, []string{link}, "")
}

func concerns(c *investigation.Current, affects []string, bank string) Concern {
	var stages []journey.Stage
	for _, a := range affects {
		legs := []string{a}
		if kind, name, _ := strings.Cut(a, "/"); linkLegs[kind] != nil {
			legs = linkLegs[kind]
			if kind == "platform-bank" {
				bank = name
			}
		}
		for _, l := range legs {
			stages = append(stages, legStages[l]...)
		}
	}
	banks := banksOf(c)
	return counted(c, func(row *journey.Row) int64 {
		if bank != "" && banks[row.MID] != bank {
			return 0
		}
		waits := int64(0)
		for s := range row.InTransit {
			if slices.Contains(stages, journey.Stage(s)) {
				waits += row.InTransit[s] + row.Overdue[s]
			}
		}
		if slices.Contains(stages, journey.PaidOut) {
			waits += row.Unproven // nobody has said whether it came
		}
		return waits
	})
}

// HolidayConcerns counts the payments under way of merchants whose days follow a
// calendar: a day off moves what is due on it.
func HolidayConcerns(c *investigation.Current, name string) Concern {
	follows := map[evidence.Word]bool{}
	eachTerms(c, func(mid evidence.Word, t *terms.Terms) { follows[mid] = t.Calendar.Name() == name })
	return counted(c, func(row *journey.Row) int64 {
		waits := int64(0)
		for s := range row.InTransit {
			if follows[row.MID] {
				waits += row.InTransit[s] + row.Overdue[s]
			}
		}
		return waits
	})
}

func counted(c *investigation.Current, waits func(*journey.Row) int64) Concern {
	out := Concern{Sums: map[money.Currency]int64{}}
	c.EachPlaced("", func(row *journey.Row, _ evidence.Instant, _ journey.Status) {
		if v := waits(row); v > 0 {
			out.Payments++
			out.Sums[row.Currency] += v
		}
	})
	return out
}

// eachTerms gives the latest terms of each merchant.
func eachTerms(c *investigation.Current, use func(evidence.Word, *terms.Terms)) {
	book := c.Around().Context.Book
	for _, mid := range book.Merchants() {
		all := book.All(mid)
		use(mid, all[len(all)-1])
	}
}

func banksOf(c *investigation.Current) map[evidence.Word]string {
	banks := map[evidence.Word]string{}
	eachTerms(c, func(mid evidence.Word, t *terms.Terms) { banks[mid] = t.Bank })
	return banks
}

// TermsAt gives the terms under which the answers see a sale of a merchant at a
// moment, with the holidays that were stated; those that are assumed where none were
// agreed. false for a merchant of whom nothing is known.
func TermsAt(c *investigation.Current, mid string, at evidence.Instant, offset int16) (*terms.Terms, bool) {
	a := c.Around()
	word, ok := a.View.Words.Find(mid)
	if !ok {
		return nil, false
	}
	return a.Context.Book.At(word, at, offset), true
}

// CalendarOf gives a calendar as the answers see it: with the days that were stated.
func CalendarOf(c *investigation.Current, name string) (*calendar.Calendar, bool) {
	known, ok := calendar.Builtin(name)
	overrides := map[calendar.Date]bool{}
	v := c.Around().View
	last := map[calendar.Date]evidence.FactRef{}
	for r, f := range v.Of(evidence.CalendarHoliday) {
		if !strings.EqualFold(v.Text(r, evidence.CalendarField), name) {
			continue
		}
		if was, there := last[f.Date]; there && v.CompareTime(was, r) > 0 {
			continue
		}
		last[f.Date] = r
		overrides[f.Date] = f.State == evidence.Workday
	}
	if !ok {
		if len(overrides) == 0 {
			return nil, false
		}
		known, _ = calendar.Builtin("WEEKEND")
	}
	if len(overrides) == 0 {
		return known, true
	}
	return known.With(overrides), true
}
