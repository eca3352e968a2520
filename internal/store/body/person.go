package body

import (
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"daozhang/internal/access"
)

type userBody struct {
	Name           string   `json:"name"`
	Shown          string   `json:"shown"`
	Role           string   `json:"role"`
	MID            string   `json:"mid,omitempty"`
	Lang           string   `json:"lang,omitempty"`
	Version        uint32   `json:"version"`
	Standing       string   `json:"standing"`
	Password       string   `json:"password,omitempty"` // argon2id, PHC form
	PasswordSet    int64    `json:"password_set,omitempty"`
	Factor         []byte   `json:"factor,omitempty"` // sealed
	Step           int64    `json:"step,omitempty"`
	Recovery       []string `json:"recovery,omitempty"`   // hashes
	Invitation     string   `json:"invitation,omitempty"` // hash
	InvitationEnds int64    `json:"invitation_ends,omitempty"`
	Failures       int      `json:"failures,omitempty"`
	LockedUntil    int64    `json:"locked_until,omitempty"`
	Epoch          uint32   `json:"epoch"`
	Made           int64    `json:"made"`
	Seen           int64    `json:"seen,omitempty"`
}

// EncodeUser gives the body of a person who can sign in.
func EncodeUser(u *access.User) ([]byte, error) {
	return json.Marshal(&userBody{u.Name, u.Shown, string(u.Role), u.MID, u.Lang, u.Version, string(u.Standing), u.Password, Nanos(u.PasswordSet), u.Factor, u.Step,
		u.Recovery, u.Invitation, Nanos(u.InvitationEnds), u.Failures, Nanos(u.LockedUntil), u.Epoch, Nanos(u.Made), Nanos(u.Seen)})
}

// DecodeUser is the reverse of EncodeUser. A role or a standing that is not known
// is refused: who may do what would be a guess.
func DecodeUser(raw []byte) (access.User, error) {
	var b userBody
	if err := json.Unmarshal(raw, &b); err != nil {
		return access.User{}, err
	}
	role, known := access.ParseRole(b.Role)
	standing := access.Standing(b.Standing)
	switch standing {
	case access.Invited, access.Active, access.Disabled:
	default:
		known = false
	}
	if !known {
		return access.User{}, fmt.Errorf("user %s: role %q, standing %q", b.Name, b.Role, b.Standing)
	}
	return access.User{Name: b.Name, Shown: b.Shown, Role: role, MID: b.MID, Lang: b.Lang, Version: b.Version, Standing: standing, Password: b.Password,
		PasswordSet: moment(b.PasswordSet), Factor: b.Factor, Step: b.Step, Recovery: b.Recovery, Invitation: b.Invitation, InvitationEnds: moment(b.InvitationEnds),
		Failures: b.Failures, LockedUntil: moment(b.LockedUntil), Epoch: b.Epoch, Made: moment(b.Made), Seen: moment(b.Seen)}, nil
}

type auditBody struct {
	ID      uuid.UUID `json:"id"`
	At      int64     `json:"at"`
	Who     string    `json:"who"`
	Role    string    `json:"role,omitempty"`
	Request string    `json:"request,omitempty"`
	From    string    `json:"from,omitempty"`
	What    string    `json:"what"`
	Subject string    `json:"subject"`
	Version uint32    `json:"version,omitempty"`
	MID     string    `json:"mid,omitempty"`
	Before  string    `json:"before,omitempty"`
	After   string    `json:"after,omitempty"`
	Detail  string    `json:"detail,omitempty"`
}

// EncodeAudit gives the body of a line of the audit log.
func EncodeAudit(e *access.Event) ([]byte, error) {
	return json.Marshal(&auditBody{e.ID, Nanos(e.At), e.Name, string(e.Role), e.Request, e.From, e.What, e.Subject, e.Version, e.MID, e.Before, e.After, e.Detail})
}

// DecodeAudit is the reverse of EncodeAudit.
func DecodeAudit(raw []byte) (access.Event, error) {
	var b auditBody
	err := json.Unmarshal(raw, &b)
	by := access.Actor{Name: b.Who, Role: access.Role(b.Role), Origin: access.Origin{Request: b.Request, From: b.From}}
	return access.Event{ID: b.ID, At: moment(b.At), Actor: by, What: b.What, Subject: b.Subject, Version: b.Version, MID: b.MID, Before: b.Before, After: b.After,
		Detail: b.Detail}, err
}
