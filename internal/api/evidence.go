package api

import (
	"net/http"
	"strings"

	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/payment"
)

// received is the answer to facts that were brought.
type received struct {
	Added    int `json:"added"`
	Repeated int `json:"repeated"`
	// Contradicts lists facts that were there with other content. Both versions are
	// kept; the contract says which stands.
	Contradicts []string `json:"contradicts,omitempty"`
	// Rejected lists what was not taken; the rest was.
	Rejected []fieldError `json:"rejected,omitempty"`
}

// mediaTypes that a body of facts may have; the form is told by its content.
var mediaTypes = []string{"application/cloudevents+json", "application/cloudevents-batch+json", "application/x-ndjson", "application/ndjson",
	"application/jsonl", "application/json", "text/plain"}

// postEvidence takes facts. It is idempotent by their own identity: the same
// facts again change nothing.
func (s *Server) postEvidence(c *call) error {
	if t, _, _ := strings.Cut(c.Header.Get("Content-Type"), ";"); t != "" && !contains(mediaTypes, strings.TrimSpace(strings.ToLower(t))) {
		return &problem{Status: http.StatusUnsupportedMediaType, Detail: "facts come as JSON", Hint: "use " + strings.Join(mediaTypes[:3], ", ")}
	}
	if len(c.key.Sources) == 0 {
		return fault.New(fault.NotAllowed, "bring", "evidence", nil, "the key speaks for no source")
	}
	set := evidence.NewSet()
	var out received
	err := evidence.ReadNDJSON(c.Body, set.Writer(set.AddFile("body")), func(line int, why fault.Text) {
		out.Rejected = append(out.Rejected, fieldError{Line: line, Why: why.In(language(c.Request))})
	})
	if err != nil {
		return err
	}
	if set.Len() > s.o.MaxEvents {
		return &problem{Status: http.StatusRequestEntityTooLarge, Detail: "too many facts in one request", Hint: "send them in several requests"}
	}
	var facts []payment.Evidence
	forbidden := 0
	for ref, f := range set.All {
		if why := c.key.may(set, ref); why != "" {
			forbidden++
			out.Rejected = append(out.Rejected, fieldError{Evidence: set.Name(ref), Why: why})
			continue
		}
		// The fact as it was understood, not as it was sent: card numbers in free
		// text are masked by now.
		facts = append(facts, payment.Evidence{Source: set.Words.Text(f.Source), ID: set.Words.Text(f.ID), Type: f.Type,
			Time: f.Time.In(s.o.Now().Location()), MID: set.Text(ref, evidence.MID), Line: set.AppendJSON(nil, ref)})
	}
	switch {
	case len(facts) == 0 && len(out.Rejected) == 0:
		return &problem{Status: http.StatusUnprocessableEntity, Detail: "the body holds no facts", Hint: "one CloudEvent, an array of them, or one per line"}
	case len(facts) == 0 && forbidden == len(out.Rejected):
		return &problem{Status: http.StatusForbidden, Detail: "the key may bring none of these facts", Errors: out.Rejected}
	case len(facts) == 0:
		return &problem{Status: http.StatusUnprocessableEntity, Detail: "no fact could be taken", Errors: out.Rejected}
	}
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

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
