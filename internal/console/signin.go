package console

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/alexedwards/scs/v2"

	"daozhang/internal/access"
	"daozhang/internal/fault"
)

// People is the record of those who can sign in: what the console needs of the
// store.
type People interface {
	// User gives a person by the sign-in name; fault.NotFound where there is none.
	User(ctx context.Context, name string) (access.User, error)
	// Users gives up to limit people that pass a filter, by name, after one of them.
	Users(ctx context.Context, f access.UserFilter, after string, limit int) ([]access.User, error)
	// MerchantName gives the name of a registered merchant; fault.NotFound where there
	// is none.
	MerchantName(ctx context.Context, mid string) (string, error)
	// CommitUser writes what a command led to. It is fault.Conflict where the row has
	// changed since it was read.
	CommitUser(ctx context.Context, c *access.Change) error
}

// SignIn is how people sign in. Sessions are kept by the hash of their token; their
// lengths are those of package access.
type SignIn struct {
	People People
	// Sessions keeps sessions, see scs.Store.
	Sessions scs.Store
	// Policy says who may come in without a second factor, and keeps the secrets of
	// the others'.
	Policy access.Policy
	// Issuer names the installation in authenticator apps.
	Issuer string
	// Site is the address of the pages in links that people are sent; "" takes the one
	// by which the request came.
	Site string
	// Secure marks the session's cookie for encrypted connections only: true wherever
	// the console is not served on the loopback.
	Secure bool
}

// accessRoutes are the pages by which people come in and look after who may.
func (c *Console) accessRoutes() []route {
	return []route{
		{"GET", "/sign-in", "", c.signIn},
		{"POST", "/sign-in", "", c.enter},
		{"POST", "/sign-out", "", c.leave},
		{"GET", "/set-up/{name}/{secret}", "", c.setUp},
		{"POST", "/set-up/{name}/{secret}", "", c.finishSetUp},
		{"GET", "/account", access.OwnAccount, c.account},
		{"POST", "/account/password", access.OwnAccount, c.changePassword},
		{"GET", "/account/factor", access.OwnAccount, c.factor},
		{"POST", "/account/factor", access.OwnAccount, c.changeFactor},
		{"POST", "/account/sessions", access.OwnAccount, c.endSessions},
		{"POST", "/account/language", access.OwnAccount, c.chooseOwnLanguage},
		{"GET", "/people", access.ReadUsers, c.people},
		{"POST", "/people", access.ManageUsers, c.invite},
		{"GET", "/people/{name}", access.ReadUsers, c.onePerson},
		{"POST", "/people/{name}/invite-again", access.ManageUsers, c.inviteAgain},
		{"POST", "/people/{name}/disable", access.ManageUsers, c.disable},
		{"POST", "/people/{name}/enable", access.ManageUsers, c.enable},
	}
}

// What a session holds.
const (
	sessionUser  = "user"
	sessionEpoch = "epoch"
	// sessionFactor is a second factor that its owner is setting up, sealed.
	sessionFactor = "factor"
	// sessionLink is a one-time link until the page that shows it, sealed.
	sessionLink = "link"
)

// keep puts a secret into the session, sealed: the session lies in the database.
func (e *entrance) keep(ctx context.Context, key, secret string) error {
	sealed, err := e.Policy.Sealer.Seal([]byte(secret))
	if err != nil {
		return err
	}
	e.sessions.Put(ctx, key, sealed)
	return nil
}

// kept gives a secret of the session; "" where there is none that opens.
func (e *entrance) kept(ctx context.Context, key string) string {
	sealed := e.sessions.GetBytes(ctx, key)
	if sealed == nil {
		return ""
	}
	plain, err := e.Policy.Sealer.Open(sealed)
	if err != nil {
		return ""
	}
	return string(plain)
}

// entrance is the running side of a SignIn.
type entrance struct {
	SignIn
	sessions *scs.SessionManager
	tries    *access.Limiter // by address
}

func newEntrance(s SignIn, fail func(http.ResponseWriter, *http.Request, error)) *entrance {
	m := scs.New()
	m.Store, m.HashTokenInStore = s.Sessions, true
	m.IdleTimeout, m.Lifetime = access.Idle, access.Lifetime
	m.Cookie.Name, m.Cookie.Secure, m.Cookie.Persist, m.Cookie.SameSite = "daozhang_session", s.Secure, false, http.SameSiteLaxMode
	if s.Secure {
		m.Cookie.Name = "__Host-daozhang_session"
	}
	m.ErrorFunc = fail
	return &entrance{SignIn: s, sessions: m, tries: access.PerMinute(30)}
}

