package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	textalign "github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/money"
	"daozhang/internal/settlement"
)

// payouts shows payouts and takes what people decide about merchants' money.
func (m *Main) payouts() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "payouts",
		Short: m.say(text{"Payouts: list, show, send again; hold, release, adjust", "出款：列出、查看、重发；留置、解除、调账"}),
		Long: m.say(text{
			"A payout is one order to a bank to pay a merchant. Looking works while the server runs. Deciding works beside it on\n" +
				"PostgreSQL; an embedded database has one writer, so stop the server for the moment.",
			"一笔出款是给银行的一条付款指令。查询在服务运行时即可进行。PostgreSQL 上可与服务同时登记决定；\n" +
				"内嵌数据库只有一个写入者，请先暂停服务。"}),
		Example: "  daozhang payouts list --state returned --database /var/lib/daozhang\n  daozhang payouts show P20260303-M3MTLXGBIV3WX --database /var/lib/daozhang\n" +
			"  daozhang payouts resend P20260303-M3MTLXGBIV3WX --database /var/lib/daozhang",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(cmd, fault.Say("there is no command %q", "没有 %q 这个命令", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(m.payoutsList(), m.payoutsShow(), m.payoutsResend(), m.payoutsHold(), m.payoutsRelease(), m.payoutsAdjust())
	return cmd
}

// payoutStates are all states in their order.
var payoutStates = []settlement.PayoutState{settlement.Created, settlement.Stopped, settlement.Sent, settlement.Unknown, settlement.Accepted,
	settlement.Credited, settlement.Rejected, settlement.Returned}

// payoutWords are the states of payouts for people.
var payoutWords = map[settlement.PayoutState]text{
	settlement.Created: {"created", "已生成"}, settlement.Stopped: {"stopped", "已暂停"}, settlement.Sent: {"sent", "已发出"},
	settlement.Unknown: {"unknown, asked about", "结果不明，查询中"}, settlement.Accepted: {"accepted", "银行已受理"}, settlement.Credited: {"credited", "已入账"},
	settlement.Rejected: {"rejected", "银行拒绝"}, settlement.Returned: {"returned", "已退回"},
}

// remedyWords say what a refused or returned payout waits for.
var remedyWords = map[settlement.Remedy]text{
	settlement.MendAccount: {"the merchant brings another account", "待商户更换账户"}, settlement.SplitAmount: {"it goes in smaller payouts", "拆分后重发"},
	settlement.TryAgain: {"it is tried again", "稍后重试"}, settlement.AskPerson: {"a person decides", "待人工处理"},
}

// payoutView is a payout as programs read it.
type payoutView struct {
	ID         string         `json:"id"`
	MID        string         `json:"mid"`
	Day        calendar.Date  `json:"date"`
	Amount     int64          `json:"amount"`
	Currency   money.Currency `json:"currency"`
	State      string         `json:"state"`
	Account    string         `json:"account"`
	Bank       string         `json:"bank"`
	Lines      int64          `json:"lines"`
	Reason     string         `json:"reason,omitempty"`
	Remedy     string         `json:"remedy,omitempty"`
	Replaces   string         `json:"replaces,omitempty"`
	ReplacedBy []string       `json:"replaced_by,omitempty"`
	Resent     int64          `json:"resent,omitempty"`
	Made       time.Time      `json:"made"`
	Sent       time.Time      `json:"sent,omitzero"`
	Word       time.Time      `json:"bank_said,omitzero"`
	Next       time.Time      `json:"asked_next,omitzero"`
	Inquiries  int            `json:"inquiries,omitempty"`
	// Made up of: its lines, added up.
	Sum *payoutSum `json:"made_up_of,omitempty"`
}

// payoutSum adds up a payout's lines: what came to it from earlier runs, and what
// its own day added and took away. All together is its amount.
type payoutSum struct {
	Opening     int64 `json:"opening"`
	Sales       int64 `json:"sales"`
	Refunds     int64 `json:"refunds"` // with voids; negative, as all that takes away
	Fees        int64 `json:"fees"`
	Chargebacks int64 `json:"chargebacks"`
	Adjustments int64 `json:"adjustments"`
	Reserves    int64 `json:"reserves"`
	Released    int64 `json:"reserves_released"`
	// Unlisted is what lines add that a server does not list any more.
	Unlisted int64 `json:"unlisted,omitempty"`
	Net      int64 `json:"net"`
}

// add takes a line of the payout of a day.
func (s *payoutSum) add(l *settlement.Line, day calendar.Date) {
	s.Net += l.Net
	if l.Date < day {
		s.Opening += l.Net
		return
	}
	s.Fees -= l.Fee
	gross := l.Net + l.Fee
	switch l.Kind {
	case evidence.Refund, evidence.Void, evidence.Reversal:
		s.Refunds += gross
	case evidence.Chargeback:
		s.Chargebacks += gross
	case evidence.Reserve:
		s.Reserves += gross
	case evidence.ReserveRelease:
		s.Released += gross
	case evidence.FeeKind:
		s.Fees += gross
	case evidence.Adjustment:
		s.Adjustments += gross
	default:
		s.Sales += gross
	}
}

func payoutViewOf(p *settlement.Payout) payoutView {
	v := payoutView{ID: p.ID, MID: p.MID, Day: p.Day, Amount: p.Amount, Currency: p.Currency, State: p.State.String(), Account: p.Account.Tail, Bank: p.Account.Bank,
		Lines: p.Lines, Reason: p.Reason, Replaces: p.Replaces, ReplacedBy: p.ReplacedBy, Resent: p.Resent, Made: p.Made, Sent: p.Sent, Word: p.Word, Inquiries: p.Inquiries}
	if p.State == settlement.Sent || p.State == settlement.Unknown {
		v.Next = p.Next
	}
	if cameBack(p) {
		v.Remedy = string(settlement.RemedyOf(p.Reason))
	}
	return v
}

func cameBack(p *settlement.Payout) bool {
	return (p.State == settlement.Rejected || p.State == settlement.Returned) && p.Resent < p.Amount
}

func (m *Main) payoutsList() *cobra.Command {
	var mid, date string
	var states []string
	var most int
	cmd := &cobra.Command{
		Use: "list [flags]", Short: m.say(text{"List payouts: of a merchant, or in some states", "列出出款：按商户或按状态"}),
		Long: m.say(text{"Of one merchant all payouts, the latest first. Of all merchants those that are not at an end, unless --state says otherwise.",
			"指定商户时列出其全部出款，最新在前；否则列出所有商户未了结的出款，除非用 --state 指定。"}),
		Example: "  daozhang payouts list --database /var/lib/daozhang\n  daozhang payouts list --merchant 898310058120001 --database /var/lib/daozhang\n" +
			"  daozhang payouts list --state rejected,returned -o json --database /var/lib/daozhang",
		Args: need(0, 0, text{"it takes no arguments", "不需要参数"})(m),
	}
	f := cmd.Flags()
	database := m.databaseFlag(f)
	server := m.serverFlag(f)
	f.StringVar(&mid, "merchant", "", m.say(text{"only of this merchant `NUMBER`", "只列出该商户号 `NUMBER`"}))
	f.StringVar(&date, "date", "", m.say(text{"only of this `DATE`", "只列出该日期 `DATE`"}))
	f.StringSliceVar(&states, "state", nil, m.say(text{"only in these `STATES`: ", "只列出这些状态 `STATES`："})+stateNames())
	f.IntVar(&most, "limit", 100, m.say(text{"at most `N`", "最多 `N` 条"}))
	output := choice(f, "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if *server != "" {
			return m.payoutsOf(cmd, *server, mid, date, states, most, output.value)
		}
		day := calendar.None
		if date != "" {
			var err error
			if day, err = calendar.ParseDate(date); err != nil {
				return usage(cmd, fault.Say("--date: write it as 2026-03-09", "--date：请写作 2026-03-09"))
			}
		}
		var want []settlement.PayoutState
		for _, s := range states {
			st, ok := settlement.ParsePayoutState(s)
			if !ok {
				return usage(cmd, fault.Say("--state is one of %s", "--state 须为下列之一：%s", stateNames()))
			}
			want = append(want, st)
		}
		return m.look(cmd, *database, func(d *decider) error {
			list, err := d.payouts(cmd.Context(), mid, day, want, most)
			if err != nil {
				return err
			}
			return m.deliver("", func(w io.Writer) error {
				if output.value == "json" {
					views := make([]payoutView, len(list))
					for i := range list {
						views[i] = payoutViewOf(&list[i])
					}
					return writeJSON(w, views)
				}
				return m.payoutTable(w, list)
			})
		})
	}
	return cmd
}

