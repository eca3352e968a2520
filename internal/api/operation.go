package api

import (
	"cmp"
	"context"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"daozhang/internal/access"
	"daozhang/internal/fault"
)

// How an operation comes to be on the surface.
//
// A feature has a file of its own here with its types, its handlers and one
// method that registers them, which operations in api.go calls:
//
//	func (s *Server) caseOperations() {
//		absent := s.o.Desk == nil
//		register(s, operation{Method: "GET", Path: "/v1/cases/{id}", ID: "getCase", Tag: "cases", Summary: "A case with its history.",
//			Action: access.ReadExceptions, Narrows: true, Absent: absent}, s.getCase)
//	}
//
//	type caseAsked struct {
//		ID string `path:"id" maxLength:"64" doc:"number of the case"`
//	}
//
//	func (s *Server) getCase(c *call, in *caseAsked) (*Case, error) { … }
//
// What the caller sends is a struct whose fields have the tag path, query or
// header, and Body for JSON; what it gets is a struct that is written as JSON. The
// tags (doc, enum, minimum, maxLength, format, required; see package huma) are
// both checked before the handler runs and told in the OpenAPI document. An
// embedded struct has to be exported, else its fields are passed over. What tags
// cannot say is checked by a method Resolve(huma.Context) []error of the input,
// which gives an error made by invalid for every field that is wrong. Names are
// snake_case, amounts integers in minor units beside a currency, moments RFC 3339;
// the doc of a field names the ISO 8583 field or ISO 20022 element that it is.
//
// Who may is said by Action: the one table of package access, reached by a key as
// rights in access.go says. A handler whose operation Narrows keeps to the rows of
// merchant c.only, where that is not "", and answers fault.NotFound for all
// others. Errors are those of package fault, in both languages; each kind has its
// status. Nothing of a request is written after an error.
//
// Any POST may come with an Idempotency-Key, see idempotency.go; the frame does it
// all. It holds as long as an operation that fails has had no effect.
//
// An operation that is Absent is described, and answered as if it were not there.
// After a change run `go test ./internal/api -run OpenAPI -update` and read the
// difference in docs/openapi.json.
type operation struct {
	Method, Path string
	// ID is a verb and a noun, unique; Tag the noun under which the document lists
	// it.
	ID, Tag              string
	Summary, Description string
	// Open needs no key. Otherwise Action is what the key must be allowed to do; ""
	// where every key may call, and the operation asks what its role may.
	Open   bool
	Action access.Action
	// Roles are the only roles of keys that may, of those whom Action allows; none
	// means all of them.
	Roles []Role
	// Narrows says that the operation keeps to c.only. One that does not is closed to
	// keys of a single merchant.
	Narrows bool
	// Absent: this installation has not got it.
	Absent bool
	// Natural says that a POST is idempotent by what it brings, so that
	// Idempotency-Key is not looked at.
	Natural bool
	// Repeats says that running it again with the same c.effect has no second
	// effect, so that a request which a crash broke off can be run again.
	Repeats bool
	// Secret says that the answer shows a secret once: it is not kept for a replay.
	Secret bool
	// Status of success; default 200.
	Status int
	// MaxBody bounds the body in bytes; default Options.MaxBody.
	MaxBody int64
	// Lenient passes over query parameters that it does not know; others refuse them,
	// because a filter that is misspelt would show too much.
	Lenient bool
	// Body and Answer describe what a streamed operation reads and writes.
	Body   *huma.RequestBody
	Answer map[string]*huma.MediaType
}

// nothing is the input of an operation that takes none.
type nothing struct{}

// register puts an operation on the surface that is answered by JSON.
func register[I, O any](s *Server, o operation, run func(*call, *I) (*O, error)) {
	o.Status = cmp.Or(o.Status, http.StatusOK)
	o.Answer = s.jsonOf(new(O))
	stream(s, o, func(c *call, in *I) error {
		out, err := run(c, in)
		if err != nil {
			return err
		}
		return c.json(o.Status, out)
	})
}

// jsonOf describes a body of JSON by a value of its type.
func (s *Server) jsonOf(v any) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{"application/json": {Schema: s.schemas.Schema(reflect.TypeOf(v), true, "")}}
}

// written is the output of a handler that has written its answer itself.
type written struct{ Body func(huma.Context) }

