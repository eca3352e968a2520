package jobs

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/riverqueue/river"

	"daozhang/internal/fault"
)

// Queue is the table of jobs of a database. It is safe for concurrent use, by
// several processes too.
type Queue struct {
	db     database
	client client
}

// Open opens the jobs of a database: a directory, where they lie in jobs.db, or a
// postgres:// URL. The error is of kind fault.NotFound where there are none,
// fault.Conflict where the tables are older or newer than this program, and
// fault.Internal where the database does not answer.
func Open(ctx context.Context, address string) (*Queue, error) {
	db, err := open(ctx, address, false)
	if err != nil {
		return nil, err
	}
	q := &Queue{db: db}
	if err = current(ctx, db); err == nil {
		q.client, err = db.client(&river.Config{Logger: silent})
	}
	if err != nil {
		db.close()
		return nil, failed(opOpen, db.String(), err)
	}
	return q, nil
}

// Close closes the database.
func (q *Queue) Close() { q.db.close() }

// Insert puts work into the table, unless the same work is there already: then it
// gives that job, and fresh is false. The error is of kind fault.Usage for a
// request that cannot be understood.
func (q *Queue) Insert(ctx context.Context, r Request) (j Job, fresh bool, err error) {
	return insert(ctx, q.client, r, Work{})
}

func insert(ctx context.Context, c client, r Request, w Work) (j Job, fresh bool, err error) {
	if err := r.check(); err != nil {
		return Job{}, false, err
	}
	res, err := c.Insert(ctx, argsOf(r), optionsOf(r.Kind, w))
	if err != nil {
		return Job{}, false, failed(opInsert, string(r.Kind), err)
	}
	j, err = jobOf(res.Job)
	return j, !res.UniqueSkippedAsDuplicate, err
}

// Job gives one job. The error is of kind fault.NotFound where there is none.
func (q *Queue) Job(ctx context.Context, id int64) (Job, error) {
	r, err := q.client.JobGet(ctx, id)
	if err != nil {
		return Job{}, failed(opRead, strconv.FormatInt(id, 10), err)
	}
	return jobOf(r)
}

// List gives jobs: those that failed first, then those under way, then those that
// have ended, each part with the newest first.
func (q *Queue) List(ctx context.Context, f Filter) ([]Job, error) { return list(ctx, q.client, f) }

func list(ctx context.Context, c client, f Filter) ([]Job, error) {
	if f.Most <= 0 {
		f.Most = 100
	}
	var out []Job
	for _, part := range [][]State{{Failed}, {Running, Retrying, Waiting}, {Done, Cancelled}} {
		wanted := part
		if len(f.States) > 0 {
			wanted = slices.DeleteFunc(slices.Clone(part), func(s State) bool { return !slices.Contains(f.States, s) })
		}
		if len(wanted) == 0 || len(out) >= f.Most {
			continue
		}
		page, err := listed(ctx, c, f, wanted, min(f.Most-len(out), 10_000))
		if err != nil {
			return nil, err
		}
		out = append(out, page...)
	}
	return out, nil
}

func listed(ctx context.Context, c client, f Filter, wanted []State, most int) ([]Job, error) {
	p := river.NewJobListParams().States(ofRiver(wanted)...).OrderBy(river.JobListOrderByID, river.SortOrderDesc).First(most)
	if len(f.Kinds) > 0 {
		kinds := make([]string, len(f.Kinds))
		for i, k := range f.Kinds {
			kinds[i] = string(k)
		}
		p = p.Kinds(kinds...)
	} else if !f.Swept {
		p = p.Where("kind <> @own", river.NamedArgs{"own": string(KindSweep)})
	}
	if f.MID != "" {
		p = p.Where("args->>'mid' = @mid", river.NamedArgs{"mid": f.MID}) // means the same in both databases
	}
	res, err := c.JobList(ctx, p)
	if err != nil {
		return nil, failed(opRead, "", err)
	}
	out := make([]Job, 0, len(res.Jobs))
	for _, r := range res.Jobs {
		j, err := jobOf(r)
		if err != nil {
			return nil, err
		}
		if slices.Contains(wanted, j.State) {
			out = append(out, j)
		}
	}
	return out, nil
}

// Retry lets a job run again at once: one that has failed for good, waits to be
// tried again or later, was cancelled, or has ended. The error is of kind
// fault.NotFound where there is none, and fault.Conflict where it runs, or where
// the same work has been inserted anew since.
func (q *Queue) Retry(ctx context.Context, id int64) (Job, error) {
	subject := strconv.FormatInt(id, 10)
	before, err := q.Job(ctx, id)
	if err != nil {
		return Job{}, err
	}
	if before.State == Running {
		return before, fault.New(fault.Conflict, opRetry, subject, fault.Say("it is running", "任务正在运行"), fault.Text{})
	}
	if before.State == Done || before.State == Cancelled {
		// A row that has ended no longer keeps the same work out, so it may be there.
		j, fresh, err := q.Insert(ctx, before.Request)
		if err == nil && !fresh {
			err = fault.New(fault.Conflict, opRetry, subject, fault.Say("job %d does the same work", "任务 %d 做的是同一件事", j.ID), fault.Text{})
		}
		return j, err
	}
	r, err := q.client.JobRetry(ctx, id)
	if err != nil {
		return Job{}, failed(opRetry, subject, err)
	}
	return jobOf(r)
}

// Cancel gives a job up. One that runs is told to stop, and may come to its end
// before it hears of it. A job that has ended stays as it is. The work itself is
// not undone: where its rows still wait, a later sweep inserts it anew. The error
// is of kind fault.NotFound where there is none.
func (q *Queue) Cancel(ctx context.Context, id int64) (Job, error) {
	subject := strconv.FormatInt(id, 10)
	before, err := q.Job(ctx, id)
	if err != nil {
		return Job{}, err
	}
	cancel := q.client.JobCancel
	if before.State == Failed {
		cancel = q.client.giveUp
	}
	r, err := cancel(ctx, id)
	if err != nil {
		return Job{}, failed(opCancel, subject, err)
	}
	return jobOf(r)
}

// Counts gives how many jobs there are that have not ended well, by kind and state.
func (q *Queue) Counts(ctx context.Context) ([]Count, error) {
	c, err := q.db.counts(ctx)
	return c, failed(opRead, "", err)
}

// Planned is when work of a kind is due next, by the plan of the latest sweep, and
// for how many merchants, payouts or files it then is.
type Planned struct {
	Kind Kind      `json:"kind"`
	Due  time.Time `json:"due"`
	Jobs int       `json:"jobs"`
}

// Schedule gives the plan of the latest sweep that ended well, and when that was;
// the zero time where none has.
func (q *Queue) Schedule(ctx context.Context) ([]Planned, time.Time, error) {
	p := river.NewJobListParams().Kinds(string(KindSweep)).States(ofRiver([]State{Done})...).OrderBy(river.JobListOrderByID, river.SortOrderDesc).First(1)
	res, err := q.client.JobList(ctx, p)
	if err != nil {
		return nil, time.Time{}, failed(opRead, "", err)
	}
	if len(res.Jobs) == 0 {
		return nil, time.Time{}, nil
	}
	plan, err := planOf(res.Jobs[0])
	return plan, *res.Jobs[0].FinalizedAt, err
}
