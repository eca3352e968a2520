package store

import (
	"context"
	"errors"
	"sync/atomic"

	"daozhang/internal/fault"
	"daozhang/internal/payment"
)

// Commit writes a step durably, together with the steps of other callers; see
// payment.Journal. A step that no store would keep is fault.Invalid, one that
// contradicts what is kept (another version, a key with other content, a
// reservation that was finished) fault.Conflict, both with payment.ErrRefused. A
// full disk or a lost database is fault.Internal: with payment.ErrRefused where
// nothing was written, without it where the outcome could not be learnt.
//
// A context that ends while the step is queued takes it back; once writing has
// begun, the outcome is waited for.
func (s *Store) Commit(ctx context.Context, step *payment.Step) error {
	if s.options.Registers {
		return refused(fault.New(fault.NotAllowed, "write", "step", errors.New("the database is open for its registers alone"), ""))
	}
	p, err := prepare(step)
	if err != nil {
		return err
	}
	return s.submit(ctx, p)
}

// job is a step on its way through the committer.
type job struct {
	*prepared
	done  chan error
	state atomic.Uint32 // of the jobStates
}

const (
	queued uint32 = iota
	taken
	withdrawn
)

// errClosed is a commit after Close.
var errClosed = fault.New(fault.Cancelled, "write", "database", errors.New("the store is closed"), "")

func (s *Store) submit(ctx context.Context, p *prepared) error {
	s.callers.Add(1)
	defer s.callers.Add(-1)
	j := &job{prepared: p, done: make(chan error, 1)}
	select {
	case <-s.stop:
		return refused(errClosed)
	default:
	}
	select {
	case s.jobs <- j:
	case <-ctx.Done():
		return refused(fault.New(fault.Cancelled, "write", "step", ctx.Err(), ""))
	case <-s.stop:
		return refused(errClosed)
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		if j.state.CompareAndSwap(queued, withdrawn) {
			return refused(fault.New(fault.Cancelled, "write", "step", ctx.Err(), ""))
		}
		return <-j.done
	case <-s.stopped:
		// The committer ended; it answered everything that it had taken.
		select {
		case err := <-j.done:
			return err
		default:
			return refused(errClosed)
		}
	}
}
