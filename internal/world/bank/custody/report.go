package custody

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"daozhang/internal/fault"
)

// status is what a report says of a payout.
type status struct {
	order string
	code  string
	*Payment
	at time.Time
}

// codes are the states of payouts in the words of ISO 20022
// (ExternalPaymentTransactionStatus1Code).
var codes = map[State]string{
	Received: "ACTC", Pending: "PDNG", Accepted: "ACSP", Debited: "ACSC", Credited: "ACCC", Rejected: "RJCT", Returned: "RJCT", Lost: "RJCT",
}

func statusOf(p *Payment) status {
	c := *p
	return status{order: p.Order, code: codes[p.State], Payment: &c, at: p.At}
}

// tell puts a payout's new state into the reports of the step, unless the bank
// keeps silent about it.
func (t *turn) tell(p *Payment) {
	old := t.b.book.payments[p.EndToEnd]
	if old != nil && old.State == p.State {
		return
	}
	switch {
	case p.Plan.Tell == TellNothing,
		p.Plan.Tell == TellAcceptance && (p.State == Credited || p.State == Returned),
		p.State == Returned && p.Credits > 0: // its final word was said; the entry alone tells
		return
	}
	s := statusOf(p)
	if p.State == Debited {
		s.Reason, s.Info = "", "" // it will come back; the bank does not know yet
	}
	t.told = append(t.told, s)
}

// owe owes a file: due now, named by its day and number.
func (t *turn) owe(dir, kind, content string) {
	name := fmt.Sprintf("%s%s-%06d.%s.xml", dir, compact(t.s.day(t.at)), t.number(), kind)
	t.step.Documents = append(t.step.Documents, Document{Name: name, Due: t.at, Content: content})
}

// number is that of the next document.
func (t *turn) number() int { return t.b.book.owed + len(t.step.Documents) + 1 }

// header begins a message of the bank; its number is that of the next document.
func (t *turn) header(kind string, more ...node) node {
	id := fmt.Sprintf("%s-%s-%06d", kind, compact(t.s.day(t.at)), t.number())
	return el("GrpHdr", append([]node{leaf("MsgId", id), leaf("CreDtTm", moment(t.at, t.s.zone))}, more...)...)
}

func (t *turn) agent() node {
	return el("DbtrAgt", el("FinInstnId", leaf("BICFI", t.s.BIC), leaf("Nm", t.s.Name)))
}

// report writes a status report (pain.002) for each order of which the step has
// something to tell.
func (t *turn) report() {
	var orders []string
	of := map[string][]status{}
	for _, s := range t.told {
		if of[s.order] == nil {
			orders = append(orders, s.order)
		}
		of[s.order] = append(of[s.order], s)
	}
	for _, order := range orders {
		group := []node{leaf("OrgnlMsgId", order), leaf("OrgnlMsgNmId", "pain.001.001.09")}
		if t.whole[order] {
			group = append(group, leaf("GrpSts", groupStatus(of[order])))
		}
		t.reportOf(el("OrgnlGrpInfAndSts", group...), of[order])
	}
}

// groupStatus is the status of an order as a whole, all of whose payments are
// listed.
func groupStatus(of []status) string {
	rejected := 0
	for _, s := range of {
		if s.code == "RJCT" {
			rejected++
		}
	}
	switch rejected {
	case 0:
		return "ACTC"
	case len(of):
		return "RJCT"
	}
	return "PART"
}

func (t *turn) reportOf(group node, of []status) {
	var batches []node
	for len(of) > 0 {
		batch := of[0].Batch
		n := slices.IndexFunc(of, func(s status) bool { return s.Batch != batch })
		if n < 0 {
			n = len(of)
		}
		kids := []node{{name: "OrgnlPmtInfId", text: or(batch, "NOTPROVIDED")}}
		for i := range of[:n] {
			kids = append(kids, of[i].node(t.s))
		}
		batches = append(batches, el("OrgnlPmtInfAndSts", kids...))
		of = of[n:]
	}
	t.owe(repliesDir, "pain.002", document("pain.002.001.10", el("CstmrPmtStsRpt", append([]node{t.header("STS", t.agent()), group}, batches...)...)))
}

