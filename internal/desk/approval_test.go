package desk_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/desk"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store/storetest"
)

func (r *rig) balance(owner string, n ledger.Name) int64 {
	r.t.Helper()
	s, err := r.db.Standing(r.t.Context(), owner)
	if err != nil {
		r.t.Fatal(err)
	}
	return s.Balance(cny, n).On(n.Side())
}

// queue gives what waits.
func (r *rig) queue(f desk.ApprovalFilter) []desk.Approval {
	r.t.Helper()
	var all []desk.Approval
	for after := ""; ; {
		p, err := r.Approvals(r.t.Context(), carl, f, after, 2)
		if err != nil {
			r.t.Fatal(err)
		}
		all = append(all, p.Approvals...)
		if after = p.Next; after == "" {
			return all
		}
	}
}

func (r *rig) approve(who desk.Actor, id string) *desk.Approval {
	r.t.Helper()
	a, err := r.Approve(r.t.Context(), who, id)
	if err != nil {
		r.t.Fatalf("%v (%s)", err, fault.HintOf(err))
	}
	return a
}

// TestFourEyes: a write-off is booked once, by the word of others than its maker.
func TestFourEyes(t *testing.T) {
	r := newRig(t, 0)
	k := r.except(mid, string(settlement.Short), 5000, "captured RRN 606212000107 has no line")
	c := r.do(anne, k, desk.Command{Do: desk.WriteOff, Text: "the network does not find it"})
	if len(c.Proposals) != 1 || c.State != desk.Open {
		t.Fatalf("%+v", c)
	}
	r.refuse(fault.Conflict, anne, k, desk.Command{Do: desk.Resolve, Outcome: desk.Explained, Text: "meanwhile"})
	waiting := r.queue(desk.ApprovalFilter{})
	if len(waiting) != 1 || waiting[0].Maker != "anne" || waiting[0].Needs != 1 || waiting[0].Case != k || waiting[0].Expires.Sub(waiting[0].Made) != 7*24*time.Hour {
		t.Fatalf("%+v", waiting)
	}
	id := waiting[0].ID
	a, err := r.Approval(t.Context(), bert, id)
	if err != nil {
		t.Fatal(err)
	}
	if want := []desk.Posting{{Debit: ledger.FeeIncome, Credit: ledger.NetworkReceivable, Amount: 5000, Currency: cny}}; !slices.Equal(a.Postings, want) || a.Obstacle != nil {
		t.Errorf("%+v", a)
	}
	if want := []desk.Balance{{Account: ledger.FeeIncome, Currency: cny, After: -5000}, {Account: ledger.NetworkReceivable, Currency: cny, After: -5000}}; !slices.Equal(a.Balances, want) {
		t.Errorf("%+v", a.Balances)
	}
	if _, err := r.Approve(t.Context(), anne, id); fault.KindOf(err) != fault.NotAllowed {
		t.Errorf("by its maker: %v", err)
	}
	if _, err := r.Approve(t.Context(), shop, id); fault.KindOf(err) != fault.NotAllowed {
		t.Errorf("by a merchant: %v", err)
	}
	if r.balance(mid, ledger.FeeIncome) != 0 {
		t.Error("booked before the check")
	}
	if a := r.approve(bert, id); a.State != desk.ProposalDone || a.By != "bert" {
		t.Errorf("%+v", a)
	}
	for range 2 {
		if _, err := r.Approve(t.Context(), carl, id); fault.KindOf(err) != fault.Conflict {
			t.Errorf("a second time: %v", err)
		}
	}
	for n, want := range map[ledger.Name]int64{ledger.FeeIncome: -5000, ledger.NetworkReceivable: -5000} {
		if got := r.balance(mid, n); got != want {
			t.Errorf("%s is %d, want %d", n, got, want)
		}
	}
	x := r.item(k)
	if x.Inbox != desk.Done || x.Case.Outcome != desk.WrittenOff || len(x.Case.Proposals) != 0 || r.exception(k).State != payment.ExceptionResolved {
		t.Errorf("%+v", x.Case)
	}
	if len(r.queue(desk.ApprovalFilter{})) != 0 || len(r.queue(desk.ApprovalFilter{Over: true})) != 1 {
		t.Error("the queue")
	}
	r.healthy()
}

