package api

import (
	"time"

	"daozhang/internal/access"
	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/intake"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
)

// The writing half of the register: what moves money is proposed by one key and
// approved by another.

// MerchantRecord is what was agreed with a merchant.
type MerchantRecord struct {
	MID       string           `json:"mid"`
	Name      string           `json:"name"`
	MCC       string           `json:"mcc,omitempty" doc:"category (ISO 18245)"`
	Currency  string           `json:"currency"`
	Onboarded string           `json:"onboarded" format:"date"`
	State     string           `json:"state" enum:"active,frozen,suspended"`
	Reason    string           `json:"reason,omitempty"`
	Obstacle  string           `json:"obstacle,omitempty" enum:"no_account,account_unverified,account_cooling,account_blocked" doc:"why it cannot be paid now; absent where it can"`
	Terms     []AgreedTerms    `json:"terms,omitempty" doc:"approved, by the date from which they hold"`
	Accounts  []PayoutAccount  `json:"accounts,omitempty" doc:"approved, the latest last"`
	Stores    []Store          `json:"stores,omitempty"`
	Proposals []TermsProposal  `json:"proposals,omitempty" doc:"that wait for a checker"`
	History   []MerchantChange `json:"history,omitempty" doc:"the oldest first"`
}

// AgreedTerms are terms in the words of the contract's merchant.terms.
type AgreedTerms struct {
	ValidFrom     string      `json:"valid_from" format:"date"`
	Cycle         string      `json:"cycle" pattern:"^[TD][0-9]{1,3}$" doc:"T0, T1, … business days; D0, D1, … calendar days"`
	Cutoff        string      `json:"cutoff" doc:"end of the card day, 23:00 or 24:00"`
	Timezone      string      `json:"timezone"`
	Calendar      string      `json:"calendar"`
	Capture       string      `json:"capture,omitempty" enum:"host,terminal"`
	PayoutBy      string      `json:"payout_by,omitempty" doc:"on the due day; absent: 18:00"`
	CreditDays    int         `json:"credit_days,omitempty" doc:"business days from payout to credit"`
	Fees          []AgreedFee `json:"fees"`
	FeeMode       string      `json:"fee_mode,omitempty" enum:"net,invoiced"`
	MinimumPayout int64       `json:"minimum_payout,omitempty" doc:"in minor units"`
	Maker         string      `json:"maker,omitempty" readOnly:"true"`
	Checker       string      `json:"checker,omitempty" readOnly:"true"`
}

// AgreedFee is one rule of a fee table.
type AgreedFee struct {
	BPS      string `json:"bps" doc:"basis points, such as 38 or 52.5"`
	Fixed    int64  `json:"fixed,omitempty" doc:"in minor units, added"`
	Cap      int64  `json:"cap,omitempty" doc:"in minor units, the most; 0 for none"`
	CardType string `json:"card_type,omitempty" enum:"debit,credit,prepaid"`
	Network  string `json:"network,omitempty"`
}

// PayoutAccount is where a merchant is paid to; the number is never shown.
type PayoutAccount struct {
	Account  string `json:"account" doc:"by its last four"`
	Token    string `json:"account_token"`
	Holder   string `json:"holder"`
	Bank     string `json:"bank"`
	Agent    string `json:"agent,omitempty" doc:"BIC or CNAPS number"`
	Verified bool   `json:"verified"`
	Blocked  string `json:"blocked,omitempty" doc:"the ISO 20022 reason for which a bank refused it"`
}

// Store is a place of business.
type Store struct {
	ID      string `json:"id" minLength:"1" maxLength:"32"`
	Name    string `json:"name" minLength:"1" maxLength:"120"`
	Address string `json:"address,omitempty" maxLength:"200"`
	Opened  string `json:"opened,omitempty" format:"date"`
	Closed  string `json:"closed,omitempty" format:"date" readOnly:"true"`
}

// TermsProposal is a change that waits for its checker.
type TermsProposal struct {
	Number  int       `json:"number"`
	Subject string    `json:"subject" enum:"terms,account,status"`
	Maker   string    `json:"maker"`
	Why     string    `json:"why"`
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires"`
}

