package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync/atomic"

	"github.com/pressly/goose/v3"

	"daozhang/internal/fault"
)

// class says what an error of the database means for what was attempted.
type class uint8

const (
	// other: something is wrong with the statement or its values.
	other class = iota
	// constraint: a key is there already, or a check does not hold.
	constraint
	// busy: another writer was in the way; trying again helps.
	busy
	// full: there is no room.
	full
	// gone: the connection or the server is lost.
	gone
	// damaged: reading or writing the files fails.
	damaged
	// denied: the database may be read and not written.
	denied
)

// dialect is what differs between the two databases: how to connect, how to keep
// a second process of one node out, how to write many rows, and what errors
// mean. Reading is one set of SQL.
type dialect interface {
	// String names the database without a password.
	String() string
	// goose is its dialect for migrations.
	goose() goose.Dialect
	// admin opens it for migrations. SQLite is created where it is not there,
	// unless it is to stay as it is.
	admin(ctx context.Context, create bool) (*sql.DB, error)
	// readers opens a pool that only reads.
	readers(ctx context.Context) (*sql.DB, error)
	// snapshot is how a transaction begins that sees one moment and writes nothing.
	snapshot() *sql.TxOptions
	// exclude keeps other processes of the node out for as long as this one
	// lives, where that is not the business of the writing connection.
	exclude(node string) (release func(), err error)
	// writer opens the connection that writes, with the lock of the node.
	writer(ctx context.Context, node string) (session, error)
	// shown is the position of a node up to which everything that it wrote can be
	// seen: see S9.
	shown(ctx context.Context, db pool, node string) (int64, error)
	// classify says what an error means.
	classify(err error) class
}

// session is the connection that writes. Any error but that of a constraint
// leaves it to be closed.
type session interface {
	begin(ctx context.Context) error
	// write writes rows in the order of the works. A replace that does not find
	// every row it should is errStale.
	write(ctx context.Context, works []work) error
	// exec runs a statement without parameters, within the transaction.
	exec(ctx context.Context, statement string) error
	query(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	commit(ctx context.Context) error
	rollback() error
	close()
}

// observer, where set, is told of every statement that the store sends. Tests hold
// them against the rule that what grows with payments is asked by merchant.
var observer atomic.Pointer[func(statement string)]

func observe(statement string) {
	if f := observer.Load(); f != nil {
		(*f)(statement)
	}
}

// pool is a pool of connections that read.
type pool struct{ *sql.DB }

// QueryContext is that of database/sql.
func (p pool) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	observe(query)
	return p.DB.QueryContext(ctx, query, args...)
}

// QueryRowContext is that of database/sql.
func (p pool) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	observe(query)
	return p.DB.QueryRowContext(ctx, query, args...)
}

// glance is a transaction that only reads: its queries see one state. In SQLite the
// pages that one of them read serve the next; between transactions every commit of
// the writer empties the cache.
type glance struct{ *sql.Tx }

// QueryContext is that of database/sql.
func (g glance) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	observe(query)
	return g.Tx.QueryContext(ctx, query, args...)
}

// errStale is a replace that found another version than it expected.
var errStale = errors.New("a row has another version than the step expects")

// dialectOf reads a database's address.
func dialectOf(address string) (dialect, error) {
	switch {
	case address == "":
		return nil, fault.New(fault.Usage, "open database", "", errors.New("no database is named"),
			"give a directory for the embedded database, or postgres://user@host/name")
	case strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://"):
		return newPostgres(address)
	case strings.Contains(address, "://"):
		return nil, fault.New(fault.Usage, "open database", "", errors.New("the address is neither a directory nor a postgres:// URL"),
			"give a directory for the embedded database, or postgres://user@host/name")
	}
	return &sqlite{dir: address}, nil
}
