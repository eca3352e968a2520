package report

import (
	"slices"
	"strings"

	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/investigation"
	"daozhang/internal/journey"
	"daozhang/internal/match"
)

// Trail is the answer for one payment, ready to be shown: four sentences, the
// legs of its way, its arithmetic, other explanations, and the evidence.
type Trail struct {
	Payment   *investigation.Payment
	KeyName   Text
	Key       string
	Keys      []Text // every key that is known, with its name
	Where     Sentence
	Why       Sentence
	Who       Sentence
	When      Sentence
	Missed    Text // a promise that was not kept; it stays to be seen
	Legs      []LegLine
	Sums      []SumLine
	SumNotes  []Text
	Others    []OtherCause
	Check     Text // what would confirm the cause
	Advice    diagnosis.Advice
	HasAdvice bool
	Evidence  []EvidenceLine
	Unlisted  int // facts beyond those listed
}

// Sentence is one statement of the answer, and what it rests on.
type Sentence struct {
	Text       Text
	Proved     bool
	Confidence float64 // of what is inferred; 0 where no figure is given
}

// Proof says what a sentence rests on.
func (s Sentence) Proof() Text {
	switch {
	case s.Proved:
		return tx("proved", "已证实")
	case s.Confidence > 0:
		return join(tx("inferred, ", "推断，"), same(percent(s.Confidence)))
	}
	return tx("inferred", "推断")
}

// LegState is how a step of the way stands.
type LegState uint8

// The states of a step.
const (
	LegDone LegState = iota
	LegDoneLate
	LegNow
	LegLate
	LegHeld
	LegOpen
	LegFailed
	LegExpected
	LegSilent
)

var legStates = [...]struct {
	word Text
	tone Tone
	sign string
}{
	LegDone:     {tx("done", "完成"), good, "✓"},
	LegDoneLate: {tx("done late", "迟到完成"), good, "✓"},
	LegNow:      {tx("now", "进行中"), waiting, "→"},
	LegLate:     {tx("late", "逾期"), bad, "!"},
	LegHeld:     {tx("held", "冻结"), bad, "‖"},
	LegOpen:     {tx("open", "待证实"), bad, "?"},
	LegFailed:   {tx("failed", "未成"), bad, "×"},
	LegExpected: {tx("expected", "预计"), calm, "·"},
	LegSilent:   {tx("not seen", "无记录"), calm, "·"},
}

// Word, Sign and Tone say the state in a word, in one character, and at a glance.
func (s LegState) Word() Text   { return legStates[s].word }
func (s LegState) Sign() string { return legStates[s].sign }
func (s LegState) Tone() Tone   { return legStates[s].tone }

// LegLine is one step of the way.
type LegLine struct {
	Leg              journey.Leg
	State            LegState
	Promised, Actual evidence.Instant // 0 where there is none
	Amount           int64            // minor units, where HasAmount
	Difference       int64            // of Amount from what was to be
	HasAmount        bool
	Witness          evidence.FactRef // 0 where no fact shows the step
	Note             Text
}

// SumLine is one line of a payment's arithmetic; Total closes what stands above.
type SumLine struct {
	What   Text
	Amount int64
	Signed bool
	Total  bool
}

// OtherCause is another cause that fits, less likely, and what would show it.
type OtherCause struct {
	Title      Text
	Code       string
	Confidence float64
	Check      Text
}

// EvidenceLine is one fact: its source and id, what it is, when it was, and the
// file and line it was read from; Tells marks what the cause rests on.
type EvidenceLine struct {
	Name  string
	What  Text
	Time  string
	Place string
	Tells bool
}

const listedFacts = 60

