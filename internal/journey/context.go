package journey

import (
	"cmp"
	"slices"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/match"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

// Context is what is known besides the payments' own facts, indexed for the
// questions that every payment asks: batches, files, statements, coverage,
// account states, holds. It is built once and then only read.
type Context struct {
	View   *evidence.View
	Match  *match.Result
	Book   *terms.Book
	AsOf   evidence.Instant
	facts  map[evidence.Word]*merchantFacts
	common *merchantFacts // declared for all merchants

	batches    map[batchKey][]evidence.FactRef
	coverage   map[string][]Span
	statements map[string][]statement
	// Files and the lines counted for them.
	ClearingFiles   map[FileKey]evidence.FactRef
	SettlementFiles map[FileKey]evidence.FactRef
	settlementParts map[FileKey][]evidence.FactRef // all files of a key, the latest of each source
	clearingDates   map[calendar.Date]bool         // of which any network's file is on record
	settlementDates map[calendar.Date]bool         // of which anybody's file is
	clearingLines   map[FileKey]lineCount
	settlementLines map[FileKey]lineCount
	limits          []evidence.FactRef
	orders          map[orderKey]orderSum
	direct          map[directKey]*match.Entry
	contested       map[directKey]bool
	unpaid          map[moneyKey]int64
	actions         map[evidence.Word][]evidence.FactRef // operator actions by terminal
}

// moneyKey is a merchant's money in one currency.
type moneyKey struct {
	mid      evidence.Word
	currency money.Currency
}

// Span is a half-open stretch of time.
type Span struct{ From, To evidence.Instant }

type statement struct {
	from, to calendar.Date
	ref      evidence.FactRef
}

type batchKey struct{ mid, tid, batch evidence.Word }

// FileKey names a day's file: of a network, or of a merchant (0: of all).
type FileKey struct {
	Of   evidence.Word
	Date calendar.Date
}

// lineCount is how many lines of a file are on record, and their signed sum.
type lineCount struct {
	n   int
	sum int64
}

func (l lineCount) plus(o match.LineCount) lineCount { return lineCount{l.n + o.N, l.sum + o.Sum} }

// merchantFacts says on which legs anybody has ever spoken for a merchant.
type merchantFacts struct {
	legs    [Credit + 1]bool
	account []evidence.FactRef // account.status in order of time
	risk    []evidence.FactRef // risk decisions on the merchant as a whole
}

// NewContext indexes a match result.
func NewContext(res *match.Result) *Context {
	c := emptyContext(res)
	for _, r := range res.Circumstances {
		c.hear(r, c.View.At(r))
	}
	c.readMerchants()
	c.proveDirectly()
	c.readOrders()
	return c
}

func emptyContext(res *match.Result) *Context {
	return &Context{
		View: res.View, Match: res, Book: res.Book, AsOf: res.View.AsOf,
		facts: map[evidence.Word]*merchantFacts{}, common: &merchantFacts{},
		batches: map[batchKey][]evidence.FactRef{}, coverage: map[string][]Span{}, statements: map[string][]statement{},
		ClearingFiles: map[FileKey]evidence.FactRef{}, SettlementFiles: map[FileKey]evidence.FactRef{}, settlementParts: map[FileKey][]evidence.FactRef{},
		clearingDates: map[calendar.Date]bool{}, settlementDates: map[calendar.Date]bool{},
		clearingLines: map[FileKey]lineCount{}, settlementLines: map[FileKey]lineCount{},
		orders: map[orderKey]orderSum{}, direct: map[directKey]*match.Entry{}, contested: map[directKey]bool{},
		unpaid: map[moneyKey]int64{}, actions: map[evidence.Word][]evidence.FactRef{},
	}
}

// inOrder adds a fact to a list in order of time; it is the last unless it came
// late.
func (c *Context) inOrder(list []evidence.FactRef, r evidence.FactRef) []evidence.FactRef {
	at := len(list)
	for at > 0 && c.View.CompareTime(list[at-1], r) > 0 {
		at--
	}
	return slices.Insert(list, at, r)
}

// later gives the later of two facts, of which the first may be none.
func (c *Context) later(a, b evidence.FactRef) evidence.FactRef {
	if a != 0 && c.View.CompareTime(a, b) > 0 {
		return a
	}
	return b
}

func (c *Context) of(mid evidence.Word) *merchantFacts {
	m := c.facts[mid]
	if m == nil {
		m = &merchantFacts{}
		c.facts[mid] = m
	}
	return m
}

// hear takes a circumstance. They come in order of time, or late.
func (c *Context) hear(r evidence.FactRef, f *evidence.Fact) {
	v := c.View
	switch f.Type {
	case evidence.TerminalBatch:
		k := batchKey{f.MID, f.TID, f.Batch}
		c.batches[k] = c.inOrder(c.batches[k], r)
		c.of(f.MID).legs[Capture] = true
	case evidence.TerminalSoftware:
		if f.MID != 0 && (f.State == evidence.SyncLag || f.State == evidence.SyncDone) {
			c.of(f.MID).legs[Capture] = true
		}
	case evidence.ClearingFile:
		k := FileKey{f.Network, f.Date}
		c.ClearingFiles[k] = c.later(c.ClearingFiles[k], r)
		c.clearingDates[k.Date] = true
		c.legOf(f.MID).legs[Clearing] = true
	case evidence.SettlementFile:
		c.addSettlementFile(FileKey{f.MID, f.Date}, r, f)
		c.legOf(f.MID).legs[Settlement] = true
	case evidence.BankStatement:
		account := accountKey(v.Text(r, evidence.Account))
		list := c.statements[account]
		at := len(list)
		for at > 0 && v.CompareTime(list[at-1].ref, r) > 0 {
			at--
		}
		c.statements[account] = slices.Insert(list, at, c.statementOf(r, f))
	case evidence.Coverage:
		of := v.Text(r, evidence.Of)
		span := c.span(r, f)
		at, _ := slices.BinarySearchFunc(c.coverage[of], span.From, func(s Span, from evidence.Instant) int { return cmp.Compare(s.From, from) })
		c.coverage[of] = slices.Insert(c.coverage[of], at, span)
		switch {
		case strings.HasPrefix(of, "terminal"):
			c.legOf(f.MID).legs[Capture] = true
		case strings.HasPrefix(of, "clearing"):
			c.legOf(f.MID).legs[Clearing] = true
		case of == "settlement":
			c.legOf(f.MID).legs[Settlement] = true
		case of == "payouts":
			c.legOf(f.MID).legs[Payout] = true
		}
	case evidence.LimitPolicy:
		c.limits = c.inOrder(c.limits, r)
	case evidence.OperatorAction:
		c.actions[f.TID] = c.inOrder(c.actions[f.TID], r)
	}
}

// addSettlementFile notes a file. A source that states a date again corrects
// itself; several sources, such as the bills of a weekend that is due on Monday,
// add up.
func (c *Context) addSettlementFile(k FileKey, r evidence.FactRef, f *evidence.Fact) {
	c.SettlementFiles[k] = c.later(c.SettlementFiles[k], r)
	c.settlementDates[k.Date] = true
	parts := c.settlementParts[k]
	for i, other := range parts {
		if c.View.At(other).Source == f.Source {
			parts[i] = c.later(other, r)
			return
		}
	}
	c.settlementParts[k] = append(parts, r)
}

// stated gives the count and the total that the files of a key state together;
// said is false where one of them does not say.
func (c *Context) stated(k FileKey, field evidence.Field) (sum int64, said bool) {
	for _, r := range c.settlementParts[k] {
		n, ok := c.View.Num(r, field)
		if !ok {
			return 0, false
		}
		sum += n
	}
	return sum, true
}

// legOf gives the facts of a merchant, or those declared for all.
func (c *Context) legOf(mid evidence.Word) *merchantFacts {
	if mid == 0 {
		return c.common
	}
	return c.of(mid)
}

func (c *Context) span(r evidence.FactRef, f *evidence.Fact) Span {
	edge := func(field evidence.Field) evidence.Instant {
		at, date, isDate, _ := c.View.Moment(r, field)
		if isDate {
			at = evidence.Instant((date.Unix(0) - int64(f.Offset)*60) * 1e9)
		}
		return at
	}
	return Span{edge(evidence.From), edge(evidence.To)}
}

func (c *Context) statementOf(r evidence.FactRef, f *evidence.Fact) statement {
	edge := func(field evidence.Field) calendar.Date {
		at, date, isDate, _ := c.View.Moment(r, field)
		if !isDate {
			date = calendar.DateOf(at.Unix(), int(f.Offset)*60)
		}
		return date
	}
	return statement{edge(evidence.From), edge(evidence.To), r}
}

func accountKey(s string) string { return strings.ReplaceAll(s, " ", "") }

func (c *Context) readMerchants() {
	v := c.View
	for _, m := range c.Match.Merchants {
		facts := c.of(m.MID)
		for _, r := range m.General {
			switch v.At(r).Type {
			case evidence.AccountStatus:
				facts.account = append(facts.account, r)
			case evidence.RiskDecision:
				facts.risk = append(facts.risk, r)
			}
		}
		for k, n := range m.Clearing {
			facts.legs[Clearing] = true
			c.clearingLines[FileKey(k)] = c.clearingLines[FileKey(k)].plus(n)
		}
		for date, n := range m.Settlement {
			facts.legs[Settlement] = true
			for _, k := range [2]FileKey{{m.MID, date}, {0, date}} {
				c.settlementLines[k] = c.settlementLines[k].plus(n)
			}
		}
	}
	for _, p := range c.Match.Payouts {
		if len(p.Statuses) > 0 {
			c.of(p.MID).legs[Payout] = true
		}
		if c.awaits(p) {
			c.unpaid[moneyKey{p.MID, p.Currency}] += p.Net
		}
	}
}

// awaits reports whether a payout's lines wait to be paid.
func (c *Context) awaits(p *match.Payout) bool {
	state, _ := p.State(c.View)
	return p.Lines > 0 && p.Sent == 0 && len(p.Entries) == 0 && state != evidence.Rejected && state != evidence.Returned
}

// FileGap is a file whose lines on record do not make up what it says.
type FileGap struct {
	File         evidence.FactRef
	Lines        int // on record
	Count        int // by the file; -1 where it does not say
	Sum          int64
	Total        int64 // by the file
	TotalDiffers bool
}

// FileGaps lists the clearing and settlement files whose lines fall short of
// their own count, or whose sum differs from their own total.
func (c *Context) FileGaps() []FileGap {
	var out []FileGap
	check := func(r evidence.FactRef, have lineCount, stated func(evidence.Field) (int64, bool)) {
		g := FileGap{File: r, Lines: have.n, Count: -1, Sum: have.sum}
		if count, ok := stated(evidence.Count); ok {
			g.Count = int(count)
		}
		total, said := stated(evidence.Total)
		g.Total, g.TotalDiffers = total, said && total != have.sum
		if g.Count >= 0 && g.Count != g.Lines || g.TotalDiffers {
			out = append(out, g)
		}
	}
	for k, r := range c.ClearingFiles {
		have := c.clearingLines[k]
		if k.Of != 0 {
			more := c.clearingLines[FileKey{0, k.Date}]
			have.n, have.sum = have.n+more.n, have.sum+more.sum
		}
		check(r, have, func(f evidence.Field) (int64, bool) { return c.View.Num(r, f) })
	}
	for k, r := range c.SettlementFiles {
		check(r, c.settlementLines[k], func(f evidence.Field) (int64, bool) { return c.stated(k, f) })
	}
	slices.SortFunc(out, func(a, b FileGap) int { return c.View.CompareTime(a.File, b.File) })
	return out
}

// Speaks reports whether anybody has ever spoken or declared anything on a leg
// for a merchant. The credit always counts: it is what is asked about.
func (c *Context) Speaks(mid evidence.Word, l Leg) bool {
	return l == Credit || c.of2(mid).legs[l] || c.common.legs[l]
}

var silent merchantFacts

func (c *Context) of2(mid evidence.Word) *merchantFacts {
	if m := c.facts[mid]; m != nil {
		return m
	}
	return &silent
}

// Covered reports whether a witness has declared all its facts of a moment.
func (c *Context) Covered(of string, at evidence.Instant) bool {
	for _, s := range c.coverage[of] {
		if s.From <= at && at < s.To {
			return true
		}
	}
	return false
}

// CoveredSpan reports whether a witness has declared all its facts of a stretch
// of time; neighbouring declarations add up.
func (c *Context) CoveredSpan(of string, from, to evidence.Instant) bool {
	for _, s := range c.coverage[of] { // in order of their beginnings
		if s.From > from || from >= to {
			break
		}
		from = max(from, s.To)
	}
	return from >= to
}

// Statement gives the complete statement of an account that covers a date; an
// empty account is one that nobody named, and any account's statement counts.
func (c *Context) Statement(account string, date calendar.Date) (evidence.FactRef, bool) {
	if account = accountKey(account); account != "" {
		return cover(c.statements[account], date)
	}
	var best evidence.FactRef
	for _, list := range c.statements {
		if r, ok := cover(list, date); ok && (best == 0 || c.View.CompareTime(r, best) < 0) {
			best = r
		}
	}
	return best, best != 0
}

func cover(list []statement, date calendar.Date) (evidence.FactRef, bool) {
	for _, s := range list {
		if s.from <= date && date <= s.to {
			return s.ref, true
		}
	}
	return 0, false
}

// Batch gives the facts of a terminal's batch in order of time; what a terminal
// said without its merchant counts too.
func (c *Context) Batch(mid, tid, batch evidence.Word) []evidence.FactRef {
	list := c.batches[batchKey{mid, tid, batch}]
	if more := c.batches[batchKey{0, tid, batch}]; mid != 0 && len(more) > 0 {
		list = append(slices.Clone(list), more...)
		slices.SortFunc(list, c.View.CompareTime)
	}
	return list
}

// ClearingFile gives the network's file of a business date, and whether all of
// its lines are on record. A file that does not say its count is whole.
func (c *Context) ClearingFile(network evidence.Word, date calendar.Date) (r evidence.FactRef, whole bool) {
	k := FileKey{network, date}
	r, ok := c.ClearingFiles[k]
	if !ok && network == 0 && len(c.ClearingFiles) > 0 { // the payment does not know its network
		only := evidence.FactRef(0)
		for key, ref := range c.ClearingFiles {
			if key.Date == date {
				if only != 0 {
					return 0, false
				}
				only, k = ref, key
			}
		}
		r, ok = only, only != 0
	}
	if !ok {
		return 0, false
	}
	count, said := c.View.Num(r, evidence.Count)
	return r, !said || c.clearingLines[k].n+c.unnamed(k) >= int(count)
}

// unnamed counts lines that do not name their network, where one network only
// has files of the date.
func (c *Context) unnamed(k FileKey) int {
	if k.Of == 0 {
		return 0
	}
	return c.clearingLines[FileKey{0, k.Date}].n
}

// SettlementFile gives the settlement file of a date for a merchant, or for
// all, and whether all of its lines are on record.
func (c *Context) SettlementFile(mid evidence.Word, date calendar.Date) (r evidence.FactRef, whole bool) {
	k := FileKey{mid, date}
	r, ok := c.SettlementFiles[k]
	if !ok {
		k.Of = 0
		if r, ok = c.SettlementFiles[k]; !ok {
			return 0, false
		}
	}
	count, said := c.stated(k, evidence.Count)
	return r, !said || c.settlementLines[k].n >= int(count)
}

// AnySettlementFile reports whether a settlement file of a date is on record for
// anyone.
func (c *Context) AnySettlementFile(date calendar.Date) bool { return c.settlementDates[date] }

// fortnight is how near the files of other days have to be, in days, to show that
// one was to be expected.
const fortnight = 14

// SettlementFilesAround reports whether settlement files of other dates within a
// fortnight are on record.
func (c *Context) SettlementFilesAround(date calendar.Date) bool {
	return around(date, func(d calendar.Date) bool { return c.settlementDates[d] })
}

// ClearingFilesAround reports whether a network's files of other dates within a
// fortnight are on record; 0 asks for those of any network.
func (c *Context) ClearingFilesAround(network evidence.Word, date calendar.Date) bool {
	return around(date, func(d calendar.Date) bool {
		return c.clearingDates[d] && (network == 0 || c.ClearingFiles[FileKey{network, d}] != 0)
	})
}

func around(date calendar.Date, has func(calendar.Date) bool) bool {
	for n := calendar.Date(1); n <= fortnight; n++ {
		if has(date-n) || has(date+n) {
			return true
		}
	}
	return false
}

// SettledLines counts the settlement lines of a date, of a merchant or of all.
func (c *Context) SettledLines(mid evidence.Word, date calendar.Date) int {
	return c.settlementLines[FileKey{mid, date}].n
}

// AccountState gives the fact that holds of a merchant's account; 0 where it is
// active or nothing is known.
func (c *Context) AccountState(mid evidence.Word) (evidence.State, evidence.FactRef) {
	list := c.of2(mid).account
	if len(list) == 0 {
		return evidence.NoState, 0
	}
	r := list[len(list)-1]
	return c.View.At(r).State, r
}

// AccountStates gives all account.status facts of a merchant in order of time.
func (c *Context) AccountStates(mid evidence.Word) []evidence.FactRef { return c.of2(mid).account }

// MerchantHold gives the hold on a merchant as a whole that no release of the
// merchant ended; 0 for none.
func (c *Context) MerchantHold(mid evidence.Word) evidence.FactRef {
	var hold evidence.FactRef
	for _, r := range c.of2(mid).risk {
		switch c.View.At(r).State {
		case evidence.Hold:
			hold = r
		case evidence.Release:
			hold = 0
		}
	}
	return hold
}

// Limits gives the limit policies in force in order of time.
func (c *Context) Limits() []evidence.FactRef { return c.limits }

// payoutLimit gives the payout policy of a merchant itself: the money over it
// goes out next day.
func (c *Context) payoutLimit(mid evidence.Word) (limit int64, fact evidence.FactRef) {
	scope := "mid/" + c.View.Words.Text(mid)
	for _, r := range c.limits {
		if c.View.At(r).Kind != evidence.PayoutKind || c.View.Text(r, evidence.Scope) != scope {
			continue
		}
		limit, fact = 0, r
		for _, field := range []evidence.Field{evidence.MaxAmount, evidence.DailyAmount} {
			if n, ok := c.View.Num(r, field); ok && (limit == 0 || n < limit) {
				limit = n
			}
		}
	}
	return limit, fact
}

type orderKey struct{ mid, order evidence.Word }

// orderSum is what the payments of an order charge, and the last of them.
type orderSum struct {
	sum  int64
	last *match.Payment
}

type directKey struct {
	mid      evidence.Word
	date     calendar.Date
	currency money.Currency
}

// readOrders sums the payments that charge for each order.
func (c *Context) readOrders() {
	for _, m := range c.Match.Merchants {
		c.readOrdersOf(m)
	}
}

func (c *Context) readOrdersOf(m *match.Merchant) {
	if !m.Ordered {
		return
	}
	var j Journey
	for i := range m.Payments {
		p := &m.Payments[i]
		ordered := false
		for _, r := range m.Facts(p) {
			ordered = ordered || c.View.At(r).Type == evidence.SaleOrder
		}
		if !ordered {
			continue
		}
		c.Compute(m, p, &j)
		if !j.Charging() {
			continue
		}
		k := orderKey{m.MID, j.Keys.OrderID}
		o := c.orders[k]
		o.sum += j.Amount
		o.last = p
		c.orders[k] = o
	}
}

// Actions gives what operators did at a terminal, in order of time.
func (c *Context) Actions(tid evidence.Word) []evidence.FactRef { return c.actions[tid] }
