package calendar_test

import (
	"strings"
	"testing"

	"daozhang/internal/calendar"
)

func TestGround(t *testing.T) {
	for _, tc := range []struct {
		calendar, date      string
		business, weekend   bool
		festival, word, zh  string
		notice, provisional bool
	}{
		{"CN", "2026-06-19", false, false, "Dragon Boat Festival", "Dragon Boat Festival", "端午节", true, false},
		{"CN", "2026-06-20", false, true, "Dragon Boat Festival", "Dragon Boat Festival", "端午节", true, false},
		{"CN", "2026-02-14", true, true, "", "worked in exchange", "调休上班", true, false},
		{"CN", "2026-06-18", true, false, "", "business day", "工作日", false, false},
		{"CN", "2026-06-27", false, true, "", "weekend", "周末", false, false},
		{"CN", "2027-02-08", false, false, "Spring Festival", "Spring Festival, provisional", "春节（暂定）", false, true},
		{"TARGET2", "2026-04-03", false, false, "", "holiday", "节假日", false, false},
	} {
		g := builtin(t, tc.calendar).Ground(date(t, tc.date))
		if g.Business != tc.business || g.Weekend != tc.weekend || g.Festival.EN != tc.festival || g.Provisional != tc.provisional || strings.Contains(g.Notice, "gov.cn") != tc.notice {
			t.Errorf("%s %s: %+v", tc.calendar, tc.date, g)
		}
		if w := g.Word(); w.EN != tc.word || w.ZH != tc.zh {
			t.Errorf("%s %s: %v", tc.calendar, tc.date, w)
		}
	}
	stated := builtin(t, "CN").With(map[calendar.Date]bool{date(t, "2026-06-18"): false})
	if g := stated.Ground(date(t, "2026-06-18")); g.Business || !g.Stated || g.Notice != "" {
		t.Errorf("a stated day: %+v", g)
	}
}
