package keyring_test

import (
	"bytes"
	"testing"

	"daozhang/internal/fault"
)

// TestSecrets: a secret opens for the use that it was sealed for, with this keyring,
// also after a new key; nothing else opens it, and it opens as no card number.
func TestSecrets(t *testing.T) {
	k, other := open(t, ""), open(t, "")
	for _, secret := range [][]byte{[]byte("JBSWY3DPEHPK3PXP"), {}, bytes.Repeat([]byte{0, 255}, 100)} {
		s, err := k.SealSecret(secret, "second factor")
		if err != nil {
			t.Fatal(err)
		}
		if len(secret) > 4 && bytes.Contains(s, secret) {
			t.Error("it lies open")
		}
		if again, err := k.SealSecret(secret, "second factor"); err != nil || bytes.Equal(s, again) {
			t.Errorf("the same secret sealed twice looks the same: %v", err)
		}
		if err := k.RotateSeal(); err != nil {
			t.Fatal(err)
		}
		if got, err := k.OpenSecret(s, "second factor"); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("opened %q: %v", got, err)
		}
		damaged := bytes.Clone(s)
		damaged[len(damaged)-1] ^= 1
		for what, f := range map[string]func() ([]byte, error){
			"another use":     func() ([]byte, error) { return k.OpenSecret(s, "webhook") },
			"another keyring": func() ([]byte, error) { return other.OpenSecret(s, "second factor") },
			"damaged":         func() ([]byte, error) { return k.OpenSecret(damaged, "second factor") },
			"cut":             func() ([]byte, error) { return k.OpenSecret(s[:20], "second factor") },
			"nothing":         func() ([]byte, error) { return k.OpenSecret(nil, "second factor") },
			"as a card number": func() ([]byte, error) {
				pan, err := k.Open(s, "second factor")
				return []byte(pan), err
			},
		} {
			if got, err := f(); fault.KindOf(err) != fault.NotAllowed || len(got) > 0 {
				t.Errorf("%s: %q, %v", what, got, err)
			}
		}
	}
	number, err := k.Seal(pan, "second factor")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.OpenSecret(number, "second factor"); fault.KindOf(err) != fault.NotAllowed || got != nil {
		t.Errorf("a card number opened as a secret: %v", err)
	}
}
