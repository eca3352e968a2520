package api

import (
	"encoding/json"
	"errors"
	"math"
	"net/http"
	"strconv"
	"time"

	"daozhang/internal/card"
	"daozhang/internal/fault"
)

// Problem is an RFC 9457 problem: what a request that failed is answered with, in
// the language that its Accept-Language asks for.
type Problem struct {
	Type     string `json:"type" doc:"about:blank: the status says what kind it is"`
	Title    string `json:"title" doc:"the status in words"`
	Status   int    `json:"status" doc:"the HTTP status"`
	Detail   string `json:"detail,omitempty" doc:"what went wrong"`
	Instance string `json:"instance,omitempty" doc:"urn:request: and the request's id, as in X-Request-Id"`
	Hint     string `json:"hint,omitempty" doc:"what the caller can do"`
	// Errors lists everything that is wrong with the input, not the first alone.
	Errors []FieldError `json:"errors,omitempty" doc:"everything that is wrong with the input"`
	// Candidates are ids among which the caller has to choose.
	Candidates []string `json:"candidates,omitempty" doc:"ids of payments among which to choose"`
}

// FieldError is one thing that is wrong with the input.
type FieldError struct {
	// Field is where it stands: query.limit, body.lines[2].amount, header.…
	Field string `json:"field,omitempty" doc:"where it stands, such as query.limit or body.amount"`
	// Line of a body of lines, from 1.
	Line int `json:"line,omitempty" doc:"of the body, from 1"`
	// Evidence is source#id, where it is known.
	Evidence string `json:"evidence,omitempty" doc:"source#id of a fact"`
	Why      string `json:"why" doc:"the reason; it repeats no value"`
}

// Error gives title and detail.
func (p *Problem) Error() string { return p.Title + ": " + p.Detail }

// GetStatus is for huma, which writes what it finds wrong with a request itself.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is for huma, as GetStatus.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// failure is an error as the surface tells it, in both languages.
type failure struct {
	status       int
	title        fault.Text // none: that of the status
	detail, hint fault.Text
	errors       []fieldFault
	candidates   []string
	retryAfter   time.Duration
}

func (f *failure) Error() string { return http.StatusText(f.status) + ": " + f.detail.EN }

// fieldFault is a FieldError in both languages.
type fieldFault struct {
	Field    string
	Line     int
	Evidence string
	Why      fault.Text
}

func (f *fieldFault) Error() string { return f.Field + ": " + f.Why.EN }

func (f *fieldFault) in(lang string) FieldError {
	return FieldError{Field: f.Field, Line: f.Line, Evidence: f.Evidence, Why: f.Why.In(lang)}
}

func fieldErrors(list []fieldFault, lang string) (out []FieldError) {
	for i := range list {
		out = append(out, list[i].in(lang))
	}
	return out
}

var notValid = fault.Say("the request is not valid; errors names each field that is wrong", "请求无效；errors 列出每一个有误的字段")

// statuses map kinds of errors, as exit codes do in package fault.
var statuses = map[fault.Kind]int{
	fault.Usage: http.StatusBadRequest, fault.NotFound: http.StatusNotFound, fault.NotAllowed: http.StatusForbidden,
	fault.Conflict: http.StatusConflict, fault.Rejected: http.StatusUnprocessableEntity, fault.Invalid: http.StatusUnprocessableEntity,
	fault.Cancelled: 499,
}

// KindOf gives the kind of error that a status stands for, for those who ask a
// server.
func KindOf(status int) fault.Kind {
	switch status {
	case http.StatusUnauthorized:
		return fault.NotAllowed
	case http.StatusUnprocessableEntity:
		return fault.Invalid
	}
	for k, s := range statuses {
		if s == status {
			return k
		}
	}
	return fault.Internal
}

// titles are the statuses in Chinese.
var titles = map[int]string{
	http.StatusBadRequest: "请求有误", http.StatusUnauthorized: "未认证", http.StatusForbidden: "没有权限", http.StatusNotFound: "不存在",
	http.StatusMethodNotAllowed: "不支持该方法", http.StatusNotAcceptable: "不支持所要的格式", http.StatusRequestTimeout: "请求超时", http.StatusConflict: "冲突",
	http.StatusRequestEntityTooLarge: "请求过大", http.StatusUnsupportedMediaType: "不支持该媒体类型", http.StatusUnprocessableEntity: "内容无效",
	http.StatusTooManyRequests: "请求过多", 499: "调用方已中止", http.StatusInternalServerError: "内部错误", http.StatusServiceUnavailable: "暂不可用",
}

func titleOf(status int) fault.Text {
	en := http.StatusText(status)
	if status == 499 {
		en = "Client Closed Request"
	}
	return fault.Text{EN: en, ZH: titles[status]}
}

// failureOf says how an error is told; mine is false where it is not the
// caller's affair.
func failureOf(err error) (f *failure, mine bool) {
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &failure{status: http.StatusRequestEntityTooLarge, detail: fault.Say("the body is longer than %d bytes", "请求体超过 %d 字节", tooLarge.Limit),
			hint: fault.Say("send it in several requests", "请分多次提交")}, true
	}
	if errors.As(err, &f) {
		return f, true
	}
	if one, ok := errors.AsType[*fieldFault](err); ok {
		return &failure{status: http.StatusUnprocessableEntity, detail: notValid, errors: []fieldFault{*one}}, true
	}
	if status, ok := statuses[fault.KindOf(err)]; ok {
		return &failure{status: status, detail: fault.TextOf(err), hint: fault.HintText(err)}, true
	}
	return &failure{status: http.StatusInternalServerError, detail: fault.Say("something went wrong on our side", "服务端出错"),
		hint: fault.Say("try again; name the request's id when you report it", "请重试；报告问题时请附上请求编号")}, false
}

// problem puts a failure into the words of a request's language.
func (c *call) problem(f *failure) *Problem {
	title := f.title
	if title.None() {
		title = titleOf(f.status)
	}
	p := &Problem{Type: "about:blank", Title: title.In(c.lang), Status: f.status, Detail: f.detail.In(c.lang), Instance: "urn:request:" + c.id,
		Hint: f.hint.In(c.lang), Errors: fieldErrors(f.errors, c.lang), Candidates: f.candidates}
	return p
}

// fail answers with the problem that an error stands for. What is not the
// caller's affair is logged under the request's id and not told.
func (s *Server) fail(c *call, err error) {
	f, mine := failureOf(err)
	if !mine {
		s.o.Log.Error("request failed", "route", c.Pattern, "request", c.id, "error", err)
	}
	if c.w.status != 0 {
		return // the answer has begun
	}
	h := c.w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Language", c.lang)
	h.Add("Vary", "Accept-Language")
	if f.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int(math.Ceil(f.retryAfter.Seconds()))))
	}
	if f.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="daozhang"`)
	}
	b, err := json.Marshal(c.problem(f))
	if err != nil {
		b = []byte(`{"type":"about:blank","status":500}`)
	}
	c.w.WriteHeader(f.status)
	_, _ = c.w.Write(append(b, '\n'))
}

// masked takes whole card numbers out of what others say about a value.
func masked(s string) string {
	s, _ = card.MaskText(s)
	return s
}
