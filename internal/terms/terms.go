// Package terms holds what was agreed with a merchant and what follows from it
// by the calendar and by arithmetic: fees, business dates, and when each leg of
// a payment's way is due.
//
// It stands between evidence and match, because matching needs business dates
// (a trace number is unique per terminal and business date) and everything
// after needs due times. It reads no clock; the terms in force come from
// merchant.terms facts, and where none hold, from assumptions that say so.
package terms

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// FeeMode says how the fee reaches the platform.
type FeeMode uint8

// The fee modes of the contract.
const (
	FeeNet         FeeMode = iota // taken from the payout
	FeeInvoiced                   // charged apart, the payout is gross
	FeePassthrough                // no expectation: what a line charges is right
)

// Fee is one rule of the fee table. A rule for both a card type and a network
// goes before one for a network, that before one for a card type, that before
// one for neither.
type Fee struct {
	Rate     money.Rate // of the amount, half up
	Fixed    int64      // minor units, added to the rate's part
	Cap      int64      // minor units, upper limit of both; 0 for none
	CardType evidence.CardType
	Network  string
}

// Terms are what holds for one merchant from ValidFrom on.
type Terms struct {
	MID       evidence.Word
	Name      string
	MCC       string
	ValidFrom calendar.Date // calendar.None: always
	// Calendar days (D cycle) or business days (T cycle) from the business
	// date to the due day.
	CalendarDays bool
	Days         int
	// Cutoff is the end of the business date in minutes after midnight; a
	// payment later than that belongs to the next calendar date. 1440: midnight.
	Cutoff          int
	Zone            *time.Location
	Calendar        *calendar.Calendar
	TerminalCapture bool // captured by batch upload; else at the host, at once
	PayoutBy        int  // minutes after midnight of the due day
	T0              time.Duration
	CreditDays      int
	Fees            []Fee
	FeeMode         FeeMode
	MinimumPayout   int64 // minor units; 0 for none
	PreauthDays     int
	Account         string
	Bank            string
	// Stated is false where no terms are on record and the usual ones of the
	// format are assumed.
	Stated bool

	fixed *int // the zone's offset in seconds where it never changes
}

// Defaults of the contract where the terms are silent.
const (
	defaultPayoutBy    = 18 * 60
	defaultT0          = 30 * time.Minute
	defaultPreauthDays = 30
	midnight           = 24 * 60
	weekends           = "WEEKEND"
)

// Assumed gives the terms where nothing is agreed on record: T1, midnight, the
// zone of the facts, weekends off, no fee expected.
func Assumed(mid evidence.Word, zone *time.Location) *Terms {
	weekend, _ := calendar.Builtin(weekends)
	return &Terms{
		MID: mid, ValidFrom: calendar.None, Days: 1, Cutoff: midnight, Zone: zone, Calendar: weekend,
		PayoutBy: defaultPayoutBy, T0: defaultT0, PreauthDays: defaultPreauthDays, FeeMode: FeePassthrough,
	}
}

