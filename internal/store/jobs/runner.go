package jobs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"daozhang/internal/card"
	"daozhang/internal/fault"
)

// Work is how jobs of a kind are done.
type Work struct {
	// Do does it, and says in a sentence what it did; none where there was nothing
	// to do. It is called again after an error, after a crash, and with one running
	// elsewhere: it must be done once whatever happens. It ends when ctx ends. An
	// error of kind fault.NotAllowed, NotFound, Invalid or Usage needs a person, and
	// is not tried again by itself.
	Do func(ctx context.Context, j Job) (fault.Text, error)
	// Urgent work is taken before other work that waits.
	Urgent bool
	// Attempts is how often it is tried before a person has to act. Default 20,
	// which takes about two and a half hours.
	Attempts int
	// Within is the longest that it may take. Default 30 minutes.
	Within time.Duration
}

func (w Work) attempts() int { return cmp.Or(w.Attempts, 20) }

// Options say what a runner does.
type Options struct {
	// Node names the runner among those on one database; two of one name do not run
	// at the same time.
	Node string
	// Work is what is done, by kind. Every runner on a database needs all kinds.
	Work map[Kind]Work
	// Plan gives what there is to do: what is due and, for people to see, what will
	// be. It is asked by one runner at a time. What it could not find out is an
	// error beside what it could.
	Plan func(ctx context.Context) ([]Request, error)
	// Now is the clock of the plan. Default time.Now.
	Now func() time.Time
	// Failed is told at every sweep which jobs have failed for good and wait for a
	// person: all of them, so that what is not among them any more is settled. It
	// opens exceptions and resolves them.
	Failed func(ctx context.Context, failed []Job) error
	// Every is the time between sweeps. Default 1 minute. After work that did
	// something a sweep follows within seconds.
	Every time.Duration
	// Workers is how many jobs run at once here. Default 4.
	Workers int
	// Longest is the longest wait before a failed job is tried again. Default 15 min.
	Longest time.Duration
	// Drain is how long running jobs have to come to their end. Default 30 s; then
	// they are told to stop, and done again later.
	Drain time.Duration
	Log   *slog.Logger
}

// Runner takes jobs and does them.
type Runner struct {
	o      Options
	q      *Queue
	client client
	counts counts
	swept  atomic.Int64 // when the latest sweep here asked the plan, Unix nanoseconds
}

// counts are what Stats gives, by kind.
type counts struct {
	done, failed map[Kind]*atomic.Int64
	back         atomic.Int64
}

// Outcome counts attempts of a kind since the runner was made.
type Outcome struct {
	Kind         Kind
	Done, Failed int64
}

// NewRunner makes a runner on a queue. The error is of kind fault.Usage for
// options that cannot be.
func NewRunner(q *Queue, o Options) (*Runner, error) {
	o.Every, o.Workers = cmp.Or(o.Every, time.Minute), cmp.Or(o.Workers, 4)
	o.Longest, o.Drain = cmp.Or(o.Longest, 15*time.Minute), cmp.Or(o.Drain, 30*time.Second)
	if o.Log == nil {
		o.Log = silent
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Runner{o: o, q: q, counts: counts{done: map[Kind]*atomic.Int64{}, failed: map[Kind]*atomic.Int64{}}}
	workers := river.NewWorkers()
	kinds := maps.Clone(o.Work)
	if kinds == nil {
		kinds = map[Kind]Work{}
	}
	kinds[KindSweep] = Work{Do: r.sweep, Attempts: 1}
	for k, w := range kinds {
		if !word(string(k)) || w.Do == nil {
			return nil, fault.New(fault.Usage, opRun, string(k), fault.Say("a kind needs a name and work", "任务种类需要名称和内容"), fault.Text{})
		}
		r.counts.done[k], r.counts.failed[k] = new(atomic.Int64), new(atomic.Int64)
		// The kinds are known when the runner is made and not when it is compiled,
		// which is what AddWorkerArgs is for.
		river.AddWorkerArgs[args](workers, args{kind: k}, &worker{r: r, kind: k, work: w})
	}
	every := river.PeriodicInterval(o.Every)
	poll := max(min(o.Every, 500*time.Millisecond), 20*time.Millisecond)
	config := &river.Config{ID: o.Node, Workers: workers, Logger: slog.New(quiet{o.Log.Handler()}),
		Queues:       map[string]river.QueueConfig{workQueue: {MaxWorkers: o.Workers}, sweepQueue: {MaxWorkers: 1}},
		PeriodicJobs: []*river.PeriodicJob{river.NewPeriodicJob(every, periodicSweep, &river.PeriodicJobOpts{ID: string(KindSweep), RunOnStart: true})},
		RetryPolicy:  backOff{o.Longest}, JobTimeout: 30 * time.Minute, RescueStuckJobsAfter: 24 * time.Hour,
		SoftStopTimeout: o.Drain, FetchPollInterval: poll, FetchCooldown: min(poll, river.FetchCooldownDefault),
		// What failed for good stays until a person has acted.
		CompletedJobRetentionPeriod: 3 * 24 * time.Hour, CancelledJobRetentionPeriod: 30 * 24 * time.Hour, DiscardedJobRetentionPeriod: -1}
	var err error
	if r.client, err = q.db.client(config); err != nil {
		return nil, fault.New(fault.Usage, opRun, o.Node, err, fault.Text{})
	}
	return r, nil
}

func periodicSweep() (river.JobArgs, *river.InsertOpts) {
	return argsOf(sweepRequest), optionsOf(KindSweep, Work{})
}

// sweepRequest is the sweep, of which there is one at a time.
var sweepRequest = Request{Kind: KindSweep, Key: "sweep"}

// Outcomes gives the attempts of each kind, in order of kind.
func (r *Runner) Outcomes() []Outcome {
	var out []Outcome
	for _, k := range slices.Sorted(maps.Keys(r.counts.done)) {
		out = append(out, Outcome{k, r.counts.done[k].Load(), r.counts.failed[k].Load()})
	}
	return out
}

// Inherited counts jobs that were taken back from runners that died.
func (r *Runner) Inherited() int64 { return r.counts.back.Load() }

// Run does jobs until ctx ends; then those that run are waited for. It can be
// called once. The error is of kind fault.Conflict where another process runs jobs
// under this name, or at all on an embedded database.
func (r *Runner) Run(ctx context.Context) error {
	leave, err := r.q.db.enter(ctx, r.o.Node)
	if err != nil {
		return failed(opRun, r.o.Node, err)
	}
	defer leave()
	if err := r.takeBack(ctx, r.q.db.forget); err != nil {
		return failed(opRun, r.o.Node, err)
	}
	if err := r.client.Start(context.WithoutCancel(ctx)); err != nil {
		return failed(opRun, r.o.Node, err)
	}
	look := time.NewTicker(2 * time.Second)
	defer look.Stop()
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case <-look.C:
			if err := r.takeBack(ctx, r.q.db.inherit); err != nil && ctx.Err() == nil {
				r.o.Log.Warn("not seen which runners live", "error", err)
			}
		}
	}
	// The client cancels what is still running after Drain; what does not heed that
	// within a while is left behind, and given back at the next start.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.o.Drain+5*time.Second)
	defer cancel()
	return failed(opRun, r.o.Node, r.client.Stop(end))
}

