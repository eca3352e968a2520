package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"daozhang/internal/fault"
)

// postgres is a PostgreSQL database, or one that speaks like it.
type postgres struct {
	config *pgx.ConnConfig
	name   string // without a password
	// routed is true where the tables lie on several machines, by merchant.
	routed atomic.Bool
}

func newPostgres(address string) (dialect, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		// The library's message repeats the URL without the password.
		return nil, fault.New(fault.Usage, "open database", "", err, "write postgres://user@host:5432/name, the password by PGPASSWORD or a passfile")
	}
	shown := "postgres://"
	if u, err := url.Parse(address); err == nil {
		shown = u.Redacted()
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "daozhang"
	}
	return &postgres{config: config, name: shown}, nil
}

func (d *postgres) String() string       { return d.name }
func (d *postgres) goose() goose.Dialect { return goose.DialectPostgres }
func (d *postgres) snapshot() *sql.TxOptions {
	return &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true}
}

func (d *postgres) open(ctx context.Context, conns int, params map[string]string) (*sql.DB, error) {
	config := d.config.Copy()
	for k, v := range params {
		config.RuntimeParams[k] = v
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, trouble(d, "open", err)
	}
	return db, nil
}

func (d *postgres) admin(ctx context.Context, _ bool) (*sql.DB, error) { return d.open(ctx, 2, nil) }

func (d *postgres) readers(ctx context.Context) (*sql.DB, error) {
	return d.open(ctx, 8, map[string]string{"default_transaction_read_only": "on"})
}

// exclude does nothing: the lock is the writing connection's. As long as a lost
// connection's process on the server still works at a commit, the lock is not
// free, so whoever gets it sees how that commit ended.
func (d *postgres) exclude(string) (func(), error) { return func() {}, nil }

// lockKey is the advisory lock of a node. Databases that share a server's
// database by schemas of their own have nodes of their own.
func (d *postgres) lockKey(node string) int64 {
	return d.lock("daozhang node " + node)
}

// lock is the advisory lock of a name.
func (d *postgres) lock(name string) int64 {
	if schema := d.config.RuntimeParams["search_path"]; schema != "" {
		name += " in " + schema
	}
	h := sha256.Sum256([]byte(name))
	return int64(binary.BigEndian.Uint64(h[:8]))
}

func (d *postgres) writer(ctx context.Context, node string) (session, error) {
	// A commit is durable before it returns, whatever the server's default is.
	db, err := d.open(ctx, 1, map[string]string{"synchronous_commit": "on"})
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		return nil, err
	}
	s := &postgresSession{db: db, conn: conn}
	var got bool
	// The server notices a killed process within moments, not at once.
	for end := time.Now().Add(2 * time.Second); ; {
		if err = conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", d.lockKey(node)).Scan(&got); err != nil || got || time.Now().After(end) {
			break
		}
		select {
		case <-ctx.Done():
			err = ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		if err != nil {
			break
		}
	}
	if err == nil && !got {
		err = fault.New(fault.Conflict, "open database", d.String(), fmt.Errorf("another process writes as node %s", node),
			"stop the other process, or name this node otherwise")
	}
	if err == nil {
		s.routed, err = distributed(ctx, conn)
		s.commits = d.lock("daozhang commits of node " + node)
		d.routed.Store(s.routed)
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// shown waits until no commit of the node is on its way, where one shows on one
// machine before the other, and reads how far it has come then.
func (d *postgres) shown(ctx context.Context, db pool, node string) (pos int64, err error) {
	if !d.routed.Load() {
		return math.MaxInt64, nil
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	if _, err = tx.ExecContext(ctx, "SELECT pg_advisory_xact_lock_shared($1)", d.lock("daozhang commits of node "+node)); err != nil {
		return 0, err
	}
	err = tx.QueryRowContext(ctx, "SELECT pos FROM node WHERE name = $1", node).Scan(&pos)
	return pos, err
}

func (d *postgres) classify(err error) class {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch {
		case e.Code == "53100" || e.Code == "53200":
			return full
		case strings.HasPrefix(e.Code, "57P") || strings.HasPrefix(e.Code, "08") || strings.HasPrefix(e.Code, "53") || e.Code == "25006":
			// Also a server that has become a read-only standby.
			return gone
		case strings.HasPrefix(e.Code, "23"):
			return constraint
		case strings.HasPrefix(e.Code, "40") || e.Code == "55P03":
			return busy
		case strings.HasPrefix(e.Code, "58") || strings.HasPrefix(e.Code, "XX"):
			return damaged
		case strings.HasPrefix(e.Code, "42501") || strings.HasPrefix(e.Code, "28"):
			return denied
		}
		return other
	}
	if errors.Is(err, errStale) || errors.Is(err, sql.ErrNoRows) {
		return other
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return other
	}
	// What is no answer of the server is a matter of the connection.
	return gone
}

type postgresSession struct {
	db   *sql.DB
	conn *sql.Conn
	// routed is true where the tables lie on several machines, by merchant.
	routed bool
	// commits is the lock that is held while a commit is on its way.
	commits int64
}

func (s *postgresSession) begin(ctx context.Context) error { return s.exec(ctx, "BEGIN") }

func (s *postgresSession) exec(ctx context.Context, statement string) error {
	observe(statement)
	_, err := s.conn.ExecContext(ctx, statement)
	return err
}

func (s *postgresSession) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	observe(query)
	return s.conn.QueryContext(ctx, query, args...)
}

