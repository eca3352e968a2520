package console

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2/memstore"
	"github.com/google/uuid"
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

func (r *register) Users(_ context.Context, f access.UserFilter, after string, limit int) (out []access.User, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(r.users)) {
		u := r.users[name]
		if name > after && (f.Role == "" || u.Role == f.Role) && (f.MID == "" || u.MID == f.MID) && (f.Standing == "" || u.Standing == f.Standing) && len(out) < limit {
			out = append(out, u)
		}
	}
	return out, nil
}

func (r *register) MerchantName(_ context.Context, mid string) (string, error) {
	if name, ok := map[string]string{ownMID: "顺香面馆", otherMID: "Neighbour"}[mid]; ok {
		return name, nil
	}
	return "", fault.New(fault.NotFound, fault.Say("find merchant", "查找商户"), mid, nil, "")
}

func (r *register) Record(_ context.Context, e access.Event) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trail = append(r.trail, e)
	return nil
}

func (r *register) Audit(_ context.Context, f access.AuditFilter, _ uuid.UUID, limit int) (out []access.Event, _ error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range slices.Backward(r.trail) {
		if (f.Subject == "" || e.Subject == f.Subject) && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

// happened is what the trail says.
func (r *register) happened() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var what []string
	for _, e := range r.trail {
		what = append(what, e.What)
	}
	return strings.Join(what, " ")
}

// put keeps a person who is set up, without going through the pages.
func (r *register) put(u access.User) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if u.Standing == "" {
		u.Standing = access.Active
	}
	if u.Shown == "" {
		u.Shown = u.Name
	}
	u.Version = 1
	r.users[u.Name] = u
}

// The merchants of the evidence of testdata, and of neighbour.
const (
	ownMID   = "898310058120001"
	otherMID = "898310058120002"
)

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

func newHouse(t *testing.T) *house { return newHouseWith(t, func(*Options) {}) }

// newHouseWith lets set change how the console is made.
func newHouseWith(t *testing.T, set func(*Options)) *house {
	h := &house{people: &register{users: map[string]access.User{}}, now: monday}
	h.site = newSiteWith(t, func(o *Options) {
		o.Who = nil
		o.Now = func() time.Time { return h.now }
		o.Audit = h.people
		o.SignIn = &SignIn{People: h.people, Sessions: memstore.NewWithCleanupInterval(0), Policy: access.Policy{Sealer: turned{}}, Issuer: "daozhang"}
		set(o)
	})
	h.jar, _ = cookiejar.New(nil)
	h.server.Client().Jar = h.jar
	return h
}

// guest gives somebody without a session, who follows no redirects.
func (h *house) guest() func(method, path string, form url.Values) (status int, body string) {
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return func(method, path string, form url.Values) (int, string) {
		h.t.Helper()
		req, err := http.NewRequest(method, h.server.URL+path, strings.NewReader(form.Encode()))
		if err != nil {
			h.t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := client.Do(req)
		if err != nil {
			h.t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			h.t.Fatal(err)
		}
		return res.StatusCode, string(b)
	}
}

// another signs in from another browser; what it gives asks for a page and says
// where that led.
func (h *house) another(name, password, code string) func(path string) (at string) {
	h.t.Helper()
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	res, err := client.PostForm(h.server.URL+"/sign-in", url.Values{"name": {name}, "password": {password}, "code": {code}})
	if err != nil {
		h.t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 200 {
		h.t.Fatalf("%s does not sign in elsewhere: %d", name, res.StatusCode)
	}
	return func(path string) string {
		res, err := client.Get(h.server.URL + path)
		if err != nil {
			h.t.Fatal(err)
		}
		res.Body.Close()
		return res.Request.URL.Path
	}
}

// later is the code of a minute later, when the clock is set there.
func (h *house) later(secret string) string {
	h.now = h.now.Add(time.Minute)
	return h.code(secret)
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

// link invites a person and gives the path of the one-time link.
func (h *house) link(u access.User) string {
	h.t.Helper()
	c, secret, err := access.Invite(h.now, access.System, u)
	if err != nil {
		h.t.Fatal(err)
	}
	if err := h.people.CommitUser(h.t.Context(), &c); err != nil {
		h.t.Fatal(err)
	}
	return SetUpPath(u.Name, secret)
}

// admit invites a person and sets the access up by its pages; it gives the secret of
// the second factor. The person is signed in after it.
func (h *house) admit(u access.User) string {
	h.t.Helper()
	path := h.link(u)
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
	if got := h.people.happened(); got != "invited set_up wrong_password_or_code signed_in disabled" {
		t.Errorf("the trail says: %s", got)
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
