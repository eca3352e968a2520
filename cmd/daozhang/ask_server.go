package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"daozhang/internal/api"
	"daozhang/internal/api/client"
	"daozhang/internal/calendar"
	"daozhang/internal/investigation"
	"daozhang/internal/money"
	"daozhang/internal/report"
	"daozhang/internal/terms"
)

// serverFlag is --server of commands that else read files or a database.
func (m *Main) serverFlag(f *pflag.FlagSet) *string {
	return f.String("server", "", m.say(text{"ask the server at `URL`; the key is in " + apiKeyVariable, "改为向服务器 `URL` 查询；密钥取自环境变量 " + apiKeyVariable}))
}

func (m *Main) asking(server string) *client.Client {
	return &client.Client{URL: server, Key: m.Getenv(apiKeyVariable), Lang: m.lang}
}

var payoutColumns = []column{{text{"payout", "出款"}, false}, {text{"merchant", "商户"}, false}, {text{"date", "日期"}, false}, {text{"amount", "金额"}, true}, {text{"currency", "币种"}, false},
	{text{"state", "状态"}, false}, {text{"proved", "已证实"}, true}, {text{"account", "账户"}, false}, {text{"bank", "银行"}, false}}

// payoutsOf lists payouts as a server tells of them.
func (m *Main) payoutsOf(cmd *cobra.Command, server, mid, date string, states []string, most int, form string) error {
	q := url.Values{"state": states}
	for name, v := range map[string]string{"mid": mid, "from": date, "to": date} {
		if v != "" {
			q.Set(name, v)
		}
	}
	list, err := m.asking(server).Payouts(cmd.Context(), q, most)
	if err != nil {
		return err
	}
	return m.deliver("", func(w io.Writer) error {
		return writeList(m, w, form, text{"payouts", "出款"}, text{"no payouts", "没有出款"}, payoutColumns, list, m.payoutCells)
	})
}

func (m *Main) payoutCells(p *api.Payout) []any {
	return []any{p.ID, p.MID, p.Date, m.amountCell(p.Amount, p.Currency), p.Currency, strings.TrimSpace(m.payoutState(p.State) + " " + p.Reason), m.amountCell(p.Proved, p.Currency), p.Account, p.Bank}
}

// payoutState is a payout's state in words.
func (m *Main) payoutState(name string) string {
	for _, s := range investigation.PayoutStates() {
		if s.String() == name {
			return report.PayoutStateWord(s).In(m.lang)
		}
	}
	return name
}

var payoutLineColumns = []column{{text{"time", "时间"}, false}, {text{"kind", "类型"}, false}, {text{"payment", "交易"}, false}, {text{"gross", "金额"}, true}, {text{"fee", "手续费"}, true}, {text{"net", "净额"}, true}}

// payoutOf shows one payout as a server tells of it.
func (m *Main) payoutOf(ctx context.Context, server, id string, lines bool, form string) error {
	p, err := m.asking(server).Payout(ctx, "", id)
	if err != nil {
		return err
	}
	currency, err := money.ParseCurrency(p.Currency)
	if err != nil {
		return err
	}
	u := &p.MadeUpOf
	sum := &payoutSum{Opening: u.Opening, Sales: u.Sales, Refunds: u.Refunds, Fees: u.Fees, Chargebacks: u.Chargebacks, Adjustments: u.Adjustments, Reserves: u.Reserves, Unlisted: u.Unlisted, Net: u.Net}
	return m.deliver("", func(w io.Writer) error {
		if form == "json" {
			return writeJSON(w, p)
		}
		err := writeList(m, w, form, text{"payout", "出款"}, text{}, payoutColumns, []api.Payout{p.Payout}, m.payoutCells)
		if err == nil {
			_, err = fmt.Fprintln(w)
		}
		if err == nil {
			err = m.payoutArithmetic(w, sum, currency)
		}
		if err != nil || !lines {
			return err
		}
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
		return writeList(m, w, form, text{"lines", "明细"}, text{"no lines", "没有明细"}, payoutLineColumns, p.Items, func(l *api.PayoutLine) []any {
			return []any{m.moment(l.Time), l.Kind, l.Payment, money.FormatGrouped(l.Gross, currency), money.FormatGrouped(l.Fee, currency), money.FormatGrouped(l.Net, currency)}
		})
	})
}

// daysOf tells of a day or a month of a calendar as a server has it, with the days
// that people stated.
func (m *Main) daysOf(cmd *cobra.Command, server, name, when string) error {
	day, err := calendar.ParseDate(when)
	month := when
	if err == nil {
		month = when[:len("2026-02")]
	} else if _, err := calendar.ParseDate(when + "-01"); err != nil {
		return usage(cmd, m.say(text{"write the date as 2026-02-16, or a month as 2026-02", "日期写作 2026-02-16，月份写作 2026-02"}))
	}
	days, err2 := m.asking(server).Month(cmd.Context(), name, month)
	if err2 != nil {
		return err2
	}
	return m.deliver("", func(w io.Writer) error {
		for _, d := range days.Days {
			date, perr := calendar.ParseDate(d.Date)
			if perr != nil || err == nil && date != day {
				continue
			}
			if _, werr := fmt.Fprintf(w, "%s  %s\n", m.dated(date), m.dayOf(&d)); werr != nil {
				return werr
			}
		}
		return nil
	})
}

func (m *Main) dayOf(d *api.Day) string {
	s := m.say(text{"day off", "非工作日"})
	if d.Business {
		s = m.say(text{"business day", "工作日"})
	}
	if d.Festival != nil {
		s += m.say(text{", ", "，"}) + m.say(text{d.Festival.EN, d.Festival.ZH})
	}
	if d.Stated {
		s += m.say(text{", stated", "，人工设定"})
	}
	if d.Provisional {
		s += m.say(text{", provisional", "，暂定"})
	}
	return s
}

// dueOf tells when a sale's money is due under the terms that a server holds.
func (m *Main) dueOf(ctx context.Context, server, mid, at string) error {
	a, err := m.asking(server).Arrival(ctx, mid, at)
	if err != nil {
		return err
	}
	return m.deliver("", func(w io.Writer) error {
		for _, s := range a.Steps {
			when := s.Day
			if !s.At.IsZero() {
				when = s.At.Format("2006-01-02 15:04 -07:00")
			}
			var why []string
			for _, y := range s.Why {
				why = append(why, m.say(text{y.EN, y.ZH}))
			}
			if _, err := fmt.Fprintf(w, "%s: %s\n", terms.StepName(s.Name).Word().In(m.lang), strings.TrimRight(when+"  "+strings.Join(why, m.say(text{"; ", "；"})), " ")); err != nil {
				return err
			}
		}
		if a.Provisional {
			_, err := fmt.Fprintln(w, m.say(text{"provisional: no official notice confirms a day it rests on", "暂定：所依据的日期尚无官方通知确认"}))
			return err
		}
		return nil
	})
}
