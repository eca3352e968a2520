package calendar

import (
	"iter"
	"strings"
	"sync"
)

// notice is one year's arrangement of holidays in China: days off and, since
// bridging weekends are worked, workdays swapped for them. Dates are MMDD, or
// MMDD-MMDD for a stretch.
type notice struct {
	year    int
	off     string
	work    string
	source  string // the State Council's notice; empty while there is none
	festive string // what the dates are, in order
}

// notices are the General Office of the State Council's yearly notices on the
// arrangement of some holidays, checked against the collection
// NateScarlet/holiday-cn (MIT).
//
// For 2027 no notice is included. Its days are those that the Regulation on
// Public Holidays for National Annual Festivals and Memorial Days (as revised
// with effect from 2025) gives in any case, each one that falls on a weekend
// made up for on the next weekday; longer breaks and swapped workdays come with
// the notice.
var notices = []notice{
	{2024,
		"0101 0210-0217 0404-0406 0501-0505 0610 0915-0917 1001-1007",
		"0204 0218 0407 0428 0511 0914 0929 1012",
		"国办发明电〔2023〕7号 https://www.gov.cn/zhengce/zhengceku/202310/content_6911528.htm",
		"元旦 春节 清明节 劳动节 端午节 中秋节 国庆节"},
	{2025,
		"0101 0128-0204 0404-0406 0501-0505 0531-0602 1001-1008",
		"0126 0208 0427 0928 1011",
		"国办发明电〔2024〕12号 https://www.gov.cn/zhengce/zhengceku/202411/content_6986383.htm",
		"元旦 春节 清明节 劳动节 端午节 国庆节、中秋节"},
	{2026,
		"0101-0103 0215-0223 0404-0406 0501-0505 0619-0621 0925-0927 1001-1007",
		"0104 0214 0228 0509 0920 1010",
		"https://www.gov.cn/zhengce/zhengceku/202511/content_7047091.htm",
		"元旦 春节 清明节 劳动节 端午节 中秋节 国庆节"},
	{2027,
		"0101 0205-0210 0405 0501-0504 0609 0915 1001-1005",
		"",
		"",
		"元旦 春节 清明节 劳动节 端午节 中秋节 国庆节"},
}

var china = sync.OnceValue(func() *Calendar {
	c := newCalendar("CN")
	c.confirmedFrom, c.confirmedTo = None, None
	for _, n := range notices {
		for from, to := range n.stretches(n.off) {
			for d := from; d <= to; d++ {
				c.set(d, false)
			}
		}
		for from, to := range n.stretches(n.work) {
			for d := from; d <= to; d++ {
				c.set(d, true)
			}
		}
		if n.source != "" {
			if c.confirmedFrom == None {
				c.confirmedFrom = civil(n.year, 1, 1)
			}
			c.confirmedTo = civil(n.year, 12, 31)
		}
	}
	return c
})

// stretches yields the first and last date of each stretch in list.
func (n notice) stretches(list string) iter.Seq2[Date, Date] {
	return func(yield func(from, to Date) bool) {
		for f := range strings.FieldsSeq(list) {
			a, b, stretch := strings.Cut(f, "-")
			from := n.day(a)
			to := from
			if stretch {
				to = n.day(b)
			}
			if !yield(from, to) {
				return
			}
		}
	}
}

func (n notice) day(mmdd string) Date {
	two := func(s string) int { return int(s[0]-'0')*10 + int(s[1]-'0') }
	return civil(n.year, two(mmdd[:2]), two(mmdd[2:]))
}
