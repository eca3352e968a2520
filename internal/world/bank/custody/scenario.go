package custody

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/world/bank/hours"
)

// Scenario says how the bank behaves. The zero value knows every account, pays
// every order at once, at any hour, and states each account every morning. It is
// read from YAML or JSON; amounts are in minor units, durations are written as
// 90m or 26h, moments as 2026-03-02T14:00:00+08:00. A Scenario is not changed
// once given to a Bank.
type Scenario struct {
	// Name is the bank's, as links and notices spell it: CUSTODY where not said.
	Name string `yaml:"name"`
	// BIC of the bank, as its messages carry it; CSTDCNBJ where not said.
	BIC string `yaml:"bic"`
	// Seed decides everything that chance decides.
	Seed uint64 `yaml:"seed"`
	// Zone of the bank's days; Asia/Shanghai where not said.
	Zone string `yaml:"zone"`
	// Calendar of its business days, such as CN; every day is one where not said.
	// Holidays are further days off of this bank alone.
	Calendar string          `yaml:"calendar"`
	Holidays []calendar.Date `yaml:"holidays"`
	// Hours in which payouts are booked, such as 08:30-17:00; round the clock
	// where not said. What is accepted outside of them, or on a day off, has the
	// value of the next business day.
	Hours string `yaml:"hours"`
	// Customers hold the accounts that orders pay from. Where none is listed, the
	// account of the first order is one, with DefaultBalance on it.
	Customers []Customer `yaml:"customers"`
	// Payees are the accounts that are paid, as far as something is to be said of
	// them. Others exist and take what comes, but with OnlyListed they do not exist
	// (AC01).
	Payees     []Payee `yaml:"payees"`
	OnlyListed bool    `yaml:"only_listed"`
	// Accept is how long the bank takes from an order to its verdict, Credit from
	// the debit to the payee's account.
	Accept Delay `yaml:"accept"`
	Credit Delay `yaml:"credit"`
	// Limits of what a customer may pay.
	Limits Limits `yaml:"limits"`
	// Charge is what the bank takes of its customer for each payout.
	Charge int64 `yaml:"charge"`
	// Funding is the time of day at which money of the networks is booked, on the
	// value date; 10:00 where not said.
	Funding string `yaml:"funding"`
	// Outages are the times in which the bank does not work.
	Outages []Outage `yaml:"outages"`
	// Rules are tried in order on each payout; the first that fits decides.
	Rules []Rule `yaml:"rules"`
	// Statements says what statements are like.
	Statements Statements `yaml:"statements"`

	zone      *time.Location
	calendar  *calendar.Calendar // nil: every day
	open      hours.Span
	fundingAt time.Duration
	statingAt time.Duration
}

// DefaultBalance is that of a customer of whom the scenario says nothing: a
// hundred million in major units.
const DefaultBalance = 10_000_000_000

// Customer holds an account that orders are paid from: the acquirer's safeguarded
// account.
type Customer struct {
	Account  string `yaml:"account"`
	Name     string `yaml:"name"`
	Currency string `yaml:"currency"` // CNY where not said
	// Balance on the day it is opened.
	Balance int64 `yaml:"balance"`
}

// Payee is an account that is paid.
type Payee struct {
	Account string `yaml:"account"`
	// Name of the holder: an order that says another is refused (BE01). Any name
	// will do where it is empty.
	Name string `yaml:"name"`
	// Closed from that day on (AC04).
	Closed calendar.Date `yaml:"closed"`
	// Blocked (AC06): from and to; without a to it stays blocked.
	Blocked Period `yaml:"blocked"`
	// Limit of one credit (AM21); 0 is none.
	Limit int64 `yaml:"limit"`
	// Found: what is wrong with the account is found by its own bank so long after
	// the debit, and the money is returned. The order is refused where 0.
	Found time.Duration `yaml:"found_after"`
	// Statement: the form of its statements, none for none; that of all payees
	// where not said.
	Statement string `yaml:"statement"`
}

// Period is from a moment to another; open where the end is zero.
type Period struct {
	From time.Time `yaml:"from"`
	To   time.Time `yaml:"to"`
}

