package main

import (
	"context"
	"crypto/x509"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/api"
	"daozhang/internal/calendar"
	"daozhang/internal/console"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/notify"
	"daozhang/internal/notify/courier"
	"daozhang/internal/payment"
	"daozhang/internal/store"
)

// notifyConfig is what is told about notifications.
type notifyConfig struct {
	// Every is the time between looks for what is new.
	Every time.Duration `koanf:"every"`
	// Keep is how long events and what became of them are kept.
	Keep time.Duration `koanf:"keep"`
	// Together is how many payments of one merchant that fall overdue at once are told
	// one by one; more are one event.
	Together int `koanf:"together"`
	// AllowHosts are hosts, with or without port, that webhooks reach although they
	// are not of the internet, also without encryption. In the environment they are
	// separated by commas.
	AllowHosts []string      `koanf:"allow_hosts"`
	Within     time.Duration `koanf:"within"`
	// DisableAfter is for how long a receiver may fail.
	DisableAfter time.Duration `koanf:"disable_after"`
	SMTP         smtpConfig    `koanf:"smtp"`
}

// smtpConfig is the mail server.
type smtpConfig struct {
	Host string `koanf:"host"`
	Port int    `koanf:"port"`
	// Security is starttls, tls or none.
	Security     string `koanf:"security"`
	User         string `koanf:"user"`
	Password     string `koanf:"password"`
	PasswordFile string `koanf:"password_file"`
	From         string `koanf:"from"`
	// CA is a file of authorities beside the system's.
	CA string `koanf:"ca"`
}

// notifySettings are the defaults of notifyConfig.
var notifySettings = []setting{{"notify.every", "5s"}, {"notify.keep", "2160h"}, {"notify.together", 20}, {"notify.allow_hosts", ""}, {"notify.within", "15s"},
	{"notify.disable_after", "120h"}, {"notify.smtp.host", ""}, {"notify.smtp.port", 0}, {"notify.smtp.security", "starttls"}, {"notify.smtp.user", ""},
	{"notify.smtp.password", ""}, {"notify.smtp.password_file", ""}, {"notify.smtp.from", ""}, {"notify.smtp.ca", ""}}

func (c *notifyConfig) guard() notify.Guard {
	return notify.Guard{Hosts: strings.FieldsFunc(strings.Join(c.AllowHosts, ","), func(r rune) bool { return r == ',' || r == ' ' })}
}

// courierOf makes the carrier of a configuration.
func courierOf(c *notifyConfig) (*courier.Courier, error) {
	s := c.SMTP
	o := courier.Options{Guard: c.guard(), Within: c.Within, Agent: "daozhang/" + versionFacts()["version"],
		SMTP: courier.SMTP{Host: s.Host, Port: s.Port, Security: s.Security, User: s.User, Password: s.Password, From: s.From}}
	if s.PasswordFile != "" {
		b, err := os.ReadFile(s.PasswordFile)
		if err != nil {
			return nil, openError(s.PasswordFile, err)
		}
		o.SMTP.Password = strings.TrimSpace(string(b))
	}
	if s.CA != "" {
		pem, err := os.ReadFile(s.CA)
		if err != nil {
			return nil, openError(s.CA, err)
		}
		if o.Roots, err = x509.SystemCertPool(); err != nil {
			o.Roots = x509.NewCertPool()
		}
		if !o.Roots.AppendCertsFromPEM(pem) {
			return nil, fault.New(fault.Usage, fault.Say("read the configuration", "读取配置"), "notify.smtp.ca", fault.Say("it holds no certificate in PEM", "不含 PEM 证书"), fault.Text{})
		}
	}
	return courier.New(o)
}

// herald is the platform's part of notifications: what is told, by whom, and the log
// of what programs ask.
type herald struct {
	p       *platform
	carrier *courier.Courier
	lead    *store.Lead
	*notify.Notifier
	calls chan access.Call
}

// openTeller makes the platform's notifier; nothing is told before run.
func (p *platform) openTeller() error {
	c := &p.c.Notify
	carrier, err := courierOf(c)
	if err != nil {
		return err
	}
	zone, err := calendar.Location(p.c.BackOffice.Zone)
	if err != nil {
		return wrongOffice("backoffice.zone", err)
	}
	p.teller = &herald{p: p, carrier: carrier, lead: p.db.Lead("notify"), calls: make(chan access.Call, 4096),
		Notifier: notify.New(notify.Options{Keeper: p.db, Sealer: sealer{p.keys, "webhook"}, Courier: carrier, Guard: c.guard(), Policy: notify.Policy{Most: c.Together},
			Mails: c.SMTP.Host != "", Site: p.c.Console.URL, Zone: zone, Now: p.m.Now, Keep: c.Keep, Patience: c.DisableAfter, Log: p.log})}
	return nil
}

func (t *herald) close() {
	if t != nil {
		t.lead.Close()
		t.carrier.Close()
	}
}

// run tells until ctx ends.
func (t *herald) run(ctx context.Context) {
	var work sync.WaitGroup
	work.Go(func() { t.Run(ctx, notify.Rounds{Every: t.p.c.Notify.Every, Read: t.look, Lead: t.lead.Held}) })
	work.Go(func() { t.keepCalls(ctx) })
	work.Wait()
}

// look is what this node's investigation says of the merchants of which it knows
// all; nil until it knows what is on record.
func (t *herald) look(marks []notify.Mark) (picture *notify.Picture) {
	p := t.p
	if !p.caughtUp.Load() {
		return nil
	}
	parts := payment.PartSet(p.answers.Load())
	holds := func(mid string) bool { return p.division == nil || parts.Has(payment.PartOf(mid)) }
	p.live.Read(func(now *investigation.Current) { picture = notify.Look(now, marks, holds) })
	return picture
}

