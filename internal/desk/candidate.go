package desk

import (
	"time"

	"daozhang/internal/money"
)

// Side is one thing that may be the other side of another: a line of a network, a
// capture, an entry on an account, a payout.
type Side struct {
	// Ref is Counter.Ref.
	Ref string
	// What is the word for it: payment, network_long, bank_entry, payout, ….
	What     string
	MID      string
	Amount   int64 // minor units, not negative
	Currency money.Currency
	// Time is when it happened; of what has only a date, its noon.
	Time time.Time
	// TID, Tail and Code are terminal, last four digits and approval code; "" for
	// none. Refs are retrieval references, trace numbers and whatever else names it.
	TID, Tail, Code string
	Refs            []string
	Text            string
}

// Candidate is a side that may be the other one, and why.
type Candidate struct {
	Side
	// Score orders candidates: 100 is as good as sure, below 30 is not shown.
	Score   int
	Reasons []Reason
}

// Reason is one thing that speaks for a candidate, or against it.
type Reason struct {
	Word   ReasonWord
	Points int // negative speaks against it
	// Detail is what it was seen by: a reference, a difference in minor units, days.
	Detail string
}

// ReasonWord is what kind of thing it is.
type ReasonWord string

// The reasons.
const (
	SameAmount    ReasonWord = "amount_equal"
	NearAmount    ReasonWord = "amount_near"    // within what a fee takes
	OtherAmount   ReasonWord = "amount_differs" // against it
	SameReference ReasonWord = "reference_equal"
	PartReference ReasonWord = "reference_part" // one contains the other's last digits
	SameTerminal  ReasonWord = "terminal_equal"
	SameCard      ReasonWord = "card_equal" // its last four digits
	SameCode      ReasonWord = "approval_code_equal"
	SameMerchant  ReasonWord = "merchant_equal"
	OtherMerchant ReasonWord = "merchant_differs" // against it
	SameDay       ReasonWord = "same_day"
	NearDay       ReasonWord = "days_apart"
)
