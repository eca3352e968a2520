package ledger

import (
	"cmp"
	"slices"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// Book is the whole ledger in memory: the model that the store is held
// against, and what simulations run on. It is not safe for concurrent use.
type Book struct {
	standings Standings
	chains    map[string][]Entry
	keys      map[key]int64 // the place in the chain, from 1
}

type key struct{ merchant, key string }

// NewBook returns an empty one.
func NewBook() *Book {
	return &Book{standings: Standings{}, chains: map[string][]Entry{}, keys: map[key]int64{}}
}

// Apply accepts transfers in their order, all or none. A key that is on record
// with the same content has no further effect: its first entry is returned in
// its place. Other content is refused with ErrKeyReused. The other errors are
// those of Standing.Apply.
func (b *Book) Apply(ts ...Transfer) ([]Entry, error) {
	out := make([]Entry, len(ts))
	fresh := make([]Transfer, 0, len(ts))
	at := make([]int, 0, len(ts)) // place in ts of each fresh one
	again := map[int]int{}        // repetitions within ts, by place of both
	within := map[key]int{}
	for i := range ts {
		t := &ts[i]
		k := key{t.Merchant, t.Key}
		if seq, ok := b.keys[k]; ok {
			out[i] = b.chains[t.Merchant][seq-1]
			if !out[i].Same(t) {
				return nil, refuse(ErrKeyReused, t, "")
			}
			continue
		}
		if j, ok := within[k]; ok {
			if !ts[j].Same(t) {
				return nil, refuse(ErrKeyReused, t, "")
			}
			again[i] = j
			continue
		}
		within[k] = i
		fresh = append(fresh, *t)
		at = append(at, i)
		if b.standings[t.Merchant] == nil {
			b.standings[t.Merchant] = NewStanding(t.Merchant)
		}
	}
	entries, err := b.standings.Apply(fresh...)
	if err != nil {
		return nil, b.finished(err, fresh)
	}
	for i, e := range entries {
		out[at[i]] = e
		b.chains[e.Merchant] = append(b.chains[e.Merchant], e)
		b.keys[key{e.Merchant, e.Key}] = e.Seq
	}
	for i, j := range again {
		out[i] = out[j]
	}
	return out, nil
}

// finished makes ErrNotPending say ErrFinished where the entries know better.
func (b *Book) finished(err error, ts []Transfer) error {
	if fault.KindOf(err) != fault.NotFound {
		return err
	}
	for i := range ts {
		t := &ts[i]
		if t.Of == uuid.Nil {
			continue
		}
		if slices.ContainsFunc(b.chains[t.Merchant], func(e Entry) bool { return e.Of == t.Of }) {
			return refuse(ErrFinished, t, "")
		}
	}
	return err
}

// Finished is the error of posting or voiding what was posted or voided before,
// for those who keep the entries elsewhere and find it out there.
func Finished(t *Transfer) error { return refuse(ErrFinished, t, "") }

// Reused is the error of a key that stands for another content, likewise.
func Reused(t *Transfer) error { return refuse(ErrKeyReused, t, "") }

// Merchants returns those with entries, sorted.
func (b *Book) Merchants() []string {
	out := make([]string, 0, len(b.chains))
	for m := range b.chains {
		out = append(out, m)
	}
	slices.Sort(out)
	return out
}

// Entries returns a merchant's chain. It must not be changed.
func (b *Book) Entries(merchant string) []Entry { return b.chains[merchant] }

// Lookup returns the entry of a key.
func (b *Book) Lookup(merchant, k string) (Entry, bool) {
	seq, ok := b.keys[key{merchant, k}]
	if !ok {
		return Entry{}, false
	}
	return b.chains[merchant][seq-1], true
}

// Standing returns a merchant's; an empty one for an unknown merchant. It must
// not be changed.
func (b *Book) Standing(merchant string) *Standing {
	if s := b.standings[merchant]; s != nil {
		return s
	}
	return NewStanding(merchant)
}

// Trial returns the trial balance: the sum of each account over all merchants.
func (b *Book) Trial() (Trial, error) {
	var t Trial
	for _, s := range b.standings {
		for _, l := range s.Lines() {
			if err := t.Add(l); err != nil {
				return Trial{}, err
			}
		}
	}
	return t, nil
}

// AsOf returns a merchant's balances as of a moment: of the transfers that
// happened at or before it. A reservation counts as open until its post or void
// has happened.
func (b *Book) AsOf(merchant string, at time.Time) []Line {
	past := NewPast(merchant, func(t *Transfer) bool { return !t.At.After(at) })
	for i := range b.chains[merchant] {
		past.Add(&b.chains[merchant][i].Transfer)
	}
	return past.Lines()
}

// AsOfDate is AsOf by the business date: of the transfers that count on it or
// before.
func (b *Book) AsOfDate(merchant string, d calendar.Date) []Line {
	past := NewPast(merchant, func(t *Transfer) bool { return t.Date <= d })
	for i := range b.chains[merchant] {
		past.Add(&b.chains[merchant][i].Transfer)
	}
	return past.Lines()
}

// Past adds up a part of a merchant's chain. Since clocks step back, the part
// need not be a beginning of the chain, so the rules that hold for the whole are
// not applied to it.
type Past struct {
	merchant string
	counts   func(*Transfer) bool
	balances map[slot]Balance
	amounts  map[uuid.UUID]reservation
}

type reservation struct {
	amount int64
	counts bool
}

// NewPast adds up the transfers for which counts is true.
func NewPast(merchant string, counts func(*Transfer) bool) *Past {
	return &Past{merchant, counts, map[slot]Balance{}, map[uuid.UUID]reservation{}}
}

// Add takes the chain's next transfer, whether it counts or not.
func (p *Past) Add(t *Transfer) {
	counts := p.counts(t)
	var reserved int64
	switch t.Phase {
	case Pending:
		p.amounts[t.ID] = reservation{t.Amount, counts}
	case Post, Void:
		// What finishes a reservation does not count before it does.
		r := p.amounts[t.Of]
		delete(p.amounts, t.Of)
		counts = counts && r.counts
		reserved = r.amount
	}
	if !counts {
		return
	}
	d, c := slot{t.Currency, t.Debit}, slot{t.Currency, t.Credit}
	// The whole chain fits, so a part of it does: the sums only grow, but for
	// reservations, which are taken back only where they counted.
	debit, credit, _ := effect([2]Balance{p.balances[d], p.balances[c]}, t.Phase, t.Amount, reserved)
	p.balances[d], p.balances[c] = debit, credit
}

// Lines returns the balances, by currency and the order of the chart.
func (p *Past) Lines() []Line { return lines(p.merchant, p.balances) }

// Trial is a trial balance: for each currency and account the sums over all
// merchants. The zero value is an empty one.
type Trial struct {
	sums map[slot]Balance
}

// Add adds one merchant's account. The error, of kind fault.Invalid, wraps
// ErrOverflow.
func (t *Trial) Add(l Line) error {
	if t.sums == nil {
		t.sums = map[slot]Balance{}
	}
	k := slot{l.Currency, l.Name}
	b := t.sums[k]
	for _, v := range []struct {
		to   *int64
		more int64
	}{{&b.Debits, l.Debits}, {&b.Credits, l.Credits}, {&b.PendingDebits, l.PendingDebits}, {&b.PendingCredits, l.PendingCredits}} {
		s, ok := money.Add(*v.to, v.more)
		if !ok {
			return fault.New(fault.Invalid, "add up the ledger", l.Account.String(), ErrOverflow, "")
		}
		*v.to = s
	}
	t.sums[k] = b
	return nil
}

// Lines returns the accounts, by currency and the order of the chart. Their
// Merchant is empty.
func (t *Trial) Lines() []Line { return lines("", t.sums) }

// Totals is one currency of a trial balance. It balances when Debits equals
// Credits and PendingDebits equals PendingCredits.
type Totals struct {
	Currency money.Currency
	Balance
}

// Totals returns the sums of all accounts per currency, sorted. The error is as
// that of Add.
func (t *Trial) Totals() ([]Totals, error) {
	sums := Trial{}
	for k, b := range t.sums {
		if err := sums.Add(Line{Account{Currency: k.currency}, b}); err != nil {
			return nil, err
		}
	}
	out := make([]Totals, 0, len(sums.sums))
	for k, b := range sums.sums {
		out = append(out, Totals{k.currency, b})
	}
	slices.SortFunc(out, func(a, b Totals) int { return cmp.Compare(a.Currency.String(), b.Currency.String()) })
	return out, nil
}

// Balanced returns nil when every currency's debits equal its credits, moved and
// reserved; else an error of kind fault.Conflict that names the currency.
func (t *Trial) Balanced() error {
	totals, err := t.Totals()
	if err != nil {
		return err
	}
	for _, s := range totals {
		if s.Debits != s.Credits || s.PendingDebits != s.PendingCredits {
			return fault.New(fault.Conflict, "balance the ledger", s.Currency.String(), errUnbalanced,
				"the recorded balances were changed outside the program: run `daozhang doctor`")
		}
	}
	return nil
}
