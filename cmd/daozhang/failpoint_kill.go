//go:build failpoint

package main

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"daozhang/internal/backoffice"
)

// backofficeLeft counts down to the moment at which the process ends itself.
var backofficeLeft atomic.Int64

// backofficeReached kills the process at the point that DAOZHANG_FAILPOINT names,
// such as dispatch/durable:3, when it is passed for the third time. Its count is
// apart from that of the gateway's points, which have other names.
var backofficeReached = func() func(backoffice.Point) {
	name, count, _ := strings.Cut(os.Getenv("DAOZHANG_FAILPOINT"), ":")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil || n < 1 {
		n = 1
	}
	backofficeLeft.Store(n)
	return func(p backoffice.Point) {
		if string(p) != name || backofficeLeft.Add(-1) != 0 {
			return
		}
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until the signal has come
	}
}()
