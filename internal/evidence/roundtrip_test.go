package evidence_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"daozhang/internal/card"
	"daozhang/internal/evidence"
)

// values draws a value that a field takes, in JSON, by what the contract says of
// the field; fields that are not listed are free text.
var values = map[string]*rapid.Generator[string]{
	"amount": amounts, "approved_amount": amounts, "gross": amounts, "minimum_payout": amounts,
	"max_amount": amounts, "daily_amount": amounts,
	"fee": signed, "net": signed, "total": signed, "opening": signed, "closing": signed,
	"count": amounts, "pending": amounts, "daily_count": amounts, "t0_minutes": amounts, "credit_days": amounts, "preauth_days": amounts,
	"rate": numbers, "latency_ms": numbers, "error_rate": numbers, "score": numbers,
	"printed":          rapid.SampledFrom([]string{"true", "false"}),
	"transaction_time": instants,
	"date":             dates, "clearing_date": dates, "settlement_date": dates, "booking_date": dates, "value_date": dates,
	"from": moments, "to": moments, "valid_from": moments,
	"currency": words("CNY", "EUR", "JPY", "KWD"), "net_currency": words("CNY", "USD"),
	"pan":       words("622202******1234", "411111*********0001", "356600*9999"),
	"card_type": words("debit", "credit", "prepaid"),
	"kind":      words("sale", "void", "refund", "preauth", "completion", "reversal", "fee", "chargeback", "reserve_release"),
	"entry":     words("chip", "contactless", "magstripe", "manual", "qr"),
	"cvm":       words("pin", "signature", "biometric", "none"),
	"result":    words("approved", "declined", "timeout", "aborted", "unknown", "offline_approved"),
	"component": words("printer", "clock"), "prompt": words("settle_batch", "sign_on"), "by": words("bank", "platform"),
	"direction": words("credit", "debit"), "cycle": words("T0", "T1", "D1", "T30"), "cutoff": words("23:00", "00:00"),
	"payout_by": words("18:00", "24:00"), "timezone": words("Asia/Shanghai", "+08:00", "Europe/Berlin"),
	"capture": words("host", "terminal"), "fee_mode": words("net", "invoiced", "passthrough"),
	"references": lists, "affects": lists,
	"fees": rapid.SampledFrom([]string{`[]`, `[{"bps":38}]`, `[{"bps":55.5,"fixed":10,"cap":1800,"card_type":"debit","network":"UnionPay","note":"x"},{}]`}),
	"stan": quoted(rapid.StringMatching(`[0-9]{1,7}`)), "original_stan": quoted(rapid.StringMatching(`[0-9]{1,7}`)),
	"response_code": quoted(rapid.StringMatching(`[0-9A-Z]{1,3}`)),
}

var (
	amounts  = rapid.Custom(func(t *rapid.T) string { return fmt.Sprint(rapid.Int64Min(0).Draw(t, "amount")) })
	signed   = rapid.Custom(func(t *rapid.T) string { return fmt.Sprint(rapid.Int64().Draw(t, "signed")) })
	numbers  = rapid.StringMatching(`-?(0|[1-9][0-9]{0,6})(\.[0-9]{1,6})?([eE][-+]?[0-9])?`)
	dates    = quoted(rapid.StringMatching(`20[0-7][0-9]-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])`))
	instants = quoted(rapid.StringMatching(`20[0-7][0-9]-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])[Tt ]([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]{1,12})?(Z|z|[-+](0[0-9]|1[0-7]):[0-5][0-9]|\+08:00)`))
	moments  = rapid.OneOf(dates, instants)
	texts    = quoted(rapid.OneOf(keys(), rapid.String()))
	lists    = rapid.Map(rapid.SliceOfN(texts, 0, 3), func(s []string) string { return "[" + strings.Join(s, ",") + "]" })
)

func words(w ...string) *rapid.Generator[string] { return quoted(rapid.SampledFrom(w)) }

func quoted(g *rapid.Generator[string]) *rapid.Generator[string] {
	return rapid.Map(g, func(s string) string {
		b, _ := json.Marshal(s)
		return string(b)
	})
}

