package console

import (
	"cmp"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/a-h/templ"

	"daozhang/internal/access"
	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/intake"
	"daozhang/internal/investigation"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
)

// merchantRoutes are the registers of merchants and terminals.
func (c *Console) merchantRoutes() []route {
	return []route{
		{"GET", "/merchants", access.ReadRegister, c.merchants},
		{"POST", "/merchants", access.ChangeRegister, c.onboard},
		{"GET", "/merchants/{mid}", access.ReadRegister, c.merchant},
		{"POST", "/merchants/{mid}/terms", access.Propose, c.proposeTerms},
		{"POST", "/merchants/{mid}/status", access.Propose, c.proposeStatus},
		{"POST", "/merchants/{mid}/account", access.Propose, c.proposeAccount},
		{"POST", "/merchants/{mid}/verify", access.Decide, c.verifyAccount},
		{"POST", "/merchants/{mid}/stores", access.ChangeRegister, c.openStore},
		{"POST", "/merchants/{mid}/proposals/{number}", access.Decide, c.decideProposal},
		{"GET", "/terminals", access.ReadRegister, c.terminals},
		{"POST", "/terminals", access.ChangeRegister, c.registerTerminal},
		{"GET", "/terminals/{tid}", access.ReadRegister, c.terminal},
	}
}

// merchantsPage lists merchants.
type merchantsPage struct {
	Rows    []merchantRow
	Next    templ.SafeURL
	Waiting bool
	Absent  bool // the installation keeps no merchants' records
	Form    onboardForm
}

type merchantRow struct {
	MID, Name, MCC, Cycle, Account string
	State, Pay                     stateMark
	Waiting                        int
	Stores                         int
}

// onboardForm is what was entered of a new merchant.
type onboardForm struct {
	MID, Name, MCC, Currency, Onboarded string
	Wrong, Hint                         string
}

func (v *visit) merchantMark(s merchant.State) stateMark {
	switch s {
	case merchant.Frozen:
		return stateMark{"bad", "✕", v.say("frozen", "冻结")}
	case merchant.Suspended:
		return stateMark{"bad", "!", v.say("suspended", "暂停")}
	}
	return stateMark{"good", "✓", v.say("active", "正常")}
}

func (v *visit) obstacleMark(o merchant.Obstacle) stateMark {
	switch o {
	case merchant.NoAccount:
		return stateMark{"bad", "!", v.say("no account", "无账户")}
	case merchant.Unverified:
		return stateMark{"bad", "!", v.say("account not verified", "账户未核验")}
	case merchant.Cooling:
		return stateMark{"wait", "…", v.say("new account is cooling", "新账户冷静期")}
	case merchant.Blocked:
		return stateMark{"bad", "✕", v.say("refused by its bank", "银行拒收")}
	}
	return stateMark{"good", "✓", v.say("can be paid", "可出款")}
}

// reasonWord is why a merchant is frozen or suspended.
func (v *visit) reasonWord(r merchant.Reason) string {
	switch r {
	case merchant.Judicial:
		return v.say("by order of a court or the police", "司法或公安指令")
	case merchant.Violation:
		return v.say("violation of rules", "违规")
	case merchant.Verification:
		return v.say("identity to be verified", "待核实身份")
	case merchant.Dormant:
		return v.say("dormant", "长期未交易")
	case merchant.Risk:
		return v.say("risk", "风险")
	}
	return string(r)
}

func (c *Console) merchants(v *visit) error {
	if v.only != "" {
		http.Redirect(v.w, v.Request, "/merchants/"+url.PathEscape(v.only), http.StatusSeeOther)
		return nil
	}
	if mid := strings.TrimSpace(v.URL.Query().Get("mid")); mid != "" {
		http.Redirect(v.w, v.Request, "/merchants/"+url.PathEscape(mid), http.StatusSeeOther)
		return nil
	}
	return c.showMerchants(v, http.StatusOK, onboardForm{Currency: "CNY"})
}

