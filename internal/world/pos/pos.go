// Package pos simulates a point-of-sale terminal on a TCP socket. It speaks the
// UnionPay-style terminal dialect and nothing else: it signs on and takes over
// working keys, sells, voids, refunds, reserves, completes, asks for balances,
// settles its batch and uploads it where the totals differ, keeps offline sales
// until they are told, and prints slips. It is an independent witness of what a
// cardholder was shown.
//
// What it must not forget stands in its own journal before the message that
// depends on it leaves: a request for which no valid answer is on record is
// reversed after a restart, wherever the terminal was when it died. Beside the
// journal it writes what people and programs read: pos.csv, the POS journal, and
// evidence.ndjson, its telemetry as facts of the evidence contract. It can be told
// to break in the ways of the cause catalogue (Fault).
//
// The parts: Config and Terminal; Request and Outcome; Transaction, one row of the
// journal; Card, a made-up card; Load, many terminals at once.
package pos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/world/journal"
	"daozhang/internal/world/vault"
)

// Config says what terminal to make. TID and MID are required.
type Config struct {
	// Address of the acquirer, host:port; or several, with commas: where one cannot
	// be reached or does not answer, the next connection is made to the next.
	Address string
	// TID has eight characters, MID fifteen.
	TID, MID string
	// Merchant is printed on slips where the acquirer's answers name none.
	Merchant string
	// Operator is the cashier's number, two digits; 01 where empty.
	Operator string
	// Currency is numeric; 156 (CNY) where empty.
	Currency string
	// Dir is the terminal's folder: pos.csv and evidence.ndjson, which a person may
	// read and `daozhang check` does, and in its hidden folder .state the journal and
	// keys. In memory where empty; then a dead terminal cannot be started again.
	Dir string
	// Sync is how sure the journal must be kept before a message leaves.
	Sync journal.Sync
	// Keys are the terminal's keys; where nil, a keyring is opened in Dir, with
	// Transport as the components of its transport key.
	Keys      keyring.Keyring
	Transport []string
	// Master is the terminal's master key under the transport key, injected where
	// given. Without one, in Keys or here, the terminal cannot sign on.
	Master keyring.Wrapped
	// Timeout is how long an answer may take: 60 s where 0, the usual setting.
	Timeout time.Duration
	// Connect is how long a connection may take: 10 s where 0.
	Connect time.Duration
	// TPDU is the network address, ten hexadecimal digits; 6000000000 where empty.
	TPDU string
	// Version of the terminal's software, six digits, in the header; 310000 where
	// empty.
	Version string
	// Printer takes slips. Where nil they are not made, and count as printed unless
	// the printer is broken.
	Printer io.Writer
	// SlipLang is the language of slips: zh, en, or both where empty.
	SlipLang string
	// Location is where the terminal says it stands, in each transaction: coordinates
	// (31.230416,121.473701) or a cell (460-00-28688-43222849); "" to say nothing.
	Location string
	// MaxBatch is after how many transactions a batch must be settled: 999 where 0,
	// the most that totals can count.
	MaxBatch int
	// Seed decides what chance decides: which faults strike, numbers in chip data.
	Seed uint64
	// Faults are in force from the start.
	Faults []Fault
	// Now is the true clock, time.Now where nil; Dial opens connections, net.Dialer
	// where nil.
	Now  func() time.Time
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Probe is called at each Point of a transaction; for tests that kill there.
	Probe func(Point)
	// Log tells what happens on the line; nobody is told where nil.
	Log *slog.Logger
}

// What a terminal refuses to do.
var (
	// ErrDead: the terminal has crashed, lost power or its mainboard. Start it again
	// with New on the same folder.
	ErrDead = errors.New("the terminal is dead")
	// ErrNotSignedOn: there are no working keys.
	ErrNotSignedOn = errors.New("the terminal has not signed on")
	// ErrReversalDue: a reversal is not acknowledged, and nothing else is sent
	// before it.
	ErrReversalDue = errors.New("a reversal is not yet acknowledged")
	// ErrBatchFull: the batch has to be settled first.
	ErrBatchFull = errors.New("the batch is full")
	// ErrSettling: a settlement is under way and has to be finished first.
	ErrSettling = errors.New("the batch is being settled")
	// ErrNoOriginal: the transaction to act on is not in the journal.
	ErrNoOriginal = errors.New("there is no such transaction")
	// ErrRefused: the acquirer refused a sign-on or settlement.
	ErrRefused = errors.New("the acquirer refused")
	// ErrIgnored: the operator ignored what the terminal asked for.
	ErrIgnored = errors.New("the operator ignored the prompt")
)

