package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/store/jobs"
)

// kindWords say what the kinds of work do.
var kindWords = map[jobs.Kind]text{
	jobs.Kind(backoffice.Import):      {"read a network's clearing files", "读取清算文件"},
	jobs.Kind(backoffice.Funding):     {"book what a corrected file changed", "登记更正后的清算款"},
	jobs.Kind(backoffice.Closing):     {"close a network's day", "关闭卡组织业务日"},
	jobs.Kind(backoffice.Settlement):  {"settle a merchant's day", "商户日结"},
	jobs.Kind(backoffice.Declaration): {"declare a day whole", "声明某日已结清"},
	jobs.Kind(backoffice.Dispatching): {"hand a payout to its bank", "向银行提交出款"},
	jobs.Kind(backoffice.Inquiry):     {"ask a bank about a payout", "向银行查询出款"},
	jobs.Kind(backoffice.Hearing):     {"read a bank's replies and statements", "读取银行回执与对账单"},
	jobs.Kind(backoffice.Remedying):   {"send again what came back", "重新发出退回的款"},
	jobs.Kind(backoffice.Following):   {"follow a merchant's state", "跟随商户状态"},
	jobs.Kind(backoffice.Advising):    {"write a merchant's settlement file", "写商户结算文件"},
	jobs.KindSweep:                    {"look for what waits", "查找待办"},
}

// stateWords are the states of jobs for people.
var stateWords = map[jobs.State]text{
	jobs.Waiting: {"waiting", "等待"}, jobs.Running: {"running", "运行中"}, jobs.Retrying: {"retrying", "待重试"},
	jobs.Done: {"done", "完成"}, jobs.Failed: {"failed", "失败"}, jobs.Cancelled: {"cancelled", "已取消"},
}

