package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
)

func shop(t testing.TB, s *store.Store, mid string) *Shop {
	t.Helper()
	return must[*Shop](t)(OpenShop(t.Context(), s, mid))
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// all reads a stream to its end.
func all[T any](t testing.TB, values iter.Seq2[T, error]) (out []T) {
	t.Helper()
	for v, err := range values {
		ok(t, err)
		out = append(out, v)
	}
	return out
}

// settled: a day is settled in several steps, and everything that they wrote is
// read back as it was written, also by a store that is opened anew.
func settled(t *testing.T, address string) {
	s := open(t, address)
	h := shop(t, s, MID)
	ok(t, h.Sell(t.Context(), 0, 10))
	commit(t, s, h.Refund(3, 40))
	h.Policy.Chunk = 4
	pos := must[settlement.Position](t)(s.Position(t.Context(), MID, cny))
	if want := settlement.Start(MID, cny); !reflect.DeepEqual(pos, want) {
		t.Errorf("before the first settlement: %+v", pos)
	}
	adjust := must[*settlement.Step](t)(settlement.Adjust(h.Now, &pos, settlement.Ruling{ID: "case-1", Reason: "goodwill", Maker: "anne", Checker: "bert"}, 250, ledger.FeeIncome, settlement.Keys{}))
	hold := must[*settlement.Step](t)(settlement.Retain(h.Now.Add(time.Second), &pos, settlement.Ruling{ID: "court-7", Amount: 90, Reason: "judicial", Document: "(2026) 7", Maker: "anne", Checker: "bert"}))
	for _, step := range []*settlement.Step{adjust, hold, adjust} {
		ok(t, s.CommitSettlement(t.Context(), step))
	}
	if x := must[[]settlement.Extra](t)(s.Extras(t.Context(), MID, cny)); len(x) != 2 || !reflect.DeepEqual(x[0], adjust.Extras[0]) || !reflect.DeepEqual(x[1], hold.Extras[0]) {
		t.Errorf("waiting: %+v", x)
	}
	var lines []settlement.Line
	var batch settlement.Batch
	var payout settlement.Payout
	steps := 0
	ok(t, h.Settle(t.Context(), Day, true, func(step *settlement.Step) bool {
		steps++
		lines = append(lines, step.Lines...)
		pos, batch = step.Positions[0], step.Batches[0]
		payout = append(step.Payouts, settlement.Payout{})[0]
		return true
	}))
	if steps != 4 || len(lines) != 13 {
		t.Fatalf("%d steps, %d lines", steps, len(lines))
	}
	check := func(s *store.Store) {
		t.Helper()
		ctx := t.Context()
		for _, c := range []struct {
			what      string
			got, want any
		}{
			{"position", must[settlement.Position](t)(s.Position(ctx, MID, cny)), pos},
			{"batches", must[[]settlement.Batch](t)(s.Batches(ctx, MID, cny, Day)), []settlement.Batch{batch}},
			{"lines", all(t, s.Lines(ctx, MID, cny, Day)), lines},
			{"lines of the payout", all(t, s.PayoutLines(ctx, MID, payout.ID)), lines},
			{"payout", must[settlement.Payout](t)(s.Payout(ctx, MID, payout.ID)), payout},
			{"payout by id", must[settlement.Payout](t)(s.PayoutByID(ctx, payout.ID)), payout},
			{"payouts", all(t, s.PayoutsIn(ctx, settlement.Created, settlement.Unknown)), []settlement.Payout{payout}},
			{"hold", must[settlement.Hold](t)(s.Hold(ctx, MID, "court-7")), hold.Holds[0]},
			{"holds", must[[]settlement.Hold](t)(s.Holds(ctx, MID)), hold.Holds},
			{"extras", must[[]settlement.Extra](t)(s.Extras(ctx, MID, cny)), []settlement.Extra(nil)},
			{"items", all(t, s.Items(ctx, MID, cny, payment.ID{})), []settlement.Item(nil)},
			{"sent payouts", all(t, s.PayoutsIn(ctx, settlement.Sent)), []settlement.Payout(nil)},
		} {
			if !reflect.DeepEqual(c.got, c.want) {
				t.Errorf("%s:\n%+v, want\n%+v", c.what, c.got, c.want)
			}
		}
		if b := must[*settlement.Batch](t)(s.OpenBatch(ctx, MID, cny)); b != nil {
			t.Errorf("an open batch: %+v", b)
		}
		for _, err := range []error{second(s.Payout(ctx, MID, "x")), second(s.PayoutByID(ctx, "x")), second(s.Hold(ctx, MID, "x")), second(s.MerchantRecord(ctx, "x")),
			second(s.Day(ctx, "UnionPay", Day)), second(s.Share(ctx, MID, "UnionPay", Day)), second(s.Filing(ctx, "clearing/UnionPay", "x"))} {
			if fault.KindOf(err) != fault.NotFound {
				t.Errorf("what is not there: %v", err)
			}
		}
		if got := must[*ledger.Standing](t)(s.Standing(ctx, MID)); got.Balance(cny, ledger.PayoutInTransit).On(ledger.PayoutInTransit.Side()) != payout.Amount {
			t.Errorf("in transit: %+v", got.Lines())
		}
	}
	check(s)
	ok(t, h.Settle(t.Context(), Day, true, func(*settlement.Step) bool { t.Error("a day that is done gave a step"); return false }))
	ok(t, s.Close())
	check(open(t, address))
	Healthy(t, address)
}

// decided: a step rests on the rows as they were. One that was decided on others
// is refused whole; one that is on record has no second effect; an order to pay
// is let go once.
func decided(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	h := shop(t, s, MID)
	ok(t, h.Sell(ctx, 0, 3))
	var first settlement.Step
	ok(t, h.Settle(ctx, Day, true, func(step *settlement.Step) bool { first = clone(step); return true }))
	payout := h.Payout(t)
	sent := must[*settlement.Step](t)(settlement.Dispatch(&h.Policy, h.Now, h.Merchant(t), payout))
	ok(t, s.CommitSettlement(ctx, &first)) // again
	ok(t, s.CommitSettlement(ctx, sent))
	before := Healthy(t, address)
	other := func(f func(*settlement.Step)) *settlement.Step {
		step := clone(&first)
		step.Evidence = nil
		f(&step)
		return &step
	}
	later := func(step *settlement.Step) {
		step.Positions[0].Version++
		step.Batches[0].ID += "1"
		step.Batches[0].Version = 1
		step.Payouts, step.Transfers = nil, nil
	}
	for _, c := range []struct {
		name string
		step *settlement.Step
		kind fault.Kind
	}{
		{"the order to pay again", sent, fault.Conflict},
		{"another decision on the same payout", func() *settlement.Step {
			x := must[*settlement.Step](t)(settlement.Dispatch(&h.Policy, h.Now.Add(time.Minute), h.Merchant(t), payout))
			return x
		}(), fault.Conflict},
		{"the same position with other money", other(func(x *settlement.Step) { x.Positions[0].Fees++ }), fault.Conflict},
		{"a position too far", other(func(x *settlement.Step) { later(x); x.Positions[0].Version++ }), fault.Conflict},
		{"a position of the past", other(func(x *settlement.Step) { x.Positions[0].Version = 0 }), fault.Invalid},
		{"lines that are settled already", other(later), fault.Conflict},
		{"half of it new", other(func(x *settlement.Step) { x.Batches[0].ID += "9" }), fault.Conflict},
		{"a row of another merchant", other(func(x *settlement.Step) { x.Lines[0].MID = "other" }), fault.Invalid},
		{"no merchant", other(func(x *settlement.Step) { x.MID = "" }), fault.Invalid},
		{"clearing lines without a share", &settlement.Step{Step: payment.Step{MID: MID}, Cleared: []settlement.Cleared{{MID: MID}}}, fault.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := s.CommitSettlement(ctx, c.step); !errors.Is(err, payment.ErrRefused) || fault.KindOf(err) != c.kind {
				t.Errorf("%v (%v)", err, fault.KindOf(err))
			}
		})
	}
	after := Healthy(t, address)
	if before.Database, after.Database = "", ""; !reflect.DeepEqual(before, after) {
		t.Errorf("something stayed: %+v, was %+v", after, before)
	}
	if due := must[[]settlement.Payout](t)(s.PayoutsDue(ctx, h.Now.Add(time.Hour), 10)); len(due) != 1 || due[0].State != settlement.Sent {
		t.Errorf("due: %+v", due)
	}
	if due := must[[]settlement.Payout](t)(s.PayoutsDue(ctx, h.Now, 10)); len(due) != 0 {
		t.Errorf("due too early: %+v", due)
	}
	// An interrupted decision is taken anew on what is there.
	step, heard, err := settlement.Hear(&h.Policy, h.Now.Add(time.Hour), h.Merchant(t), must[settlement.Position](t)(s.Position(ctx, MID, cny)), h.Payout(t),
		settlement.Word{Payout: payout.ID, State: settlement.Credited, At: h.Now.Add(time.Hour), Ref: "ICBC/1"}, Day)
	if err != nil || heard != settlement.Taken {
		t.Fatal(heard, err)
	}
	ok(t, s.CommitSettlement(ctx, step))
	if err := s.CommitSettlement(ctx, sent); !errors.Is(err, payment.ErrRefused) {
		t.Errorf("the order to pay, after the money arrived: %v", err)
	}
	if p := must[settlement.Position](t)(s.Position(ctx, MID, cny)); p.Paid != payout.Amount || p.InTransit != 0 {
		t.Errorf("%+v", p)
	}
	Healthy(t, address)
}

