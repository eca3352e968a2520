package investigation

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/journey"
	"daozhang/internal/match"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

// Live is an investigation that stays current: evidence is added as it comes,
// time is moved on, and at every moment it gives what Investigate would give for
// the same evidence at the same moment. It is safe for use by several
// goroutines: many may read at the same time, one changes it at a time.
//
// It reads no clock and no store. Whoever owns it calls Advance as time passes,
// keeps the evidence itself, and rebuilds a Live after a restart by adding the
// evidence again.
type Live struct {
	mu sync.RWMutex
	// changed is closed at the next change; nil while nobody waits for one.
	changed chan struct{}
	sources heardOf
	opts    LiveOptions
	asOf    evidence.Instant
	clean   bool // nothing is to be worked out

	set    *evidence.Set
	view   *evidence.View
	writer *evidence.Writer
	file   uint16
	arrivals
	owners   map[ownerKey]*owner
	homes    map[evidence.FactRef]evidence.Word // of facts that name no merchant
	homeless map[ownerKey][]evidence.FactRef

	book     *terms.Book
	holidays []evidence.FactRef
	rebook   bool

	merchants map[evidence.Word]*merchant
	stirred   []*merchant
	wholes    map[*merchant]bool // to be matched again
	moved     int                // merchants whose business dates inferred terms have moved

	cells   []cell
	cellOf  byFact[cellID]
	free    []cellID // places of cells that have been sealed
	rematch []cellID
	rejudge []cellID
	worker  match.Worker
	keys    keySet
	grouped map[evidence.FactRef]bool // of the cell being linked: what is in a payment or stands alone
	links   map[uint64]cellID
	offers  map[uint64][]offered
	seeks   map[uint64][]offered
	words   wordChains // keys of payments
	near    chains     // terminals by the hour
	batches chains
	byID    map[evidence.Word]cellID

	banks     []*bank // to be joined again
	accounts  map[string]*bank
	anywhere  *bank // of the payouts whose account nobody names
	payees    map[evidence.Word][]*merchant
	anyones   map[evidence.Word]bool // payouts that a status names without a merchant
	named     map[string][]string    // accounts by the words of their entries
	open      map[*match.Entry]bool
	speakers  map[evidence.Word]int // payouts of which somebody has spoken, by merchant
	silenced  []evidence.Word       // merchants that may have none any more
	unlearned bool                  // the table of delays is to be made anew
	dayEnds   evidence.Instant      // for the first merchant
	directly  bool                  // direct proofs are to be looked for again
	direct    []match.Ambiguity
	atBank    map[string]map[evidence.Word]bool
	atAccount map[string]map[evidence.Word]bool

	res           *match.Result
	ctx           *journey.Context
	engine        *diagnosis.Engine
	circumstances factList
	reread        bool // circumstances are to be read anew
	everything    bool // all payments are to be judged again
	ambiguous     map[cellID][]match.Ambiguity
	unplaced      map[cellID][]match.Unplaced
	doubts        bool // what is ambiguous has changed
	dues          moments[cellID]
	edges         moments[diagnosis.Edge]
	watchers      map[uint64][]cellID // by what they rest on
	watching      []uint64            // of the cell being judged
	judging       cellID
	fileDates     map[calendar.Date]int // of settlement files
	sums          sums
	outlooks      []outlook
	work          Work

	sealed    sealing
	gone      byFact[bool]       // facts that have left memory
	lessons   []diagnosis.Lesson // of payouts that have
	reloading bool               // facts of sealed payments are coming back
	late      []Warning          // of the facts being added

	brief      *Answer
	foreseeing sync.Mutex // of those who read: what they bring up to date of a tally
	fullMu     sync.Mutex
	full       *Answer
}

// Work counts what a Live has done, to show that a fact costs what it touches.
type Work struct {
	Matched int // cells of payments matched
	Judged  int // payments judged
	Joined  int // payouts joined to entries
	Learned int // tables of delays made
	Sealed  int // payments that have left memory
}

