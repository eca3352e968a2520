package iso8583_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"daozhang/internal/iso8583"
	"daozhang/internal/keyring"
)

func TestReconciliation(t *testing.T) {
	sales := iso8583.Totals{}
	for range 3 {
		sales.Add(iso8583.Sale, 10000)
	}
	sales.Add(iso8583.Refund, 2500)
	sales.Add(iso8583.Preauth, 99999) // moves nothing yet
	sales.Add(iso8583.Completion, 5000)
	sales.Add(iso8583.SaleVoid, 10000) // the voided sale stands on both sides
	sales.Add(iso8583.PreauthVoid, 99999)
	if sales != (iso8583.Totals{DebitAmount: 35000, DebitCount: 4, CreditAmount: 12500, CreditCount: 2}) {
		t.Errorf("%+v", sales)
	}
	m := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Settlement})
	if err := m.SetReconciliation(iso8583.Reconciliation{Domestic: sales}); err != nil {
		t.Fatal(err)
	}
	if got := m.Get(48); got != "00000003500000400000001250000200000000000000000000000000000000"[:62] {
		t.Errorf("written as %s", got)
	}
	got, err := m.Reconciliation()
	if err != nil || got.Domestic != sales || got.DomesticResult != iso8583.NotCompared {
		t.Fatalf("%+v %v", got, err)
	}
	if a := got.Compare(sales, iso8583.Totals{}); !a.Balanced() {
		t.Errorf("equal totals: %+v", a)
	}
	host := sales
	host.DebitCount, host.DebitAmount = 3, 25000
	a := got.Compare(host, iso8583.Totals{})
	if a.Balanced() || a.DomesticResult != iso8583.Different || a.ForeignResult != iso8583.Equal || a.Domestic != host {
		t.Errorf("a sale that the host does not know: %+v", a)
	}
	answer := m.Answer("00")
	if err := answer.SetReconciliation(a); err != nil {
		t.Fatal(err)
	}
	if back, err := answer.Reconciliation(); err != nil || back != a {
		t.Errorf("%+v %v", back, err)
	}
	for _, bad := range []iso8583.Totals{{DebitCount: 1000}, {CreditAmount: 1e12}, {DebitAmount: -1}, {CreditCount: -1}} {
		if err := m.SetReconciliation(iso8583.Reconciliation{Foreign: bad}); !errors.Is(err, iso8583.ErrTooLong) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	m.Set(48, "123")
	if _, err := m.Reconciliation(); !errors.Is(err, iso8583.ErrFormat) {
		t.Errorf("three digits: %v", err)
	}
	if _, err := request(t, iso8583.Network(), iso8583.Kind{Operation: iso8583.Echo}).Reconciliation(); !errors.Is(err, iso8583.ErrFormat) {
		t.Errorf("a network has no batches: %v", err)
	}
}

func TestUploads(t *testing.T) {
	m := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Upload})
	var list []iso8583.Uploaded
	for i := range iso8583.MaxUploads {
		list = append(list, iso8583.Uploaded{Foreign: i%2 == 1, STAN: fmt.Sprintf("%06d", i), PAN: pan[:19-i%4], Amount: int64(i)})
	}
	if err := m.SetUploads(list); err != nil {
		t.Fatal(err)
	}
	wire, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := iso8583.POS().Decode(wire)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := back.Uploads(); err != nil || !reflect.DeepEqual(got, list) {
		t.Errorf("%d transactions, %v", len(got), err)
	}
	if err := m.SetUploads(append(list, list[0])); !errors.Is(err, iso8583.ErrTooLong) {
		t.Errorf("nine: %v", err)
	}
	if err := m.SetUploads([]iso8583.Uploaded{{STAN: "1234567"}}); !errors.Is(err, iso8583.ErrTooLong) {
		t.Errorf("a long trace number: %v", err)
	}
	for _, bad := range []string{"", "9", "02" + strings.Repeat("0", 40), "99"} {
		m.Set(48, bad)
		if _, err := m.Uploads(); !errors.Is(err, iso8583.ErrFormat) {
			t.Errorf("%d digits: %v", len(bad), err)
		}
	}
	if err := m.SetUploadEnd(10000); !errors.Is(err, iso8583.ErrTooLong) {
		t.Errorf("%v", err)
	}
	_ = m.SetUploadEnd(43)
	if n, err := m.UploadEnd(); err != nil || n != 43 {
		t.Errorf("%d %v", n, err)
	}
}

