package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"daozhang/internal/fault"
	"daozhang/internal/money"
	"daozhang/internal/store"
)

// databaseVariable names the database where neither an argument nor a flag does.
const databaseVariable = "DAOZHANG_DATABASE"

// databaseFlag is the flag that names the database.
func (m *Main) databaseFlag(f *pflag.FlagSet) *string {
	return f.String("database", "", m.say(text{
		"`DATABASE`: a data directory, or a postgres:// URL (else " + databaseVariable + ")",
		"数据库 `DATABASE`：数据目录或 postgres:// 地址（未给出时取 " + databaseVariable + "）"}))
}

// databaseOf is the database that is meant: argument, flag, environment.
func (m *Main) databaseOf(cmd *cobra.Command, args []string, flag string) (string, error) {
	if len(args) > 0 && flag != "" {
		return "", usage(cmd, m.say(text{"name the database once, as an argument or by --database", "数据库只需给出一次：参数或 --database"}))
	}
	for _, v := range append(append([]string(nil), args...), flag, m.Getenv(databaseVariable)) {
		if v != "" {
			return v, nil
		}
	}
	return "", usage(cmd, m.say(text{"name the database: a data directory or a postgres:// URL", "请给出数据库：数据目录或 postgres:// 地址"}))
}

// doctor examines a database.
func (m *Main) doctor() *cobra.Command {
	var output *oneOf
	var database *string
	cmd := &cobra.Command{
		Use:   "doctor [DATABASE] [flags]",
		Short: m.say(text{"Verify the books of a database: hash chains, trial balance, schema", "检验数据库账目：哈希链、试算平衡、表结构版本"}),
		Long: m.say(text{
			"Examines a database without changing it, also while the server writes to it: the schema's version, the files\n" +
				"(embedded database), every merchant's hash chain with its recorded end, balances and reservations, the trial\n" +
				"balance, that payments follow from the journal, and that settlement, payouts and clearing agree with the ledger.\n" +
				"Exit code 1 where anything is wrong.",
			"检查数据库但不改动它，服务运行时也可执行：表结构版本、数据文件（内嵌数据库）、每个商户的哈希链及其末端、\n" +
				"余额与冻结、试算平衡，支付状态与流水日志是否一致，以及结算、出款、清算与账簿是否一致。发现问题时退出码为 1。"}),
		Example: "  daozhang doctor /var/lib/daozhang\n  daozhang doctor --database postgres://daozhang@db.internal/daozhang\n  daozhang doctor /var/lib/daozhang -o json",
		Args:    need(0, 1, text{"name one database", "请给出一个数据库"})(m),
	}
	database = m.databaseFlag(cmd.Flags())
	output = choice(cmd.Flags(), "output", "o", "table", m.say(text{"form of the report", "报告形式"}), "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		address, err := m.databaseOf(cmd, args, *database)
		if err != nil {
			return err
		}
		r, err := store.Doctor(cmd.Context(), address, m.examining())
		if err != nil {
			return err
		}
		err = m.deliver("", func(w io.Writer) error {
			if output.value == "json" {
				e := json.NewEncoder(w)
				e.SetIndent("", "  ")
				return e.Encode(r)
			}
			return m.report(w, r)
		})
		if err == nil && len(r.Findings) > 0 {
			err = fault.New(fault.Invalid, "doctor", r.Database, errors.New(m.say(text{"something is wrong", "发现问题"})),
				m.say(text{"keep a copy of the database before anything else; then compare with the latest backup", "请先保留数据库副本，再与最近的备份比对"}))
		}
		return err
	}
	return cmd
}

// examining tells how far an examination is, every five seconds.
func (m *Main) examining() func(done, of int) {
	last := m.Now()
	return func(done, of int) {
		if now := m.Now(); now.Sub(last) >= progressEvery {
			last = now
			m.line(fmt.Sprintf(m.say(text{"examined %d of %d", "已检查 %d / %d"}), done, of))
		}
	}
}

var examined = map[string]text{
	"files":      {"files", "数据文件"},
	"schema":     {"schema", "表结构"},
	"chain":      {"hash chain", "哈希链"},
	"balance":    {"trial balance", "试算平衡"},
	"journal":    {"journal", "流水日志"},
	"settlement": {"settlement", "结算"},
	"clearing":   {"clearing", "清算"},
	"people":     {"people", "用户"},
}

// report prints what an examination found.
func (m *Main) report(w io.Writer, r *store.Report) error {
	p := func(t text, v ...any) error {
		_, err := fmt.Fprintf(w, m.say(t)+"\n", v...)
		return err
	}
	if err := p(text{"database   %s", "数据库    %s"}, r.Database); err != nil {
		return err
	}
	if err := p(text{"schema     version %d of %d", "表结构    版本 %d / %d"}, r.Schema, r.Wanted); err != nil {
		return err
	}
	if r.Schema == r.Wanted {
		if err := p(text{"kept       %d payments, %d facts, %d steps", "内容      %d 笔支付，%d 条证据，%d 条流水"}, r.Payments, r.Evidence, r.Steps); err != nil {
			return err
		}
		if err := p(text{"ledger     %d entries in %d chains", "账簿      %d 条分录，%d 条链"}, r.Entries, r.Merchants); err != nil {
			return err
		}
		if r.Lines+r.Payouts > 0 {
			if err := p(text{"settled    %d lines, %d payouts", "结算      %d 条明细，%d 笔出款"}, r.Lines, r.Payouts); err != nil {
				return err
			}
		}
		if len(r.Totals) > 0 {
			t := plainTable()
			t.AppendHeader(table.Row{m.say(text{"trial balance", "试算平衡"}), m.say(text{"debits", "借方"}), m.say(text{"credits", "贷方"}),
				m.say(text{"pending debits", "待定借方"}), m.say(text{"pending credits", "待定贷方"})})
			for _, s := range r.Totals {
				c, err := money.ParseCurrency(s.Currency)
				if err != nil {
					return err
				}
				amount := func(v int64) string { return money.FormatGrouped(v, c) }
				t.AppendRow(table.Row{s.Currency, amount(s.Debits), amount(s.Credits), amount(s.PendingDebits), amount(s.PendingCredits)})
			}
			if err := writeTable(w, t); err != nil {
				return err
			}
		}
	}
	if len(r.Findings) == 0 {
		return p(text{"all is well", "一切正常"})
	}
	for _, f := range r.Findings {
		if err := p(text{"WRONG      %s, %s: %s", "异常      %s，%s：%s"}, m.say(examined[f.What]), f.Subject, f.Why); err != nil {
			return err
		}
	}
	return nil
}
