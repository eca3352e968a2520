package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/format"
	"daozhang/internal/format/registry"
	"daozhang/internal/money"
)

// input are the flags of the commands that read files.
type input struct {
	typ, mapping, mid, zone, currency string
	terms                             []string
}

func (in *input) flags(m *Main, cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&in.typ, "type", "", m.say(text{"`TYPE` of the facts in CSV files without a type column", "没有 type 列的 CSV 文件属于哪类事实（`TYPE`）"}))
	f.StringVar(&in.mapping, "mapping", "", m.say(text{"`FILE` that explains the columns of tables nobody knows", "列名映射文件 `FILE`，用来说明未识别的表格"}))
	f.StringArrayVar(&in.terms, "terms", nil, m.say(text{"terms `FILE`: cycle, cut-off, fees", "商户约定文件 `FILE`：结算周期、日切、费率"}))
	f.StringVar(&in.mid, "mid", "", m.say(text{"`MERCHANT` number where a file names none", "文件未写商户号时使用的商户号 `MERCHANT`"}))
	f.StringVar(&in.zone, "zone", "", m.say(text{"`ZONE` of local times where a file names none", "文件未写时区时使用的时区 `ZONE`"}))
	f.StringVar(&in.currency, "currency", "", m.say(text{"`CURRENCY` where a file names none", "文件未写币种时使用的币种 `CURRENCY`"}))
}

// options turns the flags into what the reading of files needs.
func (in *input) options(m *Main, cmd *cobra.Command) (format.Options, error) {
	o := format.Options{Stdin: m.Stdin}
	o.MID = in.mid
	if in.typ != "" {
		t, ok := evidence.ParseType(in.typ)
		if !ok {
			return o, usage(cmd, fault.Say("--type: no such type of evidence, write for example terminal.transaction or settlement.line", "--type：没有这种事实类型，例如 terminal.transaction、settlement.line"))
		}
		o.Type = t
	}
	if in.zone != "" {
		z, err := calendar.Location(in.zone)
		if err != nil {
			return o, usage(cmd, fault.Say("--zone: write an IANA name such as Asia/Shanghai, or an offset such as +08:00", "--zone：请写 Asia/Shanghai 这样的时区名，或 +08:00 这样的时差"))
		}
		o.Zone = z
	}
	if in.currency != "" {
		c, err := money.ParseCurrency(strings.ToUpper(in.currency))
		if err != nil {
			return o, usage(cmd, fault.Say("--currency: write an ISO 4217 code such as CNY", "--currency：请写 ISO 4217 币种代码，如 CNY"))
		}
		o.Currency = c
	}
	if in.mapping != "" {
		f, err := os.Open(in.mapping)
		if err != nil {
			return o, openError(in.mapping, err)
		}
		defer f.Close()
		if o.Mapping, err = format.ReadMapping(f); err != nil {
			return o, fault.New(fault.Usage, opRead, in.mapping, err, fault.HintText(err))
		}
	}
	return o, nil
}

// openError is the error of a file that a flag names and that cannot be opened.
func openError(name string, err error) error {
	kind := fault.Internal
	switch {
	case os.IsNotExist(err):
		kind = fault.NotFound
	case os.IsPermission(err):
		kind = fault.NotAllowed
	}
	var why error = err
	if p, ok := err.(*os.PathError); ok {
		why = p.Err
	}
	return fault.New(kind, opOpen, name, why, fault.Say("check the name, and that you may use it", "请检查名称和权限"))
}

