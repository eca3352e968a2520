package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"daozhang/internal/api"
	"daozhang/internal/diagnosis"
	"daozhang/internal/journey"
)

// list asks for one page.
func (w *world) list(t *testing.T, key string, q url.Values) api.PaymentList {
	t.Helper()
	rec := w.do("GET", "/v1/payments?"+q.Encode(), key, "")
	if rec.Code != 200 {
		t.Fatalf("%s: %d %s", q.Encode(), rec.Code, rec.Body)
	}
	var l api.PaymentList
	strictly(t, rec.Body.Bytes(), &l)
	return l
}

// strictly reads JSON, of which every field has to be known.
func strictly(t *testing.T, b []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
}

// saleAt is the evidence of a sale as the gateway writes it.
func saleAt(merchant string, n int, at time.Time, amount int, code string) []string {
	keys := fmt.Sprintf(`"mid":%q,"tid":"T%07d","batch":"000001","stan":"%06d","rrn":"6062%08d","pan":"622202******%04d","kind":"sale","amount":%d,"currency":"CNY"`,
		merchant, n%3, n, n, n%10, amount)
	when := at.Format(time.RFC3339)
	one := func(id, typ, more string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":"%d/%s","source":"gateway/node-1","type":"daozhang.%s","time":%q,"data":{%s%s}}`, n, id, typ, when, keys, more)
	}
	return []string{one("request", "gateway.request", ""), one("response", "gateway.response", fmt.Sprintf(`,"response_code":%q,"auth_code":"%06d"`, code, 500000+n))}
}

const otherMID = "898310058120999"

func shop(t *testing.T, change func(*api.Options)) *world {
	w := newWorld(t, change)
	for n := range 40 {
		m, code := mid, "00"
		if n%4 == 0 {
			m = otherMID
		}
		if n%10 == 9 {
			code = "51"
		}
		w.add(t, saleAt(m, n, noon.Add(-time.Duration(n)*time.Hour), 1000+100*n, code)...)
	}
	return w
}

// TestListPayments asks by every filter; what comes is held against the whole
// list.
func TestListPayments(t *testing.T) {
	w := shop(t, nil)
	all := w.list(t, "institution-key", url.Values{"limit": {"500"}})
	if len(all.Items) != 40 || all.Count != 40 || all.NextCursor != "" || len(all.Sums) != 1 || all.Sums[0].Count != 40 {
		t.Fatalf("%d items, %d, %+v", len(all.Items), all.Count, all.Sums)
	}
	some := all.Items[7]
	for _, c := range []struct {
		query string
		want  func(p *api.Payment) bool
	}{
		{"mid=" + otherMID, func(p *api.Payment) bool { return p.MID == otherMID }},
		{"tid=T0000001", func(p *api.Payment) bool { return p.TID == "T0000001" }},
		{"rrn=" + some.RRN, func(p *api.Payment) bool { return p.RRN == some.RRN }},
		{"key=" + some.STAN, func(p *api.Payment) bool { return p.STAN == some.STAN }},
		{"key=" + some.STAN + "&key=" + some.AuthCode, func(p *api.Payment) bool { return p.STAN == some.STAN }},
		{"key=" + some.STAN + "&key=000001", func(p *api.Payment) bool { return false }},
		{"q=" + some.RRN, func(p *api.Payment) bool { return p.RRN == some.RRN }},
		{"q=0003", func(p *api.Payment) bool { return strings.HasSuffix(p.PAN, "0003") }},
		{"q=0003+13.00", func(p *api.Payment) bool { return strings.HasSuffix(p.PAN, "0003") && p.Amount == 1300 }},
		{"q=T0000002&needs_action=true", func(p *api.Payment) bool { return p.TID == "T0000002" && needy(p) }},
		{"first6=622202&last4=0004", func(p *api.Payment) bool { return strings.HasSuffix(p.PAN, "0004") }},
		{"from=2026-03-04T05:00:00%2B08:00&to=2026-03-04T15:00:00Z", func(p *api.Payment) bool {
			return !p.Time.Before(time.Date(2026, 3, 3, 21, 0, 0, 0, time.UTC)) && p.Time.Before(time.Date(2026, 3, 4, 15, 0, 0, 0, time.UTC))
		}},
		{"date=2026-03-03", func(p *api.Payment) bool { return p.BusinessDate == "2026-03-03" }},
		{"currency=USD", func(p *api.Payment) bool { return false }},
		{"min_amount=0&max_amount=1500", func(p *api.Payment) bool { return p.Amount <= 1500 }},
		{"min_amount=4000", func(p *api.Payment) bool { return p.Amount >= 4000 }},
		{"max_net=1500", func(p *api.Payment) bool { return p.Net == nil || *p.Net <= 1500 }},
		{"status=not_charged&status=overdue", func(p *api.Payment) bool { return p.Status == "not_charged" || p.Status == "overdue" }},
		{"stage=captured", func(p *api.Payment) bool { return p.Stage == "captured" }},
		{"party=" + some.Party, func(p *api.Payment) bool { return p.Party == some.Party }},
		{"incident=none&payout=none", func(p *api.Payment) bool { return false }},
		{"expected_from=2026-03-04T00:00:00Z", func(p *api.Payment) bool {
			return p.Expected != nil && p.Expected.Likely.After(noon.Add(-12*time.Hour))
		}},
		{"due_to=2026-03-01T00:00:00Z", func(p *api.Payment) bool { return false }},
	} {
		got := w.list(t, "institution-key", mustQuery(t, c.query+"&limit=500"))
		var want []string
		for i := range all.Items {
			if c.want(&all.Items[i]) {
				want = append(want, all.Items[i].ID)
			}
		}
		if ids := idsOf(got.Items); !slices.Equal(ids, want) {
			t.Errorf("%s: %v, want %v", c.query, ids, want)
		}
		if got.Count != len(want) {
			t.Errorf("%s: count %d, want %d", c.query, got.Count, len(want))
		}
	}
}

