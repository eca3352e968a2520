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
	burstGap     = 15 * time.Minute // bursts nearer to each other are one
	fileBurst    = 2 * time.Hour    // before a file, within which a burst explains its lack
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

	// What the timelines are made of, in order of time.
	byLink     map[string][]evidence.FactRef
	byPart     map[partKey][]evidence.FactRef
	notices    []evidence.FactRef
	errorTimes []evidence.FactRef  // of the platform's interface
	noticed    map[string]timeline // by link
}

type partKey struct {
	tid  evidence.Word
	part string
}

type batchKey struct{ mid, tid, batch evidence.Word }

func newFaults(c *journey.Context) *faults {
	f := emptyFaults(c)
	for _, r := range c.Match.Circumstances { // in order of time
		f.hear(r)
	}
	f.noticed = f.readNotices(f.notices)
	for link := range f.byLink {
		f.relink(link)
	}
	for link := range f.noticed {
		if f.byLink[link] == nil {
			f.relink(link)
		}
	}
	f.addHealth(f.byPart)
	f.addBursts(f.errorTimes)
	f.addUnprinted()
	f.addUsage()
	return f
}

func emptyFaults(c *journey.Context) *faults {
	return &faults{
		c: c, links: map[string]timeline{}, health: map[partKey]timeline{}, reported: map[partKey]timeline{}, software: map[evidence.Word][]evidence.FactRef{},
		reporting: map[evidence.Word]bool{}, errors: map[batchKey][]evidence.FactRef{}, prompts: map[evidence.Word][]evidence.FactRef{},
		unprinted: map[batchKey]evidence.FactRef{}, usage: map[usageKey][]use{}, words: c.View.Words,
		byLink: map[string][]evidence.FactRef{}, byPart: map[partKey][]evidence.FactRef{},
	}
}

// hear takes a circumstance. They come in order of time, or late.
func (f *faults) hear(r evidence.FactRef) {
	v := f.c.View
	switch fact := v.At(r); fact.Type {
	case evidence.LinkStatus:
		link := v.Text(r, evidence.Link)
		f.byLink[link] = f.inOrder(f.byLink[link], r)
	case evidence.Notice:
		f.notices = f.inOrder(f.notices, r)
	case evidence.TerminalHealth:
		f.reporting[fact.TID] = true
		k := partKey{fact.TID, v.Text(r, evidence.Component)}
		f.byPart[k] = f.inOrder(f.byPart[k], r)
	case evidence.TerminalSoftware:
		f.software[fact.TID] = f.inOrder(f.software[fact.TID], r)
		if fact.State == evidence.Crashed || fact.State == evidence.Started {
			k := partKey{fact.TID, softwarePart}
			f.byPart[k] = f.inOrder(f.byPart[k], r)
		}
	case evidence.OperatorAction:
		if fact.State == evidence.PromptIgnored {
			f.prompts[fact.TID] = f.inOrder(f.prompts[fact.TID], r)
			if v.Text(r, evidence.Prompt) == "sign_on" {
				k := partKey{fact.TID, keysPart}
				f.byPart[k] = f.inOrder(f.byPart[k], r)
			}
		}
	case evidence.GatewayError:
		if d := v.Text(r, evidence.Detail); d == "5xx" || d == "connection" {
			f.errorTimes = f.inOrder(f.errorTimes, r)
		}
		if fact.STAN == 0 && fact.RRN == 0 && fact.Batch != 0 {
			k := batchKey{fact.MID, fact.TID, fact.Batch}
			f.errors[k] = f.inOrder(f.errors[k], r)
		}
	}
}

// inOrder adds a fact to a list in order of time; it is the last unless it came
// late.
func (f *faults) inOrder(list []evidence.FactRef, r evidence.FactRef) []evidence.FactRef {
	at := len(list)
	for at > 0 && f.c.View.CompareTime(list[at-1], r) > 0 {
		at--
	}
	return slices.Insert(list, at, r)
}

// relink makes the timeline of a link of what it showed itself and what notices
// said of it.
func (f *faults) relink(link string) {
	t := append(f.linkIntervals(f.byLink[link]), f.noticed[link]...)
	slices.SortFunc(t, func(a, b interval) int { return f.c.View.CompareTime(a.ref, b.ref) })
	f.links[link] = t
	if strings.HasPrefix(link, "platform-network/") {
		if at, known := slices.BinarySearch(f.networks, link); !known {
			f.networks = slices.Insert(f.networks, at, link)
		}
	}
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

// readNotices gives the stretches of maintenance and incident notices by the links
// they concern.
func (f *faults) readNotices(refs []evidence.FactRef) map[string]timeline {
	v := f.c.View
	noticed := map[string]timeline{}
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
			noticed[link] = append(noticed[link], interval{from: from, to: to, known: known, state: fact.State.String(), ref: r, legs: legs})
		}
	}
	return noticed
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

