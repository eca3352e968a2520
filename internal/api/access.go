package api

import (
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

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
	reads bool
	types []evidence.Type
	// covers are beginnings of what its coverage facts may speak of.
	covers []string
	// speaks is how the issuer of its notices begins, scopes that of its limits.
	speaks string
	scopes []string
}

var rights = map[Role]right{
	RoleInstitution: {reads: true, types: []evidence.Type{evidence.MerchantTerms, evidence.CalendarHoliday, evidence.CaseOpened, evidence.CaseClosed}},
	RolePlatform: {reads: true, types: []evidence.Type{evidence.GatewayRequest, evidence.GatewayResponse, evidence.GatewayTimeout, evidence.GatewayReversal,
		evidence.GatewayError, evidence.SettlementLine, evidence.SettlementFile, evidence.PayoutStatus, evidence.LinkStatus, evidence.AccountStatus,
		evidence.RiskDecision, evidence.Coverage, evidence.Notice, evidence.LimitPolicy},
		covers: []string{"gateway", "settlement", "payouts", "risk"}, speaks: "platform", scopes: []string{"mid/", "tid/"}},
	RoleBank: {types: []evidence.Type{evidence.BankEntry, evidence.BankStatement, evidence.PayoutStatus, evidence.NetworkFunding, evidence.Notice, evidence.LimitPolicy},
		speaks: "bank/", scopes: []string{"bank/"}},
	RoleNetwork: {types: []evidence.Type{evidence.ClearingLine, evidence.ClearingFile, evidence.Coverage, evidence.Notice},
		covers: []string{"clearing/"}, speaks: "network/"},
	RoleIssuer:   {types: []evidence.Type{evidence.Notice, evidence.LimitPolicy}, speaks: "bank/", scopes: []string{"issuer/"}},
	RoleMerchant: {reads: true, types: []evidence.Type{evidence.SaleOrder, evidence.Coverage}, covers: []string{"orders"}},
	RoleTerminal: {types: []evidence.Type{evidence.TerminalTransaction, evidence.TerminalHealth, evidence.TerminalSoftware, evidence.TerminalBatch,
		evidence.OperatorAction, evidence.Coverage}, covers: []string{"terminal/"}},
	RoleVendor:  {types: []evidence.Type{evidence.Notice}, speaks: "vendor/"},
	RoleAuditor: {reads: true},
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

// may says why a key may not bring a fact; "" where it may.
func (k *Key) may(set *evidence.Set, ref evidence.FactRef) string {
	f := set.At(ref)
	source := set.Words.Text(f.Source)
	r := rights[k.Role]
	switch {
	case strings.HasPrefix(source, own):
		return "the source belongs to the gateway itself"
	case !slices.ContainsFunc(k.Sources, func(p string) bool {
		if head, ok := strings.CutSuffix(p, "*"); ok {
			return strings.HasPrefix(source, head)
		}
		return source == p
	}):
		return "the key does not speak for this source"
	case f.Type == evidence.UnknownType:
		return "only types of the contract are taken"
	case !slices.Contains(r.types, f.Type):
		return "a " + string(k.Role) + " is no witness of " + f.Type.String()
	case k.MID != "" && set.Text(ref, evidence.MID) != k.MID:
		return "the key speaks for one merchant, and the fact does not name it"
	}
	begins := func(field evidence.Field, heads ...string) bool {
		v := set.Text(ref, field)
		return slices.ContainsFunc(heads, func(h string) bool { return strings.HasPrefix(v, h) })
	}
	switch f.Type {
	case evidence.PayoutStatus:
		// Without `by` it is the bank's word.
		if platform := set.Text(ref, evidence.By) == "platform"; platform != (k.Role == RolePlatform) {
			return "`by` says another witness than the key's role"
		}
	case evidence.Coverage:
		if !begins(evidence.Of, r.covers...) {
			return "a " + string(k.Role) + " does not declare that coverage"
		}
	case evidence.Notice:
		if !begins(evidence.NoticeIssuer, r.speaks) {
			return "a " + string(k.Role) + " does not issue notices for another"
		}
	case evidence.LimitPolicy:
		if !begins(evidence.Scope, r.scopes...) {
			return "a " + string(k.Role) + " does not set that limit"
		}
	}
	return ""
}

// admit checks the key of a request, and that it does not ask too often.
func (s *Server) admit(c *call, r *route) error {
	secret := bearer(c.Request)
	address, _, err := net.SplitHostPort(c.RemoteAddr)
	if err != nil {
		address = c.RemoteAddr
	}
	unknown := func(why string) error {
		// Guessing keys is slow work.
		if wait := s.strange.take(address, s.o.Now()); wait > 0 {
			return tooMany(wait)
		}
		return &problem{Status: http.StatusUnauthorized, Detail: why, Hint: "send Authorization: Bearer KEY; `daozhang keys add` makes one"}
	}
	if secret == "" {
		return unknown("the request has no API key")
	}
	key, err := s.o.Keeper.KeyOf(c.Context(), secret)
	switch {
	case err != nil && fault.KindOf(err) == fault.NotFound:
		return unknown("the API key is not known")
	case err != nil:
		return err
	case key.Revoked:
		return unknown("the API key has been revoked")
	}
	if wait := s.limits.take(key.ID, s.o.Now()); wait > 0 {
		return tooMany(wait)
	}
	if r.Reads && !rights[key.Role].reads {
		return fault.New(fault.NotAllowed, "read", "payments", nil, "a key of role "+string(key.Role)+" brings facts only")
	}
	c.key = key
	return nil
}

func bearer(r *http.Request) string {
	if scheme, v, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(v)
	}
	return r.Header.Get("X-Api-Key")
}

func tooMany(wait time.Duration) error {
	return &problem{Status: http.StatusTooManyRequests, Detail: "too many requests", Hint: "wait as long as Retry-After says",
		retryAfter: int(math.Ceil(wait.Seconds()))}
}

// limits are token buckets by name.
type limits struct {
	rate  float64
	burst float64
	mu    sync.Mutex
	all   map[string]*bucket
}

type bucket struct {
	left float64
	at   time.Time
}

func newLimits(rate float64, burst int) *limits {
	return &limits{rate: rate, burst: float64(burst), all: map[string]*bucket{}}
}

// take takes one token; where there is none it gives the wait until there is.
func (l *limits) take(name string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.all[name]
	if b == nil {
		if len(l.all) >= 10000 { // full buckets say nothing
			for n, b := range l.all {
				if b.left+now.Sub(b.at).Seconds()*l.rate >= l.burst {
					delete(l.all, n)
				}
			}
		}
		b = &bucket{left: l.burst, at: now}
		l.all[name] = b
	}
	if d := now.Sub(b.at); d > 0 {
		b.left, b.at = min(l.burst, b.left+d.Seconds()*l.rate), now
	}
	if b.left < 1 {
		return time.Duration((1 - b.left) / l.rate * float64(time.Second))
	}
	b.left--
	return 0
}
