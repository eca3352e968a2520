package main

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// now is the moment of every run in a test that names none, so that "now" gives
// the same answer on any day: the Monday after the example's week.
var now = time.Date(2026, 3, 9, 10, 0, 0, 0, time.FixedZone("CST", 8*3600))

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"daozhang": func() {
			m := &Main{
				Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
				Now: func() time.Time { return now }, Getenv: os.Getenv, Terminal: terminal, Zone: now.Location(),
			}
			os.Exit(m.Run(context.Background(), os.Args[1:]))
		},
	})
}
