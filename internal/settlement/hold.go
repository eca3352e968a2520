package settlement

import (
	"strconv"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
)

// holdOf is the hold that a merchant's state stands for.
func holdOf(m *merchant.Merchant, c money.Currency) Hold {
	s := m.Status
	return Hold{ID: "status/" + c.String() + "/" + strconv.FormatInt(s.Since.UnixMicro(), 36), MID: m.MID, Currency: c, Whole: true,
		Reason: string(s.State) + "_" + string(s.Reason), Document: s.Document, Maker: s.Maker, Checker: s.Checker, Opened: s.Since}
}

// freeze moves whatever is payable into merchant_held, or back where no hold by
// state lasts; a negative balance is carried, not held.
func (s *Step) freeze(p *Position, day calendar.Date, version uint32) {
	all := sum(p.Payable, p.Frozen)
	frozen := int64(0)
	if p.Hold != "" {
		frozen = max(all, 0)
	}
	delta := frozen - p.Frozen
	reason := reasonFreeze
	if delta < 0 {
		reason = reasonUnfreeze
	}
	key := "hold/" + p.Currency.String() + "/" + strconv.FormatUint(uint64(version), 10)
	s.move(p.Currency, day, ledger.MerchantPayable, ledger.MerchantHeld, delta, key, reason)
	p.Payable -= delta
	p.Frozen = frozen
}

// Follow brings a position in line with the merchant's state after it changed:
// freezing holds what is payable and stops payouts that were created and not
// sent; activating gives both free. hold is the one on record that
// Position.Hold names, nil where there is none; waiting are the merchant's
// payouts in state Created or Stopped. It returns nil where nothing is to do.
func Follow(pol *Policy, now time.Time, m *merchant.Merchant, p Position, day calendar.Date, hold *Hold, waiting []Payout) (*Step, error) {
	active := m.Status.State == merchant.Active
	next := holdOf(m, p.Currency)
	if active {
		next = Hold{}
	}
	if p.Hold == next.ID {
		return nil, nil
	}
	s := newStep(m.MID, now)
	before := p
	version := p.Version + 1
	if p.Hold != "" { // it ends, or another reason takes its place
		if hold == nil || hold.ID != p.Hold {
			return nil, fault.New(fault.NotFound, fault.Say("release hold", "解除冻结"), m.MID+" "+p.Hold, nil,
				fault.Say("read the hold that the position names", "请读取余额记录所指的冻结记录"))
		}
		h := *hold
		h.Releaser, h.ReleaseChecker, h.Released = m.Status.Maker, m.Status.Checker, now
		s.Holds = append(s.Holds, h)
	}
	if !active {
		s.Holds = append(s.Holds, next)
	}
	p.Hold = next.ID
	s.freeze(&p, day, version)
	f := s.facts(zoneOf(m))
	for _, w := range waiting {
		switch {
		case !active && w.State == Created:
			w.State = Stopped
			p.InTransit -= w.Amount
			p.Stopped += w.Amount
			w.Version++
			s.move(p.Currency, day, ledger.PayoutInTransit, ledger.MerchantHeld, w.Amount, w.key("stop"), reasonFreeze)
			f.payout(&w, evidence.Held, now, "platform", "")
		case active && w.State == Stopped:
			w.State = Created
			p.Stopped -= w.Amount
			p.InTransit += w.Amount
			w.Version++
			s.move(p.Currency, day, ledger.MerchantHeld, ledger.PayoutInTransit, w.Amount, w.key("go"), reasonUnfreeze)
			f.payout(&w, evidence.Created, now, "platform", "")
		default:
			continue
		}
		s.Payouts = append(s.Payouts, w)
	}
	p.Version = version
	s.Positions = append(s.Positions, p)
	return s, Check(&before, s)
}

// Behind reports whether Follow has something to do.
func Behind(m *merchant.Merchant, p *Position) bool {
	if m.Status.State == merchant.Active {
		return p.Hold != ""
	}
	return p.Hold != holdOf(m, p.Currency).ID
}

// key names a transfer of a payout that can happen more than once.
func (p *Payout) key(word string) string {
	return "payout/" + p.ID + "/" + word + "/" + strconv.Itoa(int(p.Version))
}

func newStep(mid string, at time.Time) *Step {
	s := &Step{}
	s.MID, s.At = mid, at
	return s
}

// zoneOf is the zone in which a merchant's facts are told.
func zoneOf(m *merchant.Merchant) *time.Location {
	if n := len(m.Terms); n > 0 {
		if z, err := calendar.Location(m.Terms[n-1].Timezone); err == nil {
			return z
		}
	}
	return time.UTC
}

