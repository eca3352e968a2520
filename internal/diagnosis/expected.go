package diagnosis

import (
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/journey"
	"daozhang/internal/terms"
)

// expectations are the ways in which a rule may say how the arrival follows.
//
//	none        no money comes, or not without a step whose time cannot be known
//	due         under the terms
//	next_cycle  a person takes a step now: as if captured now
//	end         the fault's end, and the leg's normal time after it
//	next_file   with the next file: the next business day's payout
//	next_run    with the next run of payouts
//	next_day    the business day after
//	credit      within one business day from now
var expectations = map[string]bool{
	"": true, "none": true, "due": true, "next_cycle": true, "end": true, "next_file": true, "next_run": true, "next_day": true, "credit": true,
}

// expected works out when the money is to be expected.
func (e *Engine) expected(j *journey.Journey, best fit, f *findings) Expected {
	t := j.Terms
	switch best.rule.Expected {
	case "due":
		return e.underTerms(j)
	case "next_cycle":
		return later(j, fromCycle(j, j.AsOf))
	case "end":
		fault := &f[findingByName[best.rule.Fault]]
		if !fault.known {
			return Expected{}
		}
		return e.afterEnd(j, fault.to)
	case "next_file", "next_run":
		return later(j, onDay(j, nextRun(t, j.AsOf)))
	case "next_day":
		return onDay(j, t.Calendar.AddBusinessDays(max(t.LocalDate(j.AsOf), j.Legs.Day), 1))
	case "credit":
		day := t.LocalDate(j.AsOf)
		last := t.EndOf(t.Calendar.AddBusinessDays(day, 1))
		first := t.Calendar.NextOnOrAfter(day)
		return sorted(j.PaidOutAt, Expected{max(t.StartOf(first), j.PaidOutAt), t.EndOf(first), last})
	}
	return Expected{}
}

// later gives people a business day more: what waits for a step is often done
// the day after.
func later(j *journey.Journey, x Expected) Expected {
	x.Latest = j.Terms.EndOf(j.Terms.Calendar.AddBusinessDays(j.Terms.LocalDate(x.Latest), 1))
	return x
}

// underTerms gives the arrival of money that takes its normal way.
func (e *Engine) underTerms(j *journey.Journey) Expected {
	if j.Due == 0 {
		return Expected{}
	}
	t := j.Terms
	due := j.Due
	if j.Next == journey.Credit {
		due = max(due, j.LegDue)
	}
	// The money may come with the payout, and may have come already where only
	// the account's statement is still to come.
	first, from := t.StartOf(j.Legs.Day), j.AsOf
	if j.Next == journey.Credit {
		from = max(j.PaidOutAt, min(first, j.AsOf))
		first = from
	}
	if j.AsOf > due { // nobody can tell more than the next days
		day := t.Calendar.NextOnOrAfter(t.LocalDate(j.AsOf))
		return sorted(from, Expected{min(first, j.AsOf), t.EndOf(day), t.EndOf(t.Calendar.AddBusinessDays(day, 1))})
	}
	likely := due
	if j.Legs.Immediate {
		likely = j.Legs.Payout
	}
	return sorted(from, Expected{first, likely, due})
}

// fromCycle gives the arrival of something captured at a moment.
func fromCycle(j *journey.Journey, at evidence.Instant) Expected {
	d := j.Terms.NextCycle(at)
	return sorted(j.AsOf, Expected{j.Terms.StartOf(d.CreditDay), min(max(d.Payout, j.Terms.StartOf(d.CreditDay)), d.Credit), d.Credit})
}

// nextRun gives the day of the next run of payouts after a moment.
func nextRun(t *terms.Terms, at evidence.Instant) calendar.Date {
	day := t.LocalDate(at)
	if t.Calendar.IsBusinessDay(day) && at < t.StartOf(day).Add(time.Duration(t.PayoutBy)*time.Minute) {
		return day
	}
	return t.Calendar.AddBusinessDays(day, 1)
}

// onDay gives the arrival of what is paid out on a day.
func onDay(j *journey.Journey, day calendar.Date) Expected {
	t := j.Terms
	payout := t.StartOf(day).Add(time.Duration(t.PayoutBy) * time.Minute)
	credit := day
	if t.CreditDays > 0 {
		credit = t.Calendar.AddBusinessDays(day, t.CreditDays)
	}
	return sorted(j.AsOf, Expected{t.StartOf(credit), max(min(payout, t.EndOf(credit)), t.StartOf(credit)), t.EndOf(credit)})
}

// afterEnd gives the arrival when a fault ends: under the terms where the leg
// is not late by then, else with the next run after it.
func (e *Engine) afterEnd(j *journey.Journey, end evidence.Instant) Expected {
	t := j.Terms
	if end <= j.LegDue && j.AsOf <= j.LegDue {
		return e.underTerms(j)
	}
	// What a fault held back goes out once it is over, the same day where the
	// day is not over for the banks too.
	day := t.LocalDate(max(end, j.AsOf))
	if !t.Calendar.IsBusinessDay(day) || max(end, j.AsOf) > t.StartOf(day).Add(bankDay) {
		day = t.Calendar.AddBusinessDays(day, 1)
	}
	credit := day
	if t.CreditDays > 0 && j.Next != journey.Credit {
		credit = t.Calendar.AddBusinessDays(day, t.CreditDays)
	}
	likely := max(end, t.StartOf(day)).Add(2 * time.Hour)
	return sorted(min(end, j.AsOf), Expected{end, min(likely, t.EndOf(credit)), t.EndOf(credit)})
}

// bankDay is the time of day by which what is to be paid the same day is sent.
const bankDay = 18 * time.Hour

// sorted keeps an expectation in order and not before a moment.
func sorted(from evidence.Instant, x Expected) Expected {
	x.Earliest = max(x.Earliest, from)
	x.Likely = max(x.Likely, x.Earliest)
	x.Latest = max(x.Latest, x.Likely)
	return x
}
