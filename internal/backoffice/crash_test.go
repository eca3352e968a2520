package backoffice_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"daozhang/internal/backoffice"
	"daozhang/internal/evidence"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/world/bank/custody"
)

var weeks = flag.Int("backoffice.weeks", 1, "how many runs of two trading weeks TestTwoWeeks plays")

// trouble is a bank that refuses, returns, recalls and loses, is silent, closed for
// an afternoon, and states what is wrong before it states what is right.
const trouble = `
seed: %d
calendar: CN
hours: 08:30-22:00
accept: {fixed: 1m, spread: 3m}
credit: {fixed: 10m, spread: 2h}
outages: [{from: 2026-03-05T09:00:00+08:00, to: 2026-03-05T13:00:00+08:00}]
rules:
- {when: {chance: 0.1}, do: reject, code: AB06}
- {when: {chance: 0.1}, do: return, code: AB05, after: 5h}
- {when: {chance: 0.05}, do: lose}
- {when: {chance: 0.1}, do: pay, tell: acceptance}
- {when: {chance: 0.1}, do: pay, tell: nothing}
- {when: {chance: 0.1}, do: pend, after: 3h}
statements:
  form: %s
  faults:
  - {chance: 0.15, wrong: truncate, correct: 5h}
  - {chance: 0.1, wrong: balance, correct: 30h}
  - {chance: 0.1, twice: 6h}
  - {chance: 0.1, late: 50h}
  - {chance: 0.05, omit: 1}
`

// play is two weeks of trade: sales and refunds, a missing, a wrong and a late
// line, files that are late, corrected, cut, repeated, a frozen merchant, an
// account that is wrong and mended.
func (w *town) play(r *rand.Rand) {
	w.Helper()
	for day := 2; day <= 15; day++ {
		w.until(on(day, 9, 30))
		for range r.IntN(3) + 1 {
			for _, mid := range mids {
				s := w.sell(mid, int64(1000+r.IntN(400000)))
				switch r.IntN(9) {
				case 0:
					w.take(mid, payment.Refund, s.amount/3+1, s)
				case 1:
					s.uncleared = true
				case 2:
					s.different = true
				}
			}
		}
		switch day {
		case 4:
			w.state(tea, merchant.Frozen, merchant.Judicial)
		case 6:
			w.state(tea, merchant.Active, "")
		}
		w.until(on(day, 17, 0))
		for _, mid := range mids {
			w.sell(mid, int64(1000+r.IntN(90000)))
		}
		w.until(on(day+1, 7, 0))
		file := w.clearing(date(day))
		name := "clearing/UnionPay-" + date(day).String()
		switch r.IntN(6) {
		case 0: // cut, then whole
			w.write(name+".csv", file[:len(file)*2/3])
			w.until(on(day+1, 7, 40))
			w.write(name+".csv", file)
		case 1: // with what was wrong first, then corrected, then the first once more
			w.write(name+".csv", file)
			w.until(on(day+1, 7, 40))
			right := w.clearing(date(day), func(lines []sold) []sold {
				for i := range lines {
					lines[i].different = false
				}
				return lines
			})
			w.write(name+"-2.csv", right)
			file = right
			w.until(on(day+1, 8, 10))
			w.write(name+"-copy.csv", right)
		case 2: // two days late
			w.late = append(w.late, late{day + 3, name + ".csv", file})
		default:
			w.write(name+".csv", file)
		}
		w.fund(date(day), total(file))
		for i := 0; i < len(w.late); i++ {
			if w.late[i].day <= day+1 {
				w.write(w.late[i].name, w.late[i].file)
				w.late = slices.Delete(w.late, i, i+1)
				i--
			}
		}
	}
	for _, l := range w.late {
		w.write(l.name, l.file)
	}
	w.until(on(24, 12, 0))
}

// owed is what a merchant has to get, to the last minor unit: the terms' fees on
// its sales, and none given back.
func (w *town) owed(mid string) int64 {
	sum := int64(0)
	for _, s := range w.sold {
		if s.mid != mid {
			continue
		}
		if s.kind == "refund" {
			sum -= s.amount
			continue
		}
		bps, most := int64(60), s.amount
		if w.book.Find(s.id).CardType == evidence.Debit {
			bps, most = 50, 1800
		}
		sum += s.amount - min((s.amount*bps*2+10000)/20000, most)
	}
	return sum
}

