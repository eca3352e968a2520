package evidence_test

import (
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"daozhang/internal/evidence"
)

// keys draws strings of the kinds that payment keys are, and their neighbours.
func keys() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[0-9]{0,18}`),
		rapid.StringMatching(`[0-9A-Za-z_-]{0,10}`),
		rapid.StringMatching(`[a-f0-9]{14,16}`),
		rapid.StringMatching(`[0-9]{6}\*{1,17}[0-9]{4}`),
		rapid.StringMatching(`[0-9*]{10,12}`),
		rapid.StringMatching(`P2026030[0-9]-[0-9]{1,3}`),
		rapid.String(),
	)
}

// TestWords holds what everything rests on: a Word stands for its string, two
// are equal exactly when their strings are, and they are ordered like them.
func TestWords(t *testing.T) {
	words := evidence.NewWords()
	rapid.Check(t, func(t *rapid.T) {
		a, b := keys().Draw(t, "a"), keys().Draw(t, "b")
		if rapid.IntRange(0, 3).Draw(t, "same") == 0 {
			b = strings.Clone(a)
		}
		v, w := words.OfString(a), words.Of([]byte(b))
		if words.Text(v) != a || string(words.Append([]byte("x"), w)) != "x"+b {
			t.Fatalf("%q gives %q, %q gives %q", a, words.Text(v), b, words.Text(w))
		}
		if (v == w) != (a == b) || (v == 0) != (a == "") {
			t.Fatalf("%q is %#x, %q is %#x", a, v, b, w)
		}
		if words.Compare(v, w) != strings.Compare(a, b) {
			t.Fatalf("%q and %q compare as %d", a, b, words.Compare(v, w))
		}
		if found, ok := words.Find(a); !ok || found != v {
			t.Fatalf("%q is not found", a)
		}
	})
	if _, ok := words.Find("a string that nobody has used"); ok {
		t.Error("found what was never kept")
	}
}

func TestHashWord(t *testing.T) {
	words := evidence.NewWords()
	rapid.Check(t, func(t *rapid.T) {
		w := evidence.HashWord(rapid.Uint64().Draw(t, "hash"))
		s := words.Text(w)
		if len(s) != 15 || strings.Trim(s, "0123456789abcdef") != "" || s[0] < 'a' {
			t.Fatalf("%q", s)
		}
		if words.OfString(s) != w {
			t.Fatalf("%q reads as another word", s)
		}
	})
}

func TestLastFour(t *testing.T) {
	words := evidence.NewWords()
	for s, want := range map[string]int{"622202******0034": 34, "622202*9999": 9999, "622202": -1, "****1234": -1, "": -1} {
		got, ok := evidence.LastFour(words.OfString(s))
		if ok != (want >= 0) || ok && int(got) != want {
			t.Errorf("%s: %d, %v", s, got, ok)
		}
	}
}

// TestWordsTogether fills one Words from several goroutines: each string gets
// one Word, whoever comes first.
func TestWordsTogether(t *testing.T) {
	words := evidence.NewWords()
	const n = 20_000
	var got [4][n]evidence.Word
	text := func(i int) string {
		return strings.Repeat("payout ", i%40) + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
	}
	var wg sync.WaitGroup
	for g := range got {
		wg.Go(func() {
			for i := range n {
				at := (i*7919 + g*5000) % n
				got[g][at] = words.OfString(text(at % 2000))
				words.Text(got[g][at])
			}
		})
	}
	wg.Wait()
	for i := range n {
		for g := range got {
			if got[g][i] != got[0][i%2000] {
				t.Fatalf("string %d has two words", i)
			}
		}
		if words.Text(got[0][i]) != text(i%2000) {
			t.Fatalf("string %d is another", i)
		}
	}
}

func FuzzWords(f *testing.F) {
	for _, s := range []string{"", "0", "000123", "898310058120001", "9999999999999999", "99999999999999999", "T1000001", "A-_z", "abcdef012345678", "622202******1234", "P20260303-1", "花店", "\xff"} {
		f.Add(s, s+"0")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		words := evidence.NewWords()
		v, w := words.OfString(a), words.OfString(b)
		if words.Text(v) != a || words.Text(w) != b || (v == w) != (a == b) {
			t.Fatalf("%q is %#x %q, %q is %#x %q", a, v, words.Text(v), b, w, words.Text(w))
		}
		if words.Compare(v, w) != strings.Compare(a, b) {
			t.Fatalf("%q and %q compare as %d", a, b, words.Compare(v, w))
		}
	})
}
