// Package match says which facts speak of the same money: which are one
// payment, which settlement lines a payout carries, which bank entries prove
// which payouts. It decides by the contract's keys in their order of strength,
// reports what fits several ways instead of guessing, and gives the same result
// in whatever order the facts arrived. It is pure: a view of the evidence and
// the terms in, a [Result] out.
//
// The work is done merchant by merchant, since every key but the processor's
// own reference is unique only within one: facts of a swipe are grouped (swipe.go),
// lines of files find their payment (line.go), voids, refunds and the like find
// the payment they act on (act.go), then payouts and bank entries are joined
// (payout.go, entry.go).
package match

import (
	"cmp"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/terms"
)

// Result is everything that was matched.
type Result struct {
	View      *evidence.View
	Book      *terms.Book
	Merchants []*Merchant // in order of MID
	Payouts   []*Payout   // in order of merchant, then sending, then id
	Entries   []*Entry    // bank entries, repeated messages joined, in order of date
	// Ambiguous are facts that fit several ways; none of the ways was taken.
	Ambiguous []Ambiguity
	// Unplaced are facts that fit nowhere.
	Unplaced []Unplaced
	// Circumstances are the facts about links, banks, notices, terminals,
	// limits and files: what may explain, but belongs to no single payment.
	Circumstances []evidence.FactRef

	payoutsByKey map[payoutKey]*Payout
}

// Ambiguity is a fact that fits several payments or payouts equally.
type Ambiguity struct {
	Fact     evidence.FactRef
	Payments []*Payment
	Payouts  []*Payout
	Why      fault.Text
	Merchant *Merchant
}

// Unplaced is a fact that belongs to no payment and no payout.
type Unplaced struct {
	Fact evidence.FactRef
	Why  fault.Text
}

// Merchant holds the payments of one merchant.
type Merchant struct {
	MID      evidence.Word
	Payments []Payment // in order of time
	facts    []evidence.FactRef
	acts     []Act
	// General are facts about the merchant as a whole: account status, risk
	// decisions, limits.
	General []evidence.FactRef
	// Deductions are settlement lines that name no payment.
	Deductions []evidence.FactRef
	// HasPayouts tells that settlement lines or payouts of the merchant are on
	// record; where not, bank entries prove its business dates directly.
	HasPayouts bool
	// Ordered tells that sale.orders of the merchant are on record.
	Ordered bool
	// Dated tells that payments were matched by their business dates, which the
	// terms move.
	Dated bool
	// Clearing and Settlement count the lines on record and their signed sum,
	// by network (0: not named) and date, and by settlement date.
	Clearing   map[FileKey]LineCount
	Settlement map[calendar.Date]LineCount

	payouts map[payoutKey]*payoutSum
}

// FileKey names the file of a network or a merchant for a date.
type FileKey struct {
	Of   evidence.Word
	Date calendar.Date
}

// LineCount is how many lines are on record, and their signed sum in minor
// units.
type LineCount struct {
	N   int
	Sum int64
}

// With gives the count with one line more.
func (l LineCount) With(amount int64) LineCount { return LineCount{l.N + 1, l.Sum + amount} }

// Payment is one payment: the facts of its charge, and the acts on it.
type Payment struct {
	// ID is the hash of the first fact's identity, so that it stays the same
	// when more evidence comes.
	ID       evidence.Word
	MID      evidence.Word
	Time     evidence.Instant // of the first terminal or gateway fact, else of its first line
	Offset   int16            // zone of that fact, minutes east of UTC
	first, n uint32
	actFirst uint32
	actCount uint16
	// Duplicate marks the second of two presentments of one sale.
	Duplicate bool
	// Contested marks a payment that an ambiguous fact may belong to.
	Contested bool
}

// Act is something done to a payment: a void, refund, reversal, completion or
// chargeback, with the facts that tell of it.
type Act struct {
	Kind     evidence.Kind
	Time     evidence.Instant
	first, n uint32
}

// Facts gives the facts of a payment's charge and what else names it, in order
// of time.
func (m *Merchant) Facts(p *Payment) []evidence.FactRef { return m.facts[p.first : p.first+p.n] }

// Acts gives what was done to a payment, in order of time.
func (m *Merchant) Acts(p *Payment) []Act {
	return m.acts[p.actFirst : p.actFirst+uint32(p.actCount)]
}

// ActFacts gives the facts of an act, in order of time.
func (m *Merchant) ActFacts(a *Act) []evidence.FactRef { return m.facts[a.first : a.first+a.n] }

// Run matches the facts of a view. infer, which may be nil, is shown the payments
// before payouts and bank entries are joined: it may assume other terms, and says
// whether business dates by which payments were matched have moved; then they are
// matched again.
func Run(v *evidence.View, book *terms.Book, infer func([]*Merchant) (moved bool)) *Result {
	res, statuses := matchPayments(v, book)
	if infer != nil && infer(res.Merchants) {
		res, statuses = matchPayments(v, book)
	}
	res.joinPayouts(statuses)
	var entries []evidence.FactRef
	for r := range v.Of(evidence.BankEntry) {
		entries = append(entries, r)
	}
	res.joinEntries(entries)
	slices.SortFunc(res.Unplaced, func(a, b Unplaced) int { return v.CompareTime(a.Fact, b.Fact) })
	slices.SortStableFunc(res.Ambiguous, func(a, b Ambiguity) int { return v.CompareTime(a.Fact, b.Fact) })
	return res
}

// matchPayments finds the payments of all merchants, and gives the facts about
// payouts.
func matchPayments(v *evidence.View, book *terms.Book) (res *Result, statuses []evidence.FactRef) {
	res = &Result{View: v, Book: book}
	sorted := sortByMerchant(res)
	type found struct {
		merchant  *Merchant
		ambiguous []Ambiguity
		unplaced  []Unplaced
	}
	results := make([]found, len(sorted))
	parallel(len(sorted), func(take func() (int, bool)) {
		var room workroom
		for i, ok := take(); ok; i, ok = take() {
			m := newMatcher(v, book, sorted[i], &room)
			m.run()
			results[i] = found{m.out, m.ambiguous, m.unplaced}
			sorted[i].refs = nil
		}
	})
	for i, f := range results {
		res.Merchants = append(res.Merchants, f.merchant)
		res.Ambiguous = append(res.Ambiguous, f.ambiguous...)
		res.Unplaced = append(res.Unplaced, f.unplaced...)
		statuses = append(statuses, sorted[i].payouts...)
	}
	return res, statuses
}

// parallel runs work on all processors; take gives each the next of 0 to n-1.
func parallel(n int, work func(take func() (int, bool))) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			work(func() (int, bool) {
				i := int(next.Add(1)) - 1
				return i, i < n
			})
		})
	}
	wg.Wait()
}

func compareGroups(a, b *group) int {
	if a.time != b.time {
		return cmp.Compare(a.time, b.time)
	}
	return cmp.Compare(a.at, b.at)
}
