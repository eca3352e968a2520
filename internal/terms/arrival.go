package terms

import (
	"fmt"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// StepName names a step on the way of a sale's money.
type StepName string

// The steps, in their order.
const (
	StepSale         StepName = "sale"
	StepBusinessDate StepName = "business_date"
	StepClearing     StepName = "clearing"
	StepSettlement   StepName = "settlement"
	StepPayout       StepName = "payout"
	StepCredit       StepName = "credit"
)

var stepWords = map[StepName]fault.Text{
	StepSale: {EN: "sale", ZH: "消费"}, StepBusinessDate: {EN: "business date", ZH: "交易日"}, StepClearing: {EN: "cleared by", ZH: "清算不晚于"},
	StepSettlement: {EN: "settled by", ZH: "结算不晚于"}, StepPayout: {EN: "paid out by", ZH: "出款不晚于"}, StepCredit: {EN: "on the account by", ZH: "到账不晚于"},
}

// Word is the step for people.
func (n StepName) Word() fault.Text { return stepWords[n] }

// Step is one step with when it is due and why then.
type Step struct {
	Name StepName
	// Day is its date in the merchant's zone; At the moment, 0 for a step that is a
	// date alone.
	Day calendar.Date
	At  evidence.Instant
	// Why are the reasons, each a sentence without its full stop.
	Why []fault.Text
}

// Arrival tells when the money of a sale arrives under terms, step by step, and why.
type Arrival struct {
	Steps []Step
	Due   Due
	// Provisional says that no official notice confirms a day it rests on, so that it
	// may move.
	Provisional bool
}

// Arrival works out the way of a sale made and captured at a moment.
func (t *Terms) Arrival(at evidence.Instant) Arrival {
	date := t.BusinessDate(at)
	due := t.Due(at, at, date, false)
	natural := t.LocalDate(at)
	a := Arrival{Due: due}
	for d := date; d <= due.CreditDay; d++ {
		a.Provisional = a.Provisional || t.Calendar.Provisional(d)
	}
	add := func(name StepName, day calendar.Date, at evidence.Instant, why ...fault.Text) {
		a.Steps = append(a.Steps, Step{Name: name, Day: day, At: at, Why: why})
	}
	add(StepSale, natural, at)
	add(StepBusinessDate, date, 0, t.whyBusinessDate(&due))
	add(StepClearing, t.LocalDate(due.Clearing), due.Clearing, fault.Say("networks clear by 12:00 of the next business day", "卡组织于下一工作日 12:00 前清算"))
	add(StepSettlement, due.Day, due.Settlement, t.whyDay(natural, date, &due)...)
	add(StepPayout, due.Day, due.Payout, t.whyPayout(&due))
	add(StepCredit, due.CreditDay, due.Credit, t.whyCredit(&due)...)
	return a
}

func (t *Terms) whyBusinessDate(due *Due) fault.Text {
	switch {
	case due.AfterCutoff:
		return fault.Say("the sale came after the cut-off at %s, so it counts for the next day", "消费在日切 %s 之后，计入次日", clockText(t.Cutoff))
	case t.Cutoff == midnight:
		return fault.Say("the day ends at midnight", "以零点日切")
	}
	return fault.Say("the sale came before the cut-off at %s", "消费在日切 %s 之前", clockText(t.Cutoff))
}

// whyDay says why money is settled on a day.
func (t *Terms) whyDay(natural, date calendar.Date, due *Due) []fault.Text {
	from := date
	if t.Days == 0 {
		from = natural
	}
	switch {
	case due.Immediate:
		return []fault.Text{fault.Say("the cycle %s settles at once", "周期 %s，即时结算", t.cycle())}
	case t.Days == 0 && due.AfterCutoff:
		return []fault.Text{fault.Say("the cycle %s settles at once only before the cut-off; later sales are settled on the next day", "周期 %s 仅日切前即时结算，之后的次日结算", t.cycle())}
	case t.CalendarDays:
		return []fault.Text{fault.Say("the cycle %s counts calendar days from %s", "周期 %s，自 %s 起按自然日计", t.cycle(), from)}
	}
	why := []fault.Text{fault.Say("the cycle %s counts business days of calendar %s from %s", "周期 %s，自 %[3]s 起按 %[2]s 日历的工作日计", t.cycle(), t.Calendar.Name(), from)}
	return append(why, t.daysOff(from, due.Day)...)
}

// daysOff tells of each stretch of days off between two days.
func (t *Terms) daysOff(after, before calendar.Date) (why []fault.Text) {
	for d := after.Add(1); d < before; d++ {
		if t.Calendar.IsBusinessDay(d) {
			continue
		}
		last := d
		name := t.Calendar.Ground(d).Festival
		for last.Add(1) < before && !t.Calendar.IsBusinessDay(last.Add(1)) {
			last++
			if f := t.Calendar.Ground(last).Festival; name.None() {
				name = f
			}
		}
		stretch := fault.Same(d.String())
		is := fault.Say("is a day off", "为非工作日")
		if last > d {
			stretch, is = fault.Say("%s to %s", "%s 至 %s", d, last), fault.Say("are days off", "为非工作日")
		}
		if name.None() {
			why = append(why, fault.Say("%s %s", "%s %s", stretch, is))
		} else {
			why = append(why, fault.Say("%s %s (%s)", "%s %s（%s）", stretch, is, name))
		}
		d = last
	}
	return why
}

func (t *Terms) whyPayout(due *Due) fault.Text {
	if due.Immediate {
		return fault.Say("within %d minutes of the sale", "消费后 %d 分钟内", int(t.T0.Minutes()))
	}
	return fault.Say("payouts are sent by %s of that day", "当日 %s 前出款", clockText(t.PayoutBy))
}

func (t *Terms) whyCredit(due *Due) []fault.Text {
	if t.CreditDays == 0 {
		return []fault.Text{fault.Say("the bank credits on the day of the payout", "银行于出款当日入账")}
	}
	return append([]fault.Text{fault.Say("the bank credits %d business days after the payout", "银行于出款后 %d 个工作日入账", t.CreditDays)},
		t.daysOff(due.Day, due.CreditDay)...)
}

// cycle is the cycle as people write it: T1, D0.
func (t *Terms) cycle() string {
	if t.CalendarDays {
		return fmt.Sprintf("D%d", t.Days)
	}
	return fmt.Sprintf("T%d", t.Days)
}

func clockText(minutes int) string { return fmt.Sprintf("%02d:%02d", minutes/60, minutes%60) }
