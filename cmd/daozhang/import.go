package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"

	"daozhang/internal/api"
	"daozhang/internal/api/client"
	"daozhang/internal/fault"
	"daozhang/internal/format/registry"
	"daozhang/internal/intake"
)

// importer brings one file, wherever it goes.
type importer func(ctx context.Context, name string, content io.Reader) (*api.File, error)

// importFiles brings files into a database or to a server.
func (m *Main) importFiles() *cobra.Command {
	var (
		in         input
		server, to string
		dry        bool
	)
	cmd := &cobra.Command{
		Use:   "import FILE… [flags]",
		Short: m.say(text{"Bring files to a server or into a database, and say what became of every row", "把文件导入服务或数据库，并说明每一行的结果"}),
		Long: m.say(text{
			"Reads each file in any format that `daozhang formats` lists, keeps what it says as evidence, and tells what was new,\n" +
				"what was there, and which lines could not be read. The same file again changes nothing. With --server the file is\n" +
				"sent to a running server (the API key in DAOZHANG_API_KEY needs the role institution), which gives clearing files,\n" +
				"replies and statements of its own account to its back office. With --database an embedded database must have no\n" +
				"server running. --dry-run says all that and keeps nothing. Folders are gone through.",
			"以 `daozhang formats` 所列任一格式读取文件，内容保存为凭据，并说明新增、已有和无法读取的行。重复导入不会产生任何变化。\n" +
				"--server 把文件发送给运行中的服务（DAOZHANG_API_KEY 中的密钥须为 institution 角色），清算文件、出款回执和备付金账户\n" +
				"对账单由其清算处理入账。--database 用于内嵌数据库时须先停止服务。--dry-run 只说明结果，不保留任何内容。可以给出文件夹。"}),
		Example: "  daozhang import statement.xml --server http://127.0.0.1:8080\n  daozhang import bills/ --dry-run --database /var/lib/daozhang\n  daozhang import bill.csv --mid 898310058120001 -o json --database postgres://daozhang@db/daozhang",
		Args:    need(1, -1, text{"name the files", "请给出文件"})(m),
	}
	f := cmd.Flags()
	in.flags(m, cmd)
	_ = f.MarkHidden("terms") // a terms file is a file as any other here
	database, by := m.databaseFlag(f), m.byFlag(f)
	f.StringVar(&server, "server", "", m.say(text{"`URL` of a running server", "运行中服务的地址 `URL`"}))
	f.StringVar(&to, "to", "", m.say(text{"`FOLDER` of the back office that is meant, such as clearing/UnionPay (default: found by the content)", "目标文件夹 `FOLDER`，如 clearing/UnionPay（默认按内容判断）"}))
	f.BoolVar(&dry, "dry-run", false, m.say(text{"say what would become of the files and keep nothing", "只说明结果，不保留任何内容"}))
	output := choice(f, "output", "o", "table", m.say(text{"form of the answer", "输出形式"}), "table", "json")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		options, err := in.options(m, cmd)
		if err != nil {
			return err
		}
		files, err := filesIn(args)
		if err != nil {
			return err
		}
		if server != "" {
			if *database != "" {
				return usage(cmd, fault.Say("give --server or --database, not both", "--server 与 --database 只能给出一个"))
			}
			if in.mapping != "" {
				return usage(cmd, fault.Say("--mapping works with --database only", "--mapping 仅可与 --database 同用"))
			}
			c := &client.Client{URL: server, Key: m.Getenv(apiKeyVariable), Lang: m.lang}
			return m.importAll(cmd.Context(), files, output.value, func(ctx context.Context, name string, content io.Reader) (*api.File, error) {
				return c.PutFile(ctx, name, content, client.FileHints{To: to, MID: in.mid, Currency: in.currency, Type: in.typ, Zone: in.zone, DryRun: dry})
			})
		}
		return m.decide(cmd, *database, func(d *decider) error {
			i := &intake.Intake{Keeper: d.db, Formats: registry.All(), Zone: m.Zone, Now: m.Now, Log: d.db}
			if known, err := d.db.RecordsAfter(cmd.Context(), "", 1); err != nil {
				return err
			} else if len(known) > 0 { // accounts are its merchants', and terms for two to decide
				i.Office = d.Office
			}
			return m.importAll(cmd.Context(), files, output.value, func(ctx context.Context, name string, content io.Reader) (*api.File, error) {
				got, err := i.Bring(ctx, intake.Upload{Name: name, Content: content, By: by(), Via: intake.Command, Hints: options.Hints, To: to, Dry: dry})
				if err != nil {
					return nil, err
				}
				return api.FileOf(&got, m.lang), nil
			})
		})
	}
	return cmd
}

