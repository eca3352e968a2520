package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"daozhang/internal/card"
	"daozhang/internal/fault"
	"daozhang/internal/world/bank"
	"daozhang/internal/world/bank/custody"
)

const payoutsExample = `    payouts:
      customers: [{account: "110900000000001234", name: Example Acquiring, balance: 100000000}]
      calendar: CN
      hours: 08:30-17:00
      accept: {fixed: 1m}
      credit: {fixed: 30m, spread: 1h}
      limits: {single: 5000000, daily: 200000000}
      payees: [{account: "31050000000067890", name: Noodle House, closed: 2026-03-05}]
      outages: [{from: 2026-03-04T14:00:00+08:00, to: 2026-03-04T16:00:00+08:00, notice: true}]
      rules:
        - {when: {accounts: ["0018"], first: 1}, do: return, code: AC01, after: 26h}
        - {when: {chance: 0.01}, tell: nothing}
      statements: {form: camt.053, at: "06:30", faults: [{dates: [2026-03-05], late: 30h}]}
`

// What the words of a scenario mean, in both languages.
const (
	clearingWords = `
What goes wrong with lines (clearing: do): omit, next_day (it comes with the next file), twice, amount (by: more or less),
stray (beside it a line of nobody: by, mid), chargeback (after: days). With files (issues): late, broken (truncate, no_trailer,
total), again, correct (version 2 comes so much later), withhold, pay_by and pay_late (what the network pays).

`
	clearingWordsZH = `
明细差错（clearing: do）：omit 缺失，next_day 次日补，twice 重复，amount 金额差（by），stray 多出一笔无主明细（by、mid），
chargeback 拒付（after 天后）。文件差错（issues）：late 迟到，broken 损坏（truncate、no_trailer、total），again 重发，
correct 更正版（版本 2），withhold 不发，pay_by、pay_late 清算资金差额与迟付。

`
	payoutsWords = `
do of a rule: pay, reject (code), return (debited, given back after), recall (credited, taken back after), pend (after), lose (as
if it had never come). tell: all, acceptance (no final word), nothing. accept_after and credit_after make it slow.
`
	payoutsWordsZH = `
规则的 do：pay 付款，reject 拒绝（code），return 扣款后退回（after），recall 入账后追回（after），pend 挂起（after），lose 如同从未收到。
tell：all 全部告知，acceptance 只告知受理（无最终结果），nothing 不告知。accept_after、credit_after 使其变慢。
`
)

// payer is the bank's other half at work; none where no folder was named.
type payer struct {
	ctx    context.Context // ends with the bank
	cancel context.CancelFunc
	bank   *custody.Bank
	done   chan error
	m      *Main
}

// folderPoll is how often the folder is looked at for new files.
const folderPoll = time.Second

// startPayouts opens the bank of a folder and keeps it at work. Its context ends
// when it cannot go on.
func (m *Main) startPayouts(ctx context.Context, c custody.Config, host *bank.Config) (*payer, error) {
	p := &payer{done: make(chan error, 1), m: m}
	p.ctx, p.cancel = context.WithCancel(ctx)
	if c.Dir == "" {
		p.done <- nil
		return p, nil
	}
	c.Sync, c.Log = host.Sync, host.Log
	if host.Scenario != nil {
		c.Scenario = host.Scenario.Payouts
	}
	var err error
	if p.bank, err = custody.Open(c); err != nil {
		p.cancel()
		return nil, err
	}
	m.line(fmt.Sprintf(m.say(text{"daozhang: payment orders (pain.001) are taken from %s, answered in %s", "daozhang：从 %s 读取付款指令（pain.001），回执写到 %s"}),
		filepath.Join(c.Dir, "orders"), filepath.Join(c.Dir, "replies")))
	p.bank.View(func(b *custody.Book) {
		if n := len(b.Payments()); n > 0 {
			m.line(fmt.Sprintf(m.say(text{"daozhang: the book holds %d payouts", "daozhang：账本中已有 %d 笔出款"}), n))
		}
	})
	go func() {
		p.done <- p.bank.Run(p.ctx, m.Now, folderPoll)
		p.cancel()
	}()
	return p, nil
}

func (p *payer) setScenario(s *custody.Scenario) error {
	if p.bank == nil {
		return nil
	}
	if s == nil {
		s = &custody.Scenario{}
	}
	return p.bank.SetScenario(s)
}

