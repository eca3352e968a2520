package store

import (
	"strconv"

	"daozhang/internal/store/body"
)

// people examines who may come in: each person's row is the work of as many
// recorded events as its version says, one for each.
func (e *examination) people() error {
	seen := map[string]uint32{} // by subject, the versions recorded without a gap
	events, err := collect(e.ctx, e.query, body.DecodeAudit, "SELECT body FROM audit WHERE subject >= 'user/' AND subject < 'user0' ORDER BY subject, id")
	if err != nil {
		return err
	}
	byVersion := map[string]map[uint32]bool{}
	for i := range events {
		x := &events[i]
		if x.Version == 0 {
			continue
		}
		if byVersion[x.Subject] == nil {
			byVersion[x.Subject] = map[uint32]bool{}
		}
		if byVersion[x.Subject][x.Version] {
			e.r.find("people", x.Subject, "version "+strconv.Itoa(int(x.Version))+" is in the audit log twice")
		}
		byVersion[x.Subject][x.Version] = true
		for byVersion[x.Subject][seen[x.Subject]+1] {
			seen[x.Subject]++
		}
	}
	users, err := collect(e.ctx, e.query, body.DecodeUser, "SELECT body FROM person ORDER BY name")
	if err != nil {
		e.r.find("people", "person", err.Error())
		return nil
	}
	for i := range users {
		u := &users[i]
		subject := "user/" + u.Name
		if n := seen[subject]; n != u.Version || len(byVersion[subject]) != int(u.Version) {
			e.r.find("people", subject, "the row has version "+strconv.Itoa(int(u.Version))+", and the audit log knows of "+strconv.Itoa(len(byVersion[subject]))+" changes")
		}
		delete(byVersion, subject)
	}
	for subject := range byVersion {
		e.r.find("people", subject, "the audit log knows a person who is not there")
	}
	return nil
}
