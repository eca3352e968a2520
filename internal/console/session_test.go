package console

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/scs/v2/memstore"

	"daozhang/internal/access"
)

// visitor asks a console without a socket, so that time is the test's, and keeps the
// cookies that it is given.
type visitor struct {
	t       *testing.T
	console *Console
	cookies map[string]*http.Cookie
}

func (g *visitor) ask(method, path string, fields ...string) *http.Response {
	g.t.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	r := httptest.NewRequest(method, "https://pay.example"+path, strings.NewReader(form.Encode()))
	if method == "POST" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for _, c := range g.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	g.console.ServeHTTP(w, r)
	res := w.Result()
	for _, c := range res.Cookies() {
		if c.MaxAge < 0 {
			delete(g.cookies, c.Name)
		} else {
			g.cookies[c.Name] = c
		}
	}
	return res
}

// inside reports whether a page of those who have signed in is shown.
func (g *visitor) inside() bool {
	g.t.Helper()
	return g.ask("GET", "/account").StatusCode == http.StatusOK
}

// newVisitor makes a console with a person who signs in by the password alone. It is
// made outside of any bubble: a session manager begins with a goroutine of its own.
func newVisitor(t *testing.T, policy access.Policy) (*visitor, *register) {
	t.Helper()
	people := &register{users: map[string]access.User{}}
	c, link, err := access.Invite(time.Now(), access.System, access.User{Name: "zhao", Role: access.Merchant, MID: ownMID})
	if err != nil {
		t.Fatal(err)
	}
	c, _, err = c.User.SetUp(time.Now(), access.Origin{}, link, words, access.Enrolment{}, "", policy)
	if err != nil {
		t.Fatal(err)
	}
	people.put(c.User)
	return &visitor{t: t, cookies: map[string]*http.Cookie{}, console: New(Options{Audit: people,
		SignIn: &SignIn{People: people, Sessions: memstore.NewWithCleanupInterval(0), Policy: policy, Issuer: "daozhang", Secure: true}})}, people
}

// TestSessionLife: a session is over a quarter of an hour after the last page, and
// half a day after the sign-in however often pages are asked for.
func TestSessionLife(t *testing.T) {
	g, _ := newVisitor(t, access.Policy{Sealer: turned{}, MerchantsSpared: true})
	synctest.Test(t, func(t *testing.T) {
		if g.inside() {
			t.Fatal("inside without a sign-in")
		}
		in := func() {
			t.Helper()
			if res := g.ask("POST", "/sign-in", "name", "zhao", "password", words); res.StatusCode != http.StatusSeeOther || !g.inside() {
				t.Fatalf("not signed in: %d", res.StatusCode)
			}
		}
		in()
		for n := range 3 { // used again just in time
			time.Sleep(access.Idle - time.Second)
			if !g.inside() {
				t.Fatalf("out after %d pages", n)
			}
		}
		time.Sleep(access.Idle + time.Second)
		if g.inside() {
			t.Error("inside after the idle time")
		}
		in()
		begun := time.Now()
		for time.Since(begun) < access.Lifetime-access.Idle/2 {
			time.Sleep(access.Idle / 2)
			if !g.inside() {
				t.Fatalf("out after %v of steady use", time.Since(begun))
			}
		}
		time.Sleep(access.Idle/2 + time.Second)
		if g.inside() {
			t.Error("inside after the lifetime")
		}
	})
}

// TestSessionCookie: the cookie goes over encrypted connections alone, to this host
// alone, to no script, and not with another site's forms; its value changes at the
// sign-in, so that one planted before is worth nothing.
func TestSessionCookie(t *testing.T) {
	g, _ := newVisitor(t, access.Policy{Sealer: turned{}, MerchantsSpared: true})
	const name = "__Host-daozhang_session"
	planted := &http.Cookie{Name: name, Value: "planted-by-somebody-else"}
	g.cookies[name] = planted
	res := g.ask("POST", "/sign-in", "name", "zhao", "password", words)
	c := g.cookies[name]
	if c == nil || c.Value == planted.Value || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 || !c.Expires.IsZero() {
		t.Fatalf("%d: %+v", res.StatusCode, c)
	}
	before := c.Value
	if res := g.ask("POST", "/account/sessions"); res.StatusCode != http.StatusSeeOther || g.cookies[name].Value == before {
		t.Error("the token is the same after the sessions were ended")
	}
	after := *g.cookies[name]
	g.ask("POST", "/sign-out")
	g.cookies[name] = &after
	if g.inside() {
		t.Error("the token is good after the sign-out")
	}
	for _, token := range []string{planted.Value, before, "", strings.Repeat("A", 5000)} {
		g.cookies[name] = &http.Cookie{Name: name, Value: token}
		if g.inside() {
			t.Errorf("%.20q is good", token)
		}
	}
}

// TestLockOut: after five wrong passwords the right one does not help either, and
// nothing says which it was; a minute later it does.
func TestLockOut(t *testing.T) {
	g, people := newVisitor(t, access.Policy{Sealer: turned{}, MerchantsSpared: true})
	synctest.Test(t, func(t *testing.T) {
		for range 5 {
			if res := g.ask("POST", "/sign-in", "name", "zhao", "password", "wrong wrong wrong"); res.StatusCode != http.StatusForbidden {
				t.Fatalf("%d", res.StatusCode)
			}
		}
		if res := g.ask("POST", "/sign-in", "name", "zhao", "password", words); res.StatusCode != http.StatusForbidden || g.inside() {
			t.Errorf("while locked: %d", res.StatusCode)
		}
		time.Sleep(time.Minute)
		if res := g.ask("POST", "/sign-in", "name", "zhao", "password", words); res.StatusCode != http.StatusSeeOther || !g.inside() {
			t.Errorf("after the wait: %d", res.StatusCode)
		}
		if got := people.happened(); !strings.HasSuffix(got, "locked refused_locked signed_in_by_password_alone") {
			t.Error(got)
		}
	})
}
