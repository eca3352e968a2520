//go:build failpoint

package gateway

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// killAt and after come from DAOZHANG_FAILPOINT, such as commit_after:17: the
// process is killed when the point is reached for the seventeenth time.
var (
	killAt point
	left   atomic.Int64
)

func init() {
	name, count, _ := strings.Cut(os.Getenv("DAOZHANG_FAILPOINT"), ":")
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil || n < 1 {
		n = 1
	}
	killAt = point(name)
	left.Store(n)
}

func reached(p point) {
	if p != killAt || left.Add(-1) != 0 {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // until the signal has come
}
