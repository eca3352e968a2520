package desk_test

import (
	"slices"
	"testing"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/desk"
	"daozhang/internal/money"
)

var (
	shanghai, _ = time.LoadLocation("Asia/Shanghai")
	cny         = currency("CNY")
	china, _    = calendar.Builtin("CN")
)

func currency(code string) money.Currency {
	c, err := money.ParseCurrency(code)
	if err != nil {
		panic(err)
	}
	return c
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	v, err := time.ParseInLocation("2006-01-02 15:04", s, shanghai)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestAge counts bank days, not hours: over the Spring Festival of 2026 (15 to 23
// February, with work on the 14th and the 28th) nothing gets older.
func TestAge(t *testing.T) {
	for _, c := range []struct {
		promised, now string
		want          int
	}{
		{"2026-03-04 18:00", "2026-03-04 17:59", 0},
		{"2026-03-04 18:00", "2026-03-04 18:01", 0}, // late, and on the day itself
		{"2026-03-04 18:00", "2026-03-05 00:00", 1},
		{"2026-03-06 18:00", "2026-03-08 23:59", 0}, // over a weekend
		{"2026-03-06 18:00", "2026-03-09 00:01", 1},
		{"2026-02-13 18:00", "2026-02-14 09:00", 1}, // a Saturday on which banks work
		{"2026-02-14 18:00", "2026-02-23 23:00", 0},
		{"2026-02-14 18:00", "2026-02-24 09:00", 1},
		{"2026-03-04 18:00", "2026-03-18 09:00", 10},
	} {
		if got := desk.Age(at(t, c.promised), at(t, c.now), china, shanghai); got != c.want {
			t.Errorf("promised %s, on %s: %d bank days, want %d", c.promised, c.now, got, c.want)
		}
	}
	if desk.Age(time.Time{}, at(t, "2026-03-04 18:00"), china, shanghai) != 0 {
		t.Error("what is not promised is never late")
	}
}

func TestBands(t *testing.T) {
	seen := map[desk.Band]bool{}
	for age := 0; age < 20; age++ {
		b := desk.BandOf(age)
		seen[b] = true
		if again, ok := desk.ParseBand(b.String()); !ok || again != b || desk.BandText(b).ZH == "" {
			t.Errorf("band of %d: %s", age, b)
		}
		if age > 0 && b < desk.BandOf(age-1) {
			t.Errorf("%d lies in a younger band than %d", age, age-1)
		}
	}
	if len(seen) != int(desk.Bands) {
		t.Errorf("%d bands were met", len(seen))
	}
}

func TestKeys(t *testing.T) {
	k := desk.Key{MID: "898310058120001", Kind: desk.OnException, Ref: "0198c0de-0000-7000-8000-000000000001"}
	if got, err := desk.ParseKey(k.String()); err != nil || got != k {
		t.Errorf("%v, %v", got, err)
	}
	for _, s := range []string{"", "x", "898310058120001.payment", "898310058120001.payment.", ".payment.x", "898310058120001.person.x"} {
		if _, err := desk.ParseKey(s); err == nil {
			t.Errorf("%q was taken for an item", s)
		}
	}
}

// TestRank holds candidates against what a person would say of them.
func TestRank(t *testing.T) {
	noon := at(t, "2026-03-03 12:30")
	subject := desk.Side{Ref: "M1.exception.1", What: "clearing_long", MID: "M1", Amount: 12800, Currency: cny, Time: noon, TID: "T1", Tail: "1234", Refs: []string{"606212000107"}}
	with := func(ref string, change func(*desk.Side)) desk.Side {
		s := desk.Side{Ref: ref, What: "payment", MID: "M1", Amount: 12800, Currency: cny, Time: noon}
		change(&s)
		return s
	}
	list := []desk.Side{
		with("same reference", func(s *desk.Side) { s.Refs = []string{"606212000107"} }),
		with("same terminal and card", func(s *desk.Side) { s.TID, s.Tail = "T1", "1234" }),
		with("same amount, next bank day", func(s *desk.Side) { s.Time = at(t, "2026-03-04 12:30") }),
		with("trace number of the reference", func(s *desk.Side) { s.Refs, s.Amount = []string{"000107"}, 12723 }),
		with("another merchant", func(s *desk.Side) { s.MID, s.Time = "M2", at(t, "2026-03-10 09:00") }),
		with("another amount and day", func(s *desk.Side) { s.Amount, s.Time = 5000, at(t, "2026-03-09 12:00") }),
		with("other currency", func(s *desk.Side) { s.Currency, s.Refs = currency("USD"), []string{"606212000107"} }),
		with("M1.exception.1", func(*desk.Side) {}),
	}
	got := desk.Rank(subject, list, china, shanghai)
	var order []string
	for _, c := range got {
		order = append(order, c.Ref)
		sum := 0
		for _, r := range c.Reasons {
			sum += r.Points
			if r.Word.Text().ZH == string(r.Word) {
				t.Errorf("%s: %s has no words", c.Ref, r.Word)
			}
		}
		if c.Score != min(sum, 100) {
			t.Errorf("%s: %d points of reasons make a score of %d", c.Ref, sum, c.Score)
		}
	}
	want := []string{"same reference", "same terminal and card", "trace number of the reference", "same amount, next bank day"}
	if !slices.Equal(order, want) {
		t.Errorf("%q, want %q", order, want)
	}
	// The order of the list decides nothing.
	slices.Reverse(list)
	var again []string
	for _, c := range desk.Rank(subject, list, china, shanghai) {
		again = append(again, c.Ref)
	}
	if !slices.Equal(order, again) {
		t.Errorf("%q in another order", again)
	}
}

func TestCheckers(t *testing.T) {
	p := desk.DefaultPolicy()
	for amount, want := range map[int64]int{0: 1, 1: 1, 100_000_00: 1, 100_000_01: 2, -100_000_01: 2} {
		if got := p.Checkers(amount); got != want {
			t.Errorf("%d: %d checkers, want %d", amount, got, want)
		}
	}
}

// TestWords: whatever is shown has words in both languages.
func TestWords(t *testing.T) {
	for _, a := range desk.Acts {
		if w := a.Text(); w.ZH == string(a) || w.EN == "" {
			t.Errorf("act %s", a)
		}
	}
	for _, m := range desk.Motions {
		if w := m.Text(); w.ZH == string(m) {
			t.Errorf("motion %s", m)
		}
	}
	for _, i := range desk.Inboxes {
		if w := i.Text(); w.ZH == string(i) {
			t.Errorf("inbox %s", i)
		}
	}
}
