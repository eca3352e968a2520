package terms_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

// agreed are the terms from which a history is made.
type agreed struct {
	cycle    string
	cutoff   string
	zone     string
	calendar string
	currency string
	fees     string
}

// book reads facts given as NDJSON data of merchant.terms and calendar.holiday.
func book(t fataler, facts ...string) (*terms.Book, *evidence.Set) {
	t.Helper()
	set := evidence.NewSet()
	var lines []byte
	for i, f := range facts {
		typ := "merchant.terms"
		if f[1] == 'H' {
			typ, f = "calendar.holiday", "{"+f[2:]
		}
		lines = append(lines, fmt.Sprintf(`{"specversion":"1.0","id":"e%d","source":"institution","type":"daozhang.%s","time":"2000-01-01T00:00:00+08:00","data":%s}`+"\n", i, typ, f)...)
	}
	read(t, set, lines)
	set.Unify()
	return terms.Read(set.Known(evidence.InstantOf(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)))), set
}

// fataler is a *testing.T or a *rapid.T.
type fataler interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// sale is one sale at a time, of an amount.
type sale struct {
	at      time.Time
	amount  int64
	card    evidence.CardType
	network string
}

// settle gives what a history under these terms looks like.
func (a agreed) settle(t fataler, sales []sale) []terms.Settled {
	t.Helper()
	data := fmt.Sprintf(`{"mid":"M1","cycle":%q,"timezone":%q,"calendar":%q,"fees":%s`, a.cycle, a.zone, a.calendar, a.fees)
	if a.cutoff != "" {
		data += fmt.Sprintf(`,"cutoff":%q`, a.cutoff)
	}
	b, set := book(t, data+"}")
	mid, _ := set.Words.Find("M1")
	if len(b.Problems) > 0 {
		t.Fatal(b.Problems[0].Why)
	}
	currency, _ := money.ParseCurrency(a.currency)
	var history []terms.Settled
	for _, s := range sales {
		at := evidence.InstantOf(s.at)
		_, offset := s.at.Zone()
		stated := b.At(mid, at, 0)
		fee, known := stated.Fee(s.amount, s.card, s.network)
		due := stated.Due(at, at, stated.BusinessDate(at), false)
		history = append(history, terms.Settled{
			Captured: at, Offset: int16(offset / 60), Date: due.Day, Currency: currency,
			Amount: s.amount, Fee: fee, HasFee: known, CardType: s.card, Network: s.network,
		})
	}
	return history
}

