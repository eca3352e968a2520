package intake

import (
	"context"
	"maps"
	"slices"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/calendar"
	"daozhang/internal/fault"
)

// Cell is what is known of the file of one source for one day.
type Cell struct {
	Day   calendar.Date
	State CellState
	// Due is when it had to be there, zero where none is expected.
	Due time.Time
	// At is when it came, Folder and ID name it; empty where none has come.
	At         time.Time
	Folder, ID string
}

// CellState says whether a file is there.
type CellState string

// The states of a cell.
const (
	NotExpected CellState = "not_expected"
	// Awaited is not due yet.
	Awaited CellState = "awaited"
	Arrived CellState = "arrived"
	// ArrivedLate came after it was due.
	ArrivedLate CellState = "arrived_late"
	// Late is due and has not come; after a day it is Absent.
	Late   CellState = "late"
	Absent CellState = "absent"
	// Spoilt came and was refused; a whole one is still to come.
	Spoilt CellState = "refused"
)

var cellWords = map[CellState]fault.Text{
	NotExpected: {EN: "not expected", ZH: "无需到达"}, Awaited: {EN: "awaited", ZH: "未到时限"}, Arrived: {EN: "arrived", ZH: "已到"},
	ArrivedLate: {EN: "arrived late", ZH: "迟到"}, Late: {EN: "late", ZH: "逾时"}, Absent: {EN: "absent", ZH: "缺失"}, Spoilt: {EN: "refused", ZH: "被拒收"},
}

// Word is the state for people.
func (s CellState) Word() fault.Text { return cellWords[s] }

// Missing reports whether somebody has to do something.
func (s CellState) Missing() bool { return s == Late || s == Absent || s == Spoilt }

// absentAfter is how long after its time a late file counts as absent.
const absentAfter = 24 * time.Hour

// Line is one source of the grid.
type Line struct {
	Expectation
	// Named is false for a source of which files came and nobody expects any.
	Expected bool
	Cells    []Cell
}

// Grid is which files were expected and which came: sources × days.
type Grid struct {
	Days  []calendar.Date
	Lines []Line
}

// question is what a grid is worked out from.
type question struct {
	from, to     calendar.Date
	now          time.Time
	zone         *time.Location
	calendars    func(string) (*calendar.Calendar, bool)
	expectations []Expectation
	arrivals     []Arrival
	// traded reports whether something of a network was captured on a day.
	traded func(network string, day calendar.Date) (bool, error)
}

// grid works a grid out. Sources stand in order: those expected first.
func (q *question) grid() (*Grid, error) {
	g := &Grid{}
	for d := q.from; d <= q.to; d++ {
		g.Days = append(g.Days, d)
	}
	came := map[string]map[calendar.Date][]Arrival{}
	for _, a := range q.arrivals {
		if came[a.Source] == nil {
			came[a.Source] = map[calendar.Date][]Arrival{}
		}
		came[a.Source][a.Day] = append(came[a.Source][a.Day], a)
	}
	for _, e := range q.expectations {
		line := Line{Expectation: e, Expected: !e.Off}
		for _, d := range g.Days {
			c, err := q.cell(&e, d, came[e.Source][d])
			if err != nil {
				return nil, err
			}
			line.Cells = append(line.Cells, c)
		}
		g.Lines = append(g.Lines, line)
		delete(came, e.Source)
	}
	for _, source := range slices.Sorted(maps.Keys(came)) {
		line := Line{Expectation: Expectation{Source: source, Off: true}}
		some := false
		for _, d := range g.Days {
			c, err := q.cell(&line.Expectation, d, came[source][d])
			if err != nil {
				return nil, err
			}
			some = some || c.ID != ""
			line.Cells = append(line.Cells, c)
		}
		if some {
			g.Lines = append(g.Lines, line)
		}
	}
	return g, nil
}

// cell judges one source and day.
func (q *question) cell(e *Expectation, day calendar.Date, came []Arrival) (Cell, error) {
	c := Cell{Day: day, State: NotExpected}
	zone := q.zone
	if e.Zone != "" {
		if z, err := calendar.Location(e.Zone); err == nil {
			zone = z
		}
	}
	var days *calendar.Calendar
	if e.Business {
		days, _ = q.calendars(e.Calendar)
	}
	expected := e.fits(day, days)
	if expected {
		c.Due = e.due(day, days, zone)
	}
	for _, a := range came {
		if c.ID != "" && (a.Spoilt || c.State != Spoilt) {
			continue // the first whole one is the arrival
		}
		c.At, c.Folder, c.ID, c.State = a.At, a.Folder, a.ID, Arrived
		switch {
		case a.Spoilt:
			c.State = Spoilt
		case expected && a.At.After(c.Due):
			c.State = ArrivedLate
		}
	}
	if c.ID != "" || !expected {
		return c, nil
	}
	if e.OnTrade {
		traded, err := q.traded(e.Network, day)
		if err != nil || !traded {
			c.Due = time.Time{}
			return c, err
		}
	}
	switch {
	case !q.now.After(c.Due):
		c.State = Awaited
	case q.now.Sub(c.Due) < absentAfter:
		c.State = Late
	default:
		c.State = Absent
	}
	return c, nil
}

// Grid gives the grid of the days from one to another.
func (i *Intake) Grid(ctx context.Context, from, to calendar.Date) (*Grid, error) {
	arrivals, err := i.arrivals(ctx, from.Add(-learnFrom))
	if err != nil {
		return nil, err
	}
	expectations, err := i.expectations(ctx, arrivals)
	if err != nil {
		return nil, err
	}
	q := question{from: from, to: to, now: i.Now(), zone: i.zone(), calendars: i.calendar, expectations: expectations, arrivals: arrivals,
		traded: func(network string, day calendar.Date) (bool, error) { return i.Keeper.Captured(ctx, network, day) }}
	return q.grid()
}

// expectations are those that hold: what a person set goes before the
// configuration, and that before what was learnt.
func (i *Intake) expectations(ctx context.Context, arrivals []Arrival) ([]Expectation, error) {
	stated, err := i.Keeper.Expectations(ctx)
	if err != nil {
		return nil, err
	}
	known := map[string]bool{}
	var all []Expectation
	add := func(list []Expectation) {
		for _, e := range list {
			if !known[e.Source] {
				known[e.Source] = true
				all = append(all, e)
			}
		}
	}
	base := configured(i.Office)
	for n := range base { // a stated one keeps whose it is
		for k := range stated {
			switch s := stated[k]; {
			case s.Source != base[n].Source:
			case s.Origin == Configured: // since when it is in the configuration
				base[n].From = s.From
			default:
				s.Owner, s.Network, s.OnTrade = base[n].Owner, base[n].Network, base[n].OnTrade
				base[n] = s
			}
		}
	}
	add(base)
	stated = slices.DeleteFunc(stated, func(e Expectation) bool { return e.Origin == Configured }) // no longer, or above
	add(stated)
	add(learn(arrivals, i.calendar, i.zone()))
	return all, nil
}

// Expect sets when the file of a source has to come.
func (i *Intake) Expect(ctx context.Context, who access.Actor, e Expectation) error {
	e.Origin, e.Set, e.SetBy = Stated, i.Now(), who.Name
	if err := e.flaws(i.calendar).err(fault.Say("expect file", "设置应到文件"), e.Source); err != nil {
		return err
	}
	if err := i.Keeper.PutExpectation(ctx, e); err != nil {
		return err
	}
	done := who.Did(e.Set, "expected", "source/"+e.Source)
	done.After = e.describe()
	return i.record(ctx, done)
}
