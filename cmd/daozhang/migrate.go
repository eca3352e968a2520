package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"daozhang/internal/store"
	"daozhang/internal/store/jobs"
)

// migrate brings a database's schema up to date.
func (m *Main) migrate() *cobra.Command {
	var dry, distribute bool
	var database *string
	cmd := &cobra.Command{
		Use:   "migrate [DATABASE] [flags]",
		Short: m.say(text{"Bring a database's schema up to date, or create it", "升级或创建数据库表结构"}),
		Long: m.say(text{
			"Applies the changes of the schema that the database has not had yet, each in a transaction of its own, and\ncreates an embedded database that is not there. Stop the server first. A second time it changes nothing.",
			"执行数据库尚未执行的表结构变更，每项变更各为一个事务；内嵌数据库不存在时创建。请先停止服务。重复执行不会有任何改动。"}),
		Example: "  daozhang migrate /var/lib/daozhang\n  daozhang migrate --database postgres://daozhang@db.internal/daozhang --dry-run\n" +
			"  daozhang migrate --database postgres://daozhang@coordinator/daozhang --distribute",
		Args: need(0, 1, text{"name one database", "请给出一个数据库"})(m),
	}
	database = m.databaseFlag(cmd.Flags())
	cmd.Flags().BoolVar(&dry, "dry-run", false, m.say(text{"tell what would be done and change nothing", "只说明将执行什么，不作改动"}))
	cmd.Flags().BoolVar(&distribute, "distribute", false, m.say(text{
		"then turn the tables into distributed and reference tables: PostgreSQL with the extension Citus",
		"随后将各表转为分布表与参考表：需 PostgreSQL 及 Citus 扩展"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		address, err := m.databaseOf(cmd, args, *database)
		if err != nil {
			return err
		}
		all, err := store.Migrate(cmd.Context(), address, dry)
		if err != nil {
			return err
		}
		ofJobs, err := jobs.Migrate(cmd.Context(), address, dry)
		if err != nil {
			return err
		}
		for _, x := range ofJobs {
			all = append(all, store.Migration{Name: x.Name, Applied: x.Applied})
		}
		state := map[[2]bool]text{
			{true, true}:   {"applied before", "此前已执行"},
			{true, false}:  {"applied before", "此前已执行"},
			{false, true}:  {"would be applied", "将执行"},
			{false, false}: {"applied", "已执行"},
		}
		err = m.deliver("", func(w io.Writer) error {
			for _, x := range all {
				if _, err := fmt.Fprintf(w, "%s  %s\n", x.Name, m.say(state[[2]bool{x.Applied, dry}])); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || !distribute {
			return err
		}
		return m.distribute(cmd.Context(), address, dry)
	}
	return cmd
}

// distribute places the tables on the machines of a cluster and prints each with
// the statements that do it.
func (m *Main) distribute(ctx context.Context, address string, dry bool) error {
	plan, err := store.Distribute(ctx, address, dry)
	if err != nil {
		return err
	}
	placed := map[string]text{
		"distributed": {"distributed by merchant", "按商户分布"},
		"reference":   {"reference, a copy on every machine", "参考表，每台一份"},
		"local":       {"local to the coordinator", "仅在协调节点"},
	}
	return m.deliver("", func(w io.Writer) error {
		for _, p := range plan {
			if _, err := fmt.Fprintf(w, "%s  %s\n", p.Table, m.say(placed[p.How])); err != nil {
				return err
			}
			for _, statement := range p.Statements {
				if _, err := fmt.Fprintf(w, "  %s;\n", statement); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
