package console

import (
	"bufio"
	"context"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
)

// watching is an open stream: its events come one by one.
type watching struct {
	t      *testing.T
	lines  *bufio.Scanner
	cancel context.CancelFunc
	res    *http.Response
}

// watch opens a stream, with a deadline for the whole of it.
func (s *site) watch(path string, header ...string) *watching {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	s.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, "GET", s.server.URL+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := s.server.Client().Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { res.Body.Close() })
	return &watching{s.t, bufio.NewScanner(res.Body), cancel, res}
}

// event is the id of the next event; "" when the stream is over.
func (w *watching) event() string {
	for w.lines.Scan() {
		if id, ok := strings.CutPrefix(w.lines.Text(), "id: "); ok {
			return id
		}
	}
	return ""
}

// beat waits for the next comment, which says that the line is open.
func (w *watching) beat() bool {
	for w.lines.Scan() {
		if strings.HasPrefix(w.lines.Text(), ":") {
			return true
		}
	}
	return false
}

// liveSite is a site whose streams speak at once, and the investigation behind it.
func liveSite(t *testing.T) (*site, *investigation.Live, *Console) {
	var live *investigation.Live
	s := newSiteWith(t, func(o *Options) { live = o.Live.(*investigation.Live) })
	s.person = staff
	c := s.server.Config.Handler.(*Console)
	c.pace = pace{least: time.Millisecond, beat: time.Hour, life: time.Hour, most: 3}
	return s, live, c
}

func bring(t *testing.T, l *investigation.Live, event string) {
	t.Helper()
	if _, err := l.AddNDJSON(strings.NewReader(event), func(_ int, why fault.Text) { t.Fatal(why.EN) }); err != nil {
		t.Fatal(err)
	}
}

// liveAddress is the stream that a page says it is told by.
func (s *site) liveAddress(path string) string {
	s.t.Helper()
	_, _, body := s.get(path)
	m := regexp.MustCompile(`data-live="([^"]+)"`).FindStringSubmatch(body)
	if m == nil {
		s.t.Fatalf("%s is told by nothing", path)
	}
	return strings.ReplaceAll(m[1], "&amp;", "&")
}

const newSale = `{"specversion":"1.0","id":"new-1","source":"gateway/n","type":"daozhang.gateway.response","time":"2026-03-09T09:59:00+08:00","data":{"mid":"898310058120002","tid":"T2000001","stan":"000900","batch":"000001","rrn":"606811000900","auth_code":"700900","pan":"621700******0900","network":"UnionPay","amount":4200,"currency":"CNY","kind":"sale","response_code":"00"}}`

// TestLiveOverview: the overview is told of a payment that has come, and not of the
// clock.
func TestLiveOverview(t *testing.T) {
	s, live, _ := liveSite(t)
	w := s.watch(s.liveAddress("/overview"))
	if kind := w.res.Header.Get("Content-Type"); w.res.StatusCode != 200 || kind != "text/event-stream" {
		t.Fatalf("%d %s", w.res.StatusCode, kind)
	}
	// The page and its stream begin with the same: a first event is of a change. Time alone
	// is none.
	if err := live.Advance(evidence.InstantOf(monday.Add(time.Second))); err != nil {
		t.Fatal(err)
	}
	bring(t, live, newSale)
	first := w.event()
	_, _, body := s.get("/overview")
	if first == "" || !strings.Contains(s.liveAddress("/overview"), "at="+first) || !strings.Contains(body, "42.00") && !strings.Contains(body, "payments") {
		t.Errorf("event %q, and the page is another", first)
	}
}

// TestLiveTrail: a payment's page is told when its own money moves, and of no other
// payment's.
func TestLiveTrail(t *testing.T) {
	s, live, _ := liveSite(t)
	_, at, _ := s.get("/?q=606411000003")
	w := s.watch(s.liveAddress(at.Path))
	bring(t, live, newSale) // another payment
	bring(t, live, `{"specversion":"1.0","id":"n3-line","source":"clearing/UnionPay","type":"daozhang.clearing.line","time":"2026-03-06T02:00:00+08:00","data":{"mid":"898310058120002","tid":"T2000001","stan":"000004","rrn":"606411000003","network":"UnionPay","amount":1039,"currency":"CNY","kind":"sale","clearing_date":"2026-03-05"}}`)
	id := w.event()
	if id == "" || !strings.Contains(s.liveAddress(at.Path), url.QueryEscape(id)) {
		t.Errorf("event %q is not that of the page now", id)
	}
	// Who comes back with the last event is told nothing that was told.
	again := s.watch("/live?payment="+strings.TrimPrefix(at.Path, "/payments/"), "Last-Event-ID", id)
	stale := s.watch("/live?payment="+strings.TrimPrefix(at.Path, "/payments/"), "Last-Event-ID", "before")
	if got := stale.event(); got != id {
		t.Errorf("who missed an event is told %q, want %q", got, id)
	}
	bring(t, live, `{"specversion":"1.0","id":"n3-settled","source":"settlement/x","type":"daozhang.settlement.line","time":"2026-03-06T09:00:00+08:00","data":{"mid":"898310058120002","tid":"T2000001","stan":"000004","rrn":"606411000003","network":"UnionPay","gross":1039,"fee":6,"net":1033,"currency":"CNY","kind":"sale","settlement_date":"2026-03-06"}}`)
	if got := again.event(); got == "" || got == id {
		t.Errorf("the next event is %q after %q", got, id)
	}
}