// weeks gives sales of four weeks at these minutes of each day.
func weeks(zone string, minutes ...int) []sale {
	loc, err := calendar.Location(zone)
	if err != nil {
		panic(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	var sales []sale
	for day := range 28 {
		for _, minute := range minutes {
			sales = append(sales, sale{
				at:     time.Date(2026, 3, 2+day, 0, minute, random.IntN(60), 0, loc),
				amount: 100 + random.Int64N(500000), card: evidence.CardType(1 + random.IntN(2)), network: []string{"UnionPay", "Visa"}[random.IntN(2)],
			})
		}
	}
	return sales
}

// show writes what was inferred.
func show(t *terms.Terms) string {
	kind := "T"
	if t.CalendarDays {
		kind = "D"
	}
	out := fmt.Sprintf("%s%d %02d:%02d %s %s", kind, t.Days, t.Cutoff/60, t.Cutoff%60, t.Zone, t.Calendar.Name())
	if t.FeeMode == terms.FeePassthrough {
		return out + " passthrough"
	}
	for _, f := range t.Fees {
		out += fmt.Sprintf(" [%s+%d≤%d %s %s]", f.Rate, f.Fixed, f.Cap, f.CardType, f.Network)
	}
	return out
}

func TestInfer(t *testing.T) {
	day := []int{540, 700, 790, 1125, 1290}
	for name, tc := range map[string]struct {
		agreed  agreed
		minutes []int
		want    string
	}{
		"next business day":              {agreed{"T1", "", "Asia/Shanghai", "CN", "CNY", `[{"bps":38}]`}, day, "T1 24:00 Asia/Shanghai CN [38+0≤0  ]"},
		"next calendar day":              {agreed{"D1", "", "Asia/Shanghai", "CN", "CNY", `[{"bps":60}]`}, day, "D1 24:00 Asia/Shanghai CN [60+0≤0  ]"},
		"within minutes":                 {agreed{"T0", "", "Asia/Shanghai", "CN", "CNY", `[{"bps":60}]`}, day, "T0 24:00 Asia/Shanghai CN [60+0≤0  ]"},
		"any day at once":                {agreed{"D0", "", "Asia/Shanghai", "CN", "CNY", `[{"bps":60}]`}, day, "D0 24:00 Asia/Shanghai CN [60+0≤0  ]"},
		"cut-off":                        {agreed{"T1", "23:00", "Asia/Shanghai", "CN", "CNY", `[{"bps":38}]`}, append(day, 1370, 1385, 1420), "T1 23:00 Asia/Shanghai CN [38+0≤0  ]"},
		"odd cut-off":                    {agreed{"T1", "22:45", "Asia/Shanghai", "CN", "CNY", `[{"bps":38}]`}, append(day, 1345, 1420), "T1 22:30 Asia/Shanghai CN [38+0≤0  ]"},
		"sales from the cut-off on":      {agreed{"T1", "21:30", "Asia/Shanghai", "CN", "CNY", `[{"bps":38}]`}, append(day, 1300, 1380), "T1 21:30 Asia/Shanghai CN [38+0≤0  ]"},
		"nobody sells after the cut-off": {agreed{"T1", "23:00", "Asia/Shanghai", "CN", "CNY", `[{"bps":38}]`}, day, "T1 24:00 Asia/Shanghai CN [38+0≤0  ]"},
		"at once with a cut-off":         {agreed{"T0", "20:00", "Asia/Shanghai", "CN", "CNY", `[{"bps":38}]`}, append(day, 1195), "T0 20:00 Asia/Shanghai CN [38+0≤0  ]"},
		"a week":                         {agreed{"D7", "", "Asia/Shanghai", "CN", "CNY", `[{"bps":38}]`}, day, "D7 24:00 Asia/Shanghai CN [38+0≤0  ]"},
		"two business days":              {agreed{"T2", "", "Europe/Berlin", "TARGET2", "EUR", `[{"bps":140,"fixed":25}]`}, day, "T2 24:00 Europe/Berlin TARGET2 [140+25≤0  ]"},
		"cap of debit cards":             {agreed{"T1", "", "Asia/Shanghai", "CN", "CNY", `[{"bps":52,"cap":1800,"card_type":"debit"},{"bps":60,"card_type":"credit"}]`}, day, "T1 24:00 Asia/Shanghai CN [52+0≤1800 debit ] [60+0≤0 credit ]"},
		"by network":                     {agreed{"T1", "", "Asia/Shanghai", "CN", "CNY", `[{"bps":55.5,"network":"UnionPay"},{"bps":290,"fixed":30,"network":"Visa"}]`}, day, "T1 24:00 Asia/Shanghai CN [55.5+0≤0  UnionPay] [290+30≤0  Visa]"},
		"by both":                        {agreed{"T1", "", "Asia/Shanghai", "CN", "CNY", `[{"bps":10,"network":"UnionPay","card_type":"debit"},{"bps":20,"network":"UnionPay","card_type":"credit"},{"bps":30,"network":"Visa","card_type":"debit"},{"bps":50,"network":"Visa","card_type":"credit"}]`}, day, "T1 24:00 Asia/Shanghai CN [10+0≤0 debit UnionPay] [20+0≤0 credit UnionPay] [30+0≤0 debit Visa] [50+0≤0 credit Visa]"},
		"fixed fee":                      {agreed{"T1", "", "Asia/Shanghai", "CN", "CNY", `[{"bps":0,"fixed":10}]`}, day, "T1 24:00 Asia/Shanghai CN [0+10≤0  ]"},
		"no fee":                         {agreed{"T1", "", "Asia/Shanghai", "CN", "CNY", `[]`}, day, "T1 24:00 Asia/Shanghai CN passthrough"},
		"dollars":                        {agreed{"T1", "", "UTC", "WEEKEND", "USD", `[{"bps":290,"fixed":30}]`}, day, "T1 24:00 UTC WEEKEND [290+30≤0  ]"},
	} {
		t.Run(name, func(t *testing.T) {
			history := tc.agreed.settle(t, weeks(tc.agreed.zone, tc.minutes...))
			b, _ := book(t)
			got := b.Infer(0, history)
			if got == nil {
				t.Fatal("nothing inferred")
			}
			if got.Stated {
				t.Error("what is inferred is called stated")
			}
			if show(got) != tc.want {
				t.Errorf("got  %s\nwant %s", show(got), tc.want)
			}
			slices.Reverse(history)
			if again := b.Infer(0, history); show(again) != show(got) {
				t.Errorf("in reverse: %s", show(again))
			}
		})
	}
}

func TestInferTooLittle(t *testing.T) {
	history := agreed{"D3", "", "Asia/Shanghai", "CN", "CNY", `[{"bps":38}]`}.settle(t, weeks("Asia/Shanghai", 600))
	b, _ := book(t)
	if got := b.Infer(0, history[:4]); got != nil {
		t.Errorf("inferred %s from four sales", show(got))
	}
	if got := b.Infer(0, history[:5]); got == nil || !got.CalendarDays || got.Days != 3 {
		t.Errorf("inferred %v from five sales", got)
	}
}

// Some sales that came late or were charged otherwise do not hide what is usual.
func TestInferDespiteNoise(t *testing.T) {
	a := agreed{"T1", "23:00", "Asia/Shanghai", "CN", "CNY", `[{"bps":38}]`}
	history := a.settle(t, weeks("Asia/Shanghai", 540, 700, 790, 1125, 1290, 1370, 1400, 1430))
	for i := range history {
		if i%25 == 7 {
			history[i].Date++
			history[i].Fee += 3
		}
	}
	b, _ := book(t)
	if got, want := show(b.Infer(0, history)), "T1 23:00 Asia/Shanghai CN [38+0≤0  ]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A merchant paid every Friday has no cycle of days: nothing is called late that
// came as it usually does.
func TestInferWithoutCycle(t *testing.T) {
	history := agreed{"T1", "", "Asia/Shanghai", "CN", "CNY", `[]`}.settle(t, weeks("Asia/Shanghai", 600, 900))
	for i := range history {
		day := calendar.DateIn(history[i].Captured.In(time.UTC), time.UTC).Add(1)
		for day.Weekday() != time.Friday {
			day = day.Add(1)
		}
		history[i].Date = day
	}
	b, _ := book(t)
	got := b.Infer(0, history)
	for _, s := range history {
		due := got.Due(s.Captured, s.Captured, got.BusinessDate(s.Captured), false)
		if due.Day < s.Date {
			t.Errorf("%s is due on %s and came on %s", s.Captured.In(time.UTC), due.Day, s.Date)
		}
	}
}

// Whatever was agreed is recovered from the history that it made, as far as the
// history shows it: the inferred terms settle every sale on the same day for the
// same fee.
func TestInferRecoversWhatWasAgreed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		place := rapid.SampledFrom([][3]string{{"Asia/Shanghai", "CN", "CNY"}, {"Europe/Berlin", "TARGET2", "EUR"}, {"UTC", "WEEKEND", "USD"}}).Draw(t, "place")
		rule := func(card, network string) string {
			s := fmt.Sprintf(`{"bps":%s`, rapid.SampledFrom([]string{"10", "38", "52", "55.5", "60", "125", "290"}).Draw(t, "bps"))
			if rapid.Bool().Draw(t, "has fixed") {
				s += fmt.Sprintf(`,"fixed":%d`, rapid.SampledFrom([]int{1, 5, 10, 25, 30, 35, 100}).Draw(t, "fixed"))
			}
			if rapid.Bool().Draw(t, "has cap") {
				s += fmt.Sprintf(`,"cap":%d`, rapid.SampledFrom([]int{500, 1800, 2000, 3500}).Draw(t, "cap"))
			}
			if card != "" {
				s += fmt.Sprintf(`,"card_type":%q`, card)
			}
			if network != "" {
				s += fmt.Sprintf(`,"network":%q`, network)
			}
			return s + "}"
		}
		// A cap that was met once or twice cannot be told from a mistake.
		capped := false
		fees := "[]"
		switch rapid.IntRange(0, 4).Draw(t, "fees") {
		case 1:
			fees = "[" + rule("", "") + "]"
		case 2:
			fees = "[" + rule("debit", "") + "," + rule("credit", "") + "]"
		case 3:
			fees = "[" + rule("", "UnionPay") + "," + rule("", "Visa") + "]"
		case 4:
			fees = "[" + rule("debit", "UnionPay") + "," + rule("credit", "UnionPay") + "," + rule("debit", "Visa") + "," + rule("credit", "Visa") + "]"
		}
		a := agreed{
			cycle:  rapid.SampledFrom([]string{"T0", "T1", "T1", "T2", "T3", "T5", "D0", "D1", "D2", "D7", "D14"}).Draw(t, "cycle"),
			cutoff: rapid.SampledFrom([]string{"", "", "12:00", "18:30", "22:00", "23:00", "23:30"}).Draw(t, "cutoff"),
			zone:   place[0], calendar: place[1], currency: place[2], fees: fees,
		}
		capped = strings.Contains(fees, "cap")
		minutes := rapid.SliceOfN(rapid.IntRange(0, 1439), 4, 10).Draw(t, "minutes")
		sales := weeks(a.zone, minutes...)
		from := rapid.IntRange(0, 400).Draw(t, "from")
		for i := range sales {
			sales[i].at = sales[i].at.AddDate(0, 0, from)
		}
		history := a.settle(t, sales)
		b, _ := book(t)
		got := b.Infer(0, rapid.Permutation(history).Draw(t, "order"))
		for _, s := range history {
			due := got.Due(s.Captured, s.Captured, got.BusinessDate(s.Captured), false)
			if due.Day != s.Date {
				t.Fatalf("%+v: inferred %s; the sale at %s settled on %s, not %s", a, show(got), s.Captured.In(got.Zone), s.Date, due.Day)
			}
		}
		wrong := 0
		for _, s := range history {
			if fee, known := got.Fee(s.Amount, s.CardType, s.Network); known && fee != s.Fee {
				wrong++
			}
		}
		if wrong*20 > len(history) || fees != "[]" && !capped && got.FeeMode == terms.FeePassthrough {
			t.Fatalf("%+v: inferred %s; %d of %d fees are not met", a, show(got), wrong, len(history))
		}
	})
}
