package store

import (
	"context"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/fault"
	"daozhang/internal/store/body"
)

// auditTable is only ever inserted into.
var auditTable = &table{name: "audit", columns: columns("id:b at:n who what subject mid body"), key: 1}

var (
	_ access.Log         = (*Store)(nil)
	_ access.AuditReader = (*Store)(nil)
)

// audit adds an event to what a step writes, so that what was changed and who did
// it are on record together or not at all.
func (p *prepared) audit(e access.Event) error {
	for _, s := range []string{e.Name, e.What, e.Subject, e.MID, e.Before, e.After, e.Detail} {
		if !utf8.ValidString(s) || strings.ContainsRune(s, 0) {
			return invalid(e.Subject, "the audit log holds text")
		}
	}
	switch {
	case e.Name == "" || e.What == "" || e.Subject == "":
		return invalid(e.Subject, "the audit log needs who, what and to what")
	case e.At.IsZero():
		return invalid(e.Subject, "the audit log needs a time")
	case e.ID == uuid.Nil:
		var err error
		if e.ID, err = uuid.NewV7(); err != nil {
			return fault.New(fault.Internal, "write audit log", e.Subject, err, "")
		}
	}
	raw, err := body.EncodeAudit(&e)
	if err != nil {
		return invalid(e.Subject, err.Error())
	}
	p.put(auditTable, insert, row{idBytes(e.ID), micros(e.At), e.Name, e.What, e.Subject, e.MID, string(raw)})
	return nil
}

// Record adds an event to the audit log; see access.Log. An event that lacks who,
// what, to what or when is fault.Invalid.
func (s *Store) Record(ctx context.Context, e access.Event) error {
	var p prepared
	if err := p.audit(e); err != nil {
		return err
	}
	return s.submit(ctx, &p)
}

// mostAudited bounds a page of the audit log.
const mostAudited = 1000

// Audit reads the audit log; see access.AuditReader. A limit outside 1 to 1000 is
// taken for the nearest of the two.
func (s *Store) Audit(ctx context.Context, f access.AuditFilter, before uuid.UUID, limit int) ([]access.Event, error) {
	q := condition{}
	if before != uuid.Nil {
		q.and("id < ", before[:])
	}
	for _, c := range []struct{ column, value string }{{"who", f.Who}, {"what", f.What}, {"mid", f.MID}} {
		if c.value != "" {
			q.and(c.column+" = ", c.value)
		}
	}
	switch {
	case strings.HasSuffix(f.Subject, "/"): // '0' follows the slash
		q.and("subject >= ", f.Subject)
		q.and("subject < ", strings.TrimSuffix(f.Subject, "/")+"0")
	case f.Subject != "":
		q.and("subject = ", f.Subject)
	}
	if !f.Since.IsZero() {
		q.and("at >= ", f.Since.UnixMicro())
	}
	if !f.Until.IsZero() {
		q.and("at < ", f.Until.UnixMicro())
	}
	all, err := collect(ctx, s.read.QueryContext, body.DecodeAudit, "SELECT body FROM audit"+q.where()+" ORDER BY id DESC LIMIT "+strconv.Itoa(min(max(limit, 1), mostAudited)), q.args...)
	return all, s.failed("read audit log from", err)
}

// condition joins comparisons of columns with parameters.
type condition struct {
	parts []string
	args  []any
}

func (c *condition) and(comparison string, value any) {
	c.args = append(c.args, value)
	c.parts = append(c.parts, comparison+"$"+strconv.Itoa(len(c.args)))
}

func (c *condition) where() string {
	if len(c.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.parts, " AND ")
}
