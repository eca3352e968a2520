package evidence_test

import (
	"strings"
	"testing"

	"daozhang/internal/evidence"
)

func TestSmoke(t *testing.T) {
	in := `{"specversion":"1.0","id":"9f1c","source":"terminal/T1000001","type":"daozhang.terminal.transaction","time":"2026-03-02T10:15:04+08:00", "data":{"mid":"898310058120001","tid":"T1000001","batch":"000012","stan":"123","kind":"sale","amount":12800,"currency":"CNY","result":"approved","response_code":"00","x\u0001":{"b":[1, 2.50,"a\u4e2d"],"a":null}}}
{"data":{"references":["a","b"],"account":"6222021234567890128 x 4111111111111111","amount":1,"currency":"CNY","direction":"credit","status":"booked"},"specversion":"1.0","id":"9f1c2","source":"terminal/T1000001","type":"daozhang.bank.entry","time":"2026-03-02T10:15:04.5Z","subject":"x"}
{"specversion":"1.0","id":"9f1c3","source":"s","type":"acme.foo","time":"2026-03-02T10:15:04Z","data":{"amount":"x","pan":"622202******1234"}}
`
	set := evidence.NewSet()
	err := evidence.ReadNDJSON(strings.NewReader(in), set.Writer(set.AddFile("x")), func(line int, why string) { t.Error(line, why) })
	if err != nil {
		t.Fatal(err)
	}
	set.Unify()
	for r := range set.All {
		t.Log(string(set.AppendJSON(nil, r)))
		t.Logf("%x", set.ContentHash(r))
	}
}
