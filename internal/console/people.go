package console

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/fault"
	"daozhang/internal/report"
)

// peoplePage lists who may come in, and takes the name of one more.
type peoplePage struct {
	Filter access.UserFilter
	Rows   []access.User
	// Merchants are the names of the merchants that stand in the rows.
	Merchants map[string]string
	Next      templ.SafeURL // "" at the end
	// Form is what was typed for an invitation that was refused.
	Form        access.User
	Wrong, Hint string
}

// peopleRows is how many people stand on a page.
const peopleRows = 100

func (c *Console) people(v *visit) error {
	p := peoplePage{}
	return c.listPeople(v, http.StatusOK, &p)
}

// listPeople fills in the rows by what stands in the address.
func (c *Console) listPeople(v *visit, status int, p *peoplePage) error {
	q := v.URL.Query()
	p.Filter = access.UserFilter{Role: access.Role(q.Get("role")), MID: strings.TrimSpace(q.Get("merchant")), Standing: access.Standing(q.Get("state"))}
	all, err := c.entrance.People.Users(v.Context(), p.Filter, q.Get("after"), peopleRows+1)
	if err != nil {
		return err
	}
	if len(all) > peopleRows {
		all = all[:peopleRows]
		q.Set("after", all[peopleRows-1].Name)
		p.Next = templ.SafeURL("/people?" + q.Encode())
	}
	p.Rows, p.Merchants = all, map[string]string{}
	for i := range all {
		mid := all[i].MID
		if _, known := p.Merchants[mid]; known || mid == "" {
			continue
		}
		name, err := c.entrance.People.MerchantName(v.Context(), mid)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
		p.Merchants[mid] = name
	}
	return v.render(status, peopleView(v, p))
}

// invite begins a person, and leads to where the one-time link is shown.
func (c *Console) invite(v *visit) error {
	v.limitForm()
	form := func(name string) string { return strings.TrimSpace(v.PostFormValue(name)) }
	u := access.User{Name: form("name"), Shown: form("shown"), Role: access.Role(form("role")), MID: form("merchant"), Lang: form("language")}
	change, secret, err := access.Invite(c.o.Now(), v.actor(), u)
	if err == nil && u.MID != "" {
		if _, err = c.entrance.People.MerchantName(v.Context(), u.MID); fault.KindOf(err) == fault.NotFound {
			err = fault.New(fault.Invalid, fault.Say("invite user", "邀请用户"), u.MID, fault.Say("no merchant of that number is registered", "没有登记这个商户号"), "")
		}
	}
	if err == nil {
		err = c.entrance.People.CommitUser(v.Context(), &change)
	}
	if k := fault.KindOf(err); err != nil && (k == fault.Invalid || k == fault.Conflict) {
		p := peoplePage{Form: u}
		p.Wrong, p.Hint = messageOf(err, v.lang)
		return c.listPeople(v, http.StatusBadRequest, &p)
	}
	if err != nil {
		return err
	}
	return c.showLink(v, u.Name, secret)
}

// showLink leads to a person's page, which shows the one-time link, once.
func (c *Console) showLink(v *visit, name, secret string) error {
	if err := c.entrance.keep(v.Context(), sessionLink, c.siteOf(v)+SetUpPath(name, secret)); err != nil {
		return err
	}
	http.Redirect(v.w, v.Request, personPath(name), http.StatusSeeOther)
	return nil
}

// siteOf is the address of the pages in a link: as it is set, else as the request
// came.
func (c *Console) siteOf(v *visit) string {
	if c.entrance.Site != "" {
		return c.entrance.Site
	}
	if c.entrance.Secure {
		return "https://" + v.Host
	}
	return "http://" + v.Host
}

func personPath(name string) string { return "/people/" + url.PathEscape(name) }

// personPage is one of the people, what may be done about them, and what was.
type personPage struct {
	User     access.User
	Merchant string // its name
	Link     string // one-time, shown this once
	Events   []access.Event
	// Self: the reader's own row, about which others decide.
	Self        bool
	Wrong, Hint string
}

func (c *Console) onePerson(v *visit) error {
	return c.showPerson(v, http.StatusOK, &personPage{})
}

func (c *Console) showPerson(v *visit, status int, p *personPage) (err error) {
	e := c.entrance
	if p.User, err = e.People.User(v.Context(), v.PathValue("name")); err != nil {
		return err
	}
	p.Self = p.User.Name == v.who.Login
	if p.User.MID != "" {
		if p.Merchant, err = e.People.MerchantName(v.Context(), p.User.MID); err != nil && fault.KindOf(err) != fault.NotFound {
			return err
		}
	}
	if link := e.kept(v.Context(), sessionLink); strings.Contains(link, SetUpPath(p.User.Name, "")) {
		p.Link = link
		e.sessions.Remove(v.Context(), sessionLink)
	}
	if c.o.Audit != nil && v.may(access.ReadAudit) {
		if p.Events, err = c.o.Audit.Audit(v.Context(), access.AuditFilter{Subject: "user/" + p.User.Name}, uuid.Nil, 50); err != nil {
			return err
		}
	}
	return v.render(status, personView(v, p))
}

