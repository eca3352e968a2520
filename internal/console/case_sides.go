package console

import (
	"slices"
	"strconv"

	"daozhang/internal/card"
	"daozhang/internal/desk"
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/report"
	"daozhang/internal/settlement"
)

// The tones of signs and words on these pages, those of the steps of a payment's way.
var (
	calm        = report.LegExpected.Tone()
	good        = report.LegDone.Tone()
	waitingTone = report.LegNow.Tone()
	bad         = report.LegLate.Tone()
)

// sides is one open matter as two parties tell it, field beside field.
type sides struct {
	Left, Right string // who tells it
	// Verdict is the comparison in few words.
	Verdict string
	Rows    []sideRow
	// Source is the fact that the right side is from.
	Source, Place string
}

// sideRow is one field. Left or Right is "" where that side says nothing of it.
type sideRow struct {
	Name        string
	Left, Right string
	Difference  string // right less left, of amounts and times
	Mark        sideMark
}

// sideMark is what a comparison of two values found. It is told by sign and word, so
// that it is there without colour.
type sideMark uint8

const (
	sameMark sideMark = iota
	differsMark
	leftMark  // only the left side has it
	rightMark // only the right side has it
)

// markOf compares two values as they are shown.
func markOf(left, right string) sideMark {
	switch {
	case left == right:
		return sameMark
	case right == "":
		return leftMark
	case left == "":
		return rightMark
	}
	return differsMark
}

func (m sideMark) sign() string { return [...]string{"=", "≠", "◁", "▷"}[m] }

func (m sideMark) word(v *visit) string {
	switch m {
	case differsMark:
		return v.say("differs", "不一致")
	case leftMark:
		return v.say("only on the left", "仅左方有")
	case rightMark:
		return v.say("only on the right", "仅右方有")
	}
	return v.say("the same", "一致")
}

// tone is that of a field which only one side has, too: it may be what is missing.
func (m sideMark) tone() report.Tone {
	switch m {
	case sameMark:
		return good
	case differsMark:
		return bad
	}
	return calm
}

// verdictOf says how many fields differ.
func verdictOf(v *visit, rows []sideRow) string {
	differ, same := 0, 0
	for _, r := range rows {
		switch r.Mark {
		case differsMark:
			differ++
		case sameMark:
			same++
		}
	}
	switch {
	case differ == 0 && same == 0:
		return v.say("one side alone", "仅一方有记录")
	case differ == 0:
		return v.say("nothing differs", "无不一致")
	case differ == 1:
		return v.say("1 field differs", "1 项不一致")
	}
	return v.say(strconv.Itoa(differ)+" fields differ", strconv.Itoa(differ)+" 项不一致")
}

// compare adds what each side says of one field. A value that neither has
// is no row.
func (s *sides) compare(name, ours, theirs string) {
	if ours == "" && theirs == "" {
		return
	}
	s.Rows = append(s.Rows, sideRow{Name: name, Left: ours, Right: theirs, Mark: markOf(ours, theirs)})
}

// compareAmounts says by how much the right side is off, too.
func (s *sides) compareAmounts(name string, ours, theirs sum) {
	s.compare(name, ours.text(), theirs.text())
	if ours.there && theirs.there && ours.minor != theirs.minor && ours.currency == theirs.currency {
		s.Rows[len(s.Rows)-1].Difference = report.Signed(theirs.minor-ours.minor, ours.currency)
	}
}

// compareCards takes two card numbers for the same where their last four digits are:
// not everybody keeps the first six.
func (s *sides) compareCards(name, ours, theirs string) {
	s.compare(name, ours, theirs)
	if len(ours) >= 4 && len(theirs) >= 4 && ours[len(ours)-4:] == theirs[len(theirs)-4:] {
		s.Rows[len(s.Rows)-1].Mark = sameMark
	}
}

// sum is an amount that a side states, or does not.
type sum struct {
	minor    int64
	currency money.Currency
	there    bool
}

func (s sum) text() string {
	if !s.there {
		return ""
	}
	return report.Amount(s.minor, s.currency)
}

