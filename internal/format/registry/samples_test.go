package registry_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"daozhang/internal/evidence"
	"daozhang/internal/format"
	"daozhang/internal/format/registry"
)

// samples gives the folder of real files beside the project, or skips.
func samples(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		data := filepath.Join(dir, "..", "shared", "data")
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			if _, err := os.Stat(data); err != nil {
				t.Skip("no sample files here")
			}
			return data
		}
		if dir == filepath.Dir(dir) {
			t.Skip("no module root")
		}
		dir = filepath.Dir(dir)
	}
}

func load(t *testing.T, paths ...string) (*format.Loaded, *evidence.Set) {
	t.Helper()
	set := evidence.NewSet()
	l, err := format.Load(context.Background(), paths, format.Options{}, registry.All(), set, nil)
	if err != nil {
		t.Fatal(err)
	}
	return l, set
}

func TestSamplesTour(t *testing.T) {
	l, _ := load(t, samples(t))
	for _, s := range l.Sources {
		t.Logf("%-90s %-28s facts %5d rejected %3d", s.File[len(samples(t)):], s.Format, s.Facts, s.Rejected)
	}
	for _, r := range l.Rejected {
		t.Log("REJ", r)
	}
	for _, r := range l.Warnings {
		t.Log("WARN", r)
	}
}