func (r *Runner) takeBack(ctx context.Context, from func(context.Context, string) (int64, error)) error {
	n, err := from(ctx, r.o.Node)
	if n > 0 {
		r.counts.back.Add(n)
		r.o.Log.Info("jobs of a runner that died wait again", "jobs", n)
	}
	return err
}

// worker does the jobs of one kind.
type worker struct {
	river.WorkerDefaults[args]
	r    *Runner
	kind Kind
	work Work
}

// Timeout implements river.Worker.
func (w *worker) Timeout(*river.Job[args]) time.Duration { return w.work.Within }

// Work implements river.Worker.
func (w *worker) Work(ctx context.Context, row *river.Job[args]) error {
	j, err := jobOf(row.JobRow)
	if err != nil {
		return err
	}
	var said fault.Text
	// An attempt that left no error ended with the process. What kills it every time
	// must not do so for ever.
	if killed := row.Attempt - 1 - len(row.Errors); killed >= w.work.attempts() {
		err = fault.Say("the process ended during %d attempts", "有 %d 次尝试因进程终止而中断", killed)
	} else {
		said, err = w.attempt(ctx, j)
	}
	if _, later := errors.AsType[*river.JobSnoozeError](err); later {
		return err
	}
	if err == nil {
		w.r.counts.done[w.kind].Add(1)
		if w.kind == KindSweep {
			return nil // its output is the plan
		}
		return errors.Join(w.say(ctx, said), w.follow(ctx, said))
	}
	w.r.counts.failed[w.kind].Add(1)
	why := masked(fault.Reason(err))
	if hopeless(err) || row.Attempt >= w.work.attempts() {
		// River gives up at the last attempt, and takes this one for it.
		row.MaxAttempts = row.Attempt
	}
	if w.kind != KindSweep {
		if err := w.say(ctx, why); err != nil {
			return err
		}
	}
	return why
}

// attempt does the work. A panic is an error as others are, so that it too comes to
// its last attempt; where it happened stands in the log.
func (w *worker) attempt(ctx context.Context, j Job) (said fault.Text, err error) {
	defer func() {
		if v := recover(); v != nil {
			w.r.o.Log.Error("a job panicked", "kind", j.Kind, "job", j.ID, "panic", v, "stack", string(debug.Stack()))
			err = fault.Say("it panicked: %v", "程序崩溃：%v", v)
		}
	}()
	return w.work.Do(ctx, j)
}

// hopeless tells errors that another attempt would not mend: a person has to act.
func hopeless(err error) bool {
	switch fault.KindOf(err) {
	case fault.NotAllowed, fault.NotFound, fault.Invalid, fault.Usage:
		return true
	}
	return false
}

