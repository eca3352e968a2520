// Package console is the web pages: search, the money map, lists of payments, a
// payment's trail, and the public look-up of a receipt. It decides nothing about
// payments: what it shows comes from package investigation in the words of package
// report, and who may see it is asked of package access.
//
// Pages are made on the server, in one language, and read without JavaScript;
// htmx and a few keys make them quicker. Everything is embedded: no page asks
// another host for anything. routes.go is the table of all pages with the action
// that each needs; a page is a file with its template beside it.
package console

//go:generate go tool templ generate -include-version=false -path .

import (
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"daozhang/internal/access"
	"daozhang/internal/desk"
	"daozhang/internal/diagnosis"
	"daozhang/internal/intake"
	"daozhang/internal/investigation"
)

// Person is who looks at a page.
type Person struct {
	Name string
	Role access.Role
	MID  string // the only merchant of a person of role Merchant
	// Login is the sign-in name; "" for one that has not signed in by it.
	Login string
	Lang  string // zh or en; "" as the browser says
}

// Answers gives what is known at the present moment, as investigation.Live does.
type Answers interface {
	Read(use func(*investigation.Current))
}

// Options are what a Console is made with.
type Options struct {
	Live Answers
	// Catalogue is that of Live.
	Catalogue *diagnosis.Catalogue
	// SignIn is how people sign in; nil: nobody can.
	SignIn *SignIn
	// Who says who sends a request where nobody has signed in by it; ok is false for
	// somebody who is Public. nil: everybody is.
	Who func(*http.Request) (p Person, ok bool)
	// Cast are people of which whoever sits at this machine is one: the first, until
	// the page is told of another; see OnLoopback, which is Who then. It is for programs
	// that serve their own user alone.
	Cast []Person
	// Audit keeps what people change here, and shows it; nil: nothing does.
	Audit access.AuditLog
	// Origin is how browsers reach the pages where something in between answers for
	// them, as https://pay.example; "" where nothing does.
	Origin string
	// Views keeps the lists that people save; nil: they cannot be saved.
	Views Views
	// Payouts is the back office's record of payouts; nil: pages have the evidence alone.
	Payouts PayoutBook
	// Desk is where exceptions, cases and approvals are worked on; nil: there is none.
	Desk *desk.Desk
	// Developers are keys, webhooks, events and the log of requests; nil: none.
	Developers *Developers
	// Intake is what people bring: files, circumstances, registers; nil where this
	// installation has not got it.
	Intake *intake.Intake
	// Title names the installation in the page's head; "" for none.
	Title string
	// Zone is the institution's: in it moments that belong to no payment are shown, and
	// dates and times that people enter are read. nil: that of Now.
	Zone *time.Location
	Now  func() time.Time // default time.Now
	Log  *slog.Logger     // nil: nobody is told
}

// Console answers requests for pages. It is an http.Handler.
type Console struct {
	o     Options
	mux   *http.ServeMux
	guard http.Handler
	slips *access.Limiter // of receipt look-ups, by address
	// reports are what bulk actions led to.
	reports reports
	// entrance is nil where nobody can sign in.
	entrance *entrance
	outlook  outlook // the overview as it was last made
	streams  streams
	pace     pace
}

// New makes a Console.
func New(o Options) *Console {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Zone == nil {
		o.Zone = o.Now().Location()
	}
	if len(o.Cast) > 0 {
		o.Who = OnLoopback(o.Cast...)
	}
	c := &Console{o: o, mux: http.NewServeMux(), slips: access.PerMinute(20), streams: streams{closed: make(chan struct{})}, pace: usualPace}
	if o.SignIn != nil {
		c.entrance = newEntrance(*o.SignIn, func(w http.ResponseWriter, r *http.Request, err error) {
			(&visit{Request: r, w: w, console: c, lang: language(r, ""), who: Person{Role: access.Public}}).fail(err)
		})
	}
	for _, p := range c.routes() {
		c.mux.Handle(p.Method+" "+p.Path, c.page(p))
	}
	c.mux.HandleFunc("GET /assets/", serveAsset)
	c.mux.Handle("/", c.page(route{show: func(*visit) error { return errNoPage }}))
	inner := http.Handler(c.mux)
	if c.entrance != nil {
		inner = c.entrance.sessions.LoadAndSave(inner)
	}
	origins := http.NewCrossOriginProtection()
	if o.Origin != "" {
		if err := origins.AddTrustedOrigin(o.Origin); err != nil {
			o.Log.Error("the address of the pages is none", "origin", o.Origin, "error", err)
		}
	}
	c.guard = origins.Handler(inner)
	return c
}

// ServeHTTP answers one request.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.guard.ServeHTTP(w, r) }

// Beside gives a handler that sends requests for programs (the API and what watches
// the service) to one and everything else to a console; nil is none.
func Beside(c *Console, programs http.Handler) http.Handler {
	if c == nil {
		return programs
	}
	mux := http.NewServeMux()
	for _, path := range []string{"/v1/", "/docs", "/docs/", "/livez", "/readyz", "/metrics", "/version"} {
		mux.Handle(path, programs)
	}
	mux.Handle("/", c)
	return mux
}

// OnLoopback is a Who for programs that serve their own user alone: whoever comes
// from this machine, by one of its loopback names, is one of the cast, the first
// until the browser has chosen another. The name is asked because a page elsewhere
// can have its own name lead here.
func OnLoopback(cast ...Person) func(*http.Request) (Person, bool) {
	return func(r *http.Request) (Person, bool) {
		peer := net.ParseIP(addressOf(r))
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		name := net.ParseIP(strings.Trim(host, "[]"))
		if peer == nil || !peer.IsLoopback() || host != "localhost" && (name == nil || !name.IsLoopback()) {
			return Person{}, false
		}
		return cast[playing(r, cast)], true
	}
}
