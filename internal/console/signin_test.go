package console

import (
	"context"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2/memstore"
	"github.com/pquerna/otp/totp"

	"daozhang/internal/access"
	"daozhang/internal/fault"
)

// register keeps people in memory, with versions as a store does.
type register struct {
	mu    sync.Mutex
	users map[string]access.User
	trail []access.Event
}

func (r *register) User(_ context.Context, name string) (access.User, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	u, ok := r.users[name]
	if !ok {
		return u, fault.New(fault.NotFound, fault.Say("find user", "查找用户"), name, nil, "")
	}
	return u, nil
}

func (r *register) CommitUser(_ context.Context, c *access.Change) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.users[c.User.Name].Version+1 != c.User.Version {
		return fault.New(fault.Conflict, fault.Say("write user", "写入用户"), c.User.Name, nil, "")
	}
	r.users[c.User.Name] = c.User
	r.trail = append(r.trail, c.Event)
	return nil
}

type turned struct{}

func (turned) Seal(b []byte) ([]byte, error) { return turn(b), nil }
func (turned) Open(b []byte) ([]byte, error) { return turn(b), nil }

func turn(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = ^b[i]
	}
	return out
}

// house is a site with a door: its clock is the test's.
type house struct {
	*site
	people *register
	now    time.Time
	jar    http.CookieJar
}

func newHouse(t *testing.T) *house {
	h := &house{people: &register{users: map[string]access.User{}}, now: monday}
	h.site = newSiteWith(t, func(o *Options) {
		o.Who = nil
		o.Now = func() time.Time { return h.now }
		o.SignIn = &SignIn{People: h.people, Sessions: memstore.NewWithCleanupInterval(0), Policy: access.Policy{Sealer: turned{}}, Issuer: "daozhang"}
	})
	h.jar, _ = cookiejar.New(nil)
	h.server.Client().Jar = h.jar
	return h
}

