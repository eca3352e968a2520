// Package investigation is the one entry to the answer: facts in, where every
// payment's money is out. Files and live evidence take this path alike; it
// orders match, journey and diagnosis and adds up what they say.
package investigation

import (
	"cmp"
	"io"
	"math"
	"math/bits"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cespare/xxhash/v2"

	"daozhang/internal/calendar"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/journey"
	"daozhang/internal/match"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

// Source is one input that was read.
type Source struct {
	File     string
	Format   string
	Facts    int
	Rejected int
	From, To evidence.Instant // of its facts
}

// Rejection is a line, or a file (line 0), that was not taken.
type Rejection struct {
	File string
	Line int
	Why  fault.Text
}

// Warning is something to look at that stopped nothing: of a fact, or of a file.
type Warning struct {
	Fact evidence.FactRef
	File string
	Line int
	Why  fault.Text
}

// Answer is where the money is at one moment. Payments are worked out as they
// are read, so that an answer over millions needs no memory for them.
type Answer struct {
	AsOf    evidence.Instant
	Offset  int16 // zone in which AsOf was asked, minutes east of UTC
	View    *evidence.View
	Match   *match.Result
	Context *journey.Context
	Engine  *diagnosis.Engine

	Sources  []Source
	Rejected []Rejection
	Warnings []Warning
	// Inferred are the terms assumed from the settled history, per merchant
	// without stated terms.
	Inferred []*terms.Terms

	order  []place
	totals *Totals
}

// place is where a payment stands in the match result.
type place struct {
	time     evidence.Instant
	merchant uint32
	payment  uint32
}

// Payment is the answer for one payment.
type Payment struct {
	journey.Journey
	ID      evidence.Word
	Verdict diagnosis.Verdict
	// Incident is the id of the incident it belongs to; "" for none.
	Incident string
}

// Options are what the caller may set.
type Options struct {
	Catalogue *diagnosis.Catalogue // nil: the embedded one
	// SkipDiagnosis leaves out causes; for measuring what they cost.
	SkipDiagnosis bool
}

// Investigate answers from a set of evidence as known at a moment. The set has
// been read whole; it is unified here.
func Investigate(set *evidence.Set, asOf evidence.Instant, offset int16, opts Options) (*Answer, error) {
	catalogue := opts.Catalogue
	if catalogue == nil {
		var err error
		if catalogue, err = diagnosis.Load(); err != nil {
			return nil, err
		}
	}
	set.Unify()
	view := set.Known(asOf)
	book := terms.Read(view)
	a := &Answer{AsOf: asOf, Offset: offset, View: view}
	res := match.Run(view, book, func(merchants []*match.Merchant) bool { return a.inferTerms(book, merchants) })
	a.Match = res
	a.Context = journey.NewContext(res)
	if !opts.SkipDiagnosis {
		a.Engine = diagnosis.NewEngine(a.Context, catalogue)
	}
	a.warn(book)
	a.sortPayments()
	return a, nil
}

// IDOf gives the id of a matched payment.
func (a *Answer) IDOf(p *match.Payment) string { return a.View.Words.Text(p.ID) }

// sortPayments puts the payments in order of time then id: into buckets of equal
// stretches of time first, of which each is then sorted by itself.
func (a *Answer) sortPayments() {
	merchants := a.Match.Merchants
	n := 0
	first, last := evidence.Instant(math.MaxInt64), evidence.Instant(math.MinInt64)
	for _, m := range merchants {
		if k := len(m.Payments); k > 0 { // in order of time
			n += k
			first, last = min(first, m.Payments[0].Time), max(last, m.Payments[k-1].Time)
		}
	}
	if n == 0 {
		return
	}
	buckets := 1 << max(0, bits.Len(uint(n))-4) // of about eight to sixteen payments
	shift := max(0, bits.Len64(uint64(last-first))-bits.Len(uint(buckets))+1)
	bucket := func(p *match.Payment) int { return int(uint64(p.Time-first) >> shift) }
	// Each worker takes some merchants: counts their payments in each bucket, and
	// once it is known where those of each worker begin, puts them there.
	workers := min(runtime.GOMAXPROCS(0), len(merchants))
	part := func(w int) (from, to int) { return w * len(merchants) / workers, (w + 1) * len(merchants) / workers }
	places := make([][]uint32, workers) // of each worker's next payment of a bucket
	eachOf(workers, func(w int) {
		counts := make([]uint32, buckets)
		from, to := part(w)
		for _, m := range merchants[from:to] {
			for k := range m.Payments {
				counts[bucket(&m.Payments[k])]++
			}
		}
		places[w] = counts
	})
	begin := make([]uint32, buckets+1)
	at := uint32(0)
	for b := range buckets {
		begin[b] = at
		for w := range places {
			at, places[w][b] = at+places[w][b], at
		}
	}
	begin[buckets] = at
	a.order = make([]place, n)
	eachOf(workers, func(w int) {
		from, to := part(w)
		for i, m := range merchants[from:to] {
			for k := range m.Payments {
				next := &places[w][bucket(&m.Payments[k])]
				a.order[*next] = place{m.Payments[k].Time, uint32(from + i), uint32(k)}
				*next++
			}
		}
	})
	const share = 1024 // buckets
	eachOf((buckets+share-1)/share, func(part int) {
		for b := part * share; b < min((part+1)*share, buckets); b++ {
			slices.SortFunc(a.order[begin[b]:begin[b+1]], a.comparePlaces)
		}
	})
}

// eachOf calls do for 0 to n-1 on all processors.
func eachOf(n int, do func(int)) {
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	wg.Wait()
}

func (a *Answer) comparePlaces(x, y place) int {
	if x.time != y.time {
		return cmp.Compare(x.time, y.time)
	}
	merchants := a.Match.Merchants
	return a.View.Words.Compare(merchants[x.merchant].Payments[x.payment].ID, merchants[y.merchant].Payments[y.payment].ID)
}

// Len counts the payments.
func (a *Answer) Len() int { return len(a.order) }

// compute works out one payment.
func (a *Answer) compute(at place, p *Payment) {
	m := a.Match.Merchants[at.merchant]
	mp := &m.Payments[at.payment]
	a.Context.Compute(m, mp, &p.Journey)
	p.ID = mp.ID
	p.Verdict = diagnosis.Verdict{Party: diagnosis.Nobody}
	p.Incident = ""
	if a.Engine != nil {
		a.Engine.Judge(&p.Journey, &p.Verdict)
		if k := &p.Verdict.Incident; k.Cause != "" {
			p.Incident = incidentID(k, p.Currency)
		}
	}
}

// Each calls yield for every payment in order of time then id. The Payment is
// reused; what is kept of it must be copied.
func (a *Answer) Each(yield func(*Payment) bool) {
	var p Payment
	for _, at := range a.order {
		a.compute(at, &p)
		if !yield(&p) {
			return
		}
	}
}

// ahead is how many payments' facts are brought near before they are worked out.
const ahead = 32

func (a *Answer) touch(places []place) {
	for _, at := range places {
		m := a.Match.Merchants[at.merchant]
		a.View.Touch(m.Facts(&m.Payments[at.payment]))
	}
}

// blockSize is how many payments one worker renders at a time.
const blockSize = 2048

// Render writes every payment in order, rendered on all processors; render
// appends one payment to dst. The totals are gathered on the way.
func (a *Answer) Render(w io.Writer, render func(dst []byte, p *Payment) []byte) error {
	blocks := (len(a.order) + blockSize - 1) / blockSize
	workers := max(1, min(runtime.GOMAXPROCS(0), blocks))
	parts := make([]*Totals, workers)
	type rendered struct {
		text []byte
		done chan struct{}
	}
	ring := make([]rendered, 2*workers)
	for i := range ring {
		ring[i].done = make(chan struct{}, 1)
	}
	free := make(chan int, len(ring)) // blocks that may be begun
	next := 0
	var mu sync.Mutex
	failed := false
	take := func() (int, bool) {
		if _, ok := <-free; !ok {
			return 0, false
		}
		mu.Lock()
		defer mu.Unlock()
		if next >= blocks || failed {
			return 0, false
		}
		next++
		return next - 1, true
	}
	for range ring {
		free <- 0
	}
	var wg sync.WaitGroup
	for n := range workers {
		parts[n] = newTotals()
		wg.Go(func() {
			var p Payment
			for {
				b, ok := take()
				if !ok {
					return
				}
				slot := &ring[b%len(ring)]
				text := slot.text[:0]
				block := a.order[b*blockSize : min((b+1)*blockSize, len(a.order))]
				for i, at := range block {
					if i%ahead == 0 {
						a.touch(block[i:min(i+ahead, len(block))])
					}
					a.compute(at, &p)
					parts[n].add(&p)
					if render != nil {
						text = render(text, &p)
					}
				}
				slot.text = text
				slot.done <- struct{}{}
			}
		})
	}
	var err error
	for b := range blocks {
		slot := &ring[b%len(ring)]
		<-slot.done
		if _, err = w.Write(slot.text); err != nil {
			mu.Lock()
			failed = true
			mu.Unlock()
			break
		}
		free <- 0
	}
	close(free)
	wg.Wait()
	if err != nil {
		return err
	}
	total := newTotals()
	for _, part := range parts {
		total.merge(part)
	}
	a.finish(total)
	return nil
}

// Totals gives the sums over all payments.
func (a *Answer) Totals() *Totals {
	if a.totals == nil {
		_ = a.Render(io.Discard, nil) // writing to Discard cannot fail
	}
	return a.totals
}

// Find gives the payments one of whose keys or the id is ref: an RRN, a trace
// number, an order, the processor's reference, an approval code or a payout.
func (a *Answer) Find(ref string) []*Payment {
	w, ok := a.View.Words.Find(ref)
	var out []*Payment
	if !ok || w == 0 {
		return nil
	}
	for _, at := range a.order {
		m := a.Match.Merchants[at.merchant]
		if a.named(m, &m.Payments[at.payment], w) {
			p := new(Payment)
			a.compute(at, p)
			out = append(out, p)
		}
	}
	return out
}

// named reports whether a payment's id is w, or a key of one of its facts.
func (a *Answer) named(m *match.Merchant, p *match.Payment, w evidence.Word) bool {
	hit := p.ID == w
	for _, r := range m.Facts(p) {
		hit = hit || namedBy(a.View.At(r), w)
	}
	for i := range m.Acts(p) {
		for _, r := range m.ActFacts(&m.Acts(p)[i]) {
			hit = hit || namedBy(a.View.At(r), w)
		}
	}
	return hit
}

func namedBy(f *evidence.Fact, w evidence.Word) bool {
	return f.RRN == w || f.STAN == w || f.OrderID == w || f.Ref == w || f.AuthCode == w || f.Payout == w
}

// Sum is a count of payments and their amount in minor units.
type Sum struct {
	Count  int
	Amount int64
}

// Incident is one fault and what it stopped.
type Incident struct {
	ID       string
	Key      diagnosis.IncidentKey
	Cause    *diagnosis.Cause
	Party    diagnosis.Party
	Currency money.Currency
	Sum
	Expected evidence.Instant // latest likely arrival; 0 where none is known
	Offset   int16
	open     bool // a payment without expected arrival
}

// Account is what came to a bank account, in minor units.
type Account struct {
	Name                     string
	Currency                 money.Currency
	Booked, Placed, Unplaced int64
}

// Totals are the sums over all payments of an answer.
type Totals struct {
	Summary   map[money.Currency]map[journey.Status]Sum
	Rows      []*journey.Row
	Incidents []*Incident
	Accounts  []Account
	// ByCause counts open payments per cause.
	ByCause map[string]Sum

	moneyMap  *journey.Map
	incidents map[string]*Incident
	statuses  map[money.Currency]*[journey.Overdue + 1]Sum // of one worker
	last      *[journey.Overdue + 1]Sum
	// lastCurrency is the currency of last.
	lastCurrency money.Currency
}

func newTotals() *Totals {
	return &Totals{
		Summary: map[money.Currency]map[journey.Status]Sum{}, moneyMap: journey.NewMap(),
		incidents: map[string]*Incident{}, ByCause: map[string]Sum{}, statuses: map[money.Currency]*[journey.Overdue + 1]Sum{},
	}
}

func (t *Totals) add(p *Payment) {
	t.moneyMap.Add(&p.Journey)
	if t.last == nil || t.lastCurrency != p.Currency {
		if t.lastCurrency, t.last = p.Currency, t.statuses[p.Currency]; t.last == nil {
			t.last = new([journey.Overdue + 1]Sum)
			t.statuses[p.Currency] = t.last
		}
	}
	t.last[p.Status].Count++
	t.last[p.Status].Amount += p.Amount
	if p.Verdict.Cause != nil {
		s := t.ByCause[p.Verdict.Cause.Code]
		s.Count++
		s.Amount += p.Amount
		t.ByCause[p.Verdict.Cause.Code] = s
	}
	if p.Incident != "" {
		t.addIncident(p)
	}
}

func (t *Totals) addIncident(p *Payment) {
	i := t.incidents[p.Incident]
	if i == nil {
		i = incidentOf(p)
		t.incidents[p.Incident] = i
	}
	i.take(&Incident{Party: p.Verdict.Party, Offset: p.Offset, Sum: Sum{1, p.Amount}, Expected: p.Verdict.Expected.Likely, open: p.Verdict.Expected.Likely == 0})
}

// incidentOf begins the incident that a payment is in, with no payment yet.
func incidentOf(p *Payment) *Incident {
	return &Incident{ID: p.Incident, Key: p.Verdict.Incident, Cause: p.Verdict.Cause, Party: p.Verdict.Party, Currency: p.Currency, Offset: p.Offset}
}

// take adds payments to an incident. Who acts is named by the payments that
// still need someone.
func (i *Incident) take(o *Incident) {
	i.Count += o.Count
	i.Amount += o.Amount
	i.open = i.open || o.open
	i.Expected = max(i.Expected, o.Expected)
	if i.Party == diagnosis.Nobody || o.Party != diagnosis.Nobody && o.Party < i.Party {
		i.Party = o.Party
	}
	i.Offset = min(i.Offset, o.Offset)
}

func (t *Totals) merge(o *Totals) {
	t.moneyMap.Merge(o.moneyMap)
	for currency, by := range o.statuses {
		if t.Summary[currency] == nil {
			t.Summary[currency] = map[journey.Status]Sum{}
		}
		for status, s := range by {
			if s.Count == 0 {
				continue
			}
			u := t.Summary[currency][journey.Status(status)]
			t.Summary[currency][journey.Status(status)] = Sum{u.Count + s.Count, u.Amount + s.Amount}
		}
	}
	for code, s := range o.ByCause {
		u := t.ByCause[code]
		t.ByCause[code] = Sum{u.Count + s.Count, u.Amount + s.Amount}
	}
	for id, i := range o.incidents {
		if have := t.incidents[id]; have != nil {
			have.take(i)
		} else {
			c := *i
			t.incidents[id] = &c
		}
	}
}

func incidentID(k *diagnosis.IncidentKey, currency money.Currency) string {
	h := xxhash.Sum64String(k.Cause + "\x00" + k.Scope + "\x00" + strconv.FormatInt(int64(k.From), 10) + currency.String())
	return "I" + strconv.FormatUint(h>>40|1<<24, 16)[1:]
}

func (t *Totals) sortIncidents() {
	for _, i := range t.incidents {
		if i.open {
			i.Expected = 0
		}
		t.Incidents = append(t.Incidents, i)
	}
	slices.SortFunc(t.Incidents, func(x, y *Incident) int {
		return cmp.Or(cmp.Compare(x.Key.From, y.Key.From), strings.Compare(x.ID, y.ID))
	})
}

// finish adds what no payment carries and puts everything in order.
func (a *Answer) finish(t *Totals) {
	for _, m := range a.Match.Merchants {
		for _, r := range m.Deductions {
			f := a.View.At(r)
			date := f.Date
			if date == 0 {
				date = calendar.DateOf(f.Time.Unix(), int(f.Offset)*60)
			}
			t.moneyMap.AddMemo(m.MID, f.Currency, date, -match.LineNet(f))
		}
	}
	t.Rows = t.moneyMap.Rows(a.View.Words)
	t.sortIncidents()
	accounts := map[string]*Account{}
	for _, e := range a.Match.Entries {
		if !e.Booked {
			continue
		}
		key := e.Account + "\x00" + e.Currency.String()
		acc := accounts[key]
		if acc == nil {
			acc = &Account{Name: e.Account, Currency: e.Currency}
			accounts[key] = acc
		}
		acc.Booked += e.Amount
		if e.Placed {
			acc.Placed += e.Amount
		} else {
			acc.Unplaced += e.Amount
		}
	}
	for _, acc := range accounts {
		t.Accounts = append(t.Accounts, *acc)
	}
	slices.SortFunc(t.Accounts, func(x, y Account) int {
		return cmp.Or(strings.Compare(x.Name, y.Name), strings.Compare(x.Currency.String(), y.Currency.String()))
	})
	a.totals = t
}
