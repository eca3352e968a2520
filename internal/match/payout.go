package match

import (
	"cmp"
	"slices"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/money"
	"daozhang/internal/terms"
)

// Payout is one transfer to a merchant: the settlement lines it carries, what
// was said of it, and the bank entries that prove it.
type Payout struct {
	ID       evidence.Word // 0: lines of one settlement date that name no payout
	MID      evidence.Word
	Merchant *Merchant
	Currency money.Currency
	// Lines counts its settlement lines and Net is the sum of what they add,
	// in minor units.
	Lines int
	Net   int64
	// Amount is what the payout itself says, else Net.
	Amount   int64
	Account  string
	Bank     string
	Statuses []evidence.FactRef // payout.status in order of time
	// Date is the settlement date of its lines, else the date it was sent.
	Date calendar.Date
	// Last is the latest settlement date of its lines, else the same as Date.
	Last calendar.Date
	// Sent is when it was first sent or accepted; 0 where nobody says so.
	Sent evidence.Instant
	// Replaces is the payout that this one sends again, or a part of it;
	// ReplacedBy are those that send this one again, in order of time.
	Replaces   *Payout
	ReplacedBy []*Payout
	Entries    []*Entry
	Proved     int64 // by booked entries, in minor units
	Contested  bool  // an ambiguous entry may prove it
	stated     bool  // Amount comes from a status
}

// State gives the latest word on a payout, and the fact that says it. The
// platform's own "credited" is worth "accepted".
func (p *Payout) State(v *evidence.View) (evidence.State, evidence.FactRef) {
	if len(p.Statuses) == 0 {
		return evidence.NoState, 0
	}
	r := p.Statuses[len(p.Statuses)-1]
	s := v.At(r).State
	if s == evidence.Credited && v.Text(r, evidence.By) == "platform" {
		s = evidence.Accepted
	}
	return s, r
}

// resends reports whether a payout is another, or sends it again.
func (p *Payout) resends(other *Payout) bool {
	for ; p != nil; p = p.Replaces {
		if p == other {
			return true
		}
	}
	return false
}

// Current gives what stands for the payout now: itself, or of those that send it
// again the one that is still open, else the last.
func (p *Payout) Current() *Payout {
	if len(p.ReplacedBy) == 0 || len(p.Entries) > 0 {
		return p
	}
	for _, again := range p.ReplacedBy {
		if c := again.Current(); len(c.Entries) == 0 {
			return c
		}
	}
	return p.ReplacedBy[len(p.ReplacedBy)-1].Current()
}

// Proof gives the bank entries of a payout and of all that send it again, in
// order of date, and what they prove together.
func (p *Payout) Proof() (entries []*Entry, proved int64) {
	if len(p.ReplacedBy) == 0 {
		return p.Entries, p.Proved
	}
	entries, proved = slices.Clone(p.Entries), p.Proved
	for _, again := range p.ReplacedBy {
		more, sum := again.Proof()
		entries, proved = append(entries, more...), proved+sum
	}
	slices.SortStableFunc(entries, func(a, b *Entry) int { return cmp.Compare(a.Date, b.Date) })
	return entries, proved
}

type payoutKey struct {
	mid, id  evidence.Word
	date     calendar.Date // where there is no id
	currency money.Currency
}

// payoutSum is what the settlement lines of one payout add up to.
type payoutSum struct {
	lines    int
	net      int64
	date     calendar.Date // the first of its lines' settlement dates
	last     calendar.Date
	currency money.Currency
	first    evidence.FactRef // of them in time, where lines come and go
}

// dated takes the settlement date of a line; 0 where it has none.
func (p *payoutSum) dated(d calendar.Date) {
	if d == 0 || d == calendar.None {
		return
	}
	if p.date == calendar.None || d < p.date {
		p.date = d
	}
	if p.last == calendar.None || d > p.last {
		p.last = d
	}
}