// paymentSides holds our record of a payment against the other side's: the network's
// line in its clearing file where that is what is wrong, the terminal's while it is
// open whether the card was charged, the entry on the account once the payout is out,
// else the line of the settlement file.
func paymentSides(v *visit, a *investigation.Answer, p *investigation.Payment, clearing bool) *sides {
	s := &sides{Left: v.say("our record", "我方记录")}
	theirs := evidence.FactRef(0)
	switch {
	case clearing:
		s.Right = v.say("the network's file", "清算文件")
		theirs = p.ClearingLine
	case p.Status == journey.Unknown || p.Stage < journey.Captured:
		s.Right = v.say("the terminal", "终端")
		theirs = lastOf(a, p, evidence.TerminalTransaction)
	case p.Entry != 0 || p.Next == journey.Credit && p.Payout != nil:
		return s.payout(v, a, p)
	case p.SettlementLine != 0:
		s.Right = v.say("the settlement file", "结算文件")
		theirs = p.SettlementLine
	default:
		s.Right = v.say("the network's file", "清算文件")
		theirs = p.ClearingLine
	}
	text := a.View.Words.Text
	var f evidence.Fact
	if theirs != 0 {
		f = *a.View.At(theirs)
	}
	amount := sum{currency: f.Currency}
	amount.minor, amount.there = f.Amount()
	s.compareAmounts(v.say("amount", "金额"), sum{p.Amount, p.Currency, true}, amount)
	fee, net := sum{currency: f.Currency}, sum{currency: f.Currency}
	fee.minor, fee.there = f.Fee()
	net.minor, net.there = f.Net()
	if fee.there || net.there {
		s.compareAmounts(v.say("fee", "手续费"), sum{p.Fee, p.Currency, p.HasFee}, fee)
		s.compareAmounts(v.say("net", "净额"), sum{p.Net, p.Currency, p.HasFee}, net)
	}
	for _, row := range []struct {
		name         string
		ours, theirs evidence.Word
	}{
		{v.say("RRN", "参考号"), p.Keys.RRN, f.RRN}, {v.say("terminal", "终端"), p.Keys.TID, f.TID}, {v.say("trace no.", "流水号"), p.Keys.STAN, f.STAN},
		{v.say("batch", "批次"), p.Keys.Batch, f.Batch}, {v.say("approval code", "授权码"), p.Keys.AuthCode, f.AuthCode},
		{v.say("order", "订单"), p.Keys.OrderID, f.OrderID}, {v.say("network", "转接机构"), p.Keys.Network, f.Network},
	} {
		s.compare(row.name, text(row.ours), text(row.theirs))
	}
	s.compareCards(v.say("card", "卡号"), text(p.Keys.PAN), text(f.PAN))
	at := f.TransactionTime
	if at == 0 && f.Type == evidence.TerminalTransaction {
		at = f.Time
	}
	s.compare(v.say("time", "时间"), report.MomentOf(p, p.Time).Brief, report.MomentOf(p, at).Brief)
	s.close(v, a, theirs)
	return s
}

// payout holds what was paid out against the entry on the merchant's account.
func (s *sides) payout(v *visit, a *investigation.Answer, p *investigation.Payment) *sides {
	s.Left, s.Right = v.say("the payout", "出款"), v.say("the account's statement", "账户流水")
	var f evidence.Fact
	if p.Entry != 0 {
		f = *a.View.At(p.Entry)
	}
	entry := sum{currency: f.Currency}
	entry.minor, entry.there = f.Amount()
	text := a.View.Words.Text
	if p.Payout != nil {
		s.compareAmounts(v.say("amount", "金额"), sum{p.Payout.Amount, p.Currency, p.Payout.Amount != 0}, entry)
		s.compare(v.say("payout", "出款"), text(p.Payout.ID), text(f.Payout))
	} else {
		s.compareAmounts(v.say("amount", "金额"), sum{p.Net, p.Currency, true}, entry)
	}
	credited := ""
	if p.Entry != 0 {
		credited = card.AccountTail(a.View.Text(p.Entry, evidence.Account))
	}
	s.compare(v.say("account", "账户"), card.AccountTail(p.Account()), credited)
	s.compare(v.say("credited", "入账时间"), report.MomentOf(p, p.CreditedAt).Brief, report.MomentOf(p, f.Time).Brief)
	s.close(v, a, p.Entry)
	return s
}

// close says what the comparison found and where the other side's word is from.
func (s *sides) close(v *visit, a *investigation.Answer, theirs evidence.FactRef) {
	if theirs == 0 {
		s.Verdict = v.say("the other side says nothing", "对方无记录")
		return
	}
	s.Verdict = verdictOf(v, s.Rows)
	s.Source, s.Place = report.WitnessOf(a, theirs)
}

// lastOf is the last fact of a type that a payment has; 0 for none.
func lastOf(a *investigation.Answer, p *investigation.Payment, t evidence.Type) (last evidence.FactRef) {
	for _, r := range p.Merchant.Facts(p.Payment) {
		if a.View.At(r).Type == t {
			last = r
		}
	}
	return last
}

// inClearing reports whether one of an item's exceptions came of holding the network's
// clearing file against what was captured.
func inClearing(i *desk.Item) bool {
	return slices.ContainsFunc(i.Exceptions, func(x payment.Exception) bool {
		switch settlement.Outcome(x.Kind) {
		case settlement.Short, settlement.Long, settlement.OneSided, settlement.Differs, settlement.Doubled:
			return true
		}
		return false
	})
}
