package report

import (
	"daozhang/internal/calendar"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/match"
	"daozhang/internal/money"
)

// PayoutRow is one payout as a line of a list, ready to be shown.
type PayoutRow struct {
	ID, MID  string // as investigation.Current.Payout takes them
	Merchant string // its name, else its number
	Date     string
	Amount   string
	Account  string // its last four characters
	Bank     string
	Lines    int
	State    Text
	Sign     string
	Tone     Tone
	// Reason is the code that the bank gave for a refusal or return.
	Reason string
	// Reference is that of the bank's entry; "" while none proves the payout.
	Reference string
	Sent      Moment
	Booked    string // the date of the latest entry
}

var payoutStateWords = [...]Text{
	investigation.PayoutSettled:  tx("settled, no word of a transfer", "已结算，未见出款"),
	investigation.PayoutCreated:  tx("made, not sent", "已生成，未发出"),
	investigation.PayoutSent:     tx("at the bank", "银行处理中"),
	investigation.PayoutCredited: tx("credited, the bank says", "银行称已入账"),
	investigation.PayoutArrived:  tx("arrived", "已到账"),
	investigation.PayoutPartly:   tx("partly arrived", "部分到账"),
	investigation.PayoutHeld:     tx("held", "被暂扣"),
	investigation.PayoutRejected: tx("refused by the bank", "银行拒绝"),
	investigation.PayoutReturned: tx("came back", "被退回"),
	investigation.PayoutResent:   tx("came back, sent again", "退回后已重发"),
}

var payoutStateLooks = [...]struct {
	sign string
	tone Tone
}{
	investigation.PayoutSettled: {"○", calm}, investigation.PayoutCreated: {"○", calm}, investigation.PayoutSent: {"→", waiting}, investigation.PayoutCredited: {"≈", waiting},
	investigation.PayoutArrived: {"✓", good}, investigation.PayoutPartly: {"−", bad}, investigation.PayoutHeld: {"‖", bad}, investigation.PayoutRejected: {"×", bad},
	investigation.PayoutReturned: {"↩", bad}, investigation.PayoutResent: {"↻", calm},
}

// PayoutStateWord says how a payout stands in a few words.
func PayoutStateWord(s investigation.PayoutState) Text { return payoutStateWords[s] }

// PayoutRowOf shows a payout as a line of a list.
func PayoutRowOf(a *investigation.Answer, p *match.Payout) PayoutRow {
	v := a.View
	state := investigation.StateOf(v, p)
	r := PayoutRow{
		ID: investigation.PayoutID(v, p), MID: v.Words.Text(p.MID), Date: dateText(p.Date), Amount: amount(p.Amount, p.Currency), Account: accountTail(p.Account),
		Bank: plain(p.Bank), Lines: p.Lines, State: payoutStateWords[state], Sign: payoutStateLooks[state].sign, Tone: payoutStateLooks[state].tone,
	}
	offset, said := a.Offset, evidence.FactRef(0)
	if n := len(p.Statuses); n > 0 {
		said = p.Statuses[n-1]
		offset = v.At(p.Statuses[0]).Offset
	}
	r.Sent = momentIn(p.Sent, a.AsOf, offset)
	at := p.Sent
	if at == 0 && p.Date != calendar.None {
		at = evidence.Instant(p.Date.Unix(int(offset)*60) * 1e9)
	}
	r.Merchant = plain(a.Match.Book.At(p.MID, at, offset).Name)
	if r.Merchant == "" {
		r.Merchant = plain(r.MID)
	}
	switch state {
	case investigation.PayoutRejected, investigation.PayoutReturned, investigation.PayoutResent, investigation.PayoutHeld:
		if said != 0 {
			r.Reason = plain(v.Text(said, evidence.Reason))
		}
	}
	for _, e := range p.Entries {
		r.Booked = dateText(e.Date)
		if ref := v.Text(e.Fact, evidence.EntryRef); ref != "" {
			r.Reference = plain(ref)
		}
	}
	return r
}

// PayoutTrail is all that is known of one payout, ready to be shown.
type PayoutTrail struct {
	Row PayoutRow
	// Sums are its arithmetic, from what was carried to it down to its net.
	Sums []SumLine
	// Adds tells that the arithmetic comes to what was paid out; Unexplained is what it
	// lacks, in words, where not.
	Adds        bool
	Unexplained Text
	// Away counts lines of payments that are over and have left memory; their net is one
	// line of the sums.
	Away    int
	History []PayoutEvent
	// Why, Who and Advice say of one that has not arrived what is wrong with its
	// payments; empty where nothing is.
	Why, Who Text
	Advice   diagnosis.Advice
	// Replaces and ReplacedBy are the payouts that it sends again, or that send it.
	Replaces   string
	ReplacedBy []string
	Currency   money.Currency
}

// PayoutEvent is one word about a payout.
type PayoutEvent struct {
	Time   Moment
	What   Text
	Reason string
	Tone   Tone
	Fact   evidence.FactRef
	Name   string // of the fact
}

