package report

import (
	"bufio"
	"io"
	"strings"

	"daozhang/internal/card"
	"daozhang/internal/diagnosis"
	"daozhang/internal/investigation"
)

func accountTail(name string) string { return plain(card.AccountTail(name)) }

// Card writes the answer card of one payment: where its money is, why, who acts
// and when it arrives, each marked proved or inferred; then the legs of its
// way, the arithmetic, other explanations, advice and the evidence; last a few
// lines to pass on.
func Card(w io.Writer, a *investigation.Answer, p *investigation.Payment, o Options) error {
	width := usual
	if o.Width > 0 {
		width = min(max(o.Width, narrowest), widest)
	}
	n := &pen{w: bufio.NewWriter(w), lang: o.Lang, color: o.Color, width: width}
	t := TrailOf(a, p)
	n.say(join(same(amount(p.Amount, p.Currency)+" · "), kindWord(p.Kind), same(" · "+clockWith(p.Time, zone(p, p.Time))+" · "), statusWord(p.Status)), strong)
	n.say(listOf(same(" · "), t.Keys...), dim)
	n.say(cardSecond(p), dim)
	n.line("")
	n.sentences(t)
	n.block(legsBlock(a, t))
	n.sums(t)
	n.others(t)
	n.advice(t)
	n.block(evidenceBlock(t))
	n.line("")
	n.say(tx("To pass on:", "可转发："), strong)
	n.line(strings.TrimRight(CopyText(a, p, o.Lang), "\n"))
	return n.w.Flush()
}

// cardSecond says what the cardholder sees and on what terms the promise rests.
func cardSecond(p *investigation.Payment) Text {
	t := join(tx("cardholder: ", "持卡人："), CardholderWord(p.Cardholder), tx(" · business date ", " · 交易日 "), same(dateText(p.BusinessDate)))
	how := tx("terms agreed", "约定条款")
	if !p.Terms.Stated {
		how = tx("terms assumed", "假设条款")
	}
	return join(t, same(" · "), how, tx(": ", "："), describeTerms(p.Terms, p.Currency))
}

// sentences writes the four statements, their names hanging at the left.
func (n *pen) sentences(t *Trail) {
	list := []struct {
		name Text
		s    Sentence
		tone Tone
	}{
		{tx("Where", "在哪"), t.Where, ToneOf(t.Payment.Status)}, {tx("Why", "为何"), t.Why, calm},
		{tx("Who acts", "谁办"), t.Who, calm}, {tx("When", "何时"), t.When, calm},
	}
	for i, x := range list {
		text := x.s.Text.In(n.lang)
		if i == 3 && t.Missed.EN != "" {
			text = tx("Missed: ", "已错过：").In(n.lang) + t.Missed.In(n.lang) + tx(". ", "。").In(n.lang) + text
		}
		text += " [" + x.s.Proof().In(n.lang) + "]"
		n.hanging(x.name.In(n.lang), text, x.tone.sequence(), 10)
	}
}

// hanging writes a text beside its name.
func (n *pen) hanging(name, s, sequence string, indent int) {
	for i, l := range wrap(plain(s), n.width-indent) {
		before := strings.Repeat(" ", indent)
		if i == 0 {
			gap := max(indent-columns(name), 1)
			before = n.paint(name, strong) + strings.Repeat(" ", gap)
		}
		n.line(before + n.paint(l, sequence))
	}
}

func legsBlock(a *investigation.Answer, t *Trail) block {
	b := block{
		Title: tx("The way", "资金路径"),
		Head:  []Text{tx("Step", "环节"), tx("State", "状态"), tx("Promised", "约定"), tx("Actual", "实际"), tx("Amount", "金额"), tx("Witness", "凭据")},
		Right: []bool{false, false, false, false, true, false},
		Wide:  []bool{false, false, false, false, false, true},
	}
	for _, l := range t.Legs {
		sum := Text{}
		if l.HasAmount {
			sum = same(amount(l.Amount, t.Payment.Currency))
			if l.Difference != 0 {
				sum = listOf(same("\n"), sum, same("("+Signed(l.Difference, t.Payment.Currency)+")"))
			}
		}
		b.Rows = append(b.Rows, []Text{
			legWord(l.Leg), l.State.Word(), same(localBrief(t.Payment, l.Promised)), same(localBrief(t.Payment, l.Actual)), sum,
			listOf(same("\n"), same(witnessText(a, l)), l.Note),
		})
		b.Tones = append(b.Tones, l.State.Tone())
	}
	return b
}

// witnessText names a step's fact and where it was read.
func witnessText(a *investigation.Answer, l LegLine) string {
	if l.Witness == 0 {
		return ""
	}
	s := plain(a.View.Name(l.Witness))
	if at := placeOf(a, l.Witness); at != "" {
		s += " (" + at + ")"
	}
	return s
}