// LiveOptions are what the owner of a Live sets.
type LiveOptions struct {
	Options
	// AsOf is the moment to begin with. Facts later than the present moment wait
	// until Advance reaches them.
	AsOf evidence.Instant
	// Offset is the zone in which moments are shown, minutes east of UTC.
	Offset int16
	// Keep is how long a payment that is over stays in memory after its last
	// change: arrived, refunded, not charged, and nothing open about it. 0 means
	// DefaultKeep, below 0 for ever.
	Keep time.Duration
	// Load gives the facts of a sealed payment back, as NDJSON, when a fact comes
	// that speaks of it: at least those that Sealed names. nil where nobody keeps
	// them. It is called while Live is locked and must not call it.
	Load func(Sealed) (io.ReadCloser, error)
}

// DefaultKeep is the Keep of a Live that sets none: longer than clearing,
// settlement and a corrected payout take, so that late facts are the exception.
const DefaultKeep = 45 * 24 * time.Hour

// Added tells what became of the facts of one call of Add.
type Added struct {
	Facts     int // taken, copies and what waits for its time included
	Copies    int // known already with the same content
	Conflicts int // known already with different content
	Waiting   int // later than the present moment
	// Late are facts that speak of sealed payments and could not be joined to
	// them, since nobody loads these: each with why, none is lost from the store.
	Late []Warning
}

// NewLive begins with no evidence. The error is that of the catalogue.
func NewLive(o LiveOptions) (*Live, error) {
	if o.Catalogue == nil {
		c, err := diagnosis.Load()
		if err != nil {
			return nil, err
		}
		o.Catalogue = c
	}
	if o.Keep == 0 {
		o.Keep = DefaultKeep
	}
	l := &Live{opts: o, asOf: o.AsOf}
	l.begin()
	return l, nil
}

func (l *Live) begin() {
	l.set = evidence.NewSet()
	l.file = l.set.AddFile("") // facts come from no file; their source and id name them
	l.writer = l.set.Writer(l.file)
	l.view = l.set.Follow(l.asOf)
	l.arrivals = newArrivals()
	l.owners, l.homes, l.homeless = map[ownerKey]*owner{}, map[evidence.FactRef]evidence.Word{}, map[ownerKey][]evidence.FactRef{}
	l.book = terms.ReadFacts(l.view, nil, nil)
	l.merchants, l.wholes = map[evidence.Word]*merchant{}, map[*merchant]bool{}
	l.cells = make([]cell, nowhere+1)
	l.links, l.offers, l.seeks = map[uint64]cellID{}, map[uint64][]offered{}, map[uint64][]offered{}
	l.words, l.near, l.batches = wordChains{newChains()}, newChains(), newChains()
	l.byID, l.grouped = map[evidence.Word]cellID{}, map[evidence.FactRef]bool{}
	l.accounts, l.payees, l.anyones = map[string]*bank{}, map[evidence.Word][]*merchant{}, map[evidence.Word]bool{}
	l.speakers = map[evidence.Word]int{}
	l.named, l.open = map[string][]string{}, map[*match.Entry]bool{}
	l.atBank, l.atAccount = map[string]map[evidence.Word]bool{}, map[string]map[evidence.Word]bool{}
	l.res = &match.Result{View: l.view, Book: l.book, Merchants: []*match.Merchant{{}, {}}}
	l.ctx = journey.NewLiveContext(l.res)
	l.engine = diagnosis.NewLiveEngine(l.ctx, l.opts.Catalogue)
	l.ambiguous, l.unplaced = map[cellID][]match.Ambiguity{}, map[cellID][]match.Unplaced{}
	l.sums = newSums()
	l.outlooks = nil
	l.know(0, "", "")
	l.sealed = newSealing()
	l.sources = heardOf{}
	l.unlearned = true
	l.watchers, l.fileDates = map[uint64][]cellID{}, map[calendar.Date]int{}
	l.brief = &Answer{AsOf: l.asOf, Offset: l.opts.Offset, View: l.view, Match: l.res, Context: l.ctx, Engine: l.engine}
}

