package format

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// A terms file says what was agreed with merchants, in a form a person writes.
// Everything but the merchant may be left out; keys are the contract's:
//
//	terms:
//	  - mid: "898310058120001"      # or a list: several merchants, same terms
//	    name: Corner Noodles
//	    valid_from: 2026-01-01
//	    cycle: T1                   # T0 T1 … business days, D0 D1 … calendar days
//	    cutoff: "23:00"
//	    timezone: Asia/Shanghai
//	    calendar: CN
//	    capture: host
//	    payout_by: "18:00"
//	    credit_days: 0
//	    fees:
//	      - {percent: 0.38}                     # or bps: 38
//	      - {percent: 0.5, cap: 20.00, card_type: debit}
//	    fee_mode: net
//	    minimum_payout: 10.00
//	    currency: CNY               # of the amounts here, which are in major units
//	    account: "6222020000006789"
//	    bank: ICBC
//	holidays:                       # overrides of a calendar
//	  - {calendar: CN, date: 2026-10-08, what: holiday}
//
// A file for one merchant may leave out the list and begin with mid. Each entry
// becomes a merchant.terms fact of the source terms/MID, with the date of
// valid_from (by default 2000-01-01) as its time and id.

// TermsFile is the format of terms files.
func TermsFile() Format {
	return Format{Name: "terms", Title: fault.Say("terms file", "商户约定文件"), Detect: isTerms, Read: readTerms}
}

var (
	termsSign = regexp.MustCompile(`^(terms|holidays)\s*:\s*(\[\s*\])?\s*(#.*)?$`)
	midSign   = regexp.MustCompile(`^(- *)?mid\s*:\s*\S`)
	termsKeys = regexp.MustCompile(`(?m)^ *(- *)?(cycle|cutoff|fees|valid_from|calendar|payout_by|capture|timezone|account)\s*:`)
)

// isTerms looks at the first line that says something: terms: or holidays:, or
// the mid of a file without a list, which must go on with what was agreed.
func isTerms(h *Head) bool {
	rest := h.Text
	for rest != "" {
		var line string
		line, rest = cutLine(rest)
		line = strings.TrimRight(line, " \t")
		if line == "" || line == "---" || strings.HasPrefix(line, "#") {
			continue
		}
		return termsSign.MatchString(line) || termsKeys.MatchString(h.Text) &&
			(midSign.MatchString(line) || strings.HasPrefix(line, "name:") && strings.Contains(h.Text, "\nmid:"))
	}
	return false
}

// oneOrMore is a string or a list of strings.
type oneOrMore []string

func (o *oneOrMore) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*o = oneOrMore{n.Value}
		return nil
	}
	var list []string
	for _, c := range n.Content {
		list = append(list, c.Value)
	}
	*o = list
	return nil
}

// amountText keeps an amount as written, so that no float touches it.
type amountText string

func (a *amountText) UnmarshalYAML(n *yaml.Node) error {
	*a = amountText(n.Value)
	return nil
}

type termsFee struct {
	BPS      amountText `yaml:"bps"`
	Percent  amountText `yaml:"percent"`
	Fixed    amountText `yaml:"fixed"`
	Cap      amountText `yaml:"cap"`
	CardType string     `yaml:"card_type"`
	Network  string     `yaml:"network"`
}

type termsEntry struct {
	MID           oneOrMore  `yaml:"mid"`
	Name          string     `yaml:"name"`
	MCC           amountText `yaml:"mcc"`
	ValidFrom     amountText `yaml:"valid_from"`
	Cycle         string     `yaml:"cycle"`
	Cutoff        amountText `yaml:"cutoff"`
	Timezone      string     `yaml:"timezone"`
	Calendar      string     `yaml:"calendar"`
	Capture       string     `yaml:"capture"`
	PayoutBy      amountText `yaml:"payout_by"`
	T0Minutes     amountText `yaml:"t0_minutes"`
	CreditDays    amountText `yaml:"credit_days"`
	Fees          []termsFee `yaml:"fees"`
	FeeMode       string     `yaml:"fee_mode"`
	MinimumPayout amountText `yaml:"minimum_payout"`
	PreauthDays   amountText `yaml:"preauth_days"`
	Account       amountText `yaml:"account"`
	Bank          string     `yaml:"bank"`
	Currency      string     `yaml:"currency"`
	// Note is a remark for people; nothing depends on it.
	Note string `yaml:"note"`
}

type holidayEntry struct {
	Calendar string     `yaml:"calendar"`
	Date     amountText `yaml:"date"`
	What     string     `yaml:"what"`
}

