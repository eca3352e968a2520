package investigation

import "daozhang/internal/match"

// EachPayout calls use for every payout in memory, in no order. What it is given
// may change when evidence is added: keep nothing of it past Read.
func (c *Current) EachPayout(use func(p *match.Payout)) {
	for b := range c.l.eachBank {
		if b.found == nil {
			continue
		}
		for _, p := range b.found.Payouts {
			use(p)
		}
	}
}
