package desk

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/backoffice"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// settlementStep is the part of the step that goes into the books.
func (t *turn) settlementStep() *settlement.Step {
	if t.step.Settlement == nil {
		t.step.Settlement = &settlement.Step{}
		t.step.Settlement.MID, t.step.Settlement.At = t.step.MID, t.now
	}
	return t.step.Settlement
}

// resolve ends a case, or one part of it, by a person's word.
func (d *Desk) resolve(t *turn, cmd Command) error {
	if err := t.open(); err != nil {
		return err
	}
	if !slices.Contains(Outcomes, cmd.Outcome) {
		return t.wrong(fault.Invalid, fault.Say("how was it resolved?", "如何解决？"), fault.Say("corrected, explained or duplicate; the rest follows from what is done", "corrected、explained 或 duplicate，其余由操作得出"))
	}
	if len(t.c.Proposals) > 0 {
		return t.wrong(fault.Conflict, fault.Say("a proposal of it waits for its check", "有待复核的提交"), fault.Say("have it decided or withdrawn first", "请先复核或撤回"))
	}
	return d.settle(t, cmd.Part, cmd.Outcome)
}

// settle writes how the case, or a part of it, was settled, and closes it where
// nothing is left.
func (d *Desk) settle(t *turn, part int, o Outcome) error {
	t.event.Part = part
	if err := t.c.settlePart(part, o); err != nil {
		return err
	}
	if t.c.State != Resolved {
		return nil
	}
	t.event.Outcome = o
	for _, x := range t.item.Exceptions {
		t.closeException(x)
	}
	if t.c.Declared != "" {
		return d.tell(t, evidence.CaseClosed)
	}
	return nil
}

// settlePart settles a part or the whole, and resolves the case where nothing is
// left.
func (c *Case) settlePart(part int, o Outcome) error {
	switch {
	case part != 0:
		i := c.part(part)
		if i < 0 {
			return c.Key.wrong(fault.NotFound, opDo, fault.Say("there is no such part", "没有这一部分"), fault.Say("parts are numbered from 1", "部分编号从 1 开始"))
		}
		if c.Parts[i].Outcome != "" {
			return c.Key.wrong(fault.Conflict, opDo, fault.Say("that part is settled", "该部分已处理"), fault.Say("undo that first", "请先撤销"))
		}
		c.Parts[i].Outcome = o
	default:
		for i := range c.Parts {
			if c.Parts[i].Outcome == "" {
				c.Parts[i].Outcome = o
			}
		}
	}
	if !slices.ContainsFunc(c.Parts, func(p Part) bool { return p.Outcome == "" }) {
		c.State, c.Outcome, c.AwaitedFrom = Resolved, o, ""
	}
	return nil
}

func (t *turn) closeException(x payment.Exception) {
	x.State, x.Closed = payment.ExceptionResolved, t.now
	s := t.settlementStep()
	s.Exceptions = append(s.Exceptions, x)
	t.c.Settled = append(t.c.Settled, x.ID)
}

// reopen undoes a resolution. What was booked stays booked; it can be taken back by
// another proposal.
func (d *Desk) reopen(ctx context.Context, t *turn) error {
	if t.c.State != Resolved {
		return t.wrong(fault.Conflict, fault.Say("the case is open", "案件未关闭"), fault.Say("nothing needs to be done", "无需操作"))
	}
	return d.openAgain(ctx, t)
}

func (d *Desk) openAgain(ctx context.Context, t *turn) error {
	t.c.State, t.c.Outcome, t.c.Over, t.c.Declared = Open, "", false, ""
	for i := range t.c.Parts {
		if o := t.c.Parts[i].Outcome; o != WrittenOff && o != Adjusted {
			t.c.Parts[i].Outcome = ""
		}
	}
	for _, id := range t.c.Settled {
		x, err := d.Keeper.ExceptionByID(ctx, t.item.Key.MID, id)
		if err != nil {
			return err
		}
		if x.State == payment.ExceptionResolved {
			x.State, x.Closed = payment.ExceptionOpen, time.Time{}
			s := t.settlementStep()
			s.Exceptions = append(s.Exceptions, x)
		}
	}
	t.c.Settled = nil
	return nil
}