// readTerms reads a terms file.
func readTerms(in *Input, out *Out) error {
	text, err := io.ReadAll(io.LimitReader(in.Text(), 16<<20))
	if err != nil {
		return err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return fault.New(fault.Invalid, fault.Say("the terms file is not YAML", "约定文件不是 YAML"), "", yamlReason(err),
			fault.Say("check the indentation and quote values that hold a colon", "请检查缩进，含冒号的值请加引号"))
	}
	if len(root.Content) == 0 {
		return nil
	}
	top := root.Content[0]
	switch top.Kind {
	case yaml.SequenceNode:
		termsList(in, out, top)
	case yaml.MappingNode:
		if child(top, "mid") != nil {
			termsOne(in, out, top)
		}
		for i := 0; i+1 < len(top.Content); i += 2 {
			key, value := top.Content[i], top.Content[i+1]
			switch key.Value {
			case "terms":
				termsList(in, out, value)
			case "holidays":
				holidayList(in, out, value)
			default:
				if child(top, "mid") == nil {
					out.Reject(key.Line, fault.Say("an unknown key; a terms file has terms and holidays", "未知的键；约定文件只有 terms 和 holidays"))
				}
			}
		}
	default:
		out.Reject(top.Line, fault.Say("a terms file begins with terms: or mid:", "约定文件须以 terms: 或 mid: 开头"))
	}
	return nil
}

func child(n *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

func termsList(in *Input, out *Out, list *yaml.Node) {
	if list.Kind != yaml.SequenceNode {
		out.Reject(list.Line, fault.Say("terms must be a list; begin each merchant with \"- mid:\"", "terms 须为列表，每个商户以 \"- mid:\" 开头"))
		return
	}
	for _, n := range list.Content {
		termsOne(in, out, n)
	}
}

func termsOne(in *Input, out *Out, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		out.Reject(n.Line, fault.Say("each entry of terms needs the merchant's mid and what was agreed", "terms 的每一项须写商户号 mid 和约定内容"))
		return
	}
	allowed := map[string]bool{"holidays": true, "terms": true}
	for name := range strings.FieldsSeq("mid name mcc valid_from cycle cutoff timezone calendar capture payout_by t0_minutes credit_days fees fee_mode minimum_payout preauth_days account bank currency note") {
		allowed[name] = true
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if !allowed[n.Content[i].Value] {
			out.Reject(n.Content[i].Line, fault.Say("%q is no key of terms; the keys are those of merchant.terms", "%q 不是约定的键；可用的键见 merchant.terms", n.Content[i].Value))
			return
		}
	}
	var e termsEntry
	if err := n.Decode(&e); err != nil {
		out.Reject(n.Line, fault.Say("cannot be understood: %s", "无法理解：%s", yamlReason(err)))
		return
	}
	if len(e.MID) == 0 {
		if in.MID == "" {
			out.Reject(n.Line, fault.Say("mid is missing; write the merchant's number in quotes", "缺少商户号 mid，请加引号写出"))
			return
		}
		e.MID = oneOrMore{in.MID}
	}
	currency := in.CurrencyOr("")
	if e.Currency != "" {
		c, ok := ParseCurrency([]byte(e.Currency))
		if !ok {
			out.Reject(n.Line, fault.Say("currency: %s", "币种 currency：%s", errCurrency))
			return
		}
		currency = c
	}
	for _, mid := range e.MID {
		d := out.Begin(evidence.MerchantTerms)
		if err := e.put(d, mid, currency, in); err != nil {
			out.Reject(n.Line, fault.Reason(err))
			continue
		}
		out.Commit(d, n.Line)
	}
}

func (e *termsEntry) put(d *evidence.Draft, mid string, currency money.Currency, in *Input) error {
	from := string(e.ValidFrom)
	if from == "" {
		from = "2000-01-01"
	}
	zoneName := e.Timezone
	loc := in.ZoneOr("")
	if zoneName != "" {
		var err error
		if loc, err = calendar.Location(zoneName); err != nil {
			return fault.Say("timezone: %s", "时区 timezone：%s", fault.Reason(err))
		}
	}
	at, offset, err := ParseTime([]byte(from), loc)
	if err != nil {
		return fault.Say("valid_from: %s", "生效日 valid_from：%s", err)
	}
	d.SetSource("terms/" + mid)
	d.SetID(from)
	d.SetTime(at, offset)
	if e.MinimumPayout != "" {
		n, err := money.ParseDecimal(e.MinimumPayout, currency.Exponent(), money.Point)
		if err != nil {
			return fault.Say("minimum_payout: %s", "起付额 minimum_payout：%s", fault.Reason(err))
		}
		if err := d.PutInt(evidence.MinimumPayout, n); err != nil {
			return err
		}
	}
	fees, err := e.fees(currency)
	if err != nil {
		return err
	}
	if fees != nil {
		if err := d.Put(evidence.Fees, fees); err != nil {
			return err
		}
	}
	for _, v := range []struct {
		field evidence.Field
		text  string
	}{
		{evidence.MID, mid}, {evidence.Name, e.Name}, {evidence.MCC, string(e.MCC)}, {evidence.ValidFrom, string(e.ValidFrom)},
		{evidence.Cycle, strings.ReplaceAll(strings.ToUpper(e.Cycle), "+", "")}, {evidence.Cutoff, string(e.Cutoff)},
		{evidence.Timezone, e.Timezone}, {evidence.CalendarField, e.Calendar}, {evidence.Capture, e.Capture},
		{evidence.PayoutBy, string(e.PayoutBy)}, {evidence.T0Minutes, string(e.T0Minutes)},
		{evidence.CreditDays, string(e.CreditDays)}, {evidence.FeeMode, e.FeeMode},
		{evidence.PreauthDays, string(e.PreauthDays)}, {evidence.Account, string(e.Account)}, {evidence.Bank, e.Bank},
	} {
		if v.text == "" {
			continue
		}
		if err := d.PutString(v.field, v.text); err != nil {
			return err
		}
	}
	return nil
}

