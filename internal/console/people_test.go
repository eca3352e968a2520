package console

import (
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"daozhang/internal/access"
)

// TestPeople: somebody is invited by a link that is shown once, sets up the access,
// is disabled and let in again; each step is in the audit log with who did it.
func TestPeople(t *testing.T) {
	h := newHouse(t)
	h.admit(access.User{Name: "wangfang", Shown: "Wang Fang", Role: access.Institution})
	for _, c := range []struct {
		name, role, merchant, says string
	}{{"zhao", "merchant", "", "do not go together"}, {"zhao", "auditor", ownMID, "do not go together"}, {"zhao", "merchant", "999", "no merchant of that number"}, {"Zhao Min", "auditor", "", "cannot be taken"},
		{"zhao", "king", "", "no role"}, {"wangfang", "auditor", "", "409"}} {
		status, _, body := h.post("/people", "name", c.name, "shown", "赵敏", "role", c.role, "merchant", c.merchant)
		if status != 400 || c.says != "409" && !strings.Contains(html.UnescapeString(body), c.says) || !strings.Contains(body, `value="赵敏"`) {
			t.Errorf("%+v: %d", c, status)
		}
	}
	status, at, body := h.post("/people", "name", "zhao", "shown", "赵敏", "role", "merchant", "merchant", ownMID, "language", "zh")
	link := regexp.MustCompile(`http://[^<]+/set-up/zhao/[a-z2-7]{32}`).FindString(body)
	if status != 200 || at.Path != "/people/zhao" || link == "" || !strings.HasPrefix(link, h.server.URL) {
		t.Fatalf("invited: %d at %s, link %q", status, at, link)
	}
	if _, _, body := h.get("/people/zhao"); strings.Contains(body, "/set-up/zhao/") || !strings.Contains(body, "顺香面馆") {
		t.Error("the link is shown again, or the merchant's name is not")
	}
	if _, _, body := h.get("/people?role=merchant"); !strings.Contains(body, "赵敏") || strings.Contains(body, "/people/wangfang") {
		t.Error("the list is not that of the role")
	}
	if _, _, body := h.get("/people?state=disabled"); !strings.Contains(body, "Nobody passes these filters") {
		t.Error("an empty list says nothing")
	}
	u, _ := url.Parse(link)
	guest := h.guest()
	if status, _ := guest("GET", u.Path, nil); status != 200 {
		t.Errorf("the link: %d", status)
	}
	if status, _, _ := h.post("/people/zhao/disable", "why", " "); status != 409 {
		t.Errorf("disabled without a reason: %d", status)
	}
	if status, _, _ := h.post("/people/zhao/disable", "why", "left the shop"); status != 200 {
		t.Errorf("disabled: %d", status)
	}
	if status, _ := guest("GET", u.Path, nil); status != 404 {
		t.Errorf("the link of a disabled person: %d", status)
	}
	if status, _, _ := h.post("/people/zhao/invite-again"); status != 409 {
		t.Errorf("invited while disabled: %d", status)
	}
	_, _, body = h.post("/people/zhao/enable")
	again := regexp.MustCompile(`/set-up/zhao/[a-z2-7]{32}`).FindString(body)
	if again == "" || strings.Contains(link, again) {
		t.Errorf("let in again by %q", again)
	}
	h.now = h.now.Add(access.InvitationLasts)
	if status, _ := guest("GET", again, nil); status != 404 {
		t.Errorf("a link that ran out: %d", status)
	}
	// Nobody decides about themselves.
	for _, act := range []string{"disable", "invite-again"} {
		if status, _, body := h.post("/people/wangfang/"+act, "why", "x"); status != 409 || !strings.Contains(body, "Wang Fang") {
			t.Errorf("%s oneself: %d", act, status)
		}
	}
	if got := h.people.happened(); got != "invited set_up invited disabled enabled" {
		t.Error(got)
	}
	for _, e := range h.people.trail[2:] {
		if e.Name != "wangfang" || e.Role != access.Institution || e.From == "" || e.Request == "" || e.Subject != "user/zhao" || e.MID != ownMID {
			t.Errorf("%+v", e)
		}
	}
}

// TestLinkBelongsToItsSession: a secret of a link is in no row, and somebody else's session
// does not show it.
func TestLinkBelongsToItsSession(t *testing.T) {
	h := newHouse(t)
	h.admit(access.User{Name: "wangfang", Role: access.Institution})
	path := h.link(access.User{Name: "zhao", Role: access.Auditor})
	secret := path[strings.LastIndex(path, "/")+1:]
	u, _ := h.people.User(t.Context(), "zhao")
	if strings.Contains(u.Invitation, secret) {
		t.Error("the secret is on record")
	}
	if _, _, body := h.get("/people/zhao"); strings.Contains(body, secret) {
		t.Error("a session that made no link shows it")
	}
}

// TestPeopleByPages follows the list page by page.
func TestPeopleByPages(t *testing.T) {
	h := newHouse(t)
	h.admit(access.User{Name: "wangfang", Role: access.Institution})
	for n := range 250 {
		h.people.put(access.User{Name: "person" + string(rune('a'+n/26%26)) + string(rune('a'+n%26)) + string(rune('a'+n/676)), Role: access.Auditor, Seen: h.now.Add(-time.Hour)})
	}
	rows := regexp.MustCompile(`href="/people/([^"]+)"`)
	next := regexp.MustCompile(`href="(/people\?[^"]*after=[^"]*)"`)
	seen := map[string]bool{}
	for path, pages := "/people", 0; path != ""; pages++ {
		_, _, body := h.get(path)
		for _, m := range rows.FindAllStringSubmatch(body, -1) {
			if seen[m[1]] {
				t.Errorf("%s is there twice", m[1])
			}
			seen[m[1]] = true
		}
		path = ""
		if m := next.FindStringSubmatch(body); m != nil {
			path = html.UnescapeString(m[1])
		}
		if pages > 5 {
			t.Fatal("no end")
		}
	}
	if len(seen) != 251 {
		t.Errorf("%d people on all pages", len(seen))
	}
}
