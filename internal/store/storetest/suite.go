// Package storetest is the suite that every database under the store passes, and
// a throw-away PostgreSQL cluster to run it on. Its steps are made up, so that it
// needs nothing above the store.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/ledger"
	"daozhang/internal/payment"
	"daozhang/internal/store"
)

// MID is the merchant of most steps of the suite.
const MID = "898310058120001"

// Run runs the suite; fresh gives the address of an empty database.
func Run(t *testing.T, fresh func(testing.TB) string) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, string)
	}{
		{"ReadBack", readBack},
		{"Idempotency", idempotency},
		{"Refusals", refusals},
		{"Versions", versions},
		{"Pending", pending},
		{"Grouping", grouping},
		{"GroupMates", groupMates},
		{"Isolation", isolation},
		{"MerchantsOwn", merchantsOwn},
		{"Followers", followers},
		{"Outside", outside},
		{"Replay", replay},
		{"Nodes", nodes},
		{"Closing", closing},
		{"Reference", reference},
		{"Keys", keys},
		{"Requests", requests},
		{"People", people},
		{"Attempts", attempts},
		{"AuditLog", auditLog},
		{"Sessions", sessions},
		{"ForgedPeople", forgedPeople},
		{"Views", views},
		{"DeskWork", deskWork},
		{"DeskQueue", deskQueue},
		{"Settled", settled},
		{"Decided", decided},
		{"Rulings", rulings},
		{"Undone", undone},
		{"Rivals", rivals},
		{"Interrupted", interrupted},
		{"Clearing", clearing},
		{"Packed", packed},
		{"Records", records},
		{"SettlementTampering", settlementTampering},
		{"Events", notifyEvents},
		{"Deliveries", notifyDeliveries},
		{"APILog", apiLog},
		{"Lead", lead},
		{"Tampering", tampering},
		{"Crash", crash},
		{"SettlementCrash", settlementCrash},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, fresh(t)) })
	}
}