// TestTwoCheckers: what is large needs two, who are not one.
func TestTwoCheckers(t *testing.T) {
	r := newRig(t, 0)
	k := r.except(settlement.House, settlement.ExceptionUnknownMerchant, 100_000_01, "the network clears RRN 606212000107")
	r.do(anne, k, desk.Command{Do: desk.WriteOff, Keep: true, Text: "of nobody for a year"})
	id := r.queue(desk.ApprovalFilter{})[0].ID
	if a := r.approve(bert, id); a.State != desk.ProposalWaiting || a.Needs != 2 || len(a.Checks) != 1 {
		t.Errorf("%+v", a)
	}
	if _, err := r.Approve(t.Context(), bert, id); fault.KindOf(err) != fault.NotAllowed {
		t.Errorf("twice by one: %v", err)
	}
	if r.balance(settlement.House, ledger.FeeIncome) != 0 {
		t.Error("booked after one of two")
	}
	if a := r.approve(carl, id); a.State != desk.ProposalDone {
		t.Errorf("%+v", a)
	}
	if got := r.balance(settlement.House, ledger.FeeIncome); got != 100_000_01 {
		t.Errorf("kept %d", got)
	}
	r.healthy()
}

// TestDecline: declined by a checker, withdrawn by the maker, expired by time; the
// case is free again each time and nothing is booked.
func TestDecline(t *testing.T) {
	r := newRig(t, 0)
	k := r.except(mid, string(settlement.Long), 5000, "the network clears RRN 606212000107")
	for _, c := range []struct {
		want desk.ProposalState
		end  func(id string) error
	}{
		{desk.ProposalDeclined, func(id string) error { _, err := r.Decline(t.Context(), bert, id, "ask the network first"); return err }},
		{desk.ProposalWithdrawn, func(id string) error { _, err := r.Decline(t.Context(), anne, id, "a mistake"); return err }},
		{desk.ProposalExpired, func(id string) error {
			r.now = r.now.Add(8 * 24 * time.Hour)
			if _, err := r.Approve(t.Context(), bert, id); fault.KindOf(err) != fault.Conflict {
				t.Errorf("after its time: %v", err)
			}
			return r.Resume(t.Context())
		}},
	} {
		r.do(anne, k, desk.Command{Do: desk.WriteOff, Amount: 2000, Text: "ours"})
		id := r.queue(desk.ApprovalFilter{})[0].ID
		if _, err := r.Decline(t.Context(), bert, id, " "); fault.KindOf(err) != fault.Invalid {
			t.Errorf("without a reason: %v", err)
		}
		if err := c.end(id); err != nil {
			t.Fatal(err)
		}
		a, err := r.Approval(t.Context(), carl, id)
		if err != nil || a.State != c.want {
			t.Errorf("%+v, %v; want %s", a, err, c.want)
		}
		if x := r.item(k); len(x.Case.Proposals) != 0 || x.Inbox == desk.Done {
			t.Errorf("%s: %+v", c.want, x.Case)
		}
	}
	if r.balance(mid, ledger.FeeIncome) != 0 {
		t.Error("something was booked")
	}
	r.healthy()
}

// TestPartly: a write-off of a part leaves the rest to be done.
func TestPartly(t *testing.T) {
	r := newRig(t, 0)
	k := r.except(mid, string(settlement.Short), 5000, "captured RRN 606212000107 has no line")
	r.refuse(fault.Invalid, anne, k, desk.Command{Do: desk.WriteOff, Amount: 5001, Text: "more than there is"})
	r.do(anne, k, desk.Command{Do: desk.WriteOff, Amount: 2000, Text: "their fee"})
	r.approve(bert, r.queue(desk.ApprovalFilter{})[0].ID)
	x := r.item(k)
	if x.Case.State != desk.Open || x.Case.Left(5000) != 3000 || x.Case.Parts[1].Outcome != desk.WrittenOff {
		t.Errorf("%+v", x.Case)
	}
	r.do(anne, k, desk.Command{Do: desk.WriteOff, Text: "the rest"})
	r.approve(bert, r.queue(desk.ApprovalFilter{})[0].ID)
	if x := r.item(k); x.Case.State != desk.Resolved || r.balance(mid, ledger.FeeIncome) != -5000 {
		t.Errorf("%+v", x.Case)
	}
	r.healthy()
}