// clone copies a step whose room is used again.
func clone(s *settlement.Step) settlement.Step {
	c := *s
	c.Transfers, c.Lines, c.Positions, c.Batches = slices.Clone(s.Transfers), slices.Clone(s.Lines), slices.Clone(s.Positions), slices.Clone(s.Batches)
	c.Payouts, c.Extras = slices.Clone(s.Payouts), slices.Clone(s.Extras)
	c.Evidence = slices.Clone(s.Evidence)
	for i := range c.Evidence {
		c.Evidence[i].Line = slices.Clone(c.Evidence[i].Line)
	}
	return c
}

// rulings: what people decided is on record once, and what a run has settled, or
// a release ended, nobody changes any more.
func rulings(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	h := shop(t, s, MID)
	ok(t, h.Sell(ctx, 0, 3))
	pos := settlement.Start(MID, cny)
	retain := must[*settlement.Step](t)(settlement.Retain(h.Now, &pos, settlement.Ruling{ID: "court-7", Amount: 90, Reason: "judicial", Maker: "anne", Checker: "bert"}))
	ok(t, s.CommitSettlement(ctx, retain))
	ok(t, h.Settle(ctx, Day, true, nil))
	release := must[*settlement.Step](t)(settlement.Release(h.Now.Add(time.Hour), must[settlement.Hold](t)(s.Hold(ctx, MID, "court-7")), "anne", "bert"))
	ok(t, s.CommitSettlement(ctx, release))
	for name, again := range map[string]*settlement.Step{"the hold": retain, "its release": release} {
		if err := s.CommitSettlement(ctx, again); err != nil {
			t.Errorf("%s again: %v", name, err)
		}
	}
	if held := must[settlement.Hold](t)(s.Hold(ctx, MID, "court-7")); held.Released.IsZero() || held.Amount != 0 {
		t.Errorf("the hold is back: %+v", held)
	}
	if x := must[[]settlement.Extra](t)(s.Extras(ctx, MID, cny)); len(x) != 1 || x[0].Kind != evidence.ReserveRelease {
		t.Errorf("waiting: %+v", x)
	}
	changed := *retain
	changed.Extras = slices.Clone(retain.Extras)
	changed.Extras[0].Net *= 2
	if err := s.CommitSettlement(ctx, &changed); !errors.Is(err, payment.ErrRefused) || fault.KindOf(err) != fault.Conflict {
		t.Errorf("another amount under the number of a settled ruling: %v", err)
	}
	ok(t, h.Settle(ctx, Day.Add(1), true, nil))
	if p := must[settlement.Position](t)(s.Position(ctx, MID, cny)); p.Retained != 0 || p.InTransit != 3*100+1+2-must[[]settlement.Batch](t)(s.Batches(ctx, MID, cny, Day))[0].Fee {
		t.Errorf("%+v", p)
	}
	Healthy(t, address)
}

