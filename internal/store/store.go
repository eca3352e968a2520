// Package store keeps what must survive: payments, the ledger, evidence, messages
// owed to networks, exceptions, and what is registered, in SQLite or PostgreSQL.
//
// Everything of one payment.Step commits together or not at all. Steps of
// concurrent callers are grouped: one goroutine takes what has queued up, writes
// it in one transaction and makes it durable once; a step that is refused does
// not fail the others of its group. Only that goroutine writes, through one
// connection, which holds the lock of its node; reading goes beside it.
//
// The parts: Open and Commit here and in commit.go, group commit in group.go, the
// two databases in dialect.go, sqlite.go and postgres.go, rows in table.go and
// codec.go, reading back in read.go, evidence.go, books.go and reference.go,
// migrations in migrate.go, verification in doctor.go. storetest is the suite
// that both databases pass. DESIGN.md gives the guarantees and why they hold.
package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/payment"
)

// Options say where and how to keep things.
type Options struct {
	// Database is a directory, in which SQLite keeps daozhang.db, or a URL that
	// begins with postgres:// or postgresql://.
	Database string
	// Node names this process among those that write to one database: letters,
	// digits, dots, hyphens and underscores. Two processes of one name never run
	// at the same time. Default "node-1".
	Node string
	// MaxGroup is the most steps of one commit. Default 256.
	MaxGroup int
	// Linger is the longest that a group waits for steps that are likely about to
	// come. Default 300 µs; negative: none.
	Linger time.Duration
	// Settle is how long a commit whose outcome is unknown is looked into, and a
	// lost database waited for, before the callers are told. Default 5 s.
	Settle time.Duration
	// Migrate brings the schema up to date when the store is opened. Without it
	// an older schema is refused with fault.Conflict.
	Migrate bool
	// Registers opens the database for its registers alone (merchants, terminals,
	// routes, lists, API keys), beside the process that writes payments to it: no
	// lock is taken, and Commit and Append are refused. What it writes waits its
	// turn in the database.
	Registers bool
}

// Store is an open database. It is safe for concurrent use.
type Store struct {
	options Options
	dialect dialect
	read    pool
	release func() // gives up what keeps other processes of this node out

	jobs chan *job
	// controls are what the committer does between two groups, see nodes.go.
	controls chan *control
	stop     chan struct{}
	stopped  chan struct{}
	closing  sync.Once
	callers  atomic.Int64

	group groupState // of the committer goroutine alone

	watching sync.Mutex
	watchers map[chan struct{}]struct{}

	counts counters
}

var _ payment.Journal = (*Store)(nil)

// Stats are counters since the store was opened.
type Stats struct {
	Steps    int64 // committed
	Groups   int64 // transactions that held them
	Rows     int64
	Refused  int64 // steps that were refused
	Apart    int64 // groups that had to be written step by step
	Lost     int64 // connections lost
	Unknown  int64 // steps whose outcome stayed unknown
	LastSize int64 // steps in the last group
}

type counters struct {
	steps, groups, rows, refused, apart, lost, unknown, last atomic.Int64
}

// Stats returns the counters.
func (s *Store) Stats() Stats {
	c := &s.counts
	return Stats{c.steps.Load(), c.groups.Load(), c.rows.Load(), c.refused.Load(), c.apart.Load(), c.lost.Load(), c.unknown.Load(), c.last.Load()}
}

// Open opens the database, creating it (SQLite) or its schema where Migrate is
// set. The error is of kind fault.Usage for an address that cannot be understood,
// fault.Conflict where another process writes as this node or the schema is of
// another version, and fault.Internal where the database does not answer.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Node == "" {
		o.Node = "node-1"
	}
	if !nodeName(o.Node) {
		return nil, fault.New(fault.Usage, "open database", "", errors.New("the node's name has other characters than letters, digits, dots, hyphens and underscores, or more than 40"), "")
	}
	if o.MaxGroup <= 0 {
		o.MaxGroup = 256
	}
	if o.Linger == 0 {
		o.Linger = 300 * time.Microsecond
	}
	if o.Settle <= 0 {
		o.Settle = 5 * time.Second
	}
	d, err := dialectOf(o.Database)
	if err != nil {
		return nil, err
	}
	if o.Migrate {
		if _, err := Migrate(ctx, o.Database, false); err != nil {
			return nil, err
		}
	}
	s := &Store{options: o, dialect: d, jobs: make(chan *job, 4096), controls: make(chan *control), stop: make(chan struct{}), stopped: make(chan struct{}),
		watchers: map[chan struct{}]struct{}{}}
	s.group.init(s)
	s.release = func() {}
	if !o.Registers {
		if s.release, err = d.exclude(o.Node); err != nil {
			return nil, err
		}
	}
	if s.read.DB, err = d.readers(ctx); err == nil {
		err = current(ctx, s.read.DB, d)
	}
	if err == nil {
		_, err = s.group.connect(ctx)
	}
	if err != nil {
		if s.read.DB != nil {
			s.read.Close()
		}
		s.release()
		return nil, err
	}
	go s.group.run()
	return s, nil
}

// Close commits what is queued, ends the committer and closes the database.
// Commits that come later are refused. It may be called more than once.
func (s *Store) Close() error {
	s.closing.Do(func() { close(s.stop) })
	<-s.stopped
	s.release()
	return s.read.Close()
}

// Database returns what is kept where, fit for a log: without a password.
func (s *Store) Database() string { return s.dialect.String() }

// Ping reports whether the database answers, for readiness. The error is of kind
// fault.Internal.
func (s *Store) Ping(ctx context.Context) error {
	var one int
	if err := s.read.QueryRowContext(ctx, "SELECT 1").Scan(&one); err != nil {
		return s.failed("reach", err)
	}
	return nil
}

// Watch returns a channel that gets a value after commits, at most one at a
// time, until stop is called: whoever follows the evidence need not poll.
func (s *Store) Watch() (changed <-chan struct{}, stop func()) {
	c := make(chan struct{}, 1)
	s.watching.Lock()
	s.watchers[c] = struct{}{}
	s.watching.Unlock()
	return c, func() {
		s.watching.Lock()
		delete(s.watchers, c)
		s.watching.Unlock()
	}
}

func (s *Store) tellWatchers() {
	s.watching.Lock()
	defer s.watching.Unlock()
	for c := range s.watchers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

// failed gives an error of the database its operation, subject and hint.
func (s *Store) failed(op string, err error) error { return trouble(s.dialect, op, err) }

// trouble is failed for those without a store.
func trouble(d dialect, op string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fault.New(fault.Cancelled, op+" database", d.String(), err, "")
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	kind, hint := fault.Internal, ""
	switch d.classify(err) {
	case full:
		hint = "the disk is full: free some room; writing goes on by itself"
	case gone:
		hint = "the database does not answer: see that it runs and can be reached; the connection is made again by itself"
	case damaged:
		hint = "the database's files are damaged: stop, copy them aside, and run `daozhang doctor`"
	case busy:
		hint = "another process holds the database; try again"
	case denied:
		hint = "the database may not be written: look at the rights of its files, or of the user in the URL"
	case constraint, other:
	}
	return fault.New(kind, op+" database", d.String(), err, hint)
}

// refused marks an error as one after which nothing was written; see
// payment.ErrRefused.
func refused(err error) error {
	if errors.Is(err, payment.ErrRefused) {
		return err
	}
	return fault.New(fault.KindOf(err), "", "", fmt.Errorf("%w: %w", payment.ErrRefused, err), fault.HintOf(err))
}

func nodeName(s string) bool {
	return s != "" && len(s) <= 40 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") == ""
}