// seen takes a request into the log of what programs ask. Where they ask faster than
// it can be written, some are left out: the log is for people to look at.
func (t *herald) seen(c access.Call) {
	select {
	case t.calls <- c:
	default:
	}
}

// keepCalls writes the log every second.
func (t *herald) keepCalls(ctx context.Context) {
	log := t.p.db.CallLog()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true
		case <-tick.C:
		}
		var list []access.Call
		for more := true; more; {
			select {
			case c := <-t.calls:
				list = append(list, c)
			default:
				more = false
			}
		}
		if err := log.Keep(context.WithoutCancel(ctx), list); err != nil {
			t.p.log.Error("requests not logged", "error", err)
		}
	}
}

// developers is what the API has of it.
func (t *herald) developers() *api.Developers {
	return &api.Developers{Notifier: t.Notifier, Keys: t.p.keyDesk(), Audit: t.p.db, Seen: t.seen}
}

// developersPages is what the console has of it.
func (t *herald) developersPages() *console.Developers {
	return &console.Developers{Notifier: t.Notifier, Keys: t.p.keyDesk(), Calls: t.p.db}
}

func (p *platform) keyDesk() *keyDesk { return &keyDesk{db: p.db, now: p.m.Now} }

// keyDesk makes and ends API keys; it is an access.Keys.
type keyDesk struct {
	db  *store.Store
	now func() time.Time
}

var _ access.Keys = (*keyDesk)(nil)

var opKey = fault.Say("make API key", "生成 API 密钥")

// Roles implements access.Keys.
func (d *keyDesk) Roles() []string { return api.Roles() }

// Keys implements access.Keys.
func (d *keyDesk) Keys(ctx context.Context) ([]access.Key, error) {
	all, err := d.db.Keys(ctx)
	out := make([]access.Key, len(all))
	for i, k := range all {
		out[i] = access.Key{ID: k.ID, Name: k.Name, Role: k.Role, MID: k.MID, Sources: k.Sources, Created: k.Created, Used: k.Used, Revoked: k.Revoked}
	}
	return out, err
}

// checkKey says what is wrong with a key.
func checkKey(k *access.Key) error {
	refuse := func(why fault.Text) error { return fault.New(fault.Invalid, opKey, "", why, fault.Text{}) }
	k.Name, k.MID = strings.TrimSpace(k.Name), strings.TrimSpace(k.MID)
	if _, ok := api.ParseRole(k.Role); !ok {
		return refuse(fault.Say("the role is one of %s", "角色可为 %s", strings.Join(api.Roles(), ", ")))
	}
	if k.Role == string(api.RoleMerchant) && k.MID == "" {
		return refuse(fault.Say("a merchant's key names its merchant", "商户密钥必须指定商户号"))
	}
	if len(k.Name) > 100 || len(k.MID) > 64 || len(k.Sources) > 20 {
		return refuse(fault.Say("a name has up to 100 bytes, and there are up to 20 sources", "名称不超过 100 字节，来源不超过 20 个"))
	}
	k.Sources = slices.DeleteFunc(slices.Clone(k.Sources), func(s string) bool { return strings.TrimSpace(s) == "" })
	for i, s := range k.Sources {
		k.Sources[i] = strings.TrimSpace(s)
		if s == "*" || strings.HasPrefix(s, "gateway") || len(s) > 200 {
			return refuse(fault.Say("a source names the witness, such as bank/ICBC; the gateway's own is nobody's", "来源须写明证人，如 bank/ICBC；网关自身的来源不可授予"))
		}
	}
	if k.Name == "" {
		k.Name = k.Role
	}
	return nil
}

// MakeKey implements access.Keys.
func (d *keyDesk) MakeKey(ctx context.Context, k access.Key) (access.Key, string, error) {
	if err := checkKey(&k); err != nil {
		return k, "", err
	}
	id, secret, err := newAPIKey()
	if err != nil {
		return k, "", err
	}
	k = access.Key{ID: id, Name: k.Name, Role: k.Role, MID: k.MID, Sources: k.Sources, Created: d.now()}
	return k, secret, d.db.CreateKey(ctx, store.APIKey{ID: k.ID, Name: k.Name, Role: k.Role, MID: k.MID, Sources: k.Sources, Created: k.Created}, store.HashKey(secret))
}

func (d *keyDesk) one(ctx context.Context, id string) (access.Key, error) {
	all, err := d.Keys(ctx)
	if i := slices.IndexFunc(all, func(k access.Key) bool { return k.ID == id }); i >= 0 {
		return all[i], nil
	}
	if err == nil {
		err = fault.New(fault.NotFound, fault.Say("find API key", "查找 API 密钥"), "", fault.Say("there is none of this id", "没有此编号的密钥"), fault.Text{})
	}
	return access.Key{}, err
}

// RotateKey implements access.Keys.
func (d *keyDesk) RotateKey(ctx context.Context, id string, grace time.Duration) (access.Key, string, error) {
	k, err := d.one(ctx, id)
	if err != nil {
		return k, "", err
	}
	if !k.Revoked.IsZero() {
		return k, "", fault.New(fault.Conflict, fault.Say("rotate API key", "轮换 API 密钥"), id, fault.Say("it ends or has ended already", "该密钥已吊销或即将失效"), fault.Say("make a new one", "请新建密钥"))
	}
	made, secret, err := d.MakeKey(ctx, k)
	if err != nil {
		return made, "", err
	}
	return made, secret, d.db.RevokeKey(ctx, id, d.now().Add(grace))
}

// RevokeKey implements access.Keys.
func (d *keyDesk) RevokeKey(ctx context.Context, id string) error {
	if _, err := d.one(ctx, id); err != nil {
		return err
	}
	return d.db.RevokeKey(ctx, id, d.now())
}
