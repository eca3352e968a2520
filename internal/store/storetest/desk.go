package storetest

import (
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/desk"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/merchant"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
)

// deskCase is a case with something in every field.
func deskCase(mid string, n int) desk.Case {
	k := desk.Key{MID: mid, Kind: desk.OnPayment, Ref: fmt.Sprintf("%016x", n)}
	at := Begin.Add(time.Duration(n) * time.Minute)
	return desk.Case{Key: k, Version: 1, State: desk.Awaiting, Owner: "anne", Due: at.Add(time.Hour), Until: at.Add(2 * time.Hour), Escalated: at, EscalatedTo: "bert",
		AwaitedFrom: "bank/ICBC", Asked: at, Cause: "record.not_in_settlement", Amount: 9962, Currency: cny, Outcome: desk.Matched,
		Matches:   []desk.Match{{Number: 1, Part: 2, With: []desk.Counter{{Ref: "bank/ICBC#e5", Amount: 9962, Text: "****0601"}}, By: "anne", At: at, Why: "one sale"}},
		Parts:     []desk.Part{{Number: 1, Amount: 5, Note: "fee", Outcome: desk.WrittenOff}, {Number: 2, Amount: 9957}},
		Proposals: []string{uuid.NewString()}, Settled: []uuid.UUID{uuid.New()}, Declared: "complaint", Comments: 3, Files: 1, Opened: at, Changed: at}
}

func deskEvent(c *desk.Case) desk.Event {
	return desk.Event{Key: c.Key, Version: c.Version, At: c.Changed, By: "anne", Role: access.Institution, What: desk.Pair, Text: "one sale", To: "bert", Until: c.Until,
		Outcome: desk.Matched, Amount: 9962, Currency: cny, Part: 2, With: c.Matches[0].With, Parts: c.Parts, Proposal: c.Proposals[0], File: "slip.pdf", Request: "r-1"}
}

func deskProposal(mid string, n int) desk.Proposal {
	at := Begin.Add(time.Duration(n) * time.Minute)
	return desk.Proposal{MID: mid, ID: uuid.Must(uuid.NewV7()).String(), Version: 1, Motion: desk.MoveWriteOff, State: desk.ProposalWaiting, Case: deskCase(mid, n).Key, Part: 2,
		Amount: 5, Currency: cny, Keep: true, Against: ledger.NetworkReceivable, Hold: "order 7", Payout: "P1", Payment: uuid.New(), RRN: "606110000001", Most: 100,
		Reason: "of nobody", Document: "paper 1", Links: []string{"x"}, Maker: "anne", Made: at, Expires: at.Add(time.Hour), Needs: 2, Checks: []desk.Check{{By: "bert", At: at}}}
}