// TrailOf works out what is shown of one payment.
func TrailOf(a *investigation.Answer, p *investigation.Payment) *Trail {
	t := &Trail{Payment: p}
	t.KeyName, t.Key = reference(a, p)
	t.Keys = keysOf(a, p)
	t.Where = whereSentence(a, p)
	t.Why = whySentence(p)
	t.Who = whoSentence(p)
	t.When, t.Missed = whenSentence(p)
	t.Legs = legsOf(a, p)
	t.sums()
	v := &p.Verdict
	for _, alt := range v.Alternatives {
		t.Others = append(t.Others, OtherCause{alt.Cause.Title, alt.Cause.Code, alt.Confidence, alt.Cause.CheckFor(v.Leg, p.Cardholder)})
	}
	if v.Cause != nil {
		t.Check = v.Cause.CheckFor(v.Leg, p.Cardholder)
		t.Advice, t.HasAdvice = v.Cause.AdviceFor(v.Leg, p.Cardholder), true
	}
	t.evidence(a)
	return t
}

func keysOf(a *investigation.Answer, p *investigation.Payment) []Text {
	var list []Text
	add := func(w evidence.Word, name Text) {
		if w != 0 {
			list = append(list, join(name, same(" "+plain(a.View.Words.Text(w)))))
		}
	}
	k := &p.Keys
	add(k.MID, tx("merchant", "商户"))
	if p.Terms.Name != "" && len(list) > 0 {
		list[0] = join(list[0], same(" ("+plain(p.Terms.Name)+")"))
	}
	add(k.TID, tx("terminal", "终端"))
	add(k.Batch, tx("batch", "批次"))
	add(k.STAN, tx("trace no.", "流水号"))
	add(k.RRN, tx("RRN", "参考号"))
	add(k.AuthCode, tx("approval code", "授权码"))
	add(k.OrderID, tx("order", "订单"))
	add(k.Ref, tx("reference", "平台单号"))
	add(k.PAN, tx("card", "卡号"))
	add(k.Network, tx("network", "转接机构"))
	add(k.Issuer, tx("card's bank", "发卡行"))
	if p.Payout != nil {
		add(p.Payout.ID, tx("payout", "出款"))
	}
	return list
}

// whereSentence says where the money is. It is proved where facts of its own
// show it, inferred where the absence of a fact or someone's word does.
func whereSentence(a *investigation.Answer, p *investigation.Payment) Sentence {
	sum := func(n int64) string { return amount(n, p.Currency) }
	stage := stageWord(p.Stage)
	open := p.Net - p.Arrived
	account := accountOfPayment(a, p)
	proved := Sentence{Proved: true}
	switch p.Status {
	case journey.Arrived:
		proved.Text = tx(sum(p.Arrived)+" has arrived in the account"+account.EN+": a booked bank entry proves it.",
			sum(p.Arrived)+"已到账"+account.ZH+"，银行入账记录可以证实。")
		return proved
	case journey.Confirmed:
		return Sentence{Text: tx("The paying bank says that "+sum(open)+" is credited"+account.EN+"; no bank entry shows it yet.",
			"出款银行称"+sum(open)+"已入账"+account.ZH+"，尚未见到银行流水。")}
	case journey.InTransit, journey.Overdue:
		late := ""
		lateZH := "，" + waitsFor(p.Next).ZH
		if p.Status == journey.Overdue {
			late = ", late by " + lateBy(p).EN
			lateZH += "，已逾期" + lateBy(p).ZH
		}
		if cameBack(p) {
			late = strings.TrimPrefix(late, ",")
			proved.Text = tx(sum(open)+" was paid out, but the payout came back; it waits to be sent again"+suffixIf(late, ",")+".", sum(open)+"已出款但被退回，待重新出款"+suffixIf(lateBy(p).ZH, "，已逾期")+"。")
			return proved
		}
		proved.Text = tx(sum(open)+" is "+stage.EN+" and "+waitsFor(p.Next).EN+late+".", sum(open)+stage.ZH+lateZH+"。")
		if p.OpenPreauth {
			proved.Text = tx(sum(p.Amount)+" is reserved on the card by a preauthorization and not taken yet"+late+".", "预授权已冻结"+sum(p.Amount)+"，尚未完成扣款"+suffixIf(lateBy(p).ZH, "，已逾期")+"。")
		}
		return proved
	case journey.Held:
		if p.Entry != 0 {
			proved.Text = tx(sum(p.Arrived)+" of "+sum(p.Net)+" has arrived; "+sum(p.Missing)+" is kept back as a reserve.", "应到"+sum(p.Net)+"，已到"+sum(p.Arrived)+"，"+sum(p.Missing)+"留作保证金。")
			return proved
		}
		proved.Text = tx(sum(open)+" is held back: it is "+stage.EN+" and goes no further.", sum(open)+stage.ZH+"后被冻结，暂不往下走。")
		return proved
	case journey.Short:
		proved.Text = tx(sum(p.Arrived)+" of "+sum(p.Net)+" has arrived; "+sum(p.Missing)+" is missing.", "应到"+sum(p.Net)+"，已到"+sum(p.Arrived)+"，缺"+sum(p.Missing)+"。")
		return proved
	case journey.Unproven:
		return Sentence{Text: tx(sum(open)+" is "+stage.EN+" and was due; no bank statement covers the day, so its arrival can be neither proved nor denied.",
			sum(open)+stage.ZH+"，已过应到日，但没有覆盖当天的银行账单，无法证实是否到账。")}
	case journey.Unknown:
		return Sentence{Text: tx("It is open whether the card was charged "+sum(p.Amount)+".", "这笔"+sum(p.Amount)+"是否已扣款尚无定论。")}
	case journey.Refunded:
		if p.Cardholder == journey.Refunding {
			proved.Text = tx(sum(p.Amount)+" is on its way back to the cardholder.", sum(p.Amount)+"正在退还持卡人。")
		} else {
			proved.Text = tx(sum(p.Amount)+" went back to the cardholder.", sum(p.Amount)+"已退还持卡人。")
		}
		return proved
	}
	proved.Text = tx("The card was not charged; there is no money on its way.", "没有扣款，也就没有在途的款项。")
	proved.Proved = p.Swipe.Outcome != journey.NeverSent
	return proved
}

