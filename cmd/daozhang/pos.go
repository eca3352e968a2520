package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/keyring"
	"daozhang/internal/world/journal"
	"daozhang/internal/world/pos"
)

// posFlags are those of the simulated terminal.
type posFlags struct {
	cfg                             pos.Config
	tmk, kcv, devices, script, card string
	entry, mix, zone                string
	faults                          []string
	load                            pos.LoadConfig
	terminals                       int
	verbose                         bool
	sync                            *oneOf
}

// pos runs the simulated terminal.
func (m *Main) pos() *cobra.Command {
	o := &posFlags{}
	cmd := &cobra.Command{
		Use:   "pos --connect ADDRESS [flags] [COMMAND…]",
		Short: m.say(text{"Run the simulated POS terminal", "运行模拟的 POS 终端"}),
		Long: m.say(text{
			"Runs a terminal that speaks the UnionPay-style dialect to an acquirer, as `daozhang serve` is one. It runs the\n" +
				"command given, or a file of commands (--script), or reads them from standard input; several in one argument are\n" +
				"separated by semicolons. It signs on where it has to. With --dir it keeps its journal, keys and batch there,\n" +
				"reverses after a crash what it does not know, and writes pos.csv (the POS journal) and evidence.ndjson (its\n" +
				"telemetry), which `daozhang check` reads. Slips go to standard output.\n\n" +
				"With --terminals and --for or --count it runs that many terminals at once and prints a summary as JSON.\n\n" +
				"Commands:\n" + posCommands("en") +
				"\nOptions of a transaction: card=KIND[:N], entry=chip|contactless|magstripe|manual|qr, order=ID, ordered=AMOUNT,\n" +
				"rrn=, date=MMDD, auth=, batch=, pin=NUMBER|none. Cards: " + strings.Join(pos.CardNames(), ", ") + ".\n" +
				"A line that begins with - may fail. Exit codes: 4 declined, 1 without a known result.\n\n" +
				"Faults (--fault, break): WHAT[:CHANCE][@POINT], clock=BY; " + strings.Join(pos.FaultWords, ", ") + ".\n" +
				"Points: before_store, stored, sent, received, recorded, printed.",
			"运行一台按银联规范报文与收单方（例如 `daozhang serve`）通信的终端。执行给出的命令、命令文件（--script），或从标准输入读取；\n" +
				"一个参数里的多条命令用分号隔开。需要时自动签到。指定 --dir 时，流水、密钥和批次保存在该目录：崩溃重启后会冲正结果未知的交易，\n" +
				"并写出 pos.csv（POS 流水）和 evidence.ndjson（终端遥测），`daozhang check` 可直接读取。签购单打印到标准输出。\n\n" +
				"用 --terminals 加 --for 或 --count 可同时运行多台终端，并以 JSON 输出汇总。\n\n" +
				"命令：\n" + posCommands("zh") +
				"\n交易选项：card=卡种[:序号]、entry=chip|contactless|magstripe|manual|qr、order=订单号、ordered=应收金额、\n" +
				"rrn=、date=MMDD、auth=、batch=、pin=密码|none。卡种：" + strings.Join(pos.CardNames(), "、") + "。\n" +
				"以 - 开头的行允许失败。退出码：4 被拒绝，1 结果未知。\n\n" +
				"故障（--fault、break）：名称[:概率][@时点]，clock=偏差；" + strings.Join(pos.FaultWords, "、") + "。\n" +
				"时点：before_store、stored、sent、received、recorded、printed。"}),
		Example: "  daozhang pos devices --terminals 2 --mid 898310058120001 --tid 90010001 > devices.csv\n" +
			"  daozhang pos --connect 127.0.0.1:7000 --devices devices.csv --tid 90010001 --dir till sale 12.34 entry=contactless\n" +
			"  daozhang pos --connect 127.0.0.1:7000 --devices devices.csv --tid 90010001 --dir till \"void 2; settle\"\n" +
			"  daozhang pos --connect 127.0.0.1:7000 --devices devices.csv --tid 90010001 --dir till --fault crash@sent sale 5.00\n" +
			"  daozhang pos --connect 127.0.0.1:7000 --devices devices.csv --terminals 64 --rate 500 --for 30s --seed 7",
		Args: cobra.ArbitraryArgs,
	}
	f := cmd.Flags()
	f.StringVar(&o.cfg.Address, "connect", "", m.say(text{"`ADDRESS` of the acquirer, host:port; of several, with commas, the next is tried where one fails", "收单方地址 `ADDRESS`，主机:端口；可用逗号给出多个，连接失败时换下一个"}))
	f.StringVar(&o.cfg.TID, "tid", "", m.say(text{"terminal `NUMBER`, 8 characters", "终端号 `NUMBER`，8 位"}))
	f.StringVar(&o.cfg.MID, "mid", "", m.say(text{"merchant `NUMBER`, 15 characters", "商户号 `NUMBER`，15 位"}))
	f.StringVar(&o.cfg.Merchant, "merchant", "", m.say(text{"merchant's `NAME` on slips", "签购单上的商户名称 `NAME`"}))
	f.StringVar(&o.cfg.Operator, "operator", "01", m.say(text{"operator's `NUMBER`", "操作员号 `NUMBER`"}))
	f.StringVar(&o.cfg.Dir, "dir", "", m.say(text{"`DIR` of journal, keys, pos.csv, evidence.ndjson (default: in memory)", "流水、密钥、pos.csv、evidence.ndjson 的目录 `DIR`（默认只在内存）"}))
	f.StringVar(&o.devices, "devices", "", m.say(text{"`FILE` of terminals with their master keys: CSV, or the dev-keys.json of `daozhang serve --dev`", "终端及主密钥文件 `FILE`：CSV，或 `daozhang serve --dev` 的 dev-keys.json"}))
	f.StringVar(&o.tmk, "tmk", "", m.say(text{"terminal master key under the transport key, `HEX`", "传输密钥加密的终端主密钥 `HEX`"}))
	f.StringVar(&o.kcv, "kcv", "", m.say(text{"its check value, `HEX`", "其校验值 `HEX`"}))
	m.transportFlag(cmd, &o.cfg.Transport)
	f.StringVar(&o.zone, "zone", "Asia/Shanghai", m.say(text{"`ZONE` of the terminal's clock", "终端时钟的时区 `ZONE`"}))
	f.DurationVar(&o.cfg.Timeout, "timeout", 60*time.Second, m.say(text{"how long an answer may take", "应答超时"}))
	f.StringArrayVar(&o.faults, "fault", nil, m.say(text{"`FAULT` in force from the start; may be repeated", "启动时即生效的故障 `FAULT`，可多次给出"}))
	f.StringVar(&o.card, "card", "icbc-debit", m.say(text{"`CARD` that is presented", "使用的卡 `CARD`"}))
	f.StringVar(&o.entry, "entry", "", m.say(text{"`WAY` a card is read", "读卡方式 `WAY`"}))
	f.StringVar(&o.cfg.Location, "location", "", m.say(text{"`PLACE` that it says it stands at: 31.230416,121.473701 or 460-00-28688-43222849", "终端上报的位置 `PLACE`：经纬度 31.230416,121.473701 或基站 460-00-28688-43222849"}))
	slip := choice(f, "slip", "", "both", m.say(text{"language of slips", "签购单语言"}), "zh", "en", "both")
	f.StringVar(&o.script, "script", "", m.say(text{"`FILE` of commands, - for standard input", "命令文件 `FILE`，- 为标准输入"}))
	f.IntVar(&o.cfg.MaxBatch, "max-batch", 999, m.say(text{"transactions of a batch, at most", "每批最多笔数"}))
	f.Uint64Var(&o.cfg.Seed, "seed", 1, m.say(text{"decides what chance decides", "随机种子"}))
	f.BoolVarP(&o.verbose, "verbose", "v", false, m.say(text{"tell what happens on the line", "显示通信情况"}))
	o.sync = choice(f, "sync", "", "", m.say(text{"how sure the journal is kept before a message leaves (default: always; in a load never)", "报文发出前流水的落盘方式（默认 always；压测为 never）"}), "always", "never")
	f.IntVar(&o.terminals, "terminals", 0, m.say(text{"run so many terminals at once", "同时运行的终端数"}))
	f.Float64Var(&o.load.Rate, "rate", 0, m.say(text{"transactions a second over all (default: as fast as answers come)", "每秒总笔数（默认应答后立即继续）"}))
	f.DurationVar(&o.load.For, "for", 0, m.say(text{"how long", "持续时间"}))
	f.Int64Var(&o.load.Count, "count", 0, m.say(text{"how many transactions", "总笔数"}))
	f.StringVar(&o.mix, "mix", "sale=1", m.say(text{"weights of operations, as `sale=8,void=1`", "各交易的权重，如 `sale=8,void=1`"}))
	f.BoolVar(&o.load.Settle, "settle", false, m.say(text{"settle the batches at the end", "结束时批结算"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if o.cfg.SlipLang = slip.value; slip.value == "both" {
			o.cfg.SlipLang = ""
		}
		if err := m.posConfig(cmd, o); err != nil {
			return err
		}
		if o.terminals > 0 {
			return m.posLoad(cmd, o, args)
		}
		return m.posSession(cmd, o, args)
	}
	cmd.AddCommand(m.posDevices())
	return cmd
}

func posCommands(lang string) string {
	var b strings.Builder
	for _, c := range pos.Commands {
		what := c.EN
		if lang == "zh" {
			what = c.ZH
		}
		fmt.Fprintf(&b, "  %-38s %s\n", c.Usage, what)
	}
	return b.String()
}

// posConfig completes the configuration from the flags.
func (m *Main) posConfig(cmd *cobra.Command, o *posFlags) error {
	if o.cfg.Address == "" {
		return usage(cmd, m.say(text{"name the acquirer's address with --connect", "请用 --connect 指定收单方地址"}))
	}
	for _, f := range o.faults {
		one, err := pos.ParseFault(f)
		if err != nil {
			return err
		}
		o.cfg.Faults = append(o.cfg.Faults, one)
	}
	m.transportFromEnv(&o.cfg.Transport)
	zone, err := calendar.Location(o.zone)
	if err != nil {
		return usage(cmd, m.say(text{"--zone wants a name such as Asia/Shanghai, or an offset such as +08:00", "--zone 的格式如 Asia/Shanghai 或 +08:00"}))
	}
	o.cfg.Now = func() time.Time { return m.Now().In(zone) }
	o.cfg.Sync, o.cfg.Printer = journal.Sync(o.sync.value), m.Stdout
	if o.verbose {
		o.cfg.Log = m.logger()
	}
	if o.tmk != "" {
		w, err := pos.ParseKey(o.tmk, o.kcv)
		if err != nil {
			return usage(cmd, "--tmk: "+err.Error())
		}
		o.cfg.Master = w
	}
	if o.devices == "" {
		return nil
	}
	all, transport, _, err := readDevices(o.devices)
	if err != nil {
		return err
	}
	if len(o.cfg.Transport) == 0 {
		o.cfg.Transport = transport
	}
	for _, d := range all {
		if (o.cfg.TID == "" || d.TID == o.cfg.TID || o.terminals > 0) && (o.cfg.MID == "" || d.MID == o.cfg.MID) {
			o.load.Devices = append(o.load.Devices, d)
		}
	}
	if len(o.load.Devices) == 0 {
		return fault.New(fault.NotFound, "find terminal", o.cfg.TID, fmt.Errorf("it is not in %s", o.devices), "make it with `daozhang pos devices`")
	}
	if o.terminals == 0 {
		d := o.load.Devices[0]
		o.cfg.TID, o.cfg.MID, o.cfg.Master = d.TID, d.MID, d.Master
	}
	return nil
}

// readDevices reads a device file: CSV, or the file of keys that `daozhang serve
// --dev` hands out, which has the transport key and the link's master key too.
func readDevices(path string) (all []pos.Device, transport []string, link *pos.Device, err error) {
	bad := func(err error) ([]pos.Device, []string, *pos.Device, error) {
		return nil, nil, nil, fault.New(fault.KindOf(err), "read", path, err, fault.HintOf(err))
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, nil, openError(path, err)
	}
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		if all, err = pos.ReadDevices(bytes.NewReader(text)); err != nil {
			return bad(err)
		}
		return all, nil, nil, nil
	}
	var k devKeys
	if err := json.Unmarshal(text, &k); err != nil {
		return bad(fault.New(fault.Invalid, "understand", "", err, "it is the file that `daozhang serve --dev` writes"))
	}
	for i, w := range append(k.Terminals, k.Link) {
		master, err := pos.ParseKey(w.Cipher, w.KCV)
		if err != nil && i < len(k.Terminals) {
			return bad(fault.New(fault.Invalid, "understand", "terminal "+w.TID, err, ""))
		}
		d := pos.Device{MID: w.MID, TID: w.TID, Master: master}
		switch {
		case i < len(k.Terminals):
			all = append(all, d)
		case err == nil:
			d.TID = w.Name
			link = &d
		}
	}
	return all, k.Transport, link, nil
}

// posSession runs commands at one terminal.
func (m *Main) posSession(cmd *cobra.Command, o *posFlags, args []string) error {
	if o.cfg.TID == "" || o.cfg.MID == "" {
		return usage(cmd, m.say(text{"name the terminal with --tid and --mid, or --devices", "请用 --tid 和 --mid，或 --devices 指定终端"}))
	}
	s, err := pos.NewSession(o.cfg)
	if err != nil {
		return err
	}
	defer func() { s.Close() }()
	s.Card, s.Entry, s.Lang = o.card, o.entry, m.lang
	r := &posRun{m: m, s: s}
	ctx := cmd.Context()
	switch {
	case len(args) > 0 && o.script != "":
		return usage(cmd, m.say(text{"give a command or --script, not both", "命令和 --script 只能给一个"}))
	case len(args) > 0:
		for _, line := range strings.FieldsFunc(strings.Join(args, " "), func(r rune) bool { return r == ';' || r == '\n' }) {
			r.line(ctx, line)
		}
	default:
		in := m.Stdin
		if o.script != "" && o.script != "-" {
			f, err := os.Open(o.script)
			if err != nil {
				return openError(o.script, err)
			}
			defer f.Close()
			in = f
		}
		_, interactive := m.Terminal(in)
		r.lines(ctx, in, interactive)
	}
	if err := s.Close(); err != nil && r.first == nil {
		return err
	}
	return r.first
}

// posRun runs the lines of a session and remembers the first that went wrong.
type posRun struct {
	m     *Main
	s     *pos.Session
	first error
}

func (r *posRun) lines(ctx context.Context, in io.Reader, interactive bool) {
	sc := bufio.NewScanner(in)
	prompt := func() {
		if interactive {
			fmt.Fprint(r.m.Stderr, "POS> ")
		}
	}
	for prompt(); ctx.Err() == nil && sc.Scan(); prompt() {
		if line := strings.TrimSpace(sc.Text()); line == "quit" || line == "exit" {
			return
		}
		r.line(ctx, sc.Text())
	}
	if err := sc.Err(); err != nil && r.first == nil {
		r.first = fault.New(fault.Internal, "read commands", "", err, "")
	}
}

// line runs one command. What goes wrong is told at once; the first that is not
// marked with - becomes the exit code.
func (r *posRun) line(ctx context.Context, line string) {
	line, may := strings.CutPrefix(strings.TrimSpace(line), "-")
	line = strings.TrimSpace(line)
	verb, _, _ := strings.Cut(line, " ")
	was := r.s.Last
	err := r.signOn(ctx, verb)
	if err == nil {
		var shown string
		if shown, err = r.s.Run(ctx, line); shown != "" {
			fmt.Fprintln(r.m.Stdout, shown)
		}
	}
	if err == nil && r.s.Last != was {
		err = outcomeError(r.s.Last)
	}
	if err == nil || may {
		if err != nil && r.s.Last == was {
			r.m.tell(err)
		}
		return
	}
	if r.first == nil {
		r.first = err // told at the end
	} else {
		r.m.tell(err)
	}
}

// signOn signs on before a command that needs keys.
func (r *posRun) signOn(ctx context.Context, verb string) error {
	switch verb {
	case "sale", "void", "refund", "preauth", "complete", "voidpreauth", "voidcomplete", "balance", "settle":
		st := r.s.Terminal().Status()
		if st.Dead == "" && !st.SignedOn {
			return r.s.Terminal().SignOn(ctx)
		}
	}
	return nil
}

// outcomeError is the exit code of a transaction that was not approved.
func outcomeError(o *pos.Outcome) error {
	switch o.Result {
	case "approved", "offline_approved":
		return nil
	case "declined":
		return fault.New(fault.NotAllowed, o.Operation, o.STAN, fmt.Errorf("declined with code %s", o.Code), "")
	}
	return fault.New(fault.Internal, o.Operation, o.STAN, errors.New("no approval: "+o.Result), "")
}

// posLoad runs many terminals.
func (m *Main) posLoad(cmd *cobra.Command, o *posFlags, args []string) error {
	l := &o.load
	switch {
	case len(args) > 0:
		return usage(cmd, m.say(text{"a load takes no commands", "压测不接受命令"}))
	case l.For <= 0 && l.Count <= 0:
		return usage(cmd, m.say(text{"say how long with --for, or how many with --count", "请用 --for 指定时长，或用 --count 指定笔数"}))
	case len(l.Devices) < o.terminals:
		return usage(cmd, fmt.Sprintf(m.say(text{"--devices names %d terminals, %d are wanted", "--devices 中只有 %d 台终端，需要 %d 台"}), len(l.Devices), o.terminals))
	}
	l.Devices = l.Devices[:o.terminals]
	l.Address, l.Seed, l.Dir, l.Sync, l.Transport = o.cfg.Address, o.cfg.Seed, o.cfg.Dir, o.cfg.Sync, o.cfg.Transport
	l.Timeout, l.Faults, l.Now, l.Log = o.cfg.Timeout, o.cfg.Faults, o.cfg.Now, o.cfg.Log
	l.Mix = map[string]int{}
	for _, part := range strings.Split(o.mix, ",") {
		word, weight, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(weight)
		if err != nil {
			return usage(cmd, m.say(text{"--mix wants operations and weights, as sale=8,void=1", "--mix 的格式如 sale=8,void=1"}))
		}
		l.Mix[word] = n
	}
	last := time.Now()
	l.Progress = func(done int64) {
		if time.Since(last) >= progressEvery {
			last = time.Now()
			m.line(fmt.Sprintf(m.say(text{"daozhang: %d transactions", "daozhang：已完成 %d 笔"}), done))
		}
	}
	sum, err := pos.Load(cmd.Context(), *l)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(m.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(sum)
}

// posDevices makes master keys.
func (m *Main) posDevices() *cobra.Command {
	var transport []string
	var mid, tid string
	var n int
	cmd := &cobra.Command{
		Use:   "devices --mid NUMBER --tid FIRST [--terminals N]",
		Short: m.say(text{"Make master keys for terminals", "为终端生成主密钥"}),
		Long: m.say(text{
			"Writes a device file: CSV with mid, tid, tmk, kcv. The master keys are under the transport key, so that both the\n" +
				"terminals and an acquirer with the same transport key can take them over.",
			"写出终端文件：CSV，列为 mid、tid、tmk、kcv。主密钥以传输密钥加密，终端和持有相同传输密钥的收单方都可导入。"}),
		Example: "  DAOZHANG_TRANSPORT=0123456789ABCDEFFEDCBA9876543210 daozhang pos devices --mid 898310058120001 --tid 90010001 --terminals 64 > devices.csv",
		Args:    need(0, 0, text{"it takes no arguments; see --help", "不需要参数，请看 --help"})(m),
	}
	f := cmd.Flags()
	f.StringVar(&mid, "mid", "", m.say(text{"merchant `NUMBER`, 15 characters", "商户号 `NUMBER`，15 位"}))
	f.StringVar(&tid, "tid", "", m.say(text{"`NUMBER` of the first terminal, 8 digits", "首台终端号 `NUMBER`，8 位数字"}))
	f.IntVar(&n, "terminals", 1, m.say(text{"how many", "台数"}))
	m.transportFlag(cmd, &transport)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		m.transportFromEnv(&transport)
		if len(mid) != 15 || len(transport) == 0 || n < 1 {
			return usage(cmd, m.say(text{"it needs --mid of 15 characters, --tid of 8 digits, and the transport key", "需要 15 位的 --mid、8 位数字的 --tid 和传输密钥"}))
		}
		keys, err := keyring.Open(keyring.Options{Transport: transport})
		if err != nil {
			return err
		}
		defer keys.Close()
		devices, err := pos.NewDevices(keys, mid, tid, n)
		if err != nil {
			return err
		}
		return pos.WriteDevices(m.Stdout, devices)
	}
	return cmd
}
