// Package diagnosis says why a payment's money has not arrived, who must act
// next, and when it is to be expected. The causes are data (catalogue/*.yaml):
// what tells of each is a predicate over [Signals], what to say is text in two
// languages. The package is pure: journeys and the facts around them in, one
// [Verdict] per payment out.
package diagnosis

import (
	"daozhang/internal/evidence"
	"daozhang/internal/journey"
)

// Party is who must act next.
type Party uint8

// The parties of the contract.
const (
	NoParty Party = iota
	Nobody
	Cardholder
	Merchant
	Operator
	Platform
	Issuer
	Network
	Bank
)

var partyNames = [...]string{"", "nobody", "cardholder", "merchant", "operator", "platform", "issuer", "network", "bank"}

func (p Party) String() string { return partyNames[p] }

// Parties lists all that can have to act, from nobody on.
func Parties() []Party {
	return []Party{Nobody, Cardholder, Merchant, Operator, Platform, Issuer, Network, Bank}
}

// Verdict is the answer to why, who and when for one payment.
type Verdict struct {
	Cause        *Cause // nil where the money has come and nothing differs
	Confidence   float64
	Evidence     []evidence.FactRef
	Alternatives []Alternative
	Party        Party
	Leg          journey.Leg // the leg the cause acts on
	Expected     Expected
	// Incident names what the payment shares with others stopped by the same
	// fault; its Cause is "" where the cause makes none.
	Incident IncidentKey
	hold     hold // how long Expected stays
}

// Alternative is another cause that fits, less likely.
type Alternative struct {
	Cause      *Cause
	Confidence float64
}

// Expected is when the money is to be expected; zero where none comes without
// a step whose time cannot be known.
type Expected struct{ Earliest, Likely, Latest evidence.Instant }

// IncidentKey identifies one fault: its cause, the object it struck, and since
// when.
type IncidentKey struct {
	Cause string
	Scope string
	From  evidence.Instant
	To    evidence.Instant // 0: not known to have ended
}
