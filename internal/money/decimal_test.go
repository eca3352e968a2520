package money_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"daozhang/internal/fault"
	"daozhang/internal/money"

	"pgregory.net/rapid"
)

func TestParseDecimal(t *testing.T) {
	const auto, point, comma = money.Auto, money.Point, money.Comma
	for _, tc := range []struct {
		text  string
		exp   int
		style money.Style
		want  int64
		err   error
	}{
		{"128", 2, auto, 12800, nil},
		{"128.5", 2, auto, 12850, nil},
		{"12345.67", 2, point, 1234567, nil},
		{"0.05", 2, auto, 5, nil},
		{".5", 2, auto, 50, nil},
		{"100,", 2, comma, 10000, nil},
		{"100,", 2, auto, 10000, nil},
		{"100.", 2, auto, 10000, nil},
		{"0,1", 2, comma, 10, nil},
		{"-0.00", 2, auto, 0, nil},
		{"007.10", 2, auto, 710, nil},
		{"100", 0, auto, 100, nil},
		{"1.234", 3, auto, 1234, nil},
		{"1", 18, auto, 1e18, nil},

		{"1,234.56", 2, auto, 123456, nil},
		{"1,234.56", 2, point, 123456, nil},
		{"1.234,56", 2, auto, 123456, nil},
		{"1.234,56", 2, comma, 123456, nil},
		{"1 234,56", 2, auto, 123456, nil},
		{"1 234,56", 2, comma, 123456, nil},
		{"1\u00a0234,56", 2, comma, 123456, nil},
		{"1\u202f234.56", 2, auto, 123456, nil},
		{"1’234.56", 2, auto, 123456, nil},
		{"1'234'567.89", 2, point, 123456789, nil},
		{"1,234,567", 2, auto, 123456700, nil},
		{"1.234.567", 2, auto, 123456700, nil},
		{"1,23,456.78", 2, auto, 12345678, nil},
		{"55,308.07", 2, auto, 5530807, nil},

		// One sign only.
		{"1,234", 2, auto, 123400, nil},
		{"1,234", 2, point, 123400, nil},
		{"1,234", 2, comma, 0, money.ErrPrecision},
		{"1,234", 3, comma, 1234, nil},
		{"0,123", 2, auto, 0, money.ErrPrecision},
		{"12,50", 2, auto, 1250, nil},
		{"12,5", 2, auto, 1250, nil},
		{"1234,567", 2, auto, 0, money.ErrPrecision},
		{"1234,500", 2, auto, 123450, nil},
		{"1.234", 2, auto, 0, money.ErrPrecision},
		{"1.234", 2, comma, 123400, nil},
		{"12.50", 2, comma, 0, money.ErrSyntax},
		{"12,50", 2, point, 0, money.ErrSyntax},

		{"-12.00", 2, auto, -1200, nil},
		{"12.00-", 2, auto, -1200, nil},
		{"12.00+", 2, auto, 1200, nil},
		{"+1", 2, auto, 100, nil},
		{"(12.00)", 2, auto, -1200, nil},
		{"( 12.00 )", 2, auto, -1200, nil},
		{"\u221212.00", 2, auto, -1200, nil},
		{"\uff0d12.00", 2, auto, -1200, nil},
		{"¥100.00", 2, auto, 10000, nil},
		{"\uffe5100.00", 2, auto, 10000, nil},
		{"-¥100.00", 2, auto, -10000, nil},
		{"¥-100.00", 2, auto, -10000, nil},
		{"(€1.234,56)", 2, auto, -123456, nil},
		{"12,00 €", 2, auto, 1200, nil},
		{"12,00 EUR", 2, auto, 1200, nil},
		{"CNY 12.00", 2, auto, 1200, nil},
		{"12.00元", 2, auto, 1200, nil},
		{"  12.00\t", 2, auto, 1200, nil},
		{"12.00\r\n", 2, auto, 1200, nil},
		{"1.28E+2", 2, auto, 12800, nil},
		{"1.28e2", 2, auto, 12800, nil},
		{"5E-3", 3, auto, 5, nil},
		{"5E-3", 2, auto, 0, money.ErrPrecision},

		{"1.000", 2, auto, 100, nil},
		{"1.2300000", 2, auto, 123, nil},
		{"1.005", 2, auto, 0, money.ErrPrecision},
		{"100.00", 0, auto, 100, nil},
		{"100.50", 0, auto, 0, money.ErrPrecision},

		{"92233720368547758.07", 2, auto, math.MaxInt64, nil},
		{"-92233720368547758.07", 2, auto, -math.MaxInt64, nil},
		{"92233720368547758.08", 2, auto, 0, money.ErrOverflow},
		{"99999999999999999999", 0, auto, 0, money.ErrOverflow},
		{"1E99", 2, auto, 0, money.ErrOverflow},
		{"00000000000000000000001", 2, auto, 100, nil},
		{"0E99", 2, auto, 0, nil},

		{"", 2, auto, 0, money.ErrSyntax},
		{" ", 2, auto, 0, money.ErrSyntax},
		{"-", 2, auto, 0, money.ErrSyntax},
		{".", 2, auto, 0, money.ErrSyntax},
		{",", 2, comma, 0, money.ErrSyntax},
		{"()", 2, auto, 0, money.ErrSyntax},
		{"--1", 2, auto, 0, money.ErrSyntax},
		{"-1-", 2, auto, 0, money.ErrSyntax},
		{"(-1)", 2, auto, 0, money.ErrSyntax},
		{"(1", 2, auto, 0, money.ErrSyntax},
		{"1)", 2, auto, 0, money.ErrSyntax},
		{"1.2.3", 2, auto, 0, money.ErrSyntax},
		{"1,2,3", 2, auto, 0, money.ErrSyntax},
		{"1.234.56", 2, auto, 0, money.ErrSyntax},
		{"1,234.567,89", 2, auto, 0, money.ErrSyntax},
		{"1.234.567,89,1", 2, auto, 0, money.ErrSyntax},
		{"1,234 567", 2, point, 0, money.ErrSyntax},
		{"1234,567.00", 2, point, 0, money.ErrSyntax},
		{"1,,234", 2, point, 0, money.ErrSyntax},
		{"1  234", 2, point, 0, money.ErrSyntax},
		{"12a", 2, auto, 0, money.ErrSyntax},
		{"1E", 2, auto, 0, money.ErrSyntax},
		{"1E2E3", 2, auto, 0, money.ErrSyntax},
		{"E5", 2, auto, 0, money.ErrSyntax},
		{"0x10", 2, auto, 0, money.ErrSyntax},
		{"NaN", 2, auto, 0, money.ErrSyntax},
		{"2026-03-02", 2, auto, 0, money.ErrSyntax},
		{"12:30", 2, auto, 0, money.ErrSyntax},
		{"ABC 1", 2, auto, 0, money.ErrSyntax},
		{"1\xff2", 2, auto, 0, money.ErrSyntax},
		{"1", 19, auto, 0, money.ErrSyntax},
		{"1", -1, auto, 0, money.ErrSyntax},
	} {
		got, err := money.ParseDecimal(tc.text, tc.exp, tc.style)
		if got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("ParseDecimal(%q, %d, %d) = %d, %v, want %d, %v", tc.text, tc.exp, tc.style, got, err, tc.want, tc.err)
		}
		if b, err2 := money.ParseDecimal([]byte(tc.text), tc.exp, tc.style); b != got || !errors.Is(err2, err) {
			t.Errorf("ParseDecimal(%q) of bytes = %d, %v, of a string %d, %v", tc.text, b, err2, got, err)
		}
		if err != nil && fault.HintOf(err) == "" {
			t.Errorf("%q: no hint", tc.text)
		}
	}
}

