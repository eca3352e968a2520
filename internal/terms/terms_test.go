package terms_test

import (
	"encoding/json"
	"fmt"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daozhang/internal/evidence"
)

func TestFee(t *testing.T) {
	agreed := of(t, `{"mid":"M1","fees":[{"bps":60},{"bps":50,"cap":1800,"card_type":"debit"},{"bps":290,"fixed":30,"network":"Visa"},{"bps":200,"card_type":"debit","network":"Visa"}]}`)
	for name, tc := range map[string]struct {
		amount  int64
		card    evidence.CardType
		network string
		want    int64
	}{
		"the rule for all":             {10000, evidence.Credit, "UnionPay", 60},
		"half a cent goes up":          {12583, evidence.Credit, "", 75}, // 75.498
		"exactly half":                 {1250, evidence.Credit, "", 8},   // 7.5
		"just under half":              {1249, evidence.Credit, "", 7},   // 7.494
		"a rule for the card type":     {10000, evidence.Debit, "UnionPay", 50},
		"capped":                       {1000000, evidence.Debit, "UnionPay", 1800},
		"a network goes before a type": {10000, evidence.Credit, "Visa", 320},
		"both go before all":           {10000, evidence.Debit, "Visa", 200},
		"never above the amount":       {10, evidence.Credit, "Visa", 10},
		"nothing of nothing":           {0, evidence.Credit, "UnionPay", 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got, known := agreed.Fee(tc.amount, tc.card, tc.network); got != tc.want || !known {
				t.Errorf("fee %d (known %v), want %d", got, known, tc.want)
			}
		})
	}
	if fee, known := of(t, `{"mid":"M1","fee_mode":"passthrough","fees":[{"bps":60}]}`).Fee(10000, evidence.Credit, ""); fee != 0 || known {
		t.Errorf("passthrough expects %d (%v)", fee, known)
	}
	if fee, known := of(t, `{"mid":"M1"}`).Fee(10000, evidence.Credit, ""); fee != 0 || !known {
		t.Errorf("terms without fees expect %d (%v)", fee, known)
	}
}

// Fees agree with exact arithmetic.
func TestFeeAgainstExactArithmetic(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type rule struct {
			BPS      json.Number `json:"bps"`
			Fixed    int64       `json:"fixed,omitempty"`
			Cap      int64       `json:"cap,omitempty"`
			CardType string      `json:"card_type,omitempty"`
			Network  string      `json:"network,omitempty"`
		}
		rules := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) rule {
			r := rule{
				Fixed: rapid.SampledFrom([]int64{0, 0, 1, 30, 1e15}).Draw(t, "fixed"), Cap: rapid.SampledFrom([]int64{0, 0, 1, 1800}).Draw(t, "cap"),
				CardType: rapid.SampledFrom([]string{"", "debit", "credit"}).Draw(t, "card"), Network: rapid.SampledFrom([]string{"", "UnionPay", "Visa"}).Draw(t, "network"),
			}
			r.BPS = json.Number(fmt.Sprintf("%d.%04d", rapid.IntRange(0, 1000).Draw(t, "bps"), rapid.IntRange(0, 9999).Draw(t, "decimals")))
			return r
		}), 0, 5).Draw(t, "rules")
		fees, _ := json.Marshal(rules)
		agreed := of(t, fmt.Sprintf(`{"mid":"M1","fees":%s}`, fees))
		amount := rapid.Int64Range(0, 1<<62).Draw(t, "amount")
		if rapid.Bool().Draw(t, "usual") {
			amount %= 10_000_000
		}
		card := rapid.SampledFrom([]string{"", "debit", "credit"}).Draw(t, "of card")
		network := rapid.SampledFrom([]string{"", "UnionPay", "Visa", "JCB"}).Draw(t, "of network")
		// The first of the most specific rules that concern it.
		best, rank := -1, -1
		for i, r := range rules {
			if r.CardType != "" && r.CardType != card || r.Network != "" && r.Network != network {
				continue
			}
			n := map[bool]int{true: 2}[r.Network != ""] + map[bool]int{true: 1}[r.CardType != ""]
			if n > rank {
				best, rank = i, n
			}
		}
		want := new(big.Int)
		if best >= 0 {
			r := rules[best]
			bps, _ := new(big.Rat).SetString(r.BPS.String())
			part := new(big.Rat).Mul(bps, new(big.Rat).SetFrac64(1, 10000))
			part.Mul(part, new(big.Rat).SetInt64(amount))
			part.Add(part, big.NewRat(1, 2)) // half up
			want.Quo(part.Num(), part.Denom())
			want.Add(want, big.NewInt(r.Fixed))
			if limit := big.NewInt(r.Cap); r.Cap > 0 && want.Cmp(limit) > 0 {
				want = limit
			}
			if whole := big.NewInt(amount); want.Cmp(whole) > 0 {
				want = whole
			}
		}
		of, _ := evidence.ParseCardType(card)
		if got, _ := agreed.Fee(amount, of, network); want.Cmp(big.NewInt(got)) != 0 {
			t.Fatalf("fee of %d: %d, want %s by %s", amount, got, want, fees)
		}
	})
}

