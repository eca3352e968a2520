package keyring

import (
	"testing"
)

// FuzzInputs: whatever comes from a terminal or a link as key, PIN block, track or
// MAC is refused or used, and nothing panics.
func FuzzInputs(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), "6222021234567890128", "6222021234567890128D49121200123456", []byte("12345678"))
	f.Add([]byte{}, "", "", []byte{})
	f.Fuzz(func(t *testing.T, cipher []byte, pan, track string, block []byte) {
		k, err := newDESKey([]byte("0123456789abcdef"))
		if err != nil {
			t.Fatal(err)
		}
		if inner, err := k.unwrap(Wrapped{Cipher: cipher}); err == nil && len(inner.raw) != len(cipher) {
			t.Fatal("a key of another length")
		}
		var b [8]byte
		copy(b[:], block)
		if pin, err := pinOf(b, pan); err == nil {
			back, err := clearBlock(string(pin), pan)
			if err != nil || back != b {
				t.Fatal("a PIN block does not come back")
			}
			if v, err := k.pvv(string(pin), pan); err != nil || len(v) != 4 {
				t.Fatal("no verification value of four digits")
			}
		}
		if hidden, err := k.track(track, k.block.Encrypt); err == nil {
			if back, err := k.track(hidden, k.block.Decrypt); err != nil || back != track {
				t.Fatal("a track does not come back")
			}
		}
		for _, a := range []Algorithm{ECB, X919, 0} {
			_, _ = k.mac(a, block)
		}
	})
}

// FuzzFile: any content of the file is opened or refused, in bounded memory.
func FuzzFile(f *testing.F) {
	const head = `{"format":"daozhang-keyring/1","kdf":"scrypt","n":2,"r":1,"p":1,"salt":"MDEyMzQ1Njc4OWFiY2RlZg=="}`
	f.Add([]byte(head + "\nAAAA\n"))
	f.Add([]byte(head + "\n"))
	f.Add([]byte(`{"format":"daozhang-keyring/1","kdf":"scrypt","n":1073741824,"r":30,"p":1,"salt":"MDEyMzQ1Njc4OWFiY2RlZg=="}` + "\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var h fileHead
		line, rest := cutHead(raw)
		if !h.read(line) {
			return
		}
		k := &file{head: line}
		if err := k.derive(h, []byte("a long enough secret")); err != nil {
			return
		}
		if _, err := k.open(rest); err == nil {
			t.Fatal("a line opened that nobody sealed")
		}
	})
}
