// Package bank simulates the host of a network or issuing bank on a TCP socket.
// It speaks ISO 8583:1987 in ASCII and nothing else: it signs on and echoes,
// approves against accounts of its own, declines, delays and fails as a Scenario
// says, takes reversals any number of times with one effect, and keeps a journal
// of what it decided, on disk before the answer leaves. It is an independent
// witness: what it counts as charged is held against what a gateway believes, and
// its clearing files are what the network would send, with what the network pays for
// them. Money out to merchants is the other half of a bank: package custody.
//
// Answers take real time, business days do not: Tick is told the moment, and writes
// the files of the days that have ended by then.
//
// The parts: Scenario is behaviour as data, Entry one line of the journal, book
// (in memory) the sum of all entries, clearing the files made of them, Bank the
// running host.
package bank

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/world/journal"
	"daozhang/internal/world/vault"
)

// Config says what bank to start. The zero value is a bank on a free port of the
// loopback, with its journal in memory, that approves everything.
type Config struct {
	// Listen is the address, 127.0.0.1:0 where empty.
	Listen string
	// Link names the line to the acquirer: whose keys are meant
	// (keyring.Link); "bank" where empty.
	Link string
	// Journal is the file of what was decided; in memory where empty.
	Journal string
	// Sync is how sure a decision must be kept before its answer leaves.
	Sync journal.Sync
	// Clearing is the folder of clearing files, written when a business day has
	// ended; that of the open day, as far as it has come, at the stop. None are
	// written where empty.
	Clearing string
	// Incoming is the folder in which the payout bank looks for what networks pay
	// (custody's folder incoming): the network pays for each business day there.
	// Nothing is paid where empty.
	Incoming string
	// Scenario is how it behaves; nil is the zero value.
	Scenario *Scenario
	// Keys are the bank's keys. Where nil, a keyring is opened beside the journal
	// and closed at the stop, with Transport as the components of its transport key.
	Keys      keyring.Keyring
	Transport []string
	// Master, where given, is the zone master key of the link, under the
	// transport key: with one, a sign-on hands out working keys, answers carry a
	// MAC and PINs are checked.
	Master keyring.Wrapped
	// Now is the clock, time.Now where nil.
	Now func() time.Time
	// Log tells what goes wrong; nobody is told where nil.
	Log *slog.Logger
}

// State is whether a bank can be reached.
type State int32

// The states that Bank.SetState sets.
const (
	// Serving answers.
	Serving State = iota
	// Silent takes connections and messages and does nothing with them.
	Silent
	// Refusing closes connections as they come, and those there are.
	Refusing
)

// Stats count what came and went.
type Stats struct {
	Connections int64 `json:"connections"`
	Messages    int64 `json:"messages"`
	Malformed   int64 `json:"malformed"`
	WrongMAC    int64 `json:"wrong_mac"`
	Approved    int64 `json:"approved"`
	Declined    int64 `json:"declined"`
	Reversed    int64 `json:"reversed"`
	Duplicates  int64 `json:"duplicates"`
	Unanswered  int64 `json:"unanswered"`
}

// Bank is a running host. Its methods may be called at the same time.
type Bank struct {
	cfg      Config
	owner    keyring.Owner
	keys     keyring.Keyring
	close    func() error // of a keyring of our own
	listener net.Listener
	dialect  *iso8583.Dialect
	journal  *journal.Journal // nil in memory
	book     *book
	state    atomic.Int32
	cancel   context.CancelFunc
	done     chan struct{}
	recovery journal.Recovered

	clearing sync.Mutex      // one Tick at a time
	started  calendar.Date   // the business date of the start
	issued   map[string]bool // files that are known to be written

	mu      sync.Mutex
	owners  []keyring.Owner // whose working keys are in force, the latest first
	signOns int
	conns   map[*conn]bool
	failed  error

	work  sync.WaitGroup
	stats struct {
		connections, messages, malformed, wrongMAC, approved, declined, reversed, duplicates, unanswered atomic.Int64
	}
}

