package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/format/registry"
	"daozhang/internal/terms"
)

// calendar tells business days, and when the money of a sale is due.
func (m *Main) calendar() *cobra.Command {
	var server *string
	cmd := &cobra.Command{
		Use:   "calendar NAME DATE",
		Short: m.say(text{"Tell whether a date is a business day, and when a sale's money is due", "查询某日是否工作日、某笔消费何时到账"}),
		Long: m.say(text{
			"NAME is CN, TARGET2, WEEKEND, US or GB; DATE a day (2026-02-16) or a month (2026-02).\nProvisional: no official notice confirms it yet.",
			"NAME 为 CN、TARGET2、WEEKEND、US 或 GB；DATE 为某日（2026-02-16）或某月（2026-02）。\n“暂定”表示尚无官方通知确认。"}),
		Example: "  daozhang calendar CN 2026-02-16\n  daozhang calendar CN 2026-10\n  daozhang calendar due 2026-02-13T23:30:00+08:00 --cycle T1 --cutoff 23:00 --calendar CN",
		Args:    need(2, 2, text{"name a calendar and a date, or use `calendar due`", "请给出日历名和日期，或使用 calendar due"})(m),
		RunE: func(cmd *cobra.Command, args []string) error {
			if *server != "" {
				return m.daysOf(cmd, *server, args[0], args[1])
			}
			c, ok := calendar.Builtin(args[0])
			if !ok {
				return fault.New(fault.NotFound, fault.Same("calendar"), args[0], fault.Say("there is no such calendar", "没有这个日历"), fault.Say("the calendars are CN, TARGET2, WEEKEND, US, GB", "可用的日历：CN、TARGET2、WEEKEND、US、GB"))
			}
			if d, err := calendar.ParseDate(args[1]); err == nil {
				return m.deliver("", func(w io.Writer) error { return m.day(w, c, d) })
			}
			first, err := calendar.ParseDate(args[1] + "-01")
			if err != nil {
				return usage(cmd, m.say(text{"write the date as 2026-02-16, or a month as 2026-02", "日期写作 2026-02-16，月份写作 2026-02"}))
			}
			return m.deliver("", func(w io.Writer) error { return m.month(w, c, first) })
		},
	}
	server = m.serverFlag(cmd.Flags())
	cmd.AddCommand(m.due())
	return cmd
}

var weekdays = [...]text{{"Sunday", "星期日"}, {"Monday", "星期一"}, {"Tuesday", "星期二"}, {"Wednesday", "星期三"},
	{"Thursday", "星期四"}, {"Friday", "星期五"}, {"Saturday", "星期六"}}

// dated names a date with its weekday.
func (m *Main) dated(d calendar.Date) string { return d.String() + " " + m.say(weekdays[d.Weekday()]) }

// what says what a date is in a calendar.
func (m *Main) what(c *calendar.Calendar, d calendar.Date) string {
	weekend := d.Weekday() == time.Saturday || d.Weekday() == time.Sunday
	var s string
	switch business := c.IsBusinessDay(d); {
	case business && weekend:
		s = m.say(text{"business day (a weekend day worked in exchange)", "工作日（调休上班）"})
	case business:
		s = m.say(text{"business day", "工作日"})
	case weekend:
		s = m.say(text{"day off (weekend)", "非工作日（周末）"})
	default:
		s = m.say(text{"day off (holiday)", "非工作日（节假日）"})
	}
	if c.Provisional(d) {
		s += m.say(text{", provisional", "，暂定"})
	}
	return s
}

func (m *Main) day(w io.Writer, c *calendar.Calendar, d calendar.Date) error {
	_, err := fmt.Fprintf(w, m.say(text{"%s, %s: %s\nbusiness day before: %s\nbusiness day after:  %s\n", "%s，%s：%s\n上一工作日：%s\n下一工作日：%s\n"}),
		m.dated(d), c.Name(), m.what(c, d), m.dated(c.AddBusinessDays(d, -1)), m.dated(c.AddBusinessDays(d, 1)))
	return err
}

