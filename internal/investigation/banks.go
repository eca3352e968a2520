package investigation

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/diagnosis"
	"daozhang/internal/evidence"
	"daozhang/internal/journey"
	"daozhang/internal/match"
	"daozhang/internal/money"
)

// bank is merchants and accounts whose payouts and entries can have to do with
// each other: mostly one merchant and its account. Payouts and entries are joined
// within a bank, and the result is that of joining all.
type bank struct {
	into      *bank // the bank it was joined to
	merchants []*merchant
	accounts  []string
	entries   []evidence.FactRef
	found     *match.Result // nil before it was asked for
	open      []*match.Entry
	taught    map[match.PayoutKey]diagnosis.Lesson // when they were last joined
	dirty     bool
	anywhere  bool // has payouts whose account nobody names
}

func (b *bank) standing() *bank {
	for b.into != nil {
		b = b.into
	}
	return b
}

func (l *Live) bankOf(m *merchant) *bank {
	m.bank = m.bank.standing()
	return m.bank
}

func (l *Live) bankAt(account string) *bank {
	b := l.accounts[account]
	if b == nil {
		b = &bank{accounts: []string{account}}
	}
	b = b.standing()
	l.accounts[account] = b
	return b
}

// touch has a bank's payouts and entries joined again.
func (b *bank) touch(l *Live) {
	if !b.dirty {
		b.dirty = true
		l.banks = append(l.banks, b)
	}
}

// unite makes two banks one.
func (l *Live) unite(a, b *bank) *bank {
	if a, b = a.standing(), b.standing(); a == b {
		return a
	}
	if len(a.merchants)+len(a.entries) < len(b.merchants)+len(b.entries) {
		a, b = b, a
	}
	if len(b.merchants)+len(b.entries) > 0 {
		l.forgetBank(b)
		a.touch(l)
	}
	a.merchants = append(a.merchants, b.merchants...)
	a.accounts = append(a.accounts, b.accounts...)
	a.entries = append(a.entries, b.entries...)
	a.anywhere = a.anywhere || b.anywhere
	b.into, b.merchants, b.accounts, b.entries = a, nil, nil, nil
	return a
}

// forgetBank takes back what was found in a bank; its payments are judged again.
func (l *Live) forgetBank(b *bank) {
	if b.found == nil {
		return
	}
	l.closeEntries(b)
	l.res.Replace(b.found, nil)
	l.speakOf(b.found, nil)
	for _, p := range b.found.Payouts {
		l.ctx.Unpaid(p.MID, p.Currency, 0, false)
	}
	for k := range b.found.Keys {
		l.judgePayout(k)
	}
	l.unlearned = true
	if len(b.found.Ambiguous) > 0 {
		l.doubts = true
	}
	b.found, b.taught = nil, nil
}

func (l *Live) closeEntries(b *bank) {
	for _, e := range b.open {
		delete(l.open, e)
	}
	if len(b.open) > 0 {
		l.directly = true
	}
	b.open = nil
}

// status takes a fact about a payout.
func (l *Live) status(r evidence.FactRef, f *evidence.Fact, on bool) {
	m := l.merchant(f.MID)
	m.statuses = toggle(m.statuses, r, on)
	l.stir(m)
	if on {
		l.namePayout(m, f.Payout)
		if f.MID == 0 {
			l.anyones[f.Payout] = true
			for _, other := range l.payees[f.Payout] {
				l.unite(m.bank, other.bank)
			}
		}
	}
	if had := m.lines.HasPayouts; had != l.hasPayouts(m) {
		m.lines.HasPayouts = !had
		l.directly = true
	}
	l.bankOf(m).touch(l)
}

// hasPayouts reports whether lines or payouts of a merchant are on record.
func (l *Live) hasPayouts(m *merchant) bool {
	return len(m.statuses) > 0 || len(m.lines.Settlement) > 0
}

// namePayout notes that a merchant has a payout, and joins its bank to those of the
// entries that name it.
func (l *Live) namePayout(m *merchant, id evidence.Word) {
	if id == 0 {
		return
	}
	if list := l.payees[id]; !slices.Contains(list, m) {
		l.payees[id] = append(list, m)
		for _, account := range l.named[l.view.Words.Text(id)] {
			l.unite(m.bank, l.bankAt(account))
		}
		if l.anyones[id] {
			l.unite(m.bank, l.merchant(0).bank)
		}
	}
}