func TestWorkingKeys(t *testing.T) {
	long, short := keyring.Wrapped{Cipher: []byte("0123456789abcdef"), KCV: [4]byte{1, 2, 3, 4}}, keyring.Wrapped{Cipher: []byte("01234567"), KCV: [4]byte{5, 6, 7, 8}}
	for _, d := range []*iso8583.Dialect{iso8583.POS(), iso8583.Network()} {
		for _, w := range []keyring.Working{{PIN: long, MAC: long, Track: long}, {PIN: long, MAC: long}, {PIN: long, MAC: short}} {
			m := request(t, d, iso8583.Kind{Operation: iso8583.SignOn}).Answer("00")
			if err := m.SetWorkingKeys(w); err != nil {
				t.Fatal(err)
			}
			if got, err := m.WorkingKeys(); err != nil || !reflect.DeepEqual(got, w) {
				t.Errorf("%s: %v", d, err)
			}
		}
		m := request(t, d, iso8583.Kind{Operation: iso8583.SignOn}).Answer("00")
		if _, err := m.WorkingKeys(); !errors.Is(err, iso8583.ErrFormat) {
			t.Errorf("%s without keys: %v", d, err)
		}
		if err := m.SetWorkingKeys(keyring.Working{PIN: short, MAC: long}); !errors.Is(err, iso8583.ErrFormat) {
			t.Errorf("%s with a short PIN key: %v", d, err)
		}
	}
	m := iso8583.POS().New("0810")
	m.SetBytes(62, append(append(append([]byte("01234567"), 1, 2, 3, 4), "76543210"...), 5, 6, 7, 8))
	if w, err := m.WorkingKeys(); err != nil || len(w.PIN.Cipher) != 8 || w.MAC.KCV != [4]byte{5, 6, 7, 8} {
		t.Errorf("keys of single length: %v", err)
	}
}

func TestAmounts(t *testing.T) {
	m := iso8583.POS().New("0200")
	for _, n := range []int64{0, 1, 999_999_999_999} {
		if err := m.SetAmount(n); err != nil {
			t.Error(err)
		}
		if got, err := m.AmountMinor(); err != nil || got != n || len(m.Get(4)) != 12 {
			t.Errorf("%d: %d %v", n, got, err)
		}
	}
	for _, n := range []int64{-1, 1_000_000_000_000} {
		if err := m.SetAmount(n); !errors.Is(err, iso8583.ErrAmount) {
			t.Errorf("%d: %v", n, err)
		}
	}
	for _, n := range []int64{0, 12345, -12345} {
		if err := m.SetBalance(n, "156"); err != nil {
			t.Error(err)
		}
		if got, c, err := m.Balance(); err != nil || got != n || c != "156" {
			t.Errorf("%d: %d %s %v", n, got, c, err)
		}
	}
	m.Set(54, "garbage")
	if _, _, err := m.Balance(); !errors.Is(err, iso8583.ErrFormat) {
		t.Error(err)
	}
}

