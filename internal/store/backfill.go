package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"slices"

	"github.com/pressly/goose/v3"

	"daozhang/internal/payment"
	"daozhang/internal/settlement"
	"daozhang/internal/store/body"
)

// The migrations that read or write the bodies of rows, so they are no SQL.
var codeMigrations = []struct {
	version int64
	name    string
	up      func(context.Context, *sql.Tx) error
}{
	{4, "00004_captured_before.go", noteCaptured},
	{12, "00012_pack_lines.go", packLines},
}

func goMigrations() (out []*goose.Migration) {
	for _, m := range codeMigrations {
		out = append(out, goose.NewGoMigration(m.version, &goose.GoFunc{RunTx: m.up}, nil))
	}
	return out
}

// noteCaptured puts the captures that no line has settled into settlement_due,
// and into clearing_due, page by page. What is there stays.
func noteCaptured(ctx context.Context, tx *sql.Tx) error {
	mid, id := "", payment.ID{}
	for {
		page, err := collect(ctx, tx.QueryContext, body.DecodeTransaction, `SELECT body FROM payment WHERE (merchant > $1 OR merchant = $1 AND id > $2)
			AND operation IN ('sale', 'offline', 'completion', 'refund') AND state IN ('approved', 'reversing')
			AND NOT EXISTS (SELECT 1 FROM settlement_line l WHERE l.merchant = payment.merchant AND l.payment = payment.id)
			ORDER BY merchant, id LIMIT 1000`, mid, id[:])
		if err != nil {
			return err
		}
		for i := range page {
			t := &page[i]
			mid, id = t.MID, t.ID
			effect := effectOf(t)
			if effect == 0 {
				continue
			}
			if _, err := tx.ExecContext(ctx, dueTable.values(ignore, 1), t.MID, id[:], effect); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, unclearedTable.values(ignore, 1), t.MID, id[:], t.Network, t.BusinessDate.String()); err != nil {
				return err
			}
		}
		if len(page) < 1000 {
			return nil
		}
	}
}

// packLines moves the lines of clearing files from rows of their own into parts, a
// merchant's part of a day at a time.
func packLines(ctx context.Context, tx *sql.Tx) error {
	var mid, network, date string
	for {
		err := tx.QueryRowContext(ctx, `SELECT merchant, network, date FROM clearing_line WHERE (merchant, network, date) > ($1, $2, $3)
			ORDER BY merchant, network, date LIMIT 1`, mid, network, date).Scan(&mid, &network, &date)
		if errors.Is(err, sql.ErrNoRows) {
			_, err = tx.ExecContext(ctx, "DROP TABLE clearing_line")
			return err
		}
		if err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT key, payment, kind, signed, outcome FROM clearing_line WHERE merchant = $1 AND network = $2 AND date = $3", mid, network, date)
		if err != nil {
			return err
		}
		var lines []settlement.Cleared
		for rows.Next() {
			var c settlement.Cleared
			var id []byte
			var kind string
			if err = rows.Scan(&c.Key, &id, &kind, &c.Signed, (*string)(&c.Outcome)); err != nil {
				break
			}
			copy(c.Payment[:], id)
			if c.Kind, err = body.KindOf(kind); err != nil {
				break
			}
			lines = append(lines, c)
		}
		if err := cmp.Or(err, rows.Err(), rows.Close()); err != nil {
			return err
		}
		slices.SortFunc(lines, func(a, b settlement.Cleared) int { return cmp.Compare(a.Key, b.Key) })
		parts, err := clearingParts(mid, network, date, lines)
		if err != nil {
			return err
		}
		for _, r := range parts {
			if _, err := tx.ExecContext(ctx, clearingTable.values(insert, 1), r...); err != nil {
				return err
			}
		}
	}
}
