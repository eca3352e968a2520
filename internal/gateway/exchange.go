// Package gateway stands between terminals and networks. Its core is Exchange: a
// deterministic loop without sockets, clock or goroutines that takes what comes
// in and gives back what is to be done. The runtime around it owns the sockets,
// the clock and the journal.
//
// The order is always: decide, commit, act. Nothing is sent to a network or told
// to a terminal before the step that decided it is durable; no step waits for a
// network.
package gateway

import (
	"errors"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/evidence"
	"daozhang/internal/payment"
)

// Conn names one connection of a terminal; the runtime never uses a number
// again. 0 is none.
type Conn uint64

// ActionKind is what the runtime is to do.
type ActionKind uint8

// The kinds of actions.
const (
	// Commit: write Step to the journal and report by Committed with Token.
	Commit ActionKind = iota
	// Send: encode Message and hand it to its link. If the link cannot take it,
	// nothing is reported: the time-out decides.
	Send
	// Reply: encode Answer and write it to Conn.
	Reply
	// Close: end Conn.
	Close
	// Find: read the transaction that MID and RRN name from the store and report
	// by Found with Token.
	Find
	// Tell: answer whoever asked with Token, by Err.
	Tell
	// Pass: this exchange does not decide for the merchant: hand the message of Conn
	// to the node that does.
	Pass
	// Reread: read the rows that Step has from the store as they are there, with those
	// that stand under the same keys, and report by Rereads.
	Reread
	// Reserve: take Count numbers from the store that no other node gets, none below
	// From, and report by Reserved.
	Reserve
	// Halt: what is durable is no longer known. Stop, and start again from the
	// journal; nothing further will be decided.
	Halt
)

// Action is one thing to do, in the order given.
type Action struct {
	Kind    ActionKind
	Token   uint64
	Step    *payment.Step
	Message *payment.Message
	Conn    Conn
	Answer  *payment.Answer
	MID     string
	RRN     string
	From    int64
	Count   int64
	Err     error
}

// Config is what an Exchange is made with. Zero values mean the defaults given.
type Config struct {
	Routes []Route
	Links  []LinkConfig
	// NewID makes transaction ids; default UUID version 7 from the machine's
	// randomness. A simulation gives its own.
	NewID func(at time.Time) payment.ID
	// QueuePerTerminal is how many requests of one terminal wait while one is being
	// decided; default 3. MaxRequests bounds all requests being decided or waiting,
	// default 20000; MaxCommits the steps being written, default 8192. Beyond
	// them a request for money gets 96, any other 91; nothing was done.
	QueuePerTerminal, MaxRequests, MaxCommits int
	// UndoWindow is how many reversals and advices may be without an answer on one
	// link; default 64. After an outage the rest waits its turn.
	UndoWindow int
	// RetryWrite is the pause before a step that was refused by the journal is
	// decided again. Default 200 ms.
	RetryWrite time.Duration
	// RefusalsPerSecond bounds the evidence about refused messages; what is beyond
	// is only counted. Default 50.
	RefusalsPerSecond int
	// ForgetEvery is how often settled transactions older than ForgetAfter leave
	// the memory; defaults 10 minutes and 24 hours.
	ForgetEvery, ForgetAfter time.Duration
	// Older is true where the store holds transactions that Restore did not bring.
	Older bool
	// Division is set where several nodes share the store; then nothing is decided
	// before Adopt.
	Division *Division
}

func (c *Config) defaults() {
	set := func(p *int, v int) {
		if *p <= 0 {
			*p = v
		}
	}
	span := func(p *time.Duration, v time.Duration) {
		if *p <= 0 {
			*p = v
		}
	}
	set(&c.QueuePerTerminal, 3)
	set(&c.MaxRequests, 20000)
	set(&c.MaxCommits, 8192)
	set(&c.UndoWindow, 64)
	set(&c.RefusalsPerSecond, 50)
	span(&c.RetryWrite, 200*time.Millisecond)
	span(&c.ForgetEvery, 10*time.Minute)
	span(&c.ForgetAfter, 24*time.Hour)
	if c.NewID == nil {
		c.NewID = func(time.Time) payment.ID { return uuid.Must(uuid.NewV7()) }
	}
}

