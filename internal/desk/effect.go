package desk

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// effect is what a proposal books, as things are now; nil for a motion whose effect
// is not in these books (the gateway's). The error says why it cannot be carried
// out.
func (d *Desk) effect(ctx context.Context, p *Proposal, checkers string) (*settlement.Step, error) {
	now := d.Now()
	ruling := settlement.Ruling{ID: p.ID, Amount: max(p.Amount, -p.Amount), Reason: string(p.Motion), Document: p.Document, Maker: p.Maker, Checker: checkers}
	switch p.Motion {
	case MoveWriteOff:
		return d.writeOff(ctx, p, now)
	case MoveAdjust:
		pos, err := d.Keeper.Position(ctx, p.MID, p.Currency)
		if err != nil {
			return nil, err
		}
		return settlement.Adjust(now, &pos, ruling, p.Amount, p.Against, settlement.Keys{RRN: p.RRN})
	case MoveHold:
		if _, err := d.Keeper.Hold(ctx, p.MID, p.Hold); err == nil {
			return nil, p.wrong(fault.Conflict, opPropose, fault.Say("a hold of that number is there", "该编号的冻结已存在"), fault.Say("each has a number of its own", "每个编号只对应一笔"))
		} else if fault.KindOf(err) != fault.NotFound {
			return nil, err
		}
		pos, err := d.Keeper.Position(ctx, p.MID, p.Currency)
		if err != nil {
			return nil, err
		}
		ruling.ID = p.Hold
		return settlement.Retain(now, &pos, ruling)
	case MoveFree:
		h, err := d.Keeper.Hold(ctx, p.MID, p.Hold)
		if err != nil {
			return nil, err
		}
		return settlement.Release(now, h, p.Maker, checkers)
	case MoveResend:
		return d.resend(ctx, p, now)
	case MoveRelease:
		t, err := d.Keeper.Transaction(ctx, p.Payment)
		if err != nil {
			return nil, err
		}
		if !t.Held || t.State != payment.Approved {
			return nil, p.wrong(fault.Conflict, opPropose, fault.Say("risk does not hold it", "该笔交易未被风控冻结"), fault.Say("it was released already, or it is not approved", "可能已经解除，或交易未处于已批准状态"))
		}
		return nil, nil
	}
	return nil, p.wrong(fault.Invalid, opPropose, fault.Say("there is no such motion", "没有此类提交"), fault.Text{})
}

// writeOff books a break as our loss or gain: against the network's debt, or the
// safeguarded account. The merchant's own money is not touched.
func (d *Desk) writeOff(ctx context.Context, p *Proposal, now time.Time) (*settlement.Step, error) {
	s := &settlement.Step{}
	s.MID, s.At = p.MID, now
	root, err := uuid.Parse(p.ID)
	if err != nil {
		return nil, fault.New(fault.Internal, opPropose, p.ID, err, "")
	}
	debit, credit := p.writeOffAccounts()
	key := "desk/" + p.ID
	s.Transfers = append(s.Transfers, ledger.Transfer{ID: ledger.IDFor(root, key), Key: key, Merchant: p.MID, Currency: p.Currency, Debit: debit, Credit: credit,
		Amount: p.Amount, At: now, Date: calendar.DateIn(now, d.zone()), Reason: string(MoveWriteOff)})
	if p.MID == settlement.House {
		return s, settlement.Check(nil, s)
	}
	before, err := d.Keeper.Position(ctx, p.MID, p.Currency)
	if err != nil {
		return nil, err
	}
	after := before
	after.Version++
	if p.Keep {
		after.Fees += p.Amount
	} else {
		after.Fees -= p.Amount
	}
	s.Positions = append(s.Positions, after)
	return s, settlement.Check(&before, s)
}

func (p *Proposal) writeOffAccounts() (debit, credit ledger.Name) {
	if p.Keep {
		return p.Against, ledger.FeeIncome
	}
	return ledger.FeeIncome, p.Against
}

// resend makes the payouts that send a payout's money again.
func (d *Desk) resend(ctx context.Context, p *Proposal, now time.Time) (*settlement.Step, error) {
	m, err := d.Keeper.MerchantRecord(ctx, p.MID)
	if err != nil {
		return nil, err
	}
	old, err := d.Keeper.Payout(ctx, p.MID, p.Payout)
	if err != nil {
		return nil, err
	}
	pos, err := d.Keeper.Position(ctx, p.MID, old.Currency)
	if err != nil {
		return nil, err
	}
	s, err := settlement.Resend(&d.Office.Policy, now, &m, pos, old, p.Most, calendar.DateIn(now, d.zoneOf(&m)))
	if err == nil && s == nil {
		err = p.wrong(fault.Conflict, opPropose, fault.Say("nothing of it is left to send", "已无可重发的款项"), fault.Say("it has gone out again already", "该款项已重新出款"))
	}
	return s, err
}

