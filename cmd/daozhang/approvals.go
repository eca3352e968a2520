package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"daozhang/internal/api"
	"daozhang/internal/desk"
	"daozhang/internal/fault"
)

// approvals is the queue of what waits for a second person.
func (m *Main) approvals() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "approvals",
		Short: m.say(text{"What waits for a second person: list, show, approve, decline", "待第二人复核的提交：列出、查看、通过、驳回"}),
		Long: m.say(text{
			"One queue over all that one person proposed and others check: write-offs, adjustments, holds, releases, payouts sent\n" +
				"again, and merchants' terms, accounts and states. The maker cannot check. Above a limit two have to; what nobody\n" +
				"decides in time expires. Carried out is it once, with the last word that is needed.",
			"由一人提交、他人复核的全部事项：核销、调账、冻结、解冻、重新出款，以及商户条款、账户和状态。\n" +
				"经办人不能复核；超过限额须两人复核；逾期未决自动失效。最后一名复核人通过时执行，且只执行一次。"}),
		Example: "  daozhang approvals list --server http://127.0.0.1:8080\n  daozhang approvals show 898310058120001.0198c0de-0000-7000-8000-000000000001 --database /var/lib/daozhang\n" +
			"  daozhang approvals approve 898310058120001.3 --by bert --database /var/lib/daozhang",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(cmd, fault.Say("there is no command %q", "没有 %q 这个命令", args[0]))
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(m.approvalsList(), m.approvalsShow(), m.approvalsApprove(), m.approvalsDecline())
	return cmd
}

// Approvals implements bench: the query is that of the API.
func (b *localBench) Approvals(ctx context.Context, q url.Values) (*api.Approvals, error) {
	f := desk.ApprovalFilter{Over: q.Get("over") == "true", MID: q.Get("mid"), Maker: q.Get("maker")}
	for _, s := range q["motion"] {
		f.Motions = append(f.Motions, desk.Motion(s))
	}
	n, _ := strconv.Atoi(q.Get("limit"))
	return api.ApprovalsOf(ctx, b.Desk, b.who, f, q.Get("cursor"), cmp.Or(n, 50))
}

// Approval implements bench.
func (b *localBench) Approval(ctx context.Context, id string) (*api.Approval, error) {
	return answered(b.Desk.Approval(ctx, b.who, id))
}

// Propose implements bench.
func (b *localBench) Propose(ctx context.Context, p api.Proposal) (*api.Approval, error) {
	made, err := b.Desk.Propose(ctx, b.who, p.Wanted())
	if err != nil {
		return nil, err
	}
	return b.Approval(ctx, made.MID+"."+made.ID)
}

// Approve implements bench.
func (b *localBench) Approve(ctx context.Context, id string) (*api.Approval, error) {
	return answered(b.Desk.Approve(ctx, b.who, id))
}

// Decline implements bench.
func (b *localBench) Decline(ctx context.Context, id, why string) (*api.Approval, error) {
	return answered(b.Desk.Decline(ctx, b.who, id, why))
}

func answered(a *desk.Approval, err error) (*api.Approval, error) {
	if err != nil {
		return nil, err
	}
	return api.ApprovalOf(a), nil
}

var approvalColumns = []column{{text{"Approval", "编号"}, false}, {text{"What", "事项"}, false}, {text{"Merchant", "商户"}, false}, {text{"Amount", "金额"}, true}, {text{"Maker", "经办人"}, false},
	{text{"Made", "提交时间"}, false}, {text{"Expires", "失效时间"}, false}, {text{"Checked", "复核"}, false}, {text{"State", "状态"}, false}}

func (m *Main) approvalsList() *cobra.Command {
	var mid, maker, out string
	var motions []string
	var over bool
	var most int
	cmd := &cobra.Command{
		Use: "list [flags]", Short: m.say(text{"List what waits, the oldest first, or what was decided", "列出待复核的（最早在前）或已决定的提交"}),
		Example: "  daozhang approvals list --database /var/lib/daozhang\n  daozhang approvals list --over -o csv --server http://127.0.0.1:8080",
		Args:    need(0, 0, text{"it takes no arguments", "不需要参数"})(m),
	}
	f := cmd.Flags()
	b := m.benchFlags(f, false)
	f.StringVar(&mid, "merchant", "", m.say(text{"only of this merchant `NUMBER`", "只列出该商户号 `NUMBER`"}))
	f.StringVar(&maker, "maker", "", m.say(text{"only of this maker `NAME`", "只列出该经办人 `NAME`"}))
	f.StringSliceVar(&motions, "motion", nil, m.say(text{"only these `MOTIONS`: ", "只列出这些类型 `MOTIONS`："})+motionNames())
	f.BoolVar(&over, "over", false, m.say(text{"what was decided, the latest first", "已决定的，最新在前"}))
	f.IntVar(&most, "limit", 100, m.say(text{"at most `N`", "最多 `N` 条"}))
	f.StringVar(&out, "out", "", m.say(text{"write to `FILE`", "写入文件 `FILE`"}))
	output := choice(f, "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), tableForms...)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		q := url.Values{"motion": motions}
		for name, v := range map[string]string{"mid": mid, "maker": maker} {
			if v != "" {
				q.Set(name, v)
			}
		}
		if over {
			q.Set("over", "true")
		}
		return m.at(cmd, b, false, func(d bench) error {
			list := []api.Approval{}
			for len(list) < most {
				q.Set("limit", strconv.Itoa(min(most-len(list), 500)))
				p, err := d.Approvals(cmd.Context(), q)
				if err != nil {
					return err
				}
				list = append(list, p.Items...)
				if p.NextCursor == "" {
					break
				}
				q.Set("cursor", p.NextCursor)
			}
			return m.deliver(out, func(w io.Writer) error {
				return writeList(m, w, output.value, text{"Approvals", "待复核"}, text{"nothing waits", "没有待复核的提交"}, approvalColumns, list, func(a *api.Approval) []any {
					return []any{a.ID, m.words(a.Title), cmp.Or(a.Merchant, a.MID), m.figure(a.Amount, a.Currency), a.Maker, m.moment(a.Made), m.moment(a.Expires),
						fmt.Sprintf("%d/%d", len(a.Checks), a.Needs), desk.ProposalState(a.State).Text().In(m.lang)}
				})
			})
		})
	}
	return cmd
}

