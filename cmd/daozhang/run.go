package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"daozhang/internal/card"
	"daozhang/internal/fault"
)

// Main is the command with everything it knows of the outside, so that tests
// run it as the binary does.
type Main struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Now is the clock: the moment of the question where none is given.
	Now    func() time.Time
	Getenv func(string) string
	// Terminal gives the width of the terminal a stream is shown on; false
	// where it is none.
	Terminal func(stream any) (width int, ok bool)
	// Zone is that of the moment of the question where no evidence names one.
	Zone *time.Location
	// Self is how the reader calls the program, for hints; "" for its name.
	Self string

	lang   string           // "en" or "zh"
	thrift func(read int64) // told how many bytes have been read
}

// Run runs the command line and gives its exit code: 0 done, 1 failed, 2 usage,
// 3 not found, 4 not allowed, 5 conflict, 6 done with some input rejected,
// 7 the --fail-on condition met. Data goes to Stdout, all else to Stderr.
func (m *Main) Run(ctx context.Context, args []string) int {
	m.lang = m.language(args)
	thrift, back := thrift()
	m.thrift = thrift
	defer back()
	root := m.root()
	root.SetArgs(args)
	root.SetIn(m.Stdin)
	root.SetOut(m.Stdout)
	root.SetErr(m.Stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		m.tell(err)
	}
	return fault.ExitCode(err)
}

// text is a text in the two languages of the product.
type text struct{ en, zh string }

// say chooses the reader's language.
func (m *Main) say(t text) string {
	if m.lang == "zh" {
		return t.zh
	}
	return t.en
}

// language is the one named by --lang, else that of the locale. It is needed
// before the command line is parsed, since help is in the reader's language.
func (m *Main) language(args []string) string {
	for i, a := range args {
		if a == "--" {
			break
		}
		v, ok := strings.CutPrefix(a, "--lang=")
		if a == "--lang" && i+1 < len(args) {
			v, ok = args[i+1], true
		}
		if ok && (v == "en" || v == "zh") {
			return v
		}
	}
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := m.Getenv(name); v != "" {
			if strings.HasPrefix(v, "zh") {
				return "zh"
			}
			return "en"
		}
	}
	return "en"
}

// tell prints an error and, on a line of its own, what can be done about it.
// The cause may repeat what a person typed, so card numbers are masked.
func (m *Main) tell(err error) {
	if kind := fault.KindOf(err); kind == fault.Rejected || kind == fault.FailOn {
		// Not a failure: what was done has been printed, and so has why the
		// exit code is not 0.
		if f, ok := errors.AsType[*fault.Error](err); ok && f.Err == nil {
			return
		}
	}
	m.line("daozhang" + m.say(text{": ", "："}) + fault.TextOf(err).In(m.lang))
	if hint := fault.HintText(err).In(m.lang); hint != "" {
		m.line("  " + hint)
	}
}

// line prints a line for the person, never for a program.
func (m *Main) line(s string) {
	s, _ = card.MaskText(s)
	fmt.Fprintln(m.Stderr, s)
}

// root builds the command tree.
func (m *Main) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "daozhang",
		Short: m.say(text{"Where is the money of every card payment?", "每一笔刷卡款现在在哪里？"}),
		Long: m.say(text{
			"daozhang reads what you have (POS journal, settlement report, bank statement, notices) and says for every\n" +
				"card payment where its money is, why it is not there yet, who must act, and when it arrives.",
			"把手头的文件（POS 流水、结算单、银行对账单、通知公告）交给到账，它会告诉您每一笔刷卡款\n" +
				"现在在哪里、为什么还没到、该由谁处理、预计什么时候到账。",
		}),
		Example: `  daozhang check examples/corner-shop --as-of 2026-03-09T10:00:00+08:00
  daozhang trace 000117 examples/corner-shop
  daozhang calendar CN 2026-02-16`,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(cmd, fault.Say("there is no command %q", "没有 %q 这个命令", args[0]))
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.PersistentFlags().String("lang", "", m.say(text{
		"`LANGUAGE`, en or zh (default: that of the locale)", "语言 `LANGUAGE`：en 或 zh（默认随系统语言）"}))
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, flagFault(err)) })
	root.AddCommand(m.check(), m.trace(), m.importFiles(), m.export(), m.causes(), m.formats(), m.calendar(), m.simulate(), m.score(), m.iso8583(), m.serve(), m.demo(), m.bank(), m.pos(), m.payments(), m.merchants(), m.payouts(), m.exceptions(), m.approvals(), m.jobs(), m.keys(), m.webhooks(), m.users(), m.doctor(), m.migrate(), m.man(), m.version())
	root.SetHelpCommand(&cobra.Command{Use: "help [command]", Short: m.say(text{"Help about a command", "查看命令说明"}),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, _, err := root.Find(args)
			if err != nil || c == root && len(args) > 0 {
				return usage(cmd, fault.Say("there is no command %q", "没有 %q 这个命令", strings.Join(args, " ")))
			}
			return c.Help()
		}})
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Short = m.say(text{"Completion for bash, zsh, fish or PowerShell", "生成命令补全脚本（bash、zsh、fish、PowerShell）"})
			c.Example = "  daozhang completion bash > /etc/bash_completion.d/daozhang"
		}
	}
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		if v, _ := cmd.Flags().GetString("lang"); v != "" && v != "en" && v != "zh" {
			return usage(cmd, fault.Say("--lang must be en or zh", "--lang 须为 en 或 zh"))
		}
		return nil
	}
	m.translate(root)
	return root
}

