package ledger

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/money"
)

// Balance is what an account's transfers add up to, in minor units. None is
// negative.
type Balance struct {
	Debits, Credits               int64 // moved
	PendingDebits, PendingCredits int64 // reserved
}

// On returns the balance on a side: what moved there less what moved on the
// other. It is negative where the account stands on its other side.
func (b Balance) On(s Side) int64 {
	if s == Debit {
		return b.Debits - b.Credits
	}
	return b.Credits - b.Debits
}

// Line is one account with its balance.
type Line struct {
	Account
	Balance
}

type slot struct {
	currency money.Currency
	name     Name
}

// Standing is one merchant's end of the chain, balances and open pending
// transfers: all that is needed to accept the next transfer. It knows no keys;
// whoever holds the entries does (Book, the store). It is not safe for
// concurrent use.
type Standing struct {
	head     Head
	balances map[slot]Balance
	open     map[uuid.UUID]Transfer
}

// NewStanding is that of a merchant without entries.
func NewStanding(merchant string) *Standing {
	return &Standing{head: Head{Merchant: merchant}, balances: map[slot]Balance{}, open: map[uuid.UUID]Transfer{}}
}

// Restore makes a standing of what was recorded. Lines and transfers of other
// merchants are ignored.
func Restore(head Head, lines []Line, open []Transfer) *Standing {
	s := NewStanding(head.Merchant)
	s.head = head
	for _, l := range lines {
		if l.Merchant == head.Merchant {
			s.balances[slot{l.Currency, l.Name}] = l.Balance
		}
	}
	for _, t := range open {
		if t.Merchant == head.Merchant {
			s.open[t.ID] = t
		}
	}
	return s
}

// Head returns the end of the chain.
func (s *Standing) Head() Head { return s.head }

// Balance returns one account's balance, zeros where nothing moved.
func (s *Standing) Balance(c money.Currency, n Name) Balance { return s.balances[slot{c, n}] }

// Lines returns the accounts that have moved, by currency and the order of the
// chart.
func (s *Standing) Lines() []Line { return lines(s.head.Merchant, s.balances) }

func lines(merchant string, balances map[slot]Balance) []Line {
	out := make([]Line, 0, len(balances))
	for k, b := range balances {
		if b != (Balance{}) {
			out = append(out, Line{Account{merchant, k.currency, k.name}, b})
		}
	}
	sortLines(out)
	return out
}

func sortLines(l []Line) {
	slices.SortFunc(l, func(a, b Line) int {
		return cmp.Or(bytes.Compare(a.Currency[:], b.Currency[:]), cmp.Compare(a.Name, b.Name))
	})
}

// Moved is Lines with the accounts that a void has brought back to nothing: what
// is on record of them has to be written over.
func (s *Standing) Moved() []Line {
	out := make([]Line, 0, len(s.balances))
	for k, b := range s.balances {
		out = append(out, Line{Account{s.head.Merchant, k.currency, k.name}, b})
	}
	sortLines(out)
	return out
}

// Open returns the pending transfers that are neither posted nor voided, in
// order of identifiers.
func (s *Standing) Open() []Transfer {
	out := make([]Transfer, 0, len(s.open))
	for _, t := range s.open {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b Transfer) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return out
}

// Pending returns an open pending transfer.
func (s *Standing) Pending(id uuid.UUID) (Transfer, bool) {
	t, ok := s.open[id]
	return t, ok
}

// Apply accepts transfers of this merchant in their order, all or none, and
// returns them in their places. The error is of kind fault.Invalid,
// fault.Conflict or fault.NotFound and wraps one of this package's reasons.
func (s *Standing) Apply(ts ...Transfer) ([]Entry, error) {
	return Standings{s.head.Merchant: s}.Apply(ts...)
}

// Standings are those of several merchants.
type Standings map[string]*Standing

// Apply is Standing.Apply over several merchants: all or none. A merchant whose
// standing is not there is refused as fault.Invalid.
func (all Standings) Apply(ts ...Transfer) ([]Entry, error) {
	out := make([]Entry, 0, len(ts))
	back := make([]undo, 0, len(ts))
	for i := range ts {
		t := ts[i]
		t.At = t.At.UTC().Truncate(time.Microsecond)
		s := all[t.Merchant]
		var err error
		var e Entry
		var u undo
		if s == nil {
			err = refuse(ErrInvalid, &t, "the merchant is another")
		} else {
			e, u, err = s.post(t)
		}
		if err != nil {
			for _, u := range slices.Backward(back) {
				u.revert()
			}
			return nil, err
		}
		out = append(out, e)
		back = append(back, u)
	}
	return out, nil
}

