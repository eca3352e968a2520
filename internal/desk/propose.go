package desk

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/backoffice"
	"daozhang/internal/card"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/ledger"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

var opPropose = fault.Say("propose", "提交")

func (p *Proposal) wrong(kind fault.Kind, op, why, hint fault.Text) error {
	return fault.New(kind, op, p.MID+"."+p.ID, why, hint)
}

// Propose makes a proposal that is of no case: a hold of an amount, the end of one,
// an adjustment, the resend of a payout, the release of a payment. Of want the
// motion and what it needs are read; the rest is set here. Errors are those of Do.
func (d *Desk) Propose(ctx context.Context, who Actor, want Proposal) (*Proposal, error) {
	if access.Allowed(who.Role, access.Propose) != access.All && who.Role != "" {
		return nil, want.wrong(fault.NotAllowed, opPropose, fault.Say("the role may not", "该角色无此权限"), fault.Say("people of the institution propose", "由机构人员提交"))
	}
	if want.Motion == MoveWriteOff {
		return nil, want.wrong(fault.Invalid, opPropose, fault.Say("a write-off is of a case", "核销须由案件提交"), fault.Say("propose it where the case is", "请在案件中提交"))
	}
	want.Case, want.Part = Key{}, 0
	p, err := d.draft(ctx, who, want)
	if err != nil {
		return nil, err
	}
	e := who.Did(p.Made, string(p.Motion)+"_proposed", "approval/"+p.MID+"."+p.ID)
	e.MID, e.Version, e.Detail = p.MID, p.Version, p.Reason
	return p, d.Keeper.CommitDesk(ctx, &Step{MID: p.MID, At: p.Made, Proposals: []Proposal{*p}, Audit: []access.Event{e}})
}

// draft checks what is wanted and makes a proposal of it.
func (d *Desk) draft(ctx context.Context, who Actor, want Proposal) (*Proposal, error) {
	now := d.Now()
	p := want
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fault.New(fault.Internal, opPropose, want.MID, err, "")
	}
	p.ID, p.Version, p.State = id.String(), 1, ProposalWaiting
	p.Maker, p.Made, p.Expires = who.Name, now, now.Add(d.Policy.Expiry)
	p.Reason, _ = card.MaskText(strings.TrimSpace(want.Reason))
	p.Document = strings.TrimSpace(want.Document)
	p.Checks, p.Ended, p.By, p.Why = nil, time.Time{}, "", ""
	switch {
	case p.Maker == "":
		return nil, p.wrong(fault.Invalid, opPropose, fault.Say("nobody proposes it", "没有经办人"), fault.Say("name who proposes it", "请填写经办人"))
	case p.Reason == "":
		return nil, p.wrong(fault.Invalid, opPropose, fault.Say("say why in a sentence", "请写明理由"), fault.Say("the checkers decide by it", "复核人以此判断"))
	case len(p.Reason) > mostText || len(p.Document) > mostName:
		return nil, p.wrong(fault.Invalid, opPropose, fault.Say("the text is too long", "文字过长"), fault.Text{})
	}
	if err := d.aim(ctx, &p); err != nil {
		return nil, err
	}
	p.Needs = d.Policy.Checkers(p.Amount)
	// Whoever could not approve it now is told at once, not the checker in a week.
	if _, err := d.effect(ctx, &p, "checker"); err != nil {
		return nil, err
	}
	return &p, nil
}

// aim fills in what a motion is about.
func (d *Desk) aim(ctx context.Context, p *Proposal) error {
	house := p.MID == settlement.House
	if p.Motion != MoveWriteOff && p.Motion != MoveResend && p.Motion != MoveRelease && house {
		return p.wrong(fault.Conflict, opPropose, fault.Say("it belongs to no merchant", "不属于任何商户"), fault.Say("it can be written off or matched", "可核销或匹配"))
	}
	switch p.Motion {
	case MoveWriteOff:
		return nil
	case MoveAdjust:
		p.Against = cmp.Or(p.Against, ledger.FeeIncome)
		if p.Amount == 0 || p.Against != ledger.FeeIncome && p.Against != ledger.NetworkReceivable {
			return p.wrong(fault.Invalid, opPropose, fault.Say("an amount, against our fee income or what the network owes", "请填写金额，对方科目为手续费收入或应收卡组织款"),
				fault.Say("more than 0 gives to the merchant, less takes", "大于 0 为补付，小于 0 为扣回"))
		}
	case MoveHold:
		if p.Amount <= 0 {
			return p.wrong(fault.Invalid, opPropose, fault.Say("the amount is more than 0", "金额须大于 0"), fault.Text{})
		}
		p.Hold = cmp.Or(p.Document, p.ID)
	case MoveFree:
		h, err := d.Keeper.Hold(ctx, p.MID, p.Hold)
		if err != nil {
			return err
		}
		p.Amount, p.Currency = h.Amount, h.Currency
	case MoveResend:
		o, err := d.Keeper.Payout(ctx, p.MID, p.Payout)
		if err != nil {
			return err
		}
		p.Amount, p.Currency = o.Amount-o.Resent, o.Currency
		return nil
	case MoveRelease:
		t, err := d.Keeper.Transaction(ctx, p.Payment)
		if err != nil {
			return err
		}
		if t.MID != p.MID {
			return noItem(Key{p.MID, OnPayment, p.Payment.String()})
		}
		p.Amount, p.Currency, p.RRN = t.Approved, t.Currency, t.RRN
		return nil
	default:
		return p.wrong(fault.Invalid, opPropose, fault.Say("there is no such motion", "没有此类提交"), fault.Text{})
	}
	m, err := d.Keeper.MerchantRecord(ctx, p.MID)
	if err != nil {
		return err
	}
	p.Currency = m.Currency
	return nil
}