// usage is the error of a command line that cannot be understood.
func usage[T string | fault.Text](cmd *cobra.Command, why T) error {
	op := strings.TrimPrefix(strings.TrimPrefix(cmd.CommandPath(), "daozhang"), " ")
	var said fault.Text
	switch why := any(why).(type) {
	case fault.Text:
		said = why
	case string:
		said = fault.Same(why)
	}
	return fault.New(fault.Usage, fault.Same(op), "", said,
		fault.Say("see `%s --help`", "用法见 `%s --help`", cmd.CommandPath()))
}

// flagFault says in both languages what is wrong with a flag.
func flagFault(err error) fault.Text {
	if e, ok := errors.AsType[*pflag.NotExistError](err); ok {
		return fault.Text{EN: err.Error(), ZH: "没有这个选项：" + dashes(e.GetSpecifiedName()) + e.GetSpecifiedName()}
	}
	if e, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		return fault.Text{EN: err.Error(), ZH: "选项缺少值：" + dashes(e.GetSpecifiedName()) + e.GetSpecifiedName()}
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fault.Text{EN: err.Error(), ZH: "选项 --" + e.GetFlag().Name + " 的值无效：" + fault.TextOf(errors.Unwrap(err)).In("zh")}
	}
	return fault.TextOf(err)
}

// dashes are those before a flag's name, long or short.
func dashes(name string) string {
	if len(name) > 1 {
		return "--"
	}
	return "-"
}

// need checks how many arguments a command got.
func need(least, most int, what text) func(m *Main) cobra.PositionalArgs {
	return func(m *Main) cobra.PositionalArgs {
		return func(cmd *cobra.Command, args []string) error {
			if len(args) < least || most >= 0 && len(args) > most {
				return usage(cmd, m.say(what))
			}
			return nil
		}
	}
}

// translate puts the frame of the help into the reader's language.
func (m *Main) translate(root *cobra.Command) {
	if m.lang == "zh" {
		root.SetUsageTemplate(strings.NewReplacer(
			"Usage:", "用法：", "Aliases:", "别名：", "Examples:", "示例：", "Available Commands:", "命令：",
			"Additional Commands:", "其他命令：", "Global Flags:", "通用选项：", "Flags:", "选项：",
			`Use "{{.CommandPath}} [command] --help" for more information about a command.`, `“{{.CommandPath}} 命令 --help” 查看该命令的说明。`,
		).Replace(root.UsageTemplate()))
	}
	var each func(c *cobra.Command)
	each = func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		if f := c.Flags().Lookup("help"); f != nil {
			f.Usage = m.say(text{"show this help", "显示本说明"})
		}
		c.DisableFlagsInUseLine = true
		for _, sub := range c.Commands() {
			each(sub)
		}
	}
	each(root)
}

// oneOf is a flag whose value is one of a few words.
type oneOf struct {
	value string
	words []string
}

func (o *oneOf) String() string { return o.value }
func (o *oneOf) Type() string   { return strings.Join(o.words, "|") }
func (o *oneOf) Set(s string) error {
	for _, w := range o.words {
		if s == w {
			o.value = s
			return nil
		}
	}
	return fault.Say("must be one of %s", "须为下列之一：%s", strings.Join(o.words, ", "))
}

func choice(flags *pflag.FlagSet, name, short, value, usage string, words ...string) *oneOf {
	o := &oneOf{value: value, words: words}
	flags.VarP(o, name, short, usage)
	return o
}
