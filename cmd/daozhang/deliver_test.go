//go:build unix

package main

import (
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// A pipe or device named by --out is written to: it must not be replaced by a
// file, as /dev/null once was.
func TestDeliverToPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	got := make(chan string)
	go func() {
		b, err := os.ReadFile(pipe)
		if err != nil {
			t.Error(err)
		}
		got <- string(b)
	}()
	if err := new(Main).deliver(pipe, func(w io.Writer) error {
		_, err := io.WriteString(w, "the answer")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if text := <-got; text != "the answer" {
		t.Errorf("the pipe gave %q", text)
	}
	if info, err := os.Stat(pipe); err != nil || info.Mode()&os.ModeNamedPipe == 0 {
		t.Errorf("the pipe is now %v, %v", info.Mode(), err)
	}
}
