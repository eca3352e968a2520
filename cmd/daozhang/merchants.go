package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/settlement"
)

// merchants shows merchants and takes what people decide about them.
func (m *Main) merchants() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "merchants",
		Short: m.say(text{"Merchants: terms, accounts, state, by maker and checker", "商户：条款、账户、状态，经办与复核"}),
		Long: m.say(text{
			"What moves money is never changed by one person: terms, payout accounts and a merchant's state are proposed by a\n" +
				"maker and take effect when a checker, somebody else, approves. Each decision is on record with its two names.\n" +
				"Looking works while the server runs. Deciding works beside it on PostgreSQL; an embedded database has one writer,\n" +
				"so stop the server for the moment.",
			"涉及资金的变更从不由一人完成：条款、出款账户和商户状态由经办人提交，经另一人复核后生效，两人姓名均留存。\n" +
				"查询在服务运行时即可进行。PostgreSQL 上可与服务同时登记决定；内嵌数据库只有一个写入者，请先暂停服务。"}),
		Example: "  daozhang merchants list --database /var/lib/daozhang\n" +
			"  daozhang merchants freeze 898310058120001 --reason judicial --document 'order 7' --why 'court order' --by anne --database /var/lib/daozhang\n" +
			"  daozhang merchants approve 898310058120001 3 --by bert --database /var/lib/daozhang",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(cmd, fault.Say("there is no command %q", "没有 %q 这个命令", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(m.merchantsList(), m.merchantsShow(), m.merchantsOnboard(), m.merchantsPropose(), m.merchantsApprove(), m.merchantsDecline(), m.merchantsVerify(),
		m.merchantsState(merchant.Frozen), m.merchantsState(merchant.Suspended), m.merchantsState(merchant.Active))
	return cmd
}

// merchantWords are the states of merchants for people.
var merchantWords = map[merchant.State]text{
	merchant.Active: {"active", "正常"}, merchant.Frozen: {"frozen", "冻结"}, merchant.Suspended: {"suspended", "暂停"},
}

// obstacleWords say what keeps a merchant from being paid.
var obstacleWords = map[merchant.Obstacle]text{
	merchant.NoObstacle: {"ready", "可出款"}, merchant.NoAccount: {"no account", "无账户"}, merchant.Unverified: {"not verified", "未核验"},
	merchant.Cooling: {"cooling", "冷静期"}, merchant.Blocked: {"refused by its bank", "银行拒收"},
}

// merchantView is a merchant as programs read it: no account number, not even a
// sealed one.
type merchantView struct {
	MID       string         `json:"mid"`
	Name      string         `json:"name"`
	MCC       string         `json:"mcc,omitempty"`
	Currency  money.Currency `json:"currency"`
	Onboarded calendar.Date  `json:"onboarded"`
	State     merchant.State `json:"state"`
	Reason    string         `json:"reason,omitempty"`
	Document  string         `json:"document,omitempty"`
	Cycle     string         `json:"cycle,omitempty"`
	// Pay says whether it can be paid now: "", or what is missing.
	Pay       merchant.Obstacle `json:"obstacle,omitempty"`
	Terms     []termsView       `json:"terms,omitempty"`
	Accounts  []accountView     `json:"accounts,omitempty"`
	Proposals []proposalView    `json:"proposals,omitempty"`
	Position  *positionView     `json:"position,omitempty"`
	Holds     []holdView        `json:"holds,omitempty"`
	Events    []eventView       `json:"events,omitempty"`
}

type termsView struct {
	ValidFrom calendar.Date  `json:"valid_from"`
	Cycle     string         `json:"cycle"`
	Cutoff    string         `json:"cutoff"`
	Timezone  string         `json:"timezone"`
	Calendar  string         `json:"calendar,omitempty"`
	Fees      []merchant.Fee `json:"fees,omitempty"`
	FeeMode   string         `json:"fee_mode,omitempty"`
	Minimum   int64          `json:"minimum_payout,omitempty"`
	Reserve   *reserveView   `json:"reserve,omitempty"`
	Maker     string         `json:"maker,omitempty"`
	Checker   string         `json:"checker,omitempty"`
}

type reserveView struct {
	Rate money.Rate `json:"bps"`
	Days int        `json:"days"`
}

type accountView struct {
	Account string `json:"account"`
	Token   string `json:"account_token"`
	Holder  string `json:"holder"`
	Bank    string `json:"bank"`
	State   string `json:"state"` // "ready", or what it lacks
	Method  string `json:"verified_by,omitempty"`
	Blocked string `json:"blocked,omitempty"`
}

type proposalView struct {
	Number  int              `json:"number"`
	Subject merchant.Subject `json:"subject"`
	What    string           `json:"what"`
	Maker   string           `json:"maker"`
	Why     string           `json:"why"`
	Made    time.Time        `json:"made"`
	Expires time.Time        `json:"expires"`
}

type positionView struct {
	Payable   int64         `json:"payable"`
	Frozen    int64         `json:"frozen"`
	Reserved  int64         `json:"reserved"`
	Retained  int64         `json:"retained"`
	Stopped   int64         `json:"stopped"`
	InTransit int64         `json:"in_transit"`
	Paid      int64         `json:"paid"`
	Fees      int64         `json:"fees"`
	Settled   calendar.Date `json:"settled"` // the latest day whose last run is done
}

type holdView struct {
	ID      string `json:"id"`
	Amount  int64  `json:"amount"`
	Reason  string `json:"reason"`
	Maker   string `json:"maker"`
	Checker string `json:"checker"`
}

type eventView struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	By     string    `json:"by"`
	Detail string    `json:"detail,omitempty"`
}

