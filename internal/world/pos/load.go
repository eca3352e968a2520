package pos

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/world/journal"
	"daozhang/internal/world/vault"
)

// LoadConfig says what many terminals do at once.
type LoadConfig struct {
	Address string
	Devices []Device // one terminal each
	// Rate is transactions a second over all terminals, begun on schedule however
	// long answers take, as long as a terminal is free; 0 begins the next as soon as
	// the last is answered.
	Rate float64
	// For ends it after a time, Count after so many transactions; one of them is
	// needed.
	For   time.Duration
	Count int64
	// Seed decides cards, amounts, operations and faults.
	Seed uint64
	// Mix are the weights of operations: sale, void, refund, preauth, completion,
	// balance, offline_sale. Only sales where nil.
	Mix map[string]int
	// Cards is how many different ones there are of each kind: 1000 where 0.
	Cards int
	// From, To are the amounts, in minor units: 100 to 50000 where 0.
	From, To int64
	// SettleEvery settles a batch after so many transactions: 900 where 0; it is
	// also settled at the end with Settle.
	SettleEvery int
	Settle      bool
	// Dir has a folder for each terminal; in memory where empty. Sync is
	// journal.Never where empty.
	Dir  string
	Sync journal.Sync
	// Keys of all terminals; where nil, a keyring is opened in Dir with Transport.
	Keys      keyring.Keyring
	Transport []string
	Timeout   time.Duration
	// Drain is how long reversals are tried at the end: 10 s where 0.
	Drain  time.Duration
	Faults []Fault
	// Observe is told every outcome, from several goroutines: an oracle.
	Observe func(tid string, o Outcome)
	// Progress is told about every second how many are done.
	Progress func(done int64)
	Now      func() time.Time
	Log      *slog.Logger
}

// Summary is what came of a load.
type Summary struct {
	Terminals    int              `json:"terminals"`
	Seconds      float64          `json:"seconds"`
	Transactions int64            `json:"transactions"`
	PerSecond    float64          `json:"per_second"`
	Results      map[string]int64 `json:"results"` // by result
	Codes        map[string]int64 `json:"codes"`   // by response code
	Errors       map[string]int64 `json:"errors"`  // what kept transactions from being run
	// ApprovedAmount is the sum of what terminals saw approved and not reversed:
	// charged minus given back, without preauthorizations; minor units.
	ApprovedAmount int64 `json:"approved_amount"`
	// Latency from the tender to the result; Behind how late transactions began
	// after their place in the schedule, where there is a rate.
	Latency        Latency `json:"latency_ms"`
	Behind         Latency `json:"behind_schedule_ms"`
	Reversed       int64   `json:"reversals_done"`
	ReversalsDue   int64   `json:"reversals_due"`
	OfflineStored  int64   `json:"offline_stored"`
	BatchesSettled int64   `json:"batches_settled"`
	OutOfBalance   int64   `json:"batches_out_of_balance"`
	Restarts       int64   `json:"restarts"`
}

// loader is one terminal of a load.
type loader struct {
	load     *load
	device   Device
	cfg      Config
	terminal *Terminal
	dice     *rand.Rand
	sum      Summary
	latency  histogram
	behind   histogram
	inBatch  int
}

type load struct {
	cfg   LoadConfig
	begun time.Time
	next  atomic.Int64 // transactions given out
	done  atomic.Int64
	mix   []iso8583.Operation
}

