// Package keyring holds the keys of the acquirer behind an interface that never
// gives one out: master keys of terminals and links, their working keys, the key
// that seals card numbers and the key of their tokens. What needs a key is done
// inside: message authentication codes, translation of PIN blocks, encryption of
// tracks. A hardware security module can stand behind Keyring; Software is for
// development and refuses production.
//
// The terms are the field's. A master key (TMK of a terminal, ZMK of a link) is
// brought in once and only wraps others. Working keys (PIK for PIN blocks, MAK
// for MACs, TDK for tracks) are made anew at each sign-on and travel wrapped
// under the master key, each with its key check value.
package keyring

import (
	"errors"
	"log/slog"
)

// Owner names whose keys are meant: a terminal or a link.
type Owner string

// Terminal names the keys of a terminal, which is known by merchant and number.
func Terminal(mid, tid string) Owner { return Owner("terminal/" + mid + "/" + tid) }

// Link names the keys of a zone, the line to a network or issuer.
func Link(name string) Owner { return Owner("link/" + name) }

// Algorithm is how a message authentication code is computed.
type Algorithm uint8

const (
	// ECB is the algorithm of UnionPay's terminals: all blocks joined by XOR, the
	// result written as 16 hexadecimal digits, both halves encrypted in turn. The
	// code is the first eight digits of what comes out, as text.
	ECB Algorithm = iota + 1
	// X919 is ANSI X9.19 (ISO/IEC 9797-1 MAC algorithm 3, padding method 1): DES
	// in CBC mode with the left half of the key, the last block with both. The
	// code is eight bytes.
	X919
)

// String gives the algorithm's name as dialects and settings write it.
func (a Algorithm) String() string {
	switch a {
	case ECB:
		return "ecb"
	case X919:
		return "x9.19"
	}
	return "none"
}

// ParseAlgorithm is the reverse of String; false for a name it does not know.
func ParseAlgorithm(name string) (Algorithm, bool) {
	switch name {
	case "ecb":
		return ECB, true
	case "x9.19":
		return X919, true
	}
	return 0, false
}

// What a keyring refuses. Errors wrap one of these; none repeats a key, a PIN, a
// card number or a cryptogram.
var (
	// ErrMAC: the code does not belong to these bytes under this key. Towards a
	// terminal it is response code A0.
	ErrMAC = errors.New("the message authentication code is wrong")
	// ErrNoKey: this owner has no such key; a terminal has to sign on (A9, A8).
	ErrNoKey = errors.New("there is no such key")
	// ErrKCV: an unwrapped key does not give its check value, so it came under
	// another master key or was damaged.
	ErrKCV = errors.New("the key check value differs")
	// ErrPINBlock: decrypted, the block is no PIN block of format 0 for this card
	// (response code 99).
	ErrPINBlock = errors.New("the PIN block is malformed")
	// ErrSealed: what should be opened was not sealed by this keyring for this
	// context, or was altered.
	ErrSealed = errors.New("the sealed card number cannot be opened")
	// ErrProduction: the software keyring was asked to serve production.
	ErrProduction = errors.New("the software keyring does not serve production")
)

// Wrapped is one key under another, with its check value. It holds no clear key,
// and is shown masked all the same.
type Wrapped struct {
	// Cipher is the key, 8, 16 or 24 bytes, encrypted in ECB mode under the
	// master key.
	Cipher []byte
	// KCV is the first four bytes of eight zeros encrypted under the key. Some
	// peers give three; then the last is zero and ShortKCV set.
	KCV      [4]byte
	ShortKCV bool
}

// String tells length and nothing else.
func (w Wrapped) String() string {
	if len(w.Cipher) == 0 {
		return "no key"
	}
	return "wrapped key ****"
}

// GoString is String, so that %#v shows no more.
func (w Wrapped) GoString() string { return w.String() }

// LogValue is String, so that a log shows no more.
func (w Wrapped) LogValue() slog.Value { return slog.StringValue(w.String()) }

// Working are the working keys that a sign-on brings. Track is empty where the
// owner encrypts no tracks.
type Working struct {
	PIN, MAC, Track Wrapped
}

// Sealed is a card number that only the keyring which sealed it can open: the
// number of the key, a nonce and the ciphertext. It may be stored.
type Sealed []byte

