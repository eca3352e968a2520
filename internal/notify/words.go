package notify

import (
	"time"

	"daozhang/internal/fault"
)

// The sentences of events. They go out by mail: nothing in them is card data.

func overdueText(x *Late, now *Picture) fault.Text {
	t := fault.Say("Late: %s, %s; it was due %s (%s)", "逾期：%s，%s；应于 %s 到达（已逾期 %s）", now.Amount(x.Amount, x.Currency), x.Name, now.Clock(x.Due), x.By)
	return t.And(because(x.Why)).And(expected(x.Promise, now))
}

func arrivedText(m *Mark, now *Picture) fault.Text {
	return fault.Say("Arrived after all: %s, %s", "逾期款项已到账：%s，%s", now.Amount(m.Amount, m.Currency), m.Name)
}

func missedText(m *Mark, again time.Time, why fault.Text, now *Picture) fault.Text {
	what := m.Name
	if m.Count > 0 {
		what = fault.Say("%s of an incident", "事件影响的 %s", counted(m.Count))
	}
	t := fault.Say("Missed: %s, %s, was said to come by %s and has not", "承诺未兑现：%s，%s，原定 %s 前到账", now.Amount(m.Amount, m.Currency), what, now.Clock(m.Promise))
	return t.And(because(why)).And(expected(again, now))
}

func openedText(m *Mark, now *Picture) fault.Text {
	t := fault.Say("Incident: %s; it stops %s, %s", "事件：%s；影响 %s，共 %s", m.Cause, counted(m.Count), now.Amount(m.Amount, m.Currency))
	return t.And(expected(m.Promise, now))
}

func resolvedText(m *Mark, now *Picture) fault.Text {
	return fault.Say("Incident over: %s; no payment waits for it any more (it had stopped %s, %s)", "事件结束：%s；已没有交易受影响（曾影响 %s，共 %s）",
		m.Cause, counted(m.Count), now.Amount(m.Amount, m.Currency))
}

func payoutText(x *Paid) fault.Text {
	if x.Returned {
		t := fault.Say("Payout returned: %s to %s, %s", "出款被退回：%s，收款方 %s，编号 %s", x.Shown, x.Merchant, x.ID)
		if x.Rejected {
			t = fault.Say("Payout refused by the bank: %s to %s, %s", "银行拒绝出款：%s，收款方 %s，编号 %s", x.Shown, x.Merchant, x.ID)
		}
		if x.Reason != "" {
			t = t.And(fault.Say("the bank says: %s", "银行说明：%s", x.Reason))
		}
		return t
	}
	return fault.Say("Payout credited: %s to %s, %s", "出款已入账：%s，收款方 %s，编号 %s", x.Shown, x.Merchant, x.ID)
}

func togetherText(t Type, count, sum string) fault.Text {
	if t == PaymentArrived {
		return fault.Say("Arrived after all: %s payments, %s", "逾期款项已到账：%s 笔，共 %s", count, sum)
	}
	return fault.Say("Late: %s payments, %s", "逾期：%s 笔，共 %s", count, sum)
}

func because(why fault.Text) fault.Text {
	if why.None() {
		return why
	}
	return fault.Say("why: %s", "原因：%s", why)
}

func expected(at time.Time, now *Picture) fault.Text {
	if now.ahead(at).IsZero() {
		return fault.Text{}
	}
	return fault.Say("expected by %s", "预计 %s 前到账", now.Clock(at))
}

// counted is a number of payments.
func counted(n int) fault.Text {
	if n == 1 {
		return fault.Say("1 payment", "1 笔交易")
	}
	return fault.Say("%d payments", "%d 笔交易", n)
}
