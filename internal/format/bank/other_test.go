package bank_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daozhang/internal/format"
	"daozhang/internal/format/bank"
)

// TestOtherTrades makes sure that no file of another trade is taken for a
// statement.
func TestOtherTrades(t *testing.T) {
	root := samples(t)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			switch d.Name() {
			case "camt", "mt940", "bank_csv":
				return fs.SkipDir // and of pain_pacs, pain.001 and pain.002 are ours
			}
			return nil
		}
		name, _ := filepath.Rel(root, path)
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		head := make([]byte, 64<<10)
		n, _ := f.Read(head)
		in := format.NewInput(name, head[:n], format.Hints{})
		for _, f := range bank.Formats() {
			if f.Detect(&in.Head) && !strings.Contains(name, "camt.05") && !strings.HasPrefix(f.Name, "pain.00") {
				t.Errorf("%s is taken for a %s", name, f.Title)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
