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

// itemsQuery reads a page of what is due, with the lines that each has: a
// transaction comes once for every line, once without any.
var itemsQuery = `SELECT d.payment, p.body, l.kind, l.gross, l.fee FROM
		(SELECT merchant, payment FROM settlement_due WHERE merchant = $1 AND payment > $2 ORDER BY payment LIMIT ` + strconv.Itoa(pageRows) + `) d
	JOIN payment p ON p.merchant = d.merchant AND p.id = d.payment AND p.merchant = $1
	LEFT JOIN settlement_line l ON l.merchant = d.merchant AND l.payment = d.payment AND l.merchant = $1
	ORDER BY d.payment, l.turn`

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
	var id, raw sql.RawBytes
	for rows.Next() {
		var kind sql.NullString
		var gross, fee sql.NullInt64
		if err := rows.Scan(&id, &raw, &kind, &gross, &fee); err != nil {
			return nil, false, err
		}
		if len(page) == 0 || !bytes.Equal(id, page[len(page)-1].ID[:]) {
			t, err := body.DecodeTransaction(raw)
			if err != nil {
				return nil, false, err
			}
			page = append(page, due{Transaction: t})
		}
		if kind.Valid {
			page[len(page)-1].add(kind.String, gross.Int64, fee.Int64)
		}
	}
	r.due = page
	return page, len(page) == pageRows, errors.Join(rows.Err(), rows.Close())
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