func suffixIf(s, before string) string {
	if s == "" {
		return ""
	}
	return before + s
}

// accountOfPayment names the account by its last four characters.
func accountOfPayment(a *investigation.Answer, p *investigation.Payment) Text {
	name := p.Account()
	if p.Entry != 0 {
		if s := a.View.Text(p.Entry, evidence.Account); s != "" {
			name = s
		}
	}
	if name == "" {
		return Text{}
	}
	return tx(" "+accountTail(name), "（账户"+accountTail(name)+"）")
}

func whySentence(p *investigation.Payment) Sentence {
	v := &p.Verdict
	if v.Cause == nil {
		switch p.Status {
		case journey.Arrived:
			return Sentence{Text: tx("Everything went as agreed.", "一切按约定完成。"), Proved: true}
		case journey.Confirmed:
			return Sentence{Text: tx("The bank has done its part; only the statement is still missing.", "银行已处理完毕，只差账单。")}
		}
		return Sentence{Text: tx("Nothing on record tells why.", "现有记录不能说明原因。")}
	}
	return Sentence{Text: v.Cause.WhyFor(v.Leg, p.Cardholder), Proved: v.Confidence >= ownEvidence && len(v.Evidence) > 0, Confidence: v.Confidence}
}

// ownEvidence is the confidence from which a cause rests on evidence that names
// the payment itself.
const ownEvidence = 0.95

func whoSentence(p *investigation.Payment) Sentence {
	s := whySentence(p)
	if p.Verdict.Party <= diagnosis.Nobody {
		s.Text = tx("Nobody has to act.", "无需任何一方处理。")
		return s
	}
	who := partyWord(p.Verdict.Party)
	s.Text = tx("Next, the "+who.EN+" must act.", "接下来由"+who.ZH+"处理。")
	return s
}

