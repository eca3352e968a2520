package store

import (
	"context"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"daozhang/internal/backoffice"
	"daozhang/internal/calendar"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store/body"
)

var _ backoffice.Keeper = (*Store)(nil)

// Witness keeps facts that others told, as Append does.
func (s *Store) Witness(ctx context.Context, facts []payment.Evidence) error {
	_, err := s.Append(ctx, facts)
	return err
}

// Position returns what is owed to a merchant in a currency; settlement.Start
// where there is no row yet.
func (s *Store) Position(ctx context.Context, mid string, c money.Currency) (settlement.Position, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodePosition, "SELECT body FROM settlement_position WHERE merchant = $1 AND currency = $2", mid, c.String())
	if err != nil || len(all) == 0 {
		return settlement.Start(mid, c), s.failed("read position from", err)
	}
	return all[0], nil
}

// OpenBatch returns the batch that an interrupted run left open, whatever its
// day; nil where there is none.
func (s *Store) OpenBatch(ctx context.Context, mid string, c money.Currency) (*settlement.Batch, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeSettlement,
		"SELECT body FROM settlement_batch WHERE merchant = $1 AND currency = $2 AND state = 'settling'", mid, c.String())
	if err != nil || len(all) == 0 {
		return nil, s.failed("read batch from", err)
	}
	return &all[0], nil
}

// Batches returns a day's batches in their order.
func (s *Store) Batches(ctx context.Context, mid string, c money.Currency, day calendar.Date) ([]settlement.Batch, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeSettlement,
		"SELECT body FROM settlement_batch WHERE merchant = $1 AND currency = $2 AND day = $3 ORDER BY LENGTH(id), id", mid, c.String(), day.String())
	return all, s.failed("read batches from", err)
}

// Extras returns those that wait for a run, in order of time and then ID.
func (s *Store) Extras(ctx context.Context, mid string, c money.Currency) ([]settlement.Extra, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeExtra,
		"SELECT body FROM settlement_extra WHERE merchant = $1 AND currency = $2 AND batch IS NULL ORDER BY at, id", mid, c.String())
	return all, s.failed("read extras from", err)
}

// Reserves returns those not released, in order of batch.
func (s *Store) Reserves(ctx context.Context, mid string, c money.Currency) ([]settlement.Reserve, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeReserve,
		"SELECT body FROM settlement_reserve WHERE merchant = $1 AND currency = $2 AND released IS NULL ORDER BY batch", mid, c.String())
	return all, s.failed("read reserves from", err)
}

// Hold returns a hold. fault.NotFound where there is none.
func (s *Store) Hold(ctx context.Context, mid, id string) (settlement.Hold, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeHold, "SELECT body FROM settlement_hold WHERE merchant = $1 AND id = $2", mid, id)
	return first(s, "read hold", mid+" "+id, all, err)
}

// Holds returns a merchant's holds that last, by ID.
func (s *Store) Holds(ctx context.Context, mid string) ([]settlement.Hold, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeHold, "SELECT body FROM settlement_hold WHERE merchant = $1 AND released IS NULL ORDER BY id", mid)
	return all, s.failed("read holds from", err)
}

// Lines streams the settlement lines of a day, in order of batch and number. A
// failure is the last pair.
func (s *Store) Lines(ctx context.Context, mid string, c money.Currency, day calendar.Date) iter.Seq2[settlement.Line, error] {
	return func(yield func(settlement.Line, error) bool) {
		batches, err := s.Batches(ctx, mid, c, day)
		if err != nil {
			yield(settlement.Line{}, err)
			return
		}
		for _, b := range batches {
			if b.Lines == 0 {
				continue
			}
			for l, err := range stream(ctx, s, "read lines from", body.DecodeLine,
				"SELECT body FROM settlement_line WHERE merchant = $1 AND payout = $2 AND batch = $3 ORDER BY seq", mid, b.Payout, b.ID) {
				if !yield(l, err) || err != nil {
					return
				}
			}
		}
	}
}

// PayoutLines streams the lines that a payout is the sum of, in order of batch
// and number: none for one that replaces another. A failure is the last pair.
func (s *Store) PayoutLines(ctx context.Context, mid, payout string) iter.Seq2[settlement.Line, error] {
	return stream(ctx, s, "read lines from", body.DecodeLine, "SELECT body FROM settlement_line WHERE merchant = $1 AND payout = $2 ORDER BY batch, seq", mid, payout)
}

// Payout returns a merchant's payout. fault.NotFound where there is none.
func (s *Store) Payout(ctx context.Context, mid, id string) (settlement.Payout, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodePayout, "SELECT body FROM payout WHERE merchant = $1 AND id = $2", mid, id)
	return first(s, "read payout", id, all, err)
}

// PayoutByID returns the payout of an end-to-end identification, whosever it is.
// fault.NotFound where there is none.
func (s *Store) PayoutByID(ctx context.Context, id string) (settlement.Payout, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodePayout, "SELECT body FROM payout WHERE id = $1", id)
	return first(s, "read payout", id, all, err)
}

