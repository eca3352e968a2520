package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"daozhang/internal/calendar"
	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store/body"
)

// Day returns a network's day. fault.NotFound where nobody spoke of it yet.
func (s *Store) Day(ctx context.Context, network string, date calendar.Date) (settlement.Day, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeDay, "SELECT body FROM clearing_day WHERE merchant = $1 AND network = $2 AND date = $3",
		settlement.House, network, date.String())
	return first(s, "read clearing day", network+" "+date.String(), all, err)
}

// Days returns a network's days from one date to another, as far as there are rows.
func (s *Store) Days(ctx context.Context, network string, from, to calendar.Date) ([]settlement.Day, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeDay,
		"SELECT body FROM clearing_day WHERE merchant = $1 AND network = $2 AND date >= $3 AND date <= $4 ORDER BY date", settlement.House, network, from.String(), to.String())
	return all, s.failed("read clearing days from", err)
}

// Share returns a merchant's part of a network's day, also that of
// settlement.House. fault.NotFound where there is none.
func (s *Store) Share(ctx context.Context, mid, network string, date calendar.Date) (settlement.Share, error) {
	all, err := collect(ctx, s.read.QueryContext, body.DecodeShare, "SELECT body FROM clearing_share WHERE merchant = $1 AND network = $2 AND date = $3",
		mid, network, date.String())
	return first(s, "read clearing share", mid+" "+network+" "+date.String(), all, err)
}

// Shares streams all parts of a network's day by merchant. A failure is the last
// pair.
func (s *Store) Shares(ctx context.Context, network string, date calendar.Date) iter.Seq2[settlement.Share, error] {
	return func(yield func(settlement.Share, error) bool) {
		mid := ""
		for {
			page, err := collect(ctx, s.read.QueryContext, body.DecodeShare, "SELECT body FROM clearing_share WHERE network = $1 AND date = $2 AND merchant > $3 ORDER BY merchant LIMIT "+
				strconv.Itoa(pageRows), network, date.String(), mid)
			if err != nil {
				yield(settlement.Share{}, s.failed("read clearing shares from", err))
				return
			}
			for _, h := range page {
				if mid = h.MID; !yield(h, nil) {
					return
				}
			}
			if len(page) < pageRows {
				return
			}
		}
	}
}

// Cleared returns a merchant's rows of a date, by key.
func (s *Store) Cleared(ctx context.Context, mid, network string, date calendar.Date) ([]settlement.Cleared, error) {
	out, err := clearedRows(ctx, s.read.QueryContext, mid, network, date)
	return out, s.failed("read clearing lines from", err)
}

func clearedRows(ctx context.Context, query queryFunc, mid, network string, date calendar.Date) (out []settlement.Cleared, err error) {
	rows, err := query(ctx, "SELECT body FROM clearing_part WHERE merchant = $1 AND network = $2 AND date = $3 ORDER BY part", mid, network, date.String())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var raw sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&raw); err != nil {
			return nil, err
		}
		if out, err = body.DecodeCleared(out, mid, network, date, raw); err != nil {
			return nil, err
		}
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

// Uncleared streams the merchants that have captured transactions of a network
// with a business date up to the given that no file has cleared, by number. A
// failure is the last pair.
func (s *Store) Uncleared(ctx context.Context, network string, upTo calendar.Date) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		mid := ""
		for {
			page, err := collect(ctx, s.read.QueryContext, func(b []byte) (string, error) { return string(b), nil },
				"SELECT DISTINCT merchant FROM clearing_due WHERE network = $1 AND merchant > $2 AND date <= $3 ORDER BY merchant LIMIT "+strconv.Itoa(pageRows),
				network, mid, upTo.String())
			if err != nil {
				yield("", s.failed("read what is not cleared from", err))
				return
			}
			for _, m := range page {
				if mid = m; !yield(m, nil) {
					return
				}
			}
			if len(page) < pageRows {
				return
			}
		}
	}
}

// outOfStateDays is how far back a network's file may clear what we did not
// capture and be told of it.
const outOfStateDays = 7

// mostAsked is how many retrieval references, or payments, one statement asks for.
const mostAsked = 100

// Awaiting returns a merchant's captured transactions of a network with a business
// date up to one that no file has cleared, in order of id.
func (s *Store) Awaiting(ctx context.Context, mid, network string, date calendar.Date) ([]settlement.Ours, error) {
	return s.ours(ctx, mid, network, date, (*ours).awaiting)
}

// Ours returns what a merchant's part of a network's file of a date can be about:
// captured transactions of the network with a business date up to it that no
// file of another date has cleared; those of the seven days before it that are
// out of state; and whatever bears one of the retrieval references rrns, among it
// what a file of another date has cleared. In order of id.
func (s *Store) Ours(ctx context.Context, mid, network string, date calendar.Date, rrns []string) ([]settlement.Ours, error) {
	return s.ours(ctx, mid, network, date, (*ours).awaiting, (*ours).clearedBefore, (*ours).outOfState, func(o *ours) error { return o.byReference(rrns) })
}

