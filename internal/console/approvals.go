package console

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"daozhang/internal/access"
	"daozhang/internal/desk"
	"daozhang/internal/fault"
	"daozhang/internal/money"
	"daozhang/internal/report"
)

// approvalsPage is all that waits for a second person.
type approvalsPage struct {
	Queues  []inbox
	Limits  string
	Count   int
	Rows    []approvalRow
	Next    templ.SafeURL
	Nothing string
	Done    string // what was just decided
}

type approvalRow struct {
	Link                 templ.SafeURL
	What, Why, Merchant  string
	Amount, Limit, Maker string
	Made, Expires        report.Moment
	Tone                 report.Tone
	Sign, State, Yours   string
}

// approvalPage is one proposal with what it would do.
type approvalPage struct {
	What, Amount, Reason string
	Tone                 report.Tone
	Sign, State          string
	Done                 string
	Facts                []fact
	Evidence             []fact
	Postings             *postings
	Changes              []change
	Checks               []said
	Acts                 []act
	// CannotWhy is why this person decides nothing here.
	CannotWhy string
}

// proposalTone is how a state of a proposal is shown.
func proposalTone(s desk.ProposalState) (report.Tone, string) {
	switch s {
	case desk.ProposalWaiting:
		return waitingTone, "◔"
	case desk.ProposalApproved:
		return waitingTone, "→"
	case desk.ProposalDone:
		return good, "✓"
	case desk.ProposalFailed, desk.ProposalDeclined:
		return bad, "×"
	}
	return calm, "–"
}

// queues are the parts of the list of proposals.
var queues = []struct {
	name string
	word fault.Text
}{
	{"", fault.Say("All that wait", "全部待复核")},
	{"check", fault.Say("For me to check", "待我复核")},
	{"mine", fault.Say("Made by me", "我提交的")},
	{"over", fault.Say("Decided", "已处理")},
}

// approvals is the queue.
func (c *Console) approvals(v *visit) error {
	q := v.URL.Query()
	f, err := c.approvalFilter(v, q)
	if err != nil {
		return err
	}
	page, err := c.o.Desk.Approvals(v.Context(), v.worker(), f, q.Get("after"), pageSize)
	if err != nil {
		return err
	}
	p := &approvalsPage{Count: page.Count, Done: decided(v), Limits: c.limits(v), Nothing: v.say("Nothing waits for a second person.", "没有待复核的事项。")}
	for _, x := range queues {
		if x.name == "mine" && !v.may(access.Propose) || x.name == "check" && !v.may(access.Decide) {
			continue
		}
		p.Queues = append(p.Queues, inbox{Word: x.word.In(v.lang), Link: approvalsLink(url.Values{"queue": {x.name}}), Now: q.Get("queue") == x.name})
	}
	for i := range page.Approvals {
		p.Rows = append(p.Rows, c.approvalLine(v, &page.Approvals[i]))
	}
	if page.Next != "" {
		p.Next = approvalsLink(with(q, "after", page.Next))
	}
	if v.Header.Get("HX-Request") == "true" && q.Has("after") {
		return v.render(http.StatusOK, approvalRows(v, p))
	}
	return v.render(http.StatusOK, approvalsView(v, p))
}

func approvalsLink(q url.Values) templ.SafeURL {
	u := url.URL{Path: "/approvals", RawQuery: q.Encode()}
	return templ.SafeURL(u.String())
}

func approvalLink(id string) templ.SafeURL { return templ.SafeURL("/approvals/" + url.PathEscape(id)) }

// approvalFilter reads the queue and the merchant of an address.
func (c *Console) approvalFilter(v *visit, q url.Values) (f desk.ApprovalFilter, err error) {
	f.MID = q.Get("merchant")
	switch q.Get("queue") {
	case "":
	case "mine":
		f.Maker = v.actor().Name
	case "check":
		f.NotMaker = v.actor().Name
	case "over":
		f.Over = true
	default:
		return f, badFilter("queue", q.Get("queue"))
	}
	return f, nil
}

// limits says how many people check what amount.
func (c *Console) limits(v *visit) string {
	var parts []string
	policy := &c.o.Desk.Policy
	for _, l := range policy.Limits {
		parts = append(parts, v.say("up to ", "不超过 ")+money.FormatGrouped(l.UpTo, money.Currency{})+": "+checkersWord(v, l.Checkers))
	}
	if len(parts) == 0 {
		return checkersWord(v, max(policy.MostCheckers, 1))
	}
	return strings.Join(parts, v.say("; ", "；")) + v.say("; above: ", "；超过：") + checkersWord(v, max(policy.MostCheckers, 1))
}

