package iso8583_test

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// pan and the numbers of merchant and terminal are made up; the card number passes
// its check digit.
const (
	pan  = "6222021234567890128"
	mid  = "898310058120001"
	tid  = "10000001"
	uuid = "0198c0de-7a11-7000-8000-fedcba987654"
)

// request builds what a terminal or the gateway would send.
func request(t testing.TB, d *iso8583.Dialect, k iso8583.Kind) *iso8583.Message {
	t.Helper()
	m, err := d.Build(k)
	if err != nil {
		t.Fatal(err)
	}
	m.Set(iso8583.STAN, "000107")
	m.Set(iso8583.TID, tid)
	m.Set(iso8583.MID, mid)
	if err := m.SetBatch("000012"); err != nil {
		t.Fatal(err)
	}
	if d == iso8583.Network() {
		m.Set(iso8583.TransmissionTime, "0303040512")
		if err := m.SetUUID(uuid); err != nil {
			t.Fatal(err)
		}
	}
	if k.Operation.Financial() || k.Operation == iso8583.Balance {
		m.Set(iso8583.PAN, pan)
		m.Set(iso8583.EntryMode, "051")
		m.Set(iso8583.CardSequence, "001")
		m.Set(iso8583.Currency, "156")
		if k.Operation != iso8583.Balance {
			if err := m.SetAmount(8800); err != nil {
				t.Fatal(err)
			}
		}
	}
	switch k.Operation {
	case iso8583.SaleVoid, iso8583.Refund, iso8583.PreauthVoid, iso8583.Completion, iso8583.CompletionVoid, iso8583.CompletionAdvice:
		m.Set(iso8583.RRN, "606312000099")
		m.Set(iso8583.AuthCode, "A1B2C3")
		m.SetOriginal(iso8583.Original{Batch: "000012", STAN: "000099", Date: "0303", MTI: "0200", Sent: "0303033000", Acquirer: "48310000"})
	case iso8583.Settlement:
		if err := m.SetReconciliation(iso8583.Reconciliation{Domestic: iso8583.Totals{DebitAmount: 12345600, DebitCount: 42, CreditAmount: 8800, CreditCount: 1}}); err != nil {
			t.Fatal(err)
		}
	case iso8583.Upload:
		if err := m.SetUploads([]iso8583.Uploaded{{STAN: "000107", PAN: pan, Amount: 8800}, {Foreign: true, STAN: "000108", PAN: "4000000000000002", Amount: 100}}); err != nil {
			t.Fatal(err)
		}
	case iso8583.UploadEnd:
		if err := m.SetUploadEnd(43); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// operations gives every operation of a dialect.
func operations(d *iso8583.Dialect) []iso8583.Operation {
	var all []iso8583.Operation
	for o := iso8583.Sale; o.String() != "unknown"; o++ {
		if d.Supports(o) {
			all = append(all, o)
		}
	}
	return all
}

// TestOperations builds every operation with its reversal in both dialects, holds
// the bytes against a golden file, and reads them back to the same operation.
func TestOperations(t *testing.T) {
	var b strings.Builder
	for _, d := range []*iso8583.Dialect{iso8583.POS(), iso8583.Network()} {
		for _, o := range operations(d) {
			m := request(t, d, iso8583.Kind{Operation: o})
			all := []*iso8583.Message{m, m.Answer("00")}
			if o.Financial() {
				r, err := m.NewReversal(iso8583.ReasonTimeout)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, r, r.Answer("00"))
			}
			for i, m := range all {
				want := iso8583.Kind{Operation: o, Response: i%2 == 1, Reversal: i > 1}
				wire, err := m.Encode()
				if err != nil {
					t.Fatalf("%s %s: %v", d, want, err)
				}
				fmt.Fprintf(&b, "%s %s %X\n", d, want, wire)
				back, err := d.Decode(wire)
				if err != nil {
					t.Fatalf("%s %s: %v", d, want, err)
				}
				if k, err := back.Kind(); err != nil || k != want {
					t.Errorf("%s %s comes back as %s: %v", d, want, k, err)
				}
				if !want.Response {
					if _, err := back.Validate("156"); err != nil {
						t.Errorf("%s %s: %v", d, want, err)
					}
				}
				for f := range m.Fields() {
					if m.Get(f) != back.Get(f) {
						t.Errorf("%s %s: field %d differs", d, want, f)
					}
				}
			}
		}
	}
	const golden = "testdata/operations.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != b.String() {
		t.Errorf("the bytes of an operation changed; look at the difference, then -update")
	}
}

