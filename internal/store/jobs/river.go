package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
)

// client is what is used of River's client, whatever its transactions are.
type client interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
	StopAndCancel(ctx context.Context) error
	Insert(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) (*rivertype.JobInsertResult, error)
	InsertMany(ctx context.Context, params []river.InsertManyParams) ([]*rivertype.JobInsertResult, error)
	JobGet(ctx context.Context, id int64) (*rivertype.JobRow, error)
	JobList(ctx context.Context, params *river.JobListParams) (*river.JobListResult, error)
	JobRetry(ctx context.Context, id int64) (*rivertype.JobRow, error)
	JobCancel(ctx context.Context, id int64) (*rivertype.JobRow, error)
	JobDeleteMany(ctx context.Context, params *river.JobDeleteManyParams) (*river.JobDeleteManyResult, error)
	// giveUp cancels a job that failed for good.
	giveUp(ctx context.Context, id int64) (*rivertype.JobRow, error)
}

// riverClient is River's client with transactions of type T, which within runs.
type riverClient[T any] struct {
	*river.Client[T]
	within func(ctx context.Context, do func(T) error) error
}

// giveUp implements client. To River a job that failed for good has ended, and what
// has ended is not cancelled: so it is taken up first, in the same transaction, since
// a runner that saw it between the two would do it once more.
func (c riverClient[T]) giveUp(ctx context.Context, id int64) (r *rivertype.JobRow, err error) {
	err = c.within(ctx, func(tx T) error {
		if _, err := c.JobRetryTx(ctx, tx, id); err != nil {
			return err
		}
		r, err = c.JobCancelTx(ctx, tx, id)
		return err
	})
	return r, err
}

// args are a request as River keeps it.
type args struct {
	kind    Kind
	Key     string          `json:"key" river:"unique"`
	MID     string          `json:"mid,omitempty"`
	Date    string          `json:"date,omitempty"`
	Subject string          `json:"subject,omitempty"`
	By      string          `json:"by,omitempty"`
	Task    json.RawMessage `json:"task,omitempty"`
}

// Kind implements river.JobArgs.
func (a args) Kind() string { return string(a.kind) }

func argsOf(r Request) args {
	a := args{kind: r.Kind, Key: r.Key, MID: r.MID, Subject: r.Subject, By: r.By, Task: r.Task}
	if r.Date > 0 {
		a.Date = r.Date.String()
	}
	return a
}

// The queues: sweeps do not wait behind long work.
const (
	workQueue  = "work"
	sweepQueue = "sweep"
)

// unique are the states in which the same work is not inserted again. Done is
// not among them: whether there is work again is for the rows to say. Failed is:
// what failed for good waits for a person, not for the next sweep.
var unique = []rivertype.JobState{rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning,
	rivertype.JobStateScheduled, rivertype.JobStateRetryable, rivertype.JobStateDiscarded}

// optionsOf gives how a request is inserted. How often it is tried is for the runner
// to say, who knows the work; who inserts may not. A sweep is not tried again: the
// next one does what it would do, also where it failed.
func optionsOf(k Kind, w Work) *river.InsertOpts {
	o := &river.InsertOpts{Queue: workQueue, Priority: 2, MaxAttempts: 1000, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unique}}
	if w.Urgent {
		o.Priority = 1
	}
	if k == KindSweep {
		o.Queue, o.MaxAttempts = sweepQueue, 1
		o.UniqueOpts.ByState = unique[:len(unique)-1]
	}
	return o
}

var states = map[rivertype.JobState]State{
	rivertype.JobStateAvailable: Waiting, rivertype.JobStatePending: Waiting, rivertype.JobStateScheduled: Waiting,
	rivertype.JobStateRunning: Running, rivertype.JobStateRetryable: Retrying, rivertype.JobStateCompleted: Done,
	rivertype.JobStateDiscarded: Failed, rivertype.JobStateCancelled: Cancelled,
}

// ofRiver gives River's words for states. What waits and what is tried again is
// told apart by the row only.
func ofRiver(wanted []State) []rivertype.JobState {
	var out []rivertype.JobState
	for r, s := range states {
		if slices.Contains(wanted, s) || s == Waiting && slices.Contains(wanted, Retrying) {
			out = append(out, r)
		}
	}
	slices.Sort(out)
	return out
}