// node is a payment's part of a report.
func (s *status) node(scenario *Scenario) node {
	reason := node{}
	if s.Reason != "" {
		reason = el("StsRsnInf", el("Rsn", leaf("Cd", s.Reason)), leaf("AddtlInf", s.Info))
	}
	accepted := node{}
	if s.code != "RJCT" {
		accepted = leaf("AccptncDtTm", moment(s.at, scenario.zone))
	}
	amount := node{}
	if s.Amount > 0 && s.Currency != "" {
		amount = el("Amt", amountOf("InstdAmt", s.Amount, s.Currency))
	}
	mid := node{}
	if s.MID != "" {
		mid = el("Id", el("OrgId", el("Othr", leaf("Id", s.MID), el("SchmeNm", leaf("Prtry", "MID")))))
	}
	return el("TxInfAndSts", leaf("OrgnlInstrId", s.ID), leaf("OrgnlEndToEndId", or(s.EndToEnd, "NOTPROVIDED")), leaf("OrgnlUETR", s.UETR),
		leaf("TxSts", s.code), reason, accepted,
		el("OrgnlTxRef", amount, el("Cdtr", el("Pty", leaf("Nm", s.Name), mid)), accountNode("CdtrAcct", s.Account)))
}

// refuse writes a report that refuses a file as a whole.
func (t *turn) refuse(order string, r *refusal) {
	group := el("OrgnlGrpInfAndSts", leaf("OrgnlMsgId", or(order, "NOTPROVIDED")), leaf("OrgnlMsgNmId", "pain.001.001.09"), leaf("GrpSts", "RJCT"),
		el("StsRsnInf", el("Rsn", leaf("Cd", r.code)), leaf("AddtlInf", fit(r.why, 105))))
	t.reportOf(group, nil)
}

// fit gives a text for a message, cut to the length of its element.
func fit(text fault.Text, most int) string { return clean(text.EN, most) }

// answer answers an inquiry: a status for each payment that it names, or for all
// of the order that it names. What the bank never had is RJCT with NOOR: it says
// that there is no such order now, not that none will come.
func (t *turn) answer(q *inquiryXML) {
	var of []status
	ask := func(order, id, endToEnd, uetr string) {
		p := t.b.book.payments[endToEnd]
		if p == nil || p.State == Lost {
			p = &Payment{Order: order, EndToEnd: endToEnd, ID: id, UETR: uetr, State: Lost, Reason: "NOOR", Info: reasons["NOOR"], At: t.at}
		}
		s := statusOf(p)
		s.order = or(order, p.Order)
		if p.State == Debited {
			s.Reason, s.Info = "", ""
		}
		of = append(of, s)
	}
	group := strings.TrimSpace(q.Group.Order)
	for _, x := range q.Payments {
		ask(or(strings.TrimSpace(x.Order), group), clean(x.ID, maxID), clean(or(x.EndToEnd, x.ID), maxID), clean(x.UETR, 36))
	}
	if len(q.Payments) == 0 {
		for _, id := range t.b.book.order {
			if p := t.b.book.payments[id]; p.Order == group && group != "" {
				ask(group, p.ID, id, p.UETR)
			}
		}
	}
	if len(of) == 0 {
		t.refuse(group, &refusal{"NOOR", fault.Say("no original order of this identification was received", "未收到该标识的原指令")})
		return
	}
	for len(of) > 0 {
		order := of[0].order
		n := slices.IndexFunc(of, func(s status) bool { return s.order != order })
		if n < 0 {
			n = len(of)
		}
		t.reportOf(el("OrgnlGrpInfAndSts", leaf("OrgnlMsgId", or(order, "NOTPROVIDED")), leaf("OrgnlMsgNmId", "pain.001.001.09")), of[:n])
		of = of[n:]
	}
}

