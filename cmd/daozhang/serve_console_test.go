package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"daozhang/internal/fault"
)

// TestServeConsole goes the way of whoever installs it: the link of the first start,
// password and second factor, the pages; people added beside the running server; a
// second start that shows no link; and the doctor, who finds everything on record.
func TestServeConsole(t *testing.T) {
	dir := t.TempDir()
	data, ready := filepath.Join(dir, "data"), filepath.Join(dir, "ready")
	start := func() (*running, string) {
		t.Helper()
		os.Remove(ready)
		r := begin(t, nil, "serve", "--dev", "--database", data, "--terminals", "127.0.0.1:0", "--http", "127.0.0.1:0", "--ready-file", ready)
		var at map[string]string
		await(t, "serve is ready", func() bool {
			b, err := os.ReadFile(ready)
			return err == nil && json.Unmarshal(b, &at) == nil
		})
		return r, "http://" + at["http"]
	}
	serve, site := start()
	link := regexp.MustCompile(`http://\S+/set-up/admin/\S+`).FindString(serve.err.String())
	if !strings.HasPrefix(link, site) {
		t.Fatalf("no link to %s in\n%s", site, serve.err.String())
	}
	jar, _ := cookiejar.New(nil)
	client := &http.Client{Jar: jar}
	ask := func(address string, form url.Values) (int, string, string) {
		t.Helper()
		method, body := "GET", io.Reader(nil)
		if form != nil {
			method, body = "POST", strings.NewReader(form.Encode())
		}
		req, err := http.NewRequestWithContext(t.Context(), method, address, body)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Request.URL.Path, string(b)
	}
	_, _, page := ask(link, nil)
	secret := regexp.MustCompile(`<code>([A-Z2-7]{32})</code>`).FindStringSubmatch(page)
	if secret == nil {
		t.Fatalf("no key for the app:\n%.500s", page)
	}
	code := func(at time.Time) string {
		c, err := totp.GenerateCode(secret[1], at)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	const password = "seven lanterns over the quay"
	if status, _, body := ask(link, url.Values{"password": {password}, "again": {password}, "code": {code(time.Now())}}); status != 200 || !strings.Contains(body, "You are in") {
		t.Fatalf("set up: %d", status)
	}
	if status, at, _ := ask(site+"/overview", nil); status != 200 || at != "/overview" {
		t.Errorf("the overview: %d at %s", status, at)
	}
	if status, _, _ := ask(site+"/livez", nil); status != 200 {
		t.Errorf("the API beside it: %d", status)
	}
	// Beside the running server, also on the embedded database.
	exit, out, stderr := runMain(t, nil, "users", "invite", "wangfang", "--role", "auditor", "--database", data, "--url", site)
	if exit != 0 || !strings.HasPrefix(out, site+"/set-up/wangfang/") {
		t.Errorf("users invite: %d %s %s", exit, out, stderr)
	}
	if _, _, body := ask(site+"/people", nil); !strings.Contains(body, "/people/wangfang") {
		t.Error("who was invited by the command line is not on the page")
	}
	if exit, _, stderr := runMain(t, nil, "users", "disable", "admin", "--why", "left", "--database", data); exit != 0 {
		t.Errorf("users disable: %d %s", exit, stderr)
	}
	if _, at, _ := ask(site+"/overview", nil); at != "/sign-in" {
		t.Errorf("a disabled person is at %s", at)
	}
	if exit := serve.end(t); exit != 0 {
		t.Errorf("serve ended with %d", exit)
	}
	again, _ := start()
	if strings.Contains(again.err.String(), "/set-up/") {
		t.Error("a later start shows a link")
	}
	again.end(t)
	if exit, out, _ := runMain(t, nil, "doctor", data); exit != 0 {
		t.Errorf("doctor: %d\n%s", exit, out)
	}
	if b, err := os.ReadFile(filepath.Join(data, "daozhang.db")); err != nil || strings.Contains(string(b), secret[1]) || strings.Contains(string(b), password) {
		t.Errorf("a secret lies open in the database: %v", err)
	}
}

// TestConsoleSettings: what cannot be meant is refused with what would be right, and
// the cookie is for encrypted connections unless it cannot be.
func TestConsoleSettings(t *testing.T) {
	m := mainFor(nil, io.Discard, io.Discard)
	read := func(settings map[string]any) (*serveConfig, error) {
		t.Helper()
		c, err := m.readServeConfig("", settings)
		if err != nil {
			t.Fatal(err)
		}
		return c, c.check()
	}
	for _, bad := range []map[string]any{{"console.url": "pay.example"}, {"console.url": "ftp://pay.example"}, {"console.url": "https://pay.example/console"}, {"console.url": "https://user@pay.example"},
		{"http.proxies": "10.0.0.0/99"}, {"http.proxies": "the proxy"}} {
		if _, err := read(bad); fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("%v: %v", bad, err)
		}
	}
	for _, c := range []struct {
		url, listen string
		secure      bool
		link        string
	}{
		{"", "127.0.0.1:8080", false, "http://127.0.0.1:8080"}, {"", "[::1]:8080", false, "http://[::1]:8080"}, {"", "localhost:8080", false, "http://localhost:8080"},
		{"", ":8080", true, "http://localhost:8080"}, {"", "0.0.0.0:8080", true, "http://localhost:8080"}, {"", "192.0.2.7:8080", true, "http://192.0.2.7:8080"},
		{"https://pay.example/", "127.0.0.1:8080", true, "https://pay.example"}, {"http://pay.lan:8080", ":8080", false, "http://pay.lan:8080"},
	} {
		x, err := read(map[string]any{"console.url": c.url, "listen.http": c.listen})
		if err != nil || x.secure() != c.secure || site(x.Console.URL, c.listen) != c.link {
			t.Errorf("%q at %s: secure %v, %s, %v", c.url, c.listen, x.secure(), site(x.Console.URL, c.listen), err)
		}
	}
	x, err := read(map[string]any{"http.proxies": "10.0.0.0/8, ::1"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := x.proxies()
	if want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
}
