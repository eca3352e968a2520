package console

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"daozhang/internal/access"
)

const other = "eight lanterns and a boat"

func TestChangePassword(t *testing.T) {
	h := newHouse(t)
	secret := h.admit(access.User{Name: "zhao", Role: access.Merchant, MID: ownMID})
	elsewhere := h.another("zhao", words, h.later(secret))
	for _, c := range [][3]string{{"not it at all", other, other}, {words, other, "something else"}, {words, "short", "short"}, {words, words, words}} {
		if status, _, body := h.post("/account/password", "old", c[0], "password", c[1], "again", c[2]); status != 400 || strings.Contains(body, other) {
			t.Errorf("%v: %d", c, status)
		}
	}
	status, at, body := h.post("/account/password", "old", words, "password", other, "again", other)
	if status != 200 || at.RequestURI() != "/account?done=password" || !strings.Contains(body, "The password is changed") {
		t.Errorf("changed: %d at %s", status, at)
	}
	if status, at, _ := h.get("/payments"); status != 200 || at.Path != "/payments" {
		t.Errorf("this session after it: %s", at)
	}
	if at := elsewhere("/payments"); at != "/sign-in" {
		t.Errorf("another session after it sees %s", at)
	}
	h.post("/sign-out")
	if status, _, _ := h.post("/sign-in", "name", "zhao", "password", words, "code", h.later(secret)); status != 403 {
		t.Errorf("the old password: %d", status)
	}
	if status, _, _ := h.post("/sign-in", "name", "zhao", "password", other, "code", h.code(secret)); status != 200 {
		t.Errorf("the new password: %d", status)
	}
}

// TestChangeFactor: the new phone works, the old one and its recovery codes do not.
func TestChangeFactor(t *testing.T) {
	h := newHouse(t)
	old := h.admit(access.User{Name: "wangfang", Role: access.Auditor})
	_, _, body := h.get("/account/factor")
	m := regexp.MustCompile(`<code>([A-Z2-7]{32})</code>`).FindStringSubmatch(body)
	if m == nil || m[1] == old {
		t.Fatal("no new key on the page")
	}
	for _, c := range [][2]string{{"not it at all", h.code(m[1])}, {words, "12"}} {
		if status, _, body := h.post("/account/factor", "old", c[0], "code", c[1]); status != 400 || !strings.Contains(body, m[1]) {
			t.Errorf("%v: %d", c, status)
		}
	}
	status, _, body := h.post("/account/factor", "old", words, "code", h.code(m[1]))
	codes := regexp.MustCompile(`[a-z2-7]{4}(-[a-z2-7]{4}){3}`).FindAllString(body, -1)
	if status != 200 || len(codes) != 10 {
		t.Fatalf("%d, %d recovery codes", status, len(codes))
	}
	if _, _, body := h.get("/account/factor"); strings.Contains(body, m[1]) || strings.Contains(body, codes[0]) {
		t.Error("what is shown once is shown again")
	}
	h.post("/sign-out")
	if status, _, _ := h.post("/sign-in", "name", "wangfang", "password", words, "code", h.later(old)); status != 403 {
		t.Errorf("the old phone: %d", status)
	}
	if status, _, _ := h.post("/sign-in", "name", "wangfang", "password", words, "code", codes[4]); status != 200 {
		t.Errorf("a new recovery code: %d", status)
	}
	h.post("/sign-out")
	if status, _, _ := h.post("/sign-in", "name", "wangfang", "password", words, "code", codes[4]); status != 403 {
		t.Errorf("the same recovery code again: %d", status)
	}
	if got := h.people.happened(); !strings.Contains(got, "second_factor_changed") || !strings.Contains(got, "signed_in_by_recovery_code") {
		t.Error(got)
	}
}

func TestEndOtherSessions(t *testing.T) {
	h := newHouse(t)
	secret := h.admit(access.User{Name: "wangfang", Role: access.Auditor})
	elsewhere := h.another("wangfang", words, h.later(secret))
	if _, _, body := h.get("/account", "Accept-Language", "en"); !strings.Contains(body, "Last sign-in") || !strings.Contains(body, "after a quarter of an hour") {
		t.Error("the account does not say how long sessions are")
	}
	if at := elsewhere("/overview"); at != "/overview" {
		t.Fatalf("the other session sees %s", at)
	}
	if _, at, _ := h.post("/account/sessions"); at.RequestURI() != "/account?done=sessions" {
		t.Errorf("ended: %s", at)
	}
	if at := elsewhere("/overview"); at != "/sign-in" {
		t.Errorf("the other session lives on: %s", at)
	}
}

// TestOwnLanguage: a person's language holds wherever the person signs in, until the
// browser is told otherwise.
func TestOwnLanguage(t *testing.T) {
	h := newHouse(t)
	h.admit(access.User{Name: "wangfang", Role: access.Auditor})
	h.get("/overview?lang=en")
	if _, _, body := h.post("/account/language", "language", "zh"); !strings.Contains(body, `<html lang="zh">`) {
		t.Error("the page is not in the chosen language")
	}
	if status, _, _ := h.post("/account/language", "language", "fr"); status != 400 {
		t.Errorf("a language that there is not: %d", status)
	}
	if _, _, body := h.get("/overview", "Accept-Language", "en"); !strings.Contains(body, `<html lang="zh">`) {
		t.Error("the browser's language goes before the person's")
	}
	if _, _, body := h.get("/overview?lang=en"); !strings.Contains(body, `<html lang="en">`) {
		t.Error("the switch in the page does nothing")
	}
}

// TestAccountIsSlow: who finds a session open has few guesses at the password.
func TestAccountIsSlow(t *testing.T) {
	h := newHouse(t)
	h.admit(access.User{Name: "wangfang", Role: access.Auditor})
	for range 60 {
		if status, _, _ := h.post("/account/password", "old", "guess", "password", other, "again", other); status == 429 {
			return
		}
	}
	t.Error("guesses go on")
}

// TestWithoutFactor: where the installation says so, a merchant's person signs in by
// the password alone; the institution's never.
func TestWithoutFactor(t *testing.T) {
	h := newHouseWith(t, func(o *Options) { o.SignIn.Policy.MerchantsSpared = true })
	for _, c := range []struct {
		user access.User
		ok   bool
	}{{access.User{Name: "zhao", Role: access.Merchant, MID: ownMID}, true}, {access.User{Name: "wangfang", Role: access.Institution}, false}} {
		path := h.link(c.user)
		h.get(path)
		status, _, _ := h.post(path, "password", words, "again", words, "code", "")
		if (status == 200) != c.ok {
			t.Errorf("%s sets up without a code: %d", c.user.Name, status)
		}
		if !c.ok {
			continue
		}
		h.post("/sign-out")
		h.now = h.now.Add(time.Minute)
		if status, at, _ := h.post("/sign-in", "name", c.user.Name, "password", words, "code", ""); status != 200 || at.Path != "/" {
			t.Errorf("%s by the password alone: %d", c.user.Name, status)
		}
		if _, _, body := h.get("/account"); !strings.Contains(body, "whoever learns the password is in") {
			t.Error("the account does not say what is missing")
		}
		h.post("/sign-out")
	}
}
