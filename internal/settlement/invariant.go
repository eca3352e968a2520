package settlement

import (
	"errors"
	"fmt"
	"strings"

	"daozhang/internal/card"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
)

// The invariants of settlement, numbered as in DESIGN.md. Check holds a step
// against those that can be seen in it before it is committed.
//
//	F1 what a position says is what its transfers move, account by account
//	F2 lines of a step add up to what its transfers move into merchant_payable
//	F3 a payout is the sum of its lines, more than 0 and never more than is payable
//	F4 payable and frozen money is that of the open payout and of what came back
//	F5 what is held, in transit or returned is never negative
//	F6 a row's version rises by one; a payout changes along its states
//	F7 an order to pay leaves once, and only with the step that makes it sent
//	F8 what is booked of a clearing file is its total: a break never changes the sum
//	F9 no account number and no card number in clear
type violation struct {
	number int
	what   string
}

func (v *violation) Error() string { return fmt.Sprintf("F%d does not hold: %s", v.number, v.what) }

// payoutFollows lists the legal changes of a payout's state. One that stays as it
// is notes a doubt, or how much was sent again.
var payoutFollows = [payoutStates][]PayoutState{
	NoPayout: {Created},
	Created:  {Created, Sent, Stopped},
	Stopped:  {Stopped, Created},
	Sent:     {Sent, Unknown, Accepted, Credited, Rejected, Returned},
	Unknown:  {Unknown, Accepted, Credited, Rejected, Returned},
	Accepted: {Accepted, Credited, Rejected, Returned},
	Credited: {Credited, Returned},
	Rejected: {Rejected},
	Returned: {Returned},
}

// Violated reports an error of an invariant. Where the rows of a decision were not
// read at one moment it may only say that others have moved them in between:
// whoever reads them again finds out.
func Violated(err error) bool {
	_, ok := errors.AsType[*violation](err)
	return ok
}

// Check holds a step against the invariants; before is the position on record,
// nil where the step has none. The error is of kind fault.Internal and names the
// invariant: such a step must not be committed.
func Check(before *Position, s *Step) error {
	if err := check(before, s); err != nil {
		return fault.New(fault.Internal, fault.Say("settle", "结算"), s.MID, err, fault.Say("this is an error in the program; nothing was written", "程序错误, 未写入任何数据"))
	}
	return nil
}

func check(before *Position, s *Step) error {
	moved := map[ledger.Name]int64{} // on the account's own side
	settled := int64(0)              // into merchant_payable by lines
	for i := range s.Transfers {
		t := &s.Transfers[i]
		if err := t.Check(); err != nil {
			return &violation{1, err.Error()}
		}
		if t.Merchant != s.MID {
			return &violation{1, "a transfer of another merchant"}
		}
		for _, side := range [...]struct {
			name ledger.Name
			side ledger.Side
		}{{t.Debit, ledger.Debit}, {t.Credit, ledger.Credit}} {
			if side.name.Side() == side.side {
				moved[side.name] += t.Amount
			} else {
				moved[side.name] -= t.Amount
			}
		}
		switch t.Reason {
		case reasonFreeze, reasonUnfreeze, reasonPayout, reasonCredited, reasonRejected, reasonReturned:
		default:
			if t.Credit == ledger.MerchantPayable {
				settled += t.Amount
			}
			if t.Debit == ledger.MerchantPayable {
				settled -= t.Amount
			}
		}
	}
	lines := int64(0)
	for i := range s.Lines {
		l := &s.Lines[i]
		if l.Gross < 0 || l.MID != s.MID || l.Payout == "" {
			return &violation{2, "a line without payout, of another merchant or with a negative gross"}
		}
		if l.PAN != "" && !card.IsMasked(l.PAN) {
			return &violation{9, "a card number that is not masked"}
		}
		lines += l.Net
	}
	if lines != settled {
		return &violation{2, fmt.Sprintf("lines of %d against transfers of %d", lines, settled)}
	}
	if err := s.checkPayouts(); err != nil {
		return err
	}
	if len(s.Positions) == 0 {
		if len(s.Lines) > 0 || moved[ledger.MerchantPayable] != 0 || moved[ledger.MerchantHeld] != 0 || moved[ledger.PayoutInTransit] != 0 || moved[ledger.MerchantPaid] != 0 {
			return &violation{1, "money of the merchant moves and no position says so"}
		}
		return nil
	}
	if before == nil || len(s.Positions) != 1 {
		return &violation{6, "one position a step, and the one before"}
	}
	return s.checkPosition(before, &s.Positions[0], moved)
}

