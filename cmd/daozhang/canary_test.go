package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// secrets are the forms in which card data could lie somewhere, and what to call
// them. A search that knows only plain text proves little.
type secrets map[string][]byte

// add puts in a value as text, in hexadecimal, and in base64 wherever it may begin
// within a longer text.
func (s secrets) add(name string, value []byte) {
	s[name] = value
	s[name+" in hex"] = []byte(hex.EncodeToString(value))
	s[name+" in HEX"] = bytes.ToUpper(s[name+" in hex"])
	for shift := range 3 {
		// The characters at the edges depend on what stands beside the value.
		from, to := (shift*8+5)/6, (shift+len(value))*8/6
		for _, form := range []struct {
			name string
			code *base64.Encoding
		}{{"base64", base64.RawStdEncoding}, {"base64url", base64.RawURLEncoding}} {
			text := form.code.EncodeToString(append(make([]byte, shift), value...))
			s[fmt.Sprintf("%s in %s, shifted by %d", name, form.name, shift)] = []byte(text[from:to])
		}
	}
}

// digits puts in a number as text and packed two digits to a byte, beginning at
// either half of a byte: the digits at the ends, which may share a byte with a
// neighbour or a filler, are left out.
func (s secrets) digits(name, number string) {
	s.add(name, []byte(number))
	for shift, half := range []string{"even", "odd"} {
		whole := number[shift : len(number)-(len(number)-shift)%2]
		packed, err := hex.DecodeString(whole)
		if err != nil {
			panic(err)
		}
		s.add(name+" in BCD from an "+half+" half", packed)
	}
	s[name+" in UTF-16"] = []byte(strings.Join(strings.Split(number, ""), "\x00"))
	for _, gap := range []string{" ", "-"} {
		s[name+" in groups by "+gap] = []byte(number[:4] + gap + number[4:8] + gap + number[8:12])
	}
}

// track puts in what follows the card number on track 2, with either separator.
func (s secrets) track(rest string) {
	s.add("track 2 with =", []byte("="+rest))
	s.digits("track 2 with D", "D"+rest)
}

// in gives the names of the forms that data holds.
func (s secrets) in(data []byte) []string {
	var found []string
	for name, form := range s {
		if bytes.Contains(data, form) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return found
}

// below searches every file under a directory, those it cannot read excepted when
// they go while it looks, and says how many bytes it has seen.
func (s secrets) below(t *testing.T, dir string) (seen int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			if os.IsNotExist(err) {
				return nil
			}
			return err
		}
		data, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil
		}
		seen += int64(len(data))
		s.look(t, path, data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

func (s secrets) look(t *testing.T, where string, data []byte) {
	t.Helper()
	if found := s.in(data); len(found) > 0 {
		t.Errorf("%s holds %s", where, strings.Join(found, "; "))
	}
}

const (
	canaryPIN  = "135792"
	canaryRest = "30122010000000000" // expiry, service code and discretionary data of track 2
	canaryCVN  = "CVN2:4917"
)

func cardSecrets() secrets {
	s := secrets{}
	s.digits("the card number", canary)
	s.track(canaryRest)
	s.add("the verification value", []byte(canaryCVN))
	return s
}

// TestCanarySearch: the search finds what is hidden, in each form, by whoever wrote
// it and whatever stands around it; and it finds nothing where nothing is.
func TestCanarySearch(t *testing.T) {
	s := cardSecrets()
	block := []byte{0x06, 0x13, 0x46, 0xa0, 0x81, 0x9c, 0xde, 0xf5}
	s.add("the PIN block", block)
	dir := t.TempDir()
	plant := func(data []byte) []string {
		t.Helper()
		file := filepath.Join(dir, "deep", "file")
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		around := bytes.Repeat([]byte("0123456789abcdef\x00\xff"), 700)
		if err := os.WriteFile(file, slices.Concat(around, data, around), 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return s.in(b)
	}
	for name, form := range s {
		if len(form) < 8 {
			t.Errorf("%s is too short to mean anything: %q", name, form)
		}
		if !slices.Contains(plant(form), name) {
			t.Errorf("%s is not found", name)
		}
	}
	packed := func(digits string) string {
		b, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	track := canary + "D" + canaryRest // 37 digits
	for name, text := range map[string]string{
		"JSON":                     `{"pan":"` + canary + `"}`,
		"BCD filled at the right":  packed(canary + "F"),
		"BCD filled at the left":   packed("0" + canary),
		"BCD after its length":     "\x19" + packed(canary+"0"),
		"an upload's 20 digits":    packed("00000107" + "0" + canary + "000000012800"),
		"an upload, odd":           packed("1" + "00" + "000107" + canary + "000000012800"),
		"track 2 in BCD":           packed(track + "0"),
		"track 2 in BCD, odd":      packed("3" + track),
		"the end of track 2":       "D" + canaryRest,
		"track 2 as text":          canary + "=" + canaryRest,
		"groups":                   "6222 0212 3456 7890 128",
		"a Go slice":               fmt.Sprintf("%x", canary),
		"base64 of a JSON text":    base64.StdEncoding.EncodeToString([]byte(`{"pan":"` + canary + `"}`)),
		"base64 of another":        base64.StdEncoding.EncodeToString([]byte(`{"card":"` + canary + `","x":1}`)),
		"base64 of a third":        base64.URLEncoding.EncodeToString([]byte(`{"number":"` + canary + `"}`)),
		"base64 of BCD":            base64.StdEncoding.EncodeToString([]byte("\x01" + packed(canary+"F"))),
		"a PIN block in base64":    base64.StdEncoding.EncodeToString(append([]byte("ab"), block...)),
		"a PIN block in hex":       fmt.Sprintf("%X", block),
		"a PIN block":              string(block),
		"the verification value":   canaryCVN,
		"the verification value x": hex.EncodeToString([]byte(canaryCVN)),
	} {
		if len(plant([]byte(text))) == 0 {
			t.Errorf("%s: nothing is found in %q", name, text)
		}
	}
	for _, clean := range []string{"", "622202*********0128", "the last four are 0128", canary[:6] + canary[10:]} {
		if found := plant([]byte(clean)); len(found) > 0 {
			t.Errorf("in %q it finds %v", clean, found)
		}
	}
}
