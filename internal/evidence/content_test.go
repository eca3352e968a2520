package evidence_test

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"
)

// TestContentHash compares with canonical JSON written by hand, by the examples
// and the rules of RFC 8785.
func TestContentHash(t *testing.T) {
	const head, tail = `{"data":`, `,"time":"2026-03-02T10:15:04+08:00","type":"daozhang.%s"}`
	for _, c := range []struct{ typ, data, canonical string }{
		{"acme.x", `{}`, `{}`},
		{"acme.x", `{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}`,
			`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\u000f\nA'B\"\\\\\"/"}`},
		// Names are sorted by their UTF-16 code units.
		{"acme.x", `{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One","\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}`,
			`{"\r":"Carriage Return","1":"One","` + "\u0080" + `":"Control","ö":"Latin Small Letter O With Diaeresis","€":"Euro Sign","😀":"Emoji: Grinning Face","` + "\ufb33" + `":"Hebrew Letter Dalet With Dagesh"}`},
		{"acme.x", `{"ab":1,"a":{"d":[{"z":1,"y":2}],"c":[]},"b":{}}`, `{"a":{"c":[],"d":[{"y":2,"z":1}]},"ab":1,"b":{}}`},
		// Numbers as ECMAScript writes them.
		{"acme.x", `{"n":[0,-0,-0.0,5e-324,-5e-324,1.7976931348623157e308,9007199254740992,-9007199254740992,295147905179352830000,9.999999999999997e22,1e23,1.0000000000000001e23,999999999999999700000,999999999999999900000,1e21,9.999999999999997e-7,0.000001,333333333.3333332,333333333.33333325,1e-7,123e-20,10e20,1.10]}`,
			`{"n":[0,0,0,5e-324,-5e-324,1.7976931348623157e+308,9007199254740992,-9007199254740992,295147905179352830000,9.999999999999997e+22,1e+23,1.0000000000000001e+23,999999999999999700000,999999999999999900000,1e+21,9.999999999999997e-7,0.000001,333333333.3333332,333333333.33333325,1e-7,1.23e-18,1e+21,1.1]}`},
		// The fields of the contract, with the values as they were given.
		{"terminal.transaction", `{"tid":"T1","stan":"123","result":"approved","response_code":"00","mid":"","kind":"sale","currency":"CNY","amount":12800,"printed":false,"a":1.0}`,
			`{"a":1,"amount":12800,"currency":"CNY","kind":"sale","mid":"","printed":false,"response_code":"00","result":"approved","stan":"123","tid":"T1"}`},
		{"link.status", `{"state":"up","link":"platform","latency_ms":80.50,"error_rate":1e-2}`, `{"error_rate":0.01,"latency_ms":80.5,"link":"platform","state":"up"}`},
		// Card numbers are masked before.
		{"bank.entry", `{"account":"4111111111111111","amount":1,"currency":"CNY","direction":"credit","references":[]}`,
			`{"account":"411111******1111","amount":1,"currency":"CNY","direction":"credit","references":[]}`},
	} {
		got := readText(t, event(c.typ, c.data))
		if len(got.facts) != 1 {
			t.Errorf("%s: %q", c.data, got.rejected)
			continue
		}
		canonical := head + c.canonical + fmt.Sprintf(tail, c.typ)
		if got.ContentHash(got.facts[0]) != sha256.Sum256([]byte(canonical)) {
			t.Errorf("%s is not hashed as\n%s", c.data, canonical)
		}
	}
}

// TestContentIsTypeTimeAndData changes what is no content, and what is.
func TestContentIsTypeTimeAndData(t *testing.T) {
	const one = `{"specversion":"1.0","id":"1","source":"s","type":"daozhang.link.status","time":"2026-03-02T10:15:04+08:00","data":{"link":"platform","state":"up"}}`
	hash := func(in string) [32]byte {
		got := readText(t, in)
		if len(got.facts) != 1 {
			t.Fatalf("%s: %q", in, got.rejected)
		}
		return got.ContentHash(got.facts[0])
	}
	for in, same := range map[string]bool{
		strings.Replace(one, `"id":"1"`, `"id":"2","subject":"x","recordedtime":"2026-03-02T10:16:00+08:00"`, 1): true,
		strings.Replace(one, `"link":"platform","state":"up"`, ` "state" : "u\u0070" , "link" : "platform" `, 1): true,
		strings.Replace(one, "daozhang.link", "link", 1):                                                         true,
		strings.Replace(one, "up", "down", 1):                                                                    false,
		strings.Replace(one, `"up"`, `"up","x":""`, 1):                                                           false,
		strings.Replace(one, "10:15:04+08:00", "02:15:04Z", 1):                                                   false,
		strings.Replace(one, "04+08", "04.0+08", 1):                                                              false,
	} {
		if (hash(in) == hash(one)) != same {
			t.Errorf("%s: same content %v, want %v", in, !same, same)
		}
	}
}