func (p Period) has(at time.Time) bool {
	return !p.From.IsZero() && !at.Before(p.From) && (p.To.IsZero() || at.Before(p.To))
}

// Delay is always Fixed, and up to Spread more by chance.
type Delay struct {
	Fixed  time.Duration `yaml:"fixed"`
	Spread time.Duration `yaml:"spread"`
}

// Limits of what a customer pays; 0 is none. AM02 for a single amount, AM14 for
// the sum of a day, AM21 for the number of payouts of a day.
type Limits struct {
	Single int64 `yaml:"single"`
	Daily  int64 `yaml:"daily"`
	Count  int   `yaml:"daily_count"`
}

// Outage is a time in which the bank does not work: once (From, To) or every day
// (Daily, as 23:50-00:10). What falls due in it waits for its end.
type Outage struct {
	From  time.Time `yaml:"from"`
	To    time.Time `yaml:"to"`
	Daily string    `yaml:"daily"`
	// Of is what stands still: orders (the folder is not read and nothing is
	// answered), bookings, statements; everything where empty.
	Of []string `yaml:"of"`
	// Notice: the bank says so before, in the folder notices. Maintenance that is
	// announced, where Planned; else an incident, told when it begins.
	Notice  bool   `yaml:"notice"`
	Planned bool   `yaml:"planned"`
	Title   string `yaml:"title"`

	daily hours.Span
}

// What an outage can stop.
const (
	Orders    = "orders"
	Bookings  = "bookings"
	Delivered = "statements"
)

// Rule is what happens to payouts that fit.
type Rule struct {
	When When `yaml:"when"`
	// Do is one of Deeds; pay where not said, reject where only a code is.
	Do string `yaml:"do"`
	// Code is the ISO 20022 reason of a rejection or return: AC01 where not said.
	Code string `yaml:"code"`
	// After is when a return, a recall, or the end of a pending comes: 24h where
	// not said.
	After time.Duration `yaml:"after"`
	// Accept and Credit are on top of the scenario's delays.
	Accept time.Duration `yaml:"accept_after"`
	Credit time.Duration `yaml:"credit_after"`
	// Tell is what the bank says of its own accord: all; acceptance (no final word:
	// only statements tell, and answers to inquiries); nothing. All where not said.
	Tell string `yaml:"tell"`
}

// The deeds of a rule.
const (
	DoPay    = "pay"    // as the accounts say
	DoReject = "reject" // refuse with the code
	DoReturn = "return" // debit, and give it back with the code instead of crediting it
	DoRecall = "recall" // credit, and take it back with the code
	DoPend   = "pend"   // keep it pending (PDNG), then go on
	DoLose   = "lose"   // as if the order had never come (NOOR when asked)
)

// Deeds are the words that a rule's Do may have.
var Deeds = []string{DoPay, DoReject, DoReturn, DoRecall, DoPend, DoLose}

// The words that a rule's Tell may have.
const (
	TellAll        = "all"
	TellAcceptance = "acceptance"
	TellNothing    = "nothing"
)

// When chooses payouts: all that is said must fit; of a list, one.
type When struct {
	Payouts  []string        `yaml:"payouts"`  // EndToEndId
	Accounts []string        `yaml:"accounts"` // last characters of the payee's
	MID      []string        `yaml:"mid"`
	Banks    []string        `yaml:"banks"`          // BIC, clearing number or name of the payee's bank
	Endings  []string        `yaml:"amount_endings"` // last digits of the amount
	From     int64           `yaml:"amount_from"`
	To       int64           `yaml:"amount_to"`
	Dates    []calendar.Date `yaml:"dates"` // on which the order came
	// Chance that it applies, from 0 to 1; always where 0.
	Chance float64 `yaml:"chance"`
	// Skip that many fitting payouts, then apply to First of them (0: to all), and
	// of those to every Every-th.
	Skip  int `yaml:"skip"`
	First int `yaml:"first"`
	Every int `yaml:"every"`
}

// Forms of statements.
const (
	Camt053 = "camt.053"
	MT940   = "mt940"
	None    = "none"
)

