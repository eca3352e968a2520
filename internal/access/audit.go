package access

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Origin is how a command came: for the audit log.
type Origin struct {
	// Request is the id of the HTTP request, From the address it was sent from; ""
	// for what was typed on the machine itself.
	Request, From string
}

// Actor is who does something, as the audit log names it.
type Actor struct {
	// Name is a person's sign-in name; "key/" and its id for an API key; "host/" and
	// the account for whoever types a command on the machine itself.
	Name string
	// Role is that of the person or the key; "" on the machine itself.
	Role Role
	Origin
}

// System acts where nobody asked for it, such as at the first start.
var System = Actor{Name: "system"}

// Did begins an event. Subjects are a kind, a slash and an id: "user/wangfang",
// "case/3f2a", "webhook/7"; what is a past participle in small letters with
// underscores: "invited", "written_off".
func (a Actor) Did(at time.Time, what, subject string) Event {
	return Event{At: at, Actor: a, What: what, Subject: subject}
}

// Event is one line of the audit log: who did what to what, when, and from where.
// No secret stands in it and no card data.
type Event struct {
	// ID orders events as they were written (UUID version 7). The log gives one where
	// it is zero.
	ID uuid.UUID
	At time.Time
	Actor
	What    string
	Subject string
	// Version is the one that the subject's row has after it; 0 for what has none.
	Version uint32
	// MID is the merchant that it is about; "" where it is about none or all.
	MID string
	// Before and After are what was changed, as people or as JSON would write it.
	Before, After string
	// Detail is a remark: the reason that was given.
	Detail string
}

// Log is the audit log. It is only ever added to: nothing in it is changed or taken
// out.
type Log interface {
	// Record keeps an event durably before it returns. What changed something is
	// recorded by whoever changed it, in the same commit where the change is a row of
	// the same database, else by Record right after it.
	Record(ctx context.Context, e Event) error
}

// AuditFilter narrows what is read of the audit log; the zero value is all of it.
type AuditFilter struct {
	// Who, What and MID are exact; "" stands for every one.
	Who, What, MID string
	// Subject is exact, or, where it ends in a slash, all that begin with it.
	Subject string
	// Since is the first moment that counts, Until the first that does not any more;
	// zero for none.
	Since, Until time.Time
}

// AuditReader reads the audit log.
type AuditReader interface {
	// Audit gives up to limit events, the newest first, written before the one of an
	// id; uuid.Nil begins with the newest. The id of the last is the cursor of the
	// next page: what is added meanwhile moves no page.
	Audit(ctx context.Context, f AuditFilter, before uuid.UUID, limit int) ([]Event, error)
}

// AuditLog is both sides of it.
type AuditLog interface {
	Log
	AuditReader
}