func checkersWord(v *visit, n int) string {
	if n == 1 {
		return v.say("one checker", "一人复核")
	}
	return v.say(strconv.Itoa(n)+" checkers", strconv.Itoa(n)+" 人复核")
}

func (c *Console) approvalLine(v *visit, a *desk.Approval) approvalRow {
	r := approvalRow{Link: approvalLink(a.ID), What: a.Motion.Text().In(v.lang), Why: a.Reason, Merchant: cmp.Or(a.Merchant, merchantWord(v, a.MID)), Amount: approvalAmount(a),
		Limit: checkersWord(v, a.Needs), Maker: a.Maker, Made: c.moment(a.Made), Expires: c.moment(a.Expires), State: a.State.Text().In(v.lang)}
	r.Tone, r.Sign = proposalTone(a.State)
	if a.State == desk.ProposalWaiting && a.Needs > 1 {
		r.State += " " + strconv.Itoa(len(a.Checks)) + "/" + strconv.Itoa(a.Needs)
	}
	if a.State == desk.ProposalWaiting && a.Maker == v.actor().Name {
		r.Yours = v.say("made by you: another has to check it", "由您提交，须他人复核")
	}
	return r
}

func approvalAmount(a *desk.Approval) string {
	if a.Amount == 0 {
		return ""
	}
	if a.Motion == desk.MoveAdjust {
		return report.Signed(a.Amount, a.Currency)
	}
	return report.Amount(a.Amount, a.Currency)
}

// approval is one proposal.
func (c *Console) approval(v *visit) error {
	p, err := c.approvalOf(v)
	if err != nil {
		return err
	}
	p.Done = decided(v)
	return v.render(http.StatusOK, approvalView(v, p))
}

// decided says what the reader has just decided; "" for nothing.
func decided(v *visit) string {
	switch v.URL.Query().Get("done") {
	case "approved":
		return v.say("Your agreement is on record.", "您的复核已登记。")
	case "declined":
		return v.say("It is declined; nothing was booked.", "已拒绝，未记账。")
	case "withdrawn":
		return v.say("It is withdrawn; nothing was booked.", "已撤回，未记账。")
	}
	return ""
}

