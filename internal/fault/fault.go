// Package fault gives every error a kind, an operation, a subject and a hint
// for the person who reads it, and every message both languages of the product. One table maps kinds to what the outside sees:
// exit codes today, HTTP statuses and response codes when those surfaces come.
package fault

import (
	"context"
	"errors"
	"strings"
)

// Kind says what sort of failure an error is, as far as the one who has to
// react to it is concerned.
type Kind uint8

const (
	// Internal is a failure of the program or of what it stands on (disk,
	// memory, a broken invariant). It is the kind of every error that states none.
	Internal Kind = iota
	// Usage is a command line or a setting that cannot be understood.
	Usage
	// NotFound is a thing asked for by name that is not there.
	NotFound
	// NotAllowed is a thing that exists and that this person may not do or see.
	NotAllowed
	// Conflict is a request that contradicts what is already on record.
	Conflict
	// Rejected is work that was done except for some input that was refused;
	// what was refused is listed elsewhere.
	Rejected
	// Invalid is input that breaks a rule, where nothing of it could be used.
	Invalid
	// FailOn is work that was done and met the condition on which the caller
	// asked to fail (--fail-on overdue).
	FailOn
	// Cancelled is work that the caller stopped.
	Cancelled
)

// effects is the one table of what each kind means to the outside. Further
// surfaces add a column here, never a switch elsewhere.
var effects = [...]struct {
	name string
	exit int
}{
	Internal:   {"internal", 1},
	Usage:      {"usage", 2},
	NotFound:   {"not_found", 3},
	NotAllowed: {"not_allowed", 4},
	Conflict:   {"conflict", 5},
	Rejected:   {"rejected", 6},
	Invalid:    {"invalid", 1},
	FailOn:     {"fail_on", 7},
	Cancelled:  {"cancelled", 1},
}

// String returns the kind's name in snake case, as logs and answers carry it.
func (k Kind) String() string {
	if int(k) >= len(effects) {
		return effects[Internal].name
	}
	return effects[k].name
}

// Error is an error that a person can act on.
type Error struct {
	// Kind decides the exit code.
	Kind Kind
	// Op is what was being done, as a verb: "read", "parse amount".
	Op Text
	// Subject is what it was done to: a file and line, a merchant, a flag.
	// It never holds card data, nor the refused value itself.
	Subject string
	// Hint is what the person can do about it; empty if nothing.
	Hint Text
	// Err is the cause; may be nil when Op and Subject say it all.
	Err error
}

// New returns an *Error. The order is that of the questions a reader asks:
// what kind, doing what, to what, because of what, and what now. Operation and
// hint are given in both languages by [Say]; a plain string is English alone,
// for errors that only developers and operators of the platform meet.
func New[Op, Hint string | Text](kind Kind, op Op, subject string, err error, hint Hint) *Error {
	return &Error{Kind: kind, Op: words(op), Subject: subject, Hint: words(hint), Err: err}
}

// Error returns "op subject: cause" in English; Text has both languages. The
// hint is apart (HintOf), since it is printed on a line of its own.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op.EN)
	if e.Subject != "" {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.Subject)
	}
	if e.Err != nil {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(e.Err.Error())
	}
	if b.Len() == 0 {
		return e.Kind.String()
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of the outermost *Error in err's chain. A cancelled
// context is Cancelled, every other error Internal. KindOf(nil) is Internal
// too: ask only about errors.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if errors.Is(err, context.Canceled) {
		return Cancelled
	}
	return Internal
}

// HintText returns the first hint in err's chain, outermost first, in both
// languages; none where there is none.
func HintText(err error) Text {
	for err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return Text{}
		}
		if !e.Hint.None() {
			return e.Hint
		}
		err = e.Err
	}
	return Text{}
}

// HintOf is HintText in English, "" where there is none.
func HintOf(err error) string { return HintText(err).EN }

// ExitCode returns the process exit code for err: 0 done, 1 failed, 2 usage,
// 3 not found, 4 not allowed, 5 conflict, 6 done but some input rejected,
// 7 the --fail-on condition met.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	k := KindOf(err)
	if int(k) >= len(effects) {
		k = Internal
	}
	return effects[k].exit
}
