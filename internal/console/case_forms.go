package console

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"daozhang/internal/access"
	"daozhang/internal/desk"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
	"daozhang/internal/report"
)

// money moves by these: they make a proposal that another person has to check.
var moneyActs = []desk.Act{desk.WriteOff, desk.Adjust, desk.Hold, desk.Resend, desk.LetGo}

// actAction is the right that an act needs.
func actAction(a desk.Act) access.Action {
	if slices.Contains(moneyActs, a) {
		return access.Propose
	}
	return access.WorkOnExceptions
}

// mostForm bounds a form without files in bytes.
const mostForm = 64 << 10

// forms makes the acts of a case for one reader.
type forms struct {
	c       *Console
	v       *visit
	i       *desk.Item
	version string
}

// groups are the acts that the desk offers this reader now, by purpose.
func (f *forms) groups(offered []desk.Act) []actGroup {
	all := []actGroup{
		{Word: f.v.say("Work", "处理")},
		{Word: f.v.say("Match and close", "匹配与结案")},
		{Word: f.v.say("Money: a second person checks", "动用资金（须复核）")},
	}
	for _, a := range offered {
		switch {
		case a == desk.Pair: // stands with the candidates
		case slices.Contains(moneyActs, a):
			all[2].Acts = append(all[2].Acts, f.form(a))
		case a == desk.Unpair || a == desk.Split || a == desk.Resolve || a == desk.Reopen || a == desk.Declare:
			all[1].Acts = append(all[1].Acts, f.form(a))
		default:
			all[0].Acts = append(all[0].Acts, f.form(a))
		}
	}
	return slices.DeleteFunc(all, func(g actGroup) bool { return len(g.Acts) == 0 })
}

// form is one act with its fields.
func (f *forms) form(a desk.Act) act {
	v := f.v
	word := capital(a.Text().In(v.lang))
	out := act{Name: string(a), Action: caseLink(f.i.Key) + templ.SafeURL("/"+string(a)), Version: f.version, Word: word, Button: word, Second: slices.Contains(moneyActs, a)}
	reason := field{Name: "text", Word: v.say("Reason, required", "理由（必填）"), Kind: "area", Required: true}
	text := func(word string) field { return field{Name: "text", Word: word, Kind: "area", Required: true} }
	switch a {
	case desk.Assign:
		out.Open = f.i.Owner() == ""
		out.First = out.Open
		out.Fields = []field{{Name: "to", Word: v.say("To whom; empty gives it back to all", "负责人；留空则退回未分配"), Kind: "text", Value: v.actor().Name}}
	case desk.Comment:
		out.Fields = []field{text(v.say("Comment", "备注"))}
	case desk.Snooze:
		out.Fields = []field{{Name: "until", Word: v.say("Until", "直到"), Kind: "date", Required: true}, reason}
	case desk.SetDue:
		out.Fields = []field{{Name: "until", Word: v.say("Due on", "期限"), Kind: "date", Required: true}}
	case desk.Escalate:
		out.Fields = []field{{Name: "to", Word: v.say("To whom", "升级给"), Kind: "text", Required: true}, reason}
	case desk.Ask:
		out.Fields = []field{{Name: "to", Word: v.say("Whom", "询问谁"), Kind: "choice", Choices: f.counterparties()}, text(v.say("Question", "问题"))}
	case desk.Answer:
		out.Open, out.First = true, true
		out.Fields = []field{text(v.say("Answer", "答复"))}
	case desk.Declare:
		out.Fields = []field{{Name: "what", Word: v.say("What it is", "案件类型"), Kind: "choice", Choices: []choice{{"complaint", v.say("complaint", "投诉")},
			{"refund_request", v.say("request for a refund", "退款申请")}, {"chargeback", v.say("chargeback", "拒付")}}}, reason}
	case desk.Unpair:
		out.Fields = []field{{Name: "match", Word: v.say("Which match", "哪项匹配"), Kind: "choice", Choices: f.matches()}, reason}
	case desk.Split:
		out.Help = v.say("A line each: amount, then what it is. They add up to what is left.", "每行一项：金额，然后说明；合计须等于剩余金额。")
		out.Fields = []field{{Name: "parts", Word: v.say("Parts", "各部分"), Kind: "area", Required: true}}
	case desk.Resolve:
		out.Fields = []field{{Name: "outcome", Word: v.say("How", "结果"), Kind: "choice", Choices: f.outcomes()}, f.part(), reason}
	case desk.Reopen:
		out.Fields = []field{reason}
	default:
		out.Fields = f.moneyFields(a, reason)
		out.Button = v.say("Propose", "提交复核")
	}
	out.Fields = slices.DeleteFunc(out.Fields, func(x field) bool { return x.Name == "" })
	return out
}

