package settlement_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
)

// TestCheckFindsWhatIsWrong spoils a right step in one way each: the invariant of
// that number says no.
func TestCheckFindsWhatIsWrong(t *testing.T) {
	made := func() (settlement.Position, *settlement.Step) {
		d := newDesk(t)
		d.agree(usual())
		d.now = time.Date(2026, 3, 2, 12, 0, 0, 0, china)
		d.sell(10000, evidence.Credit)
		d.now = d.now.Add(24 * time.Hour)
		for s, err := range settlement.Settle(settlement.Input{Policy: &d.pol, Now: d.now, Merchant: &d.m, Calendars: calendar.Builtin, Day: calendar.MustYMD(2026, 3, 3),
			Final: true, Position: d.pos}, d.items()) {
			if err != nil {
				t.Fatal(err)
			}
			return d.pos, s
		}
		t.Fatal("no step")
		return d.pos, nil
	}
	if before, s := made(); settlement.Check(&before, s) != nil {
		t.Fatal("the right step is refused")
	}
	for want, spoil := range map[string]func(*settlement.Position, *settlement.Step){
		"F1 amount":      func(_ *settlement.Position, s *settlement.Step) { s.Transfers[1].Amount++; s.Lines[0].Net-- },
		"F1 merchant":    func(_ *settlement.Position, s *settlement.Step) { s.Transfers[0].Merchant = "other" },
		"F1 position":    func(_ *settlement.Position, s *settlement.Step) { s.Positions[0].Fees++ },
		"F1 form":        func(_ *settlement.Position, s *settlement.Step) { s.Transfers[0].Amount = 0 },
		"F1 no position": func(_ *settlement.Position, s *settlement.Step) { s.Positions = nil },
		"F2 line":        func(_ *settlement.Position, s *settlement.Step) { s.Lines[0].Net++ },
		"F2 payout":      func(_ *settlement.Position, s *settlement.Step) { s.Lines[0].Payout = "" },
		"F3 more":        func(b *settlement.Position, s *settlement.Step) { s.Payouts[0].Amount++ },
		"F3 nothing":     func(_ *settlement.Position, s *settlement.Step) { s.Payouts[0].Amount = 0 },
		"F4 open":        func(_ *settlement.Position, s *settlement.Step) { s.Positions[0].Open.Net = 5 },
		"F5 returned":    func(_ *settlement.Position, s *settlement.Step) { p := &s.Positions[0]; p.Returned, p.Open.Net = -5, 5 },
		"F6 version":     func(_ *settlement.Position, s *settlement.Step) { s.Positions[0].Version = 5 },
		"F6 born sent":   func(_ *settlement.Position, s *settlement.Step) { s.Payouts[0].State = settlement.Sent },
		"F7 order": func(_ *settlement.Position, s *settlement.Step) {
			s.Orders = []settlement.Order{{Payout: s.Payouts[0]}}
		},
		"F9 card number":  func(_ *settlement.Position, s *settlement.Step) { s.Lines[0].PAN = "6222021234561234" },
		"F9 bank account": func(_ *settlement.Position, s *settlement.Step) { s.Payouts[0].Account.Tail = "6217001234566789" },
	} {
		before, s := made()
		spoil(&before, s)
		err := settlement.Check(&before, s)
		if fault.KindOf(err) != fault.Internal || err == nil || !strings.Contains(err.Error(), want[:2]+" does not hold") {
			t.Errorf("%s: %v", want, err)
		}
	}
	p := settlement.Payout{ID: "P", State: settlement.Unknown, Version: 4}
	for _, to := range []settlement.PayoutState{settlement.Created, settlement.Sent, settlement.Stopped} {
		if err := settlement.CheckChange(&p, &settlement.Payout{ID: "P", State: to, Version: 5}); err == nil {
			t.Errorf("an unknown payout became %s", to)
		}
	}
	if err := settlement.CheckChange(&p, &settlement.Payout{ID: "P", State: settlement.Credited, Version: 6}); err == nil {
		t.Error("a version was left out")
	}
}

