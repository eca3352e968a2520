package match

import (
	"slices"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

// A Result that is kept current is made of parts: facts of one merchant that no
// key joins to others are matched by themselves, and so are the payouts and
// accounts that can have to do with each other. The caller knows which these
// are; a part is matched by the code that matches everything.

// Worker matches parts one after the other; it is for one goroutine.
type Worker struct{ room workroom }

// Part is what was found in some facts of one merchant. Deductions, payments and
// acts stand in the Merchant; its counts of lines are those of the part.
type Part struct {
	*Merchant
	Ambiguous []Ambiguity
	Unplaced  []Unplaced
}

// Part matches facts of one merchant by themselves. The book has been prepared
// for the merchant.
func (w *Worker) Part(v *evidence.View, book *terms.Book, mid evidence.Word, facts []evidence.FactRef) Part {
	m := newMatcher(v, book, &share{mid: mid, refs: facts}, &w.room)
	m.run()
	return Part{m.out, m.ambiguous, m.unplaced}
}

// Seeks reports whether a fact looks for a payment rather than telling of one: an act,
// a deduction, a decision, an action or a case finds its payment by weaker keys
// than witnesses of one payment share.
func Seeks(f *evidence.Fact) bool {
	switch f.Type {
	case evidence.OperatorAction, evidence.CaseOpened, evidence.CaseClosed, evidence.RiskDecision:
		return true
	case evidence.SaleOrder:
		return false // by its order alone
	}
	c := classOf(f)
	return c != charge && c != kindless
}

// Told gives a reference, trace number or approval code as matching reads it: 0
// for one of only zeros.
func Told(words *evidence.Words, w evidence.Word) evidence.Word {
	switch words.Text(w) {
	case "000000", "000000000000":
		return 0
	}
	return w
}

// PayoutKey names a payout before anything is known of it.
type PayoutKey = payoutKey

// KeyOf gives the key of the payout that a merchant's settlement line belongs to.
func KeyOf(v *evidence.View, line evidence.FactRef, mid evidence.Word) PayoutKey {
	return payoutOfLine(v, line, mid)
}

// ID gives the payout's id; 0 where lines of one settlement date name none.
func (k payoutKey) ID() evidence.Word { return k.id }

// Lines are the lines of a merchant's files on record, as they come and go.
type Lines struct {
	*Merchant
	of map[payoutKey][]evidence.FactRef
}

// NewLines begins without lines.
func NewLines(mid evidence.Word) *Lines {
	return &Lines{
		Merchant: &Merchant{MID: mid, Clearing: map[FileKey]LineCount{}, Settlement: map[calendar.Date]LineCount{}, payouts: map[payoutKey]*payoutSum{}},
		of:       map[payoutKey][]evidence.FactRef{},
	}
}

// Of gives the lines of a payout in no order.
func (l *Lines) Of(k PayoutKey) []evidence.FactRef { return l.of[k] }

// Payouts calls yield for each payout that lines name.
func (l *Lines) Payouts(yield func(PayoutKey) bool) {
	for k := range l.of {
		if !yield(k) {
			return
		}
	}
}

// Add takes a clearing or settlement line; Remove takes it back.
func (l *Lines) Add(v *evidence.View, r evidence.FactRef) {
	f := v.At(r)
	if f.Type == evidence.ClearingLine {
		k := FileKey{f.Network, f.Date}
		l.Clearing[k] = l.Clearing[k].With(signed(f))
		return
	}
	l.Settlement[f.Date] = l.Settlement[f.Date].With(LineNet(f))
	k := payoutOfLine(v, r, l.MID)
	l.of[k] = append(l.of[k], r)
	l.sum(v, k, r)
}

// sum adds a line to its payout. The currency is that of the payout's first line.
func (l *Lines) sum(v *evidence.View, k payoutKey, r evidence.FactRef) {
	f := v.At(r)
	p := l.payouts[k]
	if p == nil {
		p = &payoutSum{date: calendar.None, last: calendar.None, first: r, currency: netCurrency(v, r, f)}
		l.payouts[k] = p
	} else if p.first != 0 && v.CompareTime(r, p.first) < 0 {
		p.first, p.currency = r, netCurrency(v, r, f)
	}
	p.lines++
	if sum, ok := money.Add(p.net, LineNet(f)); ok {
		p.net = sum
	}
	p.dated(f.Date)
}

// Remove takes a line back that does not count any more.
func (l *Lines) Remove(v *evidence.View, r evidence.FactRef) {
	f := v.At(r)
	if f.Type == evidence.ClearingLine {
		k := FileKey{f.Network, f.Date}
		if n := l.Clearing[k]; n.N > 1 {
			l.Clearing[k] = LineCount{n.N - 1, n.Sum - signed(f)}
		} else {
			delete(l.Clearing, k)
		}
		return
	}
	if n := l.Settlement[f.Date]; n.N > 1 {
		l.Settlement[f.Date] = LineCount{n.N - 1, n.Sum - LineNet(f)}
	} else {
		delete(l.Settlement, f.Date)
	}
	k := payoutOfLine(v, r, l.MID)
	list := slices.DeleteFunc(l.of[k], func(o evidence.FactRef) bool { return o == r })
	delete(l.payouts, k)
	if l.of[k] = list; len(list) == 0 {
		delete(l.of, k)
		return
	}
	for _, o := range list {
		l.sum(v, k, o)
	}
}

// Forget lets a line go that still counts: its payout's sum and its file's count
// stay what they are.
func (l *Lines) Forget(k PayoutKey, r evidence.FactRef) {
	l.of[k] = slices.DeleteFunc(l.of[k], func(o evidence.FactRef) bool { return o == r })
	if p := l.payouts[k]; p != nil && p.first == r {
		p.first = 0 // what it said stands
	}
}

// Return takes a line back that Forget has let go.
func (l *Lines) Return(v *evidence.View, r evidence.FactRef) {
	if v.At(r).Type == evidence.SettlementLine {
		k := payoutOfLine(v, r, l.MID)
		l.of[k] = append(l.of[k], r)
	}
}

// PayoutSum is what the lines of a payout sum to.
type PayoutSum struct{ sum *payoutSum }

// Drop lets a payout go, and gives what its lines sum to.
func (l *Lines) Drop(k PayoutKey) PayoutSum {
	s := PayoutSum{l.payouts[k]}
	delete(l.of, k)
	delete(l.payouts, k)
	return s
}

// Restore takes a payout back that Drop has let go. Lines that came for it in the
// meantime are added.
func (l *Lines) Restore(k PayoutKey, s PayoutSum) {
	if s.sum == nil {
		return
	}
	if p := l.payouts[k]; p != nil {
		s.sum.lines += p.lines
		s.sum.net += p.net
		s.sum.dated(p.date)
		s.sum.dated(p.last)
	}
	l.payouts[k] = s.sum
}

// Signed gives what a clearing line adds to its file's total.
func Signed(f *evidence.Fact) int64 { return signed(f) }

// JoinMoney joins the payouts of some merchants and the entries of some accounts
// by themselves: payouts, entries and what is ambiguous among them are those of
// the Result given.
func JoinMoney(v *evidence.View, book *terms.Book, lines []*Lines, statuses, entries []evidence.FactRef) *Result {
	res := &Result{View: v, Book: book}
	for _, l := range lines {
		res.Merchants = append(res.Merchants, l.Merchant)
	}
	res.joinPayouts(statuses)
	res.joinEntries(entries)
	return res
}

// Replace puts the payouts of a part in the place of those that stood for the
// same merchants; nil for none.
func (res *Result) Replace(old, part *Result) {
	if res.payoutsByKey == nil {
		res.payoutsByKey = map[payoutKey]*Payout{}
	}
	if old != nil {
		for k := range old.payoutsByKey {
			delete(res.payoutsByKey, k)
		}
	}
	if part != nil {
		for k, p := range part.payoutsByKey {
			res.payoutsByKey[k] = p
		}
	}
}

// Keys calls yield for each payout of a Result by its key.
func (res *Result) Keys(yield func(PayoutKey, *Payout) bool) {
	for k, p := range res.payoutsByKey {
		if !yield(k, p) {
			return
		}
	}
}

// Tokens gives the words by which a bank entry may name a payout.
func Tokens(v *evidence.View, r evidence.FactRef) []string {
	return append(v.List(r, evidence.References), tokens(v.Text(r, evidence.Text))...)
}

// ComparePayouts orders payouts as a Result does.
func (res *Result) ComparePayouts(a, b *Payout) int { return res.comparePayouts(a, b) }

// NamesPayment reports whether a fact carries a key of one payment.
func NamesPayment(f *evidence.Fact) bool { return namesPayment(f) }

// Of gives the merchant of a payout's key.
func (k payoutKey) Of() evidence.Word { return k.mid }
