package console

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestTemplatesAreFresh makes the templates again elsewhere and compares.
func TestTemplatesAreFresh(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the generator")
	}
	sources, err := filepath.Glob("*.templ")
	if err != nil || len(sources) == 0 {
		t.Fatal("no templates: ", err)
	}
	dir := t.TempDir()
	for _, name := range sources {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("go", "tool", "templ", "generate", "-include-version=false", "-path", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, name := range sources {
		made := name[:len(name)-len(".templ")] + "_templ.go"
		want, err := os.ReadFile(filepath.Join(dir, made))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(made); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what %s says; run go generate ./internal/console", made, name)
		}
	}
}
