package store

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/fault"
	"daozhang/internal/payment"
	"daozhang/internal/store/body"
)

// State is what a gateway needs of the past when it starts: everything that will
// go on without a terminal asking, what the open batches hold, and what these
// rest on.
type State struct {
	// Transactions are, each once and by id: those in flight or with a message
	// owed, those in batches that are not closed, preauthorizations that hold a
	// reservation, and what any of these act on.
	Transactions []payment.Transaction
	// Outgoing are the messages that are still owed.
	Outgoing []payment.Outgoing
	// Batches are those that are not closed, and of each terminal the last.
	Batches []payment.Batch
	// Exceptions are those that are not resolved.
	Exceptions []payment.Exception
	// More is true where older transactions are kept that are not among these.
	More bool
}

// loaded is the condition under which Load takes a payment.
const loaded = `SELECT p.body FROM payment p WHERE p.id IN (
		SELECT id FROM payment WHERE open = 1
		UNION SELECT payment FROM outgoing WHERE state = 'due'
		UNION SELECT p.id FROM payment p JOIN terminal_batch b ON b.merchant = p.merchant AND b.tid = p.tid AND b.number = p.batch WHERE b.state <> 'closed'
		UNION SELECT t.payment FROM ledger_open o JOIN ledger_transfer t ON t.merchant = o.merchant AND t.seq = o.seq)
	ORDER BY p.id`

// Load reads what is open, of one moment.
func (s *Store) Load(ctx context.Context) (*State, error) {
	o := &State{}
	err := s.snapshot(ctx, func(query queryFunc) (err error) {
		if o.Transactions, err = collect(ctx, query, body.DecodeTransaction, loaded); err != nil {
			return err
		}
		if o.Transactions, err = withOriginals(ctx, query, o.Transactions); err != nil {
			return err
		}
		if o.Outgoing, err = collect(ctx, query, body.DecodeOutgoing, "SELECT body FROM outgoing WHERE state = 'due' ORDER BY next, payment"); err != nil {
			return err
		}
		o.Batches, err = collect(ctx, query, body.DecodeBatch, `SELECT b.body FROM terminal_batch b
			JOIN (SELECT merchant, tid, MAX(opened) AS opened FROM terminal_batch GROUP BY merchant, tid) l ON l.merchant = b.merchant AND l.tid = b.tid
			WHERE b.state <> 'closed' OR b.opened = l.opened ORDER BY b.opened, b.merchant, b.tid, b.number`)
		if err != nil {
			return err
		}
		if o.Exceptions, err = collect(ctx, query, body.DecodeException, "SELECT body FROM payment_exception WHERE state = 'open' ORDER BY opened, id"); err != nil {
			return err
		}
		// One more than there are answers it; all need not be counted.
		some, err := collect(ctx, query, identifier, "SELECT id FROM payment LIMIT "+strconv.Itoa(len(o.Transactions)+1))
		o.More = len(some) > len(o.Transactions)
		return err
	})
	if err != nil {
		return nil, s.failed("read open payments from", err)
	}
	return o, nil
}

func identifier(b []byte) (uuid.UUID, error) { return uuid.FromBytes(b) }

// withOriginals adds what the transactions act on, and what that acts on.
func withOriginals(ctx context.Context, query queryFunc, all []payment.Transaction) ([]payment.Transaction, error) {
	have := make(map[uuid.UUID]bool, len(all))
	for i := range all {
		have[all[i].ID] = true
	}
	for i := 0; i < len(all); i++ {
		id := all[i].Original
		if id == uuid.Nil || have[id] {
			continue
		}
		have[id] = true
		found, err := collect(ctx, query, body.DecodeTransaction, "SELECT body FROM payment WHERE merchant = $1 AND id = $2", all[i].MID, id[:])
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(a, b payment.Transaction) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return all, nil
}

// collect reads one body a row.
func collect[T any](ctx context.Context, query queryFunc, decode func([]byte) (T, error), q string, args ...any) ([]T, error) {
	rows, err := query(ctx, q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return nil, err
		}
		v, err := decode(body)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// first returns the only one of a look-up; none is fault.NotFound.
func first[T any](s *Store, op, subject string, all []T, err error) (v T, _ error) {
	if err != nil {
		return v, s.failed(op, err)
	}
	if len(all) == 0 {
		return v, fault.New(fault.NotFound, op, subject, errors.New("there is none"), "")
	}
	return all[0], nil
}

// Transaction returns the transaction of an id, whoever the merchant is.
// fault.NotFound where there is none.
func (s *Store) Transaction(ctx context.Context, id uuid.UUID) (payment.Transaction, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeTransaction, "SELECT body FROM payment WHERE id = $1", id[:])
	return first(s, "read payment", id.String(), all, err)
}

// ByKey returns the transaction that a terminal named so. fault.NotFound where
// there is none.
func (s *Store) ByKey(ctx context.Context, mid string, k payment.Key) (payment.Transaction, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeTransaction,
		"SELECT body FROM payment WHERE merchant = $1 AND tid = $2 AND batch = $3 AND stan = $4", mid, k.TID, k.Batch, k.STAN)
	return first(s, "read payment", k.TID+" "+k.Batch+" "+k.STAN, all, err)
}

