package access

import (
	"strings"
	"time"

	"daozhang/internal/fault"
)

// Standing is whether a person can sign in.
type Standing string

// The standings.
const (
	// Invited has a one-time link and no password yet.
	Invited  Standing = "invited"
	Active   Standing = "active"
	Disabled Standing = "disabled"
)

// InvitationLasts is how long the one-time link is good.
const InvitationLasts = 72 * time.Hour

// User is a person who can sign in, as a row: every Change carries it whole with
// Version one higher.
type User struct {
	// Name is the sign-in name: 3 to 64 small letters, digits, dots, hyphens,
	// underscores and @.
	Name string
	// Shown is how others see the person.
	Shown string
	Role  Role
	// MID is the merchant of a person of role Merchant; "" for the others.
	MID      string
	Lang     string // zh or en; "" as the browser says
	Version  uint32
	Standing Standing
	// Password is its hash in PHC form.
	Password    string
	PasswordSet time.Time
	// Factor is the sealed secret of the second factor, nil while there is none.
	Factor []byte
	// Step is the period of the last one-time code: a code is good once.
	Step int64
	// Recovery are the hashes of the codes not used yet.
	Recovery []string
	// Invitation is the hash of the one-time link's secret, good before InvitationEnds.
	Invitation     string
	InvitationEnds time.Time
	// Failures counts wrong passwords and codes since the last sign-in.
	Failures    int
	LockedUntil time.Time
	// Epoch rises when what sessions rest on changes; those of an earlier one are over.
	Epoch uint32
	Made  time.Time
	Seen  time.Time // last sign-in; zero for never
}

// Change is what a command leads to: both are committed together.
type Change struct {
	User  User
	Event Event
}

// subject is how the audit log names a person.
func (u *User) subject() string { return "user/" + u.Name }

// self is the person as the one who acts.
func (u *User) self(from Origin) Actor { return Actor{Name: u.Name, Role: u.Role, Origin: from} }

func (u *User) change(now time.Time, what string, by Actor, detail string) Change {
	next := *u
	next.Version++
	e := by.Did(now, what, u.subject())
	e.Version, e.MID, e.Detail = next.Version, u.MID, detail
	return Change{User: next, Event: e}
}

// Invite begins a person who sets a password by a one-time link. secret goes into
// the link, is shown once and is not kept. The error is of kind fault.Invalid.
func Invite(now time.Time, by Actor, u User) (c Change, secret string, err error) {
	op := fault.Say("invite user", "邀请用户")
	switch {
	case !nameOK(u.Name):
		return c, "", fault.New(fault.Invalid, op, u.Name, fault.Say("the name cannot be taken", "用户名不可用"),
			fault.Say("3 to 64 small letters, digits, dots, hyphens, underscores or @", "3 到 64 个小写字母、数字、点、连字符、下划线或 @"))
	case u.Role != Merchant && u.Role != Institution && u.Role != Auditor:
		return c, "", fault.New(fault.Invalid, op, u.Name, fault.Say("there is no role %q", "没有角色 %q", string(u.Role)),
			fault.Say("merchant, auditor or institution", "merchant、auditor 或 institution"))
	case (u.Role == Merchant) != (u.MID != ""):
		return c, "", fault.New(fault.Invalid, op, u.Name, fault.Say("the role and the merchant do not go together", "角色与商户不相符"),
			fault.Say("a person of role merchant belongs to one merchant, others to none", "商户角色属于一个商户，其他角色不属于任何商户"))
	case u.Lang != "" && u.Lang != "zh" && u.Lang != "en":
		return c, "", fault.New(fault.Invalid, op, u.Name, fault.Say("there is no language %q", "没有语言 %q", u.Lang), fault.Say("zh or en", "zh 或 en"))
	case by.Name == "":
		return c, "", fault.New(fault.Invalid, op, u.Name, fault.Say("nobody invites", "没有邀请人"), "")
	}
	if u.Shown == "" {
		u.Shown = u.Name
	}
	begun := User{Name: u.Name, Shown: u.Shown, Role: u.Role, MID: u.MID, Lang: u.Lang, Standing: Invited, Made: now}
	secret = begun.invite(now)
	return begun.change(now, "invited", by, string(u.Role)), secret, nil
}

