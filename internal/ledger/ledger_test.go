package ledger_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"daozhang/internal/calendar"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
)

var (
	cny   = money.Currency{'C', 'N', 'Y'}
	eur   = money.Currency{'E', 'U', 'R'}
	begin = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	day   = calendar.MustYMD(2026, 3, 2)
)

const mid = "898310058120001"

// sale is an approved sale, captured at once.
func sale(key string, amount int64) ledger.Transfer {
	payment := uuid.NewSHA1(uuid.NameSpaceOID, []byte(key))
	return ledger.Transfer{ID: ledger.IDFor(payment, key), Key: key, Merchant: mid, Currency: cny, Debit: ledger.NetworkReceivable,
		Credit: ledger.MerchantPending, Amount: amount, At: begin, Date: day, Payment: payment, Reason: ledger.ReasonCapture}
}

// preauth is an open authorization.
func preauth(key string, amount int64) ledger.Transfer {
	t := sale(key, amount)
	t.Debit, t.Credit, t.Phase, t.Reason = ledger.Authorized, ledger.AuthorizedContra, ledger.Pending, ledger.ReasonAuthorize
	return t
}

func TestPreauthorizationIsCompletedInPart(t *testing.T) {
	b := ledger.NewBook()
	p := preauth("p1", 50000)
	apply(t, b, p)
	if got := b.Standing(mid).Balance(cny, ledger.Authorized); got != (ledger.Balance{PendingDebits: 50000}) {
		t.Errorf("reserved: %+v", got)
	}
	capture := sale("c1", 31200)
	capture.Reason = ledger.ReasonCompletion
	apply(t, b, p.PostOf("p1/post", 31200, begin.Add(time.Hour)), capture)
	if got := b.Standing(mid).Balance(cny, ledger.Authorized); got != (ledger.Balance{Debits: 31200}) {
		t.Errorf("after the completion: %+v", got)
	}
	if got := b.Standing(mid).Balance(cny, ledger.MerchantPending).On(ledger.Credit); got != 31200 {
		t.Errorf("owed to the merchant: %d", got)
	}
	if n := len(b.Standing(mid).Open()); n != 0 {
		t.Errorf("%d reservations are open", n)
	}
	// Both ways of finishing it again are refused, and say so.
	for _, again := range []ledger.Transfer{p.PostOf("p1/again", 1, begin), p.VoidOf("p1/void", begin)} {
		if _, err := b.Apply(again); !errors.Is(err, ledger.ErrFinished) || fault.KindOf(err) != fault.Conflict {
			t.Errorf("%s: %v", again.Key, err)
		}
	}
	// As of half an hour after it, it was still reserved.
	lines := b.AsOf(mid, begin.Add(30*time.Minute))
	want := "authorized {0 0 50000 0}; authorized_contra {0 0 0 50000}; network_receivable {31200 0 0 0}; merchant_pending {0 31200 0 0}"
	if got := show(lines); !sameLines(got, want) {
		t.Errorf("as of: %s", got)
	}
}

func show(lines []ledger.Line) string {
	var parts []string
	for _, l := range lines {
		parts = append(parts, fmt.Sprintf("%v %v", l.Name, l.Balance))
	}
	return strings.Join(parts, "; ")
}

