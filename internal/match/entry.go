package match

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/fault"
	"daozhang/internal/money"
)

// Entry is one movement on a merchant's account, however many messages tell of
// it.
type Entry struct {
	Fact     evidence.FactRef   // the booked message, else the first
	Facts    []evidence.FactRef // all messages
	Account  string
	Currency money.Currency
	Amount   int64 // minor units, negative for a debit
	Date     calendar.Date
	Booked   bool
	Payouts  []*Payout
	// Placed tells that it proves payouts, or business dates directly.
	Placed    bool
	Ambiguous bool
}

// Bounds of the search for sets of payouts or entries whose sum is exact.
const (
	setSize      = 12 // members of a set, contract
	setPool      = 28 // payouts or entries in one window that are searched
	creditWindow = 5  // business days from sending to booking, contract
)

// readEntries joins the messages of one entry: those with equal account and
// entry_ref; and, where one has none, of the same account, date, amount,
// direction and text in another document.
func (res *Result) readEntries(refs []evidence.FactRef) {
	v := res.View
	slices.SortFunc(refs, v.CompareTime)
	// The amount too: banks put one reference on several movements.
	type named struct {
		account, ref string
		amount       int64
		currency     money.Currency
	}
	type told struct {
		account, text string
		date          calendar.Date
		amount        int64
		currency      money.Currency
	}
	byRef := map[named]*Entry{}
	byText := map[told][]*Entry{}
	sources := map[*Entry][]evidence.Word{}
	for _, r := range refs {
		f := v.At(r)
		amount, _ := f.Amount()
		if f.Debit() {
			amount = -amount
		}
		date := f.Date
		if date == 0 {
			date = calendar.DateOf(f.Time.Unix(), int(f.Offset)*60)
		}
		account := strings.ReplaceAll(v.Text(r, evidence.Account), " ", "")
		key := told{account, v.Text(r, evidence.Text), date, amount, f.Currency}
		ref := v.Text(r, evidence.EntryRef)
		var e *Entry
		if ref != "" {
			e = byRef[named{account, ref, amount, f.Currency}]
		}
		if e == nil {
			for _, other := range byText[key] {
				otherRef := v.Text(other.Fact, evidence.EntryRef)
				if (ref == "" || otherRef == "") && !slices.Contains(sources[other], f.Source) {
					e = other
					break
				}
			}
		}
		if e == nil {
			e = &Entry{Fact: r, Account: account, Currency: f.Currency, Amount: amount, Date: date}
			res.Entries = append(res.Entries, e)
			byText[key] = append(byText[key], e)
		}
		if ref != "" {
			byRef[named{account, ref, amount, f.Currency}] = e
		}
		e.Facts = append(e.Facts, r)
		sources[e] = append(sources[e], f.Source)
		if f.State != evidence.Pending && !e.Booked {
			e.Booked = true
			e.Fact, e.Date, e.Amount = r, date, amount
		}
	}
	slices.SortStableFunc(res.Entries, res.CompareEntries)
}

// CompareEntries orders entries by date, then by the fact that tells.
func (res *Result) CompareEntries(a, b *Entry) int {
	return cmp.Or(cmp.Compare(a.Date, b.Date), res.View.CompareTime(a.Fact, b.Fact))
}

// joinEntries joins booked entries to payouts: by the payout's id, by exact
// amount within the window, by the only set that sums exactly.
func (res *Result) joinEntries(refs []evidence.FactRef) {
	res.readEntries(refs)
	byID := map[string][]*Payout{}
	for _, p := range res.Payouts {
		if p.ID != 0 {
			id := res.View.Words.Text(p.ID)
			byID[id] = append(byID[id], p)
		}
	}
	for _, e := range res.Entries {
		if e.Booked {
			res.joinByReference(e, byID)
		}
	}
	accounts, order := res.openByAccount()
	for _, account := range order {
		a := accounts[account]
		res.joinByAmount(a)
		res.joinBySet(a)
	}
}

func (res *Result) joinByReference(e *Entry, byID map[string][]*Payout) {
	var named []*Payout
	note := func(token string, converted bool) {
		for _, p := range res.ownPayouts(e, byID[token]) {
			if !slices.Contains(named, p) && (converted || p.Currency == e.Currency || p.Currency == money.Currency{}) {
				named = append(named, p)
			}
		}
	}
	for _, r := range e.Facts {
		for _, token := range res.View.List(r, evidence.References) {
			note(token, true)
		}
	}
	if len(named) == 0 {
		for _, r := range e.Facts {
			for _, token := range tokens(res.View.Text(r, evidence.Text)) {
				note(token, false)
			}
		}
	}
	// Beside a payout in its own currency it is no conversion of another.
	if own := slices.DeleteFunc(slices.Clone(named), func(p *Payout) bool {
		return p.Currency != e.Currency && p.Currency != money.Currency{}
	}); len(own) > 0 {
		named = own
	}
	if len(named) > 0 {
		res.prove(e, named)
	}
}

