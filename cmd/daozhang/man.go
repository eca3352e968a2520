package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// man writes manual pages.
func (m *Main) man() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "man [COMMAND] [flags]",
		Short: m.say(text{"Write manual pages", "生成手册页"}),
		Long: m.say(text{"Writes the manual page of daozhang, or of one of its commands; with --dir those of all into a folder.",
			"输出 daozhang 或其某个命令的手册页；给出 --dir 时把全部手册页写入该文件夹。"}),
		Example: "  daozhang man check | man -l -\n  daozhang man --dir /usr/local/share/man/man1",
		Args:    need(0, 2, text{"name one command at most", "最多给出一个命令"})(m),
	}
	cmd.Flags().StringVar(&dir, "dir", "", m.say(text{"write the pages of all commands into `FOLDER`", "把所有命令的手册页写入文件夹 `FOLDER`"}))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		root := cmd.Root()
		if dir == "" {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 || len(args) > 0 && c == root {
				return usage(cmd, fmt.Sprintf("there is no command %q", strings.Join(args, " ")))
			}
			return m.deliver("", func(w io.Writer) error { return manPage(w, c) })
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return openError(dir, err)
		}
		var write func(c *cobra.Command) error
		write = func(c *cobra.Command) error {
			if !c.IsAvailableCommand() && c.HasParent() {
				return nil
			}
			name := filepath.Join(dir, strings.ReplaceAll(c.CommandPath(), " ", "-")+".1")
			if err := m.deliver(name, func(w io.Writer) error { return manPage(w, c) }); err != nil {
				return err
			}
			for _, sub := range c.Commands() {
				if err := write(sub); err != nil {
					return err
				}
			}
			return nil
		}
		return write(root)
	}
	return cmd
}

var (
	roffText = strings.NewReplacer(`\`, `\e`, "-", `\-`)
	roffLine = strings.NewReplacer("\n.", "\n\\&.", "\n'", "\n\\&'")
)

// roff makes text safe for a manual page.
func roff(s string) string {
	return strings.TrimPrefix(roffLine.Replace("\n"+roffText.Replace(s)), "\n")
}

// manPage writes one command's page.
func manPage(w io.Writer, c *cobra.Command) error {
	var b strings.Builder
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH %q 1 \"\" \"daozhang\" \"daozhang\"\n.SH NAME\n%s \\- %s\n", strings.ToUpper(name), roff(name), roff(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n", roff(strings.TrimSpace(c.UseLine())))
	long := c.Long
	if long == "" {
		long = c.Short
	}
	fmt.Fprintf(&b, ".SH DESCRIPTION\n.nf\n%s\n.fi\n", roff(long))
	flags := func(title string, set *pflag.FlagSet) {
		if !set.HasAvailableFlags() {
			return
		}
		fmt.Fprintf(&b, ".SH %s\n", title)
		set.VisitAll(func(f *pflag.Flag) {
			if f.Hidden {
				return
			}
			value, what := pflag.UnquoteUsage(f)
			names := "--" + f.Name
			if f.Shorthand != "" {
				names = "-" + f.Shorthand + ", " + names
			}
			if value != "" {
				names += " " + value
			}
			fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(names), roff(what))
		})
	}
	flags("OPTIONS", c.NonInheritedFlags())
	flags("GLOBAL OPTIONS", c.InheritedFlags())
	if c.Example != "" {
		fmt.Fprintf(&b, ".SH EXAMPLES\n.nf\n%s\n.fi\n", roff(c.Example))
	}
	if !c.HasParent() {
		b.WriteString(".SH COMMANDS\n")
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				fmt.Fprintf(&b, ".TP\n.B %s\n%s\n", roff(sub.Name()), roff(sub.Short))
			}
		}
	}
	b.WriteString(".SH EXIT STATUS\n0 done, 1 failed, 2 usage, 3 not found, 4 not allowed, 5 conflict, 6 done and some input refused, 7 the condition of \\-\\-fail\\-on met\n")
	_, err := io.WriteString(w, b.String())
	return err
}
