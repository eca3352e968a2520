package card_test

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"daozhang/internal/card"

	"pgregory.net/rapid"
)

func TestIsMasked(t *testing.T) {
	for s, want := range map[string]bool{
		"622202******1234":    true,
		"622202*1234":         true,
		"622202*********1234": true,
		"":                    false,
		"6222021234":          false,
		"62220******1234":     false,
		"622202******123":     false,
		"6222020******1234":   false,
		"622202******12345":   false,
		"622202***0**1234":    false,
		"622202xxxxxx1234":    false,
		"622202 ***** 1234":   false,
		"622202******１２３４":    false,
		"4111111111111111":    false,
		"**********1234":      false,
	} {
		if got := card.IsMasked(s); got != want {
			t.Errorf("IsMasked(%q) = %v", s, got)
		}
		first, last := card.First6(s), card.Last4(s)
		if want && (first != s[:6] || last != s[len(s)-4:]) || !want && first+last != "" {
			t.Errorf("%q: first six %q, last four %q", s, first, last)
		}
	}
}

func TestNormalize(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"622202******1234", "622202******1234"},
		{"622280*********0000", "622280*********0000"},
		{"6222 80** **** 0000", "622280******0000"},
		{"6222-80**-****-0000", "622280******0000"},
		{"622280xxxxxx0000", "622280******0000"},
		{"622280XXXXXX0000", "622280******0000"},
		{"62228012****0000", "622280******0000"},
		{"622280****120000", "622280******0000"},
		{"622280...0000", "622280******0000"},
		{"622280…0000", "622280******0000"},
		{"622280••••••0000", "622280******0000"},
		{"622280＊＊＊＊＊＊0000", "622280******0000"},
		{"`622280******0000", "622280******0000"},
		{"622280******0000\t", "622280******0000"},
		{"622280*0000", "622280*0000"},
		// too little, too much, or something else
		{"", ""},
		{"****0000", ""},
		{"6222****0000", ""},
		{"622280******", ""},
		{"622280******000", ""},
		{"622280***12***0000", ""},
		{"6222800000", ""},
		{"4111111111111111", ""},
		{"622280******0000 CNY", ""},
		{"622280" + strings.Repeat("*", 100) + "0000", "622280" + strings.Repeat("*", 100) + "0000"},
		{"622280" + strings.Repeat("x", 100) + "0000", ""},
		{"62228012345678901234*0000", ""},
	} {
		got, ok := card.Normalize(tc.in)
		if got != tc.want || ok != (tc.want != "") {
			t.Errorf("Normalize(%q) = %q, %v, want %q", tc.in, got, ok, tc.want)
		}
	}
}

// Numbers that networks and processors publish for testing, and numbers made up
// in their ranges; none belongs to a card.
var full = []string{
	"4111111111111111", "4222222222222", "4000000000000000006", // Visa
	"5555555555554444", "5105105105105100", "2223003122003222", // Mastercard
	"378282246310005", "371449635398431", // American Express
	"30569309025904", "38520000023237", // Diners Club
	"6011111111111117", "6445644564456445", // Discover
	"3530111333300000", "3566002020360505", // JCB
	"6200000000000005", "6212345678901232", "6205500000000000004", "8171999927660000", // UnionPay
	"6759649826438453", "5018000000000009", // Maestro
	"2200000000000004", // Mir
	"9558800000000000000",
}

