package demo

import (
	"fmt"
	"time"

	"daozhang/internal/fault"
)

// card names one of the simulated terminal's cards.
func card(kind string, number int) string { return fmt.Sprintf("%s:%d", kind, number) }

// The marks of sales of which something is told.
const (
	MarkLunch     = "lunch"     // the first sale
	MarkTwice     = "twice"     // the second of two swipes
	MarkSilent    = "silent"    // no answer from the card's bank
	MarkOmitted   = "omitted"   // missing in the network's file
	MarkDisputed  = "disputed"  // taken back by the cardholder's bank
	MarkDied      = "died"      // the till died in the middle
	MarkHeld      = "held"      // held by the rules
	MarkBeforeDay = "beforeday" // sold before the holiday
)

// The amounts of two sales that the network's files are odd about.
const (
	omitted  = 32600
	disputed = 26800
)

// Unended is the result of a sale during which the till died.
const Unended = "unended"

// Who proposes and who approves at the platform. They are two, as the rules want.
const (
	maker   = "operations"
	checker = "risk"
)

// troubles is what happens beside the ordinary trade, day by day.
func (s *Script) troubles() []Event {
	var all []Event
	for _, day := range [][]Event{s.twoSwipes(), s.refusals(), s.silence(), s.closedAccount(), s.frozen(), s.paysNothing(), s.deadTill(), s.holiday()} {
		all = append(all, day...)
	}
	return append(all, Event{At: s.at(8, 12, 8, 20), Deed: Sale, TID: noodles1, Card: card("icbc-debit", 501), Amount: 8800, Mark: MarkLunch,
		Tell: fault.Say("{shop} sells lunch for {amount} by card; the slip says REF {rrn}. The customer is charged at once. The shop's money comes the next bank day.",
			"{shop}刷卡收入午餐款{amount}，签购单参考号{rrn}。顾客当场扣款，店家的钱下一个银行工作日到账。")})
}

// twoSwipes: a cashier is not sure and swipes again.
func (s *Script) twoSwipes() []Event {
	buyer := card("boc-debit", 502)
	return []Event{
		{At: s.at(9, 18, 20, 10), Deed: Sale, TID: corner1, Card: buyer, Amount: 4580, Mark: "once"},
		{At: s.at(9, 18, 21, 5), Deed: Sale, TID: corner1, Card: buyer, Amount: 4580, Mark: MarkTwice,
			Tell: fault.Say("{shop}: the cashier is not sure and swipes the same card again. Both sales of {amount} go through.",
				"{shop}：收银员不确定是否成功，又刷了同一张卡，两笔{amount}都成功了。")},
		{At: s.at(9, 18, 25, 30), Deed: Void, TID: corner1, Of: MarkTwice,
			Tell: fault.Say("{shop} takes the second sale of {amount} back at the till. The customer pays once.",
				"{shop}在终端上撤销第二笔{amount}，顾客只付一次。")},
		{At: s.at(9, 19, 2, 0), Deed: Sale, TID: noodles1, Card: card("icbc-credit", 503), Amount: disputed, Mark: MarkDisputed},
	}
}

// refusals: a limit of the card, and a printer without paper.
func (s *Script) refusals() []Event {
	return []Event{
		{At: s.at(10, 11, 12, 40), Deed: Sale, TID: tools1, Card: card("abc-debit", 504), Amount: 680000, Mark: "limit", Result: "declined",
			Tell: fault.Say("{shop}: a card is declined for {amount}: the card's bank allows less at a time. Nothing is charged; the customer pays otherwise.",
				"{shop}：一笔{amount}被拒，超过发卡行单笔限额。没有扣款，顾客改用其他方式付款。")},
		{At: s.at(10, 15, 30, 0), Deed: Break, TID: books1, Part: "no_paper"},
		{At: s.at(10, 15, 31, 15), Deed: Sale, TID: books1, Card: card("ccb-debit", 505), Amount: 13600, Mark: "unprinted",
			Tell: fault.Say("{shop}: the printer has no paper, so a sale of {amount} gets no slip. It counts all the same.",
				"{shop}：打印机缺纸，一笔{amount}没有签购单，但款项照常入账。")},
		{At: s.at(10, 15, 40, 0), Deed: Mend, TID: books1, Part: "no_paper"},
	}
}

