// Package access says who may do what: roles and the one table of what each may
// see and change, people with their passwords and second factors, and how long a
// session lasts; who asks too often (Limiter); and what stands in the audit log
// (Event) of what anybody changed.
//
// It is pure: the moment is an argument, and it keeps nothing. Commands are
// functions and methods of User; each returns a Change, which the caller commits
// or drops. Where people sign in is the business of package console, where keys
// are sent that of package api; both ask Allowed.
//
// Whoever changes something for a person or a program records it: the Actor is made
// where the request comes in, Actor.Did begins the Event, and a Log keeps it.
package access

import (
	"iter"
	"slices"
)

// Role is what a person is in the payment's world.
type Role string

// The roles of people. Programs have the roles of their keys, see package api.
const (
	// Public has not signed in: a cardholder with a receipt.
	Public Role = "public"
	// Merchant sees and does what concerns one merchant, its own.
	Merchant Role = "merchant"
	// Institution runs the platform.
	Institution Role = "institution"
	// Auditor sees everything and changes nothing.
	Auditor Role = "auditor"
)

// Roles are all of them, from the least to the most.
var Roles = []Role{Public, Merchant, Auditor, Institution}

// ParseRole gives the role of a person who can sign in by its name.
func ParseRole(s string) (Role, bool) {
	r := Role(s)
	return r, r != Public && slices.Contains(Roles, r)
}

// Action is something that can be done, as routes and screens name it.
type Action string

// The actions. Those that begin with "read" change nothing.
const (
	LookUpReceipt Action = "look up receipt" // one payment, by what stands on the receipt
	OwnAccount    Action = "own account"     // of a person: password, sessions
	ReadPayments  Action = "read payments"   // search, lists, trails, and their exports
	ReadOverview  Action = "read overview"   // money map, arrivals, incidents
	ReadPayouts   Action = "read payouts"
	// ReadExceptions and WorkOnExceptions: breaks, cases, their comments and files.
	// Answering what the other side asks is part of the work.
	ReadExceptions   Action = "read exceptions"
	WorkOnExceptions Action = "work on exceptions"
	// Propose is a maker's part in what moves money or changes terms, Decide the
	// checker's. That the two are not one person is the business of what is decided.
	Propose       Action = "propose"
	Decide        Action = "decide"
	ReadApprovals Action = "read approvals"
	ReadFiles     Action = "read files" // received and expected, their lines and errors
	BringFiles    Action = "bring files"
	ReadTerms     Action = "read terms" // and the calendar with its tester
	// StateCircumstances is entering notices, states of links, and holidays: what
	// answers rest on and no machine reports.
	StateCircumstances Action = "state circumstances"
	ReadRegister       Action = "read register" // merchants, stores, terminals
	ChangeRegister     Action = "change register"
	ReadDevelopers     Action = "read developers" // keys without their secrets, webhooks, events
	ChangeDevelopers   Action = "change developers"
	ReadAudit          Action = "read audit"
	ReadUsers          Action = "read users" // who may come in, without what signs in
	ManageUsers        Action = "manage users"
)

// Scope is how far a right reaches.
type Scope uint8

// The scopes.
const (
	None Scope = iota
	// Own reaches what belongs to the person's merchant, and nothing of another: not
	// even that it is there.
	Own
	All
)

// String returns the scope's name.
func (s Scope) String() string { return [...]string{"none", "own", "all"}[s] }

// Narrow gives the merchant whose rows a right of this scope reaches, where the
// person belongs to mid: "" for those of all. ok is false where it reaches none.
func (s Scope) Narrow(mid string) (only string, ok bool) {
	switch {
	case s == All:
		return "", true
	case s == Own && mid != "":
		return mid, true
	}
	return "", false
}

// right is one row of the table.
type right struct {
	action                         Action
	public, merchant, auditor, all Scope // all: of the institution
}

// rights is the only place that says who may do what.
var rights = []right{
	{LookUpReceipt, All, All, All, All},
	{OwnAccount, None, All, All, All},
	{ReadPayments, None, Own, All, All},
	{ReadOverview, None, None, All, All},
	{ReadPayouts, None, Own, All, All},
	{ReadExceptions, None, Own, All, All},
	{WorkOnExceptions, None, Own, None, All},
	{Propose, None, None, None, All},
	{Decide, None, None, None, All},
	{ReadApprovals, None, None, All, All},
	{ReadFiles, None, None, All, All},
	{BringFiles, None, None, None, All},
	{ReadTerms, None, Own, All, All},
	{StateCircumstances, None, None, None, All},
	{ReadRegister, None, Own, All, All},
	{ChangeRegister, None, None, None, All},
	{ReadDevelopers, None, None, All, All},
	{ChangeDevelopers, None, None, None, All},
	{ReadAudit, None, None, All, All},
	{ReadUsers, None, None, All, All},
	{ManageUsers, None, None, None, All},
}

func (r *right) of(role Role) Scope {
	switch role {
	case Public:
		return r.public
	case Merchant:
		return r.merchant
	case Auditor:
		return r.auditor
	case Institution:
		return r.all
	}
	return None
}

// Allowed gives how far a role may do something. What the table does not know is
// None.
func Allowed(role Role, a Action) Scope {
	for i := range rights {
		if rights[i].action == a {
			return rights[i].of(role)
		}
	}
	return None
}

// Actions gives every action in the order of the table.
func Actions() iter.Seq[Action] {
	return func(yield func(Action) bool) {
		for i := range rights {
			if !yield(rights[i].action) {
				return
			}
		}
	}
}