func needy(p *api.Payment) bool {
	return slices.Contains([]string{"overdue", "held", "short", "unknown", "unproven"}, p.Status) || p.Status != "not_charged" && p.Cause != nil && p.Party != "nobody"
}

func mustQuery(t *testing.T, s string) url.Values {
	t.Helper()
	q, err := url.ParseQuery(s)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func idsOf(items []api.Payment) (ids []string) {
	for i := range items {
		ids = append(ids, items[i].ID)
	}
	return ids
}

// TestPages: pages of any size in any order, one after another, are the list.
func TestPages(t *testing.T) {
	w := shop(t, nil)
	for _, order := range []string{"time", "due", "amount"} {
		whole := w.list(t, "institution-key", url.Values{"sort": {order}, "limit": {"500"}})
		for _, size := range []string{"1", "7", "39", "40"} {
			var got []string
			for cursor := ""; ; {
				l := w.list(t, "institution-key", url.Values{"sort": {order}, "limit": {size}, "cursor": {cursor}})
				got = append(got, idsOf(l.Items)...)
				if l.Count != 40 {
					t.Fatalf("count %d", l.Count)
				}
				if cursor = l.NextCursor; cursor == "" {
					break
				}
			}
			if !slices.Equal(got, idsOf(whole.Items)) {
				t.Errorf("by %s in pages of %s:\n got %v\nwant %v", order, size, got, idsOf(whole.Items))
			}
		}
	}
}

// TestCursorsWhileFactsCome reads pages while payments come in: none that was
// there is passed over, and none comes twice.
func TestCursorsWhileFactsCome(t *testing.T) {
	w := shop(t, func(o *api.Options) { o.Rate, o.Burst = 1e6, 1e6 })
	before := idsOf(w.list(t, "institution-key", url.Values{"limit": {"500"}}).Items)
	stop := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		for n := 100; n < 300; n++ {
			select {
			case <-stop:
				return
			default:
				w.add(t, saleAt(mid, n, noon.Add(-time.Duration(rand.N(40*60))*time.Minute), 1000+n, "00")...)
			}
		}
	})
	for range 5 {
		for _, order := range []string{"time", "amount"} {
			seen := map[string]int{}
			for cursor := ""; ; {
				l := w.list(t, "institution-key", url.Values{"sort": {order}, "limit": {"3"}, "cursor": {cursor}})
				for _, id := range idsOf(l.Items) {
					if seen[id]++; seen[id] > 1 {
						t.Fatalf("by %s: %s comes twice", order, id)
					}
				}
				if cursor = l.NextCursor; cursor == "" {
					break
				}
			}
			for _, id := range before {
				if seen[id] == 0 {
					t.Fatalf("by %s: %s is passed over", order, id)
				}
			}
		}
	}
	close(stop)
	work.Wait()
}

