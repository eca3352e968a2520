package bank

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
	"daozhang/internal/world/bank/custody"
	"daozhang/internal/world/bank/hours"
)

// Scenario says how a bank behaves. The zero value approves what its accounts
// can pay, at once. It is read from YAML or JSON; amounts are in minor units,
// durations are written as 250ms or 30s. A Scenario is not changed once given
// to a Bank.
type Scenario struct {
	// Network is whose clearing file the bank writes: UnionPay where not said.
	Network string `yaml:"network"`
	// Institution is the bank's code; up to eleven digits.
	Institution string `yaml:"institution"`
	// Seed decides everything that chance decides. The same seed and the same
	// messages give the same behaviour, in whatever order they come.
	Seed uint64 `yaml:"seed"`
	// Zone is in which the business day is counted; Asia/Shanghai where not said.
	Zone string `yaml:"zone"`
	// Cutoff ends the business day, as 23:00; midnight where not said.
	Cutoff string `yaml:"cutoff"`
	// SignOn: until a connection has signed on, requests get code 91.
	SignOn bool `yaml:"require_sign_on"`
	// MAC: requests without a MAC get code A0. One with a wrong MAC always does.
	MAC bool `yaml:"require_mac"`
	// Delay before every answer.
	Delay Delay `yaml:"delay"`
	// Accounts by the leading digits of their cards, the longest prefix first.
	// Cards of no range get code 14; without any range every card has an account.
	Accounts []Accounts `yaml:"accounts"`
	// Limits of every card, before those of its accounts.
	Limits Limits `yaml:"limits"`
	// Maintenance are the times in which the bank does not serve.
	Maintenance []Window `yaml:"maintenance"`
	// Rules are tried in order; the first that fits decides.
	Rules []Rule `yaml:"rules"`
	// Clearing are the mistakes in the lines of clearing files, Issues what happens
	// to whole files.
	Clearing []Slip  `yaml:"clearing"`
	Issues   []Issue `yaml:"issues"`
	// ClearingAfter is when a clearing file comes, after the business day has ended;
	// 5m where not said.
	ClearingAfter time.Duration `yaml:"clearing_after"`
	// Calendar of the days on which the network pays; CN where not said.
	Calendar string `yaml:"calendar"`
	// SettleTo is the account that it pays into; that of the payout bank's first
	// customer where not said.
	SettleTo string `yaml:"settle_to"`
	// Payouts is how the bank that pays merchants behaves, for who runs both from one
	// file; the host itself does nothing with it.
	Payouts *custody.Scenario `yaml:"payouts"`

	zone     *time.Location
	cutoff   time.Duration
	calendar *calendar.Calendar
}

// Accounts are those behind a range of cards. Each card has one of its own,
// opened when the card is first seen.
type Accounts struct {
	Range   string `yaml:"range"`
	Issuer  string `yaml:"issuer"`
	Type    string `yaml:"type"` // debit, credit, prepaid
	Balance int64  `yaml:"balance"`
	// PIN of every card of the range, checked where a PIN block comes; none is
	// checked where empty.
	PIN    string `yaml:"pin"`
	Limits Limits `yaml:"limits"`
}

// Limits are those an issuer sets a card; 0 is none. Code 61 for an amount, 65
// for a count.
type Limits struct {
	Single int64 `yaml:"single"`
	Daily  int64 `yaml:"daily"`
	Count  int   `yaml:"daily_count"`
}

// Delay is how long an answer takes: always Fixed, up to Spread more by chance,
// and for the share Tail of messages TailDelay on top.
type Delay struct {
	Fixed     time.Duration `yaml:"fixed"`
	Spread    time.Duration `yaml:"spread"`
	Tail      float64       `yaml:"tail"`
	TailDelay time.Duration `yaml:"tail_delay"`
}

// Window is a time of maintenance: once (From, To) or every day (Daily, as
// 23:50-00:10). Requests get Code (91), or with Close the connection is closed.
type Window struct {
	From  time.Time `yaml:"from"`
	To    time.Time `yaml:"to"`
	Daily string    `yaml:"daily"`
	Code  string    `yaml:"code"`
	Close bool      `yaml:"close"`

	daily hours.Span
}