// approvalOf makes the page of the proposal that the address names.
func (c *Console) approvalOf(v *visit) (*approvalPage, error) {
	a, err := c.o.Desk.Approval(v.Context(), v.worker(), v.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p := &approvalPage{What: a.Motion.Text().In(v.lang), Amount: approvalAmount(a), Reason: a.Reason, State: a.State.Text().In(v.lang)}
	p.Tone, p.Sign = proposalTone(a.State)
	p.Facts = c.approvalFacts(v, a)
	for _, l := range a.Links {
		p.Evidence = append(p.Evidence, c.linkOf(v, l))
	}
	p.Postings = postingsOf(v, a)
	for _, ch := range a.Changes {
		p.Changes = append(p.Changes, change{fieldWord(v, ch.Field), ch.Before, ch.After})
	}
	p.Checks = c.checksOf(v, a)
	c.decide(v, p, a)
	return p, nil
}

func (c *Console) approvalFacts(v *visit, a *desk.Approval) []fact {
	list := []fact{
		{Name: v.say("Merchant", "商户"), Text: cmp.Or(a.Merchant, merchantWord(v, a.MID))},
		{Name: v.say("Maker", "经办"), Text: a.Maker},
		{Name: v.say("Made", "提交时间"), Moment: c.moment(a.Made)},
		{Name: v.say("Expires", "到期"), Moment: c.moment(a.Expires)},
		{Name: v.say("Limit", "额度级别"), Text: checkersWord(v, a.Needs)},
	}
	if a.Case != (desk.Key{}) {
		list = append(list, fact{Name: v.say("Case", "案件"), Text: c.caseName(v, a.Case), Link: caseLink(a.Case)})
	}
	if a.Document != "" {
		list = append(list, fact{Name: v.say("Document", "文书"), Text: a.Document})
	}
	return list
}

// linkOf leads from what a proposal rests on to it: an item has a page, a fact is
// named by its source and id.
func (c *Console) linkOf(v *visit, s string) fact {
	if k, err := desk.ParseKey(s); err == nil {
		return fact{Text: c.caseName(v, k), Link: caseLink(k)}
	}
	return fact{Text: s, Link: factLink(s)}
}

// checksOf tells who agreed, and how it ended.
func (c *Console) checksOf(v *visit, a *desk.Approval) (list []said) {
	for _, x := range a.Checks {
		list = append(list, said{At: c.moment(x.At), Who: x.By, What: v.say("agreed", "同意"), Tone: good})
	}
	if a.State.Over() && !a.Ended.IsZero() {
		tone, _ := proposalTone(a.State)
		list = append(list, said{At: c.moment(a.Ended), Who: a.By, What: a.State.Text().In(v.lang), Text: a.Why, Tone: tone})
	}
	slices.Reverse(list)
	return list
}

// decide offers what this person may do about a proposal, or says why it is nothing.
func (c *Console) decide(v *visit, p *approvalPage, a *desk.Approval) {
	me := v.actor().Name
	switch {
	case a.State.Over():
		return
	case !v.may(access.Decide):
		p.CannotWhy = v.say("You may read this; staff of the institution decide it.", "您可查看；由机构人员复核。")
		return
	case a.State == desk.ProposalApproved:
		p.CannotWhy = v.say("It is approved and being carried out.", "已批准，正在执行。")
		return
	case a.Maker == me:
		p.CannotWhy = v.say("You made this: the maker cannot be the checker. Have a colleague check it, or withdraw it.", "此项由您提交：经办人不能复核自己的提交。请由另一位同事复核，或撤回。")
		p.Acts = append(p.Acts, c.decisionAct(v, a, "withdraw", v.say("Withdraw", "撤回")))
		return
	case slices.ContainsFunc(a.Checks, func(x desk.Check) bool { return x.By == me }):
		p.CannotWhy = v.say("You have agreed already; another colleague has to, too.", "您已同意，还须另一位同事复核。")
		return
	}
	if a.Obstacle != nil {
		p.CannotWhy = v.say("It cannot be carried out as things are. ", "目前无法执行。") + v.told(a.Obstacle)
	} else {
		yes := act{Name: "approve", Action: approvalLink(a.ID) + "/approve", Word: v.say("Approve", "同意"), Button: v.say("Approve", "同意"), Open: true, First: true,
			Help: v.say("Read the postings and the reason first. What you approve is carried out at once when the last checker agrees.", "请先核对分录和理由。最后一位复核人同意后立即执行。")}
		p.Acts = append(p.Acts, yes)
	}
	p.Acts = append(p.Acts, c.decisionAct(v, a, "decline", v.say("Decline", "拒绝")))
}

// decisionAct ends a proposal, with a reason.
func (c *Console) decisionAct(v *visit, a *desk.Approval, name, word string) act {
	return act{Name: name, Action: approvalLink(a.ID) + templ.SafeURL("/"+name), Word: word, Button: word, Open: name == "withdraw",
		Fields: []field{{Name: "reason", Word: v.say("Reason, required", "理由（必填）"), Kind: "area", Required: true}}}
}

// approve is a checker's agreement.
func (c *Console) approve(v *visit) error {
	return c.decision(v, "approve", "approved", func() error {
		_, err := c.o.Desk.Approve(v.Context(), v.worker(), v.PathValue("id"))
		return err
	})
}

// decline ends a proposal: a checker's word, or its maker's.
func (c *Console) decline(name, done string) func(*visit) error {
	return func(v *visit) error {
		return c.decision(v, name, done, func() error {
			_, err := c.o.Desk.Decline(v.Context(), v.worker(), v.PathValue("id"), strings.TrimSpace(v.PostFormValue("reason")))
			return err
		})
	}
}

// decision takes what somebody decides about a proposal; what is refused is said on
// the proposal's page.
func (c *Console) decision(v *visit, name, done string, decide func() error) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, mostForm)
	if err := v.ParseForm(); err != nil {
		return badEntry(fault.Say("the form is too long", "表单过长"), fault.Text{})
	}
	id := v.PathValue("id")
	err := decide()
	if err == nil {
		// A merchant's proposal that was decided stands in the merchant's history alone.
		if _, err := c.o.Desk.Approval(v.Context(), v.worker(), id); fault.KindOf(err) == fault.NotFound && err != nil {
			return v.done("/approvals", done)
		}
		return v.done(approvalLink(id), done)
	}
	status, ok := refused(err)
	if !ok {
		return err
	}
	p, err2 := c.approvalOf(v)
	if err2 != nil {
		return err2
	}
	if x := actNamed(p.Acts, name); x != nil {
		x.refuse(v.PostFormValue, v.told(err))
	} else {
		p.CannotWhy = v.told(err)
	}
	return v.render(status, approvalView(v, p))
}