// Counters are what happened since the start, by outcome. Names are those of
// payment.Outcome, and the Count… words for what the book does not see.
type Counters map[payment.Outcome]uint64

// Outcomes that the exchange itself counts.
const (
	CountOverload    payment.Outcome = "overload"
	CountDraining    payment.Outcome = "draining"
	CountNotWritten  payment.Outcome = "not_written"
	CountUndelivered payment.Outcome = "undelivered"
	CountStray       payment.Outcome = "stray_response"
	CountViolation   payment.Outcome = "invariant_violated"
	CountSuppressed  payment.Outcome = "evidence_suppressed"
	CountReread      payment.Outcome = "read_again"
	CountPassed      payment.Outcome = "passed_on"
	CountAbandoned   payment.Outcome = "abandoned"
)

// job is one request of a terminal from its coming to its answer.
type job struct {
	conn     Conn
	terminal *line
	request  *payment.Request
	profile  *payment.Profile
	id       payment.ID // of the transaction or inquiry that it waits for
	ended    bool
	rereads  int
}

// line is one terminal: requests are decided one at a time, in order.
type line struct {
	tid   string
	busy  *job
	queue []*job
}

// flight is one message that waits for its answer.
type flight struct {
	id       payment.ID
	link     *link
	issuer   *health
	stan     string
	sent     time.Time
	deadline time.Time
	job      *job
	balance  *payment.Request // an inquiry, which has no transaction
}

// write is a step on its way to the journal.
type write struct {
	decision payment.Decision
	job      *job
	// again decides anew where the journal refused the step; nil where a refusal
	// ends the request.
	again func(now time.Time)
	// abandoned: its part was given up while it was being written. Whoever decides
	// for it now reads what became of it.
	abandoned bool
	told      uint64 // the token with which a person waits for it; 0 for none
}

// Exchange is the core of the gateway. Feed it one input at a time, with times
// that do not go back (readings of time.Now do not), and carry out what Take
// returns, in order. It is not safe for concurrent use.
type Exchange struct {
	cfg   Config
	Book  *payment.Book
	Count Counters

	actions []Action
	now     time.Time
	halted  bool
	drain   bool

	lines    map[string]*line
	requests int
	conns    map[Conn]*job

	token  uint64
	writes map[uint64]*write
	// rereads are steps that were refused because the store has other rows.
	rereads map[uint64]*write
	finds   map[uint64]func(now time.Time, t *payment.Transaction)
	locks   map[payment.ID]int
	wait    map[payment.ID][]func(now time.Time)

	flights map[payment.ID]*flight
	owing   map[owed]pendingAttempt // attempts without an answer
	timers  timers

	links    map[string]*link
	networks map[string]*network
	issuers  map[string]*health
	nobody   health // of cards whose issuer is not known
	byName   []*link

	rrnHour  int64
	rrnCount int

	// Where several nodes share the store, see division.go.
	held, leaving payment.PartSet
	ranges        []numberRange
	reserving     bool

	refusals int // evidence of refused messages in this second
	second   int64
	forgotAt time.Time
}

type owed struct {
	id   payment.ID
	kind payment.MessageKind
}

// New returns an exchange over a book that was restored. Call Start before any
// other input.
func New(cfg Config, book *payment.Book) (*Exchange, error) {
	cfg.defaults()
	x := &Exchange{cfg: cfg, Book: book, Count: Counters{}, lines: map[string]*line{}, conns: map[Conn]*job{}, writes: map[uint64]*write{}, rereads: map[uint64]*write{},
		finds: map[uint64]func(time.Time, *payment.Transaction){}, locks: map[payment.ID]int{}, wait: map[payment.ID][]func(time.Time){},
		flights: map[payment.ID]*flight{}, owing: map[owed]pendingAttempt{}, links: map[string]*link{}, networks: map[string]*network{},
		issuers: map[string]*health{}}
	if err := x.buildLinks(); err != nil {
		return nil, err
	}
	return x, nil
}