// deskWork: cases with their history, files and proposals are read back as they were
// written; versions hold; one merchant's are not another's.
func deskWork(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	const neighbour = "898310058120002"
	c, theirs := deskCase(MID, 1), deskCase(neighbour, 2)
	f := desk.File{Key: c.Key, Hash: "ab", Name: "slip.txt", Type: "text/plain", Size: 3, By: "anne", At: Begin, Content: []byte("x\x00y"), Masked: true}
	audit := access.Event{At: Begin, Actor: access.Actor{Name: "anne", Role: access.Institution}, What: "matched", Subject: "case/" + c.Key.String(), MID: MID, Version: 1}
	first := &desk.Step{MID: MID, At: Begin, Cases: []desk.Case{c}, Events: []desk.Event{deskEvent(&c)}, Files: []desk.File{f}, Audit: []access.Event{audit}}
	for range 2 { // a step that is there already has no second effect
		ok(t, s.CommitDesk(ctx, first))
	}
	ok(t, s.CommitDesk(ctx, &desk.Step{MID: neighbour, At: Begin, Cases: []desk.Case{theirs}, Events: []desk.Event{deskEvent(&theirs)}}))
	if got := must[desk.Case](t)(s.Case(ctx, c.Key)); !reflect.DeepEqual(got, c) {
		t.Errorf("%+v, want\n%+v", got, c)
	}
	if got := must[[]desk.Event](t)(s.CaseEvents(ctx, c.Key)); len(got) != 1 || !reflect.DeepEqual(got[0], deskEvent(&c)) {
		t.Errorf("%+v", got)
	}
	if got := must[desk.File](t)(s.CaseFile(ctx, c.Key, "ab")); !reflect.DeepEqual(got, f) {
		t.Errorf("%+v", got)
	}
	if got := must[[]desk.File](t)(s.CaseFiles(ctx, c.Key)); len(got) != 1 || got[0].Content != nil || got[0].Name != f.Name {
		t.Errorf("%+v", got)
	}
	if lines := must[[]access.Event](t)(s.Audit(ctx, access.AuditFilter{Subject: "case/" + c.Key.String()}, uuid.Nil, 10)); len(lines) != 1 {
		t.Errorf("%d lines in the audit log", len(lines))
	}
	if all, own := must[[]desk.Case](t)(s.OpenCases(ctx, "")), must[[]desk.Case](t)(s.OpenCases(ctx, neighbour)); len(all) != 2 || len(own) != 1 || own[0].Key != theirs.Key {
		t.Errorf("open: %d and %d", len(all), len(own))
	}
	for _, err := range []error{second(s.Case(ctx, desk.Key{MID: neighbour, Kind: c.Key.Kind, Ref: c.Key.Ref})), second(s.CaseFile(ctx, theirs.Key, "ab")), second(s.Proposal(ctx, MID, "x")),
		second(s.ExceptionByID(ctx, MID, uuid.New()))} {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("what is not there: %v", err)
		}
	}
	// Of many who change it at once, one is first.
	var wins, losses int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			next := c
			next.Version, next.Owner, next.Changed = 2, fmt.Sprint("person ", i), Begin.Add(time.Hour)
			err := s.CommitDesk(ctx, &desk.Step{MID: MID, At: Begin, Cases: []desk.Case{next}, Events: []desk.Event{deskEvent(&next)}})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				wins++
			case errors.Is(err, payment.ErrRefused) && fault.KindOf(err) == fault.Conflict:
				losses++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if wins != 1 || losses != 7 {
		t.Errorf("%d changed it, %d were refused", wins, losses)
	}
	for name, step := range map[string]*desk.Step{
		"another merchant's case": {MID: neighbour, At: Begin, Cases: []desk.Case{deskCase(MID, 9)}},
		"another's booking":       {MID: MID, At: Begin, Settlement: &settlement.Step{Step: payment.Step{MID: neighbour}}},
		"a payment":               {MID: MID, At: Begin, Settlement: &settlement.Step{Step: payment.Step{MID: MID, Transactions: []payment.Transaction{{}}}}},
		"nobody's":                {At: Begin},
		"a file of other size":    {MID: MID, At: Begin, Files: []desk.File{{Key: c.Key, Hash: "x", Size: 9}}},
	} {
		if err := s.CommitDesk(ctx, step); !errors.Is(err, payment.ErrRefused) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	settledCases(t, s)
	Healthy(t, address)
}