// line takes a line of a clearing or settlement file.
func (l *Live) line(m *merchant, r evidence.FactRef, f *evidence.Fact, on bool) {
	n, sum := 1, match.LineNet(f)
	if f.Type == evidence.ClearingLine {
		sum = match.Signed(f)
	}
	if l.reloading && on {
		m.lines.Return(l.view, r)
		l.namePayout(m, f.Payout)
		l.bankOf(m).touch(l)
		return
	}
	before := l.fileState(m.mid, f)
	if on {
		m.lines.Add(l.view, r)
	} else {
		n, sum = -1, -sum
		m.lines.Remove(l.view, r)
		l.reread = true
	}
	l.ctx.CountLine(m.mid, f, n, sum)
	l.fileChanged(m.mid, f, before)
	leg := journey.Clearing
	if f.Type == evidence.SettlementLine {
		leg = journey.Settlement
		if had := m.lines.HasPayouts; had != l.hasPayouts(m) {
			m.lines.HasPayouts = !had
			l.directly = true
		}
		l.namePayout(m, f.Payout)
		l.bankOf(m).touch(l)
		if m.whole != l.inferable(m) {
			l.stir(m)
		}
	}
	if on && l.ctx.Speak(m.mid, leg) {
		l.judgeMerchant(m)
	}
}

// entry takes a bank entry.
func (l *Live) entry(r evidence.FactRef, on bool) {
	account := strings.ReplaceAll(l.view.Text(r, evidence.Account), " ", "")
	b := l.bankAt(account)
	b.entries = toggle(b.entries, r, on)
	if on {
		for _, token := range match.Tokens(l.view, r) {
			if list := l.named[token]; !slices.Contains(list, account) {
				l.named[token] = append(list, account)
			}
			id, ok := l.view.Words.Find(token)
			if !ok {
				continue
			}
			for _, m := range l.payees[id] {
				b = l.unite(b, m.bank)
			}
		}
		if l.anywhere != nil {
			b = l.unite(b, l.anywhere)
		}
	}
	b.standing().touch(l)
}

// joinBanks joins payouts and entries again where something has changed.
func (l *Live) joinBanks() {
	for len(l.banks) > 0 {
		b := l.banks[len(l.banks)-1]
		l.banks = l.banks[:len(l.banks)-1]
		b.dirty = false
		if b.into == nil {
			l.joinBank(b)
		}
	}
	for _, mid := range l.silenced {
		l.reread = l.reread || l.speakers[mid] == 0
	}
	l.silenced = l.silenced[:0]
}

func (l *Live) joinBank(b *bank) {
	lines := make([]*match.Lines, 0, len(b.merchants))
	var statuses []evidence.FactRef
	for _, m := range b.merchants {
		lines = append(lines, m.lines)
		statuses = append(statuses, m.statuses...)
	}
	slices.SortFunc(lines, func(x, y *match.Lines) int { return l.view.Words.Compare(x.MID, y.MID) })
	found := match.JoinMoney(l.view, l.book, lines, statuses, slices.Clone(b.entries))
	l.work.Joined += len(found.Payouts)
	before := map[match.PayoutKey]payoutSign{}
	taught := b.taught
	b.taught = map[match.PayoutKey]diagnosis.Lesson{}
	old := b.found
	if old != nil {
		for k, p := range old.Keys {
			before[k] = l.sign(p)
		}
		l.closeEntries(b)
		for _, p := range old.Payouts {
			l.ctx.Unpaid(p.MID, p.Currency, 0, false)
		}
	}
	l.res.Replace(old, found)
	l.speakOf(old, found)
	// The table of delays is frozen for each day: what is known of today teaches
	// tomorrow.
	if len(found.Ambiguous) > 0 || old != nil && len(old.Ambiguous) > 0 {
		l.doubts = true
	}
	b.found = found
	type purse struct {
		mid      evidence.Word
		currency money.Currency
	}
	unpaid := map[purse]int64{}
	for _, p := range found.Payouts {
		if l.ctx.AwaitsPayout(p) {
			unpaid[purse{p.MID, p.Currency}] += p.Net
		}
		l.know(p.MID, p.Account, p.Bank)
	}
	for k, net := range unpaid {
		l.ctx.Unpaid(k.mid, k.currency, net, true)
	}
	if slices.ContainsFunc(b.merchants, func(m *merchant) bool { return m.mid == 0 }) {
		l.touchStrays(0)
	}
	for k, p := range found.Keys {
		sign := l.sign(p)
		if was, ok := before[k]; !ok || was != sign {
			l.judgePayout(k)
		}
		delete(before, k)
		b.taught[k] = l.engine.Lesson(p)
		l.unlearned = l.unlearned || taught[k] != b.taught[k]
		delete(taught, k)
		if turns := l.engine.DayEnds(p); l.dayEnds == 0 || turns < l.dayEnds {
			l.dayEnds = turns
		}
	}
	for k := range before {
		l.judgePayout(k)
	}
	for _, lesson := range taught {
		l.unlearned = l.unlearned || lesson != diagnosis.Lesson{}
	}
	for _, e := range found.Entries {
		if e.Booked && !e.Placed && !e.Ambiguous && e.Amount > 0 {
			b.open = append(b.open, e)
			l.open[e] = true
		}
	}
	if len(b.open) > 0 || l.ctx.Direct() {
		l.directly = true
	}
	for _, p := range found.Payouts {
		if account := strings.ReplaceAll(p.Account, " ", ""); account != "" {
			l.unite(b, l.bankAt(account))
		} else if state, _ := p.State(l.view); len(p.Entries) == 0 && p.Amount > 0 && state != evidence.Rejected && state != evidence.Returned && p.Date != calendar.None {
			if l.anywhere == nil {
				l.anywhere = b.standing()
				for _, account := range slices.Sorted(maps.Keys(l.accounts)) {
					l.unite(l.anywhere, l.bankAt(account))
				}
			}
			l.anywhere = l.unite(l.anywhere, b)
		}
	}
}