func stateNames() string {
	names := make([]string, len(payoutStates))
	for i, s := range payoutStates {
		names[i] = s.String()
	}
	return strings.Join(names, ", ")
}

// payouts are a merchant's, or everybody's in some states.
func (d *decider) payouts(ctx context.Context, mid string, day calendar.Date, states []settlement.PayoutState, most int) ([]settlement.Payout, error) {
	var list []settlement.Payout
	if mid != "" {
		all, err := d.db.PayoutsOf(ctx, mid, states...)
		if err != nil {
			return nil, err
		}
		for _, p := range slices.Backward(all) {
			if (day == calendar.None || p.Day == day) && len(list) < most {
				list = append(list, p)
			}
		}
		return list, nil
	}
	if len(states) == 0 {
		states = underWay
	}
	for p, err := range d.db.PayoutsIn(ctx, states...) {
		if err != nil {
			return nil, err
		}
		if day == calendar.None || p.Day == day {
			if list = append(list, p); len(list) == most {
				break
			}
		}
	}
	return list, nil
}

// payoutTable prints payouts for people.
func (m *Main) payoutTable(w io.Writer, list []settlement.Payout) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, m.say(text{"no payouts", "没有出款"}))
		return err
	}
	t := plainTable()
	t.AppendHeader(table.Row{m.say(text{"payout", "出款"}), m.say(text{"merchant", "商户"}), m.say(text{"date", "日期"}), m.say(text{"amount", "金额"}), "",
		m.say(text{"state", "状态"}), m.say(text{"account", "账户"}), m.say(text{"next", "下一步"})})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 4, Align: textalign.AlignRight, AlignHeader: textalign.AlignRight}})
	for i := range list {
		p := &list[i]
		t.AppendRow(table.Row{p.ID, p.MID, p.Day.String(), money.FormatGrouped(p.Amount, p.Currency), p.Currency.String(),
			strings.TrimSpace(m.say(payoutWords[p.State]) + " " + p.Reason), p.Account.Tail, m.nextOf(p)})
	}
	return writeTable(w, t)
}

