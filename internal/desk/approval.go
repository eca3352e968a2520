package desk

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/card"
	"daozhang/internal/fault"
	"daozhang/internal/merchant"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

var opDecide = fault.Say("decide on proposal", "复核")

// ApprovalFilter narrows the queue. What is zero does not narrow.
type ApprovalFilter struct {
	// Over asks for what was decided instead of what waits.
	Over    bool
	MID     string
	Motions []Motion
	// Maker keeps those of one person, NotMaker leaves them out: what one may check.
	Maker, NotMaker string
	Case            Key
}

// ApprovalPage is a part of the queue.
type ApprovalPage struct {
	Approvals []Approval
	Next      string // cursor; "" where there is no more
	// Count is of all that wait; of what is over it is not counted: 0.
	Count int
}

// mostWaiting bounds how many waiting proposals are looked at.
const mostWaiting = 10_000

// Approvals gives the queue: what waits, the oldest first, or what is over, the
// latest first. What became of merchants' own proposals stands in their own
// history, not here.
func (d *Desk) Approvals(ctx context.Context, who Actor, f ApprovalFilter, after string, n int) (*ApprovalPage, error) {
	if who.Role != "" && access.Allowed(who.Role, access.ReadApprovals) == access.None {
		return nil, fault.New(fault.NotAllowed, fault.Say("list approvals", "列出待复核"), "", fault.Say("the role may not", "该角色无此权限"), "")
	}
	mark, err := parseSettled(after)
	if err != nil {
		return nil, err
	}
	if f.Over {
		return d.decided(ctx, &f, mark, n)
	}
	all, err := d.waiting(ctx, &f)
	if err != nil {
		return nil, err
	}
	p := &ApprovalPage{Count: len(all)}
	for i := range all {
		a := &all[i]
		if after != "" && cmp.Or(a.Made.Compare(mark.Changed), strings.Compare(a.ID, mark.ID)) <= 0 {
			continue
		}
		if len(p.Approvals) == n {
			last := &p.Approvals[n-1]
			p.Next = SettledMark{last.Made, last.ID}.cursor()
			break
		}
		p.Approvals = append(p.Approvals, *a)
	}
	return p, nil
}

// waiting are all that wait and pass a filter, the oldest first.
func (d *Desk) waiting(ctx context.Context, f *ApprovalFilter) (all []Approval, err error) {
	now := d.Now()
	list, err := d.Keeper.Proposals(ctx, ProposalFilter{MID: f.MID, Maker: f.Maker, Case: f.Case}, mostWaiting)
	if err != nil {
		return nil, err
	}
	for i := range list {
		all = append(all, list[i].approval(now))
	}
	if f.Case == (Key{}) {
		merchants, err := d.Keeper.MerchantsWithProposals(ctx, f.MID)
		if err != nil {
			return nil, err
		}
		for i := range merchants {
			for j := range merchants[i].Proposals {
				all = append(all, approvalOf(&merchants[i], &merchants[i].Proposals[j], now))
			}
		}
	}
	all = slices.DeleteFunc(all, func(a Approval) bool { return !f.passes(&a) })
	slices.SortFunc(all, func(a, b Approval) int {
		return cmp.Or(time.UnixMicro(a.Made.UnixMicro()).Compare(time.UnixMicro(b.Made.UnixMicro())), strings.Compare(a.ID, b.ID))
	})
	return all, nil
}

func (f *ApprovalFilter) passes(a *Approval) bool {
	return (f.Maker == "" || a.Maker == f.Maker) && (f.NotMaker == "" || a.Maker != f.NotMaker) && (len(f.Motions) == 0 || slices.Contains(f.Motions, a.Motion)) &&
		a.State.Over() == f.Over
}