// stateDir is hidden from programs that read a folder's files: it holds what is
// only the terminal's own.
const stateDir = ".state"

func journalPath(dir string) string { return filepath.Join(dir, stateDir, "terminal.ndjson") }

// Terminal is one terminal. It does one thing at a time: its methods wait for each
// other.
type Terminal struct {
	cfg     Config
	dialect *iso8583.Dialect
	owner   keyring.Owner
	keys    keyring.Keyring
	close   func() error // of a keyring of our own

	mu      sync.Mutex
	state   state
	journal *journal.Journal // nil in memory
	papers  *papers
	faults  *faults
	line    line
	// addresses of the acquirer, and the one in use
	addresses []string
	address   int
	dead      string // what it died of, "" while it lives
	closed    bool
	host      struct{ merchant string } // as the acquirer's answers name it
}

// New makes a terminal and recovers what its folder holds. It sends nothing: what
// has to be reversed is reversed before the next transaction, or by Recover.
func New(cfg Config) (*Terminal, error) {
	const op = "start terminal"
	if len(cfg.TID) != 8 || len(cfg.MID) != 15 {
		return nil, fault.New(fault.Usage, op, cfg.TID, errors.New("a terminal number has 8 characters, a merchant number 15"), "")
	}
	def := func(s *string, v string) {
		if *s == "" {
			*s = v
		}
	}
	def(&cfg.Operator, "01")
	def(&cfg.Currency, "156")
	def(&cfg.TPDU, "6000000000")
	def(&cfg.Version, "310000")
	if cfg.Timeout <= 0 {
		cfg.Timeout = 60 * time.Second
	}
	if cfg.Connect <= 0 {
		cfg.Connect = 10 * time.Second
	}
	if cfg.MaxBatch <= 0 || cfg.MaxBatch > 999 {
		cfg.MaxBatch = 999
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Dial == nil {
		cfg.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", address)
		}
	}
	t := &Terminal{cfg: cfg, dialect: iso8583.POS(), owner: keyring.Terminal(cfg.MID, cfg.TID), keys: cfg.Keys,
		close: func() error { return nil }, addresses: strings.Split(cfg.Address, ","), state: newState(), faults: newFaults(cfg.Seed, cfg.TID)}
	if cfg.Location != "" {
		if err := t.dialect.New("0200").SetLocation(cfg.Location); err != nil {
			return nil, fault.New(fault.Usage, op, cfg.TID, err, "")
		}
	}
	if err := t.open(); err != nil {
		return nil, fault.New(fault.KindOf(err), op, cfg.TID, err, fault.HintOf(err))
	}
	return t, nil
}

func (t *Terminal) open() (err error) {
	defer func() {
		if err != nil {
			if t.journal != nil {
				t.journal.Close()
			}
			if t.papers != nil {
				t.papers.close()
			}
			t.close()
		}
	}()
	var path string
	if t.cfg.Dir != "" {
		path = filepath.Join(t.cfg.Dir, stateDir, "terminal")
	}
	if t.keys == nil {
		k, err := vault.Open(path, t.cfg.Transport)
		if err != nil {
			return err
		}
		t.keys, t.close = k, k.Close
	}
	if len(t.cfg.Master.Cipher) > 0 && !t.keys.HasMaster(t.owner) {
		if err := t.keys.InstallMaster(t.owner, t.cfg.Master); err != nil {
			return err
		}
	}
	if t.cfg.Dir != "" {
		if t.journal, _, err = journal.Open(journalPath(t.cfg.Dir), t.cfg.Sync, t.state.replay); err != nil {
			return err
		}
		if t.papers, err = openPapers(t.cfg.Dir); err != nil {
			return err
		}
	}
	if err := t.recover(); err != nil {
		return err
	}
	for _, f := range t.cfg.Faults {
		if err := t.breakPart(f); err != nil {
			return err
		}
	}
	return nil
}