// speakOf notes for which merchants somebody speaks of payouts, and for which no
// longer.
func (l *Live) speakOf(old, found *match.Result) {
	if old != nil {
		for _, p := range old.Payouts {
			if len(p.Statuses) > 0 {
				l.speakers[p.MID]--
				l.silenced = append(l.silenced, p.MID)
			}
		}
	}
	if found == nil {
		return
	}
	for _, p := range found.Payouts {
		if len(p.Statuses) == 0 {
			continue
		}
		if l.speakers[p.MID]++; l.speakers[p.MID] == 1 && l.ctx.Speak(p.MID, journey.Payout) {
			l.judgeMerchant(l.merchant(p.MID))
		}
	}
}

// payoutSign is what of a payout, and of those it replaces or that replace it, the
// answers for its payments depend on: while it stays the same they need not be
// judged again, however many lines the payout has.
type payoutSign struct{ own, around uint64 }

func (l *Live) sign(p *match.Payout) payoutSign {
	var s payoutSign
	s.own = l.signOf(p)
	for o := p.Replaces; o != nil; o = o.Replaces {
		s.around = mix(s.around, l.signOf(o))
	}
	for _, o := range p.ReplacedBy {
		again := l.sign(withoutReplaced(o))
		s.around = mix(s.around, mix(again.own, again.around))
	}
	return s
}

// withoutReplaced looks at a payout that replaces another by itself, so that
// looking does not go in circles.
func withoutReplaced(p *match.Payout) *match.Payout {
	alone := *p
	alone.Replaces = nil
	return &alone
}

func (l *Live) signOf(p *match.Payout) uint64 {
	text := func(h uint64, s string) uint64 {
		for i := range len(s) {
			h = h*1099511628211 ^ uint64(s[i])
		}
		return mix(h, uint64(len(s)))
	}
	h := mix(uint64(p.ID), uint64(p.Sent))
	for _, r := range p.Statuses {
		h = mix(h, uint64(r))
	}
	h = mix(h, 1)
	for _, e := range p.Entries {
		h = mix(h, uint64(e.Fact))
	}
	h = text(text(h, p.Account), p.Bank)
	h = text(mix(h, uint64(p.Proved)), p.Currency.String())
	if p.Contested {
		h = mix(h, 2)
	}
	if len(p.Entries) > 0 || len(l.ctx.Limits()) > 0 {
		h = mix(mix(h, uint64(p.Amount)), uint64(p.Net))
	}
	return mix(h, l.suspension(p))
}

// suspension gives, as bits, how a payout and what its merchant awaits compare to
// what the merchant's terms and limits hold back.
func (l *Live) suspension(p *match.Payout) uint64 {
	if len(p.Statuses) > 0 {
		return 0
	}
	total := l.ctx.Awaited(p.MID, p.Currency)
	var bits uint64
	if total < 0 || p.Net < 0 {
		bits |= 1
	}
	for i, t := range l.book.All(p.MID) {
		if min(total, p.Net) < t.MinimumPayout {
			bits |= 2 << (i % 30)
		}
		if total < t.MinimumPayout {
			bits |= 2 << (30 + i%30)
		}
	}
	if len(l.ctx.Limits()) > 0 {
		bits = mix(bits, uint64(total))
	}
	return bits
}

