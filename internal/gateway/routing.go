package gateway

import (
	"fmt"
	"slices"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/money"
	"daozhang/internal/payment"
)

// LinkConfig is one connection, or pool of connections, to a network.
type LinkConfig struct {
	Name    string
	Network string
	// MaxInFlight bounds the requests without an answer; 0 means 512.
	MaxInFlight int
}

// Route says which links serve a range of cards. The first route that covers a
// request and has a usable link takes it; its links are tried in their order.
type Route struct {
	// From and To bound the first digits of the card number, inclusive, in equal
	// length of at most eight; both empty cover all cards.
	From, To string
	// Currency, where given, must be the request's.
	Currency money.Currency
	// Min and Max bound the amount in minor units; Max 0 means no bound.
	Min, Max int64
	Issuer   string // the issuing bank, for evidence and health; "" if not known
	Links    []string
}

func (r *Route) covers(prefix string, c money.Currency, amount int64) bool {
	if r.Currency != (money.Currency{}) && r.Currency != c || amount < r.Min || r.Max != 0 && amount > r.Max {
		return false
	}
	if r.From == "" {
		return true
	}
	n := len(r.From)
	return len(prefix) >= n && prefix[:n] >= r.From && prefix[:n] <= r.To
}

// link is one LinkConfig at work.
type link struct {
	LinkConfig
	name    string
	network *network
	up      bool // connected and signed on
	health
	flying    int
	owing     int
	heard     time.Time // when it last answered anything
	heardSent time.Time // when the latest answered request had been sent
	next      int       // the last STAN that was given out
	first     int       // STANs are given out from first to last
	last      int
	taken     map[string]payment.ID
	resting   []resting
	since     time.Time // when it last changed between connected and not
}

type resting struct {
	stan  string
	id    payment.ID
	until time.Time
}

// network is the links to one network.
type network struct {
	name   string
	links  []*link
	status linkStatus
}

const (
	stanRest    = time.Minute     // how long an answered STAN is not used again
	tripAfter   = 5               // unanswered in a row: the link or the issuer is taken to be down
	probeEvery  = 5 * time.Second // one request is let through to see whether it is back
	probeEnds   = time.Minute     // a probe of which nothing was heard is over
	healthEvery = 5 * time.Second
	window      = 64              // answers over which health is measured
	slowAfter   = 3 * time.Second // mean latency from which a link is degraded
	statusHolds = 24 * time.Hour  // a status is repeated this often
)

func (x *Exchange) buildLinks() error {
	bad := func(subject, hint string) error {
		return fault.New(fault.Invalid, "configure link", subject, nil, hint)
	}
	for _, c := range x.cfg.Links {
		if c.Name == "" || c.Network == "" || x.links[c.Name] != nil {
			return bad(c.Name, "every link has a name of its own and a network")
		}
		if c.MaxInFlight <= 0 {
			c.MaxInFlight = 512
		}
		n := x.networks[c.Network]
		if n == nil {
			n = &network{name: c.Network}
			x.networks[c.Network] = n
		}
		l := &link{LinkConfig: c, name: c.Name, network: n, taken: map[string]payment.ID{}, first: 1, last: 999999}
		if d := x.cfg.Division; d != nil && d.Slots > 1 {
			share := 999999 / d.Slots
			l.first, l.last = d.Slot*share+1, (d.Slot+1)*share
			l.next = l.first - 1
		}
		n.links = append(n.links, l)
		x.links[c.Name] = l
		x.byName = append(x.byName, l)
	}
	return x.checkRoutes(x.cfg.Routes)
}

// Reroute replaces the routes. What is under way goes on as it began. The error is
// fault.Invalid, and then nothing has changed.
func (x *Exchange) Reroute(now time.Time, routes []Route) error {
	x.at(now)
	if err := x.checkRoutes(routes); err != nil {
		return err
	}
	x.cfg.Routes = routes
	return nil
}