func sameLines(a, b string) bool {
	x, y := strings.Split(a, "; "), strings.Split(b, "; ")
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

func apply(t testing.TB, b *ledger.Book, ts ...ledger.Transfer) []ledger.Entry {
	t.Helper()
	entries, err := b.Apply(ts...)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func TestKeysHaveOneEffect(t *testing.T) {
	b := ledger.NewBook()
	first := apply(t, b, sale("k", 100))
	later := sale("k", 100)
	later.ID, later.At = uuid.New(), begin.Add(time.Minute)
	again := apply(t, b, later, later)
	if again[0] != first[0] || again[1] != first[0] {
		t.Errorf("a repetition gave another entry: %+v", again)
	}
	other := sale("k", 101)
	if _, err := b.Apply(other); !errors.Is(err, ledger.ErrKeyReused) || fault.KindOf(err) != fault.Conflict {
		t.Errorf("another content under the same key: %v", err)
	}
	if got := b.Standing(mid).Balance(cny, ledger.MerchantPending).Credits; got != 100 {
		t.Errorf("the merchant is owed %d", got)
	}
	elsewhere := sale("k", 7)
	elsewhere.Merchant = "898310058120002"
	apply(t, b, elsewhere) // a key is a merchant's own
	if e, ok := b.Lookup("898310058120002", "k"); !ok || e.Amount != 7 || e.Seq != 1 {
		t.Errorf("look-up: %+v, %v", e, ok)
	}
	if got := b.Merchants(); len(got) != 2 {
		t.Errorf("merchants: %v", got)
	}
}

func TestRefused(t *testing.T) {
	change := func(f func(*ledger.Transfer)) ledger.Transfer {
		x := sale("x", 100)
		f(&x)
		return x
	}
	p := preauth("open", 1000)
	for _, c := range []struct {
		name string
		t    ledger.Transfer
		want error
	}{
		{"no identifier", change(func(t *ledger.Transfer) { t.ID = uuid.Nil }), ledger.ErrInvalid},
		{"no key", change(func(t *ledger.Transfer) { t.Key = "" }), ledger.ErrInvalid},
		{"long key", change(func(t *ledger.Transfer) { t.Key = strings.Repeat("k", 129) }), ledger.ErrInvalid},
		{"key with a control character", change(func(t *ledger.Transfer) { t.Key = "a\nb" }), ledger.ErrInvalid},
		{"no merchant", change(func(t *ledger.Transfer) { t.Merchant = "" }), ledger.ErrInvalid},
		{"no currency", change(func(t *ledger.Transfer) { t.Currency = money.Currency{} }), ledger.ErrInvalid},
		{"no debit", change(func(t *ledger.Transfer) { t.Debit = ledger.NoName }), ledger.ErrInvalid},
		{"unknown credit", change(func(t *ledger.Transfer) { t.Credit = 200 }), ledger.ErrInvalid},
		{"one account", change(func(t *ledger.Transfer) { t.Credit = t.Debit }), ledger.ErrInvalid},
		{"memo against money", change(func(t *ledger.Transfer) { t.Credit = ledger.AuthorizedContra }), ledger.ErrInvalid},
		{"nothing", change(func(t *ledger.Transfer) { t.Amount = 0 }), ledger.ErrInvalid},
		{"less than nothing", change(func(t *ledger.Transfer) { t.Amount = -1 }), ledger.ErrInvalid},
		{"unknown phase", change(func(t *ledger.Transfer) { t.Phase = 9 }), ledger.ErrInvalid},
		{"posted that names another", change(func(t *ledger.Transfer) { t.Of = uuid.New() }), ledger.ErrInvalid},
		{"post of none", change(func(t *ledger.Transfer) { t.Phase = ledger.Post }), ledger.ErrInvalid},
		{"no time", change(func(t *ledger.Transfer) { t.At = time.Time{} }), ledger.ErrInvalid},
		{"no date", change(func(t *ledger.Transfer) { t.Date = calendar.None }), ledger.ErrInvalid},
		{"reason of two words", change(func(t *ledger.Transfer) { t.Reason = "two words" }), ledger.ErrInvalid},
		{"post of an unknown", change(func(t *ledger.Transfer) { t.Phase, t.Of = ledger.Post, uuid.New() }), ledger.ErrNotPending},
		{"post of more", p.PostOf("more", 1001, begin), ledger.ErrExceedsPending},
		{"void of a part", func() ledger.Transfer { v := p.VoidOf("part", begin); v.Amount = 1; return v }(), ledger.ErrExceedsPending},
		{"post to other accounts", func() ledger.Transfer {
			v := p.PostOf("other", 1, begin)
			v.Debit, v.Credit = v.Credit, v.Debit
			return v
		}(), ledger.ErrInvalid},
		{"pending twice", func() ledger.Transfer { v := p; v.Key = "open2"; return v }(), ledger.ErrInvalid},
		{"release of what is not held", change(func(t *ledger.Transfer) { t.Debit = ledger.MerchantHeld }), ledger.ErrOverdrawn},
		{"confirmation of a payout that was not ordered", change(func(t *ledger.Transfer) {
			t.Debit, t.Credit = ledger.PayoutInTransit, ledger.MerchantPaid
		}), ledger.ErrOverdrawn},
		{"too much", change(func(t *ledger.Transfer) { t.Amount = math.MaxInt64 }), ledger.ErrOverflow},
		{"too much reserved", change(func(t *ledger.Transfer) { t.Amount, t.Phase = math.MaxInt64, ledger.Pending }), ledger.ErrOverflow},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := ledger.NewBook()
			apply(t, b, sale("before", 1), p)
			before := show(b.Standing(mid).Lines())
			head := b.Standing(mid).Head()
			// A good one before it in the same call must not stay.
			_, err := b.Apply(sale("good", 5), c.t)
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if k := fault.KindOf(err); k != fault.Invalid && k != fault.Conflict && k != fault.NotFound {
				t.Errorf("kind %v", k)
			}
			if got := show(b.Standing(mid).Lines()); got != before || b.Standing(mid).Head() != head {
				t.Errorf("something stayed: %s, was %s", got, before)
			}
			if n := len(b.Standing(mid).Open()); n != 1 {
				t.Errorf("%d reservations are open", n)
			}
		})
	}
}

