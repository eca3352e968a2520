package keyring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"daozhang/internal/fault"
)

// errSecret: what should be opened was not sealed by this keyring for this use.
var errSecret = errors.New("the sealed secret cannot be opened")

// secretContext keeps secrets apart from card numbers, which are sealed under the
// same keys.
func secretContext(context string) []byte { return []byte("daozhang secret\x00" + context) }

// SealSecret implements Keyring.
func (s *Software) SealSecret(secret []byte, context string) ([]byte, error) {
	s.mu.RLock()
	id, aead := s.sealNow, s.seal[s.sealNow]
	s.mu.RUnlock()
	out := make([]byte, 4+aead.NonceSize(), 4+aead.NonceSize()+len(secret)+aead.Overhead())
	binary.BigEndian.PutUint32(out, id)
	if _, err := io.ReadFull(s.random, out[4:]); err != nil {
		return nil, fmt.Errorf("no random bytes: %w", err)
	}
	return aead.Seal(out, out[4:], secret, secretContext(context)), nil
}

// OpenSecret implements Keyring.
func (s *Software) OpenSecret(sealed []byte, context string) ([]byte, error) {
	bad := fault.New(fault.NotAllowed, "open", "a sealed secret", errSecret, "it was sealed by another keyring or for another use")
	if len(sealed) < 4 {
		return nil, bad
	}
	s.mu.RLock()
	aead := s.seal[binary.BigEndian.Uint32(sealed)]
	s.mu.RUnlock()
	if aead == nil || len(sealed) < 4+aead.NonceSize()+aead.Overhead() {
		return nil, bad
	}
	n := 4 + aead.NonceSize()
	plain, err := aead.Open(nil, sealed[4:n], sealed[n:], secretContext(context))
	if err != nil {
		return nil, bad
	}
	return plain, nil
}
