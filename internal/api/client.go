package api

import (
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
	base, err := url.Parse(c.URL)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, fault.New(fault.Usage, op, "the server", errors.New("its address is none"), "write for example http://127.0.0.1:8080")
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base.JoinPath("v1", "payments", url.PathEscape(ref), "whereabouts").String(), nil)
	if err != nil {
		return nil, fault.New(fault.Usage, op, "the server", err, "")
	}
	if c.Key != "" {
		req.Header.Set("Authorization", "Bearer "+c.Key)
	}
	req.Header.Set("Accept-Language", c.Lang)
	req.Header.Set("Accept", "application/json")
	if text {
		req.Header.Set("Accept", "text/plain")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fault.New(fault.Internal, op, base.Host, err, "see whether `daozhang serve` runs there")
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 16<<20))
	if err != nil {
		return nil, fault.New(fault.Internal, op, base.Host, err, "")
	}
	if res.StatusCode == http.StatusOK {
		return body, nil
	}
	var p problem
	if json.Unmarshal(body, &p) != nil || p.Status == 0 {
		return nil, fault.New(fault.Internal, op, base.Host, fmt.Errorf("it answers %s", res.Status), "see whether that is the address of `daozhang serve`")
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
	return nil, fault.New(kind, op, base.Host, errors.New(detail), p.Hint)
}
