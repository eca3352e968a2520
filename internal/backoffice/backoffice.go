// Package backoffice does the work between a captured payment and the
// merchant's bank account: it reads the network's clearing files, books its
// funding, runs settlements, hands payouts to the bank, hears what the bank says
// of them, asks where it says nothing, sends again what came back, and writes
// the merchants' settlement files.
//
// What is right to do is decided by the packages settlement and merchant, which
// are pure. An Office takes rows from its Keeper, lets them decide, has the step
// committed, and goes on. Each method may be called at any time, twice, on two
// nodes at once, and after a crash at any point: the rows say what was done, a
// step that lost against another is decided anew, and what is done already has
// no second effect. So a job is only the hand that does it. Sweep tells what
// waits; Do does one of that.
//
// Files: what goes out is written under another name, made durable and renamed,
// and its name and bytes follow from what it says, so that a file written twice
// is the same file. What comes in is remembered by the hash of its content, and
// never moved or deleted. An order to pay leaves after the step that makes its
// payout sent is durable; see Dispatch for what happens when the process ends in
// between.
//
// It knows no SQL, no scheduler and no clock: those are handed to it.
package backoffice

import (
	"context"
	"iter"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/format/bank"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// Office is the back office of one acquirer. Its fields are set before its first
// use and not changed after. It is safe for concurrent use.
type Office struct {
	Keeper Keeper
	// Vault opens account numbers; only Dispatch needs it.
	Vault Vault
	// Now is the clock.
	Now func() time.Time
	// Policy is what was decided once for all settlements, Merchants for all merchants.
	Policy    settlement.Policy
	Merchants merchant.Policy
	// Calendars knows calendars by name, with the institution's own holidays.
	Calendars func(name string) (*calendar.Calendar, bool)
	// Zone is the institution's; nil: UTC.
	Zone *time.Location
	// Times say when what is not caused by a file or a state is done.
	Times Times
	// Networks clear, Banks pay.
	Networks []Network
	Banks    []Bank
	// Advice is where the merchants' settlement files go, MID/DATE.csv and .xml;
	// nil: nowhere.
	Advice Folder
	// Reached, where set, is told of every point that work passes; tests end the
	// process there. See Point.
	Reached func(Point)

	seen seen
}

// Times are when things are done in a day. A zero value of each is its default.
type Times struct {
	// SettleAt is when a merchant's day is settled, after midnight in its terms'
	// zone; its cards' day ended before. Default 9 h.
	SettleAt time.Duration
	// SameDayEvery is the pause between the runs for merchants that are paid on
	// the day of the sale. Default 5 min.
	SameDayEvery time.Duration
	// RetryAfter is how long a payout that failed by the bank's own trouble waits
	// before its money goes out again. Default 1 h.
	RetryAfter time.Duration
	// RetryMost is how often that is done before a person has to decide. Default 3.
	RetryMost int
	// CloseAfter is after how many calendar days a network's day that was paid as its
	// file says takes nothing more. Default 60.
	CloseAfter int
	// DeclareAfter is how long after the end of a day it is declared whole.
	// Default 10 min.
	DeclareAfter time.Duration
}

// Network is a card network that clears.
type Network struct {
	Name     string // as in evidence: UnionPay
	Currency money.Currency
	// Zone is that of its business days, Cutoff the end of its card day after
	// midnight: 23 h. Zero is midnight.
	Zone   *time.Location
	Cutoff time.Duration
	// Clearing is where its files come. They are of any format that internal/format
	// reads into clearing.line facts and one clearing.file fact as the trailer; the
	// trailer may carry the number of the issue as "version".
	Clearing Folder
}

// Bank is a bank that pays merchants out of the safeguarded account.
type Bank struct {
	Name string // as in links and notices: ICBC
	// Currency is that of the account.
	Currency money.Currency
	// Account is the platform as payer: name, safeguarded account, agent.
	Account bank.Party
	Zone    *time.Location
	// MostPerPayout is the bank's limit for one payment, in minor units; 0: none known.
	MostPerPayout int64
	// Orders take our files: PAYOUT.xml (pain.001) and PAYOUT-ATTEMPT.inquiry.xml
	// (pacs.028). Replies bring pain.002 and camt.054, Statements camt.053 and MT940 of
	// our account, Payees those of the merchants' accounts as their banks send them;
	// nil where nothing comes.
	Orders, Replies, Statements, Payees Folder
	// TakesAway is true where files vanish from Orders once the bank has fetched
	// them. Then a file that is not there proves nothing; see Dispatch.
	TakesAway bool
}

// Vault opens what the keyring sealed. The context of a payout account is
// AccountContext of its merchant.
type Vault interface {
	Open(sealed []byte, context string) (string, error)
}

// AccountContext is the context under which a merchant's account number is sealed.
func AccountContext(mid string) string { return "account/" + mid }

// Keeper is the record: what the store gives. Errors about what is not there are
// of kind fault.NotFound. A commit that was refused because a row has another
// version than the step rests on wraps payment.ErrRefused and is of kind
// fault.Conflict; then nothing of it is kept. Streams may be read while commits
// are made between their values.
type Keeper interface {
	// CommitSettlement writes a step whole and durably. It does not keep the step:
	// its room is used again.
	CommitSettlement(ctx context.Context, s *settlement.Step) error
	// CommitMerchant writes a merchant's row with what happened and its evidence.
	CommitMerchant(ctx context.Context, c *merchant.Change) error
	// Witness keeps facts that others told, durably. The same fact again has no
	// effect; one that contradicts is kept beside the first.
	Witness(ctx context.Context, facts []payment.Evidence) error

	// MerchantRecord returns a merchant; MerchantRecords all, by number.
	MerchantRecord(ctx context.Context, mid string) (merchant.Merchant, error)
	MerchantRecords(ctx context.Context) iter.Seq2[merchant.Merchant, error]

	// Position returns what is owed to a merchant; settlement.Start where there is
	// no row yet.
	Position(ctx context.Context, mid string, c money.Currency) (settlement.Position, error)
	// OpenBatch returns the batch that an interrupted run left open, whatever its
	// day; nil where there is none.
	OpenBatch(ctx context.Context, mid string, c money.Currency) (*settlement.Batch, error)
	// Batches returns a day's batches in their order.
	Batches(ctx context.Context, mid string, c money.Currency, day calendar.Date) ([]settlement.Batch, error)
	// Items streams what may have to be settled behind a payment, in order of
	// payment: every transaction whose effect differs from what its lines settled.
	Items(ctx context.Context, mid string, c money.Currency, after payment.ID) iter.Seq2[settlement.Item, error]
	// Extras returns those that wait for a run, in order of time and then ID.
	Extras(ctx context.Context, mid string, c money.Currency) ([]settlement.Extra, error)
	// Reserves returns those not released, in order of batch.
	Reserves(ctx context.Context, mid string, c money.Currency) ([]settlement.Reserve, error)
	// Hold returns a hold.
	Hold(ctx context.Context, mid, id string) (settlement.Hold, error)
	// Lines streams the settlement lines of a date, in order of batch and number.
	Lines(ctx context.Context, mid string, c money.Currency, day calendar.Date) iter.Seq2[settlement.Line, error]

	// Payout returns a merchant's payout, PayoutByID that of an end-to-end
	// identification, whosever it is.
	Payout(ctx context.Context, mid, id string) (settlement.Payout, error)
	PayoutByID(ctx context.Context, id string) (settlement.Payout, error)
	// PayoutsOf returns a merchant's payouts in one of the states, by ID.
	PayoutsOf(ctx context.Context, mid string, states ...settlement.PayoutState) ([]settlement.Payout, error)
	// PayoutsIn streams all payouts in one of the states, by merchant and ID; of
	// those rejected or returned only the ones whose money has not all gone out
	// again.
	PayoutsIn(ctx context.Context, states ...settlement.PayoutState) iter.Seq2[settlement.Payout, error]
	// PayoutsDue returns up to limit payouts in Sent or Unknown whose Next is not
	// after a moment, the longest due first.
	PayoutsDue(ctx context.Context, at time.Time, limit int) ([]settlement.Payout, error)

	// Day returns a network's day, Share a merchant's part of it (also that of
	// settlement.House), Shares all parts by merchant.
	Day(ctx context.Context, network string, date calendar.Date) (settlement.Day, error)
	Share(ctx context.Context, mid, network string, date calendar.Date) (settlement.Share, error)
	Shares(ctx context.Context, network string, date calendar.Date) iter.Seq2[settlement.Share, error]
	// Days returns a network's days from one date to another, as far as there are rows.
	Days(ctx context.Context, network string, from, to calendar.Date) ([]settlement.Day, error)
	// Cleared returns a merchant's rows of a date.
	Cleared(ctx context.Context, mid, network string, date calendar.Date) ([]settlement.Cleared, error)
	// Awaiting returns a merchant's captured transactions of a network with a
	// business date up to one that no file has cleared.
	Awaiting(ctx context.Context, mid, network string, date calendar.Date) ([]settlement.Ours, error)
	// Ours returns what a merchant's part of a network's file of a date can be
	// about: captured transactions of the network with a business date up to it
	// that no file of another date has cleared; those of the seven days before it
	// that are out of state; and whatever bears one of the retrieval references rrns,
	// among it what a file of another date has cleared.
	Ours(ctx context.Context, mid, network string, date calendar.Date, rrns []string) ([]settlement.Ours, error)
	// Uncleared streams the merchants that have captured transactions of a network
	// with a business date up to the given that no file has cleared.
	Uncleared(ctx context.Context, network string, upTo calendar.Date) iter.Seq2[string, error]
	// OpenExceptions returns a merchant's exceptions that are not resolved.
	OpenExceptions(ctx context.Context, mid string) ([]payment.Exception, error)

	// Filing returns what became of a file by its folder and the hash of its
	// content, Filings all of a folder, the latest first. PutFiling adds one or
	// replaces it.
	Filing(ctx context.Context, folder, hash string) (Filing, error)
	Filings(ctx context.Context, folder string) iter.Seq2[Filing, error]
	PutFiling(ctx context.Context, f Filing) error
}

// Filing is what became of a file that came in. The same content is the same
// filing, under whatever name it comes again.
type Filing struct {
	// Folder is "clearing/UnionPay", "replies/ICBC", "statements/ICBC" or "payees/ICBC".
	Folder string
	// Hash is the SHA-256 of the content in hexadecimal digits.
	Hash string
	// Name, Size and Modified are the file's when it first came.
	Name     string
	Size     int64
	Modified time.Time
	// Format is what it was read as: "camt.053.001.08"; "" where nothing reads it.
	Format   string
	Received time.Time
	State    FilingState
	// Why says in a sentence for people what is wrong with it; "" for nothing.
	Why string
	// Network and Date are those of a clearing file, or of the clearing file for
	// which it waits; "" and calendar.None for none.
	Network string
	Date    calendar.Date
	// Rows were read, Refused could not be, Taken changed something.
	Rows, Refused, Taken int64
	// Total is the signed sum of a clearing file, in minor units.
	Total int64
}

// FilingState is what became of a file.
type FilingState string

// The states of a filing.
const (
	// Taken was read and all it says is on record.
	Taken FilingState = "taken"
	// Repeated said nothing that was not on record.
	Repeated FilingState = "repeated"
	// Outdated is an issue before the one that is booked.
	Outdated FilingState = "outdated"
	// Waiting holds something for which another file has to come first; it is read
	// again until then.
	Waiting FilingState = "waiting"
	// Refused says why, and an exception names who has to act.
	Refused FilingState = "refused"
)