func nameOK(s string) bool {
	if len(s) < 3 || len(s) > 64 {
		return false
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || strings.ContainsRune(".-_@", r))
	}) < 0
}

// invite gives the person a new one-time link.
func (u *User) invite(now time.Time) (secret string) {
	secret = newSecret()
	u.Invitation, u.InvitationEnds = hashSecret(secret), now.Add(InvitationLasts)
	return secret
}

// InviteAgain gives a person a new one-time link by which password and second
// factor are set anew: for a link that ran out, a lost phone, a forgotten
// password. Nobody resets their own: fault.NotAllowed.
func (u *User) InviteAgain(now time.Time, by Actor) (c Change, secret string, err error) {
	switch {
	case by.Name == u.Name:
		return c, "", u.refuse(fault.Say("reset user", "重置用户"), fault.Say("nobody resets their own access", "不能重置自己的登录"),
			fault.Say("ask another person of the institution", "请机构的另一位同事操作"))
	case u.Standing == Disabled:
		return c, "", u.refuse(fault.Say("reset user", "重置用户"), fault.Say("the user is disabled", "该用户已停用"), fault.Say("enable the user first", "请先启用"))
	}
	next := *u
	secret = next.invite(now)
	next.Standing, next.Password, next.Factor, next.Recovery, next.Step = Invited, "", nil, nil, 0
	next.Failures, next.LockedUntil = 0, time.Time{}
	next.Epoch++
	return next.change(now, "invited_again", by, ""), secret, nil
}

// Invites reports whether secret is that of the person's one-time link, and the
// link is still good.
func (u *User) Invites(now time.Time, secret string) bool {
	return u.Standing == Invited && secret != "" && equal(u.Invitation, hashSecret(secret)) && now.Before(u.InvitationEnds)
}

// SetUp ends an invitation: it takes the first password and the second factor,
// which has to show that it works by a code. codes stand in for a lost phone, are
// shown once and are not kept. Where the policy lets the person go without a second
// factor, an Enrolment without a secret is none, and there are no codes.
func (u *User) SetUp(now time.Time, from Origin, secret, password string, factor Enrolment, code string, p Policy) (c Change, codes []string, err error) {
	op := fault.Say("set up access", "设置登录")
	if !u.Invites(now, secret) {
		return c, nil, u.refuse(op, fault.Say("the link is not good, or not any more", "链接无效或已过期"), fault.Say("ask for a new one", "请索取新的链接"))
	}
	if err := CheckPassword(password, u.Name, u.Shown); err != nil {
		return c, nil, err
	}
	next := *u
	if factor.Secret != "" || !p.Spares(u.Role) {
		if codes, err = next.enrol(now, op, factor, code, p); err != nil {
			return c, nil, err
		}
	}
	if next.Password, err = hashPassword(password); err != nil {
		return c, nil, err
	}
	next.Standing, next.PasswordSet = Active, now
	next.Invitation, next.InvitationEnds = "", time.Time{}
	next.Epoch++
	return next.change(now, "set_up", u.self(from), ""), codes, nil
}

// enrol takes a second factor that has shown by a code that it works, with new
// recovery codes.
func (u *User) enrol(now time.Time, op fault.Text, factor Enrolment, code string, p Policy) (codes []string, err error) {
	step, ok := stepOf(factor.Secret, code, now, 0)
	if !ok {
		return nil, fault.New(fault.Invalid, op, u.Name, fault.Say("the code is not the one that the app shows", "验证码与应用显示的不一致"),
			fault.Say("set the phone's clock by the network and type the next code", "请让手机自动校准时间，再输入下一个验证码"))
	}
	if u.Factor, err = p.Sealer.Seal([]byte(factor.Secret)); err != nil {
		return nil, fault.New(fault.Internal, op, u.Name, err, "")
	}
	codes, u.Recovery = newRecovery()
	u.Step = step
	return codes, nil
}

// known refuses, with fault.NotAllowed, somebody who does not know the person's
// password.
func (u *User) known(op fault.Text, password string) error {
	ok, _, err := matches(password, u.Password)
	switch {
	case err != nil:
		return fault.New(fault.Internal, op, u.Name, err, "")
	case !ok:
		return u.refuse(op, fault.Say("the present password is another", "当前密码不正确"), fault.Text{})
	}
	return nil
}

