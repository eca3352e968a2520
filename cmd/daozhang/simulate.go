package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/world"
)

// simulate makes a world with its evidence and its truth.
func (m *Main) simulate() *cobra.Command {
	var (
		cfg       world.Config
		dir, from string
		asFiles   bool
	)
	cmd := &cobra.Command{
		Use:   "simulate --out DIR [flags]",
		Short: m.say(text{"Make a world of payments with its truth", "生成一个模拟的支付世界及其真相"}),
		Long: m.say(text{
			"Simulates shops, terminals, a platform, networks, issuers and banks with faults of every cause, and writes\n" +
				"evidence.ndjson (what witnesses saw) and truth.ndjson (for each payment and noon, what a perfect observer\n" +
				"would conclude, and when the money really arrived). The same seed gives the same bytes on any machine.",
			"模拟商户、终端、平台、卡组织、发卡行和银行以及各类故障，写出 evidence.ndjson（各方所见）和 truth.ndjson\n" +
				"（每笔款每天正午的真相及实际到账时间）。相同的种子在任何机器上产生相同的内容。"}),
		Example: "  daozhang simulate --seed 7 --days 10 --merchants 40 --payments 20000 --out world/\n" +
			"  daozhang simulate --seed 7 --only payout.returned,bank.outage --out world/",
		Args: need(0, 0, text{"it takes no arguments; name the folder with --out", "不需要参数，请用 --out 指定目录"})(m),
	}
	f := cmd.Flags()
	f.Uint64Var(&cfg.Seed, "seed", 1, m.say(text{"decides all that chance decides", "随机种子"}))
	f.IntVar(&cfg.Days, "days", 10, m.say(text{"days on which shops sell", "营业天数"}))
	f.IntVar(&cfg.Merchants, "merchants", 40, m.say(text{"number of merchants", "商户数"}))
	f.IntVar(&cfg.Payments, "payments", 20000, m.say(text{"number of payments", "支付笔数"}))
	f.IntVar(&cfg.Trouble, "trouble", 100, m.say(text{"share of trouble in percent of the usual; 0 for none", "故障比例（相对常态的百分比，0 为无故障）"}))
	f.IntVar(&cfg.Loss, "loss", 2, m.say(text{"facts of a thousand that never reach the observer", "每千条证据中丢失的条数"}))
	f.StringSliceVar(&cfg.Cycles, "cycles", nil, m.say(text{"settlement cycles that merchants have, as T0,D1 (default: a usual mix)", "商户的结算周期，如 T0,D1（默认为常见组合）"}))
	f.StringSliceVar(&cfg.Only, "only", nil, m.say(text{"inject these causes only", "只注入这些原因"}))
	f.StringVar(&from, "from", "", m.say(text{"first day, as 2026-03-02 (default: a Monday chosen by the seed)", "第一天，如 2026-03-02（默认由种子选定的星期一）"}))
	f.BoolVar(&asFiles, "files", false, m.say(text{"write it also as the files that people have: POS journals, settlement files, statements", "同时写成常见文件：POS 流水、结算文件、银行对账单"}))
	f.StringVar(&dir, "out", "", m.say(text{"folder to write to", "输出目录"}))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if dir == "" {
			return usage(cmd, m.say(text{"name the folder to write to with --out", "请用 --out 指定输出目录"}))
		}
		if from != "" {
			d, err := calendar.ParseDate(from)
			if err != nil {
				return usage(cmd, "--from: "+err.Error())
			}
			cfg.From = d
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fault.New(fault.Internal, "simulate", dir, err, "")
		}
		files := map[string]*os.File{}
		for _, name := range []string{"evidence.ndjson", "truth.ndjson"} {
			out, err := os.Create(filepath.Join(dir, name))
			if err != nil {
				return fault.New(fault.Internal, "simulate", dir, err, "")
			}
			defer out.Close()
			files[name] = out
		}
		last := m.Now()
		cfg.Progress = func(done, total int) {
			if now := m.Now(); now.Sub(last) >= progressEvery {
				last = now
				m.line(fmt.Sprintf(m.say(text{"simulated: %d of %d payments", "已模拟 %d / %d 笔"}), done, total))
			}
		}
		begun := m.Now()
		stats, err := world.Run(cmd.Context(), cfg, files["evidence.ndjson"], files["truth.ndjson"])
		if err != nil {
			return fault.New(fault.Internal, "simulate", "", err, "")
		}
		for name, out := range files {
			if err := out.Close(); err != nil {
				return fault.New(fault.Internal, "simulate", name, err, "")
			}
		}
		if asFiles {
			if err := writeFiles(dir); err != nil {
				return fault.New(fault.Internal, "simulate", dir, err, "")
			}
		}
		m.line(fmt.Sprintf(m.say(text{"daozhang: %d payments from %s, %d facts (%d more lost), %d truths in %s: %s",
			"daozhang：%d 笔（自 %s 起），%d 条证据（另有 %d 条丢失），%d 条真相，用时 %s：%s"}),
			stats.Payments, stats.From, stats.Facts, stats.Lost, stats.Truths, m.Now().Sub(begun).Round(time.Millisecond), dir))
		return nil
	}
	return cmd
}

// writeFiles turns a world's evidence into files, in the folder files beside it.
func writeFiles(dir string) error {
	into := filepath.Join(dir, "files")
	if err := os.RemoveAll(into); err != nil {
		return err
	}
	in, err := os.Open(filepath.Join(dir, "evidence.ndjson"))
	if err != nil {
		return err
	}
	defer in.Close()
	return world.Files(in, into)
}
