package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"daozhang/internal/fault"
)

// Client asks a Server, as `daozhang trace --server` does.
type Client struct {
	URL  string // of the server, such as http://127.0.0.1:8080
	Key  string
	Lang string // "en" or "zh"
}

// Whereabouts gives the answer for a payment: the card that people read, or the
// JSON. The error has the kind of the server's problem; where several payments
// fit, it is fault.Conflict and names them.
func (c *Client) Whereabouts(ctx context.Context, ref string, text bool) ([]byte, error) {
	const op = "ask"
	base, err := c.base(op)
	if err != nil {
		return nil, err
	}
	accept := "application/json"
	if text {
		accept = "text/plain"
	}
	return c.call(ctx, op, http.MethodGet, base.JoinPath("v1", "payments", url.PathEscape(ref), "whereabouts"), accept, nil)
}

// Bring gives the server facts in the interchange form, one a line. It is an error
// where any of them was not taken; the others were.
func (c *Client) Bring(ctx context.Context, lines []byte) error {
	const op = "bring evidence"
	base, err := c.base(op)
	if err != nil {
		return err
	}
	body, err := c.call(ctx, op, http.MethodPost, base.JoinPath("v1", "evidence"), "application/json", lines)
	if err != nil {
		return err
	}
	var got received
	if err := json.Unmarshal(body, &got); err != nil {
		return fault.New(fault.Internal, op, base.Host, err, "")
	}
	if len(got.Rejected) > 0 {
		first := got.Rejected[0]
		return fault.New(fault.Rejected, op, first.Evidence, errors.New(first.Why), fmt.Sprintf("%d facts were not taken", len(got.Rejected)))
	}
	return nil
}

// base is the server's address.
func (c *Client) base(op string) (*url.URL, error) {
	base, err := url.Parse(c.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fault.New(fault.Usage, op, "the server", errors.New("its address is none"), "write for example http://127.0.0.1:8080")
	}
	return base, nil
}

// call makes one request and gives its answer's body; a problem is an error of the
// kind that its status stands for.
func (c *Client) call(ctx context.Context, op, method string, to *url.URL, accept string, lines []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, to.String(), bytes.NewReader(lines))
	if err != nil {
		return nil, fault.New(fault.Usage, op, "the server", err, "")
	}
	if len(lines) > 0 {
		req.Header.Set("Content-Type", "application/x-ndjson")
	}
	if c.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	req.Header.Set("Accept-Language", c.Lang)
	req.Header.Set("Accept", accept)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fault.New(fault.Internal, op, to.Host, err, "see whether `daozhang serve` runs there")
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return nil, fault.New(fault.Internal, op, to.Host, err, "")
	}
	if res.StatusCode == http.StatusOK {
		return body, nil
	}
	var p problem
	if json.Unmarshal(body, &p) != nil || p.Status == 0 {
		return nil, fault.New(fault.Internal, op, to.Host, fmt.Errorf("it answers %s", res.Status), "see whether that is the address of `daozhang serve`")
	}
	kind := fault.Internal
	switch {
	case p.Status == http.StatusUnauthorized:
		kind = fault.NotAllowed
	default:
		for k, status := range statuses {
			if status == p.Status && k != fault.Rejected {
				kind = k
			}
		}
	}
	detail := p.Detail
	if len(p.Candidates) > 0 {
		detail += ": " + strings.Join(p.Candidates, ", ")
	}
	return nil, fault.New(kind, op, to.Host, errors.New(detail), p.Hint)
}
