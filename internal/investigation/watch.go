package investigation

import (
	"strings"
	"time"

	"daozhang/internal/calendar"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/journey"
)

// Answers are worked out when they are asked for, but the sums over all payments
// are kept, so that a circumstance has to find the payments it may concern. What a
// payment's answer rests on besides its own facts stands here: a signal of package
// diagnosis that reads something new needs its line in this file, and
// TestLiveEqualsWhole says so.

// cellFlags say what the payments of a cell wait for, as far as circumstances
// need to know.
type cellFlags uint8

const (
	atTerminal cellFlags = 1 << iota // judged on the authorization or capture leg, voided, or an open preauthorization
	onItsWay                         // judged on a later leg, and not over
	isLate                           // the leg's due time has passed
	wasDeclined
	isConfirmed // credited by the bank's word alone
)

// The kinds of what cells are watched under.
const (
	watchLink = iota + 1
	watchTerminal
	watchClearing   // by business date
	watchSettlement // by due day; of a merchant, or of all
	watchCredit     // by merchant and the day of the credit
	watchConfirmed  // by merchant
	watchTimeout    // timed out at the terminal, and nobody knows more
	watchUsage
	watchHour  // of an attempt at the terminal
	watchStray // by the merchant it names itself, where another has it
)

func watchKey(kind int, a, b uint64) uint64 { return mix(mix(uint64(kind), a), b) }

func linkHash(link string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(link) {
		h = (h ^ uint64(link[i])) * 1099511628211
	}
	return h
}

// anyNetwork stands for the network that a payment does not know.
const anyNetwork = "platform-network/"

func hourOf(at evidence.Instant) uint64 { return uint64(at.Unix() / 3600) }

func dateKey(d calendar.Date) uint64 { return uint64(uint32(d)) }

// watch notes what a payment's answer rests on.
func (l *Live) watch(c *cell, t *tally, j *journey.Journey) {
	on := func(kind int, a, b uint64) { l.watching = append(l.watching, watchKey(kind, a, b)) }
	mid, own := uint64(c.m.mid), uint64(j.Keys.MID)
	stray := own != mid
	if stray {
		on(watchStray, own, 0)
	}
	l.near.add(nearKey(j.Keys.TID, j.Time), l.standing(l.judging))
	voided := false
	for _, a := range j.Merchant.Acts(j.Payment) {
		voided = voided || a.Kind == evidence.Void
	}
	differs := j.HasOrder && j.OrderDifference != 0
	open := j.Status != journey.Arrived && j.Status != journey.Confirmed || differs
	if open && t.leg <= journey.Capture || voided || j.Kind == evidence.Void || j.OpenPreauth {
		c.flags |= atTerminal
		on(watchTerminal, uint64(j.Keys.TID), 0)
		from, to := j.Swipe.Tendered, j.Time
		for _, r := range [5]evidence.FactRef{j.Swipe.Terminal, j.Swipe.Request, j.Swipe.Response, j.Swipe.Timeout, j.Swipe.Error} {
			if r != 0 {
				to = max(to, l.set.At(r).Time)
			}
		}
		for h := hourOf(from); h <= min(hourOf(to), hourOf(from)+25); h++ {
			on(watchHour, h, 0)
		}
		words := l.view.Words
		on(watchLink, linkHash("platform"), 0)
		on(watchLink, linkHash("terminal-platform/"+words.Text(j.Keys.TID)), 0)
		on(watchLink, linkHash("merchant-network/"+words.Text(j.Keys.MID)), 0)
		if network := words.Text(j.Keys.Network); network != "" {
			on(watchLink, linkHash(anyNetwork+network), 0)
		} else {
			on(watchLink, linkHash(anyNetwork), 0)
		}
		on(watchLink, linkHash("network-issuer/"+words.Text(j.Keys.Issuer)), 0)
		for _, r := range [2]evidence.FactRef{j.Swipe.Timeout, j.Swipe.Error} {
			if r != 0 {
				on(watchLink, linkHash(l.view.Text(r, evidence.Link)), 0)
			}
		}
	}
	if j.Swipe.Terminal != 0 && j.Swipe.Result == evidence.Timeout {
		on(watchTimeout, 0, 0)
	}
	if j.Swipe.Outcome == journey.WasDeclined {
		c.flags |= wasDeclined
		if t.usage != nil {
			for _, k := range t.usage.Hashes() {
				on(watchUsage, k, 0)
			}
		}
	}
	if t.late {
		c.flags |= isLate
	}
	if j.Status == journey.Confirmed {
		c.flags |= isConfirmed
		on(watchConfirmed, mid, 0)
		if stray {
			on(watchConfirmed, own, 0)
		}
	}
	if t.leg < journey.Clearing || j.Status == journey.Arrived && !differs {
		return
	}
	c.flags |= onItsWay
	if c.network == 0 {
		c.network = j.Keys.Network
	}
	if j.Keys.Network == 0 || c.network != j.Keys.Network {
		c.network = manyNetworks
	}
	if t.leg == journey.Clearing {
		on(watchClearing, dateKey(j.BusinessDate), 0)
	}
	if t.leg < journey.Credit {
		on(watchSettlement, dateKey(j.Legs.Day), 0)
		on(watchSettlement, dateKey(j.Legs.Day), mid+1)
		if stray {
			on(watchSettlement, dateKey(j.Legs.Day), own+1)
		}
		return
	}
	on(watchCredit, dateKey(j.CreditDay), mid)
	if stray {
		on(watchCredit, dateKey(j.CreditDay), own)
	}
}

