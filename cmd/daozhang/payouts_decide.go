package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
	"daozhang/internal/settlement"
)

func (m *Main) payoutsResend() *cobra.Command {
	var most string
	cmd := &cobra.Command{
		Use: "resend PAYOUT [flags]", Short: m.say(text{"Send the money of a rejected or returned payout again", "重新发出被拒绝或退回的款"}),
		Long: m.say(text{
			"Makes new payouts that name the old one, to the merchant's usable account. One whose outcome is unknown is never sent\n" +
				"again: the bank is asked. What has gone out again already does not go twice.",
			"向商户可用账户生成新的出款，并注明原出款。结果不明的出款从不重发，只向银行查询。已重发的不会再发。"}),
		Example: "  daozhang payouts resend P20260303-M3MTLXGBIV3WX --database /var/lib/daozhang\n  daozhang payouts resend P20260303-M3MTLXGBIV3WX --most 50000.00 --database /var/lib/daozhang",
		Args:    need(1, 1, text{"name the payout", "请写出款编号"})(m),
	}
	f := cmd.Flags()
	database := m.databaseFlag(f)
	f.StringVar(&most, "most", "", m.say(text{"in payouts of at most this `AMOUNT`", "每笔最多 `AMOUNT`"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.decide(cmd, *database, func(d *decider) error {
			p, err := d.db.PayoutByID(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			limit := int64(0)
			if most != "" {
				if limit, err = readAmount(cmd, "--most", most, p.Currency); err != nil {
					return err
				}
			}
			if err := d.Resend(cmd.Context(), p.MID, p.ID, limit); err != nil {
				return err
			}
			if p, err = d.db.Payout(cmd.Context(), p.MID, p.ID); err != nil {
				return err
			}
			m.line(fmt.Sprintf(m.say(text{"daozhang: sent again as %s", "daozhang：已重发为 %s"}), strings.Join(p.ReplacedBy, " ")))
			return nil
		})
	}
	return cmd
}

// readAmount reads an amount in major units, more than 0.
func readAmount(cmd *cobra.Command, flag, s string, c money.Currency) (int64, error) {
	n, err := money.ParseDecimal(s, c.Exponent(), money.Point)
	if err != nil || n <= 0 {
		return 0, usage(cmd, fault.Say("%s: write an amount such as 128.00", "%s：请写金额，如 128.00", flag))
	}
	return n, nil
}

// ruling are the flags of a decision about a merchant's money.
type ruling struct {
	settlement.Ruling
	amount string
}

func (m *Main) rulingFlags(cmd *cobra.Command, amount bool) *ruling {
	r := &ruling{}
	f := cmd.Flags()
	f.StringVar(&r.ID, "id", "", m.say(text{"`NUMBER` of the case or the order", "案件或指令编号 `NUMBER`"}))
	if amount {
		f.StringVar(&r.amount, "amount", "", m.say(text{"`AMOUNT` in major units", "金额 `AMOUNT`（元）"}))
		f.StringVar(&r.Reason, "reason", "", m.say(text{"`REASON` in a word", "原因 `REASON`"}))
		f.StringVar(&r.Document, "document", "", m.say(text{"`NUMBER` of the paper behind it", "文书编号 `NUMBER`"}))
	}
	f.StringVar(&r.Maker, "by", "", m.say(text{"your `NAME`, for the record", "操作人姓名 `NAME`，留作记录"}))
	f.StringVar(&r.Checker, "check", "", m.say(text{"`NAME` of who agrees", "复核人姓名 `NAME`"}))
	return r
}

// currencyOf is that of a merchant.
func (d *decider) currencyOf(cmd *cobra.Command, mid string) (money.Currency, error) {
	x, err := d.db.MerchantRecord(cmd.Context(), mid)
	return x.Currency, err
}

func (m *Main) payoutsHold() *cobra.Command {
	cmd := &cobra.Command{
		Use: "hold MERCHANT [flags]", Short: m.say(text{"Hold an amount of a merchant's money, by two people", "留置商户部分资金，须两人决定"}),
		Long: m.say(text{"It is taken from the next payout by a line of its own. Where there is less, the balance is negative until sales cover it.",
			"从下一笔出款中以单独一行扣留；余额不足时为负，由后续交易补足。"}),
		Example: "  daozhang payouts hold 898310058120001 --id 'order 7' --amount 5000.00 --reason judicial --by anne --check bert --database /var/lib/daozhang",
		Args:    need(1, 1, text{"give the merchant's number", "请写商户号"})(m),
	}
	database := m.databaseFlag(cmd.Flags())
	r := m.rulingFlags(cmd, true)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.decide(cmd, *database, func(d *decider) error {
			c, err := d.currencyOf(cmd, args[0])
			if err != nil {
				return err
			}
			if r.Amount, err = readAmount(cmd, "--amount", r.amount, c); err != nil {
				return err
			}
			return d.Retain(cmd.Context(), args[0], r.Ruling)
		})
	}
	return cmd
}

func (m *Main) payoutsRelease() *cobra.Command {
	cmd := &cobra.Command{
		Use: "release MERCHANT [flags]", Short: m.say(text{"End a hold of an amount, by two people", "解除部分资金的留置，须两人决定"}),
		Long: m.say(text{"The next payout brings it. What is frozen by the merchant's state ends with `daozhang merchants activate`.",
			"随下一笔出款付出。因商户状态冻结的资金，请用 `daozhang merchants activate` 解除。"}),
		Example: "  daozhang payouts release 898310058120001 --id 'order 7' --by anne --check bert --database /var/lib/daozhang",
		Args:    need(1, 1, text{"give the merchant's number", "请写商户号"})(m),
	}
	database := m.databaseFlag(cmd.Flags())
	r := m.rulingFlags(cmd, false)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.decide(cmd, *database, func(d *decider) error { return d.Release(cmd.Context(), args[0], r.ID, r.Maker, r.Checker) })
	}
	return cmd
}

func (m *Main) payoutsAdjust() *cobra.Command {
	var rrn string
	var take, network bool
	cmd := &cobra.Command{
		Use: "adjust MERCHANT [flags]", Short: m.say(text{"Give or take an amount, by two people", "调账：补付或扣回，须两人决定"}),
		Long: m.say(text{"It stands as a line of its own in the next payout, against our fee income, or, with --network, against what the network owes.",
			"以单独一行列入下一笔出款，对方科目为手续费收入；加 --network 时为应收卡组织款。"}),
		Example: "  daozhang payouts adjust 898310058120001 --id 'case 12' --amount 18.00 --reason fee_correction --rrn 606109000003 --by anne --check bert --database /var/lib/daozhang",
		Args:    need(1, 1, text{"give the merchant's number", "请写商户号"})(m),
	}
	f := cmd.Flags()
	database := m.databaseFlag(f)
	r := m.rulingFlags(cmd, true)
	f.BoolVar(&take, "take", false, m.say(text{"take the amount instead of giving it", "扣回而不是补付"}))
	f.BoolVar(&network, "network", false, m.say(text{"because the network corrected something", "因卡组织更正"}))
	f.StringVar(&rrn, "rrn", "", m.say(text{"retrieval reference `NUMBER` of the payment that it is about", "所涉支付的检索参考号 `NUMBER`"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return m.decide(cmd, *database, func(d *decider) error {
			c, err := d.currencyOf(cmd, args[0])
			if err != nil {
				return err
			}
			amount, err := readAmount(cmd, "--amount", r.amount, c)
			if err != nil {
				return err
			}
			if take {
				amount = -amount
			}
			against := ledger.FeeIncome
			if network {
				against = ledger.NetworkReceivable
			}
			return d.Adjust(cmd.Context(), args[0], r.Ruling, amount, against, settlement.Keys{RRN: rrn})
		})
	}
	return cmd
}
