package iso8583_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"daozhang/internal/iso8583"
)

// TestLocation: where a terminal stands is read out of fields 59 and 62 as
// terminals write them, among elements of other meaning, and of what is neither
// coordinates nor a cell nothing is made.
func TestLocation(t *testing.T) {
	cell, err := hex.DecodeString("FF0103616263" + "FF0221" + hex.EncodeToString([]byte("460|00|28688|43222849")))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ f59, f62, want string }{
		"none":                  {"", "", ""},
		"a grid and others":     {"1203abc1722BD30.621555,114.361954A2060102020216", "", "30.621555,114.361954"},
		"with signs":            {"1720+32.10520/+118.80593", "", "32.10520,118.80593"},
		"a cell":                {"", string(cell), "460-00-28688-43222849"},
		"both":                  {"172031.230416,121.473701", string(cell), "31.230416,121.473701"},
		"the field is cut off":  {"172231.230416", "", ""},
		"another element":       {"122031.230416,121.473701", "", ""},
		"no degrees":            {"172091.230416,121.473701", "", ""},
		"words":                 {"1704here", "", ""},
		"no cell":               {"", "\xff\x02\x07a|b|c|d", ""},
		"a length that is none": {"", "\xff\x02\xffabc", ""},
	} {
		m := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Sale})
		if c.f59 != "" {
			m.Set(59, c.f59)
		}
		if c.f62 != "" {
			m.Set(62, c.f62)
		}
		if got := m.Location(); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for _, at := range []string{"31.230416,121.473701", "-33.9,151.2", "460-00-28688-43222849"} {
		m := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Sale})
		if err := m.SetLocation(at); err != nil {
			t.Fatal(err)
		}
		raw, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		back, err := iso8583.POS().Decode(raw)
		if err != nil || back.Location() != at {
			t.Errorf("%s comes back as %q, %v", at, back.Location(), err)
		}
	}
	for _, bad := range []string{"", "here", "95,10", "460-00", strings.Repeat("1", 200) + "-1-1-1"} {
		if err := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Sale}).SetLocation(bad); err == nil {
			t.Errorf("%q is taken for a place", bad)
		}
	}
}

// TestOrderID: a till's reference passes; remarks and ciphers in the same field are
// not taken for one.
func TestOrderID(t *testing.T) {
	m := request(t, iso8583.POS(), iso8583.Kind{Operation: iso8583.Sale})
	if err := m.SetOrderID("TAB-7/2026.03"); err != nil || m.OrderID() != "TAB-7/2026.03" {
		t.Errorf("%q %v", m.OrderID(), err)
	}
	for _, other := range []string{"", "01 ", "SM016\xcd\xc4\x89", "01 two words", "01 " + strings.Repeat("x", 41)} {
		m.Set(63, other)
		if got := m.OrderID(); got != "" {
			t.Errorf("%q gives order %q", other, got)
		}
	}
}
