package iso8583

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	lib "github.com/moov-io/iso8583"
	libenc "github.com/moov-io/iso8583/encoding"
	"github.com/moov-io/iso8583/field"
	"github.com/moov-io/iso8583/prefix"
)

// The field's library for ISO 8583 in Go is the reference: what both can read has
// to be read alike, and how fast is measured against it.

// librarySpec gives a dialect as the library wants it. Tracks are left out: in BCD
// the library refuses their separator.
func librarySpec(d *Dialect) *lib.MessageSpec {
	str := func(n int, enc libenc.Encoder, pref prefix.Prefixer) field.Field {
		return field.NewString(&field.Spec{Length: n, Enc: enc, Pref: pref})
	}
	s := &lib.MessageSpec{Name: d.Name, Fields: map[int]field.Field{}}
	prefixes := prefix.ASCII
	if d.mtiAs == asBCD {
		prefixes = prefix.BCD
		s.Fields[0] = str(4, libenc.BCD, prefix.BCD.Fixed)
	} else {
		s.Fields[0] = str(4, libenc.ASCII, prefix.ASCII.Fixed)
	}
	if d.bitmapAs == asBinary {
		s.Fields[1] = field.NewBitmap(&field.Spec{Length: 8, Enc: libenc.Binary, Pref: prefix.Hex.Fixed})
	} else {
		s.Fields[1] = field.NewBitmap(&field.Spec{Length: 8, Enc: libenc.BytesToASCIIHex, Pref: prefix.Hex.Fixed})
	}
	for n, f := range d.fields {
		if f == nil || f.class == classZ {
			continue
		}
		pref := prefixes.Fixed
		switch f.prefix {
		case 2:
			pref = prefixes.LL
		case 3:
			pref = prefixes.LLL
		}
		switch {
		case f.class == classB && f.as == asHex:
			s.Fields[n] = field.NewBinary(&field.Spec{Length: f.max, Enc: libenc.BytesToASCIIHex, Pref: prefix.ASCII.Fixed})
		case f.class == classB:
			if f.prefix == 0 {
				pref = prefix.Binary.Fixed
			}
			s.Fields[n] = field.NewBinary(&field.Spec{Length: f.max, Enc: libenc.Binary, Pref: pref})
		case f.as == asBCD && f.max%2 == 1 && f.prefix == 0 && f.left:
			s.Fields[n] = str(f.max, libenc.BCD, pref)
		case f.as == asBCD && (f.max%2 == 1 || f.prefix > 0):
			s.Fields[n] = str(f.max, libenc.LBCD, pref)
		case f.as == asBCD:
			s.Fields[n] = str(f.max, libenc.BCD, pref)
		default:
			s.Fields[n] = str(f.max, libenc.ASCII, pref)
		}
	}
	return s
}

// goldenMessages gives the messages of testdata/operations.txt of a dialect.
func goldenMessages(t testing.TB, d *Dialect) [][]byte {
	t.Helper()
	raw, err := os.ReadFile("testdata/operations.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all [][]byte
	for line := range strings.Lines(string(raw)) {
		words := strings.Fields(line)
		if words[0] != d.Name {
			continue
		}
		b, err := hex.DecodeString(words[len(words)-1])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}

// TestLibraryAgrees: the library reads the same values out of every message that
// has no tracks, and writes the same bytes.
func TestLibraryAgrees(t *testing.T) {
	for _, d := range []*Dialect{POS(), Network()} {
		spec := librarySpec(d)
		all := append(goldenMessages(t, d), typicalSale(t, d))
		for i, b := range all {
			m, err := d.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			l := lib.NewMessage(spec)
			if err := l.Unpack(b[d.headerSize:]); err != nil {
				t.Fatalf("%s message %d: the library: %v", d, i, err)
			}
			for f := range m.Fields() {
				got, err := l.GetBytes(f)
				if err != nil || string(got) != m.Get(f) {
					t.Errorf("%s message %d field %d: the library reads %q, we %q (%v)", d, i, f, got, m.Get(f), err)
				}
			}
			back, err := l.Pack()
			ours, err2 := m.Encode()
			if err != nil || err2 != nil || string(back) != string(ours[d.headerSize:]) {
				t.Errorf("%s message %d is written differently: %v, %v", d, i, err, err2)
			}
		}
	}
}

// typicalSale is a sale by chip with PIN and MAC, twenty fields.
func typicalSale(t testing.TB, d *Dialect) []byte {
	t.Helper()
	m, err := d.Build(Kind{Operation: Sale})
	if err != nil {
		t.Fatal(err)
	}
	for f, v := range map[int]string{
		PAN: "6222021234567890128", Amount: "000000008800", STAN: "000107", LocalTime: "120512", LocalDate: "0303", EntryMode: "051",
		CardSequence: "001", PINCaptureCode: "12", RRN: "606312000107", TID: "10000001", MID: "898310058120001", Currency: "156",
		PINData: "\x12\x34\x56\x78\x9A\xBC\xDE\xF0", SecurityControl: "2600000000000000", MAC: "8F651B26",
		ICCData: "\x9F\x26\x08\x95\xBB\xE3\x72\x27\x1D\xDA\x7C\x9F\x27\x01\x80\x9F\x10\x13\x07\x01\x01\x03\xA0\x00\x00\x01\x0A\x01\x00\x00\x00\x00\x00\xED\x53\x8F\xE4\x9F\x37\x04\x7F\x9F\x34\x9E\x9F\x36\x02\x01\x57\x95\x05\x00\x00\x00\x00\x00\x9A\x03\x26\x03\x03\x9C\x01\x00\x9F\x02\x06\x00\x00\x00\x00\x88\x00\x5F\x2A\x02\x01\x56\x82\x02\x7C\x00\x9F\x1A\x02\x01\x56",
	} {
		m.Set(f, v)
	}
	if d.Field(TransmissionTime) != nil && d.Name != "unionpay-pos" {
		m.Set(TransmissionTime, "0303040512")
		if err := m.SetUUID("0198c0de-7a11-7000-8000-fedcba987654"); err != nil {
			t.Fatal(err)
		}
	} else if err := m.SetBatch("000012"); err != nil {
		t.Fatal(err)
	}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// BenchmarkMessage decodes and encodes a typical sale, by our walk of the bytes and
// by the library alone, in turn; vs-library is the ratio of the two in this run,
// which is required to be at most 1.3.
func BenchmarkMessage(b *testing.B) {
	for _, d := range []*Dialect{POS(), Network()} {
		wire := typicalSale(b, d)
		spec := librarySpec(d)
		ours := func() {
			m, err := d.Decode(wire)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := m.Encode(); err != nil {
				b.Fatal(err)
			}
		}
		library := func() {
			m := lib.NewMessage(spec)
			if err := m.Unpack(wire[d.headerSize:]); err != nil {
				b.Fatal(err)
			}
			if _, err := m.Pack(); err != nil {
				b.Fatal(err)
			}
		}
		b.Run(fmt.Sprint(d, "/ours"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ours()
			}
		})
		b.Run(fmt.Sprint(d, "/library"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				library()
			}
		})
		b.Run(fmt.Sprint(d, "/ratio"), func(b *testing.B) {
			var we, they time.Duration
			for b.Loop() {
				const batch = 100
				start := time.Now()
				for range batch {
					ours()
				}
				middle := time.Now()
				for range batch {
					library()
				}
				we, they = we+middle.Sub(start), they+time.Since(middle)
			}
			b.ReportMetric(float64(we)/float64(they), "vs-library")
			b.ReportMetric(0, "ns/op")
		})
	}
}
