// Command daozhang answers where the money of card payments is: it reads the
// files that a shop, an acquirer or a bank has, and says for every payment
// where its money is, why, who must act, and when it arrives.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	m := &Main{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Now: time.Now, Getenv: os.Getenv, Terminal: terminal, Zone: time.Local,
	}
	code := m.Run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
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
