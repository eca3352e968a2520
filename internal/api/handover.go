package api

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"time"

	"daozhang/internal/fault"
)

// Nodes are the other servers that answer for merchants that are not this one's.
type Nodes interface {
	// Name is this server's own.
	Name() string
	// Holder says who answers for a merchant: here this server, else the base URL of
	// another, "" where nobody does at the moment.
	Holder(mid string) (url string, here bool)
	// Others gives the base URLs of all other servers.
	Others() []string
}

// handedOn marks a request that another server has handed on: it goes no further.
// It gives no right; the caller's key is checked again.
const handedOn = "Daozhang-Handed-On"

// handovers is the client between servers.
var handovers = &http.Client{Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// handOn asks another server what this one was asked, with the caller's key and
// the body that was read, nil where there was none; marks are headers beside the
// one that says that it has been handed on.
func (c *call) handOn(base string, body []byte, marks ...string) (*http.Response, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	u.Path, u.RawPath, u.RawQuery = c.URL.Path, c.URL.RawPath, c.URL.RawQuery
	req, err := http.NewRequestWithContext(c.Context(), c.Method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for _, h := range []string{"Authorization", "X-Api-Key", "Accept", "Accept-Language"} {
		if v := c.Header.Values(h); len(v) > 0 {
			req.Header[http.CanonicalHeaderKey(h)] = v
		}
	}
	req.Header.Set("X-Request-Id", c.id)
	for _, mark := range append(marks, handedOn) {
		req.Header.Set(mark, c.server.o.Nodes.Name())
	}
	return handovers.Do(req)
}

// pass gives another server's answer as one's own.
func (c *call) pass(res *http.Response) error {
	defer res.Body.Close()
	for _, h := range []string{"Content-Type", "Content-Language", "Content-Length", "Vary", "Retry-After"} {
		if v := res.Header.Get(h); v != "" {
			c.w.Header().Set(h, v)
		}
	}
	c.w.WriteHeader(res.StatusCode)
	_, err := io.Copy(c.w, res.Body)
	return err
}

// handedTo hands a question, or a decision, about a merchant's payment on to the
// server that answers for the merchant. done is false where that is this one, or where the
// merchant is not known (mid ""): then it is asked here first.
func (c *call) handedTo(mid string, body []byte) (done bool, err error) {
	nodes := c.server.o.Nodes
	if nodes == nil || mid == "" {
		return false, nil
	}
	base, here := nodes.Holder(mid)
	if here {
		return false, nil
	}
	if base == "" || c.Header.Get(handedOn) != "" {
		return true, changing()
	}
	res, err := c.handOn(base, body)
	if err != nil {
		c.server.o.Log.Warn("question not handed on", "to", base, "error", err)
		return true, changing()
	}
	return true, c.pass(res)
}

// others asks all other servers for what nobody here knows. done is false where
// none of them does either.
func (c *call) others() (done bool, err error) {
	nodes := c.server.o.Nodes
	if nodes == nil || c.Header.Get(handedOn) != "" {
		return false, nil
	}
	for _, base := range nodes.Others() {
		res, callErr := c.handOn(base, nil)
		switch {
		case callErr != nil:
			c.server.o.Log.Warn("question not handed on", "to", base, "error", callErr)
			err = changing()
		case res.StatusCode == http.StatusNotFound:
			res.Body.Close()
		default:
			return true, c.pass(res)
		}
	}
	return err != nil, err
}

// changing is the answer while another server takes merchants over.
func changing() error {
	return &failure{status: http.StatusServiceUnavailable, title: notReady, detail: fault.Say("another node is taking over the merchant", "另一节点正在接管该商户"),
		hint: fault.Say("ask again in a few seconds", "请几秒后重试"), retryAfter: 2 * time.Second}
}
