package gateway_test

import (
	"container/heap"
	"flag"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"daozhang/internal/gateway"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/risk"
)

var (
	seeds   = flag.Int("seeds", 300, "how many seeds the simulation runs")
	oneSeed = flag.Uint64("seed", 0, "run this seed alone")
	talk    = flag.Bool("talk", false, "print what happens in the simulation")
)

// TestSimulation runs payment and exchange in one deterministic loop, with a
// clock, networks, a bank and a disk that fail as the seed says. What terminals
// and bank saw is compared at the end with each other and with the books.
func TestSimulation(t *testing.T) {
	if *oneSeed != 0 {
		simulate(t, *oneSeed)
		return
	}
	total := sums{}
	for seed := uint64(1); seed <= uint64(*seeds); seed++ {
		total.add(simulate(t, seed))
		if t.Failed() {
			t.Fatalf("replay with: go test ./internal/gateway -run TestSimulation -seed %d -talk", seed)
		}
	}
	t.Logf("%d seeds: %+v", *seeds, total)
	// The faults must have happened, or the test proves nothing.
	if *seeds >= 100 {
		for name, n := range map[string]int{"approvals": total.Approvals, "reversals": total.Reversals, "late answers": total.Late, "crashes": total.Crashes,
			"refused writes": total.Refused, "lost messages": total.Lost, "repeated messages": total.Repeated, "settled batches": total.Settled, "tombstones": total.Tombstones,
			"clock steps": total.ClockSteps, "steps of the clock back": total.ClockBack, "link outages": total.Outages, "fsync errors": total.Unsynced, "torn writes": total.Torn} {
			if n == 0 {
				t.Errorf("no %s in all seeds", name)
			}
		}
	}
}

type sums struct {
	Approvals, Reversals, Late, Crashes, Refused, Lost, Repeated, Settled, Tombstones, Steps int
	ClockSteps, ClockBack, Outages, Unsynced, Torn                                           int
}

func (s *sums) add(o sums) {
	a, b := reflect.ValueOf(s).Elem(), reflect.ValueOf(o)
	for i := range a.NumField() {
		a.Field(i).SetInt(a.Field(i).Int() + b.Field(i).Int())
	}
}

type event struct {
	at  time.Time
	seq int
	fn  func()
}

type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].seq < e[j].seq
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(v any)   { *e = append(*e, v.(event)) }
func (e *events) Pop() any     { o := *e; v := o[len(o)-1]; *e = o[:len(o)-1]; return v }

// stage is the whole simulated world.
type stage struct {
	t      testing.TB
	seed   uint64
	rng    *rand.Rand
	now    time.Time
	seq    int
	queue  events
	skew   time.Duration // the gateway's wall clock minus the true time
	life   int           // of the gateway; what belongs to an earlier one is dropped
	x      *gateway.Exchange
	up     bool
	disk   *disk
	bank   *bank
	shops  []*till
	dir    payment.Profiles
	conn   gateway.Conn
	conns  map[gateway.Conn]*till
	ids    uint64
	ticked time.Time
	faults faults
	healed bool
	staged bool // terminals only do what they are told
	sums   sums
	policy payment.Policy
	cfg    gateway.Config
}

// faults are the probabilities of one seed, in permille.
type faults struct {
	loss, twice, slow, crash, full, fsync int
	delay                                 time.Duration // most of a slow message
}

var cny, _ = money.ParseCurrency("CNY")

const links = "UnionPay-1 UnionPay-2"