// decided is a page of what is over.
func (d *Desk) decided(ctx context.Context, f *ApprovalFilter, mark SettledMark, n int) (*ApprovalPage, error) {
	p := &ApprovalPage{}
	for {
		list, err := d.Keeper.Proposals(ctx, ProposalFilter{MID: f.MID, Maker: f.Maker, Case: f.Case, Over: true, After: mark}, n+1)
		if err != nil {
			return nil, err
		}
		for i := range list {
			if len(p.Approvals) == n {
				p.Next = mark.cursor()
				return p, nil
			}
			mark = SettledMark{list[i].Ended, list[i].ID}
			if a := list[i].approval(d.Now()); f.passes(&a) {
				p.Approvals = append(p.Approvals, a)
			}
		}
		if len(list) <= n {
			return p, nil
		}
	}
}

// approval is a proposal of the desk in the queue.
func (p *Proposal) approval(now time.Time) Approval {
	a := Approval{ID: p.MID + "." + p.ID, Motion: p.Motion, State: p.State, MID: p.MID, Case: p.Case, Part: p.Part, Amount: p.Amount, Currency: p.Currency, Maker: p.Maker,
		Made: p.Made, Expires: p.Expires, Reason: p.Reason, Document: p.Document, Links: p.Links, Needs: p.Needs, Checks: p.Checks, Ended: p.Ended, By: p.By, Why: p.Why}
	if p.State == ProposalWaiting && !now.Before(p.Expires) {
		a.State, a.Ended = ProposalExpired, p.Expires
	}
	return a
}

// approvalOf is a merchant's proposal in the queue.
func approvalOf(m *merchant.Merchant, q *merchant.Proposal, now time.Time) Approval {
	a := Approval{ID: m.MID + "." + strconv.Itoa(q.Number), Motion: Motion(q.Subject), State: ProposalWaiting, MID: m.MID, Merchant: m.Name, Maker: q.Maker, Made: q.Made,
		Expires: q.Expires, Reason: q.Why, Needs: 1}
	if q.Status != nil {
		a.Document = q.Status.Document
	}
	if !now.Before(q.Expires) {
		a.State, a.Ended = ProposalExpired, q.Expires
	}
	return a
}

// approvalID is the two halves of Approval.ID; number is 0 for a proposal of the
// desk.
func approvalID(id string) (mid, ref string, number int, err error) {
	mid, ref, ok := strings.Cut(id, ".")
	number, _ = strconv.Atoi(ref)
	if _, bad := uuid.Parse(ref); !ok || mid == "" || len(id) > 128 || bad != nil && number < 1 {
		return "", "", 0, noApproval(id)
	}
	return mid, ref, number, nil
}

func noApproval(id string) error {
	id, _ = card.MaskText(id)
	return fault.New(fault.NotFound, opDecide, id[:min(len(id), 128)], nil, fault.Say("it was decided already, or never made; the queue lists what waits", "该提交已处理或不存在，请查看待复核清单"))
}

// Approval gives one with what it would book and change, as things are now.
// fault.NotFound where there is none.
func (d *Desk) Approval(ctx context.Context, who Actor, id string) (*Approval, error) {
	if who.Role != "" && access.Allowed(who.Role, access.ReadApprovals) == access.None {
		return nil, noApproval(id)
	}
	mid, ref, number, err := approvalID(id)
	if err != nil {
		return nil, err
	}
	if number > 0 {
		m, err := d.Keeper.MerchantRecord(ctx, mid)
		if err != nil {
			return nil, err
		}
		for i := range m.Proposals {
			if q := &m.Proposals[i]; q.Number == number {
				a := approvalOf(&m, q, d.Now())
				a.Changes = changesOf(&m, q)
				return &a, nil
			}
		}
		return nil, noApproval(id)
	}
	p, err := d.Keeper.Proposal(ctx, mid, ref)
	if err != nil {
		return nil, err
	}
	a := p.approval(d.Now())
	if m, err := d.Keeper.MerchantRecord(ctx, mid); err == nil {
		a.Merchant = m.Name
	}
	var step *settlement.Step
	if a.State == ProposalWaiting {
		step, a.Obstacle = d.effect(ctx, &p, "checker")
	}
	a.Postings = p.postings(step)
	if a.State == ProposalWaiting && len(a.Postings) > 0 {
		standing, err := d.Keeper.Standing(ctx, mid)
		if err != nil {
			return nil, err
		}
		a.Balances = balances(standing, a.Postings)
	}
	if p.Motion == MoveRelease {
		a.Changes = []Change{{"risk", "held", "released"}}
	}
	return &a, nil
}

