package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/ledger"
	"daozhang/internal/report"
	"daozhang/internal/store"
	"daozhang/internal/world/bank/custody"
	"daozhang/internal/world/demo"
)

// answer ends the story as `check` would answer, says that it adds up, and how to
// ask further.
func (p *play) answer(ctx context.Context, over bool) error {
	s := p.s
	if err := p.at(ctx, s.script.End); err != nil {
		return err
	}
	if err := s.handIn(ctx); err != nil {
		return err
	}
	if err := s.caughtUp(ctx); err != nil {
		return err
	}
	p.t.line("")
	p.t.line(p.t.paint("1", fault.Say("The question: where is the money of these two weeks?", "问：这两周的钱都在哪里？").In(p.t.lang)))
	p.t.line("")
	opts := s.m.reportOptions(true)
	opts.Server, opts.Needs, opts.Command, opts.Over = "http://"+s.web, 8, s.m.Self, over
	var err error
	s.p.live.Read(func(c *investigation.Current) { err = report.Write(p.t.w, "table", c.Answer(), opts) })
	if err != nil {
		return err
	}
	return p.proofs(ctx)
}

// proofs says that all adds up, or fails.
func (p *play) proofs(ctx context.Context) error {
	s := p.s
	placed, err := s.everyFenPlaced(ctx)
	if err != nil {
		return err
	}
	r, err := store.Doctor(ctx, s.p.c.Database, nil)
	if err != nil {
		return err
	}
	if len(r.Findings) > 0 {
		f := r.Findings[0]
		return fault.New(fault.Internal, "examine", f.Subject, errors.New(f.Why), "run daozhang doctor "+s.p.c.Database)
	}
	trial, err := s.p.db.Trial(ctx)
	if err != nil {
		return err
	}
	if err := trial.Balanced(); err != nil {
		return err
	}
	totals, err := trial.Totals()
	if err != nil || len(totals) != 1 {
		return errors.Join(err, fmt.Errorf("the trial balance has %d currencies", len(totals)))
	}
	paid, err := s.paidOnce()
	if err != nil {
		return err
	}
	p.t.line("")
	p.t.line(p.t.paint("1", fault.Say("It adds up", "账都对得上").In(p.t.lang)))
	for _, what := range []fault.Text{
		fault.Say("Every fen is placed: what the map says of each shop's money is what its ledger holds, %s in all.",
			"每一分钱都有着落：每家店的款项分布与账簿一致，合计%s。", yuans(placed)),
		fault.Say("The books balance: debits %s, credits %s.", "试算平衡：借方%s，贷方%s。", yuans(totals[0].Debits), yuans(totals[0].Credits)),
		fault.Say("The doctor finds nothing wrong with %d payments and %d ledger entries in %d hash chains.",
			"doctor 检查无误：%d笔交易，%d条分录，%d条哈希链。", r.Payments, r.Entries, r.Merchants),
		fault.Say("The bank's own book has %d payouts, none of them paid twice.", "银行自己的账上有%d笔出款，没有一笔重复。", paid),
	} {
		p.t.hangAt(" · ", what.In(p.t.lang), "")
	}
	return nil
}

// everyFenPlaced holds the money map against the ledger, shop by shop, and gives
// their common sum: what was sold and not given back to customers, whether it is
// still owed, was paid, or is the fee.
func (s *stage) everyFenPlaced(ctx context.Context) (int64, error) {
	mapped := map[string]int64{}
	s.p.live.Read(func(c *investigation.Current) {
		a := c.Answer()
		for _, r := range c.Map() {
			mapped[a.View.Words.Text(r.MID)] += r.Gross - r.Refunded - r.Chargebacks - r.Adjustments - r.Memo
		}
		a.Each(func(p *investigation.Payment) bool {
			mapped[a.View.Words.Text(p.Keys.MID)] -= feeKept(p)
			return true
		})
	})
	total := int64(0)
	for i := range s.script.Shops {
		mid := s.script.Shops[i].MID
		standing, err := s.p.db.Standing(ctx, mid)
		if err != nil {
			return 0, err
		}
		booked := int64(0)
		for _, n := range []ledger.Name{ledger.MerchantPending, ledger.MerchantPayable, ledger.MerchantHeld, ledger.PayoutInTransit, ledger.MerchantPaid, ledger.FeeIncome} {
			booked += standing.Balance(yuan, n).On(ledger.Credit)
		}
		if booked != mapped[mid] {
			return 0, fault.New(fault.Internal, "place", "the money of "+mid, fmt.Errorf("the map has %d fen, the ledger %d", mapped[mid], booked), "this is a defect: please report it with the seed")
		}
		total += booked
	}
	return total, nil
}

