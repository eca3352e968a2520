package console

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/card"
	"daozhang/internal/fault"
)

// Views is the record of the lists that people have saved: what the console needs of
// the store.
type Views interface {
	// Views gives those of one page that somebody sees, by name.
	Views(ctx context.Context, page string, who *access.User) ([]access.View, error)
	// PutView keeps a view, in the place of one with its id that has the same owner;
	// fault.NotFound where another owns it.
	PutView(ctx context.Context, v access.View) error
	// RemoveView forgets a view of an owner; fault.NotFound where there is none.
	RemoveView(ctx context.Context, owner string, id uuid.UUID) error
}

// viewTyped is what somebody has typed about a view; Wrong is why it cannot be saved.
type viewTyped struct {
	Page, Query, ID, Name string
	Shared                bool
	Wrong                 string
}

// mostViews is how many views one person keeps of a list.
const mostViews = 30

// listsWithViews are the pages whose filters can be saved.
var listsWithViews = []string{"/payments", "/payouts"}

// savedViews are the views of one list as a page shows them.
type savedViews struct {
	Page string
	All  []access.View
	Now  *access.View // the one that is looked at
	On   bool         // whether they can be kept here
	Own  string       // the reader, as an owner
}

// user is the reader as package access knows people; on the loopback of a
// demonstration one without a sign-in name.
func (v *visit) user() access.User {
	name := v.who.Login
	if name == "" {
		name = v.who.Name
	}
	return access.User{Name: name, Role: v.who.Role, MID: v.who.MID}
}

// viewsOf reads the views that the reader sees of a list.
func (c *Console) viewsOf(v *visit, page string) (s savedViews, err error) {
	if c.o.Views == nil || v.who.Role == access.Public {
		return s, nil
	}
	who := v.user()
	s = savedViews{Page: page, On: true, Own: who.Name}
	if s.All, err = c.o.Views.Views(v.Context(), page, &who); err != nil {
		return s, err
	}
	if id := v.URL.Query().Get("view"); id != "" {
		if i := slices.IndexFunc(s.All, func(w access.View) bool { return w.ID.String() == id }); i >= 0 {
			s.Now = &s.All[i]
		}
	}
	return s, nil
}

// saveView keeps the list that is looked at under a name, or changes one.
func (c *Console) saveView(v *visit) error {
	if c.o.Views == nil {
		return errNoPage
	}
	v.Body = http.MaxBytesReader(v.w, v.Body, 16<<10)
	page := v.PostFormValue("page")
	if !slices.Contains(listsWithViews, page) {
		return errNoPage
	}
	view, err := c.viewToSave(v, page)
	if fault.KindOf(err) == fault.Invalid {
		w := viewTyped{Page: page, ID: v.PostFormValue("id"), Shared: v.PostFormValue("shared") == "1"}
		w.Wrong, _ = messageOf(err, v.lang)
		w.Name, _ = card.MaskText(v.PostFormValue("name"))
		w.Query, _ = card.MaskText(v.PostFormValue("query"))
		return v.render(http.StatusBadRequest, viewAgain(v, &w))
	}
	if err != nil {
		return err
	}
	if v.PostFormValue("do") == "delete" {
		if err := c.o.Views.RemoveView(v.Context(), view.Owner, view.ID); err != nil {
			return err
		}
		http.Redirect(v.w, v.Request, page, http.StatusSeeOther)
		return nil
	}
	if err := c.o.Views.PutView(v.Context(), view); err != nil {
		return err
	}
	http.Redirect(v.w, v.Request, viewAddress(&view), http.StatusSeeOther)
	return nil
}

// viewToSave makes the view that a form asks for: a new one, or one of the reader's
// own with what the form changes.
func (c *Console) viewToSave(v *visit, page string) (access.View, error) {
	who := v.user()
	all, err := c.o.Views.Views(v.Context(), page, &who)
	if err != nil {
		return access.View{}, err
	}
	id := v.PostFormValue("id")
	if id == "" {
		own := 0
		for i := range all {
			if all[i].Owner == who.Name {
				own++
			}
		}
		if own >= mostViews {
			return access.View{}, fault.New(fault.Invalid, fault.Say("save view", "保存视图"), "", fault.Say("you have %d views of this list; delete one first", "此列表已有 %d 个视图，请先删除一个", own), "")
		}
		return access.MakeView(c.o.Now(), who, page, v.PostFormValue("query"), v.PostFormValue("name"), v.PostFormValue("shared") == "1")
	}
	i := slices.IndexFunc(all, func(w access.View) bool { return w.ID.String() == id && w.Owner == who.Name })
	if i < 0 {
		return access.View{}, fault.New(fault.NotFound, fault.Say("find view", "查找视图"), "", nil, fault.Say("only who made a view changes it", "只有创建者可以修改视图"))
	}
	view := all[i]
	if v.PostFormValue("do") == "delete" {
		return view, nil
	}
	view.Shared = v.PostFormValue("shared") == "1"
	if err := view.Rename(v.PostFormValue("name")); err != nil {
		return view, err
	}
	return view, view.Refilter(v.PostFormValue("query"))
}

// viewAddress is the list as a view shows it.
func viewAddress(w *access.View) string {
	q, _ := url.ParseQuery(w.Query) // it was made by Encode
	q.Set("view", w.ID.String())
	return w.Page + "?" + q.Encode()
}

func viewLink(w *access.View) templ.SafeURL { return templ.SafeURL(viewAddress(w)) }

// sameFilters reports whether an address narrows as a query does, and is no view.
func sameFilters(q url.Values, query string) bool {
	have := url.Values{}
	for k, values := range q {
		if k == "view" {
			return false
		}
		if k != "after" && strings.Join(values, "") != "" {
			have[k] = values
		}
	}
	return have.Encode() == query
}

// filtersOf is what a view of the address would keep.
func filtersOf(q url.Values) string { return q.Encode() }