// Approve is one checker's word. With the last one that is needed the proposal is
// carried out in the same commit, or, where the gateway has to do it, right after.
// It gives the approval as it is then.
//
// Errors: fault.NotAllowed for the maker and for who has checked already,
// fault.Conflict where it is over or cannot be carried out as things are; then it
// waits on.
func (d *Desk) Approve(ctx context.Context, who Actor, id string) (*Approval, error) {
	mid, ref, number, err := d.mayDecide(who, id)
	if err != nil {
		return nil, err
	}
	if number > 0 {
		return d.approveMerchant(ctx, who, mid, number)
	}
	return d.decide(ctx, mid, ref, func(p *Proposal) error { return d.approve(ctx, who, p) })
}

// Decline ends a proposal: by a checker with a reason, or by its maker, who
// withdraws it.
func (d *Desk) Decline(ctx context.Context, who Actor, id, why string) (*Approval, error) {
	mid, ref, number, err := d.mayDecide(who, id)
	if err != nil {
		return nil, err
	}
	why, _ = card.MaskText(strings.TrimSpace(why))
	if why == "" || len(why) > mostText {
		return nil, fault.New(fault.Invalid, opDecide, id, fault.Say("say why in a sentence", "请写明理由"), fault.Say("the maker learns by it", "经办人以此了解原因"))
	}
	if number > 0 {
		return d.changeMerchant(ctx, who, mid, number, func(m *merchant.Merchant, _ *merchant.Policy) (merchant.Change, error) {
			return m.Decline(d.Now(), who.Name, number, why)
		})
	}
	return d.decide(ctx, mid, ref, func(p *Proposal) error { return d.decline(ctx, who, p, why) })
}

func (d *Desk) mayDecide(who Actor, id string) (mid, ref string, number int, err error) {
	if who.Role != "" && access.Allowed(who.Role, access.Decide) != access.All {
		return "", "", 0, fault.New(fault.NotAllowed, opDecide, id, fault.Say("the role may not", "该角色无此权限"), fault.Say("people of the institution check", "由机构人员复核"))
	}
	if who.Name == "" {
		return "", "", 0, fault.New(fault.Invalid, opDecide, id, fault.Say("name who decides", "请填写复核人"), "")
	}
	return approvalID(id)
}

// decide takes a decision on a proposal, anew while others keep being first, and
// gives what came of it.
func (d *Desk) decide(ctx context.Context, mid, ref string, take func(p *Proposal) error) (*Approval, error) {
	var err error
	for range again {
		var p Proposal
		if p, err = d.Keeper.Proposal(ctx, mid, ref); err != nil {
			return nil, err
		}
		if err = take(&p); err == nil {
			a := p.approval(d.Now())
			return &a, nil
		}
		if overtaken := errors.Is(err, payment.ErrRefused) && fault.KindOf(err) == fault.Conflict || settlement.Violated(err); !overtaken {
			break
		}
	}
	return nil, err
}

// check is one person's agreement, pure: the proposal as it is then.
func (p *Proposal) check(now time.Time, by string) error {
	switch {
	case p.State != ProposalWaiting:
		return p.wrong(fault.Conflict, opDecide, fault.Say("it is over: %s", "已结束：%s", p.State.Text()), fault.Say("have it proposed anew where it is still wanted", "如仍需要，请重新提交"))
	case !now.Before(p.Expires):
		return p.wrong(fault.Conflict, opDecide, fault.Say("the proposal has expired", "提交已过期"), fault.Say("have it proposed anew", "请重新提交"))
	case p.Maker == by:
		return p.wrong(fault.NotAllowed, opDecide, fault.Say("the maker cannot be the checker", "经办人不能复核自己的提交"), fault.Say("have a colleague check it", "请由另一位同事复核"))
	case slices.ContainsFunc(p.Checks, func(c Check) bool { return c.By == by }):
		return p.wrong(fault.NotAllowed, opDecide, fault.Say("you have checked it already", "您已复核过"), fault.Say("the amount needs another colleague", "该金额须另一位同事复核"))
	}
	p.Version++
	p.Checks = append(slices.Clip(p.Checks), Check{by, now})
	if len(p.Checks) >= p.Needs {
		p.State = ProposalApproved
	}
	return nil
}

