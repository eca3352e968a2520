package journey

import (
	"cmp"
	"slices"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/match"
	"daozhang/internal/money"
)

// directDates is how many consecutive business dates one entry may prove: a
// long holiday and the weekend beside it.
const directDates = 12

// day is what one merchant's business date is worth.
type day struct {
	key directKey
	net int64
	due calendar.Date
}

// proveDirectly lets bank entries prove the payments of business dates, for
// merchants of which no payout or settlement facts exist: the entry whose
// amount is exactly the net of one date, or of consecutive ones.
func (c *Context) proveDirectly() {
	open := c.openEntries()
	if len(open) == 0 {
		return
	}
	days := map[moneyKey][]day{}
	accounts := map[moneyKey]string{}
	parts := map[evidence.Word][]*match.Merchant{}
	for _, m := range c.Match.Merchants {
		if m.HasPayouts {
			continue
		}
		parts[m.MID] = []*match.Merchant{m}
		for k, list := range c.daysOf(m) {
			days[k] = list
			accounts[k] = accountKey(c.accountOf(m.MID))
		}
	}
	c.proveDays(open, days, accounts, func(mid evidence.Word) []*match.Merchant { return parts[mid] })
}

// openEntries gives the booked credits that no payout explains.
func (c *Context) openEntries() []*match.Entry {
	return slices.DeleteFunc(slices.Clone(c.Match.Entries), func(e *match.Entry) bool {
		return !e.Booked || e.Placed || e.Ambiguous || e.Amount <= 0
	})
}

// proveDays tries open entries against the days of merchants.
func (c *Context) proveDays(open []*match.Entry, days map[moneyKey][]day, accounts map[moneyKey]string, parts func(evidence.Word) []*match.Merchant) {
	var order []moneyKey
	for k := range days {
		order = append(order, k)
	}
	slices.SortFunc(order, func(a, b moneyKey) int {
		return cmp.Or(c.View.Words.Compare(a.mid, b.mid), cmp.Compare(a.currency.String(), b.currency.String()))
	})
	for again := true; again; {
		again = false
		for _, e := range open {
			if e.Placed || e.Ambiguous {
				continue
			}
			var found [][]day
			for _, k := range order {
				if k.currency == e.Currency && (accounts[k] == "" || accounts[k] == e.Account) {
					found = append(found, c.runs(days[k], e)...)
				}
			}
			switch {
			case len(found) == 1 && !c.wanted(found[0], e, open, days, order, accounts):
				e.Placed, again = true, true
				for _, d := range found[0] {
					c.direct[d.key] = e
				}
			case len(found) > 0:
				c.doubtDays(e, found, parts)
			}
		}
	}
}

func (c *Context) accountOf(mid evidence.Word) string {
	for _, t := range c.Book.All(mid) {
		if t.Account != "" {
			return t.Account
		}
	}
	return ""
}

// daysOf sums the nets of a merchant's business dates, in order of date.
func (c *Context) daysOf(m *match.Merchant) map[moneyKey][]day {
	var j Journey
	sums := map[directKey]*day{}
	for i := range m.Payments {
		c.Compute(m, &m.Payments[i], &j)
		if !j.countsDirectly() {
			continue
		}
		k := directKey{m.MID, j.BusinessDate, j.Currency}
		d := sums[k]
		if d == nil {
			d = &day{key: k, due: j.Legs.Day}
			sums[k] = d
		}
		if sum, ok := money.Add(d.net, j.Net); ok {
			d.net = sum
		}
	}
	days := map[moneyKey][]day{}
	for k, d := range sums {
		mk := moneyKey{m.MID, k.currency}
		days[mk] = append(days[mk], *d)
	}
	for _, list := range days {
		slices.SortFunc(list, func(a, b day) int { return cmp.Compare(a.key.date, b.key.date) })
	}
	return days
}

// runs gives the runs of consecutive dates, not proven yet, whose net an entry
// is; it comes no earlier than they are due and within two weeks.
func (c *Context) runs(days []day, e *match.Entry) (found [][]day) {
	for i := range days {
		sum := int64(0)
		for n := i; n < len(days) && n < i+directDates; n++ {
			d := days[n]
			if c.direct[d.key] != nil || e.Date < d.due || e.Date > d.due+14 {
				break
			}
			sum += d.net
			if sum == e.Amount {
				found = append(found, days[i:n+1])
			}
		}
	}
	return found
}

// wanted reports whether another entry proves one of the same dates as well; of
// entries alike the first takes the first.
func (c *Context) wanted(run []day, e *match.Entry, open []*match.Entry, days map[moneyKey][]day, order []moneyKey, accounts map[moneyKey]string) bool {
	for _, o := range open {
		if o == e || o.Placed || o.Ambiguous || o.Amount == e.Amount {
			continue
		}
		for _, k := range order {
			if k.currency != o.Currency || accounts[k] != "" && accounts[k] != o.Account {
				continue
			}
			for _, other := range c.runs(days[k], o) {
				for _, d := range other {
					if slices.ContainsFunc(run, func(x day) bool { return x.key == d.key }) {
						return true
					}
				}
			}
		}
	}
	return false
}

func (c *Context) doubtDays(e *match.Entry, found [][]day, parts func(evidence.Word) []*match.Merchant) {
	e.Ambiguous = true
	a := match.Ambiguity{Fact: e.Fact, Why: fault.Say("fits the net of several business dates equally", "与多个交易日的净额同样相符")}
	fits := map[directKey]bool{}
	for _, run := range found {
		for _, d := range run {
			c.contested[d.key], fits[d.key] = true, true
		}
	}
	var mids []evidence.Word
	for _, run := range found {
		if mid := run[0].key.mid; !slices.Contains(mids, mid) {
			mids = append(mids, mid)
		}
	}
	slices.SortFunc(mids, c.View.Words.Compare)
	var j Journey
	for _, mid := range mids {
		for _, m := range parts(mid) {
			for i := range m.Payments {
				c.Compute(m, &m.Payments[i], &j)
				if fits[directKey{mid, j.BusinessDate, j.Currency}] && j.countsDirectly() {
					a.Payments = append(a.Payments, &m.Payments[i])
				}
			}
		}
	}
	c.Match.Ambiguous = append(c.Match.Ambiguous, a)
}

// DirectEntry reports whether an entry proves business dates directly.
func (c *Context) DirectEntry(e *match.Entry) bool {
	for _, other := range c.direct {
		if other == e {
			return true
		}
	}
	return false
}
