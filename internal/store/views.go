package store

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/fault"
)

var viewTable = &table{name: "saved_view", columns: columns("owner id:b page shared:n role mid body"), key: 2}

// viewTables are those of saved lists.
var viewTables = []*table{viewTable}

// savedView is what a row holds of a view.
type savedView struct {
	ID     uuid.UUID   `json:"id"`
	Owner  string      `json:"owner"`
	Page   string      `json:"page"`
	Query  string      `json:"query"`
	Name   string      `json:"name"`
	Shared bool        `json:"shared,omitempty"`
	Role   access.Role `json:"role"`
	MID    string      `json:"mid,omitempty"`
	Made   time.Time   `json:"made"`
}

// Views gives the views of one page that somebody sees, by name.
func (s *Store) Views(ctx context.Context, page string, who *access.User) ([]access.View, error) {
	decode := func(raw []byte) (v savedView, err error) { return v, json.Unmarshal(raw, &v) }
	rows, err := collect(ctx, s.read.QueryContext, decode, "SELECT body FROM saved_view WHERE page = $1 AND (owner = $2 OR shared = 1 AND role = $3 AND mid = $4)",
		page, who.Name, string(who.Role), who.MID)
	if err != nil {
		return nil, s.failed("read views from", err)
	}
	all := make([]access.View, len(rows))
	for i, v := range rows {
		all[i] = access.View(v)
	}
	slices.SortFunc(all, func(a, b access.View) int {
		if n := strings.Compare(a.Name, b.Name); n != 0 {
			return n
		}
		return strings.Compare(a.ID.String(), b.ID.String())
	})
	return all, nil
}

// PutView keeps a view under its owner and id, in the place of the one that is
// there.
func (s *Store) PutView(ctx context.Context, v access.View) error {
	if v.Owner == "" || v.ID == uuid.Nil || v.Page == "" {
		return fault.New(fault.Invalid, fault.Say("save view", "保存视图"), v.Name, fault.Say("a view has an owner, an id and a page", "视图须有所有者、编号和页面"), "")
	}
	shared := int64(0)
	if v.Shared {
		shared = 1
	}
	return s.putJSON(ctx, viewTable, savedView(v), v.Owner, v.ID[:], v.Page, shared, string(v.Role), v.MID)
}

// RemoveView forgets a view of an owner; removing none is no error.
func (s *Store) RemoveView(ctx context.Context, owner string, id uuid.UUID) error {
	return s.put(ctx, viewTable, remove, row{owner, id[:]})
}