func (m *Main) merchantView(x *merchant.Merchant) merchantView {
	now := m.Now()
	_, obstacle := x.PayoutAccount(now)
	v := merchantView{MID: x.MID, Name: x.Name, MCC: x.MCC, Currency: x.Currency, Onboarded: x.Onboarded, State: x.Status.State, Reason: string(x.Status.Reason),
		Document: x.Status.Document, Pay: obstacle}
	if t, ok := x.TermsOn(calendar.DateIn(now, m.Zone)); ok {
		v.Cycle = t.Cycle
	}
	return v
}

// whole adds what `show` tells besides.
func (m *Main) whole(v *merchantView, x *merchant.Merchant, pos *settlement.Position, holds []settlement.Hold, events []merchant.Event) {
	for i := range x.Terms {
		t := &x.Terms[i]
		tv := termsView{ValidFrom: t.ValidFrom, Cycle: t.Cycle, Cutoff: t.Cutoff, Timezone: t.Timezone, Calendar: t.Calendar, Fees: t.Fees, FeeMode: t.FeeMode,
			Minimum: t.MinimumPayout, Maker: t.Maker, Checker: t.Checker}
		if t.Reserve.Rate > 0 {
			tv.Reserve = &reserveView{t.Reserve.Rate, t.Reserve.Days}
		}
		v.Terms = append(v.Terms, tv)
	}
	for i := range x.Accounts {
		one := merchant.Merchant{Accounts: x.Accounts[i : i+1]}
		_, lacks := one.PayoutAccount(m.Now())
		a := &x.Accounts[i]
		v.Accounts = append(v.Accounts, accountView{a.Tail, a.Token, a.Holder, a.Bank, obstacleWords[lacks].en, a.Method, a.Blocked})
	}
	for i := range x.Proposals {
		q := &x.Proposals[i]
		v.Proposals = append(v.Proposals, proposalView{q.Number, q.Subject, proposed(q), q.Maker, q.Why, q.Made, q.Expires})
	}
	v.Position = &positionView{pos.Payable, pos.Frozen, pos.Reserved, pos.Retained, pos.Stopped, pos.InTransit, pos.Paid, pos.Fees, pos.Closed}
	for i := range holds {
		h := &holds[i]
		v.Holds = append(v.Holds, holdView{h.ID, h.Amount, h.Reason, h.Maker, h.Checker})
	}
	for _, e := range events {
		v.Events = append(v.Events, eventView{e.At, e.What, e.By, e.Detail})
	}
}

// proposed says in short what a proposal would change.
func proposed(q *merchant.Proposal) string {
	switch {
	case q.Terms != nil:
		return q.Terms.Cycle + " from " + q.Terms.ValidFrom.String()
	case q.Account != nil:
		return q.Account.Tail + " " + q.Account.Holder
	case q.Status != nil:
		return strings.TrimSpace(string(q.Status.State) + " " + string(q.Status.Reason) + " " + q.Status.Document)
	}
	return ""
}