// pair decides that the item and others are the two sides of one thing. It books
// nothing: evidence stays what it was, and the machine's own matching is not
// touched. Where the amounts differ, the difference is written off or the case is
// split first.
func (d *Desk) pair(ctx context.Context, t *turn, cmd Command) error {
	if err := t.open(); err != nil {
		return err
	}
	if len(cmd.With) == 0 || len(cmd.With) > mostParts {
		return t.wrong(fault.Invalid, fault.Say("with what?", "与什么匹配？"), fault.Say("name 1 to %d candidates", "请选择 1 到 %d 个候选", mostParts))
	}
	amount, err := t.c.amountOf(cmd.Part, t.item.Amount)
	if err != nil {
		return err
	}
	m := Match{Number: 1, Part: cmd.Part, By: t.who.Name, At: t.now, Why: cmd.Text}
	for _, o := range t.c.Matches {
		m.Number = max(m.Number, o.Number+1)
	}
	sum := int64(0)
	var others []Key
	for _, ref := range slices.Compact(slices.Sorted(slices.Values(cmd.With))) {
		c, k, err := d.counter(ctx, t, ref)
		if err != nil {
			return err
		}
		if k != (Key{}) {
			others = append(others, k)
		}
		sum += c.Amount
		m.With = append(m.With, c)
	}
	if sum != amount {
		return t.wrong(fault.Conflict, fault.Say("the other side comes to %d, this one to %d", "对方合计 %d，本方 %d", sum, amount),
			fault.Say("split the case and match a part, or propose to write off the difference", "请先拆分后匹配一部分，或提交核销差额"))
	}
	t.c.Matches = append(t.c.Matches, m)
	t.event.With, t.event.Amount, t.event.Currency = m.With, sum, t.item.Currency
	if err := d.settle(t, cmd.Part, Matched); err != nil {
		return err
	}
	t.after = func(ctx context.Context) error { return d.mirror(ctx, t, others, true, cmd.Text) }
	return nil
}

// amountOf is what the whole case, or a part of it, still is about.
func (c *Case) amountOf(part int, whole int64) (int64, error) {
	if part == 0 {
		return c.Left(whole), nil
	}
	i := c.part(part)
	if i < 0 {
		return 0, c.Key.wrong(fault.NotFound, opDo, fault.Say("there is no such part", "没有这一部分"), fault.Say("parts are numbered from 1", "部分编号从 1 开始"))
	}
	return c.Parts[i].Amount, nil
}

// counter looks up the other side of a match: another item, or an entry on an
// account.
func (d *Desk) counter(ctx context.Context, t *turn, ref string) (c Counter, k Key, err error) {
	side, err := d.sideOf(ctx, ref)
	if err != nil {
		return c, k, err
	}
	switch {
	case ref == t.item.Key.String():
		return c, k, t.wrong(fault.Invalid, fault.Say("it is no other side of itself", "不能与自身匹配"), fault.Text{})
	case side.Currency != t.item.Currency:
		return c, k, t.wrong(fault.Conflict, fault.Say("the currencies differ", "币种不同"), fault.Say("money of one currency is matched with the same", "只能匹配相同币种"))
	case sideWord(side.What) == sideWord(t.item.Cause) && sideWord(side.What) != "":
		return c, k, t.wrong(fault.Conflict, fault.Say("both are told by the same side", "两者来自同一方"), fault.Say("a line of theirs is matched with something of ours", "请将对方记录与我方记录匹配"))
	}
	if parsed, err := ParseKey(ref); err == nil {
		k = parsed
	}
	return Counter{Ref: ref, Amount: side.Amount, Text: side.Text}, k, nil
}

// sideWord says who tells of a thing: "ours" or "theirs", "" where it is about both.
func sideWord(what string) string {
	switch what {
	case string(settlement.Short), payment.ExceptionHostOnly, payment.ExceptionReversal, string(OnPayment), string(OnPayout), settlement.ExceptionPayoutUnknown,
		settlement.ExceptionUncredited:
		return "ours"
	case string(settlement.Long), settlement.ExceptionUnknownMerchant, settlement.ExceptionNeverSent, backoffice.ExceptionEntry, payment.ExceptionTerminalOnly, "bank_entry":
		return "theirs"
	}
	return ""
}

// mirror does to the items on the other side what was decided on this one: they
// are matched with it, or no more. It follows the commit of the first side; where
// the process ends in between, Resume goes on with it.
func (d *Desk) mirror(ctx context.Context, t *turn, others []Key, on bool, why string) error {
	for _, k := range others {
		_, err := d.retry(func() (*Case, error) { return d.mirrorOne(ctx, t, k, on, why) })
		if err != nil {
			return err
		}
	}
	return nil
}

func (d *Desk) mirrorOne(ctx context.Context, from *turn, k Key, on bool, why string) (*Case, error) {
	x, err := d.look(ctx, k)
	if err != nil {
		return nil, err
	}
	before := x.Case
	if before == nil {
		before = &Case{Key: k, State: Open}
	}
	ref := from.item.Key.String()
	has := slices.ContainsFunc(before.Matches, func(m Match) bool { return m.With[0].Ref == ref })
	if has == on {
		return before, nil
	}
	now := d.Now()
	next := before.next(now)
	next.Cause, next.Amount, next.Currency = x.Cause, x.Amount, x.Currency
	ev := Event{Key: k, Version: next.Version, At: now, By: from.who.Name, Role: from.who.Role, What: Found, Text: why, Request: from.who.Request}
	t := turn{now: now, who: from.who, item: x, c: &next, event: &ev, step: &Step{MID: k.MID, At: now}}
	if on {
		m := Match{Number: len(next.Matches) + 1, By: from.who.Name, At: now, Why: why, With: []Counter{{Ref: ref, Amount: from.item.Amount, Text: from.item.Cause}}}
		next.Matches = append(next.Matches, m)
		ev.With = m.With
		if err := d.settle(&t, 0, Matched); err != nil {
			return nil, err
		}
	} else {
		ev.What = Unpair
		next.Matches = slices.DeleteFunc(next.Matches, func(m Match) bool { return m.With[0].Ref == ref })
		if err := d.openAgain(ctx, &t); err != nil {
			return nil, err
		}
	}
	t.step.Cases, t.step.Events = []Case{next}, []Event{ev}
	t.step.Audit = append(t.step.Audit, audited(from.who, before, &next, &ev))
	return &next, d.Keeper.CommitDesk(ctx, t.step)
}

