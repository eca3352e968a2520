package journey

import (
	"math"
	"time"

	"daozhang/internal/evidence"
)

// stage finds the furthest proven stage, and the next leg that anybody speaks of.
func (c *Context) stage(j *Journey) {
	s := &j.Swipe
	j.Stage = Tendered
	approved := s.ApprovedAt != 0
	if approved {
		j.Stage = Authorized
	}
	if approved && !j.OpenPreauth && !j.needsUpload() || j.BatchFact != 0 {
		j.Stage = Captured
		if j.CapturedAt == 0 {
			j.CapturedAt = s.ApprovedAt
		}
	}
	if j.ClearingLine != 0 {
		j.Stage = Cleared
	}
	if j.SettlementLine != 0 {
		j.Stage = Settled
	}
	for p := j.Payout; p != nil; p = p.Replaces {
		for _, r := range p.Statuses {
			f := c.View.At(r)
			switch f.State {
			case evidence.Sent, evidence.Accepted:
				j.paidOut(f.Time)
			case evidence.Credited:
				j.paidOut(f.Time)
				if c.View.Text(r, evidence.By) != "platform" {
					j.Stage = Credited
					if j.CreditedAt == 0 {
						j.CreditedAt = f.Time
					}
				}
			}
		}
	}
	if j.Entry != 0 {
		j.Stage = Credited
	}
	if s.Outcome == NoOutcome || s.Outcome == WasOpen {
		j.Next = Authorization
		return
	}
	j.Next = NoLeg
	for l := Leg(j.Stage); l <= Credit; l++ {
		if l == Authorization || l == Capture && j.OpenPreauth || c.Speaks(j.Keys.MID, l) {
			j.Next = l
			break
		}
	}
}

func (j *Journey) paidOut(at evidence.Instant) {
	if j.Stage < PaidOut {
		j.Stage = PaidOut
	}
	if j.PaidOutAt == 0 {
		j.PaidOutAt = at
	}
}

// status applies the contract's list: the first that fits.
func (c *Context) status(j *Journey) {
	if j.Kind == evidence.Chargeback { // of a payment that is not on record
		j.Status, j.Next, j.Due = Short, NoLeg, 0
		j.Deductions.Chargeback = j.Amount
		return
	}
	switch j.Swipe.Outcome {
	case WasDeclined, NeverSent, WasReversed:
		j.notCharged()
		return
	}
	if j.OpenPreauth && j.Status != Refunded && j.AsOf > j.preauthEnd() && j.Swipe.Outcome == WasApproved {
		j.notCharged()
		return
	}
	if j.Kind == evidence.Refund || j.Kind == evidence.Void || j.Kind == evidence.Reversal {
		// An act whose payment is not on record stands alone.
		if j.Swipe.Outcome == WasApproved {
			j.Status, j.Net, j.Arrived = Refunded, 0, 0
			j.Refunded = j.Amount
			j.Cardholder = Refunding
			if j.SettlementLine != 0 || j.Kind == evidence.Void || j.ClearingLine != 0 && !c.Speaks(j.Keys.MID, Settlement) {
				j.Cardholder = CardRefunded
			}
			j.Due, j.Next = 0, NoLeg
			return
		}
	}
	if j.Status == Refunded {
		j.Net, j.Arrived, j.Next = 0, 0, NoLeg
		return
	}
	switch j.Swipe.Outcome {
	case NoOutcome, WasOpen, WasReversing, WasContradicted:
		j.Status = Unknown
		j.Arrived = 0
		j.Next = Authorization
		j.LegDue = j.Legs.Authorization
		return
	}
	if j.Entry != 0 && j.Arrived >= j.Net {
		j.Status, j.Next = Arrived, NoLeg
		return
	}
	c.judge(j)
}

// preauthEnd is when a preauthorization that nobody completed ends by itself.
func (j *Journey) preauthEnd() evidence.Instant {
	return j.Swipe.ApprovedAt.Add(time.Duration(j.Terms.PreauthDays) * 24 * time.Hour)
}

func (j *Journey) notCharged() {
	j.Status = NotCharged
	j.Net, j.Arrived, j.Fee, j.HasFee, j.Due = 0, 0, 0, false, 0
	j.Next = Authorization
	if j.OpenPreauth && j.Swipe.Outcome == WasApproved {
		j.Next = Capture
	}
	j.LegDue = 0
}

