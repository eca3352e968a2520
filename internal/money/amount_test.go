package money_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"testing"

	"daozhang/internal/money"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
)

func currency(t testing.TB, s string) money.Currency {
	t.Helper()
	c, err := money.ParseCurrency(s)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return c
}

func TestFormat(t *testing.T) {
	for _, tc := range []struct {
		minor         int64
		code          string
		plain, groups string
	}{
		{12800, "CNY", "128.00", "128.00"},
		{5530807, "CNY", "55308.07", "55,308.07"},
		{0, "CNY", "0.00", "0.00"},
		{5, "CNY", "0.05", "0.05"},
		{-5, "CNY", "-0.05", "-0.05"},
		{-12345678, "EUR", "-123456.78", "-123,456.78"},
		{100000, "EUR", "1000.00", "1,000.00"},
		{100, "JPY", "100", "100"},
		{1000000, "JPY", "1000000", "1,000,000"},
		{0, "JPY", "0", "0"},
		{1, "KWD", "0.001", "0.001"},
		{1234567, "KWD", "1234.567", "1,234.567"},
		{math.MaxInt64, "CNY", "92233720368547758.07", "92,233,720,368,547,758.07"},
		{math.MinInt64, "CNY", "-92233720368547758.08", "-92,233,720,368,547,758.08"},
	} {
		c := currency(t, tc.code)
		if got := money.Format(tc.minor, c); got != tc.plain {
			t.Errorf("Format(%d, %s) = %q, want %q", tc.minor, tc.code, got, tc.plain)
		}
		if got := money.FormatGrouped(tc.minor, c); got != tc.groups {
			t.Errorf("FormatGrouped(%d, %s) = %q, want %q", tc.minor, tc.code, got, tc.groups)
		}
		if got := string(money.AppendFormat([]byte("x"), tc.minor, c)); got != "x"+tc.plain {
			t.Errorf("AppendFormat = %q", got)
		}
		if got := string(money.AppendFormatGrouped([]byte("x"), tc.minor, c)); got != "x"+tc.groups {
			t.Errorf("AppendFormatGrouped = %q", got)
		}
	}
}

func TestAddAndSub(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "b")
		for _, op := range []struct {
			name string
			do   func(a, b int64) (int64, bool)
			big  func(z, x, y *big.Int) *big.Int
		}{
			{"Add", money.Add, (*big.Int).Add}, {"Sub", money.Sub, (*big.Int).Sub},
		} {
			want := op.big(new(big.Int), big.NewInt(a), big.NewInt(b))
			got, ok := op.do(a, b)
			if ok != want.IsInt64() || ok && got != want.Int64() || !ok && got != 0 {
				t.Fatalf("%s(%d, %d) = %d, %v, want %v", op.name, a, b, got, ok, want)
			}
		}
	})
	if _, ok := money.Add(math.MaxInt64, 1); ok {
		t.Error("Add overflowed unnoticed")
	}
	if _, ok := money.Sub(math.MinInt64, 1); ok {
		t.Error("Sub overflowed unnoticed")
	}
}

// halfUp is a·num/den in exact arithmetic, halves away from zero.
func halfUp(a, num, den int64) *big.Int {
	p := new(big.Int).Mul(big.NewInt(a), big.NewInt(num))
	neg := p.Sign()*big.NewInt(den).Sign() < 0
	p.Abs(p)
	d := new(big.Int).Abs(big.NewInt(den))
	p.Mul(p, big.NewInt(2)).Add(p, d).Quo(p, d.Mul(d, big.NewInt(2)))
	if neg {
		p.Neg(p)
	}
	return p
}

func TestMulDiv(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, num, den := rapid.Int64().Draw(t, "a"), rapid.Int64().Draw(t, "num"), rapid.Int64().Draw(t, "den")
		got, ok := money.MulDiv(a, num, den)
		if den == 0 {
			if ok {
				t.Fatal("division by zero")
			}
			return
		}
		want := halfUp(a, num, den)
		fits := new(big.Int).Abs(want).IsInt64()
		if ok != fits || ok && got != want.Int64() {
			t.Fatalf("MulDiv(%d, %d, %d) = %d, %v, want %v", a, num, den, got, ok, want)
		}
	})
}