// ByRRN returns the transactions with a retrieval reference number, the latest
// first; mid "" asks about all merchants.
func (s *Store) ByRRN(ctx context.Context, mid, rrn string) ([]payment.Transaction, error) {
	q, args := "SELECT body FROM payment WHERE rrn = $1", []any{rrn}
	if mid != "" {
		q, args = q+" AND merchant = $2", append(args, mid)
	}
	all, err := collect(ctx, s.read.QueryContext, body.DecodeTransaction, q+" ORDER BY id DESC", args...)
	return all, s.failed("read payments from", err)
}

// ByOriginal returns the transactions that act on another, in their order.
func (s *Store) ByOriginal(ctx context.Context, mid string, id uuid.UUID) ([]payment.Transaction, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeTransaction, "SELECT body FROM payment WHERE merchant = $1 AND original = $2 ORDER BY id", mid, id[:])
	return all, s.failed("read payments from", err)
}

// Payments returns up to limit transactions of a merchant in order of id, which
// is that of time, after the one given: pages of any depth at one price.
func (s *Store) Payments(ctx context.Context, mid string, after uuid.UUID, limit int) ([]payment.Transaction, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeTransaction,
		"SELECT body FROM payment WHERE merchant = $1 AND id > $2 ORDER BY id LIMIT "+strconv.Itoa(limit), mid, after[:])
	return all, s.failed("read payments from", err)
}

// OutgoingOf returns the messages owed, or once owed, about a payment.
func (s *Store) OutgoingOf(ctx context.Context, mid string, id uuid.UUID) ([]payment.Outgoing, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeOutgoing, "SELECT body FROM outgoing WHERE merchant = $1 AND payment = $2 ORDER BY kind", mid, id[:])
	return all, s.failed("read messages from", err)
}

// Due returns up to limit messages whose next attempt is due at a moment, the
// longest due first.
func (s *Store) Due(ctx context.Context, at time.Time, limit int) ([]payment.Outgoing, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeOutgoing,
		"SELECT body FROM outgoing WHERE state = 'due' AND next <= $1 ORDER BY next, payment LIMIT "+strconv.Itoa(limit), at.UnixMicro())
	return all, s.failed("read messages from", err)
}

// Batch returns a terminal's batch. fault.NotFound where there is none.
func (s *Store) Batch(ctx context.Context, mid, tid, batch string) (payment.Batch, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeBatch, "SELECT body FROM terminal_batch WHERE merchant = $1 AND tid = $2 AND number = $3", mid, tid, batch)
	return first(s, "read batch", tid+" "+batch, all, err)
}

// ExceptionFilter narrows Exceptions; the zero value asks for all.
type ExceptionFilter struct {
	MID   string // of one merchant
	Owner string // of one party
	Open  bool   // only those not resolved
}

// Exceptions returns those that pass the filter, the oldest first.
func (s *Store) Exceptions(ctx context.Context, f ExceptionFilter) ([]payment.Exception, error) {
	q, args := "SELECT body FROM payment_exception WHERE 1 = 1", []any(nil)
	and := func(column, value string) {
		args = append(args, value)
		q += " AND " + column + " = $" + strconv.Itoa(len(args))
	}
	if f.MID != "" {
		and("merchant", f.MID)
	}
	if f.Owner != "" {
		and("owner", f.Owner)
	}
	if f.Open {
		q += " AND state = 'open'"
	}
	all, err := collect(ctx, s.read.QueryContext, body.DecodeException, q+" ORDER BY opened, id", args...)
	return all, s.failed("read exceptions from", err)
}

// Replay gives the journal's steps in the order in which they were committed,
// without their transfers and evidence, which are kept apart (Entries, Evidence):
// applied to an empty state they give the state that is kept. Steps of several
// nodes are merged by time. An error of f ends it and is returned.
func (s *Store) Replay(ctx context.Context, f func(*payment.Step) error) error {
	rows, err := s.read.QueryContext(ctx, "SELECT step FROM journal ORDER BY "+s.replayOrder(ctx))
	if err != nil {
		return s.failed("read journal from", err)
	}
	defer rows.Close()
	for rows.Next() {
		var raw []byte
		if err := rows.Scan(&raw); err != nil {
			return s.failed("read journal from", err)
		}
		step, err := body.DecodeStep(raw)
		if err != nil {
			return s.failed("read journal from", err)
		}
		if err := f(step); err != nil {
			return err
		}
	}
	return s.failed("read journal from", rows.Err())
}

// replayOrder is exact where one node wrote; else time has to do.
func (s *Store) replayOrder(ctx context.Context) string {
	var nodes int
	if err := s.read.QueryRowContext(ctx, "SELECT COUNT(*) FROM node").Scan(&nodes); err == nil && nodes <= 1 {
		return "node, pos"
	}
	return "at, node, pos"
}
