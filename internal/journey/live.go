package journey

import (
	"cmp"
	"slices"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/match"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

// A Context that is kept current: its owner tells it of each circumstance, line,
// payout and part as they come, and it holds at every moment what NewContext
// would read from everything.

// NewLiveContext begins with nothing known, for a Result that its owner fills.
func NewLiveContext(res *match.Result) *Context {
	c := emptyContext(res)
	return c
}

// Turn sets the terms and the moment of the question.
func (c *Context) Turn(book *terms.Book, asOf evidence.Instant) { c.Book, c.AsOf = book, asOf }

// Hear takes a circumstance that has come, in whatever order of time.
func (c *Context) Hear(r evidence.FactRef) { c.hear(r, c.View.At(r)) }

// HearGeneral takes a fact about a merchant as a whole.
func (c *Context) HearGeneral(r evidence.FactRef) {
	f := c.View.At(r)
	facts := c.of(f.MID)
	switch f.Type {
	case evidence.AccountStatus:
		facts.account = c.inOrder(facts.account, r)
	case evidence.RiskDecision:
		facts.risk = c.inOrder(facts.risk, r)
	}
}

// Reread forgets what was heard and takes these circumstances and general facts
// instead; lines, payouts, orders and direct proofs stay. For which merchants lines
// and payouts speak has to be said again, see Speak.
func (c *Context) Reread(circumstances, general []evidence.FactRef) {
	fresh := emptyContext(c.Match)
	c.facts, c.common = fresh.facts, fresh.common
	c.batches, c.coverage, c.statements = fresh.batches, fresh.coverage, fresh.statements
	c.ClearingFiles, c.SettlementFiles, c.settlementParts = fresh.ClearingFiles, fresh.SettlementFiles, fresh.settlementParts
	c.clearingDates, c.settlementDates = fresh.clearingDates, fresh.settlementDates
	c.limits, c.actions = nil, fresh.actions
	for _, r := range circumstances {
		c.Hear(r)
	}
	for _, r := range general {
		c.HearGeneral(r)
	}
}

// Speak notes that somebody speaks of a leg for a merchant, by lines or payouts;
// it reports whether that is new to anybody.
func (c *Context) Speak(mid evidence.Word, l Leg) bool {
	facts := c.of(mid)
	if facts.legs[l] {
		return false
	}
	facts.legs[l] = true
	return !c.common.legs[l]
}

// Spoken gives the legs of which anybody speaks for a merchant, and those that are
// declared for all, as bits.
func (c *Context) Spoken(mid evidence.Word) (own, all uint8) {
	bits := func(m *merchantFacts) (legs uint8) {
		for l, yes := range m.legs {
			if yes {
				legs |= 1 << l
			}
		}
		return legs
	}
	return bits(c.of2(mid)), bits(c.common)
}

// CountLine adds n lines (1 or -1), of a sum, to the counts of the files that
// should hold a clearing or settlement line of a merchant.
func (c *Context) CountLine(mid evidence.Word, f *evidence.Fact, n int, sum int64) {
	if f.Type == evidence.ClearingLine {
		k := FileKey{f.Network, f.Date}
		put(c.clearingLines, k, lineCount{c.clearingLines[k].n + n, c.clearingLines[k].sum + sum})
		return
	}
	for _, k := range []FileKey{{mid, f.Date}, {0, f.Date}} {
		put(c.settlementLines, k, lineCount{c.settlementLines[k].n + n, c.settlementLines[k].sum + sum})
		if mid == 0 {
			// The batch path counts a merchant without a name twice.
			put(c.settlementLines, k, lineCount{c.settlementLines[k].n + n, c.settlementLines[k].sum + sum})
			break
		}
	}
}

func put(m map[FileKey]lineCount, k FileKey, l lineCount) {
	if l.n == 0 {
		delete(m, k)
	} else {
		m[k] = l
	}
}

// FileState is what the lines on record make of the files they should stand in.
type FileState struct {
	Own, All uint64 // whether the files of the merchant, and of all, are whole
	Any      bool   // a settlement line of the date is on record
}

// FileState gives the state of the files that should hold a merchant's line.
func (c *Context) FileState(mid evidence.Word, line *evidence.Fact) (s FileState) {
	if line.Type == evidence.ClearingLine {
		whole := func(k FileKey, r evidence.FactRef) {
			if count, said := c.View.Num(r, evidence.Count); !said || c.clearingLines[k].n+c.unnamed(k) >= int(count) {
				s.Own += k.Of.Hash64() | 1
			}
		}
		if k := (FileKey{line.Network, line.Date}); k.Of != 0 {
			if r := c.ClearingFiles[k]; r != 0 {
				whole(k, r)
			}
			return s
		}
		for k, r := range c.ClearingFiles { // it counts for each network
			if k.Date == line.Date {
				whole(k, r)
			}
		}
		return s
	}
	whole := func(k FileKey) uint64 {
		count, said := c.stated(k, evidence.Count)
		if _, ok := c.SettlementFiles[k]; !ok || said && c.settlementLines[k].n < int(count) {
			return 0
		}
		return 1
	}
	s.Own, s.All = whole(FileKey{mid, line.Date}), whole(FileKey{0, line.Date})
	s.Any = c.settlementLines[FileKey{0, line.Date}].n > 0
	return s
}

// SpanOf gives the stretch that a coverage declares.
func (c *Context) SpanOf(r evidence.FactRef) Span { return c.span(r, c.View.At(r)) }

// StatementDates gives the first and the last date that a statement covers.
func (c *Context) StatementDates(r evidence.FactRef) (from, to calendar.Date) {
	s := c.statementOf(r, c.View.At(r))
	return s.from, s.to
}

// Unpaid sets what settled lines of a merchant await a payout, in minor units.
func (c *Context) Unpaid(mid evidence.Word, currency money.Currency, net int64, any bool) {
	if any {
		c.unpaid[moneyKey{mid, currency}] = net
	} else {
		delete(c.unpaid, moneyKey{mid, currency})
	}
}

// Awaited gives what Unpaid has set.
func (c *Context) Awaited(mid evidence.Word, currency money.Currency) int64 {
	return c.unpaid[moneyKey{mid, currency}]
}

// AwaitsPayout reports whether a payout's lines count as unpaid.
func (c *Context) AwaitsPayout(p *match.Payout) bool { return c.awaits(p) }

// SumOrders sums the payments of a part that charge for each order. Payments of
// one order stand in one part. What is known of the orders of old, which nil is
// allowed for, is forgotten.
func (c *Context) SumOrders(old, m *match.Merchant) {
	if old != nil && old.Ordered {
		for i := range old.Payments {
			for _, r := range old.Facts(&old.Payments[i]) {
				if w := c.View.At(r).OrderID; w != 0 {
					delete(c.orders, orderKey{old.MID, w})
				}
			}
		}
	}
	if m != nil {
		c.readOrdersOf(m)
	}
}

// Day is what a merchant's business date is worth in one currency, in minor
// units, and when it is due: for entries that prove dates directly.
type Day struct {
	Date     calendar.Date
	Currency money.Currency
	Net      int64
	Due      calendar.Date
}

// DirectDay gives what a payment adds to its business date; false for a payment
// that does not count there.
func (c *Context) DirectDay(j *Journey) (Day, bool) {
	return Day{j.BusinessDate, j.Currency, j.Net, j.Legs.Day}, j.countsDirectly()
}

// DayKey names a merchant's business date in one currency.
type DayKey struct {
	MID      evidence.Word
	Date     calendar.Date
	Currency money.Currency
}

// ProveDirectly lets the entries of the Result prove business dates of merchants
// without payouts again, and gives the dates of which the proof has changed.
// days are in order of date and currency for each merchant; parts gives a
// merchant's payments.
func (c *Context) ProveDirectly(days map[evidence.Word][]Day, parts func(evidence.Word) []*match.Merchant) (changed []DayKey, ambiguous []match.Ambiguity) {
	before, doubted := c.direct, c.contested
	c.direct, c.contested = map[directKey]*match.Entry{}, map[directKey]bool{}
	known := len(c.Match.Ambiguous)
	byMoney := map[moneyKey][]day{}
	for mid, list := range days {
		for _, d := range list {
			k := moneyKey{mid, d.Currency}
			byMoney[k] = append(byMoney[k], day{directKey{mid, d.Date, d.Currency}, d.Net, d.Due})
		}
	}
	accounts := map[moneyKey]string{}
	for k, list := range byMoney {
		accounts[k] = accountKey(c.accountOf(k.mid))
		slices.SortFunc(list, func(a, b day) int { return cmp.Compare(a.key.date, b.key.date) })
	}
	c.proveDays(c.openEntries(), byMoney, accounts, parts)
	ambiguous = slices.Clone(c.Match.Ambiguous[known:])
	c.Match.Ambiguous = c.Match.Ambiguous[:known]
	note := func(k directKey) { changed = append(changed, DayKey{k.mid, k.date, k.currency}) }
	for k, e := range c.direct {
		if o := before[k]; o == nil || o.Fact != e.Fact {
			note(k)
		}
	}
	for k := range before {
		if c.direct[k] == nil {
			note(k)
		}
	}
	for k := range c.contested {
		if !doubted[k] {
			note(k)
		}
	}
	for k := range doubted {
		if !c.contested[k] {
			note(k)
		}
	}
	return changed, ambiguous
}

// Direct reports whether entries prove, or may prove, any business date directly.
func (c *Context) Direct() bool { return len(c.direct) > 0 || len(c.contested) > 0 }

// Take takes back what Put added.
func (r *Row) Take(j *Journey) {
	var o Row
	o.Put(j)
	r.subtract(&o)
}

func (r *Row) subtract(o *Row) {
	for _, c := range [...][2]*int64{
		{&r.Gross, &o.Gross}, {&r.Arrived, &o.Arrived}, {&r.Confirmed, &o.Confirmed}, {&r.Fees, &o.Fees}, {&r.Refunded, &o.Refunded},
		{&r.Chargebacks, &o.Chargebacks}, {&r.Reserves, &o.Reserves}, {&r.Adjustments, &o.Adjustments}, {&r.Held, &o.Held},
		{&r.Unproven, &o.Unproven}, {&r.Short, &o.Short}, {&r.Unknown, &o.Unknown}, {&r.NotCharged, &o.NotCharged}, {&r.Memo, &o.Memo},
	} {
		*c[0] -= *c[1]
	}
	for s := range r.InTransit {
		r.InTransit[s] -= o.InTransit[s]
		r.Overdue[s] -= o.Overdue[s]
	}
}

// nextFiles is for how many days after the due day a later file may have what its
// own day's could not.
const nextFiles = 7

// Changes gives the moments at which the answer for a payment may change by time
// alone, besides those at which circumstances begin and end: the first after the
// present one, 0 for none.
func (c *Context) Changes(j *Journey) (next evidence.Instant) {
	note := func(at evidence.Instant) {
		if at != 0 && at >= c.AsOf && (next == 0 || at < next) {
			next = at
		}
	}
	note(j.LegDue)
	note(j.Legs.ClearingFile)
	if j.OpenPreauth {
		note(j.preauthEnd())
	}
	if j.Next == Settlement { // later files count from their day on
		for n := range nextFiles {
			note(j.Terms.StartOf(j.Legs.Day.Add(n+1)) - 1)
		}
	}
	if j.Swipe.Reversal != 0 {
		note(j.Swipe.ReversalFirst.Add(reversalPatience))
	}
	if next != 0 {
		next++ // a leg is late after its due time, not at it
	}
	return next
}