// undone: what is voided before a run comes to nothing, what is voided after it
// gets a line of its own, and what is voided while a run is on its way is found
// by the next.
func undone(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	h := shop(t, s, MID)
	ok(t, h.Sell(ctx, 0, 4))
	commit(t, s, h.Void(0, 3))
	if items := all(t, s.Items(ctx, MID, cny, payment.ID{})); len(items) != 3 {
		t.Errorf("%d items", len(items))
	}
	h.Policy.Chunk = 1
	ok(t, h.Settle(ctx, Day, true, func(step *settlement.Step) bool {
		if len(step.Lines) == 1 && step.Lines[0].Payment == h.sale(2).ID() {
			commit(t, s, h.Void(2, 3)) // when its line is durable
		}
		return true
	}))
	items := all(t, s.Items(ctx, MID, cny, payment.ID{}))
	if len(items) != 1 || items[0].Payment != h.sale(2).ID() || items[0].Effect != 0 || items[0].Done.Gross != h.sale(2).Amount() || items[0].Done.Turns != 1 {
		t.Fatalf("%+v", items)
	}
	// The line rests on an effect that is gone when it comes: it stays due.
	ok(t, h.Sell(ctx, 10, 11))
	h.Now = h.Now.Add(24 * time.Hour)
	for step, err := range settlement.Settle(settlement.Input{Policy: &h.Policy, Now: h.Now, Merchant: h.Merchant(t), Calendars: calendar.Builtin, Day: Day.Add(1), Final: true,
		Position: must[settlement.Position](t)(s.Position(ctx, MID, cny))}, func(yield func(settlement.Item, error) bool) {
		for it, err := range s.Items(ctx, MID, cny, payment.ID{}) {
			if it.Payment == h.sale(10).ID() {
				commit(t, s, h.Void(10, 3))
			}
			if !yield(it, err) {
				return
			}
		}
	}) {
		ok(t, err)
		ok(t, s.CommitSettlement(ctx, step))
	}
	if items := all(t, s.Items(ctx, MID, cny, payment.ID{})); len(items) != 1 || items[0].Payment != h.sale(10).ID() || items[0].Done.Gross == 0 {
		t.Errorf("%+v", items)
	}
	ok(t, h.Settle(ctx, Day.Add(2), true, nil))
	if items := all(t, s.Items(ctx, MID, cny, payment.ID{})); len(items) != 0 {
		t.Errorf("%+v", items)
	}
	if got := must[*ledger.Standing](t)(s.Standing(ctx, MID)); got.Balance(cny, ledger.MerchantPending).On(ledger.Credit) != 0 {
		t.Errorf("pending: %+v", got.Lines())
	}
	Healthy(t, address)
}