// changePerson commits what is decided about somebody else. secret, where there is
// one, goes into a link.
func (c *Console) changePerson(v *visit, act func(*access.User) (change access.Change, secret string, err error)) error {
	u, err := c.entrance.People.User(v.Context(), v.PathValue("name"))
	if err != nil {
		return err
	}
	change, secret, err := act(&u)
	if err == nil {
		err = c.entrance.People.CommitUser(v.Context(), &change)
	}
	if k := fault.KindOf(err); err != nil && (k == fault.NotAllowed || k == fault.Conflict || k == fault.Invalid) {
		p := personPage{}
		p.Wrong, p.Hint = messageOf(err, v.lang)
		return c.showPerson(v, http.StatusConflict, &p)
	}
	if err != nil {
		return err
	}
	if secret != "" {
		return c.showLink(v, u.Name, secret)
	}
	http.Redirect(v.w, v.Request, personPath(u.Name), http.StatusSeeOther)
	return nil
}

func (c *Console) inviteAgain(v *visit) error {
	return c.changePerson(v, func(u *access.User) (access.Change, string, error) { return u.InviteAgain(c.o.Now(), v.actor()) })
}

func (c *Console) enable(v *visit) error {
	return c.changePerson(v, func(u *access.User) (access.Change, string, error) { return u.Enable(c.o.Now(), v.actor()) })
}

func (c *Console) disable(v *visit) error {
	v.limitForm()
	why := strings.TrimSpace(v.PostFormValue("why"))
	return c.changePerson(v, func(u *access.User) (access.Change, string, error) {
		if why == "" {
			return access.Change{}, "", fault.New(fault.Invalid, fault.Say("disable user", "停用用户"), u.Name, fault.Say("the reason is missing", "缺少原因"), fault.Say("it stands in the audit log", "原因将记入审计日志"))
		}
		change, err := u.Disable(c.o.Now(), v.actor(), why)
		return change, "", err
	})
}

// standing is a person's standing as a sign, a word and a colour.
type standing struct {
	Tone       string
	Sign, Word string
}

func (v *visit) standing(u *access.User) standing {
	switch {
	case u.Standing == access.Disabled:
		return standing{"calm", "–", v.say("disabled", "已停用")}
	case u.Standing == access.Invited && !v.console.o.Now().Before(u.InvitationEnds):
		return standing{"bad", "!", v.say("the link ran out", "链接已过期")}
	case u.Standing == access.Invited:
		return standing{"wait", "…", v.say("invited", "待设置")}
	case v.console.o.Now().Before(u.LockedUntil):
		return standing{"bad", "!", v.say("waits after wrong passwords", "密码多次输错，暂时锁定")}
	}
	return standing{"good", "✓", v.say("active", "正常")}
}

// roleWord names a role for people.
func (v *visit) roleWord(r access.Role) string {
	switch r {
	case access.Merchant:
		return v.say("merchant", "商户")
	case access.Auditor:
		return v.say("auditor", "审计")
	case access.Institution:
		return v.say("institution", "机构")
	}
	return ""
}

// roleChoices are the roles that somebody can be invited as.
func roleChoices(v *visit) (all []choice) {
	for _, r := range []access.Role{access.Merchant, access.Auditor, access.Institution} {
		all = append(all, choice{string(r), v.roleWord(r)})
	}
	return all
}

// deeds are what happens to people, as the audit log names it.
var deeds = map[string]report.Text{
	"invited": {EN: "invited", ZH: "受邀"}, "invited_again": {EN: "invited again", ZH: "重新邀请"}, "set_up": {EN: "set up the access", ZH: "完成登录设置"},
	"signed_in": {EN: "signed in", ZH: "登录"}, "signed_in_by_recovery_code": {EN: "signed in by a recovery code", ZH: "用恢复码登录"},
	"signed_in_by_password_alone": {EN: "signed in by the password alone", ZH: "仅用密码登录"}, "wrong_password_or_code": {EN: "a wrong password or code", ZH: "密码或验证码错误"},
	"locked": {EN: "locked after wrong passwords", ZH: "多次输错，已锁定"}, "refused_locked": {EN: "refused while locked", ZH: "锁定期间的登录被拒"},
	"password_changed": {EN: "changed the password", ZH: "修改密码"}, "second_factor_changed": {EN: "changed the second factor", ZH: "更换第二因素"},
	"sessions_ended": {EN: "ended the sessions", ZH: "结束会话"}, "language_chosen": {EN: "chose a language", ZH: "选择语言"}, "disabled": {EN: "disabled", ZH: "停用"},
	"enabled": {EN: "enabled", ZH: "启用"},
}

// deed names what happened; what has no words is shown as it is.
func (v *visit) deed(what string) string {
	if t, ok := deeds[what]; ok {
		return t.In(v.lang)
	}
	return strings.ReplaceAll(what, "_", " ")
}