func (m *Main) month(w io.Writer, c *calendar.Calendar, first calendar.Date) error {
	var b strings.Builder
	_, month, _ := first.YMD()
	for d := first; ; d++ {
		if _, now, _ := d.YMD(); now != month {
			break
		}
		fmt.Fprintf(&b, "%s  %s\n", m.dated(d), m.what(c, d))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// due says when the money of a sale is due, and why.
func (m *Main) due() *cobra.Command {
	var file, mid string
	flags := map[string]*string{}
	cmd := &cobra.Command{
		Use:   "due TIME [flags]",
		Short: m.say(text{"Say when the money of a sale made at a moment is due, and why", "某时刻的消费何时应到账，为什么"}),
		Long: m.say(text{
			"The terms come from a terms file (--terms, with --mid where it has several merchants) or from the flags below;\nwhat neither says has the usual value: T1, midnight, weekends off, paid out by 18:00.",
			"约定取自约定文件（--terms，文件含多个商户时加 --mid）或下列选项；\n都未写明的按常规：T1、零点日切、周末休息、18:00 前出款。"}),
		Example: "  daozhang calendar due 2026-02-13T23:30:00+08:00 --terms terms.yaml\n  daozhang calendar due 2026-02-13T14:00:00+08:00 --cycle T1 --calendar CN\n" +
			"  daozhang calendar due 2026-02-13T14:00:00+08:00 --mid 898310058120001 --server http://127.0.0.1:8080",
		Args: need(1, 1, text{"name the moment of the sale, such as 2026-02-13T14:00:00+08:00", "请给出消费时间，如 2026-02-13T14:00:00+08:00"})(m),
	}
	f := cmd.Flags()
	server := m.serverFlag(f)
	f.StringVar(&file, "terms", "", m.say(text{"terms `FILE`", "商户约定文件 `FILE`"}))
	f.StringVar(&mid, "mid", "", m.say(text{"`MERCHANT` in the terms file", "约定文件中的商户号 `MERCHANT`"}))
	for _, o := range []struct {
		name string
		what text
	}{
		{"cycle", text{"`CYCLE`: T0, T1, … business days; D0, D1, … calendar days", "结算周期 `CYCLE`：T0、T1……为工作日，D0、D1……为自然日"}},
		{"cutoff", text{"`TIME` of day after which a sale belongs to the next day", "日切时间 `TIME`"}},
		{"calendar", text{"`CALENDAR`: CN, TARGET2, WEEKEND, US or GB", "日历 `CALENDAR`：CN、TARGET2、WEEKEND、US 或 GB"}},
		{"timezone", text{"`ZONE` of the merchant", "商户所在时区 `ZONE`"}},
		{"payout_by", text{"`TIME` of day by which payouts are sent", "出款时限 `TIME`"}},
		{"credit_days", text{"business `DAYS` from payout to credit", "出款到入账的工作日数 `DAYS`"}},
	} {
		flags[o.name] = f.String(strings.ReplaceAll(o.name, "_", "-"), "", m.say(o.what))
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		at, offset, err := evidence.ParseInstant([]byte(args[0]))
		if err != nil {
			return usage(cmd, fault.Say("TIME is %s", "消费时间 TIME %s", err))
		}
		if *server != "" {
			return m.dueOf(cmd.Context(), *server, mid, args[0])
		}
		set := evidence.NewSet()
		if file != "" {
			loaded, err := format.Load(cmd.Context(), []string{file}, format.Options{Stdin: m.Stdin}, registry.All(), set, nil)
			if err != nil {
				return err
			}
			if len(loaded.Rejected) > 0 {
				n := loaded.Rejected[0]
				return fault.New(fault.Invalid, opRead, place(n.File, n.Line), n.Why, "")
			}
		} else if err := stated(set, flags, &mid, args[0]); err != nil {
			return err
		}
		set.Unify()
		book := terms.Read(set.Known(at))
		if len(book.Problems) > 0 {
			return usage(cmd, book.Problems[0].Why)
		}
		t, err := oneMerchant(set, book, mid, at, offset)
		if err != nil {
			return err
		}
		return m.deliver("", func(w io.Writer) error { return m.showDue(w, t, at) })
	}
	return cmd
}

// stated makes terms of the flags.
func stated(set *evidence.Set, flags map[string]*string, mid *string, at string) error {
	*mid = "-"
	data := map[string]any{"mid": *mid, "valid_from": "2000-01-01"}
	for name, v := range flags {
		if *v != "" {
			data[name] = *v
		}
	}
	if v, ok := data["credit_days"]; ok {
		data["credit_days"] = json.Number(v.(string))
	}
	if _, ok := data["timezone"]; !ok {
		data["timezone"] = at[len(at)-6:]
		if strings.HasSuffix(at, "Z") {
			data["timezone"] = "UTC"
		}
	}
	raw, err := json.Marshal(map[string]any{"specversion": "1.0", "id": "1", "source": "terms", "type": "daozhang.merchant.terms", "time": "2000-01-01T00:00:00Z", "data": data})
	if err != nil {
		return fault.New(fault.Usage, fault.Same("calendar due"), "--credit-days", err, fault.Say("write a number of days", "请写天数"))
	}
	var why fault.Text
	err = evidence.ReadNDJSON(bytes.NewReader(raw), set.Writer(set.AddFile("flags")), func(_ int, w fault.Text) { why = w })
	if err == nil && !why.None() {
		err = fault.New(fault.Usage, fault.Same("calendar due"), "", why, fault.Say("see `daozhang calendar due --help`", "用法见 `daozhang calendar due --help`"))
	}
	return err
}

// oneMerchant gives the terms of the merchant that is meant.
func oneMerchant(set *evidence.Set, book *terms.Book, mid string, at evidence.Instant, offset int16) (*terms.Terms, error) {
	all := book.Merchants()
	for _, w := range all {
		if set.Words.Text(w) == mid || mid == "" && len(all) == 1 {
			book.Prepare(w, offset)
			return book.At(w, at, offset), nil
		}
	}
	if mid != "" {
		return nil, fault.New(fault.NotFound, fault.Same("calendar due"), mid, fault.Say("the terms do not name this merchant", "约定中没有这个商户"), "")
	}
	return nil, fault.New(fault.Usage, fault.Same("calendar due"), "--terms", fault.Say("they name %d merchants", "其中有 %d 个商户", len(all)), fault.Say("name one with --mid", "请用 --mid 指定一个"))
}

func (m *Main) showDue(w io.Writer, t *terms.Terms, at evidence.Instant) error {
	date := t.BusinessDate(at)
	due := t.Due(at, at, date, false)
	show := func(i evidence.Instant) string {
		return string(evidence.AppendInstant(nil, i, int16(t.OffsetAt(i)/60)))
	}
	var b strings.Builder
	row := func(label text, value string) { fmt.Fprintf(&b, "%s%s\n", m.say(label), value) }
	row(text{"sale          ", "消费       "}, show(at))
	row(text{"business date ", "交易日     "}, m.dated(date))
	row(text{"paid out by   ", "出款不晚于 "}, show(due.Payout))
	row(text{"on account by ", "到账不晚于 "}, show(due.Credit))
	var why []string
	cycle := "T"
	if t.CalendarDays {
		cycle = "D"
	}
	why = append(why, fmt.Sprintf(m.say(text{"cycle %s%d, calendar %s", "周期 %s%d，日历 %s"}), cycle, t.Days, t.Calendar.Name()))
	if due.AfterCutoff {
		why = append(why, fmt.Sprintf(m.say(text{"the sale came after the cut-off at %s", "消费在日切 %s 之后"}), clock(t.Cutoff)))
	}
	if due.Immediate {
		why = append(why, fmt.Sprintf(m.say(text{"settled within %d minutes", "%d 分钟内结算"}), int(t.T0.Minutes())))
	}
	for d := date.Add(1); d < due.CreditDay && !t.CalendarDays; d++ {
		if t.Calendar.IsBusinessDay(d) {
			continue
		}
		last := d
		for last+1 < due.CreditDay && !t.Calendar.IsBusinessDay(last+1) {
			last++
		}
		if d == last {
			why = append(why, m.dated(d)+m.say(text{" is a day off", "为非工作日"}))
		} else {
			why = append(why, fmt.Sprintf(m.say(text{"%s to %s are days off", "%s 至 %s 为非工作日"}), m.dated(d), m.dated(last)))
		}
		d = last
	}
	if t.Calendar.Provisional(due.CreditDay) {
		why = append(why, m.say(text{"the calendar of that year is provisional", "该年日历尚属暂定"}))
	}
	row(text{"because       ", "依据       "}, strings.Join(why, m.say(text{"; ", "；"})))
	_, err := io.WriteString(w, b.String())
	return err
}
