package access

import (
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"daozhang/internal/card"
	"daozhang/internal/fault"
)

// View is a list as somebody likes to see it: a name for the filters of its address.
type View struct {
	// ID stands in addresses (UUID version 7).
	ID uuid.UUID
	// Owner is the sign-in name of who made it, who alone changes it.
	Owner string
	// Page is the path of the list, Query its filters as in the address.
	Page, Query string
	Name        string
	// Shared lets everybody of the owner's role see it: of merchants those of the same
	// one. Role and MID are the owner's.
	Shared bool
	Role   Role
	MID    string
	Made   time.Time
}

const (
	longestViewName  = 40
	longestViewQuery = 2000
)

// MakeView makes a view of a list for somebody. The error is of kind fault.Invalid.
func MakeView(now time.Time, owner User, page, query, name string, shared bool) (View, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return View{}, err
	}
	v := View{ID: id, Owner: owner.Name, Role: owner.Role, MID: owner.MID, Page: page, Shared: shared, Made: now}
	if err := v.Rename(name); err != nil {
		return View{}, err
	}
	return v, v.Refilter(query)
}

// Rename gives the view another name. The error is of kind fault.Invalid.
func (v *View) Rename(name string) error {
	name = strings.TrimSpace(name)
	masked, found := card.MaskText(name)
	switch {
	case name == "" || utf8.RuneCountInString(name) > longestViewName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return viewFault(fault.Say("a name has 1 to %d characters", "名称为 1 到 %d 个字符", longestViewName))
	case found:
		return viewFault(fault.Say("a card number is no name: %s", "名称不能是卡号：%s", masked))
	}
	v.Name = name
	return nil
}

// passing are parameters of an address that are of one look and not of a view.
var passing = []string{"after", "view", "format", "only", "lang"}

// Refilter gives the view other filters, those of an address without what is of one
// look only. The error is of kind fault.Invalid.
func (v *View) Refilter(query string) error {
	q, err := url.ParseQuery(query)
	if err != nil {
		return viewFault(fault.Say("its filters cannot be read", "筛选条件无法读取"))
	}
	for _, name := range passing {
		q.Del(name)
	}
	for name, values := range q {
		q[name] = values[:0]
		for _, s := range values {
			if s == "" {
				continue
			}
			if _, found := card.MaskText(s); found {
				return viewFault(fault.Say("a filter holds a card number", "筛选条件中含有卡号"))
			}
			q[name] = append(q[name], s)
		}
		if len(q[name]) == 0 {
			delete(q, name)
		}
	}
	if v.Query = q.Encode(); len(v.Query) > longestViewQuery {
		return viewFault(fault.Say("it has too many filters", "筛选条件过多"))
	}
	return nil
}

// Sees reports whether somebody sees the view: its owner, and those it is shared with.
func (v *View) Sees(who *User) bool {
	return v.Owner == who.Name || v.Shared && v.Role == who.Role && v.MID == who.MID
}

func viewFault(why fault.Text) error {
	return fault.New(fault.Invalid, fault.Say("save view", "保存视图"), "", why, "")
}