// ownPayouts keeps, of payouts with one id, those that can be paid to the
// entry's account.
func (res *Result) ownPayouts(e *Entry, list []*Payout) []*Payout {
	if len(list) < 2 {
		return list
	}
	var own, open []*Payout
	for _, p := range list {
		switch strings.ReplaceAll(p.Account, " ", "") {
		case e.Account:
			own = append(own, p)
		case "":
			open = append(open, p)
		}
	}
	switch {
	case len(own) > 0:
		return own
	case len(open) > 0:
		return open
	}
	return list
}

// tokens gives the words of an entry's text that may be a payout's id.
func tokens(text string) []string {
	var out []string
	split := func(s string, keep string) {
		for _, token := range strings.FieldsFunc(s, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(keep, r) || r > unicode.MaxASCII
		}) {
			if token = strings.Trim(token, "-_./:"); len(token) >= 4 && !slices.Contains(out, token) {
				out = append(out, token)
			}
		}
	}
	split(text, "-_./:")
	split(text, "-_.")
	split(text, "-_")
	return out
}

// prove lets an entry prove payouts, in the order given; what it has beyond
// them, and what it lacks, falls on the last. An entry in another currency that
// names a payout is what the bank made of it: it proves the payout whole.
func (res *Result) prove(e *Entry, payouts []*Payout) {
	e.Placed, e.Payouts = true, payouts
	left := e.Amount
	for i, p := range payouts {
		if p.Currency == (money.Currency{}) { // nobody has said
			p.Currency = e.Currency
		}
		if p.Currency != e.Currency {
			p.Entries = append(p.Entries, e)
			p.Proved = max(p.Proved, p.Amount)
			continue
		}
		part := left
		if open := p.Amount - p.Proved; i < len(payouts)-1 && open < part {
			part = max(open, 0)
		}
		p.Entries = append(p.Entries, e)
		p.Proved += part
		left -= part
	}
}

// openAccount is what is still to be joined on one account.
type openAccount struct {
	entries []*Entry
	payouts []*Payout
}

// openByAccount gathers booked credits and payouts not joined yet. A payout
// whose account nobody knows may come to any account.
func (res *Result) openByAccount() (map[string]*openAccount, []string) {
	accounts := map[string]*openAccount{}
	var order []string
	for _, e := range res.Entries {
		if e.Booked && !e.Placed && e.Amount > 0 {
			if accounts[e.Account] == nil {
				accounts[e.Account] = &openAccount{}
				order = append(order, e.Account)
			}
			accounts[e.Account].entries = append(accounts[e.Account].entries, e)
		}
	}
	slices.Sort(order)
	for _, p := range res.Payouts {
		state, _ := p.State(res.View)
		if len(p.Entries) > 0 || p.Amount <= 0 || state == evidence.Rejected || state == evidence.Returned || p.Date == calendar.None {
			continue
		}
		account := strings.ReplaceAll(p.Account, " ", "")
		if account != "" {
			if a := accounts[account]; a != nil {
				a.payouts = append(a.payouts, p)
			}
			continue
		}
		for _, name := range order {
			accounts[name].payouts = append(accounts[name].payouts, p)
		}
	}
	return accounts, order
}

// inWindow reports whether an entry was booked from the sending of a payout to
// five business days after.
func (res *Result) inWindow(e *Entry, p *Payout) bool {
	t := res.payoutTerms(p)
	from := p.Date
	if p.Sent != 0 {
		from = t.LocalDate(p.Sent)
	}
	return e.Date >= from && e.Date <= t.Calendar.AddBusinessDays(from, creditWindow) && e.Currency == p.Currency
}

