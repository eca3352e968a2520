package merchant

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
)

// Subject is what a proposal would change.
type Subject string

// The subjects.
const (
	OnTerms   Subject = "terms"
	OnAccount Subject = "account"
	OnStatus  Subject = "status"
)

// Proposal is a change that waits for its checker. It has one of Terms, Account
// and Status, by its Subject.
type Proposal struct {
	Number  int // 1, 2, … within the merchant
	Subject Subject
	Maker   string
	Made    time.Time
	Expires time.Time
	Terms   *Terms
	Account *Account
	Status  *Status
	// Why is the maker's reason in a sentence.
	Why string
}

// ProposeTerms asks for new terms. They are checked now and again on approval;
// errors are those of Policy.CheckTerms, and fault.NotAllowed where the merchant
// does not qualify for T+0.
func (m *Merchant) ProposeTerms(now time.Time, maker string, t Terms, why string, p *Policy, trade Trade) (Change, error) {
	if err := m.admitTerms(now, &t, p, trade); err != nil {
		return Change{}, err
	}
	return m.propose(now, Proposal{Subject: OnTerms, Maker: maker, Terms: &t, Why: why}, p)
}

// ProposeAccount asks for another payout account, or for the first.
func (m *Merchant) ProposeAccount(now time.Time, maker string, a Account, why string, p *Policy) (Change, error) {
	if hint, ok := a.check(); !ok {
		return Change{}, m.invalid(fault.Say("propose account", "提交账户"), hint)
	}
	a.Approved, a.UsableFrom, a.Verified, a.Method, a.Blocked = time.Time{}, time.Time{}, time.Time{}, "", ""
	return m.propose(now, Proposal{Subject: OnAccount, Maker: maker, Account: &a, Why: why}, p)
}

// ProposeStatus asks to freeze, suspend or activate the merchant. A state other
// than Active needs a reason; document names the order or the case.
func (m *Merchant) ProposeStatus(now time.Time, maker string, s State, r Reason, document, why string, p *Policy) (Change, error) {
	op := fault.Say("propose state", "提交商户状态")
	switch {
	case s != Active && s != Frozen && s != Suspended:
		return Change{}, m.invalid(op, fault.Say("the state is active, frozen or suspended", "状态为 active、frozen 或 suspended"))
	case s == Active && r != "":
		return Change{}, m.invalid(op, fault.Say("an active merchant has no reason", "active 状态不填原因"))
	case s != Active && !slices.Contains([]Reason{Judicial, Violation, Verification, Dormant, Risk}, r):
		return Change{}, m.invalid(op, fault.Say("the reason is judicial, violation, verification, dormant or risk", "原因为 judicial、violation、verification、dormant 或 risk"))
	case s == m.Status.State && r == m.Status.Reason:
		return Change{}, m.conflict(op, fault.Say("it is in that state for that reason already", "商户已处于该状态"), fault.Say("nothing needs to be done", "无需操作"))
	}
	return m.propose(now, Proposal{Subject: OnStatus, Maker: maker, Why: why, Status: &Status{State: s, Reason: r, Document: document}}, p)
}

func (m *Merchant) propose(now time.Time, q Proposal, p *Policy) (Change, error) {
	op := fault.Say("propose", "提交")
	switch {
	case q.Maker == "":
		return Change{}, m.invalid(op, fault.Say("name who proposes it", "请填写经办人"))
	case q.Why == "":
		return Change{}, m.invalid(op, fault.Say("say why in a sentence: the checker decides by it", "请写明理由, 供复核人判断"))
	}
	next := m.next()
	next.Proposals = slices.DeleteFunc(next.Proposals, func(o Proposal) bool { return !now.Before(o.Expires) })
	if slices.ContainsFunc(next.Proposals, func(o Proposal) bool { return o.Subject == q.Subject }) {
		return Change{}, m.conflict(op, fault.Say("another proposal about the %s waits for its checker", "另有关于 %s 的提交待复核", string(q.Subject)),
			fault.Say("have it decided or withdrawn first", "请先复核或撤回该提交"))
	}
	next.Proposed++
	q.Number, q.Made, q.Expires = next.Proposed, now, now.Add(p.Expiry)
	next.Proposals = append(next.Proposals, q)
	return next.change(now, string(q.Subject)+"_proposed", q.Maker, q.Number, q.Why), nil
}

