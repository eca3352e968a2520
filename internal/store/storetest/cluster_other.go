//go:build !unix

package storetest

import "testing"

// Cluster is a throw-away PostgreSQL server; here it cannot be made.
type Cluster struct{}

// Postgres skips the test with a message that says so.
func Postgres(tb testing.TB) *Cluster {
	tb.Skip("PostgreSQL is NOT tested: a throw-away cluster is made on Unix only")
	return nil
}

// Durable is Postgres.
func Durable(tb testing.TB) *Cluster { return Postgres(tb) }

// Shutdown has nothing to end.
func Shutdown() {}

// Start cannot be reached.
func (c *Cluster) Start() error { return nil }

// Kill cannot be reached.
func (c *Cluster) Kill(testing.TB) {}

// Database cannot be reached.
func (c *Cluster) Database(testing.TB) string { return "" }