// TestMerchantsMoney: adjustments, holds and their end go into the next settlement,
// each by two people.
func TestMerchantsMoney(t *testing.T) {
	r := newRig(t, 0)
	ctx := t.Context()
	propose := func(p desk.Proposal) string {
		t.Helper()
		p.MID = mid
		got, err := r.Propose(ctx, anne, p)
		if err != nil {
			t.Fatalf("%v (%s)", err, fault.HintOf(err))
		}
		return mid + "." + got.ID
	}
	adjust := propose(desk.Proposal{Motion: desk.MoveAdjust, Amount: 1800, Reason: "fee of a debit card taken as of a credit card"})
	hold := propose(desk.Proposal{Motion: desk.MoveHold, Amount: 5000, Document: "order 7", Reason: "court order"})
	a, err := r.Approval(ctx, bert, hold)
	if err != nil || !slices.Equal(a.Postings, []desk.Posting{{Debit: ledger.MerchantPayable, Credit: ledger.MerchantHeld, Amount: 5000, Currency: cny, Later: true}}) {
		t.Errorf("%+v, %v", a, err)
	}
	r.approve(bert, adjust)
	r.approve(bert, hold)
	if _, err := r.Propose(ctx, anne, desk.Proposal{MID: mid, Motion: desk.MoveHold, Amount: 5000, Document: "order 7", Reason: "again"}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a hold of the same number: %v", err)
	}
	extras, err := r.db.Extras(ctx, mid, cny)
	if err != nil || len(extras) != 2 || extras[0].Maker != "anne" || extras[0].Checker != "bert" {
		t.Errorf("%+v, %v", extras, err)
	}
	release := propose(desk.Proposal{Motion: desk.MoveFree, Hold: "order 7", Reason: "lifted"})
	r.approve(carl, release)
	if h, err := r.db.Hold(ctx, mid, "order 7"); err != nil || h.Released.IsZero() || h.ReleaseChecker != "carl" {
		t.Errorf("%+v, %v", h, err)
	}
	for name, p := range map[string]desk.Proposal{
		"no reason": {MID: mid, Motion: desk.MoveAdjust, Amount: 5}, "nothing": {MID: mid, Motion: desk.MoveAdjust, Reason: "x"},
		"of nobody": {MID: settlement.House, Motion: desk.MoveAdjust, Amount: 5, Reason: "x"}, "a word": {MID: mid, Motion: "dance", Reason: "x"},
		"no hold": {MID: mid, Motion: desk.MoveFree, Hold: "none", Reason: "x"}, "of no case": {MID: mid, Motion: desk.MoveWriteOff, Amount: 5, Reason: "x"},
	} {
		if _, err := r.Propose(ctx, anne, p); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	r.healthy()
}

// TestMerchantsProposals: what waits about a merchant stands in the same queue.
func TestMerchantsProposals(t *testing.T) {
	r := newRig(t, 0)
	p := r.Office.Merchants
	_, err := r.Office.Change(t.Context(), mid, func(m *merchant.Merchant, _ *merchant.Policy) (merchant.Change, error) {
		terms := m.Terms[0]
		terms.ValidFrom, terms.Cycle = calendar.MustYMD(2026, 4, 1), "T2"
		return m.ProposeTerms(r.now, "anne", terms, "new contract", &p, merchant.Trade{})
	})
	if err != nil {
		t.Fatal(err)
	}
	all := r.queue(desk.ApprovalFilter{NotMaker: "bert"})
	if len(all) != 1 || all[0].Motion != desk.MoveTerms || len(r.queue(desk.ApprovalFilter{NotMaker: "anne"})) != 0 {
		t.Fatalf("%+v", all)
	}
	a, err := r.Approval(t.Context(), bert, all[0].ID)
	if err != nil || !slices.Contains(a.Changes, desk.Change{Field: "cycle", Before: "T1", After: "T2"}) || slices.ContainsFunc(a.Changes, func(c desk.Change) bool { return c.Field == "cutoff" }) {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := r.Approve(t.Context(), anne, all[0].ID); fault.KindOf(err) != fault.NotAllowed {
		t.Errorf("by its maker: %v", err)
	}
	r.approve(bert, all[0].ID)
	m, err := r.db.MerchantRecord(t.Context(), mid)
	if err != nil || len(m.Terms) != 2 || m.Terms[1].Cycle != "T2" || m.Terms[1].Checker != "bert" {
		t.Errorf("%+v, %v", m.Terms, err)
	}
	if _, err := r.Approve(t.Context(), carl, all[0].ID); fault.KindOf(err) != fault.NotFound {
		t.Errorf("again: %v", err)
	}
	r.healthy()
}

// TestResend: a payout that came back goes out again when another has checked it.
func TestResend(t *testing.T) {
	r := newRig(t, 0)
	ctx := t.Context()
	if err := r.shop.Sell(ctx, 0, 5); err != nil {
		t.Fatal(err)
	}
	if err := r.shop.Settle(ctx, storetest.Day, true, nil); err != nil {
		t.Fatal(err)
	}
	o, m := r.shop.Payout(t), r.shop.Merchant(t)
	pol := settlement.DefaultPolicy()
	sent, err := settlement.Dispatch(&pol, r.now, m, o)
	if err != nil {
		t.Fatal(err)
	}
	pos, err := r.db.Position(ctx, mid, cny)
	if err != nil {
		t.Fatal(err)
	}
	back, _, err := settlement.Hear(&pol, r.now.Add(time.Hour), m, pos, sent.Payouts[0], settlement.Word{Payout: o.ID, State: settlement.Returned, Reason: "MS03", At: r.now, Ref: "r1"}, storetest.Day)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*settlement.Step{sent, back} {
		if err := r.db.CommitSettlement(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	r.now = r.now.Add(2 * time.Hour)
	all := r.list(anne, desk.Filter{})
	k := desk.Key{MID: mid, Kind: desk.OnPayout, Ref: o.ID}
	if !slices.Equal(all, []desk.Key{k}) {
		t.Fatalf("%v", all)
	}
	r.do(anne, k, desk.Command{Do: desk.Resend, Text: "the bank asks us to"})
	id := r.queue(desk.ApprovalFilter{})[0].ID
	a, err := r.Approval(ctx, bert, id)
	if err != nil || len(a.Postings) != 1 || a.Postings[0].Credit != ledger.PayoutInTransit || a.Postings[0].Amount != o.Amount {
		t.Errorf("%+v, %v", a, err)
	}
	r.approve(bert, id)
	again, err := r.db.Payout(ctx, mid, o.ID)
	if err != nil || again.Resent != o.Amount || len(again.ReplacedBy) != 1 {
		t.Errorf("%+v, %v", again, err)
	}
	if got := r.list(anne, desk.Filter{}); len(got) != 0 {
		t.Errorf("still to be done: %v", got)
	}
	r.healthy()
}

// TestCrash: whatever the moment at which the process ends between the last word and
// its effect, the effect comes once.
func TestCrash(t *testing.T) {
	for _, c := range []struct {
		name    string
		commits int  // that succeed before the process ends
		after   bool // the one that fails is durable
		booked  bool // before Resume
	}{
		{"before the approval", 0, false, false},
		{"after the approval, before the gateway", 0, true, false},
		{"after the gateway, before the record of it", 1, false, true},
		{"after all", 1, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 0)
			ctx := t.Context()
			sale := storetest.Sale{MID: mid, TID: "T1000001", N: 7}
			held := sale.Approved()
			held.Transactions[0].Held = true
			for _, s := range []*payment.Step{sale.Requested(), held} {
				if err := r.db.Commit(ctx, s); err != nil {
					t.Fatal(err)
				}
			}
			released := 0
			gateway := func(_ context.Context, x *payment.Transaction, maker, checker string) error {
				now, err := r.db.Transaction(ctx, x.ID)
				if err != nil {
					return err
				}
				if !now.Held {
					return fault.New(fault.Conflict, "release", "", fault.Same("risk does not hold it"), "")
				}
				released++
				now.Version++
				now.Held = false
				return r.db.Commit(ctx, &payment.Step{MID: mid, At: r.now, Transactions: []payment.Transaction{now}})
			}
			r.Release = gateway
			p, err := r.Propose(ctx, anne, desk.Proposal{MID: mid, Motion: desk.MoveRelease, Payment: sale.ID(), Reason: "the merchant sent the slip"})
			if err != nil {
				t.Fatal(err)
			}
			broken := r.over(&breaking{Store: r.db, left: c.commits, after: c.after})
			broken.Release = gateway
			if _, err := broken.Approve(ctx, bert, mid+"."+p.ID); err == nil {
				t.Fatal("the process did not end")
			}
			if (released == 1) != c.booked {
				t.Errorf("released %d times before Resume", released)
			}
			for range 2 {
				if err := r.Resume(ctx); err != nil {
					t.Fatal(err)
				}
			}
			want := 1
			if !c.booked && !c.after { // nothing is on record: it still waits
				want = 0
			}
			got, err := r.db.Proposal(ctx, mid, p.ID)
			if err != nil || released != want || (got.State == desk.ProposalDone) != (want == 1) {
				t.Errorf("released %d times, the proposal is %s, %v", released, got.State, err)
			}
			if want == 0 {
				r.approve(bert, mid+"."+p.ID)
			}
			if released != 1 {
				t.Errorf("released %d times in the end", released)
			}
			r.healthy()
		})
	}
}

// TestCrashOfBooking: a booking and its approval are one commit, so that a process
// that ends leaves both or neither, and the second word books nothing more.
func TestCrashOfBooking(t *testing.T) {
	for _, durable := range []bool{false, true} {
		r := newRig(t, 0)
		k := r.except(mid, string(settlement.Short), 5000, "captured RRN 606212000107 has no line")
		r.do(anne, k, desk.Command{Do: desk.WriteOff, Text: "not found"})
		id := r.queue(desk.ApprovalFilter{})[0].ID
		if _, err := r.over(&breaking{Store: r.db, after: durable}).Approve(t.Context(), bert, id); err == nil {
			t.Fatal("the process did not end")
		}
		if err := r.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := r.Approve(t.Context(), bert, id)
		if durable != (fault.KindOf(err) == fault.Conflict && err != nil) {
			t.Errorf("durable %v: %v", durable, err)
		}
		if got := r.balance(mid, ledger.FeeIncome); got != -5000 {
			t.Errorf("durable %v: booked %d", durable, got)
		}
		r.healthy()
	}
}

// TestObstacle: what cannot be carried out any more says so and waits.
func TestObstacle(t *testing.T) {
	r := newRig(t, 0)
	p, err := r.Propose(t.Context(), anne, desk.Proposal{MID: mid, Motion: desk.MoveHold, Amount: 500, Document: "order 9", Reason: "court order"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Office.Retain(t.Context(), mid, settlement.Ruling{ID: "order 9", Amount: 500, Reason: "judicial", Maker: "x", Checker: "y"}); err != nil {
		t.Fatal(err)
	}
	id := mid + "." + p.ID
	a, err := r.Approval(t.Context(), bert, id)
	if err != nil || fault.KindOf(a.Obstacle) != fault.Conflict {
		t.Errorf("%+v, %v", a, err)
	}
	if _, err := r.Approve(t.Context(), bert, id); fault.KindOf(err) != fault.Conflict {
		t.Error(err)
	}
	if a, err := r.Approval(t.Context(), bert, id); err != nil || a.State != desk.ProposalWaiting {
		t.Errorf("%+v, %v", a, err)
	}
	for _, id := range []string{"", "x", mid + ".0", mid + "." + uuid.NewString(), mid + ".99"} {
		if _, err := r.Approval(t.Context(), bert, id); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%q: %v", id, err)
		}
	}
}