// undo is what one transfer replaced.
type undo struct {
	s             *Standing
	head          Head
	debit, credit slot
	before        [2]Balance
	finished      *Transfer // the pending transfer that was closed
	opened        uuid.UUID // the one that was opened
}

func (u *undo) revert() {
	u.s.head = u.head
	u.s.balances[u.debit], u.s.balances[u.credit] = u.before[0], u.before[1]
	if u.finished != nil {
		u.s.open[u.finished.ID] = *u.finished
	}
	if u.opened != uuid.Nil {
		delete(u.s.open, u.opened)
	}
}

// post accepts one transfer.
func (s *Standing) post(t Transfer) (Entry, undo, error) {
	if err := t.Check(); err != nil {
		return Entry{}, undo{}, err
	}
	u := undo{s: s, head: s.head, debit: slot{t.Currency, t.Debit}, credit: slot{t.Currency, t.Credit}}
	u.before = [2]Balance{s.balances[u.debit], s.balances[u.credit]}
	var reserved int64
	if t.Phase == Post || t.Phase == Void {
		p, ok := s.open[t.Of]
		if !ok {
			return Entry{}, undo{}, refuse(ErrNotPending, &t, "")
		}
		if p.Currency != t.Currency || p.Debit != t.Debit || p.Credit != t.Credit {
			return Entry{}, undo{}, refuse(ErrInvalid, &t, "repeat the accounts and the currency of the pending transfer")
		}
		if t.Amount > p.Amount || t.Phase == Void && t.Amount != p.Amount {
			return Entry{}, undo{}, refuse(ErrExceedsPending, &t, fmt.Sprintf("%d of %d", t.Amount, p.Amount))
		}
		reserved = p.Amount
		u.finished = &p
	}
	debit, credit, ok := effect(u.before, t.Phase, t.Amount, reserved)
	if !ok {
		return Entry{}, undo{}, refuse(ErrOverflow, &t, "the account holds no more than 63 bits of minor units")
	}
	if chart[t.Debit].floor && debit.Credits-debit.Debits-debit.PendingDebits < 0 {
		return Entry{}, undo{}, refuse(ErrOverdrawn, &t, t.Debit.String())
	}
	if t.Phase == Pending {
		if _, twice := s.open[t.ID]; twice {
			return Entry{}, undo{}, refuse(ErrInvalid, &t, "the identifier stands for another pending transfer")
		}
		s.open[t.ID] = t
		u.opened = t.ID
	}
	if u.finished != nil {
		delete(s.open, t.Of)
	}
	s.balances[u.debit], s.balances[u.credit] = debit, credit
	s.head.Seq++
	s.head.Hash = link(u.head.Hash, s.head.Seq, &t)
	return Entry{Transfer: t, Seq: s.head.Seq, Hash: s.head.Hash}, u, nil
}

// effect returns the balances of the debit and the credit account after a
// transfer; reserved is what the pending transfer had, for a Post or a Void. ok
// is false where a sum of moved and reserved amounts exceeds int64: kept below
// it, no later finish can overflow.
func effect(before [2]Balance, p Phase, amount, reserved int64) (debit, credit Balance, ok bool) {
	debit, credit = before[0], before[1]
	switch p {
	case Pending:
		debit.PendingDebits, ok = money.Add(debit.PendingDebits, amount)
		if ok {
			credit.PendingCredits, ok = money.Add(credit.PendingCredits, amount)
		}
	case Post, Void:
		debit.PendingDebits -= reserved
		credit.PendingCredits -= reserved
		ok = debit.PendingDebits >= 0 && credit.PendingCredits >= 0
	default:
		ok = true
	}
	if ok && (p == Posted || p == Post) {
		debit.Debits, ok = money.Add(debit.Debits, amount)
		if ok {
			credit.Credits, ok = money.Add(credit.Credits, amount)
		}
	}
	if !ok {
		return before[0], before[1], false
	}
	_, left := money.Add(debit.Debits, debit.PendingDebits)
	_, right := money.Add(credit.Credits, credit.PendingCredits)
	return debit, credit, left && right
}

// differ names an account or a reservation in which two standings differ.
func (s *Standing) differ(o *Standing) (string, bool) {
	for _, two := range [][2]*Standing{{s, o}, {o, s}} {
		for k, b := range two[0].balances {
			if two[1].balances[k] != b {
				return Account{s.head.Merchant, k.currency, k.name}.String(), true
			}
		}
		for id, t := range two[0].open {
			if p, ok := two[1].open[id]; !ok || p.ID != t.ID || !p.Same(&t) || !p.At.Equal(t.At) {
				return t.Key, true
			}
		}
	}
	return "", false
}
