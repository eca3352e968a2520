package iso8583_test

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"daozhang/internal/iso8583"
)

// sharedData is where files of other projects stand, beside the repository.
const sharedData = "../../../shared/data/iso8583"

// ownVectors were packed byte by byte after the table of formats, by a program that
// shares nothing with this package; their shapes are those of terminals in the
// field, their numbers are made up.
const ownVectors = "testdata/vectors.jsonl"

type vector struct {
	ID      string `json:"id"`
	Hex     string `json:"hex"`
	Decoded struct {
		LengthPrefix *int              `json:"length_prefix"`
		LengthOK     *bool             `json:"length_ok"`
		TPDU         string            `json:"tpdu"`
		Header       string            `json:"header"`
		MTI          string            `json:"mti"`
		Fields       map[string]string `json:"fields"`
	} `json:"decoded"`
}

func othersVectors(t testing.TB, name string) []vector {
	name = filepath.Join(sharedData, name)
	if _, err := os.Stat(name); err != nil {
		t.Skipf("SKIPPED: files of other projects are not here: %v", err)
	}
	return readVectors(t, name)
}

func readVectors(t testing.TB, name string) []vector {
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []vector
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// TestVectors decodes messages of UnionPay terminals, compares each field with what
// it should be, and encodes it again to the same bytes.
func TestVectors(t *testing.T) {
	all := readVectors(t, ownVectors)
	if len(all) < 15 {
		t.Fatalf("%d vectors", len(all))
	}
	hold(t, all)
}

// TestVectorsOfOthers does so with every message that other projects published.
func TestVectorsOfOthers(t *testing.T) {
	all := othersVectors(t, "unionpay_pos/vectors.jsonl")
	if len(all) < 22 {
		t.Fatalf("%d vectors", len(all))
	}
	hold(t, all)
}

func hold(t *testing.T, all []vector) {
	t.Helper()
	for _, v := range all {
		t.Run(v.ID, func(t *testing.T) {
			raw, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			if v.Decoded.LengthPrefix != nil {
				raw = raw[2:]
			}
			d := iso8583.POS()
			m, err := d.Decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.ToLower(hex.EncodeToString(m.Header())); got != strings.ToLower(v.Decoded.TPDU+v.Decoded.Header) {
				t.Errorf("header %s", got)
			}
			if m.MTI() != v.Decoded.MTI {
				t.Errorf("message type %s, want %s", m.MTI(), v.Decoded.MTI)
			}
			n := 0
			for f := range m.Fields() {
				n++
				want, ok := v.Decoded.Fields[itoa(f)]
				if !ok {
					t.Errorf("field %d was not expected", f)
					continue
				}
				if got := asTheySay(m, f, want); got != want {
					t.Errorf("field %d is %q, want %q", f, got, want)
				}
			}
			if n != len(v.Decoded.Fields) {
				t.Errorf("%d fields, want %d", n, len(v.Decoded.Fields))
			}
			back, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if string(back) != string(raw) {
				t.Errorf("encoded again:\n%x\nwant\n%x", back, raw)
			}
			again, err := m.Clone().Encode()
			if err != nil || string(again) != string(raw) {
				t.Errorf("a clone differs: %v", err)
			}
		})
	}
}

// TestVectorsHidden: no card number, track or PIN block of any of the messages shows
// in its description, in neither language.
func TestVectorsHidden(t *testing.T) { hidden(t, readVectors(t, ownVectors)) }

// TestVectorsOfOthersHidden does so with those of other projects.
func TestVectorsOfOthersHidden(t *testing.T) {
	hidden(t, othersVectors(t, "unionpay_pos/vectors.jsonl"))
}

func hidden(t *testing.T, all []vector) {
	t.Helper()
	for _, v := range all {
		raw, err := hex.DecodeString(v.Hex)
		if err != nil {
			t.Fatal(err)
		}
		found, err := iso8583.Detect(raw)
		if err != nil {
			t.Fatal(err)
		}
		m := found.Message
		secrets := []string{m.CardNumber(), m.Get(iso8583.Track2), m.Get(iso8583.Track3), strings.ToUpper(hex.EncodeToString(m.Bytes(iso8583.PINData)))}
		for _, tag := range []string{"57", "5A"} {
			secrets = append(secrets, strings.ToUpper(hex.EncodeToString(m.Tag(tag))))
		}
		if k, _ := m.Kind(); k.Operation == iso8583.SignOn && k.Response {
			secrets = append(secrets, strings.ToUpper(hex.EncodeToString(m.Bytes(iso8583.Private62)[:16])))
		}
		for _, lang := range []string{"en", "zh"} {
			b, err := json.Marshal(m.Describe(lang))
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range secrets {
				if len(s) > 8 && strings.Trim(s, "0") != "" && strings.Contains(string(b), s) {
					t.Errorf("%s: secret %d shows", v.ID, i)
				}
			}
		}
	}
}