func TestMaskText(t *testing.T) {
	for _, n := range full {
		masked := n[:6] + strings.Repeat("*", len(n)-10) + n[len(n)-4:]
		for _, around := range []string{"%", "card % paid", "卡号%，", "REF%X", "%/%", "a:%\n%", "2026-03-02 %"} {
			in := strings.ReplaceAll(around, "%", n)
			want := strings.ReplaceAll(around, "%", masked)
			got, found := card.MaskText(in)
			if got != want || !found {
				t.Errorf("MaskText(%q) = %q, %v", in, got, found)
			}
			if again, found := card.MaskText(got); again != got || found {
				t.Errorf("masked twice: %q → %q", got, again)
			}
			if b, found := card.MaskBytes([]byte(in)); string(b) != want || !found {
				t.Errorf("MaskBytes(%q) = %q, %v", in, b, found)
			}
		}
		if !card.IsPAN(n) || !card.IsPAN(" "+n+" ") {
			t.Errorf("%s is not taken for a card number", n)
		}
		if card.IsPAN(n+"x") || card.IsPAN("x"+n) || card.IsPAN(masked) {
			t.Errorf("more than %s is taken for a card number", n)
		}
		if card.Network(masked) == "" {
			t.Errorf("%s has no network", masked)
		}
		// One digit changed fails Luhn.
		wrong := n[:len(n)-1] + string('0'+(n[len(n)-1]-'0'+1)%10)
		if got, found := card.MaskText(wrong); found || got != wrong {
			t.Errorf("%s, which fails Luhn, became %s", wrong, got)
		}
	}
	for _, tc := range []struct{ in, want string }{
		{"4111 1111 1111 1111", "411111******1111"},
		{"4111-1111-1111-1111", "411111******1111"},
		{"pan 4111 1111 1111 1111 exp 12", "pan 411111******1111 exp 12"},
		{"4111 1111 1111 1111 2026", "411111******1111 2026"},
		{"02 4111 1111 1111 1111", "02 411111******1111"},
		{"3782 822463 10005", "378282*****0005"},
		{"3056 930902 5904", "305693****5904"},
		{"620550 0000000000004", "620550*********0004"},
		{"6205 5000 0000 0000 004", "620550*********0004"},
		{"4111111111111111-1", "411111******1111-1"},
		{"4111111111111111 5555555555554444", "411111******1111 555555******4444"},
	} {
		if got, found := card.MaskText(tc.in); got != tc.want || !found {
			t.Errorf("MaskText(%q) = %q, %v, want %q", tc.in, got, found, tc.want)
		}
	}
	for _, s := range []string{
		"", "no digits", "0123456789", "123456789012",
		"4111  1111 1111 1111",                 // two spaces
		"4111 1111-1111 1111",                  // mixed separators
		"41 11 11 11 11 11 11 11",              // not a card's grouping
		"4111.1111.1111.1111",                  // points
		"41111111111111114111",                 // 20 digits
		"4200001234202603021234567890",         // an order number of 28 digits
		"41111111111111111111111111111111",     // 32 digits
		"1234567890123452",                     // passes Luhn, no network's range
		"0000000000000000",                     //
		"9999999999999995",                     //
		"1772416504000",                        // milliseconds
		"20260302101504",                       // date and time
		"622202******1234",                     // masked already
		"2026-03-02 10:15:04 T1000001 000123",  //
		"tel 0755-2658-1234 fax 0755-2658-123", //
	} {
		if got, found := card.MaskText(s); got != s || found {
			t.Errorf("MaskText(%q) = %q, %v", s, got, found)
		}
		if card.IsPAN(s) {
			t.Errorf("IsPAN(%q)", s)
		}
	}
	b := []byte("nothing to hide in 1234567890123452")
	if got, found := card.MaskBytes(b); found || &got[0] != &b[0] {
		t.Error("MaskBytes copied what it did not change")
	}
}

