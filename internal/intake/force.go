package intake

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
)

// Circumstances are what answers rest on at a moment, whoever stated it.
type Circumstances struct {
	Notices  []NoticeInForce
	Links    []LinkInForce
	Holidays []HolidayInForce
}

// NoticeInForce is a notice that has not ended: it holds, or is announced.
type NoticeInForce struct {
	Notice
	Source string
}

// LinkInForce is the latest state of a link, as long as it holds.
type LinkInForce struct {
	LinkState
	Source string
}

// HolidayInForce is a stated day of a calendar, today or later.
type HolidayInForce struct {
	Holiday
	Source string
}

// linkHolds is how long the state of a link holds without another.
const linkHolds = 7 * 24 * time.Hour

// InForce gathers the circumstances that hold or are announced at a moment. Notices
// stand by their beginning, links and holidays by name and date.
func InForce(v *evidence.View, now time.Time) Circumstances {
	return Circumstances{Notices: noticesInForce(v, now), Links: linksInForce(v, now), Holidays: holidaysInForce(v, now)}
}

func noticesInForce(v *evidence.View, now time.Time) []NoticeInForce {
	ended := map[string]evidence.Instant{}
	latest := map[string]evidence.FactRef{}
	for r, f := range v.Of(evidence.Notice) {
		id := v.Text(r, evidence.NoticeID)
		if id == "" {
			id = v.Name(r)
		}
		if f.State == evidence.Resolved || f.State == evidence.Cancelled {
			ended[id] = max(ended[id], f.Time)
			continue
		}
		if was, ok := latest[id]; !ok || v.CompareTime(was, r) < 0 {
			latest[id] = r
		}
	}
	var out []NoticeInForce
	for id, r := range latest {
		f := v.At(r)
		if end, ok := ended[id]; ok && end >= f.Time {
			continue
		}
		n := NoticeInForce{Notice: Notice{ID: id, Issuer: v.Text(r, evidence.NoticeIssuer), What: f.State.String(), Affects: v.List(r, evidence.Affects),
			Title: v.Text(r, evidence.Title), Published: f.Time.In(time.UTC)}, Source: v.Words.Text(f.Source)}
		n.From = momentOf(v, r, evidence.From, false)
		n.To = momentOf(v, r, evidence.To, true)
		if n.From.IsZero() {
			n.From = n.Published
		}
		end := n.To
		if end.IsZero() && f.State != evidence.Policy {
			end = n.From.Add(linkHolds)
		}
		if end.IsZero() || end.After(now) {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b NoticeInForce) int { return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.ID, b.ID)) })
	return out
}

// momentOf is a field that is a time or a date; of a date its beginning or its end.
func momentOf(v *evidence.View, r evidence.FactRef, field evidence.Field, end bool) time.Time {
	at, date, isDate, ok := v.Moment(r, field)
	switch {
	case !ok:
		return time.Time{}
	case isDate && end:
		date++
		fallthrough
	case isDate:
		return date.In(time.FixedZone("", int(v.At(r).Offset)*60))
	}
	return at.In(time.UTC)
}

func linksInForce(v *evidence.View, now time.Time) []LinkInForce {
	latest := map[string]evidence.FactRef{}
	for r := range v.Of(evidence.LinkStatus) {
		name := v.Text(r, evidence.Link)
		if was, ok := latest[name]; !ok || v.CompareTime(was, r) < 0 {
			latest[name] = r
		}
	}
	var out []LinkInForce
	for name, r := range latest {
		f := v.At(r)
		since := f.Time.In(time.UTC)
		if now.Sub(since) < linkHolds {
			out = append(out, LinkInForce{LinkState{Link: name, State: f.State.String(), Since: since}, v.Words.Text(f.Source)})
		}
	}
	slices.SortFunc(out, func(a, b LinkInForce) int { return cmp.Compare(a.Link, b.Link) })
	return out
}

func holidaysInForce(v *evidence.View, now time.Time) []HolidayInForce {
	type day struct {
		calendar string
		date     calendar.Date
	}
	latest := map[day]evidence.FactRef{}
	today := calendar.DateIn(now, time.UTC)
	for r, f := range v.Of(evidence.CalendarHoliday) {
		k := day{v.Text(r, evidence.CalendarField), f.Date}
		if f.Date < today {
			continue
		}
		if was, ok := latest[k]; !ok || v.CompareTime(was, r) < 0 {
			latest[k] = r
		}
	}
	var out []HolidayInForce
	for k, r := range latest {
		f := v.At(r)
		out = append(out, HolidayInForce{Holiday{Calendar: k.calendar, Date: k.date, Workday: f.State == evidence.Workday}, v.Words.Text(f.Source)})
	}
	slices.SortFunc(out, func(a, b HolidayInForce) int {
		return cmp.Or(cmp.Compare(a.Calendar, b.Calendar), cmp.Compare(a.Date, b.Date))
	})
	return out
}

// KnownLinks gives the links that evidence has named, and who has issued notices,
// each in order.
func KnownLinks(v *evidence.View) (links, issuers []string) {
	seen, by := map[string]bool{}, map[string]bool{}
	for r := range v.Of(evidence.LinkStatus) {
		seen[v.Text(r, evidence.Link)] = true
	}
	for r := range v.Of(evidence.Notice) {
		by[v.Text(r, evidence.NoticeIssuer)] = true
		for _, a := range v.List(r, evidence.Affects) {
			if strings.Contains(a, "/") {
				seen[a] = true
			}
		}
	}
	delete(seen, "")
	delete(by, "")
	return slices.Sorted(maps.Keys(seen)), slices.Sorted(maps.Keys(by))
}
