package keyring

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"

	"daozhang/internal/fault"
)

// Options say how a software keyring is opened.
type Options struct {
	// Path is the file in which the keys are kept, encrypted. Empty: in memory
	// only.
	Path string
	// Shared keeps the keys instead of a file, for several processes at one time.
	Shared Cabinet
	// Secret opens the file or what is shared: a passphrase, or the content of a key file. At least
	// twelve bytes.
	Secret []byte
	// Production refuses: keys of production belong into a hardware module.
	Production bool
	// Transport are the components, each 32 hexadecimal digits, of the key under
	// which NewMaster gives out master keys; they are joined by XOR. Without any,
	// the keyring makes a transport key of its own that no other knows.
	Transport []string
	// Random is where keys come from; crypto/rand where nil. For tests.
	Random io.Reader
}

// Software is a keyring in the program's own memory, for development and tests: who
// can read the process's memory has the keys. It refuses production.
type Software struct {
	random io.Reader

	mu     sync.RWMutex // over what follows, for moments
	owners map[Owner]*keys
	token  secret
	pvk    *desKey
	// transport wraps master keys on their way into a device.
	transport *desKey
	seal      map[uint32]cipher.AEAD
	sealNow   uint32

	change sync.Mutex // held by who changes keys, file and memory together
	file   *file      // nil: memory only, or shared
	shared *shared    // nil: this process has its keys to itself
}

// keys of one owner; replaced, never changed.
type keys struct {
	master          *desKey
	pin, mac, track *desKey
}

var _ Keyring = (*Software)(nil)

// Open opens a keyring, and makes one where the file does not exist. ErrProduction
// (NotAllowed) in production; NotAllowed too for a wrong secret or a file open in
// another process; Conflict for a file that was altered.
func Open(o Options) (*Software, error) {
	const op = "open the keyring"
	if o.Production {
		return nil, fault.New(fault.NotAllowed, op, o.Path, ErrProduction,
			"configure a hardware security module, or run without production mode where no real card is used")
	}
	s := &Software{random: o.Random, owners: map[Owner]*keys{}, seal: map[uint32]cipher.AEAD{}}
	if s.random == nil {
		s.random = rand.Reader
	}
	if o.Shared != nil {
		var err error
		if s.shared, err = openShared(o.Shared, o.Secret, s.random, s.restore); err != nil {
			return nil, err
		}
	} else if o.Path != "" {
		var err error
		if s.file, err = openFile(o.Path, o.Secret, s.random, s.restore); err != nil {
			return nil, err
		}
	}
	if err := s.complete(o.Transport); err != nil {
		_ = s.Close()
		return nil, fault.New(fault.Invalid, op, o.Path, err, "a component is 32 hexadecimal digits")
	}
	if s.file != nil && s.file.stale(3+len(s.seal)+2*len(s.owners)) {
		if err := s.file.rewrite(s.records()); err != nil {
			_ = s.Close()
			return nil, err
		}
	}
	return s, nil
}

// complete makes the keys that every keyring has, where they are missing.
func (s *Software) complete(components []string) error {
	fresh := func(size int) (secret, error) {
		b := make(secret, size)
		_, err := io.ReadFull(s.random, b)
		return b, err
	}
	if s.token == nil {
		b, err := fresh(32)
		if err != nil {
			return err
		}
		if err := s.keep(record{Kind: "token", Keys: []string{hex.EncodeToString(b)}}); err != nil {
			return err
		}
	}
	if s.pvk == nil {
		k, err := generate(s.random)
		if err != nil {
			return err
		}
		if err := s.keep(record{Kind: "pvk", Keys: []string{hex.EncodeToString(k.raw)}}); err != nil {
			return err
		}
	}
	if s.sealNow == 0 {
		if err := s.RotateSeal(); err != nil {
			return err
		}
	}
	if len(components) > 0 {
		k, err := joinComponents(components)
		if err != nil {
			return err
		}
		s.transport = k // the settings' word, not kept
		return nil
	}
	if s.transport == nil {
		k, err := generate(s.random)
		if err != nil {
			return err
		}
		return s.keep(record{Kind: "transport", Keys: []string{hex.EncodeToString(k.raw)}})
	}
	return nil
}

// record is one change of the keyring as the file keeps it, encrypted.
type record struct {
	Kind  string   `json:"kind"` // master, working, forget, token, pvk, transport, seal
	Owner Owner    `json:"owner,omitempty"`
	ID    uint32   `json:"id,omitempty"`
	Keys  []string `json:"keys"` // hexadecimal; working: pin, mac, track
}