// nextOf says what happens next with a payout; "" where nothing does.
func (m *Main) nextOf(p *settlement.Payout) string {
	switch {
	case cameBack(p):
		return m.say(remedyWords[settlement.RemedyOf(p.Reason)])
	case p.State == settlement.Sent || p.State == settlement.Unknown:
		return fmt.Sprintf(m.say(text{"the bank is asked at %s", "将于 %s 向银行查询"}), m.moment(p.Next))
	case p.State == settlement.Stopped:
		return m.say(text{"it goes when the hold ends", "解除后发出"})
	case len(p.ReplacedBy) > 0:
		return fmt.Sprintf(m.say(text{"sent again as %s", "已重发为 %s"}), strings.Join(p.ReplacedBy, " "))
	}
	return ""
}

func (m *Main) payoutsShow() *cobra.Command {
	var lines bool
	cmd := &cobra.Command{
		Use: "show PAYOUT [flags]", Short: m.say(text{"Show one payout: what it is made up of, and what became of it", "查看一笔出款：构成与进展"}),
		Example: "  daozhang payouts show P20260303-M3MTLXGBIV3WX --database /var/lib/daozhang",
		Args:    need(1, 1, text{"name the payout", "请写出款编号"})(m),
	}
	f := cmd.Flags()
	database := m.databaseFlag(f)
	server := m.serverFlag(f)
	f.BoolVar(&lines, "lines", false, m.say(text{"list its settlement lines too", "同时列出结算明细"}))
	output := choice(f, "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if *server != "" {
			return m.payoutOf(cmd.Context(), *server, args[0], lines, output.value)
		}
		return m.look(cmd, *database, func(d *decider) error {
			p, err := d.db.PayoutByID(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			v := payoutViewOf(&p)
			t := plainTable()
			t.AppendHeader(table.Row{m.say(text{"time", "时间"}), m.say(text{"kind", "类型"}), "RRN", m.say(text{"card", "卡号"}), m.say(text{"gross", "金额"}), m.say(text{"fee", "手续费"}), m.say(text{"net", "净额"})})
			t.SetColumnConfigs([]table.ColumnConfig{{Number: 5, Align: textalign.AlignRight, AlignHeader: textalign.AlignRight}, {Number: 6, Align: textalign.AlignRight, AlignHeader: textalign.AlignRight}, {Number: 7, Align: textalign.AlignRight, AlignHeader: textalign.AlignRight}})
			for l, err := range d.db.PayoutLines(cmd.Context(), p.MID, p.ID) {
				if err != nil {
					return err
				}
				if v.Sum == nil {
					v.Sum = &payoutSum{}
				}
				v.Sum.add(&l, p.Day)
				if lines {
					t.AppendRow(table.Row{m.moment(l.Time), l.Kind.String(), l.RRN, l.PAN, money.FormatGrouped(l.Gross, p.Currency), money.FormatGrouped(l.Fee, p.Currency), money.FormatGrouped(l.Net, p.Currency)})
				}
			}
			return m.deliver("", func(w io.Writer) error {
				if output.value == "json" {
					return writeJSON(w, v)
				}
				if err := m.payoutCard(w, &p, v.Sum); err != nil || !lines {
					return err
				}
				if _, err := fmt.Fprintln(w); err != nil {
					return err
				}
				return writeTable(w, t)
			})
		})
	}
	return cmd
}