// Statements says what the bank's statements are like.
type Statements struct {
	// Form of customers' statements, Payees of those of the accounts that are paid:
	// camt.053, mt940 or none. camt.053 where not said.
	Form   string `yaml:"form"`
	Payees string `yaml:"payees"`
	// At is the time of day at which the day before is stated; 06:30 where not said.
	At string `yaml:"at"`
	// Page is how many entries a page holds; all where 0. Apart: each page is a file
	// of its own.
	Page  int  `yaml:"page"`
	Apart bool `yaml:"pages_apart"`
	// Faults are tried in order; the first that fits decides.
	Faults []StatementFault `yaml:"faults"`
}

// StatementFault is what goes wrong with the statement of an account and day.
type StatementFault struct {
	Dates    []calendar.Date `yaml:"dates"`    // stated; any where empty
	Accounts []string        `yaml:"accounts"` // last characters; any where empty
	Chance   float64         `yaml:"chance"`
	// Late: it comes so much later.
	Late time.Duration `yaml:"late"`
	// Omit that many of its entries: they come with the next day's.
	Omit int `yaml:"omit"`
	// Twice: it comes a second time so long after the first.
	Twice time.Duration `yaml:"twice"`
	// Wrong makes the first issue wrong: drop (an entry is missing), amount (an entry
	// has another amount), truncate (the file is cut), balance (it does not add up).
	// The corrected issue takes its place after Correct, under the same name; never
	// where 0.
	Wrong   string        `yaml:"wrong"`
	Correct time.Duration `yaml:"correct"`
}

// Wrongs are the words that a fault's Wrong may have.
var Wrongs = []string{"drop", "amount", "truncate", "balance"}

// ParseScenario reads a scenario, YAML or JSON. Unknown names are errors, so that
// a misspelt rule is not silently none.
func ParseScenario(r io.Reader) (*Scenario, error) {
	op, hint := fault.Say("parse scenario", "解析场景"), fault.Say("see `daozhang bank --help` for what a scenario can say", "场景可用的写法见 `daozhang bank --help`")
	text, err := io.ReadAll(io.LimitReader(r, 1<<22))
	if err != nil {
		return nil, err
	}
	s := &Scenario{}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(s); err != nil && !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, op, "", err, hint)
	}
	if err := s.complete(); err != nil {
		return nil, fault.New(fault.Invalid, op, "", err, hint)
	}
	return s, nil
}

// Check says what is wrong with a scenario; nil where nothing is.
func (s *Scenario) Check() error { return s.clone().complete() }

// complete checks a scenario and fills in what is not said. It may be called
// again.
func (s *Scenario) complete() error {
	s.Name, s.BIC, s.Zone = or(s.Name, "CUSTODY"), or(s.BIC, "CSTDCNBJ"), or(s.Zone, "Asia/Shanghai")
	s.Funding, s.Statements.At = or(s.Funding, "10:00"), or(s.Statements.At, "06:30")
	s.Statements.Form, s.Statements.Payees = or(s.Statements.Form, Camt053), or(s.Statements.Payees, Camt053)
	var err error
	if s.zone, err = calendar.Location(s.Zone); err != nil {
		return err
	}
	if err := s.completeDays(); err != nil {
		return err
	}
	for i := range s.Customers {
		c := &s.Customers[i]
		if c.Account == "" {
			return fault.Say("customer %d has no account", "客户 %d 没有账号", i+1)
		}
		c.Currency = or(c.Currency, "CNY")
	}
	for i, p := range s.Payees {
		if p.Account == "" {
			return fault.Say("payee %d has no account", "收款方 %d 没有账号", i+1)
		}
		if p.Statement != "" && !isForm(p.Statement) {
			return fault.Say("payee %d: a statement is camt.053, mt940 or none", "收款方 %d：对账单格式为 camt.053、mt940 或 none", i+1)
		}
	}
	if !isForm(s.Statements.Form) || !isForm(s.Statements.Payees) {
		return fault.Say("statements: a form is camt.053, mt940 or none", "statements：格式为 camt.053、mt940 或 none")
	}
	if s.Accept.Fixed < 0 || s.Accept.Spread < 0 || s.Credit.Fixed < 0 || s.Credit.Spread < 0 || s.Charge < 0 || s.Statements.Page < 0 {
		return fault.Say("a delay, a charge or the length of a page is negative", "延迟、手续费或每页条数为负数")
	}
	for i := range s.Outages {
		if err := s.Outages[i].complete(); err != nil {
			return fault.Say("outage %d: %s", "停机 %d：%s", i+1, err)
		}
	}
	for i := range s.Rules {
		if err := s.Rules[i].complete(); err != nil {
			return fault.Say("rule %d: %s", "规则 %d：%s", i+1, err)
		}
	}
	for i, f := range s.Statements.Faults {
		if f.Wrong != "" && !slices.Contains(Wrongs, f.Wrong) || f.Late < 0 || f.Twice < 0 || f.Correct < 0 || f.Omit < 0 || f.Chance < 0 || f.Chance > 1 {
			return fault.Say("statement fault %d: wrong is one of %s, and no number is negative", "对账单差错 %d：wrong 取 %s 之一，数字不得为负", i+1, strings.Join(Wrongs, ", "))
		}
	}
	return nil
}