func (c *Console) showMerchants(v *visit, status int, form onboardForm) error {
	q := v.URL.Query()
	p := merchantsPage{Waiting: q.Get("waiting") == "1", Form: form}
	if c.o.Intake.Office == nil {
		p.Absent = true
		return v.render(status, merchantsView(v, &p))
	}
	list, more, err := c.o.Intake.Merchants(v.Context(), q.Get("after"), p.Waiting, pageSize)
	if err != nil {
		return err
	}
	for i := range list {
		m := &list[i]
		row := merchantRow{MID: m.MID, Name: m.Name, MCC: m.MCC, State: v.merchantMark(m.Status.State), Waiting: len(m.Proposals), Stores: len(m.Stores)}
		_, obstacle := m.PayoutAccount(c.o.Now())
		row.Pay = v.obstacleMark(obstacle)
		if t, ok := m.TermsOn(v.today()); ok {
			row.Cycle = t.Cycle
		}
		if n := len(m.Accounts); n > 0 {
			row.Account = m.Accounts[n-1].Bank + " " + m.Accounts[n-1].Tail
		}
		p.Rows = append(p.Rows, row)
	}
	if more {
		next := url.Values{"after": {list[len(list)-1].MID}}
		if p.Waiting {
			next.Set("waiting", "1")
		}
		p.Next = templ.SafeURL("/merchants?" + next.Encode())
	}
	return v.render(status, merchantsView(v, &p))
}

func (c *Console) onboard(v *visit) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, 8192)
	f := onboardForm{MID: strings.TrimSpace(v.PostFormValue("mid")), Name: strings.TrimSpace(v.PostFormValue("name")), MCC: v.PostFormValue("mcc"),
		Currency: v.PostFormValue("currency"), Onboarded: v.PostFormValue("onboarded")}
	d := merchant.Details{MID: f.MID, Name: f.Name, MCC: f.MCC, Onboarded: calendar.None}
	var err error
	if d.Currency, err = intake.ParseCurrency(strings.ToUpper(f.Currency)); err == nil {
		if day, bad := calendar.ParseDate(f.Onboarded); bad == nil {
			d.Onboarded = day
		}
		_, err = c.o.Intake.Onboard(v.Context(), v.actor(), d)
	}
	if err != nil {
		if !forPerson(err) {
			return err
		}
		f.Wrong, f.Hint = messageOf(err, v.lang)
		return c.showMerchants(v, http.StatusBadRequest, f)
	}
	http.Redirect(v.w, v.Request, "/merchants/"+url.PathEscape(f.MID), http.StatusSeeOther)
	return nil
}

// forPerson reports whether an error is about what was entered, so that it stands in
// the form.
func forPerson(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.Conflict, fault.NotAllowed, fault.Usage:
		return true
	}
	return false
}

// merchantPage is all that is known of a merchant.
type merchantPage struct {
	MID, Name, MCC, Currency, Onboarded string
	State, Pay                          stateMark
	Why                                 string // why it is not active
	Now                                 *termsLine
	Accounts                            []accountLine
	Stores                              []merchant.Store
	Terminals                           []terminalRow
	MoreTerminals                       bool
	Proposals                           []proposalLine
	History                             []historyLine
	Terms                               termsForm
	Form                                string // the form that is open, by name
	Wrong, Hint                         string
	Done                                bool
}

type accountLine struct {
	Tail, Token, Holder, Bank, Agent string
	State                            stateMark
	Verifiable                       bool
}

// proposalLine is a proposal that waits.
type proposalLine struct {
	Number       int
	Subject      string
	What         string
	Maker, Why   string
	Made         string
	Expires      string
	Own, Expired bool
}

type historyLine struct{ At, What, By, Detail string }

// proposals are those of a merchant that wait; subject narrows them, "" for all.
func (v *visit) proposals(m *merchant.Merchant, subject merchant.Subject) []proposalLine {
	var out []proposalLine
	for i := range m.Proposals {
		q := &m.Proposals[i]
		if subject != "" && q.Subject != subject {
			continue
		}
		p := proposalLine{Number: q.Number, Maker: q.Maker, Why: q.Why, Made: v.moment(q.Made).Brief, Expires: v.moment(q.Expires).Brief, Own: q.Maker == v.actor().Name,
			Expired: !v.console.o.Now().Before(q.Expires)}
		switch {
		case q.Terms != nil:
			t := q.Terms
			line := v.agreed(m, t)
			p.Subject = v.say("terms", "条款")
			p.What = v.say("from "+line.From+": ", "自 "+line.From+"：") + strings.Join(slices.Concat([]string{t.Cycle, t.Cutoff, t.Calendar}, line.Fees), ", ")
		case q.Account != nil:
			p.Subject = v.say("account", "账户")
			p.What = strings.Join([]string{q.Account.Bank, q.Account.Tail, q.Account.Holder}, " ")
		case q.Status != nil:
			p.Subject = v.say("state", "状态")
			p.What = strings.TrimSpace(v.merchantMark(q.Status.State).Word + " " + v.reasonWord(q.Status.Reason) + " " + q.Status.Document)
		}
		out = append(out, p)
	}
	return out
}

