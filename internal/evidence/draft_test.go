package evidence_test

import (
	"strings"
	"testing"

	"daozhang/internal/evidence"
)

// put fills a bank entry as a file reader does, changes it and commits it; it
// gives the entry as JSON or the error.
func put(change func(*evidence.Draft)) string {
	set := evidence.NewSet()
	d := set.Writer(set.AddFile("statement.csv")).Begin(evidence.BankEntry)
	d.SetSource("csv/6789")
	d.HashID([]byte("row"))
	d.PutTime([]byte("2026-03-03T18:00:00+08:00"))
	d.PutString(evidence.Account, "6789")
	d.PutString(evidence.CurrencyField, "CNY")
	d.PutString(evidence.Direction, "credit")
	d.PutInt(evidence.Amount, 1)
	change(d)
	r, err := d.Commit()
	if err != nil {
		return err.Error()
	}
	_, data, _ := strings.Cut(string(set.AppendJSON(nil, r)), `"data":`)
	return strings.TrimSuffix(data, "}")
}

func TestDraft(t *testing.T) {
	text := func(f evidence.Field, s string) func(*evidence.Draft) {
		return func(d *evidence.Draft) { d.PutString(f, s) }
	}
	const plain = `"amount":1,"currency":"CNY","account":"6789","direction":"credit"`
	for _, c := range []struct {
		name   string
		change func(*evidence.Draft)
		want   string
	}{
		{"nothing", func(*evidence.Draft) {}, "{" + plain + "}"},
		{"an empty cell", text(evidence.Text, ""), "{" + plain + "}"},
		{"an empty amount", text(evidence.Amount, ""), "{" + plain + "}"},
		{"an amount", text(evidence.Amount, "12800"), strings.Replace("{"+plain+"}", "1", "12800", 1)},
		{"a decimal amount", text(evidence.Amount, "12.50"), "amount: not a whole number within 64 bits (amounts are integers in minor units)"},
		{"a huge amount", text(evidence.Amount, "9223372036854775808"), "amount: not a whole number within 64 bits (amounts are integers in minor units)"},
		{"a negative amount", text(evidence.Amount, "-1"), "amount: is never negative; the sign is in kind or direction"},
		{"a short trace number", text(evidence.STAN, "42"), `{"stan":"000042",` + plain + "}"},
		{"a list", text(evidence.References, "P1; P2 ;;"), "{" + plain + `,"references":["P1","P2"]}`},
		{"a number", text(evidence.Rate, "7.10"), "{" + strings.Replace(plain, `"direction"`, `"rate":7.10,"direction"`, 1) + "}"},
		{"a number of another form", text(evidence.Rate, "+.50"), "{" + strings.Replace(plain, `"direction"`, `"rate":0.5,"direction"`, 1) + "}"},
		{"no number", text(evidence.Rate, "NaN"), "rate: not a number"},
		{"yes", text(evidence.Printed, "是"), "{" + strings.Replace(plain, `"direction"`, `"printed":true,"direction"`, 1) + "}"},
		{"perhaps", text(evidence.Printed, "perhaps"), "printed: neither true nor false"},
		{"a code of another dialect", text(evidence.ResponseCode, "N/A"), "{" + strings.Replace(plain, `"direction"`, `"response_code":"N/A","direction"`, 1) + "}"},
		{"a card number as pan", text(evidence.PAN, "4111111111111111"), "pan: must be the first six digits, stars and the last four; the full number is never accepted"},
		{"a column nobody knows", func(d *evidence.Draft) { d.PutUnknownText("备注", []byte("卡 4111111111111111\n")) }, "{" + plain + `,"备注":"卡 411111******1111\n"}`},
		{"a column that must not be", func(d *evidence.Draft) { d.PutUnknownText("CVV2", []byte("123")) }, "CVV2: card data that must not be stored (track, card verification value or PIN); remove the field at its source"},
		{"a structure nobody knows", func(d *evidence.Draft) { d.PutUnknown("x", []byte(` { "a" : [ 1.0 ] } `)) }, "{" + plain + `,"x":{"a":[1.0]}}`},
		{"a structure that is none", func(d *evidence.Draft) { d.PutUnknown("x", []byte(`{`)) }, `x: not valid JSON at byte 2: the text ends in the middle; a name in double quotes is expected`},
		{"two values", func(d *evidence.Draft) { d.PutUnknown("x", []byte(`1,"y":2`)) }, `x: not valid JSON at byte 2: more follows the value`},
		{"a pan nobody knows", func(d *evidence.Draft) { d.PutUnknown("pan", []byte(`"6222021234561234"`)) }, "pan: must be the first six digits, stars and the last four; the full number is never accepted"},
		{"fees", func(d *evidence.Draft) { d.PutJSON(evidence.Fees, []byte(`[{"bps":-1}]`)) }, "fees[1].bps: must be a number of basis points with at most four decimals, such as 38"},
		{"gross and amount", func(d *evidence.Draft) { d.PutInt(evidence.Gross, 5) }, `{"amount":1,"currency":"CNY","account":"6789","gross":5,"direction":"credit"}`},
	} {
		if got := put(c.change); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestHashID gives rows of one document their identity: two equal rows are two
// facts, the same document read again is the same facts.
func TestHashID(t *testing.T) {
	set := evidence.NewSet()
	for _, file := range []string{"march.csv", "copy of march.csv"} {
		w := set.Writer(set.AddFile(file))
		for line, row := range []string{"a", "b", "a", "a"} {
			d := w.Begin(evidence.SaleOrder)
			d.SetSource("till/1")
			d.HashID([]byte(row))
			d.At(line + 1)
			d.PutTime([]byte("2026-03-02T10:15:04+08:00"))
			d.PutString(evidence.CurrencyField, "CNY")
			d.PutInt(evidence.Amount, 1)
			if _, err := d.Commit(); err != nil {
				t.Fatal(err)
			}
		}
	}
	set.Unify()
	n := 0
	for r := range set.Known(moment("2026-03-03T00:00:00Z")).Facts {
		if n++; set.FileName(set.At(r).File) != "march.csv" {
			t.Errorf("%s stands from %s", set.Name(r), set.FileName(set.At(r).File))
		}
	}
	if n != 4 || len(set.Conflicts()) != 0 {
		t.Errorf("%d facts and %d conflicts, want 4 and none", n, len(set.Conflicts()))
	}
}

func TestUnknownTypes(t *testing.T) {
	got := readText(t, event("acme.a", `{}`)+"\n"+event("acme.a", `{"x":1}`)+"\n"+strings.Replace(event("x", `{}`), "daozhang.x", "org.b", 1))
	if types := got.UnknownTypes(); len(types) != 2 || types["daozhang.acme.a"] != 2 || types["org.b"] != 1 {
		t.Errorf("%v", types)
	}
}
