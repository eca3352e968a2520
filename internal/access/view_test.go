package access

import (
	"strings"
	"testing"
	"time"

	"daozhang/internal/fault"
)

func TestView(t *testing.T) {
	wang := User{Name: "wang", Role: Merchant, MID: "898310058120001"}
	now := time.Date(2026, 3, 9, 10, 0, 0, 0, time.UTC)
	v, err := MakeView(now, wang, "/payments", "status=overdue&after=abc&merchant=&lang=zh&cause=a&cause=b", " 逾期 ", true)
	if err != nil || v.Name != "逾期" || v.Query != "cause=a&cause=b&status=overdue" || v.Owner != "wang" || v.Made != now || v.ID.Version() != 7 {
		t.Errorf("%v %+v", err, v)
	}
	for _, c := range []struct {
		who  User
		sees bool
	}{
		{wang, true}, {User{Name: "zhao", Role: Merchant, MID: "898310058120001"}, true}, {User{Name: "anna", Role: Merchant, MID: "898310058120002"}, false},
		{User{Name: "li", Role: Institution}, false},
	} {
		if got := v.Sees(&c.who); got != c.sees {
			t.Errorf("%+v sees it: %v", c.who, got)
		}
	}
	v.Shared = false
	if v.Sees(&User{Name: "zhao", Role: Merchant, MID: "898310058120001"}) || !v.Sees(&wang) {
		t.Error("a view of one's own is for others, or not for oneself")
	}
	for _, c := range []struct{ name, query string }{
		{"", ""}, {"  ", ""}, {strings.Repeat("名", 41), ""}, {"a\nb", ""}, {"4111111111111111", ""}, {"fine", "rrn=4111111111111111"}, {"fine", "a=%zz"}, {"fine", "a=" + strings.Repeat("x", 3000)}, {"\xff", ""},
	} {
		if _, err := MakeView(now, wang, "/payments", c.query, c.name, false); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q %q: %v", c.name, c.query, err)
		}
	}
}