func TestRateOf(t *testing.T) {
	for _, tc := range []struct {
		rate         string
		amount, want int64
	}{
		{"38", 12800, 49}, // 48.64
		{"60", 12800, 77}, // 76.8
		{"60", 0, 0},
		{"55.5", 100, 1}, // 0.555
		{"50", 100, 1},   // 0.5 rounds up
		{"49", 100, 0},
		{"50", -100, -1},
		{"-50", 100, -1},
		{"10000", math.MaxInt64, math.MaxInt64},
		{"20000", math.MaxInt64, math.MaxInt64},
		{"1", math.MaxInt64, 922337203685478},
	} {
		r, err := money.ParseRate(tc.rate)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Of(tc.amount); got != tc.want {
			t.Errorf("%s bps of %d = %d, want %d", tc.rate, tc.amount, got, tc.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		// Small operands often enough to meet the short way as well.
		amount := rapid.OneOf(rapid.Int64(), rapid.Int64Range(0, 1<<33)).Draw(t, "amount")
		rate := rapid.OneOf(rapid.Int64(), rapid.Int64Range(0, 1e8)).Draw(t, "rate")
		want := halfUp(amount, rate, 1e8)
		limit := big.NewInt(math.MaxInt64)
		if new(big.Int).Abs(want).Cmp(limit) > 0 {
			want = limit.Mul(limit, big.NewInt(int64(want.Sign())))
		}
		if got := money.Rate(rate).Of(amount); got != want.Int64() {
			t.Fatalf("%v of %d = %d, want %v", money.Rate(rate), amount, got, want)
		}
	})
}

func TestRateText(t *testing.T) {
	for _, tc := range []struct {
		text string
		want money.Rate
		out  string
	}{
		{"60", 600000, "60"},
		{"55.5", 555000, "55.5"},
		{"0.0001", 1, "0.0001"},
		{"0", 0, "0"},
		{"-3.25", -32500, "-3.25"},
		{"38.10", 381000, "38.1"},
	} {
		got, err := money.ParseRate(tc.text)
		if got != tc.want || err != nil || got.String() != tc.out {
			t.Errorf("ParseRate(%q) = %d, %v, written %q", tc.text, got, err, got)
		}
		var fromJSON struct {
			BPS money.Rate `json:"bps"`
		}
		if err := json.Unmarshal([]byte(`{"bps":`+tc.text+`}`), &fromJSON); err != nil || fromJSON.BPS != tc.want {
			t.Errorf("JSON %s = %d, %v", tc.text, fromJSON.BPS, err)
		}
		if b, err := json.Marshal(fromJSON); err != nil || string(b) != `{"bps":`+tc.out+`}` {
			t.Errorf("to JSON: %s, %v", b, err)
		}
		var fromYAML struct {
			BPS money.Rate `yaml:"bps"`
		}
		if err := yaml.Unmarshal([]byte("bps: "+tc.text), &fromYAML); err != nil || fromYAML.BPS != tc.want {
			t.Errorf("YAML %s = %d, %v", tc.text, fromYAML.BPS, err)
		}
		if b, err := yaml.Marshal(fromYAML); err != nil || string(b) != "bps: "+tc.out+"\n" {
			t.Errorf("to YAML: %s, %v", b, err)
		}
	}
	for _, bad := range []string{"", "x", "0.6%", "60bps", "1e2", "0.00001", "1,000", "(1)", "+1", "--1", "6-", "99999999999999999999"} {
		if _, err := money.ParseRate(bad); !errors.Is(err, money.ErrRate) {
			t.Errorf("ParseRate(%q): %v", bad, err)
		}
	}
	var r money.Rate
	if err := json.Unmarshal([]byte(`"60"`), &r); err != nil || r != 600000 {
		t.Errorf("a rate in a JSON string: %d, %v", r, err)
	}
	if err := json.Unmarshal([]byte(`true`), &r); err == nil {
		t.Error("a boolean became a rate")
	}
}
