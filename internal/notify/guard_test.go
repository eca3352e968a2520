package notify

import (
	"net/netip"
	"strings"
	"testing"

	"daozhang/internal/fault"
)

func TestPublic(t *testing.T) {
	for _, s := range []string{"8.8.8.8", "1.1.1.1", "114.114.114.114", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"} {
		if !Public(netip.MustParseAddr(s)) {
			t.Errorf("%s is refused", s)
		}
	}
	for _, s := range []string{"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "100.100.100.200",
		"100.64.0.1", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.7", "203.0.113.7", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1", "2001::1", "100::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
		"64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::1", "2002:a9fe:a9fe::1", "::127.0.0.1", "::a00:1"} {
		if Public(netip.MustParseAddr(s)) {
			t.Errorf("%s is let through", s)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address is let through")
	}
}

func TestCheckURL(t *testing.T) {
	g := Guard{Hosts: []string{"hooks.shop.internal", "127.0.0.1:9000"}}
	for _, s := range []string{"https://shop.example/hooks", "https://shop.example:8443/a?b=c", "https://8.8.8.8/", "https://[2606:4700:4700::1111]/", " https://shop.example ",
		"http://hooks.shop.internal/x", "https://hooks.shop.internal/x", "http://127.0.0.1:9000/x", "https://商店.example/"} {
		if _, err := g.Check(s); err != nil {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, s := range []string{"", "shop.example", "http://shop.example/", "ftp://shop.example/", "file:///etc/passwd", "javascript:alert(1)", "https://", "https:///x", "https://user:pw@shop.example/",
		"https://shop.example/#x", "https://localhost/", "https://LOCALHOST./", "https://x.localhost/", "https://printer.local/", "https://metadata.google.internal/", "https://intranet/",
		"https://127.0.0.1/", "http://127.0.0.1:9001/x", "https://127.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://0x7f.1/", "https://[::1]/",
		"https://[::ffff:127.0.0.1]/", "https://169.254.169.254/latest/meta-data", "https://10.0.0.1/", "https://[fe80::1%25eth0]/", "https://shop.example:0/", "https://shop.example:99999/",
		"https://shop.example:https/", "https://shop.example\r\nHost: x/", "https://" + strings.Repeat("a", 2000) + ".example/"} {
		if u, err := g.Check(s); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q is taken as %v (%v)", s, u, err)
		}
	}
}

// FuzzGuard: a URL that is taken without being named is https, holds no user, and
// its host is no address that is closed, however it is written.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{"https://shop.example/", "https://127.0.0.1/", "https://0x7f.1", "https://[::1]:443/", "http://a", "https://1.1.1.1:1/?q", "https://a@b/", "https://%31%32%37.0.0.1/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := Guard{}.Check(s)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		host := u.Hostname()
		if u.Scheme != "https" || u.User != nil || host == "" || strings.HasSuffix(strings.ToLower(strings.TrimSuffix(host, ".")), "localhost") {
			t.Fatalf("%q is taken as %q", s, u)
		}
		if a, err := netip.ParseAddr(host); err == nil && !Public(a) {
			t.Fatalf("%q reaches %v", s, a)
		}
		again, err := Guard{}.Check(u.String())
		if err != nil || again.String() != u.String() {
			t.Fatalf("%q is taken as %q, which is taken as %v (%v)", s, u, again, err)
		}
	})
}
