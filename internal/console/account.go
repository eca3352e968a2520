package console

import (
	"net/http"
	"net/url"

	"daozhang/internal/access"
	"daozhang/internal/fault"
)

// accountPage is where people look after their own access.
type accountPage struct {
	User access.User
	// Done is what was just done: password, factor, sessions, language.
	Done string
	// Form is the one that was refused: password or factor.
	Form, Wrong, Hint string
	factorPart
	Codes []string // new recovery codes, shown once
}

// ownUser gives the row of the reader. People who have not signed in by a name have
// no account.
func (c *Console) ownUser(v *visit) (access.User, error) {
	if v.who.Login == "" {
		return access.User{}, errNoPage
	}
	return c.entrance.People.User(v.Context(), v.who.Login)
}

func (c *Console) account(v *visit) error {
	u, err := c.ownUser(v)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, accountView(v, &accountPage{User: u, Done: v.URL.Query().Get("done")}))
}

// factor shows a new second factor to take into the app.
func (c *Console) factor(v *visit) error {
	u, err := c.ownUser(v)
	if err != nil {
		return err
	}
	p := accountPage{User: u, Form: "factor"}
	if p.factorPart, err = c.enrolment(v, &u); err != nil {
		return err
	}
	return v.render(http.StatusOK, factorView(v, &p))
}

// changePassword takes another password.
func (c *Console) changePassword(v *visit) error {
	v.limitForm()
	p := accountPage{Form: "password"}
	password := v.PostFormValue("password")
	if password != v.PostFormValue("again") {
		return c.refuseAccount(v, &p, http.StatusBadRequest, v.say("The two passwords are not the same.", "两次输入的密码不一致。"), "")
	}
	return c.changeAccount(v, &p, func(u *access.User) (access.Change, error) {
		return u.ChangePassword(c.o.Now(), v.origin(), v.PostFormValue("old"), password)
	})
}

// changeFactor takes another second factor, and shows the new recovery codes.
func (c *Console) changeFactor(v *visit) error {
	v.limitForm()
	u, err := c.ownUser(v)
	if err != nil {
		return err
	}
	p := accountPage{Form: "factor"}
	if p.factorPart, err = c.enrolment(v, &u); err != nil {
		return err
	}
	return c.changeAccount(v, &p, func(u *access.User) (change access.Change, err error) {
		change, p.Codes, err = u.ChangeFactor(c.o.Now(), v.origin(), v.PostFormValue("old"), p.Factor, v.PostFormValue("code"), c.entrance.Policy)
		return change, err
	})
}

// endSessions ends the reader's sessions but this one.
func (c *Console) endSessions(v *visit) error {
	return c.changeAccount(v, &accountPage{Form: "sessions"}, func(u *access.User) (access.Change, error) { return u.EndSessions(c.o.Now(), v.origin()), nil })
}

// chooseOwnLanguage keeps the language of the reader's pages, here and elsewhere.
func (c *Console) chooseOwnLanguage(v *visit) error {
	v.limitForm()
	lang := v.PostFormValue("language")
	// The browser's own choice would hide it.
	http.SetCookie(v.w, &http.Cookie{Name: languageCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	return c.changeAccount(v, &accountPage{Form: "language"}, func(u *access.User) (access.Change, error) { return u.Speak(c.o.Now(), v.origin(), lang) })
}

// changeAccount commits what the reader does to the own row. Other sessions are over
// where their ground has changed; this one goes on under a new token. Guessing the
// password from a session that somebody left open is slow.
func (c *Console) changeAccount(v *visit, p *accountPage, act func(*access.User) (access.Change, error)) error {
	if wait := c.entrance.tries.Take("user/"+v.who.Login, c.o.Now()); wait > 0 {
		v.retryAfter(wait)
		return c.refuseAccount(v, p, http.StatusTooManyRequests, v.say("Too many tries. Please wait a minute.", "尝试次数过多，请等一分钟。"), "")
	}
	u, err := c.ownUser(v)
	if err != nil {
		return err
	}
	change, err := act(&u)
	if err == nil {
		err = c.entrance.People.CommitUser(v.Context(), &change)
	}
	if k := fault.KindOf(err); err != nil && (k == fault.Invalid || k == fault.NotAllowed || k == fault.Conflict) {
		what, hint := messageOf(err, v.lang)
		return c.refuseAccount(v, p, http.StatusBadRequest, what, hint)
	}
	if err != nil {
		return err
	}
	if err := c.begin(v, &change.User); err != nil {
		return err
	}
	if len(p.Codes) > 0 {
		c.entrance.sessions.Remove(v.Context(), sessionFactor)
		p.User, p.Done = change.User, p.Form
		return v.render(http.StatusOK, factorView(v, p))
	}
	http.Redirect(v.w, v.Request, "/account?"+url.Values{"done": {p.Form}}.Encode(), http.StatusSeeOther)
	return nil
}

// refuseAccount shows the form again with what is wrong with it.
func (c *Console) refuseAccount(v *visit, p *accountPage, status int, what, hint string) error {
	u, err := c.ownUser(v)
	if err != nil {
		return err
	}
	p.User, p.Wrong, p.Hint, p.Codes = u, what, hint, nil
	if p.Form == "factor" {
		return v.render(status, factorView(v, p))
	}
	return v.render(status, accountView(v, p))
}
