package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/text/encoding/simplifiedchinese"
)

// canary is a full card number. It stands in inputs and arguments of the
// scripts and must not come out anywhere.
const canary = "6222021234567890128"

// TestScripts runs what people type and looks at what they get. The scripts
// under testdata/script have, besides the usual commands:
//
//	code N COMMAND…        the command ends with exit code N
//	gz FILE, zip OUT FILES… pack
//	gbk FILE               from UTF-8 to GBK
//	bytes FILE HEX [TIMES] write bytes, repeated
//	bomb ZIP FILE ZEROS    pack a file with so many zeros after it
//	nocanary FILES…        the canary card number is in none of them, nor in the last output
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("LANG", "en_US.UTF-8")
			env.Setenv("LC_ALL", "")
			env.Setenv("SHOP", filepath.Join(root, "examples", "corner-shop"))
			env.Setenv("CANARY", canary)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": exitCode, "gz": packGzip, "zip": packZip, "gbk": toGBK, "bytes": writeBytes, "bomb": packBomb, "nocanary": noCanary,
		},
	})
}

func exitCode(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if (got == want) == neg {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

func write(ts *testscript.TestScript, name string, fill func(io.Writer) error) {
	f, err := os.Create(ts.MkAbs(name))
	ts.Check(err)
	ts.Check(fill(f))
	ts.Check(f.Close())
}

func packGzip(ts *testscript.TestScript, _ bool, args []string) {
	content := ts.ReadFile(args[0])
	write(ts, args[0]+".gz", func(w io.Writer) error {
		z := gzip.NewWriter(w)
		if _, err := io.WriteString(z, content); err != nil {
			return err
		}
		return z.Close()
	})
}

func packZip(ts *testscript.TestScript, _ bool, args []string) {
	write(ts, args[0], func(w io.Writer) error {
		z := zip.NewWriter(w)
		for _, name := range args[1:] {
			f, err := z.Create(filepath.Base(name))
			if err != nil {
				return err
			}
			if _, err := io.WriteString(f, ts.ReadFile(name)); err != nil {
				return err
			}
		}
		return z.Close()
	})
}

func toGBK(ts *testscript.TestScript, _ bool, args []string) {
	text, err := simplifiedchinese.GBK.NewEncoder().String(ts.ReadFile(args[0]))
	ts.Check(err)
	write(ts, args[0], func(w io.Writer) error {
		_, err := io.WriteString(w, text)
		return err
	})
}

func writeBytes(ts *testscript.TestScript, _ bool, args []string) {
	unit, err := hex.DecodeString(args[1])
	ts.Check(err)
	times := 1
	if len(args) > 2 {
		times, err = strconv.Atoi(args[2])
		ts.Check(err)
	}
	write(ts, args[0], func(w io.Writer) error {
		chunk := bytes.Repeat(unit, 1<<16)
		for ; times > 0; times -= 1 << 16 {
			if _, err := w.Write(chunk[:min(times, 1<<16)*len(unit)]); err != nil {
				return err
			}
		}
		return nil
	})
}

func packBomb(ts *testscript.TestScript, _ bool, args []string) {
	zeros, err := strconv.Atoi(args[2])
	ts.Check(err)
	write(ts, args[0], func(w io.Writer) error {
		z := zip.NewWriter(w)
		f, err := z.Create(args[1])
		if err != nil {
			return err
		}
		if _, err := io.WriteString(f, ts.ReadFile(args[1])); err != nil {
			return err
		}
		chunk := bytes.Repeat([]byte{'0'}, 1<<16)
		for ; zeros > 0; zeros -= len(chunk) {
			if _, err := f.Write(chunk); err != nil {
				return err
			}
		}
		return z.Close()
	})
}

func noCanary(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range append(args, "stdout", "stderr") {
		text := ts.ReadFile(name)
		for _, form := range []string{canary, canary[:8], strings.Join([]string{canary[:4], canary[4:8], canary[8:12]}, " "), canary[6:15]} {
			if strings.Contains(text, form) {
				ts.Fatalf("%s repeats the card number", name)
			}
		}
	}
}
