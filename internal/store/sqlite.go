package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"daozhang/internal/fault"
)

// sqlite is the embedded database: one directory with daozhang.db.
type sqlite struct{ dir string }

// The file names within the directory.
const (
	sqliteFile = "daozhang.db"
	lockFile   = "daozhang.lock"
)

func (d *sqlite) String() string           { return filepath.Join(d.dir, sqliteFile) }
func (d *sqlite) goose() goose.Dialect     { return goose.DialectSQLite3 }
func (d *sqlite) snapshot() *sql.TxOptions { return nil }
func (d *sqlite) dsn(file, mode string, pragmas ...string) string {
	q := url.Values{"mode": {mode}, "_pragma": pragmas}
	// The path is escaped: a question mark in it must not begin the parameters.
	return "file:" + (&url.URL{Path: filepath.ToSlash(filepath.Join(d.dir, file))}).EscapedPath() + "?" + q.Encode()
}

// writing are the settings of a connection that writes. A commit is durable
// before it returns (synchronous FULL syncs the log at each). A cache of 64 MB
// holds the upper pages of the indexes of some millions of payments; a
// checkpoint after 32 MB of log rather than 4 copies each hot page once
// instead of eight times.
var writing = []string{"busy_timeout(5000)", "journal_mode(WAL)", "synchronous(FULL)", "cache_size(-65536)", "wal_autocheckpoint(8192)", "temp_store(MEMORY)"}

func (d *sqlite) admin(ctx context.Context, create bool) (*sql.DB, error) {
	mode := "rw"
	if create {
		mode = "rwc"
		if err := os.MkdirAll(d.dir, 0o700); err != nil {
			return nil, fault.New(fault.Internal, "create", d.dir, err, "choose a directory that may be written")
		}
	}
	if _, err := os.Stat(d.String()); err != nil && !create {
		return nil, d.missing(err)
	}
	db, err := sql.Open("sqlite", d.dsn(sqliteFile, mode, writing...))
	if err != nil {
		return nil, trouble(d, "open", err)
	}
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, trouble(d, "open", err)
	}
	return db, nil
}

func (d *sqlite) missing(err error) error {
	if os.IsNotExist(err) {
		return fault.New(fault.NotFound, "open database", d.String(), errors.New("there is none"), "`daozhang migrate --database "+d.dir+"` makes it")
	}
	return fault.New(fault.Internal, "open database", d.String(), err, "")
}

func (d *sqlite) readers(context.Context) (*sql.DB, error) {
	if _, err := os.Stat(d.String()); err != nil {
		return nil, d.missing(err)
	}
	// Not mode=ro: where no other connection is open, the log's index has to be
	// made, and a reader makes it too.
	db, err := sql.Open("sqlite", d.dsn(sqliteFile, "rw", "busy_timeout(5000)", "query_only(1)", "cache_size(-16384)"))
	if err != nil {
		return nil, trouble(d, "open", err)
	}
	db.SetMaxOpenConns(4)
	db.SetMaxIdleConns(4)
	return db, nil
}

// exclude takes the lock of the directory: an exclusive transaction on a file of
// its own. The system gives it up when the process ends, however it ends. One
// process writes to a directory, whatever its node is called.
func (d *sqlite) exclude(string) (func(), error) {
	db, err := sql.Open("sqlite", d.dsn(lockFile, "rwc", "busy_timeout(200)", "journal_mode(MEMORY)"))
	if err == nil {
		db.SetMaxOpenConns(1)
		_, err = db.Exec("BEGIN EXCLUSIVE")
	}
	if err == nil {
		return func() { db.Close() }, nil
	}
	db.Close()
	if d.classify(err) == busy {
		return nil, fault.New(fault.Conflict, "open database", d.dir, errors.New("another process writes to it"),
			"stop the other process first; reading it (doctor, trace) needs no lock")
	}
	return nil, trouble(d, "lock", err)
}

func (d *sqlite) writer(ctx context.Context, _ string) (session, error) {
	if _, err := os.Stat(d.String()); err != nil {
		return nil, d.missing(err)
	}
	db, err := sql.Open("sqlite", d.dsn(sqliteFile, "rw", writing...))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return nil, err
	}
	return &sqliteSession{db: db, conn: conn, statements: map[statement]*sql.Stmt{}}, nil
}

// shown is no limit: what a commit wrote can be seen all at once.
func (d *sqlite) shown(context.Context, pool, string) (int64, error) { return math.MaxInt64, nil }