func TestParseDecimalRound(t *testing.T) {
	for _, tc := range []struct {
		text    string
		want    int64
		rounded bool
	}{
		{"1.00", 100, false},
		{"1.004", 100, true},
		{"1.005", 101, true},
		{"1.0049999", 100, true},
		{"-1.005", -101, true},
		{"-1.0049", -100, true},
		{"0.30000000000000004", 30, true},
		{"0.29999999999999999", 30, true},
		{"1.000", 100, false},
		{"5E-3", 1, true},
		{"4E-3", 0, true},
		{"55E-4", 1, true},
		{"0.994", 99, true},
		{"0.995", 100, true},
	} {
		got, rounded, err := money.ParseDecimalRound(tc.text, 2, money.Auto)
		if got != tc.want || rounded != tc.rounded || err != nil {
			t.Errorf("ParseDecimalRound(%q) = %d, %v, %v, want %d, %v", tc.text, got, rounded, err, tc.want, tc.rounded)
		}
	}
	if _, _, err := money.ParseDecimalRound("92233720368547758.075", 2, money.Auto); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("rounding past int64: %v", err)
	}
	if _, _, err := money.ParseDecimalRound("x", 2, money.Auto); !errors.Is(err, money.ErrSyntax) {
		t.Errorf("no amount: %v", err)
	}
}