// Of several terms the one with the latest valid_from not after the business date
// holds, by its own cut-off.
func TestBookAt(t *testing.T) {
	b, set := book(t,
		`{"mid":"M1","cycle":"T1","timezone":"Asia/Shanghai","valid_from":"2026-01-01"}`,
		`{"mid":"M1","cycle":"T2","timezone":"Asia/Shanghai","cutoff":"22:00","valid_from":"2026-03-05"}`,
		`{"mid":"M1","cycle":"D1","timezone":"Asia/Shanghai","valid_from":"2026-04-01"}`)
	mid, _ := set.Words.Find("M1")
	b.Prepare(mid, 480)
	for captured, want := range map[string]string{
		"2025-12-31T23:59:59+08:00": "assumed",
		"2026-01-01T00:00:00+08:00": "T1",
		"2026-03-04T21:59:59+08:00": "T1",
		"2026-03-04T22:00:01+08:00": "T2", // already the next business date by its cut-off
		"2026-03-05T10:00:00+08:00": "T2",
		"2026-03-31T22:00:01+08:00": "T2", // midnight is the cut-off of the next terms
		"2026-04-01T00:00:00+08:00": "D1",
		"2027-01-01T00:00:00+08:00": "D1",
	} {
		got := b.At(mid, instant(t, captured), 480)
		name := fmt.Sprintf("%s%d", map[bool]string{true: "D", false: "T"}[got.CalendarDays], got.Days)
		if !got.Stated {
			name = "assumed"
		}
		if name != want {
			t.Errorf("%s: %s, want %s", captured, name, want)
		}
	}
	other, _ := set.Words.Find("M2")
	if got := b.At(other, instant(t, "2026-03-05T10:00:00+08:00"), 60); got.Stated || got.Days != 1 || got.OffsetAt(0) != 3600 {
		t.Errorf("a merchant without terms: %+v", got)
	}
}

// Stated holidays override a calendar, also where only its default is used, and
// however its name is written.
func TestStatedHolidays(t *testing.T) {
	for name, tc := range map[string]struct{ terms, holidays, want string }{
		"a day off":           {`"calendar":"CN"`, `{H"calendar":"CN","date":"2026-03-03","what":"holiday"}`, "2026-03-04"},
		"a Saturday of work":  {`"calendar":"CN","valid_from":"2026-01-01"`, `{H"calendar":"CN","date":"2026-03-07","what":"workday"}`, "2026-03-03"},
		"the default":         {`"name":"x"`, `{H"calendar":"WEEKEND","date":"2026-03-03","what":"holiday"}`, "2026-03-04"},
		"another name":        {`"calendar":"T2"`, `{H"calendar":"TARGET2","date":"2026-03-03","what":"holiday"}`, "2026-03-04"},
		"small letters":       {`"calendar":"cn"`, `{H"calendar":"CN","date":"2026-03-03","what":"holiday"}`, "2026-03-04"},
		"another calendar":    {`"calendar":"TARGET2"`, `{H"calendar":"CN","date":"2026-03-03","what":"holiday"}`, "2026-03-03"},
		"a calendar of facts": {`"calendar":"SHOP"`, `{H"calendar":"SHOP","date":"2026-03-03","what":"holiday"}`, "2026-03-04"},
	} {
		t.Run(name, func(t *testing.T) {
			b, set := book(t, `{"mid":"M1","cycle":"T1","timezone":"Asia/Shanghai",`+tc.terms+`}`, tc.holidays)
			if len(b.Problems) > 0 {
				t.Fatal(b.Problems[0].Why)
			}
			mid, _ := set.Words.Find("M1")
			at := instant(t, "2026-03-02T10:00:00+08:00")
			got := b.At(mid, at, 480)
			if day := got.Due(at, at, got.BusinessDate(at), false).Day; day.String() != tc.want {
				t.Errorf("due on %s, want %s", day, tc.want)
			}
		})
	}
	b, set := book(t, `{"mid":"M2"}`, `{H"calendar":"WEEKEND","date":"2026-03-03","what":"holiday"}`)
	mid, _ := set.Words.Find("M1")
	b.Prepare(mid, 480)
	at := instant(t, "2026-03-02T10:00:00+08:00")
	if day := b.At(mid, at, 480).NextCycle(at).Day; day.String() != "2026-03-04" {
		t.Errorf("without terms: due on %s", day)
	}
}

// The zone of terms whose offset changes is asked for each moment.
func TestOffset(t *testing.T) {
	berlin := of(t, `{"mid":"M1","timezone":"Europe/Berlin"}`)
	for text, want := range map[string]int{"2026-01-15T12:00:00Z": 3600, "2026-07-15T12:00:00Z": 7200} {
		if got := berlin.OffsetAt(instant(t, text)); got != want {
			t.Errorf("%s: %d", text, got)
		}
	}
	shanghai := of(t, `{"mid":"M1","timezone":"Asia/Shanghai"}`)
	if got := shanghai.OffsetAt(evidence.InstantOf(time.Unix(1<<31, 0))); got != 28800 {
		t.Errorf("Shanghai: %d", got)
	}
}