// TestRunsThatCannotBe: what is refused, and with which hint.
func TestRunsThatCannotBe(t *testing.T) {
	d := newDesk(t)
	d.agree(usual())
	day := calendar.MustYMD(2026, 3, 3)
	run := func(spoil func(*settlement.Input), items iter.Seq2[settlement.Item, error]) error {
		in := settlement.Input{Policy: &d.pol, Now: d.now, Merchant: &d.m, Calendars: calendar.Builtin, Day: day, Final: true, Position: d.pos}
		spoil(&in)
		for _, err := range settlement.Settle(in, items) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	none := func(func(settlement.Item, error) bool) {}
	broken := errors.New("disk")
	for name, tc := range map[string]struct {
		spoil func(*settlement.Input)
		items iter.Seq2[settlement.Item, error]
		kind  fault.Kind
		hint  string
	}{
		"no terms": {func(in *settlement.Input) { m := d.m; m.Terms = nil; in.Merchant = &m }, none, fault.NotFound, "agree on terms"},
		"calendar gone": {func(in *settlement.Input) {
			in.Calendars = func(string) (*calendar.Calendar, bool) { return nil, false }
		}, none, fault.NotFound, "import"},
		"day off":       {func(in *settlement.Input) { in.Day = calendar.MustYMD(2026, 3, 8) }, none, fault.Invalid, "2026-03-09"},
		"before latest": {func(in *settlement.Input) { in.Position.Day = day.Add(1) }, none, fault.Conflict, "in their order"},
		"other":         {func(in *settlement.Input) { in.Position.MID = "other" }, none, fault.Internal, ""},
		"stream":        {func(*settlement.Input) {}, func(y func(settlement.Item, error) bool) { y(settlement.Item{}, broken) }, fault.Internal, ""},
		"order": {func(*settlement.Input) {}, func(y func(settlement.Item, error) bool) {
			_ = y(settlement.Item{Payment: payment.ID{2}}, nil) && y(settlement.Item{Payment: payment.ID{1}}, nil)
		}, fault.Internal, ""},
		"one person": {func(in *settlement.Input) {
			in.Extras = []settlement.Extra{{ID: "x", Kind: evidence.Adjustment, Net: 5, Currency: cny, Against: ledger.FeeIncome, Maker: "anne", Checker: "anne"}}
		}, none, fault.Invalid, "checker"},
		"bad account of the chart": {func(in *settlement.Input) {
			in.Extras = []settlement.Extra{{ID: "x", Kind: evidence.Adjustment, Net: 5, Currency: cny, Against: ledger.MerchantPaid}}
		}, none, fault.Invalid, "network_receivable"},
	} {
		err := run(tc.spoil, tc.items)
		if err == nil || fault.KindOf(err) != tc.kind || !strings.Contains(fault.HintOf(err), tc.hint) {
			t.Errorf("%s: %v, hint %q", name, err, fault.HintOf(err))
		}
	}
	if err := run(func(in *settlement.Input) { in.Position.Closed = day }, none); err != nil {
		t.Error("a closed day is an error", err)
	}
}

// TestItemsThatWait: what cannot be settled is an exception with an owner, and
// everything else goes on.
func TestItemsThatWait(t *testing.T) {
	d := newDesk(t)
	d.agree(usual())
	d.now = time.Date(2026, 3, 2, 12, 0, 0, 0, china)
	good := d.sell(1000, evidence.Credit)
	early := d.sell(2000, evidence.Credit)
	early.Captured = time.Date(2025, 12, 1, 12, 0, 0, 0, china)
	other := d.sell(3000, evidence.Credit)
	other.Currency[0] = 'E'
	d.now = d.now.Add(24 * time.Hour)
	if err := d.settle(calendar.MustYMD(2026, 3, 3), true, nil); err != nil {
		t.Fatal(err)
	}
	if len(d.lines) != 1 || d.lines[0].Payment != good.Payment {
		t.Fatalf("%+v", d.lines)
	}
	kinds := map[string]bool{}
	for _, x := range d.opened {
		kinds[x.Kind] = x.Owner == "platform" && x.Detail != ""
	}
	if len(kinds) != 2 || !kinds["settlement_currency"] || !kinds["settlement_without_terms"] {
		t.Errorf("%v", d.opened)
	}
}

func TestPayoutIDs(t *testing.T) {
	seen := map[string]bool{}
	for n := range 2000 {
		for seq := 1; seq <= 2; seq++ {
			id := settlement.PayoutID(fmt.Sprint("8983100581", n), cny, calendar.MustYMD(2026, 3, 3), seq)
			if seen[id] || len(id) > 35 || !strings.HasPrefix(id, "P20260303-") || id != settlement.PayoutID(fmt.Sprint("8983100581", n), cny, calendar.MustYMD(2026, 3, 3), seq) {
				t.Fatal(id)
			}
			seen[id] = true
			p := settlement.Payout{ID: id, Day: calendar.MustYMD(2026, 3, 3)}
			if r := settlement.ReplacementID(&p, 1); seen[r] || r == settlement.ReplacementID(&p, 2) {
				t.Fatal(r)
			}
		}
	}
}

func TestDigest(t *testing.T) {
	lines := []settlement.NetworkLine{{Amount: 1}, {Amount: 1}, {Amount: 2, Kind: evidence.Refund}, {Amount: 3, Keys: settlement.Keys{RRN: "1", TID: "2"}}}
	of := func(ls []settlement.NetworkLine) settlement.File {
		var d settlement.Digester
		for i := range ls {
			d.Add(&ls[i])
		}
		return d.File("UnionPay", 0, cny)
	}
	a := of(lines)
	if a.Sum != 1+1-2+3 || a.Lines != 4 {
		t.Errorf("%+v", a)
	}
	back := slices.Clone(lines)
	slices.Reverse(back)
	if of(back).Digest != a.Digest {
		t.Error("the order of lines decides")
	}
	for i := range lines {
		other := slices.Clone(lines)
		other[i].Amount += 7
		if of(other).Digest == a.Digest || of(slices.Delete(slices.Clone(lines), i, i+1)).Digest == a.Digest {
			t.Error("another content has the same digest")
		}
	}
	if f := of([]settlement.NetworkLine{{Amount: 1 << 62}, {Amount: 1 << 62}}); f.Broken == 0 {
		t.Error("a sum past 63 bits is taken")
	}
}

// many are n sales of one day, made as they are read.
func many(n int, at time.Time) iter.Seq2[settlement.Item, error] {
	return func(yield func(settlement.Item, error) bool) {
		it := settlement.Item{Kind: evidence.Sale, Currency: cny, Captured: at,
			Keys: settlement.Keys{TID: "T1000001", Batch: "000001", STAN: "000107", RRN: "606100000107", AuthCode: "123456", PAN: "622202******1234", CardType: evidence.Debit, Network: "UnionPay", Issuer: "ICBC"}}
		for i := range n {
			binary.BigEndian.PutUint64(it.Payment[8:], uint64(i+1))
			it.Effect = int64(100 + i%5000)
			if !yield(it, nil) {
				return
			}
		}
	}
}

// TestMemoryIsFlat: a run of many payments holds no more than one of few.
func TestMemoryIsFlat(t *testing.T) {
	live := func(n int) (most uint64) {
		d := newDesk(t)
		d.agree(usual())
		steps := 0
		for s, err := range settlement.Settle(settlement.Input{Policy: &d.pol, Now: time.Date(2026, 3, 3, 9, 0, 0, 0, china), Merchant: &d.m, Calendars: calendar.Builtin,
			Day: calendar.MustYMD(2026, 3, 3), Final: true, Position: d.pos}, many(n, time.Date(2026, 3, 2, 12, 0, 0, 0, china))) {
			if err != nil {
				t.Fatal(err)
			}
			if steps++; steps%(n/d.pol.Chunk/4) == 0 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
			runtime.KeepAlive(s)
		}
		return most
	}
	few, lots := live(4000), live(200_000)
	if lots > few+2<<20 {
		t.Errorf("%d bytes live with 200,000 payments, %d with 4,000", lots, few)
	}
}

// BenchmarkSettle makes lines, transfers, evidence and the payout of one
// merchant's day of so many payments.
func BenchmarkSettle(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			d := newDesk(b)
			d.agree(usual())
			b.ReportAllocs()
			for b.Loop() {
				for s, err := range settlement.Settle(settlement.Input{Policy: &d.pol, Now: time.Date(2026, 3, 3, 9, 0, 0, 0, china), Merchant: &d.m, Calendars: calendar.Builtin,
					Day: calendar.MustYMD(2026, 3, 3), Final: true, Position: d.pos}, many(n, time.Date(2026, 3, 2, 12, 0, 0, 0, china))) {
					if err != nil || s == nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/payment")
		})
	}
}