// MerchantChange is one line of a merchant's history.
type MerchantChange struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"`
	By     string    `json:"by"`
	Detail string    `json:"detail,omitempty"`
}

func recordOf(m *merchant.Merchant, now time.Time) *MerchantRecord {
	_, obstacle := m.PayoutAccount(now)
	r := &MerchantRecord{MID: m.MID, Name: m.Name, MCC: m.MCC, Currency: m.Currency.String(), Onboarded: m.Onboarded.String(), State: string(m.Status.State),
		Reason: string(m.Status.Reason), Obstacle: string(obstacle)}
	for i := range m.Terms {
		t := &m.Terms[i]
		a := AgreedTerms{ValidFrom: t.ValidFrom.String(), Cycle: t.Cycle, Cutoff: t.Cutoff, Timezone: t.Timezone, Calendar: t.Calendar, Capture: t.Capture, PayoutBy: t.PayoutBy,
			CreditDays: t.CreditDays, FeeMode: t.FeeMode, MinimumPayout: t.MinimumPayout, Maker: t.Maker, Checker: t.Checker, Fees: []AgreedFee{}}
		for _, f := range t.Fees {
			a.Fees = append(a.Fees, AgreedFee{f.Rate.String(), f.Fixed, f.Cap, f.CardType, f.Network})
		}
		r.Terms = append(r.Terms, a)
	}
	for i := range m.Accounts {
		a := &m.Accounts[i]
		r.Accounts = append(r.Accounts, PayoutAccount{a.Tail, a.Token, a.Holder, a.Bank, a.Agent, !a.Verified.IsZero(), a.Blocked})
	}
	for _, x := range m.Stores {
		r.Stores = append(r.Stores, Store{x.ID, x.Name, x.Address, x.Opened.String(), x.Closed.String()})
	}
	for i := range m.Proposals {
		q := &m.Proposals[i]
		r.Proposals = append(r.Proposals, TermsProposal{q.Number, string(q.Subject), q.Maker, q.Why, q.Made, q.Expires})
	}
	return r
}

func (s *Server) agreementOperations() {
	absent := s.o.Intake == nil
	op := func(method, path, id, summary string, action access.Action) operation {
		return operation{Method: method, Path: path, ID: id, Tag: "register", Summary: summary, Action: action, Absent: absent}
	}
	read := op("GET", "/v1/merchants/{mid}/record", "getMerchantRecord", "What was agreed with a merchant: terms, accounts, stores, proposals, history.", access.ReadRegister)
	read.Narrows = true
	register(s, read, s.getMerchantRecord)
	register(s, op("POST", "/v1/merchants", "postMerchant", "Take a merchant on.", access.ChangeRegister), s.postMerchant)
	register(s, op("POST", "/v1/merchants/{mid}/proposals", "postMerchantProposal", "Propose terms, a payout account or a state; another has to approve it.", access.Propose), s.postMerchantProposal)
	register(s, op("POST", "/v1/merchants/{mid}/proposals/{number}/approval", "postMerchantApproval", "Approve a proposal of somebody else.", access.Decide), s.postMerchantApproval)
	register(s, op("POST", "/v1/merchants/{mid}/proposals/{number}/refusal", "postMerchantRefusal", "Decline a proposal, or withdraw one's own.", access.Decide), s.postMerchantRefusal)
	register(s, op("POST", "/v1/merchants/{mid}/accounts/{token}/verification", "postAccountVerification", "Record that the owner of an account was confirmed.", access.Decide), s.postAccountVerification)
	register(s, op("POST", "/v1/merchants/{mid}/stores", "postStore", "Add a place of business.", access.ChangeRegister), s.postStore)
	register(s, op("PUT", "/v1/terminals/{tid}", "putTerminal", "Register a terminal, or change what is registered.", access.ChangeRegister), s.putTerminal)
}