// Start opens the journal, recovers what it holds, listens, and serves until ctx
// ends or Close is called.
func Start(ctx context.Context, cfg Config) (*Bank, error) {
	if cfg.Listen == "" {
		cfg.Listen = "127.0.0.1:0"
	}
	if cfg.Link == "" {
		cfg.Link = "bank"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	scenario := &Scenario{}
	if cfg.Scenario != nil {
		scenario = cfg.Scenario.clone()
	}
	if err := scenario.complete(); err != nil {
		return nil, fault.New(fault.Invalid, "start bank", "scenario", err, "")
	}
	b := &Bank{cfg: cfg, owner: keyring.Link(cfg.Link), keys: cfg.Keys, close: func() error { return nil },
		dialect: iso8583.Network(), conns: map[*conn]bool{}, issued: map[string]bool{}, done: make(chan struct{})}
	if err := b.open(scenario); err != nil {
		return nil, err
	}
	ctx, b.cancel = context.WithCancel(ctx)
	b.work.Go(func() { b.accept(ctx) })
	b.started = b.book.setting().businessDate(cfg.Now())
	b.work.Go(func() { b.clear(ctx) })
	go b.wait(ctx)
	return b, nil
}

// open takes everything that has to be given back when something fails.
func (b *Bank) open(scenario *Scenario) (err error) {
	defer func() {
		if err != nil {
			if b.journal != nil {
				b.journal.Close()
			}
			b.close()
		}
	}()
	if b.keys == nil {
		k, err := vault.Open(b.cfg.Journal, b.cfg.Transport)
		if err != nil {
			return err
		}
		b.keys, b.close = k, k.Close
	}
	if len(b.cfg.Master.Cipher) > 0 {
		if err := b.keys.InstallMaster(b.owner, b.cfg.Master); err != nil {
			return fault.New(fault.KindOf(err), "start bank", b.cfg.Link, err, fault.HintOf(err))
		}
	}
	b.book = newBook(scenario, b.keys)
	if b.cfg.Journal != "" {
		b.journal, b.recovery, err = journal.Open(b.cfg.Journal, b.cfg.Sync, b.book.replay)
		if err != nil {
			return err
		}
		b.book.journal = b.journal
	}
	b.listener, err = net.Listen("tcp", b.cfg.Listen)
	if err != nil {
		return fault.New(fault.Internal, "start bank", b.cfg.Listen, err, "choose a free port, or :0 for any")
	}
	return nil
}

// wait ends what Start began.
func (b *Bank) wait(ctx context.Context) {
	<-ctx.Done()
	b.listener.Close()
	b.mu.Lock()
	conns := slices.Collect(maps.Keys(b.conns))
	b.mu.Unlock()
	for _, c := range conns {
		c.shut()
	}
	b.work.Wait()
	_, err := b.Tick(b.cfg.Now())
	err = errors.Join(err, b.writeOpenDay())
	if b.journal != nil {
		err = errors.Join(err, b.journal.Close())
	}
	err = errors.Join(err, b.close())
	b.mu.Lock()
	b.failed = errors.Join(b.failed, err)
	b.mu.Unlock()
	close(b.done)
}

// Addr gives the address the bank listens on, as host:port.
func (b *Bank) Addr() string { return b.listener.Addr().String() }

// Recovered tells what the journal held at the start.
func (b *Bank) Recovered() journal.Recovered { return b.recovery }

// Done is closed when the bank has stopped, its files written.
func (b *Bank) Done() <-chan struct{} { return b.done }

// Close stops the bank: connections are closed, the journal and the clearing
// files written. It returns the first error of its running, and may be called
// more than once.
func (b *Bank) Close() error {
	b.cancel()
	<-b.done
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}

// SetState makes the bank reachable or not.
func (b *Bank) SetState(s State) {
	b.state.Store(int32(s))
	if s != Refusing {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		c.shut()
	}
}

// SetScenario changes how the bank behaves from the next message on. Accounts
// that were opened keep their balances.
func (b *Bank) SetScenario(s *Scenario) error {
	s = s.clone()
	if err := s.complete(); err != nil {
		return fault.New(fault.Invalid, "change scenario", "", err, "")
	}
	b.book.setScenario(s)
	return nil
}

// Stats gives the counters since the start.
func (b *Bank) Stats() Stats {
	s := &b.stats
	return Stats{s.connections.Load(), s.messages.Load(), s.malformed.Load(), s.wrongMAC.Load(), s.approved.Load(),
		s.declined.Load(), s.reversed.Load(), s.duplicates.Load(), s.unanswered.Load()}
}

// Entries gives what the bank has decided, oldest first.
func (b *Bank) Entries() []Entry { return b.book.list() }

// Balance gives the available balance of a card's account in minor units.
func (b *Bank) Balance(pan string) int64 { return b.book.available(pan) }

// WriteClearing writes the clearing file of a business date, as the day stands now,
// from a journal into a folder and gives its path. The scenario, which may be nil,
// says whose file it is and which mistakes are in it.
func WriteClearing(journal, dir string, date calendar.Date, s *Scenario, now time.Time) (string, error) {
	set := &Scenario{}
	if s != nil {
		set = s.clone()
	}
	if err := set.complete(); err != nil {
		return "", fault.New(fault.Invalid, "write clearing file", "", err, "")
	}
	entries, err := ReadJournal(journal)
	if err != nil {
		return "", err
	}
	c := clearing{s: set, entries: entries}
	version := 1
	if now.Before(set.closing(date)) {
		version = 0
	}
	return writeWhole(dir, clearingName(set.Network, date, ""), c.content(date, version))
}

// fail stops the bank: a decision that cannot be kept must not be answered.
func (b *Bank) fail(err error) {
	b.mu.Lock()
	if b.failed == nil {
		b.failed = err
	}
	b.mu.Unlock()
	b.cfg.Log.Error("bank stops", "error", err)
	b.cancel()
}

// ReadJournal gives the entries of a bank's journal, running or not: an oracle's
// view. What is torn at the end was never answered and is left out.
func ReadJournal(path string) ([]Entry, error) {
	book := newBook(nil, nil)
	if _, err := journal.Read(path, book.replay); err != nil {
		return nil, err
	}
	return book.list(), nil
}

func (e *Entry) String() string {
	return fmt.Sprintf("#%d %s %s %d %s", e.Seq, e.Operation, e.What, e.Amount, e.Code)
}