func (c *Console) merchant(v *visit) error {
	p := merchantPage{Done: v.URL.Query().Get("done") != ""}
	return c.showMerchant(v, http.StatusOK, &p)
}

func (c *Console) showMerchant(v *visit, status int, p *merchantPage) error {
	mid := v.PathValue("mid")
	if v.only != "" && v.only != mid {
		return errNoPage
	}
	m, events, err := c.o.Intake.Merchant(v.Context(), mid)
	if err != nil {
		return err
	}
	p.MID, p.Name, p.MCC, p.Currency, p.Onboarded = m.MID, m.Name, m.MCC, m.Currency.String(), m.Onboarded.String()
	p.State, p.Stores = v.merchantMark(m.Status.State), m.Stores
	if m.Status.State != merchant.Active {
		p.Why = strings.TrimSpace(v.reasonWord(m.Status.Reason) + " " + m.Status.Document)
	}
	_, obstacle := m.PayoutAccount(c.o.Now())
	p.Pay = v.obstacleMark(obstacle)
	if t, ok := m.TermsOn(v.today()); ok {
		line := v.agreed(&m, t)
		p.Now = &line
		if p.Form != "terms" {
			p.Terms = termsFormOf(t, m.Currency)
		}
	} else if p.Form != "terms" {
		p.Terms = termsForm{Cycle: "T1", Cutoff: "24:00", Zone: "Asia/Shanghai", Calendar: "CN", Mode: "net", Fees: []feeForm{{BPS: "60"}}}
	}
	if p.Form != "terms" {
		p.Terms.From = v.today().Add(1).String()
	}
	for len(p.Terms.Fees) < 4 {
		p.Terms.Fees = append(p.Terms.Fees, feeForm{})
	}
	for i := range slices.Backward(m.Accounts) {
		p.Accounts = append(p.Accounts, c.accountLine(v, &m.Accounts[i]))
	}
	p.Proposals = v.proposals(&m, "")
	for _, e := range slices.Backward(events) {
		p.History = append(p.History, historyLine{v.moment(e.At).Brief, v.merchantEvent(e.What), e.By, e.Detail})
	}
	list, more, err := c.o.Intake.Terminals(v.Context(), mid, "", 20)
	if err != nil {
		return err
	}
	p.Terminals, p.MoreTerminals = c.terminalRows(v, list), more
	return v.render(status, merchantView(v, p))
}

func (c *Console) accountLine(v *visit, a *merchant.Account) accountLine {
	one := merchant.Merchant{Accounts: []merchant.Account{*a}}
	_, lacks := one.PayoutAccount(c.o.Now())
	return accountLine{Tail: a.Tail, Token: a.Token, Holder: a.Holder, Bank: a.Bank, Agent: a.Agent, State: v.obstacleMark(lacks), Verifiable: lacks == merchant.Unverified}
}

// merchantEvent is what happened to a merchant, such as terms_proposed, for people.
func (v *visit) merchantEvent(what string) string {
	words := map[string][2]string{"onboarded": {"onboarded", "入网"}, "terms": {"terms", "条款"}, "account": {"account", "账户"}, "status": {"state", "状态"}, "store": {"store", "门店"},
		"proposed": {"proposed", "提交"}, "approved": {"approved", "复核通过"}, "declined": {"declined", "驳回"}, "withdrawn": {"withdrawn", "撤回"},
		"verified": {"verified", "核验"}, "blocked": {"blocked", "停用"}, "opened": {"opened", "开设"}, "closed": {"closed", "关闭"}}
	var en, zh []string
	for part := range strings.SplitSeq(what, "_") {
		w, ok := words[part]
		if !ok {
			w = [2]string{part, part}
		}
		en, zh = append(en, w[0]), append(zh, w[1])
	}
	return v.say(strings.Join(en, " "), strings.Join(zh, ""))
}

// back leads to the merchant after a change, or shows what is wrong in its form.
func (c *Console) back(v *visit, form string, p *merchantPage, err error) error {
	if err == nil {
		http.Redirect(v.w, v.Request, "/merchants/"+url.PathEscape(v.PathValue("mid"))+"?done=1", http.StatusSeeOther)
		return nil
	}
	if !forPerson(err) {
		return err
	}
	p.Form = form
	p.Wrong, p.Hint = messageOf(err, v.lang)
	return c.showMerchant(v, http.StatusBadRequest, p)
}