// settledCases: what is resolved comes page by page, also where several were resolved
// at one moment, and what is over is no longer among what is watched.
func settledCases(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	want := map[desk.Key]bool{}
	for n := range 7 {
		c := deskCase(MID, 100+n)
		c.State, c.Changed, c.Over = desk.Resolved, Begin.Add(time.Duration(n/3)*time.Second), n == 6
		ok(t, s.CommitDesk(ctx, &desk.Step{MID: MID, At: Begin, Cases: []desk.Case{c}}))
		want[c.Key] = true
	}
	for _, mid := range []string{"", MID} {
		got := map[desk.Key]bool{}
		mark := desk.SettledMark{}
		for {
			page := must[[]desk.Case](t)(s.SettledCases(ctx, mid, mark, 2))
			for _, c := range page {
				if got[c.Key] || mark.ID != "" && c.Changed.After(mark.Changed) {
					t.Errorf("%s again, or out of order", c.Key)
				}
				got[c.Key] = true
				mark = desk.SettledMark{Changed: c.Changed, ID: c.Key.String()}
			}
			if len(page) < 2 {
				break
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%d resolved, want %d", len(got), len(want))
		}
	}
	if n := len(must[[]desk.Case](t)(s.OpenCases(ctx, MID))); n != 7 { // the one of before, and six
		t.Errorf("%d are watched", n)
	}
}

// deskQueue: proposals stand in their queue, and what is over behind it.
func deskQueue(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	shop(t, s, MID)
	var all []desk.Proposal
	for n := range 5 {
		p := deskProposal(MID, n)
		if n == 4 {
			p.Maker = "carl"
		}
		ok(t, s.CommitDesk(ctx, &desk.Step{MID: MID, At: Begin, Proposals: []desk.Proposal{p}}))
		all = append(all, p)
	}
	list := func(f desk.ProposalFilter, n int) []desk.Proposal {
		return must[[]desk.Proposal](t)(s.Proposals(ctx, f, n))
	}
	if got := list(desk.ProposalFilter{}, 10); !reflect.DeepEqual(got, all) {
		t.Errorf("%+v, want\n%+v", got, all)
	}
	for _, c := range []struct {
		f    desk.ProposalFilter
		want int
	}{{desk.ProposalFilter{MID: MID}, 5}, {desk.ProposalFilter{MID: "x"}, 0}, {desk.ProposalFilter{Maker: "carl"}, 1}, {desk.ProposalFilter{Case: all[2].Case}, 1}, {desk.ProposalFilter{Over: true}, 0}} {
		if got := list(c.f, 10); len(got) != c.want {
			t.Errorf("%+v: %d", c.f, len(got))
		}
	}
	// One is carried out: what it books and its state are one commit.
	x := all[0]
	x.Version, x.State, x.Ended, x.By = 2, desk.ProposalDone, Begin.Add(time.Hour), "bert"
	pos := must[settlement.Position](t)(s.Position(ctx, MID, cny))
	before := pos
	pos.Version++
	pos.Fees += x.Amount
	booked := &settlement.Step{Positions: []settlement.Position{pos}}
	booked.MID, booked.At = MID, Begin
	booked.Transfers = []ledger.Transfer{{ID: ledger.IDFor(uuid.MustParse(x.ID), "desk"), Key: "desk/" + x.ID, Merchant: MID, Currency: cny, Debit: ledger.NetworkReceivable, Credit: ledger.FeeIncome,
		Amount: x.Amount, At: Begin, Date: Day, Reason: "write_off"}}
	ok(t, settlement.Check(&before, booked))
	step := &desk.Step{MID: MID, At: Begin, Proposals: []desk.Proposal{x}, Settlement: booked}
	for range 2 {
		ok(t, s.CommitDesk(ctx, step))
	}
	rival := x
	rival.By = "carl"
	if err := s.CommitDesk(ctx, &desk.Step{MID: MID, At: Begin, Proposals: []desk.Proposal{rival}, Settlement: booked}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a second word: %v", err)
	}
	if got := must[*ledger.Standing](t)(s.Standing(ctx, MID)).Balance(cny, ledger.FeeIncome).On(ledger.FeeIncome.Side()); got != x.Amount {
		t.Errorf("booked %d", got)
	}
	for n, p := range all[1:3] {
		p.Version, p.State, p.Ended = 2, desk.ProposalDeclined, Begin.Add(time.Duration(n)*time.Hour)
		ok(t, s.CommitDesk(ctx, &desk.Step{MID: MID, At: Begin, Proposals: []desk.Proposal{p}}))
	}
	var over []string
	mark := desk.SettledMark{}
	for {
		page := list(desk.ProposalFilter{Over: true, After: mark}, 2)
		for _, p := range page {
			over = append(over, p.ID)
			mark = desk.SettledMark{Changed: p.Ended, ID: p.ID}
		}
		if len(page) < 2 {
			break
		}
	}
	if len(over) != 3 || over[2] != all[1].ID || len(list(desk.ProposalFilter{}, 10)) != 2 {
		t.Errorf("over: %v", over)
	}
	merchantsQueue(t, s)
	Healthy(t, address)
}

// merchantsQueue finds the merchants whose own proposals wait.
func merchantsQueue(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	if got := must[[]merchant.Merchant](t)(s.MerchantsWithProposals(ctx, "")); len(got) != 0 {
		t.Errorf("nothing waits: %+v", got)
	}
	m := must[merchant.Merchant](t)(s.MerchantRecord(ctx, MID))
	p := merchant.DefaultPolicy()
	c := must[merchant.Change](t)(m.ProposeStatus(Begin, "anne", merchant.Frozen, merchant.Judicial, `order "proposals":[{`, "court", &p))
	ok(t, s.CommitMerchant(ctx, &c))
	for _, mid := range []string{"", MID} {
		if got := must[[]merchant.Merchant](t)(s.MerchantsWithProposals(ctx, mid)); len(got) != 1 || len(got[0].Proposals) != 1 {
			t.Errorf("%+v", got)
		}
	}
	m = c.Merchant
	c = must[merchant.Change](t)(m.Approve(Begin, "bert", 3, &p, merchant.Trade{}))
	ok(t, s.CommitMerchant(ctx, &c))
	if got := must[[]merchant.Merchant](t)(s.MerchantsWithProposals(ctx, "")); len(got) != 0 {
		t.Errorf("it was decided: %+v", got)
	}
}
