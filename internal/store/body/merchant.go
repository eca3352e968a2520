package body

import (
	"encoding/json"
	"fmt"

	"daozhang/internal/merchant"
	"daozhang/internal/money"
)

type accountBody struct {
	Token      string `json:"token"`
	Tail       string `json:"tail"`
	Sealed     []byte `json:"sealed,omitempty"`
	Holder     string `json:"holder,omitempty"`
	Bank       string `json:"bank,omitempty"`
	Agent      string `json:"agent,omitempty"`
	Approved   int64  `json:"approved,omitempty"`
	UsableFrom int64  `json:"usable_from,omitempty"`
	Verified   int64  `json:"verified,omitempty"`
	Method     string `json:"method,omitempty"`
	Blocked    string `json:"blocked,omitempty"`
}

func accountOf(a *merchant.Account) accountBody {
	return accountBody{a.Token, a.Tail, a.Sealed, a.Holder, a.Bank, a.Agent, Nanos(a.Approved), Nanos(a.UsableFrom), Nanos(a.Verified), a.Method, a.Blocked}
}

func (b *accountBody) account() merchant.Account {
	return merchant.Account{Token: b.Token, Tail: b.Tail, Sealed: b.Sealed, Holder: b.Holder, Bank: b.Bank, Agent: b.Agent, Approved: moment(b.Approved),
		UsableFrom: moment(b.UsableFrom), Verified: moment(b.Verified), Method: b.Method, Blocked: b.Blocked}
}

type placeBody struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Address string `json:"address,omitempty"`
	Opened  string `json:"opened,omitempty"`
	Closed  string `json:"closed,omitempty"`
}

type feeBody struct {
	Rate     int64  `json:"rate"` // as money.Rate counts
	Fixed    int64  `json:"fixed,omitempty"`
	Cap      int64  `json:"cap,omitempty"`
	CardType string `json:"card_type,omitempty"`
	Network  string `json:"network,omitempty"`
}

type termsBody struct {
	ValidFrom     string    `json:"valid_from"`
	Cycle         string    `json:"cycle"`
	Cutoff        string    `json:"cutoff"`
	Timezone      string    `json:"timezone"`
	Calendar      string    `json:"calendar"`
	Capture       string    `json:"capture,omitempty"`
	PayoutBy      string    `json:"payout_by,omitempty"`
	T0Minutes     int       `json:"t0_minutes,omitempty"`
	CreditDays    int       `json:"credit_days,omitempty"`
	Fees          []feeBody `json:"fees,omitempty"`
	FeeMode       string    `json:"fee_mode,omitempty"`
	MinimumPayout int64     `json:"minimum_payout,omitempty"`
	PreauthDays   int       `json:"preauth_days,omitempty"`
	ReserveRate   int64     `json:"reserve_rate,omitempty"`
	ReserveDays   int       `json:"reserve_days,omitempty"`
	Maker         string    `json:"maker,omitempty"`
	Checker       string    `json:"checker,omitempty"`
	Approved      int64     `json:"approved,omitempty"`
}

func termsOf(t *merchant.Terms) termsBody {
	b := termsBody{dateText(t.ValidFrom), t.Cycle, t.Cutoff, t.Timezone, t.Calendar, t.Capture, t.PayoutBy, t.T0Minutes, t.CreditDays, nil, t.FeeMode,
		t.MinimumPayout, t.PreauthDays, int64(t.Reserve.Rate), t.Reserve.Days, t.Maker, t.Checker, Nanos(t.Approved)}
	for _, f := range t.Fees {
		b.Fees = append(b.Fees, feeBody{int64(f.Rate), f.Fixed, f.Cap, f.CardType, f.Network})
	}
	return b
}

func (b *termsBody) terms() (t merchant.Terms, err error) {
	t = merchant.Terms{Cycle: b.Cycle, Cutoff: b.Cutoff, Timezone: b.Timezone, Calendar: b.Calendar, Capture: b.Capture, PayoutBy: b.PayoutBy,
		T0Minutes: b.T0Minutes, CreditDays: b.CreditDays, FeeMode: b.FeeMode, MinimumPayout: b.MinimumPayout, PreauthDays: b.PreauthDays,
		Reserve: merchant.Reserve{Rate: money.Rate(b.ReserveRate), Days: b.ReserveDays}, Maker: b.Maker, Checker: b.Checker, Approved: moment(b.Approved)}
	for _, f := range b.Fees {
		t.Fees = append(t.Fees, merchant.Fee{Rate: money.Rate(f.Rate), Fixed: f.Fixed, Cap: f.Cap, CardType: f.CardType, Network: f.Network})
	}
	t.ValidFrom, err = dateOf(b.ValidFrom)
	return t, err
}

type statusBody struct {
	State    string `json:"state"`
	Reason   string `json:"reason,omitempty"`
	Since    int64  `json:"since,omitempty"`
	Maker    string `json:"maker,omitempty"`
	Checker  string `json:"checker,omitempty"`
	Document string `json:"document,omitempty"`
}

func statusOf(s *merchant.Status) statusBody {
	return statusBody{string(s.State), string(s.Reason), Nanos(s.Since), s.Maker, s.Checker, s.Document}
}

func (b *statusBody) status() (merchant.Status, error) {
	s := merchant.Status{State: merchant.State(b.State), Reason: merchant.Reason(b.Reason), Since: moment(b.Since), Maker: b.Maker, Checker: b.Checker,
		Document: b.Document}
	switch s.State {
	case merchant.Active, merchant.Frozen, merchant.Suspended:
		return s, nil
	}
	return s, fmt.Errorf("merchant state %q is not known", b.State)
}

