package desk

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/card"
	"daozhang/internal/fault"
	"daozhang/internal/payment"
)

// Bounds of what people write.
const (
	mostText   = 4000
	mostName   = 64
	mostParts  = 20
	mostSnooze = 90 * 24 * time.Hour
)

// again is how often a command is taken anew where others changed the case in
// between.
const again = 6

var opDo = fault.Say("work on item", "处理事项")

// Do takes one command on the case about something, opens the case where there is
// none, and gives it as it is after. Everything that follows from it is committed
// together; what moves money waits for its checkers as a Proposal.
//
// Errors: fault.NotFound for what is not there (or is not the merchant's own),
// fault.NotAllowed for what the role may not do, fault.Conflict where the case has
// changed since cmd.Version or its state does not allow it, fault.Invalid for a
// command that says too little.
func (d *Desk) Do(ctx context.Context, who Actor, k Key, cmd Command) (*Case, error) {
	if err := admits(who, k, cmd.Do); err != nil {
		return nil, err
	}
	return d.retry(func() (*Case, error) {
		x, err := d.look(ctx, k)
		if err != nil {
			return nil, err
		}
		return d.do(ctx, who, x, cmd)
	})
}

// retry takes a decision anew while others keep being first.
func (d *Desk) retry(decide func() (*Case, error)) (c *Case, err error) {
	for range again {
		if c, err = decide(); err == nil || !errors.Is(err, payment.ErrRefused) || fault.KindOf(err) != fault.Conflict {
			return c, err
		}
	}
	return nil, err
}

// admits says whether somebody may do such a thing at all. A merchant speaks in its
// own cases and decides nothing.
func admits(who Actor, k Key, do Act) error {
	if access.Allowed(who.Role, access.WorkOnExceptions) == access.None && who.Role != "" {
		return k.wrong(fault.NotAllowed, opDo, fault.Say("the role may not", "该角色无此权限"), fault.Say("people of the institution work on cases", "由机构人员处理案件"))
	}
	if who.Role != access.Merchant {
		return nil
	}
	if k.MID != who.MID {
		return noItem(k)
	}
	if do != Comment && do != Answer && do != Attach {
		return k.wrong(fault.NotAllowed, opDo, fault.Say("a merchant comments, answers and attaches files", "商户可备注、答复和添加附件"),
			fault.Say("write what is to be done as a comment", "请以备注说明需要处理的事项"))
	}
	return nil
}

// do takes a command on an item as it was found.
func (d *Desk) do(ctx context.Context, who Actor, x *Item, cmd Command) (*Case, error) {
	now := d.Now()
	before := x.Case
	if before == nil {
		before = &Case{Key: x.Key, State: Open}
	}
	if cmd.Version != AnyVersion && cmd.Version != int64(before.Version) {
		return nil, x.Key.wrong(fault.Conflict, opDo, fault.Say("somebody else has changed the case meanwhile", "案件已被他人更改"),
			fault.Say("look at it again and decide anew", "请刷新后重新操作"))
	}
	if err := cmd.check(x.Key); err != nil {
		return nil, err
	}
	s := &Step{MID: x.Key.MID, At: now}
	next := before.next(now)
	next.Cause, next.Amount, next.Currency = x.Cause, x.Amount, x.Currency
	ev := Event{Key: x.Key, Version: next.Version, At: now, By: who.Name, Role: who.Role, What: cmd.Do, Text: cmd.Text, Request: who.Request}
	t := turn{now: now, who: who, item: x, c: &next, event: &ev, step: s}
	if err := d.turn(ctx, &t, cmd); err != nil {
		return nil, err
	}
	s.Cases, s.Events = append(s.Cases, next), append(s.Events, ev)
	s.Audit = append(s.Audit, audited(who, before, &next, &ev))
	if err := d.Keeper.CommitDesk(ctx, s); err != nil {
		return nil, err
	}
	if t.after != nil {
		return &next, t.after(ctx)
	}
	return &next, nil
}

// turn is one command being taken: what it finds and what it makes.
type turn struct {
	now   time.Time
	who   Actor
	item  *Item
	c     *Case
	event *Event
	step  *Step
	// after is done once the step is durable.
	after func(ctx context.Context) error
}

