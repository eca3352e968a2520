// Package custody simulates the bank that keeps an acquirer's safeguarded account
// (存管银行) and pays its merchants: the half of a bank that speaks by files. In its
// folder it reads
//
//	orders/      payment orders (pain.001) and inquiries (pacs.028, *.inquiry.xml)
//	incoming/    what networks pay to its customers (pacs.009, pacs.010)
//
// and writes
//
//	replies/     status reports (pain.002) and notifications of entries (camt.054)
//	statements/  of its customers' accounts (camt.053 or MT940)
//	payees/      of the accounts that were paid, each as that account's bank sends it
//	notices/     notices of maintenance and incidents, facts of the evidence contract
//
// Files are written as NAME.part, synced and renamed; files that end in .part are
// not read. Nothing is ever deleted, and what was read once is known by its
// content and name.
//
// The bank is an independent witness: it has its own readers and writers, on
// encoding/xml. If it shared those of internal/format, a fault in them would be
// written and read alike and no test could see it. What it shares are words that
// cannot be wrong on one side only: money, calendar, fault.
//
// # What it promises
//
//   - B1 An EndToEndId is debited at most once, whatever comes in whatever order. A
//     second order of the same id is refused (DUPL), whatever became of the first.
//   - B2 Each movement takes from one account what it gives to another: over all
//     accounts, the bank's own included, they add up to zero.
//   - B3 What it has decided is on disk, in its book, before anything of it can be
//     seen: documents are part of the record. A kill at any moment leaves the book
//     as if the bank had gone on, and the files that were missing are written after
//     the next start, the same bytes.
//   - B4 A statement opens with what the one before closed with, and closes with that
//     and its entries; each movement is stated once on each side (unless a fault of
//     the scenario says otherwise, and then the corrected issue does).
//
// The parts: Scenario is behaviour as data, Step one record of the book, Book the
// sum of all steps, Bank the one at work. The bank has no clock: Tick is told the
// moment, does what has fallen due until then in the order of time, and says when
// it wants to be called next.
package custody

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/world/journal"
)

// Config says what bank to open.
type Config struct {
	// Dir is its folder; its parts are made where they are missing.
	Dir string
	// Journal is the file of its book; in memory where empty.
	Journal string
	// Sync is how sure a step must be kept before it shows.
	Sync journal.Sync
	// Scenario is how it behaves; nil is the zero value.
	Scenario *Scenario
	// Log tells what it does; nobody is told where nil.
	Log *slog.Logger
}

// Bank is the bank at work. Its methods may be called at the same time.
type Bank struct {
	cfg     Config
	journal *journal.Journal // nil in memory
	log     *slog.Logger

	mu       sync.Mutex
	scenario *Scenario
	book     *Book
	due      queue
	owed     []*Document // not written yet, in order
	seen     map[string]stamp
	failed   error
	point    func(string) // tests stop it here
}

// Open opens the book, recovers what it holds, and makes the folder.
func Open(cfg Config) (*Bank, error) {
	op := fault.Say("open payout bank", "打开出款银行")
	s := &Scenario{}
	if cfg.Scenario != nil {
		s = cfg.Scenario.clone()
	}
	if err := s.complete(); err != nil {
		return nil, fault.New(fault.Invalid, op, "scenario", err, "")
	}
	if cfg.Dir == "" {
		return nil, fault.New(fault.Usage, op, "", fault.Say("it has no folder", "没有指定目录"), fault.Say("name the folder of its files", "请指定文件目录"))
	}
	b := &Bank{cfg: cfg, log: cfg.Log, scenario: s, book: newBook(), seen: map[string]stamp{}, point: func(string) {}}
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if err := b.makeFolders(); err != nil {
		return nil, err
	}
	if cfg.Journal != "" {
		var err error
		b.journal, _, err = journal.Open(cfg.Journal, cfg.Sync, func(line []byte) error {
			var step Step
			if err := json.Unmarshal(line, &step); err != nil {
				return err
			}
			return b.take(&step)
		})
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Close writes nothing more and closes the book. It may be called more than once.
func (b *Bank) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.journal == nil {
		return nil
	}
	return b.journal.Close()
}

// SetScenario changes how the bank behaves from the next Tick on. Accounts that
// were opened keep their balances, and payouts that were judged their course.
func (b *Bank) SetScenario(s *Scenario) error {
	s = s.clone()
	if err := s.complete(); err != nil {
		return fault.New(fault.Invalid, fault.Say("change scenario", "更换场景"), "", err, "")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.scenario = s
	b.book.fitted = map[int]int{}
	return nil
}

// Tick does what has fallen due up to now, in the order of time and as if each
// had been done at its moment, then reads what has come into the folder and
// writes what the folder is owed. It gives the moment at which something falls
// due next, zero where nothing does; new files are seen when it is called.
//
// After an error nothing that was decided is lost: the next Tick goes on. Only a
// book that cannot be written stops the bank for good, until it is opened anew.
func (b *Bank) Tick(now time.Time) (next time.Time, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed != nil {
		return time.Time{}, b.failed
	}
	if now.Before(b.book.last) {
		now = b.book.last // a clock that was set back makes nothing undone
	}
	if err := b.open(now); err != nil {
		return time.Time{}, err
	}
	if err := b.settleDue(now); err != nil {
		return time.Time{}, err
	}
	if b.scenario.working(Orders, now).Equal(now) {
		err = b.readFolders(now)
	}
	if err := errors.Join(err, b.deliver(now)); err != nil {
		return time.Time{}, err
	}
	return b.next(now), nil
}

// Run calls Tick at the moments of a clock, at least once every poll, until ctx
// ends or the book cannot be written.
func (b *Bank) Run(ctx context.Context, now func() time.Time, poll time.Duration) error {
	for {
		at := now()
		next, err := b.Tick(at)
		if err != nil {
			b.log.Error("payout bank", "error", err)
			b.mu.Lock()
			failed := b.failed
			b.mu.Unlock()
			if failed != nil {
				return failed
			}
		}
		wait := poll
		if !next.IsZero() {
			wait = max(min(poll, next.Sub(at)), time.Millisecond)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// commit keeps a step: on disk first, then in memory.
func (b *Bank) commit(s *Step) error {
	s.Seq = b.book.steps + 1
	if err := b.book.check(s); err != nil {
		b.failed = fault.New(fault.Internal, fault.Say("decide", "决定"), "", err, fault.Say("this is a defect of the simulated bank", "这是模拟银行自身的缺陷"))
		return b.failed
	}
	b.point("before the book")
	if b.journal != nil {
		if err := b.journal.Append(s); err != nil {
			b.failed = err
			return err
		}
	}
	b.point("after the book")
	return b.take(s)
}

// take applies a step, read or decided, and notes what it makes due.
func (b *Bank) take(s *Step) error {
	if err := b.book.apply(s); err != nil {
		return err
	}
	b.schedule(s)
	for i := range s.Documents {
		b.owed = append(b.owed, &s.Documents[i])
	}
	return nil
}

// View gives a reader the book while the bank is at work; read must not keep it.
func (b *Bank) View(read func(*Book)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	read(b.book)
}

// ReadBook gives the book of a bank, at work or not: an oracle's view. What is
// torn at the end was never shown to anyone and is left out.
func ReadBook(path string) (*Book, error) {
	book := newBook()
	_, err := journal.Read(path, func(line []byte) error {
		var s Step
		if err := json.Unmarshal(line, &s); err != nil {
			return err
		}
		return book.apply(&s)
	})
	return book, err
}
