package settlement

import (
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
)

// PayoutState is where a payout stands.
//
//	created → sent → accepted → credited → returned
//	   ↕        ↘ unknown ↗ ↘ rejected
//	 stopped
type PayoutState uint8

// The states of a payout. Only a person or a new payout brings a rejected or
// returned one on.
const (
	// NoPayout is the zero value.
	NoPayout PayoutState = iota
	// Created stands in the ledger as in transit; no order has left.
	Created
	// Stopped was created and not sent: the merchant was frozen.
	Stopped
	// Sent has been handed to the bank, or is about to be: after a restart nobody
	// knows whether the bank saw it, so it is never sent again.
	Sent
	// Unknown had no word in time. It is asked about until there is one.
	Unknown
	// Accepted was taken by the bank.
	Accepted
	// Credited stands on the merchant's account by the bank's final word or entry.
	Credited
	// Rejected was refused by the bank; the money never left.
	Rejected
	// Returned came back.
	Returned

	payoutStates
)

var payoutNames = [payoutStates]string{"", "created", "stopped", "sent", "unknown", "accepted", "credited", "rejected", "returned"}

// String returns the state's name.
func (s PayoutState) String() string {
	if s >= payoutStates {
		return "?"
	}
	return payoutNames[s]
}

// ParsePayoutState is the reverse of String.
func ParsePayoutState(s string) (PayoutState, bool) {
	for i, n := range payoutNames {
		if n == s && s != "" {
			return PayoutState(i), true
		}
	}
	return NoPayout, false
}

// Payout is one order to pay a merchant, as a row.
type Payout struct {
	// ID follows from merchant, currency, day and number of the payout's first
	// batch, or from the payout that it replaces; at most 35 characters, so it is
	// the order's end-to-end identification. It is the key of its transfers.
	ID       string
	MID      string
	Currency money.Currency
	Amount   int64 // minor units, more than 0
	Day      calendar.Date
	Lines    int64 // that name it; 0 for one that replaces another
	Account  merchant.Account
	State    PayoutState
	Version  uint32
	// Reason is the ISO 20022 code of a rejection or return; "" where none was given.
	Reason string
	// Replaces is the payout whose money this one sends again; ReplacedBy those that
	// send this one's.
	Replaces   string
	ReplacedBy []string
	Made       time.Time
	Sent       time.Time // when the order was committed to be sent; zero before
	// Word is when the bank said what it said last.
	Word time.Time
	// Next is when it is asked about, while the bank's final word is missing.
	Next      time.Time
	Inquiries int
	// Escalated is when an exception about its outcome was opened; zero while none is.
	Escalated time.Time
	// Told is the time of the latest fact about it: facts of one payout follow each
	// other, or nobody could tell from them what came last. A bank's clock of whole
	// seconds does not put its answer before our order.
	Told time.Time
	// Doubts are the words that became exceptions, by state and Ref: the same word
	// again does not open one again.
	Doubts []string
	// Paid is true while it counts as merchant_paid in the ledger.
	Paid bool
	// Back is when we learnt that it was rejected or returned; zero before.
	Back time.Time
	// Resent is what replacements have taken of it.
	Resent int64
}

// OrderKind is what the bank is asked.
type OrderKind uint8

// The kinds of orders.
const (
	// Pay is a credit transfer (pain.001), sent once.
	Pay OrderKind = iota
	// Inquire asks what became of one (pain.002 by request, pacs.028); it may be repeated.
	Inquire
)

// Order is a message to the payout bank.
type Order struct {
	Kind    OrderKind
	Payout  Payout
	Attempt int // of an inquiry, from 1
	At      time.Time
}

// Word is what a bank says of a payout: in a status report (pain.002), in an
// account's entry (camt.053, camt.054), or in answer to an inquiry.
type Word struct {
	Payout string
	// State is Accepted, Credited, Rejected or Returned; Unknown for "no original
	// received" and for what means nothing.
	State  PayoutState
	Reason string // ISO 20022 code; NOOR for no original received
	// Amount is what the bank says it paid, 0 where it does not say.
	Amount   int64
	Currency money.Currency
	// At is when it was so for the bank.
	At time.Time
	// Ref names the message: its bank and number. The same word twice has one effect.
	Ref string
}