func (w *worker) say(ctx context.Context, t fault.Text) error {
	return river.RecordOutput(ctx, output{t.EN, t.ZH})
}

// follow lets a sweep come soon after something was done: it often gives rise to
// the next thing.
func (w *worker) follow(ctx context.Context, did fault.Text) error {
	if did.None() {
		return nil
	}
	_, err := w.r.client.Insert(ctx, argsOf(sweepRequest), optionsOf(KindSweep, Work{}))
	return err
}

// masked makes sure that no card number gets into the table.
func masked(t fault.Text) fault.Text {
	t.EN, _ = card.MaskText(t.EN)
	t.ZH, _ = card.MaskText(t.ZH)
	return t
}

// sweep tells what failed for good, asks the plan, and inserts what is due.
func (r *Runner) sweep(ctx context.Context, _ Job) (fault.Text, error) {
	if rest := min(r.o.Every, time.Second) - time.Since(time.Unix(0, r.swept.Load())); rest > 0 {
		return fault.Text{}, river.JobSnooze(rest) // much work follows itself: it is looked at together
	}
	trouble := r.tellFailed(ctx)
	requests, err := r.o.plan(ctx)
	trouble = errors.Join(trouble, err)
	r.swept.Store(time.Now().UnixNano())
	now := r.o.Now()
	var due []river.InsertManyParams
	ahead := map[Kind]*Planned{}
	seen := map[[2]string]bool{}
	for _, q := range requests {
		k := [2]string{string(q.Kind), q.Key}
		if err := q.check(); err != nil || seen[k] {
			trouble = errors.Join(trouble, err)
			continue
		}
		seen[k] = true
		if q.Due.After(now) {
			foresee(ahead, q)
			continue
		}
		due = append(due, river.InsertManyParams{Args: argsOf(q), InsertOpts: optionsOf(q.Kind, r.o.Work[q.Kind])})
	}
	for part := range slices.Chunk(due, 500) {
		if _, err := r.client.InsertMany(ctx, part); err != nil {
			return fault.Text{}, errors.Join(trouble, err)
		}
	}
	plan := make([]Planned, 0, len(ahead))
	for _, k := range slices.Sorted(maps.Keys(ahead)) {
		plan = append(plan, *ahead[k])
	}
	trouble = errors.Join(trouble, river.RecordOutput(ctx, map[string]any{"plan": plan}))
	if trouble != nil {
		return fault.Text{}, trouble
	}
	return fault.Text{}, r.forgetSweeps(ctx, 0)
}

func (o *Options) plan(ctx context.Context) ([]Request, error) {
	if o.Plan == nil {
		return nil, nil
	}
	return o.Plan(ctx)
}

// foresee notes what will be due: the soonest moment of each kind, and how much.
func foresee(ahead map[Kind]*Planned, q Request) {
	p := ahead[q.Kind]
	switch {
	case p == nil || q.Due.Before(p.Due):
		ahead[q.Kind] = &Planned{q.Kind, q.Due, 1}
	case q.Due.Equal(p.Due):
		p.Jobs++
	}
}

// planOf reads the plan that a sweep left.
func planOf(row *rivertype.JobRow) ([]Planned, error) {
	var o struct {
		Plan []Planned `json:"plan"`
	}
	if err := json.Unmarshal(row.Output(), &o); err != nil {
		return nil, fault.New(fault.Internal, opRead, fmt.Sprint(row.ID), err, fault.Text{})
	}
	return o.Plan, nil
}

// patience is how many sweeps may fail one after the other before a person is told.
const patience = 3

// tellFailed gives all jobs that failed for good. Sweeps are among them where the
// latest have all failed: the last stands for them.
func (r *Runner) tellFailed(ctx context.Context) error {
	jobs, err := list(ctx, r.client, Filter{States: []State{Failed}, Swept: true, Most: 10_000})
	if err != nil {
		return err
	}
	sweeps := 0
	for _, j := range jobs {
		if j.Kind == KindSweep {
			sweeps++
		}
	}
	told := sweeps < patience
	jobs = slices.DeleteFunc(jobs, func(j Job) bool {
		drop := j.Kind == KindSweep && told
		told = told || j.Kind == KindSweep
		return drop
	})
	if r.o.Failed != nil {
		if err := r.o.Failed(ctx, jobs); err != nil {
			return err
		}
	}
	if sweeps <= patience {
		return nil
	}
	return r.forgetSweeps(ctx, patience)
}

// forgetSweeps removes sweeps that failed, but for the latest.
func (r *Runner) forgetSweeps(ctx context.Context, keep int) error {
	old, err := list(ctx, r.client, Filter{Kinds: []Kind{KindSweep}, States: []State{Failed}, Most: 1000})
	if err != nil || len(old) <= keep {
		return err
	}
	ids := make([]int64, 0, len(old))
	for _, j := range old[keep:] {
		ids = append(ids, j.ID)
	}
	_, err = r.client.JobDeleteMany(ctx, river.NewJobDeleteManyParams().IDs(ids...).First(len(ids)))
	return err
}
