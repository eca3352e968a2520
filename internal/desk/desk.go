// Package desk is where people look after what the machine cannot settle alone:
// one list of work, cases with their history, and the queue of what waits for a
// second person.
//
// Work is not stored. What needs somebody follows from what is known: payments of
// the investigation that are late, short, held or open, and the exceptions that
// clearing, statements, payouts and terminals left behind. An Item is one of these,
// with who owns it and how many bank days it is past its promise. A Case is a row
// that exists once somebody touched an item: owner, state, what was decided, and a
// history that is only added to. So nothing has to be opened or closed for the list
// to be right, and what settles itself leaves it by itself.
//
// The parts: items, inboxes and the matrix in item.go and list.go, how old they are
// in age.go; cases and what can be done with them in case.go and command.go;
// candidates for a match in candidate.go; files in file.go; what moves money is a
// Proposal (proposal.go) that its maker cannot check (approval.go) and whose effect
// on the books is in effect.go; many at once in bulk.go.
//
// Cases, proposals, ages and candidates are pure: the moment is an argument. Desk
// joins them to what a Keeper keeps.
package desk

import (
	"context"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/diagnosis"
	"daozhang/internal/investigation"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// Actor is who does something.
type Actor struct {
	access.Actor
	// MID is the merchant of somebody of role Merchant: only its own cases are there
	// for them.
	MID string
}

// Answers gives what is known at the present moment; *investigation.Live does.
type Answers interface {
	Read(use func(*investigation.Current))
}

// Desk is the desk of one institution. Its fields are set before its first use and
// not changed after. It is safe for concurrent use.
type Desk struct {
	Keeper Keeper
	// Live is the investigation; nil: there are no payments among the items.
	Live Answers
	// Catalogue is that of Live.
	Catalogue *diagnosis.Catalogue
	// Office books what people decide about money.
	Office *backoffice.Office
	// Release ends a risk hold at the gateway; nil where no payments are taken.
	Release func(ctx context.Context, t *payment.Transaction, maker, checker string) error
	// Trade is what the books know of a merchant's trade; nil: nothing.
	Trade func(ctx context.Context, mid string) (merchant.Trade, error)
	// Calendar and Zone are the institution's: by them ages of what belongs to no
	// merchant are counted.
	Calendar *calendar.Calendar
	Zone     *time.Location
	Policy   Policy
	Now      func() time.Time

	known known
}

// Policy is what the institution has decided once for its desk.
type Policy struct {
	// Limits say how many people check a proposal, by its amount: the first whose
	// UpTo is not below it holds, in order of UpTo. What is above all of them needs
	// MostCheckers.
	Limits       []Limit
	MostCheckers int
	// Expiry is how long a proposal may wait for its checkers.
	Expiry time.Duration
	// Within is in how many bank days after it was opened an exception is to be
	// settled; Usual is that of kinds that are not named.
	Within map[string]int
	Usual  int
	// FileMost bounds one attached file in bytes, FilesMost how many a case has.
	FileMost  int
	FilesMost int
}

// Limit is one class of amounts.
type Limit struct {
	UpTo     int64 // minor units
	Checkers int
}

// DefaultPolicy returns the usual values: one checker up to 100,000.00 and two
// above, seven days for them to decide; exceptions are to be settled by the end of
// the next bank day, refused files on the day itself; files of at most 5 MiB,
// twenty to a case.
func DefaultPolicy() Policy {
	return Policy{Limits: []Limit{{UpTo: 100_000_00, Checkers: 1}}, MostCheckers: 2, Expiry: 7 * 24 * time.Hour,
		Within: map[string]int{backoffice.ExceptionFile: 0, settlement.ExceptionFileBroken: 0, backoffice.ExceptionCharge: 5}, Usual: 1,
		FileMost: 5 << 20, FilesMost: 20}
}

// Checkers is how many people check a proposal of an amount.
func (p *Policy) Checkers(amount int64) int {
	if amount < 0 {
		amount = -amount
	}
	for _, l := range p.Limits {
		if amount <= l.UpTo {
			return l.Checkers
		}
	}
	return max(p.MostCheckers, 1)
}

// Keeper is the record: what the store gives. Errors about what is not there are of
// kind fault.NotFound. A commit that was refused because a row has another version
// than the step rests on wraps payment.ErrRefused and is of kind fault.Conflict;
// then nothing of it is kept.
type Keeper interface {
	// CommitDesk writes a step whole and durably.
	CommitDesk(ctx context.Context, s *Step) error

	// Case returns the case about something, CaseEvents its history, the oldest first.
	Case(ctx context.Context, k Key) (Case, error)
	CaseEvents(ctx context.Context, k Key) ([]Event, error)
	// OpenCases gives those of which Case.Over is not true, of one merchant or of all,
	// in no order; SettledCases those resolved, the latest first, after a mark.
	OpenCases(ctx context.Context, mid string) ([]Case, error)
	SettledCases(ctx context.Context, mid string, after SettledMark, n int) ([]Case, error)
	// CaseFiles lists the files of a case without their content; CaseFile gives one with
	// it.
	CaseFiles(ctx context.Context, k Key) ([]File, error)
	CaseFile(ctx context.Context, k Key, hash string) (File, error)

	// Proposal returns one; Proposals those that pass a filter, of one merchant or
	// of all, at most n: what waits the oldest first, what is over the latest first.
	// MerchantsWithProposals have proposals of their own (terms, account, state).
	Proposal(ctx context.Context, mid, id string) (Proposal, error)
	Proposals(ctx context.Context, f ProposalFilter, n int) ([]Proposal, error)
	MerchantsWithProposals(ctx context.Context, mid string) ([]merchant.Merchant, error)

	// ExceptionsOpen are those that are not resolved, of one merchant or of all;
	// ExceptionByID returns one.
	ExceptionsOpen(ctx context.Context, mid string) ([]payment.Exception, error)
	ExceptionByID(ctx context.Context, mid string, id uuid.UUID) (payment.Exception, error)

	Transaction(ctx context.Context, id uuid.UUID) (payment.Transaction, error)
	// ByRRN returns a merchant's transactions of a retrieval reference number.
	ByRRN(ctx context.Context, mid, rrn string) ([]payment.Transaction, error)
	Payout(ctx context.Context, mid, id string) (settlement.Payout, error)
	MerchantRecord(ctx context.Context, mid string) (merchant.Merchant, error)
	Position(ctx context.Context, mid string, c money.Currency) (settlement.Position, error)
	Hold(ctx context.Context, mid, id string) (settlement.Hold, error)
	// Standing returns a merchant's balances in the ledger.
	Standing(ctx context.Context, mid string) (*ledger.Standing, error)
}

// Step is everything that one decision at the desk writes, committed together or
// not at all. All of it belongs to one merchant, or to settlement.House.
type Step struct {
	MID       string
	At        time.Time
	Cases     []Case
	Events    []Event
	Files     []File
	Proposals []Proposal
	// Settlement is what a decision books, resolves and tells; nil for nothing.
	Settlement *settlement.Step
	// Audit are the lines of the audit log.
	Audit []access.Event
}