// joinPayouts makes the payouts from settlement lines and payout.status facts.
func (res *Result) joinPayouts(statuses []evidence.FactRef) {
	v := res.View
	byKey := map[payoutKey]*Payout{}
	byID := map[evidence.Word][]*Payout{}
	at := func(k payoutKey, m *Merchant) *Payout {
		p := byKey[k]
		if p == nil {
			p = &Payout{ID: k.id, MID: k.mid, Merchant: m, Currency: k.currency, Date: calendar.None, Last: calendar.None}
			byKey[k] = p
			byID[k.id] = append(byID[k.id], p)
			res.Payouts = append(res.Payouts, p)
		}
		return p
	}
	merchants := map[evidence.Word]*Merchant{}
	for _, m := range res.Merchants {
		merchants[m.MID] = m
	}
	for _, m := range res.Merchants {
		for k, sum := range m.payouts {
			p := at(k, m)
			p.Lines, p.Net, p.Date, p.Last = sum.lines, sum.net, sum.date, sum.last
			if p.Currency == (money.Currency{}) {
				p.Currency = sum.currency
			}
		}
	}
	slices.SortFunc(statuses, v.CompareTime)
	for _, r := range statuses {
		f := v.At(r)
		var p *Payout
		if f.MID == 0 {
			if same := byID[f.Payout]; len(same) == 1 {
				p = same[0]
			}
		}
		if p == nil {
			p = at(payoutKey{mid: f.MID, id: f.Payout}, merchants[f.MID])
		}
		p.Statuses = append(p.Statuses, r)
		if amount, ok := f.Amount(); ok {
			p.Amount, p.stated, p.Currency = amount, true, f.Currency
		}
		fillText(&p.Account, v.Text(r, evidence.Account))
		fillText(&p.Bank, v.Text(r, evidence.Bank))
		if (f.State == evidence.Sent || f.State == evidence.Accepted || f.State == evidence.Credited) && p.Sent == 0 {
			p.Sent = f.Time
		}
		if old := v.Text(r, evidence.Replaces); old != "" && p.Replaces == nil {
			if w, ok := v.Words.Find(old); ok {
				if o := byKey[payoutKey{mid: p.MID, id: w}]; o != nil && !o.resends(p) {
					p.Replaces = o
					o.ReplacedBy = append(o.ReplacedBy, p)
				}
			}
		}
	}
	for _, p := range res.Payouts {
		t := res.payoutTerms(p)
		if !p.stated {
			p.Amount = p.Net
		}
		fillText(&p.Account, t.Account)
		fillText(&p.Bank, t.Bank)
		if p.Date == calendar.None {
			if len(p.Statuses) > 0 {
				p.Date = t.LocalDate(v.At(p.Statuses[0]).Time)
			}
		}
		if p.Last == calendar.None {
			p.Last = p.Date
		}
	}
	res.payoutsByKey = byKey
	slices.SortFunc(res.Payouts, res.comparePayouts)
	res.adoptLines()
}

func (res *Result) comparePayouts(a, b *Payout) int {
	words := res.View.Words
	return cmp.Or(words.Compare(a.MID, b.MID), cmp.Compare(a.Date, b.Date), words.Compare(a.ID, b.ID), strings.Compare(a.Currency.String(), b.Currency.String()))
}

// adoptLines gives the lines of a settlement date that name no payout to the
// payout whose own amount they sum to, where there is only one.
func (res *Result) adoptLines() {
	for _, loose := range res.Payouts {
		if loose.ID != 0 {
			continue
		}
		var fit []*Payout
		for _, p := range res.Payouts {
			if p.ID != 0 && p.MID == loose.MID && p.Lines == 0 && p.Replaces == nil && p.stated && p.Amount == loose.Net &&
				p.Currency == loose.Currency && p.Date >= loose.Date && p.Date <= loose.Date+7 {
				fit = append(fit, p)
			}
		}
		if len(fit) == 1 {
			p := fit[0]
			p.Lines, p.Net = loose.Lines, loose.Net
			loose.Lines = 0
			res.payoutsByKey[payoutKey{mid: loose.MID, date: loose.Date, currency: loose.Currency}] = p
		}
	}
	res.Payouts = slices.DeleteFunc(res.Payouts, func(p *Payout) bool { return p.ID == 0 && p.Lines == 0 })
}

// payoutOfLine gives the key of the payout that a settlement line belongs to.
func payoutOfLine(v *evidence.View, r evidence.FactRef, mid evidence.Word) payoutKey {
	f := v.At(r)
	if f.Payout != 0 {
		return payoutKey{mid: mid, id: f.Payout}
	}
	return payoutKey{mid: mid, date: f.Date, currency: netCurrency(v, r, f)}
}

// netCurrency gives the currency in which a settlement line is paid out.
func netCurrency(v *evidence.View, r evidence.FactRef, f *evidence.Fact) money.Currency {
	if c, err := money.ParseCurrency(v.Text(r, evidence.NetCurrency)); err == nil {
		return c
	}
	return f.Currency
}

// PayoutOf gives the payout that a merchant's settlement line belongs to.
func (res *Result) PayoutOf(m *Merchant, line evidence.FactRef) *Payout {
	return res.payoutsByKey[payoutOfLine(res.View, line, m.MID)]
}

// LineNet gives what a settlement line adds to its payout: its net, or where
// that is not given its gross less its fee, negative for what takes away.
func LineNet(f *evidence.Fact) int64 {
	if n, ok := f.Net(); ok {
		return n
	}
	gross, _ := f.Amount()
	fee, _ := f.Fee()
	switch f.Kind {
	case evidence.Void, evidence.Refund, evidence.Reversal, evidence.Chargeback, evidence.FeeKind, evidence.Reserve, evidence.Adjustment:
		return -gross - fee
	}
	return gross - fee
}

func (res *Result) payoutTerms(p *Payout) *terms.Terms {
	at, offset := p.Sent, int16(0)
	if len(p.Statuses) > 0 {
		f := res.View.At(p.Statuses[0])
		offset = f.Offset
		if at == 0 {
			at = f.Time
		}
	}
	if at == 0 && p.Date != calendar.None {
		at = evidence.Instant(p.Date.Unix(0) * 1e9)
	}
	return res.Book.At(p.MID, at, offset)
}

func fillText(s *string, t string) {
	if *s == "" {
		*s = t
	}
}
