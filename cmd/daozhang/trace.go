package main

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/money"
	"daozhang/internal/report"
)

// trace prints one payment's answer card.
func (m *Main) trace() *cobra.Command {
	var (
		in        input
		asOf, out string
		server    string
		output    *oneOf
	)
	cmd := &cobra.Command{
		Use:   "trace REF FILES… [flags]",
		Short: m.say(text{"Show one payment's way and where it stands", "查看一笔款的全程与现状"}),
		Long: m.say(text{
			"REF is any number on the slip or in a report: RRN, trace number, approval code, order, the processor's\n" +
				"reference, a payout, or the payment's id. Where none of these is it, an amount (128.00) or the card's last\n" +
				"four digits find it too. Several that fit are listed; name one by its id then. Exit code 3: not found.",
			"REF 可以是签购单或报表上的任一号码：参考号、流水号、授权码、订单号、渠道流水号、出款编号或款项 id；\n" +
				"都不是时，也可用金额（128.00）或卡号后四位查找。找到多笔时列出清单，请再用 id 指定。未找到时退出码为 3。"}),
		Example: `  daozhang trace 606412000117 pos.csv settlement.csv statement.xml
  daozhang trace 128.00 examples/corner-shop --as-of 2026-03-09T10:00:00+08:00
  daozhang trace 632911000123 --server http://127.0.0.1:8080`,
		Args: func(cmd *cobra.Command, args []string) error {
			if server != "" {
				return need(1, 1, text{"with --server name one reference and no files", "使用 --server 时只写一个号码，不写文件"})(m)(cmd, args)
			}
			return need(2, -1, text{"name a reference, then the files", "请先写号码，再写文件"})(m)(cmd, args)
		},
	}
	in.flags(m, cmd)
	f := cmd.Flags()
	output = choice(f, "output", "o", "table", m.say(text{"form of the answer", "结果形式"}), "table", "ndjson")
	f.StringVar(&asOf, "as-of", "", m.say(text{"`MOMENT` of the question: a time, a date (its end) or now (default: now)", "以哪一时刻 `MOMENT` 为准：时间、日期（当天终了）或 now（默认现在）"}))
	f.StringVar(&out, "out", "", m.say(text{"write the answer to `FILE`", "把结果写入文件 `FILE`"}))
	f.StringVar(&server, "server", "", m.say(text{"ask the server at `URL` instead of files; the key is in DAOZHANG_API_KEY", "改为向服务器 `URL` 查询；密钥取自环境变量 DAOZHANG_API_KEY"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if server != "" {
			if asOf != "" {
				return usage(cmd, m.say(text{"a server answers as of now", "服务器只回答当前时刻"}))
			}
			return m.traceServer(cmd.Context(), server, args[0], out, output.value)
		}
		when, err := asOfFlag(asOf)
		if err != nil {
			return err
		}
		ref := strings.TrimSpace(args[0])
		set, loaded, err := m.load(cmd.Context(), cmd, &in, args[1:])
		if err != nil {
			return err
		}
		a, err := m.investigate(set, loaded, when)
		if err != nil {
			return err
		}
		opts := m.reportOptions(out == "" || out == "-")
		found := find(a, ref)
		switch {
		case len(found) == 0:
			_ = m.refused(loaded.Rejected, true) // not found weighs more
			shown, _ := card.MaskText(ref)
			return fault.New(fault.NotFound, fault.Say("trace", "查找"), shown, fault.Say("no payment in these files has it as a key, id, amount or last four digits", "这些文件中没有以它为号码、id、金额或卡号后四位的交易"),
				fault.Say("check the number, or hand in the file that has it (the terminal's journal, the settlement report)",
					"请核对号码，或一并给出含有它的文件（终端流水、结算单）"))
		case output.value == "ndjson":
			err = m.deliver(out, func(w io.Writer) error {
				for _, p := range found {
					if err := report.Payment(w, a, p, opts); err != nil {
						return err
					}
				}
				return nil
			})
		case len(found) == 1:
			err = m.deliver(out, func(w io.Writer) error { return report.Card(w, a, found[0], opts) })
		default:
			err = m.deliver(out, func(w io.Writer) error { return m.candidates(w, a, found) })
			m.line(fmt.Sprintf(m.say(text{"daozhang: %d payments fit; trace one by its id", "daozhang：有 %d 笔符合，请用 id 查看其中一笔"}), len(found)))
		}
		if err != nil {
			return err
		}
		return m.refused(loaded.Rejected, true)
	}
	return cmd
}

var (
	lastFour = regexp.MustCompile(`^\d{4}$`)
	decimal  = regexp.MustCompile(`^\d+\.\d{1,3}$`)
)

// find gives the payments a reference names: by key or id, else by card number
// as it is printed, else by amount, else by the card's last four digits.
func find(a *investigation.Answer, ref string) []*investigation.Payment {
	if found := a.Find(ref); len(found) > 0 {
		return found
	}
	key, _ := a.View.Words.Find(ref)
	masked, isCard := card.Normalize(ref)
	if card.IsPAN(ref) { // a person may type it in full; it goes no further
		masked, isCard = card.MaskText(ref)
	}
	fits := func(p *investigation.Payment) bool {
		switch {
		case isCard:
			pan := a.View.Words.Text(p.Keys.PAN)
			return card.First6(pan) == card.First6(masked) && card.Last4(pan) == card.Last4(masked)
		case key != 0 && p.Payout != nil && p.Payout.ID == key: // one that the payment's own facts do not name
			return true
		case lastFour.MatchString(ref):
			return hasTail(p.Keys.PAN, ref)
		case decimal.MatchString(ref):
			n, err := money.ParseDecimal(ref, p.Currency.Exponent(), money.Point)
			return err == nil && n == p.Amount
		}
		return false
	}
	var found []*investigation.Payment
	a.Each(func(p *investigation.Payment) bool {
		if fits(p) {
			found = append(found, a.Find(a.View.Words.Text(p.ID))...)
		}
		return true
	})
	return found
}

func hasTail(pan evidence.Word, tail string) bool {
	n, ok := evidence.LastFour(pan)
	return ok && fmt.Sprintf("%04d", n) == tail
}

// candidates lists payments to choose from.
func (m *Main) candidates(w io.Writer, a *investigation.Answer, found []*investigation.Payment) error {
	t := plainTable()
	t.AppendHeader(table.Row{"id", m.say(text{"time", "时间"}), m.say(text{"terminal", "终端"}), m.say(text{"trace", "流水号"}), "RRN",
		m.say(text{"card", "卡号"}), m.say(text{"amount", "金额"}), m.say(text{"status", "状态"})})
	words := a.View.Words
	slices.SortStableFunc(found, func(x, y *investigation.Payment) int { return cmp.Compare(x.Time, y.Time) })
	for _, p := range found {
		offset := p.Terms.OffsetAt(p.Time) / 60
		t.AppendRow(table.Row{words.Text(p.ID), string(evidence.AppendInstant(nil, p.Time, int16(offset))), words.Text(p.Keys.TID),
			words.Text(p.Keys.STAN), words.Text(p.Keys.RRN), words.Text(p.Keys.PAN),
			money.FormatGrouped(p.Amount, p.Currency) + " " + p.Currency.String(), report.StatusWord(p.Status).In(m.lang)})
	}
	return writeTable(w, t)
}
