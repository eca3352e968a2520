package diagnosis

import (
	"slices"
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/journey"
)

// Windows of the contract.
const (
	attemptSlack = 2 * time.Minute    // an attempt may lie this far outside a fault's interval
	staleAfter   = 7 * 24 * time.Hour // a state that nothing renews or ends
	burstWindow  = 5 * time.Minute
	burstErrors  = 3
	fileBurst    = 2 * time.Hour // before a file, within which a burst explains its lack
	promptReach  = 24 * time.Hour
)

// interval is one fault in force.
type interval struct {
	from, to evidence.Instant // half open; to is the end as far as known
	known    bool             // the end is on record or announced
	state    string           // down, degraded, failed, maintenance, incident, …
	ref      evidence.FactRef
	legs     uint8 // legs it concerns, as bits; 0: all
}

func (i *interval) concerns(l journey.Leg) bool { return i.legs == 0 || i.legs>>l&1 != 0 }

// timeline is the faults of one subject in order of time.
type timeline []interval

// at gives the fault that overlaps a stretch of time for a leg: the one named
// down before one merely degraded, then the nearest.
func (t timeline) at(from, to evidence.Instant, leg journey.Leg) *interval {
	var best *interval
	for i := range t {
		f := &t[i]
		if f.from > to || f.to <= from || !f.concerns(leg) {
			continue
		}
		if best == nil || severity(f.state) > severity(best.state) || severity(f.state) == severity(best.state) && f.from > best.from {
			best = f
		}
	}
	if best == nil || best.known {
		return best
	}
	for i := range t { // a notice may tell the end of what a link shows
		if f := &t[i]; f.known && f.state != "burst" && f.from <= to && f.to > from && f.concerns(leg) && f.to > best.from {
			announced := *best
			announced.to, announced.known = f.to, true
			return &announced
		}
	}
	return best
}

func severity(state string) int {
	switch state {
	case "down", "failed", "crashed":
		return 3
	case "incident", "maintenance":
		return 2
	default:
		return 1
	}
}

// faults indexes every circumstance by its subject.
type faults struct {
	c *journey.Context
	// links are named as in the contract, such as network-issuer/ICBC; notices
	// of an issuer of notices stand under its links.
	links     map[string]timeline
	health    map[partKey]timeline
	reported  map[partKey]timeline                 // health as reported, whatever worked meanwhile
	software  map[evidence.Word][]evidence.FactRef // terminal.software by terminal
	reporting map[evidence.Word]bool               // terminals that report their health
	bursts    timeline
	errors    map[batchKey][]evidence.FactRef // gateway.error of a batch upload
	prompts   map[evidence.Word][]evidence.FactRef
	networks  []string // subjects under platform-network/
	unprinted map[batchKey]evidence.FactRef
	// usage of daily limits, see limit.go
	usage map[usageKey][]use
	words *evidence.Words
}

type partKey struct {
	tid  evidence.Word
	part string
}

type batchKey struct{ mid, tid, batch evidence.Word }

func newFaults(c *journey.Context) *faults {
	f := &faults{
		c: c, links: map[string]timeline{}, health: map[partKey]timeline{}, reported: map[partKey]timeline{}, software: map[evidence.Word][]evidence.FactRef{},
		reporting: map[evidence.Word]bool{}, errors: map[batchKey][]evidence.FactRef{}, prompts: map[evidence.Word][]evidence.FactRef{},
		unprinted: map[batchKey]evidence.FactRef{}, usage: map[usageKey][]use{}, words: c.View.Words,
	}
	v := c.View
	byLink := map[string][]evidence.FactRef{}
	byPart := map[partKey][]evidence.FactRef{}
	var notices []evidence.FactRef
	var errorTimes []evidence.FactRef
	for _, r := range c.Match.Circumstances { // in order of time
		fact := v.At(r)
		switch fact.Type {
		case evidence.LinkStatus:
			link := v.Text(r, evidence.Link)
			byLink[link] = append(byLink[link], r)
		case evidence.Notice:
			notices = append(notices, r)
		case evidence.TerminalHealth:
			f.reporting[fact.TID] = true
			k := partKey{fact.TID, v.Text(r, evidence.Component)}
			byPart[k] = append(byPart[k], r)
		case evidence.TerminalSoftware:
			f.software[fact.TID] = append(f.software[fact.TID], r)
		case evidence.OperatorAction:
			if fact.State == evidence.PromptIgnored {
				f.prompts[fact.TID] = append(f.prompts[fact.TID], r)
			}
		case evidence.GatewayError:
			if d := v.Text(r, evidence.Detail); d == "5xx" || d == "connection" {
				errorTimes = append(errorTimes, r)
			}
			if fact.STAN == 0 && fact.RRN == 0 && fact.Batch != 0 {
				k := batchKey{fact.MID, fact.TID, fact.Batch}
				f.errors[k] = append(f.errors[k], r)
			}
		}
	}
	for link, refs := range byLink {
		f.links[link] = f.linkIntervals(refs)
		if strings.HasPrefix(link, "platform-network/") {
			f.networks = append(f.networks, link)
		}
	}
	slices.Sort(f.networks)
	f.addNotices(notices)
	f.addHealth(byPart)
	f.addBursts(errorTimes)
	f.addUnprinted()
	f.addUsage()
	return f
}

