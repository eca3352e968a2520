package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"daozhang/internal/api"
	"daozhang/internal/console"
	"daozhang/internal/desk"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/gateway"
	"daozhang/internal/intake"
	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
	"daozhang/internal/payment"
	"daozhang/internal/risk"
	"daozhang/internal/store"
)

// platform is everything that serves, wired: the one place where the edges meet.
type platform struct {
	m    *Main
	c    *serveConfig
	log  *slog.Logger
	db   *store.Store
	keys keyring.Keyring
	shut func() error // of the keyring
	live inquiry

	registers registers
	calendars statedCalendars
	again     func() (*serveConfig, error) // reads the configuration anew
	dev       bool                         // keys are handed out to whom it names
	rules     *risk.Rules
	lines     []gateway.Line
	ranges    []gateway.CardRange

	office   *office          // nil: nobody to exchange files with
	intake   *intake.Intake   // what people bring
	pages    *console.Console // nil: none
	desk     *desk.Desk
	teller   *herald
	gateway  atomic.Pointer[gateway.Gateway]
	followed atomic.Int64 // facts that the investigation has taken
	reached  atomic.Value // store.Cursor up to which it has taken them
	caughtUp atomic.Bool
	answers  atomic.Uint64 // a payment.PartSet: of whose merchants it knows all
	division *division     // nil: this node has the database to itself
}

// openPlatform opens the store and the keyring and registers what the
// configuration names. Nothing is served yet.
func (m *Main) openPlatform(ctx context.Context, c *serveConfig, dev bool) (p *platform, err error) {
	p = &platform{m: m, c: c, dev: dev, log: slog.New(slog.NewTextHandler(m.Stderr, nil)), shut: func() error { return nil }}
	defer func() {
		if err != nil {
			p.close()
		}
	}()
	if c.Production {
		// Keys of production lie in a hardware module; none is built in yet, and the
		// software keyring says so.
		if _, err := keyring.Open(keyring.Options{Production: true}); err != nil {
			return p, err
		}
	}
	if p.db, err = store.Open(ctx, store.Options{Database: c.Database, Node: c.Node, Migrate: true}); err != nil {
		return p, err
	}
	if err = p.openKeyring(ctx, dev); err != nil {
		return p, err
	}
	if err = p.register(ctx); err != nil {
		return p, err
	}
	p.rules = risk.Floor()
	if c.Risk.Rules != "" {
		b, err := os.ReadFile(c.Risk.Rules)
		if err != nil {
			return p, openError(c.Risk.Rules, err)
		}
		if p.rules, err = risk.Compile(b); err != nil {
			return p, err
		}
	}
	if silent := p.rules.Asking("card_type"); len(p.ranges) == 0 && len(silent) > 0 {
		p.log.Warn("no card ranges are configured: nobody knows a credit card, and what asks for the type of card is silent", "silent", silent,
			"hint", "give ranges: [{from: \"625\", to: \"625\", type: credit}, …], from the network's table of BINs")
	}
	if dev {
		if err = p.handOutKeys(ctx, c); err != nil {
			return p, err
		}
	}
	if p.office, err = p.openOffice(ctx); err != nil {
		return p, err
	}
	p.intake = p.openIntake()
	live, err := p.newLive()
	if err != nil {
		return p, err
	}
	p.live.now.Store(live)
	if err = p.openDesk(); err != nil {
		return p, err
	}
	if err = p.openTeller(); err != nil {
		return p, err
	}
	return p, p.join(ctx)
}

func (p *platform) close() {
	if err := p.division.close(); err != nil {
		p.log.Error("membership not ended", "error", err)
	}
	p.teller.close()
	p.office.close()
	if p.db != nil {
		if err := p.db.Close(); err != nil {
			p.log.Error("store not closed", "error", err)
		}
	}
	if err := p.shut(); err != nil {
		p.log.Error("keyring not closed", "error", err)
	}
}

