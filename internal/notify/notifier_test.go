package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"daozhang/internal/fault"
	"daozhang/internal/notify"
	"daozhang/internal/notify/courier"
	"daozhang/internal/store"
	"daozhang/internal/store/storetest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	storetest.Shutdown()
	os.Exit(code)
}

// both runs a test on each database.
func both(t *testing.T, f func(t *testing.T, db *store.Store)) {
	for name, fresh := range map[string]func() string{"sqlite": t.TempDir, "postgres": func() string { return storetest.Postgres(t).Database(t) }} {
		t.Run(name, func(t *testing.T) {
			db, err := store.Open(t.Context(), store.Options{Database: fresh(), Migrate: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			f(t, db)
		})
	}
}

// turned seals by turning bytes round.
type turned struct{}

func (turned) Seal(b []byte) ([]byte, error) { return turn(b), nil }
func (turned) Open(b []byte) ([]byte, error) { return turn(b), nil }

func turn(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = ^b[i]
	}
	return out
}

const mid, other = "898310058120001", "898310058120002"

// hall is a Notifier with a clock of its own.
type hall struct {
	*notify.Notifier
	t   *testing.T
	mu  sync.Mutex
	now time.Time
}

func newHall(t *testing.T, keeper notify.Keeper, c notify.Courier) *hall {
	h := &hall{t: t, now: time.Now()}
	clock := func() time.Time { h.mu.Lock(); defer h.mu.Unlock(); return h.now }
	h.Notifier = notify.New(notify.Options{Keeper: keeper, Sealer: turned{}, Courier: c, Guard: local, Mails: true, Now: clock, Clock: clock, Site: "https://pay.example"})
	return h
}

// local lets what the tests serve be reached.
var local = notify.Guard{Hosts: []string{"127.0.0.1"}}

func newCourier(t *testing.T) *courier.Courier {
	t.Helper()
	c, err := courier.New(courier.Options{Guard: local, Within: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (h *hall) pass(d time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add(d)
}

// round posts and delivers once.
func (h *hall) round() {
	h.t.Helper()
	if _, err := h.Post(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	if err := h.Deliver(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hall) webhook(url, only string, types ...string) (notify.Receiver, string) {
	h.t.Helper()
	r, secret, err := h.Add(h.t.Context(), "li", notify.Receiver{Kind: notify.Webhook, URL: url, MID: only, Types: types})
	if err != nil {
		h.t.Fatal(err)
	}
	return r, secret
}

func (h *hall) publish(typ notify.Type, m, subject, key string) {
	h.t.Helper()
	e := notify.Event{Type: typ, MID: m, Subject: subject, Said: fault.Say("late: %s", "逾期：%s", key), Data: json.RawMessage(`{"n":"` + key + `"}`)}
	if err := h.Publish(h.t.Context(), e, key); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hall) deliveries(id string) []notify.Delivery {
	h.t.Helper()
	list, err := h.Deliveries(h.t.Context(), "", notify.DeliveryQuery{Receiver: id, Most: 500})
	if err != nil {
		h.t.Fatal(err)
	}
	return list
}

// shopServer is a receiver on a socket.
type shopServer struct {
	*httptest.Server
	mu     sync.Mutex
	got    []message
	answer func(n int) (status int, header string)
}

type message struct {
	header http.Header
	body   []byte
	event  struct {
		ID, Type, MID, Subject string
		Text                   struct{ EN, ZH string }
		Data                   struct{ N string }
	}
}

func newShop(t *testing.T) *shopServer {
	s := &shopServer{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m := message{header: r.Header.Clone()}
		m.body, _ = io.ReadAll(r.Body)
		if err := json.Unmarshal(m.body, &m.event); err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s: %v", r.Method, m.body, err)
		}
		s.mu.Lock()
		s.got = append(s.got, m)
		n, answer := len(s.got), s.answer
		s.mu.Unlock()
		status, again := http.StatusNoContent, ""
		if answer != nil {
			status, again = answer(n)
		}
		if again != "" {
			w.Header().Set("Retry-After", again)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *shopServer) answers(f func(n int) (int, string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = f
}

// take gives what came since the last time.
func (s *shopServer) take() []message {
	s.mu.Lock()
	defer s.mu.Unlock()
	got := s.got
	s.got = nil
	return got
}

func (s *shopServer) keys() string {
	var keys []string
	for _, m := range s.take() {
		keys = append(keys, m.event.Data.N)
	}
	return strings.Join(keys, " ")
}

func verify(t *testing.T, secret string, m message) error {
	t.Helper()
	wh, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	return wh.Verify(m.body, m.header)
}

// TestSigned sends over a socket what the reference library of Standard Webhooks
// verifies, through a rotation of secrets.
func TestSigned(t *testing.T) {
	both(t, func(t *testing.T, db *store.Store) {
		h, shop := newHall(t, db, newCourier(t)), newShop(t)
		r, first := h.webhook(shop.URL+"/hook", "")
		kept, err := h.Receiver(t.Context(), "", r.ID)
		if err != nil || !strings.HasPrefix(first, "whsec_") || len(kept.Secrets) != 1 || strings.Contains(string(kept.Secrets[0].Sealed), first) {
			t.Fatalf("%v %+v", err, kept)
		}
		send := func(key string) message {
			t.Helper()
			h.publish(notify.PayoutReturned, mid, "payout/1", key)
			h.round()
			got := shop.take()
			if len(got) != 1 || got[0].event.Data.N != key || got[0].event.MID != mid || got[0].event.Type != "payout.returned" || got[0].event.Text.ZH != "逾期："+key {
				t.Fatalf("%s: %+v", key, got)
			}
			if got[0].header.Get("Webhook-Id") != got[0].event.ID {
				t.Errorf("id %q of %q", got[0].header.Get("Webhook-Id"), got[0].event.ID)
			}
			return got[0]
		}
		m := send("a")
		if err := verify(t, first, m); err != nil {
			t.Error(err)
		}
		h1 := notify.Headers{ID: m.header.Get("Webhook-Id"), Timestamp: m.header.Get("Webhook-Timestamp"), Signature: m.header.Get("Webhook-Signature")}
		if err := notify.Verify(first, h1, m.body, time.Now()); err != nil {
			t.Errorf("our own receivers do not believe it: %v", err)
		}
		for name, err := range map[string]error{"late": notify.Verify(first, h1, m.body, time.Now().Add(notify.Tolerance+time.Minute)), "changed": notify.Verify(first, h1, append(slices.Clone(m.body), '!'), time.Now()),
			"another secret": notify.Verify("whsec_MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0", h1, m.body, time.Now()), "no secret": notify.Verify("whsec_", h1, m.body, time.Now())} {
			if fault.KindOf(err) != fault.NotAllowed {
				t.Errorf("%s: %v", name, err)
			}
		}
		forged := m
		forged.body = append(slices.Clone(m.body), ' ')
		if verify(t, first, forged) == nil {
			t.Error("a body that was changed is verified")
		}
		_, second, err := h.Rotate(t.Context(), "", r.ID)
		if err != nil || second == first {
			t.Fatal(err)
		}
		m = send("b")
		if a, b := verify(t, first, m), verify(t, second, m); a != nil || b != nil {
			t.Errorf("within the grace: %v, %v", a, b)
		}
		h.pass(notify.Grace - 3*time.Minute) // the reference library goes by the machine's clock
		h.pass(3 * time.Minute)
		h.publish(notify.PayoutReturned, mid, "payout/1", "c")
		h.round()
		got := shop.take()
		if len(got) != 1 || strings.Count(got[0].header.Get("Webhook-Signature"), "v1,") != 1 {
			t.Errorf("after the grace: %+v", got)
		}
	})
}

// TestRetries: a receiver that fails is tried by the schedule, what concerns one
// subject stays in order, others do not wait, and nothing is lost.
func TestRetries(t *testing.T) {
	both(t, func(t *testing.T, db *store.Store) {
		h, shop, calm := newHall(t, db, newCourier(t)), newShop(t), newShop(t)
		r, _ := h.webhook(shop.URL, "")
		h.webhook(calm.URL, "")
		down := func(int) (int, string) { return http.StatusServiceUnavailable, "" }
		shop.answers(down)
		for _, key := range []string{"1", "2", "3"} {
			h.publish(notify.PaymentOverdue, mid, "payment/x", key)
		}
		h.publish(notify.PaymentOverdue, mid, "payment/y", "4")
		h.round()
		if a, b := shop.keys(), calm.keys(); a != "1" || len(b) != 7 || !strings.Contains(b, "4") {
			t.Errorf("the failing one got %q, the other %q", a, b)
		}
		h.round() // it rests
		if got := shop.keys(); got != "" {
			t.Errorf("without rest: %q", got)
		}
		h.pass(7 * time.Second)
		shop.answers(nil)
		h.round()
		got := shop.keys()
		if strings.Count(got, " ") != 3 || !ordered(got, "1", "2", "3") {
			t.Errorf("after it came back: %q", got)
		}
		for _, d := range h.deliveries(r.ID) {
			if d.State != notify.Delivered || len(d.Attempts) == 0 || d.Attempts[0].Status != 204 {
				t.Errorf("%+v", d)
			}
		}
		// It asks to be left alone for an hour.
		shop.answers(func(int) (int, string) { return http.StatusTooManyRequests, "3600" })
		h.publish(notify.PaymentOverdue, mid, "payment/x", "5")
		h.round()
		h.pass(59 * time.Minute)
		h.round()
		if got := shop.keys(); got != "5" {
			t.Errorf("within the hour: %q", got)
		}
		// It goes on failing: after the last attempt the delivery has failed, and after
		// five days the receiver is disabled, of which somebody is told.
		shop.answers(down)
		for range 600 {
			h.pass(time.Hour)
			h.round()
			if list := h.deliveries(r.ID); list[0].State == notify.Failed {
				break
			}
		}
		if list := h.deliveries(r.ID); list[0].State != notify.Failed || list[0].Tries != notify.Attempts() || len(list[0].Attempts) != notify.Attempts() {
			t.Errorf("%+v", list[0])
		}
		h.pass(3 * 24 * time.Hour)
		h.publish(notify.PaymentOverdue, mid, "payment/x", "6")
		h.round()
		after, err := h.Receiver(t.Context(), "", r.ID)
		if err != nil || !after.Disabled || after.Why.ZH == "" {
			t.Fatalf("after days: %+v, %v", after, err)
		}
		h.round()
		calmGot := calm.take()
		if last := calmGot[len(calmGot)-1].event; last.Type != string(notify.ReceiverDisabled) || last.Subject != "receiver/"+r.ID {
			t.Errorf("told last: %+v", last)
		}
		shop.take()
		shop.answers(nil)
		h.publish(notify.PaymentOverdue, mid, "payment/x", "7") // while it is disabled
		h.round()
		no := false
		if _, err := h.Amend(t.Context(), "", r.ID, notify.Amendment{Disabled: &no}); err != nil {
			t.Fatal(err)
		}
		h.pass(24 * time.Hour)
		h.round()
		if got := shop.keys(); got != "6" {
			t.Errorf("after it was enabled it got %q", got)
		}
		if again, _ := h.Receiver(t.Context(), "", r.ID); !again.Failing.IsZero() || again.Disabled {
			t.Errorf("%+v", again)
		}
		// What it missed is sent on demand.
		n, err := h.ReplayRange(t.Context(), "", r.ID, h.now.Add(-48*time.Hour), h.now, true)
		if err != nil || n != 2 { // 7, and that it was disabled
			t.Errorf("%d replayed, %v", n, err)
		}
		h.round()
		if got := shop.keys(); !strings.Contains(got, "7") || strings.Contains(got, "6") {
			t.Errorf("replayed %q", got)
		}
	})
}

// ordered reports whether words stand in a text in an order.
func ordered(s string, words ...string) bool {
	at := -1
	for _, w := range words {
		i := slices.Index(strings.Fields(s), w)
		if i <= at {
			return false
		}
		at = i
	}
	return true
}

// TestGone: one that answers 410 is disabled at once.
func TestGone(t *testing.T) {
	both(t, func(t *testing.T, db *store.Store) {
		h, shop := newHall(t, db, newCourier(t)), newShop(t)
		shop.answers(func(int) (int, string) { return http.StatusGone, "" })
		r, _ := h.webhook(shop.URL, "")
		h.publish(notify.PaymentOverdue, mid, "payment/x", "1")
		h.round()
		if after, err := h.Receiver(t.Context(), "", r.ID); err != nil || !after.Disabled {
			t.Errorf("%+v, %v", after, err)
		}
		if _, err := h.Test(t.Context(), "", r.ID); fault.KindOf(err) != fault.Conflict {
			t.Errorf("a test of one that is disabled: %v", err)
		}
	})
}

// TestScopes: a merchant's receiver is told of that merchant alone, and its owner
// sees and changes no other.
func TestScopes(t *testing.T) {
	both(t, func(t *testing.T, db *store.Store) {
		h := newHall(t, db, newCourier(t))
		house, own, foreign, picky := newShop(t), newShop(t), newShop(t), newShop(t)
		h.webhook(house.URL, "")
		r, _ := h.webhook(own.URL, mid)
		theirs, _ := h.webhook(foreign.URL, other)
		h.webhook(picky.URL, "", "payout.*")
		h.publish(notify.PaymentOverdue, mid, "payment/x", "payment")
		h.publish(notify.PayoutReturned, other, "payout/x", "payout")
		h.publish(notify.IncidentOpened, "", "incident/i", "incident")
		share := notify.Event{ID: "evt_share", Type: notify.IncidentOpened, Time: h.now, MID: mid, Subject: "incident/i", Share: true, Said: fault.Same("share"), Data: json.RawMessage(`{"n":"share"}`)}
		if err := db.PublishEvents(t.Context(), &notify.Step{MID: mid, Events: []notify.Event{share}}); err != nil {
			t.Fatal(err)
		}
		h.round()
		sorted := func(s *shopServer) string {
			w := strings.Fields(s.keys())
			slices.Sort(w)
			return strings.Join(w, " ")
		}
		for name, x := range map[string]struct{ got, want string }{"house": {sorted(house), "incident payment payout"}, "own": {sorted(own), "payment share"},
			"foreign": {sorted(foreign), "payout"}, "picky": {sorted(picky), "payout"}} {
			if x.got != x.want {
				t.Errorf("%s got %q, want %q", name, x.got, x.want)
			}
		}
		ctx := t.Context()
		_, errRotate := func() (string, error) { _, s, err := h.Rotate(ctx, mid, theirs.ID); return s, err }()
		_, errEvent := h.Event(ctx, other, "evt_share")
		_, errHouse := h.Event(ctx, "", "evt_share")
		_, errRange := h.ReplayRange(ctx, mid, theirs.ID, h.now.Add(-time.Hour), h.now.Add(time.Hour), false)
		_, errList := h.Deliveries(ctx, mid, notify.DeliveryQuery{Receiver: theirs.ID})
		_, errAmend := h.Amend(ctx, mid, theirs.ID, notify.Amendment{})
		_, errTest := h.Test(ctx, mid, theirs.ID)
		for name, err := range map[string]error{"rotate": errRotate, "event": errEvent, "house": errHouse, "range": errRange, "list": errList, "amend": errAmend, "test": errTest,
			"remove": h.Remove(ctx, mid, theirs.ID), "replay": h.Replay(ctx, mid, theirs.ID, "evt_share"), "foreign event": h.Replay(ctx, other, theirs.ID, "evt_share")} {
			if fault.KindOf(err) != fault.NotFound {
				t.Errorf("%s of another's: %v", name, err)
			}
		}
		if list, err := h.Receivers(ctx, mid, notify.Webhook); err != nil || len(list) != 1 || list[0].ID != r.ID {
			t.Errorf("%+v, %v", list, err)
		}
		if list, err := h.Events(ctx, notify.EventQuery{Only: mid, MID: other}); err != nil || len(list) != 0 {
			t.Errorf("%+v, %v", list, err)
		}
		// A test goes to the one that it is for, and a replay too.
		if _, err := h.Test(ctx, mid, r.ID); err != nil {
			t.Fatal(err)
		}
		h.round()
		if got := own.take(); len(got) != 1 || got[0].event.Type != "test" {
			t.Errorf("%+v", got)
		}
		if err := h.Replay(ctx, mid, r.ID, "evt_share"); err != nil {
			t.Fatal(err)
		}
		h.round()
		if a, b := sorted(own), sorted(house)+sorted(foreign); a != "share" || b != "" {
			t.Errorf("replayed %q, others got %q", a, b)
		}
	})
}

// flaky is a keeper and a courier of a process that can die at any call: before it
// has had an effect or after.
type flaky struct {
	notify.Keeper
	inner notify.Courier
	rnd   *rand.Rand
	mu    sync.Mutex
	on    bool
}

var errDied = errors.New("the process died here")

func (f *flaky) dies() (before, after bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.on {
		return false, false
	}
	n := f.rnd.IntN(8)
	return n == 0, n == 1
}

func around[T any](f *flaky, do func() (T, error)) (out T, err error) {
	before, after := f.dies()
	if before {
		return out, errDied
	}
	if out, err = do(); after {
		var none T
		return none, errDied
	}
	return out, err
}

func (f *flaky) PublishEvents(ctx context.Context, s *notify.Step) error {
	_, err := around(f, func() (int, error) { return 0, f.Keeper.PublishEvents(ctx, s) })
	return err
}

func (f *flaky) PostEvents(ctx context.Context, last int64, events []notify.Event, d []notify.Delivery) error {
	_, err := around(f, func() (int, error) { return 0, f.Keeper.PostEvents(ctx, last, events, d) })
	return err
}

func (f *flaky) CommitDeliveries(ctx context.Context, list []notify.Delivery) error {
	_, err := around(f, func() (int, error) { return 0, f.Keeper.CommitDeliveries(ctx, list) })
	return err
}

func (f *flaky) NotifyMarks(ctx context.Context) ([]notify.Mark, error) {
	return around(f, func() ([]notify.Mark, error) { return f.Keeper.NotifyMarks(ctx) })
}

func (f *flaky) Post(ctx context.Context, url string, h notify.Headers, body []byte) notify.Answer {
	a, err := around(f, func() (notify.Answer, error) { return f.inner.Post(ctx, url, h, body), nil })
	if err != nil {
		a.Err = err
	}
	return a
}

func (f *flaky) Mail(ctx context.Context, l notify.Letter) error { return f.inner.Mail(ctx, l) }

// recorder is a courier that remembers what it took.
type recorder struct {
	mu      sync.Mutex
	ids     []string
	letters []notify.Letter
	fail    error
}

func (r *recorder) Post(_ context.Context, _ string, h notify.Headers, _ []byte) notify.Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids = append(r.ids, h.ID)
	return notify.Answer{Status: 200}
}

func (r *recorder) Mail(_ context.Context, l notify.Letter) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.letters = append(r.letters, l)
	return r.fail
}

// TestDeaths lets the process die at any point, over and over, while payments fall
// overdue and arrive: in the end every event is on record once, in a log without a
// gap, and was delivered at least once, in order.
func TestDeaths(t *testing.T) {
	both(t, func(t *testing.T, db *store.Store) {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) { deaths(t, db, seed) })
		}
	})
}

func deaths(t *testing.T, db *store.Store, seed uint64) {
	ctx := t.Context()
	took := &recorder{}
	f := &flaky{Keeper: db, inner: took, rnd: rand.New(rand.NewPCG(seed, 1)), on: true}
	start := newHall(t, db, took)
	r, _ := start.webhook("https://shop.example/", "")
	before, err := db.LastPosted(ctx)
	if err != nil {
		t.Fatal(err)
	}
	shown := func(at time.Time, late int) func([]notify.Mark) *notify.Picture {
		return func(marks []notify.Mark) *notify.Picture {
			p := &notify.Picture{AsOf: at, Holds: func(string) bool { return true }, Known: map[string]notify.Known{}, Amount: func(int64, string) string { return "1.00" },
				Clock: func(time.Time) string { return "then" }}
			data := func() json.RawMessage { return json.RawMessage("{}") }
			for i := range late {
				p.Late = append(p.Late, notify.Late{MID: mid, ID: fmt.Sprintf("s%d-p%d", seed, i), Leg: "credit", Due: at, Currency: "CNY", Data: data})
			}
			for i := late; i < 12; i++ {
				p.Known[fmt.Sprintf("payment/s%d-p%d", seed, i)] = notify.Known{Standing: notify.Arrived, At: at, Data: data}
			}
			return p
		}
	}
	// Each life begins with nothing but what is on record.
	for life := range 60 {
		n := newHall(t, f, f)
		n.now = time.Now().Add(time.Duration(life) * 24 * time.Hour)
		late := 12
		if life > 20 {
			late = 4
		}
		if life == 45 {
			f.on = false // and in the end it lives
		}
		_ = errors.Join(n.Watch(ctx, shown(time.Now(), late)), func() error { _, err := n.Post(ctx); return err }(), n.Deliver(ctx))
	}
	page, err := db.Events(ctx, notify.EventQuery{After: before, Most: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if len(page) != 12+8 {
		t.Errorf("%d events on record, want 20", len(page))
	}
	ids := map[string]int{}
	for i, e := range page {
		ids[e.ID]++
		if e.Seq != before+int64(i)+1 {
			t.Errorf("event %d has place %d", i, e.Seq)
		}
	}
	first := map[string]int{}
	for i, id := range took.ids {
		if _, seen := first[id]; !seen {
			first[id] = i
		}
	}
	at := map[string]int{} // by subject
	for _, e := range page {
		n, came := first[e.ID]
		switch {
		case ids[e.ID] != 1:
			t.Errorf("%s is on record %d times", e.ID, ids[e.ID])
		case !came:
			t.Errorf("%s of %s was not delivered", e.Type, e.Subject)
		case n < at[e.Subject]:
			t.Errorf("%s of %s came before what was told before", e.Type, e.Subject)
		}
		at[e.Subject] = n
	}
	if err := start.Remove(ctx, "", r.ID); err != nil {
		t.Fatal(err)
	}
	marks, err := db.NotifyMarks(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.PublishEvents(ctx, &notify.Step{Closed: marks}); err != nil || len(marks) != 4 {
		t.Errorf("%d marks, %v", len(marks), err)
	}
}

// TestLetters: what happens within a receiver's time is one letter in its language,
// without card data, and one that could not be sent is sent again.
func TestLetters(t *testing.T) {
	both(t, func(t *testing.T, db *store.Store) {
		took := &recorder{}
		h := newHall(t, db, took)
		ctx := t.Context()
		now, _, err := h.Add(ctx, "li", notify.Receiver{Kind: notify.Mailbox, Address: "now@shop.example"})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err = h.Add(ctx, "li", notify.Receiver{Kind: notify.Mailbox, Address: "王 <daily@shop.example>", Lang: "zh", Every: 24 * time.Hour}); err != nil {
			t.Fatal(err)
		}
		took.fail = errors.New("550 no such user")
		h.publish(notify.PaymentOverdue, mid, "payment/p1", "1")
		h.round()
		if len(took.letters) != 1 || took.letters[0].To != "now@shop.example" || !strings.Contains(took.letters[0].HTML, "https://pay.example/payments/p1") {
			t.Fatalf("%+v", took.letters)
		}
		if list := h.deliveries(now.ID); list[0].State != notify.Due || list[0].Attempts[0].Said.EN != "550 no such user" {
			t.Errorf("%+v", list[0])
		}
		took.fail = nil
		h.pass(10 * time.Second)
		h.round()
		if len(took.letters) != 2 || took.letters[1].ID != took.letters[0].ID {
			t.Errorf("%+v", took.letters)
		}
		for i := range 60 {
			h.pass(10 * time.Minute)
			h.publish(notify.PaymentOverdue, mid, fmt.Sprint("payment/q", i), fmt.Sprint("q", i))
		}
		h.round() // ten hours later: the one who wants it at once gets one letter
		if l := took.letters[len(took.letters)-1]; len(took.letters) != 3 || !strings.Contains(l.Subject, "60") || !strings.Contains(l.Text, "10 more") {
			t.Errorf("%d letters, the last %q", len(took.letters), l.Subject)
		}
		h.pass(14 * time.Hour)
		h.round()
		l := took.letters[len(took.letters)-1]
		if len(took.letters) != 4 || l.To != "daily@shop.example" || !strings.Contains(l.Text, "另有 11 条") || !strings.Contains(l.HTML, `lang="zh"`) {
			t.Errorf("%d letters, the last to %q: %s", len(took.letters), l.To, l.Text)
		}
		h.pass(48 * time.Hour)
		h.round()
		if len(took.letters) != 4 {
			t.Errorf("%d letters", len(took.letters))
		}
	})
}

// TestRefusedReceivers: what cannot be told is not registered.
func TestRefusedReceivers(t *testing.T) {
	both(t, func(t *testing.T, db *store.Store) {
		h := newHall(t, db, &recorder{})
		for name, r := range map[string]notify.Receiver{
			"no kind": {URL: "https://shop.example/"}, "inside": {Kind: notify.Webhook, URL: "https://10.0.0.1/"}, "plain": {Kind: notify.Webhook, URL: "http://shop.example/"},
			"type": {Kind: notify.Webhook, URL: "https://shop.example/", Types: []string{"nothing"}}, "address": {Kind: notify.Mailbox, Address: "shop"},
			"two lines": {Kind: notify.Mailbox, Address: "a@shop.example\r\nBcc: b@shop.example"}, "long": {Kind: notify.Mailbox, Address: "a@shop.example", Every: 30 * 24 * time.Hour},
			"words": {Kind: notify.Mailbox, Address: "a@shop.example", Description: strings.Repeat("汉", 201)},
		} {
			if _, secret, err := h.Add(t.Context(), "li", r); fault.KindOf(err) != fault.Invalid || secret != "" {
				t.Errorf("%s: %q, %v", name, secret, err)
			}
		}
		r, _ := h.webhook("https://shop.example/", mid)
		bad := "https://127.0.0.1.nip.example/"
		inside := "https://192.168.0.1/"
		if _, err := h.Amend(t.Context(), "", r.ID, notify.Amendment{URL: &inside}); fault.KindOf(err) != fault.Invalid {
			t.Errorf("amended to lead inside: %v", err)
		}
		if got, err := h.Amend(t.Context(), mid, r.ID, notify.Amendment{URL: &bad}); err != nil || got.URL != bad {
			t.Errorf("%+v, %v", got, err)
		}
		for range notify.MostReceivers - 1 {
			h.webhook("https://shop.example/", mid)
		}
		if _, _, err := h.Add(t.Context(), "li", notify.Receiver{Kind: notify.Webhook, URL: "https://shop.example/", MID: mid}); fault.KindOf(err) != fault.Conflict {
			t.Errorf("one more than there may be: %v", err)
		}
		if err := h.Remove(t.Context(), mid, r.ID); err != nil {
			t.Error(err)
		}
		h.webhook("https://shop.example/", mid)
	})
}