func TestVerifyNamesTheFirstBrokenLink(t *testing.T) {
	b := ledger.NewBook()
	for i := range 6 {
		apply(t, b, sale(fmt.Sprint("k", i), int64(100+i)))
	}
	good := b.Entries(mid)
	for _, c := range []struct {
		name string
		do   func([]ledger.Entry) []ledger.Entry
		seq  int64
		why  string
	}{
		{"amount", func(e []ledger.Entry) []ledger.Entry { e[2].Amount++; return e }, 3, "changed"},
		{"account", func(e []ledger.Entry) []ledger.Entry { e[2].Credit = ledger.FeeIncome; return e }, 3, "changed"},
		{"time", func(e []ledger.Entry) []ledger.Entry { e[0].At = e[0].At.Add(time.Microsecond); return e }, 1, "changed"},
		{"hash", func(e []ledger.Entry) []ledger.Entry { e[4].Hash[0]++; return e }, 5, "changed"},
		{"missing", func(e []ledger.Entry) []ledger.Entry { return slices.Delete(e, 3, 4) }, 4, "missing"},
		{"missing at the beginning", func(e []ledger.Entry) []ledger.Entry { return e[1:] }, 1, "missing"},
		{"twice", func(e []ledger.Entry) []ledger.Entry { return slices.Insert(e, 2, e[1]) }, 2, "twice"},
		{"exchanged", func(e []ledger.Entry) []ledger.Entry { e[1], e[2] = e[2], e[1]; return e }, 2, "missing"},
		{"another merchant", func(e []ledger.Entry) []ledger.Entry { e[1].Merchant = "other"; return e }, 2, "other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := verify(c.do(slices.Clone(good)))
			var broken *ledger.BrokenLink
			if !errors.As(err, &broken) || broken.Seq != c.seq || broken.Merchant != mid || !strings.Contains(broken.Why, c.why) {
				t.Errorf("got %v", err)
			}
		})
	}
	s, err := verify(good)
	if err != nil || s.Head() != b.Standing(mid).Head() {
		t.Errorf("the whole chain: %v", err)
	}
}

func verify(entries []ledger.Entry) (*ledger.Standing, error) {
	return ledger.Verify(mid, func(yield func(ledger.Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	})
}

func TestVerifierFindsWhatIsRecordedWrongly(t *testing.T) {
	b := ledger.NewBook()
	p := preauth("p", 10)
	apply(t, b, sale("a", 1), sale("b", 2), p)
	lines, open, head := b.Standing(mid).Lines(), b.Standing(mid).Open(), b.Standing(mid).Head()
	end := func(head ledger.Head, lines []ledger.Line, open []ledger.Transfer, n int) error {
		v := ledger.NewVerifier(mid)
		for i := range b.Entries(mid)[:n] {
			if err := v.Next(&b.Entries(mid)[i]); err != nil {
				t.Fatal(err)
			}
		}
		return v.End(ledger.Restore(head, lines, open))
	}
	if err := end(head, lines, open, 3); err != nil {
		t.Errorf("as recorded: %v", err)
	}
	if err := end(head, lines, open, 2); err == nil || !strings.Contains(err.Error(), "entry 3") {
		t.Errorf("the last entry is missing: %v", err)
	}
	short := head
	short.Seq--
	if err := end(short, lines, open, 3); err == nil || !strings.Contains(err.Error(), "entry 3") {
		t.Errorf("an entry beyond the end: %v", err)
	}
	wrong := slices.Clone(lines)
	wrong[0].Debits++
	if err := end(head, wrong, open, 3); err == nil || !strings.Contains(err.Error(), wrong[0].Account.String()) {
		t.Errorf("a wrong balance: %v", err)
	}
	if err := end(head, lines, nil, 3); err == nil {
		t.Error("a lost reservation was not found")
	}
	head.Hash[3]++
	if err := end(head, lines, open, 3); err == nil {
		t.Error("another hash at the end was not found")
	}
}

func TestChart(t *testing.T) {
	seen := map[string]bool{}
	for _, n := range ledger.Names() {
		if n.String() == "" || seen[n.String()] {
			t.Errorf("account %d has no name of its own", n)
		}
		seen[n.String()] = true
		if back, err := ledger.ParseName(n.String()); err != nil || back != n {
			t.Errorf("%v: %v, %v", n, back, err)
		}
	}
	for _, s := range []string{"", "cash"} {
		if _, err := ledger.ParseName(s); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v", s, err)
		}
	}
	for p := ledger.Posted; p <= ledger.Void; p++ {
		if back, ok := ledger.ParsePhase(p.String()); !ok || back != p {
			t.Errorf("phase %v", p)
		}
	}
}