// checkers are their names.
func (p *Proposal) checkers() string {
	var names []string
	for _, c := range p.Checks {
		names = append(names, c.By)
	}
	return strings.Join(names, ", ")
}

func (d *Desk) approve(ctx context.Context, who Actor, p *Proposal) error {
	now := d.Now()
	if err := p.check(now, who.Name); err != nil {
		return err
	}
	s := &Step{MID: p.MID, At: now}
	s.Audit = append(s.Audit, p.audited(who, now, "approved", p.Reason))
	if p.State == ProposalWaiting { // another checker is needed
		s.Proposals = []Proposal{*p}
		return d.Keeper.CommitDesk(ctx, s)
	}
	effect, err := d.effect(ctx, p, p.checkers())
	if err != nil {
		return err
	}
	if p.Motion == MoveRelease {
		s.Proposals = []Proposal{*p}
		if err := d.Keeper.CommitDesk(ctx, s); err != nil {
			return err
		}
		return d.carryOut(ctx, who, p)
	}
	s.Settlement = effect
	p.end(now, ProposalDone, who.Name, "")
	s.Proposals = []Proposal{*p}
	if err := d.concern(ctx, s, who, p, Executed, ""); err != nil {
		return err
	}
	return d.Keeper.CommitDesk(ctx, s)
}

// end is how a proposal ends.
func (p *Proposal) end(now time.Time, state ProposalState, by, why string) {
	p.State, p.Ended, p.By, p.Why = state, now, by, why
}

func (p *Proposal) audited(who Actor, now time.Time, what, detail string) access.Event {
	e := who.Did(now, what, "approval/"+p.MID+"."+p.ID)
	e.MID, e.Version, e.Detail = p.MID, p.Version, detail
	e.After = string(p.Motion) + " " + p.Currency.String() + " " + strconv.FormatInt(p.Amount, 10)
	return e
}

// carryOut does what the gateway has to do, after the approval is durable. Where the
// process ends in between, Resume comes here again: what is released already is
// done.
func (d *Desk) carryOut(ctx context.Context, who Actor, p *Proposal) error {
	t, err := d.Keeper.Transaction(ctx, p.Payment)
	if err != nil {
		return err
	}
	state, why := ProposalDone, ""
	if t.Held {
		if d.Release == nil {
			return p.wrong(fault.Internal, opDecide, fault.Say("no gateway runs here", "此处没有运行网关"), fault.Say("it is carried out as soon as the server runs", "服务启动后自动执行"))
		}
		err := d.Release(ctx, &t, p.Maker, p.checkers())
		if err != nil && fault.KindOf(err) != fault.Conflict {
			return err // whether it happened is not known: the next turn finds out
		}
		if err != nil {
			if t, err = d.Keeper.Transaction(ctx, p.Payment); err != nil {
				return err
			}
			if t.Held {
				state, why = ProposalFailed, "risk does not hold it"
			}
		}
	}
	now := d.Now()
	p.Version++
	p.end(now, state, who.Name, why)
	s := &Step{MID: p.MID, At: now, Proposals: []Proposal{*p}}
	what := Executed
	if state == ProposalFailed {
		what = Failed
	}
	if err := d.concern(ctx, s, who, p, what, why); err != nil {
		return err
	}
	return d.Keeper.CommitDesk(ctx, s)
}