func (h *house) post(path string, fields ...string) (int, *url.URL, string) {
	h.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	req, err := http.NewRequest("POST", h.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		h.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	return h.do(req)
}

func (h *house) token() string {
	u, _ := url.Parse(h.server.URL)
	for _, c := range h.jar.Cookies(u) {
		if c.Name == "daozhang_session" {
			return c.Value
		}
	}
	return ""
}

func (h *house) code(secret string) string {
	h.t.Helper()
	c, err := totp.GenerateCode(secret, h.now)
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

const words = "seven lanterns over the quay"

// admit invites a person and sets the access up by its pages; it gives the secret of
// the second factor. The person is signed in after it.
func (h *house) admit(u access.User) string {
	h.t.Helper()
	c, link, err := access.Invite(h.now, access.System, u)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.people.CommitUser(h.t.Context(), &c); err != nil {
		h.t.Fatal(err)
	}
	path := "/set-up/" + u.Name + "/" + link
	status, _, body := h.get(path)
	m := regexp.MustCompile(`<code>([A-Z2-7]{32})</code>`).FindStringSubmatch(body)
	if status != 200 || m == nil || !strings.Contains(body, "data:image/png;base64,") {
		h.t.Fatalf("set-up page: %d", status)
	}
	for _, c := range [][4]string{{words, "another", h.code(m[1]), "not the same"}, {"short", "short", h.code(m[1]), "5 characters"}, {words, words, "12", "not the one that the app shows"}} {
		if status, _, body := h.post(path, "password", c[0], "again", c[1], "code", c[2]); status != 400 || !strings.Contains(body, c[3]) || !strings.Contains(body, m[1]) {
			h.t.Errorf("set up with %q: %d", c[3], status)
		}
	}
	status, _, body = h.post(path, "password", words, "again", words, "code", h.code(m[1]))
	if status != 200 || strings.Count(body, "-") < 30 {
		h.t.Fatalf("set up: %d", status)
	}
	if status, _, _ := h.get(path); status != 404 {
		h.t.Errorf("the link again: %d", status)
	}
	return m[1]
}

func TestSignIn(t *testing.T) {
	h := newHouse(t)
	if _, at, _ := h.get("/payments?status=overdue"); at.Path != "/sign-in" || at.Query().Get("next") != "/payments?status=overdue" {
		t.Errorf("without sign-in: %s", at)
	}
	if _, at, _ := h.get("/no/such/page"); at.Path != "/sign-in" && at.Path != "/no/such/page" {
		t.Errorf("%s", at)
	}
	secret := h.admit(access.User{Name: "wangfang", Shown: "Wang Fang", Role: access.Institution})
	if status, _, body := h.get("/overview"); status != 200 || !strings.Contains(body, "Wang Fang") {
		t.Errorf("after set-up: %d", status)
	}
	before := h.token()
	if _, at, _ := h.post("/sign-out"); at.Path != "/sign-in" {
		t.Errorf("signed out: %s", at)
	}
	if _, at, _ := h.get("/overview"); at.Path != "/sign-in" {
		t.Errorf("after sign-out: %s", at)
	}
	h.now = h.now.Add(time.Minute)
	if status, _, body := h.post("/sign-in", "name", "wangfang", "password", "wrong wrong wrong", "code", h.code(secret)); status != 403 || strings.Contains(body, "wrong wrong") {
		t.Errorf("wrong password: %d", status)
	}
	status, at, _ := h.post("/sign-in", "name", "wangfang", "password", words, "code", h.code(secret), "next", "/payments?status=overdue")
	if status != 200 || at.RequestURI() != "/payments?status=overdue" {
		t.Errorf("right: %d at %s", status, at)
	}
	if after := h.token(); after == "" || after == before {
		t.Error("the session's token is the same after the sign-in")
	}
	// What is changed about a person holds from the next page on.
	u, _ := h.people.User(t.Context(), "wangfang")
	c, err := u.Disable(h.now, access.System, "left")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.people.CommitUser(t.Context(), &c); err != nil {
		t.Fatal(err)
	}
	if _, at, _ := h.get("/overview"); at.Path != "/sign-in" {
		t.Errorf("a disabled person sees %s", at)
	}
	var what []string
	for _, e := range h.people.trail {
		what = append(what, e.What)
	}
	if got := strings.Join(what, " "); got != "invited set_up wrong_password_or_code signed_in disabled" {
		t.Errorf("the trail says: %s", got)
	}
}

func TestChangePassword(t *testing.T) {
	h := newHouse(t)
	secret := h.admit(access.User{Name: "zhao", Role: access.Merchant, MID: "898310058120001"})
	if status, _, _ := h.post("/account", "old", "not it at all", "password", "eight lanterns and a boat", "again", "eight lanterns and a boat"); status != 400 {
		t.Errorf("wrong old password: %d", status)
	}
	if status, _, _ := h.post("/account", "old", words, "password", "eight lanterns and a boat", "again", "eight lanterns and a boat"); status != 200 {
		t.Errorf("changed: %d", status)
	}
	if status, at, _ := h.get("/payments"); status != 200 || at.Path != "/payments" {
		t.Errorf("this session after it: %s", at)
	}
	h.post("/sign-out")
	h.now = h.now.Add(time.Minute)
	if status, _, _ := h.post("/sign-in", "name", "zhao", "password", words, "code", h.code(secret)); status != 403 {
		t.Errorf("the old password: %d", status)
	}
	if status, _, _ := h.post("/sign-in", "name", "zhao", "password", "eight lanterns and a boat", "code", h.code(secret)); status != 200 {
		t.Errorf("the new password: %d", status)
	}
}

// TestDoorIsSlow: an address has a few tries a minute, whoever it tries to be.
func TestDoorIsSlow(t *testing.T) {
	h := newHouse(t)
	h.people.users["wangfang"] = access.User{Name: "wangfang", Standing: access.Disabled, Role: access.Auditor}
	status := 0
	for n := range 40 {
		status, _, _ = h.post("/sign-in", "name", []string{"wangfang", "nobody"}[n%2], "password", "guess", "code", "000000")
		if status == http.StatusTooManyRequests {
			break
		}
		if status != 403 {
			t.Fatalf("%d", status)
		}
	}
	if status != http.StatusTooManyRequests {
		t.Error("guesses go on")
	}
}

func TestOwnPath(t *testing.T) {
	for s, want := range map[string]string{"/payments?a=b": "/payments?a=b", "": "/", "//evil.example/": "/", "https://evil.example/": "/", `/\evil.example`: "/", "payments": "/",
		"/a\r\nb": "/", "javascript:alert(1)": "/"} {
		if got := ownPath(s); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

// TestSessionLength: sessions are as long as package access says, and their cookie
// goes nowhere else.
func TestSessionLength(t *testing.T) {
	for _, secure := range []bool{false, true} {
		m := newEntrance(SignIn{Sessions: memstore.NewWithCleanupInterval(0), Secure: secure}, nil).sessions
		if m.IdleTimeout != access.Idle || m.Lifetime != access.Lifetime || !m.HashTokenInStore {
			t.Errorf("idle %v, life %v, token hashed %v", m.IdleTimeout, m.Lifetime, m.HashTokenInStore)
		}
		if c := m.Cookie; !c.HttpOnly || c.Secure != secure || c.SameSite != http.SameSiteLaxMode || c.Persist || strings.HasPrefix(c.Name, "__Host-") != secure {
			t.Errorf("%+v", c)
		}
	}
}
