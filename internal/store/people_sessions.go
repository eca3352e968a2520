package store

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"
)

// Sessions keeps the sessions of people who have signed in. It is a store of
// package scs, which gives it the hash of a session's token: who reads the database
// cannot take over a session.
type Sessions struct {
	s   *Store
	now func() time.Time

	mu    sync.Mutex
	swept time.Time
}

// Sessions of people; now is time.Now, or a test's clock.
func (s *Store) Sessions(now func() time.Time) *Sessions { return &Sessions{s: s, now: now} }

const (
	// sweepEvery is how often sessions that are over are taken out.
	sweepEvery = 10 * time.Minute
	// extendBy is the least by which a session's end is moved on: a page that is
	// looked at every few seconds does not write each time. A session may be over
	// this much before its idle time.
	extendBy = time.Minute
)

// FindCtx gives what a session holds; found is false for one that is not there or
// is over.
func (x *Sessions) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	data, expires, err := x.read(ctx, token)
	if err != nil || data == nil || !x.now().Before(expires) {
		return nil, false, err
	}
	return data, true, nil
}

func (x *Sessions) read(ctx context.Context, token string) (data []byte, expires time.Time, err error) {
	rows, err := x.s.read.QueryContext(ctx, "SELECT expires, data FROM person_session WHERE token = $1", token)
	if err != nil {
		return nil, expires, x.s.failed("read session from", err)
	}
	defer rows.Close()
	var at int64
	if rows.Next() {
		err = rows.Scan(&at, &data)
	}
	if err = errors.Join(err, rows.Err()); err != nil {
		return nil, expires, x.s.failed("read session from", err)
	}
	return data, fromMicros(at), nil
}

// CommitCtx keeps what a session holds until it is over, durably.
func (x *Sessions) CommitCtx(ctx context.Context, token string, data []byte, expires time.Time) error {
	have, until, err := x.read(ctx, token)
	if err != nil {
		return err
	}
	if by := expires.Sub(until); have != nil && bytes.Equal(have, data) && by >= 0 && by < extendBy {
		return nil
	}
	works := []work{{sessionTable, upsert, []row{{token, micros(expires), data}}}}
	if now, due := x.sweepDue(); due {
		works = append(works, work{expired, run, []row{{micros(now)}}})
	}
	return x.s.submit(ctx, &prepared{works: works})
}

// sweepDue reports whether it is time to take out what is over.
func (x *Sessions) sweepDue() (now time.Time, due bool) {
	now = x.now()
	x.mu.Lock()
	defer x.mu.Unlock()
	if now.Sub(x.swept) < sweepEvery {
		return now, false
	}
	x.swept = now
	return now, true
}

// DeleteCtx ends a session; one that is not there is no error.
func (x *Sessions) DeleteCtx(ctx context.Context, token string) error {
	return x.s.put(ctx, sessionTable, remove, row{token})
}

// Find is FindCtx without a context.
func (x *Sessions) Find(token string) ([]byte, bool, error) {
	return x.FindCtx(context.Background(), token)
}

// Commit is CommitCtx without a context.
func (x *Sessions) Commit(token string, data []byte, expires time.Time) error {
	return x.CommitCtx(context.Background(), token, data, expires)
}

// Delete is DeleteCtx without a context.
func (x *Sessions) Delete(token string) error { return x.DeleteCtx(context.Background(), token) }
