package console

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/desk"
	"daozhang/internal/format/registry"
	"daozhang/internal/intake"
	"daozhang/internal/merchant"
	"daozhang/internal/notify"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

// freely are the pages that ask for no right, each with the reason.
var freely = map[string]string{
	"/sign-in": "by it people come in", "/sign-out": "by it they leave", "/set-up/{name}/{secret}": "the link is the right",
	"/as": "the machine is the right: only whoever sits at it may",
}

// rowless are pages whose row the evidence of the tests does not hold: whoever may
// see it gets what is said of one that is not there.
var rowless = map[string]bool{"/cases/{id}/files/{hash}": true, "/merchants/{mid}/proposals/{number}": true, "/merchants/{mid}/verify": true}

// filled are what is sent where an empty form finds nothing.
var filled = map[string]string{"/r": "amount=88.00&date=2026-03-03&tail=5512&number=606212000107", "/views": "page=%2Fpayments&name=mine"}

// tills are a terminal of each merchant.
var tills = map[string]string{ownMID: "90010001", otherMID: "T2000001"}

// crowd asks for every page as everybody.
type crowd struct {
	*house
	staff, auditor Person
	shops          map[string]Person            // by merchant
	ids            map[string]map[string]string // by merchant: a payment, a fact, a payout of it
	marks          map[string][]string          // by merchant: what nobody else's page may show
}

func newCrowd(t *testing.T) *crowd {
	m := &crowd{ids: map[string]map[string]string{}, marks: map[string][]string{}, shops: map[string]Person{}}
	m.house = newHouseWith(t, func(o *Options) {
		o.Who = func(*http.Request) (Person, bool) {
			if m.person == nil {
				return Person{}, false
			}
			return *m.person, true
		}
		furnish(t, o)
	})
	m.server.Client().Jar = nil // each request is somebody else's
	for _, u := range []access.User{{Name: "wangfang", Role: access.Institution}, {Name: "lily", Role: access.Auditor}, {Name: "zhao", Role: access.Merchant, MID: ownMID},
		{Name: "anna", Role: access.Merchant, MID: otherMID}} {
		m.people.put(u)
		p := Person{Name: u.Name, Role: u.Role, MID: u.MID, Login: u.Name}
		switch u.Role {
		case access.Institution:
			m.staff = p
		case access.Auditor:
			m.auditor = p
		default:
			m.shops[u.MID] = p
		}
	}
	m.person = &m.staff
	for mid, tid := range tills {
		m.marks[mid] = []string{tid}
		ids := map[string]string{}
		_, _, body := m.get("/payments?sort=amount&merchant=" + mid)
		for _, found := range regexp.MustCompile(`href="/payments/([^"?/]+)"`).FindAllStringSubmatch(body, -1) {
			if found[1] != "export" {
				ids["payment"] = found[1]
				m.marks[mid] = append(m.marks[mid], found[1])
			}
		}
		if ids["payment"] == "" {
			t.Fatalf("no payment of %s", mid)
		}
		_, _, body = m.get("/payments/" + ids["payment"])
		if found := regexp.MustCompile(`href="(/evidence/[^"?]+)"`).FindStringSubmatch(body); found != nil {
			ids["fact"] = found[1]
		}
		_, _, body = m.get("/payouts?merchant=" + mid)
		if found := regexp.MustCompile(`href="/payouts/` + mid + `/([^"?/]+)"`).FindStringSubmatch(body); found != nil {
			ids["payout"] = found[1]
			m.marks[mid] = append(m.marks[mid], found[1])
		}
		_, _, body = m.get("/exceptions?merchant=" + mid)
		if found := regexp.MustCompile(`href="/cases/([^"?/]+)`).FindStringSubmatch(body); found != nil {
			ids["case"] = found[1]
		}
		m.ids[mid] = ids
	}
	return m
}

