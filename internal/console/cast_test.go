package console

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"daozhang/internal/access"
)

// TestCast: whoever sits at the machine is the first of the cast until another is
// chosen, never somebody who is not in it; from elsewhere nobody plays anybody.
func TestCast(t *testing.T) {
	h := newHouseWith(t, func(o *Options) {
		o.Cast = []Person{{Name: "demo", Role: access.Institution}, {Name: "colleague", Role: access.Institution}, {Name: "shop", Role: access.Merchant, MID: ownMID}}
	})
	is := func(name string) {
		t.Helper()
		if _, _, body := h.get("/payments"); !strings.Contains(body, `selected>`+name+` · `) {
			t.Errorf("the page is not %s's", name)
		}
	}
	is("demo")
	if status, at, _ := h.post("/as", "who", "2", "next", "/payments?status=overdue"); status != 200 || at.RequestURI() != "/payments?status=overdue" {
		t.Errorf("as the shop: %d at %s", status, at)
	}
	is("shop")
	if status, _, _ := h.get("/overview"); status != 404 {
		t.Errorf("the shop sees the overview: %d", status)
	}
	for _, n := range []string{"3", "-1", "x", ""} {
		if status, _, _ := h.post("/as", "who", n); status != 404 {
			t.Errorf("as %q: %d", n, status)
		}
	}
	is("shop")
	if _, at, _ := h.post("/as", "who", "1", "next", "https://elsewhere.example/"); at.Path != "/" || !strings.HasPrefix(h.server.URL, at.Scheme+"://"+at.Host) {
		t.Errorf("led to %s", at)
	}
	is("colleague")
	r := httptest.NewRequest("POST", "/as", strings.NewReader("who=0"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = "192.0.2.7:4711"
	w := httptest.NewRecorder()
	h.server.Config.Handler.ServeHTTP(w, r)
	if w.Code != http.StatusNotFound || len(w.Result().Cookies()) > 0 {
		t.Errorf("from elsewhere: %d", w.Code)
	}
}
