package access

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"daozhang/internal/fault"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// plainSealer seals by turning bytes round: enough to see that a secret passes
// through it.
type plainSealer struct{ broken bool }

func (p plainSealer) Seal(b []byte) ([]byte, error) {
	if p.broken {
		return nil, errors.New("no keyring")
	}
	return turn(b), nil
}

func (p plainSealer) Open(b []byte) ([]byte, error) {
	if p.broken {
		return nil, errors.New("no keyring")
	}
	return turn(b), nil
}

func turn(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = ^b[i]
	}
	return out
}

var (
	li     = Actor{Name: "li", Role: Institution}
	here   = Origin{Request: "request-1", From: "192.0.2.1"}
	strict = Policy{Sealer: plainSealer{}}
	broken = Policy{Sealer: plainSealer{broken: true}}
)

const good = "seven lanterns over the quay"

// person gives somebody who is set up, with the secret of the second factor and
// the recovery codes.
func person(t *testing.T, u User) (User, string, []string) {
	t.Helper()
	c, link, err := Invite(start, li, u)
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEnrolment("daozhang", u.Name)
	if err != nil {
		t.Fatal(err)
	}
	c, codes, err := c.User.SetUp(start, here, link, good, e, code(t, e.Secret, start), strict)
	if err != nil {
		t.Fatal(err)
	}
	return c.User, e.Secret, codes
}

