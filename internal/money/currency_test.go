package money_test

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"daozhang/internal/fault"
	"daozhang/internal/money"
)

func TestCurrency(t *testing.T) {
	for _, tc := range []struct {
		code, number string
		exponent     int
	}{
		{"CNY", "156", 2}, {"HKD", "344", 2}, {"EUR", "978", 2}, {"USD", "840", 2}, {"JPY", "392", 0},
		{"KRW", "410", 0}, {"VND", "704", 0}, {"KWD", "414", 3}, {"BHD", "048", 3}, {"CLF", "990", 4},
		{"ISK", "352", 0}, {"XAF", "950", 0}, {"GBP", "826", 2}, {"XXX", "999", 0},
		// withdrawn
		{"DEM", "276", 2}, {"ITL", "380", 0}, {"HRK", "191", 2}, {"RUR", "810", 2},
	} {
		c, err := money.ParseCurrency(tc.code)
		if err != nil || c.String() != tc.code || c.Exponent() != tc.exponent {
			t.Errorf("%s: %v, %v, exponent %d", tc.code, c, err, c.Exponent())
		}
		if n, ok := money.FromNumeric(tc.number); !ok || n != c {
			t.Errorf("%s: %v, %v", tc.number, n, ok)
		}
		if b, ok := money.ParseCurrencyBytes([]byte(tc.code)); !ok || b != c {
			t.Errorf("%s from bytes: %v, %v", tc.code, b, ok)
		}
	}
	for _, bad := range []string{"", "CN", "cny", "CNYX", "C1Y", "ABC", "RMB", "€€€", "\x00\x00\x00"} {
		if c, err := money.ParseCurrency(bad); err == nil || c != (money.Currency{}) || fault.HintOf(err) == "" {
			t.Errorf("ParseCurrency(%q) = %v, %v", bad, c, err)
		}
		if _, ok := money.ParseCurrencyBytes([]byte(bad)); ok {
			t.Errorf("ParseCurrencyBytes(%q) accepted", bad)
		}
	}
	for _, bad := range []string{"", "15", "1560", "abc", "000", "001"} {
		if c, ok := money.FromNumeric(bad); ok {
			t.Errorf("FromNumeric(%q) = %v", bad, c)
		}
	}
	var none money.Currency
	if none.String() != "" || none.Exponent() != 2 {
		t.Errorf("none is %q with exponent %d", none, none.Exponent())
	}
}

func TestCurrencyText(t *testing.T) {
	type doc struct {
		C money.Currency `json:"c,omitzero"`
	}
	var d doc
	if err := json.Unmarshal([]byte(`{"c":"CNY"}`), &d); err != nil || d.C.String() != "CNY" {
		t.Errorf("%v, %v", d, err)
	}
	if b, err := json.Marshal(d); err != nil || string(b) != `{"c":"CNY"}` {
		t.Errorf("%s, %v", b, err)
	}
	if b, err := json.Marshal(doc{}); err != nil || string(b) != `{}` {
		t.Errorf("%s, %v", b, err)
	}
	if err := json.Unmarshal([]byte(`{"c":"cny"}`), &d); err == nil {
		t.Error("lower case accepted")
	}
	if err := json.Unmarshal([]byte(`{"c":""}`), &d); err != nil || d.C != (money.Currency{}) {
		t.Errorf("%v, %v", d, err)
	}
}

// Every currency of the published table is known with its number and exponent.
func TestPublishedTable(t *testing.T) {
	f, err := os.Open(filepath.FromSlash("../../../shared/data/ref/iso4217/codes-all.csv"))
	if err != nil {
		t.Skip("no published table here")
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows[1:] {
		code, number, unit, withdrawn := r[2], r[3], r[4], r[5] != ""
		if code == "" {
			continue
		}
		c, err := money.ParseCurrency(code)
		if err != nil {
			t.Errorf("%s: %v", code, err)
			continue
		}
		if withdrawn {
			continue
		}
		want, _ := strconv.Atoi(unit) // "-" is taken as 0
		if c.Exponent() != want {
			t.Errorf("%s: exponent %d, want %d", code, c.Exponent(), want)
		}
		for len(number) < 3 {
			number = "0" + number
		}
		if n, ok := money.FromNumeric(number); !ok || n != c {
			t.Errorf("%s: %v, %v, want %s", number, n, ok, code)
		}
	}
}