// motions are the motions of acts.
var motions = map[Act]Motion{WriteOff: MoveWriteOff, Adjust: MoveAdjust, Hold: MoveHold, Resend: MoveResend, LetGo: MoveRelease}

// propose makes a proposal of a case.
func (d *Desk) propose(ctx context.Context, t *turn, cmd Command) error {
	if err := t.open(); err != nil {
		return err
	}
	if access.Allowed(t.who.Role, access.Propose) != access.All && t.who.Role != "" {
		return t.wrong(fault.NotAllowed, fault.Say("the role may not", "该角色无此权限"), fault.Text{})
	}
	x := t.item
	want := Proposal{MID: x.Key.MID, Motion: motions[cmd.Do], Case: x.Key, Part: cmd.Part, Amount: cmd.Amount, Currency: x.Currency, Keep: cmd.Keep, Against: cmd.Against,
		Payout: x.Payout, Reason: cmd.Text, Document: cmd.Document, Links: []string{x.Key.String()}}
	left, err := t.c.amountOf(cmd.Part, x.Amount)
	if err != nil {
		return err
	}
	switch cmd.Do {
	case WriteOff:
		if err := t.writeOff(&want, left); err != nil {
			return err
		}
	case Resend:
		want.Amount, want.Most = 0, cmd.Amount
		if want.Payout == "" {
			return t.wrong(fault.Conflict, fault.Say("it is no payout", "该事项不是出款"), fault.Say("only what the bank rejected or returned is sent again", "只有银行拒绝或退回的出款才能重发"))
		}
	default:
		if err := d.payment(ctx, t, &want); err != nil {
			return err
		}
	}
	p, err := d.draft(ctx, t.who, want)
	if err != nil {
		return err
	}
	t.step.Proposals = append(t.step.Proposals, *p)
	t.c.Proposals = append(t.c.Proposals, p.ID)
	if t.c.State == Resolved {
		t.c.State, t.c.Outcome = Open, ""
	}
	t.event.Proposal, t.event.Amount, t.event.Currency, t.event.Part = p.ID, p.Amount, p.Currency, p.Part
	return nil
}

// payment finds the transaction of ours that an item is about.
func (d *Desk) payment(ctx context.Context, t *turn, p *Proposal) error {
	for _, x := range t.item.Exceptions {
		if x.Payment != uuid.Nil {
			p.Payment = x.Payment
		}
	}
	if t.item.Key.Kind == OnPayment && d.Live != nil {
		d.Live.Read(func(c *investigation.Current) {
			if found, ok := c.Payment(t.item.Key.Ref); ok {
				p.RRN = c.Around().View.Words.Text(found.Keys.RRN)
			}
		})
	}
	if p.Payment == uuid.Nil && p.RRN != "" {
		all, err := d.Keeper.ByRRN(ctx, p.MID, p.RRN)
		if err != nil {
			return err
		}
		if len(all) == 1 {
			p.Payment = all[0].ID
		}
	}
	if p.Motion == MoveRelease && p.Payment == uuid.Nil {
		return t.wrong(fault.Conflict, fault.Say("it is no payment that we took", "不是我方受理的交易"), fault.Text{})
	}
	return nil
}

// writeOffs say for exceptions against which account they are written off, and
// whether what is written off is usually ours to keep.
var writeOffs = map[string]struct {
	against ledger.Name
	keep    bool
}{
	string(settlement.Short): {ledger.NetworkReceivable, false}, string(settlement.Differs): {ledger.NetworkReceivable, false},
	string(settlement.OneSided): {ledger.NetworkReceivable, true}, string(settlement.Long): {ledger.NetworkReceivable, true},
	string(settlement.Doubled): {ledger.NetworkReceivable, true}, settlement.ExceptionUnknownMerchant: {ledger.NetworkReceivable, true},
	settlement.ExceptionFunding: {ledger.BankSafeguarded, false}, backoffice.ExceptionEntry: {ledger.BankSafeguarded, true}, backoffice.ExceptionCharge: {ledger.BankSafeguarded, false},
}

// Writable reports whether an item can be written off, and whether the money is
// usually ours to keep.
func Writable(x *Item) (keep, ok bool) {
	for i := range x.Exceptions {
		if w, ok := writeOffs[x.Exceptions[i].Kind]; ok {
			return w.keep, true
		}
	}
	return false, false
}

// writeOff says what is written off, and against what.
func (t *turn) writeOff(p *Proposal, left int64) error {
	p.Amount = cmp.Or(p.Amount, left)
	i := slices.IndexFunc(t.item.Exceptions, func(x payment.Exception) bool { _, ok := writeOffs[x.Kind]; return ok })
	switch {
	case i < 0:
		return t.wrong(fault.Conflict, fault.Say("there is nothing in the books to be written off", "账上没有可核销的款项"), fault.Say("adjust the merchant's account, or resolve the case", "请调账或解决案件"))
	case p.Amount <= 0 || p.Amount > left:
		return t.wrong(fault.Invalid, fault.Say("%d are left", "剩余 %d", left), fault.Say("write off that or less", "核销金额不得超过剩余"))
	}
	p.Against = writeOffs[t.item.Exceptions[i].Kind].against
	return nil
}
