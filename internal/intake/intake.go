// Package intake is what people bring: files with the facts of banks, networks and
// processors, and the circumstances that no machine reports (notices, states of
// links, holidays, terms). It reads a file, says what became of every row, and
// keeps its facts as evidence, so that the answers change at once; it knows which
// files have to come on which day, and tells when one does not.
//
// A file is known by its content: the same file again changes nothing, under
// whatever name. One that belongs to the back office (a network's clearing, a
// bank's replies and statements of the safeguarded account) goes into the folder
// where the back office books it, because its money moves by it; it is never told
// twice. A file is read in memory and not written anywhere before it has been
// read: what may hold card numbers in clear lies on no disk.
//
// The package knows no SQL, no HTTP and no clock: those are handed to it.
package intake

import (
	"context"
	"iter"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/format"
	"daozhang/internal/merchant"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// Intake takes what people bring. Its fields are set before its first use and not
// changed after. It is safe for concurrent use.
type Intake struct {
	Keeper Keeper
	// Formats are those that are read, in the order of their detection.
	Formats []format.Format
	// Office is the back office of the installation; nil where there is none. Then
	// every file is evidence, and there is nothing to agree with merchants.
	Office *backoffice.Office
	// Calendars knows calendars by name; nil: those that are built in.
	Calendars func(name string) (*calendar.Calendar, bool)
	// Zone is the institution's; nil: UTC.
	Zone *time.Location
	Now  func() time.Time
	// MaxSize bounds a file in bytes; default 64 MiB. AtOnce is how many are read at
	// the same time, others wait; default 2. Both together bound the memory.
	MaxSize int64
	AtOnce  int
	// Seal seals an account number for a merchant, see backoffice.AccountContext; nil:
	// no account can be proposed here.
	Seal func(number, context string) ([]byte, error)
	// Trade gives what the books know of a merchant's trade, for terms with payout on
	// the day of the sale; nil: nothing is known.
	Trade TradeFunc
	// Log is the audit log; nil: nothing is recorded.
	Log access.Log

	turns turns
}

// DefaultMaxSize is Intake.MaxSize where nothing is said.
const DefaultMaxSize = 64 << 20

// Told is what became of facts that were brought.
type Told struct {
	Added, Repeated int
	// Contradicts were there under the same source and id with other content; both
	// versions are kept.
	Contradicts int
}

// Keeper is the record: what the store gives. What is not there is
// fault.NotFound.
type Keeper interface {
	// Tell keeps facts durably before it returns.
	Tell(ctx context.Context, facts []payment.Evidence) (Told, error)
	// Compare says what Tell would, and keeps nothing.
	Compare(ctx context.Context, facts []payment.Evidence) (Told, error)

	// File returns a file by its id; Files up to limit files of folders and of
	// people, the latest first, after a mark ("" for the first page), and the mark
	// after them, "" where there are no more.
	File(ctx context.Context, id string) (File, error)
	Files(ctx context.Context, after Mark, limit int) ([]File, Mark, error)
	// FilesSince streams the files that people brought since a moment.
	FilesSince(ctx context.Context, at time.Time) iter.Seq2[File, error]
	// PutFile adds a file or replaces it.
	PutFile(ctx context.Context, f File) error
	// Filing and Filings are those of backoffice.Keeper.
	Filing(ctx context.Context, folder, hash string) (backoffice.Filing, error)
	Filings(ctx context.Context, folder string) iter.Seq2[backoffice.Filing, error]

	// Expectations returns all that people have set, by source.
	Expectations(ctx context.Context) ([]Expectation, error)
	PutExpectation(ctx context.Context, e Expectation) error
	// Captured reports whether a transaction of a network was captured with a
	// business date that no file has cleared.
	Captured(ctx context.Context, network string, date calendar.Date) (bool, error)
	// OpenExceptions returns those of a merchant, or of settlement.House, that are not
	// resolved.
	OpenExceptions(ctx context.Context, mid string) ([]payment.Exception, error)
	// ExceptionOf returns the exception of an id, whether open or not.
	ExceptionOf(ctx context.Context, mid string, id payment.ID) (payment.Exception, error)
	// CommitSettlement writes exceptions, see backoffice.Keeper.
	CommitSettlement(ctx context.Context, s *settlement.Step) error

	// RecordsAfter returns up to limit merchants' records after a number; MerchantEvents
	// a merchant's history, the oldest first.
	RecordsAfter(ctx context.Context, mid string, limit int) ([]merchant.Merchant, error)
	MerchantEvents(ctx context.Context, mid string) ([]merchant.Event, error)
	// RegisterMerchant registers a merchant for taking payments, where it is not yet.
	RegisterMerchant(ctx context.Context, m *merchant.Merchant, zone string) error
	// RegisteredTerminals returns all terminals by number; PutTerminalRecord adds one
	// or replaces it.
	RegisteredTerminals(ctx context.Context) ([]Terminal, error)
	PutTerminalRecord(ctx context.Context, t Terminal) error
}

// Mark is a place in the list of files.
type Mark string

// Via is the way by which something came.
type Via string

// The ways.
const (
	Console Via = "console"
	API     Via = "api"
	Command Via = "command"
)

func (i *Intake) zone() *time.Location {
	if i.Zone == nil {
		return time.UTC
	}
	return i.Zone
}

func (i *Intake) calendar(name string) (*calendar.Calendar, bool) {
	if i.Calendars != nil {
		return i.Calendars(name)
	}
	return calendar.Builtin(name)
}

// Most is how large a file may be, in bytes.
func (i *Intake) Most() int64 {
	if i.MaxSize > 0 {
		return i.MaxSize
	}
	return DefaultMaxSize
}
