package report

import (
	"time"

	"daozhang/internal/evidence"
)

// MomentAt shows a moment that belongs to no payment, in a zone; empty for the zero
// time. What goes without saying is left out as seen from now.
func MomentAt(at, now time.Time, zone *time.Location) Moment {
	if at.IsZero() {
		return Moment{}
	}
	if zone == nil {
		zone = time.UTC
	}
	_, offset := at.In(zone).Zone()
	return momentIn(evidence.InstantOf(at), evidence.InstantOf(now), int16(offset/60))
}