// ours reads in one snapshot.
func (s *Store) ours(ctx context.Context, mid, network string, date calendar.Date, parts ...func(*ours) error) ([]settlement.Ours, error) {
	tx, err := s.read.BeginTx(ctx, s.dialect.snapshot())
	if err != nil {
		return nil, s.failed("read what may be cleared from", err)
	}
	defer tx.Rollback() // it wrote nothing
	o := ours{ctx: ctx, query: glance{tx}.QueryContext, mid: mid, network: network, date: date, seen: map[payment.ID]bool{}, references: map[string]bool{}}
	for _, part := range parts {
		if err := part(&o); err != nil {
			return nil, s.failed("read what may be cleared from", err)
		}
	}
	slices.SortFunc(o.out, func(a, b settlement.Ours) int { return bytes.Compare(a.Payment[:], b.Payment[:]) })
	return o.out, nil
}

// firstOf is the smallest identifier of a date, some hours early: they begin with
// the milliseconds of their making.
func firstOf(d calendar.Date) (id uuid.UUID) {
	ms := d.In(time.UTC).Add(-14 * time.Hour).UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	return id
}

// ours collects what a clearing file may be about.
type ours struct {
	ctx          context.Context
	query        queryFunc
	mid, network string
	date         calendar.Date
	seen         map[payment.ID]bool
	references   map[string]bool
	out          []settlement.Ours
}

// read adds what a query finds; standing is that of the captured among it.
func (o *ours) read(standing settlement.Standing, q string, args ...any) error {
	rows, err := o.query(o.ctx, q, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var raw sql.RawBytes
	for rows.Next() {
		if err := rows.Scan(&raw); err != nil {
			return err
		}
		t, err := body.DecodeTransaction(raw)
		if err != nil {
			return err
		}
		o.add(&t, standing)
	}
	return errors.Join(rows.Err(), rows.Close())
}

func (o *ours) awaiting() error {
	return o.read(settlement.Captured, `SELECT p.body FROM clearing_due d JOIN payment p ON p.merchant = d.merchant AND p.id = d.payment
		WHERE d.merchant = $1 AND p.merchant = $1 AND d.network = $2 AND d.date <= $3`, o.mid, o.network, o.date.String())
}

// clearedBefore adds what the issue before of the same file is about.
func (o *ours) clearedBefore() error {
	rows, err := clearedRows(o.ctx, o.query, o.mid, o.network, o.date)
	if err != nil {
		return err
	}
	var ids []any
	for i := range rows {
		if id := rows[i].Payment; id != (payment.ID{}) && !o.seen[id] {
			ids = append(ids, idBytes(id))
		}
	}
	return o.ask("id", ids, func(payment.ID) (settlement.Standing, error) { return settlement.Captured, nil })
}

func (o *ours) outOfState() error {
	from, to := firstOf(o.date.Add(-outOfStateDays)), firstOf(o.date.Add(2))
	return o.read(settlement.OutOfState, "SELECT body FROM payment WHERE merchant = $1 AND id >= $2 AND id < $3 AND state <> 'approved' AND business_date <= $4",
		o.mid, from[:], to[:], o.date.String())
}

// byReference adds what bears one of the references and is not there yet.
func (o *ours) byReference(rrns []string) error {
	var asked []any
	for _, r := range rrns {
		if r != "" && !o.references[r] {
			o.references[r] = true
			asked = append(asked, r)
		}
	}
	return o.ask("rrn", asked, o.standing)
}

func (o *ours) add(t *payment.Transaction, standing settlement.Standing) {
	if o.seen[t.ID] || t.Network != o.network || !settles(t.Operation) {
		return
	}
	o.seen[t.ID] = true
	if t.RRN != "" {
		o.references[t.RRN] = true
	}
	amount := t.Approved
	if !t.Booked {
		standing, amount = settlement.OutOfState, t.Amount
	}
	at := t.Answered
	if at.IsZero() {
		at = t.Received
	}
	o.out = append(o.out, settlement.Ours{Payment: t.ID, Kind: t.Operation.Kind(), Standing: standing, State: t.State, Amount: amount, Currency: t.Currency,
		Business: t.BusinessDate, Time: at, Keys: settlement.Keys{TID: t.TID, Batch: t.Batch, STAN: t.STAN, RRN: t.RRN, AuthCode: t.AuthCode, OrderID: t.OrderID,
			PAN: t.PAN, CardType: t.CardType, Network: t.Network, Issuer: t.Issuer}})
}

// ask adds the transactions that have one of some values in a column; standing is
// that of the captured among them.
func (o *ours) ask(column string, values []any, standing func(payment.ID) (settlement.Standing, error)) error {
	for part := range slices.Chunk(values, mostAsked) {
		q := "SELECT body FROM payment WHERE merchant = $1 AND " + column + " IN ("
		for i := range part {
			if i > 0 {
				q += ", "
			}
			q += parameter(i + 1)
		}
		found, err := collect(o.ctx, o.query, body.DecodeTransaction, q+")", append([]any{o.mid}, part...)...)
		if err != nil {
			return err
		}
		for i := range found {
			is, err := standing(found[i].ID)
			if err != nil {
				return err
			}
			o.add(&found[i], is)
		}
	}
	return nil
}

// standing is that of something captured that no file up to the date waits for:
// where none of a later date does either, the file of another date has had it.
func (o *ours) standing(id payment.ID) (settlement.Standing, error) {
	waits, err := collect(o.ctx, o.query, func([]byte) (bool, error) { return true, nil }, "SELECT network FROM clearing_due WHERE merchant = $1 AND payment = $2", o.mid, id[:])
	if len(waits) > 0 {
		return settlement.Captured, err
	}
	return settlement.ClearedBefore, err
}