// BenchmarkReconcile compares one merchant's part of a file, all of it matched.
func BenchmarkReconcile(b *testing.B) {
	const n = 10_000
	lines := make([]settlement.NetworkLine, n)
	ours := make([]settlement.Ours, n)
	var dg settlement.Digester
	date := calendar.MustYMD(2026, 3, 2)
	for i := range n {
		k := settlement.Keys{TID: "T1000001", STAN: fmt.Sprintf("%06d", i), RRN: fmt.Sprintf("6061%08d", i), AuthCode: fmt.Sprintf("%06d", i), PAN: "622202******1234", Network: "UnionPay"}
		lines[i] = settlement.NetworkLine{MID: mid, Keys: k, Kind: evidence.Sale, Amount: int64(i + 1), Currency: cny}
		ours[i] = settlement.Ours{Payment: payment.ID{15: 1, 0: byte(i >> 8), 1: byte(i)}, Kind: evidence.Sale, Amount: int64(i + 1), Currency: cny, Business: date, Keys: k}
		dg.Add(&lines[i])
	}
	f := dg.File("UnionPay", date, cny)
	pol := settlement.DefaultPolicy()
	b.ReportAllocs()
	for b.Loop() {
		s, r, err := settlement.Reconcile(settlement.Clearing{Policy: &pol, Now: time.Unix(1772500000, 0), File: &f, Zone: china,
			Share: settlement.Share{MID: mid, Network: "UnionPay", Date: date, Currency: cny}, Lines: lines, Ours: ours})
		if err != nil || s == nil || r.Outcomes[settlement.Matched] != n {
			b.Fatal(err, r)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/line")
}

// TestDiesAnywhere plays a fortnight once whole, and then again for each step of
// it, dying before that step is kept and running every job again: the end is the
// same, to the last row.
func TestDiesAnywhere(t *testing.T) {
	play := func(die int) (string, int) {
		d := newDesk(t)
		d.pol.Chunk = 2
		d.agree(usual())
		left, kept, died := die, 0, false
		// job runs until it is through, as a job queue would.
		job := func(work func() error) {
			for {
				d.fail = left
				if died {
					d.fail = -1
				}
				err := work()
				if d.fail >= 0 {
					kept += left - d.fail
					left = d.fail
				}
				if !errors.Is(err, errDied) {
					if err != nil {
						t.Fatal(err)
					}
					return
				}
				died = true
				d.now = d.now.Add(time.Second)
			}
		}
		commit := func(s *settlement.Step, err error) error {
			if err != nil || s == nil {
				return err
			}
			return d.commit(s)
		}
		var lines []settlement.NetworkLine
		for n := range 8 {
			day := calendar.MustYMD(2026, 3, 2).Add(n)
			d.now = day.In(china).Add(9 * time.Hour)
			if w := day.Weekday(); w != time.Saturday && w != time.Sunday {
				job(func() error { return d.settle(day, true, nil) })
			}
			for _, id := range slices.Sorted(mapsKeys(d.payouts)) {
				// The bank rejects every third, so that it is sent again.
				job(func() error {
					if d.payouts[id].State != settlement.Created {
						return nil
					}
					return commit(settlement.Dispatch(&d.pol, d.now, &d.m, d.payouts[id]))
				})
				job(func() error {
					w := settlement.Word{Payout: id, State: settlement.Credited, At: d.now, Ref: "R"}
					if n%3 == 1 && d.payouts[id].Replaces == "" {
						w.State, w.Reason = settlement.Rejected, "AM14"
					}
					if st := d.payouts[id].State; st != settlement.Sent {
						return nil
					}
					_, err := d.hear(w)
					return err
				})
				job(func() error {
					if d.payouts[id].State != settlement.Rejected {
						return nil
					}
					return commit(settlement.Resend(&d.pol, d.now, &d.m, d.pos, d.payouts[id], 4000, day))
				})
			}
			for k := range 4 {
				d.now = day.In(china).Add(time.Duration(12*60+k) * time.Minute)
				lines = append(lines, line(d.sell(int64(1000*(n+1)+k), evidence.Credit)))
			}
			d.now = day.In(china).Add(32 * time.Hour)
			var dg settlement.Digester
			for i := range lines {
				dg.Add(&lines[i])
			}
			f := dg.File("UnionPay", day, cny)
			f.Count, f.Total, f.Declared = f.Lines, f.Sum, true
			job(func() error { _, err := d.clear(f, lines, nil); return err })
			job(func() error { return d.fund(day, &settlement.Funding{Entry: "E", Amount: f.Sum, At: d.now}, nil) })
			lines = nil
		}
		if err := d.audit(); err != nil {
			t.Fatalf("dying before step %d: %v", die, err)
		}
		var end strings.Builder
		for _, who := range []string{mid, settlement.House} {
			if s := d.books.Standing(who); s != nil {
				for _, l := range s.Lines() {
					fmt.Fprintln(&end, who, l.Name, l.Balance)
				}
			}
		}
		for _, id := range slices.Sorted(mapsKeys(d.payouts)) {
			p := d.payouts[id]
			fmt.Fprintln(&end, id, p.Amount, p.State, p.Replaces, p.Resent, p.Lines)
		}
		for _, l := range d.lines {
			fmt.Fprintln(&end, l.Payment, l.Turn, l.Gross, l.Fee, l.Net, l.Payout, l.Batch, l.Seq)
		}
		fmt.Fprintln(&end, len(d.facts), len(d.orders))
		return end.String(), kept
	}
	whole, steps := play(1 << 30)
	if steps < 60 || !strings.Contains(whole, "rejected") {
		t.Fatalf("a fortnight of %d steps proves little:\n%s", steps, whole)
	}
	for die := range steps {
		if again, _ := play(die); again != whole {
			t.Fatalf("dying before step %d of %d ends otherwise: %s", die, steps, difference(whole, again))
		}
	}
}

// TestTwoNodes: both decide from what is on record; one of them is refused, and
// deciding anew it finds nothing left to do.
func TestTwoNodes(t *testing.T) {
	d := newDesk(t)
	d.agree(usual())
	d.now = time.Date(2026, 3, 2, 12, 0, 0, 0, china)
	d.sell(10000, evidence.Credit)
	d.now = d.now.Add(24 * time.Hour)
	day := calendar.MustYMD(2026, 3, 3)
	decide := func() *settlement.Step {
		for s, err := range settlement.Settle(settlement.Input{Policy: &d.pol, Now: d.now, Merchant: &d.m, Calendars: calendar.Builtin, Day: day, Position: d.pos}, d.items()) {
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		return nil
	}
	one, two := decide(), decide()
	if err := d.commit(one); err != nil {
		t.Fatal(err)
	}
	if err := d.commit(two); err == nil {
		t.Fatal("both were committed")
	}
	if s := decide(); s != nil {
		t.Fatalf("decided anew: %+v", s.Payouts)
	}
	send := func() (*settlement.Step, error) {
		return settlement.Dispatch(&d.pol, d.now, &d.m, d.payouts[one.Payouts[0].ID])
	}
	a, _ := send()
	b, _ := send()
	if d.commit(a) != nil || d.commit(b) == nil || len(d.orders) != 1 {
		t.Fatalf("%d orders left", len(d.orders))
	}
	if err := d.audit(); err != nil {
		t.Fatal(err)
	}
}

// TestOtherDays: what another day's file had is cleared a second time, and what
// is sold later is not missing yet.
func TestOtherDays(t *testing.T) {
	date := calendar.MustYMD(2026, 3, 2)
	pol := settlement.DefaultPolicy()
	before := settlement.Ours{Payment: payment.ID{1}, Kind: evidence.Sale, Standing: settlement.ClearedBefore, Amount: 100, Currency: cny, Business: date - 1, Keys: settlement.Keys{RRN: "606100000001"}}
	later := settlement.Ours{Payment: payment.ID{2}, Kind: evidence.Sale, Amount: 200, Currency: cny, Business: date + 1, Keys: settlement.Keys{RRN: "606100000002"}}
	s, r, err := settlement.Reconcile(settlement.Clearing{Policy: &pol, Now: time.Unix(1772500000, 0), File: &settlement.File{}, Zone: china,
		Share: settlement.Share{MID: mid, Network: "UnionPay", Date: date, Currency: cny}, Ours: []settlement.Ours{before, later},
		Lines: []settlement.NetworkLine{{MID: mid, Keys: before.Keys, Kind: evidence.Sale, Amount: 100, Currency: cny}}})
	if err != nil || len(r.Outcomes) != 1 || r.Outcomes[settlement.Doubled] != 1 || len(s.Exceptions) != 1 || s.Exceptions[0].Owner != "network/UnionPay" {
		t.Fatalf("%v %+v %v", err, r, s)
	}
}

// TestAccounted: lines are accounted for by captures of their reference and amount,
// each by one of its own, and nothing is left that something else could explain.
func TestAccounted(t *testing.T) {
	rrn := func(n int) settlement.Keys { return settlement.Keys{RRN: fmt.Sprintf("60610000000%d", n)} }
	ours := func(n int, amount int64) settlement.Ours {
		return settlement.Ours{Payment: payment.ID{byte(n)}, Kind: evidence.Sale, Amount: amount, Currency: cny, Keys: rrn(n)}
	}
	line := func(n int, amount int64) settlement.NetworkLine {
		return settlement.NetworkLine{MID: mid, Kind: evidence.Sale, Amount: amount, Currency: cny, Keys: rrn(n)}
	}
	refund, given := line(3, 50), ours(3, 50)
	refund.Kind, given.Kind = evidence.Refund, evidence.Refund
	void, charged, bare, undone := line(1, 100), line(1, 100), line(1, 100), ours(1, 100)
	void.Kind, charged.Kind, bare.Keys, undone.Standing = evidence.Void, evidence.Chargeback, settlement.Keys{TID: "T1", STAN: "1"}, settlement.OutOfState
	captured := []settlement.Ours{ours(1, 100), ours(2, 200), given}
	for name, c := range map[string]struct {
		settlement.Clearing
		want bool
	}{
		"each line its own":     {settlement.Clearing{Ours: captured, Lines: []settlement.NetworkLine{refund, line(2, 200), line(1, 100)}}, true},
		"some without a line":   {settlement.Clearing{Ours: captured, Lines: []settlement.NetworkLine{line(2, 200)}}, true},
		"no lines":              {settlement.Clearing{Ours: captured}, true},
		"another kind of issue": {settlement.Clearing{Ours: captured, Open: []payment.Exception{{Kind: "payout_returned"}}}, true},
		"an unknown reference":  {settlement.Clearing{Ours: captured, Lines: []settlement.NetworkLine{line(4, 100)}}, false},
		"another amount":        {settlement.Clearing{Ours: captured, Lines: []settlement.NetworkLine{line(1, 101)}}, false},
		"a line twice":          {settlement.Clearing{Ours: captured, Lines: []settlement.NetworkLine{line(1, 100), line(1, 100)}}, false},
		"a refund of a sale":    {settlement.Clearing{Ours: []settlement.Ours{ours(3, 50)}, Lines: []settlement.NetworkLine{refund}}, false},
		"a void":                {settlement.Clearing{Ours: captured, Lines: []settlement.NetworkLine{void}}, false},
		"a chargeback":          {settlement.Clearing{Ours: captured, Lines: []settlement.NetworkLine{charged}}, false},
		"no reference":          {settlement.Clearing{Ours: captured, Lines: []settlement.NetworkLine{bare}}, false},
		"out of state":          {settlement.Clearing{Ours: []settlement.Ours{undone}, Lines: []settlement.NetworkLine{line(1, 100)}}, false},
		"an earlier issue":      {settlement.Clearing{Ours: captured, Prior: []settlement.Cleared{{}}}, false},
		"a capture was short":   {settlement.Clearing{Ours: captured, Open: []payment.Exception{{Kind: string(settlement.Short)}}}, false},
	} {
		if got := c.Accounted(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestUncredited: what is accepted and not credited in time is one exception, also
// where its outcome had been unknown before, and each is resolved by what it waits for.
func TestUncredited(t *testing.T) {
	pol := settlement.DefaultPolicy()
	days, _ := calendar.Builtin("WEEKEND")
	said := time.Date(2026, 3, 5, 10, 0, 0, 0, china) // a Thursday
	p := settlement.Payout{ID: "P1", MID: mid, Currency: cny, Amount: 5, State: settlement.Unknown, Version: 2, Sent: said.Add(-time.Hour), Escalated: said.Add(-time.Minute), Day: 1}
	p.Account.Bank, p.Account.Tail = "ICBC", "****6789"
	hear := func(state settlement.PayoutState, at time.Time) (kinds []string) {
		t.Helper()
		s, h, err := settlement.Hear(&pol, at, &merchant.Merchant{MID: mid}, settlement.Position{MID: mid, Currency: cny, Version: 1, InTransit: 5}, p,
			settlement.Word{Payout: p.ID, State: state, At: at, Ref: state.String()}, 1)
		if err != nil || h != settlement.Taken {
			t.Fatal(h, err)
		}
		p = s.Payouts[0]
		for _, x := range s.Exceptions {
			kinds = append(kinds, x.Kind+" "+fmt.Sprint(x.State == payment.ExceptionResolved))
		}
		return kinds
	}
	if got := hear(settlement.Accepted, said); !slices.Equal(got, []string{settlement.ExceptionPayoutUnknown + " true"}) {
		t.Errorf("accepted: %v", got)
	}
	by := p.CreditBy(&pol, days, china)
	if want := time.Date(2026, 3, 11, 0, 0, 0, 0, china); !by.Equal(want) { // Friday, Monday and Tuesday have ended
		t.Errorf("by %s, want %s", by, want)
	}
	if s, err := settlement.Uncredited(by.Add(-1), by, p); s != nil || err != nil {
		t.Error(s, err)
	}
	s, err := settlement.Uncredited(by, by, p)
	if err != nil || len(s.Exceptions) != 1 || s.Exceptions[0].Kind != settlement.ExceptionUncredited || s.Exceptions[0].Owner != "bank/ICBC" || s.Exceptions[0].Amount != 5 ||
		len(s.Orders) != 0 || len(s.Transfers) != 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	p = s.Payouts[0]
	if again, err := settlement.Uncredited(by.Add(time.Hour), by, p); again != nil || err != nil {
		t.Error("it is opened again")
	}
	if got := hear(settlement.Credited, by.Add(time.Hour)); !slices.Equal(got, []string{settlement.ExceptionUncredited + " true"}) || !p.Escalated.IsZero() {
		t.Errorf("credited: %v, %s", got, p.Escalated)
	}
}

// TestInquiriesGrowRarer: twice as long each time, up to the most.
func TestInquiriesGrowRarer(t *testing.T) {
	pol := settlement.DefaultPolicy()
	at := time.Unix(1772500000, 0)
	p := settlement.Payout{ID: "P1", MID: mid, Currency: cny, Amount: 5, State: settlement.Sent, Version: 2, Next: at}
	p.Account.Tail = "****6789"
	var pauses []time.Duration
	for range 7 {
		s, err := settlement.Tick(&pol, p.Next, p)
		if err != nil {
			t.Fatal(err)
		}
		pauses = append(pauses, s.Payouts[0].Next.Sub(p.Next))
		p = s.Payouts[0]
	}
	want := []time.Duration{5 * time.Minute, 10 * time.Minute, 20 * time.Minute, 40 * time.Minute, 80 * time.Minute, 2 * time.Hour, 2 * time.Hour}
	if !slices.Equal(pauses, want) {
		t.Errorf("%v", pauses)
	}
}