// openKeyring opens the software keyring, which refuses production. Beside an
// embedded database it lies in the data directory.
func (p *platform) openKeyring(ctx context.Context, dev bool) error {
	k := &p.c.Keyring
	embedded := !strings.Contains(p.c.Database, "://")
	if k.File == "" {
		switch {
		case embedded:
			k.File = filepath.Join(p.c.Database, "keyring")
		case k.Shared:
			k.File = "keyring" // beside which its secret lies
		default:
			return fault.New(fault.Usage, "open", "the keyring", errors.New("no file is named"),
				"set keyring.file, or keyring.shared to keep it in the database for all nodes")
		}
	}
	var secret []byte
	if v := p.m.Getenv("DAOZHANG_KEYRING_SECRET"); v != "" {
		secret = []byte(v)
	} else {
		name := k.SecretFile
		if name == "" {
			name = k.File + ".secret"
		}
		var err error
		if secret, err = os.ReadFile(name); errors.Is(err, fs.ErrNotExist) && k.SecretFile == "" {
			if _, held := os.Stat(k.File); held == nil {
				return fault.New(fault.NotFound, "open", name, errors.New("the keyring is there and its secret is not"), "put the secret back, or give it by DAOZHANG_KEYRING_SECRET")
			}
			secret, err = newSecret(name)
		}
		if err != nil {
			return openError(name, err)
		}
	}
	if dev && len(k.Transport) == 0 {
		var err error
		if k.Transport, err = p.developTransport(); err != nil {
			return err
		}
	}
	o := keyring.Options{Path: k.File, Secret: bytes.TrimSpace(secret), Production: p.c.Production, Transport: k.Transport}
	closeShared := func() error { return nil }
	if k.Shared {
		cabinet, err := p.db.Cabinet(ctx)
		if err != nil {
			return err
		}
		o.Shared, closeShared = cabinet, cabinet.Close
	}
	ring, err := keyring.Open(o)
	if err != nil {
		return errors.Join(err, closeShared())
	}
	p.keys, p.shut = ring, func() error { return errors.Join(ring.Close(), closeShared()) }
	return nil
}

// newSecret makes the secret that opens the keyring.
func newSecret(name string) ([]byte, error) {
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return nil, err
	}
	secret := []byte(hex.EncodeToString(raw))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(secret)
	return secret, errors.Join(err, f.Sync(), f.Close())
}

// register brings merchants and terminals of the configuration into the store,
// and reads links, routes and ranges.
func (p *platform) register(ctx context.Context) error {
	if err := p.enter(ctx, p.c); err != nil {
		return err
	}
	for i := range p.c.Links {
		l, err := p.line(&p.c.Links[i])
		if err != nil {
			return err
		}
		p.lines = append(p.lines, l)
	}
	routes, err := readRoutes(p.c.Routes)
	if err != nil {
		return err
	}
	p.registers.routes.Store(&routes)
	p.ranges, err = readRanges(p.c.Ranges)
	return err
}

// termsFact states a merchant's terms as evidence. The same terms are the same
// fact at every start.
func termsFact(x *merchantConfig, now time.Time) (payment.Evidence, error) {
	data := map[string]any{"mid": x.MID, "name": x.Name}
	for k, v := range map[string]string{"mcc": x.MCC, "timezone": x.Zone, "cutoff": x.Cutoff} {
		if v != "" {
			data[k] = v
		}
	}
	from := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	for k, v := range x.Terms {
		data[k] = v
		if s, ok := v.(string); ok && k == "valid_from" {
			if t, err := time.Parse(time.DateOnly, s); err == nil {
				from = t
			}
		}
	}
	if from.After(now) {
		from = now.UTC()
	}
	content, err := json.Marshal(data)
	if err != nil {
		return payment.Evidence{}, fault.New(fault.Usage, "read", "terms of "+x.MID, err, "")
	}
	sum := sha256.Sum256(content)
	event := map[string]any{"specversion": "1.0", "id": hex.EncodeToString(sum[:8]), "source": "institution/configuration", "type": "daozhang.merchant.terms",
		"time": from.Format(time.RFC3339), "data": data}
	line, err := json.Marshal(event)
	if err != nil {
		return payment.Evidence{}, err
	}
	set := evidence.NewSet()
	var why fault.Text
	if err := evidence.ReadNDJSON(bytes.NewReader(line), set.Writer(set.AddFile("terms")), func(_ int, w fault.Text) { why = w }); err != nil || !why.None() {
		return payment.Evidence{}, fault.New(fault.Usage, "read", "terms of "+x.MID, why, "the names are those of merchant.terms in the evidence contract")
	}
	return payment.Evidence{Source: "institution/configuration", ID: event["id"].(string), Type: evidence.MerchantTerms, Time: from, MID: x.MID, Line: line}, nil
}

