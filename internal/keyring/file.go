package keyring

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/scrypt"

	"daozhang/internal/fault"
)

// The file of a software keyring is lines. The first says how its key follows from
// the secret (scrypt). Each other is a change, encrypted with AES-256-GCM and bound
// to its place: base64 of nonce and ciphertext. A change is appended and synced, so
// that a crash leaves at most a torn last line, which is cut off on opening. Lines
// that later ones replace are dropped by rewriting the file on opening.
type file struct {
	path   string
	f      *os.File
	head   []byte // the first line
	aead   cipher.AEAD
	lines  uint64 // changes in the file
	random io.Reader

	// sealed and hasTransport remember what memory does not hold in the form
	// that rewriting wants.
	sealed       []record
	hasTransport bool
}

type fileHead struct {
	Format string `json:"format"`
	KDF    string `json:"kdf"`
	N      int    `json:"n"`
	R      int    `json:"r"`
	P      int    `json:"p"`
	Salt   []byte `json:"salt"`
}

const (
	fileFormat = "daozhang-keyring/1"
	// scrypt's cost: 32 MiB and about a tenth of a second, once per start.
	costN, costR, costP = 1 << 15, 8, 1
	maxCost             = 1 << 20 // of N × R: an altered file asks for 128 MiB at most
	minSecret           = 12
)

// cutHead parts the first line, nil where there is no whole one, from the others.
func cutHead(raw []byte) (line, rest []byte) {
	line, rest, whole := bytes.Cut(raw, []byte("\n"))
	if !whole {
		return nil, nil
	}
	return line, rest
}

// read takes a first line; false for one that is none or asks for too much.
func (h *fileHead) read(line []byte) bool {
	return json.Unmarshal(line, h) == nil && h.Format == fileFormat && h.KDF == "scrypt" && len(h.Salt) >= 16 &&
		h.N > 1 && h.R > 0 && h.P > 0 && h.N <= maxCost && h.R <= maxCost && h.N*h.R <= maxCost && h.P <= 4
}

// openFile opens or makes the file and gives every change in it to restore.
func openFile(path string, pass []byte, random io.Reader, restore func(record) error) (*file, error) {
	const op = "open the keyring"
	if len(pass) < minSecret {
		return nil, fault.New(fault.Usage, op, path, fmt.Errorf("its secret has fewer than %d bytes", minSecret), "give a longer passphrase or a key file")
	}
	k := &file{path: path, random: random}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fault.New(fault.NotAllowed, op, path, errors.Unwrap(err), "")
	}
	k.f = f
	if err := lockFile(f); err != nil {
		_ = f.Close()
		return nil, fault.New(fault.NotAllowed, op, path, errors.New("another process has it open"), "a keyring serves one process; stop the other")
	}
	raw, err := io.ReadAll(io.LimitReader(f, 1<<30))
	if err != nil {
		_ = f.Close()
		return nil, fault.New(fault.Internal, op, path, err, "")
	}
	if err := k.read(raw, pass, restore); err != nil {
		_ = f.Close()
		return nil, err
	}
	return k, nil
}

func (k *file) read(raw, pass []byte, restore func(record) error) error {
	const op = "open the keyring"
	line, rest := cutHead(raw)
	if line == nil { // new, or torn while it was made: nothing was given out yet
		salt := make([]byte, 16)
		if _, err := io.ReadFull(k.random, salt); err != nil {
			return fmt.Errorf("no random bytes: %w", err)
		}
		h := fileHead{Format: fileFormat, KDF: "scrypt", N: costN, R: costR, P: costP, Salt: salt}
		head, err := json.Marshal(h)
		if err != nil {
			return err
		}
		if len(raw) > 0 && !bytes.HasPrefix(head, raw[:min(len(raw), 20)]) {
			return fault.New(fault.Conflict, op, k.path, errors.New("the file is no keyring"), "name another file")
		}
		k.head = head
		if err := k.derive(h, pass); err != nil {
			return err
		}
		return k.rewrite(nil)
	}
	var h fileHead
	if !h.read(line) {
		return fault.New(fault.Conflict, op, k.path, errors.New("the file is no keyring"), "name another file")
	}
	k.head = line
	if err := k.derive(h, pass); err != nil {
		return fault.New(fault.Conflict, op, k.path, err, "")
	}
	good := int64(len(line) + 1)
	for len(rest) > 0 {
		line, next, whole := bytes.Cut(rest, []byte("\n"))
		r, err := k.open(line)
		switch {
		case err != nil && (len(next) > 0 || whole) && k.lines == 0:
			return fault.New(fault.NotAllowed, op, k.path, errors.New("the secret does not open it"), "check the passphrase or key file")
		case err != nil && (len(next) > 0 || whole):
			return fault.New(fault.Conflict, op, k.path, fmt.Errorf("line %d was altered", k.lines+2), "restore the file from a backup")
		case err != nil || !whole: // torn by a crash
			rest = nil
			continue
		}
		if err := restore(r); err != nil {
			return fault.New(fault.Conflict, op, k.path, fmt.Errorf("line %d: %w", k.lines+2, err), "restore the file from a backup")
		}
		k.remember(r)
		k.lines++
		good += int64(len(line) + 1)
		rest = next
	}
	if err := k.f.Truncate(good); err != nil {
		return fault.New(fault.Internal, op, k.path, err, "")
	}
	_, err := k.f.Seek(good, io.SeekStart)
	return err
}

