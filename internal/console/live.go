package console

import (
	"fmt"
	"hash/fnv"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/fault"
	"daozhang/internal/investigation"
	"daozhang/internal/report"
)

// Watched is Answers that tell when something has changed, as investigation.Live
// does: pages over it renew themselves as evidence lands.
type Watched interface {
	Answers
	// Changed gives a channel that is closed at the next change.
	Changed() <-chan struct{}
}

// pace is how often streams speak.
type pace struct {
	least time.Duration // between two looks, however much changes
	beat  time.Duration // after which a look is taken, and the line kept open, without a change
	life  time.Duration // after which a stream ends; the browser asks again, with a session that must still hold
	most  int           // streams at a time
}

var usualPace = pace{least: time.Second, beat: 15 * time.Second, life: 5 * time.Minute, most: 2000}

// streams are the lines that are open.
type streams struct {
	mu     sync.Mutex
	open   int
	closed chan struct{}
	once   sync.Once
}

// Close ends the streams of a Console, so that a server over it can shut down; no
// others begin. It may be called twice.
func (c *Console) Close() { c.streams.once.Do(func() { close(c.streams.closed) }) }

// enter takes a place among the streams; false where there is none.
func (s *streams) enter(most int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open >= most {
		return false
	}
	s.open++
	return true
}

func (s *streams) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open--
}

// live tells the browser that what a page shows has become another: of the overview,
// or of the payment that the address names. It says that, and not what: the page is
// asked for again with all its rights.
func (c *Console) live(v *visit) error {
	watched, ok := c.o.Live.(Watched)
	if !ok {
		return errNoPage
	}
	print, err := v.watchedPrint()
	if err != nil {
		return err
	}
	if !c.streams.enter(c.pace.most) {
		v.w.Header().Set("Retry-After", "30")
		return v.render(http.StatusServiceUnavailable, problemPage(v, v.say("Too many pages watch at once.", "同时刷新的页面过多。"), v.say("Load the page again to see what is new.", "请手动刷新页面。")))
	}
	defer c.streams.leave()
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // a proxy passes each event on at once
	s := stream{w: v.w, rc: http.NewResponseController(v.w)}
	if err := s.say("retry: 3000\n\n"); err != nil {
		return nil // the browser has gone
	}
	seen := v.Header.Get("Last-Event-ID")
	if seen == "" {
		seen = v.URL.Query().Get("at")
	}
	end := time.NewTimer(c.pace.life)
	defer end.Stop()
	for {
		changed := watched.Changed()
		now, ok := print()
		if !ok {
			return nil
		}
		if now != seen {
			if seen = now; s.say("event: changed\nid: "+now+"\ndata: "+now+"\n\n") != nil {
				return nil
			}
		}
		if !c.pause(v, c.pace.least, nil, end.C) {
			return nil
		}
		beat := c.pace.beat
		if v.URL.Query().Get("payment") == "" && !c.outlook.current() {
			beat = c.pace.least // what is shown is older than the last change: it will be made anew
		}
		if !c.pause(v, beat, changed, end.C) || s.say(": still here\n\n") != nil {
			return nil
		}
	}
}

// pause waits, or until something has changed; false where the stream is over.
func (c *Console) pause(v *visit, d time.Duration, changed <-chan struct{}, end <-chan time.Time) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-changed:
	case <-end:
		return false
	case <-v.Context().Done():
		return false
	case <-c.streams.closed:
		return false
	}
	return true
}

// stream writes events.
type stream struct {
	w  http.ResponseWriter
	rc *http.ResponseController
}

func (s *stream) say(text string) error {
	// Where the connection knows no deadline there is none to put off.
	_ = s.rc.SetWriteDeadline(time.Now().Add(patience))
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.rc.Flush()
}

// watchedPrint gives what tells one state of the watched page from another; false of it
// that there is nothing to watch any more. The error is that of a page that is not there.
func (v *visit) watchedPrint() (func() (string, bool), error) {
	c := v.console
	id := v.URL.Query().Get("payment")
	if id == "" {
		if access.Allowed(v.who.Role, access.ReadOverview) != access.All {
			return nil, errNoPage
		}
		return func() (string, bool) { return base36(printOf(c.outlook.look(c.o.Live, ""))), true }, nil
	}
	of := func() (print string, ok bool) {
		c.o.Live.Read(func(now *investigation.Current) {
			x, found := now.Payment(id)
			if ok = found && v.sees(now, x); ok {
				print = trailPrint(report.TrailOf(now.Around(), x))
			}
		})
		return print, ok
	}
	if _, ok := of(); !ok {
		return nil, fault.New(fault.NotFound, fault.Say("watch payment", "关注交易"), "", nil, "")
	}
	return of, nil
}

// trailPrint tells one state of a payment from another by what people would see change.
func trailPrint(t *report.Trail) string {
	h := fnv.New64a()
	fmt.Fprint(h, t.Where, t.Why, t.Who, t.When, t.Missed, t.Sums, len(t.Evidence), t.Unlisted)
	for _, l := range t.Legs {
		fmt.Fprint(h, l.State, l.Promised, l.Actual, l.Amount, l.Note)
	}
	return base36(h.Sum64())
}

// liveTrail and liveOverview are the streams that tell when the page is another; ""
// where nothing tells.
func (v *visit) liveTrail(p *trailPage) string {
	if _, ok := v.console.o.Live.(Watched); !ok {
		return ""
	}
	return "/live?" + url.Values{"payment": {p.Row.ID}, "at": {trailPrint(p.Trail)}}.Encode()
}

func (v *visit) liveOverview(o *overviewPage) string {
	if _, ok := v.console.o.Live.(Watched); !ok {
		return ""
	}
	return "/live?" + url.Values{"at": {base36(printOf(o.Overview))}}.Encode()
}

func base36(n uint64) string { return strconv.FormatUint(n, 36) }