// stateWords are the fields whose words depend on the type, and what every fact
// of the type has to say.
var typeData = map[string]map[string]string{
	"merchant.terms":       {"mid": `"m"`},
	"calendar.holiday":     {"calendar": `"CN"`, "date": `"2026-10-01"`, "what": `"holiday"`},
	"sale.order":           {"amount": "1", "currency": `"CNY"`},
	"terminal.transaction": {"kind": `"sale"`},
	"terminal.health":      {"tid": `"T"`, "component": `"sim"`, "state": `"ok"`},
	"terminal.software":    {"tid": `"T"`, "what": `"crashed"`},
	"terminal.batch":       {"tid": `"T"`, "what": `"uploaded"`},
	"operator.action":      {"what": `"cancelled"`},
	"gateway.request":      {}, "gateway.response": {}, "gateway.timeout": {}, "gateway.error": {}, "clearing.line": {},
	"gateway.reversal": {"state": `"acknowledged"`},
	"clearing.file":    {"network": `"UnionPay"`, "date": `"2026-03-02"`},
	"network.funding":  {"amount": "1", "currency": `"CNY"`},
	"settlement.line":  {"net": "-1", "currency": `"CNY"`},
	"settlement.file":  {"date": `"2026-03-02"`},
	"payout.status":    {"payout": `"P"`, "state": `"returned"`},
	"bank.entry":       {"account": `"1"`, "amount": "1", "currency": `"CNY"`, "direction": `"credit"`, "status": `"booked"`},
	"bank.statement":   {"account": `"1"`, "from": `"2026-03-02"`, "to": `"2026-03-03"`},
	"coverage":         {"of": `"gateway"`, "from": `"2026-03-02"`, "to": `"2026-03-03"`},
	"link.status":      {"link": `"platform"`, "state": `"down"`},
	"notice":           {"what": `"incident"`, "issuer": `"bank/ICBC"`},
	"account.status":   {"mid": `"m"`, "state": `"frozen"`},
	"limit.policy":     {"scope": `"bank/ICBC"`},
	"risk.decision":    {"action": `"release"`},
	"case.opened":      {"what": `"chargeback"`}, "case.closed": {"what": `"complaint"`},
}

// drawEvent draws an event that is in order.
func drawEvent(t *rapid.T) string {
	types := make([]string, 0, len(typeData))
	for name := range typeData {
		types = append(types, name)
	}
	slices.Sort(types)
	typ := rapid.SampledFrom(types).Draw(t, "type")
	data := map[string]string{}
	for name, value := range typeData[typ] {
		data[name] = value
	}
	for _, name := range rapid.SliceOfN(rapid.SampledFrom(evidence.FieldNames()), 0, 12).Draw(t, "fields") {
		if _, given := typeData[typ][name]; given || name == "what" || name == "state" || name == "status" || name == "action" {
			continue
		}
		g := values[name]
		if g == nil {
			g = texts
		}
		data[name] = g.Draw(t, name)
	}
	if _, given := data["currency"]; !given {
		data["currency"] = `"CNY"`
	}
	for i := range rapid.IntRange(0, 2).Draw(t, "unknown") {
		data[fmt.Sprint("x", i, rapid.String().Draw(t, "name"))] = rapid.OneOf(texts, numbers, lists, rapid.SampledFrom([]string{"null", "true", `{"a":[{}],"ü":1.0}`})).Draw(t, "value")
	}
	var members []string
	for name, value := range data {
		quotedName, _ := json.Marshal(name)
		members = append(members, string(quotedName)+":"+value)
	}
	slices.Sort(members)
	members = rapid.Permutation(members).Draw(t, "order")
	at := instants.Draw(t, "time")
	attributes := []string{
		`"specversion":"1.0"`, `"type":"daozhang.` + typ + `"`, `"time":` + at,
		`"id":` + quoted(rapid.Map(keys(), func(s string) string { return "i" + s })).Draw(t, "id"),
		`"source":` + quoted(rapid.Map(keys(), func(s string) string { return s + "s" })).Draw(t, "source"),
		`"data":{` + strings.Join(members, ",") + `}`,
	}
	if rapid.Bool().Draw(t, "recorded") {
		attributes = append(attributes, `"recordedtime":`+rapid.OneOf(instants, rapid.Just(at)).Draw(t, "recordedtime"))
	}
	if rapid.Bool().Draw(t, "extension") {
		attributes = append(attributes, `"subject":`+texts.Draw(t, "subject"))
	}
	return "{" + strings.Join(rapid.Permutation(attributes).Draw(t, "attributes"), ",") + "}"
}