// furnish gives the console everything that an installation can have, on a real
// database with both merchants.
func furnish(t *testing.T, o *Options) {
	t.Helper()
	now := func() time.Time { return monday }
	db, err := store.Open(t.Context(), store.Options{Database: t.TempDir(), Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	for mid, tid := range tills {
		_, err := storetest.OpenShop(t.Context(), db, mid)
		for _, err := range []error{err, db.PutMerchant(t.Context(), store.Merchant{MID: mid, Name: "shop", Currency: settlementCNY}), db.PutTerminal(t.Context(), store.Terminal{TID: tid, MID: mid})} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	cn, _ := calendar.Builtin("CN")
	work := &backoffice.Office{Keeper: db, Now: now, Policy: settlement.DefaultPolicy(), Merchants: merchant.DefaultPolicy(), Calendars: calendar.Builtin, Zone: monday.Location()}
	o.Views, o.Payouts = db, db
	o.Desk = &desk.Desk{Keeper: db, Live: o.Live, Catalogue: o.Catalogue, Calendar: cn, Zone: monday.Location(), Policy: desk.DefaultPolicy(), Now: now, Office: work}
	o.Intake = &intake.Intake{Keeper: db, Formats: registry.All(), Office: work, Zone: monday.Location(), Now: now, Log: db}
	o.Developers = &Developers{Notifier: notify.New(notify.Options{Keeper: db, Sealer: turned{}, Now: now}), Keys: &keyBook{}, Calls: callList{}}
}

// path fills in the places of a page's path with a row of a merchant, or, for "",
// with one that is not there. known is false for a page that has places and no line
// here: then the row is not there either. A row is "" where the evidence holds none.
// shared rows belong to no merchant.
func (m *crowd) path(pattern, mid string) (path string, shared, known bool) {
	pick := func(kind, none string) string {
		if mid == "" {
			return none
		}
		return m.ids[mid][kind]
	}
	person := map[string]string{ownMID: "zhao", otherMID: "anna", "": "nobody"}[mid]
	switch {
	case pattern == "/live": // of an open trail
		return prefixed("/live?payment=", pick("payment", "nothing")), false, true
	case !strings.Contains(pattern, "{") || pattern == "/{$}":
		return strings.TrimSuffix(pattern, "{$}"), true, true
	case pattern == "/payments/{id}":
		return prefixed("/payments/", pick("payment", "nothing")), false, true
	case pattern == "/evidence/{source}/{id}":
		return pick("fact", "/evidence/terminal%2Fnowhere/nothing"), false, true
	case pattern == "/payouts/{id}":
		return prefixed("/payouts/", pick("payout", "nothing")), false, true
	case strings.HasPrefix(pattern, "/payouts/{mid}/{id}"):
		id := pick("payout", "nothing")
		if id == "" {
			return "", false, true
		}
		of := mid
		if of == "" {
			of = ownMID
		}
		return "/payouts/" + of + "/" + id + strings.TrimPrefix(pattern, "/payouts/{mid}/{id}"), false, true
	case strings.HasPrefix(pattern, "/people/{name}"):
		return strings.Replace(pattern, "{name}", person, 1), false, true
	case strings.HasPrefix(pattern, "/merchants/{mid}"), strings.HasPrefix(pattern, "/terms/{mid}"):
		if mid == "" {
			mid = "898310058129999"
		}
		return strings.NewReplacer("{mid}", mid, "{number}", "1").Replace(pattern), false, true
	case pattern == "/terminals/{tid}":
		if mid == "" {
			return "/terminals/T9999999", false, true
		}
		return "/terminals/" + tills[mid], false, true
	case strings.HasPrefix(pattern, "/cases/{id}"):
		id := pick("case", url.PathEscape(desk.Key{MID: ownMID, Kind: desk.OnPayment, Ref: "nothing"}.String()))
		return prefixed("/cases/", id) + strings.NewReplacer("/cases/{id}", "", "{hash}", strings.Repeat("0", 64)).Replace(pattern), false, true
	case pattern == "/overview/{table}":
		if mid == "" {
			return "/overview/nothing.csv", true, true
		}
		return "/overview/late.csv", true, true
	case pattern == "/set-up/{name}/{secret}":
		return "/set-up/" + person + "/secret", true, true
	}
	return regexp.MustCompile(`\{[a-z]+\}`).ReplaceAllString(pattern, "nothing"), false, false
}

func prefixed(head, tail string) string {
	if tail == "" {
		return ""
	}
	return head + tail
}

// ask asks for a page as somebody; nil is the public. at is where it led. What the
// page repeats of its own address is taken out of the body.
func (m *crowd) ask(p *Person, method, path string, header ...string) (status int, at, body string) {
	m.t.Helper()
	m.person = p
	ctx, cancel := context.WithCancel(m.t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, m.server.URL+path, strings.NewReader(filled[path]))
	if err != nil {
		m.t.Fatal(err)
	}
	if method == "POST" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := m.server.Client().Do(req)
	if err != nil {
		m.t.Fatal(err)
	}
	defer res.Body.Close()
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return res.StatusCode, res.Request.URL.Path, "" // it has no end
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		m.t.Fatal(err)
	}
	body = string(b)
	u, _ := url.Parse(path)
	for _, own := range []string{path, u.Path, u.EscapedPath(), url.QueryEscape(path)} {
		if strings.Count(own, "/") == 1 { // the menu leads there too
			body = strings.ReplaceAll(body, `"`+own+"?lang=", `"PATH?lang=`)
		} else {
			body = strings.ReplaceAll(body, own, "PATH")
		}
	}
	if id := u.Query().Get("payment"); id != "" {
		body = strings.ReplaceAll(body, id, "ID")
	}
	body = strings.ReplaceAll(body, " aria-current", "")               // of the menu
	if id, ok := strings.CutPrefix(u.EscapedPath(), "/payouts/"); ok { // it leads on to a list
		body = strings.ReplaceAll(body, id, "ID")
	}
	return res.StatusCode, res.Request.URL.Path, body
}

// TestEveryRoute asks for every page there is as every role: what the table of
// package access gives, the page gives, and nothing else; every page names an
// action of that table, or stands above with the reason why it needs none.
func TestEveryRoute(t *testing.T) {
	m := newCrowd(t)
	actions := slices.Collect(access.Actions())
	shop := m.shops[ownMID]
	everybody := []*Person{nil, &shop, &m.auditor, &m.staff}
	asked := 0
	for _, r := range m.console().routes() {
		name := r.Method + " " + r.Path
		if r.Action == "" {
			if freely[r.Path] == "" {
				t.Errorf("%s names no action: who may see it?", name)
			}
			continue
		}
		if !slices.Contains(actions, r.Action) {
			t.Errorf("%s names the action %q, which is in no table", name, r.Action)
		}
		path, _, known := m.path(r.Path, ownMID)
		if !known && access.Allowed(access.Merchant, r.Action) != access.None {
			t.Errorf("%s: merchants may see it, so give crowd.path a row of each for it", name)
			continue
		}
		if path == "" {
			t.Errorf("%s: the evidence of the tests holds no row for it", name)
			continue
		}
		for _, p := range everybody {
			role := access.Public
			if p != nil {
				role = p.Role
			}
			asked++
			status, at, body := m.ask(p, r.Method, path)
			scope := access.Allowed(role, r.Action)
			switch {
			case scope != access.None:
				if status == 404 && known && !rowless[r.Path] || status >= 500 || at == "/sign-in" {
					t.Errorf("%s may %s (%s), and %s gives %d at %s", role, r.Action, scope, name, status, at)
				}
			case p == nil && r.Method == "GET":
				if at != "/sign-in" {
					t.Errorf("%s asks for %s and is at %s (%d)", role, name, at, status)
				}
			default:
				// As if there were no such page.
				_, _, want := m.ask(p, r.Method, "/no-such-page")
				if status != 404 || body != want {
					t.Errorf("%s may not %s, and %s gives %d, or says that it is there", role, r.Action, name, status)
				}
			}
		}
		if r.Method != "GET" {
			for _, p := range everybody {
				if status, _, _ := m.ask(p, r.Method, path, "Sec-Fetch-Site", "cross-site"); status != http.StatusForbidden {
					t.Errorf("%s from another site's page: %d", name, status)
				}
			}
		}
	}
	if asked < 100 {
		t.Errorf("only %d were asked", asked)
	}
}

// TestTenants: of another merchant's row a merchant learns what it learns of a row
// that is not there, status and page alike; and no page of any kind shows anything
// of another merchant.
func TestTenants(t *testing.T) {
	m := newCrowd(t)
	compared := map[string]bool{}
	for looker, p := range m.shops {
		stranger := ownMID
		if looker == ownMID {
			stranger = otherMID
		}
		for _, r := range m.console().routes() {
			if access.Allowed(access.Merchant, r.Action) == access.None {
				continue
			}
			name := r.Method + " " + r.Path + " as " + looker
			other, shared, _ := m.path(r.Path, stranger)
			if !shared && other != "" {
				none, _, _ := m.path(r.Path, "")
				status, _, body := m.ask(&p, r.Method, other)
				missing, _, want := m.ask(&p, r.Method, none)
				if status != missing || body != want {
					t.Errorf("%s: of another's row it says %d, of none %d, or the pages differ", name, status, missing)
				}
				compared[r.Path] = true
			}
			own, _, _ := m.path(r.Path, looker)
			if own == "" || r.Method != "GET" {
				continue
			}
			if strings.Contains(own, "?") {
				continue
			}
			for _, query := range []string{"", "?merchant=" + stranger, "?q=" + m.ids[stranger]["payment"], "?q=" + stranger, "?format=csv&merchant=" + stranger} {
				_, _, body := m.ask(&p, "GET", own+query)
				body = regexp.MustCompile(`(value|href|action)="[^"]*"`).ReplaceAllString(body, "") // what was typed is repeated
				for _, mark := range m.marks[stranger] {
					if query == "?q="+mark {
						continue
					}
					if strings.Contains(body, mark) {
						t.Errorf("%s shows %s of another merchant (%s)", name, mark, query)
					}
				}
			}
		}
	}
	for _, r := range m.console().routes() {
		if _, shared, _ := m.path(r.Path, ownMID); !shared && access.Allowed(access.Merchant, r.Action) == access.Own && !compared[r.Path] {
			t.Errorf("%s: no row of another merchant was asked for", r.Path)
		}
	}
}

// console is the one that the site serves.
func (s *site) console() *Console { return s.server.Config.Handler.(*Console) }
