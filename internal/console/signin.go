package console

import (
	"bytes"
	"context"
	"encoding/base64"
	"image/png"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/pquerna/otp"

	"daozhang/internal/access"
	"daozhang/internal/fault"
)

// People is the record of those who can sign in: what the console needs of the
// store.
type People interface {
	// User gives a person by the sign-in name; fault.NotFound where there is none.
	User(ctx context.Context, name string) (access.User, error)
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

// What a session holds.
const (
	sessionUser  = "user"
	sessionEpoch = "epoch"
	// sessionSecret and sessionURL are a second factor that its owner is setting up.
	sessionSecret = "factor"
	sessionURL    = "factor_url"
)

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
	v.Body = http.MaxBytesReader(v.w, v.Body, 4096)
	p := signInPage{Name: strings.TrimSpace(v.PostFormValue("name")), Next: ownPath(v.PostFormValue("next"))}
	if wait := c.entrance.tries.Take(addressOf(v.Request), c.o.Now()); wait > 0 {
		v.w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
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

// SetUpPath is where a person ends an invitation, below the address of the pages;
// the secret of its one-time link is in it.
func SetUpPath(name, secret string) string { return "/set-up/" + url.PathEscape(name) + "/" + secret }

// setUpPage is where an invited person sets a password and a second factor.
type setUpPage struct {
	Name, Secret string // of the link
	Factor       access.Enrolment
	Picture      string // QR code as a data address
	Wrong, Hint  string
	Codes        []string // once it is done
}

// invited gives the person of a one-time link: /set-up/NAME/SECRET. What is wrong
// with a link is not told.
func (c *Console) invited(v *visit) (access.User, string, error) {
	name, secret := v.PathValue("name"), v.PathValue("secret")
	u, err := c.entrance.People.User(v.Context(), name)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return u, "", err
	}
	if err != nil || !u.Invites(c.o.Now(), secret) {
		return u, "", fault.New(fault.NotFound, fault.Say("set up access", "设置登录"), "", nil,
			fault.Say("The link is not good, or not any more; ask for a new one.", "链接无效或已过期，请索取新的链接。"))
	}
	return u, secret, nil
}

func (c *Console) setUp(v *visit) error {
	u, secret, err := c.invited(v)
	if err != nil {
		return err
	}
	p, err := c.factorOf(v, &u, secret)
	if err != nil {
		return err
	}
	return v.render(http.StatusOK, setUpView(v, p))
}

// factorOf gives the second factor that this session sets up, the same on each page.
func (c *Console) factorOf(v *visit, u *access.User, secret string) (*setUpPage, error) {
	m := c.entrance.sessions
	f := access.Enrolment{Secret: m.GetString(v.Context(), sessionSecret), URL: m.GetString(v.Context(), sessionURL)}
	if f.Secret == "" {
		var err error
		if f, err = access.NewEnrolment(c.entrance.Issuer, u.Name); err != nil {
			return nil, err
		}
		m.Put(v.Context(), sessionSecret, f.Secret)
		m.Put(v.Context(), sessionURL, f.URL)
	}
	picture, err := qrCode(f.URL)
	if err != nil {
		return nil, err
	}
	return &setUpPage{Name: u.Name, Secret: secret, Factor: f, Picture: picture}, nil
}

// qrCode draws an address for a camera.
func qrCode(address string) (string, error) {
	key, err := otp.NewKeyFromURL(address)
	if err != nil {
		return "", err
	}
	img, err := key.Image(232, 232)
	if err != nil {
		return "", err
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		return "", err
	}
	return "data:image/png;base64," + base64.StdEncoding.EncodeToString(b.Bytes()), nil
}

func (c *Console) finishSetUp(v *visit) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, 4096)
	u, secret, err := c.invited(v)
	if err != nil {
		return err
	}
	p, err := c.factorOf(v, &u, secret)
	if err != nil {
		return err
	}
	password := v.PostFormValue("password")
	if password != v.PostFormValue("again") {
		p.Wrong = v.say("The two passwords are not the same.", "两次输入的密码不一致。")
		return v.render(http.StatusBadRequest, setUpView(v, p))
	}
	change, codes, err := u.SetUp(c.o.Now(), v.origin(), secret, password, p.Factor, v.PostFormValue("code"), c.entrance.Policy)
	if err != nil {
		if k := fault.KindOf(err); k != fault.Invalid && k != fault.NotAllowed {
			return err
		}
		p.Wrong, p.Hint = messageOf(err, v.lang)
		return v.render(http.StatusBadRequest, setUpView(v, p))
	}
	if err := c.entrance.People.CommitUser(v.Context(), &change); err != nil {
		return err
	}
	c.entrance.sessions.Remove(v.Context(), sessionSecret)
	c.entrance.sessions.Remove(v.Context(), sessionURL)
	if err := c.begin(v, &change.User); err != nil {
		return err
	}
	p.Codes = codes
	return v.render(http.StatusOK, setUpView(v, p))
}

// accountPage is where a person changes the password.
type accountPage struct {
	Wrong, Hint string
	Done        bool
}

func (c *Console) account(v *visit) error {
	return v.render(http.StatusOK, accountView(v, &accountPage{}))
}

func (c *Console) changePassword(v *visit) error {
	v.Body = http.MaxBytesReader(v.w, v.Body, 4096)
	p := accountPage{}
	if v.PostFormValue("password") != v.PostFormValue("again") {
		p.Wrong = v.say("The two passwords are not the same.", "两次输入的密码不一致。")
		return v.render(http.StatusBadRequest, accountView(v, &p))
	}
	u, err := c.entrance.People.User(v.Context(), v.who.Login)
	if err != nil {
		return err
	}
	change, err := u.ChangePassword(c.o.Now(), v.origin(), v.PostFormValue("old"), v.PostFormValue("password"))
	if err != nil {
		if k := fault.KindOf(err); k != fault.Invalid && k != fault.NotAllowed {
			return err
		}
		p.Wrong, p.Hint = messageOf(err, v.lang)
		return v.render(http.StatusBadRequest, accountView(v, &p))
	}
	if err := c.entrance.People.CommitUser(v.Context(), &change); err != nil {
		return err
	}
	// The other sessions are over; this one goes on under a new token.
	if err := c.begin(v, &change.User); err != nil {
		return err
	}
	p.Done = true
	return v.render(http.StatusOK, accountView(v, &p))
}
