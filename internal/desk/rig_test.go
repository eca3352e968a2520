package desk_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/desk"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/merchant"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

const (
	mid   = storetest.MID
	other = "898310058120002"
)

var (
	anne = person("anne")
	bert = person("bert")
	carl = person("carl")
	shop = desk.Actor{Actor: access.Actor{Name: "noodles", Role: access.Merchant}, MID: mid}
)

func person(name string) desk.Actor {
	return desk.Actor{Actor: access.Actor{Name: name, Role: access.Institution, Origin: access.Origin{Request: "request-1"}}}
}

// rig is a desk over a real store and a live investigation, with a clock that a test
// sets.
type rig struct {
	*desk.Desk
	t       testing.TB
	db      *store.Store
	address string
	shop    *storetest.Shop
	live    *investigation.Live
	now     time.Time
}

// newRig has n payments of the shop that were never settled, sold on Monday 2 March
// 2026 and promised for Tuesday 18:00; it is Wednesday 09:00.
func newRig(t testing.TB, n int) *rig {
	t.Helper()
	r := &rig{t: t, address: t.TempDir(), now: at(t, "2026-03-04 09:00")}
	var err error
	if r.db, err = store.Open(t.Context(), store.Options{Database: r.address, Node: "test", Migrate: true}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.db.Close() })
	if r.shop, err = storetest.OpenShop(t.Context(), r.db, mid); err != nil {
		t.Fatal(err)
	}
	catalogue, err := diagnosis.Load()
	if err != nil {
		t.Fatal(err)
	}
	if r.live, err = investigation.NewLive(investigation.LiveOptions{Options: investigation.Options{Catalogue: catalogue}, AsOf: evidence.InstantOf(r.now), Offset: 480}); err != nil {
		t.Fatal(err)
	}
	var lines strings.Builder
	line := func(id, source, kind, when, data string) {
		fmt.Fprintf(&lines, `{"specversion":"1.0","id":%q,"source":%q,"type":"daozhang.%s","time":%q,"data":%s}`+"\n", id, source, kind, when, data)
	}
	for i, m := range []string{mid, other} {
		line(fmt.Sprint("terms", i), "institution", "merchant.terms", "2026-01-01T00:00:00+08:00",
			fmt.Sprintf(`{"mid":%q,"name":"Noodle House","valid_from":"2026-01-01","cycle":"T1","cutoff":"23:00","timezone":"Asia/Shanghai","calendar":"CN","fees":[{"bps":38}]}`, m))
	}
	for i := range n {
		owner := mid
		if i%5 == 4 {
			owner = other
		}
		line(fmt.Sprint("sale", i), "terminal/T1", "terminal.transaction", fmt.Sprintf("2026-03-02T10:%02d:%02d+08:00", i/60%60, i%60),
			fmt.Sprintf(`{"mid":%q,"tid":"T1000001","batch":"000012","stan":"%06d","rrn":"6061%08d","auth_code":"A%05d","pan":"622202******1234","network":"UnionPay","kind":"sale","amount":%d,"currency":"CNY","result":"approved","response_code":"00"}`,
				owner, i+1, i, i, 10000+i))
	}
	if _, err := r.live.AddNDJSON(strings.NewReader(lines.String()), func(n int, why fault.Text) { t.Fatal(n, why) }); err != nil {
		t.Fatal(err)
	}
	r.Desk = r.over(r.db)
	r.Live = r.live
	r.Catalogue = catalogue
	return r
}

// over is a desk over a keeper, such as one that breaks.
func (r *rig) over(k desk.Keeper) *desk.Desk {
	now := func() time.Time { return r.now }
	return &desk.Desk{Keeper: k, Policy: desk.DefaultPolicy(), Calendar: china, Zone: shanghai, Now: now, Live: r.live,
		Office: &backoffice.Office{Keeper: r.db, Now: now, Policy: settlement.DefaultPolicy(), Merchants: merchant.DefaultPolicy(), Calendars: calendar.Builtin, Zone: shanghai}}
}

// except puts an exception on record and gives the key of its item.
func (r *rig) except(owner, kind string, amount int64, detail string) desk.Key {
	r.t.Helper()
	x := payment.Exception{ID: uuid.New(), MID: owner, Kind: kind, Owner: "network/UnionPay", Amount: amount, Currency: cny, Opened: r.now.Add(-time.Hour), Detail: detail}
	r.commitException(x)
	return desk.Key{MID: owner, Kind: desk.OnException, Ref: x.ID.String()}
}

func (r *rig) commitException(x payment.Exception) {
	r.t.Helper()
	s := &settlement.Step{}
	s.MID, s.At, s.Exceptions = x.MID, r.now, []payment.Exception{x}
	if err := r.db.CommitSettlement(r.t.Context(), s); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) exception(k desk.Key) payment.Exception {
	r.t.Helper()
	x, err := r.db.ExceptionByID(r.t.Context(), k.MID, uuid.MustParse(k.Ref))
	if err != nil {
		r.t.Fatal(err)
	}
	return x
}

func (r *rig) do(who desk.Actor, k desk.Key, cmd desk.Command) *desk.Case {
	r.t.Helper()
	cmd.Version = desk.AnyVersion
	c, err := r.Do(r.t.Context(), who, k, cmd)
	if err != nil {
		r.t.Fatalf("%s: %v (%s)", cmd.Do, err, fault.HintOf(err))
	}
	return c
}

// refuse has a command refused with an error of a kind.
func (r *rig) refuse(kind fault.Kind, who desk.Actor, k desk.Key, cmd desk.Command) {
	r.t.Helper()
	if cmd.Version == 0 {
		cmd.Version = desk.AnyVersion
	}
	before, _ := r.db.Case(r.t.Context(), k)
	if _, err := r.Do(r.t.Context(), who, k, cmd); err == nil || fault.KindOf(err) != kind {
		r.t.Errorf("%s by %s: %v, want %s", cmd.Do, who.Name, err, kind)
	}
	if after, _ := r.db.Case(r.t.Context(), k); after.Version != before.Version {
		r.t.Errorf("%s was refused and changed the case", cmd.Do)
	}
}

// list gives the keys of an inbox, all pages.
func (r *rig) list(who desk.Actor, f desk.Filter) (keys []desk.Key) {
	r.t.Helper()
	for after := ""; ; {
		p, err := r.List(r.t.Context(), who, f, after, 3)
		if err != nil {
			r.t.Fatal(err)
		}
		for i := range p.Items {
			keys = append(keys, p.Items[i].Key)
		}
		if after = p.Next; after == "" {
			return keys
		}
	}
}

func (r *rig) item(k desk.Key) *desk.Item {
	r.t.Helper()
	x, err := r.Item(r.t.Context(), anne, k)
	if err != nil {
		r.t.Fatal(err)
	}
	return x
}

func (r *rig) healthy() {
	r.t.Helper()
	storetest.Healthy(r.t, r.address)
}

// breaking is a store whose commits fail from a moment on, before or after they are
// durable.
type breaking struct {
	*store.Store
	left  int  // commits that still succeed
	after bool // the one that fails is durable
}

func (b *breaking) CommitDesk(ctx context.Context, s *desk.Step) error {
	if b.left--; b.left >= 0 {
		return b.Store.CommitDesk(ctx, s)
	}
	if b.after && b.left == -1 {
		if err := b.Store.CommitDesk(ctx, s); err != nil {
			return err
		}
	}
	return fault.New(fault.Internal, "commit", "database", fault.Same("the process ended here"), "")
}

func accessFilter(subject string) access.AuditFilter { return access.AuditFilter{Subject: subject} }
