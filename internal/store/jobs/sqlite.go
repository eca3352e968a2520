package jobs

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"
	_ "modernc.org/sqlite" // the driver named sqlite

	"daozhang/internal/fault"
)

// The files beside daozhang.db. The lock is a file of its own, as that of the
// books is.
const (
	sqliteFile = "jobs.db"
	lockFile   = "jobs.lock"
)

// sqlite is jobs.db.
type sqlite struct {
	dir string
	db  *sql.DB
}

// dsn of a file. A transaction takes the write lock when it begins: one that
// takes it later, after reading, would be refused rather than made to wait.
func dsn(dir, file string, pragmas ...string) string {
	q := url.Values{"mode": {"rwc"}, "_pragma": pragmas, "_txlock": {"immediate"}}
	return "file:" + (&url.URL{Path: filepath.ToSlash(filepath.Join(dir, file))}).EscapedPath() + "?" + q.Encode()
}

func openSQLite(ctx context.Context, dir string, create bool) (*sqlite, error) {
	d := &sqlite{dir: dir}
	if create {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, fault.New(fault.Internal, opOpen, dir, err, fault.Say("choose a directory that may be written", "请选择可写的目录"))
		}
	} else if _, err := os.Stat(d.String()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fault.Say("there is none", "文件不存在")
		}
		return nil, fault.New(fault.NotFound, opOpen, d.String(), err, fault.Say("`daozhang migrate %s` makes it", "可用 `daozhang migrate %s` 创建", dir))
	}
	// A job that a loss of power takes back is done again, so its commits need not
	// be synced one by one: the syncs are those of the books. WAL keeps the file
	// whole all the same.
	db, err := sql.Open("sqlite", dsn(dir, sqliteFile, "busy_timeout(10000)", "journal_mode(WAL)", "synchronous(NORMAL)"))
	if err != nil {
		return nil, failed(opOpen, d.String(), err)
	}
	db.SetMaxOpenConns(1) // as River's driver asks for
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, failed(opOpen, d.String(), err)
	}
	d.db = db
	return d, nil
}

func (d *sqlite) String() string { return filepath.Join(d.dir, sqliteFile) }
func (d *sqlite) close()         { d.db.Close() }

// client of one process beside few others: it looks for work by itself, as its
// notices would be found by looking too, twenty times a second.
func (d *sqlite) client(c *river.Config) (client, error) {
	c.PollOnly = true
	r, err := river.NewClient(riversqlite.New(d.db), c)
	return riverClient[*sql.Tx]{r, d.within}, err
}

func (d *sqlite) within(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (d *sqlite) migrator() (*rivermigrate.Migrator[*sql.Tx], error) {
	return rivermigrate.New(riversqlite.New(d.db), &rivermigrate.Config{Logger: silent})
}

func (d *sqlite) versions(ctx context.Context) ([]rivermigrate.Migration, error) {
	m, err := d.migrator()
	if err != nil {
		return nil, err
	}
	return m.ExistingVersions(ctx)
}

func (d *sqlite) all() ([]rivermigrate.Migration, error) {
	m, err := d.migrator()
	if err != nil {
		return nil, err
	}
	return m.AllVersions(), nil
}

func (d *sqlite) migrate(ctx context.Context) error {
	unlock, err := d.lock()
	if err != nil {
		return err
	}
	defer unlock()
	m, err := d.migrator()
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

func (d *sqlite) counts(ctx context.Context) ([]Count, error) {
	rows, err := d.db.QueryContext(ctx, "SELECT kind, state, COUNT(*), CAST(MIN(scheduled_at) AS TEXT) FROM river_job WHERE state <> 'completed' GROUP BY kind, state ORDER BY kind, state")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Count
	for rows.Next() {
		var kind, state, oldest string
		var n int64
		if err := rows.Scan(&kind, &state, &n, &oldest); err != nil {
			return nil, err
		}
		out = append(out, Count{Kind(kind), states[rivertype.JobState(state)], n, parseRiverTime(oldest)})
	}
	return stateCounts(out), rows.Err()
}

// lock takes a lock that the system frees with the process: an exclusive
// transaction on a file of its own.
func (d *sqlite) lock() (unlock func(), err error) {
	db, err := sql.Open("sqlite", dsn(d.dir, lockFile, "busy_timeout(2000)", "journal_mode(MEMORY)"))
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("BEGIN EXCLUSIVE"); err != nil {
		db.Close()
		return nil, fault.New(fault.Conflict, opOpen, filepath.Join(d.dir, lockFile), fault.Say("another process runs the jobs there", "另一个进程正在运行其中的任务"),
			fault.Say("stop the other process first", "请先停止另一个进程"))
	}
	return func() { db.Close() }, nil
}

// enter lets one runner in: another one would not be seen to have died.
func (d *sqlite) enter(context.Context, string) (func(), error) { return d.lock() }

// inherit finds nothing: there is no other runner.
func (d *sqlite) inherit(context.Context, string) (int64, error) { return 0, nil }

// forget gives back what is said to run: nothing does, as this is the only
// runner and begins.
func (d *sqlite) forget(ctx context.Context, _ string) (int64, error) {
	if _, err := d.db.ExecContext(ctx, "DELETE FROM river_leader"); err != nil {
		return 0, err
	}
	r, err := d.db.ExecContext(ctx, `UPDATE river_job SET
		state = CASE WHEN json_extract(metadata, '$.cancel_attempted_at') IS NULL THEN 'available' ELSE 'cancelled' END,
		finalized_at = CASE WHEN json_extract(metadata, '$.cancel_attempted_at') IS NULL THEN NULL ELSE datetime('now', 'subsec') END,
		scheduled_at = datetime('now', 'subsec') WHERE state = 'running'`)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}