// TestCodes: what the codes are in each dialect, as the specifications write them.
func TestCodes(t *testing.T) {
	for _, tc := range []struct {
		dialect                                    *iso8583.Dialect
		o                                          iso8583.Operation
		mti, processing, condition, code, reversal string
	}{
		{iso8583.POS(), iso8583.Sale, "0200", "000000", "00", "22", "0400"},
		{iso8583.POS(), iso8583.SaleVoid, "0200", "200000", "00", "23", "0400"},
		{iso8583.POS(), iso8583.Refund, "0220", "200000", "00", "25", "0400"},
		{iso8583.POS(), iso8583.Preauth, "0100", "030000", "06", "10", "0400"},
		{iso8583.POS(), iso8583.PreauthVoid, "0100", "200000", "06", "11", "0400"},
		{iso8583.POS(), iso8583.Completion, "0200", "000000", "06", "20", "0400"},
		{iso8583.POS(), iso8583.CompletionVoid, "0200", "200000", "06", "21", "0400"},
		{iso8583.POS(), iso8583.Balance, "0200", "310000", "00", "01", ""},
		{iso8583.POS(), iso8583.SignOn, "0800", "", "", "00", ""},
		{iso8583.POS(), iso8583.Settlement, "0500", "", "", "00", ""},
		{iso8583.POS(), iso8583.Upload, "0320", "", "", "00", ""},
		{iso8583.Network(), iso8583.Sale, "0200", "000000", "00", "", "0400"},
		{iso8583.Network(), iso8583.Refund, "0220", "200000", "00", "", "0400"},
		{iso8583.Network(), iso8583.Preauth, "0100", "030000", "06", "", "0400"},
		{iso8583.Network(), iso8583.Echo, "0800", "", "", "", ""},
	} {
		m, err := tc.dialect.Build(iso8583.Kind{Operation: tc.o})
		if err != nil {
			t.Fatal(err)
		}
		if m.MTI() != tc.mti || m.Get(3) != tc.processing || m.Get(25) != tc.condition || m.Part(60, "code") != tc.code {
			t.Errorf("%s %s: %s %s %s %s", tc.dialect, tc.o, m.MTI(), m.Get(3), m.Get(25), m.Part(60, "code"))
		}
		r, err := tc.dialect.Build(iso8583.Kind{Operation: tc.o, Reversal: true})
		if (err == nil) != (tc.reversal != "") || err == nil && r.MTI() != tc.reversal {
			t.Errorf("%s %s: reversal: %v", tc.dialect, tc.o, err)
		}
		if err != nil && !errors.Is(err, iso8583.ErrOperation) {
			t.Errorf("%v", err)
		}
	}
}

// TestClassifiesForeign: messages of other projects are what they say they are.
func TestClassifiesForeign(t *testing.T) {
	want := map[string]string{
		"vfwz_signin_request": "sign_on", "vfwz_pay_request": "sale", "vfwz_pay_response": "sale response",
		"halo_0400_reversal": "sale reversal", "citic_0400_icc_reversal": "sale reversal", "classic_0200_mc": "sale",
		"kek_download_0800": "master_key", "sign_in_0800_b": "sign_on", "sign_in_0800_a": "sign_on", "p8583_0800": "sign_on",
		"j_iso8583_0210": "sale response", "wear_0200_icc": "sale", "vfwz_sign_img_request": "",
	}
	n := 0
	for _, v := range othersVectors(t, "unionpay_pos/vectors.jsonl") {
		w, ok := want[v.ID]
		if !ok {
			continue
		}
		n++
		raw, _ := hex.DecodeString(v.Hex)
		found, err := iso8583.Detect(raw)
		if err != nil {
			t.Fatalf("%s: %v", v.ID, err)
		}
		k, err := found.Message.Kind()
		if err == nil && k.String() != w || err != nil && w != "" {
			t.Errorf("%s is %q: %v", v.ID, k, err)
		}
	}
	if n != len(want) {
		t.Errorf("%d of %d vectors", n, len(want))
	}
}

func TestReversalCarriesNoSecrets(t *testing.T) {
	m := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Sale})
	m.Unset(iso8583.PAN)
	m.Set(iso8583.Track2, pan+"D49121200123456")
	m.Set(iso8583.Track3, "99"+pan+"D156156")
	m.SetBytes(iso8583.PINData, []byte("12345678"))
	m.SetBytes(iso8583.ICCData, []byte{0x9F, 0x26, 1, 1})
	r, err := m.NewReversal(iso8583.ReasonTimeout)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []int{iso8583.Track1, iso8583.Track2, iso8583.Track3, iso8583.PINData, iso8583.ICCData, iso8583.MAC} {
		if r.Has(f) {
			t.Errorf("field %d is in the reversal", f)
		}
	}
	if r.Get(iso8583.PAN) != pan || r.Get(iso8583.STAN) != m.Get(iso8583.STAN) || r.Get(iso8583.ResponseCode) != "98" || r.Batch() != "000012" {
		t.Errorf("%v", r)
	}
	if _, err := r.NewReversal(""); !errors.Is(err, iso8583.ErrOperation) {
		t.Errorf("a reversal of a reversal: %v", err)
	}
	if _, err := m.Answer("00").NewReversal(""); !errors.Is(err, iso8583.ErrOperation) {
		t.Errorf("a reversal of a response: %v", err)
	}
}