// check holds a command against the bounds of what people write, and hides card
// numbers in it.
func (cmd *Command) check(k Key) error {
	cmd.Text, _ = card.MaskText(strings.TrimSpace(cmd.Text))
	cmd.To = strings.TrimSpace(cmd.To)
	for i := range cmd.Parts {
		cmd.Parts[i].Note, _ = card.MaskText(strings.TrimSpace(cmd.Parts[i].Note))
	}
	switch {
	case len(cmd.Text) > mostText:
		return k.wrong(fault.Invalid, opDo, fault.Say("the text is too long", "文字过长"), fault.Say("at most %d bytes; attach what is longer as a file", "最多 %d 字节，更长的请作为附件", mostText))
	case len(cmd.To) > mostName || strings.ContainsAny(cmd.To, "\n\r\t"):
		return k.wrong(fault.Invalid, opDo, fault.Say("that is no name", "名称无效"), fault.Say("at most %d bytes on one line", "一行内最多 %d 字节", mostName))
	case cmd.Text == "" && slices.Contains([]Act{Comment, Snooze, Escalate, Ask, Answer, Pair, Unpair, Resolve, Reopen, WriteOff, Adjust, Hold, Resend, LetGo}, cmd.Do):
		return k.wrong(fault.Invalid, opDo, fault.Say("say why in a sentence", "请写明理由"), fault.Say("whoever reads the history decides by it", "后续人员以此判断"))
	}
	return nil
}

// turn takes a command.
func (d *Desk) turn(ctx context.Context, t *turn, cmd Command) error {
	switch cmd.Do {
	case WriteOff, Adjust, Hold, Resend, LetGo:
		return d.propose(ctx, t, cmd)
	case Pair:
		return d.pair(ctx, t, cmd)
	case Unpair:
		return d.unpair(ctx, t, cmd)
	case Reopen:
		return d.reopen(ctx, t)
	case Resolve:
		return d.resolve(t, cmd)
	case Declare:
		return d.declare(t, cmd)
	case Split:
		return t.split(cmd)
	}
	return t.move(cmd)
}

// open refuses what goes on with a case that is resolved.
func (t *turn) open() error {
	if t.c.State != Resolved || t.item.Again {
		return nil
	}
	return t.wrong(fault.Conflict, fault.Say("the case is resolved", "案件已解决"), fault.Say("reopen it first", "请先重新打开"))
}

func (t *turn) wrong(kind fault.Kind, why, hint fault.Text) error {
	return t.item.Key.wrong(kind, opDo, why, hint)
}

// move takes the commands that change nothing but the case itself.
func (t *turn) move(cmd Command) error {
	c := t.c
	if cmd.Do != Comment {
		if err := t.open(); err != nil {
			return err
		}
		if c.State == Resolved { // it has come up again
			c.State, c.Outcome = Open, ""
		}
	}
	switch cmd.Do {
	case Assign:
		if c.Owner == cmd.To {
			return t.wrong(fault.Conflict, fault.Say("it is so already", "已是该负责人"), fault.Say("nothing needs to be done", "无需操作"))
		}
		c.Owner, t.event.To = cmd.To, cmd.To
	case Comment:
		c.Comments++
	case Snooze:
		if !cmd.Until.After(t.now) || cmd.Until.After(t.now.Add(mostSnooze)) {
			return t.wrong(fault.Invalid, fault.Say("until when?", "暂缓到何时？"), fault.Say("a time to come, at most 90 days away", "请给出未来 90 天内的时间"))
		}
		c.State, c.Until, t.event.Until = Asleep, cmd.Until, cmd.Until
	case Wake:
		if c.State != Asleep {
			return t.wrong(fault.Conflict, fault.Say("it is not snoozed", "案件未被暂缓"), fault.Say("nothing needs to be done", "无需操作"))
		}
		c.State, c.Until = Open, time.Time{}
	case SetDue:
		c.Due, t.event.Until = cmd.Until, cmd.Until
	case Escalate:
		if cmd.To == "" {
			return t.wrong(fault.Invalid, fault.Say("to whom?", "升级给谁？"), fault.Say("name a colleague", "请填写同事姓名"))
		}
		c.Escalated, c.EscalatedTo, t.event.To = t.now, cmd.To, cmd.To
	case Ask:
		if cmd.To == "" {
			return t.wrong(fault.Invalid, fault.Say("who is asked?", "询问谁？"), fault.Say("merchant, network/UnionPay, bank/ICBC or another counterparty", "merchant、network/UnionPay、bank/ICBC 或其他对方"))
		}
		c.State, c.AwaitedFrom, c.Asked, t.event.To = Awaiting, cmd.To, t.now, cmd.To
		c.Comments++
	case Answer:
		if c.State != Awaiting {
			return t.wrong(fault.Conflict, fault.Say("nobody was asked", "没有待答复的询问"), fault.Say("write it as a comment", "请写为备注"))
		}
		if t.who.Role == access.Merchant && c.AwaitedFrom != "merchant" {
			return t.wrong(fault.NotAllowed, fault.Say("somebody else was asked", "询问的不是商户"), fault.Say("write it as a comment", "请写为备注"))
		}
		t.event.To = c.AwaitedFrom
		c.State, c.AwaitedFrom = Open, ""
		c.Comments++
	default:
		return t.wrong(fault.Invalid, fault.Say("there is no such act", "没有此操作"), fault.Say("one of those that the case offers", "请选择案件提供的操作"))
	}
	return nil
}

