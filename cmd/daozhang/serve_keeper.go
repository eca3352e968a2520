package main

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/api"
	"daozhang/internal/payment"
	"daozhang/internal/store"
)

// keeper gives the HTTP surface what it needs of the store.
type keeper struct {
	db  *store.Store
	now func() time.Time

	mu   sync.Mutex
	used map[string]time.Time
}

// KeyOf gives the key of a secret, and notes its use once a minute.
func (k *keeper) KeyOf(ctx context.Context, secret string) (api.Key, error) {
	key, err := k.db.Key(ctx, store.HashKey(secret))
	if err != nil {
		return api.Key{}, err
	}
	role, known := api.ParseRole(key.Role)
	now := k.now()
	out := api.Key{ID: key.ID, Name: key.Name, Role: role, MID: key.MID, Sources: key.Sources,
		Revoked: !known || !key.Revoked.IsZero() && !key.Revoked.After(now)}
	k.mu.Lock()
	if k.used == nil {
		k.used = map[string]time.Time{}
	}
	note := !out.Revoked && now.Sub(k.used[key.ID]) >= time.Minute
	if note {
		k.used[key.ID] = now
	}
	k.mu.Unlock()
	if note {
		if err := k.db.UseKey(ctx, key.ID, now); err != nil {
			return out, err
		}
	}
	return out, nil
}

func (k *keeper) Append(ctx context.Context, facts []payment.Evidence) ([]api.Outcome, error) {
	outcomes, err := k.db.Append(ctx, facts)
	out := make([]api.Outcome, len(outcomes))
	for i, o := range outcomes {
		out[i] = api.Outcome(o.String())
	}
	return out, err
}

func (k *keeper) Transaction(ctx context.Context, id uuid.UUID) (payment.Transaction, error) {
	return k.db.Transaction(ctx, id)
}