// termsForm is what was entered of terms.
type termsForm struct {
	From, Cycle, Cutoff, Zone, Calendar, Capture, PayoutBy, Credit, Mode, Minimum, Why string
	Fees                                                                               []feeForm
}

type feeForm struct{ Card, Network, BPS, Fixed, Cap string }

// termsFormOf fills the form with terms, to be changed.
func termsFormOf(t *merchant.Terms, c money.Currency) termsForm {
	f := termsForm{Cycle: t.Cycle, Cutoff: t.Cutoff, Zone: t.Timezone, Calendar: t.Calendar, Capture: t.Capture, PayoutBy: t.PayoutBy, Credit: strconv.Itoa(t.CreditDays),
		Mode: cmp.Or(t.FeeMode, "net")}
	major := func(n int64) string {
		if n == 0 {
			return ""
		}
		return money.Format(n, c)
	}
	f.Minimum = major(t.MinimumPayout)
	for _, x := range t.Fees {
		f.Fees = append(f.Fees, feeForm{x.CardType, x.Network, x.Rate.String(), major(x.Fixed), major(x.Cap)})
	}
	return f
}

// readTerms reads the form; the error says what cannot be read.
func (v *visit) readTerms(c money.Currency) (termsForm, merchant.Terms, error) {
	f := termsForm{From: v.PostFormValue("from"), Cycle: strings.ToUpper(strings.TrimSpace(v.PostFormValue("cycle"))), Cutoff: v.PostFormValue("cutoff"), Zone: v.PostFormValue("zone"),
		Calendar: v.PostFormValue("calendar"), Capture: v.PostFormValue("capture"), PayoutBy: v.PostFormValue("payout_by"), Credit: v.PostFormValue("credit"),
		Mode: v.PostFormValue("mode"), Minimum: strings.TrimSpace(v.PostFormValue("minimum")), Why: strings.TrimSpace(v.PostFormValue("why"))}
	t := merchant.Terms{ValidFrom: calendar.None, Cycle: f.Cycle, Cutoff: f.Cutoff, Timezone: f.Zone, Calendar: f.Calendar, Capture: f.Capture, PayoutBy: f.PayoutBy, FeeMode: f.Mode}
	if d, err := calendar.ParseDate(f.From); err == nil {
		t.ValidFrom = d
	}
	var wrong error
	amount := func(s string) int64 {
		if s == "" {
			return 0
		}
		n, err := money.ParseDecimal(s, c.Exponent(), money.Auto)
		wrong = errors.Join(wrong, err)
		return n
	}
	t.MinimumPayout = amount(f.Minimum)
	t.CreditDays, _ = strconv.Atoi(f.Credit)
	for i := range 12 {
		n := strconv.Itoa(i)
		x := feeForm{v.PostFormValue("card_" + n), strings.TrimSpace(v.PostFormValue("network_" + n)), strings.TrimSpace(v.PostFormValue("bps_" + n)),
			strings.TrimSpace(v.PostFormValue("fixed_" + n)), strings.TrimSpace(v.PostFormValue("cap_" + n))}
		if x.BPS == "" && x.Fixed == "" {
			continue
		}
		f.Fees = append(f.Fees, x)
		rate, err := money.ParseRate(cmp.Or(x.BPS, "0"))
		wrong = errors.Join(wrong, err)
		t.Fees = append(t.Fees, merchant.Fee{Rate: rate, Fixed: amount(x.Fixed), Cap: amount(x.Cap), CardType: x.Card, Network: x.Network})
	}
	if wrong != nil {
		wrong = fault.New(fault.Invalid, fault.Say("read terms", "读取条款"), "", fault.Reason(wrong), fault.Say("write rates in basis points (60 is 0.6 %%) and amounts as 18.00", "费率以基点计（60 即 0.6%%），金额写作 18.00"))
	}
	return f, t, wrong
}

func (c *Console) proposeTerms(v *visit) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, 32<<10)
	m, _, err := c.o.Intake.Merchant(v.Context(), v.PathValue("mid"))
	if err != nil {
		return err
	}
	form, t, err := v.readTerms(m.Currency)
	if err == nil {
		_, err = c.o.Intake.ProposeTerms(v.Context(), v.actor(), m.MID, t, form.Why)
	}
	return c.back(v, "terms", &merchantPage{Terms: form}, err)
}

