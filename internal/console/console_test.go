package console

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
)

var monday = time.Date(2026, 3, 9, 10, 0, 0, 0, time.FixedZone("CST", 8*3600))

// site is a console over the evidence of testdata, looked at by one person.
type site struct {
	t      *testing.T
	server *httptest.Server
	person *Person
}

func newSite(t *testing.T, who *Person) *site {
	t.Helper()
	s := newSiteWith(t, nil)
	s.person = who
	return s
}

// newSiteWith lets set change how the console is made.
func newSiteWith(t *testing.T, set func(*Options)) *site {
	t.Helper()
	catalogue, err := diagnosis.Load()
	if err != nil {
		t.Fatal(err)
	}
	live, err := investigation.NewLive(investigation.LiveOptions{Options: investigation.Options{Catalogue: catalogue}, AsOf: evidence.InstantOf(monday), Offset: 480, Keep: -1})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join("testdata", "shops.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := live.AddNDJSON(f, func(line int, why fault.Text) { t.Errorf("line %d: %s", line, why.EN) }); err != nil {
		t.Fatal(err)
	}
	if _, err := live.AddNDJSON(strings.NewReader(neighbour()), func(line int, why fault.Text) { t.Errorf("line %d: %s", line, why.EN) }); err != nil {
		t.Fatal(err)
	}
	s := &site{t: t}
	o := Options{Live: live, Catalogue: catalogue, Now: func() time.Time { return monday }, Who: func(*http.Request) (Person, bool) {
		if s.person == nil {
			return Person{}, false
		}
		return *s.person, true
	}}
	if set != nil {
		set(&o)
	}
	s.server = httptest.NewServer(New(o))
	t.Cleanup(s.server.Close)
	return s
}

// neighbour is the evidence of another merchant: 70 payments of an hour.
func neighbour() string {
	var b strings.Builder
	for n := range 70 {
		at := time.Date(2026, 3, 5, 11, n/2, n, 0, monday.Location()).Format(time.RFC3339)
		fmt.Fprintf(&b, `{"specversion":"1.0","id":"n%d","source":"gateway/n","type":"daozhang.gateway.response","time":%q,"data":{"mid":"898310058120002","tid":"T2000001","stan":"%06d","batch":"000001","rrn":"6064110%05d","auth_code":"7%05d","pan":"621700******%04d","network":"UnionPay","amount":%d,"currency":"CNY","kind":"sale","response_code":"00"}}`+"\n",
			n, at, n+1, n, n, n*37%10000, 1000+n*13)
	}
	return b.String()
}

// get gives status, final address and body of a page.
func (s *site) get(path string, header ...string) (int, *url.URL, string) {
	s.t.Helper()
	req, err := http.NewRequest("GET", s.server.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return s.do(req)
}

func (s *site) do(req *http.Request) (int, *url.URL, string) {
	s.t.Helper()
	res, err := s.server.Client().Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, res.Request.URL, string(b)
}

var staff = &Person{Name: "li", Role: access.Institution}

// TestFind goes from a slip to the answer: what is typed, what it is taken for, and
// where it leads.
func TestFind(t *testing.T) {
	s := newSite(t, staff)
	for _, c := range []struct {
		name, query string
		trail       bool
		has         []string
	}{
		{"reference number", "606212000107", true, []string{"¥88.00", "606212000107", "Late"}},
		{"amount and last four", "88.00 5512", true, []string{"¥88.00"}},
		{"amount with sign", "¥88.00 606212000107", true, []string{"¥88.00"}},
		{"last four", "5512", false, []string{"card ends in", "Payments that fit"}},
		{"nothing", "999999999999", false, []string{"No payment fits all of that", "RRN"}},
		{"contradiction", "606212000107 1.00", false, []string{"No payment fits all of that"}},
		{"a whole card number", "4111111111111111", false, []string{"411111******1111"}},
		{"empty", "", false, []string{"Which payment?"}},
	} {
		status, at, body := s.get("/?q="+url.QueryEscape(c.query), "Accept-Language", "en")
		if status != 200 || strings.HasPrefix(at.Path, "/payments/") != c.trail {
			t.Errorf("%s: %d at %s", c.name, status, at)
		}
		for _, want := range c.has {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %q", c.name, want)
			}
		}
		if strings.Contains(body, "4111111111111111") {
			t.Errorf("%s: a whole card number is shown", c.name)
		}
	}
}