func (x *Exchange) checkRoutes(routes []Route) error {
	bad := func(subject, hint string) error {
		return fault.New(fault.Invalid, "configure route", subject, nil, hint)
	}
	for i := range routes {
		r := &routes[i]
		where := fmt.Sprintf("route %d", i+1)
		switch {
		case len(r.From) != len(r.To) || len(r.From) > 8 || r.From > r.To:
			return bad(where, "from and to are the first digits of card numbers, of equal length up to 8")
		case r.Max != 0 && r.Max < r.Min || r.Min < 0:
			return bad(where, "min and max are amounts in minor units")
		case len(r.Links) == 0:
			return bad(where, "name at least one link")
		}
		for _, name := range r.Links {
			if x.links[name] == nil {
				return bad(where, "there is no link "+name)
			}
		}
	}
	return nil
}

// usable reports whether a request may go over the link: connected, not full, and
// answering, or due to be probed.
func (l *link) usable(now time.Time) bool {
	if !l.up || l.flying >= l.MaxInFlight {
		return false
	}
	return l.admits(now)
}

// Route chooses a link; part of payment.Env.
func (x *Exchange) Route(r *payment.Request, original *payment.Transaction) payment.Route {
	if original != nil && original.Network != "" {
		if n := x.networks[original.Network]; n != nil {
			if l := x.links[original.Link]; l != nil && l.usable(x.now) {
				return x.take(l, original.Issuer)
			}
			for _, l := range n.links {
				if l.usable(x.now) {
					return x.take(l, original.Issuer)
				}
			}
			return payment.Route{Network: n.name, Issuer: original.Issuer, Refusal: codeInoperative}
		}
	}
	out := payment.Route{Refusal: codeNoIssuer}
	for i := range x.cfg.Routes {
		rt := &x.cfg.Routes[i]
		if !rt.covers(r.Prefix, r.Currency, r.Amount) {
			continue
		}
		if out.Refusal == codeNoIssuer {
			out = payment.Route{Network: x.links[rt.Links[0]].Network, Issuer: rt.Issuer, Refusal: codeInoperative}
		}
		if h := x.issuers[rt.Issuer]; h != nil && rt.Issuer != "" && !h.admits(x.now) && r.Operation != payment.Offline {
			continue
		}
		for _, name := range rt.Links {
			if l := x.links[name]; l.usable(x.now) {
				return x.take(l, rt.Issuer)
			}
		}
	}
	return out
}

func (x *Exchange) take(l *link, issuer string) payment.Route {
	stan := l.stan()
	if stan == "" {
		return payment.Route{Network: l.Network, Issuer: issuer, Refusal: codeInoperative}
	}
	l.probe(x.now)
	if h := x.issuers[issuer]; h != nil {
		h.probe(x.now)
	}
	return payment.Route{Link: l.name, Network: l.Network, Issuer: issuer, STAN: stan}
}

// stan gives the next trace number of the link that no open message has. After
// the last it begins anew. "" where all are taken.
func (l *link) stan() string {
	for range l.last - l.first + 1 {
		if l.next++; l.next > l.last {
			l.next = l.first
		}
		var b [6]byte
		put(b[:], l.next)
		s := string(b[:])
		if _, used := l.taken[s]; !used {
			return s
		}
	}
	return ""
}

func (l *link) release(stan string, id payment.ID, until time.Time) {
	l.resting = append(l.resting, resting{stan, id, until})
}

// rested gives back the numbers whose rest is over.
func (x *Exchange) rested(l *link, now time.Time) {
	keep := l.resting[:0]
	for _, r := range l.resting {
		if r.until.After(now) {
			keep = append(keep, r)
			continue
		}
		if t := x.Book.Find(r.id); t != nil && t.State.Open() {
			r.until = now.Add(stanRest)
			keep = append(keep, r)
		} else if l.taken[r.stan] == r.id {
			delete(l.taken, r.stan)
		}
	}
	clear(l.resting[len(keep):])
	l.resting = keep
}

