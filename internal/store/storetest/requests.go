package storetest

import (
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/store"
)

// requests: of several attempts at one name one begins and one takes over; what
// was answered is read back, also after the store was opened again; old ones go.
func requests(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	began := Begin.Truncate(time.Microsecond) // as exact as the store keeps it
	attempt := func(n int, version uint32) *store.APIRequest {
		return &store.APIRequest{Key: "k1", Name: "n1", Digest: "d", Holder: fmt.Sprint("attempt ", n), Began: began, Until: began.Add(time.Minute), Version: version}
	}
	// won counts those of many attempts at the same time that were quickest.
	won := func(version uint32) (n int64) {
		var count atomic.Int64
		var work sync.WaitGroup
		for i := range 16 {
			work.Go(func() {
				switch err := s.PutAPIRequest(ctx, attempt(i, version)); {
				case err == nil:
					count.Add(1)
				case fault.KindOf(err) != fault.Conflict:
					t.Error(err)
				}
			})
		}
		work.Wait()
		return count.Load()
	}
	if _, err := s.APIRequest(ctx, "k1", "n1"); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	for version := range uint32(3) {
		if n := won(version + 1); n != 1 {
			t.Errorf("version %d: %d attempts were quickest", version+1, n)
		}
	}
	done := attempt(1, 4)
	done.Done, done.Status, done.Media, done.Answer = true, 200, "application/json", []byte("{}\n\x00\xff")
	ok(t, s.PutAPIRequest(ctx, done))
	other := *attempt(2, 1)
	other.Key, other.Began = "k2", began.Add(time.Hour)
	ok(t, s.PutAPIRequest(ctx, &other))
	again := func(s *store.Store) {
		t.Helper()
		if got := must[store.APIRequest](t)(s.APIRequest(ctx, "k1", "n1")); !reflect.DeepEqual(got, *done) {
			t.Errorf("read back\n%+v, written\n%+v", got, *done)
		}
	}
	again(s)
	ok(t, s.Close())
	s = open(t, address)
	again(s)
	ok(t, s.RemoveAPIRequest(ctx, "k1", "n1"))
	ok(t, s.RemoveAPIRequest(ctx, "k1", "nothing"))
	if _, err := s.APIRequest(ctx, "k1", "n1"); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	ok(t, s.ExpireAPIRequests(ctx, other.Began))
	must[store.APIRequest](t)(s.APIRequest(ctx, "k2", "n1"))
	ok(t, s.ExpireAPIRequests(ctx, other.Began.Add(time.Second)))
	if _, err := s.APIRequest(ctx, "k2", "n1"); fault.KindOf(err) != fault.NotFound {
		t.Error("an old request stays", err)
	}
	for _, bad := range []store.APIRequest{{}, {Key: "k", Name: "n", Digest: "d", Holder: "h", Version: 1}} {
		if err := s.PutAPIRequest(ctx, &bad); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
