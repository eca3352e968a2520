package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/fault"
	"daozhang/internal/payment"
	"daozhang/internal/store"
)

var boss = access.Actor{Name: "boss", Role: access.Institution, Origin: access.Origin{Request: "request-1", From: "192.0.2.7"}}

// plain seals nothing: what is kept is looked at elsewhere.
type plain struct{}

func (plain) Seal(b []byte) ([]byte, error) { return b, nil }
func (plain) Open(b []byte) ([]byte, error) { return b, nil }

func invite(t *testing.T, s *store.Store, u access.User) access.User {
	t.Helper()
	c, _, err := access.Invite(Begin, boss, u)
	ok(t, err)
	ok(t, s.CommitUser(t.Context(), &c))
	return c.User
}

// people: a person is read back as it was written, changes only from the version
// that was read, and each change is in the audit log with it.
func people(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	ok(t, s.PutMerchant(ctx, store.Merchant{MID: MID, Name: "顺香面馆", Currency: cny}))
	wang := invite(t, s, access.User{Name: "wang", Shown: "王芳", Role: access.Merchant, MID: MID, Lang: "zh"})
	for _, u := range []access.User{{Name: "lily", Role: access.Institution}, {Name: "zhao", Role: access.Auditor}, {Name: "anna", Role: access.Merchant, MID: "898310058120002"}} {
		invite(t, s, u)
	}
	full := wang
	full.Version, full.Standing, full.Password, full.PasswordSet, full.Factor, full.Step = 2, access.Active, "$argon2id$…", Begin.Add(time.Nanosecond), []byte{0, 255}, 7
	full.Recovery, full.Failures, full.LockedUntil, full.Epoch, full.Seen = []string{"a", "b"}, 3, Begin.Add(time.Hour), 9, Begin
	change := access.Change{User: full, Event: boss.Did(Begin, "changed", "user/wang")}
	change.Event.Version, change.Event.MID, change.Event.Before, change.Event.After, change.Event.Detail = 2, MID, "{}", "全部", "because"
	ok(t, s.CommitUser(ctx, &change))
	check := func(s *store.Store) {
		t.Helper()
		if got := must[access.User](t)(s.User(ctx, "wang")); !reflect.DeepEqual(got, full) {
			t.Errorf("read back\n%+v, written\n%+v", got, full)
		}
		got := must[[]access.Event](t)(s.Audit(ctx, access.AuditFilter{Subject: "user/wang"}, uuid.Nil, 10))
		if len(got) != 2 || got[0].ID == uuid.Nil {
			t.Fatalf("%+v", got)
		}
		want := change.Event
		want.ID = got[0].ID
		if !reflect.DeepEqual(got[0], want) {
			t.Errorf("the event\n%+v, written\n%+v", got[0], want)
		}
	}
	check(s)
	for _, c := range []struct {
		filter access.UserFilter
		after  string
		want   string
	}{
		{access.UserFilter{}, "", "anna lily wang zhao"}, {access.UserFilter{}, "lily", "wang zhao"}, {access.UserFilter{Role: access.Institution}, "", "lily"},
		{access.UserFilter{MID: MID}, "", "wang"}, {access.UserFilter{Standing: access.Invited, Role: access.Merchant}, "", "anna"}, {access.UserFilter{Standing: access.Disabled}, "", ""},
	} {
		var names []string
		for _, u := range must[[]access.User](t)(s.Users(ctx, c.filter, c.after, 10)) {
			names = append(names, u.Name)
		}
		if got := strings.Join(names, " "); got != c.want {
			t.Errorf("%+v after %q: %s, want %s", c.filter, c.after, got, c.want)
		}
	}
	if page := must[[]access.User](t)(s.Users(ctx, access.UserFilter{}, "", 2)); len(page) != 2 {
		t.Errorf("a page of two has %d", len(page))
	}
	if name := must[string](t)(s.MerchantName(ctx, MID)); name != "顺香面馆" {
		t.Error(name)
	}
	for name, err := range map[string]error{"nobody": second(s.User(ctx, "nobody")), "no merchant": second(s.MerchantName(ctx, "x"))} {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What rests on another version, or begins a person that is there, changes nothing.
	stale := change
	stale.User.Shown = "somebody else's"
	taken, _, err := access.Invite(Begin, boss, access.User{Name: "lily", Role: access.Auditor})
	ok(t, err)
	other := change
	other.Event.Subject = "user/lily"
	skip := change
	skip.User.Version, skip.Event.Version = 9, 9
	for name, c := range map[string]struct {
		change access.Change
		kind   fault.Kind
	}{"an old version": {stale, fault.Conflict}, "a name that is taken": {taken, fault.Conflict}, "another's event": {other, fault.Invalid}, "a version left out": {skip, fault.Conflict}} {
		if err := s.CommitUser(ctx, &c.change); fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(must[[]access.Event](t)(s.Audit(ctx, access.AuditFilter{}, uuid.Nil, 100))); n != 5 {
		t.Errorf("%d events: a refused change left one", n)
	}
	ok(t, s.Close())
	check(open(t, address))
	Healthy(t, address)
}

// attempts: wrong passwords that come at once are each counted, whoever commits
// first; nobody gets more guesses by asking in parallel.
func attempts(t *testing.T, address string) {
	s := open(t, address)
	c, link, err := access.Invite(Begin, boss, access.User{Name: "wang", Role: access.Merchant, MID: MID})
	ok(t, err)
	policy := access.Policy{Sealer: plain{}, MerchantsSpared: true}
	ok(t, s.CommitUser(t.Context(), &c))
	up, _, err := c.User.SetUp(Begin, access.Origin{}, link, "seven lanterns over the quay", access.Enrolment{}, "", policy)
	ok(t, err)
	ok(t, s.CommitUser(t.Context(), &up))
	const guesses = 4
	var wg sync.WaitGroup
	for range guesses {
		wg.Go(func() {
			for {
				u, err := s.User(t.Context(), "wang")
				if err != nil {
					t.Error(err)
					return
				}
				c, refused := access.SignIn(Begin, &u, access.Attempt{Password: "wrong wrong wrong"}, policy)
				if fault.KindOf(refused) != fault.NotAllowed {
					t.Error(refused)
				}
				err = s.CommitUser(t.Context(), c)
				if fault.KindOf(err) == fault.Conflict {
					continue
				}
				if err != nil {
					t.Error(err)
				}
				return
			}
		})
	}
	wg.Wait()
	if u := must[access.User](t)(s.User(t.Context(), "wang")); u.Failures != guesses || u.Version != 2+guesses {
		t.Errorf("%d failures, version %d", u.Failures, u.Version)
	}
	Healthy(t, address)
}

// auditLog: events are read newest first by cursor while others are added, pass
// filters, and cannot be written without who, what, to what and when.
func auditLog(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	var _ access.Log = s
	for n := range 50 {
		e := access.Actor{Name: []string{"li", "key/k1"}[n%2], Role: access.Institution}.Did(Begin.Add(time.Duration(n)*time.Minute), []string{"assigned", "resolved"}[n/2%2], fmt.Sprintf("case/%d", n%5))
		if n%10 == 0 {
			e.MID = MID
		}
		ok(t, s.Record(ctx, e))
	}
	var seen []access.Event
	for before := uuid.Nil; ; {
		page := must[[]access.Event](t)(s.Audit(ctx, access.AuditFilter{}, before, 7))
		if len(page) == 0 {
			break
		}
		seen, before = append(seen, page...), page[len(page)-1].ID
		ok(t, s.Record(ctx, boss.Did(Begin, "added", "meanwhile/1"))) // moves no page
	}
	if len(seen) != 50 {
		t.Fatalf("%d events on all pages", len(seen))
	}
	for i := range seen {
		if i > 0 && (!seen[i].At.Before(seen[i-1].At) || bytes.Compare(seen[i].ID[:], seen[i-1].ID[:]) >= 0) {
			t.Fatalf("the order is broken at %d", i)
		}
	}
	for _, c := range []struct {
		filter access.AuditFilter
		want   int
	}{
		{access.AuditFilter{Who: "li"}, 25}, {access.AuditFilter{What: "resolved"}, 24}, {access.AuditFilter{Subject: "case/3"}, 10}, {access.AuditFilter{Subject: "case/"}, 50},
		{access.AuditFilter{Subject: "cas/"}, 0}, {access.AuditFilter{MID: MID}, 5}, {access.AuditFilter{Since: Begin.Add(10 * time.Minute), Until: Begin.Add(20 * time.Minute)}, 10},
		{access.AuditFilter{Who: "key/k1", What: "assigned", Subject: "case/"}, 13}, {access.AuditFilter{Who: "nobody"}, 0},
	} {
		if got := must[[]access.Event](t)(s.Audit(ctx, c.filter, uuid.Nil, 1000)); len(got) != c.want {
			t.Errorf("%+v: %d, want %d", c.filter, len(got), c.want)
		}
	}
	for name, e := range map[string]access.Event{"nobody": access.Actor{}.Did(Begin, "x", "y"), "nothing done": boss.Did(Begin, "", "y"), "to nothing": boss.Did(Begin, "x", ""), "at no time": boss.Did(time.Time{}, "x", "y"),
		"no text": boss.Did(Begin, "x", "y\xff")} {
		if err := s.Record(ctx, e); fault.KindOf(err) != fault.Invalid || !errors.Is(err, payment.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	again := seen[0]
	if err := s.Record(ctx, again); fault.KindOf(err) != fault.Conflict {
		t.Errorf("an event that is there already: %v", err)
	}
	Healthy(t, address)
}

// sessions: what a session holds is there until it is over or ended; the table does
// not grow with those that are over, and a page looked at often does not write.
func sessions(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	now := Begin
	x := s.Sessions(func() time.Time { return now })
	find := func(token string) string {
		t.Helper()
		b, found, err := x.FindCtx(ctx, token)
		ok(t, err)
		if found != (b != nil) {
			t.Errorf("%s: found %v, %q", token, found, b)
		}
		return string(b)
	}
	if find("a") != "" {
		t.Error("a session that nobody began")
	}
	ok(t, x.CommitCtx(ctx, "a", []byte("one"), now.Add(time.Hour)))
	ok(t, x.CommitCtx(ctx, "b", []byte("\x00\xff"), now.Add(2*time.Hour)))
	if find("a") != "one" || find("b") != "\x00\xff" {
		t.Error("not what was kept")
	}
	ok(t, x.CommitCtx(ctx, "a", []byte("two"), now.Add(time.Hour)))
	if find("a") != "two" {
		t.Error("the change was not kept")
	}
	steps := s.Stats().Steps
	ok(t, x.CommitCtx(ctx, "a", []byte("two"), now.Add(time.Hour+30*time.Second)))
	if s.Stats().Steps != steps {
		t.Error("moving the end on by half a minute wrote")
	}
	ok(t, x.CommitCtx(ctx, "a", []byte("two"), now.Add(90*time.Minute)))
	now = now.Add(time.Hour + time.Minute)
	if find("a") != "two" {
		t.Error("the end was not moved on")
	}
	now = Begin.Add(90 * time.Minute)
	if find("a") != "" || find("b") == "" {
		t.Error("over at its end, not before and not after")
	}
	raw := Raw(t, address)
	count := func() (n int) {
		t.Helper()
		ok(t, raw.QueryRow("SELECT COUNT(*) FROM person_session").Scan(&n))
		return n
	}
	ok(t, x.CommitCtx(ctx, "c", []byte("three"), now.Add(time.Hour)))
	if n := count(); n != 2 {
		t.Errorf("%d sessions are kept, one of three is over", n)
	}
	ok(t, x.DeleteCtx(ctx, "c"))
	ok(t, x.DeleteCtx(ctx, "none"))
	if find("c") != "" {
		t.Error("an ended session lives on")
	}
	ok(t, s.Close())
	again := open(t, address).Sessions(func() time.Time { return now })
	if b, found, err := again.FindCtx(ctx, "b"); !found || err != nil || string(b) != "\x00\xff" {
		t.Errorf("after a restart: %q, %v", b, err)
	}
}

// forgedPeople: a row of a person that no event of the audit log explains is found.
func forgedPeople(t *testing.T, address string) {
	s := open(t, address)
	invite(t, s, access.User{Name: "wang", Role: access.Auditor})
	ok(t, s.Close())
	Healthy(t, address)
	raw := Raw(t, address)
	for name, q := range map[string]string{
		"a version more":           `UPDATE person SET body = REPLACE(body, '"version":1', '"version":2')`,
		"a role that is none":      `UPDATE person SET body = REPLACE(body, '"auditor"', '"root"')`,
		"a person out of thin air": `INSERT INTO person (name, version, role, mid, standing, body) SELECT 'zhao', version, role, mid, standing, REPLACE(body, 'wang', 'zhao') FROM person`,
		"an event taken out":       `DELETE FROM audit`,
	} {
		tx, err := raw.Begin()
		ok(t, err)
		_, err = tx.Exec("CREATE TABLE kept_person AS SELECT * FROM person")
		ok(t, err)
		_, err = tx.Exec("CREATE TABLE kept_audit AS SELECT * FROM audit")
		ok(t, err)
		_, err = tx.Exec(q)
		ok(t, err)
		ok(t, tx.Commit())
		r, err := store.Doctor(t.Context(), address, nil)
		if err != nil || len(r.Findings) == 0 || r.Findings[0].What != "people" {
			t.Errorf("%s: %v %+v", name, err, r)
		}
		for _, back := range []string{"DELETE FROM person", "INSERT INTO person SELECT * FROM kept_person", "DELETE FROM audit", "INSERT INTO audit SELECT * FROM kept_audit", "DROP TABLE kept_person", "DROP TABLE kept_audit"} {
			_, err := raw.Exec(back)
			ok(t, err)
		}
	}
	Healthy(t, address)
}
