package intake_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/intake"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store/storetest"
)

func day(d int) calendar.Date { return calendar.MustYMD(2026, 6, d) }

func at(d, hour, minute int) time.Time { return time.Date(2026, 6, d, hour, minute, 0, 0, shanghai) }

// cell is the state of a source's day in the grid.
func (b *bench) cell(source string, d calendar.Date) intake.Cell {
	b.t.Helper()
	g, err := b.Grid(b.t.Context(), d, d)
	if err != nil {
		b.t.Fatal(err)
	}
	for i := range g.Lines {
		if g.Lines[i].Source == source {
			return g.Lines[i].Cells[0]
		}
	}
	return intake.Cell{}
}

func (b *bench) file(folder, name string, received time.Time, state backoffice.FilingState, date calendar.Date) {
	b.t.Helper()
	err := b.db.PutFiling(b.t.Context(), backoffice.Filing{Folder: folder, Hash: fmt.Sprintf("%064x", len(name)) + name, Name: name, Received: received, State: state, Date: date})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) watch() intake.Alarms {
	b.t.Helper()
	a, err := b.Watch(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

// absences are the open exceptions about absent files.
func (b *bench) absences() (open []payment.Exception) {
	b.t.Helper()
	all, err := b.db.OpenExceptions(b.t.Context(), settlement.House)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, x := range all {
		if x.Kind == intake.ExceptionAbsent {
			open = append(open, x)
		}
	}
	return open
}

func TestAbsentStatement(t *testing.T) {
	onBoth(t, func(t *testing.T, address string) {
		b := newBench(t, address, true)
		const source = "statements/ICBC"
		b.now = at(1, 9, 0) // a Monday: from now on
		if a := b.watch(); a.Opened != 0 {
			t.Fatalf("files of the days before are missed: %+v", a)
		}
		for _, x := range []struct {
			now  time.Time
			want intake.CellState
		}{
			{at(1, 12, 0), intake.Awaited}, {at(2, 10, 0), intake.Awaited}, {at(2, 10, 1), intake.Late}, {at(3, 10, 1), intake.Absent},
		} {
			if b.now = x.now; b.cell(source, day(1)).State != x.want {
				t.Errorf("at %s: %s, want %s", x.now.Format(time.DateTime), b.cell(source, day(1)).State, x.want)
			}
		}
		if s := b.cell(source, day(6)).State; s != intake.NotExpected {
			t.Errorf("on a Saturday: %s", s)
		}

		b.now = at(2, 10, 30)
		if a := b.watch(); a.Opened != 1 || a.Resolved != 0 {
			t.Fatalf("%+v", a)
		}
		open := b.absences()
		if len(open) != 1 || open[0].Owner != "bank/ICBC" || !strings.Contains(open[0].Detail, "2026-06-01") || open[0].ID != intake.AbsenceID(source, day(1)) {
			t.Fatalf("%+v", open)
		}
		if a := b.watch(); a.Opened != 0 || len(b.absences()) != 1 {
			t.Fatalf("opened twice: %+v", a)
		}
		// One that is refused is no arrival.
		b.file(source, "20260601.xml", at(2, 10, 40), backoffice.Refused, calendar.None)
		if c := b.cell(source, day(1)); c.State != intake.Spoilt || !c.State.Missing() {
			t.Errorf("%+v", c)
		}
		if a := b.watch(); a.Resolved != 0 || len(b.absences()) != 1 {
			t.Fatalf("%+v", a)
		}
		b.file(source, "2026-06-01-again.xml", at(2, 11, 0), backoffice.Taken, calendar.None)
		if c := b.cell(source, day(1)); c.State != intake.ArrivedLate || !c.At.Equal(at(2, 11, 0)) || c.Folder != source {
			t.Errorf("%+v", c)
		}
		if a := b.watch(); a.Resolved != 1 || len(b.absences()) != 0 {
			t.Fatalf("%+v, %d open", a, len(b.absences()))
		}
	})
}

// What people have closed stays closed.
func TestClosedByHand(t *testing.T) {
	b := newBench(t, t.TempDir(), true)
	b.now = at(1, 9, 0)
	b.watch()
	b.now = at(2, 11, 0)
	b.watch()
	x := b.absences()[0]
	x.State, x.Closed = payment.ExceptionResolved, b.now
	step := &settlement.Step{}
	step.MID, step.At, step.Exceptions = settlement.House, b.now, []payment.Exception{x}
	if err := b.db.CommitSettlement(t.Context(), step); err != nil {
		t.Fatal(err)
	}
	if a := b.watch(); a.Opened != 0 || len(b.absences()) != 0 {
		t.Errorf("%+v", a)
	}
}

// A network's file is due for days of which something is captured, and no exception
// is opened for a quiet day.
func TestAbsentClearing(t *testing.T) {
	b := newBench(t, t.TempDir(), true)
	const source = "clearing/UnionPay"
	b.now = at(1, 9, 0)
	b.watch()
	b.now = at(3, 10, 30)
	if s := b.cell(source, day(2)).State; s != intake.NotExpected {
		t.Fatalf("a quiet day: %s", s)
	}
	capture(b, "UnionPay", day(2))
	if s := b.cell(source, day(2)).State; s != intake.Late {
		t.Fatalf("with a sale: %s", s)
	}
	b.watch()
	if open := b.absences(); len(open) == 0 || open[len(open)-1].Owner != "network/UnionPay" && open[0].Owner != "network/UnionPay" {
		t.Fatalf("%+v", open)
	}
	b.file(source, "c.txt", at(3, 12, 0), backoffice.Taken, day(2))
	if a := b.watch(); a.Resolved != 1 {
		t.Errorf("%+v", a)
	}
}

// capture puts a captured sale on record, as raw as a test may.
func capture(b *bench, network string, d calendar.Date) {
	b.t.Helper()
	raw := storetest.Raw(b.t, b.address)
	if _, err := raw.Exec("INSERT INTO clearing_due (merchant, payment, network, date) VALUES ($1, $2, $3, $4)", mid, []byte("0123456789abcdef"), network, d.String()); err != nil {
		b.t.Fatal(err)
	}
}

func TestExpectations(t *testing.T) {
	b := newBench(t, t.TempDir(), true)
	ctx := t.Context()
	const source = "statements/ICBC"
	b.now = at(1, 9, 0)
	b.watch()
	set := intake.Expectation{Source: source, Business: true, Calendar: "CN", Lag: 2, By: 15*60 + 30, From: day(1)}
	if err := b.Expect(ctx, wang, set); err != nil {
		t.Fatal(err)
	}
	if c := b.cell(source, day(5)); !c.Due.Equal(at(9, 15, 30)) { // a Friday, two business days
		t.Errorf("due %v", c.Due)
	}
	set.Off = true
	if err := b.Expect(ctx, wang, set); err != nil {
		t.Fatal(err)
	}
	if c := b.cell(source, day(5)); c.State != intake.NotExpected {
		t.Errorf("%+v", c)
	}
	for _, bad := range []intake.Expectation{{}, {Source: "x", By: 24*60 + 1}, {Source: "x", Lag: -1}, {Source: "x", Business: true, Calendar: "MARS"}, {Source: "x", Zone: "Mars/Base"}} {
		if err := b.Expect(ctx, wang, bad); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v is taken: %v", bad, err)
		}
	}
	if !b.log.has("expected", "source/"+source) {
		t.Error("the audit log does not know it")
	}
}

// A statement that a person has brought every morning is expected from then on, and
// its absence opens no exception: a habit is no promise.
func TestLearnt(t *testing.T) {
	b := newBench(t, t.TempDir(), false)
	statementOf := func(d int) string {
		return strings.NewReplacer("2026-06-02", day(d).String(), "2026-06-03", day(d+1).String(), "S20260602", "S"+day(d).String()).Replace(stating("622200001111", "150.00"))
	}
	source := ""
	for d := 8; d <= 12; d++ { // Monday to Friday
		b.now = at(d+1, 8, 10*(d-8))
		f := b.bring("s.xml", statementOf(d))
		if f.State != intake.Taken {
			t.Fatalf("%d June: %+v", d, f)
		}
		source = f.Streams[0].Name
	}
	b.now = at(16, 12, 0)
	g, err := b.Grid(t.Context(), day(8), day(16))
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Lines) != 1 || g.Lines[0].Source != source || g.Lines[0].Origin != intake.Learnt || !g.Lines[0].Business {
		t.Fatalf("%+v", g.Lines)
	}
	want := []intake.CellState{intake.Arrived, intake.Arrived, intake.Arrived, intake.Arrived, intake.Arrived, intake.NotExpected, intake.NotExpected, intake.Late, intake.Awaited}
	for i, c := range g.Lines[0].Cells {
		if c.State != want[i] {
			t.Errorf("%s: %s, want %s (due %s)", c.Day, c.State, want[i], c.Due)
		}
	}
	if a := b.watch(); a.Opened != 0 {
		t.Errorf("%+v", a)
	}
}