// rivals: several decide at the same time, on one node or two; of each decision
// one wins, and in the end every sale has one line and the merchant one payout,
// whose order left once.
func rivals(t *testing.T, address string) {
	s := open(t, address)
	stores := []*store.Store{s}
	if Several(address) {
		stores = append(stores, open(t, address, func(o *store.Options) { o.Node = "other" }))
	}
	const merchants, sales = 3, 20
	var shops []*Shop
	for m := range merchants {
		h := shop(t, s, fmt.Sprint(MID, m))
		ok(t, h.Sell(t.Context(), 0, sales))
		shops = append(shops, h)
	}
	var wg sync.WaitGroup
	var sent [merchants]atomic.Int64
	for i := range 4 {
		for m := range shops {
			wg.Go(func() {
				h := *shops[m]
				h.S, h.Policy.Chunk = stores[i%len(stores)], 3
				for {
					err := h.Settle(t.Context(), Day, true, nil)
					if err == nil {
						break
					}
					if !errors.Is(err, payment.ErrRefused) || fault.KindOf(err) != fault.Conflict {
						t.Errorf("settling: %v", err)
						return
					}
				}
				all, err := h.S.PayoutsOf(t.Context(), h.MID, settlement.Created)
				if err != nil {
					t.Error(err)
				}
				for _, p := range all {
					record, err := h.S.MerchantRecord(t.Context(), h.MID)
					if err != nil {
						t.Error(err)
					}
					step, err := settlement.Dispatch(&h.Policy, h.Now, &record, p)
					if err != nil {
						t.Error(err)
						continue
					}
					switch err := h.S.CommitSettlement(t.Context(), step); {
					case err == nil:
						sent[m].Add(1)
					case !errors.Is(err, payment.ErrRefused):
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	for m, h := range shops {
		p := h.Payout(t)
		if p.State != settlement.Sent || sent[m].Load() != 1 || p.Lines != sales {
			t.Errorf("merchant %d: payout %+v, sent %d times", m, p, sent[m].Load())
		}
		if lines := all(t, s.PayoutLines(t.Context(), h.MID, p.ID)); len(lines) != sales {
			t.Errorf("merchant %d: %d lines", m, len(lines))
		}
	}
	Healthy(t, address)
}

// interrupted: a run that ended between two steps goes on behind the last durable
// one, whoever takes it up.
func interrupted(t *testing.T, address string) {
	const sales = 11
	s := open(t, address)
	h := shop(t, s, MID)
	ok(t, h.Sell(t.Context(), 0, sales))
	h.Policy.Chunk = 2
	for n := 0; ; n++ {
		done := false
		ok(t, h.Settle(t.Context(), Day, true, func(step *settlement.Step) bool {
			done = len(step.Payouts) > 0
			return false
		}))
		ok(t, s.Close())
		s = open(t, address)
		h.S = s
		if done {
			break
		}
		if b := must[*settlement.Batch](t)(s.OpenBatch(t.Context(), MID, cny)); b == nil || b.Chunks != n+1 {
			t.Fatalf("after %d steps: %+v", n+1, b)
		}
	}
	if lines := all(t, s.Lines(t.Context(), MID, cny, Day)); len(lines) != sales || h.Payout(t).Lines != sales {
		t.Errorf("%d lines, %+v", len(lines), h.Payout(t))
	}
	Healthy(t, address)
}

// packed: the facts and lines of a large part of a file lie together, and are read,
// repeated and contradicted as if each lay alone, from any place of the cursor.
func packed(t *testing.T, address string) {
	const many = 1203
	s := open(t, address)
	ctx := t.Context()
	h := shop(t, s, MID)
	ok(t, h.SellMany(ctx, 0, many))
	c := settlement.Clearing{Policy: &h.Policy, Now: h.Now, File: &settlement.File{Network: "UnionPay", Date: Day, Currency: cny, Version: 1}, Zone: time.UTC,
		Share: settlement.Share{MID: MID, Network: "UnionPay", Date: Day, Currency: cny}}
	for n := range many {
		c.Lines = append(c.Lines, cleared(h.sale(n)))
	}
	c.Ours = must[[]settlement.Ours](t)(s.Awaiting(ctx, MID, "UnionPay", Day))
	if whole := must[[]settlement.Ours](t)(s.Ours(ctx, MID, "UnionPay", Day, nil)); !c.Accounted() || !reflect.DeepEqual(c.Ours, whole) {
		t.Fatalf("%d transactions wait for the file, %d of %d in all", len(c.Ours), len(whole), many)
	}
	_, before, err := s.Evidence(ctx, "", 1_000_000)
	ok(t, err)
	step, _, err := settlement.Reconcile(c)
	ok(t, err)
	ok(t, s.CommitSettlement(ctx, step))
	ok(t, s.CommitSettlement(ctx, step)) // again
	commit(t, s, h.sale(many).Requested())
	ok(t, s.Close())
	s = open(t, address)
	if rows := must[[]settlement.Cleared](t)(s.Cleared(ctx, MID, "UnionPay", Day)); !reflect.DeepEqual(rows, step.Cleared) {
		t.Errorf("%d lines are read otherwise than the %d that were written", len(rows), len(step.Cleared))
	}
	if left := must[[]settlement.Ours](t)(s.Awaiting(ctx, MID, "UnionPay", Day)); len(left) != 0 {
		t.Errorf("%d still wait for the file", len(left))
	}
	var want []string
	for _, e := range step.Evidence {
		want = append(want, e.Source+" "+string(e.Line))
	}
	for _, e := range h.sale(many).Requested().Evidence {
		want = append(want, e.Source+" "+string(e.Line))
	}
	for _, page := range []int{17, 500, 100_000} {
		var got []string
		cursor := before
		for {
			lines, next, err := s.Evidence(ctx, cursor, page)
			ok(t, err)
			for _, l := range lines {
				if l.MID != MID || gjson.GetBytes(l.JSON, "id").Str != l.ID {
					t.Fatalf("%+v", l)
				}
				got = append(got, l.Source+" "+string(l.JSON))
			}
			if len(lines) < page {
				break
			}
			cursor = next
		}
		if !slices.Equal(got, want) {
			t.Errorf("by pages of %d: %d facts, of which some are not, or not in the order of, the %d written", page, len(got), len(want))
		}
	}
	var of []string
	for _, l := range all(t, s.EvidenceOf(ctx, MID)) {
		if strings.HasPrefix(l.Source, "clearing/") {
			of = append(of, l.Source+" "+string(l.JSON))
		}
	}
	slices.Sort(of)
	if lines := slices.Sorted(slices.Values(want[:len(step.Evidence)])); !slices.Equal(of, lines) {
		t.Errorf("%d facts of the file are the merchant's, %d were told", len(of), len(lines))
	}
	same := step.Evidence[700]
	same.Line = bytes.Clone(same.Line)
	other := same
	other.Line = bytes.Replace(same.Line, []byte(`"kind":"sale"`), []byte(`"kind":"void"`), 1)
	fresh := same
	fresh.ID += "/2"
	fresh.Line = bytes.Replace(same.Line, []byte(`"id":"`+same.ID), []byte(`"id":"`+fresh.ID), 1)
	if got := must[[]store.Outcome](t)(s.Append(ctx, []payment.Evidence{same, other, fresh})); !slices.Equal(got, []store.Outcome{store.Repeated, store.Contradicts, store.Added}) {
		t.Errorf("brought from outside: %v", got)
	}
	r := Healthy(t, address)
	if n := len(all(t, s.EvidenceOf(ctx, MID))) + len(all(t, s.EvidenceOf(ctx, ""))); r.Evidence < int64(n) || n < many {
		t.Errorf("doctor counts %d facts, %d are read", r.Evidence, n)
	}
}

// clearing: a network's file is booked line by line; a corrected one replaces what
// the one before said, and what it no longer clears waits again.
func clearing(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	h := shop(t, s, MID)
	ok(t, h.Sell(ctx, 0, 4))
	commit(t, s, h.sale(9).Requested(), h.sale(9).Unanswered())
	date := Day.Add(-1)
	uncleared := func() int {
		t.Helper()
		if len(all(t, s.Uncleared(ctx, "UnionPay", date))) == 0 {
			return 0
		}
		n := 0
		for _, o := range must[[]settlement.Ours](t)(s.Ours(ctx, MID, "UnionPay", Day.Add(9), nil)) {
			if o.Standing == settlement.Captured {
				n++
			}
		}
		return n
	}
	if n := uncleared(); n != 4 {
		t.Errorf("%d captured and not cleared", n)
	}
	issue := func(version int, lines ...settlement.NetworkLine) settlement.Step {
		t.Helper()
		c := settlement.Clearing{Policy: &h.Policy, Now: h.Now, File: &settlement.File{Network: "UnionPay", Date: date, Currency: cny, Version: version}, Zone: time.UTC, Lines: lines}
		var err error
		if c.Share, err = s.Share(ctx, MID, "UnionPay", date); fault.KindOf(err) == fault.NotFound {
			c.Share, err = settlement.Share{MID: MID, Network: "UnionPay", Date: date, Currency: cny}, nil
		}
		ok(t, err)
		c.Prior = must[[]settlement.Cleared](t)(s.Cleared(ctx, MID, "UnionPay", date))
		c.Open = must[[]payment.Exception](t)(s.OpenExceptions(ctx, MID))
		var rrns []string
		for _, l := range lines {
			rrns = append(rrns, l.RRN)
		}
		c.Ours = must[[]settlement.Ours](t)(s.Ours(ctx, MID, "UnionPay", date, rrns))
		step, _, err := settlement.Reconcile(c)
		ok(t, err)
		ok(t, s.CommitSettlement(ctx, step))
		return clone(step)
	}
	first := issue(1, cleared(h.sale(0)), cleared(h.sale(1)), cleared(h.sale(9)), cleared(Sale{MID, "T9999999", 77}), chargeback(h.sale(3)))
	outcomes := func() map[settlement.Outcome]int {
		t.Helper()
		n := map[settlement.Outcome]int{}
		for _, c := range must[[]settlement.Cleared](t)(s.Cleared(ctx, MID, "UnionPay", date)) {
			n[c.Outcome]++
		}
		return n
	}
	if got, want := outcomes(), (map[settlement.Outcome]int{settlement.Matched: 2, settlement.OneSided: 1, settlement.Long: 1, settlement.Charged: 1}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	ok(t, s.CommitSettlement(ctx, &first)) // again
	if n := uncleared(); n != 2 {
		t.Errorf("%d captured and not cleared after the file", n)
	}
	if x := must[[]settlement.Extra](t)(s.Extras(ctx, MID, cny)); len(x) != 1 || x[0].Kind != evidence.Chargeback {
		t.Errorf("charged back: %+v", x)
	}
	// The corrected issue clears one more, and one no more.
	issue(2, cleared(h.sale(0)), cleared(h.sale(2)), cleared(h.sale(9)), chargeback(h.sale(3)))
	if got, want := outcomes(), (map[settlement.Outcome]int{settlement.Matched: 2, settlement.OneSided: 1, settlement.Charged: 1, settlement.Withdrawn: 2}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if n := uncleared(); n != 2 {
		t.Errorf("%d captured and not cleared after the correction", n)
	}
	shares := all(t, s.Shares(ctx, "UnionPay", date))
	if len(shares) != 1 || shares[0].Version != 2 || shares[0].Cleared != h.sale(0).Amount()+h.sale(2).Amount()+h.sale(9).Amount()-h.sale(3).Amount() {
		t.Errorf("%+v", shares)
	}
	// The file of the next day has one that was cleared before.
	for _, o := range must[[]settlement.Ours](t)(s.Ours(ctx, MID, "UnionPay", Day, []string{h.sale(0).RRN(), "unknown"})) {
		if want := map[payment.ID]settlement.Standing{h.sale(0).ID(): settlement.ClearedBefore, h.sale(9).ID(): settlement.OutOfState}[o.Payment]; o.Standing != want {
			t.Errorf("%+v, want %v", o, want)
		}
	}
	day := settlement.Owed("UnionPay", date, cny)
	day.Count, day.Digest = 4, settlement.Digest{1, 2, 3}
	day.Version, day.State, day.Entries = 1, settlement.FileIn, []string{"e1"}
	step := &settlement.Step{Step: payment.Step{MID: settlement.House, At: h.Now}, Days: []settlement.Day{day}}
	ok(t, s.CommitSettlement(ctx, step))
	if got := must[settlement.Day](t)(s.Day(ctx, "UnionPay", date)); !reflect.DeepEqual(got, day) {
		t.Errorf("%+v, want %+v", got, day)
	}
	if days := must[[]settlement.Day](t)(s.Days(ctx, "UnionPay", date.Add(-1), date)); len(days) != 1 {
		t.Errorf("%+v", days)
	}
	Healthy(t, address)
}

// records: what is agreed with merchants goes up by a version, with its trail and
// its evidence; two who decide at the same time do not both have their way.
func records(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	h := shop(t, s, MID)
	shop(t, s, MID+"2")
	p := merchant.DefaultPolicy()
	m := h.Merchant(t)
	freeze := must[merchant.Change](t)(m.ProposeStatus(h.Now, "anne", merchant.Frozen, merchant.Judicial, "(2026) 7", "ordered", &p))
	rival := must[merchant.Change](t)(m.OpenStore(h.Now, "carl", merchant.Store{ID: "2", Name: "静安店", Opened: Day}))
	ok(t, s.CommitMerchant(ctx, &freeze))
	ok(t, s.CommitMerchant(ctx, &freeze))
	if err := s.CommitMerchant(ctx, &rival); !errors.Is(err, payment.ErrRefused) || fault.KindOf(err) != fault.Conflict {
		t.Errorf("two decisions on one version: %v", err)
	}
	if got := h.Merchant(t); !reflect.DeepEqual(*got, freeze.Merchant) {
		t.Errorf("%+v, want %+v", *got, freeze.Merchant)
	}
	events := must[[]merchant.Event](t)(s.MerchantEvents(ctx, MID))
	if len(events) != 7 || !reflect.DeepEqual(events[6], freeze.Event) || events[0].What != "onboarded" {
		t.Errorf("%+v", events)
	}
	if all := all(t, s.MerchantRecords(ctx)); len(all) != 2 || all[0].MID != MID {
		t.Errorf("%d merchants", len(all))
	}
	facts := 0
	for _, l := range all(t, s.EvidenceOf(ctx, MID)) {
		if l.Source == "institution/merchants" {
			facts++
		}
	}
	if facts != 1 {
		t.Errorf("%d facts of terms", facts)
	}
	for _, f := range []backoffice.Filing{
		{Folder: "clearing/UnionPay", Hash: "b", Name: "b", Received: Begin, State: backoffice.Taken, Date: Day, Rows: 3, Total: -5},
		{Folder: "clearing/UnionPay", Hash: "a", Name: "a", Received: Begin.Add(time.Hour), State: backoffice.Waiting, Date: calendar.None},
		{Folder: "replies/ICBC", Hash: "a", Name: "c", Received: Begin, State: backoffice.Refused, Why: "no file of ours", Date: calendar.None},
		{Folder: "clearing/UnionPay", Hash: "a", Name: "a", Received: Begin.Add(time.Hour), State: backoffice.Taken, Date: Day},
	} {
		ok(t, s.PutFiling(ctx, f))
		if got := must[backoffice.Filing](t)(s.Filing(ctx, f.Folder, f.Hash)); !reflect.DeepEqual(got, f) {
			t.Errorf("%+v, want %+v", got, f)
		}
	}
	if got := all(t, s.Filings(ctx, "clearing/UnionPay")); len(got) != 2 || got[0].Hash != "a" {
		t.Errorf("%+v", got)
	}
	Healthy(t, address)
}

// settlementTampering: what is changed behind the store's back of settlement and
// clearing is found and named.
func settlementTampering(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	h := shop(t, s, MID)
	ok(t, h.Sell(ctx, 0, 3))
	ok(t, h.Settle(ctx, Day, true, nil))
	payout := h.Payout(t)
	ok(t, s.CommitSettlement(ctx, must[*settlement.Step](t)(settlement.Dispatch(&h.Policy, h.Now, h.Merchant(t), payout))))
	ok(t, h.SellMany(ctx, 5, 25))
	var lines []settlement.NetworkLine
	for n := 5; n < 25; n++ {
		lines = append(lines, cleared(h.sale(n)))
	}
	step, _, err := settlement.Reconcile(settlement.Clearing{Policy: &h.Policy, Now: h.Now, File: &settlement.File{Network: "UnionPay", Date: Day, Currency: cny}, Zone: time.UTC,
		Share: settlement.Share{MID: MID, Network: "UnionPay", Date: Day, Currency: cny}, Lines: lines,
		Ours: must[[]settlement.Ours](t)(s.Ours(ctx, MID, "UnionPay", Day, nil))})
	ok(t, err)
	ok(t, s.CommitSettlement(ctx, step))
	ok(t, s.Close())
	Healthy(t, address)
	db := Raw(t, address)
	body := func(table, from, to string) [2]string {
		q := "UPDATE " + table + " SET body = REPLACE(body, '%s', '%s')"
		return [2]string{fmt.Sprintf(q, from, to), fmt.Sprintf(q, to, from)}
	}
	for _, c := range []struct {
		do        [2]string
		what, why string
	}{
		{[2]string{"UPDATE settlement_line SET net = net + 1 WHERE seq = 2", "UPDATE settlement_line SET net = net - 1 WHERE seq = 2"}, "settlement", "its lines are 3 and come to"},
		{[2]string{"UPDATE settlement_line SET payout = 'P1' WHERE seq = 1", "UPDATE settlement_line SET payout = '" + payout.ID + "' WHERE seq = 1"}, "settlement", "name a payout that is not kept"},
		{[2]string{"UPDATE settlement_line SET batch = 'B1'", "UPDATE settlement_line SET batch = '" + settlement.BatchID(MID, cny, Day, 1) + "'"}, "settlement", "are of a batch that is not kept"},
		{body("settlement_position", `"in_transit":`, `"paid":`), "settlement", "payout_in_transit is"},
		{body("settlement_position", `"fees":3`, `"fees":4`), "settlement", "fee_income is 3 in the ledger, the position says 4"},
		{body("payout", `"amount":`, `"amount":1`), "settlement", "it is of"},
		{body("payout", `"state":"sent"`, `"state":"created"`), "journal", "payout " + payout.ID + " is not as the journal left it"},
		{body("payout", `"currency":"CNY"`, `"currency":"?"`), "settlement", "cannot be read"},
		{body("merchant_record", `"state":"active"`, `"state":"frozen"`), "journal", "merchant_record itself is not as the journal left it"},
		{[2]string{"UPDATE settlement_due SET effect = effect + 7", "UPDATE settlement_due SET effect = effect - 7"}, "settlement", "waits to be settled"},
		{[2]string{"UPDATE clearing_part SET signed = signed + 1", "UPDATE clearing_part SET signed = signed - 1"}, "clearing", "its lines come to"},
		{[2]string{"UPDATE clearing_part SET lines = lines + 1", "UPDATE clearing_part SET lines = lines - 1"}, "clearing", "a row of 21 lines"},
		{[2]string{"UPDATE evidence_pack SET facts = facts + 1", "UPDATE evidence_pack SET facts = facts - 1"}, "evidence", "does not hold the facts"},
		{body("clearing_share", `"cleared":2`, `"cleared":3`), "clearing", "network_cleared is"},
	} {
		if _, err := db.Exec(c.do[0]); err != nil {
			t.Fatal(c.do[0], err)
		}
		r := must[*store.Report](t)(store.Doctor(ctx, address, nil))
		if !slices.ContainsFunc(r.Findings, func(f store.Finding) bool {
			return f.What == c.what && strings.Contains(f.Why, c.why) && f.Subject != ""
		}) {
			t.Errorf("%s: %+v", c.do[0], r.Findings)
		}
		if _, err := db.Exec(c.do[1]); err != nil {
			t.Fatal(c.do[1], err)
		}
	}
	if r := Healthy(t, address); r.Lines != 3 || r.Payouts != 1 {
		t.Errorf("%d lines, %d payouts", r.Lines, r.Payouts)
	}
}