// Rule is what happens to requests that fit.
type Rule struct {
	When When `yaml:"when"`
	// Do is one of the words of Deeds; answer where not said, decline where only
	// a code is.
	Do string `yaml:"do"`
	// Code of a decline: 05 where not said.
	Code string `yaml:"code"`
	// Delay on top of the scenario's.
	Delay time.Duration `yaml:"delay"`
	// Percent of the amount that a partial approval grants: 50 where not said.
	Percent int64 `yaml:"percent"`
}

// The deeds of a rule.
const (
	DoAnswer     = "answer"      // as the accounts say
	DoDecline    = "decline"     // with the code
	DoPartial    = "partial"     // approve a part (code 10)
	DoSilent     = "silent"      // decide and keep it, send no answer
	DoIgnore     = "ignore"      // as if the message had never come
	DoClose      = "close"       // close the connection before deciding
	DoCloseAfter = "close_after" // decide and keep it, then close without an answer
	DoStall      = "stall"       // leave the connection half-open: no answer, no reading
	DoGarbage    = "garbage"     // decide, then send a frame that is no message
	DoTruncate   = "truncate"    // decide, then send half of the answer and close
	DoWrongMAC   = "wrong_mac"   // decide, then send the answer with a wrong MAC
	DoTwice      = "twice"       // decide, then send the answer twice
	DoWrongTrace = "wrong_trace" // decide, then answer under another trace number
)

// Deeds are the words that a rule's Do may have.
var Deeds = []string{DoAnswer, DoDecline, DoPartial, DoSilent, DoIgnore, DoClose, DoCloseAfter, DoStall, DoGarbage,
	DoTruncate, DoWrongMAC, DoTwice, DoWrongTrace}

// When chooses messages: all that is said must fit; of a list, one.
type When struct {
	Operations []string `yaml:"operations"` // as iso8583.Operation spells them; "reversal" for any reversal
	Ranges     []string `yaml:"ranges"`     // leading digits of the card
	Last4      []string `yaml:"last4"`
	Endings    []string `yaml:"amount_endings"` // last digits of the amount
	From       int64    `yaml:"amount_from"`
	To         int64    `yaml:"amount_to"`
	MID        []string `yaml:"mid"`
	TID        []string `yaml:"tid"`
	Entry      []string `yaml:"entry"` // chip, contactless, magstripe, manual, qr
	// Chance that it applies, from 0 to 1; always where 0.
	Chance float64 `yaml:"chance"`
	// Skip that many fitting messages, then apply to First of them (0: to all),
	// and of those to every Every-th. A restart counts anew.
	Skip  int `yaml:"skip"`
	First int `yaml:"first"`
	Every int `yaml:"every"`
	// Repeats: 1 leaves out messages that were seen before, so that a repeated
	// reversal gets through; 2 takes only those.
	Repeats int `yaml:"repeats"`
}

// Slip is what is odd about the clearing lines that fit.
type Slip struct {
	When  When            `yaml:"when"`
	Dates []calendar.Date `yaml:"dates"` // business dates; any where empty
	// Do is one of Slips.
	Do string `yaml:"do"`
	// By is added to an amount; of a stray line it is the amount, that of the line
	// it stands beside where 0.
	By int64 `yaml:"by"`
	// After is how many days later a chargeback comes; 3 where not said.
	After int `yaml:"after"`
	// MID of a stray line; that of the line it stands beside where empty.
	MID string `yaml:"mid"`
}

// The words that a slip's Do may have.
const (
	SlipOmit       = "omit"       // the line is missing (短款)
	SlipNextDay    = "next_day"   // it stands in the next day's file
	SlipTwice      = "twice"      // it stands there twice
	SlipAmount     = "amount"     // with another amount
	SlipStray      = "stray"      // beside it stands a line of nobody (长款)
	SlipChargeback = "chargeback" // days later its amount is taken back
)

// Slips are those words.
var Slips = []string{SlipOmit, SlipNextDay, SlipTwice, SlipAmount, SlipStray, SlipChargeback}

// Issue is what happens to the clearing file of a day, and to the money for it.
// The first that fits decides.
type Issue struct {
	Dates  []calendar.Date `yaml:"dates"` // business dates; any where empty
	Chance float64         `yaml:"chance"`
	// Late: the file comes so much later. Withhold: it never comes.
	Late     time.Duration `yaml:"late"`
	Withhold bool          `yaml:"withhold"`
	// Broken makes it one that cannot be booked: truncate (it is cut), no_trailer,
	// total (its trailer states another total).
	Broken string `yaml:"broken"`
	// Again: the same file comes a second time so long after the first.
	Again time.Duration `yaml:"again"`
	// Correct: a corrected issue, version 2, comes so long after the first: whole, and
	// without slips other than chargebacks.
	Correct time.Duration `yaml:"correct"`
	// PayBy is added to what the network pays, PayLate are the business days by which
	// it pays later.
	PayBy   int64 `yaml:"pay_by"`
	PayLate int   `yaml:"pay_late"`
}