func open(t testing.TB, address string, change ...func(*store.Options)) *store.Store {
	t.Helper()
	o := store.Options{Database: address, Node: "test", Migrate: true}
	for _, f := range change {
		f(&o)
	}
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func commit(t testing.TB, s *store.Store, steps ...*payment.Step) {
	t.Helper()
	for _, step := range steps {
		if err := s.Commit(t.Context(), step); err != nil {
			t.Fatal(err)
		}
	}
}

// Healthy fails the test where an examination finds anything.
func Healthy(t testing.TB, address string) *store.Report {
	t.Helper()
	r, err := store.Doctor(context.Background(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range r.Findings {
		t.Errorf("%s: %s: %s", f.What, f.Subject, f.Why)
	}
	return r
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func readBack(t *testing.T, address string) {
	s := open(t, address)
	sale := Sale{MID, "T1000001", 1}
	lost := Sale{MID, "T1000001", 2}
	exception := payment.Exception{ID: uuid.New(), MID: MID, Payment: lost.ID(), Kind: payment.ExceptionReversal, Owner: "network/UnionPay",
		Amount: 5, Currency: cny, Opened: Begin.Add(time.Hour), Detail: "eight attempts"}
	batch := payment.Batch{TID: "T1000001", MID: MID, Number: "000001", Opened: Begin, Uploaded: []string{"000001"}, Claimed: payment.Totals{DebitCount: 1, DebitAmount: 5}}
	closed := payment.Batch{TID: "T1000001", MID: MID, Number: "000000", State: payment.BatchClosed, Opened: Begin.Add(-time.Hour), Closed: Begin, Settlement: "000009",
		Code: evidence.Code{'0', '0'}, Ours: payment.Totals{CreditCount: 2, CreditAmount: 7}, Date: 20514}
	commit(t, s, &payment.Step{MID: MID, At: Begin, Batches: []payment.Batch{closed, batch}}, sale.Requested(), sale.Approved(), lost.Requested(), lost.Unanswered(),
		&payment.Step{MID: MID, At: Begin, Exceptions: []payment.Exception{exception}})
	check := func(s *store.Store) {
		t.Helper()
		want := sale.Approved().Transactions[0]
		for name, got := range map[string]payment.Transaction{
			"by id":  must[payment.Transaction](t)(s.Transaction(t.Context(), sale.ID())),
			"by key": must[payment.Transaction](t)(s.ByKey(t.Context(), MID, want.Key)),
			"by RRN": must[[]payment.Transaction](t)(s.ByRRN(t.Context(), "", want.RRN))[0],
			"page":   must[[]payment.Transaction](t)(s.Payments(t.Context(), MID, uuid.Nil, 1))[0],
		} {
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s:\n%+v, want\n%+v", name, got, want)
			}
		}
		o := must[*store.State](t)(s.Load(t.Context()))
		if len(o.Transactions) != 2 || o.Transactions[1].State != payment.Unknown || o.More {
			t.Errorf("open transactions: %+v", o.Transactions)
		}
		if !reflect.DeepEqual(o.Outgoing, lost.Unanswered().Outgoing) {
			t.Errorf("owed: %+v", o.Outgoing)
		}
		if !reflect.DeepEqual(o.Batches, []payment.Batch{batch}) {
			t.Errorf("batches: %+v", o.Batches)
		}
		if !reflect.DeepEqual(o.Exceptions, []payment.Exception{exception}) {
			t.Errorf("exceptions: %+v", o.Exceptions)
		}
		if got := must[payment.Batch](t)(s.Batch(t.Context(), MID, "T1000001", "000000")); !reflect.DeepEqual(got, closed) {
			t.Errorf("closed batch: %+v", got)
		}
		if due := must[[]payment.Outgoing](t)(s.Due(t.Context(), Begin.Add(30*time.Second), 10)); len(due) != 0 {
			t.Errorf("due too early: %+v", due)
		}
		if due := must[[]payment.Outgoing](t)(s.Due(t.Context(), Begin.Add(time.Hour), 10)); len(due) != 1 || due[0].Payment != lost.ID() {
			t.Errorf("due: %+v", due)
		}
		if got := must[[]payment.Exception](t)(s.Exceptions(t.Context(), store.ExceptionFilter{MID: MID, Owner: "network/UnionPay", Open: true})); len(got) != 1 {
			t.Errorf("exceptions: %+v", got)
		}
		if got := must[[]payment.Exception](t)(s.Exceptions(t.Context(), store.ExceptionFilter{Owner: "merchant"})); len(got) != 0 {
			t.Errorf("exceptions of another owner: %+v", got)
		}
		entries := must[[]ledger.Entry](t)(s.TransfersOf(t.Context(), MID, sale.ID()))
		if len(entries) != 1 || entries[0].Amount != sale.Amount() || entries[0].Seq != 1 {
			t.Errorf("transfers: %+v", entries)
		}
		lines, cursor, err := s.Evidence(t.Context(), "", 100)
		if err != nil || len(lines) != 4 {
			t.Fatalf("%d facts, %v", len(lines), err)
		}
		if want := sale.Requested().Evidence[0].Line; !bytes.Equal(lines[0].JSON, want) {
			t.Errorf("the first fact: %s, want %s", lines[0].JSON, want)
		}
		if more, _, err := s.Evidence(t.Context(), cursor, 100); err != nil || len(more) != 0 {
			t.Errorf("after the end: %v, %v", more, err)
		}
		if of := all(t, s.EvidenceOf(t.Context(), MID)); len(of) != 4 {
			t.Errorf("%d facts of the merchant", len(of))
		}
		var b bytes.Buffer
		if _, err := s.WriteEvidence(t.Context(), &b, ""); err != nil || bytes.Count(b.Bytes(), []byte("\n")) != 4 {
			t.Errorf("NDJSON: %v\n%s", err, b.Bytes())
		}
		if got := must[[]ledger.Line](t)(s.BalancesAsOf(t.Context(), MID, sale.at())); len(got) != 0 {
			t.Errorf("before the capture: %+v", got)
		}
		if got := must[[]ledger.Line](t)(s.BalancesAsOfDate(t.Context(), MID, want.BusinessDate)); len(got) != 2 || got[0].Debits != sale.Amount() {
			t.Errorf("as of the date: %+v", got)
		}
	}
	check(s)
	for _, err := range []error{
		second(s.Transaction(t.Context(), uuid.New())), second(s.ByKey(t.Context(), MID, payment.Key{TID: "x"})), second(s.Batch(t.Context(), MID, "x", "y")),
	} {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("what is not there: %v", err)
		}
	}
	if _, _, err := s.Evidence(t.Context(), "nonsense", 1); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a wrong cursor: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	check(open(t, address))
	Healthy(t, address)
}

func second[T any](_ T, err error) error { return err }

// idempotency: a step that is offered again has no second effect, whatever is
// committed in between.
func idempotency(t *testing.T, address string) {
	s := open(t, address)
	a, b := Sale{MID, "T1000001", 1}, Sale{MID, "T1000001", 2}
	commit(t, s, a.Requested(), a.Requested(), a.Approved(), b.Requested(), a.Approved(), a.Requested(), b.Approved(), a.Approved())
	if got := must[*ledger.Standing](t)(s.Standing(t.Context(), MID)); got.Head().Seq != 2 ||
		got.Balance(cny, ledger.MerchantPending).Credits != a.Amount()+b.Amount() {
		t.Errorf("%d entries, %+v", got.Head().Seq, got.Lines())
	}
	if lines, _, err := s.Evidence(t.Context(), "", 100); err != nil || len(lines) != 4 {
		t.Errorf("%d facts, %v", len(lines), err)
	}
	steps := 0
	if err := s.Replay(t.Context(), func(*payment.Step) error { steps++; return nil }); err != nil || steps != 4 {
		t.Errorf("%d steps in the journal, %v", steps, err)
	}
	// A repetition at a later moment, of a transfer alone, and twice in one step.
	again := a.Capture(Begin.Add(time.Hour))
	commit(t, s, &payment.Step{MID: MID, At: Begin, Transfers: []ledger.Transfer{again, again}})
	// Many at once.
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			c := Sale{MID, "T1000001", 3}
			if err := s.Commit(t.Context(), &payment.Step{MID: MID, At: Begin, Transfers: []ledger.Transfer{c.Capture(Begin)}}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got := must[*ledger.Standing](t)(s.Standing(t.Context(), MID)); got.Head().Seq != 3 {
		t.Errorf("%d entries", got.Head().Seq)
	}
	Healthy(t, address)
}

// refusals: what contradicts what is kept, or is no step at all, is refused with
// a reason and leaves nothing behind.
func refusals(t *testing.T, address string) {
	s := open(t, address)
	sale := Sale{MID, "T1000001", 1}
	commit(t, s, sale.Requested(), sale.Approved())
	before := Healthy(t, address)
	change := func(f func(*payment.Step)) *payment.Step {
		step := Sale{MID, "T1000001", 7}.Requested()
		f(step)
		return step
	}
	other := sale.Capture(Begin)
	other.Amount++
	for _, c := range []struct {
		name string
		step *payment.Step
		kind fault.Kind
		is   error
	}{
		{"a key with another amount", &payment.Step{MID: MID, Transfers: []ledger.Transfer{other}}, fault.Conflict, ledger.ErrKeyReused},
		{"a post of nothing pending", &payment.Step{MID: MID, Transfers: []ledger.Transfer{sale.Capture(Begin).PostOf("k", 1, Begin)}}, fault.NotFound, ledger.ErrNotPending},
		{"a transfer of no amount", change(func(p *payment.Step) { p.Transfers = []ledger.Transfer{{Merchant: MID}} }), fault.Invalid, ledger.ErrInvalid},
		{"a row of another merchant", change(func(p *payment.Step) { p.Transactions[0].MID = "other" }), fault.Invalid, nil},
		{"a transfer of another merchant", change(func(p *payment.Step) {
			p.Transfers = []ledger.Transfer{Sale{"other", "T1000001", 7}.Capture(Begin)}
		}), fault.Invalid, nil},
		{"evidence of another merchant", change(func(p *payment.Step) { p.Evidence[0].MID = "other" }), fault.Invalid, nil},
		{"evidence of two lines", change(func(p *payment.Step) { p.Evidence[0].Line = []byte("{}\n{}") }), fault.Invalid, nil},
		{"evidence that is no text", change(func(p *payment.Step) { p.Evidence[0].Line = []byte("{\xff}") }), fault.Invalid, nil},
		{"evidence without an id", change(func(p *payment.Step) { p.Evidence[0].ID = "" }), fault.Invalid, nil},
		{"no merchant", change(func(p *payment.Step) { p.MID, p.Transactions[0].MID = "", "" }), fault.Invalid, nil},
		{"no version", change(func(p *payment.Step) { p.Transactions[0].Version = 0 }), fault.Invalid, nil},
		{"an unknown state", change(func(p *payment.Step) { p.Transactions[0].State = 99 }), fault.Invalid, nil},
		{"a version that has no base", change(func(p *payment.Step) { p.Transactions[0].Version = 2 }), fault.Conflict, nil},
		{"a trace number that is taken", change(func(p *payment.Step) { p.Transactions[0].Key = sale.Transaction().Key }), fault.Conflict, nil},
		{"a reference number that is taken", change(func(p *payment.Step) { p.Transactions[0].RRN = sale.RRN() }), fault.Conflict, nil},
		{"the same version with other content", func() *payment.Step {
			p := sale.Approved()
			p.Transactions[0].AuthCode = "654321"
			return p
		}(), fault.Conflict, nil},
		{"a version too far", func() *payment.Step { p := sale.Approved(); p.Transactions[0].Version = 4; return p }(), fault.Conflict, nil},
		{"one row kept and one new", func() *payment.Step {
			p := sale.Approved()
			p.Transactions = append(p.Transactions, Sale{MID, "T1000001", 7}.Transaction())
			return p
		}(), fault.Conflict, nil},
		{"a good transfer before a bad one", change(func(p *payment.Step) {
			held := Sale{MID, "T1000001", 8}.Capture(Begin)
			held.Debit, held.Credit = ledger.MerchantHeld, ledger.MerchantPayable
			p.Transfers = []ledger.Transfer{Sale{MID, "T1000001", 7}.Capture(Begin), held}
		}), fault.Conflict, ledger.ErrOverdrawn},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := s.Commit(t.Context(), c.step)
			if !errors.Is(err, payment.ErrRefused) || fault.KindOf(err) != c.kind || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v (%v)", err, fault.KindOf(err))
			}
		})
	}
	after := Healthy(t, address)
	before.Database, after.Database = "", ""
	if !reflect.DeepEqual(before, after) {
		t.Errorf("something stayed: %+v, was %+v", after, before)
	}
	commit(t, s, Sale{MID, "T1000001", 9}.Requested()) // and goes on
}

