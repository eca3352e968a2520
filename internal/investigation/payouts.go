package investigation

import (
	"cmp"
	"slices"
	"sort"
	"strings"

	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/match"
	"daozhang/internal/money"
)

// PayoutState is how a payout stands, as far as is proved.
type PayoutState uint8

// The states of a payout.
const (
	PayoutSettled  PayoutState = iota // its lines are on record, nobody has spoken of a transfer
	PayoutCreated                     // made, and not sent yet
	PayoutSent                        // at the bank, which has not said more than that it took the order
	PayoutCredited                    // the bank says so; no statement shows it
	PayoutArrived                     // booked entries prove all of it
	PayoutPartly                      // booked entries prove a part
	PayoutHeld
	PayoutRejected // the bank refused the order
	PayoutReturned // it came back
	PayoutResent   // refused or returned, and sent again by others
)

var payoutStates = [...]string{"settled", "created", "sent", "credited", "arrived", "partly", "held", "rejected", "returned", "resent"}

// String gives the state's word in addresses and exports.
func (s PayoutState) String() string { return payoutStates[s] }

// PayoutStates are all states in their order.
func PayoutStates() []PayoutState {
	list := make([]PayoutState, len(payoutStates))
	for i := range list {
		list[i] = PayoutState(i)
	}
	return list
}

// StateOf says how a payout stands.
func StateOf(v *evidence.View, p *match.Payout) PayoutState {
	said, _ := p.State(v)
	switch {
	case len(p.ReplacedBy) > 0 && (said == evidence.Rejected || said == evidence.Returned):
		return PayoutResent
	case said == evidence.Rejected:
		return PayoutRejected
	case said == evidence.Returned:
		return PayoutReturned
	case len(p.Entries) > 0 && p.Proved >= p.Amount:
		return PayoutArrived
	case len(p.Entries) > 0 && p.Proved > 0:
		return PayoutPartly
	}
	switch said {
	case evidence.Held:
		return PayoutHeld
	case evidence.Credited:
		return PayoutCredited
	case evidence.Sent, evidence.Accepted:
		return PayoutSent
	case evidence.Created:
		return PayoutCreated
	}
	return PayoutSettled
}

// PayoutFilter narrows a list of payouts. What is zero does not narrow.
type PayoutFilter struct {
	MID, ID string
	// From and To bound the date, both included.
	From, To calendar.Date
	States   []PayoutState // any of
	Bank     string        // part of its name
	Amounts  Bounds
}

// PayoutMark is a place in a list of payouts; the zero value is the beginning.
type PayoutMark struct {
	Date     calendar.Date
	MID, ID  string
	Currency string
}

// PayoutPage is a part of a list, and what the whole list adds up to.
type PayoutPage struct {
	Payouts []*match.Payout
	Next    PayoutMark
	More    bool
	Sums    map[money.Currency]Sum
}

// Count counts all that pass the filter.
func (p *PayoutPage) Count() (n int) {
	for _, s := range p.Sums {
		n += s.Count
	}
	return n
}

// Payouts gives up to n payouts that pass a filter, the newest first, after a mark.
// n below 1 is all of them.
func (c *Current) Payouts(f *PayoutFilter, after PayoutMark, n int) *PayoutPage {
	page := &PayoutPage{Sums: map[money.Currency]Sum{}}
	var kept []*match.Payout
	for p := range c.eachPayout {
		if !c.passesPayout(f, p) {
			continue
		}
		s := page.Sums[p.Currency]
		page.Sums[p.Currency] = Sum{s.Count + 1, s.Amount + p.Amount}
		if after != (PayoutMark{}) && c.afterMark(p, after) <= 0 {
			continue
		}
		if n < 1 {
			kept = append(kept, p)
			continue
		}
		if len(kept) > n && c.newer(p, kept[n]) >= 0 {
			continue
		}
		at := sort.Search(len(kept), func(i int) bool { return c.newer(p, kept[i]) < 0 })
		kept = slices.Insert(kept, at, p)
		kept = kept[:min(len(kept), n+1)]
	}
	if n < 1 {
		slices.SortFunc(kept, c.newer)
	} else if len(kept) > n {
		kept, page.More = kept[:n], true
	}
	page.Payouts = kept
	if last := len(kept) - 1; last >= 0 {
		page.Next = c.markOf(kept[last])
	}
	return page
}

// EachPayout calls use for every payout in memory, in no order. What it is given
// may change when evidence is added: keep nothing of it past Read.
func (c *Current) EachPayout(use func(p *match.Payout)) {
	for p := range c.eachPayout {
		use(p)
	}
}