// linkIntervals turns the states of one link into intervals: each holds until
// the next fact of the link, at most seven days; a repeated state goes on.
func (f *faults) linkIntervals(refs []evidence.FactRef) timeline {
	v := f.c.View
	var t timeline
	for _, r := range refs {
		fact := v.At(r)
		if n := len(t); n > 0 && !t[n-1].known && fact.Time < t[n-1].to {
			if t[n-1].state == fact.State.String() {
				t[n-1].to = fact.Time.Add(staleAfter)
				continue
			}
			t[n-1].to, t[n-1].known = fact.Time, true
		}
		if fact.State == evidence.Down || fact.State == evidence.Degraded {
			t = append(t, interval{from: fact.Time, to: fact.Time.Add(staleAfter), state: fact.State.String(), ref: r})
		}
	}
	return t
}

// addNotices puts maintenance and incident notices on the links they concern.
func (f *faults) addNotices(refs []evidence.FactRef) {
	v := f.c.View
	ends := map[string][]evidence.FactRef{}
	for _, r := range refs {
		if s := v.At(r).State; s == evidence.Resolved || s == evidence.Cancelled {
			ends[v.Text(r, evidence.NoticeID)] = append(ends[v.Text(r, evidence.NoticeID)], r)
		}
	}
	for _, r := range refs {
		fact := v.At(r)
		if fact.State != evidence.Maintenance && fact.State != evidence.IncidentState {
			continue
		}
		from, hasFrom := f.moment(r, evidence.From, false)
		if !hasFrom {
			from = fact.Time
		}
		to, known := f.moment(r, evidence.To, true)
		if !known {
			to = from.Add(staleAfter)
		}
		if id := v.Text(r, evidence.NoticeID); id != "" {
			for _, end := range ends[id] {
				if at := v.At(end).Time; at >= fact.Time && at < to {
					to, known = at, true
				}
			}
		}
		if to <= from {
			continue
		}
		for link, legs := range f.concerned(r) {
			f.links[link] = append(f.links[link], interval{from: from, to: to, known: known, state: fact.State.String(), ref: r, legs: legs})
		}
	}
	for link, t := range f.links {
		slices.SortFunc(t, func(a, b interval) int { return v.CompareTime(a.ref, b.ref) })
		f.links[link] = t
		if strings.HasPrefix(link, "platform-network/") && !slices.Contains(f.networks, link) {
			f.networks = append(f.networks, link)
		}
	}
	slices.Sort(f.networks)
}

func (f *faults) moment(r evidence.FactRef, field evidence.Field, end bool) (evidence.Instant, bool) {
	at, date, isDate, ok := f.c.View.Moment(r, field)
	if isDate {
		if end {
			date++
		}
		at = evidence.Instant((date.Unix(0) - int64(f.c.View.At(r).Offset)*60) * 1e9)
	}
	return at, ok
}

// concerned gives the links a notice is about, and on each the legs. Its plain
// words (authorization, clearing, settlement, payout) concern its issuer's own
// links; a notice without any word concerns all of them.
func (f *faults) concerned(r evidence.FactRef) map[string]uint8 {
	out := map[string]uint8{}
	var words uint8
	plain := false
	for _, word := range f.c.View.List(r, evidence.Affects) {
		if l, ok := legOf(word); ok {
			words |= 1 << l
			if l == journey.Payout {
				words |= 1 << journey.Credit
			}
			plain = true
		} else if word == "payouts" {
			words |= 1<<journey.Payout | 1<<journey.Credit
			plain = true
		} else if word != "" {
			out[word] = 0
		}
	}
	if len(out) > 0 && !plain {
		return out
	}
	issuer := f.c.View.Text(r, evidence.NoticeIssuer)
	kind, name, _ := strings.Cut(issuer, "/")
	add := func(link string, can uint8) {
		legs := can
		if plain {
			legs &= words
		}
		if legs != 0 {
			out[link] = legs
		}
	}
	const authorization, payout = 1 << journey.Authorization, 1<<journey.Payout | 1<<journey.Credit
	switch kind {
	case "bank", "issuer":
		add("network-issuer/"+name, authorization)
		add("platform-bank/"+name, payout)
	case "network":
		add("platform-network/"+name, authorization|1<<journey.Clearing|1<<journey.Settlement)
	case "platform":
		add("platform", 0xff)
	}
	return out
}

