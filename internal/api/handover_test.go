package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"daozhang/internal/api"
)

// town is a server among others: those of merchants "…1" are here, the rest at
// the other.
type town struct {
	name, other string
	mine        string // the merchant of this one
	nobody      bool   // answers for the other's merchants
}

func (n *town) Name() string { return n.name }

func (n *town) Holder(mid string) (string, bool) {
	switch {
	case mid == n.mine:
		return "", true
	case n.nobody:
		return "", false
	}
	return n.other, false
}

func (n *town) Others() []string { return []string{n.other} }

// TestHandOver: a question about another node's merchant is answered by that node,
// with the caller's own rights, once.
func TestHandOver(t *testing.T) {
	const there = "898310058120999"
	fact := func(mid, rrn string) string {
		return fmt.Sprintf(`{"specversion":"1.0","id":%q,"source":"gateway/x","type":"daozhang.gateway.request","time":"2026-03-04T09:00:00Z","data":{"mid":%q,"tid":"T1","batch":"000001","stan":"000001","rrn":%q,"kind":"sale","amount":8800,"currency":"CNY"}}`,
			"r"+rrn, mid, rrn)
	}
	var asked atomic.Int64
	far := &town{name: "far", mine: there}
	b := newWorld(t, func(o *api.Options) { o.Nodes = far })
	b.add(t, fact(there, "600000000002"))
	second := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		b.server.ServeHTTP(w, r)
	}))
	defer second.Close()
	near := &town{name: "near", mine: mid, other: second.URL}
	a := newWorld(t, func(o *api.Options) { o.Nodes = near })
	a.add(t, fact(mid, "600000000001"))
	first := httptest.NewServer(a.server)
	defer first.Close()
	far.other = first.URL
	get := func(key, ref string, header ...string) (int, string, http.Header) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, "/v1/payments/"+ref+"/whereabouts", nil)
		r.Header.Set("Authorization", "Bearer "+key)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		a.server.ServeHTTP(w, r)
		return w.Code, w.Body.String(), w.Header()
	}
	for _, c := range []struct {
		what, key, ref string
		status         int
		handed         int64
		body           string
		header         []string
	}{
		{"here", "institution-key", "600000000001", 200, 0, `"mid":"898310058120001"`, nil},
		{"there", "institution-key", "600000000002", 200, 1, `"mid":"898310058120999"`, nil},
		{"there, as a card", "institution-key", "600000000002", 200, 1, "88.00", []string{"Accept", "text/plain"}},
		{"nowhere", "institution-key", "600000000003", 404, 1, "", nil},
		{"the merchant's own, there", "other-key", "600000000002", 200, 1, `"mid":"898310058120999"`, nil},
		{"another's, by a merchant of there", "other-key", "600000000001", 404, 1, "", nil},
		{"another's, by a merchant of here", "merchant-key", "600000000002", 404, 0, "", nil},
		{"without a key", "none", "600000000002", 401, 0, "", nil},
		{"by who may not read", "bank-key", "600000000002", 403, 0, "", nil},
		{"handed on already", "institution-key", "600000000002", 404, 0, "", []string{"Daozhang-Handed-On", "far"}},
		{"handed on already, of there", "other-key", "600000000002", 503, 0, "", []string{"Daozhang-Handed-On", "far"}},
	} {
		before := asked.Load()
		status, body, _ := get(c.key, c.ref, c.header...)
		if status != c.status || !strings.Contains(body, c.body) || asked.Load()-before != c.handed {
			t.Errorf("%s: %d after asking %d others: %s", c.what, status, asked.Load()-before, body)
		}
	}
	near.nobody = true
	if status, body, h := get("other-key", "600000000002"); status != 503 || h.Get("Retry-After") == "" || !json.Valid([]byte(body)) {
		t.Errorf("while nobody answers for the merchant: %d %s", status, body)
	}
	near.nobody = false
	second.Close()
	for _, key := range []string{"institution-key", "other-key"} {
		if status, body, h := get(key, "600000000002"); status != 503 || h.Get("Retry-After") == "" {
			t.Errorf("the other does not answer: %d %s", status, body)
		}
	}
}