// String hides the bytes; they are of no use to a reader.
func (s Sealed) String() string {
	if len(s) == 0 {
		return "nothing sealed"
	}
	return "sealed ****"
}

// PINBlock is an encrypted PIN block.
type PINBlock [8]byte

// String hides the block: it may appear nowhere.
func (PINBlock) String() string { return "PIN block ****" }

// GoString is String, so that %#v shows no more.
func (b PINBlock) GoString() string { return b.String() }

// LogValue is String, so that a log shows no more.
func (b PINBlock) LogValue() slog.Value { return slog.StringValue(b.String()) }

// Keyring does with keys what needs keys. All methods may be called at once from
// several goroutines. A method that changes keys returns only after the change is
// durable.
type Keyring interface {
	// NewMaster makes a master key for an owner and returns it under the
	// transport key, for the device that injects it. A former master key and its
	// working keys are gone.
	NewMaster(owner Owner) (Wrapped, error)
	// InstallMaster takes over a master key that NewMaster of a keyring with the
	// same transport key gave out.
	InstallMaster(owner Owner, w Wrapped) error
	// HasMaster reports whether an owner has a master key: whether a terminal has
	// been injected.
	HasMaster(owner Owner) bool
	// Forget drops all keys of an owner: a terminal that was lost or given back.
	Forget(owner Owner) error

	// NewWorking makes working keys for an owner and returns them under its
	// master key: the answering side of a sign-on. ErrNoKey without master key.
	NewWorking(owner Owner) (Working, error)
	// InstallWorking takes over working keys received at sign-on: the asking side.
	// ErrKCV leaves the former keys in force.
	InstallWorking(owner Owner, w Working) error
	// HasWorking reports whether an owner has signed on.
	HasWorking(owner Owner) bool

	// MAC computes the message authentication code of data under the owner's MAK.
	MAC(owner Owner, a Algorithm, data []byte) ([8]byte, error)
	// VerifyMAC returns ErrMAC, or ErrNoKey, or nil. It takes the same time
	// however much of the code fits.
	VerifyMAC(owner Owner, a Algorithm, data, mac []byte) error

	// EncryptPIN makes the PIN block (ISO 9564-1 format 0) of 4 to 12 digits for a
	// card under the owner's PIK, as a terminal's keypad does.
	EncryptPIN(owner Owner, pin, pan string) (PINBlock, error)
	// TranslatePIN takes a PIN block from one owner's PIK to another's. The PIN
	// exists in clear only within.
	TranslatePIN(from, to Owner, block PINBlock, pan string) (PINBlock, error)
	// VerifyPIN reports whether a PIN block holds the PIN whose verification value
	// (NewPVV) is given: an issuer's side. ErrPINBlock where it holds none.
	VerifyPIN(owner Owner, block PINBlock, pan, pvv string) (bool, error)
	// NewPVV gives the verification value, 4 digits, by which an issuer knows a
	// card's PIN without keeping it (Visa's PVV with this keyring's PVK).
	NewPVV(pin, pan string) (string, error)

	// EncryptTrack encrypts a track, digits and separators as hexadecimal digits
	// (0–9, D), under the owner's TDK: of its whole bytes before the last the
	// last eight (UnionPay's TDB). A shorter one is refused.
	EncryptTrack(owner Owner, track string) (string, error)
	// DecryptTrack is the reverse.
	DecryptTrack(owner Owner, track string) (string, error)

	// Seal seals a card number for storage. Open wants the same context, the
	// transaction's UUID: a sealed number moved to another row does not open.
	Seal(pan, context string) (Sealed, error)
	// Open gives the card number. The caller keeps it in memory for the one
	// message that needs it.
	Open(s Sealed, context string) (string, error)
	// SealSecret seals what has to be read again and is no card number: second
	// factors, secrets of webhooks. OpenSecret wants the same context, which names the
	// use: what was sealed for one opens for no other.
	SealSecret(secret []byte, context string) ([]byte, error)
	OpenSecret(sealed []byte, context string) ([]byte, error)
	// Token gives a stable token of a card number, "tok_" and 32 hexadecimal
	// digits: equal for equal numbers, of no use without the key.
	Token(pan string) string
}