// at moves the exchange's time; it never goes back.
func (x *Exchange) at(now time.Time) time.Time {
	if now.After(x.now) {
		x.now = now
	}
	return x.now
}

// Take appends the actions that are due to dst and forgets them.
func (x *Exchange) Take(dst []Action) []Action {
	dst = append(dst, x.actions...)
	clear(x.actions)
	x.actions = x.actions[:0]
	return dst
}

func (x *Exchange) do(a Action) { x.actions = append(x.actions, a) }

// Halted reports whether the exchange has given up; see Halt.
func (x *Exchange) Halted() bool { return x.halted }

// Start takes up what the book holds: what was sent and never answered becomes
// unknown, what is owed to networks is repeated.
func (x *Exchange) Start(now time.Time) {
	now = x.at(now)
	x.forgotAt = now
	x.restoreRRN(now)
	for _, t := range x.sorted() {
		x.resume(now, t)
	}
	x.timers.push(timer{at: now.Add(healthEvery), kind: timeHealth})
	x.reserve(now)
}

// resume goes on with one transaction as the store has it.
func (x *Exchange) resume(now time.Time, t *payment.Transaction) {
	if l := x.links[t.Link]; l != nil && t.NetworkSTAN != "" && t.State.Open() {
		l.taken[t.NetworkSTAN] = t.ID
		if n := number(t.NetworkSTAN); n >= l.first && n <= l.last {
			l.next = max(l.next, n)
		}
	}
	if t.State == payment.Sent {
		x.expire(now, t.ID)
	}
	for _, kind := range [...]payment.MessageKind{payment.Undo, payment.Advise} {
		if o := x.Book.Owed(t.ID, kind); o != nil {
			// A clock that was ahead when it was written must not delay it for long.
			next := o.Next
			if latest := now.Add(x.Book.Policy.RepeatMost); next.After(latest) {
				next = latest
			}
			x.timers.push(timer{at: next, kind: timeRepeat, id: t.ID, message: kind})
		}
	}
}

// Request takes a decoded message of a terminal.
func (x *Exchange) Request(now time.Time, conn Conn, r *payment.Request) {
	now = x.at(now)
	if x.halted {
		x.do(Action{Kind: Close, Conn: conn})
		return
	}
	p := x.Book.Profile(r.TID)
	if p == nil {
		d, _, _ := x.Book.Admit(now, r, x)
		r.Card.Wipe()
		x.refusal(now, conn, d)
		return
	}
	if !x.decides(p.MID) {
		x.Count[CountPassed]++
		r.Card.Wipe()
		x.do(Action{Kind: Pass, Conn: conn})
		return
	}
	l := x.lines[r.TID]
	if l == nil {
		l = &line{tid: r.TID}
		x.lines[r.TID] = l
	}
	// A request that comes again over another connection takes the place of the
	// first: that connection is dead.
	if j := l.busy; j != nil && same(j.request, r) && !j.ended {
		x.adopt(j, conn)
		r.Card.Wipe()
		return
	}
	for _, j := range l.queue {
		if same(j.request, r) {
			x.adopt(j, conn)
			r.Card.Wipe()
			return
		}
	}
	switch {
	case x.drain:
		x.turnAway(now, conn, r, CountDraining, "draining")
		return
	case len(l.queue) >= x.cfg.QueuePerTerminal || x.requests >= x.cfg.MaxRequests || len(x.writes) >= x.cfg.MaxCommits || !x.numbered():
		x.turnAway(now, conn, r, CountOverload, "overload")
		return
	}
	j := &job{conn: conn, terminal: l, request: r, profile: p}
	x.requests++
	x.conns[conn] = j
	if l.busy != nil {
		l.queue = append(l.queue, j)
		return
	}
	l.busy = j
	x.begin(now, j)
}

func same(a, b *payment.Request) bool {
	return a.Key == b.Key && a.Operation == b.Operation && a.Amount == b.Amount && a.CardToken == b.CardToken && a.Problem == b.Problem &&
		a.STAN != "" && !a.Last && !b.Last && len(a.Items) == 0 && len(b.Items) == 0
}