// write sends all statements in one go: a batch takes one round trip.
func (s *postgresSession) write(ctx context.Context, works []work) error {
	batch := &pgx.Batch{}
	for _, w := range works {
		if s.routed || w.verb == run {
			s.queueRouted(batch, w)
			continue
		}
		s.queue(batch, w, w.table.many(w.verb), arrays(w), len(w.rows))
	}
	return s.conn.Raw(func(c any) error {
		return c.(*stdlib.Conn).Conn().SendBatch(ctx, batch).Close()
	})
}

// queueRouted queues statements that each name the rows' merchants as values, so
// that the database sends them where those lie and nowhere else. Numbers of rows
// are powers of two, as with SQLite, so that statements stay prepared.
func (s *postgresSession) queueRouted(batch *pgx.Batch, w work) {
	if w.verb >= replace {
		statement, places := w.table.one(w.verb)
		for _, r := range w.rows {
			s.queue(batch, w, statement, r.pick(nil, places), 1)
		}
		return
	}
	for rows := w.rows; len(rows) > 0; {
		n := 1
		for n*2 <= min(len(rows), mostRows) {
			n *= 2
		}
		s.queue(batch, w, w.table.values(w.verb, n), slices.Concat(rows[:n]...), n)
		rows = rows[n:]
	}
}

// queue queues one statement for some rows.
func (s *postgresSession) queue(batch *pgx.Batch, w work, statement string, args []any, rows int) {
	observe(statement)
	q := batch.Queue(statement, args...)
	if !w.verb.counts() {
		return
	}
	q.Exec(func(tag pgconn.CommandTag) error {
		if tag.RowsAffected() != int64(rows) {
			return fmt.Errorf("%w: %s", errStale, w.table.name)
		}
		return nil
	})
}

// arrays turns rows into one array per column.
func arrays(w work) []any {
	kinds := make([]kind, 0, len(w.table.columns)+1)
	for _, c := range w.table.columns {
		kinds = append(kinds, c.kind)
	}
	switch w.verb {
	case replace:
		kinds = append(kinds, number)
	case remove:
		kinds = kinds[:w.table.key]
	}
	out := make([]any, len(kinds))
	for i, k := range kinds {
		switch k {
		case text:
			column := make([]*string, len(w.rows))
			for j, r := range w.rows {
				if v, ok := r[i].(string); ok {
					column[j] = &v
				}
			}
			out[i] = column
		case number:
			column := make([]int64, len(w.rows))
			for j, r := range w.rows {
				column[j] = r[i].(int64)
			}
			out[i] = column
		case bytea:
			column := make([][]byte, len(w.rows))
			for j, r := range w.rows {
				if v, ok := r[i].([]byte); ok {
					column[j] = v
				}
			}
			out[i] = column
		}
	}
	return out
}

// commit commits. On several machines a commit shows on one before the other:
// whoever follows the evidence waits until it is done on all; see shown.
func (s *postgresSession) commit(ctx context.Context) error {
	if !s.routed {
		return s.exec(ctx, "COMMIT")
	}
	if _, err := s.conn.ExecContext(ctx, "SELECT pg_advisory_lock($1)", s.commits); err != nil {
		return err
	}
	if err := s.exec(ctx, "COMMIT"); err != nil {
		return err // the lock goes with the connection
	}
	_, err := s.conn.ExecContext(ctx, "SELECT pg_advisory_unlock($1)", s.commits)
	return err
}

func (s *postgresSession) rollback() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.exec(ctx, "ROLLBACK")
}

func (s *postgresSession) close() {
	s.conn.Close()
	s.db.Close()
}
