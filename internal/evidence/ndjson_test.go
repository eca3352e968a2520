package evidence_test

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"daozhang/internal/card"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
)

// result is what reading an input gave.
type result struct {
	*evidence.Set
	facts    []evidence.FactRef
	rejected []string // "line: why"
}

func readAll(t testing.TB, in io.Reader) result {
	t.Helper()
	set := evidence.NewSet()
	got := result{Set: set}
	err := evidence.ReadNDJSON(in, set.Writer(set.AddFile("-")), func(line int, why fault.Text) {
		got.rejected = append(got.rejected, fmt.Sprintf("%d: %s", line, why))
	})
	if err != nil {
		t.Fatal(err)
	}
	set.Unify()
	for r := range set.All {
		got.facts = append(got.facts, r)
	}
	return got
}

func readText(t testing.TB, in string) result { return readAll(t, strings.NewReader(in)) }

// event wraps data as an event of a type.
func event(typ, data string) string {
	return `{"specversion":"1.0","id":"1","source":"s","type":"daozhang.` + typ + `","time":"2026-03-02T10:15:04+08:00","data":` + data + `}`
}

func TestRefusals(t *testing.T) {
	sale := func(field string) string {
		return event("terminal.transaction", `{"kind":"sale","currency":"CNY",`+field+`}`)
	}
	entry := func(field string) string {
		return event("bank.entry", `{"account":"6789","currency":"CNY","direction":"credit",`+field+`}`)
	}
	terms := func(field string) string { return event("merchant.terms", `{"mid":"m",`+field+`}`) }
	for _, c := range []struct{ in, why string }{
		// Amounts and counts.
		{sale(`"amount":12.50`), "amount: must be an integer in minor units"},
		{sale(`"amount":1e2`), "amount: must be an integer in minor units"},
		{sale(`"amount":"128"`), "amount: must be an integer in minor units"},
		{sale(`"amount":[1]`), "amount: must be an integer in minor units"},
		{sale(`"amount":true`), "amount: must be an integer in minor units"},
		{sale(`"amount":9223372036854775808`), "amount: must be an integer in minor units within 64 bits"},
		{sale(`"amount":123456789012345678901234567890`), "amount: must be an integer in minor units within 64 bits"},
		{sale(`"amount":-1`), "amount: is never negative; the sign is in kind or direction"},
		{sale(`"amount":012`), "not valid JSON at byte 167: a number is malformed (a leading zero?)"},
		{sale(`"amount":null`), "amount: is null; leave out what is not known"},
		{event("terminal.transaction", `{"kind":"sale","amount":1}`), "currency: missing beside an amount"},
		{event("settlement.file", `{"date":"2026-03-02","count":-1}`), "count: is never negative; the sign is in kind or direction"},
		{event("settlement.file", `{"date":"2026-03-02","count":1.0}`), "count: must be a whole number"},
		// Words, dates, lists.
		{sale(`"currency2":1,"mid":12`), "mid: must be a string"},
		{event("sale.order", `{"amount":1,"currency":"RMB"}`), "currency: not an ISO 4217 currency code"},
		{event("sale.order", `{"amount":1,"currency":"cny"}`), "currency: not an ISO 4217 currency code"},
		{sale(`"response_code":0`), "response_code: must be a string"},
		{sale(`"printed":"yes"`), "printed: must be true or false"},
		{sale(`"printed":1`), "printed: must be true or false"},
		{sale(`"entry":"laser"`), "entry: must be one of chip, contactless, magstripe, manual, qr"},
		{sale(`"result":""`), "result: is empty; leave out what is not known"},
		{event("terminal.transaction", `{"kind":"gift"}`), "kind: must be one of sale, void, refund, preauth, completion, reversal, fee, chargeback, adjustment, reserve, reserve_release, payout"},
		{event("payout.status", `{"payout":"P","state":"gone"}`), "state: must be one of created, sent, accepted, credited, rejected, returned, held"},
		{entry(`"amount":1,"booking_date":"2026-02-30"`), "booking_date: not a date such as 2026-03-02"},
		{entry(`"amount":1,"booking_date":"2099-02-03"`), "booking_date: the year must lie between 1980 and 2079"},
		{entry(`"amount":1,"booking_date":"0000-01-01"`), "booking_date: not a date such as 2026-03-02"},
		{entry(`"amount":1,"booking_date":20260302`), "booking_date: must be a string"},
		{entry(`"amount":1,"references":"P1"`), "references: must be a list of strings"},
		{entry(`"amount":1,"references":["P1",2]`), "references[2]: must be a string"},
		{entry(`"amount":1,"references":[null]`), "references[1]: must be a string"},
		{sale(`"transaction_time":"2026-03-02 10:00"`), "transaction_time: not an RFC 3339 time with an offset, such as 2026-03-02T10:15:04+08:00"},
		{event("link.status", `{"link":"platform","state":"up","latency_ms":"80"}`), "latency_ms: must be a number"},
		{event("link.status", `{"link":"platform","state":"up","error_rate":1e999}`), "error_rate: not a number"},
		// Terms, of which a slip would move every due date and fee.
		{terms(`"cycle":"T+1"`), "cycle: must be T and a number of business days, or D and a number of calendar days, such as T1 or D0"},
		{terms(`"cutoff":"25:00"`), "cutoff: must be a time of day such as 23:00"},
		{terms(`"timezone":"Asia/Atlantis"`), "timezone: not a time zone; write an IANA name such as Asia/Shanghai, or an offset such as +08:00"},
		{terms(`"capture":"hosts"`), "capture: must be one of host, terminal"},
		{terms(`"fee_mode":"gross"`), "fee_mode: must be one of net, invoiced, passthrough"},
		{terms(`"fees":{"bps":38}`), `fees: must be a list of rules such as {"bps":38,"cap":1800,"card_type":"debit"}`},
		{terms(`"fees":[{"bps":"0.38%"}]`), "fees[1].bps: must be a number of basis points, such as 38"},
		{terms(`"fees":[{"bps":38},{"cap":18.00}]`), "fees[2].cap: must be an integer in minor units, not negative"},
		{terms(`"fees":[{"bps":38,"card_type":"gold"}]`), "fees[1].card_type: must be one of debit, credit, prepaid"},
		{terms(`"fees":[38]`), "fees[1]: must be an object with bps, fixed, cap, card_type, network"},
		// What a fact cannot be without.
		{event("bank.entry", `{"amount":1,"currency":"CNY","direction":"credit"}`), "account: missing in bank.entry"},
		{event("bank.entry", `{"account":"1","currency":"CNY","direction":"up","amount":1}`), "direction: must be one of credit, debit"},
		{event("coverage", `{"of":"gateway","from":"2026-03-02"}`), "to: missing in coverage"},
		{event("settlement.line", `{"mid":"m","currency":"CNY"}`), "gross or net or amount: missing in settlement.line"},
		// The envelope.
		{`{"id":"1"}`, "specversion: missing; an event of CloudEvents 1.0 is expected"},
		{`{"specversion":"0.3","id":"1"}`, "specversion: must be 1.0"},
		{`{"specversion":1.0}`, "specversion: must be a string"},
		{`{"specversion":"1.0","source":"s","type":"t","time":"2026-03-02T10:15:04Z","data":{}}`, "id: missing"},
		{`{"specversion":"1.0","id":null,"source":"s","type":"t","time":"2026-03-02T10:15:04Z","data":{}}`, "id: missing"},
		{`{"specversion":"1.0","id":7,"source":"s","type":"t","time":"2026-03-02T10:15:04Z","data":{}}`, "id: must be a string"},
		{`{"specversion":"1.0","id":"","source":"s","type":"t","time":"2026-03-02T10:15:04Z","data":{}}`, "id: is empty"},
		{`{"specversion":"1.0","id":"1","type":"t","time":"2026-03-02T10:15:04Z","data":{}}`, "source: missing"},
		{`{"specversion":"1.0","id":"1","source":"s","time":"2026-03-02T10:15:04Z","data":{}}`, "type: missing"},
		{`{"specversion":"1.0","id":"1","source":"s","type":"t","data":{}}`, "time: missing"},
		{`{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2026-03-02T10:15:04Z"}`, "data: missing"},
		{`{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2026-03-02T10:15:04Z","data":null}`, "data: missing"},
		{`{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2026-03-02T10:15:04Z","data":[]}`, "data: must be an object"},
		{`{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2026-03-02T10:15:04Z","data_base64":"e30="}`, "data_base64: binary data is not evidence; give the fields in data"},
		{`{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2026-03-02T10:15:04","data":{}}`, "time: not an RFC 3339 time with an offset, such as 2026-03-02T10:15:04+08:00"},
		{`{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2099-03-02T10:15:04Z","data":{}}`, "time: the year must lie between 1980 and 2079"},
		{`{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2026-03-02T10:15:04Z","recordedtime":"soon","data":{}}`, "recordedtime: not an RFC 3339 time with an offset, such as 2026-03-02T10:15:04+08:00"},
		{`{"specversion":"1.0","id":"1","id":"2"}`, "id: given twice"},
		{`{"subject":"a","subject":"b"}`, "subject: given twice"},
		// JSON itself.
		{sale(`"amount":1,"amount":2`), "amount: given twice"},
		{sale(`"amount":1,"\u0061mount":2`), "amount: given twice"},
		{sale(`"x":1,"x":2`), "x: given twice"},
		{sale(`"x":{"y":1,"y":2}`), "y: given twice in one object"},
		{`"x"`, "not an event: a line holds one JSON object, {…}"},
		{`hello`, "not an event: a line holds one JSON object, {…}"},
		{`{"specversion":"1.0",}`, "not valid JSON at byte 22: a name in double quotes is expected"},
		{`{"specversion":"1.0" "id":"1"}`, "not valid JSON at byte 22: a comma or } is expected"},
		{`{"specversion" "1.0"}`, "not valid JSON at byte 16: a colon is expected after the name"},
		{event("notice", `{"what":"policy"}`) + `}`, "not valid JSON at byte 129: more follows the object; a line holds one event"},
		{event("notice", `{"what":"policy"}`)[:100], "not valid JSON at byte 101: the text ends in the middle; a string is not closed, or holds a control character that is not escaped"},
		{sale(`"x":"a` + "\t" + `b"`), "not valid JSON at byte 163: a string is not closed, or holds a control character that is not escaped"},
		{sale(`"x":"\ud800"`), "not valid JSON at byte 168: half of a surrogate pair stands alone"},
		{sale(`"x":"\q"`), "not valid JSON at byte 162: an unknown escape in a string"},
		{sale(`"x":"\u12g4"`), "not valid JSON at byte 162: \\u needs four hexadecimal digits"},
		{sale(`"x":tru`), "not valid JSON at byte 161: a value is expected: string, number, true, false, object or array"},
		{sale(`"x":01`), "not valid JSON at byte 162: a number is malformed (a leading zero?)"},
		{sale(`"x":1.`), "not valid JSON at byte 163: a digit is expected after the decimal point"},
		{sale("\"x\":\"\xff\""), "not valid UTF-8; save the input as UTF-8"},
		{sale("\"operator\":\"\xc3(\""), "not valid UTF-8; save the input as UTF-8"},
		{sale(`"x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100)), "nested more than 64 levels deep"},
		// Card data.
		{sale(`"pan":"6222021234561234"`), "pan: must be the first six digits, stars and the last four; the full number is never accepted"},
		{sale(`"pan":6222021234561234`), "pan: must be the first six digits, stars and the last four; the full number is never accepted"},
		{sale(`"pan":"****1234"`), "pan: must be the first six digits, stars and the last four; the full number is never accepted"},
		{sale(`"cvv":"123"`), "cvv: card data that must not be stored (track, card verification value or PIN); remove the field at its source"},
		{sale(`"emv":{"tags":[{"Track-2 Equivalent Data":"…"}]}`), "Track-2 Equivalent Data: card data that must not be stored (track, card verification value or PIN); remove the field at its source"},
		{event("acme.new", `{"deep":{"pan":"6222021234561234"}}`), "pan: must be the first six digits, stars and the last four; the full number is never accepted"},
		{`{"pinblock":"0","specversion":"1.0"}`, "pinblock: card data that must not be stored (track, card verification value or PIN); remove the field at its source"},
	} {
		got := readText(t, c.in+"\n")
		if want := "1: " + c.why; len(got.rejected) != 1 || got.rejected[0] != want {
			t.Errorf("%s\n got %q\nwant %q", c.in, got.rejected, want)
		}
		if len(got.facts) != 0 {
			t.Errorf("%s: kept", c.in)
		}
	}
}

// TestExport reads events and compares what is written for them.
func TestExport(t *testing.T) {
	same := []string{
		event("merchant.terms", `{"mid":"898310058120001","account":"****6789","bank":"ICBC","name":"花店","mcc":"5992","valid_from":"2026-01-01","cycle":"T1","cutoff":"23:00","timezone":"Asia/Shanghai","calendar":"CN","capture":"terminal","payout_by":"18:00","t0_minutes":30,"credit_days":0,"fees":[{"bps":38.5,"cap":1800,"card_type":"debit"},{"bps":60}],"fee_mode":"net","minimum_payout":100,"preauth_days":30}`),
		event("calendar.holiday", `{"what":"workday","date":"2026-10-10","calendar":"CN"}`),
		event("sale.order", `{"mid":"m","order_id":"O-1","amount":12800,"currency":"CNY"}`),
		event("terminal.transaction", `{"mid":"m","tid":"T1","batch":"000012","stan":"000123","rrn":"606100000001","auth_code":"A1B2C3","ref":"r","pan":"622202******1234","network":"UnionPay","issuer":"ICBC","card_type":"debit","amount":12800,"currency":"CNY","kind":"sale","entry":"chip","cvm":"pin","result":"approved","response_code":"00","operator":"01","printed":false}`),
		event("terminal.health", `{"tid":"T1","component":"printer","detail":"head","state":"failed"}`),
		event("terminal.software", `{"tid":"T1","version":"3.1.4","pending":3,"what":"sync_lag"}`),
		event("terminal.batch", `{"mid":"m","tid":"T1","batch":"000012","currency":"CNY","what":"closed","count":2,"total":-5}`),
		event("operator.action", `{"tid":"T1","operator":"02","prompt":"settle_batch","what":"prompt_ignored"}`),
		event("gateway.reversal", `{"mid":"m","state":"queued"}`),
		event("gateway.error", `{"response_code":"X","detail":"mac","link":"platform-network/UnionPay"}`),
		event("clearing.line", `{"rrn":"606100000001","amount":1,"currency":"CNY","kind":"refund","original_stan":"000001","original_rrn":"606099999999","clearing_date":"2026-03-02","transaction_time":"2026-03-02T09:00:00+08:00"}`),
		event("clearing.line", `{"rrn":"606100000001","amount":1,"currency":"CNY","kind":"refund","clearing_date":"2026-03-02","transaction_time":"2026-03-02T01:00:00Z"}`),
		event("settlement.line", `{"amount":128,"currency":"USD","payout":"P20260303-1","kind":"fee","settlement_date":"2026-03-03","gross":12800,"fee":-49,"net":-12751,"net_currency":"CNY","rate":7.10}`),
		event("settlement.file", `{"currency":"CNY","date":"2026-03-03","count":1207,"total":-9223372036854775808}`),
		event("payout.status", `{"currency":"CNY","payout":"P2","state":"returned","by":"platform","reason":"AC04","replaces":"P1"}`),
		event("bank.entry", `{"amount":0,"currency":"JPY","account":"JP 12","status":"pending","direction":"debit","entry_ref":"e\"1","booking_date":"2026-03-03","value_date":"2026-03-04","text":"a\\b\n\u0001é😀","references":["P1",""]}`),
		event("bank.statement", `{"account":"1","from":"2026-03-03","to":"2026-03-04T00:00:00Z","opening":-5,"closing":0}`),
		event("coverage", `{"from":"2026-03-02T00:00:00+08:00","to":"2026-03-03T00:00:00.5+08:00","of":"gateway"}`),
		event("link.status", `{"state":"degraded","link":"network-issuer/ICBC","latency_ms":4000.5,"error_rate":1E-2}`),
		event("notice", `{"what":"maintenance","from":"2026-03-02","to":"2026-03-03","notice":"N1","issuer":"bank/ICBC","affects":["payout","platform-bank/ICBC"],"title":"升级"}`),
		event("limit.policy", `{"kind":"payout","scope":"bank/ICBC","max_amount":5000000,"daily_amount":1,"daily_count":2}`),
		event("risk.decision", `{"mid":"m","action":"hold","rule":"velocity","score":0.7300}`),
		event("case.opened", `{"what":"complaint","case":"C1"}`),
		// What the contract does not name is kept.
		event("account.status", `{"mid":"m","kind":"sale","what":"policy","state":"frozen","reason":"judicial","x":null,"":[1.50,{"b":true,"a":"ü"}],"amount_paid":{}}`),
		event("acme.unknown", `{"stan":"123","amount":"12.50","nested":[[]],"pan":"622202******1234"}`),
		strings.Replace(event("acme.unknown", `{}`), `"daozhang.`, `"\"com.`, 1),
		// Values that say nothing, or are written in another way than usual.
		event("sale.order", `{"mid":"","stan":"123","ref":"","amount":1,"currency":"CNY","original_stan":"7","text":"","references":[]}`),
		`{"specversion":"1.0","id":"1","source":"s","type":"daozhang.notice","time":"2026-03-02t10:15:04.120z","recordedtime":"2026-03-02T10:15:04Z","data":{"what":"policy"}}`,
		`{"specversion":"1.0","id":"1","source":"s","type":"daozhang.notice","time":"2026-03-02T10:15:04-00:00","recordedtime":"2026-03-02T10:15:05-03:30","data":{"what":"policy"}}`,
		`{"specversion":"1.0","id":"1","source":"s","type":"daozhang.notice","time":"2026-03-02T10:15:04Z","recordedtime":"2026-03-02T10:00:00Z","data":{"what":"policy"}}`,
		`{"specversion":"1.0","id":"6222021234567890128","source":"4111111111111111","type":"daozhang.notice","time":"2026-03-02T10:15:04Z","subject":"x","datacontenttype":"application/json","n":7,"data":{"what":"policy"}}`,
		// Keys are never masked, free text is.
		event("bank.entry", `{"order_id":"4111111111111111","amount":1,"currency":"CNY","account":"411111******1111","bank":"4111111111111111","direction":"credit","entry_ref":"4111111111111111","references":["4111111111111111"]}`),
	}
	for _, in := range same {
		compareExport(t, in, in)
	}
	for _, c := range []struct{ in, out string }{
		{event("bank.entry", `{ "account" : "4111111111111111","amount":1,"currency":"CNY","direction":"credit","text":"card 4111 1111 1111 1111 ok","note":4111111111111111,"a4111111111111111":["4111-1111-1111-1111"]}`),
			event("bank.entry", `{"amount":1,"currency":"CNY","account":"411111******1111","direction":"credit","text":"card 411111******1111 ok","note":"411111******1111","a411111******1111":["411111******1111"]}`)},
		{event("bank.entry", `{"account":"\u0034\u0031\u0031\u0031111111111111","amount":1,"currency":"CNY","direction":"credit","x":"\u0034111111111111111"}`),
			event("bank.entry", `{"amount":1,"currency":"CNY","account":"411111******1111","direction":"credit","x":"411111******1111"}`)},
		// The data may come before the type and the time.
		{`{"data":{"clearing_date":"2026-03-02","transaction_time":"2026-03-02T09:00:00+08:00","x":1},"recordedtime":"2026-03-02T11:00:00+08:00","source":"s","id":"1","time":"2026-03-02T10:15:04+08:00","specversion":"1.0","type":"daozhang.clearing.line"}`,
			`{"specversion":"1.0","id":"1","source":"s","type":"daozhang.clearing.line","time":"2026-03-02T10:15:04+08:00","recordedtime":"2026-03-02T11:00:00+08:00","data":{"clearing_date":"2026-03-02","transaction_time":"2026-03-02T09:00:00+08:00","x":1}}`},
		{strings.Replace(event("notice", `{"what":"policy"}`), "daozhang.", "", 1), event("notice", `{"what":"policy"}`)},
		{`{"specversion":"1.0","id":"\u00e9","source":"a\/b","type":"daozhang.notice","time":"2026-03-02T10:15:04Z","recordedtime":null,"dataschema":null,"data":{"\u0077hat":"pol\u0069cy"}}`,
			`{"specversion":"1.0","id":"é","source":"a/b","type":"daozhang.notice","time":"2026-03-02T10:15:04Z","data":{"what":"policy"}}`},
	} {
		compareExport(t, c.in, c.out)
	}
}

func compareExport(t *testing.T, in, want string) {
	t.Helper()
	got := readText(t, in)
	if len(got.rejected) > 0 || len(got.facts) != 1 {
		t.Errorf("%s\nrejected: %q", in, got.rejected)
		return
	}
	if out := string(got.AppendJSON(nil, got.facts[0])); out != want {
		t.Errorf("%s\n got %s\nwant %s", in, out, want)
	}
}

func TestLines(t *testing.T) {
	ok := func(id int) string {
		return strings.Replace(event("notice", `{"what":"policy"}`), `"id":"1"`, fmt.Sprintf(`"id":"%d"`, id), 1)
	}
	long := strings.Replace(ok(9), `{"what"`, `{"x":"`+strings.Repeat("y", 1<<20)+`","what"`, 1)
	longest := strings.Replace(ok(9), `{"what"`, `{"x":"`+strings.Repeat("y", 9<<20)+`","what"`, 1)
	const tooLong = "the line is longer than 1 MiB; one line holds one event"
	for name, c := range map[string]struct {
		in       string
		facts    int
		rejected []string
	}{
		"empty":             {"", 0, nil},
		"blank":             {"\n \n\t\r\n", 0, nil},
		"CRLF":              {ok(1) + "\r\n\r\n" + ok(2) + "\r\n", 2, nil},
		"byte order mark":   {"\xef\xbb\xbf" + ok(1) + "\n", 1, nil},
		"mark alone":        {"\xef\xbb\xbf", 0, nil},
		"no last line feed": {ok(1) + "\n" + ok(2), 2, nil},
		"truncated": {ok(1) + "\n" + ok(2)[:60], 1,
			[]string{"2: not valid JSON at byte 61: the text ends in the middle; a string is not closed, or holds a control character that is not escaped"}},
		"garbage": {ok(1) + "\n\x00\x01\xff\x1f\n\x00\n" + ok(2) + "\n", 2,
			[]string{"2: not an event: a line holds one JSON object, {…}", "3: not an event: a line holds one JSON object, {…}"}},
		"long line":           {ok(1) + "\n" + long + "\n" + ok(2) + "\n", 2, []string{"2: " + tooLong}},
		"very long line":      {ok(1) + "\n" + longest + "\n" + ok(2) + "\nx\n", 2, []string{"2: " + tooLong, "4: not an event: a line holds one JSON object, {…}"}},
		"very long last line": {ok(1) + "\n" + longest, 1, []string{"2: " + tooLong}},
		"very long only line": {longest, 0, []string{"1: " + tooLong}},
		"UTF-16":              {"\xff\xfe{\x00", 0, []string{"1: the input is UTF-16; save it as UTF-8"}},
		"array":               {" [" + ok(1) + "," + ok(2) + "\n,\n" + ok(3) + "]\n", 3, nil},
		"array of nothing":    {"[]", 0, nil},
		"array with a bad one": {"\xef\xbb\xbf[\n" + ok(1) + ",\n{\"specversion\":\"1.0\"},\n7,\n" + ok(2) + "\n]", 2,
			[]string{"3: id: missing", "4: not an event: a line holds one JSON object, {…}"}},
		"array cut off":      {"[" + ok(1) + ",\n" + ok(2) + ",\n", 2, []string{"3: not valid JSON: the array is not closed; the input was cut off"}},
		"arrays":             {"[" + ok(1) + "]\n[" + ok(2) + "]" + ok(3), 3, nil},
		"a bracket in front": {"[2026-03-02] started\n" + ok(1), 1, []string{"1: not an event: a line holds one JSON object, {…}"}},
		"a brace in front":   {"{\n" + ok(1), 1, []string{"1: not valid JSON at byte 2: the text ends in the middle; a name in double quotes is expected"}},
		"array with more behind": {"[" + ok(1) + "]\nx", 1,
			[]string{"2: not valid JSON: a comma or the end of the array is expected; what follows was not read"}},
		"array with a long one": {"[" + ok(1) + ",\n" + longest + ",\n" + ok(2) + "]", 2, []string{"2: the event is longer than 1 MiB"}},
		"spread":                {strings.NewReplacer("{", "{\n", ",", ",\r\n", "}", "\n}").Replace(ok(1)+"\n\n"+ok(2)) + "\n", 2, nil},
		"spread, cut off":       {"{\n\"specversion\":\"1.0\",\n", 0, []string{"1: not valid JSON at byte 24: the text ends in the middle; a name in double quotes is expected"}},
		"spread, open string":   {"{\n\"specversion\":\"1.0\",\n\"id\":\"x\n}\n" + ok(3), 1, []string{"1: not valid JSON at byte 31: a string is not closed, or holds a control character that is not escaped"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, in := range []io.Reader{strings.NewReader(c.in), iotest.HalfReader(strings.NewReader(c.in)), iotest.DataErrReader(strings.NewReader(c.in))} {
				got := readAll(t, in)
				if len(got.facts) != c.facts {
					t.Errorf("%d facts, want %d", len(got.facts), c.facts)
				}
				if fmt.Sprint(got.rejected) != fmt.Sprint(c.rejected) {
					t.Errorf("rejected\n%q, want\n%q", got.rejected, c.rejected)
				}
			}
		})
	}
}

// TestReadError keeps what was read before the input failed.
func TestReadError(t *testing.T) {
	for _, n := range []int{1, 100_000} {
		set := evidence.NewSet()
		in := strings.Repeat(event("notice", `{"what":"policy"}`)+"\n", n)
		broken := io.MultiReader(strings.NewReader(in), iotest.ErrReader(io.ErrNoProgress))
		err := evidence.ReadNDJSON(broken, set.Writer(set.AddFile("-")), func(line int, why fault.Text) { t.Error(line, why) })
		if err != io.ErrNoProgress || set.Len() != n {
			t.Errorf("%d facts, %v", set.Len(), err)
		}
	}
}

// TestParallel reads an input of many blocks with one and with several
// goroutines: the same facts, the same rejections with the same lines in order.
func TestParallel(t *testing.T) {
	var in bytes.Buffer
	for i := range 60_000 {
		switch {
		case i%1000 == 999:
			fmt.Fprintf(&in, "bad %d\n", i)
		case i%5000 == 4000:
			in.WriteString("\r\n")
		default:
			fmt.Fprintf(&in, `{"specversion":"1.0","id":"evidence-of-the-day-%d","source":"source/%d","type":"daozhang.sale.order","time":"2026-03-02T10:15:04+08:00","data":{"order_id":"order number %d","amount":%d,"currency":"CNY"}}`+"\n", i, i%7, i, i)
		}
	}
	var reference result
	for _, procs := range []int{1, 2, 4} {
		before := runtime.GOMAXPROCS(procs)
		got := readAll(t, bytes.NewReader(in.Bytes()))
		runtime.GOMAXPROCS(before)
		seen := map[int64]bool{}
		for _, r := range got.facts {
			f := got.At(r)
			n, _ := f.Amount()
			if f.Line != uint32(n)+1 || got.Text(r, evidence.OrderID) != fmt.Sprintf("order number %d", n) || seen[n] {
				t.Fatalf("line %d holds %s", f.Line, got.AppendJSON(nil, r))
			}
			seen[n] = true
		}
		if procs == 1 {
			reference = got
			if len(got.facts) != 60_000-60-12 || len(got.rejected) != 60 {
				t.Fatalf("%d facts, %d rejected", len(got.facts), len(got.rejected))
			}
		}
		if len(got.facts) != len(reference.facts) || fmt.Sprint(got.rejected) != fmt.Sprint(reference.rejected) {
			t.Errorf("%d goroutines: %d facts, %q", procs, len(got.facts), got.rejected)
		}
	}
}

// endlessLine gives n bytes without a line feed, then an event.
type endlessLine struct {
	n    int
	tail io.Reader
}

func (r *endlessLine) Read(p []byte) (int, error) {
	if r.n == 0 {
		return r.tail.Read(p)
	}
	n := min(len(p), r.n)
	for i := range p[:n] {
		p[i] = 'x'
	}
	r.n -= n
	return n, nil
}

// TestEndlessLine reads a line of a gigabyte without holding it.
func TestEndlessLine(t *testing.T) {
	if testing.Short() {
		t.Skip("reads a gigabyte")
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got := readAll(t, &endlessLine{1 << 30, strings.NewReader("\n" + event("notice", `{"what":"policy"}`))})
	runtime.ReadMemStats(&after)
	if len(got.facts) != 1 || len(got.rejected) != 1 || got.At(got.facts[0]).Line != 2 {
		t.Errorf("%d facts, %q", len(got.facts), got.rejected)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 64<<20 {
		t.Errorf("allocated %d MiB", used>>20)
	}
}

// TestNoCardData puts a card number into every place of an event, broken and
// whole, and looks for it in what comes out.
func TestNoCardData(t *testing.T) {
	const canary = "4111111111111111"
	sale := event("terminal.transaction", `{"kind":"sale","amount":1,"currency":"CNY","text":"t","note":{"a":["b",2]},"entry":"chip","from":"2026-03-02"}`)
	var inputs []string
	for i := range sale {
		for _, with := range []string{canary, `"` + canary + `"`, `"` + canary + `":`, canary + `":"`, "4111 1111 1111 1111"} {
			inputs = append(inputs, sale[:i]+with+sale[i:], sale[:i]+with)
		}
	}
	for _, field := range evidence.FieldNames() {
		for _, value := range []string{canary, `"` + canary + `"`, `["` + canary + `"]`, `{"` + canary + `":"` + canary + `"}`, `"x ` + canary + ` y"`} {
			inputs = append(inputs, event("terminal.transaction", `{"kind":"sale","currency":"CNY","`+field+`":`+value+`}`))
		}
	}
	keys := map[evidence.Field]bool{}
	for f := evidence.MID; f <= evidence.Bank; f++ {
		keys[f] = f != evidence.Account
	}
	for _, in := range inputs {
		got := readText(t, in)
		for _, why := range got.rejected {
			if strings.Contains(why, canary) || strings.Contains(why, "4111 1111") {
				t.Fatalf("%s\nsays %s", in, why)
			}
		}
		for _, r := range got.facts {
			out := string(got.AppendJSON(nil, r))
			for f := range keys {
				if keys[f] {
					out = strings.Replace(out, `"`+f.String()+`":"`+got.Text(r, f)+`"`, "", 1)
				}
			}
			for _, allowed := range []evidence.Field{evidence.EntryRef, evidence.OriginalRRN, evidence.OriginalSTAN, evidence.Replaces, evidence.References} {
				out = strings.Replace(out, `"`+allowed.String()+`":`, "", 1)
				for _, v := range got.List(r, allowed) {
					out = strings.Replace(out, v, "", 1)
				}
			}
			source, id, _ := strings.Cut(got.Name(r), "#")
			out = strings.Replace(strings.Replace(out, `"id":"`+id+`"`, "", 1), `"source":"`+source+`"`, "", 1)
			for _, n := range []string{"amount", "count", "total", "gross", "fee", "net", "pending", "opening", "closing", "approved_amount", "max_amount", "daily_amount", "daily_count", "t0_minutes", "credit_days", "minimum_payout", "preauth_days", "rate", "latency_ms", "error_rate", "score"} {
				out = strings.Replace(out, `"`+n+`":`+canary, "", 1) // an amount is an amount
			}
			if _, found := card.MaskText(out); found {
				t.Fatalf("%s\nwas kept as %s", in, out)
			}
		}
	}
}