// jobs shows and moves the work of the back office.
func (m *Main) jobs() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: m.say(text{"Work of the back office: list, run, retry, cancel", "后台任务：列出、运行、重试、取消"}),
		Long: m.say(text{
			"Clearing, settlement and payouts are done by jobs of a running `daozhang serve`. A sweep looks every minute for what\n" +
				"waits in the books and inserts a job for each; a job that fails is tried again after longer and longer pauses; one that\n" +
				"failed for good is an exception that a person owns, and waits for `daozhang jobs retry` or `cancel`.\n" +
				"These commands work on the database and so while the server runs. What the books say is done is not done twice,\n" +
				"however often a job is run.",
			"清算、结算和出款由运行中的 `daozhang serve` 以任务完成。系统每分钟查看账上有哪些待办，并逐一登记为任务；失败的任务\n" +
				"会以越来越长的间隔重试；最终失败的成为由专人负责的异常，等待 `daozhang jobs retry` 或 `cancel`。\n" +
				"这些命令直接操作数据库，服务运行时即可使用。账上已完成的事，任务运行多少次也不会重做。"}),
		Example: "  daozhang jobs list --database /var/lib/daozhang\n" +
			"  daozhang jobs run settle --merchant 898310058120001 --date 2026-03-09 --by anne --database /var/lib/daozhang\n" +
			"  daozhang jobs retry 42 --database /var/lib/daozhang",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(cmd, fault.Say("there is no command %q", "没有 %q 这个命令", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(m.jobsList(), m.jobsShow(), m.jobsRun(), m.jobsMove("retry"), m.jobsMove("cancel"), m.jobsSchedule())
	return cmd
}

// onJobs opens the jobs of the database that a command means.
func (m *Main) onJobs(cmd *cobra.Command, database string, do func(q *jobs.Queue) error) error {
	address, err := m.databaseOf(cmd, nil, database)
	if err != nil {
		return err
	}
	q, err := jobs.Open(cmd.Context(), address)
	if err != nil {
		return err
	}
	defer q.Close()
	return do(q)
}

// jobView is a job as programs read it.
type jobView struct {
	ID       int64           `json:"id"`
	Kind     jobs.Kind       `json:"kind"`
	Key      string          `json:"key"`
	Merchant string          `json:"merchant,omitempty"`
	Date     string          `json:"date,omitempty"`
	Subject  string          `json:"subject,omitempty"`
	By       string          `json:"by,omitempty"`
	State    jobs.State      `json:"state"`
	Attempts int             `json:"attempts"`
	Runner   string          `json:"runner,omitempty"`
	Created  time.Time       `json:"created"`
	Next     time.Time       `json:"next,omitzero"`
	Began    time.Time       `json:"began,omitzero"`
	Ended    time.Time       `json:"ended,omitzero"`
	Said     *saidView       `json:"said,omitempty"`
	Task     json.RawMessage `json:"task,omitempty"`
}

type saidView struct {
	EN string `json:"en"`
	ZH string `json:"zh"`
}

func viewOf(j *jobs.Job) jobView {
	v := jobView{ID: j.ID, Kind: j.Kind, Key: j.Key, Merchant: j.MID, Subject: j.Subject, By: j.By, State: j.State, Attempts: j.Attempts,
		Runner: j.Runner, Created: j.Created, Next: j.Next, Began: j.Began, Ended: j.Ended, Task: j.Task}
	if j.Date != calendar.None {
		v.Date = j.Date.String()
	}
	if !j.Said.None() {
		v.Said = &saidView{j.Said.EN, j.Said.In("zh")}
	}
	return v
}

// writeJSON writes a value for programs.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func (m *Main) jobsList() *cobra.Command {
	var f jobs.Filter
	var kinds, states []string
	cmd := &cobra.Command{
		Use:   "list [flags]",
		Short: m.say(text{"List jobs: failed first, then under way, then ended", "列出任务：先失败，再进行中，后已结束"}),
		Example: "  daozhang jobs list --database /var/lib/daozhang\n  daozhang jobs list --state failed,retrying -o json --database /var/lib/daozhang\n" +
			"  daozhang jobs list --kind dispatch --merchant 898310058120001 --database /var/lib/daozhang",
		Args: need(0, 0, text{"it takes no arguments", "不需要参数"})(m),
	}
	flags := cmd.Flags()
	database := m.databaseFlag(flags)
	flags.StringSliceVar(&kinds, "kind", nil, m.say(text{"only these `KINDS`: ", "只列出这些种类 `KINDS`："})+strings.Join(kindNames(), ", "))
	flags.StringSliceVar(&states, "state", nil, m.say(text{"only in these `STATES`: ", "只列出这些状态 `STATES`："})+joinStates())
	flags.StringVar(&f.MID, "merchant", "", m.say(text{"only of this merchant `NUMBER`", "只列出该商户号 `NUMBER`"}))
	flags.IntVar(&f.Most, "limit", 50, m.say(text{"at most `N`", "最多 `N` 条"}))
	output := choice(flags, "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, k := range kinds {
			if _, known := kindWords[jobs.Kind(k)]; !known {
				return usage(cmd, fault.Say("--kind is one of %s", "--kind 须为下列之一：%s", strings.Join(kindNames(), ", ")))
			}
			f.Kinds = append(f.Kinds, jobs.Kind(k))
		}
		for _, s := range states {
			if !slices.Contains(jobs.States, jobs.State(s)) {
				return usage(cmd, fault.Say("--state is one of %s", "--state 须为下列之一：%s", joinStates()))
			}
			f.States = append(f.States, jobs.State(s))
		}
		return m.onJobs(cmd, *database, func(q *jobs.Queue) error {
			all, err := q.List(cmd.Context(), f)
			if err != nil {
				return err
			}
			return m.deliver("", func(w io.Writer) error {
				if output.value == "json" {
					views := make([]jobView, len(all))
					for i := range all {
						views[i] = viewOf(&all[i])
					}
					return writeJSON(w, views)
				}
				return m.jobTable(w, all)
			})
		})
	}
	return cmd
}

func kindNames() []string {
	var out []string
	for _, k := range backoffice.Kinds() {
		out = append(out, string(k))
	}
	return append(out, string(jobs.KindSweep))
}

func joinStates() string {
	words := make([]string, len(jobs.States))
	for i, s := range jobs.States {
		words[i] = string(s)
	}
	return strings.Join(words, ", ")
}

