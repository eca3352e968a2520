package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/api"
	"daozhang/internal/fault"
	"daozhang/internal/notify"
	"daozhang/internal/notify/courier"
	"daozhang/internal/store"
)

// flipped seals by turning bytes round.
type flipped struct{}

func (flipped) Seal(b []byte) ([]byte, error) { return flip(b), nil }
func (flipped) Open(b []byte) ([]byte, error) { return flip(b), nil }

func flip(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = ^b[i]
	}
	return out
}

// keyBook is an access.Keys in memory.
type keyBook struct {
	mu   sync.Mutex
	list []access.Key
}

func (b *keyBook) Roles() []string { return api.Roles() }

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
	k.ID, k.Created = fmt.Sprint("k", len(b.list)+1), noon
	b.list = append(b.list, k)
	return k, "dz_secret_" + k.ID, nil
}

func (b *keyBook) of(id string) (*access.Key, error) {
	for i := range b.list {
		if b.list[i].ID == id {
			return &b.list[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, fault.Say("find key", "查找密钥"), "", fault.Say("there is none", "没有"), "")
}

func (b *keyBook) RotateKey(ctx context.Context, id string, grace time.Duration) (access.Key, string, error) {
	k, err := b.of(id)
	if err != nil {
		return access.Key{}, "", err
	}
	k.Revoked = noon.Add(grace)
	return b.MakeKey(ctx, access.Key{Name: k.Name, Role: k.Role, MID: k.MID})
}

func (b *keyBook) RevokeKey(_ context.Context, id string) error {
	k, err := b.of(id)
	if err == nil {
		k.Revoked = noon
	}
	return err
}

// auditBook is an audit log in memory, the newest first.
type auditBook struct {
	mu   sync.Mutex
	list []access.Event
}

func (b *auditBook) Record(_ context.Context, e access.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	e.ID = uuid.Must(uuid.NewV7())
	b.list = append([]access.Event{e}, b.list...)
	return nil
}

func (b *auditBook) Audit(_ context.Context, f access.AuditFilter, before uuid.UUID, limit int) (out []access.Event, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.list {
		if (before == uuid.Nil || strings.Compare(e.ID.String(), before.String()) < 0) && (f.What == "" || e.What == f.What) && len(out) < limit {
			out = append(out, e)
		}
	}
	return out, nil
}

// bench is a surface with all that developers have, over a store.
type bench struct {
	*world
	n     *notify.Notifier
	keys  *keyBook
	audit *auditBook
	mu    sync.Mutex
	calls []access.Call
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{keys: &keyBook{}, audit: &auditBook{}}
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
	b.n = notify.New(notify.Options{Keeper: db, Sealer: flipped{}, Courier: c, Guard: guard, Now: func() time.Time { return noon }})
	b.world = newWorld(t, func(o *api.Options) {
		o.Developers = &api.Developers{Notifier: b.n, Keys: b.keys, Audit: b.audit, Seen: func(c access.Call) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.calls = append(b.calls, c)
		}}
	})
	return b
}

// ask calls and reads the answer into out, where it is of the status.
func (b *bench) ask(t *testing.T, method, target, key, body string, status int, out any) *httptest.ResponseRecorder {
	t.Helper()
	header := []string{}
	if body != "" {
		header = append(header, "Content-Type", "application/json")
	}
	rec := b.do(method, target, key, body, header...)
	if rec.Code != status {
		t.Fatalf("%s %s: %d %s, want %d", method, target, rec.Code, rec.Body, status)
	}
	if out != nil {
		if err := json.Unmarshal(rec.Body.Bytes(), out); err != nil {
			t.Fatal(err)
		}
	}
	return rec
}

func (b *bench) publish(t *testing.T, typ notify.Type, m, subject, key string) {
	t.Helper()
	e := notify.Event{Type: typ, MID: m, Subject: subject, Time: noon, Said: fault.Say("late", "逾期"), Data: json.RawMessage(`{"n":"` + key + `"}`)}
	if err := b.n.Publish(t.Context(), e, key); err != nil {
		t.Fatal(err)
	}
	if _, err := b.n.Post(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestEvents: the log is followed by cursor, nothing is passed over or comes twice
// while events are added, and a merchant's key sees its own.
func TestEvents(t *testing.T) {
	b := newBench(t)
	var seen []string
	cursor := ""
	follow := func(key string) {
		t.Helper()
		for {
			var page api.EventList
			b.ask(t, "GET", "/v1/events?limit=3&cursor="+cursor, key, "", 200, &page)
			cursor = page.NextCursor
			if len(page.Items) == 0 {
				return
			}
			for _, e := range page.Items {
				seen = append(seen, e.ID)
			}
		}
	}
	for i := range 10 {
		b.publish(t, notify.PaymentOverdue, mid, fmt.Sprint("payment/", i), fmt.Sprint(i))
		if i%3 == 0 {
			follow("institution-key")
		}
	}
	b.publish(t, notify.PayoutReturned, "898310058120999", "payout/x", "x")
	follow("institution-key")
	if len(seen) != 11 || len(slices.Compact(slices.Sorted(slices.Values(seen)))) != 11 {
		t.Errorf("followed %d events: %q", len(seen), seen)
	}
	for name, c := range map[string]struct {
		key, query string
		want       int
	}{
		"own":     {"merchant-key", "", 10},
		"other's": {"merchant-key", "&mid=898310058120999", 0},
		"foreign": {"other-key", "", 1},
		"types":   {"institution-key", "&types=payout.*", 1},
		"several": {"institution-key", "&types=payout.returned,payment.overdue", 11},
		"subject": {"institution-key", "&subject=payment/4", 1},
		"before":  {"institution-key", "&to=2026-03-04T12:00:00Z", 0},
		"mid":     {"auditor-key", "&mid=" + mid, 10},
	} {
		var page api.EventList
		b.ask(t, "GET", "/v1/events?limit=1000"+c.query, c.key, "", 200, &page)
		if len(page.Items) != c.want {
			t.Errorf("%s: %d events, want %d", name, len(page.Items), c.want)
		}
	}
	var e api.Event
	b.ask(t, "GET", "/v1/events/"+seen[0], "merchant-key", "", 200, &e)
	if e.Type != "payment.overdue" || e.Text.ZH != "逾期" || string(e.Data) != `{"n":"0"}` || e.MID != mid {
		t.Errorf("%+v", e)
	}
	b.ask(t, "GET", "/v1/events/"+seen[0], "other-key", "", 404, nil)
	b.ask(t, "GET", "/v1/events?types=nothing", "institution-key", "", 422, nil)
	b.ask(t, "GET", "/v1/events?cursor=!", "institution-key", "", 422, nil)
	b.ask(t, "GET", "/v1/events", "bank-key", "", 403, nil)
}

// TestWebhooks takes one through its life over the API, with a receiver that listens.
func TestWebhooks(t *testing.T) {
	b := newBench(t)
	var mu sync.Mutex
	var got []string
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Header.Get("Webhook-Id")+" "+string(body))
	}))
	defer shop.Close()
	round := func() {
		t.Helper()
		if _, err := b.n.Post(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := b.n.Deliver(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var made api.WebhookMade
	b.ask(t, "POST", "/v1/webhooks", "institution-key", `{"url":"`+shop.URL+`","types":["payment.*"],"description":"till"}`, 201, &made)
	if !strings.HasPrefix(made.Secret, "whsec_") || !made.Enabled || made.By != "key/2" {
		t.Errorf("%+v", made)
	}
	at := "/v1/webhooks/" + made.ID
	if rec := b.ask(t, "GET", at, "auditor-key", "", 200, nil); strings.Contains(rec.Body.String(), "whsec_") || strings.Contains(rec.Body.String(), "sealed") {
		t.Errorf("the secret is shown again: %s", rec.Body)
	}
	b.publish(t, notify.PaymentOverdue, mid, "payment/1", "1")
	b.publish(t, notify.PayoutReturned, mid, "payout/1", "2")
	round()
	var list api.DeliveryList
	b.ask(t, "GET", at+"/deliveries", "auditor-key", "", 200, &list)
	if len(got) != 1 || len(list.Items) != 1 || list.Items[0].State != "delivered" || list.Items[0].Attempts[0].Status != 200 {
		t.Errorf("got %q, deliveries %+v", got, list)
	}
	b.ask(t, "POST", at+"/replay", "institution-key", `{"event":"`+list.Items[0].Event+`"}`, 202, nil)
	b.ask(t, "POST", at+"/test", "institution-key", "", 202, nil)
	round()
	if len(got) != 3 || got[1] != got[0] || !strings.Contains(got[2], `"type":"test"`) {
		t.Errorf("got %q", got)
	}
	var n api.Replayed
	b.ask(t, "POST", at+"/replay", "institution-key", `{"from":"2026-03-04T00:00:00Z","to":"2026-03-05T00:00:00Z"}`, 202, &n)
	if n.Events != 1 {
		t.Errorf("%d events of the day are sent again", n.Events)
	}
	b.ask(t, "POST", at+"/replay", "institution-key", `{"from":"2026-03-04T00:00:00Z"}`, 422, nil)
	b.ask(t, "POST", at+"/replay", "institution-key", `{"event":"evt_none"}`, 404, nil)
	var again api.WebhookMade
	b.ask(t, "POST", at+"/rotate", "institution-key", "", 200, &again)
	if again.Secret == made.Secret || again.Former.IsZero() {
		t.Errorf("%+v", again)
	}
	var w api.Webhook
	b.ask(t, "PATCH", at, "institution-key", `{"enabled":false,"types":["payout.*"]}`, 200, &w)
	if w.Enabled || !slices.Equal(w.Types, []string{"payout.*"}) {
		t.Errorf("%+v", w)
	}
	b.ask(t, "POST", at+"/test", "institution-key", "", 409, nil)
	b.ask(t, "DELETE", at, "institution-key", "", 200, nil)
	b.ask(t, "GET", at, "institution-key", "", 404, nil)
	for body, field := range map[string]string{`{"url":"https://169.254.169.254/latest"}`: "body.url", `{"url":"http://shop.example/"}`: "body.url", `{"url":"https://shop.example/","types":["x"]}`: "body.types"} {
		rec := b.do("POST", "/v1/webhooks", "institution-key", body, "Content-Type", "application/json", "Accept-Language", "zh")
		var p api.Problem
		if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil || rec.Code != 422 || len(p.Errors) != 1 || p.Errors[0].Field != field || !strings.ContainsFunc(p.Errors[0].Why, func(r rune) bool { return r > 0x3000 }) {
			t.Errorf("%s: %d %s", body, rec.Code, rec.Body)
		}
	}
	for _, key := range []string{"merchant-key", "auditor-key", "bank-key", "platform-key"} {
		b.ask(t, "POST", "/v1/webhooks", key, `{"url":"https://shop.example/"}`, 403, nil)
	}
	var what []string
	for _, e := range slices.Backward(b.audit.list) {
		what = append(what, e.What)
		if e.Name != "key/2" || e.Role != access.Institution || e.Request == "" || e.From != "192.0.2.1" {
			t.Errorf("%+v", e)
		}
	}
	if !slices.Equal(what, []string{"made", "replayed", "replayed", "rotated", "changed", "removed"}) {
		t.Errorf("audit: %q", what)
	}
}

// TestKeyOperations: keys are made, shown once, rotated and ended; what was asked is
// in the log of requests and what was changed in the audit log.
func TestKeyOperations(t *testing.T) {
	b := newBench(t)
	var made api.APIKeyMade
	b.ask(t, "POST", "/v1/keys", "institution-key", `{"name":"ICBC","role":"bank","sources":["bank/ICBC*"]}`, 201, &made)
	if made.ID != "k1" || made.Secret != "dz_secret_k1" {
		t.Errorf("%+v", made)
	}
	b.ask(t, "POST", "/v1/keys", "institution-key", `{"name":"till","role":"merchant"}`, 422, nil)
	b.ask(t, "POST", "/v1/keys/k1/rotate?grace=60", "institution-key", "", 200, &made)
	if made.ID != "k2" || !b.keys.list[0].Revoked.Equal(noon.Add(time.Minute)) {
		t.Errorf("%+v", b.keys.list)
	}
	b.ask(t, "POST", "/v1/keys/k2/revoke", "institution-key", "", 200, nil)
	b.ask(t, "POST", "/v1/keys/none/revoke", "institution-key", "", 404, nil)
	b.ask(t, "POST", "/v1/keys/2/revoke", "institution-key", "", 403, nil)
	var list api.APIKeyList
	if rec := b.ask(t, "GET", "/v1/keys", "auditor-key", "", 200, &list); len(list.Items) != 2 || strings.Contains(rec.Body.String(), "dz_") {
		t.Errorf("%s", rec.Body)
	}
	for _, key := range []string{"merchant-key", "auditor-key", "bank-key"} {
		b.ask(t, "POST", "/v1/keys", key, `{"name":"x","role":"bank"}`, 403, nil)
	}
	b.ask(t, "GET", "/v1/keys", "merchant-key", "", 403, nil)
	b.ask(t, "GET", "/livez", "", "", 200, nil)
	if n := len(b.calls); n != 11 {
		t.Errorf("%d requests logged", n)
	}
	if c := b.calls[2]; c.Key != "2" || c.Method != "POST" || c.Route != "/v1/keys/{id}/rotate" || c.Status != 200 || c.Request == "" || c.From != "192.0.2.1" {
		t.Errorf("%+v", c)
	}
	var page api.AuditList
	b.ask(t, "GET", "/v1/audit?limit=2", "auditor-key", "", 200, &page)
	if len(page.Items) != 2 || page.Items[0].What != "revoked" || page.Items[0].Who != "key/2" || page.NextCursor == "" {
		t.Fatalf("%+v", page)
	}
	var next api.AuditList
	b.ask(t, "GET", "/v1/audit?limit=2&cursor="+page.NextCursor, "auditor-key", "", 200, &next)
	if len(next.Items) != 1 || next.Items[0].What != "made" || next.NextCursor != "" {
		t.Errorf("%+v", next)
	}
	b.ask(t, "GET", "/v1/audit", "merchant-key", "", 403, nil)
}

// TestWithoutDevelopers: an installation without it says that there is no such thing.
func TestWithoutDevelopers(t *testing.T) {
	w := newWorld(t, nil)
	for _, path := range []string{"/v1/events", "/v1/webhooks", "/v1/keys", "/v1/audit"} {
		if rec := w.do("GET", path, "institution-key", ""); rec.Code != 404 {
			t.Errorf("%s: %d", path, rec.Code)
		}
	}
}
