package jobs

import (
	"context"
	"strings"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivermigrate"

	"daozhang/internal/fault"
)

// database is what differs between SQLite and PostgreSQL beside River's drivers.
type database interface {
	// String names it without a password.
	String() string
	// client makes a client of River; one without queues inserts and reads only.
	client(c *river.Config) (client, error)
	// versions reads which migrations of River have been applied, none where there
	// are no tables; migrate applies the others. One process migrates at a time.
	versions(ctx context.Context) ([]rivermigrate.Migration, error)
	migrate(ctx context.Context) error
	all() ([]rivermigrate.Migration, error)
	// counts are the jobs that have not ended well, by kind and state.
	counts(ctx context.Context) ([]Count, error)
	// enter says that a runner of this name lives, until leave is called or the
	// process ends. The error is of kind fault.Conflict where another one does.
	enter(ctx context.Context, runner string) (leave func(), err error)
	// inherit gives back what runners that no longer live were at, and their
	// leadership; own is who asks. It returns how many jobs wait again.
	inherit(ctx context.Context, own string) (int64, error)
	// forget gives back what a runner of the own name left behind when it died.
	forget(ctx context.Context, own string) (int64, error)
	close()
}

// open reads a database's address as package store does. create makes an embedded
// database that is not there.
func open(ctx context.Context, address string, create bool) (database, error) {
	switch {
	case strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://"):
		return openPostgres(ctx, address)
	case address == "" || strings.Contains(address, "://"):
		return nil, fault.New(fault.Usage, opOpen, "", fault.Say("the address is neither a directory nor a postgres:// URL", "地址既不是目录，也不是 postgres:// 地址"),
			fault.Say("give a directory for the embedded database, or postgres://user@host/name", "内嵌数据库请给出目录，否则给出 postgres://user@host/name"))
	}
	return openSQLite(ctx, address, create)
}

// stateCounts turns rows of River's states into ours.
func stateCounts(counts []Count) []Count {
	at := map[[2]string]int{}
	var out []Count
	for _, c := range counts {
		k := [2]string{string(c.Kind), string(c.State)}
		i, seen := at[k]
		if !seen {
			at[k] = len(out)
			out = append(out, c)
			continue
		}
		out[i].Jobs += c.Jobs
		if c.Oldest.Before(out[i].Oldest) {
			out[i].Oldest = c.Oldest
		}
	}
	return out
}

// riverTime is how River writes moments in SQLite.
const riverTime = "2006-01-02 15:04:05.999999999"

func parseRiverTime(s string) time.Time {
	for _, layout := range []string{riverTime, time.RFC3339Nano} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