// judge finds the status of a payment that goes on: held, short, confirmed, on
// its way, unproven or overdue.
func (c *Context) judge(j *Journey) {
	latest, latestFact := evidence.NoState, evidence.FactRef(0)
	if j.Payout != nil {
		latest, latestFact = j.Payout.State(c.View)
	}
	if j.Stage < Credited && j.Stage >= Settled && (latest == evidence.Rejected || latest == evidence.Returned) && j.Entry == 0 {
		j.Next = Payout // it has to be sent again
	}
	if latest == evidence.Returned && j.Entry == 0 {
		j.Next = Payout
	}
	c.suspend(j)
	c.legDue(j)
	// Where nobody speaks of the payout, money that is settled waits for it all
	// the same.
	unseenPayout := j.Next == Credit && j.Stage == Settled && j.Entry == 0
	if by := c.holdOf(j, latest, latestFact); by != 0 && (j.Next == Settlement || j.Next == Payout || unseenPayout) {
		j.Status, j.HeldBy = Held, by
		if unseenPayout {
			j.Next = Payout
			c.legDue(j)
		}
		return
	}
	if j.Entry != 0 {
		j.Next = Credit
		if missing := j.Net - j.Arrived; j.Deductions.Reserve > 0 && missing <= j.Deductions.Reserve {
			j.Status = Held
			j.HeldBy = c.reserveLine(j)
			return
		}
		j.Status = Short
		return
	}
	if latest == evidence.Credited {
		day := j.Terms.LocalDate(c.View.At(latestFact).Time)
		if _, contradicted := c.Statement(j.account(), day); !contradicted {
			j.Status, j.Next = Confirmed, NoLeg
			return
		}
		j.Next = Credit
		c.legDue(j)
	}
	if j.OpenPreauth && !j.MeantAsSale {
		j.Status, j.Due, j.LegDue = InTransit, 0, 0
		return
	}
	if j.OpenPreauth {
		j.Due = 0
	}
	switch {
	case j.LegDue == 0 || c.AsOf <= j.LegDue || j.Suspended != NotSuspended:
		j.Status = InTransit
	case j.Next == Credit && (!j.Covered || j.Contested(c)):
		j.Status = Unproven
	default:
		j.Status = Overdue
		j.OverdueBy = c.AsOf.Unix() - j.LegDue.Unix()
	}
}

// Contested reports whether an entry that fits several ways may prove the
// payment.
func (j *Journey) Contested(c *Context) bool {
	return j.Payout != nil && j.Payout.Contested || c.contested[directKey{j.Keys.MID, j.BusinessDate, j.Currency}] && j.SettlementLine == 0
}

// account is where the payment's money is to arrive; "" where nobody says.
func (j *Journey) account() string {
	if j.Payout != nil && j.Payout.Account != "" {
		return j.Payout.Account
	}
	return j.Terms.Account
}

// Account is where the payment's money is to arrive; "" where nobody says.
func (j *Journey) Account() string { return j.account() }

// legDue finds when the next leg is due, and whether a statement covers the
// credit's day.
func (c *Context) legDue(j *Journey) {
	switch j.Next {
	case Authorization:
		j.LegDue = j.Legs.Authorization
	case Capture:
		j.LegDue = j.Legs.Capture
		if j.OpenPreauth {
			j.LegDue = j.Swipe.ApprovedAt.Add(saleMeantWithin)
		}
	case Clearing:
		j.LegDue = j.Legs.Clearing
	case Settlement:
		j.LegDue = j.Legs.Settlement
	case Payout:
		j.LegDue = j.Legs.Payout
		if p := j.Payout; p != nil && p.Replaces != nil && len(p.Statuses) > 0 {
			if state, _ := p.State(c.View); state != evidence.Rejected && state != evidence.Returned {
				again := c.View.At(p.Statuses[0]).Time
				_, j.LegDue = j.Terms.CreditAfter(again)
			}
		}
	case Credit:
		j.LegDue = j.Legs.Credit
		day := j.CreditDay
		if j.PaidOutAt > j.Legs.Payout || j.Payout != nil && j.Payout.Replaces != nil {
			sent := j.PaidOutAt
			if j.Payout != nil && j.Payout.Sent != 0 {
				sent = j.Payout.Sent
			}
			if later, due := j.Terms.CreditAfter(sent); due > j.LegDue {
				day, j.LegDue = later, due
			}
		}
		_, j.Covered = c.Statement(j.account(), day)
		j.CreditDay = day
	}
}

// suspend finds whether the payout's due time counts.
func (c *Context) suspend(j *Journey) {
	if j.Next != Payout || j.Payout == nil || len(j.Payout.Statuses) > 0 {
		return
	}
	total := min(c.unpaid[moneyKey{j.Keys.MID, j.Payout.Currency}], negativeOnly(j.Payout.Net))
	limit, fact := c.payoutLimit(j.Keys.MID)
	switch {
	case total < 0:
		j.Suspended = NegativeBalance
	case total < j.Terms.MinimumPayout:
		j.Suspended = BelowMinimum
	case fact != 0 && total > limit:
		j.Suspended = OverPayoutLimit
	}
}