// naive is the ledger as one would write it without thinking of speed or
// chains: a list of what happened, from which everything is added up again.
type naive struct{ all []ledger.Transfer }

func (n *naive) sum(m string, c money.Currency, a ledger.Name) (b ledger.Balance) {
	finished := map[uuid.UUID]bool{}
	for _, t := range n.all {
		if t.Of != uuid.Nil {
			finished[t.Of] = true
		}
	}
	for _, t := range n.all {
		if t.Merchant != m || t.Currency != c {
			continue
		}
		moves := t.Phase == ledger.Posted || t.Phase == ledger.Post
		waits := t.Phase == ledger.Pending && !finished[t.ID]
		if t.Debit == a && moves {
			b.Debits += t.Amount
		}
		if t.Credit == a && moves {
			b.Credits += t.Amount
		}
		if t.Debit == a && waits {
			b.PendingDebits += t.Amount
		}
		if t.Credit == a && waits {
			b.PendingCredits += t.Amount
		}
	}
	return b
}

// accepts says what the rules say, each by looking at everything.
func (n *naive) accepts(t ledger.Transfer) (known, ok bool) {
	for _, o := range n.all {
		if o.Merchant == t.Merchant && o.Key == t.Key {
			return true, o.Same(&t)
		}
	}
	if t.Phase == ledger.Post || t.Phase == ledger.Void {
		found := false
		for _, o := range n.all {
			if o.Of == t.Of {
				return false, false
			}
			if o.ID == t.Of && o.Phase == ledger.Pending && o.Merchant == t.Merchant && o.Currency == t.Currency &&
				o.Debit == t.Debit && o.Credit == t.Credit && t.Amount <= o.Amount && (t.Phase == ledger.Post || t.Amount == o.Amount) {
				found = true
			}
		}
		if !found {
			return false, false
		}
	}
	then := naive{append(slices.Clone(n.all), t)}
	for _, a := range []ledger.Name{ledger.MerchantHeld, ledger.PayoutInTransit} {
		if b := then.sum(t.Merchant, t.Currency, a); t.Debit == a && b.Credits-b.Debits-b.PendingDebits < 0 {
			return false, false
		}
	}
	return false, true
}

func TestAgainstANaiveModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, model := ledger.NewBook(), &naive{}
		merchants := []string{"m1", "m2"}
		accounts := []ledger.Name{ledger.NetworkReceivable, ledger.MerchantPending, ledger.MerchantHeld, ledger.PayoutInTransit}
		steps := rapid.IntRange(1, 60).Draw(t, "steps")
		for i := range steps {
			x := ledger.Transfer{
				Key:      fmt.Sprint("k", rapid.IntRange(0, 40).Draw(t, "key")),
				Merchant: rapid.SampledFrom(merchants).Draw(t, "merchant"), Currency: rapid.SampledFrom([]money.Currency{cny, eur}).Draw(t, "currency"),
				Debit: rapid.SampledFrom(accounts).Draw(t, "debit"), Amount: rapid.Int64Range(1, 5).Draw(t, "amount"),
				Phase: rapid.SampledFrom([]ledger.Phase{ledger.Posted, ledger.Posted, ledger.Pending}).Draw(t, "phase"),
				At:    begin.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "minute")) * time.Minute), Date: day, Reason: "test",
			}
			x.Credit = rapid.SampledFrom(accounts).Filter(func(n ledger.Name) bool { return n != x.Debit }).Draw(t, "credit")
			if len(model.all) > 0 && rapid.Bool().Draw(t, "finish") {
				of := rapid.SampledFrom(model.all).Draw(t, "of")
				x.Merchant, x.Currency, x.Debit, x.Credit, x.Of = of.Merchant, of.Currency, of.Debit, of.Credit, of.ID
				x.Phase = rapid.SampledFrom([]ledger.Phase{ledger.Post, ledger.Void}).Draw(t, "how")
				if x.Phase == ledger.Void && rapid.Bool().Draw(t, "whole") {
					x.Amount = of.Amount
				}
			}
			x.ID = uuid.NewSHA1(uuid.NameSpaceOID, []byte(fmt.Sprint(i)))
			known, ok := model.accepts(x)
			entries, err := b.Apply(x)
			if (err == nil) != ok {
				t.Fatalf("%+v: ledger says %v, model says %v", x, err, ok)
			}
			if ok && !known {
				model.all = append(model.all, entries[0].Transfer)
			}
			for _, m := range merchants {
				for _, c := range []money.Currency{cny, eur} {
					for _, a := range accounts {
						if got, want := b.Standing(m).Balance(c, a), model.sum(m, c, a); got != want {
							t.Fatalf("%s %v %v: %+v, want %+v", m, c, a, got, want)
						}
					}
				}
			}
		}
		trial, err := b.Trial()
		if err == nil {
			err = trial.Balanced()
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range b.Merchants() {
			s, err := ledger.Verify(m, func(yield func(ledger.Entry, error) bool) {
				for _, e := range b.Entries(m) {
					if !yield(e, nil) {
						return
					}
				}
			})
			if err != nil || s.Head() != b.Standing(m).Head() || show(s.Lines()) != show(b.Standing(m).Lines()) {
				t.Fatalf("%s: %v", m, err)
			}
			// As of the end of time the past is the present; as of any moment it balances.
			if got := show(b.AsOf(m, begin.Add(1000*time.Hour))); got != show(s.Lines()) {
				t.Fatalf("as of the end: %s, want %s", got, show(s.Lines()))
			}
			at := begin.Add(time.Duration(rapid.IntRange(0, 100).Draw(t, "as of")) * time.Minute)
			var past ledger.Trial
			for _, l := range b.AsOf(m, at) {
				if l.Debits < 0 || l.Credits < 0 || l.PendingDebits < 0 || l.PendingCredits < 0 {
					t.Fatalf("as of %v: %+v", at, l)
				}
				if err := past.Add(l); err != nil {
					t.Fatal(err)
				}
			}
			if err := past.Balanced(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestTrialFindsWhatDoesNotBalance(t *testing.T) {
	var trial ledger.Trial
	add := func(n ledger.Name, b ledger.Balance) {
		t.Helper()
		if err := trial.Add(ledger.Line{Account: ledger.Account{Merchant: mid, Currency: cny, Name: n}, Balance: b}); err != nil {
			t.Fatal(err)
		}
	}
	add(ledger.NetworkReceivable, ledger.Balance{Debits: 5})
	add(ledger.MerchantPending, ledger.Balance{Credits: 4})
	if err := trial.Balanced(); fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "CNY") {
		t.Errorf("got %v", err)
	}
	add(ledger.FeeIncome, ledger.Balance{Credits: 1})
	if err := trial.Balanced(); err != nil {
		t.Error(err)
	}
	err := trial.Add(ledger.Line{Account: ledger.Account{Merchant: mid, Currency: cny, Name: ledger.FeeIncome}, Balance: ledger.Balance{Credits: math.MaxInt64}})
	if !errors.Is(err, ledger.ErrOverflow) {
		t.Errorf("got %v", err)
	}
	if lines := trial.Lines(); len(lines) != 3 || lines[2].On(ledger.Credit) != 1 {
		t.Errorf("lines %v", lines)
	}
}

func TestAsOfDate(t *testing.T) {
	b := ledger.NewBook()
	late := sale("late", 7)
	late.Date = day.Add(1)
	apply(t, b, sale("early", 3), late)
	if got := show(b.AsOfDate(mid, day)); got != "network_receivable {3 0 0 0}; merchant_pending {0 3 0 0}" {
		t.Error(got)
	}
}