func motionNames() string {
	var names []string
	for _, s := range desk.Motions {
		names = append(names, string(s))
	}
	return strings.Join(names, ", ")
}

func (m *Main) approvalsShow() *cobra.Command {
	cmd := &cobra.Command{
		Use: "show APPROVAL [flags]", Short: m.say(text{"Show one with what it books and changes", "查看一项提交及其记账和变更"}),
		Example: "  daozhang approvals show 898310058120001.3 --database /var/lib/daozhang",
		Args:    need(1, 1, text{"name the approval as the list does", "请写清单中的编号"})(m),
	}
	b := m.benchFlags(cmd.Flags(), false)
	output := choice(cmd.Flags(), "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.at(cmd, b, false, func(d bench) error {
			a, err := d.Approval(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return m.deliver("", func(w io.Writer) error {
				if output.value == "json" {
					return writeJSON(w, a)
				}
				return m.approvalCard(w, a)
			})
		})
	}
	return cmd
}

// approvalCard is an approval as a person reads it.
func (m *Main) approvalCard(w io.Writer, a *api.Approval) error {
	var out strings.Builder
	line := func(name text, value string) {
		if value != "" {
			fmt.Fprintf(&out, "  %s: %s\n", m.say(name), value)
		}
	}
	fmt.Fprintf(&out, "%s\n  %s\n", a.ID, m.words(a.Title))
	line(text{"state", "状态"}, desk.ProposalState(a.State).Text().In(m.lang))
	line(text{"merchant", "商户"}, strings.TrimSpace(a.MID+" "+a.Merchant))
	line(text{"amount", "金额"}, m.figure(a.Amount, a.Currency))
	line(text{"reason", "理由"}, a.Reason)
	line(text{"document", "文书"}, a.Document)
	line(text{"case", "案件"}, a.Case)
	line(text{"maker", "经办人"}, a.Maker+" "+m.moment(a.Made))
	line(text{"expires", "失效时间"}, m.moment(a.Expires))
	for _, c := range a.Checks {
		line(text{"checked by", "复核人"}, c.By+" "+m.moment(c.At))
	}
	if n := a.Needs - len(a.Checks); a.State == string(desk.ProposalWaiting) && n > 0 {
		line(text{"checkers still needed", "尚需复核人数"}, strconv.Itoa(n))
	}
	for _, p := range a.Postings {
		when := ""
		if p.Later {
			when = m.say(text{", with the next settlement", "，随下一次结算"})
		}
		fmt.Fprintf(&out, "  %s → %s  %s%s\n", p.Debit, p.Credit, m.figure(p.Amount, p.Currency), when)
	}
	for _, x := range a.Balances {
		fmt.Fprintf(&out, "  %s: %s → %s\n", x.Account, cmp.Or(m.figure(x.Before, x.Currency), "0"), cmp.Or(m.figure(x.After, x.Currency), "0"))
	}
	for _, x := range a.Changes {
		fmt.Fprintf(&out, "  %s: %s → %s\n", x.Field, cmp.Or(x.Before, "–"), cmp.Or(x.After, "–"))
	}
	if a.Obstacle != nil {
		line(text{"obstacle", "障碍"}, m.words(*a.Obstacle))
	}
	if a.By != "" {
		line(text{"decided by", "决定人"}, strings.TrimSpace(a.By+" "+m.moment(a.Ended)+" "+a.Why))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (m *Main) approvalsApprove() *cobra.Command {
	cmd := &cobra.Command{
		Use: "approve APPROVAL [flags]", Short: m.say(text{"Agree, as somebody other than the maker", "复核通过（不得为经办人）"}),
		Example: "  daozhang approvals approve 898310058120001.3 --by bert --database /var/lib/daozhang",
		Args:    need(1, 1, text{"name the approval as the list does", "请写清单中的编号"})(m),
	}
	b := m.benchFlags(cmd.Flags(), true)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.at(cmd, b, true, func(d bench) error { return m.decided(d.Approve(cmd.Context(), args[0])) })
	}
	return cmd
}

func (m *Main) approvalsDecline() *cobra.Command {
	cmd := &cobra.Command{
		Use: "decline APPROVAL [flags]", Short: m.say(text{"Decline, or withdraw one's own", "驳回，或撤回自己的提交"}),
		Example: "  daozhang approvals decline 898310058120001.3 --why 'the name differs' --by bert --database /var/lib/daozhang",
		Args:    need(1, 1, text{"name the approval as the list does", "请写清单中的编号"})(m),
	}
	b := m.benchFlags(cmd.Flags(), true)
	why := m.whyFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.at(cmd, b, true, func(d bench) error { return m.decided(d.Decline(cmd.Context(), args[0], *why)) })
	}
	return cmd
}

// decided says how an approval stands after somebody's word.
func (m *Main) decided(a *api.Approval, err error) error {
	if err != nil {
		return err
	}
	m.line(fmt.Sprintf(m.say(text{"daozhang: %s %s is now: %s", "daozhang：%s %s 现为：%s"}), m.words(a.Title), a.ID, desk.ProposalState(a.State).Text().In(m.lang)))
	return nil
}
