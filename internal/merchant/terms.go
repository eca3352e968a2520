package merchant

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

// Fee is one rule of the fee table. One for both a card type and a network goes
// before one for a network, that before one for a card type, that before one
// for neither.
type Fee struct {
	Rate     money.Rate `json:"bps"`
	Fixed    int64      `json:"fixed,omitempty"`     // minor units, added to the rate's part
	Cap      int64      `json:"cap,omitempty"`       // minor units, upper limit of both; 0 for none
	CardType string     `json:"card_type,omitempty"` // debit, credit, prepaid; "" for any
	Network  string     `json:"network,omitempty"`   // "" for any
}

// Reserve is a rolling reserve: a share of each settlement's sales is held for
// some days, against refunds and chargebacks that come when the merchant is gone.
type Reserve struct {
	Rate money.Rate // of the sales; 0 for none
	Days int        // calendar days; released on the first business day on or after
}

// Terms are what holds for a merchant from a business date on, in the words of
// the contract's merchant.terms.
type Terms struct {
	ValidFrom     calendar.Date
	Cycle         string // T0, T1, … business days; D0, D1, … calendar days
	Cutoff        string // end of the card day, "23:00" or "24:00"
	Timezone      string
	Calendar      string
	Capture       string // "host" or "terminal"; "" is host
	PayoutBy      string // on the due day; "" is 18:00
	T0Minutes     int    // 0 is 30
	CreditDays    int    // business days from payout to credit
	Fees          []Fee
	FeeMode       string // "net" or "invoiced"; "" is net
	MinimumPayout int64  // minor units
	PreauthDays   int    // 0 is 30
	Reserve       Reserve

	Maker, Checker string
	Approved       time.Time
}

// SameDay reports whether the terms pay on the day of the sale.
func (t *Terms) SameDay() bool { return len(t.Cycle) > 1 && t.Cycle[1:] == "0" }

// CheckTerms holds terms against the rules of form. The error is of kind
// fault.Invalid and its hint says what to write instead.
func (p *Policy) CheckTerms(mid string, t *Terms) error {
	bad := func(hint fault.Text) error {
		return fault.New(fault.Invalid, fault.Say("agree on terms", "约定结算条款"), mid, nil, hint)
	}
	if t.ValidFrom == calendar.None {
		return bad(fault.Say("say from which date the terms hold", "请填写条款生效日期"))
	}
	if len(t.Cycle) < 2 || t.Cycle[0] != 'T' && t.Cycle[0] != 'D' || !digits(t.Cycle[1:]) || len(t.Cycle) > 2 && t.Cycle[1] == '0' {
		return bad(fault.Say("the cycle is T0, T1, … (business days) or D0, D1, … (calendar days)", "结算周期为 T0、T1 … (工作日) 或 D0、D1 … (自然日)"))
	}
	if n, err := strconv.Atoi(t.Cycle[1:]); err != nil || n > p.MaxCycleDays {
		return bad(fault.Say("a cycle has at most %d days; T1 is the usual one", "结算周期最长 %d 天, 通常为 T1", p.MaxCycleDays))
	}
	if m, ok := clock(t.Cutoff); !ok || m == 0 {
		return bad(fault.Say("the cut-off is a time of day from 00:01 to 24:00, such as 23:00; midnight is 24:00", "切点为 00:01 至 24:00, 如 23:00; 午夜写作 24:00"))
	}
	if _, ok := clock(t.PayoutBy); !ok && t.PayoutBy != "" {
		return bad(fault.Say("payout_by is a time of day, such as 18:00", "最晚出款时间写作时刻, 如 18:00"))
	}
	if _, err := calendar.Location(t.Timezone); err != nil {
		return bad(fault.Say("name the time zone, such as Asia/Shanghai", "请填写时区, 如 Asia/Shanghai"))
	}
	if _, ok := p.Calendars(t.Calendar); !ok {
		return bad(fault.Say("the calendar is not known; CN, TARGET2, US, GB and WEEKEND are built in", "未知日历; 内置 CN、TARGET2、US、GB 和 WEEKEND"))
	}
	switch {
	case t.Capture != "" && t.Capture != "host" && t.Capture != "terminal":
		return bad(fault.Say("capture is host or terminal", "入账方式为 host 或 terminal"))
	case t.FeeMode == "passthrough":
		return bad(fault.Say("passthrough expects no fee and cannot be settled; agree on net or invoiced", "passthrough 没有约定费率, 无法结算; 请约定 net 或 invoiced"))
	case t.FeeMode != "" && t.FeeMode != "net" && t.FeeMode != "invoiced":
		return bad(fault.Say("the fee mode is net or invoiced", "收费方式为 net 或 invoiced"))
	case t.MinimumPayout < 0:
		return bad(fault.Say("the minimum payout is not negative", "最低出款金额不能为负"))
	case t.CreditDays < 0 || t.CreditDays > 30:
		return bad(fault.Say("from payout to credit 0 to 30 business days pass", "出款到入账为 0 至 30 个工作日"))
	case t.T0Minutes < 0 || t.T0Minutes > 24*60:
		return bad(fault.Say("T+0 takes up to a day's 1440 minutes", "当日到账时限最长 1440 分钟"))
	case t.PreauthDays < 0 || t.PreauthDays > 365:
		return bad(fault.Say("a preauthorization holds up to 365 days", "预授权有效期最长 365 天"))
	case t.Reserve.Rate < 0 || t.Reserve.Rate > 10_000*money.BasisPoint:
		return bad(fault.Say("the reserve takes 0 to 10000 basis points", "保证金比例为 0 至 10000 基点"))
	case t.Reserve.Rate > 0 && (t.Reserve.Days < 1 || t.Reserve.Days > 540):
		return bad(fault.Say("a reserve is held for 1 to 540 days", "保证金留存 1 至 540 天"))
	}
	return checkFees(t.Fees, bad)
}

