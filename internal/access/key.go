package access

import (
	"context"
	"time"
)

// Key is an API key as people look at it: without the key itself, of which only a
// hash is kept.
type Key struct {
	ID, Name string
	// Role is that of the key, see package api. MID is the only merchant that it may
	// see and speak for; "" for all. Sources are those under which it may bring facts.
	Role    string
	MID     string
	Sources []string
	Created time.Time
	Used    time.Time // to the minute; zero for never
	// Revoked is when it ends or ended; zero while nobody has said so.
	Revoked time.Time
}

// Ended reports whether a key is good for nothing at a moment.
func (k *Key) Ended(now time.Time) bool { return !k.Revoked.IsZero() && !now.Before(k.Revoked) }

// KeyGrace is how long a key still works after another was made in its place.
const KeyGrace = 24 * time.Hour

// Keys makes and ends API keys.
type Keys interface {
	// Roles lists the roles that a key may have.
	Roles() []string
	// Keys gives all, in the order of their making.
	Keys(ctx context.Context) ([]Key, error)
	// MakeKey makes a key of k's name, role, merchant and sources and gives its secret,
	// this once. fault.Invalid says what is wrong with it.
	MakeKey(ctx context.Context, k Key) (made Key, secret string, err error)
	// RotateKey makes a key like one that is there; the former ends after grace. The
	// error is of kind fault.NotFound where there is none and fault.Conflict where it
	// has ended.
	RotateKey(ctx context.Context, id string, grace time.Duration) (made Key, secret string, err error)
	// RevokeKey ends a key at once. fault.NotFound where there is none.
	RevokeKey(ctx context.Context, id string) error
}
