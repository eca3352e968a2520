package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"iter"
	"strconv"
	"time"

	"daozhang/internal/evidence"
	"daozhang/internal/money"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store/body"
)

// itemsQuery reads a page of what is due, linesQuery the lines that it has: few,
// but of what was undone after it was settled.
var (
	itemsQuery = `SELECT p.body FROM settlement_due d JOIN payment p ON p.merchant = d.merchant AND p.id = d.payment
		WHERE d.merchant = $1 AND p.merchant = $1 AND d.payment > $2 ORDER BY d.payment LIMIT ` + strconv.Itoa(pageRows)
	// A left join, so that SQLite begins with what is due: among what is settled
	// there may be a month between two that are due.
	linesQuery = `SELECT d.payment, l.kind, l.gross, l.fee FROM settlement_due d LEFT JOIN settlement_line l ON l.merchant = $1 AND l.payment = d.payment
		WHERE d.merchant = $1 AND d.payment > $2 AND d.payment <= $3 ORDER BY d.payment, l.turn`
)

// Items streams what may have to be settled behind a payment, in order of
// payment: every transaction whose effect differs from what its lines settled. It
// holds a page of them. A failure is the last pair.
func (s *Store) Items(ctx context.Context, mid string, c money.Currency, after payment.ID) iter.Seq2[settlement.Item, error] {
	return func(yield func(settlement.Item, error) bool) {
		r := itemReader{s: s, mid: mid, uploaded: map[payment.Key]time.Time{}}
		for {
			page, more, err := r.page(ctx, after)
			for i := 0; i < len(page) && err == nil; i++ {
				after = page[i].ID
				var it settlement.Item
				var ok bool
				if it, ok, err = r.item(ctx, &page[i]); err == nil && ok && it.Currency == c && !yield(it, nil) {
					return
				}
			}
			if err != nil {
				yield(settlement.Item{}, s.failed("read what is due from", err))
				return
			}
			if !more {
				return
			}
		}
	}
}

type itemReader struct {
	s   *Store
	mid string
	// uploaded remembers when terminals' batches were closed, by terminal and batch.
	uploaded map[payment.Key]time.Time
	// room of the latest page.
	due []due
}

// due is a transaction with what its lines have settled.
type due struct {
	payment.Transaction
	done settlement.Done
}

// page reads a page; more says that there may be another.
func (r *itemReader) page(ctx context.Context, after payment.ID) (page []due, more bool, err error) {
	rows, err := r.s.read.QueryContext(ctx, itemsQuery, r.mid, after[:])
	if err != nil {
		return nil, false, err
	}
	defer rows.Close()
	page = r.due[:0]
	var raw sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&raw); err != nil {
			return nil, false, err
		}
		t, err := body.DecodeTransaction(raw)
		if err != nil {
			return nil, false, err
		}
		page = append(page, due{Transaction: t})
	}
	r.due = page
	if err := errors.Join(rows.Err(), rows.Close()); err != nil || len(page) == 0 {
		return nil, false, err
	}
	return page, len(page) == pageRows, r.lines(ctx, after, page)
}

// lines adds what the lines of a page's transactions have settled.
func (r *itemReader) lines(ctx context.Context, after payment.ID, page []due) error {
	rows, err := r.s.read.QueryContext(ctx, linesQuery, r.mid, after[:], page[len(page)-1].ID[:])
	if err != nil {
		return err
	}
	defer rows.Close()
	var id sql.RawBytes
	i := 0
	for rows.Next() {
		var kind sql.NullString
		var gross, fee sql.NullInt64
		if err := rows.Scan(&id, &kind, &gross, &fee); err != nil {
			return err
		}
		if !kind.Valid {
			continue
		}
		for i < len(page) && bytes.Compare(page[i].ID[:], id) < 0 {
			i++
		}
		if i < len(page) && bytes.Equal(page[i].ID[:], id) {
			page[i].add(kind.String, gross.Int64, fee.Int64)
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// item makes the item of a transaction, with what it needs to know beside it.
func (r *itemReader) item(ctx context.Context, d *due) (settlement.Item, bool, error) {
	var original *payment.Transaction
	if d.Original != (payment.ID{}) {
		found, err := collect(ctx, r.s.read.QueryContext, body.DecodeTransaction, "SELECT body FROM payment WHERE merchant = $1 AND id = $2", r.mid, d.Original[:])
		if err != nil {
			return settlement.Item{}, false, err
		}
		if len(found) > 0 {
			original = &found[0]
		}
	}
	it, ok := settlement.ItemOf(&d.Transaction, original, d.done)
	if !ok {
		return it, false, nil
	}
	var err error
	it.Uploaded, err = r.closed(ctx, d.TID, d.Batch)
	return it, true, err
}

// closed is when a terminal's batch was closed; zero while it is open.
func (r *itemReader) closed(ctx context.Context, tid, number string) (time.Time, error) {
	k := payment.Key{TID: tid, Batch: number}
	if at, ok := r.uploaded[k]; ok {
		return at, nil
	}
	if len(r.uploaded) >= pageRows {
		clear(r.uploaded)
	}
	found, err := collect(ctx, r.s.read.QueryContext, body.DecodeBatch, "SELECT body FROM terminal_batch WHERE merchant = $1 AND tid = $2 AND number = $3", r.mid, tid, number)
	if err != nil {
		return time.Time{}, err
	}
	at := time.Time{}
	if len(found) > 0 && found[0].State == payment.BatchClosed {
		at = found[0].Closed
	}
	r.uploaded[k] = at
	return at, nil
}

// add takes one more line, in order of turn.
func (d *due) add(kind string, gross, fee int64) {
	if kind == evidence.Refund.String() || kind == evidence.Void.String() {
		gross = -gross
	}
	d.done.Gross += gross
	d.done.Fee += fee
	d.done.Turns++
}
