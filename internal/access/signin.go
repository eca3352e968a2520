package access

import (
	"crypto/subtle"
	"time"

	"daozhang/internal/fault"
)

// Lock-out: from the fifth wrong password or code in a row the account waits, a
// minute first, then twice as long each time. A person who mistypes waits little,
// a machine gets a hundred guesses a day. It never locks for good, or anybody
// could lock anybody out.
const (
	patience  = 5
	firstLock = time.Minute
	mostLock  = 15 * time.Minute
)

// How long sessions last: idle after PCI DSS 4.0.1, 8.2.8, and in all a working
// day.
const (
	Idle     = 15 * time.Minute
	Lifetime = 12 * time.Hour
)

// Attempt is a try to sign in.
type Attempt struct {
	Password string
	// Code is a one-time code or a recovery code.
	Code string
	Origin
}

// Policy is how an installation lets people in.
type Policy struct {
	// Sealer keeps the secrets of second factors.
	Sealer Sealer
	// MerchantsSpared lets people of role Merchant sign in by their password alone.
	// Who has a second factor needs it all the same.
	MerchantsSpared bool
}

// Spares reports whether people of a role may go without a second factor. Those of
// the institution and its auditors never may.
func (p Policy) Spares(r Role) bool { return p.MerchantsSpared && r == Merchant }

// SignIn judges an attempt. u is nil where nobody has the name: it takes the same
// time and says the same. Where the error is of kind fault.NotAllowed there is a
// Change too, unless u is nil: the failure counts and has to be committed.
func SignIn(now time.Time, u *User, a Attempt, p Policy) (*Change, error) {
	op := fault.Say("sign in", "登录")
	if u == nil {
		_, _, err := matches(a.Password, "")
		if err != nil {
			return nil, fault.New(fault.Internal, op, "", err, "")
		}
		return nil, wrong(op)
	}
	if now.Before(u.LockedUntil) {
		// Nothing is compared: what is guessed while locked teaches nothing.
		if _, _, err := matches(a.Password, ""); err != nil {
			return nil, fault.New(fault.Internal, op, "", err, "")
		}
		c := u.change(now, "refused_locked", u.self(a.Origin), "")
		return &c, wrong(op)
	}
	hash := u.Password
	if u.Standing != Active {
		hash = ""
	}
	ok, stale, err := matches(a.Password, hash)
	if err != nil {
		return nil, fault.New(fault.Internal, op, u.Name, err, "")
	}
	next := *u
	what := "signed_in"
	if ok {
		var by string
		if by, ok, err = next.useCode(now, a.Code, p); err != nil {
			return nil, fault.New(fault.Internal, op, u.Name, err, "")
		}
		switch by {
		case "recovery":
			what = "signed_in_by_recovery_code"
		case "password":
			what = "signed_in_by_password_alone"
		}
	}
	if !ok {
		next = *u
		next.Failures++
		what = "wrong_password_or_code"
		if next.Failures >= patience {
			next.LockedUntil = now.Add(min(firstLock<<min(next.Failures-patience, 10), mostLock))
			what = "locked"
		}
		c := next.change(now, what, u.self(a.Origin), "")
		return &c, wrong(op)
	}
	if stale {
		if next.Password, err = hashPassword(a.Password); err != nil {
			return nil, err
		}
	}
	next.Failures, next.LockedUntil, next.Seen = 0, time.Time{}, now
	c := next.change(now, what, u.self(a.Origin), "")
	return &c, nil
}

// useCode takes a one-time code or a recovery code, which is good once. Only who
// has no second factor and is spared one comes in without.
func (u *User) useCode(now time.Time, code string, p Policy) (by string, ok bool, err error) {
	if u.Factor == nil && p.Spares(u.Role) {
		return "password", true, nil
	}
	if u.Factor != nil {
		secret, err := p.Sealer.Open(u.Factor)
		if err != nil {
			return "", false, err
		}
		if step, ok := stepOf(string(secret), code, now, u.Step); ok {
			u.Step = step
			return "totp", true, nil
		}
	}
	left, ok := useRecovery(u.Recovery, code)
	u.Recovery = left
	return "recovery", ok, nil
}

// wrong is the one answer to everything that does not let in: it tells nobody
// whether the name, the password or the code was it, nor that an account waits.
func wrong(op fault.Text) error {
	return fault.New(fault.NotAllowed, op, "", fault.Say("name, password or code is not right, or the account waits after wrong ones", "用户名、密码或验证码不正确，或因多次输错需稍候"),
		fault.Say("look at the code again; after five wrong tries wait some minutes", "请核对验证码；输错五次后请等几分钟"))
}

// Admits reports whether a session that began in an epoch of the person is still
// good: nothing it rests on has changed since. Idle and Lifetime bound it besides.
func (u *User) Admits(epoch uint32) bool { return u.Standing == Active && u.Epoch == epoch }

func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
