package jobs_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/store/jobs"
	"daozhang/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if address := os.Getenv("JOBS_CHILD"); address != "" {
		os.Exit(child(address, os.Getenv("JOBS_CHILD_NODE"), os.Getenv("JOBS_CHILD_DIR")))
	}
	code := m.Run()
	storetest.Shutdown()
	os.Exit(code)
}

// patience is how long a test waits for what has to come.
const patience = 60 * time.Second

// both runs a test on each database, on both at the same time: most of it is waiting.
func both(t *testing.T, f func(t *testing.T, address string)) {
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		f(t, migrated(t, t.TempDir()))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		f(t, migrated(t, storetest.Postgres(t).Database(t)))
	})
}

func migrated(t *testing.T, address string) string {
	t.Helper()
	if _, err := jobs.Migrate(t.Context(), address, false); err != nil {
		t.Fatal(err)
	}
	return address
}

func opened(t *testing.T, address string) *jobs.Queue {
	t.Helper()
	q, err := jobs.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	return q
}

// run runs a runner until stop, which wants it to end well.
func run(t *testing.T, q *jobs.Queue, o jobs.Options) (r *jobs.Runner, stop func()) {
	t.Helper()
	if o.Node == "" {
		o.Node = "node-1"
	}
	r, err := jobs.NewRunner(q, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the runner ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return r, stop
}

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

func insert(t *testing.T, q *jobs.Queue, r jobs.Request) jobs.Job {
	t.Helper()
	j, fresh, err := q.Insert(t.Context(), r)
	if err != nil || !fresh {
		t.Fatalf("insert %v: fresh %v, %v", r, fresh, err)
	}
	return j
}

func job(t *testing.T, q *jobs.Queue, id int64) jobs.Job {
	t.Helper()
	j, err := q.Job(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func awaitState(t *testing.T, q *jobs.Queue, id int64, s jobs.State) jobs.Job {
	t.Helper()
	var j jobs.Job
	until(t, fmt.Sprintf("job %d is %s", id, s), func() bool { j = job(t, q, id); return j.State == s })
	return j
}

var did = fault.Say("done", "已完成")

// work is one kind, named pay.
func work(do func(ctx context.Context, j jobs.Job) (fault.Text, error)) map[jobs.Kind]jobs.Work {
	return map[jobs.Kind]jobs.Work{"pay": {Do: do, Attempts: 3}}
}

// TestDone takes a job from its insertion to its end, with all it carries.
func TestDone(t *testing.T) {
	both(t, func(t *testing.T, address string) {
		q := opened(t, address)
		date := calendar.MustYMD(2026, 3, 9)
		want := jobs.Request{Kind: "pay", Key: "pay/1", MID: "898310058120001", Date: date, Subject: "PO1", By: "lin", Task: json.RawMessage(`{"n":1}`)}
		j := insert(t, q, want)
		if j.State != jobs.Waiting || j.Attempts != 0 || j.Created.IsZero() || !j.Ended.IsZero() {
			t.Errorf("inserted: %+v", j)
		}
		var got jobs.Job
		_, stop := run(t, q, jobs.Options{Work: work(func(_ context.Context, j jobs.Job) (fault.Text, error) { got = j; return did, nil })})
		j = awaitState(t, q, j.ID, jobs.Done)
		stop()
		if j.Attempts != 1 || j.Runner != "node-1" || j.Began.IsZero() || j.Ended.Before(j.Began) || j.Said != did {
			t.Errorf("done: %+v", j)
		}
		for _, r := range []jobs.Request{j.Request, got.Request} {
			if r.Kind != want.Kind || r.Key != want.Key || r.MID != want.MID || r.Date != date || r.Subject != want.Subject || r.By != want.By {
				t.Errorf("request %+v, want %+v", r, want)
			}
			var task struct{ N int }
			if err := json.Unmarshal(r.Task, &task); err != nil || task.N != 1 {
				t.Errorf("task %s: %v", r.Task, err)
			}
		}
	})
}

// TestUnique inserts the same work again in each state that a job can have.
func TestUnique(t *testing.T) {
	both(t, func(t *testing.T, address string) {
		q := opened(t, address)
		again := func(state string, first jobs.Job, want bool) {
			t.Helper()
			j, fresh, err := q.Insert(t.Context(), first.Request)
			if err != nil || fresh != want || !fresh && j.ID != first.ID {
				t.Errorf("the same again while %s: fresh %v, job %d of %d, %v", state, fresh, j.ID, first.ID, err)
			}
		}
		a := insert(t, q, jobs.Request{Kind: "pay", Key: "a"})
		again("waiting", a, false)
		insert(t, q, jobs.Request{Kind: "ask", Key: "a"}) // another kind, the same key
		insert(t, q, jobs.Request{Kind: "pay", Key: "b"})
		begun, end := make(chan bool), make(chan error)
		both := func(_ context.Context, j jobs.Job) (fault.Text, error) {
			if j.Key != "a" {
				return did, nil
			}
			begun <- true
			return did, <-end
		}
		_, stop := run(t, q, jobs.Options{Work: map[jobs.Kind]jobs.Work{"pay": {Do: both, Attempts: 2}, "ask": {Do: func(context.Context, jobs.Job) (fault.Text, error) { return did, nil }}}})
		defer stop()
		<-begun
		again("running", a, false)
		end <- errors.New("the bank is away")
		awaitState(t, q, a.ID, jobs.Retrying)
		again("retrying", a, false)
		<-begun
		end <- errors.New("the bank is away")
		awaitState(t, q, a.ID, jobs.Failed)
		again("failed for good", a, false)
		if _, err := q.Retry(t.Context(), a.ID); err != nil {
			t.Fatal(err)
		}
		<-begun
		end <- nil
		awaitState(t, q, a.ID, jobs.Done)
		go func() { <-begun; end <- nil }()
		again("done", a, true)
	})
}

// TestAtOnce lets many insert the same work at the same time, each with a
// connection of its own.
func TestAtOnce(t *testing.T) {
	both(t, func(t *testing.T, address string) {
		var fresh atomic.Int64
		var done sync.WaitGroup
		for range 6 {
			q := opened(t, address)
			done.Go(func() {
				for i := range 20 {
					_, is, err := q.Insert(t.Context(), jobs.Request{Kind: "pay", Key: fmt.Sprint("k", i)})
					if err != nil {
						t.Error(err)
					}
					if is {
						fresh.Add(1)
					}
				}
			})
		}
		done.Wait()
		if n := fresh.Load(); n != 20 {
			t.Errorf("%d jobs for 20 pieces of work", n)
		}
	})
}

// TestRetry fails twice and then does it; and one that needs a person is not tried
// a second time.
func TestRetry(t *testing.T) {
	both(t, func(t *testing.T, address string) {
		q := opened(t, address)
		var tries atomic.Int64
		away := fault.New(fault.Internal, fault.Say("write", "写入"), "orders", fault.Say("card 6222021234567890128", "卡号 6222021234567890128"), fault.Text{})
		_, stop := run(t, q, jobs.Options{Work: work(func(_ context.Context, j jobs.Job) (fault.Text, error) {
			switch {
			case j.Key == "hopeless":
				return fault.Text{}, fault.New(fault.Invalid, fault.Say("settle", "清算"), "", fault.Say("no terms", "没有条款"), fault.Text{})
			case tries.Add(1) < 3:
				return fault.Text{}, away
			}
			return did, nil
		})})
		defer stop()
		hopeless := insert(t, q, jobs.Request{Kind: "pay", Key: "hopeless"})
		j := insert(t, q, jobs.Request{Kind: "pay", Key: "a"})
		failing := awaitState(t, q, j.ID, jobs.Retrying)
		if failing.Said.EN == "" || failing.Said.ZH == "" || strings.Contains(failing.Said.EN+failing.Said.ZH, "6222021234567890128") {
			t.Errorf("said %+v, want both languages and no card number", failing.Said)
		}
		if j = awaitState(t, q, j.ID, jobs.Done); j.Attempts != 3 || tries.Load() != 3 || j.Said != did {
			t.Errorf("done after %d attempts on record and %d in fact, saying %q", j.Attempts, tries.Load(), j.Said.EN)
		}
		if h := awaitState(t, q, hopeless.ID, jobs.Failed); h.Attempts != 1 || h.Said.ZH != "清算：没有条款" {
			t.Errorf("the hopeless one: %+v", h)
		}
	})
}

// TestFailed takes a job that always fails to where a person is told, who retries
// it once the reason is gone.
func TestFailed(t *testing.T) {
	both(t, func(t *testing.T, address string) {
		q := opened(t, address)
		var mended atomic.Bool
		var told atomic.Pointer[[]jobs.Job]
		_, stop := run(t, q, jobs.Options{Every: time.Second,
			Work: work(func(context.Context, jobs.Job) (fault.Text, error) {
				if !mended.Load() {
					panic("the disk is full")
				}
				return did, nil
			}),
			Failed: func(_ context.Context, failed []jobs.Job) error { told.Store(&failed); return nil }})
		defer stop()
		j := insert(t, q, jobs.Request{Kind: "pay", Key: "a"})
		other := insert(t, q, jobs.Request{Kind: "pay", Key: "b"})
		failed := awaitState(t, q, j.ID, jobs.Failed)
		if failed.Attempts != 3 || !strings.Contains(failed.Said.EN, "the disk is full") {
			t.Errorf("failed: %+v", failed)
		}
		awaitState(t, q, other.ID, jobs.Failed)
		until(t, "both are told", func() bool { f := told.Load(); return f != nil && len(*f) == 2 })
		all, err := q.List(t.Context(), jobs.Filter{})
		if err != nil || len(all) < 2 || all[0].State != jobs.Failed {
			t.Errorf("listed: %v, %v", all, err)
		}
		counts, err := q.Counts(t.Context())
		if err != nil || !slices.ContainsFunc(counts, func(c jobs.Count) bool {
			return c.Kind == "pay" && c.State == jobs.Failed && c.Jobs == 2 && time.Since(c.Oldest) < time.Hour && time.Since(c.Oldest) > -time.Minute
		}) {
			t.Errorf("counts: %v, %v", counts, err)
		}
		if _, err := q.Cancel(t.Context(), other.ID); err != nil {
			t.Fatal(err)
		}
		awaitState(t, q, other.ID, jobs.Cancelled)
		mended.Store(true)
		if _, err := q.Retry(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
		awaitState(t, q, j.ID, jobs.Done)
		until(t, "none is told any more", func() bool { return len(*told.Load()) == 0 })
	})
}

// TestCancel gives up a job that waits, and one that runs.
func TestCancel(t *testing.T) {
	both(t, func(t *testing.T, address string) {
		q := opened(t, address)
		waiting := insert(t, q, jobs.Request{Kind: "pay", Key: "waiting"})
		if j, err := q.Cancel(t.Context(), waiting.ID); err != nil || j.State != jobs.Cancelled {
			t.Errorf("cancelled: %+v, %v", j, err)
		}
		begun := make(chan bool, 2)
		_, stop := run(t, q, jobs.Options{Work: work(func(ctx context.Context, j jobs.Job) (fault.Text, error) {
			begun <- true
			<-ctx.Done()
			return fault.Text{}, ctx.Err()
		})})
		defer stop()
		running := insert(t, q, jobs.Request{Kind: "pay", Key: "running"})
		<-begun
		if _, err := q.Retry(t.Context(), running.ID); fault.KindOf(err) != fault.Conflict {
			t.Errorf("retry of one that runs: %v", err)
		}
		if _, err := q.Cancel(t.Context(), running.ID); err != nil {
			t.Fatal(err)
		}
		awaitState(t, q, running.ID, jobs.Cancelled)
		if _, err := q.Job(t.Context(), 1<<40); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a job that is not there: %v", err)
		}
		if _, err := q.Cancel(t.Context(), 1<<40); fault.KindOf(err) != fault.NotFound {
			t.Errorf("cancelling one that is not there: %v", err)
		}
	})
}

// TestCancelFailed gives up jobs that failed for good beside a runner that looks for
// work all the time: none of them runs once more on its way.
func TestCancelFailed(t *testing.T) {
	both(t, func(t *testing.T, address string) {
		q := opened(t, address)
		many := 150
		if testing.Short() {
			many = 40
		}
		var tries atomic.Int64
		_, stop := run(t, q, jobs.Options{Every: 20 * time.Millisecond, Work: work(func(context.Context, jobs.Job) (fault.Text, error) {
			tries.Add(1)
			return fault.Text{}, fault.New(fault.Invalid, fault.Say("settle", "清算"), "", fault.Say("no terms", "没有条款"), fault.Text{})
		})})
		defer stop()
		var all []jobs.Job
		for i := range many {
			all = append(all, insert(t, q, jobs.Request{Kind: "pay", Key: strconv.Itoa(i)}))
		}
		for _, j := range all {
			awaitState(t, q, j.ID, jobs.Failed)
			if c, err := q.Cancel(t.Context(), j.ID); err != nil || c.State != jobs.Cancelled || c.Attempts != 1 {
				t.Errorf("gave up job %d: %+v, %v", j.ID, c, err)
			}
		}
		if n := int(tries.Load()); n != many {
			t.Errorf("%d jobs were tried %d times", many, n)
		}
	})
}

// TestPlan holds that by the plan's clock what is due is run and what is not is
// shown, and that it is run once it is due.
func TestPlan(t *testing.T) {
	both(t, func(t *testing.T, address string) {
		q := opened(t, address)
		noon := time.Date(2031, 3, 9, 12, 0, 0, 0, time.UTC) // far from the machine's clock
		var now atomic.Pointer[time.Time]
		now.Store(&noon)
		later := noon.Add(time.Hour)
		var mu sync.Mutex
		ran := map[string]int{}
		count := func(key string) int { mu.Lock(); defer mu.Unlock(); return ran[key] }
		_, stop := run(t, q, jobs.Options{Every: time.Second, Now: func() time.Time { return *now.Load() },
			Work: work(func(_ context.Context, j jobs.Job) (fault.Text, error) {
				mu.Lock()
				defer mu.Unlock()
				ran[j.Key]++
				return fault.Text{}, nil
			}),
			Plan: func(context.Context) ([]jobs.Request, error) {
				var out []jobs.Request
				for _, r := range []jobs.Request{{Kind: "pay", Key: "now", Due: noon}, {Kind: "pay", Key: "now"}, {Kind: "pay", Key: "later", Due: later}, {Kind: "pay", Key: "later still", Due: later}} {
					if count(r.Key) == 0 {
						out = append(out, r)
					}
				}
				return out, errors.New("one thing could not be found out")
			}})
		defer stop()
		until(t, "what is due has run", func() bool { return count("now") > 0 })
		if n := count("later"); n != 0 {
			t.Errorf("what is not due ran %d times", n)
		}
		end := later.Add(time.Minute)
		now.Store(&end)
		until(t, "what became due has run", func() bool { return count("later") > 0 && count("later still") > 0 })
		stop()
		if count("now") != 1 || count("later") != 1 {
			t.Errorf("ran %v", ran)
		}
	})
}

// TestSchedule shows what the latest sweep foresaw.
func TestSchedule(t *testing.T) {
	both(t, func(t *testing.T, address string) {
		q := opened(t, address)
		if plan, at, err := q.Schedule(t.Context()); len(plan) != 0 || !at.IsZero() || err != nil {
			t.Errorf("before any sweep: %v, %v, %v", plan, at, err)
		}
		due := time.Date(2031, 3, 9, 9, 0, 0, 0, time.UTC)
		_, stop := run(t, q, jobs.Options{Every: time.Second, Work: work(func(context.Context, jobs.Job) (fault.Text, error) { return did, nil }),
			Plan: func(context.Context) ([]jobs.Request, error) {
				return []jobs.Request{{Kind: "pay", Key: "1", Due: due}, {Kind: "pay", Key: "2", Due: due.Add(time.Hour)}, {Kind: "pay", Key: "3", Due: due}}, nil
			}})
		defer stop()
		var plan []jobs.Planned
		until(t, "a sweep has ended", func() bool {
			var at time.Time
			var err error
			if plan, at, err = q.Schedule(t.Context()); err != nil {
				t.Fatal(err)
			}
			return !at.IsZero()
		})
		if len(plan) != 1 || plan[0].Kind != "pay" || !plan[0].Due.Equal(due) || plan[0].Jobs != 2 {
			t.Errorf("foreseen: %+v", plan)
		}
		if all, err := q.List(t.Context(), jobs.Filter{}); err != nil || len(all) != 0 {
			t.Errorf("jobs that were not due, or sweeps: %v, %v", all, err)
		}
	})
}

// TestSweepFails tells a person when sweeps go on failing, and forgets it when one
// ends well.
func TestSweepFails(t *testing.T) {
	both(t, func(t *testing.T, address string) {
		q := opened(t, address)
		var mended atomic.Bool
		var told atomic.Pointer[[]jobs.Job]
		_, stop := run(t, q, jobs.Options{Every: time.Second, Work: work(func(context.Context, jobs.Job) (fault.Text, error) { return did, nil }),
			Plan: func(context.Context) ([]jobs.Request, error) {
				if mended.Load() {
					return nil, nil
				}
				return nil, errors.New("the folder cannot be read")
			},
			Failed: func(_ context.Context, failed []jobs.Job) error { told.Store(&failed); return nil }})
		defer stop()
		until(t, "the sweep is told", func() bool {
			f := told.Load()
			return f != nil && len(*f) == 1 && (*f)[0].Kind == jobs.KindSweep && strings.Contains((*f)[0].Said.EN, "the folder cannot be read")
		})
		mended.Store(true)
		until(t, "nothing is told", func() bool { return len(*told.Load()) == 0 })
	})
}

// TestDrain lets a running job come to its end, and stops one that does not; that
// one is run again later and its attempt does not count as a failure.
func TestDrain(t *testing.T) {
	both(t, func(t *testing.T, address string) {
		q := opened(t, address)
		begun, end := make(chan bool, 2), make(chan bool)
		do := func(ctx context.Context, j jobs.Job) (fault.Text, error) {
			if j.Attempts > 1 {
				return did, nil
			}
			begun <- true
			if j.Key == "stubborn" {
				<-ctx.Done()
				return fault.Text{}, ctx.Err()
			}
			<-end
			return did, nil
		}
		_, stop := run(t, q, jobs.Options{Drain: 300 * time.Millisecond, Work: work(do)})
		stubborn := insert(t, q, jobs.Request{Kind: "pay", Key: "stubborn"})
		tidy := insert(t, q, jobs.Request{Kind: "pay", Key: "tidy"})
		<-begun
		<-begun
		time.AfterFunc(100*time.Millisecond, func() { end <- true })
		stop()
		if j := job(t, q, tidy.ID); j.State != jobs.Done {
			t.Errorf("the tidy one: %+v", j)
		}
		if j := job(t, q, stubborn.ID); j.State != jobs.Waiting && j.State != jobs.Retrying {
			t.Errorf("the stubborn one: %+v", j)
		}
		_, stop = run(t, q, jobs.Options{Work: work(func(context.Context, jobs.Job) (fault.Text, error) { return did, nil })})
		defer stop()
		awaitState(t, q, stubborn.ID, jobs.Done)
	})
}

// TestOptions refuses what cannot be.
func TestOptions(t *testing.T) {
	both(t, func(t *testing.T, address string) {
		q := opened(t, address)
		for _, r := range []jobs.Request{{Key: "a"}, {Kind: "Pay", Key: "a"}, {Kind: "pay"}, {Kind: "pay", Key: strings.Repeat("k", 301)}, {Kind: "pay", Key: "a", Task: json.RawMessage("{")}} {
			if _, _, err := q.Insert(t.Context(), r); fault.KindOf(err) != fault.Usage {
				t.Errorf("insert %+v: %v", r, err)
			}
		}
		if _, err := jobs.NewRunner(q, jobs.Options{Work: map[jobs.Kind]jobs.Work{"pay": {}}}); fault.KindOf(err) != fault.Usage {
			t.Errorf("work without Do: %v", err)
		}
		// A second runner of the name.
		run(t, q, jobs.Options{Work: work(func(context.Context, jobs.Job) (fault.Text, error) { return did, nil })})
		until(t, "the first runs", func() bool { _, at, err := q.Schedule(t.Context()); return err == nil && !at.IsZero() })
		second, err := jobs.NewRunner(opened(t, address), jobs.Options{Node: "node-1", Work: work(func(context.Context, jobs.Job) (fault.Text, error) { return did, nil })})
		if err != nil {
			t.Fatal(err)
		}
		if err := second.Run(t.Context()); fault.KindOf(err) != fault.Conflict {
			t.Errorf("a second runner of the name: %v", err)
		}
	})
}

// TestMigrate makes the tables, once, also where several do at the same time, and
// refuses a database without them.
func TestMigrate(t *testing.T) {
	try := func(t *testing.T, address string, missing fault.Kind) {
		if _, err := jobs.Open(t.Context(), address); fault.KindOf(err) != missing {
			t.Errorf("without tables: %v", err)
		}
		dry, err := jobs.Migrate(t.Context(), address, true)
		if err != nil || len(dry) == 0 || dry[0].Applied {
			t.Errorf("dry: %v, %v", dry, err)
		}
		var done sync.WaitGroup
		for range 3 {
			done.Go(func() {
				if _, err := jobs.Migrate(t.Context(), address, false); err != nil {
					t.Error(err)
				}
			})
		}
		done.Wait()
		again, err := jobs.Migrate(t.Context(), address, false)
		if err != nil || len(again) != len(dry) || slices.ContainsFunc(again, func(m jobs.Migration) bool { return !m.Applied }) {
			t.Errorf("again: %v, %v", again, err)
		}
		opened(t, address)
	}
	t.Run("sqlite", func(t *testing.T) { try(t, filepath.Join(t.TempDir(), "new"), fault.NotFound) })
	t.Run("postgres", func(t *testing.T) { try(t, storetest.Postgres(t).Database(t), fault.Conflict) })
	if _, err := jobs.Open(t.Context(), "mysql://x"); fault.KindOf(err) != fault.Usage {
		t.Errorf("another database: %v", err)
	}
}

// child runs jobs in a process of its own until it is killed. Each attempt leaves a
// line in a file of its key; a key that begins with "slow" does not end in the
// first attempt.
func child(address, node, dir string) int {
	q, err := jobs.Open(context.Background(), address)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	r, err := jobs.NewRunner(q, jobs.Options{Node: node, Every: time.Second, Work: work(func(ctx context.Context, j jobs.Job) (fault.Text, error) {
		f, err := os.OpenFile(filepath.Join(dir, j.Key), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return fault.Text{}, err
		}
		defer f.Close()
		if _, err := fmt.Fprintf(f, "%s attempt %d\n", node, j.Attempts); err != nil {
			return fault.Text{}, err
		}
		if strings.HasPrefix(j.Key, "slow") && j.Attempts == 1 {
			<-ctx.Done()
			return fault.Text{}, ctx.Err()
		}
		return did, nil
	})})
	if err == nil {
		err = r.Run(context.Background())
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// process starts a child and gives how to kill it.
func process(t *testing.T, address, node, dir string) (kill func()) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), "JOBS_CHILD="+address, "JOBS_CHILD_NODE="+node, "JOBS_CHILD_DIR="+dir)
	out, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var said sync.WaitGroup
	said.Go(func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			fmt.Fprintln(io.Discard, s.Text())
		}
	})
	kill = sync.OnceFunc(func() {
		_ = c.Process.Kill()
		said.Wait()
		_ = c.Wait()
	})
	t.Cleanup(kill)
	return kill
}

