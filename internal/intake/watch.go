package intake

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// ExceptionAbsent is a file that is due and has not come. Its counterparty has to
// send it; it is resolved when it comes.
const ExceptionAbsent = "file_absent"

// absentSpace is the name space of the identities of such exceptions.
var absentSpace = uuid.MustParse("6a1f0b52-1d0e-5c3b-9a52-7f0c6d1b8e24")

// How far back an absence opens an exception, and how far one is resolved.
const (
	alarmBack   = 7
	resolveBack = 60
)

// dueFormat is how a due time stands in a sentence.
const dueFormat = "2006-01-02 15:04"

// AbsenceID is the identity of the exception about the file of a source and day.
func AbsenceID(source string, day calendar.Date) payment.ID {
	return uuid.NewSHA1(absentSpace, []byte(source+"\x00"+day.String()))
}

// Alarms is what a look for absent files did.
type Alarms struct{ Opened, Resolved int }

// Watch opens an exception for each file that is due and not there, once, and
// resolves those whose file has come, or is no longer expected. What people have
// closed it does not open again.
func (i *Intake) Watch(ctx context.Context) (Alarms, error) {
	now := i.Now()
	today := calendar.DateIn(now, i.zone())
	if err := i.begin(ctx, today); err != nil {
		return Alarms{}, err
	}
	open, err := i.openAbsences(ctx)
	if err != nil {
		return Alarms{}, err
	}
	from := today.Add(-alarmBack)
	if len(open) > 0 {
		from = today.Add(-resolveBack)
	}
	g, err := i.Grid(ctx, from, today)
	if err != nil {
		return Alarms{}, err
	}
	var done Alarms
	step := &settlement.Step{}
	step.MID, step.At = settlement.House, now
	for n := range g.Lines {
		line := &g.Lines[n]
		for _, c := range line.Cells {
			if err := i.alarm(ctx, step, &done, line, c, open); err != nil {
				return done, err
			}
		}
	}
	if len(step.Exceptions) == 0 {
		return done, nil
	}
	return done, i.Keeper.CommitSettlement(ctx, step)
}

// begin notes since when the configuration's sources are expected: nobody owes files
// of the days before.
func (i *Intake) begin(ctx context.Context, today calendar.Date) error {
	known, err := i.Keeper.Expectations(ctx)
	if err != nil {
		return err
	}
	for _, e := range configured(i.Office) {
		if slices.ContainsFunc(known, func(k Expectation) bool { return k.Source == e.Source }) {
			continue
		}
		e.From = today
		if err := i.Keeper.PutExpectation(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// openAbsences are the exceptions about absent files that are open, by id.
func (i *Intake) openAbsences(ctx context.Context) (map[payment.ID]payment.Exception, error) {
	all, err := i.Keeper.OpenExceptions(ctx, settlement.House)
	if err != nil {
		return nil, err
	}
	open := map[payment.ID]payment.Exception{}
	for _, x := range all {
		if x.Kind == ExceptionAbsent {
			open[x.ID] = x
		}
	}
	return open, nil
}

// alarm judges one cell.
func (i *Intake) alarm(ctx context.Context, step *settlement.Step, done *Alarms, line *Line, c Cell, open map[payment.ID]payment.Exception) error {
	missing := c.State.Missing() && line.Origin != Learnt && line.Origin != ""
	id := AbsenceID(line.Source, c.Day)
	x, is := open[id]
	switch {
	case missing == is:
		return nil
	case is:
		done.Resolved++
		x.State, x.Closed = payment.ExceptionResolved, step.At
		step.Exceptions = append(step.Exceptions, x)
		return nil
	case c.Day < calendar.DateIn(step.At, i.zone()).Add(-alarmBack):
		return nil
	}
	_, err := i.Keeper.ExceptionOf(ctx, settlement.House, id)
	if err == nil || fault.KindOf(err) != fault.NotFound {
		return err // a person has closed it
	}
	done.Opened++
	step.Exceptions = append(step.Exceptions, payment.Exception{ID: id, MID: settlement.House, Kind: ExceptionAbsent, Owner: ownerOf(&line.Expectation),
		Opened: step.At, Detail: absence(line, c)})
	return nil
}

func ownerOf(e *Expectation) string {
	if e.Owner != "" {
		return e.Owner
	}
	return "platform"
}

// absence says what is missing. Exceptions carry one language, as all others do.
func absence(line *Line, c Cell) string {
	what := line.Source + " for " + c.Day.String()
	if c.State == Spoilt {
		return what + " came and was refused; a whole file is due since " + c.Due.Format(dueFormat)
	}
	return what + " has not come; it was due at " + c.Due.Format(dueFormat)
}