func (c *Console) proposeStatus(v *visit) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, 8192)
	_, err := c.o.Intake.ProposeStatus(v.Context(), v.actor(), v.PathValue("mid"), merchant.State(v.PostFormValue("state")), merchant.Reason(v.PostFormValue("reason")),
		strings.TrimSpace(v.PostFormValue("document")), strings.TrimSpace(v.PostFormValue("why")))
	return c.back(v, "status", &merchantPage{}, err)
}

func (c *Console) proposeAccount(v *visit) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, 8192)
	a := intake.Account{Number: v.PostFormValue("number"), Holder: strings.TrimSpace(v.PostFormValue("holder")), Bank: strings.TrimSpace(v.PostFormValue("bank")),
		Agent: strings.TrimSpace(v.PostFormValue("agent"))}
	_, err := c.o.Intake.ProposeAccount(v.Context(), v.actor(), v.PathValue("mid"), a, strings.TrimSpace(v.PostFormValue("why")))
	return c.back(v, "account", &merchantPage{}, err)
}

func (c *Console) verifyAccount(v *visit) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, 8192)
	_, err := c.o.Intake.VerifyAccount(v.Context(), v.actor(), v.PathValue("mid"), v.PostFormValue("token"), v.PostFormValue("method"))
	return c.back(v, "verify", &merchantPage{}, err)
}

func (c *Console) openStore(v *visit) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, 8192)
	s := merchant.Store{ID: strings.TrimSpace(v.PostFormValue("id")), Name: strings.TrimSpace(v.PostFormValue("name")), Address: strings.TrimSpace(v.PostFormValue("address")), Opened: v.today()}
	_, err := c.o.Intake.OpenStore(v.Context(), v.actor(), v.PathValue("mid"), s)
	return c.back(v, "store", &merchantPage{}, err)
}

// decideProposal approves or declines a proposal.
func (c *Console) decideProposal(v *visit) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, 8192)
	number, err := strconv.Atoi(v.PathValue("number"))
	if err != nil {
		return errNoPage
	}
	if v.PostFormValue("decision") == "approve" {
		_, err = c.o.Intake.Approve(v.Context(), v.actor(), v.PathValue("mid"), number)
	} else {
		_, err = c.o.Intake.Decline(v.Context(), v.actor(), v.PathValue("mid"), number, strings.TrimSpace(v.PostFormValue("why")))
	}
	return c.back(v, "proposals", &merchantPage{}, err)
}

// terminalsPage lists terminals.
type terminalsPage struct {
	Rows []terminalRow
	Next templ.SafeURL
	MID  string
	Form terminalForm
}

type terminalRow struct {
	TID, MID, Model, Location string
	State, Health             stateMark
	Heard, Version            string
	Pending                   int64
}

// terminalForm is what was entered of a terminal.
type terminalForm struct {
	TID, MID, Model, Location string
	Barred                    bool
	Flaws                     map[string]string
	Wrong, Hint               string
}

func (v *visit) healthMark(worst string) stateMark {
	switch worst {
	case "ok":
		return stateMark{"good", "✓", v.say("works", "正常")}
	case "degraded":
		return stateMark{"bad", "!", v.say("degraded", "降级")}
	case "failed":
		return stateMark{"bad", "✕", v.say("failed", "故障")}
	}
	return stateMark{"calm", "–", v.say("nothing told", "未上报")}
}

// terminalRows shows terminals with what they last told.
func (c *Console) terminalRows(v *visit, list []intake.Terminal) []terminalRow {
	shown := map[string]bool{}
	for _, t := range list {
		shown[t.TID] = true
	}
	var health map[string]*intake.Health
	c.o.Live.Read(func(now *investigation.Current) {
		health = intake.HealthOf(now.Around().View, func(tid string) bool { return shown[tid] })
	})
	rows := make([]terminalRow, len(list))
	for i, t := range list {
		rows[i] = terminalRow{TID: t.TID, MID: t.MID, Model: t.Model, Location: t.Location, State: v.barredMark(t.Barred), Health: v.healthMark("")}
		if h := health[t.TID]; h != nil {
			rows[i].Health, rows[i].Heard, rows[i].Version, rows[i].Pending = v.healthMark(h.Worst()), v.moment(h.Heard).Brief, h.Version, h.Pending
		}
	}
	return rows
}

