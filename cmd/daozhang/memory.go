package main

import "runtime/debug"

const (
	// bulk is how much must have been read before memory is worth the
	// collector's time: below it nobody notices either.
	bulk = 64 << 20
	// bulkGC is the growth, in percent of what is live, after which the
	// collector runs on the bulk path. Facts hold no pointers, so that a cycle
	// costs a few milliseconds whatever the heap's size.
	bulkGC = 25
	// large is how much must have been read before every percent is many pages,
	// and largeGC the growth from then on.
	large   = 1 << 30
	largeGC = 20
)

// thrift lowers the collector's growth once much has been read. It is told the
// bytes read so far and gives the way back.
func thrift() (read func(done int64), back func()) {
	before := 0
	return func(done int64) {
			switch {
			case before == 0 && done > bulk:
				before = debug.SetGCPercent(bulkGC)
			case done > large:
				debug.SetGCPercent(largeGC)
			}
		}, func() {
			if before != 0 {
				debug.SetGCPercent(before)
			}
		}
}