func (p *platform) line(x *linkConfig) (gateway.Line, error) {
	l := gateway.Line{Name: x.Name, Network: x.Network, Address: x.Address, Connections: x.Connections, MaxInFlight: x.MaxInFlight, NoSignOn: x.NoSignOn,
		Echo: x.Echo, EchoWithin: x.EchoWithin, RetryMost: x.RetryMost}
	if x.TLS.CA != "" || x.TLS.ServerName != "" || x.TLS.Cert != "" {
		config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: x.TLS.ServerName}
		if x.TLS.CA != "" {
			pool, err := certificates(x.TLS.CA)
			if err != nil {
				return l, err
			}
			config.RootCAs = pool
		}
		if x.TLS.Cert != "" {
			pair, err := tls.LoadX509KeyPair(x.TLS.Cert, x.TLS.Key)
			if err != nil {
				return l, fault.New(fault.Usage, "read", x.TLS.Cert, err, "")
			}
			config.Certificates = []tls.Certificate{pair}
		}
		if config.ServerName == "" {
			config.ServerName, _, _ = net.SplitHostPort(x.Address)
		}
		l.TLS = config
	}
	if x.Master.Cipher != "" && !p.keys.HasMaster(keyring.Link(x.Name)) {
		w, err := wrapped(x.Master.Cipher, x.Master.KCV)
		if err == nil {
			err = p.keys.InstallMaster(keyring.Link(x.Name), w)
		}
		if err != nil {
			return l, fault.New(fault.Usage, "take over", "the zone master key of "+x.Name, err, "compare its check value and the transport key with the network's")
		}
	}
	return l, nil
}

// wrapped reads a key under the transport key and its check value.
func wrapped(cipher, kcv string) (keyring.Wrapped, error) {
	var w keyring.Wrapped
	c, err := hex.DecodeString(cipher)
	v, err2 := hex.DecodeString(kcv)
	if err != nil || err2 != nil || len(v) != 3 && len(v) != 4 {
		return w, errors.New("key and check value are hexadecimal, the check value 6 or 8 digits")
	}
	w.Cipher, w.ShortKCV = c, len(v) == 3
	copy(w.KCV[:], v)
	return w, nil
}

func certificates(name string) (*x509.CertPool, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, openError(name, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, fault.New(fault.Usage, "read", name, errors.New("it holds no certificate in PEM"), "")
	}
	return pool, nil
}

// startGateway begins to take payments from what the store holds.
func (p *platform) startGateway(ctx context.Context) (*gateway.Gateway, error) {
	state := &store.State{}
	if p.division == nil { // else parts are adopted one after the other
		var err error
		if state, err = p.db.Load(ctx); err != nil {
			return nil, err
		}
	}
	c := p.c
	policy := payment.DefaultPolicy(c.Node)
	policy.AnswerWithin, policy.LastArrival, policy.RepeatFirst, policy.RepeatMost = c.Payment.AnswerWithin, c.Payment.LastArrival, c.Payment.RepeatFirst, c.Payment.RepeatMost
	policy.ExceptionAfter, policy.MaxAmount = c.Payment.ExceptionAfter, c.Payment.MaxAmount
	book := payment.NewBook(policy, &p.registers, risk.NewDoor(p.rules))
	book.Restore(&payment.Step{Transactions: state.Transactions, Outgoing: state.Outgoing, Batches: state.Batches, Exceptions: state.Exceptions}, state.More)
	dialect, err := iso8583.Lookup(c.Door.Dialect)
	if err != nil {
		return nil, err
	}
	door := gateway.Door{Address: c.Listen.Terminals, Dialect: dialect, MaxConnections: c.Door.MaxConnections, Idle: c.Door.Idle,
		FrameWithin: c.Door.FrameWithin, WriteWithin: c.Door.WriteWithin, Unsigned: c.Door.Unsigned, LeastVersion: c.Door.LeastVersion}
	if c.TLS.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.TLS.Cert, c.TLS.Key)
		if err != nil {
			return nil, fault.New(fault.Usage, "read", c.TLS.Cert, err, "")
		}
		door.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
		if c.TLS.ClientCA != "" {
			if door.TLS.ClientCAs, err = certificates(c.TLS.ClientCA); err != nil {
				return nil, err
			}
			door.TLS.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	return gateway.Start(gateway.Options{Exchange: gateway.Config{Routes: p.registers.ways(), Older: state.More, Division: p.division.share()}, Neighbours: p.division.gateways(door.TLS), Book: book, Directory: &p.registers, Store: p.db,
		Keys: p.keys, Door: door, Lines: append([]gateway.Line(nil), p.lines...), Ranges: p.ranges, Acquirer: c.Acquirer, DrainWithin: c.Drain, Now: p.m.Now, Log: p.log})
}

