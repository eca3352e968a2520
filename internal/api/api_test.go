package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"daozhang/internal/api"
	"daozhang/internal/api/client"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/payment"
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

const mid = "898310058120001"

// memory is a Keeper that holds everything in memory.
type memory struct {
	mu    sync.Mutex
	keys  map[string]api.Key
	facts map[string]string
	txs   map[uuid.UUID]payment.Transaction
	fail  error
}

func (m *memory) KeyOf(_ context.Context, secret string) (api.Key, error) {
	k, ok := m.keys[secret]
	if !ok {
		return k, fault.New(fault.NotFound, "find", "key", nil, "")
	}
	return k, nil
}

func (m *memory) Append(_ context.Context, facts []payment.Evidence) ([]api.Outcome, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return nil, m.fail
	}
	out := make([]api.Outcome, len(facts))
	for i, f := range facts {
		name := f.Source + "#" + f.ID
		switch old, ok := m.facts[name]; {
		case !ok:
			m.facts[name], out[i] = string(f.Line), api.Added
		case old == string(f.Line):
			out[i] = api.Repeated
		default:
			out[i] = api.Contradicts
		}
	}
	return out, nil
}

func (m *memory) Transaction(_ context.Context, id uuid.UUID) (payment.Transaction, error) {
	t, ok := m.txs[id]
	if !ok {
		return t, fault.New(fault.NotFound, "find", "transaction", nil, "")
	}
	return t, nil
}

type world struct {
	*memory
	live   *investigation.Live
	server *api.Server
	ready  error
	now    time.Time
}

func newWorld(t *testing.T, change func(*api.Options)) *world {
	t.Helper()
	w := &world{now: noon, memory: &memory{facts: map[string]string{}, txs: map[uuid.UUID]payment.Transaction{}, keys: map[string]api.Key{
		"bank-key":        {ID: "1", Role: api.RoleBank, Sources: []string{"bank/ICBC*"}},
		"institution-key": {ID: "2", Role: api.RoleInstitution, Sources: []string{"institution/desk"}},
		"merchant-key":    {ID: "3", Role: api.RoleMerchant, MID: mid, Sources: []string{"till/1"}},
		"other-key":       {ID: "4", Role: api.RoleMerchant, MID: "898310058120999", Sources: []string{"till/2"}},
		"platform-key":    {ID: "5", Role: api.RolePlatform, Sources: []string{"platform", "gateway/*"}},
		"auditor-key":     {ID: "6", Role: api.RoleAuditor},
		"revoked-key":     {ID: "7", Role: api.RoleBank, Sources: []string{"bank/ICBC*"}, Revoked: true},
		"network-key":     {ID: "8", Role: api.RoleNetwork, Sources: []string{"network/UnionPay"}},
		"vendor-key":      {ID: "9", Role: api.RoleVendor, Sources: []string{"vendor/acme"}},
	}}}
	var err error
	if w.live, err = investigation.NewLive(investigation.LiveOptions{AsOf: evidence.InstantOf(noon), Offset: 480}); err != nil {
		t.Fatal(err)
	}
	o := api.Options{Keeper: w.memory, Live: w.live, Ready: func(context.Context) error { return w.ready }, Now: func() time.Time { return w.now },
		Version: map[string]string{"version": "1.2.3"}, MaxBody: 64 << 10, MaxEvents: 100}
	if change != nil {
		change(&o)
	}
	registry := prometheus.NewRegistry()
	o.Metrics = registry
	w.server = api.New(o, registry)
	return w
}

func (w *world) add(t *testing.T, lines ...string) {
	t.Helper()
	if _, err := w.live.AddNDJSON(strings.NewReader(strings.Join(lines, "\n")), func(n int, why fault.Text) { t.Fatalf("line %d: %s", n, why) }); err != nil {
		t.Fatal(err)
	}
}

func (w *world) do(method, target, key, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	return rec
}

func fact(source, id, typ, data string) string {
	return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":%q,"type":"daozhang.%s","time":"2026-03-03T12:00:00+08:00","data":{%s}}`, id, source, typ, data)
}

const entry = `"account":"****6789","amount":8766,"currency":"CNY","direction":"credit","status":"booked","booking_date":"2026-03-03","bank":"ICBC"`

