//go:build !failpoint

package gateway

// reached marks a named point at which the crash tests kill the process. In a
// usual build it is nothing.
func reached(point) {}