// LinkUp tells that a link is connected and signed on.
func (x *Exchange) LinkUp(now time.Time, name string) { x.linked(x.at(now), name, true) }

// LinkDown tells that a link has lost its connection or its sign-on. What is in
// flight on it may still be answered over another; its time-outs decide.
func (x *Exchange) LinkDown(now time.Time, name string) { x.linked(x.at(now), name, false) }

func (x *Exchange) linked(now time.Time, name string, up bool) {
	l := x.links[name]
	if l == nil || x.halted {
		return
	}
	if l.up != up || l.since.IsZero() {
		l.up, l.since = up, now
		if up {
			l.misses = 0
		}
	}
	x.report(now, l, nil)
}

// Echoed tells how an echo test over a link went: it counts as an answer.
func (x *Exchange) Echoed(now time.Time, name string, latency time.Duration, ok bool) {
	now = x.at(now)
	l := x.links[name]
	if l == nil || x.halted {
		return
	}
	if ok {
		l.heard = now
		l.answer(now, latency, false)
	} else {
		l.silent(now)
	}
	x.report(now, l, nil)
}

func (x *Exchange) issuer(name string) *health {
	if name == "" {
		return &x.nobody
	}
	h := x.issuers[name]
	if h == nil {
		h = &health{issuer: name}
		x.issuers[name] = h
	}
	return h
}

// issuerFailed reports whether a code says that the issuer could not be reached
// or did not answer.
func issuerFailed(c evidence.Code) bool {
	switch c {
	case evidence.Code{'9', '1'}, evidence.Code{'9', '2'}, evidence.Code{'9', '8'}, evidence.Code{'6', '8'}:
		return true
	}
	return false
}

// health is the latest answers of a link or an issuer.
type health struct {
	issuer  string
	results [window]result
	n, at   int // how many results there are, and where the next goes
	failed  int
	total   time.Duration
	misses  int       // failures in a row
	probed  time.Time // when a request was last let through to something that had failed
	probing bool      // it has not been answered, nor timed out
	status  linkStatus
}

type result struct {
	latency time.Duration
	failed  bool
}

func (h *health) tripped() bool { return h.misses >= tripAfter }

// admits reports whether a request may go out: the link or issuer answers, or no
// probe of it is under way.
func (h *health) admits(now time.Time) bool {
	if !h.tripped() {
		return true
	}
	since := now.Sub(h.probed)
	return !h.probing && since >= probeEvery || since >= probeEnds
}

// probe notes that a request goes out, if what it goes to has failed before.
func (h *health) probe(now time.Time) {
	if h.tripped() {
		h.probed, h.probing = now, true
	}
}

func (h *health) answer(_ time.Time, latency time.Duration, failed bool) {
	if !failed && h.tripped() {
		h.n, h.at, h.failed, h.total = 0, 0, 0, 0 // it is back: what was before says nothing of now
	}
	r := &h.results[h.at]
	if h.n == window {
		h.total -= r.latency
		if r.failed {
			h.failed--
		}
	} else {
		h.n++
	}
	*r = result{latency, failed}
	h.probing = false
	h.at = (h.at + 1) % window
	h.total += latency
	if failed {
		h.failed++
		h.misses++
	} else {
		h.misses = 0
	}
}

func (l *link) answered(now time.Time, latency time.Duration) {
	l.heard = now
	if sent := now.Add(-latency); sent.After(l.heardSent) {
		l.heardSent = sent
	}
	l.answer(now, latency, false)
}

func (l *link) silent(now time.Time) { l.answer(now, 0, true) }

// state measures: down after failures in a row, degraded when slow or failing
// often, else up.
func (h *health) state() evidence.State {
	switch {
	case h.tripped():
		return evidence.Down
	case h.n >= 10 && (h.failed*5 > h.n || h.total/time.Duration(h.n) > slowAfter):
		return evidence.Degraded
	}
	return evidence.Up
}

// linkStatus is what was last said of a link.
type linkStatus struct {
	state evidence.State
	at    time.Time
}