func TestTrail(t *testing.T) {
	s := newSite(t, staff)
	for lang, words := range map[string][]string{
		"en": {"Where", "Who acts", "proved", "The way", "What to do", "Copy the answer"},
		"zh": {"在哪", "谁办", "已证实", "资金路径", "建议", "复制结论"},
	} {
		_, _, body := s.get("/?q=606212000107", "Accept-Language", lang)
		for _, want := range words {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %q", lang, want)
			}
		}
	}
	if status, _, body := s.get("/payments/nothing"); status != 404 || !strings.Contains(body, "no such page") {
		t.Errorf("%d", status)
	}
}

// TestList follows the pages of the list and holds their number against the count.
func TestList(t *testing.T) {
	s := newSite(t, staff)
	rows := regexp.MustCompile(`href="(/payments/[^"?]+)"`)
	next := regexp.MustCompile(`hx-get="([^"]+)"`)
	seen := map[string]bool{}
	pages := 0
	for path := "/payments?sort=due"; path != ""; pages++ {
		status, _, body := s.get(path, "HX-Request", "true")
		if status != 200 {
			t.Fatalf("%s: %d", path, status)
		}
		for _, m := range rows.FindAllStringSubmatch(body, -1) {
			if seen[m[1]] {
				t.Errorf("%s is there twice", m[1])
			}
			seen[m[1]] = true
		}
		path = ""
		if m := next.FindStringSubmatch(body); m != nil {
			path = strings.ReplaceAll(m[1], "&amp;", "&")
		}
		if pages > 20 {
			t.Fatal("no end")
		}
	}
	_, _, body := s.get("/payments")
	count := regexp.MustCompile(`<h1>[^<]*<span class="n">(\d+)</span>`).FindStringSubmatch(body)
	if count == nil || count[1] != fmt.Sprint(len(seen)) || pages < 2 {
		t.Errorf("%v payments by the page, %d found on %d pages", count, len(seen), pages)
	}
	for path, want := range map[string]string{
		"/payments?status=overdue":   "Late",
		"/payments?tail=5512":        "******5512",
		"/payments?terminal=nowhere": "No payment passes these filters",
	} {
		if status, _, body := s.get(path, "Accept-Language", "en"); status != 200 || !strings.Contains(body, want) {
			t.Errorf("%s: %d, no %q", path, status, want)
		}
	}
	for _, path := range []string{"/payments?status=lost", "/payments?day=yesterday", "/payments?after=%21", "/payments?sort=colour", "/payments?party=x", "/payments?stage=x"} {
		if status, _, _ := s.get(path); status != 400 {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestOverview(t *testing.T) {
	s := newSite(t, staff)
	status, _, body := s.get("/overview", "Accept-Language", "en")
	for _, want := range []string{"<svg", "has arrived", "Incidents", "Approved in all", "/payments?stage=captured&amp;status=overdue"} {
		if status != 200 || !strings.Contains(body, want) {
			t.Errorf("%d, no %q", status, want)
		}
	}
}

// TestReceipt: all four have to be right, and a miss says what a mismatch says.
func TestReceipt(t *testing.T) {
	s := newSite(t, nil)
	post := func(amount, date, tail, number string) (int, string) {
		req, _ := http.NewRequest("POST", s.server.URL+"/r", strings.NewReader(url.Values{"amount": {amount}, "date": {date}, "tail": {tail}, "number": {number}}.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Accept-Language", "en")
		status, _, body := s.do(req)
		return status, regexp.MustCompile(`value="[^"]*"`).ReplaceAllString(body, "")
	}
	status, body := post("88.00", "2026-03-03", "5512", "606212000107")
	if status != 200 || !strings.Contains(body, "¥88.00") || strings.Contains(body, "625330") {
		t.Errorf("right: %d", status)
	}
	_, miss := post("12.34", "2026-03-03", "0000", "999999999999")
	for _, c := range [][4]string{{"88.01", "2026-03-03", "5512", "606212000107"}, {"88.00", "2026-03-04", "5512", "606212000107"}, {"88.00", "2026-03-03", "5513", "606212000107"},
		{"88.00", "2026-03-03", "", "606212000107"}, {"88.00", "", "5512", "606212000107"}, {"88.00", "2026-03-03", "5512", ""}} {
		if status, body := post(c[0], c[1], c[2], c[3]); status != 404 || body != miss {
			t.Errorf("%v: %d, or another answer than a miss", c, status)
		}
	}
	for range 30 {
		status, _ = post("88.00", "2026-03-03", "5512", "606212000107")
	}
	if status != http.StatusTooManyRequests {
		t.Errorf("after many tries: %d", status)
	}
}

// TestFrame: what every page says to the browser, and what it asks of it.
func TestFrame(t *testing.T) {
	s := newSite(t, staff)
	res, err := s.server.Client().Get(s.server.URL + "/overview")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Error(csp)
	}
	if m := regexp.MustCompile(`<script>|style="|onclick=|https?://[^"]*\.(css|js)`).Find(b); m != nil {
		t.Errorf("%s in the page", m)
	}
	total := len(b)
	for _, m := range regexp.MustCompile(`(?:src|href)="(/assets/[^"]+)"`).FindAllSubmatch(b, -1) {
		status, _, body := s.get(string(m[1]), "Accept-Encoding", "gzip")
		if status != 200 {
			t.Errorf("%s: %d", m[1], status)
		}
		total += len(body)
	}
	if total > 150_000 {
		t.Errorf("the first load is %d bytes", total)
	}
	if status, _, _ := s.get("/assets/000000000000/app.css"); status != 404 {
		t.Errorf("an old asset: %d", status)
	}
	// The language is chosen by address and kept in a cookie.
	req, _ := http.NewRequest("GET", s.server.URL+"/overview?lang=zh", nil)
	if _, at, _ := s.do(req); at.RawQuery != "" {
		t.Errorf("the language stays in the address: %s", at)
	}
	req, _ = http.NewRequest("GET", s.server.URL+"/payments", nil)
	req.AddCookie(&http.Cookie{Name: languageCookie, Value: "zh"})
	if _, _, body := s.do(req); !strings.Contains(body, `<html lang="zh">`) {
		t.Error("the cookie's language is not taken")
	}
	req, _ = http.NewRequest("POST", s.server.URL+"/r", strings.NewReader("amount=1"))
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	if status, _, _ := s.do(req); status != http.StatusForbidden {
		t.Errorf("a form of another site: %d", status)
	}
}

func TestOnLoopback(t *testing.T) {
	who := OnLoopback(*staff)
	for _, c := range []struct {
		from, host string
		ok         bool
	}{
		{"127.0.0.1:4711", "127.0.0.1:8080", true}, {"127.0.0.1:4711", "localhost:8080", true}, {"[::1]:4711", "[::1]:8080", true},
		{"127.0.0.1:4711", "shop.example:8080", false}, {"192.0.2.7:4711", "localhost:8080", false}, {"127.0.0.1:4711", "localhost.shop.example", false}, {"", "localhost", false},
	} {
		p, ok := who(&http.Request{RemoteAddr: c.from, Host: c.host})
		if ok != c.ok || ok && p != *staff {
			t.Errorf("from %s to %s: %v", c.from, c.host, ok)
		}
	}
}

func TestBeside(t *testing.T) {
	s := newSite(t, staff)
	h := Beside(s.server.Config.Handler.(*Console), http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) }))
	for path, want := range map[string]int{"/v1/payments/x/whereabouts": 418, "/livez": 418, "/metrics": 418, "/overview": 200, "/v2": 404} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
}
