package store

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
)

// What the tests of package store_test reach inside for.

// LimitPages keeps the embedded database from growing past its size, as a full
// disk does. The limit belongs to the writing connection: one made anew is free
// of it. Nobody else may be committing.
func LimitPages(s *Store) error {
	return s.group.session.exec(context.Background(), "PRAGMA max_page_count = 1")
}

// FailCommits makes the writing connection answer its n-th commit with an error,
// before the commit reaches the database or after it was done there.
func FailCommits(s *Store, fail func(n int64) (before bool, err error)) {
	s.group.session = &scripted{session: s.group.session, fail: fail}
}

type scripted struct {
	session
	commits atomic.Int64
	fail    func(n int64) (before bool, err error)
}

func (s *scripted) commit(ctx context.Context) error {
	before, err := s.fail(s.commits.Add(1))
	if err != nil && before {
		return err
	}
	if real := s.session.commit(ctx); real != nil {
		return real
	}
	return err
}

// ClassifyPostgres names what an error of PostgreSQL means.
func ClassifyPostgres(err error) string {
	return [...]string{other: "other", constraint: "constraint", busy: "busy", full: "full", gone: "gone", damaged: "damaged", denied: "denied"}[(&postgres{}).classify(err)]
}

// Written is a table as the committer knows it.
type Written struct {
	Name         string
	Columns, Key []string
	Merchant     bool
	Statements   []string
}

// WrittenTables returns what the committer writes to.
func WrittenTables() (out []Written) {
	for _, t := range slices.Concat(tables, referenceTables) {
		w := Written{Name: t.name, Merchant: t.merchant}
		for i, c := range t.columns {
			w.Columns = append(w.Columns, c.name)
			if i < t.key {
				w.Key = append(w.Key, c.name)
			}
		}
		for v := insert; v <= remove; v++ {
			w.Statements = append(w.Statements, t.one(v), t.many(v))
		}
		out = append(out, w)
	}
	return out
}

// ErrStale is the error of a version that is not there, to be recognised.
var ErrStale = fmt.Errorf("x: %w", errStale)