func TestParts(t *testing.T) {
	m := iso8583.POS().New("0200")
	if err := m.SetPart(60, "network", "301"); err != nil {
		t.Fatal(err)
	}
	if got := m.Get(60); got != "00000000301" {
		t.Errorf("parts before it are filled up: %s", got)
	}
	for _, p := range []struct{ key, value, want string }{
		{"batch", "12", "00000012301"}, {"code", "22", "22000012301"}, {"capability", "6", "220000123016"},
	} {
		if err := m.SetPart(60, p.key, p.value); err != nil || m.Get(60) != p.want {
			t.Errorf("%s: %s %v", p.key, m.Get(60), err)
		}
	}
	if m.Part(60, "batch") != "000012" || m.Part(60, "rest") != "" || m.Part(60, "nothing") != "" || m.Part(5, "x") != "" {
		t.Error("parts are read wrongly")
	}
	if err := m.SetPart(60, "batch", "1234567"); !errors.Is(err, iso8583.ErrTooLong) {
		t.Error(err)
	}
	if err := m.SetPart(60, "nothing", "1"); !errors.Is(err, iso8583.ErrFormat) {
		t.Error(err)
	}
	o := iso8583.Original{Batch: "000012", STAN: "000099", Date: "0303"}
	m.SetOriginal(o)
	if m.Original() != o || m.Get(61) != "0000120000990303" {
		t.Errorf("%+v", m.Original())
	}
	n := iso8583.Network().New("0400")
	o = iso8583.Original{MTI: "0200", STAN: "000099", Sent: "0303040512", Date: "0303", Acquirer: "48310000", Forwarder: "1"}
	n.SetOriginal(o)
	if n.Original() != o || len(n.Get(90)) != 42 {
		t.Errorf("%+v", n.Original())
	}
}

func TestEntry(t *testing.T) {
	for mode, want := range map[string]string{"051": "chip true", "052": "chip false", "071": "contactless true", "021": "magstripe true", "012": "manual false",
		"032": "qr false", "801": "magstripe true", "982": "contactless false", "999": " false", "0": " false"} {
		m := iso8583.POS().New("0200")
		m.Set(22, mode)
		if e, pin := m.Entry(); fmt.Sprint(e, " ", pin) != want {
			t.Errorf("%s is %s %v", mode, e, pin)
		}
	}
}