func (s *Step) checkPosition(before, p *Position, moved map[ledger.Name]int64) error {
	for _, a := range [...]struct {
		name    ledger.Name
		was, is int64
	}{
		{ledger.MerchantPayable, before.Payable, p.Payable}, {ledger.MerchantHeld, before.Held(), p.Held()},
		{ledger.PayoutInTransit, before.InTransit, p.InTransit}, {ledger.MerchantPaid, before.Paid, p.Paid},
		{ledger.FeeIncome, before.Fees, p.Fees},
	} {
		if a.is-a.was != moved[a.name] {
			return &violation{1, fmt.Sprintf("%s went from %d to %d and transfers moved %d", a.name, a.was, a.is, moved[a.name])}
		}
	}
	switch {
	case p.MID != s.MID || p.Currency != before.Currency:
		return &violation{6, "the position of another merchant or currency"}
	case p.Version != before.Version+1:
		return &violation{6, "the position was changed meanwhile"}
	case p.Payable+p.Frozen != p.Open.Net+p.Returned:
		return &violation{4, fmt.Sprintf("payable %d and frozen %d against open %d and returned %d", p.Payable, p.Frozen, p.Open.Net, p.Returned)}
	case p.Frozen < 0 || p.Reserved < 0 || p.Retained < 0 || p.Stopped < 0 || p.InTransit < 0 || p.Returned < 0:
		return &violation{5, "a part that cannot be negative is"}
	case p.Hold == "" && p.Frozen != 0:
		return &violation{5, "money is frozen and no hold says why"}
	}
	// Before it was created a payout was all of the open one, or had come back.
	available := before.Payable
	for i := range s.Lines {
		available += s.Lines[i].Net
	}
	for i := range s.Payouts {
		o := &s.Payouts[i]
		if o.Version != 1 {
			continue
		}
		available -= o.Amount
		if available < 0 {
			return &violation{3, "more than is payable"}
		}
		if o.Replaces == "" && (o.ID != openOf(before, s).ID || o.Amount != openOf(before, s).Net) {
			return &violation{3, fmt.Sprintf("payout of %d against lines of %d", o.Amount, openOf(before, s).Net)}
		}
	}
	return nil
}

// openOf is the open payout as the step's lines leave it.
func openOf(before *Position, s *Step) Open {
	o := before.Open
	for i := range s.Lines {
		o.ID = s.Lines[i].Payout
		o.Net += s.Lines[i].Net
	}
	return o
}

func (s *Step) checkPayouts() error {
	for i := range s.Payouts {
		p := &s.Payouts[i]
		switch {
		case p.Amount <= 0 || p.MID != s.MID || p.Version == 0:
			return &violation{3, "a payout of nothing or of another merchant"}
		case p.Version == 1 && p.State != Created:
			return &violation{6, "a payout begins created"}
		case !strings.HasPrefix(p.Account.Tail, "****"):
			return &violation{9, "a payout without account, or with a whole account number"}
		}
	}
	for i := range s.Orders {
		o := &s.Orders[i]
		if o.Kind != Pay {
			continue
		}
		made := false
		for j := range s.Payouts {
			p := &s.Payouts[j]
			made = made || p.ID == o.Payout.ID && p.State == Sent && p.Sent.Equal(s.At)
		}
		if !made {
			return &violation{7, "an order to pay without the payout becoming sent"}
		}
	}
	return nil
}

// CheckChange holds a payout's row against the one on record: versions follow and
// the change of state is legal. Stores and simulations ask it.
func CheckChange(from, to *Payout) error {
	state, version := NoPayout, uint32(0)
	if from != nil {
		state, version = from.State, from.Version
	}
	legal := false
	for _, n := range payoutFollows[state] {
		legal = legal || n == to.State
	}
	if !legal || to.Version != version+1 {
		return fault.New(fault.Internal, fault.Say("change payout", "变更出款"), to.ID,
			&violation{6, fmt.Sprintf("%s (version %d) became %s (version %d)", state, version, to.State, to.Version)}, "")
	}
	return nil
}
