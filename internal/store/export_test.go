package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"
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
	for _, t := range slices.Concat(tables, referenceTables, peopleTables) {
		if t.part {
			continue
		}
		w := Written{Name: t.name, Merchant: t.merchant}
		for i, c := range t.columns {
			w.Columns = append(w.Columns, c.name)
			if i < t.key {
				w.Key = append(w.Key, c.name)
			}
		}
		for v := insert; v <= remove; v++ {
			w.Statements = append(w.Statements, t.many(v))
			if v >= replace {
				one, _ := t.one(v)
				w.Statements = append(w.Statements, one)
			} else {
				w.Statements = append(w.Statements, t.values(v, 2))
			}
		}
		out = append(out, w)
	}
	return out
}

// ErrStale is the error of a version that is not there, to be recognised.
var ErrStale = fmt.Errorf("x: %w", errStale)

// Recording is what a store wrote, group by group.
type Recording struct{ groups [][]work }

// Record keeps what the store writes from now on. Nobody may be committing.
func Record(s *Store) *Recording {
	r := &Recording{}
	s.group.session = &recorder{session: s.group.session, r: r}
	return r
}

type recorder struct {
	session
	r *Recording
}

func (s *recorder) write(ctx context.Context, works []work) error {
	s.r.groups = append(s.r.groups, works)
	return s.session.write(ctx, works)
}

// Groups returns how many groups were written, and how many rows in all.
func (r *Recording) Groups() (groups, rows int) {
	for _, g := range r.groups {
		for _, w := range g {
			rows += len(w.rows)
		}
	}
	return len(r.groups), rows
}

// Repeat is the bare loop: it writes the same rows in the same groups into
// another database, each group in a transaction, and nothing else. each is told
// how long every group took.
func (r *Recording) Repeat(ctx context.Context, address string, each func(time.Duration)) error {
	d, err := dialectOf(address)
	if err != nil {
		return err
	}
	if _, err := Migrate(ctx, address, false); err != nil {
		return err
	}
	session, err := d.writer(ctx, "bench")
	if err != nil {
		return err
	}
	defer session.close()
	g := groupState{s: &Store{options: Options{Node: "bench"}}}
	if _, err := g.position(ctx, session); err != nil {
		return err
	}
	for _, works := range r.groups {
		begun := time.Now()
		if err := session.begin(ctx); err != nil {
			return err
		}
		if err := session.write(ctx, works); err != nil {
			return err
		}
		if err := session.commit(ctx); err != nil {
			return err
		}
		each(time.Since(begun))
	}
	return nil
}

// Otherwise writes the recording's inserts in the form that the database was not
// given: PostgreSQL the many rows of VALUES that SQLite has, SQLite row by row.
func (r *Recording) Otherwise(ctx context.Context, address string, each func(time.Duration)) error {
	d, err := dialectOf(address)
	if err != nil {
		return err
	}
	if _, err := Migrate(ctx, address, false); err != nil {
		return err
	}
	real, err := d.writer(ctx, "bench")
	if err != nil {
		return err
	}
	defer real.close()
	g := groupState{s: &Store{options: Options{Node: "bench"}}}
	if _, err := g.position(ctx, real); err != nil {
		return err
	}
	most := 1
	s, embedded := real.(*sqliteSession)
	if !embedded {
		p := real.(*postgresSession)
		most, s = mostRows, &sqliteSession{conn: p.conn, statements: map[statement]*sql.Stmt{}}
	}
	for _, works := range r.groups {
		begun := time.Now()
		if err := real.begin(ctx); err != nil {
			return err
		}
		for _, w := range works {
			if w.verb >= replace {
				err = real.write(ctx, []work{w})
			} else if most > 1 {
				err = s.write(ctx, []work{w})
			} else {
				for _, r := range w.rows {
					if err == nil {
						err = s.write(ctx, []work{{w.table, w.verb, []row{r}}})
					}
				}
			}
			if err != nil {
				return err
			}
		}
		if err := real.commit(ctx); err != nil {
			return err
		}
		each(time.Since(begun))
	}
	return nil
}

// Placed are all tables of the schema by how they are distributed.
func Placed() map[string][]string {
	return map[string][]string{"distributed": growing(), "reference": reference, "local": local}
}

// Observe tells f of every statement that stores send until stop is called.
func Observe(f func(statement string)) (stop func()) {
	observer.Store(&f)
	return func() { observer.Store(nil) }
}

// Inserted writes the rows that one database holds into another, new one, in some
// number of transactions and by the same statements as the committer, and does
// nothing else: each transaction takes its part of each table's rows in the order
// of their keys. names are tables, each with the condition under which a row is
// written. It gives the time that writing took, without reading, and the
// number of rows.
func Inserted(ctx context.Context, from, to string, names map[string]string, groups int) (took time.Duration, rows int, err error) {
	d, err := dialectOf(to)
	if err != nil {
		return 0, 0, err
	}
	if _, err := Migrate(ctx, to, false); err != nil {
		return 0, 0, err
	}
	source, err := dialectOf(from)
	if err != nil {
		return 0, 0, err
	}
	db, err := source.readers(ctx)
	if err != nil {
		return 0, 0, err
	}
	defer db.Close()
	db.SetMaxOpenConns(len(names) + 1)
	session, err := d.writer(ctx, "bench")
	if err != nil {
		return 0, 0, err
	}
	defer session.close()
	var left []*remainder
	for _, t := range tables {
		where, wanted := names[t.name]
		if t.part || !wanted {
			continue
		}
		l := &remainder{table: t}
		if err := db.QueryRowContext(ctx, "SELECT COUNT(*) FROM "+t.name+" WHERE "+where).Scan(&l.count); err != nil {
			return 0, 0, err
		}
		if l.rows, err = db.QueryContext(ctx, "SELECT "+t.names()+" FROM "+t.name+" WHERE "+where+" ORDER BY "+t.order()); err != nil {
			return 0, 0, err
		}
		defer l.rows.Close()
		left = append(left, l)
	}
	for g := range groups {
		var works []work
		for _, l := range left {
			part, err := l.take((g+1)*l.count/groups - g*l.count/groups)
			if err != nil {
				return 0, 0, err
			}
			if len(part) > 0 {
				works = append(works, work{l.table, insert, part})
				rows += len(part)
			}
		}
		begun := time.Now()
		if err = session.begin(ctx); err == nil {
			err = session.write(ctx, works)
		}
		if err == nil {
			err = session.commit(ctx)
		}
		if err != nil {
			return 0, 0, err
		}
		took += time.Since(begun)
	}
	return took, rows, nil
}

// remainder is a table whose rows are read once, part by part.
type remainder struct {
	table *table
	count int
	rows  *sql.Rows
}

func (l *remainder) take(n int) ([]row, error) {
	out := make([]row, 0, n)
	for len(out) < n && l.rows.Next() {
		r := make(row, len(l.table.columns))
		into := make([]any, len(r))
		for i := range r {
			into[i] = &r[i]
		}
		if err := l.rows.Scan(into...); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, l.rows.Err()
}

// order is the primary key as an ORDER BY has it.
func (t *table) order() string {
	var names []string
	for _, c := range t.columns[:t.key] {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}