func (f *forms) moneyFields(a desk.Act, reason field) []field {
	v := f.v
	amount := field{Name: "amount", Word: v.say("Amount", "金额"), Kind: "text", Required: true, Value: f.left()}
	switch a {
	case desk.WriteOff:
		whose := ""
		if keep, _ := desk.Writable(f.i); keep {
			whose = "1"
		}
		return []field{amount, {Name: "keep", Word: v.say("Whose", "归属"), Kind: "choice", Value: whose, Choices: []choice{{"", v.say("we bear it: a loss", "我方承担（损失）")}, {"1", v.say("ours to keep: a gain", "归我方（收益）")}}}, f.part(), reason}
	case desk.Adjust:
		return []field{amount,
			{Name: "take", Word: v.say("Direction", "方向"), Kind: "choice", Choices: []choice{{"", v.say("give to the merchant", "补付商户")}, {"1", v.say("take from the merchant", "向商户扣回")}}},
			{Name: "against", Word: v.say("Against", "对方科目"), Kind: "choice", Choices: []choice{{"", accountWords[ledger.FeeIncome].In(v.lang)}, {ledger.NetworkReceivable.String(), accountWords[ledger.NetworkReceivable].In(v.lang)}}},
			f.part(), reason}
	case desk.Hold:
		return []field{amount, {Name: "document", Word: v.say("Number of the paper behind it", "文书编号"), Kind: "text"}, reason}
	case desk.Resend:
		return []field{{Name: "amount", Word: v.say("In payouts of at most (empty: no limit)", "每笔最多（留空不限）"), Kind: "text"}, reason}
	}
	return []field{reason}
}

// left is the amount that is still to be settled, as it is typed.
func (f *forms) left() string {
	n := f.i.Amount
	if f.i.Case != nil {
		n = f.i.Case.Left(n)
	}
	if n == 0 || f.i.Currency == (money.Currency{}) {
		return ""
	}
	return money.Format(n, f.i.Currency)
}

// part chooses a share of a split case; no field where there is none.
func (f *forms) part() field {
	if f.i.Case == nil || len(f.i.Case.Parts) == 0 {
		return field{}
	}
	out := field{Name: "part", Word: f.v.say("Which part", "哪一部分"), Kind: "choice", Choices: []choice{{"", f.v.say("all that is left", "全部剩余")}}}
	for _, p := range f.i.Case.Parts {
		if p.Outcome == "" {
			out.Choices = append(out.Choices, choice{strconv.Itoa(p.Number), report.Amount(p.Amount, f.i.Currency) + " " + p.Note})
		}
	}
	return out
}

// counterparties are who can be asked: who has to act first.
func (f *forms) counterparties() (list []choice) {
	for _, p := range slices.Compact([]string{f.i.Party, "merchant", "network", "bank", "issuer"}) {
		if p != "" && p != "platform" && p != "none" && !slices.ContainsFunc(list, func(c choice) bool { return c.Value == p }) {
			list = append(list, choice{p, f.c.partyName(f.v, p)})
		}
	}
	return list
}

func (f *forms) matches() []choice {
	list := []choice{{"", f.v.say("all of them", "全部")}}
	if f.i.Case == nil {
		return list
	}
	for _, m := range f.i.Case.Matches {
		var with []string
		for _, x := range m.With {
			with = append(with, x.Text)
		}
		list = append(list, choice{strconv.Itoa(m.Number), strings.Join(with, ", ")})
	}
	return list
}

