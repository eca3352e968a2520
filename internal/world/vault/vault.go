// Package vault opens the keyring of a simulated device or host beside its
// journal, so that its keys and the card numbers it sealed outlive a restart. The
// secret that opens the keyring lies in a file next to it, as in a real device the
// key lies in the tamper-proof module next to the memory: this protects a copied
// journal, not a copied folder.
package vault

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"daozhang/internal/fault"
	"daozhang/internal/keyring"
)

// Open opens the keyring PATH.keys with the secret PATH.secret and makes both
// where they are missing. Without a path it lives in memory only. transport are
// the components of the key under which master keys come in
// (keyring.Options.Transport).
func Open(path string, transport []string) (*keyring.Software, error) {
	if path == "" {
		return keyring.Open(keyring.Options{Transport: transport})
	}
	secret, err := secretOf(path + ".secret")
	if err != nil {
		return nil, fault.New(fault.Internal, "open keyring", path, err, "")
	}
	return keyring.Open(keyring.Options{Path: path + ".keys", Secret: secret, Transport: transport})
}

func secretOf(path string) ([]byte, error) {
	secret, err := os.ReadFile(path)
	if err == nil && len(secret) >= 64 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return nil, err
	}
	secret = []byte(hex.EncodeToString(raw))
	temp := path + ".new"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	_, err = f.Write(secret)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temp, path)
	}
	return secret, err
}