// feeKept is the fee that stays with the platform although the sale was charged
// back: the shop has to give more back than it got.
func feeKept(p *investigation.Payment) int64 {
	if p.Deductions.Chargeback == 0 {
		return 0
	}
	return max(p.Deductions.Chargeback-(p.Net-p.Arrived), 0)
}

// paidOnce counts the payouts in the bank's own book. That none was paid twice is
// the book's own rule; here it is held against what the bank moved.
func (s *stage) paidOnce() (int, error) {
	n := 0
	var twice error
	s.market.payer.View(func(b *custody.Book) {
		for _, p := range b.Payments() {
			n++
			if b.Paid(p.EndToEnd) > 1 {
				twice = fault.New(fault.Internal, "count", "payouts", fmt.Errorf("%s was paid twice", p.EndToEnd), "")
			}
		}
	})
	return n, twice
}

// hints says how to ask further while the demo is up.
func (p *play) hints() {
	s := p.s
	p.t.line("")
	p.t.line(p.t.paint("1", fault.Say("Look at it in a browser", "在浏览器中查看").In(p.t.lang)))
	p.t.line("  " + s.console())
	p.t.line("")
	p.t.line(p.t.paint("1", fault.Say("Ask about any payment, in another terminal", "换一个终端窗口，查询任何一笔款").In(p.t.lang)))
	server := "http://" + s.web
	p.t.line("  export DAOZHANG_API_KEY=" + s.key)
	for _, x := range []struct {
		mark string
		what text
	}{
		{demo.MarkLunch, text{"it has arrived", "已到账"}}, {demo.MarkSilent, text{"taken back", "已冲正"}},
		{demo.MarkHeld, text{"held", "被冻结"}}, {demo.MarkBeforeDay, text{"waits for Monday", "等周一"}},
	} {
		if sold, ok := p.sold[x.mark]; ok && sold.RRN != "" {
			p.t.line(fmt.Sprintf("  %s trace %s --server %s   # %s, %s", cmp.Or(s.m.Self, "daozhang"), sold.RRN, server, yuans(sold.Amount), s.m.say(x.what)))
		}
	}
	if sold, ok := p.sold[demo.MarkLunch]; ok {
		p.t.line(fmt.Sprintf("  curl -H \"Authorization: Bearer $DAOZHANG_API_KEY\" %s/v1/payments/%s/whereabouts", server, sold.RRN))
	}
}

// console is where the pages begin.
func (s *stage) console() string { return "http://" + s.web + "/overview" }

// stay keeps the platform up until ctx ends.
func (p *play) stay(ctx context.Context, kept bool) error {
	p.t.line("")
	if kept {
		p.t.say(fault.Say("The platform runs on. Ctrl-C ends it; its files stay in %s.", "平台继续运行，按 Ctrl-C 结束；文件保留在 %s。", p.s.dir))
	} else {
		p.t.say(fault.Say("The platform runs on. Ctrl-C ends it and removes its files.", "平台继续运行，按 Ctrl-C 结束并删除文件。"))
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-p.s.ended:
		p.s.ended <- err
		return errors.Join(errors.New("the platform ended"), err)
	}
}
