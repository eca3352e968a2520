package settlement

import (
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

// Item is a transaction as settlement sees it: what it stands for in the ledger
// now, and what lines have settled of it so far. What differs is to be settled.
type Item struct {
	Payment payment.ID
	Kind    evidence.Kind // Sale, Completion or Refund
	// Effect is what it adds to merchant_pending, in minor units: negative for a
	// refund, 0 for what was voided or reversed.
	Effect   int64
	Currency money.Currency
	Captured time.Time
	// Uploaded is when the batch that holds it was closed, zero while it is open;
	// it matters where terms say that the terminal captures.
	Uploaded time.Time
	// Held is kept from settlement until risk releases it.
	Held bool
	// Reversing waits for the network to acknowledge a reversal.
	Reversing bool
	Done      Done
	Keys
}

// Done is what the lines of a transaction have settled so far.
type Done struct {
	Gross int64 // signed: what they added before fees
	Fee   int64
	Turns int // how many lines there are
}

// ItemOf reads a transaction; original is the one it acts on, or nil. ok is
// false for what is never settled by itself: declines, open outcomes,
// preauthorizations, and voids, whose effect is that their original's is gone.
// Offering more transactions than are due does no harm; every one whose Effect
// differs from what was Done has to be offered until it no longer does.
func ItemOf(t, original *payment.Transaction, done Done) (it Item, ok bool) {
	it = Item{Payment: t.ID, Kind: t.Operation.Kind(), Currency: t.Currency, Captured: t.Answered, Held: t.Held, Done: done,
		Keys: Keys{TID: t.TID, Batch: t.Batch, STAN: t.STAN, RRN: t.RRN, AuthCode: t.AuthCode, OrderID: t.OrderID, PAN: t.PAN,
			CardType: t.CardType, Network: t.Network, Issuer: t.Issuer}}
	switch t.Operation {
	case payment.Sale, payment.Offline, payment.Completion:
		if t.Booked {
			it.Effect = t.Approved
		}
	case payment.Refund:
		if t.Booked {
			it.Effect = -t.Approved
		}
	default:
		return it, false
	}
	it.Reversing = t.State == payment.Reversing
	if original != nil {
		it.OriginalRRN, it.OriginalSTAN = original.RRN, original.STAN
	}
	return it, it.Effect != 0 || done.Gross != 0
}