// Whatever came and whenever one looks: a cell never says that a file is missing
// which is there whole, nor before its time.
func TestGridProperty(t *testing.T) {
	b := newBench(t, t.TempDir(), true)
	b.now = at(1, 9, 0)
	b.watch()
	const source = "statements/ICBC"
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		d := day(rapid.IntRange(1, 26).Draw(t, "day"))
		came := at(rapid.IntRange(1, 28).Draw(t, "came on"), rapid.IntRange(0, 23).Draw(t, "hour"), n%60)
		state := rapid.SampledFrom([]backoffice.FilingState{backoffice.Taken, backoffice.Refused, backoffice.Repeated}).Draw(t, "state")
		if err := b.db.PutFiling(b.t.Context(), backoffice.Filing{Folder: source, Hash: fmt.Sprintf("%064d", n), Name: fmt.Sprintf("%s-%d.xml", d, n), Received: came, State: state, Date: calendar.None}); err != nil {
			t.Fatal(err)
		}
		b.now = at(28, 23, 59)
		b.now = b.now.Add(-time.Duration(rapid.IntRange(0, 400).Draw(t, "hours ago")) * time.Hour)
		c := b.cell(source, d)
		if c.State.Missing() && state != backoffice.Refused && !came.Before(d.In(shanghai).Add(-28*24*time.Hour)) {
			t.Fatalf("%s is %s and came at %s", d, c.State, came)
		}
		if (c.State == intake.Late || c.State == intake.Absent) && !b.now.After(c.Due) {
			t.Fatalf("%s is %s at %s, due %s", d, c.State, b.now, c.Due)
		}
	})
}
