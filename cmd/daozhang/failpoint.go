//go:build !failpoint

package main

import "daozhang/internal/backoffice"

// backofficeReached is told of the points that the back office's work passes; nil
// but in the binary of the crash test.
var backofficeReached func(backoffice.Point)
