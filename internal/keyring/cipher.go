package keyring

import (
	"crypto/cipher"
	"crypto/des"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/bits"
)

// secret is a key in clear. It prints as nothing.
type secret []byte

func (secret) String() string               { return "key ****" }
func (secret) GoString() string             { return "key ****" }
func (s secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }
func (secret) LogValue() slog.Value         { return slog.StringValue("key ****") }

// desKey is a DES key of one, two or three parts, ready for use.
type desKey struct {
	raw   secret
	block cipher.Block // single DES or EDE
	// first and second are the halves, for X9.19; the same for a single key.
	first, second cipher.Block
}

func newDESKey(raw []byte) (*desKey, error) {
	k := &desKey{raw: append(secret(nil), raw...)}
	var err error
	switch len(raw) {
	case 8:
		if k.block, err = des.NewCipher(raw); err == nil {
			k.first, k.second = k.block, k.block
		}
	case 16, 24:
		long := append(secret(nil), raw...)
		if len(long) == 16 {
			long = append(long, raw[:8]...)
		}
		if k.block, err = des.NewTripleDESCipher(long); err == nil {
			if k.first, err = des.NewCipher(raw[:8]); err == nil {
				k.second, err = des.NewCipher(raw[8:16])
			}
		}
		clear(long)
	default:
		return nil, fmt.Errorf("a DES key has 8, 16 or 24 bytes, not %d", len(raw))
	}
	if err != nil {
		return nil, fmt.Errorf("a key of %d bytes is not usable", len(raw))
	}
	return k, nil
}

func (k *desKey) wipe() {
	if k != nil {
		clear(k.raw)
	}
}

// kcv is the key check value: the first four bytes of zeros under the key.
func (k *desKey) kcv() [4]byte {
	var zeros, out [8]byte
	k.block.Encrypt(out[:], zeros[:])
	return [4]byte(out[:4])
}

// ecb runs a cipher over whole blocks.
func ecb(run func(dst, src []byte), src []byte) []byte {
	dst := make([]byte, len(src))
	for i := 0; i+8 <= len(src); i += 8 {
		run(dst[i:i+8], src[i:i+8])
	}
	return dst
}

// wrap encrypts one key under another.
func (k *desKey) wrap(inner *desKey) Wrapped {
	return Wrapped{Cipher: ecb(k.block.Encrypt, inner.raw), KCV: inner.kcv()}
}

// unwrap is the reverse; it holds the result against its check value.
func (k *desKey) unwrap(w Wrapped) (*desKey, error) {
	if n := len(w.Cipher); n != 8 && n != 16 && n != 24 {
		return nil, ErrKCV
	}
	raw := ecb(k.block.Decrypt, w.Cipher)
	inner, err := newDESKey(raw)
	clear(raw)
	if err != nil {
		return nil, ErrKCV
	}
	have, n := inner.kcv(), 4
	if w.ShortKCV {
		n = 3
	}
	if subtle.ConstantTimeCompare(have[:n], w.KCV[:n]) != 1 {
		inner.wipe()
		return nil, ErrKCV
	}
	return inner, nil
}

// generate makes a key of two parts with odd parity and parts that differ.
func generate(random io.Reader) (*desKey, error) {
	for {
		raw := make([]byte, 16)
		if _, err := io.ReadFull(random, raw); err != nil {
			return nil, fmt.Errorf("no random bytes: %w", err)
		}
		for i, b := range raw {
			raw[i] = b&^1 | byte(bits.OnesCount8(b&^1)+1)&1
		}
		if string(raw[:8]) == string(raw[8:]) {
			continue
		}
		k, err := newDESKey(raw)
		clear(raw)
		return k, err
	}
}

// mac computes a message authentication code.
func (k *desKey) mac(a Algorithm, data []byte) ([8]byte, error) {
	switch a {
	case ECB:
		return k.ecbMAC(data), nil
	case X919:
		return k.x919(data), nil
	}
	return [8]byte{}, fmt.Errorf("MAC algorithm %d is not known", a)
}

// ecbMAC is UnionPay's: see ECB.
func (k *desKey) ecbMAC(data []byte) [8]byte {
	var x, y [8]byte
	for len(data) > 0 {
		n := subtle.XORBytes(x[:], x[:], data[:min(8, len(data))])
		data = data[n:]
	}
	const digits = "0123456789ABCDEF"
	var text [16]byte
	spell := func(b [8]byte) {
		for i, c := range b {
			text[2*i], text[2*i+1] = digits[c>>4], digits[c&15]
		}
	}
	spell(x)
	k.block.Encrypt(y[:], text[:8])
	subtle.XORBytes(y[:], y[:], text[8:])
	k.block.Encrypt(x[:], y[:])
	spell(x)
	return [8]byte(text[:8])
}

// x919 is ISO/IEC 9797-1 MAC algorithm 3 with zeros as padding (method 1).
func (k *desKey) x919(data []byte) [8]byte {
	var x [8]byte
	for first := true; first || len(data) > 0; first = false {
		n := subtle.XORBytes(x[:], x[:], data[:min(8, len(data))])
		data = data[n:]
		k.first.Encrypt(x[:], x[:])
	}
	k.second.Decrypt(x[:], x[:])
	k.first.Encrypt(x[:], x[:])
	return x
}

// joinComponents makes one key of hexadecimal components by XOR, as a key is
// brought in by several people who each know one.
func joinComponents(components []string) (*desKey, error) {
	sum := make([]byte, 16)
	defer clear(sum)
	for i, c := range components {
		b, err := hex.DecodeString(c)
		if err != nil || len(b) != len(sum) {
			return nil, fmt.Errorf("component %d is not 32 hexadecimal digits", i+1)
		}
		subtle.XORBytes(sum, sum, b)
		clear(b)
	}
	if string(sum) == string(make([]byte, 16)) {
		return nil, fmt.Errorf("the components cancel each other out")
	}
	return newDESKey(sum)
}
