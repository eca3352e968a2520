package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"net/url"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"daozhang/internal/fault"
)

// postgres is a PostgreSQL database.
type postgres struct {
	pool  *pgxpool.Pool
	shown string

	// alive is the connection whose session holds the lock of the runner here.
	alive struct {
		sync.Mutex
		conn *pgx.Conn
	}
}

func openPostgres(ctx context.Context, address string) (*postgres, error) {
	config, err := pgxpool.ParseConfig(address)
	if err != nil {
		// The library's message repeats the URL without the password.
		return nil, fault.New(fault.Usage, opOpen, "", err,
			fault.Say("write postgres://user@host:5432/name, the password by PGPASSWORD or a passfile", "请写作 postgres://user@host:5432/name，密码用 PGPASSWORD 或密码文件给出"))
	}
	d := &postgres{shown: "postgres://"}
	if u, err := url.Parse(address); err == nil {
		d.shown = u.Redacted()
	}
	if config.ConnConfig.ConnectTimeout == 0 {
		config.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	config.ConnConfig.RuntimeParams["application_name"] = "daozhang jobs"
	config.MaxConns = 8
	if d.pool, err = pgxpool.NewWithConfig(ctx, config); err == nil {
		err = d.pool.Ping(ctx)
	}
	if err != nil {
		if d.pool != nil {
			d.pool.Close()
		}
		return nil, failed(opOpen, d.shown, err)
	}
	return d, nil
}

func (d *postgres) String() string { return d.shown }
func (d *postgres) close()         { d.pool.Close() }

func (d *postgres) client(c *river.Config) (client, error) {
	r, err := river.NewClient(riverpgxv5.New(d.pool), c)
	return riverClient[pgx.Tx]{r, func(ctx context.Context, do func(pgx.Tx) error) error { return pgx.BeginFunc(ctx, d.pool, do) }}, err
}

func (d *postgres) migrator() (*rivermigrate.Migrator[pgx.Tx], error) {
	return rivermigrate.New(riverpgxv5.New(d.pool), &rivermigrate.Config{Logger: silent})
}

func (d *postgres) versions(ctx context.Context) ([]rivermigrate.Migration, error) {
	m, err := d.migrator()
	if err != nil {
		return nil, err
	}
	return m.ExistingVersions(ctx)
}

func (d *postgres) all() ([]rivermigrate.Migration, error) {
	m, err := d.migrator()
	if err != nil {
		return nil, err
	}
	return m.AllVersions(), nil
}

func (d *postgres) migrate(ctx context.Context) error {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	key := lockKey("migration")
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", key); err != nil {
		return err
	}
	defer func() {
		if _, err := conn.Exec(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", key); err != nil {
			conn.Conn().Close(context.WithoutCancel(ctx)) // the lock ends with the session
		}
	}()
	m, err := d.migrator()
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func (d *postgres) counts(ctx context.Context) ([]Count, error) {
	rows, err := d.pool.Query(ctx, "SELECT kind, state::text, COUNT(*), MIN(scheduled_at) FROM river_job WHERE state <> 'completed' GROUP BY kind, state ORDER BY kind, state")
	if err != nil {
		return nil, err
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Count, err error) {
		var state string
		err = row.Scan(&c.Kind, &state, &c.Jobs, &c.Oldest)
		c.State = states[rivertype.JobState(state)]
		return c, err
	})
	return stateCounts(out), err
}

// lockKey is the advisory lock of a runner.
func lockKey(runner string) int64 {
	h := sha256.Sum256([]byte("daozhang jobs " + runner))
	return int64(binary.BigEndian.Uint64(h[:8]))
}

// enter takes the lock of the runner's name in a session of its own: it is free
// as soon as the server sees that the process has gone.
func (d *postgres) enter(ctx context.Context, runner string) (func(), error) {
	if err := d.live(ctx, runner); err != nil {
		return nil, err
	}
	return func() {
		d.alive.Lock()
		defer d.alive.Unlock()
		if d.alive.conn != nil {
			d.alive.conn.Close(context.Background())
			d.alive.conn = nil
		}
	}, nil
}

