// Package jobs runs the work of the back office that nobody waits for: cut-off,
// clearing files, settlement, payouts and what becomes of them. A job is only the
// hand that does it. What has to be done stands in the rows of payouts and
// batches; a sweep looks for what waits there and inserts a job for each, so a
// job that is lost loses nothing and one that runs twice does nothing the second
// time: the versions of the rows decide.
//
// The parts: Queue is the table of jobs, which `daozhang jobs` uses beside a
// running server; Runner, in runner.go, takes jobs from it and sweeps. Both stand
// on River: river.go says how jobs are its rows, sqlite.go and postgres.go what
// differs between the databases, migrate.go makes its tables.
//
// On SQLite the jobs lie in a file of their own, jobs.db beside daozhang.db: its
// writers are several processes that come and go, and the one writer of the books
// never waits for them. On PostgreSQL they lie in the same database; where that
// is distributed (Citus), River's tables stay local to the coordinator.
//
// River schedules by the clock of the machine. The business clock is the
// planner's: it says by its own Now what is due, and that is run at once.
package jobs

import (
	"encoding/json"
	"fmt"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
)

// Kind is what a job does, in lower case with underscores.
type Kind string

// KindSweep is the kind of the runner's own jobs, which look for what waits.
const KindSweep Kind = "sweep"

// Request is work to be done.
type Request struct {
	Kind Kind
	// Key names the work among those of its kind. While a job with it waits, runs,
	// is retried or has failed for good, the same work is not inserted again.
	Key string
	// MID is the merchant it concerns, Date the business day, Subject what else it
	// is about (a network, a payout, a file); each may be none: a date of none is
	// calendar.None or 0.
	MID     string
	Date    calendar.Date
	Subject string
	// Task is all that the work needs to know, as JSON; none for what MID, Date and
	// Subject say.
	Task json.RawMessage
	// By is who asked for it: a person, or "" for the plan.
	By string
	// Due is when by the business clock it is to be done. A runner inserts what is
	// due and leaves the rest to a later sweep. Zero: at once.
	Due time.Time
}

// State is how far a job has come.
type State string

// The states of a job.
const (
	Waiting   State = "waiting"   // to be run as soon as a runner is free
	Running   State = "running"   // a runner is at it
	Retrying  State = "retrying"  // failed, and is tried again at Job.Next
	Done      State = "done"      // ended well
	Failed    State = "failed"    // failed as often as it may: a person has to act
	Cancelled State = "cancelled" // given up by a person
)

// States lists all states.
var States = []State{Waiting, Running, Retrying, Done, Failed, Cancelled}

// Job is a request on record with what became of it.
type Job struct {
	ID int64
	Request
	State State
	// Attempts counts how often it was begun.
	Attempts int
	// Runner is who ran it last; "" for nobody yet.
	Runner string
	// Created, Next (when it is or was to be run), Began and Ended are moments of the
	// machine's clock; zero where there is none.
	Created, Next, Began, Ended time.Time
	// Said is what the last attempt did or why it failed, in both languages.
	Said fault.Text
}

// Count is how many jobs of a kind are in a state, and since when the oldest of
// them has been due.
type Count struct {
	Kind   Kind
	State  State
	Jobs   int64
	Oldest time.Time
}

// Filter chooses jobs. What is empty chooses all.
type Filter struct {
	Kinds  []Kind
	States []State
	MID    string
	// Swept includes the runner's own sweeps, which nobody asked for.
	Swept bool
	// Most is how many; 0 for 100, at most 10,000.
	Most int
}

// check says what is wrong with a request.
func (r *Request) check() error {
	var why fault.Text
	switch {
	case !word(string(r.Kind)):
		why = fault.Say("a kind is a word of lower case letters, digits and underscores", "任务种类由小写字母、数字和下划线组成")
	case r.Key == "" || len(r.Key) > 300:
		why = fault.Say("a key has 1 to 300 bytes", "任务键为 1 至 300 字节")
	case r.Task != nil && !json.Valid(r.Task):
		why = fault.Say("its task is not JSON", "任务内容不是 JSON")
	default:
		return nil
	}
	return fault.New(fault.Usage, opInsert, fmt.Sprintf("%.40q", string(r.Kind)), why, fault.Text{})
}

func word(s string) bool {
	if s == "" || len(s) > 60 {
		return false
	}
	for _, c := range []byte(s) {
		if c != '_' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