// manyNetworks is the network of a cell whose payments have several, or know none.
const manyNetworks = ^evidence.Word(0)

// watched registers a cell under what its payments rest on, where that is new.
func (l *Live) watched(id cellID, c *cell) {
	h := uint64(len(l.watching))
	for _, k := range l.watching {
		h = mix(h, k)
	}
	if h == c.watch {
		return
	}
	c.watch = h
	for _, k := range l.watching {
		if list := l.watchers[k]; len(list) == 0 || list[len(list)-1] != id {
			l.watchers[k] = append(list, id)
		}
	}
}

// touch has the cells judged again that are watched under a key and still have
// one of some flags.
func (l *Live) touch(flags cellFlags, kind int, a, b uint64) {
	for _, id := range l.watchers[watchKey(kind, a, b)] {
		if id = l.standing(id); id != 0 && (l.cells[id].flags&flags != 0 || flags == 0) {
			l.judge(id)
		}
	}
}

// touchDates is touch for dates from one to another.
func (l *Live) touchDates(flags cellFlags, kind int, from, to calendar.Date, b uint64) {
	if to-from > 400 {
		l.everything = true
		return
	}
	for d := from; d <= to; d++ {
		l.touch(flags, kind, dateKey(d), b)
	}
}

// touchStrays has the payments judged again that name a merchant, or (0) none,
// though their terminal's or reference's owner has them.
func (l *Live) touchStrays(mid evidence.Word) { l.touch(0, watchStray, uint64(mid), 0) }

func (l *Live) touchMerchant(m *merchant, flags cellFlags) {
	l.touchStrays(m.mid)
	l.each(m, func(id cellID) {
		if l.cells[id].flags&flags != 0 {
			l.judge(id)
		}
	})
}

// touchAll has all cells judged again that have one of some flags, and that may
// be of a network.
func (l *Live) touchAll(flags cellFlags, network evidence.Word) {
	for id := range l.cells {
		c := &l.cells[id]
		if c.into == 0 && c.flags&flags != 0 && (network == 0 || c.network == network || c.network == manyNetworks) {
			l.judge(cellID(id))
		}
	}
}

// judgeEverything has all payments judged again.
func (l *Live) judgeEverything() {
	for id := range l.cells {
		if l.cells[id].into == 0 && id > int(nowhere) {
			l.judge(cellID(id))
		}
	}
}

// touchLink has the payments judged again that a fault of a link may concern.
func (l *Live) touchLink(link string) {
	l.touch(atTerminal, watchLink, linkHash(link), 0)
	kind, name, _ := strings.Cut(link, "/")
	switch kind {
	case "platform":
		l.touchAll(onItsWay, 0)
	case "platform-network":
		l.touch(atTerminal, watchLink, linkHash(anyNetwork), 0)
		if w, ok := l.view.Words.Find(name); ok && w != 0 {
			l.touchAll(onItsWay, w)
		} else {
			l.touchAll(onItsWay, manyNetworks)
		}
	case "platform-bank":
		for mid := range l.atBank[name] {
			l.touchMerchant(l.merchants[mid], onItsWay)
		}
	}
}

// How far from a file or a burst of errors payments may be that it concerns.
const (
	longHoliday = 16 // days a file may close
	filesAround = 15 // days around, in which other files tell that one is missing
	laterFiles  = 8
	burstReach  = 3 * time.Hour
)