func newStage(t testing.TB, seed uint64, f func(*stage)) *stage {
	s := &stage{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 0x5eed)), now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC),
		conns: map[gateway.Conn]*till{}, dir: payment.Profiles{}, policy: payment.DefaultPolicy("sim")}
	s.disk = &disk{s: s, rows: map[payment.ID]payment.Transaction{}, owed: map[owedKey]payment.Outgoing{}, keys: map[payment.Key]bool{}, rrns: map[string]bool{}, evidence: map[string]string{}, ledger: ledger.NewBook()}
	s.bank = &bank{s: s, known: map[payment.ID]*charge{}}
	s.cfg = gateway.Config{RetryWrite: time.Second,
		Links: []gateway.LinkConfig{{Name: "UnionPay-1", Network: "UnionPay"}, {Name: "UnionPay-2", Network: "UnionPay"}},
		Routes: []gateway.Route{
			{From: "622202", To: "622202", Issuer: "ICBC", Links: []string{"UnionPay-1", "UnionPay-2"}},
			{From: "622848", To: "622848", Issuer: "ABC", Links: []string{"UnionPay-2", "UnionPay-1"}},
		},
	}
	if f != nil {
		f(s)
	}
	return s
}

func (s *stage) permille(n int) bool { return s.rng.IntN(1000) < n }

func (s *stage) after(d time.Duration, fn func()) {
	s.seq++
	heap.Push(&s.queue, event{s.now.Add(d), s.seq, fn})
}

func (s *stage) say(format string, args ...any) {
	if *talk {
		fmt.Printf("%s "+format+"\n", append([]any{s.now.Format("15:04:05.000")}, args...)...)
	}
}

func (s *stage) clock() time.Time { return s.now.Add(s.skew) }

// ID gives ids of version 7 by the gateway's clock and a counter.
func (s *stage) newID(at time.Time) payment.ID {
	s.ids++
	var id payment.ID
	ms := uint64(at.UnixMilli())
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6], id[8] = 0x70, 0x80
	for i := range 6 {
		id[10+i] = byte(s.ids >> (40 - 8*i))
	}
	return id
}

// boot starts the gateway from the journal.
func (s *stage) boot() {
	s.life++
	s.up = true
	book := payment.NewBook(s.policy, s.dir, risk.NewDoor(floor))
	s.disk.recover()
	if s.permille(500) {
		for _, step := range s.disk.log {
			book.Apply(step)
		}
	} else {
		book.Restore(s.disk.load(), false)
	}
	s.cfg.NewID = s.newID
	x, err := gateway.New(s.cfg, book)
	if err != nil {
		s.t.Fatal(err)
	}
	s.x = x
	s.ticked = time.Time{}
	s.x.Start(s.clock())
	for _, name := range strings.Fields(links) {
		s.x.LinkUp(s.clock(), name)
	}
	s.pump()
}

// crash kills the gateway at once: what was being written is durable up to some
// place in the order, and nothing after.
func (s *stage) crash(why string) {
	if !s.up {
		return
	}
	s.say("crash: %s", why)
	s.sums.Crashes++
	s.up = false
	s.life++
	s.disk.tear()
	clear(s.conns)
	s.after(time.Duration(1+s.rng.IntN(20))*time.Second, func() {
		if !s.healed {
			// A clock that was set meanwhile: forward, or back.
			s.setClock()
		}
		s.boot()
	})
}

// setClock sets the gateway's clock, up to a minute and a half forward or back.
func (s *stage) setClock() {
	by := time.Duration(s.rng.IntN(180)-90) * time.Second
	s.say("the clock is set by %s", by)
	s.skew += by
	s.sums.ClockSteps++
	if by < 0 {
		s.sums.ClockBack++
	}
}

// feed gives the gateway an input, if it runs.
func (s *stage) feed(fn func(x *gateway.Exchange, now time.Time)) {
	if s.up {
		fn(s.x, s.clock())
		s.pump()
	}
}

