package merchant

import (
	"slices"
	"time"

	"daozhang/internal/card"
	"daozhang/internal/fault"
)

// Account is where a merchant is paid to. The full number is not here: Tail
// shows it, Token tells two apart, Sealed is what the payment order is made from.
type Account struct {
	Token  string // see card.AccountToken
	Tail   string // ****6789
	Sealed []byte // the number, sealed by the keyring
	Holder string // as the bank knows it
	Bank   string // short name, as in the bank's links and notices: ICBC
	// Agent is the bank's code in orders: BIC, or China's CNAPS number.
	Agent string

	Approved time.Time
	// UsableFrom is when the cooling time ends.
	UsableFrom time.Time
	// Verified is when its owner was confirmed, zero while it was not, and Method
	// how: "four_elements", "penny_test", "document".
	Verified time.Time
	Method   string
	// Blocked is the ISO 20022 reason for which a bank refused a payout to it; ""
	// while it is good. A blocked account is not tried again.
	Blocked string
}

// NewAccount describes an account by its number, which is not kept. sealed is
// the number as the keyring sealed it.
func NewAccount(number string, sealed []byte, holder, bank, agent string) Account {
	return Account{Token: card.AccountToken(number), Tail: card.AccountTail(number), Sealed: sealed, Holder: holder, Bank: bank, Agent: agent}
}

// Obstacle is why a merchant cannot be paid now, as far as its account goes.
type Obstacle string

// The obstacles.
const (
	NoObstacle Obstacle = ""
	// NoAccount: none was ever approved.
	NoAccount Obstacle = "no_account"
	// Unverified: the only account in question is not verified.
	Unverified Obstacle = "account_unverified"
	// Cooling: the only account in question was changed a short time ago.
	Cooling Obstacle = "account_cooling"
	// Blocked: the bank refused the account, and no other is there.
	Blocked Obstacle = "account_blocked"
)

// PayoutAccount returns the account to pay to at a moment: the latest approved
// one that is verified, past its cooling time and not blocked. Where there is
// none it returns false and what the latest one lacks.
func (m *Merchant) PayoutAccount(now time.Time) (Account, Obstacle) {
	if len(m.Accounts) == 0 {
		return Account{}, NoAccount
	}
	for _, a := range slices.Backward(m.Accounts) {
		if a.lacks(now) == NoObstacle {
			return a, NoObstacle
		}
	}
	return Account{}, m.Accounts[len(m.Accounts)-1].lacks(now)
}

func (a *Account) lacks(now time.Time) Obstacle {
	switch {
	case a.Blocked != "":
		return Blocked
	case a.Verified.IsZero():
		return Unverified
	case now.Before(a.UsableFrom):
		return Cooling
	}
	return NoObstacle
}

// VerifyAccount records that the owner of an approved account was confirmed.
func (m *Merchant) VerifyAccount(now time.Time, by, token, method string) (Change, error) {
	i, err := m.account(fault.Say("verify account", "核验账户"), token)
	if err != nil {
		return Change{}, err
	}
	if by == "" || method == "" {
		return Change{}, m.invalid(fault.Say("verify account", "核验账户"), fault.Say("say who confirmed the owner, and how", "请填写核验人与核验方式"))
	}
	next := m.next()
	next.Accounts[i].Verified, next.Accounts[i].Method = now, method
	return next.change(now, "account_verified", by, 0, next.Accounts[i].Tail+" "+method), nil
}

// BlockAccount records that a bank refused a payout because of the account, with
// the ISO 20022 reason (AC01, AC04, …). Nothing more is paid to it; another one
// has to be proposed, or the same again once it was mended.
func (m *Merchant) BlockAccount(now time.Time, by, token, reason string) (Change, error) {
	i, err := m.account(fault.Say("block account", "停用账户"), token)
	if err != nil {
		return Change{}, err
	}
	next := m.next()
	next.Accounts[i].Blocked = reason
	return next.change(now, "account_blocked", by, 0, next.Accounts[i].Tail+" "+reason), nil
}

// account finds the latest approved account of a token.
func (m *Merchant) account(op fault.Text, token string) (int, error) {
	for i, a := range slices.Backward(m.Accounts) {
		if a.Token == token {
			return i, nil
		}
	}
	return 0, fault.New(fault.NotFound, op, m.MID, fault.Say("no such approved account", "没有这个已批准的账户"),
		fault.Say("propose the account and have it approved first", "请先提交账户并经复核"))
}

// check holds a proposed account against the rules of form.
func (a *Account) check() (fault.Text, bool) {
	switch {
	case a.Token == "" || a.Tail == "":
		return fault.Say("give the account number", "请填写账号"), false
	case len(a.Sealed) == 0:
		return fault.Say("the number has to be sealed by the keyring, or no order can be made", "账号须由密钥环加密保存, 否则无法出款"), false
	case a.Holder == "":
		return fault.Say("give the holder's name as the bank knows it", "请填写银行登记的户名"), false
	case a.Bank == "" || a.Agent == "":
		return fault.Say("name the bank, and its BIC or CNAPS number", "请填写开户行及其 BIC 或联行号"), false
	}
	return fault.Text{}, true
}
