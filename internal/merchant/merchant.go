// Package merchant holds what an acquirer has agreed with its merchants and
// knows of them: their stores, their terms with the dates from which they hold,
// the accounts they are paid to, and whether they may be paid at all.
//
// What moves money is never changed by one person: terms, payout accounts and
// the merchant's state are proposed by a maker and take effect when a checker,
// who is somebody else, approves. Commands are methods of Merchant; each returns
// a Change (the row as it is to be, what happened, the evidence of it) and
// changes nothing itself, so the caller commits the change or drops it.
//
// The package is pure: the moment is an argument, and it reads and writes nothing.
package merchant

import (
	"slices"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// State says whether a merchant's money may leave.
type State string

// The states. Frozen and Suspended let money come in and be settled; it is held.
const (
	Active State = "active"
	// Frozen is by order of others: a court, the police.
	Frozen State = "frozen"
	// Suspended is by the platform's own decision.
	Suspended State = "suspended"
)

// Reason is why a merchant is frozen or suspended, in the words of the contract.
type Reason string

// The reasons.
const (
	Judicial     Reason = "judicial"
	Violation    Reason = "violation"
	Verification Reason = "verification"
	Dormant      Reason = "dormant"
	Risk         Reason = "risk"
)

// Status is a state with who decided it and why.
type Status struct {
	State  State
	Reason Reason // "" when active
	Since  time.Time
	Maker  string
	// Checker is not the maker.
	Checker string
	// Document is the order or the case behind it; "" for none.
	Document string
}

// Store is a place of business. Its terminals belong to the merchant.
type Store struct {
	ID      string
	Name    string
	Address string
	// Opened and Closed are its first and last day of trade; calendar.None for
	// not closed.
	Opened, Closed calendar.Date
}

// Merchant is one merchant, as a row: every Change carries it whole with Version
// one higher.
type Merchant struct {
	MID  string // 15 digits with UnionPay; at most 64 printable characters
	Name string
	// MCC is the four-digit category of ISO 18245.
	MCC string
	// Currency is that of sales and payouts.
	Currency money.Currency
	// Onboarded is the first day on which it may trade.
	Onboarded calendar.Date
	Version   uint32
	Status    Status
	Stores    []Store
	// Terms are the approved ones in order of ValidFrom.
	Terms []Terms
	// Accounts are the approved ones in order of approval, the old among them.
	Accounts []Account
	// Proposals wait for a checker.
	Proposals []Proposal
	// Proposed counts the proposals so far; it numbers them.
	Proposed int
}

// Event is one line of the audit trail.
type Event struct {
	MID     string
	Version uint32 // that the merchant's row has after it; unique with MID
	At      time.Time
	What    string // "onboarded", "terms_proposed", "account_approved", …
	By      string
	// Proposal is the proposal's number, 0 for none.
	Proposal int
	Detail   string
}

// Change is what a command leads to: all of it is committed together.
type Change struct {
	Merchant Merchant
	Event    Event
	Facts    []Fact
}

// Policy is what the institution has decided once for all merchants.
type Policy struct {
	// Cooling is how long a changed payout account waits between its approval and
	// its first use; payouts go to the old one meanwhile. Whoever has stolen a
	// login gains nothing before the merchant's notice of the change is read.
	Cooling time.Duration
	// Expiry is how long a proposal may wait for its checker.
	Expiry time.Duration
	// T0 says who may be paid on the day of the sale.
	T0 T0Rule
	// MaxCycleDays bounds a cycle: T92 is a quarter, T400 a typing mistake.
	MaxCycleDays int
	// Calendars knows calendars by name, with the institution's own holidays.
	Calendars func(name string) (*calendar.Calendar, bool)
}

// DefaultPolicy returns the usual values: 24 hours of cooling, proposals for
// seven days, T+0 after 90 days and 30 days of normal trade, cycles of at most 92
// days, the built-in calendars.
func DefaultPolicy() Policy {
	return Policy{Cooling: 24 * time.Hour, Expiry: 7 * 24 * time.Hour, T0: T0Rule{OnboardedDays: 90, TradingDays: 30}, MaxCycleDays: 92,
		Calendars: calendar.Builtin}
}

// T0Rule says which merchants may be paid on the day of the sale, before the
// network has paid us.
type T0Rule struct {
	// OnboardedDays is the least number of calendar days since onboarding.
	OnboardedDays int
	// TradingDays is the least number of days with normal trade.
	TradingDays int
}

// Trade is what the books know of a merchant's trade.
type Trade struct {
	// NormalDays counts days with captured sales on which risk held nothing and the
	// merchant was active.
	NormalDays int
}

// Qualifies returns nil where the merchant may be paid on the day of the sale
// from a date on; else an error of kind fault.NotAllowed that says what is
// missing.
func (r T0Rule) Qualifies(m *Merchant, from calendar.Date, trade Trade) error {
	if days := int(from) - int(m.Onboarded); days < r.OnboardedDays {
		return fault.New(fault.NotAllowed, fault.Say("agree on payout on the day of the sale", "约定当日到账"), m.MID,
			fault.Say("onboarded %d days before, %d are needed", "入网 %d 天, 须满 %d 天", days, r.OnboardedDays),
			fault.Say("agree on T1 until %s", "%s 前请使用 T1", m.Onboarded.Add(r.OnboardedDays).String()))
	}
	if trade.NormalDays < r.TradingDays {
		return fault.New(fault.NotAllowed, fault.Say("agree on payout on the day of the sale", "约定当日到账"), m.MID,
			fault.Say("%d days of normal trade, %d are needed", "正常交易 %d 天, 须满 %d 天", trade.NormalDays, r.TradingDays),
			fault.Say("agree on T1 for the time being", "暂请使用 T1"))
	}
	return nil
}

// Details are what a new merchant brings.
type Details struct {
	MID, Name, MCC string
	Currency       money.Currency
	Onboarded      calendar.Date
}

// Onboard begins a merchant: active, without terms and account. The error is of
// kind fault.Invalid.
func Onboard(now time.Time, by string, d Details) (Change, error) {
	bad := func(hint fault.Text) (Change, error) {
		return Change{}, fault.New(fault.Invalid, fault.Say("onboard merchant", "商户入网"), d.MID, nil, hint)
	}
	switch {
	case !printable(d.MID, 64):
		return bad(fault.Say("the number is 1 to 64 printable ASCII characters", "商户号为 1 至 64 个可打印 ASCII 字符"))
	case d.Name == "":
		return bad(fault.Say("give the merchant's name", "请填写商户名称"))
	case len(d.MCC) != 4 || !digits(d.MCC):
		return bad(fault.Say("the category is the four digits of ISO 18245, such as 5812", "行业类别码为 ISO 18245 的四位数字, 如 5812"))
	case d.Currency == money.Currency{}:
		return bad(fault.Say("name the currency, such as CNY", "请填写币种, 如 CNY"))
	case d.Onboarded == calendar.None:
		return bad(fault.Say("give the first day of trade", "请填写入网日期"))
	case by == "":
		return bad(fault.Say("name who does it", "请填写经办人"))
	}
	m := Merchant{MID: d.MID, Name: d.Name, MCC: d.MCC, Currency: d.Currency, Onboarded: d.Onboarded,
		Status: Status{State: Active, Since: now, Maker: by}}
	return m.change(now, "onboarded", by, 0, d.Name), nil
}

// OpenStore adds a place of business.
func (m *Merchant) OpenStore(now time.Time, by string, s Store) (Change, error) {
	i := slices.IndexFunc(m.Stores, func(o Store) bool { return o.ID == s.ID })
	switch {
	case s.ID == "" || s.Name == "":
		return Change{}, m.invalid(fault.Say("open store", "新增门店"), fault.Say("a store has a number and a name", "门店须有编号和名称"))
	case i >= 0:
		return Change{}, m.conflict(fault.Say("open store", "新增门店"), fault.Say("its number is taken", "门店编号已存在"), fault.Say("give another number", "请换一个编号"))
	}
	s.Closed = calendar.None
	next := m.next()
	next.Stores = append(next.Stores, s)
	return next.change(now, "store_opened", by, 0, s.ID), nil
}

// CloseStore ends a place of business after a day; what it sold is paid out all
// the same.
func (m *Merchant) CloseStore(now time.Time, by, id string, last calendar.Date) (Change, error) {
	i := slices.IndexFunc(m.Stores, func(o Store) bool { return o.ID == id })
	if i < 0 {
		return Change{}, fault.New(fault.NotFound, fault.Say("close store", "关闭门店"), m.MID+" "+id, nil,
			fault.Say("list the merchant's stores", "请先查看商户的门店"))
	}
	next := m.next()
	next.Stores[i].Closed = last
	return next.change(now, "store_closed", by, 0, id), nil
}

// next returns a copy with its own lists.
func (m *Merchant) next() Merchant {
	n := *m
	n.Stores = slices.Clone(m.Stores)
	n.Terms = slices.Clone(m.Terms)
	n.Accounts = slices.Clone(m.Accounts)
	n.Proposals = slices.Clone(m.Proposals)
	return n
}

// change finishes a command on a copy.
func (m Merchant) change(now time.Time, what, by string, proposal int, detail string) Change {
	m.Version++
	return Change{Merchant: m, Event: Event{MID: m.MID, Version: m.Version, At: now, What: what, By: by, Proposal: proposal, Detail: detail}}
}

func (m *Merchant) invalid(op, hint fault.Text) error {
	return fault.New(fault.Invalid, op, m.MID, nil, hint)
}

func (m *Merchant) conflict(op, cause, hint fault.Text) error {
	return fault.New(fault.Conflict, op, m.MID, cause, hint)
}

func printable(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func digits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return s != ""
}
