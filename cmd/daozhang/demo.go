package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"daozhang/internal/fault"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/world/demo"
)

// demo plays two weeks of five shops in one process.
func (m *Main) demo() *cobra.Command {
	var (
		data string
		seed uint64
		exit bool
	)
	cmd := &cobra.Command{
		Use:   "demo [flags]",
		Short: m.say(text{"Watch the money of five shops for two weeks, in a minute", "一分钟看完五家小店两周的每一笔款"}),
		Long: m.say(text{
			"Plays two trading weeks of five shops on this machine, offline: tills, the platform as `daozhang serve` runs it, the\n" +
				"card network and the banks, each on real sockets and with real files, while the clock is set forward from one event\n" +
				"to the next. Cards are declined, a bank goes silent, an account turns out to be closed, a holiday comes. It tells\n" +
				"where the money is and why some is late, ends with the answer, and stays up so that you can ask about any payment.\n\n" +
				"Everything lies in a temporary folder that is removed at the end, or in --data DIR and stays. The same --seed tells\n" +
				"the same story.",
			"在本机离线演示五家小店的两个营业周：终端、平台（与 `daozhang serve` 相同）、卡组织和银行都使用真实的端口和文件，\n" +
				"时钟从一个事件拨到下一个事件。期间有卡被拒、银行没有应答、账户已销户，还遇上假期。演示会边走边说明钱在哪里、\n" +
				"为什么有的晚到，最后给出完整答案，并继续运行，供您查询任何一笔款。\n\n" +
				"所有数据放在临时目录，结束时删除；用 --data DIR 则保留。相同的 --seed 讲相同的故事。"}),
		Example: "  daozhang demo\n  daozhang demo --lang zh --exit\n  daozhang demo --data demo-data --seed 7",
		Args:    need(0, 0, text{"demo takes no arguments", "demo 不带参数"})(m),
	}
	f := cmd.Flags()
	f.StringVar(&data, "data", "", m.say(text{"keep everything in `DIR`, which must be new or empty", "数据保存在目录 `DIR`（须为新目录或空目录）"}))
	f.Uint64Var(&seed, "seed", 1, m.say(text{"decides the ordinary trade", "随机种子，决定日常交易"}))
	f.BoolVar(&exit, "exit", false, m.say(text{"end after the answer", "给出答案后立即退出"}))
	cmd.RunE = func(cmd *cobra.Command, _ []string) (err error) {
		dir, remove, err := m.demoFolder(data)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, remove()) }()
		script, err := demo.Fortnight(seed)
		if err != nil {
			return err
		}
		return m.runDemo(cmd.Context(), script, dir, data != "", exit)
	}
	return cmd
}

// demoFolder gives the folder of a demo, and what removes it where it is temporary.
func (m *Main) demoFolder(data string) (dir string, remove func() error, err error) {
	if data == "" {
		if dir, err = os.MkdirTemp(m.demoRoom(), "daozhang-demo-"); err != nil {
			return "", nil, openError(os.TempDir(), err)
		}
		return dir, func() error { return os.RemoveAll(dir) }, nil
	}
	if err := os.MkdirAll(data, 0o755); err != nil {
		return "", nil, openError(data, err)
	}
	there, err := os.ReadDir(data)
	if err != nil {
		return "", nil, openError(data, err)
	}
	if len(there) > 0 {
		return "", nil, fault.New(fault.Conflict, fault.Say("begin a demo", "开始演示"), data, fault.Say("the folder is not empty", "目录不是空的"),
			fault.Say("a story begins with nothing: name a new folder", "演示从零开始，请另选一个新目录"))
	}
	if dir, err = filepath.Abs(data); err != nil {
		return "", nil, openError(data, err)
	}
	return dir, func() error { return nil }, nil
}

// demoRoom is where a temporary folder is made: in memory where the system has such
// a place and nobody has named another, else where temporary files go.
func (m *Main) demoRoom() string {
	const memory = "/dev/shm"
	if m.Getenv("TMPDIR") != "" {
		return ""
	}
	if probe, err := os.MkdirTemp(memory, "daozhang-demo-"); err == nil && os.Remove(probe) == nil {
		return memory
	}
	return ""
}

// runDemo plays a script in a folder, tells it, and stays up unless exit is set.
func (m *Main) runDemo(ctx context.Context, script *demo.Script, dir string, kept, exit bool) (err error) {
	s, err := m.openStage(ctx, script, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	t := m.teller(script.Zone)
	p := &play{s: s, t: t, sold: map[string]sold{}, payouts: map[string]settlement.PayoutState{}, passed: map[settlement.PayoutState]int{},
		excepted: map[payment.ID]bool{}}
	s.market.told = p.officeWorked
	if err := p.tellAll(ctx, exit); err != nil {
		if ctx.Err() != nil {
			return nil // it was asked to end
		}
		return err
	}
	if exit {
		return nil
	}
	p.hints()
	return errors.Join(t.err, p.stay(ctx, kept))
}

// tellAll plays the script and answers its question. Where nothing stays up after
// it, it says nothing of asking further.
func (p *play) tellAll(ctx context.Context, over bool) error {
	p.opening(over)
	if err := p.fortnight(ctx); err != nil {
		return err
	}
	if err := p.answer(ctx, over); err != nil {
		return err
	}
	return p.t.err
}

// opening says what is to be seen, and where.
func (p *play) opening(over bool) {
	p.t.say(fault.Say("Five shops, two weeks of June 2026, every card payment on its way from the till to the shop's account.",
		"五家小店，2026年6月的两周：每一笔刷卡款从终端到店家账户的全程。"))
	p.t.say(fault.Say("All of it is made up and happens on this machine; the clock is set forward from one event to the next.",
		"内容均为虚构，全部在本机运行，时钟从一个事件拨到下一个事件。"))
	if !over {
		p.t.line(fault.Say("Watch it in a browser meanwhile: %s", "可在浏览器中同步观看：%s", p.s.console()).In(p.t.lang))
	}
}

// fortnight plays the whole script.
func (p *play) fortnight(ctx context.Context) error {
	s := p.s.script
	next := 0
	for d := s.First; d <= s.Last && p.t.err == nil; d = d.Add(1) {
		p.t.day(d.In(s.Zone), s.Day(d.In(s.Zone)))
		end := d.Add(1).In(s.Zone)
		for ; next < len(s.Events) && s.Events[next].At.Before(end); next++ {
			e := &s.Events[next]
			if err := p.do(ctx, e); err != nil {
				return err
			}
			p.tell(e)
		}
		if end.After(s.End) {
			break
		}
		if err := p.night(ctx, end); err != nil {
			return err
		}
	}
	return nil
}

// tell tells what an event came to.
func (p *play) tell(e *demo.Event) {
	if e.Tell.None() {
		return
	}
	values := map[string]fault.Text{}
	shop := p.s.script.ShopOf(e.TID)
	if e.Shop != "" {
		shop = p.s.script.ShopOf(e.Shop)
	}
	name := e.Mark
	if name == "" {
		name = e.Of
	}
	if x, ok := p.sold[name]; ok {
		values["rrn"] = fault.Same(x.RRN)
		values["amount"] = fault.Same(yuans(x.Amount))
		if shop == nil {
			shop = p.s.script.ShopOf(x.tid)
		}
	}
	if e.Amount > 0 {
		values["amount"] = fault.Same(yuans(e.Amount))
	}
	if shop != nil {
		values["shop"] = shop.Name
	}
	p.t.event(e.At, fill(e.Tell, values))
}