func checkFees(fees []Fee, bad func(fault.Text) error) error {
	general := false
	seen := map[[2]string]bool{}
	for i, f := range fees {
		n := i + 1
		if f.CardType != "" {
			if _, ok := evidence.ParseCardType(f.CardType); !ok {
				return bad(fault.Say("fee %d: the card type is debit, credit or prepaid", "第 %d 条费率: 卡种为 debit、credit 或 prepaid", n))
			}
		}
		k := [2]string{f.CardType, f.Network}
		switch {
		case f.Rate < 0 || f.Fixed < 0 || f.Cap < 0:
			return bad(fault.Say("fee %d: rate, fixed part and cap are not negative", "第 %d 条费率: 费率、固定部分和封顶不能为负", n))
		case f.Rate > 10_000*money.BasisPoint:
			return bad(fault.Say("fee %d: the rate is above the whole amount; it is in basis points, 60 is 0.6 %%", "第 %d 条费率: 费率超过本金; 单位为基点, 60 即 0.6%%", n))
		case f.Cap > 0 && f.Cap < f.Fixed:
			return bad(fault.Say("fee %d: the cap of %d lies below the fixed part of %d; raise the cap or lower the fixed part",
				"第 %d 条费率: 封顶 %d 低于固定部分 %d; 请提高封顶或降低固定部分", n, f.Cap, f.Fixed))
		case seen[k]:
			return bad(fault.Say("fee %d: another rule is for the same card type and network", "第 %d 条费率: 与另一条的卡种和网络相同", n))
		}
		seen[k] = true
		general = general || k == [2]string{}
	}
	if !general {
		return bad(fault.Say("add a fee rule for all other cards, one without card type and network; they would be free",
			"请增加一条不限卡种和网络的费率, 否则其他卡不收费"))
	}
	return nil
}

// clock reads HH:MM up to 24:00 as minutes after midnight.
func clock(s string) (int, bool) {
	if len(s) != 5 || s[2] != ':' || !digits(s[:2]) || !digits(s[3:]) {
		return 0, false
	}
	h, _ := strconv.Atoi(s[:2])
	m, _ := strconv.Atoi(s[3:])
	return h*60 + m, m < 60 && h*60+m <= 24*60
}

// Agreed gives the terms as the computations read them: business dates, due
// times, fees. They are approved terms, so nothing can be wrong with them unless
// a calendar is no longer known: fault.NotFound.
func (m *Merchant) Agreed(t *Terms, calendars func(string) (*calendar.Calendar, bool)) (*terms.Terms, error) {
	zone, err := calendar.Location(t.Timezone)
	if err != nil {
		return nil, err
	}
	cal, ok := calendars(t.Calendar)
	if !ok {
		return nil, fault.New(fault.NotFound, fault.Say("read terms", "读取结算条款"), m.MID,
			fault.Say("the calendar is not known", "未知日历"), fault.Say("import the calendar's holidays", "请导入该日历的节假日"))
	}
	a := terms.Assumed(0, zone)
	a.Name, a.MCC, a.ValidFrom, a.Calendar, a.Stated = m.Name, m.MCC, t.ValidFrom, cal, true
	a.CalendarDays = t.Cycle[0] == 'D'
	a.Days, _ = strconv.Atoi(t.Cycle[1:])
	a.Cutoff, _ = clock(t.Cutoff)
	if by, ok := clock(t.PayoutBy); ok {
		a.PayoutBy = by
	}
	if t.T0Minutes > 0 {
		a.T0 = time.Duration(t.T0Minutes) * time.Minute
	}
	if t.PreauthDays > 0 {
		a.PreauthDays = t.PreauthDays
	}
	a.TerminalCapture = t.Capture == "terminal"
	a.CreditDays, a.MinimumPayout = t.CreditDays, t.MinimumPayout
	a.FeeMode = terms.FeeNet
	if t.FeeMode == "invoiced" {
		a.FeeMode = terms.FeeInvoiced
	}
	for _, f := range t.Fees {
		c, _ := evidence.ParseCardType(f.CardType)
		a.Fees = append(a.Fees, terms.Fee{Rate: f.Rate, Fixed: f.Fixed, Cap: f.Cap, CardType: c, Network: f.Network})
	}
	return a, nil
}