// PayoutsOf returns a merchant's payouts in one of the states, or, where none is
// named, in any, by ID.
func (s *Store) PayoutsOf(ctx context.Context, mid string, states ...settlement.PayoutState) ([]settlement.Payout, error) {
	q, args := "SELECT body FROM payout WHERE merchant = $1", []any{mid}
	if len(states) > 0 {
		q += " AND state IN (" + list(&args, states) + ")"
	}
	all, err := collect(ctx, s.read.QueryContext, body.DecodePayout, q+" ORDER BY id", args...)
	return all, s.failed("read payouts from", err)
}

// list adds the words of values to arguments and gives their places.
func list[T interface{ String() string }](args *[]any, values []T) string {
	places := make([]string, len(values))
	for i, v := range values {
		*args = append(*args, v.String())
		places[i] = parameter(len(*args) - 1)
	}
	return strings.Join(places, ", ")
}

// PayoutsIn streams all payouts in one of the states, by merchant and ID; of those
// rejected or returned only the ones whose money has not all gone out again. A
// failure is the last pair.
func (s *Store) PayoutsIn(ctx context.Context, states ...settlement.PayoutState) iter.Seq2[settlement.Payout, error] {
	return func(yield func(settlement.Payout, error) bool) {
		mid, id := "", ""
		for {
			args := []any{mid, id}
			q := "SELECT body FROM payout WHERE (merchant > $1 OR merchant = $1 AND id > $2) AND state IN (" + list(&args, states) + ")"
			if !slices.Contains(states, settlement.Credited) {
				q += " AND open = 1"
			}
			page, err := collect(ctx, s.read.QueryContext, body.DecodePayout, q+" ORDER BY merchant, id LIMIT "+strconv.Itoa(pageRows), args...)
			if err != nil {
				yield(settlement.Payout{}, s.failed("read payouts from", err))
				return
			}
			for i := range page {
				p := &page[i]
				mid, id = p.MID, p.ID
				if p.State != settlement.Credited && !openPayout(p) {
					continue
				}
				if !yield(*p, nil) {
					return
				}
			}
			if len(page) < pageRows {
				return
			}
		}
	}
}

// pageRows is how many rows a stream reads at a time, where commits are made
// between its values: a page is read whole, so that no snapshot stays open.
const pageRows = 1000

// PayoutsDue returns up to limit payouts in Sent or Unknown whose Next is not
// after a moment, the longest due first.
func (s *Store) PayoutsDue(ctx context.Context, at time.Time, limit int) ([]settlement.Payout, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodePayout,
		"SELECT body FROM payout WHERE due > 0 AND due <= $1 ORDER BY due, merchant, id LIMIT "+strconv.Itoa(limit), at.UnixMicro())
	return all, s.failed("read payouts from", err)
}

// OpenExceptions returns a merchant's exceptions that are not resolved, the oldest
// first.
func (s *Store) OpenExceptions(ctx context.Context, mid string) ([]payment.Exception, error) {
	return s.Exceptions(ctx, ExceptionFilter{MID: mid, Open: true})
}

// Filing returns what became of a file. fault.NotFound where it never came.
func (s *Store) Filing(ctx context.Context, folder, hash string) (backoffice.Filing, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeFiling, "SELECT body FROM filing WHERE folder = $1 AND hash = $2", folder, hash)
	return first(s, "read filing", folder+" "+hash, all, err)
}

// Filings streams what became of a folder's files, the latest first. A failure is
// the last pair.
func (s *Store) Filings(ctx context.Context, folder string) iter.Seq2[backoffice.Filing, error] {
	return stream(ctx, s, "read filings from", body.DecodeFiling, "SELECT body FROM filing WHERE folder = $1 ORDER BY received DESC, hash", folder)
}

// PutFiling adds one or replaces it, durably. Errors are as those of Commit.
func (s *Store) PutFiling(ctx context.Context, f backoffice.Filing) error {
	raw, err := body.EncodeFiling(&f)
	if err != nil || f.Folder == "" || f.Hash == "" {
		return missing("filing "+f.Name, "a filing has a folder and the hash of its content")
	}
	return s.put(ctx, filingTable, upsert, row{f.Folder, f.Hash, micros(f.Received), string(raw)})
}

// stream reads one body a row and gives it before it reads the next.
func stream[T any](ctx context.Context, s *Store, op string, decode func([]byte) (T, error), q string, args ...any) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		rows, err := s.read.QueryContext(ctx, q, args...)
		if err != nil {
			yield(none, s.failed(op, err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			var raw []byte
			v := none
			if err = rows.Scan(&raw); err == nil {
				v, err = decode(raw)
			}
			if !yield(v, s.failed(op, err)) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(none, s.failed(op, err))
		}
	}
}