func (c *Current) eachPayout(yield func(*match.Payout) bool) {
	for b := range c.l.eachBank {
		if b.found == nil {
			continue
		}
		for _, p := range b.found.Payouts {
			if !yield(p) {
				return
			}
		}
	}
}

func (c *Current) passesPayout(f *PayoutFilter, p *match.Payout) bool {
	text := c.l.view.Words.Text
	switch {
	case f.MID != "" && text(p.MID) != f.MID,
		f.ID != "" && PayoutID(c.l.view, p) != f.ID,
		f.From != 0 && (p.Date == calendar.None || p.Date < f.From),
		f.To != 0 && (p.Date == calendar.None || p.Date > f.To),
		f.Bank != "" && !strings.Contains(strings.ToLower(p.Bank), strings.ToLower(f.Bank)),
		f.Amounts.exclude(p.Amount),
		len(f.States) > 0 && !slices.Contains(f.States, StateOf(c.l.view, p)):
		return false
	}
	return true
}

// PayoutID names a payout among those of its merchant: its own number, else the
// settlement date of its lines and the currency, as nobody has named it.
func PayoutID(v *evidence.View, p *match.Payout) string {
	if p.ID != 0 {
		return v.Words.Text(p.ID)
	}
	return p.Date.String() + "." + p.Currency.String()
}

func (c *Current) markOf(p *match.Payout) PayoutMark {
	return PayoutMark{p.Date, c.l.view.Words.Text(p.MID), PayoutID(c.l.view, p), p.Currency.String()}
}

func compareMarks(a, b PayoutMark) int {
	return cmp.Or(cmp.Compare(b.Date, a.Date), strings.Compare(a.MID, b.MID), strings.Compare(a.ID, b.ID), strings.Compare(a.Currency, b.Currency))
}

func (c *Current) newer(a, b *match.Payout) int {
	if d := cmp.Compare(b.Date, a.Date); d != 0 {
		return d
	}
	return compareMarks(c.markOf(a), c.markOf(b))
}

func (c *Current) afterMark(p *match.Payout, m PayoutMark) int { return compareMarks(c.markOf(p), m) }

// Payout gives a merchant's payout by its PayoutID; false where none in memory is
// it.
func (c *Current) Payout(mid, id string) (*match.Payout, bool) {
	word, ok := c.l.view.Words.Find(mid)
	if !ok {
		return nil, false
	}
	m := c.l.merchants[word]
	if m == nil {
		return nil, false
	}
	b := m.bank.standing()
	if b.found == nil {
		return nil, false
	}
	for _, p := range b.found.Payouts {
		if p.MID == word && PayoutID(c.l.view, p) == id {
			return p, true
		}
	}
	return nil, false
}

// PayoutLine is a settlement line that a payout carries.
type PayoutLine struct {
	Fact evidence.FactRef
	// Payment is the id of its payment; "" where the line names none that is known.
	Payment string
}

// PayoutLines gives the settlement lines of a payout in order of time. Lines of
// payments that have left memory are not among them: the payout's own Lines and Net
// count them all.
func (c *Current) PayoutLines(p *match.Payout) []PayoutLine {
	l := c.l
	m := l.merchants[p.MID]
	if m == nil {
		return nil
	}
	b := m.bank.standing()
	if b.found == nil {
		return nil
	}
	var lines []PayoutLine
	for k, q := range b.found.Keys {
		if q != p {
			continue
		}
		for _, r := range m.lines.Of(k) {
			lines = append(lines, PayoutLine{Fact: r, Payment: c.paymentOf(r)})
		}
	}
	slices.SortFunc(lines, func(a, b PayoutLine) int { return l.set.CompareTime(a.Fact, b.Fact) })
	return lines
}

// paymentOf gives the id of the payment to which a fact belongs; "" for none.
func (c *Current) paymentOf(r evidence.FactRef) string {
	l := c.l
	id := l.stands(l.cellOf.at(r))
	if id == 0 {
		return ""
	}
	m := l.res.Merchants[id]
	for i := range m.Payments {
		p := &m.Payments[i]
		if slices.Contains(m.Facts(p), r) {
			return l.view.Words.Text(p.ID)
		}
		acts := m.Acts(p)
		for a := range acts {
			if slices.Contains(m.ActFacts(&acts[a]), r) {
				return l.view.Words.Text(p.ID)
			}
		}
	}
	return ""
}