func (k *file) remember(r record) {
	switch r.Kind {
	case "seal":
		k.sealed = append(k.sealed, r)
	case "transport":
		k.hasTransport = true
	}
}

func (k *file) derive(h fileHead, pass []byte) (err error) {
	k.aead, err = h.aead(pass)
	return err
}

// aead is the cipher whose key follows from the secret.
func (h fileHead) aead(pass []byte) (cipher.AEAD, error) {
	key, err := scrypt.Key(pass, h.Salt, h.N, h.R, h.P, 32)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// place binds a line to the file and to its number.
func (k *file) place(line uint64) []byte {
	return binary.BigEndian.AppendUint64(bytes.Clone(k.head), line)
}

func (k *file) open(line []byte) (r record, err error) {
	b, err := base64.StdEncoding.DecodeString(string(line))
	if err != nil || len(b) < k.aead.NonceSize() {
		return r, errors.New("no change")
	}
	plain, err := k.aead.Open(nil, b[:k.aead.NonceSize()], b[k.aead.NonceSize():], k.place(k.lines))
	if err != nil {
		return r, err
	}
	defer clear(plain)
	return r, json.Unmarshal(plain, &r)
}

func (k *file) line(r record, number uint64) ([]byte, error) {
	plain, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	nonce := make([]byte, k.aead.NonceSize())
	if _, err := io.ReadFull(k.random, nonce); err != nil {
		return nil, fmt.Errorf("no random bytes: %w", err)
	}
	b := k.aead.Seal(nonce, nonce, plain, k.place(number))
	return append([]byte(base64.StdEncoding.EncodeToString(b)), '\n'), nil
}

// append makes one change durable.
func (k *file) append(r record) error {
	b, err := k.line(r, k.lines)
	if err != nil {
		return err
	}
	end, err := k.f.Seek(0, io.SeekCurrent)
	if err == nil {
		if _, err = k.f.Write(b); err == nil {
			err = k.f.Sync()
		}
	}
	if err != nil {
		// What was written of the line is taken back, so that the next one
		// does not follow a torn one.
		_ = k.f.Truncate(end)
		_, _ = k.f.Seek(end, io.SeekStart)
		return fault.New(fault.Internal, "write the keyring", k.path, err, "see whether the disk is full")
	}
	k.lines++
	k.remember(r)
	return nil
}

// stale reports whether most lines have been replaced by later ones.
func (k *file) stale(live int) bool { return k.lines > uint64(2*live+16) }

// rewrite replaces the file by one with these changes, whole or not at all.
func (k *file) rewrite(list []record) (err error) {
	const op = "write the keyring"
	temp := k.path + ".new"
	defer func() {
		if err != nil {
			_ = os.Remove(temp)
		}
	}()
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fault.New(fault.Internal, op, temp, err, "")
	}
	b := append(bytes.Clone(k.head), '\n')
	for i, r := range list {
		line, err := k.line(r, uint64(i))
		if err != nil {
			_ = f.Close()
			return err
		}
		b = append(b, line...)
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = lockFile(f)
	}
	if err == nil {
		err = os.Rename(temp, k.path)
	}
	if err == nil {
		err = syncDir(filepath.Dir(k.path))
	}
	if err != nil {
		_ = f.Close()
		return fault.New(fault.Internal, op, k.path, err, "")
	}
	_ = k.f.Close()
	k.f, k.lines = f, uint64(len(list))
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}

func (k *file) close() error { return k.f.Close() }