// fees gives the rules as the contract writes them: basis points, and amounts
// in minor units.
func (e *termsEntry) fees(currency money.Currency) ([]byte, error) {
	if e.Fees == nil {
		return nil, nil
	}
	type rule struct {
		BPS      json.Number `json:"bps,omitempty"`
		Fixed    int64       `json:"fixed,omitempty"`
		Cap      int64       `json:"cap,omitempty"`
		CardType string      `json:"card_type,omitempty"`
		Network  string      `json:"network,omitempty"`
	}
	rules := []rule{}
	for i, f := range e.Fees {
		r := rule{CardType: f.CardType, Network: f.Network, BPS: json.Number(f.BPS)}
		if f.Percent != "" {
			// A percent is a hundred basis points, of which four decimals count.
			n, err := money.ParseDecimal(strings.TrimSpace(strings.TrimSuffix(string(f.Percent), "%")), 6, money.Point)
			if err != nil || n < 0 || f.BPS != "" {
				return nil, fault.Say("fees[%d]: percent must be a number such as 0.38, and stand without bps", "费率 fees[%d]：percent 须为数字，如 0.38，且不与 bps 并用", i)
			}
			r.BPS = json.Number(fixedPoint(n, 4))
		}
		if r.BPS != "" {
			if _, err := money.ParseRate(r.BPS.String()); err != nil {
				return nil, fault.Say("fees[%d].bps: %s", "费率 fees[%d].bps：%s", i, fault.Reason(err))
			}
		}
		for _, a := range []struct {
			name string
			text amountText
			to   *int64
		}{{"fixed", f.Fixed, &r.Fixed}, {"cap", f.Cap, &r.Cap}} {
			if a.text == "" {
				continue
			}
			n, err := money.ParseDecimal(a.text, currency.Exponent(), money.Point)
			if err != nil || n < 0 {
				return nil, fault.Say("fees[%d].%s: must be an amount in major units, such as 20.00", "费率 fees[%d].%s：须为以元计的金额，如 20.00", i, a.name)
			}
			*a.to = n
		}
		rules = append(rules, r)
	}
	return json.Marshal(rules)
}

// fixedPoint writes n divided by a power of ten without zeros at its end.
func fixedPoint(n int64, decimals int) string {
	s := fmt.Sprintf("%0*d", decimals+1, n)
	whole, part := s[:len(s)-decimals], strings.TrimRight(s[len(s)-decimals:], "0")
	if part == "" {
		return whole
	}
	return whole + "." + part
}

func holidayList(in *Input, out *Out, list *yaml.Node) {
	for _, n := range list.Content {
		var h holidayEntry
		if err := n.Decode(&h); err != nil {
			out.Reject(n.Line, fault.Say("cannot be understood: %s", "无法理解：%s", yamlReason(err)))
			continue
		}
		if h.Calendar == "" {
			h.Calendar = "CN"
		}
		date, err := ParseDate([]byte(h.Date))
		if err != nil {
			out.Reject(n.Line, fault.Say("date: %s", "日期 date：%s", err))
			continue
		}
		d := out.Begin(evidence.CalendarHoliday)
		d.SetSource("terms/calendar/" + h.Calendar)
		d.SetID(date.String())
		// An override holds whenever the question is asked.
		at, offset, _ := ParseTime([]byte("2000-01-01"), in.ZoneOr(""))
		d.SetTime(at, offset)
		if h.What == "" {
			h.What = "holiday"
		}
		err = d.PutString(evidence.CalendarField, h.Calendar)
		if err == nil {
			err = d.PutDate(evidence.Date, date)
		}
		if err == nil {
			err = d.PutString(evidence.What, h.What)
		}
		if err != nil {
			out.Reject(n.Line, fault.Reason(err))
			continue
		}
		out.Commit(d, n.Line)
	}
}