func (m *Main) merchantsList() *cobra.Command {
	var waiting bool
	cmd := &cobra.Command{
		Use: "list [flags]", Short: m.say(text{"List merchants, and whether they can be paid", "列出商户及其能否出款"}),
		Example: "  daozhang merchants list --database /var/lib/daozhang\n  daozhang merchants list --waiting -o json --database /var/lib/daozhang",
		Args:    need(0, 0, text{"it takes no arguments", "不需要参数"})(m),
	}
	f := cmd.Flags()
	database := m.databaseFlag(f)
	f.BoolVar(&waiting, "waiting", false, m.say(text{"only those with a proposal that waits for its checker", "只列出有待复核提交的商户"}))
	output := choice(f, "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), "table", "json")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return m.look(cmd, *database, func(d *decider) error {
			views := []merchantView{}
			t := plainTable()
			t.AppendHeader(table.Row{m.say(text{"merchant", "商户"}), m.say(text{"name", "名称"}), m.say(text{"state", "状态"}), m.say(text{"cycle", "周期"}),
				m.say(text{"payout", "出款"}), m.say(text{"to check", "待复核"})})
			for x, err := range d.db.MerchantRecords(cmd.Context()) {
				if err != nil {
					return err
				}
				if waiting && len(x.Proposals) == 0 {
					continue
				}
				v := m.merchantView(&x)
				check := ""
				if n := len(x.Proposals); n > 0 {
					check = strconv.Itoa(n)
				}
				views = append(views, v)
				t.AppendRow(table.Row{v.MID, v.Name, m.say(merchantWords[v.State]), v.Cycle, m.say(obstacleWords[v.Pay]), check})
			}
			return m.deliver("", func(w io.Writer) error {
				switch {
				case output.value == "json":
					return writeJSON(w, views)
				case len(views) == 0:
					_, err := fmt.Fprintln(w, m.say(text{"no merchants", "没有商户"}))
					return err
				}
				return writeTable(w, t)
			})
		})
	}
	return cmd
}

func (m *Main) merchantsShow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show MERCHANT [flags]", Short: m.say(text{"Show one merchant: terms, accounts, money, proposals, history", "查看一家商户：条款、账户、资金、待复核与历史"}),
		Example: "  daozhang merchants show 898310058120001 --database /var/lib/daozhang",
		Args:    need(1, 1, text{"name the merchant by its number", "请写商户号"})(m),
	}
	database := m.databaseFlag(cmd.Flags())
	output := choice(cmd.Flags(), "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.look(cmd, *database, func(d *decider) error {
			ctx := cmd.Context()
			x, err := d.db.MerchantRecord(ctx, args[0])
			if err != nil {
				return err
			}
			pos, err := d.db.Position(ctx, x.MID, x.Currency)
			if err != nil {
				return err
			}
			holds, err := d.db.Holds(ctx, x.MID)
			if err != nil {
				return err
			}
			events, err := d.db.MerchantEvents(ctx, x.MID)
			if err != nil {
				return err
			}
			v := m.merchantView(&x)
			m.whole(&v, &x, &pos, holds, events)
			return m.deliver("", func(w io.Writer) error {
				if output.value == "json" {
					return writeJSON(w, v)
				}
				return m.merchantCard(w, &v)
			})
		})
	}
	return cmd
}