func (d *sqlite) classify(err error) class {
	e, ok := errors.AsType[*driver.Error](err)
	if !ok {
		if errors.Is(err, sql.ErrConnDone) {
			return gone
		}
		return other
	}
	switch e.Code() & 0xff {
	case lib.SQLITE_CONSTRAINT:
		return constraint
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return busy
	case lib.SQLITE_FULL:
		return full
	case lib.SQLITE_CANTOPEN:
		return gone
	case lib.SQLITE_IOERR, lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB:
		return damaged
	case lib.SQLITE_READONLY, lib.SQLITE_PERM, lib.SQLITE_AUTH:
		return denied
	}
	return other
}

type sqliteSession struct {
	db         *sql.DB
	conn       *sql.Conn
	statements map[statement]*sql.Stmt
}

// statement names a prepared one.
type statement struct {
	t    *table
	v    verb
	rows int
}

// mostRows is the most rows of one INSERT. Numbers of rows are powers of two, so
// that there are few statements and each stays prepared.
const mostRows = 32

func (s *sqliteSession) begin(ctx context.Context) error { return s.exec(ctx, "BEGIN IMMEDIATE") }

// always is the context of everything that this connection does: nothing hangs
// in a file on this machine that giving up would help, and for a context that
// can end the driver starts a goroutine per statement.
var always = context.Background()

func (s *sqliteSession) exec(_ context.Context, statement string) error {
	observe(statement)
	_, err := s.conn.ExecContext(always, statement)
	return err
}

func (s *sqliteSession) query(_ context.Context, query string, args ...any) (*sql.Rows, error) {
	observe(query)
	return s.conn.QueryContext(always, query, args...)
}

func (s *sqliteSession) write(_ context.Context, works []work) error {
	for _, w := range works {
		if w.verb >= replace && w.verb != remove {
			if err := s.writeEach(w); err != nil {
				return err
			}
			continue
		}
		width := len(w.table.columns)
		if w.verb == remove {
			width = w.table.key
		}
		args := make([]any, 0, mostRows*width)
		for rows := w.rows; len(rows) > 0; {
			n := 1
			for n*2 <= min(len(rows), mostRows) {
				n *= 2
			}
			st, err := s.prepare(statement{w.table, w.verb, n})
			if err != nil {
				return err
			}
			args = args[:0]
			for _, r := range rows[:n] {
				args = append(args, r[:width]...)
			}
			result, err := st.ExecContext(always, args...)
			if err != nil {
				return err
			}
			if w.verb.counts() {
				if m, err := result.RowsAffected(); err != nil || m != int64(n) {
					return fmt.Errorf("%w: %s", errStale, w.table.name)
				}
			}
			rows = rows[n:]
		}
	}
	return nil
}

// writeEach writes row by row what must say of each row whether it was there.
func (s *sqliteSession) writeEach(w work) error {
	st, err := s.prepare(statement{w.table, w.verb, 1})
	if err != nil {
		return err
	}
	_, places := w.table.one(w.verb)
	var args []any
	for _, r := range w.rows {
		args = r.pick(args[:0], places)
		result, err := st.ExecContext(always, args...)
		if err != nil {
			return err
		}
		if w.verb == replace {
			if n, err := result.RowsAffected(); err != nil || n != 1 {
				return fmt.Errorf("%w: %s", errStale, w.table.name)
			}
		}
	}
	return nil
}

func (s *sqliteSession) prepare(k statement) (*sql.Stmt, error) {
	if st := s.statements[k]; st != nil {
		return st, nil
	}
	q := ""
	if k.v >= replace && k.v != remove {
		q, _ = k.t.one(k.v)
	} else {
		q = k.t.values(k.v, k.rows)
	}
	if k.v == remove { // what a distributed database is sent in its place
		routed, _ := k.t.one(remove)
		observe(routed)
	} else {
		observe(q)
	}
	st, err := s.conn.PrepareContext(always, unnumbered(q))
	if err == nil {
		s.statements[k] = st
	}
	return st, err
}

// unnumbered writes ? for parameters that are numbered in order, each once. Numbers
// are names to SQLite, and the driver looks up the name of each parameter that it
// binds in the list of all of them: half the time of an insert of many rows.
func unnumbered(statement string) string {
	parts := strings.Split(statement, "$")
	for i, part := range parts[1:] {
		rest, ok := strings.CutPrefix(part, strconv.Itoa(i+1))
		if !ok || rest != "" && rest[0] >= '0' && rest[0] <= '9' {
			return statement
		}
		parts[i+1] = rest
	}
	return strings.Join(parts, "?")
}

func (s *sqliteSession) commit(ctx context.Context) error { return s.exec(ctx, "COMMIT") }

func (s *sqliteSession) rollback() error {
	return s.exec(always, "ROLLBACK")
}

func (s *sqliteSession) close() {
	for _, st := range s.statements {
		st.Close()
	}
	s.conn.Close()
	s.db.Close()
}