// pump carries out what the gateway wants done.
func (s *stage) pump() {
	life := s.life
	for s.up && s.life == life {
		actions := s.x.Take(nil)
		if len(actions) == 0 {
			break
		}
		for _, a := range actions {
			switch a.Kind {
			case gateway.Commit:
				s.disk.commit(a.Token, a.Step)
			case gateway.Send:
				s.checkMessage(a.Message)
				m := *a.Message
				s.wire(func() { s.bank.receive(&m) })
			case gateway.Reply:
				till, answer := s.conns[a.Conn], *a.Answer
				if till == nil {
					continue
				}
				s.wire(func() { till.hear(&answer) })
			case gateway.Close:
				delete(s.conns, a.Conn)
			case gateway.Find:
				t := s.disk.find(a.MID, a.RRN)
				s.after(time.Millisecond, func() {
					if s.life == life {
						s.feed(func(x *gateway.Exchange, now time.Time) { x.Found(now, a.Token, t) })
					}
				})
			case gateway.Halt:
				if strings.Contains(a.Err.Error(), "does not hold") {
					s.t.Errorf("seed %d: %v", s.seed, a.Err)
				}
				s.crash("halt: " + a.Err.Error())
				return
			}
		}
	}
	if !s.up || s.life != life {
		return
	}
	if next, ok := s.x.Next(); ok && (s.ticked.IsZero() || next.Before(s.ticked)) {
		s.ticked = next
		s.after(max(0, next.Sub(s.clock())), func() {
			if s.life == life {
				s.ticked = time.Time{}
				s.feed(func(x *gateway.Exchange, now time.Time) { x.Tick(now) })
			}
		})
	}
}

// wire carries a message, or loses, delays or repeats it.
func (s *stage) wire(deliver func()) {
	f := s.faults
	if s.permille(f.loss) {
		s.sums.Lost++
		return
	}
	delay := time.Duration(5+s.rng.IntN(40)) * time.Millisecond
	if s.permille(f.slow) {
		delay += time.Duration(s.rng.Int64N(int64(f.delay)))
	}
	s.after(delay, deliver)
	if s.permille(f.twice) {
		s.sums.Repeated++
		s.after(delay+time.Duration(s.rng.Int64N(int64(f.delay)+1)), deliver)
	}
}

// checkMessage holds what goes to a network against the rule for reversals, and
// against the rule that it is on record first.
func (s *stage) checkMessage(m *payment.Message) {
	if m.Kind != payment.Ask {
		if m.Card != nil {
			s.t.Errorf("seed %d: card data in %v of %s", s.seed, m.Kind, m.Payment)
		}
		if _, ok := s.disk.owed[owedKey{m.Payment, m.Kind}]; !ok {
			s.t.Errorf("seed %d: a reversal was sent before it was recorded", s.seed)
		}
	} else if m.Operation != payment.Balance {
		if row, ok := s.disk.rows[m.Payment]; !ok || row.State != payment.Sent {
			s.t.Errorf("seed %d: %s was sent before it was recorded", s.seed, m.Payment)
		}
	}
}

// run lets time pass until a moment, or until done says so.
func (s *stage) run(until time.Time, done func() bool) {
	for len(s.queue) > 0 && !s.queue[0].at.After(until) && !s.t.Failed() {
		e := heap.Pop(&s.queue).(event)
		s.now = e.at
		e.fn()
		if done != nil && done() {
			return
		}
	}
	s.now = until
}

func (s *stage) owed() int {
	n := 0
	for range s.x.Book.AllOwed {
		n++
	}
	return n
}

// idle reports whether every terminal has done everything and nothing is owed.
func (s *stage) idle() bool {
	if !s.up || s.owed() > 0 || len(s.disk.pending) > 0 {
		return false
	}
	for _, k := range s.shops {
		if !k.stopped {
			return false
		}
	}
	return true
}