// parse reads a merchant.terms fact. What cannot be understood is a problem
// that names the field, and the default holds for that field.
func parse(s *evidence.Set, r evidence.FactRef, calendars func(string) (*calendar.Calendar, bool)) (*Terms, []fault.Text) {
	f := s.At(r)
	t := Assumed(f.MID, zoneOf(f.Offset))
	t.Stated = true
	t.FeeMode = FeeNet
	t.Calendar, _ = calendars(weekends)
	var problems []fault.Text
	bad := func(field evidence.Field, why fault.Text) {
		problems = append(problems, fault.Say("%s: %s", "字段 %s：%s", field, why))
	}
	t.Name, t.MCC = s.Text(r, evidence.Name), s.Text(r, evidence.MCC)
	t.Account, t.Bank = s.Text(r, evidence.Account), s.Text(r, evidence.Bank)
	if zone := s.Text(r, evidence.Timezone); zone != "" {
		if loc, err := calendar.Location(zone); err == nil {
			t.Zone = loc
		} else {
			bad(evidence.Timezone, fault.Say("unknown time zone %q; use a name such as Asia/Shanghai", "未知时区 %q，请写 Asia/Shanghai 这样的时区名", zone))
		}
	}
	if at, date, isDate, ok := s.Moment(r, evidence.ValidFrom); ok {
		if isDate {
			t.ValidFrom = date
		} else {
			t.ValidFrom = calendar.DateIn(at.In(t.Zone), t.Zone)
		}
	}
	if cycle := s.Text(r, evidence.Cycle); cycle != "" {
		n, err := strconv.Atoi(cycle[1:])
		if (cycle[0] != 'T' && cycle[0] != 'D') || err != nil || n < 0 || n > 366 {
			bad(evidence.Cycle, fault.Say("must be T0, T1, … (business days) or D0, D1, … (calendar days)", "须为 T0、T1……（工作日）或 D0、D1……（自然日）"))
		} else {
			t.CalendarDays, t.Days = cycle[0] == 'D', n
		}
	}
	clock := func(field evidence.Field, into *int) {
		if text := s.Text(r, field); text != "" {
			if m, ok := minutes(text); ok {
				*into = m
			} else {
				bad(field, fault.Say("must be a time of day such as 23:00", "须为时刻，如 23:00"))
			}
		}
	}
	clock(evidence.Cutoff, &t.Cutoff)
	if t.Cutoff == 0 {
		t.Cutoff = midnight
	}
	clock(evidence.PayoutBy, &t.PayoutBy)
	if name := s.Text(r, evidence.CalendarField); name != "" {
		if c, ok := calendars(name); ok {
			t.Calendar = c
		} else {
			bad(evidence.CalendarField, fault.Say("unknown calendar %q; CN, TARGET2 and WEEKEND are built in, others need calendar.holiday facts",
				"未知日历 %q；内置的有 CN、TARGET2、WEEKEND，其他日历需提供 calendar.holiday 事实", name))
		}
	}
	switch capture := s.Text(r, evidence.Capture); capture {
	case "", "host":
	case "terminal":
		t.TerminalCapture = true
	default:
		bad(evidence.Capture, fault.Say("must be host or terminal", "须为 host 或 terminal"))
	}
	switch mode := s.Text(r, evidence.FeeMode); mode {
	case "", "net":
	case "invoiced":
		t.FeeMode = FeeInvoiced
	case "passthrough":
		t.FeeMode = FeePassthrough
	default:
		bad(evidence.FeeMode, fault.Say("must be net, invoiced or passthrough", "须为 net、invoiced 或 passthrough"))
	}
	number := func(field evidence.Field, set func(int64)) {
		if n, ok := s.Num(r, field); ok {
			set(n)
		}
	}
	number(evidence.T0Minutes, func(n int64) { t.T0 = time.Duration(n) * time.Minute })
	number(evidence.CreditDays, func(n int64) { t.CreditDays = int(min(n, 366)) })
	number(evidence.MinimumPayout, func(n int64) { t.MinimumPayout = n })
	number(evidence.PreauthDays, func(n int64) { t.PreauthDays = int(min(n, 3660)) })
	if raw := s.Text(r, evidence.Fees); raw != "" {
		fees, err := parseFees(raw)
		if err != nil {
			bad(evidence.Fees, fault.TextOf(err))
		}
		t.Fees = fees
	}
	return t, problems
}

func parseFees(raw string) ([]Fee, error) {
	var list []struct {
		BPS      money.Rate `json:"bps"`
		Fixed    int64      `json:"fixed"`
		Cap      int64      `json:"cap"`
		CardType string     `json:"card_type"`
		Network  string     `json:"network"`
	}
	if err := json.Unmarshal([]byte(raw), &list); err != nil {
		return nil, fault.Say("must be a list of bps, fixed, cap with optional card_type and network: %s", "须为费率规则的列表，每条含 bps、fixed、cap，可带 card_type、network：%s", err)
	}
	fees := make([]Fee, 0, len(list))
	for _, l := range list {
		f := Fee{Rate: l.BPS, Fixed: l.Fixed, Cap: l.Cap, Network: l.Network}
		if l.CardType != "" {
			c, ok := evidence.ParseCardType(l.CardType)
			if !ok {
				return nil, fault.Say("card_type must be debit, credit or prepaid", "card_type 须为 debit、credit 或 prepaid")
			}
			f.CardType = c
		}
		if l.Fixed < 0 || l.Cap < 0 || l.BPS < 0 {
			return nil, fault.Say("bps, fixed and cap are never negative", "bps、fixed、cap 不能为负")
		}
		fees = append(fees, f)
	}
	return fees, nil
}

func minutes(text string) (int, bool) {
	h, m, ok := strings.Cut(text, ":")
	if !ok {
		return 0, false
	}
	m, _, _ = strings.Cut(m, ":")
	hh, err1 := strconv.Atoi(h)
	mm, err2 := strconv.Atoi(m)
	if err1 != nil || err2 != nil || hh < 0 || hh > 24 || mm < 0 || mm > 59 || hh == 24 && mm > 0 {
		return 0, false
	}
	return hh*60 + mm, true
}

// Fee gives the agreed fee of a payment in minor units: the most specific
// rule's rate half up plus its fixed part, then its cap, never above the
// amount. known is false where nothing is agreed (no terms, passthrough).
func (t *Terms) Fee(amount int64, card evidence.CardType, network string) (fee int64, known bool) {
	if t.FeeMode == FeePassthrough {
		return 0, false
	}
	best, rank := -1, -1
	for i, f := range t.Fees {
		if f.CardType != evidence.NoCardType && f.CardType != card || f.Network != "" && f.Network != network {
			continue
		}
		r := 0
		if f.Network != "" {
			r += 2
		}
		if f.CardType != evidence.NoCardType {
			r++
		}
		if r > rank {
			best, rank = i, r
		}
	}
	if best < 0 {
		return 0, true
	}
	f := t.Fees[best]
	fee = f.Rate.Of(amount)
	if sum, ok := money.Add(fee, f.Fixed); ok {
		fee = sum
	}
	if f.Cap > 0 {
		fee = min(fee, f.Cap)
	}
	return min(fee, amount), true
}