// recover takes stock after a start: what was begun and has no end is not known,
// so it is to be reversed.
func (t *Terminal) recover() error {
	was := t.state.death
	unclean := t.state.started && !t.state.stopped
	facts := []fact{}
	now := t.now()
	if unclean && was == "" {
		// Nobody said what it died of: the end of its journal is all that is known.
		facts = append(facts, t.fact("terminal.software", t.state.last, "what", "crashed", "detail", "ended without notice"))
	}
	if was == Mainboard || was == Power {
		component := map[string]string{Mainboard: "mainboard", Power: "battery"}[was]
		facts = append(facts, t.fact("terminal.health", now, "component", component, "state", "ok"))
	}
	facts = append(facts, t.fact("terminal.software", now, "what", "started", "version", t.cfg.Version))
	records := []Record{{What: didStart, Time: now, TID: t.cfg.TID, MID: t.cfg.MID}}
	for _, x := range t.state.order {
		if x.Result == "" {
			end := Record{What: didEnd, Time: now, Batch: x.Batch, STAN: x.STAN, Result: "unknown", Reversal: reversalOf(x), Reason: iso8583.ReasonTimeout}
			if end.Reversal == "" {
				end.Result, end.Reason = "aborted", "" // an offline sale that nobody was shown
			}
			records = append(records, end)
		}
		if x.Result == "" || x.Printed == nil {
			no := false
			records = append(records, Record{What: didPrint, Time: now, Batch: x.Batch, STAN: x.STAN, Printed: &no})
		}
	}
	for _, f := range facts {
		records = append(records, Record{What: didFact, Time: now, Fact: f.line})
	}
	return t.keep(records...)
}

// reversalOf says whether a transaction that has no valid answer is to be
// reversed: an advice is told again instead.
func reversalOf(x *Transaction) string {
	if op, _ := iso8583.ParseOperation(x.Operation); op.Advice() {
		return ""
	}
	return due
}

// Close ends the terminal: the journal says that it stopped in order, and what is
// still to be reversed or told stays there for the next start. It may be called
// more than once.
func (t *Terminal) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil
	}
	t.closed = true
	t.line.close()
	var err error
	if t.dead == "" {
		now := t.now()
		records := []Record{{What: didStop, Time: now}}
		if now.After(t.state.since) && t.faults.clock() == 0 {
			// Stopped in order, it vouches that all it did since its start is told.
			f := t.fact("coverage", now, "of", "terminal/"+t.cfg.TID, "from", t.state.since.Format(stamp), "to", now.Format(stamp))
			records = []Record{{What: didFact, Time: now, Fact: f.line}, records[0]}
		}
		err = t.keep(records...)
	}
	if t.journal != nil {
		err = errors.Join(err, t.journal.Close())
	}
	if t.papers != nil {
		err = errors.Join(err, t.papers.close())
	}
	return errors.Join(err, t.close())
}

// now is the terminal's own clock, which may be wrong.
func (t *Terminal) now() time.Time { return t.cfg.Now().Add(t.faults.clock()) }

// alive refuses what a dead or closed terminal cannot do.
func (t *Terminal) alive() error {
	if t.closed {
		return fault.New(fault.Conflict, "use terminal", t.cfg.TID, errors.New("it is closed"), "")
	}
	if t.dead != "" {
		return fault.New(fault.Conflict, "use terminal", t.cfg.TID, fmt.Errorf("%w: %s", ErrDead, t.dead), "start it again on the same folder")
	}
	return nil
}

// keep makes records durable and puts them into force, in this order.
func (t *Terminal) keep(records ...Record) error {
	if t.faults.clock() != 0 {
		now := t.cfg.Now()
		for i := range records {
			records[i].True = &now
		}
	}
	if t.journal != nil {
		lines := make([]any, len(records))
		for i := range records {
			lines[i] = &records[i]
		}
		if err := t.journal.Append(lines...); err != nil {
			return err
		}
	}
	for i := range records {
		t.note(records[i])
	}
	return nil
}

// note puts a record into force and writes what follows from it into the papers.
func (t *Terminal) note(r Record) {
	t.state.apply(&r)
	if t.papers != nil {
		t.papers.write(&t.state, &r)
	}
}

// Point is a moment of a transaction at which a terminal can die.
type Point string