// whenSentence says when the money arrives, and the promise that was missed.
func whenSentence(p *investigation.Payment) (s Sentence, missed Text) {
	at := func(i evidence.Instant) string { return local(p, i) }
	if p.Due != 0 && p.AsOf > p.Due && p.Status != journey.Arrived {
		missed = tx("due "+at(p.Due), "应到 "+at(p.Due))
	}
	switch p.Status {
	case journey.Arrived:
		return Sentence{Text: tx("It arrived on "+at(p.CreditedAt)+".", at(p.CreditedAt)+" 到账。"), Proved: true}, Text{}
	case journey.NotCharged:
		return Sentence{Text: tx("No money will come from it.", "不会有款项到账。"), Proved: p.Swipe.Outcome != journey.NeverSent}, Text{}
	case journey.Refunded:
		if n := len(p.Refunds); n > 0 {
			last := p.Refunds[n-1].Time
			return Sentence{Text: tx("No money is to come: it was given back on "+at(last)+".", "不会有款项到账："+at(last)+" 已办理退还。"), Proved: true}, Text{}
		}
		return Sentence{Text: tx("No money is to come.", "不会有款项到账。"), Proved: true}, Text{}
	}
	due := Text{}
	if p.Due != 0 && p.AsOf <= p.Due {
		due = tx("It is due by "+at(p.Due)+". ", "应于 "+at(p.Due)+" 前到账。")
	}
	if e := p.Verdict.Expected; e.Likely != 0 {
		s.Text = tx("It is expected by "+at(e.Likely), "预计 "+at(e.Likely)+" 前到账")
		if e.Earliest != e.Likely || e.Latest != e.Likely {
			s.Text = join(s.Text, tx(" (earliest "+at(e.Earliest)+", latest "+at(e.Latest)+")", "（最早 "+at(e.Earliest)+"，最晚 "+at(e.Latest)+"）"))
		}
		s.Text = join(due, s.Text, tx(".", "。"))
		s.Confidence = p.Verdict.Confidence
		return s, missed
	}
	switch {
	case p.Status == journey.Confirmed:
		s.Text = tx("The bank says it was credited on "+at(p.CreditedAt)+"; the statement of that day will prove it.", "银行称已于 "+at(p.CreditedAt)+" 入账，当日账单可以证实。")
	case p.Verdict.Party > diagnosis.Nobody:
		who := partyWord(p.Verdict.Party)
		s.Text = join(due, tx("No date can be named: it depends on a step of the "+who.EN+".", "无法给出日期，取决于"+who.ZH+"的处理。"))
	default:
		s.Text = join(due, tx("No date can be named.", "无法给出日期。"))
	}
	return s, missed
}

// legsOf gives the steps of a payment's way.
func legsOf(a *investigation.Answer, p *investigation.Payment) []LegLine {
	var list []LegLine
	promised := [...]evidence.Instant{
		journey.Authorization: p.Legs.Authorization, journey.Capture: p.Legs.Capture, journey.Clearing: p.Legs.Clearing,
		journey.Settlement: p.Legs.Settlement, journey.Payout: p.Legs.Payout, journey.Credit: p.Legs.Credit,
	}
	actual := [...]evidence.Instant{
		journey.Authorization: p.Swipe.ApprovedAt, journey.Capture: p.CapturedAt, journey.Clearing: p.ClearedAt,
		journey.Settlement: p.SettledAt, journey.Payout: p.PaidOutAt, journey.Credit: p.CreditedAt,
	}
	for l := journey.Authorization; l <= journey.Credit; l++ {
		done := p.Stage > journey.Stage(l)
		line := LegLine{Leg: l, Promised: promised[l]}
		if l == p.Next && p.LegDue != 0 {
			line.Promised = p.LegDue
		}
		switch {
		case p.Status == journey.NotCharged && l >= p.Next:
			line.State = LegFailed
			line.Promised = 0
		case p.Status == journey.Unknown && l == journey.Authorization:
			line.State = LegOpen
		case l == journey.Payout && cameBack(p):
			line.State = stateOfNext(p.Status)
			line.Actual = actual[l]
		case done && !(l == journey.Credit && cameBack(p)):
			line.State = LegDone
			line.Actual = actual[l]
			if line.Actual != 0 && line.Promised != 0 && p.Terms.LocalDate(line.Actual) > p.Terms.LocalDate(line.Promised) {
				line.State = LegDoneLate
			}
		case l == p.Next:
			line.State = stateOfNext(p.Status)
			if p.Status == journey.InTransit && p.LegDue == 0 {
				line.Promised = 0
			}
			line.Note = suspension(p.Suspended)
		case l < p.Next:
			line.State = LegSilent
			line.Promised = 0
		default:
			line.State = LegExpected
			if p.Due == 0 {
				line.Promised = 0
			}
		}
		if p.Status == journey.Refunded && !done || p.Status == journey.Unknown && l > journey.Authorization {
			break
		}
		witness(a, p, &line)
		list = append(list, line)
		if line.State == LegFailed {
			break
		}
	}
	return list
}

