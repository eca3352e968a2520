package vault_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"daozhang/internal/world/vault"
)

// TestOutlivesRestart: what was sealed before a restart opens after it, and is of
// no use without the secret.
func TestOutlivesRestart(t *testing.T) {
	const pan = "6222021234567890128"
	path := filepath.Join(t.TempDir(), "device", "terminal")
	k, err := vault.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := k.Seal(pan, "a")
	if err != nil {
		t.Fatal(err)
	}
	token := k.Token(pan)
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".keys", ".secret"} {
		info, err := os.Stat(path + name)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
		if text, _ := os.ReadFile(path + name); bytes.Contains(text, []byte(pan)) {
			t.Errorf("%s holds the number", name)
		}
	}
	if k, err = vault.Open(path, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := k.Open(sealed, "a"); err != nil || got != pan || k.Token(pan) != token {
		t.Errorf("after a restart: %v", err)
	}
	k.Close()
	if err := os.Remove(path + ".secret"); err != nil {
		t.Fatal(err)
	}
	if k, err = vault.Open(path, nil); err == nil {
		k.Close()
		t.Error("opened without its secret")
	}
	if k, err = vault.Open("", nil); err != nil {
		t.Fatal(err)
	}
	k.Close()
}