// stop ends it and tells what it has done.
func (p *payer) stop() error {
	p.cancel()
	err := <-p.done
	if p.bank == nil {
		return err
	}
	p.bank.View(func(b *custody.Book) {
		counts := map[custody.State]int{}
		all := b.Payments()
		for i := range all {
			counts[all[i].State]++
		}
		p.m.line(fmt.Sprintf(p.m.say(text{"daozhang: the book holds %d payouts: %d credited, %d rejected, %d returned, %d under way",
			"daozhang：账本共 %d 笔出款：已入账 %d，已拒绝 %d，已退回 %d，处理中 %d"}), len(all), counts[custody.Credited], counts[custody.Rejected],
			counts[custody.Returned], len(all)-counts[custody.Credited]-counts[custody.Rejected]-counts[custody.Returned]-counts[custody.Lost]))
	})
	if closing := p.bank.Close(); err == nil {
		err = closing
	}
	return err
}

// bankBook prints the book of a payout bank: an oracle's view.
func (m *Main) bankBook() *cobra.Command {
	var movements bool
	cmd := &cobra.Command{
		Use:   "book FILE [PAYOUT]",
		Short: m.say(text{"Print a payout bank's book, one payout a line", "按行打印出款银行的账本"}),
		Long: m.say(text{
			"Prints what the bank of `daozhang bank --folder` has done with each payout (EndToEndId): its state, how often it was debited,\n" +
				"credited and returned, and on which account its money is. Account numbers show their last four characters.",
			"打印 `daozhang bank --folder` 的银行对每笔出款（EndToEndId）所做的处理：状态，扣款、入账、退回各几次，资金现在哪个账户。\n" +
				"账号只显示后四位。"}),
		Example: "  daozhang bank book bank/book.ndjson\n" +
			"  daozhang bank book bank/book.ndjson P20260303-1\n" +
			"  daozhang bank book bank/book.ndjson --movements | jq 'select(.kind == \"return\")'",
		Args: need(1, 2, text{"name a book, and perhaps a payout", "请指定账本文件，可再指定一笔出款"})(m),
	}
	cmd.Flags().BoolVar(&movements, "movements", false, m.say(text{"print the bookings instead", "改为打印每笔记账"}))
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		book, err := custody.ReadBook(args[0])
		if err != nil {
			return err
		}
		payout := ""
		if len(args) > 1 {
			payout = args[1]
			if _, ok := book.Payment(payout); !ok {
				return fault.New(fault.NotFound, fault.Say("find payout", "查找出款"), payout, fault.Say("the bank had no order of this EndToEndId", "银行没有收到过该 EndToEndId 的指令"), "")
			}
		}
		enc := json.NewEncoder(m.Stdout)
		print := func(v any) error {
			if err := enc.Encode(v); err != nil {
				return fault.New(fault.Internal, fault.Say("print book", "打印账本"), args[0], err, "")
			}
			return nil
		}
		if movements {
			for _, mv := range book.Movements() {
				if payout == "" || mv.EndToEnd == payout {
					mv.From, mv.To = shortAccount(mv.From), shortAccount(mv.To)
					if err := print(&mv); err != nil {
						return err
					}
				}
			}
			return nil
		}
		for _, p := range book.Payments() {
			if payout == "" || p.EndToEnd == payout {
				if err := print(bookedPayout(book, p)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	return cmd
}

// booked is a payout as the command prints it.
type booked struct {
	Payout   string    `json:"payout"`
	Order    string    `json:"order"`
	Amount   int64     `json:"amount"`
	Currency string    `json:"currency"`
	Account  string    `json:"account"`
	MID      string    `json:"mid,omitempty"`
	State    string    `json:"state"`
	Reason   string    `json:"reason,omitempty"`
	Received time.Time `json:"received"`
	At       time.Time `json:"at"`
	Next     string    `json:"next,omitempty"`
	Due      time.Time `json:"due,omitzero"`
	Debits   int       `json:"debits"`
	Credits  int       `json:"credits"`
	Returns  int       `json:"returns"`
	Where    string    `json:"where"`
}

func bookedPayout(b *custody.Book, p custody.Payment) booked {
	return booked{p.EndToEnd, p.Order, p.Amount, p.Currency, shortAccount(p.Account), p.MID, string(p.State), p.Reason, p.Received, p.At, string(p.Act), p.Due,
		p.Debits, p.Credits, p.Returns, shortAccount(b.Where(p.EndToEnd))}
}

// shortAccount shows an account by its last four; the bank's own by their names.
func shortAccount(number string) string {
	switch number {
	case custody.Nostro, custody.Transit, custody.Income, "":
		return number
	}
	return card.AccountTail(number)
}
