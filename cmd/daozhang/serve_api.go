package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"daozhang/internal/api"
	"daozhang/internal/fault"
	"daozhang/internal/store"
)

// apiOptions is what the HTTP surface for programs is made with: one line a
// feature.
func (p *platform) apiOptions(metrics prometheus.Gatherer) api.Options {
	return api.Options{
		Keeper: &keeper{db: p.db, now: p.m.Now}, Live: &p.live, Nodes: p.division.neighbours(),
		Ready: p.ready, Version: versionFacts(), Metrics: metrics,
		Release:    p.release,
		Requests:   requestKeeper{p.db},
		Register:   register{p.db},
		Desk:       p.desk,
		Intake:     p.intake,
		Developers: p.teller.developers(),
		Rate:       p.c.HTTP.Rate, Burst: p.c.HTTP.Burst, MaxBody: p.c.HTTP.MaxBody, Now: p.m.Now, Log: p.log,
	}
}

// requestKeeper keeps requests under an Idempotency-Key in the store.
type requestKeeper struct{ db *store.Store }

// Begin implements api.Requests.
func (k requestKeeper) Begin(ctx context.Context, r *api.Request) (*api.Begun, error) {
	r.Version = 1
	for tries := 0; ; tries++ {
		err := k.put(ctx, r, nil)
		if fault.KindOf(err) != fault.Conflict {
			return nil, err
		}
		there, readErr := k.db.APIRequest(ctx, r.Key, r.Name)
		if fault.KindOf(readErr) == fault.NotFound && readErr != nil && tries < 3 {
			continue // it was given back in between
		}
		if readErr != nil {
			return nil, readErr
		}
		b := &api.Begun{Request: api.Request{Key: there.Key, Name: there.Name, Digest: there.Digest, Holder: there.Holder, At: there.Began, Until: there.Until, Version: there.Version}}
		if there.Done {
			b.Reply = &api.Reply{Status: there.Status, Media: there.Media, Body: there.Answer}
		}
		return b, nil
	}
}

// Resume implements api.Requests.
func (k requestKeeper) Resume(ctx context.Context, b *api.Begun, r *api.Request) (bool, error) {
	r.Version = b.Version + 1
	err := k.put(ctx, r, nil)
	if fault.KindOf(err) == fault.Conflict {
		return false, nil
	}
	return err == nil, err
}

// Finish implements api.Requests.
func (k requestKeeper) Finish(ctx context.Context, r *api.Request, reply *api.Reply) error {
	next := *r
	next.Version++
	return k.put(ctx, &next, reply)
}

// Forget implements api.Requests.
func (k requestKeeper) Forget(ctx context.Context, r *api.Request) error {
	return k.db.RemoveAPIRequest(ctx, r.Key, r.Name)
}

// Expire implements api.Requests.
func (k requestKeeper) Expire(ctx context.Context, before time.Time) error {
	return k.db.ExpireAPIRequests(ctx, before)
}

func (k requestKeeper) put(ctx context.Context, r *api.Request, reply *api.Reply) error {
	row := store.APIRequest{Key: r.Key, Name: r.Name, Digest: r.Digest, Holder: r.Holder, Began: r.At, Until: r.Until, Version: r.Version}
	if reply != nil {
		row.Done, row.Status, row.Media, row.Answer = true, reply.Status, reply.Media, reply.Body
	}
	return k.db.PutAPIRequest(ctx, &row)
}

// register gives the HTTP surface what is registered.
type register struct{ db *store.Store }

// Merchants implements api.Register.
func (r register) Merchants(ctx context.Context, only, after string, limit int) ([]api.Merchant, error) {
	list, err := r.db.MerchantsAfter(ctx, only, after, limit)
	out := make([]api.Merchant, len(list))
	for i, m := range list {
		out[i] = api.Merchant{MID: m.MID, Name: m.Name, MCC: m.MCC, Currency: m.Currency.String(), Timezone: m.Zone, Cutoff: clock(m.Cutoff), Barred: m.Barred, PreauthDays: m.PreauthDays}
	}
	return out, err
}

// Terminals implements api.Register.
func (r register) Terminals(ctx context.Context, only, after string, limit int) ([]api.Terminal, error) {
	list, err := r.db.TerminalsAfter(ctx, only, after, limit)
	out := make([]api.Terminal, len(list))
	for i, t := range list {
		out[i] = api.Terminal{TID: t.TID, MID: t.MID, Model: t.Model, Location: t.Location, Barred: t.Barred, Operations: t.Operations}
	}
	return out, err
}
