package settlement_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// payoutBank is the bank as it really is, knowing nothing of us but its orders:
// what it did with the money, and the words it sends, which arrive when they do.
type payoutBank struct {
	got   map[string]int64  // what the merchant really has of each payout
	fate  map[string]string // credited, rejected, returned
	words []settlement.Word // on their way
	// flying are orders that have not arrived yet; an order that is lost with the
	// process never does.
	flying []settlement.Order
	n      int
}

func (b *payoutBank) say(p string, st settlement.PayoutState, reason string, at time.Time) {
	b.n++
	b.words = append(b.words, settlement.Word{Payout: p, State: st, Reason: reason, At: at, Ref: fmt.Sprint("W", b.n)})
}

// arrive lets an order reach the bank. The same identification twice is one order;
// one that was on its way for a day is lost, which is what LastArrival rests on.
func (b *payoutBank) arrive(o settlement.Order, fate string, at time.Time) {
	id := o.Payout.ID
	if _, known := b.fate[id]; known || at.Sub(o.At) >= 24*time.Hour {
		return
	}
	b.fate[id] = fate
	switch fate {
	case "rejected":
		b.say(id, settlement.Rejected, "AM14", at)
	default:
		b.got[id] = o.Payout.Amount
		b.say(id, settlement.Accepted, "", at)
		b.say(id, settlement.Credited, "", at.Add(time.Second))
		if fate == "returned" {
			b.got[id] = 0
			b.say(id, settlement.Returned, "AB05", at.Add(2*time.Second))
		}
	}
}

func (b *payoutBank) answer(id string, at time.Time) {
	switch b.fate[id] {
	case "":
		b.say(id, settlement.Unknown, "NOOR", at)
	case "rejected":
		b.say(id, settlement.Rejected, "AM14", at)
	case "returned":
		b.say(id, settlement.Returned, "AB05", at)
	default:
		b.say(id, settlement.Credited, "", at)
	}
}

// feeOf is the naive fee: 0.6 %, debit 0.5 % and at most 18.00, half up.
func feeOf(amount int64, card evidence.CardType) int64 {
	bps := int64(60)
	if card == evidence.Debit {
		bps = 50
	}
	fee := (amount*bps*2 + 10000) / 20000
	if card == evidence.Debit {
		fee = min(fee, 1800)
	}
	return fee
}

// hear delivers a word of the bank.
func (d *desk) hear(w settlement.Word) (settlement.Heard, error) {
	s, heard, err := settlement.Hear(&d.pol, d.now, &d.m, d.pos, d.payouts[w.Payout], w, calendar.DateIn(d.now, china))
	if err != nil || s == nil {
		return heard, err
	}
	return heard, d.commit(s)
}

