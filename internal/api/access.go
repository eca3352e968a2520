package api

import (
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// Role is what a key's owner is in the payment's world. It decides which facts
// the key may bring: a fact is worth what its witness is worth.
type Role string

// The roles.
const (
	RoleInstitution Role = "institution" // runs the platform's business: terms, cases
	RolePlatform    Role = "platform"    // settlement, payouts, risk, accounts
	RoleBank        Role = "bank"        // a payout bank or a merchant's bank
	RoleNetwork     Role = "network"
	RoleIssuer      Role = "issuer"
	RoleMerchant    Role = "merchant" // the till, and its own payments
	RoleTerminal    Role = "terminal" // telemetry of terminals
	RoleVendor      Role = "vendor"   // of terminals: notices
	RoleAuditor     Role = "auditor"  // reads all, brings nothing
)

// right is what a role may do.
type right struct {
	// as is the role of a person who may do what the key may, by the table of package
	// access; "" for keys that bring facts and do nothing else.
	as    access.Role
	types []evidence.Type
	// covers are beginnings of what its coverage facts may speak of.
	covers []string
	// speaks is how the issuer of its notices begins, scopes that of its limits.
	speaks string
	scopes []string
}

var rights = map[Role]right{
	RoleInstitution: {as: access.Institution, types: []evidence.Type{evidence.MerchantTerms, evidence.CalendarHoliday, evidence.CaseOpened, evidence.CaseClosed}},
	RolePlatform: {as: access.Auditor, types: []evidence.Type{evidence.GatewayRequest, evidence.GatewayResponse, evidence.GatewayTimeout, evidence.GatewayReversal,
		evidence.GatewayError, evidence.SettlementLine, evidence.SettlementFile, evidence.PayoutStatus, evidence.LinkStatus, evidence.AccountStatus,
		evidence.RiskDecision, evidence.Coverage, evidence.Notice, evidence.LimitPolicy},
		covers: []string{"gateway", "settlement", "payouts", "risk"}, speaks: "platform", scopes: []string{"mid/", "tid/"}},
	RoleBank: {types: []evidence.Type{evidence.BankEntry, evidence.BankStatement, evidence.PayoutStatus, evidence.NetworkFunding, evidence.Notice, evidence.LimitPolicy},
		speaks: "bank/", scopes: []string{"bank/"}},
	RoleNetwork: {types: []evidence.Type{evidence.ClearingLine, evidence.ClearingFile, evidence.Coverage, evidence.Notice},
		covers: []string{"clearing/"}, speaks: "network/"},
	RoleIssuer:   {types: []evidence.Type{evidence.Notice, evidence.LimitPolicy}, speaks: "bank/", scopes: []string{"issuer/"}},
	RoleMerchant: {as: access.Merchant, types: []evidence.Type{evidence.SaleOrder, evidence.Coverage}, covers: []string{"orders"}},
	RoleTerminal: {types: []evidence.Type{evidence.TerminalTransaction, evidence.TerminalHealth, evidence.TerminalSoftware, evidence.TerminalBatch,
		evidence.OperatorAction, evidence.Coverage}, covers: []string{"terminal/"}},
	RoleVendor:  {types: []evidence.Type{evidence.Notice}, speaks: "vendor/"},
	RoleAuditor: {as: access.Auditor},
}

// Allowed gives how far a key of this role may do something; for keys of a single
// merchant it ends there.
func (r Role) Allowed(a access.Action) access.Scope {
	as := rights[r].as
	if as == "" {
		return access.None
	}
	return access.Allowed(as, a)
}

// Roles lists the roles in order of their names.
func Roles() []string {
	var names []string
	for r := range rights {
		names = append(names, string(r))
	}
	slices.Sort(names)
	return names
}

// ParseRole gives a role by its name.
func ParseRole(s string) (Role, bool) {
	_, ok := rights[Role(s)]
	return Role(s), ok
}

// own is how the platform's own gateway signs its facts; it writes them itself,
// and no key may.
const own = "gateway/"

// may says why a key may not bring a fact; none where it may.
func (k *Key) may(set *evidence.Set, ref evidence.FactRef) fault.Text {
	f := set.At(ref)
	source := set.Words.Text(f.Source)
	r := rights[k.Role]
	switch {
	case strings.HasPrefix(source, own):
		return fault.Say("the source belongs to the gateway itself", "该来源只属于网关自身")
	case !slices.ContainsFunc(k.Sources, func(p string) bool {
		if head, ok := strings.CutSuffix(p, "*"); ok {
			return strings.HasPrefix(source, head)
		}
		return source == p
	}):
		return fault.Say("the key does not speak for this source", "密钥不能代表该来源")
	case f.Type == evidence.UnknownType:
		return fault.Say("only types of the contract are taken", "只接受约定中的类型")
	case !slices.Contains(r.types, f.Type):
		return fault.Say("a %s is no witness of %s", "%s 不能作为 %s 的见证方", k.Role, f.Type)
	case k.MID != "" && set.Text(ref, evidence.MID) != k.MID:
		return fault.Say("the key speaks for one merchant, and the fact does not name it", "密钥只代表一家商户，而该事实未写明这家商户")
	}
	begins := func(field evidence.Field, heads ...string) bool {
		v := set.Text(ref, field)
		return slices.ContainsFunc(heads, func(h string) bool { return strings.HasPrefix(v, h) })
	}
	switch f.Type {
	case evidence.PayoutStatus:
		// Without `by` it is the bank's word.
		if platform := set.Text(ref, evidence.By) == "platform"; platform != (k.Role == RolePlatform) {
			return fault.Say("`by` says another witness than the key's role", "`by` 所写的见证方与密钥角色不符")
		}
	case evidence.Coverage:
		if !begins(evidence.Of, r.covers...) {
			return fault.Say("a %s does not declare that coverage", "%s 不能声明该覆盖范围", k.Role)
		}
	case evidence.Notice:
		if !begins(evidence.NoticeIssuer, r.speaks) {
			return fault.Say("a %s does not issue notices for another", "%s 不能代他人发布通知", k.Role)
		}
	case evidence.LimitPolicy:
		if !begins(evidence.Scope, r.scopes...) {
			return fault.Say("a %s does not set that limit", "%s 不能设定该限额", k.Role)
		}
	}
	return fault.Text{}
}

// admit checks the key of a request, that it does not ask too often, and that it
// may do the operation.
func (s *Server) admit(c *call, o *operation) error {
	secret := bearer(c.Request)
	address, _, err := net.SplitHostPort(c.RemoteAddr)
	if err != nil {
		address = c.RemoteAddr
	}
	unknown := func(why fault.Text) error {
		// Guessing keys is slow work.
		if wait := s.strange.Take(address, s.o.Now()); wait > 0 {
			return tooMany(wait)
		}
		return &failure{status: http.StatusUnauthorized, detail: why,
			hint: fault.Say("send Authorization: Bearer KEY; `daozhang keys add` makes one", "请发送 Authorization: Bearer KEY；密钥由 `daozhang keys add` 生成")}
	}
	if secret == "" {
		return unknown(fault.Say("the request has no API key", "请求没有 API 密钥"))
	}
	key, err := s.o.Keeper.KeyOf(c.Context(), secret)
	switch {
	case err != nil && fault.KindOf(err) == fault.NotFound:
		return unknown(fault.Say("the API key is not known", "API 密钥不存在"))
	case err != nil:
		return err
	case key.Revoked:
		return unknown(fault.Say("the API key has been revoked", "API 密钥已吊销"))
	}
	if wait := s.limits.Take(key.ID, s.o.Now()); wait > 0 {
		return tooMany(wait)
	}
	c.key = key
	return c.permit(o)
}

func bearer(r *http.Request) string {
	if scheme, v, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(v)
	}
	return r.Header.Get("X-Api-Key")
}

func tooMany(wait time.Duration) error {
	return &failure{status: http.StatusTooManyRequests, detail: fault.Say("too many requests", "请求过于频繁"),
		hint: fault.Say("wait as long as Retry-After says", "请按 Retry-After 等待后重试"), retryAfter: wait}
}
