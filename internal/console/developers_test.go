package console

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/fault"
	"daozhang/internal/notify"
	"daozhang/internal/notify/courier"
	"daozhang/internal/store"
)

// keyBook is an access.Keys in memory.
type keyBook struct {
	mu   sync.Mutex
	list []access.Key
}

func (b *keyBook) Roles() []string { return []string{"bank", "institution", "merchant"} }

func (b *keyBook) Keys(context.Context) ([]access.Key, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.list), nil
}

func (b *keyBook) MakeKey(_ context.Context, k access.Key) (access.Key, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if k.Role == "merchant" && k.MID == "" {
		return k, "", fault.New(fault.Invalid, fault.Say("make key", "生成密钥"), "", fault.Say("a merchant's key names its merchant", "商户密钥必须指定商户号"), "")
	}
	k.ID, k.Created = "k"+string(rune('1'+len(b.list))), monday
	b.list = append(b.list, k)
	return k, "dz_secret_of_" + k.ID, nil
}

func (b *keyBook) RotateKey(ctx context.Context, id string, grace time.Duration) (access.Key, string, error) {
	for i := range b.list {
		if b.list[i].ID == id {
			b.list[i].Revoked = monday.Add(grace)
			return b.MakeKey(ctx, access.Key{Name: b.list[i].Name, Role: b.list[i].Role})
		}
	}
	return access.Key{}, "", errNoPage
}

func (b *keyBook) RevokeKey(_ context.Context, id string) error {
	for i := range b.list {
		if b.list[i].ID == id {
			b.list[i].Revoked = monday
			return nil
		}
	}
	return errNoPage
}

// callList is a log of requests.
type callList []access.Call

func (l callList) RecentCalls(_ context.Context, key string, most int) ([]access.Call, error) {
	out := slices.DeleteFunc(slices.Clone([]access.Call(l)), func(c access.Call) bool { return key != "" && c.Key != key })
	return out[:min(len(out), most)], nil
}

// auditList is an audit log in memory, the newest first.
type auditList struct {
	mu   sync.Mutex
	list []access.Event
}

func (l *auditList) Record(_ context.Context, e access.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.ID = uuid.Must(uuid.NewV7())
	l.list = append([]access.Event{e}, l.list...)
	return nil
}

func (l *auditList) Audit(_ context.Context, f access.AuditFilter, _ uuid.UUID, limit int) ([]access.Event, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := slices.DeleteFunc(slices.Clone(l.list), func(e access.Event) bool {
		return f.Who != "" && e.Name != f.Who || f.Subject != "" && e.Subject != f.Subject
	})
	return out[:min(len(out), limit)], nil
}

func (l *auditList) what() (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range slices.Backward(l.list) {
		all = append(all, e.What+" "+strings.SplitN(e.Subject, "/", 2)[0])
	}
	return all
}

// bare seals by turning bytes round.
type bare struct{}

func (bare) Seal(b []byte) ([]byte, error) { return flip(b), nil }
func (bare) Open(b []byte) ([]byte, error) { return flip(b), nil }

func flip(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = ^b[i]
	}
	return out
}

// workshop is a site with the pages of developers over a store, and a receiver that
// listens.
type workshop struct {
	*site
	n     *notify.Notifier
	keys  *keyBook
	log   *auditList
	shop  *httptest.Server
	mu    sync.Mutex
	got   []string
	state int
}

