package store_test

import (
	"errors"
	"sync"
	"testing"

	"daozhang/internal/keyring"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

// node opens a store as one of several.
func node(t *testing.T, address, name string) (*store.Store, *store.Nodes) {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Database: address, Node: name, Migrate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	n, err := s.Join(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return s, n
}

// TestNodes: a part is written by the node that holds it and by no other; what a
// node held is free once its connection is gone; what a node loses it is told.
func TestNodes(t *testing.T) {

	address := storetest.Database(t)
	a, atA := node(t, address, "a")
	b, atB := node(t, address, "b")
	ctx := t.Context()
	for i, n := range []*store.Nodes{atA, atB} {
		if err := n.Announce(ctx, "relay-"+n.Name(), "http://"+n.Name()); err != nil {
			t.Fatal(err)
		}
		if n.Slot() != i {
			t.Errorf("node %s has slot %d", n.Name(), n.Slot())
		}
	}
	if err := a.PutMerchant(ctx, store.Merchant{MID: storetest.MID, Name: "Corner Shop", MCC: "5411", Currency: money.Currency{'C', 'N', 'Y'}, Zone: "Asia/Shanghai"}); err != nil {
		t.Fatal(err)
	}
	part := payment.PartsOf(payment.PartOf(storetest.MID))
	first, second := storetest.Sale{MID: storetest.MID, TID: "T1", N: 1}, storetest.Sale{MID: storetest.MID, TID: "T1", N: 2}
	if err := a.Commit(ctx, first.Requested()); !errors.Is(err, payment.ErrRefused) || !errors.Is(err, store.ErrPart) {
		t.Fatalf("a step about a part that nobody holds: %v", err)
	}
	if got, err := atA.Take(ctx, part); err != nil || got != part {
		t.Fatalf("took %v, %v", got.List(), err)
	}
	if got, err := atB.Take(ctx, payment.AllParts); err != nil || got != payment.AllParts&^part {
		t.Fatalf("the other took %d, %v", len(got.List()), err)
	}
	s, err := atB.Survey(ctx)
	if err != nil || len(s.Living) != 2 || len(s.Taking()) != 2 || s.Free() != 0 || s.Holder[payment.PartOf(storetest.MID)].Relay != "relay-a" {
		t.Fatalf("%+v, %v", s, err)
	}
	if err := a.Commit(ctx, first.Requested()); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(ctx, second.Requested()); !errors.Is(err, store.ErrPart) {
		t.Fatalf("a step about another's part: %v", err)
	}
	// Facts may be brought to any.
	if _, err := b.Append(ctx, []payment.Evidence{storetest.Fact("bank/x", "1", 1, storetest.MID, storetest.Begin, map[string]any{})}); err != nil {
		t.Fatal(err)
	}
	// The writing connection breaks: the part is a's again where nobody had it.
	breakConnections(t, address)
	if err := a.Commit(ctx, first.Approved()); err != nil {
		t.Fatalf("after the connection was lost: %v", err)
	}
	if lost := atA.TakeLost(); lost != 0 {
		t.Errorf("lost %v", lost.List())
	}
	// It breaks while b takes what it can get.
	breakConnections(t, address)
	for got := payment.PartSet(0); got == 0; {
		got, _ = atB.Take(ctx, part) // its own connection is lost too
	}
	if err := a.Commit(ctx, second.Requested()); !errors.Is(err, store.ErrPart) || !errors.Is(err, payment.ErrRefused) {
		t.Fatalf("a step about a part that was lost: %v", err)
	}
	<-atA.Lost()
	if lost := atA.TakeLost(); lost != part {
		t.Errorf("lost %v", lost.List())
	}
	if err := b.Commit(ctx, second.Requested()); err != nil {
		t.Fatal(err)
	}
	state, err := atB.Load(ctx, part)
	for n := 0; err != nil && n < 10; n++ { // its connections for reading were broken, too; each is found out once
		state, err = atB.Load(ctx, part)
	}
	if err != nil || len(state.Transactions) != 1 || state.Transactions[0].ID != second.ID() {
		t.Fatalf("what is under way: %+v, %v", state, err)
	}
	if other, err := atB.Load(ctx, payment.AllParts&^part); err != nil || len(other.Transactions) != 0 {
		t.Fatalf("other parts' rows: %+v, %v", other, err)
	}
	// A node that ends gives up what it has.
	if err := atB.Close(); err != nil {
		t.Fatal(err)
	}
	b.Close()
	if s, err = atA.Survey(ctx); err != nil || len(s.Living) != 1 || s.Free() != payment.AllParts {
		t.Errorf("%+v, %v", s, err)
	}
}

func breakConnections(t *testing.T, address string) {
	t.Helper()
	raw := storetest.Raw(t, address)
	if _, err := raw.ExecContext(t.Context(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()"); err != nil {
		t.Fatal(err)
	}
}

// TestReserve: no two nodes get the same numbers.
func TestReserve(t *testing.T) {
	address := storetest.Database(t)
	_, a := node(t, address, "a")
	_, b := node(t, address, "b")
	var mu sync.Mutex
	seen := map[int64]bool{}
	var wg sync.WaitGroup
	for _, n := range []*store.Nodes{a, b} {
		for range 4 {
			wg.Go(func() {
				for range 20 {
					from, err := n.Reserve(t.Context(), "rrn", 1000, 10)
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					if seen[from] || from < 1000 || from%10 != 0 {
						t.Errorf("%d again, or where it should not be", from)
					}
					seen[from] = true
					mu.Unlock()
				}
			})
		}
	}
	wg.Wait()
	if from, err := a.Reserve(t.Context(), "rrn", 5_000_000, 10); err != nil || from != 5_000_000 {
		t.Errorf("from %d, %v", from, err)
	}
}

// TestCabinet: nodes that open the shared keyring at the same time have one.
func TestCabinet(t *testing.T) {
	address := storetest.Database(t)
	rings := make([]*keyring.Software, 2)
	var wg sync.WaitGroup
	for i, name := range []string{"a", "b"} {
		s, _ := node(t, address, name)
		wg.Go(func() {
			c, err := s.Cabinet(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			t.Cleanup(func() { c.Close() })
			if rings[i], err = keyring.Open(keyring.Options{Shared: c, Secret: []byte("a secret for both")}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	if rings[0].Token("6222021234567890128") != rings[1].Token("6222021234567890128") {
		t.Error("two keyrings")
	}
	owner := keyring.Terminal(storetest.MID, "T1")
	if _, err := rings[0].NewMaster(owner); err != nil {
		t.Fatal(err)
	}
	if err := rings[1].Refresh(); err != nil || !rings[1].HasMaster(owner) {
		t.Errorf("the other has no master key: %v", err)
	}
}
