package storetest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"daozhang/internal/store"
)

// Variable names the PostgreSQL server on which Database makes its databases, by
// a URL: postgres://user@host:port/name. Without it they lie on a throw-away
// cluster.
const Variable = "DAOZHANG_TEST_POSTGRES"

var schemas atomic.Int64

// Database makes an empty PostgreSQL database and returns its URL. On the server
// that Variable names it is a schema of its own in the database named there, and
// dropped when the test ends; where that database has the extension Citus, the
// tables are made and distributed. Tests of several packages must not run on one
// such server at once (go test -p 1): nodes know each other by the locks of the
// whole database. Where Variable is not set, the database is one of Postgres.
func Database(tb testing.TB) string {
	tb.Helper()
	server := os.Getenv(Variable)
	if server == "" {
		return Postgres(tb).Database(tb)
	}
	address, err := url.Parse(server)
	if err != nil {
		tb.Fatalf("%s: %v", Variable, err)
	}
	name := fmt.Sprintf("daozhang_test_%d_%d", os.Getpid(), schemas.Add(1))
	citus := false
	run := func(f func(context.Context, *pgx.Conn) error) {
		tb.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		conn, err := pgx.Connect(ctx, server)
		if err != nil {
			tb.Fatalf("%s: %v", Variable, err)
		}
		defer conn.Close(ctx)
		if err := f(ctx, conn); err != nil {
			tb.Fatalf("%s: %v", Variable, err)
		}
	}
	run(func(ctx context.Context, conn *pgx.Conn) error {
		if err := conn.QueryRow(ctx, "SELECT COUNT(*) > 0 FROM pg_extension WHERE extname = 'citus'").Scan(&citus); err != nil {
			return err
		}
		_, err := conn.Exec(ctx, "CREATE SCHEMA "+name)
		return err
	})
	tb.Cleanup(func() {
		run(func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "DROP SCHEMA "+name+" CASCADE")
			return err
		})
	})
	q := address.Query()
	q.Set("search_path", name)
	if citus {
		q.Set("citus.shard_count", "4") // what many shards would show, and quickly made
	}
	address.RawQuery = q.Encode()
	if citus {
		if _, err := store.Migrate(context.Background(), address.String(), false); err != nil {
			tb.Fatal(err)
		}
		if _, err := store.Distribute(context.Background(), address.String(), false); err != nil {
			tb.Fatal(err)
		}
	}
	return address.String()
}