func code(t *testing.T, secret string, at time.Time) string {
	t.Helper()
	c, err := totp.GenerateCode(secret, at)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTable holds every role against every action: what the console's roles are
// is written here a second time, in the words of its specification.
func TestTable(t *testing.T) {
	merchant := map[Action]bool{LookUpReceipt: true, ReadPayments: true, ReadPayouts: true, ReadExceptions: true, WorkOnExceptions: true, ReadTerms: true, ReadRegister: true}
	n := 0
	for a := range Actions() {
		n++
		reads := strings.HasPrefix(string(a), "read ") || a == LookUpReceipt
		for _, role := range Roles {
			got := Allowed(role, a)
			want := None
			switch {
			case a == LookUpReceipt, a == OwnAccount && role != Public, role == Institution, role == Auditor && reads:
				want = All
			case role == Merchant && merchant[a]:
				want = Own
			}
			if got != want {
				t.Errorf("%s, %s: %s, want %s", role, a, got, want)
			}
			only, ok := got.Narrow("M1")
			if role == Merchant && a != LookUpReceipt && a != OwnAccount && ok && only != "M1" {
				t.Errorf("%s, %s: reaches %q", role, a, only)
			}
		}
		if _, ok := Allowed(Merchant, a).Narrow(""); ok && a != LookUpReceipt && a != OwnAccount {
			t.Errorf("%s: a merchant's person without a merchant reaches something", a)
		}
	}
	if n < 15 {
		t.Errorf("%d actions", n)
	}
	if Allowed(Institution, "open the safe") != None || Allowed("root", ReadPayments) != None {
		t.Error("what the table does not know is allowed")
	}
}

func TestInvite(t *testing.T) {
	for _, c := range []struct {
		name string
		u    User
	}{
		{"short name", User{Name: "li", Role: Auditor}},
		{"capital", User{Name: "Wang", Role: Auditor}},
		{"space", User{Name: "wang fang", Role: Auditor}},
		{"no role", User{Name: "wang"}},
		{"public", User{Name: "wang", Role: Public}},
		{"merchant of nowhere", User{Name: "wang", Role: Merchant}},
		{"auditor of a merchant", User{Name: "wang", Role: Auditor, MID: "M1"}},
	} {
		if _, _, err := Invite(start, li, c.u); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	c, link, err := Invite(start, li, User{Name: "wang", Role: Merchant, MID: "M1", Password: "x", Version: 7, Standing: Active})
	if err != nil {
		t.Fatal(err)
	}
	u := c.User
	if u.Password != "" || u.Version != 1 || u.Standing != Invited || strings.Contains(u.Invitation, link) {
		t.Errorf("%+v", u)
	}
	if !u.Invites(start, link) || u.Invites(start.Add(InvitationLasts), link) || u.Invites(start, "") || u.Invites(start, link[1:]) {
		t.Error("the link is not good exactly while it is")
	}
}

func TestSetUp(t *testing.T) {
	c, link, _ := Invite(start, li, User{Name: "wangfang", Shown: "Wang Fang", Role: Institution})
	u := c.User
	e, _ := NewEnrolment("daozhang", u.Name)
	now := start.Add(time.Hour)
	right := code(t, e.Secret, now)
	for _, x := range []struct {
		name, link, password, code string
		kind                       fault.Kind
	}{
		{"another link", link + "x", good, right, fault.NotAllowed},
		{"short", link, "elevenchars", right, fault.Invalid},
		{"common", link, "Password123456!", right, fault.Invalid},
		{"the name", link, "wangfang-wangfang1", right, fault.Invalid},
		{"one letter", link, "aaaaaaaaaaaaaaaa", right, fault.Invalid},
		{"too long", link, strings.Repeat("lantern ", 17), right, fault.Invalid},
		{"wrong code", link, good, "000000", fault.Invalid},
		{"no code", link, good, "", fault.Invalid},
	} {
		if x.code == "000000" && right == "000000" {
			continue
		}
		if _, _, err := u.SetUp(now, here, x.link, x.password, e, x.code, strict); fault.KindOf(err) != x.kind {
			t.Errorf("%s: %v", x.name, err)
		}
	}
	if _, _, err := u.SetUp(now, here, link, good, e, right, broken); fault.KindOf(err) != fault.Internal {
		t.Errorf("without keyring: %v", err)
	}
	c, codes, err := u.SetUp(now, here, link, good, e, right, strict)
	if err != nil {
		t.Fatal(err)
	}
	u = c.User
	if u.Standing != Active || len(codes) != recoveries || u.Invites(now, link) || strings.Contains(u.Password, good) || strings.Contains(string(u.Factor), e.Secret) {
		t.Errorf("%+v", u)
	}
	// The code that showed the app works does not sign in as well.
	if _, err := SignIn(now, &u, Attempt{Password: good, Code: right}, strict); fault.KindOf(err) != fault.NotAllowed {
		t.Errorf("the same code again: %v", err)
	}
}

func TestSignIn(t *testing.T) {
	u, secret, codes := person(t, User{Name: "wangfang", Role: Auditor})
	now := start.Add(time.Hour)
	try := func(password, code string) error {
		t.Helper()
		c, err := SignIn(now, &u, Attempt{Password: password, Code: code, Origin: here}, strict)
		if c != nil {
			if c.User.Version != u.Version+1 || c.Event.Version != c.User.Version || c.Event.Origin != here || c.Event.Name != u.Name || c.Event.Subject != "user/"+u.Name {
				t.Errorf("%+v", c.Event)
			}
			u = c.User
		}
		return err
	}
	first := try("seven lanterns over the moor", code(t, secret, now))
	if fault.KindOf(first) != fault.NotAllowed {
		t.Fatal(first)
	}
	if err := try(good, "123"); err == nil || err.Error() != first.Error() {
		t.Errorf("a wrong code says %v, a wrong password %v", err, first)
	}
	if _, err := SignIn(now, nil, Attempt{Password: good}, strict); err == nil || err.Error() != first.Error() {
		t.Errorf("nobody: %v", err)
	}
	if err := try(good, code(t, secret, now)); err != nil || u.Failures != 0 || !u.Seen.Equal(now) {
		t.Fatalf("%v %+v", err, u)
	}
	if err := try(good, code(t, secret, now)); err == nil {
		t.Error("a code was good twice")
	}
	now = now.Add(period)
	if err := try(good, code(t, secret, now.Add(-period))); err == nil {
		t.Error("a code from before the last used one was good")
	}
	now = now.Add(2 * period)
	if err := try(good, code(t, secret, now.Add(period))); err != nil {
		t.Errorf("a phone that is half a minute fast: %v", err)
	}
	now = now.Add(5 * period)
	if err := try(good, code(t, secret, now.Add(-2*period))); err == nil {
		t.Error("a code a minute old was good")
	}
	if err := try(good, strings.ToUpper(codes[3])); err != nil || len(u.Recovery) != recoveries-1 {
		t.Errorf("recovery code: %v", err)
	}
	if err := try(good, codes[3]); err == nil {
		t.Error("a recovery code was good twice")
	}
	if _, err := SignIn(now, &u, Attempt{Password: good, Code: code(t, secret, now)}, broken); fault.KindOf(err) != fault.Internal {
		t.Errorf("without keyring: %v", err)
	}
}

func TestLockOut(t *testing.T) {
	u, secret, _ := person(t, User{Name: "wangfang", Role: Auditor})
	now := start.Add(time.Hour)
	fail := func() {
		t.Helper()
		c, err := SignIn(now, &u, Attempt{Password: "not this one either"}, strict)
		if fault.KindOf(err) != fault.NotAllowed || c == nil {
			t.Fatal(err)
		}
		u = c.User
	}
	for range patience - 1 {
		fail()
	}
	if !u.LockedUntil.IsZero() {
		t.Fatal("locked too early")
	}
	fail()
	for i, want := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, mostLock, mostLock} {
		if got := u.LockedUntil.Sub(now); got != want {
			t.Fatalf("lock %d: %v, want %v", i, got, want)
		}
		// The right password does not help while it waits, and is not counted.
		if _, err := SignIn(now, &u, Attempt{Password: good, Code: code(t, secret, now)}, strict); err == nil {
			t.Fatal("signed in while locked")
		}
		now = u.LockedUntil
		if i < 5 {
			fail()
		}
	}
	c, err := SignIn(now, &u, Attempt{Password: good, Code: code(t, secret, now)}, strict)
	if err != nil || c.User.Failures != 0 || !c.User.LockedUntil.IsZero() {
		t.Errorf("after the wait: %v", err)
	}
}

// TestAdmits: sessions end with what they rest on.
func TestAdmits(t *testing.T) {
	u, _, _ := person(t, User{Name: "wangfang", Role: Auditor})
	if !u.Admits(u.Epoch) || u.Admits(u.Epoch-1) {
		t.Error("a session of this epoch, and one of the epoch before")
	}
	for name, over := range map[string]func() (Change, error){
		"password": func() (Change, error) { return u.ChangePassword(start, here, good, "eight lanterns and a boat") },
		"disabled": func() (Change, error) { return u.Disable(start, li, "left") },
		"invited":  func() (Change, error) { c, _, err := u.InviteAgain(start, li); return c, err },
		"ended":    func() (Change, error) { return u.EndSessions(start, here), nil },
	} {
		c, err := over()
		if err != nil {
			t.Fatal(name, err)
		}
		if c.User.Admits(u.Epoch) {
			t.Errorf("%s: the session lives on", name)
		}
	}
}

func TestNobodyActsOnThemselves(t *testing.T) {
	u, _, _ := person(t, User{Name: "wangfang", Role: Institution})
	self := u.self(here)
	if _, err := u.Disable(start, self, ""); fault.KindOf(err) != fault.NotAllowed {
		t.Error(err)
	}
	if _, _, err := u.InviteAgain(start, self); fault.KindOf(err) != fault.NotAllowed {
		t.Error(err)
	}
	if _, _, err := u.Enable(start, li); fault.KindOf(err) != fault.Conflict {
		t.Error(err)
	}
	c, _ := u.Disable(start, li, "left")
	if _, _, err := c.User.InviteAgain(start, li); fault.KindOf(err) != fault.NotAllowed {
		t.Error(err)
	}
	again, link, err := c.User.Enable(start, li)
	if err != nil || !again.User.Invites(start, link) || again.User.Password != "" {
		t.Errorf("%v %+v", err, again.User)
	}
}

func TestChangePassword(t *testing.T) {
	u, secret, _ := person(t, User{Name: "wangfang", Role: Auditor})
	for _, x := range []struct {
		name, old, new string
		kind           fault.Kind
	}{
		{"wrong old", "seven lanterns", "eight lanterns and a boat", fault.NotAllowed},
		{"the same", good, good, fault.Invalid},
		{"weak", good, "123456789012", fault.Invalid},
	} {
		if _, err := u.ChangePassword(start, here, x.old, x.new); fault.KindOf(err) != x.kind {
			t.Errorf("%s: %v", x.name, err)
		}
	}
	c, err := u.ChangePassword(start, here, good, "eight lanterns and a boat")
	if err != nil {
		t.Fatal(err)
	}
	now := start.Add(time.Hour)
	if _, err := SignIn(now, &c.User, Attempt{Password: "eight lanterns and a boat", Code: code(t, secret, now)}, strict); err != nil {
		t.Error(err)
	}
}

// TestWithoutFactor: only a merchant's person goes without a second factor, only
// where the policy says so, and only as long as it does.
func TestWithoutFactor(t *testing.T) {
	spared := Policy{Sealer: plainSealer{}, MerchantsSpared: true}
	now := start.Add(time.Hour)
	for _, role := range []Role{Merchant, Auditor, Institution} {
		u := User{Name: "wangfang", Role: role}
		if role == Merchant {
			u.MID = "M1"
		}
		c, link, err := Invite(start, li, u)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range []Policy{strict, spared} {
			done, codes, err := c.User.SetUp(now, here, link, good, Enrolment{}, "", p)
			if ok := p.Spares(role); (err == nil) != ok || ok != (role == Merchant && p.MerchantsSpared) || len(codes) > 0 {
				t.Errorf("%s without a second factor, spared %v: %v", role, p.MerchantsSpared, err)
			}
			if err != nil {
				continue
			}
			in, err := SignIn(now, &done.User, Attempt{Password: good}, spared)
			if err != nil || in.Event.What != "signed_in_by_password_alone" {
				t.Errorf("by the password alone: %v", err)
			}
			if _, err := SignIn(now, &done.User, Attempt{Password: "not this one either"}, spared); fault.KindOf(err) != fault.NotAllowed {
				t.Errorf("a wrong password: %v", err)
			}
			if _, err := SignIn(now, &done.User, Attempt{Password: good}, strict); fault.KindOf(err) != fault.NotAllowed {
				t.Errorf("the policy was made strict: %v", err)
			}
		}
	}
	// Who has a second factor is asked for it, spared or not.
	u, secret, _ := person(t, User{Name: "zhao", Role: Merchant, MID: "M1"})
	if _, err := SignIn(now, &u, Attempt{Password: good}, spared); fault.KindOf(err) != fault.NotAllowed {
		t.Errorf("without the code: %v", err)
	}
	if _, err := SignIn(now, &u, Attempt{Password: good, Code: code(t, secret, now)}, spared); err != nil {
		t.Errorf("with the code: %v", err)
	}
}

func TestChangeFactor(t *testing.T) {
	u, before, codes := person(t, User{Name: "wangfang", Role: Auditor})
	now := start.Add(time.Hour)
	e, err := NewEnrolment("daozhang", u.Name)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := u.ChangeFactor(now, here, "not it at all", e, code(t, e.Secret, now), strict); fault.KindOf(err) != fault.NotAllowed {
		t.Errorf("wrong password: %v", err)
	}
	if _, _, err := u.ChangeFactor(now, here, good, e, "12", strict); fault.KindOf(err) != fault.Invalid {
		t.Errorf("wrong code: %v", err)
	}
	c, fresh, err := u.ChangeFactor(now, here, good, e, code(t, e.Secret, now), strict)
	if err != nil || len(fresh) != recoveries || c.User.Admits(u.Epoch) {
		t.Fatalf("%v, %d codes", err, len(fresh))
	}
	now = now.Add(time.Minute)
	for name, x := range map[string]struct {
		code string
		in   bool
	}{"the old phone": {code(t, before, now), false}, "an old recovery code": {codes[0], false}, "the new phone": {code(t, e.Secret, now), true}, "a new recovery code": {fresh[0], true}} {
		if _, err := SignIn(now, &c.User, Attempt{Password: good, Code: x.code}, strict); (err == nil) != x.in {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSpeak(t *testing.T) {
	u, _, _ := person(t, User{Name: "wangfang", Role: Auditor})
	if _, err := u.Speak(start, here, "fr"); fault.KindOf(err) != fault.Invalid {
		t.Error(err)
	}
	c, err := u.Speak(start, here, "zh")
	if err != nil || c.User.Lang != "zh" || c.Event.After != "zh" || !c.User.Admits(u.Epoch) {
		t.Errorf("%v %+v", err, c)
	}
}
