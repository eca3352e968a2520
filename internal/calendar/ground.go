package calendar

import (
	"strings"

	"daozhang/internal/fault"
)

// Ground is why a date is a business day or not.
type Ground struct {
	Business bool
	// Weekend is a Saturday or a Sunday.
	Weekend bool
	// Festival is the holiday for which the day is off, where a notice names it.
	Festival fault.Text
	// Notice is the official notice, as its number and address; "" where a standing
	// rule decides, or none is out yet.
	Notice string
	// Stated says that a person or a file stated the day.
	Stated bool
	// Provisional says that no official notice confirms it yet.
	Provisional bool
}

// festivals are the holidays of the notices in English.
var festivals = map[string]string{"元旦": "New Year", "春节": "Spring Festival", "清明节": "Qingming Festival", "劳动节": "Labour Day",
	"端午节": "Dragon Boat Festival", "中秋节": "Mid-Autumn Festival", "国庆节": "National Day", "国庆节、中秋节": "National Day and Mid-Autumn Festival"}

// Ground gives why d is a business day or not.
func (c *Calendar) Ground(d Date) Ground {
	g := Ground{Business: c.IsBusinessDay(d), Weekend: !weekday(d), Stated: c.stated[d], Provisional: c.Provisional(d)}
	if c.name != "CN" || g.Stated {
		return g
	}
	for i := range notices {
		n := &notices[i]
		if y, _, _ := d.YMD(); y != n.year {
			continue
		}
		names := strings.Fields(n.festive)
		at := 0
		for from, to := range n.stretches(n.off) {
			if from <= d && d <= to && at < len(names) {
				g.Festival, g.Notice = fault.Text{EN: festivals[names[at]], ZH: names[at]}, n.source
			}
			at++
		}
		for from, to := range n.stretches(n.work) {
			if from <= d && d <= to {
				g.Notice = n.source
			}
		}
	}
	return g
}

// Word is the ground in a few words for people.
func (g *Ground) Word() fault.Text {
	var w fault.Text
	switch {
	case g.Business && g.Weekend:
		w = fault.Say("worked in exchange", "调休上班")
	case g.Business:
		w = fault.Say("business day", "工作日")
	case !g.Festival.None():
		w = g.Festival
	case g.Weekend:
		w = fault.Say("weekend", "周末")
	default:
		w = fault.Say("holiday", "节假日")
	}
	if g.Provisional {
		w = fault.Say("%s, provisional", "%s（暂定）", w)
	}
	return w
}
