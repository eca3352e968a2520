package store

import (
	"context"
	"strconv"
)

// mostRegistered is the longest page of what is registered.
const mostRegistered = 1000

// MerchantsAfter gives up to limit registered merchants by number, after one of
// them; "" begins. only, where it is not "", is the one that is meant.
func (s *Store) MerchantsAfter(ctx context.Context, only, after string, limit int) ([]Merchant, error) {
	q := condition{}
	q.and("mid > ", after)
	if only != "" {
		q.and("mid = ", only)
	}
	return bodies[Merchant](ctx, s, "SELECT body FROM merchant"+q.where()+" ORDER BY mid LIMIT "+pageOf(limit), q.args...)
}

// TerminalsAfter gives up to limit registered terminals by number, after one of
// them; "" begins. only, where it is not "", is the merchant that is meant.
func (s *Store) TerminalsAfter(ctx context.Context, only, after string, limit int) ([]Terminal, error) {
	q := condition{}
	q.and("tid > ", after)
	if only != "" {
		q.and("mid = ", only)
	}
	return bodies[Terminal](ctx, s, "SELECT body FROM terminal"+q.where()+" ORDER BY tid LIMIT "+pageOf(limit), q.args...)
}

func pageOf(limit int) string { return strconv.Itoa(min(max(limit, 1), mostRegistered)) }
