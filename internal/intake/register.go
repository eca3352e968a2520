package intake

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"daozhang/internal/access"
	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

// TradeFunc gives what the books know of a merchant's trade.
type TradeFunc func(ctx context.Context, mid string) (merchant.Trade, error)

// Terminal is a terminal as it is registered for taking payments.
type Terminal struct {
	TID      string
	MID      string
	Model    string
	Location string // where it was installed
	Barred   bool
	// Operations are those that it may ask for; none means all.
	Operations []string
}

// Account is a payout account as a person enters it. The number is sealed at once
// and stands nowhere in clear after.
type Account struct {
	Number, Holder, Bank string
	Agent                string // BIC or CNAPS number
}

// hasMerchants is the error of an installation that keeps none.
func (i *Intake) hasMerchants() error {
	if i.Office != nil {
		return nil
	}
	return fault.New(fault.NotFound, fault.Say("find merchants", "查找商户"), "", fault.Say("this installation keeps no merchants' records", "本系统未启用商户管理"),
		fault.Say("name networks and banks in the configuration", "请在配置中填写卡组织与银行"))
}

// change takes a person's decision about a merchant and records it.
func (i *Intake) change(ctx context.Context, who access.Actor, mid string, decide func(*merchant.Merchant, *merchant.Policy) (merchant.Change, error)) (merchant.Merchant, error) {
	if err := i.hasMerchants(); err != nil {
		return merchant.Merchant{}, err
	}
	made, err := i.Office.Change(ctx, mid, decide)
	if err != nil {
		return merchant.Merchant{}, err
	}
	return made.Merchant, i.record(ctx, i.did(who, &made))
}

// did is what a change of a merchant is in the audit log.
func (i *Intake) did(who access.Actor, c *merchant.Change) access.Event {
	e := who.Did(c.Event.At, c.Event.What, "merchant/"+c.Merchant.MID)
	e.MID, e.Version, e.Detail = c.Merchant.MID, c.Merchant.Version, c.Event.Detail
	if c.Event.Proposal > 0 {
		e.After = "proposal " + strconv.Itoa(c.Event.Proposal)
	}
	return e
}

// record keeps an event of the audit log.
func (i *Intake) record(ctx context.Context, e access.Event) error {
	if i.Log == nil {
		return nil
	}
	return i.Log.Record(ctx, e)
}

// trade is what is known of a merchant's trade.
func (i *Intake) trade(ctx context.Context, mid string) (merchant.Trade, error) {
	if i.Trade == nil {
		return merchant.Trade{}, nil
	}
	return i.Trade(ctx, mid)
}

// Onboard takes a merchant on: it may take payments at once, and is paid when its
// terms and its account were proposed and approved. fault.Conflict where the number
// is taken, fault.Invalid for details that cannot be.
func (i *Intake) Onboard(ctx context.Context, who access.Actor, d merchant.Details) (merchant.Merchant, error) {
	if err := i.hasMerchants(); err != nil {
		return merchant.Merchant{}, err
	}
	op := fault.Say("onboard merchant", "商户入网")
	if d.Onboarded == calendar.None {
		d.Onboarded = calendar.DateIn(i.Now(), i.zone())
	}
	made, err := merchant.Onboard(i.Now(), who.Name, d)
	if err != nil {
		return merchant.Merchant{}, err
	}
	if _, err := i.Office.Keeper.MerchantRecord(ctx, d.MID); err == nil {
		return merchant.Merchant{}, fault.New(fault.Conflict, op, d.MID, fault.Say("the number is taken", "商户号已存在"), fault.Say("look at the merchant of that number", "请查看该商户"))
	} else if fault.KindOf(err) != fault.NotFound {
		return merchant.Merchant{}, err
	}
	if err := i.Office.Keeper.CommitMerchant(ctx, &made); err != nil {
		return merchant.Merchant{}, err
	}
	if err := i.Keeper.RegisterMerchant(ctx, &made.Merchant, i.zone().String()); err != nil {
		return merchant.Merchant{}, err
	}
	return made.Merchant, i.record(ctx, i.did(who, &made))
}

// ProposeTerms asks for terms of a merchant, see merchant.ProposeTerms.
func (i *Intake) ProposeTerms(ctx context.Context, who access.Actor, mid string, t merchant.Terms, why string) (merchant.Merchant, error) {
	trade, err := i.trade(ctx, mid)
	if err != nil {
		return merchant.Merchant{}, err
	}
	return i.change(ctx, who, mid, func(m *merchant.Merchant, p *merchant.Policy) (merchant.Change, error) {
		return m.ProposeTerms(i.Now(), who.Name, t, why, p, trade)
	})
}

// ProposeAccount asks for a payout account of a merchant.
func (i *Intake) ProposeAccount(ctx context.Context, who access.Actor, mid string, a Account, why string) (merchant.Merchant, error) {
	if i.Seal == nil {
		return merchant.Merchant{}, fault.New(fault.NotAllowed, fault.Say("propose account", "提交账户"), mid, fault.Say("no keyring is at hand to seal the number", "没有可用的密钥环来加密账号"),
			fault.Say("do it where the server runs", "请在服务所在处操作"))
	}
	var f Flaws
	number := strings.ReplaceAll(strings.TrimSpace(a.Number), " ", "")
	f.need(number != "" && len(number) <= 34, "number", fault.Say("give the account number", "请填写账号"))
	if err := f.err(fault.Say("propose account", "提交账户"), mid); err != nil {
		return merchant.Merchant{}, err
	}
	sealed, err := i.Seal(number, backoffice.AccountContext(mid))
	if err != nil {
		return merchant.Merchant{}, err
	}
	account := merchant.NewAccount(number, sealed, a.Holder, a.Bank, a.Agent)
	return i.change(ctx, who, mid, func(m *merchant.Merchant, p *merchant.Policy) (merchant.Change, error) {
		return m.ProposeAccount(i.Now(), who.Name, account, why, p)
	})
}