// Add takes facts: read writes them into w, as a format, ReadNDJSON or the owner
// itself does. Facts that were added before read failed stay added; the error is
// that of read. Adding a fact again changes nothing.
func (l *Live) Add(read func(w *evidence.Writer) error) (Added, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.change()
	l.writer.Next(l.file)
	mark := l.writer.Mark()
	err := read(l.writer)
	var added Added
	var come []evidence.FactRef
	for r := range l.writer.Since(mark) {
		come = append(come, r)
	}
	for _, r := range come {
		l.arrive(r, l.set.At(r), &added)
	}
	added.Late, l.late = l.late, nil
	return added, err
}

// change says that something is to be worked out before answers are read.
func (l *Live) change() {
	l.clean, l.full = false, nil
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// Changed gives a channel that is closed when something next changes: facts have
// come, or time has moved on. What has come of it is to be read after that.
func (l *Live) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return l.changed
}

// AddNDJSON is Add for events in the interchange form. reject, which may be nil,
// is told of each line that was refused; else the error counts them.
func (l *Live) AddNDJSON(r io.Reader, reject func(line int, why fault.Text)) (Added, error) {
	refused := 0
	first := ""
	note := reject
	if note == nil {
		note = func(line int, why fault.Text) {
			if refused++; refused == 1 {
				first = fmt.Sprintf("line %d: %s", line, why)
			}
		}
	}
	added, err := l.Add(func(w *evidence.Writer) error { return evidence.ReadNDJSON(r, w, note) })
	if err == nil && refused > 0 {
		err = fault.New(fault.Invalid, fault.Say("add evidence", "提交证据"), first, fmt.Errorf("%d events refused", refused),
			fault.Say("correct them at their source and send them again", "请在来源处更正后重新提交"))
	}
	return added, err
}

// ErrBackwards is given by Advance for a moment that has passed.
var ErrBackwards = errors.New("time does not go backwards")

// Advance moves the present moment on to t: facts that waited for it count, and
// what falls due is due. A moment before the present one is ErrBackwards and
// changes nothing.
func (l *Live) Advance(t evidence.Instant) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case t < l.asOf:
		return ErrBackwards
	case t > l.asOf:
		l.change()
		l.asOf, l.view.AsOf = t, t
		l.ctx.Turn(l.book, t)
		l.reach()
		l.fallDue()
		l.passEdges()
	}
	return nil
}

// AsOf gives the present moment.
func (l *Live) AsOf() evidence.Instant {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.asOf
}

// Read calls use with the answers of the present moment. What use is given, and
// all that is reached from it, is valid until use returns; use must not call
// Add, Advance or Read.
func (l *Live) Read(use func(c *Current)) {
	l.mu.RLock()
	if l.clean {
		defer l.mu.RUnlock()
		use(&Current{l})
		return
	}
	l.mu.RUnlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.settle()
	use(&Current{l})
}

// settle works out what has changed.
func (l *Live) settle() {
	if l.clean {
		return
	}
	l.settleMerchants()
	l.ctx.Turn(l.book, l.asOf)
	l.matchAll()
	l.matchWholes()
	l.joinBanks()
	if l.reread {
		l.rereadAll()
	}
	l.heard(l.engine.Settle())
	for {
		switch {
		case l.everything:
			l.everything = false
			l.judgeEverything()
		case len(l.rejudge) > 0:
			l.judgeAll()
			continue
		case l.directly:
			l.proveDirectly()
			continue
		}
		if len(l.rejudge) == 0 && !l.everything && !l.directly {
			break
		}
	}
	l.learn()
	if l.doubts {
		l.res.Ambiguous = l.allAmbiguous()
		l.doubts = false
	}
	l.view.Settle()
	l.brief.AsOf = l.asOf
	l.clean = true
	l.sealOver()
}

