package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/money"
	"daozhang/internal/report"
)

var yuan = money.Currency{'C', 'N', 'Y'}

// teller tells a story as it goes: a heading for each day, a line with its time for
// each thing that matters, and at the end of the day where the money is.
type teller struct {
	w     io.Writer
	lang  string
	zone  *time.Location
	width int
	color bool
	err   error // the first of writing
}

func (m *Main) teller(zone *time.Location) *teller {
	t := &teller{w: m.Stdout, lang: m.lang, zone: zone, width: 80}
	o := m.reportOptions(true)
	t.color = o.Color
	if o.Width > 0 {
		t.width = min(max(o.Width, 60), 100)
	}
	return t
}

func (t *teller) line(s string) {
	if _, err := fmt.Fprintln(t.w, s); err != nil && t.err == nil {
		t.err = err
	}
}

func (t *teller) paint(sequence, s string) string {
	if !t.color {
		return s
	}
	return "\x1b[" + sequence + "m" + s + "\x1b[0m"
}

// say tells something of no moment.
func (t *teller) say(what fault.Text) {
	for _, l := range report.Wrap(what.In(t.lang), t.width) {
		t.line(l)
	}
}

// day begins one, with what is particular about it.
func (t *teller) day(at time.Time, what fault.Text) {
	at = at.In(t.zone)
	head := at.Format("Mon 2 January")
	if t.lang == "zh" {
		head = fmt.Sprintf("%d月%d日 周%s", at.Month(), at.Day(), []string{"日", "一", "二", "三", "四", "五", "六"}[at.Weekday()])
	}
	head = t.paint("1", head)
	if !what.None() {
		head += " · " + what.In(t.lang)
	}
	t.line("")
	t.line(head)
}

// event tells what happened at a moment.
func (t *teller) event(at time.Time, what fault.Text) {
	t.hang(at.In(t.zone).Format("15:04"), what.In(t.lang), "")
}

// hang writes a text beside a time.
func (t *teller) hang(clock, s, sequence string) { t.hangAt(" "+clock+"  ", s, sequence) }

// hangAt writes a text beside a head that its further lines are indented by.
func (t *teller) hangAt(head, s, sequence string) {
	margin := strings.Repeat(" ", len([]rune(head)))
	for _, l := range report.Wrap(s, t.width-len(margin)) {
		if sequence != "" {
			l = t.paint(sequence, l)
		}
		t.line(head + l)
		head = margin
	}
}

// standing is where the money of all payments is, in minor units.
type standing struct {
	arrived, way, late, held, unknown int64
}

// standingOf adds the money map up.
func standingOf(c *investigation.Current) standing {
	var s standing
	for _, r := range c.Map() {
		s.arrived += r.Arrived
		s.way += r.Confirmed
		s.late += r.Unproven + r.Short
		s.held += r.Held + r.Reserves
		s.unknown += r.Unknown
		for stage := range r.InTransit {
			s.way += r.InTransit[stage]
			s.late += r.Overdue[stage]
		}
	}
	return s
}

// close ends a day with where the money is.
func (t *teller) close(s standing) {
	figure := func(v int64, width int) string { return fmt.Sprintf("%*s", width, money.FormatGrouped(v, yuan)) }
	format := fault.Text{EN: "arrived %s  on its way %s  late %s  held %s", ZH: "已到账 %s  在途 %s  逾期 %s  冻结 %s"}
	t.hang(fault.Say("night", "日终 ").In(t.lang), fmt.Sprintf(format.In(t.lang), figure(s.arrived, 9), figure(s.way, 9), figure(s.late, 8), figure(s.held, 8)), "36")
}

// fill puts what is known of a sale into a text.
func fill(text fault.Text, values map[string]fault.Text) fault.Text {
	var en, zh []string
	for k, v := range values {
		en, zh = append(en, "{"+k+"}", v.EN), append(zh, "{"+k+"}", v.ZH)
	}
	return fault.Text{EN: strings.NewReplacer(en...).Replace(text.EN), ZH: strings.NewReplacer(zh...).Replace(text.ZH)}
}

func yuans(minor int64) string { return report.Amount(minor, yuan) }