// joinByAmount joins entries and payouts of exactly one amount. Where as many
// or more entries than payouts of an amount fit, they are taken in order of
// time, since every assignment proves the same payouts; with fewer entries than
// payouts nobody can say which is proven.
func (res *Result) joinByAmount(a *openAccount) {
	byAmount := map[int64][]*Payout{}
	for _, p := range a.payouts {
		byAmount[p.Amount] = append(byAmount[p.Amount], p)
	}
	done := map[*Entry]bool{}
	for _, e := range a.entries {
		if done[e] {
			continue
		}
		entries, payouts := []*Entry{e}, []*Payout(nil)
		done[e] = true
		for n := 0; n < len(entries); n++ { // the connected part
			for _, p := range byAmount[e.Amount] {
				if len(p.Entries) > 0 || !res.inWindow(entries[n], p) || slices.Contains(payouts, p) {
					continue
				}
				payouts = append(payouts, p)
				for _, o := range a.entries {
					if !done[o] && o.Amount == e.Amount && res.inWindow(o, p) {
						done[o] = true
						entries = append(entries, o)
					}
				}
			}
		}
		if len(payouts) == 0 {
			continue
		}
		slices.SortStableFunc(entries, func(x, y *Entry) int { return cmp.Compare(x.Date, y.Date) })
		slices.SortStableFunc(payouts, func(x, y *Payout) int { return cmp.Compare(res.sendDate(x), res.sendDate(y)) })
		if assignment := res.assign(entries, payouts); assignment != nil {
			for i, p := range payouts {
				res.prove(assignment[i], []*Payout{p})
			}
			continue
		}
		for _, x := range entries {
			res.doubt(x, payouts, fault.Say("fits several payouts of this amount equally", "与多笔同金额的出款同样相符"))
		}
	}
}

func (res *Result) sendDate(p *Payout) calendar.Date {
	if p.Sent != 0 {
		return res.payoutTerms(p).LocalDate(p.Sent)
	}
	return p.Date
}

// assign gives each payout, in order of sending, the earliest entry left in its
// window; nil where not every payout gets one.
func (res *Result) assign(entries []*Entry, payouts []*Payout) []*Entry {
	if len(entries) < len(payouts) {
		return nil
	}
	out := make([]*Entry, len(payouts))
	used := make([]bool, len(entries))
	for i, p := range payouts {
		for j, e := range entries {
			if !used[j] && res.inWindow(e, p) {
				used[j], out[i] = true, e
				break
			}
		}
		if out[i] == nil {
			return nil
		}
	}
	return out
}

// doubt reports an entry that fits in several ways.
func (res *Result) doubt(e *Entry, payouts []*Payout, why fault.Text) {
	if e.Ambiguous {
		return
	}
	e.Ambiguous = true
	for _, p := range payouts {
		p.Contested = true
	}
	res.Ambiguous = append(res.Ambiguous, Ambiguity{Fact: e.Fact, Payouts: payouts, Why: why})
}

// joinBySet joins an entry to the only set of payouts, and a payout to the only
// set of entries, that sums to it exactly.
func (res *Result) joinBySet(a *openAccount) {
	for again := true; again; {
		again = false
		for _, e := range a.entries {
			if e.Placed || e.Ambiguous {
				continue
			}
			var pool []*Payout
			for _, p := range a.payouts {
				if len(p.Entries) == 0 && !p.Contested && p.Amount < e.Amount && res.inWindow(e, p) {
					pool = append(pool, p)
				}
			}
			set, several := exactSets(pool, func(p *Payout) int64 { return p.Amount }, e.Amount)
			switch {
			case several != nil:
				res.doubt(e, several, fault.Say("several sets of payouts sum to it exactly", "有多组出款的合计与它恰好相等"))
			case set != nil && res.rivals(a, e, set):
				res.doubt(e, set, fault.Say("another entry may prove the same payouts", "另有一笔入账也可能对应同样的出款"))
			case set != nil:
				res.prove(e, set)
				again = true
			}
		}
	}
	for _, p := range a.payouts {
		if len(p.Entries) > 0 || p.Contested {
			continue
		}
		var pool []*Entry
		for _, e := range a.entries {
			if !e.Placed && !e.Ambiguous && e.Amount < p.Amount && res.inWindow(e, p) {
				pool = append(pool, e)
			}
		}
		set, several := exactSets(pool, func(e *Entry) int64 { return e.Amount }, p.Amount)
		if several != nil {
			for _, e := range several {
				res.doubt(e, []*Payout{p}, fault.Say("several sets of entries sum to the payout exactly", "有多组入账的合计与该笔出款恰好相等"))
			}
			continue
		}
		for _, e := range set {
			res.prove(e, []*Payout{p})
		}
	}
}

// rivals reports whether another open entry has a set that shares a payout with
// this one.
func (res *Result) rivals(a *openAccount, e *Entry, set []*Payout) bool {
	for _, o := range a.entries {
		if o == e || o.Placed || o.Ambiguous {
			continue
		}
		var pool []*Payout
		for _, p := range a.payouts {
			if len(p.Entries) == 0 && p.Amount < o.Amount && res.inWindow(o, p) {
				pool = append(pool, p)
			}
		}
		other, several := exactSets(pool, func(p *Payout) int64 { return p.Amount }, o.Amount)
		for _, p := range append(other, several...) {
			if slices.Contains(set, p) {
				return true
			}
		}
	}
	return false
}
