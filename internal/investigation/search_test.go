package investigation_test

import (
	"reflect"
	"regexp"
	"testing"

	"daozhang/internal/investigation"
)

// TestGuess: what the words of a search are taken for.
func TestGuess(t *testing.T) {
	for q, want := range map[string][]investigation.Term{
		"606212000107": {{Kind: investigation.TermRRN, Text: "606212000107"}},
		"000107 5512":  {{Kind: investigation.TermNumber, Text: "000107"}, {Kind: investigation.TermTail, Text: "5512"}},
		"88.00":        {{Kind: investigation.TermAmount, Text: "88.00", Minor: 8800}},
		"¥1,234.50":    {{Kind: investigation.TermAmount, Text: "¥1,234.50", Minor: 123450}},
		"12.3.4":       {{Kind: investigation.TermReference, Text: "12.3.4"}},
		"P20260303-1":  {{Kind: investigation.TermReference, Text: "P20260303-1"}},
		"":             nil,
	} {
		if got := investigation.Guess(q); !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %+v, want %+v", q, got, want)
		}
	}
}

// TestNarrow: all terms have to hold, and what contradicts itself finds nothing.
func TestNarrow(t *testing.T) {
	live, err := investigation.NewLive(investigation.LiveOptions{AsOf: 1000})
	if err != nil {
		t.Fatal(err)
	}
	live.Read(func(c *investigation.Current) {
		for q, want := range map[string]investigation.Filter{
			"0128 0128":   {Tail: "0128"},
			"0128 0129":   {Tail: "0128", Keys: []string{"0129"}},
			"1.00 2.00":   {Amounts: true, Least: 200, Most: 100},
			"A-4711":      {TID: "A-4711"},
			"000001 1.00": {Keys: []string{"000001"}, Amounts: true, Least: 100, Most: 100},
		} {
			var f investigation.Filter
			c.Narrow(&f, investigation.Guess(q))
			if !reflect.DeepEqual(f, want) {
				t.Errorf("%q: %+v, want %+v", q, f, want)
			}
		}
	})
}

func FuzzGuess(f *testing.F) {
	for _, q := range []string{"606212000107", "88.00 5512", "¥1,234.50", "6222021234567855128", "a b c d e f g h", "\x00\xff"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		for _, term := range investigation.Guess(q) {
			if term.Text == "" || len(term.Text) > 64 || regexp.MustCompile(`^\d{13,19}$`).MatchString(term.Text) && term.Kind != investigation.TermReference {
				t.Errorf("%q: %+v", q, term)
			}
		}
	})
}