// addHealth turns terminal.health, and crashes, into intervals: a fault ends with the next
// fact of its part, when that very part works again, or after seven days.
func (f *faults) addHealth(byPart map[partKey][]evidence.FactRef) {
	if len(byPart) == 0 {
		return
	}
	works := f.successes(byPart)
	for k, refs := range byPart {
		f.judgePart(k, refs, works[k])
	}
}

// judgePart makes the timelines of a part of what was reported of it and of when
// it was seen to work.
func (f *faults) judgePart(k partKey, refs []evidence.FactRef, works []evidence.Instant) {
	v := f.c.View
	var t timeline
	for _, r := range refs {
		fact := v.At(r)
		if n := len(t); n > 0 && !t[n-1].known && fact.Time < t[n-1].to {
			switch fact.State {
			case evidence.OK, evidence.Started:
				t[n-1].to, t[n-1].known = fact.Time, true
			case evidence.Crashed: // again
			case evidence.PromptIgnored: // again: it is the later one that tells
				t[n-1].to, t[n-1].known = fact.Time, true
			default:
				t[n-1].to = fact.Time.Add(staleAfter)
				continue
			}
		}
		switch fact.State {
		case evidence.Failed, evidence.Degraded, evidence.Crashed:
			t = append(t, interval{from: fact.Time, to: fact.Time.Add(staleAfter), state: fact.State.String(), ref: r})
		case evidence.PromptIgnored: // to sign on: the keys stay out of step until it is done
			t = append(t, interval{from: fact.Time, to: fact.Time.Add(promptReach), state: fact.State.String(), ref: r})
		}
	}
	f.reported[k] = slices.Clone(t)
	for i := range t {
		after := t[i].from + 1
		if t[i].state == evidence.Crashed.String() {
			after = t[i].from.Add(attemptSlack) // the sale that it broke off may still have been answered
		}
		at, _ := slices.BinarySearch(works, after)
		if at < len(works) && works[at] < t[i].to {
			t[i].to, t[i].known = works[at], true
		}
	}
	f.health[k] = t
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
				printer, reader, board := worked(fact)
				if printer {
					note(fact.TID, "printer", fact.Time)
				}
				if reader {
					note(fact.TID, readerOf(fact.Entry), fact.Time)
				}
				if board {
					for _, part := range boardParts {
						note(fact.TID, part, fact.Time)
					}
				}
				if fact.Result == evidence.Approved {
					note(fact.TID, keysPart, fact.Time)
				}
			}
		}
	}
	for _, list := range out {
		slices.Sort(list)
	}
	return out
}

// boardParts are those without which a terminal does nothing; its software, which
// crashes and starts, is one of them.
var boardParts = []string{"mainboard", "battery", "sim", softwarePart}

// softwarePart is the name under which a terminal's software stands beside its
// parts.
const softwarePart = "software"

// keysPart is the name under which a terminal's keys stand beside its parts: a
// prompt to sign on that was ignored leaves them out of step, and an approval,
// whose messages both sides could verify, shows that it was done since.
const keysPart = "keys"

// worked tells which parts a terminal's transaction shows to work.
func worked(fact *evidence.Fact) (printer, reader, board bool) {
	printer, _ = fact.Printed()
	board = fact.Result == evidence.Approved || fact.Result == evidence.Declined && fact.Code != (evidence.Code{})
	return printer, board || fact.Result == evidence.OfflineApproved, board
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
	for i := 0; i+burstErrors <= len(refs); i++ {
		f.addBurst(refs[i : i+burstErrors])
	}
}

// addBurst looks at as many errors as make a burst: those before have been looked
// at.
func (f *faults) addBurst(refs []evidence.FactRef) {
	first, last := f.c.View.At(refs[0]).Time, f.c.View.At(refs[len(refs)-1]).Time
	if last.Sub(first) > burstWindow {
		return
	}
	if n := len(f.bursts); n > 0 && first <= f.bursts[n-1].to.Add(burstGap) {
		f.bursts[n-1].to = max(f.bursts[n-1].to, last+1)
		return
	}
	f.bursts = append(f.bursts, interval{from: first, to: last + 1, known: true, state: "burst", ref: refs[0]})
}

// addUnprinted notes the batches held open by a slip that was not printed.
func (f *faults) addUnprinted() {
	v := f.c.View
	for _, m := range f.c.Match.Merchants {
		for i := range m.Payments {
			for _, r := range m.Facts(&m.Payments[i]) {
				fact := v.At(r)
				if isUnprinted(fact) {
					k := batchKey{m.MID, fact.TID, fact.Batch}
					if f.unprinted[k] == 0 {
						f.unprinted[k] = r
					}
				}
			}
		}
	}
}

// isUnprinted reports whether a fact shows that a slip of a batch was not printed.
func isUnprinted(fact *evidence.Fact) bool {
	printed, said := fact.Printed()
	return fact.Type == evidence.TerminalTransaction && fact.Batch != 0 && said && !printed && fact.Result == evidence.Approved
}

func (f *faults) name(w evidence.Word) string { return f.words.Text(w) }

// startOf gives a date's start in a merchant's zone.
func startOf(j *journey.Journey, d calendar.Date) evidence.Instant { return j.Terms.StartOf(d) }