func (s *Scenario) completeDays() error {
	if s.Calendar != "" {
		c, ok := calendar.Builtin(s.Calendar)
		if !ok {
			return fault.Say("there is no calendar %q", "没有日历 %q", s.Calendar)
		}
		s.calendar = c
	}
	s.open = hours.Span{Begin: 0, End: hours.Day}
	if s.Hours != "" {
		var err error
		if s.open, err = hours.ParseSpan(s.Hours); err != nil {
			return fault.Say("hours: %s", "hours（营业时间）：%s", err)
		}
		if s.open.Begin >= s.open.End {
			return fault.Say("hours: they end before they begin", "hours：结束早于开始")
		}
	}
	var err error
	if s.fundingAt, err = hours.Parse(s.Funding); err != nil {
		return fault.Say("funding: %s", "funding（入账时间）：%s", err)
	}
	if s.statingAt, err = hours.Parse(s.Statements.At); err != nil {
		return fault.Say("statements: at: %s", "statements.at（出账单时间）：%s", err)
	}
	return nil
}

func (o *Outage) complete() error {
	for _, of := range o.Of {
		if of != Orders && of != Bookings && of != Delivered {
			return fault.Say("of: %q is none of orders, bookings, statements", "of：%q 不是 orders、bookings、statements 之一", of)
		}
	}
	if o.Daily == "" {
		if !o.From.Before(o.To) {
			return fault.Say("it needs from before to, or daily", "需要 from 早于 to，或 daily")
		}
		return nil
	}
	var err error
	if o.daily, err = hours.ParseSpan(o.Daily); err != nil {
		return err
	}
	if o.daily.Begin == o.daily.End {
		return fault.Say("daily: it lasts no time", "daily：时长为零")
	}
	return nil
}