func lines(t *testing.T, dir, key string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, key))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == '\n' })
}

// TestKilled kills a process in the middle of a job. Started again, it does it.
func TestKilled(t *testing.T) {
	both(t, func(t *testing.T, address string) {
		q, dir := opened(t, address), t.TempDir()
		j := insert(t, q, jobs.Request{Kind: "pay", Key: "slow"})
		kill := process(t, address, "node-1", dir)
		until(t, "it is at the job", func() bool { return len(lines(t, dir, "slow")) == 1 })
		kill()
		if j := job(t, q, j.ID); j.State != jobs.Running {
			t.Fatalf("killed in the middle: %+v", j)
		}
		killed := time.Now()
		process(t, address, "node-1", dir)
		j = awaitState(t, q, j.ID, jobs.Done)
		t.Logf("done %s after the kill", time.Since(killed).Round(10*time.Millisecond))
		if got := lines(t, dir, "slow"); len(got) != 2 || j.Attempts != 2 {
			t.Errorf("attempts %q, on record %d", got, j.Attempts)
		}
	})
}

// TestNodes runs two processes on one PostgreSQL: each job is done once, sweeps are
// those of one leader, and what one was at when it died is done by the other.
func TestNodes(t *testing.T) {
	address := migrated(t, storetest.Postgres(t).Database(t))
	q, dir := opened(t, address), t.TempDir()
	kills := map[string]func(){"node-1": process(t, address, "node-1", dir), "node-2": process(t, address, "node-2", dir)}
	const n = 300
	for i := range n {
		insert(t, q, jobs.Request{Kind: "pay", Key: fmt.Sprint("k", i)})
	}
	until(t, "all are done", func() bool {
		c, err := q.Counts(t.Context())
		return err == nil && !slices.ContainsFunc(c, func(c jobs.Count) bool { return c.Kind == "pay" })
	})
	by := map[string]int{}
	for i := range n {
		l := lines(t, dir, fmt.Sprint("k", i))
		if len(l) != 1 {
			t.Fatalf("job %d was done %d times: %q", i, len(l), l)
		}
		node, _, _ := strings.Cut(l[0], " ")
		by[node]++
	}
	t.Logf("shared: %v", by)
	slow := insert(t, q, jobs.Request{Kind: "pay", Key: "slow"})
	until(t, "one is at it", func() bool { return len(lines(t, dir, "slow")) == 1 })
	dead := job(t, q, slow.ID).Runner
	killed := time.Now()
	kills[dead]()
	slow = awaitState(t, q, slow.ID, jobs.Done)
	t.Logf("taken over %s after the kill", time.Since(killed).Round(10*time.Millisecond))
	if slow.Runner == dead || len(lines(t, dir, "slow")) != 2 {
		t.Errorf("%s died, and %s did it, in %q", dead, slow.Runner, lines(t, dir, "slow"))
	}
	_, before, err := q.Schedule(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	until(t, "sweeps go on", func() bool { _, at, err := q.Schedule(t.Context()); return err == nil && at.After(before) })
	t.Logf("swept %s after the kill", time.Since(killed).Round(10*time.Millisecond))
}