func TestAnswer(t *testing.T) {
	m := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Sale})
	m.SetHeader([]byte{0x60, 0x00, 0x03, 0x12, 0x34, 0x60, 0x31, 0, 0, 0, 0})
	a := m.Answer("51")
	if got := hex.EncodeToString(a.Header()); got != "6012340003603100000000" {
		t.Errorf("header %s", got)
	}
	if a.MTI() != "0210" || a.Get(39) != "51" || a.Get(11) != m.Get(11) || a.Get(41) != tid || a.Has(22) {
		t.Errorf("%v", a)
	}
	m.SetMTI("0201")
	if got := m.Answer("00").MTI(); got != "0210" {
		t.Errorf("a repeat is answered by %s", got)
	}
	if m.MTI() != "0201" || m.Header()[1] != 0 {
		t.Error("answering changed the request")
	}
}

// TestConvert: a sale at a terminal goes to the network and the answer back.
func TestConvert(t *testing.T) {
	m := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Sale})
	m.Unset(iso8583.PAN)
	m.Set(iso8583.Track2, pan+"D49121200123456")
	m.SetBytes(iso8583.PINData, []byte("12345678"))
	m.SetBytes(iso8583.ICCData, []byte{0x9F, 0x26, 2, 0xAB, 0xCD})
	m.SetBytes(iso8583.MAC, []byte("ABCDEFGH"))
	n, err := m.Convert(iso8583.Network())
	if err != nil {
		t.Fatal(err)
	}
	if err := n.SetUUID(uuid); err != nil {
		t.Fatal(err)
	}
	n.Set(iso8583.TransmissionTime, "0303040512")
	if got := n.Get(iso8583.Track2); got != pan+"=49121200123456" {
		t.Errorf("the track's separator: %q", strings.Trim(got, "0123456789"))
	}
	if n.Has(iso8583.PINData) || n.Has(iso8583.MAC) || n.Has(60) {
		t.Error("PIN block, MAC or private field went on")
	}
	if k, err := n.Validate("156"); err != nil || k.Operation != iso8583.Sale || n.UUID() != uuid {
		t.Errorf("%s %s: %v", k, n.UUID(), err)
	}
	if n.CardNumber() != pan || m.CardNumber() != pan {
		t.Error("the card number is not that of the track")
	}
	wire, err := n.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := iso8583.Network().Decode(wire)
	if err != nil || back.UUID() != uuid {
		t.Fatalf("%v", err)
	}
	home, err := back.Convert(iso8583.POS())
	if err != nil || home.Get(iso8583.Track2) != m.Get(iso8583.Track2) || string(home.Bytes(55)) != string(m.Bytes(55)) || home.Part(60, "code") != "22" {
		t.Errorf("back at the terminal's dialect: %v", err)
	}
	if _, err := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Settlement}).Convert(iso8583.Network()); !errors.Is(err, iso8583.ErrOperation) {
		t.Errorf("a settlement of a batch goes to no network: %v", err)
	}
}

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*iso8583.Message)
		want   error
		code   string
	}{
		{"as it should be", func(*iso8583.Message) {}, nil, ""},
		{"no amount", func(m *iso8583.Message) { m.Unset(4) }, iso8583.ErrMissing, "30"},
		{"amount of zero", func(m *iso8583.Message) { _ = m.SetAmount(0) }, iso8583.ErrAmount, "13"},
		{"the greatest amount", func(m *iso8583.Message) { _ = m.SetAmount(999999999999) }, nil, ""},
		{"dollars", func(m *iso8583.Message) { m.Set(49, "840") }, iso8583.ErrCurrency, "12"},
		{"an unknown type", func(m *iso8583.Message) { m.SetMTI("0620") }, iso8583.ErrOperation, "40"},
		{"codes that contradict", func(m *iso8583.Message) { m.Set(25, "06") }, iso8583.ErrOperation, "40"},
		{"no card", func(m *iso8583.Message) { m.Unset(2) }, iso8583.ErrMissing, "30"},
		{"a track instead of a number", func(m *iso8583.Message) { m.Unset(2); m.Set(35, pan+"D4912") }, nil, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Sale})
			tc.change(m)
			_, err := m.Validate("156")
			if !errors.Is(err, tc.want) || tc.want == nil && err != nil {
				t.Errorf("%v", err)
			}
			if got := iso8583.ResponseCodeOf(err); got != tc.code {
				t.Errorf("response code %q", got)
			}
		})
	}
	if iso8583.ResponseCodeOf(keyring.ErrMAC) != "A0" || iso8583.ResponseCodeOf(errors.New("disk")) != "96" {
		t.Error("response codes")
	}
}