func stateOfNext(s journey.Status) LegState {
	switch s {
	case journey.Overdue:
		return LegLate
	case journey.Held:
		return LegHeld
	case journey.Unproven:
		return LegOpen
	}
	return LegNow
}

func suspension(s journey.Suspension) Text {
	switch s {
	case journey.BelowMinimum:
		return tx("suspended: below the minimum payout", "暂停：未达最低出款额")
	case journey.NegativeBalance:
		return tx("suspended: the balance is negative", "暂停：余额为负")
	case journey.OverPayoutLimit:
		return tx("suspended: over the payout limit", "暂停：超出出款限额")
	}
	return Text{}
}

// witness finds the fact that shows a step, and the amount it gives.
func witness(a *investigation.Answer, p *investigation.Payment, l *LegLine) {
	v := a.View
	done := l.State == LegDone || l.State == LegDoneLate
	take := func(r evidence.FactRef, want int64) {
		if r == 0 {
			return
		}
		l.Witness = r
		if n, ok := v.At(r).Amount(); ok && done {
			l.Amount, l.Difference, l.HasAmount = n, n-want, true
		}
	}
	switch l.Leg {
	case journey.Authorization:
		if !done {
			l.Witness = firstOf(p.Swipe.Reversal, p.Swipe.CodeFact, p.Swipe.RiskDecline, p.Swipe.Timeout, p.Swipe.Terminal, p.Swipe.Request)
			l.Note = codeText(p)
			if p.Swipe.Reversal != 0 {
				l.Note = join(tx("reversal ", "冲正"), reversalWord(p.Swipe.ReversalState))
			}
			return
		}
		l.Witness = firstOf(p.Swipe.Response, p.Swipe.Terminal)
		l.Amount, l.HasAmount = p.Amount, true
		if l.Witness == 0 {
			l.HasAmount = false
		}
	case journey.Capture:
		if p.BatchFact != 0 {
			l.Witness = p.BatchFact
		} else if done && p.Swipe.ApprovedAt != 0 && p.CapturedAt == p.Swipe.ApprovedAt {
			l.Note = tx("with the approval", "授权即请款")
		}
	case journey.Clearing:
		take(p.ClearingLine, p.Amount)
	case journey.Settlement:
		take(p.SettlementLine, p.Amount)
	case journey.Payout:
		if p.Payout == nil {
			break
		}
		for q := p.Payout; q != nil && l.Witness == 0; q = q.Replaces {
			for _, r := range q.Statuses {
				if s := v.At(r).State; s == evidence.Sent || s == evidence.Accepted || s == evidence.Credited {
					l.Witness = r
					break
				}
			}
		}
		if n := len(p.Payout.Statuses); l.Witness == 0 && n > 0 || !done && n > 0 {
			l.Witness = p.Payout.Statuses[n-1]
		}
		if done && p.SettlementLine != 0 {
			l.Amount, l.HasAmount = match.LineNet(v.At(p.SettlementLine)), true
		}
		l.Note = listOf(tx("; ", "；"), l.Note, payoutNote(a, p))
	case journey.Credit:
		l.Witness = p.Entry
		if p.Entry != 0 {
			l.Amount, l.Difference, l.HasAmount = p.Arrived, p.Arrived-p.Net, true
		} else if p.Payout != nil && done {
			for _, r := range p.Payout.Statuses {
				if v.At(r).State == evidence.Credited {
					l.Witness = r
				}
			}
		}
	}
	if done && l.Actual == 0 && l.Witness == 0 && l.Note.EN == "" {
		l.Note = tx("shown by a later step", "由后续步骤证实")
	}
}

