package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"daozhang/internal/calendar"
	"daozhang/internal/card"
	"daozhang/internal/fault"
	"daozhang/internal/world/bank"
	"daozhang/internal/world/bank/custody"
	"daozhang/internal/world/journal"
	"daozhang/internal/world/pos"
)

// bank runs the simulated host of a network or issuer.
func (m *Main) bank() *cobra.Command {
	var (
		cfg                                   bank.Config
		payouts                               custody.Config
		scenario, zmk, kcv, declines, keyFile string
		seed                                  uint64
		delay, spread                         time.Duration
		maintenance                           []string
		verbose                               bool
	)
	cmd := &cobra.Command{
		Use:   "bank [flags]",
		Short: m.say(text{"Run the simulated bank host", "运行模拟的银行主机"}),
		Long: m.say(text{
			"Runs a bank or network host on a TCP socket: ISO 8583:1987 in ASCII, as `daozhang serve` speaks to its networks.\n" +
				"It approves against accounts of its own, declines, delays and fails as a scenario says, and keeps a journal: a\n" +
				"decision is on disk before its answer leaves. The first line on standard output is the address it listens on.\n" +
				"SIGHUP reads the scenario again; SIGTERM or Ctrl-C stops it and writes the clearing files.\n\n" +
				"A scenario is YAML or JSON; amounts are in minor units:\n" + scenarioExample +
				"\n`do` is one of " + strings.Join(bank.Deeds, ", ") + ".\n" +
				"A clearing file is a CSV of clearing.line facts with a clearing.file at its end, so that `daozhang check` reads it.\n" + clearingWords +
				"With --folder it is also the bank that keeps the safeguarded account and pays merchants. In the folder it reads\n" +
				"orders/ (pain.001, and *.inquiry.xml) and incoming/ (what networks pay), and writes replies/ (pain.002, camt.054),\n" +
				"statements/ (camt.053 or MT940), payees/ (statements of the accounts it paid) and notices/. Files that end in .part\n" +
				"are still being written. How it behaves is the part `payouts` of the scenario; without it, it pays all at once:\n" + payoutsExample +
				payoutsWords + "`daozhang bank book` prints what it has booked. All of it, with the fault that each makes: docs/simulated-bank.md.",
			"在 TCP 端口上运行银行或卡组织主机：ISO 8583:1987 ASCII 报文，与 `daozhang serve` 连接网络所用的一致。\n" +
				"它按自己的账户批准交易，并按场景拒绝、延迟或出故障；每一笔决定先落盘，再应答。标准输出的第一行是监听地址。\n" +
				"SIGHUP 重新读取场景；SIGTERM 或 Ctrl-C 停止并写出清算文件。\n\n" +
				"场景为 YAML 或 JSON，金额为最小货币单位：\n" + scenarioExample +
				"\ndo 的取值：" + strings.Join(bank.Deeds, "、") + "。\n" +
				"清算文件是由 clearing.line 事实组成的 CSV，末行为 clearing.file，可直接由 `daozhang check` 读取。\n" + clearingWordsZH +
				"加上 --folder，它同时是存管备付金账户并向商户出款的银行。它读取该目录下的 orders/（pain.001 和 *.inquiry.xml）与\n" +
				"incoming/（卡组织的清算资金），写出 replies/（pain.002、camt.054）、statements/（camt.053 或 MT940）、payees/（收款账户的\n" +
				"对账单）和 notices/（公告）。以 .part 结尾的是尚未写完的文件。其行为由场景的 payouts 部分决定；没有时一律立即付款：\n" + payoutsExample +
				payoutsWordsZH + "`daozhang bank book` 打印它的账本。全部写法及各自制造的差错见 docs/simulated-bank.md。"}),
		Example: "  daozhang bank --listen 127.0.0.1:7001 --journal bank/journal.ndjson --clearing bank/clearing\n" +
			"  daozhang bank --scenario slow.yaml --delay 200ms\n" +
			"  daozhang bank --decline 51=0.05,61=0.01 --seed 7\n" +
			"  daozhang bank --folder bank --book bank/book.ndjson --journal bank/journal.ndjson --scenario slow.yaml\n" +
			"  daozhang bank clearing --journal bank/journal.ndjson --date 2026-03-02 --out bank/clearing",
		Args: need(0, 0, text{"it takes no arguments; see --help", "不需要参数，请看 --help"})(m),
	}
	f := cmd.Flags()
	f.StringVar(&cfg.Listen, "listen", "127.0.0.1:0", m.say(text{"`ADDRESS` to listen on, port 0 for any free", "监听地址 `ADDRESS`，端口 0 为任意空闲端口"}))
	f.StringVar(&cfg.Journal, "journal", "", m.say(text{"`FILE` of what was decided (default: in memory)", "流水文件 `FILE`（默认只在内存）"}))
	f.StringVar(&cfg.Clearing, "clearing", "", m.say(text{"`DIR` for clearing files (default: none)", "清算文件目录 `DIR`（默认不写）"}))
	f.StringVar(&payouts.Dir, "folder", "", m.say(text{"also pay: `DIR` of orders, replies and statements; clearing files go to its clearing/", "同时出款：指令、回执和对账单的目录 `DIR`；清算文件写到其 clearing/"}))
	f.StringVar(&payouts.Journal, "book", "", m.say(text{"`FILE` of what was booked for --folder (default: in memory)", "--folder 的账本文件 `FILE`（默认只在内存）"}))
	f.StringVar(&scenario, "scenario", "", m.say(text{"`FILE` that says how it behaves", "场景文件 `FILE`"}))
	f.StringVar(&cfg.Link, "link", "bank", m.say(text{"`NAME` of the line, for its keys", "线路名 `NAME`（用于密钥）"}))
	f.StringVar(&zmk, "zmk", "", m.say(text{"zone master key under the transport key, `HEX`", "传输密钥加密的区域主密钥 `HEX`"}))
	f.StringVar(&kcv, "kcv", "", m.say(text{"its check value, `HEX`", "其校验值 `HEX`"}))
	f.StringVar(&keyFile, "keys", "", m.say(text{"take both from `FILE`, the dev-keys.json of daozhang serve --dev", "从文件 `FILE` 读取以上两项，即 daozhang serve --dev 写出的 dev-keys.json"}))
	m.transportFlag(cmd, &cfg.Transport)
	f.StringVar(&declines, "decline", "", m.say(text{"shares to decline, `CODE=SHARE,...`", "按比例拒绝，应答码和比例 `CODE=SHARE,...`"}))
	f.DurationVar(&delay, "delay", 0, m.say(text{"before every answer", "每次应答前的延迟"}))
	f.DurationVar(&spread, "spread", 0, m.say(text{"more of it by chance, up to", "随机附加延迟的上限"}))
	f.StringArrayVar(&maintenance, "maintenance", nil, m.say(text{"daily `WINDOW`, as 23:50-00:10", "每日维护时段 `WINDOW`，如 23:50-00:10"}))
	f.Uint64Var(&seed, "seed", 0, m.say(text{"decides what chance decides", "随机种子"}))
	sync := choice(f, "sync", "", "always", m.say(text{"how sure a decision is kept before its answer", "应答前流水的落盘方式"}), "always", "never")
	f.BoolVarP(&verbose, "verbose", "v", false, m.say(text{"tell what happens on the line", "显示通信情况"}))

	read := func() (*bank.Scenario, error) {
		s := &bank.Scenario{}
		if scenario != "" {
			var err error
			if s, err = bank.ReadScenario(scenario); err != nil {
				return nil, err
			}
		}
		if cmd.Flags().Changed("seed") {
			s.Seed = seed
		}
		if s.Payouts != nil && s.Payouts.Seed == 0 {
			s.Payouts.Seed = s.Seed
		}
		s.Delay.Fixed += delay
		s.Delay.Spread += spread
		for _, w := range maintenance {
			s.Maintenance = append(s.Maintenance, bank.Window{Daily: w})
		}
		for _, part := range strings.FieldsFunc(declines, func(r rune) bool { return r == ',' }) {
			code, share, _ := strings.Cut(part, "=")
			p, err := strconv.ParseFloat(share, 64)
			if err != nil || p <= 0 || p > 1 || len(code) != 2 {
				return nil, usage(cmd, m.say(text{"--decline wants codes and shares, as 51=0.05,61=0.01", "--decline 的格式如 51=0.05,61=0.01"}))
			}
			s.Rules = append(s.Rules, bank.Rule{When: bank.When{Chance: p}, Code: code})
		}
		return s, nil
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var err error
		if cfg.Scenario, err = read(); err != nil {
			return err
		}
		if zmk != "" {
			if cfg.Master, err = pos.ParseKey(zmk, kcv); err != nil {
				return usage(cmd, "--zmk: "+err.Error())
			}
		}
		m.transportFromEnv(&cfg.Transport)
		if keyFile != "" {
			_, transport, link, err := readDevices(keyFile)
			if err != nil {
				return err
			}
			if link == nil {
				return fault.New(fault.NotFound, "read", keyFile, errors.New("it has no key of a link"), "it is the file that `daozhang serve --dev` writes")
			}
			cfg.Link, cfg.Master, cfg.Transport = link.TID, link.Master, transport
		}
		cfg.Sync, cfg.Now = journal.Sync(sync.value), m.Now
		if verbose {
			cfg.Log = m.logger()
		}
		if payouts.Dir == "" && payouts.Journal != "" {
			return usage(cmd, m.say(text{"--book is of --folder: name that too", "--book 需与 --folder 一起使用"}))
		}
		if payouts.Dir != "" {
			cfg.Incoming = filepath.Join(payouts.Dir, "incoming")
			if cfg.Clearing == "" {
				cfg.Clearing = filepath.Join(payouts.Dir, "clearing")
			}
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		payer, err := m.startPayouts(ctx, payouts, &cfg)
		if err != nil {
			return err
		}
		b, err := bank.Start(payer.ctx, cfg)
		if err != nil {
			return errors.Join(err, payer.stop())
		}
		fmt.Fprintln(m.Stdout, b.Addr())
		if r := b.Recovered(); r.Records > 0 {
			m.line(fmt.Sprintf(m.say(text{"daozhang: the journal holds %d decisions", "daozhang：流水中已有 %d 条记录"}), r.Records))
		}
		again := make(chan os.Signal, 1)
		signal.Notify(again, syscall.SIGHUP)
		defer signal.Stop(again)
		for {
			select {
			case <-again:
				s, err := read()
				if err == nil {
					err = b.SetScenario(s)
				}
				if err == nil {
					err = payer.setScenario(s.Payouts)
				}
				if err != nil {
					m.tell(err) // the former scenario stays in force
				} else {
					m.line(m.say(text{"daozhang: the scenario was read again", "daozhang：已重新读取场景"}))
				}
			case <-b.Done():
				err := b.Close()
				s := b.Stats()
				m.line(fmt.Sprintf(m.say(text{"daozhang: stopped after %d messages: %d approved, %d declined, %d reversed, %d repeated, %d unanswered",
					"daozhang：已停止，共 %d 条报文：批准 %d，拒绝 %d，冲正 %d，重复 %d，未应答 %d"}),
					s.Messages, s.Approved, s.Declined, s.Reversed, s.Duplicates, s.Unanswered))
				return errors.Join(err, payer.stop())
			}
		}
	}
	cmd.AddCommand(m.bankClearing(), m.bankEntries(), m.bankBook())
	return cmd
}

const scenarioExample = `    network: UnionPay
    cutoff: "23:00"
    delay: {fixed: 20ms, spread: 30ms, tail: 0.01, tail_delay: 5s}
    accounts:
      - {range: "622202", issuer: ICBC, type: debit, balance: 5000000, pin: "123456", limits: {single: 500000, daily_count: 20}}
      - {range: "", balance: 100000000}
    maintenance: [{daily: "23:50-00:10"}]
    rules:
      - {when: {amount_endings: ["51"]}, code: "51"}
      - {when: {operations: [sale], chance: 0.01}, do: silent}
      - {when: {operations: [reversal], first: 1}, do: ignore}
    clearing: [{when: {amount_endings: ["11"]}, do: omit}]
    issues: [{dates: [2026-03-03], late: 20h}, {dates: [2026-03-04], broken: truncate, correct: 3h}]
`

// transportFlag is the flag of the key under which master keys come in.
func (m *Main) transportFlag(cmd *cobra.Command, to *[]string) {
	cmd.Flags().StringArrayVar(to, "transport", nil, m.say(text{
		"`COMPONENT` of the transport key, 32 hexadecimal digits; give each once (default: DAOZHANG_TRANSPORT, separated by commas)",
		"传输密钥分量 `COMPONENT`（32 位十六进制，可多次给出；默认取环境变量 DAOZHANG_TRANSPORT，逗号分隔）"}))
}

// transportFromEnv fills it from the environment, where keys belong rather than on
// a command line that others can see.
func (m *Main) transportFromEnv(to *[]string) {
	if v := m.Getenv("DAOZHANG_TRANSPORT"); len(*to) == 0 && v != "" {
		*to = strings.Split(v, ",")
	}
}

// logger writes for the person, never card data.
func (m *Main) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(maskedWriter{m}, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

// maskedWriter masks card numbers in what is logged, should one ever get there.
type maskedWriter struct{ m *Main }

func (w maskedWriter) Write(b []byte) (int, error) {
	masked, _ := card.MaskBytes(b)
	if _, err := w.m.Stderr.Write(masked); err != nil {
		return 0, err
	}
	return len(b), nil
}

// bankClearing writes a clearing file from a journal.
func (m *Main) bankClearing() *cobra.Command {
	var path, date, out, scenario string
	cmd := &cobra.Command{
		Use:     "clearing --journal FILE --date DATE --out DIR",
		Short:   m.say(text{"Write the clearing file of a business date", "写出某业务日的清算文件"}),
		Example: "  daozhang bank clearing --journal bank/journal.ndjson --date 2026-03-02 --out bank/clearing",
		Args:    need(0, 0, text{"it takes no arguments; see --help", "不需要参数，请看 --help"})(m),
	}
	f := cmd.Flags()
	f.StringVar(&path, "journal", "", m.say(text{"the bank's journal `FILE`", "银行流水文件 `FILE`"}))
	f.StringVar(&date, "date", "", m.say(text{"business `DATE`, as 2026-03-02", "业务日期 `DATE`，如 2026-03-02"}))
	f.StringVar(&out, "out", "", m.say(text{"`DIR` to write to", "输出目录 `DIR`"}))
	f.StringVar(&scenario, "scenario", "", m.say(text{"`FILE` with the network's name and the mistakes to make", "场景文件 `FILE`（卡组织名称及要制造的差错）"}))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := calendar.ParseDate(date)
		if path == "" || out == "" || err != nil {
			return usage(cmd, m.say(text{"it needs --journal, --date as 2026-03-02, and --out", "需要 --journal、--date（如 2026-03-02）和 --out"}))
		}
		var s *bank.Scenario
		if scenario != "" {
			if s, err = bank.ReadScenario(scenario); err != nil {
				return err
			}
		}
		name, err := bank.WriteClearing(path, out, d, s, m.Now())
		if err != nil {
			return err
		}
		fmt.Fprintln(m.Stdout, name)
		return nil
	}
	return cmd
}

// bankEntries prints a journal.
func (m *Main) bankEntries() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "entries FILE",
		Short:   m.say(text{"Print a bank's journal, one decision a line", "按行打印银行流水"}),
		Example: "  daozhang bank entries bank/journal.ndjson | jq 'select(.what == \"reversed\")'",
		Args:    need(1, 1, text{"name one journal", "请指定一个流水文件"})(m),
	}
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		entries, err := bank.ReadJournal(args[0])
		if err != nil {
			return err
		}
		enc := json.NewEncoder(m.Stdout)
		for i := range entries {
			if err := enc.Encode(&entries[i]); err != nil {
				return fault.New(fault.Internal, "print journal", args[0], errors.Unwrap(err), "")
			}
		}
		return nil
	}
	return cmd
}
