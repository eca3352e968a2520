package store

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// Lead is the wish of this process to be the one that does something for all nodes.
type Lead struct {
	s    *Store
	name string
	mu   sync.Mutex
	db   *sql.DB
	conn *sql.Conn
}

// Lead makes one. The name says for what: of all processes on a database that ask
// under it one leads.
func (s *Store) Lead(name string) *Lead { return &Lead{s: s, name: name} }

// Held reports whether this process leads now, and begins to where nobody does.
// Beside an embedded database, which one process writes to, it always does. On
// PostgreSQL it holds an advisory lock by a connection of its own, so that another
// takes over when this process or its connection ends.
func (l *Lead) Held(ctx context.Context) (bool, error) {
	d, several := l.s.dialect.(*postgres)
	if !several {
		return !l.s.options.Registers, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.conn != nil {
		var one int
		if l.conn.QueryRowContext(ctx, "SELECT 1").Scan(&one) == nil {
			return true, nil
		}
		l.drop()
	}
	db, err := d.open(ctx, 1, nil)
	if err != nil {
		return false, err
	}
	conn, err := db.Conn(ctx)
	var got bool
	if err == nil {
		err = conn.QueryRowContext(ctx, "SELECT pg_try_advisory_lock($1)", d.lock("daozhang lead "+l.name)).Scan(&got)
	}
	l.db, l.conn = db, conn
	if err != nil || !got {
		l.drop()
	}
	return got && err == nil, l.s.failed("lead on", err)
}

func (l *Lead) drop() {
	if l.conn != nil {
		l.conn.Close()
	}
	if l.db != nil {
		l.db.Close()
	}
	l.db, l.conn = nil, nil
}

// Close lets another process lead.
func (l *Lead) Close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop()
}