// TestBadFilters: everything that is wrong is said at once, in the caller's
// language, and no value is repeated.
func TestBadFilters(t *testing.T) {
	w := shop(t, nil)
	target := "/v1/payments?" + url.Values{"from": {"yesterday"}, "limit": {"9000"}, "status": {"lost"}, "last4": {"12345"}, "currency": {"XQX"}, "cursor": {"%%"},
		"min_amount": {"ten"}, "date": {"2026-02-30"}, "due_from": {"2026-03-05T00:00:00Z"}, "due_to": {"2026-03-04T00:00:00Z"}, "key": {"6222021234567890128"}}.Encode()
	fields := []string{"query.from", "query.limit", "query.status[0]", "query.last4", "query.currency", "query.cursor", "query.min_amount", "query.date", "query.due_to", "query.key[0]"}
	for lang, word := range map[string]string{"en": "not valid", "zh-CN,zh;q=0.9": "请求无效"} {
		rec := w.do("GET", target, "institution-key", "", "Accept-Language", lang)
		var p api.Problem
		strictly(t, rec.Body.Bytes(), &p)
		if rec.Code != 422 || rec.Header().Get("Content-Type") != "application/problem+json" || !strings.Contains(p.Detail, word) || p.Instance == "" {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
		var got []string
		for _, e := range p.Errors {
			got = append(got, e.Field)
			if chinese := strings.ContainsFunc(e.Why, func(r rune) bool { return r > 0x2e80 }); e.Why == "" || chinese != strings.HasPrefix(lang, "zh") {
				t.Errorf("%s: %s: %q", lang, e.Field, e.Why)
			}
		}
		slices.Sort(got)
		slices.Sort(fields)
		if !slices.Equal(got, fields) {
			t.Errorf("%s: errors of %v, want %v", lang, got, fields)
		}
		if strings.Contains(rec.Body.String(), "6222021234567890128") {
			t.Error("the answer repeats a card number")
		}
	}
	if rec := w.do("GET", "/v1/payments?statsu=overdue", "institution-key", ""); rec.Code != 422 || !strings.Contains(rec.Body.String(), "query.statsu") {
		t.Errorf("a misspelt filter: %d %s", rec.Code, rec.Body)
	}
}

// TestTenants: a merchant's key lists its own payments, whatever it asks for.
func TestTenants(t *testing.T) {
	w := shop(t, nil)
	for _, q := range []string{"", "q=0003", "tid=T0000001", "key=000004", "mid=" + mid} {
		for _, p := range w.list(t, "merchant-key", mustQuery(t, q)).Items {
			if p.MID != mid {
				t.Errorf("%s: a payment of %s", q, p.MID)
			}
		}
	}
	if rec := w.do("GET", "/v1/payments?mid="+otherMID, "merchant-key", ""); rec.Code != 404 {
		t.Errorf("another's: %d %s", rec.Code, rec.Body)
	}
	if n := w.list(t, "merchant-key", nil).Count; n != 30 {
		t.Errorf("%d of its own", n)
	}
	if n := w.list(t, "other-key", nil).Count; n != 10 {
		t.Errorf("%d of its own", n)
	}
}

// TestTrail: a payment with its way has every field that is described, and those
// of the list are the same.
func TestTrail(t *testing.T) {
	w := shop(t, nil)
	for _, p := range w.list(t, "institution-key", nil).Items {
		rec := w.do("GET", "/v1/payments/"+p.ID, "institution-key", "")
		if rec.Code != 200 {
			t.Fatal(rec.Code, rec.Body)
		}
		var trail api.PaymentTrail
		strictly(t, rec.Body.Bytes(), &trail)
		if len(trail.Legs) == 0 || len(trail.Facts) != 2 || trail.Where.EN == "" || trail.When.ZH == "" {
			t.Errorf("%s", rec.Body)
		}
		trail.Payment.Advice = nil
		if !reflect.DeepEqual(normal(t, trail.Payment), normal(t, p)) {
			t.Errorf("%+v\n%+v", trail.Payment, p)
		}
		who := w.do("GET", "/v1/payments/"+p.ID+"/whereabouts", "institution-key", "")
		var one api.Payment
		strictly(t, who.Body.Bytes(), &one)
		// What the type keeps is what the contract's JSON says.
		if a, b := generic(t, who.Body.Bytes()), normal(t, one); !reflect.DeepEqual(a, b) {
			t.Errorf("read %v\nkept %v", a, b)
		}
	}
	if rec := w.do("GET", "/v1/payments/nothing", "institution-key", ""); rec.Code != 404 {
		t.Error(rec.Code)
	}
	if rec := w.do("GET", "/v1/payments/"+w.list(t, "other-key", nil).Items[0].ID, "merchant-key", ""); rec.Code != 404 {
		t.Errorf("another's payment: %d", rec.Code)
	}
}

func generic(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func normal(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return generic(t, b)
}

// TestEnums: what the filters take is what there is.
func TestEnums(t *testing.T) {
	w := newWorld(t, nil)
	for _, s := range journey.Statuses() {
		w.list(t, "institution-key", url.Values{"status": {s.String()}})
	}
	for _, s := range journey.Stages() {
		w.list(t, "institution-key", url.Values{"stage": {s.String()}})
	}
	for _, p := range diagnosis.Parties() {
		w.list(t, "institution-key", url.Values{"party": {p.String()}})
	}
}

// TestListOfAllNodes: two nodes that divide the merchants answer as one would.
func TestListOfAllNodes(t *testing.T) {
	whole := shop(t, nil)
	far, near := &town{name: "far", mine: otherMID}, &town{name: "near", mine: mid}
	quick := func(n *town) func(*api.Options) {
		return func(o *api.Options) { o.Nodes, o.Rate, o.Burst = n, 1e6, 1e6 }
	}
	a, b := newWorld(t, quick(near)), newWorld(t, quick(far))
	for n := range 40 {
		m, code, to := mid, "00", a
		if n%4 == 0 {
			m, to = otherMID, b
		}
		if n%10 == 9 {
			code = "51"
		}
		to.add(t, saleAt(m, n, noon.Add(-time.Duration(n)*time.Hour), 1000+100*n, code)...)
	}
	first, second := httptest.NewServer(a.server), httptest.NewServer(b.server)
	defer first.Close()
	far.other, near.other = first.URL, second.URL
	for _, q := range []string{"limit=7", "limit=7&sort=amount", "limit=9&sort=due&status=overdue", "limit=500", "q=0003", "mid=" + otherMID, "limit=3&min_amount=2000"} {
		want := whole.do("GET", "/v1/payments?"+q, "institution-key", "").Body.String()
		for _, w := range []*world{a, b} {
			if got := w.do("GET", "/v1/payments?"+q, "institution-key", "").Body.String(); got != want {
				t.Errorf("%s:\n got %s\nwant %s", q, got, want)
			}
		}
	}
	second.Close()
	if rec := a.do("GET", "/v1/payments", "institution-key", ""); rec.Code != http.StatusServiceUnavailable || rec.Header().Get("Retry-After") == "" {
		t.Errorf("a part is missing: %d %s", rec.Code, rec.Body)
	}
	if rec := a.do("GET", "/v1/payments", "merchant-key", ""); rec.Code != 200 {
		t.Errorf("a merchant of here: %d", rec.Code)
	}
}

// FuzzFilters: no query makes the server fail, and no answer repeats a card
// number.
func FuzzFilters(f *testing.F) {
	for _, q := range []string{"", "q=88.00+5512&limit=3", "from=2026-03-04T00:00:00Z&to=2026-03-05T00:00:00Z", "cursor=eyJWYWx1ZSI6MH0&sort=due", "min_amount=-1&max_amount=99999999999999999999",
		"status=overdue&stage=captured&party=bank&cause=x", "from=9999-12-31T00:00:00Z", "key=%00&key=6222021234567890128", "first6=6&last4=1&needs_action=1"} {
		f.Add(q)
	}
	var t testing.T
	w := shop(&t, func(o *api.Options) { o.Rate, o.Burst = 1e9, 1e9 })
	f.Fuzz(func(t *testing.T, q string) {
		r := httptest.NewRequest("GET", "/v1/payments", nil)
		r.URL.RawQuery = q
		r.Header.Set("Authorization", "Bearer institution-key")
		rec := httptest.NewRecorder()
		w.server.ServeHTTP(rec, r)
		if rec.Code != 200 && rec.Code != 422 && rec.Code != 400 {
			t.Errorf("%q: %d %s", q, rec.Code, rec.Body)
		}
		if !json.Valid(rec.Body.Bytes()) || strings.Contains(rec.Body.String(), "6222021234567890128") {
			t.Errorf("%q: %s", q, rec.Body)
		}
	})
}