// Breaks are the words that an issue's Broken may have.
var Breaks = []string{"truncate", "no_trailer", "total"}

// ReadScenario reads a scenario file, YAML or JSON.
func ReadScenario(path string) (*Scenario, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.New(fault.NotFound, "read scenario", path, errors.Unwrap(err), "")
	}
	defer f.Close()
	s, err := ParseScenario(f)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "read scenario", path, err, fault.HintOf(err))
	}
	return s, nil
}

// ParseScenario reads a scenario, YAML or JSON. Unknown names are errors, so that
// a misspelt rule is not silently none.
func ParseScenario(r io.Reader) (*Scenario, error) {
	text, err := io.ReadAll(io.LimitReader(r, 1<<22))
	if err != nil {
		return nil, err
	}
	s := &Scenario{}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(s); err != nil && !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, "parse", "scenario", err, "see `daozhang bank --help` for what a scenario can say")
	}
	if err := s.complete(); err != nil {
		return nil, fault.New(fault.Invalid, "parse", "scenario", err, "see `daozhang bank --help` for what a scenario can say")
	}
	return s, nil
}

// clone copies a scenario as far as complete writes to it.
func (s *Scenario) clone() *Scenario {
	c := *s
	c.Rules, c.Maintenance, c.Clearing = slices.Clone(s.Rules), slices.Clone(s.Maintenance), slices.Clone(s.Clearing)
	return &c
}