func TestTLV(t *testing.T) {
	list := []iso8583.TLV{{Tag: "9F26", Value: []byte{1, 2}}, {Tag: "82", Value: nil}, {Tag: "72", Value: make([]byte, 200)}, {Tag: "DF8129", Value: make([]byte, 300)}}
	b, err := iso8583.AppendTLV(nil, list...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := iso8583.ParseTLV(b)
	if err != nil || len(got) != len(list) {
		t.Fatalf("%v %v", got, err)
	}
	for i := range got {
		if got[i].Tag != list[i].Tag || string(got[i].Value) != string(list[i].Value) {
			t.Errorf("%v", got[i].Tag)
		}
	}
	m := iso8583.POS().New("0200")
	m.SetBytes(55, b[:7])
	if string(m.Tag("9F26")) != "\x01\x02" || m.Tag("95") != nil {
		t.Error("elements by tag")
	}
	for _, bad := range []string{"9F", "9F26", "9F2605", "9F2605010203", "9F2680", "9F2683000000", "9F8181818101"} {
		if _, err := iso8583.ParseTLV(unhex(t, bad)); !errors.Is(err, iso8583.ErrFormat) {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if _, err := iso8583.AppendTLV(nil, iso8583.TLV{Tag: "9"}); err == nil {
		t.Error("half a tag")
	}
	if got, err := iso8583.ParseTLV([]byte{0, 0, 0x95, 1, 7, 0}); err != nil || len(got) != 1 {
		t.Errorf("filler: %v %v", got, err)
	}
}

// TestDescribe holds descriptions of messages that have everything against golden
// files, in both languages, and looks for what may not be in them.
func TestDescribe(t *testing.T) {
	sale := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Sale})
	sale.Set(iso8583.ExpiryDate, "4912")
	sale.Set(iso8583.Track2, pan+"D49121200123456")
	sale.Set(iso8583.Track3, "99"+pan+"D1561560000")
	sale.Set(iso8583.Track1, "B"+pan+"^MADE UP^4912")
	sale.SetBytes(iso8583.PINData, []byte{0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8})
	sale.Set(iso8583.LocalTime, "120512")
	sale.Set(iso8583.LocalDate, "0303")
	sale.Set(46, "device "+pan+" "+pan+"=49121200123456")
	sale.SetBytes(56, []byte{0xB3, 0xC9, 0xB9, 0xA6}) // 成功 in GBK
	icc, err := iso8583.AppendTLV(nil,
		iso8583.TLV{Tag: "5A", Value: unhex(t, pan+"F")}, iso8583.TLV{Tag: "57", Value: unhex(t, pan+"D49121200123456")}, iso8583.TLV{Tag: "9F26", Value: unhex(t, "0102030405060708")},
		iso8583.TLV{Tag: "9F02", Value: unhex(t, "000000008800")}, iso8583.TLV{Tag: "5F2A", Value: unhex(t, "0156")}, iso8583.TLV{Tag: "DF7E", Value: []byte(pan)}, iso8583.TLV{Tag: "DF7D", Value: unhex(t, pan+"F")})
	if err != nil {
		t.Fatal(err)
	}
	sale.SetBytes(iso8583.ICCData, icc)
	sale.SetBytes(iso8583.MAC, []byte("8F651B26"))

	signOn := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.SignOn}).Answer("00")
	key := keyring.Wrapped{Cipher: []byte("secret key bytes")}
	if err := signOn.SetWorkingKeys(keyring.Working{PIN: key, MAC: key, Track: key}); err != nil {
		t.Fatal(err)
	}
	zone := request(t, iso8583.Network(), iso8583.Kind{Operation: iso8583.SignOn}).Answer("00")
	if err := zone.SetWorkingKeys(keyring.Working{PIN: key, MAC: key}); err != nil {
		t.Fatal(err)
	}
	settlement := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Settlement})
	upload := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Upload})
	upload.Set(iso8583.Currency, "156")
	network := request(t, iso8583.Network(), iso8583.Kind{Operation: iso8583.Refund}).Answer("51")
	if err := network.SetBalance(-1234, "156"); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*iso8583.Message{"sale": sale, "sign_on": signOn, "zone_sign_on": zone, "settlement": settlement, "upload": upload, "network_refund": network} {
		if _, err := m.Encode(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, lang := range []string{"en", "zh"} {
			var b strings.Builder
			enc := json.NewEncoder(&b)
			enc.SetIndent("", " ")
			enc.SetEscapeHTML(false)
			if err := enc.Encode(m.Describe(lang)); err != nil {
				t.Fatal(err)
			}
			got := b.String()
			for _, leak := range []string{pan, pan[6:15], "4000000000000002", "4912120", "F1F2F3", "secret", "736563726574", "\"4912\"", "MADE UP", "36323232303231"} {
				if strings.Contains(got, leak) {
					t.Errorf("%s in %s shows %s", name, lang, leak)
				}
			}
			golden := fmt.Sprintf("testdata/describe/%s.%s.json", name, lang)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(want) != got {
				t.Errorf("%s in %s is described differently; look, then -update", name, lang)
			}
		}
	}
}

// TestWordsInBothLanguages: every field, part and code has its words in both.
func TestWordsInBothLanguages(t *testing.T) {
	for _, d := range iso8583.Dialects() {
		if d.Title.EN == "" || d.Title.ZH == "" || d.Title.In("zh") == d.Title.In("en") && d.Title.EN != d.Title.ZH {
			t.Errorf("%s has no title in both languages", d)
		}
		for n := 2; n <= 128; n++ {
			f := d.Field(n)
			if f == nil {
				continue
			}
			if f.Name.EN == "" || f.Name.ZH == "" {
				t.Errorf("%s field %d has no name in both languages", d, n)
			}
			for _, p := range f.Parts {
				if p.EN == "" || p.ZH == "" {
					t.Errorf("%s field %d %s has no name in both languages", d, n, p.Key)
				}
			}
		}
		for _, o := range operations(d) {
			m, err := d.Build(iso8583.Kind{Operation: o})
			if err != nil {
				t.Fatal(err)
			}
			en, zh := m.Describe("en"), m.Describe("zh")
			if en.OperationMeaning == "" || zh.OperationMeaning == "" || en.MTIMeaning == "" || zh.MTIMeaning == "" {
				t.Errorf("%s %s has no words", d, o)
			}
		}
	}
}