func (s *Server) getMerchantRecord(c *call, in *merchantAsked) (*MerchantRecord, error) {
	mid, err := c.narrowed(in.MID)
	if err != nil {
		return nil, err
	}
	m, events, err := s.o.Intake.Merchant(c.Context(), mid)
	if err != nil {
		return nil, err
	}
	r := recordOf(&m, s.o.Now())
	for _, e := range events {
		r.History = append(r.History, MerchantChange{e.At, e.What, e.By, e.Detail})
	}
	return r, nil
}

// agreed gives the record after a change.
func (s *Server) agreed(m merchant.Merchant, err error) (*MerchantRecord, error) {
	if err != nil {
		return nil, flawed(err)
	}
	return recordOf(&m, s.o.Now()), nil
}

type merchantTaken struct {
	Body struct {
		MID       string `json:"mid" minLength:"1" maxLength:"64"`
		Name      string `json:"name" minLength:"1" maxLength:"120"`
		MCC       string `json:"mcc" pattern:"^[0-9]{4}$" doc:"category (ISO 18245)"`
		Currency  string `json:"currency" doc:"ISO 4217"`
		Onboarded string `json:"onboarded,omitempty" format:"date" doc:"first day of trade; default today"`
	}
}

func (s *Server) postMerchant(c *call, in *merchantTaken) (*MerchantRecord, error) {
	b := &in.Body
	d := merchant.Details{MID: b.MID, Name: b.Name, MCC: b.MCC, Onboarded: calendar.None}
	var err error
	if d.Currency, err = intake.ParseCurrency(b.Currency); err != nil {
		return nil, flawed(err)
	}
	if day, err := calendar.ParseDate(b.Onboarded); err == nil {
		d.Onboarded = day
	}
	return s.agreed(s.o.Intake.Onboard(c.Context(), c.actor(), d))
}

// AccountProposed is a payout account as it is proposed; the number is sealed at once.
type AccountProposed struct {
	Number string `json:"number" minLength:"1" maxLength:"40" doc:"account number; it is sealed at once and never shown"`
	Holder string `json:"holder" maxLength:"120" doc:"as the bank knows it"`
	Bank   string `json:"bank" maxLength:"40"`
	Agent  string `json:"agent" maxLength:"20" doc:"BIC or CNAPS number"`
}

// StateProposed is a state as it is proposed.
type StateProposed struct {
	State    string `json:"state" enum:"active,frozen,suspended"`
	Reason   string `json:"reason,omitempty" enum:"judicial,violation,verification,dormant,risk"`
	Document string `json:"document,omitempty" maxLength:"80" doc:"number of the order or case"`
}

type proposalMade struct {
	MID  string `path:"mid" maxLength:"64"`
	Body struct {
		Terms   *AgreedTerms     `json:"terms,omitempty"`
		Account *AccountProposed `json:"account,omitempty"`
		Status  *StateProposed   `json:"status,omitempty"`
		Why     string           `json:"why" minLength:"1" maxLength:"200" doc:"the reason, by which the checker decides"`
	}
}

func (s *Server) postMerchantProposal(c *call, in *proposalMade) (*MerchantRecord, error) {
	b := &in.Body
	given := 0
	for _, there := range [...]bool{b.Terms != nil, b.Account != nil, b.Status != nil} {
		if there {
			given++
		}
	}
	if given != 1 {
		return nil, unacceptable(invalid("body", fault.Say("propose one of terms, account and status", "terms、account、status 须且仅须提交一项")))
	}
	ctx, who := c.Context(), c.actor()
	switch {
	case b.Terms != nil:
		t, err := b.Terms.terms()
		if err != nil {
			return nil, err
		}
		return s.agreed(s.o.Intake.ProposeTerms(ctx, who, in.MID, t, b.Why))
	case b.Account != nil:
		a := b.Account
		return s.agreed(s.o.Intake.ProposeAccount(ctx, who, in.MID, intake.Account{Number: a.Number, Holder: a.Holder, Bank: a.Bank, Agent: a.Agent}, b.Why))
	}
	return s.agreed(s.o.Intake.ProposeStatus(ctx, who, in.MID, merchant.State(b.Status.State), merchant.Reason(b.Status.Reason), b.Status.Document, b.Why))
}