// who gives the person of a request's session. The person's row is read each time:
// what was changed about a person holds from the next page on.
func (e *entrance) who(r *http.Request) (Person, bool, error) {
	name := e.sessions.GetString(r.Context(), sessionUser)
	if name == "" {
		return Person{}, false, nil
	}
	u, err := e.People.User(r.Context(), name)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return Person{}, false, err
	}
	if err != nil || !u.Admits(uint32(e.sessions.GetInt64(r.Context(), sessionEpoch))) {
		return Person{}, false, e.sessions.Destroy(r.Context())
	}
	return Person{Name: u.Shown, Role: u.Role, MID: u.MID, Login: u.Name, Lang: u.Lang}, true, nil
}

// signInPage is the form.
type signInPage struct {
	Name, Next, Wrong, Hint string
}

func (c *Console) signIn(v *visit) error {
	return v.render(http.StatusOK, signInView(v, &signInPage{Next: ownPath(v.URL.Query().Get("next"))}))
}

// ownPath keeps an address within this site; "/" for every other.
func ownPath(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host != "" || u.Scheme != "" || !strings.HasPrefix(s, "/") || strings.HasPrefix(s, "//") || strings.ContainsAny(s, "\\\r\n") {
		return "/"
	}
	return s
}

func (c *Console) enter(v *visit) error {
	v.limitForm()
	p := signInPage{Name: strings.TrimSpace(v.PostFormValue("name")), Next: ownPath(v.PostFormValue("next"))}
	if wait := c.entrance.tries.Take(addressOf(v.Request), c.o.Now()); wait > 0 {
		v.retryAfter(wait)
		p.Wrong = v.say("Too many tries from here. Please wait a minute.", "尝试次数过多，请等一分钟。")
		return v.render(http.StatusTooManyRequests, signInView(v, &p))
	}
	u, err := c.attempt(v, p.Name, access.Attempt{Password: v.PostFormValue("password"), Code: v.PostFormValue("code"), Origin: v.origin()})
	if err != nil {
		if fault.KindOf(err) != fault.NotAllowed {
			return err
		}
		p.Wrong, p.Hint = messageOf(err, v.lang)
		return v.render(http.StatusForbidden, signInView(v, &p))
	}
	// A new token: one that was there before the sign-in is worth nothing after it.
	if err := c.begin(v, u); err != nil {
		return err
	}
	http.Redirect(v.w, v.Request, p.Next, http.StatusSeeOther)
	return nil
}

// attempt judges a try and commits what it led to; a row that somebody else changed
// in between is read again.
func (c *Console) attempt(v *visit, name string, a access.Attempt) (*access.User, error) {
	for range 3 {
		var user *access.User
		u, err := c.entrance.People.User(v.Context(), name)
		switch {
		case err == nil:
			user = &u
		case fault.KindOf(err) != fault.NotFound:
			return nil, err
		}
		change, refused := access.SignIn(c.o.Now(), user, a, c.entrance.Policy)
		if change == nil {
			return nil, refused
		}
		err = c.entrance.People.CommitUser(v.Context(), change)
		if err != nil && fault.KindOf(err) == fault.Conflict {
			continue
		}
		if err != nil {
			return nil, err
		}
		return &change.User, refused
	}
	return nil, fault.New(fault.Conflict, fault.Say("sign in", "登录"), "", nil, fault.Say("try again", "请重试"))
}

// begin begins a person's session.
func (c *Console) begin(v *visit, u *access.User) error {
	m := c.entrance.sessions
	if err := m.RenewToken(v.Context()); err != nil {
		return err
	}
	m.Put(v.Context(), sessionUser, u.Name)
	m.Put(v.Context(), sessionEpoch, int64(u.Epoch))
	return nil
}

func (c *Console) leave(v *visit) error {
	if err := c.entrance.sessions.Destroy(v.Context()); err != nil {
		return err
	}
	http.Redirect(v.w, v.Request, "/sign-in", http.StatusSeeOther)
	return nil
}
