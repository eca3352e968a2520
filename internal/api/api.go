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
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"daozhang/internal/fault"
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

// Server answers requests. It is an http.Handler; NewHTTP gives it the limits of
// a public socket.
type Server struct {
	o       Options
	mux     *http.ServeMux
	limits  *limits
	strange *limits // of addresses that come without a valid key
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
	s := &Server{o: o, mux: http.NewServeMux(), limits: newLimits(o.Rate, o.Burst), strange: newLimits(1, 20),
		counts: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "daozhang_http_requests_total", Help: "Requests by route and status."},
			[]string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "daozhang_http_request_seconds", Help: "Time to answer, by route.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3}}, []string{"route"})}
	if register != nil {
		register.MustRegister(s.counts, s.seconds)
	}
	for _, r := range s.routes() {
		s.mux.Handle(r.pattern(), s.handle(r))
	}
	s.mux.Handle("/", s.handle(route{Path: "/", run: func(*call) error {
		return fault.New(fault.NotFound, "find", "resource", nil, "GET /v1/openapi.json lists what there is")
	}}))
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

// route is one operation. The OpenAPI document is made from the same table.
type route struct {
	Method, Path string
	ID, Summary  string
	// Open needs no key.
	Open      bool
	Reads     bool // of payments: the key's role must be allowed to
	operation map[string]any
	run       func(*call) error
}

func (r *route) pattern() string {
	if r.Method == "" {
		return r.Path
	}
	return r.Method + " " + r.Path
}

func (s *Server) routes() []route {
	return []route{
		{Method: "GET", Path: "/livez", ID: "livez", Summary: "The process runs.", Open: true, run: func(c *call) error { return c.text("ok\n") }},
		{Method: "GET", Path: "/readyz", ID: "readyz", Summary: "It can take payments and evidence.", Open: true, run: s.readyz},
		{Method: "GET", Path: "/metrics", ID: "metrics", Summary: "Metrics in Prometheus' text form.", Open: true, run: s.metrics},
		{Method: "GET", Path: "/version", ID: "version", Summary: "What runs.", Open: true, run: func(c *call) error { return c.json(http.StatusOK, s.o.Version) }},
		{Method: "GET", Path: "/v1/openapi.json", ID: "openapi", Summary: "This description.", Open: true, run: func(c *call) error {
			return c.json(http.StatusOK, s.openapi())
		}},
		{Method: "POST", Path: "/v1/evidence", ID: "postEvidence", Summary: "Bring facts: one CloudEvent, an array, or NDJSON.", run: s.postEvidence, operation: evidenceOperation},
		{Method: "GET", Path: "/v1/payments/{id}/whereabouts", ID: "getWhereabouts", Summary: "Where a payment's money is, why, who acts, when it arrives.",
			Reads: true, run: s.getWhereabouts, operation: whereaboutsOperation},
		{Method: "POST", Path: "/v1/payments/{id}/release", ID: "postRelease", Summary: "End the risk hold of a payment.",
			Reads: true, run: s.postRelease, operation: releaseOperation},
	}
}

func (s *Server) readyz(c *call) error {
	if s.o.Ready == nil {
		return c.text("ok\n")
	}
	if err := s.o.Ready(c.Context()); err != nil {
		return &problem{Status: http.StatusServiceUnavailable, Title: "Not ready", Detail: err.Error()}
	}
	return c.text("ok\n")
}

func (s *Server) metrics(c *call) error {
	if s.o.Metrics == nil {
		return fault.New(fault.NotFound, "find", "metrics", nil, "")
	}
	promhttp.HandlerFor(s.o.Metrics, promhttp.HandlerOpts{DisableCompression: true}).ServeHTTP(c.w, c.Request)
	return nil
}

// call is one request being answered.
type call struct {
	*http.Request
	w      *recorder
	server *Server
	id     string
	key    Key
}

// recorder remembers the status for metrics.
type recorder struct {
	http.ResponseWriter
	status int
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
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (c *call) text(s string) error {
	c.w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, err := c.w.Write([]byte(s))
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
	_, err = c.w.Write(append(b, '\n'))
	return err
}

// handle wraps an operation with what all have: request id, limits, the key, the
// problem where it fails, metrics, and a log line for what went wrong inside.
func (s *Server) handle(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		begun := s.o.Now()
		c := &call{Request: req, w: &recorder{ResponseWriter: w}, server: s, id: requestID(req)}
		h := w.Header()
		h.Set("X-Request-Id", c.id)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler {
					panic(p)
				}
				s.o.Log.Error("request panicked", "route", r.Path, "request", c.id, "panic", p)
				if c.w.status == 0 {
					s.fail(c, errors.New("panic"))
				}
			}
			s.counts.WithLabelValues(r.Path, strconv.Itoa(c.w.status)).Inc()
			s.seconds.WithLabelValues(r.Path).Observe(s.o.Now().Sub(begun).Seconds())
		}()
		req.Body = http.MaxBytesReader(c.w, req.Body, s.o.MaxBody)
		err := error(nil)
		if !r.Open && r.ID != "" {
			err = s.admit(c, &r)
		}
		if err == nil {
			err = r.run(c)
		}
		if err != nil {
			s.fail(c, err)
		}
	})
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
