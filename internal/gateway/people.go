package gateway

import (
	"context"
	"time"

	"daozhang/internal/payment"
)

// Release ends the risk hold of a transaction by decision of two people, and
// returns when that is durable. t is the transaction as the store has it. The
// error is fault.Conflict where risk does not hold it, fault.Internal where it
// could not be written, ErrHalted, or that of ctx: then it may have happened.
func (g *Gateway) Release(ctx context.Context, t *payment.Transaction, maker, checker string) error {
	token, told := g.tickets.Add(1), make(chan error, 1)
	g.people.Store(token, told)
	defer g.people.Delete(token)
	g.post(func(x *Exchange, now time.Time) { x.Release(now, token, t, maker, checker) })
	select {
	case err := <-told:
		return err
	case <-g.done:
		return ErrHalted
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Reroute replaces the routes while payments go on. The error is fault.Invalid for
// routes that cannot be meant, ErrHalted, or that of ctx.
func (g *Gateway) Reroute(ctx context.Context, routes []Route) error {
	done := make(chan error, 1)
	g.post(func(x *Exchange, now time.Time) { done <- x.Reroute(now, routes) })
	select {
	case err := <-done:
		return err
	case <-g.done:
		return ErrHalted
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tell answers a person who waits.
func (g *Gateway) tell(token uint64, err error) {
	if v, ok := g.people.Load(token); ok {
		v.(chan error) <- err
	}
}