func luhn(s string) bool {
	sum := 0
	for i := range len(s) {
		d := int(s[len(s)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

var digitRun = regexp.MustCompile(`[0-9]+`)

// No contiguous card number survives, whatever stands around it, and nothing
// but digits and separators of card numbers changes.
func TestMaskTextProperty(t *testing.T) {
	pieces := append([]string{" ", "-", "x", "卡", "1", "22", "20260302", ".", "\n", "4111 1111 1111 1111"}, full...)
	rapid.Check(t, func(t *rapid.T) {
		in := strings.Join(rapid.SliceOf(rapid.SampledFrom(pieces)).Draw(t, "pieces"), "")
		out, found := card.MaskText(in)
		if found == (in == out) {
			t.Fatalf("found %v, %q → %q", found, in, out)
		}
		for _, run := range digitRun.FindAllString(out, -1) {
			if n := len(run); n >= 13 && n <= 19 && luhn(run) && card.Network(run) != "" {
				t.Fatalf("%q survives in %q", run, out)
			}
		}
		if again, found := card.MaskText(out); found {
			t.Fatalf("%q masked again to %q", out, again)
		}
		keep := func(s string) string {
			return strings.Map(func(r rune) rune {
				if r >= '0' && r <= '9' || r == '*' || r == ' ' || r == '-' {
					return -1
				}
				return r
			}, s)
		}
		if keep(in) != keep(out) {
			t.Fatalf("%q → %q", in, out)
		}
	})
}

func FuzzMaskText(f *testing.F) {
	for _, n := range full {
		f.Add(n)
		f.Add("x " + n + "-" + n)
	}
	f.Add("4111 1111 1111 1111 111")
	f.Fuzz(func(t *testing.T, s string) {
		out, found := card.MaskText(s)
		if !found && out != s {
			t.Fatalf("%q changed to %q unnoticed", s, out)
		}
		for _, run := range digitRun.FindAllString(out, -1) {
			if n := len(run); n >= 13 && n <= 19 && luhn(run) && card.Network(run) != "" {
				t.Fatalf("%q survives in %q", run, out)
			}
		}
		b, bfound := card.MaskBytes([]byte(s))
		if string(b) != out || bfound != found {
			t.Fatalf("bytes and string differ for %q", s)
		}
		if n, ok := card.Normalize(s); ok && !card.IsMasked(n) {
			t.Fatalf("Normalize(%q) = %q", s, n)
		}
		card.AccountTail(s)
		card.Forbidden(s)
	})
}

func TestForbidden(t *testing.T) {
	for _, s := range []string{
		"track1", "track2", "track_2", "Track2-Data", "track_data", "trackData", "TRACK 1", "cvv", "CVV2", "cvc", "cvc_2",
		"pin", "PIN", "pin_block", "pinBlock", "PINBLOCK", "pin-data", "card_security_code", "DE35", "field_52", "de_045",
		"磁道", "encrypted.pin.block", "magnetic_stripe_data",
	} {
		if !card.Forbidden(s) {
			t.Errorf("%q is let through", s)
		}
	}
	for _, s := range []string{
		"", "pan", "cvm", "entry", "tracking_number", "tracking", "pin_entry_mode", "opinion", "shipping", "pinned",
		"amount", "card_type", "cvm_result", "track_id", "backtrack", strings.Repeat("pin", 30),
	} {
		if card.Forbidden(s) {
			t.Errorf("%q is refused", s)
		}
	}
}

func TestAccount(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"6222021234566789", "****6789"},
		{"DE89 3704 0044 0532 0130 00", "****3000"},
		{"12-34-56 12345678", "****5678"},
		{"****6789", "****6789"},
		{"622202******6789", "****6789"},
		{"***9", "****9"},
		{"12", "****12"},
		{"商户账户六七八九", "****六七八九"},
		{"", ""},
		{" - ", ""},
		{"****", ""},
	} {
		if got := card.AccountTail(tc.in); got != tc.want {
			t.Errorf("AccountTail(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
	a := card.AccountToken("DE89 3704 0044 0532 0130 00")
	if !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(a) {
		t.Errorf("token %q", a)
	}
	if a != card.AccountToken("de89370400440532013000") {
		t.Error("the token depends on spelling")
	}
	if a == card.AccountToken("DE89370400440532013001") {
		t.Error("two accounts share a token")
	}
	// Answers that were given keep their tokens.
	if a != "a1203836c619" {
		t.Errorf("the token changed to %q", a)
	}
	if card.AccountToken(" ") != "" {
		t.Error("no account has a token")
	}
}

// Every range that the public list of issuers knows is hidden.
func TestPublishedRanges(t *testing.T) {
	f, err := os.Open(filepath.FromSlash("../../../shared/data/ref/bin/binlist_ranges.csv"))
	if err != nil {
		t.Skip("no published list here")
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.FieldsPerRecord, r.LazyQuotes = -1, true
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	missing := map[string]int{}
	for _, row := range rows[1:] {
		if len(row) > 4 && len(row[0]) >= 6 && card.Network(row[0]) == "" {
			missing[row[0][:4]+" "+row[4]]++
		}
	}
	if len(missing) > 0 {
		t.Errorf("not hidden: %v", missing)
	}
}

var sink bool

func BenchmarkMaskText(b *testing.B) {
	for _, tc := range []struct{ name, text string }{
		{"text", "Settlement payout of 2 March to merchant, thank you for your business"},
		{"reference", "P20260303-1 RRN 606110123456 T1000001 batch 000012 trace 000123"},
		{"card", "pan 4111111111111111"},
	} {
		b.Run(tc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, sink = card.MaskText(tc.text)
			}
		})
	}
}

func TestMaskTextAllocatesNothingForPlainText(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		_, sink = card.MaskText("P20260303-1 RRN 606110123456 T1000001 batch 000012")
		sink = card.Forbidden("Track_2_Data")
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAccountNumber(t *testing.T) {
	for in, want := range map[string]string{
		"6217 0012 3456 6789":                 "6217001234566789",
		"31050000000067890":                   "31050000000067890",
		"de89 3704 0044 0532 0130 00":         "DE89370400440532013000", // the example of ISO 13616 for Germany
		"GB82-WEST-1234-5698-7654-32":         "GB82WEST12345698765432",
		"MT84MALT011000012345MTLCAST001S":     "MT84MALT011000012345MTLCAST001S",
		"DE89370400440532013001":              "", // a digit mistyped
		"DE98370400440532013000":              "", // two exchanged
		"1234":                                "",
		"":                                    "",
		"6217********6789":                    "",
		"622200123456789012345678901234567":   "622200123456789012345678901234567",
		"12345678901234567890123456789012345": "",
		"ABCD":                                "",
	} {
		if got, ok := card.Account(in); got != want || ok != (want != "") {
			t.Errorf("Account(%q) = %q, %v, want %q", in, got, ok, want)
		}
	}
}