// heal ends all faults and waits until everything is settled; what is unknown
// must be resolved within its deadline.
func (s *stage) heal() {
	s.faults = faults{delay: time.Second}
	s.disk.full = false
	s.bank.silent, s.bank.slow = nil, nil
	s.healed = true
	for _, k := range s.shops {
		k.left = 0
		if s.staged && k.waiting == nil {
			k.next(k.pause())
		}
	}
	s.staged = false
	healed := s.now
	deadline := s.policy.LastArrival + 2*s.policy.RepeatMost + 20*time.Minute
	s.run(s.now.Add(deadline), s.idle)
	if !s.idle() && !s.t.Failed() {
		for t := range s.x.Book.Transactions {
			if t.State.Open() {
				s.t.Errorf("seed %d: %s %s of %d is still %s %s after all faults ended", s.seed, t.TID, t.Operation, t.Amount, t.State, s.now.Sub(healed))
			}
		}
		s.t.Errorf("seed %d: not settled %s after all faults ended: %d owed, %v", s.seed, deadline, s.owed(), s.x.Count)
	}
	s.run(s.now.Add(3*time.Minute), nil) // what is still on the wire
}

// judge compares what terminals and bank saw, and the books.
func (s *stage) judge() {
	fail := func(format string, args ...any) {
		s.t.Errorf("seed %d: "+format, append([]any{s.seed}, args...)...)
	}
	saw := map[string]int{}
	receivable := map[string]int64{}
	for _, k := range s.shops {
		for _, e := range k.journal {
			if !e.approved {
				continue
			}
			saw[fmt.Sprint(k.tid, " ", e.op, " ", e.amount)]++
			switch e.op {
			case payment.Sale, payment.Completion, payment.Offline:
				receivable[k.mid] += e.amount
			case payment.Void, payment.Refund, payment.CompletionVoid:
				receivable[k.mid] -= e.amount
			}
		}
	}
	charged := map[string]int{}
	for _, c := range s.bank.known {
		if c.approved && !c.reversed {
			charged[fmt.Sprint(c.tid, " ", c.op, " ", c.amount)]++
		}
	}
	booked := map[string]int{}
	for t := range s.x.Book.Transactions {
		switch t.State {
		case payment.Approved, payment.Voided, payment.Completed:
			booked[fmt.Sprint(t.TID, " ", t.Operation, " ", t.Amount)]++
		case payment.Sent, payment.Unknown, payment.Reversing:
			fail("%s %s of %d ended as %s", t.TID, t.Operation, t.Amount, t.State)
		}
		if t.State != payment.Sent && t.Claimed != 0 {
			fail("%s %s of %d: %d is still claimed", t.TID, t.Operation, t.Amount, t.Claimed)
		}
		if t.State == payment.Approved && t.Operation == payment.Sale && t.Taken > t.Approved {
			fail("more was refunded than sold")
		}
	}
	for _, w := range []struct {
		name string
		has  map[string]int
	}{{"charged by the bank", charged}, {"in the book", booked}} {
		for what, n := range saw {
			if w.has[what] < n {
				fail("lost: the terminal has %s %d times, %s %d times", what, n, w.name, w.has[what])
			}
		}
		for what, n := range w.has {
			if saw[what] < n {
				fail("doubled: %s is %s %d times, the terminal has it %d times", what, w.name, n, saw[what])
			}
		}
	}
	for _, mid := range s.disk.ledger.Merchants() {
		st := s.disk.ledger.Standing(mid)
		if got := st.Balance(cny, ledger.NetworkReceivable).On(ledger.Debit); got != receivable[mid] {
			fail("merchant %s: the ledger has %d receivable, terminals sold %d", mid, got, receivable[mid])
		}
		if got := st.Balance(cny, ledger.MerchantPending).On(ledger.Credit); got != receivable[mid] {
			fail("merchant %s: the ledger owes %d, terminals sold %d", mid, got, receivable[mid])
		}
	}
	// P5: the journal gives the same state again, by steps and by rows.
	for name, load := range map[string]func(*payment.Book){
		"steps": func(b *payment.Book) {
			for _, step := range s.disk.log {
				b.Apply(step)
			}
		},
		"rows": func(b *payment.Book) { b.Restore(s.disk.load(), false) },
	} {
		again := payment.NewBook(s.policy, s.dir, nil)
		load(again)
		if d := difference(s.x.Book, again); d != "" {
			fail("replay by %s gives another state: %s", name, d)
		}
	}
}

