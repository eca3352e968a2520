package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"daozhang/internal/fault"
)

// silent drops what River's migration tells: errors come back as such.
var silent = slog.New(slog.DiscardHandler)

// Migration is one change of the tables of jobs.
type Migration struct {
	Version int
	Name    string
	Applied bool // before Migrate was called
}

// Migrate brings the tables of jobs up to date, beside those of package store,
// creating jobs.db where the database is embedded, and returns all migrations with
// whether they had been applied before. A dry run changes nothing. Several
// processes may call it at the same time. The error is of kind fault.Conflict
// where the tables are newer than this program.
func Migrate(ctx context.Context, address string, dry bool) ([]Migration, error) {
	d, err := open(ctx, address, !dry)
	if err != nil {
		if dry && fault.KindOf(err) == fault.NotFound {
			d = &sqlite{dir: address}
			return planned(d, nil)
		}
		return nil, err
	}
	defer d.close()
	before, err := versions(ctx, d)
	if err != nil {
		return nil, err
	}
	all, err := planned(d, before)
	if err != nil || dry || !slices.ContainsFunc(all, func(m Migration) bool { return !m.Applied }) {
		return all, err
	}
	return all, failed(opMigrate, d.String(), d.migrate(ctx))
}

func versions(ctx context.Context, d database) (map[int]bool, error) {
	have, err := d.versions(ctx)
	if err != nil {
		return nil, failed(opMigrate, d.String(), err)
	}
	out := map[int]bool{}
	for _, m := range have {
		out[m.Version] = true
	}
	return out, nil
}

// planned lists the migrations of this program.
func planned(d database, applied map[int]bool) ([]Migration, error) {
	all, err := d.all()
	if err != nil {
		return nil, failed(opMigrate, d.String(), err)
	}
	var out []Migration
	for _, m := range all {
		out = append(out, Migration{Version: m.Version, Name: fmt.Sprintf("jobs %03d %s", m.Version, m.Name), Applied: applied[m.Version]})
		delete(applied, m.Version)
	}
	for v := range applied {
		return nil, fault.New(fault.Conflict, opOpen, d.String(), fault.Say("its tables have version %d, which this program does not know", "任务表的版本为 %d，本程序不认识", v),
			fault.Say("use the program that made it, or a newer one", "请使用创建它的程序或更新的版本"))
	}
	return out, nil
}

// current refuses tables that this program does not know.
func current(ctx context.Context, d database) error {
	have, err := versions(ctx, d)
	if err != nil {
		return err
	}
	all, err := planned(d, have)
	if err != nil {
		return err
	}
	for _, m := range all {
		if !m.Applied {
			return fault.New(fault.Conflict, opOpen, d.String(), fault.Say("its tables lack the change %s", "任务表缺少变更 %s", m.Name),
				fault.Say("`daozhang migrate` brings them up to date", "可用 `daozhang migrate` 升级"))
		}
	}
	return nil
}
