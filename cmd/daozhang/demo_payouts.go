package main

import (
	"context"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
)

// everyState are the states of a payout, in the order in which they are told.
var everyState = []settlement.PayoutState{settlement.Unknown, settlement.Accepted, settlement.Credited, settlement.Rejected, settlement.Returned,
	settlement.Stopped, settlement.Created, settlement.Sent}

// move is a payout that has come further.
type move struct {
	settlement.Payout
	from settlement.PayoutState
}

// officeWorked tells what became of payouts and what people have to look after,
// since the last time.
func (p *play) officeWorked(ctx context.Context, at time.Time) error {
	moved := map[settlement.PayoutState][]move{}
	for x, err := range p.s.p.db.PayoutsIn(ctx, everyState...) {
		if err != nil {
			return err
		}
		if was := p.payouts[x.ID]; was != x.State {
			p.payouts[x.ID] = x.State
			moved[x.State] = append(moved[x.State], move{x, was})
		}
		if x.State == settlement.Sent || x.State == settlement.Unknown {
			p.s.market.officeBy(onMinute(x.Next, at))
		}
	}
	for _, state := range everyState {
		if list := moved[state]; len(list) > 0 {
			p.tellPayouts(at, state, list)
		}
	}
	return p.exceptions(ctx, at)
}

// tellPayouts tells what became of some payouts.
func (p *play) tellPayouts(at time.Time, to settlement.PayoutState, list []move) {
	p.passed[to] += len(list)
	var anew, first, doubted []move
	for _, m := range list {
		switch {
		case m.from == settlement.Unknown:
			doubted = append(doubted, m)
		case m.Replaces != "":
			anew = append(anew, m)
		default:
			first = append(first, m)
		}
	}
	switch to {
	case settlement.Sent:
		if len(first) > 0 {
			p.t.event(at, fault.Say("The sales are settled: %s goes out to %s.", "结算完成，%s付给%s。", sum(first), p.shops(first)))
		}
		for _, m := range perShop(anew) {
			p.t.event(at, fault.Say("%s: the %s that came back goes out again, to the new account.", "%s：退回的%s重新出款，付到新账户。", p.shop(m.MID), yuans(m.Amount)))
		}
	case settlement.Unknown:
		p.t.event(at, fault.Say("The bank does not answer: nobody knows where the %s for %s is. daozhang keeps asking and sends nothing a second time.",
			"银行没有应答：%[2]s的%[1]s下落不明。系统持续查询，绝不重复出款。", sum(list), p.shops(list)))
	case settlement.Accepted:
		if len(doubted) > 0 {
			p.t.event(at, fault.Say("The bank answers at last: it has the %s of yesterday, each order once.", "出款银行终于答复：昨天的%s均已收到，每笔只有一份。", sum(doubted)))
		}
	case settlement.Credited:
		p.t.event(at, fault.Say("%s has arrived at %s.", "%s已到账：%s。", sum(list), p.shops(list)))
	case settlement.Rejected, settlement.Returned:
		for _, m := range list {
			p.t.event(at, fault.Say("%s: the bank sends %s back: %s. Nothing more goes to this account.", "%s：银行退回%s，原因：%s。此后不再向该账户出款。",
				p.shop(m.MID), yuans(m.Amount), returnReason(m.Reason)))
		}
	case settlement.Stopped:
		p.t.event(at, fault.Say("The payout of %s for %s is kept back.", "%s的出款暂停：%s。", sum(list), p.shops(list)))
	}
}

// returnReason says why a payout came back.
func returnReason(code string) fault.Text {
	switch code {
	case "AC01":
		return fault.Say("there is no such account (AC01)", "账户不存在（AC01）")
	case "AC04":
		return fault.Say("the account is closed (AC04)", "账户已销户（AC04）")
	case "AC06":
		return fault.Say("the account is blocked (AC06)", "账户被冻结（AC06）")
	}
	return fault.Say("code %s", "代码%s", code)
}

// exceptions tells what has to be looked after since the last time.
func (p *play) exceptions(ctx context.Context, at time.Time) error {
	all, err := p.s.p.db.Exceptions(ctx, store.ExceptionFilter{})
	if err != nil {
		return err
	}
	for i := range all {
		x := &all[i]
		if p.excepted[x.ID] {
			continue
		}
		p.excepted[x.ID] = true
		if t := p.exception(x); !t.None() {
			p.t.event(at, t)
		}
	}
	return nil
}

// exception tells of one; none where what led to it was told.
func (p *play) exception(x *payment.Exception) fault.Text {
	switch x.Kind {
	case string(settlement.Short):
		return fault.Say("The network's file of the day has no line for a sale of %s at %s. The shop gets its money; the network has to say where it left it.",
			"卡组织的清算文件漏了%[2]s的一笔%[1]s（短款）。店家照常到账，由卡组织查清。", yuans(x.Amount), p.shop(x.MID))
	case settlement.ExceptionReturned, settlement.ExceptionPayoutUnknown:
		return fault.Text{}
	}
	return fault.Say("An exception for %s: %s, %s.", "待%s处理的差错：%s，%s。", x.Owner, x.Kind, yuans(x.Amount))
}

func (p *play) shop(mid string) fault.Text {
	if s := p.s.script.ShopOf(mid); s != nil {
		return s.Name
	}
	return fault.Same(mid)
}

// shops names the shops of some payouts.
func (p *play) shops(list []move) fault.Text {
	var mids []string
	for _, m := range perShop(list) {
		mids = append(mids, m.MID)
	}
	return p.shopsNamed(mids)
}

// shopsNamed names a shop where it is one, else says how many there are.
func (p *play) shopsNamed(mids []string) fault.Text {
	if len(mids) > 1 {
		return fault.Say("%d shops", "%d家店", len(mids))
	}
	return p.shop(mids[0])
}

// perShop adds payouts up by shop.
func perShop(list []move) []move {
	var out []move
	at := map[string]int{}
	for _, m := range list {
		if i, ok := at[m.MID]; ok {
			out[i].Amount += m.Amount
			continue
		}
		at[m.MID] = len(out)
		out = append(out, m)
	}
	return out
}

func sum(list []move) string {
	n := int64(0)
	for _, m := range list {
		n += m.Amount
	}
	return yuans(n)
}