// learn makes the table of delays anew, where a day has ended for a merchant or
// something has come to be known of a day that had.
func (l *Live) learn() {
	if !l.unlearned && (l.dayEnds == 0 || l.asOf < l.dayEnds) {
		return
	}
	l.unlearned, l.dayEnds = false, 0
	l.res.Payouts = nil
	for b := range l.eachBank {
		if b.found != nil {
			l.res.Payouts = append(l.res.Payouts, b.found.Payouts...)
		}
	}
	slices.SortFunc(l.res.Payouts, l.res.ComparePayouts)
	for _, p := range l.res.Payouts {
		if turns := l.engine.DayEnds(p); l.dayEnds == 0 || turns < l.dayEnds {
			l.dayEnds = turns
		}
	}
	l.engine.Learn(l.res.Payouts)
	l.engine.Recall(l.lessons)
	l.work.Learned++
	l.res.Payouts = nil
}

// openList gives the open entries of all banks in order of date.
func (l *Live) openList() []*match.Entry {
	list := make([]*match.Entry, 0, len(l.open))
	for e := range l.open {
		list = append(list, e)
	}
	slices.SortFunc(list, l.res.CompareEntries)
	return list
}

// proveDirectly lets entries that no payout explains prove the business dates of
// merchants without payouts. All of these are looked at, since any may be the one.
func (l *Live) proveDirectly() {
	l.directly = false
	if len(l.open) == 0 && !l.ctx.Direct() {
		return
	}
	open := l.openList()
	for _, e := range open {
		e.Placed, e.Ambiguous = false, false
	}
	days := map[evidence.Word][]journey.Day{}
	for mid, m := range l.merchants {
		if l.hasPayouts(m) || len(m.days) == 0 {
			continue
		}
		for k, d := range m.days {
			days[mid] = append(days[mid], journey.Day{Date: k.Date, Currency: k.Currency, Net: d.net, Due: l.dueOf(m, k, d)})
		}
	}
	l.res.Entries, l.res.Ambiguous = open, nil
	parts := func(mid evidence.Word) (found []*match.Merchant) {
		l.each(l.merchants[mid], func(id cellID) { found = append(found, l.res.Merchants[id]) })
		return found
	}
	changed, doubts := l.ctx.ProveDirectly(days, parts)
	for i := range doubts {
		slices.SortFunc(doubts[i].Payments, func(a, b *match.Payment) int {
			if a.MID != b.MID {
				return l.view.Words.Compare(a.MID, b.MID)
			}
			return l.comparePayments(a, b)
		})
	}
	l.direct, l.doubts = doubts, true
	for _, k := range changed {
		m := l.merchants[k.MID]
		l.touchStrays(k.MID)
		l.each(m, func(id cellID) {
			for i := range l.cells[id].tallies {
				if t := &l.cells[id].tallies[i]; t.day == k {
					l.judge(id)
					return
				}
			}
		})
	}
}

// dayTally is what a merchant's business date is worth, from its payments.
type dayTally struct {
	net  int64
	n    int
	dues map[calendar.Date]int // when they are due, mostly one day
}

// dueOf gives when a business date is due: by its first payment.
func (l *Live) dueOf(m *merchant, k journey.DayKey, d *dayTally) calendar.Date {
	if len(d.dues) == 1 {
		for due := range d.dues {
			return due
		}
	}
	var first *match.Payment
	var due calendar.Date
	l.each(m, func(id cellID) {
		found := l.res.Merchants[id]
		for i := range l.cells[id].tallies {
			t := &l.cells[id].tallies[i]
			p := &found.Payments[i]
			if t.counts && t.day == k && (first == nil || l.comparePayments(p, first) < 0) {
				first, due = p, t.due
			}
		}
	})
	return due
}

// comparePayments orders payments of one merchant as matching does.
func (l *Live) comparePayments(a, b *match.Payment) int {
	if a.Time != b.Time {
		return cmp.Compare(a.Time, b.Time)
	}
	first := func(p *match.Payment) evidence.FactRef { return l.res.Merchants[l.byID[p.ID]].Facts(p)[0] }
	return l.set.CompareTime(first(a), first(b))
}

// know notes at which bank and account payouts of a merchant may come.
func (l *Live) know(mid evidence.Word, account, bank string) {
	put := func(index map[string]map[evidence.Word]bool, name string) {
		known := index[name]
		if known == nil {
			known = map[evidence.Word]bool{}
			index[name] = known
		}
		known[mid] = true
	}
	put(l.atAccount, strings.ReplaceAll(account, " ", ""))
	if bank != "" {
		put(l.atBank, bank)
	}
}