// notify writes a notification (camt.054) for each customer on whose account the
// step has booked something that the bank tells of.
func (t *turn) notify() {
	for _, number := range t.customers() {
		a := t.account(number)
		var entries []node
		for i := range t.step.Movements {
			m := &t.step.Movements[i]
			if m.on(number) == 0 || !t.tells(m) {
				continue
			}
			entries = append(entries, m.entry(number, m.Value))
		}
		if len(entries) == 0 {
			continue
		}
		head := t.header("NTF")
		n := append([]node{leaf("Id", head.kids[0].text), leaf("CreDtTm", moment(t.at, t.s.zone)), t.s.accountOf(&a.Account)}, entries...)
		t.owe(repliesDir, "camt.054", document("camt.054.001.08", el("BkToCstmrDbtCdtNtfctn", head, el("Ntfctn", n...))))
	}
}

// customers are those on whose accounts the step books, in order.
func (t *turn) customers() []string {
	found := map[string]bool{}
	for i := range t.step.Movements {
		for _, number := range []string{t.step.Movements[i].From, t.step.Movements[i].To} {
			if a := t.account(number); a != nil && a.Customer {
				found[number] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// tells reports whether the bank notifies its customer of a movement.
func (t *turn) tells(m *Movement) bool {
	p := t.payment(m.EndToEnd)
	if p == nil || m.Kind == "funding" {
		return true
	}
	return p.Plan.Tell == TellAll || p.Plan.Tell == TellAcceptance && m.Kind == "payout"
}

// announce owes the notices of outages whose time has come, and the policy that
// the limits are.
func (t *turn) announce() {
	t.announceLimits()
	for i := range t.s.Outages {
		o := &t.s.Outages[i]
		if !o.Notice || o.Daily != "" {
			continue
		}
		id := t.s.Name + "-" + o.From.In(t.s.zone).Format("20060102T1504")
		what, at, to := "incident", o.From, time.Time{}
		if o.Planned {
			what, at, to = "maintenance", o.From.Add(-24*time.Hour), o.To
		}
		t.notice(o, id, what, at, to)
		if !o.Planned {
			t.notice(o, id, "resolved", o.To, o.To)
		}
	}
}

// notice owes one notice.
func (t *turn) notice(o *Outage, id, what string, at, to time.Time) {
	name := noticesDir + id + "." + what + ".ndjson"
	if at.After(t.at) || t.b.book.documents[name] {
		return
	}
	data := map[string]any{"notice": id, "issuer": "bank/" + t.s.Name, "what": what, "from": o.From.In(t.s.zone).Format(time.RFC3339),
		"affects": []string{"payout"}, "title": or(o.Title, "payouts of "+t.s.Name)}
	if !to.IsZero() {
		data["to"] = to.In(t.s.zone).Format(time.RFC3339)
	}
	t.publish(name, "notice", id+"/"+what, at, data)
}

// announceLimits tells the limits of what a customer may pay, whenever they change.
func (t *turn) announceLimits() {
	l := t.s.Limits
	data := map[string]any{"scope": "bank/" + t.s.Name, "kind": "payout"}
	for name, v := range map[string]int64{"max_amount": l.Single, "daily_amount": l.Daily, "daily_count": int64(l.Count)} {
		if v > 0 {
			data[name] = v
		}
	}
	id := fmt.Sprintf("%s-limits-%d-%d-%d", t.s.Name, l.Single, l.Daily, l.Count)
	if name := noticesDir + id + ".ndjson"; l != (Limits{}) && !t.b.book.documents[name] {
		t.publish(name, "limit.policy", id, t.at, data)
	}
}

// publish owes a fact of the evidence contract.
func (t *turn) publish(name, kind, id string, at time.Time, data map[string]any) {
	line, err := json.Marshal(map[string]any{"specversion": "1.0", "id": id, "source": "bank/" + t.s.Name, "type": "daozhang." + kind,
		"time": at.In(t.s.zone).Format(time.RFC3339), "data": data})
	if err != nil {
		return // texts, numbers and times have no way to fail
	}
	t.step.Documents = append(t.step.Documents, Document{Name: name, Due: t.at, Content: string(line) + "\n"})
}