func firstOf(refs ...evidence.FactRef) evidence.FactRef {
	for _, r := range refs {
		if r != 0 {
			return r
		}
	}
	return 0
}

// payoutNote names the payout, its whole amount and the latest word on it.
func payoutNote(a *investigation.Answer, p *investigation.Payment) Text {
	q := p.Payout
	name := plain(a.View.Words.Text(q.ID))
	if q.ID == 0 {
		name = dateText(q.Date)
	}
	note := tx("payout "+name+" of "+amount(q.Amount, q.Currency), "出款"+name+"，共"+amount(q.Amount, q.Currency))
	state, r := q.State(a.View)
	switch state {
	case evidence.Rejected:
		note = join(note, tx(", rejected", "，被拒"))
	case evidence.Returned:
		note = join(note, tx(", returned", "，被退回"))
	case evidence.Held:
		note = join(note, tx(", held", "，被暂扣"))
	default:
		return note
	}
	if why := a.View.Text(r, evidence.Reason); why != "" {
		note = join(note, same(" ("+plain(why)+")"))
	}
	return note
}

func reversalWord(s evidence.State) Text {
	switch s {
	case evidence.Acknowledged:
		return tx("acknowledged", "已确认")
	case evidence.Abandoned:
		return tx("given up", "已放弃")
	}
	return tx("queued", "排队中")
}

// codeText gives the answer's code and what it says.
func codeText(p *investigation.Payment) Text {
	if p.Swipe.Code == (evidence.Code{}) {
		return Text{}
	}
	code := p.Swipe.Code.String()
	if info, ok := evidence.LookupCode(p.Swipe.Code); ok {
		return tx("code "+code+": "+info.EN, "应答码"+code+"："+info.ZH)
	}
	return tx("code "+plain(code), "应答码"+plain(code))
}

// sums works out the payment's arithmetic: from the amount to what is missing.
func (t *Trail) sums() {
	p := t.Payment
	if p.HasOrder && p.OrderDifference != 0 {
		t.SumNotes = append(t.SumNotes, tx("The order was for "+amount(p.Amount+p.OrderDifference, p.Currency)+": "+Signed(-p.OrderDifference, p.Currency)+" was charged beside it.",
			"订单金额为"+amount(p.Amount+p.OrderDifference, p.Currency)+"，实收相差"+Signed(-p.OrderDifference, p.Currency)+"。"))
	}
	if p.Status == journey.NotCharged || p.Status == journey.Unknown {
		return
	}
	add := func(what Text, n int64) { t.Sums = append(t.Sums, SumLine{What: what, Amount: n, Signed: true}) }
	total := func(what Text, n int64) { t.Sums = append(t.Sums, SumLine{What: what, Amount: n, Total: true}) }
	t.Sums = append(t.Sums, SumLine{What: tx("approved", "成功金额"), Amount: p.Amount})
	if p.Status == journey.Refunded {
		add(tx("given back", "退还"), -p.Amount)
		total(tx("to arrive", "应到"), 0)
		if p.FeeKept != 0 {
			t.SumNotes = append(t.SumNotes, tx("A fee of "+amount(p.FeeKept, p.Currency)+" was kept all the same.", "手续费"+amount(p.FeeKept, p.Currency)+"未退。"))
		}
		return
	}
	refunded := min(p.Refunded, p.Amount)
	if refunded != 0 {
		add(tx("given back", "退款"), -refunded)
	}
	taken := p.Amount - refunded - p.Net
	agreed := p.HasFee && (!p.TookFee || p.Terms.Stated)
	if taken != 0 || p.HasFee {
		what := tx("fee", "手续费")
		switch {
		case p.TookFee && taken == p.FeeCharged:
			what = tx("fee as charged", "手续费（实收）")
		case agreed:
			what = tx("fee as agreed", "手续费（约定）")
		}
		add(what, -taken)
	}
	total(tx("to arrive", "应到"), p.Net)
	add(tx("arrived", "已到"), -p.Arrived)
	total(tx("missing", "未到"), p.Net-p.Arrived)
	d := &p.Deductions
	for _, x := range []struct {
		what Text
		n    int64
	}{
		{tx("Chargeback", "拒付"), d.Chargeback}, {tx("Reserve", "保证金"), d.Reserve},
		{tx("Adjustment", "调账"), d.Adjustment}, {tx("Fee above the agreed", "超出约定的手续费"), d.ExcessFee},
	} {
		if x.n != 0 {
			t.SumNotes = append(t.SumNotes, join(tx("Of it taken: ", "其中被扣："), x.what, same(" "+amount(x.n, p.Currency)), tx(".", "。")))
		}
	}
	if p.HasFee && p.Fee != taken {
		t.SumNotes = append(t.SumNotes, tx("The agreed fee is "+amount(p.Fee, p.Currency)+".", "约定手续费为"+amount(p.Fee, p.Currency)+"。"))
	}
	if p.TookFee && p.FeeCharged != taken {
		t.SumNotes = append(t.SumNotes, tx("A fee of "+amount(p.FeeCharged, p.Currency)+" was charged.", "实收手续费为"+amount(p.FeeCharged, p.Currency)+"。"))
	}
}