func (x *Exchange) adopt(j *job, conn Conn) {
	x.Count[payment.OutcomeInFlight]++
	if j.conn != 0 && j.conn != conn {
		delete(x.conns, j.conn)
		x.do(Action{Kind: Close, Conn: j.conn})
	}
	j.conn = conn
	x.conns[conn] = j
}

// Gone tells that a terminal's connection has ended. What it asked goes on.
func (x *Exchange) Gone(now time.Time, conn Conn) {
	x.at(now)
	if j := x.conns[conn]; j != nil {
		j.conn = 0
		delete(x.conns, conn)
	}
}

// turnAway refuses what there is no room for.
func (x *Exchange) turnAway(now time.Time, conn Conn, r *payment.Request, outcome payment.Outcome, detail string) {
	d := x.Book.Refuse(now, r, unrecorded(r.Operation), outcome, detail, x)
	r.Card.Wipe()
	x.refusal(now, conn, d)
}

// unrecorded is the code of a refusal that leaves no record. A copy of the same
// request may still be on its way and find room: so a terminal that asked for
// money is not told that it failed but that it is open (96), and takes it back,
// which is recorded. Anything else can simply be asked again (91).
func unrecorded(o payment.Operation) evidence.Code {
	if o.MovesMoney() && o != payment.Offline {
		return codeMalfunction
	}
	return codeInoperative
}

var (
	codeMalfunction = evidence.Code{'9', '6'}
	codeInoperative = evidence.Code{'9', '1'}
	codeNoAnswer    = evidence.Code{'9', '8'}
	codeNoIssuer    = evidence.Code{'1', '5'}
)

// refusal answers at once and writes its evidence beside, as far as there is
// room for it.
func (x *Exchange) refusal(now time.Time, conn Conn, d payment.Decision) {
	x.Count[d.Outcome]++
	for _, e := range d.Effects {
		if e.Kind == payment.Reply {
			x.do(Action{Kind: Reply, Conn: conn, Answer: e.Answer})
		}
	}
	if d.Step == nil {
		return
	}
	if s := now.Unix(); s != x.second {
		x.second, x.refusals = s, 0
	}
	if x.refusals++; x.refusals > x.cfg.RefusalsPerSecond || len(x.writes) >= x.cfg.MaxCommits {
		x.Count[CountSuppressed]++
		return
	}
	x.record(d.Step)
}

// record commits a step that nothing waits for.
func (x *Exchange) record(s *payment.Step) { x.put(s, nil) }

// insist is record for what has to be on record in the end, such as the state of
// a link.
func (x *Exchange) insist(s *payment.Step) { x.put(s, func(time.Time) { x.insist(s) }) }

func (x *Exchange) put(s *payment.Step, again func(time.Time)) {
	x.token++
	x.writes[x.token] = &write{decision: payment.Decision{Step: s}, again: again}
	x.do(Action{Kind: Commit, Token: x.token, Step: s})
}

// begin decides about the request whose turn it is.
func (x *Exchange) begin(now time.Time, j *job) {
	r := j.request
	d, p, ok := x.Book.Admit(now, r, x)
	if !ok {
		x.refusal(now, j.conn, d)
		x.finish(now, j)
		return
	}
	j.profile = p
	switch r.Operation {
	case payment.Balance:
		x.inquire(now, j)
	case payment.Settlement:
		x.carry(now, j, x.Book.Settle(now, r, p, x))
	case payment.BatchUpload:
		x.carry(now, j, x.Book.Upload(now, r, p, x))
	case payment.Reversal:
		x.when(now, x.Book.Original(r), func(now time.Time) { x.carry(now, j, x.Book.TakeBack(now, r, p, x)) })
	default:
		if !r.Operation.MovesMoney() {
			x.carry(now, j, x.Book.Serve(now, r, p))
			return
		}
		if o := x.Book.Original(r); o != nil {
			x.when(now, o, func(now time.Time) { x.decide(now, j) })
			return
		}
		x.decide(now, j)
	}
}