type proposalBody struct {
	Number  int          `json:"number"`
	Subject string       `json:"subject"`
	Maker   string       `json:"maker"`
	Made    int64        `json:"made,omitempty"`
	Expires int64        `json:"expires,omitempty"`
	Terms   *termsBody   `json:"terms,omitempty"`
	Account *accountBody `json:"account,omitempty"`
	Status  *statusBody  `json:"status,omitempty"`
	Why     string       `json:"why,omitempty"`
}

func proposalOf(q *merchant.Proposal) proposalBody {
	b := proposalBody{Number: q.Number, Subject: string(q.Subject), Maker: q.Maker, Made: Nanos(q.Made), Expires: Nanos(q.Expires), Why: q.Why}
	if q.Terms != nil {
		t := termsOf(q.Terms)
		b.Terms = &t
	}
	if q.Account != nil {
		a := accountOf(q.Account)
		b.Account = &a
	}
	if q.Status != nil {
		s := statusOf(q.Status)
		b.Status = &s
	}
	return b
}

func (b *proposalBody) proposal() (q merchant.Proposal, err error) {
	q = merchant.Proposal{Number: b.Number, Subject: merchant.Subject(b.Subject), Maker: b.Maker, Made: moment(b.Made), Expires: moment(b.Expires), Why: b.Why}
	if b.Terms != nil {
		t, err := b.Terms.terms()
		if err != nil {
			return q, err
		}
		q.Terms = &t
	}
	if b.Account != nil {
		a := b.Account.account()
		q.Account = &a
	}
	if b.Status != nil {
		s, err := b.Status.status()
		if err != nil {
			return q, err
		}
		q.Status = &s
	}
	return q, nil
}

type merchantBody struct {
	MID       string         `json:"mid"`
	Name      string         `json:"name"`
	MCC       string         `json:"mcc"`
	Currency  money.Currency `json:"currency"`
	Onboarded string         `json:"onboarded"`
	Version   uint32         `json:"version"`
	Status    statusBody     `json:"status"`
	Stores    []placeBody    `json:"stores,omitempty"`
	Terms     []termsBody    `json:"terms,omitempty"`
	Accounts  []accountBody  `json:"accounts,omitempty"`
	Proposals []proposalBody `json:"proposals,omitempty"`
	Proposed  int            `json:"proposed,omitempty"`
}

// EncodeMerchant gives a merchant's body.
func EncodeMerchant(m *merchant.Merchant) ([]byte, error) {
	b := merchantBody{MID: m.MID, Name: m.Name, MCC: m.MCC, Currency: m.Currency, Onboarded: dateText(m.Onboarded), Version: m.Version, Status: statusOf(&m.Status),
		Proposed: m.Proposed}
	for _, s := range m.Stores {
		b.Stores = append(b.Stores, placeBody{s.ID, s.Name, s.Address, dateText(s.Opened), dateText(s.Closed)})
	}
	for i := range m.Terms {
		b.Terms = append(b.Terms, termsOf(&m.Terms[i]))
	}
	for i := range m.Accounts {
		b.Accounts = append(b.Accounts, accountOf(&m.Accounts[i]))
	}
	for i := range m.Proposals {
		b.Proposals = append(b.Proposals, proposalOf(&m.Proposals[i]))
	}
	return json.Marshal(&b)
}

// DecodeMerchant is the reverse of EncodeMerchant.
func DecodeMerchant(raw []byte) (m merchant.Merchant, err error) {
	var b merchantBody
	if err = json.Unmarshal(raw, &b); err != nil {
		return m, err
	}
	m = merchant.Merchant{MID: b.MID, Name: b.Name, MCC: b.MCC, Currency: b.Currency, Version: b.Version, Proposed: b.Proposed}
	if m.Onboarded, err = dateOf(b.Onboarded); err != nil {
		return m, err
	}
	if m.Status, err = b.Status.status(); err != nil {
		return m, err
	}
	for _, p := range b.Stores {
		s := merchant.Store{ID: p.ID, Name: p.Name, Address: p.Address}
		if err = dates(pair{p.Opened, &s.Opened}, pair{p.Closed, &s.Closed}); err != nil {
			return m, err
		}
		m.Stores = append(m.Stores, s)
	}
	for i := range b.Terms {
		t, err := b.Terms[i].terms()
		if err != nil {
			return m, err
		}
		m.Terms = append(m.Terms, t)
	}
	for i := range b.Accounts {
		m.Accounts = append(m.Accounts, b.Accounts[i].account())
	}
	for i := range b.Proposals {
		q, err := b.Proposals[i].proposal()
		if err != nil {
			return m, err
		}
		m.Proposals = append(m.Proposals, q)
	}
	return m, nil
}

type eventBody struct {
	MID      string `json:"mid"`
	Version  uint32 `json:"version"`
	At       int64  `json:"at"`
	What     string `json:"what"`
	By       string `json:"by"`
	Proposal int    `json:"proposal,omitempty"`
	Detail   string `json:"detail,omitempty"`
}

// EncodeEvent gives the body of a line of a merchant's audit trail.
func EncodeEvent(e *merchant.Event) ([]byte, error) {
	return json.Marshal(&eventBody{e.MID, e.Version, Nanos(e.At), e.What, e.By, e.Proposal, e.Detail})
}

// DecodeEvent is the reverse of EncodeEvent.
func DecodeEvent(raw []byte) (e merchant.Event, err error) {
	var b eventBody
	err = json.Unmarshal(raw, &b)
	return merchant.Event{MID: b.MID, Version: b.Version, At: moment(b.At), What: b.What, By: b.By, Proposal: b.Proposal, Detail: b.Detail}, err
}