// TestReadWriteRead reads events, writes them and reads them again: the same
// facts with the same content, known at the same moment, written the same way.
func TestReadWriteRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var in strings.Builder
		for range rapid.IntRange(1, 4).Draw(rt, "events") {
			in.WriteString(drawEvent(rt) + "\n")
		}
		first := readText(t, in.String())
		if len(first.rejected) > 0 {
			rt.Fatalf("%s%q", in.String(), first.rejected)
		}
		compareWithJSON(rt, in.String(), first)
		writeAndReadAgain(rt, t, first)
	})
}

// compareWithJSON holds the export against encoding/json: the same members with
// the same values, where no card number had to be masked.
func compareWithJSON(t *rapid.T, in string, got result) {
	lines := strings.Split(strings.TrimSuffix(in, "\n"), "\n")
	for i, r := range got.facts {
		if _, masked := card.MaskText(lines[i]); masked || strings.Contains(lines[i], "\\u") {
			continue
		}
		var want, have any
		if err := json.Unmarshal([]byte(lines[i]), &want); err != nil {
			t.Fatalf("%s: %v", lines[i], err)
		}
		out := got.AppendJSON(nil, r)
		if err := json.Unmarshal(out, &have); err != nil {
			t.Fatalf("%s: %v", out, err)
		}
		if fmt.Sprint(want) != fmt.Sprint(have) {
			t.Fatalf("%s\nis written as\n%s", lines[i], out)
		}
	}
}

type fataler interface{ Fatalf(string, ...any) }

func writeAndReadAgain(t fataler, tb testing.TB, first result) {
	var all []byte
	var outs []string
	for _, r := range first.facts {
		out := first.AppendJSON(nil, r)
		outs = append(outs, string(out))
		all = append(append(all, out...), '\n')
	}
	second := readAll(tb, bytes.NewReader(all))
	if len(second.rejected) > 0 || len(second.facts) != len(first.facts) {
		t.Fatalf("%swas written and is refused: %q", all, second.rejected)
	}
	for i, r := range second.facts {
		o := first.facts[i]
		if out := string(second.AppendJSON(nil, r)); out != outs[i] {
			t.Fatalf("%s\nis written again as\n%s", outs[i], out)
		}
		if first.Name(o) != second.Name(r) || first.ContentHash(o) != second.ContentHash(r) {
			t.Fatalf("%s\nis another fact than it was", outs[i])
		}
		f, g := *first.At(o), *second.At(r)
		if f.Time != g.Time || f.Recorded != g.Recorded || f.KnownAt() != g.KnownAt() || f.Type != g.Type || f.WrongClock() != g.WrongClock() {
			t.Fatalf("%s\nis known at another time than it was", outs[i])
		}
	}
}

// FuzzNDJSON reads anything. It never panics; no reason holds a card number;
// what is accepted is JSON, and is the same fact when it was written and read.
func FuzzNDJSON(f *testing.F) {
	for typ, data := range typeData {
		var members []string
		for name, value := range data {
			members = append(members, `"`+name+`":`+value)
		}
		slices.Sort(members)
		f.Add([]byte(event(typ, "{"+strings.Join(members, ",")+"}")))
	}
	for _, in := range []string{
		"", "\n", "\xef\xbb\xbf\r\n", "[", "[]", "[{},{}]", "{\n}", "\xff\xfe", "{\"data\":{}}",
		event("acme.x", `{"a":[1.50,-0,1e400,"\ud83d\ude00",null,{"b":{}}],"pan":"622202******1234","4111111111111111":"4111111111111111"}`),
		event("bank.entry", `{"account":"4111 1111 1111 1111","amount":1,"currency":"CNY","direction":"debit","references":["",""],"value_date":"2026-03-02"}`),
		event("terminal.transaction", `{"kind":"void","stan":"1","response_code":"ZZZ","ref":"","printed":true,"amount":0,"currency":"JPY","transaction_time":"2026-03-02T10:15:04.5Z"}`),
		`{"data":{"what":"policy"},"id":"\u0000","source":"s","type":"daozhang.notice","specversion":"1.0","recordedtime":"2026-03-02T09:00:00Z","time":"2026-03-02T10:15:60-00:00","subject":null}`,
	} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		first := readAll(t, bytes.NewReader(in))
		for _, why := range first.rejected {
			if _, found := card.MaskText(why); found {
				t.Fatalf("%q says %q", in, why)
			}
		}
		for _, r := range first.facts {
			if out := first.AppendJSON(nil, r); !json.Valid(out) {
				t.Fatalf("%q is written as %q", in, out)
			}
		}
		writeAndReadAgain(t, t, first)
	})
}
