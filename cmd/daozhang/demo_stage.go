package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/api"
	"daozhang/internal/api/client"
	"daozhang/internal/console"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/gateway"
	"daozhang/internal/store"
	"daozhang/internal/world/bank"
	"daozhang/internal/world/demo"
	"daozhang/internal/world/journal"
	"daozhang/internal/world/pos"
)

// demoLink is the line to the network.
const demoLink = "network"

// stage is everything that plays a story: the platform as `daozhang serve` runs
// it, the network's host and the tills, each on its own sockets, with one clock.
type stage struct {
	m      *Main // with the story's clock and a log in place of Stderr
	script *demo.Script
	clock  *storyClock
	dir    string

	p    *platform
	host *bank.Bank
	// behaviour of the host at present.
	behaviour bank.Scenario
	tills     map[string]*till
	market    *market
	listeners *listeners        // of webhooks
	key       string            // of the API
	witnesses map[string]string // keys by name
	notices   map[string]bool   // of the payer that were brought
	door, web string            // addresses

	ended chan error // of the platform
	stop  context.CancelFunc
	log   *os.File
}

// till is one terminal and how far its telemetry has been handed in.
type till struct {
	cfg pos.Config
	t   *pos.Terminal
	// told is how many bytes of its evidence.ndjson the platform has.
	told int64
}

