package console

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"daozhang/internal/access"
	"daozhang/internal/store"
)

// TestViews saves a list, finds it as a tab, shares it, renames it, and deletes it, in a
// real database; nobody changes another's.
func TestViews(t *testing.T) {
	db, err := store.Open(t.Context(), store.Options{Database: t.TempDir(), Node: "test", Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	s := newSiteWith(t, func(o *Options) { o.Views = db })
	lily, zhao := &Person{Name: "李", Login: "lily", Role: access.Institution}, &Person{Name: "赵", Login: "zhao", Role: access.Institution}
	wang := &Person{Name: "王", Login: "wang", Role: access.Merchant, MID: shopMID}
	post := func(who *Person, values url.Values) (int, *url.URL, string) {
		t.Helper()
		s.person = who
		req, err := http.NewRequest("POST", s.server.URL+"/views", strings.NewReader(values.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Accept-Language", "en")
		return s.do(req)
	}
	page := func(who *Person, path string) string {
		t.Helper()
		s.person = who
		_, _, body := s.get(path, "Accept-Language", "en")
		return body
	}
	query := "status=overdue&sort=due&after=xyz"
	status, at, body := post(lily, url.Values{"page": {"/payments"}, "query": {query}, "name": {"Morning list"}})
	if status != 200 || at.Path != "/payments" || at.Query().Get("status") != "overdue" || at.Query().Get("after") != "" || !strings.Contains(body, "Change this view") {
		t.Fatalf("%d at %s", status, at)
	}
	id := at.Query().Get("view")
	tab := regexp.MustCompile(`<a href="([^"]*view=` + id + `[^"]*)" aria-current`).FindStringSubmatch(body)
	if tab == nil {
		t.Error("the view that is looked at is not marked")
	}
	if strings.Contains(page(zhao, "/payments"), "Morning list") || !strings.Contains(page(lily, "/payments"), "Morning list") || strings.Contains(page(lily, "/payouts"), "Morning list") {
		t.Error("a view of one's own is seen by another, or not by oneself, or on another list")
	}
	// Shared: a colleague sees it and whose it is, and cannot change it.
	post(lily, url.Values{"page": {"/payments"}, "query": {query}, "name": {"All late"}, "id": {id}, "shared": {"1"}, "do": {"save"}})
	if body := page(zhao, "/payments"); !strings.Contains(body, "All late") || !strings.Contains(body, "lily") {
		t.Error("a colleague does not see what is shared")
	}
	if strings.Contains(page(wang, "/payments"), "All late") {
		t.Error("a merchant sees the institution's view")
	}
	for _, do := range []string{"save", "delete"} {
		if status, _, _ := post(zhao, url.Values{"page": {"/payments"}, "query": {""}, "name": {"Mine now"}, "id": {id}, "do": {do}}); status != 404 {
			t.Errorf("another's view, %s: %d", do, status)
		}
	}
	for _, wrong := range []url.Values{
		{"page": {"/payments"}, "name": {""}}, {"page": {"/payments"}, "name": {"4111111111111111"}}, {"page": {"/payments"}, "name": {"x"}, "query": {"rrn=4111111111111111"}},
	} {
		if status, _, body := post(lily, wrong); status != 400 || strings.Contains(body, "4111111111111111") || !strings.Contains(body, `class="err" id="wrong-view"`) {
			t.Errorf("%v: %d, or nothing is said at the field", wrong, status)
		}
	}
	if _, _, body := post(lily, url.Values{"page": {"/payments"}, "name": {strings.Repeat("long ", 9)}, "query": {"rrn=1"}, "shared": {"1"}}); !strings.Contains(body, "long long") || !strings.Contains(body, "rrn=1") || !strings.Contains(body, "checked") {
		t.Error("what was typed is gone")
	}
	for n := range mostViews {
		status, at, _ := post(zhao, url.Values{"page": {"/payouts"}, "name": {"view"}})
		if last := n == mostViews-1; status != 200 || at.Path != "/payouts" || last && at.Query().Get("view") == "" {
			t.Fatalf("view %d: %d", n, status)
		}
	}
	if status, _, body := post(zhao, url.Values{"page": {"/payouts"}, "name": {"view"}}); status != 400 || !strings.Contains(body, "delete one first") {
		t.Errorf("one view too many: %d", status)
	}
	if status, _, _ := post(lily, url.Values{"page": {"/people"}, "name": {"x"}}); status != 404 {
		t.Errorf("a view of no list: %d", status)
	}
	if status, _, _ := post(nil, url.Values{"page": {"/payments"}, "name": {"x"}}); status != 404 {
		t.Errorf("a stranger's view: %d", status)
	}
	if status, at, _ := post(lily, url.Values{"page": {"/payments"}, "id": {id}, "do": {"delete"}}); status != 200 || at.RawQuery != "" {
		t.Errorf("deleted: %d at %s", status, at)
	}
	if strings.Contains(page(lily, "/payments"), "All late") {
		t.Error("it is there after it was deleted")
	}
}