// jobTable prints jobs for people.
func (m *Main) jobTable(w io.Writer, all []jobs.Job) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, m.say(text{"no jobs", "没有任务"}))
		return err
	}
	t := plainTable()
	t.AppendHeader(table.Row{m.say(text{"job", "任务"}), m.say(text{"state", "状态"}), m.say(text{"kind", "种类"}), m.say(text{"about", "对象"}),
		m.say(text{"day", "业务日"}), m.say(text{"tries", "次数"}), m.say(text{"when", "时间"}), m.say(text{"what it said", "结果"})})
	for i := range all {
		j := &all[i]
		about, day := strings.TrimSpace(j.MID+" "+j.Subject), ""
		if j.Date != calendar.None {
			day = j.Date.String()
		}
		t.AppendRow(table.Row{j.ID, m.say(stateWords[j.State]), j.Kind, about, day, j.Attempts, m.moment(whenOf(j)), firstSentence(j.Said.In(m.lang))})
	}
	return writeTable(w, t)
}

// whenOf is the moment that matters most in a job's state.
func whenOf(j *jobs.Job) time.Time {
	switch j.State {
	case jobs.Running:
		return j.Began
	case jobs.Done, jobs.Failed, jobs.Cancelled:
		return j.Ended
	case jobs.Waiting, jobs.Retrying:
	}
	return j.Next
}

func (m *Main) moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(m.Zone).Format("2006-01-02 15:04:05")
}

// firstSentence shortens what does not fit into a column; `jobs show` has the rest.
func firstSentence(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

func (m *Main) jobsShow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show ID [flags]", Short: m.say(text{"Show one job", "查看一项任务"}), Example: "  daozhang jobs show 42 --database /var/lib/daozhang",
		Args: need(1, 1, text{"name the job by its number", "请写任务编号"})(m),
	}
	database := m.databaseFlag(cmd.Flags())
	output := choice(cmd.Flags(), "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		id, err := jobNumber(cmd, args[0])
		if err != nil {
			return err
		}
		return m.onJobs(cmd, *database, func(q *jobs.Queue) error {
			j, err := q.Job(cmd.Context(), id)
			if err != nil {
				return err
			}
			return m.deliver("", func(w io.Writer) error {
				if output.value == "json" {
					return writeJSON(w, viewOf(&j))
				}
				return m.jobCard(w, &j)
			})
		})
	}
	return cmd
}

func jobNumber(cmd *cobra.Command, s string) (int64, error) {
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id < 1 {
		return 0, usage(cmd, fault.Say("a job has a number; `daozhang jobs list` shows it", "任务用编号表示，可用 `daozhang jobs list` 查看"))
	}
	return id, nil
}

// jobCard prints all that is known of one job.
func (m *Main) jobCard(w io.Writer, j *jobs.Job) error {
	day := ""
	if j.Date != calendar.None {
		day = j.Date.String()
	}
	by := j.By
	if by == "" {
		by = m.say(text{"the schedule", "计划"})
	}
	t := plainTable()
	for _, line := range []struct {
		name  text
		value string
	}{
		{text{"job", "任务"}, fmt.Sprint(j.ID)}, {text{"state", "状态"}, m.say(stateWords[j.State])},
		{text{"kind", "种类"}, string(j.Kind) + ": " + m.say(kindWords[j.Kind])}, {text{"merchant", "商户"}, j.MID},
		{text{"about", "对象"}, j.Subject}, {text{"day", "业务日"}, day}, {text{"asked for by", "发起人"}, by}, {text{"key", "任务键"}, j.Key},
		{text{"tries", "次数"}, fmt.Sprint(j.Attempts)}, {text{"run by", "运行节点"}, j.Runner}, {text{"created", "登记"}, m.moment(j.Created)},
		{text{"to be run", "应运行"}, m.moment(j.Next)}, {text{"begun", "开始"}, m.moment(j.Began)}, {text{"ended", "结束"}, m.moment(j.Ended)},
		{text{"what it said", "结果"}, j.Said.In(m.lang)}, {text{"task", "内容"}, string(j.Task)},
	} {
		if line.value != "" {
			t.AppendRow(table.Row{m.say(line.name), line.value})
		}
	}
	return writeTable(w, t)
}