func newWorkshop(t *testing.T) *workshop {
	w := &workshop{keys: &keyBook{}, log: &auditList{}, state: http.StatusOK}
	w.shop = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.got = append(w.got, r.Header.Get("Webhook-Id"))
		rw.WriteHeader(w.state)
		_, _ = rw.Write([]byte("<b>thanks</b>"))
	}))
	t.Cleanup(w.shop.Close)
	db, err := store.Open(t.Context(), store.Options{Database: t.TempDir(), Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	guard := notify.Guard{Hosts: []string{"127.0.0.1"}}
	c, err := courier.New(courier.Options{Guard: guard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	w.n = notify.New(notify.Options{Keeper: db, Sealer: bare{}, Courier: c, Guard: guard, Now: func() time.Time { return monday }})
	w.site = newSiteWith(t, func(o *Options) {
		o.Developers = &Developers{Notifier: w.n, Keys: w.keys, Calls: callList{{Key: "k1", At: monday, Method: "GET", Route: "/v1/payments/{id}", Status: 404, Took: 3 * time.Millisecond, Request: "req-1", From: "192.0.2.7"}}}
		o.Audit = w.log
	})
	w.person = staff
	return w
}

// send posts a form and gives where it led.
func (w *workshop) send(path string, form url.Values) (int, string, string) {
	w.t.Helper()
	req, err := http.NewRequest("POST", w.server.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	status, at, body := w.do(req)
	return status, at.Path, body
}

func (w *workshop) round() {
	w.t.Helper()
	if _, err := w.n.Post(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	if err := w.n.Deliver(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *workshop) shows(body string, wants ...string) {
	w.t.Helper()
	for _, s := range wants {
		if !strings.Contains(body, s) {
			w.t.Errorf("%q is not on the page", s)
		}
	}
}

// TestKeysPage: a key is made, shown once, rotated and revoked, and each is in the
// audit log.
func TestKeysPage(t *testing.T) {
	w := newWorkshop(t)
	_, _, body := w.get("/developers")
	w.shows(body, "There are no keys yet", `href="/developers/webhooks"`, `href="/v1/openapi.json"`, `aria-current`)
	status, _, body := w.send("/developers/keys", url.Values{"name": {"till"}, "role": {"merchant"}})
	if status != http.StatusBadRequest {
		t.Errorf("a merchant's key without a merchant: %d", status)
	}
	w.shows(body, "a merchant&#39;s key names its merchant", `value="till"`)
	_, _, body = w.send("/developers/keys", url.Values{"name": {"ICBC"}, "role": {"bank"}, "sources": {"bank/ICBC*, bank/ABC"}})
	w.shows(body, "dz_secret_of_k1", "ICBC", "bank/ICBC* bank/ABC", "in force")
	if _, _, body = w.get("/developers"); strings.Contains(body, "dz_secret") {
		t.Error("the secret is shown a second time")
	}
	_, _, body = w.send("/developers/keys/k1/rotate", nil)
	w.shows(body, "dz_secret_of_k2", "ends soon")
	if _, at, _ := w.send("/developers/keys/k2/revoke", nil); at != "/developers" {
		t.Errorf("led to %s", at)
	}
	_, _, body = w.get("/developers")
	w.shows(body, "revoked")
	_, _, body = w.get("/developers/log?key=k1")
	w.shows(body, "/v1/payments/{id}", "404", "3 ms", "192.0.2.7", "req-1")
	if got := w.log.what(); !slices.Equal(got, []string{"made key", "rotated key", "revoked key"}) {
		t.Errorf("audit: %q", got)
	}
	_, _, body = w.get("/developers/audit")
	w.shows(body, "bank ICBC", "key/k1", "<th scope=\"row\">rotated</th>")
}

// TestWebhookPages takes a webhook through its life: made, tested, failing, replayed,
// disabled, removed.
func TestWebhookPages(t *testing.T) {
	w := newWorkshop(t)
	_, _, body := w.get("/developers/webhooks", "Accept-Language", "zh-CN")
	w.shows(body, "还没有接收方", "payout.returned · 出款被退回或拒绝")
	for _, bad := range []string{"https://10.0.0.1/", "ftp://shop.example/", ""} {
		status, _, body := w.send("/developers/webhooks", url.Values{"url": {bad}, "description": {"till <1>"}})
		if status != http.StatusBadRequest || !strings.Contains(body, "till &lt;1&gt;") {
			t.Errorf("%q: %d", bad, status)
		}
	}
	_, _, body = w.send("/developers/webhooks", url.Values{"url": {w.shop.URL + "/hook"}, "type": {"payout.returned", "payment.overdue"}})
	w.shows(body, "whsec_", "payout.returned, payment.overdue", "Nothing was sent yet")
	page := regexp.MustCompile(`/developers/receivers/wh_[0-9a-f]+`).FindString(body)
	if _, _, again := w.get(page); strings.Contains(again, "whsec_") {
		t.Error("the secret is shown a second time")
	}
	if _, at, _ := w.send(page+"/test", nil); at != page {
		t.Errorf("led to %s", at)
	}
	w.round()
	_, _, body = w.get(page)
	w.shows(body, "delivered", ">200</b>", "&lt;b&gt;thanks&lt;/b&gt;")
	w.mu.Lock()
	w.state = http.StatusBadGateway
	w.mu.Unlock()
	event := notify.Event{Type: notify.PayoutReturned, Time: monday, MID: "898310058120001", Subject: "payout/PO1", Said: fault.Say("it came back", "款被退回"), Data: []byte(`{"payout":{"id":"PO1"}}`)}
	if err := w.n.Publish(t.Context(), event, "1"); err != nil {
		t.Fatal(err)
	}
	w.round()
	_, _, body = w.get(page + "?state=due")
	w.shows(body, "is tried again", ">502</b>", "failing")
	_, _, body = w.get("/developers/events?type=payout.returned")
	w.shows(body, "it came back")
	id := regexp.MustCompile(`/developers/events/(evt_[0-9a-f]+)`).FindStringSubmatch(body)
	if id == nil {
		t.Fatal("no event on the page")
	}
	_, _, body = w.get("/developers/events/" + id[1])
	w.shows(body, "&#34;type&#34;: &#34;payout.returned&#34;", `href="/payouts/PO1"`, w.shop.URL)
	w.mu.Lock()
	w.state, w.got = http.StatusOK, nil
	w.mu.Unlock()
	w.send(page+"/replay", url.Values{"event": {id[1]}})
	w.round()
	w.mu.Lock()
	if !slices.Equal(w.got, []string{id[1]}) {
		t.Errorf("replayed %q", w.got)
	}
	w.mu.Unlock()
	if status, _, body := w.send(page+"/replay", url.Values{"from": {"2026-03-09"}}); status != http.StatusBadRequest || !strings.Contains(body, "a day is missing") {
		t.Errorf("half a time: %d", status)
	}
	w.send(page+"/replay", url.Values{"from": {"2026-03-09"}, "to": {"2026-03-09"}})
	_, _, body = w.send(page+"/rotate", nil)
	w.shows(body, "whsec_", "Former secret until")
	w.send(page, url.Values{"url": {w.shop.URL + "/other"}, "description": {"second till"}})
	_, _, body = w.send(page+"/disable", nil)
	w.shows(body, "disabled", w.shop.URL+"/other", "Enable")
	w.send(page+"/enable", nil)
	if _, at, _ := w.send(page+"/remove", nil); at != "/developers/webhooks" {
		t.Errorf("led to %s", at)
	}
	if status, _, _ := w.get(page); status != http.StatusNotFound {
		t.Errorf("after removing: %d", status)
	}
	want := []string{"made receiver", "replayed receiver", "replayed receiver", "rotated receiver", "changed receiver", "disabled receiver", "enabled receiver", "removed receiver"}
	if got := w.log.what(); !slices.Equal(got, want) {
		t.Errorf("audit: %q, want %q", got, want)
	}
}

// TestMailPage: an address with its language and how often.
func TestMailPage(t *testing.T) {
	w := newWorkshop(t)
	_, _, body := w.get("/developers/mail")
	w.shows(body, "There is no mail server")
	status, _, body := w.send("/developers/mail", url.Values{"address": {"not one"}})
	if status != http.StatusBadRequest {
		t.Errorf("%d", status)
	}
	w.shows(body, "it is not an e-mail address")
	_, _, body = w.send("/developers/mail", url.Values{"address": {"money@shop.example"}, "language": {"zh"}, "every": {"24h0m0s"}, "merchant": {"898310058120001"}})
	w.shows(body, "money@shop.example", "once a day", "898310058120001")
	_, _, body = w.get("/developers/mail")
	w.shows(body, "money@shop.example", "once a day")
}

// TestDevelopersAreNoMerchants: an auditor looks and changes nothing, a merchant sees
// no page of it, and an installation without it has none.
func TestDevelopersAreNoMerchants(t *testing.T) {
	w := newWorkshop(t)
	w.person = &Person{Name: "lily", Role: access.Auditor}
	_, _, body := w.get("/developers/webhooks")
	if strings.Contains(body, "<form class=\"form\"") {
		t.Error("an auditor is offered a form")
	}
	for path, want := range map[string]int{"/developers/keys": 404, "/developers/webhooks": 404, "/developers/receivers/wh_1/test": 404} {
		if status, _, _ := w.send(path, nil); status != want {
			t.Errorf("an auditor posts to %s: %d", path, status)
		}
	}
	w.person = &Person{Name: "zhao", Role: access.Merchant, MID: "898310058120001"}
	for _, path := range []string{"/developers", "/developers/webhooks", "/developers/mail", "/developers/events", "/developers/log", "/developers/audit"} {
		if status, _, _ := w.get(path); status != http.StatusNotFound {
			t.Errorf("a merchant sees %s: %d", path, status)
		}
	}
	if _, _, body := w.get("/payments"); strings.Contains(body, `href="/developers"`) {
		t.Error("a merchant's menu leads to it")
	}
	none := newSite(t, staff)
	if status, _, _ := none.get("/developers"); status != http.StatusNotFound {
		t.Errorf("without it: %d", status)
	}
	if _, _, body := none.get("/payments"); strings.Contains(body, `href="/developers"`) {
		t.Error("the menu leads to what there is not")
	}
}
