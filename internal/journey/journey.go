// Package journey says how far a payment's money has come: the stage that is
// proven, when the next leg is due, the status that follows, and the money map
// that adds every payment up. It is pure: matched evidence and terms in, one
// [Journey] per payment out.
package journey

import (
	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/match"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

// Stage is the furthest point of the way that is proven.
type Stage uint8

// The stages in their order.
const (
	NoStage Stage = iota
	Tendered
	Authorized
	Captured
	Cleared
	Settled
	PaidOut
	Credited
)

var stageNames = [...]string{"", "tendered", "authorized", "captured", "cleared", "settled", "paid_out", "credited"}

func (s Stage) String() string { return stageNames[s] }

// Stages lists all stages in their order.
func Stages() []Stage {
	return []Stage{Tendered, Authorized, Captured, Cleared, Settled, PaidOut, Credited}
}

// Leg is the step from one stage to the next.
type Leg uint8

// The legs in their order; NoLeg where nothing more is to come.
const (
	NoLeg Leg = iota
	Authorization
	Capture
	Clearing
	Settlement
	Payout
	Credit
)

var legNames = [...]string{"", "authorization", "capture", "clearing", "settlement", "payout", "credit"}

func (l Leg) String() string { return legNames[l] }

// Status is the answer in one word; see the contract for the order in which
// they are tried.
type Status uint8

// The statuses in the order of the contract.
const (
	NoStatus Status = iota
	NotCharged
	Refunded
	Unknown
	Arrived
	Held
	Short
	Confirmed
	InTransit
	Unproven
	Overdue
)

var statusNames = [...]string{"", "not_charged", "refunded", "unknown", "arrived", "held", "short", "confirmed", "in_transit", "unproven", "overdue"}

func (s Status) String() string { return statusNames[s] }

// Statuses lists all statuses in the order in which a reader wants them: what
// has come, what is coming, what needs someone.
func Statuses() []Status {
	return []Status{Arrived, Confirmed, InTransit, Held, Short, Unproven, Overdue, Unknown, Refunded, NotCharged}
}

// Cardholder says what the card was charged.
type Cardholder uint8

// What a cardholder may see.
const (
	NoCardholder Cardholder = iota
	Charged
	Reserved
	Reversing
	Refunding
	CardRefunded
	CardNotCharged
	CardUnknown
)

var cardholderNames = [...]string{"", "charged", "reserved", "reversing", "refunding", "refunded", "not_charged", "unknown"}

func (c Cardholder) String() string { return cardholderNames[c] }

// Keys are the keys of a payment that any of its facts knows.
type Keys struct {
	MID, TID, Batch, STAN, RRN, AuthCode, OrderID, Ref, PAN, Network, Issuer evidence.Word
	CardType                                                                 evidence.CardType
}

// Refund is money given back, in minor units.
type Refund struct {
	Amount int64
	Time   evidence.Instant
}

// Deduction is what a line takes from a payment beyond its agreed fee.
type Deduction struct {
	Chargeback, Reserve, Adjustment, ExcessFee int64
	Facts                                      []evidence.FactRef
}

// Total gives everything deducted, in minor units.
func (d *Deduction) Total() int64 { return d.Chargeback + d.Reserve + d.Adjustment + d.ExcessFee }

// Journey is where one payment's money is at the moment of the question.
type Journey struct {
	Payment  *match.Payment
	Merchant *match.Merchant
	Terms    *terms.Terms
	Swipe    Swipe
	Keys     Keys

	Kind         evidence.Kind
	Time         evidence.Instant
	Offset       int16 // zone of the payment's own fact, minutes east of UTC
	BusinessDate calendar.Date
	Currency     money.Currency
	Amount       int64 // approved, minor units
	Fee          int64 // agreed, else charged
	FeeCharged   int64
	HasFee       bool // a fee is agreed or was charged
	TookFee      bool // a line says what was taken
	Net          int64
	Arrived      int64
	Missing      int64
	Refunds      []Refund
	Refunded     int64
	Deductions   Deduction
	FeeKept      int64 // kept although everything was refunded

	// Order is the order's amount; OrderDifference is it less the payments
	// that charge for it.
	OrderDifference int64
	HasOrder        bool
	OrderFact       evidence.FactRef

	Stage      Stage
	Status     Status
	Cardholder Cardholder
	// Next is the leg that is judged: the next one on which anybody speaks.
	Next   Leg
	Legs   terms.Due
	LegDue evidence.Instant // due time of Next; 0 where it has none
	// Due is the credit's due time under the terms; 0 where none.
	Due       evidence.Instant
	CreditDay calendar.Date
	OverdueBy int64 // seconds

	// The facts that proved the stages, and when.
	CapturedAt, ClearedAt, SettledAt, PaidOutAt, CreditedAt evidence.Instant
	ClearingLine, SettlementLine, BatchFact                 evidence.FactRef
	Payout                                                  *match.Payout
	Entry                                                   evidence.FactRef
	// OpenPreauth marks a preauthorization neither completed nor ended;
	// MeantAsSale one that an order or the operator shows to be a sale.
	OpenPreauth, MeantAsSale bool
	// Suspended tells why the payout's due is suspended.
	Suspended Suspension
	// HeldBy is the fact that holds the money.
	HeldBy evidence.FactRef
	// AmountMismatch is a fact whose amount nothing explains.
	AmountMismatch evidence.FactRef
	// Covered tells that a statement covers the due day.
	Covered bool
	AsOf    evidence.Instant
	refunds [4]Refund
	apart   int64 // taken by lines of their own, minor units
}

// Suspension is why a payout's due time does not count.
type Suspension uint8

// The reasons that suspend a payout.
const (
	NotSuspended Suspension = iota
	BelowMinimum
	NegativeBalance
	OverPayoutLimit
)

// Charging reports whether the cardholder was charged and the money goes on.
func (j *Journey) Charging() bool {
	return j.Status != NotCharged && j.Status != Refunded && j.Status != Unknown
}