// check holds an extra against its rules: who decides about money is two people.
func (x *Extra) check() error {
	bad := func(hint fault.Text) error {
		return fault.New(fault.Invalid, fault.Say("settle extra line", "结算附加项"), x.MID+" "+x.ID, nil, hint)
	}
	switch {
	case x.ID == "":
		return bad(fault.Say("give it a number", "请填写编号"))
	case x.Kind != evidence.Chargeback && x.Kind != evidence.Adjustment && x.Kind != evidence.FeeKind && x.Kind != evidence.Reserve && x.Kind != evidence.ReserveRelease:
		return bad(fault.Say("it is a chargeback, an adjustment, a fee, a reserve or its release", "类型为 chargeback、adjustment、fee、reserve 或 reserve_release"))
	case x.Against != ledger.NetworkReceivable && x.Against != ledger.FeeIncome && x.Against != ledger.MerchantHeld:
		return bad(fault.Say("it stands against network_receivable, fee_income or merchant_held", "对方科目为 network_receivable、fee_income 或 merchant_held"))
	case x.Maker != "" && x.Maker == x.Checker:
		return bad(fault.Say("the maker cannot be the checker", "经办人不能复核自己的提交"))
	case (x.Maker == "") != (x.Checker == ""):
		return bad(fault.Say("name maker and checker, or neither for what a file says", "经办人与复核人须同时填写, 文件来源则都不填"))
	}
	return nil
}

// Ruling is a decision of people about a merchant's money: a part to hold or to
// give free, or an adjustment.
type Ruling struct {
	// ID is the number of the case or the court's order.
	ID             string
	Amount         int64 // minor units, more than 0
	Reason         string
	Document       string
	Maker, Checker string
}

// Retain holds an amount of a merchant's money: an order over a part, a dispute.
// It is taken from the next run's payout by a line of its own; where there is
// less, the balance is negative until sales cover it.
func Retain(now time.Time, p *Position, r Ruling) (*Step, error) {
	x := r.extra(now, p, evidence.Reserve, -r.Amount, ledger.MerchantHeld)
	if err := r.check(&x); err != nil {
		return nil, err
	}
	s := newStep(p.MID, now)
	s.Extras = append(s.Extras, x)
	s.Holds = append(s.Holds, Hold{ID: r.ID, MID: p.MID, Currency: p.Currency, Amount: r.Amount, Reason: r.Reason, Document: r.Document,
		Maker: r.Maker, Checker: r.Checker, Opened: now})
	return s, nil
}

// Release ends a hold of an amount; the next run pays it. Where no run has settled
// the hold itself yet, both go into the same one: extras are given in order of time.
func Release(now time.Time, h Hold, maker, checker string) (*Step, error) {
	if h.Whole || !h.Released.IsZero() {
		return nil, fault.New(fault.Conflict, fault.Say("release hold", "解除冻结"), h.MID+" "+h.ID,
			fault.Say("it is released already, or by the merchant's state", "该冻结已解除, 或由商户状态决定"),
			fault.Say("change the merchant's state instead", "请变更商户状态"))
	}
	p := &Position{MID: h.MID, Currency: h.Currency}
	r := Ruling{ID: h.ID + "/release", Amount: h.Amount, Reason: h.Reason, Document: h.Document, Maker: maker, Checker: checker}
	x := r.extra(now, p, evidence.ReserveRelease, h.Amount, ledger.MerchantHeld)
	if err := r.check(&x); err != nil {
		return nil, err
	}
	h.Releaser, h.ReleaseChecker, h.Released, h.Amount = maker, checker, now, 0
	s := newStep(h.MID, now)
	s.Extras = append(s.Extras, x)
	s.Holds = append(s.Holds, h)
	return s, nil
}

// Adjust gives (or takes, where amount is negative) by decision of the platform,
// against fee_income, or because a network corrected something, against
// network_receivable. k names the payment that it is about, if any.
func Adjust(now time.Time, p *Position, r Ruling, amount int64, against ledger.Name, k Keys) (*Step, error) {
	r.Amount = abs(amount)
	x := r.extra(now, p, evidence.Adjustment, amount, against)
	x.Keys = k
	if err := r.check(&x); err != nil {
		return nil, err
	}
	s := newStep(p.MID, now)
	s.Extras = append(s.Extras, x)
	return s, nil
}

func (r *Ruling) extra(now time.Time, p *Position, k evidence.Kind, net int64, against ledger.Name) Extra {
	return Extra{ID: r.ID, MID: p.MID, Kind: k, Net: net, Currency: p.Currency, Against: against, Reason: r.Reason, Maker: r.Maker, Checker: r.Checker, At: now}
}

func (r *Ruling) check(x *Extra) error {
	if err := x.check(); err != nil {
		return err
	}
	var hint fault.Text
	switch {
	case r.Amount <= 0:
		hint = fault.Say("the amount is more than 0", "金额须大于 0")
	case r.Maker == "" || r.Checker == "":
		hint = fault.Say("two people decide: name maker and checker", "须由两人决定: 请填写经办人与复核人")
	case r.Reason == "":
		hint = fault.Say("give the reason", "请填写原因")
	default:
		return nil
	}
	return fault.New(fault.Invalid, fault.Say("rule on a merchant's money", "处置商户资金"), x.MID+" "+x.ID, nil, hint)
}
