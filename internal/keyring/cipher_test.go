package keyring

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func key(t testing.TB, s string) *desKey {
	t.Helper()
	k, err := newDESKey(unhex(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestMACVectors: published examples. The UnionPay ones are those that several
// write-ups of the algorithm carry; those of X9.19 are from ISO/IEC 9797-1:1999
// annex B and from the tests of a widely used library.
func TestMACVectors(t *testing.T) {
	for _, tc := range []struct {
		name, key, data, want string
		a                     Algorithm
	}{
		{"unionpay, single key", "2222222222222222", "1234567890ABCDEFABCDEF1234567890", hex.EncodeToString([]byte("E267B6E2")), ECB},
		{"unionpay, double key", "55036372B17543ECB173730768B8D6C4", "1212B04E1227809C", hex.EncodeToString([]byte("5FE058DB")), ECB},
		{"9797-1 algorithm 3", "0123456789ABCDEFFEDCBA9876543210", hex.EncodeToString([]byte("Now is the time for all ")), "a1c72e74ea3fa9b6", X919},
		{"9797-1 algorithm 3, padded", "0123456789ABCDEFFEDCBA9876543210", hex.EncodeToString([]byte("Now is the time for it")), "2e2b1428cc78254f", X919},
		{"9797-1 algorithm 1", "0123456789ABCDEF", hex.EncodeToString([]byte("Now is the time for all ")), "70a30640cc76dd8b", X919},
		{"9797-1 algorithm 1, padded", "0123456789ABCDEF", hex.EncodeToString([]byte("Now is the time for it")), "e45b3ad2b7cc0856", X919},
		{"two blocks", "7CA110454A1A6E570131D9619DC1376E", hex.EncodeToString([]byte("Hello World !!!!")), "f09b856213bab83b", X919},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := key(t, tc.key).mac(tc.a, unhex(t, tc.data))
			if err != nil || hex.EncodeToString(got[:]) != tc.want {
				t.Errorf("%x, %v; want %s", got, err, tc.want)
			}
		})
	}
	if _, err := key(t, "2222222222222222").mac(9, nil); err == nil {
		t.Error("an unknown algorithm computes a MAC")
	}
}

// TestKeyCheckValue: 08D7B4FB629D0885 is eight zeros under the test key that the
// handbooks of security modules use.
func TestKeyCheckValue(t *testing.T) {
	if got := key(t, "0123456789ABCDEFFEDCBA9876543210").kcv(); hex.EncodeToString(got[:]) != "08d7b4fb" {
		t.Errorf("%x", got)
	}
}

// TestUnwrapVector: a published pair of master key and MAC key, wrapped and clear.
func TestUnwrapVector(t *testing.T) {
	master, clear := key(t, "70F2A84CCBC2AE8625CBB0F2C22AB923"), key(t, "C24A8FB57AA20123")
	w := master.wrap(clear)
	if hex.EncodeToString(w.Cipher) != "96d605ea176b7e9e" {
		t.Errorf("wrapped to %x", w.Cipher)
	}
	back, err := master.unwrap(w)
	if err != nil || string(back.raw) != string(clear.raw) {
		t.Errorf("%v", err)
	}
	w.ShortKCV, w.KCV[3] = true, 0
	if _, err := master.unwrap(w); err != nil {
		t.Errorf("a check value of three bytes: %v", err)
	}
	w.KCV[0] ^= 1
	if _, err := master.unwrap(w); !errors.Is(err, ErrKCV) {
		t.Errorf("a wrong check value: %v", err)
	}
	for _, n := range []int{0, 7, 15, 25} {
		if _, err := master.unwrap(Wrapped{Cipher: make([]byte, n)}); !errors.Is(err, ErrKCV) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestPINBlockVector: the example of ISO 9564-1 format 0 that textbooks use.
func TestPINBlockVector(t *testing.T) {
	b, err := clearBlock("1234", "43219876543210987")
	if err != nil || hex.EncodeToString(b[:]) != "0412ac89abcdef67" {
		t.Errorf("%x, %v", b, err)
	}
	for _, bad := range []struct{ pin, pan string }{
		{"123", "43219876543210987"}, {"1234567890123", "43219876543210987"}, {"12a4", "43219876543210987"},
		{"1234", "12345678901"}, {"1234", "4321987654321098x"}, {"1234", strings.Repeat("1", 20)},
	} {
		_, err := clearBlock(bad.pin, bad.pan)
		if !errors.Is(err, ErrPINBlock) {
			t.Errorf("%d digits: %v", len(bad.pin), err)
		}
		if err != nil && (strings.Contains(err.Error(), bad.pin) || strings.Contains(err.Error(), bad.pan)) {
			t.Error("the error repeats PIN or card number")
		}
	}
}

func TestPINBlockRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pin := rapid.StringMatching(`[0-9]{4,12}`).Draw(t, "pin")
		pan := rapid.StringMatching(`[0-9]{12,19}`).Draw(t, "pan")
		b, err := clearBlock(pin, pan)
		if err != nil {
			t.Fatal(err)
		}
		back, err := pinOf(b, pan)
		if err != nil || string(back) != pin {
			t.Fatalf("%d digits came back as %d: %v", len(pin), len(back), err)
		}
		b[rapid.IntRange(0, 7).Draw(t, "byte")] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		if back, err := pinOf(b, pan); err == nil && string(back) == pin {
			t.Fatal("an altered block gives the same PIN")
		}
	})
}

