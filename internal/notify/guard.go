package notify

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"daozhang/internal/fault"
)

// Guard says which addresses a webhook may reach. Whoever may enter a URL could
// otherwise make this machine knock at doors that are open to it alone (server-side
// request forgery): of its own services, its neighbours, the cloud's metadata.
//
// A URL is looked at when it is entered, and the address that its name stands for
// each time it is dialled: a name can lead elsewhere tomorrow.
type Guard struct {
	// Hosts are names and addresses, with or without port, that may be reached
	// whatever they stand for, also without encryption: for receivers within one's
	// own network.
	Hosts []string
}

// closed are networks that no webhook reaches, beside those that netip tells:
// loopback, private, link-local (which holds the metadata of clouds), multicast and
// unspecified. From the registries of special-purpose addresses (RFC 6890).
var closed = func() (all []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8",       // this network
		"100.64.0.0/10",   // shared by carriers; also metadata of some clouds
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // former relays 6to4
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"240.0.0.0/4",     // reserved, and broadcast
		"64:ff9b:1::/48",  // translation, local
		"100::/64",        // discard
		"2001::/23",       // protocol assignments, Teredo among them
		"2001:db8::/32",   // documentation
		"5f00::/16",       // segment routing
		"fec0::/10",       // former site-local
	} {
		all = append(all, netip.MustParsePrefix(s))
	}
	return all
}()

// carriers are networks of IPv6 in which an address of IPv4 stands, with the byte
// at which it does.
var carriers = []struct {
	within netip.Prefix
	at     int
}{
	{netip.MustParsePrefix("64:ff9b::/96"), 12}, // translation, RFC 6052
	{netip.MustParsePrefix("2002::/16"), 2},     // 6to4, RFC 3056
	{netip.MustParsePrefix("::/96"), 12},        // former compatible addresses
}

// Public reports whether an address is one of the internet that anybody can reach.
func Public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsValid() || a.Zone() != "" || !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() {
		return false
	}
	if slices.ContainsFunc(closed, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return false
	}
	for _, c := range carriers {
		if c.within.Contains(a) {
			b := a.As16()
			return Public(netip.AddrFrom4([4]byte(b[c.at : c.at+4])))
		}
	}
	return true
}

// Named reports whether a host and port are among those that may be reached
// whatever they stand for.
func (g Guard) Named(host, port string) bool {
	return slices.ContainsFunc(g.Hosts, func(s string) bool {
		if h, p, ok := strings.Cut(s, ":"); ok && !strings.Contains(p, ":") {
			return strings.EqualFold(h, host) && p == port
		}
		return strings.EqualFold(strings.Trim(s, "[]"), host)
	})
}

// Check reads a URL that somebody enters. fault.Invalid says why it is refused.
func (g Guard) Check(s string) (*url.URL, error) {
	refuse := func(why, hint fault.Text) (*url.URL, error) {
		return nil, fault.New(fault.Invalid, fault.Say("take URL", "检查网址"), "", why, hint)
	}
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" || len(s) > 2000 {
		return refuse(fault.Say("it is not a URL", "不是网址"), fault.Say("write for example https://shop.example/hooks", "例如 https://shop.example/hooks"))
	}
	host, port := u.Hostname(), u.Port()
	named := g.Named(host, port)
	switch {
	case u.User != nil:
		return refuse(fault.Say("it holds a user", "网址中含用户名"), fault.Say("the signature says who sends", "签名即可证明来源"))
	case u.Fragment != "":
		return refuse(fault.Say("it holds a fragment", "网址中含片段标识"), fault.Text{})
	case u.Scheme != "https" && !(u.Scheme == "http" && named):
		return refuse(fault.Say("it is not https", "不是 https"), fault.Say("encrypted addresses alone are reached, unless notify.allow_hosts names the host", "只向加密地址发送，除非 notify.allow_hosts 列出该主机"))
	case port != "" && !validPort(port):
		return refuse(fault.Say("it has no such port", "端口无效"), fault.Text{})
	case named:
		return u, nil
	}
	if a, err := netip.ParseAddr(host); err == nil && !Public(a) || numeric(host) && err != nil || local(host) {
		return refuse(fault.Say("its address is not one of the internet", "地址不在公网"), fault.Say("what runs inside is reached only if notify.allow_hosts names it", "内部主机须由 notify.allow_hosts 列出"))
	}
	return u, nil
}

func validPort(s string) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n > 0 && n < 65536
}

// numeric reports whether a host is an address in one of the forms that some
// resolvers understand and netip does not: 127.1, 0x7f000001, 017700000001.
func numeric(host string) bool {
	last := host[strings.LastIndexByte(strings.TrimSuffix(host, "."), '.')+1:]
	last = strings.ToLower(strings.TrimSuffix(last, "."))
	if rest, ok := strings.CutPrefix(last, "0x"); ok {
		return strings.Trim(rest, "0123456789abcdef") == ""
	}
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// local reports whether a name is one that stands for this machine or its network.
func local(host string) bool {
	h := strings.ToLower(strings.TrimSuffix(host, "."))
	for _, end := range []string{"localhost", "local", "internal", "home.arpa", "localdomain"} {
		if h == end || strings.HasSuffix(h, "."+end) {
			return true
		}
	}
	return !strings.ContainsAny(h, ".:")
}
