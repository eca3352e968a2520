// Command daozhang answers where the money of card payments is: it reads the
// files that a shop, an acquirer or a bank has, and says for every payment
// where its money is, why, who must act, and when it arrives.
package main

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	m := &Main{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Now: time.Now, Getenv: os.Getenv, Terminal: terminal, Zone: time.Local, Self: calledAs(os.Args[0]),
	}
	code := m.Run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

// calledAs says how somebody at a shell calls this program again, for hints: by its
// name where that is on the path, by `go run` where it was started so, else as now.
func calledAs(argument string) string {
	self, err := os.Executable()
	if err != nil {
		return ""
	}
	if found, err := exec.LookPath("daozhang"); err == nil {
		if found, err = filepath.EvalSymlinks(found); err == nil && found == self {
			return ""
		}
	}
	// `go run` builds below a folder of its own and removes it.
	if strings.Contains(filepath.ToSlash(self), "/go-build") {
		return "go run ./cmd/daozhang"
	}
	if strings.ContainsAny(argument, " '\"\\$`") {
		return ""
	}
	return argument
}

// terminal gives the width of the terminal a stream is shown on.
func terminal(stream any) (width int, ok bool) {
	f, isFile := stream.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	return width, err == nil
}