func (f *forms) outcomes() (list []choice) {
	for _, o := range desk.Outcomes {
		list = append(list, choice{string(o), o.Text().In(f.v.lang)})
	}
	return list
}

func capital(s string) string {
	if s == "" || s[0] < 'a' || s[0] > 'z' {
		return s
	}
	return string(s[0]-'a'+'A') + s[1:]
}

// commandOf reads a form. The error is of kind fault.Invalid and says which entry is
// wrong.
func (c *Console) commandOf(v *visit, a desk.Act, i *desk.Item) (cmd desk.Command, err error) {
	get := func(name string) string { return strings.TrimSpace(v.PostFormValue(name)) }
	cmd = desk.Command{Do: a, Version: desk.AnyVersion, To: get("to"), Text: get("text"), Outcome: desk.Outcome(get("outcome")), What: get("what"), Keep: get("keep") != "", Document: get("document")}
	if s := get("version"); s != "" {
		if cmd.Version, err = strconv.ParseInt(s, 10, 64); err != nil {
			return cmd, badEntry(fault.Say("the page is out of date", "页面已过期"), fault.Say("open the case again", "请重新打开案件"))
		}
	}
	for _, n := range []struct {
		name string
		to   *int
	}{{"match", &cmd.Match}, {"part", &cmd.Part}} {
		if s := get(n.name); s != "" {
			if *n.to, err = strconv.Atoi(s); err != nil {
				return cmd, badEntry(fault.Say("choose from the list", "请从列表中选择"), fault.Text{})
			}
		}
	}
	if s := get("until"); s != "" {
		if cmd.Until, err = c.dateOf(s); err != nil {
			return cmd, badEntry(fault.Say("that is no date", "日期无效"), fault.Say("write it as 2026-03-09", "请按 2026-03-09 填写"))
		}
	}
	if s := get("amount"); s != "" {
		if cmd.Amount, err = amountOf(s, i.Currency); err != nil {
			return cmd, err
		}
	}
	if get("take") != "" {
		cmd.Amount = -cmd.Amount
	}
	if s := get("against"); s != "" {
		if cmd.Against, err = ledger.ParseName(s); err != nil {
			return cmd, badEntry(fault.Say("choose from the list", "请从列表中选择"), fault.Text{})
		}
	}
	if s := get("parts"); s != "" {
		if cmd.Parts, err = partsOf(s, i.Currency); err != nil {
			return cmd, err
		}
	}
	cmd.With = slices.DeleteFunc(slices.Clone(v.PostForm["candidate"]), func(s string) bool { return s == "" })
	if a == desk.Pair {
		cmd.Text = get("reason")
	}
	return cmd, nil
}

func badEntry(why, hint fault.Text) error {
	return fault.New(fault.Invalid, fault.Say("read form", "读取表单"), "", why, hint)
}

// amountOf reads an amount as people type it, more than 0.
func amountOf(s string, currency money.Currency) (int64, error) {
	s = strings.NewReplacer("¥", "", "￥", "", "元", "", ",", "", " ", "").Replace(s)
	n, err := money.ParseDecimal(s, currency.Exponent(), money.Point)
	if err != nil || n <= 0 {
		return 0, badEntry(fault.Say("that is no amount", "金额无效"), fault.Say("write it as 128.00", "请按 128.00 填写"))
	}
	return n, nil
}

// partsOf reads a line each: an amount, and what it is.
func partsOf(s string, currency money.Currency) (list []desk.Part, err error) {
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		amount, note, _ := strings.Cut(line, " ")
		n, err := amountOf(amount, currency)
		if err != nil {
			return nil, err
		}
		list = append(list, desk.Part{Number: len(list) + 1, Amount: n, Note: strings.TrimSpace(note)})
	}
	return list, nil
}

// refused tells an error that the person can mend from one that is ours, and with
// what status the page says so.
func refused(err error) (status int, ok bool) {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Usage, fault.Rejected:
		return http.StatusBadRequest, true
	case fault.NotAllowed:
		return http.StatusForbidden, true
	case fault.Conflict:
		return http.StatusConflict, true
	}
	return 0, false
}
