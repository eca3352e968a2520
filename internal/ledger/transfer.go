package ledger

import (
	"crypto/sha256"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/money"
)

// Phase says whether a transfer moves money, reserves it, or finishes a
// reservation.
type Phase uint8

const (
	// Posted moves the amount at once.
	Posted Phase = iota
	// Pending reserves the amount until a Post or a Void names it.
	Pending
	// Post moves all or a part of a pending amount and releases the rest.
	Post
	// Void releases a pending amount; nothing moves.
	Void

	phases
)

var phaseNames = [phases]string{"posted", "pending", "post", "void"}

// String returns the phase's name.
func (p Phase) String() string {
	if p >= phases {
		return "unknown"
	}
	return phaseNames[p]
}

// ParsePhase is the reverse of String; ok is false for an unknown name.
func ParsePhase(s string) (p Phase, ok bool) {
	for i, n := range phaseNames {
		if n == s {
			return Phase(i), true
		}
	}
	return 0, false
}

// Reasons that transfers of payments carry. Other words are allowed: lower-case
// letters, digits and underscores, at most 32.
const (
	ReasonAuthorize  = "authorize"
	ReasonCapture    = "capture"
	ReasonVoid       = "void"
	ReasonRefund     = "refund"
	ReasonReversal   = "reversal"
	ReasonCompletion = "completion"
	ReasonExpiry     = "expiry"
)

// MaxKey and MaxReason are the longest key and reason in bytes.
const (
	MaxKey    = 128
	MaxReason = 32
	maxMID    = 64
)

// Transfer moves an amount within one merchant's accounts in one currency: it
// debits one account and credits another. It is immutable; a correction is
// another transfer.
type Transfer struct {
	// ID names the transfer; version 7, or derived by IDFor.
	ID uuid.UUID
	// Key makes it idempotent within the merchant: the same key with the same
	// content has its effect once, with other content it is refused.
	Key      string
	Merchant string // MID
	Currency money.Currency
	// Debit and Credit are the accounts, never the same. A Post or a Void
	// repeats those of the transfer that it finishes.
	Debit, Credit Name
	// Amount in minor units, more than 0. A Void repeats the pending amount; a
	// Post has that or less.
	Amount int64
	Phase  Phase
	// Of is the pending transfer that a Post or a Void finishes; else none.
	Of uuid.UUID
	// At is when it happened, kept to the microsecond in UTC. It is not part of
	// what a key stands for: a repetition comes later.
	At time.Time
	// Date is the business date on which it counts.
	Date calendar.Date
	// Payment is the transaction that it belongs to, or none (a payout).
	Payment uuid.UUID
	// Reason is one word of why: capture, refund, payout.
	Reason string
}

// IDFor derives a transfer's identifier from the transaction that causes it and
// its key, so that a pure state machine names transfers without a source of
// randomness. It keeps the transaction's time in front (UUID version 8).
func IDFor(payment uuid.UUID, key string) uuid.UUID {
	h := sha256.New()
	h.Write(payment[:])
	h.Write([]byte(key))
	var id uuid.UUID
	copy(id[:], h.Sum(nil))
	copy(id[:6], payment[:6])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// PostOf returns the transfer that posts amount of t, which is pending, at a
// moment; the caller may change the reason.
func (t Transfer) PostOf(key string, amount int64, at time.Time) Transfer {
	return t.finish(Post, key, amount, at)
}

// VoidOf returns the transfer that releases t, which is pending.
func (t Transfer) VoidOf(key string, at time.Time) Transfer {
	return t.finish(Void, key, t.Amount, at)
}

func (t Transfer) finish(p Phase, key string, amount int64, at time.Time) Transfer {
	f := t
	f.ID, f.Key, f.Of = IDFor(t.ID, key), key, t.ID
	f.Phase, f.Amount, f.At = p, amount, at
	return f
}

// Same reports whether two transfers are the same for their key: everything
// but the identifier and the time.
func (t *Transfer) Same(o *Transfer) bool {
	return t.Key == o.Key && t.Merchant == o.Merchant && t.Currency == o.Currency && t.Debit == o.Debit && t.Credit == o.Credit &&
		t.Amount == o.Amount && t.Phase == o.Phase && t.Of == o.Of && t.Date == o.Date && t.Payment == o.Payment && t.Reason == o.Reason
}

// Check holds a transfer against the rules of form, those that need no other
// transfer. The error wraps ErrInvalid and is of kind fault.Invalid.
func (t *Transfer) Check() error {
	bad := func(hint string) error { return refuse(ErrInvalid, t, hint) }
	switch {
	case t.ID == uuid.Nil:
		return bad("give it an identifier")
	case !plain(t.Key, MaxKey):
		return bad("the key is 1 to 128 printable ASCII characters")
	case !plain(t.Merchant, maxMID):
		return bad("the merchant is 1 to 64 printable ASCII characters")
	case t.Currency == money.Currency{}:
		return bad("name the currency")
	case t.Debit == NoName || t.Debit >= names || t.Credit == NoName || t.Credit >= names:
		return bad("name an account of the chart on each side")
	case t.Debit == t.Credit:
		return bad("debit and credit must be different accounts")
	case t.Debit.Memo() != t.Credit.Memo():
		return bad("memo accounts stand only against each other")
	case t.Amount <= 0:
		return bad("the amount is more than 0 minor units")
	case t.Phase >= phases:
		return bad("the phase is posted, pending, post or void")
	case (t.Of != uuid.Nil) != (t.Phase == Post || t.Phase == Void):
		return bad("a post or a void names the pending transfer, and only these do")
	case t.At.Unix() < 0 || t.At.Year() > 9999:
		return bad("the time lies between 1970 and 9999")
	case t.Date < 0:
		return bad("name the business date")
	case !word(t.Reason):
		return bad("the reason is one word of lower-case letters, digits and underscores")
	}
	return nil
}

// plain reports whether s is 1 to most printable ASCII characters.
func plain(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func word(s string) bool {
	if s == "" || len(s) > MaxReason {
		return false
	}
	for i := 0; i < len(s); i++ {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return true
}