func (l *Live) circumstance(r evidence.FactRef, f *evidence.Fact, on bool) {
	l.circumstances.set(r, on)
	if !on {
		l.reread = true
		return
	}
	own, all := l.ctx.Spoken(f.MID)
	daily, limits := l.engine.Daily(), len(l.ctx.Limits())
	l.ctx.Hear(r)
	l.engine.Hear(r)
	if nowOwn, nowAll := l.ctx.Spoken(f.MID); nowAll != all {
		l.everything = true
	} else if m := l.merchants[f.MID]; m != nil && nowOwn != own {
		l.judgeMerchant(m)
	}
	switch f.Type {
	case evidence.TerminalBatch:
		l.touchBatch(f.TID, f.Batch)
	case evidence.TerminalHealth:
		l.touch(atTerminal, watchTerminal, uint64(f.TID), 0)
	case evidence.TerminalSoftware:
		l.touch(atTerminal, watchTerminal, uint64(f.TID), 0)
		for _, at := range l.engine.TerminalEdges(f.TID) {
			l.edges.add(at, diagnosis.Edge{At: at, TID: f.TID})
		}
	case evidence.OperatorAction:
		l.touch(atTerminal, watchTerminal, uint64(f.TID), 0)
		for _, by := range [3]time.Duration{-time.Hour, 0, time.Hour} {
			l.near.of(nearKey(f.TID, f.Time.Add(by)), func(id cellID) {
				if id = l.standing(id); id != 0 {
					l.judge(id)
				}
			})
		}
	case evidence.GatewayError:
		if f.Batch != 0 {
			l.touchBatch(f.TID, f.Batch)
		}
	case evidence.ClearingFile:
		l.touchDates(onItsWay, watchClearing, f.Date-longHoliday, f.Date, 0)
		l.touchDates(isLate, watchClearing, f.Date-filesAround, f.Date+filesAround, 0)
	case evidence.SettlementFile:
		l.touchSettlement(f.MID, f.Date)
		if l.fileDates[f.Date]++; l.fileDates[f.Date] == 1 {
			l.touchDates(isLate, watchSettlement, f.Date-filesAround, f.Date+filesAround, 0)
		}
	case evidence.BankStatement:
		l.touchAccount(r, f)
	case evidence.Coverage:
		l.touchCovered(r, f)
	case evidence.LimitPolicy:
		l.touchLimited(r, f)
		if l.engine.Daily() != daily || limits == 0 {
			l.everything = true
		}
	}
}

func (l *Live) touchBatch(tid, batch evidence.Word) {
	l.batches.of(mix(uint64(tid), uint64(batch)), func(id cellID) {
		if id = l.standing(id); id != 0 {
			l.judge(id)
		}
	})
}

// touchSettlement has the payments judged again that a settlement file of a date,
// of a merchant or (0) of all, should have.
func (l *Live) touchSettlement(mid evidence.Word, date calendar.Date) {
	of := uint64(0)
	if mid != 0 {
		of = uint64(mid) + 1
	}
	l.touchDates(onItsWay, watchSettlement, date-laterFiles, date, of)
}

func (l *Live) touchAccount(r evidence.FactRef, f *evidence.Fact) {
	from, to := l.ctx.StatementDates(r)
	account := strings.ReplaceAll(l.view.Text(r, evidence.Account), " ", "")
	for _, name := range [2]string{account, ""} {
		for mid := range l.atAccount[name] {
			l.touch(isConfirmed, watchConfirmed, uint64(mid), 0)
			l.touchDates(onItsWay, watchCredit, from, to, uint64(mid))
		}
	}
}

func (l *Live) touchCovered(r evidence.FactRef, f *evidence.Fact) {
	span := l.ctx.SpanOf(r)
	from := calendar.DateOf(span.From.Unix(), 0) - longHoliday
	to := calendar.DateOf(span.To.Unix(), 0) + 2
	of := l.view.Text(r, evidence.Of)
	kind, name, _ := strings.Cut(of, "/")
	switch kind {
	case "gateway":
		l.touch(0, watchTimeout, 0, 0)
	case "terminal":
		if w, ok := l.view.Words.Find(name); ok {
			l.touch(atTerminal, watchTerminal, uint64(w), 0)
		}
	case "clearing":
		l.touchDates(isLate, watchClearing, from, to, 0)
	case "settlement":
		l.touchDates(isLate, watchSettlement, from, to, 0)
	case "payouts":
		l.touchDates(onItsWay, watchSettlement, from, to, 0)
	}
}

func (l *Live) touchLimited(r evidence.FactRef, f *evidence.Fact) {
	l.touchAll(wasDeclined, 0)
	if f.Kind != evidence.PayoutKind {
		return
	}
	kind, name, _ := strings.Cut(l.view.Text(r, evidence.Scope), "/")
	switch kind {
	case "mid":
		if w, ok := l.view.Words.Find(name); ok && l.merchants[w] != nil {
			l.touchMerchant(l.merchants[w], onItsWay)
		}
	case "bank":
		for mid := range l.atBank[name] {
			l.touchMerchant(l.merchants[mid], onItsWay)
		}
	}
}

