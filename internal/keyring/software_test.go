package keyring_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"daozhang/internal/fault"
	"daozhang/internal/keyring"
)

var (
	pass      = []byte("correct horse battery")
	transport = []string{"0123456789ABCDEFFEDCBA9876543210", "89ABCDEF0123456776543210FEDCBA98"}
	terminal  = keyring.Terminal("898310058120001", "10000001")
	zone      = keyring.Link("unionpay")
)

const pan = "6222021234567890128"

func open(t testing.TB, path string) *keyring.Software {
	t.Helper()
	k, err := keyring.Open(keyring.Options{Path: path, Secret: pass, Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// signOn brings master and working keys from a host to a device.
func signOn(t testing.TB, host, device keyring.Keyring, owner keyring.Owner) {
	t.Helper()
	m, err := host.NewMaster(owner)
	if err != nil {
		t.Fatal(err)
	}
	if err := device.InstallMaster(owner, m); err != nil {
		t.Fatal(err)
	}
	w, err := host.NewWorking(owner)
	if err != nil {
		t.Fatal(err)
	}
	if err := device.InstallWorking(owner, w); err != nil {
		t.Fatal(err)
	}
}

// TestFromTerminalToIssuer: a PIN typed at a terminal arrives at the issuer, who
// knows only its verification value; three keyrings, nothing in common but the
// transport key.
func TestFromTerminalToIssuer(t *testing.T) {
	host, device, issuer := open(t, ""), open(t, ""), open(t, "")
	signOn(t, host, device, terminal)
	signOn(t, issuer, host, zone)
	pvv, err := issuer.NewPVV("123456", pan)
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		pin string
		ok  bool
	}{{"123456", true}, {"654321", false}, {"1234", true}} { // the value covers four digits
		block, err := device.EncryptPIN(terminal, tc.pin, pan)
		if err != nil {
			t.Fatal(err)
		}
		there, err := host.TranslatePIN(terminal, zone, block, pan)
		if err != nil {
			t.Fatal(err)
		}
		if there == block {
			t.Error("the block goes on under the terminal's key")
		}
		ok, err := issuer.VerifyPIN(zone, there, pan, pvv)
		if err != nil || ok != tc.ok {
			t.Errorf("PIN of %d digits: %v, %v", len(tc.pin), ok, err)
		}
	}
	// Of another card, and garbage.
	block, _ := device.EncryptPIN(terminal, "123456", pan)
	if _, err := host.TranslatePIN(terminal, zone, block, "6222029999999999999"); !errors.Is(err, keyring.ErrPINBlock) {
		t.Errorf("a PIN block of another card: %v", err)
	}
	block[0] ^= 0x80
	if _, err := host.TranslatePIN(terminal, zone, block, pan); !errors.Is(err, keyring.ErrPINBlock) {
		t.Errorf("a damaged PIN block: %v", err)
	}
}

func TestMACBetweenBothSides(t *testing.T) {
	host, device := open(t, ""), open(t, "")
	signOn(t, host, device, terminal)
	data := []byte("0200 and what follows")
	for _, a := range []keyring.Algorithm{keyring.ECB, keyring.X919} {
		mac, err := device.MAC(terminal, a, data)
		if err != nil {
			t.Fatal(err)
		}
		if err := host.VerifyMAC(terminal, a, data, mac[:]); err != nil {
			t.Error(err)
		}
		mac[7] ^= 1
		for _, bad := range [][]byte{mac[:], mac[:4], nil} {
			if err := host.VerifyMAC(terminal, a, data, bad); !errors.Is(err, keyring.ErrMAC) {
				t.Errorf("%v with a wrong MAC of %d bytes: %v", a, len(bad), err)
			}
		}
	}
	// After a new sign-on the former keys are void.
	mac, _ := device.MAC(terminal, keyring.ECB, data)
	w, err := host.NewWorking(terminal)
	if err != nil {
		t.Fatal(err)
	}
	if err := host.VerifyMAC(terminal, keyring.ECB, data, mac[:]); !errors.Is(err, keyring.ErrMAC) {
		t.Errorf("the former key still holds: %v", err)
	}
	// Keys that came under another master key change nothing.
	other := open(t, "")
	if _, err := other.NewMaster(terminal); err != nil {
		t.Fatal(err)
	}
	foreign, err := other.NewWorking(terminal)
	if err != nil {
		t.Fatal(err)
	}
	if err := device.InstallWorking(terminal, foreign); !errors.Is(err, keyring.ErrKCV) {
		t.Errorf("keys under another master key: %v", err)
	}
	if again, err := device.MAC(terminal, keyring.ECB, data); err != nil || again != mac {
		t.Errorf("a refused key changed those in force: %v", err)
	}
	if err := device.InstallWorking(terminal, w); err != nil {
		t.Error(err)
	}
}

func TestTracks(t *testing.T) {
	host, device := open(t, ""), open(t, "")
	signOn(t, host, device, terminal)
	track := pan + "D49121200123456"
	hidden, err := device.EncryptTrack(terminal, track)
	if err != nil || hidden == track || len(hidden) != len(track) {
		t.Fatalf("%d digits, %v", len(hidden), err)
	}
	if back, err := host.DecryptTrack(terminal, hidden); err != nil || back != track {
		t.Errorf("it does not come back: %v", err)
	}
}

func TestWithoutKeys(t *testing.T) {
	k := open(t, "")
	if k.HasMaster(terminal) || k.HasWorking(terminal) {
		t.Error("keys from nowhere")
	}
	_, errMAC := k.MAC(terminal, keyring.ECB, nil)
	_, errNew := k.NewWorking(terminal)
	_, errPIN := k.EncryptPIN(terminal, "1234", pan)
	_, errFrom := k.TranslatePIN(terminal, zone, keyring.PINBlock{}, pan)
	_, errVerify := k.VerifyPIN(zone, keyring.PINBlock{}, pan, "1234")
	_, errTrack := k.EncryptTrack(terminal, pan)
	for i, err := range []error{errMAC, errNew, errPIN, errFrom, errVerify, errTrack,
		k.VerifyMAC(terminal, keyring.ECB, nil, nil), k.InstallWorking(terminal, keyring.Working{})} {
		if !errors.Is(err, keyring.ErrNoKey) {
			t.Errorf("%d: %v", i, err)
		}
	}
	if _, err := k.NewMaster(terminal); err != nil {
		t.Fatal(err)
	}
	if !k.HasMaster(terminal) || k.HasWorking(terminal) {
		t.Error("a master key is not yet a sign-on")
	}
}

// TestNotDurable: a key that could not be written is not in force.
func TestNotDurable(t *testing.T) {
	k := open(t, filepath.Join(t.TempDir(), "keys"))
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.NewMaster(terminal); err == nil || k.HasMaster(terminal) {
		t.Errorf("%v", err)
	}
	if err := k.RotateSeal(); err == nil {
		t.Error("a sealing key that was not written")
	}
}

func TestForget(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	host, device := open(t, path), open(t, "")
	signOn(t, host, device, terminal)
	signOn(t, host, device, zone)
	for range 2 {
		if err := host.Forget(terminal); err != nil {
			t.Fatal(err)
		}
	}
	_ = host.Close()
	host = open(t, path)
	if host.HasMaster(terminal) || host.HasWorking(terminal) || !host.HasWorking(zone) {
		t.Error("the wrong keys are gone")
	}
}

func TestSealAndToken(t *testing.T) {
	k, other := open(t, ""), open(t, "")
	for _, n := range []string{pan, "4000000000000002", "62220212"} {
		s, err := k.Seal(n, "0198c0de-0000-7000-8000-000000000001")
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(s, []byte(n)) || len(s) != 52 {
			t.Errorf("%d bytes are sealed", len(s))
		}
		if got, err := k.Open(s, "0198c0de-0000-7000-8000-000000000001"); err != nil || got != n {
			t.Errorf("opened wrongly: %v", err)
		}
		if err := k.RotateSeal(); err != nil {
			t.Fatal(err)
		}
		if got, err := k.Open(s, "0198c0de-0000-7000-8000-000000000001"); err != nil || got != n {
			t.Errorf("after a new key it does not open: %v", err)
		}
		damaged := append(keyring.Sealed(nil), s...)
		damaged[len(damaged)-1] ^= 1
		for what, f := range map[string]func() (string, error){
			"another transaction": func() (string, error) { return k.Open(s, "0198c0de-0000-7000-8000-000000000002") },
			"another keyring":     func() (string, error) { return other.Open(s, "0198c0de-0000-7000-8000-000000000001") },
			"damaged":             func() (string, error) { return k.Open(damaged, "0198c0de-0000-7000-8000-000000000001") },
			"cut":                 func() (string, error) { return k.Open(s[:20], "0198c0de-0000-7000-8000-000000000001") },
			"nothing":             func() (string, error) { return k.Open(nil, "") },
		} {
			if got, err := f(); !errors.Is(err, keyring.ErrSealed) || got != "" {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	a, _ := k.Seal(pan, "x")
	b, _ := k.Seal(pan, "x")
	if bytes.Equal(a, b) {
		t.Error("the same number sealed twice looks the same")
	}
	for _, bad := range []string{"", "1234567", "62220212345678901280", "622202******0128"} {
		if _, err := k.Seal(bad, "x"); err == nil || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("%d characters: %v", len(bad), err)
		}
	}
	tok := k.Token(pan)
	if len(tok) != 36 || !strings.HasPrefix(tok, "tok_") || tok != k.Token(pan) || tok == other.Token(pan) || tok == k.Token(pan[1:]) {
		t.Errorf("token %s", tok)
	}
}

// TestKeptAcrossRestarts: everything is the same after closing and opening, and
// nothing of it stands in the file.
func TestKeptAcrossRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	host, device := open(t, path), open(t, "")
	signOn(t, host, device, terminal)
	mac, _ := device.MAC(terminal, keyring.ECB, []byte("data"))
	sealed, _ := host.Seal(pan, "uuid")
	token, pvv := host.Token(pan), ""
	pvv, _ = host.NewPVV("123456", pan)
	if err := host.RotateSeal(); err != nil {
		t.Fatal(err)
	}
	for range 30 { // enough to have most lines replaced, so that opening rewrites
		w, err := host.NewWorking(zoneless(t, host))
		if err != nil || len(w.MAC.Cipher) != 16 {
			t.Fatal(err)
		}
	}
	for round := range 3 {
		size := fileSize(t, path)
		if err := host.Close(); err != nil {
			t.Fatal(err)
		}
		host = open(t, path)
		if round == 0 && fileSize(t, path) >= size {
			t.Errorf("replaced lines stay: %d bytes", size)
		}
		if err := host.VerifyMAC(terminal, keyring.ECB, []byte("data"), mac[:]); err != nil {
			t.Error(err)
		}
		if got, err := host.Open(sealed, "uuid"); err != nil || got != pan {
			t.Errorf("sealed: %v", err)
		}
		if host.Token(pan) != token {
			t.Error("another token")
		}
		if v, _ := host.NewPVV("123456", pan); v != pvv {
			t.Error("another verification value")
		}
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"master", "terminal", string(terminal), pan, string(pass)} {
		if bytes.Contains(raw, []byte(word)) {
			t.Errorf("the file shows %q", word)
		}
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
}

// zoneless gives another owner whose keys change often.
func zoneless(t *testing.T, k *keyring.Software) keyring.Owner {
	o := keyring.Terminal("898310058120001", "10000002")
	if !k.HasMaster(o) {
		for range 20 {
			if _, err := k.NewMaster(o); err != nil {
				t.Fatal(err)
			}
		}
	}
	return o
}

func fileSize(t *testing.T, path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// TestTornAndAltered: a file cut anywhere in its last line opens with what was
// before; one altered elsewhere does not open.
func TestTornAndAltered(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys")
	k := open(t, path)
	if _, err := k.NewMaster(zone); err != nil {
		t.Fatal(err)
	}
	token := k.Token(pan)
	before, _ := os.ReadFile(path)
	if _, err := k.NewMaster(terminal); err != nil {
		t.Fatal(err)
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	after, _ := os.ReadFile(path)
	last := len(after) - len(before)
	for cut := 0; cut <= last; cut += 1 + last/3 {
		torn := filepath.Join(dir, fmt.Sprint("torn", cut))
		if err := os.WriteFile(torn, after[:len(before)+cut], 0o600); err != nil {
			t.Fatal(err)
		}
		k := open(t, torn)
		if k.Token(pan) != token || !k.HasMaster(zone) || k.HasMaster(terminal) {
			t.Errorf("cut after %d bytes of the last line: keys are wrong", cut)
		}
		// And it goes on from there.
		if _, err := k.NewMaster(terminal); err != nil {
			t.Fatal(err)
		}
		_ = k.Close()
		if k := open(t, torn); !k.HasMaster(terminal) {
			t.Errorf("cut after %d bytes: what came after is lost", cut)
		}
	}
	first := bytes.IndexByte(after, '\n') + 1
	second := first + bytes.IndexByte(after[first:], '\n') + 1
	swapped := append(append(append([]byte(nil), after[:second]...), after[len(before):]...), after[second:len(before)]...)
	for what, b := range map[string]struct {
		content []byte
		kind    fault.Kind
	}{
		"a line altered":   {bytes.Replace(after, after[second+4:second+8], []byte("AAAA"), 1), fault.Conflict},
		"lines exchanged":  {swapped, fault.Conflict},
		"no keyring":       {[]byte("merchant,amount\n1,2\n"), fault.Conflict},
		"the cost changed": {bytes.Replace(after, []byte(`"n":32768`), []byte(`"n":16384`), 1), fault.NotAllowed},
	} {
		p := filepath.Join(dir, "bad")
		if err := os.WriteFile(p, b.content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keyring.Open(keyring.Options{Path: p, Secret: pass}); err == nil || fault.KindOf(err) != b.kind {
			t.Errorf("%s: %v", what, err)
		}
		if now, _ := os.ReadFile(p); !bytes.Equal(now, b.content) {
			t.Errorf("%s: opening changed the file", what)
		}
	}
}

func TestRefusals(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys")
	if _, err := keyring.Open(keyring.Options{Path: path, Secret: pass, Production: true}); !errors.Is(err, keyring.ErrProduction) || fault.KindOf(err) != fault.NotAllowed {
		t.Errorf("production: %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a refused keyring left a file")
	}
	if _, err := keyring.Open(keyring.Options{Path: path, Secret: []byte("short")}); fault.KindOf(err) != fault.Usage {
		t.Errorf("a short secret: %v", err)
	}
	k := open(t, path)
	if _, err := keyring.Open(keyring.Options{Path: path, Secret: pass}); fault.KindOf(err) != fault.NotAllowed {
		t.Errorf("open twice: %v", err)
	}
	_ = k.Close()
	if _, err := keyring.Open(keyring.Options{Path: path, Secret: []byte("correct horse batterY")}); fault.KindOf(err) != fault.NotAllowed || strings.Contains(err.Error(), "batter") {
		t.Errorf("wrong secret: %v", err)
	}
	if _, err := keyring.Open(keyring.Options{Path: filepath.Join(dir, "no", "such"), Secret: pass}); err == nil {
		t.Error("a folder that is not there")
	}
	if _, err := keyring.Open(keyring.Options{Transport: []string{"secret that is no component"}}); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a bad component: %v", err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if got := fmt.Sprintf(verb, k); got != "software keyring" {
			t.Errorf("%s shows %s", verb, got)
		}
	}
}

// TestAtOnce: sign-ons of some terminals while others compute MACs.
func TestAtOnce(t *testing.T) {
	host, device := open(t, filepath.Join(t.TempDir(), "keys")), open(t, "")
	signOn(t, host, device, terminal)
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			o := keyring.Terminal("1", fmt.Sprint(i))
			if _, err := host.NewMaster(o); err != nil {
				t.Error(err)
			}
			for range 10 {
				if _, err := host.NewWorking(o); err != nil {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			for range 200 {
				mac, err := device.MAC(terminal, keyring.X919, []byte("data"))
				if err != nil {
					t.Error(err)
				}
				if err := host.VerifyMAC(terminal, keyring.X919, []byte("data"), mac[:]); err != nil {
					t.Error(err)
				}
				_ = host.Token(pan)
			}
		})
	}
	all.Wait()
}

func BenchmarkMAC(b *testing.B) {
	host, device := open(b, ""), open(b, "")
	signOn(b, host, device, terminal)
	data := make([]byte, 250)
	for _, a := range []keyring.Algorithm{keyring.ECB, keyring.X919} {
		b.Run(a.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = host.MAC(terminal, a, data)
			}
		})
	}
}