// run serves until ctx ends. A gateway that halted, because the database did not
// say what it had kept, is started again from the store.
func (p *platform) run(ctx context.Context, serving func(terminals, web string) error) error {
	web, err := net.Listen("tcp", p.c.Listen.HTTP)
	if err != nil {
		return fault.New(fault.Internal, "listen for HTTP", p.c.Listen.HTTP, err, "choose a free port, or :0 for any")
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), &meter{p})
	handler := api.New(p.apiOptions(registry), registry)
	proxies, err := p.c.proxies()
	if err != nil {
		return err
	}
	server := api.NewHTTP(web.Addr().String(), console.Behind(proxies, console.Beside(p.pages, handler)))
	beside, stop := context.WithCancel(context.WithoutCancel(ctx))
	var work sync.WaitGroup
	if p.pages != nil {
		server.RegisterOnShutdown(p.pages.Close) // pages that watch would keep it open
	}
	failed := make(chan error, 1)
	work.Go(func() {
		if err := server.Serve(web); err != nil && beside.Err() == nil {
			failed <- fault.New(fault.Internal, "serve HTTP", web.Addr().String(), err, "")
		}
	})
	work.Go(func() { p.follow(beside) })
	atWork, endWork := context.WithCancel(ctx)
	work.Go(func() { p.office.run(atWork) })
	work.Go(func() { p.watchFiles(atWork) })
	work.Go(p.keepRegisters(beside))
	work.Go(func() { p.keepDesk(beside) })
	work.Go(func() { p.teller.run(beside) })
	work.Go(func() { p.division.keep(beside) })
	defer func() {
		p.gateway.Store(nil)
		endWork()
		stop()
		end, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if server.Shutdown(end) != nil {
			server.Close()
		}
		work.Wait()
	}()
	pause := 100 * time.Millisecond
	for first := true; ; first = false {
		g, err := p.startGateway(ctx)
		if err != nil && first {
			return err
		}
		if err == nil {
			p.gateway.Store(g)
			p.c.Listen.Terminals = g.Addr() // the same port when it starts again
			if err = p.division.begin(ctx, g, web.Addr().String()); err == nil && first {
				err = serving(g.Addr(), web.Addr().String())
			}
			if err != nil {
				g.Stop()
				err = errors.Join(err, g.Wait())
				if first {
					return err
				}
			}
		}
		if err == nil {
			pause = 100 * time.Millisecond
			select {
			case <-ctx.Done():
				p.log.Info("draining")
				p.division.leave(g)
				g.Stop()
				return g.Wait()
			case err := <-failed:
				g.Stop()
				return errors.Join(err, g.Wait())
			case <-g.Done():
				err = g.Wait()
			}
		}
		p.gateway.Store(nil)
		p.division.ended()
		p.log.Error("gateway ended; it starts again from the store", "error", err, "in", pause)
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			return err
		case <-time.After(pause):
			pause = min(2*pause, 5*time.Second)
		}
	}
}

// ready says why the platform cannot take payments; nil where it can.
func (p *platform) ready(ctx context.Context) error {
	if p.gateway.Load() == nil {
		return errors.New("the gateway is not running")
	}
	if !p.caughtUp.Load() {
		return errors.New("the investigation is still reading the evidence")
	}
	return p.db.Ping(ctx)
}

// release ends a risk hold at the gateway, which alone changes transactions.
func (p *platform) release(ctx context.Context, t *payment.Transaction, maker, checker string) error {
	g := p.gateway.Load()
	if g == nil {
		return fault.New(fault.Internal, fault.Say("release payment", "解除支付冻结"), t.ID.String(), nil, fault.Say("the gateway is starting; try again", "网关正在启动，请重试"))
	}
	return g.Release(ctx, t, maker, checker)
}

// versionFacts is what GET /version tells.
func versionFacts() map[string]string {
	facts := map[string]string{"name": "daozhang", "version": release, "go": runtime.Version()}
	if info, ok := debug.ReadBuildInfo(); ok {
		if facts["version"] == "" {
			facts["version"] = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				facts["revision"] = s.Value
			}
		}
	}
	if facts["version"] == "" {
		facts["version"] = "(devel)"
	}
	return facts
}

func hexOf(b []byte) string { return strings.ToUpper(fmt.Sprintf("%x", b)) }
