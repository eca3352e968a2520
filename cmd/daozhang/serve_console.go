package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/console"
	"daozhang/internal/diagnosis"
	"daozhang/internal/fault"
	"daozhang/internal/keyring"
)

// consoleConfig is what `daozhang serve` is told about its web pages.
type consoleConfig struct {
	// Enabled serves them beside the API, on the same address.
	Enabled bool `koanf:"enabled"`
	// Title names the installation in the head of every page.
	Title string `koanf:"title"`
	// URL is how browsers reach the pages, as https://pay.example: it stands in the
	// links that people are sent. Where it begins with https the session's cookie is
	// for encrypted connections only.
	URL string `koanf:"url"`
	// MerchantsWithoutFactor lets people of merchants sign in by a password alone.
	MerchantsWithoutFactor bool `koanf:"merchants_without_factor"`
}

// consoleSettings are the single values of the console with their defaults.
var consoleSettings = []setting{{"console.enabled", true}, {"console.title", ""}, {"console.url", ""}, {"console.merchants_without_factor", false}}

// checkConsole finds what cannot be meant of the pages and of what stands before
// them.
func (c *serveConfig) checkConsole() error {
	op := fault.Say("read the configuration", "读取配置")
	if s := c.Console.URL; s != "" {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.User != nil {
			return fault.New(fault.Usage, op, "console.url", fault.Say("it is not the address of a site", "不是网站地址"), fault.Say("write for example https://pay.example", "例如 https://pay.example"))
		}
		c.Console.URL = u.Scheme + "://" + u.Host
	}
	_, err := c.proxies()
	return err
}

// proxies are the addresses of what stands between browsers and this process.
func (c *serveConfig) proxies() (all []netip.Prefix, err error) {
	for _, s := range strings.FieldsFunc(strings.Join(c.HTTP.Proxies, ","), func(r rune) bool { return r == ',' || r == ' ' }) {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			a, err := netip.ParseAddr(s)
			if err != nil {
				return nil, fault.New(fault.Usage, fault.Say("read the configuration", "读取配置"), "http.proxies", fault.Say("%q is neither an address nor a network", "%q 既不是地址也不是网段", s),
					fault.Say("write for example 10.0.0.0/8, or ::1", "例如 10.0.0.0/8 或 ::1"))
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		all = append(all, p)
	}
	return all, nil
}

// secure reports whether the session's cookie is for encrypted connections only:
// always, but where the pages are for this machine alone or are said to be plain.
func (c *serveConfig) secure() bool {
	if c.Console.URL != "" {
		return strings.HasPrefix(c.Console.URL, "https://")
	}
	host, _, err := net.SplitHostPort(c.Listen.HTTP)
	ip := net.ParseIP(host)
	return err != nil || host != "localhost" && (ip == nil || !ip.IsLoopback())
}

// consoleOptions is what the pages of this platform are made with, for `serve` and
// for `demo`: everything but who comes in without signing in. What a page needs
// beside that is made in a file of its own, with one line here.
func (p *platform) consoleOptions() (console.Options, error) {
	catalogue, err := diagnosis.Load()
	if err != nil {
		return console.Options{}, err
	}
	issuer := p.c.Console.Title
	if issuer == "" {
		issuer = "daozhang"
	}
	return console.Options{Live: &p.live, Desk: p.desk, Developers: p.teller.developersPages(), Catalogue: catalogue, Title: p.c.Console.Title, Zone: p.desk.Zone, Origin: p.c.Console.URL, Audit: p.db, Intake: p.intake, Views: p.db, Payouts: p.db, Now: p.m.Now, Log: p.log,
		SignIn: &console.SignIn{People: p.db, Sessions: p.db.Sessions(time.Now), Issuer: issuer, Secure: p.c.secure(), Site: p.c.Console.URL,
			Policy: access.Policy{Sealer: sealer{p.keys, "second factor"}, MerchantsSpared: p.c.Console.MerchantsWithoutFactor}}}, nil
}

// openPages gives `serve` its pages.
func (p *platform) openPages() error {
	if !p.c.Console.Enabled {
		return nil
	}
	o, err := p.consoleOptions()
	if err != nil {
		return err
	}
	if u := p.c.Console.URL; strings.HasPrefix(u, "http://") {
		p.log.Warn("the pages are reached without encryption: whoever is on the way reads passwords", "url", u, "hint", "let something end TLS before it, and set console.url to https://…")
	}
	p.pages = console.New(o)
	return nil
}

// welcome sees to it that somebody can come in: where nobody of the institution is
// on record it invites one, and shows the one-time link, here and at no later start.
func (p *platform) welcome(ctx context.Context, web string) error {
	if p.pages == nil {
		return nil
	}
	some, err := p.db.Users(ctx, access.UserFilter{Role: access.Institution}, "", 1)
	if err != nil || len(some) > 0 {
		return err
	}
	c, secret, err := access.Invite(p.m.Now(), access.System, access.User{Name: "admin", Role: access.Institution, Lang: p.m.lang})
	if err != nil {
		return err
	}
	if err := p.db.CommitUser(ctx, &c); err != nil {
		if fault.KindOf(err) == fault.Conflict {
			return nil // another node was first
		}
		return err
	}
	p.m.line(fmt.Sprintf(p.m.say(text{"daozhang: nobody can sign in yet. Set up the first access, of %s, within %.0f hours:", "daozhang：还没有人可以登录。请在 %[2].0f 小时内设置第一个账号 %[1]s："}),
		c.User.Name, access.InvitationLasts.Hours()))
	p.m.line("  " + site(p.c.Console.URL, web) + console.SetUpPath(c.User.Name, secret))
	return nil
}

// site is the address under which browsers find the pages: as it is set, else the
// one that is listened at.
func site(set, listening string) string {
	if set != "" {
		return set
	}
	host, port, err := net.SplitHostPort(listening)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		listening = net.JoinHostPort("localhost", port)
	}
	return "http://" + listening
}

// sealer keeps the secrets of one use in the keyring; it is an access.Sealer.
type sealer struct {
	keys keyring.Keyring
	use  string
}

func (s sealer) Seal(plain []byte) ([]byte, error)  { return s.keys.SealSecret(plain, s.use) }
func (s sealer) Open(sealed []byte) ([]byte, error) { return s.keys.OpenSecret(sealed, s.use) }
