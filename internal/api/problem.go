package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"daozhang/internal/fault"
)

// problem is an RFC 9457 problem: what a request that failed is answered with.
type problem struct {
	Type     string       `json:"type"`
	Title    string       `json:"title"`
	Status   int          `json:"status"`
	Detail   string       `json:"detail,omitempty"`
	Instance string       `json:"instance,omitempty"` // the request's id
	Hint     string       `json:"hint,omitempty"`
	Errors   []fieldError `json:"errors,omitempty"`
	// Candidates are ids among which the caller has to choose.
	Candidates []string `json:"candidates,omitempty"`

	retryAfter int // seconds
}

// fieldError is one thing that is wrong with the input.
type fieldError struct {
	// Line of the input, from 1.
	Line int `json:"line,omitempty"`
	// Evidence is source#id, where it is known.
	Evidence string `json:"evidence,omitempty"`
	Why      string `json:"why"`
}

func (p *problem) Error() string { return p.Title + ": " + p.Detail }

// statuses map kinds of errors, as exit codes do in package fault.
var statuses = map[fault.Kind]int{
	fault.Usage: http.StatusBadRequest, fault.NotFound: http.StatusNotFound, fault.NotAllowed: http.StatusForbidden,
	fault.Conflict: http.StatusConflict, fault.Rejected: http.StatusUnprocessableEntity, fault.Invalid: http.StatusUnprocessableEntity,
	fault.Cancelled: 499,
}

// fail answers with the problem that an error stands for. What is not the
// caller's affair is logged under the request's id and not told.
func (s *Server) fail(c *call, err error) {
	var p *problem
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		p = &problem{Status: http.StatusRequestEntityTooLarge, Detail: "the body is longer than " + strconv.FormatInt(tooLarge.Limit, 10) + " bytes",
			Hint: "send the facts in several requests"}
	} else if !errors.As(err, &p) {
		p = &problem{Status: http.StatusInternalServerError}
		if status, ok := statuses[fault.KindOf(err)]; ok {
			p.Status, p.Detail, p.Hint = status, err.Error(), fault.HintOf(err)
		} else {
			p.Detail, p.Hint = "something went wrong on our side", "try again; name the request's id when you report it"
			s.o.Log.Error("request failed", "route", c.Pattern, "request", c.id, "error", err)
		}
	}
	if c.w.status != 0 {
		return // the answer has begun
	}
	if p.Title == "" {
		p.Title = http.StatusText(p.Status)
	}
	if p.Type == "" {
		p.Type = "about:blank"
	}
	p.Instance = "urn:request:" + c.id
	h := c.w.Header()
	h.Set("Content-Type", "application/problem+json")
	if p.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(p.retryAfter))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="daozhang"`)
	}
	b, merr := json.Marshal(p)
	if merr != nil {
		b = []byte(`{"type":"about:blank","status":500}`)
	}
	c.w.WriteHeader(p.Status)
	_, _ = c.w.Write(append(b, '\n'))
}