// versions: a row goes up by one version at a time, and one step may carry
// several rows.
func versions(t *testing.T, address string) {
	s := open(t, address)
	sale := Sale{MID, "T1000001", 1}
	commit(t, s, sale.Requested(), sale.Approved())
	original := sale.Approved().Transactions[0]
	refund := Sale{MID, "T1000001", 2}.Transaction()
	refund.Operation, refund.Original = payment.Refund, sale.ID()
	for v := uint32(3); v < 8; v++ {
		original.Version = v
		original.Claimed++
		refund.Version = v - 2
		commit(t, s, &payment.Step{MID: MID, At: Begin, Transactions: []payment.Transaction{original, refund}})
	}
	if got := must[payment.Transaction](t)(s.Transaction(t.Context(), sale.ID())); got.Version != 7 || got.Claimed != 5 {
		t.Errorf("%+v", got)
	}
	if got := must[[]payment.Transaction](t)(s.ByOriginal(t.Context(), MID, sale.ID())); len(got) != 1 || got[0].Version != 5 {
		t.Errorf("%+v", got)
	}
	o := must[*store.State](t)(s.Load(t.Context()))
	if len(o.Transactions) != 2 { // the refund is in flight; what it acts on comes along
		t.Errorf("%d transactions", len(o.Transactions))
	}
	Healthy(t, address)
}

