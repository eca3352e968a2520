package payment

import (
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/money"
)

// Key is how a terminal names one of its requests. A STAN returns after
// 999999, but not within a batch.
type Key struct {
	TID   string // terminal, field 41
	Batch string // six digits, field 60.2
	STAN  string // six digits, field 11
}

// Transaction is one request of a terminal that moves or reserves money. It is a
// row: every Step that changes it carries it whole, with Version one higher.
// Merchant and ID are its key; TID, Batch and STAN are unique within the
// merchant too. It holds no clear card data.
type Transaction struct {
	ID ID
	// Original is the transaction that this one acts on, or none. Both belong to
	// one merchant.
	Original  ID
	Operation Operation
	State     State
	// Version counts the steps that changed the row, from 1.
	Version uint32
	Key
	MID      string
	RRN      string // 12 digits, ours, unique: year's last digit, day of the year, hour, six digits of a counter
	AuthCode string // the issuer's, field 38; "" for none
	// Amount is what was asked, Approved what was granted (less only by code 10),
	// both in minor units of Currency and not negative.
	Amount, Approved int64
	Currency         money.Currency
	// Claimed is what acts in flight (sent, unknown, reversing) ask of this
	// transaction, Taken what approved ones took: refunds, a void, a completion.
	// Claimed + Taken ≤ Approved, or 115 % of it for a preauthorization.
	Claimed, Taken int64
	PAN            string // first six, stars, last four
	CardToken      string // keyed token of the card number: equal for equal cards
	SealedPAN      []byte // the card number sealed by the keyring, for a reversal or a completion
	CardType       evidence.CardType
	Network        string // UnionPay, …
	Issuer         string // the issuing bank as the card range names it; "" if not known
	Entry          evidence.Entry
	Code           evidence.Code // the response code that the terminal was told; zero while there is none
	Link           string        // the link it was last sent by; "" if it never was
	NetworkSTAN    string        // our STAN towards that network, six digits
	Received       time.Time     // when the request came in
	Answered       time.Time     // when it was decided; zero while open
	// Deadline is by when an answer must have come; then it is Unknown.
	Deadline time.Time
	// BusinessDate is the merchant's: of the approval, or of the request while
	// there is none.
	BusinessDate calendar.Date
	OrderID      string // the merchant's own reference; "" for none
	// Booked is true while its effect stands in the ledger.
	Booked bool
	// Held keeps its money from settlement until risk releases it.
	Held bool
	// Memo counts the pending transfers that a preauthorization has had: n while
	// the n-th is open, -n when that is released, 0 for none.
	Memo int8
	// Risk is the decision of the door as compact JSON: the rules that fired and
	// the values they saw. Empty where no rule was asked.
	Risk []byte
}

// Remaining is what can still be voided, refunded or completed, in minor units.
func (t *Transaction) Remaining() int64 {
	limit := t.Approved
	if t.Operation == Preauth {
		limit = completionLimit(t.Approved)
	}
	return limit - t.Taken - t.Claimed
}

// completionLimit is the most a completion may take of a preauthorization:
// 115 % of it (UnionPay's rule for tips and minibars), rounded down.
func completionLimit(approved int64) int64 {
	return approved + approved/100*15 + approved%100*15/100
}

// SameContent reports whether a request repeats the one that made this
// transaction: everything that decides its effect is equal. A request with the
// same Key and other content is a different request under a used number.
func (t *Transaction) SameContent(r *Request) bool {
	return t.Operation == r.Operation && t.Amount == r.Amount && t.Currency == r.Currency && t.MID == r.MID &&
		(t.CardToken == r.CardToken || t.CardToken == "" || r.CardToken == "")
}

// Answer is what the terminal was told, without the issuer's chip data, which is
// not kept. Repeated requests get it again.
func (t *Transaction) Answer() Answer {
	return Answer{
		Operation: t.Operation, Key: t.Key, MID: t.MID, Payment: t.ID, Code: t.Code, RRN: t.RRN, AuthCode: t.AuthCode,
		Amount: t.told(), Currency: t.Currency, Time: t.Answered, Date: t.BusinessDate, PAN: t.PAN,
	}
}

func (t *Transaction) told() int64 {
	if t.Approved != 0 {
		return t.Approved
	}
	return t.Amount
}