// TermsOn returns the terms in force on a business date; false before the first.
func (m *Merchant) TermsOn(d calendar.Date) (*Terms, bool) {
	for i := len(m.Terms) - 1; i >= 0; i-- {
		if m.Terms[i].ValidFrom <= d {
			return &m.Terms[i], true
		}
	}
	return nil, false
}

// Fact is evidence of a change, in the contract's interchange form. Source and
// ID make it idempotent.
type Fact struct {
	Source, ID string
	Type       evidence.Type
	Time       time.Time
	MID        string
	Line       []byte // a CloudEvents JSON object without a line feed
}

// source is the witness of what an institution agrees and decides.
const source = "institution/merchants"

func (m *Merchant) fact(t evidence.Type, now time.Time, zone *time.Location, version uint32, data any) Fact {
	id := fmt.Sprintf("%s/%s/%d", m.MID, t, version)
	line, err := json.Marshal(struct {
		SpecVersion string `json:"specversion"`
		ID          string `json:"id"`
		Source      string `json:"source"`
		Type        string `json:"type"`
		Time        string `json:"time"`
		Data        any    `json:"data"`
	}{"1.0", id, source, evidence.TypePrefix + t.String(), now.In(zone).Format("2006-01-02T15:04:05.000000Z07:00"), data})
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return Fact{Source: source, ID: id, Type: t, Time: now, MID: m.MID, Line: line}
}

func (m *Merchant) termsFact(now time.Time, t *Terms, version uint32) Fact {
	zone, _ := calendar.Location(t.Timezone)
	data := struct {
		MID           string `json:"mid"`
		Name          string `json:"name"`
		MCC           string `json:"mcc"`
		ValidFrom     string `json:"valid_from"`
		Cycle         string `json:"cycle"`
		Cutoff        string `json:"cutoff"`
		Timezone      string `json:"timezone"`
		Calendar      string `json:"calendar"`
		Capture       string `json:"capture,omitempty"`
		PayoutBy      string `json:"payout_by,omitempty"`
		T0Minutes     int    `json:"t0_minutes,omitempty"`
		CreditDays    int    `json:"credit_days,omitempty"`
		Fees          []Fee  `json:"fees"`
		FeeMode       string `json:"fee_mode,omitempty"`
		MinimumPayout int64  `json:"minimum_payout,omitempty"`
		PreauthDays   int    `json:"preauth_days,omitempty"`
		Account       string `json:"account,omitempty"`
		Bank          string `json:"bank,omitempty"`
	}{m.MID, m.Name, m.MCC, t.ValidFrom.String(), t.Cycle, t.Cutoff, t.Timezone, t.Calendar, t.Capture, t.PayoutBy, t.T0Minutes, t.CreditDays,
		t.Fees, t.FeeMode, t.MinimumPayout, t.PreauthDays, "", ""}
	if n := len(m.Accounts); n > 0 {
		data.Account, data.Bank = m.Accounts[n-1].Tail, m.Accounts[n-1].Bank
	}
	return m.fact(evidence.MerchantTerms, now, zone, version, data)
}

func (m *Merchant) statusFact(now time.Time, version uint32) Fact {
	zone := time.UTC
	if n := len(m.Terms); n > 0 {
		if z, err := calendar.Location(m.Terms[n-1].Timezone); err == nil {
			zone = z
		}
	}
	return m.fact(evidence.AccountStatus, now, zone, version, struct {
		MID    string `json:"mid"`
		State  State  `json:"state"`
		Reason Reason `json:"reason,omitempty"`
	}{m.MID, m.Status.State, m.Status.Reason})
}
