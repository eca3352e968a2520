package iso8583_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"daozhang/internal/fault"
	"daozhang/internal/iso8583"
)

const small = `
name: small
title: {en: Small, zh: 小}
frame: length2
mti: ascii
bitmap: hex
prefix: ascii
fields:
  3: {format: n6, as: ascii, en: Code, zh: 码}
  60: {format: n..20, as: ascii, en: Own, zh: 自, parts: [{key: code, length: 2, en: Code, zh: 码}, {key: rest, length: 0, en: Rest, zh: 余}]}
roles: {code: 60.code}
operations:
  - {operation: sale, request: "0200", response: "0210", processing: "000000", code: "22"}
`

func loadOne(texts ...string) ([]*iso8583.Dialect, error) {
	files := fstest.MapFS{}
	for i, t := range texts {
		files["d/"+string(rune('a'+i))+".yaml"] = &fstest.MapFile{Data: []byte(t)}
	}
	return iso8583.LoadDialects(files, "d")
}

// TestDialectOfOnesOwn: a dialect is a file; another may extend it.
func TestDialectOfOnesOwn(t *testing.T) {
	all, err := loadOne(small, "name: more\nextends: small\ntitle: {en: More, zh: 多}\nmti: bcd\nfields:\n  3: {as: bcd}\n  4: {format: n12, as: ascii, en: A, zh: 额}\n")
	if err != nil || len(all) != 2 {
		t.Fatal(err)
	}
	for i, want := range []string{"02002000000000000010" + "000000" + "0222", "\x02\x00" + "2000000000000010" + "\x00\x00\x00" + "0222"} {
		m, err := all[i].Build(iso8583.Kind{Operation: iso8583.Sale})
		if err != nil {
			t.Fatal(err)
		}
		wire, err := m.Encode()
		if err != nil || string(wire) != want {
			t.Errorf("%q %v", wire, err)
		}
	}
	if all[0].Field(4) != nil || all[1].Field(4) == nil || all[1].Field(3).Name.In("zh") != "码" || all[0].Field(200) != nil {
		t.Error("fields")
	}
}

// TestDialectMistakes: each is told with the file and what is wrong in it.
func TestDialectMistakes(t *testing.T) {
	for _, tc := range []struct{ old, new, want string }{
		{"name: small", "nome: small", "nome"},
		{"name: small", "name: ''", "no name"},
		{"frame: length2", "frame: smoke", "smoke"},
		{"mti: ascii", "mti: hex", "mti"},
		{"bitmap: hex", "bitmap: bcd", "bitmap"},
		{"prefix: ascii", "prefix: roman", "roman"},
		{"prefix: ascii", "prefix: ascii\nmac: crc", "crc"},
		{"prefix: ascii", "prefix: ascii\nextends: nothing", "nothing"},
		{"prefix: ascii", "prefix: ascii\nheader: [{key: h, length: 2, default: '00'}]", "header h"},
		{"format: n6", "format: q6", "q6"},
		{"format: n6", "format: n", "cannot be understood"},
		{"format: n6", "format: n.6", "cannot be understood"},
		{"format: n6", "format: n.....6", "cannot be understood"},
		{"format: n6", "format: b12", "binary or hex"},
		{"format: n6, as: ascii", "format: b12, as: hex", "in bits"},
		{"format: n6, as: ascii", "format: an6, as: bcd", "only digits"},
		{"format: n6, as: ascii", "format: n6, as: hex", "only bytes"},
		{"format: n6", "hide: maybe, format: n6", "maybe"},
		{"3: {", "130: {", "no such field"},
		{"60.code}", "60.nothing}", "nothing"},
		{"60.code}", "61.code}", "61"},
		{"length: 2, en", "length: 0, en", "only the last"},
		{"operation: sale", "operation: steal", "steal"},
		{`request: "0200"`, `request: "200"`, "four digits"},
		{"operations:", "required: {steal: [3]}\noperations:", "steal"},
		{"operations:", "operations:\n  - {operation: refund, request: \"0200\", response: \"0210\", processing: \"000000\", code: \"22\"}", "same codes"},
	} {
		_, err := loadOne(strings.Replace(small, tc.old, tc.new, 1))
		if err == nil || fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "d/a.yaml") {
			t.Errorf("%s: %v", tc.new, err)
		}
	}
}

func TestSecurityControl(t *testing.T) {
	m := iso8583.POS().New("0200")
	for _, encrypted := range []bool{true, false} {
		if err := m.SetSecurity(encrypted); err != nil || m.TrackEncrypted() != encrypted || len(m.Get(53)) != 16 {
			t.Errorf("%s %v", m.Get(53), err)
		}
	}
	if m.Get(53) != "2600000000000000" {
		t.Errorf("%s", m.Get(53))
	}
}
