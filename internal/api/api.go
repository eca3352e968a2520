// Package api is the HTTP surface: evidence comes in, the answer for a payment
// goes out, and machines ask whether the service lives. It decides nothing about
// payments; what it knows comes from package investigation and from the few
// interfaces that its owner fills in.
//
// Errors are RFC 9457 problems. Every answer carries the request's id. Access is
// by API keys, whose roles say which facts a caller may bring: nobody but a bank
// can say what a bank says.
package api

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"daozhang/internal/access"
	"daozhang/internal/desk"
	"daozhang/internal/fault"
	"daozhang/internal/intake"
	"daozhang/internal/investigation"
	"daozhang/internal/payment"
)

// Key is an API key as its owner keeps it, without the key itself.
type Key struct {
	ID, Name string
	Role     Role
	// MID is the only merchant whose payments and facts are meant; "" for all.
	MID string
	// Sources are those under which facts may be brought; one that ends in a star
	// stands for all that begin so. None means no facts.
	Sources []string
	Revoked bool
}

// Outcome is what became of one fact.
type Outcome string

// The outcomes.
const (
	Added       Outcome = "added"
	Repeated    Outcome = "repeated"
	Contradicts Outcome = "contradicts" // the same source and id, other content; both are kept
)

// Keeper is what the surface needs of the store.
type Keeper interface {
	// KeyOf gives the key of a secret. fault.NotFound where there is none.
	KeyOf(ctx context.Context, secret string) (Key, error)
	// Append keeps facts durably before it returns, and says what became of each.
	Append(ctx context.Context, facts []payment.Evidence) ([]Outcome, error)
	// Transaction gives a transaction of ours by its UUID. fault.NotFound where
	// there is none.
	Transaction(ctx context.Context, id uuid.UUID) (payment.Transaction, error)
}

// Investigation is what the surface asks; *investigation.Live is one.
type Investigation interface {
	// Read calls use with the answers of the present moment; see investigation.Live.
	Read(use func(*investigation.Current))
}

// Options are what a Server is made with.
type Options struct {
	Keeper Keeper
	Live   Investigation
	// Nodes are the other servers on the same database; nil where there are none.
	Nodes Nodes
	// Ready says why the service cannot serve now, nil where it can.
	Ready func(ctx context.Context) error
	// Release ends a risk hold; nil where no payments are taken.
	Release ReleaseFunc
	// Register gives merchants and terminals; nil where none are registered.
	Register Register
	// Requests keeps what was asked under an Idempotency-Key; nil: such requests are
	// refused.
	Requests Requests
	// Developers are events, webhooks, keys and the audit log; nil where there are
	// none.
	Developers *Developers
	// Desk is where exceptions, cases and approvals are; nil: nowhere.
	Desk *desk.Desk
	// Intake is what people bring: files, circumstances, entries of the register; nil:
	// nowhere.
	Intake *intake.Intake
	// Version is what GET /version tells.
	Version map[string]string
	// Metrics are gathered for GET /metrics; nil for none.
	Metrics prometheus.Gatherer
	// MaxBody bounds a request's body in bytes; default 8 MiB. MaxEvents bounds the
	// facts of one request; default 10000.
	MaxBody   int64
	MaxEvents int
	// Rate is how many requests a second each key has, Burst how many at once;
	// defaults 50 and 200.
	Rate  float64
	Burst int
	Now   func() time.Time // default time.Now
	Log   *slog.Logger     // nil: nobody is told
}

var notReady = fault.Say("Not ready", "尚未就绪")