// rest checks that all has come to rest: each merchant has on its account at its
// bank what it has to get, and the network owes what it left out.
func (w *town) rest() {
	w.Helper()
	w.audit()
	for _, mid := range mids {
		var got int64
		w.bank.View(func(b *custody.Book) { got = b.Balance(accountOf(mid)) })
		if want := w.owed(mid); got != want {
			w.Errorf("merchant %s has %d at its bank, and ought to have %d", mid, got, want)
			for _, p := range w.payouts(mid) {
				w.Logf("%s %d %s %s replaces %s", p.ID, p.Amount, p.State, p.Reason, p.Replaces)
			}
		}
		for _, n := range []ledger.Name{ledger.MerchantPending, ledger.MerchantPayable, ledger.MerchantHeld, ledger.PayoutInTransit, ledger.NetworkCleared} {
			if got := w.balance(mid, n); got != 0 {
				w.Errorf("merchant %s still has %d in %s", mid, got, n)
			}
		}
		short := int64(0)
		for _, s := range w.sold {
			if s.mid == mid && s.uncleared {
				short += s.amount
			}
		}
		list, err := w.db.OpenExceptions(context.Background(), mid)
		if err != nil {
			w.Fatal(err)
		}
		for _, x := range list {
			if x.Kind == string(settlement.Short) {
				short -= x.Amount
			}
		}
		if short != 0 {
			w.Errorf("merchant %s: what the network left out and the exceptions about it differ by %d", mid, short)
		}
	}
}

// TestTwoWeeks plays two weeks while the process ends at points of its work, with
// what it knew. Nothing is paid twice, nothing is lost.
func TestTwoWeeks(t *testing.T) {
	if testing.Short() {
		t.Skip("it plays weeks; two offices at once are raced in their own test")
	}
	for seed := range uint64(*weeks) {
		for _, form := range []string{"camt.053", "mt940"} {
			t.Run(fmt.Sprintf("seed=%d/%s", seed, form), func(t *testing.T) {
				t.Parallel()
				r := rand.New(rand.NewPCG(seed, 7))
				w := newTown(t, fmt.Sprintf(trouble, seed, form))
				ends := 0
				dice := rand.New(rand.NewPCG(seed, 8))
				w.die = func(backoffice.Point) bool {
					if dice.IntN(40) != 0 {
						return false
					}
					ends++
					return true
				}
				w.play(r)
				w.rest()
				if ends < 30 {
					t.Errorf("the process ended only %d times", ends)
				}
			})
		}
	}
}

// TestEveryPoint ends the process at each point, the first and a later time that it
// is passed.
func TestEveryPoint(t *testing.T) {
	for _, k := range backoffice.Kinds() {
		for _, p := range backoffice.Points(k) {
			for _, nth := range []int{1, 3} {
				if nth > 1 && testing.Short() {
					continue
				}
				t.Run(fmt.Sprintf("%s/%d", strings.ReplaceAll(string(p), "/", "-"), nth), func(t *testing.T) {
					t.Parallel()
					w := newTown(t, "rules:\n- {when: {first: 1}, do: return, code: AB05, after: 1h}\n- {when: {first: 1}, do: pay, tell: nothing}\n")
					w.policy.AnswerWithin = 0
					w.times.CloseAfter = 1
					w.office = w.newOffice()
					passed := 0
					w.die = func(at backoffice.Point) bool {
						if at == p {
							passed++
						}
						return at == p && passed == nth
					}
					w.until(on(2, 12, 0))
					for i, mid := range mids {
						w.sell(mid, int64(10000*(i+1)))
					}
					w.until(on(3, 8, 0))
					file := w.clearing(date(2))
					w.write("clearing/a.csv", clearingFile(date(2), 1, w.sold[:2]))
					w.until(on(3, 8, 30))
					w.fund(date(2), total(file))
					w.state(tea, merchant.Suspended, merchant.Risk)
					w.until(on(3, 11, 0))
					w.write("clearing/b.csv", clearingFile(date(2), 2, w.sold))
					w.state(tea, merchant.Active, "")
					w.until(on(6, 12, 0))
					w.rest()
					if passed == 0 {
						t.Skip("this work was never needed here")
					}
				})
			}
		}
	}
}