// stream puts an operation on the surface that writes its answer itself, or gives
// an error and has written nothing.
func stream[I any](s *Server, o operation, run func(*call, *I) error) {
	o.Status = cmp.Or(o.Status, http.StatusOK)
	o.MaxBody = cmp.Or(o.MaxBody, s.o.MaxBody)
	s.operations[o.Method+" "+o.Path] = &o
	huma.Register(s.huma, s.described(&o), func(ctx context.Context, in *I) (*written, error) {
		c := callOf(ctx)
		c.ran = true
		if err := run(c, in); err != nil {
			s.fail(c, err)
		}
		return &written{func(huma.Context) {}}, nil
	})
	s.mustHavePath(&o)
	if o.Body != nil {
		// Only now, since the handler reads the body itself.
		operationOf(s.huma.OpenAPI().Paths[o.Path], o.Method).RequestBody = o.Body
	}
}

// mustHavePath panics where the input of an operation lacks a part of its path.
func (s *Server) mustHavePath(o *operation) {
	for _, part := range strings.Split(o.Path, "/") {
		name, ok := strings.CutPrefix(part, "{")
		name = strings.TrimSuffix(name, "}")
		if ok && !slices.ContainsFunc(operationOf(s.huma.OpenAPI().Paths[o.Path], o.Method).Parameters, func(p *huma.Param) bool { return p.In == "path" && p.Name == name }) {
			panic("the input of " + o.ID + " has no field for {" + name + "}")
		}
	}
}

// described gives an operation in the words of the OpenAPI document.
func (s *Server) described(o *operation) huma.Operation {
	d := huma.Operation{Method: o.Method, Path: o.Path, OperationID: o.ID, Summary: o.Summary, Description: o.Description,
		DefaultStatus: o.Status, MaxBodyBytes: o.MaxBody, RejectUnknownQueryParameters: !o.Lenient,
		Responses: map[string]*huma.Response{strconv.Itoa(o.Status): {Description: http.StatusText(o.Status), Content: o.Answer}}}
	if o.Tag != "" {
		d.Tags = []string{o.Tag}
	}
	if !o.Open {
		d.Security = []map[string][]string{{"key": {}}}
	}
	if o.Action != "" {
		// What of a key decides whether it may: see package access.
		d.Extensions = map[string]any{"x-action": string(o.Action), "x-merchants-own": o.Narrows}
	}
	if len(o.Roles) > 0 {
		d.Extensions["x-roles"] = o.Roles
	}
	if o.Method == http.MethodPost && !o.Open && !o.Natural {
		d.Parameters = []*huma.Param{{Name: idempotencyKey, In: "header", Schema: &huma.Schema{Type: "string", MaxLength: new(longestIdempotencyKey)},
			Description: "a name of the caller's for this request, such as a UUID: the request again has no second effect and gets the first answer, for 24 hours"}}
	}
	return d
}

// methods are those that operations have.
var methods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}

// invalid is what is wrong with one field of a request, such as query.limit or
// body.lines[2].amount. It never repeats the value.
func invalid(field string, why fault.Text) error { return &fieldFault{Field: field, Why: why} }

// unacceptable is the error for what invalid gave; nil where that is nothing.
func unacceptable(errs ...error) error {
	var f failure
	for _, err := range errs {
		if one, ok := err.(*fieldFault); ok {
			f.errors = append(f.errors, *one)
		}
	}
	if len(f.errors) == 0 {
		return nil
	}
	f.status, f.detail = http.StatusUnprocessableEntity, notValid
	return &f
}

// permit says whether the key may do an operation, and to what extent.
func (c *call) permit(o *operation) error {
	if len(o.Roles) > 0 && !slices.Contains(o.Roles, c.key.Role) {
		return notAllowed(o, c.key.Role)
	}
	if o.Action == "" {
		return nil
	}
	only, ok := c.key.Role.Allowed(o.Action).Narrow(c.key.MID)
	if c.key.MID != "" {
		only = c.key.MID // whatever its role reaches
	}
	if !ok || only != "" && !o.Narrows {
		return notAllowed(o, c.key.Role)
	}
	c.only = only
	return nil
}

func notAllowed(o *operation, role Role) error {
	hint := fault.Say("a key of role %s may not", "%s 角色的密钥无此权限", role)
	if rights[role].as == "" {
		hint = fault.Say("a key of role %s brings facts only", "%s 角色的密钥只能提交事实", role)
	}
	return fault.New(fault.NotAllowed, fault.Say("call", "调用"), o.ID, nil, hint)
}