// complete checks a scenario and fills in what is not said. It may be called
// again.
func (s *Scenario) complete() error {
	if s.Network == "" {
		s.Network = "UnionPay"
	}
	if s.Zone == "" {
		s.Zone = "Asia/Shanghai"
	}
	var err error
	if s.zone, err = calendar.Location(s.Zone); err != nil {
		return err
	}
	s.cutoff = hours.Day
	if s.Cutoff != "" {
		if s.cutoff, err = hours.Parse(s.Cutoff); err != nil {
			return fmt.Errorf("cutoff: %w", err)
		}
		if s.cutoff == 0 {
			s.cutoff = hours.Day
		}
	}
	if err := s.Delay.check(); err != nil {
		return fmt.Errorf("delay: %w", err)
	}
	for i, a := range s.Accounts {
		if a.Range != "" && !digits(a.Range) || len(a.Range) > 12 {
			return fmt.Errorf("accounts %d: a range is at most twelve leading digits", i+1)
		}
		if a.PIN != "" && (!digits(a.PIN) || len(a.PIN) < 4 || len(a.PIN) > 12) {
			return fmt.Errorf("accounts %d: a PIN has 4 to 12 digits", i+1)
		}
	}
	for i := range s.Maintenance {
		w := &s.Maintenance[i]
		if w.Code == "" {
			w.Code = "91"
		}
		if len(w.Code) != 2 {
			return fmt.Errorf("maintenance %d: a code has two characters", i+1)
		}
		if w.Daily == "" {
			if !w.From.Before(w.To) {
				return fmt.Errorf("maintenance %d: it needs from before to, or daily", i+1)
			}
			continue
		}
		if w.daily, err = hours.ParseSpan(w.Daily); err != nil {
			return fmt.Errorf("maintenance %d: daily: %w", i+1, err)
		}
	}
	for i := range s.Rules {
		r := &s.Rules[i]
		if r.Do == "" {
			r.Do = DoAnswer
			if r.Code != "" {
				r.Do = DoDecline
			}
		}
		if !slices.Contains(Deeds, r.Do) {
			return fmt.Errorf("rule %d: do: %q is none of %s", i+1, r.Do, strings.Join(Deeds, ", "))
		}
		if r.Do == DoDecline && r.Code == "" {
			r.Code = "05"
		}
		if r.Code != "" && len(r.Code) != 2 {
			return fmt.Errorf("rule %d: a code has two characters", i+1)
		}
		if r.Percent == 0 {
			r.Percent = 50
		}
		if r.Percent < 1 || r.Percent > 99 {
			return fmt.Errorf("rule %d: percent is from 1 to 99", i+1)
		}
		if r.Delay < 0 {
			return fmt.Errorf("rule %d: the delay is negative", i+1)
		}
		if err := r.When.check(); err != nil {
			return fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	if err := s.completeClearing(); err != nil || s.Payouts == nil {
		return err
	}
	if err := s.Payouts.Check(); err != nil {
		return fmt.Errorf("payouts: %w", err)
	}
	return nil
}

func (s *Scenario) completeClearing() error {
	if s.ClearingAfter == 0 {
		s.ClearingAfter = 5 * time.Minute
	}
	if s.Calendar == "" {
		s.Calendar = "CN"
	}
	var ok bool
	if s.calendar, ok = calendar.Builtin(s.Calendar); !ok {
		return fmt.Errorf("there is no calendar %q", s.Calendar)
	}
	for i := range s.Clearing {
		c := &s.Clearing[i]
		if !slices.Contains(Slips, c.Do) {
			return fmt.Errorf("clearing %d: do: %q is none of %s", i+1, c.Do, strings.Join(Slips, ", "))
		}
		if c.After < 0 {
			return fmt.Errorf("clearing %d: after is negative", i+1)
		}
		if c.After == 0 {
			c.After = 3
		}
		if err := c.When.check(); err != nil {
			return fmt.Errorf("clearing %d: %w", i+1, err)
		}
	}
	for i, x := range s.Issues {
		if x.Broken != "" && !slices.Contains(Breaks, x.Broken) {
			return fmt.Errorf("issue %d: broken: %q is none of %s", i+1, x.Broken, strings.Join(Breaks, ", "))
		}
		if x.Late < 0 || x.Again < 0 || x.Correct < 0 || x.PayLate < 0 || x.Chance < 0 || x.Chance > 1 {
			return fmt.Errorf("issue %d: a number is out of its range", i+1)
		}
	}
	return nil
}

func (d Delay) check() error {
	if d.Fixed < 0 || d.Spread < 0 || d.TailDelay < 0 {
		return errors.New("a duration is negative")
	}
	if d.Tail < 0 || d.Tail > 1 {
		return errors.New("tail is a share from 0 to 1")
	}
	return nil
}

func (w When) check() error {
	for _, o := range w.Operations {
		if _, ok := iso8583.ParseOperation(o); !ok && o != "reversal" {
			return fmt.Errorf("when: there is no operation %q", o)
		}
	}
	for _, list := range [][]string{w.Ranges, w.Last4, w.Endings} {
		for _, d := range list {
			if !digits(d) || len(d) > 12 {
				return errors.New("when: ranges, last4 and amount_endings are at most twelve digits")
			}
		}
	}
	if w.Chance < 0 || w.Chance > 1 {
		return errors.New("when: chance is from 0 to 1")
	}
	if w.To > 0 && w.To < w.From || w.Skip < 0 || w.First < 0 || w.Every < 0 || w.Repeats < 0 || w.Repeats > 2 {
		return errors.New("when: a number is out of its range")
	}
	return nil
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// businessDate is the date to which a moment belongs.
func (s *Scenario) businessDate(at time.Time) calendar.Date {
	date := calendar.DateIn(at, s.zone)
	if hours.Of(at, s.zone) >= s.cutoff {
		date = date.Add(1)
	}
	return date
}

// closing is the moment at which a business date ends.
func (s *Scenario) closing(date calendar.Date) time.Time { return date.In(s.zone).Add(s.cutoff) }

// maintenance gives the window in force at a moment, nil where there is none.
func (s *Scenario) maintenance(at time.Time) *Window {
	for i := range s.Maintenance {
		w := &s.Maintenance[i]
		if w.Daily == "" && !at.Before(w.From) && at.Before(w.To) || w.Daily != "" && w.daily.Has(hours.Of(at, s.zone)) {
			return w
		}
	}
	return nil
}

// accountsOf gives the range of a card; nil where the scenario knows ranges and
// this card is in none.
func (s *Scenario) accountsOf(pan string) *Accounts {
	var best *Accounts
	for i := range s.Accounts {
		a := &s.Accounts[i]
		if strings.HasPrefix(pan, a.Range) && (best == nil || len(a.Range) > len(best.Range)) {
			best = a
		}
	}
	if best == nil && len(s.Accounts) == 0 {
		return &Accounts{Balance: defaultBalance}
	}
	return best
}

// defaultBalance is that of a card of which the scenario says nothing: a million
// in major units.
const defaultBalance = 100_000_000
