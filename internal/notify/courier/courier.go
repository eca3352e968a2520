// Package courier carries what package notify tells: webhooks by HTTP and letters by
// SMTP. It dials only what a notify.Guard lets it, follows no redirection, and gives
// up within a bounded time and size.
package courier

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/fault"
	"daozhang/internal/notify"
)

// Options are what a Courier is made with.
type Options struct {
	Guard notify.Guard
	// Within is the longest that one webhook may take from dialling to the answer's
	// end. Default 15 s.
	Within time.Duration
	// Agent is how it names itself. Default daozhang.
	Agent string
	// Roots are the authorities that certificates may be of; nil for the system's.
	Roots *x509.CertPool
	// SMTP is the mail server; without a host there is none.
	SMTP SMTP
	// Resolve gives the addresses of a name. Default the system's.
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error)
	Now     func() time.Time // default time.Now
	Log     *slog.Logger
}

// mostRead is how many bytes of an answer are read.
const mostRead = 4 << 10

// Courier carries. It is a notify.Courier, safe for concurrent use.
type Courier struct {
	o      Options
	client *http.Client
}

var _ notify.Courier = (*Courier)(nil)

// New makes a Courier. The error is of kind fault.Usage for settings that cannot be.
func New(o Options) (*Courier, error) {
	if o.Within <= 0 {
		o.Within = 15 * time.Second
	}
	if o.Agent == "" {
		o.Agent = "daozhang"
	}
	if o.Resolve == nil {
		o.Resolve = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := o.SMTP.check(); err != nil {
		return nil, err
	}
	c := &Courier{o: o}
	c.client = &http.Client{Timeout: o.Within,
		// A redirection is an answer that is no success: whoever checked the first
		// address did not check the next.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DialContext: c.dial, Proxy: nil, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
			TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: o.Within, MaxResponseHeaderBytes: 16 << 10, DisableCompression: true,
			MaxIdleConnsPerHost: 2, MaxConnsPerHost: 8, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true}}
	return c, nil
}

// dial resolves a name, looks at every address, and connects to those that may be
// reached: to the address that was looked at, not to the name again.
func (c *Courier) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	found, err := c.o.Resolve(ctx, host)
	if err != nil || len(found) == 0 {
		return nil, fault.New(fault.Internal, fault.Say("find host", "解析主机"), host, errors.Join(err, fault.Say("the name is not known", "域名不存在")), fault.Text{})
	}
	named := c.o.Guard.Named(host, port)
	refused := fault.New(fault.NotAllowed, fault.Say("reach host", "连接主机"), host, fault.Say("its address is not one of the internet", "地址不在公网"),
		fault.Say("what runs inside is reached only if notify.allow_hosts names it", "内部主机须由 notify.allow_hosts 列出"))
	last := error(refused)
	for _, a := range found {
		if !named && !notify.Public(a) {
			continue
		}
		conn, err := (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, network, net.JoinHostPort(a.Unmap().String(), port))
		if err == nil {
			return conn, nil
		}
		last = err
	}
	return nil, last
}

// Post implements notify.Courier.
func (c *Courier) Post(ctx context.Context, to string, h notify.Headers, body []byte) notify.Answer {
	u, err := c.o.Guard.Check(to)
	if err != nil {
		return notify.Answer{Err: err}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), strings.NewReader(string(body)))
	if err != nil {
		return notify.Answer{Err: err}
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", c.o.Agent)
	req.Header.Set("Webhook-Id", h.ID)
	req.Header.Set("Webhook-Timestamp", h.Timestamp)
	req.Header.Set("Webhook-Signature", h.Signature)
	res, err := c.client.Do(req)
	if err != nil {
		// The URL is the receiver's own; its query may hold a token of theirs.
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err
		}
		return notify.Answer{Err: err}
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, mostRead))
	return notify.Answer{Status: res.StatusCode, Body: string(said), Again: c.again(res.Header.Get("Retry-After"))}
}

// again reads a Retry-After: seconds or a date.
func (c *Courier) again(s string) time.Duration {
	if n, err := strconv.Atoi(s); err == nil && n > 0 {
		return time.Duration(min(n, 7*24*3600)) * time.Second
	}
	if t, err := http.ParseTime(s); err == nil {
		return max(t.Sub(c.o.Now()), 0)
	}
	return 0
}

// Close gives idle connections back.
func (c *Courier) Close() { c.client.CloseIdleConnections() }