// addHealth turns terminal.health into intervals: a fault ends with the next
// fact of its part, when that very part works again, or after seven days.
func (f *faults) addHealth(byPart map[partKey][]evidence.FactRef) {
	if len(byPart) == 0 {
		return
	}
	v := f.c.View
	works := f.successes(byPart)
	for k, refs := range byPart {
		var t timeline
		for _, r := range refs {
			fact := v.At(r)
			if n := len(t); n > 0 && !t[n-1].known && fact.Time < t[n-1].to {
				if fact.State != evidence.OK {
					t[n-1].to = fact.Time.Add(staleAfter)
					continue
				}
				t[n-1].to, t[n-1].known = fact.Time, true
			}
			if fact.State == evidence.Failed || fact.State == evidence.Degraded {
				t = append(t, interval{from: fact.Time, to: fact.Time.Add(staleAfter), state: fact.State.String(), ref: r})
			}
		}
		f.reported[k] = slices.Clone(t)
		for i := range t {
			for _, at := range works[k] {
				if at > t[i].from && at < t[i].to {
					t[i].to, t[i].known = at, true
					break
				}
			}
		}
		f.health[k] = t
	}
}

// successes gives, for each part that ever failed, when it was seen to work.
func (f *faults) successes(byPart map[partKey][]evidence.FactRef) map[partKey][]evidence.Instant {
	v := f.c.View
	out := map[partKey][]evidence.Instant{}
	watched := map[evidence.Word]bool{}
	for k := range byPart {
		watched[k.tid] = true
	}
	note := func(tid evidence.Word, part string, at evidence.Instant) {
		k := partKey{tid, part}
		if byPart[k] != nil {
			out[k] = append(out[k], at)
		}
	}
	for _, m := range f.c.Match.Merchants {
		for i := range m.Payments {
			for _, r := range m.Facts(&m.Payments[i]) {
				fact := v.At(r)
				if fact.Type != evidence.TerminalTransaction || !watched[fact.TID] {
					continue
				}
				if printed, _ := fact.Printed(); printed {
					note(fact.TID, "printer", fact.Time)
				}
				if fact.Result == evidence.Approved || fact.Result == evidence.Declined && fact.Code != (evidence.Code{}) || fact.Result == evidence.OfflineApproved {
					note(fact.TID, readerOf(fact.Entry), fact.Time)
				}
				if fact.Result == evidence.Approved || fact.Result == evidence.Declined && fact.Code != (evidence.Code{}) {
					for _, part := range []string{"mainboard", "battery", "sim"} {
						note(fact.TID, part, fact.Time)
					}
				}
			}
		}
	}
	for _, list := range out {
		slices.Sort(list)
	}
	return out
}

// readerOf names the part that reads a card in one way.
func readerOf(e evidence.Entry) string {
	switch e {
	case evidence.Chip:
		return "chip_reader"
	case evidence.Contactless:
		return "contactless_reader"
	case evidence.Magstripe:
		return "magstripe_reader"
	}
	return ""
}

// addBursts finds where errors of the platform's interface come in bursts:
// three or more in five minutes.
func (f *faults) addBursts(refs []evidence.FactRef) {
	v := f.c.View
	for i := 0; i+burstErrors <= len(refs); i++ {
		first, last := v.At(refs[i]).Time, v.At(refs[i+burstErrors-1]).Time
		if last.Sub(first) > burstWindow {
			continue
		}
		if n := len(f.bursts); n > 0 && first <= f.bursts[n-1].to {
			f.bursts[n-1].to = last + 1
			continue
		}
		f.bursts = append(f.bursts, interval{from: first, to: last + 1, known: true, state: "burst", ref: refs[i]})
	}
}

// addUnprinted notes the batches held open by a slip that was not printed.
func (f *faults) addUnprinted() {
	printers := false
	for k := range f.health {
		printers = printers || k.part == "printer"
	}
	if !printers {
		return
	}
	v := f.c.View
	for _, m := range f.c.Match.Merchants {
		for i := range m.Payments {
			for _, r := range m.Facts(&m.Payments[i]) {
				fact := v.At(r)
				if fact.Type != evidence.TerminalTransaction || fact.Batch == 0 {
					continue
				}
				if printed, said := fact.Printed(); said && !printed && fact.Result == evidence.Approved {
					k := batchKey{m.MID, fact.TID, fact.Batch}
					if f.unprinted[k] == 0 {
						f.unprinted[k] = r
					}
				}
			}
		}
	}
}

func (f *faults) name(w evidence.Word) string { return f.words.Text(w) }

// startOf gives a date's start in a merchant's zone.
func startOf(j *journey.Journey, d calendar.Date) evidence.Instant { return j.Terms.StartOf(d) }