// TestNothingPrints: no verb shows a value of a message.
func TestNothingPrints(t *testing.T) {
	m := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Sale})
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		if got := fmt.Sprintf(verb, m); strings.Contains(got, "622202") || strings.Contains(got, "363232") {
			t.Errorf("%s shows %s", verb, got)
		}
	}
}

func TestWipe(t *testing.T) {
	m := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Sale})
	view := m.Bytes(iso8583.PAN)
	m.Set(iso8583.PAN, "") // an empty value keeps its place
	m.Set(iso8583.PAN, pan)
	m.Wipe()
	if strings.Trim(string(view), "\x00") != "" {
		t.Error("the card number is still in memory")
	}
	if len(slices.Collect(m.Fields())) != 0 {
		t.Error("fields are left")
	}
}

// TestSetFromItself: a value of the same message, when it moves to larger memory.
func TestSetFromItself(t *testing.T) {
	m := iso8583.POS().New("0200")
	text := strings.Repeat("some text ", 20)
	m.Set(46, text)
	first := m.Bytes(46)
	for _, f := range []int{47, 56, 57, 59} {
		m.SetBytes(f, m.Bytes(46))
	}
	for _, f := range []int{46, 47, 56, 57, 59} {
		if m.Get(f) != text {
			t.Errorf("field %d is lost", f)
		}
	}
	if string(first) == text {
		t.Error("the former memory keeps the value")
	}
	m.Set(46, "short")
	if m.Get(46) != "short" || m.Get(47) != text {
		t.Error("a shorter value")
	}
}

// TestAnyValues: whatever values fit their fields come back from the wire, in any
// dialect, in whatever order they were set, and set again.
func TestAnyValues(t *testing.T) {
	all := iso8583.Dialects()
	rapid.Check(t, func(t *rapid.T) {
		d := rapid.SampledFrom(all).Draw(t, "dialect")
		m := d.New(rapid.StringMatching(`0[1-8][0-4][0-5]`).Draw(t, "mti"))
		want := map[int]string{}
		for range rapid.IntRange(0, 40).Draw(t, "sets") {
			n := rapid.IntRange(2, 128).Draw(t, "field")
			f := d.Field(n)
			if f == nil {
				continue
			}
			if rapid.IntRange(0, 9).Draw(t, "unset") == 0 {
				m.Unset(n)
				delete(want, n)
				continue
			}
			v := valueFor(t, f)
			m.Set(n, v)
			want[n] = v
		}
		wire, err := m.Encode()
		if err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		back, err := d.Decode(wire)
		if err != nil {
			t.Fatalf("%s: %v", d, err)
		}
		n := 0
		for f := range back.Fields() {
			n++
			if back.Get(f) != want[f] {
				t.Fatalf("%s: field %d is %q, not %q", d, f, back.Get(f), want[f])
			}
		}
		if n != len(want) {
			t.Fatalf("%d fields, not %d", n, len(want))
		}
		again, err := back.Encode()
		if err != nil || string(again) != string(wire) {
			t.Fatalf("encoded again it differs: %v", err)
		}
		back.Describe("en")
		_, _ = back.Kind()
	})
}

// valueFor draws a value that fits a field's format.
func valueFor(t *rapid.T, f *iso8583.Field) string {
	cls := strings.TrimRight(f.Format, ".0123456789")
	rest := f.Format[len(cls):]
	dots := strings.LastIndex(rest, ".") + 1
	var n int
	if _, err := fmt.Sscan(rest[dots:], &n); err != nil {
		t.Fatal(err)
	}
	if cls == "b" && dots == 0 {
		n /= 8
	}
	if dots > 0 {
		n = rapid.IntRange(0, n).Draw(t, "length")
	}
	alphabet := map[string]string{"n": "0123456789", "an": "0189AZaz. ", "x+n": "CD0123456789", "z": "0123456789D"}[cls]
	out := make([]byte, n)
	seed := rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "seed")
	for i := range out {
		out[i] = seed[i%8] + byte(i/8)
		if alphabet != "" {
			out[i] = alphabet[int(out[i])%len(alphabet)]
		}
	}
	return string(out)
}