// silence: a card's bank takes money and does not answer.
func (s *Script) silence() []Event {
	all := []Event{{At: s.at(11, 12, 10, 0), Deed: Mute, Issuer: "CMB"}}
	for i, x := range []struct {
		tid    string
		amount int64
	}{{noodles1, 5600}, {tea1, 23800}, {noodles2, 3900}, {corner2, 6450}} {
		e := Event{At: s.at(11, 12, 11+3*i, 30), Deed: Sale, TID: x.tid, Card: card("cmb-credit", 510+i), Amount: x.amount, Result: "unknown"}
		if i == 0 {
			e.Mark = MarkSilent
			e.Tell = fault.Say("{shop}: no answer from the card's bank CMB for {amount}. Nobody knows whether the customer was charged, so daozhang takes the sale back, and again and again until the bank confirms.",
				"{shop}：发卡行CMB对一笔{amount}没有应答，谁也不知道顾客是否被扣款。系统发起冲正，直到银行确认为止。")
		}
		all = append(all, e)
	}
	return append(all,
		Event{At: s.at(11, 12, 24, 0), Deed: Notice, Issuer: "CMB", From: s.at(11, 12, 10, 0), Until: s.at(11, 12, 45, 0),
			Title: fault.Say("Card system out of order", "银行卡系统故障"),
			Tell:  fault.Say("Four sales at three shops have no answer now. CMB announces that its system is down until 12:45.", "三家店已有四笔没有应答。CMB公告：系统故障，预计12:45恢复。")},
		Event{At: s.at(11, 12, 44, 0), Deed: Unmute, Issuer: "CMB",
			Tell: fault.Say("CMB answers again and confirms that all four are taken back: what it had charged goes back to its customers.",
				"CMB恢复应答，四笔冲正全部确认，已扣的款退回顾客。")},
		Event{At: s.at(11, 12, 52, 0), Deed: Sale, TID: noodles1, Card: card("cmb-credit", 515), Amount: 4200},
		Event{At: s.at(11, 16, 5, 0), Deed: Sale, TID: tea1, Card: card("psbc-debit", 506), Amount: omitted, Mark: MarkOmitted})
}

// closedAccount: the tool shop has closed the account that it is paid to.
func (s *Script) closedAccount() []Event {
	return []Event{
		{At: s.at(11, 14, 2, 0), Deed: Propose, Shop: tools, By: maker, Account: &mendedTools,
			Tell: fault.Say("{shop} brings its new account. One person at the platform enters it, …", "{shop}提供新账户，平台由一人录入，…")},
		{At: s.at(11, 15, 20, 0), Deed: Approve, Shop: tools, By: checker,
			Tell: fault.Say("… a second one checks and approves it: nobody can redirect money alone. It is used after a day, so that the shop would notice a change that is not its own.",
				"…由另一人复核通过：谁都不能单独改变收款账户。一天后才启用，以便店家发现冒名变更。")},
		{At: s.at(11, 15, 40, 0), Deed: Verify, Shop: tools, By: checker},
	}
}

// frozen: a court orders the book shop's money to be held.
func (s *Script) frozen() []Event {
	return []Event{
		{At: s.at(17, 11, 20, 0), Deed: Freeze, Shop: books, By: maker},
		{At: s.at(17, 11, 32, 0), Deed: Frozen, Shop: books, By: checker,
			Tell: fault.Say("A court orders {shop}'s money to be held. It may go on selling; nothing is paid out until the order is lifted.",
				"法院要求冻结{shop}的款项。店家可以继续收款，解冻前不出款。")},
		{At: s.at(16, 8, 20, 0), Deed: Nothing, Of: MarkDisputed,
			Tell: fault.Say("A customer disputes {amount} of 9 June at {shop}: the card's bank has taken it back, and this morning's payout is less by that.",
				"一位顾客对6月9日{shop}的一笔{amount}提出争议，发卡行已收回，从今早的出款中扣除。")},
	}
}

