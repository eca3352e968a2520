package api

import (
	"time"

	"github.com/google/uuid"

	"daozhang/internal/access"
)

// AuditEvent is one line of the audit log: who did what to what, when and from
// where.
type AuditEvent struct {
	ID      string    `json:"id" format:"uuid"`
	At      time.Time `json:"at"`
	Who     string    `json:"who" doc:"a sign-in name, or key/ and the id of an API key, or host/ and an account of the machine"`
	Role    string    `json:"role,omitempty"`
	What    string    `json:"what" doc:"a past participle, such as invited"`
	Subject string    `json:"subject" doc:"a kind, a slash and an id"`
	MID     string    `json:"mid,omitempty" doc:"merchant that it is about (ISO 8583 field 42)"`
	Before  string    `json:"before,omitempty"`
	After   string    `json:"after,omitempty"`
	Detail  string    `json:"detail,omitempty" doc:"the reason that was given"`
	Request string    `json:"request,omitempty" doc:"id of the request"`
	From    string    `json:"from,omitempty" doc:"address"`
}

// AuditList is a page of the audit log.
type AuditList struct {
	Items      []AuditEvent `json:"items"`
	NextCursor string       `json:"next_cursor,omitempty" doc:"cursor of the next page; absent on the last"`
}

func (s *Server) auditOperations() {
	register(s, operation{Method: "GET", Path: "/v1/audit", ID: "listAudit", Tag: "audit", Summary: "What anybody changed, the newest first.",
		Action: access.ReadAudit, Absent: s.o.Developers == nil}, s.listAudit)
}

type auditAsked struct {
	Who     string    `query:"who" maxLength:"100"`
	What    string    `query:"what" maxLength:"60"`
	Subject string    `query:"subject" maxLength:"200" doc:"a kind, a slash and an id, or the kind and the slash for all of it"`
	MID     string    `query:"mid" maxLength:"64" doc:"merchant (ISO 8583 field 42)"`
	Since   time.Time `query:"since" doc:"the first moment that counts"`
	Until   time.Time `query:"until" doc:"the first moment that does not any more"`
	Cursor  string    `query:"cursor" maxLength:"200" doc:"next_cursor of the page before"`
	Limit   int       `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

func (s *Server) listAudit(c *call, in *auditAsked) (*AuditList, error) {
	before, err := markOf[uuid.UUID](in.Cursor)
	if err != nil {
		return nil, unacceptable(err)
	}
	f := access.AuditFilter{Who: in.Who, What: in.What, Subject: in.Subject, MID: in.MID, Since: in.Since, Until: in.Until}
	list, err := s.o.Developers.Audit.Audit(c.Context(), f, before, in.Limit+1)
	if err != nil {
		return nil, err
	}
	out := &AuditList{Items: []AuditEvent{}}
	if len(list) > in.Limit {
		list = list[:in.Limit]
		out.NextCursor = cursorOf(list[in.Limit-1].ID)
	}
	for i := range list {
		e := &list[i]
		out.Items = append(out.Items, AuditEvent{e.ID.String(), e.At.UTC(), e.Name, string(e.Role), e.What, e.Subject, e.MID, e.Before, e.After, e.Detail, e.Request, e.From})
	}
	return out, nil
}