// rereadAll reads the circumstances anew, since one of them does not count any
// more.
func (l *Live) rereadAll() {
	l.reread = false
	circumstances := l.circumstances.inOrder(l)
	var general []evidence.FactRef
	for _, m := range l.merchants {
		general = append(general, m.general...)
	}
	slices.SortFunc(general, l.set.CompareTime)
	l.ctx.Reread(circumstances, general)
	l.engine.Reread(circumstances)
	for mid, m := range l.merchants {
		if len(m.lines.Clearing) > 0 {
			l.ctx.Speak(mid, journey.Clearing)
		}
		if len(m.lines.Settlement) > 0 {
			l.ctx.Speak(mid, journey.Settlement)
		}
	}
	for mid, n := range l.speakers {
		if n > 0 {
			l.ctx.Speak(mid, journey.Payout)
		}
	}
	l.everything = true
}

// factList is facts in order of time, once asked for.
type factList struct {
	refs   []evidence.FactRef
	sorted int // so many are in order
}

func (fl *factList) set(r evidence.FactRef, on bool) {
	if on {
		fl.refs = append(fl.refs, r)
		return
	}
	fl.refs, fl.sorted = slices.DeleteFunc(fl.refs, func(o evidence.FactRef) bool { return o == r }), 0
}

func (fl *factList) inOrder(l *Live) []evidence.FactRef {
	if fl.sorted < len(fl.refs) {
		slices.SortFunc(fl.refs, l.set.CompareTime)
		fl.sorted = len(fl.refs)
	}
	return fl.refs
}

// allAmbiguous gives what fits several ways, as a whole computation does.
func (l *Live) allAmbiguous() []match.Ambiguity {
	var list []match.Ambiguity
	for _, a := range l.ambiguous {
		list = append(list, a...)
	}
	for b := range l.eachBank {
		if b.found != nil {
			list = append(list, b.found.Ambiguous...)
		}
	}
	slices.SortStableFunc(list, func(a, b match.Ambiguity) int { return l.set.CompareTime(a.Fact, b.Fact) })
	return append(list, l.direct...)
}

// eachBank calls yield for every bank.
func (l *Live) eachBank(yield func(*bank) bool) {
	seen := map[*bank]bool{}
	once := func(b *bank) bool {
		if b = b.standing(); seen[b] {
			return true
		}
		seen[b] = true
		return yield(b)
	}
	for _, m := range l.merchants {
		if !once(m.bank) {
			return
		}
	}
	for _, b := range l.accounts {
		if !once(b) {
			return
		}
	}
}

// whole gives the answer with all its lists.
func (l *Live) whole() *Answer {
	l.fullMu.Lock()
	defer l.fullMu.Unlock()
	if l.full != nil {
		return l.full
	}
	a := *l.brief
	res := *l.res
	a.Match = &res
	res.Payouts, res.Entries, res.Unplaced = nil, nil, nil
	for b := range l.eachBank {
		if b.found != nil {
			res.Payouts = append(res.Payouts, b.found.Payouts...)
			res.Entries = append(res.Entries, b.found.Entries...)
		}
	}
	slices.SortFunc(res.Payouts, res.ComparePayouts)
	slices.SortFunc(res.Entries, res.CompareEntries)
	for _, list := range l.unplaced {
		res.Unplaced = append(res.Unplaced, list...)
	}
	slices.SortFunc(res.Unplaced, func(a, b match.Unplaced) int { return l.set.CompareTime(a.Fact, b.Fact) })
	var contradicted, clocks []evidence.FactRef
	for _, r := range l.contradicted {
		contradicted = append(contradicted, r)
	}
	for r := range l.clocks {
		clocks = append(clocks, r)
	}
	for _, m := range l.merchants {
		if m.inferred != nil {
			a.Inferred = append(a.Inferred, m.inferred)
		}
	}
	slices.SortFunc(a.Inferred, func(x, y *terms.Terms) int { return l.view.Words.Compare(x.MID, y.MID) })
	a.warnOf(l.book, contradicted, clocks)
	a.sortPayments()
	l.full = &a
	return l.full
}

// Current is what a Live knows at the present moment, see Live.Read.
type Current struct{ l *Live }

// AsOf gives the moment of the answers.
func (c *Current) AsOf() evidence.Instant { return c.l.asOf }

// Work gives what has been done since the Live began.
func (c *Current) Work() Work { return c.l.work }

// Len counts the payments in memory.
func (c *Current) Len() int { return c.l.sums.payments }