// The points, in the order of a transaction.
const (
	BeforeStore Point = "before_store" // nothing is on record
	Stored      Point = "stored"       // the request is on record, not sent
	Sent        Point = "sent"         // it is sent, no answer yet
	Received    Point = "received"     // the answer is in memory, not on record
	Recorded    Point = "recorded"     // it is on record, nothing printed
	Printed     Point = "printed"
)

// Points lists them.
var Points = []Point{BeforeStore, Stored, Sent, Received, Recorded, Printed}

// at passes a point, at which the terminal may die.
func (t *Terminal) at(p Point) error {
	if t.cfg.Probe != nil {
		t.cfg.Probe(p)
	}
	cause := t.faults.death(p)
	if cause == "" {
		return nil
	}
	t.line.close()
	now := t.now()
	f := t.fact("terminal.software", now, "what", "crashed", "detail", "at "+string(p))
	switch cause {
	case Mainboard:
		f = t.fact("terminal.health", now, "component", "mainboard", "state", "failed", "detail", "at "+string(p))
	case Power:
		f = t.fact("terminal.health", now, "component", "battery", "state", "failed", "detail", "power cut at "+string(p))
	}
	// A real device writes nothing when it dies. The simulation notes the cause, so
	// that the telemetry can tell; the terminal itself does not use it.
	if err := t.keep(Record{What: didFact, Time: now, Fact: f.line}, Record{What: didDie, Time: now, Cause: cause}); err != nil {
		return err
	}
	t.dead = cause
	return t.alive()
}

// Journal gives the transactions of the current and the last batch, oldest first.
func (t *Terminal) Journal() []Transaction {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]Transaction, len(t.state.order))
	for i, x := range t.state.order {
		all[i] = *x
	}
	return all
}

// Status is what a terminal shows on its status screen.
type Status struct {
	TID          string `json:"tid"`
	MID          string `json:"mid"`
	Batch        string `json:"batch"`
	NextSTAN     string `json:"next_stan"`
	SignedOn     bool   `json:"signed_on"`
	Dead         string `json:"dead,omitempty"`
	Reversals    int    `json:"reversals_due"`
	Offline      int    `json:"offline_stored"`
	Unprinted    int    `json:"unprinted"`
	Settling     bool   `json:"settling"`
	Transactions int    `json:"transactions"` // of the open batch
	// The batch's totals, as they are compared at its settlement.
	DebitCount   int   `json:"debit_count"`
	DebitAmount  int64 `json:"debit_amount"`
	CreditCount  int   `json:"credit_count"`
	CreditAmount int64 `json:"credit_amount"`
}

// Status gives it.
func (t *Terminal) Status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Status{TID: t.cfg.TID, MID: t.cfg.MID, Batch: six(t.state.batch), NextSTAN: six(next(t.state.stan)), Dead: t.dead,
		SignedOn: t.signedOn(), Settling: t.state.settling != nil, Transactions: t.state.begun, Reversals: t.state.due, Offline: t.state.stored}
	sum := t.state.totals()
	s.DebitCount, s.DebitAmount, s.CreditCount, s.CreditAmount = sum.DebitCount, sum.DebitAmount, sum.CreditCount, sum.CreditAmount
	for _, x := range t.state.order {
		if x.approved() && x.Printed != nil && !*x.Printed {
			s.Unprinted++
		}
	}
	return s
}

func (t *Terminal) signedOn() bool { return t.state.signedOn && t.keys.HasWorking(t.owner) }

// ReadJournal gives every transaction that a terminal's folder has on record, with
// what is known of each, oldest first: an oracle's view of what the terminal saw,
// also of one that runs or was killed.
func ReadJournal(dir string) ([]Transaction, error) {
	s := newState()
	s.all = true
	if _, err := journal.Read(journalPath(dir), s.replay); err != nil {
		return nil, err
	}
	all := make([]Transaction, len(s.order))
	for i, x := range s.order {
		all[i] = *x
	}
	return all, nil
}

func six(n int) string { return fmt.Sprintf("%06d", n) }

// next is the number after n; 000001 follows 999999.
func next(n int) int { return n%999_999 + 1 }

// numberOf reads six digits; 0 for anything else.
func numberOf(s string) int {
	if len(s) != 6 || strings.Trim(s, "0123456789") != "" {
		return 0
	}
	n := 0
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}
