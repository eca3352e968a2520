package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/ledger"
	"daozhang/internal/money"
)

func transferRow(e *ledger.Entry) row {
	return row{e.Merchant, e.Seq, idBytes(e.ID), e.Key, e.Currency.String(), e.Debit.String(), e.Credit.String(), e.Amount, e.Phase.String(),
		idOrNull(e.Of), e.At.UnixMicro(), e.Date.String(), idOrNull(e.Payment), e.Reason, append([]byte(nil), e.Hash[:]...)}
}

const transferQuery = "SELECT merchant, seq, id, key, currency, debit, credit, amount, phase, of_id, at, date, payment, reason, hash FROM ledger_transfer"

func scanEntry(rows *sql.Rows) (e ledger.Entry, err error) {
	var id, of, pay, hash []byte
	var currency, debit, credit, phase, date string
	var at int64
	if err = rows.Scan(&e.Merchant, &e.Seq, &id, &e.Key, &currency, &debit, &credit, &e.Amount, &phase, &of, &at, &date, &pay, &e.Reason, &hash); err != nil {
		return e, err
	}
	bad := func(what string) (ledger.Entry, error) {
		return e, fmt.Errorf("ledger entry %d of merchant %s: the %s cannot be read", e.Seq, e.Merchant, what)
	}
	if len(id) != 16 || len(hash) != len(e.Hash) || len(of) != 0 && len(of) != 16 || len(pay) != 0 && len(pay) != 16 {
		return bad("identifier or hash")
	}
	copy(e.ID[:], id)
	copy(e.Of[:], of)
	copy(e.Payment[:], pay)
	copy(e.Hash[:], hash)
	var ok bool
	if e.Currency, err = money.ParseCurrency(currency); err != nil {
		return bad("currency")
	}
	if e.Debit, err = ledger.ParseName(debit); err != nil {
		return bad("debit account")
	}
	if e.Credit, err = ledger.ParseName(credit); err != nil {
		return bad("credit account")
	}
	if e.Phase, ok = ledger.ParsePhase(phase); !ok {
		return bad("phase")
	}
	if e.Date, err = calendar.ParseDate(date); err != nil {
		return bad("date")
	}
	e.At = time.UnixMicro(at).UTC()
	return e, nil
}