// negativeOnly gives a sum that is below zero, else no bound.
func negativeOnly(sum int64) int64 {
	if sum < 0 {
		return sum
	}
	return math.MaxInt64
}

// PayoutLimitFact gives the payout policy of a merchant; 0 for none.
func (c *Context) PayoutLimitFact(mid evidence.Word) evidence.FactRef {
	_, fact := c.payoutLimit(mid)
	return fact
}

// holdOf gives the fact that holds a payment's money: a frozen or suspended
// account, a hold on it or its merchant, a payout held.
func (c *Context) holdOf(j *Journey, latest evidence.State, latestFact evidence.FactRef) evidence.FactRef {
	if j.Swipe.Hold != 0 { // it names this very payment
		return j.Swipe.Hold
	}
	if state, r := c.AccountState(j.Keys.MID); state == evidence.Frozen || state == evidence.Suspended {
		return r
	}
	if r := c.MerchantHold(j.Keys.MID); r != 0 {
		return r
	}
	if latest == evidence.Held {
		return latestFact
	}
	return 0
}

// HeldAt gives the fact that held a payment's money at a moment that has passed:
// a hold of its own, its merchant's account, a hold on its merchant; 0 for none.
func (c *Context) HeldAt(j *Journey, at evidence.Instant) evidence.FactRef {
	for i := len(j.Swipe.Holds) - 1; i >= 0; i-- {
		if h := j.Swipe.Holds[i]; h.From <= at && (h.To == 0 || at < h.To) {
			return h.Fact
		}
	}
	var held evidence.FactRef
	for _, list := range [][]evidence.FactRef{c.of2(j.Keys.MID).risk, c.of2(j.Keys.MID).account} {
		var last evidence.FactRef
		for _, r := range list {
			f := c.View.At(r)
			if f.Time > at {
				break
			}
			switch f.State {
			case evidence.Hold, evidence.Frozen, evidence.Suspended:
				last = r
			case evidence.Release, evidence.Active:
				last = 0
			}
		}
		if last != 0 {
			held = last
		}
	}
	return held
}

func (c *Context) reserveLine(j *Journey) evidence.FactRef {
	for _, r := range j.Deductions.Facts {
		if c.View.At(r).Kind == evidence.Reserve {
			return r
		}
	}
	return 0
}

// cardholder says what the card was charged.
func (c *Context) cardholder(j *Journey) {
	switch j.Status {
	case NotCharged:
		j.Cardholder = CardNotCharged
	case Refunded:
	case Unknown:
		j.Cardholder = CardUnknown
		if j.Swipe.Outcome == WasReversing && j.Swipe.ReversalState == evidence.Queued && c.AsOf <= j.Swipe.ReversalFirst.Add(reversalPatience) {
			j.Cardholder = Reversing
		}
	default:
		j.Cardholder = Charged
		switch {
		case j.OpenPreauth:
			j.Cardholder = Reserved
		case j.Swipe.OfflineApproved && !j.Swipe.Requested && j.Stage < Captured:
			j.Cardholder = CardUnknown
		}
	}
}

// order compares the payment with the order it is for, and finds whether a
// preauthorization was meant as a sale.
func (c *Context) order(j *Journey) {
	if j.OrderFact != 0 {
		f := c.View.At(j.OrderFact)
		amount, _ := f.Amount()
		if o, ok := c.orders[orderKey{j.Keys.MID, j.Keys.OrderID}]; ok && o.last == j.Payment {
			j.HasOrder, j.OrderDifference = true, amount-o.sum
		}
	}
	if !j.OpenPreauth {
		return
	}
	j.MeantAsSale = j.OrderFact != 0 || j.Swipe.WrongFunction != 0
	for _, r := range c.actions[j.Keys.TID] {
		f := c.View.At(r)
		gap := f.Time.Sub(j.Time)
		if f.State == evidence.WrongFunction && gap >= -nearAction && gap <= nearAction && (f.MID == 0 || f.MID == j.Keys.MID) && j.Keys.admits(f) {
			j.MeantAsSale = true
			if j.Swipe.WrongFunction == 0 {
				j.Swipe.WrongFunction = r
			}
		}
	}
}

// nearAction is how near to a payment an operator's action at its terminal is
// about that payment, where the action does not name it.
const nearAction = 10 * time.Minute