// TestPostEvidence brings facts and looks at what was kept, including nothing.
func TestPostEvidence(t *testing.T) {
	ok := fact("bank/ICBC-1", "e1", "bank.entry", entry)
	tests := []struct {
		name, key, body string
		header          []string
		status          int
		kept            int
		says            string
	}{
		{"one event", "bank-key", ok, nil, 200, 1, `"added":1`},
		{"NDJSON", "bank-key", ok + "\n" + fact("bank/ICBC-1", "e2", "bank.entry", entry) + "\n", nil, 200, 2, `"added":2`},
		{"an array", "bank-key", "[" + ok + "," + fact("bank/ICBC-1", "e2", "bank.entry", entry) + "]", []string{"Content-Type", "application/cloudevents-batch+json"}, 200, 2, `"added":2`},
		{"the same twice", "bank-key", ok + "\n" + ok, nil, 200, 1, `"repeated":1`},
		{"a contradiction", "bank-key", ok + "\n" + fact("bank/ICBC-1", "e1", "bank.entry", strings.Replace(entry, "8766", "8767", 1)), nil, 200, 1, `"contradicts":["bank/ICBC-1#e1"]`},
		{"some malformed", "bank-key", ok + "\n{nonsense\n", nil, 200, 1, `"line":2`},
		{"all malformed", "bank-key", "{nonsense\n", nil, 422, 0, `"line":1`},
		{"nothing", "bank-key", "", nil, 422, 0, "holds no facts"},
		{"no key", "", ok, nil, 401, 0, "no API key"},
		{"an unknown key", "guess", ok, nil, 401, 0, "not known"},
		{"a revoked key", "revoked-key", ok, nil, 401, 0, "revoked"},
		{"another's source", "bank-key", fact("bank/ABC-1", "e1", "bank.entry", entry), nil, 403, 0, "does not speak for this source"},
		{"a till forges the bank", "merchant-key", fact("till/1", "e1", "bank.entry", entry), nil, 403, 0, "no witness of bank.entry"},
		{"a till forges the bank's source", "merchant-key", ok, nil, 403, 0, "does not speak for this source"},
		{"the platform forges its own gateway", "platform-key", fact("gateway/node-1", "x", "gateway.response", `"mid":"`+mid+`","rrn":"606212000001","response_code":"00"`), nil, 403, 0, "belongs to the gateway"},
		{"the platform forges the bank's payout word", "platform-key", fact("platform", "x", "payout.status", `"payout":"P1","state":"credited"`), nil, 403, 0, "by"},
		{"the platform's own payout word", "platform-key", fact("platform", "x", "payout.status", `"payout":"P1","state":"sent","by":"platform"`), nil, 200, 1, `"added":1`},
		{"a network declares others' coverage", "network-key", fact("network/UnionPay", "c", "coverage", `"of":"settlement","from":"2026-03-01T00:00:00Z","to":"2026-03-02T00:00:00Z"`), nil, 403, 0, "coverage"},
		{"a vendor announces for a bank", "vendor-key", fact("vendor/acme", "n", "notice", `"notice":"N1","issuer":"bank/ICBC","what":"maintenance","from":"2026-03-01T00:00:00Z","to":"2026-03-02T00:00:00Z"`), nil, 403, 0, "notices"},
		{"another merchant's order", "merchant-key", fact("till/1", "o", "sale.order", `"mid":"898310058120999","order_id":"A1","amount":100,"currency":"CNY"`), nil, 403, 0, "one merchant"},
		{"its own order", "merchant-key", fact("till/1", "o", "sale.order", `"mid":"`+mid+`","order_id":"A1","amount":100,"currency":"CNY"`), nil, 200, 1, `"added":1`},
		{"a key without sources", "auditor-key", ok, nil, 403, 0, "speaks for no source"},
		{"a full card number", "bank-key", fact("bank/ICBC-1", "e1", "bank.entry", entry+`,"pan":"6222021234567890128"`), nil, 422, 0, "pan"},
		{"track data", "bank-key", fact("bank/ICBC-1", "e1", "bank.entry", entry+`,"track2":"6222021234567890128=3012"`), nil, 422, 0, "track2"},
		{"another form", "bank-key", ok, []string{"Content-Type", "text/html"}, 415, 0, "JSON"},
		{"too long", "bank-key", strings.Repeat(" ", 65<<10) + ok, nil, 413, 0, "longer"},
		{"too many", "bank-key", strings.Repeat(ok+"\n", 101), nil, 413, 0, "too many facts"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, nil)
			rec := w.do("POST", "/v1/evidence", test.key, test.body, test.header...)
			if rec.Code != test.status || !strings.Contains(rec.Body.String(), test.says) {
				t.Errorf("%d %s; want %d and %q", rec.Code, rec.Body, test.status, test.says)
			}
			if len(w.facts) != test.kept {
				t.Errorf("kept %v, want %d", w.facts, test.kept)
			}
			if rec.Code >= 400 {
				var p struct {
					Status   int
					Title    string
					Instance string
				}
				if rec.Header().Get("Content-Type") != "application/problem+json" || json.Unmarshal(rec.Body.Bytes(), &p) != nil || p.Status != rec.Code ||
					p.Title == "" || p.Instance != "urn:request:"+rec.Header().Get("X-Request-Id") {
					t.Errorf("no problem: %v %s", rec.Header(), rec.Body)
				}
			}
			if strings.Contains(rec.Body.String(), "6222021234567890128") {
				t.Error("the answer repeats a card number")
			}
		})
	}
}

