package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"daozhang/internal/access"
	"daozhang/internal/api"
	"daozhang/internal/api/client"
	"daozhang/internal/desk"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/money"
	"daozhang/internal/report"
)

// exceptions is the desk on the command line.
func (m *Main) exceptions() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exceptions",
		Short: m.say(text{"Exceptions and cases: list, show, assign, match, resolve", "异常与案件：列出、查看、分配、匹配、解决"}),
		Long: m.say(text{
			"What needs somebody: payments that are late, short, held or open, payouts that came back, and what clearing files,\n" +
				"statements and terminals left over. A case is opened by the first thing that is done about one.\n" +
				"Of a server it is asked with the key in " + apiKeyVariable + ". Of a database it is read while the server runs; what\n" +
				"changes something needs the embedded database for itself, or PostgreSQL. What moves money waits for a second person:\n" +
				"see `daozhang approvals`.",
			"需要有人处理的事项：逾期、少款、冻结或结果不明的交易，被退回的出款，以及清算文件、对账单和终端留下的差错。\n" +
				"对某一事项进行第一次操作时即建立案件。向服务查询时使用 " + apiKeyVariable + " 中的密钥；直接读数据库时可与服务同时进行，\n" +
				"改动须独占内嵌数据库，或使用 PostgreSQL。涉及资金的操作须由第二人复核，见 `daozhang approvals`。"}),
		Example: "  daozhang exceptions list --server http://127.0.0.1:8080\n  daozhang exceptions list --inbox unassigned --age 2-3,4-5 --database /var/lib/daozhang\n" +
			"  daozhang exceptions assign 898310058120001.payment.a774f14a524af2c --to anne --text 'knows the bank' --server http://127.0.0.1:8080",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(cmd, fault.Say("there is no command %q", "没有 %q 这个命令", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(m.exceptionsList(), m.exceptionsShow(), m.exceptionsCandidates(), m.exceptionsAttach())
	for _, a := range caseActs {
		cmd.AddCommand(m.exceptionsDo(a))
	}
	return cmd
}

// bench is the desk as a command has it: of a server, or over a database.
type bench interface {
	Exceptions(ctx context.Context, query url.Values) (*api.Exceptions, error)
	Case(ctx context.Context, id string) (*api.CaseDetail, error)
	Candidates(ctx context.Context, id string, n int) (*api.Candidates, error)
	Command(ctx context.Context, id string, cmd api.CaseCommand) (*api.Case, error)
	Attach(ctx context.Context, id, name string, content []byte) (*api.CaseFile, error)
	Approvals(ctx context.Context, query url.Values) (*api.Approvals, error)
	Approval(ctx context.Context, id string) (*api.Approval, error)
	Propose(ctx context.Context, p api.Proposal) (*api.Approval, error)
	Approve(ctx context.Context, id string) (*api.Approval, error)
	Decline(ctx context.Context, id, why string) (*api.Approval, error)
}

// benchFlags say where the desk is and who works at it.
type benchFlags struct {
	database *string
	server   string
	by       func() access.Actor
}

func (m *Main) benchFlags(f *pflag.FlagSet, writes bool) *benchFlags {
	b := &benchFlags{database: m.databaseFlag(f)}
	f.StringVar(&b.server, "server", "", m.say(text{"`URL` of a server to ask instead of a database", "服务地址 `URL`，代替数据库"}))
	if writes {
		b.by = m.byFlag(f)
	} else {
		b.by = func() access.Actor { return access.Actor{Name: "host/reader"} }
	}
	return b
}

// at opens the desk that is meant.
func (m *Main) at(cmd *cobra.Command, b *benchFlags, writes bool, do func(bench) error) error {
	if b.server != "" {
		if *b.database != "" {
			return usage(cmd, fault.Say("name a server or a database", "服务与数据库只能给出一个"))
		}
		return do(&client.Client{URL: b.server, Key: m.Getenv(apiKeyVariable), Lang: m.lang})
	}
	open := m.look
	if writes {
		open = m.decide
	}
	return open(cmd, *b.database, func(d *decider) error {
		catalogue, err := diagnosis.Load()
		if err != nil {
			return err
		}
		live, err := m.readAll(cmd.Context(), d, catalogue)
		if err != nil {
			return err
		}
		c := deskConfig{OneCheckerUpTo: 10_000_000, Checkers: 2, Expiry: 7 * 24 * time.Hour, Calendar: "CN"}
		own := deskOf(d.db, &c, catalogue, m.Zone, m.Now)
		own.Live = live
		// People are known by the names under which they make and check what
		// `daozhang merchants` and the pages take, so that nobody checks their own.
		who := b.by()
		who.Name = strings.TrimPrefix(who.Name, "host/")
		return do(&localBench{own, desk.Actor{Actor: who}})
	})
}

// readAll gives the investigation of everything that a database has in evidence.
func (m *Main) readAll(ctx context.Context, d *decider, catalogue *diagnosis.Catalogue) (*investigation.Live, error) {
	_, offset := m.Now().In(m.Zone).Zone()
	live, err := investigation.NewLive(investigation.LiveOptions{Options: investigation.Options{Catalogue: catalogue}, AsOf: evidence.InstantOf(m.Now()), Offset: int16(offset / 60), Keep: -1})
	if err != nil {
		return nil, err
	}
	r, w := io.Pipe()
	go func() {
		_, err := d.db.WriteEvidence(ctx, w, "")
		w.CloseWithError(err)
	}()
	_, err = live.AddNDJSON(r, func(int, fault.Text) {}) // what the store has was taken before
	r.Close()
	return live, err
}

// localBench is the desk over a database.
type localBench struct {
	*desk.Desk
	who desk.Actor
}

// Exceptions implements bench: the query is that of the API.
func (b *localBench) Exceptions(ctx context.Context, q url.Values) (*api.Exceptions, error) {
	in := api.ExceptionFilter{Inbox: q.Get("inbox"), MID: q.Get("mid"), Owner: q.Get("owner"), Party: q.Get("party"), Cause: q["cause"], Kind: q["kind"], Age: q["age"],
		Currency: q.Get("currency"), Incident: q.Get("incident"), Escalated: q.Get("escalated") == "true"}
	f, err := in.Filter()
	if err != nil {
		return nil, err
	}
	n, _ := strconv.Atoi(q.Get("limit"))
	return api.ExceptionsOf(ctx, b.Desk, b.who, f, q.Get("cursor"), cmp.Or(n, 50))
}

// Case implements bench.
func (b *localBench) Case(ctx context.Context, id string) (*api.CaseDetail, error) {
	k, err := desk.ParseKey(id)
	if err != nil {
		return nil, err
	}
	return api.CaseDetailOf(ctx, b.Desk, b.who, k)
}

// Candidates implements bench.
func (b *localBench) Candidates(ctx context.Context, id string, n int) (*api.Candidates, error) {
	k, err := desk.ParseKey(id)
	if err != nil {
		return nil, err
	}
	return api.CandidatesOf(ctx, b.Desk, b.who, k, n)
}

// Command implements bench.
func (b *localBench) Command(ctx context.Context, id string, cmd api.CaseCommand) (*api.Case, error) {
	k, err := desk.ParseKey(id)
	if err != nil {
		return nil, err
	}
	c, err := b.Do(ctx, b.who, k, cmd.Command())
	if err != nil {
		return nil, err
	}
	return api.CaseOf(c), nil
}

// Attach implements bench.
func (b *localBench) Attach(ctx context.Context, id, name string, content []byte) (*api.CaseFile, error) {
	k, err := desk.ParseKey(id)
	if err != nil {
		return nil, err
	}
	f, err := b.Desk.Attach(ctx, b.who, k, name, content)
	if err != nil {
		return nil, err
	}
	out := api.CaseFileOf(f)
	return &out, nil
}

func (m *Main) exceptionsList() *cobra.Command {
	var inbox, mid, owner, party, currency, incident, out string
	var causes, kinds, ages []string
	var escalated bool
	var most int
	cmd := &cobra.Command{
		Use: "list [flags]", Short: m.say(text{"List what needs somebody, the longest due first", "列出待处理事项，最早到期在前"}),
		Long: m.say(text{"Ages are bank days past the promise, by the calendar of the merchant's terms: 0, 1, 2-3, 4-5, 6-10, 11+.",
			"账龄为超过约定的银行工作日数，按商户条款的日历计算：0、1、2-3、4-5、6-10、11+。"}),
		Example: "  daozhang exceptions list --database /var/lib/daozhang\n  daozhang exceptions list --inbox unassigned --kind exception -o csv --server http://127.0.0.1:8080",
		Args:    need(0, 0, text{"it takes no arguments", "不需要参数"})(m),
	}
	f := cmd.Flags()
	b := m.benchFlags(f, false)
	f.StringVar(&inbox, "inbox", "team", m.say(text{"`INBOX`: unassigned, owned, team, waiting, snoozed or done", "收件箱 `INBOX`：unassigned、owned、team、waiting、snoozed 或 done"}))
	f.StringVar(&mid, "merchant", "", m.say(text{"only of this merchant `NUMBER`", "只列出该商户号 `NUMBER`"}))
	f.StringVar(&owner, "owner", "", m.say(text{"only of this owner `NAME`", "只列出该负责人 `NAME`"}))
	f.StringVar(&party, "party", "", m.say(text{"only what this `PARTY` has to act on: bank, network/UnionPay", "只列出应由该方 `PARTY` 处理的：bank、network/UnionPay"}))
	f.StringVar(&currency, "currency", "", m.say(text{"only in this `CURRENCY`", "只列出该币种 `CURRENCY`"}))
	f.StringVar(&incident, "incident", "", m.say(text{"only of this `INCIDENT`", "只列出该事件 `INCIDENT`"}))
	f.StringSliceVar(&causes, "cause", nil, m.say(text{"only for these `CODES`", "只列出这些原因 `CODES`"}))
	f.StringSliceVar(&kinds, "kind", nil, m.say(text{"only these `KINDS`: payment, exception, payout", "只列出这些类型 `KINDS`：payment、exception、payout"}))
	f.StringSliceVar(&ages, "age", nil, m.say(text{"only of these `BANDS` of bank days", "只列出这些账龄区间 `BANDS`"}))
	f.BoolVar(&escalated, "escalated", false, m.say(text{"only what was escalated", "只列出已升级的"}))
	f.IntVar(&most, "limit", 100, m.say(text{"at most `N`", "最多 `N` 条"}))
	f.StringVar(&out, "out", "", m.say(text{"write to `FILE`", "写入文件 `FILE`"}))
	output := choice(f, "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), tableForms...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		for _, a := range ages {
			if _, ok := desk.ParseBand(a); !ok {
				return usage(cmd, fault.Say("--age is one of 0, 1, 2-3, 4-5, 6-10, 11+", "--age 须为 0、1、2-3、4-5、6-10、11+ 之一"))
			}
		}
		q := url.Values{"inbox": {inbox}, "cause": causes, "kind": kinds, "age": ages}
		for name, v := range map[string]string{"mid": mid, "owner": owner, "party": party, "currency": currency, "incident": incident} {
			if v != "" {
				q.Set(name, v)
			}
		}
		if escalated {
			q.Set("escalated", "true")
		}
		return m.at(cmd, b, false, func(d bench) error {
			list, err := everyException(cmd.Context(), d, q, most)
			if err != nil {
				return err
			}
			return m.deliver(out, func(w io.Writer) error { return m.writeExceptions(w, output.value, list) })
		})
	}
	return cmd
}