// split makes parts of what is at risk, each to be settled by itself.
func (t *turn) split(cmd Command) error {
	if err := t.open(); err != nil {
		return err
	}
	c := t.c
	if len(c.Matches)+len(c.Proposals) > 0 || slices.ContainsFunc(c.Parts, func(p Part) bool { return p.Outcome != "" }) {
		return t.wrong(fault.Conflict, fault.Say("a part of it is settled or waits for a check", "部分已处理或待复核"), fault.Say("undo that first", "请先撤销"))
	}
	sum := int64(0)
	for i := range cmd.Parts {
		p := &cmd.Parts[i]
		if p.Amount <= 0 || len(p.Note) > mostText {
			return t.wrong(fault.Invalid, fault.Say("each part is more than 0", "每一部分须大于 0"), fault.Text{})
		}
		p.Number, p.Outcome = i+1, ""
		sum += p.Amount
	}
	if len(cmd.Parts) < 2 || len(cmd.Parts) > mostParts || sum != t.item.Amount {
		return t.wrong(fault.Invalid, fault.Say("the parts come to %d, %d are at risk", "各部分合计 %d，风险金额为 %d", sum, t.item.Amount),
			fault.Say("2 to %d parts that add up, in minor units", "请分为 2 到 %d 部分，合计须相等（最小货币单位）", mostParts))
	}
	if c.State == Resolved {
		c.State, c.Outcome = Open, ""
	}
	c.Parts, t.event.Parts = cmd.Parts, cmd.Parts
	return nil
}

// audited is the line of the audit log about a change of a case.
func audited(who Actor, before, after *Case, ev *Event) access.Event {
	e := who.Did(ev.At, auditWord(ev.What), "case/"+after.Key.String())
	e.MID, e.Version = after.Key.MID, after.Version
	e.Before, e.After, e.Detail = brief(before), brief(after), ev.Text
	return e
}

// brief is a case in a line, for the audit log.
func brief(c *Case) string {
	parts := []string{string(cmp.Or(c.State, Open))}
	for _, p := range []struct{ name, value string }{{"owner", c.Owner}, {"outcome", string(c.Outcome)}, {"awaits", c.AwaitedFrom}, {"escalated to", c.EscalatedTo}} {
		if p.value != "" {
			parts = append(parts, p.name+" "+p.value)
		}
	}
	return strings.Join(parts, ", ")
}

// auditWords are acts as past participles.
var auditWords = map[Act]string{Assign: "assigned", Comment: "commented", Snooze: "snoozed", Wake: "woken", SetDue: "due_set", Escalate: "escalated", Ask: "asked",
	Answer: "answered", Attach: "attached", Declare: "declared", Pair: "matched", Unpair: "unmatched", Split: "split", Resolve: "resolved", Reopen: "reopened",
	WriteOff: "write_off_proposed", Adjust: "adjustment_proposed", Hold: "hold_proposed", Resend: "resend_proposed", LetGo: "release_proposed"}

func auditWord(a Act) string { return cmp.Or(auditWords[a], string(a)) }