// zoneOf is the zone of a merchant's terms, else the institution's.
func (d *Desk) zoneOf(m *merchant.Merchant) *time.Location {
	if n := len(m.Terms); n > 0 {
		if z, err := calendar.Location(m.Terms[n-1].Timezone); err == nil {
			return z
		}
	}
	return d.zone()
}

// postings are the transfers that a proposal makes: those of its effect, or those
// that the next settlement makes of it.
func (p *Proposal) postings(s *settlement.Step) (list []Posting) {
	later := func(debit, credit ledger.Name, amount int64) {
		if amount < 0 {
			debit, credit, amount = credit, debit, -amount
		}
		list = append(list, Posting{debit, credit, amount, p.Currency, true})
	}
	switch p.Motion {
	case MoveAdjust:
		later(p.Against, ledger.MerchantPayable, p.Amount)
	case MoveHold:
		later(ledger.MerchantPayable, ledger.MerchantHeld, p.Amount)
	case MoveFree:
		later(ledger.MerchantHeld, ledger.MerchantPayable, p.Amount)
	case MoveWriteOff:
		debit, credit := p.writeOffAccounts()
		list = append(list, Posting{debit, credit, p.Amount, p.Currency, false})
	case MoveResend:
		if s == nil {
			return nil
		}
		for i := range s.Transfers {
			t := &s.Transfers[i]
			list = append(list, Posting{t.Debit, t.Credit, t.Amount, t.Currency, false})
		}
	}
	return list
}

// balances are the accounts that postings move, before and after.
func balances(standing *ledger.Standing, list []Posting) (out []Balance) {
	place := map[ledger.Name]int{}
	touch := func(n ledger.Name, c money.Currency, side ledger.Side, amount int64) {
		i, ok := place[n]
		if !ok {
			i = len(out)
			place[n] = i
			is := standing.Balance(c, n).On(n.Side())
			out = append(out, Balance{n, c, is, is})
		}
		if n.Side() != side {
			amount = -amount
		}
		out[i].After += amount
	}
	for _, p := range list {
		touch(p.Debit, p.Currency, ledger.Debit, p.Amount)
		touch(p.Credit, p.Currency, ledger.Credit, p.Amount)
	}
	return out
}

// changesOf are what a proposal about a merchant changes, field by field.
func changesOf(m *merchant.Merchant, q *merchant.Proposal) []Change {
	switch {
	case q.Terms != nil:
		old := merchant.Terms{}
		if n := len(m.Terms); n > 0 {
			old = m.Terms[n-1]
		}
		return differing(termsFields(&old, len(m.Terms) > 0), termsFields(q.Terms, true))
	case q.Account != nil:
		old := merchant.Account{}
		if n := len(m.Accounts); n > 0 {
			old = m.Accounts[n-1]
		}
		return differing(accountFields(&old), accountFields(q.Account))
	case q.Status != nil:
		return differing(statusFields(&m.Status), statusFields(q.Status))
	}
	return nil
}

type field struct{ name, value string }

// differing are the fields of two lists of the same names that are not alike.
func differing(before, after []field) (out []Change) {
	for i := range after {
		if before[i].value != after[i].value {
			out = append(out, Change{after[i].name, before[i].value, after[i].value})
		}
	}
	return out
}

func termsFields(t *merchant.Terms, there bool) []field {
	if !there {
		t = &merchant.Terms{ValidFrom: calendar.None}
	}
	var fees []string
	for _, f := range t.Fees {
		s := f.Rate.String()
		for _, p := range []field{{"fixed", number(f.Fixed)}, {"cap", number(f.Cap)}, {"", f.CardType}, {"", f.Network}} {
			if p.value != "" {
				s += strings.TrimRight(" "+p.name, " ") + " " + p.value
			}
		}
		fees = append(fees, s)
	}
	from := ""
	if t.ValidFrom != calendar.None {
		from = t.ValidFrom.String()
	}
	reserve := ""
	if t.Reserve.Rate != 0 {
		reserve = t.Reserve.Rate.String() + " " + strconv.Itoa(t.Reserve.Days) + " d"
	}
	return []field{{"valid_from", from}, {"cycle", t.Cycle}, {"cutoff", t.Cutoff}, {"timezone", t.Timezone}, {"calendar", t.Calendar}, {"capture", t.Capture},
		{"payout_by", t.PayoutBy}, {"t0_minutes", number(int64(t.T0Minutes))}, {"credit_days", number(int64(t.CreditDays))}, {"fees", strings.Join(fees, "; ")},
		{"fee_mode", t.FeeMode}, {"minimum_payout", number(t.MinimumPayout)}, {"preauth_days", number(int64(t.PreauthDays))}, {"reserve", reserve}}
}

func accountFields(a *merchant.Account) []field {
	return []field{{"account", a.Tail}, {"holder", a.Holder}, {"bank", a.Bank}, {"agent", a.Agent}}
}

func statusFields(s *merchant.Status) []field {
	return []field{{"state", string(s.State)}, {"reason", string(s.Reason)}, {"document", s.Document}}
}

func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