// keep makes a change durable and then puts it into force.
func (s *Software) keep(r record) error {
	switch {
	case s.file != nil:
		if err := s.file.append(r); err != nil {
			return err
		}
	case s.shared != nil:
		if mine, err := s.shared.put(r); err != nil {
			return err
		} else if !mine {
			return s.shared.refresh(s.restore) // another's is in force
		}
	}
	return s.restore(r)
}

// restore puts a record into force.
func (s *Software) restore(r record) error {
	raw := make([][]byte, 3)
	for i, k := range r.Keys {
		b, err := hex.DecodeString(k)
		if err != nil || i >= len(raw) {
			return fmt.Errorf("a record of kind %q is malformed", r.Kind)
		}
		raw[i] = b
	}
	defer func() {
		for _, b := range raw {
			clear(b)
		}
	}()
	one := func(i int) (*desKey, error) {
		if len(raw[i]) == 0 {
			return nil, nil
		}
		return newDESKey(raw[i])
	}
	key, err := one(0)
	if r.Kind == "token" || r.Kind == "seal" {
		err = nil
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Kind {
	case "token":
		s.token = append(secret(nil), raw[0]...)
	case "pvk":
		s.pvk = key
	case "transport":
		s.transport = key
	case "seal":
		block, err := aes.NewCipher(raw[0])
		if err != nil {
			return fmt.Errorf("a sealing key is of the wrong length")
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return err
		}
		s.seal[r.ID], s.sealNow = aead, r.ID
	case "forget":
		s.owners[r.Owner].wipe()
		delete(s.owners, r.Owner)
	case "master":
		s.owners[r.Owner].wipe()
		s.owners[r.Owner] = &keys{master: key}
	case "working":
		mac, err := one(1)
		if err != nil {
			return err
		}
		track, err := one(2)
		if err != nil {
			return err
		}
		k := &keys{pin: key, mac: mac, track: track}
		if was := s.owners[r.Owner]; was != nil {
			k.master = was.master
		}
		s.owners[r.Owner] = k
	default:
		return fmt.Errorf("a record of kind %q is not known", r.Kind)
	}
	return nil
}

// records gives the present state as records, for rewriting the file.
func (s *Software) records() []record {
	s.mu.RLock()
	defer s.mu.RUnlock()
	h := func(k *desKey) string {
		if k == nil {
			return ""
		}
		return hex.EncodeToString(k.raw)
	}
	list := s.file.sealed
	list = append(list, record{Kind: "token", Keys: []string{hex.EncodeToString(s.token)}}, record{Kind: "pvk", Keys: []string{h(s.pvk)}})
	if s.file.hasTransport {
		list = append(list, record{Kind: "transport", Keys: []string{h(s.transport)}})
	}
	for o, k := range s.owners {
		if k.master != nil {
			list = append(list, record{Kind: "master", Owner: o, Keys: []string{h(k.master)}})
		}
		if k.pin != nil {
			list = append(list, record{Kind: "working", Owner: o, Keys: []string{h(k.pin), h(k.mac), h(k.track)}})
		}
	}
	return list
}

func (k *keys) wipe() {
	if k != nil {
		k.master.wipe()
	}
}

// Close gives the file free. The keyring is not used afterwards.
func (s *Software) Close() error {
	s.change.Lock()
	defer s.change.Unlock()
	if s.file == nil {
		return nil
	}
	return s.file.close()
}

// String tells what it is and nothing of the keys.
func (s *Software) String() string { return "software keyring" }

// Format makes every verb that of String.
func (s *Software) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue is String for the structured log.
func (s *Software) LogValue() slog.Value { return slog.StringValue(s.String()) }

func (s *Software) of(owner Owner) *keys {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.owners[owner]
}

// refuse names operation and owner; neither is a secret.
func refuse(op string, owner Owner, err error, hint string) error {
	return fault.New(fault.NotAllowed, op, string(owner), err, hint)
}

const signOnHint = "sign on first, so that working keys are exchanged"

// NewMaster implements Keyring.
func (s *Software) NewMaster(owner Owner) (Wrapped, error) {
	s.change.Lock()
	defer s.change.Unlock()
	k, err := generate(s.random)
	if err != nil {
		return Wrapped{}, err
	}
	w := s.transport.wrap(k)
	err = s.keep(record{Kind: "master", Owner: owner, Keys: []string{hex.EncodeToString(k.raw)}})
	k.wipe()
	if err != nil {
		return Wrapped{}, err
	}
	return w, nil
}

// InstallMaster implements Keyring.
func (s *Software) InstallMaster(owner Owner, w Wrapped) error {
	s.change.Lock()
	defer s.change.Unlock()
	k, err := s.transport.unwrap(w)
	if err != nil {
		return refuse("install the master key of", owner, err, "both keyrings need the same transport key")
	}
	defer k.wipe()
	return s.keep(record{Kind: "master", Owner: owner, Keys: []string{hex.EncodeToString(k.raw)}})
}

// HasMaster implements Keyring.
func (s *Software) HasMaster(owner Owner) bool {
	k := s.of(owner)
	return k != nil && k.master != nil
}

// Forget implements Keyring.
func (s *Software) Forget(owner Owner) error {
	s.change.Lock()
	defer s.change.Unlock()
	if s.of(owner) == nil {
		return nil
	}
	return s.keep(record{Kind: "forget", Owner: owner})
}

// HasWorking implements Keyring.
func (s *Software) HasWorking(owner Owner) bool {
	k := s.of(owner)
	return k != nil && k.mac != nil
}

// NewWorking implements Keyring.
func (s *Software) NewWorking(owner Owner) (Working, error) {
	s.change.Lock()
	defer s.change.Unlock()
	k := s.of(owner)
	if k == nil || k.master == nil {
		return Working{}, refuse("make working keys for", owner, ErrNoKey, "give it a master key first")
	}
	var w Working
	var list []string
	for _, to := range []*Wrapped{&w.PIN, &w.MAC, &w.Track} {
		key, err := generate(s.random)
		if err != nil {
			return Working{}, err
		}
		*to = k.master.wrap(key)
		list = append(list, hex.EncodeToString(key.raw))
		key.wipe()
	}
	if err := s.keep(record{Kind: "working", Owner: owner, Keys: list}); err != nil {
		return Working{}, err
	}
	return w, nil
}

// InstallWorking implements Keyring.
func (s *Software) InstallWorking(owner Owner, w Working) error {
	const op = "install the working keys of"
	s.change.Lock()
	defer s.change.Unlock()
	k := s.of(owner)
	if k == nil || k.master == nil {
		return refuse(op, owner, ErrNoKey, "give it a master key first")
	}
	var list []string
	for i, from := range []Wrapped{w.PIN, w.MAC, w.Track} {
		if i == 2 && len(from.Cipher) == 0 {
			break
		}
		key, err := k.master.unwrap(from)
		if err != nil {
			return refuse(op, owner, err, "they came under another master key: inject it anew")
		}
		list = append(list, hex.EncodeToString(key.raw))
		key.wipe()
	}
	return s.keep(record{Kind: "working", Owner: owner, Keys: list})
}

// MAC implements Keyring.
func (s *Software) MAC(owner Owner, a Algorithm, data []byte) ([8]byte, error) {
	k := s.of(owner)
	if k == nil || k.mac == nil {
		return [8]byte{}, refuse("compute the MAC of", owner, ErrNoKey, signOnHint)
	}
	return k.mac.mac(a, data)
}

// VerifyMAC implements Keyring.
func (s *Software) VerifyMAC(owner Owner, a Algorithm, data, mac []byte) error {
	const op = "verify the MAC of"
	want, err := s.MAC(owner, a, data)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(want[:], mac) != 1 {
		return refuse(op, owner, ErrMAC, "sign on again: the keys of both sides differ, or the message was altered on its way")
	}
	return nil
}

// EncryptPIN implements Keyring.
func (s *Software) EncryptPIN(owner Owner, pin, pan string) (PINBlock, error) {
	k := s.of(owner)
	if k == nil || k.pin == nil {
		return PINBlock{}, refuse("encrypt a PIN of", owner, ErrNoKey, signOnHint)
	}
	b, err := clearBlock(pin, pan)
	if err != nil {
		return PINBlock{}, refuse("encrypt a PIN of", owner, err, "")
	}
	k.pin.block.Encrypt(b[:], b[:])
	return b, nil
}

// TranslatePIN implements Keyring. The block is checked before it goes on: a block
// that decrypts to nothing came under another key.
func (s *Software) TranslatePIN(from, to Owner, block PINBlock, pan string) (PINBlock, error) {
	const op = "translate a PIN block of"
	in, out := s.of(from), s.of(to)
	if in == nil || in.pin == nil {
		return PINBlock{}, refuse(op, from, ErrNoKey, signOnHint)
	}
	if out == nil || out.pin == nil {
		return PINBlock{}, refuse(op, to, ErrNoKey, signOnHint)
	}
	b := [8]byte(block)
	in.pin.block.Decrypt(b[:], b[:])
	pin, err := pinOf(b, pan)
	if err != nil {
		clear(b[:])
		return PINBlock{}, refuse(op, from, err, "sign on again: the PIN keys of both sides differ")
	}
	clear(pin)
	out.pin.block.Encrypt(b[:], b[:])
	return b, nil
}

// VerifyPIN implements Keyring.
func (s *Software) VerifyPIN(owner Owner, block PINBlock, pan, pvv string) (bool, error) {
	const op = "verify a PIN of"
	k := s.of(owner)
	if k == nil || k.pin == nil {
		return false, refuse(op, owner, ErrNoKey, signOnHint)
	}
	b := [8]byte(block)
	k.pin.block.Decrypt(b[:], b[:])
	pin, err := pinOf(b, pan)
	clear(b[:])
	if err != nil {
		return false, refuse(op, owner, err, "")
	}
	defer clear(pin)
	have, err := s.pvk.pvv(string(pin), pan)
	if err != nil {
		return false, refuse(op, owner, err, "")
	}
	return subtle.ConstantTimeCompare([]byte(have), []byte(pvv)) == 1, nil
}

// NewPVV implements Keyring.
func (s *Software) NewPVV(pin, pan string) (string, error) {
	if _, err := clearBlock(pin, pan); err != nil {
		return "", err
	}
	return s.pvk.pvv(pin, pan)
}

// EncryptTrack implements Keyring.
func (s *Software) EncryptTrack(owner Owner, track string) (string, error) {
	return s.onTrack("encrypt a track of", owner, track, true)
}

// DecryptTrack implements Keyring.
func (s *Software) DecryptTrack(owner Owner, track string) (string, error) {
	return s.onTrack("decrypt a track of", owner, track, false)
}

func (s *Software) onTrack(op string, owner Owner, track string, encrypt bool) (string, error) {
	k := s.of(owner)
	if k == nil || k.track == nil {
		return "", refuse(op, owner, ErrNoKey, signOnHint)
	}
	run := k.track.block.Decrypt
	if encrypt {
		run = k.track.block.Encrypt
	}
	out, err := k.track.track(track, run)
	if err != nil {
		return "", refuse(op, owner, err, "")
	}
	return out, nil
}

// sealedDigits is the room for a card number in what is sealed, so that its length
// does not show.
const sealedDigits = 19

func sealContext(context string) []byte { return []byte("daozhang card number\x00" + context) }

// Seal implements Keyring.
func (s *Software) Seal(pan, context string) (Sealed, error) {
	if len(pan) < 8 || len(pan) > sealedDigits || strings.Trim(pan, "0123456789") != "" {
		return nil, fault.New(fault.Invalid, "seal", "a card number", fmt.Errorf("it is not 8 to %d digits", sealedDigits), "")
	}
	s.mu.RLock()
	id, aead := s.sealNow, s.seal[s.sealNow]
	s.mu.RUnlock()
	var plain [1 + sealedDigits]byte
	plain[0] = byte(len(pan))
	copy(plain[1:], pan)
	out := make([]byte, 4+aead.NonceSize(), 4+aead.NonceSize()+len(plain)+aead.Overhead())
	binary.BigEndian.PutUint32(out, id)
	if _, err := io.ReadFull(s.random, out[4:]); err != nil {
		return nil, fmt.Errorf("no random bytes: %w", err)
	}
	out = aead.Seal(out, out[4:], plain[:], sealContext(context))
	clear(plain[:])
	return out, nil
}

// Open implements Keyring.
func (s *Software) Open(sealed Sealed, context string) (string, error) {
	bad := fault.New(fault.NotAllowed, "open", "a sealed card number", ErrSealed, "it was sealed by another keyring or for another transaction")
	if len(sealed) < 4 {
		return "", bad
	}
	s.mu.RLock()
	aead := s.seal[binary.BigEndian.Uint32(sealed)]
	s.mu.RUnlock()
	if aead == nil || len(sealed) != 4+aead.NonceSize()+1+sealedDigits+aead.Overhead() {
		return "", bad
	}
	n := 4 + aead.NonceSize()
	plain, err := aead.Open(nil, sealed[4:n], sealed[n:], sealContext(context))
	if err != nil || int(plain[0]) > sealedDigits {
		return "", bad
	}
	pan := string(plain[1 : 1+plain[0]])
	clear(plain)
	return pan, nil
}

// RotateSeal makes a new key for sealing; what the former ones sealed still opens.
func (s *Software) RotateSeal() error {
	s.change.Lock()
	defer s.change.Unlock()
	b := make(secret, 32)
	defer clear(b)
	if _, err := io.ReadFull(s.random, b); err != nil {
		return fmt.Errorf("no random bytes: %w", err)
	}
	return s.keep(record{Kind: "seal", ID: s.sealNow + 1, Keys: []string{hex.EncodeToString(b)}})
}

// Token implements Keyring.
func (s *Software) Token(pan string) string {
	s.mu.RLock()
	h := hmac.New(sha256.New, s.token)
	s.mu.RUnlock()
	_, _ = io.WriteString(h, "daozhang card token\x00"+pan)
	return "tok_" + hex.EncodeToString(h.Sum(nil)[:16])
}