// live makes sure that the session with the lock is there. One that was lost is
// made again; what others gave back meanwhile is run twice, which does no harm.
func (d *postgres) live(ctx context.Context, runner string) error {
	d.alive.Lock()
	defer d.alive.Unlock()
	if d.alive.conn != nil {
		if err := d.alive.conn.Ping(ctx); err == nil || ctx.Err() != nil {
			return err
		}
		d.alive.conn.Close(ctx)
		d.alive.conn = nil
	}
	conn, err := pgx.ConnectConfig(ctx, d.pool.Config().ConnConfig)
	if err != nil {
		return failed(opOpen, d.shown, err)
	}
	// The server notices a killed process within moments, not at once.
	for end := time.Now().Add(2 * time.Second); ; {
		var got bool
		if err = conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", lockKey(runner)).Scan(&got); err != nil || got {
			break
		}
		if time.Now().After(end) {
			err = fault.New(fault.Conflict, opOpen, d.shown, fault.Say("another process runs jobs as %s", "另一个进程正以 %s 之名运行任务", runner),
				fault.Say("stop the other process, or name this node otherwise", "请停止另一个进程，或为本节点另取名称"))
			break
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	if err != nil {
		conn.Close(context.WithoutCancel(ctx))
		return failed(opOpen, d.shown, err)
	}
	d.alive.conn = conn
	return nil
}

// inherit asks for the lock of every runner that is said to be at a job or to
// lead. Whoever does not hold it any more is dead.
func (d *postgres) inherit(ctx context.Context, own string) (int64, error) {
	if err := d.live(ctx, own); err != nil {
		return 0, err
	}
	rows, err := d.pool.Query(ctx, `SELECT attempted_by[array_upper(attempted_by, 1)] FROM river_job WHERE state = 'running' AND attempted_by IS NOT NULL
		UNION SELECT leader_id FROM river_leader`)
	if err != nil {
		return 0, err
	}
	named, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return 0, err
	}
	var back int64
	for _, runner := range named {
		if runner == own {
			continue
		}
		n, err := d.bury(ctx, runner)
		if err != nil {
			return back, err
		}
		back += n
	}
	return back, nil
}

// bury gives back what a runner was at, if it is dead: its lock is held meanwhile,
// so that it does not come back to life in between.
func (d *postgres) bury(ctx context.Context, runner string) (back int64, err error) {
	tx, err := d.pool.Begin(ctx)
	if err != nil {
		return 0, err
	}
	defer func() {
		if e := tx.Rollback(context.WithoutCancel(ctx)); e != nil && !errors.Is(e, pgx.ErrTxClosed) {
			err = errors.Join(err, e)
		}
	}()
	var dead bool
	if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", lockKey(runner)).Scan(&dead); err != nil || !dead {
		return 0, err
	}
	if back, err = giveBack(ctx, tx, runner); err != nil {
		return 0, err
	}
	return back, tx.Commit(ctx)
}

// forget gives back what a runner of the own name was at. Its lock is held by now.
func (d *postgres) forget(ctx context.Context, own string) (back int64, err error) {
	err = pgx.BeginFunc(ctx, d.pool, func(tx pgx.Tx) error {
		back, err = giveBack(ctx, tx, own)
		return err
	})
	return back, err
}

func giveBack(ctx context.Context, tx pgx.Tx, runner string) (int64, error) {
	if _, err := tx.Exec(ctx, "DELETE FROM river_leader WHERE leader_id = $1", runner); err != nil {
		return 0, err
	}
	tag, err := tx.Exec(ctx, `UPDATE river_job SET
		state = CASE WHEN metadata->>'cancel_attempted_at' IS NULL THEN 'available' ELSE 'cancelled' END::river_job_state,
		finalized_at = CASE WHEN metadata->>'cancel_attempted_at' IS NULL THEN NULL ELSE now() END,
		scheduled_at = now() WHERE state = 'running' AND attempted_by[array_upper(attempted_by, 1)] = $1`, runner)
	return tag.RowsAffected(), err
}