// general takes a fact about a merchant as a whole.
func (l *Live) general(r evidence.FactRef, f *evidence.Fact, on bool) {
	m := l.merchant(f.MID)
	m.general = toggle(m.general, r, on)
	l.stir(m)
	if !on {
		l.reread = true
		return
	}
	l.ctx.HearGeneral(r)
	l.touchMerchant(m, onItsWay|atTerminal|isLate)
}

// fileState is what a line may change for payments that are not its own.
type fileState struct {
	state journey.FileState
	mid   evidence.Word
}

func (l *Live) fileState(mid evidence.Word, f *evidence.Fact) fileState {
	return fileState{l.ctx.FileState(mid, f), mid}
}

func (l *Live) fileChanged(mid evidence.Word, f *evidence.Fact, before fileState) {
	now := l.ctx.FileState(mid, f)
	if f.Type == evidence.ClearingLine {
		if now != before.state {
			l.touchDates(onItsWay, watchClearing, f.Date-longHoliday, f.Date, 0)
		}
		return
	}
	if now.Own != before.state.Own {
		l.touchSettlement(mid, f.Date)
	}
	if now.All != before.state.All {
		l.touchSettlement(0, f.Date)
	}
	if now.Any != before.state.Any {
		l.touchDates(isLate, watchSettlement, f.Date-laterFiles, f.Date, 0)
	}
}

// usageChanged has declined payments judged again that are held against what other
// payments count to daily limits.
func (l *Live) usageChanged(used []diagnosis.Usage) {
	for i := range used {
		if !used[i].Counts() {
			continue
		}
		for _, k := range used[i].Hashes() {
			l.touch(wasDeclined, watchUsage, k, 0)
		}
	}
}

// heard has the payments judged again that the changed faults may concern.
func (l *Live) heard(c diagnosis.Changed) {
	if c.Networks {
		l.everything = true
	}
	for _, link := range c.Links {
		l.touchLink(link)
	}
	for _, tid := range c.Terminals {
		l.touch(atTerminal, watchTerminal, uint64(tid), 0)
	}
	for _, b := range c.Slips {
		l.touchBatch(b.TID, b.Batch)
	}
	for _, e := range c.Edges {
		l.edges.add(e.At, e)
	}
	if c.BurstTo != 0 {
		l.touchBurst(c.BurstFrom, c.BurstTo)
	}
}

func (l *Live) touchBurst(from, to evidence.Instant) {
	first, last := hourOf(from)-1, hourOf(to)+1
	if last-first > 24*400 {
		l.everything = true
		return
	}
	const slack = 5 * time.Minute
	for h := first; h <= last; h++ {
		for _, id := range l.watchers[watchKey(watchHour, h, 0)] {
			if id = l.standing(id); id == 0 || l.cells[id].rejudge {
				continue
			}
			var begun, ended evidence.Instant
			for _, r := range l.cells[id].facts {
				at := l.set.At(r).Time
				if begun == 0 || at < begun {
					begun = at
				}
				ended = max(ended, at)
			}
			if begun <= to.Add(slack) && ended >= from.Add(-slack) {
				l.judge(id)
			}
		}
	}
	day, until := calendar.DateOf(from.Unix(), 0)-laterFiles-2, calendar.DateOf(to.Unix(), 0)+2
	for d := day; d <= until; d++ {
		for _, id := range l.watchers[watchKey(watchSettlement, dateKey(d), 0)] {
			if id = l.standing(id); id == 0 || l.cells[id].flags&onItsWay == 0 {
				continue
			}
			for i := range l.cells[id].tallies {
				t := &l.cells[id].tallies[i]
				near := t.legDue >= from.Add(-burstReach) && t.legDue <= to.Add(burstReach)
				if !near {
					near = l.fileDates[d] > 0 || t.late
				}
				if near && t.leg == journey.Settlement {
					l.judge(id)
				}
			}
		}
	}
}

// passEdges has the payments judged again that faults concern which have begun or
// ended by time alone.
func (l *Live) passEdges() {
	for {
		e, ok := l.edges.next(l.asOf)
		switch {
		case !ok:
			return
		case e.Link != "":
			l.touchLink(e.Link)
		default:
			l.touch(atTerminal, watchTerminal, uint64(e.TID), 0)
		}
	}
}