func (m *Main) jobsRun() *cobra.Command {
	var task backoffice.Task
	var date, by string
	cmd := &cobra.Command{
		Use:   "run KIND [flags]",
		Short: m.say(text{"Have work done now", "立即执行一项工作"}),
		Long:  m.say(text{"Inserts a job, which a running server takes at once. The kinds:", "登记一项任务，由运行中的服务立即执行。种类："}) + "\n" + m.kindList(),
		Example: "  daozhang jobs run settle --merchant 898310058120001 --date 2026-03-09 --by anne --database /var/lib/daozhang\n" +
			"  daozhang jobs run import --network UnionPay --database /var/lib/daozhang\n  daozhang jobs run hear --bank ICBC --database /var/lib/daozhang",
		Args: need(1, 1, text{"name the kind of work", "请写任务种类"})(m),
	}
	f := cmd.Flags()
	database := m.databaseFlag(f)
	f.StringVar(&task.Merchant, "merchant", "", m.say(text{"merchant `NUMBER`", "商户号 `NUMBER`"}))
	f.StringVar(&date, "date", "", m.say(text{"business `DATE`, as 2026-03-09", "业务日期 `DATE`，如 2026-03-09"}))
	f.StringVar(&task.Network, "network", "", m.say(text{"card network `NAME`", "卡组织名称 `NAME`"}))
	f.StringVar(&task.Bank, "bank", "", m.say(text{"payout bank `NAME`", "出款银行名称 `NAME`"}))
	f.StringVar(&task.Payout, "payout", "", m.say(text{"payout `ID`", "出款编号 `ID`"}))
	f.BoolVar(&task.Final, "final", false, m.say(text{"the day's last settlement run", "当日最后一次结算"}))
	f.StringVar(&by, "by", "", m.say(text{"your `NAME`, for the record", "操作人姓名 `NAME`，留作记录"}))
	output := choice(f, "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		task.Kind, task.Date, task.Due = backoffice.Kind(args[0]), calendar.None, m.Now()
		if date != "" {
			d, err := calendar.ParseDate(date)
			if err != nil {
				return usage(cmd, fault.Say("--date is written 2026-03-09", "--date 的格式如 2026-03-09"))
			}
			task.Date = d
		}
		if err := complete(cmd, &task); err != nil {
			return err
		}
		r, err := requestOf(&task)
		if err != nil {
			return err
		}
		r.By, r.Due = by, time.Time{}
		return m.onJobs(cmd, *database, func(q *jobs.Queue) error {
			j, fresh, err := q.Insert(cmd.Context(), r)
			if err == nil && !fresh {
				j, err = m.alreadyThere(cmd.Context(), q, j)
			}
			if err != nil {
				return err
			}
			return m.deliver("", func(w io.Writer) error {
				if output.value == "json" {
					return writeJSON(w, viewOf(&j))
				}
				_, err := fmt.Fprintf(w, m.say(text{"job %d is %s\n", "任务 %d：%s\n"}), j.ID, m.say(stateWords[j.State]))
				return err
			})
		})
	}
	return cmd
}

// alreadyThere tells that the same work is under way, and takes up what had failed.
func (m *Main) alreadyThere(ctx context.Context, q *jobs.Queue, j jobs.Job) (jobs.Job, error) {
	if j.State == jobs.Failed || j.State == jobs.Retrying {
		return q.Retry(ctx, j.ID)
	}
	m.line(fmt.Sprintf(m.say(text{"daozhang: job %d does that already", "daozhang：任务 %d 已在做同一件事"}), j.ID))
	return j, nil
}

// wants are the flags that name what a kind of work is about.
var wants = map[backoffice.Kind][]string{
	backoffice.Import: {"network"}, backoffice.Funding: {"network", "date"}, backoffice.Closing: {"network", "date"},
	backoffice.Settlement: {"merchant", "date"}, backoffice.Declaration: {"date"}, backoffice.Dispatching: {"merchant", "payout"},
	backoffice.Inquiry: {"merchant", "payout"}, backoffice.Hearing: {"bank"}, backoffice.Remedying: {"merchant", "payout"},
	backoffice.Following: {"merchant"}, backoffice.Advising: {"merchant", "date"},
}

func (m *Main) kindList() string {
	var b strings.Builder
	for _, k := range backoffice.Kinds() {
		fmt.Fprintf(&b, "  %-9s %s (--%s)\n", k, m.say(kindWords[jobs.Kind(k)]), strings.Join(wants[k], ", --"))
	}
	return strings.TrimRight(b.String(), "\n")
}