// Load runs many terminals: they sign on, run their transactions, send what is due,
// and stop. Cancelling ctx ends it early with the summary so far. The error is for
// what kept it from running at all.
func Load(ctx context.Context, cfg LoadConfig) (Summary, error) {
	const op = "run load"
	l := &load{cfg: cfg}
	if err := l.complete(); err != nil {
		return Summary{}, fault.New(fault.Usage, op, "", err, "")
	}
	if l.cfg.Keys == nil {
		path := ""
		if l.cfg.Dir != "" {
			path = filepath.Join(l.cfg.Dir, stateDir, "load")
		}
		k, err := vault.Open(path, l.cfg.Transport)
		if err != nil {
			return Summary{}, err
		}
		defer k.Close()
		l.cfg.Keys = k
	}
	all := make([]*loader, len(l.cfg.Devices))
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	gate := make(chan struct{}, 16) // so many at once, as terminals do not all start in one instant
	for i, d := range l.cfg.Devices {
		wg.Go(func() {
			gate <- struct{}{}
			defer func() { <-gate }()
			all[i], errs[i] = l.newLoader(ctx, d, uint64(i))
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		for _, one := range all {
			if one != nil && one.terminal != nil {
				one.terminal.Close()
			}
		}
		return Summary{}, fault.New(fault.KindOf(errs[slices.IndexFunc(errs, func(e error) bool { return e != nil })]), op, "", firstOf(errs), "")
	}
	l.begun = time.Now()
	running, cancel := ctx, context.CancelFunc(func() {})
	if l.cfg.For > 0 {
		running, cancel = context.WithDeadline(ctx, l.begun.Add(l.cfg.For))
	}
	defer cancel()
	stop := l.progress()
	for _, one := range all {
		wg.Go(func() { one.run(ctx, running) })
	}
	wg.Wait()
	seconds := time.Since(l.begun).Seconds()
	stop()
	for _, one := range all {
		wg.Go(func() { one.finish(context.WithoutCancel(ctx)) })
	}
	wg.Wait()
	return l.summary(all, seconds), nil
}

func firstOf(errs []error) error {
	n := 0
	var first error
	for _, e := range errs {
		if e != nil {
			if n++; first == nil {
				first = e
			}
		}
	}
	if n > 1 {
		return fmt.Errorf("%d of %d terminals could not start, the first: %w", n, len(errs), first)
	}
	return first
}

func (l *load) complete() error {
	c := &l.cfg
	if len(c.Devices) == 0 {
		return errors.New("no terminals")
	}
	if c.For <= 0 && c.Count <= 0 {
		return errors.New("it would never end: give a time or a number of transactions")
	}
	if c.Rate < 0 || c.From < 0 || c.To < c.From {
		return errors.New("rate and amounts are not negative, and an amount range is from low to high")
	}
	if c.From == 0 {
		c.From = 100
	}
	if c.To == 0 {
		c.To = max(50_000, c.From)
	}
	if c.Cards <= 0 {
		c.Cards = 1000
	}
	if c.SettleEvery <= 0 || c.SettleEvery > 999 {
		c.SettleEvery = 900
	}
	if c.Sync == "" {
		c.Sync = journal.Never
	}
	if c.Drain <= 0 {
		c.Drain = 10 * time.Second
	}
	if len(c.Mix) == 0 {
		c.Mix = map[string]int{"sale": 1}
	}
	words := map[string]iso8583.Operation{"sale": iso8583.Sale, "void": iso8583.SaleVoid, "refund": iso8583.Refund, "preauth": iso8583.Preauth,
		"completion": iso8583.Completion, "balance": iso8583.Balance, "offline_sale": iso8583.OfflineSale}
	for _, word := range []string{"sale", "void", "refund", "preauth", "completion", "balance", "offline_sale"} {
		n := c.Mix[word]
		if n < 0 || n > 1000 {
			return fmt.Errorf("the weight of %s is from 0 to 1000", word)
		}
		for range n {
			l.mix = append(l.mix, words[word])
		}
	}
	for word := range c.Mix {
		if _, ok := words[word]; !ok {
			return fmt.Errorf("a mix has no %q", word)
		}
	}
	if len(l.mix) == 0 {
		return errors.New("every weight of the mix is 0")
	}
	return nil
}

func (l *load) newLoader(ctx context.Context, d Device, i uint64) (*loader, error) {
	one := &loader{load: l, device: d, dice: rand.New(rand.NewPCG(l.cfg.Seed, i)),
		sum: Summary{Results: map[string]int64{}, Codes: map[string]int64{}, Errors: map[string]int64{}}}
	one.cfg = Config{Address: l.cfg.Address, TID: d.TID, MID: d.MID, Master: d.Master, Keys: l.cfg.Keys, Sync: l.cfg.Sync,
		Timeout: l.cfg.Timeout, Seed: l.cfg.Seed, Faults: l.cfg.Faults, Now: l.cfg.Now, Log: l.cfg.Log}
	if l.cfg.Dir != "" {
		one.cfg.Dir = filepath.Join(l.cfg.Dir, d.TID)
	}
	if err := one.start(ctx); err != nil {
		return one, err
	}
	return one, nil
}

// start starts the terminal and signs on; what is due from before goes first.
func (o *loader) start(ctx context.Context) error {
	t, err := New(o.cfg)
	if err != nil {
		return err // the former one stays, dead
	}
	o.terminal = t
	return t.SignOn(ctx)
}

// run runs transactions until there are no more to begin.
func (o *loader) run(ctx, running context.Context) {
	l := o.load
	for running.Err() == nil {
		n := l.next.Add(1) - 1
		if l.cfg.Count > 0 && n >= l.cfg.Count {
			return
		}
		if l.cfg.Rate > 0 {
			at := l.begun.Add(time.Duration(float64(n) / l.cfg.Rate * float64(time.Second)))
			if d := time.Until(at); d > 0 {
				timer := time.NewTimer(d)
				select {
				case <-timer.C:
				case <-running.Done():
					timer.Stop()
					return
				}
			}
			o.behind.add(time.Since(at))
		}
		o.one(ctx)
		l.done.Add(1)
	}
}

// one runs one transaction, and what a clerk does when the terminal refuses.
func (o *loader) one(ctx context.Context) {
	if o.inBatch >= o.load.cfg.SettleEvery {
		o.settle(ctx)
	}
	q := o.request()
	out, err := o.terminal.Do(ctx, q)
	if err != nil {
		o.trouble(ctx, err)
		return
	}
	o.inBatch++
	o.sum.Transactions++
	o.sum.Results[out.Result]++
	if out.Code != "" {
		o.sum.Codes[out.Code]++
	}
	o.latency.add(out.Took)
	if o.load.cfg.Observe != nil {
		o.load.cfg.Observe(o.device.TID, out)
	}
	if outOfStep[out.Code] {
		o.count(o.terminal.SignOn(ctx))
	}
}

// trouble does what the terminal asks for.
func (o *loader) trouble(ctx context.Context, err error) {
	o.count(err)
	switch {
	case errors.Is(err, ErrDead):
		o.terminal.Close()
		o.sum.Restarts++
		o.count(o.start(ctx))
	case errors.Is(err, ErrNotSignedOn):
		o.count(o.terminal.SignOn(ctx))
	case errors.Is(err, ErrBatchFull), errors.Is(err, ErrSettling):
		o.settle(ctx)
	case errors.Is(err, ErrReversalDue):
		if !o.terminal.Status().SignedOn {
			o.count(o.terminal.SignOn(ctx))
		}
		// The line is down; not to spin on it.
		o.rest(ctx, 50*time.Millisecond)
	}
}

func (o *loader) rest(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// count counts an error by what a person would call it.
func (o *loader) count(err error) {
	if err == nil {
		return
	}
	word := "other"
	for _, e := range []error{ErrDead, ErrNotSignedOn, ErrReversalDue, ErrBatchFull, ErrSettling, ErrNoOriginal, ErrRefused, ErrIgnored, errNotSent, errNoAnswer} {
		if errors.Is(err, e) {
			word = e.Error()
			break
		}
	}
	o.sum.Errors[word]++
}

func (o *loader) settle(ctx context.Context) {
	s, err := o.terminal.Settle(ctx)
	if err != nil {
		o.count(err)
		return
	}
	o.inBatch = 0
	o.sum.BatchesSettled++
	if !s.Balanced {
		o.sum.OutOfBalance++
	}
}

// request draws what the next customer wants. What acts on an earlier transaction
// takes the latest that allows it; where there is none, it is a sale.
func (o *loader) request() Request {
	l := o.load
	dice := o.dice
	q := Request{Operation: l.mix[dice.IntN(len(l.mix))], Amount: l.cfg.From + dice.Int64N(l.cfg.To-l.cfg.From+1),
		Entry: []string{"chip", "contactless", "contactless", "magstripe", "qr"}[dice.IntN(5)]}
	want := map[iso8583.Operation]string{iso8583.SaleVoid: "sale", iso8583.Refund: "sale", iso8583.Completion: "preauth"}[q.Operation]
	if want != "" {
		if x := o.terminal.latest(want); x != nil {
			q.Original, q.Amount = Ref{Batch: x.Batch, STAN: x.STAN}, x.charged()
			return q // the card's number is in the journal
		}
		q.Operation = iso8583.Sale
	}
	i := issuers[dice.IntN(len(issuers)-1)] // of domestic ones
	q.Card = makeCard(i.prefix, i.issuer, i.kind, dice.Uint64N(uint64(l.cfg.Cards)))
	return q
}

// latest gives a copy of the latest approved transaction of an operation on which
// nothing has acted.
func (t *Terminal) latest(operation string) *Transaction {
	t.mu.Lock()
	defer t.mu.Unlock()
	acted := map[string]bool{}
	current := t.state.current()
	for i := len(current) - 1; i >= 0 && i > len(current)-200; i-- {
		x := current[i]
		if x.Original.STAN != "" {
			acted[x.Original.STAN] = true
		}
		if x.Operation == operation && x.approved() && x.Reversal == "" && !x.Voided && !acted[x.STAN] {
			c := *x
			return &c
		}
	}
	return nil
}

// finish sends what is due, settles where wanted, and stops.
func (o *loader) finish(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, o.load.cfg.Drain)
	defer cancel()
	for {
		st := o.terminal.Status()
		if st.Dead != "" {
			o.terminal.Close()
			o.sum.Restarts++
			if err := o.start(ctx); err != nil {
				o.count(err)
				o.rest(ctx, 100*time.Millisecond)
			}
			if ctx.Err() != nil {
				break
			}
			continue
		}
		if st.Reversals == 0 && st.Offline == 0 || ctx.Err() != nil {
			break
		}
		if err := o.terminal.Recover(ctx); err != nil {
			o.count(err)
			o.rest(ctx, 100*time.Millisecond)
		}
	}
	if o.load.cfg.Settle && ctx.Err() == nil {
		o.settle(ctx)
	}
	st := o.terminal.Status()
	o.sum.ReversalsDue, o.sum.OfflineStored = int64(st.Reversals), int64(st.Offline)
	o.terminal.mu.Lock()
	o.sum.ApprovedAmount, o.sum.Reversed = o.terminal.state.charged, o.terminal.state.reversed
	o.terminal.mu.Unlock()
	o.count(o.terminal.Close())
}

// progress tells about every second how many are done, until the returned
// function is called.
func (l *load) progress() func() {
	if l.cfg.Progress == nil {
		return func() {}
	}
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				l.cfg.Progress(l.done.Load())
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

func (l *load) summary(all []*loader, seconds float64) Summary {
	s := Summary{Terminals: len(all), Seconds: float64(int64(seconds*1000)) / 1000, Results: map[string]int64{}, Codes: map[string]int64{}, Errors: map[string]int64{}}
	var latency, behind histogram
	for _, o := range all {
		latency.merge(&o.latency)
		behind.merge(&o.behind)
		s.Transactions += o.sum.Transactions
		s.ApprovedAmount += o.sum.ApprovedAmount
		s.Reversed += o.sum.Reversed
		s.ReversalsDue += o.sum.ReversalsDue
		s.OfflineStored += o.sum.OfflineStored
		s.BatchesSettled += o.sum.BatchesSettled
		s.OutOfBalance += o.sum.OutOfBalance
		s.Restarts += o.sum.Restarts
		for to, from := range map[*map[string]int64]map[string]int64{&s.Results: o.sum.Results, &s.Codes: o.sum.Codes, &s.Errors: o.sum.Errors} {
			for k, n := range from {
				(*to)[k] += n
			}
		}
	}
	if seconds > 0 {
		s.PerSecond = float64(int64(float64(s.Transactions)/seconds*10)) / 10
	}
	s.Latency, s.Behind = latency.latency(), behind.latency()
	return s
}