func (x *Exchange) decide(now time.Time, j *job) {
	if j.ended {
		return // given up meanwhile
	}
	d := x.Book.Request(now, j.request, j.profile, x)
	if d.Older {
		x.token++
		mid, rrn := j.request.MID, j.request.Original.RRN
		x.finds[x.token] = func(now time.Time, t *payment.Transaction) {
			x.Book.Recall(mid, rrn, t)
			x.when(now, x.Book.Original(j.request), func(now time.Time) { x.decide(now, j) })
		}
		x.do(Action{Kind: Find, Token: x.token, MID: mid, RRN: rrn})
		return
	}
	x.carry(now, j, d)
}

// Found answers a Find: the transaction, or nil where there is none.
func (x *Exchange) Found(now time.Time, token uint64, t *payment.Transaction) {
	now = x.at(now)
	if fn := x.finds[token]; fn != nil && !x.halted {
		delete(x.finds, token)
		fn(now, t)
	}
}

// carry takes a decision about a request further.
func (x *Exchange) carry(now time.Time, j *job, d payment.Decision) {
	switch {
	case d.Wait:
		// The same request is being decided elsewhere, which only a start from the
		// journal can bring about: its expiry answers.
		x.Count[d.Outcome]++
		if t := x.Book.FindKey(j.request.Key); t != nil {
			j.id = t.ID
			x.wait[t.ID] = append(x.wait[t.ID], func(now time.Time) { x.begin(now, j) })
			return
		}
		x.finish(now, j)
	case d.Step == nil:
		x.effects(now, &d, j)
		x.Count[d.Outcome]++
		x.finish(now, j)
	case !d.Urgent:
		x.refusal(now, j.conn, d)
		x.finish(now, j)
	default:
		x.commit(now, d, j, nil)
	}
}

// commit writes a decision, after holding it against the invariants.
func (x *Exchange) commit(now time.Time, d payment.Decision, j *job, again func(time.Time)) {
	if err := x.Book.Check(&d); err != nil {
		// The program is wrong; the books stay right.
		x.Count[CountViolation]++
		x.halted = true
		x.do(Action{Kind: Halt, Err: err})
		return
	}
	x.token++
	x.writes[x.token] = &write{decision: d, job: j, again: again}
	for i := range d.Step.Transactions {
		x.locks[d.Step.Transactions[i].ID]++
	}
	for i := range d.Step.Outgoing {
		x.locks[d.Step.Outgoing[i].Payment]++
	}
	x.do(Action{Kind: Commit, Token: x.token, Step: d.Step})
}

// Committed reports what became of a step: nil, an error that wraps
// payment.ErrRefused where it was certainly not written, or any other where that
// is open.
func (x *Exchange) Committed(now time.Time, token uint64, err error) {
	now = x.at(now)
	w := x.writes[token]
	if w == nil || x.halted {
		return
	}
	delete(x.writes, token)
	if w.abandoned {
		return
	}
	s := w.decision.Step
	refused := errors.Is(err, payment.ErrRefused)
	switch {
	case err == nil:
		x.Book.Apply(s)
	case !refused:
		x.halted = true
		x.do(Action{Kind: Halt, Err: err})
		return
	}
	if conflicting(err) && x.reread(w) {
		return
	}
	x.unlockAll(s)
	if err == nil {
		if w.decision.Outcome != "" && w.decision.Urgent {
			x.Count[w.decision.Outcome]++
		}
		for i := range s.Outgoing {
			if o := &s.Outgoing[i]; o.State == payment.Due {
				x.timers.push(timer{at: o.Next, kind: timeRepeat, id: o.Payment, message: o.Kind})
			}
		}
		x.effects(now, &w.decision, w.job)
		if w.job != nil && !w.job.waits(&w.decision) {
			x.finish(now, w.job)
		}
	} else {
		x.notWritten(now, w)
	}
	if w.told != 0 {
		if err != nil {
			err = notReleased(s.Transactions[0].ID)
		}
		x.do(Action{Kind: Tell, Token: w.told, Err: err})
	}
	x.wakeAll(now, s)
}

