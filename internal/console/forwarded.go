package console

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// Behind gives requests that came through proxies, such as what ends TLS before
// them, the address of who sent them: the last in X-Forwarded-For that is not one of
// the proxies. What others say about it is not believed: whoever is no proxy is the
// sender.
func Behind(proxies []netip.Prefix, h http.Handler) http.Handler {
	if len(proxies) == 0 {
		return h
	}
	proxy := func(a netip.Addr) bool {
		return slices.ContainsFunc(proxies, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && proxy(peer.Addr().Unmap()) {
			if sender, ok := forwarded(r.Header.Values("X-Forwarded-For"), proxy); ok {
				there := *r // the handler's own: what was received is left alone
				there.RemoteAddr = netip.AddrPortFrom(sender, 0).String()
				r = &there
			}
		}
		h.ServeHTTP(w, r)
	})
}

// forwarded gives the last address that is no proxy's. Each proxy adds the one that
// it was asked by, so all before the first that is no address may be made up.
func forwarded(lines []string, proxy func(netip.Addr) bool) (sender netip.Addr, ok bool) {
	chain := strings.Split(strings.Join(lines, ","), ",")
	for _, s := range slices.Backward(chain) {
		a, err := netip.ParseAddr(strings.TrimSpace(s))
		if err != nil {
			return sender, ok
		}
		if sender, ok = a.Unmap(), true; !proxy(sender) {
			return sender, true
		}
	}
	return sender, ok
}