// paysNothing: the bank that pays the shops does no work on the 16th.
func (s *Script) paysNothing() []Event {
	return []Event{{At: s.at(16, 8, 42, 0), Deed: Nothing,
		Tell: fault.Say("The bank that pays the shops announces that its payment system is out of order.", "出款银行公告：付款系统故障。")}}
}

// deadTill: a till's mainboard dies between sending a sale and hearing the answer.
func (s *Script) deadTill() []Event {
	return []Event{
		{At: s.at(17, 12, 31, 0), Deed: Break, TID: noodles2, Part: "mainboard"},
		{At: s.at(17, 12, 31, 40), Deed: Sale, TID: noodles2, Card: card("bocom-debit", 507), Amount: 9900, Mark: MarkDied, Result: Unended,
			Tell: fault.Say("{shop}: the second till dies in the middle of a sale of {amount}. The customer may have been charged; there is no slip.",
				"{shop}：二号终端在一笔{amount}交易中途损坏，顾客可能已被扣款，但没有签购单。")},
		{At: s.at(17, 15, 10, 0), Deed: Restart, TID: noodles2, Of: MarkDied,
			Tell: fault.Say("{shop}: the till is repaired. It finds the sale of {amount} without an end in its journal and takes it back.",
				"{shop}：终端修好后，在流水中发现这笔{amount}没有结果，自动冲正。")},
	}
}

// holiday: what is sold before and during the Dragon Boat Festival.
func (s *Script) holiday() []Event {
	all := []Event{
		{At: s.at(18, 17, 15, 0), Deed: Sale, TID: tea1, Card: card("icbc-debit", 520), Amount: 128000, Mark: MarkBeforeDay,
			Tell: fault.Say("{shop} sells gift boxes for {amount}. Tomorrow the Dragon Boat Festival begins and the banks are closed: this money comes on Monday.",
				"{shop}售出礼盒{amount}。明天起端午节放假，银行不办公，这笔钱要到周一才到账。")},
		{At: s.at(19, 9, 0, 0), Deed: Nothing,
			Tell: fault.Say("No payouts until Monday: what was sold on Thursday waits over the holiday, and nobody is late with it. The shops go on selling.",
				"周一之前不出款：周四的销售款顺延到节后，不算逾期。店家照常营业收款。")},
		{At: s.at(20, 10, 30, 0), Deed: Refund, TID: tea1, Of: MarkBeforeDay, Card: card("icbc-debit", 520), Amount: 32000,
			Tell: fault.Say("{shop}: a customer brings one of the boxes back and gets {amount} on the card.", "{shop}：顾客退回一盒，{amount}退到卡上。")},
	}
	for i := range 4 {
		e := Event{At: s.at(20, 15, 4+7*i, 0), Deed: Sale, TID: corner2, Card: card("icbc-credit", 530+i), Amount: 200000}
		if i == 3 {
			e.Mark = MarkHeld
			e.Tell = fault.Say("{shop}: the fourth round {amount} on a credit card within half an hour. It is approved, and its money held for a look: that is how cards are turned into cash.",
				"{shop}：半小时内第四笔信用卡整额{amount}。交易成功，但款项先行冻结待查：套现往往就是这样。")
		}
		all = append(all, e)
	}
	return all
}

// Day says what is particular about a day; none for most.
func (s *Script) Day(at time.Time) fault.Text {
	switch at.In(s.Zone).Day() {
	case 8:
		return fault.Say("the first day", "第一天")
	case 19:
		return fault.Say("Dragon Boat Festival, banks closed", "端午节，银行休息")
	case 20, 21:
		return fault.Say("holiday, banks closed", "假期，银行休息")
	case 13, 14:
		return fault.Say("weekend, banks closed", "周末，银行休息")
	}
	return fault.Text{}
}