// payoutCard prints all that is known of a payout, with its arithmetic.
func (m *Main) payoutCard(w io.Writer, p *settlement.Payout, s *payoutSum) error {
	t := plainTable()
	row := func(name text, value string) {
		if value != "" {
			t.AppendRow(table.Row{m.say(name), value})
		}
	}
	row(text{"payout", "出款"}, p.ID)
	row(text{"merchant", "商户"}, p.MID)
	row(text{"date", "日期"}, p.Day.String())
	row(text{"amount", "金额"}, money.FormatGrouped(p.Amount, p.Currency)+" "+p.Currency.String())
	row(text{"account", "账户"}, p.Account.Tail+"  "+p.Account.Holder+"  "+p.Account.Bank)
	row(text{"state", "状态"}, strings.TrimSpace(m.say(payoutWords[p.State])+" "+p.Reason))
	row(text{"next", "下一步"}, m.nextOf(p))
	row(text{"made", "生成"}, m.moment(p.Made))
	row(text{"sent", "发出"}, m.moment(p.Sent))
	row(text{"the bank said so", "银行答复"}, m.moment(p.Word))
	if p.Inquiries > 0 {
		row(text{"asked so far", "已查询"}, fmt.Sprintf(m.say(text{"%d times", "%d 次"}), p.Inquiries))
	}
	row(text{"sends again", "重发自"}, p.Replaces)
	row(text{"sent again as", "已重发为"}, strings.Join(p.ReplacedBy, " "))
	if err := writeTable(w, t); err != nil || s == nil {
		return err
	}
	return m.payoutArithmetic(w, s, p.Currency)
}

// payoutArithmetic prints what a payout is made up of.
func (m *Main) payoutArithmetic(w io.Writer, s *payoutSum, currency money.Currency) error {
	sum := plainTable()
	sum.SetColumnConfigs([]table.ColumnConfig{{Number: 3, Align: textalign.AlignRight}})
	line := func(sign string, name text, n int64, always bool) {
		if n != 0 || always {
			sum.AppendRow(table.Row{sign, m.say(name), money.FormatGrouped(max(n, -n), currency)})
		}
	}
	// sign of what can go either way.
	of := func(n int64, usual string) string {
		switch {
		case n > 0:
			return "+"
		case n < 0:
			return "-"
		}
		return usual
	}
	line(of(s.Opening, ""), text{"opening, from earlier runs", "期初（此前结转）"}, s.Opening, true)
	line(of(s.Sales, "+"), text{"sales", "交易"}, s.Sales, true)
	line(of(s.Refunds, "-"), text{"refunds and voids", "退货与撤销"}, s.Refunds, true)
	line(of(s.Fees, "-"), text{"fees", "手续费"}, s.Fees, true)
	line(of(s.Chargebacks, "-"), text{"chargebacks", "拒付"}, s.Chargebacks, false)
	line(of(s.Adjustments, "+"), text{"adjustments", "调账"}, s.Adjustments, false)
	line(of(s.Reserves, "-"), text{"reserves and holds", "保证金与留置"}, s.Reserves, false)
	line(of(s.Unlisted, "+"), text{"lines of payments long over", "早已了结的交易明细"}, s.Unlisted, false)
	line(of(s.Released, "+"), text{"reserves released", "保证金释放"}, s.Released, false)
	line("=", text{"net", "净额"}, s.Net, true)
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return writeTable(w, sum)
}
