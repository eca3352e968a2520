package fault_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"daozhang/internal/fault"
)

func TestExitCode(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("plain"), 1},
		{fs.ErrNotExist, 1},
		{context.Canceled, 1},
		{fault.New(fault.Internal, "write", "x", nil, ""), 1},
		{fault.New(fault.Invalid, "read", "x", nil, ""), 1},
		{fault.New(fault.Cancelled, "read", "x", nil, ""), 1},
		{fault.New(fault.Usage, "parse", "--as-of", nil, ""), 2},
		{fault.New(fault.NotFound, "open", "a.csv", fs.ErrNotExist, ""), 3},
		{fault.New(fault.NotAllowed, "open", "a.csv", fs.ErrPermission, ""), 4},
		{fault.New(fault.Conflict, "import", "a.csv", nil, ""), 5},
		{fault.New(fault.Rejected, "check", "", nil, ""), 6},
		{fault.New(fault.FailOn, "check", "", nil, ""), 7},
		{&fault.Error{Kind: 250, Op: fault.Same("x")}, 1},
		{fmt.Errorf("wrapped: %w", fault.New(fault.NotFound, "open", "a.csv", nil, "")), 3},
		// The outermost kind decides: who wraps knows better what it means.
		{fault.New(fault.Rejected, "check", "", fault.New(fault.Invalid, "read", "a.csv", nil, ""), ""), 6},
		{errors.Join(errors.New("plain"), fault.New(fault.Conflict, "import", "", nil, "")), 5},
	} {
		if got := fault.ExitCode(tc.err); got != tc.want {
			t.Errorf("ExitCode(%v) = %d, want %d", tc.err, got, tc.want)
		}
	}
}

func TestError(t *testing.T) {
	cause := errors.New("no such column")
	for _, tc := range []struct {
		err  *fault.Error
		want string
	}{
		{fault.New(fault.Invalid, "read", "shop.csv:7", cause, "name it"), "read shop.csv:7: no such column"},
		{fault.New(fault.Invalid, "read", "", cause, ""), "read: no such column"},
		{fault.New(fault.Invalid, "", "shop.csv:7", cause, ""), "shop.csv:7: no such column"},
		{fault.New(fault.Invalid, "", "", cause, ""), "no such column"},
		{fault.New(fault.NotFound, "trace", "000123", nil, ""), "trace 000123"},
		{fault.New(fault.NotFound, "", "", nil, ""), "not_found"},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("Error() = %q, want %q", got, tc.want)
		}
	}
	if e := fault.New(fault.Invalid, "read", "", cause, ""); !errors.Is(e, cause) {
		t.Error("the cause is not in the chain")
	}
}

func TestHintOf(t *testing.T) {
	inner := fault.New(fault.Invalid, "parse amount", "", nil, "write digits")
	for _, tc := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{errors.New("plain"), ""},
		{inner, "write digits"},
		{fault.New(fault.Rejected, "read", "a.csv:3", inner, ""), "write digits"},
		{fault.New(fault.Rejected, "read", "a.csv:3", inner, "mend the file"), "mend the file"},
		{fmt.Errorf("x: %w", fault.New(fault.Rejected, "read", "", fmt.Errorf("y: %w", inner), "")), "write digits"},
	} {
		if got := fault.HintOf(tc.err); got != tc.want {
			t.Errorf("HintOf(%v) = %q, want %q", tc.err, got, tc.want)
		}
	}
}

func TestKindNames(t *testing.T) {
	seen := map[string]bool{}
	for k := fault.Internal; k <= fault.Cancelled; k++ {
		if n := k.String(); n == "" || seen[n] {
			t.Errorf("kind %d has name %q", k, n)
		} else {
			seen[n] = true
		}
	}
	if got := fault.Kind(250).String(); got != "internal" {
		t.Errorf("an unknown kind is %q", got)
	}
}