// openStage sets everything up in a data directory and waits until a sale could be
// made.
func (m *Main) openStage(ctx context.Context, script *demo.Script, dir string) (s *stage, err error) {
	s = &stage{script: script, clock: newStoryClock(script.First.In(script.Zone).Add(7 * time.Hour)), dir: dir, tills: map[string]*till{}, witnesses: map[string]string{}, notices: map[string]bool{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.log, err = os.Create(filepath.Join(dir, "daozhang.log")); err != nil {
		return nil, openError(dir, err)
	}
	own := *m
	own.Stderr, own.Now, own.Zone = s.log, s.clock.now, script.Zone
	s.m = &own
	c, err := s.config()
	if err != nil {
		return nil, err
	}
	if s.p, err = s.m.openPlatform(ctx, c, true); err != nil {
		return nil, err
	}
	devices, transport, link, err := readDevices(s.p.devKeysFile())
	if err != nil {
		return nil, err
	}
	if err := s.startHost(ctx, transport, link); err != nil {
		return nil, err
	}
	s.p.lines[0].Address = s.host.Addr()
	if s.market, err = s.openMarket(ctx); err != nil {
		return nil, err
	}
	if err := s.serve(ctx); err != nil {
		return nil, err
	}
	if err := s.openListeners(ctx); err != nil {
		return nil, err
	}
	for _, d := range devices {
		cfg := pos.Config{Address: s.door, TID: d.TID, MID: d.MID, Dir: filepath.Join(dir, "tills", d.TID), Sync: journal.Never, Transport: transport,
			Master: d.Master, Seed: script.Seed, Now: s.clock.now, Printer: io.Discard}
		t, err := pos.New(cfg)
		if err != nil {
			return nil, err
		}
		s.tills[d.TID] = &till{cfg: cfg, t: t}
		if err := t.SignOn(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// config is what `serve` would be told for this story.
func (s *stage) config() (*serveConfig, error) {
	c, err := s.m.readServeConfig("", map[string]any{"database": filepath.Join(s.dir, "data"), "listen.terminals": "127.0.0.1:0",
		"listen.http": "127.0.0.1:0", "acquirer": "48270000", "http.rate": 1000, "notify.allow_hosts": "127.0.0.1", "notify.every": "500ms", "console.title": s.m.say(text{"demo", "演示"})})
	if err != nil {
		return nil, err
	}
	for i := range s.script.Shops {
		shop := &s.script.Shops[i]
		c.Merchants = append(c.Merchants, merchantConfig{MID: shop.MID, Name: shop.Name.In(s.m.lang), MCC: shop.MCC, Currency: "CNY", Zone: s.script.Zone.String(),
			Cutoff: "24:00"})
		for _, t := range shop.Tills {
			c.Terminals = append(c.Terminals, terminalConfig{TID: t.TID, MID: shop.MID, Model: t.Model})
		}
	}
	c.Links = []linkConfig{{Name: demoLink, Network: "UnionPay", Address: "127.0.0.1:0", RetryMost: 200 * time.Millisecond}}
	for _, i := range s.script.Issuers {
		c.Ranges = append(c.Ranges, rangeConfig{From: i.Range, To: i.Range, Type: i.Type})
		c.Routes = append(c.Routes, routeConfig{From: i.Range, To: i.Range, Issuer: i.Name, Links: []string{demoLink}})
	}
	return c, c.check()
}

// startHost starts the network's host: it answers for every issuer.
func (s *stage) startHost(ctx context.Context, transport []string, link *pos.Device) error {
	if link == nil {
		return fault.New(fault.Internal, "start", "the network's host", errors.New("its key is missing"), "")
	}
	s.behaviour = s.script.Network
	behaviour := s.behaviour
	var err error
	s.host, err = bank.Start(context.WithoutCancel(ctx), bank.Config{Link: demoLink, Journal: filepath.Join(s.dir, "network", "journal.ndjson"), Sync: journal.Never,
		Clearing: s.folder("network", "clearing"), Incoming: s.folder("bank", "incoming"), Scenario: &behaviour, Transport: transport, Master: link.Master, Now: s.clock.now})
	return err
}

// serve runs the platform and waits until its line to the network is up.
func (s *stage) serve(ctx context.Context) error {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop, s.ended = stop, make(chan error, 1)
	if err := s.open(); err != nil {
		return err
	}
	ready := make(chan struct{})
	go func() {
		s.ended <- s.p.run(running, func(terminals, web string) error {
			s.door, s.web = terminals, web
			close(ready)
			return nil
		})
	}()
	select {
	case <-ready:
	case err := <-s.ended:
		s.stop = nil
		return errors.Join(err, errors.New("the platform did not start"))
	}
	keys, err := s.p.readDevKeys()
	if err != nil {
		return err
	}
	s.key = keys.APIKey
	if err := s.admit(ctx); err != nil {
		return err
	}
	return s.until(ctx, "the line to the network is up", func() bool {
		n, ok := s.snapshot(ctx)
		return ok && len(n.Links) > 0 && n.Links[0].State == evidence.Up
	})
}

// open gives the platform its pages, for whoever sits at this machine.
func (s *stage) open() error {
	o, err := s.p.consoleOptions()
	if err != nil {
		return err
	}
	o.Cast = []console.Person{
		{Name: s.m.say(text{"demo", "演示"}), Role: access.Institution},
		{Name: s.m.say(text{"colleague", "同事"}), Role: access.Institution}, // who checks what the first has made
		{Name: s.m.say(text{"auditor", "审计员"}), Role: access.Auditor},
	}
	for i := range s.script.Shops {
		o.Cast = append(o.Cast, console.Person{Name: s.script.Shops[i].Name.In(s.m.lang), Role: access.Merchant, MID: s.script.Shops[i].MID})
	}
	s.p.pages = console.New(o)
	return nil
}

// patience is how long, in real time, the stage waits for something that its
// parts do by themselves.
const patience = 60 * time.Second

// until waits for something that happens on another goroutine.
func (s *stage) until(ctx context.Context, what string, ok func() bool) error {
	for end := time.Now().Add(patience); !ok(); {
		if time.Now().After(end) {
			return fault.New(fault.Internal, "wait until", what, errors.New("it takes too long"), "see "+s.log.Name())
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-s.ended:
			s.ended <- err
			return fault.New(fault.Internal, "wait until", what, errors.Join(errors.New("the platform ended"), err), "see "+s.log.Name())
		case <-time.After(2 * time.Millisecond):
		}
	}
	return nil
}

// close ends everything, tills first.
func (s *stage) close() error {
	var errs []error
	for _, t := range s.tills {
		errs = append(errs, t.t.Close())
	}
	if s.stop != nil {
		s.stop()
		errs = append(errs, <-s.ended)
	}
	if s.host != nil {
		errs = append(errs, s.host.Close())
	}
	if s.market != nil {
		errs = append(errs, s.market.payer.Close())
	}
	errs = append(errs, s.closeListeners())
	if s.p != nil {
		s.p.close()
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	return errors.Join(errs...)
}

// announced gives the platform what the bank that pays the shops has announced.
func (s *stage) announced(ctx context.Context) error {
	found, err := filepath.Glob(s.folder("bank", "notices", "*.ndjson"))
	if err != nil {
		return err
	}
	for _, name := range found {
		if s.notices[name] {
			continue
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return openError(name, err)
		}
		if err := s.bring(ctx, "payer", b); err != nil {
			return err
		}
		s.notices[name] = true
	}
	return nil
}

// handIn gives the platform what the tills have told since the last time.
func (s *stage) handIn(ctx context.Context) error {
	for i := range s.script.Shops {
		for _, x := range s.script.Shops[i].Tills {
			t := s.tills[x.TID]
			b, err := os.ReadFile(filepath.Join(t.cfg.Dir, "evidence.ndjson"))
			if err != nil {
				return openError(t.cfg.Dir, err)
			}
			if err := s.bring(ctx, "tills", b[t.told:]); err != nil {
				return fmt.Errorf("telemetry of %s: %w", x.TID, err)
			}
			t.told = int64(len(b))
		}
	}
	return nil
}

// bring gives the platform facts over HTTP, with the key of a witness.
func (s *stage) bring(ctx context.Context, witness string, lines []byte) error {
	if len(lines) == 0 {
		return nil
	}
	c := client.Client{URL: "http://" + s.web, Key: s.witnesses[witness], Lang: s.m.lang}
	return c.Bring(ctx, lines)
}

// admit makes the keys with which witnesses bring their facts.
func (s *stage) admit(ctx context.Context) error {
	for name, k := range map[string]store.APIKey{
		"tills":  {Role: string(api.RoleTerminal), Sources: []string{"terminal/*"}},
		"issuer": {Role: string(api.RoleIssuer), Sources: []string{"bank/*"}},
		"payer":  {Role: string(api.RoleBank), Sources: []string{"bank/*"}},
	} {
		id, secret, err := newAPIKey()
		if err != nil {
			return err
		}
		k.ID, k.Name, k.Created = id, name, s.clock.now()
		if err := s.p.db.CreateKey(ctx, k, store.HashKey(secret)); err != nil {
			return err
		}
		s.witnesses[name] = secret
	}
	return nil
}

// snapshot is the gateway's state; false where it does not run.
func (s *stage) snapshot(ctx context.Context) (gateway.Snapshot, bool) {
	g := s.p.gateway.Load()
	if g == nil {
		return gateway.Snapshot{}, false
	}
	n, err := g.Snapshot(ctx)
	return n, err == nil
}

// caughtUp waits until the investigation knows all that is on record, and what time
// it is.
func (s *stage) caughtUp(ctx context.Context) error {
	err := s.until(ctx, "the investigation knows all facts", func() bool { return s.p.abreast(ctx) })
	s.p.advance(s.p.live.now.Load())
	return err
}
