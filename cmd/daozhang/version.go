package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is the version of a released binary, set when it is built.
var release = ""

// version tells what is running.
func (m *Main) version() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   m.say(text{"Show the version", "显示版本"}),
		Example: "  daozhang version",
		Args:    need(0, 0, text{"it takes no arguments", "不需要参数"})(m),
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, revision := release, ""
			if info, ok := debug.ReadBuildInfo(); ok {
				if v == "" {
					v = info.Main.Version
				}
				for _, s := range info.Settings {
					if s.Key == "vcs.revision" {
						revision = " " + s.Value[:min(12, len(s.Value))]
					}
				}
			}
			if v == "" {
				v = "(devel)"
			}
			return m.deliver("", func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "daozhang %s%s %s %s/%s\n", v, revision, runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return err
			})
		},
	}
}
