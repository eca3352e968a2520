package terms

import (
	"slices"

	"daozhang/internal/evidence"
)

// Restate reads the terms of one merchant anew from its merchant.terms facts, all
// that count, and forgets what was assumed for it.
func (b *Book) Restate(v *evidence.View, mid evidence.Word, facts []evidence.FactRef) {
	b.Problems = slices.DeleteFunc(b.Problems, func(p Problem) bool { return v.At(p.Fact).MID == mid })
	delete(b.byMID, mid)
	b.Forget(mid)
	b.state(v, facts)
}

// Forget forgets what was assumed for a merchant, so that Prepare begins anew.
func (b *Book) Forget(mid evidence.Word) { delete(b.holds, mid) }
