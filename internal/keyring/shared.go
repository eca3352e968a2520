package keyring

import (
	"bytes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"daozhang/internal/fault"
)

// Cabinet keeps the keys of a keyring that several processes share, such as a
// table of their database. It sees names and sealed bytes, and no key.
type Cabinet interface {
	// Put keeps a slot's content, durably before it returns, in place of what the
	// slot had; where fresh is set only if it had none, else it reports false.
	Put(name string, sealed []byte, fresh bool) (bool, error)
	// Changed gives the slots that changed after a count of changes, in the order of
	// their changes, and the count by now. Nothing that was put before is missing.
	Changed(after int64) (slots []Slot, now int64, err error)
}

// Slot is one place of a Cabinet.
type Slot struct {
	Name   string
	Sealed []byte
}

// shared is a keyring's side of a Cabinet. Each slot holds one record, encrypted
// with AES-256-GCM under a key that follows from the secret, and bound to the
// slot's name.
type shared struct {
	cabinet Cabinet
	random  io.Reader
	head    []byte
	aead    cipher.AEAD
	seen    int64
}

// headSlot says how the key follows from the secret.
const headSlot = "head"

// slotOf names the slot of a record; "" for what is not shared: the working keys
// of a link belong to the process that signed on.
func slotOf(r record) string {
	switch r.Kind {
	case "master", "forget":
		return "master/" + string(r.Owner)
	case "working":
		if strings.HasPrefix(string(r.Owner), string(Link(""))) {
			return ""
		}
		return "working/" + string(r.Owner)
	case "seal":
		return fmt.Sprintf("seal/%d", r.ID)
	}
	return r.Kind
}

// once reports whether a record is made by whoever comes first: all others use it.
func once(r record) bool {
	return r.Kind == "token" || r.Kind == "pvk" || r.Kind == "seal" || r.Kind == "transport"
}

// openShared opens the cabinet's keyring and gives what is in it to restore.
func openShared(c Cabinet, pass []byte, random io.Reader, restore func(record) error) (*shared, error) {
	const op = "open the shared keyring"
	if len(pass) < minSecret {
		return nil, fault.New(fault.Usage, op, "", fmt.Errorf("its secret has fewer than %d bytes", minSecret), "give a longer passphrase or a key file")
	}
	k := &shared{cabinet: c, random: random}
	for range 2 {
		slots, _, err := c.Changed(0)
		if err != nil {
			return nil, err
		}
		for _, s := range slots {
			if s.Name == headSlot {
				k.head = s.Sealed
			}
		}
		if k.head != nil {
			break
		}
		salt := make([]byte, 16)
		if _, err := io.ReadFull(random, salt); err != nil {
			return nil, fmt.Errorf("no random bytes: %w", err)
		}
		head, err := json.Marshal(fileHead{Format: fileFormat, KDF: "scrypt", N: costN, R: costR, P: costP, Salt: salt})
		if err == nil {
			_, err = c.Put(headSlot, head, true) // another process may be first
		}
		if err != nil {
			return nil, err
		}
	}
	var h fileHead
	if !h.read(k.head) {
		return nil, fault.New(fault.Conflict, op, headSlot, errors.New("it is no keyring"), "")
	}
	var err error
	if k.aead, err = h.aead(pass); err != nil {
		return nil, fault.New(fault.Conflict, op, headSlot, err, "")
	}
	return k, k.refresh(restore)
}

// refresh takes over what has changed.
func (k *shared) refresh(restore func(record) error) error {
	slots, now, err := k.cabinet.Changed(k.seen)
	if err != nil {
		return err
	}
	for _, s := range slots {
		if s.Name == headSlot {
			continue
		}
		r, err := k.open(s)
		if err != nil {
			return fault.New(fault.NotAllowed, "open the shared keyring", s.Name, errors.New("the secret does not open it"), "all nodes need the same secret")
		}
		if err := restore(r); err != nil {
			return err
		}
	}
	k.seen = now
	return nil
}

func (k *shared) place(name string) []byte { return append(bytes.Clone(k.head), name...) }

func (k *shared) open(s Slot) (r record, err error) {
	n := k.aead.NonceSize()
	if len(s.Sealed) < n {
		return r, errors.New("no record")
	}
	plain, err := k.aead.Open(nil, s.Sealed[:n], s.Sealed[n:], k.place(s.Name))
	if err != nil {
		return r, err
	}
	defer clear(plain)
	return r, json.Unmarshal(plain, &r)
}

// put shares one change; false where another process has made this key before.
func (k *shared) put(r record) (bool, error) {
	name := slotOf(r)
	if name == "" {
		return true, nil
	}
	plain, err := json.Marshal(r)
	if err != nil {
		return false, err
	}
	defer clear(plain)
	nonce := make([]byte, k.aead.NonceSize())
	if _, err := io.ReadFull(k.random, nonce); err != nil {
		return false, fmt.Errorf("no random bytes: %w", err)
	}
	return k.cabinet.Put(name, k.aead.Seal(nonce, nonce, plain, k.place(name)), once(r))
}

// Refresh takes over the keys that other processes have made meanwhile, where the
// keyring is shared. Whoever takes a terminal over from another process calls it.
func (s *Software) Refresh() error {
	if s.shared == nil {
		return nil
	}
	s.change.Lock()
	defer s.change.Unlock()
	return s.shared.refresh(s.restore)
}