// sums writes the payment's arithmetic.
func (n *pen) sums(t *Trail) {
	if len(t.Sums) == 0 && len(t.SumNotes) == 0 {
		return
	}
	n.line("")
	n.say(tx("The sum", "金额计算"), strong)
	name, figure := 0, 0
	text := func(s SumLine) string {
		if s.Signed {
			return Signed(s.Amount, t.Payment.Currency)
		}
		return amount(s.Amount, t.Payment.Currency)
	}
	for _, s := range t.Sums {
		name = max(name, columns(s.What.In(n.lang)))
		figure = max(figure, columns(text(s)))
	}
	for _, s := range t.Sums {
		sign := "  "
		if s.Total {
			sign = "= "
		}
		what, f := s.What.In(n.lang), text(s)
		line := sign + what + strings.Repeat(" ", name-columns(what)+gap+figure-columns(f)) + f
		if s.Total {
			line = n.paint(line, strong)
		}
		n.line(line)
	}
	for _, r := range t.Payment.Refunds {
		n.say(tx("Refund of "+amount(r.Amount, t.Payment.Currency)+" on "+local(t.Payment, r.Time)+".", "退款 "+amount(r.Amount, t.Payment.Currency)+"，"+local(t.Payment, r.Time)+"。"), dim)
	}
	for _, note := range t.SumNotes {
		n.say(note, dim)
	}
}

// others writes what else may be the cause, and what would tell.
func (n *pen) others(t *Trail) {
	if t.Check.EN == "" && len(t.Others) == 0 {
		return
	}
	n.line("")
	n.say(tx("To make sure", "如何核实"), strong)
	if t.Check.EN != "" {
		n.hanging("·", t.Check.In(n.lang), "", 2)
	}
	for _, o := range t.Others {
		n.hanging("·", join(tx("Or else: ", "也可能："), o.Title, same(" ("+percent(o.Confidence)+")"), tx(". ", "。"), o.Check).In(n.lang), "", 2)
	}
}

// advice writes what each reader should do.
func (n *pen) advice(t *Trail) {
	if !t.HasAdvice {
		return
	}
	n.line("")
	n.say(tx("What to do", "建议"), strong)
	for _, r := range rolesOf(t.Advice) {
		n.hanging(r.Name.In(n.lang), r.Text.In(n.lang), "", 13)
	}
}

// role is the advice for one reader.
type role struct{ Name, Text Text }

func rolesOf(a diagnosis.Advice) []role {
	return []role{
		{tx("Merchant", "商户"), a.Merchant}, {tx("Cardholder", "持卡人"), a.Cardholder}, {tx("Institution", "收单机构"), a.Institution},
	}
}

func evidenceBlock(t *Trail) block {
	b := block{
		Title: tx("Evidence (* tells the cause)", "凭据（*说明原因）"),
		Head:  []Text{tx("Time", "时间"), tx("What", "类型"), tx("Name", "名称"), tx("Read from", "出处")},
		Right: make([]bool, 4), Wide: []bool{false, true, true, true},
	}
	for _, e := range t.Evidence {
		mark := same("")
		if e.Tells {
			mark = same("* ")
		}
		at := e.Time
		if len(at) > 19 {
			at = at[:19]
		}
		b.Rows = append(b.Rows, []Text{same(at), join(mark, e.What), same(e.Name), same(e.Place)})
	}
	if t.Unlisted > 0 {
		b.After = append(b.After, tx("and "+grouped(t.Unlisted)+" more.", "另有"+grouped(t.Unlisted)+"条。"))
	}
	return b
}

// CopyText gives the answer for one payment in a few lines of plain text, to be
// sent in a chat or read out on a call.
func CopyText(a *investigation.Answer, p *investigation.Payment, lang string) string {
	t := TrailOf(a, p)
	k := &p.Keys
	words := a.View.Words
	first := join(
		tx("Payment of ", "交易 "), same(amount(p.Amount, p.Currency)), tx(" on ", "，"), same(local(p, p.Time)),
		tx(" (", "（"), t.KeyName, same(" "+t.Key))
	if k.TID != 0 {
		first = join(first, tx(", terminal ", "，终端 "), same(plain(words.Text(k.TID))))
	}
	if k.PAN != 0 {
		first = join(first, tx(", card ", "，卡号 "), same(plain(words.Text(k.PAN))))
	}
	first = join(first, tx("): ", "）："), statusWord(p.Status), tx(".", "。"))
	lines := []string{first.In(lang)}
	for _, s := range []Sentence{t.Where, t.Why, t.Who, t.When} {
		l := s.Text
		if !s.Proved && s.Confidence > 0 && s.Confidence < ownEvidence && s.Text == t.Why.Text {
			l = join(tx("Most likely: ", "很可能："), l)
		}
		lines = append(lines, l.In(lang))
	}
	lines = append(lines, join(tx("As of ", "数据截至 "), same(clockWith(a.AsOf, a.Offset)), tx(".", "。")).In(lang))
	return strings.Join(lines, "\n") + "\n"
}
