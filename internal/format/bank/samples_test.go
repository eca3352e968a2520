package bank_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/format/bank"
)

// samples gives the folder of sample files, found by walking up; the test is
// skipped where it is absent.
func samples(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		root := filepath.Join(dir, "..", "shared", "data")
		if info, err := os.Stat(root); err == nil && info.IsDir() {
			return root
		}
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
			continue
		}
		t.Skip("the sample files are not on this machine")
	}
}

type result struct {
	detected bool
	err      error
	set      *evidence.Set
	out      *format.Out
}

func readBytes(name string, content []byte, hints format.Hints) result {
	in := format.NewInput(name, content, hints)
	var r result
	for _, f := range bank.Formats() {
		if !f.Detect(&in.Head) {
			continue
		}
		r.detected = true
		r.set = evidence.NewSet()
		r.out = format.NewOut(name, r.set)
		r.err = f.Read(in, r.out)
		return r
	}
	return r
}

func TestExplore(t *testing.T) {
	if os.Getenv("EXPLORE") == "" {
		t.Skip()
	}
	root := samples(t)
	for _, dir := range []string{"camt", "mt940", "bank_csv"} {
		filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasSuffix(path, ".json") || strings.HasSuffix(path, ".zip") {
				return err
			}
			b, _ := os.ReadFile(path)
			rel, _ := filepath.Rel(root, path)
			r := readBytes(rel, b, format.Hints{})
			fmt.Println("==", rel, r.detected, r.err)
			if !r.detected {
				return nil
			}
			n, st := 0, 0
			for ref, f := range r.set.All {
				switch f.Type {
				case evidence.BankEntry:
					n++
					if os.Getenv("EXPLORE") == "2" {
						a, _ := f.Amount()
						fmt.Println("   ", r.set.Name(ref), f.Date, f.Time, a, f.Currency, f.Debit(), f.State, "ref", r.set.Text(ref, evidence.EntryRef), "|", r.set.List(ref, evidence.References), "|", r.set.Text(ref, evidence.Text))
					}
				case evidence.BankStatement:
					st++
					_, from, _, _ := r.set.Moment(ref, evidence.From)
					_, to, _, _ := r.set.Moment(ref, evidence.To)
					op, _ := r.set.Num(ref, evidence.Opening)
					cl, _ := r.set.Num(ref, evidence.Closing)
					fmt.Println("   STMT", r.set.Name(ref), from, to, op, cl, f.Currency)
				}
			}
			fmt.Println("   entries", n, "statements", st)
			for _, w := range r.out.Warnings() {
				fmt.Println("   W", w.Line, w.Why)
			}
			for _, w := range r.out.Rejected() {
				fmt.Println("   R", w.Line, w.Why)
			}
			return nil
		})
	}
}