// PayoutTrailOf works out what is shown of one payout.
func PayoutTrailOf(c *investigation.Current, p *match.Payout) *PayoutTrail {
	a := c.Around()
	t := &PayoutTrail{Row: PayoutRowOf(a, p), Currency: p.Currency}
	lines := c.PayoutLines(p)
	t.add(p, c.SumsOf(p, lines), len(lines))
	t.history(a, p)
	if p.Replaces != nil {
		t.Replaces = investigation.PayoutID(a.View, p.Replaces)
	}
	for _, o := range p.ReplacedBy {
		t.ReplacedBy = append(t.ReplacedBy, investigation.PayoutID(a.View, o))
	}
	for _, l := range lines {
		x, ok := c.Payment(l.Payment)
		if !ok || x.Payout != p || x.Verdict.Cause == nil || !investigation.NeedsSomeone(&x.Journey, &x.Verdict) {
			continue
		}
		t.Why, t.Who = whySentence(x).Text, whoSentence(x).Text
		t.Advice = x.Verdict.Cause.AdviceFor(x.Verdict.Leg, x.Cardholder)
		break
	}
	return t
}

// add adds up the lines of a payout: what its own day brought and took, and what had
// been left from earlier days.
func (t *PayoutTrail) add(p *match.Payout, s investigation.PayoutSums, listed int) {
	net := s.Net
	add := func(what Text, n int64) { t.Sums = append(t.Sums, SumLine{What: what, Amount: n, Signed: true}) }
	maybe := func(what Text, n int64) {
		if n != 0 {
			add(what, n)
		}
	}
	if p.Lines > 0 {
		add(tx("opening: left from earlier days", "期初：前日结转"), s.Opening)
		add(tx("sales", "消费"), s.Sales)
		add(tx("refunds and voids", "退款和撤销"), s.Refunds)
		add(tx("fees", "手续费"), s.Fees)
		add(tx("reserves", "保证金"), s.Reserves)
		add(tx("chargebacks", "拒付"), s.Chargebacks)
		maybe(tx("adjustments", "调账"), s.Adjustments)
		if t.Away = p.Lines - listed; t.Away > 0 {
			add(tx("lines of payments that are over and have left the pages", "已了结且不在页面中的交易"), p.Net-net)
			net = p.Net
		}
		t.Sums = append(t.Sums, SumLine{What: tx("net", "净额"), Amount: net, Total: true})
	}
	switch t.Adds = net == p.Amount; {
	case p.Lines == 0 && p.Replaces != nil:
		t.Unexplained = tx("It sends again what another payout was to bring; the lines are there.", "这笔出款是对另一笔的重发，明细见原出款。")
	case p.Lines == 0:
		t.Unexplained = tx("No settlement line names it.", "没有结算明细指明这笔出款。")
	case !t.Adds:
		t.Unexplained = tx("The lines come to "+amount(net, p.Currency)+", the payout to "+amount(p.Amount, p.Currency)+": "+Signed(p.Amount-net, p.Currency)+" is not explained.",
			"明细合计 "+amount(net, p.Currency)+"，出款 "+amount(p.Amount, p.Currency)+"，相差 "+Signed(p.Amount-net, p.Currency)+" 尚无解释。")
	}
}

// history gives every word about a payout, and the entries that prove it.
func (t *PayoutTrail) history(a *investigation.Answer, p *match.Payout) {
	v := a.View
	for _, r := range p.Statuses {
		f := v.At(r)
		e := PayoutEvent{Time: momentIn(f.Time, a.AsOf, f.Offset), What: saidWord(f.State.String()), Reason: plain(v.Text(r, evidence.Reason)), Fact: r, Name: plain(v.Name(r)), Tone: waiting}
		switch f.State {
		case evidence.Rejected, evidence.Returned, evidence.Held:
			e.Tone = bad
		case evidence.Created:
			e.Tone = calm
		case evidence.Credited:
			e.Tone = good
		}
		t.History = append(t.History, e)
	}
	for _, e := range p.Entries {
		f := v.At(e.Fact)
		t.History = append(t.History, PayoutEvent{Time: momentIn(f.Time, a.AsOf, f.Offset), Fact: e.Fact, Name: plain(v.Name(e.Fact)), Tone: good,
			What: join(tx("booked by the bank on ", "银行入账 "), same(dateText(e.Date)), same(": "+amount(e.Amount, e.Currency)))})
	}
}

// PayoutColumns are the columns of an Export of payouts, one a row.
func PayoutColumns() []Column {
	return []Column{
		{tx("Date", "日期"), 11}, {tx("Payout", "出款编号"), 34}, {tx("Merchant", "商户"), 17}, {tx("Name", "名称"), 24}, {tx("Currency", "币种"), 8}, {tx("Amount", "金额"), 15},
		{tx("Lines", "明细笔数"), 9}, {tx("State", "状态"), 22}, {tx("Reason", "原因代码"), 10}, {tx("Account", "账户尾号"), 10}, {tx("Bank", "银行"), 18}, {tx("Sent", "发出"), 19},
		{tx("Booked", "入账日"), 11}, {tx("Proved", "已证实"), 15}, {tx("Bank's reference", "银行流水号"), 24},
	}
}

// PayoutCells are the cells of one payout in an Export with PayoutColumns.
func PayoutCells(a *investigation.Answer, p *match.Payout) []any {
	r := PayoutRowOf(a, p)
	offset := a.Offset
	if len(p.Statuses) > 0 {
		offset = a.View.At(p.Statuses[0]).Offset
	}
	return []any{day(p.Date), r.ID, r.MID, r.Merchant, p.Currency.String(), figure{p.Amount, p.Currency}, p.Lines, r.State, r.Reason, r.Account, r.Bank, moment{p.Sent, offset},
		r.Booked, figure{p.Proved, p.Currency}, r.Reference}
}
