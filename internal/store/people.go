package store

import (
	"context"
	"encoding/json"
	"strconv"

	"daozhang/internal/access"
	"daozhang/internal/fault"
	"daozhang/internal/store/body"
)

var (
	personTable  = &table{name: "person", columns: columns("name version:n role mid standing body"), key: 1}
	sessionTable = &table{name: "person_session", columns: columns("token expires:n data:b"), key: 1}
)

// expired takes out the sessions that were over at a moment.
var expired = &table{name: "person_session", columns: columns("expires:n"), key: 1, part: true, statement: "DELETE FROM person_session WHERE expires <= $1"}

// peopleTables follow those of the registers in the order of writing.
var peopleTables = []*table{personTable, sessionTable, expired, auditTable}

// User gives a person by the sign-in name. fault.NotFound where there is none.
func (s *Store) User(ctx context.Context, name string) (access.User, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeUser, "SELECT body FROM person WHERE name = $1", name)
	if err == nil && len(all) == 0 {
		return access.User{}, fault.New(fault.NotFound, fault.Say("find user", "查找用户"), name, fault.Say("there is none of that name", "没有这个用户"), "")
	}
	return first(s, "read user", name, all, err)
}

// Users gives up to limit of the people that pass a filter, by name, after one of
// them: the last name of a page is the cursor of the next, "" begins.
func (s *Store) Users(ctx context.Context, f access.UserFilter, after string, limit int) ([]access.User, error) {
	q := condition{}
	q.and("name > ", after)
	for _, c := range []struct{ column, value string }{{"role", string(f.Role)}, {"mid", f.MID}, {"standing", string(f.Standing)}} {
		if c.value != "" {
			q.and(c.column+" = ", c.value)
		}
	}
	all, err := collect(ctx, s.read.QueryContext, body.DecodeUser, "SELECT body FROM person"+q.where()+" ORDER BY name LIMIT "+strconv.Itoa(min(max(limit, 1), mostAudited)), q.args...)
	return all, s.failed("read users from", err)
}

// CommitUser writes a person's row together with the event of the audit log, as
// access made both. The error is of kind fault.Conflict where the row has another
// version by now, or, for a new person, where the name is taken.
func (s *Store) CommitUser(ctx context.Context, c *access.Change) error {
	u := &c.User
	raw, err := body.EncodeUser(u)
	if err != nil {
		return invalid(u.Name, err.Error())
	}
	if u.Name == "" || u.Version == 0 || c.Event.Version != u.Version || c.Event.Subject != "user/"+u.Name {
		return invalid(u.Name, "a person has a name, versions count from 1, and the event is about this one")
	}
	// Two wrong passwords at once make the same row: the second is no repetition of
	// the first, so it is never taken for kept already.
	p := &prepared{subject: "user " + u.Name, at: micros(c.Event.At), decided: true, once: true}
	p.putVersion(personTable, u.Version, row{u.Name, int64(u.Version), string(u.Role), u.MID, string(u.Standing), string(raw)})
	if err := p.audit(c.Event); err != nil {
		return err
	}
	err = s.submit(ctx, p)
	if fault.KindOf(err) != fault.Conflict {
		return err
	}
	op := fault.Say("write user", "保存用户")
	if u.Version == 1 {
		return fault.New(fault.Conflict, op, u.Name, fault.Say("the name is taken", "用户名已被使用"), fault.Say("choose another name", "请换一个用户名"))
	}
	return fault.New(fault.Conflict, op, u.Name, fault.Say("the user was changed meanwhile", "该用户刚刚被修改"), fault.Say("look at it again and decide anew", "请重新查看后再操作"))
}

// MerchantName gives the name of a registered merchant. fault.NotFound where there
// is none.
func (s *Store) MerchantName(ctx context.Context, mid string) (string, error) {
	all, err := collect(ctx, s.read.QueryContext, func(raw []byte) (m Merchant, err error) { return m, json.Unmarshal(raw, &m) }, "SELECT body FROM merchant WHERE mid = $1", mid)
	if err == nil && len(all) == 0 {
		return "", fault.New(fault.NotFound, fault.Say("find merchant", "查找商户"), mid, fault.Say("no merchant of that number is registered", "没有登记这个商户号"), "")
	}
	m, err := first(s, "read merchant", mid, all, err)
	return m.Name, err
}