// difference says in what two books differ, or "".
func difference(a, b *payment.Book) string {
	if a.Len() != b.Len() {
		return fmt.Sprintf("%d transactions and %d", a.Len(), b.Len())
	}
	for t := range a.Transactions {
		if u := b.Find(t.ID); u == nil || !reflect.DeepEqual(*t, *u) {
			return fmt.Sprintf("%+v and %+v", *t, u)
		}
	}
	for _, two := range [][2]*payment.Book{{a, b}, {b, a}} {
		for o := range two[0].AllOwed {
			if p := two[1].Owed(o.Payment, o.Kind); p == nil || *p != *o {
				return fmt.Sprintf("%+v and %+v", *o, p)
			}
		}
		others := map[payment.ID]payment.Exception{}
		for x := range two[1].Exceptions {
			others[x.ID] = *x
		}
		for x := range two[0].Exceptions {
			if others[x.ID] != *x {
				return fmt.Sprintf("%+v and %+v", *x, others[x.ID])
			}
		}
	}
	for t := range a.Transactions {
		if x, y := a.Current(t.TID), b.Current(t.TID); !reflect.DeepEqual(x, y) {
			return fmt.Sprintf("%+v and %+v", x, y)
		}
	}
	return ""
}

// floor is compiled once; a door keeps its own window.
var floor = risk.Floor()

// simulate runs one seed.
func simulate(t testing.TB, seed uint64) sums {
	s := newStage(t, seed, nil)
	r := s.rng
	s.faults = faults{loss: r.IntN(80), twice: r.IntN(80), slow: r.IntN(100), delay: time.Duration(1+r.IntN(95)) * time.Second}
	if seed%3 == 0 {
		s.faults.crash = r.IntN(15)
	}
	if seed%4 == 0 {
		s.faults.full = r.IntN(60)
	}
	if seed%5 == 0 {
		s.faults.fsync = r.IntN(10)
	}
	if seed%10 == 0 {
		s.faults = faults{delay: time.Second} // a quiet world
	}
	for n := range 4 + r.IntN(5) {
		s.addTill(n, 6+r.IntN(14))
	}
	s.boot()
	for _, k := range s.shops {
		k.next(k.pause())
	}
	// The clock is set under way, whatever happens at that moment.
	for range r.IntN(3) {
		if at := time.Duration(r.Int64N(int64(12 * time.Minute))); seed%10 != 0 {
			s.after(at, s.setClock)
		}
	}
	// Outages of the bank, a full disk, links that go and come, for stretches.
	length := 12 * time.Minute
	for range r.IntN(4) {
		from := time.Duration(r.Int64N(int64(length)))
		span := time.Duration(5+r.IntN(240)) * time.Second
		kind := r.IntN(4)
		if seed%10 == 0 {
			continue
		}
		s.after(from, func() {
			s.say("fault %d for %s", kind, span)
			switch kind {
			case 0:
				s.bank.silent = func(m *payment.Message) bool { return !s.healed }
			case 1:
				s.bank.slow = func() time.Duration { return time.Duration(100+s.rng.IntN(59900)) * time.Millisecond }
			case 2:
				s.disk.full = true
			case 3:
				s.sums.Outages++
				s.feed(func(x *gateway.Exchange, now time.Time) { x.LinkDown(now, "UnionPay-1") })
			}
		})
		s.after(from+span, func() {
			switch kind {
			case 0:
				s.bank.silent = nil
			case 1:
				s.bank.slow = nil
			case 2:
				s.disk.full = false
			case 3:
				s.feed(func(x *gateway.Exchange, now time.Time) { x.LinkUp(now, "UnionPay-1") })
			}
		})
	}
	s.run(s.now.Add(length), nil)
	s.heal()
	if !t.Failed() {
		s.judge()
	}
	for outcome, n := range s.x.Count {
		if outcome == payment.OutcomeLate {
			s.sums.Late += int(n)
		}
	}
	return s.sums
}
