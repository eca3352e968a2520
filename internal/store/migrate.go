package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/pressly/goose/v3"

	"daozhang/internal/fault"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// Migration is one change of the schema.
type Migration struct {
	Version int64
	Name    string // of its file
	Applied bool   // before Migrate was called
}

// Migrate brings the schema up to date, creating an embedded database that is not
// there, and returns all migrations with whether they had been applied before. A
// dry run changes nothing. Each migration is a transaction of its own. The error
// is of kind fault.Conflict where the schema is newer than this program.
func Migrate(ctx context.Context, database string, dry bool) ([]Migration, error) {
	d, err := dialectOf(database)
	if err != nil {
		return nil, err
	}
	db, err := d.admin(ctx, !dry)
	if err != nil {
		if _, embedded := d.(*sqlite); embedded && dry && fault.KindOf(err) == fault.NotFound {
			return planned(d, nil)
		}
		return nil, err
	}
	defer db.Close()
	before, err := versions(ctx, db, d)
	if err != nil {
		return nil, trouble(d, "migrate", err)
	}
	all, err := planned(d, before)
	if err != nil || dry {
		return all, err
	}
	p, err := provider(d, db)
	if err != nil {
		return nil, trouble(d, "migrate", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return nil, trouble(d, "migrate", err)
	}
	return all, nil
}

func provider(d dialect, db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrationFiles, "migrations")
	if err != nil {
		return nil, err
	}
	// A database that another build has brought further still gets what it lacks.
	return goose.NewProvider(d.goose(), db, files, goose.WithDisableGlobalRegistry(true), goose.WithGoMigrations(goMigrations()...), goose.WithAllowOutofOrder(true))
}

// planned lists the migrations of this program.
func planned(d dialect, applied map[int64]bool) ([]Migration, error) {
	p, err := provider(d, &sql.DB{})
	if err != nil {
		return nil, trouble(d, "migrate", err)
	}
	var out []Migration
	for _, s := range p.ListSources() {
		name := path.Base(s.Path)
		for _, m := range codeMigrations {
			if s.Version == m.version {
				name = m.name
			}
		}
		out = append(out, Migration{s.Version, name, applied[s.Version]})
		delete(applied, s.Version)
	}
	delete(applied, 0)
	for v := range applied {
		return nil, newer(d, v)
	}
	return out, nil
}

func newer(d dialect, version int64) error {
	return fault.New(fault.Conflict, "open database", d.String(), fmt.Errorf("its schema has version %d, which this program does not know", version),
		"use the program that made it, or a newer one")
}

// versions reads which migrations have been applied, none where there is no
// schema, without changing anything.
func versions(ctx context.Context, db *sql.DB, d dialect) (map[int64]bool, error) {
	out := map[int64]bool{}
	q := "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'"
	if d.goose() == goose.DialectPostgres {
		q = "SELECT COUNT(*) FROM (SELECT to_regclass('goose_db_version') AS r) x WHERE r IS NOT NULL"
	}
	var n int
	if err := db.QueryRowContext(ctx, q).Scan(&n); err != nil || n == 0 {
		return out, err
	}
	rows, err := db.QueryContext(ctx, "SELECT version_id, is_applied FROM goose_db_version ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v int64
		var applied bool
		if err := rows.Scan(&v, &applied); err != nil {
			return nil, err
		}
		if applied {
			out[v] = true
		} else {
			delete(out, v)
		}
	}
	return out, rows.Err()
}

// schema compares the schema of a database with this program's: the version
// that it has and the one it should have.
func schema(ctx context.Context, db *sql.DB, d dialect) (have, want int64, err error) {
	applied, err := versions(ctx, db, d)
	if err != nil {
		return 0, 0, trouble(d, "open", err)
	}
	for v := range applied {
		have = max(have, v)
	}
	all, err := planned(d, applied)
	if err != nil {
		return have, 0, err
	}
	for _, m := range all {
		want = max(want, m.Version)
	}
	return have, want, nil
}

// current refuses a schema of another version.
func current(ctx context.Context, db *sql.DB, d dialect) error {
	have, want, err := schema(ctx, db, d)
	if err != nil {
		return err
	}
	if have != want {
		why := errors.New("it has no schema")
		if have > 0 {
			why = fmt.Errorf("its schema has version %d, and %d is needed", have, want)
		}
		return fault.New(fault.Conflict, "open database", d.String(), why, "`daozhang migrate` brings it up to date")
	}
	return nil
}
