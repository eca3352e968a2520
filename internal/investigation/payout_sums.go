package investigation

import (
	"daozhang/internal/calendar"
	"daozhang/internal/evidence"
	"daozhang/internal/match"
)

// PayoutSums is the arithmetic of a payout: what its lines add to it and take away,
// in minor units; what takes away is negative.
type PayoutSums struct {
	Opening     int64 // lines of days before its own
	Sales       int64 // gross, as all that follows but Net
	Refunds     int64 // with voids and reversals
	Fees        int64
	Reserves    int64 // withheld, less what was released
	Chargebacks int64
	Adjustments int64
	Net         int64 // all together
}

// SumsOf adds up lines of a payout.
func (c *Current) SumsOf(p *match.Payout, lines []PayoutLine) PayoutSums {
	var s PayoutSums
	for _, l := range lines {
		s.add(c.l.view.At(l.Fact), p.Last)
	}
	return s
}

// add adds a line of a payout whose own day is the last of its lines.
func (s *PayoutSums) add(f *evidence.Fact, own calendar.Date) {
	n := match.LineNet(f)
	s.Net += n
	if own != calendar.None && f.Date != 0 && f.Date < own {
		s.Opening += n
		return
	}
	fee, _ := f.Fee()
	s.Fees -= fee
	switch gross := n + fee; f.Kind {
	case evidence.Refund, evidence.Void, evidence.Reversal:
		s.Refunds += gross
	case evidence.Chargeback:
		s.Chargebacks += gross
	case evidence.Reserve, evidence.ReserveRelease:
		s.Reserves += gross
	case evidence.FeeKind:
		s.Fees += gross
	case evidence.Adjustment:
		s.Adjustments += gross
	default:
		s.Sales += gross
	}
}
