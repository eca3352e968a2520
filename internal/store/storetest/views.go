package storetest

import (
	"reflect"
	"testing"

	"github.com/google/uuid"

	"daozhang/internal/access"
	"daozhang/internal/store"
)

// views: a saved list is read back as it was written, is seen by its owner and by
// whom it is shared with, and is changed and forgotten by its owner's name alone.
func views(t *testing.T, address string) {
	s := open(t, address)
	ctx := t.Context()
	wang := access.User{Name: "wang", Role: access.Merchant, MID: MID}
	zhao := access.User{Name: "zhao", Role: access.Merchant, MID: MID}
	anna := access.User{Name: "anna", Role: access.Merchant, MID: "898310058120002"}
	lily := access.User{Name: "lily", Role: access.Institution}
	kept := func(who access.User, page string) []access.View {
		t.Helper()
		return must[[]access.View](t)(s.Views(ctx, page, &who))
	}
	own := must[access.View](t)(access.MakeView(Begin, wang, "/payments", "status=overdue", "乙", false))
	shared := must[access.View](t)(access.MakeView(Begin, wang, "/payments", "", "Alpha", true))
	for _, v := range []access.View{own, shared} {
		ok(t, s.PutView(ctx, v))
	}
	for _, c := range []struct {
		who  access.User
		page string
		want []access.View
	}{
		{wang, "/payments", []access.View{shared, own}}, {zhao, "/payments", []access.View{shared}}, {anna, "/payments", nil}, {lily, "/payments", nil}, {wang, "/payouts", nil},
	} {
		got := kept(c.who, c.page)
		if len(got) != len(c.want) {
			t.Errorf("%s sees %d views of %s, want %d", c.who.Name, len(got), c.page, len(c.want))
			continue
		}
		for i := range got {
			if !got[i].Made.Equal(c.want[i].Made) {
				t.Errorf("made %v, want %v", got[i].Made, c.want[i].Made)
			}
			if got[i].Made = c.want[i].Made; !reflect.DeepEqual(got[i], c.want[i]) {
				t.Errorf("read back\n%+v, written\n%+v", got[i], c.want[i])
			}
		}
	}
	shared.Shared, shared.Name = false, "Beta"
	ok(t, s.PutView(ctx, shared))
	if got := kept(zhao, "/payments"); len(got) != 0 {
		t.Errorf("what is not shared any more is still seen: %+v", got)
	}
	ok(t, s.RemoveView(ctx, "anna", own.ID)) // it is not hers
	ok(t, s.RemoveView(ctx, "wang", shared.ID))
	ok(t, s.RemoveView(ctx, "wang", uuid.New()))
	if got := kept(wang, "/payments"); len(got) != 1 || got[0].ID != own.ID {
		t.Errorf("%+v", got)
	}
	ok(t, s.Close())
	if s, err := store.Open(ctx, store.Options{Database: address, Node: "test"}); err != nil {
		t.Error(err)
	} else {
		got := must[[]access.View](t)(s.Views(ctx, "/payments", &wang))
		if len(got) != 1 || got[0].Name != "乙" {
			t.Errorf("after a restart %+v", got)
		}
		ok(t, s.Close())
	}
}