// everyException reads page after page, up to most items.
func everyException(ctx context.Context, d bench, q url.Values, most int) ([]api.Exception, error) {
	list := []api.Exception{}
	for len(list) < most {
		q.Set("limit", strconv.Itoa(min(most-len(list), 500)))
		p, err := d.Exceptions(ctx, q)
		if err != nil {
			return nil, err
		}
		list = append(list, p.Items...)
		if p.NextCursor == "" {
			break
		}
		q.Set("cursor", p.NextCursor)
	}
	return list, nil
}

var exceptionColumns = []column{{text{"Item", "编号"}, false}, {text{"Cause", "原因"}, false}, {text{"At risk", "风险金额"}, true}, {text{"Age", "账龄"}, true}, {text{"Due", "期限"}, false},
	{text{"Who acts", "处理方"}, false}, {text{"Owner", "负责人"}, false}, {text{"Inbox", "收件箱"}, false}}

func (m *Main) writeExceptions(w io.Writer, form string, list []api.Exception) error {
	return writeList(m, w, form, text{"Exceptions", "异常"}, text{"nothing needs anybody", "没有待处理的事项"}, exceptionColumns, list, func(x *api.Exception) []any {
		owner := ""
		if x.Case != nil {
			owner = x.Case.Owner
		}
		return []any{x.ID, m.words(x.Title), m.figure(x.Amount, x.Currency), strconv.Itoa(x.Age), m.moment(x.Due), x.Party, owner, desk.Inbox(x.Inbox).Text().In(m.lang)}
	})
}