// settleTime is how long a change between up and degraded must last past the
// last one before it is told, so that a link at the edge does not chatter.
const settleTime = 15 * time.Second

func (s *linkStatus) changes(state evidence.State, now time.Time) bool {
	switch {
	case s.state == evidence.NoState:
		return state != evidence.NoState
	case s.state == state:
		return now.Sub(s.at) >= statusHolds
	case s.state == evidence.Down || state == evidence.Down:
		return true
	}
	return now.Sub(s.at) >= settleTime
}

// report writes link.status where the state of a network or an issuer has
// changed.
func (x *Exchange) report(now time.Time, l *link, issuer *health) {
	n := l.network
	best := worst
	var measured *link
	for _, o := range n.links {
		s := evidence.Down
		if o.up {
			s = o.state()
		}
		if rank(s) < rank(best) || measured == nil {
			best, measured = s, o
		}
	}
	if n.status.changes(best, now) {
		n.status = linkStatus{best, now}
		x.insist(x.statusStep(now, "platform-network/"+n.name, best, &measured.health))
	}
	if issuer != nil && issuer.issuer != "" {
		if s := issuer.state(); issuer.status.changes(s, now) && (s != evidence.Up || issuer.status.state != evidence.NoState) {
			issuer.status = linkStatus{s, now}
			x.insist(x.statusStep(now, "network-issuer/"+issuer.issuer, s, issuer))
		}
	}
}

const worst = evidence.Down

func rank(s evidence.State) int {
	switch s {
	case evidence.Up:
		return 0
	case evidence.Degraded:
		return 1
	}
	return 2
}

func (x *Exchange) statusStep(now time.Time, name string, s evidence.State, h *health) *payment.Step {
	var latency time.Duration
	rate := 0.0
	if h.n > 0 {
		latency = h.total / time.Duration(h.n)
		rate = float64(h.failed) / float64(h.n)
	}
	return x.Book.LinkStatus(now, name, s, latency, rate)
}

// checkup repeats statuses that would run out, gives back STANs, and forgets what
// is settled.
func (x *Exchange) checkup(now time.Time) {
	for _, l := range x.byName {
		x.rested(l, now)
		if !l.since.IsZero() {
			x.report(now, l, nil)
		}
	}
	names := make([]string, 0, len(x.issuers))
	for name := range x.issuers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if h := x.issuers[name]; h.status.state != evidence.NoState && h.status.changes(h.state(), now) {
			h.status = linkStatus{h.state(), now}
			x.insist(x.statusStep(now, "network-issuer/"+name, h.status.state, h))
		}
	}
	if now.Sub(x.forgotAt) >= x.cfg.ForgetEvery {
		x.forgotAt = now
		for _, id := range x.Book.LapsedPreauths(now) {
			x.when(now, x.Book.Find(id), func(now time.Time) {
				if d := x.Book.Lapse(now, id); d.Step != nil {
					x.commit(now, d, nil, func(time.Time) {}) // the next round finds it again
				}
			})
		}
		x.Book.Forget(now.Add(-x.cfg.ForgetAfter))
		for tid, l := range x.lines {
			if l.busy == nil && len(l.queue) == 0 {
				delete(x.lines, tid)
			}
		}
	}
}

// LinkState is what is known of a network or an issuer, for metrics and status.
type LinkState struct {
	Name      string // as evidence names it
	State     evidence.State
	Latency   time.Duration // mean of the latest answers
	ErrorRate float64
	InFlight  int
}

// Links gives the state of every link by its configured name.
func (x *Exchange) Links() []LinkState {
	out := make([]LinkState, 0, len(x.byName))
	for _, l := range x.byName {
		s := LinkState{Name: l.name, State: evidence.Down, InFlight: l.flying}
		if l.up {
			s.State = l.state()
		}
		if l.n > 0 {
			s.Latency = l.total / time.Duration(l.n)
			s.ErrorRate = float64(l.failed) / float64(l.n)
		}
		out = append(out, s)
	}
	return out
}