// unpair undoes matches: the case is open again, and so are the items on the other
// side.
func (d *Desk) unpair(ctx context.Context, t *turn, cmd Command) error {
	var gone []Match
	t.c.Matches = slices.DeleteFunc(t.c.Matches, func(m Match) bool {
		if cmd.Match != 0 && m.Number != cmd.Match {
			return false
		}
		gone = append(gone, m)
		return true
	})
	if len(gone) == 0 {
		return t.wrong(fault.Conflict, fault.Say("there is no such match", "没有该匹配"), fault.Say("the case lists those that stand", "案件中列有现有匹配"))
	}
	var others []Key
	for _, m := range gone {
		for _, c := range m.With {
			t.event.With = append(t.event.With, c)
			if k, err := ParseKey(c.Ref); err == nil {
				others = append(others, k)
			}
		}
		if i := t.c.part(m.Part); i >= 0 {
			t.c.Parts[i].Outcome = ""
		}
	}
	if t.c.State == Resolved {
		if err := d.openAgain(ctx, t); err != nil {
			return err
		}
	}
	t.after = func(ctx context.Context) error { return d.mirror(ctx, t, others, false, cmd.Text) }
	return nil
}

// declared are what a case may be in the evidence.
var declared = []evidence.State{evidence.Complaint, evidence.RefundRequest, evidence.ChargebackCase}

// declare says that the case is a complaint, a request for a refund or a
// chargeback: that is a fact of the contract, and the one path answers with it.
func (d *Desk) declare(t *turn, cmd Command) error {
	if err := t.open(); err != nil {
		return err
	}
	i := slices.IndexFunc(declared, func(s evidence.State) bool { return s.String() == cmd.What })
	switch {
	case i < 0:
		return t.wrong(fault.Invalid, fault.Say("what is it?", "案件是什么类型？"), fault.Say("complaint, refund_request or chargeback", "complaint、refund_request 或 chargeback"))
	case t.c.Declared != "":
		return t.wrong(fault.Conflict, fault.Say("it is declared already", "已登记"), fault.Say("resolve it; another case is another one", "请先解决，再另立案件"))
	case t.item.Key.Kind != OnPayment:
		return t.wrong(fault.Conflict, fault.Say("only a payment has such a case", "只有交易可登记此类案件"), fault.Text{})
	}
	t.c.Declared, t.event.To = cmd.What, cmd.What
	return d.tell(t, evidence.CaseOpened)
}

// tell writes a fact about the case, with the keys by which the payment is known.
func (d *Desk) tell(t *turn, what evidence.Type) error {
	var keys []string
	if d.Live != nil {
		d.Live.Read(func(c *investigation.Current) {
			p, ok := c.Payment(t.item.Key.Ref)
			if !ok {
				return
			}
			words := c.Around().View.Words
			for _, k := range []struct {
				name string
				word evidence.Word
			}{{"tid", p.Keys.TID}, {"batch", p.Keys.Batch}, {"stan", p.Keys.STAN}, {"rrn", p.Keys.RRN}, {"auth_code", p.Keys.AuthCode}, {"order_id", p.Keys.OrderID}} {
				if s := words.Text(k.word); s != "" {
					keys = append(keys, k.name, s)
				}
			}
		})
	}
	if len(keys) == 0 {
		return t.wrong(fault.Conflict, fault.Say("nothing names the payment", "没有可标识该交易的要素"), fault.Text{})
	}
	w := evidence.LineWriter{Zone: d.zone()}
	const source = "institution/desk"
	number := t.c.Number()
	id := number + "/" + what.String() + "/" + strconv.Itoa(int(t.c.Version))
	w.Begin(source, id, what, t.now, t.now)
	w.Str("mid", t.item.Key.MID)
	for i := 0; i < len(keys); i += 2 {
		w.Str(keys[i], keys[i+1])
	}
	w.Str("case", number)
	w.Str("what", t.c.Declared)
	s := t.settlementStep()
	s.Evidence = append(s.Evidence, payment.Evidence{Source: source, ID: id, Type: what, Time: t.now, MID: t.item.Key.MID, Line: w.End()})
	return nil
}

// Number is how people name the case: C20261126-7KQ2M5XA.
func (c *Case) Number() string {
	h := sha256.Sum256([]byte("daozhang case\x00" + c.Key.String()))
	return "C" + strings.ReplaceAll(c.Opened.UTC().Format("2006-01-02"), "-", "") + "-" + base32.StdEncoding.EncodeToString(h[:])[:8]
}