// TestMasked: a card number in free text is masked before it is kept.
func TestMasked(t *testing.T) {
	w := newWorld(t, nil)
	rec := w.do("POST", "/v1/evidence", "bank-key", fact("bank/ICBC-1", "e1", "bank.entry", entry+`,"text":"card 6222021234567890128 thanks"`))
	if rec.Code != 200 {
		t.Fatal(rec.Body)
	}
	if kept := w.facts["bank/ICBC-1#e1"]; strings.Contains(kept, "6222021234567890128") || !strings.Contains(kept, "622202") {
		t.Error(kept)
	}
}

// sold is the evidence of one sale as the gateway writes it.
func sold(merchant, stan, rrn string) []string {
	keys := fmt.Sprintf(`"mid":%q,"tid":"T0000001","batch":"000001","stan":%q,"rrn":%q,"pan":"622202******0128","kind":"sale","amount":12800,"currency":"CNY"`, merchant, stan, rrn)
	return []string{fact("gateway/node-1", stan+"/request", "gateway.request", keys), fact("gateway/node-1", stan+"/response", "gateway.response", keys+`,"response_code":"00","auth_code":"123456"`)}
}

// TestWhereabouts asks for payments in every way there is.
func TestWhereabouts(t *testing.T) {
	w := newWorld(t, nil)
	w.add(t, sold(mid, "000107", "606212000001")...)
	w.add(t, sold("898310058120999", "000108", "606212000002")...)
	w.add(t, sold("898310058120888", "000109", "606212000002")...)
	id := uuid.MustParse("0195b2f0-0000-7000-8000-000000000001")
	w.txs[id] = payment.Transaction{ID: id, MID: mid, RRN: "606212000001", Key: payment.Key{TID: "T0000001", Batch: "000001", STAN: "000107"}}
	tests := []struct {
		name, key, ref string
		header         []string
		status         int
		says           string
	}{
		{"by RRN", "institution-key", "606212000001", nil, 200, `"stage":"captured"`},
		{"by our UUID", "institution-key", id.String(), nil, 200, `"rrn":"606212000001"`},
		{"with advice", "auditor-key", "606212000001", nil, 200, `"amount":12800`},
		{"the card", "institution-key", "606212000001", []string{"Accept", "text/plain"}, 200, "128.00"},
		{"the card in Chinese", "institution-key", "606212000001", []string{"Accept", "text/plain", "Accept-Language", "zh-CN,zh;q=0.9"}, 200, "128.00"},
		{"a merchant its own", "merchant-key", "606212000001", nil, 200, `"mid":"` + mid + `"`},
		{"a merchant another's", "other-key", "606212000001", nil, 404, "Not Found"},
		{"a merchant another's by UUID", "other-key", id.String(), nil, 404, "Not Found"},
		{"a merchant among several", "other-key", "606212000002", nil, 200, `"mid":"898310058120999"`},
		{"several", "institution-key", "606212000002", nil, 409, `"candidates":["`},
		{"none", "institution-key", "999999999999", nil, 404, "Not Found"},
		{"an unknown UUID", "institution-key", "0195b2f0-0000-7000-8000-000000000009", nil, 404, "Not Found"},
		{"a full card number", "institution-key", "6222021234567890128", nil, 404, "Not Found"},
		{"a bank", "bank-key", "606212000001", nil, 403, "facts only"},
		{"nobody", "", "606212000001", nil, 401, "API key"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			rec := w.do("GET", "/v1/payments/"+test.ref+"/whereabouts", test.key, "", test.header...)
			if rec.Code != test.status || !strings.Contains(rec.Body.String(), test.says) {
				t.Errorf("%d %s; want %d and %q", rec.Code, rec.Body, test.status, test.says)
			}
			if strings.Contains(rec.Body.String(), "6222021234567890128") {
				t.Error("the answer repeats a card number")
			}
			if rec.Code == 200 && rec.Header().Get("Content-Type") == "application/json" {
				var p map[string]any
				if err := json.Unmarshal(rec.Body.Bytes(), &p); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// TestLimits: a key that asks too often is told how long to wait, and so is an
// address that guesses keys.
func TestLimits(t *testing.T) {
	w := newWorld(t, func(o *api.Options) { o.Rate, o.Burst = 1, 3 })
	w.add(t, sold(mid, "000107", "606212000001")...)
	ask := func(key string) *httptest.ResponseRecorder {
		return w.do("GET", "/v1/payments/606212000001/whereabouts", key, "")
	}
	for i := range 3 {
		if rec := ask("institution-key"); rec.Code != 200 {
			t.Fatalf("request %d: %d", i, rec.Code)
		}
	}
	rec := ask("institution-key")
	if rec.Code != 429 || rec.Header().Get("Retry-After") != "1" {
		t.Errorf("%d, Retry-After %q", rec.Code, rec.Header().Get("Retry-After"))
	}
	if rec := ask("auditor-key"); rec.Code != 200 {
		t.Errorf("another key: %d", rec.Code)
	}
	w.now = w.now.Add(time.Second)
	if rec := ask("institution-key"); rec.Code != 200 {
		t.Errorf("after the wait: %d", rec.Code)
	}
	last := 0
	for range 40 {
		last = ask("guess").Code
	}
	if last != 429 {
		t.Errorf("guessing keys ends in %d", last)
	}
}

// TestSurface: what machines ask.
func TestSurface(t *testing.T) {
	w := newWorld(t, nil)
	if rec := w.do("GET", "/livez", "", ""); rec.Code != 200 {
		t.Error(rec.Code)
	}
	if rec := w.do("GET", "/readyz", "", ""); rec.Code != 200 {
		t.Error(rec.Code)
	}
	w.ready = fmt.Errorf("the database does not answer")
	if rec := w.do("GET", "/readyz", "", ""); rec.Code != 503 || !strings.Contains(rec.Body.String(), "does not answer") {
		t.Error(rec.Code, rec.Body)
	}
	if rec := w.do("GET", "/version", "", ""); !strings.Contains(rec.Body.String(), "1.2.3") {
		t.Error(rec.Body)
	}
	if rec := w.do("GET", "/metrics", "", ""); rec.Code != 200 || !strings.Contains(rec.Body.String(), `daozhang_http_requests_total{route="/readyz",status="503"} 1`) {
		t.Error(rec.Body)
	}
	if rec := w.do("GET", "/nothing", "", ""); rec.Code != 404 || rec.Header().Get("Content-Type") != "application/problem+json" {
		t.Error(rec.Code, rec.Body)
	}
	if rec := w.do("GET", "/livez", "", "", "X-Request-Id", "abc-123-def"); rec.Header().Get("X-Request-Id") != "abc-123-def" {
		t.Error("the caller's request id is not kept")
	}
	if rec := w.do("GET", "/livez", "", "", "X-Request-Id", "<script>alert(1)</script>"); strings.Contains(rec.Header().Get("X-Request-Id"), "<") {
		t.Error("a request id of anything is taken")
	}
	rec := w.do("GET", "/v1/openapi.json", "", "")
	var doc struct {
		OpenAPI string
		Paths   map[string]map[string]any
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &doc); err != nil || doc.OpenAPI != "3.1.0" {
		t.Fatal(err, rec.Body)
	}
	for _, p := range []string{"/livez", "/v1/evidence", "/v1/payments/{id}/whereabouts"} {
		if len(doc.Paths[p]) != 1 {
			t.Errorf("the description lacks %s", p)
		}
	}
}

// TestFailure: what goes wrong inside is not told, only logged.
func TestFailure(t *testing.T) {
	w := newWorld(t, nil)
	w.fail = fmt.Errorf("dial tcp 10.0.0.7:5432: secret detail")
	rec := w.do("POST", "/v1/evidence", "bank-key", fact("bank/ICBC-1", "e1", "bank.entry", entry))
	if rec.Code != 500 || strings.Contains(rec.Body.String(), "secret") {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}

// TestClient asks a server over a socket, as trace --server does.
func TestClient(t *testing.T) {
	w := newWorld(t, nil)
	w.add(t, sold(mid, "000107", "606212000001")...)
	s := httptest.NewServer(w.server)
	defer s.Close()
	c := &client.Client{URL: s.URL, Key: "institution-key", Lang: "en"}
	card, err := c.Whereabouts(t.Context(), "606212000001", true)
	if err != nil || !strings.Contains(string(card), "128.00") {
		t.Fatal(err, string(card))
	}
	for key, want := range map[string]fault.Kind{"institution-key": fault.NotFound, "bank-key": fault.NotAllowed, "guess": fault.NotAllowed} {
		c.Key = key
		if _, err := c.Whereabouts(t.Context(), "999999999999", true); err == nil || fault.KindOf(err) != want {
			t.Errorf("%s: %v", key, err)
		}
	}
	c.URL = "nowhere"
	if _, err := c.Whereabouts(t.Context(), "1", true); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
}

var _ http.Handler = (*api.Server)(nil)
