// Package ledger keeps the books of the money on its way: for every merchant
// what the networks owe us and what we owe the merchant. One transfer is one row
// with its debit and its credit account, so the books balance by construction.
// Transfers are immutable, idempotent by their key, and linked into one hash
// chain per merchant, so that a changed or missing row is found.
//
// The parts: Name is the chart of accounts, Transfer what is asked for, Entry a
// transfer in its place in the chain, Standing one merchant's head, balances
// and open pending transfers (all that is needed to accept the next one), and
// Book everything in memory with look-up by key and balances as of a moment.
//
// The package is pure: time is part of the transfer, and storing is elsewhere.
package ledger

import (
	"errors"
	"fmt"

	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// Name is an account of the chart. Every merchant has each of them once per
// currency; they need no opening.
type Name uint8

// The chart of accounts. The first three are the chain of what the networks owe
// us, the next five that of what we owe the merchant.
const (
	// NoName is the zero value and no account.
	NoName Name = iota
	// NetworkReceivable is captured and not yet cleared.
	NetworkReceivable
	// NetworkCleared is confirmed by the network's clearing and not yet paid.
	NetworkCleared
	// BankSafeguarded is money in the safeguarded account at our bank.
	BankSafeguarded
	// MerchantPending is owed to the merchant and not yet due.
	MerchantPending
	// MerchantPayable is settled: it is due with the next payout.
	MerchantPayable
	// MerchantHeld is kept back: risk, judicial freeze, reserve.
	MerchantHeld
	// PayoutInTransit has been ordered at the payout bank.
	PayoutInTransit
	// MerchantPaid is what payouts confirmed by the bank have discharged.
	MerchantPaid
	// FeeIncome is what the merchant paid us.
	FeeIncome
	// Authorized is the memo of open authorizations; no money.
	Authorized
	// AuthorizedContra stands against Authorized.
	AuthorizedContra

	names // how many there are
)

// Side is the side on which an account normally stands.
type Side uint8

const (
	// Debit is the side of assets and of the memo.
	Debit Side = iota
	// Credit is the side of liabilities, income and the memo's contra account.
	Credit
)

// chart describes each account. Where floor is set, the account may not go to
// its other side: nothing can be released that is not held, nor a payout
// confirmed that was not ordered. The others may, for instance when refunds
// exceed what is pending: then the merchant owes us.
var chart = [names]struct {
	name  string
	side  Side
	floor bool
}{
	NoName:            {},
	NetworkReceivable: {"network_receivable", Debit, false},
	NetworkCleared:    {"network_cleared", Debit, false},
	BankSafeguarded:   {"bank_safeguarded", Debit, false},
	MerchantPending:   {"merchant_pending", Credit, false},
	MerchantPayable:   {"merchant_payable", Credit, false},
	MerchantHeld:      {"merchant_held", Credit, true},
	PayoutInTransit:   {"payout_in_transit", Credit, true},
	MerchantPaid:      {"merchant_paid", Credit, false},
	FeeIncome:         {"fee_income", Credit, false},
	Authorized:        {"authorized", Debit, false},
	AuthorizedContra:  {"authorized_contra", Credit, false},
}

// Names returns the chart in its order.
func Names() []Name {
	all := make([]Name, 0, names-1)
	for n := NoName + 1; n < names; n++ {
		all = append(all, n)
	}
	return all
}

// String returns the account's name in snake case, "" for none.
func (n Name) String() string {
	if n >= names {
		return fmt.Sprintf("account(%d)", uint8(n))
	}
	return chart[n].name
}

// ParseName is the reverse of String. The error is of kind fault.Invalid.
func ParseName(s string) (Name, error) {
	for n := NoName + 1; n < names; n++ {
		if chart[n].name == s {
			return n, nil
		}
	}
	return NoName, fault.New(fault.Invalid, "unknown account", "", nil, "the chart of accounts is in internal/ledger")
}

// Side returns the side on which the account normally stands.
func (n Name) Side() Side {
	if n >= names {
		return Debit
	}
	return chart[n].side
}

// Memo reports whether the account holds no money but a note of open
// authorizations. Memo accounts stand only against each other.
func (n Name) Memo() bool { return n == Authorized || n == AuthorizedContra }

// Account is one account of one merchant in one currency.
type Account struct {
	Merchant string // MID
	Currency money.Currency
	Name     Name
}

// String returns "merchant/currency/name".
func (a Account) String() string {
	return a.Merchant + "/" + a.Currency.String() + "/" + a.Name.String()
}

// Reasons why the ledger refuses a transfer, for errors.Is. All but
// ErrKeyReused, ErrFinished and ErrNotPending leave the caller nothing to retry:
// the transfer itself is wrong.
var (
	// ErrInvalid is a transfer that breaks a rule of form.
	ErrInvalid = errors.New("not a valid transfer")
	// ErrKeyReused is an idempotency key that stands for another content.
	ErrKeyReused = errors.New("the key was used for a transfer of other content")
	// ErrNotPending is a post or void of a transfer that is not there, or was
	// not pending.
	ErrNotPending = errors.New("there is no such pending transfer")
	// ErrFinished is a post or void of what has been posted or voided already.
	ErrFinished = errors.New("the pending transfer has been posted or voided already")
	// ErrExceedsPending is a post of more than was pending.
	ErrExceedsPending = errors.New("more than was pending")
	// ErrOverflow is a balance past what 63 bits hold.
	ErrOverflow = errors.New("the balance would overflow")
	// ErrOverdrawn is an account that would go below zero and may not.
	ErrOverdrawn = errors.New("the account would go below zero")
)

// errUnbalanced is a trial balance that does not balance.
var errUnbalanced = errors.New("debits and credits differ")

// refuse gives a reason its kind, subject and hint. Keys and merchants are not
// card data, so the subject may name them.
func refuse(reason error, t *Transfer, detail string) error {
	kind, hint := fault.Conflict, ""
	switch {
	case errors.Is(reason, ErrInvalid), errors.Is(reason, ErrOverflow):
		kind = fault.Invalid
		hint = detail
		detail = ""
	case errors.Is(reason, ErrNotPending):
		kind = fault.NotFound
	case errors.Is(reason, ErrKeyReused):
		hint = "use a new key for a new transfer; a repetition must be equal in everything but its identifier and time"
	}
	cause := reason
	if detail != "" {
		cause = fmt.Errorf("%w: %s", reason, detail)
	}
	return fault.New(kind, "post transfer", t.Merchant+" "+t.Key, cause, hint)
}
