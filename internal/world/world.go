// Package world simulates shops, terminals, a platform, card networks, issuers
// and banks, and keeps the truth about every payment's money.
//
// It is an independent witness: it knows how money moves and what each fault
// does to it, and nothing of how causes are chosen from evidence. It writes two
// streams: the evidence that witnesses would have seen, with losses, delays
// and copies, and for each payment and noon what a perfect observer of the
// evidence would conclude. The same seed gives the same bytes on any machine:
// one event queue, one random source, integers only.
package world

import (
	"bufio"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"daozhang/internal/calendar"
)

// Config says which world to make.
type Config struct {
	// Seed decides everything that chance decides.
	Seed uint64
	// Days on which shops sell; the money is followed for DrainDays more.
	Days int
	// Merchants and Payments in all; payments are sales and preauthorizations,
	// the acts on them (voids, refunds, completions) not counted.
	Merchants, Payments int
	// From is the first day; none chooses a Monday of 2026 by the seed, so that
	// some worlds have official holidays in them.
	From calendar.Date
	// Trouble scales how often things go wrong; 100 is the usual share.
	Trouble int
	// Loss is how many facts of a thousand never reach the observer.
	Loss int
	// Cycles are the settlement cycles that merchants have (T0, D1, T2, …); none
	// means a usual mix, T1 the most.
	Cycles []string
	// Only limits the faults to these causes; none means all.
	Only []string
	// Ask are the times of day (minutes after midnight, Shanghai) for which the
	// truth is told; none means noon.
	Ask []int
	// Progress, where set, is told of the payments made so far.
	Progress func(done, total int)
}

// DrainDays are the days after the last sale in which money still moves.
const DrainDays = 7

// Stats counts what a world holds.
type Stats struct {
	Payments, Facts, Lost, Truths int
	// Causes counts the truth lines of each cause.
	Causes map[string]int
	// Peak is the largest number of payments open at once.
	Peak int
	From calendar.Date
}

// Run makes the world. Evidence and truth are written as NDJSON; a nil truth is
// not written.
func Run(ctx context.Context, cfg Config, evidence, truth io.Writer) (Stats, error) {
	if cfg.Days <= 0 || cfg.Merchants <= 0 || cfg.Payments < 0 {
		return Stats{}, errors.New("days and merchants must be positive")
	}
	for _, c := range cfg.Cycles {
		if len(c) != 2 || c[0] != 'T' && c[0] != 'D' || c[1] < '0' || c[1] > '9' {
			return Stats{}, fmt.Errorf("%q is no cycle such as T1 or D0", c)
		}
	}
	for _, c := range cfg.Only {
		if !slices.Contains(Causes(), c) {
			return Stats{}, fmt.Errorf("the world knows no cause %q", c)
		}
	}
	if cfg.From == 0 {
		cfg.From = calendar.MustYMD(2026, 3, 2).Add(7 * int(cfg.Seed%11))
	}
	if len(cfg.Ask) == 0 {
		cfg.Ask = []int{12 * 60}
	}
	s := &sim{
		cfg: cfg, rng: rand.New(rand.NewPCG(cfg.Seed, 0x64616f7a68616e67)),
		out: bufio.NewWriterSize(evidence, 1<<18), sources: map[string]uint32{}, wordOf: map[string]uint8{},
	}
	if truth != nil {
		s.truth = bufio.NewWriterSize(truth, 1<<18)
	}
	s.stats.Causes = map[string]int{}
	s.stats.From = cfg.From
	s.begin()
	for n := 0; s.queue.Len() > 0; n++ {
		if n%4096 == 0 && ctx.Err() != nil {
			return s.stats, ctx.Err()
		}
		e := heap.Pop(&s.queue).(event)
		s.now = e.at
		e.do()
		if s.err != nil {
			return s.stats, s.err
		}
	}
	s.end()
	if s.truth != nil {
		if err := s.truth.Flush(); err != nil {
			return s.stats, err
		}
	}
	s.flushHeld()
	return s.stats, errors.Join(s.err, s.out.Flush())
}