// merchantCard prints all that is known of a merchant.
func (m *Main) merchantCard(w io.Writer, v *merchantView) error {
	t := plainTable()
	row := func(name text, value string) {
		if value != "" {
			t.AppendRow(table.Row{m.say(name), value})
		}
	}
	amount := func(n int64) string { return money.FormatGrouped(n, v.Currency) + " " + v.Currency.String() }
	some := func(n int64) string {
		if n == 0 {
			return ""
		}
		return amount(n)
	}
	row(text{"merchant", "商户"}, v.MID+"  "+v.Name)
	row(text{"state", "状态"}, strings.TrimSpace(m.say(merchantWords[v.State])+" "+v.Reason+" "+v.Document))
	row(text{"payout", "出款"}, m.say(obstacleWords[v.Pay]))
	row(text{"onboarded", "入网"}, v.Onboarded.String())
	for _, x := range v.Terms {
		row(text{"terms", "条款"}, fmt.Sprintf("%s  %s  %s %s %s  %s%s", x.ValidFrom, x.Cycle, x.Cutoff, x.Timezone, x.Calendar, m.feeList(x.Fees, v.Currency), m.names(x.Maker, x.Checker)))
		row(text{"  minimum payout", "  最低出款额"}, some(x.Minimum))
		if r := x.Reserve; r != nil {
			row(text{"  reserve", "  保证金"}, fmt.Sprintf(m.say(text{"%s bps for %d days", "%s bps，%d 天"}), r.Rate, r.Days))
		}
	}
	for _, a := range v.Accounts {
		row(text{"account", "账户"}, strings.TrimSpace(fmt.Sprintf("%s  %s  %s  %s %s", a.Account, a.Holder, a.Bank, m.accountState(a.State), a.Blocked)))
	}
	p := v.Position
	row(text{"payable", "待出款"}, amount(p.Payable))
	row(text{"in transit", "出款在途"}, some(p.InTransit))
	row(text{"frozen", "冻结"}, some(p.Frozen))
	row(text{"reserved", "保证金"}, some(p.Reserved))
	row(text{"held by order", "按指令留置"}, some(p.Retained))
	row(text{"stopped payouts", "暂停的出款"}, some(p.Stopped))
	row(text{"paid so far", "累计已付"}, amount(p.Paid))
	row(text{"settled up to", "已结算至"}, p.Settled.String())
	for _, h := range v.Holds {
		row(text{"hold", "留置"}, strings.TrimSpace(fmt.Sprintf("%s  %s  %s%s", h.ID, some(h.Amount), h.Reason, m.names(h.Maker, h.Checker))))
	}
	for _, q := range v.Proposals {
		row(text{"to be checked", "待复核"}, fmt.Sprintf("%d  %s: %s (%s, %s) %s", q.Number, m.word(string(q.Subject)), q.What, q.Maker, q.Why, fmt.Sprintf(m.say(text{"until %s", "有效至 %s"}), m.moment(q.Expires))))
	}
	for _, e := range v.Events {
		row(text{"history", "历史"}, strings.TrimSpace(fmt.Sprintf("%s  %s  %s  %s", m.moment(e.At), e.By, m.word(e.What), e.Detail)))
	}
	return writeTable(w, t)
}

func (m *Main) accountState(en string) string {
	for _, w := range obstacleWords {
		if w.en == en {
			return m.say(w)
		}
	}
	return en
}

// eventWords are the parts of what happened to a merchant for people.
var eventWords = map[string]text{
	"onboarded": {"onboarded", "入网"}, "terms": {"terms", "条款"}, "account": {"account", "账户"}, "status": {"state", "状态"}, "store": {"store", "门店"},
	"proposed": {"proposed", "提交"}, "approved": {"approved", "复核通过"}, "declined": {"declined", "驳回"}, "withdrawn": {"withdrawn", "撤回"},
	"verified": {"verified", "核验"}, "blocked": {"blocked", "停用"}, "opened": {"opened", "开设"}, "closed": {"closed", "关闭"},
}

// word writes what happened, such as terms_proposed, for people.
func (m *Main) word(what string) string {
	var parts []string
	for p := range strings.SplitSeq(what, "_") {
		if w, ok := eventWords[p]; ok {
			p = m.say(w)
		}
		parts = append(parts, p)
	}
	return strings.Join(parts, m.say(text{" ", ""}))
}

// names are maker and checker behind something.
func (m *Main) names(maker, checker string) string {
	if maker == "" {
		return ""
	}
	return fmt.Sprintf(m.say(text{"  (%s, checked by %s)", "  （经办 %s，复核 %s）"}), maker, checker)
}

// feeList writes a fee table in one line: 0.60 %, debit 0.50 % up to 18.00.
func (m *Main) feeList(fees []merchant.Fee, c money.Currency) string {
	var parts []string
	for _, f := range fees {
		s := strings.TrimSpace(f.CardType+" "+f.Network) + " " + f.Rate.String() + " bps"
		if f.Fixed != 0 {
			s += " + " + money.Format(f.Fixed, c)
		}
		if f.Cap != 0 {
			s += fmt.Sprintf(m.say(text{" up to %s", " 封顶 %s"}), money.Format(f.Cap, c))
		}
		parts = append(parts, strings.TrimSpace(s))
	}
	return strings.Join(parts, m.say(text{", ", "，"}))
}