// terms reads them as the rules of merchants have them.
func (a *AgreedTerms) terms() (merchant.Terms, error) {
	t := merchant.Terms{ValidFrom: calendar.None, Cycle: a.Cycle, Cutoff: a.Cutoff, Timezone: a.Timezone, Calendar: a.Calendar, Capture: a.Capture, PayoutBy: a.PayoutBy,
		CreditDays: a.CreditDays, FeeMode: a.FeeMode, MinimumPayout: a.MinimumPayout}
	if d, err := calendar.ParseDate(a.ValidFrom); err == nil {
		t.ValidFrom = d
	}
	for _, f := range a.Fees {
		rate, err := money.ParseRate(f.BPS)
		if err != nil {
			return t, unacceptable(invalid("body.terms.fees.bps", fault.Reason(err)))
		}
		t.Fees = append(t.Fees, merchant.Fee{Rate: rate, Fixed: f.Fixed, Cap: f.Cap, CardType: f.CardType, Network: f.Network})
	}
	return t, nil
}

type proposalMeant struct {
	MID    string `path:"mid" maxLength:"64"`
	Number int    `path:"number" minimum:"1"`
}

func (s *Server) postMerchantApproval(c *call, in *proposalMeant) (*MerchantRecord, error) {
	return s.agreed(s.o.Intake.Approve(c.Context(), c.actor(), in.MID, in.Number))
}

type proposalRefused struct {
	MID    string `path:"mid" maxLength:"64"`
	Number int    `path:"number" minimum:"1"`
	Body   struct {
		Why string `json:"why,omitempty" maxLength:"200"`
	}
}

func (s *Server) postMerchantRefusal(c *call, in *proposalRefused) (*MerchantRecord, error) {
	return s.agreed(s.o.Intake.Decline(c.Context(), c.actor(), in.MID, in.Number, in.Body.Why))
}

type accountVerified struct {
	MID   string `path:"mid" maxLength:"64"`
	Token string `path:"token" maxLength:"64" doc:"account_token"`
	Body  struct {
		Method string `json:"method" enum:"four_elements,penny_test,document"`
	}
}

func (s *Server) postAccountVerification(c *call, in *accountVerified) (*MerchantRecord, error) {
	return s.agreed(s.o.Intake.VerifyAccount(c.Context(), c.actor(), in.MID, in.Token, in.Body.Method))
}

type storeOpened struct {
	MID  string `path:"mid" maxLength:"64"`
	Body Store
}

func (s *Server) postStore(c *call, in *storeOpened) (*MerchantRecord, error) {
	x := merchant.Store{ID: in.Body.ID, Name: in.Body.Name, Address: in.Body.Address, Opened: calendar.None}
	if d, err := calendar.ParseDate(in.Body.Opened); err == nil {
		x.Opened = d
	}
	return s.agreed(s.o.Intake.OpenStore(c.Context(), c.actor(), in.MID, x))
}

type terminalPut struct {
	TID  string `path:"tid" maxLength:"16" doc:"number (ISO 8583 field 41)"`
	Body struct {
		MID        string   `json:"mid" minLength:"1" maxLength:"64" doc:"its merchant, for life (ISO 8583 field 42)"`
		Model      string   `json:"model,omitempty" maxLength:"64"`
		Location   string   `json:"location,omitempty" maxLength:"128"`
		Barred     bool     `json:"barred,omitempty" doc:"takes no payments"`
		Operations []string `json:"operations,omitempty" maxItems:"32" doc:"that it may ask for; absent: all"`
	}
}

func (s *Server) putTerminal(c *call, in *terminalPut) (*Terminal, error) {
	b := &in.Body
	t := intake.Terminal{TID: in.TID, MID: b.MID, Model: b.Model, Location: b.Location, Barred: b.Barred, Operations: b.Operations}
	if err := s.o.Intake.RegisterTerminal(c.Context(), c.actor(), t); err != nil {
		return nil, flawed(err)
	}
	return &Terminal{t.TID, t.MID, t.Model, t.Location, t.Barred, t.Operations}, nil
}