// complete refuses a task that lacks what its kind is about, or has more.
func complete(cmd *cobra.Command, t *backoffice.Task) error {
	need, known := wants[t.Kind]
	if !known {
		return usage(cmd, fault.Say("there is no work of the kind %q", "没有 %q 这种任务", t.Kind))
	}
	var err error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		about := slices.Contains([]string{"merchant", "date", "network", "bank", "payout"}, f.Name) || f.Name == "final" && t.Kind != backoffice.Settlement
		switch wanted := slices.Contains(need, f.Name); {
		case err != nil || !about:
		case wanted && f.Value.String() == "":
			err = usage(cmd, fault.Say("%s needs --%s", "%s 需要 --%s", t.Kind, f.Name))
		case !wanted && f.Changed:
			err = usage(cmd, fault.Say("%s does not go with --%s", "%s 不能与 --%s 同用", t.Kind, f.Name))
		}
	})
	return err
}

// requestOf makes a job of a task.
func requestOf(t *backoffice.Task) (jobs.Request, error) {
	b, err := json.Marshal(t)
	if err != nil {
		return jobs.Request{}, err
	}
	r := jobs.Request{Kind: jobs.Kind(t.Kind), Key: t.Key(), MID: t.Merchant, Date: t.Date, Task: b, Due: t.Due}
	for _, s := range []string{t.Payout, t.Network, t.Bank} {
		if s != "" {
			r.Subject = s
			break
		}
	}
	return r, nil
}

// jobsMove is retry or cancel.
func (m *Main) jobsMove(verb string) *cobra.Command {
	short := text{"Run jobs again at once", "立即重新运行任务"}
	if verb == "cancel" {
		short = text{"Give jobs up; what still waits in the books is found again by a later sweep", "取消任务；账上仍待办的，下次查找会再登记"}
	}
	cmd := &cobra.Command{
		Use: verb + " ID… [flags]", Short: m.say(short), Example: "  daozhang jobs " + verb + " 42 --database /var/lib/daozhang",
		Args: need(1, -1, text{"name jobs by their numbers", "请写任务编号"})(m),
	}
	database := m.databaseFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.onJobs(cmd, *database, func(q *jobs.Queue) error {
			for _, a := range args {
				id, err := jobNumber(cmd, a)
				if err != nil {
					return err
				}
				move := q.Retry
				if verb == "cancel" {
					move = q.Cancel
				}
				j, err := move(cmd.Context(), id)
				if err != nil {
					return err
				}
				if err := m.deliver("", func(w io.Writer) error {
					_, err := fmt.Fprintf(w, m.say(text{"job %d is %s\n", "任务 %d：%s\n"}), j.ID, m.say(stateWords[j.State]))
					return err
				}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}

func (m *Main) jobsSchedule() *cobra.Command {
	cmd := &cobra.Command{
		Use: "schedule [flags]", Short: m.say(text{"Show what will be due next", "查看接下来到期的工作"}),
		Example: "  daozhang jobs schedule --database /var/lib/daozhang",
		Args:    need(0, 0, text{"it takes no arguments", "不需要参数"})(m),
	}
	database := m.databaseFlag(cmd.Flags())
	output := choice(cmd.Flags(), "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return m.onJobs(cmd, *database, func(q *jobs.Queue) error {
			plan, at, err := q.Schedule(cmd.Context())
			if err != nil {
				return err
			}
			if plan == nil {
				plan = []jobs.Planned{}
			}
			return m.deliver("", func(w io.Writer) error {
				if output.value == "json" {
					return writeJSON(w, struct {
						Swept time.Time      `json:"swept,omitzero"`
						Plan  []jobs.Planned `json:"plan"`
					}{at, plan})
				}
				return m.scheduleTable(w, plan, at)
			})
		})
	}
	return cmd
}

func (m *Main) scheduleTable(w io.Writer, plan []jobs.Planned, at time.Time) error {
	if at.IsZero() {
		_, err := fmt.Fprintln(w, m.say(text{"no server has looked for work yet", "尚无服务查找过待办"}))
		return err
	}
	t := plainTable()
	t.AppendHeader(table.Row{m.say(text{"due", "到期"}), m.say(text{"kind", "种类"}), m.say(text{"jobs", "任务数"}), m.say(text{"what", "内容"})})
	for _, p := range plan {
		t.AppendRow(table.Row{m.moment(p.Due), p.Kind, p.Jobs, m.say(kindWords[p.Kind])})
	}
	if err := writeTable(w, t); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, m.say(text{"as seen at %s; files that come and payouts that banks answer make more\n", "查看于 %s；来的文件和银行的答复会带来更多任务\n"}), m.moment(at))
	return err
}
