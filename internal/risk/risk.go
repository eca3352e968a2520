// Package risk decides at the door whether a payment goes on: limits, lists,
// velocity and rules. Rules are data: expressions over named signals, compiled
// and typed when they are loaded. Every decision keeps its trace, which rules
// fired and which values they saw.
//
// The package is pure: the moment is an argument, and what happened before is in
// a Window that its owner feeds with every payment.
//
// It refuses to help with card cash-out: the rules against it cannot be made
// quieter per merchant than the platform's floor, and no rule can ask for the
// thresholds to stay below (docs/decisions).
package risk

// Action is what the door decides, the gravest of all rules that fired.
type Action uint8

// The actions, from the lightest.
const (
	// Approve lets it pass.
	Approve Action = iota
	// Review lets it pass and asks a person to look.
	Review
	// Hold lets the cardholder pay and keeps the merchant's money until released.
	Hold
	// Decline refuses it before it goes to the network.
	Decline

	actions
)

var actionNames = [actions]string{"approve", "review", "hold", "decline"}

// String returns the action's name as risk.decision carries it.
func (a Action) String() string {
	if a >= actions {
		return "unknown"
	}
	return actionNames[a]
}

// ParseAction is the reverse of String.
func ParseAction(s string) (Action, bool) {
	for i, n := range actionNames {
		if n == s {
			return Action(i), true
		}
	}
	return 0, false
}
