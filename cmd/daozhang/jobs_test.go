//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
	"daozhang/internal/world/bank/custody"
)

// told runs a command as a person does and gives what it printed.
func (r *payoutRig) told(code int, args ...string) string {
	r.t.Helper()
	var out, errs bytes.Buffer
	m := &Main{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Now: time.Now, Getenv: func(string) string { return "" },
		Terminal: func(any) (int, bool) { return 0, false }, Zone: r.zone}
	if got := m.Run(context.Background(), append(args, "--database", r.server.database)); got != code {
		r.t.Fatalf("daozhang %v: exit code %d, want %d\n%s%s", args, got, code, &out, &errs)
	}
	return out.String()
}

func (r *payoutRig) until(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("never: %s\n%s", what, &r.server.log)
		}
	}
}

// swept waits until the server has looked for work twice from now on.
func (r *payoutRig) swept() {
	r.t.Helper()
	const name = `daozhang_jobs_total{kind="sweep",outcome="done"}`
	read := func() int {
		v, _ := r.server.metric(name)
		n, _ := strconv.Atoi(v)
		return n
	}
	from := read()
	r.until("two sweeps", func() bool { return read() >= from+2 })
}

// exceptions are those about jobs, as the store has them; the server is stopped.
func (r *payoutRig) exceptions() (open, resolved []payment.Exception) {
	r.t.Helper()
	ctx := context.Background()
	db, err := store.Open(ctx, store.Options{Database: r.server.database, Node: "oracle"})
	if err != nil {
		r.t.Fatal(err)
	}
	defer db.Close()
	all, err := db.Exceptions(ctx, store.ExceptionFilter{MID: settlement.House})
	if err != nil {
		r.t.Fatal(err)
	}
	for _, x := range all {
		switch {
		case x.Kind != exceptionJob:
		case x.State == payment.ExceptionResolved:
			resolved = append(resolved, x)
		default:
			open = append(open, x)
		}
	}
	return open, resolved
}

// TestJobs leads sales to the merchant's account with files in folders, and takes
// a job that cannot be done to the person who has to act, while the server runs.
func TestJobs(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { newPayoutRig(t, "").jobs() })
	t.Run("postgres", func(t *testing.T) { newPayoutRig(t, storetest.Postgres(t).Database(t)).jobs() })
}

func (r *payoutRig) jobs() {
	t := r.t
	r.server.start("")
	stop := r.sell()
	var j jobView
	if err := json.Unmarshal([]byte(r.told(0, "jobs", "run", "settle", "--merchant", "898310058129999", "--date", "2026-03-09", "--by", "anne", "-o", "json")), &j); err != nil {
		t.Fatal(err)
	}
	id := strconv.FormatInt(j.ID, 10)
	show := func() jobView {
		var v jobView
		if err := json.Unmarshal([]byte(r.told(0, "jobs", "show", id, "-o", "json")), &v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	r.until("the job has failed", func() bool { return show().State == "failed" })
	if v := show(); v.By != "anne" || v.Merchant != "898310058129999" || v.Date != "2026-03-09" || v.Attempts != 1 || v.Said == nil || v.Said.EN == "" || v.Said.ZH == v.Said.EN {
		t.Errorf("failed: %+v", v)
	}
	if list := r.told(0, "jobs", "list", "--lang", "zh"); !strings.Contains(strings.SplitN(list, "\n", 3)[1], "失败") {
		t.Errorf("the failed job does not stand first:\n%s", list)
	}
	if v, err := r.server.metric(`daozhang_jobs{kind="settle",state="failed"}`); v != "1" || err != nil {
		t.Errorf("failed jobs by the metrics: %q, %v", v, err)
	}
	if res, err := http.Get("http://" + r.server.http + "/readyz"); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("readyz beside a failed job: %v, %v", res, err)
	} else {
		res.Body.Close()
	}
	r.swept()
	r.until("money is on the merchant's account", func() bool {
		n := 0
		r.payer.View(func(b *custody.Book) {
			n = slices.IndexFunc(b.Payments(), func(p custody.Payment) bool { return p.Credits == 1 })
		})
		return n >= 0
	})
	stop()
	r.atRest()
	r.server.stop()
	if open, _ := r.exceptions(); len(open) != 1 || open[0].Owner != "platform" || !strings.Contains(open[0].Detail, "settle/898310058129999") {
		t.Errorf("open exceptions: %+v", open)
	}
	r.server.start("")
	r.swept()
	r.told(0, "jobs", "retry", id) // it fails again, and stays one exception
	r.until("it has failed again", func() bool { v := show(); return v.State == "failed" && v.Attempts == 2 })
	r.told(0, "jobs", "cancel", id)
	r.told(3, "jobs", "cancel", "999999")
	if s := r.told(0, "jobs", "schedule"); !strings.Contains(s, "settle") {
		t.Errorf("foreseen:\n%s", s)
	}
	r.swept()
	r.server.stop()
	if open, resolved := r.exceptions(); len(open) != 0 || len(resolved) != 1 || resolved[0].Closed.IsZero() {
		t.Errorf("after the job was given up: open %+v, resolved %+v", open, resolved)
	}
	for _, f := range []string{"orders/*.xml", "replies/*.pain.002.xml"} {
		if found, err := filepath.Glob(filepath.Join(r.folder, f)); err != nil || len(found) == 0 {
			t.Errorf("no files %s: %v", f, err)
		}
	}
	r.judge()
}

// TestJobsUsage refuses what cannot be meant.
func TestJobsUsage(t *testing.T) {
	for _, args := range [][]string{{"jobs", "run", "pay"}, {"jobs", "run", "settle", "--merchant", "898310058120001"}, {"jobs", "run", "hear", "--bank", "ICBC", "--payout", "P1"},
		{"jobs", "run", "import", "--network", "UnionPay", "--final"}, {"jobs", "show", "x"}, {"jobs", "list", "--state", "gone"}, {"jobs", "list", "--kind", "gone"}, {"jobs", "gone"}} {
		var out, errs bytes.Buffer
		m := &Main{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Now: time.Now, Getenv: func(string) string { return "" },
			Terminal: func(any) (int, bool) { return 0, false }, Zone: time.UTC}
		if args[1] != "gone" {
			args = append(args, "--database", t.TempDir())
		}
		if code := m.Run(context.Background(), args); code != 2 {
			t.Errorf("%v: exit code %d\n%s", args, code, &errs)
		}
	}
}