// ProposeStatus asks to freeze, suspend or activate a merchant.
func (i *Intake) ProposeStatus(ctx context.Context, who access.Actor, mid string, s merchant.State, r merchant.Reason, document, why string) (merchant.Merchant, error) {
	return i.change(ctx, who, mid, func(m *merchant.Merchant, p *merchant.Policy) (merchant.Change, error) {
		return m.ProposeStatus(i.Now(), who.Name, s, r, document, why, p)
	})
}

// Approve makes a proposal about a merchant effective. The checker is not its
// maker: fault.NotAllowed.
func (i *Intake) Approve(ctx context.Context, who access.Actor, mid string, number int) (merchant.Merchant, error) {
	trade, err := i.trade(ctx, mid)
	if err != nil {
		return merchant.Merchant{}, err
	}
	return i.change(ctx, who, mid, func(m *merchant.Merchant, p *merchant.Policy) (merchant.Change, error) {
		return m.Approve(i.Now(), who.Name, number, p, trade)
	})
}

// Decline drops a proposal; its maker withdraws it so.
func (i *Intake) Decline(ctx context.Context, who access.Actor, mid string, number int, why string) (merchant.Merchant, error) {
	return i.change(ctx, who, mid, func(m *merchant.Merchant, _ *merchant.Policy) (merchant.Change, error) {
		return m.Decline(i.Now(), who.Name, number, why)
	})
}

// VerifyAccount records that the owner of a merchant's account was confirmed.
func (i *Intake) VerifyAccount(ctx context.Context, who access.Actor, mid, token, method string) (merchant.Merchant, error) {
	return i.change(ctx, who, mid, func(m *merchant.Merchant, _ *merchant.Policy) (merchant.Change, error) {
		return m.VerifyAccount(i.Now(), who.Name, token, method)
	})
}

// OpenStore adds a place of business, CloseStore ends one after a day.
func (i *Intake) OpenStore(ctx context.Context, who access.Actor, mid string, s merchant.Store) (merchant.Merchant, error) {
	return i.change(ctx, who, mid, func(m *merchant.Merchant, _ *merchant.Policy) (merchant.Change, error) {
		return m.OpenStore(i.Now(), who.Name, s)
	})
}

// CloseStore ends a place of business after a day.
func (i *Intake) CloseStore(ctx context.Context, who access.Actor, mid, id string, last calendar.Date) (merchant.Merchant, error) {
	return i.change(ctx, who, mid, func(m *merchant.Merchant, _ *merchant.Policy) (merchant.Change, error) {
		return m.CloseStore(i.Now(), who.Name, id, last)
	})
}

// RegisterTerminal registers a terminal or changes what is registered; it may take
// payments within a minute. A terminal keeps its merchant for life. Errors:
// fault.Invalid with Flaws, fault.Conflict where it is another merchant's.
func (i *Intake) RegisterTerminal(ctx context.Context, who access.Actor, t Terminal) error {
	op := fault.Say("register terminal", "登记终端")
	var f Flaws
	f.need(len(t.TID) == 8, "tid", fault.Say("a terminal number has 8 characters", "终端号为 8 位"))
	f.need(t.MID != "", "mid", fault.Say("name its merchant", "请填写商户号"))
	f.need(len(t.Model) <= 64 && len(t.Location) <= 128, "model", fault.Say("it is too long", "内容过长"))
	for _, o := range t.Operations {
		_, known := payment.ParseOperation(o)
		f.need(known, "operations", fault.Say("there is no operation %s", "没有 %s 这种操作", o))
	}
	if err := f.err(op, t.TID); err != nil {
		return err
	}
	all, err := i.Keeper.RegisteredTerminals(ctx)
	if err != nil {
		return err
	}
	what, before := "registered", ""
	if n := slices.IndexFunc(all, func(o Terminal) bool { return o.TID == t.TID }); n >= 0 {
		if all[n].MID != t.MID {
			return fault.New(fault.Conflict, op, t.TID, fault.Say("the terminal is of another merchant", "该终端属于其他商户"), fault.Say("give it another number", "请换一个终端号"))
		}
		what, before = "changed", all[n].describe()
	}
	if i.Office != nil {
		if _, err := i.Office.Keeper.MerchantRecord(ctx, t.MID); err != nil {
			return err
		}
	}
	if err := i.Keeper.PutTerminalRecord(ctx, t); err != nil {
		return err
	}
	e := who.Did(i.Now(), what, "terminal/"+t.TID)
	e.MID, e.Before, e.After = t.MID, before, t.describe()
	return i.record(ctx, e)
}

// describe is a terminal in a line of the audit log.
func (t *Terminal) describe() string {
	s := strings.TrimSpace(t.Model + " " + t.Location)
	if t.Barred {
		s += " barred"
	}
	if len(t.Operations) > 0 {
		s += " " + strings.Join(t.Operations, ",")
	}
	return strings.TrimSpace(s)
}

// ParseCurrency is money.ParseCurrency with a flaw of the field "currency".
func ParseCurrency(s string) (money.Currency, error) {
	c, err := money.ParseCurrency(s)
	if err != nil {
		var f Flaws
		f.need(false, "currency", fault.Say("write a currency, for example CNY", "请写币种，例如 CNY"))
		return c, f.err(fault.Say("read currency", "读取币种"), "")
	}
	return c, nil
}