// pending: reservations are kept, finished once, and survive a restart.
func pending(t *testing.T, address string) {
	s := open(t, address)
	hold := func(n int) ledger.Transfer {
		x := Sale{MID, "T1000001", n}.Capture(Begin)
		x.Key += "/hold"
		x.Debit, x.Credit, x.Phase, x.Reason = ledger.Authorized, ledger.AuthorizedContra, ledger.Pending, ledger.ReasonAuthorize
		return x
	}
	one, two, three := hold(1), hold(2), hold(3)
	commit(t, s, &payment.Step{MID: MID, At: Begin, Transfers: []ledger.Transfer{one, two, three}})
	commit(t, s, &payment.Step{MID: MID, At: Begin, Transfers: []ledger.Transfer{one.PostOf("post", 40, Begin)}})
	s.Close()
	s = open(t, address)
	commit(t, s, &payment.Step{MID: MID, At: Begin, Transfers: []ledger.Transfer{two.VoidOf("void", Begin), one.PostOf("post", 40, Begin.Add(time.Hour))}})
	standing := must[*ledger.Standing](t)(s.Standing(t.Context(), MID))
	if got := standing.Balance(cny, ledger.Authorized); got != (ledger.Balance{Debits: 40, PendingDebits: three.Amount}) {
		t.Errorf("%+v", got)
	}
	if open := standing.Open(); len(open) != 1 || open[0].ID != three.ID {
		t.Errorf("open: %+v", open)
	}
	for _, again := range []ledger.Transfer{one.VoidOf("again", Begin), two.PostOf("again", 1, Begin)} {
		if err := s.Commit(t.Context(), &payment.Step{MID: MID, At: Begin, Transfers: []ledger.Transfer{again}}); !errors.Is(err, ledger.ErrFinished) || !errors.Is(err, payment.ErrRefused) {
			t.Errorf("finished twice: %v", err)
		}
	}
	// An account that only reserved, and whose one reservation is given up, is
	// at nothing again, on record too.
	four := hold(4)
	four.Merchant = "898310058120009"
	commit(t, s, &payment.Step{MID: four.Merchant, At: Begin, Transfers: []ledger.Transfer{four}})
	commit(t, s, &payment.Step{MID: four.Merchant, At: Begin, Transfers: []ledger.Transfer{four.VoidOf("void", Begin)}})
	s.Close()
	s = open(t, address)
	standing = must[*ledger.Standing](t)(s.Standing(t.Context(), four.Merchant))
	if got := standing.Balance(cny, ledger.Authorized); got != (ledger.Balance{}) {
		t.Errorf("after giving up the only reservation: %+v", got)
	}
	Healthy(t, address)
}