func (d *Desk) decline(ctx context.Context, who Actor, p *Proposal, why string) error {
	now := d.Now()
	if p.State != ProposalWaiting {
		return p.wrong(fault.Conflict, opDecide, fault.Say("it is over: %s", "已结束：%s", p.State.Text()), fault.Say("nothing needs to be done", "无需操作"))
	}
	state := ProposalDeclined
	if p.Maker == who.Name {
		state = ProposalWithdrawn
	}
	p.Version++
	p.end(now, state, who.Name, why)
	s := &Step{MID: p.MID, At: now, Proposals: []Proposal{*p}, Audit: []access.Event{p.audited(who, now, string(state), why)}}
	if err := d.concern(ctx, s, who, p, Declined, why); err != nil {
		return err
	}
	return d.Keeper.CommitDesk(ctx, s)
}

// concern writes into the case of a proposal what became of it: what was booked
// settles the case, or the part that was meant.
func (d *Desk) concern(ctx context.Context, s *Step, who Actor, p *Proposal, what Act, why string) error {
	if p.Case == (Key{}) {
		return nil
	}
	x, err := d.look(ctx, p.Case)
	if err != nil {
		return err
	}
	if x.Case == nil {
		return nil
	}
	now := s.At
	next := x.Case.next(now)
	next.Proposals = slices.DeleteFunc(next.Proposals, func(id string) bool { return id == p.ID })
	ev := Event{Key: p.Case, Version: next.Version, At: now, By: who.Name, Role: who.Role, What: what, Text: why, Amount: p.Amount, Currency: p.Currency, Part: p.Part,
		Proposal: p.ID, Request: who.Request}
	t := turn{now: now, who: who, item: x, c: &next, event: &ev, step: s}
	if what == Executed && (p.Motion == MoveWriteOff || p.Motion == MoveAdjust) && next.State != Resolved {
		if err := d.settleBooked(&t, p); err != nil {
			return err
		}
	}
	s.Cases, s.Events = append(s.Cases, next), append(s.Events, ev)
	return nil
}

// settleBooked settles what a proposal has booked. A write-off of less than is left
// leaves the rest as a part of its own.
func (d *Desk) settleBooked(t *turn, p *Proposal) error {
	outcome := map[Motion]Outcome{MoveWriteOff: WrittenOff, MoveAdjust: Adjusted}[p.Motion]
	booked := max(p.Amount, -p.Amount)
	left, err := t.c.amountOf(p.Part, t.item.Amount)
	if err != nil {
		return err
	}
	if booked >= left {
		return d.settle(t, p.Part, outcome)
	}
	if i := t.c.part(p.Part); i >= 0 {
		t.c.Parts[i].Amount -= booked
	} else if len(t.c.Parts) == 0 {
		t.c.Parts = []Part{{Number: 1, Amount: left - booked}}
	} else {
		return nil // of several open parts nobody knows which was meant
	}
	t.c.Parts = append(t.c.Parts, Part{Number: len(t.c.Parts) + 1, Amount: booked, Outcome: outcome})
	return nil
}

// approveMerchant makes a merchant's proposal effective.
func (d *Desk) approveMerchant(ctx context.Context, who Actor, mid string, number int) (*Approval, error) {
	trade := merchant.Trade{}
	if d.Trade != nil {
		var err error
		if trade, err = d.Trade(ctx, mid); err != nil {
			return nil, err
		}
	}
	return d.changeMerchant(ctx, who, mid, number, func(m *merchant.Merchant, p *merchant.Policy) (merchant.Change, error) {
		return m.Approve(d.Now(), who.Name, number, p, trade)
	})
}