// load reads all files into a new set of evidence and tells on Stderr what was
// refused.
func (m *Main) load(ctx context.Context, cmd *cobra.Command, in *input, paths []string) (*evidence.Set, *format.Loaded, error) {
	opts, err := in.options(m, cmd)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range in.terms {
		f, err := os.Open(t)
		if err != nil {
			return nil, nil, openError(t, err)
		}
		f.Close()
	}
	if name, ok := noneExists(paths); ok {
		return nil, nil, fault.New(fault.NotFound, opOpen, name, os.ErrNotExist,
			fault.Say("check the name, and the folder you are in", "请检查文件名和当前所在的文件夹"))
	}
	set := evidence.NewSet()
	tell, stop := m.progress()
	loaded, err := format.Load(ctx, slices.Concat(paths, in.terms), opts, registry.All(), set, func(done, total int64) {
		m.thrift(done)
		tell(done, total)
	})
	stop()
	if err != nil {
		return nil, nil, fault.New(fault.KindOf(err), opRead, strings.Join(paths, " "), err, "")
	}
	return set, loaded, nil
}

// noneExists reports whether there is nothing at all to read, and the first
// name that is not there.
func noneExists(paths []string) (string, bool) {
	for _, p := range paths {
		if p == "-" {
			return "", false
		}
		if _, err := os.Stat(p); err == nil || !os.IsNotExist(err) {
			return "", false
		}
		if found, _ := filepath.Glob(p); len(found) > 0 {
			return "", false
		}
	}
	return paths[0], true
}

// toldAtMost is how many refused lines and warnings are listed one by one.
const toldAtMost = 20

// refused tells what was refused, and gives the error by which the exit code
// says that something was; nil where all was taken.
func (m *Main) refused(rejected []format.Note, list bool) error {
	if len(rejected) == 0 {
		return nil
	}
	if list {
		for i, n := range rejected {
			if i == toldAtMost {
				m.line(fmt.Sprintf(m.say(text{"… and %d more; -o json lists all", "……另有 %d 条，-o json 会全部列出"}), len(rejected)-toldAtMost))
				break
			}
			m.line(m.place(n.File, n.Line) + n.Why.In(m.lang))
		}
	}
	m.line(fmt.Sprintf(m.say(text{
		"daozhang: refused: %d (lines or whole files); everything else has been answered",
		"daozhang：有 %d 处（行或整个文件）未能采用，其余已全部给出结果"}), len(rejected)))
	return fault.New(fault.Rejected, "", "", nil, "")
}

// place names a line of a file before what is said of it; line 0 is the file as
// a whole.
func (m *Main) place(file string, line int) string {
	if line == 0 || m.lang != "zh" {
		return place(file, line) + m.say(text{": ", "："})
	}
	return fmt.Sprintf("%s 第 %d 行：", file, line)
}

// What is done to files, in messages.
var (
	opRead  = fault.Say("read", "读取")
	opOpen  = fault.Say("open", "打开")
	opWrite = fault.Say("write", "写入")
)

// place names a line of a file; line 0 is the file as a whole.
func place(file string, line int) string {
	if line == 0 {
		return file
	}
	return fmt.Sprintf("%s:%d", file, line)
}

// deliver writes data to the file named by --out, or to Stdout. A file appears
// whole or not at all.
func (m *Main) deliver(out string, write func(io.Writer) error) error {
	if out == "" || out == "-" {
		if err := write(m.Stdout); err != nil {
			return fault.New(fault.KindOf(err), fault.Say("write the answer", "写出结果"), "", err, "")
		}
		return nil
	}
	if info, err := os.Stat(out); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return pour(out, write)
	}
	f, err := os.CreateTemp(filepath.Dir(out), ".daozhang-*")
	if err != nil {
		return openError(out, err)
	}
	err = write(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = os.Rename(f.Name(), out)
	}
	if err != nil {
		os.Remove(f.Name())
		return fault.New(fault.KindOf(err), opWrite, out, err, "")
	}
	return nil
}

// pour writes to a device or a pipe, which a file must not take the place of.
func pour(out string, write func(io.Writer) error) error {
	f, err := os.OpenFile(out, os.O_WRONLY, 0)
	if err != nil {
		return openError(out, err)
	}
	err = write(f)
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fault.New(fault.KindOf(err), opWrite, out, err, "")
	}
	return nil
}