// grouping: concurrent callers share commits.
func grouping(t *testing.T, address string) {
	s := open(t, address)
	const callers, each = 32, 12
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for n := range each {
				sale := Sale{fmt.Sprintf("89831005812%04d", c%7), fmt.Sprintf("T%07d", c), n}
				for _, step := range []*payment.Step{sale.Requested(), sale.Approved()} {
					if err := s.Commit(t.Context(), step); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	st := s.Stats()
	if st.Steps != callers*each*2 || st.Groups*2 > st.Steps || st.Apart != 0 || st.Refused != 0 {
		t.Errorf("%+v: the callers did not share commits", st)
	}
	r := Healthy(t, address)
	if r.Payments != callers*each || r.Entries != callers*each || r.Evidence != 2*callers*each || r.Merchants != 7 {
		t.Errorf("%+v", r)
	}
}

// groupMates: each caller gets its own outcome, and those of a group with a step
// that is refused are kept all the same.
func groupMates(t *testing.T, address string) {
	s := open(t, address)
	taken := Sale{MID, "T9000000", 1}
	commit(t, s, taken.Requested(), taken.Approved())
	var wg sync.WaitGroup
	var refused, kept, repeated sync.Map
	for c := range 24 {
		wg.Go(func() {
			for n := range 8 {
				sale := Sale{MID, fmt.Sprintf("T%07d", c), n}
				step := sale.Requested()
				switch (c + n) % 4 {
				case 1: // a trace number that is taken
					step.Transactions[0].Key = taken.Transaction().Key
					if err := s.Commit(t.Context(), step); !errors.Is(err, payment.ErrRefused) || fault.KindOf(err) != fault.Conflict {
						t.Errorf("a key that is taken: %v", err)
					}
					refused.Store(sale, true)
				case 2: // kept already
					if err := s.Commit(t.Context(), taken.Approved()); err != nil {
						t.Errorf("a repetition: %v", err)
					}
					repeated.Store(sale, true)
				default:
					if err := s.Commit(t.Context(), step); err != nil {
						t.Errorf("a good step beside bad ones: %v", err)
					}
					kept.Store(sale, true)
				}
			}
		})
	}
	wg.Wait()
	kept.Range(func(k, _ any) bool {
		if _, err := s.Transaction(t.Context(), k.(Sale).ID()); err != nil {
			t.Error(err)
		}
		return true
	})
	refused.Range(func(k, _ any) bool {
		if _, err := s.Transaction(t.Context(), k.(Sale).ID()); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a refused step stayed: %v", err)
		}
		return true
	})
	if got := must[*ledger.Standing](t)(s.Standing(t.Context(), MID)); got.Head().Seq != 1 {
		t.Errorf("%d entries", got.Head().Seq)
	}
	if s.Stats().Apart == 0 {
		t.Error("no group had to be written step by step: the test tested nothing")
	}
	Healthy(t, address)
}

// isolation: a reader sees steps whole, never a part.
func isolation(t *testing.T, address string) {
	s := open(t, address)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for c := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				sale := Sale{MID, fmt.Sprintf("T%07d", c), n}
				for _, step := range []*payment.Step{sale.Requested(), sale.Approved()} {
					if err := s.Commit(t.Context(), step); err != nil {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	seen := 0
	for i, end := 0, time.Now().Add(30*time.Second); (i < 30 || seen < 40) && time.Now().Before(end); i++ {
		trial := must[*ledger.Trial](t)(s.Trial(t.Context()))
		if err := trial.Balanced(); err != nil {
			t.Error(err)
		}
		if i%10 == 9 && i < 40 {
			Healthy(t, address) // one moment: chains, balances and journal agree
		}
		standing := must[*ledger.Standing](t)(s.Standing(t.Context(), MID))
		var sum int64
		for _, l := range standing.Lines() {
			sum += l.Debits - l.Credits
		}
		if sum != 0 {
			t.Errorf("debits less credits: %d", sum)
		}
		all := must[[]payment.Transaction](t)(s.Payments(t.Context(), MID, uuid.Nil, 5000))
		for _, p := range all[max(0, len(all)-20):] {
			if p.State != payment.Approved {
				continue
			}
			seen++
			if e := must[[]ledger.Entry](t)(s.TransfersOf(t.Context(), MID, p.ID)); len(e) != 1 {
				t.Errorf("an approved payment with %d transfers", len(e))
			}
		}
	}
	close(stop)
	wg.Wait()
	if seen == 0 {
		t.Error("no approved payment was seen")
	}
}

// merchantsOwn: what is one merchant's cannot be had by naming another.
func merchantsOwn(t *testing.T, address string) {
	s := open(t, address)
	a, b := Sale{"A", "T1000001", 1}, Sale{"B", "T1000001", 1}
	commit(t, s, a.Requested(), b.Requested(), a.Approved(), b.Approved())
	if a.RRN() != b.RRN() || a.Transaction().Key != b.Transaction().Key {
		t.Fatal("the two should have equal keys")
	}
	for _, x := range []struct{ mine, theirs Sale }{{a, b}, {b, a}} {
		got := must[payment.Transaction](t)(s.ByKey(t.Context(), x.mine.MID, x.mine.Transaction().Key))
		if got.ID != x.mine.ID() {
			t.Errorf("by key: %v", got.ID)
		}
		if got := must[[]payment.Transaction](t)(s.ByRRN(t.Context(), x.mine.MID, x.mine.RRN())); len(got) != 1 || got[0].ID != x.mine.ID() {
			t.Errorf("by RRN: %+v", got)
		}
		if got := must[[]ledger.Entry](t)(s.TransfersOf(t.Context(), x.mine.MID, x.theirs.ID())); len(got) != 0 {
			t.Errorf("the other's transfers: %+v", got)
		}
		if got := must[[]payment.Transaction](t)(s.ByOriginal(t.Context(), x.mine.MID, x.theirs.ID())); len(got) != 0 {
			t.Errorf("%+v", got)
		}
		for _, l := range all(t, s.EvidenceOf(t.Context(), x.mine.MID)) {
			if l.MID != x.mine.MID || !bytes.Contains(l.JSON, []byte(`"mid":"`+x.mine.MID+`"`)) {
				t.Errorf("the other's fact: %s", l.JSON)
			}
		}
		for e := range s.Entries(t.Context(), x.mine.MID) {
			if e.Merchant != x.mine.MID || e.Seq != 1 {
				t.Errorf("%+v", e)
			}
		}
	}
	if got := must[[]payment.Transaction](t)(s.ByRRN(t.Context(), "", a.RRN())); len(got) != 2 {
		t.Errorf("%d payments with the reference", len(got))
	}
	Healthy(t, address)
}

// followers: who reads by cursor while others write passes over nothing and sees
// nothing twice.
func followers(t *testing.T, address string) {
	s := open(t, address)
	changed, stop := s.Watch()
	defer stop()
	const callers, each = 12, 20
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for n := range each {
				at := Begin.Add(time.Duration(n) * time.Second)
				sale := Sale{MID, fmt.Sprintf("T%07d", c), n}
				step := sale.Requested()
				step.Evidence = append(step.Evidence, Fact("gateway/test", fmt.Sprintf("link/%d/%d", c, n), evidence.LinkStatus, "", at,
					map[string]any{"link": "platform-network/UnionPay", "state": "up"}))
				if err := s.Commit(t.Context(), step); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen := map[string]int{}
	var cursor store.Cursor
	for end := time.After(60 * time.Second); len(seen) < 2*callers*each; {
		lines, next, err := s.Evidence(t.Context(), cursor, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			seen[l.ID]++
			if (l.MID == "") != (l.ID[:5] == "link/") {
				t.Errorf("fact %s of merchant %q", l.ID, l.MID)
			}
		}
		if cursor = next; len(lines) == 7 || len(seen) == 2*callers*each {
			continue
		}
		select {
		case <-changed:
		case <-end:
			t.Fatalf("%d facts after a minute", len(seen))
		}
	}
	wg.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("%s was seen %d times", id, n)
		}
	}
}

// outside: evidence that others bring is added once; versions that contradict
// each other are all kept and told.
func outside(t *testing.T, address string) {
	s := open(t, address)
	fact := func(id, mid string, amount int) payment.Evidence {
		return Fact("bank/ICBC", id, evidence.BankEntry, mid, Begin, map[string]any{"amount": amount, "currency": "CNY"})
	}
	spaced := fact("1", MID, 5)
	spaced.Line = bytes.Replace(spaced.Line, []byte(`{"data"`), []byte(`{ "data"`), 1)
	late := fact("1", MID, 5)
	late.Line = bytes.Replace(late.Line, []byte(`{"data"`), []byte(`{"recordedtime":"2026-03-02T10:15:00Z","data"`), 1)
	for i, c := range []struct {
		bring []payment.Evidence
		want  []store.Outcome
	}{
		{[]payment.Evidence{fact("1", MID, 5), fact("2", "", 6), fact("3", "B", 7), fact("1", MID, 5)}, []store.Outcome{store.Added, store.Added, store.Added, store.Repeated}},
		{[]payment.Evidence{fact("1", MID, 5), spaced, fact("2", "", 6), fact("1", MID, 8)}, []store.Outcome{store.Repeated, store.Repeated, store.Repeated, store.Contradicts}},
		{[]payment.Evidence{fact("1", MID, 8), late}, []store.Outcome{store.Repeated, store.Repeated}},
		{nil, []store.Outcome{}},
	} {
		got, err := s.Append(t.Context(), c.bring)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%d: %v, %v", i, got, err)
		}
	}
	lines, _, err := s.Evidence(t.Context(), "", 100)
	if err != nil || len(lines) != 5 { // three facts, another version, and the earlier recordedtime
		t.Errorf("%d lines, %v", len(lines), err)
	}
	bad := fact("9", MID, 1)
	bad.Line = []byte("no JSON")
	if _, err := s.Append(t.Context(), []payment.Evidence{bad}); fault.KindOf(err) != fault.Invalid {
		t.Errorf("no JSON: %v", err)
	}
}

// replay: the journal's steps, applied in order to an empty state, give what is
// kept.
func replay(t *testing.T, address string) {
	s := open(t, address)
	var wg sync.WaitGroup
	for c := range 6 {
		wg.Go(func() {
			for n := range 10 {
				sale := Sale{fmt.Sprint("M", c%3), fmt.Sprintf("T%07d", c), n}
				second := sale.Approved()
				if n%3 == 0 {
					second = sale.Unanswered()
				}
				for _, step := range []*payment.Step{sale.Requested(), second} {
					if err := s.Commit(t.Context(), step); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	rows := map[uuid.UUID]payment.Transaction{}
	owed := map[uuid.UUID]payment.Outgoing{}
	book := payment.NewBook(payment.DefaultPolicy("test"), nil, nil)
	err := s.Replay(t.Context(), func(step *payment.Step) error {
		for _, x := range step.Transactions {
			if x.Version != rows[x.ID].Version+1 {
				return fmt.Errorf("version %d after %d", x.Version, rows[x.ID].Version)
			}
			rows[x.ID] = x
		}
		for _, o := range step.Outgoing {
			owed[o.Payment] = o
		}
		book.Apply(step)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	kept := map[uuid.UUID]payment.Transaction{}
	for _, m := range []string{"M0", "M1", "M2"} {
		for _, x := range must[[]payment.Transaction](t)(s.Payments(t.Context(), m, uuid.Nil, 1000)) {
			kept[x.ID] = x
			if in := book.Find(x.ID); in == nil || !reflect.DeepEqual(*in, x) {
				t.Errorf("the book has %+v, kept is %+v", in, x)
			}
		}
	}
	if len(kept) != 60 || !maps.EqualFunc(rows, kept, func(a, b payment.Transaction) bool { return reflect.DeepEqual(a, b) }) {
		t.Errorf("%d rows from the journal, %d kept, or they differ", len(rows), len(kept))
	}
	if o := must[*store.State](t)(s.Load(t.Context())); len(o.Outgoing) != len(owed) {
		t.Errorf("%d owed, %d kept", len(owed), len(o.Outgoing))
	}
	stop := errors.New("enough")
	if err := s.Replay(t.Context(), func(*payment.Step) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the reader's own error: %v", err)
	}
	Healthy(t, address)
}

// nodes: a second process of the same node is kept out; where several nodes may
// write, their steps of one merchant make one chain.
func nodes(t *testing.T, address string) {
	s := open(t, address)
	if other, err := store.Open(t.Context(), store.Options{Database: address, Node: "test"}); fault.KindOf(err) != fault.Conflict {
		t.Errorf("a second process of the node: %v", err)
		if err == nil {
			other.Close()
		}
	}
	if !Several(address) {
		return
	}
	b := open(t, address, func(o *store.Options) { o.Node = "other" })
	var wg sync.WaitGroup
	for i, w := range []*store.Store{s, b} {
		for c := range 4 {
			wg.Go(func() {
				for n := range 10 {
					sale := Sale{MID, fmt.Sprintf("T%d%06d", i, c), n}
					for _, step := range []*payment.Step{sale.Requested(), sale.Approved()} {
						if err := w.Commit(t.Context(), step); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
	}
	wg.Wait()
	if r := Healthy(t, address); r.Entries != 80 {
		t.Errorf("%d entries", r.Entries)
	}
	lines, cursor, err := s.Evidence(t.Context(), "", 1000)
	if err != nil || len(lines) != 160 {
		t.Errorf("%d facts, %v", len(lines), err)
	}
	commit(t, b, Sale{MID, "T9", 1}.Requested())
	if lines, _, err := s.Evidence(t.Context(), cursor, 1000); err != nil || len(lines) != 1 {
		t.Errorf("%d facts after the cursor, %v", len(lines), err)
	}
}

// closing: what was accepted before Close is kept, what comes after is refused.
func closing(t *testing.T, address string) {
	s := open(t, address)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var kept []uuid.UUID
	begun := make(chan struct{}, 64)
	for c := range 16 {
		wg.Go(func() {
			for n := 0; ; n++ {
				sale := Sale{MID, fmt.Sprintf("T%07d", c), n}
				err := s.Commit(t.Context(), sale.Requested())
				select {
				case begun <- struct{}{}:
				default:
				}
				if err != nil {
					if !errors.Is(err, payment.ErrRefused) {
						t.Errorf("after Close: %v", err)
					}
					return
				}
				mu.Lock()
				kept = append(kept, sale.ID())
				mu.Unlock()
			}
		})
	}
	for range 40 {
		<-begun
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
	wg.Wait()
	again := open(t, address)
	for _, id := range kept {
		if _, err := again.Transaction(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	sale := Sale{MID, "T9999999", 1}
	switch err := again.Commit(ended, sale.Requested()); {
	case err == nil: // writing had begun
	case !errors.Is(err, payment.ErrRefused):
		t.Errorf("a context that has ended: %v", err)
	default:
		if _, err := again.Transaction(t.Context(), sale.ID()); fault.KindOf(err) != fault.NotFound {
			t.Errorf("a step that was taken back is kept: %v", err)
		}
	}
}
