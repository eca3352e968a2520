package api

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/payment"
)

// Received is the answer to facts that were brought.
type Received struct {
	Added    int `json:"added" doc:"new facts"`
	Repeated int `json:"repeated" doc:"facts that were there already"`
	// Contradicts lists facts that were there with other content. Both versions are
	// kept; the contract says which stands.
	Contradicts []string `json:"contradicts,omitempty" doc:"source#id of facts that were there with other content"`
	// Rejected lists what was not taken; the rest was.
	Rejected []FieldError `json:"rejected,omitempty" doc:"what was not taken; the rest was"`
}

// mediaTypes that a body of facts may have; the form is told by its content.
var mediaTypes = []string{"application/cloudevents+json", "application/cloudevents-batch+json", "application/x-ndjson", "application/ndjson",
	"application/jsonl", "application/json", "text/plain"}

// CloudEvent describes a fact for the document; what is in data is the contract's.
type CloudEvent struct {
	SpecVersion  string         `json:"specversion" enum:"1.0"`
	ID           string         `json:"id" doc:"with source the identity of the fact"`
	Source       string         `json:"source" doc:"the witness"`
	Type         string         `json:"type" doc:"daozhang. and a type of the contract"`
	Time         time.Time      `json:"time" doc:"when it happened"`
	RecordedTime time.Time      `json:"recordedtime,omitempty" doc:"when the witness learnt of it"`
	Data         map[string]any `json:"data" doc:"the fields of the type; a card number masked to its first six and last four digits (ISO 8583 field 2)"`
}

func (s *Server) evidenceOperations() {
	one := s.schemas.Schema(reflect.TypeFor[CloudEvent](), true, "CloudEvent")
	stream(s, operation{Method: "POST", Path: "/v1/evidence", ID: "postEvidence", Tag: "evidence", Summary: "Bring facts: one CloudEvent, an array, or NDJSON.",
		Description: "Idempotent by the facts' own identity (source and id). What a key may bring follows from its role and its sources.",
		Natural:     true, Lenient: true,
		Body: &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
			"application/cloudevents+json":       {Schema: one},
			"application/cloudevents-batch+json": {Schema: &huma.Schema{Type: "array", Items: one}},
			"application/x-ndjson":               {Schema: &huma.Schema{Type: "string", Description: "one CloudEvent per line"}}}},
		Answer: s.jsonOf(Received{}),
	}, s.postEvidence)
}

// postEvidence takes facts. It is idempotent by their own identity: the same
// facts again change nothing.
func (s *Server) postEvidence(c *call, _ *nothing) error {
	if t, _, _ := strings.Cut(c.Header.Get("Content-Type"), ";"); t != "" && !slices.Contains(mediaTypes, strings.TrimSpace(strings.ToLower(t))) {
		return &failure{status: http.StatusUnsupportedMediaType, detail: fault.Say("facts come as JSON", "事实以 JSON 提交"),
			hint: fault.Say("use %s", "请使用 %s", strings.Join(mediaTypes[:3], ", "))}
	}
	if len(c.key.Sources) == 0 {
		return fault.New(fault.NotAllowed, fault.Say("bring", "提交"), "evidence", nil, fault.Say("the key speaks for no source", "密钥不代表任何来源"))
	}
	set := evidence.NewSet()
	var out Received
	var rejected []fieldFault
	err := evidence.ReadNDJSON(c.Body, set.Writer(set.AddFile("body")), func(line int, why fault.Text) {
		rejected = append(rejected, fieldFault{Line: line, Why: why})
	})
	if err != nil {
		return err
	}
	if set.Len() > s.o.MaxEvents {
		return &failure{status: http.StatusRequestEntityTooLarge, detail: fault.Say("too many facts in one request", "一次提交的事实过多"),
			hint: fault.Say("send them in several requests", "请分多次提交")}
	}
	var facts []payment.Evidence
	forbidden := 0
	for ref, f := range set.All {
		if why := c.key.may(set, ref); !why.None() {
			forbidden++
			rejected = append(rejected, fieldFault{Evidence: set.Name(ref), Why: why})
			continue
		}
		// The fact as it was understood, not as it was sent: card numbers in free
		// text are masked by now.
		facts = append(facts, payment.Evidence{Source: set.Words.Text(f.Source), ID: set.Words.Text(f.ID), Type: f.Type,
			Time: f.Time.In(s.o.Now().Location()), MID: set.Text(ref, evidence.MID), Line: set.AppendJSON(nil, ref)})
	}
	if len(facts) == 0 {
		return nothingTaken(rejected, forbidden)
	}
	out.Rejected = fieldErrors(rejected, c.lang)
	outcomes, err := s.o.Keeper.Append(c.Context(), facts)
	if err != nil {
		return err
	}
	for i, o := range outcomes {
		switch o {
		case Added:
			out.Added++
		case Repeated:
			out.Repeated++
		case Contradicts:
			out.Contradicts = append(out.Contradicts, facts[i].Source+"#"+facts[i].ID)
		}
	}
	return c.json(http.StatusOK, out)
}

// nothingTaken says why no fact of a body was taken.
func nothingTaken(rejected []fieldFault, forbidden int) error {
	switch {
	case len(rejected) == 0:
		return &failure{status: http.StatusUnprocessableEntity, detail: fault.Say("the body holds no facts", "请求体中没有事实"),
			hint: fault.Say("one CloudEvent, an array of them, or one per line", "应为一个 CloudEvent、其数组，或每行一个")}
	case forbidden == len(rejected):
		return &failure{status: http.StatusForbidden, detail: fault.Say("the key may bring none of these facts", "密钥无权提交其中任何一条事实"), errors: rejected}
	}
	return &failure{status: http.StatusUnprocessableEntity, detail: fault.Say("no fact could be taken", "没有可接受的事实"), errors: rejected}
}