// waits reports whether a request waits for a network after its step.
func (j *job) waits(d *payment.Decision) bool { return d.Outcome == payment.OutcomeSent }

// notWritten: the step did not happen, so its effects must not.
func (x *Exchange) notWritten(now time.Time, w *write) {
	x.Count[CountNotWritten]++
	if w.again != nil {
		x.timers.push(timer{at: now.Add(x.cfg.RetryWrite), kind: timeCall, call: w.again})
		return
	}
	if j := w.job; j != nil {
		// Nothing was sent and nothing is recorded.
		d := x.Book.Refuse(now, j.request, unrecorded(j.request.Operation), CountNotWritten, "5xx", x)
		for _, e := range w.decision.Effects {
			if e.Kind == payment.SendMessage && e.Message.Card != nil {
				e.Message.Card.Wipe()
			}
		}
		d.Step = nil // there is no room for evidence either
		x.effects(now, &d, j)
		x.finish(now, j)
	}
}

// effects carries out what a durable decision demands.
func (x *Exchange) effects(now time.Time, d *payment.Decision, j *job) {
	for _, e := range d.Effects {
		switch e.Kind {
		case payment.SendMessage:
			x.send(now, e.Message, j)
		case payment.Reply:
			if j == nil || j.conn == 0 {
				x.Count[CountUndelivered]++
				continue
			}
			x.do(Action{Kind: Reply, Conn: j.conn, Answer: e.Answer})
		case payment.Close:
			if j != nil && j.conn != 0 {
				x.do(Action{Kind: Close, Conn: j.conn})
			}
		}
	}
}

// finish ends a request and begins the terminal's next.
func (x *Exchange) finish(now time.Time, j *job) {
	if j.ended {
		return
	}
	j.ended = true
	x.requests--
	if x.conns[j.conn] == j {
		delete(x.conns, j.conn)
	}
	j.request.Card.Wipe()
	l := j.terminal
	if l.busy != j {
		return
	}
	l.busy = nil
	if len(l.queue) > 0 {
		next := l.queue[0]
		l.queue = append(l.queue[:0], l.queue[1:]...)
		l.busy = next
		x.begin(now, next)
	}
}

// when runs fn once no step about t, or about what t acts on, is being written.
func (x *Exchange) when(now time.Time, t *payment.Transaction, fn func(time.Time)) {
	for n := 0; t != nil && n < 3; n++ {
		if x.locks[t.ID] > 0 {
			first := x.Book.Find(t.ID)
			x.wait[t.ID] = append(x.wait[t.ID], func(now time.Time) { x.when(now, first, fn) })
			return
		}
		if t.Original == (payment.ID{}) {
			break
		}
		t = x.Book.Find(t.Original)
	}
	fn(now)
}

func (x *Exchange) unlock(id payment.ID) {
	if x.locks[id]--; x.locks[id] <= 0 {
		delete(x.locks, id)
	}
}

func (x *Exchange) wake(now time.Time, id payment.ID) {
	if x.locks[id] > 0 || len(x.wait[id]) == 0 {
		return
	}
	waiting := x.wait[id]
	delete(x.wait, id)
	for _, fn := range waiting {
		if !x.halted {
			fn(now)
		}
	}
}

// Drain stops taking requests: new ones get 96 or 91. What is under way goes on.
func (x *Exchange) Drain(now time.Time) { x.at(now); x.drain = true }

// Drained reports whether nothing is under way. Reversals that are owed are on
// record and wait for the next start.
func (x *Exchange) Drained() bool {
	return x.drain && x.requests == 0 && len(x.flights) == 0 && len(x.writes) == 0 && len(x.rereads) == 0 && len(x.finds) == 0
}

// Load is how much is under way, for metrics.
func (x *Exchange) Load() (requests, flights, commits, owed int) {
	for range x.Book.AllOwed {
		owed++
	}
	return x.requests, len(x.flights), len(x.writes), owed
}