// evidence lists the facts that the answer rests on, in order of time.
func (t *Trail) evidence(a *investigation.Answer) {
	p := t.Payment
	seen := map[evidence.FactRef]bool{} // true: the cause rests on it
	var refs []evidence.FactRef
	add := func(list ...evidence.FactRef) {
		for _, r := range list {
			if _, ok := seen[r]; r != 0 && !ok {
				seen[r] = false
				refs = append(refs, r)
			}
		}
	}
	add(p.Merchant.Facts(p.Payment)...)
	acts := p.Merchant.Acts(p.Payment)
	for i := range acts {
		add(p.Merchant.ActFacts(&acts[i])...)
	}
	for q := p.Payout; q != nil; q = q.Replaces {
		add(q.Statuses...)
		for _, e := range q.Entries {
			add(e.Fact)
		}
	}
	add(p.Entry, p.BatchFact, p.HeldBy, p.AmountMismatch)
	add(p.Verdict.Evidence...)
	for _, r := range p.Verdict.Evidence {
		seen[r] = true
	}
	slices.SortFunc(refs, a.View.CompareTime)
	if n := len(refs) - listedFacts; n > 0 {
		refs, t.Unlisted = refs[:listedFacts], n
	}
	for _, r := range refs {
		f := a.View.At(r)
		what := factWord(f.Type)
		if f.State != evidence.NoState {
			what = join(what, same(" "), saidWord(f.State.String()))
		} else if f.Result != evidence.NoResult {
			what = join(what, same(" "), saidWord(f.Result.String()))
		}
		if f.Code != (evidence.Code{}) {
			what = join(what, same(" "+plain(f.Code.String())))
		}
		t.Evidence = append(t.Evidence, EvidenceLine{
			Name: plain(a.View.Name(r)), What: what, Time: clockWith(f.Time, f.Offset),
			Place: placeOf(a, r), Tells: seen[r],
		})
	}
}

// WitnessOf names a fact by source and id, and the file and line it was read from;
// empty for none.
func WitnessOf(a *investigation.Answer, r evidence.FactRef) (name, place string) {
	if r == 0 {
		return "", ""
	}
	return plain(a.View.Name(r)), placeOf(a, r)
}

// placeOf gives the file and line of a fact; "" where it came without a file.
func placeOf(a *investigation.Answer, r evidence.FactRef) string {
	f := a.View.At(r)
	if name := a.View.FileName(f.File); name != "" {
		return fileLine(name, int(f.Line))
	}
	return ""
}