// output is what a worker leaves with its job.
type output struct {
	EN string `json:"en"`
	ZH string `json:"zh,omitempty"`
}

// jobOf reads a row of River.
func jobOf(r *rivertype.JobRow) (Job, error) {
	var a args
	if err := json.Unmarshal(r.EncodedArgs, &a); err != nil {
		return Job{}, fault.New(fault.Internal, opRead, r.Kind, err, fault.Text{})
	}
	j := Job{ID: r.ID, Request: Request{Kind: Kind(r.Kind), Key: a.Key, MID: a.MID, Date: calendar.None, Subject: a.Subject, By: a.By, Task: a.Task}, State: states[r.State],
		Attempts: r.Attempt, Created: r.CreatedAt, Next: r.ScheduledAt}
	if a.Date != "" {
		d, err := calendar.ParseDate(a.Date)
		if err != nil {
			return Job{}, fault.New(fault.Internal, opRead, r.Kind, err, fault.Text{})
		}
		j.Date = d
	}
	if j.State == Waiting && len(r.Errors) > 0 {
		j.State = Retrying // River calls it available where the next attempt is close
	}
	if n := len(r.AttemptedBy); n > 0 {
		j.Runner = r.AttemptedBy[n-1]
	}
	if r.AttemptedAt != nil {
		j.Began = *r.AttemptedAt
	}
	if r.FinalizedAt != nil {
		j.Ended = *r.FinalizedAt
	}
	var said output
	if b := r.Output(); b != nil && json.Unmarshal(b, &said) == nil && said.EN != "" {
		j.Said = fault.Text{EN: said.EN, ZH: said.ZH}
	} else if n := len(r.Errors); n > 0 {
		j.Said = fault.Same(r.Errors[n-1].Error)
	}
	return j, nil
}

// backOff is how long after its n-th attempt a failed job is tried again: one
// second, doubled each time, up to longest.
type backOff struct{ longest time.Duration }

// NextRetry implements river.ClientRetryPolicy.
func (b backOff) NextRetry(r *rivertype.JobRow) time.Time {
	wait := b.longest
	if n := max(r.Attempt, 1) - 1; n < 20 {
		wait = min(wait, time.Second<<n)
	}
	return time.Now().Add(wait)
}

// quiet keeps what River tells of its daily life out of the log, and that it was
// interrupted where it was told to end.
type quiet struct{ slog.Handler }

// Handle implements slog.Handler.
func (q quiet) Handle(ctx context.Context, r slog.Record) error {
	ended := false
	r.Attrs(func(a slog.Attr) bool {
		ended = strings.Contains(a.Value.String(), context.Canceled.Error())
		return !ended
	})
	if ended {
		return nil
	}
	return q.Handler.Handle(ctx, r)
}

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(a []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(a)} }

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(g string) slog.Handler { return quiet{q.Handler.WithGroup(g)} }

// What is done with jobs, as errors name it.
var (
	opOpen    = fault.Say("open jobs", "打开任务表")
	opMigrate = fault.Say("migrate jobs", "升级任务表")
	opInsert  = fault.Say("insert job", "登记任务")
	opRead    = fault.Say("read jobs", "读取任务")
	opRun     = fault.Say("run jobs", "运行任务")
	opRetry   = fault.Say("retry job", "重试任务")
	opCancel  = fault.Say("cancel job", "取消任务")
)

// failed gives an error of River or of the database its operation and hint.
func failed(op fault.Text, subject string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, rivertype.ErrNotFound):
		return fault.New(fault.NotFound, op, subject, fault.Say("there is no such job", "没有这个任务"),
			fault.Say("`daozhang jobs list` shows those that there are", "可用 `daozhang jobs list` 查看现有任务"))
	case errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded):
		return fault.New(fault.Cancelled, op, subject, err, fault.Text{})
	}
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f
	}
	return fault.New(fault.Internal, op, subject, err, fault.Say("the jobs' database does not answer: see that it can be reached and written",
		"任务数据库没有响应：请确认可以连接并写入"))
}