// filesIn are the files of what was named; those of folders in order of name.
func filesIn(args []string) (list []string, err error) {
	for _, a := range args {
		err := filepath.WalkDir(a, func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return openError(path, err)
			case d.IsDir() && path != a && strings.HasPrefix(d.Name(), "."):
				return fs.SkipDir
			case d.Type().IsRegular() && (path == a || !strings.HasPrefix(d.Name(), ".")), path == a && !d.IsDir():
				list = append(list, path)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if len(list) == 0 {
		return nil, fault.New(fault.NotFound, fault.Say("import files", "导入文件"), strings.Join(args, " "), fault.Say("there are no files", "没有文件"), fault.Text{})
	}
	return list, nil
}

// importAll brings files one after the other and prints what became of each. The
// error is fault.Rejected where anything of them was not taken.
func (m *Main) importAll(ctx context.Context, files []string, form string, bring importer) error {
	var all []*api.File
	var failed error
	refused := 0
	for _, name := range files {
		got, err := m.importOne(ctx, name, bring)
		if err != nil {
			failed = err
			break
		}
		if got.State == string(intake.Refused) || got.Rejected > 0 {
			refused++
		}
		all = append(all, got)
	}
	err := m.deliver("", func(w io.Writer) error {
		if form == "json" {
			return writeJSON(w, all)
		}
		return m.importTable(w, all)
	})
	switch {
	case failed != nil || err != nil:
		return errors.Join(failed, err)
	case refused > 0:
		return fault.New(fault.Rejected, fault.Say("import files", "导入文件"), "", nil, fault.Text{})
	}
	return nil
}

func (m *Main) importOne(ctx context.Context, name string, bring importer) (*api.File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, openError(name, err)
	}
	defer f.Close()
	return bring(ctx, filepath.Base(name), f)
}

// importTable prints files with what became of them, and their rejected lines.
func (m *Main) importTable(w io.Writer, all []*api.File) error {
	t := plainTable()
	t.AppendHeader(table.Row{m.say(text{"file", "文件"}), m.say(text{"result", "结果"}), m.say(text{"read as", "格式"}), m.say(text{"rows", "记录"}), m.say(text{"new", "新增"}), m.say(text{"rejected", "拒收"})})
	for _, f := range all {
		state := intake.State(f.State).Word().In(m.lang)
		if f.DryRun {
			state += m.say(text{" (dry run)", "（试读）"})
		}
		t.AppendRow(table.Row{f.Name, state, f.Format, f.Rows, f.Added, f.Rejected})
	}
	if err := writeTable(w, t); err != nil {
		return err
	}
	for _, f := range all {
		if f.Why != "" {
			m.line(f.Name + m.say(text{": ", "："}) + f.Why)
		}
		for _, x := range f.Totals {
			if !x.Agrees {
				m.line(fmt.Sprintf(m.say(text{"%s: the total of %s is not that of its rows", "%s：%s 的合计与记录不符"}), f.Name, x.Of))
			}
		}
		for _, e := range f.Errors {
			m.line(f.Name + ":" + strconv.Itoa(e.Line) + ": " + e.Why)
		}
	}
	return nil
}