// Server answers requests. It is an http.Handler; NewHTTP gives it the limits of
// a public socket.
type Server struct {
	o   Options
	mux *http.ServeMux
	// huma checks and describes requests; operations are by the mux's patterns.
	huma       huma.API
	schemas    huma.Registry
	operations map[string]*operation
	document   func() []byte // the OpenAPI document
	expired    atomic.Int64  // when old requests were removed, in seconds of Unix time

	limits  *access.Limiter // of keys
	strange *access.Limiter // of addresses that come without a valid key
	counts  *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

// New makes a Server. Its own metrics are registered with register, if that is
// not nil.
func New(o Options, register prometheus.Registerer) *Server {
	if o.MaxBody <= 0 {
		o.MaxBody = 8 << 20
	}
	if o.MaxEvents <= 0 {
		o.MaxEvents = 10000
	}
	if o.Rate <= 0 {
		o.Rate = 50
	}
	if o.Burst <= 0 {
		o.Burst = 200
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{o: o, mux: http.NewServeMux(), operations: map[string]*operation{}, limits: access.NewLimiter(o.Rate, o.Burst), strange: access.NewLimiter(1, 20),
		counts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "daozhang_http_requests_total", Help: "Requests by route and status."},
			[]string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "daozhang_http_request_seconds", Help: "Time to answer, by route.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3}}, []string{"route"})}
	if register != nil {
		register.MustRegister(s.counts, s.seconds)
	}
	s.huma, s.schemas = s.newHuma()
	s.describe()
	s.document = sync.OnceValue(s.openapi)
	s.docs()
	s.mux.HandleFunc("/", s.elsewhere)
	return s
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// NewHTTP gives a server for a handler with time limits that slow peers cannot
// stretch.
func NewHTTP(address string, h http.Handler) *http.Server {
	return &http.Server{Addr: address, Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 60 * time.Second,
		WriteTimeout: 60 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 32 << 10}
}

// describe puts every operation on the surface, in the order of the document.
func (s *Server) describe() {
	s.machineOperations()
	s.evidenceOperations()
	s.paymentOperations()
	s.whereaboutsOperations()
	s.payoutOperations()
	s.overviewOperations()
	s.registerOperations()
	s.agreementOperations()
	s.fileOperations()
	s.circumstanceOperations()
	s.calendarOperations()
	s.releaseOperations()
	s.deskOperations()
	s.eventOperations()
	s.webhookOperations()
	s.keyOperations()
	s.auditOperations()
}

// machineOperations are what machines ask about the service itself.
func (s *Server) machineOperations() {
	open := func(path, id, summary, media string) operation {
		return operation{Method: "GET", Path: path, ID: id, Tag: "service", Summary: summary, Open: true, Lenient: true,
			Answer: map[string]*huma.MediaType{media: {Schema: &huma.Schema{Type: "string"}}}}
	}
	stream(s, open("/livez", "livez", "The process runs.", "text/plain"), func(c *call, _ *nothing) error { return c.text("ok\n") })
	stream(s, open("/readyz", "readyz", "It can take payments and evidence.", "text/plain"), func(c *call, _ *nothing) error { return s.readyz(c) })
	stream(s, open("/metrics", "metrics", "Metrics in Prometheus' text form.", "text/plain"), func(c *call, _ *nothing) error { return s.metrics(c) })
	register(s, operation{Method: "GET", Path: "/version", ID: "version", Tag: "service", Summary: "What runs.", Open: true, Lenient: true},
		func(*call, *nothing) (*map[string]string, error) { return &s.o.Version, nil })
	stream(s, open("/v1/openapi.json", "openapi", "This description.", "application/json"), func(c *call, _ *nothing) error { return c.raw("application/json", s.document()) })
}

func (s *Server) readyz(c *call) error {
	if s.o.Ready == nil {
		return c.text("ok\n")
	}
	if err := s.o.Ready(c.Context()); err != nil {
		return &failure{status: http.StatusServiceUnavailable, title: notReady, detail: fault.TextOf(err)}
	}
	return c.text("ok\n")
}

func (s *Server) metrics(c *call) error {
	if s.o.Metrics == nil {
		return errNothing
	}
	promhttp.HandlerFor(s.o.Metrics, promhttp.HandlerOpts{DisableCompression: true}).ServeHTTP(c.w, c.Request)
	return nil
}

// elsewhere answers what no operation does.
func (s *Server) elsewhere(w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, m := range methods {
		if _, pattern := s.mux.Handler(&http.Request{Method: m, URL: r.URL, Host: r.Host}); strings.HasPrefix(pattern, m+" ") {
			allowed = append(allowed, m)
		}
	}
	s.handle(&operation{Path: "/", Open: true}, func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		if len(allowed) == 0 {
			s.fail(c, errNothing)
			return
		}
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		s.fail(c, &failure{status: http.StatusMethodNotAllowed, detail: fault.Say("only %s is answered here", "此处只支持 %s", strings.Join(allowed, ", "))})
	}).ServeHTTP(w, r)
}

var errPanicked = fault.Same("panic")

var errNothing = fault.New(fault.NotFound, fault.Say("find", "查找"), "resource", nil, fault.Say("GET /v1/openapi.json lists what there is", "GET /v1/openapi.json 列出全部接口"))

// call is one request being answered.
type call struct {
	*http.Request
	w      *recorder
	server *Server
	id     string
	lang   string // "en" or "zh"
	key    Key
	// only is the merchant whose rows the caller may see; "" for those of all.
	only string
	ran  bool // the operation itself began
	// effect is what a request under an Idempotency-Key may call what it makes, so
	// that it makes it once; the zero UUID without.
	effect uuid.UUID
}

type callInContext struct{}

// callOf gives the call that a context belongs to.
func callOf(ctx context.Context) *call { return ctx.Value(callInContext{}).(*call) }

// recorder remembers the status for metrics.
type recorder struct {
	http.ResponseWriter
	status int
	copy   *bytes.Buffer // of the body; nil where nobody wants it
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	if r.copy != nil && r.copy.Len() <= longestReplay {
		r.copy.Write(b)
	}
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (c *call) text(s string) error { return c.raw("text/plain; charset=utf-8", []byte(s)) }

func (c *call) raw(media string, b []byte) error {
	c.w.Header().Set("Content-Type", media)
	_, err := c.w.Write(b)
	return err
}

func (c *call) json(status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	c.w.Header().Set("Content-Type", "application/json")
	c.w.Header().Set("Content-Length", strconv.Itoa(len(b)+1))
	c.w.WriteHeader(status)
	if _, err = c.w.Write(b); err == nil {
		_, err = c.w.Write([]byte{'\n'})
	}
	return err
}

// handle wraps an operation with what all have: request id, limits, the key, the
// problem where it fails, metrics, and a log line for what went wrong inside.
func (s *Server) handle(o *operation, run http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		begun := s.o.Now()
		c := &call{w: &recorder{ResponseWriter: w}, server: s, id: requestID(req), lang: language(req)}
		c.Request = req.WithContext(context.WithValue(req.Context(), callInContext{}, c))
		h := w.Header()
		h.Set("X-Request-Id", c.id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.o.Log.Error("request panicked", "route", o.Path, "request", c.id, "panic", p)
				if c.w.status == 0 {
					s.fail(c, errPanicked)
				}
			}
			s.counts.WithLabelValues(o.Path, strconv.Itoa(c.w.status)).Inc()
			s.seconds.WithLabelValues(o.Path).Observe(s.o.Now().Sub(begun).Seconds())
			s.seen(c, o, begun)
		}()
		if err := s.answer(c, o, run); err != nil {
			s.fail(c, err)
		}
	})
}

// answer runs an operation once it is known who asks, and that they may.
func (s *Server) answer(c *call, o *operation, run http.HandlerFunc) error {
	c.Body = http.MaxBytesReader(c.w, c.Body, cmp.Or(o.MaxBody, s.o.MaxBody))
	if !o.Open {
		if err := s.admit(c, o); err != nil {
			return err
		}
	}
	if o.Absent {
		return errNothing
	}
	name, err := c.requested(o)
	if err != nil {
		return err
	}
	if name != "" {
		return c.once(o, name, func() { run(c.w, c.Request) })
	}
	run(c.w, c.Request)
	return nil
}

// requestID takes the caller's id where it is a sane one.
func requestID(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	ok := len(id) >= 8 && len(id) <= 64
	for _, c := range []byte(id) {
		ok = ok && (c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' || c == '_')
	}
	if ok {
		return id
	}
	return uuid.Must(uuid.NewV7()).String()
}