// TestAnyWeeks plays random weeks: sales, refunds, voids, holds, freezes,
// chargebacks, reserves, runs that die at any step, orders that are lost or late,
// words that come twice, late and in any order. After each input everything is
// audited; at the end, when all has come to rest, the merchant really has what a
// naive model says, to the last minor unit, and what the books say it has.
func TestAnyWeeks(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		d := newDesk(t)
		d.pol.Chunk = rapid.IntRange(1, 4).Draw(r, "chunk")
		tm := usual()
		tm.Cycle = rapid.SampledFrom([]string{"T1", "D1", "T2", "T0"}).Draw(r, "cycle")
		tm.MinimumPayout = rapid.SampledFrom([]int64{0, 5000}).Draw(r, "minimum")
		if rapid.Bool().Draw(r, "reserve") {
			tm.Reserve = merchant.Reserve{Rate: 700 * money.BasisPoint, Days: 4}
		}
		d.agree(tm)
		b := &payoutBank{got: map[string]int64{}, fate: map[string]string{}}
		adjusted, day := int64(0), d.m.Terms[0].ValidFrom
		check := func(err error, what string) {
			if err != nil && !errors.Is(err, errDied) {
				switch fault.KindOf(err) {
				case fault.Conflict, fault.NotAllowed, fault.Invalid:
				default:
					r.Fatalf("%s: %v", what, err)
				}
			}
			d.fail = -1
			if err := d.audit(); err != nil {
				r.Fatalf("after %s: %v", what, err)
			}
		}
		pick := func(fit func(*sold) bool) *sold {
			var some []*sold
			for _, s := range d.sold {
				if fit(s) {
					some = append(some, s)
				}
			}
			if len(some) == 0 {
				return nil
			}
			return some[rapid.IntRange(0, len(some)-1).Draw(r, "which")]
		}
		payouts := func(states ...settlement.PayoutState) []settlement.Payout {
			var out []settlement.Payout
			for _, p := range d.payouts {
				if slices.Contains(states, p.State) {
					out = append(out, p)
				}
			}
			slices.SortFunc(out, func(a, b settlement.Payout) int { return strings.Compare(a.ID, b.ID) })
			return out
		}
		keep := func(s *settlement.Step, err error) error {
			if err != nil || s == nil {
				return err
			}
			if err := d.commit(s); err != nil {
				return err
			}
			for _, o := range s.Orders {
				switch {
				case o.Kind == settlement.Inquire:
					b.answer(o.Payout.ID, d.now)
				case rapid.IntRange(0, 9).Draw(r, "lost") == 0: // the process died before it left
				default:
					b.flying = append(b.flying, o)
				}
			}
			return nil
		}
		fate := func() string {
			return rapid.SampledFrom([]string{"credited", "credited", "credited", "rejected", "returned"}).Draw(r, "fate")
		}
		for range rapid.IntRange(1, 70).Draw(r, "length") {
			d.now = d.now.Add(time.Duration(rapid.IntRange(1, 500).Draw(r, "minutes")) * time.Minute)
			today := calendar.DateIn(d.now, china)
			switch what := rapid.SampledFrom([]string{"sale", "sale", "sale", "refund", "undo", "hold", "release", "settle", "settle", "dispatch", "dispatch", "arrive", "word", "word",
				"again", "tick", "resend", "freeze", "activate", "retain", "free", "adjust", "chargeback"}).Draw(r, "input"); what {
			case "sale":
				s := d.sell(int64(rapid.IntRange(1, 900000).Draw(r, "amount")), rapid.SampledFrom([]evidence.CardType{evidence.Debit, evidence.Credit}).Draw(r, "card"))
				s.Held = rapid.IntRange(0, 9).Draw(r, "held") == 0
				d.now = d.now.Add(time.Second)
			case "refund":
				if s := pick(func(s *sold) bool { return s.Effect > 0 && s.original == nil }); s != nil {
					d.refund(s, int64(rapid.IntRange(1, int(s.amount)).Draw(r, "back")))
				}
			case "undo":
				if s := pick(func(s *sold) bool { return s.Effect != 0 }); s != nil {
					d.undo(s, payment.Reversed)
				}
			case "hold":
				if s := pick(func(s *sold) bool { return s.Effect > 0 }); s != nil {
					s.Held = true
				}
			case "release":
				for _, s := range d.sold {
					s.Held = false
				}
			case "settle":
				d.fail = rapid.IntRange(-3, 3).Draw(r, "dies")
				check(d.settle(today, rapid.Bool().Draw(r, "last"), nil), what)
			case "dispatch":
				for _, p := range payouts(settlement.Created) {
					check(keep(settlement.Dispatch(&d.pol, d.now, &d.m, p)), what)
				}
			case "arrive":
				if len(b.flying) > 0 {
					b.arrive(b.flying[0], fate(), d.now)
					b.flying = b.flying[1:]
				}
			case "word":
				if n := len(b.words); n > 0 {
					i := rapid.IntRange(0, n-1).Draw(r, "word")
					w := b.words[i]
					if rapid.IntRange(0, 3).Draw(r, "twice") > 0 {
						b.words = slices.Delete(b.words, i, i+1)
					}
					heard, err := d.hear(w)
					if heard == settlement.Contradicted || heard == settlement.NeverSent || heard == settlement.OtherAmount {
						r.Fatalf("an honest bank is doubted: %s %+v", heard, w)
					}
					check(err, what)
				}
			case "again": // the same run twice
				check(d.settle(today, false, nil), what)
				check(d.settle(today, false, nil), what)
			case "tick":
				for _, p := range payouts(settlement.Sent, settlement.Unknown) {
					check(keep(settlement.Tick(&d.pol, d.now, p)), what)
				}
			case "resend":
				for _, p := range payouts(settlement.Rejected, settlement.Returned, settlement.Unknown) {
					check(keep(settlement.Resend(&d.pol, d.now, &d.m, d.pos, p, rapid.SampledFrom([]int64{0, 200000}).Draw(r, "most"), today)), what)
				}
			case "freeze":
				check(d.state(merchant.Frozen, merchant.Judicial, nil), what)
			case "activate":
				check(d.state(merchant.Active, "", nil), what)
			case "retain":
				check(keep(settlement.Retain(d.now, &d.pos, settlement.Ruling{ID: fmt.Sprint("case-", len(d.holds)), Amount: int64(rapid.IntRange(1, 50000).Draw(r, "part")), Reason: "dispute", Maker: "anne", Checker: "bert"})), what)
			case "free":
				for _, id := range slices.Sorted(mapsKeys(d.holds)) {
					if h := d.holds[id]; !h.Whole && h.Released.IsZero() {
						check(keep(settlement.Release(d.now, h, "carl", "bert")), what)
					}
				}
			case "adjust":
				amount := int64(rapid.IntRange(-5000, 5000).Draw(r, "adjust"))
				if s, err := settlement.Adjust(d.now, &d.pos, settlement.Ruling{ID: fmt.Sprint("fix-", len(d.extras)), Reason: "correction", Maker: "anne", Checker: "bert"}, amount, ledger.FeeIncome, settlement.Keys{}); err == nil {
					adjusted += amount
					check(keep(s, nil), what)
				}
			case "chargeback":
				if s := pick(func(s *sold) bool { return s.Effect > 0 && s.original == nil }); s != nil && d.days[day].State == settlement.Awaited {
					l := settlement.NetworkLine{MID: mid, Keys: s.Keys, Kind: evidence.Chargeback, Amount: s.amount, Currency: cny}
					var dg settlement.Digester
					dg.Add(&l)
					f := dg.File("UnionPay", day, cny)
					f.Count, f.Total, f.Declared = 1, -s.amount, true
					_, err := d.clear(f, []settlement.NetworkLine{l}, nil)
					check(err, what)
					adjusted -= s.amount
					day = day.Add(1)
				}
			}
			check(nil, "input")
		}
		// Everything comes to rest: nothing is held, every order arrives, every word is heard.
		if d.m.Status.State != merchant.Active {
			check(d.state(merchant.Active, "", nil), "activate")
		}
		for _, s := range d.sold {
			s.Held = false
		}
		for range 40 {
			d.now = d.now.Add(25 * time.Hour)
			today := calendar.DateIn(d.now, china)
			check(d.settle(today, false, nil), "settle")
			for _, p := range payouts(settlement.Created) {
				check(keep(settlement.Dispatch(&d.pol, d.now, &d.m, p)), "dispatch")
			}
			for _, o := range b.flying {
				b.arrive(o, "credited", d.now)
			}
			b.flying = nil
			for _, p := range payouts(settlement.Sent, settlement.Unknown) {
				check(keep(settlement.Tick(&d.pol, d.now, p)), "tick")
			}
			words := b.words
			b.words = nil
			for _, w := range words {
				heard, err := d.hear(w)
				if heard == settlement.Contradicted || heard == settlement.NeverSent || heard == settlement.OtherAmount {
					r.Fatalf("an honest bank is doubted: %s %+v", heard, w)
				}
				check(err, "word")
			}
			for _, p := range payouts(settlement.Rejected, settlement.Returned) {
				check(keep(settlement.Resend(&d.pol, d.now, &d.m, d.pos, p, 0, today)), "resend")
			}
		}
		want := adjusted
		for _, s := range d.sold {
			switch {
			case s.Effect > 0:
				want += s.Effect - feeOf(s.Effect, s.CardType)
			case s.Effect < 0:
				want += s.Effect
			}
		}
		really := int64(0)
		for _, amount := range b.got {
			really += amount
		}
		if really != d.pos.Paid {
			r.Fatalf("the merchant really got %d, the books say %d", really, d.pos.Paid)
		}
		if got := d.pos.Paid + d.pos.Payable + d.pos.InTransit + d.pos.Held(); got != want {
			r.Fatalf("paid, payable, in transit and held are %d (%+v), the model says %d", got, d.pos, want)
		}
		if d.pos.InTransit != 0 || d.pos.Frozen != 0 || d.pos.Stopped != 0 || d.pos.Payable > 0 && d.pos.Payable >= max(tm.MinimumPayout, 1) && d.pos.Returned == 0 {
			r.Fatalf("at rest, and not all is paid: %+v", d.pos)
		}
		if left := d.pos.Returned; left > 0 && d.pos.Payable > 0 {
			r.Fatalf("%d came back and were not sent again: %+v", left, d.pos)
		}
	})
}

func mapsKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

var files = flag.Int("files", 3000, "how many mutated clearing files TestMutatedFiles brings")

// TestMutatedFiles brings clearing files as networks really send them: truncated,
// twice, corrected and issued anew, out of order, days late. Each is booked,
// known already, or refused with a reason and an owner; whatever came before,
// once the true files are in, the books are exactly what the network says.
func TestMutatedFiles(t *testing.T) {
	brought := 0
	for seed := uint64(1); brought < *files; seed++ {
		rng := rand.New(rand.NewPCG(seed, 7))
		d := newDesk(t)
		d.agree(usual())
		type issue struct {
			file  settlement.File
			lines []settlement.NetworkLine
		}
		truth := map[calendar.Date]issue{}
		var dates []calendar.Date
		pack := func(date calendar.Date, lines []settlement.NetworkLine, version int) issue {
			lines = slices.Clone(lines)
			rng.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
			var dg settlement.Digester
			for i := range lines {
				dg.Add(&lines[i])
			}
			f := dg.File("UnionPay", date, cny)
			f.Count, f.Total, f.Declared, f.Version = f.Lines, f.Sum, true, version
			return issue{f, lines}
		}
		for n := range 3 {
			date := calendar.MustYMD(2026, 3, 2).Add(n)
			dates = append(dates, date)
			var lines []settlement.NetworkLine
			for range 1 + rng.IntN(8) {
				d.now = date.In(china).Add(time.Duration(8+rng.IntN(13)) * time.Hour)
				s := d.sell(int64(1+rng.IntN(5000)), evidence.Credit)
				if rng.IntN(6) == 0 {
					s = d.refund(s, int64(1+rng.IntN(int(s.amount))))
					lines = append(lines, line(d.sold[len(d.sold)-2]))
				}
				lines = append(lines, line(s))
			}
			truth[date] = pack(date, lines, 9)
		}
		d.now = dates[2].In(china).Add(32 * time.Hour)
		bring := func(i issue) settlement.Verdict {
			d.now = d.now.Add(time.Minute)
			before := len(d.opened)
			receivable := d.balance(mid, ledger.NetworkReceivable)
			if rng.IntN(4) == 0 {
				d.fail = rng.IntN(3)
			}
			v, err := d.clear(i.file, i.lines, nil)
			if d.fail >= 0 { // it died; the job runs again
				d.fail = -1
				again, err2 := d.clear(i.file, i.lines, nil)
				if v == settlement.Book || v == settlement.Rebook {
					v = again
				}
				err = err2
			}
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			brought++
			if v == settlement.Refuse && len(d.opened) == before && !slices.ContainsFunc(slices.Collect(mapsValues(d.opened)), func(x payment.Exception) bool {
				return x.MID == settlement.House && x.State == payment.ExceptionOpen && x.Owner == "network/UnionPay" && x.Detail != ""
			}) {
				t.Fatalf("seed %d: refused without reason", seed)
			}
			if v != settlement.Book && v != settlement.Rebook && v != settlement.Duplicate && receivable != d.balance(mid, ledger.NetworkReceivable) {
				t.Fatalf("seed %d: %s, and something was booked", seed, v)
			}
			if err := d.audit(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			return v
		}
		for range 10 + rng.IntN(10) {
			date := dates[rng.IntN(3)]
			i := truth[date]
			lines := slices.Clone(i.lines)
			kind := rng.IntN(8)
			if len(lines) == 0 {
				kind = 7
			}
			switch kind {
			case 0: // truncated: the trailer tells
				m := i
				m.lines = lines[:rng.IntN(len(lines))]
				var dg settlement.Digester
				for j := range m.lines {
					dg.Add(&m.lines[j])
				}
				m.file = dg.File("UnionPay", date, cny)
				m.file.Count, m.file.Total, m.file.Declared, m.file.Version = i.file.Count, i.file.Total, rng.IntN(2) == 0, 9
				if v := bring(m); v != settlement.Refuse {
					t.Fatalf("seed %d: a truncated file is %s", seed, v)
				}
			case 1: // a line twice, and the trailer agrees: corrected later
				bring(pack(date, append(lines, lines[rng.IntN(len(lines))]), rng.IntN(3)))
			case 2: // a line lacks, and the trailer agrees
				j := rng.IntN(len(lines))
				bring(pack(date, slices.Delete(lines, j, j+1), rng.IntN(3)))
			case 3: // an amount is wrong
				lines[rng.IntN(len(lines))].Amount += int64(1 + rng.IntN(100))
				bring(pack(date, lines, rng.IntN(3)))
			case 4: // lines of another merchant, of nobody
				l := lines[rng.IntN(len(lines))]
				l.RRN, l.STAN, l.AuthCode = fmt.Sprintf("9%011d", rng.IntN(1000)), "", ""
				if rng.IntN(2) == 0 {
					l.MID = "898310058129999"
				}
				bring(pack(date, append(lines, l), rng.IntN(3)))
			case 5: // one that we never captured
				if s := d.sold[rng.IntN(len(d.sold))]; s.Effect > 0 && rng.IntN(5) == 0 {
					d.undo(s, payment.Reversed)
					for k, v := range truth { // the network learns of it as well
						truth[k] = pack(k, slices.DeleteFunc(slices.Clone(v.lines), func(l settlement.NetworkLine) bool { return l.RRN == s.RRN }), 9)
					}
				}
				bring(pack(date, lines, rng.IntN(3)))
			default: // the true one, its lines in another order
				bring(pack(date, lines, 9))
				if v := bring(pack(date, lines, 9)); v != settlement.Duplicate && v != settlement.Outdated {
					t.Fatalf("seed %d: the same file again is %s", seed, v)
				}
			}
		}
		// The true files, in any order, days late; versions grow.
		for n, k := range rng.Perm(3) {
			i := truth[dates[k]]
			bring(pack(dates[k], i.lines, 20+n))
		}
		// One round again: what one file took back, another may have cleared.
		for k := range 3 {
			bring(pack(dates[k], truth[dates[k]].lines, 30))
		}
		total := int64(0)
		for _, i := range truth {
			total += i.file.Total
		}
		if got := d.balance(mid, ledger.NetworkCleared) + d.balance(settlement.House, ledger.NetworkCleared); got != total {
			t.Fatalf("seed %d: cleared %d, the network says %d", seed, got, total)
		}
		if got := d.balance(mid, ledger.NetworkReceivable); got != 0 {
			t.Fatalf("seed %d: %d are still owed", seed, got)
		}
		for _, x := range d.opened {
			if x.State == payment.ExceptionOpen {
				t.Fatalf("seed %d: all is reconciled, and this is open: %+v", seed, x)
			}
		}
		for _, s := range d.sold {
			if s.Effect != 0 && s.cleared == calendar.None {
				t.Fatalf("seed %d: %s was never cleared", seed, s.RRN)
			}
		}
	}
}

func mapsValues[V any](m map[payment.ID]V) func(func(V) bool) {
	return func(yield func(V) bool) {
		for _, v := range m {
			if !yield(v) {
				return
			}
		}
	}
}

func line(s *sold) settlement.NetworkLine {
	return settlement.NetworkLine{MID: mid, Keys: s.Keys, Kind: s.Kind, Amount: s.amount, Currency: cny, Time: s.Captured}
}
