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

// expected works out when the money is to be expected, and for how long that stays.
func (e *Engine) expected(j *journey.Journey, best fit, f *findings) (Expected, hold) {
	t := j.Terms
	switch best.rule.Expected {
	case "due":
		return e.underTerms(j)
	case "next_cycle":
		x, h := fromCycle(j, j.AsOf)
		return later(j, x), h
	case "end":
		fault := &f[findingByName[best.rule.Fault]]
		if !fault.known {
			return Expected{}, hold{}
		}
		return e.afterEnd(j, fault.to)
	case "next_file", "next_run":
		return later(j, onDay(j, nextRun(t, j.AsOf))), untilTurn(j, true)
	case "next_day":
		return later(j, onDay(j, max(runAfter(t, j.Legs.Day), nextRun(t, j.AsOf)))), untilTurn(j, true)
	case "credit":
		day := t.LocalDate(j.AsOf)
		last := t.EndOf(t.Calendar.AddBusinessDays(day, 1))
		first := t.Calendar.NextOnOrAfter(day)
		return sorted(j.PaidOutAt, Expected{max(t.StartOf(day), j.PaidOutAt), t.EndOf(first), last}), untilTurn(j, false)
	}
	return Expected{}, hold{}
}

// later gives people a business day more: what waits for a step is often done
// the day after.
func later(j *journey.Journey, x Expected) Expected {
	x.Latest = j.Terms.EndOf(j.Terms.Calendar.AddBusinessDays(j.Terms.LocalDate(x.Latest), 1))
	return x
}

// underTerms gives the arrival of money that takes its normal way: as the
// merchant's payouts and their bank have taken theirs, else any time of the day
// on which it is due. Where a bank is late too often to promise the day, the
// stretch ends on the business day after.
func (e *Engine) underTerms(j *journey.Journey) (Expected, hold) {
	if j.Due == 0 {
		return Expected{}, hold{}
	}
	t := j.Terms
	due := j.Due
	if j.Next == journey.Credit {
		due = max(due, j.LegDue)
	}
	if j.AsOf > due {
		return e.pastDue(j), untilTurn(j, j.Next != journey.Credit)
	}
	table := e.learned()
	bank := table.bank(e.bankOf(j), t.CreditDays)
	if j.Next == journey.Credit && j.PaidOutAt != 0 {
		return e.underWay(j, table, bank, due), hold{until: due}
	}
	x, h := Expected{t.StartOf(j.Legs.Day), due, due}, hold{until: due, fromNow: true}
	if t.CreditDays > 0 {
		x.Earliest = t.StartOf(j.Legs.CreditDay)
	}
	most := due
	switch {
	case j.Legs.Immediate:
		x.Earliest, x.Likely = max(x.Earliest, j.CapturedAt), j.Legs.Payout
		if len(bank.took) >= enough && t.CreditDays == 0 {
			_, middle, longest := bank.took.within()
			x.Likely = j.Legs.Payout.Add(middle)
			x.Latest = max(due, j.Legs.Payout.Add(longest+slack(longest)))
		}
		return sorted(j.AsOf, x), h
	case t.CreditDays > 0 && len(bank.took) >= enough:
		first, middle, longest := bank.took.within()
		day := x.Earliest
		x.Earliest, x.Likely, most = day.Add(first-slack(first)), day.Add(middle), day.Add(longest+slack(longest))
	case t.CreditDays == 0 && len(bank.took) >= enough && len(table.runs[j.Keys.MID]) >= 2:
		_, middle, longest := bank.took.within()
		firstRun, run, lastRun := table.runs[j.Keys.MID].within()
		day := x.Earliest
		// A bank that takes its time may for once take none.
		x.Earliest, x.Likely = day.Add(firstRun-slack(0)), day.Add(run+middle)
		most = day.Add(lastRun + longest + slack(longest))
	}
	if e.atRisk(j, table, bank) {
		x.Latest = min(most, due)
		x = aRunLater(j, x)
	}
	return sorted(j.AsOf, x), h
}

// atRisk reports whether a payment's money comes late more often than a promise
// may be broken, so that the day itself is not promised. A batch that has yet to
// be uploaded waits for people.
func (e *Engine) atRisk(j *journey.Journey, table *delays, bank *crediting) bool {
	return j.Next == journey.Capture || table.lateShare(bank) > promise
}

// aRunLater lets a stretch end at the same time of day with the run of payouts
// after.
func aRunLater(j *journey.Journey, x Expected) Expected {
	t := j.Terms
	day := t.LocalDate(x.Latest)
	x.Latest = t.StartOf(runAfter(t, day)).Add(x.Latest.Sub(t.StartOf(day)))
	return x
}

// promise is how often the money may come later than a stretch that is given for
// it.
const promise = 0.04

// slack is added to what was seen: a sample does not hold the longest of all.
func slack(d time.Duration) time.Duration { return max(5*time.Minute, d/10) }

