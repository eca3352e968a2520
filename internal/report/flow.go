package report

import (
	"fmt"
	"html/template"
	"strings"

	"daozhang/internal/journey"
)

// canvas is the measure of a flow picture in its own units.
type canvas struct {
	class        string
	width        float64
	from, to     float64 // where the streams begin and end
	bar          float64 // width of the bars
	tall         float64 // height of the whole amount
	slot         float64 // least height of a place, so that its label fits
	name, figure float64 // sizes of the letters
	total        bool    // whether the whole is labelled at the left
}

var (
	wideCanvas   = canvas{"flow wide", 670, 158, 384, 12, 240, 40, 14, 12.5, true}
	narrowCanvas = canvas{"flow narrow", 350, 10, 112, 10, 240, 42, 13.5, 12, false}
)

// flowClass groups places by what they mean for the reader, for colours.
func flowClass(p place) string {
	switch p.status() {
	case journey.Arrived:
		return "s-come"
	case journey.Confirmed, journey.InTransit:
		return "s-way"
	case journey.Overdue, journey.Held, journey.Short, journey.Unproven, journey.Unknown:
		return "s-late"
	}
	return "s-gone"
}

// flow draws how the approved money of one currency divides into its places:
// a stream for each, as wide as its share. Places below zero (a fee given back)
// are not drawn; the table beside the picture has them. list, where it is not nil,
// gives the address of a place's payments, to which its stream leads.
func flow(s *currencySum, c canvas, list func(place) string) template.HTML {
	var drawn []place
	var whole int64
	for _, p := range placeOrder {
		if n := s.Places[p].Amount; n > 0 {
			drawn = append(drawn, p)
			whole += n
		}
	}
	if whole == 0 {
		return ""
	}
	// A picture of few places need not be as tall as one of many.
	c.tall = min(c.tall, 60+40*float64(len(drawn)))
	thick := func(p place) float64 { return max(float64(s.Places[p].Amount)/float64(whole)*c.tall, 1.2) }
	height, left := 8.0, 0.0
	for _, p := range drawn {
		height += max(thick(p)+10, c.slot)
		left += thick(p)
	}
	height = max(height, left+8)
	role := "img"
	if list != nil {
		role = "group" // what is in a picture cannot be reached
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="%s" viewBox="0 0 %.0f %.0f" role="%s" aria-labelledby="map-%s" focusable="false">`, c.class, c.width, height, role, currencyID(s))
	start := (height - left) / 2
	at, y := 4.0, start
	for _, p := range drawn {
		h, slot := thick(p), max(thick(p)+10, c.slot)
		top := at + (slot-h)/2
		x0, x1 := c.from+c.bar, c.to
		bend := (x1 - x0) * 0.5
		to := ""
		if list != nil {
			to = list(p)
		}
		if to != "" {
			fmt.Fprintf(&b, `<a href="%s">`, template.HTMLEscapeString(to))
		}
		fmt.Fprintf(&b, `<path class="stream %s" d="M%.1f %.1fC%.1f %.1f %.1f %.1f %.1f %.1fV%.1fC%.1f %.1f %.1f %.1f %.1f %.1fZ"/>`, flowClass(p),
			x0, y, x0+bend, y, x1-bend, top, x1, top, top+h, x1-bend, top+h, x0+bend, y+h, x0, y+h)
		fmt.Fprintf(&b, `<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, flowClass(p), x1, top, c.bar, h)
		middle := at + slot/2
		textAt := x1 + c.bar + 10
		svgText(&b, "name", textAt, middle-3, c.name, "start", p.word())
		part := float64(s.Places[p].Amount) / float64(whole) * 100
		share := fmt.Sprintf("%.1f %%", part)
		if part < 0.05 {
			share = "< 0.1 %"
		}
		if share = " · " + share; list != nil && !c.total {
			share = "" // a link's text is wider, and there is no room
		}
		svgText(&b, "figure", textAt, middle+c.figure+1, c.figure, "start",
			join(same(amount(s.Places[p].Amount, s.Currency)+" · "), payments(s.Places[p].Count), same(share)))
		if to != "" {
			b.WriteString("</a>")
		}
		y += h
		at += slot
	}
	fmt.Fprintf(&b, `<rect class="s-all" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/>`, c.from, start, c.bar, left)
	if c.total {
		middle := start + left/2
		svgText(&b, "name", c.from-10, middle-3, c.name, "end", tx("Approved in all", "成功金额合计"))
		svgText(&b, "figure", c.from-10, middle+c.figure+1, c.figure, "end", same(amount(s.Gross, s.Currency)))
		svgText(&b, "figure", c.from-10, middle+2*c.figure+4, c.figure, "end", payments(s.Count))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

func svgText(b *strings.Builder, class string, x, y, size float64, anchor string, t Text) {
	one := func(lang, s string) {
		fmt.Fprintf(b, `<text class="%s"%s x="%.1f" y="%.1f" font-size="%.1f" text-anchor="%s">%s</text>`, class, lang, x, y, size, anchor, template.HTMLEscapeString(s))
	}
	if t.EN == t.ZH {
		one("", t.EN)
		return
	}
	one(` lang="en"`, t.EN)
	one(` lang="zh"`, t.ZH)
}

// currencyID names a currency in the page's anchors.
func currencyID(s *currencySum) string {
	if c := s.Currency.String(); c != "" {
		return c
	}
	return "none"
}
