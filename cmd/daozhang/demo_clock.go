package main

import (
	"sync"
	"time"
)

// storyClock is the clock of everything in a demo. It runs as fast as time does,
// from a moment of the story on, and is set forward from one event to the next: so
// that messages, files and jobs of one event follow each other as they do in
// earnest, and two weeks need no two weeks. What the story tells stands at the
// events' own moments and does not depend on how fast the machine is.
//
// Time-outs of sockets run in real time. Those of the exchange (an issuer's
// silence, what is owed and repeated) run by this clock, and pass when it is set.
type storyClock struct {
	mu    sync.Mutex
	at    time.Time // of the story …
	since time.Time // … at this real moment
}

func newStoryClock(at time.Time) *storyClock { return &storyClock{at: at, since: time.Now()} }

func (c *storyClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at.Add(time.Since(c.since))
}

// set moves the clock on to a moment; it never goes back.
func (c *storyClock) set(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	real := time.Now()
	if now := c.at.Add(real.Sub(c.since)); to.Before(now) {
		to = now
	}
	c.at, c.since = to, real
}