// underWay gives the arrival of what was paid out. It may have come already
// where only the account's statement is still to come.
func (e *Engine) underWay(j *journey.Journey, table *delays, bank *crediting, due evidence.Instant) Expected {
	t := j.Terms
	x := Expected{j.PaidOutAt, due, due}
	if len(bank.took) >= enough {
		first, middle, longest := bank.took.within()
		from := j.PaidOutAt
		if t.CreditDays > 0 {
			from = t.StartOf(j.CreditDay)
			x.Earliest = max(j.PaidOutAt, from.Add(first-slack(first)))
		}
		x.Likely = min(from.Add(middle), due)
		x.Latest = max(due, from.Add(longest+slack(longest)))
	} else if t.CreditDays > 0 {
		x.Earliest = max(j.PaidOutAt, t.StartOf(j.CreditDay))
	}
	if table.slowShare(bank, j.Legs.Immediate) > promise {
		next := t.Calendar.AddBusinessDays(j.CreditDay, 1)
		x.Latest = max(x.Latest, t.StartOf(next).Add(due.Sub(t.StartOf(j.CreditDay))))
	}
	return sorted(j.PaidOutAt, x)
}

// pastDue gives the arrival of what is late without a cause that tells more:
// one of the next business days, or one that has passed where nobody has seen
// the account since.
func (e *Engine) pastDue(j *journey.Journey) Expected {
	t := j.Terms
	first, from := t.StartOf(j.Legs.Day), j.AsOf
	if j.Next == journey.Credit {
		from = max(j.PaidOutAt, min(first, j.AsOf))
		first = from
	}
	day := t.Calendar.NextOnOrAfter(t.LocalDate(j.AsOf))
	return sorted(from, Expected{min(first, j.AsOf), t.EndOf(day), t.EndOf(t.Calendar.AddBusinessDays(day, 1))})
}

// bankOf names the bank to which a payment's money is paid out.
func (e *Engine) bankOf(j *journey.Journey) string {
	if j.Payout != nil && j.Payout.Bank != "" {
		return j.Payout.Bank
	}
	return j.Terms.Bank
}

// fromCycle gives the arrival of something captured at a moment.
func fromCycle(j *journey.Journey, at evidence.Instant) (Expected, hold) {
	d := j.Terms.NextCycle(at)
	h := untilTurn(j, true)
	if d.Immediate {
		h.until = j.AsOf
	}
	return sorted(j.AsOf, Expected{j.Terms.StartOf(d.CreditDay), min(max(d.Payout, j.Terms.StartOf(d.CreditDay)), d.Credit), d.Credit}), h
}

// nextRun gives the day of the next run of payouts after a moment.
func nextRun(t *terms.Terms, at evidence.Instant) calendar.Date {
	day := t.LocalDate(at)
	if (t.CalendarDays || t.Calendar.IsBusinessDay(day)) && at < t.PayoutAt(day) {
		return day
	}
	return runAfter(t, day)
}

// runAfter gives the day of the run of payouts that follows a day's: any day
// where the cycle counts calendar days, else a business day.
func runAfter(t *terms.Terms, day calendar.Date) calendar.Date {
	if t.CalendarDays {
		return day + 1
	}
	return t.Calendar.AddBusinessDays(day, 1)
}

// onDay gives the arrival of what is paid out on a day.
func onDay(j *journey.Journey, day calendar.Date) Expected {
	t := j.Terms
	payout := t.PayoutAt(day)
	credit := day
	if t.CreditDays > 0 {
		credit = t.Calendar.AddBusinessDays(day, t.CreditDays)
	}
	return sorted(j.AsOf, Expected{t.StartOf(credit), max(min(payout, t.EndOf(credit)), t.StartOf(credit)), t.EndOf(credit)})
}

// afterEnd gives the arrival when a fault ends: under the terms where the leg
// is not late by then, else with the next run after it.
func (e *Engine) afterEnd(j *journey.Journey, end evidence.Instant) (Expected, hold) {
	t := j.Terms
	if end <= j.LegDue && j.AsOf <= j.LegDue {
		x, h := e.underTerms(j) // if all goes well once it is over
		h.until = min(h.until, j.LegDue)
		return aRunLater(j, x), h
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
	return sorted(min(end, j.AsOf), Expected{end, min(likely, t.EndOf(credit)), t.EndOf(credit)}), untilTurn(j, false)
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

// hold is for how long an expectation stays while nothing else comes to be known.
type hold struct {
	until   evidence.Instant // 0: for ever
	fromNow bool             // never earlier than the present moment
}

// untilTurn holds an expectation that goes by the time of day: until the day, the
// cut-off, the time of payouts, that of the banks or the judged leg's passes.
func untilTurn(j *journey.Journey, fromNow bool) hold {
	t := j.Terms
	h := hold{t.SameUntil(j.AsOf), fromNow}
	for _, turn := range [...]evidence.Instant{t.StartOf(t.LocalDate(j.AsOf)).Add(bankDay), j.LegDue} {
		if j.AsOf <= turn {
			h.until = min(h.until, turn)
		}
	}
	return h
}

// Foresight is the likely arrival of a payment, kept while time goes on: until its
// answer may be another although nothing has come to be known.
type Foresight struct {
	Likely evidence.Instant // 0: none
	hold
}

// Foresight gives the likely arrival as it can be kept.
func (v *Verdict) Foresight() Foresight { return Foresight{v.Expected.Likely, v.hold} }

// At gives the likely arrival at a moment not before the one it was worked out for;
// false where it has to be worked out again.
func (f Foresight) At(now evidence.Instant) (likely evidence.Instant, ok bool) {
	if f.until != 0 && now > f.until {
		return 0, false
	}
	if f.fromNow && f.Likely != 0 {
		return max(f.Likely, now), true
	}
	return f.Likely, true
}