// Answer gives the whole answer, for package report and for what asks of all
// payments. It costs all of them. It is the caller's own: sources and refused lines
// can be added to it.
func (c *Current) Answer() *Answer {
	a := *c.l.whole()
	return &a
}

// Around gives the answer without its lists of payments, payouts, entries,
// warnings and unplaced facts: what is needed to show single payments, which
// Payment and Find give. It costs nothing.
func (c *Current) Around() *Answer { return c.l.brief }

// Payment gives the answer for a payment by its id; false where no payment in
// memory has it.
func (c *Current) Payment(id string) (*Payment, bool) {
	w, ok := c.l.view.Words.Find(id)
	if !ok {
		return nil, false
	}
	p := new(Payment)
	if !c.payment(w, p) {
		return nil, false
	}
	return p, true
}

func (l *Live) compute(id cellID, i int) *Payment {
	p := new(Payment)
	l.brief.compute(place{merchant: uint32(id), payment: uint32(i)}, p)
	return p
}

// Find gives the payments one of whose keys or the id is ref, as Answer.Find.
func (c *Current) Find(ref string) []*Payment {
	var out []*Payment
	for _, at := range c.l.placesOf(ref) {
		out = append(out, c.l.compute(cellID(at.merchant), int(at.payment)))
	}
	return out
}

// placesOf gives where the payments stand one of whose keys or the id is ref, in
// order of time.
func (l *Live) placesOf(ref string) []place {
	w, ok := l.view.Words.Find(ref)
	if !ok || w == 0 {
		return nil
	}
	ids := map[cellID]bool{}
	l.words.of(uint64(w), func(id cellID) { ids[l.stands(id)] = true })
	ids[l.byID[w]] = true
	delete(ids, 0)
	var places []place
	for id := range ids {
		m := l.res.Merchants[id]
		for i := range m.Payments {
			if l.brief.named(m, &m.Payments[i], w) {
				places = append(places, place{m.Payments[i].Time, uint32(id), uint32(i)})
			}
		}
	}
	slices.SortFunc(places, l.brief.comparePlaces)
	return places
}

// Map gives the money map of the payments in memory, in order of merchant,
// currency and business date.
func (c *Current) Map() []*journey.Row {
	rows := make([]*journey.Row, 0, len(c.l.sums.rows))
	for _, r := range c.l.sums.rows {
		row := r.Row
		rows = append(rows, &row)
	}
	journey.SortRows(rows, c.l.view.Words)
	return rows
}

// Stopped gives the payments of an incident, in order of time then id.
func (c *Current) Stopped(incident string) []*Payment {
	var out []*Payment
	for _, at := range c.l.membersOf(incident) {
		out = append(out, c.l.compute(cellID(at.merchant), int(at.payment)))
	}
	return out
}

func (l *Live) membersOf(incident string) []place {
	places := l.appendMembers(nil, incident)
	slices.SortFunc(places, l.brief.comparePlaces)
	return places
}

func (l *Live) appendMembers(places []place, incident string) []place {
	for id := range l.sums.incidents[incident] {
		for i := range l.cells[id].tallies {
			if l.cells[id].tallies[i].incident == incident {
				places = append(places, place{l.res.Merchants[id].Payments[i].Time, uint32(id), uint32(i)})
			}
		}
	}
	return places
}

// Summary gives count and amount per currency and status.
func (c *Current) Summary() map[money.Currency]map[journey.Status]Sum {
	out := map[money.Currency]map[journey.Status]Sum{}
	for currency, by := range c.l.sums.summary {
		out[currency] = maps.Clone(by)
	}
	return out
}

// Causes gives count and amount of the payments per cause.
func (c *Current) Causes() map[string]Sum { return maps.Clone(c.l.sums.causes) }

// Payment gives the answer for a payment by its id. It is for callers that need
// no more than the numbers of it: what the Payment points to may change when
// evidence is added; render it within Read.
func (l *Live) Payment(id string) (p Payment, ok bool) {
	l.Read(func(c *Current) {
		var at *Payment
		if at, ok = c.Payment(id); ok {
			p = *at
		}
	})
	return p, ok
}