// TestLiveRights: nobody is told of what they may not see, not even that it changes.
func TestLiveRights(t *testing.T) {
	s, _, _ := liveSite(t)
	_, at, _ := s.get("/?q=606212000107")
	of := "/live?payment=" + strings.TrimPrefix(at.Path, "/payments/")
	for _, c := range []struct {
		who  Person
		path string
		want int
	}{
		{Person{Name: "wang", Role: access.Merchant, MID: "898310058120002"}, of, 404},
		{Person{Name: "wang", Role: access.Merchant, MID: "898310058120002"}, "/live", 404},
		{Person{Name: "zhao", Role: access.Merchant, MID: shopMID}, of, 200},
		{Person{Name: "audit", Role: access.Auditor}, "/live", 200},
		{Person{Name: "nobody", Role: access.Public}, of, 404},
		{Person{Name: "audit", Role: access.Auditor}, "/live?payment=none", 404},
	} {
		s.person = &c.who
		w := s.watch(c.path)
		if w.res.StatusCode != c.want {
			t.Errorf("%s for %s: %d, want %d", c.path, c.who.Role, w.res.StatusCode, c.want)
		}
		w.cancel()
	}
}

// TestLiveEnds: streams are bounded in number and in time, say now and then that they
// are open, and end when the console closes, so that a server can shut down.
func TestLiveEnds(t *testing.T) {
	s, _, c := liveSite(t)
	c.pace.beat = time.Millisecond
	var open []*watching
	for range c.pace.most {
		w := s.watch("/live?at=" + s.printNow())
		if w.res.StatusCode != 200 || !w.beat() || !w.beat() {
			t.Fatalf("%d, or it says nothing", w.res.StatusCode)
		}
		open = append(open, w)
	}
	if w := s.watch("/live"); w.res.StatusCode != http.StatusServiceUnavailable || w.res.Header.Get("Retry-After") == "" {
		t.Errorf("one too many: %d", w.res.StatusCode)
	}
	c.Close()
	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.server.Config.Shutdown(ctx); err != nil {
		t.Errorf("the server does not end: %v", err)
	}
	for _, w := range open {
		for w.lines.Scan() { // what was under way
		}
		if err := w.lines.Err(); err != nil {
			t.Errorf("a stream is torn, not ended: %v", err)
		}
	}
}

// printNow is what tells the present overview from others.
func (s *site) printNow() string {
	u, err := url.Parse(s.liveAddress("/overview"))
	if err != nil {
		s.t.Fatal(err)
	}
	return u.Query().Get("at")
}

// TestLiveLife: a stream does not outlive its time, so that rights are asked again.
func TestLiveLife(t *testing.T) {
	s, _, c := liveSite(t)
	c.pace.life = time.Millisecond
	w := s.watch("/live?at=" + s.printNow())
	if id := w.event(); id != "" || w.lines.Err() != nil {
		t.Errorf("event %q, %v", id, w.lines.Err())
	}
}

// still is answers that tell of no change.
type still struct{ Answers }

// TestNotLive: where nothing tells of changes there is no stream, and pages do not ask
// for one.
func TestNotLive(t *testing.T) {
	s := newSiteWith(t, func(o *Options) { o.Live = still{o.Live} })
	s.person = staff
	if status, _, _ := s.get("/live"); status != 404 {
		t.Errorf("%d", status)
	}
	if _, _, body := s.get("/overview"); !strings.Contains(body, `data-live=""`) {
		t.Error("the page asks to be told")
	}
}

// TestOutlook: the overview is made once for all who look at the same moment, and anew
// when something has changed.
func TestOutlook(t *testing.T) {
	var live *investigation.Live
	newSiteWith(t, func(o *Options) { live = o.Live.(*investigation.Live) })
	var k outlook
	first := k.look(live, "")
	if k.look(live, "") != first {
		t.Error("it is made again though nothing has changed")
	}
	bring(t, live, newSale)
	k.cost = 0 // however slow this machine is
	second := k.look(live, "")
	if second == first || second.Count != first.Count+1 {
		t.Error("a change is not seen")
	}
	k.cost, k.made = time.Hour, time.Now()
	if err := live.Advance(live.AsOf() + 1e9); err != nil || k.look(live, "") != second {
		t.Errorf("%v, or one that takes an hour is made again at once", err)
	}
	// One that costs much is shown while it is made anew, and waited for once it is old.
	third := *second
	k.mu.Lock()
	k.o, k.cost, k.made = &third, quickly+1, time.Now().Add(-longest/2)
	k.mu.Unlock()
	if k.look(live, "") != &third {
		t.Error("who asks waits for another one")
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		k.mu.Lock()
		anew := k.o != &third && !k.making
		k.mu.Unlock()
		if anew {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it is not made anew beside")
		}
	}
	if err := live.Advance(live.AsOf() + 1e9); err != nil {
		t.Fatal(err)
	}
	old := k.o
	k.cost, k.made = quickly+1, time.Now().Add(-longest)
	if k.look(live, "") == old {
		t.Error("one that is old is shown")
	}
	if one := k.look(live, shopMID); one.Count >= second.Count || one.Count == 0 || one.Ages != nil || one.Sources != nil {
		t.Errorf("a merchant's overview has %d payments of %d, or what is of all", one.Count, second.Count)
	}
}
