package console

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
)

// TestBehind: only a proxy is believed about who sent a request, and nothing that
// the sender itself wrote into the header counts.
func TestBehind(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct {
		name, peer string
		header     []string
		want       string
	}{
		{"no proxy between", "192.0.2.7:4711", nil, "192.0.2.7"},
		{"a stranger says so", "192.0.2.7:4711", []string{"203.0.113.9"}, "192.0.2.7"},
		{"one proxy", "10.0.0.1:4711", []string{"203.0.113.9"}, "203.0.113.9"},
		{"one proxy, IPv6", "[::1]:4711", []string{"2001:db8::7"}, "2001:db8::7"},
		{"the sender made up a beginning", "10.0.0.1:4711", []string{"127.0.0.1, 203.0.113.9"}, "203.0.113.9"},
		{"the sender made up a proxy", "10.0.0.1:4711", []string{"10.9.9.9, 203.0.113.9"}, "203.0.113.9"},
		{"two proxies", "10.0.0.1:4711", []string{"203.0.113.9, 10.0.0.2"}, "203.0.113.9"},
		{"two lines", "10.0.0.1:4711", []string{"127.0.0.1", "203.0.113.9"}, "203.0.113.9"},
		{"mapped", "[::ffff:10.0.0.1]:4711", []string{"::ffff:203.0.113.9"}, "203.0.113.9"},
		{"within the proxies' own net", "10.0.0.1:4711", []string{"10.0.0.9"}, "10.0.0.9"},
		{"no address", "10.0.0.1:4711", []string{"203.0.113.9, unknown"}, "10.0.0.1"},
		{"nothing said", "10.0.0.1:4711", nil, "10.0.0.1"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.peer
		r.Header["X-Forwarded-For"] = c.header
		got := ""
		Behind(proxies, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = addressOf(r) })).ServeHTTP(nil, r)
		if a, err := netip.ParseAddr(got); err == nil {
			got = a.Unmap().String()
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
