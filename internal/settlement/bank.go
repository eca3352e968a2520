package settlement

import (
	"slices"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

// Kinds of exceptions about payouts.
const (
	// ExceptionPayoutUnknown is a payout about which the bank says nothing after
	// several inquiries. The inquiries go on.
	ExceptionPayoutUnknown = "payout_outcome_unknown"
	// ExceptionUncredited is a payout that the bank accepted and of whose credit nothing
	// is known after Policy.CreditWithin. It is not sent again: the money may be there.
	ExceptionUncredited = "payout_not_credited"
	// ExceptionReturned is a payout that the bank rejected or returned: it waits for
	// what RemedyOf says, and is resolved when all of it was sent again.
	ExceptionReturned = "payout_returned"
	// ExceptionNeverSent is a bank's word on a payout that was never sent, or is not ours.
	ExceptionNeverSent = "payout_never_sent"
	// ExceptionContradiction is a bank that says a payout was credited which it had
	// refused or returned before, or the other way round.
	ExceptionContradiction = "payout_contradiction"
	// ExceptionPayoutAmount is a bank that says another amount than was ordered.
	ExceptionPayoutAmount = "payout_amount_differs"
)

// Heard is what a bank's word led to.
type Heard string

// What a bank's word can lead to.
const (
	Taken        Heard = "taken"
	Repeated     Heard = "repeated"     // it was known
	Late         Heard = "late"         // something newer is known
	Nothing      Heard = "nothing_new"  // no answer to an inquiry
	NeverSent    Heard = "never_sent"   // an exception
	Contradicted Heard = "contradicted" // an exception
	OtherAmount  Heard = "other_amount" // an exception
)

// Remedy is what has to be done about a refused or returned payout before its
// money goes out again.
type Remedy string

// The remedies.
const (
	// MendAccount: the account or its holder is wrong; the merchant brings another.
	MendAccount Remedy = "mend_account"
	// SplitAmount: the amount is over a limit; smaller payouts may pass.
	SplitAmount Remedy = "split_amount"
	// TryAgain: the bank's trouble; the same again with the next run.
	TryAgain Remedy = "try_again"
	// AskPerson: a code that tells a machine nothing.
	AskPerson Remedy = "ask_person"
)

// remedies is the table of ISO 20022 reasons (external status and return reasons).
// Those about the debtor's side (AC02, AC05, AC13, BE05, RC03, DNOR) are about our own
// account or bank: no merchant can mend them, a person of ours has to.
var remedies = map[string]Remedy{
	"AC01": MendAccount, "AC03": MendAccount, "AC04": MendAccount, "AC06": MendAccount, "AC07": MendAccount, "AC14": MendAccount,
	"AG01": MendAccount, "BE01": MendAccount, "BE04": MendAccount, "BE06": MendAccount, "BE23": MendAccount, "MD07": MendAccount,
	"RC01": MendAccount, "RC04": MendAccount, "RC07": MendAccount, "CNOR": MendAccount,
	"AM02": SplitAmount, "AM13": SplitAmount, "AM14": SplitAmount, "AM21": SplitAmount,
	"AB05": TryAgain, "AB06": TryAgain, "AB07": TryAgain, "AB08": TryAgain, "AB09": TryAgain, "AB10": TryAgain, "AM04": TryAgain,
	"DT01": TryAgain, "TM01": TryAgain, "ED05": TryAgain, "NOOR": TryAgain, "RR11": TryAgain,
	"AC02": AskPerson, "AC05": AskPerson, "AC13": AskPerson, "BE05": AskPerson, "RC03": AskPerson, "DNOR": AskPerson,
}

// IsReason reports whether a code is one of the ISO 20022 reasons that are known.
func IsReason(code string) bool {
	_, ok := remedies[code]
	return ok
}

// RemedyOf says what an ISO 20022 reason asks for.
func RemedyOf(reason string) Remedy {
	if r, ok := remedies[reason]; ok {
		return r
	}
	return AskPerson
}

// Dispatch sends a created payout: the step holds the order to pay, which leaves
// once the step is durable. From then on nobody sends it again: if the process
// ends in between, the outcome is asked about. It returns fault.Conflict for a
// payout that is not Created, fault.NotAllowed while the merchant is frozen.
func Dispatch(pol *Policy, now time.Time, m *merchant.Merchant, p Payout) (*Step, error) {
	op := fault.Say("send payout", "发出出款")
	if p.State != Created {
		return nil, fault.New(fault.Conflict, op, p.ID, fault.Say("it is %s", "状态为 %s", p.State.String()),
			fault.Say("a payout is sent once; ask the bank what became of it", "出款只发一次; 请向银行查询"))
	}
	if m.Status.State != merchant.Active {
		return nil, fault.New(fault.NotAllowed, op, p.ID, fault.Say("the merchant is %s", "商户状态为 %s", string(m.Status.State)),
			fault.Say("it goes when the hold ends", "解除后再发"))
	}
	p.State, p.Sent, p.Next = Sent, now, now.Add(pol.AnswerWithin)
	p.Version++
	s := newStep(p.MID, now)
	s.facts(zoneOf(m)).payout(&p, evidence.Sent, now, "platform", "")
	s.Payouts = append(s.Payouts, p)
	s.Orders = append(s.Orders, Order{Kind: Pay, Payout: p, Attempt: 1, At: now})
	return s, Check(nil, s)
}

// Tick asks about a payout on which the bank's word is missing. It returns nil
// where nothing is due.
func Tick(pol *Policy, now time.Time, p Payout) (*Step, error) {
	if p.State != Sent && p.State != Unknown || now.Before(p.Next) {
		return nil, nil
	}
	s := newStep(p.MID, now)
	p.State = Unknown
	p.Inquiries++
	pause := pol.AskFirst
	for i := 1; i < p.Inquiries && pause < pol.AskMost; i++ {
		pause *= 2
	}
	p.Next = now.Add(min(pause, pol.AskMost))
	p.Version++
	if p.Inquiries == pol.ExceptionAfter+1 {
		p.Escalated = now
		s.Exceptions = append(s.Exceptions, p.exception(ExceptionPayoutUnknown, "", "bank/"+p.Account.Bank, now, p.Amount,
			"the bank has not said what became of the order "+p.ID+"; it is asked, never sent again"))
	}
	s.Payouts = append(s.Payouts, p)
	s.Orders = append(s.Orders, Order{Kind: Inquire, Payout: p, Attempt: p.Inquiries, At: now})
	return s, Check(nil, s)
}

// CreditBy is when the credit of a payout that the bank accepted has to be known: when
// the last of Policy.CreditWithin bank days after its word has ended.
func (p *Payout) CreditBy(pol *Policy, days *calendar.Calendar, zone *time.Location) time.Time {
	return days.AddBusinessDays(calendar.DateIn(p.Word, zone), pol.CreditWithin).Add(1).In(zone)
}

// Uncredited opens the exception of a payout that the bank accepted and of whose
// credit nothing is known by a moment, see CreditBy. Nothing else changes. It returns
// nil where nothing is due, or the exception is open.
func Uncredited(now, by time.Time, p Payout) (*Step, error) {
	if p.State != Accepted || !p.Escalated.IsZero() || now.Before(by) {
		return nil, nil
	}
	s := newStep(p.MID, now)
	p.Escalated = now
	p.Version++
	s.Exceptions = append(s.Exceptions, p.exception(ExceptionUncredited, "", "bank/"+p.Account.Bank, now, p.Amount,
		"the bank accepted payout "+p.ID+" and no statement shows its credit; ask the bank, and whether a statement is missing"))
	s.Payouts = append(s.Payouts, p)
	return s, Check(nil, s)
}

// exception is about a payout; the same kind about the same payout is the same
// exception.
func (p *Payout) exception(kind, ref, owner string, at time.Time, amount int64, detail string) payment.Exception {
	return payment.Exception{ID: derived(p.Day, kind+"/"+p.ID+"/"+ref), MID: p.MID, Kind: kind, Owner: owner, Amount: amount, Currency: p.Currency,
		Opened: at, Detail: detail}
}

// returned is the exception about a payout that came back.
func (p *Payout) returned() payment.Exception {
	owner := "platform"
	if RemedyOf(p.Reason) == MendAccount {
		owner = "merchant"
	}
	return p.exception(ExceptionReturned, "", owner, p.Back, p.Amount, "payout "+p.ID+" was "+p.State.String()+" ("+printable(p.Reason, 4)+"): "+string(RemedyOf(p.Reason)))
}

// Stray is a bank's word on a payout that is not on record: an exception of the
// platform, for which the bank has to say whose money it is.
func Stray(now time.Time, w Word, day calendar.Date) *Step {
	s := newStep(House, now)
	s.Exceptions = append(s.Exceptions, payment.Exception{ID: derived(day, ExceptionNeverSent+"/"+w.Payout+"/"+w.State.String()), MID: House,
		Kind: ExceptionNeverSent, Owner: "platform", Amount: w.Amount, Currency: w.Currency, Opened: now,
		Detail: "the bank says " + w.State.String() + " of a payout that is not on record (" + printable(w.Payout, 35) + ")"})
	return s
}

// printable gives what others wrote without what could break a line, and not
// more of it than fits: an identification is no place for card numbers, but
// nobody keeps others from writing one.
func printable(text string, most int) string {
	b := make([]byte, 0, most)
	digits := 0
	for i := 0; i < len(text) && len(b) < most; i++ {
		c := text[i]
		if c < ' ' || c > '~' {
			c = '?'
		}
		if digits++; c < '0' || c > '9' {
			digits = 0
		}
		if digits > 12 {
			c = '*'
		}
		b = append(b, c)
	}
	return string(b)
}

// Hear takes a bank's word on a payout. Words come late, twice and in any order:
// a payout only moves along its states, what is known already has no effect, and
// what cannot be true together with what is known is an exception. The step is
// nil where there is nothing to write.
func Hear(pol *Policy, now time.Time, m *merchant.Merchant, pos Position, p Payout, w Word, day calendar.Date) (*Step, Heard, error) {
	s := newStep(p.MID, now)
	f := s.facts(zoneOf(m))
	f.recorded = now
	doubt := w.State.String() + "/" + w.Ref
	if slices.Contains(p.Doubts, doubt) {
		return nil, Repeated, nil
	}
	refuse := func(h Heard, kind, owner string, amount int64, detail string) (*Step, Heard, error) {
		p.Doubts = append(slices.Clip(p.Doubts), doubt)
		p.Version++
		s.Payouts = append(s.Payouts, p)
		s.Exceptions = append(s.Exceptions, p.exception(kind, w.State.String(), owner, now, amount, detail))
		return s, h, Check(nil, s)
	}
	bank := "bank/" + p.Account.Bank
	switch {
	case p.State == Created || p.State == Stopped:
		return refuse(NeverSent, ExceptionNeverSent, "platform", p.Amount, "the bank says "+w.State.String()+" of payout "+p.ID+", which was not sent")
	case w.Amount != 0 && w.Amount != p.Amount || w.Currency != (money.Currency{}) && w.Currency != p.Currency:
		return refuse(OtherAmount, ExceptionPayoutAmount, bank, abs(p.Amount-w.Amount),
			"the bank says "+w.State.String()+" of another amount than payout "+p.ID+" ordered")
	}
	if w.State == Unknown {
		// "No original received" means it only when it was said after the order could
		// arrive no more: what arrives after the answer would be paid twice.
		if w.Reason != "NOOR" || w.At.Before(p.Sent.Add(pol.LastArrival)) || p.State != Unknown && p.State != Sent {
			return nil, Nothing, nil
		}
		w.State = Rejected
	}
	word := map[PayoutState]evidence.State{Accepted: evidence.Accepted, Credited: evidence.Credited, Rejected: evidence.Rejected, Returned: evidence.Returned}[w.State]
	if word == evidence.NoState {
		return nil, Nothing, nil
	}
	open := p.State == Sent || p.State == Unknown
	gone := p.State == Rejected || p.State == Returned
	switch {
	case w.State == p.State, w.State == Accepted && !open, gone && (w.State == Rejected || w.State == Returned):
		if w.State != p.State && w.At.Before(p.Word) {
			return nil, Late, nil
		}
		return nil, Repeated, nil
	case gone && w.State == Credited && w.At.Before(p.Word):
		return nil, Late, nil // it was credited, and then it came back
	case gone || p.State == Credited && w.State == Rejected:
		f.payout(&p, word, w.At, "bank", w.Ref)
		return refuse(Contradicted, ExceptionContradiction, bank, p.Amount, "the bank said "+p.State.String()+" of payout "+p.ID+" and now says "+w.State.String())
	}
	before, doubted := pos, ExceptionPayoutUnknown
	if p.State == Accepted {
		doubted = ExceptionUncredited
	}
	p.State, p.Word = w.State, w.At
	p.Version++
	if w.State == Rejected || w.State == Returned {
		p.Reason = w.Reason
	}
	if !p.Escalated.IsZero() {
		x := p.exception(doubted, "", bank, p.Escalated, p.Amount, "the bank said "+w.State.String())
		x.State, x.Closed = payment.ExceptionResolved, now
		s.Exceptions = append(s.Exceptions, x)
		p.Escalated = time.Time{}
	}
	switch w.State {
	case Credited:
		s.move(p.Currency, day, ledger.PayoutInTransit, ledger.MerchantPaid, p.Amount, "payout/"+p.ID+"/credited", reasonCredited)
		pos.InTransit -= p.Amount
		pos.Paid += p.Amount
		p.Paid = true
	case Rejected, Returned:
		from, reason := ledger.PayoutInTransit, reasonRejected
		if w.State == Returned {
			reason = reasonReturned
		}
		if p.Paid {
			from = ledger.MerchantPaid
			pos.Paid -= p.Amount
			p.Paid = false
		} else {
			pos.InTransit -= p.Amount
		}
		p.Back = now
		s.Exceptions = append(s.Exceptions, p.returned())
		s.move(p.Currency, day, from, ledger.MerchantPayable, p.Amount, "payout/"+p.ID+"/back", reason)
		pos.Payable += p.Amount
		pos.Returned += p.Amount
		if pos.Hold != "" {
			s.freeze(&pos, day, before.Version+1)
		}
	}
	f.payout(&p, word, w.At, "bank", w.Ref)
	s.Payouts = append(s.Payouts, p)
	if w.State != Accepted {
		pos.Version++
		s.Positions = append(s.Positions, pos)
	}
	return s, Taken, Check(&before, s)
}

// Resend makes new payouts of the money of a rejected or returned one. Each names
// it; most is the largest amount of one, 0 for no limit. The account is the
// merchant's usable one now: a blocked one is never tried again. What has gone
// out already is not sent twice, and never more than is payable: the rest waits.
// It returns nil where nothing is left to send.
//
// Errors: fault.Conflict for a payout that did not come back, or without a usable
// account; fault.NotAllowed while the merchant is frozen.
func Resend(pol *Policy, now time.Time, m *merchant.Merchant, pos Position, old Payout, most int64, day calendar.Date) (*Step, error) {
	op := fault.Say("send payout again", "重新出款")
	if old.State != Rejected && old.State != Returned {
		return nil, fault.New(fault.Conflict, op, old.ID, fault.Say("it is %s", "状态为 %s", old.State.String()),
			fault.Say("only what the bank rejected or returned is sent again; ask the bank about what is unknown", "只有银行拒绝或退回的才能重发; 结果不明的请查询"))
	}
	if m.Status.State != merchant.Active || pos.Hold != "" {
		return nil, fault.New(fault.NotAllowed, op, old.ID, fault.Say("the merchant is frozen or suspended", "商户已冻结或暂停"), fault.Say("it goes when the hold ends", "解除后再发"))
	}
	left := min(old.Amount-old.Resent, pos.Payable, pos.Returned)
	if left <= 0 {
		return nil, nil
	}
	account, obstacle := m.PayoutAccount(now)
	if obstacle != merchant.NoObstacle {
		return nil, fault.New(fault.Conflict, op, old.ID, fault.Say("no usable account: %s", "没有可用账户: %s", string(obstacle)),
			fault.Say("have the account mended, approved and verified first", "请先更正账户并完成复核与核验"))
	}
	s := newStep(old.MID, now)
	before := pos
	f := s.facts(zoneOf(m))
	for left > 0 {
		amount := left
		if most > 0 {
			amount = min(left, most)
		}
		n := Payout{ID: ReplacementID(&old, len(old.ReplacedBy)+1), MID: old.MID, Currency: old.Currency, Amount: amount, Day: day, Account: account,
			State: Created, Version: 1, Replaces: old.ID, Made: now}
		s.move(n.Currency, day, ledger.MerchantPayable, ledger.PayoutInTransit, amount, "payout/"+n.ID, reasonPayout)
		pos.Payable -= amount
		pos.Returned -= amount
		pos.InTransit += amount
		old.ReplacedBy = append(slices.Clip(old.ReplacedBy), n.ID)
		old.Resent += amount
		left -= amount
		f.payout(&n, evidence.Created, now, "platform", "")
		s.Payouts = append(s.Payouts, n)
	}
	if old.Resent == old.Amount {
		x := old.returned()
		x.State, x.Closed = payment.ExceptionResolved, now
		s.Exceptions = append(s.Exceptions, x)
	}
	old.Version++
	s.Payouts = append(s.Payouts, old)
	pos.Version++
	s.Positions = append(s.Positions, pos)
	return s, Check(&before, s)
}