// ChangePassword takes a new password from a person who knows the old one.
// Other sessions of the person are over.
func (u *User) ChangePassword(now time.Time, from Origin, old, password string) (Change, error) {
	op := fault.Say("change password", "修改密码")
	if err := u.known(op, old); err != nil {
		return Change{}, err
	}
	if old == password {
		return Change{}, fault.New(fault.Invalid, op, u.Name, fault.Say("it is the present one", "与当前密码相同"), "")
	}
	if err := CheckPassword(password, u.Name, u.Shown); err != nil {
		return Change{}, err
	}
	next := *u
	var err error
	if next.Password, err = hashPassword(password); err != nil {
		return Change{}, err
	}
	next.PasswordSet = now
	next.Epoch++
	return next.change(now, "password_changed", u.self(from), ""), nil
}

// ChangeFactor takes another second factor from a person who knows the password, as
// SetUp takes the first. The recovery codes of before are worth nothing any more,
// and other sessions of the person are over.
func (u *User) ChangeFactor(now time.Time, from Origin, password string, factor Enrolment, code string, p Policy) (c Change, codes []string, err error) {
	op := fault.Say("change second factor", "更换第二因素")
	if err := u.known(op, password); err != nil {
		return c, nil, err
	}
	next := *u
	if codes, err = next.enrol(now, op, factor, code, p); err != nil {
		return c, nil, err
	}
	next.Epoch++
	return next.change(now, "second_factor_changed", u.self(from), ""), codes, nil
}

// EndSessions ends every session of the person.
func (u *User) EndSessions(now time.Time, from Origin) Change {
	next := *u
	next.Epoch++
	return next.change(now, "sessions_ended", u.self(from), "")
}

// Speak takes the language that the person's pages are in: zh, en, or "" for that
// of the browser. The error is of kind fault.Invalid.
func (u *User) Speak(now time.Time, from Origin, lang string) (Change, error) {
	if lang != "" && lang != "zh" && lang != "en" {
		return Change{}, fault.New(fault.Invalid, fault.Say("choose language", "选择语言"), u.Name, fault.Say("there is no language %q", "没有语言 %q", lang), fault.Say("zh or en", "zh 或 en"))
	}
	next := *u
	next.Lang = lang
	c := next.change(now, "language_chosen", u.self(from), "")
	c.Event.Before, c.Event.After = u.Lang, lang
	return c, nil
}

// Disable ends a person's access and all sessions. Nobody disables themselves:
// so somebody is always left who can.
func (u *User) Disable(now time.Time, by Actor, why string) (Change, error) {
	op := fault.Say("disable user", "停用用户")
	switch {
	case by.Name == u.Name:
		return Change{}, u.refuse(op, fault.Say("nobody disables themselves", "不能停用自己"), fault.Say("ask another person of the institution", "请机构的另一位同事操作"))
	case u.Standing == Disabled:
		return Change{}, fault.New(fault.Conflict, op, u.Name, fault.Say("the user is disabled already", "该用户已经停用"), "")
	}
	next := *u
	next.Standing, next.Invitation = Disabled, ""
	next.Epoch++
	return next.change(now, "disabled", by, why), nil
}

// Enable lets a disabled person in again, by a new one-time link.
func (u *User) Enable(now time.Time, by Actor) (c Change, secret string, err error) {
	if u.Standing != Disabled {
		return c, "", fault.New(fault.Conflict, fault.Say("enable user", "启用用户"), u.Name, fault.Say("the user is not disabled", "该用户没有停用"), "")
	}
	next := *u
	next.Standing = Invited
	c, secret, err = next.InviteAgain(now, by)
	c.Event.What = "enabled"
	return c, secret, err
}

func (u *User) refuse(op, why, hint fault.Text) error {
	return fault.New(fault.NotAllowed, op, u.Name, why, hint)
}

// UserFilter narrows a list of people; the zero value is all of them.
type UserFilter struct {
	Role     Role
	MID      string // of people of one merchant
	Standing Standing
}