// TestTrackBlock: which digits are encrypted, by the two tracks of a published
// message: before them stands the card number, after them the last byte.
func TestTrackBlock(t *testing.T) {
	for _, tc := range []struct {
		track string
		from  int
	}{
		{"6226090000008388D491C8C34DB509A8C85E9", 20},
		{"996226090000008388D1561560500050000001015949849214000049120D7806938388D000000000D050002AA0C3787788A4AC00", 86},
		{"62260900000083880", 0}, // 17 digits: nine bytes, the last half filled
	} {
		from, err := trackBlock(tc.track)
		if err != nil || from != tc.from {
			t.Errorf("%d digits: from %d (%v), want %d", len(tc.track), from, err, tc.from)
		}
	}
	for _, bad := range []string{"", "6226090000008388", strings.Repeat("1", 105), "6226090000008388=49121234567890"} {
		if _, err := trackBlock(bad); err == nil {
			t.Errorf("%d characters are accepted", len(bad))
		}
	}
}

func TestGenerate(t *testing.T) {
	// A source that first gives two equal parts: such a key is no key of two parts.
	src := strings.NewReader(strings.Repeat("12345678", 2) + "abcdefghijklmnop")
	k, err := generate(src)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range k.raw {
		ones := 0
		for ; b > 0; b &= b - 1 {
			ones++
		}
		if ones%2 == 0 {
			t.Errorf("parity is even")
		}
	}
	if _, err := generate(strings.NewReader("short")); err == nil {
		t.Error("a key was made of too few random bytes")
	}
}

// TestNothingPrints: whatever verb, no key shows.
func TestNothingPrints(t *testing.T) {
	k := key(t, "0123456789ABCDEFFEDCBA9876543210")
	w := k.wrap(k)
	for _, v := range []any{k.raw, w, &w, Working{PIN: w}, PINBlock{1, 2}, Sealed{1, 2, 3}, &PINBlock{1, 2}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			if _, isWorking := v.(Working); isWorking && verb != "%v" && verb != "%s" {
				continue // ciphertext, which is no secret
			}
			got := strings.ToLower(fmt.Sprintf(verb, v))
			for _, leak := range []string{"01234567", "1 35 69", "fedcba98"} {
				if strings.Contains(got, leak) {
					t.Errorf("%T with %s shows %s", v, verb, got)
				}
			}
		}
	}
}

func TestComponents(t *testing.T) {
	k, err := joinComponents([]string{"0123456789ABCDEFFEDCBA9876543210", "11111111111111111111111111111111"})
	if err != nil || hex.EncodeToString(k.raw) != "1032547698badcfeefcdab8967452301" {
		t.Errorf("%v", err)
	}
	for _, bad := range [][]string{{"01"}, {"zz"}, {"0123456789ABCDEFFEDCBA9876543210", "0123456789ABCDEFFEDCBA9876543210"}} {
		if _, err := joinComponents(bad); err == nil {
			t.Errorf("%d components are accepted", len(bad))
		}
	}
}

// TestPVVVectors: examples from the tests of a library for payment cryptography; the
// last two take digits from the second pass as well.
func TestPVVVectors(t *testing.T) {
	for _, tc := range []struct{ pin, pan, want string }{
		{"4524", "1122334455667788", "8523"},
		{"0570", "1122334455667718", "3144"},
		{"8299", "1122334455667708", "4422"},
	} {
		got, err := key(t, "0123456789ABCDEFFEDCBA9876543210").pvv(tc.pin, tc.pan)
		if err != nil || got != tc.want {
			t.Errorf("%s, %v; want %s", got, err, tc.want)
		}
	}
}