func (v *visit) barredMark(barred bool) stateMark {
	if barred {
		return stateMark{"bad", "✕", v.say("barred", "停用")}
	}
	return stateMark{"good", "✓", v.say("in use", "在用")}
}

func (c *Console) terminals(v *visit) error {
	return c.showTerminals(v, http.StatusOK, terminalForm{MID: v.URL.Query().Get("merchant")})
}

func (c *Console) showTerminals(v *visit, status int, form terminalForm) error {
	q := v.URL.Query()
	p := terminalsPage{MID: cmp.Or(v.only, strings.TrimSpace(q.Get("merchant"))), Form: form}
	list, more, err := c.o.Intake.Terminals(v.Context(), p.MID, q.Get("after"), pageSize)
	if err != nil {
		return err
	}
	p.Rows = c.terminalRows(v, list)
	if more {
		next := url.Values{"after": {list[len(list)-1].TID}}
		if q.Has("merchant") {
			next.Set("merchant", p.MID)
		}
		p.Next = templ.SafeURL("/terminals?" + next.Encode())
	}
	return v.render(status, terminalsView(v, &p))
}

// terminalPage is one terminal with the state of its parts.
type terminalPage struct {
	terminalRow
	Operations []string
	Parts      []devicePart
	Form       terminalForm
}

type devicePart struct {
	Name   string
	State  stateMark
	Since  string
	Detail string
}

func (c *Console) terminal(v *visit) error {
	t, err := c.o.Intake.Terminal(v.Context(), v.PathValue("tid"), v.only)
	if err != nil {
		return err
	}
	p := terminalPage{terminalRow: c.terminalRows(v, []intake.Terminal{t})[0], Operations: t.Operations,
		Form: terminalForm{TID: t.TID, MID: t.MID, Model: t.Model, Location: t.Location, Barred: t.Barred}}
	c.o.Live.Read(func(now *investigation.Current) {
		if h := intake.HealthOf(now.Around().View, func(tid string) bool { return tid == t.TID })[t.TID]; h != nil {
			for _, x := range h.Parts {
				p.Parts = append(p.Parts, devicePart{v.partWord(x.Name), v.healthMark(x.State), v.moment(x.Since).Brief, x.Detail})
			}
		}
	})
	return v.render(http.StatusOK, terminalView(v, &p))
}

// partWord is a terminal's part for people.
func (v *visit) partWord(name string) string {
	words := map[string]string{"printer": "打印机", "magstripe_reader": "磁条读卡器", "chip_reader": "芯片读卡器", "contactless_reader": "非接读卡器", "mainboard": "主板", "battery": "电池",
		"sim": "SIM 卡", "clock": "时钟"}
	return v.say(strings.ReplaceAll(name, "_", " "), cmp.Or(words[name], name))
}

func (c *Console) registerTerminal(v *visit) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, 8192)
	f := terminalForm{TID: strings.TrimSpace(v.PostFormValue("tid")), MID: strings.TrimSpace(v.PostFormValue("mid")), Model: strings.TrimSpace(v.PostFormValue("model")),
		Location: strings.TrimSpace(v.PostFormValue("location")), Barred: v.PostFormValue("barred") != ""}
	t := intake.Terminal{TID: f.TID, MID: f.MID, Model: f.Model, Location: f.Location, Barred: f.Barred}
	if was, err := c.o.Intake.Terminal(v.Context(), f.TID, ""); err == nil {
		t.Operations = was.Operations // not asked for here
	}
	err := c.o.Intake.RegisterTerminal(v.Context(), v.actor(), t)
	if err == nil {
		http.Redirect(v.w, v.Request, "/terminals/"+url.PathEscape(f.TID), http.StatusSeeOther)
		return nil
	}
	f.Flaws = v.flaws(err)
	switch {
	case f.Flaws != nil:
	case fault.KindOf(err) == fault.NotFound:
		f.Flaws = map[string]string{"mid": v.say("there is no such merchant", "没有这个商户")}
	case forPerson(err):
		f.Wrong, f.Hint = messageOf(err, v.lang)
	default:
		return err
	}
	return c.showTerminals(v, http.StatusBadRequest, f)
}

// merchantLink leads to a merchant.
func merchantLink(mid string) templ.SafeURL {
	return templ.SafeURL("/merchants/" + url.PathEscape(mid))
}