func (r *Rule) complete() error {
	if r.Do == "" {
		r.Do = DoPay
		if r.Code != "" {
			r.Do = DoReject
		}
	}
	r.Code, r.Tell = or(r.Code, "AC01"), or(r.Tell, TellAll)
	switch {
	case !slices.Contains(Deeds, r.Do):
		return fault.Say("do: %q is none of %s", "do：%q 不是 %s 之一", r.Do, strings.Join(Deeds, ", "))
	case r.Tell != TellAll && r.Tell != TellAcceptance && r.Tell != TellNothing:
		return fault.Say("tell: %q is none of all, acceptance, nothing", "tell：%q 不是 all、acceptance、nothing 之一", r.Tell)
	case len(r.Code) != 4 || strings.Trim(r.Code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != "":
		return fault.Say("code: a reason has four letters and digits, such as AC04", "code：原因为四位字母和数字，如 AC04")
	case r.After < 0 || r.Accept < 0 || r.Credit < 0:
		return fault.Say("a duration is negative", "时长为负数")
	}
	if r.After == 0 {
		r.After = 24 * time.Hour
	}
	w := r.When
	if w.Chance < 0 || w.Chance > 1 || w.To > 0 && w.To < w.From || w.Skip < 0 || w.First < 0 || w.Every < 0 {
		return fault.Say("when: a number is out of its range", "when：数字超出范围")
	}
	return nil
}

func isForm(s string) bool { return s == Camt053 || s == MT940 || s == None }

func or(s, instead string) string {
	if s == "" {
		return instead
	}
	return s
}

// clone copies a scenario as far as complete writes to it.
func (s *Scenario) clone() *Scenario {
	c := *s
	c.Customers, c.Payees, c.Outages, c.Rules = slices.Clone(s.Customers), slices.Clone(s.Payees), slices.Clone(s.Outages), slices.Clone(s.Rules)
	return &c
}

// day is the date of a moment at the bank.
func (s *Scenario) day(at time.Time) calendar.Date { return calendar.DateIn(at, s.zone) }

func (s *Scenario) isBusinessDay(d calendar.Date) bool {
	return (s.calendar == nil || s.calendar.IsBusinessDay(d)) && !slices.Contains(s.Holidays, d)
}

// nextBusinessDay is the first one not before a day.
func (s *Scenario) nextBusinessDay(d calendar.Date) calendar.Date {
	for !s.isBusinessDay(d) {
		d = d.Add(1)
	}
	return d
}

// bookable is the first moment not before at, and not before the day of a date,
// at which the bank books payouts.
func (s *Scenario) bookable(at time.Time, day calendar.Date) time.Time {
	if on := s.day(at); day <= on {
		day = on
		if s.isBusinessDay(day) {
			switch now := hours.Of(at, s.zone); {
			case now < s.open.Begin:
				return day.In(s.zone).Add(s.open.Begin)
			case now < s.open.End:
				return at
			}
		}
		day = day.Add(1)
	}
	return s.nextBusinessDay(day).In(s.zone).Add(s.open.Begin)
}

// working is the first moment not before at in which no outage stops what is
// meant.
func (s *Scenario) working(what string, at time.Time) time.Time {
	for range 1000 { // outages that follow one another; a day full of them never ends
		until := at
		for i := range s.Outages {
			o := &s.Outages[i]
			if len(o.Of) > 0 && !slices.Contains(o.Of, what) {
				continue
			}
			if o.Daily == "" {
				if !at.Before(o.From) && at.Before(o.To) && o.To.After(until) {
					until = o.To
				}
			} else if now := hours.Of(at, s.zone); o.daily.Has(now) {
				if end := at.Add(o.daily.Left(now)).Truncate(time.Second); end.After(until) {
					until = end
				}
			}
		}
		if until.Equal(at) {
			return at
		}
		at = until
	}
	return at
}

// payee gives what the scenario says of an account; nil where nothing.
func (s *Scenario) payee(account string) *Payee {
	for i := range s.Payees {
		if s.Payees[i].Account == account {
			return &s.Payees[i]
		}
	}
	return nil
}

// form gives the form of an account's statements.
func (s *Scenario) form(account string, customer bool) string {
	if customer {
		return s.Statements.Form
	}
	if p := s.payee(account); p != nil && p.Statement != "" {
		return p.Statement
	}
	return s.Statements.Payees
}

// fits holds everything of a condition that does not depend on chance or order.
func (w *When) fits(p *Payment, day calendar.Date) bool {
	equal := func(a, b string) bool { return a == b }
	has := func(list []string, v string, how func(string, string) bool) bool {
		return len(list) == 0 || slices.ContainsFunc(list, func(x string) bool { return how(v, x) })
	}
	return has(w.Payouts, p.EndToEnd, equal) && has(w.Accounts, p.Account, strings.HasSuffix) && has(w.MID, p.MID, equal) &&
		has(w.Banks, p.Agent, equal) && has(w.Endings, padded(p.Amount), strings.HasSuffix) &&
		(w.From == 0 || p.Amount >= w.From) && (w.To == 0 || p.Amount <= w.To) && (len(w.Dates) == 0 || slices.Contains(w.Dates, day))
}

// fits reports whether a fault is meant for an account's day.
func (f *StatementFault) fits(account string, day calendar.Date) bool {
	return (len(f.Dates) == 0 || slices.Contains(f.Dates, day)) &&
		(len(f.Accounts) == 0 || slices.ContainsFunc(f.Accounts, func(a string) bool { return strings.HasSuffix(account, a) }))
}