// sim is the state of a running world.
type sim struct {
	cfg   Config
	rng   *rand.Rand
	out   *bufio.Writer
	truth *bufio.Writer
	err   error
	stats Stats

	now   int64
	queue queue
	seq   uint64 // of events, so that simultaneous ones keep their order

	sources map[string]uint32
	names   []string
	factSeq uint32
	buf     []byte
	line    []byte
	held    [][]byte // lines written a little later than they came

	regions   []*region
	merchants []*merchant
	troubles  []*trouble // of the platform as a whole
	outage    *trouble   // the platform is down or unstable for authorizations
	downs     []*trouble // when the platform's link was seen down, which may concern any leg
	settleOff int64      // no settlement run before this time
	open      []*payment
	faults    int
	words     []string // of truths
	wordOf    map[string]uint8
	rrn       int
	noticeNo  int
	zone      *time.Location
	last      int64
}

type event struct {
	at  int64
	seq uint64
	do  func()
}

type queue []event

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].at < q[j].at || q[i].at == q[j].at && q[i].seq < q[j].seq
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *queue) Pop() any {
	old := *q
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*q = old[:len(old)-1]
	return e
}

// at lets something happen at a time; what lies in the past happens now.
func (s *sim) at(t int64, do func()) {
	if t > s.last {
		return
	}
	s.seq++
	heap.Push(&s.queue, event{max(t, s.now), s.seq, do})
}

// n gives a number from lo to hi, both included.
func (s *sim) n(lo, hi int) int { return lo + s.rng.IntN(hi-lo+1) }

// permille is true p times of a thousand.
func (s *sim) permille(p int) bool { return s.rng.IntN(1000) < p }

func pick[T any](s *sim, list []T) T { return list[s.rng.IntN(len(list))] }

// wants says whether faults of a cause are to occur.
func (s *sim) wants(cause string) bool {
	return s.cfg.Trouble > 0 && (len(s.cfg.Only) == 0 || slices.Contains(s.cfg.Only, cause))
}

// trouble is a fault that the evidence may show, in force from one time to
// another; it explains why a leg did not happen.
type trouble struct {
	id, code, party string
	leg             leg
	from, to        int64 // in force; to is far away while it has not ended
	end             int64 // when it is going to end; 0 where nobody knows
	announced       int64 // the end that a notice told beforehand, 0 for none
	// soft troubles are no interval: before the leg is due it is open whether
	// they are named or the time is still waited for.
	soft bool
	// held marks those that keep money on purpose.
	held bool
	// silent troubles are told by what is missing, not by a fact.
	silent bool
	tell   []ref
	// shared marks those that stop several payments at once: an incident.
	shared bool
}

// add adds a fact that tells of the trouble, while few do: hundreds say no more
// than some.
func (t *trouble) add(r ref) {
	if len(t.tell) < 8 && (!r.lost || len(t.tell) < 2) {
		t.tell = append(t.tell, r)
	}
}

const never = int64(1) << 60

func (s *sim) newTrouble(code, party string, l leg, from int64) *trouble {
	s.faults++
	return &trouble{id: "F" + fmt.Sprint(s.faults), code: code, party: party, leg: l, from: from, to: never, shared: true}
}

// leg is a step of the money's way, named by what it leads to; several may be
// joined.
type leg uint8

const (
	authorization leg = 1 << iota
	capture
	clearing
	settlement
	payoutLeg
	credit
)

// Causes lists the causes that the world can inject.
func Causes() []string {
	return strings.Fields(`hardware.printer hardware.card_reader hardware.mainboard software.crash software.sync_delay
		software.interface_incompatible terminal.keys bank.network_latency bank.outage bank.limit bank.slow_processing
		platform.interface_unstable platform.outage platform.account_frozen platform.violation platform.verification
		platform.limit human.input_error human.misoperation human.prompt_ignored authorization.expired
		transaction.declined transaction.reversed transaction.voided transaction.refunded reversal.unresolved
		channel.congestion channel.fault network.merchant fraud.hold fraud.declined timing.not_due timing.after_cutoff
		timing.holiday batch.out_of_balance payout.returned payout.below_minimum payout.negative_balance payout.not_sent
		deduction.chargeback deduction.reserve deduction.adjustment deduction.fee record.not_in_clearing
		record.not_in_settlement record.amount_mismatch record.duplicate record.ambiguous record.statement_missing unknown`)
}