func scanEntries(rows *sql.Rows) (out []ledger.Entry, err error) {
	defer rows.Close()
	for rows.Next() {
		e, err := scanEntry(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, rows.Err()
}

// readStanding reads a merchant's standing as it is recorded.
func readStanding(ctx context.Context, query queryFunc, mid string) (*ledger.Standing, error) {
	head := ledger.Head{Merchant: mid}
	rows, err := query(ctx, "SELECT seq, hash FROM ledger_head WHERE merchant = $1", mid)
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		var hash []byte
		if err = rows.Scan(&head.Seq, &hash); err != nil {
			break
		}
		copy(head.Hash[:], hash)
	}
	if err = errors.Join(err, rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	lines, err := readLines(ctx, query, mid)
	if err != nil {
		return nil, err
	}
	rows, err = query(ctx, transferQuery+" WHERE merchant = $1 AND seq IN (SELECT seq FROM ledger_open WHERE merchant = $2)", mid, mid)
	if err != nil {
		return nil, err
	}
	entries, err := scanEntries(rows)
	if err != nil {
		return nil, err
	}
	open := make([]ledger.Transfer, len(entries))
	for i := range entries {
		open[i] = entries[i].Transfer
	}
	return ledger.Restore(head, lines, open), nil
}

// readLines reads balances, of one merchant or, where mid is "", of all.
func readLines(ctx context.Context, query queryFunc, mid string) (out []ledger.Line, err error) {
	q, args := "SELECT merchant, currency, account, debits, credits, pending_debits, pending_credits FROM ledger_balance", []any(nil)
	if mid != "" {
		q, args = q+" WHERE merchant = $1", []any{mid}
	}
	rows, err := query(ctx, q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var l ledger.Line
		var currency, account string
		if err := rows.Scan(&l.Merchant, &currency, &account, &l.Debits, &l.Credits, &l.PendingDebits, &l.PendingCredits); err != nil {
			return nil, err
		}
		if l.Currency, err = money.ParseCurrency(currency); err != nil {
			return nil, err
		}
		if l.Name, err = ledger.ParseName(account); err != nil {
			return nil, err
		}
		out = append(out, l)
	}
	return out, rows.Err()
}

// entriesOf streams a merchant's chain.
func entriesOf(ctx context.Context, query queryFunc, mid string) iter.Seq2[ledger.Entry, error] {
	return func(yield func(ledger.Entry, error) bool) {
		rows, err := query(ctx, transferQuery+" WHERE merchant = $1 ORDER BY seq", mid)
		if err != nil {
			yield(ledger.Entry{}, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			e, err := scanEntry(rows)
			if !yield(e, err) || err != nil {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(ledger.Entry{}, err)
		}
	}
}

// Standing returns a merchant's end of the chain, balances and open pending
// transfers; an empty one for an unknown merchant.
func (s *Store) Standing(ctx context.Context, mid string) (*ledger.Standing, error) {
	var out *ledger.Standing
	err := s.snapshot(ctx, func(query queryFunc) (err error) {
		out, err = readStanding(ctx, query, mid)
		return err
	})
	return out, s.failed("read ledger from", err)
}

// Entries streams a merchant's chain in its order. A failure is the last pair.
func (s *Store) Entries(ctx context.Context, mid string) iter.Seq2[ledger.Entry, error] {
	return entriesOf(ctx, s.read.QueryContext, mid)
}

// TransfersOf returns the ledger entries of one payment, in their order.
func (s *Store) TransfersOf(ctx context.Context, mid string, id uuid.UUID) ([]ledger.Entry, error) {
	rows, err := s.read.QueryContext(ctx, transferQuery+" WHERE merchant = $1 AND payment = $2 ORDER BY seq", mid, id[:])
	if err != nil {
		return nil, s.failed("read ledger from", err)
	}
	out, err := scanEntries(rows)
	return out, s.failed("read ledger from", err)
}

// Trial returns the trial balance over all merchants, of one moment.
func (s *Store) Trial(ctx context.Context) (*ledger.Trial, error) {
	lines, err := readLines(ctx, s.read.QueryContext, "") // one statement sees one moment
	if err != nil {
		return nil, s.failed("read ledger from", err)
	}
	var t ledger.Trial
	for _, l := range lines {
		if err := t.Add(l); err != nil {
			return nil, err
		}
	}
	return &t, nil
}

// BalancesAsOf returns a merchant's balances of the transfers that happened at
// or before a moment. It reads the merchant's whole chain.
func (s *Store) BalancesAsOf(ctx context.Context, mid string, at time.Time) ([]ledger.Line, error) {
	return s.past(ctx, mid, func(t *ledger.Transfer) bool { return !t.At.After(at) })
}

// BalancesAsOfDate is BalancesAsOf by the business date.
func (s *Store) BalancesAsOfDate(ctx context.Context, mid string, d calendar.Date) ([]ledger.Line, error) {
	return s.past(ctx, mid, func(t *ledger.Transfer) bool { return t.Date <= d })
}

func (s *Store) past(ctx context.Context, mid string, counts func(*ledger.Transfer) bool) ([]ledger.Line, error) {
	p := ledger.NewPast(mid, counts)
	for e, err := range s.Entries(ctx, mid) {
		if err != nil {
			return nil, s.failed("read ledger from", err)
		}
		p.Add(&e.Transfer)
	}
	return p.Lines(), nil
}

// snapshot runs f on one moment of the database.
func (s *Store) snapshot(ctx context.Context, f func(queryFunc) error) error {
	return snapshot(ctx, s.read.DB, s.dialect, f)
}

func snapshot(ctx context.Context, db *sql.DB, d dialect, f func(queryFunc) error) error {
	tx, err := db.BeginTx(ctx, d.snapshot())
	if err != nil {
		return err
	}
	defer tx.Rollback()
	return f(func(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
		observe(query)
		return tx.QueryContext(ctx, query, args...)
	})
}
