package payment

import (
	"fmt"

	"daozhang/internal/card"
	"daozhang/internal/fault"
)

// The invariants of payments, numbered as in ARCHITECTURE.md. Check holds a
// decision against those that can be seen in it before it is committed.
//
//	P1 the ledger balances at each commit
//	P2 each approval that a terminal saw is in the ledger
//	P3 what was taken and is claimed of a transaction never exceeds it
//	P4 one idempotency key, one effect: a row's version rises by one, along a legal
//	   change of state
//	P5 replaying the journal gives the same state
//	P6 no clear card data in what is written; no track, PIN or card in a reversal
//	P7 what is owed to a network is recorded before it is sent
type violation struct {
	number int
	what   string
}

func (v *violation) Error() string { return fmt.Sprintf("P%d does not hold: %s", v.number, v.what) }

// follows lists the legal changes of state.
var follows = [states][]State{
	NoState:   {Sent, Approved, Declined, Reversed},
	Sent:      {Approved, Declined, Unknown},
	Approved:  {Approved, Reversing, Voided, Completed, Expired},
	Declined:  {Reversing},
	Unknown:   {Unknown, Reversed, Declined},
	Reversing: {Reversing, Reversed},
	Reversed:  {Reversing},
	Voided:    {Approved, Voided},
	Completed: {Approved, Completed},
}

// Check holds a decision against the invariants. The error is of kind
// fault.Internal and names the invariant; such a decision must not be committed.
func (b *Book) Check(d *Decision) error {
	if err := b.check(d); err != nil {
		return fault.New(fault.Internal, "decide", string(d.Outcome), err, "this is an error in the program; nothing was written")
	}
	return nil
}

func (b *Book) check(d *Decision) error {
	s := d.Step
	if s != nil {
		for i := range s.Transfers {
			m := &s.Transfers[i]
			if err := m.Check(); err != nil {
				return &violation{1, err.Error()}
			}
			if m.Merchant != s.MID {
				return &violation{1, "a transfer of another merchant"}
			}
		}
		for i := range s.Transactions {
			if err := b.checkRow(s, &s.Transactions[i]); err != nil {
				return err
			}
		}
	}
	for i := range d.Effects {
		e := &d.Effects[i]
		switch e.Kind {
		case Reply:
			if e.Answer.Approved() && !b.stands(s, e.Answer.Payment, e.Answer.Key) {
				return &violation{2, "an approval that is not booked"}
			}
		case SendMessage:
			if e.Message.Kind == Ask {
				continue
			}
			if e.Message.Card != nil {
				return &violation{6, "card data in a reversal or an advice"}
			}
			if !s.owes(e.Message.Payment, e.Message.Kind) {
				return &violation{7, "a message that is not recorded"}
			}
		}
	}
	return nil
}

func (s *Step) owes(id ID, kind MessageKind) bool {
	if s == nil {
		return false
	}
	for i := range s.Outgoing {
		if o := &s.Outgoing[i]; o.Payment == id && o.Kind == kind && o.State == Due {
			return true
		}
	}
	return false
}

// stands reports whether a transaction has been approved and booked, in the step
// or before: what was told once may be told again, also after it was undone.
func (b *Book) stands(s *Step, id ID, k Key) bool {
	if s != nil {
		for i := range s.Transactions {
			if t := &s.Transactions[i]; t.ID == id {
				return t.State == Approved && t.Booked
			}
		}
	}
	t := b.txs[id]
	return t != nil && t.Key == k && t.Approved > 0
}

func (b *Book) checkRow(s *Step, t *Transaction) error {
	was := b.txs[t.ID]
	from, version := NoState, uint32(0)
	if was != nil {
		from, version = was.State, was.Version
	}
	legal := false
	for _, next := range follows[from] {
		legal = legal || next == t.State
	}
	limit := t.Approved
	if t.Operation == Preauth {
		limit = completionLimit(limit)
	}
	switch {
	case t.MID != s.MID:
		return &violation{4, "a row of another merchant"}
	case t.Version != version+1:
		return &violation{4, "the row was changed meanwhile"}
	case !legal:
		return &violation{4, fmt.Sprintf("%s became %s", from, t.State)}
	case t.Claimed < 0 || t.Taken < 0 || t.Claimed+t.Taken > limit:
		return &violation{3, fmt.Sprintf("%s of %d has %d taken and %d claimed", t.Operation, limit, t.Taken, t.Claimed)}
	case t.PAN != "" && !card.IsMasked(t.PAN):
		return &violation{6, "a card number that is not masked"}
	case t.Booked && (was == nil || !was.Booked) && !s.moves(t):
		return &violation{2, "booked without a transfer"}
	}
	return nil
}

// moves reports whether the step has a transfer because of a transaction, or of
// one that acts on it.
func (s *Step) moves(t *Transaction) bool {
	if t.Operation == PreauthVoid {
		return true // it only releases a memo
	}
	for i := range s.Transfers {
		if s.Transfers[i].Payment == t.ID {
			return true
		}
	}
	for i := range s.Transactions {
		if s.Transactions[i].Original == t.ID {
			return true
		}
	}
	return false
}