func TestParseMinor(t *testing.T) {
	for _, tc := range []struct {
		text string
		want int64
		err  error
	}{
		{"12800", 12800, nil},
		{"-1", -1, nil},
		{"+1", 1, nil},
		{"000000012800", 12800, nil},
		{"9223372036854775807", math.MaxInt64, nil},
		{"9223372036854775808", 0, money.ErrOverflow},
		{"", 0, money.ErrSyntax},
		{"-", 0, money.ErrSyntax},
		{"1.0", 0, money.ErrSyntax},
		{" 1", 0, money.ErrSyntax},
	} {
		if got, err := money.ParseMinor(tc.text); got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("ParseMinor(%q) = %d, %v, want %d, %v", tc.text, got, err, tc.want, tc.err)
		}
	}
}

// What is written is read back, in every currency and both spellings.
func TestFormatParseRoundTrip(t *testing.T) {
	codes := []string{"CNY", "JPY", "KWD", "CLF", "EUR", ""}
	rapid.Check(t, func(t *rapid.T) {
		var c money.Currency
		if s := rapid.SampledFrom(codes).Draw(t, "currency"); s != "" {
			c, _ = money.ParseCurrency(s)
		}
		v := rapid.Int64Range(-math.MaxInt64, math.MaxInt64).Draw(t, "minor")
		for _, text := range []string{money.Format(v, c), money.FormatGrouped(v, c)} {
			got, err := money.ParseDecimal(text, c.Exponent(), money.Point)
			if got != v || err != nil {
				t.Fatalf("%d → %q → %d, %v", v, text, got, err)
			}
			// The same with the signs exchanged, as much of Europe writes it.
			swapped := strings.Map(func(r rune) rune {
				switch r {
				case '.':
					return ','
				case ',':
					return '.'
				}
				return r
			}, text)
			if got, err := money.ParseDecimal(swapped, c.Exponent(), money.Comma); got != v || err != nil {
				t.Fatalf("%d → %q → %d, %v", v, swapped, got, err)
			}
		}
	})
}

func FuzzParseDecimal(f *testing.F) {
	for _, s := range []string{"1,234.56", "(12.00)", "¥1", "1E-3", "1’234.5", "12,00 EUR", "99999999999999999999"} {
		f.Add(s, uint8(2), uint8(0))
	}
	f.Fuzz(func(t *testing.T, s string, exp, style uint8) {
		st := money.Style(style % 3)
		e := int(exp % 5)
		v, err := money.ParseDecimal(s, e, st)
		r, rounded, rerr := money.ParseDecimalRound(s, e, st)
		if err == nil && (rerr != nil || rounded || r != v) {
			t.Fatalf("%q: exact %d, rounding %d, %v, %v", s, v, r, rounded, rerr)
		}
		if errors.Is(err, money.ErrPrecision) && rerr == nil && !rounded {
			t.Fatalf("%q: finer than the unit, yet not rounded", s)
		}
		if v == math.MinInt64 {
			t.Fatalf("%q: out of the symmetric range", s)
		}
		if b, berr := money.ParseDecimal([]byte(s), e, st); b != v || !errors.Is(berr, err) {
			t.Fatalf("%q: bytes and string differ", s)
		}
	})
}

func TestParseDecimalAllocatesNothing(t *testing.T) {
	plain, slow := []byte("12345.67"), []byte("(€1.234,56)")
	if n := testing.AllocsPerRun(100, func() {
		money.ParseDecimal(plain, 2, money.Auto)
		money.ParseDecimal(slow, 2, money.Auto)
		money.ParseDecimal("no amount", 2, money.Auto)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkParseDecimal(b *testing.B) {
	for _, tc := range []struct{ name, text string }{
		{"plain", "12345.67"}, {"grouped", "1,234,567.89"}, {"currency", "-12,00 EUR"},
	} {
		b.Run(tc.name, func(b *testing.B) {
			text := []byte(tc.text)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := money.ParseDecimal(text, 2, money.Auto); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