// changeMerchant takes a decision on a merchant's proposal, and commits it with its
// line of the audit log.
func (d *Desk) changeMerchant(ctx context.Context, who Actor, mid string, number int, take func(*merchant.Merchant, *merchant.Policy) (merchant.Change, error)) (*Approval, error) {
	var a Approval
	found := false
	made, err := d.Office.Change(ctx, mid, func(m *merchant.Merchant, p *merchant.Policy) (merchant.Change, error) {
		for i := range m.Proposals {
			if m.Proposals[i].Number == number {
				a, found = approvalOf(m, &m.Proposals[i], d.Now()), true
				a.Changes = changesOf(m, &m.Proposals[i])
			}
		}
		return take(m, p)
	})
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, noApproval(mid + "." + strconv.Itoa(number))
	}
	now := d.Now()
	a.State, a.Ended, a.By, a.Why = ProposalDone, now, who.Name, made.Event.Detail
	switch {
	case strings.HasSuffix(made.Event.What, "_declined"):
		a.State = ProposalDeclined
	case strings.HasSuffix(made.Event.What, "_withdrawn"):
		a.State = ProposalWithdrawn
	default:
		a.Checks = []Check{{who.Name, now}}
	}
	e := who.Did(now, made.Event.What, "approval/"+a.ID)
	e.MID, e.Version, e.Detail = mid, made.Merchant.Version, made.Event.Detail
	return &a, d.Keeper.CommitDesk(ctx, &Step{MID: mid, At: now, Audit: []access.Event{e}})
}

// System is who acts where nobody asked for it.
var System = Actor{Actor: access.System}

// Resume goes on with what a process left behind: approvals that were not carried
// out, matches whose other side was not told, proposals whose time is over. It may
// be called at any time, twice, and on two nodes at once; call it every minute. It
// does what it can and returns all errors.
func (d *Desk) Resume(ctx context.Context) error {
	now := d.Now()
	list, err := d.Keeper.Proposals(ctx, ProposalFilter{}, mostWaiting)
	if err != nil {
		return err
	}
	var errs []error
	for i := range list {
		p := &list[i]
		switch {
		case p.State == ProposalApproved:
			errs = append(errs, d.carryOut(ctx, System, p))
		case !now.Before(p.Expires):
			p.Version++
			p.end(now, ProposalExpired, System.Name, "")
			s := &Step{MID: p.MID, At: now, Proposals: []Proposal{*p}, Audit: []access.Event{p.audited(System, now, "expired", "")}}
			if err := d.concern(ctx, s, System, p, Declined, "expired"); err != nil {
				errs = append(errs, err)
				continue
			}
			errs = append(errs, d.Keeper.CommitDesk(ctx, s))
		}
	}
	return errors.Join(append(errs, d.tidy(ctx))...)
}

// tidy tells the other sides of matches that were not told, and marks cases whose
// matter is over, so that lists need not look at them.
func (d *Desk) tidy(ctx context.Context) error {
	w, err := d.gather(ctx, "")
	if err != nil {
		return err
	}
	defer d.known.release(w)
	cases, err := d.Keeper.OpenCases(ctx, "")
	if err != nil {
		return err
	}
	var errs []error
	for i := range cases {
		c := &cases[i]
		if c.State != Resolved {
			continue
		}
		for _, m := range c.Matches {
			errs = append(errs, d.tellOthers(ctx, c, &m))
		}
		if _, live := w.find(c.Key); live {
			continue
		}
		next := *c
		next.Version++
		next.Over = true
		errs = append(errs, d.Keeper.CommitDesk(ctx, &Step{MID: c.Key.MID, At: d.Now(), Cases: []Case{next}}))
	}
	return errors.Join(errs...)
}

func (d *Desk) tellOthers(ctx context.Context, c *Case, m *Match) error {
	x := itemOf(c)
	from := &turn{now: d.Now(), who: Actor{Actor: access.Actor{Name: m.By}}, item: &x, c: c}
	var others []Key
	for _, o := range m.With {
		k, err := ParseKey(o.Ref)
		if err != nil {
			continue
		}
		other, err := d.Keeper.Case(ctx, k)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
		if !slices.ContainsFunc(other.Matches, func(m Match) bool { return m.With[0].Ref == c.Key.String() }) {
			others = append(others, k)
		}
	}
	return d.mirror(ctx, from, others, true, m.Why)
}
