package investigation

import (
	"cmp"
	"math"
	"strings"

	"daozhang/internal/match"
)

// Compare tells which place comes first in a list: below 0 that m does. Marks of
// several lists in one order can be merged by it.
func (m Mark) Compare(o Mark) int {
	return cmp.Or(cmp.Compare(m.Value, o.Value), cmp.Compare(o.Time, m.Time), strings.Compare(m.ID, o.ID))
}

// MarkOf gives a payment's place in a list.
func (c *Current) MarkOf(p *Payment, o Order) Mark {
	m := Mark{Time: p.Time, ID: c.l.view.Words.Text(p.ID)}
	switch {
	case o == ByAmount:
		m.Value = -p.Amount
	case o == ByDue && p.LegDue == 0:
		m.Value = math.MaxInt64
	case o == ByDue:
		m.Value = int64(p.LegDue)
	}
	return m
}

// Compare tells which place comes first in a list of payouts, as Mark.Compare.
func (m PayoutMark) Compare(o PayoutMark) int { return compareMarks(m, o) }

// PayoutMarkOf gives a payout's place in a list of payouts.
func (c *Current) PayoutMarkOf(p *match.Payout) PayoutMark { return c.markOf(p) }