// Approve makes a proposal effective. The checker is somebody other than the
// maker: fault.NotAllowed. A proposal that expired or whose conditions no longer
// hold is refused and stays.
func (m *Merchant) Approve(now time.Time, checker string, number int, p *Policy, trade Trade) (Change, error) {
	i, err := m.pending(now, checker, number)
	if err != nil {
		return Change{}, err
	}
	q := m.Proposals[i]
	if q.Maker == checker {
		return Change{}, fault.New(fault.NotAllowed, fault.Say("approve proposal", "复核"), m.MID+" "+strconv.Itoa(number),
			fault.Say("the maker cannot be the checker", "经办人不能复核自己的提交"), fault.Say("have a colleague check it", "请由另一位同事复核"))
	}
	next := m.next()
	next.Proposals = slices.Delete(next.Proposals, i, i+1)
	var facts []Fact
	detail := ""
	switch q.Subject {
	case OnTerms:
		t := *q.Terms
		if err := m.admitTerms(now, &t, p, trade); err != nil {
			return Change{}, err
		}
		t.Maker, t.Checker, t.Approved = q.Maker, checker, now
		// Terms not yet begun are replaced by others of the same date.
		next.Terms = slices.DeleteFunc(next.Terms, func(o Terms) bool { return o.ValidFrom == t.ValidFrom })
		next.Terms = append(next.Terms, t)
		slices.SortFunc(next.Terms, func(a, b Terms) int { return int(a.ValidFrom) - int(b.ValidFrom) })
		facts = append(facts, next.termsFact(now, &t, next.Version+1))
		detail = fmt.Sprintf("%s from %s", t.Cycle, t.ValidFrom)
	case OnAccount:
		a := *q.Account
		a.Approved, a.UsableFrom = now, now
		if len(m.Accounts) > 0 {
			a.UsableFrom = now.Add(p.Cooling)
		}
		next.Accounts = append(next.Accounts, a)
		detail = a.Tail
	case OnStatus:
		s := *q.Status
		s.Since, s.Maker, s.Checker = now, q.Maker, checker
		next.Status = s
		facts = append(facts, next.statusFact(now, next.Version+1))
		detail = string(s.State) + " " + string(s.Reason)
	}
	c := next.change(now, string(q.Subject)+"_approved", checker, q.Number, detail)
	c.Facts = facts
	return c, nil
}

// Decline drops a proposal: by a checker with a reason, or by its maker, who
// withdraws it.
func (m *Merchant) Decline(now time.Time, by string, number int, why string) (Change, error) {
	i, err := m.pending(now, by, number)
	if err != nil {
		return Change{}, err
	}
	q := m.Proposals[i]
	word := "_declined"
	if q.Maker == by {
		word = "_withdrawn"
	}
	next := m.next()
	next.Proposals = slices.Delete(next.Proposals, i, i+1)
	return next.change(now, string(q.Subject)+word, by, q.Number, why), nil
}

func (m *Merchant) pending(now time.Time, by string, number int) (int, error) {
	op, subject := fault.Say("decide on proposal", "复核"), m.MID+" "+strconv.Itoa(number)
	i := slices.IndexFunc(m.Proposals, func(q Proposal) bool { return q.Number == number })
	switch {
	case by == "":
		return 0, m.invalid(op, fault.Say("name who decides", "请填写复核人"))
	case i < 0:
		return 0, fault.New(fault.NotFound, op, subject, nil, fault.Say("it was decided already, or never made", "该提交已处理或不存在"))
	case !now.Before(m.Proposals[i].Expires):
		return 0, m.conflict(op, fault.Say("the proposal has expired", "提交已过期"), fault.Say("have it proposed anew", "请重新提交"))
	}
	return i, nil
}

// admitTerms holds terms against the rules, those about this merchant included.
func (m *Merchant) admitTerms(now time.Time, t *Terms, p *Policy, trade Trade) error {
	if err := p.CheckTerms(m.MID, t); err != nil {
		return err
	}
	zone, _ := calendar.Location(t.Timezone)
	today := calendar.DateIn(now, zone)
	op := fault.Say("agree on terms", "约定结算条款")
	switch {
	case t.ValidFrom < m.Onboarded:
		return m.invalid(op, fault.Say("terms begin with the first day of trade, %s, at the earliest", "条款最早自入网日 %s 起生效", m.Onboarded.String()))
	case len(m.Terms) > 0 && t.ValidFrom <= today:
		return m.invalid(op, fault.Say("new terms begin on %s at the earliest: what was sold before was sold under the old ones",
			"新条款最早自 %s 起生效, 此前的交易按旧条款结算", today.Add(1).String()))
	case t.SameDay():
		return p.T0.Qualifies(m, t.ValidFrom, trade)
	}
	return nil
}