func (m *Main) words(w api.Words) string { return fault.Text{EN: w.EN, ZH: w.ZH}.In(m.lang) }

// figure is an amount in minor units with its currency; "" for none.
func (m *Main) figure(amount int64, currency string) string {
	c, err := money.ParseCurrency(currency)
	if err != nil || amount == 0 {
		return ""
	}
	return report.Amount(amount, c)
}

func (m *Main) exceptionsShow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show ITEM [flags]", Short: m.say(text{"Show an item with its case and history", "查看一个事项及其案件和历史"}),
		Example: "  daozhang exceptions show 898310058120001.payment.a774f14a524af2c --database /var/lib/daozhang",
		Args:    need(1, 1, text{"name the item as the list does", "请写清单中的事项编号"})(m),
	}
	b := m.benchFlags(cmd.Flags(), false)
	output := choice(cmd.Flags(), "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.at(cmd, b, false, func(d bench) error {
			c, err := d.Case(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return m.deliver("", func(w io.Writer) error {
				if output.value == "json" {
					return writeJSON(w, c)
				}
				return m.caseCard(w, c)
			})
		})
	}
	return cmd
}

// caseCard is a case as a person reads it.
func (m *Main) caseCard(w io.Writer, c *api.CaseDetail) error {
	var out strings.Builder
	line := func(name text, value string) {
		if value != "" {
			fmt.Fprintf(&out, "  %s: %s\n", m.say(name), value)
		}
	}
	fmt.Fprintf(&out, "%s\n  %s\n", c.ID, m.words(c.Title))
	line(text{"at risk", "风险金额"}, m.figure(c.Amount, c.Currency))
	line(text{"promised", "约定"}, m.moment(c.Promised))
	line(text{"age", "账龄"}, desk.AgeText(c.Age).In(m.lang))
	line(text{"who acts", "处理方"}, c.Party)
	line(text{"inbox", "收件箱"}, desk.Inbox(c.Inbox).Text().In(m.lang))
	for _, d := range c.Details {
		fmt.Fprintf(&out, "  %s\n", d)
	}
	if k := c.Case; k != nil {
		line(text{"case", "案件"}, k.Number+" · "+desk.State(k.State).Text().In(m.lang))
		line(text{"owner", "负责人"}, k.Owner)
		line(text{"waits for", "等待"}, k.AwaitedFrom)
		line(text{"outcome", "结果"}, desk.Outcome(k.Outcome).Text().In(m.lang))
		line(text{"approvals", "待复核"}, strings.Join(k.Proposals, " "))
	}
	for _, e := range c.History {
		fmt.Fprintf(&out, "  %s  %s  %s", m.moment(e.At), e.By, m.words(e.Title))
		for _, s := range []string{e.To, m.figure(e.Amount, e.Currency), e.Text, e.File} {
			if s != "" {
				fmt.Fprintf(&out, "  %s", s)
			}
		}
		out.WriteByte('\n')
	}
	for _, f := range c.Attached {
		fmt.Fprintf(&out, "  %s  %s  %s  %d\n", m.moment(f.At), f.Name, f.Type, f.Size)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (m *Main) exceptionsCandidates() *cobra.Command {
	var most int
	cmd := &cobra.Command{
		Use: "candidates ITEM [flags]", Short: m.say(text{"What may be the other side of an item, with reasons", "列出可能的匹配对象及理由"}),
		Example: "  daozhang exceptions candidates HOUSE.exception.0198c0de-0000-7000-8000-000000000001 --database /var/lib/daozhang",
		Args:    need(1, 1, text{"name the item as the list does", "请写清单中的事项编号"})(m),
	}
	b := m.benchFlags(cmd.Flags(), false)
	cmd.Flags().IntVar(&most, "limit", 10, m.say(text{"at most `N`", "最多 `N` 条"}))
	output := choice(cmd.Flags(), "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), tableForms...)
	columns := []column{{text{"Ref", "引用"}, false}, {text{"Score", "得分"}, true}, {text{"Amount", "金额"}, true}, {text{"Time", "时间"}, false}, {text{"What", "内容"}, false}, {text{"Reasons", "理由"}, false}}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.at(cmd, b, false, func(d bench) error {
			list, err := d.Candidates(cmd.Context(), args[0], most)
			if err != nil {
				return err
			}
			return m.deliver("", func(w io.Writer) error {
				return writeList(m, w, output.value, text{"Candidates", "候选"}, text{"nothing comes near it", "没有相近的候选"}, columns, list.Items, func(c *api.Candidate) []any {
					var reasons []string
					for _, r := range c.Reasons {
						reasons = append(reasons, strings.TrimSpace(desk.ReasonWord(r.Word).Text().In(m.lang)+" "+r.Detail))
					}
					return []any{c.Ref, strconv.Itoa(c.Score), m.figure(c.Amount, c.Currency), m.moment(c.Time), c.Text, strings.Join(reasons, "; ")}
				})
			})
		})
	}
	return cmd
}

func (m *Main) exceptionsAttach() *cobra.Command {
	cmd := &cobra.Command{
		Use: "attach ITEM FILE [flags]", Short: m.say(text{"Attach a file to a case", "为案件添加附件"}),
		Long: m.say(text{"PDF, PNG, JPEG, GIF, WebP, XLSX, CSV, XML, JSON or plain text, at most 5 MiB. Card numbers in text are hidden.",
			"支持 PDF、PNG、JPEG、GIF、WebP、XLSX、CSV、XML、JSON 和纯文本，最大 5 MiB；文本中的卡号会被遮盖。"}),
		Example: "  daozhang exceptions attach 898310058120001.payment.a774f14a524af2c letter.pdf --server http://127.0.0.1:8080",
		Args:    need(2, 2, text{"name the item and the file", "请写事项编号和文件"})(m),
	}
	b := m.benchFlags(cmd.Flags(), true)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		content, err := os.ReadFile(args[1])
		if err != nil {
			return openError(args[1], err)
		}
		return m.at(cmd, b, true, func(d bench) error {
			f, err := d.Attach(cmd.Context(), args[0], filepath.Base(args[1]), content)
			if err == nil {
				m.line(fmt.Sprintf(m.say(text{"daozhang: attached %s (%s)", "daozhang：已添加附件 %s（%s）"}), f.Name, f.Type))
			}
			return err
		})
	}
	return cmd
}

// caseAct is a command that does one thing with cases.
type caseAct struct {
	do     desk.Act
	name   string
	short  text
	flags  string // of those that it reads: text to until outcome with parts part amount keep take network document what match
	sample string
}

// caseActs are what can be done, in the order of their help.
var caseActs = []caseAct{
	{desk.Assign, "assign", text{"Give cases to somebody", "分配案件"}, "text to", "--to anne --text 'knows the bank'"},
	{desk.Comment, "comment", text{"Write a comment", "写备注"}, "text", "--text 'the bank was called'"},
	{desk.Snooze, "snooze", text{"Put aside until a time", "暂缓到某一时间"}, "text until", "--until 2026-03-05T11:00:00+08:00 --text 'the file comes at eleven'"},
	{desk.Wake, "wake", text{"Take up what was put aside", "恢复暂缓的案件"}, "", ""},
	{desk.Escalate, "escalate", text{"Escalate to a colleague", "升级给同事"}, "text to", "--to bert --text 'over 100,000'"},
	{desk.Ask, "ask", text{"Ask the counterparty, and wait for the answer", "询问对方并等待答复"}, "text to", "--to merchant --text 'was the batch uploaded?'"},
	{desk.Answer, "answer", text{"Record the counterparty's answer", "登记对方的答复"}, "text", "--text 'yes, at 22:50'"},
	{desk.Declare, "declare", text{"Declare a complaint, a refund request or a chargeback", "登记为投诉、退款申请或拒付"}, "text what", "--what complaint"},
	{desk.Pair, "match", text{"Decide that others are the other side", "认定匹配对象"}, "text with part", "--with HOUSE.exception.0198c0de-0000-7000-8000-000000000001 --text 'one sale'"},
	{desk.Unpair, "unmatch", text{"Undo a match", "取消匹配"}, "text match", "--text 'another sale'"},
	{desk.Split, "split", text{"Split into parts, each settled by itself", "拆分为若干部分"}, "parts", "--parts 60.00,30.00"},
	{desk.Resolve, "resolve", text{"Resolve: corrected, explained or duplicate", "解决：corrected、explained 或 duplicate"}, "text outcome part", "--outcome explained --text 'a bank holiday'"},
	{desk.Reopen, "reopen", text{"Open a resolved case again", "重新打开案件"}, "text", "--text 'it is no holiday'"},
	{desk.WriteOff, "write-off", text{"Propose to write off", "提交核销"}, "text amount keep part", "--text 'the network does not find it'"},
	{desk.Adjust, "adjust", text{"Propose to give to the merchant, or to take", "提交调账"}, "text amount take network", "--amount 18.00 --text 'fee of another card type'"},
	{desk.Hold, "hold", text{"Propose to hold an amount of the merchant's money", "提交冻结部分资金"}, "text amount document", "--amount 5000.00 --document 'order 7' --text 'court order'"},
	{desk.Resend, "resend", text{"Propose to send a payout again that came back", "提交重新出款"}, "text amount", "--text 'the account was mended'"},
	{desk.LetGo, "release", text{"Propose to release a payment that risk holds", "提交解除风控冻结"}, "text", "--text 'the merchant sent the slip'"},
}

// exceptionsDo is the command of one act. It takes several items where that makes
// sense; each is done by itself, and the first that fails ends it.
func (m *Main) exceptionsDo(a caseAct) *cobra.Command {
	var in api.CaseCommand
	var until, amount string
	var parts []string
	var take, network bool
	cmd := &cobra.Command{
		Use: a.name + " ITEM... [flags]", Short: m.say(a.short),
		Example: strings.TrimRight("  daozhang exceptions "+a.name+" 898310058120001.payment.a774f14a524af2c "+a.sample, " ") + " --server http://127.0.0.1:8080",
		Args:    need(1, 1000, text{"name the items as the list does", "请写清单中的事项编号"})(m),
	}
	f := cmd.Flags()
	b := m.benchFlags(f, true)
	has := func(name string) bool { return strings.Contains(" "+a.flags+" ", " "+name+" ") }
	if has("text") {
		f.StringVar(&in.Text, "text", "", m.say(text{"`TEXT` for the history: the comment, reason, question or answer", "写入历史的文字 `TEXT`：备注、理由、问题或答复"}))
	}
	if has("to") {
		f.StringVar(&in.To, "to", "", m.say(text{"`NAME` of who", "对象 `NAME`"}))
	}
	if has("until") {
		f.StringVar(&until, "until", "", m.say(text{"`TIME` such as 2026-03-05T11:00:00+08:00", "时间 `TIME`，如 2026-03-05T11:00:00+08:00"}))
	}
	if has("what") {
		f.StringVar(&in.What, "what", "", m.say(text{"`WHAT`: complaint, refund_request or chargeback", "类型 `WHAT`：complaint、refund_request 或 chargeback"}))
	}
	if has("with") {
		f.StringSliceVar(&in.With, "with", nil, m.say(text{"`REFS` of candidates", "候选的引用 `REFS`"}))
	}
	if has("match") {
		f.IntVar(&in.Match, "match", 0, m.say(text{"`NUMBER` of the match; 0: all", "匹配编号 `NUMBER`，0 为全部"}))
	}
	if has("parts") {
		f.StringSliceVar(&parts, "parts", nil, m.say(text{"`AMOUNTS` that add up", "合计相等的各部分金额 `AMOUNTS`"}))
	}
	if has("part") {
		f.IntVar(&in.Part, "part", 0, m.say(text{"`NUMBER` of the part; 0: the whole", "部分编号 `NUMBER`，0 为全部"}))
	}
	if has("outcome") {
		f.StringVar(&in.Outcome, "outcome", "", m.say(text{"`HOW`: corrected, explained or duplicate", "结果 `HOW`：corrected、explained 或 duplicate"}))
	}
	if has("amount") {
		f.StringVar(&amount, "amount", "", m.say(text{"`AMOUNT` in major units", "金额 `AMOUNT`（元）"}))
	}
	if has("keep") {
		f.BoolVar(&in.Keep, "keep", false, m.say(text{"it is ours to keep, not to bear", "归我方所有，而非由我方承担"}))
	}
	if has("take") {
		f.BoolVar(&take, "take", false, m.say(text{"take the amount instead of giving it", "扣回而不是补付"}))
		f.BoolVar(&network, "network", false, m.say(text{"because the network corrected something", "因卡组织更正"}))
	}
	if has("document") {
		f.StringVar(&in.Document, "document", "", m.say(text{"`NUMBER` of the paper behind it", "文书编号 `NUMBER`"}))
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		in.Do = string(a.do)
		if until != "" {
			var err error
			if in.Until, err = time.Parse(time.RFC3339, until); err != nil {
				return usage(cmd, fault.Say("--until: write it as 2026-03-05T11:00:00+08:00", "--until：请写作 2026-03-05T11:00:00+08:00"))
			}
		}
		if network {
			in.Against = "network_receivable"
		}
		return m.at(cmd, b, true, func(d bench) error {
			for _, id := range args {
				one := in
				if err := m.figures(cmd, d, id, &one, amount, parts, take); err != nil {
					return err
				}
				c, err := d.Command(cmd.Context(), id, one)
				if err != nil {
					return err
				}
				m.toldCase(id, c)
			}
			return nil
		})
	}
	return cmd
}

// figures reads amounts in the currency of the item.
func (m *Main) figures(cmd *cobra.Command, d bench, id string, in *api.CaseCommand, amount string, parts []string, take bool) error {
	if amount == "" && len(parts) == 0 {
		return nil
	}
	c, err := d.Case(cmd.Context(), id)
	if err != nil {
		return err
	}
	currency, err := money.ParseCurrency(c.Currency)
	if err != nil {
		return usage(cmd, fault.Say("no money is at risk there", "该事项不涉及金额"))
	}
	if amount != "" {
		if in.Amount, err = readAmount(cmd, "--amount", amount, currency); err != nil {
			return err
		}
		if take {
			in.Amount = -in.Amount
		}
	}
	for _, p := range parts {
		n, err := readAmount(cmd, "--parts", p, currency)
		if err != nil {
			return err
		}
		in.Parts = append(in.Parts, api.CasePart{Amount: n})
	}
	return nil
}

// toldCase says how a case stands after a command.
func (m *Main) toldCase(id string, c *api.Case) {
	m.line(fmt.Sprintf(m.say(text{"daozhang: %s: case %s is %s", "daozhang：%s：案件 %s，状态：%s"}), id, c.Number, desk.State(c.State).Text().In(m.lang)))
	for _, p := range c.Proposals {
		m.line(fmt.Sprintf(m.say(text{"  a colleague checks it: daozhang approvals approve %s", "  请另一位同事复核：daozhang approvals approve %s"}), p))
	}
}
